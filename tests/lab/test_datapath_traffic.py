"""Packets through the datapath, both families: a client behind a router comes in by n1; "near" has
its endpoint on n1 itself, "far" on n2."""
import contextlib
import json

import pytest

from herald_lab import until
from herald_lab.lab import program
from herald_lab.netns import ip
from herald_lab.plant import (NODE4, NODE6, OUTSIDE4, OUTSIDE6, Plant, app, frontend, pod_addr)
from herald_lab.proc import Daemon
from herald_lab.wire import pattern_sha

PORTS = [{"name": "http", "port": 80, "targetPort": 80, "protocol": "TCP"},
         {"name": "dns", "port": 53, "targetPort": 53, "protocol": "UDP"},
         {"name": "sctp", "port": 132, "targetPort": 132, "protocol": "SCTP"}]
VIPS = {"near": ("172.16.1.10", "fd16::10"), "far": ("172.16.1.11", "fd16::11"),
        "both": ("172.16.1.12", "fd16::12"), "empty": ("172.16.1.13", "fd16::13")}
PODS = {"near": ["n1p0"], "far": ["n2p0"], "both": ["n1p0", "n2p0"], "empty": []}
BIG = 100_000_000
MIDDLE = 3_000_000


def documents(name, vips=None, **spec):
    return app(name, spec.pop("pods", PODS.get(name)), spec.pop("ports", PORTS),
               annotations={"lbipam.cilium.io/ips": ",".join(vips or VIPS[name])},
               allocateLoadBalancerNodePorts=False, **spec)


def built(lab, *names, **datapath):
    p = Plant(lab, **datapath)
    p.start(*(documents(n) for n in names))
    for name in names:
        for i, vip in enumerate(VIPS[name]):
            p.wait_backends(vip, [pod_addr(x[:2], int(x[3:]), v6=i) for x in PODS[name]])
    return p


@pytest.fixture(scope="module")
def plant(module_lab):
    return built(module_lab, *VIPS, pods=2)


@pytest.fixture(params=["near-4", "near-6", "far-4", "far-6"])
def way(request):
    return Way(*request.param.split("-"))


class Way:
    """One of the four ways: the VIP, the pod behind it, and whom the pod sees."""

    def __init__(self, name, family):
        self.name, self.v6 = name, family == "6"
        self.vip, self.pod = VIPS[name][self.v6], PODS[name][0]
        self.outside = OUTSIDE6 if self.v6 else OUTSIDE4
        self.node = (NODE6 if self.v6 else NODE4)["n1"]
        self.seen = self.outside if name == "near" else self.node


def asks(plant, way, where="outside"):
    return plant.agent(where), way.vip


# ---- protocols ----

def test_tcp_reaches_the_pod_and_the_vip_answers(plant, way):
    got = plant.agent("outside").http(way.vip)
    assert (got["pod"], got["client"], got["peer"]) == (way.pod, way.seen, [way.vip, 80])


def test_hundreds_of_connections_and_none_fails(plant, way):
    got = plant.agent("outside").many(way.vip, n=300)
    assert got == {"pods": {way.pod: 300}, "clients": {way.pod: [way.seen]}, "errors": {}}


def test_a_long_download_is_whole(plant, way):
    got = plant.agent("outside").download(way.vip, size=BIG, timeout=20)
    assert got == {"bytes": BIG, "sha": pattern_sha(BIG)}


def test_a_long_upload_is_whole(plant, way):
    assert plant.agent("outside").upload(way.vip, size=BIG, timeout=20) == {"sha": pattern_sha(BIG)}


def test_udp_there_and_back(plant, way):
    agent = plant.agent("outside")
    for connected in (False, True):
        got = agent.udp(way.vip, connected=connected)
        assert (got["pod"], got["client"], got["from"], got["same"]) == (
            way.pod, way.seen, [way.vip, 53], True)


def test_udp_in_fragments(plant, way):
    got = plant.agent("outside").udp(way.vip, size=6000)
    assert (got["pod"], got["from"], got["same"]) == (way.pod, [way.vip, 53], True)


def test_sctp_checksum_and_addresses(plant, way):
    got = plant.agent("outside").sctp(way.vip, sport=40000)
    assert (got["from"], got["sport"], got["crc"]) == (way.vip, 132, True)
    saw = got["saw"]
    assert (saw["name"], saw["client"], saw["dport"], saw["crc"]) == (way.pod, way.seen, 132, True)
    assert way.name == "far" or saw["sport"] == 40000


def test_an_echo_request_is_answered_by_the_vip(plant, way):
    for size in (0, 32, 1200):
        assert plant.agent("outside").ping(way.vip, size=size) == {"from": way.vip, "same": True}


def test_an_unknown_port_is_refused_at_once(plant, way):
    got = plant.agent("outside").http(way.vip, port=81)
    assert got["error"] == "ECONNREFUSED" and got["ms"] < 500
    got = plant.agent("outside").udp(way.vip, port=54, connected=True)
    assert got["error"] == "ECONNREFUSED" and got["ms"] < 500


@pytest.mark.parametrize("i", [0, 1], ids=["4", "6"])
def test_a_service_without_endpoints_is_refused_at_once(plant, i):
    vip = VIPS["empty"][i]
    before = plant.heralds["n1"].counters()["no-backend"]
    for where in ("outside", "n1", "n1p0"):
        got = plant.agent(where).http(vip)
        assert got["error"] == "ECONNREFUSED" and got["ms"] < 500, where
    assert plant.heralds["n1"].counters()["no-backend"] > before


def test_a_node_and_a_pod_by_socket(plant, way):
    direct = pod_addr(way.pod[:2], 0, way.v6)
    for where in ("n1", "n1p0"):
        agent = plant.agent(where)
        seen = agent.http(direct)["client"]  # as without a load balancer
        got = agent.http(way.vip)
        assert (got["pod"], got["client"], got["peer"]) == (way.pod, seen, [way.vip, 80])
        for connected in (False, True):
            got = agent.udp(way.vip, connected=connected)
            assert (got["pod"], got["client"], got["from"]) == (way.pod, seen, [way.vip, 53])


def test_both_endpoints_have_their_share(plant):
    for vip in VIPS["both"]:
        got = plant.agent("outside").many(vip, n=100)
        assert not got["errors"] and min(got["pods"].values()) > 20 and len(got["pods"]) == 2


# ---- path MTU ----

@contextlib.contextmanager
def narrow(ns, dev, mtu=1400):
    """@dev of @ns takes 1400 bytes for a while, and nobody remembers it afterwards."""
    ns.ip(f"link set {dev} mtu {mtu}")
    try:
        yield
    finally:
        ns.ip(f"link set {dev} mtu 1500")


def forget(plant):
    for ns in (plant.outside, *plant.ns.values(), *plant.pods.values()):
        for family in ("-4", "-6"):
            ip("-n", ns.name, family, "route", "flush", "cache", check=False)


def mtu_known(ns, dst):
    """The path MTU to @dst that the kernel of @ns has learned; 0: none."""
    got = json.loads(ip("-n", ns.name, "-j", "route", "get", dst))[0]
    return next((m["mtu"] for m in got.get("metrics", []) if "mtu" in m), 0)


def test_a_narrow_link_on_the_way_to_the_client(plant, way):
    """The ICMP error is to the VIP; the pod has to get it, about the flow that it knows."""
    forget(plant)
    pod = plant.pods[way.pod]
    with narrow(plant.router, "eth0"):
        got = plant.agent("outside").download(way.vip, size=MIDDLE)
        assert got == {"bytes": MIDDLE, "sha": pattern_sha(MIDDLE)}
        assert mtu_known(pod, way.seen) == 1400
    forget(plant)


def test_a_narrow_link_on_the_way_to_the_pod(plant, way):
    """The error comes from this side of the load balancer; the client knows the VIP only."""
    forget(plant)
    with narrow(plant.ns[way.pod[:2]], way.pod):
        got = plant.agent("outside").upload(way.vip, size=MIDDLE)
        assert got == {"sha": pattern_sha(MIDDLE)}
        assert mtu_known(plant.outside, way.vip) == 1400
    forget(plant)


# ---- what a Service asks for ----

def test_session_affinity(plant):
    vips = ("172.16.1.20", "fd16::20")
    plant.serve(documents("sticky", vips, pods=PODS["both"], sessionAffinity="ClientIP",
                          sessionAffinityConfig={"clientIP": {"timeoutSeconds": 60}}))
    for i, vip in enumerate(vips):
        plant.wait_backends(vip, [pod_addr(n, 0, i) for n in ("n1", "n2")])
        for where in ("outside", "n1"):
            got = plant.agent(where).many(vip, n=20)
            assert not got["errors"] and list(got["pods"].values()) == [20], where


def test_source_ranges(plant):
    vips = ("172.16.1.21", "fd16::21")

    def fence(*ranges):
        plant.serve(documents("fenced", vips, pods=PODS["both"],
                              loadBalancerSourceRanges=list(ranges)))

    fence("10.10.1.0/28", "fd99::/64")
    for i, vip in enumerate(vips):
        plant.wait_backends(vip, [pod_addr(n, 0, i) for n in ("n1", "n2")])
        assert not plant.agent("outside").many(vip, n=10)["errors"]
    fence("10.10.1.128/25", "fd98::/64")
    for vip in vips:
        until(lambda v=vip: plant.agent("outside").http(v, timeout=0.3).get("error")
              == "ETIMEDOUT", what="the client fenced off")
        for where in ("n2", "n2p0"):
            assert plant.agent(where).http(vip)["peer"] == [vip, 80]
    assert plant.heralds["n1"].counters()["source-range"] > 0
    fence()
    for vip in vips:
        until(lambda v=vip: "pod" in plant.agent("outside").http(v, timeout=0.3), what="let in")


@pytest.fixture
def apart(lab):
    """A network of a test's own: made with Plant's arguments."""
    return lambda *names, **datapath: built(lab, *names, **datapath)


def test_node_ports(apart):
    plant = apart("near", nodePort=True)
    ports = [{**PORTS[0], "nodePort": 30080}]
    plant.serve(app("np", PODS["both"], ports, kind="NodePort"))
    for node, addrs in (("n1", (NODE4, NODE6)), ("n2", (NODE4, NODE6))):
        for addr in (a[node] for a in addrs):
            until(lambda n=node, a=addr: frontend(plant.heralds[n], a, 30080), what="the node port")
            got = plant.agent("outside").many(addr, n=40, port=30080)
            assert set(got["pods"]) == {"n1p0", "n2p0"} and not got["errors"]
            # the node's own ports are nobody else's
            assert plant.agent("outside").http(addr, port=30081)["error"] == "ECONNREFUSED"
    for where in ("n1", "n1p0"):
        assert not plant.agent(where).many(NODE4["n1"], n=10, port=30080)["errors"]


def test_without_socket_lb_pods_are_served_on_their_way_and_reach_themselves(apart):
    plant = apart("near", "far", "both", pods=2, socketLB=False)
    for i in (0, 1):
        for name in ("near", "far"):
            pod, = PODS[name]
            for where in ("n1p0", "n2p0", "n1p1"):  # the last is no Service's endpoint
                got = plant.agent(where).http(VIPS[name][i])
                assert got.get("pod") == pod and got["peer"] == [VIPS[name][i], 80], (name, where)
                got = plant.agent(where).udp(VIPS[name][i], connected=True)
                assert got.get("pod") == pod and got["same"], (name, where)
        size = 30_000_000
        got = plant.agent("n1p0").download(VIPS["near"][i], size=size)  # the hairpin
        assert got == {"bytes": size, "sha": pattern_sha(size)}
        got = plant.agent("n1p0").many(VIPS["both"][i], n=60)
        assert set(got["pods"]) == {"n1p0", "n2p0"} and not got["errors"]


def test_dsr_keeps_the_clients_address_and_survives_a_rehash(apart):
    plant = apart("far", "both", forwarding="dsr")
    agent = plant.agent("outside")
    for i, outside in enumerate((OUTSIDE4, OUTSIDE6)):
        vip = VIPS["far"][i]
        assert agent.many(vip, n=200) == {"pods": {"n2p0": 200}, "clients": {"n2p0": [outside]},
                                          "errors": {}}
        assert agent.download(vip, size=BIG) == {"bytes": BIG, "sha": pattern_sha(BIG)}
        assert agent.upload(vip, size=MIDDLE) == {"sha": pattern_sha(MIDDLE)}
        got = agent.udp(vip, connected=True)
        assert (got["client"], got["from"]) == (outside, [vip, 53])
        assert agent.sctp(vip)["saw"]["client"] == outside
        got = agent.many(VIPS["both"][i], n=60)
        assert got["clients"] == {"n1p0": [outside], "n2p0": [outside]} and not got["errors"]
        for conn in range(10):  # connections by n1, that go on by n2
            assert "pod" in agent.http(VIPS["both"][i], keep=f"{i}.{conn}")
    plant.by("n2")
    for i in (0, 1):
        for conn in range(10):
            got = agent.http(VIPS["both"][i], keep=f"{i}.{conn}")
            assert "pod" in got, got


def test_health_check_node_port(plant):
    vips = ("172.16.1.22", "fd16::22")
    plant.serve(documents("local", vips, pods=["n1p0"], etp="Local", healthCheckNodePort=31000))

    def status(node):
        return plant.outside.run("curl", "-s", "--max-time", "2", "-w", "\n%{http_code}",
                                 f"http://{NODE4[node]}:31000/", check=False).rsplit("\n", 1)
    until(lambda: status("n1")[1] == "200", what=lambda: f"200 of n1: {status('n1')}")
    until(lambda: status("n2")[1] == "503", what=lambda: f"503 of n2: {status('n2')}")
    body = json.loads(status("n1")[0])
    assert body["service"] == {"namespace": "default", "name": "local"}
    assert body["localEndpoints"] == 1 and json.loads(status("n2")[0])["localEndpoints"] == 0
    plant.serve(documents("local", vips, pods=["n2p0"], etp="Local", healthCheckNodePort=31000))
    until(lambda: (status("n1")[1], status("n2")[1]) == ("503", "200"), what="they change places")


# ---- endpoints come and go ----

@pytest.mark.parametrize("state", ["terminating", "unready"])
def test_one_that_leaves_or_is_not_ready_keeps_its_connections_and_gets_no_new(plant, state):
    vips = ("172.16.1.23", "fd16::23")

    def states(**kw):  # of pods that no other Service knows
        plant.serve(documents("leaving", vips, pods=["n1p1", "n2p1"], states=kw))
    states()
    for i, vip in enumerate(vips):
        plant.wait_backends(vip, [pod_addr(n, 1, i) for n in ("n1", "n2")])
    agent, held = plant.agent("outside"), []
    for i, vip in enumerate(vips):
        for n in range(12):
            got = agent.http(vip, keep=f"t{i}.{n}")
            held.append((vip, f"t{i}.{n}", got["pod"]))
    assert {pod for _, _, pod in held} == {"n1p1", "n2p1"}
    states(n1p1=state)
    for vip in vips:
        until(lambda v=vip: agent.many(v, n=12)["pods"] == {"n2p1": 12}, what="only n2p1 is asked")
    assert [agent.http(v, keep=k).get("pod") for v, k, _ in held] == [pod for _, _, pod in held]
    for _, k, _ in held:
        agent.drop(keep=k)
    if state == "terminating":  # better somebody who leaves than nobody
        states(n1p1=state, n2p1=state)
        for vip in vips:
            until(lambda v=vip: len(agent.many(v, n=12)["pods"]) == 2, what="both are asked again")
    plant.serve(documents("leaving", vips, pods=[]))


def test_a_connected_udp_socket_of_a_removed_endpoint_ends(plant):
    vips = ("172.16.1.24", "fd16::24")

    def serve(*pods):  # of which no other Service knows
        plant.serve(documents("gone", vips, pods=list(pods)))
        for i, vip in enumerate(vips):
            plant.wait_backends(vip, [pod_addr(p[:2], 1, i) for p in pods], port=53, proto="UDP")
    agent = plant.agent("n1p0")
    serve("n2p1")
    for vip in vips:
        assert agent.udp(vip, connected=True, keep=vip)["pod"] == "n2p1"
    serve("n1p1")
    for vip in vips:
        got = until(lambda v=vip: agent.udp(v, connected=True, keep=v, timeout=0.3).get("error"),
                    what="the socket ends")
        assert got in ("ECONNABORTED", "ECONNREFUSED", "ECONNRESET")
        agent.drop(keep=vip)
        assert agent.udp(vip, connected=True)["pod"] == "n1p1"


# ---- what there is to see ----

def test_lb_list_shows_what_the_maps_hold(plant):
    d = plant.heralds["n1"]
    row = frontend(d, VIPS["both"][0])
    assert "LoadBalancer" in row["flags"]
    assert {b["ip"] for b in row["backends"]} == {pod_addr("n1"), pod_addr("n2")}
    text = d.table("lb", "list")
    assert text.splitlines()[0].split()[:2] == ["SERVICE", "ADDRESS"]
    for vip in (VIPS["both"][0], f"[{VIPS['both'][1]}]"):
        assert f"{vip}:80/TCP" in text and f"{vip}:53/UDP" in text and f"{vip}:132/SCTP" in text


def test_conntrack_and_counters_tell_of_a_flow(plant):
    d, agent, vip = plant.heralds["n1"], plant.agent("outside"), VIPS["far"][0]
    before = d.counters()["forwarded"]
    sport = agent.http(vip, keep="seen")["local"][1]
    assert d.counters()["forwarded"] > before
    flows = [f for f in d.ctl("lb", "conntrack")["flows"]
             if f["client"] == f"{OUTSIDE4}:{sport}/TCP" and f["state"] != "closed"]
    assert [(f["frontend"], f["backend"], f["state"], f["service"]) for f in flows] == [
        (f"{vip}:80/TCP", f"{pod_addr('n2')}:80/TCP", "established", "default/far")]
    assert f"{OUTSIDE4}:{sport}" in d.table("lb", "conntrack")
    agent.drop(keep="seen")


def test_maglev_is_the_same_on_every_node(plant):
    def slots(node, vip):
        """The backends' addresses, slot by slot."""
        host = f"[{vip}]" if ":" in vip else vip
        t, = (x for x in plant.heralds[node].ctl("lb", "maglev", f"{host}:80/TCP")["tables"]
              if x["scope"] == "external")
        return [t["backends"][i]["address"] for i in t["table"]]
    for vip in VIPS["both"]:
        one = slots("n1", vip)
        assert one == slots("n2", vip) and len(one) >= 200
        shares = [one.count(x) / len(one) for x in set(one)]
        assert len(shares) == 2 and max(shares) < 0.52


def test_observe_tells_of_new_flows_and_drops(plant, module_lab):
    d = plant.heralds["n1"]
    watch = Daemon(module_lab, plant.ns["n1"],
                   [program("heraldctl"), "-s", d.socket, "-o", "json", "observe", "-f"],
                   f"{d.dir}/observe.log").start()
    agent = plant.agent("outside")
    until(lambda: agent.http(VIPS["near"][0]) and f'"{OUTSIDE4}' in watch.text(),
          what=lambda: f"a new flow: {watch.text()[-500:]}")
    until(lambda: agent.http(VIPS["near"][0], port=81) and "no-service" in watch.text(),
          what=lambda: f"a refusal: {watch.text()[-500:]}")
    assert all(json.loads(x) for x in watch.text().splitlines())
    watch.stop()


def test_status_tells_where_the_datapath_stands(plant):
    d = plant.heralds["n1"]
    said = d.ctl("status")["datapath"]
    assert said["mode"] == "bpf" and said["loaded"]
    assert "eth0" in {x["name"] for x in said["devices"]}
    assert "eth0" in d.table("status")
