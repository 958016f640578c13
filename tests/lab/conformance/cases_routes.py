"""What becomes of good routes: attributes on the way, reflection, communities, old speakers, and
which of several paths is used."""
import struct

from herald_lab import bgpmsg as B

from .catalogue import MUST, SHOULD, Unsupported, case
from .duts import AS, DUT4, DUT6, EBGP_SINK, OWN4, OWN6, PEER6

PEER = 65000
NO_EXPORT, NO_ADVERTISE, NO_SUBCONFED = 0xFFFFFF01, 0xFFFFFF02, 0xFFFFFF03
GRACEFUL_SHUTDOWN = 0xFFFF0000


# ---- RFC 4271 5.1 ----

@case("as-path-ebgp", 4271, "5.1.2", MUST, "to another AS: the own AS in front")
def prepended(t):
    c = t.up()
    c.send(t.route())
    u = t.there(t.p())
    assert u.segments() == [(2, [AS, PEER, 64600])], u.segments()


@case("as-path-ibgp", 4271, "5.1.2", MUST, "within the own AS: the path as it is")
def unchanged(t):
    c = t.up()
    c.send(t.route())
    u = t.there(t.p(), sink="ibgp")
    assert u.segments() == [(2, [PEER, 64600])], u.segments()


@case("as-path-own-ibgp", 4271, "5.1.2", MUST, "own routes within the own AS: an empty path",
      slots=())
def empty_path(t):
    u = t.there(OWN4, None, "ibgp")
    assert u.attrs.get(B.AS_PATH) == b"", u.attrs.get(B.AS_PATH)


@case("as-path-own-ebgp", 4271, "5.1.2", MUST, "own routes to another AS: the own AS alone",
      slots=())
def own_path(t):
    assert t.there(OWN4, None).segments() == [(2, [AS])]


@case("as-path-prepend-full", 4271, "5.1.2", MUST,
      "a first segment of 255 AS numbers gets another one before it")
def full_segment(t):
    c = t.up()
    c.send(t.route(path=B.attr(B.AS_PATH, b"\2\xff" + struct.pack(
        "!255I", PEER, *range(1000, 1253), 64600))))
    u = t.there(t.p())
    assert u.as_path == [AS, PEER, *range(1000, 1253), 64600], u.segments()
    assert all(len(s) <= 255 for _, s in u.segments())


@case("next-hop-own", 4271, "5.1.3", MUST, "own routes to another AS: the own address", slots=())
def hop_own(t):
    assert t.there(OWN4, None).next_hop == DUT4


@case("next-hop-own-ipv6", 2545, "3", MUST, "own IPv6 routes: the own global address", slots=())
def hop_own6(t):
    u = t.there(OWN6, None)
    assert u.next_hop == DUT6 and len(u.mp_hop) in (16, 32), u.mp_hop.hex()


@case("next-hop-ibgp", 4271, "5.1.3", SHOULD,
      "what another AS has told keeps its next hop within the own AS")
def hop_kept(t):
    c = t.up()
    c.send(t.route())
    assert t.there(t.p(), sink="ibgp").next_hop == t.addr()


@case("next-hop-receiver", 4271, "5.1.3", SHOULD,
      "no peer is told a route whose next hop is its own address (a duty for originated ones)")
def hop_receiver(t):
    c = t.up()
    c.send(t.route(nh=B.next_hop(EBGP_SINK)))
    t.fence(c)
    told = t.stage.tables["ebgp"].told(t.p())
    assert not [u for u in told if u.next_hop == EBGP_SINK], "told to itself"


@case("next-hop-ebgp", 4271, "5.1.3", MUST,
      "to another AS: the own address, or one on the common network")
def hop_ebgp(t):
    c = t.up()
    c.send(t.route())
    assert t.there(t.p()).next_hop in (DUT4, t.addr())


@case("med-not-further", 4271, "5.1.4", MUST, "a MED from one AS does not go to a third")
def med_dropped(t):
    c = t.up()
    c.send(t.route(add=[B.med(77)]))
    u = t.there(t.p())
    assert B.MED not in u.attrs, u.number(B.MED)


@case("local-pref-ibgp", 4271, "5.1.5", MUST, "within the own AS each route has a LOCAL_PREF")
def pref_ibgp(t):
    c = t.up()
    c.send(t.route())
    assert t.there(t.p(), sink="ibgp").number(B.LOCAL_PREF) is not None
    assert t.there(OWN4, None, "ibgp").number(B.LOCAL_PREF) is not None


@case("local-pref-ebgp", 4271, "5.1.5", MUST, "no LOCAL_PREF to another AS", slots=("ibgp",))
def pref_ebgp(t):
    c = t.up()
    c.send(t.route(pref=B.local_pref(300)))
    assert B.LOCAL_PREF not in t.there(t.p()).attrs
    assert B.LOCAL_PREF not in t.there(OWN4, None).attrs


@case("local-pref-from-ebgp", 4271, "5.1.5", MUST, "a LOCAL_PREF from another AS is ignored")
def pref_ignored(t):
    c = t.up()
    c.send(t.route(add=[B.local_pref(999)]))
    u = t.there(t.p(), sink="ibgp")
    assert u.number(B.LOCAL_PREF) != 999


@case("attribute-flags", 4271, "5", MUST, "the flags of what it sends", slots=("ebgp",))
def flags(t):
    c = t.up()
    c.send(t.route(add=[B.communities("65000:1"), B.attr(B.AGGREGATOR, struct.pack(
        "!II", 64600, 1)), B.attr(B.ATOMIC, b"")]))
    u = t.there(t.p())
    for code, f in u.flags.items():
        assert f & 0x0f == 0, f"attribute {code}: {f:#x}"
        if code in B.FLAGS:
            assert f & 0xc0 == B.FLAGS[code] & 0xc0, f"attribute {code}: {f:#x}"
    assert {B.COMMUNITIES, B.AGGREGATOR, B.ATOMIC} <= set(u.attrs), list(u.attrs)


@case("withdraw-passed-on", 4271, "9.2", MUST, "a route that is withdrawn, or whose session ends, is "
      "withdrawn from others")
def withdrawn(t):
    c = t.up()
    c.send(t.route(0), t.route(1))
    t.there(t.p(0))
    t.there(t.p(1))
    c.send(B.update(withdrawn=[t.p(0)]))
    t.gone(t.p(0))
    assert t.told(t.p(1))
    c.close()
    t.gone(t.p(1))


@case("ibgp-to-ibgp", 4271, "9.2", MUST, "what came from the own AS is not told within it",
      slots=("ibgp",))
def ibgp_split(t):
    c = t.up()
    c.send(t.route())
    t.there(t.p())
    c.send(t.route(1))
    t.there(t.p(1))
    assert not t.stage.tables["ibgp"].told(t.p())


# ---- which path is used ----

def better(t, first, second, wins):
    """@first and @second: (slot, attributes) of the same prefix; the calm peer has the tail of the
    one that wins, in either order of arrival."""
    conns = [t.up(0), t.up(1)]
    for k, order in ((0, (first, second)), (1, (second, first))):
        for i, attrs in order:
            conns[i].send(B.update([t.p(k)], attrs))
            t.fence(conns[i], 15 - i, i)
        t.there(t.p(k), wins)


@case("best-local-pref", 4271, "9.1.1", MUST, "the highest LOCAL_PREF, before the shortest path",
      slots=("ibgp", "ibgp"))
def best_pref(t):
    better(t, (0, t.attrs(64611, i=0, pref=B.local_pref(100))),
           (1, t.attrs(i=1, pref=B.local_pref(200), path=B.as_path(64999, 64998, 64612))), 64612)


@case("best-shortest-path", 4271, "9.1.2.2", MUST, "the fewest AS numbers; a set counts one",
      slots=("ebgp", "ebgp"))
def best_path(t):
    better(t, (0, t.attrs(i=0, path=B.as_path(PEER, 64997, 64998, 64611))),
           (1, t.attrs(i=1, path=B.attr(B.AS_PATH, b"\2\2" + struct.pack("!II", PEER, 64998)
                                        + b"\1\3" + struct.pack("!III", 1, 2, 64612)))), 64612)


@case("best-origin", 4271, "9.1.2.2", MUST, "the lowest ORIGIN", slots=("ebgp", "ebgp"))
def best_origin(t):
    better(t, (0, t.attrs(64611, i=0, origin=B.origin(2))),
           (1, t.attrs(64612, i=1, origin=B.origin(1))), 64612)


@case("best-med", 4271, "9.1.2.2", MUST, "of the same neighbouring AS the lowest MED; none is 0",
      slots=("ebgp", "ebgp"))
def best_med(t):
    better(t, (0, t.attrs(64611, i=0, add=[B.med(5)])), (1, t.attrs(64612, i=1)), 64612)


@case("best-ebgp", 4271, "9.1.2.2", MUST, "another AS's before the own one's",
      slots=("ibgp", "ebgp"))
def best_ebgp(t):
    better(t, (0, t.attrs(64611, i=0)), (1, t.attrs(64612, i=1)), 64612)


@case("best-withdrawn", 4271, "9.1.2", MUST, "when the best path goes, the next one is told",
      slots=("ebgp", "ebgp"))
def best_gone(t):
    a, b = t.up(0), t.up(1)
    a.send(B.update([t.p()], t.attrs(64611, i=0)))
    t.there(t.p(), 64611)
    b.send(B.update([t.p()], t.attrs(64612, i=1, origin=B.origin(2))))
    t.fence(b, i=1)
    assert t.told(t.p()).as_path[-1] == 64611
    a.send(B.update(withdrawn=[t.p()]))
    t.there(t.p(), 64612)


# ---- communities ----

@case("no-export", 1997, "2", MUST, "NO_EXPORT: not to another AS")
def no_export(t):
    c = t.up()
    c.send(t.route(add=[B.communities(NO_EXPORT)]))
    t.there(t.p(), sink="ibgp")
    t.fence(c)
    assert not t.stage.tables["ebgp"].told(t.p())


@case("no-advertise", 1997, "2", MUST, "NO_ADVERTISE: to nobody")
def no_advertise(t):
    c = t.up()
    c.send(t.route(add=[B.communities(NO_ADVERTISE)]))
    t.fence(c)
    t.there(t.p(15), None, "ibgp")
    for sink in ("ebgp", "ibgp"):
        assert not t.stage.tables[sink].told(t.p()), sink
    assert t.dut.used(t.p()), "it is not even used"


@case("no-export-subconfed", 1997, "2", MUST, "NO_EXPORT_SUBCONFED: not to another AS")
def no_subconfed(t):
    c = t.up()
    c.send(t.route(add=[B.communities(NO_SUBCONFED)]))
    t.fence(c)
    assert not t.stage.tables["ebgp"].told(t.p())


@case("communities-kept", 1997, "4", SHOULD, "other communities go on")
def kept(t):
    c = t.up()
    c.send(t.route(add=[B.communities("65000:7", "65000:8")]))
    u = t.there(t.p())
    assert u.communities >= {65000 << 16 | 7, 65000 << 16 | 8}, u.communities


@case("graceful-shutdown-received", 8326, "4.1", SHOULD,
      "GRACEFUL_SHUTDOWN from another AS lowers the LOCAL_PREF, by itself or by a rule")
def gshut(t):
    c = t.up()
    c.send(t.route(add=[B.communities(GRACEFUL_SHUTDOWN)]), t.route(1))
    a, b = (t.there(t.p(k), sink="ibgp").number(B.LOCAL_PREF) for k in (0, 1))
    assert a < b, f"LOCAL_PREF {a}, and {b} without it"


@case("policy-none", 8212, "2", MUST,
      "another AS without any policy: nothing is accepted, nothing learned is told",
      slots=("nopolicy", "ebgp"))
def no_policy(t):
    a, b = t.up(0), t.up(1)
    b.send(t.route(1, i=1))
    t.there(t.p(1))
    a.send(t.route(0), B.end_of_rib())
    t.until(lambda: b.send(t.route(2, i=1)) is None and t.told(t.p(2)), "a fence")
    assert not t.told(t.p(0)) and not t.dut.used(t.p(0)), "accepted"
    assert not a.table.get(t.p(1)), "told"


# ---- reflection ----

def mine(value):
    return struct.unpack(f"!{len(value) // 4}I", value)


OWN_ID = 0x0A000001


@case("originator-own", 4456, "8", MUST, "an ORIGINATOR_ID that is the own identifier: ignored",
      slots=("ibgp",))
def originator_own(t):
    c = t.up()
    c.send(t.route(add=[B.attr(B.ORIGINATOR_ID, struct.pack("!I", OWN_ID))]))
    t.fence(c)
    assert not t.told(t.p()) and not t.dut.used(t.p()), "it is used"


@case("cluster-own", 4456, "8", MUST, "a CLUSTER_LIST with the own cluster in it: ignored",
      slots=("client",))
def cluster_own(t):
    c = t.up()
    c.send(t.route(add=[B.attr(B.ORIGINATOR_ID, b"\x0a\x09\x09\x09"), B.attr(
        B.CLUSTER_LIST, struct.pack("!II", 0x0A090909, OWN_ID))]))
    t.fence(c)
    assert not t.told(t.p()) and not t.dut.used(t.p()), "it is used"


@case("reflection-not-ebgp", 4456, "8", MUST,
      "neither ORIGINATOR_ID nor CLUSTER_LIST to another AS", slots=("ibgp",))
def not_ebgp(t):
    c = t.up()
    c.send(t.route(add=[B.attr(B.ORIGINATOR_ID, b"\x0a\x09\x09\x09"),
                        B.attr(B.CLUSTER_LIST, b"\x0a\x09\x09\x08")]))
    u = t.there(t.p())
    assert B.ORIGINATOR_ID not in u.attrs and B.CLUSTER_LIST not in u.attrs, list(u.attrs)


@case("reflect-from-client", 4456, "6", MUST, "a client's route goes to other clients and to "
      "non-clients, with ORIGINATOR_ID and CLUSTER_LIST", slots=("client", "client"))
def from_client(t):
    a, b = t.up(0), t.up(1)
    a.send(t.route())
    u = t.there(t.p(), sink="ibgp")
    assert u.attrs.get(B.ORIGINATOR_ID) == bytes(map(int, t.addr().split("."))), u.attrs
    assert mine(u.attrs.get(B.CLUSTER_LIST, b"")) == (OWN_ID,), u.attrs
    assert u.next_hop == t.addr() and u.number(B.LOCAL_PREF) == 100
    t.until(lambda: b.table.get(t.p()), "the other client told")


@case("reflect-to-client", 4456, "6", MUST, "a non-client's route goes to clients only",
      slots=("ibgp", "client"))
def to_client(t):
    a, b = t.up(0), t.up(1)
    a.send(t.route())
    t.until(lambda: b.table.get(t.p()), "the client told")
    t.fence(a)
    assert not t.stage.tables["ibgp"].told(t.p()), "a non-client told"


@case("reflect-originator-kept", 4456, "8", MUST,
      "an ORIGINATOR_ID that is there stays, the own cluster goes before the others",
      slots=("client",))
def originator_kept(t):
    c = t.up()
    c.send(t.route(add=[B.attr(B.ORIGINATOR_ID, b"\x0a\x09\x09\x09"),
                        B.attr(B.CLUSTER_LIST, b"\x0a\x09\x09\x08")]))
    u = t.there(t.p(), sink="ibgp")
    assert u.attrs.get(B.ORIGINATOR_ID) == b"\x0a\x09\x09\x09"
    assert mine(u.attrs.get(B.CLUSTER_LIST, b"")) == (OWN_ID, 0x0A090908), u.attrs


# ---- AS numbers of two octets ----

OLD = [B.cap_mp(B.IPV4), B.cap_refresh()]


@case("old-open", 6793, "4.1", MUST, "the capability of four-octet AS numbers is offered")
def as4_offered(t):
    _, c = t.dial()
    assert c.open.caps.get(65) == [struct.pack("!I", AS)], c.open.caps


@case("old-path", 6793, "4.2.2", MUST,
      "to an old speaker: AS_TRANS in the path, and AS4_PATH with the whole",
      slots=("ebgp", "other"))
def to_old(t):
    a, b = t.up(0), t.up(1, caps=OLD, as_size=2)
    a.send(t.route(path=B.as_path(PEER, 4200000001, 64600)))
    u = t.until(lambda: b.table.get(t.p()), "the old speaker told")
    assert u.as_path == [AS, PEER, B.AS_TRANS, 64600], u.as_path
    four = [n for _, ns in u.segments(B.AS4_PATH, 4) for n in ns]
    assert four and [AS, PEER, 4200000001, 64600][-len(four):] == four, four


@case("old-path-not-needed", 6793, "4.2.2", MUST,
      "AS4_PATH is not sent when all numbers fit", slots=("ebgp", "other"))
def to_old_short(t):
    a, b = t.up(0), t.up(1, caps=OLD, as_size=2)
    a.send(t.route())
    u = t.until(lambda: b.table.get(t.p()), "the old speaker told")
    assert B.AS4_PATH not in u.attrs and u.as_path == [AS, PEER, 64600], u.as_path


@case("old-merge", 6793, "4.2.3", MUST, "from an old speaker: AS_PATH and AS4_PATH are merged")
def merge(t):
    c = t.up(caps=OLD, as_size=2)
    c.send(t.route(path=B.as_path(PEER, B.AS_TRANS, 64600, size=2), add=[
        B.attr(B.AS4_PATH, b"\2\2" + struct.pack("!II", 4200000001, 64600))]))
    u = t.there(t.p())
    assert u.as_path == [AS, PEER, 4200000001, 64600], u.as_path


@case("old-longer-ignored", 6793, "4.2.3", MUST, "an AS4_PATH longer than AS_PATH is ignored")
def longer(t):
    c = t.up(caps=OLD, as_size=2)
    c.send(t.route(path=B.as_path(PEER, 64600, size=2), add=[
        B.attr(B.AS4_PATH, b"\2\3" + struct.pack("!III", 1, 4200000001, 64601))]))
    u = t.there(t.p())
    assert u.as_path == [AS, PEER, 64600], u.as_path


@case("old-aggregator", 6793, "4.2.3", MUST,
      "AGGREGATOR without AS_TRANS: AS4_AGGREGATOR and AS4_PATH are ignored")
def aggregator(t):
    c = t.up(caps=OLD, as_size=2)
    c.send(t.route(path=B.as_path(PEER, B.AS_TRANS, 64600, size=2), add=[
        B.attr(B.AGGREGATOR, struct.pack("!HI", 64600, 0x0A000009)),
        B.attr(B.AS4_PATH, b"\2\2" + struct.pack("!II", 4200000001, 64600)),
        B.attr(18, struct.pack("!II", 4200000001, 0x0A000009))]))
    u = t.there(t.p())
    assert u.as_path == [AS, PEER, B.AS_TRANS, 64600], u.as_path
    assert u.attrs.get(B.AGGREGATOR) == struct.pack("!II", 64600, 0x0A000009), u.attrs


@case("old-as4-path-broken", 6793, "6", MUST, "a broken AS4_PATH is discarded, the route stays")
def as4_broken(t):
    c = t.up(caps=OLD, as_size=2)
    for k, value in enumerate((b"\2\5\0\0\0\1", b"\2", b"\1\2\3")):
        c.send(t.route(k, path=B.as_path(PEER, 64600, size=2), add=[B.attr(B.AS4_PATH, value)]))
        u = t.there(t.p(k))
        assert B.AS4_PATH not in u.attrs
    t.alive(c)


@case("old-as4-path-confed", 6793, "6", MUST,
      "confederation segments in AS4_PATH are taken out, the rest counts")
def as4_confed(t):
    c = t.up(caps=OLD, as_size=2)
    c.send(t.route(path=B.as_path(PEER, B.AS_TRANS, 64600, size=2), add=[
        B.attr(B.AS4_PATH, b"\3\1" + struct.pack("!I", 7) + b"\2\2" + struct.pack(
            "!II", 4200000001, 64600))]))
    u = t.there(t.p())
    assert u.as_path == [AS, PEER, 4200000001, 64600], u.as_path


@case("ipv6-passed-on", 4760, "3", MUST, "an IPv6 route goes on, with a next hop of its kind")
def ipv6(t):
    c = t.up()
    c.send(t.route6())
    u = t.there(t.p6())
    assert u.next_hop in (DUT6, PEER6) and u.as_path == [AS, PEER, 64600], (u.next_hop, u.as_path)


@case("long-update-agreed", 8654, "4", MUST, "an UPDATE of 6000 octets when both said so",
      slots=("long",))
def long_update(t):
    c = t.up(more=[B.cap(6)])
    t.offers(c, 6, "extended messages")
    c.send(t.route(add=[B.attr(213, b"z" * 3500), B.attr(215, b"z" * 2500)]))
    t.until(lambda: t.dut.used(t.p()) or c.closed_at, "the route used")
    t.alive(c)


@case("long-update-not-agreed", 8654, "4", MUST,
      "an UPDATE of 6000 octets when we did not say so: 1/2", slots=("long",))
def long_refused(t):
    c = t.up()
    c.send(t.route(add=[B.attr(213, b"z" * 3500), B.attr(215, b"z" * 2500)]))
    t.notified(c, {(1, 2)})


@case("long-update-to-short-peer", 8654, "4", MUST,
      "a route too large for a peer without long messages does not hurt that session",
      slots=("long", "other"))
def long_to_short(t):
    a, b = t.up(0, more=[B.cap(6)]), t.up(1)
    if 6 not in a.open.caps:
        raise Unsupported("extended messages: capability 6 is not offered")
    a.send(t.route(add=[B.attr(213, b"z" * 3500), B.attr(215, b"z" * 2500)]), t.route(1))
    t.there(t.p(1))
    t.until(lambda: b.table.get(t.p(1)), "the short peer told the other route")
    t.alive(b)
    assert not t.told(t.p(0)) and max(len(m.raw) for m in b.messages) <= 4096
