"""FRR under the catalogue: zebra, bgpd and bfdd."""
import contextlib
import json
import os

from herald_lab.frr import BIN, Frr, Vty
from herald_lab.proc import Daemon
from herald_lab.wait import until

from . import duts


class FrrDut(duts.Dut):
    name, title = "frr", "FRR"

    def build(self):
        self.frr = Frr(self.lab, self.ns, "", integrated=False)
        with open(f"{self.frr.dir}/bgpd.conf", "w", encoding="utf-8") as f:
            f.write("\n".join(self._conf()) + "\n")
        with open(f"{self.frr.dir}/bfdd.conf", "w", encoding="utf-8") as f:
            f.write("bfd\n profile slow\n  transmit-interval 300\n  receive-interval 300\n"
                    "  detect-multiplier 3\n exit\nexit\n")
        d = self.frr.dir
        self.bfdd = Daemon(self.lab, self.ns, [
            f"{BIN}/bfdd", "-u", "root", "-g", "frrvty", "-A", "127.0.0.1", "-P", "0",
            "-z", f"{d}/zserv.api", "--vty_socket", d, "--log", "stdout",
            "--bfdctl", f"{d}/bfdd.sock", "-f", f"{d}/bfdd.conf", "-i", f"{d}/bfdd.pid"],
            f"{d}/bfdd.log")

    def _conf(self):
        w = ["frr defaults traditional", "debug bgp neighbor-events", f"router bgp {duts.AS}",
             f" bgp router-id {duts.DUT4}", " no bgp network import-check",
             " no bgp default ipv4-unicast", f" bgp cluster-id {duts.DUT4}", " coalesce-time 1",
             f" bgp graceful-restart restart-time {duts.RESTART_TIME}",
             " bgp graceful-restart preserve-fw-state", " bgp enforce-first-as",
             " bgp graceful-restart select-defer-time 0",
             f" bgp long-lived-graceful-restart stale-time {duts.LONG_TIME}"]
        for addr, o in self.peers:
            w += [f" neighbor {addr} {line}" for line in self._lines(o)]
        for family, own in (("ipv4", duts.OWN4), ("ipv6", duts.OWN6)):
            w += [f" address-family {family} unicast", f"  network {own}"]
            for addr, o in self.peers:
                w.append(f"  neighbor {addr} activate")
                w += [f"  neighbor {addr} {line}" for line in self._family_lines(o)]
            w.append(" exit-address-family")
        return ["route-map ALL permit 10", "exit", *w, "exit"]

    @staticmethod
    def _lines(o):
        hold = o.get("hold", 90)
        w = [f"remote-as {o['as']}", f"timers {max(hold // 3, 1)} {hold}", "timers connect 1",
             "advertisement-interval 0"]
        if not o.get("dial"):
            w.append("passive")
        for key, line in (("gr", "graceful-restart"), ("hop6", "capability extended-nexthop"),
                          ("gtsm", "ttl-security hops 1"), ("md5", f"password {duts.MD5_KEY}"),
                          ("bfd", "bfd"), ("bfd", "bfd profile slow")):
            if o.get(key):
                w.append(line)
        if o.get("role"):
            roles = {"rs": "rs-server"}
            w.append(f"local-role {roles.get(o['role'], o['role'])}")
        return w

    @staticmethod
    def _family_lines(o):
        w = [] if o.get("nopolicy") else ["route-map ALL in", "route-map ALL out"]
        if o.get("client"):
            w.append("route-reflector-client")
        if o.get("paths"):
            w.append("addpath-tx-all-paths")
        if o.get("limit"):
            w.append(f"maximum-prefix {o['limit']}")
        return w

    def start(self):
        self.frr.zebra.start()
        until(lambda: Vty(f"{self.frr.dir}/zebra.vty").close() is None, 30, "zebra's vty")
        self.bfdd.start()
        until(lambda: Vty(f"{self.frr.dir}/bfdd.vty").close() is None, 30, "bfdd's vty")
        self._start_bgpd()

    def _start_bgpd(self):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{self.frr.dir}/bgpd.vty")
        self.frr.bgpd.start()
        until(lambda: self._vty("show version"), duts.PATIENCE, "bgpd's vty")

    def stop(self):
        self.frr.stop_bgpd()
        self.bfdd.stop()
        self.frr.zebra.stop()

    def running(self):
        return self.frr.bgpd.running()

    def version(self):
        return self._vty("show version").split()[1].split("(")[0]

    def _vty(self, *commands):
        """A connection for each question: several threads ask."""
        v = Vty(f"{self.frr.dir}/bgpd.vty")
        try:
            for c in commands:
                text = v.cmd(c)
            return text
        finally:
            v.close()

    def used(self, prefix):
        afi = "ipv6" if ":" in prefix else "ipv4"
        paths = json.loads(self._vty(f"show bgp {afi} unicast {prefix} json")).get("paths", [])
        return any(p.get("bestpath", {}).get("overall") for p in paths)

    def state(self, addr):
        told = json.loads(self._vty(f"show bgp neighbors {addr} json"))
        return told[addr]["bgpState"].lower()

    def shutdown(self, addr, message):
        self._vty("configure terminal", f"router bgp {duts.AS}",
                  f"neighbor {addr} shutdown message {message}")

    def reset(self, addr):
        self._vty(f"clear bgp {addr}")

    def remove(self, addr):
        self._vty("configure terminal", f"router bgp {duts.AS}", f"no neighbor {addr}")

    def stop_gracefully(self):
        """bgpd says Cease when it is told to end; a crash is what its graceful restart is for."""
        self.frr._drop()  # pylint: disable=protected-access
        self.frr.bgpd.kill()

    def start_again(self):
        self._start_bgpd()
