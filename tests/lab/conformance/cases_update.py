"""Broken UPDATEs: RFC 4271 6.3 as RFC 7606 revises it, attribute by attribute."""
import struct

from herald_lab import bgpmsg as B

from .catalogue import MAY, MUST, SHOULD, Unsupported, case
from .duts import AS, DUT4, OWN4, PEER6

PEER = 65000
A = B.attr
NEW = 64601  # the tail of the broken announcement


def withdraws(make):
    """A good route, a broken one of the same prefix, a good one of another: the first is gone, the
    session is not."""
    def play(t):
        c = t.up()
        c.send(t.route(0), t.route(1))
        t.there(t.p(0))
        t.there(t.p(1))
        c.send(make(t))
        t.fence(c)
        t.gone(t.p(0))
        t.alive(c)
        assert t.told(t.p(1)), "another route was lost"
        assert not [u for u in t.stage.tables["ebgp"].told(t.p(0)) if u.as_path[-1] == NEW], \
            "the broken route was passed on"
    return play


def discards(make, code, sink="ebgp"):
    """The route is taken over without the attribute."""
    def play(t):
        c = t.up()
        c.send(t.route(0))
        t.there(t.p(0), sink=sink)
        c.send(make(t))
        t.until(lambda: c.closed_at or t._version(t.p(0), NEW, sink),
                lambda: f"the route without the attribute; the calm peer has "
                f"{t._shown(t.p(0), sink)}")
        t.alive(c)
        u = t.told(t.p(0), sink)
        assert code not in u.attrs, f"attribute {code} was passed on: {u.attrs[code].hex()}"
    return play


def resets(make, codes):
    def play(t):
        c = t.up()
        c.send(t.route(0))
        t.there(t.p(0))
        c.send(make(t))
        t.notified(c, codes)
        t.gone(t.p(0))
    return play


def takes(make, check=None, sink="ebgp"):
    """Nothing wrong with it."""
    def play(t):
        c = t.up()
        c.send(make(t))
        t.until(lambda: c.closed_at or t._version(t.p(0), NEW, sink),
                lambda: f"{t.p(0)} taken; the daemon uses it: {t.dut.used(t.p(0))}")
        t.alive(c)
        if check:
            check(t.told(t.p(0), sink))
    return play


def bad(add=(), **other):
    """The route of prefix 0, newer and broken."""
    return lambda t: t.route(0, NEW, add, **other)


def bad_path(value, flags=None):
    return bad(path=A(B.AS_PATH, value, flags))


def seg(*asns, kind=2):
    return bytes([kind, len(asns)]) + b"".join(struct.pack("!I", a) for a in asns)


def with_tail(*values):
    """Optional attributes behind the usual ones."""
    return bad(values)


# name, section, rule, message
WITHDRAW = [
    ("origin-length", "7.1", "ORIGIN of two octets", bad(origin=A(B.ORIGIN, b"\0\0"))),
    ("origin-empty", "7.1", "ORIGIN of no octet", bad(origin=A(B.ORIGIN, b""))),
    ("origin-value", "7.1", "ORIGIN 3", bad(origin=B.origin(3))),
    ("as-path-type", "7.2", "AS_PATH segment of an unknown type",
     bad_path(seg(PEER, NEW, kind=9))),
    ("as-path-empty-segment", "7.2", "AS_PATH segment of no AS", bad_path(b"\2\0" + seg(PEER, NEW))),
    ("as-path-overrun", "7.2", "AS_PATH segment beyond the attribute",
     bad_path(b"\2\5" + struct.pack("!II", PEER, NEW))),
    ("as-path-underrun", "7.2", "AS_PATH with one octet over", bad_path(seg(PEER, NEW) + b"\2")),
    ("next-hop-length", "7.3", "NEXT_HOP of three octets", bad(nh=A(B.NEXT_HOP, b"\1\2\3"))),
    ("med-length", "7.4", "MULTI_EXIT_DISC of three octets", with_tail(A(B.MED, b"\0\0\1"))),
    ("community-length", "7.8", "COMMUNITIES of five octets",
     with_tail(A(B.COMMUNITIES, b"\0\0\0\0\1"))),
    ("community-empty", "7.8", "COMMUNITIES of no octet", with_tail(A(B.COMMUNITIES, b""))),
    ("ext-community-length", "7.14", "EXTENDED COMMUNITIES of seven octets",
     with_tail(A(B.EXT_COMMUNITIES, b"\0" * 7))),
    ("ext-community-empty", "7.14", "EXTENDED COMMUNITIES of no octet",
     with_tail(A(B.EXT_COMMUNITIES, b""))),
    ("flags-origin", "3.c", "ORIGIN marked as optional", bad(origin=A(B.ORIGIN, b"\0", 0xc0))),
    ("flags-as-path", "3.c", "AS_PATH marked as non-transitive",
     bad_path(seg(PEER, NEW), 0x80)),
    ("flags-next-hop", "3.c", "NEXT_HOP marked as optional",
     lambda t: t.route(0, NEW, nh=A(B.NEXT_HOP, B.next_hop(t.addr())[3:], 0xc0))),
    ("flags-med", "3.c", "MULTI_EXIT_DISC marked as transitive",
     with_tail(A(B.MED, b"\0\0\0\1", 0xc0))),
    ("flags-communities", "3.c", "COMMUNITIES marked as non-transitive",
     with_tail(A(B.COMMUNITIES, b"\0\1\0\1", 0x80))),
    ("missing-origin", "3.d", "no ORIGIN", bad(origin=b"")),
    ("missing-as-path", "3.d", "no AS_PATH", bad(path=b"")),
    ("missing-next-hop", "3.d", "no NEXT_HOP", bad(nh=b"")),
    ("strongest", "3.h", "a fault to withdraw for and one to discard for: withdrawn",
     bad([A(B.AGGREGATOR, b"\0"), A(B.MED, b"\0")])),
    ("overrun", "4", "an attribute beyond the list of attributes",
     with_tail(A(B.MED, b"\0\0\0\1", length=200))),
    ("stub", "4", "less than a header left at the end of the list", with_tail(b"\x40")),
    ("stub-extended", "4", "an extended length cut short", with_tail(b"\x90\x04\x00")),
]
for name, section, rule, make in WITHDRAW:
    case(f"withdraw-{name}", 7606, section, MUST, f"{rule}: treat as withdraw")(withdraws(make))

IBGP_WITHDRAW = [
    ("local-pref-length", "7.5", "LOCAL_PREF of three octets, from the own AS",
     bad(pref=A(B.LOCAL_PREF, b"\0\0\1"))),
    ("originator-length", "7.9", "ORIGINATOR_ID of five octets, from the own AS",
     with_tail(A(B.ORIGINATOR_ID, b"\1\2\3\4\5"))),
    ("cluster-list-length", "7.10", "CLUSTER_LIST of five octets, from the own AS",
     with_tail(A(B.CLUSTER_LIST, b"\1\2\3\4\5"))),
    ("cluster-list-empty", "7.10", "CLUSTER_LIST of no octet, from the own AS",
     with_tail(A(B.CLUSTER_LIST, b""))),
]
for name, section, rule, make in IBGP_WITHDRAW:
    case(f"withdraw-{name}", 7606, section, MUST, f"{rule}: treat as withdraw",
         slots=("ibgp",))(withdraws(make))

case("withdraw-large-community-length", 8092, "5", MUST,
     "LARGE_COMMUNITY of 13 octets: treat as withdraw")(
         withdraws(with_tail(A(B.LARGE_COMMUNITIES, b"\0" * 13))))
case("withdraw-large-community-empty", 8092, "5", MUST,
     "LARGE_COMMUNITY of no octet: treat as withdraw")(
         withdraws(with_tail(A(B.LARGE_COMMUNITIES, b""))))

@case("withdraw-ipv6-ext-community-length", 7606, "7.15", MUST,
      "IPv6 address specific extended communities of 19 octets: treat as withdraw")
def ipv6_ext_community(t):
    c = t.up()
    c.send(t.route(0), t.route(1))
    t.there(t.p(0))
    c.send(t.route(0, NEW, [A(25, b"\0" * 19)]))
    t.fence(c)
    t.until(lambda: c.closed_at or not t.told(t.p(0)) or t._version(t.p(0), NEW, "ebgp"), "a verdict")
    t.alive(c)
    u = t.told(t.p(0))
    if u and u.flags.get(25, 0) & B.PARTIAL:
        raise Unsupported("it does not know the attribute, and passes it on as such")
    t.gone(t.p(0))


case("withdraw-as-0", 7607, "2", MUST, "AS 0 in the AS_PATH: treat as withdraw")(
    withdraws(bad(path=A(B.AS_PATH, seg(PEER, 0, NEW)))))

# name, section, rule, attribute, message
DISCARD = [
    ("atomic-length", "7.6", "ATOMIC_AGGREGATE of one octet", B.ATOMIC,
     with_tail(A(B.ATOMIC, b"\0"))),
    ("aggregator-length", "7.7", "AGGREGATOR of three octets", B.AGGREGATOR,
     with_tail(A(B.AGGREGATOR, b"\0\0\0"))),
    ("aggregator-six", "7.7", "AGGREGATOR of six octets between speakers of four-octet AS numbers",
     B.AGGREGATOR, with_tail(A(B.AGGREGATOR, b"\xfd\xe8\1\2\3\4"))),
    ("local-pref-ebgp", "7.5", "LOCAL_PREF from another AS, whatever its length", B.LOCAL_PREF,
     with_tail(A(B.LOCAL_PREF, b"\0\0\0"))),
    ("originator-ebgp", "7.9", "ORIGINATOR_ID from another AS, whatever its length",
     B.ORIGINATOR_ID, with_tail(A(B.ORIGINATOR_ID, b"\0"))),
    ("cluster-list-ebgp", "7.10", "CLUSTER_LIST from another AS, whatever its length",
     B.CLUSTER_LIST, with_tail(A(B.CLUSTER_LIST, b"\0"))),
]
for name, section, rule, code, make in DISCARD:
    case(f"discard-{name}", 7606, section, MUST, f"{rule}: the attribute is discarded")(
        discards(make, code))
case("discard-aggregator-as-0", 7607, "2", MUST, "AGGREGATOR with AS 0: discarded")(
    discards(with_tail(A(B.AGGREGATOR, b"\0\0\0\0\1\2\3\4")), B.AGGREGATOR))
case("discard-as4-path-new-speaker", 6793, "4.1", MUST,
     "AS4_PATH between speakers of four-octet AS numbers: discarded")(
         discards(with_tail(A(B.AS4_PATH, seg(1, 2))), B.AS4_PATH))
case("discard-as4-aggregator-new-speaker", 6793, "4.1", MUST,
     "AS4_AGGREGATOR between speakers of four-octet AS numbers: discarded")(
         discards(with_tail(A(B.AS4_AGGREGATOR, b"\0\1\0\0\1\2\3\4")), B.AS4_AGGREGATOR))

BAD_MP = {3}
# name, section, rule, message, codes
RESET = [
    ("withdrawn-length", "3.b", "length of withdrawn routes beyond the message: 3/1",
     lambda t: B.update(withdrawn_len=500), {(3, 1)}),
    ("attributes-length", "3.b", "length of attributes beyond the message: 3/1",
     lambda t: B.update(attrs_len=500), {(3, 1)}),
    ("mp-reach-twice", "3.g", "MP_REACH_NLRI twice: 3/1",
     lambda t: B.update((), [B.mp_reach(PEER6, t.p6(0)), B.mp_reach(PEER6, t.p6(1)),
                             t.attrs(nh=b"")]), {(3, 1)}),
    ("mp-unreach-twice", "3.g", "MP_UNREACH_NLRI twice: 3/1",
     lambda t: B.update((), [B.mp_unreach(t.p6(0)), B.mp_unreach(t.p6(1))]), {(3, 1)}),
    ("nlri-33", "3.j", "a prefix of 33 bits: reset with 3",
     lambda t: t.route(0, NEW, nlri=b"\x21\1\2\3\4\5"), {3}),
    ("nlri-cut", "3.j", "a prefix cut short: reset with 3",
     lambda t: t.route(0, NEW, nlri=b"\x18\x0a\x42"), {3}),
    ("withdrawn-33", "3.j", "a withdrawn prefix of 33 bits: reset with 3",
     lambda t: B.update(withdrawn=b"\x21\1\2\3\4\5"), {3}),
]
for name, section, rule, make, codes in RESET:
    case(f"reset-{name}", 7606, section, MUST, rule)(resets(make, codes))
case("reset-nlri-subcode", 4271, "6.3", MUST, "a prefix that cannot be read: 3/10")(
    resets(lambda t: t.route(0, NEW, nlri=b"\x21\1\2\3\4\5"), {(3, 10)}))
case("reset-update-22", 4271, "6.1", MUST, "an UPDATE below 23 octets: 1/2 with the length")(
    resets(lambda t: B.message(B.UPDATE, b"\0\0\0"), {(1, 2)}))
case("reset-unknown-well-known", 4271, "6.3", MUST,
     "an unknown attribute that is marked as well-known: 3/2")(
         resets(with_tail(A(99, b"x", B.TRANS)), {(3, 2)}))
case("reset-marker-established", 4271, "6.1", MUST, "a broken marker in Established: 1/1")(
    resets(lambda t: B.message(B.KEEPALIVE, marker=b"\0" * 16), {(1, 1)}))


def mp_bad(make):
    """RFC 4760 7: the family's routes go; then the session is reset or the family ignored."""
    def play(t):
        c = t.up()
        c.send(t.route6(0), t.route6(1))
        t.there(t.p6(0))
        t.there(t.p6(1))
        c.send(make(t))
        t.gone(t.p6(0), t.p6(1))
        if c.of(B.NOTIFICATION):
            t.note(f"reset with {c.of(B.NOTIFICATION)[0].code}")
        assert c.of(B.NOTIFICATION) or not c.closed_at, "closed without NOTIFICATION"
        assert not c.of(B.NOTIFICATION) or c.of(B.NOTIFICATION)[0].code[0] == 3
    return play


MP_BAD = [
    ("next-hop-length", "7.11", "next hop of four octets",
     lambda t: t.route6(0, NEW, reach=A(B.MP_REACH, b"\0\2\1\4\1\2\3\4\0" + B.prefix(t.p6(0))))),
    ("next-hop-overrun", "5.3", "next hop beyond the attribute",
     lambda t: t.route6(0, NEW, reach=A(B.MP_REACH, b"\0\2\1\xff\xfd\0\0\0\0"))),
    ("stub", "5.3", "attribute of three octets",
     lambda t: t.route6(0, NEW, reach=A(B.MP_REACH, b"\0\2\1"))),
    ("nlri-129", "5.3", "prefix of 129 bits",
     lambda t: t.route6(0, NEW, reach=A(B.MP_REACH, b"\0\2\1\x10\xfd" + b"\0" * 15
                                        + b"\0\x81" + b"\1" * 17))),
]
for name, section, rule, make in MP_BAD:
    case(f"mp-reach-{name}", 7606, section, MUST,
         f"MP_REACH_NLRI, {rule}: the family's routes go, by reset or by disabling it")(mp_bad(make))
case("mp-unreach-stub", 7606, "7.12", MUST,
     "MP_UNREACH_NLRI of two octets: the family's routes go, by reset or by disabling it")(
         mp_bad(lambda t: B.update((), A(B.MP_UNREACH, b"\0\2"))))


@case("withdraw-ipv6", 7606, "5.2", MUST,
      "a broken attribute beside MP_REACH_NLRI withdraws its routes")
def withdraw_ipv6(t):
    c = t.up()
    c.send(t.route6(0), t.route6(1))
    t.there(t.p6(0))
    c.send(t.route6(0, NEW, origin=B.origin(9)))
    t.fence(c)
    t.gone(t.p6(0))
    t.alive(c)
    assert t.told(t.p6(1))


@case("withdraw-both-families", 7606, "5.2", MUST,
      "a broken attribute withdraws the routes of both fields")
def withdraw_both(t):
    c = t.up()
    c.send(t.route(0), t.route6(0), t.route(1))
    t.there(t.p(0))
    t.there(t.p6(0))
    c.send(B.update([t.p(0)], B.mp_reach(PEER6, t.p6(0)) + t.attrs(NEW, origin=B.origin(9))))
    t.fence(c)
    t.gone(t.p(0), t.p6(0))
    t.alive(c)


# ---- what is well ----

def carries(code, value):
    def check(u):
        assert u.attrs.get(code) == value, f"attribute {code}: {u.attrs.get(code)}"
    return check


def lacks(code):
    def check(u):
        assert code not in u.attrs, f"attribute {code} passed on: {u.attrs[code].hex()}"
    return check


def partial(code, value):
    def check(u):
        carries(code, value)(u)
        assert u.flags[code] & ~B.EXT_LEN == B.OPT | B.TRANS | B.PARTIAL, hex(u.flags[code])
    return check


def med_of(n):
    """MED does not go to a third AS; the own AS is told."""
    def check(u):
        assert u.number(B.MED) == n, u.number(B.MED)
    return check


def _long_path(u):
    assert u.as_path == [AS, PEER, *range(100, 399), NEW], len(u.as_path)


def _set_path(u):
    assert u.segments()[0] == (2, [AS, PEER]), u.segments()
    assert u.segments()[1][0] == 1, u.segments()


TAKE = [
    ("duplicate-attribute", 7606, "3.g", MUST, "of an attribute that comes twice the first counts",
     with_tail(B.communities("65000:1"), B.communities("65000:2")),
     carries(B.COMMUNITIES, b"\xfd\xe8\0\1"), "ebgp"),
    ("partial-ignored", 7606, "3.c", MUST, "the Partial bit is not looked at",
     with_tail(A(B.COMMUNITIES, b"\xfd\xe8\0\1", 0xe0)), carries(B.COMMUNITIES, b"\xfd\xe8\0\1"),
     "ebgp"),
    ("attribute-order", 4271, "5", MUST, "attributes come in any order",
     lambda t: B.update([t.p(0)], [B.communities("1:2"), B.next_hop(t.addr()),
                                   B.as_path(PEER, NEW), B.origin()]), None, "ebgp"),
    ("extended-length-short", 4271, "4.3", MUST, "an extended length of a short attribute",
     lambda t: t.route(0, NEW, origin=A(B.ORIGIN, b"\0", B.TRANS | B.EXT_LEN)), None, "ebgp"),
    ("unknown-transitive", 4271, "5", MUST,
     "an unknown transitive attribute is passed on with the Partial bit",
     with_tail(A(213, b"abc", 0xc0)), partial(213, b"abc"), "ebgp"),
    ("unknown-partial-kept", 4271, "5", MUST, "a Partial bit that is set stays set",
     with_tail(A(213, b"abcd", 0xe0)), partial(213, b"abcd"), "ebgp"),
    ("unknown-non-transitive", 4271, "5", MUST,
     "an unknown non-transitive attribute is ignored and not passed on",
     with_tail(A(214, b"abc", 0x80)), lacks(214), "ebgp"),
    ("unknown-3000", 4271, "4.3", MUST, "an unknown attribute of 3000 octets",
     with_tail(A(213, b"y" * 3000, 0xc0)), carries(213, b"y" * 3000), "ebgp"),
    ("communities-300", 1997, "4", MUST, "300 communities",
     with_tail(B.communities(*range(4259840001, 4259840301))),
     carries(B.COMMUNITIES, b"".join(struct.pack("!I", x) for x in range(
         4259840001, 4259840301))), "ebgp"),
    ("large-community", 8092, "3", MUST, "large communities are passed on",
     with_tail(A(B.LARGE_COMMUNITIES, struct.pack("!III", 65000, 1, 2))),
     carries(B.LARGE_COMMUNITIES, struct.pack("!III", 65000, 1, 2)), "ebgp"),
    ("med-to-own-as", 4271, "5.1.4", MUST, "MED from another AS is told within the own one",
     with_tail(B.med(77)), med_of(77), "ibgp"),
    ("as-path-long", 4271, "5.1.2", MUST, "300 AS numbers in one path, in two segments",
     lambda t: t.route(0, NEW, path=A(B.AS_PATH, seg(PEER, *range(100, 300))
                                      + seg(*range(300, 399), NEW))),
     _long_path, "ebgp"),
    ("as-set", 4271, "5.1.2", MUST, "an AS_SET at the end of the path; prepending goes before it",
     lambda t: t.route(0, NEW, path=A(B.AS_PATH, seg(PEER) + seg(64602, NEW, kind=1))),
     _set_path, "ebgp"),
]


for name, rfc, section, level, rule, make, check, sink in TAKE:
    case(name, rfc, section, level, rule)(takes(make, check, sink))


@case("trailing-bits", 4271, "4.3", MUST, "bits behind a prefix are irrelevant")
def trailing(t):
    c = t.up()
    bits = bytearray(B.prefix(t.p(0)))
    bits[0] = 20  # the case's own /20
    bits[3] |= 0x0f
    c.send(t.route(0, NEW, nlri=bytes(bits)))
    net = t.p(0).replace("/24", "/20")
    t.there(net, NEW)


@case("withdrawn-and-announced", 4271, "4.3", SHOULD,
      "a prefix that is withdrawn and announced in one UPDATE is announced")
def both_fields(t):
    c = t.up()
    c.send(t.route(0))
    t.there(t.p(0))
    c.send(B.update([t.p(0)], t.attrs(NEW), withdrawn=[t.p(0)]))
    t.there(t.p(0), NEW)


@case("fields-mixed", 7606, "5.1", MUST, "all four fields in one UPDATE are understood")
def four_fields(t):
    c = t.up()
    c.send(t.route(0), t.route6(0))
    t.there(t.p(0))
    t.there(t.p6(0))
    c.send(B.update([t.p(1)], [B.mp_reach(PEER6, t.p6(1)), B.mp_unreach(t.p6(0)),
                               t.attrs(NEW)], withdrawn=[t.p(0)]))
    t.there(t.p(1), NEW)
    t.there(t.p6(1), NEW)
    t.gone(t.p(0), t.p6(0))


@case("sends-one-field", 7606, "5.1", MUST,
      "what it sends has MP_REACH_NLRI or MP_UNREACH_NLRI first, and one of the four fields")
def one_field(t):
    c = t.up()
    c.send(t.route(0), t.route6(0))
    t.there(t.p(0))
    t.there(t.p6(0))
    c.send(B.update(withdrawn=[t.p(0)]), B.update((), B.mp_unreach(t.p6(0))))
    t.gone(t.p(0), t.p6(0))
    table = t.stage.tables["ebgp"].catch_up()
    assert not table.bad, table.bad[:3]
    for u in table.history:
        mp = [x for x in u.order if x in (B.MP_REACH, B.MP_UNREACH)]
        assert len(mp) + sum(u.body_routes) <= 1, f"fields: {mp}, {u.body_routes}"
        assert not mp or u.order[0] == mp[0], f"attributes in the order {u.order}"


@case("mp-reserved-octet", 4760, "3", MUST, "the reserved octet is ignored")
def reserved(t):
    c = t.up()
    reach = bytearray(B.mp_reach(PEER6, t.p6(0)))
    reach[3 + 4 + 16] = 0xff
    c.send(t.route6(0, NEW, reach=bytes(reach)))
    t.until(lambda: c.closed_at or t._version(t.p6(0), NEW, "ebgp"), "the route")
    t.alive(c)


@case("mp-next-hop-32", 2545, "3", MUST, "a next hop of 32 octets: global and link-local")
def two_hops(t):
    c = t.up()
    c.send(t.route6(0, NEW, reach=B.mp_reach([PEER6, "fe80::2"], t.p6(0))))
    t.until(lambda: c.closed_at or t._version(t.p6(0), NEW, "ebgp"), "the route")
    t.alive(c)


@case("mp-family-not-agreed", 4760, "8", MUST,
      "routes of a family that was not agreed on are not used")
def not_agreed(t):
    c = t.up(caps=[B.cap_mp(B.IPV4), B.cap_as4(PEER)])
    c.send(t.route6(0))
    t.until(lambda: c.send(t.route(1)) is None and (c.closed_at or t.told(t.p(1))), "a fence")
    assert not t.told(t.p6(0)) and not t.dut.used(t.p6(0))
    if c.closed_at:
        t.note("the session is reset")


@case("empty-update", 4271, "4.3", MUST, "an UPDATE without anything is legal")
def empty(t):
    c = t.up()
    c.send(B.update(), B.update(), B.update((), B.mp_unreach()))
    t.fence(c)


@case("own-as-loop", 4271, "9.1.2", MUST, "a path with the own AS in it is not used")
def loop(t):
    c = t.up()
    c.send(t.route(0, path=B.as_path(PEER, AS, NEW)))
    t.fence(c)
    assert not t.told(t.p(0)) and not t.dut.used(t.p(0)), "it is used"
    t.alive(c)


@case("next-hop-own-address", 4271, "5.1.3", MUST,
      "a route whose next hop is the receiver's own address is not used")
def own_next_hop(t):
    c = t.up()
    c.send(t.route(0, nh=B.next_hop(DUT4)))
    t.fence(c)
    t.alive(c)
    assert not t.told(t.p(0)) and not t.dut.used(t.p(0)), "it is used"


@case("first-as", 4271, "6.3", MAY,
      "a path that does not begin with the peer's AS is not used, where that is checked")
def first_as(t):
    c = t.up()
    c.send(t.route(0, path=B.as_path(64998, NEW)), t.route(1))
    t.until(lambda: c.closed_at or t.told(t.p(1)), "a fence")
    if c.closed_at:
        t.notified(c, {3})
    assert not t.told(t.p(0)) and not t.dut.used(t.p(0)), "it is used"


@case("own-route-not-replaced", 4271, "9.1.2", SHOULD,
      "a peer's route for what the daemon announces itself does not replace it")
def own_stays(t):
    c = t.up()
    c.send(B.update([OWN4], t.attrs(NEW)))
    t.fence(c)
    assert t.told(OWN4) and t.told(OWN4).as_path == [AS], t.told(OWN4).as_path
