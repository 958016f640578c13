"""make demo: holds what it says, in time and in 100 columns, and leaves nothing behind."""
import contextlib
import os
import signal
import subprocess
import sys
import time

import pytest

from herald_lab.lab import PREFIX
from herald_lab.netns import RUN

DEMO = os.path.join(os.path.dirname(os.path.abspath(__file__)), "demo.py")


def left_of(pid):
    """What the run @pid has left behind."""
    names = []
    for place in (RUN, "/tmp"):
        with contextlib.suppress(FileNotFoundError):
            names += [n for n in os.listdir(place) if n.startswith(f"{PREFIX}{pid}-")]
    return names


def test_every_claim_holds():
    begin = time.monotonic()
    run = subprocess.Popen([sys.executable, DEMO], text=True, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    out, _ = run.communicate(timeout=90)
    assert run.returncode == 0, out[-4000:]
    assert time.monotonic() - begin < 60
    assert "0 did not" in out and "FAILED" not in out
    assert not [x for x in out.splitlines() if len(x) > 100]
    assert "\033" not in out
    assert not left_of(run.pid)


@pytest.mark.parametrize("after", [0.0, 0.1, 0.25, 0.5, 1.0, 1.7, 2.4])
def test_ctrl_c_at_any_moment_leaves_nothing_behind(after):
    run = subprocess.Popen([sys.executable, DEMO], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           stdin=subprocess.DEVNULL)
    run.stdout.readline()  # it has begun
    with contextlib.suppress(subprocess.TimeoutExpired):
        run.wait(after)
    run.send_signal(signal.SIGINT)
    out, _ = run.communicate(timeout=20)
    # 0: on a quick machine it may be through by then
    assert run.returncode in (0, 130), out.decode()[-2000:]
    assert not left_of(run.pid)
