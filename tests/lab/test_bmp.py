"""Monitoring stations (BMP, RFC 7854, 8671 and 9069): a strict decoder of the test's own, and tshark's."""
import os

import pytest

from herald_lab import bgpmsg, until
from herald_lab import bmp
from herald_lab import herald as h
from herald_lab.pair import AS, FAR4, FAR6, HERALD4, PEER4, PEER6, PEER_AS, POD4, VIP4

V4, V6 = b"\0\1\1", b"\0\2\1"


def station(pair, **kw):
    return bmp.Station(pair.lab, pair.other, PEER4, **kw)


def write(pair, policy="pre", peers=None, servers=1, **kw):
    """@kw: of the station."""
    if not pair.herald.daemon.running():
        pair.write()
    pair.herald.write("30-bgp.yaml", h.cluster(
        AS, pair.peers() if peers is None else peers, bmpServers=[
            {"name": f"station{i}", "peerAddress": PEER4, "peerPort": bmp.PORT + i,
             "monitoringPolicy": policy, **kw} for i in range(servers)]),
        h.peer_config("tor", families=["ipv4"], **{"import": [
            {"match": {"prefixes": [{"prefix": "10.9.0.0/16", "ge": 16, "le": 32}]},
             "action": "reject"},
            {"action": "accept", "set": {"communities": {"add": ["65001:77"]}}}]}),
        h.peer_config("tor6", families=["ipv6"]))
    return pair


def shown(pair):
    return {s["name"]: s for s in pair.herald.ctl("bgp", "bmp")["stations"]}


def announce(*prefixes, path=(PEER_AS,)):
    return bgpmsg.announce(prefixes, PEER4, path)


def up_and_told(pair, s, policy="both"):
    """A speaker that says two prefixes, one of which import rejects."""
    write(pair, policy, peers=pair.peers(v6=False)).herald.start()
    c = pair.speaker().dial_up(HERALD4)
    c.send(announce("10.8.1.0/24", "10.9.1.0/24"), bgpmsg.end_of_rib())
    s.wait(lambda x: len(x.table(PEER4)) == 2, "two routes")
    return c


def test_what_frr_says_is_told_in_three_views(pair):
    """Both families, the dump and what comes later; then tshark reads the same bytes."""
    s = station(pair).start()
    f = pair.foreign("frr").start()
    write(pair, "all").herald.start()
    pair.herald.wait_established()
    s.wait(lambda x: FAR4 in x.table(PEER4) and FAR6 in x.table(PEER6), "the peer's routes")
    s.wait(lambda x: FAR4 in x.table(PEER4, True) and FAR6 in x.table(PEER6, True), "accepted")
    s.wait(lambda x: {FAR4, FAR6, POD4, VIP4} <= set(x.local().tables[False]), "the local table")
    x = s.last
    assert x.name == "n1" and x.descr.startswith("Herald ")
    p = x.peer(PEER4)
    assert (p.header.asn, p.header.ident, p.local) == (PEER_AS, PEER4, HERALD4)
    assert p.sent.open().asn == AS and p.received.open().asn == PEER_AS
    assert 179 in (p.local_port, p.remote_port)
    # what FRR said of itself is passed on with all that Herald does not know
    assert set(p.received.open().caps) > {1, 2, 65}
    u = p.tables[False][FAR4]
    assert (u.as_path, u.next_hop) == ([PEER_AS], PEER4) and "65001:77" not in u.communities
    assert "65001:77" in p.tables[True][FAR4].communities
    local = x.local()
    assert (local.header.asn, local.header.ident) == (AS, HERALD4)
    assert dict(local.info)[3] == b"main"
    assert local.sent.open().asn == AS and 65 in local.sent.open().caps
    # FRR says our own routes back to us: received, not accepted
    if VIP4 in p.tables[False]:
        assert VIP4 not in p.tables[True]
    f.impl.vty("configure terminal", f"router bgp {PEER_AS}", "address-family ipv4 unicast",
               f"no network {FAR4}")
    s.wait(lambda x: all(FAR4 not in t for t in (x.table(PEER4), x.table(PEER4, True),
                                                 x.local().tables[False])), "withdrawn")
    f.stop()
    s.wait(lambda x: len(x.downs) == 2, "both peers down")
    path = os.path.join(pair.lab.dir, "bmp.pcap")
    bmp.pcap(path, s.last.raw)
    # its dissector does not know what RFC 9069 5.2.1 puts behind a table's OPENs
    assert not bmp.tshark(path, "-Y", "_ws.malformed && !(bmp.type == 3 && bmp.peer.type == 3)")
    types = {t for line in bmp.tshark(path, "-T", "fields", "-e", "bmp.type").split()
             for t in line.split(",")}
    assert types >= {str(bmp.INIT), str(bmp.UP), str(bmp.ROUTE), str(bmp.DOWN)}


def heard(frr):
    """IPv4 prefixes that FRR has from Herald."""
    table = frr.impl.json("show bgp ipv4 unicast")["routes"]
    return {p for p, paths in table.items() if any(x.get("peerId") == HERALD4 for x in paths)}


def test_what_frr_is_told_is_what_it_has(pair):
    """RFC 8671: the view behind the export policy is FRR's table, the one before it has what was kept back;
    a station that comes late is told the same; tshark reads the O flag."""
    s = station(pair).start()
    f = pair.foreign("frr").start()
    pair.write()
    pair.herald.write("31-export.yaml", h.peer_config("tor", families=["ipv4"], export=[
        {"match": {"prefixes": [{"prefix": VIP4}]}, "action": "reject"},
        {"action": "accept", "set": {"med": 77}}]), h.peer_config("tor6", families=["ipv6"]))
    pair.herald.write("30-bgp.yaml", h.cluster(AS, pair.peers(), bmpServers=[
        {"name": f"station{i}", "peerAddress": PEER4, "peerPort": bmp.PORT + i, "monitoringPolicy": "none",
         "adjRIBOut": "both"} for i in range(2)]))
    pair.herald.start()
    pair.herald.wait_established()

    def right(x):
        mine = x.out(PEER4), x.out(PEER6)
        return all(mine) and set(x.out(PEER4, False)) == {POD4, VIP4} and \
            set(mine[0]) == heard(f) and \
            all(x.peer(p).out_eor[v] for p in (PEER4, PEER6) for v in (False, True))
    s.wait(right, "what FRR has")
    x = s.last
    assert set(x.out(PEER4)) == {POD4} and not x.table(PEER4) and not x.table(PEER4, True)
    sent, candidate = x.out(PEER4)[POD4], x.out(PEER4, False)[POD4]
    assert (sent.as_path, sent.next_hop, sent.number(4)) == ([AS], HERALD4, 77)
    assert (candidate.as_path, candidate.next_hop, candidate.number(4)) == ([], "0.0.0.0", None)
    late = station(pair, port=bmp.PORT + 1).start()
    late.wait(right, "the same by a dump", 60)
    pair.herald.write("31-export.yaml", h.peer_config("tor", families=["ipv4"]),
                      h.peer_config("tor6", families=["ipv6"]))
    for one in (s, late):
        one.wait(lambda x: set(x.out(PEER4)) == {POD4, VIP4} and x.out(PEER4)[POD4].number(4) is None,
                 "the other policy")
    path = os.path.join(pair.lab.dir, "bmp.pcap")
    bmp.pcap(path, s.last.raw)
    assert not bmp.tshark(path, "-Y", "_ws.malformed")
    told = bmp.tshark(path, "-Y", "bmp.type == 0", "-T", "fields", "-e", "bmp.peer.flags.adj_rib_out",
                      "-e", "bmp.peer.flags.post_policy").split("\n")
    assert {"1\t1", "1\t0"} == {t for t in told if t}, told
    up = bmp.tshark(path, "-Y", "bmp.type == 3", "-T", "fields", "-e", "bmp.peer.flags.adj_rib_out")
    assert set(up.split()) == {"0"}


def test_policy_views_and_changes(pair):
    s = station(pair).start()
    c = up_and_told(pair, s)
    x = s.last
    s.wait(lambda x: set(x.table(PEER4, True)) == {"10.8.1.0/24"}, "one accepted")
    s.wait(lambda x: bgpmsg.IPV4 in x.peer(PEER4).eor[False] and
           bgpmsg.IPV4 in x.peer(PEER4).eor[True], "End-of-RIB in both views")
    c.send(announce("10.8.1.0/24", path=(PEER_AS, 64999)), bgpmsg.update(withdrawn=["10.9.1.0/24"]))
    s.wait(lambda x: x.table(PEER4)["10.8.1.0/24"].as_path == [PEER_AS, 64999] and
           list(x.table(PEER4)) == ["10.8.1.0/24"], "the change")
    # the policy changes: what the peer said stays, what is accepted does not
    pair.herald.write("30-bgp.yaml", h.cluster(
        AS, pair.peers(v6=False), bmpServers=[
            {"name": "station0", "peerAddress": PEER4, "monitoringPolicy": "both"}]),
        h.peer_config("tor", families=["ipv4"], accept=False), h.peer_config("tor6"))
    s.wait(lambda x: not x.table(PEER4, True), "nothing accepted any more")
    assert list(x.table(PEER4)) == ["10.8.1.0/24"] and len(s.sessions) == 1


@pytest.mark.parametrize("how", ["theirs", "ours", "tcp"])
def test_peer_down_says_why(pair, how):
    s = station(pair).start()
    c = up_and_told(pair, s)
    if how == "theirs":
        c.send(bgpmsg.notification(6, 2, b"\3bye"))
    elif how == "ours":
        pair.herald.ctl("bgp", "shutdown", "r4", "maintenance")
    else:
        c.reset()
    s.wait(lambda x: x.downs, "Peer Down")
    (peer, reason, data), = s.last.downs
    assert peer.header.addr == PEER4 and PEER4 not in [k[2] for k in s.last.peers]
    if how == "theirs":
        assert reason == 3 and data.code == (6, 2) and data.shutdown_text() == "bye"
    elif how == "ours":
        assert reason == 1 and data.code == (6, 2) and data.shutdown_text() == "maintenance"
    else:
        assert (reason, data) == (4, b"")


def test_a_station_that_comes_late_gets_a_dump(pair):
    c = up_and_told(pair, first := station(pair).start())
    first.close()
    until(lambda: shown(pair)["station0"]["state"] != "connected", what="its end seen")
    c.send(*(announce(*(f"10.8.{100 + i}.{j * 16}/28" for j in range(16)), path=(PEER_AS, 100 + i % 7))
             for i in range(100)))
    s = station(pair).start()
    s.wait(lambda x: len(x.table(PEER4)) == 1602 and len(x.table(PEER4, True)) == 1601, "the dump", 90)
    s.wait(lambda x: bgpmsg.IPV4 in x.peer(PEER4).eor[False], "its End-of-RIB")
    # what has the same attributes goes together
    assert s.last.updates < 60
    c.send(bgpmsg.update(withdrawn=["10.8.1.0/24"]))
    s.wait(lambda x: "10.8.1.0/24" not in x.table(PEER4), "and what comes later")
    assert shown(pair)["station0"]["connections"] == 2


def test_path_identifiers_are_told(pair):
    """RFC 7911: the peer's two paths of one prefix, live and in the dump of a second station."""
    s = station(pair).start()
    write(pair, "both", peers=pair.peers(v6=False), servers=2)
    pair.herald.write("30-bgp.yaml", h.cluster(
        AS, pair.peers(v6=False), bmpServers=[
            {"name": f"station{i}", "peerAddress": PEER4, "peerPort": bmp.PORT + i,
             "monitoringPolicy": "both"} for i in range(2)]),
        h.peer_config("tor", families=[{"afi": "ipv4", "safi": "unicast", "addPath": "receive"}]))
    pair.herald.start()
    caps = [bgpmsg.cap_mp(bgpmsg.IPV4), bgpmsg.cap_as4(PEER_AS), bgpmsg.cap(69, b"\0\1\1\2")]
    c = pair.speaker(caps=caps).dial_up(HERALD4)
    attrs = [bgpmsg.origin(), bgpmsg.next_hop(PEER4)]
    nlri = [b"\0\0\0" + bytes([i]) + bgpmsg.prefix("10.8.1.0/24") for i in (1, 2)]
    for i in (1, 2):
        c.send(bgpmsg.update(nlri[i - 1], [attrs[0], bgpmsg.as_path(*[PEER_AS] * i), attrs[1]]))

    def heard(x, what, post):
        return [m for p, m in x.peer(PEER4).raw if p == post and what in m.body]

    def both(x):
        return all(heard(x, n, post) for n in nlri for post in (False, True))
    s.wait(both, "both paths in both views")
    late = station(pair, port=bmp.PORT + 1).start()
    late.wait(both, "both paths in the dump", 60)
    c.send(bgpmsg.update(withdrawn=nlri[0]))
    s.wait(lambda x: [m for m in heard(x, nlri[0], False) if m.body[:2] == b"\0\x08"], "one is withdrawn")
    assert not [m for m in heard(s.last, nlri[1], False) if m.body[:2] == b"\0\x08"]


def test_statistics(pair):
    s = station(pair).start()
    write(pair, "pre", peers=pair.peers(v6=False), statisticsTimeout=15, adjRIBOut="pre").herald.start()
    c = pair.speaker().dial_up(HERALD4)
    c.send(announce("10.8.1.0/24", "10.9.1.0/24"), bgpmsg.end_of_rib())
    s.wait(lambda x: x.peer(PEER4).stats, "a report", 60)
    got = s.last.peer(PEER4).stats[-1]
    assert got[7] == got[9, V4] == 2 and got[11] == 0
    assert got[15] == got[17, V4] == len(pair.herald.routes("advertised"))
    assert (9, V6) not in got
    # RFC 8671: what it may be told, by the view of that; it may have none of its own
    assert got[14] == got[16, V4] == 2


def test_a_station_that_does_not_read_is_left_and_begun_anew(pair):
    """It costs its queue and then its connection; sessions and other stations do not notice."""
    s = station(pair).start(rcvbuf=4096)
    good = station(pair, port=bmp.PORT + 1).start()
    write(pair, "both", peers=pair.peers(v6=False), servers=2).herald.start()
    c = pair.speaker().dial_up(HERALD4)
    s.wait(lambda x: x.peer(PEER4), "the peer")
    good.wait(lambda x: x.peer(PEER4), "the peer")
    s.stop_reading()
    rss = pair.herald.daemon.rss_kb()
    path = tuple([PEER_AS] + [64512 + i for i in range(180)])  # long: 16 MiB are soon full

    def burst(n):
        c.send(*(announce(f"10.8.{i >> 4 & 255}.{(i & 15) * 16}/28", path=(*path, n * 4096 + i + 1))
                 for i in range(4096)))
    rounds = 0
    while shown(pair)["station0"]["dropped"] == 0:
        burst(rounds)
        rounds += 1
        good.wait(lambda x: len(x.table(PEER4)) == 4096 and
                  x.table(PEER4)["10.8.255.240/28"].as_path[-1] == rounds * 4096,
                  "the other station", 60)
        assert rounds < 40
    assert pair.herald.daemon.rss_kb() - rss < 60 * 1024
    p = pair.herald.peer("r4")
    assert p["state"] == "established" and p["flaps"] == 0
    assert "does not read" in pair.herald.daemon.text()
    s.resume_reading()
    s.wait(lambda x: len(s.sessions) > 1 and len(x.table(PEER4)) == 4096, "a new beginning", 60)
    assert shown(pair)["station1"]["dropped"] == 0


def test_termination_and_changes_of_the_configuration(pair):
    s = station(pair).start()
    up_and_told(pair, s, "pre")
    # another policy: the station is told anew from the beginning
    write(pair, "local", peers=pair.peers(v6=False))
    s.wait(lambda x: len(s.sessions) == 2 and POD4 in x.local().tables[False], "the other view")
    assert s.sessions[0].ended == 0 and len(s.last.peers) == 1
    # other statistics only: nothing is told anew
    write(pair, "local", peers=pair.peers(v6=False), statisticsTimeout=20)
    until(lambda: pair.herald.ctl("status")["reloads"]["ok"] >= 3, what="the reload")
    assert pair.herald.stop() == 0
    s.wait(lambda x: x.ended == 0, "Termination")
    assert len(s.sessions) == 2


def test_a_station_that_is_not_there_is_tried_again(pair):
    write(pair, peers=pair.peers(v6=False)).herald.start()
    until(lambda: shown(pair)["station0"]["lastError"], what="an error shown")
    assert "refused" in shown(pair)["station0"]["lastError"]
    s = station(pair).start()
    s.wait(lambda x: x.name == "n1", "connected after all", 60)
    assert "station0" in pair.herald.table("bgp", "bmp")
