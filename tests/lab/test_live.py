"""Changes while sessions are up: the smallest UPDATE, no reset, bad files refused whole."""
import os

import pytest

from herald_lab import bgpmsg as B
from herald_lab import herald as h
from herald_lab import until
from herald_lab.pair import FAR4, HERALD4, PEER4, PEER_AS, POD4, VIP4, Pair, slot_addr
from herald_lab.wait import stays


@pytest.fixture
def up(pair):
    """Herald and a scripted peer, established, all routes sent."""
    s = pair.speaker().serve()
    pair.start(peers=pair.peers(v6=False))
    pair.herald.wait_established()
    c = s.last
    c.wait_eor()
    assert {POD4, VIP4} <= set(c.rib())
    return pair, s, c


def only(conn, since, n=1):
    """The UPDATEs after message @since: there have to be exactly @n, and no other traffic."""
    until(lambda: len(conn.updates(since)) >= n,
          what=lambda: f"{n} UPDATE: {conn.messages[since:]}")
    stays(lambda: len(conn.updates(since)) == n, 0.3, f"{n} UPDATE: {conn.updates(since)}")
    assert not conn.closed_at
    assert not conn.of(B.NOTIFICATION) and len(conn.of(B.OPEN)) == 1
    return conn.updates(since)


def test_the_last_endpoint_deleted_is_one_withdraw_and_nothing_else(up):
    pair, _, c = up
    mark = len(c.messages)
    pair.herald.write("60-web.yaml", h.service("web", families=["IPv4", "IPv6"]))
    u, = only(c, mark)
    assert (u.withdrawn, u.announced) == ([VIP4], [])
    mark = len(c.messages)
    pair.herald.write("60-web.yaml", h.service("web", families=["IPv4", "IPv6"]),
                      h.endpoints("web", ("10.1.0.10", "n1")))
    u, = only(c, mark)
    assert (u.withdrawn, u.announced) == ([], [VIP4])


@pytest.mark.parametrize("state", ["not-ready", "terminating"])
def test_an_endpoint_that_is_not_active_does_not_count(up, state):
    pair, _, c = up
    mark = len(c.messages)
    eps = h.endpoints("web", ("10.1.0.10", "n1", state != "not-ready"))
    if state == "terminating":
        eps["endpoints"][0]["conditions"] = {"ready": False, "serving": True, "terminating": True}
    pair.herald.write("60-web.yaml", h.service("web", families=["IPv4", "IPv6"]), eps)
    u, = only(c, mark)
    assert (u.withdrawn, u.announced) == ([VIP4], [])


def test_an_endpoint_elsewhere_counts_under_cluster_but_not_under_local(up):
    pair, _, c = up
    mark = len(c.messages)
    there = h.endpoints("web", ("10.5.0.10", "n2"))
    pair.herald.write("60-web.yaml", h.service("web", families=["IPv4", "IPv6"]), there)
    stays(lambda: not c.updates(mark), 0.5, "no UPDATE for a change that changes nothing")
    pair.herald.write("60-web.yaml",
                      h.service("web", etp="Local", families=["IPv4", "IPv6"]), there)
    u, = only(c, mark)
    assert (u.withdrawn, u.announced) == ([VIP4], [])


def test_no_endpoints_advertise_keeps_the_address_announced(up):
    pair, _, c = up
    mark = len(c.messages)
    pair.herald.write("40-advertise.yaml", h.advertise_pods(),
                      h.advertise_services(noEndpoints="advertise"))
    pair.herald.write("60-web.yaml", h.service("web", families=["IPv4", "IPv6"]))
    until(lambda: pair.herald.ctl("service", "list")["services"]
          and not any(x["backends"] for x in pair.herald.ctl("service", "list")["services"]),
          what="the endpoints gone")
    stays(lambda: VIP4 in c.rib() and not c.updates(mark), 0.4)
    pair.herald.write("40-advertise.yaml", h.advertise_pods(), h.advertise_services())
    u, = only(c, mark)
    assert u.withdrawn == [VIP4]


def test_an_attribute_change_is_one_update_and_no_reset(up):
    pair, s, c = up
    mark, age = len(c.messages), pair.herald.peer("r4")["uptimeSeconds"]
    pair.herald.write("40-advertise.yaml", h.advertise_pods(),
                      h.advertise_services(attributes={"communities": {"standard": ["65001:9"]},
                                                       "med": 5, "asPathPrepend": 1,
                                                       "localPreference": 300}))
    u, = only(c, mark)
    assert (u.announced, u.withdrawn) == ([VIP4], [])
    assert u.communities == {"65001:9"} and u.number(B.MED) == 5 and u.as_path == [65001, 65001]
    assert B.LOCAL_PREF not in u.attrs  # RFC 4271 5.1.5: the peer is external
    assert len(s.connections) == 1
    assert pair.herald.peer("r4")["uptimeSeconds"] >= age


def test_a_new_service_is_one_update(up):
    pair, _, c = up
    mark = len(c.messages)
    pair.herald.write("61-db.yaml", h.service("db"), h.endpoints("db", ("10.1.0.11", "n1")))
    u, = only(c, mark)
    assert (u.announced, u.withdrawn) == (["172.16.1.2/32"], [])
    mark = len(c.messages)
    pair.herald.remove("61-db.yaml")
    u, = only(c, mark)
    assert (u.announced, u.withdrawn) == ([], ["172.16.1.2/32"])


def test_twenty_new_services_share_updates(up):
    """One attribute set, one UPDATE: packed, whatever the number of prefixes."""
    pair, _, c = up
    mark = len(c.messages)
    docs = [d for i in range(20) for d in (h.service(f"s{i:02}"),
                                           h.endpoints(f"s{i:02}", (f"10.1.0.{20 + i}", "n1")))]
    pair.herald.write("61-many.yaml", *docs)
    until(lambda: len(c.rib()) >= 22, what="all announced")
    assert len(c.updates(mark)) == 1


def test_a_thousand_services_are_packed_and_one_change_among_them_is_one_update(pair):
    s = pair.speaker().serve()
    pair.write(peers=pair.peers(v6=False))
    pair.herald.write("50-pools.yaml", h.pool("p", "172.16.0.0/16"))
    pair.herald.write("61-many.yaml", *(d for i in range(1000) for d in (
        h.service(f"s{i:03}"), h.endpoints(f"s{i:03}", ("10.1.0.10", "n1")))))
    pair.herald.write("62-one.yaml", h.service("one"), h.endpoints("one", ("10.1.0.11", "n1")))
    pair.herald.start()
    pair.herald.wait_established()
    c = s.last
    c.wait_eor(timeout=20)
    assert len(c.rib()) == 1003  # PodCIDR, web, one and a thousand
    assert len([u for u in c.updates() if u.announced]) <= 4
    one, = [f"{a['address']}/32" for a in pair.herald.ctl("ipam")["allocations"]
            if a["owner"] == "default/one"]
    mark = len(c.messages)
    pair.herald.write("62-one.yaml", h.service("one"))
    u, = only(c, mark)
    assert (u.withdrawn, u.announced) == ([one], [])


def two_peers(pair, second):
    """Peers r4 (10.0.0.2, config tor) and s4 (slot_addr(0), config @second)."""
    return {**pair.peers(v6=False),
            "s4": {"peerASN": 65002, "peerAddress": slot_addr(0), "config": second}}


def test_a_reload_that_changes_one_peer_leaves_the_other_alone(lab):
    pair = Pair(lab, slots=1)
    a = pair.speaker().serve()
    b = pair.speaker(slot_addr(0), asn=65002).serve()
    pair.start(peers=two_peers(pair, "tor"))
    pair.herald.wait_established()
    a.last.wait_eor()
    b.last.wait_eor()
    mark, age = len(a.last.messages), pair.herald.peer("r4")["uptimeSeconds"]
    pair.herald.write("31-other.yaml", h.peer_config("other", families=["ipv4"], hold=30))
    pair.herald.write("30-bgp.yaml", h.cluster(65001, two_peers(pair, "other")),
                      h.peer_config("tor", families=["ipv4"]))
    until(lambda: len(b.connections) == 2, what="the changed peer's session made anew")
    b.last.wait_eor()
    assert b.connections[0].of(B.NOTIFICATION)[0].code == (6, 6)
    assert b.last.open.hold == 30
    assert len(a.connections) == 1 and not a.last.updates(mark)
    assert pair.herald.peer("r4")["uptimeSeconds"] >= age


def test_a_peer_taken_out_gets_deconfigured_and_the_other_stays(lab):
    pair = Pair(lab, slots=1)
    a = pair.speaker().serve()
    b = pair.speaker(slot_addr(0), asn=65002).serve()
    pair.start(peers=two_peers(pair, "tor"))
    pair.herald.wait_established()
    pair.write(peers=pair.peers(v6=False))
    assert b.last.wait_msg(B.NOTIFICATION).code == (6, 3)
    until(lambda: "s4" not in pair.herald.peers(), what="the peer gone")
    assert len(a.connections) == 1 and not a.last.closed_at


def test_broken_yaml_is_refused_whole_and_the_running_configuration_stays(up):
    pair, s, c = up
    mark = len(c.messages)
    good = open(f"{pair.herald.conf}/60-web.yaml", encoding="utf-8").read()
    # a good change and a bad one: neither may happen
    pair.herald.write("61-db.yaml", h.service("db"), h.endpoints("db", ("10.1.0.11", "n1")))
    only(c, mark)
    mark = len(c.messages)
    pair.herald.write("60-web.yaml", good + "\n---\napiVersion: v1\nkind: [")
    until(lambda: pair.herald.ctl("status")["lastReload"]["ok"] is False, what="the fault shown")
    pair.herald.remove("61-db.yaml")
    stays(lambda: not c.updates(mark), 0.5, "nothing withdrawn")
    faults = pair.herald.ctl("status")["lastReload"]["faults"]
    assert any("60-web.yaml:" in x for x in faults), faults
    assert "60-web.yaml:" in pair.herald.table("status")
    pair.herald.write("60-web.yaml", good)
    u, = only(c, mark)
    assert u.withdrawn == ["172.16.1.2/32"]
    assert pair.herald.ctl("status")["lastReload"]["ok"] is True
    assert len(s.connections) == 1


def test_an_unknown_field_is_refused_with_its_place(up):
    pair, _, c = up
    mark = len(c.messages)
    pair.herald.write("40-advertise.yaml", "apiVersion: heraldlb.io/v1\nkind: BGPAdvertisement\n"
                      "metadata: {name: pods, labels: {advertise: bgp}}\nspec:\n"
                      "  advertisments: []\n")
    until(lambda: pair.herald.ctl("status")["lastReload"]["ok"] is False, what="the fault shown")
    fault, = [x for x in pair.herald.ctl("status")["lastReload"]["faults"] if "advertisments" in x]
    assert "40-advertise.yaml:6:3: BGPAdvertisement/pods: " in fault
    assert not c.updates(mark)


def test_heraldctl_reload_says_what_is_wrong_and_ends_with_1(up):
    pair, _, _ = up
    with open(f"{pair.herald.conf}/99-bad.yaml", "w", encoding="utf-8") as f:
        f.write("apiVersion: v1\nkind: Secret\nmetadata: {nam: x}\n")
    done = pair.herald.run_ctl("reload")
    assert done.returncode == 1 and "99-bad.yaml:3:" in done.stderr
    pair.herald.remove("99-bad.yaml")
    assert pair.herald.run_ctl("reload").returncode == 0


def test_sighup_reloads(up):
    import signal
    pair, _, c = up
    before = pair.herald.ctl("status")["reloads"]["ok"]
    pair.herald.daemon.send_signal(signal.SIGHUP)
    until(lambda: pair.herald.ctl("status")["reloads"]["ok"] > before, what="a reload counted")
    assert not c.closed_at


def test_a_configmap_symlink_swap_is_seen(pair):
    """As kubelet does it: ..data is a symlink that is renamed over."""
    s = pair.speaker().serve()
    pair.write(peers=pair.peers(v6=False))
    mount = pair.lab.path("configmap")

    def publish(version, text):
        os.makedirs(f"{mount}/..{version}")
        with open(f"{mount}/..{version}/web.yaml", "w", encoding="utf-8") as f:
            f.write(text)
        os.symlink(f"..{version}", f"{mount}/..data_tmp")
        os.rename(f"{mount}/..data_tmp", f"{mount}/..data")
        if not os.path.lexists(f"{mount}/web.yaml"):
            os.symlink("..data/web.yaml", f"{mount}/web.yaml")

    web = [h.service("web"), h.endpoints("web", ("10.1.0.10", "n1"))]
    publish("v1", h.to_yaml(*web))
    pair.herald.remove("60-web.yaml")
    pair.herald.daemon.argv[1:1] = ["-c", mount]
    pair.herald.start()
    pair.herald.wait_established()
    s.last.wait_prefix(VIP4)
    mark = len(s.last.messages)
    publish("v2", h.to_yaml(*web, h.service("db"), h.endpoints("db", ("10.1.0.11", "n1"))))
    u, = only(s.last, mark)
    assert u.announced == ["172.16.1.2/32"]
    mark = len(s.last.messages)
    publish("v3", h.to_yaml(*web))
    u, = only(s.last, mark)
    assert u.withdrawn == ["172.16.1.2/32"]


def test_a_missing_secret_keeps_the_session_down_and_says_why(pair):
    """Never an empty password."""
    s = pair.speaker(md5=(HERALD4, "k3y")).listen()
    plain = pair.speaker("10.0.0.2")
    pair.start(peers=pair.peers(v6=False), config={"authSecretRef": "bgp-key"})
    p = pair.herald.peer("r4")
    assert p["state"] == "idle"
    assert "bgp-key" in p["heldDown"] + p["lastError"]
    assert "bgp-key" in pair.herald.table("bgp", "peers") + pair.herald.table("status")
    stays(lambda: not s.connections and pair.herald.peer("r4")["state"] == "idle", 1)
    del plain
    pair.herald.write("70-secret.yaml", h.secret("bgp-key", "k3y"))
    s.accept_up()
    pair.herald.wait_established("r4")
    # and away again
    pair.herald.remove("70-secret.yaml")
    until(lambda: pair.herald.peer("r4")["state"] == "idle", what="held down again")


def test_import_rules_change_without_a_reset(up):
    pair, _, c = up
    c.send(B.announce([FAR4, "10.9.0.0/24"], PEER4, [PEER_AS]))
    until(lambda: pair.herald.route(FAR4, "available"), what="accepted")
    rule = [{"match": {"prefixes": [{"prefix": FAR4}]}, "action": "accept",
             "set": {"localPreference": 250}}]
    pair.write(peers=pair.peers(v6=False), config={"import": rule})
    until(lambda: not pair.herald.route("10.9.0.0/24", "available"), what="no longer accepted")
    r, = pair.herald.route(FAR4, "available")
    assert r["localPreference"] == 250
    assert pair.herald.route("10.9.0.0/24", "received")
    assert len(c.of(B.OPEN)) == 1 and not c.closed_at


def test_nothing_is_accepted_by_default(pair):
    """RFC 8212."""
    s = pair.speaker().listen()
    pair.write(peers=pair.peers(v6=False))
    pair.herald.write("30-bgp.yaml", h.cluster(65001, pair.peers(v6=False)),
                      h.peer_config("tor", families=["ipv4"], accept=False))
    pair.herald.start()
    c = s.accept_up()
    c.send(B.announce([FAR4], PEER4, [PEER_AS]))
    until(lambda: pair.herald.route(FAR4, "received"), what="received")
    assert not pair.herald.route(FAR4, "available")
    fam, = pair.herald.peer("r4")["families"]
    assert (fam["received"], fam["accepted"]) == (1, 0)
