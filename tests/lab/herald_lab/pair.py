"""One Herald and one other machine on a cable: the network of most tests.

    n1 (Herald, AS 65001)  10.0.0.1/24, fd00::1/64 --- 10.0.0.2/24, fd00::2/64  (peer, AS 65000)
"""
import contextlib

from . import bird, frr, gobgp, openbgpd
from . import herald as h
from .speaker import Speaker
from .wait import Timeout, until

HERALD4, HERALD6, PEER4, PEER6 = "10.0.0.1", "fd00::1", "10.0.0.2", "fd00::2"
POD4, POD6 = "10.1.0.0/24", "fd01::/64"       # this node's PodCIDRs
VIP4, VIP6 = "172.16.1.1/32", "fd16::10/128"  # what the service "web" gets
FAR4, FAR6 = "10.2.0.0/24", "fd02::/64"       # what the peer announces
AS, PEER_AS = 65001, 65000


def slot_addr(i):
    """The address of the i-th further peer."""
    return f"10.0.{4 + i // 200}.{1 + i % 200}"


class Pair:
    def __init__(self, lab, slots=0):
        """@slots: that many more addresses on the peer's side, slot_addr(0) and up."""
        self.lab = lab
        self.n1, self.other = lab.netns("n1"), lab.netns("peer")
        lab.link(self.n1, "eth0", self.other, "eth0")
        bits = 16 if slots else 24
        self.n1.addr("eth0", f"{HERALD4}/{bits}", f"{HERALD6}/64")
        self.other.addr("eth0", f"{PEER4}/{bits}", f"{PEER6}/64",
                        *(f"{slot_addr(i)}/{bits}" for i in range(slots)))
        self.herald = h.Herald(lab, self.n1, "n1")

    def peers(self, v4=True, v6=True, config="tor", **more):
        """The two sessions with the other machine, for Pair.write()."""
        out = {}
        if v4:
            out["r4"] = {"peerASN": PEER_AS, "peerAddress": PEER4, "config": config, **more}
        if v6:
            out["r6"] = {"peerASN": PEER_AS, "peerAddress": PEER6, "config": f"{config}6", **more}
        return out

    def write(self, peers=None, config=None, settings=None, asn=AS):
        """The node's documents, one file a kind.  @config: fields of the peers' BGPPeerConfig."""
        config = config or {}
        w = self.herald.write
        w("10-settings.yaml", self.herald.settings(**(settings or {})))
        w("20-node.yaml", h.node("n1", [POD4, POD6], [HERALD4, HERALD6]))
        w("30-bgp.yaml", h.cluster(asn, self.peers() if peers is None else peers),
          h.peer_config("tor", families=["ipv4"], **config),
          h.peer_config("tor6", families=["ipv6"], **config))
        w("40-advertise.yaml", h.advertise_pods(), h.advertise_services())
        w("50-pools.yaml", h.pool("v4", "172.16.1.0/24", allowFirstLastIPs="No"),
          h.pool("v6", ("fd16::10", "fd16::1f")))
        w("60-web.yaml", h.service("web", families=["IPv4", "IPv6"]),
          h.endpoints("web", ("10.1.0.10", "n1")),
          h.endpoints("web", ("fd01::10", "n1"), family="IPv6", suffix="v6"))
        return self

    def start(self, **kw):
        self.write(**kw)
        self.herald.start()
        return self

    def speaker(self, addr=PEER4, **kw):
        kw.setdefault("asn", PEER_AS)
        return Speaker(self.lab, self.other, addr, **kw)

    def foreign(self, kind, **kw):
        return FOREIGN[kind](self, **kw)


class Foreign:
    """One of the four daemons as the other machine of a Pair, behind one face.

    asn: its AS; md5: the key; passive: it never dials; gr: graceful restart; gtsm;
    ttl: multihop."""

    def __init__(self, pair, asn=PEER_AS, md5=None, passive=False, gr=False, gtsm=False, ttl=None,
                 far=(FAR4, FAR6), local4=PEER4, local6=PEER6, herald4=HERALD4, herald6=HERALD6,
                 ns=None, lines=()):
        self.pair, self.asn, self.md5, self.passive, self.gr = pair, asn, md5, passive, gr
        self.gtsm, self.ttl, self.far, self.lines = gtsm, ttl, list(far), list(lines)
        self.ns = ns or pair.other
        self.sessions = [(x, y) for x, y in ((local4, herald4), (local6, herald6)) if x and y]
        self.impl = self.build()

    def start(self):
        self.impl.start()
        return self

    def stop(self, *a):
        return self.impl.stop(*a)

    def settle(self, prefixes):
        """After a fresh start with sessions that came up at once, and these routes to get."""

    def wait_established(self, timeout=20):
        for _, peer in self.sessions:
            until(lambda peer=peer: self.up(peer), timeout,
                  f"{type(self).__name__}: session with {peer} established")

    def wait_routes(self, *prefixes, timeout=10):
        for p in prefixes:
            until(lambda p=p: self.route(p), timeout, f"{type(self).__name__}: a route for {p}")

    def wait_gone(self, *prefixes, timeout=10):
        for p in prefixes:
            until(lambda p=p: not self.route(p), timeout, f"{type(self).__name__}: {p} gone")


class FrrPeer(Foreign):
    def build(self):
        nb = {}
        for local, peer in self.sessions:
            lines = [f"remote-as {AS}", f"update-source {local}"]
            if self.md5:
                lines.append(f"password {self.md5}")
            if self.passive:
                lines.append("passive")
            if self.gtsm:
                lines.append("ttl-security hops 1")
            if self.ttl:
                lines.append(f"ebgp-multihop {self.ttl}")
            nb[peer] = lines + self.lines
        extra = ["bgp graceful-restart", "bgp graceful-restart preserve-fw-state",
                 "bgp graceful-restart restart-time 20"] if self.gr else []
        return frr.Frr(self.pair.lab, self.ns, frr.bgp_conf(
            self.asn, PEER4, nb, self.far, extra, hurry=not self.gr), integrated=False)

    def settle(self, prefixes):
        """FRR 8.4.4 takes no IPv6 route on a session that came up in the moment between bgpd's start
        and zebra's word of the interfaces' addresses (some of 100 restarts; the next hop is valid
        soon after, a refresh does not help).  Reset such a session, as its operator would."""
        for _ in range(8):
            with contextlib.suppress(Timeout):
                until(lambda: all(self.route(p) for p in prefixes), 3, "routes")
                return
            self.impl.vty("clear bgp *")

    def up(self, peer):
        return self.impl.established(peer)

    def route(self, prefix):
        return self.impl.paths(prefix)


class BirdPeer(Foreign):
    def build(self):
        lines = []
        if self.md5:
            lines.append(f'password "{self.md5}";')
        if self.passive:
            lines.append("passive yes;")
        if self.gr:
            lines.append("graceful restart on; graceful restart time 20;")
        if self.gtsm:
            lines.append("ttl security on;")
        if self.ttl:
            lines.append(f"multihop {self.ttl};")
        lines = " ".join(lines + self.lines)
        peers = {("r6" if ":" in peer else "r4"): (local, peer, AS, lines)
                 for local, peer in self.sessions}
        return bird.Bird(self.pair.lab, self.ns, bird.bgp_conf(
            PEER4, self.asn, peers, self.far, kernel=True,
            head="graceful restart wait 10;" if self.gr else ""))

    def up(self, peer):
        return self.impl.established("r6" if ":" in peer else "r4")

    def route(self, prefix):
        return self.impl.route(prefix)


class GoBgpPeer(Foreign):
    def build(self):
        return gobgp.GoBgp(self.pair.lab, self.ns, gobgp.bgp_conf(
            self.asn, PEER4, {peer: {"as": AS, "local": local, "md5": self.md5, "ttl": self.ttl,
                                     "passive": self.passive} for local, peer in self.sessions},
            gr=self.gr))

    def start(self):
        self.impl.start(self.far)
        return self

    def up(self, peer):
        return self.impl.established(peer)

    def route(self, prefix):
        return self.impl.routes("ipv6" if ":" in prefix else "ipv4").get(prefix)


class OpenBgpdPeer(Foreign):
    def build(self):
        lines = (["passive"] if self.passive else []) + self.lines
        if self.gtsm:
            lines.append("ttl-security yes")
        if self.ttl:
            lines.append(f"multihop {self.ttl}")
        return openbgpd.OpenBgpd(self.pair.lab, self.ns, openbgpd.bgp_conf(
            self.asn, PEER4, {peer: {"as": AS, "local": local, "md5": self.md5, "lines": lines}
                              for local, peer in self.sessions}, self.far))

    def up(self, peer):
        return self.impl.established(peer)

    def route(self, prefix):
        return self.impl.route(prefix)


FOREIGN = {"frr": FrrPeer, "bird": BirdPeer, "gobgp": GoBgpPeer, "openbgpd": OpenBgpdPeer}
