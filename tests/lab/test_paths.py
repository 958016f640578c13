"""Several paths: reflection, the mesh of nodes, add-path, multipath and unequal shares, beside FRR
and BIRD, by what those say they have."""
import re

from herald_lab import bird, frr, until
from herald_lab import herald as h
from herald_lab.netns import link

AS = 65001
FAR = "10.99.1.0/24"
INSTALL = {"installLearned": True}
RULES = [{"action": "accept"}]


class Star:
    """Herald in the middle, "hub", 10.0.N.1/24 on its link N; the others are 10.0.N.2."""

    def __init__(self, lab, nr):
        self.lab, self.hub = lab, lab.netns("hub")
        self.leaves = [lab.netns(f"leaf{i + 1}") for i in range(nr)]
        for i, leaf in enumerate(self.leaves, 1):
            link(self.hub, f"eth{i}", leaf, "eth0")
            self.hub.addr(f"eth{i}", f"10.0.{i}.1/24")
            leaf.addr("eth0", f"10.0.{i}.2/24")
            leaf.ip(f"route add 10.0.0.0/16 via 10.0.{i}.1")
        self.herald = h.Herald(lab, self.hub, "hub")

    def start(self, peers, *configs, instance=None, **settings):
        """@peers: {name: (number of the link, AS, BGPPeerConfig)}."""
        w = self.herald.write
        w("10-settings.yaml", self.herald.settings(routing=INSTALL, **settings))
        w("20-node.yaml", h.node("hub", ["10.1.0.0/24"], ["10.0.1.1"]))
        doc = h.cluster(AS, {n: {"peerASN": asn, "peerAddress": f"10.0.{i}.2", "config": c}
                             for n, (i, asn, c) in peers.items()})
        doc["spec"]["bgpInstances"][0].update(instance or {})
        w("30-bgp.yaml", doc, *configs)
        w("40-advertise.yaml", h.advertise_pods())
        self.herald.start()
        return self.herald

    def frr(self, n, asn=AS, networks=(), lines=(), **kw):
        me, hub = f"10.0.{n}.2", f"10.0.{n}.1"
        return frr.Frr(self.lab, self.leaves[n - 1], frr.bgp_conf(
            asn, me, {hub: [f"remote-as {AS}", f"update-source {me}", *lines]}, networks, **kw),
            integrated=False).start()

    def bird(self, n, asn, channel="", body=""):
        conf = (f"router id 10.0.{n}.2; protocol device {{ scan time 1; }}\n{body}\n"
                f"protocol bgp hub {{ local 10.0.{n}.2 as {asn}; neighbor 10.0.{n}.1 as {AS}; "
                "connect delay time 1; connect retry time 1; error wait time 1, 2; hold time 9; "
                f"ipv4 {{ import all; export all; {channel} }}; }}\n")
        return bird.Bird(self.lab, self.leaves[n - 1], conf).start()


def test_reflection_between_frr_clients(lab):
    """RFC 4456: to a client and to one that is none, with what FRR shows of both attributes."""
    star = Star(lab, 3)
    client, other, far = star.frr(1, networks=[FAR]), star.frr(2), star.frr(3)
    herald = star.start({"c1": (1, AS, "client"), "c2": (2, AS, "plain"), "c3": (3, AS, "client")},
                        h.peer_config("client", ["ipv4"], routeReflectorClient=True),
                        h.peer_config("plain", ["ipv4"]), instance={"clusterID": "9.9.9.9"})
    herald.wait_established()
    for f in (other, far):
        path, = f.wait_path(FAR)
        assert path["originatorId"] == "10.0.1.2", path
        assert path["clusterList"]["list"] == ["9.9.9.9"], path
        assert [n["ip"] for n in path["nexthops"]] == ["10.0.1.2"]
        assert path["aspath"]["string"] == "Local"
    assert not [p for p in client.paths(FAR) if p["peer"]["peerId"] == "10.0.1.1"]
    shown, = herald.route(FAR, "advertised", "c3")
    assert (shown["originatorID"], shown["clusterList"]) == ("10.0.1.2", ["9.9.9.9"])
    client.configure(f"router bgp {AS}", "address-family ipv4 unicast", f"no network {FAR}")
    until(lambda: not far.paths(FAR), what="the route gone")


def test_a_client_of_frr_as_the_reflector(lab):
    """FRR reflects from one FRR to Herald; Herald's own route goes the other way."""
    lab_hub = Star(lab, 1)
    reflector = lab_hub.leaves[0]
    third = lab.netns("third")
    link(reflector, "eth1", third, "eth0")
    reflector.addr("eth1", "10.0.8.1/24")
    third.addr("eth0", "10.0.8.2/24")
    third.ip("route add 10.0.0.0/16 via 10.0.8.1")
    lab_hub.hub.ip("route add 10.0.8.0/24 via 10.0.1.2")
    rr = frr.Frr(lab, reflector, frr.bgp_conf(
        AS, "10.0.1.2", {a: [f"remote-as {AS}"] for a in ("10.0.1.1", "10.0.8.2")},
        extra=["bgp cluster-id 7.7.7.7"],
        af4=[f"neighbor {a} route-reflector-client" for a in ("10.0.1.1", "10.0.8.2")]),
        integrated=False).start()
    leaf = frr.Frr(lab, third, frr.bgp_conf(AS, "10.0.8.2", {"10.0.8.1": [f"remote-as {AS}"]},
                                            [FAR]), integrated=False).start()
    herald = lab_hub.start({"rr": (1, AS, "plain")}, h.peer_config("plain", ["ipv4"]))
    herald.wait_established()
    rr.wait_established("10.0.1.1", "10.0.8.2")
    route, = until(lambda: herald.route(FAR), what="the reflected route")
    assert (route["originatorID"], route["clusterList"]) == ("10.0.8.2", ["7.7.7.7"])
    assert route["nextHop"] == "10.0.8.2" and route["best"]
    path, = leaf.wait_path("10.1.0.0/24")
    assert path["originatorId"] == "10.0.1.1" and path["clusterList"]["list"] == ["7.7.7.7"]


def bird_sources(nr):
    """One prefix from several protocols: each a path of its own."""
    return "\n".join(
        f"protocol static s{i} {{ ipv4 {{ preference {200 - i}; import filter {{ "
        f"bgp_community.add((65000,{i})); accept; }}; }}; route {FAR} blackhole; }}"
        for i in range(1, nr + 1))


def test_add_path_both_directions_with_bird(lab):
    """RFC 7911: three paths from one BIRD, through Herald, to another; one goes, and one comes."""
    star = Star(lab, 2)
    source = star.bird(1, 65011, "add paths tx;", bird_sources(3))
    sink = star.bird(2, 65012, "add paths rx;")
    family = {"afi": "ipv4", "safi": "unicast", "addPath": "both"}
    herald = star.start({"a": (1, 65011, "add"), "b": (2, 65012, "add")},
                        h.peer_config("add", [family], export=RULES))
    herald.wait_established()

    def communities():
        return sorted(re.findall(r"\(65000,(\d)\)", sink.route(FAR)))

    until(lambda: communities() == ["1", "2", "3"], what=lambda: f"three paths: {sink.route(FAR)}")
    received = herald.route(FAR, peer="a")
    assert len({r["pathID"] for r in received}) == 3
    sent = herald.route(FAR, "advertised", "b")
    assert len({r["pathID"] for r in sent}) == 3
    assert sum(r["best"] for r in sent) == 1
    caps = herald.peer("b")["capabilities"]
    assert caps["sent"]["addPathSend"] == ["ipv4/unicast"]
    assert caps["received"]["addPathReceive"] == ["ipv4/unicast"]
    source.cmd("disable s2")
    until(lambda: communities() == ["1", "3"], what=lambda: f"two paths: {sink.route(FAR)}")
    source.cmd("enable s2")
    until(lambda: communities() == ["1", "2", "3"], what="three paths again")
    source.stop()
    until(lambda: not sink.route(FAR), what="no path")


def test_add_path_limits_and_multipath_only(lab):
    """addPathMax and addPathSelect act without a session's end."""
    star = Star(lab, 2)
    star.bird(1, 65011, "add paths tx;", bird_sources(4))
    sink = star.bird(2, 65012, "add paths rx;")
    take = h.peer_config("take", [{"afi": "ipv4", "safi": "unicast", "addPath": "receive"}])

    def give(**more):
        return h.peer_config("give", [{"afi": "ipv4", "safi": "unicast", "addPath": "send", **more}],
                             export=RULES)

    def nr_paths():
        return len(re.findall(r"BGP\.as_path", sink.route(FAR)))

    herald = star.start({"a": (1, 65011, "take"), "b": (2, 65012, "give")}, take, give())
    herald.wait_established()
    until(lambda: nr_paths() == 4, what=lambda: f"four paths: {sink.route(FAR)}")
    docs = h.cluster(AS, {"a": {"peerASN": 65011, "peerAddress": "10.0.1.2", "config": "take"},
                          "b": {"peerASN": 65012, "peerAddress": "10.0.2.2", "config": "give"}})
    herald.write("30-bgp.yaml", docs, take, give(addPathMax=2))
    until(lambda: nr_paths() == 2, what=lambda: f"two paths: {sink.route(FAR)}")
    assert herald.peer("b")["flaps"] == 0


def test_multipath_by_maximum_paths_and_relax(lab):
    star = Star(lab, 3)
    for n, asn in ((1, 65011), (2, 65011), (3, 65012)):
        star.frr(n, asn, [FAR])
    peers = {f"r{n}": (n, asn, "in") for n, asn in ((1, 65011), (2, 65011), (3, 65012))}
    config = h.peer_config("in", ["ipv4"])
    herald = star.start(peers, config)
    herald.wait_established()

    def hops():
        return sorted(star.hub.next_hops(FAR))

    until(lambda: hops() == ["10.0.1.2", "10.0.2.2", "10.0.3.2"], what=hops)

    def instance(**more):
        doc = h.cluster(AS, {n: {"peerASN": asn, "peerAddress": f"10.0.{i}.2", "config": "in"}
                             for n, (i, asn, _) in peers.items()})
        doc["spec"]["bgpInstances"][0].update(more)
        herald.write("30-bgp.yaml", doc, config)

    instance(multipathRelax=False)
    until(lambda: hops() == ["10.0.1.2", "10.0.2.2"], what=hops)
    instance(maximumPaths={"ebgp": 2})
    until(lambda: len(hops()) == 2, what=hops)
    instance(maximumPaths={"ebgp": 1})
    until(lambda: hops() == ["10.0.1.2"], what=hops)
    assert all(p["flaps"] == 0 for p in herald.peers().values())


def weights(ns, prefix):
    """{next hop: weight} of a route in the kernel."""
    return {hop: int(w) for hop, w in
            re.findall(r"nexthop via (\S+) dev \S+ weight (\d+)", ns.ip(f"route show {prefix}"))}


def test_kernel_shares_follow_what_frr_says(lab):
    """FRR sends the community; our kernel route has it as weights."""
    star = Star(lab, 2)
    for n, mbit in ((1, 100), (2, 300)):
        f = star.frr(n, 65010 + n, [FAR], glob=[
            f"route-map out permit 1\n set extcommunity bandwidth {mbit}\nexit"],
            af4=[f"neighbor 10.0.{n}.1 route-map out out"])
        assert f
    herald = star.start({"a": (1, 65011, "in"), "b": (2, 65012, "in")},
                        h.peer_config("in", ["ipv4"]))
    herald.wait_established()
    until(lambda: weights(star.hub, FAR) == {"10.0.1.2": 1, "10.0.2.2": 3},
          what=lambda: star.hub.ip(f"route show {FAR}"))
    route, = [r for r in herald.ctl("routes")["routes"] if r["prefix"] == FAR]
    assert {x["gateway"]: x["weight"] for x in route["hops"]} == {"10.0.1.2": 1, "10.0.2.2": 3}


class Nodes:
    """Nodes n1.. on a segment, 10.0.0.N; the switch has 10.0.0.100 and is a router."""

    def __init__(self, lab, nr):
        self.lab, self.router = lab, lab.netns("router")
        self.router.ip("link add br0 type bridge forward_delay 0", "link set br0 up",
                       "addr add 10.0.0.100/24 dev br0")
        self.ns, self.heralds = [], []
        for i in range(1, nr + 1):
            ns = lab.netns(f"n{i}")
            link(ns, "eth0", self.router, f"p{i}")
            self.router.ip(f"link set p{i} master br0", f"link set p{i} up")
            ns.addr("eth0", f"10.0.0.{i}/24")
            self.ns.append(ns)
            self.heralds.append(h.Herald(lab, ns, f"n{i}"))

    def node(self, i):
        return h.node(f"n{i}", [f"10.1.{i}.0/24"], [f"10.0.0.{i}"])

    def write(self, nodes, bgp, *more):
        """The same documents for all; @nodes: the numbers of those that there are."""
        for herald in self.heralds:
            herald.write("10-settings.yaml", herald.settings(routing=INSTALL))
            herald.write("20-nodes.yaml", *(self.node(i) for i in nodes))
            herald.write("30-bgp.yaml", *bgp)
            herald.write("40-advertise.yaml", *more)


def mesh_bgp():
    doc = h.cluster(AS, {})
    doc["spec"]["bgpInstances"][0].update(nodeMesh=True, nodeMeshPeerConfigRef={"name": "inside"})
    return doc, h.peer_config("inside", ["ipv4"])


def test_nodes_are_a_mesh(lab):
    """Sessions between all nodes out of their documents; a node that comes or goes changes its own
    sessions only."""
    net = Nodes(lab, 3)
    net.write((1, 2), mesh_bgp(), h.advertise_pods())
    first, second, third = net.heralds
    first.start()
    second.start()
    until(lambda: first.peers().keys() == {"node/n2"}, what="one peer")
    first.wait_established()
    net.write((1, 2, 3), mesh_bgp(), h.advertise_pods())
    third.start()
    for herald in net.heralds:
        until(lambda herald=herald: len(herald.peers()) == 2, what="two peers")
        herald.wait_established(timeout=30)
    for i, ns in enumerate(net.ns, 1):
        for k in {1, 2, 3} - {i}:
            until(lambda ns=ns, k=k: ns.next_hops(f"10.1.{k}.0/24") == {f"10.0.0.{k}"},
                  what=f"n{i}: a route to n{k}'s pods")
    assert first.peer("node/n2")["flaps"] == 0
    net.write((1, 2), mesh_bgp(), h.advertise_pods())
    until(lambda: first.peers().keys() == {"node/n2"}, what="one peer again")
    assert first.peer("node/n2")["flaps"] == 0 and second.peer("node/n1")["flaps"] == 0
    assert first.peer("node/n2")["state"] == "established"


def test_frr_shares_by_the_ready_endpoints(lab):
    """linkBandwidth: endpoints, as FRR shows it and as its kernel route has it."""
    net = Nodes(lab, 2)
    router = frr.Frr(lab, net.router, frr.bgp_conf(
        65000, "10.0.0.100", {f"10.0.0.{i}": [f"remote-as {AS}"] for i in (1, 2)},
        af4=["maximum-paths 8"]), integrated=False).start()

    def write(*eps):
        net.write((1, 2), (h.cluster(AS, {"r": {"peerASN": 65000, "peerAddress": "10.0.0.100",
                                               "config": "tor"}}),
                           h.peer_config("tor", ["ipv4"])),
                  h.advertise_services(attributes={"linkBandwidth": "endpoints"}),
                  h.pool("v4", "172.16.1.0/24", allowFirstLastIPs="No"),
                  h.service("web"), h.endpoints("web", *eps))

    three = [(f"10.1.1.{i}", "n1") for i in (10, 11, 12)]
    write(*three, ("10.1.2.10", "n2"))
    for herald in net.heralds:
        herald.start()
        herald.wait_established()
    router.wait_established("10.0.0.1", "10.0.0.2")

    def said():
        return sorted(m for p in router.paths("172.16.1.1/32")
                      for m in re.findall(r"LB:65001:(\d+)",
                                          p.get("extendedCommunity", {}).get("string", "")))

    until(lambda: said() == ["125000", "375000"], what=lambda: router.paths("172.16.1.1/32"))

    def ratio():
        w = weights(net.router, "172.16.1.1")
        return len(w) == 2 and round(w["10.0.0.1"] / w["10.0.0.2"], 1)

    until(lambda: ratio() == 3, what=lambda: net.router.ip("route show 172.16.1.1"))
    write(three[0], ("10.1.2.10", "n2"))
    until(lambda: ratio() == 1, what=lambda: net.router.ip("route show 172.16.1.1"))
