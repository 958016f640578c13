"""What the daemon keeps of root, and who may ask it what."""
import os
import re
import shutil
import subprocess

import pytest

from herald_lab import until
from herald_lab.lab import program, root_dir
from herald_lab.plant import Plant, app, pod_addr, wait_loaded

CAPS = {"CAP_NET_BIND_SERVICE": 10, "CAP_NET_ADMIN": 12, "CAP_NET_RAW": 13, "CAP_SYS_PTRACE": 19,
        "CAP_SYS_ADMIN": 21, "CAP_SYS_NICE": 23, "CAP_PERFMON": 38, "CAP_BPF": 39}
HELPER = {"CAP_NET_ADMIN", "CAP_SYS_PTRACE", "CAP_SYS_ADMIN"}
ALWAYS = {"CAP_NET_BIND_SERVICE", "CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_SYS_NICE", "CAP_PERFMON", "CAP_BPF"}
GROUP, READERS, NOBODY = 64001, 64002, 65534


def status(pid, thread=None):
    path = f"/proc/{pid}/task/{thread}/status" if thread else f"/proc/{pid}/status"
    with open(path, encoding="ascii", errors="replace") as f:
        return dict(re.findall(r"^(\w+):\s*(.*)$", f.read(), re.M))


def caps(hexadecimal):
    n = int(hexadecimal, 16)
    return {name for name, bit in CAPS.items() if n & 1 << bit} | {
        str(bit) for bit in range(64) if n & 1 << bit and bit not in CAPS.values()}


def kept(pid, thread=None):
    """The capabilities of a process that can get no others."""
    s = status(pid, thread)
    assert caps(s["CapEff"]) == caps(s["CapPrm"]), thread
    assert caps(s["CapBnd"]) == caps(s["CapInh"]) == caps(s["CapAmb"]) == set()
    assert s["NoNewPrivs"] == "1"
    if "address" not in os.environ.get("HERALD_BUILD", ""):
        assert s["Seccomp"] == "2", thread
    return caps(s["CapEff"])


def test_few_capabilities_and_a_filter(pair):
    speaker = pair.speaker()
    speaker.serve()
    pair.start(peers=pair.peers(v6=False), config={"bfd": {"enabled": True}})
    pair.herald.wait_established()
    pid = pair.herald.daemon.pid
    threads = os.listdir(f"/proc/{pid}/task")
    assert len(threads) > 1  # BFD's is among them
    for thread in threads:
        assert kept(pid, thread) == ALWAYS


def as_user(pair, group, *words):
    """heraldctl by somebody who is nobody, but for this group."""
    return subprocess.run(
        ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", f"--groups={group}" if group else
         "--clear-groups", "--", f"{pair.lab.dir}/heraldctl", "-s", pair.herald.socket, *words],
        capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def groups(lab):
    """Two groups of this machine for the while of a test."""
    names = {f"hrl{os.getpid()}a": GROUP, f"hrl{os.getpid()}r": READERS}
    for name, number in names.items():
        subprocess.run(["groupadd", "-o", "-g", str(number), name], check=True)
    yield list(names)
    for name in names:
        subprocess.run(["groupdel", name], check=True)


def open_the_way(pair):
    """Other users reach the socket, and a program that asks there."""
    shutil.copy(program("heraldctl"), f"{pair.lab.dir}/heraldctl")
    for path in (pair.lab.dir, pair.herald.dir):
        os.chmod(path, 0o711)


def test_groups_of_the_socket(pair, groups):
    pair.start(settings={"control": {"socket": pair.herald.socket, "group": groups[0],
                                     "readGroup": groups[1]}})
    open_the_way(pair)
    for words in (("status",), ("bgp", "peers"), ("ipam",), ("explain", "service", "default/web")):
        assert as_user(pair, READERS, *words).returncode == 0, words
        assert as_user(pair, GROUP, *words).returncode == 0, words
        got = as_user(pair, None, *words)
        assert got.returncode == 1 and "control.readGroup" in got.stderr, got
    for words in (("bgp", "shutdown", "r4"), ("bgp", "enable", "r4"), ("drain",), ("undrain",), ("reload",),
                  ("log", "debug"), ("ipam", "release", "default/web"), ("shutdown",)):
        got = as_user(pair, READERS, *words)
        assert got.returncode == 1 and "may look" in got.stderr, (words, got)
        assert as_user(pair, None, *words).returncode == 1, words
    assert as_user(pair, GROUP, "log", "debug").returncode == 0
    assert as_user(pair, GROUP, "bgp", "shutdown", "r4").returncode == 0
    assert pair.herald.daemon.running()


def test_one_group_is_the_files(pair, groups):
    pair.start(settings={"control": {"socket": pair.herald.socket, "group": groups[0]}})
    open_the_way(pair)
    st = os.stat(pair.herald.socket)
    assert (st.st_mode & 0o777, st.st_gid) == (0o660, GROUP)
    assert as_user(pair, GROUP, "status").returncode == 0
    assert as_user(pair, READERS, "status").returncode == 3


def test_a_group_that_is_not_there(pair):
    pair.write(settings={"control": {"socket": pair.herald.socket, "group": "no-such-group"}})
    pair.herald.start(wait=False)
    until(lambda: not pair.herald.daemon.running(), 20, "it ends")
    assert pair.herald.daemon.wait() == 3
    text = pair.herald.daemon.text()
    assert "no-such-group" in text and "control.group" in text


# ---- UDP sockets of pods, whose backend is gone: a process of its own ends them ----

VIPS = ("172.16.1.24", "fd16::24")
DNS = [{"name": "dns", "port": 53, "targetPort": 53, "protocol": "UDP"}]


def of_pods(d):
    """What the daemon says of its helper."""
    return d.ctl("status")["datapath"]["socketLB"]["socketsOfPods"]


def wait_helper(d):
    until(lambda: of_pods(d)["ended"], 20, lambda: of_pods(d))
    pid = of_pods(d)["pid"]
    until(lambda: status(pid)["Seccomp"] == "2" or "address" in os.environ.get("HERALD_BUILD", ""), 20,
          "it gave up what it could")
    return pid


def is_gone(pid):
    return not os.path.exists(f"/proc/{pid}")


class Sockets:
    """Connected UDP sockets in a pod and on its node, whose backend comes and goes."""

    def __init__(self, plant):
        self.plant, self.agents = plant, [plant.agent("n1p0"), plant.agent("n1")]

    def serve(self, pod):
        self.plant.serve(app("gone", [pod], DNS, annotations={"lbipam.cilium.io/ips": ",".join(VIPS)},
                             allocateLoadBalancerNodePorts=False))
        for i, vip in enumerate(VIPS):
            self.plant.wait_backends(vip, [pod_addr(pod[:2], int(pod[3:]), i)], port=53, proto="UDP")

    def connect(self, pod):
        for agent in self.agents:
            for vip in VIPS:
                assert agent.udp(vip, connected=True, keep=vip)["pod"] == pod

    def wait_ended(self, agent):
        for vip in VIPS:
            got = until(lambda v=vip: agent.udp(v, connected=True, keep=v, timeout=0.3).get("error"),
                        what="the socket ends")
            assert got == "ECONNABORTED"
            agent.drop(keep=vip)


@pytest.fixture(scope="module")
def plant(module_lab):
    return Plant(module_lab, pods=2).start()


def test_sockets_of_pods_are_ended_by_another_process(plant):
    d = plant.heralds["n1"]
    helper = wait_helper(d)
    assert kept(helper) == HELPER
    for thread in os.listdir(f"/proc/{d.daemon.pid}/task"):
        assert kept(d.daemon.pid, thread) == ALWAYS
    s = status(helper)
    assert (s["Name"], s["Threads"], int(s["PPid"])) == ("herald-sockets", "1", d.daemon.pid)
    with open(f"/proc/{helper}/environ", "rb") as env:
        assert env.read() == b""
    open_files = {n: os.readlink(f"/proc/{helper}/fd/{n}") for n in os.listdir(f"/proc/{helper}/fd")}
    assert set(open_files) == {"0", "1", "2", "3", "4"}
    assert open_files["0"] == open_files["1"] == "/dev/null"
    assert open_files["3"].startswith("socket:") and open_files["4"].startswith("net:")

    sockets = Sockets(plant)
    sockets.serve("n2p1")
    sockets.connect("n2p1")
    sockets.serve("n1p1")
    for agent in sockets.agents:
        sockets.wait_ended(agent)
    sockets.connect("n1p1")
    # It is back where it came from: a namespace that it stayed in would outlive its pod.
    until(lambda: os.readlink(f"/proc/{helper}/ns/net") == os.readlink(f"/proc/{d.daemon.pid}/ns/net"), 10,
          "it left the pods")
    assert of_pods(d) == {"ended": True, "pid": helper}


def test_without_its_helper_the_daemon_goes_on(plant):
    d, sockets = plant.heralds["n1"], Sockets(plant)
    helper = wait_helper(d)
    sockets.serve("n2p1")
    for agent in sockets.agents:
        for vip in VIPS:
            agent.drop(keep=vip)
    sockets.connect("n2p1")
    os.kill(helper, 15)  # what a service manager sends to all of a service: it leaves with the daemon
    os.kill(helper, 9)
    until(lambda: not of_pods(d)["ended"], 20, lambda: of_pods(d))
    assert "signal 9" in of_pods(d)["reason"]
    assert "sockets of pods keep a backend that is gone: it was ended by" in d.table("status")
    assert is_gone(helper)  # no zombie either
    sockets.serve("n1p1")
    sockets.wait_ended(sockets.agents[1])  # those of the node end as before
    for vip in VIPS:
        assert sockets.agents[0].udp(vip, connected=True, keep=vip)["pod"] == "n2p1"
    sockets.serve("n2p1")
    assert len(re.findall("sockets-helper-lost", d.daemon.text())) == 1

    d.stop()
    d.start()
    wait_loaded(d)
    assert wait_helper(d) != helper


def test_the_helper_goes_with_the_daemon(plant):
    d = plant.heralds["n1"]
    for end in (d.kill, d.stop):
        helper = wait_helper(d)
        os.kill(helper, 15)
        end()
        until(lambda h=helper: is_gone(h), 20, "the helper goes too")
        d.start()
        wait_loaded(d)
    wait_helper(d)


def test_no_helper_where_nobody_needs_one(plant):
    d = plant.heralds["n2"]
    helper = wait_helper(d)
    d.write("10-settings.yaml", d.settings(datapath={"socketLB": False}))
    until(lambda: is_gone(helper), 20, "the helper goes")
    assert "off for a while" in of_pods(d)["reason"]
    d.stop()
    d.start()
    wait_loaded(d)
    assert not of_pods(d)["ended"] and kept(d.daemon.pid) == ALWAYS
    d.write("10-settings.yaml", d.settings(datapath={"socketLB": True}))
    until(lambda: d.ctl("status")["datapath"]["socketLB"]["attached"], 20, "socketLB is on")
    d.daemon.wait_log("sockets-of-pods-left.*start it again")
    assert "start it again" in of_pods(d)["reason"]
    d.stop()
    argv = d.daemon.argv
    d.daemon.argv = ["setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace", "--no-new-privs", "--",
                     *argv]
    d.daemon.start()
    try:
        d.wait_ready()
        wait_loaded(d)
        assert "CAP_SYS_PTRACE" in of_pods(d)["reason"] and kept(d.daemon.pid) == ALWAYS
    finally:
        d.stop()
        d.daemon.argv = argv


def test_helper_and_daemon_as_the_unit_starts_them(plant):
    with open(f"{root_dir()}/etc/systemd/herald.service", encoding="utf-8") as f:
        bounds = re.search("^CapabilityBoundingSet=(.*)$", f.read(), re.M).group(1).lower().split()
    d = plant.heralds["n2"]
    d.stop()
    argv = d.daemon.argv
    d.daemon.argv = ["setpriv", "--bounding-set=-all," + ",".join("+" + c.removeprefix("cap_") for c in bounds),
                     "--inh-caps=-all", "--no-new-privs", "--", *argv]
    d.daemon.start()
    try:
        d.wait_ready()
        wait_loaded(d)
        assert kept(wait_helper(d)) == HELPER
        assert kept(d.daemon.pid) == ALWAYS
    finally:
        d.stop()
        d.daemon.argv = argv


def test_the_helper_is_nothing_for_people(pair):
    got = subprocess.run([program("herald"), "--end-sockets"], capture_output=True, text=True, timeout=60,
                         check=False, stdin=subprocess.DEVNULL)
    assert got.returncode == 2 and "starts its helper itself" in got.stderr
