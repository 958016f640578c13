"""Ranges of nodes with a real API server: the leader writes them, everybody reads them back."""
import ipaddress
import json
import os
import subprocess

import pytest

from herald_lab import herald as h
from herald_lab import until
from herald_lab.kubescene import KubePair, account, source, wait_synced
from herald_lab.lab import program, root_dir

RBAC = os.path.join(root_dir(), "etc/kubernetes/pods/rbac.yaml")
NODES = ("n1", "n2", "n3")


@pytest.fixture()
def net(lab):
    p = KubePair(lab).start_kube()
    p.kube.apply(RBAC)
    p.all = {}
    return p


def start(p, ipam):
    config = account(p.kube)
    for i, name in enumerate(NODES):
        p.put(h.node(name, [], [f"10.0.0.{i + 2}"]))
        one = p.all[name] = p.herald if name == "n1" else h.Herald(p.lab, p.other, name)
        one.write("herald.yaml", one.settings(sources=source(config), ipam=ipam,
                                              bgp={"listen": []}))
        one.start()
    for one in p.all.values():
        wait_synced(one)


def notes(p, name):
    return p.kube.api().find("Node", name)["metadata"].get("annotations", {})


def ranges(one):
    """{node: [(prefix, pool)]} of what is in use."""
    return {n["node"]: sorted((r["prefix"], r["pool"]) for r in n["ranges"] if not r["pending"])
            for n in one.ctl("ipam")["pods"]["nodes"]}


def test_the_leader_carves_and_all_agree(net):
    start(net, {"mode": "cluster-pool", "clusterPool": {
        "ipv4PodCIDRs": ["10.64.0.0/16"], "ipv6PodCIDRs": ["fd64::/104"]}})

    def agreed():
        said = [ranges(one) for one in net.all.values()]
        return all(len(said[0][n]) == 2 for n in NODES) and said.count(said[0]) == 3 and said[0]
    first = until(agreed, 90, lambda: f"{[ranges(o) for o in net.all.values()]}; "
                  f"{net.herald.daemon.text()[-3000:]}")
    every = [ipaddress.ip_network(r) for n in NODES for r, _ in first[n]]
    assert not any(a.overlaps(b) for a in every for b in every
                   if a is not b and a.version == b.version)
    for n in NODES:
        assert sorted(notes(net, n)["heraldlb.io/pod-cidrs"].split(",")) == [r for r, _ in first[n]]
    # another node: it gets its own, and nobody else another; all daemons new: nobody either
    net.put(h.node("n0", [], ["10.0.0.9"]))
    until(lambda: "heraldlb.io/pod-cidrs" in notes(net, "n0"), 60, "a range for n0")
    for one in net.all.values():
        one.kill()
        one.start()
        wait_synced(one)
    until(lambda: all(len(ranges(o).get("n0", [])) == 2 for o in net.all.values()), 60, "n0's")
    assert all(ranges(o)[n] == first[n] for o in net.all.values() for n in NODES)


def test_a_pool_comes_to_the_node_whose_pods_ask_for_it(net):
    net.put(*(h.doc("PodIPPool", name, {"ipv4": {"cidrs": [cidr], "maskSize": 28}})
              for name, cidr in (("default", "10.70.0.0/16"), ("blue", "10.71.0.0/16"))),
            h.doc("Namespace", "team", api="v1") | {"metadata": {
                "name": "team", "annotations": {"ipam.heraldlb.io/ip-pool": "blue"}}})
    start(net, {"mode": "multi-pool"})
    until(lambda: [p for _, p in ranges(net.herald).get("n1", [])] == ["default"], 90,
          lambda: f"a reserve of the default pool; {ranges(net.herald)}")

    def add(name):
        conf = {"cniVersion": "1.0.0", "name": "lab", "type": "ptp", "ipam": {
            "type": "herald-ipam", "socket": f"{net.herald.dir}/herald-ipam.sock"}}
        done = subprocess.run([program("herald-ipam")], input=json.dumps(conf), text=True,
                              capture_output=True, check=False, timeout=60, env={
                                  "CNI_COMMAND": "ADD", "CNI_CONTAINERID": name,
                                  "CNI_IFNAME": "eth0", "CNI_NETNS": "/proc/self/ns/net",
                                  "CNI_ARGS": f"K8S_POD_NAMESPACE=team;K8S_POD_NAME={name}"})
        return json.loads(done.stdout)

    first = add("p1")
    assert first["code"] == 11, first  # as the runtime does, again and again
    got = until(lambda: add("p1").get("ips"), 90, "an address of pool blue")
    assert ipaddress.ip_interface(got[0]["address"]).ip in ipaddress.ip_network("10.71.0.0/16")
    assert "blue=8" in notes(net, "n1")["heraldlb.io/pod-pool-requests"]
    # thirteen of a /28, then more is asked for
    for i in range(2, 20):
        until(lambda i=i: add(f"p{i}").get("ips"), 90, f"an address for p{i}")
    blue = [r for r, p in ranges(net.herald)["n1"] if p == "blue"]
    assert len(blue) == 2
    assert "blue" not in [p for _, p in ranges(net.herald)["n2"]]
