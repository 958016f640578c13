"""BFD beside a BGP session: RFC 5880, 5881, and what 5882 makes of BGP."""
import dataclasses
import socket
import struct
import time

from .catalogue import MUST, SHOULD, Unobservable, case
from .duts import DUT4

PORT, IP_RECVTTL = 3784, 12
ADMIN_DOWN, DOWN, INIT, UP = range(4)
POLL, FINAL, CPI, AUTH, DEMAND, MULTIPOINT = 0x20, 0x10, 0x08, 0x04, 0x02, 0x01
SLOT = ("bfd",)


@dataclasses.dataclass
class Heard:
    """A control packet that came in."""
    raw: bytes
    ttl: int
    port: int
    at: float

    def __post_init__(self):
        (first, second, self.mult, self.length, self.my, self.your, self.tx, self.rx,
         self.echo) = struct.unpack("!BBBBIIIII", self.raw[:24])
        self.version, self.diag = first >> 5, first & 31
        self.state, self.flags = second >> 6, second & 0x3f


class End:
    """Our end of a BFD session.  Speaks only when it is asked to, or in keep()."""

    def __init__(self, t, i=0, bgp=True):
        self.t, self.addr = t, t.addr(i)
        self.bgp = t.up(i) if bgp else None
        self.my, self.state, self.rx_us = 0xC0FFEE00 + i, DOWN, 300000
        self.heard, self.flags, self.quiet, self._next = [], 0, False, 0.0
        self.mult = 50  # this process may be held up; fewer where silence is the case
        self.knows = False  # its discriminator goes into what we send
        ns = t.stage.other
        self.rx = ns.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.rx.setsockopt(socket.IPPROTO_IP, IP_RECVTTL, 1)
        self.rx.bind((self.addr, PORT))
        self.rx.setblocking(False)
        self.tx = ns.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.tx.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 255)
        self.tx.bind((self.addr, 49152 + t.number))
        t._open.append(self)  # closed with the case

    def close(self):
        self.rx.close()
        self.tx.close()

    def packet(self, your=None, **other):
        f = {"version": 1, "diag": 0, "state": self.state, "flags": self.flags, "mult": self.mult,
             "length": 24, "my": self.my, "tx": 300000, "rx": self.rx_us}
        f.update(other)
        if your is None:
            your = self.heard[-1].my if self.knows else 0
        return struct.pack("!BBBBIIIII", f["version"] << 5 | f["diag"],
                           f["state"] << 6 | f["flags"], f["mult"], f["length"], f["my"], your,
                           f["tx"], f["rx"], 0)

    def send(self, data, ttl=255):
        self.tx.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
        self.tx.sendto(data, (DUT4, PORT))

    def listen(self):
        """Take what has come; returns the last one."""
        while True:
            try:
                data, more, _, peer = self.rx.recvmsg(200, 100)
            except BlockingIOError:
                break
            ttl = struct.unpack("=i", more[0][2])[0]
            if len(data) >= 24:
                self.heard.append(Heard(data, ttl, peer[1], time.monotonic()))
        return self.heard[-1] if self.heard else None

    def keep(self):
        """One turn of a well-behaved end: listen, answer a poll, send every 200 ms."""
        before = len(self.heard)
        last = self.listen()
        if any(h.flags & POLL for h in self.heard[before:]) and not self.quiet:
            self.send(self.packet(flags=FINAL | self.flags & ~POLL))
        if time.monotonic() >= self._next and not self.quiet:
            self._next = time.monotonic() + 0.2
            self.send(self.packet())
        return last

    def wait(self, condition, what):
        return self.t.until(lambda: self.keep() and condition(self.heard[-1]),
                            lambda: f"{what}; heard {self.heard[-3:]}")

    def fall_silent(self):
        """Five packets' time later the session is down."""
        self.mult = 5
        self.send(self.packet())
        self.quiet = True

    def first(self):
        return self.t.until(self.listen, "a BFD packet")

    def up(self):
        """Through to Up on both ends, their fast pace agreed on."""
        self.wait(lambda h: h.state in (INIT, UP), "Init, for our Down")
        self.state, self.knows = UP, True  # from Init on, RFC 5880 6.8.6
        self.wait(lambda h: h.state == UP, "Up")
        self.wait(lambda h: h.tx < 1000000 and not h.flags & POLL, "its own pace")
        return self


@case("bfd-packet", 5880, "6.8.7", MUST, "its packets: version 1, a discriminator, a multiplier, a "
      "true length, Down and nothing of ours before we spoke", slots=SLOT)
def packet(t):
    h = End(t).first()
    assert h.version == 1 and h.my and h.mult and h.length == len(h.raw), h
    assert h.state == DOWN and h.your == 0 and not h.flags & MULTIPOINT, h


@case("bfd-ttl", 5881, "5", MUST, "TTL 255", slots=SLOT)
def ttl(t):
    assert End(t).first().ttl == 255


@case("bfd-source-port", 5881, "4", MUST, "one source port of 49152 to 65535", slots=SLOT)
def source_port(t):
    e = End(t)
    t.until(lambda: e.listen() and len(e.heard) >= 3, "three packets")
    ports = {h.port for h in e.heard}
    assert len(ports) == 1 and min(ports) >= 49152, ports


@case("bfd-discriminators", 5880, "6.8.1", MUST, "each session has a discriminator of its own",
      slots=("bfd", "bfd"))
def discriminators(t):
    a, b = End(t, 0).first(), End(t, 1).first()
    assert a.my != b.my


@case("bfd-slow-until-up", 5880, "6.8.3", MUST, "not faster than one packet a second until Up",
      slots=SLOT, slow=4)
def slow(t):
    e = End(t)
    t.until(lambda: e.listen() and len(e.heard) >= 4, "four packets")
    assert all(h.tx >= 1000000 for h in e.heard), e.heard
    span = e.heard[-1].at - e.heard[1].at
    assert span > (len(e.heard) - 2) * 0.5, f"{len(e.heard)} packets in {span:.1f} s"


@case("bfd-up", 5880, "6.2", MUST, "Down, Init, Up; then the configured pace, by a poll",
      slots=SLOT)
def up(t):
    e = End(t).up()
    assert any(h.flags & POLL for h in e.heard), "no poll"
    t.alive(e.bgp)


@case("bfd-poll", 5880, "6.5", MUST, "a poll is answered by Final at once; never both bits",
      slots=SLOT)
def poll(t):
    e = End(t).up()
    mark = len(e.heard)
    e.send(e.packet(flags=POLL))
    e.wait(lambda _: any(h.flags & FINAL for h in e.heard[mark:]), "Final")
    assert not [h for h in e.heard if h.flags & POLL and h.flags & FINAL]


@case("bfd-your-discriminator", 5880, "6.8.7", MUST, "it reflects our discriminator", slots=SLOT)
def your(t):
    e = End(t).up()
    assert e.heard[-1].your == e.my


@case("bfd-detection", 5880, "6.8.4", MUST,
      "silence for our multiplier times the slower pace: Down, with the diagnostic 1", slots=SLOT,
      slow=2)
def detection(t):
    e = End(t).up()
    e.fall_silent()
    begin, old = time.monotonic(), e.heard[-1].my
    e.wait(lambda h: h.state == DOWN, "Down")
    if e.heard[-1].my != old:
        raise Unobservable("it begins a new session at once")
    assert [h for h in e.heard if h.diag == 1], e.heard[-1]
    assert time.monotonic() - begin > 0.9, "before 5 x 300 ms"


@case("bfd-down-ends-bgp", 5882, "4.2", MUST, "BFD down ends the BGP session at once", slots=SLOT,
      slow=2)
def down(t):
    e = End(t).up()
    e.bgp.send(t.route())
    t.there(t.p())
    e.fall_silent()
    t.until(lambda: e.keep() and e.bgp.closed_at and not t.told(t.p()), "the session's end")
    if e.bgp.of(3):
        t.note(f"NOTIFICATION {e.bgp.of(3)[0].code[0]}/{e.bgp.of(3)[0].code[1]}")


@case("bfd-signalled-down", 5880, "6.8.6", MUST, "our Down in Up: Down, with the diagnostic 3",
      slots=SLOT)
def signalled(t):
    e = End(t).up()
    e.state = DOWN
    mark = len(e.heard)
    e.wait(lambda _: any(h.state == DOWN and h.diag == 3 for h in e.heard[mark:]), "Down")


@case("bfd-restarted-down", 5880, "6.8.6", MUST, "Down of an end that has begun anew, with Your "
      "Discriminator 0, is for the session of that address: Down, with the diagnostic 3", slots=SLOT)
def restarted(t):
    e = End(t).up()
    e.state, e.knows = DOWN, False
    mark = len(e.heard)
    e.wait(lambda _: any(h.state == DOWN and h.diag == 3 for h in e.heard[mark:]), "Down")


@case("bfd-admin-down", 5882, "4.2", MUST, "AdminDown does not end the BGP session", slots=SLOT,
      slow=2)
def admin_down(t):
    e = End(t).up()
    e.state = ADMIN_DOWN
    e.wait(lambda h: h.state == DOWN, "Down")
    mark = len(e.heard)
    e.wait(lambda _: len(e.heard) >= mark + 3, "three more packets")
    e.bgp.send(t.route())
    t.until(lambda: e.keep() and (t.told(t.p()) or e.bgp.closed_at), "a route")
    t.alive(e.bgp)


@case("bfd-demand", 5880, "6.8.7", MUST, "in our demand mode it stops its periodic packets",
      slots=SLOT, slow=3)
def demand(t):
    e = End(t).up()
    e.flags = DEMAND
    e.send(e.packet())
    _ceases(t, e)


@case("bfd-receive-0", 5880, "6.8.7", MUST,
      "when we want to receive none (interval 0) it stops its periodic packets", slots=SLOT, slow=3)
def receive_none(t):
    e = End(t).up()
    e.rx_us = 0
    e.send(e.packet(flags=POLL))
    _ceases(t, e)


def _ceases(t, e):
    """From some time on, no packet for 2 s while we go on (at 300 ms it would be six)."""
    def quiet():
        e.keep()
        return time.monotonic() - e.heard[-1].at > 2
    t.until(quiet, lambda: f"2 s without a packet; heard {e.heard[-3:]}")
    t.alive(e.bgp)


@case("bfd-receive-pace", 5880, "6.8.7", MUST, "not faster than we want to receive", slots=SLOT,
      slow=6)
def receive_pace(t):
    e = End(t).up()
    e.rx_us = 1500000
    mark = len(e.heard)
    e.send(e.packet(flags=POLL))
    e.wait(lambda _: any(h.flags & FINAL for h in e.heard[mark:]), "Final")
    end = time.monotonic() + 1  # a packet that was due already
    t.until(lambda: e.keep() and time.monotonic() > end, "a second later")
    mark = len(e.heard)
    t.until(lambda: e.keep() and len(e.heard) >= mark + 4, "four packets")
    got = [h for h in e.heard[mark:] if not h.flags & FINAL]
    span = got[-1].at - got[0].at
    assert span > (len(got) - 1) * 0.9, f"{len(got)} packets in {span:.1f} s"


# name, section, what is sent, TTL.  Each would make the daemon say Init, or Up.
DISCARDED = [
    ("version", "version 0", {"version": 0}, 255),
    ("length-short", "a length below 24", {"length": 23}, 255),
    ("length-long", "a length beyond the datagram", {"length": 25}, 255),
    ("multiplier-0", "a multiplier of 0", {"mult": 0}, 255),
    ("multipoint", "the multipoint bit", {"flags": MULTIPOINT}, 255),
    ("my-0", "My Discriminator 0", {"my": 0}, 255),
    ("your-unknown", "a Your Discriminator that nobody has", {"your": 0xDEADBEEF}, 255),
    ("your-0-init", "Your Discriminator 0 in Init", {"your": 0, "state": INIT}, 255),
    ("your-0-up", "Your Discriminator 0 in Up", {"your": 0, "state": UP}, 255),
    ("auth", "authentication that was not agreed on", {"flags": AUTH}, 255),
]


def discarded(fields, hops):
    def play(t):
        e = End(t)
        e.first()
        fields_ = dict(fields)
        data = e.packet(**fields_)
        if fields_.get("flags") == AUTH:
            data = bytearray(data + b"\1\4\1x")
            data[3] = len(data)
        for _ in range(3):
            e.send(bytes(data), hops)
        mark = len(e.heard)
        t.until(lambda: e.listen() and len(e.heard) >= mark + 2, "two more packets")
        assert all(h.state == DOWN for h in e.heard), [h.state for h in e.heard]
        assert all(h.your == 0 for h in e.heard), "it remembers our discriminator"
        e.up()
    return play


for name, rule, fields, hops in DISCARDED:
    case(f"bfd-discard-{name}", 5880, "6.8.6", MUST, f"discarded: {rule}", slots=SLOT, slow=3)(
        discarded(fields, hops))
case("bfd-discard-ttl", 5881, "5", MUST, "discarded: a TTL of 254", slots=SLOT, slow=3)(
    discarded({}, 254))


@case("bfd-cease", 9384, "3", SHOULD, "the BGP session that BFD ends is told Cease, 6/10",
      slots=SLOT, slow=2)
def cease(t):
    e = End(t).up()
    e.fall_silent()
    t.until(lambda: e.keep() and e.bgp.closed_at, "the session's end")
    n = e.bgp.of(3)
    assert n and n[0].code == (6, 10), n
