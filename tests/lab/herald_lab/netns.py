"""Network namespaces, what links them, and what is configured in them."""
import contextlib
import ctypes
import json
import os
import signal
import socket
import subprocess
import time

RUN = "/run/netns"
CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def _setns(fd):
    if _libc.setns(fd, CLONE_NEWNET) < 0:
        err = ctypes.get_errno()
        raise OSError(err, os.strerror(err))


def ip(*args, batch=None, check=True):
    """Run iproute2's ip; returns its output."""
    done = subprocess.run(["ip", *args], input=batch, text=True, capture_output=True, check=False)
    if check and done.returncode:
        raise OSError(f"ip {' '.join(args)}: {done.stderr.strip()}\n{batch or ''}")
    return done.stdout


class Netns:
    """One namespace.  Lab.netns() makes it; Lab takes it away."""

    def __init__(self, name):
        self.name = name
        self.path = f"{RUN}/{name}"
        self.cgroup = None  # a bpf.Cgroup: what is run in here joins it

    def create(self):
        ip("netns", "add", self.name)
        with self.inside():
            for key, value in (("ipv4/ip_forward", 1), ("ipv6/conf/all/forwarding", 1),
                               ("ipv6/conf/all/accept_dad", 0), ("ipv6/conf/default/accept_dad", 0),
                               ("ipv4/conf/all/rp_filter", 0), ("ipv4/conf/default/rp_filter", 0),
                               ("ipv4/fib_multipath_hash_policy", 1)):
                self._sysctl(key, value)
        self.ip("link set lo up")
        return self

    @staticmethod
    def _sysctl(key, value):
        with contextlib.suppress(FileNotFoundError):
            with open(f"/proc/sys/net/{key}", "w", encoding="ascii") as f:
                f.write(str(value))

    def sysctl(self, key, value):
        """Set net.@key, written with slashes."""
        with self.inside():
            self._sysctl(key, value)

    @contextlib.contextmanager
    def inside(self):
        """What this thread opens or starts in this block belongs to the namespace."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            there = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                _setns(there)
            finally:
                os.close(there)
            yield self
        finally:
            _setns(home)
            os.close(home)

    def socket(self, family=socket.AF_INET, kind=socket.SOCK_STREAM, proto=0):
        with self.inside():
            return socket.socket(family, kind, proto)

    def argv(self, argv):
        """@argv as a process of this machine has to be started."""
        return self.cgroup.argv(argv) if self.cgroup else list(argv)

    def run(self, *argv, timeout=20, check=True):
        """Run a program in here to its end; returns its standard output."""
        with self.inside():
            done = subprocess.run(self.argv(argv), text=True, capture_output=True, timeout=timeout,
                                  check=False, stdin=subprocess.DEVNULL)
        if check and done.returncode:
            raise OSError(f"{' '.join(argv)}: exit {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def ip(self, *commands, check=True):
        """Run ip commands in one go, each one string."""
        return ip("-n", self.name, "-batch", "-", batch="\n".join(commands) + "\n", check=check)

    def addr(self, dev, *addresses):
        self.ip(*(f"addr add {a} dev {dev}{' nodad' if ':' in a else ''}" for a in addresses),
                f"link set {dev} up")

    def routes(self, family=4, table="main", proto=None):
        """The kernel's routes as `ip -j route` tells them."""
        args = ["-n", self.name, f"-{family}", "-j", "route", "show", "table", str(table)]
        if proto:
            args += ["proto", str(proto)]
        return json.loads(ip(*args) or "[]")

    def next_hops(self, prefix, family=None, proto=None):
        """The next hops of @prefix in the kernel, as a set of addresses or device names."""
        family = family or (6 if ":" in prefix else 4)
        plain = prefix.removesuffix("/32" if family == 4 else "/128")
        hops = set()
        for r in self.routes(family, proto=proto):
            if r["dst"] in (prefix, plain):
                for n in r.get("nexthops") or [r]:
                    hops.add(n.get("via", {}).get("host") or n.get("gateway") or n.get("dev"))
        return hops

    def processes(self):
        """Every process that lives in here."""
        with contextlib.suppress(OSError):
            mine = os.stat(self.path)
            for pid in os.listdir("/proc"):
                if pid.isdigit() and int(pid) != os.getpid():
                    with contextlib.suppress(OSError):
                        ns = os.stat(f"/proc/{pid}/ns/net")
                        if (ns.st_dev, ns.st_ino) == (mine.st_dev, mine.st_ino):
                            yield int(pid)

    def remove(self):
        """Kill what still lives in here, then take the namespace away, also one half made: an
        interrupt may have struck between its name and its mount."""
        end = time.monotonic() + 3
        while time.monotonic() < end:
            left = []
            with contextlib.suppress(Exception):
                left = list(self.processes())
            if not left:
                break
            for pid in left:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.01)
        while os.path.exists(self.path) and time.monotonic() < end + 2:
            ip("netns", "del", self.name, check=False)
            with contextlib.suppress(OSError):
                os.unlink(self.path)


def link(a, dev_a, b, dev_b):
    """A cable: @dev_a in namespace @a, @dev_b in namespace @b, both up."""
    ip("link", "add", dev_a, "netns", a.name, "type", "veth",
       "peer", "name", dev_b, "netns", b.name)
    a.ip(f"link set {dev_a} up")
    b.ip(f"link set {dev_b} up")
