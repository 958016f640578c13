"""Message headers and OPEN: RFC 4271 4.1, 4.2, 6.1, 6.2, 6.6, and what other RFCs say of OPEN."""
import ipaddress
import struct

from herald_lab import bgpmsg as B

from .catalogue import MAY, MUST, SHOULD, Unsupported, case
from .duts import AS

PEER = 65000


def body(version=4, asn=PEER, hold=90, ident="10.0.0.77", optlen=None, params=b""):
    return struct.pack("!BHH4sB", version, asn, hold, ipaddress.IPv4Address(ident).packed,
                       len(params) if optlen is None else optlen) + params


def opening(**kw):
    return B.message(B.OPEN, body(**kw))


def params(*caps):
    return B.caps_param([B.cap_mp(B.IPV4), B.cap_as4(PEER), *caps])


# ---- answered by a NOTIFICATION ----

# name, RFC, section, level, rule, bytes, codes, data
REFUSED = [
    ("header-marker", 4271, "6.1", MUST, "marker that is not all ones: 1/1",
     B.message(B.OPEN, body(), marker=b"\0" * 16), {(1, 1)}, None),
    ("header-length-18", 4271, "6.1", MUST, "length below 19: 1/2 with the length",
     B.message(B.OPEN, b"", length=18), {(1, 2)}, b"\0\x12"),
    ("header-length-4097", 4271, "6.1", MUST, "length above 4096: 1/2 with the length",
     B.message(B.OPEN, b"", length=4097) + b"\0" * 4078, {(1, 2)}, b"\x10\x01"),
    ("header-open-28", 4271, "6.1", MUST, "OPEN below 29 octets: 1/2 with the length",
     B.message(B.OPEN, body()[:9]), {(1, 2)}, b"\0\x1c"),
    ("header-type-0", 4271, "6.1", MUST, "type 0: 1/3 with the type", B.message(0), {(1, 3)},
     b"\0"),
    ("header-type-99", 4271, "6.1", MUST, "unknown type: 1/3 with the type", B.message(99),
     {(1, 3)}, b"\x63"),
    ("open-version-3", 4271, "6.2", MUST, "version 3: 2/1 with the version that is spoken",
     opening(version=3), {(2, 1)}, b"\0\x04"),
    ("open-version-5", 4271, "6.2", MUST, "version 5: 2/1 with the version that is spoken",
     opening(version=5), {(2, 1)}, b"\0\x04"),
    ("open-wrong-as", 4271, "6.2", MUST, "unacceptable AS: 2/2",
     B.open_msg(64999, "10.0.0.77"), {(2, 2)}, None),
    ("open-hold-1", 4271, "6.2", MUST, "hold time of one second: 2/6", opening(hold=1), {(2, 6)},
     None),
    ("open-hold-2", 4271, "6.2", MUST, "hold time of two seconds: 2/6", opening(hold=2), {(2, 6)},
     None),
    ("open-unknown-parameter", 4271, "6.2", MUST, "unknown optional parameter: 2/4",
     opening(params=b"\x4d\1x"), {(2, 4)}, None),
    ("open-ident-0", 6286, "2.1", MUST, "identifier 0: 2/3", opening(ident="0.0.0.0"), {(2, 3)},
     None),
    ("open-as-0", 7607, "2", MUST, "AS 0: 2/2", opening(asn=0), {(2, 2)}, None),
    ("open-as4-0", 7607, "2", MUST, "AS 0 in the capability of four octets: 2/2",
     opening(params=B.caps_param([B.cap_mp(B.IPV4), B.cap_as4(0)])), {(2, 2)}, None),
    ("opensent-keepalive", 4271, "6.6", MUST, "KEEPALIVE in place of OPEN: FSM error (5)",
     B.keepalive(), {5}, None),
    ("opensent-update", 4271, "6.6", MUST, "UPDATE in place of OPEN: FSM error (5)",
     B.update(), {5}, None),
    ("opensent-refresh", 4271, "6.6", MUST, "ROUTE-REFRESH in place of OPEN: FSM error (5)",
     B.route_refresh(), {5}, None),
    ("opensent-subcode", 6608, "3", MUST, "unexpected message in OpenSent: 5/1",
     B.keepalive(), {(5, 1)}, None),
]


def refused(data, codes, note_data):
    def play(t):
        _, c = t.dial()
        c.send(data)
        t.notified(c, codes, note_data)
    return play


for name, rfc, section, level, rule, *how in REFUSED:
    case(name, rfc, section, level, rule)(refused(*how))


@case("header-keepalive-20", 4271, "6.1", MUST, "KEEPALIVE that is not 19 octets: 1/2 with the length")
def keepalive_20(t):
    c = t.up()
    c.send(B.message(B.KEEPALIVE, b"x"))
    t.notified(c, {(1, 2)}, b"\0\x14")


@case("open-ident-own-ibgp", 6286, "2.2", MUST,
      "our own identifier within the AS: 2/3", slots=("ibgp",))
def own_ident_ibgp(t):
    _, c = t.dial(0)
    c.send(B.open_msg(AS, "10.0.0.1"))
    t.notified(c, {(2, 3)})


@case("open-ident-own-ebgp", 6286, "2.1", MUST,
      "identifiers are unique within an AS only: that of the other end's own is fine between two")
def own_ident_ebgp(t):
    c = t.up(ident="10.0.0.1")
    t.alive(c)
    t.fence(c)


@case("open-ident-any", 6286, "2.1", MUST, "any identifier but 0, not only valid host addresses")
def any_ident(t):
    c = t.up(ident="240.1.2.3")
    t.fence(c)


@case("notification-unanswered", 4271, "6.4", MUST,
      "a NOTIFICATION, even a broken one, is not answered with one", slots=("ebgp",) * 3)
def not_answered(t):
    for i, said in enumerate((B.notification(2, 1, b"\0\4"), B.message(B.NOTIFICATION, b"\6"),
                              B.notification(99, 99))):
        s, c = t.dial(i)
        c.send(said)
        t.until(lambda c=c: c.closed_at or c.of(B.NOTIFICATION), "the connection closed")
        if c.of(B.NOTIFICATION) and len(said) == 20:
            t.note("a NOTIFICATION of 20 octets is answered with 1/2")
        else:
            assert not c.of(B.NOTIFICATION), c.of(B.NOTIFICATION)[0]
        s.close()


@case("openconfirm-update", 4271, "8.2.2", MUST, "UPDATE in OpenConfirm: FSM error (5)")
def openconfirm(t):
    s, c = t.dial()
    c.send(s.open_bytes())
    t.established(c)
    c.send(B.update())
    t.notified(c, {5})


@case("openconfirm-subcode", 6608, "3", MUST, "unexpected message in OpenConfirm: 5/2")
def openconfirm_subcode(t):
    s, c = t.dial()
    c.send(s.open_bytes())
    t.established(c)
    c.send(B.update())
    t.notified(c, {(5, 2)})


@case("established-open", 6608, "3", MUST, "OPEN in Established: 5/3")
def established_open(t):
    c = t.up()
    t.fence(c)
    c.send(c.speaker.open_bytes())
    t.notified(c, {(5, 3)})


# ---- accepted ----

# name, RFC, section, level, rule, octets of the OPEN
TAKEN = [
    ("open-no-parameters", 5492, "3", MUST, "no optional parameters at all",
     opening()),
    ("open-unknown-capabilities", 5492, "3", MUST, "unknown capabilities are ignored",
     opening(params=params(B.cap(200, b"abc"), B.cap(0), B.cap(255, b"x" * 100)))),
    ("open-capability-twice", 5492, "4", MUST, "the same capability twice, the same value",
     opening(params=params(B.cap_as4(PEER), B.cap_mp(B.IPV4)))),
    ("open-parameter-each", 5492, "4", MUST, "each capability in a parameter of its own",
     opening(params=b"".join(B.caps_param([x]) for x in (
         B.cap_mp(B.IPV4), B.cap_as4(PEER), B.cap_refresh())))),
    ("open-extended-parameters", 9072, "2", MUST, "parameters with two octets of length",
     opening(optlen=255, params=(lambda p: b"\xff" + struct.pack("!H", len(p)) + p)(
         b"\2\0\x0c" + B.cap_mp(B.IPV4) + B.cap_as4(PEER)))),
    ("open-extended-300", 9072, "2", MUST, "more than 255 octets of parameters",
     opening(optlen=255, params=(lambda p: b"\xff" + struct.pack("!H", len(p)) + p)(
         b"\2" + struct.pack("!H", 12 + 2 * 157) + B.cap_mp(B.IPV4) + B.cap_as4(PEER)
         + B.cap(200, b"x" * 155) + B.cap(201, b"y" * 155)))),
    ("open-extended-normal-length", 9072, "2", MAY,
     "the octet of the old length may be other than 255, as long as the next one is 255",
     opening(optlen=17, params=(lambda p: b"\xff" + struct.pack("!H", len(p)) + p)(
         b"\2\0\x0c" + B.cap_mp(B.IPV4) + B.cap_as4(PEER)))),
]


def taken(data):
    def play(t):
        _, c = t.dial()
        c.send(data)
        t.established(c)
        c.send(B.keepalive())
        t.until(lambda: t.dut.state(t.addr()) == "established", "established")
        t.alive(c)
    return play


for name, rfc, section, level, rule, data in TAKEN:
    case(name, rfc, section, level, rule)(taken(data))


@case("open-extended-only-when-needed", 9072, "2", SHOULD,
      "the new form is sent only for more than 255 octets")
def not_extended(t):
    _, c = t.dial()
    b = c.of(B.OPEN)[0].body
    assert not (b[9] and b[10] == 255), f"extended parameters in an OPEN of {len(b)} octets"


@case("open-first", 4271, "8.2.2", MUST, "OPEN is the first message, version 4, with its AS, "
      "a hold time of 0 or at least 3, and its identifier")
def open_first(t):
    _, c = t.dial()
    assert c.messages[0].type == B.OPEN, c.messages
    o = c.open
    assert o.version == 4 and o.as2 == AS and (o.hold == 0 or o.hold >= 3), vars(o)
    assert o.ident == "10.0.0.1", o.ident


@case("open-in-octets", 4271, "4.1", MUST, "a message that comes octet by octet is one message")
def in_octets(t):
    s, c = t.dial()
    for b in s.open_bytes() + B.keepalive():
        c.send(bytes([b]))
    t.until(lambda: t.dut.state(t.addr()) == "established", "established")


@case("open-half", 4271, "8.2.1", MUST, "half an OPEN of one peer holds up nobody",
      slots=("ebgp", "ebgp"))
def half_open(t):
    s, c = t.dial(0)
    c.send(s.open_bytes()[:25])
    t.fence(t.up(1), i=1)


@case("open-length-of-long-messages", 8654, "4", MUST,
      "OPEN and KEEPALIVE keep their lengths with extended messages: longer ones are 1/2")
def long_open(t):
    s, c = t.dial()
    if 6 not in c.open.caps:
        raise Unsupported("extended messages: capability 6 is not offered")
    c.send(B.open_msg(PEER, s.ident, caps=[B.cap_mp(B.IPV4), B.cap_as4(PEER), B.cap(6)]),
           B.message(B.KEEPALIVE, b"x" * 4978))
    t.notified(c, {(1, 2)})
