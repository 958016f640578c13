"""heraldctl explain: each way to make a Service unreachable is named in the first step that fails, with
what decided it, and what to change."""
import json
import threading
import time

import pytest

from herald_lab import bgpmsg as B
from herald_lab import herald as h
from herald_lab import until
from herald_lab.pair import AS, FAR4, PEER4, PEER_AS, POD4, Pair, VIP4
from herald_lab.plant import wait_loaded

VIP = VIP4.partition("/")[0]


@pytest.fixture(scope="module")
def up(module_lab):
    """A node with a load balancer and one session; what a test breaks it mends again."""
    pair = Pair(module_lab)
    pair.herald = h.Herald(module_lab, pair.n1, "n1", datapath=True)
    s = pair.speaker()
    s.routes = [B.announce([FAR4], PEER4, [PEER_AS, 65010])]
    s.serve()
    pair.start(peers=pair.peers(v6=False), settings={"routing": {"installLearned": True}})
    for name, docs in GOOD.items():
        pair.herald.write(name, *docs())
    wait_loaded(pair.herald)
    pair.herald.wait_established()
    until(lambda: explain(pair, "service", "default/web")["verdict"] == "ok",
          what=lambda: f"all is well: {explain(pair, 'service', 'default/web')}")
    return pair


def explain(pair, *words):
    return pair.herald.ctl("explain", *words)


def first(answer):
    """The step that is marked."""
    return answer["steps"][answer["failed"]] if "failed" in answer else None


def web(**kw):
    return h.service("web", families=["IPv4"], **kw)


def endpoints(*eps, port=80):
    return [h.endpoints("web", *eps, port=port)]


def unready():
    docs = endpoints(("10.1.0.10", "n1"))
    for d in docs:
        for e in d["endpoints"]:
            e["conditions"] = {"ready": False}
    return docs


def other_port():
    docs = endpoints(("10.1.0.10", "n1"))
    for d in docs:
        for p in d["ports"]:
            p["name"] = "other"
    return docs


GOOD = {
    "60-web.yaml": lambda: [web(), *endpoints(("10.1.0.10", "n1"))],
    "50-pools.yaml": lambda: [h.pool("v4", "172.16.1.0/24", allowFirstLastIPs="No"),
                              h.pool("v6", ("fd16::10", "fd16::1f"))],
    "40-advertise.yaml": lambda: [h.advertise_pods(), h.advertise_services()],
    "30-bgp.yaml": lambda: bgp(),
}


def bgp(peer=None, config=None, asn=AS, **cluster):
    r4 = {"peerASN": PEER_AS, "peerAddress": PEER4, "config": "tor", **(peer or {})}
    return [h.cluster(asn, {"r4": r4}, **cluster),
            h.peer_config("tor", families=["ipv4"], **(config or {}))]


def more(name, ip):
    return h.service(name, families=["IPv4"], annotations={"heraldlb.io/ips": ip})


def only(**spec):
    doc = h.advertise_services()
    doc["spec"].update(spec)
    return doc


# what is broken: (file, documents), about which Service, and of the first step that fails: stage, reason,
# a word of the object, a word of the field, a word of the advice
WAYS = {
    "type ClusterIP": ("60-web.yaml", lambda: [web(kind="ClusterIP"), *endpoints(("10.1.0.10", "n1"))],
                       "web", "service", "not-load-balancer", "Service default/web", "spec.type", "type"),
    "class of others": ("60-web.yaml", lambda: [web(loadBalancerClass="x.io/y"),
                                                *endpoints(("10.1.0.10", "n1"))],
                        "web", "service", "class-mismatch", "Service default/web",
                        "spec.loadBalancerClass", "loadBalancerClass"),
    "no pool selects it": ("61-more.yaml", lambda: [
        h.pool("only", "172.18.0.0/24", serviceSelector={"matchLabels": {"for": "others"}}),
        more("more", "172.18.0.5")], "more", "address", "pool-selector-mismatch",
        "LoadBalancerIPPool only", "spec.serviceSelector", "labels"),
    "pool disabled": ("61-more.yaml", lambda: [h.pool("off", "172.18.0.0/24", disabled=True),
                                               more("more", "172.18.0.5")],
                      "more", "address", "pool-disabled", "LoadBalancerIPPool off", "spec.disabled",
                      "disabled"),
    "outside of pools": ("61-more.yaml", lambda: [more("more", "9.9.9.9")], "more", "address",
                         "outside-pool", "Service default/more", "annotations", "block"),
    "taken": ("61-more.yaml", lambda: [more("more", VIP)], "more", "address", "already-allocated",
              "Service default/web", "", "sharing"),
    "reserved": ("61-more.yaml", lambda: [more("more", "172.16.1.0")], "more", "address",
                 "address-reserved", "LoadBalancerIPPool v4", "spec.allowFirstLastIPs",
                 "allowFirstLastIPs"),
    "no endpoint": ("60-web.yaml", lambda: [web()], "web", "endpoints", "no-ready-endpoint",
                    "EndpointSlices of default/web", "endpoints", "pods"),
    "none is ready": ("60-web.yaml", lambda: [web(), *unready()], "web", "endpoints",
                      "no-ready-endpoint", "EndpointSlices of default/web", "conditions", "ready"),
    "policy Local, endpoints elsewhere": (
        "60-web.yaml", lambda: [web(etp="Local"), h.endpoints("web", ("10.1.0.10", "n2"))], "web",
        "endpoints", "no-local-endpoint", "Service default/web", "externalTrafficPolicy", "Cluster"),
    "no such port": ("60-web.yaml", lambda: [web(), *other_port()], "web", "endpoints",
                     "no-ready-endpoint", "EndpointSlices of default/web", "ports", "targetPort"),
    "no advertisement selects it": (
        "40-advertise.yaml", lambda: [h.advertise_services(
            selector={"matchLabels": {"nobody": "has-this"}})], "web", "advertisement", "not-selected",
        "BGPAdvertisement services", "selector", "labels"),
    "LoadBalancerIP is not advertised": (
        "40-advertise.yaml", lambda: [h.advertise_services(addresses=("ClusterIP",))], "web",
        "advertisement", "address-type-not-advertised", "BGPAdvertisement services",
        "service.addresses", "LoadBalancerIP"),
    "its advertisement is for other nodes": (
        "40-advertise.yaml", lambda: [h.advertise_pods(), only(nodeSelectors=[
            {"matchLabels": {"kubernetes.io/hostname": "n9"}}])], "web", "advertisement",
        "node-not-selected", "BGPAdvertisement services", "spec.nodeSelectors", "nodeSelectors"),
    "its advertisement is for other peers": (
        "40-advertise.yaml", lambda: [h.advertise_pods(), only(peers=["r5"])], "web",
        "advertisement", "not-selected", "BGPAdvertisement services", "spec.peers", "peers"),
    "no advertisement": ("40-advertise.yaml", lambda: [], "web", "advertisement", "no-advertisement",
                         "BGPPeerConfig", "advertisements", "advertisements"),
    "no BGPPeerConfig": ("30-bgp.yaml", lambda: bgp()[:1], "web", "configuration",
                         "peer-config-missing", "BGPClusterConfig bgp", "", "BGPPeerConfig"),
    "another node is meant": ("30-bgp.yaml", lambda: bgp(nodeSelector={
        "matchLabels": {"kubernetes.io/hostname": "n9"}}), "web", "configuration", "node-not-selected",
        "BGPClusterConfig", "spec.nodeSelector", "nodeSelector"),
    "an export rule rejects it": ("30-bgp.yaml", lambda: bgp(config={
        "export": [{"match": {"prefixes": [{"prefix": "172.16.0.0/12", "ge": 12, "le": 32}]},
                    "action": "reject"}]}), "web", "route", "export-rejected", "BGPPeerConfig",
        "spec.export", "export"),
    "wrong AS of the peer": ("30-bgp.yaml", lambda: bgp(peer={"peerASN": 64999}), "web", "session",
                             "peer-not-established", "", "", "explain peer"),
    "nobody is there": ("30-bgp.yaml", lambda: bgp(peer={"peerAddress": "10.0.0.77"}), "web",
                        "session", "peer-not-established", "", "", "explain peer"),
    "no BGP at all": ("30-bgp.yaml", lambda: [], "web", "announcement", "no-advertisement", "", "",
                      "L2AnnouncementPolicy"),
    "no device": ("10-settings.yaml", None, "web", "load balancer", "no-interface", "HeraldConfig",
                  "datapath.devices", "devices"),
}


@pytest.mark.parametrize("what", WAYS)
def test_a_way_to_be_unreachable(up, what):
    file, docs, service, stage, reason, obj, field, advice = WAYS[what]
    write = up.herald.write
    good = up.herald.settings(routing={"installLearned": True})
    if docs is None:
        bad = json.loads(json.dumps(good))
        bad["spec"]["datapath"]["devices"] = ["nothing0"]
        write(file, bad)
    else:
        write(file, *docs())

    def named():
        answer = explain(up, "service", f"default/{service}")
        step = first(answer)
        return answer if step and (step["stage"], step["reason"]) == (stage, reason) else None
    try:
        answer = until(named, timeout=20, what=lambda: f"{stage} {reason}: " + json.dumps(
            explain(up, "service", f"default/{service}"), indent=1))
        step = first(answer)
        assert answer["verdict"] == "failed" and step["first"] is True
        assert obj in step.get("object", "") and field in step.get("field", ""), step
        assert advice in answer["advice"], answer["advice"]
        assert step["message"].strip()
        earlier = answer["steps"][:answer["failed"]]
        assert all(s["verdict"] != "failed" for s in earlier)
        table = up.herald.table("explain", "service", f"default/{service}")
        marked = [line for line in table.splitlines() if line.startswith(">>")]
        assert len(marked) == 1 and reason in marked[0] and "What to change: " in table
    finally:
        if file == "61-more.yaml":
            up.herald.remove(file)
        else:
            write(file, *(GOOD[file]() if file in GOOD else [good]))
        until(lambda: explain(up, "service", "default/web")["verdict"] == "ok", timeout=30,
              what=lambda: "all is well again: " + json.dumps(
                  explain(up, "service", "default/web"), indent=1))


def test_a_good_service(up):
    answer = explain(up, "service", "default/web")
    assert answer["verdict"] == "ok" and "failed" not in answer and answer["node"] == "n1"
    stages = [s["stage"] for s in answer["steps"]]
    for stage in ("service", "sources", "address", "endpoints", "advertisement", "session", "route",
                  "load balancer"):
        assert stage in stages, stages
    assert all({"stage", "verdict", "reason", "message"} <= set(s) for s in answer["steps"])


def test_another_node(up):
    """What another node would do: its endpoints and advertisements, nothing of its sessions."""
    up.herald.write("21-n2.yaml", h.node("n2", ["10.3.0.0/24"], ["10.0.0.9"]))
    up.herald.write("60-web.yaml", web(etp="Local"), *endpoints(("10.1.0.10", "n1")))
    ask = ("explain", "service", "default/web", "--node", "n2")
    answer = until(lambda: (a := up.herald.ctl(*ask)) and first(a) and a, what="n2 has no endpoint")
    assert answer["node"] == "n2" and first(answer)["reason"] == "no-local-endpoint"
    assert first(answer)["stage"] == "endpoints"
    assert not [s for s in answer["steps"] if s["stage"] == "session"]
    until(lambda: explain(up, "service", "default/web")["verdict"] == "ok", what="n1 is fine")
    up.herald.write("60-web.yaml", *GOOD["60-web.yaml"]())
    up.herald.remove("21-n2.yaml")


def test_layer_2_is_a_way_too(up):
    """With the session away one way is left; with neither the first obstacle counts."""
    policy = h.doc("L2AnnouncementPolicy", "all", {"loadBalancerIPs": True, "interfaces": ["eth0"]})
    up.herald.write("70-l2.yaml", policy)
    up.herald.write("30-bgp.yaml", *bgp(peer={"peerASN": 64999}))

    def degraded():
        a = explain(up, "service", "default/web")
        return a if a["verdict"] == "degraded" else None
    answer = until(degraded, timeout=30, what=lambda: json.dumps(
        explain(up, "service", "default/web"), indent=1))
    steps = {s["stage"]: s for s in answer["steps"]}
    assert steps["layer 2"]["verdict"] == "ok" and "n1 answers" in steps["layer 2"]["message"]
    assert steps["session"]["verdict"] == "degraded" and "failed" not in answer
    policy["spec"]["interfaces"] = ["nothing0"]
    up.herald.write("70-l2.yaml", policy)
    answer = until(lambda: (a := explain(up, "service", "default/web"))["verdict"] == "failed" and a,
                   timeout=30, what="no way is left")
    step = next(s for s in answer["steps"] if s["stage"] == "layer 2")
    assert step["verdict"] == "failed" and step["reason"] == "no-interface", step
    up.herald.remove("70-l2.yaml")
    up.herald.write("30-bgp.yaml", *bgp())
    up.herald.wait_established()
    until(lambda: explain(up, "service", "default/web")["verdict"] == "ok", what="all is well")


def test_what_does_not_exist(up):
    for words, text in ((("service", "default/none"), "no Service"), (("peer", "none"), "no BGP"),
                        (("service",), "usage"), (("address", "1.2.3"), "not understood"),
                        (("route", "x"), "not understood"), (("tea", "x"), "not understood"),
                        (("service", "default/web", "--node", "n9"), "no Node n9")):
        got = up.herald.run_ctl("explain", *words)
        assert got.returncode in (1, 2) and text.lower() in got.stderr.lower(), (words, got.stderr)


def test_an_address(up):
    answer = explain(up, "address", VIP)
    assert answer["verdict"] == "ok"
    assert [s["stage"] for s in answer["steps"]][:2] == ["pool", "owner"]
    assert "default/web" in answer["steps"][1]["message"]
    free = explain(up, "address", "172.16.1.200")
    assert first(free)["stage"] == "owner" and "No Service" in first(free)["message"]
    out = explain(up, "address", "9.9.9.9")
    assert first(out)["reason"] == "outside-pool"


def test_a_route(up):
    until(lambda: explain(up, "route", FAR4)["verdict"] == "ok", what="learned and installed")
    stages = {s["stage"]: s for s in explain(up, "route", FAR4)["steps"]}
    assert stages["received"]["subject"] == "r4" and stages["kernel"]["verdict"] == "ok"
    own = {s["stage"]: s for s in explain(up, "route", POD4)["steps"]}
    assert "podcidr" in own["originated"]["message"].lower() and "r4" in own["advertised"]["message"]
    inside = explain(up, "route", FAR4.replace(".0/24", ".77"))
    assert inside["verdict"] == "ok" and inside["steps"][0]["stage"] == "match"
    assert FAR4 in inside["steps"][0]["message"] and inside["steps"][1:] == explain(
        up, "route", FAR4)["steps"]
    nobody = explain(up, "route", "203.0.113.0/24")
    assert nobody["verdict"] == "failed" and first(nobody)["stage"] == "table"


# how a session is kept from coming up, what the failing step says, and the advice
SESSIONS = {
    "wrong AS": ({"peer": {"peerASN": 64999}}, "AS 65000, AS 64999 is wanted", "peerASN"),
    "refused": ({"peer": {"peerAddress": "10.0.0.3"}}, "refused", "listens"),
    "nobody on the link": ({"peer": {"peerAddress": "10.0.0.77"}}, "", "peer"),
    "hold time refused": ({"peer": {"peerAddress": "10.0.0.4"}}, "Hold Time", "hold time"),
    "another password": ({"peer": {"peerAddress": "10.0.0.5"}, "config": {
        "authSecretRef": "bgp-key"}}, "", "different ones (authSecretRef)"),
    "too far away": ({"peer": {"peerAddress": "10.0.0.6"}, "config": {
        "ttlSecurity": {"hops": 1}}}, "", "ttlSecurity.hops"),
    "no route": ({"peer": {"peerAddress": "203.0.113.9"}, "config": {"ebgpMultihop": 5}},
                 "unreachable", "route"),
}


def refuse(up, addr, *notification):
    """A speaker at @addr that answers every OPEN with its own and this NOTIFICATION."""
    s = up.speaker(addr).listen()
    listener = s._listener

    def loop():
        while True:
            try:
                sock, _ = listener.accept()
                sock.recv(4096)
                sock.sendall(s.open_bytes() + B.notification(*notification))
                sock.close()
            except OSError:
                return
    threading.Thread(target=loop, daemon=True).start()
    return s


@pytest.fixture(scope="module")
def others(up):
    """Those that a session does not come up with, each at an address of its own."""
    for addr in ("10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"):
        up.other.ip(f"addr replace {addr}/24 dev eth0")
    refuse(up, "10.0.0.4", 2, 6)
    up.speaker("10.0.0.5", md5=("10.0.0.1", "theirs")).serve()
    up.speaker("10.0.0.6").listen(ttl=64)


@pytest.mark.parametrize("what", SESSIONS)
@pytest.mark.usefixtures("others")
def test_why_a_session_is_not_there(up, what):
    kw, says, advice = SESSIONS[what]
    up.herald.write("30-bgp.yaml", *bgp(**kw), h.secret("bgp-key", "ours"))

    def told():
        answer = explain(up, "peer", "r4")
        step = first(answer)
        return answer if step and says in step["message"] and advice in answer["advice"] else None
    until(told, timeout=40, what=lambda: json.dumps(explain(up, "peer", "r4"), indent=1))
    assert first(explain(up, "peer", "r4"))["stage"] == "session"
    up.herald.write("30-bgp.yaml", *bgp())
    up.herald.wait_established()
    until(lambda: explain(up, "peer", "r4")["verdict"] != "failed", what="up again")


def test_a_peer_shut_down_by_hand(up):
    up.herald.ctl("bgp", "shutdown", "r4", "maintenance")
    answer = until(lambda: (a := explain(up, "peer", PEER4))["verdict"] == "failed" and a, what="down")
    assert first(answer)["stage"] == "configuration" and "maintenance" in first(answer)["message"]
    assert first(answer)["reason"] == "peer-shutdown" and "bgp enable" in answer["advice"]
    service = explain(up, "service", "default/web")
    assert first(service)["stage"] == "session" and first(service)["reason"] == "peer-shutdown"
    up.herald.ctl("bgp", "enable", "r4")
    up.herald.wait_established()


def test_a_drained_node(up):
    up.herald.ctl("drain")

    def drained():
        step = first(explain(up, "service", "default/web"))
        return step and step["reason"] == "draining" and step
    step = until(drained, timeout=60, what=lambda: json.dumps(
        explain(up, "service", "default/web"), indent=1))
    assert step["stage"] == "route" and "undrain" in step["advice"]
    up.herald.ctl("undrain")
    until(lambda: explain(up, "service", "default/web")["verdict"] == "ok", timeout=30,
          what="back again")


def test_costs_little(up):
    """Whoever asks again and again does not hold up the daemon."""
    begin = time.monotonic()
    for _ in range(20):
        explain(up, "service", "default/web")
    assert time.monotonic() - begin < 60
