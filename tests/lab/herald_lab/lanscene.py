"""Heralds on a segment (lan), with Services whose addresses they answer for, from files.

Requests are answered by every node itself to which they come (lanecho), so that what is measured is
who answers ARP and ND and nothing else.  With @datapath they go through the load balancer, to a
server that is no node."""
import os
import subprocess

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
    HeraldConfig's l2.liveness.  echo=False: requests are answered by nobody."""

    def __init__(self, lab, nodes=3, pairs=2, six=True, datapath=False, liveness=None, echo=True,
                 **kw):
        super().__init__(lab, nodes, **kw)
        self.datapath = {"devices": ["eth1"]} if datapath else {"mode": "none"}
        self.liveness = liveness or {}
        self.shared, self.heralds = lab.path("lan"), {}
        self.addrs += [vip4(i) for i in range(pairs)]
        docs = [d for i in range(pairs) for d in web(i)]
        if six:
            self.addrs += [vip6(i) for i in range(pairs)]
            docs += [d for i in range(pairs) for d in web(i, six=True)]
        self.documents(docs)
        if datapath:
            self._server()
        elif echo:
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

    def told(self):
        """What the nodes say, for a failed wait."""
        def says(daemon):
            try:
                return daemon.run_ctl("l2").stdout
            except subprocess.TimeoutExpired:  # it may be stopped
                return "(no answer)"
        return "\n".join(f"{n}:\n{says(d)}" for n, d in self.heralds.items()
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

    def start_daemon(self, name):
        self.heralds[name].start()

    def kill_daemon(self, name):
        self.heralds[name].kill()

    def forget(self, name):
        bpffs = self.heralds[name].bpffs
        bpffs.close()
        bpffs.create()
        self.ns[name].run("tc", "qdisc", "del", "dev", "eth1", "clsact", check=False)
