#!/usr/bin/python3
"""How fast Herald is there: from exec to all routes and End-of-RIB at three peers that wait, memory
then, and from a change on disk to the UPDATE on the wire.  Prints a small table; judges nothing.

    bgp_start.py [--runs N] [--changes N] [--routes N] [--json]
"""
import argparse
import json
import os
import select
import socket
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lab"))

from herald_lab import Lab  # noqa: E402
from herald_lab import bgpmsg as B  # noqa: E402
from herald_lab import herald as h  # noqa: E402
from herald_lab.herald import write_atomically  # noqa: E402
from herald_lab.lab import program  # noqa: E402

PEERS = ["10.0.0.11", "10.0.0.12", "10.0.0.13"]
TARGETS = {"exec_to_up_ms": None, "exec_to_routes_ms": 20, "exec_to_eor_ms": 20, "rss_kb": 8192,
           "change_to_update_ms": 5}
TEXT = {"exec_to_up_ms": "exec to the last of 3 sessions up, ms",
        "exec_to_routes_ms": "exec to all routes at 3 peers, ms",
        "exec_to_eor_ms": "exec to End-of-RIB at 3 peers, ms",
        "rss_kb": "RSS with 3 peers and all routes, KiB",
        "change_to_update_ms": "endpoint change on disk to UPDATE, ms"}


class Bench:
    def __init__(self, lab, routes):
        self.lab, self.routes = lab, routes
        self.n1, self.tor = lab.netns("n1"), lab.netns("tor")
        lab.link(self.n1, "eth0", self.tor, "eth0")
        self.n1.addr("eth0", "10.0.0.1/24")
        self.tor.addr("eth0", *(f"{p}/24" for p in PEERS))
        self.herald = h.Herald(lab, self.n1, "n1")
        self.listeners = [self._listen(p) for p in PEERS]
        self._write()

    def _listen(self, addr):
        s = self.tor.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind((addr, 179))
        s.listen(16)
        return s

    def _write(self):
        w = self.herald.write
        w("10.yaml", self.herald.settings(
            log={"level": "info"},
            datapath={"mode": "none", "pinPath": f"{self.herald.dir}/pin"}))  # nothing to adopt
        w("20.yaml", h.node("n1", ["10.1.0.0/24"], ["10.0.0.1"]))
        w("30.yaml", h.cluster(65001, {f"p{i}": {"peerASN": 65000, "peerAddress": p, "config": "tor"}
                                       for i, p in enumerate(PEERS)}),
          h.peer_config("tor", families=["ipv4"], hold=90,
                        gracefulRestart={"enabled": True, "restartTimeSeconds": 120}))
        w("40.yaml", h.advertise_pods(), h.advertise_services())
        w("50.yaml", h.pool("p", "172.16.0.0/16"))
        w("60.yaml", *(d for i in range(self.routes - 2) for d in (
            h.service(f"s{i}"), h.endpoints(f"s{i}", ("10.1.0.10", "n1")))))
        self.change(True)

    def change(self, ready):
        """The one service whose endpoint comes and goes, in a file of its own."""
        write_atomically(f"{self.herald.conf}/61.yaml", h.to_yaml(
            h.service("flip"), h.endpoints("flip", ("10.1.0.11", "n1", ready))))

    def start(self):
        """Start the daemon; returns when all three peers have everything."""
        argv = [program("herald"), *self.herald.daemon.argv[1:]]
        log = open(self.herald.daemon.log, "ab")
        with self.n1.inside():
            begin = time.monotonic()
            self.proc = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        log.close()
        up, full, eor = {}, {}, {}
        self.conns, count = {}, {}
        hello = {a: B.open_msg(65000, a, caps=[B.cap_mp(B.IPV4), B.cap_refresh(), B.cap_as4(65000),
                                               B.cap_gr([B.IPV4], 120)]) for a in PEERS}
        fds = {s: None for s in self.listeners}
        while len(eor) < len(PEERS):
            ready, _, _ = select.select(list(fds), [], [], 10)
            if not ready:
                raise TimeoutError(f"not there after 10 s: {open(self.herald.daemon.log).read()}")
            for s in ready:
                if s in self.listeners:
                    c, _ = s.accept()
                    addr = c.getsockname()[0]
                    c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    c.sendall(hello[addr])
                    fds[c] = [addr, b""]
                    self.conns[addr] = c
                    count[addr] = 0
                    continue
                addr, data = fds[s]
                data += s.recv(1 << 18)
                now = (time.monotonic() - begin) * 1000
                while len(data) >= 19 and len(data) >= int.from_bytes(data[16:18], "big"):
                    n = int.from_bytes(data[16:18], "big")
                    m, data = B.Msg(data[:n]), data[n:]
                    if m.type == B.OPEN:
                        s.sendall(B.keepalive())
                    elif m.type == B.KEEPALIVE:
                        up.setdefault(addr, now)
                    elif m.type == B.NOTIFICATION:
                        raise RuntimeError(f"{addr}: {m}")
                    elif m.type == B.UPDATE:
                        u = m.update()
                        count[addr] += len(u.announced)
                        if count[addr] >= self.routes:
                            full.setdefault(addr, now)
                        if u.end_of_rib:
                            eor[addr] = now
                fds[s] = [addr, data]
        if min(count.values()) < self.routes:
            raise RuntimeError(f"End-of-RIB after {count} routes of {self.routes}")
        return {"exec_to_up_ms": max(up.values()), "exec_to_routes_ms": max(full.values()),
                "exec_to_eor_ms": max(eor.values())}

    def rss(self):
        with open(f"/proc/{self.proc.pid}/status", encoding="ascii") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))

    def flip(self, ready):
        """One change on disk; milliseconds until the first peer has its UPDATE."""
        c = self.conns[PEERS[0]]
        c.settimeout(5)
        begin = time.monotonic()
        self.change(ready)
        while True:
            data = c.recv(1 << 16)
            now = time.monotonic()
            if any(kind == B.UPDATE for kind in kinds(data)):
                return (now - begin) * 1000

    def stop(self):
        self.proc.kill()
        self.proc.wait()
        for c in self.conns.values():
            c.close()

    def close(self):
        if getattr(self, "proc", None) and self.proc.poll() is None:
            self.proc.kill()
            self.proc.wait()
        for s in self.listeners:
            s.close()


def kinds(data):
    while len(data) >= 19:
        yield data[18]
        data = data[int.from_bytes(data[16:18], "big"):]


def measure(args):
    got = {k: [] for k in TARGETS}
    with Lab("bench") as lab:
        b = lab.own(Bench(lab, args.routes))
        for _ in range(args.runs):
            for k, v in b.start().items():
                got[k].append(v)
            got["rss_kb"].append(b.rss())
            b.stop()
        b.start()
        for i in range(args.changes):
            got["change_to_update_ms"].append(b.flip(bool(i % 2)))
        b.stop()
    return got


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--runs", type=int, default=15)
    p.add_argument("--changes", type=int, default=60)
    p.add_argument("--routes", type=int, default=100)
    p.add_argument("--json", action="store_true")
    args = p.parse_args()
    if os.geteuid() != 0:
        print("bgp_start: it makes network namespaces and needs root", file=sys.stderr)
        return 3
    got = measure(args)
    if args.json:
        print(json.dumps({k: statistics.median(v) for k, v in got.items()}))
        return 0
    print(f"3 peers, {args.routes} routes, {args.runs} starts, {args.changes} changes")
    print(f"{'':<42}{'median':>9}{'least':>9}{'most':>9}{'target':>9}")
    for k, v in got.items():
        want = f"< {TARGETS[k]}" if TARGETS[k] else ""
        form = (lambda x: f"{x:>9.0f}") if k == "rss_kb" else (lambda x: f"{x:>9.2f}")
        print(f"{TEXT[k]:<42}{form(statistics.median(v))}{form(min(v))}{form(max(v))}{want:>9}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
