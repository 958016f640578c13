"""Graceful restart (RFC 4724, 8538), we restarting and we helping."""
import signal

import pytest

from herald_lab import bgpmsg as B
from herald_lab import until
from herald_lab.pair import FAR4, FAR6, HERALD4, HERALD6, PEER4, PEER_AS, POD4, POD6, VIP4, VIP6
from herald_lab.proc import RouteWatch
from herald_lab.wait import stays

GR = {"gracefulRestart": {"enabled": True, "restartTimeSeconds": 20}}
OURS = (POD4, POD6, VIP4, VIP6)
LEARN = {"routing": {"installLearned": True}}


def gr_speaker(pair, time=20, forwarding=True, restarting=False, n=False, **kw):
    caps = [B.cap_mp(B.IPV4), B.cap_refresh(), B.cap_as4(PEER_AS),
            B.cap_gr([B.IPV4], time, restarting, forwarding, n)]
    return pair.speaker(caps=caps, **kw)


# ---- we restart ----

@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGKILL], ids=["sigterm", "sigkill"])
@pytest.mark.parametrize("kind", ["bird", "frr"])
def test_no_route_leaves_the_peers_kernel_while_herald_restarts(pair, kind, sig):
    f = pair.foreign(kind, gr=True).start()
    pair.start(config=GR)
    pair.herald.wait_established()
    f.wait_routes(*OURS)
    for p in OURS:
        until(lambda p=p: pair.other.routes(6 if ":" in p else 4) and any(
            r["dst"] == p.removesuffix("/32").removesuffix("/128")
            for r in pair.other.routes(6 if ":" in p else 4)), what=f"{p} in the peer's kernel")
    watch = RouteWatch(pair.lab, pair.other)
    pair.herald.stop(sig)
    until(lambda: not f.up(HERALD4) and not f.up(HERALD6), what="the peer seeing it")
    for p in OURS:
        assert f.route(p), f"{p} withdrawn"
    pair.herald.start()
    f.wait_established()
    pair.herald.wait_established()
    if kind == "frr":
        until(lambda: all(f.route(p) and not f.route(p)[0].get("stale") for p in OURS),
              what="refreshed")
    f.wait_routes(*OURS)
    stays(lambda: all(f.route(p) for p in OURS), 0.5)
    assert not [line for p in OURS for line in watch.lost(p)]


def test_sigterm_with_graceful_restart_sends_no_notification(pair):
    """RFC 4724 4, RFC 8538: the peer sees TCP close, nothing else."""
    s = gr_speaker(pair).serve()
    pair.start(config=GR, peers=pair.peers(v6=False))
    pair.herald.wait_established()
    c = s.last
    c.wait_eor()
    assert pair.herald.stop() == 0
    c.wait_closed()
    assert not c.of(B.NOTIFICATION)


def test_sigterm_without_graceful_restart_sends_cease(pair):
    s = pair.speaker().serve()
    pair.start(peers=pair.peers(v6=False))
    pair.herald.wait_established()
    assert pair.herald.stop() == 0
    note = s.last.wait_msg(B.NOTIFICATION)
    assert note.code[0] == 6


def test_shutdown_sends_administrative_shutdown_even_with_graceful_restart(pair):
    s = gr_speaker(pair).serve()
    pair.start(config=GR, peers=pair.peers(v6=False))
    pair.herald.wait_established()
    pair.herald.ctl("shutdown")
    assert s.last.wait_msg(B.NOTIFICATION).code in ((6, 2), (6, 9))
    assert pair.herald.daemon.wait(10) == 0


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGKILL], ids=["sigterm", "sigkill"])
def test_the_r_and_f_bits_say_restarted_only_after_a_restart(pair, sig):
    """RFC 4724 3: R set when restarting, F when forwarding state was kept; N by RFC 8538 2."""
    s = gr_speaker(pair).serve()
    pair.start(config=GR, peers=pair.peers(v6=False))
    pair.herald.wait_established()
    r, n, time, fams = s.last.open.graceful_restart()
    assert (r, n, time) == (False, True, 20)
    assert set(fams) == {B.IPV4}
    s.last.wait_eor()
    pair.herald.stop(sig)
    s.last.wait_closed()
    before = len(s.connections)
    pair.herald.start()
    until(lambda: len(s.connections) > before, what="a new connection")
    pair.herald.wait_established()
    r, n, time, fams = s.last.open.graceful_restart()
    assert (r, fams) == (True, {B.IPV4: True})
    s.last.wait_eor()


def test_end_of_rib_comes_right_after_the_routes_though_another_peer_is_missing(pair):
    """RFC 4724 4.1 and 2: never late because some other peer is not there."""
    s = gr_speaker(pair).serve()
    peers = {**pair.peers(v6=False),
             "gone": {"peerASN": PEER_AS, "peerAddress": "10.0.0.99", "config": "tor"}}
    for _ in range(2):  # at the first start, and at a restart
        before = len(s.connections)
        pair.start(config=GR, peers=peers)
        until(lambda: len(s.connections) > before, what="a connection")
        c = s.last
        eor = c.wait_eor()
        first = c.of(B.KEEPALIVE)[0]
        assert {POD4, VIP4} <= set(c.rib())
        routes = [m for m in c.of(B.UPDATE) if m.update().announced]
        assert all(m.at <= eor.at for m in routes)
        assert eor.at - first.at < 1.0
        pair.herald.kill()
        c.wait_closed()


# ---- we help ----

def learned_state(pair, prefix):
    return [(r["peer"], r["stale"]) for r in pair.herald.route(prefix)]


def test_frr_restarts_and_its_routes_stay_stale_until_it_refreshes_them(pair):
    f = pair.foreign("frr", gr=True).start()
    pair.start(config=GR, settings=LEARN)
    pair.herald.wait_established()
    until(lambda: pair.n1.next_hops(FAR4) and pair.n1.next_hops(FAR6), what="learned in the kernel")
    watch = RouteWatch(pair.lab, pair.n1)
    f.impl.stop_bgpd(signal.SIGKILL)
    until(lambda: learned_state(pair, FAR4) == [("r4", True)]
          and learned_state(pair, FAR6) == [("r6", True)], what="both stale")
    assert pair.n1.next_hops(FAR4) == {PEER4}
    f.impl.start_bgpd()
    pair.herald.wait_established(timeout=30)
    until(lambda: learned_state(pair, FAR4) == [("r4", False)]
          and learned_state(pair, FAR6) == [("r6", False)], 30, "both refreshed")
    assert not watch.lost(FAR4) and not watch.lost(FAR6)


def test_bird_restarts_and_its_routes_stay_stale_until_it_refreshes_them(pair):
    f = pair.foreign("bird", gr=True).start()
    pair.start(config=GR, settings=LEARN)
    pair.herald.wait_established()
    until(lambda: pair.n1.next_hops(FAR4) and pair.n1.next_hops(FAR6), what="learned in the kernel")
    watch = RouteWatch(pair.lab, pair.n1)
    f.impl.restart_gracefully()
    until(lambda: learned_state(pair, FAR4) == [("r4", True)]
          and learned_state(pair, FAR6) == [("r6", True)], what="both stale")
    f.impl.start_recovering()
    pair.herald.wait_established(timeout=30)
    until(lambda: learned_state(pair, FAR4) == [("r4", False)]
          and learned_state(pair, FAR6) == [("r6", False)], 30, "both refreshed")
    assert not watch.lost(FAR4) and not watch.lost(FAR6)


@pytest.fixture
def helped(pair):
    """A scripted peer with graceful restart, two routes announced, ready to restart."""
    def make(config=GR, **kw):
        s = gr_speaker(pair, **kw).listen()
        pair.start(config=config, peers=pair.peers(v6=False), settings=LEARN)
        c = s.accept_up()
        c.send(B.announce(["10.7.0.0/24", "10.8.0.0/24"], PEER4, [PEER_AS]), B.end_of_rib())
        until(lambda: pair.n1.next_hops("10.8.0.0/24") and pair.n1.next_hops("10.7.0.0/24"),
              what="both learned")
        return s, c
    return make


def again(s, forwarding=True, time=20, gr=True):
    """The peer comes back as one that restarted."""
    s.caps = [B.cap_mp(B.IPV4), B.cap_refresh(), B.cap_as4(PEER_AS)]
    if gr:
        s.caps.append(B.cap_gr([B.IPV4], time, True, forwarding))
    return s.accept_up()


def test_stale_routes_that_are_not_announced_again_go_at_end_of_rib(pair, helped):
    """RFC 4724 4.2."""
    s, c = helped()
    c.reset()
    until(lambda: learned_state(pair, "10.7.0.0/24") == [("r4", True)], what="stale")
    c = again(s)
    c.send(B.announce(["10.7.0.0/24"], PEER4, [PEER_AS]))
    until(lambda: learned_state(pair, "10.7.0.0/24") == [("r4", False)], what="refreshed")
    assert learned_state(pair, "10.8.0.0/24") == [("r4", True)]
    c.send(B.end_of_rib())
    until(lambda: not pair.herald.route("10.8.0.0/24"), what="10.8.0.0/24 purged")
    until(lambda: not pair.n1.next_hops("10.8.0.0/24"), what="out of the kernel")
    assert pair.n1.next_hops("10.7.0.0/24")


def test_stale_routes_go_when_the_restart_time_is_over(pair, helped):
    """RFC 4724 4.2: the peer's own restart time counts."""
    s, c = helped(time=2)
    s.unlisten()
    c.reset()
    until(lambda: learned_state(pair, "10.7.0.0/24") == [("r4", True)], what="stale")
    stays(lambda: pair.n1.next_hops("10.7.0.0/24"), 0.8)
    until(lambda: not pair.herald.route("10.7.0.0/24"), 6, "purged by the timer")
    until(lambda: not pair.n1.next_hops("10.7.0.0/24"), what="out of the kernel")


@pytest.mark.parametrize("how", ["no-f-bit", "no-capability"])
def test_stale_routes_go_at_once_when_the_peer_kept_no_forwarding_state(pair, helped, how):
    """RFC 4724 4.2."""
    s, c = helped()
    c.reset()
    until(lambda: learned_state(pair, "10.7.0.0/24") == [("r4", True)], what="stale")
    again(s, forwarding=False, gr=how == "no-f-bit")
    until(lambda: not pair.herald.route("10.7.0.0/24"), 5, "dropped")


def test_a_notification_without_the_n_bit_drops_the_routes(pair, helped):
    """RFC 4724 4.2: only a plain TCP failure is a restart."""
    _, c = helped(n=False)
    c.send(B.notification(6, 4))
    until(lambda: not pair.herald.route("10.7.0.0/24"), 5, "dropped")


def test_a_notification_with_the_n_bit_keeps_the_routes(pair, helped):
    """RFC 8538 4."""
    s, c = helped(n=True)
    s.unlisten()
    c.send(B.notification(6, 4))
    until(lambda: learned_state(pair, "10.7.0.0/24") == [("r4", True)], what="stale")


def test_a_hard_reset_drops_the_routes_in_spite_of_the_n_bit(pair, helped):
    """RFC 8538 3: Cease 6/9."""
    s, c = helped(n=True)
    s.unlisten()
    c.send(B.notification(6, 9, bytes([6, 4])))
    until(lambda: not pair.herald.route("10.7.0.0/24"), 5, "dropped")


def test_a_new_connection_in_established_replaces_the_old_one(pair, helped):
    """RFC 4724 4.2: the peer restarted and we have not noticed."""
    s, c = helped()
    # within the first second it would be taken for a collision
    until(lambda: pair.herald.peer("r4")["uptimeSeconds"] >= 2, what="a session of some age")
    s.caps = [B.cap_mp(B.IPV4), B.cap_refresh(), B.cap_as4(PEER_AS),
              B.cap_gr([B.IPV4], 20, True, True)]
    new = s.establish(s.connect(HERALD4))
    new.send(B.announce(["10.7.0.0/24"], PEER4, [PEER_AS]), B.end_of_rib())
    c.wait_closed()
    until(lambda: learned_state(pair, "10.7.0.0/24") == [("r4", False)], what="refreshed")
    until(lambda: not pair.herald.route("10.8.0.0/24"), what="the other purged")


def test_without_graceful_restart_a_lost_session_takes_the_routes_along(pair, helped):
    s, c = helped(config={})
    s.unlisten()
    c.reset()
    until(lambda: not pair.herald.route("10.7.0.0/24"), 5, "gone")
    until(lambda: not pair.n1.next_hops("10.7.0.0/24"), 5, "out of the kernel")
