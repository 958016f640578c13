"""Several paths (RFC 7911), IPv6 next hops of IPv4 routes (RFC 8950), roles (RFC 9234)."""
import ipaddress
import struct

from herald_lab import bgpmsg as B

from .catalogue import MUST, SHOULD, Unsupported, case
from .duts import AS, OWN4, PEER6

OTC = 35
PROVIDER, RS, RS_CLIENT, CUSTOMER, LATERAL = range(5)


# ---- RFC 7911 ----

def add_path(mode=3):
    return B.cap(69, struct.pack("!HBB", 1, 1, mode) + struct.pack("!HBB", 2, 1, mode))


def many(t, i=0, mode=3, receive=True):
    """A session on which IPv4 routes carry identifiers both ways."""
    c = t.up(i, more=[add_path(mode)], paths={B.IPV4, B.IPV6} if receive else ())
    v = t.offers(c, 69, "several paths")[0]
    modes = {tuple(v[k:k + 3]): v[k + 3] for k in range(0, len(v), 4)}
    c.does = modes.get((0, 1, 1), 0)
    return c


def path(t, ident, k=0, tail=64600, i=0):
    return B.update(struct.pack("!I", ident) + B.prefix(t.p(k)), t.attrs(tail, i=i))


@case("add-path-receive", 7911, "3", MUST,
      "several paths of one prefix; each is replaced and withdrawn by its own identifier",
      slots=("paths",))
def receive(t):
    c = many(t)
    if not c.does & 1:
        raise Unsupported("it does not receive several paths")
    c.send(path(t, 1, tail=64611), path(t, 2, tail=64612))
    t.until(lambda: t.told(t.p()), "a path")
    c.send(B.update(withdrawn=struct.pack("!I", 1) + B.prefix(t.p())))
    t.there(t.p(), 64612)
    c.send(path(t, 2, tail=64613))
    t.there(t.p(), 64613)
    c.send(B.update(withdrawn=struct.pack("!I", 2) + B.prefix(t.p())))
    t.gone(t.p())
    t.alive(c)


@case("add-path-identifiers", 7911, "3", MUST, "any identifier, 0 and the largest too",
      slots=("paths",))
def identifiers(t):
    c = many(t)
    if not c.does & 1:
        raise Unsupported("it does not receive several paths")
    c.send(path(t, 0, tail=64611), path(t, 0xFFFFFFFF, tail=64612))
    t.until(lambda: t.told(t.p()), "a path")
    c.send(B.update(withdrawn=struct.pack("!I", 0) + B.prefix(t.p())))
    t.there(t.p(), 64612)


@case("add-path-send", 7911, "3", MUST, "both paths of a prefix to a peer that takes several",
      slots=("paths-other", "ebgp", "ebgp"))
def send(t):
    c, a, b = many(t, 0), t.up(1), t.up(2)
    if not c.does & 2:
        raise Unsupported("it does not send several paths")
    a.send(t.route(tail=64611, i=1))
    b.send(t.route(tail=64612, i=2))
    t.until(lambda: {u.as_path[-1] for u in c.table.all(t.p()).values()} == {64611, 64612},
            lambda: f"both paths; it has {[u.as_path for u in c.table.all(t.p()).values()]}")
    b.send(B.update(withdrawn=[t.p()]))
    t.until(lambda: [u.as_path[-1] for u in c.table.all(t.p()).values()] == [64611],
            "the other one withdrawn")
    assert not c.table.bad, c.table.bad[:2]


@case("add-path-own-identifiers", 7911, "3", MUST,
      "the identifier it sends is its own, unique to each path of a prefix",
      slots=("paths-other", "paths", "paths"))
def own_identifiers(t):
    c, a, b = many(t, 0), many(t, 1), many(t, 2)
    if not c.does & 2 or not a.does & 1:
        raise Unsupported("it does not do both directions")
    a.send(path(t, 7, tail=64611, i=1))
    b.send(path(t, 7, tail=64612, i=2))
    t.until(lambda: {u.as_path[-1] for u in c.table.all(t.p()).values()} == {64611, 64612},
            lambda: f"both paths; it has {[u.as_path for u in c.table.all(t.p()).values()]}")


@case("add-path-one-direction", 7911, "4", MUST,
      "identifiers go in the directions only that both have agreed on", slots=("paths",))
def one_direction(t):
    c = many(t, mode=2, receive=False)  # we send several, and want one
    if not c.does & 1:
        raise Unsupported("it does not receive several paths")
    t.until(lambda: c.table.get(OWN4), "its route without an identifier")
    c.send(path(t, 9, tail=64611))
    t.there(t.p(), 64611)
    assert not c.table.bad, c.table.bad[:2]


@case("add-path-not-agreed", 7911, "4", MUST, "a peer without the capability gets one path",
      slots=("paths",))
def not_agreed(t):
    c = t.up()
    t.offers(c, 69, "several paths")
    t.until(lambda: c.table.get(OWN4), "its route without an identifier")
    c.send(t.route())
    t.there(t.p())


# ---- RFC 8950 ----

HOP6 = B.cap(5, struct.pack("!HHH", 1, 1, 2))


def reach4(t, k=0, hop=PEER6):
    return B.attr(B.MP_REACH, struct.pack("!HBB", 1, 1, 16) + ipaddress.ip_address(hop).packed
                  + b"\0" + B.prefix(t.p(k)))


@case("next-hop-6-received", 8950, "4", MUST, "an IPv4 route with an IPv6 next hop, agreed on",
      slots=("hop6",))
def hop6(t):
    c = t.up(more=[HOP6])
    t.offers(c, 5, "extended next hop")
    c.send(B.update((), reach4(t) + t.attrs(nh=b"")))
    t.until(lambda: c.closed_at or t.dut.used(t.p()), "the route used")
    t.alive(c)


@case("next-hop-6-not-agreed", 8950, "4", MUST,
      "without the capability such a route is not used", slots=("ebgp",))
def hop6_not(t):
    c = t.up()
    c.send(B.update((), reach4(t) + t.attrs(nh=b"")))
    t.until(lambda: c.closed_at or _try(c, t), "a fence")
    if c.closed_at:
        t.note("the session is reset")
        assert c.of(B.NOTIFICATION)
    assert not t.told(t.p(0)) and not t.dut.used(t.p(0)), "it is used"


def _try(c, t):
    try:
        c.send(t.route(1))
    except OSError:
        return False
    return t.told(t.p(1))


@case("next-hop-6-not-sent", 8950, "4", MUST, "to a peer without the capability IPv4 next hops",
      slots=("hop6",))
def hop6_not_sent(t):
    c = t.up()
    t.offers(c, 5, "extended next hop")
    u = t.until(lambda: c.table.get(OWN4), "its route")
    assert B.NEXT_HOP in u.attrs and B.MP_REACH not in u.attrs, list(u.attrs)


# ---- RFC 9234 ----

def role(value):
    return B.cap(9, bytes([value]))


def roled(t, theirs, i=0):
    c = t.up(i, more=[role(theirs)])
    t.offers(c, 9, "roles")
    return c


@case("role-offered", 9234, "4.1", MUST, "the role in a capability of one octet",
      slots=("customer",))
def role_offered(t):
    _, c = t.dial(caps=None)
    assert t.offers(c, 9, "roles") == [bytes([CUSTOMER])]


def mismatch(theirs):
    def play(t):
        s, c = t.dial()
        t.offers(c, 9, "roles")
        c.send(B.open_msg(s.asn, s.ident, caps=[B.cap_mp(B.IPV4), B.cap_as4(s.asn), role(theirs)]))
        t.notified(c, {(2, 11)})
    return play


case("role-mismatch-customer", 9234, "4.2", MUST, "a customer whose peer is a customer: 2/11",
     slots=("customer",))(mismatch(CUSTOMER))
case("role-mismatch-peer", 9234, "4.2", MUST, "a peer whose peer is a provider: 2/11",
     slots=("peer",))(mismatch(PROVIDER))
case("role-mismatch-provider", 9234, "4.2", MUST, "a provider whose peer is a route server's "
     "client: 2/11", slots=("provider",))(mismatch(RS_CLIENT))


@case("role-twice", 9234, "4.2", MUST, "two different roles: 2/11", slots=("customer",))
def role_twice(t):
    s, c = t.dial()
    t.offers(c, 9, "roles")
    c.send(B.open_msg(s.asn, s.ident, caps=[B.cap_mp(B.IPV4), B.cap_as4(s.asn), role(PROVIDER),
                                            role(LATERAL)]))
    t.notified(c, {(2, 11)})


@case("role-missing", 9234, "4.2", SHOULD, "a peer without the capability: the session comes up",
      slots=("customer",))
def role_missing(t):
    t.fence(t.up())


@case("otc-added-on-receipt", 9234, "5", MUST,
      "from a provider: OTC of the provider's AS is added", slots=("customer",))
def otc_added(t):
    c = roled(t, PROVIDER)
    c.send(t.route())
    u = t.there(t.p())
    assert u.attrs.get(OTC) == struct.pack("!I", t.asn()), u.attrs.get(OTC)


@case("otc-leak-from-customer", 9234, "5", MUST, "a route with OTC from a customer is a leak: not "
      "used", slots=("provider",))
def otc_leak(t):
    c = roled(t, CUSTOMER)
    c.send(t.route(0, add=[B.attr(OTC, struct.pack("!I", 64600))]))
    t.fence(c)
    assert not t.told(t.p()) and not t.dut.used(t.p()), "it is used"


@case("otc-leak-from-peer", 9234, "5", MUST, "a route with another AS's OTC from a peer is a leak",
      slots=("peer",))
def otc_peer(t):
    c = roled(t, LATERAL)
    c.send(t.route(0, add=[B.attr(OTC, struct.pack("!I", 64600))]),
           t.route(1, add=[B.attr(OTC, struct.pack("!I", t.asn()))]))
    t.there(t.p(1))
    t.fence(c)
    assert not t.told(t.p(0)) and not t.dut.used(t.p(0)), "it is used"


@case("otc-to-customer", 9234, "5", MUST, "to a customer: OTC of the own AS is added",
      slots=("provider", "ebgp"))
def otc_to_customer(t):
    c, a = roled(t, CUSTOMER, 0), t.up(1)
    a.send(t.route(i=1))
    u = t.until(lambda: c.table.get(t.p()), "the customer told")
    assert u.attrs.get(OTC) == struct.pack("!I", AS), u.attrs.get(OTC)


@case("otc-not-to-provider", 9234, "5", MUST, "a route with OTC does not go to a provider",
      slots=("customer", "ebgp"))
def otc_not_up(t):
    c, a = roled(t, PROVIDER, 0), t.up(1)
    a.send(t.route(0, add=[B.attr(OTC, struct.pack("!I", 64600))], i=1))
    a.send(t.route(1, i=1))
    t.there(t.p(0))
    t.until(lambda: c.table.get(t.p(1)), "the provider told of the other one")
    assert not c.table.told(t.p(0)), "told"


@case("otc-length", 9234, "5", MUST, "OTC of three octets: treat as withdraw", slots=("customer",))
def otc_length(t):
    c = roled(t, PROVIDER)
    c.send(t.route(0), t.route(1))
    t.there(t.p(0))
    c.send(t.route(0, 64601, add=[B.attr(OTC, b"\0\0\1")]))
    t.fence(c)
    t.gone(t.p(0))
    t.alive(c)
