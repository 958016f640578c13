"""What is announced as a whole though only some of its addresses are there does not send packets
back and forth between the node and its router."""
import errno
import socket
import struct

import pytest

from herald_lab import until
from herald_lab.topology import Scenario

AGGREGATE = "172.16.1.0/24"
NODE = "k8s-w1"
NOBODY = "172.16.1.77"  # of the aggregate, but no Service's
IP_RECVERR = 11
UNREACHABLE, TIME_EXCEEDED = 3, 11  # ICMP


@pytest.fixture(scope="module")
def world(module_lab):
    s = Scenario(module_lab)
    s.edit("bgp-service.yaml", "          - LoadBalancerIP\n",
           "          - LoadBalancerIP\n        aggregationLengthIPv4: 24\n")
    s.start_router()
    s.start_heralds(NODE)
    until(lambda: s.router.next_hops(AGGREGATE), 20, "the aggregate at the router")
    return s


def discard(world, how):
    h = world.heralds[NODE]
    world.write_settings(NODE)
    with open(f"{h.conf}/herald.yaml", encoding="utf-8") as f:
        text = f.read()
    h.write("herald.yaml", text.replace("installLearned: true",
                                        f"installLearned: true, discardAggregates: {how}"))


def kernel(world):
    return world.ns[NODE].run("ip", "route", "show", AGGREGATE)


def icmp_type(world, ttl=64):
    """What comes back for a datagram of the outside to NOBODY: the type of the ICMP error."""
    with world.outside.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
        s.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
        s.connect((NOBODY, 9))
        s.send(b"where to?")

        def error():
            try:
                _, ancillary, _, _ = s.recvmsg(100, 512, socket.MSG_ERRQUEUE)
            except OSError as e:
                assert e.errno in (errno.EAGAIN, errno.EHOSTUNREACH), e
                return None
            data = next(d for level, kind, d in ancillary
                        if level == socket.IPPROTO_IP and kind == IP_RECVERR)
            return struct.unpack_from("=IBBB", data)[2]
        return until(error, 10, "an ICMP error")


def test_no_loop_with_the_discard_and_one_without(world):
    discard(world, "never")
    until(lambda: "unreachable" not in kernel(world), 20, "no discard")
    assert icmp_type(world) == TIME_EXCEEDED, "it went back and forth until its TTL was used up"
    discard(world, "always")
    until(lambda: "unreachable" in kernel(world) and "proto 179" in kernel(world), 20, "a discard")
    assert icmp_type(world, ttl=3) == UNREACHABLE
    shown = [r for r in world.heralds[NODE].ctl("routes")["routes"] if r["prefix"] == AGGREGATE]
    assert [r["origin"] for r in shown] == ["discard"], shown


def test_it_goes_with_the_aggregate_and_outlives_the_daemon(world):
    discard(world, "always")
    until(lambda: "unreachable" in kernel(world), 20, "a discard")
    world.heralds[NODE].kill()
    assert "unreachable" in kernel(world)
    world.heralds[NODE].start()
    world.edit("bgp-service.yaml", "        aggregationLengthIPv4: 24\n", "")
    until(lambda: "unreachable" not in kernel(world), 20, "it goes with the aggregate")
    world.edit("bgp-service.yaml", "          - LoadBalancerIP\n",
               "          - LoadBalancerIP\n        aggregationLengthIPv4: 24\n")
    until(lambda: "unreachable" in kernel(world), 20, "and comes with it")
    world.heralds[NODE].ctl("drain", "--wait", "0")
    until(lambda: "unreachable" not in kernel(world), 20, "nothing of it is announced any more")
    world.heralds[NODE].ctl("undrain")


def test_without_the_load_balancer_it_waits_to_be_asked(world):
    """auto: kube-proxy does not see what begins on the node when there is no way to the address."""
    discard(world, "auto")
    until(lambda: "unreachable" not in kernel(world), 20, "mode none: no discard")
