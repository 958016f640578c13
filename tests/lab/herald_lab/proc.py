"""Processes of the lab: started in a namespace, logging to a file, always reaped."""
import contextlib
import os
import re
import signal
import subprocess
import time

from .wait import until


class Daemon:
    """A program in the foreground.  It dies with the lab's process, even if that is killed."""

    def __init__(self, lab, netns, argv, log, env=None, cwd=None):
        self.lab, self.netns, self.argv, self.log = lab, netns, list(argv), log
        self.env, self.cwd = env, cwd
        self.popen = None
        self.started = 0.0
        lab.own(self)

    @property
    def pid(self):
        return self.popen.pid

    def start(self):
        assert not self.running(), "runs already"
        with open(self.log, "ab") as out, self.netns.inside():
            self.started = time.monotonic()
            self.popen = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *self.netns.argv(self.argv)],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
                env=self.env, cwd=self.cwd)
        return self

    def running(self):
        return self.popen is not None and self.popen.poll() is None

    def send_signal(self, sig):
        if self.running():
            self.popen.send_signal(sig)

    def wait(self, timeout=10):
        """Wait for its end; returns the exit status (negative: the signal)."""
        return self.popen.wait(timeout)

    def stop(self, sig=signal.SIGTERM, grace=3.0):
        """Signal it and wait; SIGKILL to the whole group when it does not end in @grace seconds."""
        if self.popen is None:
            return None
        self.send_signal(sig)
        try:
            self.popen.wait(grace)
        except subprocess.TimeoutExpired:
            pass
        with contextlib.suppress(OSError):
            os.killpg(self.popen.pid, signal.SIGKILL)
        return self.popen.wait(5)

    def kill(self):
        return self.stop(signal.SIGKILL)

    close = kill

    def text(self):
        with contextlib.suppress(FileNotFoundError):
            with open(self.log, encoding="utf-8", errors="replace") as f:
                return f.read()
        return ""

    def wait_log(self, pattern, timeout=10, since=0):
        """Wait for a line of the log that matches; returns the match."""
        return until(lambda: re.search(pattern, self.text()[since:], re.M), timeout,
                     lambda: f"{pattern!r} in {self.log}:\n{self.text()[-3000:]}")

    def rss_kb(self):
        with open(f"/proc/{self.pid}/status", encoding="ascii") as f:
            return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))


class RouteWatch:
    """`ip monitor route` of a namespace: every change of the kernel's routes, as lines."""

    def __init__(self, lab, netns):
        self.daemon = Daemon(lab, netns, ["ip", "monitor", "route"],
                             f"{lab.dir}/monitor-{netns.name}-{time.monotonic_ns()}").start()
        # it prints nothing until something changes: make changes until it tells of one
        until(self._seen, what="ip monitor listening")

    def _seen(self):
        self.daemon.netns.ip("route add unreachable 203.0.113.254/32 proto 99")
        self.daemon.netns.ip("route del unreachable 203.0.113.254/32")
        return "203.0.113.254" in self.daemon.text()

    def lost(self, prefix):
        """The lines that say that @prefix went away."""
        plain = prefix.removesuffix("/32").removesuffix("/128")
        return [line for line in self.daemon.text().splitlines()
                if line.startswith("Deleted") and f" {plain} " in line.replace(prefix, plain) + " "]

    def stop(self):
        self.daemon.kill()
