"""Which address a Service gets, that it keeps it, and why one gets none."""

import pytest

from herald_lab import herald as h
from herald_lab import until
from herald_lab.wait import stays


@pytest.fixture
def up(pair):
    """A daemon without peers and Services, one pool 172.16.1.0/29 without first and last."""
    pair.write(peers={})
    pair.herald.remove("60-web.yaml")
    pair.herald.write("50-pools.yaml", h.pool("p", "172.16.1.0/29", allowFirstLastIPs="No",
                                              reuseAfter="0s"))
    pair.herald.start()
    return pair.herald


def given(herald):
    return {a["owner"].removeprefix("default/"): a["address"]
            for a in herald.ctl("ipam")["allocations"]}


def wait_given(herald, want):
    return until(lambda: given(herald) == want, what=lambda: f"{want}; {herald.ctl('ipam')}")


def waiting(herald):
    return {w["owner"].removeprefix("default/"): w for w in herald.ctl("ipam").get("waiting", [])}


def pool_of(herald, name="p"):
    return [p for p in herald.ctl("ippools")["pools"] if p["name"] == name][0]


def test_lowest_free_first_and_without_first_and_last(up):
    up.write("60.yaml", *(h.service(n) for n in ("a", "b", "c")))
    got = until(lambda: len(given(up)) == 3 and given(up), what="three addresses")
    assert set(got.values()) == {"172.16.1.1", "172.16.1.2", "172.16.1.3"}
    assert (pool_of(up)["total"], pool_of(up)["available"]) == (6, 3)


def test_allocations_survive_restarts_and_never_change_unless_told(up):
    up.write("60.yaml", h.service("b"))
    wait_given(up, {"b": "172.16.1.1"})
    up.write("60.yaml", h.service("b"), h.service("a"))
    want = {"b": "172.16.1.1", "a": "172.16.1.2"}
    wait_given(up, want)
    up.write("60.yaml", h.service("a"))
    wait_given(up, {"a": "172.16.1.2"})  # a freed lower address moves nobody
    up.kill()  # at once: what was given is known to the next one all the same
    up.start()
    wait_given(up, {"a": "172.16.1.2"})
    up.stop()
    up.start()
    stays(lambda: given(up) == {"a": "172.16.1.2"}, 0.3)


def test_a_requested_address_by_annotation_and_by_field(up):
    up.write("60.yaml", h.service("a", annotations={"lbipam.cilium.io/ips": "172.16.1.5"}),
             h.service("b", loadBalancerIP="172.16.1.4"),
             h.service("c", annotations={"heraldlb.io/ips": "172.16.1.6"}))
    wait_given(up, {"a": "172.16.1.5", "b": "172.16.1.4", "c": "172.16.1.6"})


def test_a_requested_address_that_cannot_be_says_why(up):
    up.write("60.yaml", h.service("a", annotations={"lbipam.cilium.io/ips": "172.16.1.5"}))
    wait_given(up, {"a": "172.16.1.5"})
    up.write("61.yaml", h.service("b", annotations={"lbipam.cilium.io/ips": "172.16.1.5"}),
             h.service("c", annotations={"lbipam.cilium.io/ips": "192.0.2.1"}))
    until(lambda: set(waiting(up)) == {"b", "c"}, what="both waiting")
    assert waiting(up)["b"]["reason"].replace("_", "-") == "already-allocated"
    assert waiting(up)["c"]["reason"].replace("_", "-") in ("no-pool", "outside-pool")


def test_a_full_pool_says_so_and_serves_when_something_is_freed(up):
    up.write("60.yaml", *(h.service(f"s{i}") for i in range(6)))
    until(lambda: len(given(up)) == 6, what="six addresses")
    up.write("61.yaml", h.service("late"))
    until(lambda: "late" in waiting(up), what="waiting")
    assert waiting(up)["late"]["reason"].replace("_", "-") == "out-of-ips"
    freed = given(up)["s3"]
    up.write("60.yaml", *(h.service(f"s{i}") for i in range(6) if i != 3))
    until(lambda: given(up).get("late") == freed, what="served")


def test_a_disabled_pool_keeps_what_it_gave_and_gives_no_more(up):
    up.write("60.yaml", h.service("a"))
    wait_given(up, {"a": "172.16.1.1"})
    up.write("50-pools.yaml", h.pool("p", "172.16.1.0/29", allowFirstLastIPs="No", disabled=True))
    until(lambda: pool_of(up)["disabled"], what="disabled")
    up.write("61.yaml", h.service("b"))
    until(lambda: "b" in waiting(up), what="b waiting")
    assert given(up) == {"a": "172.16.1.1"}


def test_a_selector_chooses_the_pool(up):
    up.write("50-pools.yaml",
             h.pool("p", "172.16.1.0/29", serviceSelector={"matchLabels": {"tier": "x"}}),
             h.pool("q", ("172.16.2.5", "172.16.2.9"), serviceSelector={"matchExpressions": [
                 {"key": "io.kubernetes.service.name", "operator": "In", "values": ["b"]}]}))
    up.write("60.yaml", h.service("a", labels={"tier": "x"}), h.service("b"), h.service("c"))
    wait_given(up, {"a": "172.16.1.0", "b": "172.16.2.5"})
    assert "c" in waiting(up)


def test_pools_that_overlap_are_shown_as_conflicting(up):
    up.write("51-more.yaml", h.pool("q", "172.16.1.4/30"))
    until(lambda: [p["conflicting"] for p in up.ctl("ippools")["pools"]].count(True) == 1,
          what="one of them conflicting")
    up.remove("51-more.yaml")
    until(lambda: not pool_of(up)["conflicting"], what="resolved")


def test_a_service_of_another_class_is_left_alone(up):
    up.write("60.yaml", h.service("a", loadBalancerClass="example.com/other"), h.service("b"))
    wait_given(up, {"b": "172.16.1.1"})
    assert "a" not in waiting(up)


def test_both_families_from_two_pools(up):
    up.write("51-six.yaml", h.pool("six", ("fd16::10", "fd16::1f")))
    up.write("60.yaml", h.service("a", families=["IPv4", "IPv6"]))
    until(lambda: {a["address"] for a in up.ctl("ipam")["allocations"]}
          == {"172.16.1.1", "fd16::10"}, what="both")
