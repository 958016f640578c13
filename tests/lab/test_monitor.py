"""heraldctl monitor: what happens, as it happens; over restarts of the daemon; a reader that is too slow."""
import json
import os
import re
import signal

from herald_lab import bgpmsg, until
from herald_lab import herald as h
from herald_lab.lab import program
from herald_lab.pair import FAR4, HERALD4, PEER4, PEER_AS, VIP4
from herald_lab.plant import wait_loaded
from herald_lab.proc import Daemon
from test_bfd import begin, bfd


def listen(pair, what, nr):
    until(lambda: pair.herald.ctl("status")["listeners"][what] == nr, what=f"{nr} {what}")


class Monitor:
    """A `heraldctl monitor` that runs; its standard error goes into the same file."""

    def __init__(self, pair, *args, form="json"):
        Monitor.nr = getattr(Monitor, "nr", 0) + 1
        self.daemon = Daemon(pair.lab, pair.n1, [program("heraldctl"), "-s", pair.herald.socket, "-o", form,
                                                 "monitor", *args],
                             f"{pair.lab.dir}/monitor-{os.getpid()}-{Monitor.nr}.log").start()
        self.pair = pair

    def ready(self, nr=1):
        """With this one @nr listen."""
        listen(self.pair, "monitor", nr)
        return self

    def events(self):
        return [json.loads(x) for x in self.daemon.text().splitlines() if x.startswith("{")]

    def wait(self, kind, event, timeout=20, **fields):
        def found():
            return [e for e in self.events() if (e.get("type"), e.get("event")) == (kind, event)
                    and all(e.get(k) == v for k, v in fields.items())]
        return until(found, timeout, lambda: f"{kind}-{event} {fields}: {self.daemon.text()[-3000:]}")[0]


def test_what_happens_is_told(pair):
    pair.start(peers=pair.peers(v6=False))
    m = Monitor(pair).ready()
    s = pair.speaker()
    c = s.dial_up(HERALD4)
    e = m.wait("peer", "up", peer="r4")
    assert e["address"] == PEER4 and e["peerASN"] == PEER_AS and re.match(r"\d{4}-.*Z$", e["time"])
    c.send(bgpmsg.announce([FAR4], PEER4, [PEER_AS]))
    assert m.wait("route", "learned", prefix=FAR4)["nextHops"] == [PEER4]
    c.send(bgpmsg.update(withdrawn=[FAR4]))
    m.wait("route", "withdrawn", prefix=FAR4)
    # a Service without endpoints, then none at all
    pair.herald.write("60-web.yaml", h.service("web", families=["IPv4"]))
    e = m.wait("service", "withdrawn", service="default/web", prefix=VIP4)
    assert e["reason"] == "no-ready-endpoint" and e["message"]
    pair.herald.write("60-web.yaml", h.service("web", families=["IPv4"]),
                      h.endpoints("web", ("10.1.0.10", "n1")))
    m.wait("service", "announced", service="default/web", prefix=VIP4)
    m.wait("reload", "applied")
    pair.herald.write("60-web.yaml", "not: [yaml")
    assert "fault" in m.wait("reload", "refused")["message"]
    pair.herald.remove("60-web.yaml")
    assert m.wait("address", "released", address=VIP4[:-3])["service"] == "default/web"
    m.wait("service", "withdrawn", service="default/web", reason="service-gone")
    pair.herald.write("60-web.yaml", h.service("db", families=["IPv4"]),
                      h.endpoints("db", ("10.1.0.10", "n1")))
    a = m.wait("address", "allocated", service="default/db")["address"]
    m.wait("service", "announced", service="default/db", prefix=f"{a}/32")
    pair.herald.ctl("drain", "--wait", "0")
    m.wait("drain", "draining")
    m.wait("drain", "drained")
    assert m.wait("service", "withdrawn", service="default/db")["reason"] == "drained"
    pair.herald.ctl("undrain")
    m.wait("drain", "undrained")
    c.send(bgpmsg.notification(6, 2, b"\5works"))
    e = m.wait("peer", "down", peer="r4")
    assert "Administrative Shutdown" in e["message"] and "works" in e["message"]


def test_filters_tables_and_the_end(pair):
    pair.start(peers=pair.peers(v6=False))
    only = Monitor(pair, "--type", "peer,drain", "--peer", "r4")
    table = Monitor(pair, "--last", "2", "--type", "peer", form="table")
    every = Monitor(pair).ready(3)
    pair.herald.ctl("drain", "--wait", "0")
    every.wait("drain", "drained")
    conn = pair.speaker().dial_up(HERALD4)
    every.wait("peer", "up")
    conn.send(bgpmsg.notification(6, 4))
    every.wait("peer", "down")
    only.wait("peer", "down")
    assert {e["type"] for e in only.events()} == {"peer"}, "a drain is of no peer"
    assert table.daemon.wait(10) == 0, "two events were asked for"
    lines = table.daemon.text().splitlines()
    assert [re.sub(r"^\S+ ", "", x).split(":")[0] for x in lines] == \
        ["peer-up 10.0.0.2 r4", "peer-down 10.0.0.2 r4"]
    for bad in (["--type", "weather"], ["--last", "0"], ["--service", "web"], ["--peer"], ["-f"]):
        done = pair.herald.run_ctl("monitor", *bad)
        assert done.returncode == 2 and "monitor: " in done.stderr, bad


def test_it_comes_back_when_the_daemon_does(pair):
    pair.start(peers=pair.peers(v6=False))
    m = Monitor(pair).ready()
    pair.herald.kill()
    m.daemon.wait_log("the daemon is gone")
    pair.herald.start()
    m.daemon.wait_log("the daemon is back", 30)
    pair.herald.ctl("drain", "--wait", "0")
    m.wait("drain", "drained")
    assert m.daemon.running()
    pair.herald.kill()
    done = pair.herald.run_ctl("monitor")
    assert done.returncode == 3, "one that was never there is no gap"


def test_a_slow_reader_loses_events_and_is_told(pair):
    pair.start(peers=pair.peers(v6=False))
    m = Monitor(pair).ready()
    c = pair.speaker().dial_up(HERALD4)
    m.wait("peer", "up")
    m.daemon.send_signal(signal.SIGSTOP)
    rss = pair.herald.daemon.rss_kb()
    for i in range(64):
        c.send(bgpmsg.announce([f"10.{100 + i}.{j}.0/24" for j in range(200)], PEER4, [PEER_AS]))
    until(lambda: len(pair.herald.routes("received")) >= 12800, 60, "all routes")
    assert pair.herald.daemon.rss_kb() - rss < 64 * 1024
    m.daemon.send_signal(signal.SIGCONT)
    pair.herald.ctl("reload")

    def told():
        lost = sum(e.get("lost", 0) for e in m.events())
        heard = len([e for e in m.events() if e.get("type") == "route"])
        pair.herald.ctl("reload")  # what is lost is told with the next event
        return lost and heard and lost + heard >= 12800
    until(told, 30, lambda: f"what was lost: {[e for e in m.events() if 'lost' in e]}")


def test_layer_2_is_told(lab, pair):
    pair.herald = h.Herald(lab, pair.n1, "n1", datapath={"mode": "none"})
    pair.start(peers={})
    m = Monitor(pair).ready()
    policy = h.doc("L2AnnouncementPolicy", "all", {"loadBalancerIPs": True, "interfaces": ["eth0"]})
    pair.herald.write("70-l2.yaml", policy)
    m.wait("l2", "taken", address=VIP4[:-3])
    pair.herald.remove("70-l2.yaml")
    m.wait("l2", "given", address=VIP4[:-3])


def test_bfd_is_told(pair):
    side = begin(pair, "bird")
    m = Monitor(pair, "--peer", "r4", "--type", "bfd,peer").ready()
    p, = pair.herald.ctl("bgp", "peers", "r4")["peers"]
    assert p["bfd"]["state"] == "up" and p["bfd"]["peerAddress"] == PEER4
    assert "BFD: up" in pair.herald.table("bgp", "peers", "r4")
    side.foreign.stop(signal.SIGKILL)
    m.wait("bfd", "down", peer="r4")
    m.wait("peer", "down", peer="r4")
    assert bfd(pair, PEER4)["state"] == "down"


def test_observe_comes_back_too(lab, pair):
    """The datapath is away for a while longer than the daemon."""
    pair.herald = h.Herald(lab, pair.n1, "n1", datapath={"devices": ["eth0"]})
    pair.start(peers={})
    wait_loaded(pair.herald)
    d = Daemon(lab, pair.n1, [program("heraldctl"), "-s", pair.herald.socket, "observe", "-f"],
               f"{lab.dir}/observe.log").start()
    once = Daemon(lab, pair.n1, [program("heraldctl"), "-s", pair.herald.socket, "observe"],
                  f"{lab.dir}/once.log").start()
    listen(pair, "observe", 2)
    pair.herald.kill()
    d.wait_log("the daemon is gone")
    assert once.wait(10) == 0, "what was not to go on without end ends with the daemon"
    pair.herald.start()
    d.wait_log("the daemon is back", 30)
    assert d.running()
