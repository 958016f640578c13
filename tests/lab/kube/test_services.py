"""Services and pools as people make, change and delete them: what their status says then, and whose
objects are left alone."""
import pytest

from herald_lab import herald as h
from herald_lab import until
from herald_lab.kubescene import KubePair, wait_synced, withdrawn
from herald_lab.wait import stays

OURS = "heraldlb.io/herald"
OTHER = "example.com/other"


@pytest.fixture(scope="module")
def one(module_lab):
    """A node with a peer; a pool without a selector, 172.16.0.0/24."""
    p = KubePair(module_lab).start_kube()
    p.put(*p.documents())
    p.peer = p.speaker().serve()
    p.settings()
    p.herald.start()
    wait_synced(p.herald)
    p.herald.wait_established()
    return p


@pytest.fixture(autouse=True)
def swept(one):
    yield
    api = one.kube.api()
    for kind in ("Service", "EndpointSlice"):
        for d in api.list(kind, "default")["items"]:
            if d["metadata"]["name"] != "kubernetes":
                api.delete(kind, d["metadata"]["name"])
    for d in api.list("LoadBalancerIPPool")["items"]:
        if d["metadata"]["name"] != "v4":
            api.delete("LoadBalancerIPPool", d["metadata"]["name"])
    api.ensure(h.pool("v4", "172.16.0.0/16"))
    until(lambda: not one.herald.ctl("ipam")["allocations"], what="nothing allocated")


def status(one, name="web"):
    return one.kube.api().get("Service", name).get("status", {})


def conditions(one, name="web"):
    return {c["type"]: c for c in status(one, name).get("conditions") or []}


def announced(one):
    return {p for p in one.peer.last.rib() if p.startswith("172.16.")}


def events(one, name="web"):
    return [e for e in one.kube.api().list("Event")["items"]
            if (e.get("regarding") or e["involvedObject"])["name"] == name]


def test_a_new_service_gets_an_address_that_the_status_tells_and_the_peer_hears(one):
    one.web()
    addr = one.wait_address()
    assert status(one)["loadBalancer"]["ingress"] == [{"ip": addr, "ipMode": "VIP"}]
    one.peer.last.wait_prefix(f"{addr}/32")


def test_the_address_stays_through_edits(one):
    one.web()
    addr = one.wait_address()
    one.peer.last.wait_prefix(f"{addr}/32")
    since = len(one.peer.last.messages)
    api = one.kube.api()
    api.merge("Service", "web", {"metadata": {"labels": {"app": "web", "more": "yes"}}})
    api.merge("Service", "web", {"spec": {"ports": [
        {"name": "p80", "port": 80}, {"name": "p81", "port": 81}]}})
    api.merge("EndpointSlice", "web-1", {"endpoints": [
        {"addresses": ["10.1.0.11"], "nodeName": "n1", "conditions": {"ready": True}}]})
    until(lambda: [b["ip"] for s in one.herald.ctl("service", "list")["services"]
                   if s["name"] == "web" for b in s["backends"]].count("10.1.0.11") >= 2,
          what="both ports with the new endpoint")
    assert one.kube.api().ingress("web") == [addr]
    assert not withdrawn(one.peer.last, since)


def test_delete_withdraws_and_the_next_one_may_have_the_address(one):
    one.web()
    addr = one.wait_address()
    one.peer.last.wait_prefix(f"{addr}/32")
    since = len(one.peer.last.messages)
    one.kube.api().delete("Service", "web")
    one.peer.last.wait_withdrawn(f"{addr}/32", since=since)
    until(lambda: not one.herald.ctl("ipam")["allocations"], what="freed")


def test_a_requested_address_and_one_that_cannot_be(one):
    one.web("good", annotations={"heraldlb.io/ips": "172.16.7.7"})
    assert one.wait_address("good") == "172.16.7.7"
    one.web("bad", annotations={"heraldlb.io/ips": "192.0.2.1"})
    said = until(lambda: [c for c in conditions(one, "bad").values() if c["status"] == "False"],
                 what=lambda: f"a condition that says why: {status(one, 'bad')}")
    assert not one.kube.api().ingress("bad") and said[0]["message"]
    until(lambda: [e for e in events(one, "bad") if e["type"] == "Warning"], what="a Warning")


def test_a_service_of_another_class_is_not_touched(one):
    one.web("theirs", loadBalancerClass=OTHER)
    mine = {"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.7"}]}}}
    before = one.kube.api().merge("Service", "theirs", mine, sub="status")
    one.web("ours", loadBalancerClass=OURS)
    one.wait_address("ours")
    after = one.kube.api().get("Service", "theirs")
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    assert not events(one, "theirs") and "192.0.2.7/32" not in one.peer.last.rib()


def test_a_service_of_no_class_that_no_pool_matches_is_left_as_it_is(one):
    api = one.kube.api()
    api.ensure(h.pool("v4", "172.16.0.0/16", serviceSelector={"matchLabels": {"for": "us"}}))
    one.put(h.service("outside"))
    before = api.get("Service", "outside")
    one.put(h.service("inside", labels={"for": "us", "app": "inside"}))
    one.wait_address("inside")
    after = api.get("Service", "outside")
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    assert not after["status"]["loadBalancer"] and not events(one, "outside")
    stays(lambda: not api.ingress("outside"), 0.3)


def test_no_load_balancer_any_more(one):
    one.web()
    addr = one.wait_address()
    one.peer.last.wait_prefix(f"{addr}/32")
    since = len(one.peer.last.messages)
    one.kube.api().merge("Service", "web", {"spec": {
        "type": "ClusterIP", "externalTrafficPolicy": None, "allocateLoadBalancerNodePorts": None}})
    one.peer.last.wait_withdrawn(f"{addr}/32", since=since)
    until(lambda: not one.kube.api().ingress("web"), what="the status empty")


def test_a_status_that_somebody_else_changed_is_put_right(one):
    one.web()
    addr = one.wait_address()
    one.kube.api().merge("Service", "web", {"status": {"loadBalancer": {
        "ingress": [{"ip": "192.0.2.99"}]}}}, sub="status")
    until(lambda: one.kube.api().ingress("web") == [addr], what="put right")
    one.kube.api().merge("Service", "web", {"status": {"loadBalancer": None}}, sub="status")
    until(lambda: one.kube.api().ingress("web") == [addr], what="put right again")


def test_a_pool_that_comes_later_serves_who_waited(one):
    api = one.kube.api()
    api.delete("LoadBalancerIPPool", "v4")
    until(lambda: not one.herald.ctl("ippools")["pools"], what="no pool")
    one.web()
    until(lambda: one.herald.ctl("ipam").get("waiting"), what="it waits")
    api.create(h.pool("late", "172.16.9.0/24"))
    assert one.wait_address().startswith("172.16.9.")


def test_the_pools_status_counts(one):
    api = one.kube.api()
    api.ensure(h.pool("v4", "172.16.0.0/29"))
    one.web()
    one.wait_address()

    def row():
        return next(r for r in one.kube.rows("loadbalancerippools") if r["NAME"] == "v4")
    until(lambda: row()["IPS AVAILABLE"] == "7", what=lambda: f"7 left: {row()}")
    assert row()["CONFLICTING"] == "False"
    api.create(h.pool("over", "172.16.0.0/30"))
    until(lambda: {r["CONFLICTING"] for r in one.kube.rows("loadbalancerippools")}
          == {"False", "True"}, what="one of the two conflicts")


def test_a_document_with_a_fault_is_told_and_harms_no_other(one):
    bad = h.pool("broken", "not-a-network")
    crd = "loadbalancerippools.heraldlb.io"
    done = one.kube.kubectl("apply", "-f", "-", text=h.to_yaml(bad), check=False)
    one.web()
    one.wait_address()
    if done.returncode == 0:  # what its schema lets through, Herald says itself
        until(lambda: [c for c in one.kube.api().get("LoadBalancerIPPool", "broken")
                       .get("status", {}).get("conditions", []) if c["status"] == "False"],
              what=lambda: f"a condition on {crd} broken")


def test_services_that_share_an_address_say_so_in_their_status(one):
    api, key = one.kube.api(), {"lbipam.cilium.io/sharing-key": "k"}
    ask = {**key, "lbipam.cilium.io/ips": "172.16.0.77"}
    api.create(h.service("a", ports=[80], annotations=ask))
    api.create(h.service("b", ports=[81], annotations=ask))
    for name in ("a", "b"):
        until(lambda n=name: api.ingress(n) == ["172.16.0.77"], what=f"{name} shares it")
    api.create(h.service("c", ports=[81], annotations=ask))
    told = until(lambda: conditions(one, "c").get("heraldlb.io/IPAMRequestSatisfied"),
                 what="why not")
    assert told["reason"] == "already_allocated_incompatible_service"
    assert "default/b has it" in told["message"]
    api.delete("Service", "b")
    until(lambda: api.ingress("c") == ["172.16.0.77"], what="its turn")
    assert api.ingress("a") == ["172.16.0.77"]


def test_a_pool_that_shrinks_leaves_addresses_and_says_so(one):
    api = one.kube.api()
    api.create(h.service("a"))
    until(lambda: api.ingress("a") == ["172.16.0.0"], what="an address")
    api.ensure(h.pool("v4", "172.16.128.0/17"))
    until(lambda: "(pool-gone)" in conditions(one, "a")["heraldlb.io/IPAMRequestSatisfied"]
          ["message"], what="the note")
    assert api.ingress("a") == ["172.16.0.0"]
    until(lambda: any(e["reason"] == "AddressKept" for e in events(one, "a")), what="the Event")
    assert one.herald.ctl("ipam", "release", "default/a")["released"] == 1
    until(lambda: api.ingress("a") == ["172.16.128.0"], what="another one")
