"""BIRD under the catalogue."""
import re
import subprocess

from herald_lab.bird import Bird
from herald_lab.wait import until

from . import duts


class BirdDut(duts.Dut):
    name, title = "bird", "BIRD"
    refused = ("nopolicy",)

    def build(self):
        self.names = {addr: f"p{i}" for i, (addr, _) in enumerate(self.peers)}
        self.bird = Bird(self.lab, self.ns, self._conf(self.peers))

    def _conf(self, peers):
        w = [f"router id {duts.DUT4};", "graceful restart wait 10;",
             "protocol device { scan time 1; }",
             "protocol direct { ipv4; ipv6; }",
             f"protocol static s4 {{ ipv4; route {duts.OWN4} blackhole; }}",
             f"protocol static s6 {{ ipv6; route {duts.OWN6} blackhole; }}",
             'protocol bfd { interface "*" { min rx interval 300 ms; min tx interval 300 ms; '
             "idle tx interval 1 s; multiplier 3; }; }"]
        w += [self._peer(addr, o) for addr, o in peers]
        return "\n".join(w) + "\n"

    def _peer(self, addr, o):
        channel = ["import filter { if (65535, 0) ~ bgp_community then bgp_local_pref = 0; "
                   "accept; };", "export where source ~ [RTS_BGP, RTS_STATIC];"]
        if o.get("paths"):
            channel.append("add paths on;")
        if o.get("limit"):
            channel.append(f"receive limit {o['limit']} action disable;")
        w = [f"local {duts.DUT4} as {duts.AS};", f"neighbor {addr} as {o['as']};",
             f"hold time {o.get('hold', 90)};",
             "enforce first as on;" if o["as"] != duts.AS else "",
             "connect delay time 1;", "connect retry time 1;",
             "error wait time 1, 2;", "enable extended messages on;" if o.get("long") else "",
             "graceful restart on;" if o.get("gr") else "",
             f"graceful restart time {duts.RESTART_TIME};" if o.get("gr") else "",
             f"long lived graceful restart on; long lived stale time {duts.LONG_TIME};"
             if o.get("llgr") else "",
             "" if o.get("dial") else "passive yes;",
             "rr client;" if o.get("client") else "",
             "ttl security on;" if o.get("gtsm") else "",
             f'password "{duts.MD5_KEY}";' if o.get("md5") else "",
             f"local role {o['role'].replace('rs', 'rs_server')};" if o.get("role") else "",
             "bfd on;" if o.get("bfd") else ""]
        hop6 = "extended next hop on;" if o.get("hop6") else ""
        w += [f"ipv4 {{ {' '.join(channel)} {hop6} }};", f"ipv6 {{ {' '.join(channel)} }};"]
        return f"protocol bgp {self.names[addr]} {{ {' '.join(x for x in w if x)} }}"

    def start(self):
        self.bird.daemon.start()
        until(lambda: self.bird.cmd("show status"), duts.PATIENCE, "BIRD's socket")

    def stop(self):
        self.bird.stop()

    def running(self):
        return self.bird.daemon.running()

    def version(self):
        return re.search(r"BIRD (\S+)", self.bird.cmd("show status")).group(1)

    def used(self, prefix):
        return re.search(r"\* ?\(|\*\s", self.bird.route(prefix)) is not None

    def state(self, addr):
        text = self.bird.cmd(f"show protocols all {self.names[addr]}")
        return re.search(r"BGP state:\s+(\S+)", text).group(1).lower()

    def nudge(self):
        """Asking it anything wakes its loop, which else may sleep 3 s on queued output."""
        self.bird.cmd("show status")

    def shutdown(self, addr, message):
        self.bird.cmd(f'disable {self.names[addr]} "{message}"')

    def reset(self, addr):
        self.bird.cmd(f"restart {self.names[addr]}")

    def remove(self, addr):
        self.bird.write(self._conf([p for p in self.peers if p[0] != addr]))
        self.bird.cmd("configure")

    def stop_gracefully(self):
        self.bird.restart_gracefully()

    def start_again(self):
        self.bird.daemon.argv.append("-R")
        self.start()

    def refuses(self, profile):
        """eBGP without a policy."""
        if profile != "nopolicy":
            return None
        path = f"{self.bird.dir}/nopolicy.conf"
        with open(path, "w", encoding="utf-8") as f:
            f.write(f"router id {duts.DUT4};\nprotocol device {{ }}\nprotocol bgp x {{ "
                    f"local {duts.DUT4} as {duts.AS}; neighbor 10.0.0.2 as 65010; ipv4; }}\n")
        told = subprocess.run(["/usr/sbin/bird", "-p", "-c", path], text=True,
                              capture_output=True, check=False)
        assert told.returncode and "explicit" in told.stderr, told.stderr
        return "the configuration is refused"
