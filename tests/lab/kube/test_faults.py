"""The proxy of faults: that each of them is what it says, as a plain client sees it."""
import http.client
import json
import time

import pytest

from herald_lab import kubefault as bad
from herald_lab import until
from herald_lab.herald import service
from herald_lab.kubeapi import Api, ApiError, path_of

SERVICES = path_of("Service", ns="")


@pytest.fixture(scope="module")
def proxy(module_lab, kube):
    made = bad.FaultProxy(module_lab, kube)
    kube.api().create(service("one"))
    kube.api().create(service("two"))
    return made


@pytest.fixture
def api(proxy, kube):
    made = Api(kube.ns, proxy.addr, proxy.port, f"{kube.dir}/pki/ca.crt", kube.tokens["admin"],
               timeout=5)
    yield made
    made.close()
    proxy.clear()


def watch_lines(api, n):
    """The first lines of a watch from the beginning; fewer when it ends."""
    conn = api.connect()
    try:
        conn.request("GET", f"{SERVICES}?watch=1&timeoutSeconds=2", None, api.headers())
        answer = conn.getresponse()
        return [line for _, line in zip(range(n), iter(answer.readline, b""))]
    finally:
        conn.close()


def test_without_a_rule_it_is_the_real_server(api, proxy):
    began = time.monotonic()
    assert {s["metadata"]["name"] for s in api.list("Service")["items"]} >= {"one", "two"}
    api.merge("Service", "one", {"metadata": {"annotations": {"a": "b"}}})
    assert api.get("Service", "one")["metadata"]["annotations"] == {"a": "b"}
    assert [row.split()[0] for _, row in proxy.seen(since=began)] == ["GET", "PATCH", "GET"]
    assert all(json.loads(line) for line in watch_lines(api, 2))


def test_an_answer_of_its_own_so_many_times(api, proxy):
    rule = proxy.on("GET .*/services", bad.refusal(429, "TooManyRequests"), times=2)
    for _ in range(2):
        with pytest.raises(ApiError) as told:
            api.list("Service")
        assert told.value.status == 429
    assert api.list("Service")["items"] and rule.used == 2


@pytest.mark.parametrize("reset", [False, True])
def test_half_a_line(api, proxy, reset):
    proxy.on("watch=1", bad.half_line(after=1, reset=reset))
    lines = []
    try:
        lines = watch_lines(api, 9)
    except ConnectionError:
        assert reset
    if not reset:
        assert json.loads(lines[0]) and len(lines) == 2
        with pytest.raises(ValueError):
            json.loads(lines[1])


def test_garbage_among_the_lines(api, proxy):
    proxy.on("watch=1", bad.garbage_line(after=1))
    first, second, third = watch_lines(api, 3)
    assert json.loads(first) and json.loads(third)
    with pytest.raises(ValueError):
        json.loads(second)


def test_an_answer_that_is_cut(api, proxy):
    proxy.on("/services", bad.cut(100))
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        api.list("Service")
    proxy.clear()
    proxy.on("/services", bad.cut(100, reset=False))
    with pytest.raises(http.client.IncompleteRead):
        api.list("Service")


def test_silence(api, proxy):
    api.timeout = 0.5
    for fault in (bad.stall(), bad.stall(after=50)):
        proxy.on("/services", fault)
        with pytest.raises(TimeoutError):
            api.list("Service")
        proxy.clear()


def test_a_list_that_is_changed(api, proxy):
    proxy.on("/services", bad.changed(lambda got: {**got, "items": []}))
    assert api.list("Service")["items"] == []


@pytest.mark.parametrize("fault", [bad.endless_list(service("n-%N%")), bad.endless_string()])
def test_what_does_not_end(api, proxy, fault):
    proxy.on("/services", fault)
    conn = api.connect()
    conn.request("GET", SERVICES, None, api.headers())
    assert len(conn.getresponse().read(3 << 20)) == 3 << 20
    conn.close()


def test_byte_by_byte(api, proxy):
    proxy.on("/services", bad.dripping())
    assert len(api.list("Service")["items"]) >= 2


def test_closed_and_opened_again(api, proxy):
    proxy.close()
    with pytest.raises(OSError):
        api.list("Service")
    proxy.open()
    until(lambda: api.list("Service")["items"], what="served again")
