#!/usr/bin/python3
"""make demo: the reference scenario, alive, in network namespaces, told step by step.

Everything that it says it also checks: the exit status is 0 only if every claim held.  Whatever
happens, Ctrl-C included, it leaves nothing behind.  Output fits in 100 columns.
"""
import os
import re
import signal
import sys
import textwrap
import time

signal.signal(signal.SIGINT, signal.SIG_DFL)  # until there is something to take away again

from herald_lab import Lab, until  # noqa: E402
from herald_lab.inside import Agent  # noqa: E402
from herald_lab.lab import program  # noqa: E402
from herald_lab.load import Load  # noqa: E402
from herald_lab.plant import backends, frontend  # noqa: E402
from herald_lab.proc import RouteWatch  # noqa: E402
from herald_lab.topology import (FILES, HERALD_CONFIG, NODES, OUTSIDE, PODS,  # noqa: E402
                                 REFERENCE, ROUTER, VIP, Scenario, http_get)
from herald_lab.wait import Timeout  # noqa: E402

COLOUR = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
NEEDS = {"/usr/lib/frr/bgpd": "frr", "/usr/bin/vtysh": "frr", "/usr/bin/setpriv": "util-linux",
         "/usr/bin/curl": "curl"}
VIP_ADDR, CLUSTER_IP = VIP.removesuffix("/32"), "10.96.252.129"
WEB = {"webpod-w1": "k8s-w1", "webpod-w0": "k8s-w0"}
FAILED = "(no answer)"


class Teller:
    """Prints, and keeps count of what was claimed."""

    def __init__(self):
        self.held = self.failed = self.nr = 0
        self.began = time.monotonic()

    @staticmethod
    def paint(code, text):
        return f"\033[{code}m{text}\033[0m" if COLOUR else text

    def step(self, title, text=""):
        self.nr += 1
        print(f"\n{self.paint('1', f'{self.nr}. {title}')}")
        if text:
            print(textwrap.fill(text, 98, initial_indent="   ", subsequent_indent="   "))
        sys.stdout.flush()

    def show(self, where, command, output):
        """A command and its output, as it would look on that machine."""
        print(f"\n   {self.paint('36', f'{where}$')} {self.paint('1', command)}")
        lines = [x.expandtabs(4).rstrip() for x in output.strip("\n").splitlines()]
        indent = " " * max(min(3, 100 - max(map(len, lines), default=0)), 0)
        for line in lines:
            print(f"{indent}{line}" if line else "")
        sys.stdout.flush()

    def claim(self, text, condition, timeout=10):
        """Wait until it holds, and say whether it does."""
        begin = time.monotonic()
        try:
            until(condition, timeout, text)
        except Timeout as e:
            self.failed += 1
            print(f"   {self.paint('1;31', 'FAILED')}  {text}\n           {str(e)[:400]}")
            return False
        self.held += 1
        took = time.monotonic() - begin
        print(f"   {self.paint('32', 'ok')}  {text}" + (f"  ({took:.1f} s)" if took > 0.1 else ""))
        sys.stdout.flush()
        return True


def missing():
    """What keeps the demo from running here, as sentences."""
    if os.geteuid() != 0:
        yield "it makes network namespaces and needs root: sudo make demo"
    for path, package in NEEDS.items():
        if not os.path.exists(path):
            yield f"{path} is missing: apt-get install {package} (or tools/install-deps)"
    for name in ("herald", "heraldctl"):
        try:
            program(name)
        except FileNotFoundError as e:
            yield str(e)


def build(t, lab):
    t.step("A network", "A router and three nodes, each in a network namespace of its own. "
           "k8s-ctr and k8s-w1 share one segment, k8s-w0 is behind another port of the router. "
           "A pod runs on every node: two answer HTTP, one asks. A client outside knows the router "
           "and nothing else. No machine has a route to another machine's pods.")
    s = Scenario(lab, datapath=True)
    print("""
                         client 10.10.1.10
                                 |
                     router: FRR 8.4.4, AS 65000
          192.168.10.200 |                | 192.168.20.200
               ----------+---------+      |
               |                   |      |
          k8s-ctr .100      k8s-w1 .101   k8s-w0 .100          all AS 65001
          172.20.0.0/24   172.20.1.0/24   172.20.2.0/24        pods""")
    return s


def start(t, s):
    t.step("The router", "FRR with the scenario's own frr.conf, as it is.")
    s.start_router()
    version = s.frr.vtysh("show version").splitlines()[0].split(" on ")[0].rstrip(" (")
    print(f"   {version}: running, {len(NODES)} neighbors configured, none there yet.")
    t.step("Herald on every node", "One `herald` a node, with the scenario's files as they are ("
           + ", ".join(FILES) + ") and one document of its own, which says where its socket is "
           "and that learned routes go into the kernel. Three nodes share one kernel here, so each "
           "also gets a bpffs and a cgroup of its own:")
    print()
    text = HERALD_CONFIG.format(state="/run/.../state", socket="/run/.../herald.sock",
                                datapath="{pinPath: /run/.../bpf, cgroup: /sys/fs/cgroup/...}")
    print(textwrap.indent(text.replace("  log: {level: debug}\n", ""), "      "))
    began = time.monotonic()
    s.start_heralds()
    s.wait_converged(30)
    print(f"   All routes are on the router {time.monotonic() - began:.1f} s after the first "
          "herald was started.")
    until(lambda: all(len(h.ctl("routes")["routes"]) == 3 for h in s.heralds.values()), 20,
          "the nodes have learned from the router")


def sessions(t, s):
    t.step("Who talks to whom", "The node's side and the router's side of the same sessions. "
           f"All three peer with {ROUTER}, for k8s-w0 that is two hops away (ebgpMultihop: 2).")
    for node in NODES:
        t.claim(f"{node}: session with the router established",
                lambda node=node: all(p["state"] == "established"
                                      for p in s.heralds[node].peers().values()))
    t.show("k8s-ctr", "heraldctl bgp peers", s.heralds["k8s-ctr"].table("bgp", "peers"))
    t.show("k8s-w0", "heraldctl bgp peers", s.heralds["k8s-w0"].table("bgp", "peers"))
    # FRR's table is 101 columns wide with the column of descriptions, of which there are none
    summary = re.sub(r"(?m) (Desc|N/A)$", "", s.frr.vtysh("show ip bgp summary"))
    t.show("router", 'vtysh -c "show ip bgp summary"', summary)


def routes(t, s):
    t.step("What the router knows now", "Every node's PodCIDR by that node, and 172.16.1.1, the "
           "address that Herald gave the Service `webpod`, by all three: its "
           "externalTrafficPolicy is Cluster.")
    t.show("router", f'vtysh -c "show ip bgp {VIP}"', s.frr.vtysh(f"show ip bgp {VIP}"))
    t.show("router", "ip route", s.router.ip("route"))
    print()
    for node, (addr, _, cidr) in NODES.items():
        t.claim(f"{cidr} by {addr} ({node})",
                lambda cidr=cidr, addr=addr: s.router.next_hops(cidr, proto="bgp") == {addr})
    t.claim(f"{VIP} by all three nodes",
            lambda: s.router.next_hops(VIP, proto="bgp") == {n[0] for n in NODES.values()})
    pools = s.heralds["k8s-ctr"].ctl("ippools")["pools"]
    t.claim("the pool has 254 addresses, 253 are left",
            lambda: [(p["total"], p["available"]) for p in pools] == [(254, 253)])


def pods(t, s):
    t.step("Pod to pod, across nodes", "Nobody added a route by hand: each Herald put into its "
           "node's kernel what the router told it.")
    ctr = s.heralds["k8s-ctr"]
    t.claim("k8s-ctr has routes to the other nodes' PodCIDRs and to 10.10.1.0/24",
            lambda: {"172.20.1.0/24", "172.20.2.0/24", "10.10.1.0/24"}
            <= {r["prefix"] for r in ctr.ctl("routes")["routes"]})
    t.show("k8s-ctr", "heraldctl routes", ctr.table("routes"))
    t.show("k8s-ctr", "ip route", s.ns["k8s-ctr"].ip("route"))
    for pod in ("webpod-w1", "webpod-w0"):
        addr = PODS[pod][1]
        seen = {}

        def asked(pod=pod, addr=addr, seen=seen):
            seen["body"] = http_get(s.pods["client"], addr)
            return f"Hostname: {pod}\n" in seen["body"]
        ok = t.claim(f"a pod on k8s-ctr gets an answer from {pod} ({addr})", asked)
        if ok:
            t.show("pod on k8s-ctr", f"curl http://{addr}/", seen["body"])


def spaces(s):
    return {"client": s.outside, "k8s-ctr": s.ns["k8s-ctr"], "pod on k8s-ctr": s.pods["client"]}


def curl(s, where, addr=VIP_ADDR, seconds=3):
    """What `curl` says there; FAILED."""
    try:
        return spaces(s)[where].run("curl", "-sS", "--max-time", str(seconds), f"http://{addr}/")
    except OSError:
        return FAILED


def seen(s, addr=VIP_ADDR, n=40):
    """{pod: whom it saw} of @n connections of the client, each another flow; "errors" too."""
    got = s.agent.many(addr, n=n)
    return {**got["clients"], **({"errors": got["errors"]} if got["errors"] else {})}


def answers(t, s, where, addr=VIP_ADDR, whom=None):
    """Show a curl, and claim that it was answered by a pod that saw @whom."""
    said = {}

    def asked():
        said["body"] = curl(s, where, addr)
        return re.fullmatch(r"Hostname: webpod-w[01]\nRemoteAddr: " + (whom or r"\S+") + r"\n",
                            said["body"])
    sees = f"; the pod sees {whom}" if whom else ""
    ok = t.claim(f"{where}: http://{addr}/ is answered{sees}", asked)
    if ok:
        t.show(where, f"curl http://{addr}/", said["body"])
        print()


def lb_list(t, s, node="k8s-ctr"):
    t.show(node, "heraldctl lb list", s.heralds[node].table("lb", "list"))
    print()


def carry(t, s):
    t.step(f"curl http://{VIP_ADDR}/", "An address that is announced has to be carried: BPF "
           "programs on the nodes' devices take what comes for it to a pod and bring the answers "
           "back. The client knows no pod's address; no machine has the Service's.")
    pods = {PODS[p][1] for p in WEB}
    for node in NODES:
        t.claim(f"{node}: the maps in the kernel hold webpod and both its pods",
                lambda node=node: set(backends(s.heralds[node], VIP_ADDR)) == pods)
    lb_list(t, s)
    answers(t, s, "client")
    answers(t, s, "k8s-ctr", whom=NODES["k8s-ctr"][0])
    answers(t, s, "pod on k8s-ctr", whom=PODS["client"][1])
    print(textwrap.fill(
        "The node and the pod did not even send to that address: their sockets were connected to a "
        "pod (socketLB). The client's packets came in by any of the three nodes, and where the pod "
        "is on another, by which the answer has to come back, it sees that node:", 98,
        initial_indent="   ", subsequent_indent="   "))
    got = {}

    def all_answered():
        got.update(seen(s))
        return set(got) == set(WEB)
    t.claim("40 connections of the client, all answered, by both pods", all_answered)
    for pod, whom in sorted(got.items()):
        print(f"       {pod} saw {', '.join(sorted(whom))}")
    t.claim("a ping to it is answered", lambda: s.agent.ping(VIP_ADDR)["same"])
    t.claim("a port that it does not have is refused at once",
            lambda: s.agent.http(VIP_ADDR, port=81)["error"] == "ECONNREFUSED")


def carry_local(t, s):
    t.claim("the maps in the kernel know it",
            lambda: all("ExternalLocal" in frontend(h, VIP_ADDR)["flags"]
                        for h in s.heralds.values()))
    answers(t, s, "client", whom=OUTSIDE)
    t.claim("40 connections, both pods, and they always see the client itself",
            lambda: seen(s) == {pod: [OUTSIDE] for pod in WEB})
    t.claim("a node and a pod are served as before: the policy is for those outside",
            lambda: FAILED not in (curl(s, "k8s-ctr"), curl(s, "pod on k8s-ctr")))


def cluster_ip(t, s):
    t.step("The ClusterIP", f"bgp-service.yaml now announces the ClusterIP, {CLUSTER_IP}, in "
           "place of the LoadBalancer's address. A route alone makes nobody welcome: a ClusterIP "
           "is for the cluster unless externalClusterIP says otherwise.")
    s.edit("bgp-service.yaml", "- LoadBalancerIP", "- ClusterIP")
    t.claim("the router has it by all three nodes",
            lambda: s.router.next_hops(CLUSTER_IP + "/32") == {n[0] for n in NODES.values()})
    t.claim("heraldctl lb list has it as non-routable",
            lambda: all("non-routable" in frontend(h, CLUSTER_IP)["flags"]
                        for h in s.heralds.values()))
    answers(t, s, "k8s-ctr", CLUSTER_IP)
    answers(t, s, "pod on k8s-ctr", CLUSTER_IP)
    t.claim("the client gets no answer", lambda: curl(s, "client", CLUSTER_IP, 0.5) == FAILED)
    for node in NODES:
        s.write_settings(node, externalClusterIP=True)
    t.claim("with datapath.externalClusterIP: true it is routable",
            lambda: not any("non-routable" in frontend(h, CLUSTER_IP)["flags"]
                            for h in s.heralds.values()))
    answers(t, s, "client", CLUSTER_IP)
    lb_list(t, s, "k8s-w1")
    s.edit("bgp-service.yaml", "- ClusterIP", "- LoadBalancerIP")
    t.claim(f"back again: the router has {VIP} by k8s-w1 and k8s-w0",
            lambda: s.router.next_hops(VIP) == {NODES["k8s-w1"][0], NODES["k8s-w0"][0]})


def policy(t, s):
    t.step("externalTrafficPolicy: Local", "Now one word of webpod.yaml changes on disk, Cluster "
           "to Local: only nodes that have a ready endpoint may attract traffic. webpod has them "
           "on k8s-w1 and k8s-w0. The daemons see the file change by themselves.")
    t.show("router", f"ip route show {VIP_ADDR}", s.router.ip(f"route show {VIP_ADDR}"))
    up = {n: h.peer("tor-switch")["uptimeSeconds"] for n, h in s.heralds.items()}
    s.traffic_policy("Local")
    print()
    t.claim("the router has exactly two next hops left: k8s-w1 and k8s-w0",
            lambda: s.router.next_hops(VIP) == {NODES["k8s-w1"][0], NODES["k8s-w0"][0]})
    t.show("router", f"ip route show {VIP_ADDR}", s.router.ip(f"route show {VIP_ADDR}"))
    print()
    t.claim("no session was reset for it",
            lambda: all(h.peer("tor-switch")["uptimeSeconds"] >= up[n]
                        and h.peer("tor-switch")["state"] == "established"
                        for n, h in s.heralds.items()))
    carry_local(t, s)


def stale(s, prefix, addr):
    """Does FRR hold @prefix from @addr as stale?"""
    return any(p.get("stale") for p in s.frr.paths(prefix) if p["peer"]["peerId"] == addr)


def crash(t, lab, s):
    addr, _, cidr = NODES["k8s-w1"]
    t.step("kill -9", "The Herald of k8s-w1 is killed with SIGKILL, while the client asks as fast "
           "as it can. Graceful restart is on in bgp.yaml: the router keeps its routes, marked "
           "stale, and k8s-w1's kernel keeps forwarding, by its routes and by the BPF programs.")
    load = Load(lab, s.outside, {"addr": VIP_ADDR, "mode": "close", "workers": 3},
                {"addr": VIP_ADDR, "mode": "keep", "workers": 3})
    load.wait_more(300)
    watch = RouteWatch(lab, s.router)
    node_watch = RouteWatch(lab, s.ns["k8s-w1"])
    s.heralds["k8s-w1"].kill()
    t.claim("the router has seen the session go", lambda: not s.frr.established(addr))
    t.claim(f"FRR holds {cidr} and {VIP} from k8s-w1 as stale",
            lambda: stale(s, cidr, addr) and stale(s, VIP, addr))
    t.show("router", f'vtysh -c "show ip bgp {VIP}"', s.frr.vtysh(f"show ip bgp {VIP}"))
    t.show("router", f"ip route show {VIP_ADDR}", s.router.ip(f"route show {VIP_ADDR}"))
    print()
    t.claim("a pod on k8s-ctr still reaches the pod on k8s-w1",
            lambda: "webpod-w1" in http_get(s.pods["client"], PODS["webpod-w1"][1]))
    t.claim("the client asked 500 times more, and nothing failed",
            lambda: load.wait_more(500)["failed"] == 0)
    t.step("Herald comes back", "The same command again; it adopts the kernel's routes and BPF "
           "maps and tells the router everything anew, then End-of-RIB.")
    s.heralds["k8s-w1"].start()
    t.claim("the session is back", lambda: s.frr.established(addr), 20)
    t.claim("FRR holds k8s-w1's routes fresh, none stale",
            lambda: s.frr.paths(cidr) and not stale(s, cidr, addr) and not stale(s, VIP, addr), 20)
    t.show("router", f'vtysh -c "show ip bgp {VIP}"', s.frr.vtysh(f"show ip bgp {VIP}"))
    print()
    t.claim("the router's kernel lost no route in all that time",
            lambda: not watch.lost(cidr) and not watch.lost(VIP))
    t.claim("nor did k8s-w1's",
            lambda: not any(node_watch.lost(c) for _, _, c in NODES.values()))
    told = load.wait_more(500)
    load.close()
    t.claim(f"of {told['requests']} requests in that time, by both pods, none failed",
            lambda: told["failed"] == 0 and set(told["pods"]) == set(WEB))


def main():
    reasons = list(missing())
    if reasons:
        for r in reasons:
            print(f"demo: {r}", file=sys.stderr)
        return 3
    t = Teller()
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        print(t.paint("1", "Herald: three nodes tell a router where their pods and a service are, "
                      "and carry it there"))
        print(f"   Input: {os.path.relpath(REFERENCE)}/", flush=True)
        with Lab("demo") as lab:
            s = build(t, lab)
            start(t, s)
            sessions(t, s)
            routes(t, s)
            pods(t, s)
            s.agent = Agent(lab, s.outside)
            carry(t, s)
            policy(t, s)
            cluster_ip(t, s)
            crash(t, lab, s)
    except KeyboardInterrupt:
        print("\ndemo: interrupted; everything is removed.", file=sys.stderr)
        return 130
    except (AssertionError, LookupError, OSError) as e:
        print(f"\ndemo: {e}\ndemo: gave up; everything is removed.", file=sys.stderr)
        return 1
    took = time.monotonic() - t.began
    verdict = f"{t.held} claims held, {t.failed} did not; {took:.0f} s; everything is removed."
    print(f"\n{t.paint('1;32' if not t.failed else '1;31', verdict)}")
    return 1 if t.failed else 0


if __name__ == "__main__":
    sys.exit(main())
