"""One daemon, its calm peers, and an address for each case; plays cases, many at a time.

    dut (AS 65001)  10.0.0.1/16, fd00::1/64 --- 10.0.0.2, fd00::2/64 (AS 65010: a calm eBGP peer)
                                                10.0.0.3 (AS 65001: a calm iBGP peer)
                                                10.0.4.1 and up (AS 65000 or 65001: the cases)

No case waits for time to pass where it can wait for a message: what must not come is judged by
something sent after it that has come."""
import concurrent.futures
import contextlib
import dataclasses
import threading
import time

from herald_lab import Lab
from herald_lab import bgpmsg as B
from herald_lab.speaker import Speaker
from herald_lab.wait import Timeout, until

from .catalogue import Unobservable, Unsupported
from .duts import AS, DUT4, DUT6, EBGP_SINK, IBGP_SINK, PEER6, PROFILES, SINK_AS
from .tables import Table

TIMEOUT = 20
TAIL = 64600  # the origin AS of routes; a case tells versions of a route apart by it
_making = threading.Lock()


def slot_addr(i):
    return f"10.0.{4 + i // 200}.{1 + i % 200}"


def profile(name):
    return {"as": 65000, **PROFILES[name]}


@dataclasses.dataclass
class Result:
    verdict: str  # pass, fail, unsupported, unobservable
    note: str = ""
    seconds: float = 0.0


class Stage:
    """@kind: a class of duts.  @cases: those that will be played here; @chances: how often each."""

    def __init__(self, kind, cases, chances=2, timeout=TIMEOUT):
        self.kind, self.cases, self.chances, self.timeout = kind, list(cases), chances, timeout
        self.slots, self.numbers = {}, {}
        flat = []
        for number, (chance, c) in enumerate((n, c) for n in range(chances) for c in self.cases):
            self.numbers[c.name, chance] = number
            for name in c.slots:
                self.slots.setdefault((c.name, chance), []).append((slot_addr(len(flat)), name))
                flat.append((slot_addr(len(flat)), name))
        self.flat = flat
        self.deaths, self._lock = 0, threading.RLock()
        self.sinks, self.tables = {}, {}

    def __enter__(self):
        with _making:
            self.lab = Lab(f"conformance-{self.kind.name}").__enter__()
        try:
            self._build()
        except BaseException:
            self.lab.close()
            raise
        return self

    def __exit__(self, *_):
        self.lab.close()

    def _build(self):
        self.ns, self.other = self.lab.netns("dut"), self.lab.netns("peer")
        self.lab.link(self.ns, "eth0", self.other, "eth0")
        self.ns.addr("eth0", f"{DUT4}/16", f"{DUT6}/64")
        self.other.addr("eth0", f"{EBGP_SINK}/16", f"{PEER6}/64", f"{IBGP_SINK}/16",
                        *(f"{a}/16" for a, _ in self.flat))
        peers = [(EBGP_SINK, {"as": SINK_AS}), (IBGP_SINK, {"as": AS})]
        peers += [(a, profile("ebgp" if name in (*self.kind.lacking, *self.kind.refused) else name))
                  for a, name in self.flat]
        self.dut = self.kind(self.lab, self.ns, peers)
        self._up()

    def _up(self):
        self.dut.start()
        for name, addr, asn in (("ebgp", EBGP_SINK, SINK_AS), ("ibgp", IBGP_SINK, AS)):
            s = Speaker(self.lab, self.other, addr, asn=asn)
            c = dial(s, 60)
            s.establish(c, 60, said_open=False)
            c.send(B.end_of_rib(), B.end_of_rib(B.IPV6))
            self.sinks[name], self.tables[name] = c, Table(c)

    def ensure(self):
        """Daemon and calm peers are there; else make it so."""
        with self._lock:
            if not self.dut.running():
                self.deaths += 1
                self._up()
            elif any(c.closed_at for c in self.sinks.values()):
                for c in self.sinks.values():
                    c.close()
                self._up_again()
            return self.deaths

    def _up_again(self):
        self.dut.stop()
        self._up()

    # ---- playing ----

    def play(self, case, chance=0):
        if case.alone and len(self.cases) > 1:
            with Stage(self.kind, [case], 1, self.timeout) as own:
                return own.play(case)
        begin, before = time.monotonic(), self.ensure()
        t = Play(self, case, self.slots.get((case.name, chance), []),
                 self.numbers[case.name, chance])
        try:
            for _, name in t.slots:
                if self.dut.lacks(name):
                    raise Unsupported(self.dut.lacks(name))
            refused = [w for w in (self.dut.refuses(name) for _, name in t.slots) if w]
            if refused:
                t.note(refused[0])
            else:
                case.play(t)
            got = Result("pass", "; ".join(t.notes))
        except Unsupported as e:
            got = Result("unsupported", str(e))
        except Unobservable as e:
            got = Result("unobservable", str(e))
        except Exception as e:  # pylint: disable=broad-except
            kind = "" if isinstance(e, AssertionError) else f"{type(e).__name__}: "
            got = Result("fail", f"{kind}{e}"[:600])
        finally:
            t.close()
        if not case.alone and (not self.dut.running() or self.deaths != before):
            got = Result("fail", "the daemon died")
        got.seconds = round(time.monotonic() - begin, 2)
        return got

    def play_all(self, jobs=8, told=None):
        """{name: Result}; what fails gets a second chance, with another address."""
        out = {}
        for chance in range(self.chances):
            again = [c for c in self.cases if c.name not in out or (
                out[c.name].verdict == "fail" and out[c.name].note != "the daemon ends by it")]
            # whose daemon died under several of them: one at a time
            dead = [c for c in again if c.name in out and out[c.name].note == "the daemon died"]
            dead += [c for c in again if c.name in self.kind.fatal and c not in dead]
            rest = [c for c in again if c not in dead]
            # the long ones first
            rest.sort(key=lambda c: -c.slow)
            with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
                for c, r in zip(rest, pool.map(lambda c, n=chance: self.play(c, n), rest)):
                    out[c.name] = r
            for c in dead:
                out[c.name] = self.play(c, chance)
                if out[c.name].note == "the daemon died":  # by this one, no other was played
                    out[c.name].note = "the daemon ends by it"
            if told:
                told(chance, out)
        for c in [c for c in self.cases if _not_let_in(out[c.name])][:20]:
            with Stage(self.kind, [c], 1, self.timeout) as own:
                out[c.name] = own.play(c)
        return out


def _not_let_in(result):
    """A fail for the want of a connection: with a daemon of its own it shows whether that was the case."""
    return result.verdict == "fail" and ("no OPEN" in result.note or "connecting from" in result.note)


def dial(speaker, timeout, **kw):
    """A connection on which the daemon has said its OPEN.  Some take connections only after a
    while, and close them till then."""
    end = time.monotonic() + timeout
    while True:
        c = speaker.connect(DUT4, timeout=max(end - time.monotonic(), 1), **kw)
        with contextlib.suppress(Timeout):
            until(lambda c=c: c.messages or c.closed_at, max(end - time.monotonic(), 1), "an OPEN")
        if c.of(B.OPEN):
            return c
        c.close()
        assert time.monotonic() < end, "no OPEN: the daemon does not take the connection"
        time.sleep(0.1)  # the pace of trying again


class Play:
    """What a case works with: its peers, its prefixes, and eyes on the daemon."""

    def __init__(self, stage, case, slots, number):
        self.stage, self.case, self.slots, self.number = stage, case, slots, number
        self.dut, self.timeout = stage.dut, stage.timeout
        self.notes, self._open = [], []

    def note(self, text):
        self.notes.append(text)

    # ---- names ----

    def addr(self, i=0):
        return self.slots[i][0]

    def asn(self, i=0):
        return profile(self.slots[i][1])["as"]

    def p(self, k=0):
        """The case's own prefixes, 0 to 15."""
        return f"{20 + (self.number >> 12)}.{self.number >> 4 & 255}." \
               f"{(self.number & 15) * 16 + k}.0/24"

    def p6(self, k=0):
        return f"fd55:{self.number:x}:{k:x}::/64" if k else f"fd55:{self.number:x}::/64"

    # ---- peers ----

    def speaker(self, i=0, **kw):
        kw.setdefault("asn", self.asn(i))
        s = Speaker(self.stage.lab, self.stage.other, self.addr(i), **kw)
        self._open.append(s)
        return s

    def dial(self, i=0, timeout=None, **kw):
        """(speaker, connection): the daemon has said its OPEN, we nothing."""
        s = self.speaker(i, **{k: v for k, v in kw.items() if k not in ("ttl",)})
        return s, dial(s, timeout or 2 * self.timeout,
                       **{k: v for k, v in kw.items() if k == "ttl"})

    def up(self, i=0, caps=None, more=(), paths=(), as_size=4, **kw):
        """An established session.  @more: capabilities beside the usual ones."""
        asn = kw.get("asn", self.asn(i))
        if caps is None:
            caps = [B.cap_mp(B.IPV4), B.cap_mp(B.IPV6), B.cap_refresh(), B.cap_as4(asn)]
        s, c = self.dial(i, caps=[*caps, *more], **kw)
        s.establish(c, self.timeout)
        c.table = Table(c, paths, as_size)
        c.speaker = s
        return c

    def close(self):
        for s in self._open:
            with contextlib.suppress(Exception):
                s.close()

    # ---- what is said ----

    def attrs(self, tail=TAIL, add=(), i=0, **other):
        """The attributes of an ordinary route, as bytes; @other: origin, path, nh, pref in place of
        the usual one, b"" to leave it out."""
        ibgp = self.asn(i) == AS
        usual = {"origin": B.origin(),
                 "path": B.as_path(*([64999] if ibgp else [self.asn(i)]), tail),
                 "nh": B.next_hop(self.addr(i))}
        if ibgp:
            usual["pref"] = B.local_pref(100)
        usual.update(other)
        return b"".join([*usual.values(), *add])

    def route(self, k=0, tail=TAIL, add=(), i=0, nlri=None, **other):
        return B.update([self.p(k)] if nlri is None else nlri,
                        self.attrs(tail, add, i, **other))

    def route6(self, k=0, tail=TAIL, add=(), i=0, hop=PEER6, reach=None, **other):
        reach = B.mp_reach(hop, self.p6(k)) if reach is None else reach
        return B.update((), reach + self.attrs(tail, add, i, nh=b"", **other))

    # ---- what is seen ----

    def until(self, condition, what, timeout=None):
        nudged = [0.0]

        def look():
            if time.monotonic() - nudged[0] > 0.3:
                nudged[0] = time.monotonic()
                self.dut.nudge()
            return condition()
        return until(look, timeout or self.timeout, what)

    def told(self, prefix, sink="ebgp"):
        """What the calm peer holds for @prefix: an Update or None."""
        return self.stage.tables[sink].get(prefix)

    def there(self, prefix, tail=TAIL, sink="ebgp"):
        """Wait until the calm peer has @prefix with that tail; returns its Update."""
        return self.until(lambda: self._version(prefix, tail, sink), lambda: f"{prefix} ({tail}) "
                          f"told to the {sink} peer, which has {self._shown(prefix, sink)}; the "
                          f"daemon uses it: {self.dut.used(prefix)}")

    def _version(self, prefix, tail, sink):
        u = self.told(prefix, sink)
        return u if u and (tail is None or tail in (u.segments() or [(2, [])])[-1][1]) else None

    def _shown(self, prefix, sink):
        u = self.told(prefix, sink)
        return f"AS path {u.as_path}" if u else None

    def gone(self, *prefixes):
        """Wait until nobody is told them and the daemon does not use them."""
        for prefix in prefixes:
            self.until(lambda p=prefix: not self.told(p) and not self.dut.used(p),
                       lambda p=prefix: f"{p} gone; the calm peer has {self._shown(p, 'ebgp')}, "
                       f"the daemon uses it: {self.dut.used(p)}")

    def fence(self, conn, k=15, i=0):
        """What @conn said before has been worked through."""
        self.fences = getattr(self, "fences", 0) + 1
        tail = TAIL + 50 + self.fences
        conn.send(self.route(k, tail, i=i))
        try:
            self.there(self.p(k), tail)
        except Timeout:
            self.alive(conn)
            raise

    def alive(self, conn):
        n = conn.of(B.NOTIFICATION)
        assert not n, f"the session was reset: {n[0]}"
        assert not conn.closed_at, "the session was closed without NOTIFICATION"

    def notified(self, conn, codes=None, data=None):
        """Wait for a NOTIFICATION, one of @codes ((code, subcode) or code alone), and the end."""
        self.until(lambda: conn.of(B.NOTIFICATION) or conn.closed_at,
                   lambda: f"a NOTIFICATION; came: {conn.messages[-5:]}")
        n = conn.of(B.NOTIFICATION)
        assert n, "closed without NOTIFICATION"
        n = n[0]
        if codes:
            assert n.code in codes or n.code[0] in codes, f"NOTIFICATION {n}, wanted {codes}"
        if data is not None:
            assert n.data == data, f"NOTIFICATION {n}, its data should be {data.hex()}"
        self.until(lambda: conn.closed_at, "the connection closed")
        return n

    def established(self, conn):
        """Wait until the daemon has taken our OPEN."""
        self.until(lambda: conn.of(B.KEEPALIVE) or conn.of(B.NOTIFICATION) or conn.closed_at,
                   "an answer to our OPEN")
        self.alive(conn)
        return conn

    def offers(self, conn, code, what):
        caps = conn.open.caps
        if code not in caps:
            raise Unsupported(f"{what}: capability {code} is not offered")
        return caps[code]

