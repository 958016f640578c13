"""What is told to whom: selection, aggregation, overrides, instances; what is learned from many."""
import pytest

from herald_lab import bgpmsg as B
from herald_lab import herald as h
from herald_lab import until
from herald_lab.pair import (FAR4, HERALD4, HERALD6, PEER4, PEER_AS, POD4, VIP4, VIP6, Pair,
                             slot_addr)
from herald_lab.wait import stays


@pytest.fixture
def crowd(lab):
    """A Pair with room for more peers; serve(n) starts speakers at slot_addr(0..n-1)."""
    p = Pair(lab, slots=4)
    p.crowd = [p.speaker(slot_addr(i), asn=65010 + i).serve() for i in range(3)]
    return p


def peers_of(crowd, config="tor", **more):
    return {f"c{i}": {"peerASN": s.asn, "peerAddress": s.addr,
                      "config": config if isinstance(config, str) else config[i], **more}
            for i, s in enumerate(crowd.crowd)}


def test_each_peer_gets_what_its_label_selector_selects(crowd):
    crowd.write(peers=peers_of(crowd, config=["pods", "services", "tor"]))

    def label(x):
        return {"matchLabels": {"tell": x}}
    crowd.herald.write("31.yaml", h.peer_config("pods", ["ipv4"], select=label("pods")),
                       h.peer_config("services", ["ipv4"], select=label("services")))
    pods, services = h.advertise_pods("p2"), h.advertise_services("s2")
    pods["metadata"]["labels"] = {"tell": "pods"}
    services["metadata"]["labels"] = {"tell": "services"}
    crowd.herald.write("41.yaml", pods, services)
    crowd.herald.start()
    crowd.herald.wait_established()
    for s in crowd.crowd:
        s.last.wait_eor()
    assert [set(s.last.rib()) for s in crowd.crowd] == [{POD4}, {VIP4}, {POD4, VIP4}]


def test_the_service_selector_selects_services(pair):
    s = pair.speaker().serve()
    pair.write(peers=pair.peers(v6=False))
    pair.herald.write("40-advertise.yaml", h.advertise_services(
        selector={"matchExpressions": [{"key": "app", "operator": "In", "values": ["db"]}]}))
    pair.herald.write("61.yaml", h.service("db"), h.endpoints("db", ("10.1.0.11", "n1")))
    pair.herald.start()
    pair.herald.wait_established()
    s.last.wait_eor()
    web, db = (next(a["address"] for a in pair.herald.ctl("ipam")["allocations"]
                    if a["owner"] == f"default/{n}" and "." in a["address"]) for n in ("web", "db"))
    assert set(s.last.rib()) == {f"{db}/32"} and web != db


def test_a_selector_that_is_not_there_selects_nothing(pair):
    """As Cilium: nil selects no Service."""
    s = pair.speaker().serve()
    pair.write(peers=pair.peers(v6=False))
    ad = h.advertise_services()
    del ad["spec"]["advertisements"][0]["selector"]
    pair.herald.write("40-advertise.yaml", h.advertise_pods(), ad)
    pair.herald.start()
    pair.herald.wait_established()
    s.last.wait_eor()
    assert set(s.last.rib()) == {POD4}


def test_external_ips_and_cluster_ips(pair):
    s = pair.speaker().serve()
    pair.write(peers=pair.peers(v6=False))
    pair.herald.write("40-advertise.yaml",
                      h.advertise_services(addresses=["ExternalIP", "ClusterIP"]))
    pair.herald.write("60-web.yaml",
                      h.service("web", cluster_ips=["10.96.0.10"], externalIPs=["192.0.2.7"]),
                      h.endpoints("web", ("10.1.0.10", "n1")),
                      h.service("headless", cluster_ips=["None"], kind="ClusterIP"))
    pair.herald.start()
    pair.herald.wait_established()
    s.last.wait_eor()
    assert set(s.last.rib()) == {"192.0.2.7/32", "10.96.0.10/32"}


def test_aggregation_covers_under_cluster_and_is_exact_under_local(pair):
    s = pair.speaker().serve()
    pair.write(peers=pair.peers(v6=False))
    ad = h.advertise_services()
    ad["spec"]["advertisements"][0]["service"]["aggregationLengthIPv4"] = 24
    pair.herald.write("40-advertise.yaml", ad)
    pair.herald.start()
    pair.herald.wait_established()
    s.last.wait_eor()
    assert set(s.last.rib()) == {"172.16.1.0/24"}
    pair.herald.write("60-web.yaml", h.service("web", etp="Local", families=["IPv4", "IPv6"]),
                      h.endpoints("web", ("10.1.0.10", "n1")))
    until(lambda: set(s.last.rib()) == {VIP4}, what="the exact address")


def test_two_advertisements_of_one_prefix_unite_their_communities(pair):
    s = pair.speaker().serve()
    pair.write(peers=pair.peers(v6=False))
    pair.herald.write("40-advertise.yaml",
                      h.advertise_services("a", attributes={"communities": {"standard": ["1:1"]}}),
                      h.advertise_services("b", attributes={"communities": {"standard": ["2:2"]}}))
    pair.herald.start()
    pair.herald.wait_established()
    s.last.wait_eor()
    assert s.last.rib()[VIP4].communities == {"1:1", "2:2"}


def test_only_nodes_of_the_node_selector_speak(pair):
    s = pair.speaker().serve()
    pair.write()
    select = {"nodeSelector": {"matchLabels": {"rack": "r0"}}}
    pair.herald.write("30-bgp.yaml", h.cluster(65001, pair.peers(v6=False), **select),
                      h.peer_config("tor", ["ipv4"]))
    pair.herald.start()
    assert pair.herald.ctl("bgp", "peers")["peers"] == []
    stays(lambda: not s.connections, 0.3)
    pair.herald.write("20-node.yaml", h.node("n1", [POD4], [HERALD4], labels={"rack": "r0"}))
    pair.herald.wait_established("r4")
    s.last.wait_prefix(POD4)


def test_peer_asn_0_takes_whatever_as_the_peer_has(pair):
    pair.speaker(asn=4200000001).serve()
    pair.start(peers=pair.peers(v6=False, **{}) | {"r4": {"peerASN": 0, "peerAddress": PEER4,
                                                          "config": "tor"}})
    pair.herald.wait_established("r4")


def test_a_node_override_changes_identifier_as_and_address(pair):
    pair.n1.ip("addr add 10.0.0.9/24 dev eth0")
    s = pair.speaker().serve()
    pair.write(peers=pair.peers(v6=False))
    pair.herald.write("35.yaml", h.doc("BGPNodeConfigOverride", "n1", {"bgpInstances": [
        {"name": "main", "routerID": "9.9.9.9", "localASN": 65099,
         "peers": [{"name": "r4", "localAddress": "10.0.0.9"}]}]}))
    pair.herald.start()
    pair.herald.wait_established()
    assert (s.last.open.ident, s.last.open.asn, s.last.peer) == ("9.9.9.9", 65099, "10.0.0.9")
    u = s.last.wait_prefix(POD4)
    assert (u.as_path, u.next_hop) == ([65099], "10.0.0.9")


def test_a_source_interface_gives_the_source_address(pair):
    pair.n1.ip("link add src0 type veth peer name src1", "addr add 10.0.0.77/32 dev src0",
               "link set src0 up", "link set src1 up")
    s = pair.speaker().serve()
    pair.start(peers=pair.peers(v6=False), config={"transport": {"sourceInterface": "src0"}})
    pair.herald.wait_established("r4")
    assert s.last.peer == "10.0.0.77"


def test_another_port_on_both_ends(pair):
    s = pair.speaker()
    s.listen(1790)
    pair.start(peers=pair.peers(v6=False), config={"transport": {"peerPort": 1790}})
    s.accept_up()
    pair.herald.wait_established("r4")


def test_two_instances_keep_to_themselves(crowd):
    crowd.write(peers={})
    s0, s1, _ = crowd.crowd
    crowd.herald.write("30-bgp.yaml", h.doc("BGPClusterConfig", "bgp", {"bgpInstances": [
        {"name": "a", "localASN": 65001, "peers": [
            {"name": "c0", "peerASN": s0.asn, "peerAddress": s0.addr,
             "peerConfigRef": {"name": "tor"}}]},
        {"name": "b", "localASN": 65002, "peers": [
            {"name": "c1", "peerASN": s1.asn, "peerAddress": s1.addr,
             "peerConfigRef": {"name": "tor"}}]}]}), h.peer_config("tor", ["ipv4"]))
    s0.routes = [B.announce([FAR4], s0.addr, [s0.asn])]
    crowd.herald.start()
    crowd.herald.wait_established("c0", "c1")
    assert s0.last.wait_prefix(POD4).as_path == [65001]
    assert s1.last.wait_prefix(POD4).as_path == [65002]
    until(lambda: crowd.herald.route(FAR4), what="learned")
    stays(lambda: FAR4 not in s1.last.rib(), 0.3)


def test_learned_routes_are_not_passed_on_unless_an_export_rule_says_so(crowd):
    s0, s1, _ = crowd.crowd
    s0.routes = [B.announce([FAR4], s0.addr, [s0.asn])]
    crowd.start(peers=peers_of(crowd))
    crowd.herald.wait_established()
    until(lambda: crowd.herald.route(FAR4, "available"), what="learned")
    stays(lambda: FAR4 not in s1.last.rib(), 0.3)
    crowd.write(peers=peers_of(crowd), config={"export": [
        {"match": {"origin": "learned"}, "action": "accept", "set": {"med": 9}}]})
    u = s1.last.wait_prefix(FAR4)
    assert u.as_path == [65001, s0.asn] and u.number(B.MED) == 9
    assert len(s1.connections) == 1
    assert FAR4 not in s0.last.rib()


def test_no_export_and_no_advertise_are_obeyed(crowd):
    """RFC 1997."""
    s0, s1, _ = crowd.crowd
    s0.routes = [B.announce(["10.2.1.0/24"], s0.addr, [s0.asn], [B.communities(0xffffff01)]),
                 B.announce(["10.2.2.0/24"], s0.addr, [s0.asn], [B.communities(0xffffff02)]),
                 B.announce(["10.2.3.0/24"], s0.addr, [s0.asn])]
    crowd.start(peers=peers_of(crowd), config={"export": [
        {"match": {"origin": "learned"}, "action": "accept"}]})
    crowd.herald.wait_established()
    s1.last.wait_prefix("10.2.3.0/24")
    stays(lambda: not {"10.2.1.0/24", "10.2.2.0/24"} & set(s1.last.rib()), 0.3)


def test_equal_paths_from_three_peers_become_one_kernel_route_with_three_next_hops(crowd):
    for s in crowd.crowd:
        s.asn = 65010
        s.routes = [B.announce([FAR4], s.addr, [65010])]
    crowd.start(peers=peers_of(crowd), settings={"routing": {"installLearned": True}})
    crowd.herald.wait_established()
    want = {s.addr for s in crowd.crowd}
    until(lambda: crowd.n1.next_hops(FAR4) == want, what=lambda: f"{crowd.n1.next_hops(FAR4)}")
    marked = [r for r in crowd.herald.route(FAR4, "available") if r["best"] or r["multipath"]]
    assert len(marked) == 3 and sum(r["best"] for r in marked) == 1
    crowd.crowd[1].last.send(B.update(withdrawn=[FAR4]))
    until(lambda: crowd.n1.next_hops(FAR4) == want - {slot_addr(1)}, what="two next hops")
    for i in (0, 2):
        crowd.crowd[i].last.send(B.update(withdrawn=[FAR4]))
    until(lambda: not crowd.n1.next_hops(FAR4), what="none")


def test_the_better_path_wins_and_the_next_best_takes_over(crowd):
    s0, s1, _ = crowd.crowd
    s0.routes = [B.announce([FAR4], s0.addr, [s0.asn, 65100, 65101])]
    s1.routes = [B.announce([FAR4], s1.addr, [s1.asn, 65100])]
    crowd.start(peers=peers_of(crowd), settings={"routing": {"installLearned": True}})
    crowd.herald.wait_established()
    until(lambda: crowd.n1.next_hops(FAR4) == {s1.addr}, what="the shorter path")
    s1.last.send(B.update(withdrawn=[FAR4]))
    until(lambda: crowd.n1.next_hops(FAR4) == {s0.addr}, what="the longer path")


def test_learned_routes_go_in_and_out_of_the_kernel_as_the_switch_says(pair):
    s = pair.speaker()
    s.routes = [B.announce([FAR4], PEER4, [PEER_AS])]
    s.serve()
    pair.start(peers=pair.peers(v6=False), settings={"routing": {"installLearned": False}})
    pair.herald.wait_established()
    until(lambda: pair.herald.route(FAR4, "available"), what="learned")
    flaps = [p["flaps"] for p in pair.herald.peers().values()]
    assert not pair.n1.next_hops(FAR4)
    for switch in (True, False, True):
        pair.write(peers=pair.peers(v6=False), settings={"routing": {"installLearned": switch}})
        until(lambda: bool(pair.n1.next_hops(FAR4)) is switch, what=f"installLearned {switch}")
    assert [p["flaps"] for p in pair.herald.peers().values()] == flaps == [0]


def test_never_a_kernel_route_to_an_own_address_or_podcidr(pair):
    s = pair.speaker()
    s.routes = [B.announce([POD4, f"{HERALD4}/32", FAR4, VIP4], PEER4, [PEER_AS])]
    s.serve()
    pair.start(peers=pair.peers(v6=False), settings={"routing": {"installLearned": True}})
    pair.herald.wait_established()
    until(lambda: pair.n1.next_hops(FAR4), what="the harmless one")
    for p in (POD4, f"{HERALD4}/32", VIP4):
        assert PEER4 not in pair.n1.next_hops(p)


def test_direct_node_routes_to_nodes_on_the_same_link(pair):
    pair.write(peers={}, settings={"routing": {"directNodeRoutes": True}})
    pair.herald.write("21.yaml", h.node("n2", ["10.6.0.0/24", "fd06::/64"], [PEER4, "fd00::2"]),
                      h.node("n3", ["10.8.0.0/24"], ["198.51.100.3"]))
    pair.herald.start()
    until(lambda: pair.n1.next_hops("10.6.0.0/24") == {PEER4}, what="n2's pods")
    until(lambda: pair.n1.next_hops("fd06::/64") == {"fd00::2"}, what="n2's pods, IPv6")
    assert not pair.n1.next_hops("10.8.0.0/24")
    assert not pair.n1.next_hops(POD4)
    origins = {r["prefix"]: r["origin"] for r in pair.herald.ctl("routes")["routes"]
               if r["installed"]}
    assert origins == {"10.6.0.0/24": "direct-node", "fd06::/64": "direct-node"}
    pair.herald.remove("21.yaml")
    until(lambda: not pair.n1.next_hops("10.6.0.0/24"), what="gone with the node")


def test_ipv6_routes_over_an_ipv6_session_have_our_ipv6_next_hop(pair):
    """RFC 2545 3: 16 or 32 octets, the first a global address."""
    s = pair.speaker("fd00::2").serve()
    pair.start(peers=pair.peers(v4=False))
    pair.herald.wait_established()
    u = s.last.wait_prefix(VIP6)
    assert len(u.mp_next_hop) in (16, 32) and u.next_hop == HERALD6
    assert B.NEXT_HOP not in u.attrs
    # RFC 7606 5.1: MP_REACH first
    assert u.order[0] == B.MP_REACH
    s.last.wait_eor(B.IPV6)


def test_the_route_limit_ends_the_session_with_cease_1(pair):
    """RFC 4486 4: Cease 6/1 with family and limit."""
    s = pair.speaker().listen()
    pair.write(peers=pair.peers(v6=False))
    pair.herald.write("30-bgp.yaml", h.cluster(65001, pair.peers(v6=False)), h.peer_config(
        "tor", [{"afi": "ipv4", "safi": "unicast", "maxPrefixes": 3}]))
    pair.herald.start()
    c = s.accept_up()
    c.send(B.announce([f"10.20.{i}.0/24" for i in range(3)], PEER4, [PEER_AS]))
    until(lambda: len(pair.herald.routes("received")) == 3, what="three are fine")
    c.send(B.announce(["10.20.3.0/24"], PEER4, [PEER_AS]))
    note = c.wait_msg(B.NOTIFICATION)
    assert note.code == (6, 1)
    assert note.data in (b"", b"\0\1\1\0\0\0\3")
