"""Listen ranges on either side, and peers that are the default gateway."""
import json

import pytest

from herald_lab import bird, frr, until
from herald_lab import herald as h
from herald_lab.netns import link
from herald_lab.pair import (AS, FAR4, FAR6, HERALD4, HERALD6, PEER4, PEER6, PEER_AS, POD4, POD6,
                             VIP4)
from herald_lab.wait import stays

NODES = {"peerAddressRange": "10.0.0.0/24", "peerASN": PEER_AS, "config": "tor"}
NODES6 = {"peerAddressRange": "fd00::/64", "peerASN": PEER_AS, "config": "tor6"}


def ranges(herald):
    return {r["name"]: r for r in herald.ctl("bgp", "peers")["ranges"]}


@pytest.mark.parametrize("kind", ["bird", "frr"])
@pytest.mark.parametrize("how", ["plain", "md5", "gtsm"])
def test_who_dials_from_the_range_is_a_peer(pair, kind, how):
    config = {"plain": {}, "md5": {"authSecretRef": "bgp-key"},
              "gtsm": {"ttlSecurity": {"hops": 1}}}[how]
    f = pair.foreign(kind, md5="s3cret" if how == "md5" else None, gtsm=how == "gtsm")
    pair.write(peers={"nodes": NODES, "nodes6": NODES6}, config=config)
    if how == "md5":
        pair.herald.write("70-secret.yaml", h.secret("bgp-key", "s3cret"))
    pair.herald.start()
    assert pair.herald.peers() == {} and ranges(pair.herald)["nodes"]["peers"] == 0
    f.start()
    four, six = f"nodes@{PEER4}", f"nodes6@{PEER6}"
    until(lambda: {four, six} <= set(pair.herald.peers()), 30, "both peers")
    pair.herald.wait_established(four, six)
    f.wait_established()
    f.wait_routes(POD4, POD6, VIP4)
    for prefix, name in ((FAR4, four), (FAR6, six)):
        until(lambda p=prefix: pair.herald.route(p), what=f"{prefix} received")
        r, = pair.herald.route(prefix)
        assert r["peer"] == name and r["best"]
    assert pair.herald.peer(four)["range"] == "nodes"
    # gone, and some time later forgotten
    f.stop()
    until(lambda: not pair.herald.peers(), 60, "both forgotten")
    assert ranges(pair.herald)["nodes"]["peers"] == 0


def test_a_wrong_key_gets_nobody_in(pair):
    f = pair.foreign("bird", md5="wrong").start()
    pair.write(peers={"nodes": NODES, "nodes6": NODES6}, config={"authSecretRef": "bgp-key"})
    pair.herald.write("70-secret.yaml", h.secret("bgp-key", "s3cret"))
    pair.herald.start()
    stays(lambda: not f.up(HERALD4) and not pair.herald.peers(), 2)
    pair.herald.write("70-secret.yaml", h.secret("bgp-key", "wrong"))
    f.wait_established(30)


def test_no_more_than_the_limit(lab):
    """Two BIRDs on two addresses of the range, room for one."""
    n1, other = lab.netns("n1"), lab.netns("peers")
    lab.link(n1, "eth0", other, "eth0")
    n1.addr("eth0", f"{HERALD4}/24")
    other.addr("eth0", "10.0.0.2/24", "10.0.0.3/24")
    herald = h.Herald(lab, n1, "n1")
    herald.write("10-settings.yaml", herald.settings())
    herald.write("20-node.yaml", h.node("n1", [POD4], [HERALD4]))
    herald.write("30-bgp.yaml", h.cluster(AS, {"nodes": dict(NODES, peerLimit=1)}),
                 h.peer_config("tor", families=["ipv4"]))
    herald.start()
    first = bird.Bird(lab, other, bird.bgp_conf(
        "10.0.0.2", PEER_AS, {"up": ("10.0.0.2", HERALD4, AS, "strict bind on;")}),
                      name="first").start()
    first.wait_established("up")
    second = bird.Bird(lab, other, bird.bgp_conf(
        "10.0.0.3", PEER_AS, {"up": ("10.0.0.3", HERALD4, AS, "strict bind on;")}),
                       name="second").start()
    until(lambda: ranges(herald)["nodes"]["refused"] > 0, 30, "the second one is refused")
    assert first.established("up") and not second.established("up")
    steps = herald.ctl("explain", "peer", "nodes")["steps"]
    assert any(s["reason"] == "peer-limit" for s in steps), steps
    assert "1 of at most 1 peers" in herald.table("bgp", "peers")
    # the place is free at once when the first one goes
    first.stop()
    second.wait_established("up", 30)
    assert list(herald.peers()) == ["nodes@10.0.0.3"]


def test_bird_listens_for_a_range_that_we_are_in(pair):
    """`neighbor range` there, an ordinary peer here."""
    conf = "\n".join([
        f"router id {PEER4};", "protocol device { scan time 1; }",
        f"protocol static s4 {{ ipv4; route {FAR4} blackhole; }}",
        f"protocol bgp nodes {{ local {PEER4} as {PEER_AS}; neighbor range 10.0.0.0/24 external;",
        ' hold time 9; dynamic name "node"; ipv4 { import all; export all; }; }']) + "\n"
    b = bird.Bird(pair.lab, pair.other, conf).start()
    pair.start(peers=pair.peers(v6=False))
    pair.herald.wait_established("r4")
    b.wait_established("node1")
    text = b.wait_route(POD4)
    assert f"via {HERALD4}" in text, text
    until(lambda: pair.herald.route(FAR4), what=f"{FAR4} received")


# ---- the default gateway ----

def gateway(family):
    return {"autoDiscovery": {"mode": "DefaultGateway",
                              "defaultGateway": {"addressFamily": family}},
            "peerASN": PEER_AS, "config": "tor" if family == "ipv4" else "tor6"}


def test_the_default_gateway_is_the_peer_and_is_followed(pair):
    other = pair.lab.netns("second")
    link(pair.n1, "eth1", other, "eth0")
    pair.n1.addr("eth1", "10.0.7.1/24")
    other.addr("eth0", "10.0.7.2/24")
    f = pair.foreign("frr").start()
    pair.start(peers={"up": gateway("ipv4"), "up6": gateway("ipv6")})
    peer = pair.herald.peer("up")
    assert peer["state"] == "idle" and "no IPv4 default route" in peer["heldDown"]
    steps = pair.herald.ctl("explain", "peer", "up")["steps"]
    assert any(s["reason"] == "gateway-unknown" for s in steps), steps

    pair.n1.ip(f"route add default via {PEER4}", f"route add default via {PEER6}")
    pair.herald.wait_established("up", "up6")
    assert f.up(HERALD4) and f.up(HERALD6)
    assert pair.herald.peer("up")["peerAddress"] == PEER4
    f.wait_routes(POD4, POD6)
    # another way out, better by its metric
    b = bird.Bird(pair.lab, other, bird.bgp_conf(
        "10.0.7.2", PEER_AS, {"r4": ("10.0.7.2", "10.0.7.1", AS, "")})).start()
    pair.n1.ip("route del default", f"route add default via {PEER4} metric 200",
               "route add default via 10.0.7.2 metric 100")
    until(lambda: pair.herald.peer("up")["peerAddress"] == "10.0.7.2", what="the new gateway")
    pair.herald.wait_established("up")
    b.wait_established("r4")
    b.wait_route(POD4)
    # and back, when that link goes: IPv4 routes go with it without a word
    pair.n1.ip("link set eth1 down")
    until(lambda: pair.herald.peer("up")["peerAddress"] == PEER4, what="the old gateway")
    pair.herald.wait_established("up")
    assert pair.herald.peer("up6")["state"] == "established"


def test_a_link_local_gateway_with_its_interface(pair):
    """As router advertisements make them."""
    for ns, a in ((pair.n1, "fe80::1"), (pair.other, "fe80::2")):
        ns.ip("addr flush dev eth0 scope link", f"addr add {a}/64 dev eth0 nodad")
    conf = "\n".join([
        f"router id {PEER4};", "protocol device { scan time 1; }",
        f"protocol static s6 {{ ipv6; route {FAR6} blackhole; }}",
        f"protocol bgp up {{ local fe80::2 as {PEER_AS}; neighbor fe80::1%eth0 as {AS};",
        " connect delay time 1; connect retry time 1; hold time 9;",
        " ipv6 { import all; export all; }; }"]) + "\n"
    b = bird.Bird(pair.lab, pair.other, conf).start()
    pair.start(peers={"up6": gateway("ipv6")})
    pair.n1.ip("route add default via fe80::2 dev eth0")
    pair.herald.wait_established("up6")
    b.wait_established("up")
    b.wait_route(POD6)
    assert pair.herald.peer("up6")["peerAddress"] == "fe80::2"


def test_a_learned_default_route_is_not_the_gateway(pair):
    """Its next hop would be a peer: we would leave the one that told it."""
    f = pair.foreign("bird", far=("0.0.0.0/0", FAR6)).start()
    pair.start(peers={"up": gateway("ipv4")}, settings={"routing": {"installLearned": True}})
    pair.n1.ip(f"route add default via {PEER4} metric 500")
    pair.herald.wait_established("up")
    until(lambda: any(r.get("metric") == 20 for r in json.loads(
        pair.n1.run("ip", "-j", "route", "show", "default"))), what="the learned one installed")
    pair.n1.ip("route del default metric 500")
    # ours is all that is left, and it is not counted
    until(lambda: "no IPv4 default route" in pair.herald.peer("up").get("heldDown", ""),
          what="no gateway any more")
    assert f.impl.daemon.running()


# ---- who we are to a peer ----

@pytest.mark.parametrize("mode,path", [("", f"64999 {AS}"), ("no-prepend", f"64999 {AS}"),
                                       ("replace-as", "64999")])
def test_local_asn_in_front_of_our_own(pair, mode, path):
    conf = frr.bgp_conf(PEER_AS, PEER4, {HERALD4: ["remote-as 64999"]}, (FAR4,))
    f = frr.Frr(pair.lab, pair.other, conf, integrated=False).start()
    peer = {"peerASN": PEER_AS, "peerAddress": PEER4, "config": "tor", "localASN": 64999}
    if mode:
        peer["localASNMode"] = mode
    pair.start(peers={"r4": peer})
    pair.herald.wait_established("r4")
    f.wait_established(HERALD4)
    f.wait_path(POD4)
    assert [p["aspath"]["string"] for p in f.paths(POD4)] == [path]
    until(lambda: pair.herald.route(FAR4), what=f"{FAR4} received")
    assert pair.herald.peer("r4")["localASN"] == 64999
    available, = pair.herald.route(FAR4, table="available")
    assert available["asPath"] == ([PEER_AS] if mode else [64999, PEER_AS])


@pytest.mark.parametrize("fields,asn", [({"peerASN": 0}, PEER_AS), ({"dynamicASN": "external"}, 65111),
                                        ({"dynamicASN": "internal"}, AS), ({"peerASN": 0}, AS)])
def test_whatever_as_the_peer_says(pair, fields, asn):
    f = pair.foreign("bird", asn=asn).start()
    peers = {n: {k: v for k, v in p.items() if k != "peerASN"} | fields
             for n, p in pair.peers().items()}
    pair.start(peers=peers)
    pair.herald.wait_established()
    f.wait_established()
    f.wait_routes(POD4, POD6)
    assert {p["peerASN"] for p in pair.herald.peers().values()} == {asn}


def test_external_is_not_our_own_as(pair):
    f = pair.foreign("bird", asn=AS).start()
    peers = {"r4": {"peerAddress": PEER4, "dynamicASN": "external", "config": "tor"}}
    pair.start(peers=peers)
    until(lambda: "AS" in pair.herald.peer("r4")["lastError"], what="refused")
    stays(lambda: not f.up(HERALD4), 1)


def test_hold_time_of_three_seconds(pair):
    """Negotiated down by the peer: a keepalive each second, and the session lasts."""
    f = pair.foreign("frr", lines=["timers 1 3"]).start()
    pair.start(config={"timers": {"holdTimeSeconds": 90, "connectRetryTimeSeconds": 1}})
    pair.herald.wait_established()
    f.wait_established()
    for p in pair.herald.peers().values():
        assert (p["holdTimeSeconds"], p["keepaliveSeconds"]) == (3, 1)
    nb = f.impl.json(f"show bgp neighbors {HERALD4}")[HERALD4]
    assert nb["bgpTimerHoldTimeMsecs"] == 3000
    # a busy machine may keep one end from running for three seconds: then it is made anew
    until(lambda: all(p["uptimeSeconds"] >= 10 for p in pair.herald.peers().values()), 120,
          "ten seconds")
    nb = f.impl.json(f"show bgp neighbors {HERALD4}")[HERALD4]
    assert nb["bgpState"] == "Established" and nb["bgpTimerUpMsec"] >= 5000, nb


def test_source_interface(pair):
    """Another address of ours, on an interface of its own."""
    pair.n1.ip("link add dum0 type veth peer name dum1", "link set dum1 up")
    pair.n1.addr("dum0", "10.9.9.9/32")
    pair.other.ip(f"route add 10.9.9.9/32 via {HERALD4}")
    f = pair.foreign("bird", herald4="10.9.9.9", herald6=None, ttl=2).start()
    pair.start(peers=pair.peers(v6=False),
               config={"transport": {"sourceInterface": "dum0"}, "ebgpMultihop": 2})
    pair.herald.wait_established("r4")
    f.wait_established()
    assert pair.herald.peer("r4")["localAddress"] == "10.9.9.9"
    # without its address it has nothing to speak from, and it comes back with it
    pair.n1.ip("addr del 10.9.9.9/32 dev dum0")
    until(lambda: "sourceInterface dum0" in pair.herald.peer("r4").get("heldDown", ""),
          what="held down")
    pair.n1.ip("addr add 10.9.9.9/32 dev dum0")
    pair.herald.wait_established("r4")
