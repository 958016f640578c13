"""One address, two Services, as packets see it: each port goes to its own, and when one of them goes
the other is carried on."""
import pytest

from herald_lab import herald as h
from herald_lab import until
from herald_lab.plant import backends, wait_loaded
from herald_lab.topology import NODES, PODS, VIP, Scenario, http_get

VIP_ADDR = VIP.removesuffix("/32")
W0, W1 = PODS["webpod-w0"][1], PODS["webpod-w1"][1]
SHARED = {"lbipam.cilium.io/ips": VIP_ADDR, "lbipam.cilium.io/sharing-key": "web"}


def put(world, *names):
    """Services of this name, port and endpoint on the scenario's address, in place of its webpod."""
    docs = []
    for name, port, pod, node in names:
        docs.append(h.service(name, ports=[{"name": "http", "port": port, "targetPort": 80}],
                              annotations=SHARED, labels={"app": "webpod"}))
        slices = h.endpoints(name, (pod, node), port=80)
        slices["ports"][0]["name"] = "http"
        docs.append(slices)
    for d in world.heralds.values():
        d.write("60-shared.yaml", *docs)


@pytest.fixture
def world(lab):
    s = Scenario(lab, datapath=True)
    s.edit("webpod.yaml", "type: LoadBalancer", "type: ClusterIP")
    s.start_router()
    s.start_heralds()
    for node in NODES:
        wait_loaded(s.heralds[node])
    return s


def carried(world, port):
    return {n: backends(d, VIP_ADDR, port) for n, d in world.heralds.items()}


def wait_carried(world, port, *want):
    until(lambda: all(x == list(want) for x in carried(world, port).values()), 20,
          lambda: f"{port} to {want}: {carried(world, port)}")


def pod_of(world, port):
    return http_get(world.outside, VIP_ADDR, port).split()[1]


def test_each_port_goes_to_its_own_service_and_outlives_the_other(world):
    first = ("web", 80, W0, "k8s-w0"), ("web-alt", 8080, W1, "k8s-w1")
    put(world, *first)
    world.wait_next_hops(VIP, NODES, 20)
    wait_carried(world, 80, W0)
    wait_carried(world, 8080, W1)
    until(lambda: world.ns["k8s-ctr"].next_hops("172.20.1.0/24")
          and world.ns["k8s-ctr"].next_hops("172.20.2.0/24"), what="routes to the pods")
    for _ in range(6):
        assert (pod_of(world, 80), pod_of(world, 8080)) == ("webpod-w0", "webpod-w1")
    put(world, first[1])
    wait_carried(world, 80)
    assert pod_of(world, 8080) == "webpod-w1"
    with pytest.raises(OSError):
        http_get(world.outside, VIP_ADDR, 80)
    assert world.router.next_hops(VIP) == {addr for addr, _, _ in NODES.values()}
    put(world, first[1], ("late", 443, W0, "k8s-w0"))
    wait_carried(world, 443, W0)
    assert (pod_of(world, 443), pod_of(world, 8080)) == ("webpod-w0", "webpod-w1")
    put(world)
    world.wait_next_hops(VIP, [])
