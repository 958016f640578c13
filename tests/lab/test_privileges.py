"""What the daemon keeps of root, and who may ask it what."""
import os
import re
import shutil
import subprocess

import pytest

from herald_lab import until
from herald_lab.lab import program

CAPS = {"CAP_NET_BIND_SERVICE": 10, "CAP_NET_ADMIN": 12, "CAP_NET_RAW": 13, "CAP_SYS_PTRACE": 19,
        "CAP_SYS_ADMIN": 21, "CAP_SYS_NICE": 23, "CAP_PERFMON": 38, "CAP_BPF": 39}
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


def test_few_capabilities_and_a_filter(pair):
    speaker = pair.speaker()
    speaker.serve()
    pair.start(peers=pair.peers(v6=False), config={"bfd": {"enabled": True}})
    pair.herald.wait_established()
    pid = pair.herald.daemon.pid
    threads = os.listdir(f"/proc/{pid}/task")
    assert len(threads) > 1  # BFD's is among them
    for thread in threads:
        s = status(pid, thread)
        assert caps(s["CapEff"]) == caps(s["CapPrm"]) == ALWAYS, thread
        assert caps(s["CapBnd"]) == caps(s["CapInh"]) == caps(s["CapAmb"]) == set()
        assert s["NoNewPrivs"] == "1"
        if "address" not in os.environ.get("HERALD_BUILD", ""):
            assert s["Seccomp"] == "2", thread


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
