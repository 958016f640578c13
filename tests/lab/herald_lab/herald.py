"""A Herald daemon: its documents, its process, its control socket."""
import json
import os
import shlex
import signal
import subprocess

from .lab import program
from .proc import Daemon
from .wait import until


class CtlError(AssertionError):
    """heraldctl ended with a status that the test did not ask for."""


def write_atomically(path, text):
    """As an editor or `kubectl cp` does: a new file in place of the old, never half of it."""
    tmp = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.new")
    with open(tmp, "w", encoding="utf-8") as f:
        f.write(text)
    os.rename(tmp, path)


class Herald:
    """One node's daemon in namespace @ns.  Its own documents lie in self.conf; @shared are further
    paths for -c, in front of it.

    Several nodes share one kernel here, so the datapath is off unless @datapath says otherwise:
    True, or a dict of further fields of HeraldConfig's `datapath`.  Then the node has a bpffs of
    its own, and a cgroup that everything joins which is started in @ns."""

    def __init__(self, lab, ns, node, shared=(), args=(), datapath=False):
        self.lab, self.ns, self.node = lab, ns, node
        self.dir = lab.path(f"herald-{ns.name.rsplit('-', 1)[-1]}-{node}")
        self.conf = os.path.join(self.dir, "conf")
        self.state = os.path.join(self.dir, "state")
        self.socket = os.path.join(self.dir, "herald.sock")
        os.makedirs(self.conf, exist_ok=True)
        os.makedirs(self.state, exist_ok=True)
        # What others of this kernel have pinned at the usual place is not this node's.
        self.bpffs, self.datapath = None, {"mode": "none", "pinPath": f"{self.dir}/no-bpffs"}
        if datapath is not False:
            self.bpffs = lab.bpffs(node)
            ns.cgroup = ns.cgroup or lab.cgroup(node)
            self.datapath = {"mode": "bpf", "pinPath": self.pin_path, "cgroup": ns.cgroup.path,
                             **(datapath if isinstance(datapath, dict) else {})}
        # e.g. valgrind and its options
        self.under = shlex.split(os.environ.get("HERALD_UNDER", ""))
        argv = [*self.under, "herald"]  # start() looks for it
        for p in (*shared, self.conf):
            argv += ["-c", p]
        # under a sanitizer a find is an exit that no test expects
        env = {"ASAN_OPTIONS": "exitcode=99", "UBSAN_OPTIONS": "halt_on_error=1:exitcode=99",
               **os.environ}
        self.daemon = Daemon(lab, ns, [*argv, "-n", node, *args], f"{self.dir}/herald.log", env=env)

    @property
    def pin_path(self):
        return os.path.join(self.bpffs.path, "herald")

    # ---- documents ----

    def settings(self, **spec):
        """The HeraldConfig of this node: paths in the run directory, its datapath, and @spec."""
        base = {"stateDir": self.state, "control": {"socket": self.socket},
                "log": {"level": "debug"}, "datapath": self.datapath}
        base.update(spec)
        return doc("HeraldConfig", "default", base)

    def write(self, name, *documents):
        """Put a file into the node's configuration: documents as dicts, or text."""
        write_atomically(os.path.join(self.conf, name), to_yaml(*documents))

    def remove(self, name):
        os.unlink(os.path.join(self.conf, name))

    # ---- process ----

    def start(self, wait=True):
        self.daemon.argv[len(self.under)] = program("herald")
        self.daemon.start()
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self):
        def ready():
            if not self.daemon.running():
                raise AssertionError(f"herald ended ({self.daemon.popen.returncode}):\n"
                                     f"{self.daemon.text()[-3000:]}")
            return self.ctl("status")
        until(ready, what=lambda: f"herald answering:\n{self.daemon.text()[-3000:]}")

    def stop(self, sig=signal.SIGTERM):
        return self.daemon.stop(sig)

    def kill(self):
        return self.daemon.kill()

    def log_size(self):
        return len(self.daemon.text())

    # ---- heraldctl ----

    def run_ctl(self, *args, form=None):
        """Run heraldctl; returns the finished process."""
        argv = [program("heraldctl"), "-s", self.socket]
        if form:
            argv += ["-o", form]
        return subprocess.run([*argv, *args], text=True, capture_output=True, timeout=20,
                              check=False, stdin=subprocess.DEVNULL)

    def table(self, *args):
        done = self.run_ctl(*args)
        if done.returncode:
            raise CtlError(f"heraldctl {' '.join(args)}: exit {done.returncode}: {done.stderr}")
        return done.stdout

    def ctl(self, *args):
        """What a command says, from its JSON."""
        done = self.run_ctl(*args, form="json")
        if done.returncode:
            raise CtlError(f"heraldctl {' '.join(args)}: exit {done.returncode}: {done.stderr}")
        return json.loads(done.stdout) if done.stdout.strip() else {}

    def peers(self):
        return {p["name"]: p for p in self.ctl("bgp", "peers")["peers"]}

    def peer(self, name):
        return self.peers()[name]

    def wait_established(self, *names, timeout=20):
        def all_up():
            peers = self.peers()
            return all(peers[n]["state"] == "established" for n in names or peers) and peers
        return until(all_up, timeout, lambda: f"{self.node}: {names or 'all peers'} established; "
                     f"{self.ctl('bgp', 'peers')}\n{self.daemon.text()[-3000:]}")

    def counters(self):
        """The datapath's counters, by name."""
        return {c["name"]: c["count"] for c in self.ctl("lb", "counters")["counters"]}

    def routes(self, table="received", *args):
        return self.ctl("bgp", "routes", table, *args)["routes"]

    def route(self, prefix, table="received", peer=None):
        """The routes of exactly @prefix."""
        return [r for r in self.routes(table) if r["prefix"] == prefix
                and (peer is None or r["peer"] == peer)]

    def wait_reload(self, after, timeout=10):
        """Wait until a reload is through that began after log_size() was @after."""
        return self.daemon.wait_log(r"reload", timeout, since=after)


# ---- documents ----

def to_yaml(*documents):
    """Documents as one file.  JSON is YAML; text goes through as it is."""
    return "".join("---\n" + (d if isinstance(d, str) else json.dumps(d, indent=1)) + "\n"
                   for d in documents)


def doc(kind, name, spec=None, api="heraldlb.io/v1", namespace=None, labels=None, **more):
    meta = {"name": name}
    if namespace:
        meta["namespace"] = namespace
    if labels:
        meta["labels"] = labels
    d = {"apiVersion": api, "kind": kind, "metadata": meta}
    if spec is not None:
        d["spec"] = spec
    d.update(more)
    return d


def node(name, cidrs, addresses, labels=None):
    return doc("Node", name, {"podCIDR": cidrs[0], "podCIDRs": list(cidrs)} if cidrs else {},
               api="v1", labels={"kubernetes.io/hostname": name, **(labels or {})},
               status={"addresses": [{"type": "InternalIP", "address": a} for a in addresses]})


def cluster(asn, peers, name="bgp", instance="main", **spec):
    """@peers: {name: {"peerASN", "peerAddress", "config": name of a BGPPeerConfig}}."""
    out = []
    for pname, p in peers.items():
        p = dict(p)
        config = p.pop("config", None)
        out.append({"name": pname, **p, **({"peerConfigRef": {"name": config}} if config else {})})
    return doc("BGPClusterConfig", name,
               {"bgpInstances": [{"name": instance, "localASN": asn, "peers": out}], **spec})


def peer_config(name, families=("ipv4", "ipv6"), hold=9, select=None, accept=True, **spec):
    """Quick timers; every route in, unless accept=False; advertisements labelled advertise: bgp."""
    select = select or {"matchLabels": {"advertise": "bgp"}}
    base = {"timers": {"holdTimeSeconds": hold, "keepAliveTimeSeconds": max(hold // 3, 1),
                       "connectRetryTimeSeconds": 1},
            "families": [f if isinstance(f, dict) else
                         {"afi": f, "safi": "unicast", "advertisements": select}
                         for f in families]}
    if accept:
        base["import"] = [{"action": "accept"}]
    base.update(spec)
    return doc("BGPPeerConfig", name, base)


def advertise_pods(name="pods", **attributes):
    return doc("BGPAdvertisement", name, {"advertisements": [
        {"advertisementType": "PodCIDR", **({"attributes": attributes} if attributes else {})}]},
        labels={"advertise": "bgp"})


def advertise_services(name="services", addresses=("LoadBalancerIP",), selector=None, labels=None,
                       attributes=None, **more):
    entry = {"advertisementType": "Service", "service": {"addresses": list(addresses)},
             "selector": selector or {"matchExpressions": [
                 {"key": "no-such-label", "operator": "DoesNotExist"}]}, **more}
    if attributes:
        entry["attributes"] = attributes
    return doc("BGPAdvertisement", name, {"advertisements": [entry]},
               labels=labels or {"advertise": "bgp"})


def service(name, etp="Cluster", itp="Cluster", cluster_ips=(), ports=(80,), labels=None,
            annotations=None, kind="LoadBalancer", families=None, **spec):
    d = doc("Service", name, {
        "type": kind, "selector": {"app": name}, "internalTrafficPolicy": itp,
        "ports": [p if isinstance(p, dict) else
                  {"name": f"p{p}", "port": p, "targetPort": p, "protocol": "TCP"} for p in ports],
        **spec}, api="v1", namespace="default", labels=labels or {"app": name})
    if kind != "ClusterIP":
        d["spec"]["externalTrafficPolicy"] = etp
    if cluster_ips:
        d["spec"].update(clusterIP=cluster_ips[0], clusterIPs=list(cluster_ips))
    if families:
        d["spec"].update(ipFamilies=list(families),
                         ipFamilyPolicy="RequireDualStack" if len(families) > 1 else "SingleStack")
    if annotations:
        d["metadata"]["annotations"] = annotations
    return d


def endpoints(name, *eps, port=80, family="IPv4", suffix="1"):
    """An EndpointSlice; each of @eps is (address, node) or (address, node, ready)."""
    out = []
    for ep in eps:
        ready = ep[2] if len(ep) > 2 else True
        out.append({"addresses": [ep[0]], "nodeName": ep[1],
                    "conditions": {"ready": ready, "serving": ready, "terminating": False}})
    return {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {"name": f"{name}-{suffix}", "namespace": "default",
                         "labels": {"kubernetes.io/service-name": name}},
            "addressType": family, "ports": [{"name": f"p{port}", "port": port, "protocol": "TCP"}],
            "endpoints": out}


def pool(name, *blocks, **spec):
    """@blocks: "cidr" or ("first", "last")."""
    return doc("LoadBalancerIPPool", name, {"blocks": [
        {"cidr": b} if isinstance(b, str) else {"start": b[0], "stop": b[1]} for b in blocks],
        **spec})


def secret(name, password, namespace="default"):
    return doc("Secret", name, api="v1", namespace=namespace, stringData={"password": password})
