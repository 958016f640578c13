"""Layer 2 announcements on the reference network, with its l2-policy.yaml unchanged: who answers
arping, ndisc6 and a Linux client, and what they are told when that changes."""
import contextlib
import os
import re
import shutil
import socket

import pytest

from herald_lab import until
from herald_lab.netns import link
from herald_lab.plant import wait_loaded
from herald_lab.topology import NODES, REFERENCE, Scenario, http_get
from herald_lab.wait import stays

VIP, VIP6, CLIENT = "192.168.10.211", "fd10::d3", "192.168.10.9"
SEGMENT = ("k8s-ctr", "k8s-w1")

# A second Service, of the other family, that the policy of the scenario selects too.
SIX = """\
apiVersion: heraldlb.io/v1
kind: LoadBalancerIPPool
metadata: {name: six}
spec: {blocks: [{start: "fd10::d3", stop: "fd10::d3"}]}
---
apiVersion: v1
kind: Service
metadata: {name: webpod6, namespace: default, labels: {app: webpod}}
spec:
  type: LoadBalancer
  ipFamilies: [IPv6]
  ipFamilyPolicy: SingleStack
  ports: [{port: 80}]
"""


class Segment(Scenario):
    """The reference network without BGP: routes to the pods by hand, and a client on each of the two
    segments of the nodes."""

    def __init__(self, lab):
        super().__init__(lab, datapath=True)
        for f in ("bgp.yaml", "bgp-service.yaml", "pool.yaml"):
            os.unlink(f"{self.reference}/{f}")
        shutil.copyfile(f"{REFERENCE}/l2-policy.yaml", f"{self.reference}/l2-policy.yaml")
        with open(f"{self.reference}/six.yaml", "w", encoding="utf-8") as f:
            f.write(SIX)
        r = self.router
        for node, (addr, gateway, cidr) in NODES.items():
            self.ns[node].ip(*(f"route add {c} via {a if a[:11] == addr[:11] else gateway}"
                               for n, (a, _, c) in NODES.items() if n != node))
            r.ip(f"route add {cidr} via {addr}")
            self.ns[node].ip(f"addr add fd10::{addr.rsplit('.', 1)[1]}/64 dev eth1 nodad")
        self.client = lab.netns("lan")
        link(self.client, "eth0", r, "port-lan")
        r.ip("link set port-lan master eth1")
        self.client.ip(f"addr add {CLIENT}/24 dev eth0", "addr add fd10::9/64 dev eth0 nodad",
                       "route add default via 192.168.10.200")
        # the other segment has but the router and a node on it: the router asks there
        self.macs = {n: self.mac(self.ns[n], "eth1") for n in NODES}

    @staticmethod
    def mac(ns, dev):
        return re.search(r"link/ether (\S+)", ns.run("ip", "link", "show", dev)).group(1)

    def arping(self, *args, ns=None, dev="eth0", addr=VIP):
        """The MAC addresses that answer, in order."""
        out = (ns or self.client).run("arping", *args, "-I", dev, addr, check=False)
        return [m.lower() for m in re.findall(r"\[([0-9A-Fa-f:]{17})\]", out)]

    def ndisc(self):
        out = self.client.run("ndisc6", "-m", "-r", "1", "-w", "300", VIP6, "eth0", check=False)
        return [m.lower() for m in re.findall(r"link-layer address: ([0-9A-Fa-f:]{17})", out)]

    def rows(self, node, addr=VIP):
        return [r for r in self.heralds[node].ctl("l2")["announcements"] if r["ip"] == addr]

    def holder(self, addr=VIP):
        """Whom all nodes name, when they do and it answers; else None."""
        said = {r["holder"] for n in NODES for r in self.rows(n, addr)}
        if len(said) != 1:
            return None
        holder = said.pop()
        answering = {n for n in NODES for r in self.rows(n, addr) if r["answering"]}
        return holder if answering == {holder} else None

    def wait_holder(self, *nodes, addr=VIP):
        until(lambda: self.holder(addr) in nodes, 20,
              lambda: f"{addr} held by {nodes}: {[self.rows(n, addr) for n in NODES]}\n"
              + self.heralds["k8s-ctr"].run_ctl("l2").stdout)
        return self.holder(addr)


@pytest.fixture(scope="module")
def world(module_lab):
    s = Segment(module_lab)
    s.start_heralds()
    for node in NODES:
        wait_loaded(s.heralds[node])
    s.wait_holder(*SEGMENT)
    s.wait_holder(*SEGMENT, addr=VIP6)
    return s


@pytest.fixture(autouse=True)
def as_it_was(world):
    yield
    shutil.copyfile(f"{REFERENCE}/l2-policy.yaml", f"{world.reference}/.new")
    os.rename(f"{world.reference}/.new", f"{world.reference}/l2-policy.yaml")
    for h in world.heralds.values():
        if not h.daemon.running():
            h.start()
    world.wait_holder(*SEGMENT)


def test_one_node_of_the_segment_answers_for_the_address(world):
    holder = world.holder()
    assert set(world.arping("-c", "3", "-b")) == {world.macs[holder]}
    assert len(world.arping("-c", "3", "-b")) == 3
    row = world.rows(holder)[0]
    assert row["interface"] == "eth1" and row["service"] == "default/webpod"
    assert row["answered"] >= 6 and row["sinceSeconds"] >= 0 and "message" not in row
    assert VIP in world.heralds[holder].table("l2")


def test_each_node_says_why_it_does_or_does_not(world):
    for node in NODES:
        told = next(a for a in world.heralds[node].ctl("l2", VIP)["addresses"] if a["ip"] == VIP)
        why = {n["node"]: n for n in told["nodes"]}
        assert not why["k8s-w0"]["candidate"]
        assert why["k8s-w0"]["reason"] == "node-not-selected"
        assert all(why[n]["candidate"] for n in SEGMENT)
        assert "The node selector does not match" in world.heralds[node].table("l2", VIP)


def test_a_solicitation_is_answered(world):
    holder = world.holder(VIP6)
    assert world.ndisc() == [world.macs[holder]]
    # And the client's own kernel is content with it.
    with world.client.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"x", (VIP6, 9))
    until(lambda: f"{VIP6} dev eth0 lladdr {world.macs[holder]}"
          in world.client.run("ip", "-6", "neigh"), what="the client's neighbour entry")
    # Is it still there?  That is asked of the address itself, past the load balancer.
    world.client.ip(f"neigh change {VIP6} lladdr {world.macs[holder]} dev eth0 nud probe")
    until(lambda: "REACHABLE" in world.client.run("ip", "-6", "neigh", "show", VIP6),
          what="the poll answered")


def test_the_node_of_the_other_segment_never_answers(world):
    assert not world.arping("-c", "2", "-w", "2", ns=world.router, dev="eth2")
    assert world.macs["k8s-w0"] not in world.arping("-c", "2", "-b")
    assert not [r for r in world.rows("k8s-w0") if r["answering"]]


def test_a_client_of_the_segment_reaches_the_pods(world):
    said = {http_get(world.client, VIP).splitlines()[0] for _ in range(30)}
    assert said == {"Hostname: webpod-w1", "Hostname: webpod-w0"}


def test_a_probe_is_answered_and_told(world):
    holder = world.holder()
    # -D: the answer to a probe makes it fail.
    assert world.arping("-D", "-c", "1", "-w", "2") == [world.macs[holder]]
    until(lambda: world.rows(holder)[0].get("conflict", {}).get("probes"), what="the probe shown")


def test_who_claims_the_address_is_named(world):
    holder = world.holder()
    mac = world.mac(world.client, "eth0")
    world.client.ip(f"addr add {VIP}/32 dev eth0")
    try:
        world.client.run("arping", "-U", "-c", "1", "-I", "eth0", VIP, check=False)
        until(lambda: world.rows(holder)[0].get("conflict", {}).get("mac") == mac,
              what="the claim shown")
        assert "claimed the address" in world.heralds[holder].table("l2")
        world.heralds[holder].daemon.wait_log(r"l2-address-claimed", 5)
    finally:
        world.client.ip(f"addr del {VIP}/32 dev eth0")


def test_it_is_answered_while_the_daemon_is_gone_and_when_it_is_back(world):
    holder = world.holder()
    since, six = world.rows(holder)[0]["sinceSeconds"], world.holder(VIP6)
    world.heralds[holder].kill()
    assert world.arping("-c", "2", "-b") == [world.macs[holder]] * 2
    assert world.ndisc() == [world.macs[six]]
    world.heralds[holder].start()
    stays(lambda: world.arping("-c", "1", "-w", "1") == [world.macs[holder]], 1)
    world.wait_holder(holder)
    assert world.rows(holder)[0]["sinceSeconds"] >= since


def test_another_owner_is_announced_to_who_remembers_the_old_one(world):
    holder = world.holder()
    other = next(n for n in SEGMENT if n != holder)
    assert world.arping("-c", "1") == [world.macs[holder]]
    with contextlib.suppress(OSError):
        http_get(world.client, VIP)
    assert f"{VIP} dev eth0 lladdr {world.macs[holder]}" in world.client.run("ip", "neigh")
    world.edit("l2-policy.yaml", "- k8s-w0", f"- k8s-w0\n          - {holder}")
    world.wait_holder(other)
    assert set(world.arping("-c", "2", "-b")) == {world.macs[other]}
    # Without being asked for: by the announcement.
    until(lambda: f"{VIP} dev eth0 lladdr {world.macs[other]}"
          in world.client.run("ip", "neigh"), what="the client's entry follows")
    assert http_get(world.client, VIP)


def test_a_local_policy_leaves_it_to_a_node_with_an_endpoint(world):
    world.traffic_policy("Local")
    try:
        # What the test before left may be under way still: it is over when only one answers.
        until(lambda: world.wait_holder("k8s-w1") and set(world.arping("-c", "2", "-b")) == {
            world.macs["k8s-w1"]}, what="k8s-w1 alone answers")
        assert http_get(world.client, VIP).splitlines() == ["Hostname: webpod-w1",
                                                           f"RemoteAddr: {CLIENT}"]
    finally:
        world.traffic_policy("Cluster")


def test_without_a_policy_nobody_answers(world):
    os.unlink(f"{world.reference}/l2-policy.yaml")
    until(lambda: not any(world.rows(n) for n in NODES), what="nothing announced")
    until(lambda: not world.arping("-c", "1", "-w", "1"), what="silence")
    assert not world.ndisc()


def test_a_link_that_comes_up_again_is_answered_on(world):
    holder = world.holder()
    other = next(n for n in SEGMENT if n != holder)
    routes = world.ns[holder].run("ip", "route", "show", "dev", "eth1").splitlines()
    world.ns[holder].ip("link set eth1 down")
    until(lambda: world.arping("-c", "1", "-w", "1") == [world.macs[other]], 20, "the other node")
    world.ns[holder].ip("link set eth1 up")
    world.ns[holder].ip(*(f"route add {r} dev eth1" for r in routes if " via " in f" {r}"))
    world.edit("l2-policy.yaml", "- k8s-w0", f"- k8s-w0\n          - {other}")
    until(lambda: world.arping("-c", "1", "-w", "1") == [world.macs[holder]], 20, "an answer")


def test_shutdown_takes_everything_out(world):
    holder = world.holder()
    h = world.heralds[holder]
    h.ctl("shutdown")
    until(lambda: not h.daemon.running(), what="the end")
    assert not os.path.exists(f"{h.pin_path}/l2")
    other = next(n for n in SEGMENT if n != holder)
    until(lambda: world.arping("-c", "2", "-b") == [world.macs[other]] * 2, 20, "the other alone")
