"""OpenBGPD under the catalogue."""
import os
import subprocess

from herald_lab.openbgpd import OpenBgpd
from herald_lab.wait import until

from . import duts


class OpenBgpdDut(duts.Dut):
    name, title = "openbgpd", "OpenBGPD"
    lacking = {"bfd": "it does not speak BFD", "llgr": "no long-lived graceful restart",
               "hop6": "no configuration for extended next hops"}

    def build(self):
        self.impl = OpenBgpd(self.lab, self.ns, self._conf(self.peers))

    def _conf(self, peers):
        w = [f"AS {duts.AS}", f"router-id {duts.DUT4}", "fib-update no", "connect-retry 1",
             f"network {duts.OWN4}", f"network {duts.OWN6}", 'group "open" {']
        w += [self._peer(a, o) for a, o in peers if not o.get("nopolicy")]
        w.append("}")
        w += [self._peer(a, o) for a, o in peers if o.get("nopolicy")]
        return "\n".join([
            *w, 'allow from group "open"',
            "match from any community GRACEFUL_SHUTDOWN set { localpref 0 }",
            'allow to group "open"']) + "\n"

    @staticmethod
    def _peer(addr, o):
        w = [f"remote-as {o['as']}", f"local-address {duts.DUT4}", f"holdtime {o.get('hold', 90)}",
             "announce IPv4 unicast", "announce IPv6 unicast", "announce restart yes",
             "announce enhanced refresh yes"]
        if not o.get("dial"):
            w.append("passive")
        if o.get("client"):
            w.append("route-reflector")
        if o.get("gtsm"):
            w.append("ttl-security yes")
        if o.get("md5"):
            w.append(f'tcp md5sig password "{duts.MD5_KEY}"')
        if o.get("paths"):
            w += ["announce add-path recv yes", "announce add-path send all"]
        if o.get("limit"):
            w.append(f"max-prefix {o['limit']}")
        if o.get("role"):
            w.append(f"announce policy {o['role']}")
        return f"  neighbor {addr} {{\n" + "".join(f"    {x}\n" for x in w) + "  }"

    def start(self):
        self.impl.daemon.start()
        until(lambda: self.impl.cmd("show", "summary"), duts.PATIENCE, "OpenBGPD's socket")

    def stop(self):
        self.impl.stop()

    def running(self):
        return self.impl.daemon.running()

    def version(self):
        told = self.ns.run("dpkg-query", "-W", "-f", "${Version}", "openbgpd")
        return told.split("-")[0]

    def used(self, prefix):
        return any(r.get("best") for r in self.impl.route(prefix))

    def state(self, addr):
        return self.impl.neighbor(addr)["state"].lower()

    def _ctl(self, *args):
        subprocess.run(["bgpctl", "-s", self.impl.ctl, *args], text=True, capture_output=True,
                       timeout=20, check=True)

    def shutdown(self, addr, message):
        self._ctl("neighbor", addr, "down", message)

    def reset(self, addr):
        self._ctl("neighbor", addr, "clear")

    def remove(self, addr):
        path = f"{self.impl.dir}/bgpd.conf"
        with open(path, "w", encoding="utf-8", opener=lambda p, fl: os.open(p, fl, 0o600)) as f:
            f.write(f'socket "{self.impl.ctl}"\n'
                    + self._conf([p for p in self.peers if p[0] != addr]))
        self._ctl("reload")

    def stop_gracefully(self):
        self.impl.daemon.kill()
