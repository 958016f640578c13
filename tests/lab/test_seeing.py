"""What people are shown of peers and routes, beside FRR and a speaker that does what the test says."""
from herald_lab import bgpmsg, until
from herald_lab import herald as h
from herald_lab.pair import FAR4, HERALD4, PEER4, PEER_AS, POD4


def announce(*prefixes, path=(PEER_AS,)):
    return bgpmsg.announce(prefixes, PEER4, path)


def test_all_of_a_peer(pair):
    f = pair.foreign("frr").start()
    pair.start()
    pair.herald.wait_established()
    p, = pair.herald.ctl("bgp", "peers", "r4")["peers"]
    assert p["peerAddress"] == PEER4 and "waitsFor" not in p
    sent, got = p["capabilities"]["sent"], p["capabilities"]["received"]
    assert sent["families"] == got["families"] == ["ipv4/unicast"]
    assert sent["fourOctetAS"] and got["fourOctetAS"] and got["hostName"]
    assert 0 < p["timers"]["holdLeftSeconds"] <= p["holdTimeSeconds"] == 9
    assert 0 < p["timers"]["keepaliveLeftSeconds"] <= 3
    assert p["transport"] == {"passive": False, "port": 179, "md5": False, "tcpAO": False,
                              "ttl": 1}
    assert p["messages"]["sent"]["open"] >= 1 and p["messages"]["received"]["keepalive"] >= 1
    text = pair.herald.table("bgp", "peers", "-v")
    assert "r4 (10.0.0.2), instance main: established for" in text and "r6 (fd00::2)" in text
    assert "Capability" in text and "fourOctetAS" in text and "MD5 no, TTL 1" in text
    assert "r6" not in pair.herald.table("bgp", "peers", PEER4)
    assert "Session State" in pair.herald.table("bgp", "peers")
    f.impl.vty("clear bgp 10.0.0.1")
    until(lambda: pair.herald.peer("r4").get("lastNotificationReceived"), what="their last words")
    note = pair.herald.peer("r4")["lastNotificationReceived"]
    assert (note["code"], note["subcode"]) == (6, 4) and "Administrative Reset" in note["text"]
    pair.herald.wait_established()
    pair.herald.ctl("bgp", "shutdown", "r4", "works")
    p = pair.herald.peer("r4")
    assert p["lastNotificationSent"]["subcode"] == 2 and p["flaps"] == 2
    assert p["waitsFor"] == "shut down by the administrator: works"
    assert p["lastNotificationReceived"]["subcode"] == 4, "the other way is not forgotten"
    assert "Last NOTIFICATION received" in pair.herald.table("bgp", "peers", "r4")
    pair.herald.ctl("bgp", "enable", "r4")
    pair.herald.wait_established()


def test_what_a_peer_waits_for(pair):
    s = pair.speaker().listen()
    pair.start(peers=pair.peers(v6=False))
    c = s.accept()
    until(lambda: "has not sent its own" in pair.herald.peer("r4").get("waitsFor", ""),
          what="no OPEN yet")
    c.send(s.open_bytes())
    until(lambda: "KEEPALIVE has not come" in pair.herald.peer("r4").get("waitsFor", ""),
          what="no KEEPALIVE yet")
    caps = pair.herald.peer("r4")["capabilities"]
    assert caps["received"]["routeRefresh"] and caps["sent"]["routeRefresh"]
    s.establish(c, said_open=True)
    pair.herald.wait_established()
    s.unlisten()
    c.close()
    until(lambda: "refused" in pair.herald.peer("r4").get("waitsFor", ""), what="nobody there")
    text = pair.herald.table("bgp", "peers", "r4")
    assert "refused" in text and "Capability" not in text
    done = pair.herald.run_ctl("bgp", "clear", "r4", "soft", "in")
    assert done.returncode == 1 and "not established" in done.stderr
    done = pair.herald.run_ctl("bgp", "peers", "nobody")
    assert done.returncode == 1 and "no peer is called" in done.stderr


def test_why_a_path_is_the_best_or_not(pair):
    """Two peers on one link, as FRR's own words have it."""
    pair.other.addr("eth0", "10.0.0.3/24")
    pair.write(peers={**pair.peers(v6=False),
                      "b": {"peerASN": PEER_AS, "peerAddress": "10.0.0.3", "config": "tor"},
                      "c": {"peerASN": PEER_AS, "peerAddress": "10.0.0.4", "config": "none"}})
    pair.other.addr("eth0", "10.0.0.4/24")
    pair.herald.write("31-none.yaml", h.peer_config("none", families=["ipv4"], accept=False))
    pair.herald.start()
    conns = [pair.speaker(a, ident=a).dial_up(HERALD4) for a in (PEER4, "10.0.0.3", "10.0.0.4")]
    conns[0].send(announce(FAR4, "10.0.0.0/8", path=(PEER_AS, 64999)))
    conns[1].send(announce(FAR4))
    conns[2].send(announce(FAR4))

    def ways(what):
        return {r["peer"]: r for r in pair.herald.ctl("bgp", "routes", what)["routes"]}
    until(lambda: len(ways(FAR4)) == 3, what="three paths")
    got = ways(FAR4)
    assert got["b"]["best"] and got["b"]["why"] == "best: shortest AS path"
    assert got["b"]["lostBy"] is None
    assert got["r4"]["why"] == "lost by: longer AS path: 2, the best has 1"
    assert got["r4"]["lostBy"] == "as-path-length"
    assert "no import rule" in got["c"]["why"] and got["c"]["rejected"] == "no-import-rule"
    assert set(ways("10.2.0.77")) == {"r4", "b", "c"}
    assert [r["prefix"] for r in ways("10.77.0.1").values()] == ["10.0.0.0/8"]
    assert ways(POD4)[""]["why"] == "best: our own"
    assert "Why: lost by: longer AS path" in pair.herald.table("bgp", "routes", FAR4)
    # with a table's name it is that table, as before
    assert set(r["peer"] for r in pair.herald.routes("available", FAR4)) == {"r4", "b"}
