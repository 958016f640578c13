"""BIRD 2.0.12 with its own configuration and control socket."""
import os
import re
import signal
import socket

from .proc import Daemon
from .wait import until


class Bird:
    def __init__(self, lab, ns, conf, name=None):
        self.ns = ns
        self.dir = lab.path(name or f"bird-{ns.name.rsplit('-', 1)[-1]}")
        self.ctl = f"{self.dir}/bird.ctl"
        self.write(conf)
        self.daemon = Daemon(lab, ns, ["/usr/sbin/bird", "-f", "-c", f"{self.dir}/bird.conf",
                                       "-s", self.ctl, "-P", f"{self.dir}/bird.pid"],
                             f"{self.dir}/bird.log")

    def write(self, conf):
        with open(f"{self.dir}/bird.conf", "w", encoding="utf-8") as f:
            f.write(f'log "{self.dir}/bird.log" all;\n{conf}')

    def start(self):
        self.daemon.start()
        until(lambda: os.path.exists(self.ctl) and self.cmd("show status"), what="BIRD's socket")
        return self

    def stop(self, sig=signal.SIGTERM):
        return self.daemon.stop(sig)

    def restart_gracefully(self):
        """As `birdc graceful restart`: ends, leaving kernel routes and peers' stale routes."""
        self.cmd("graceful restart")
        self.daemon.wait(10)

    def start_recovering(self):
        """Start as after a graceful restart (-R)."""
        if "-R" not in self.daemon.argv:
            self.daemon.argv.append("-R")
        return self.start()

    def cmd(self, command):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(10)
            s.connect(self.ctl)
            self._reply(s)
            s.sendall(command.encode() + b"\n")
            return self._reply(s)

    @staticmethod
    def _reply(s):
        got = b""
        while True:
            more = s.recv(1 << 16)
            if not more:
                raise EOFError("BIRD went away")
            got += more
            if got.endswith(b"\n"):
                last = got[:-1].rsplit(b"\n", 1)[-1]
                if re.match(rb"\d{4}( |$)", last):
                    # without the reply codes
                    return re.sub(r"(?m)^(\d{4}[- ]|[ +])", "", got.decode(errors="replace"))

    def established(self, proto):
        return re.search(rf"(?m)^{proto}\s+BGP.*Established", self.cmd(f"show protocols {proto}"))

    def route(self, prefix, table=None):
        """`show route all` of exactly @prefix, "" when there is none."""
        try:
            text = self.cmd(f"show route {prefix} all" + (f" table {table}" if table else ""))
        except EOFError:
            return ""
        return text if prefix in text else ""

    def wait_established(self, proto, timeout=15):
        until(lambda: self.established(proto), timeout,
              lambda: f"BIRD: {proto} established: {self.cmd('show protocols all ' + proto)}")

    def wait_route(self, prefix, timeout=10):
        # asking it anything also wakes its loop, which else may sleep 3 s on queued output
        return until(lambda: self.route(prefix), timeout, f"BIRD: a route for {prefix}")


def bgp_conf(router_id, asn, peers, networks=(), kernel=False, head=""):
    """A configuration for tests.  @peers: {protocol name: (local address, peer address, peer AS,
    further lines)}; each session with the family of its own address, everything in and out;
    @networks of both families; @kernel: what is learned goes into the kernel, too."""
    w = [f"router id {router_id};", head, "protocol device { scan time 1; }"]
    for name, mark in (("ipv4", False), ("ipv6", True)):
        own = [n for n in networks if (":" in n) == mark]
        if own:
            w.append(f"protocol static s{name} {{ {name}; "
                     + " ".join(f"route {n} blackhole;" for n in own) + " }")
        if kernel:
            w.append(f"protocol kernel k{name} {{ persist yes; graceful restart on; "
                     f"{name} {{ export where source = RTS_BGP; }}; }}")
    for name, (local, addr, peer_as, lines) in peers.items():
        family = "ipv6" if ":" in addr else "ipv4"
        w.append(f"protocol bgp {name} {{ local {local} as {asn}; neighbor {addr} as {peer_as}; "
                 "connect delay time 1; connect retry time 1; error wait time 1, 2; "
                 f"hold time 9; {family} {{ import all; export all; }}; {lines} }}")
    return "\n".join(w) + "\n"
