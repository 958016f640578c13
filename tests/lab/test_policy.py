"""Import and export rules, roles and limits, by what FRR and BIRD make of them.  The documents are the
examples of doc/policy.md."""
import os
import re

import pytest

from herald_lab import herald as h
from herald_lab import until
from herald_lab.pair import AS, HERALD4, PEER_AS, POD4, VIP4

yaml = pytest.importorskip("yaml")

DOC = os.path.join(os.path.dirname(__file__), "..", "..", "doc", "policy.md")
TOLD = ["0.0.0.0/0", "10.2.0.0/24", "10.2.1.0/25", "10.3.0.0/16", "10.3.5.0/24", "10.9.0.0/24"]


def example(name):
    """The BGPPeerConfig of this name on the page, with quick timers."""
    with open(DOC, encoding="utf-8") as f:
        blocks = re.findall(r"(?ms)^```yaml\n(.*?)^```", f.read())
    doc, = (d for d in map(yaml.safe_load, blocks) if d["metadata"]["name"] == name)
    doc["spec"]["timers"] = {"holdTimeSeconds": 9, "connectRetryTimeSeconds": 1}
    return doc


def write(pair, doc):
    """One IPv4 session with the other machine, by this BGPPeerConfig."""
    pair.herald.write("30-bgp.yaml",
                      h.cluster(AS, pair.peers(v6=False, config=doc["metadata"]["name"])), doc)


def start(pair, doc):
    pair.write()
    write(pair, doc)
    pair.herald.start()


def frr_telling(pair, prefixes):
    """FRR that puts AS 65010 and two communities on all that it tells but the default route."""
    f = pair.foreign("frr", far=prefixes, local6=None)
    f.start()
    f.impl.configure("ip prefix-list ZERO seq 5 permit 0.0.0.0/0",
                     "route-map OUT permit 5", "match ip address prefix-list ZERO", "exit",
                     "route-map OUT permit 10", "set as-path prepend 65010",
                     "set community 65010:5 65000:2", "exit",
                     f"router bgp {PEER_AS}", "address-family ipv4 unicast",
                     f"neighbor {HERALD4} route-map OUT out")
    return f


def frr_path(f, prefix):
    path, = f.impl.paths(prefix)
    return path


def session_of(f):
    """What would change with a reset, as FRR sees it; and how long it has been up."""
    n = f.impl.neighbor(HERALD4)
    return (n["connectionsEstablished"], n["connectionsDropped"]), n["bgpTimerUpMsec"]


def available(pair):
    return {r["prefix"]: r for r in pair.herald.routes("available") if r["peer"]}


def test_rules_both_ways_and_a_change_without_a_reset(pair):
    doc = example("tor")
    f = frr_telling(pair, TOLD)
    start(pair, doc)
    pair.herald.wait_established()
    # out: a Service and a PodCIDR by their own rules
    until(lambda: f.impl.paths(VIP4) and f.impl.paths(POD4), what="FRR: our routes")
    vip, pod = frr_path(f, VIP4), frr_path(f, POD4)
    assert vip["metric"] == 50 and vip["aspath"]["string"] == str(AS)
    assert vip["community"]["string"] == "65001:7"
    assert vip["largeCommunity"]["string"] == "65001:1:2"
    assert pod["aspath"]["string"] == f"{AS} {AS} {AS}"
    assert pod["community"]["string"] == "65001:8"
    # in: by prefix, length and path
    until(lambda: set(available(pair)) == {"0.0.0.0/0", "10.2.0.0/24", "10.3.5.0/24"}, 15,
          lambda: f"accepted: {sorted(available(pair))}")
    site = available(pair)["10.2.0.0/24"]
    assert site["localPreference"] == 200 and set(site["communities"]) == {"65000:2", "65001:200"}
    rejected = pair.herald.route("10.3.0.0/16")[0]
    assert not rejected["accepted"] and rejected["rejected"] == "no-import-rule"
    shown = {p["name"]: p for p in pair.herald.ctl("bgp", "route-policies")["policies"]}
    assert shown["r4-import-1"]["match"] == ["as-path _65010_"]
    assert shown["r4-import-1"]["prefixes"][0] == {"prefix": "10.2.0.0/16", "minLength": 16,
                                                   "maxLength": 24}
    before, up = session_of(f)
    # other rules: the routes change, the session does not
    doc["spec"]["export"][0]["set"]["med"] = 60
    doc["spec"]["export"].insert(1, {"match": {"origin": "podCIDR"}, "action": "reject"})
    doc["spec"]["import"][1]["action"] = "reject"
    doc["spec"]["import"].append({"match": {"families": "ipv4", "communities": ["65010:*"]},
                                  "action": "accept"})
    write(pair, doc)
    until(lambda: frr_path(f, VIP4)["metric"] == 60, what="FRR: the new MED")
    until(lambda: not f.impl.paths(POD4), what="FRR: the PodCIDR gone")
    until(lambda: set(available(pair)) == {"0.0.0.0/0", "10.2.1.0/25", "10.3.0.0/16",
                                           "10.9.0.0/24"},
          15, lambda: f"accepted: {sorted(available(pair))}")
    assert session_of(f)[0] == before and session_of(f)[1] >= up
    assert pair.herald.peer("r4")["flaps"] == 0


def test_roles_with_bird(pair):
    """BIRD is our provider: it marks what it tells, and is not told what is marked."""
    doc = example("upstream")
    b = pair.foreign("bird", far=["10.2.0.0/24"], local6=None, lines=["local role provider;"])
    b.start()
    doc["spec"]["import"] = [{"action": "accept"}]
    doc["spec"]["export"] = [{"match": {"origin": "learned"}, "action": "accept"}]
    start(pair, doc)
    pair.herald.wait_established()
    b.wait_routes(VIP4)
    assert "otc" not in b.route(VIP4).lower()
    told = b.impl.cmd("show protocols all r4")
    assert re.search(r"(?m)Role: customer", told) and re.search(r"(?m)Role: provider", told), told
    caps = pair.herald.peer("r4")["capabilities"]
    assert (caps["sent"]["role"], caps["received"]["role"]) == ("customer", "provider")
    route = until(lambda: pair.herald.route("10.2.0.0/24"), what="herald: BIRD's route")[0]
    assert route["onlyToCustomer"] == PEER_AS


def test_a_customer_is_told_marked_routes(pair):
    doc = example("upstream")
    b = pair.foreign("bird", far=[], local6=None, lines=["local role customer;"]).start()
    doc["spec"]["role"] = "provider"
    start(pair, doc)
    b.wait_routes(VIP4, timeout=20)
    assert re.search(rf"(?m)otc: {AS}", b.route(VIP4)), b.route(VIP4)


@pytest.mark.parametrize("theirs", ["", "local role peer;"], ids=["none", "peer"])
def test_roles_that_do_not_belong_together(pair, theirs):
    b = pair.foreign("bird", local6=None, lines=[theirs] if theirs else []).start()
    start(pair, example("upstream"))
    until(lambda: "role mismatch" in b.impl.cmd("show protocols all r4").lower(), 20,
          lambda: b.impl.cmd("show protocols all r4"))
    assert pair.herald.peer("r4")["state"] != "established"
    steps = pair.herald.ctl("explain", "peer", "r4")["steps"]
    assert any(s.get("field") == "spec.role" or "Role" in s["message"] for s in steps), steps


def test_our_own_as_in_a_path_from_frr(pair):
    """allowASIn: as often as it says, no more; a change of it needs no reset and no word from FRR."""
    once, twice = TOLD[1:3]
    f = pair.foreign("frr", far=[once, twice], local6=None).start()
    f.impl.configure(f"ip prefix-list TWICE seq 5 permit {twice}",
                     "route-map OUT permit 5", "match ip address prefix-list TWICE",
                     f"set as-path prepend {AS} {AS}", "exit",
                     "route-map OUT permit 10", f"set as-path prepend {AS}", "exit",
                     f"router bgp {PEER_AS}", "address-family ipv4 unicast",
                     f"neighbor {HERALD4} route-map OUT out")
    start(pair, h.peer_config("own", ["ipv4"]))
    pair.herald.wait_established()
    for prefix in (once, twice):
        until(lambda p=prefix: [r["rejected"] for r in pair.herald.route(p)] == ["as-path-loop"],
              what=lambda p=prefix: str(pair.herald.route(p)))
    before = session_of(f)[0]
    for allowed, there in ((1, {once}), (2, {once, twice}), (0, set())):
        write(pair, h.peer_config("own", ["ipv4"], allowASIn=allowed))
        until(lambda there=there: set(available(pair)) & {once, twice} == there, 15, lambda: str(available(pair)))
    assert session_of(f)[0] == before


def test_too_many_prefixes(pair):
    doc = example("bounded")
    f = frr_telling(pair, TOLD[1:4])
    pair.write()
    pair.herald.remove("40-advertise.yaml")  # FRR would say our routes back to us, which count
    write(pair, doc)
    pair.herald.start()
    until(lambda: "Maximum Number of Prefixes" in
          f.impl.neighbor(HERALD4).get("lastNotificationReason", ""), 20,
          lambda: str(f.impl.neighbor(HERALD4)))
    until(lambda: "maxPrefixes" in pair.herald.peer("r4").get("heldDown", ""), what="held down")
    steps = pair.herald.ctl("explain", "peer", "r4")["steps"]
    assert any(s["reason"] == "prefix-limit" for s in steps), steps
    # a bound that is wide enough brings it back
    doc["spec"]["families"][0]["maxPrefixes"] = 4
    write(pair, doc)
    pair.herald.wait_established(timeout=30)
    family, = pair.herald.peer("r4")["families"]
    until(lambda: pair.herald.peer("r4")["families"][0]["prefixLimit"]["state"] == "near",
          what="the limit is near")
    assert family["prefixLimit"]["maximum"] == 4 and family["prefixLimit"]["warnAt"] == 2
