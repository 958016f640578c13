"""BFD (RFC 5880 to 5883) with FRR's bfdd and BIRD, and what it does to BGP."""
import json
import signal
import socket
import struct

import pytest

from herald_lab import until
from herald_lab import herald as h
from herald_lab.frr import BIN, Vty
from herald_lab.pair import FAR4, HERALD4, HERALD6, PEER4, PEER6, PEER_AS, POD4, VIP4
from herald_lab.proc import Daemon, RouteWatch
from herald_lab.wait import stays

GR = {"gracefulRestart": {"enabled": True, "restartTimeSeconds": 30}}
# Slow enough for a busy machine; still far below the hold time.
FAST = {"transmitInterval": 200, "receiveInterval": 200, "detectMultiplier": 5}
DETECT_MS = 1000
LONG_HOLD = {"timers": {"holdTimeSeconds": 90, "keepAliveTimeSeconds": 30,
                        "connectRetryTimeSeconds": 1}}


class Bfdd:
    """FRR's bfdd beside the bgpd of a foreign FRR."""

    def __init__(self, frr, profile=(200, 200, 5), more=()):
        self.dir = frr.dir
        tx, rx, multiplier = profile
        conf = ["bfd", " profile fast", f"  transmit-interval {tx}", f"  receive-interval {rx}",
                f"  detect-multiplier {multiplier}", *more, " exit", "exit"]
        with open(f"{self.dir}/bfdd.conf", "w", encoding="utf-8") as f:
            f.write("\n".join(conf) + "\n")
        self.daemon = Daemon(frr.lab, frr.ns, [
            f"{BIN}/bfdd", "-u", "root", "-g", "frrvty", "-A", "127.0.0.1", "-P", "0",
            "-z", f"{self.dir}/zserv.api", "--vty_socket", self.dir, "--log", "stdout",
            "--bfdctl", f"{self.dir}/bfdd.sock", "-f", f"{self.dir}/bfdd.conf",
            "-i", f"{self.dir}/bfdd.pid"], f"{self.dir}/bfdd.log")

    def start(self):
        self.daemon.start()
        until(lambda: self.vty("show version"), what="bfdd's vty")
        return self

    def vty(self, *commands):
        v = Vty(f"{self.dir}/bfdd.vty")
        try:
            for c in commands:
                text = v.cmd(c)
            return text
        finally:
            v.close()

    def configure(self, *lines):
        self.vty("configure terminal", *lines, "end")

    def peer(self, addr):
        found = [p for p in json.loads(self.vty("show bfd peers json")) if p["peer"] == addr]
        return found[0]


class FrrSide:
    """FRR with BGP sessions that BFD watches."""

    def __init__(self, pair, gr=False, ttl=None, lines=(), **kw):
        self.foreign = pair.foreign("frr", gr=gr, ttl=ttl,
                                    lines=["bfd", "bfd profile fast", "timers 30 90", *lines], **kw)
        self.bfdd = Bfdd(self.foreign.impl)

    def start(self):
        frr = self.foreign.impl
        frr.zebra.start()
        until(lambda: Vty(f"{frr.dir}/zebra.vty").close() is None, what="zebra's vty")
        self.bfdd.start()
        frr.start_bgpd()
        return self

    def up(self, addr):
        return self.bfdd.peer(addr)["status"] == "up"

    def switch_off(self):
        self.bfdd.configure("bfd", "profile fast", "shutdown")

    def pace(self, addr):
        p = self.bfdd.peer(addr)
        return p["remote-transmit-interval"], p["remote-receive-interval"], \
            p["remote-detect-multiplier"]

    def set_pace(self, ms):
        self.bfdd.configure("bfd", "profile fast", f"transmit-interval {ms}",
                            f"receive-interval {ms}")


class BirdSide:
    CONF = """protocol bfd bfd1 {{
 interface "*" {{ min rx interval {0} ms; min tx interval {0} ms; idle tx interval 1 s;
  multiplier 5; }};
 multihop {{ min rx interval {0} ms; min tx interval {0} ms; multiplier 5; }};
}}
"""

    def __init__(self, pair, gr=False, ttl=None, **kw):
        # With "bfd on" BIRD ends a graceful restart when BFD is switched off, or silent.
        bfd = "bfd graceful;" if gr else "bfd on;"
        self.foreign = pair.foreign("bird", gr=gr, ttl=ttl, lines=[bfd, "hold time 90;"], **kw)
        with open(f"{self.foreign.impl.dir}/bird.conf", encoding="utf-8") as f:
            self.base = f.read().replace("hold time 9;", "")
        self.write(200)

    def write(self, ms):
        with open(f"{self.foreign.impl.dir}/bird.conf", "w", encoding="utf-8") as f:
            f.write(self.base + self.CONF.format(ms))

    def start(self):
        self.foreign.start()
        return self

    def row(self, addr):
        for line in self.foreign.impl.cmd("show bfd sessions").splitlines():
            if line.split()[:1] == [addr]:
                return line.split()
        return []

    def up(self, addr):
        return "Up" in self.row(addr)

    def switch_off(self):
        self.foreign.impl.cmd("disable bfd1")

    def pace(self, addr):
        row = self.row(addr)  # address, interface, state, since, interval, timeout
        return float(row[-2]), float(row[-1])

    def set_pace(self, ms):
        self.write(ms)
        self.foreign.impl.cmd("configure")


SIDES = {"frr": FrrSide, "bird": BirdSide}
both = pytest.mark.parametrize("kind", ["frr", "bird"])


def bfd(pair, addr):
    """Herald's session with @addr, or {}."""
    found = [s for s in pair.herald.ctl("bfd", "sessions")["sessions"] if s["peerAddress"] == addr]
    return found[0] if found else {}


def bfd_up(pair, addr):
    s = bfd(pair, addr)
    return s and s["state"] == "up" and s


def begin(pair, kind, addrs=((PEER4, HERALD4), (PEER6, HERALD6)), config=None, profile=None,
          peers=None, side=None, **kw):
    """Both ends, until BFD and BGP are up."""
    side = side or SIDES[kind](pair, **kw)
    side.start()
    pair.herald.write("35-bfd.yaml", h.doc("BFDProfile", "fast", {**FAST, **(profile or {})}))
    pair.start(config={**LONG_HOLD, "bfdProfile": "fast", **(config or {})}, peers=peers)
    for peer, herald in addrs:
        until(lambda peer=peer: bfd_up(pair, peer), 30, lambda: f"Herald hears {peer}: "
              f"{pair.herald.ctl('bfd', 'sessions')}")
        until(lambda herald=herald: side.up(herald), 30, f"{kind} hears {herald}")
    pair.herald.wait_established()
    return side


# ---- sessions ----

@both
def test_single_hop_comes_up_with_both_families(pair, kind):
    begin(pair, kind)
    for addr in (PEER4, PEER6):
        s = until(lambda addr=addr: bfd_up(pair, addr)["detectTimeMs"] == DETECT_MS
                  and bfd(pair, addr), what="the detection time that both have agreed on")
        assert s["transmitIntervalMs"] == 200 and s["receiveIntervalMs"] == 200
        assert not s["multihop"] and not s["authenticated"]
        assert s["ups"] == 1 and s["downs"] == 0
    text = pair.herald.table("bfd", "sessions")
    row = next(line for line in text.splitlines() if line.startswith(PEER4))
    assert row.split()[1] == "up" and "1000ms" in row, text


@both
def test_multihop(pair, kind):
    """From a loopback address of the peer's, by port 4784."""
    far, near = "10.9.9.9", "10.8.8.8"
    pair.other.addr("lo", f"{far}/32")
    pair.n1.addr("lo", f"{near}/32")
    pair.n1.ip(f"route add {far}/32 via {PEER4}")
    pair.other.ip(f"route add {near}/32 via {HERALD4}")
    peers = {"r4": {"peerASN": PEER_AS, "peerAddress": far, "config": "tor"}}
    # BIRD sends with the system's TTL of 64.
    begin(pair, kind, addrs=((far, near),), peers=peers, ttl=5, local4=far, local6=None,
          herald4=near, profile={"minimumTtl": 64} if kind == "bird" else {},
          config={"ebgpMultihop": 5, "transport": {"sourceAddress": near}})
    s = bfd(pair, far)
    assert s["multihop"] and s["localAddress"] == near
    stays(lambda: bfd_up(pair, far), 1)


@pytest.mark.parametrize("method", ["keyed sha1", "meticulous keyed sha1"])
def test_sha1_keys_with_bird(pair, method):
    """RFC 5880 6.7.4: a session with the same key, none with another, and none without; bfdd has no keys."""
    side = BirdSide(pair)
    side.CONF = BirdSide.CONF.replace('interface "*" {{', 'interface "*" {{ authentication '
                                      f'{method}; password "tulips" {{{{ id 7; }}}};')
    side.write(200)
    pair.herald.write("36-key.yaml", h.secret("bfd-key", password="tulips"))
    begin(pair, "bird", side=side, profile={"authSecretRef": "bfd-key", "authKeyID": 7})
    for addr in (PEER4, PEER6):
        assert bfd(pair, addr)["authenticated"]
    assert side.up(HERALD4) and side.up(HERALD6)
    pair.herald.write("36-key.yaml", h.secret("bfd-key", password="roses"))
    until(lambda: not side.up(HERALD4) and not bfd_up(pair, PEER4), 20, "no session with another key")
    stays(lambda: not side.up(HERALD4) and not bfd_up(pair, PEER4), 1)
    assert "roses" not in pair.herald.daemon.text() and "tulips" not in pair.herald.daemon.text()
    pair.herald.remove("36-key.yaml")
    until(lambda: "Secret bfd-key (authSecretRef of BFDProfile fast) is missing" in
          json.dumps(pair.herald.ctl("status")), 20, "it is said that the Secret is missing")
    pair.herald.write("36-key.yaml", h.secret("bfd-key", password="tulips"))
    until(lambda: side.up(HERALD4) and bfd_up(pair, PEER4), 30, "the right key again")


@both
def test_the_pace_changes_without_a_break(pair, kind):
    side = begin(pair, kind)
    until(lambda: bfd(pair, PEER4)["detectTimeMs"] == DETECT_MS)
    side.set_pace(400)  # the peer's wish
    for addr in (PEER4, PEER6):
        until(lambda addr=addr: bfd(pair, addr)["detectTimeMs"] == 2000
              and bfd(pair, addr)["transmitIntervalMs"] == 400, what="the peer's slower pace")
    side.set_pace(200)
    until(lambda: bfd(pair, PEER4)["detectTimeMs"] == DETECT_MS, what="and the quick one again")
    before = side.pace(HERALD4)
    pair.herald.write("35-bfd.yaml", h.doc("BFDProfile", "fast", {
        "transmitInterval": 600, "receiveInterval": 500, "detectMultiplier": 7}))
    pair.herald.ctl("reload")
    until(lambda: bfd(pair, PEER4)["detectTimeMs"] == 2500
          and bfd(pair, PEER4)["transmitIntervalMs"] == 600, what="our slower pace")
    until(lambda: side.pace(HERALD4) != before, what="the peer knowing of it")
    for addr in (PEER4, PEER6):
        s = bfd(pair, addr)
        assert s["state"] == "up" and s["ups"] == 1 and s["downs"] == 0, s


def test_frr_is_told_what_the_profile_says(pair):
    side = begin(pair, "frr", profile={"transmitInterval": 250, "receiveInterval": 350,
                                       "detectMultiplier": 6})
    until(lambda: side.pace(HERALD4) == (250, 350, 6), what="our numbers at FRR's")


def test_bfd_of_the_peer_config_itself(pair):
    """`bfd: {enabled}` as proposed for Cilium, without a profile."""
    side = FrrSide(pair)
    begin(pair, "frr", side=side, config={"bfdProfile": "", "bfd": {
        "enabled": True, "transmitIntervalMilliseconds": 250, "receiveIntervalMilliseconds": 350,
        "detectionMultiplier": 6}})
    until(lambda: side.pace(HERALD4) == (250, 350, 6), what="our numbers at FRR's")


def test_a_profile_that_is_missing_is_told(pair):
    pair.foreign("frr").start()
    pair.start(config={"bfdProfile": "gone"})
    pair.herald.wait_established()
    text = json.dumps(pair.herald.ctl("status"))
    assert "BFDProfile gone (bfdProfile) is missing" in text
    assert pair.herald.ctl("bfd", "sessions")["sessions"] == []


# ---- what becomes of BGP ----

@both
def test_a_link_that_is_cut_ends_the_bgp_session_at_once(pair, kind):
    begin(pair, kind)
    until(lambda: pair.herald.route(FAR4, "available"), what="the peer's route")
    pair.other.ip("link set eth0 down")
    # the hold time is 90 s
    until(lambda: pair.herald.peer("r4")["state"] != "established", 30, "BGP is told")
    assert not pair.herald.route(FAR4, "available")
    s = bfd(pair, PEER4)
    assert s["diagnostic"] == "detection-time-expired" and s["downs"] == 1, s
    assert "BFD Down" in json.dumps(pair.herald.peer("r4"))
    pair.other.ip("link set eth0 up")
    pair.other.addr("eth0", f"{PEER6}/64")
    until(lambda: bfd_up(pair, PEER4), 30, "BFD is up again")
    pair.herald.wait_established("r4", timeout=40)


def test_a_peer_that_switches_bfd_off_keeps_its_bgp_session(pair):
    """RFC 5882 4.2.  (BIRD that is told to disable BFD falls silent, which is a loss.)"""
    side = begin(pair, "frr")
    since = pair.herald.peer("r4")["flaps"]
    side.switch_off()
    until(lambda: bfd(pair, PEER4)["state"] == "down", what="Herald's end being down")
    s = bfd(pair, PEER4)
    assert s["remoteState"] == "admin-down", s
    stays(lambda: pair.herald.peer("r4")["state"] == "established", 2)
    assert pair.herald.peer("r4")["flaps"] == since


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGKILL], ids=["sigterm", "sigkill"])
@both
def test_a_herald_that_stops_is_no_loss(pair, kind, sig):
    """Graceful restart with BFD: the peer keeps our routes, and its kernel never lacks one."""
    side = begin(pair, kind, gr=True, config=GR)
    f = side.foreign
    f.wait_routes(POD4, VIP4)
    until(lambda: any(r["dst"] == POD4 for r in pair.other.routes(4)), what="in the kernel")
    watch = RouteWatch(pair.lab, pair.other)
    pair.herald.stop(sig)
    until(lambda: not f.up(HERALD4) and not side.up(HERALD4), what="the peer seeing it")
    stays(lambda: f.route(POD4) and f.route(VIP4), 3, "our routes at the peer's")
    pair.herald.start()
    pair.herald.wait_established()
    until(lambda: side.up(HERALD4), 30, "BFD is up again")
    f.wait_routes(POD4, VIP4)
    assert not watch.lost(POD4) + watch.lost(VIP4)


def test_a_peer_that_is_taken_out_is_not_watched_any_more(pair):
    """Told as what it is, switched off; which FRR takes for a loss, and begins BGP anew."""
    side = begin(pair, "frr")
    pair.write(config={**LONG_HOLD, "bfdProfile": "fast"}, peers=pair.peers(v6=False))
    pair.herald.ctl("reload")
    until(lambda: not bfd(pair, PEER6), what="one session less")
    assert bfd_up(pair, PEER4)
    until(lambda: side.bfdd.peer(HERALD6)["remote-diagnostic"] == "administratively down")
    pair.write(config=LONG_HOLD, peers=pair.peers(v6=False))
    pair.herald.ctl("reload")
    until(lambda: not bfd(pair, PEER4), what="no session")
    pair.herald.wait_established("r4")


# ---- what must not be believed ----

def control(my, your, state=1, length=24, version=1, mult=3, flags=0):
    return struct.pack("!BBBBIIIII", version << 5, state << 6 | flags, mult, length, my, your,
                       100000, 100000, 0)


def test_packets_that_break_a_rule_are_counted_and_change_nothing(pair):
    side = begin(pair, "frr")
    ours = bfd(pair, PEER4)
    raw = pair.other.socket(socket.AF_INET, socket.SOCK_DGRAM)
    raw.bind((PEER4, 0))
    me, you = ours["discriminator"], ours["remoteDiscriminator"]
    # RFC 5881 5: from further away, whatever it says
    cases = [("hops", 254, control(you, me)), ("hops", 64, control(99, 0)),
             ("version", 255, control(you, me, version=0)),
             ("length", 255, control(you, me, length=23)),
             ("cut", 255, control(you, me, length=25)),
             ("multiplier", 255, control(you, me, mult=0)),
             ("multipoint", 255, control(you, me, flags=1)),
             ("my-discriminator", 255, control(0, me)),
             ("your-discriminator", 255, control(you, me ^ 1)),
             ("state", 255, control(you, 0, state=3)),
             ("unwanted-auth", 255, control(you, me, flags=4, length=52) + bytes(28))]
    want = {}
    for rule, ttl, packet in cases:
        raw.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
        raw.sendto(packet, (HERALD4, 3784))
        want[rule] = want.get(rule, 0) + 1
    until(lambda: all(pair.herald.ctl("bfd", "sessions")["dropped"][r] >= n
                      for r, n in want.items()), what="each counted by its rule")
    got = pair.herald.ctl("bfd", "sessions")["dropped"]
    assert {r: got[r] for r in want} == want, got
    assert bfd_up(pair, PEER4)["downs"] == 0
    assert side.up(HERALD4)
    raw.close()
