"""The reference scenario of etc/examples/reference: a router, three nodes, pods.

    outside .10 - loop1 10.10.1.200/24 - router - eth1 192.168.10.200 - k8s-ctr .100, k8s-w1 .101
                                                - eth2 192.168.20.200 - k8s-w0 .100
"""
import contextlib
import http.client
import http.server
import json
import os
import shutil
import socket
import threading

from . import frr
from .herald import Herald, write_atomically
from .lab import root_dir
from .netns import link
from .wait import until

REFERENCE = os.path.join(root_dir(), "etc/examples/reference")
FILES = ("nodes.yaml", "bgp.yaml", "pool.yaml", "webpod.yaml", "bgp-service.yaml")
ROUTER = "192.168.10.200"
OUTSIDE = "10.10.1.10"  # a client that knows nothing of the cluster
VIP = "172.16.1.1/32"
GATEWAY = "169.254.1.1"  # every pod's default gateway: the node's end of its cable

# node: (address, router's address on that segment, PodCIDR)
NODES = {"k8s-ctr": ("192.168.10.100", "192.168.10.200", "172.20.0.0/24"),
         "k8s-w1": ("192.168.10.101", "192.168.10.200", "172.20.1.0/24"),
         "k8s-w0": ("192.168.20.100", "192.168.20.200", "172.20.2.0/24")}
# pod: (node, address)
PODS = {"client": ("k8s-ctr", "172.20.0.10"), "webpod-w1": ("k8s-w1", "172.20.1.10"),
        "webpod-w0": ("k8s-w0", "172.20.2.10")}
SHORT = {"k8s-ctr": "ctr", "k8s-w1": "w1", "k8s-w0": "w0"}

HERALD_CONFIG = """\
apiVersion: heraldlb.io/v1
kind: HeraldConfig
metadata: {{name: default}}
spec:
  stateDir: {state}
  control: {{socket: {socket}}}
  log: {{level: debug}}
  datapath: {datapath}
  bgp:
    allowASIn: 1
    import:
    - match: {{prefixes: [{{prefix: 172.20.0.0/16, le: 24}}, {{prefix: 10.10.0.0/16, le: 24}}]}}
      action: accept
  routing: {{installLearned: true}}
"""


class WebPod:
    """A small HTTP server in a pod: tells the pod's name and whom it sees as its client."""

    def __init__(self, ns, name, addr, port=80):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"  # connections are kept

            def do_GET(self):
                body = f"Hostname: {name}\nRemoteAddr: {self.client_address[0]}\n".encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer((addr, port), Handler,
                                                      bind_and_activate=False)
        self.server.socket.close()
        self.server.socket = ns.socket()
        self.server.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.server.server_bind()
        self.server.server_activate()
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def http_get(ns, addr, port=80, timeout=2.0):
    """GET / from inside @ns; returns the body."""
    conn = http.client.HTTPConnection(addr, port)
    with contextlib.closing(conn):
        conn.sock = ns.socket()
        conn.sock.settimeout(timeout)
        conn.sock.connect((addr, port))
        conn.request("GET", "/")
        return conn.getresponse().read().decode()


class Scenario:
    """Builds the network; start_router() and start_heralds() bring it to life.  @datapath: as for
    Herald, on each node; what runs on a node or in its pods is in that node's cgroup."""

    def __init__(self, lab, datapath=False):
        self.lab, self.datapath = lab, datapath
        self.ns, self.pods, self.heralds = {}, {}, {}
        self.reference = lab.path("reference")  # the lab's copy: files that a test may edit
        for f in FILES:
            shutil.copyfile(f"{REFERENCE}/{f}", f"{self.reference}/{f}")
        self._network()
        for pod, (node, addr) in PODS.items():
            self._pod(pod, node, addr)
        with open(f"{REFERENCE}/frr.conf", encoding="utf-8") as f:
            self.frr = frr.Frr(lab, self.router, f.read(), name="frr")

    def _network(self):
        self.router = r = self.lab.netns("router")
        self.outside = self.lab.netns("outside")
        link(self.outside, "eth0", r, "loop1")
        self.outside.ip(f"addr add {OUTSIDE}/24 dev eth0", "route add default via 10.10.1.200")
        # eth1 is a segment with two nodes: a bridge
        r.ip("link add eth1 type bridge", "link set eth1 up", "addr add 10.10.1.200/24 dev loop1",
             f"addr add {ROUTER}/24 dev eth1")
        for node, (addr, gateway, _) in NODES.items():
            ns = self.ns[node] = self.lab.netns(SHORT[node])
            if self.datapath is not False:
                ns.cgroup = self.lab.cgroup(SHORT[node])
            port = "eth2" if node == "k8s-w0" else f"port-{SHORT[node]}"
            link(ns, "eth1", r, port)
            if port != "eth2":
                r.ip(f"link set {port} master eth1")
            ns.ip(f"addr add {addr}/24 dev eth1", f"route add default via {gateway}")
        r.addr("eth2", "192.168.20.200/24")

    def _pod(self, name, node, addr):
        pod, host = self.lab.netns(name), self.ns[node]
        pod.cgroup = host.cgroup
        link(pod, "eth0", host, f"pod-{name}"[:15])
        dev = f"pod-{name}"[:15]
        host.ip(f"addr add {GATEWAY}/32 dev {dev}", f"route add {addr}/32 dev {dev}")
        pod.ip(f"addr add {addr}/32 dev eth0", f"route add {GATEWAY} dev eth0",
               f"route add default via {GATEWAY}")
        self.pods[name] = pod
        if name != "client":
            self.lab.own(WebPod(pod, name, addr))

    def start_router(self):
        self.frr.start()
        return self

    def herald(self, node):
        h = Herald(self.lab, self.ns[node], node, shared=[self.reference], datapath=self.datapath)
        self.heralds[node] = h
        self.write_settings(node)
        return h

    def write_settings(self, node, **datapath):
        """The node's HeraldConfig, with these further fields of its `datapath`."""
        h = self.heralds[node]
        flow = ", ".join(f"{k}: {json.dumps(v)}" for k, v in {**h.datapath, **datapath}.items())
        h.write("herald.yaml", HERALD_CONFIG.format(state=h.state, socket=h.socket,
                                                    datapath=f"{{{flow}}}"))

    def start_heralds(self, *nodes):
        started = [self.herald(n).start(wait=False) for n in nodes or NODES]
        for h in started:
            h.wait_ready()
        return self

    def edit(self, name, old, new):
        """Change one of the shared files, atomically."""
        path = f"{self.reference}/{name}"
        with open(path, encoding="utf-8") as f:
            text = f.read()
        assert old in text, f"{old!r} does not stand in {name}"
        write_atomically(path, text.replace(old, new))

    def traffic_policy(self, policy, which="external"):
        other = "Local" if policy == "Cluster" else "Cluster"
        self.edit("webpod.yaml", f"{which}TrafficPolicy: {other}",
                  f"{which}TrafficPolicy: {policy}")

    def wait_next_hops(self, prefix, want, timeout=10):
        """Wait until the router's kernel has @prefix by exactly the nodes of @want."""
        want = {NODES[n][0] for n in want}
        return until(lambda: self.router.next_hops(prefix) == want, timeout,
                     lambda: f"router: {prefix} via {want}, has {self.router.next_hops(prefix)}")

    def wait_converged(self, timeout=20):
        for node, (_, _, cidr) in NODES.items():
            self.wait_next_hops(cidr, [node], timeout)
        self.wait_next_hops(VIP, NODES, timeout)
        return self
