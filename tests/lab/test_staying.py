"""What stays when a session goes, and what a refresh brings: long-lived graceful restart (RFC
9494), enhanced route refresh (RFC 7313), graceful shutdown from a peer (RFC 8326)."""
import signal

import pytest

from herald_lab import until
from herald_lab.pair import FAR4, HERALD4, PEER4, POD4, VIP4

# A restart time of a second, so that the long-lived time begins soon; it does not end here.
LLGR = {"gracefulRestart": {"enabled": True, "restartTimeSeconds": 1,
                            "longLivedStaleTimeSeconds": 3600}}
BIRD = ["graceful restart on;", "graceful restart time 1;", "long lived graceful restart on;",
        "long lived stale time 3600;"]
GR = {"gracefulRestart": {"enabled": True}}
LEARN = {"routing": {"installLearned": True}}


def peer_of(pair, kind):
    """The foreign daemon with long-lived graceful restart."""
    if kind == "bird":
        return pair.foreign("bird", lines=BIRD).start()
    f = pair.foreign("frr", gr=True).start()
    f.impl.configure("router bgp 65000", "bgp graceful-restart restart-time 1",
                     "bgp long-lived-graceful-restart stale-time 3600")
    return f


def is_marked(f, kind, prefix):
    """Does the foreign side call our route long-lived stale?"""
    if kind == "bird":
        return "(65535,6)" in f.route(prefix).replace(" ", "")
    path = f.route(prefix)
    return path and "llgr-stale" in path[0].get("community", {}).get("string", "") or (
        path and "llgr-stale" in f.impl.vty(f"show bgp ipv4 unicast {prefix}"))


@pytest.mark.parametrize("kind", ["bird", "frr"])
def test_our_routes_stay_at_the_peer_as_a_last_resort(pair, kind):
    f = peer_of(pair, kind)
    pair.start(config=LLGR)
    pair.herald.wait_established()
    f.wait_routes(POD4, VIP4)
    assert not is_marked(f, kind, VIP4)
    pair.herald.stop(signal.SIGKILL)
    until(lambda: is_marked(f, kind, VIP4) and is_marked(f, kind, POD4), 30,
          lambda: f"{kind} marks them: {f.route(VIP4)}")
    pair.herald.start()
    pair.herald.wait_established(timeout=30)
    until(lambda: f.route(VIP4) and not is_marked(f, kind, VIP4), 30,
          lambda: f"fresh again: {f.route(VIP4)}")


def route(pair, prefix):
    """What is made of the route here; `received` is as the peer sent it."""
    return pair.herald.ctl("bgp", "routes", "available", prefix)["routes"]


def learned(pair, prefix):
    return [(r["stale"], r["longLivedStale"], "65535:6" in r["communities"])
            for r in route(pair, prefix)]


@pytest.mark.parametrize("kind", ["bird", "frr"])
def test_the_peers_routes_stay_here_as_a_last_resort(pair, kind):
    f = peer_of(pair, kind)
    pair.start(config=LLGR, settings=LEARN)
    pair.herald.wait_established()
    until(lambda: pair.n1.next_hops(FAR4) == {PEER4}, what="learned in the kernel")
    assert learned(pair, FAR4) == [(False, False, False)]
    if kind == "bird":
        f.stop(signal.SIGKILL)
    else:
        f.impl.stop_bgpd(signal.SIGKILL)
    until(lambda: learned(pair, FAR4) == [(True, True, True)], 30,
          lambda: f"long-lived stale: {route(pair, FAR4)}")
    assert pair.n1.next_hops(FAR4) == {PEER4}
    family = pair.herald.peer("r4")["families"][0]
    assert family["longLivedStaleRoutes"] >= 1 and family["longLivedSecondsLeft"] > 3000
    if kind == "bird":
        f.impl.start_recovering()
    else:
        f.impl.start_bgpd()
        f.impl.configure("router bgp 65000", "bgp long-lived-graceful-restart stale-time 3600")
    pair.herald.wait_established(timeout=30)
    until(lambda: learned(pair, FAR4) == [(False, False, False)], 30,
          lambda: f"fresh again: {route(pair, FAR4)}")
    assert pair.n1.next_hops(FAR4) == {PEER4}


def test_bird_is_told_where_a_refresh_begins_and_ends(pair):
    f = pair.foreign("bird", lines=["debug { packets };"]).start()
    pair.start(config=GR)
    pair.herald.wait_established()
    f.wait_routes(POD4, VIP4)
    assert "Enhanced refresh" in f.impl.cmd("show protocols all r4")
    f.impl.cmd("reload in r4")
    until(lambda: all(f"r4: Got {w}-OF-RR" in f.impl.daemon.text() for w in ("BEGIN", "END")), 20,
          "BIRD got both")
    assert f.route(POD4) and f.route(VIP4)


def test_frr_is_told_where_a_refresh_begins_and_ends(pair):
    f = pair.foreign("frr", gr=True).start()
    pair.start(config=GR)
    pair.herald.wait_established()
    f.wait_routes(POD4, VIP4)
    f.impl.vty("clear bgp ipv4 unicast 10.0.0.1 soft in")
    until(lambda: f.impl.neighbor(HERALD4)["messageStats"]["routeRefreshRecv"] >= 2, 20,
          lambda: f"FRR got both: {f.impl.neighbor(HERALD4)['messageStats']}")
    assert f.route(POD4) and f.route(VIP4)


@pytest.mark.parametrize("kind", ["bird", "frr"])
def test_a_refresh_that_we_ask_for_loses_nothing(pair, kind):
    f = pair.foreign(kind, gr=True).start()
    pair.start(settings=LEARN, config=GR)
    pair.herald.wait_established()
    until(lambda: pair.herald.peer("r4")["families"][0]["eorReceived"], 30, what="End-of-RIB")
    pair.herald.ctl("bgp", "clear", "r4", "soft", "in")
    until(lambda: pair.herald.peer("r4")["messages"]["received"]["routeRefresh"] >= 2, 20,
          lambda: f"begin and end: {pair.herald.peer('r4')['messages']}")
    assert learned(pair, FAR4) == [(False, False, False)]


def test_a_peer_that_is_about_to_go_is_the_last_choice(pair):
    f = pair.foreign("frr").start()
    pair.start(settings=LEARN)
    pair.herald.wait_established()
    until(lambda: learned(pair, FAR4), what="learned")
    assert route(pair, FAR4)[0]["localPreference"] is None
    f.impl.configure("router bgp 65000", "bgp graceful-shutdown")
    until(lambda: route(pair, FAR4)[0]["localPreference"] == 0
          and "65535:0" in route(pair, FAR4)[0]["communities"], 20,
          lambda: f"the last choice: {route(pair, FAR4)}")
    f.impl.configure("router bgp 65000", "no bgp graceful-shutdown")
    until(lambda: route(pair, FAR4)[0]["localPreference"] is None, 20, "as before")
