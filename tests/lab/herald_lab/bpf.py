"""What a datapath needs around it: a bpffs and a cgroup of its own, taken away at the end.

Both belong to one run of the lab by their name (Lab.tag), so that the next run can sweep what a
killed one has left behind.  A bpffs that is unmounted lets go of every program, map and link that
was pinned in it; a cgroup that is removed, of what was attached to it."""
import contextlib
import json
import os
import signal
import subprocess
import time


def _run(*argv):
    done = subprocess.run(argv, text=True, capture_output=True, check=False)
    if done.returncode:
        raise OSError(f"{' '.join(argv)}: {done.stderr.strip()}")
    return done.stdout


def mounts(kind):
    """Where file systems of this kind are mounted."""
    with open("/proc/self/mounts", encoding="utf-8") as f:
        return [line.split()[1] for line in f if line.split()[2] == kind]


def cgroup_root(lab=None):
    """A cgroup2 hierarchy of this machine; mounted for @lab when there is none."""
    for path in mounts("cgroup2"):
        if os.access(path, os.W_OK):
            return path
    path = lab.path("cgroup2")
    _run("mount", "-t", "cgroup2", "none", path)
    lab.own(Mount(path))
    return path


class Mount:
    def __init__(self, path):
        self.path = path

    def close(self):
        if os.path.ismount(self.path):
            _run("umount", "-l", self.path)


class Bpffs(Mount):
    """A bpffs of its own at @path."""

    def create(self):
        os.makedirs(self.path, exist_ok=True)
        _run("mount", "-t", "bpf", "bpf", self.path)
        return self

    def pins(self):
        """Every file in it, relative; but for those that the kernel puts into each."""
        return sorted(os.path.relpath(os.path.join(base, name), self.path)
                      for base, _, files in os.walk(self.path) for name in files
                      if name not in ("maps.debug", "progs.debug"))

    def programs(self):
        """The numbers of the pinned programs in the kernel."""
        out = []
        for pin in self.pins():
            if "/progs/" not in pin:
                continue
            with contextlib.suppress(OSError, ValueError):
                got = json.loads(_run("bpftool", "-j", "prog", "show", "pinned",
                                      os.path.join(self.path, pin)))
                out.append(got["id"])
        return sorted(out)


def program_there(number):
    """Does the kernel still hold the BPF program of this number?"""
    return subprocess.run(["bpftool", "prog", "show", "id", str(number)], capture_output=True,
                          check=False).returncode == 0


class Cgroup:
    """A cgroup for the processes of one node and its pods."""

    def __init__(self, path):
        self.path = path
        self.procs = f"{path}/cgroup.procs"

    def create(self):
        os.makedirs(self.path, exist_ok=True)
        return self

    def argv(self, argv):
        """What to run in place of @argv, so that it runs in the cgroup."""
        return ["sh", "-c", 'echo $$ >"$0" && exec "$@"', self.procs, *argv]

    def close(self):
        """Kill what is in it; EBUSY for the moment that a process needs to die."""
        end = time.monotonic() + 3
        while os.path.isdir(self.path):
            with contextlib.suppress(OSError):
                with open(self.procs, encoding="ascii") as f:
                    for pid in f.read().split():
                        os.kill(int(pid), signal.SIGKILL)
            with contextlib.suppress(OSError):
                os.rmdir(self.path)
                return
            if time.monotonic() > end:
                raise OSError(f"{self.path}: cannot be removed")
            time.sleep(0.01)


def sweep(is_dead, tmp):
    """Take away mounts under @tmp and cgroups whose name's run is dead."""
    for kind in ("bpf", "cgroup2"):
        for path in mounts(kind):
            rest = os.path.relpath(path, tmp)
            if not rest.startswith("..") and is_dead(rest.split("/")[0]):
                with contextlib.suppress(OSError):
                    Mount(path).close()
    for root in mounts("cgroup2"):
        with contextlib.suppress(OSError):
            for name in os.listdir(root):
                if is_dead(name):
                    with contextlib.suppress(OSError):
                        Cgroup(os.path.join(root, name)).close()
