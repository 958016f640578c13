"""The unit file is what systemd takes it for, and the daemon tells systemd how it is."""
import os
import re
import socket
import subprocess

from herald_lab import until
from herald_lab.lab import root_dir

UNIT = f"{root_dir()}/etc/systemd/herald.service"
EXPOSURE = 4.0  # of systemd-analyze security: 0 is the safest, 10 the least


def test_the_unit_is_understood(lab):
    # A copy, whose program and manual pages there are.
    with open(UNIT, encoding="utf-8") as f:
        text = re.sub("ExecStart=\\S+", "ExecStart=/bin/true", f.read())
    path = lab.path("unit") + "/herald.service"
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    got = subprocess.run(["systemd-analyze", "verify", "--man=no", path], capture_output=True, text=True,
                         timeout=60, check=False)
    assert got.returncode == 0 and not got.stderr.strip(), got.stderr


def test_the_unit_exposes_little():
    got = subprocess.run(["systemd-analyze", "security", "--offline=true", UNIT], capture_output=True,
                         text=True, timeout=60, check=False)
    level = re.search(r"exposure level for \S+: ([0-9.]+)", got.stdout)
    assert level and float(level.group(1)) < EXPOSURE, got.stdout + got.stderr


def test_ready_alive_and_stopping(pair):
    path = f"{pair.lab.dir}/notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(path)
        s.setblocking(False)
        said = []

        def hear(word):
            try:
                while True:
                    said.append(s.recv(4096).decode())
            except BlockingIOError:
                pass
            return sum(word in x for x in said)

        pair.herald.daemon.env = dict(os.environ, NOTIFY_SOCKET=path, WATCHDOG_USEC="200000")
        pair.start()
        until(lambda: hear("READY=1"), 30, lambda: said)
        until(lambda: hear("WATCHDOG=1") >= 3, 30, lambda: said)
        assert said.index("READY=1") < said.index("WATCHDOG=1")
        pair.herald.stop()
        until(lambda: hear("STOPPING=1"), 30, lambda: said)
