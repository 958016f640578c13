"""tools/check/report.py: results of test runs, counted and told the same way by every runner."""

import concurrent.futures
import os
import re
import signal
import subprocess
import sys

SUMMARY = re.compile(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", re.M)


running = set()  # what run() waits for


class Report:
    """Counts of one run, and the lines that say what failed and what was skipped."""

    def __init__(self):
        self.passed = 0
        self.failed = []  # (name, text)
        self.skipped = []  # (name, reason)

    def fail(self, name, text=""):
        self.failed.append((name, text.strip()))

    def skip(self, name, reason):
        self.skipped.append((name, reason))

    def add(self, other, part):
        self.passed += other.passed
        self.failed += [(f"{part}: {name}", text) for name, text in other.failed]
        self.skipped += [(f"{part}: {name}", reason) for name, reason in other.skipped]

    def line(self):
        text = f"{self.passed} passed, {len(self.failed)} failed"
        if self.skipped:
            text += f", {len(self.skipped)} skipped"
        return text

    def tell(self, texts=True):
        """Print skips, failures and the closing line; the exit status."""
        for name, reason in self.skipped:
            print(f"SKIPPED {name}: {reason}")
        for name, text in self.failed:
            print(f"FAILED {name}")
            if text and texts:
                print("    " + text.replace("\n", "\n    "))
        print(self.line())
        sys.stdout.flush()
        return 1 if self.failed else 0


def run(cmd, seconds, env=None, cwd=None):
    """Run @cmd without standard input; (exit status or None when it took too long, its output)."""
    proc = subprocess.Popen(
        cmd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, **(env or {})},
        cwd=cwd,
        start_new_session=True,
    )
    running.add(proc)
    try:
        out, _ = proc.communicate(timeout=seconds)
        status = proc.returncode
    except subprocess.TimeoutExpired:
        os.killpg(proc.pid, signal.SIGKILL)
        out, _ = proc.communicate()
        status = None
    running.discard(proc)
    return status, out.decode(errors="replace")


def stop_all(seconds=20):
    """End what runs: first so that it can clean up after itself, then for good."""
    for number, limit in ((signal.SIGINT, seconds), (signal.SIGKILL, 5)):
        for proc in list(running):
            try:
                os.killpg(proc.pid, number)
            except ProcessLookupError:
                pass
        for proc in list(running):
            try:
                proc.wait(limit)
            except subprocess.TimeoutExpired:
                continue
            running.discard(proc)


def guarded(main):
    """main() as a program that leaves nothing running when it is interrupted."""

    def interrupt(number, frame):
        raise KeyboardInterrupt

    # SIGINT too: a shell's background job ignores it, and so would all that runs below.
    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, interrupt)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("interrupted; waiting for what runs to clean up", file=sys.stderr, flush=True)
        stop_all()
        os._exit(130)


def each(jobs, function, items):
    """function(item) for all of them, @jobs at a time; results in the order of the items."""
    pool = concurrent.futures.ThreadPoolExecutor(max_workers=max(1, jobs))
    try:
        return list(pool.map(function, items))
    except KeyboardInterrupt:
        pool.shutdown(wait=False, cancel_futures=True)
        raise


def tail(text, lines=40):
    rows = text.strip().splitlines()
    cut = len(rows) - lines
    return "\n".join(([f"... {cut} lines before"] if cut > 0 else []) + rows[-lines:])
