"""Sessions with FRR 8.4.4, BIRD 2.0.12, GoBGP 3.10 and OpenBGPD 7.7: each judges what we send."""
import re
import signal

import pytest

from herald_lab import bgpmsg, until
from herald_lab import herald as h
from herald_lab.netns import link
from herald_lab.pair import (AS, FAR4, FAR6, FOREIGN, HERALD4, HERALD6, PEER4, PEER6, PEER_AS, POD4,
                             POD6, VIP4, VIP6)
from herald_lab.wait import stays

ALL = sorted(FOREIGN)
OURS = (POD4, POD6, VIP4, VIP6)


def wait_both(pair, f, timeout=20):
    """Sessions up on both sides, all routes on both sides."""
    pair.herald.wait_established(timeout=timeout)
    f.wait_established(timeout)
    f.wait_routes(*OURS)
    for p in (FAR4, FAR6):
        until(lambda p=p: pair.herald.route(p), what=f"herald: {p} received")


@pytest.mark.parametrize("kind", ALL)
def test_both_families_both_ways(pair, kind):
    """Both sides dial, so collisions (RFC 4271 6.8) are part of it."""
    f = pair.foreign(kind).start()
    pair.start()
    wait_both(pair, f)
    for p in (FAR4, FAR6):
        r, = pair.herald.route(p)
        assert r["asPath"] == [PEER_AS] and r["best"]
        assert r["peer"] == ("r6" if ":" in p else "r4")
    for p in pair.herald.peers().values():
        fam, = p["families"]
        # FRR also says our own routes back to us: a loop, not accepted
        assert fam["received"] >= 1 and (fam["accepted"], fam["advertised"]) == (1, 2)


@pytest.mark.parametrize("kind", ALL)
def test_a_peer_that_only_listens_is_dialled(pair, kind):
    f = pair.foreign(kind, passive=True).start()
    pair.start()
    wait_both(pair, f)


@pytest.mark.parametrize("kind", ALL)
def test_a_passive_herald_waits_to_be_dialled(pair, kind):
    pair.start(config={"transport": {"passive": True}})
    stays(lambda: all(p["state"] in ("idle", "active") for p in pair.herald.peers().values()), 0.5)
    f = pair.foreign(kind).start()
    wait_both(pair, f, 30)


@pytest.mark.parametrize("kind", ALL)
def test_md5_a_wrong_key_means_silence_and_the_right_one_a_session(pair, kind):
    """RFC 2385."""
    f = pair.foreign(kind, md5="s3cret").start()
    pair.write(config={"authSecretRef": "bgp-key"})
    pair.herald.write("70-secret.yaml", h.secret("bgp-key", "wrong"))
    pair.herald.start()
    stays(lambda: not any(p["state"] == "established" for p in pair.herald.peers().values()), 1.5)
    assert not f.up(HERALD4) and not f.up(HERALD6)
    pair.herald.write("70-secret.yaml", h.secret("bgp-key", "s3cret"))
    wait_both(pair, f, 30)


@pytest.mark.parametrize("kind", ALL)
def test_the_peer_restarts_and_all_is_back(pair, kind):
    f = pair.foreign(kind).start()
    pair.start()
    wait_both(pair, f)
    f.stop(signal.SIGKILL)
    until(lambda: not any(p["state"] == "established" for p in pair.herald.peers().values()),
          what="sessions down")
    until(lambda: not pair.herald.route(FAR4) and not pair.herald.route(FAR6), what="routes gone")
    f.start()
    f.wait_established(30)
    f.settle(OURS)
    wait_both(pair, f, 30)


@pytest.mark.parametrize("kind", ALL)
def test_herald_restarts_and_all_is_back(pair, kind):
    f = pair.foreign(kind).start()
    pair.start()
    wait_both(pair, f)
    assert pair.herald.stop() == 0
    f.wait_gone(*OURS)
    pair.herald.start()
    wait_both(pair, f, 30)


def behind_a_router(pair, kind, **kw):
    """The peer one hop further away: n1 - middle - far.  Returns the foreign daemon."""
    far = pair.lab.netns("far")
    link(pair.other, "eth1", far, "eth0")
    pair.other.addr("eth1", "10.0.9.1/24", "fd09::1/64")
    far.addr("eth0", "10.0.9.2/24", "fd09::2/64")
    far.ip("route add 10.0.0.0/24 via 10.0.9.1", "route add fd00::/64 via fd09::1")
    pair.n1.ip(f"route add 10.0.9.0/24 via {PEER4}", f"route add fd09::/64 via {PEER6}")
    return pair.foreign(kind, ns=far, local4="10.0.9.2", local6="fd09::2", **kw)


FAR_PEERS = {"r4": {"peerASN": PEER_AS, "peerAddress": "10.0.9.2", "config": "tor"},
             "r6": {"peerASN": PEER_AS, "peerAddress": "fd09::2", "config": "tor6"}}


@pytest.mark.parametrize("kind", ALL)
def test_multihop_two_hops_away(pair, kind):
    f = behind_a_router(pair, kind, ttl=2).start()
    pair.start(peers=FAR_PEERS, config={"ebgpMultihop": 2})
    wait_both(pair, f, 30)


def test_without_multihop_a_peer_two_hops_away_is_out_of_reach(pair):
    """eBGP goes out with TTL 1."""
    f = behind_a_router(pair, "bird", ttl=2).start()
    pair.start(peers=FAR_PEERS)
    stays(lambda: not any(p["state"] == "established" for p in pair.herald.peers().values()), 2)
    assert not f.up(HERALD4)


@pytest.mark.parametrize("kind", ["bird", "frr", "openbgpd"])
def test_gtsm_on_both_sides(pair, kind):
    """RFC 5082."""
    f = pair.foreign(kind, gtsm=True).start()
    pair.start(config={"ttlSecurity": {"hops": 1}})
    wait_both(pair, f)


def test_gtsm_drops_what_comes_with_a_low_ttl(pair):
    """RFC 5082 3: a packet with TTL below 255 never reaches the session."""
    pair.start(config={"ttlSecurity": {"hops": 1}, "transport": {"passive": True}},
               peers=pair.peers(v6=False))
    low = pair.speaker()
    with pytest.raises(AssertionError):
        low.connect(HERALD4, ttl=64, timeout=2)
    high = pair.speaker()
    high.establish(high.connect(HERALD4, ttl=255))
    pair.herald.wait_established("r4")


@pytest.mark.parametrize("kind", ALL)
def test_ibgp_carries_local_preference_and_an_unchanged_path(pair, kind):
    f = pair.foreign(kind, asn=AS).start()
    peers = {n: dict(p, peerASN=AS) for n, p in pair.peers().items()}
    pair.write(peers=peers)
    pair.herald.write("40-advertise.yaml", h.advertise_pods(localPreference=321),
                      h.advertise_services())
    pair.herald.start()
    wait_both(pair, f)
    r, = pair.herald.route(FAR4)
    assert r["asPath"] == []
    if kind == "frr":
        path, = f.route(POD4)
        assert path["locPrf"] == 321 and path["aspath"]["string"] == "Local"
        assert f.route(VIP4)[0]["locPrf"] == 100
    elif kind == "bird":
        text = f.route(POD4)
        assert "BGP.local_pref: 321" in text and re.search(r"BGP.as_path: *$", text, re.M)
    elif kind == "openbgpd":
        path, = f.route(POD4)
        assert path["localpref"] == 321 and path["aspath"] == ""
    else:
        attrs = {a["type"]: a for a in f.route(POD4)[0]["attrs"]}
        assert attrs[5]["value"] == 321 and not attrs[2]["as_paths"]


ATTRIBUTES = {"communities": {"standard": ["65001:7"], "wellKnown": ["no-export"],
                              "large": ["65001:1:2"]}, "localPreference": 300}


def test_attributes_as_frr_shows_them_and_no_local_preference_to_ebgp(pair):
    f = pair.foreign("frr").start()
    pair.write()
    pair.herald.write("40-advertise.yaml",
                      h.advertise_pods(med=42, asPathPrepend=2, **ATTRIBUTES),
                      h.advertise_services())
    pair.herald.start()
    wait_both(pair, f)
    path, = f.route(POD4)
    assert path["community"]["string"] == "65001:7 no-export"
    assert path["largeCommunity"]["string"] == "65001:1:2"
    assert path["metric"] == 42
    assert path["aspath"]["string"] == "65001 65001 65001"
    assert path.get("locPrf") is None
    assert path["origin"] == "IGP"
    plain, = f.route(VIP4)
    assert plain["aspath"]["string"] == "65001" and "community" not in plain


def test_attributes_as_bird_shows_them(pair):
    f = pair.foreign("bird").start()
    pair.write()
    pair.herald.write("40-advertise.yaml",
                      h.advertise_pods(med=42, asPathPrepend=2, **ATTRIBUTES),
                      h.advertise_services())
    pair.herald.start()
    wait_both(pair, f)
    for prefix in (POD4, POD6):
        text = f.route(prefix)
        assert "BGP.as_path: 65001 65001 65001\n" in text
        assert "BGP.med: 42\n" in text
        assert re.search(r"BGP.community: .*\(65001,7\)", text)
        assert re.search(r"BGP.community: .*\(65535,65281\)", text)
        assert "BGP.large_community: (65001, 1, 2)" in text


def test_frr_asks_for_a_refresh_and_gets_it_without_a_reset(pair):
    """RFC 2918."""
    f = pair.foreign("frr").start()
    pair.start()
    wait_both(pair, f)
    before = f.impl.neighbor(HERALD4)["messageStats"]
    up = pair.herald.peer("r4")["uptimeSeconds"]
    f.impl.vty("clear bgp ipv4 unicast 10.0.0.1 soft in")
    until(lambda: f.impl.neighbor(HERALD4)["messageStats"]["updatesRecv"] > before["updatesRecv"],
          what="UPDATEs again")
    stats = f.impl.neighbor(HERALD4)["messageStats"]
    assert stats["routeRefreshSent"] == before["routeRefreshSent"] + 1
    assert stats["opensRecv"] == before["opensRecv"]
    assert f.route(POD4) and f.route(VIP4)
    assert pair.herald.peer("r4")["uptimeSeconds"] >= up


def test_we_ask_frr_for_a_refresh(pair):
    f = pair.foreign("frr").start()
    pair.start()
    wait_both(pair, f)
    before = f.impl.neighbor(HERALD4)["messageStats"]
    pair.herald.ctl("bgp", "clear", "r4", "soft", "in")
    until(lambda: f.impl.neighbor(HERALD4)["messageStats"]["routeRefreshRecv"]
          > before["routeRefreshRecv"], what="a ROUTE-REFRESH at FRR")
    assert f.impl.neighbor(HERALD4)["messageStats"]["opensRecv"] == before["opensRecv"]
    assert pair.herald.route(FAR4)


def test_shutdown_with_a_message_is_read_by_frr_and_enable_ends_it(pair):
    """RFC 9003."""
    f = pair.foreign("frr").start()
    pair.start()
    wait_both(pair, f)
    pair.herald.ctl("bgp", "shutdown", "r4", "maintenance until noon")
    until(lambda: not f.up(HERALD4), what="FRR: session down")
    n = f.impl.neighbor(HERALD4)
    assert "maintenance until noon" in str(n), n
    assert "Administrative Shutdown" in n["lastNotificationReason"]
    p = pair.herald.peer("r4")
    assert p["state"] == "idle" and p["heldDown"]
    stays(lambda: pair.herald.peer("r4")["state"] == "idle", 1.2)
    assert pair.herald.peer("r6")["state"] == "established"
    f.wait_gone(POD4)
    pair.herald.ctl("bgp", "enable", "r4")
    wait_both(pair, f)


def test_clear_resets_one_session_only(pair):
    f = pair.foreign("frr").start()
    pair.start()
    wait_both(pair, f)
    before = f.impl.neighbor(HERALD4)["connectionsEstablished"]
    before6 = f.impl.neighbor(HERALD6)["connectionsEstablished"]
    pair.herald.ctl("bgp", "clear", PEER4)
    until(lambda: f.impl.neighbor(HERALD4)["connectionsEstablished"] == before + 1, 15,
          "back again")
    wait_both(pair, f)
    assert f.impl.neighbor(HERALD6)["connectionsEstablished"] == before6


def test_collision_the_connection_of_the_higher_identifier_stays(pair):
    """RFC 4271 6.8, RFC 6286 2.3."""
    # the peer's identifier is higher than ours (10.0.0.1): the connection that it opened stays
    s = pair.speaker(ident="10.0.0.250").listen()
    pair.start(peers=pair.peers(v6=False))
    theirs = s.accept()
    theirs.wait_msg(bgpmsg.OPEN)
    mine = s.connect(HERALD4)
    mine.send(s.open_bytes())
    theirs.send(s.open_bytes())
    s.establish(mine, said_open=True)
    pair.herald.wait_established("r4")
    note = theirs.wait_msg(bgpmsg.NOTIFICATION)
    assert note.code == (6, 7)
    theirs.wait_closed()
    mine.wait_prefix(POD4)


def test_collision_our_connection_stays_when_our_identifier_is_higher(pair):
    s = pair.speaker(ident="1.0.0.1").listen()
    pair.start(peers=pair.peers(v6=False))
    theirs = s.accept()
    theirs.wait_msg(bgpmsg.OPEN)
    mine = s.connect(HERALD4)
    mine.send(s.open_bytes())
    theirs.send(s.open_bytes())
    until(lambda: mine.closed_at, what="the connection that the peer opened closed")
    if mine.of(bgpmsg.NOTIFICATION):
        assert mine.of(bgpmsg.NOTIFICATION)[0].code == (6, 7)
    theirs.wait_msg(bgpmsg.KEEPALIVE)
    theirs.send(bgpmsg.keepalive())
    pair.herald.wait_established("r4")
