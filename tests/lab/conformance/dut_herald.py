"""Herald under the catalogue."""
import subprocess

from herald_lab import herald as h
from herald_lab.lab import program
from herald_lab.wait import until

from . import duts


class HeraldDut(duts.Dut):
    name, title = "herald", "Herald"

    def build(self):
        self.herald = h.Herald(self.lab, self.ns, "n1")
        w = self.herald.write
        w("10-settings.yaml", self.herald.settings(log={"level": "info"}))
        w("20-node.yaml", h.node("n1", [duts.OWN4, duts.OWN6], [duts.DUT4, duts.DUT6]))
        w("40-advertise.yaml", h.advertise_pods())
        w("45-secret.yaml", h.secret("md5", duts.MD5_KEY))
        w("46-bfd.yaml", h.doc("BFDProfile", "slow", {
            "transmitInterval": 300, "receiveInterval": 300, "detectMultiplier": 3}))
        self._peers(self.peers)

    def _peers(self, peers):
        configs = {}
        listed = {}
        for addr, o in peers:
            name = "-".join(f"{k}-{v}".lower() for k, v in sorted(o.items()) if k != "as") or "plain"
            configs.setdefault(name, self._config(name, o))
            listed[addr] = {"peerASN": o["as"], "peerAddress": addr, "config": name}
        self.herald.write("30-bgp.yaml", h.cluster(duts.AS, listed), *configs.values())

    @staticmethod
    def _config(name, o):
        learned = [{"match": {"origin": "learned"}, "action": "accept"}]
        spec = {"transport": {"passive": not o.get("dial")}, "export": learned}
        if o.get("hop6"):
            spec["extendedNextHop"] = True
        if o.get("role"):
            spec["role"] = o["role"]
        if o.get("gtsm"):
            spec["ttlSecurity"] = {"hops": 1}
        if o.get("md5"):
            spec["authSecretRef"] = "md5"
        if o.get("bfd"):
            spec["bfdProfile"] = "slow"
        if o.get("client"):
            spec["routeReflectorClient"] = True
        if o.get("gr"):
            spec["gracefulRestart"] = {
                "enabled": True, "restartTimeSeconds": duts.RESTART_TIME,
                **({"longLivedStaleTimeSeconds": duts.LONG_TIME} if o.get("llgr") else {})}
        select = {"matchLabels": {"advertise": "none" if o.get("nopolicy") else "bgp"}}
        families = [{"afi": f, "safi": "unicast", "advertisements": select,
                     **({"addPath": "both"} if o.get("paths") else {}),
                     **({"maxPrefixes": o["limit"]} if o.get("limit") else {})}
                    for f in ("ipv4", "ipv6")]
        if o.get("nopolicy"):
            spec.pop("export")
        if not o.get("nopolicy"):
            spec["import"] = [{"match": {"communities": ["65535:0"]}, "action": "accept",
                               "set": {"localPreference": 0}}, {"action": "accept"}]
        return h.peer_config(name, families, hold=o.get("hold", 90), accept=False, **spec)

    def start(self):
        self.herald.start(wait=False)
        until(lambda: not self.running() or self.herald.ctl("status"), duts.PATIENCE,
              "herald answering")
        assert self.running(), self.herald.daemon.text()[-3000:]

    def stop(self):
        self.herald.stop()

    def running(self):
        return self.herald.daemon.running()

    def version(self):
        return subprocess.run([program("herald"), "--version"], text=True, capture_output=True,
                              check=True).stdout.split()[1]

    def used(self, prefix):
        return any(r["best"] for r in self.herald.routes(
            "available", "ipv6" if ":" in prefix else "ipv4", "unicast", prefix)
            if r["prefix"] == prefix)

    def state(self, addr):
        return self.herald.peer(addr)["state"]

    def shutdown(self, addr, message):
        self.herald.ctl("bgp", "shutdown", addr, message)

    def reset(self, addr):
        self.herald.ctl("bgp", "clear", addr)

    def remove(self, addr):
        self._peers([p for p in self.peers if p[0] != addr])
        self.herald.ctl("reload")

    def stop_gracefully(self):
        self.herald.stop()
