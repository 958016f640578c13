"""The ways in which an owner goes, and the cuts between nodes, of bench-l2; one measurement each."""
import dataclasses
import itertools
import signal
import time

from herald_lab.lanscene import not_on
from herald_lab.wait import Timeout, until

AFTER_S = 1.3   # a request is lost when it was not answered for a second
STAY_S = 4.0    # so long it is looked at whether something moves that shall not
MOVE_S = 60     # so long it is waited for what shall move
REST_S = 2.5    # so long nothing moves before a measurement


@dataclasses.dataclass
class Kind:
    name: str
    act: object              # (scene, victim)
    undo: object
    moves: bool = True       # the victim's addresses go to others
    share: float = 1.0       # of the repetitions
    again: object = None     # (scene, victim): done while it is looked at


def _stop(sig):
    def act(scene, victim):
        scene.heralds[victim].daemon.send_signal(sig)
    return act


def _ctl(*args):
    return lambda scene, victim: scene.heralds[victim].ctl(*args)


def _nothing(_scene, _victim):
    pass


def _leave_out(scene, victim):
    scene.policy(nodeSelector=not_on(victim))


def _take_in(scene, _victim):
    scene.policy()


def _boot(scene, victim):
    scene.boot(victim)


def _start(scene, victim):
    scene.start_daemon(victim)


def _kill(scene, victim):
    scene.kill_daemon(victim)


def _term(scene, victim):
    scene.heralds[victim].daemon.send_signal(signal.SIGTERM)


def _wait_and_start(scene, victim):
    until(lambda: not scene.heralds[victim].daemon.running(), 20, "the end of the daemon")
    scene.start_daemon(victim)


DIES = Kind("the host dies", lambda s, v: s.die(v), _boot)
HERALD = [
    DIES,
    Kind("drain", _ctl("drain"), _ctl("undrain")),
    Kind("policy leaves the node out", _leave_out, _take_in),
    Kind("SIGTERM", _term, _wait_and_start),
    Kind("kill -9, back after 2 s", _kill, _nothing, moves=False, again=_start, share=0.5),
    Kind("kill -9, not back", _kill, _start, share=0.25),
    Kind("SIGSTOP, not back", _stop(signal.SIGSTOP), _stop(signal.SIGCONT), share=0.25),
]
VRRP = [
    DIES,
    Kind("SIGTERM", lambda s, v: s.stop_daemon(v), _start),
    Kind("kill -9, back after 2 s", _kill, _nothing, moves=False, again=_start, share=0.25),
]


def settle(scene, timeout=60):
    """Until the same nodes answer for the same addresses for a while, one for each."""
    scene.wait_owned(timeout=timeout)
    seen = [None, 0.0]

    def quiet():
        now = scene.owners()
        if now != seen[0] or any(len(who) != 1 for who in now.values()):
            seen[:] = now, time.monotonic()
        return time.monotonic() > seen[1] + REST_S
    until(quiet, timeout, lambda: f"the addresses stay where they are: {scene.owners()}\n{scene.told()}",
          0.2)


def victim_of(scene):
    """The node that holds the most."""
    owners = scene.owners()
    return max(scene.names, key=lambda n: sum(w == [n] for w in owners.values()))


def failover(scene, kind):
    """One measurement; times in milliseconds.  What is counted are the victim's addresses."""
    settle(scene)
    victim = victim_of(scene)
    held = scene.held_by(victim)
    rest = [n for n in scene.names if n != victim]
    scene.reset()
    kind.act(scene, victim)
    if kind.moves:
        scene.wait_owned(rest, MOVE_S, held)
        time.sleep(AFTER_S)
    else:
        time.sleep(STAY_S / 2)
        if kind.again:
            kind.again(scene, victim)
        time.sleep(STAY_S / 2)
    load, eye = scene.client_load.told(), scene.watcher.told()
    now = scene.owners()
    kind.undo(scene, victim)
    mine = [load["addrs"][a] for a in held]
    seen = [eye["addrs"][a] for a in held]
    return {"gap": max(m["gap_ms"] for m in mine), "lost": load["lost"],
            "silent": max(e["silent_ms"] for e in seen),
            "split": max(e["split_ms"] for e in eye["addrs"].values()),
            "moved": sum(now[a] != [victim] for a in held) > 0, "late": load["late_ms"]}


# ---- cuts ----

@dataclasses.dataclass
class Cut:
    name: str
    act: object  # (scene, owner, other)
    nodes: int = 3


def _apart(scene, *_):
    scene.cut(*itertools.combinations(scene.names, 2))


CUTS = [
    Cut("owner and another, both ways", lambda s, a, b: s.cut((a, b))),
    Cut("another does not hear the owner", lambda s, a, b: s.cut_one_way((a, b))),
    Cut("the owner does not hear another", lambda s, a, b: s.cut_one_way((b, a))),
    Cut("the owner and all others", lambda s, a, b: s.isolate(a)),
    Cut("nobody hears the owner", lambda s, a, b: s.cut_one_way(*(
        (a, n) for n in s.names if n != a))),
    Cut("the owner hears nobody", lambda s, a, b: s.cut_one_way(*(
        (n, a) for n in s.names if n != a))),
    Cut("all from all", _apart),
    Cut("two nodes, both ways", lambda s, a, b: s.cut((a, b)), 2),
    Cut("two nodes, one way", lambda s, a, b: s.cut_one_way((a, b)), 2),
]


def split(scene, cut, hold_s, times):
    """The worst of some repetitions."""
    worst = {"split": 0.0, "silent": 0.0, "lost": 0, "healed": 0.0, "during": ""}
    for _ in range(times):
        settle(scene)
        owner = victim_of(scene)
        other = next(n for n in scene.names if n != owner)
        held = scene.held_by(owner)
        scene.reset()
        cut.act(scene, owner, other)
        time.sleep(hold_s)
        worst["during"] = answered_by(scene, held, owner)
        scene.heal()
        begin = time.monotonic()
        try:
            scene.wait_owned(timeout=MOVE_S)
        except Timeout:
            pass
        worst["healed"] = max(worst["healed"], (time.monotonic() - begin) * 1000)
        time.sleep(AFTER_S)
        load, eye = scene.client_load.told(), scene.watcher.told()
        worst["lost"] += load["lost"]
        for key in ("split", "silent"):
            worst[key] = max(worst[key], eye[f"{key}_ms"])
    return worst


def answered_by(scene, held, owner):
    """By whom those addresses are answered that the owner held."""
    said = set()
    for who in (scene.owners()[a] for a in held):
        said.add("nobody" if not who else "the owner" if who == [owner] else
                 "two" if len(who) > 1 else "another")
    return ", ".join(sorted(said))
