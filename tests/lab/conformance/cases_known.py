"""Inputs that have brought BGP daemons down, by their public names.  The RFCs leave open what is said
to some of them; none may cost more than its own session, and known-good ones not even that."""
import struct

from herald_lab import bgpmsg as B

from .catalogue import MUST, case
from .cases_open import body, params
from .duts import PEER6

PEER = 65000
A = B.attr
NEW = 64601


def cap_open(*caps):
    return B.message(B.OPEN, body(params=params(*caps)))


def raw_open(**kw):
    return B.message(B.OPEN, body(**kw))


# OPENs.  name, what it is, bytes
OPENS = [
    ("CVE-2022-40302", "extended parameters cut after one octet",
     raw_open(optlen=255, params=b"\xff")),
    ("CVE-2022-40318", "an extended parameter of two octets",
     raw_open(optlen=255, params=b"\xff\0\2\2\0")),
    ("CVE-2022-43681", "an OPEN that ends with the length of its parameters", raw_open(optlen=8)),
    ("CVE-2022-36440", "four-octet AS capability of three octets",
     raw_open(params=b"\2\5\x41\3\0\0\1")),
    ("CVE-2022-37032", "dynamic capability", cap_open(B.cap(67, b"\0" * 7), B.cap(66, b"\1"))),
    ("CVE-2023-31489", "LLGR capability of three octets", cap_open(B.cap(71, b"\0\1\1"))),
    ("CVE-2023-41360", "ORF capability that lies", cap_open(B.cap(3, b"\0\1\0\1\xff\1\1"))),
    ("CVE-2023-41361", "software version longer than it is",
     cap_open(B.cap(75, b"\xff" + b"v" * 10), B.cap(75, b""))),
    ("CVE-2018-5381", "capabilities of length 0, many",
     cap_open(*[B.cap(n, b"") for n in (3, 5, 9, 64, 69, 71, 73, 75)])),
    ("open-parameter-beyond", "a parameter beyond the message",
     raw_open(optlen=2, params=b"\2\x20")),
    ("open-capability-beyond", "a capability beyond its parameter", raw_open(params=b"\2\4\1\4\0\1")),
    ("open-fqdn-beyond", "host name capability longer than it is",
     cap_open(B.cap(73, b"\xffab\xffcd"))),
    ("open-gr-1", "graceful restart capability of one octet", cap_open(B.cap(64, b"\0"))),
    ("open-add-path-3", "add-path capability of three octets", cap_open(B.cap(69, b"\0\1\1"))),
    ("open-role-0", "role capability of no octet", cap_open(B.cap(9, b""))),
    ("open-mp-3", "multiprotocol capability of three octets", cap_open(B.cap(1, b"\0\1\0"))),
]


def survived_open(data):
    """An answer, whichever, and the daemon goes on."""
    def play(t):
        _, c = t.dial(0)
        c.send(data)
        t.until(lambda: c.of(B.KEEPALIVE) or c.closed_at, "an answer")
        if c.closed_at:
            n = c.of(B.NOTIFICATION)
            t.note(f"refused with {n[0].code[0]}/{n[0].code[1]}" if n else "closed")
        t.fence(t.up(1), i=1)
    return play


for name, rule, data in OPENS:
    case(name, 4271, "6.2", MUST, f"OPEN: {rule}: the daemon and its other sessions go on",
         slots=("ebgp", "ebgp"))(survived_open(data))


def survived(make):
    """The daemon and its other sessions go on, and no broken route is passed on."""
    def play(t):
        c = t.up(0)
        c.send(t.route(0))
        t.there(t.p(0))
        c.send(make(t))
        t.until(lambda: c.closed_at or _fenced(t, c), "read beyond it, or closed")
        if c.closed_at:
            n = c.of(B.NOTIFICATION)
            t.note(f"reset with {n[0].code[0]}/{n[0].code[1]}" if n else "closed")
        t.fence(t.up(1), k=14, i=1)
    return play


def _fenced(t, c):
    try:
        c.send(t.route(13))
    except OSError:
        return False
    return t.told(t.p(13))


def keeps(make):
    """The session stays, too."""
    def play(t):
        c = t.up()
        c.send(t.route(0), t.route(1))
        t.there(t.p(0))
        t.there(t.p(1))
        c.send(make(t))
        t.fence(c)
        t.alive(c)
        assert t.told(t.p(1)), "another route was lost"
    return play


def route(*add, **kw):
    return lambda t: t.route(0, NEW, add, **kw)


# UPDATEs after which the session has to stand.  name, RFC, section, what it is, message
KEPT = [
    ("CVE-2019-5892", 4271, "5", "attribute 255, unknown", route(A(255, b"\1\2\3"))),
    ("CVE-2023-38802", 7606, "7", "broken TUNNEL_ENCAP (23)", route(A(23, b"\0\7\xff\xff"))),
    ("CVE-2023-38283", 7606, "4", "an attribute whose length is wrong",
     route(A(B.MED, b"\0\0\0\1", length=9))),
    ("CVE-2023-41359", 7606, "7", "broken AIGP (26)", route(A(26, b"\1\0\1", B.OPT))),
    ("CVE-2023-4481", 7606, "7", "broken attribute 28", route(A(28, b"\0"))),
    ("CVE-2023-31490", 7606, "7", "broken Prefix-SID (40): lengths", route(A(40, b"\1\0\xff"))),
    ("CVE-2024-31948", 7606, "7", "broken Prefix-SID (40): a stub", route(A(40, b"\5\0"))),
    ("prefix-sid-2025", 7606, "7", "Prefix-SID of no octet", route(A(40, b""))),
    ("CVE-2024-44070", 7606, "7", "TUNNEL_ENCAP sub-TLV longer than the TLV",
     route(A(23, b"\0\1\0\4\1\xff\0\0"))),
    ("otc-2025", 9234, "5", "OTC of three octets", route(A(35, b"\0\0\1"))),
    ("CVE-2026-37461", 7606, "7.15", "IPv6 extended communities of seven octets",
     route(A(25, b"\0" * 7))),
    ("CVE-2023-41358", 7606, "3.d", "NLRI without any attribute",
     lambda t: B.update([t.p(0)])),
    ("CVE-2023-46753", 7606, "3.d", "NLRI with nothing but an unknown attribute",
     lambda t: B.update([t.p(0)], [A(99, b"x")])),
    ("CVE-2023-47235", 7606, "3.d", "NLRI beside an empty MP_UNREACH_NLRI",
     lambda t: B.update([t.p(0)], [B.mp_unreach()])),
    ("bird-2026-as-path", 4271, "5.1.2", "a path of 900 AS numbers",
     lambda t: t.route(0, NEW, path=A(B.AS_PATH, b"".join(
         b"\2\xe1" + struct.pack("!I", PEER) * 225 for _ in range(4))))),
    ("attribute-0", 4271, "5", "attribute 0, optional", route(A(0, b""))),
]
for name, rfc, section, rule, make in KEPT:
    case(name, rfc, section, MUST, f"UPDATE: {rule}: the session stays")(keeps(make))

# UPDATEs that may cost their session, and nothing more.
SURVIVED = [
    ("CVE-2023-46752", 4760, "7", "MP_REACH_NLRI cut short",
     lambda t: t.route6(0, NEW, reach=A(B.MP_REACH, b"\0\2\1\x10\xfd\0"))),
    ("CVE-2023-47234", 4760, "7", "MP_UNREACH_NLRI beside NLRI, cut short",
     lambda t: B.update([t.p(0)], [A(B.MP_UNREACH, b"\0\2"), t.attrs(NEW)])),
    ("CVE-2023-38406", 4760, "7", "flowspec NLRI of length 0",
     lambda t: B.update((), [A(B.MP_REACH, b"\0\1\x85\0\0\0"), t.attrs(nh=b"")])),
    ("CVE-2023-41909", 4760, "7", "flowspec without attributes",
     lambda t: B.update((), [A(B.MP_REACH, b"\0\1\x85\0\0\3\1\x08\x0a")])),
    ("CVE-2023-38407", 4760, "7", "labelled unicast cut short",
     lambda t: B.update((), [A(B.MP_REACH, b"\0\1\4\4\x0a\0\0\2\0\x38\0"), t.attrs(nh=b"")])),
    ("CVE-2018-5379", 4456, "8", "CLUSTER_LIST twice, broken",
     route(A(B.CLUSTER_LIST, b"\1\2\3"), A(B.CLUSTER_LIST, b"\1\2\3\4\5"))),
    ("CVE-2017-16227", 4271, "6.3", "AS_PATH that lies about its length",
     lambda t: t.route(0, NEW, path=A(B.AS_PATH, b"\2\xff" + b"\0\0\xfd\xe8" * 4))),
    ("CVE-2026-37462", 4271, "6.3", "an UPDATE whose lengths leave less than nothing",
     lambda t: B.message(B.UPDATE, b"\xff\xff\xff\xff")),
    ("CVE-2023-46565", 4271, "8.2.2", "an OPEN and a NOTIFICATION in one segment",
     lambda t: B.open_msg(PEER, "10.9.9.9") + B.notification(6, 4)),
    ("CVE-2024-31949", 2842, "3", "a message of type 6 (dynamic capability) that never ends",
     lambda t: B.message(6, b"\0" * 30)),
    ("ipv6-huge-hop", 2545, "3", "an IPv6 next hop of 48 octets",
     lambda t: t.route6(0, NEW, reach=B.mp_reach([PEER6, "fe80::2", "fe80::3"], t.p6(0)))),
]
for name, rfc, section, rule, make in SURVIVED:
    case(name, rfc, section, MUST, f"{rule}: the daemon and its other sessions go on",
         slots=("ebgp", "ebgp"))(survived(make))


@case("CVE-2026-41643", 6793, "6", MUST,
      "AS4_PATH, broken, before AS_PATH from an old speaker: the session stays")
def as4_before(t):
    c = t.up(caps=[B.cap_mp(B.IPV4)], as_size=2)
    c.send(B.update([t.p(0)], [B.origin(), A(B.AS4_PATH, b"\2\xff\0\0"),
                               B.as_path(PEER, 64601, size=2), B.next_hop(t.addr())]))
    t.there(t.p(0), 64601)
    t.alive(c)


@case("CVE-2019-16159", 9003, "2", MUST, "a shutdown message of 128 octets and one of 255: survived",
      slots=("ebgp",) * 3)
def long_words(t):
    for i, n in enumerate((128, 255)):
        c = t.up(i)
        c.send(B.notification(6, 2, bytes([n]) + b"\xc3\xa4" * (n // 2) + b"x" * (n % 2)))
        t.until(lambda c=c: c.closed_at, "closed")
        c.speaker.close()
    t.fence(t.up(2), i=2)


@case("CVE-2018-5378", 4271, "6.4", MUST, "a NOTIFICATION of 4000 octets: survived",
      slots=("ebgp", "ebgp"))
def long_note(t):
    c = t.up(0)
    c.send(B.notification(3, 1, b"x" * 4000))
    t.until(lambda: c.closed_at, "closed")
    t.fence(t.up(1), i=1)
