"""What `heraldctl plan` promised against what then is: a node's state as sets, a plan's changes laid over
it, and random configurations with random edits."""
import contextlib
import copy
import ipaddress
import json
import selectors
import socket
import threading
import urllib.error
import urllib.request

from . import herald as h
from .pair import AS, HERALD4, HERALD6, PEER4, PEER_AS, POD4, POD6, slot_addr

NODE = "n1"
# Peers that tell us routes: they are there always, as nobody can know what a new one will tell.
TELLERS = ("t0", "t1")
TOLD = 2  # routes of each
ROUTE_FIELDS = ("nextHop", "origin", "asPath", "med", "localPreference", "communities",
                "extendedCommunities", "largeCommunities")


def ask(herald, *argv):
    """As heraldctl does, without a process for it."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(20)
        s.connect(herald.socket)
        s.sendall(json.dumps({"argv": list(argv)}).encode() + b"\n")
        text = b""
        while piece := s.recv(1 << 20):
            text += piece
    answer = json.loads(text)
    assert answer["ok"], (argv, answer)
    return answer["data"]


def plan(herald, *paths):
    """(exit status, changes)"""
    args = [a for p in paths or (herald.conf,) for a in ("-f", p)]
    done = herald.run_ctl("plan", *args, "--json")
    assert done.returncode in (0, 4), (done.returncode, done.stderr)
    changes = json.loads(done.stdout)["changes"]
    assert done.returncode == (4 if changes else 0)
    return done.returncode, changes


# ---- the kernel's word on sockets and links ----

STATIONS = range(11019, 11023)  # ports of stations of BMP, on the peer's side
HEALTH = range(31000, 31010)    # health check node ports
OVERLAY = "herald-vxlan"


class Stations:
    """Monitoring stations that take all and say nothing; how often each was connected to."""

    def __init__(self, lab, ns):
        self.accepts = {p: 0 for p in STATIONS}
        self._poll, self._end = selectors.DefaultSelector(), False
        for port in STATIONS:
            s = ns.socket()
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind((PEER4, port))
            s.listen(16)
            self._poll.register(s, selectors.EVENT_READ, port)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        lab.own(self)

    def _run(self):
        while not self._end:
            for key, _ in self._poll.select(0.2):
                if key.data:
                    self._poll.register(key.fileobj.accept()[0], selectors.EVENT_READ, None)
                    self.accepts[key.data] += 1
                    continue
                with contextlib.suppress(OSError):
                    if key.fileobj.recv(1 << 18):
                        continue
                self._poll.unregister(key.fileobj)
                key.fileobj.close()

    def close(self):
        self._end = True
        self._thread.join(5)
        for key in list(self._poll.get_map().values()):
            key.fileobj.close()


def kernel_addr(text):
    """Of /proc/net/tcp: words of the machine's order."""
    words = [bytes.fromhex(text[i:i + 8])[::-1] for i in range(0, len(text), 8)]
    return ipaddress.ip_address(b"".join(words))


def listening(herald):
    """{(address, port)} of listening TCP sockets in the daemon's namespace."""
    out = set()
    for name in ("tcp", "tcp6"):
        with open(f"/proc/{herald.daemon.popen.pid}/net/{name}", encoding="ascii") as f:
            for line in f.readlines()[1:]:
                where, state = line.split()[1], line.split()[3]
                if state == "0A":
                    addr, _, port = where.partition(":")
                    out.add((kernel_addr(addr), int(port, 16)))
    return out


def health_of(herald, port):
    """(the Service, its port and endpoints) as the health check there answers."""
    with herald.ns.inside():
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=20) as r:
                text = r.read()
        except urllib.error.HTTPError as e:
            text = e.read()
    answer = json.loads(text)
    return (f"{answer['service']['namespace']}/{answer['service']['name']}",
            frozen([port, answer["localEndpoints"]]))


def overlay(herald):
    """(the device's keys by its name, the nodes that it sends to)"""
    with open(f"/proc/{herald.daemon.popen.pid}/net/dev", encoding="ascii") as f:
        if OVERLAY not in f.read():
            return {}, {}
    try:
        dev, = json.loads(herald.ns.run("ip", "-j", "-d", "link", "show", "dev", OVERLAY))
        entries = json.loads(herald.ns.run("bridge", "-j", "fdb", "show", "dev", OVERLAY))
    except OSError:  # it went meanwhile
        return {}, {}
    data = dev["linkinfo"]["info_data"]
    return ({OVERLAY: frozen([data["local"], data["id"], data["port"]])},
            {e["dst"]: "" for e in entries if "dst" in e})


def observe_sockets(herald, state):
    listen = listening(herald)
    state["listen"] = {f"[{a}]:{p}" if a.version == 6 else f"{a}:{p}": ""
                       for a, p in listen if p not in HEALTH}
    state["health-check"] = dict(health_of(herald, p) for _, p in sorted(listen, key=str)
                                 if p in HEALTH)
    state["tunnel"], state["tunnel-node"] = overlay(herald)
    state["bmp"] = {s["name"]: frozen([s["address"], s["port"], s["views"], s["state"]])
                    for s in ask(herald, "bgp", "bmp")["stations"]}
    nodes = ask(herald, "ipam")["pods"]["nodes"]
    state["pod-range"] = {n["node"]: frozen([[r["prefix"], r["pool"]] for r in n["ranges"]])
                          for n in nodes if n["ranges"]}


# ---- what is ----

def frozen(value):
    return json.dumps(value, sort_keys=True)


def route_of(r):
    return frozen({k: r.get(k) for k in ROUTE_FIELDS})


def backends_of(f):
    """The maps know whether a backend takes new flows; of the others they know nothing more."""
    def takes(b):
        scopes = b["slots"].values() if "slots" in b else (b["external"], b["internal"])
        return any(scopes)
    return frozen(sorted(f"{b['ip']}:{b['port']} {takes(b)}" for b in f["backends"]
                         if b["state"] != "gone"))


def observe(herald):
    """Each area's things by key."""
    peers = ask(herald, "bgp", "peers")["peers"]
    state = {
        "session": {p["name"]: p["flaps"] for p in peers},
        "route": {f"{r['peer']} {r['prefix']}": route_of(r)
                  for r in ask(herald, "bgp", "routes", "advertised")["routes"]},
        "address": {}, "kernel-route": {}, "l2": {}, "frontend": {},
    }
    owners = {}
    for a in ask(herald, "ipam")["allocations"]:
        owners.setdefault(a["owner"], []).append([a["address"], a["pool"]])
    state["address"] = {o: frozen(sorted(v)) for o, v in owners.items()}
    for r in ask(herald, "routes")["routes"]:
        state["kernel-route"][r["prefix"]] = frozen(
            [r["origin"], sorted(n["gateway"] if isinstance(n, dict) else n for n in r["nexthops"])])
    for a in ask(herald, "l2")["announcements"]:
        if not a["interface"]:  # another node's, or nobody's
            continue
        state["l2"].setdefault(a["ip"], set()).add(a["interface"])
    state["l2"] = {ip: frozen(sorted(v)) for ip, v in state["l2"].items()}
    if herald.bpffs:
        for f in ask(herald, "lb", "list")["frontends"]:
            state["frontend"][f["address"]] = frozen([f["service"], f["flags"][0], backends_of(f)])
    observe_sockets(herald, state)
    return state


def all_up(herald):
    """Every session is up, and what there is to be told has come in."""
    return all(p["state"] == "established" and
               (p["name"] not in TELLERS or sum(f["received"] for f in p["families"]) == TOLD)
               for p in ask(herald, "bgp", "peers")["peers"] if "heldDown" not in p)


# ---- what a plan makes of it ----

def planned_value(c):
    new = c.get("new")
    if c["area"] == "route":
        return route_of(new)
    if c["area"] == "address":
        return frozen(sorted([a["address"], a["pool"]] for a in new))
    if c["area"] == "kernel-route":
        return frozen([new["origin"], sorted(n["gateway"] for n in new["nexthops"])])
    if c["area"] == "l2":
        return frozen(sorted(new["interfaces"]))
    if c["area"] == "bmp":
        return frozen([new["address"], new["port"], new["views"], "connected"])
    if c["area"] == "health-check":
        return frozen([new["port"], new["localEndpoints"]])
    if c["area"] == "tunnel":
        return frozen([new["local"], new["vni"], new["port"]])
    if c["area"] == "pod-range":
        return frozen([[r["prefix"], r["pool"]] for r in new])
    if c["area"] in ("listen", "tunnel-node"):
        return ""
    return frozen([new["service"], new["type"], backends_of(new)])


KEYS = {"route": lambda c: f"{c['peer']} {c['prefix']}", "address": lambda c: c["service"],
        "kernel-route": lambda c: c["prefix"], "l2": lambda c: c["ip"],
        "frontend": lambda c: c["frontend"], "bmp": lambda c: c["station"],
        "listen": lambda c: c["socket"], "health-check": lambda c: c["service"],
        "tunnel": lambda c: c["device"], "tunnel-node": lambda c: c["address"],
        "pod-range": lambda c: c["node"]}


def lay_over(state, changes):
    """The state that the plan leads to; sessions that begin anew have one flap more."""
    state = copy.deepcopy(state)
    for c in changes:
        area = c["area"]
        if area == "session":
            s = state["session"]
            if c["action"] == "removed":
                s.pop(c["peer"])
            elif c["action"] == "added":
                s[c["peer"]] = 0
            elif c["action"] == "reset":
                s[c["peer"]] += 1
        elif area == "listen" and (c.get("new") or c["old"])["when"] == "restart":
            continue
        elif area in KEYS:
            if "new" in c:
                state[area][KEYS[area](c)] = planned_value(c)
            else:
                state[area].pop(KEYS[area](c))
    return state


def connects(accepts, changes):
    """How often each station's port is connected to in all, with what is planned."""
    accepts = dict(accepts)
    for c in changes:
        if c["area"] == "bmp" and c["action"] in ("added", "reset"):
            accepts[c["new"]["port"]] += 1
    return accepts


def difference(a, b):
    """For people: what is in one and not in the other."""
    out = []
    for area in a:
        for key in sorted(set(a[area]) | set(b[area])):
            if a[area].get(key) != b[area].get(key):
                out.append(f"{area} {key}: planned {a[area].get(key)}, is {b[area].get(key)}")
    return "\n".join(out) or "(no difference)"


# ---- configurations ----

PREFIXES = ("172.16.0.0/12", "10.0.0.0/8", "fd00::/8")
COMMUNITIES = ("65001:1", "65001:2", "65000:77", "no-export")


class Config:
    """All documents of a node, and what may happen to them.  @rnd: a random.Random."""

    def __init__(self, rnd, herald, slots):
        self.rnd, self.herald, self.slots = rnd, herald, slots
        self.local_as, self.router_id = AS, None
        self.config = {"bgp": {"allowASIn": 0}, "routing": {}, "metrics": {}, "ipam": {}}
        self.tunnel = {}
        self.stations, self.pod_pools, self.local_port = {}, {}, None
        self.peers = {t: {"slot": i, "config": "ca"} for i, t in enumerate(TELLERS)}
        self.configs = {n: {"hold": 30, "spec": {}, "v6": True} for n in ("ca", "cb", "cc")}
        self.adverts = {"pods": {"kind": "pods"}, "services": {"kind": "services"}}
        self.pools = {"p0": {"block": "172.16.0.0/28"}}
        self.services = {}
        self.policies = {}
        self.nodes = {}
        for _ in range(12):
            self.edit()

    # ---- as documents ----

    def documents(self):
        config = dict(self.config, datapath={**self.herald.datapath, **self.tunnel})
        d = [self.herald.settings(**config),
             h.node(NODE, [POD4, POD6], [HERALD4, HERALD6], labels={"zone": "a"})]
        peers = {n: {"peerASN": PEER_AS, "peerAddress": slot_addr(p["slot"]), "config": p["config"]}
                 for n, p in self.peers.items()}
        cluster = h.cluster(self.local_as, peers, bmpServers=[
            {"name": n, "peerAddress": PEER4, **s} for n, s in self.stations.items()])
        if self.local_port:
            cluster["spec"]["bgpInstances"][0]["localPort"] = self.local_port
        if self.router_id:
            cluster["spec"]["bgpInstances"][0]["routerID"] = self.router_id
        d.append(cluster)
        for n, c in self.configs.items():
            families = ["ipv4", "ipv6"] if c["v6"] else ["ipv4"]
            select = {"matchLabels": {"set": c["set"]}} if c.get("set") else None
            d.append(h.peer_config(n, families=families, hold=c["hold"], select=select,
                                   **copy.deepcopy(c["spec"])))
        for n, a in self.adverts.items():
            labels = {"advertise": "bgp", "set": a.get("set", "x")}
            doc = (h.advertise_pods(n) if a["kind"] == "pods" else h.advertise_services(
                n, addresses=a.get("addresses", ("LoadBalancerIP",)),
                selector=a.get("selector"))) if a["kind"] != "off" else None
            if doc:
                doc["metadata"]["labels"] = labels
                if a.get("attributes"):
                    doc["spec"]["advertisements"][0]["attributes"] = a["attributes"]
                d.append(doc)
        for n, p in self.pools.items():
            d.append(h.pool(n, p["block"], **{k: v for k, v in p.items() if k != "block"}))
        for n, s in self.services.items():
            d.append(h.service(n, etp=s["etp"], ports=s["ports"], cluster_ips=[s["cluster"]],
                               families=["IPv4"], labels={"app": n, "tier": s["tier"]},
                               annotations=s["annotations"],
                               **({"healthCheckNodePort": s["health"]} if s.get("health") else {})))
            d += [h.endpoints(n, *s["endpoints"], port=p, suffix=str(p)) for p in s["ports"]]
        for n, p in self.policies.items():
            d.append(h.doc("L2AnnouncementPolicy", n, p))
        for n, (cidr, addr) in self.nodes.items():
            d.append(h.node(n, [cidr] if cidr else [], [addr]))
        for n, cidr in self.pod_pools.items():
            d.append(h.doc("PodIPPool", n, {"ipv4": {"cidrs": [cidr], "maskSize": 28}}))
        return d

    # ---- edits ----

    def edit(self):
        """One change at random; its name."""
        edits = [e for e in dir(self) if e.startswith("do_")]
        name = self.rnd.choice(edits)
        getattr(self, name)()
        return name[3:]

    def do_peer(self):
        name = f"x{self.rnd.randrange(self.slots - len(TELLERS))}"
        if name in self.peers:
            del self.peers[name]
        else:
            self.peers[name] = {"slot": len(TELLERS) + int(name[1:]), "config": self.any_config()}

    def any_config(self):
        return self.rnd.choice(sorted(self.configs))

    def do_peer_config_ref(self):
        self.rnd.choice([p for _, p in sorted(self.peers.items())])["config"] = self.any_config()

    def do_session_field(self):
        c = self.configs[self.any_config()]
        what = self.rnd.randrange(5)
        if what == 0:
            c["hold"] = self.rnd.choice((9, 30, 90))
        elif what == 1:
            c["v6"] = not c["v6"]
        elif what == 2:
            c["spec"]["extendedMessages"] = self.rnd.random() < 0.5
        elif what == 3:
            c["spec"]["gracefulRestart"] = {"enabled": self.rnd.random() < 0.5,
                                            "restartTimeSeconds": self.rnd.choice((60, 120))}
        else:
            c["spec"]["transport"] = {"sourceAddress": HERALD4} if self.rnd.random() < 0.5 else {}

    def do_soft_field(self):
        c = self.configs[self.any_config()]
        what = self.rnd.randrange(4)
        if what == 0:
            c["spec"]["allowASIn"] = self.rnd.randrange(3)
        elif what == 1:
            c["set"] = self.rnd.choice((None, "x", "y"))
        elif what == 2:
            c["spec"]["import"] = self.rnd.choice((
                [{"action": "accept"}], [{"action": "reject"}],
                [{"match": {"prefixes": [{"prefix": "10.2.0.0/16", "ge": 16, "le": 32}]},
                  "action": "accept", "set": {"localPreference": self.rnd.choice((90, 200)),
                                              "communities": {"add": ["65001:9"]}}}]))
        else:
            c["spec"]["export"] = self.any_export()

    def any_export(self):
        rules = []
        for _ in range(self.rnd.randrange(3)):
            match = {}
            if self.rnd.random() < 0.5:
                p = self.rnd.choice(PREFIXES)
                match["prefixes"] = [{"prefix": p, "ge": int(p.partition("/")[2]),
                                      "le": 128 if ":" in p else 32}]
            if self.rnd.random() < 0.4:
                match["origin"] = [self.rnd.choice(("podCIDR", "service", "learned"))]
            rule = {"match": match, "action": self.rnd.choice(("accept", "accept", "reject"))}
            if rule["action"] == "accept" and self.rnd.random() < 0.6:
                rule["set"] = self.rnd.choice((
                    {"med": self.rnd.randrange(100)}, {"communities": {"add": ["65001:7"]}},
                    {"prepend": {"count": self.rnd.randrange(1, 4)}}, {"nextHop": "self"}))
            if not match:
                rule.pop("match")
            rules.append(rule)
        return rules

    def do_instance(self):
        if self.rnd.random() < 0.5:
            self.router_id = self.rnd.choice((None, "10.9.9.9", "10.8.8.8"))
        else:
            self.local_as = self.rnd.choice((AS, 65011))

    def do_advert(self):
        name = self.rnd.choice(("pods", "services", "more"))
        a = self.adverts.setdefault(name, {"kind": "services"})
        what = self.rnd.randrange(5)
        if what == 0:
            a["attributes"] = self.rnd.choice((
                None, {"communities": {"standard": [self.rnd.choice(COMMUNITIES[:3])]}},
                {"med": self.rnd.randrange(50)}, {"localPreference": self.rnd.randrange(50, 300)},
                {"asPathPrepend": self.rnd.randrange(1, 3)}))
        elif what == 1:
            a["set"] = self.rnd.choice(("x", "y"))
        elif what == 2 and name != "pods":
            a["addresses"] = self.rnd.choice((("LoadBalancerIP",), ("ClusterIP", "LoadBalancerIP")))
        elif what == 3:
            a["kind"] = "off" if a["kind"] != "off" else "pods" if name == "pods" else "services"
        else:
            a["selector"] = self.rnd.choice((None, {"matchLabels": {"tier": "front"}}))

    def do_pool(self):
        name = f"p{self.rnd.randrange(3)}"
        if name in self.pools and self.rnd.random() < 0.3:
            del self.pools[name]
            return
        p = self.pools.setdefault(name, {"block": "172.16.0.0/28"})
        what = self.rnd.randrange(4)
        if what == 0:
            p["block"] = self.rnd.choice(("172.16.0.0/28", "172.16.0.16/28", "172.17.0.0/29"))
        elif what == 1:
            p["disabled"] = self.rnd.random() < 0.5
        elif what == 2:
            p["serviceSelector"] = {"matchLabels": {"tier": self.rnd.choice(("front", "back"))}}
        else:
            p.pop("serviceSelector", None)

    def do_service(self):
        name = f"s{self.rnd.randrange(6)}"
        if name in self.services and self.rnd.random() < 0.4:
            del self.services[name]
            return
        s = self.services.setdefault(name, {
            "etp": "Cluster", "ports": [80], "cluster": f"10.96.0.{1 + int(name[1:])}",
            "tier": "front", "annotations": None, "endpoints": [("10.1.0.10", NODE)]})
        what = self.rnd.randrange(6)
        if what == 0:
            s["etp"] = self.rnd.choice(("Cluster", "Local"))
        elif what == 1:
            s["ports"] = self.rnd.choice(([80], [80, 443], [8080]))
        elif what == 2:
            s["tier"] = self.rnd.choice(("front", "back"))
        elif what == 3:
            s["annotations"] = self.rnd.choice((
                None, {"heraldlb.io/ips": f"172.16.0.{self.rnd.randrange(1, 30)}"},
                {"heraldlb.io/sharing-key": "k"}, {"heraldlb.io/ip-pool": "p1"}))
        else:
            s["endpoints"] = [(f"10.1.0.{self.rnd.randrange(10, 14)}", self.rnd.choice((NODE, "n2")),
                               self.rnd.random() < 0.7) for _ in range(self.rnd.randrange(3))]
            s["endpoints"] = list({e[0]: e for e in s["endpoints"]}.values())

    def do_services(self):
        """A burst."""
        for _ in range(4):
            self.do_service()

    def do_l2_policy(self):
        name = f"l{self.rnd.randrange(2)}"
        if name in self.policies:
            del self.policies[name]
        else:
            self.policies[name] = {"loadBalancerIPs": True, "interfaces": ["^eth[0-9]+"]}
            if self.rnd.random() < 0.5:
                self.policies[name]["serviceSelector"] = {"matchLabels": {"tier": "front"}}

    def do_node(self):
        i = self.rnd.randrange(3)
        name = f"n{2 + i}"
        if name in self.nodes:
            del self.nodes[name]
        else:
            cidr = f"10.{20 + i}.0.0/24" if self.rnd.random() < 0.7 else None
            self.nodes[name] = (cidr, f"10.0.0.{100 + i}")

    def do_station(self):
        name = f"b{self.rnd.randrange(len(STATIONS) // 2)}"
        if name in self.stations and self.rnd.random() < 0.4:
            del self.stations[name]
            return
        s = self.stations.setdefault(name, {"statisticsTimeout": 0})
        what = self.rnd.randrange(3)
        if what == 0 or "peerPort" not in s:
            s["peerPort"] = STATIONS[0] + 2 * int(name[1:]) + self.rnd.randrange(2)
        if what == 1:
            s["monitoringPolicy"] = self.rnd.choice(("pre", "post", "all"))
        elif what == 2:
            s["statisticsTimeout"] = self.rnd.choice((0, 3600))

    def do_listen(self):
        what = self.rnd.randrange(3)
        if what == 0:
            self.config["bgp"]["listen"] = self.rnd.choice((
                ["0.0.0.0:179", "[::]:179"], ["0.0.0.0:179"], [f"{HERALD4}:1179"], []))
        elif what == 1:
            self.config["metrics"]["listen"] = self.rnd.choice((
                "127.0.0.1:7479", "127.0.0.1:7480", ""))
        else:
            self.local_port = self.rnd.choice((None, None, 1790))

    def do_socket(self):
        """Taken on at a restart only."""
        self.config["ipam"]["socket"] = f"{self.herald.dir}/ipam{self.rnd.randrange(2)}.sock"

    def do_health_check(self):
        name = f"s{self.rnd.randrange(6)}"
        if name in self.services:
            s = self.services[name]
            s["etp"] = self.rnd.choice(("Cluster", "Local", "Local", "Local"))
            s["health"] = self.rnd.choice((None, HEALTH[0], HEALTH[0], HEALTH[0]))
            s["health"] = s["health"] and HEALTH[0] + int(name[1:])
            s["endpoints"] = [(f"10.1.0.{10 + i}", NODE, True)
                              for i in range(self.rnd.randrange(3))]

    def do_tunnel(self):
        self.tunnel = self.rnd.choice((
            {}, {"tunnel": "vxlan"}, {"tunnel": "vxlan", "tunnelVNI": self.rnd.randrange(2, 4)}))
        if self.tunnel:
            self.config["routing"]["directNodeRoutes"] = False

    def do_pod_ranges(self):
        ipam, what = self.config["ipam"], self.rnd.randrange(3)
        if what == 0:
            ipam["mode"] = self.rnd.choice(("kubernetes", "cluster-pool", "multi-pool"))
        elif what == 1:
            ipam["clusterPool"] = {"ipv4PodCIDRs": [self.rnd.choice((
                "10.40.0.0/16", "10.41.0.0/16"))], "ipv4MaskSize": self.rnd.choice((24, 25))}
        else:
            name = f"q{self.rnd.randrange(2)}"
            if name in self.pod_pools:
                del self.pod_pools[name]
            else:
                self.pod_pools[name] = f"10.4{2 + int(name[1:])}.0.0/20"
        if ipam.get("mode") == "cluster-pool":
            ipam.setdefault("clusterPool", {"ipv4PodCIDRs": ["10.40.0.0/16"], "ipv4MaskSize": 24})

    def do_herald_config(self):
        what = self.rnd.randrange(4)
        if what == 0:
            self.config["routing"]["directNodeRoutes"] = (
                not self.tunnel and self.rnd.random() < 0.5)
        elif what == 1:
            self.config["routing"]["installLearned"] = self.rnd.random() < 0.5
        elif what == 2:
            self.config["bgp"]["allowASIn"] = self.rnd.randrange(3)
        else:
            self.config["log"] = {"level": self.rnd.choice(("info", "debug"))}
