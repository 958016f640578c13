"""heraldctl log: levels of rooms while the daemon runs; one line an event, a repeated fault once."""
import json
import re

from herald_lab import until


def levels(herald):
    return {s["name"]: (s["level"], s["own"]) for s in herald.ctl("log")["subsystems"]}


def test_levels_room_by_room(pair):
    pair.start(settings={"log": {"level": "warn"}})
    herald = pair.herald
    assert levels(herald)["bgp"] == ("warn", False) and levels(herald)["kube"] == ("warn", False)
    until(lambda: herald.ctl("log", "bgp", "debug"), what="set")
    assert levels(herald)["bgp"] == ("debug", True) and levels(herald)["kube"] == ("warn", False)
    before = herald.log_size()
    herald.ctl("bgp", "shutdown", "r4")
    herald.ctl("bgp", "enable", "r4")
    until(lambda: re.search(r"level=(info|debug) subsystem=bgp ", herald.daemon.text()[before:]),
          what="what bgp says of it")
    herald.write("10-settings.yaml", herald.settings(log={"level": "error"}))
    until(lambda: levels(herald)["kube"] == ("error", False), what="the configuration's level")
    assert levels(herald)["bgp"] == ("debug", True)
    herald.ctl("log", "default")
    assert set(levels(herald).values()) == {("error", False)}
    herald.ctl("log", "info")
    assert set(levels(herald).values()) == {("info", True)}
    table = herald.table("log").splitlines()
    assert table[0].split()[:2] == ["SUBSYSTEM", "LEVEL"] and len(table) > 8
    for words in (("loud",), ("bgp", "loud"), ("nothing", "debug"), ("a", "b", "c")):
        got = herald.run_ctl("log", *words)
        assert got.returncode in (1, 2) and got.stderr, words
    assert "bgp" in herald.run_ctl("log", "nothing", "debug").stderr


def test_json_lines_and_faults_told_once(pair):
    pair.start(settings={"log": {"level": "info", "format": "json"}})
    herald = pair.herald
    bad = "apiVersion: v1\nkind: Sevice\n"
    for i in range(3):
        before = herald.ctl("status")["reloads"]["failed"]
        herald.write("99-bad.yaml", bad + f"# {i}\n")
        until(lambda b=before: herald.ctl("status")["reloads"]["failed"] > b, what="refused")
    lines = [json.loads(line) for line in herald.daemon.text().splitlines() if line.startswith("{")]
    assert all({"ts", "level", "subsystem", "event"} <= set(x) for x in lines)
    assert sum(x["event"] == "configuration-fault" for x in lines) == 1
    assert herald.ctl("log")["lines"]["repeated"] >= 2
