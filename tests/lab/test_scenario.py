"""The reference scenario with its files unchanged: what the router, the nodes and the pods get."""
import filecmp
import os

import pytest

from herald_lab import until
from herald_lab.proc import RouteWatch
from herald_lab.topology import (FILES, NODES, PODS, REFERENCE, VIP, Scenario, http_get)
from herald_lab.wait import stays

CLUSTER_IP = "10.96.252.129/32"
CIDRS = {n: cidr for n, (_, _, cidr) in NODES.items()}
ADDR = {n: addr for n, (addr, _, _) in NODES.items()}


@pytest.fixture(scope="module")
def world(module_lab):
    s = Scenario(module_lab)
    s.start_router()
    s.start_heralds()
    return s.wait_converged()


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
    for h in world.heralds.values():
        if not h.daemon.running():
            h.start()
            changed = True
    if changed:
        world.wait_converged()


def test_the_router_has_each_podcidr_by_its_node(world):
    for node, cidr in CIDRS.items():
        assert world.router.next_hops(cidr, proto="bgp") == {ADDR[node]}


def test_the_vip_has_three_next_hops_under_cluster(world):
    assert world.router.next_hops(VIP, proto="bgp") == set(ADDR.values())


def test_the_vip_has_exactly_the_nodes_with_endpoints_under_local_and_no_session_resets(world):
    up = {n: h.peer("tor-switch")["uptimeSeconds"] for n, h in world.heralds.items()}
    world.traffic_policy("Local")
    world.wait_next_hops(VIP, ["k8s-w1", "k8s-w0"])
    stays(lambda: world.router.next_hops(VIP) == {ADDR["k8s-w1"], ADDR["k8s-w0"]}, 0.3)
    for node, h in world.heralds.items():
        assert h.peer("tor-switch")["uptimeSeconds"] >= up[node]
    world.traffic_policy("Cluster")
    world.wait_next_hops(VIP, NODES)


def test_the_clusterip_follows_the_internal_traffic_policy(world):
    assert not world.router.next_hops(CLUSTER_IP)
    world.edit("bgp-service.yaml", "- LoadBalancerIP", "- ClusterIP")
    world.wait_next_hops(CLUSTER_IP, NODES)
    world.wait_next_hops(VIP, [])
    world.traffic_policy("Local", which="internal")
    world.wait_next_hops(CLUSTER_IP, ["k8s-w1", "k8s-w0"])


def test_an_endpoint_that_goes_away_takes_its_node_out_under_local(world):
    world.traffic_policy("Local")
    world.wait_next_hops(VIP, ["k8s-w1", "k8s-w0"])
    world.edit("webpod.yaml",
               "{addresses: [172.20.2.10], nodeName: k8s-w0, conditions: {ready: true",
               "{addresses: [172.20.2.10], nodeName: k8s-w0, conditions: {ready: false")
    world.wait_next_hops(VIP, ["k8s-w1"])


def test_k8s_w0_peers_over_two_hops(world):
    p = world.heralds["k8s-w0"].peer("tor-switch")
    assert (p["state"], p["peerAddress"]) == ("established", "192.168.10.200")
    assert p["localASN"] == 65001 and p["peerASN"] == 65000
    assert world.frr.neighbor(ADDR["k8s-w0"])["hostLocal"] == "192.168.10.200"


def test_the_timers_and_graceful_restart_of_the_file_are_negotiated(world):
    for node, h in world.heralds.items():
        n = world.frr.neighbor(ADDR[node])
        assert n["bgpTimerHoldTimeMsecs"] == 9000
        gr = n["gracefulRestartInfo"]
        assert gr["timers"]["receivedRestartTimer"] == 15
        assert h.peer("tor-switch")["holdTimeSeconds"] == 9


def test_pods_on_different_nodes_talk_without_a_manual_route(world):
    for pod in ("webpod-w1", "webpod-w0"):
        body = until(lambda pod=pod: http_get(world.pods["client"], PODS[pod][1]))
        assert body == f"Hostname: {pod}\nRemoteAddr: {PODS['client'][1]}\n"


def test_learned_routes_are_in_the_nodes_kernel_with_a_protocol_of_our_own(world):
    for node, h in world.heralds.items():
        want = {c for n, c in CIDRS.items() if n != node} | {"10.10.1.0/24"}
        until(lambda w=want, x=h: {r["prefix"] for r in x.ctl("routes")["routes"]} == w,
              what=f"{node}: heraldctl routes shows {want}")
        kernel = {r["dst"]: r for r in world.ns[node].routes()}
        protos = {kernel[p]["protocol"] for p in want}
        assert len(protos) == 1 and protos.isdisjoint({"kernel", "boot", "static", "bgp", "zebra"})
        for r in h.ctl("routes")["routes"]:
            assert r["installed"] is True
            assert set(r["nexthops"]) == world.ns[node].next_hops(r["prefix"])


def test_no_node_has_a_route_to_its_own_podcidr_or_addresses_or_the_vip(world):
    for node in NODES:
        dsts = {r["dst"] for r in world.ns[node].routes() if r.get("protocol") != "kernel"}
        assert CIDRS[node] not in dsts
        assert ADDR[node] not in dsts
        assert VIP.removesuffix("/32") not in dsts


def refreshed(world, node):
    """Has FRR @node's routes, and none of them stale?"""
    return world.frr.established(ADDR[node]) and world.frr.paths(CIDRS[node]) and not any(
        p.get("stale") for x in (CIDRS[node], VIP) for p in world.frr.paths(x))


def test_a_killed_and_restarted_herald_costs_no_route_anywhere(world):
    h = world.heralds["k8s-w1"]
    router, node = RouteWatch(world.lab, world.router), RouteWatch(world.lab, world.ns["k8s-w1"])
    h.kill()
    until(lambda: not world.frr.established(ADDR["k8s-w1"]), what="FRR seeing the session go")
    until(lambda: any(p.get("stale") for p in world.frr.paths(CIDRS["k8s-w1"])), what="stale")
    assert world.router.next_hops(VIP) == set(ADDR.values())
    assert "webpod-w1" in http_get(world.pods["client"], PODS["webpod-w1"][1])
    h.start()
    until(lambda: world.frr.established(ADDR["k8s-w1"]), 15, "the session back")
    until(lambda: refreshed(world, "k8s-w1"), 15, "refreshed")
    until(lambda: all(r["origin"] == "bgp-learned" for r in h.ctl("routes")["routes"]), 15,
          "the kernel's routes confirmed")
    for watch, prefixes in ((router, [CIDRS["k8s-w1"], VIP]),
                            (node, [CIDRS["k8s-ctr"], CIDRS["k8s-w0"], "10.10.1.0/24"])):
        assert not [line for p in prefixes for line in watch.lost(p)]
        watch.stop()


def test_a_graceful_stop_and_start_costs_no_route_anywhere(world):
    h = world.heralds["k8s-w0"]
    router, node = RouteWatch(world.lab, world.router), RouteWatch(world.lab, world.ns["k8s-w0"])
    assert h.stop() == 0
    until(lambda: any(p.get("stale") for p in world.frr.paths(CIDRS["k8s-w0"])), what="stale")
    assert world.ns["k8s-w0"].next_hops(CIDRS["k8s-ctr"])
    h.start()
    until(lambda: refreshed(world, "k8s-w0"), 15, "refreshed")
    for watch, prefixes in ((router, [CIDRS["k8s-w0"], VIP]),
                            (node, [CIDRS["k8s-ctr"], CIDRS["k8s-w1"], "10.10.1.0/24"])):
        assert not [line for p in prefixes for line in watch.lost(p)]
        watch.stop()


def test_shutdown_withdraws_and_the_other_nodes_kernels_follow(world):
    h = world.heralds["k8s-w0"]
    h.ctl("shutdown")
    h.daemon.wait(10)
    world.wait_next_hops(CIDRS["k8s-w0"], [])
    world.wait_next_hops(VIP, ["k8s-ctr", "k8s-w1"])
    for node in ("k8s-ctr", "k8s-w1"):
        until(lambda n=node: not world.ns[n].next_hops(CIDRS["k8s-w0"]),
              what=f"{node}: the route to w0's pods gone")
        assert world.ns[node].next_hops("10.10.1.0/24")


def test_routes_are_back_after_the_router_restarts(world):
    world.frr.stop_bgpd()
    until(lambda: all(h.peer("tor-switch")["state"] != "established"
                      for h in world.heralds.values()), what="sessions down")
    world.frr.start_bgpd()
    world.wait_converged(30)
    for node in NODES:
        for other, cidr in CIDRS.items():
            if other != node:
                until(lambda n=node, c=cidr: world.ns[n].next_hops(c), 20, f"{node}: {cidr} back")


def test_the_pool_gave_its_first_address_and_has_253_left(world):
    for h in world.heralds.values():
        pool, = h.ctl("ippools")["pools"]
        assert (pool["name"], pool["total"], pool["available"]) == ("cilium-pool", 254, 253)
        assert [(a["address"], a["owner"], a["pool"]) for a in h.ctl("ipam")["allocations"]] == [
            ("172.16.1.1", "default/webpod", "cilium-pool")]
