"""An address of a pool that a stranger on the segment uses already: it is asked for on the link before
it is used, passed over, and said so."""
import pytest

from herald_lab import until
from herald_lab.plant import wait_loaded
from herald_lab.topology import NODES, http_get
from herald_lab.wait import stays
from test_l2 import SEGMENT, VIP, Segment

NEXT = "192.168.10.212"


@pytest.fixture(scope="module")
def world(module_lab):
    s = Segment(module_lab)
    s.client.ip(f"addr add {VIP}/32 dev eth0")
    s.start_heralds()
    for node in NODES:
        wait_loaded(s.heralds[node])
    return s


def given(world):
    return {a["address"] for n in NODES for a in world.heralds[n].ctl("ipam")["allocations"]
            if a["owner"] == "default/webpod"}


def test_another_address_is_given_and_answered_for(world):
    until(lambda: given(world) == {NEXT}, 60,
          lambda: f"{NEXT} everywhere: {given(world)}\n{world.heralds['k8s-ctr'].run_ctl('l2').stdout}")
    assert world.wait_holder(*SEGMENT, addr=NEXT)
    assert "Hostname: webpod-" in http_get(world.client, NEXT)
    # the stranger is left in peace
    assert not [r for n in NODES for r in world.rows(n) if r["answering"]]
    assert any("l2-address-in-use" in h.daemon.text() for h in world.heralds.values())


def test_a_stranger_who_comes_later_moves_nobody(world):
    world.client.ip(f"addr add {NEXT}/32 dev eth0")
    holder = world.wait_holder(*SEGMENT, addr=NEXT)
    world.heralds[holder].ctl("drain")
    try:
        # the other node sees the stranger as it asks; the holder gives, and nothing is renumbered
        until(lambda: not world.heralds[holder].ctl("l2")["announcements"][0]["answering"], 30,
              "handed over")
        stays(lambda: given(world) == {NEXT}, 8)
    finally:
        world.heralds[holder].ctl("undrain")
        world.client.ip(f"addr del {NEXT}/32 dev eth0")
