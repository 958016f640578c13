"""MetalLB's documents as they are: what FRR sees of them, with communities, preferences, lengths,
and selections of nodes, peers and pools; and changing over to native documents.

    n1 ---- 10.0.1.0/24 ---- r1 (FRR, AS 64501: a router of another AS)
    n1 ---- 10.0.3.0/24 ---- r2 (FRR, AS 64500: of our own)
    n2 ---- 10.0.2.0/24 ---- r1
    n2 ---- 10.0.4.0/24 ---- r2
"""
import os
import subprocess

import pytest

from herald_lab import frr, until
from herald_lab import herald as h
from herald_lab.lab import program
from herald_lab.wait import stays

AS = 64500
NODES = {"n1": {"r1": "10.0.1", "r2": "10.0.3"}, "n2": {"r1": "10.0.2", "r2": "10.0.4"}}
ASN = {"r1": 64501, "r2": AS}
WEB, WEB24, EDGE, HIDDEN, LOCAL28 = ("172.16.1.1/32", "172.16.1.0/24", "172.16.2.1/32",
                                     "172.16.3.7/32", "172.16.4.0/28")


def mlb(kind, name, spec, api="v1beta1", labels=None):
    return h.doc(kind, name, spec, api=f"metallb.io/{api}", namespace="metallb-system",
                 labels=labels)


def peer(node, router, **more):
    return mlb("BGPPeer", f"{router}-{node}", {
        "myASN": AS, "peerASN": ASN[router], "peerAddress": f"{NODES[node][router]}.2",
        "connectTime": "1s", "holdTime": "9s",
        "nodeSelectors": [{"matchLabels": {"kubernetes.io/hostname": node}}], **more}, "v1beta2")


POOLS = """\
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: production, namespace: metallb-system, labels: {tier: gold}}
spec:
  addresses: [172.16.1.0/24]
  avoidBuggyIPs: true
---
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: edge, namespace: metallb-system}
spec:
  addresses: [172.16.2.1-172.16.2.9]
  serviceAllocation: {priority: 10, serviceSelectors: [{matchLabels: {app: edge}}]}
---
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: hidden, namespace: metallb-system}
spec: {addresses: [172.16.3.0/24], autoAssign: false}
---
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: local, namespace: metallb-system}
spec: {addresses: [172.16.4.1-172.16.4.9], autoAssign: false}
"""
COMMUNITIES = mlb("Community", "names", {"communities": [
    {"name": "vpn-only", "value": "64501:7"}, {"name": "big", "value": "large:64500:1:2"}]})
ADVERTS = [
    mlb("BGPAdvertisement", "exact", {
        "ipAddressPoolSelectors": [{"matchLabels": {"tier": "gold"}}],
        "communities": ["vpn-only", "big"], "localPref": 250}),
    mlb("BGPAdvertisement", "covering", {
        "ipAddressPools": ["production"], "aggregationLength": 24, "communities": ["64501:24"],
        "peers": ["r1-n1"]}),
    mlb("BGPAdvertisement", "edge", {
        "ipAddressPools": ["edge"],
        "nodeSelectors": [{"matchLabels": {"kubernetes.io/hostname": "n2"}}]}),
    mlb("BGPAdvertisement", "local", {"ipAddressPools": ["local"], "aggregationLength": 28}),
]
SERVICES = [
    h.service("web"), h.endpoints("web", ("10.1.0.10", "n1"), ("10.2.0.10", "n2")),
    h.service("edge"), h.endpoints("edge", ("10.1.0.11", "n1"), ("10.2.0.11", "n2")),
    h.service("hidden", annotations={"metallb.io/loadBalancerIPs": "172.16.3.7"}),
    h.endpoints("hidden", ("10.1.0.12", "n1")),
    h.service("local", etp="Local", annotations={"metallb.io/address-pool": "local"}),
    h.endpoints("local", ("10.2.0.13", "n2")),
]


class World:
    def __init__(self, lab):
        self.lab, self.routers, self.heralds = lab, {}, {}
        ns = {n: lab.netns(n) for n in (*NODES, *ASN)}
        for node, links in NODES.items():
            for router, net in links.items():
                lab.link(ns[node], f"to-{router}", ns[router], f"to-{node}")
                ns[node].addr(f"to-{router}", f"{net}.1/24")
                ns[router].addr(f"to-{node}", f"{net}.2/24")
        for router, asn in ASN.items():
            neighbors = {f"{links[router]}.1": [f"remote-as {AS}"] for links in NODES.values()}
            if router == "r1":
                neighbors["10.0.1.1"].append("password s3cret")
            self.routers[router] = frr.Frr(lab, ns[router], frr.bgp_conf(
                asn, f"9.9.9.{router[1]}", neighbors), integrated=False).start()
        self.shared = lab.path("metallb")
        os.makedirs(self.shared, exist_ok=True)
        self.write_all()
        for node in NODES:
            one = self.heralds[node] = h.Herald(lab, ns[node], node, shared=[self.shared])
            one.write("settings.yaml", one.settings())

    def write(self, name, *documents):
        h.write_atomically(f"{self.shared}/{name}", h.to_yaml(*documents))

    def write_all(self):
        self.write("10-nodes.yaml", *(h.node(n, [f"10.{n[1]}.0.0/24"], [f"10.0.{n[1]}.1"])
                                      for n in NODES))
        self.write("20-pools.yaml", POOLS)
        self.write("30-peers.yaml", peer("n1", "r1", password="s3cret"), peer("n1", "r2"),
                   peer("n2", "r1"), peer("n2", "r2"))
        self.write("40-adverts.yaml", COMMUNITIES, *ADVERTS)
        self.write("50-services.yaml", *SERVICES)

    def start(self):
        for one in self.heralds.values():
            one.start()
        for one in self.heralds.values():
            one.wait_established()
        return self

    def path(self, router, node, prefix):
        """The path that @router has of @node for @prefix; None when it has none."""
        addr = f"{NODES[node][router]}.1"
        return next((p for p in self.routers[router].paths(prefix)
                     if any(x["ip"] == addr for x in p["nexthops"])), None)

    def wait_path(self, router, node, prefix):
        return until(lambda: self.path(router, node, prefix), 15,
                     lambda: f"{router}: {prefix} by {node}; {self.heralds[node].daemon.text()[-3000:]}")

    def uptimes(self):
        return {(n, name): p["uptimeSeconds"] for n, one in self.heralds.items()
                for name, p in one.peers().items()}


@pytest.fixture(scope="module")
def world(module_lab):
    return World(module_lab).start()


def communities(path):
    return set(path.get("community", {}).get("list", []))


def test_each_node_talks_to_its_own_peers(world):
    for node, one in world.heralds.items():
        assert set(one.peers()) == {f"{r}-{node}" for r in ASN}
        assert {p["instance"] for p in one.peers().values()} == {f"as{AS}"}


def test_communities_by_name_and_local_preference(world):
    for node in NODES:
        path = world.wait_path("r1", node, WEB)
        assert communities(path) == {"64501:7"}
        assert path["largeCommunity"]["list"] == ["64500:1:2"]
        assert "locPrf" not in path
        assert world.wait_path("r2", node, WEB)["locPrf"] == 250


def test_the_covering_prefix_goes_to_the_peer_that_is_named(world):
    assert communities(world.wait_path("r1", "n1", WEB24)) == {"64501:24"}
    assert not world.path("r1", "n2", WEB24)
    assert not world.routers["r2"].paths(WEB24)


def test_nodes_of_an_advertisement(world):
    for router in ASN:
        world.wait_path(router, "n2", EDGE)
        assert not world.path(router, "n1", EDGE)


def test_a_pool_without_advertisement_is_not_announced(world):
    for one in world.heralds.values():
        assert {a["owner"]: a["address"] for a in one.ctl("ipam")["allocations"]} == {
            "default/web": "172.16.1.1", "default/edge": "172.16.2.1",
            "default/hidden": "172.16.3.7", "default/local": "172.16.4.1"}
    for router in world.routers.values():
        assert not router.paths(HIDDEN)


def test_the_covering_prefix_under_local_comes_from_nodes_with_endpoints(world):
    for router in ASN:
        world.wait_path(router, "n2", LOCAL28)
        assert not world.path(router, "n1", LOCAL28)
        assert not world.routers[router].paths("172.16.4.1/32")


def test_a_community_changes_its_value_and_no_session_is_reset(world):
    before = world.uptimes()
    world.write("40-adverts.yaml", mlb("Community", "names", {"communities": [
        {"name": "vpn-only", "value": "64501:8"}, {"name": "big", "value": "large:64500:1:2"}]}),
        *ADVERTS)
    until(lambda: communities(world.wait_path("r1", "n1", WEB)) == {"64501:8"}, what="the value")
    world.write("40-adverts.yaml", COMMUNITIES, *ADVERTS)
    until(lambda: communities(world.wait_path("r1", "n1", WEB)) == {"64501:7"}, what="as it was")
    assert all(up >= before[p] for p, up in world.uptimes().items())


def test_what_cannot_be_had_is_said_and_the_rest_goes_on(world):
    one = world.heralds["n1"]
    world.write("60-more.yaml", peer("n1", "r2", vrf="red") | {"metadata": {
        "name": "in-a-vrf", "namespace": "metallb-system"}},
        mlb("BGPAdvertisement", "nameless", {"communities": ["nobody-knows"]}))

    def notices():
        return {n["message"] for n in one.ctl("status")["notices"]}
    until(lambda: any("spec.vrf: red: left out" in n for n in notices())
          and any("nobody-knows: left out" in n for n in notices()), what="notices")
    assert set(one.peers()) == {"r1-n1", "r2-n1"}
    assert not world.routers["r1"].paths(HIDDEN)
    os.unlink(f"{world.shared}/60-more.yaml")
    until(lambda: not any("left out" in n for n in notices()), what="no notices")


def test_config_show_says_where_a_document_came_from(world):
    docs = world.heralds["n1"].ctl("config", "show")["documents"]
    ours = [d for d in docs if d["kind"] == "BGPPeerConfig"]
    assert {d["metadata"]["annotations"]["heraldlb.io/translated-from"] for d in ours} == {
        f"BGPPeer metallb-system/{r}-{n}" for n in NODES for r in ASN}
    assert "s3cret" not in str(docs)


@pytest.mark.parametrize("argv, status, said", [
    ([], 2, "which files?"),
    (["-f"], 2, "-f wants a path"),
    (["-f", "/nowhere.yaml"], 2, "cannot read /nowhere.yaml"),
    (["more"], 2, "only -f PATH may follow"),
    (["-f", "-"], 1, "standard-input:4:58: BGPPeer/p: spec.vrf: red: left out"),
])
def test_exit_status_of_convert(argv, status, said):
    text = ("apiVersion: metallb.io/v1beta2\nkind: BGPPeer\nmetadata: {name: p}\n"
            "spec: {myASN: 1, peerASN: 2, peerAddress: 10.0.0.1, vrf: red}\n")
    done = subprocess.run([program("heraldctl"), "convert", *argv], input=text, text=True,
                          capture_output=True, timeout=20, check=False)
    assert done.returncode == status and said in done.stderr, done


def test_changing_over_to_native_documents_moves_nothing(world):
    """First the converted documents beside the old ones, then the old ones go."""
    before = world.uptimes()
    done = subprocess.run([program("heraldctl"), "convert", "-f", world.shared], text=True,
                          capture_output=True, timeout=20, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    marker = h.doc("BFDProfile", "marker", {})  # is the file read?
    h.write_atomically(f"{world.shared}/00-native.yaml", done.stdout + h.to_yaml(marker))

    def documents():
        return [d for one in world.heralds.values()
                for d in one.ctl("config", "show")["documents"]]

    def sources():
        return {d["apiVersion"] for d in documents()}
    until(lambda: [d["metadata"]["name"] for d in documents()].count("marker") == len(NODES),
          what="the converted documents")
    for name in ("20-pools.yaml", "30-peers.yaml", "40-adverts.yaml"):
        os.unlink(f"{world.shared}/{name}")
    until(lambda: "metallb.io/v1beta1" not in sources(), what="the old documents gone")

    def as_before():
        return (world.path("r1", "n1", WEB24) and world.path("r2", "n2", LOCAL28)
                and communities(world.path("r1", "n2", WEB)) == {"64501:7"}
                and not world.routers["r1"].paths(HIDDEN))
    stays(as_before, 1)
    after = world.uptimes()
    assert set(after) == set(before) and all(after[p] >= before[p] for p in before)
    world.write_all()
    os.unlink(f"{world.shared}/00-native.yaml")
    until(lambda: "metallb.io/v1beta1" in sources(), what="and back")
    stays(as_before, 1)
    assert all(up >= before[p] for p, up in world.uptimes().items())
