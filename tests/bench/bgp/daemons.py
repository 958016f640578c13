"""tests/bench/bgp/daemons.py: the daemons, each with the plainest configuration that does the job: accept
all, announce all, default timers but for the connect retry, no kernel routes unless they are the row."""
import contextlib
import dataclasses
import json
import os
import re
import socket
import subprocess
import time

import world as w

from herald_lab import herald as h
from herald_lab.frr import Vty
from herald_lab.lab import program


@dataclasses.dataclass
class Spec:
    """What a row wants of the daemon."""
    peers: int = 1
    own: int = 0          # 20.0.0.0/32 and those that follow
    flip: bool = False    # the last of them comes and goes
    passive: bool = True  # peers dial
    gr: bool = False
    v6: bool = False
    kernel: bool = False  # learned routes go there, over several next hops
    policy: int = 0       # so many prefixes in a list that everything learned is looked up in
    add_path: bool = False
    relay: bool = False   # what was learned is told others: the one thing that Herald needs a word for

    def nets(self):
        return [f"20.{i >> 16}.{i >> 8 & 255}.{i & 255}/32" for i in range(self.own)]

    def steady(self):
        return self.nets()[:-1] if self.flip else self.nets()

    def policy_nets(self):
        """Entries that match nothing; the last one matches all."""
        return [f"192.{i >> 8}.{i & 255}.0/24" for i in range(self.policy - 1)]


class Subject:
    """A daemon under test.  Subclasses say how."""
    name, tuned, grace = "?", False, 3.0
    can = frozenset({"v6", "gr", "flip", "bulk"})

    def __init__(self, world, spec):
        self.world, self.spec = world, spec
        self.dir, self.popens = world.directory(), []

    def spawn(self, *argv):
        self.popens.append(self.world.popen(self.world.dut, list(argv), f"{self.dir}/out"))

    def put(self, name, text, mode=0o644):
        with open(os.open(f"{self.dir}/{name}", os.O_CREAT | os.O_WRONLY | os.O_TRUNC, mode), "w",
                  encoding="utf-8") as f:
            f.write(text)

    def retry(self, fn, limit=60):
        end = time.monotonic() + limit
        while True:
            try:
                return fn()
            except (OSError, EOFError, ValueError, KeyError, IndexError, subprocess.SubprocessError):
                if time.monotonic() > end or any(p.poll() not in (None, 0) for p in self.popens):
                    raise w.Failed(f"{self.name} does not answer: {self.log()}") from None
                time.sleep(0.003)

    def log(self):
        with contextlib.suppress(OSError):
            return w.read(f"{self.dir}/out")[-300:]
        return ""

    def tool(self, *argv):
        with self.world.dut.inside():
            return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                  timeout=120, check=False).stdout

    # what subclasses fill in
    def write(self):
        raise NotImplementedError

    def start(self):
        raise NotImplementedError

    def loaded(self):
        """Bring in what does not come from a file; returns when it is there."""

    def received(self, peer=0, v6=False):
        """So many prefixes of that peer it says it has."""
        raise NotImplementedError

    def originated(self):
        return self.spec.own

    def flip_soon(self, on):
        """What can be made ready for flip() before."""

    def flip(self, on):
        """Announce or withdraw the last of its own."""
        raise NotImplementedError

    def stop(self):
        self.world.clear(self.popens, self.dir, self.grace)


class Herald(Subject):
    name = "herald"
    can = Subject.can | {"kernel", "policy", "add_path"}

    @staticmethod
    def version():
        return subprocess.run([program("herald"), "--version"], stdout=subprocess.PIPE, text=True,
                              check=True).stdout.strip()

    def write(self):
        s = self.spec
        os.makedirs(f"{self.dir}/conf", exist_ok=True)
        os.makedirs(f"{self.dir}/state", exist_ok=True)
        config = {"stateDir": f"{self.dir}/state", "control": {"socket": f"{self.dir}/ctl"},
                  "log": {"level": os.environ.get("HERALD_BENCH_LOG", "error")}, # a path of its own: what some other Herald has pinned would be adopted
                  "datapath": {"mode": "none", "pinPath": f"{self.dir}/pin"},
                  "metrics": {"listen": ""}, "routing": {"installLearned": s.kernel}}
        every = [{"action": "accept"}]
        family = {"addPath": "both"} if s.add_path else {}
        peer = {"gracefulRestart": {"enabled": s.gr}, "import": every,
                "export": every if s.relay else [], "transport": {"passive": s.passive}}
        if s.policy:
            nets = [{"prefix": n} for n in s.policy_nets()] + [{"prefix": "0.0.0.0/0", "le": 32}]
            peer["import"] = [{"match": {"prefixes": nets}, "action": "accept"}]
        docs = [h.doc("HeraldConfig", "default", config),
                h.node("dut", ["192.168.255.0/24"], [w.DUT]),
                h.cluster(w.DUT_AS, {f"p{i}": {
                    "peerASN": 65001 + i, "peerAddress": w.peer_address(i), "config": "far"}
                    for i in range(s.peers)}),
                h.peer_config("far", ["ipv4", "ipv6"] if s.v6 else ["ipv4"], hold=90, **peer)]
        for f in docs[-1]["spec"]["families"]:
            f.update(family)
        if s.own:
            docs += [h.advertise_services(addresses=["ExternalIP"]),
                     self.service("own", s.steady()), self.endpoint("own")]
        if s.flip:
            docs.append(self.service("flip", s.nets()[-1:]))
            self.flip_soon(True)
            self.flip(True)
        self.put("conf/10.yaml", "".join(f"---\n{json.dumps(d)}\n" for d in docs))

    def start(self):
        self.spawn(program("herald"), "-c", f"{self.dir}/conf", "-n", "dut")

    def ask(self, *argv):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(60)
            s.connect(f"{self.dir}/ctl")
            s.sendall(json.dumps({"argv": argv, "output": "json"}).encode() + b"\n")
            got = b""
            while not got.endswith(b"\n"):
                more = s.recv(1 << 16)
                if not more:
                    raise EOFError
                got += more
        return json.loads(got)["data"]

    def received(self, peer=0, v6=False):
        peers = self.retry(lambda: self.ask("bgp", "peers"))["peers"]
        for f in next(p for p in peers if p["name"] == f"p{peer}")["families"]:
            if f["afi"] == ("ipv6" if v6 else "ipv4"):
                return f["received"]
        return 0

    def originated(self):
        return self.retry(lambda: self.ask("status"))["bgp"]["routes"]["originated"]

    @staticmethod
    def service(name, nets):
        """One Service that has these addresses."""
        return h.service(name, kind="ClusterIP", externalIPs=[n[:-3] for n in nets])

    @staticmethod
    def endpoint(name, ready=True):
        return h.endpoints(name, ("192.168.255.9", "dut", ready))

    def flip_soon(self, on):
        self.put("conf/.20.yaml.new", json.dumps(self.endpoint("flip", on)))

    def flip(self, on):
        """The Service's endpoint comes or goes: a file takes the place of another."""
        os.rename(f"{self.dir}/conf/.20.yaml.new", f"{self.dir}/conf/20.yaml")


class Frr(Subject):
    """bgpd alone, but with zebra where routes go to the kernel."""
    name, bin = "frr", "/usr/lib/frr"
    can = Subject.can | {"kernel", "policy", "add_path"}
    vty = None

    @staticmethod
    def version():
        return subprocess.run(["/usr/lib/frr/bgpd", "-v"], stdout=subprocess.PIPE, text=True,
                              check=False).stdout.split("\n", maxsplit=1)[0]

    def write(self):
        s = self.spec
        c = ["frr defaults datacenter", "hostname dut", f"router bgp {w.DUT_AS}",
             f" bgp router-id {w.DUT}", " no bgp ebgp-requires-policy",
             " no bgp network import-check"]
        c += [" bgp graceful-restart"] * s.gr + [" coalesce-time 1"] * self.tuned
        c += [" bgp bestpath as-path multipath-relax"] * s.kernel
        for i in range(s.peers):
            n = f" neighbor {w.peer_address(i)}"
            c += [f"{n} remote-as {65001 + i}", f"{n} timers 30 90", f"{n} timers connect 1"]
            c += [f"{n} passive"] * s.passive
        c.append(" address-family ipv4 unicast")
        c += [f"  network {n}" for n in s.nets()]
        for i in range(s.peers):
            n = f"  neighbor {w.peer_address(i)}"
            c += [f"{n} prefix-list many in"] * bool(s.policy)
            c += [f"{n} addpath-tx-all-paths"] * s.add_path
        c.append(" exit-address-family")
        if s.v6:
            c.append(" address-family ipv6 unicast")
            c += [f"  neighbor {w.peer_address(i)} activate" for i in range(s.peers)]
            c.append(" exit-address-family")
        c += [f"ip prefix-list many seq {i + 1} permit {n}" for i, n in enumerate(s.policy_nets())]
        c += [f"ip prefix-list many seq {s.policy} permit 0.0.0.0/0 le 32"] * bool(s.policy)
        self.put("bgpd.conf", "\n".join(c) + "\n")
        self.put("zebra.conf", "")

    def start(self):
        common = ["-u", "root", "-g", "frrvty", "--vty_socket", self.dir, "-A", "127.0.0.1",
                  "-P", "0", "--log", f"file:{self.dir}/log", "--log-level", "err"]
        if self.spec.kernel:
            common += ["-z", f"{self.dir}/zserv.api"]
            self.spawn(f"{self.bin}/zebra", *common, "-f", f"{self.dir}/zebra.conf", "-i",
                       f"{self.dir}/zebra.pid")
            self.retry(lambda: os.stat(f"{self.dir}/zserv.api"))
        self.spawn(f"{self.bin}/bgpd", *common, *(() if self.spec.kernel else ("-Z", "-n")), "-f",
                   f"{self.dir}/bgpd.conf", "-i", f"{self.dir}/bgpd.pid")

    def cmd(self, text):
        if not self.vty:
            self.vty = self.retry(lambda: Vty(f"{self.dir}/bgpd.vty"))
            self.vty.sock.settimeout(120)
            self.in_router = False
        return self.vty.cmd(text)

    def received(self, peer=0, v6=False):
        got = json.loads(self.cmd(f"show bgp {'ipv6' if v6 else 'ipv4'} unicast summary json"))
        return got.get("peers", {}).get(w.peer_address(peer), {}).get("pfxRcd", 0)

    def originated(self):
        got = self.cmd("show bgp ipv4 unicast statistics json")
        m = re.search(r'"totalPrefixes":(\d+)', got.replace(" ", ""))
        return int(m.group(1)) if m else 0

    def flip(self, on):
        if not self.vty or not self.in_router:
            for c in ("configure terminal", f"router bgp {w.DUT_AS}", "address-family ipv4 unicast"):
                self.cmd(c)
            self.in_router = True
        said = self.cmd(f"{'' if on else 'no '}network {self.spec.nets()[-1]}")
        if said.strip():
            raise w.Failed(said)

    def stop(self):
        if self.vty:
            self.vty.close()
        super().stop()


class FrrTuned(Frr):
    """FRR waits a second for more routes before it tells a new peer; this one a millisecond."""
    name, tuned = "frr-tuned", True


class Bird(Subject):
    name = "bird"
    can = Subject.can | {"kernel", "policy", "add_path"}
    ctl = None

    @staticmethod
    def version():
        return subprocess.run(["bird", "--version"], stderr=subprocess.PIPE, text=True,
                              check=False).stderr.strip()

    def write(self):
        s = self.spec
        c = [f'log "{self.dir}/log" {{ error, fatal, bug }};', f"router id {w.DUT};",
             "protocol device { scan time 600; }"]
        if s.kernel:
            c.append("protocol kernel { merge paths yes limit 16; ipv4 { export all; }; }")
        if s.policy:
            c.append(f"define many = [ {', '.join([*s.policy_nets(), '0.0.0.0/0+'])} ];")
        if s.steady():
            c += ["protocol static own { ipv4;", *(f"route {n} blackhole;" for n in s.steady()), "}"]
        if s.flip:
            c.append(f"protocol static flip {{ ipv4; route {s.nets()[-1]} blackhole; }}")
        take = "import where net ~ many" if s.policy else "import all"
        paths = "add paths on; " if s.add_path else ""
        for i in range(s.peers):
            c.append(f"protocol bgp p{i} {{ local {w.DUT} as {w.DUT_AS}; neighbor {w.peer_address(i)}"
                     f" as {65001 + i}; hold time 90; connect delay time 1; connect retry time 1; "
                     f"error wait time 1, 1; {'passive yes; ' * s.passive}"
                     f"{'graceful restart on; ' * s.gr}ipv4 {{ {paths}{take}; export all; }}; "
                     f"{'ipv6 { import all; export all; };' * s.v6} }}")
        self.put("bird.conf", "\n".join(c) + "\n")

    def start(self):
        self.spawn("/usr/sbin/bird", "-f", "-c", f"{self.dir}/bird.conf", "-s", f"{self.dir}/ctl",
                   "-P", f"{self.dir}/pid")

    def connect(self):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(120)
        try:
            s.connect(f"{self.dir}/ctl")
            self.reply(s)
        except BaseException:
            s.close()
            raise
        return s

    @staticmethod
    def reply(s):
        got = b""
        while not re.search(rb"(?m)^\d{4}( .*)?\n\Z", got):
            more = s.recv(1 << 16)
            if not more:
                raise EOFError
            got += more
        return got.decode()

    def cmd(self, text):
        if not self.ctl:
            self.ctl = self.retry(self.connect)
        self.ctl.sendall(text.encode() + b"\n")
        return self.reply(self.ctl)

    def received(self, peer=0, v6=False):
        m = re.search(rf"Channel ipv{6 if v6 else 4}.*?Routes:\s+(\d+) imported",
                      self.cmd(f"show protocols all p{peer}"), re.S)
        return int(m.group(1)) if m else 0

    def originated(self):
        m = re.search(r"(\d+) of (\d+) routes", self.cmd("show route count table master4"))
        return int(m.group(1)) if m else 0

    def flip(self, on):
        self.cmd(f"{'enable' if on else 'disable'} flip")

    def stop(self):
        if self.ctl:
            self.ctl.close()
        super().stop()


class Gobgp(Subject):
    """Its own routes come through its tool, one by one, and so do changes, of which its start is part;
    of many it is not asked for that reason."""
    name = "gobgp"
    can = Subject.can - {"bulk"}

    @staticmethod
    def version():
        return subprocess.run(["gobgpd", "--version"], stdout=subprocess.PIPE, text=True,
                              check=False).stdout.strip()

    def write(self):
        s = self.spec
        c = ["[global.config]", f"as = {w.DUT_AS}", f'router-id = "{w.DUT}"',
             f'local-address-list = ["{w.DUT}"]']
        for i in range(s.peers):
            c += ["[[neighbors]]", "[neighbors.config]", f'neighbor-address = "{w.peer_address(i)}"',
                  f"peer-as = {65001 + i}", "[neighbors.transport.config]",
                  f"passive-mode = {str(s.passive).lower()}", f'local-address = "{w.DUT}"',
                  "[neighbors.timers.config]", "connect-retry = 1", "hold-time = 90",
                  "keepalive-interval = 30", "idle-hold-time-after-reset = 1"]
            if s.gr:
                c += ["[neighbors.graceful-restart.config]", "enabled = true", "restart-time = 120"]
            for f in ["ipv4-unicast"] + ["ipv6-unicast"] * s.v6:
                c += ["[[neighbors.afi-safis]]", "[neighbors.afi-safis.config]",
                      f'afi-safi-name = "{f}"']
                if s.gr:
                    c += ["[neighbors.afi-safis.mp-graceful-restart.config]", "enabled = true"]
        self.put("gobgpd.toml", "\n".join(c) + "\n")

    def start(self):
        self.spawn("/usr/bin/gobgpd", "-f", f"{self.dir}/gobgpd.toml", "--api-hosts",
                   "127.0.0.1:50051", "--pprof-disable", "-l", "error")

    def cli(self, *argv):
        return self.tool("gobgp", *argv)

    def loaded(self):
        def answers():
            if "AS:" not in self.cli("global"):
                raise OSError
        self.retry(answers)
        for net in self.spec.nets():
            self.cli("global", "rib", "-a", "ipv4", "add", net)

    def count(self, *argv):
        m = re.search(r"Destination: (\d+)", self.cli(*argv))
        return int(m.group(1)) if m else 0

    def received(self, peer=0, v6=False):
        m = re.search(r"Received: *(\d+)", self.cli(
            "neighbor", w.peer_address(peer), "adj-in", "summary", "-a", "ipv6" if v6 else "ipv4"))
        return int(m.group(1)) if m else self.count(
            "global", "rib", "summary", "-a", "ipv6" if v6 else "ipv4")

    def originated(self):
        return self.count("global", "rib", "summary", "-a", "ipv4")

    def flip(self, on):
        self.cli("global", "rib", "-a", "ipv4", "add" if on else "del", self.spec.nets()[-1])


class Openbgpd(Subject):
    name = "openbgpd"

    @staticmethod
    def version():
        return "OpenBGPD " + subprocess.run(
            ["dpkg-query", "-W", "-f", "${Version}", "openbgpd"], stdout=subprocess.PIPE, text=True,
            check=False).stdout

    def write(self):
        s = self.spec
        os.makedirs("/run/openbgpd", exist_ok=True)  # the chroot that the package's user has
        c = [f"AS {w.DUT_AS}", f"router-id {w.DUT}", f"listen on {w.DUT}",
             f'socket "{self.dir}/ctl"', "fib-update no", "holdtime 90", "connect-retry 1"]
        if s.steady():
            c += ["prefix-set own {", *(f"  {n}" for n in s.steady()), "}", "network prefix-set own"]
        for i in range(s.peers):
            c += [f"neighbor {w.peer_address(i)} {{", f" remote-as {65001 + i}",
                  f" local-address {w.DUT}", " announce IPv4 unicast",
                  f" announce IPv6 {'unicast' if s.v6 else 'none'}", *["passive"] * s.passive,
                  f" announce restart {'yes' if s.gr else 'no'}", "}"]
        self.put("bgpd.conf", "\n".join([*c, "allow from any", "allow to any"]) + "\n", 0o600)

    def start(self):
        self.spawn("/usr/sbin/bgpd", "-d", "-f", f"{self.dir}/bgpd.conf")

    def cli(self, *argv):
        return self.tool("bgpctl", "-s", f"{self.dir}/ctl", *argv)

    def loaded(self):
        self.retry(lambda: os.stat(f"{self.dir}/ctl"))
        if self.spec.flip:
            self.retry(lambda: self.flip(True))

    def received(self, peer=0, v6=False):
        got = self.cli("-j", "show", "neighbor", w.peer_address(peer))
        try:
            return json.loads(got)["neighbors"][0]["stats"]["prefixes"]["received"]
        except (ValueError, KeyError, IndexError):
            return 0

    def originated(self):
        m = re.search(r"(\d+) (prefixes using|IPv4 unicast network entries)",
                      self.cli("show", "rib", "memory"))
        return int(m.group(1)) if m else 0

    def flip(self, on):
        said = self.cli("network", "add" if on else "delete", self.spec.nets()[-1])
        if said.strip() and "request sent" not in said:
            raise OSError(said)


class Null(Subject):
    """The floor: the bench's speaker as the daemon.  It counts, sends what was made before and passes
    UPDATEs on as they are; there is no table."""
    name = "null"
    can = frozenset({"v6", "gr", "bulk"})

    @staticmethod
    def version():
        return "the bench's own speaker"

    def write(self):
        """The script is told at start()."""

    def start(self):
        s = self.spec
        self.gun = g = self.world.gun(self.world.dut)
        self.popens.append(g.p)
        g.ask("set", f"gr={s.gr:d}", f"v6={s.v6:d}", "retry_ms=1", f"forward={not s.own:d}",
              f"autosend={bool(s.own):d}", "bare=1", *(("base=20.0.0.0", "len=32") if s.own else ()))
        g.ask("universe", max(s.own, 1 << 20), 1 << 18 if s.v6 else 0)
        g.ask("peers", w.DUT, w.peer_address(0), w.DUT_AS, s.peers, int(s.passive), 1, 0, 1, 0)
        if s.own:
            g.ask("load", 0, 4, 0, s.own, 1, "seq")
            g.ask("end", 4)
        g.ask("start")

    def received(self, peer=0, v6=False):
        got = self.gun.ask("stats")
        return got["announced"] - got["withdrawn"]

    def stop(self):
        self.gun.close()
        super().stop()


ALL = {c.name: c for c in (Herald, Frr, FrrTuned, Bird, Gobgp, Openbgpd, Null)}
