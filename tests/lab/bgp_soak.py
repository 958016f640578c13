"""`make bgp-soak`: a day of a busy network in half an hour, and a Herald that may not grow by it.

    bgp_soak.py [--seconds 1800] [--seed 1] [--json FILE]

Against one Herald: peers that come, tell routes and go in every way that there is (FIN, RST,
NOTIFICATION, broken messages, silence), some with graceful restart, long-lived or not, and several
paths; steady peers whose routes change all the time and who ask for refreshes; an operator who
clears sessions, changes policies, peers and Services in the files and asks questions; and a BIRD
that is killed and started again.  A twenty-fourth of the time is an hour.  At each hour's end all of
it comes to rest in the same state, and resident memory, open files and the tables are read.

Exit status 0: since the warm-up (a quarter of the day) memory has not grown, files and tables are as
they were, and the daemon is the same process; 1: else; 130: interrupted."""
import argparse
import collections
import contextlib
import json
import os
import random
import re
import socket
import sys
import time

from herald_lab import Lab, until
from herald_lab import bgpmsg as B
from herald_lab import herald as h
from herald_lab.bird import Bird, bgp_conf
from herald_lab.pair import AS, HERALD4, PEER4, PEER_AS, Pair, slot_addr

FLAPPERS, STEADY, STATIC = 40, 4, 500
BIRD4 = "10.0.0.3"
HOURS, WARM = 24, 6
GROWTH_KB, GROWTH_SHARE = 256, 0.02  # what an allocator may do by itself
METRICS = 7479
ENDS = ("fin", "rst", "cease", "broken", "hard", "leave")


def caps(*more):
    return [B.cap_mp(B.IPV4), B.cap_mp(B.IPV6), B.cap_refresh(), B.cap_as4(PEER_AS), *more]


GR = B.cap_gr((B.IPV4, B.IPV6), 1)
LLGR = B.cap(71, b"\0\1\1\x80\0\0\1\0\2\1\x80\0\0\1")
KINDS = {"plain": [], "gr": [GR], "llgr": [GR, LLGR], "old": None}


class Flapper:
    """A peer that is there for a moment."""

    def __init__(self, soak, i):
        self.soak, self.addr, self.i = soak, slot_addr(i), i
        self.kind = list(KINDS)[i % len(KINDS)]
        self.speaker, self.until = None, 0.0

    def come(self, now):
        rng, more = self.soak.rng, KINDS[self.kind]
        told = [B.cap_mp(B.IPV4)] if more is None else caps(*more)
        self.speaker = self.soak.pair.speaker(self.addr, caps=told)
        c = self.speaker.connect(HERALD4, timeout=0.5)
        self.speaker.establish(c, 5)
        size = 2 if more is None else 4
        for _ in range(rng.randrange(4)):
            c.send(self.soak.update(self.addr, f"30.{self.i}", rng.randrange(1, 40), size))
        c.send(B.end_of_rib(), B.end_of_rib(B.IPV6))
        self.until = now + rng.uniform(0, 2)

    def go(self, how):
        c, s = self.speaker.last, self.speaker
        with contextlib.suppress(OSError):
            if how == "cease":
                c.send(B.notification(6, self.soak.rng.choice([2, 3, 4, 9]), b""))
            elif how == "broken":
                c.send(self.soak.rng.choice([
                    B.message(B.KEEPALIVE, b"x"), B.update(attrs_len=500),
                    B.update((), [B.mp_unreach(), B.mp_unreach()]), b"\0" * 40]))
            elif how == "hard":
                c.send(B.notification(6, 9, b"\6\2"))
        if how == "rst":
            c.reset()
        if how != "leave":
            s.close()
        else:  # the connection stays open without a word, until it is replaced or the day is over
            self.soak.left.append(s)
        self.soak.pair.lab._owned.remove(s)  # pylint: disable=protected-access
        self.speaker = None


class Soak:
    def __init__(self, lab, args):
        self.rng, self.seconds = random.Random(args.seed), args.seconds
        self.done, self.samples, self.left = collections.Counter(), [], []
        self.pair = Pair(lab, slots=FLAPPERS + STEADY)
        self.pair.other.ip(f"addr add {BIRD4}/16 dev eth0")
        self.flappers = [Flapper(self, i) for i in range(FLAPPERS)]
        self.bird = Bird(lab, self.pair.other, bgp_conf(PEER4, PEER_AS, {"h": (
            BIRD4, HERALD4, AS, "graceful restart on; graceful restart time 20;")},
            [f"40.0.{i % 256}.{i // 256 * 128}/25" for i in range(STATIC)]), name="bird")
        self.variant = 0
        self.write()
        self.pair.herald.start()
        self.bird.start()
        self.pid = self.pair.herald.daemon.pid
        self.steady = [self.come_steady(i) for i in range(STEADY)]

    # ---- what the network is ----

    def write(self):
        """The documents; @variant changes policies, timers, a Service and one peer."""
        v = self.variant
        peers = {"bird": {"peerASN": PEER_AS, "peerAddress": BIRD4, "config": "gr"}}
        for i in range(STEADY):
            peers[f"s{i}"] = {"peerASN": PEER_AS, "peerAddress": slot_addr(FLAPPERS + i),
                              "config": "steady"}
        for f in self.flappers:
            if v % 3 != 1 or f.i != v % FLAPPERS:
                peers[f"f{f.i}"] = {"peerASN": PEER_AS, "peerAddress": f.addr,
                                    "config": "llgr" if f.kind == "llgr" else "gr"}
        rules = [{"match": {"communities": [f"65000:{v % 9}"]}, "action": "accept",
                  "set": {"localPreference": 50 + v % 7, "communities": {"add": [f"65001:{v % 5}"]}}},
                 {"match": {"asPath": f"6460{v % 9}$"}, "action": "reject"}, {"action": "accept"}]
        export = [{"match": {"origin": "learned"}, "action": "accept", "set": {"med": v % 4}}]
        self.pair.write(peers=peers, settings={
            "metrics": {"listen": f"127.0.0.1:{METRICS}"}, "log": {"level": "warn"}})
        # "leave": silence ends by the hold time
        common = {"hold": 9, "transport": {"passive": True}, "accept": False, "import": rules,
                  "export": export}
        gr = {"enabled": True, "restartTimeSeconds": 20}
        self.pair.herald.write(
            "31-kinds.yaml", h.peer_config("gr", gracefulRestart=gr, **common),
            h.peer_config("llgr", gracefulRestart={**gr, "longLivedStaleTimeSeconds": 1}, **common),
            h.peer_config("steady", **common))
        docs = [d for i in range(v % 5) for d in (h.service(f"w{i}"), h.endpoints(
            f"w{i}", (f"10.1.0.{20 + i}", "n1")))]
        self.pair.herald.write("70-more.yaml", *docs)

    def come_steady(self, i):
        s = self.pair.speaker(slot_addr(FLAPPERS + i), caps=caps())
        s.dial_up(HERALD4, 20)
        return s

    def update(self, hop, net, n, size=4):
        """@n prefixes with attributes of many, or their withdrawal."""
        rng = self.rng
        start = rng.randrange(256 - n)
        nets = [f"{net}.{start + k}.0/24" for k in range(n)]
        if rng.random() < 0.3:
            return B.update(withdrawn=nets)
        path = [PEER_AS, *(rng.randrange(64600, 64620) for _ in range(rng.randrange(6)))]
        add = [B.communities(*(f"65000:{rng.randrange(200)}" for _ in range(rng.randrange(1, 5))))]
        if rng.random() < 0.2:
            add.append(B.attr(200, rng.randbytes(rng.randrange(300))))
        return B.update(nets, [B.origin(rng.randrange(3)), B.as_path(*path, size=size),
                               B.next_hop(hop), B.med(rng.randrange(9)), *add])

    # ---- what happens ----

    def turn(self, now):
        for f in self.flappers:
            if f.speaker and now > f.until:
                how = self.rng.choice(ENDS)
                f.go(how)
                self.done[how] += 1
        free = [f for f in self.flappers if not f.speaker]
        f = self.rng.choice(free) if free else None
        if f:
            try:
                f.come(now)
                self.done["sessions"] += 1
            except (AssertionError, OSError, LookupError):
                self.done["refused"] += 1  # taken out, or held back for its many failures
                if f.speaker:
                    f.go("fin")
        self.churn()
        if self.rng.random() < 0.06:
            self.operate()
        if self.rng.random() < 0.006:
            self.bird.daemon.kill()
            self.bird.start()
            self.done["kills of BIRD"] += 1

    def churn(self):
        i = self.rng.randrange(STEADY)
        c = self.steady[i].last
        if c.closed_at:
            self.replace(i)
            return
        with contextlib.suppress(OSError):
            c.send(self.update(self.steady[i].addr, f"2{i}.0", 60),
                   B.route_refresh() if self.rng.random() < 0.1 else b"")
            self.done["updates"] += 1
        if len(c.messages) > 20000:  # this process's memory
            self.replace(i)

    def replace(self, i):
        s = self.steady[i]
        s.close()
        self.pair.lab._owned.remove(s)  # pylint: disable=protected-access
        self.steady[i] = self.come_steady(i)

    def operate(self):
        ctl, rng = self.pair.herald.run_ctl, self.rng
        peer = f"s{rng.randrange(STEADY)}"
        what = rng.choice(["soft in", "soft out", "clear", "write", "write", "write", "show"])
        self.done[what] += 1
        if what == "write":
            self.variant += 1
            self.write()
        elif what == "show":
            for words in (("status",), ("bgp", "routes", "available"), ("bgp", "peers")):
                ctl(*words, form="json")
        elif what == "clear":
            ctl("bgp", "clear", peer)
        else:
            ctl("bgp", "clear", peer, *what.split())

    # ---- rest ----

    def rest(self):
        """Everything gone, the first documents, steady peers with nothing told; then a look."""
        for f in self.flappers:
            if f.speaker:
                f.go("fin")
        for s in self.left:
            s.close()
        self.left.clear()
        self.variant = 0
        self.write()
        for i in range(STEADY):
            self.replace(i)
        # as soon as a restart time is over: three own routes of each family, and BIRD's
        until(lambda: self.tables()["paths"] == self.base(), 120, lambda: f"rest: {self.tables()}")
        return {**self.tables(), "rss_kb": self.pair.herald.daemon.rss_kb(),
                "files": len(os.listdir(f"/proc/{self.pid}/fd"))}

    def base(self):
        return self.tables()["originated"] + STATIC

    def tables(self):
        with self.pair.n1.inside(), socket.create_connection(("127.0.0.1", METRICS), 10) as s:
            s.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            text = b""
            while more := s.recv(1 << 16):
                text += more
        found = collections.Counter()
        for name, value in re.findall(rb"(?m)^herald_bgp_(rib_prefixes|rib_paths|originated_routes)"
                                      rb"\{[^}]*\} (\d+)", text):
            found[name.decode().split("_")[1 if name.startswith(b"rib") else 0]] += int(value)
        return {k: found[k] for k in ("prefixes", "paths", "originated")}

    def run(self):
        began = time.monotonic()
        for hour in range(1, HOURS + 1):
            end = began + self.seconds * hour / HOURS
            while (now := time.monotonic()) < end:
                self.turn(now)
                time.sleep(0.02)  # the pace, not a wait
                assert self.pair.herald.daemon.running(), self.pair.herald.daemon.text()[-2000:]
            self.samples.append({"hour": hour, **self.rest(), "sessions": self.done["sessions"]})
            print(f"hour {hour:2}  " + "  ".join(f"{k} {v}" for k, v in self.samples[-1].items()
                                                 if k != "hour"), flush=True)
        return self.verdict()

    def verdict(self):
        print(", ".join(f"{n} {what}" for what, n in self.done.most_common()))
        warm, end = self.samples[WARM - 1], self.samples[-1]
        late = [s["rss_kb"] for s in self.samples[-3:]]
        grown = min(late) - max(s["rss_kb"] for s in self.samples[:WARM])
        bad = []
        if grown > GROWTH_KB + warm["rss_kb"] * GROWTH_SHARE:
            bad.append(f"memory grew by {grown} kB since the warm-up")
        for what in ("files", "prefixes", "paths", "originated"):
            if end[what] != warm[what]:
                bad.append(f"{what}: {warm[what]} after the warm-up, {end[what]} at the end")
        if self.pair.herald.daemon.pid != self.pid:
            bad.append("another process")
        print("\n".join(bad) or f"nothing grew: {warm['rss_kb']} kB after the warm-up, "
              f"{end['rss_kb']} kB at the end")
        return 1 if bad else 0


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    ap.add_argument("--seconds", type=float, default=1800)
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--json", help="a file for the samples")
    args = ap.parse_args()
    try:
        with Lab("bgp-soak") as lab:
            soak = Soak(lab, args)
            status = soak.run()
            if args.json:
                with open(args.json, "w", encoding="utf-8") as f:
                    json.dump({"samples": soak.samples, "done": soak.done}, f, indent=1)
            return status
    except KeyboardInterrupt:
        print("bgp-soak: interrupted; everything is removed.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
