"""Lab: owner of everything that one run makes."""
import atexit
import contextlib
import os
import re
import shutil
import signal
import tempfile

from . import bpf
from . import netns as nets

PREFIX = "hlab"
_count = 0


def root_dir():
    return os.path.abspath(os.path.join(os.path.dirname(__file__), "../../.."))


def program(name):
    """Path of one of our programs; HERALD_BUILD says where they were built."""
    build = os.environ.get("HERALD_BUILD", "build")
    path = os.path.join(root_dir(), build, name)
    if not os.path.exists(path):
        raise FileNotFoundError(f"{path} is not there: run make first")
    return path


def _run_of(name):
    m = re.match(rf"{PREFIX}(\d+)-", name)
    return int(m.group(1)) if m else None


def _alive(pid):
    return os.path.exists(f"/proc/{pid}")


def _dead(name):
    pid = _run_of(name)
    return bool(pid) and not _alive(pid)


def sweep():
    """Take away what runs that are dead by now have left behind."""
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(nets.RUN):
            if _dead(name):
                nets.Netns(name).remove()
    bpf.sweep(_dead, tempfile.gettempdir())
    for name in os.listdir(tempfile.gettempdir()):
        if _dead(name):
            shutil.rmtree(os.path.join(tempfile.gettempdir(), name), ignore_errors=True)


class Lab:
    """A run directory, namespaces and processes.  A context manager: at the end of the block,
    however it is left (an exception, Ctrl-C, SIGTERM, SIGHUP), all of it is gone.

    HERALD_LAB_KEEP=1 keeps the run directory (the logs)."""

    def __init__(self, name="lab"):
        global _count
        _count += 1
        self.tag = f"{PREFIX}{os.getpid()}-{_count}"
        self.dir = os.path.join(tempfile.gettempdir(), f"{self.tag}-{name}")
        self._owned, self._namespaces, self._old = [], {}, {}

    def __enter__(self):
        if os.geteuid() != 0:
            raise PermissionError("the lab makes network namespaces: run it as root")
        atexit.register(self.close)  # should an interrupt strike on the very way into __exit__
        for sig in (signal.SIGTERM, signal.SIGHUP):
            with contextlib.suppress(ValueError):  # not the main thread: the caller's business
                self._old[sig] = signal.signal(sig, self._interrupted)
        try:
            sweep()
            os.makedirs(self.dir, mode=0o755, exist_ok=True)
            os.chmod(self.dir, 0o755)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()
        return False

    @staticmethod
    def _interrupted(sig, _frame):
        raise KeyboardInterrupt(signal.Signals(sig).name)

    def close(self):
        """Take everything away; doing it twice is fine."""
        held = signal.pthread_sigmask(signal.SIG_BLOCK,
                                      {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
        try:
            while self._owned:
                with contextlib.suppress(Exception):
                    self._owned[-1].close()
                self._owned.pop()
            while self._namespaces:
                name = next(reversed(self._namespaces))
                with contextlib.suppress(Exception):
                    self._namespaces[name].remove()
                del self._namespaces[name]
            if not os.environ.get("HERALD_LAB_KEEP"):
                shutil.rmtree(self.dir, ignore_errors=True)
            while self._old:
                signal.signal(*self._old.popitem())
            atexit.unregister(self.close)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, held)

    def own(self, thing):
        """@thing.close() is called at the end; last in, first out."""
        self._owned.append(thing)
        return thing

    def netns(self, name):
        """A new namespace, known as @name in this lab."""
        ns = nets.Netns(f"{self.tag}-{name}")
        self._namespaces[name] = ns  # before it exists: nothing may slip away
        return ns.create()

    def bpffs(self, name):
        """A bpffs of its own, in the run directory."""
        return self.own(bpf.Bpffs(os.path.join(self.dir, f"bpf-{name}"))).create()

    def cgroup(self, name):
        """A cgroup2 of its own."""
        return self.own(bpf.Cgroup(os.path.join(bpf.cgroup_root(self), f"{self.tag}-{name}"))
                        ).create()

    def path(self, name):
        """A directory of its own for @name."""
        path = os.path.join(self.dir, name)
        os.makedirs(path, mode=0o755, exist_ok=True)
        return path

    link = staticmethod(nets.link)

    def logs(self):
        """(name, text) of every log of this run, for a failed test's report."""
        for base, _, files in os.walk(self.dir):
            for name in sorted(files):
                if name.endswith(".log"):
                    with open(os.path.join(base, name), encoding="utf-8", errors="replace") as f:
                        yield os.path.relpath(os.path.join(base, name), self.dir), f.read()
