"""What a session is: timers, collisions, refresh, ends with words, limits, protection."""
import time

from herald_lab import bgpmsg as B

from .catalogue import MUST, SHOULD, Unobservable, Unsupported, case
from .duts import AS, DUT4, LIMIT, MD5_KEY, OWN4, OWN6
from .tables import Table

REFRESH = B.cap_refresh()
ENHANCED = B.cap(70)


# ---- timers ----

@case("hold-time-smaller", 4271, "4.2", MUST,
      "the smaller hold time of both counts: a silent peer that said 3 s is told 4, not earlier",
      slow=4)
def hold_time(t):
    s, c = t.dial(hold=3)
    c.send(s.open_bytes())
    t.established(c)
    begin = time.monotonic()
    c.send(B.keepalive())
    n = t.notified(c, {4})
    assert n.at - begin > 2, f"after {n.at - begin:.1f} s"


@case("keepalive-pace", 4271, "4.4", MUST,
      "with the least hold time KEEPALIVEs come, and not more often than one a second", slow=5)
def pace(t):
    c = t.up(hold=3)
    t.until(lambda: len(c.of(B.KEEPALIVE)) >= 5, "five KEEPALIVEs")
    k = c.of(B.KEEPALIVE)
    # the first answers our OPEN; a stalled reader sees them closer together, never more of them
    assert k[-1].at - k[1].at > (len(k) - 2) * 0.6, [round(m.at - k[0].at, 2) for m in k]


@case("hold-time-0", 4271, "4.4", MUST, "hold time 0: no KEEPALIVE, no end", slots=("short",),
      slow=5)
def hold_0(t):
    c = t.up(hold=0)
    before = len(c.of(B.KEEPALIVE))
    t.fence(c)
    end = time.monotonic() + 4.5  # its own hold time is 3 s
    t.until(lambda: time.monotonic() > end or c.closed_at, "4.5 s later")
    t.alive(c)
    assert len(c.of(B.KEEPALIVE)) == before, "KEEPALIVEs without a hold time"
    t.fence(c)


@case("update-restarts-hold", 4271, "4.4", MUST, "UPDATEs alone keep a session up", slow=5)
def updates_keep(t):
    s, c = t.dial(hold=3)
    c.table = Table(c)
    c.send(s.open_bytes())
    t.established(c)
    c.send(B.keepalive())
    end = time.monotonic() + 5
    n = 0
    while time.monotonic() < end:
        n += 1
        c.send(t.route(0, 64700 + n))
        time.sleep(0.2)  # the pace of the UPDATEs
        t.alive(c)
    t.there(t.p(), 64700 + n)


@case("retry-pace", 4271, "10", SHOULD,
      "a peer that refuses each OPEN is not dialled many times a second", slots=("dial",), slow=5)
def retries(t):
    s = t.speaker().listen()
    times = []
    end = time.monotonic() + 5
    while time.monotonic() < end:
        try:
            c = s.accept(max(end - time.monotonic(), 0.1))
        except AssertionError:
            break
        times.append(time.monotonic())
        c.send(B.notification(2, 2))
        c.close()
    assert len(times) <= 15, f"{len(times)} connections in 5 s"
    t.note(f"{len(times)} in 5 s")


# ---- two connections at once ----

def collide(t, ident):
    """The connection that it dialled, and ours, both before any OPEN of ours."""
    s = t.speaker(ident=ident).listen()
    theirs = s.accept(40)
    ours = s.connect(DUT4)
    t.until(lambda: all(x.of(B.OPEN) or x.closed_at for x in (ours, theirs)), "an OPEN on both")
    if ours.closed_at or theirs.closed_at:
        raise Unsupported("it closes one of two connections before any OPEN")
    ours.send(s.open_bytes())
    theirs.send(s.open_bytes())
    t.until(lambda: ours.closed_at or theirs.closed_at, "one of both closed")
    return ours, theirs, s


def finish(t, kept, lost):
    t.until(lambda: lost.closed_at, "the other one closed")
    kept.send(B.keepalive())
    t.until(lambda: t.dut.state(t.addr()) == "established", "established on the one that is left")
    assert not kept.closed_at
    n = lost.of(B.NOTIFICATION)
    return n and n[0].code


@case("collision-higher-remote", 4271, "6.8", MUST,
      "two connections: of the higher identifier the one it dialled stays (the peer's is higher)",
      slots=("dial",))
def collision_remote(t):
    ours, theirs, _ = collide(t, "200.0.0.1")
    assert theirs.closed_at and not ours.closed_at, "the wrong one was closed"
    finish(t, ours, theirs)


@case("collision-higher-local", 4271, "6.8", MUST,
      "two connections: of the higher identifier the one it dialled stays (the peer's is lower)",
      slots=("dial",))
def collision_local(t):
    ours, theirs, _ = collide(t, "1.0.0.1")
    assert ours.closed_at and not theirs.closed_at, "the wrong one was closed"
    finish(t, theirs, ours)


@case("collision-cease", 4271, "6.8", MUST, "the connection that loses is told Cease (6)",
      slots=("dial",))
def collision_cease(t):
    ours, theirs, _ = collide(t, "200.0.0.1")
    code = finish(t, ours, theirs)
    assert code and code[0] == 6, f"told {code}"


@case("collision-subcode", 4486, "4", SHOULD, "that Cease is 6/7", slots=("dial",))
def collision_subcode(t):
    ours, theirs, _ = collide(t, "200.0.0.1")
    code = finish(t, ours, theirs)
    assert code == (6, 7), f"told {code}"


@case("collision-established", 4271, "6.8", MUST,
      "an established session stays when a second connection says OPEN")
def collision_established(t):
    c = t.up()
    t.fence(c)
    s = c.speaker
    d = s.connect(DUT4)
    t.until(lambda: d.messages or d.closed_at, "the second connection taken or closed")
    if not d.closed_at:
        d.send(s.open_bytes())
    t.until(lambda: d.closed_at, "the second connection closed")
    t.fence(c)
    t.alive(c)


# ---- refresh ----

@case("refresh", 2918, "4", MUST, "ROUTE-REFRESH: the family's routes are sent again, no others")
def refresh(t):
    c = t.up()
    t.offers(c, 2, "route refresh")
    t.until(lambda: c.table.get(OWN4) and c.table.get(OWN6), "the first table")
    mark = len(c.table.told(OWN6))
    c.send(B.route_refresh(B.IPV4))
    t.until(lambda: len(c.table.told(OWN4)) > 1, "the routes again")
    c.send(B.route_refresh(B.IPV4))
    t.until(lambda: len(c.table.told(OWN4)) > 2, "and again")
    assert len(c.table.told(OWN6)) == mark, "IPv6 routes, too"


@case("refresh-unknown-family", 2918, "4", MUST, "a refresh of a family that was not agreed on is "
      "ignored")
def refresh_unknown(t):
    c = t.up()
    t.offers(c, 2, "route refresh")
    t.until(lambda: c.table.get(OWN4), "the first table")
    c.send(B.route_refresh((77, 99)), B.route_refresh(B.IPV4))
    t.until(lambda: len(c.table.told(OWN4)) > 1 or c.closed_at, "the routes again")
    t.alive(c)


def enhanced(t):
    """Both offer it; with End-of-RIB from both, before which it may be put off."""
    c = t.up(more=[ENHANCED, B.cap_gr((B.IPV4, B.IPV6))])
    t.offers(c, 70, "enhanced route refresh")
    c.send(B.end_of_rib(), B.end_of_rib(B.IPV6))
    if c.open.graceful_restart():
        t.until(lambda: c.table.ends(B.IPV4), "End-of-RIB")
    return c


@case("refresh-unknown-subtype", 7313, "5", MUST, "an unknown subtype is ignored",
      slots=("gr",))
def refresh_subtype(t):
    c = enhanced(t)
    t.until(lambda: c.table.get(OWN4), "the first table")
    c.send(B.route_refresh(B.IPV4, 200), B.route_refresh(B.IPV4))
    t.until(lambda: len(c.table.told(OWN4)) > 1 or c.closed_at, "the routes again")
    t.alive(c)


@case("refresh-length", 7313, "5", MUST, "a demarcation of the wrong length: 7/1 with the message",
      slots=("gr",))
def refresh_length(t):
    c = enhanced(t)
    t.fence(c)
    wrong = B.message(B.ROUTE_REFRESH, b"\0\1\1\1\0\0")
    c.send(wrong)
    t.notified(c, {(7, 1)}, wrong)


@case("refresh-demarcated", 7313, "4", MUST,
      "a refresh is answered by its beginning, the routes, and its end",
      slots=("gr",))
def demarcated(t):
    c = enhanced(t)
    t.until(lambda: c.table.get(OWN4), "the first table")
    mark = len(c.messages)
    c.send(B.route_refresh(B.IPV4))

    def marks(subtype):
        return [i for i, m in enumerate(c.messages[mark:])
                if m.type == B.ROUTE_REFRESH and m.body == bytes([0, 1, subtype, 1])]
    t.until(lambda: marks(2), "the end of the refresh")
    routes = [i for i, m in enumerate(c.messages[mark:]) if m.type == B.UPDATE
              and OWN4 in m.update().announced]
    assert marks(1) and routes and marks(1)[0] < routes[0] < marks(2)[0], c.messages[mark:]


@case("refresh-stale-routes", 7313, "4", MUST,
      "what does not come again between the beginning and the end of a refresh goes",
      slots=("gr",))
def stale_routes(t):
    c = enhanced(t)
    c.send(t.route(0), t.route(1))
    t.there(t.p(0))
    t.there(t.p(1))
    c.send(B.route_refresh(B.IPV4, 1), t.route(1, 64610), B.route_refresh(B.IPV4, 2))
    t.there(t.p(1), 64610)
    t.gone(t.p(0))
    t.alive(c)


# ---- ends with words ----

def cease(t, do, codes, family_data=None):
    c = t.up()
    t.fence(c)
    do()
    n = t.notified(c, {6})
    assert n.code in codes, f"NOTIFICATION {n}"
    return n


@case("cease-shutdown", 4486, "4", SHOULD, "an operator's shutdown is 6/2")
def shut(t):
    cease(t, lambda: t.dut.shutdown(t.addr(), "bye"), {(6, 2)})


@case("cease-shutdown-words", 9003, "2", MUST, "its words: length, then UTF-8")
def shut_words(t):
    n = cease(t, lambda: t.dut.shutdown(t.addr(), "gone fishing"), {(6, 2)})
    if not n.data:
        raise Unsupported("the operator's words are not sent")
    assert n.data[0] == len(n.data) - 1 and n.data[1:] == b"gone fishing", n


@case("cease-reset", 4486, "4", SHOULD, "an operator's reset is 6/4")
def reset(t):
    cease(t, lambda: t.dut.reset(t.addr()), {(6, 4)})


@case("cease-removed", 4486, "4", SHOULD, "a peer that is taken out of the configuration: 6/3",
      alone=True)
def removed(t):
    cease(t, lambda: t.dut.remove(t.addr()), {(6, 3)})


@case("shutdown-too-long", 9003, "2", MUST,
      "a shutdown message that is longer than it says, or than it may be, harms nobody",
      slots=("ebgp",) * 5)
def too_long(t):
    for i, data in enumerate((b"\xff" + b"A" * 255, b"\xff" + b"A" * 10,
                              b"\x05\xff\xfe\xfd\xfc\xfb", b"\0", b"\x80" + b"A" * 3000)):
        c = t.up(i)
        c.send(B.notification(6, 2, data))
        t.until(lambda c=c: c.closed_at, "closed")
        assert not c.of(B.NOTIFICATION)
        c.speaker.close()
    assert t.dut.running()


@case("max-prefixes", 4486, "4", SHOULD, "more prefixes than allowed: 6/1", slots=("limit",))
def limit(t):
    c = t.up()
    for k in range(LIMIT):
        c.send(t.route(k))
    t.there(t.p(LIMIT - 1))
    t.alive(c)
    for k in range(LIMIT, LIMIT + 8):
        c.send(t.route(k))
    t.notified(c, {(6, 1)})


@case("max-prefixes-data", 4486, "4", SHOULD, "6/1 names the family and the limit, or nothing",
      slots=("limit",))
def limit_data(t):
    c = t.up()
    for k in range(LIMIT + 8):
        c.send(t.route(k))
    n = t.notified(c, {(6, 1)})
    assert n.data in (b"", b"\0\1\1" + LIMIT.to_bytes(4, "big")), n


# ---- protection ----

@case("gtsm-low-ttl", 5082, "3", MUST, "GTSM: what comes with a TTL below 255 is not heard",
      slots=("gtsm",), slow=3)
def gtsm_low(t):
    s = t.speaker()
    try:
        c = s.connect(DUT4, ttl=64, timeout=3)
        # what it is sent before it has taken the connection is another matter
        end = time.monotonic() + 2
        t.until(lambda: c.messages or c.closed_at or time.monotonic() > end, "2 s later")
        c.send(s.open_bytes(), B.keepalive())
    except (AssertionError, OSError):
        return  # not even a connection
    end = time.monotonic() + 2
    t.until(lambda: c.of(B.KEEPALIVE) or c.closed_at or time.monotonic() > end, "2 s later")
    assert not c.of(B.KEEPALIVE), c.messages


@case("gtsm-255", 5082, "3", MUST, "GTSM: with 255 the session comes up", slots=("gtsm",))
def gtsm_up(t):
    c = t.up(ttl=255)
    t.fence(c)


def md5_here(t):
    try:
        return t.speaker(md5=(DUT4, MD5_KEY))._socket()  # pylint: disable=protected-access
    except OSError as e:
        raise Unobservable(f"this kernel has no TCP MD5: {e}") from e


@case("md5", 2385, "2", MUST, "with the same key on both ends the session comes up",
      slots=("md5",))
def md5(t):
    md5_here(t).close()
    t.fence(t.up(md5=(DUT4, MD5_KEY)))


@case("md5-wrong-key", 2385, "2", MUST, "a wrong key, or none, is met with silence",
      slots=("md5", "md5"), slow=4)
def md5_wrong(t):
    md5_here(t).close()
    for i, key in ((0, (DUT4, "another")), (1, None)):
        try:
            t.speaker(i, md5=key).connect(DUT4, timeout=2)
        except AssertionError:
            continue
        raise AssertionError("a connection without the key")


@case("send-hold", 9687, "3", MUST, "a peer that does not read is dropped")
def send_hold(t):
    raise Unobservable("the timer is eight minutes; shown by a unit test of Herald's")


@case("stranger", 4271, "8.2.1", MUST,
      "a connection from an address that is no peer's is not spoken with", slots=())
def stranger(t):
    other = t.stage.other
    addr = f"10.0.200.{t.number % 250 + 1}"
    other.ip(f"addr add {addr}/16 dev eth0")
    s = other.socket()
    s.settimeout(t.timeout)
    s.bind((addr, 0))
    try:
        s.connect((DUT4, 179))
        got = s.recv(100)
    except ConnectionError:
        got = b""
    finally:
        s.close()
    if got:
        assert got[18] == B.NOTIFICATION and got[19] in (2, 6), got.hex()
        t.note(f"says NOTIFICATION {got[19]}/{got[20]} first")


@case("capabilities-known-family", 4760, "8", MUST,
      "a family that only one side has is off: its routes are not sent")
def one_family(t):
    c = t.up(caps=[B.cap_mp(B.IPV4), B.cap_as4(65000), REFRESH])
    t.until(lambda: c.table.get(OWN4), "the IPv4 routes")
    c.send(B.route_refresh(B.IPV4))
    t.until(lambda: len(c.table.told(OWN4)) > 1, "the IPv4 routes again")
    assert not c.table.get(OWN6), "IPv6 routes to a peer that did not ask for them"


@case("capability-not-in-common", 5492, "5", SHOULD,
      "nothing in common: 2/7, or a session without routes")
def nothing_in_common(t):
    s, c = t.dial()
    c.send(B.open_msg(s.asn, s.ident, caps=[B.cap_mp((16388, 71)), B.cap_as4(s.asn)]))
    t.until(lambda: c.of(B.KEEPALIVE) or c.closed_at, "an answer")
    if c.closed_at:
        assert c.of(B.NOTIFICATION) and c.of(B.NOTIFICATION)[0].code == (2, 7), c.messages


@case("own-as", 4271, "5.1.2", MUST, "the session is with AS 65001, whose own routes to the "
      "outside have that AS alone in their path", slots=("ebgp",))
def own_routes(t):
    c = t.up()
    u = t.until(lambda: c.table.get(OWN4), "its own route")
    assert u.segments() == [(2, [AS])] and not c.table.bad, (u.segments(), c.table.bad)
