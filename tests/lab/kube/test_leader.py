"""Who gives addresses: one node at a time, whichever; a new one renumbers nobody, and all show the
same."""
import os
import signal

import pytest

from herald_lab import herald as h
from herald_lab import until
from herald_lab.kube import NAMESPACE
from herald_lab.kubescene import KubePair, account, leader, source, wait_synced, withdrawn
from herald_lab.wait import stays


@pytest.fixture()
def three(lab):
    """Three daemons and their API server; n1 has a peer."""
    p = KubePair(lab).start_kube()
    p.put(*p.documents(), h.node("n2", ["10.1.1.0/24"], ["10.0.0.3"]),
          h.node("n3", ["10.1.2.0/24"], ["10.0.0.4"]))
    p.peer = p.speaker().serve()
    config = account(p.kube)
    p.all = {"n1": p.herald}
    for name in ("n2", "n3"):
        p.all[name] = h.Herald(lab, p.other, name)
    for one in p.all.values():
        one.write("herald.yaml", one.settings(sources=source(config), bgp={"listen": []},
                                              metrics={"listen": ""}))
        one.start()
    for one in p.all.values():
        wait_synced(one)
    return p


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def shown(one):
    """What `ipam` and `ippools` say, but for ages."""
    ipam, pools = one.ctl("ipam"), one.ctl("ippools")
    ipam.pop("pods")  # how full its own ranges are, each node knows alone
    for p in pools["pools"]:
        p.pop("ageSeconds")
    return ipam, pools


def wait_leader(p, other_than=None):
    return until(lambda: leader(p.kube) not in ("", other_than) and leader(p.kube), 20,
                 what="a leader")


def wait_same(p, nodes, nr):
    def same():
        said = [shown(p.all[n]) for n in nodes]
        return len(said[0][0]["allocations"]) == nr and all(s == said[0] for s in said)
    until(same, 15, lambda: f"the same on all: {[shown(p.all[n]) for n in nodes]}")


def addresses(p):
    return {d["metadata"]["name"]: p.kube.api().ingress(d["metadata"]["name"])
            for d in p.kube.api().list("Service", "default")["items"]
            if d["spec"].get("type") == "LoadBalancer"}


def test_the_leader_goes_and_nobody_is_renumbered(three):
    first = wait_leader(three)
    for i in range(20):
        three.web(f"s{i}")
    until(lambda: all(addresses(three).values()) and len(addresses(three)) == 20, what="addresses")
    wait_same(three, three.all, 20)
    before = addresses(three)
    assert len({a[0] for a in before.values()}) == 20

    # killed: another one leads when the Lease is over
    three.all[first].kill()
    second = wait_leader(three, first)
    rest = [n for n in three.all if n != first]
    three.web("later")
    three_later = until(lambda: three.kube.api().ingress("later"), 20, what="an address")
    assert addresses(three) == {**before, "later": three_later}
    wait_same(three, rest, 21)
    status = three.all[second].ctl("status")["kubernetes"]
    assert status["leading"] and status["leader"] == second

    # stopped: it gives the Lease back, and the next has it within a step
    three.all[second].stop(signal.SIGTERM)
    third = wait_leader(three, second)
    assert third not in (first, second)
    assert addresses(three) == {**before, "later": three_later}
    wait_same(three, [third], 21)
    assert not [m for m in three.all[third].daemon.text().split("\n") if "level=error" in m]


def test_one_who_is_cut_off_gives_nothing(three):
    """The API server stops: nobody leads, nothing is given, nothing goes; it comes back."""
    wait_leader(three)
    three.web("a")
    until(lambda: three.kube.api().ingress("a"), what="an address")
    wait_same(three, three.all, 1)
    three.kube.server.send_signal(signal.SIGSTOP)
    try:
        until(lambda: not any(o.ctl("status")["kubernetes"]["leading"]
                              for o in three.all.values()), 15, "nobody leads")
        stays(lambda: all(len(o.ctl("ipam")["allocations"]) == 1 for o in three.all.values()), 2)
    finally:
        three.kube.server.send_signal(signal.SIGCONT)
    three.web("b")
    until(lambda: three.kube.api().ingress("b"), 30, what="an address")
    wait_same(three, three.all, 2)


def test_each_node_says_that_it_lives_and_how_its_sessions_are(three):
    api = three.kube.api()
    three.herald.wait_established()
    for name in three.all:
        until(lambda n=name: (api.find("Lease", f"herald-node-{n}", NAMESPACE) or {})
              .get("spec", {}).get("holderIdentity") == name, what="its Lease")
    node = until(lambda: [d for d in [api.find("BGPNodeStatus", "n1")]
                          if d and d.get("status", {}).get("establishedCount") == 1], 20,
                 what="the state of n1's sessions")[0]
    peer = node["status"]["peers"][0]
    assert peer["state"] == "established" and peer["peerASN"] == 65000
    assert node["metadata"]["ownerReferences"][0]["name"] == "n1"
    until(lambda: [e["reason"] for e in api.list("Event")["items"]
                   if e["involvedObject"]["name"] == "n1"] == ["BGPPeerEstablished"],
          what="an Event about it")
    version = node["metadata"]["resourceVersion"]
    stays(lambda: api.get("BGPNodeStatus", "n1")["metadata"]["resourceVersion"] == version, 8)


def test_a_start_without_the_api(three):
    """A daemon that comes up while the server is away waits for it, and is told of nothing lost."""
    three.web("a")
    until(lambda: three.kube.api().ingress("a"), what="an address")
    before = addresses(three)
    three.all["n2"].stop()
    three.kube.kill()
    three.all["n2"].start()
    status = three.all["n2"].ctl("status")
    sources = {s["name"]: s for s in status["sources"]}
    assert not sources["kubernetes"]["synced"]
    until(lambda: {s["name"]: s for s in three.all["n2"].ctl("status")["sources"]}
          ["kubernetes"]["error"], 15, what="why it is not in sync")
    three.kube.start_server()
    wait_synced(three.all["n2"], 40)
    wait_same(three, three.all, 1)
    assert addresses(three) == before


def test_a_kubeconfig_that_cannot_be_used(lab):
    p = KubePair(lab)
    p.settings(f"{lab.dir}/nothing-here")
    p.herald.start(wait=False)
    until(lambda: not p.herald.daemon.running(), what="the end")
    assert p.herald.daemon.popen.returncode == 3
    assert "kubernetes-unusable" in p.herald.daemon.text()
    assert "nothing-here" in p.herald.daemon.text()


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_restart_while_the_api_is_away(lab, end):
    """What was announced and allocated is gone on with, from what was there last."""
    p = KubePair(lab).start_kube()
    p.put(*p.documents())
    p.peer = p.speaker().serve()
    p.settings().herald.start()
    wait_synced(p.herald)
    p.web()
    addr = p.wait_address()
    p.herald.wait_established()
    p.peer.last.wait_prefix(f"{addr}/32")
    saved = f"{p.herald.state}/kubernetes.json"
    if end == "kill":
        until(lambda: os.path.exists(saved) and f'"ip":"{addr}"' in read(saved), 90,
              "the file with the address")
    getattr(p.herald, end)()
    p.kube.kill()
    p.herald.start()
    p.herald.wait_established()
    p.peer.last.wait_prefix(f"{addr}/32")
    assert [a["address"] for a in p.herald.ctl("ipam")["allocations"]] == [addr]
    status = p.herald.ctl("status")
    sources = {s["name"]: s for s in status["sources"]}
    assert "cache" in sources and not sources["kubernetes"]["synced"]
    assert not status["kubernetes"]["leading"]
    p.kube.start_server()
    wait_synced(p.herald, 40)
    assert "cache" not in {s["name"] for s in p.herald.ctl("status")["sources"]}
    p.web("second")
    p.peer.last.wait_prefix(f"{p.wait_address('second')}/32")
    assert p.wait_address() == addr
    assert not withdrawn(p.peer.last)
    assert "password" not in read(saved)
