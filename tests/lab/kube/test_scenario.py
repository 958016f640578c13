"""The reference scenario from `kubectl apply` of its unchanged files: three Heralds and FRR, with
all they know from a real API server, and what `kubectl` shows of it."""
import json

import pytest

from herald_lab import until
from herald_lab.herald import doc
from herald_lab.kube import NAMESPACE
from herald_lab.kubescene import KubeScenario, leader, wait_synced
from herald_lab.load import Load
from herald_lab.plant import frontend, wait_loaded
from herald_lab.proc import RouteWatch
from herald_lab.topology import NODES, PODS, VIP, http_get
from herald_lab.wait import stays

POOLS = "ippools"  # Cilium's short name for them
VIP_ADDR = VIP.removesuffix("/32")
ADDR = {n: addr for n, (addr, _, _) in NODES.items()}
CIDRS = {n: cidr for n, (_, _, cidr) in NODES.items()}
WEB = {PODS[p][1] for p in ("webpod-w1", "webpod-w0")}


@pytest.fixture(scope="module")
def world(module_lab):
    s = KubeScenario(module_lab, datapath=True).start_kube()
    s.apply_files()
    s.start_router()
    s.start_heralds()
    s.wait_converged(40)
    for node in NODES:
        wait_loaded(s.heralds[node])
        until(lambda n=node: {b["ip"] for b in frontend(s.heralds[n], VIP_ADDR)["backends"]} == WEB,
              20, f"{node}: the maps hold webpod")
    return s


@pytest.fixture(autouse=True)
def as_it_was(world):
    yield
    if not world.kube.server.running():
        world.kube.start_server()
    for h in world.heralds.values():
        if not h.daemon.running():
            h.start()
    world.reset()


def read_text(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def service(world, name="webpod"):
    return world.kube.api().get("Service", name)


def row(world, *args):
    name = args[-1]
    return next(r for r in world.kube.rows(*args[:-1]) if r["NAME"] == name)


def document(name, port):
    return doc("Service", name, {"type": "LoadBalancer", "ports": [{"port": port}]}, "v1",
               "default", {"app": "webpod"})


def taking(herald):
    """Who gets new flows to the address; one that is not ready keeps those that it has."""
    return {b["ip"] for b in frontend(herald, VIP_ADDR)["backends"] if b["state"] == "active"}


def endpoints(world, *ready):
    """The slice with only these pods ready, as a controller would write it after a scaling."""
    made = world.kube.api().get("EndpointSlice", "webpod-2zb7b")
    for e in made["endpoints"]:
        e["conditions"] = {"ready": e["addresses"][0] in ready}
    world.kube.api().merge("EndpointSlice", "webpod-2zb7b", {"endpoints": made["endpoints"]})


def test_the_router_has_every_podcidr_and_the_vip_by_all_nodes(world):
    for node, cidr in CIDRS.items():
        assert world.router.next_hops(cidr, proto="bgp") == {ADDR[node]}
    assert world.router.next_hops(VIP, proto="bgp") == set(ADDR.values())
    assert "Hostname: webpod-" in http_get(world.outside, VIP_ADDR)


def test_kubectl_get_svc_shows_the_address(world):
    shown = until(lambda: (r := row(world, "svc", "webpod"))["EXTERNAL-IP"] == VIP_ADDR and r,
                  what=lambda: world.kube.kubectl("get", "svc"))
    assert shown["TYPE"] == "LoadBalancer"


def test_kubectl_get_shows_the_pool_by_the_columns(world):
    shown = until(lambda: (r := row(world, POOLS, "cilium-pool"))["IPS AVAILABLE"] and r,
                  what=lambda: world.kube.kubectl("get", POOLS))
    assert shown["CONFLICTING"] == "False" and shown["IPS AVAILABLE"] == "253"


def test_an_event_tells_what_became_of_the_service(world):
    def told():
        return [e for e in world.kube.api().list("Event")["items"]
                if (e.get("regarding") or e.get("involvedObject"))["name"] == "webpod"]
    assert until(told, what="an event about webpod")
    assert VIP_ADDR in world.kube.kubectl("describe", "svc", "webpod").split("Events:")[1]


def test_each_node_reports_its_sessions(world):
    def told(node):
        return world.kube.api().get("BGPNodeStatus", node)["status"]
    for node in NODES:
        until(lambda n=node: "established" in json.dumps(told(n)).lower(), 20,
              lambda n=node: f"{n}'s status: {told(n)}")


def test_one_node_leads_and_every_node_lives(world):
    assert leader(world.kube) in NODES
    names = {le["metadata"]["name"] for le in world.kube.api().list("Lease", NAMESPACE)["items"]}
    assert {f"herald-node-{n}" for n in NODES} <= names


def test_local_leaves_the_nodes_with_endpoints_and_resets_no_session(world):
    up = {n: h.peer("tor-switch")["uptimeSeconds"] for n, h in world.heralds.items()}
    world.traffic_policy("Local")
    world.wait_next_hops(VIP, ["k8s-w1", "k8s-w0"])
    for node, h in world.heralds.items():
        assert h.peer("tor-switch")["uptimeSeconds"] >= up[node]


def test_scaling_moves_the_address_under_local(world):
    world.traffic_policy("Local")
    world.wait_next_hops(VIP, ["k8s-w1", "k8s-w0"])
    endpoints(world, PODS["webpod-w1"][1])
    world.wait_next_hops(VIP, ["k8s-w1"])
    endpoints(world, *WEB)
    world.wait_next_hops(VIP, ["k8s-w1", "k8s-w0"])


def test_scaling_is_in_the_datapath_of_every_node(world):
    endpoints(world, PODS["webpod-w0"][1])
    for node, h in world.heralds.items():
        until(lambda h=h: taking(h) == {PODS["webpod-w0"][1]},
              what=lambda n=node, h=h: f"{n}: one backend takes new flows: {frontend(h, VIP_ADDR)}")


def test_a_deleted_service_is_gone_and_comes_back_with_its_address(world):
    world.kube.kubectl("delete", "svc", "webpod")
    world.wait_next_hops(VIP, [])
    until(lambda: row(world, POOLS, "cilium-pool")["IPS AVAILABLE"] == "254",
          what="the pool has it back")
    world.reset()
    until(lambda: world.kube.api().ingress("webpod") == [VIP_ADDR], what="the status tells it")


def test_a_service_that_is_no_load_balancer_any_more_gives_its_address_back(world):
    world.kube.api().merge("Service", "webpod", {"spec": {
        "type": "ClusterIP", "externalTrafficPolicy": None, "allocateLoadBalancerNodePorts": None}})
    world.wait_next_hops(VIP, [])
    until(lambda: not world.kube.api().ingress("webpod"), what="the status empty")
    world.kube.api().merge("Service", "webpod", {"spec": {
        "type": "LoadBalancer", "externalTrafficPolicy": "Cluster"}})
    world.wait_next_hops(VIP, NODES)


def test_other_ports_keep_the_address(world):
    watch = RouteWatch(world.lab, world.router)
    world.kube.api().merge("Service", "webpod", {"spec": {"ports": [
        {"port": 8080, "targetPort": 80, "protocol": "TCP"}]}})
    until(lambda: "webpod" in http_get(world.outside, VIP_ADDR, 8080), what="served at 8080")
    assert world.kube.api().ingress("webpod") == [VIP_ADDR] and not watch.lost(VIP)
    watch.stop()


def test_a_restarted_herald_renumbers_nobody_and_costs_no_route(world):
    watch = RouteWatch(world.lab, world.router)
    h = world.heralds["k8s-w1"]
    h.kill()
    h.start()
    until(lambda: world.frr.established(ADDR["k8s-w1"]) and not any(
        p.get("stale") for p in world.frr.paths(VIP)), 20,
          lambda: f"the session back and refreshed: {world.frr.neighbor(ADDR['k8s-w0'])}, "
                  f"{world.frr.paths(VIP)}\n{h.daemon.text()[-6000:]}")
    wait_synced(h)
    assert world.kube.api().ingress("webpod") == [VIP_ADDR]
    assert not watch.lost(VIP) and not watch.lost(CIDRS["k8s-w1"])
    watch.stop()


def test_a_leader_that_dies_is_followed_by_one_that_renumbers_nobody(world):
    first = until(lambda: leader(world.kube), 30, "a leader")
    world.heralds[first].kill()
    other = until(lambda: (now := leader(world.kube)) not in ("", first) and now, 40,
                  lambda: f"another leader than {first}: {leader(world.kube)}")
    world.kube.api().create(document("late", 81))
    got = until(lambda: world.kube.api().ingress("late"), 20,
                lambda: f"an address from {other}:\n{world.heralds[other].daemon.text()[-3000:]}")
    assert got != [VIP_ADDR] and world.kube.api().ingress("webpod") == [VIP_ADDR]
    world.heralds[first].start()
    wait_synced(world.heralds[first])
    stays(lambda: world.kube.api().ingress("late") == got, 0.5)
    assert world.kube.api().ingress("webpod") == [VIP_ADDR]
    world.kube.api().delete("Service", "late")


def test_a_leader_that_stops_hands_over_at_once(world):
    first = until(lambda: leader(world.kube), 30, "a leader")
    assert world.heralds[first].stop() == 0
    until(lambda: leader(world.kube) not in ("", first), 10, "another leader")


def test_no_packet_is_lost_while_the_api_server_is_away(world):
    """Killed, for as long as clients ask 500 times more; then it comes back, and all catch up."""
    def knows(herald):
        return "later" in {s["name"] for s in herald.ctl("service", "list")["services"]}
    streams = [{"addr": VIP_ADDR, "mode": "close", "workers": 2},
               {"addr": VIP_ADDR, "mode": "keep", "workers": 2}]
    watch = RouteWatch(world.lab, world.router)
    with Load(world.lab, world.outside, *streams, timeout=5) as load:
        load.wait_more(200)
        world.kube.kill()
        load.wait_more(500, 60)
        assert world.router.next_hops(VIP) == set(ADDR.values())
        world.kube.start_server()
        world.kube.api().create(document("later", 81))
        for node, h in world.heralds.items():
            until(lambda h=h: knows(h), 40, f"{node}: has caught up")
        told = load.wait_more(200)
    world.kube.api().delete("Service", "later")
    assert not told["failed"], told["failures"][:5]
    assert not watch.lost(VIP)
    watch.stop()


def test_a_herald_that_starts_while_the_api_is_away_announces_what_it_knew(world):
    h = world.heralds["k8s-w0"]
    watch = RouteWatch(world.lab, world.router)
    until(lambda: '"webpod"' in read_text(f"{h.state}/kubernetes.json"), 5,
          "what it knows is on disk")
    world.kube.kill()
    h.kill()
    h.start()
    until(lambda: world.frr.established(ADDR["k8s-w0"]) and not any(
        p.get("stale") for p in world.frr.paths(VIP)), 20,
          lambda: f"the session back and refreshed: {world.frr.neighbor(ADDR['k8s-w0'])}, "
                  f"{world.frr.paths(VIP)}\n{h.daemon.text()[-6000:]}")
    assert world.router.next_hops(VIP) == set(ADDR.values())
    assert "webpod" in http_get(world.outside, VIP_ADDR)
    world.kube.start_server()
    wait_synced(h, 40)
    stays(lambda: world.router.next_hops(VIP) == set(ADDR.values()), 0.5)
    assert not watch.lost(VIP) and not watch.lost(CIDRS["k8s-w0"])
    watch.stop()
