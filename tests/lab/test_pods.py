"""Addresses of pods: made by the real plugins of containernetworking-plugins with herald-ipam, on three
nodes that tell their ranges to a router."""
import ipaddress
import json
import os
import socket
import subprocess

import pytest

from herald_lab import frr, until
from herald_lab import herald as h
from herald_lab.lab import program
from herald_lab.netns import ip, link

PLUGINS = "/usr/lib/cni"
NODES = ("n1", "n2", "n3")
ROUTER = "192.0.2.254"


def addr_of(node):
    return f"192.0.2.{NODES.index(node) + 1}"


class CniError(Exception):
    def __init__(self, code, said):
        super().__init__(said)
        self.code = code


class Pod:
    """A network namespace that a CNI plugin makes a pod of."""

    def __init__(self, cluster, node, name):
        self.cluster, self.node, self.name = cluster, node, name
        self.container = f"{cluster.lab.tag}-{node}-{name}"
        self.ns = cluster.lab.netns(f"{node}-{name}")
        self.result = None

    def cni(self, command, version="1.0.0", plugin="ptp", **more):
        self.result_conf = conf = self.cluster.conf(self.node, version, plugin, **more)
        if command != "ADD" and self.result:
            conf["prevResult"] = self.result
        return run_cni(self.cluster, self.node, command, conf, plugin, CNI_CONTAINERID=self.container,
                       CNI_NETNS=self.ns.path, CNI_IFNAME="eth0",
                       CNI_ARGS=f"IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME={self.name}")

    def add(self, **more):
        self.result = self.cni("ADD", **more)
        return self

    @property
    def addresses(self):
        return [i["address"].split("/")[0] for i in self.result["ips"]]

    def reaches(self, other, addr):
        """Does a datagram get to @other, and its answer back?"""
        family = socket.AF_INET6 if ":" in addr else socket.AF_INET
        with self.ns.socket(family, socket.SOCK_DGRAM) as here, \
                other.ns.socket(family, socket.SOCK_DGRAM) as there:
            here.settimeout(3)
            there.settimeout(3)
            try:
                there.bind((addr, 7))
                here.sendto(b"?", (addr, 7))
                there.sendto(b"!", there.recvfrom(9)[1])
                return here.recv(9) == b"!"
            except OSError:
                return False


def run_cni(cluster, node, command, conf, plugin, **env):
    """Run a plugin as a container runtime on @node does; its answer, or CniError."""
    path = f"{cluster.plugins}/{plugin}"
    with cluster.ns[node].inside():
        done = subprocess.run([path], input=json.dumps(conf), text=True, capture_output=True,
                              check=False, timeout=60,
                              env={"PATH": os.environ["PATH"], "CNI_COMMAND": command,
                                   "CNI_PATH": cluster.plugins, **env})
    out = json.loads(done.stdout) if done.stdout.strip() else None
    if done.returncode:
        raise CniError((out or {}).get("code"), f"{out} {done.stderr}")
    return out


class Cluster:
    """A router, three nodes, a Herald on each."""

    def __init__(self, lab, ipam=None, documents=(), node_spec=None, notes=None):
        self.lab, self.ipam, self.notes = lab, ipam or {}, notes or {}
        self.router = lab.netns("router")
        self.ns, self.heralds = {}, {}
        self.plugins = lab.path("cni")
        for name in os.listdir(PLUGINS):
            os.symlink(f"{PLUGINS}/{name}", f"{self.plugins}/{name}")
        os.symlink(program("herald-ipam"), f"{self.plugins}/herald-ipam")
        self.node_spec = node_spec or (lambda n: [f"10.1.{NODES.index(n)}.0/24",
                                                  f"fd00:1:{NODES.index(n) + 1}::/64"])
        self.documents = documents
        self.router.ip("link add br0 type bridge", "link set br0 up")
        self.router.addr("br0", f"{ROUTER}/24", "2001:db8::254/64")
        for n in NODES:
            self.ns[n] = lab.netns(n)
            link(self.router, f"to-{n}", self.ns[n], "eth0")
            self.router.ip(f"link set to-{n} master br0")
            self.ns[n].addr("eth0", f"{addr_of(n)}/24", f"2001:db8::{NODES.index(n) + 1}/64")
        self.frr = frr.Frr(lab, self.router, frr.bgp_conf(
            65000, ROUTER, {addr_of(n): ["remote-as 65001"] for n in NODES},
            af6=[f"neighbor {addr_of(n)} activate" for n in NODES],
            extra=["bgp bestpath as-path multipath-relax"])).start()
        for n in NODES:
            self.start(n)
        for n in NODES:
            self.frr.wait_established(addr_of(n), timeout=90)

    def start(self, n):
        herald = self.heralds[n] = h.Herald(self.lab, self.ns[n], n)
        herald.write("00-config.yaml", herald.settings(
            ipam={"leakCheckSeconds": 1, **self.ipam},
            bgp={"allowASIn": 1}, routing={"installLearned": True}))
        herald.write("10-nodes.yaml", *(self.node(m) for m in NODES), *self.documents)
        herald.write("20-bgp.yaml", h.peer_config("fast"), h.cluster(
            65001, {"router": {"peerASN": 65000, "peerAddress": ROUTER, "config": "fast"}}),
            h.advertise_pods(), h.doc("BGPAdvertisement", "pools", {"advertisements": [
                {"advertisementType": "CiliumPodIPPool", "selector": {}}]},
                labels={"advertise": "bgp"}))
        herald.start()

    def node(self, n):
        doc = h.node(n, self.node_spec(n), [addr_of(n), f"2001:db8::{NODES.index(n) + 1}"])
        if self.notes.get(n):
            doc["metadata"]["annotations"] = self.notes[n]
        return doc

    def conf(self, node, version, plugin, name="lab", **ipam):
        conf = {"cniVersion": version, "name": name, "type": plugin, "mtu": 1400,
                "ipam": {"type": "herald-ipam",
                         "socket": f"{self.heralds[node].dir}/herald-ipam.sock",
                         "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}], **ipam}}
        if plugin == "bridge":
            conf.update(bridge="cni0", isGateway=True)
        return conf

    def pod(self, node, name, **more):
        return Pod(self, node, name).add(**more)

    def given(self, node):
        return {a["address"]: a for a in self.heralds[node].ctl("ipam")["allocations"]}

    def seen(self):
        """All prefixes that the router has from the nodes."""
        return {p for afi in ("ipv4", "ipv6")
                for p in self.frr.json(f"show bgp {afi} unicast").get("routes", {})}

    def ranges(self, node):
        nodes = self.heralds[node].ctl("ipam")["pods"]["nodes"]
        return {n["node"]: [r["prefix"] for r in n["ranges"]] for n in nodes}


@pytest.fixture
def cluster(lab):
    return Cluster(lab)


def test_pods_of_three_nodes_reach_each_other_over_bgp(cluster):
    pods = {(n, i): cluster.pod(n, f"p{i}") for n in NODES for i in (1, 2)}
    want = {c for n in NODES for c in cluster.node_spec(n)}
    until(lambda: cluster.seen() == want, 60, what=lambda: f"{want}; {cluster.seen()}")
    for (n, _), pod in pods.items():
        cidrs = [ipaddress.ip_network(c) for c in cluster.node_spec(n)]
        assert [ipaddress.ip_address(a) in c for a, c in zip(pod.addresses, cidrs)] == [True] * 2
        assert all(i["gateway"] for i in pod.result["ips"])
    assert len({a for p in pods.values() for a in p.addresses}) == 12
    for a in pods.values():
        for b in pods.values():
            for addr in b.addresses:
                until(lambda a=a, b=b, addr=addr: a.reaches(b, addr), 90,
                      f"{a.node}/{a.name} reaches {addr}")
    for pod in pods.values():
        pod.cni("CHECK")
        pod.cni("DEL")
        pod.cni("DEL")  # twice is fine
    assert not any(cluster.given(n) for n in NODES)


def test_every_version_and_bridge_as_with_the_reference(cluster):
    for version in ("0.3.1", "0.4.0", "1.0.0"):
        pod = cluster.pod("n1", f"v{version.replace('.', '')}", version=version)
        assert pod.result["cniVersion"] == version
        assert all(("version" in i) == version.startswith("0.") for i in pod.result["ips"])
        if version != "0.3.1":
            pod.cni("CHECK", version=version)
    one = cluster.pod("n2", "b1", plugin="bridge")
    two = cluster.pod("n2", "b2", plugin="bridge")
    until(lambda: all(one.reaches(two, a) for a in two.addresses), 60, "the bridge")
    one.cni("DEL", plugin="bridge")
    assert two.addresses[0] in cluster.given("n2") and one.addresses[0] not in cluster.given("n2")
    # beside host-local with the same range: the same shape of answer
    conf = cluster.conf("n3", "1.0.0", "ptp")
    ours = run_cni(cluster, "n3", "ADD", conf, "herald-ipam", CNI_CONTAINERID="c", CNI_IFNAME="eth0",
                   CNI_NETNS="/proc/self/ns/net")
    conf["ipam"] = {"type": "host-local", "dataDir": cluster.lab.path("host-local"),
                    "routes": conf["ipam"]["routes"],
                    "ranges": [[{"subnet": c}] for c in cluster.node_spec("n3")]}
    theirs = run_cni(cluster, "n3", "ADD", conf, "host-local", CNI_CONTAINERID="c",
                     CNI_IFNAME="eth0", CNI_NETNS="/proc/self/ns/net")
    assert ours == theirs


def test_a_daemon_that_is_killed_forgets_nothing(cluster):
    before = [cluster.pod("n1", f"k{i}") for i in range(5)]
    cluster.heralds["n1"].kill()
    late = Pod(cluster, "n1", "late")
    with pytest.raises(CniError) as e:
        late.add()
    assert e.value.code == 11 and "herald is away" in str(e.value)
    with pytest.raises(CniError) as e:
        before[4].cni("DEL")
    assert e.value.code == 11
    assert before[0].reaches(before[1], before[1].addresses[0])  # forwarding outlives it
    cluster.heralds["n1"].start()
    late.add()
    addresses = [a for p in (*before, late) for a in p.addresses]
    assert len(set(addresses)) == len(addresses) and set(addresses) == set(cluster.given("n1"))
    for p in before:
        p.cni("CHECK")
        assert cluster.given("n1")[p.addresses[0]]["owner"] == f"default/{p.name}"


def test_leaks_come_back_and_gc_takes_what_is_not_listed(cluster):
    gone, stays, other = (cluster.pod("n1", n) for n in ("gone", "stays", "other"))
    ip("netns", "del", gone.ns.name)
    until(lambda: gone.addresses[0] not in cluster.given("n1"), 90, "the leaked address back")
    assert set(cluster.given("n1")) == {*stays.addresses, *other.addresses}
    with pytest.raises(CniError) as e:
        run_cni(cluster, "n1", "CHECK",
                {**cluster.conf("n1", "1.1.0", "ptp"), "prevResult": gone.result}, "herald-ipam",
                CNI_CONTAINERID=gone.container, CNI_NETNS=stays.ns.path, CNI_IFNAME="eth0")
    assert e.value.code == 3
    conf = cluster.conf("n1", "1.1.0", "ptp")
    conf["cni.dev/valid-attachments"] = [{"containerID": stays.container, "ifname": "eth0"}]
    run_cni(cluster, "n1", "GC", conf, "herald-ipam")
    assert set(cluster.given("n1")) == set(stays.addresses)
    run_cni(cluster, "n1", "STATUS", conf, "herald-ipam")


def test_cluster_pool_carves_the_same_on_every_node(lab):
    cluster = Cluster(lab, node_spec=lambda n: [], ipam={"mode": "cluster-pool", "clusterPool": {
        "ipv4PodCIDRs": ["10.64.0.0/16"], "ipv6PodCIDRs": ["fd64::/104"]}})
    ranges = cluster.ranges("n1")
    assert all(cluster.ranges(n) == ranges for n in NODES)
    assert not [n for n in cluster.heralds["n1"].ctl("status")["notices"] if n["kind"] == "Node"]
    want = {r for n in NODES for r in ranges[n]}
    assert len(want) == 6
    until(lambda: cluster.seen() == want, 60, what=lambda: f"{want}; {cluster.seen()}")
    one, two = cluster.pod("n1", "a"), cluster.pod("n3", "b")
    until(lambda: all(one.reaches(two, a) for a in two.addresses), 90, "n1 to n3")


def test_multi_pool_by_namespace_and_what_the_router_is_told(lab):
    pools = [h.doc("PodIPPool", name, {"ipv4": {"cidrs": [cidr], "maskSize": 28}, **more})
             for name, cidr, more in (
                 ("default", "10.70.0.0/16", {}),
                 ("blue", "10.71.0.0/16", {"namespaceSelector": {"matchLabels": {"t": "blue"}}}))]
    cluster = Cluster(lab, node_spec=lambda n: [], ipam={"mode": "multi-pool"}, documents=[
        *pools, h.doc("Namespace", "default", api="v1"),
        h.doc("Namespace", "team", api="v1", labels={"t": "blue"})])
    ranges = cluster.ranges("n2")
    want = {r for n in NODES for r in ranges[n]}
    assert len(want) == 6
    until(lambda: cluster.seen() == want, 60, what=lambda: f"{want}; {cluster.seen()}")
    plain = cluster.pod("n1", "plain")
    assert cluster.given("n1")[plain.addresses[0]]["pool"] == "default"

    def ask(name, namespace, **notes):
        conf = cluster.conf("n1", "1.0.0", "ptp")
        conf["runtimeConfig"] = {"io.kubernetes.cri.pod-annotations": notes}
        return run_cni(cluster, "n1", "ADD", conf, "herald-ipam", CNI_CONTAINERID=name,
                       CNI_IFNAME="eth0", CNI_NETNS=plain.ns.path,
                       CNI_ARGS=f"K8S_POD_NAMESPACE={namespace};K8S_POD_NAME={name}")

    blue = ipaddress.ip_network("10.71.0.0/16")
    assert ipaddress.ip_interface(ask("a", "team")["ips"][0]["address"]).ip in blue
    got = ask("b", "team", **{"ipam.cilium.io/ip-pool": "default"})
    assert ipaddress.ip_interface(got["ips"][0]["address"]).ip not in blue
    # the pool is used up, and what to do is said where people look
    herald = cluster.heralds["n1"]
    herald.write("30-small.yaml", h.doc("PodIPPool", "small", {
        "ipv4": {"cidrs": ["10.72.0.0/28"], "maskSize": 28}}))
    until(lambda: [n for n in herald.ctl("status")["notices"] if n["reason"] == "pod-ranges"
                   and "PodIPPool small has no IPv4 range left" in n["message"]], what="a notice")
    with pytest.raises(CniError) as e:
        ask("c", "default", **{"ipam.cilium.io/ip-pool": "green"})
    assert e.value.code == 103 and "no PodIPPool green" in str(e.value)
