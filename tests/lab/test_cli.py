"""heraldctl and `herald -t`: every command as a table and as JSON, exit statuses, exact faults."""
import json
import os
import signal
import subprocess

import pytest

from herald_lab import bgpmsg as B
from herald_lab import herald as h
from herald_lab import until
from herald_lab.lab import program
from herald_lab.pair import FAR4, PEER4, PEER_AS, POD4, VIP4, VIP6, Pair


@pytest.fixture(scope="module")
def up(module_lab):
    pair = Pair(module_lab)
    s = pair.speaker()
    s.routes = [B.announce([FAR4], PEER4, [PEER_AS, 65010],
                           [B.communities("65000:1"), B.med(3),
                            B.attr(B.LARGE_COMMUNITIES, b"\0\0\0\1\0\0\0\2\0\0\0\3")])]
    s.serve()
    pair.start(peers=pair.peers(v6=False), settings={"routing": {"installLearned": True}})
    pair.herald.wait_established()
    until(lambda: pair.herald.ctl("routes")["routes"], what="the learned route installed")
    return pair.herald


# command: (headings of its table, key of its JSON, keys that an element has at least)
TABLES = {
    ("bgp", "peers"): (
        ["LOCAL AS", "PEER AS", "PEER ADDRESS", "SESSION STATE", "UPTIME", "FAMILY", "RECEIVED",
         "ADVERTISED"], "peers",
        {"name", "instance", "localASN", "peerASN", "peerAddress", "state", "uptimeSeconds",
         "families", "lastError"}),
    ("bgp", "routes", "available"): (
        ["VROUTER", "PREFIX", "NEXTHOP", "AGE", "ATTRS"], "routes",
        {"prefix", "nextHop", "peer", "best", "multipath", "stale", "origin", "asPath",
         "communities", "largeCommunities", "ageSeconds"}),
    ("bgp", "routes", "received"): (["VROUTER", "PREFIX", "NEXTHOP", "AGE", "ATTRS"], "routes",
                                    {"prefix", "nextHop", "peer", "stale", "med"}),
    ("bgp", "routes", "advertised"): (["VROUTER", "PREFIX", "NEXTHOP", "AGE", "ATTRS"], "routes",
                                      {"prefix", "nextHop", "peer", "origin"}),
    ("bgp", "route-policies"): (["NAME", "TYPE"], "policies",
                                {"name", "type", "peers", "families", "prefixes", "action"}),
    ("service", "list"): (["ID", "FRONTEND", "SERVICE TYPE", "BACKENDS"], "services",
                          {"id", "frontend", "type", "namespace", "name", "backends"}),
    ("ippools",): (["NAME", "DISABLED", "CONFLICTING", "IPS AVAILABLE", "AGE"], "pools",
                   {"name", "disabled", "conflicting", "available", "total"}),
    ("ipam",): (["ADDRESS", "OWNER", "POOL"], "allocations", {"address", "owner", "pool"}),
    ("routes",): (["PREFIX"], "routes", {"prefix", "nexthops", "origin"}),
}


@pytest.mark.parametrize("command", TABLES, ids=" ".join)
def test_a_command_as_table_json_and_yaml(up, command):
    headings, key, fields = TABLES[command]
    lines = up.table(*command).splitlines()
    head = lines[0].upper()
    at = -1
    for word in headings:
        found = head.find(word, at + 1)
        assert found > at, f"{word} in its place in {lines[0]!r}"
        at = found
    assert len(lines) > 1 and not any(line != line.rstrip() for line in lines)
    items = up.ctl(*command)[key]
    assert items and all(fields <= set(i) for i in items), items
    text = up.run_ctl(*command, form="yaml").stdout
    yaml = pytest.importorskip("yaml")
    assert set(yaml.safe_load(text)) == set(up.ctl(*command))


def test_status(up):
    s = up.ctl("status")
    assert {"version", "node", "uptimeSeconds", "sources", "lastReload"} <= set(s)
    assert s["node"] == "n1" and all(x["synced"] for x in s["sources"])
    assert s["lastReload"]["ok"] is True and s["lastReload"]["faults"] == []
    text = up.table("status")
    assert "n1" in text and s["version"] in text and len(text.splitlines()) <= 40


def test_bgp_peers_says_who_and_how_many(up):
    p = up.peer("r4")
    assert (p["localASN"], p["peerASN"], p["peerAddress"], p["state"]) == (
        65001, PEER_AS, PEER4, "established")
    assert p["families"] == [{"afi": "ipv4", "safi": "unicast", "received": 1, "accepted": 1,
                              "advertised": 2, **{k: v for k, v in p["families"][0].items() if k
                              not in ("afi", "safi", "received", "accepted", "advertised")}}]


def test_bgp_routes_filters_and_attributes(up):
    r, = up.routes("received", "ipv4", "unicast", "--peer", "r4", FAR4)
    assert (r["prefix"], r["nextHop"], r["peer"], r["origin"], r["med"]) == (
        FAR4, PEER4, "r4", "igp", 3)
    assert r["asPath"] == [PEER_AS, 65010]
    assert (r["communities"], r["largeCommunities"]) == (["65000:1"], ["1:2:3"])
    assert {x["prefix"] for x in up.routes("advertised", "--peer", "r4")} == {POD4, VIP4}
    assert all(":" in x["prefix"] for x in up.routes("available", "ipv6", "unicast"))
    assert {x["prefix"] for x in up.routes("available")} >= {FAR4, POD4, VIP4, VIP6}


def test_service_list_shows_frontends_and_backends(up):
    services = up.ctl("service", "list")["services"]
    lb, = [x for x in services if x["frontend"]["ip"] == "172.16.1.1"]
    assert lb["frontend"] == {"ip": "172.16.1.1", "port": 80, "protocol": "TCP"}
    assert (lb["type"], lb["namespace"], lb["name"]) == ("LoadBalancer", "default", "web")
    b, = lb["backends"]
    assert (b["ip"], b["port"], b["state"], b["node"]) == ("10.1.0.10", 80, "active", "n1")


def test_routes_shows_what_is_in_the_kernel(up):
    r, = up.ctl("routes")["routes"]
    assert (r["prefix"], r["nexthops"], r["origin"]) == (FAR4, [PEER4], "bgp-learned")


def test_config_show_has_the_documents_with_defaults_and_without_secrets(up):
    up.write("70-secret.yaml", h.secret("unused", "do-not-show-me"))
    until(lambda: any(d["kind"] == "Secret" for d in up.ctl("config", "show")["documents"])
          or up.ctl("status")["reloads"]["ok"] > 1, what="the secret loaded")
    docs = up.ctl("config", "show")["documents"]
    config, = [d for d in docs if d["kind"] == "BGPPeerConfig" and d["metadata"]["name"] == "tor"]
    assert config["spec"]["timers"]["holdTimeSeconds"] == 9
    text = up.table("config", "show") + json.dumps(docs)
    assert "do-not-show-me" not in text
    assert "kind: BGPPeerConfig" in up.table("config", "show")


def test_reload_answers_fine(up):
    assert up.run_ctl("reload").returncode == 0


@pytest.mark.parametrize("args", [("bgp", "clear", "nobody"), ("bgp", "shutdown", "nobody"),
                                  ("bgp", "enable", "nobody"),
                                  ("bgp", "routes", "received", "--peer", "nobody")],
                         ids=" ".join)
def test_status_1_when_the_daemon_says_no(up, args):
    done = up.run_ctl(*args)
    assert done.returncode == 1 and "nobody" in done.stderr and not done.stdout


@pytest.mark.parametrize("args", [("bgp", "routes", "sideways"),
                                  ("bgp", "routes", "received", "not-a-prefix"),
                                  ("bgp", "clear", "r4", "hard", "in")], ids=" ".join)
def test_words_that_only_the_daemon_can_judge_are_refused(up, args):
    done = up.run_ctl(*args)
    assert done.returncode == 2 and args[-1] in done.stderr and not done.stdout
    assert up.peer("r4")["state"] == "established"


@pytest.mark.parametrize("args", [(), ("nonsense",), ("bgp",), ("bgp", "clear"),
                                  ("-o", "xml", "status"), ("ippools", "too", "much"),
                                  ("help", "nonsense"), ("bgp", "routes", "--peer"),
                                  ("explain", "tea", "pot"), ("drain", "--wait", "long"),
                                  ("log", "bgp", "loud"), ("service", "list", "--stat"),
                                  ("observe", "--service", "web"), ("monitor", "weather")],
                         ids=lambda a: " ".join(a) or "none")
def test_status_2_for_wrong_usage(up, args):
    done = up.run_ctl(*args)
    assert done.returncode == 2 and done.stderr


def test_status_3_when_no_daemon_is_there(lab):
    for socket in (f"{lab.dir}/nothing.sock", lab.dir):
        done = subprocess.run([program("heraldctl"), "-s", socket, "status"], text=True,
                              capture_output=True, check=False)
        assert done.returncode == 3 and socket in done.stderr


def test_the_socket_comes_from_the_environment(up):
    done = subprocess.run([program("heraldctl"), "status"], text=True, capture_output=True,
                          check=False, env=dict(os.environ, HERALD_SOCKET=up.socket))
    assert done.returncode == 0 and "n1" in done.stdout


# ---- herald -t ----

def check(path, *args):
    return subprocess.run([program("herald"), "-c", path, "-t", *args], text=True,
                          capture_output=True, check=False, timeout=20)


FAULTY = """\
apiVersion: heraldlb.io/v1
kind: BGPPeerConfig
metadata: {name: tor}
spec:
  timers:
    holdTimeSeconds: 2
    keepAlive: 1
  families:
  - {afi: ipv5, safi: unicast}
---
apiVersion: heraldlb.io/v1
kind: LoadBalancerIPPool
metadata: {name: p}
spec:
  blocks:
  - cidr: 10.0.0.0/33
  - start: 10.0.0.9
    stop: 10.0.0.1
---
apiVersion: heraldlb.io/v1
kind: NoSuchKind
metadata: {name: x}
"""


def test_t_reports_every_fault_with_file_line_and_column(lab):
    path = f"{lab.dir}/bad.yaml"
    with open(path, "w", encoding="utf-8") as f:
        f.write(FAULTY)
    done = check(path)
    assert done.returncode == 1
    lines = (done.stdout + done.stderr).splitlines()

    def fault(start, *words):
        hits = [x for x in lines if x.startswith(f"{path}:{start}")]
        assert any(all(w in x for w in words) for x in hits), f"{start} {words} in {lines}"
    fault("6:22: BGPPeerConfig/tor: spec.timers.holdTimeSeconds: ", "0 or 3 to 65535")
    fault("7:5: BGPPeerConfig/tor: spec.timers.keepAlive: ")
    fault("9:11: BGPPeerConfig/tor: spec.families[0].afi: ", "ipv4", "ipv6")
    fault("16:11: LoadBalancerIPPool/p: spec.blocks[0].cidr: ")
    fault("18:11: LoadBalancerIPPool/p: spec.blocks[1].stop: ", "10.0.0.9")
    fault("21:7: ", "NoSuchKind")


def test_t_says_nothing_bad_about_the_reference_scenario():
    from herald_lab.topology import FILES, REFERENCE
    args = [x for f in FILES for x in ("-c", f"{REFERENCE}/{f}")]
    done = subprocess.run([program("herald"), *args, "-n", "k8s-ctr", "-t"], text=True,
                          capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


BROKEN = {
    "a duplicate key": ("a.yaml:4:", "apiVersion: v1\nkind: Secret\n"
                        "metadata: {name: x}\nkind: Node\n"),
    "a tab": ("a.yaml:4:", "apiVersion: v1\nkind: Node\nmetadata:\n\tname: x\n"),
    "bytes that are not UTF-8": ("a.yaml:", b"apiVersion: v1\nkind: Node\n"
                                 b"metadata: {name: \xff\xfe}\n"),
    "nesting without end": ("a.yaml:", "a: " + "[" * 100000),
    "an alias bomb": ("a.yaml:", "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 30))),
    "a document that is not a map": ("a.yaml:1:", "- 1\n- 2\n"),
    "a cut flow": ("a.yaml:", "apiVersion: v1\nkind: [\n"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_t_survives(lab, case):
    where, text = BROKEN[case]
    path = f"{lab.dir}/a.yaml"
    with open(path, "wb") as f:
        f.write(text if isinstance(text, bytes) else text.encode())
    done = check(path)
    assert done.returncode == 1, done
    assert where in done.stdout + done.stderr


def test_t_refuses_a_file_of_100_mb(lab):
    path = f"{lab.dir}/a.yaml"
    with open(path, "wb") as f:
        f.write(b"# x\n")
        f.truncate(100 << 20)
    done = check(path)
    assert done.returncode == 1 and "a.yaml" in done.stdout + done.stderr


def test_config_check_uses_the_same_words(up, lab):
    path = f"{lab.dir}/bad.yaml"
    with open(path, "w", encoding="utf-8") as f:
        f.write(FAULTY)
    done = up.run_ctl("config", "check", "-f", path)
    assert done.returncode == 1
    said = done.stdout + done.stderr
    assert f"{path}:6:22: BGPPeerConfig/tor: spec.timers.holdTimeSeconds: " in said


def test_herald_exit_statuses(lab):
    herald = program("herald")

    def status(*args):
        return subprocess.run([herald, *args], capture_output=True, check=False, timeout=20,
                              stdin=subprocess.DEVNULL).returncode
    assert status("--version") == 0
    assert status("--no-such-option") == 2
    assert status("-c", f"{lab.dir}/nothing-here.yaml") in (1, 3)
    bad = f"{lab.dir}/bad.yaml"
    with open(bad, "w", encoding="utf-8") as f:
        f.write(FAULTY)
    assert status("-c", bad) == 1


def test_anchors_and_merge_keys_work(lab):
    path = f"{lab.dir}/a.yaml"
    with open(path, "w", encoding="utf-8") as f:
        f.write("apiVersion: heraldlb.io/v1\nkind: BGPPeerConfig\nmetadata: {name: a}\nspec:\n"
                "  families:\n  - &f {afi: ipv4, safi: unicast}\n  - {<<: *f, afi: ipv6}\n")
    done = check(path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_second_daemon_on_the_same_socket_says_why_it_cannot_start(up):
    done = subprocess.run(["nsenter", f"--net={up.ns.path}", program("herald"), "-c", up.conf,
                           "-n", "n1"], text=True, capture_output=True, check=False, timeout=20)
    assert done.returncode == 3 and up.socket in done.stderr
    assert up.ctl("status")["node"] == "n1"


def test_sigterm_ends_with_0(pair):
    pair.start(peers={})
    assert pair.herald.stop(signal.SIGTERM) == 0
    assert not os.path.exists(pair.herald.socket)
