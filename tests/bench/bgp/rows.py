"""tests/bench/bgp/rows.py: the measurements.  Each takes a world and a daemon's class, and gives
{metric: number}; a daemon that loses a session or a route gives none, but an error."""
import contextlib
import select
import time

import world as w
from daemons import Spec
from world import Failed

SLOTS_FIRST = 200000  # churned prefixes stand behind a table


class Run:
    """A daemon and the speaker beside it; all gone at the end of the block."""

    def __init__(self, world, kind, n4=0, n6=0, options=(), **spec):
        self.world, self.spec = world, Spec(**spec)
        self.daemon = kind(world, self.spec)
        self.gun = world.gun()
        self.setup = (n4, n6, options)

    def __enter__(self):
        n4, n6, options = self.setup
        own = ["base=20.0.0.0", "len=32"] if self.spec.own else []
        self.gun.ask("set", f"gr={self.spec.gr:d}", f"v6={self.spec.v6:d}", *own, *options)
        self.gun.ask("universe", max(n4, self.spec.own), n6)
        if self.spec.own:
            self.gun.ask("own", self.spec.own)
        return self

    def __exit__(self, *_):
        with contextlib.suppress(Failed, OSError, ValueError):
            self.gun.close()
        self.daemon.stop()
        return False

    def peers(self, first, nr, sink=True):
        """Sessions of the speaker from peer @first on."""
        self.gun.ask("peers", w.peer_address(first), w.DUT, 65001 + first, nr,
                     int(not self.spec.passive), int(sink))

    def start(self):
        self.daemon.write()
        self.t_exec = time.monotonic_ns()
        self.daemon.start()
        self.daemon.loaded()

    def up(self, nr):
        self.gun.ask("start")
        return self.gun.ask("wait", "up", nr, 120)

    def compare(self):
        """Route by route."""
        got = self.gun.ask("compare", must=False)
        if not got["ok"]:
            raise Failed(f"{got['wrong']} routes at the sinks are not what was sent")
        return got["routes"]

    def poll(self, count, want, limit=150, sending=None):
        """Ask the daemon until it has @want; when that was.  @sending: the session whose bytes are on
        their way meanwhile."""
        begin = time.monotonic()
        told = sending is not None
        if told:
            self.gun.tell("wait", "sent", sending, limit)
        while True:
            if count() == want:
                done = time.monotonic_ns()
                if told:
                    self.gun.answer()
                return done
            took = time.monotonic() - begin
            if took > limit:
                raise Failed(f"not {want} after {limit} s")
            if select.select([self.gun.p.stdout] if told else [], [], [], max(0.002, took / 20))[0]:
                self.gun.answer()  # all was sent; or, as an exception, the session is lost
                told = False


def since(t, begin):
    return (t - begin) / 1e9


def ingest(n4=1000000, n6=0, sets=1, policy=0):
    def measure(world, kind):
        with Run(world, kind, n4, n6, v6=bool(n6), policy=policy) as r:
            r.start()
            r.peers(0, 1, sink=False)
            r.up(1)
            r.gun.ask("load", 0, 6 if n6 else 4, 0, n6 or n4, sets, "shuf")
            r.daemon.received()  # opens the way
            time.sleep(0.5)
            before = world.usage()
            sent = r.gun.ask("send", 0)
            done = r.poll(lambda: r.daemon.received(0, bool(n6)), n6 or n4, sending=0)
            time.sleep(0.7)
            after = world.usage()
            r.gun.ask("load", 0, 6 if n6 else 4, 0, n6 or n4, 0, "shuf")
            gone = r.gun.ask("send", 0)
            end = r.poll(lambda: r.daemon.received(0, bool(n6)), 0, sending=0)
            return {"ingest_s": since(done, sent["t"]), "cpu_s": after["cpu"] - before["cpu"],
                    "peak_mb": after["peak"], "withdraw_s": since(end, gone["t"])}
    return measure


def relay(nr=500000, sets=1):
    def measure(world, kind):
        with Run(world, kind, nr, peers=2, relay=True) as r:
            r.start()
            r.peers(0, 1, sink=False)
            r.peers(1, 1)
            r.up(2)
            r.gun.ask("load", 0, 4, 0, nr, sets, "shuf")
            time.sleep(1)
            before = world.usage()
            r.gun.ask("clear")
            sent = r.gun.ask("send", 0)
            got = r.gun.ask("wait", "have", nr, 0, 180)
            r.compare()
            time.sleep(0.5)
            after = world.usage()
            r.gun.ask("load", 0, 4, 0, nr, 0, "shuf")
            gone = r.gun.ask("send", 0)
            end = r.gun.ask("wait", "have", 0, 0, 180)
            r.compare()
            return {"relay_s": since(got["t_last"], sent["t"]), "cpu_s": after["cpu"] - before["cpu"],
                    "peak_mb": after["peak"], "withdraw_s": since(end["t_last"], gone["t"]),
                    "updates": got["updates"]}
    return measure


def originate(nr, peers):
    def measure(world, kind):
        with Run(world, kind, peers=peers, own=nr) as r:
            r.start()
            end = time.monotonic() + 200
            while r.daemon.originated() < nr:
                if time.monotonic() > end:
                    raise Failed(f"{r.daemon.originated()} of its own")
                time.sleep(0.01)
            load = since(time.monotonic_ns(), r.t_exec)
            time.sleep(1)
            before = world.usage()
            r.peers(0, peers)
            begin = time.monotonic_ns()
            r.up(peers)
            got = r.gun.ask("wait", "have", nr, 0, 180)
            time.sleep(0.3)
            after = world.usage()
            r.compare()
            return {"up_to_last_s": got["since_up_max"], "dial_to_last_s": since(got["t_last"], begin),
                    "cpu_s": after["cpu"] - before["cpu"], "peak_mb": after["peak"], "load_s": load,
                    "load_cpu_s": before["cpu"]}
    return measure


def cold(dialler):
    def measure(world, kind):
        with Run(world, kind, peers=3, own=100, gr=True, passive=dialler == "peers",
                 options=["retry_ms=2"]) as r:
            r.peers(0, 3)
            r.gun.ask("start")
            r.daemon.write()
            time.sleep(0.2)
            r.t_exec = time.monotonic_ns()
            r.daemon.start()
            r.gun.tell("wait", "up", 3, 60)
            r.daemon.loaded()
            up = r.gun.answer()
            got = r.gun.ask("wait", "have", 100, 0, 60)
            eor = r.gun.ask("wait", "eor", 20)
            r.compare()
            return {"exec_to_up_s": since(up["t_up"], r.t_exec),
                    "exec_to_routes_s": since(got["t_last"], r.t_exec),
                    "exec_to_eor_s": since(eor["t_eor"], r.t_exec), "cpu_s": world.usage()["cpu"]}
    return measure


def percentile(values, share):
    return sorted(values)[int((len(values) - 1) * share)]


def local_change(changes=200):
    def measure(world, kind):
        with Run(world, kind, peers=2, own=100, flip=True) as r:
            r.start()
            r.peers(0, 2)
            r.up(2)
            r.gun.ask("wait", "have", 100, 0, 60)
            time.sleep(1.5)
            before = world.usage()
            took = {False: [], True: []}
            for k in range(changes):
                on = bool(k % 2)
                r.daemon.flip_soon(on)
                time.sleep(0.01)
                begin = time.monotonic_ns()
                r.daemon.flip(on)
                time.sleep(0.004)  # the speaker has the processor meanwhile
                got = r.gun.ask("wait", "at", 99, int(on), 20)
                took[on].append((got["t_last"] - begin) / 1e3)
                time.sleep(0.006)
            after = world.usage()
            r.compare()
            return {"wd_p50_us": percentile(took[False], .5), "wd_p99_us": percentile(took[False], .99),
                    "an_p50_us": percentile(took[True], .5), "an_p99_us": percentile(took[True], .99),
                    "cpu_us": (after["cpu"] - before["cpu"]) * 1e6 / changes}
    return measure


def a_to_b(rate, seconds, slots, table=0):
    def measure(world, kind):
        with Run(world, kind, SLOTS_FIRST + slots, peers=2, relay=True) as r:
            r.start()
            r.peers(0, 1, sink=False)
            r.peers(1, 1)
            r.up(2)
            if table:
                r.gun.ask("load", 0, 4, 0, table, 1, "shuf")
                r.gun.ask("send", 0)
                r.gun.ask("wait", "have", table, 0, 120)
            time.sleep(1.5)
            before = world.usage()
            got = r.gun.ask("churn", 0, rate, seconds, SLOTS_FIRST, slots)
            after = world.usage()
            r.compare()
            return {"p50_us": got["p50_us"], "p99_us": got["p99_us"], "wd_p50_us": got["wd_p50_us"],
                    "busy": got["busy"],
                    "cpu_us": (after["cpu"] - before["cpu"]) * 1e6 / max(1, got["sent"])}
    return measure


def idle(seconds=15):
    def measure(world, kind):
        with Run(world, kind, peers=2, own=100) as r:
            r.start()
            r.peers(0, 2)
            r.up(2)
            r.gun.ask("wait", "have", 100, 0, 60)
            time.sleep(2)
            before = world.usage()
            time.sleep(seconds)
            after = world.usage()
            r.compare()
            return {"rss_mb": after["rss"], "pss_mb": after["pss"], "peak_mb": after["peak"],
                    "cpu_ms_30s": (after["cpu"] - before["cpu"]) * 1e3 * 30 / seconds}
    return measure


def many(peers=200):
    def measure(world, kind):
        with Run(world, kind, peers=peers, own=100) as r:
            r.peers(0, peers)
            r.daemon.write()
            r.t_exec = time.monotonic_ns()
            r.daemon.start()
            r.gun.ask("start")
            r.gun.tell("wait", "up", peers, 120)
            r.daemon.loaded()
            up = r.gun.answer()
            got = r.gun.ask("wait", "have", 100, 0, 60)
            time.sleep(1)
            use = world.usage()
            r.compare()
            return {"exec_to_up_s": since(up["t_up"], r.t_exec),
                    "exec_to_routes_s": since(got["t_last"], r.t_exec), "rss_mb": use["rss"],
                    "cpu_s": use["cpu"]}
    return measure


# ---- further rows ----

def kernel(nr=100000, ways=2):
    """The same prefixes from @ways peers, into the kernel as one route of several next hops each."""
    def measure(world, kind):
        with Run(world, kind, nr, peers=ways, kernel=True) as r:
            r.start()
            r.peers(0, ways, sink=False)
            r.up(ways)
            time.sleep(1)
            before = world.usage()
            begin = time.monotonic_ns()
            for i in range(ways):
                r.gun.ask("load", i, 4, 0, nr, 1, "shuf")
                r.gun.ask("send", i)
                r.gun.ask("wait", "sent", i, 60)
            done = r.poll(world.kernel_ecmp, nr, 120)
            after = world.usage()
            return {"install_s": since(done, begin), "cpu_s": after["cpu"] - before["cpu"],
                    "peak_mb": after["peak"]}
    return measure


def restart(nr=100000):
    """A peer with graceful restart is gone and comes back with the same routes: stale meanwhile."""
    def measure(world, kind):
        with Run(world, kind, nr, peers=2, gr=True, relay=True) as r:
            r.start()
            r.peers(0, 1, sink=False)
            r.peers(1, 1)
            r.up(2)
            r.gun.ask("load", 0, 4, 0, nr, 1, "shuf")
            r.gun.ask("end", 4)
            r.gun.ask("send", 0)
            r.gun.ask("wait", "have", nr, 0, 120)
            time.sleep(1)
            before = world.usage()
            r.gun.ask("clear")
            r.gun.ask("cut", 0)
            r.gun.ask("wait", "up", 2, 30)
            r.gun.ask("load", 0, 4, 0, nr, 1, "shuf")
            r.gun.ask("end", 4)
            r.gun.ask("send", 0)
            r.poll(lambda: r.daemon.received(0), nr, sending=0)
            time.sleep(1)
            after = world.usage()
            lost = r.gun.ask("stats")["withdrawn"]
            if lost:
                raise Failed(f"{lost} routes were withdrawn meanwhile")
            r.compare()
            return {"cpu_s": after["cpu"] - before["cpu"], "peak_mb": after["peak"]}
    return measure


def add_path(nr=100000, ways=3):
    """@ways peers send the same prefixes, and one hears all paths of each (RFC 7911)."""
    def measure(world, kind):
        with Run(world, kind, nr, peers=ways + 1, relay=True, add_path=True,
                 options=["add_path=1"]) as r:
            r.start()
            r.peers(0, ways, sink=False)
            r.peers(ways, 1)
            r.up(ways + 1)
            time.sleep(1)
            before = world.usage()
            begin = time.monotonic_ns()
            for i in range(ways):
                r.gun.ask("load", i, 4, 0, nr, 1, "shuf")
                r.gun.ask("send", i)
                r.gun.ask("wait", "sent", i, 60)
            got = r.gun.ask("wait", "heard", nr * ways, 60)
            time.sleep(0.5)
            after = world.usage()
            r.compare()
            return {"relay_s": since(got["t_last"], begin), "cpu_s": after["cpu"] - before["cpu"],
                    "peak_mb": after["peak"]}
    return measure


# By name: how, and what a daemon must be able to do (a word of Subject.can; "": all can).
ROWS = {
    "T1 ingest 1M IPv4, one set": (ingest(), ""),
    "T1 ingest 1M IPv4, 150k sets": (ingest(sets=150000), ""),
    "T1 ingest 200k IPv6": (ingest(0, 200000), "v6"),
    "T2 relay 500k, one set": (relay(), ""),
    "T2 relay 500k, 75k sets": (relay(sets=75000), ""),
    "T3 originate 10k to 1": (originate(10000, 1), "bulk"),
    "T3 originate 100k to 1": (originate(100000, 1), "bulk"),
    "T3 originate 10k to 50": (originate(10000, 50), "bulk"),
    "T3 originate 100k to 50": (originate(100000, 50), "bulk"),
    "T4 cold start, it dials": (cold("daemon"), "gr"),
    "T4 cold start, peers dial": (cold("peers"), "gr"),
    "T5 local change": (local_change(), "flip"),
    "T5 A to B, 40/s": (a_to_b(40, 5, 60), ""),
    "T5 A to B, 2000/s": (a_to_b(2000, 4, 2000), ""),
    "T5 A to B, 40/s beside 200k": (a_to_b(40, 5, 60, SLOTS_FIRST), ""),
    "T6 idle": (idle(), ""),
    "T7 200 sessions": (many(), ""),
    "X1 100k ECMP into the kernel": (kernel(), "kernel"),
    "X2 ingest 200k, 1,000-entry list": (ingest(200000, policy=1000), "policy"),
    "X3 ingest 200k, no list": (ingest(200000), ""),
    "X4 graceful restart, 100k stale": (restart(), "gr"),
    "X5 add-path, 3 x 100k": (add_path(), "add_path"),
}
