"""tests/bench/datapath/world.py: the network that one load balancer is measured in.

    client c0 10.90.0.2 -- n0 10.90.0.1 node l0 10.90.1.1 -- e0 10.90.1.2 pod
                                        node u0 10.90.2.1 -- d0 10.90.2.2 n2 p0 -- e0 10.90.3.2 far

Each has one of its own, and all stand at the same time, so that rounds can go from one to the next
in a second.  Whether VIPs lie in 10.96.0.0/11 or fd7f::/64, the client's way is the node.
"""
import json
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../lab"))

from herald_lab import netns as nets  # noqa: E402
from herald_lab.proc import Daemon  # noqa: E402
from rules import VIP  # noqa: E402

POD, FAR = "10.90.1.2", "10.90.3.2"
TOOLS = os.environ.get("HERALD_BENCH", os.path.join(HERE, "../../../build/bench/datapath"))
NGINX = """worker_processes 1; daemon off; pid {dir}/pid; error_log /dev/null crit;
events {{ worker_connections 8192; }}
http {{ access_log off; keepalive_requests 10000000; client_body_temp_path {dir}/b;
proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f; uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
server {{ listen 80 backlog=8192 reuseport; location / {{ return 200 "ok"; }} }} }}
"""


def tool(name):
    return os.path.join(TOOLS, name)


def answer(text):
    """The JSON of a tool's last line."""
    return json.loads(text.strip().splitlines()[-1])


class Idle:
    """The machine may be shared: wait until its CPUs are idle, and remember how idle they were."""

    def __init__(self, patience, least=85):
        self.patience, self.least, self.seen = patience, least, []

    @staticmethod
    def _ticks():
        with open("/proc/stat", encoding="ascii") as f:
            v = [int(x) for x in f.readline().split()[1:9]]
        return v[3] + v[4], sum(v)

    def wait(self):
        end = time.monotonic() + self.patience
        while True:
            a = self._ticks()
            time.sleep(0.2)
            b = self._ticks()
            idle = 100 * (b[0] - a[0]) // max(1, b[1] - a[1])
            if idle >= self.least or time.monotonic() > end:
                self.seen.append(idle)
                return


class World:
    """The namespaces of one load balancer, @far: whose backend is on the other node."""

    def __init__(self, lab, name, far=False):
        self.lab, self.name, self.far = lab, name, far
        self.target = FAR if far else POD
        self.cl, self.node, self.pod, self.n2, self.rpod = (
            lab.netns(f"{name}-{x}") for x in ("cl", "node", "pod", "n2", "far"))
        self._link(self.cl, "c0", 0, 2, self.node, "n0", 0, 1)
        self._link(self.node, "l0", 1, 1, self.pod, "e0", 1, 2)
        self._link(self.node, "u0", 2, 1, self.n2, "d0", 2, 2)
        self._link(self.n2, "p0", 3, 1, self.rpod, "e0", 3, 2)
        for ns, net in ((self.cl, 0), (self.pod, 1), (self.rpod, 3)):
            ns.ip(f"route add default via 10.90.{net}.1", f"route add default via fd90:{net}::1")
        self.n2.ip("route add default via 10.90.2.1", "route add default via fd90:2::1")
        self.node.ip("route add 10.90.3.0/24 via 10.90.2.2", "route add fd90:3::/64 via fd90:2::2",
                     "route add 10.91.0.0/16 via 10.90.0.2",  # the generator's sources
                     "route add fd91::/16 via fd90::2")
        for ns in (self.node, self.n2):
            with ns.inside():
                for dev in os.listdir("/proc/sys/net/ipv4/conf"):
                    nets.Netns._sysctl(f"ipv4/conf/{dev}/rp_filter", 0)
        self.cl.sysctl("ipv4/ip_local_port_range", "10000 65000")
        self.cl.sysctl("ipv4/tcp_tw_reuse", 1)
        self.servers, self.sink_index = [], None
        self.vip, self.program, self.xdp = VIP, None, False

    def _link(self, a, dev_a, net, host_a, b, dev_b, _, host_b):
        nets.ip("link", "add", dev_a, "netns", a.name, "numtxqueues", "1", "numrxqueues", "1", "type",
                "veth", "peer", "name", dev_b, "netns", b.name, "numtxqueues", "1", "numrxqueues", "1")
        hosts = ((a, dev_a, host_a), (b, dev_b, host_b))
        for ns, dev, host in hosts:
            ns.addr(dev, f"10.90.{net}.{host}/24", f"fd90:{net}::{host}/64")
        for (ns, dev, _), (other, far_dev, host) in (hosts, hosts[::-1]):
            mac = self.mac(other, far_dev)  # known for good, as for a neighbour that is in use
            ns.ip(f"neigh replace 10.90.{net}.{host} lladdr {mac} dev {dev} nud permanent",
                  f"neigh replace fd90:{net}::{host} lladdr {mac} dev {dev} nud permanent")

    @staticmethod
    def mac(ns, dev):
        return json.loads(nets.ip("-n", ns.name, "-j", "link", "show", dev))[0]["address"]

    def offloads(self):
        """What XDP on a veth needs of its peers: sums filled in by the sender, since a redirected
        frame has none to come; NAPI, without which nothing is taken by redirection."""
        for ns, dev in ((self.cl, "c0"), (self.pod, "e0"), (self.n2, "d0")):
            ns.run("ethtool", "-K", dev, "tx", "off", "gro", "on")
        self.rpod.run("ethtool", "-K", "e0", "tx", "off")

    # ---- what runs in the pod ----

    def start(self):
        ns = self.rpod if self.far else self.pod
        place = self.lab.path(f"nginx-{self.name}")
        with open(f"{place}/conf", "w", encoding="ascii") as f:
            f.write(NGINX.format(dir=place))
        for cpu, argv in ((1, ["nginx", "-c", f"{place}/conf"]), (1, ["iperf3", "-s"]),
                          (0, [tool("rr"), "server", "9000"])):
            log = f"{place}/{os.path.basename(argv[0])}.log"
            self.servers.append(
                Daemon(self.lab, ns, ["taskset", "-c", str(cpu), *argv], log).start())

    def stop(self):
        for one in self.servers:
            one.stop()
        self.servers = []

    def reaches(self):
        """Does a request through the load balancer come back?  Else why not."""
        for _ in range(20):
            try:
                self.rr("tcp", 0.1)
                return ""
            except (OSError, subprocess.SubprocessError) as e:
                why = str(e)
                time.sleep(0.1)
        return why

    # ---- measurements ----

    def rr(self, kind, seconds):
        got = answer(self.cl.run(tool("rr"), kind, self.vip, "9000", str(seconds), "0",
                                 timeout=seconds + 30))
        if got["failures"] or not got["rate"]:
            raise OSError(f"{self.name}: {kind}: {got}")
        return got

    def bulk(self, seconds):
        out = self.cl.run("taskset", "-c", "0", "iperf3", "-c", self.vip, "-t", str(seconds), "-J",
                          timeout=seconds + 30)
        return json.loads(out)["end"]["sum_received"]["bits_per_second"] / 1e9

    def web(self, seconds, *more):
        out = self.cl.run("taskset", "-c", "0", "wrk", "-t1", "-c32", f"-d{seconds}s", *more,
                          f"http://{self.vip}/", timeout=seconds + 30)
        words = out.split()
        return float(words[words.index("Requests/sec:") + 1])

    def sink(self, pins):
        """From here on the pod counts what arrives and answers nothing."""
        self.stop()
        ns, dev = (self.n2, "d0") if self.far else (self.pod, "e0")
        if self.xdp:
            ns.run("ip", "link", "set", "dev", dev, "xdpdrv", "pinned", f"{pins}/xdp_sink")
        else:
            ns.run("tc", "qdisc", "add", "dev", dev, "clsact")
            ns.run("tc", "filter", "add", "dev", dev, "ingress", "bpf", "direct-action",
                   "object-pinned", f"{pins}/tc_sink")
        self.sink_index = 0 if self.xdp else 1
        self.node.run("ethtool", "-K", "n0", "gro", "on")  # a receive queue, to inject frames into

    def packets(self, pins, new, seconds):
        """Packets or new flows a second that one core carries."""
        argv = [tool("gen"), "--harness", tool("harness.bpf.o"), "--dev", "n0", "--from",
                self.mac(self.cl, "c0"), "--to", self.mac(self.node, "n0"), "--sink",
                f"{pins}/map_cnt", "--sink-index", str(self.sink_index), "--dst", f"{self.vip}:9000",
                "--seconds", str(seconds)]
        if self.xdp:
            argv += ["--program", self.program]
        return answer(self.node.run(*argv, *(["--new"] if new else []), timeout=60))

    def program_rows(self, program, rounds, repeat, only=None, v6=False):
        """Nanoseconds by kind of packet."""
        argv = [tool("testrun"), "--harness", tool("harness.bpf.o"), "--pin", program, "--dev", "n0",
                "--vip", f"{VIP}:80", "--udp-vip", f"{VIP}:9000", "--backend", f"{POD}:80",
                "--rounds", str(rounds), "--repeat", str(repeat)]
        if v6:
            argv += ["--vip6", "[fd7f::1]:80", "--backend6", "[fd90:1::2]:80"]
        if only:
            argv += ["--only", only]
        out = self.node.run(*argv, timeout=600)
        return {r["class"]: r for r in map(json.loads, out.strip().splitlines())}
