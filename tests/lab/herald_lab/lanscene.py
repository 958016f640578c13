"""Heralds on a segment (lan), with Services whose addresses they answer for, from files.

Requests are answered by every node itself to which they come (lanecho), so that what is measured is
who answers ARP and ND and nothing else.  With @datapath they go through the load balancer, to a
server that is no node."""
import os

from . import herald as h
from .lan import PORT, Lan, node4, node6, vip4, vip6
from .plant import wait_loaded
from .podserver import __file__ as SERVER
from .proc import Daemon
from .wait import until

SERVER4, SERVER6 = "10.77.0.210", "fd77::210"


def policy(name="policy", **spec):
    return h.doc("L2AnnouncementPolicy", name, {"interfaces": ["^eth1$"], "loadBalancerIPs": True,
                                                **spec})


def not_on(*names):
    """A node selector that leaves these out."""
    return {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "NotIn",
                                  "values": list(names)}]}


def web(i, six=False, etp="Cluster", server=None):
    """A Service of one address, and where its server is."""
    name = f"{'six' if six else 'web'}{i}"
    addr = vip6(i) if six else vip4(i)
    family = "IPv6" if six else "IPv4"
    ports = [{"name": "p53", "port": PORT, "targetPort": 53, "protocol": "UDP"}]
    slices = h.endpoints(name, server or (SERVER6 if six else SERVER4, None), port=53,
                         family=family)
    slices["ports"][0]["protocol"] = "UDP"
    for e in slices["endpoints"]:
        if e["nodeName"] is None:
            del e["nodeName"]
    return [h.service(name, etp=etp, ports=ports, families=[family], loadBalancerIP=addr), slices]


class LanScene(Lan):
    """@pairs: so many IPv4 addresses, and IPv6 ones unless six=False.  @liveness: fields of
    HeraldConfig's l2.liveness."""

    def __init__(self, lab, nodes=3, pairs=2, six=True, datapath=False, liveness=None, **kw):
        super().__init__(lab, nodes, **kw)
        self.datapath = {"devices": ["eth1"]} if datapath else {"mode": "none"}
        self.liveness = liveness or {}
        self.shared, self.heralds = lab.path("lan"), {}
        self.addrs = [vip4(i) for i in range(pairs)]
        docs = [d for i in range(pairs) for d in web(i)]
        if six:
            self.addrs += [vip6(i) for i in range(pairs)]
            docs += [d for i in range(pairs) for d in web(i, six=True)]
        self.documents(docs)
        self.client_load = self.watcher = None
        if datapath:
            self._server()
        else:
            self.answer(*self.addrs)

    def documents(self, services):
        self.write("10-nodes.yaml", *map(self.node, self.names))
        self.write("20-pools.yaml", h.pool("v4", "10.77.1.0/20"), h.pool("v6", "fd77::1:0/112"))
        self.write("30-services.yaml", *services)
        self.policy()

    def node(self, name, **labels):
        return h.node(name, [], [a for a in (node4(name), node6(name))
                                 if name != "far" or "." in a], labels)

    def _server(self):
        ns = self.server = self.lab.netns("server")
        self._port("server", ns, "eth0", f"{SERVER4}/16", f"{SERVER6}/64")
        d = Daemon(self.lab, ns, ["/usr/bin/python3", SERVER, "server"],
                   f"{self.lab.dir}/server").start()
        until(lambda: "serving" in d.text(), what="the server")

    # ---- documents ----

    def write(self, name, *documents):
        h.write_atomically(os.path.join(self.shared, name), h.to_yaml(*documents))

    def policy(self, **spec):
        self.write("40-policy.yaml", policy(**spec))

    def settings(self, name, **spec):
        d = self.heralds[name]
        d.write("herald.yaml", d.settings(l2={"liveness": self.liveness}, **spec))

    def herald(self, name, **spec):
        self.heralds[name] = h.Herald(self.lab, self.ns[name], name, shared=[self.shared],
                                      datapath=self.datapath)
        self.settings(name, **spec)
        return self.heralds[name]

    # ---- life ----

    def start(self, *names):
        names = names or self.names
        for name in names:
            (self.heralds.get(name) or self.herald(name)).start(wait=False)
        for name in names:
            self.heralds[name].wait_ready()
            if self.datapath.get("mode") != "none":
                wait_loaded(self.heralds[name])
        return self

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

    def told(self):
        """What the nodes say, for a failed wait."""
        return "\n".join(f"{n}:\n{d.run_ctl('l2').stdout}" for n, d in self.heralds.items()
                         if d.daemon.running())

    def agree(self, *names):
        """Do these nodes (all) name the same holder of each address, and is that who answers?"""
        now = self.owners()
        for name in names or self.heralds:
            rows = {r["ip"]: r for r in self.heralds[name].ctl("l2")["announcements"]}
            for a in self.addrs:
                if now[a] != [rows[a]["holder"]] or rows[a]["answering"] != (now[a] == [name]):
                    return False
        return True

    def wait_agreed(self, *names, timeout=60):
        until(lambda: self.agree(*names), timeout,
              lambda: f"agreement: {self.owners()}\n{self.told()}")

    def die(self, name):
        """The host dies: its cables first, as power takes all at once, then its daemon."""
        self.unplug(name)
        self.heralds[name].kill()
        # what its kernel would answer is gone with it
        self.ns[name].ip("link set eth1 down")

    def boot(self, name):
        """It comes back with an empty kernel."""
        self.ns[name].ip("link set eth1 up", check=False)
        self.ns[name].ip(f"addr replace {node6(name)}/64 dev eth1 nodad")
        self.plug(name)
        self.heralds[name].start()
