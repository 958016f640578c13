"""heraldctl top: what stands on the screen is what there is, and keys do what they say."""
import os
import re

import pytest

from herald_lab import until
from herald_lab import herald as h
from herald_lab.browser import Browser
from herald_lab.lab import program
from herald_lab.plant import NODE4, Plant, app, pod_addr
from herald_lab.proc import Daemon
from herald_lab.terminal import Terminal

POLICY = h.doc("L2AnnouncementPolicy", "all", {"loadBalancerIPs": True, "interfaces": ["eth0"]})
BUSY, MANY = "172.16.1.10", 30
REQUESTS = f"while :; do curl -s -o /dev/null -m 2 http://{BUSY}/ || sleep 0.1; done"


def bgp(node):
    peers = {"other": {"peerASN": 65001 if node == "n2" else 65002, "config": "plain",
                       "peerAddress": NODE4["n2" if node == "n1" else "n1"]}}
    if node == "n1":
        peers["nobody"] = {"peerASN": 65009, "peerAddress": "192.168.10.250", "config": "plain"}
    return [h.cluster(65001 if node == "n1" else 65002, peers),
            h.peer_config("plain", families=["ipv4"]), h.advertise_pods(), h.advertise_services()]


@pytest.fixture(scope="module")
def plant(module_lab):
    plant = Plant(module_lab)
    for node in NODE4:
        plant.herald(node).write("40-bgp.yaml", *bgp(node))
    plant.write("70-l2.yaml", POLICY)
    plant.start(app("busy", ["n1p0"], annotations={"heraldlb.io/ips": BUSY}, families=("IPv4",)),
                app("quiet", ["n2p0"], families=("IPv4",)), app("empty", [], families=("IPv4",)))
    plant.wait_backends(BUSY, [pod_addr("n1")])
    plant.heralds["n1"].wait_established("other")
    Daemon(module_lab, plant.outside, ["sh", "-c", REQUESTS], f"{module_lab.dir}/requests.log").start()
    return plant


def top(lab, plant, *args, **kw):
    d = plant.heralds["n1"]
    return Terminal(lab, plant.ns["n1"], [program("heraldctl"), "-s", d.socket, "top", *args], **kw)


def picture(lab, plant, terminal, name):
    """Kept for people where HERALD_PICTURES says so."""
    where = os.environ.get("HERALD_PICTURES")
    if where:
        with open(f"{where}/{name}.html", "w", encoding="utf-8") as f:
            f.write(terminal.as_html())
        browser = Browser(lab, plant.ns["n1"], 1100, 620)
        browser.go(f"file://{where}/{name}.html")
        until(lambda: browser.text("pre"), 20, "drawn")
        browser.picture(f"{where}/{name}.png")


def row(terminal, name):
    return next((x for x in terminal.lines() if x.split()[:1] == [name]), "")


def test_what_there_is(lab, plant):
    t = top(lab, plant, "-d", "1", lines=34, columns=110)
    until(lambda: re.search(r"default/busy +\S+ +[1-9]", t.text()), 40, lambda: t.text())
    text = t.text()
    assert "n1  herald" in t.lines()[0] and "peers 1 of 2 up" in t.lines()[1]
    assert "established" in row(t, "other") and "nobody" in text
    # The busiest first; what has no endpoint is known by it.
    assert text.index("default/busy") < text.index("default/quiet")
    assert row(t, "default/empty").split()[-2:] == ["0", "0"]
    l2 = [x for x in t.lines() if x.startswith(BUSY + " ")]
    assert len(l2) == 1 and l2[0].split()[1] in NODE4
    picture(lab, plant, t, "top")
    t.type("q")
    until(lambda: t.ended() is not None, 20, lambda: t.text())
    assert t.ended() == 0


def test_keys(lab, plant):
    plant.write("61-many.yaml", *(d for i in range(MANY)
                                  for d in app(f"svc{i:02}", ["n2p0"], families=("IPv4",))))
    t = top(lab, plant, "-d", "1")
    until(lambda: "svc00" in t.text(), 40, lambda: t.text())
    title = [x for x in t.lines() if "Services by packets" in x]
    assert re.search(rf"1 to \d+ of {MANY + 3}", title[0]), title
    t.type("jj")
    until(lambda: re.search(r"3 to \d+ of", t.text()), 20, lambda: t.text())
    t.type("\x1b[6~" * 10)  # far beyond the end
    until(lambda: f"of {MANY + 3}" in t.text() and "svc29" in t.text(), 20, lambda: t.text())
    t.type("\x1b[H")
    until(lambda: re.search(r"1 to \d+ of", t.text()), 20, lambda: t.text())
    t.type("/svc1")
    until(lambda: "svc16" in t.text() and "svc00" not in t.text(), 20, lambda: t.text())
    t.type("\x7f\x7f\x7f\x7f\r")
    until(lambda: "svc00" in t.text(), 20, lambda: t.text())
    t.type(" ")
    until(lambda: "PAUSED" in t.text(), 20, lambda: t.text())
    t.type(" ")
    until(lambda: "PAUSED" not in t.text(), 20, lambda: t.text())
    t.resize(10, 60)
    until(lambda: "q quits" in t.lines()[-1] or "q quits" in t.text(), 20, lambda: t.text())
    t.resize(40, 120)
    until(lambda: "svc10" in t.text(), 20, lambda: t.text())
    plant.heralds["n1"].remove("61-many.yaml")
    plant.heralds["n2"].remove("61-many.yaml")
    t.type("\x03")
    until(lambda: t.ended() is not None, 20, lambda: t.text())
    assert t.ended() == 0


def test_the_daemon_comes_back(lab, plant):
    d = plant.heralds["n1"]
    t = top(lab, plant, "-d", "1")
    until(lambda: "default/busy" in t.text(), 40, lambda: t.text())
    d.stop()
    until(lambda: "is it running" in t.text() or "no daemon" in t.text() or "cannot" in t.text(), 30, lambda: t.text())
    assert "default/busy" in t.text()  # what was known last stays
    d.start()
    until(lambda: re.search(r"up \d+s", t.lines()[0]) and "cannot" not in t.text(), 40, lambda: t.text())


def test_wrong_ways_to_start(lab, plant):
    d = plant.heralds["n1"]
    got = d.run_ctl("top")
    assert got.returncode == 2 and "terminal" in got.stderr
    for words in (("-d", "0"), ("-d", "x"), ("-d",), ("fast",)):
        assert d.run_ctl("top", *words).returncode == 2, words
    t = Terminal(lab, plant.ns["n1"], [program("heraldctl"), "-s", "/nowhere", "top"])
    until(lambda: t.ended() is not None, 20, lambda: t.text())
    assert t.ended() == 3 and "/nowhere" in t.text()


def test_no_color(lab, plant):
    t = top(lab, plant, env={"NO_COLOR": "1"})
    until(lambda: "other" in t.text(), 40, lambda: t.text())
    assert {c.fg for y in range(24) for c in t.screen.buffer[y].values()} <= {"default"}
