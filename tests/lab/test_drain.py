"""`heraldctl drain`: a node goes out of the way of what comes from outside, and comes back, without
a session reset."""
import json
import signal

import pytest

from herald_lab import until
from herald_lab.topology import NODES, VIP, Scenario
from herald_lab.wait import stays

VIP_ADDR = VIP.removesuffix("/32")
ADDR = {n: addr for n, (addr, _, _) in NODES.items()}
CIDRS = {n: cidr for n, (_, _, cidr) in NODES.items()}
NODE = "k8s-w1"
SHUT = "graceful-shutdown"  # 65535:0, as FRR writes it


@pytest.fixture(scope="module")
def world(module_lab):
    s = Scenario(module_lab)
    s.start_router()
    s.start_heralds()
    s.wait_converged()
    return s


@pytest.fixture(autouse=True)
def as_it_was(world):
    yield
    if not world.heralds[NODE].daemon.running():
        world.heralds[NODE].start()
    world.heralds[NODE].ctl("undrain")
    until(lambda: world.router.next_hops(VIP) == set(ADDR.values()), 20, "every node is back")


def told(world, prefix):
    """Communities of the path by NODE, "" for none; LookupError without one."""
    path = [p for p in world.frr.paths(prefix) if p["nexthops"][0]["ip"] == ADDR[NODE]][0]
    return path.get("community", {}).get("string", "")


def test_peers_are_asked_to_leave_then_services_are_withdrawn(world):
    herald = world.heralds[NODE]
    up = herald.peer("tor-switch")["uptimeSeconds"]
    until(lambda: SHUT not in told(world, VIP), 10, "it is there, and nothing is said")
    herald.ctl("drain", "--wait", "3600")
    until(lambda: SHUT in told(world, VIP) and SHUT in told(world, CIDRS[NODE]), 10,
          lambda: f"both say {SHUT}: {world.frr.paths(VIP)}")
    herald.ctl("drain", "--wait", "0")
    until(lambda: world.router.next_hops(VIP) == set(ADDR.values()) - {ADDR[NODE]}, 10,
          "the router goes by the others")
    stays(lambda: world.router.next_hops(CIDRS[NODE]) == {ADDR[NODE]}, 0.5,
          "its pods are reached")
    assert herald.peer("tor-switch")["uptimeSeconds"] >= up
    herald.ctl("undrain")
    until(lambda: SHUT not in told(world, VIP) and SHUT not in told(world, CIDRS[NODE]), 10,
          "nothing is said of it any more")
    assert herald.peer("tor-switch")["uptimeSeconds"] >= up


def drain(world):
    return world.heralds[NODE].ctl("status").get("drain")


def wait_withdrawn(world):
    until(lambda: world.router.next_hops(VIP) == set(ADDR.values()) - {ADDR[NODE]}, 20,
          "the router goes by the others")


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGKILL], ids=["sigterm", "sigkill"])
def test_a_restart_of_the_daemon_changes_nothing(world, sig):
    herald = world.heralds[NODE]
    herald.ctl("drain", "--wait", "0")
    wait_withdrawn(world)
    herald.stop(sig)
    herald.start()
    herald.wait_established()
    until(lambda: world.router.next_hops(CIDRS[NODE]) == {ADDR[NODE]}, 20, "its pods are reached")
    assert drain(world)["state"] == "withdrawn" and drain(world)["by"] == ["person"]
    stays(lambda: ADDR[NODE] not in world.router.next_hops(VIP), 0.5, "the VIP is not announced")


def config(world, **drain):
    """The node's own HeraldConfig with this `drain`."""
    h = world.heralds[NODE]
    world.write_settings(NODE)
    with open(f"{h.conf}/herald.yaml", encoding="utf-8") as f:
        text = f.read()
    h.write("herald.yaml", text + f"  drain: {json.dumps(drain)}\n")


LINE = "podCIDRs: [172.20.1.0/24]"
CAUSES = {
    "cordon": ("spec.unschedulable", (LINE, LINE + ", unschedulable: true"), {"onCordon": True}),
    "out-of-service": ("spec.taints", (
        LINE, LINE + ", taints: [{key: node.kubernetes.io/out-of-service, effect: NoExecute}]"),
        {}),
    "exclude-label": ("metadata.labels", (
        "{kubernetes.io/hostname: k8s-w1",
        '{node.kubernetes.io/exclude-from-external-load-balancers: "", '
        "kubernetes.io/hostname: k8s-w1"), {}),
}


@pytest.mark.parametrize("cause", CAUSES)
def test_what_the_node_document_says(world, cause):
    """Asked to leave first, then withdrawn; back by itself; said everywhere why."""
    herald, (field, (old, new), allow) = world.heralds[NODE], CAUSES[cause]
    up = herald.peer("tor-switch")["uptimeSeconds"]
    config(world, waitSeconds=3600, **allow)
    try:
        world.edit("nodes.yaml", old, new)
        until(lambda: SHUT in told(world, VIP), 20, lambda: f"asked to leave: {drain(world)}")
        assert drain(world)["state"] == "draining" and drain(world)["by"] == [cause]
        assert drain(world)["secondsLeft"] > 3000
        herald.ctl("undrain")
        assert drain(world), "a person has no say in it"
        config(world, waitSeconds=0, **allow)
        world.edit("nodes.yaml", new, old)
        until(lambda: not drain(world) and SHUT not in told(world, VIP), 20, "the cause is gone")
        world.edit("nodes.yaml", old, new)
        wait_withdrawn(world)
        assert world.router.next_hops(CIDRS[NODE]) == {ADDR[NODE]}
        if cause == "exclude-label":  # it says nothing of the node's pods
            until(lambda: SHUT not in told(world, CIDRS[NODE]), 10, "pods are as good as any")
        else:
            until(lambda: SHUT in told(world, CIDRS[NODE]), 10, "and so are the pods")
        steps = herald.ctl("explain", "service", "default/webpod")["steps"]
        step = next(s for s in steps if s["reason"] == "draining")
        assert step["field"] == field, step
    finally:
        with open(f"{world.reference}/nodes.yaml", encoding="utf-8") as f:
            if new in f.read():
                world.edit("nodes.yaml", new, old)
        world.write_settings(NODE)
    until(lambda: world.router.next_hops(VIP) == set(ADDR.values()), 20, "it is back by itself")
    assert herald.peer("tor-switch")["uptimeSeconds"] >= up


@pytest.mark.parametrize("words", (["drain", "now"], ["drain", "--wait", "-1"],
                                   ["drain", "--wait", "3601"], ["drain", "--wait"]))
def test_what_is_wrong_is_said(world, words):
    done = world.heralds[NODE].run_ctl(*words)
    assert done.returncode in (1, 2) and "usage" in done.stderr
