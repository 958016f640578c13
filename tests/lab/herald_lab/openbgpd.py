"""OpenBGPD 7.7 (portable), without a kernel table."""
import json
import os
import signal
import subprocess

from .proc import Daemon
from .wait import until


class OpenBgpd:
    def __init__(self, lab, ns, conf, name=None):
        self.ns = ns
        self.dir = lab.path(name or f"openbgpd-{ns.name.rsplit('-', 1)[-1]}")
        self.ctl = f"{self.dir}/ctl"
        os.makedirs("/run/openbgpd", exist_ok=True)  # the chroot that the package's user has
        with open(f"{self.dir}/bgpd.conf", "w", encoding="utf-8",
                  opener=lambda p, fl: os.open(p, fl, 0o600)) as f:
            f.write(f'socket "{self.ctl}"\n{conf}')
        self.daemon = Daemon(lab, ns, ["/usr/sbin/bgpd", "-d", "-f", f"{self.dir}/bgpd.conf"],
                             f"{self.dir}/bgpd.log")

    def start(self):
        self.daemon.start()
        until(lambda: self.cmd("show", "summary"), what="OpenBGPD's socket")
        return self

    def stop(self, sig=signal.SIGTERM):
        return self.daemon.stop(sig)

    def cmd(self, *args):
        done = subprocess.run(["bgpctl", "-s", self.ctl, "-j", *args], text=True,
                              capture_output=True, timeout=10, check=True)
        return json.loads(done.stdout)

    def neighbor(self, addr):
        return self.cmd("show", "neighbor", addr)["neighbors"][0]

    def established(self, addr):
        return self.neighbor(addr)["state"] == "Established"

    def wait_established(self, addr, timeout=15):
        until(lambda: self.established(addr), timeout, f"OpenBGPD: session with {addr} established")

    def route(self, prefix):
        return [r for r in self.cmd("show", "rib", "detail", prefix).get("rib", [])
                if r["prefix"] == prefix]

    def wait_route(self, prefix, timeout=10):
        return until(lambda: self.route(prefix), timeout, f"OpenBGPD: a path for {prefix}")


def bgp_conf(asn, router_id, peers, networks=(), listen=()):
    """Each session with the family of its own address.  @peers: {address: {"as": N,
    "local": address, "md5": key, "lines": [...]}}."""
    w = [f"AS {asn}", f"router-id {router_id}", "fib-update no", "holdtime 9", "connect-retry 1"]
    w += [f"listen on {a}" for a in listen]
    w += [f"network {n}" for n in networks]
    for addr, p in peers.items():
        w += [f"neighbor {addr} {{", f"  remote-as {p['as']}", f"  local-address {p['local']}",
              f"  announce IPv4 {'none' if ':' in addr else 'unicast'}",
              f"  announce IPv6 {'unicast' if ':' in addr else 'none'}", "  announce restart yes"]
        if p.get("md5"):
            w.append(f'  tcp md5sig password "{p["md5"]}"')
        w += [f"  {line}" for line in p.get("lines", ())] + ["}"]
    w += ["allow from any", "allow to any"]
    return "\n".join(w) + "\n"
