"""Peers without addresses: a cable with link-local addresses alone (RFC 8950, RFC 2545, RFC 4861)."""
import json

from herald_lab import bird, frr, until
from herald_lab import herald as h
from herald_lab.netns import link
from herald_lab.pair import AS, FAR4, FAR6, PEER_AS, POD4, POD6, VIP4, VIP6

UNNUMBERED = {"autoDiscovery": {"mode": "Unnumbered", "unnumbered": {"interface": "eth0"}},
              "dynamicASN": "external", "config": "tor"}
OURS = (POD4, POD6, VIP4, VIP6)


def linklocal(ns, dev="eth0"):
    """The link-local address of a device, "" while there is none."""
    for link_ in json.loads(ns.run("ip", "-j", "-6", "addr", "show", "dev", dev) or "[]"):
        for a in link_.get("addr_info", ()):
            if a["scope"] == "link":
                return a["local"]
    return ""


class Cable:
    """n1 (Herald, AS 65001) --- peer (AS 65000), eth0 on both ends, no addresses but link-local."""

    def __init__(self, lab, other="peer"):
        self.lab = lab
        self.n1, self.other = lab.netns("n1"), lab.netns(other)
        link(self.n1, "eth0", self.other, "eth0")
        self.herald = h.Herald(lab, self.n1, "n1")

    def write(self, peer=None, config=None, asn=AS, herald=None, node="n1", cidrs=(POD4, POD6),
              pools=True, **settings):
        w = (herald or self.herald).write
        w("10-settings.yaml", (herald or self.herald).settings(
            routing={"installLearned": True}, **settings))
        w("20-node.yaml", h.node(node, cidrs, ["192.0.2.1"] if node == "n1" else ["192.0.2.2"]))
        w("30-bgp.yaml", h.cluster(asn, {"tor": peer or UNNUMBERED}),
          h.peer_config("tor", **(config or {})))
        w("40-advertise.yaml", h.advertise_pods(), h.advertise_services())
        if pools:
            w("50-pools.yaml", h.pool("v4", "172.16.1.0/24", allowFirstLastIPs="No"),
              h.pool("v6", ("fd16::10", "fd16::1f")))
            w("60-web.yaml", h.service("web", families=["IPv4", "IPv6"]),
              h.endpoints("web", ("10.1.0.10", "n1")),
              h.endpoints("web", ("fd01::10", "n1"), family="IPv6", suffix="v6"))
        return self

    def frr(self, remote="external", lines=()):
        conf = frr.bgp_conf(PEER_AS, "192.0.2.9", {}, (FAR4, FAR6),
                            extra=[f"neighbor eth0 interface remote-as {remote}",
                                   "neighbor eth0 timers connect 1", "neighbor eth0 timers 3 9",
                                   *lines],
                            af4=["neighbor eth0 activate"], af6=["neighbor eth0 activate"])
        return frr.Frr(self.lab, self.other, conf, integrated=False)


def frr_neighbour(f):
    return f.json("show bgp neighbors eth0").get("eth0", {})


def wait_frr(f, timeout=60):
    until(lambda: frr_neighbour(f).get("bgpState") == "Established", timeout,
          lambda: f"FRR: eth0 established: {frr_neighbour(f)}")


def kernel_route(ns, prefix):
    """What `ip route` says of a prefix, [] when nothing."""
    family = "-6" if ":" in prefix else "-4"
    return json.loads(ns.run("ip", "-j", family, "route", "show", prefix) or "[]")


def test_frr_finds_us_and_we_find_frr(lab):
    c = Cable(lab)
    f = c.frr().start()
    c.write().herald.start()
    wait_frr(f)
    c.herald.wait_established("tor")
    ours, theirs = linklocal(c.n1), linklocal(c.other)

    # FRR's own view: the address that it found us by, and what was agreed
    nb = frr_neighbour(f)
    assert nb["bgpNeighborAddr"] == ours if "bgpNeighborAddr" in nb else True
    assert nb["neighborCapabilities"]["extendedNexthop"] == "advertisedAndReceived"
    # our IPv4 routes with an IPv6 next hop, in its table and in its kernel
    for prefix in OURS:
        f.wait_path(prefix)
    paths = f.paths(POD4)
    assert any(n["ip"] == ours for p in paths for n in p["nexthops"]), paths
    until(lambda: kernel_route(c.other, POD4), what="FRR's kernel has our PodCIDR")
    route, = kernel_route(c.other, POD4)
    assert route["via"] == {"family": "inet6", "host": ours} and route["dev"] == "eth0"

    # and its IPv4 routes in our kernel
    for prefix in (FAR4, FAR6):
        until(lambda p=prefix: kernel_route(c.n1, p), what=f"{prefix} in our kernel")
    route, = kernel_route(c.n1, FAR4)
    assert route["via"] == {"family": "inet6", "host": theirs} and route["dev"] == "eth0"
    route, = kernel_route(c.n1, FAR6)
    assert route["gateway"] == theirs and route["dev"] == "eth0"
    assert c.herald.peer("tor")["peerAddress"] == theirs
    assert c.herald.peer("tor")["peerASN"] == PEER_AS


def test_a_neighbour_that_comes_late_and_changes_its_address(lab):
    c = Cable(lab)
    c.write().herald.start()
    peer = c.herald.peer("tor")
    assert peer["state"] == "idle" and "no router has been heard on eth0" in peer["heldDown"]
    steps = c.herald.ctl("explain", "peer", "tor")["steps"]
    assert any(s["reason"] == "neighbour-unknown" for s in steps), steps

    f = c.frr().start()
    wait_frr(f)
    c.herald.wait_established("tor")
    first = linklocal(c.other)
    # another machine in its place: the same cable, another address
    f.stop()
    c.other.ip(f"addr del {first}/64 dev eth0", "addr add fe80::77/64 dev eth0 nodad")
    f.start()
    wait_frr(f)
    until(lambda: c.herald.peer("tor")["peerAddress"] == "fe80::77", 60, "the new address")
    c.herald.wait_established("tor", timeout=60)
    f.wait_path(POD4)


def test_the_interface_comes_later(lab):
    c = Cable(lab)
    c.n1.ip("link del eth0")
    c.write().herald.start()
    assert "has no interface eth0" in c.herald.peer("tor")["heldDown"].replace("this node ", "")
    steps = c.herald.ctl("explain", "peer", "tor")["steps"]
    assert any(s["reason"] == "link-missing" for s in steps), steps
    f = c.frr().start()
    link(c.n1, "eth0", c.other, "eth0")
    wait_frr(f)
    c.herald.wait_established("tor", timeout=60)


def test_two_heralds_find_each_other(lab):
    c = Cable(lab, other="n2")
    two = h.Herald(lab, c.other, "n2")
    c.write().herald.start()
    c.write(herald=two, node="n2", asn=PEER_AS, cidrs=(FAR4, FAR6), pools=False)
    two.start()
    c.herald.wait_established("tor", timeout=60)
    two.wait_established("tor", timeout=60)
    until(lambda: kernel_route(c.n1, FAR4), what="the other's PodCIDR in our kernel")
    until(lambda: kernel_route(c.other, POD4), what="our PodCIDR in the other's kernel")
    route, = kernel_route(c.other, POD4)
    assert route["via"] == {"family": "inet6", "host": linklocal(c.n1)}


def test_link_local_with_its_interface_and_bird(lab):
    """BIRD sends no router advertisements here: peerAddress: fe80::2%eth0."""
    c = Cable(lab)
    for ns, a in ((c.n1, "fe80::1"), (c.other, "fe80::2")):
        ns.ip(f"addr flush dev eth0 scope link", f"addr add {a}/64 dev eth0 nodad")
    c.write(peer={"peerAddress": "fe80::2%eth0", "peerASN": PEER_AS, "config": "tor"})
    conf = "\n".join([
        "router id 192.0.2.9;", "protocol device { scan time 1; }",
        f"protocol static s4 {{ ipv4; route {FAR4} blackhole; }}",
        f"protocol static s6 {{ ipv6; route {FAR6} blackhole; }}",
        f"protocol bgp tor {{ local fe80::2 as {PEER_AS}; neighbor fe80::1%eth0 as {AS};",
        " connect delay time 1; connect retry time 1; error wait time 1, 2; hold time 9;",
        " ipv4 { import all; export all; extended next hop on; };",
        " ipv6 { import all; export all; }; }"]) + "\n"
    b = bird.Bird(lab, c.other, conf).start()
    c.herald.start()
    b.wait_established("tor")
    c.herald.wait_established("tor")
    for prefix in OURS:
        text = b.wait_route(prefix)
        assert "via fe80::1 on eth0" in text, text
    for prefix in (FAR4, FAR6):
        until(lambda p=prefix: kernel_route(c.n1, p), what=f"{prefix} in our kernel")
    route, = kernel_route(c.n1, FAR4)
    assert route["via"] == {"family": "inet6", "host": "fe80::2"}


def test_a_router_that_advertises_nothing_is_found_by_a_ping(lab):
    """BIRD, which only listens: nobody tells us its address, and nobody tells it ours."""
    c = Cable(lab)
    c.write().herald.start()
    assert "no router has been heard on eth0" in c.herald.peer("tor")["heldDown"]
    conf = "\n".join([
        "router id 192.0.2.9;", "protocol device { scan time 1; }",
        f"protocol static s4 {{ ipv4; route {FAR4} blackhole; }}",
        f"protocol bgp any {{ local {linklocal(c.other)} as {PEER_AS}; interface \"eth0\";",
        f' neighbor range fe80::/10 as {AS}; direct; hold time 9; dynamic name "node";',
        " ipv4 { import all; export all; extended next hop on; };",
        " ipv6 { import all; export all; }; }"]) + "\n"
    b = bird.Bird(lab, c.other, conf).start()
    c.herald.wait_established("tor", timeout=60)
    b.wait_established("node1")
    text = b.wait_route(POD4)
    assert f"via {linklocal(c.n1)} on eth0" in text, text
    until(lambda: kernel_route(c.n1, FAR4), what=f"{FAR4} in our kernel")
