"""datapath.tunnel: vxlan: two nodes, each on a segment of its own, and between them a router that
knows nothing of their pods."""
import json
import signal
import subprocess

import pytest

from herald_lab import herald as h
from herald_lab import until
from herald_lab.netns import ip, link
from herald_lab.plant import (NODE4, NODE6, OUTSIDE4, OUTSIDE6, ROUTER4, ROUTER6, VIP4, VIP6, Plant,
                              pod_addr)

DEVICE = "herald-vxlan"
SIZE = 300000


class Apart(Plant):
    def _network(self):
        self.router, self.outside = self.lab.netns("router"), self.lab.netns("outside")
        r, out = self.router, self.outside
        link(out, "eth0", r, "eth0")
        out.addr("eth0", f"{OUTSIDE4}/24", f"{OUTSIDE6}/64")
        r.addr("eth0", "10.10.1.1/24", "fd99::1/64")
        out.ip("route add default via 10.10.1.1", "route add default via fd99::1")
        for node in NODE4:
            ns = self.ns[node] = self.lab.netns(node)
            ns.cgroup = self.lab.cgroup(node)
            link(ns, "eth0", r, node)
            r.addr(node, f"{ROUTER4}/32", f"{ROUTER6}/128")
            r.ip(f"route add {NODE4[node]}/32 dev {node}",
                 f"route add {NODE6[node]}/128 dev {node}")
            ns.addr("eth0", f"{NODE4[node]}/32", f"{NODE6[node]}/128")
            ns.ip(f"route add {ROUTER4}/32 dev eth0", f"route add default via {ROUTER4}",
                  f"route add {ROUTER6}/128 dev eth0", f"route add default via {ROUTER6}")
        self.by("n1")

    def device(self, node):
        got = ip("-n", self.ns[node].name, "-j", "-d", "link", "show", "dev", DEVICE, check=False)
        return json.loads(got)[0] if got.strip() else None

    def entries(self, node):
        """(neighbours, forwarding entries) on the device."""
        ns = self.ns[node]
        neighs = json.loads(ip("-n", ns.name, "-j", "-6", "neigh", "show", "dev", DEVICE) or "[]")
        fdb = ns.run("bridge", "fdb", "show", "dev", DEVICE)
        return ({(n["dst"], n["lladdr"]) for n in neighs if "PERMANENT" in n["state"]},
                {tuple(x.split()[:3]) for x in fdb.splitlines()})

    def tunnel_routes(self, node):
        return {r["prefix"] for r in self.heralds[node].ctl("routes")["routes"]
                if r["installed"] and r["origin"] == "tunnel"}

    def wait_tunnel(self):
        for node, other in (("n1", "n2"), ("n2", "n1")):
            until(lambda n=node, o=other: self.tunnel_routes(n) == {
                f"172.20.{o[1]}.0/24", f"fd20:{o[1]}::/64"}, 10,
                lambda n=node: f"{n}: {self.heralds[n].run_ctl('routes')}")
            until(lambda n=node: self.heralds[n].ctl("status")["tunnel"]["set"] == 1,
                  what="entries")


def service():
    """Of n2's pod only, so that n1 has a backend on another node."""
    fam = ("IPv4", "IPv6")
    return [h.service("web", families=fam),
            h.endpoints("web", (pod_addr("n2"), "n2")),
            h.endpoints("web", (pod_addr("n2", v6=True), "n2"), family="IPv6", suffix="6")]


@pytest.fixture(scope="module")
def apart(module_lab):
    p = Apart(module_lab, tunnel="vxlan", attach="tc")
    p.start(service())
    p.wait_tunnel()
    return p


FAMILIES = pytest.mark.parametrize("v6", [False, True], ids=["v4", "v6"])


@FAMILIES
def test_pods_of_different_nodes_reach_each_other(apart, v6):
    for a, b in (("n1", "n2"), ("n2", "n1")):
        got = apart.agent(f"{a}p0").http(pod_addr(b, v6=v6))
        assert got["pod"] == f"{b}p0" and got["client"] == pod_addr(a, v6=v6)
    before = apart.device("n1")["ifindex"]
    assert apart.agent("n1p0").download(pod_addr("n2", v6=v6), size=SIZE)["bytes"] == SIZE
    assert apart.device("n1")["ifindex"] == before


def test_the_device_is_as_the_underlay_allows(apart):
    d = apart.device("n1")
    data = d["linkinfo"]["info_data"]
    assert d["mtu"] == 1450 and d["address"] == "0a:48:c0:a8:0a:65"
    assert (data["id"], data["port"], data["local"], data["learning"]) == (
        1, 8472, NODE4["n1"], False)
    mac = "0a:48:c0:a8:0a:66"
    neighs, fdb = apart.entries("n1")
    assert neighs == {("fe80::848:c0ff:fea8:a66", mac)}
    assert fdb == {(mac, "dst", NODE4["n2"])}
    st = apart.heralds["n1"].ctl("status")["tunnel"]
    assert st == {"mode": "vxlan", "device": DEVICE, "up": True, "mtu": 1450, "nodes": 1, "set": 1}
    assert f"vxlan, {DEVICE} up, MTU 1450; 1 of 1 nodes" in apart.heralds["n1"].table("status")


@FAMILIES
def test_a_service_with_its_endpoint_on_the_other_node(apart, v6):
    vip = VIP6 if v6 else VIP4
    got = apart.agent("outside").many(vip, n=30)
    assert got["pods"] == {"n2p0": 30} and not got["errors"]
    assert apart.agent("n1p0").http(vip)["pod"] == "n2p0"


@FAMILIES
def test_what_is_too_large_for_the_tunnel_arrives_all_the_same(apart, v6):
    vip = VIP6 if v6 else VIP4
    for way in ("upload", "download"):
        direct = getattr(apart.agent("n2"), way)(pod_addr("n2", v6=v6), size=SIZE)
        assert getattr(apart.agent("outside"), way)(vip, size=SIZE) == direct
    got = ip("-n", apart.outside.name, "-j", "-6" if v6 else "-4", "route", "get", vip)
    assert json.loads(got)[0]["metrics"][0]["mtu"] == 1450


def test_a_restart_keeps_device_entries_and_routes(apart):
    d = apart.heralds["n1"]
    before, entries = apart.device("n1"), apart.entries("n1")
    with apart.ns["n1"].inside():
        watch = subprocess.Popen(["ip", "monitor", "link", "route", "neigh"], text=True,
                                 stdout=subprocess.PIPE)
    try:
        d.stop(signal.SIGTERM)
        assert apart.device("n1")["ifindex"] == before["ifindex"]
        assert apart.agent("n1p0").http(pod_addr("n2"))["pod"] == "n2p0"
        d.start()
        apart.wait_tunnel()
    finally:
        watch.terminate()
        told = watch.communicate()[0]
    assert not [x for x in told.splitlines() if DEVICE in x and "Deleted" in x]
    assert apart.device("n1")["ifindex"] == before["ifindex"]
    assert apart.entries("n1") == entries


def test_what_others_take_away_comes_back(apart):
    before = apart.device("n1")["ifindex"]
    apart.ns["n1"].ip(f"link del {DEVICE}")
    until(lambda: (apart.device("n1") or {}).get("ifindex", before) != before, what="a new device")
    apart.wait_tunnel()
    until(lambda: apart.entries("n1")[1], what="its entries")
    neigh, mac = next(iter(apart.entries("n1")[0]))
    for _ in range(3):  # more often than one look at everything would mend it
        apart.ns["n1"].ip(f"neigh del {neigh} lladdr {mac} dev {DEVICE}")
        until(lambda: apart.entries("n1")[0], what="the neighbour")
        apart.agent("n1p0").http(pod_addr("n2"))  # and one that a packet has looked up
    apart.ns["n1"].ip(f"link set {DEVICE} down mtu 1300")
    until(lambda: apart.device("n1")["mtu"] == 1450 and "UP" in apart.device("n1")["flags"],
          what="up, and as large as it was")
    apart.wait_tunnel()
    assert apart.agent("n1p0").http(pod_addr("n2"))["pod"] == "n2p0"


def test_other_settings_make_another_device(apart):
    apart.settings(tunnelVNI=77, tunnelPort=4789, tunnelMTU=1400)
    for node in NODE4:
        until(lambda n=node: (apart.device(n) or {}).get("mtu") == 1400, what="the new device")
        data = apart.device(node)["linkinfo"]["info_data"]
        assert (data["id"], data["port"]) == (77, 4789)
    apart.wait_tunnel()
    assert apart.agent("n1p0").http(pod_addr("n2", v6=True))["pod"] == "n2p0"
    apart.settings()
    for node in NODE4:
        until(lambda n=node: (apart.device(n) or {}).get("mtu") == 1450, what="the first again")
    apart.wait_tunnel()


def test_a_node_that_goes_takes_its_entries_along(apart):
    extra = h.node("n9", ["172.20.9.0/24"], ["192.168.10.109"])
    apart.write("29-n9.yaml", extra)
    mac = "0a:48:c0:a8:0a:6d"
    until(lambda: (mac, "dst", "192.168.10.109") in apart.entries("n1")[1], what="n9's entry")
    for node in NODE4:
        apart.heralds[node].remove("29-n9.yaml")
    until(lambda: not any(mac in e for part in apart.entries("n1") for e in part), what="gone")
    until(lambda: not apart.ns["n1"].next_hops("172.20.9.0/24"), what="and its route")


def test_none_and_shutdown_take_it_away(apart):
    apart.settings(tunnel="none")
    for node in NODE4:
        until(lambda n=node: not apart.device(n), what="no device")
        assert not apart.tunnel_routes(node)
    apart.settings()
    apart.wait_tunnel()
    apart.heralds["n1"].run_ctl("shutdown")
    until(lambda: not apart.device("n1"), what="no device after the shutdown")
    assert not apart.ns["n1"].next_hops("172.20.2.0/24")
    assert apart.device("n2")


def test_an_underlay_of_ipv6_carries_both_families(lab):
    p = Apart(lab, tunnel="vxlan", attach="tc")
    p.start()
    p.write("20-nodes.yaml", *(h.node(n, [f"172.20.{n[1]}.0/24", f"fd20:{n[1]}::/64"], [NODE6[n]])
                               for n in NODE4))
    until(lambda: (p.device("n1") or {}).get("mtu") == 1430, what="the device over IPv6")
    p.wait_tunnel()
    for v6 in (False, True):
        until(lambda v=v6: p.agent("n1p0").http(pod_addr("n2", v6=v))["pod"] == "n2p0",
              what="n2's device over IPv6 likewise")
        got = p.agent("n1p0").download(pod_addr("n2", v6=v6), size=SIZE)
        assert got == p.agent("n2").download(pod_addr("n2", v6=v6), size=SIZE)
