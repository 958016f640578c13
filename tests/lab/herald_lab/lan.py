"""One segment: a switch, nodes, clients, and cutters for what lies between them.

      n1 .0.1   n2 .0.2   n3 .0.3 ...      10.77.0.0/16, fd77::/64; devices: eth1
         |         |         |
      ---+---------+---------+-----+------------+-------- switch
                                   |            |
                          client .0.200     eye .0.201, .0.202

The client is a Linux host like any other, the eye asks who answers.  Announced addresses are
10.77.1.0 and up, fd77::1:0 and up.  With @api there is a second switch, with n1 .0.1 ... on eth0 and
a namespace `api` at 10.88.0.100.  With @far a node that is called far, 10.78.0.1, in a segment
behind the router that is in the switch.

What is cut are frames between two ports of the switch, so that all others are reached as before."""
import contextlib
import os
import re
import subprocess

from .laneye import LanEye
from .lanclient import LanClient
from .netns import link
from .proc import Daemon
from .wait import until

PORT = 7007  # where requests are answered
CLIENT4, CLIENT6 = "10.77.0.200", "fd77::200"
EYE = ("10.77.0.201", "10.77.0.202", "fd77::201", "fd77::202")
API = "10.88.0.100"
ROUTER4, ROUTER6, FAR4 = "10.77.0.254", "fd77::254", "10.78.0.1"
HERE = os.path.dirname(os.path.abspath(__file__))
TABLE = "add table {family} cut; add chain {family} cut cut {{ type filter hook {hook} " \
        "priority 0; }}; flush chain {family} cut cut;"


def node4(name):
    return FAR4 if name == "far" else f"10.77.0.{name[1:]}"


def node6(name):
    return f"fd77::{name[1:]}"


def vip4(i):
    return f"10.77.{1 + i // 250}.{i % 250 + 1}"


def vip6(i):
    return f"fd77::1:{i + 1:x}"


class Lan:
    def __init__(self, lab, nodes=3, api=False, far=False):
        self.lab, self.names = lab, [f"n{i + 1}" for i in range(nodes)]
        self.ns, self.macs, self.cuts, self.api_cuts = {}, {}, set(), set()
        self.echoes, self.addrs = {}, []
        self.client_load = self.watcher = None
        self.switch = self._switch("switch")
        for name in self.names:
            self.ns[name] = lab.netns(name)
            self._port(name, self.ns[name], "eth1", f"{node4(name)}/16", f"{node6(name)}/64")
            self._host(name)
        self.client, self.eye = lab.netns("client"), lab.netns("eye")
        self._port("client", self.client, "eth0", f"{CLIENT4}/16", f"{CLIENT6}/64")
        self._port("eye", self.eye, "eth0", *(f"{a}/{64 if ':' in a else 16}" for a in EYE))
        self.apis = self.api = None
        if api:
            self._api()
        if far:
            self._far()
        for name in self.ns:
            self.macs[self.mac(self.ns[name], "eth1")] = name

    def _switch(self, name):
        ns = self.lab.netns(name)
        ns.ip("link add br0 type bridge forward_delay 0", "link set br0 up")
        return ns

    def _port(self, name, ns, dev, *addrs, switch=None):
        switch = switch or self.switch
        link(ns, dev, switch, name)
        switch.ip(f"link set {name} master br0")
        ns.addr(dev, *addrs)

    def _host(self, name):
        """A node answers for an address of its own on the device alone that has it: those of
        Services are on lo."""
        ns = self.ns[name]
        for key, value in (("arp_ignore", 1), ("arp_announce", 2)):
            ns.sysctl(f"ipv4/conf/all/{key}", value)

    def _api(self):
        self.apis, self.api = self._switch("apis"), self.lab.netns("api")
        self._port("api", self.api, "eth0", f"{API}/16", switch=self.apis)
        for name in self.names:
            self._port(name, self.ns[name], "eth0", f"10.88.0.{name[1:]}/16", switch=self.apis)

    def _far(self):
        self.switch.addr("br0", f"{ROUTER4}/16", f"{ROUTER6}/64")
        ns = self.ns["far"] = self.lab.netns("far")
        link(ns, "eth1", self.switch, "far")
        self.switch.addr("far", "10.78.0.254/16")
        ns.addr("eth1", f"{FAR4}/16")
        ns.ip("route add default via 10.78.0.254")
        self._host("far")
        for name in self.names:
            self.ns[name].ip(f"route add 10.78.0.0/16 via {ROUTER4}")
        self.names.append("far")

    def second(self, name):
        """One more cable from this node to the switch, eth2; who() calls it "n1 eth2"."""
        ns, i = self.ns[name], name[1:]
        link(ns, "eth2", self.switch, f"{name}b")
        self.switch.ip(f"link set {name}b master br0")
        ns.addr("eth2", f"10.77.0.10{i}/16", f"fd77::10{i}/64")
        self.macs[self.mac(ns, "eth2")] = f"{name} eth2"

    @staticmethod
    def mac(ns, dev):
        return re.search(r"link/ether (\S+)", ns.run("ip", "link", "show", dev)).group(1)

    # ---- who answers requests ----

    def answer(self, *addrs):
        """Every node answers requests to these addresses once they come to it."""
        for name in self.names:
            ns = self.ns[name]
            ns.ip(*(f"addr add {a}/{128 if ':' in a else 32} dev lo" for a in addrs))
            if name not in self.echoes:
                self.echoes[name] = self.echo(name)
        until(lambda: all("answering" in e.text() for e in self.echoes.values()), what="echoes")

    def echo(self, name):
        return Daemon(self.lab, self.ns[name], ["/usr/bin/python3", f"{HERE}/lanecho.py",
                                               str(PORT)], f"{self.lab.dir}/echo-{name}").start()

    # ---- yardsticks ----

    def load(self, addrs, **kw):
        return LanClient(self.lab, self.client, addrs, PORT, **kw)

    def look(self, addrs, **kw):
        return LanEye(self.lab, self.eye, "eth0", EYE, addrs, **kw)

    def who(self, macs):
        """Names of nodes, in order, for MAC addresses."""
        return sorted(self.macs.get(m, m) for m in macs)

    # ---- self.addrs: who has them ----

    def measure(self, every_ms=5, look_ms=20, realtime=False):
        """Begin to ask for all addresses, by both yardsticks."""
        self.client_load = self.load(self.addrs, every_ms=every_ms, realtime=realtime)
        self.watcher = self.look(self.addrs, every_ms=look_ms, realtime=realtime)
        return self

    def reset(self):
        self.client_load.reset()
        self.watcher.reset()

    def owners(self):
        """{address: who answers, as the eye sees it now}."""
        return {a: self.who(e["now"]) for a, e in self.watcher.told()["addrs"].items()}

    def owner(self, addr):
        owners = self.owners()[addr]
        return owners[0] if len(owners) == 1 else None

    def held_by(self, name):
        return [a for a, who in self.owners().items() if who == [name]]

    def wait_owned(self, by=None, timeout=60, addrs=None):
        """Until each address is answered by exactly one node, of these when they are given."""
        def owned():
            now = self.owners()
            return all(len(now[a]) == 1 and (not by or now[a][0] in by)
                       for a in addrs or self.addrs) and now
        return until(owned, timeout, lambda: f"one owner each{f' of {by}' if by else ''}: "
                     f"{self.owners()}\n{self.told()}")

    def wait_answered(self, timeout=60):
        """Until the client has an answer of each address anew."""
        self.client_load.reset()
        until(lambda: all(a["answered"] > 5 for a in self.client_load.told()["addrs"].values()),
              timeout, lambda: f"answers: {self.client_load.told()}\n{self.told()}")

    # ---- a host's end ----

    def die(self, name):
        """The host dies: its cables, then its daemon; what its kernel would answer is gone too."""
        self.unplug(name)
        self.kill_daemon(name)
        self.ns[name].ip("link set eth1 down")

    def boot(self, name):
        """It comes back, and its kernel knows nothing."""
        self.forget(name)
        # down and up: only so it gets a link-local address anew, without which it asks for no neighbour
        self.ns[name].ip("link set eth1 down", "addr flush dev eth1", "link set eth1 up")
        self.ns[name].addr("eth1", f"{node4(name)}/16", f"{node6(name)}/64")
        self.plug(name)
        self.start_daemon(name)

    def forget(self, name):
        """What a restart of the host takes out of its kernel, besides addresses."""

    def start_daemon(self, name):
        """What answers for addresses on this node; of a scene that has such a thing."""
        raise NotImplementedError

    def kill_daemon(self, name):
        raise NotImplementedError

    def told(self):
        """What the nodes say of themselves, for a failed wait."""
        return ""

    # ---- cutters ----

    def _rules(self, ns, cuts):
        rules = "".join(f" add rule bridge cut cut iifname {a} oifname {b} drop;" for a, b in cuts)
        done = subprocess.run(["ip", "netns", "exec", ns.name, "nft", "-f", "-"], text=True,
                              input=TABLE.format(family="bridge", hook="forward") + rules,
                              capture_output=True, check=False)
        if done.returncode:
            raise OSError(f"nft: {done.stderr}")

    def cut_one_way(self, *pairs):
        """Frames from a to b are lost; of each pair (a, b)."""
        self.cuts |= set(pairs)
        self._rules(self.switch, self.cuts)

    def cut(self, *pairs):
        """Both ways."""
        self.cut_one_way(*pairs, *((b, a) for a, b in pairs))

    def isolate(self, name, *also):
        """From all other nodes; clients reach it, and it them."""
        self.cut(*((name, n) for n in (*self.names, *also) if n not in (name, "far")))

    def silence(self, name):
        """Nothing of it comes to anybody, though it hears everything."""
        self.cut_one_way(*((name, n) for n in (*self.names, "client", "eye")
                           if n not in (name, "far")))

    def cut_api(self, *names):
        """These do not reach the API server, nor each other that way."""
        for name in names:
            self.api_cuts |= {(name, n) for n in (*self.names, "api") if n != name}
            self.api_cuts |= {(n, name) for n in (*self.names, "api") if n != name}
        self._rules(self.apis, self.api_cuts)

    def heal(self):
        self.cuts, self.api_cuts = set(), set()
        self._rules(self.switch, ())
        if self.apis:
            self._rules(self.apis, ())

    def unplug(self, name):
        """The node's cables are out."""
        for switch in filter(None, (self.switch, self.apis)):
            switch.ip(f"link set {name} down")

    def plug(self, name):
        for switch in filter(None, (self.switch, self.apis)):
            switch.ip(f"link set {name} up")

    @contextlib.contextmanager
    def healed_after(self):
        try:
            yield self
        finally:
            self.heal()
