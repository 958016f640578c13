"""FRR 8.4.4: zebra and bgpd, a pair of them for each namespace, with a private run directory."""
import contextlib
import json
import os
import signal
import socket
import subprocess

from .proc import Daemon
from .wait import until

BIN = "/usr/lib/frr"


class Vty:
    """A daemon's vty socket: a command and NUL in; text, three NULs and a status byte out."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(10)
        self.sock.connect(path)
        self.cmd("enable")

    def cmd(self, command):
        self.sock.sendall(command.encode() + b"\0")
        got = b""
        while len(got) < 4 or got[-4:-1] != b"\0\0\0":
            more = self.sock.recv(1 << 16)
            if not more:
                raise EOFError(f"{command}: the daemon went away")
            got += more
        return got[:-4].decode(errors="replace")

    def close(self):
        self.sock.close()


class Frr:
    """One router.  @conf is a whole frr.conf (text), loaded the way the package does it, with
    `vtysh -b`; or, with integrated=False, bgpd's own file, read by bgpd before it listens."""

    def __init__(self, lab, ns, conf, integrated=True, name=None):
        self.lab, self.ns, self.integrated = lab, ns, integrated
        self.dir = lab.path(name or f"frr-{ns.name.rsplit('-', 1)[-1]}")
        self.write(conf)
        self._vty = None
        common = ["-u", "root", "-g", "frrvty", "-A", "127.0.0.1", "-P", "0",
                  "-z", f"{self.dir}/zserv.api", "--vty_socket", self.dir, "--log", "stdout"]
        self.zebra = Daemon(lab, ns, [f"{BIN}/zebra", *common, "-f", f"{self.dir}/zebra.conf",
                                      "-i", f"{self.dir}/zebra.pid"], f"{self.dir}/zebra.log")
        self.bgpd = Daemon(lab, ns, [f"{BIN}/bgpd", *common, "-f", f"{self.dir}/bgpd.conf",
                                     "-i", f"{self.dir}/bgpd.pid"], f"{self.dir}/bgpd.log")

    def write(self, conf):
        files = {"zebra.conf": "", "vtysh.conf": "", "frr.conf": conf if self.integrated else "",
                 "bgpd.conf": "" if self.integrated else conf}
        for name, text in files.items():
            with open(f"{self.dir}/{name}", "w", encoding="utf-8") as f:
                f.write(text)

    def start(self):
        self.zebra.start()
        until(lambda: os.path.exists(f"{self.dir}/zserv.api"), what="zebra's socket")
        return self.start_bgpd()

    def start_bgpd(self):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{self.dir}/bgpd.vty")
        self.bgpd.start()
        until(lambda: self.vty("show version"), what="bgpd's vty")
        if self.integrated:
            done = subprocess.run(["vtysh", "--vty_socket", self.dir, "--config_dir", self.dir,
                                   "-b"], capture_output=True, text=True, timeout=20,
                                  check=False)
            if done.returncode:
                raise OSError(f"vtysh -b: {done.stdout}{done.stderr}")
        return self

    def stop_bgpd(self, sig=signal.SIGTERM):
        self._drop()
        return self.bgpd.stop(sig)

    def stop(self, sig=signal.SIGTERM):
        self.stop_bgpd(sig)
        self.zebra.stop(sig)

    def _drop(self):
        if self._vty:
            self._vty.close()
            self._vty = None

    def vty(self, *commands):
        """Run commands in bgpd over its socket; returns what the last one said."""
        try:
            if not self._vty:
                self._vty = Vty(f"{self.dir}/bgpd.vty")
            for c in commands:
                text = self._vty.cmd(c)
            return text
        except (OSError, EOFError):
            self._drop()
            raise

    def json(self, command):
        return json.loads(self.vty(command + " json"))

    def configure(self, *lines):
        self.vty("configure terminal", *lines, "end")

    def vtysh(self, command):
        """As an operator would see it."""
        return subprocess.run(["vtysh", "--vty_socket", self.dir, "-c", command], text=True,
                              capture_output=True, timeout=10, check=True).stdout

    def neighbor(self, addr):
        return self.json(f"show bgp neighbors {addr}")[addr]

    def established(self, addr):
        return self.neighbor(addr)["bgpState"] == "Established"

    def paths(self, prefix):
        """bgpd's paths for @prefix: [] when it has none."""
        afi = "ipv6" if ":" in prefix else "ipv4"
        return self.json(f"show bgp {afi} unicast {prefix}").get("paths", [])

    def path_hops(self, prefix):
        """Next hops of the paths that bgpd uses (best and multipath) for @prefix."""
        return {h["ip"] for p in self.paths(prefix) if p.get("bestpath") or p.get("multipath")
                for h in p["nexthops"] if h.get("used") or len(p["nexthops"]) == 1}

    def wait_established(self, *addrs, timeout=15):
        for a in addrs:
            until(lambda a=a: self.established(a), timeout, f"FRR: session with {a} established")

    def wait_path(self, prefix, timeout=10):
        return until(lambda: self.paths(prefix), timeout, f"FRR: a path for {prefix}")


def bgp_conf(asn, router_id, neighbors, networks=(), extra=(), af4=(), af6=(), glob=(),
             hurry=True):
    """A bgpd configuration for tests: quick timers, no policy needed, each session with the
    unicast family of its own address.  @neighbors: {address: [what stands after "neighbor
    ADDRESS"]}, "remote-as N" among them; @networks of both families.  @hurry: do not wait a second
    for more routes; then, after a restart, FRR may send End-of-RIB before its own networks."""
    w = ["frr defaults traditional", *glob, f"router bgp {asn}", f" bgp router-id {router_id}",
         " no bgp ebgp-requires-policy", " no bgp network import-check",
         " no bgp default ipv4-unicast"]
    w += [f" {line}" for line in extra]
    if hurry:
        w.append(" coalesce-time 1")
    for addr, lines in neighbors.items():
        w += [f" neighbor {addr} {line}" for line in lines]
        w.append(f" neighbor {addr} timers connect 1")
    for name, mark, own in (("ipv4", False, af4), ("ipv6", True, af6)):
        w.append(f" address-family {name} unicast")
        w += [f"  network {n}" for n in networks if (":" in n) == mark]
        w += [f"  neighbor {a} activate" for a in neighbors if (":" in a) == mark]
        w += [f"  {line}" for line in own]
        w.append(" exit-address-family")
    return "\n".join([*w, "exit"]) + "\n"
