"""GoBGP under the catalogue.  RFC 7606 is off unless configured; it is configured here."""
import json

from herald_lab.gobgp import GoBgp
from herald_lab.wait import until

from . import duts

STATES = {0: "unknown", 1: "idle", 2: "connect", 3: "active", 4: "opensent", 5: "openconfirm",
          6: "established"}
GRACEFUL_SHUTDOWN = """
[[defined-sets.bgp-defined-sets.community-sets]]
  community-set-name = "gshut"
  community-list = ["65535:0"]
[[policy-definitions]]
  name = "gshut"
  [[policy-definitions.statements]]
    [policy-definitions.statements.conditions.bgp-conditions.match-community-set]
      community-set = "gshut"
    [policy-definitions.statements.actions]
      route-disposition = "accept-route"
    [policy-definitions.statements.actions.bgp-actions]
      set-local-pref = 1
[global.apply-policy.config]
  import-policy-list = ["gshut"]
  default-import-policy = "accept-route"
""".splitlines()


class GoBgpDut(duts.Dut):
    name, title = "gobgp", "GoBGP"
    fatal = ("header-type-0", "header-type-99", "CVE-2024-31949", "established-open",
             "mp-reach-stub", "long-update-not-agreed", "open-fqdn-beyond", "CVE-2023-46565")
    lacking = {role: "it does not know roles (RFC 9234)"
               for role in ("customer", "provider", "peer", "rs")}
    lacking["bfd"] = "it does not speak BFD"

    def build(self):
        w = ["[global.config]", f"as = {duts.AS}", f'router-id = "{duts.DUT4}"']
        for addr, o in self.peers:
            w += self._peer(addr, o)
        self.gobgp = GoBgp(self.lab, self.ns, "\n".join([*w, *GRACEFUL_SHUTDOWN]) + "\n")

    @staticmethod
    def _peer(addr, o):
        hold = o.get("hold", 90)
        w = ["[[neighbors]]", "[neighbors.config]", f'neighbor-address = "{addr}"',
             f"peer-as = {o['as']}"]
        if o.get("md5"):
            w.append(f'auth-password = "{duts.MD5_KEY}"')
        w += ["[neighbors.transport.config]", f'local-address = "{duts.DUT4}"',
              f"passive-mode = {'false' if o.get('dial') else 'true'}",
              "[neighbors.timers.config]", "connect-retry = 1", f"hold-time = {hold}",
              f"keepalive-interval = {max(hold // 3, 1)}", "idle-hold-time-after-reset = 1",
              "[neighbors.error-handling.config]", "treat-as-withdraw = true"]
        if o.get("gtsm"):
            w += ["[neighbors.ttl-security.config]", "enabled = true", "ttl-min = 255"]
        if o.get("client"):
            w += ["[neighbors.route-reflector.config]", "route-reflector-client = true",
                  f'route-reflector-cluster-id = "{duts.DUT4}"']
        if o.get("gr"):
            w += ["[neighbors.graceful-restart.config]", "enabled = true",
                  f"restart-time = {duts.RESTART_TIME}", "notification-enabled = true"]
            if o.get("llgr"):
                w.append("long-lived-enabled = true")
        for family in ("ipv4-unicast", "ipv6-unicast"):
            w += ["[[neighbors.afi-safis]]", "[neighbors.afi-safis.config]",
                  f'afi-safi-name = "{family}"']
            if o.get("gr"):
                w += ["[neighbors.afi-safis.mp-graceful-restart.config]", "enabled = true"]
            if o.get("llgr"):
                w += ["[neighbors.afi-safis.long-lived-graceful-restart.config]",
                      "enabled = true", f"restart-time = {duts.LONG_TIME}"]
            if o.get("paths"):
                w += ["[neighbors.afi-safis.add-paths.config]", "receive = true", "send-max = 8"]
            if o.get("limit"):
                w += ["[neighbors.afi-safis.prefix-limit.config]", f"max-prefixes = {o['limit']}"]
        return w

    def start(self):
        self.gobgp.daemon.start()
        until(lambda: self.gobgp.cmd("global"), duts.PATIENCE, "gobgpd's API", 0.1)
        for family, own in (("ipv4", duts.OWN4), ("ipv6", duts.OWN6)):
            self.gobgp.cmd("global", "rib", "-a", family, "add", own, as_json=False)

    def stop(self):
        self.gobgp.stop()

    def running(self):
        return self.gobgp.daemon.running()

    def version(self):
        return self.ns.run("gobgp", "--version").split()[-1]

    def used(self, prefix):
        family = "ipv6" if ":" in prefix else "ipv4"
        told = self.ns.run("gobgp", "-j", "global", "rib", "-a", family, prefix, check=False)
        try:
            got = json.loads(told)
        except ValueError:
            return False
        paths = got if isinstance(got, list) else [p for v in got.values() for p in v]
        return any(p.get("best") for p in paths) or (bool(paths) and "best" not in told)

    def state(self, addr):
        s = self.gobgp.neighbor(addr)["state"]["session_state"]
        return STATES.get(s, str(s)).lower()

    def shutdown(self, addr, message):
        self.gobgp.cmd("neighbor", addr, "shutdown", message, as_json=False)

    def reset(self, addr):
        self.gobgp.cmd("neighbor", addr, "reset", as_json=False)

    def remove(self, addr):
        self.gobgp.cmd("neighbor", "del", addr, as_json=False)

    def stop_gracefully(self):
        self.gobgp.daemon.kill()

    def start_again(self):
        self.gobgp.daemon.argv.append("-r")
        self.start()
