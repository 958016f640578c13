"""The segment, its cutters and its yardsticks: do they see what a test does by hand?"""
import socket

import pytest

from herald_lab import until
from herald_lab.lan import API, FAR4, PORT, Lan, node4, node6, vip4, vip6

ADDRS = (vip4(0), vip6(0))


@pytest.fixture(scope="module")
def lan(module_lab):
    made = Lan(module_lab, 3, api=True, far=True)
    made.answer(*ADDRS)
    return made


@pytest.fixture(autouse=True)
def whole(lan):
    yield
    lan.heal()
    for name in ("n1", "n2", "n3"):
        lose(lan, name)


def take(lan, name):
    """The node's kernel answers for the addresses."""
    lan.ns[name].ip(f"addr add {ADDRS[0]}/16 dev eth1", f"addr add {ADDRS[1]}/64 dev eth1 nodad")


def lose(lan, name):
    for a, size in zip(ADDRS, (16, 64)):
        lan.ns[name].ip(f"addr del {a}/{size} dev eth1", check=False)


def reached(lan, name, addr):
    """Who answers @name at @addr; None: nobody."""
    family = socket.AF_INET6 if ":" in addr else socket.AF_INET
    ns = lan.client if name == "client" else lan.ns[name]
    ns.ip("neigh flush all")  # a question that failed before is asked again at once
    with ns.socket(family, socket.SOCK_DGRAM) as sock:
        sock.settimeout(0.1)
        for _ in range(5):
            try:
                sock.sendto(b"x", (addr, PORT))
                return sock.recvfrom(16)[1][0]
            except OSError:
                pass
    return None


def both(seen, key):
    return [seen["addrs"][a][key] for a in ADDRS]


def test_two_who_answer_are_seen_for_as_long_as_they_do(lan):
    take(lan, "n1")
    with lan.look(ADDRS) as eye:
        until(lambda: [lan.who(m) for m in both(eye.told(), "now")] == [["n1"]] * 2, what="n1")
        eye.reset()
        until(lambda: min(both(eye.told(), "asked")) > 20, what="questions")
        assert both(eye.told(), "split_ms") == [0, 0] == both(eye.told(), "silent_ms")
        take(lan, "n2")
        until(lambda: min(both(eye.told(), "split_ms")) > 300, what="two seen")
        assert [lan.who(m) for m in both(eye.told(), "now")] == [["n1", "n2"]] * 2
        lose(lan, "n1")
        until(lambda: [lan.who(m) for m in both(eye.told(), "now")] == [["n2"]] * 2, what="n2")
        before = both(eye.told(), "split_ms")
        lose(lan, "n2")
        until(lambda: min(both(eye.told(), "silent_ms")) > 300, what="silence")
        assert both(eye.told(), "split_ms") == before
        # another than n2, and when
        take(lan, "n3")
        n2 = [m for m, n in lan.macs.items() if n == "n2"]
        assert set(eye.hunt(ADDRS, n2, 10)["found"]) == set(ADDRS)


def test_what_is_lost_and_for_how_long(lan):
    take(lan, "n1")
    with lan.load(ADDRS) as load:
        until(lambda: min(both(load.told(), "answered")) > 20, what="answers")
        load.reset()
        lan.cut(("n1", "client"))
        until(lambda: min(both(load.told(), "lost")) > 20, what="losses")
        lan.heal()
        answered = both(load.told(), "answered")
        until(lambda: min(n - m for n, m in zip(both(load.told(), "answered"), answered)) > 20,
              what="answers again")
        assert min(both(load.told(), "gap_ms")) > 1000
        load.reset()
        until(lambda: min(both(load.told(), "answered")) > 20, what="answers")
        assert both(load.told(), "lost") == [0, 0]


def test_cuts_are_between_two_and_one_way_or_both(lan):
    assert reached(lan, "n1", FAR4) == FAR4 and reached(lan, "far", node4("n2")) == node4("n2")
    lan.cut(("n1", "n2"))
    assert not reached(lan, "n1", node4("n2")) and not reached(lan, "n2", node6("n1"))
    assert reached(lan, "n1", node4("n3")) and reached(lan, "client", node6("n2"))
    lan.heal()
    assert reached(lan, "n1", node4("n2"))
    lan.isolate("n3")
    assert not reached(lan, "n3", node4("n1")) and not reached(lan, "n2", node4("n3"))
    assert reached(lan, "client", node4("n3")) and reached(lan, "n1", node4("n2"))
    assert reached(lan, "n3", "10.88.0.1")
    lan.heal()
    lan.cut_one_way(("n1", "n2"))
    with lan.ns["n1"].socket(socket.AF_INET, socket.SOCK_DGRAM) as one, \
            lan.ns["n2"].socket(socket.AF_INET, socket.SOCK_DGRAM) as two:
        for sock, mine, other in ((one, "n1", "n2"), (two, "n2", "n1")):
            sock.bind((node4(mine), 9))
            sock.settimeout(0.2)
            mac = next(m for m, n in lan.macs.items() if n == other)
            lan.ns[mine].ip(f"neigh replace {node4(other)} lladdr {mac} dev eth1")
        one.sendto(b"1", (node4("n2"), 9))
        two.sendto(b"2", (node4("n1"), 9))
        assert one.recv(9) == b"2"
        with pytest.raises(TimeoutError):
            two.recv(9)
    for mine, other in (("n1", "n2"), ("n2", "n1")):
        lan.ns[mine].ip(f"neigh del {node4(other)} dev eth1")


def test_the_api_network_is_cut_apart_from_the_segment(lan):
    def api(name):
        with lan.api.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind((API, 9))
            sock.settimeout(0.2)
            lan.ns[name].ip("neigh flush all")
            with lan.ns[name].socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
                other.sendto(b"x", (API, 9))
            try:
                return sock.recv(9) == b"x"
            except TimeoutError:
                return False
    assert api("n1") and api("n2")
    lan.cut_api("n1")
    assert not api("n1") and api("n2") and reached(lan, "n1", node4("n2"))
    lan.heal()
    assert api("n1")


def test_a_node_whose_cable_is_out_is_reached_by_nobody(lan):
    lan.unplug("n2")
    assert not reached(lan, "client", node4("n2")) and reached(lan, "client", node4("n1"))
    lan.plug("n2")
    assert until(lambda: reached(lan, "client", node4("n2")), what="n2")
