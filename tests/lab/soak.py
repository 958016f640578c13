#!/usr/bin/python3
"""make soak: requests without a pause, endpoints that change twenty times a second, and daemons
that are restarted, killed and exchanged for another version, for ten minutes (--seconds).  Counts
every request that fails.

Two services carry the requests:

    web    its endpoints leave as Kubernetes lets them: first terminating, then gone.  Nothing that
           is asked of it may fail.
    hard   its endpoints are gone from one moment to the next.  What was under way to one of them
           at that time may fail; this is what the change itself explains, and nothing else is.

More services change beside them.  Exit status 0: no request failed that is not explained, the
daemons hold what they should, and none ended by itself; 1: else; 130: interrupted."""
import argparse
import collections
import contextlib
import os
import random
import signal
import sys
import time

from herald_lab import Lab, until
from herald_lab.load import Load
from herald_lab.plant import NODE4, Plant, app, backends, pod_addr, pod_name

EACH = 3  # pods a node
TICK = 0.05
LEAVING = 1.5  # s that an endpoint is terminating at least: three times what a connection lasts
KEEP = 0.5
FLOWS, MAX_GROWN = 1 << 19, 3  # the tables' size, doubled so often at the most
SETTLE = 1.0  # s that a change may take to arrive, after the daemons are there
VIPS = {"web": ("172.16.1.10", "fd16::10"), "hard": ("172.16.1.11", "fd16::11")}
ALL = [pod_name(n, i) for n in NODE4 for i in range(EACH)]


class Daemons:
    """Both nodes' heralds: away and back."""

    def __init__(self, plant, rng, grow):
        self.plant, self.rng, self.grow = plant, rng, grow
        self.back = {}  # node: when it is to be started again
        self.starting = {}
        self.whole_since = time.monotonic()
        self.done = collections.Counter()
        self.grown = collections.Counter()
        self.deaths = []

    def tick(self, now):
        for node, d in self.plant.heralds.items():
            if node in self.back:
                if now >= self.back[node]:
                    del self.back[node]
                    d.start(wait=False)
                    self.starting[node] = now
            elif node in self.starting:
                if d.run_ctl("lb", "list").returncode == 0:
                    del self.starting[node]
                elif not d.daemon.running() or now > self.starting[node] + 20:
                    self.lost(node, "did not come back")
            elif not d.daemon.running():
                self.lost(node, f"ended by itself ({d.daemon.popen.returncode})")
        if self.back or self.starting:
            self.whole_since = now

    def lost(self, node, what):
        d = self.plant.heralds[node]
        self.deaths.append(f"{node}: {what}\n{d.daemon.text()[-1500:]}")
        self.starting.pop(node, None)
        d.kill()
        self.back[node] = time.monotonic()

    def disturb(self, now):
        node = self.rng.choice(list(NODE4))
        if node in self.back or node in self.starting:
            return
        d = self.plant.heralds[node]
        what = self.rng.choice(["kill", "kill", "stop", "restart", "reload", "upgrade"])
        self.done[what] += 1
        if what == "reload":
            d.daemon.send_signal(signal.SIGHUP)
            return
        d.stop(signal.SIGKILL if what == "kill" else signal.SIGTERM)
        if what == "upgrade":
            self.upgrade(node, d)
        self.back[node] = now + (0 if what in ("restart", "upgrade") else self.rng.uniform(0, 1))
        self.whole_since = now

    def upgrade(self, node, d):
        """What is pinned is another version's, as far as the next herald can tell: it loads its own
        programs and exchanges them; with --grow now and then with larger flow tables, too."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(d.pin_path, "maps", "origin"))
        if self.grow and self.done["upgrade"] % 8 == 1 and self.grown[node] < MAX_GROWN:
            self.grown[node] += 1
            flows = FLOWS << self.grown[node]
            conntrack = {"maxFlowsIPv4": flows, "maxFlowsIPv6": flows}
            d.write("10-settings.yaml", d.settings(datapath={**d.datapath, "conntrack": conntrack}))


class Endpoints:
    """What the services' endpoints are, and the next change of one."""

    def __init__(self, plant, daemons, rng, others):
        self.plant, self.daemons, self.rng, self.others = plant, daemons, rng, others
        self.web = {p: ("ready", 0.0) for p in ALL}
        self.hard = set(ALL)
        self.removed = []  # of hard: (when, pod)
        self.other = {i: set(ALL) for i in range(others)}
        self.changes = 0

    def documents(self, name):
        if name == "web":
            states = {p: s for p, (s, _) in self.web.items()}
            return app("web", [p for p in ALL if states[p] != "absent"], PORTS, states=states,
                       annotations=ips("web"))
        if name == "hard":
            return app("hard", sorted(self.hard), PORTS, annotations=ips("hard"))
        return app(f"other{name}", sorted(self.other[name]))

    def write(self, name):
        self.plant.serve(self.documents(name))
        self.changes += 1

    def change(self, now):
        dice = self.rng.random()
        if dice < 0.5 and self.change_web(now):
            self.write("web")
        elif dice < 0.6:
            self.change_hard(now)
            self.write("hard")
        else:
            i = self.rng.randrange(self.others)
            self.other[i] ^= {self.rng.choice(ALL)}
            self.write(i)

    def change_web(self, now):
        """One endpoint's next step, if one is due; at least two stay ready."""
        ready = [p for p, (s, _) in self.web.items() if s == "ready"]
        for pod in self.rng.sample(ALL, len(ALL)):
            state, since = self.web[pod]
            if state == "ready" and len(ready) > 2 and self.rng.random() < 0.5:
                state = "terminating"
            elif state == "terminating" and now > max(since, self.daemons.whole_since) + LEAVING:
                state = "absent"
            elif state == "absent":
                state = "ready"
            else:
                continue
            self.web[pod] = (state, now)
            return True
        return False

    def change_hard(self, now):
        gone = [p for p in ALL if p not in self.hard]
        if gone and (len(self.hard) < 3 or self.rng.random() < 0.5):
            self.hard.add(self.rng.choice(gone))
        else:
            pod = self.rng.choice(sorted(self.hard))
            self.hard.discard(pod)
            self.removed.append([now, None, pod])

    def tick(self, now):
        """A removal is over when every daemon was there for a while after it."""
        for r in self.removed:
            if r[1] is None and now > max(r[0], self.daemons.whole_since) + SETTLE:
                r[1] = now

    def explains(self, failure):
        """Did the connection's endpoint leave while the request was on its way?"""
        if failure["addr"] not in VIPS["hard"]:
            return False
        return any(begin <= failure["end"] and failure["begin"] <= (end or failure["end"])
                   and failure["pod"] in (None, pod) for begin, end, pod in self.removed)


PORTS = [{"name": "http", "port": 80, "targetPort": 80, "protocol": "TCP"},
         {"name": "dns", "port": 53, "targetPort": 53, "protocol": "UDP"}]


def ips(name):
    return {"lbipam.cilium.io/ips": ",".join(VIPS[name])}


def streams(inside):
    """What is asked.  A connected UDP socket on a node ends with its endpoint, by design."""
    for vip in VIPS["web"]:
        yield {"addr": vip, "mode": "close", "workers": 2}
        yield {"addr": vip, "mode": "keep", "workers": 2, "keep_s": KEEP}
        if not inside:
            yield {"addr": vip, "mode": "udp", "port": 53}
    for vip in VIPS["hard"]:
        yield {"addr": vip, "mode": "close"}
        yield {"addr": vip, "mode": "keep", "keep_s": KEEP}


class Soak:
    def __init__(self, lab, args):
        self.rng = random.Random(args.seed)
        self.seconds = args.seconds
        self.plant = Plant(lab, pods=EACH, attach=args.attach, forwarding=args.forwarding)
        if args.attach == "xdp":
            self.plant.whole_sums()
        self.daemons = Daemons(self.plant, self.rng, args.grow)
        self.endpoints = Endpoints(self.plant, self.daemons, self.rng, args.services)
        names = ["web", "hard", *range(args.services)]
        self.plant.start(*(self.endpoints.documents(n) for n in names))
        self.settled()
        self.plant.by(*NODE4)
        until(lambda: self.plant.agent("outside").http(VIPS["web"][0])["pod"], what="served")
        self.began = time.monotonic()
        spaces = {"outside": self.plant.outside, "node": self.plant.ns["n1"],
                  "pod": self.plant.pods["n2p0"]}
        self.loads = {where: Load(lab, ns, *streams(where != "outside"), pause=args.pause)
                      for where, ns in spaces.items()}

    def settled(self):
        """Wait until the maps hold what they should."""
        e = self.endpoints
        ready = [p for p, (s, _) in e.web.items() if s == "ready"]
        for name, pods in (("web", ready), ("hard", sorted(e.hard))):
            for i, vip in enumerate(VIPS[name]):
                want = {pod_addr(p[:2], int(p[3:]), i) for p in pods}
                for node, d in self.plant.heralds.items():
                    until(lambda d=d, v=vip, w=want: w <= set(backends(d, v)), 20,
                          lambda n=node, d=d, v=vip, w=want:
                          f"{n}: {v} to {w}, the maps have {backends(d, v)}")

    def run(self):
        self.rss = {n: d.daemon.rss_kb() for n, d in self.plant.heralds.items()}
        end, told, disturb = self.began + self.seconds, self.began + 10, self.began + 3
        due = self.began
        while (now := time.monotonic()) < end:
            self.daemons.tick(now)
            self.endpoints.tick(now)
            self.endpoints.change(now)
            if now > disturb:
                self.daemons.disturb(now)
                disturb = now + self.rng.uniform(1, 4)
            if now > told:
                self.tell()
                told += 10
            due = max(due + TICK, now)
            time.sleep(max(due - time.monotonic(), 0))  # the pace of the changes, not a wait
        until(self.whole, 30, "all daemons back")
        self.settled()
        return self.verdict()

    def whole(self):
        now = time.monotonic()
        self.daemons.tick(now)
        self.endpoints.tick(now)
        return not self.daemons.back and not self.daemons.starting

    def account(self):
        """(requests, failures that are not explained, explained ones, failures beyond the list)"""
        requests, bad, explained, beyond = 0, [], 0, 0
        for where, load in self.loads.items():
            told = load.told()
            requests += told["requests"]
            beyond += told["failed"] - len(told["failures"])
            for f in told["failures"]:
                if self.endpoints.explains(f):
                    explained += 1
                else:
                    bad.append({"where": where, "at": round(f["begin"] - self.began, 2), **f})
        return requests, bad, explained, beyond

    def tell(self):
        requests, bad, explained, beyond = self.account()
        done = ", ".join(f"{n} {what}s" for what, n in sorted(self.daemons.done.items()))
        print(f"{time.monotonic() - self.began:6.0f} s  {requests} requests, {len(bad) + beyond} "
              f"failed, {explained} more explained; {self.endpoints.changes} changes; {done}",
              flush=True)

    @staticmethod
    def counters(herald):
        return ", ".join(f"{k} {n}" for k, n in herald.counters().items() if n)

    def verdict(self):
        self.tell()
        _, bad, _, beyond = self.account()
        for f in bad[:20]:
            print(f"  FAILED {f}")
        for death in self.daemons.deaths:
            print(f"  DAEMON {death}")
        repaired = {n: d.ctl("status")["datapath"].get("repaired", 0)
                    for n, d in self.plant.heralds.items()}
        for where, load in self.loads.items():
            t = load.told()
            print(f"  {where}: slowest {t['slowest_ms']} ms, {t['retransmitted']} segments sent "
                  f"again, by pod {dict(sorted(t['pods'].items()))}")
        for node, d in self.plant.heralds.items():
            print(f"  {node}: {self.rss[node]} KB at first, {d.daemon.rss_kb()} KB now; "
                  f"{repaired[node]} words of the maps put right")
            print(f"    counters: {self.counters(d)}")
        good = not bad and not beyond and not self.daemons.deaths and not any(repaired.values())
        print("no request failed that the changes do not explain" if good else "NOT GOOD")
        return 0 if good else 1


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    ap.add_argument("--seconds", type=float, default=600)
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--services", type=int, default=100, help="that change beside those two")
    ap.add_argument("--pause", type=float, default=0.005, help="of a worker after each request")
    ap.add_argument("--grow", action="store_true", help="flow tables, in some of the upgrades")
    ap.add_argument("--attach", default="auto", help="auto, xdp, tc")
    ap.add_argument("--forwarding", default="snat", help="snat, dsr")
    args = ap.parse_args()
    try:
        with Lab("soak") as lab:
            return Soak(lab, args).run()
    except KeyboardInterrupt:
        print("soak: interrupted; everything is removed.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
