"""One address for several Services: what the peer hears of it, and what becomes of it when they
change; addresses that rest, that a person releases, and that a pool's edit leaves alone."""
import pytest

from herald_lab import herald as h
from herald_lab import until
from herald_lab.pair import VIP4
from herald_lab.wait import stays

SHARED = {"metallb.io/allow-shared-ip": "web"}
SELECTOR = {"app": "web"}


@pytest.fixture
def told(pair):
    """A daemon and a speaker that hears of LoadBalancer addresses; no Services yet."""
    s = pair.speaker().serve()
    pair.write(peers=pair.peers(v6=False), settings={"ipam": {"reuseAfter": "0s"}})
    pair.herald.remove("60-web.yaml")
    pair.herald.start()
    pair.herald.wait_established()
    s.last.wait_eor()
    pair.heard = lambda: {p for p in s.last.rib() if p.startswith("172.16.")}
    return pair


def service(name, port, **kw):
    return h.service(name, ports=[port], annotations=SHARED, **kw)


def put(herald, *names, **kw):
    """Services of this port each, with an endpoint on this node unless the port is negative."""
    docs = []
    for name, port in names:
        docs.append(service(name, abs(port), **kw))
        docs.append(h.endpoints(name, ("10.1.0.10", "n1", port > 0), port=abs(port)))
    herald.write("60-services.yaml", *docs)


def given(herald):
    return {a["owner"].removeprefix("default/"): a["address"]
            for a in herald.ctl("ipam")["allocations"] if a["kind"] == "service"}


def wait_given(herald, want):
    return until(lambda: given(herald) == want, what=lambda: f"{want}; {herald.ctl('ipam')}")


def waiting(herald):
    return {w["owner"].removeprefix("default/"): w for w in herald.ctl("ipam")["waiting"]}


def test_the_route_stays_until_the_last_of_those_who_share_goes(told):
    herald, ip = told.herald, "172.16.1.1"
    put(herald, ("a", 80), ("b", 81), ("c", 80))
    wait_given(herald, {"a": ip, "b": ip, "c": "172.16.1.2"})  # two port 80 do not fit on one
    until(lambda: told.heard() == {VIP4, "172.16.1.2/32"}, what="two routes")
    put(herald, ("b", 81))
    wait_given(herald, {"b": ip})
    until(lambda: told.heard() == {VIP4}, what="one route")
    put(herald, ("b", 81), ("d", 82))
    wait_given(herald, {"b": ip, "d": ip})
    put(herald, ("d", 82))
    wait_given(herald, {"d": ip})
    stays(lambda: told.heard() == {VIP4}, 0.3)
    herald.remove("60-services.yaml")
    until(lambda: told.heard() == set(), what="withdrawn")


def test_one_without_endpoints_does_not_take_the_others_route_along(told):
    herald, ip = told.herald, "172.16.1.1"
    local = {"etp": "Local"}
    put(herald, ("a", 80), ("b", 81), **local)
    # Under Local they share only with one selector; here each has its own.
    until(lambda: given(herald).get("a") == ip and given(herald).get("b") == "172.16.1.2",
          what=lambda: f"an address each; {herald.ctl('ipam')}")
    docs = []
    for name, port in (("a", 80), ("b", 81)):
        docs.append(service(name, port, etp="Local", selector=SELECTOR))
        docs.append(h.endpoints(name, ("10.1.0.10", "n1", name == "b"), port=port))
    herald.remove("60-services.yaml")
    until(lambda: not given(herald), what="gone")
    herald.write("60-services.yaml", *docs)
    wait_given(herald, {"a": ip, "b": ip})
    until(lambda: told.heard() == {VIP4}, what="b's endpoint keeps the route")
    docs[3] = h.endpoints("b", ("10.1.0.10", "n1", False), port=81)
    herald.write("60-services.yaml", *docs)
    until(lambda: told.heard() == set(), what="nobody has an endpoint here")
    docs[1] = h.endpoints("a", ("10.1.0.10", "n1", True), port=80)
    herald.write("60-services.yaml", *docs)
    until(lambda: told.heard() == {VIP4}, what="a has one now")


def test_who_is_refused_is_told_by_whom_and_why(told):
    herald = told.herald
    ask = {"lbipam.cilium.io/ips": "172.16.1.9"}
    herald.write("60-services.yaml",
                 h.service("a", annotations={**ask, "lbipam.cilium.io/sharing-key": "k"}),
                 h.service("b", annotations={**ask, "heraldlb.io/sharing-key": "k"}),
                 h.service("c", ports=[81], annotations=ask))
    until(lambda: set(waiting(herald)) == {"b", "c"}, what="two refused")
    b, c = waiting(herald)["b"], waiting(herald)["c"]
    assert b["reason"] == "already-allocated-incompatible-service"
    assert (b["detail"], b["other"]) == ("sharing-port-taken", "default/a")
    assert (c["reason"], c["other"]) == ("already-allocated", "default/a")


def test_an_address_rests_and_a_killed_herald_knows(pair):
    pair.write(peers={})
    pair.herald.remove("60-web.yaml")
    pair.herald.start()
    herald = pair.herald
    herald.write("60-services.yaml", h.service("a"), h.service("b"))
    wait_given(herald, {"a": "172.16.1.1", "b": "172.16.1.2"})
    herald.write("60-services.yaml", h.service("b"))
    until(lambda: [r["address"] for r in herald.ctl("ipam")["resting"]] == ["172.16.1.1"],
          what="the address rests")
    until(lambda: "172.16.1.1" in open(f"{herald.state}/resting.json", encoding="utf-8").read(),
          what="it is written down")
    herald.kill()
    herald.start()
    herald.write("61-more.yaml", h.service("c"))
    wait_given(herald, {"b": "172.16.1.2", "c": "172.16.1.3"})
    pool = [p for p in herald.ctl("ippools")["pools"] if p["name"] == "v4"][0]
    assert (pool["used"], pool["resting"], pool["available"]) == (2, 1, 252)
    herald.write("60-services.yaml", h.service("b"), h.service("a"))  # its own is its own
    wait_given(herald, {"a": "172.16.1.1", "b": "172.16.1.2", "c": "172.16.1.3"})


def test_an_edit_of_the_pool_moves_nobody_until_a_person_says_so(told):
    herald = told.herald
    herald.write("60-services.yaml", h.service("a"), h.service("b"))
    wait_given(herald, {"a": "172.16.1.1", "b": "172.16.1.2"})
    herald.write("50-pools.yaml", h.pool("v4", "172.16.2.0/24"))
    until(lambda: herald.ctl("ippools")["notes"], what="notes")
    note, = herald.ctl("ippools")["notes"]
    assert (note["pool"], note["reason"], note["addresses"]) == ("v4", "pool-gone", 2)
    assert given(herald) == {"a": "172.16.1.1", "b": "172.16.1.2"}
    assert "pool-gone" in herald.table("ippools") and "pool-gone" in herald.table("ipam")
    assert herald.ctl("ipam", "release", "default/a")["released"] == 1
    wait_given(herald, {"a": "172.16.2.0", "b": "172.16.1.2"})
    assert herald.run_ctl("ipam", "release", "default/nobody").returncode == 1
    herald.write("50-pools.yaml", h.pool("v4", "172.16.3.0/24", onPoolChange="renumber"))
    wait_given(herald, {"a": "172.16.3.0", "b": "172.16.3.1"})


def test_an_address_of_each_pool_that_a_service_names(told):
    told.herald.write("51-more.yaml", h.pool("lan", "172.16.9.0/24", autoAssign=False))
    told.herald.write("60-services.yaml",
                      h.service("a", annotations={"heraldlb.io/ip-pool": "lan,v4"}),
                      h.endpoints("a", ("10.1.0.10", "n1")))
    until(lambda: told.heard() == {VIP4, "172.16.9.0/32"},
          what=lambda: f"both; {told.herald.ctl('ipam')}")
