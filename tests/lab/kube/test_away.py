"""What an API server can do to a client: go away, forget, lie, stall; and that none of it costs a
route, a number or a change."""
import signal
import time

import pytest

from herald_lab import herald as h
from herald_lab import kubefault as bad
from herald_lab import until
from herald_lab.kubescene import KubePair, account, wait_synced, withdrawn
from herald_lab.wait import stays

MANY = 40
WATCH = r"GET /api/v1/services\?.*watch="
LIST = r"GET /api/v1/services\?(?!.*watch=)"


@pytest.fixture(scope="module")
def one(module_lab):
    """A node whose Herald asks through the proxy; MANY Services, all announced."""
    p = KubePair(module_lab).start_kube()
    p.bad = bad.FaultProxy(module_lab, p.kube)
    p.put(*p.documents())
    for i in range(MANY):
        p.web(f"s{i}")
    p.peer = p.speaker().serve()
    p.settings(account(p.kube, url=p.bad.url))
    p.herald.start()
    wait_synced(p.herald)
    p.herald.wait_established()
    wait_all(p)
    return p


@pytest.fixture(autouse=True)
def fair_weather(one):
    """Each test begins and ends with a server that behaves."""
    yield
    one.bad.clear()
    if not one.bad.listening():
        one.bad.open()
    if not one.kube.server.running():
        one.kube.start_server()
    if not one.herald.daemon.running():
        one.herald.start()
    wait_all(one, 60)


def wait_all(one, timeout=30):
    until(lambda: agree(one), timeout, lambda: f"the API's state: {difference(one)}\n"
          f"{one.herald.daemon.text()[-2000:]}")


def addresses(one):
    return {d["metadata"]["name"]: d["status"]["loadBalancer"]["ingress"][0]["ip"]
            for d in one.kube.api().list("Service", "default")["items"]
            if d["status"].get("loadBalancer", {}).get("ingress")}


def in_api(one):
    """{service: (addresses in the status, endpoints)} as the API server has it."""
    api, ends = one.kube.api(), {}
    for d in api.list("EndpointSlice", "default")["items"]:
        name = d["metadata"]["labels"]["kubernetes.io/service-name"]
        ends.setdefault(name, set()).update(e["addresses"][0] for e in d["endpoints"])
    got = addresses(one)
    return {d["metadata"]["name"]: (got.get(d["metadata"]["name"]),
                                    frozenset(ends.get(d["metadata"]["name"], ())))
            for d in api.list("Service", "default")["items"]
            if d["spec"]["type"] == "LoadBalancer"}


def in_herald(one):
    """The same, as Herald serves it."""
    out = {}
    for s in one.herald.ctl("service", "list")["services"]:
        if s["type"] == "LoadBalancer":
            out[s["name"]] = (s["frontend"]["ip"], frozenset(b["ip"] for b in s["backends"]))
    return out


def difference(one):
    a, b = in_api(one), in_herald(one)
    return {n: (a.get(n), b.get(n)) for n in {*a, *b} if a.get(n) != b.get(n)}


def agree(one):
    """Herald, the API and the peer tell of the same, object by object."""
    want = in_api(one)
    told = {p.removesuffix("/32") for p in one.peer.last.rib() if p.startswith("172.16.")}
    return in_herald(one) == want and told == {a for a, _ in want.values()}


def churn(one, n, first=0):
    """@n changes that are all to be seen in the end and that no route hangs on."""
    for i in range(first, first + n):
        one.kube.api().merge("EndpointSlice", f"s{i % MANY}-1", {"endpoints": [
            {"addresses": [f"10.1.{1 + i // 200}.{i % 200 + 1}"], "nodeName": "n1",
             "conditions": {"ready": True}}]})


def events(one):
    """How many events the watch of Services has brought."""
    watches = one.herald.ctl("status")["kubernetes"]["watches"]
    return next(w["events"] for w in watches if w["resource"] == "services")


def break_watch(one):
    """Break the watch of Services off, after an event: so it is gone on with at once."""
    before = events(one)

    def heard():
        note = {"seen": str(time.monotonic_ns())}
        one.kube.api().merge("Service", "s0", {"metadata": {"annotations": note}})
        return events(one) > before
    until(heard, 60, "an event of Services", 0.2)
    one.bad.break_all(WATCH)


@pytest.fixture
def unmoved(one):
    """No withdrawal, no other address, no new session."""
    before, since = addresses(one), len(one.peer.last.messages)
    sessions = len(one.peer.connections)
    yield
    one.bad.clear()
    wait_all(one, 60)
    assert len(one.peer.connections) == sessions
    assert not withdrawn(one.peer.last, since)
    assert addresses(one) == before


def test_restarted_and_compacted_under_churn(one, unmoved):
    for i in range(2):
        churn(one, 30, 30 * i)
        one.kube.compact()
        one.kube.restart(hard=bool(i % 2))
        churn(one, 30, 1000 + 30 * i)
        wait_all(one, 60)


@pytest.mark.parametrize("fault", [
    bad.half_line(), bad.half_line(after=2, reset=True), bad.garbage_line(after=1),
    bad.garbage_line(b"\x00\xff\xfe nonsense\n"), bad.garbage_line(b'{"type":"ADDED"}\n'),
    bad.garbage_line(b'{"type":"DELETED","object":{"kind":"Service","metadata":{}}}\n'),
    bad.garbage_line(b'{"type":"DELETED","object":{"kind":"Service","metadata":{"name":7}}}\n'),
    bad.garbage_line(b'[1,2,3]\n'), bad.garbage_line(b'{"type":"WHAT","object":{}}\n'),
    bad.refusal(410, "Expired"), bad.refusal(500, "InternalError"), bad.refusal(429, "TooMany"),
    bad.said(429, "Too many requests, please try again later.\n", "text/plain", Retry_After="1"),
    bad.said(404, "404 page not found\n", "text/plain"), bad.said(503, "<html>sorry", "text/html"),
    bad.cut(10), bad.dripping(),
], ids=lambda f: f.__qualname__.split(".")[0])
def test_a_watch_that_goes_wrong(one, unmoved, fault):
    """Twice; then all is well again, and what changed meanwhile is there."""
    rule = one.bad.on(WATCH, fault, times=2)
    break_watch(one)
    until(lambda: rule.used, 30, "the fault met")
    churn(one, 10)
    wait_all(one, 60)


@pytest.mark.parametrize("fault", [
    bad.refusal(500, "InternalError"), bad.cut(100), bad.cut(3000, reset=False),
    bad.said(200, ""), bad.said(200, "{}"), bad.said(200, '{"items":[]}'),
    bad.said(200, '{"kind":"ServiceList","metadata":{},"items":[]}'),
    bad.said(200, '{"kind":"ServiceList","metadata":{"resourceVersion":"1"},"items":'),
    bad.said(200, '{"kind":"ServiceList","metadata":{"resourceVersion":"1"},"items":[7,"x",null]}'),
    bad.said(200, "[" * 100000), bad.said(200, "no JSON at all", "text/plain"),
    bad.refusal(403, "Forbidden", "services is forbidden"), bad.endless_string(),
], ids=lambda f: f.__qualname__.split(".")[0])
def test_a_list_that_goes_wrong_takes_nothing_away(one, unmoved, fault):
    one.bad.on(WATCH, bad.refusal(410, "Expired"), times=1)
    rule = one.bad.on(LIST, fault, times=1)
    break_watch(one)
    until(lambda: rule.used, 40, "the fault met")
    churn(one, 5)
    wait_all(one, 60)


def test_silence_is_noticed_on_a_request(one, unmoved):
    """A server that takes requests and says nothing, for a while; what is held stays."""
    one.bad.on("", bad.stall())
    one.bad.break_all()
    until(lambda: len(one.bad.seen("watch=", since=0)) > 0, what="asked")
    stays(lambda: len(in_herald(one)) == MANY, 2)
    one.bad.clear()
    one.bad.break_all()
    churn(one, 5)


def test_a_stopped_server_is_no_reason_for_anything(one, unmoved):
    one.kube.server.send_signal(signal.SIGSTOP)
    try:
        stays(lambda: len(in_herald(one)) == MANY, 3)
    finally:
        one.kube.server.send_signal(signal.SIGCONT)
    churn(one, 5)


def test_who_may_not_come_in_is_told_and_comes_in_with_the_next_token(one, unmoved):
    good = one.kube.service_account_token()
    one.kube.in_cluster("revoked")
    since = one.herald.log_size()
    one.bad.break_all()
    one.herald.daemon.wait_log(r"401|[Uu]nauthorized", 30, since)
    one.kube.in_cluster(good)
    churn(one, 5)
    wait_all(one, 60)


def test_no_token_is_ever_in_the_log(one):
    with open(f"{one.kube.dir}/in-cluster/token", encoding="ascii") as f:
        token = f.read()
    text = one.herald.daemon.text()
    assert token not in text and token.split(".")[2] not in text
    assert "Bearer" not in text


def test_requests_back_off_while_nobody_answers(one, unmoved):
    one.bad.on("", bad.said(503, "no"))
    one.bad.break_all()
    start = len(one.bad.seen())
    stays(lambda: len(one.bad.seen()) - start < 400, 4, "a moderate number of requests")


def test_a_missing_right_is_named(one):
    """Without services/status, the log says so; with it again, all goes on."""
    api = one.kube.api()
    roles = [r for r in api.list("ClusterRole")["items"] if any(
        "services/status" in rule.get("resources", []) for rule in r["rules"] or [])
        and r["metadata"]["name"].startswith("herald")]
    assert len(roles) == 1
    role = roles[0]
    fewer = [{**r, "resources": [x for x in r["resources"] if x != "services/status"]}
             for r in role["rules"]]
    name = role["metadata"]["name"]
    since = one.herald.log_size()
    api.merge("ClusterRole", name, {"rules": [r for r in fewer if r["resources"]]})
    try:
        one.web("refused")
        one.herald.daemon.wait_log(r"services/status", 30, since)
    finally:
        api.merge("ClusterRole", name, {"rules": role["rules"]})
    one.wait_address("refused", 90)  # it looks again once a minute
    api.delete("Service", "refused")
    api.delete("EndpointSlice", "refused-1")
