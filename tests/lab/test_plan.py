"""heraldctl plan: what it says is what then happens, and nothing happens before."""
import json
import os
import random
import shutil
import socket
import subprocess
import tempfile

import pytest

from herald_lab import bgpmsg as B
from herald_lab import herald as h
from herald_lab import planned as P
from herald_lab import until
from herald_lab.lab import program
from herald_lab.pair import AS, FAR4, PEER4, PEER_AS, POD4, Pair, VIP4, slot_addr
from herald_lab.plant import wait_loaded

CHANGES = int(os.environ.get("HERALD_PLAN_CHANGES", "200"))
SEEDS = [int(s) for s in os.environ.get("HERALD_PLAN_SEEDS", "1").split(",")]
SLOTS = 6
# What 200 changes have to have in them, so that the comparison means something.
EVERYTHING = {(area, action) for area, actions in (
    ("session", ("added", "removed", "reset", "changed")),
    ("route", ("announced", "withdrawn", "changed")), ("address", ("given", "released", "moved")),
    ("l2", ("taken", "given-up")), ("kernel-route", ("added", "removed")),
    ("frontend", ("added", "removed", "changed")), ("bmp", ("added", "removed", "reset")),
    ("listen", ("added", "removed")), ("health-check", ("added", "removed", "changed")),
    ("tunnel", ("added", "removed", "changed")), ("tunnel-node", ("added", "removed")),
    ("pod-range", ("given", "released", "changed")), ("config", ("live", "restart")),
) for action in actions}


# ---- 200 changes ----

def start_random(lab, rnd):
    """A daemon with a random configuration, and a machine for each peer that there may be."""
    pair = Pair(lab, slots=SLOTS)
    pair.herald = h.Herald(lab, pair.n1, P.NODE, datapath=True)
    for i in range(SLOTS):
        s = pair.speaker(slot_addr(i), ident=f"192.0.2.{i + 1}")
        if i < len(P.TELLERS):
            s.routes = [B.announce([f"10.2.{i}.0/24", "10.2.9.0/24"], slot_addr(i),
                                   [PEER_AS, 65010 + i])]
        s.serve()
    config = P.Config(rnd, pair.herald, SLOTS)
    pair.herald.write("all.yaml", *config.documents())
    stations = P.Stations(lab, pair.other)
    pair.herald.start()
    wait_loaded(pair.herald)
    return pair, config, stations


def settled(d, told):
    """Everything is as it will stay: sessions up, what peers tell is in, the kernel follows."""
    state = P.observe(d)
    return P.all_up(d) and state == told[0] and state or told.__setitem__(0, state)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_plan_is_what_then_happens(lab, seed):
    rnd = random.Random(seed)
    pair, config, stations = start_random(lab, rnd)
    d = pair.herald
    told = [None]
    state = until(lambda: settled(d, told), 60, what="the start is over", step=0.5)
    accepts = dict(stations.accepts)
    seen = set()
    path = os.path.join(lab.path("new"), "all.yaml")
    for i in range(CHANGES):
        edits = [config.edit() for _ in range(rnd.choice((1, 1, 1, 2, 4)))]
        with open(path, "w", encoding="utf-8") as f:
            f.write(h.to_yaml(*config.documents()))
        _, changes = P.plan(d, path)
        wanted, accepts = P.lay_over(state, changes), P.connects(accepts, changes)
        seen |= {(c["area"], c["action"]) for c in changes}
        where = f"seed {seed}, change {i}: {', '.join(edits)}"
        assert P.observe(d) == state, f"{where}: something happened before\n" + P.difference(
            state, P.observe(d))
        d.write("all.yaml", *config.documents())
        d.ctl("reload")
        until(lambda: P.observe(d) == wanted and P.all_up(d) and stations.accepts == accepts, 60,
              what=lambda: (
            f"{where}: what was planned\n{P.difference(wanted, P.observe(d))}\n"
            f"stations: planned {accepts}, are {stations.accepts}\n"
            f"the plan:\n" + "\n".join(json.dumps(c) for c in changes)))
        state = wanted
        assert P.plan(d, path) == (0, []), f"{where}: taken on, and yet a plan"
    assert CHANGES < 200 or seen >= EVERYTHING, f"never planned: {EVERYTHING - seen}"
    print(f"seed {seed}: {CHANGES} changes, of {len(seen)} kinds")


# ---- the command ----

@pytest.fixture(scope="module")
def up(module_lab):
    pair = Pair(module_lab)
    s = pair.speaker()
    s.routes = [B.announce([FAR4], PEER4, [PEER_AS, 65010])]
    s.serve()
    pair.start(peers=pair.peers(v6=False))
    pair.herald.wait_established()
    until(lambda: pair.herald.route(VIP4, "advertised"), what="web is announced")
    return pair


def changed(pair, name, *documents):
    """(exit status, changes) if file @name held these @documents; nothing else happens."""
    d = pair.herald
    folder = tempfile.mkdtemp(dir=pair.lab.path("plans"))
    shutil.copytree(d.conf, folder, dirs_exist_ok=True)
    before = P.observe(d)
    with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
        f.write(h.to_yaml(*documents))
    status, changes = P.plan(d, folder)
    assert P.observe(d) == before and d.peer("r4")["state"] == "established"
    return status, changes


def of(changes, area):
    return [c for c in changes if c["area"] == area]


def test_nothing_changes(up):
    status, changes = P.plan(up.herald)
    assert (status, changes) == (0, [])
    assert up.herald.table("plan", "-f", up.herald.conf) == "Nothing changes.\n"


def test_a_session_and_the_field_that_ends_it(up):
    status, changes = changed(up, "30-bgp.yaml", h.cluster(AS, up.peers(v6=False)),
                              h.peer_config("tor", families=["ipv4"], hold=30),
                              h.peer_config("tor6", families=["ipv6"]))
    assert status == 4
    session, = of(changes, "session")
    assert (session["action"], session["peer"], session["peerAddress"]) == ("reset", "r4", PEER4)
    assert session["fields"] == ["hold_s", "keepalive_s"] and not of(changes, "route")


def test_a_password_is_named_and_not_shown(up):
    _, changes = changed(up, "30-bgp.yaml", h.cluster(AS, up.peers(v6=False)),
                         h.peer_config("tor", families=["ipv4"], authSecretRef="key"),
                         h.secret("key", "hush-hush"), h.peer_config("tor6", families=["ipv6"]))
    session, = of(changes, "session")
    assert session["fields"] == ["md5_key"] and "hush" not in json.dumps(changes)


def test_a_peer_goes_and_its_routes(up):
    _, changes = changed(up, "30-bgp.yaml", h.cluster(AS, {}))
    session, = of(changes, "session")
    assert (session["action"], session["peer"]) == ("removed", "r4")
    assert {(c["action"], c["prefix"], c["session"]) for c in of(changes, "route")} == {
        ("withdrawn", POD4, "ends"), ("withdrawn", VIP4, "ends")}


def test_an_address_moves_and_what_hangs_on_it(up):
    _, changes = changed(up, "60-web.yaml",
                         h.service("web", families=["IPv4", "IPv6"], annotations={
                             "heraldlb.io/ips": "172.16.1.9,fd16::10"}),
                         h.endpoints("web", ("10.1.0.10", "n1")))
    move, = of(changes, "address")
    assert move["action"] == "moved" and move["service"] == "default/web"
    assert [a["address"] for a in move["old"]] == ["172.16.1.1", "fd16::10"]
    assert [a["address"] for a in move["new"]] == ["172.16.1.9", "fd16::10"]
    assert {(c["action"], c["prefix"]) for c in of(changes, "route")} == {
        ("withdrawn", VIP4), ("announced", "172.16.1.9/32")}
    assert not of(changes, "session")


def test_attributes_change_softly(up):
    _, changes = changed(up, "40-advertise.yaml", h.advertise_pods(),
                         h.advertise_services(attributes={"med": 7}))
    route, = of(changes, "route")
    assert (route["action"], route["session"], route["fields"]) == ("changed", "stays", ["med"])
    assert (route["old"]["med"], route["new"]["med"]) == (None, 7)


def test_what_needs_a_restart(up):
    _, changes = changed(up, "10-settings.yaml", up.herald.settings(
        stateDir="/elsewhere", log={"level": "info"}))
    assert {(c["action"], c["field"]) for c in changes} == {
        ("restart", "spec.stateDir"), ("live", "spec.log.level")}


def test_what_cannot_be_done_is_told(up):
    _, changes = changed(up, "30-bgp.yaml", h.cluster(AS, up.peers(v6=False, config="none")))
    notice, = of(changes, "notice")
    assert notice["new"]["reason"] == "peer-config-missing"
    assert of(changes, "session")[0]["fields"][-1] != "" and "held_down" in of(
        changes, "session")[0]["fields"]


def test_every_fault_is_told(up):
    path = os.path.join(up.lab.path("faults"), "bad.yaml")
    with open(path, "w", encoding="utf-8") as f:
        f.write(h.to_yaml(h.pool("p", "172.16.1.0/33"), h.doc("BGPPeerConfig", "x", {"tea": 1})))
    done = up.herald.run_ctl("plan", "-f", path)
    assert done.returncode == 1 and not done.stdout
    assert f"{path}:" in done.stderr and "172.16.1.0/33" in done.stderr and "tea" in done.stderr
    for bad in (("-f", "/nonexistent"), ("-f", path, "-f", "/nonexistent")):
        assert up.herald.run_ctl("plan", *bad).returncode == 1
    for usage in ((), ("-f",), ("tea",), ("--json",)):
        assert up.herald.run_ctl("plan", *usage).returncode == 2, usage


def test_standard_input_and_several_paths(up):
    argv = [program("heraldctl"), "-s", up.herald.socket, "plan", "--json", "-f", "-"]
    with open(os.path.join(up.herald.conf, "20-node.yaml"), encoding="utf-8") as f:
        node = f.read()
    done = subprocess.run(argv, input=node, text=True, capture_output=True, timeout=60, check=False)
    changes = json.loads(done.stdout)["changes"]
    assert done.returncode == 4 and {c["action"] for c in of(changes, "session")} == {"removed"}
    files = [os.path.join(up.herald.conf, f) for f in sorted(os.listdir(up.herald.conf))]
    assert P.plan(up.herald, *files) == (0, [])


def test_the_table_for_people(up):
    path = os.path.join(up.lab.path("table"), "all.yaml")
    with open(path, "w", encoding="utf-8") as f:
        f.write(h.to_yaml(h.node("n1", [POD4], [])))
    done = up.herald.run_ctl("plan", "-f", path)
    lines = done.stdout.splitlines()
    assert done.returncode == 4 and lines[0].split() == ["WHAT", "CHANGE", "OF", "PEER", "DETAIL"]
    assert any(line.split()[:3] == ["session", "removed", "r4"] for line in lines)
    assert any(line.split()[:4] == ["route", "withdrawn", VIP4, "r4"] for line in lines)
    assert lines[-1].endswith("Nothing was changed.")


# what is sent behind the request, and a word of the answer; None: none comes
HOSTILE = {
    "not JSON": (b"tea\n", "did not come"),
    "no path": (b'{"bytes":3}\nabc', "did not come"),
    "less than nothing": (b'{"path":"x","bytes":-1}\n', "did not come"),
    "too much": (b'{"path":"x","bytes":99999999999}\n', "did not come"),
    "a line without an end": (b"x" * 20000, "did not come"),
    "too short": (b'{"path":"x","bytes":99}\nabc', "did not come"),
    "garbage": (b'{"path":"x","bytes":4}\n\x00\xff{:{"end":true}\n', "x:1:"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_documents(up, what):
    sent, says = HOSTILE[what]
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(30)
        s.connect(up.herald.socket)
        s.sendall(b'{"argv":["plan"]}\n' + sent)
        s.shutdown(socket.SHUT_WR)
        text = b""
        while piece := s.recv(65536):
            text += piece
    answer = json.loads(text)
    assert answer["ok"] is False and says in answer["error"], answer
    assert up.herald.peer("r4")["state"] == "established"


def test_plans_that_are_left_alone_do_no_harm(up):
    """Clients that never say more: four at a time, and they end with their connections."""
    socks = []
    for _ in range(4):
        s = socket.socket(socket.AF_UNIX)
        s.connect(up.herald.socket)
        s.sendall(b'{"argv":["plan"]}\n')
        socks.append(s)

    def refused():
        done = up.herald.run_ctl("plan", "-f", up.herald.conf)
        return done.returncode == 1 and "other plans" in done.stderr
    until(refused, what="the fifth is refused")
    for s in socks:
        s.close()
    until(lambda: up.herald.run_ctl("plan", "-f", up.herald.conf).returncode == 0, what="room again")
    assert up.herald.peer("r4")["flaps"] == 0


def test_the_daemon_ends_while_one_is_at_work(lab):
    pair = Pair(lab).start(peers={})
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(30)
        s.connect(pair.herald.socket)
        s.sendall(b'{"argv":["plan"]}\n')
        until(lambda: len(children(pair.herald)) == 1, what="somebody at work")
        child, = children(pair.herald)
        assert pair.herald.stop() == 0
        assert s.recv(100) == b""
    assert not os.path.exists(f"/proc/{child}")


def children(herald):
    pid = herald.daemon.popen.pid
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
        return f.read().split()
