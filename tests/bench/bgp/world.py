"""tests/bench/bgp/world.py: where a daemon is measured: two namespaces on one cable, the bench's own
speaker (gun) in one of them, the daemon in the other, and what it takes of time and memory."""
import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import time

PEERS = 250  # addresses that the speaker has
DUT, DUT_V6, DUT_AS = "10.99.0.1", "fd99::1", 65000


class Failed(Exception):
    """A measurement that is none; the text says why."""


def peer_address(i):
    return f"10.99.1.{i + 1}"


class World:
    def __init__(self, lab, gun):
        self.lab, self.gun_path, self.count = lab, gun, 0
        self.dut, self.far = lab.netns("dut"), lab.netns("far")
        lab.link(self.dut, "dut0", self.far, "far0")
        for ns in (self.dut, self.far):
            ns.sysctl("ipv4/tcp_rmem", "4096 131072 33554432")
            ns.sysctl("ipv4/neigh/default/gc_thresh3", 4096)
        self.dut.addr("dut0", f"{DUT}/16", f"{DUT_V6}/64")
        self.far.addr("far0", *(f"{peer_address(i)}/16" for i in range(PEERS)),
                      *(f"fd99::1:{i + 1:x}/64" for i in range(PEERS)))

    def directory(self):
        self.count += 1
        return self.lab.path(f"run{self.count}")

    def popen(self, ns, argv, log=None, **kw):
        """A process in @ns; its output into the file @log."""
        out = open(log, "ab") if log else subprocess.DEVNULL
        kw = {"stdin": subprocess.DEVNULL, "stdout": out, "stderr": out, **kw}
        try:
            with ns.inside():
                return subprocess.Popen(argv, **kw)
        finally:
            if log:
                out.close()

    def gun(self, where=None):
        return Gun(self, where or self.far)

    # ---- the daemon's processes ----

    def usage(self):
        """Seconds of processor, MB now, MB at the most, MB as shared out, of all that runs in dut."""
        u = {"cpu": 0.0, "rss": 0.0, "peak": 0.0, "pss": 0.0, "processes": 0}
        for pid in self.dut.processes():
            with contextlib.suppress(OSError):
                for task in os.listdir(f"/proc/{pid}/task"):
                    with contextlib.suppress(OSError):
                        text = read(f"/proc/{pid}/task/{task}/schedstat")
                        u["cpu"] += int(text.split()[0]) / 1e9
                status = read(f"/proc/{pid}/status")
                u["peak"] += field(status, "VmHWM:") / 1024
                u["rss"] += field(status, "VmRSS:") / 1024
                u["pss"] += field(read(f"/proc/{pid}/smaps_rollup"), "Pss:") / 1024
                u["processes"] += 1
        return u

    def kernel_ecmp(self):
        """Routes of several next hops in the main table of dut."""
        with self.dut.inside():
            done = subprocess.run(["ip", "-4", "-o", "route", "show", "root", "16.0.0.0/4"],
                                  stdout=subprocess.PIPE, check=False)
        return sum(1 for line in done.stdout.splitlines()
                   if b" nhid " in line or line.count(b"nexthop") > 1)

    def clear(self, popens, directory, grace=3.0):
        """End all that runs in dut."""
        for sig, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, 5.0)):
            for pid in self.dut.processes():
                with contextlib.suppress(OSError):
                    os.kill(pid, sig)
            end = time.monotonic() + patience
            while time.monotonic() < end and list(self.dut.processes()):
                for p in popens:
                    p.poll()
                time.sleep(0.02)
        for p in popens:
            p.wait()
        # routes that a daemon has left
        subprocess.run(["ip", "-n", self.dut.name, "route", "flush", "root", "16.0.0.0/4"],
                       stderr=subprocess.DEVNULL, check=False)
        if not os.environ.get("HERALD_LAB_KEEP"):
            shutil.rmtree(directory, ignore_errors=True)


def read(path):
    with open(path, encoding="ascii", errors="replace") as f:
        return f.read()


def field(text, name):
    at = text.find(name)
    return int(text[at + len(name):].split(None, 1)[0]) if at >= 0 else 0


class Gun:
    """The bench's speaker as a process; commands as in gun.c."""

    def __init__(self, world, ns):
        self.p = world.popen(ns, [world.gun_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             stderr=None)
        self.buf = b""

    def tell(self, *words):
        self.p.stdin.write((" ".join(str(w) for w in words) + "\n").encode())
        self.p.stdin.flush()

    def answered(self):
        """Is there an answer to be had without waiting?"""
        return b"\n" in self.buf or bool(select.select([self.p.stdout], [], [], 0)[0])

    def answer(self, timeout=400, must=True):
        while b"\n" not in self.buf:
            if not select.select([self.p.stdout], [], [], timeout)[0]:
                raise Failed("the speaker says nothing")
            data = os.read(self.p.stdout.fileno(), 1 << 16)
            if not data:
                raise Failed("the speaker is gone")
            self.buf += data
        line, self.buf = self.buf.split(b"\n", 1)
        got = json.loads(line)
        if must and not got["ok"]:
            raise Failed(f"{got}")
        return got

    def ask(self, *words, must=True):
        self.tell(*words)
        return self.answer(must=must)

    def close(self):
        with contextlib.suppress(OSError):
            self.tell("quit")
        try:
            self.p.wait(3)
        except subprocess.TimeoutExpired:
            self.p.kill()
            self.p.wait()
        self.p.stdin.close()
        self.p.stdout.close()


def busy():
    """Seconds that the machine's processors have worked so far."""
    ticks = [int(x) for x in read("/proc/stat").split("\n", 1)[0].split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")
