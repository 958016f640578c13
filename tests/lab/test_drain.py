"""`heraldctl drain`: a node goes out of the way of what comes from outside, and comes back, without
a session reset."""
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


@pytest.mark.parametrize("words", (["drain", "now"], ["drain", "--wait", "-1"],
                                   ["drain", "--wait", "3601"], ["drain", "--wait"]))
def test_what_is_wrong_is_said(world, words):
    done = world.heralds[NODE].run_ctl(*words)
    assert done.returncode in (1, 2) and "usage" in done.stderr
