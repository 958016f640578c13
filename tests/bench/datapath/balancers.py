"""tests/bench/datapath/balancers.py: what carries the packets, each put into a world of its own."""
import json
import os
import re
import subprocess
import time

import rules
from world import FAR, POD, World, answer, tool

from herald_lab import herald as h


class Balancer:
    """@name as in the table; build() gives a world in which it stands."""

    def __init__(self, name, services=0, far=False):
        self.name, self.services, self.far = name, services, far
        self.facts = {}

    def __repr__(self):
        at = f" {self.services:,}" if self.services else ""
        return f"{self.name}{at}{' far' if self.far else ''}"

    def build(self, lab, pins, number):
        world = World(lab, f"w{number}", self.far)
        self.setup(lab, world, f"{pins}/w{number}")
        if world.xdp:
            world.offloads()
        return world


class Direct(Balancer):
    """No load balancer: routed to the pod's own address."""

    def __init__(self, far=False):
        super().__init__("direct", far=far)

    def setup(self, _lab, world, _pins):
        world.vip = world.target


class Rules(Balancer):
    """@kind: nft, ipt-legacy, ipt-nft."""

    def __init__(self, kind, services, far=False):
        super().__init__(kind, services, far)

    def argv(self):
        return ["nft", "-f", "-"] if self.name == "nft" else \
            [f"iptables-{self.name.removeprefix('ipt-')}-restore"]

    def text(self, target, idle=None):
        # nft 1.0.6 is quadratic in chains: three minutes for 100,000.  Lookups are by hash anyway.
        least = 1 if self.name == "nft" and self.services > 4000 else rules.BACKENDS
        write = rules.nftables if self.name == "nft" else rules.iptables
        return write(self.services, target, self.far, idle or least)

    def load(self, ns, text, more=()):
        """Seconds, seconds of CPU."""
        t0, c0 = time.monotonic(), os.times()
        with ns.inside():
            subprocess.run([*self.argv(), *more], input=text, text=True, check=True,
                           capture_output=True, timeout=600)
        c1 = os.times()
        return (time.monotonic() - t0, c1.children_user + c1.children_system - c0.children_user -
                c0.children_system)

    def setup(self, _lab, world, _pins):
        self.load(world.node, self.text(world.target))


class Floor(Balancer):
    """A program of floor.bpf.c."""

    def __init__(self, program, services=10000, far=False):
        super().__init__(program, services, far)

    def setup(self, _lab, world, pins):
        node = world.node
        self.facts.update(answer(node.run(tool("floor"), "load", "--object", tool("floor.bpf.o"),
                                          "--pin", pins, "--services", str(self.services))))
        where = ["--snat", "10.90.2.1:0"] if self.far else ["--device", "l0"]
        self.facts.update(answer(node.run(tool("floor"), "fill", "--pin", pins, "--services",
                                          str(self.services), "--target", f"{world.target}:0", *where,
                                          timeout=120)))
        world.xdp, world.program = self.name.startswith("xdp"), f"{pins}/{self.name}"
        for dev in ("n0", "u0" if self.far else "l0"):
            if world.xdp:
                node.run("ip", "link", "set", "dev", dev, "xdpdrv", "pinned", world.program)
            else:
                node.run("tc", "qdisc", "add", "dev", dev, "clsact")
                node.run("tc", "filter", "add", "dev", dev, "ingress", "bpf", "direct-action",
                         "object-pinned", world.program)


def documents(services, target, node, vip=rules.VIP):
    """The Services and EndpointSlices, the ones that answer last; the same addresses as in the
    rules of the others.  A generator, for there are many."""
    for i in range(services - len(rules.LIVE)):
        name = f"s{i:06}"
        ends = range(i * rules.BACKENDS, (i + 1) * rules.BACKENDS)
        yield from service(name, f"10.{96 + (i >> 16)}.{i >> 8 & 255}.{i & 255}", [("TCP", 80, 8080)],
                           [f"10.{200 + (e >> 16)}.{e >> 8 & 255}.{e & 255}" for e in ends], "elsewhere")
    ports = [(proto.upper(), port, port) for proto, port in rules.LIVE]
    yield from service("tested", "10.96.255.254", ports, [target], node, external=vip)


def service(name, cluster_ip, ports, addresses, node, external=None, family="IPv4"):
    label = {"kubernetes.io/service-name": name}
    spec = {"type": "ClusterIP", "clusterIP": cluster_ip, "clusterIPs": [cluster_ip],
            "ipFamilies": [family], "externalTrafficPolicy": "Cluster",
            "ports": [{"name": f"{proto.lower()}{port}", "port": port, "targetPort": to,
                       "protocol": proto} for proto, port, to in ports]}
    if external:
        spec["externalIPs"] = [external]
    else:
        del spec["externalTrafficPolicy"]
    yield {"apiVersion": "v1", "kind": "Service",
           "metadata": {"name": name, "namespace": "default"}, "spec": spec}
    ready = {"ready": True, "serving": True, "terminating": False}
    yield {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
           "metadata": {"name": f"{name}-1", "namespace": "default", "labels": label},
           "addressType": family,
           "ports": [{"name": f"{proto.lower()}{port}", "port": to, "protocol": proto}
                     for proto, port, to in ports],
           "endpoints": [{"addresses": [a], "nodeName": node, "conditions": ready}
                         for a in addresses]}


def text_of(docs):
    return "".join("---\n" + json.dumps(d, separators=(",", ":")) + "\n" for d in docs)


class Herald(Balancer):
    """The daemon itself in namespace node."""

    def __init__(self, attach, services=10000, far=False, v6=False):
        super().__init__(f"herald-{attach}", services, far)
        self.attach, self.v6, self.daemon = attach, v6, None

    def setup(self, lab, world, _pins):
        self.daemon = d = h.Herald(lab, world.node, f"{world.name}-node", datapath={
            "devices": ["n0", "u0"], "attach": self.attach, "socketLB": False,
            "conntrack": {"maxFlowsIPv4": 2097152, "maxFlowsIPv6": 524288}})
        here, there = d.node, "n2"
        d.write("10-config.yaml", d.settings(log={"level": "info"}, metrics={"listen": ""}))
        d.write("20-nodes.yaml", h.node(here, ["10.90.1.0/24", "fd90:1::/64"], ["10.90.2.1"]),
                h.node(there, ["10.90.3.0/24", "fd90:3::/64"], ["10.90.2.2"]),
                h.node("elsewhere", ["10.200.0.0/15"], ["10.90.2.3"]))
        if self.v6:
            d.write("25-v6.yaml", *service("tested6", "fd7e::1", [("TCP", 80, 80)], ["fd90:1::2"], here,
                                           external="fd7f::1", family="IPv6"))
        d.start()
        self.fill(world)
        world.xdp = self.attach == "xdp"
        world.program = f"{d.pin_path}/progs/xdp"

    def fill(self, world):
        """From the first file's rename to the last row in the maps; seconds."""
        docs = list(documents(self.services, world.target, "n2" if self.far else self.daemon.node))
        half = len(docs) // 4 * 2
        texts = [text_of(docs[:half]), text_of(docs[half:])]
        rows = self.services + len(rules.LIVE)  # the tested ones have a cluster address besides
        with world.node.inside():
            watch = subprocess.Popen([tool("watch"), "--pin", self.daemon.pin_path, "--rows", str(rows)],
                                     stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            t0 = time.monotonic()
            for i, text in enumerate(texts):  # a file may have 16 MiB
                h.write_atomically(os.path.join(self.daemon.conf, f"3{i}-services.yaml"), text)
            out, why = watch.communicate(timeout=60)
        except subprocess.TimeoutExpired as e:
            raise OSError(f"the maps are not filled: {self.daemon.daemon.text()[-500:]}") from e
        finally:
            watch.kill()
        if watch.returncode:
            raise OSError(f"{why.strip()}: {self.daemon.daemon.text()[-500:]}")
        self.facts["fill_s"] = answer(out)["at"] - t0

    def memory(self, world):
        """Megabytes of the tables, bytes of a flow, from the kernel's own account."""
        got = answer(world.node.run(tool("watch"), "--pin", self.daemon.pin_path, "--memory"))
        return got["tables_mb"], got["flow4_bytes"]


class Hand(Balancer):
    """Herald's programs in @obj, loaded and filled by hand.c: what they cost without the daemon."""

    def __init__(self, obj, attach, services=10000, far=False, v6=False):
        super().__init__(f"herald-{attach}", services, far)
        self.object, self.attach, self.v6 = obj, attach, v6

    def setup(self, _lab, world, pins):
        node = world.node
        node.run(tool("hand"), "--object", self.object, "--pin", pins, "--services",
                 str(self.services), "--target", f"{world.target}:0", *(["--far"] if self.far else []))
        world.xdp, world.program = self.attach == "xdp", f"{pins}/progs/xdp"
        for dev, way, program in (("n0", "ingress", "net"), ("n0", "egress", "out"),
                                  ("l0", "ingress", "pod"), ("u0", "ingress", "net"),
                                  ("u0", "egress", "out")):
            node.run("tc", "qdisc", "replace", "dev", dev, "clsact")
            node.run("tc", "filter", "add", "dev", dev, way, "bpf", "direct-action", "object-pinned",
                     f"{pins}/progs/{program}")
        for dev in ("n0", "u0") if world.xdp else ():
            node.run("ip", "link", "set", "dev", dev, "xdpdrv", "pinned", world.program)
