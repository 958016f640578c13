"""The datapath outlives the daemon: requests go on through SIGKILL, restart, upgrade and reload;
and when it is to go, it goes whole."""
import json
import os
import signal
import subprocess

import pytest

from herald_lab import until
from herald_lab.bpf import Bpffs, program_there
from herald_lab.load import Load
from herald_lab.plant import NODE4, Plant, app, backends, frontend, pod_addr

VIPS = ("172.16.1.10", "fd16::10")
PORTS = [{"name": "http", "port": 80, "targetPort": 80, "protocol": "TCP"},
         {"name": "dns", "port": 53, "targetPort": 53, "protocol": "UDP"}]
PODS = ["n1p0", "n2p0"]
MANY = 24  # services of a hundred ports and two families


def web(pods=(), **more):
    return app("web", list(pods) or PODS, PORTS,
               annotations={"lbipam.cilium.io/ips": ",".join(VIPS)}, **more)


def built(lab, **datapath):
    p = Plant(lab, **datapath)
    p.start(web())
    for i, vip in enumerate(VIPS):
        p.wait_backends(vip, [pod_addr(n, 0, i) for n in NODE4])
    return p


@pytest.fixture(scope="module")
def plant(module_lab):
    return built(module_lab)


STREAMS = [{"addr": vip, "mode": mode, "workers": 2, "port": 53 if mode == "udp" else 80}
           for vip in VIPS for mode in ("close", "keep", "udp")]


class Streams:
    """Requests from outside, from node n1 and from a pod on it, while something happens."""

    def __init__(self, plant):
        self.plant = plant
        self.loads = {}

    def __enter__(self):
        p = self.plant
        for where, ns in (("outside", p.outside), ("n1", p.ns["n1"]), ("pod", p.pods["n1p0"])):
            self.loads[where] = Load(p.lab, ns, *STREAMS, pause=0.01)
        self.more()
        return self

    def more(self, n=150):
        """Wait for more requests from each."""
        for load in self.loads.values():
            load.wait_more(n)

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                self.more()
                told = {w: x.told() for w, x in self.loads.items()}
                assert {w: (t["failed"], t["failures"][:5]) for w, t in told.items()} == {
                    w: (0, []) for w in told}
                for where, t in told.items():
                    assert set(t["pods"]) == set(PODS), (where, t)
        finally:
            for load in self.loads.values():
                load.close()


@pytest.fixture
def stream(plant):
    with Streams(plant) as s:
        yield s


def n1(plant):
    return plant.heralds["n1"]


def adopted(plant, node="n1"):
    plant.wait_loaded(node)
    assert plant.heralds[node].ctl("status")["datapath"]["adopted"]


# ---- it goes on ----

@pytest.mark.parametrize("sig", [signal.SIGKILL, signal.SIGTERM])
def test_no_request_fails_while_the_daemon_is_away_and_when_it_comes_back(plant, stream, sig):
    for node in NODE4:
        plant.heralds[node].stop(sig)
    stream.more()  # nobody is there
    for node in NODE4:
        plant.heralds[node].start()
    for node in NODE4:
        adopted(plant, node)


def test_a_restart_goes_on_with_the_programs_that_run(plant):
    """Nothing is loaded and nothing exchanged when nothing changed."""
    d = n1(plant)
    before = d.bpffs.programs()
    for sig in (signal.SIGTERM, signal.SIGKILL):
        d.stop(sig)
        size = d.log_size()
        d.start()
        adopted(plant)
        assert "kept=true" in d.daemon.text()[size:]
        assert before and set(d.bpffs.programs()) == set(before)


def test_an_established_connection_is_there_after_a_restart(plant):
    agent = plant.agent("outside")
    before = {f"k{n}": agent.http(VIPS[n % 2], keep=f"k{n}") for n in range(16)}
    n1(plant).kill()
    n1(plant).start()
    adopted(plant)
    assert {k: agent.http("", keep=k) for k in before} == before
    for k in before:
        agent.drop(keep=k)


def test_an_upgrade_exchanges_the_programs_and_no_request_fails(plant, stream):
    """As a new version does it: other programs, and flow tables of another size, take the place of
    those that are pinned.  Flows go on."""
    d = n1(plant)
    old = d.bpffs.programs()
    agent = plant.agent("outside")
    before = {f"u{n}": agent.http(VIPS[n % 2], keep=f"u{n}") for n in range(16)}
    for flows in (1 << 20, 1 << 18):
        d.stop()
        plant.settings(conntrack={"maxFlowsIPv4": flows, "maxFlowsIPv6": flows})
        d.start()
        adopted(plant)
        stream.more()
    assert {k: agent.http("", keep=k) for k in before} == before
    assert old and set(d.bpffs.programs()).isdisjoint(old)
    until(lambda: not [x for x in old if program_there(x)], what="the old programs gone")
    plant.settings()


def test_a_change_of_the_configuration_under_load(plant, stream):
    """Each way of standing on the device in its turn."""
    plant.whole_sums()
    stream.more()
    for attach in ("xdp", "tc", "auto"):
        plant.settings(attach=attach)
        want = {"xdp": "xdp", "tc": "tc", "auto": ""}[attach]
        until(lambda w=want: w in eth0(plant)["attached"], what=lambda: f"{attach}: {eth0(plant)}")
        stream.more()


def eth0(plant):
    return next(x for x in n1(plant).ctl("status")["datapath"]["devices"] if x["name"] == "eth0")


def test_growing_under_load(plant, stream):
    """Many services more than the maps were made for: they become larger while packets go."""
    ports = [{**PORTS[0], "name": f"p{i}", "port": 1000 + i} for i in range(100)]
    before = n1(plant).ctl("status")["datapath"]
    docs = [d for i in range(MANY) for d in app(f"many{i}", PODS, ports, annotations={
        "lbipam.cilium.io/ips": f"172.16.1.{100 + i},fd16::{100 + i:x}"})]
    last = f"172.16.1.{100 + MANY - 1}"
    plant.write("70-many.yaml", *docs)
    try:
        plant.wait_backends(last, [pod_addr("n1"), pod_addr("n2")], port=1099, timeout=30)
        assert plant.agent("outside").http(last, port=1099)["pod"] in PODS
        until(lambda: n1(plant).ctl("status")["datapath"]["frontends"]
              == before["frontends"] + MANY * 200, 30, "all frontends in larger maps")
        stream.more()
    finally:
        plant.write("70-many.yaml")
    until(lambda: not frontend(n1(plant), last, 1099), 30, "all gone again")


def test_endpoints_change_while_the_daemon_is_away(plant):
    d = n1(plant)
    d.kill()
    plant.serve(web(["n2p0"]))
    d.start()
    plant.wait_backends(VIPS[0], [pod_addr("n2")], nodes=["n1"])
    assert plant.agent("outside").many(VIPS[0], n=20)["pods"] == {"n2p0": 20}
    plant.serve(web())
    for i, vip in enumerate(VIPS):
        plant.wait_backends(vip, [pod_addr(n, 0, i) for n in NODE4])


# ---- it goes ----

def nothing_left(d, programs):
    """No pin, and no program that was there before."""
    assert d.bpffs.pins() == [] and not os.path.exists(d.pin_path)
    until(lambda: not [p for p in programs if program_there(p)], what="the programs gone")
    assert "xdp" not in d.ns.ip("link show") and "prog" not in d.ns.ip("link show")


def test_shutdown_takes_everything_out(plant):
    d = n1(plant)
    programs = d.bpffs.programs()
    assert programs and d.bpffs.pins()
    d.ctl("shutdown")
    d.daemon.wait(10)
    nothing_left(d, programs)
    for vip in VIPS:
        assert "error" in plant.agent("n1").http(vip, timeout=0.3)
    d.start()
    plant.wait_loaded("n1")
    assert "pod" in until(lambda: plant.agent("outside").http(VIPS[0]), what="it serves again")


def test_mode_none_leaves_nothing(plant):
    d = n1(plant)
    programs = d.bpffs.programs()
    plant.settings(mode="none")
    until(lambda: not d.bpffs.pins(), what=lambda: f"unpinned: {d.bpffs.pins()}")
    nothing_left(d, programs)
    assert d.ctl("status")["datapath"]["mode"] == "none"
    d.stop()
    d.start()  # and begins without one, too
    assert not d.bpffs.pins()
    plant.settings()
    plant.wait_loaded("n1")
    plant.wait_backends(VIPS[0], [pod_addr("n1"), pod_addr("n2")])


def test_mode_none_at_start_removes_what_an_earlier_process_left(plant):
    d = n1(plant)
    programs = d.bpffs.programs()
    assert programs
    d.kill()
    plant.settings(mode="none")
    d.start()
    until(lambda: not d.bpffs.pins(), what=lambda: f"unpinned: {d.bpffs.pins()}")
    nothing_left(d, programs)
    plant.settings()
    plant.wait_loaded("n1")


# ---- it cannot come ----

def trouble(d):
    """What `status` says of the datapath."""
    return d.ctl("status")["datapath"].get("error", "")


def test_without_a_bpffs_it_says_how_to_get_one(plant):
    d = n1(plant)
    d.stop()
    plain = plant.lab.path("no-bpffs")
    plant.settings(pinPath=f"{plain}/herald")
    d.start()
    said = until(lambda: trouble(d), what="the trouble told")
    assert plain in said and "mount -t bpf" in said
    assert said.splitlines() == [said]
    d.daemon.wait_log(r"mount -t bpf")
    # and it is tried again: once it is there, all is well
    again = plant.lab.own(Bpffs(plain)).create()
    until(lambda: again.pins(), 30, "pinned after all")
    d.ctl("shutdown")
    d.daemon.wait(10)
    plant.settings()
    d.start()
    plant.wait_loaded("n1")


def test_a_pinned_thing_that_is_none_of_ours_is_replaced(plant):
    """A map under the right name that has another shape: as after a downgrade, or by a stranger."""
    d = n1(plant)
    d.stop()
    pins = [x for x in d.bpffs.pins() if os.path.basename(x) == "fe_rows"]
    assert pins, d.bpffs.pins()
    path = os.path.join(d.bpffs.path, pins[0])
    os.unlink(path)
    subprocess.run(["bpftool", "map", "create", path, "type", "array", "key", "4", "value", "8",
                    "entries", "3", "name", "stranger"], check=True, capture_output=True)
    d.start()
    plant.wait_loaded("n1")
    plant.wait_backends(VIPS[0], [pod_addr("n1"), pod_addr("n2")])
    assert plant.agent("outside").many(VIPS[0], n=20)["errors"] == {}
    d.daemon.wait_log(r"datapath-maps-replaced")


def test_what_somebody_changed_in_the_maps_is_put_right(plant):
    """A restart reads back what is there and writes what should be."""
    d = n1(plant)
    d.stop()
    pin = next(x for x in d.bpffs.pins() if os.path.basename(x) == "frontends")
    path = os.path.join(d.bpffs.path, pin)
    dump = subprocess.run(["bpftool", "-j", "map", "dump", "pinned", path], check=True,
                          capture_output=True, text=True)
    rows = json.loads(dump.stdout)
    for row in rows:
        subprocess.run(["bpftool", "map", "delete", "pinned", path, "key", "hex",
                        *(x.removeprefix("0x") for x in row["key"])], check=True)
    assert plant.agent("outside").http(VIPS[0], timeout=0.3).get("error")
    d.start()
    plant.wait_loaded("n1")
    until(lambda: "pod" in plant.agent("outside").http(VIPS[0]), what="served again")


def test_without_the_rights_it_says_which(plant):
    d = n1(plant)
    d.stop()
    argv = d.daemon.argv
    d.daemon.argv = ["setpriv", "--bounding-set", "-bpf,-sys_admin,-perfmon", "--", *argv]
    d.daemon.start()
    try:
        d.wait_ready()
        said = until(lambda: trouble(d), what="the trouble told")
        assert "CAP_BPF" in said
        assert d.ctl("ippools")["pools"]  # all else works
        assert plant.agent("outside").http(VIPS[0])["pod"] in PODS  # what was there carries on
    finally:
        d.stop()
        d.daemon.argv = argv
    d.start()
    plant.wait_loaded("n1")
    assert backends(d, VIPS[0]) and not trouble(d)
