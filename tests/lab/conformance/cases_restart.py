"""Graceful restart (RFC 4724, 8538) and its long-lived kind (RFC 9494), the receiving side mostly:
the calm peer is told nothing while our session is gone."""
import contextlib
import struct
import time

from herald_lab import bgpmsg as B

from .catalogue import MUST, Unsupported, case
from .duts import OWN4

LLGR_STALE, NO_LLGR = 0xFFFF0006, 0xFFFF0007
FAMILIES = (B.IPV4, B.IPV6)


def gr(time_=30, families=FAMILIES, **kw):
    return B.cap_gr(families, time_, **kw)


def llgr(seconds, families=FAMILIES):
    return B.cap(71, b"".join(struct.pack("!HBB", a, s, 0x80) + seconds.to_bytes(3, "big")
                              for a, s in families))


def with_routes(t, *caps, routes=(0, 1), i=0):
    """A session with graceful restart that has told its routes."""
    c = t.up(i, more=caps or [gr()])
    if not c.open.graceful_restart():
        raise Unsupported("graceful restart: capability 64 is not offered")
    c.send(*(t.route(k, i=i) for k in routes), B.end_of_rib(), B.end_of_rib(B.IPV6))
    for k in routes:
        t.there(t.p(k))
    return c


def helps(c):
    """It keeps what a peer told that restarts."""
    if not (c.open.graceful_restart() or (0, 0, 0, {}))[3]:
        raise Unsupported("it offers End-of-RIB markers only: no family in capability 64")


def drop(t, c, i=0):
    c.close()
    t.until(lambda: t.dut.state(t.addr(i)) != "established", "the daemon seeing it")


def still(t, *ks):
    for k in ks:
        assert t.told(t.p(k)), f"{t.p(k)} was withdrawn"


@case("gr-capability", 4724, "3", MUST, "the capability; its families are those of the session",
      slots=("gr",))
def capability(t):
    c = t.up(more=[gr()])
    told = c.open.graceful_restart()
    if not told:
        raise Unsupported("graceful restart: capability 64 is not offered")
    restarting, _, seconds, families = told
    assert set(families) <= {B.IPV4, B.IPV6}, families
    t.note(f"{seconds} s, {len(families)} families" + (", R bit" if restarting else ""))


@case("gr-end-of-rib", 4724, "4.1", MUST, "End-of-RIB of each family behind its routes",
      slots=("gr",))
def end_of_rib(t):
    c = with_routes(t)
    t.until(lambda: c.table.ends(B.IPV4) and c.table.ends(B.IPV6), "both End-of-RIBs")
    own = next(i for i, u in enumerate(c.table.history) if OWN4 in [p for p, _ in u.announced])
    assert c.table.ends(B.IPV4, own), "End-of-RIB before the routes"


@case("gr-kept", 4724, "4.2", MUST, "TCP fails: the routes stay", slots=("gr",))
def kept(t):
    c = with_routes(t)
    helps(c)
    drop(t, c)
    t.fence(t.up(0, more=[gr(restarting=True)]))
    still(t, 0, 1)


@case("gr-end-of-rib-purges", 4724, "4.2", MUST,
      "what has not come again by the End-of-RIB goes, the rest was never away", slots=("gr",))
def purged(t):
    c = with_routes(t)
    helps(c)
    drop(t, c)
    c = t.up(more=[gr(restarting=True)])
    c.send(t.route(1))
    t.fence(c)
    still(t, 0, 1)
    c.send(B.end_of_rib())
    t.gone(t.p(0))
    still(t, 1)
    told = t.stage.tables["ebgp"].catch_up().history
    assert not [u for u in told if (t.p(1), None) in u.withdrawn], "the other was away"


@case("gr-restart-time", 4724, "4.2", MUST, "the peer's restart time ends it", slots=("gr",),
      slow=3)
def restart_time(t):
    c = with_routes(t, gr(2))
    helps(c)
    begin = time.monotonic()
    drop(t, c)
    t.gone(t.p(0), t.p(1))
    assert time.monotonic() - begin > 1, "at once"


@case("gr-no-capability-before", 4724, "4.2", MUST, "a peer without the capability: gone at once",
      slots=("gr",))
def without(t):
    c = t.up()
    c.send(t.route(0))
    t.there(t.p(0))
    c.close()
    t.gone(t.p(0))


@case("gr-no-capability-after", 4724, "4.2", MUST, "back without the capability: gone at once",
      slots=("gr",))
def without_after(t):
    c = with_routes(t)
    helps(c)
    drop(t, c)
    c = t.up()
    t.gone(t.p(0), t.p(1))
    t.alive(c)


@case("gr-no-f-bit", 4724, "4.2", MUST, "back without the F bit: gone at once", slots=("gr",))
def no_f(t):
    c = with_routes(t)
    helps(c)
    drop(t, c)
    c = t.up(more=[gr(restarting=True, forwarding=False)])
    t.gone(t.p(0), t.p(1))
    t.alive(c)


@case("gr-family-missing", 4724, "4.2", MUST, "back without the family in the capability: gone",
      slots=("gr",))
def family_missing(t):
    c = with_routes(t)
    helps(c)
    drop(t, c)
    c = t.up(more=[gr(families=[B.IPV6], restarting=True)])
    t.gone(t.p(0), t.p(1))
    t.alive(c)


@case("gr-notification", 4724, "4.2", MUST, "a NOTIFICATION, without RFC 8538: gone at once",
      slots=("gr",))
def notification(t):
    c = with_routes(t)
    helps(c)
    c.send(B.notification(6, 4))
    t.gone(t.p(0), t.p(1))


@case("gr-new-connection", 4724, "4.2", MUST,
      "a new connection of an established peer takes the old one's place, the routes stay",
      slots=("gr",))
def replaces(t):
    c = with_routes(t)
    helps(c)
    c.stop_reading()
    d = t.up(more=[gr(restarting=True)])
    t.fence(d)
    still(t, 0, 1)
    c.resume_reading()
    t.until(lambda: c.closed_at, "the old connection closed")


@case("gr-second-restart", 4724, "4.2", MUST,
      "a second restart before the End-of-RIB: what was stale by then goes", slots=("gr",))
def second(t):
    c = with_routes(t)
    helps(c)
    drop(t, c)
    c = t.up(more=[gr(restarting=True)])
    c.send(t.route(1))
    t.fence(c, 1)
    drop(t, c)
    t.gone(t.p(0))
    still(t, 1)


@case("gr-n-bit", 8538, "2", MUST, "with the N bit of both a NOTIFICATION keeps the routes",
      slots=("gr",))
def n_bit(t):
    c = with_routes(t, gr(notification_bit=True))
    if not c.open.graceful_restart()[1]:
        raise Unsupported("the N bit is not offered")
    c.send(B.notification(6, 4))
    t.until(lambda: t.dut.state(t.addr()) != "established", "the daemon seeing it")
    c.close()
    t.fence(t.up(0, more=[gr(notification_bit=True, restarting=True)]))
    still(t, 0, 1)


@case("gr-hard-reset", 8538, "3", MUST, "a Hard Reset (6/9) ends it all", slots=("gr",))
def hard(t):
    c = with_routes(t, gr(notification_bit=True))
    if not c.open.graceful_restart()[1]:
        raise Unsupported("the N bit is not offered")
    c.send(B.notification(6, 9, b"\6\2"))
    t.gone(t.p(0), t.p(1))


@case("gr-n-bit-hold-time", 8538, "4", MUST, "with the N bit of both the hold time's end keeps the "
      "routes", slots=("gr",), slow=4)
def n_hold(t):
    s, c = t.dial(hold=3, caps=[B.cap_mp(B.IPV4), B.cap_as4(t.asn()),
                                B.cap_gr([B.IPV4], 30, notification_bit=True)])
    if not (c.open.graceful_restart() or (0, 0))[1]:
        raise Unsupported("the N bit is not offered")
    c.send(s.open_bytes())
    t.established(c)
    c.send(B.keepalive(), t.route(0), B.end_of_rib())
    t.there(t.p(0))
    t.until(lambda: c.closed_at, "the hold time's end")
    t.until(lambda: t.dut.state(t.addr()) != "established", "the daemon seeing it")
    still(t, 0)


@case("gr-restarting", 4724, "4.1", MUST, "its own restart: no NOTIFICATION, then the R bit and "
      "the F bits, and End-of-RIB after the routes", slots=("gr",), alone=True, slow=8)
def restarting(t):
    c = with_routes(t)
    helps(c)
    t.dut.stop_gracefully()
    t.until(lambda: c.closed_at, "the session closed")
    assert not c.of(B.NOTIFICATION), f"it said {c.of(B.NOTIFICATION)[0]}"
    c.speaker.close()
    t.dut.start_again()
    c = t.up(more=[gr()], timeout=60)
    told = c.open.graceful_restart()
    assert told and told[0], f"no R bit: {told}"
    assert all(told[3].values()), f"F bits: {told[3]}"
    c.send(B.end_of_rib(), B.end_of_rib(B.IPV6))
    for name in ("ebgp", "ibgp"):
        with contextlib.suppress(OSError):
            t.stage.sinks[name].close()
    t.until(lambda: c.table.get(OWN4) and c.table.ends(B.IPV4), "its route and End-of-RIB", 60)


# ---- long-lived ----

def long_lived(t, seconds, *routes):
    c = t.up(0, more=[gr(1), llgr(seconds)])
    if 71 not in c.open.caps:
        raise Unsupported("long-lived graceful restart: capability 71 is not offered")
    c.send(*routes, B.end_of_rib(), B.end_of_rib(B.IPV6))
    return c


@case("llgr-capability", 9494, "3.1", MUST, "the capability stands beside that of graceful restart",
      slots=("llgr",))
def llgr_capability(t):
    c = long_lived(t, 30)
    v = c.open.caps[71][0]
    assert 64 in c.open.caps and len(v) % 7 == 0 and v, v.hex()


@case("llgr-stale", 9494, "4.2", MUST,
      "after the restart time routes stay, marked LLGR_STALE, to peers that understand it",
      slots=("llgr", "llgr-other"), slow=3)
def llgr_stale(t):
    other = t.up(1, more=[gr(), llgr(30)])
    other.send(B.end_of_rib(), B.end_of_rib(B.IPV6))
    c = long_lived(t, 30, t.route(0))
    t.until(lambda: other.table.get(t.p(0)), "the route")
    c.close()
    t.until(lambda: other.table.get(t.p(0)) and LLGR_STALE in other.table.get(t.p(0)).communities,
            lambda: f"LLGR_STALE; it has {other.table.get(t.p(0))}")


@case("llgr-no-llgr", 9494, "4.2", MUST, "routes with NO_LLGR go when the restart time is over",
      slots=("llgr",), slow=3)
def no_llgr(t):
    c = long_lived(t, 30, t.route(0, add=[B.communities(NO_LLGR)]))
    t.there(t.p(0))
    c.close()
    t.gone(t.p(0))


@case("llgr-least-preferred", 9494, "4.2", MUST, "a stale route is the last to be used",
      slots=("llgr", "ebgp"), slow=3)
def llgr_least(t):
    other = t.up(1)
    c = long_lived(t, 30, t.route(0, 64611))
    t.there(t.p(0), 64611)
    other.send(t.route(0, i=1, path=B.as_path(t.asn(1), 64997, 64998, 64999, 64612)))
    t.fence(other, i=1)
    c.close()
    t.there(t.p(0), 64612)


@case("llgr-time", 9494, "4.2", MUST, "the long-lived time ends it", slots=("llgr",), slow=5)
def llgr_time(t):
    c = long_lived(t, 2, t.route(0))
    t.there(t.p(0))
    c.close()
    t.gone(t.p(0))


@case("llgr-refreshed", 9494, "4.2", MUST, "back in time: what comes again is not stale any more",
      slots=("llgr", "llgr-other"), slow=3)
def llgr_refreshed(t):
    other = t.up(1, more=[gr(), llgr(30)])
    other.send(B.end_of_rib(), B.end_of_rib(B.IPV6))
    c = long_lived(t, 30, t.route(0))
    t.until(lambda: other.table.get(t.p(0)), "the route")
    c.close()
    t.until(lambda: LLGR_STALE in other.table.get(t.p(0)).communities, "LLGR_STALE")
    c = long_lived(t, 30, t.route(0))
    t.until(lambda: LLGR_STALE not in other.table.get(t.p(0)).communities, "fresh again")
