"""Networks whose Heralds have everything but their settings from a Kubernetes API server.

    KubeScenario    the reference scenario: its files are applied, not read; the API server behind
                    the router, at 192.168.30.10
    KubePair        one Herald and the machine beside it, on which the API server lives too

Every Herald comes in as the ServiceAccount of etc/kubernetes, with the rights of its role alone."""
import json

import yaml

from . import herald as h
from .kube import NAMESPACE, PORT, Kube
from .kubeapi import Api
from .netns import link
from .pair import HERALD4, HERALD6, PEER4, POD4, Pair
from .topology import FILES, HERALD_CONFIG, REFERENCE, Scenario
from .wait import until

API = "192.168.30.10"
API_GATEWAY = "192.168.30.200"
LEADER = "herald-leader"
# A tenth of what is usual, so that a test does not wait for a leader's end that long.
ELECTION = {"leaseDurationSeconds": 3, "renewDeadlineSeconds": 2, "retryPeriodSeconds": 1}


def source(kubeconfig, dialects=("heraldlb.io",), **more):
    """HeraldConfig's `sources`."""
    return {"kubernetes": {"kubeconfig": kubeconfig, "dialects": list(dialects),
                           "leaderElection": ELECTION, **more}}


def account(kube, name="herald", **cluster):
    """A kubeconfig for the ServiceAccount, whose token is a file as in a pod."""
    folder = kube.in_cluster()
    return kube.kubeconfig(name, {"tokenFile": f"{folder}/token"}, NAMESPACE, **cluster)


def as_account(kube):
    """A client with the ServiceAccount's rights."""
    return Api(kube.ns, kube.addr, PORT, f"{kube.dir}/pki/ca.crt", kube.service_account_token())


def wait_synced(herald, timeout=20):
    """Until it has everything from the API."""
    def synced():
        sources = {s["name"]: s for s in herald.ctl("status")["sources"]}
        return sources["kubernetes"]["synced"]
    return until(synced, timeout, lambda: f"{herald.node} in sync; "
                 f"{herald.ctl('status')}\n{herald.daemon.text()[-3000:]}")


def leader(kube):
    """The node that says which Service gets which address; "" while nobody does."""
    lease = kube.api().find("Lease", LEADER, NAMESPACE)
    return (lease or {}).get("spec", {}).get("holderIdentity") or ""


def withdrawn(connection, since=0):
    """The prefixes that were withdrawn on a speaker's connection, each time that they were."""
    return [p for u in connection.updates(since) for p in u.withdrawn]


class KubeScenario(Scenario):
    def __init__(self, lab, datapath=False):
        super().__init__(lab, datapath)
        ns = lab.netns("api")
        link(ns, "eth0", self.router, "eth3")
        self.router.addr("eth3", f"{API_GATEWAY}/24")
        ns.addr("eth0", f"{API}/24")
        ns.ip(f"route add default via {API_GATEWAY}")
        self.kube = Kube(lab, ns, API)
        self.kubeconfig = None

    def start_kube(self):
        self.kube.start("cilium.io")
        self.kubeconfig = account(self.kube)
        return self

    def apply_files(self):
        """`kubectl apply` of the scenario's files, unchanged."""
        return self.kube.apply(*(f"{REFERENCE}/{f}" for f in FILES))

    def herald(self, node):
        self.heralds[node] = h.Herald(self.lab, self.ns[node], node, datapath=self.datapath)
        self.write_settings(node)
        return self.heralds[node]

    def write_settings(self, node, **datapath):
        daemon = self.heralds[node]
        flow = json.dumps({**daemon.datapath, **datapath})
        config = yaml.safe_load(HERALD_CONFIG.format(state=daemon.state, socket=daemon.socket,
                                                     datapath=flow))
        config["spec"]["sources"] = source(self.kubeconfig, ("heraldlb.io", "cilium.io"))
        daemon.write("herald.yaml", config)

    def traffic_policy(self, policy, which="external"):
        self.kube.api().merge("Service", "webpod", {"spec": {f"{which}TrafficPolicy": policy}})

    def reset(self):
        """All objects as the files say.  Not by kubectl, which has no patch for an EndpointSlice
        that is a custom resource."""
        for f in FILES:
            with open(f"{REFERENCE}/{f}", encoding="utf-8") as docs:
                for d in yaml.safe_load_all(docs):
                    self.kube.api().ensure(d)
        self.wait_converged()


class KubePair(Pair):
    def __init__(self, lab, **kw):
        super().__init__(lab, **kw)
        self.kube = Kube(lab, self.other, PEER4)

    def start_kube(self, *dialects):
        self.kube.start(*dialects)
        return self

    def settings(self, kubeconfig=None, dialects=("heraldlb.io",), **spec):
        """Without a rest of addresses: each test finds the pool as if nobody had had any."""
        spec.setdefault("ipam", {"reuseAfter": "0s"})
        self.herald.write("herald.yaml", self.herald.settings(
            sources=source(kubeconfig or account(self.kube), dialects), **spec))
        return self

    def documents(self, config=None, peers=None):
        """What Pair.write() writes to files, but for the settings and the Service."""
        return [h.node("n1", [POD4], [HERALD4, HERALD6]),
                h.cluster(65001, peers or self.peers(v6=False)),
                h.peer_config("tor", families=["ipv4"], **(config or {})),
                h.advertise_pods(), h.advertise_services(), h.pool("v4", "172.16.0.0/16")]

    def put(self, *documents):
        for d in documents:
            self.kube.api().ensure(d)
        return self

    def web(self, name="web", **spec):
        """A Service with an endpoint on this node."""
        self.put(h.service(name, **spec), h.endpoints(name, ("10.1.0.10", "n1")))
        return self

    def wait_address(self, name="web", timeout=15):
        """The address that the Service's status tells."""
        return until(lambda: self.kube.api().ingress(name), timeout,
                     lambda: f"an address in {name}'s status; "
                     f"{self.herald.ctl('ipam')}\n{self.herald.daemon.text()[-3000:]}")[0]
