"""metrics.page: what a browser on the node is shown, and what nobody else is."""
import os
import shutil

import pytest

from herald_lab import until
from herald_lab import herald as h
from herald_lab.browser import Browser
from herald_lab.topology import Scenario

AT = "http://localhost:7479"
NODE = "k8s-ctr"
POLICY = h.doc("L2AnnouncementPolicy", "all", {"loadBalancerIPs": True, "interfaces": ["eth1"]})
WAITS = h.service("no-pool", annotations={"heraldlb.io/ips": "10.99.0.1"})


@pytest.fixture(scope="module")
def scene(module_lab):
    scene = Scenario(module_lab, datapath={"mode": "none"}).start_router()
    for node in scene.ns:
        daemon = scene.herald(node)
        settings(scene, node, page=node == NODE)
        daemon.write("70-l2.yaml", POLICY)
        daemon.start(wait=False)
    for daemon in scene.heralds.values():
        daemon.wait_ready()
    return scene.wait_converged()


def settings(scene, node, **metrics):
    daemon = scene.heralds[node]
    daemon.write("herald.yaml", daemon.settings(metrics={"listen": "0.0.0.0:7479", **metrics}))


@pytest.fixture(scope="module")
def browser(scene, module_lab):
    if not shutil.which("chromium"):
        pytest.skip("needs chromium (Debian: chromium)")
    one = Browser(module_lab, scene.ns[NODE])
    one.go(AT + "/")
    until(lambda: one.text("#link") == "live", 60, lambda: f"live: {one.text()} {one.complaints}")
    return one


def picture(browser, name):
    """Kept for people where HERALD_PICTURES says so."""
    where = os.environ.get("HERALD_PICTURES")
    if where:
        browser.picture(f"{where}/{name}.png")


def get(scene, path, at=AT, node=NODE, *more):
    got = scene.ns[node].run("curl", "-sS", "-m", "20", "-D", "-", "-w", "\n%{http_code}", *more,
                             f"{at}{path}")
    return int(got.rpartition("\n")[2]), got


# ---- who is answered ----

def test_off_unless_asked_for(scene):
    assert get(scene, "/", node="k8s-w1")[0] == 404
    assert get(scene, "/events?filter=", node="k8s-w1")[0] == 404
    assert get(scene, "/metrics", node="k8s-w1")[0] == 200


def test_only_browsers_of_this_node(scene):
    addr = scene.ns[NODE].run("ip", "-4", "-br", "addr", "show", "dev", "eth1").split()[2].split("/")[0]
    assert get(scene, "/")[0] == 200
    assert get(scene, "/", at="http://127.0.0.1:7479")[0] == 200
    assert get(scene, "/", at=f"http://{addr}:7479", node="k8s-w1")[0] == 403
    assert get(scene, "/", at=f"http://{addr}:7479")[0] == 403
    assert get(scene, "/metrics", at=f"http://{addr}:7479", node="k8s-w1")[0] == 200


@pytest.mark.parametrize("host", ["evil.example", "127.evil.example", "localhost.evil.example",
                                  "10.0.0.1", ""])
def test_a_strangers_name_for_this_node_is_refused(scene, host):
    for path in ("/", "/events?filter=", "/explain/service/default/web"):
        assert get(scene, path, AT, NODE, "-H", f"Host: {host}")[0] == 403


def test_nothing_from_elsewhere(scene):
    for path in ("/", "/page.css", "/page.js"):
        status, got = get(scene, path)
        assert status == 200 and "default-src 'none'" in got and "X-Content-Type-Options" in got
        head, _, body = got.partition("\r\n\r\n")
        assert "http" not in body.replace("http://www.w3.org/2000/svg", ""), path


def test_bad_requests(scene):
    assert get(scene, "/explain/service/default/none")[0] == 404
    assert get(scene, "/page.html")[0] == 404
    for bad in ("%", "%4", "%zz", "%00", "%0a", "a" * 200):
        assert get(scene, f"/events?filter={bad}")[0] == 400, bad


def test_eight_streams_and_no_more(scene):
    pipes = [scene.ns[NODE].socket() for _ in range(8)]
    try:
        for s in pipes:
            s.settimeout(20)
            s.connect(("127.0.0.1", 7479))
            s.sendall(b"GET /events?filter= HTTP/1.1\r\nHost: localhost\r\n\r\n")
        for s in pipes:
            assert s.recv(100).startswith(b"HTTP/1.1 200")
        assert get(scene, "/events?filter=")[0] == 503
    finally:
        for s in pipes:
            s.close()
    # They are gone, and there is room again.
    until(lambda: _stream_opens(scene), 20, "room for a stream")


def _stream_opens(scene):
    with scene.ns[NODE].socket() as s:
        s.settimeout(20)
        s.connect(("127.0.0.1", 7479))
        s.sendall(b"GET /events?filter= HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return s.recv(100).startswith(b"HTTP/1.1 200")


# ---- what is seen ----

def test_what_there_is(scene, browser):
    until(lambda: "established" in browser.text("#peers"), 30, lambda: browser.text())
    services = browser.text("#services")
    assert "default/webpod" in services and "172.16.1.1" in services and "announced by" in services
    assert "cilium-pool" in browser.text("#pools") or browser.text("#pools").strip()
    drawn = browser.js("[...document.querySelectorAll('#picture title')].map(t => t.textContent)")
    assert any("172.16.1.1 of default/webpod" in t and "k8s-w1" in t for t in drawn), drawn
    assert any(t.startswith("k8s-ctr, this node") for t in drawn), drawn
    assert browser.js("document.querySelectorAll('#picture path.bgp').length") >= 2
    assert browser.js("document.querySelectorAll('#picture path.conf').length") >= 1
    assert browser.js("document.querySelectorAll('#picture path.l2').length") >= 1
    for scheme in ("light", "dark"):
        browser.scheme(scheme)
        picture(browser, scheme)
    assert not browser.complaints


def test_live(scene, browser):
    daemon = scene.heralds[NODE]
    daemon.write("50-waits.yaml", WAITS)
    until(lambda: "default/no-pool" in browser.text("#services"), 30, lambda: browser.text())
    assert "no address" in browser.text("#services")
    picture(browser, "waits")
    daemon.remove("50-waits.yaml")
    until(lambda: "default/no-pool" not in browser.text("#services"), 30, lambda: browser.text())
    name = next(iter(daemon.peers()))
    daemon.ctl("bgp", "shutdown", name, "for", "the", "test")
    until(lambda: "held down" in browser.text("#peers"), 30, lambda: browser.text("#peers"))
    assert browser.js("document.querySelectorAll('#picture path.down').length") == 1
    picture(browser, "down")
    daemon.ctl("bgp", "enable", name)
    until(lambda: "established" in browser.text("#peers"), 60, lambda: browser.text("#peers"))


def drawn(browser, kind):
    return browser.js(f"document.querySelectorAll('#picture path.{kind}').length")


def titles(browser):
    return "\n".join(browser.js("[...document.querySelectorAll('#picture title')].map(t => t.textContent)"))


def test_of_other_nodes_what_they_say(scene, browser):
    """A session of another node that is down is not drawn, though the configuration wants it."""
    daemon = scene.heralds["k8s-w1"]
    name = next(iter(daemon.peers()))
    until(lambda: f"k8s-w1 by BGP to {name}" in titles(browser), 30, lambda: titles(browser))
    daemon.ctl("bgp", "shutdown", name)
    until(lambda: "k8s-w1 by BGP" not in titles(browser), 30, lambda: titles(browser))
    assert "not known" not in titles(browser)
    daemon.ctl("bgp", "enable", name)
    until(lambda: f"k8s-w1 by BGP to {name}" in titles(browser), 60, lambda: titles(browser))


def test_what_is_not_known_is_not_drawn(scene, browser):
    """Without layer 2 nodes do not talk with each other."""
    for daemon in scene.heralds.values():
        daemon.remove("70-l2.yaml")
    try:
        until(lambda: "k8s-w1: not known" in titles(browser), 30, lambda: titles(browser))
        until(lambda: not drawn(browser, "conf") and not drawn(browser, "l2"), 30, "no such lines")
        assert "k8s-w1" in browser.text("#unknown") and drawn(browser, "bgp")
        picture(browser, "unknown")
    finally:
        for daemon in scene.heralds.values():
            daemon.write("70-l2.yaml", POLICY)
    until(lambda: drawn(browser, "conf") and drawn(browser, "l2"), 60, lambda: titles(browser))
    assert not browser.text("#unknown")


def test_whatever_changes_comes_through(scene, browser):
    """What is kept of Services is made anew for each kind of change."""
    daemon = scene.heralds[NODE]
    for n in (1, 2, 0, 1):
        eps = [(f"172.20.0.{70 + i}", NODE) for i in range(n)]
        daemon.write("60-more.yaml", h.service("more"), h.endpoints("more", *eps))
        want = f"{n} endpoint" + ("" if n == 1 else "s")
        until(lambda: f"{want}" in more(browser), 30, lambda: f"{want}: {more(browser)}")
    daemon.write("60-more.yaml", h.service("more", annotations={"heraldlb.io/ips": "10.99.0.1"}),
                 h.endpoints("more", ("172.20.0.70", NODE)))
    until(lambda: "no address" in more(browser), 30, lambda: more(browser))
    daemon.remove("60-more.yaml")
    until(lambda: not more(browser), 30, lambda: more(browser))
    daemon.ctl("drain", "--wait", "0")
    until(lambda: "drained" in browser.text("#chips"), 30, lambda: browser.text("#chips"))
    until(lambda: f"{NODE} by BGP" not in titles(browser), 30, lambda: titles(browser))
    daemon.ctl("undrain")
    until(lambda: f"{NODE} by BGP" in titles(browser), 30, lambda: titles(browser))


def more(browser):
    rows = browser.js("[...document.querySelectorAll('#services li')].map(r => r.innerText)")
    return " ".join(r for r in rows if "default/more" in r)


def test_many_services_and_a_narrow_window(scene, browser):
    daemon = scene.heralds[NODE]
    daemon.write("60-many.yaml", *(h.service(f"shop-{i:03}") for i in range(230)))
    until(lambda: "of 23" in browser.text("#count"), 60, lambda: browser.text("#count"))
    until(lambda: "are drawn" in browser.text("#cut"), 30, "the picture is cut")
    picture(browser, "many")
    browser.size(400, 900)
    assert browser.js("document.documentElement.scrollWidth <= 400"), "the page is wider than the window"
    picture(browser, "narrow")
    browser.size(1000, 1400)
    daemon.remove("60-many.yaml")
    until(lambda: "of 23" not in browser.text("#count"), 60, lambda: browser.text("#count"))


def test_without_scripts_it_says_what_does_without(scene, browser):
    browser.scripts(False)
    try:
        browser.go(AT + "/")
        until(lambda: "heraldctl" in browser.text(), 30, "the page is there")
        picture(browser, "noscript")
        tree = browser.text()
        assert "takes JavaScript" in tree and "heraldctl status" in tree
        assert "connecting" not in tree and "Peer" not in tree, tree
    finally:
        browser.scripts(True)
        browser.go(AT + "/")
    until(lambda: browser.text("#link") == "live", 60, lambda: browser.text("#link"))


def test_explained_by_keys_alone(scene, browser):
    browser.js("document.activeElement.blur()")
    for _ in range(60):
        browser.press("Tab")
        if browser.js("!!document.activeElement.closest('#services')"):
            break
    assert browser.js("document.activeElement.tagName") == "BUTTON"
    browser.press("Enter")
    until(lambda: "pool" in browser.text(".steps:not([hidden])"), 20, lambda: browser.text())
    assert "\u2713" in browser.text(".steps:not([hidden])")
    # What comes in meanwhile takes neither the focus nor the explanation away.
    daemon = scene.heralds[NODE]
    daemon.write("50-waits.yaml", WAITS)
    until(lambda: "default/no-pool" in browser.text("#services"), 30, lambda: browser.text())
    assert browser.js("!!document.activeElement.closest('#services')")
    assert browser.text(".steps:not([hidden])")
    picture(browser, "explained")
    daemon.remove("50-waits.yaml")
    browser.press("Enter")
    until(lambda: not browser.text(".steps:not([hidden])"), 20, "closed")


def test_filter(scene, browser):
    browser.js("document.getElementById('filter').focus()")
    browser.write("nothing-like-this")
    until(lambda: browser.text("#count").startswith("0 of"), 20, lambda: browser.text("#count"))
    assert not browser.text("#services").strip()
    browser.js("document.getElementById('filter').value = ''")
    browser.write("172.16.1.1")
    until(lambda: "default/webpod" in browser.text("#services"), 20, lambda: browser.text())


def test_the_daemon_comes_back(scene, browser):
    daemon = scene.heralds[NODE]
    daemon.stop()
    until(lambda: "not connected" in browser.text("#link"), 30, lambda: browser.text("#link"))
    daemon.start()
    until(lambda: browser.text("#link") == "live", 60, lambda: browser.text("#link"))


def test_switched_off(scene, browser):
    settings(scene, NODE, page=False)
    until(lambda: get(scene, "/")[0] == 404, 20, "the page is off")
    until(lambda: "not connected" in browser.text("#link"), 30, lambda: browser.text("#link"))
    settings(scene, NODE, page=True)
    until(lambda: browser.text("#link") == "live", 60, lambda: browser.text("#link"))
