"""GoBGP 3.10: gobgpd, asked with the gobgp program."""
import json
import signal
import subprocess

from .proc import Daemon
from .wait import until


class GoBgp:
    def __init__(self, lab, ns, conf, name=None):
        self.ns = ns
        self.dir = lab.path(name or f"gobgp-{ns.name.rsplit('-', 1)[-1]}")
        with open(f"{self.dir}/gobgpd.toml", "w", encoding="utf-8") as f:
            f.write(conf)
        self.daemon = Daemon(lab, ns, ["/usr/bin/gobgpd", "-f", f"{self.dir}/gobgpd.toml",
                                       "--api-hosts", "127.0.0.1:50051", "--pprof-disable"],
                             f"{self.dir}/gobgpd.log")

    def start(self, networks=()):
        self.daemon.start()
        until(lambda: self.cmd("global") is not None, what="gobgpd's API", step=0.05)
        for n in networks:
            self.cmd("global", "rib", "-a", "ipv6" if ":" in n else "ipv4", "add", n, as_json=False)
        return self

    def stop(self, sig=signal.SIGTERM):
        return self.daemon.stop(sig)

    def cmd(self, *args, as_json=True):
        done = self.ns.run("gobgp", *(["-j"] if as_json else []), *args, check=False)
        if not as_json:
            return done
        return json.loads(done)

    def neighbor(self, addr):
        return self.cmd("neighbor", addr)

    def established(self, addr):
        return self.neighbor(addr)["state"]["session_state"] in (6, "ESTABLISHED")

    def wait_established(self, addr, timeout=20):
        until(lambda: self.established(addr), timeout, f"GoBGP: session with {addr} established")

    def routes(self, family="ipv4"):
        """{prefix: [path, ...]} of the global table."""
        try:
            return self.cmd("global", "rib", "-a", family) or {}
        except (ValueError, subprocess.SubprocessError):
            return {}

    def wait_route(self, prefix, timeout=10):
        fam = "ipv6" if ":" in prefix else "ipv4"
        return until(lambda: self.routes(fam).get(prefix), timeout, f"GoBGP: a path for {prefix}",
                     step=0.05)


def bgp_conf(asn, router_id, peers, gr=False):
    """Each session with the family of its own address.  @peers: {address: {"as": N,
    "local": address, "passive": bool, "md5": key, "ttl": hops}}."""
    w = ["[global.config]", f"as = {asn}", f'router-id = "{router_id}"']
    for addr, p in peers.items():
        w += ["[[neighbors]]", "[neighbors.config]", f'neighbor-address = "{addr}"',
              f"peer-as = {p['as']}"]
        if p.get("md5"):
            w.append(f'auth-password = "{p["md5"]}"')
        w += ["[neighbors.transport.config]", f'local-address = "{p["local"]}"',
              f"passive-mode = {'true' if p.get('passive') else 'false'}",
              "[neighbors.timers.config]", "connect-retry = 1", "hold-time = 9",
              "keepalive-interval = 3", "idle-hold-time-after-reset = 1"]
        if p.get("ttl"):
            w += ["[neighbors.ebgp-multihop.config]", "enabled = true",
                  f"multihop-ttl = {p['ttl']}"]
        if gr:
            w += ["[neighbors.graceful-restart.config]", "enabled = true", "restart-time = 20"]
        f = "ipv6-unicast" if ":" in addr else "ipv4-unicast"
        w += ["[[neighbors.afi-safis]]", "[neighbors.afi-safis.config]", f'afi-safi-name = "{f}"']
        if gr:
            w += ["[neighbors.afi-safis.mp-graceful-restart.config]", "enabled = true"]
    return "\n".join(w) + "\n"
