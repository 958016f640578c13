"""The reference scenario with its files unchanged, and `curl http://172.16.1.1/`: from a client
behind the FRR router, from a node and from a pod, under each policy."""
import contextlib
import filecmp
import os

import pytest

from herald_lab import until
from herald_lab.inside import Agent
from herald_lab.plant import frontend, wait_loaded
from herald_lab.topology import FILES, NODES, OUTSIDE, PODS, REFERENCE, VIP, Scenario

VIP_ADDR, CLUSTER_IP = VIP.removesuffix("/32"), "10.96.252.129"
ADDR = {n: addr for n, (addr, _, _) in NODES.items()}
WEB = {"webpod-w1": "k8s-w1", "webpod-w0": "k8s-w0"}
BACKENDS = {PODS[p][1] for p in WEB}
FAILED = "failed"


class World(Scenario):
    def curl(self, where, addr=VIP_ADDR, seconds=3):
        """`curl http://ADDR/` in the namespace @where: (pod, whom it saw), or FAILED."""
        ns = {"outside": self.outside, **self.ns, **self.pods}[where]
        try:
            said = ns.run("curl", "-sS", "--max-time", str(seconds), f"http://{addr}/")
        except OSError:
            return FAILED
        told = dict(x.split(": ") for x in said.splitlines())
        return told["Hostname"], told["RemoteAddr"]

    def curls(self, where, addr=VIP_ADDR, n=60):
        """Until every pod has answered (at most @n): all answers."""
        got = set()
        for _ in range(n):
            got.add(self.curl(where, addr))
            if {g[0] for g in got} >= set(WEB):
                break
        return got

    def agent(self, where):
        ns = {"outside": self.outside, **self.ns, **self.pods}[where]
        return self.agents.setdefault(where, Agent(self.lab, ns))

    @contextlib.contextmanager
    def by(self, node, addr=VIP_ADDR):
        """The router sends what is for @addr to this node only; by a table that zebra leaves alone."""
        self.router.ip(f"route add {addr}/32 via {ADDR[node]} table 100",
                       f"rule add to {addr}/32 lookup 100 pref 100")
        try:
            yield
        finally:
            self.router.ip(f"rule del to {addr}/32 lookup 100 pref 100",
                           f"route del {addr}/32 via {ADDR[node]} table 100")

    def frontend(self, node, addr=VIP_ADDR):
        return frontend(self.heralds[node], addr)

    def wait_flag(self, flag, there=True, addr=VIP_ADDR):
        for node in NODES:
            until(lambda n=node: (flag in self.frontend(n, addr)["flags"]) == there,
                  what=lambda n=node: f"{n}: {flag} {there}: {self.frontend(n, addr)}")

    def count(self, node, reason):
        return self.heralds[node].counters().get(reason, 0)


@pytest.fixture(scope="module")
def world(module_lab):
    s = World(module_lab, datapath=True)
    s.agents = {}
    s.start_router()
    s.start_heralds()
    s.wait_converged()
    for node in NODES:
        wait_loaded(s.heralds[node])
        until(lambda n=node: {b["ip"] for b in s.frontend(n)["backends"]} == BACKENDS, 20,
              lambda n=node: f"{n}: the maps hold webpod; {s.heralds[n].run_ctl('lb', 'list')}\n"
              + s.heralds[n].daemon.text()[-3000:])
    until(lambda: s.ns["k8s-ctr"].next_hops("172.20.2.0/24"), what="routes to the pods")
    return s


@pytest.fixture(autouse=True)
def as_it_was(world):
    """Every test finds the scenario converged and its files as they are in etc/."""
    yield
    changed = False
    for f in FILES:
        if not filecmp.cmp(f"{REFERENCE}/{f}", f"{world.reference}/{f}", shallow=False):
            with open(f"{REFERENCE}/{f}", encoding="utf-8") as src:
                text = src.read()
            with open(f"{world.reference}/.{f}.new", "w", encoding="utf-8") as dst:
                dst.write(text)
            os.rename(f"{world.reference}/.{f}.new", f"{world.reference}/{f}")
            changed = True
    if changed:
        world.wait_converged()
        world.wait_flag("ExternalLocal", False)
        world.wait_flag("InternalLocal", False)


def local(world, which="external"):
    world.traffic_policy("Local", which)
    world.wait_flag("ExternalLocal" if which == "external" else "InternalLocal")


@pytest.mark.parametrize("node", NODES)
def test_cluster_the_client_is_answered_by_whichever_node_it_comes_in(world, node):
    with world.by(node):
        got = world.curls("outside")
    assert got == {(pod, OUTSIDE if at == node else ADDR[node]) for pod, at in WEB.items()}


def test_cluster_the_client_is_answered_by_way_of_all_three_nodes(world):
    assert world.router.next_hops(VIP, proto="bgp") == set(ADDR.values())
    got = world.agent("outside").many(VIP_ADDR, n=60)
    assert not got["errors"] and set(got["pods"]) == set(WEB)


@pytest.mark.parametrize("where,seen", [("k8s-ctr", ADDR["k8s-ctr"]),
                                        ("client", PODS["client"][1])])
@pytest.mark.parametrize("addr", [VIP_ADDR, CLUSTER_IP])
def test_a_node_and_a_pod_are_answered_and_seen_as_themselves(world, where, seen, addr):
    assert world.curls(where, addr) == {(pod, seen) for pod in WEB}


def test_a_node_with_an_endpoint_is_answered_by_its_own_and_the_other(world):
    assert {pod for pod, _ in world.curls("k8s-w1")} == set(WEB)


def test_socket_lb_connects_to_the_pod_and_says_the_vip(world):
    got = world.agent("client").http(VIP_ADDR)
    assert got["peer"] == [VIP_ADDR, 80] and got["client"] == PODS["client"][1]
    # no packet of it was for the VIP: the counters of the programs on the devices stand still
    before = world.count("k8s-ctr", "forwarded")
    assert not world.agent("client").many(VIP_ADDR, n=10)["errors"]
    assert world.count("k8s-ctr", "forwarded") == before


def test_local_the_pod_always_sees_the_client(world):
    local(world)
    world.wait_next_hops(VIP, ["k8s-w1", "k8s-w0"])
    got = world.agent("outside").many(VIP_ADDR, n=60)
    assert not got["errors"]
    assert got["clients"] == {pod: [OUTSIDE] for pod in WEB}


@pytest.mark.parametrize("pod,node", WEB.items())
def test_local_a_node_answers_with_its_own_endpoint_only(world, pod, node):
    local(world)
    with world.by(node):
        got = world.agent("outside").many(VIP_ADDR, n=20)
    assert got == {"pods": {pod: 20}, "clients": {pod: [OUTSIDE]}, "errors": {}}


def test_local_a_node_without_endpoints_drops_and_says_why(world):
    local(world)
    before = world.count("k8s-ctr", "no-local-backend")
    with world.by("k8s-ctr"):
        assert world.curl("outside", seconds=0.5) == FAILED
    assert world.count("k8s-ctr", "no-local-backend") > before


@pytest.mark.parametrize("where", ["k8s-ctr", "client"])
def test_local_is_for_those_outside_only(world, where):
    local(world)
    assert {pod for pod, _ in world.curls(where)} == set(WEB)


def test_internal_local_a_node_and_its_pods_get_their_own_endpoints_only(world):
    local(world, "internal")
    for addr in (VIP_ADDR, CLUSTER_IP):
        assert world.agent("k8s-w1").many(addr, n=20)["pods"] == {"webpod-w1": 20}
        assert world.curl("client", addr, seconds=0.5) == FAILED
    with world.by("k8s-ctr"):
        assert {pod for pod, _ in world.curls("outside")} == set(WEB)


def test_clusterip_from_outside_only_with_external_cluster_ip(world):
    world.edit("bgp-service.yaml", "- LoadBalancerIP", "- ClusterIP")
    world.wait_next_hops(CLUSTER_IP + "/32", NODES)
    for node in NODES:
        assert "non-routable" in world.frontend(node, CLUSTER_IP)["flags"]
    assert "non-routable" in world.heralds["k8s-ctr"].table("lb", "list")
    with world.by("k8s-w1", CLUSTER_IP):
        before = world.count("k8s-w1", "non-routable")
        assert world.curl("outside", CLUSTER_IP, seconds=0.5) == FAILED
        assert world.count("k8s-w1", "non-routable") > before
    try:
        for node in NODES:
            world.write_settings(node, externalClusterIP=True)
        world.wait_flag("non-routable", False, CLUSTER_IP)
        for node in NODES:
            with world.by(node, CLUSTER_IP):
                assert {pod for pod, _ in world.curls("outside", CLUSTER_IP)} == set(WEB)
        for where in ("k8s-ctr", "client"):
            assert world.curl(where, CLUSTER_IP) != FAILED
    finally:
        for node in NODES:
            world.write_settings(node)
        world.wait_flag("non-routable", True, CLUSTER_IP)


def test_an_endpoint_that_goes_away_gets_nothing_more(world):
    world.edit("webpod.yaml",
               "{addresses: [172.20.2.10], nodeName: k8s-w0, conditions: {ready: true",
               "{addresses: [172.20.2.10], nodeName: k8s-w0, conditions: {ready: false")
    for node in NODES:
        until(lambda n=node: [b["ip"] for b in world.frontend(n)["backends"]
                              if b["slots"]["external"]] == ["172.20.1.10"],
              what=lambda n=node: f"{n}: {world.frontend(n)}")
    for where in ("outside", "k8s-ctr", "client"):
        got = world.agent(where).many(VIP_ADDR, n=20)
        assert got["pods"] == {"webpod-w1": 20}, where
