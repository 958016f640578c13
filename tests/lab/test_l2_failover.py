"""Who answers for an address when its owner goes: the host dies, the daemon does, it is told to go,
or another is to have it.  What is looked at is what a client of the segment sees, and an eye that
asks for every address all the time.

Bounds are those of a machine that is ten times slower; figures are make bench-l2's."""
import signal

import pytest

from herald_lab import until
from herald_lab.lan import node4
from herald_lab.lanscene import LanScene, not_on
from herald_lab.wait import stays

BOTH_MS = 2000  # two may answer for an address for so long at most
DEAD_S = 20     # a node that is dead is found out in this time: some 300 ms on a machine of ours


@pytest.fixture(scope="module")
def world(module_lab):
    w = LanScene(module_lab, 3, pairs=3).start().measure()
    w.wait_owned()
    return w


@pytest.fixture(autouse=True)
def ready(world):
    settled(world)
    world.reset()
    yield
    world.policy()
    for name, d in world.heralds.items():
        d.daemon.send_signal(signal.SIGCONT)
        if not d.daemon.running():
            world.boot(name)
        d.ctl("undrain")


def settled(world):
    world.wait_owned()
    world.wait_agreed()
    world.wait_answered()


def most(world):
    """The node that holds the most, and what it holds."""
    name = max(world.names, key=lambda n: len(world.held_by(n)))
    return name, world.held_by(name)


def others(world, name):
    return [n for n in world.names if n != name]


def moved(world, name, held, timeout=DEAD_S):
    """Until others answer for what it held, in their own names."""
    world.wait_owned(others(world, name), timeout, held)


def kept(world, name, held, seconds):
    """Nobody else answers for these, for so long."""
    stays(lambda: all(set(world.owners()[a]) <= {name} for a in held), seconds,
          lambda: f"{held} with {name}: {world.owners()}")


def never_two(world):
    told = world.watcher.told()
    assert told["split_ms"] < BOTH_MS, told


def test_a_host_that_dies(world):
    name, held = most(world)
    kept = {a: o for a, o in world.owners().items() if a not in held}
    world.die(name)
    moved(world, name, held)
    world.wait_answered()
    world.wait_agreed(*others(world, name))
    # minimal movement: what others held is where it was
    assert {a: world.owners()[a] for a in kept} == kept
    never_two(world)


def test_a_host_that_died_comes_back(world):
    name, held = most(world)
    world.die(name)
    moved(world, name, held)
    world.boot(name)
    settled(world)
    never_two(world)


def test_a_drained_node_gives_its_addresses_to_others(world):
    name, held = most(world)
    world.heralds[name].ctl("drain")
    moved(world, name, held)
    world.wait_agreed()
    stays(lambda: not world.held_by(name), 2)
    assert world.client_load.told()["lost"] == 0
    never_two(world)
    # and it takes part again, without being asked to take all back at once
    world.reset()
    world.heralds[name].ctl("undrain")
    settled(world)
    assert world.client_load.told()["lost"] == 0
    never_two(world)


def test_a_daemon_that_is_stopped_gives_its_addresses_first(world):
    name, held = most(world)
    world.heralds[name].daemon.send_signal(signal.SIGTERM)
    moved(world, name, held)
    until(lambda: not world.heralds[name].daemon.running(), 30, "the end")
    world.wait_agreed(*others(world, name))
    assert world.client_load.told()["lost"] == 0
    never_two(world)


def test_a_policy_that_leaves_the_node_out(world):
    name, held = most(world)
    world.policy(nodeSelector=not_on(name))
    moved(world, name, held)
    world.wait_agreed()
    assert not world.held_by(name)
    assert world.client_load.told()["lost"] == 0
    never_two(world)


def test_a_policy_of_an_interface_that_one_node_alone_has(world):
    """All of them to that node, and by that interface; and back."""
    name = min(world.names, key=lambda n: len(world.held_by(n)))
    world.second(name)
    world.reset()
    world.policy(interfaces=["^eth2$"])
    world.wait_owned([f"{name} eth2"], DEAD_S)
    world.wait_answered()
    never_two(world)
    world.policy()
    world.wait_owned(world.names, DEAD_S)
    # what only balance asks for comes later, and one by one
    until(lambda: max(len(world.held_by(n)) for n in world.names) <= 3, 120, world.told)
    assert world.client_load.told()["lost"] == 0
    never_two(world)


def test_a_daemon_that_is_killed_and_comes_back_keeps_all(world):
    name, held = most(world)
    world.heralds[name].kill()
    kept(world, name, held, 2)
    world.start_daemon(name)
    world.heralds[name].wait_ready()
    kept(world, name, held, 3)
    world.wait_agreed()
    told = world.watcher.told()
    assert told["split_ms"] == 0 and world.client_load.told()["lost"] == 0


def test_a_daemon_that_dies_again_as_soon_as_it_is_back(world):
    """What it answers for has an end all the same."""
    name, held = most(world)
    world.heralds[name].kill()
    world.start_daemon(name)
    world.heralds[name].wait_ready()
    world.heralds[name].kill()
    moved(world, name, held, 60)
    world.wait_agreed(*others(world, name))
    never_two(world)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_daemon_that_does_not_come_back_loses_all_in_the_end(world, how):
    name, held = most(world)
    world.heralds[name].daemon.send_signal(how)
    # before its time is over nothing moves
    kept(world, name, held, 4)
    moved(world, name, held, 60)
    world.wait_agreed(*others(world, name))
    world.wait_answered()
    never_two(world)
    if how == signal.SIGSTOP:  # it wakes up, and sees that its time was over
        world.heralds[name].daemon.send_signal(signal.SIGCONT)
        settled(world)
        never_two(world)


def test_a_link_that_goes_down_and_comes_up(world):
    name, held = most(world)
    world.unplug(name)
    moved(world, name, held)
    world.plug(name)
    settled(world)
    never_two(world)


def test_a_node_that_takes_the_others_to_be_behind_a_router(world):
    """Its prefix is its own address alone, theirs is the segment: they watch each other all the same."""
    name = world.names[0]
    ns = world.ns[name]
    ns.ip(f"addr del {node4(name)}/16 dev eth1", f"addr add {node4(name)}/32 dev eth1",
          "route replace 10.77.0.0/16 dev eth1")
    try:
        world.kill_daemon(name)
        world.start_daemon(name)

        def watched():
            return [m["watchedUp"] for n in world.names for m in
                    world.heralds[n].ctl("l2")["nodes"] if not m["self"]]
        until(lambda: watched() == [True] * (len(world.names) * (len(world.names) - 1)), 30,
              lambda: f"BFD up between all: {world.told()}")
    finally:
        ns.ip(f"addr del {node4(name)}/32 dev eth1", f"addr add {node4(name)}/16 dev eth1")
    settled(world)
