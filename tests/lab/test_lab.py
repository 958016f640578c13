"""The lab itself: it takes everything away again, and the foreign daemons work among themselves."""
import contextlib
import os
import signal
import subprocess
import sys

import pytest

from herald_lab import Lab, bgpmsg, frr, until
from herald_lab.bpf import mounts
from herald_lab.lab import PREFIX
from herald_lab.netns import RUN
from herald_lab.proc import Daemon
from herald_lab.speaker import Speaker

HERE = os.path.dirname(os.path.abspath(__file__))
HOLD = """
import sys
sys.path.insert(0, {here!r})
from herald_lab import Lab
from herald_lab.proc import Daemon
with Lab("hold") as lab:
    ns = lab.netns("a")
    ns.cgroup = lab.cgroup("a")
    lab.bpffs("a")
    d = Daemon(lab, ns, ["sleep", "600"], lab.dir + "/sleep.log").start()
    print(d.pid, flush=True)
    sys.stdin.read()
"""


def left_of(pid):
    """Namespaces, directories, mounts and cgroups of the run @pid."""
    names = []
    for place in (RUN, "/tmp", *mounts("cgroup2")):
        with contextlib.suppress(FileNotFoundError):
            names += [n for n in os.listdir(place) if n.startswith(f"{PREFIX}{pid}-")]
    return names + [m for m in mounts("bpf") if f"/{PREFIX}{pid}-" in m]


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_run_leaves_nothing_behind(sig):
    run = subprocess.Popen([sys.executable, "-c", HOLD.format(here=HERE)], text=True,
                           stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    sleeper = int(run.stdout.readline())
    assert len(left_of(run.pid)) == 4
    run.send_signal(sig)
    run.wait(10)
    assert not left_of(run.pid)
    assert not os.path.exists(f"/proc/{sleeper}")


def test_what_a_killed_run_left_behind_is_swept_by_the_next():
    run = subprocess.Popen([sys.executable, "-c", HOLD.format(here=HERE)], text=True,
                           stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    sleeper = int(run.stdout.readline())
    run.kill()
    run.wait(10)
    assert len(left_of(run.pid)) == 4
    with Lab("next"):
        assert not left_of(run.pid)
    until(lambda: not os.path.exists(f"/proc/{sleeper}"), what="the daemon of the killed run gone")


def test_a_daemon_that_ignores_sigterm_is_killed(lab):
    d = Daemon(lab, lab.netns("a"), ["sh", "-c", "trap '' TERM; echo up; sleep 600"],
               f"{lab.dir}/sh.log").start()
    d.wait_log("up")
    assert d.stop(grace=0.2) == -signal.SIGKILL


def test_the_scripted_speaker_and_frr_agree_on_the_bytes(pair):
    """Independent judgement of the speaker's own codec: FRR shows what the speaker meant."""
    conf = frr.bgp_conf(65001, "10.0.0.1", {"10.0.0.2": ["remote-as 65000"]}, ["10.1.0.0/24"])
    f = frr.Frr(pair.lab, pair.n1, conf, integrated=False).start()
    s = Speaker(pair.lab, pair.other, "10.0.0.2").listen()
    c = s.accept_up()
    c.send(bgpmsg.announce(["10.2.0.0/24"], "10.0.0.2", [65000, 65010],
                           [bgpmsg.med(7), bgpmsg.communities("65000:1", "65000:2")]))
    path = f.wait_path("10.2.0.0/24")[0]
    assert path["aspath"]["string"] == "65000 65010"
    assert path["metric"] == 7
    assert path["community"]["string"] == "65000:1 65000:2"
    got = c.wait_prefix("10.1.0.0/24")
    assert (got.as_path, got.next_hop) == ([65001], "10.0.0.1")
