"""A small network for the datapath, both families, without BGP: routes stand by hand, so that a
test says by which node a request comes in.

    outside 10.10.1.10 - router - n1 .101   n2 .102   (one segment, 192.168.10.0/24, fd10::/64)
                                   |          |
                              pods .1.x   pods .2.x   (172.20.N.10 and up, fd20:N::10 and up)
"""
import contextlib
import json
import os

from . import herald as h
from .inside import Agent
from .netns import ip, link
from .proc import Daemon
from .wait import until

OUTSIDE4, OUTSIDE6 = "10.10.1.10", "fd99::10"
ROUTER4, ROUTER6 = "192.168.10.200", "fd10::200"
NODE4 = {"n1": "192.168.10.101", "n2": "192.168.10.102"}
NODE6 = {"n1": "fd10::101", "n2": "fd10::102"}
VIPS4, VIPS6 = "172.16.1.0/24", "fd16::/112"
VIP4, VIP6 = "172.16.1.1", "fd16::1"  # of the first service
SERVER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "podserver.py")


def pod_name(node, i):
    return f"{node}p{i}"


def pod_addr(node, i=0, v6=False):
    return f"fd20:{node[1]}::{10 + i:x}" if v6 else f"172.20.{node[1]}.{10 + i}"


class Plant:
    """@datapath: fields of HeraldConfig's `datapath` on both nodes.  @pods: how many a node."""

    def __init__(self, lab, pods=1, **datapath):
        self.lab, self.datapath = lab, datapath
        self.ns, self.pods, self.heralds, self.servers, self._agents = {}, {}, {}, {}, {}
        self._network()
        for node in NODE4:
            for i in range(pods):
                self.pod(node, i)
        until(lambda: all("serving" in d.text() for d in self.servers.values()), what="pods up")

    def _network(self):
        self.router, self.outside = self.lab.netns("router"), self.lab.netns("outside")
        r, out = self.router, self.outside
        link(out, "eth0", r, "eth0")
        out.addr("eth0", f"{OUTSIDE4}/24", f"{OUTSIDE6}/64")
        r.addr("eth0", "10.10.1.1/24", "fd99::1/64")
        out.ip("route add default via 10.10.1.1", "route add default via fd99::1")
        r.ip("link add eth1 type bridge", "link set eth1 up")
        r.addr("eth1", f"{ROUTER4}/24", f"{ROUTER6}/64")
        for node in NODE4:
            ns = self.ns[node] = self.lab.netns(node)
            ns.cgroup = self.lab.cgroup(node)
            link(ns, "eth0", r, node)
            r.ip(f"link set {node} master eth1")
            ns.addr("eth0", f"{NODE4[node]}/24", f"{NODE6[node]}/64")
            ns.ip(f"route add default via {ROUTER4}", f"route add default via {ROUTER6}")
        for node, other in (("n1", "n2"), ("n2", "n1")):
            for where in (r, self.ns[other]):
                where.ip(f"route add 172.20.{node[1]}.0/24 via {NODE4[node]}",
                         f"route add fd20:{node[1]}::/64 via {NODE6[node]}")
        self.by("n1")

    def by(self, *nodes):
        """From now on the router sends what is for a VIP to these nodes."""
        for dst, addrs in ((VIPS4, NODE4), (VIPS6, NODE6), ("10.96.0.0/16", NODE4)):
            self.router.ip(f"route replace {dst} "
                           + " ".join(f"nexthop via {addrs[n]}" for n in nodes))

    def pod(self, node, i):
        """A pod with its server."""
        name, host = pod_name(node, i), self.ns[node]
        ns = self.pods[name] = self.lab.netns(name)
        ns.cgroup = host.cgroup
        link(ns, "eth0", host, name)
        a4, a6 = pod_addr(node, i), pod_addr(node, i, v6=True)
        host.ip(f"addr add 169.254.1.1/32 dev {name}", f"addr add fe80::1/64 dev {name} nodad",
                f"route add {a4}/32 dev {name}", f"route add {a6}/128 dev {name}")
        ns.ip(f"addr add {a4}/32 dev eth0", f"addr add {a6}/128 dev eth0 nodad",
              "route add 169.254.1.1 dev eth0", "route add default via 169.254.1.1",
              "route add default via fe80::1 dev eth0")
        self.servers[name] = Daemon(self.lab, ns, ["/usr/bin/python3", SERVER, name],
                                    f"{self.lab.dir}/{name}.log").start()

    def agent(self, where):
        """The agent in a pod, on a node ("n1") or "outside"."""
        if where not in self._agents:
            ns = self.outside if where == "outside" else self.ns.get(where) or self.pods[where]
            self._agents[where] = Agent(self.lab, ns)
        return self._agents[where]

    # ---- documents ----

    def herald(self, node):
        if node not in self.heralds:
            self.heralds[node] = h.Herald(self.lab, self.ns[node], node, datapath=self.datapath)
        return self.heralds[node]

    def whole_sums(self):
        """Frames with whole checksums, as on a wire.  A veth leaves them half made for the other end to
        finish, and XDP, which redirects bytes alone, would send on what is half made."""
        for ns in (self.outside, self.router, *self.ns.values(), *self.pods.values()):
            for dev in json.loads(ip("-n", ns.name, "-j", "link", "show")):
                if dev["ifname"] != "lo":
                    ns.run("ethtool", "-K", dev["ifname"], "tx", "off", "gro", "on")

    def settings(self, **datapath):
        """Write every node's HeraldConfig; @datapath: beyond what it began with."""
        for node in NODE4:
            d = self.herald(node)
            d.write("10-settings.yaml", d.settings(datapath={**d.datapath, **datapath}))

    def write(self, name, *documents):
        """The same file on every node."""
        for node in NODE4:
            self.herald(node).write(name, *documents)

    def start(self, *services):
        """@services: lists of documents, a file each."""
        self.settings()
        self.write("20-nodes.yaml", *(
            h.node(n, [f"172.20.{n[1]}.0/24", f"fd20:{n[1]}::/64"], [NODE4[n], NODE6[n]])
            for n in NODE4))
        self.write("30-pools.yaml", h.pool("v4", VIPS4, allowFirstLastIPs="No"),
                   h.pool("v6", ("fd16::1", "fd16::fff")))
        for docs in services:
            self.serve(docs)
        for node in NODE4:
            self.herald(node).start(wait=False)
        for node in NODE4:
            self.heralds[node].wait_ready()
            self.wait_loaded(node)
        return self

    def serve(self, documents):
        """Write a service's file."""
        self.write(f"60-{documents[0]['metadata']['name']}.yaml", *documents)

    def unserve(self, name):
        for d in self.heralds.values():
            with contextlib.suppress(FileNotFoundError):
                d.remove(f"60-{name}.yaml")

    def wait_loaded(self, node):
        wait_loaded(self.heralds[node])

    def wait_backends(self, vip, want, nodes=None, timeout=10, port=80, proto="TCP"):
        """Wait until every node's maps send @vip's port to these addresses."""
        def have():
            return {n: set(backends(self.heralds[n], vip, port, proto)) for n in nodes or NODE4}
        return until(lambda: all(x == set(want) for x in have().values()), timeout,
                     lambda: f"{vip}:{port} to {want}; {have()}")


def wait_loaded(d, timeout=20):
    """Wait until the programs are in the kernel and stand where they should."""
    def loaded():
        s = d.ctl("status")["datapath"]
        return s["loaded"] and any(x["side"] == "network" for x in s["devices"]) and all(
            x["attached"] != "none" for x in s["devices"]) and (
            s["socketLB"]["attached"] or not s["socketLB"]["wanted"])
    until(loaded, timeout, lambda: f"{d.node}: datapath loaded; {d.ctl('status')['datapath']}\n"
          f"{d.daemon.text()[-3000:]}")


def frontend(d, vip, port=80, proto="TCP"):
    """The row of `lb list`; None when there is none."""
    want = f"[{vip}]:{port}/{proto}" if ":" in vip else f"{vip}:{port}/{proto}"
    for f in d.ctl("lb", "list")["frontends"]:
        if f["address"] == want:
            return f
    return None


def backends(d, vip, port=80, proto="TCP"):
    """Addresses that @vip's port goes to, as the maps say."""
    f = frontend(d, vip, port, proto)
    return [b["ip"] for b in f["backends"]] if f else []


def app(name, pods, ports=None, families=("IPv4", "IPv6"), states=None, **spec):
    """The documents of a service whose endpoints are these pods ("n1p0"...), on both families.
    @ports: Kubernetes' own; @states: {pod: "terminating", "gone" (that too, and does not serve) or
    "unready"}; h.service() has the rest."""
    ports = ports or [{"name": "http", "port": 80, "targetPort": 80, "protocol": "TCP"}]
    docs = [h.service(name, ports=ports, families=list(families), **spec)]
    for fam in families:
        eps = []
        for pod in pods:
            state = (states or {}).get(pod, "ready")
            eps.append({"addresses": [pod_addr(pod[:2], int(pod[3:]), fam == "IPv6")],
                        "nodeName": pod[:2],
                        "conditions": {"ready": state == "ready",
                                       "serving": state in ("ready", "terminating"),
                                       "terminating": state in ("terminating", "gone")}})
        docs.append({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
                     "metadata": {"name": f"{name}-{fam.lower()}", "namespace": "default",
                                  "labels": {"kubernetes.io/service-name": name}},
                     "addressType": fam,
                     "ports": [{"name": p["name"], "port": p["targetPort"],
                                "protocol": p["protocol"]} for p in ports], "endpoints": eps})
    return docs
