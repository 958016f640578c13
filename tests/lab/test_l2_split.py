"""Links between nodes are cut while clients reach all of them: never do two nodes answer for one
address for longer than 2 s, and once the links are whole one does.

Two nodes that do not hear each other and have nobody else to ask cannot know whether the other is
dead or cut off: what is promised of them is that one answers as soon as they hear each other."""
import itertools

import pytest

from herald_lab import Lab, until
from herald_lab.lanscene import LanScene

BOTH_MS = 2000
SILENT_MS = 10000  # a cut may leave an address without an answer for a moment: a second of ours
SEEN_S = 5  # of being cut that is looked at


class Cuts:
    """What is cut, by its name; @a holds what is looked at, @b is another."""

    @staticmethod
    def both_ways(w, a, b):
        w.cut((a, b))

    @staticmethod
    def owner_unheard_by_one(w, a, b):
        w.cut_one_way((a, b))

    @staticmethod
    def owner_hears_one_not(w, a, b):
        w.cut_one_way((b, a))

    @staticmethod
    def owner_alone(w, a, _):
        w.isolate(a)

    @staticmethod
    def owner_unheard(w, a, _):
        w.cut_one_way(*((a, n) for n in w.names if n != a))

    @staticmethod
    def owner_hears_none(w, a, _):
        w.cut_one_way(*((n, a) for n in w.names if n != a))

    @staticmethod
    def all_apart(w, *_):
        w.cut(*itertools.combinations(w.names, 2))


def cut_names():
    return [n for n in vars(Cuts) if not n.startswith("_")]


@pytest.fixture(scope="module", params=[3, 2], ids=["three", "two"])
def world(request):
    with Lab("split") as lab:
        w = LanScene(lab, request.param, pairs=2).start().measure()
        w.wait_owned()
        yield w


@pytest.fixture(autouse=True)
def whole(world):
    world.wait_owned()
    world.wait_agreed()
    world.reset()
    yield
    world.heal()


def looked(world, seconds):
    """Until the eye has asked for so long, however slow it is."""
    began = world.watcher.told()["addrs"]
    until(lambda: min(e["asked"] - began[a]["asked"]
                      for a, e in world.watcher.told()["addrs"].items()) >= seconds * 50,
          seconds * 10 + 10, "questions")


@pytest.mark.parametrize("cut", cut_names())
def test_never_two_for_long(world, cut):
    a = max(world.names, key=lambda n: len(world.held_by(n)))
    b = next(n for n in world.names if n != a)
    getattr(Cuts, cut)(world, a, b)
    looked(world, SEEN_S)
    told = world.watcher.told()
    if len(world.names) > 2:
        assert told["split_ms"] < BOTH_MS, (world.told(), told)
    assert told["silent_ms"] < SILENT_MS, told
    world.heal()
    world.wait_owned()
    world.wait_agreed()
    world.wait_answered()
    if len(world.names) > 2:
        assert world.watcher.told()["split_ms"] < BOTH_MS, world.watcher.told()
    # and it stays so
    world.reset()
    looked(world, 1)
    assert world.watcher.told()["split_ms"] == 0, world.watcher.told()
