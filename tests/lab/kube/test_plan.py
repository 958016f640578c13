"""heraldctl plan where objects come from a real API server: files are what is planned, and what the API
says stays as it is; then it is taken on, and what was planned is what happens."""
import os
import tempfile

import pytest

from herald_lab import herald as h
from herald_lab import planned as P
from herald_lab import until
from herald_lab.kubescene import KubePair, account, source, wait_synced

PODS = {"mode": "cluster-pool", "clusterPool": {"ipv4PodCIDRs": ["10.64.0.0/16"]}}


@pytest.fixture(scope="module")
def one(module_lab):
    """A node with a peer, a Service with an address, and another node without a range for pods."""
    p = KubePair(module_lab).start_kube()
    p.put(*p.documents(), h.node("n2", [], ["10.0.0.102"]))
    p.peer = p.speaker().serve()
    p.sources = source(account(p.kube))
    p.settings = lambda **spec: p.herald.settings(**{
        "sources": p.sources, "ipam": {"reuseAfter": "0s"}, **spec})
    p.herald.write("herald.yaml", p.settings())
    p.herald.start()
    wait_synced(p.herald)
    p.herald.wait_established()
    p.web()
    p.vip = p.wait_address()
    until(lambda: p.herald.route(f"{p.vip}/32", "advertised"), what="web is announced")
    return p


@pytest.fixture(autouse=True)
def as_it_was(one):
    before = P.observe(one.herald)
    yield
    for name in os.listdir(one.herald.conf):
        if name != "herald.yaml":
            one.herald.remove(name)
    one.herald.write("herald.yaml", one.settings())
    one.herald.ctl("reload")
    until(lambda: set(P.observe(one.herald)["route"]) == set(before["route"]), 60, what="as before")


def planned(one, files):
    """The changes with these @files ({name: documents}); nothing else has happened."""
    folder = tempfile.mkdtemp(dir=one.lab.path("plans"))
    for name, documents in files.items():
        with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
            f.write(h.to_yaml(*documents))
    before = P.observe(one.herald)
    status, changes = P.plan(one.herald, folder)
    assert P.observe(one.herald) == before, P.difference(before, P.observe(one.herald))
    return status, changes, P.lay_over(before, changes)


def take_on(one, files, wanted):
    for name, documents in files.items():
        one.herald.write(name, *documents)
    one.herald.ctl("reload")
    until(lambda: P.observe(one.herald) == wanted and P.all_up(one.herald), 60, what=lambda: (
        "what was planned\n" + P.difference(wanted, P.observe(one.herald))))
    assert P.plan(one.herald) == (0, [])


def of(changes, area):
    return [c for c in changes if c["area"] == area]


def test_the_same_files_change_nothing(one):
    assert planned(one, {"herald.yaml": [one.settings()]})[:2] == (0, [])


def test_another_herald_config(one):
    files = {"herald.yaml": [one.settings(
        bgp={"listen": ["10.0.0.1:1179"]}, metrics={"listen": "127.0.0.1:7480"},
        log={"level": "info"}, stateDir=one.herald.state)]}
    status, changes, wanted = planned(one, files)
    assert status == 4 and not of(changes, "session") and not of(changes, "route")
    assert {(c["action"], c["socket"]) for c in of(changes, "listen")} == {
        ("removed", "0.0.0.0:179"), ("removed", "[::]:179"), ("added", "10.0.0.1:1179"),
        ("removed", "127.0.0.1:7479"), ("added", "127.0.0.1:7480")}
    take_on(one, files, wanted)


def test_objects_of_the_api_stay_though_no_file_has_them(one):
    """The peer, its pool and the Service come from the API, whatever the files are."""
    status, changes, _ = planned(one, {"herald.yaml": [one.settings(sources={})]})
    assert status == 4 and {(c["area"], c["action"]) for c in changes} == {("config", "restart")}
    assert "spec.sources.kubernetes" in {c["field"] for c in changes}


def test_documents_beside_those_of_the_api(one):
    """A Service of a file gets its address of the API's pool, and is told to the API's peer."""
    files = {"herald.yaml": [one.settings()], "more.yaml": [
        h.service("filed"), h.endpoints("filed", ("10.1.0.11", "n1"))]}
    status, changes, wanted = planned(one, files)
    given, = of(changes, "address")
    assert status == 4 and (given["action"], given["service"]) == ("given", "default/filed")
    assert given["new"][0]["pool"] == "v4" and given["new"][0]["address"] != one.vip
    route, = of(changes, "route")
    assert (route["action"], route["prefix"], route["session"]) == (
        "announced", f"{given['new'][0]['address']}/32", "stays")
    take_on(one, files, wanted)


def test_a_document_that_the_api_has_too(one):
    """Which of the two counts is the same in the plan as in earnest."""
    files = {"herald.yaml": [one.settings()], "tor.yaml": [
        h.peer_config("tor", families=["ipv4"], hold=30), h.pool("v4", "172.31.0.0/24"),
        h.advertise_services(attributes={"med": 7})]}
    _, changes, wanted = planned(one, files)
    assert not of(changes, "config")
    take_on(one, files, wanted)


def test_ranges_for_pods_that_this_node_would_write(one):
    """The leader carves ranges and says so in the Nodes; the plan is of the time when that is said."""
    files = {"herald.yaml": [one.settings(ipam={**PODS, "reuseAfter": "0s"})]}
    status, changes, wanted = planned(one, files)
    given, = of(changes, "pod-range")
    assert status == 4 and (given["action"], given["node"]) == ("given", "n2")
    assert given["new"][0]["prefix"].startswith("10.64.") and not given["new"][0]["pending"]
    assert "heraldlb.io/pod-cidrs" not in one.kube.api().find("Node", "n2")["metadata"].get(
        "annotations", {})
    take_on(one, files, wanted)
