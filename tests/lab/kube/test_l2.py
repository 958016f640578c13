"""Layer 2 announcements with a real API server: a Lease for each node, the API away or cut off, and
the scenario's l2-policy.yaml as it is."""
import pytest

from herald_lab import until
from herald_lab.kube import NAMESPACE, Kube
from herald_lab.kubescene import KubeScenario, account, source, wait_synced
from herald_lab.lan import API
from herald_lab.lanscene import LanScene, not_on, policy
from herald_lab.netns import link
from herald_lab.topology import NODES, REFERENCE
from herald_lab.wait import stays

BOTH_MS = 2000


class KubeLan(LanScene):
    """All that a node knows is in the API, which is reached by a network of its own."""

    def __init__(self, lab, nodes=3, pairs=2, **kw):
        self.waiting = {}
        super().__init__(lab, nodes, pairs, api=True, **kw)
        self.kube = Kube(lab, self.api, API).start()
        self.config = account(self.kube)
        for docs in self.waiting.values():
            for d in docs:
                self.kube.api().ensure(d)

    def write(self, name, *documents):
        """To the API in place of a file."""
        if "kube" not in vars(self):
            self.waiting[name] = documents
            return
        for d in documents:
            self.kube.api().ensure(d)

    def settings(self, name, **spec):
        super().settings(name, sources=source(self.config), **spec)

    def start(self, *names):
        super().start(*names)
        for name in names or self.names:
            wait_synced(self.heralds[name])
        return self


@pytest.fixture(scope="module")
def world(module_lab):
    w = KubeLan(module_lab).start().measure()
    settled(w)
    return w


@pytest.fixture(autouse=True)
def as_it_was(request):
    world = request.node.funcargs.get("world")
    if not isinstance(world, KubeLan):
        yield
        return
    settled(world)
    world.reset()
    yield
    world.heal()
    if not world.kube.server.running():
        world.kube.start_server()
    for name, d in world.heralds.items():
        if not d.daemon.running():
            world.boot(name)
        wait_synced(d, 60)
    world.policy()


def settled(world):
    world.wait_owned()
    world.wait_agreed()
    world.wait_answered()


def most(world):
    name = max(world.names, key=lambda n: len(world.held_by(n)))
    return name, world.held_by(name)


def never_two(world):
    told = world.watcher.told()
    assert told["split_ms"] < BOTH_MS, told


def rest(world, name):
    return [n for n in world.names if n != name]


def test_a_lease_for_each_node_and_none_for_an_address(world):
    names = {le["metadata"]["name"] for le in world.kube.api().list("Lease", NAMESPACE)["items"]}
    assert {f"herald-node-{n}" for n in world.names} <= names
    assert not [n for n in names if "web" in n or "six" in n or "l2" in n]


def test_a_host_dies(world):
    name, held = most(world)
    world.die(name)
    world.wait_owned(rest(world, name), 20, held)
    world.wait_agreed(*rest(world, name))
    never_two(world)


def test_a_policy_in_the_api(world):
    name, held = most(world)
    world.kube.api().ensure(policy(nodeSelector=not_on(name)))
    world.wait_owned(rest(world, name), 20, held)
    world.wait_agreed()
    assert world.client_load.told()["lost"] == 0
    never_two(world)


def test_owners_go_on_while_the_api_is_away(world):
    before = world.owners()
    world.kube.kill()
    # longer than a Lease is good for
    stays(lambda: world.owners() == before, 20, "the owners")
    assert world.client_load.told()["lost"] == 0
    # and a host that dies meanwhile is missed all the same
    name, held = most(world)
    world.die(name)
    world.wait_owned(rest(world, name), 20, held)
    world.wait_answered()
    never_two(world)


def test_a_node_that_is_cut_off_from_the_api_alone_keeps_what_it_has(world):
    name, held = most(world)
    world.cut_api(name)
    stays(lambda: world.held_by(name) == held, 20, "its addresses")
    assert world.client_load.told()["lost"] == 0
    never_two(world)


def test_a_node_that_is_cut_off_from_all_stops_answering(world):
    name, held = most(world)
    world.isolate(name)
    world.cut_api(name)
    world.wait_owned(rest(world, name), 20, held)
    never_two(world)
    world.heal()
    settled(world)
    never_two(world)


def test_nodes_that_were_all_apart_agree_again(world):
    """All links between them are cut, while the API answers each of them; and whole again."""
    for name in world.names:
        world.isolate(name)
    until(lambda: min(e["asked"] for e in world.watcher.told()["addrs"].values()) > 250, 120,
          "questions")
    never_two(world)
    world.heal()
    settled(world)
    world.reset()
    until(lambda: min(e["asked"] for e in world.watcher.told()["addrs"].values()) > 100, 60,
          "questions")
    assert world.watcher.told()["split_ms"] == 0


# ---- the scenario ----

class Policy(KubeScenario):
    """The reference scenario without BGP: its l2-policy.yaml, pod network by hand."""

    def __init__(self, lab):
        super().__init__(lab, datapath=True)
        r = self.router
        for node, (addr, gateway, cidr) in NODES.items():
            self.ns[node].ip(*(f"route add {c} via {a if a[:11] == addr[:11] else gateway}"
                               for n, (a, _, c) in NODES.items() if n != node))
            r.ip(f"route add {cidr} via {addr}")
        self.lan = lab.netns("lan")
        link(self.lan, "eth0", r, "port-lan")
        r.ip("link set port-lan master eth1")
        self.lan.addr("eth0", "192.168.10.9/24")


def test_the_scenario(lab):
    """`kubectl apply` of the files as they are: one of the two answers, k8s-w0 never does."""
    s = Policy(lab).start_kube()
    s.kube.apply(*(f"{REFERENCE}/{f}" for f in ("nodes.yaml", "webpod.yaml", "l2-policy.yaml")))
    s.start_heralds()

    def rows(node):
        return [r for r in s.heralds[node].ctl("l2")["announcements"]
                if r["ip"].startswith("192.168.10.21")]

    def answering():
        return {(n, r["ip"]) for n in NODES for r in rows(n) if r["answering"]}
    until(lambda: len(answering()) == 1, 60, lambda: f"one answers: {[rows(n) for n in NODES]}")
    (holder, addr), = answering()
    assert holder in ("k8s-ctr", "k8s-w1")
    out = s.lan.run("arping", "-c", "3", "-b", "-I", "eth0", addr)
    assert out.count("bytes from") + out.count("reply from") >= 1
    # whoever goes, k8s-w0 is no answer
    s.heralds[holder].ctl("drain")
    until(lambda: {n for n, _ in answering()} == {"k8s-ctr", "k8s-w1"} - {holder}, 30,
          lambda: f"the other answers: {[rows(n) for n in NODES]}")
    other, = ({"k8s-ctr", "k8s-w1"} - {holder})
    s.heralds[other].ctl("drain")
    stays(lambda: "k8s-w0" not in {n for n, _ in answering()}, 3)
