"""Programs of a segment's yardstick that do their work and are asked about it between: a line of
JSON in, a line of JSON out."""
import contextlib
import json
import os
import subprocess

PRIORITY = 20


def realtime(want):
    """Before all else on the machine, when @want says so: what measures shall not be measured."""
    if want.get("realtime"):
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))


class Asked:
    """The other end: starts @program in @ns, with @want as its argument."""

    def __init__(self, lab, ns, program, want):
        lab.own(self)
        with ns.inside():
            self.popen = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--",
                 *ns.argv(["/usr/bin/python3", os.path.abspath(program), json.dumps(want)])],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)

    def ask(self, op, *args):
        self.popen.stdin.write(json.dumps([op, *args]) + "\n")
        self.popen.stdin.flush()
        answer = self.popen.stdout.readline()
        if not answer:
            raise EOFError(f"it ended ({self.popen.poll()}) over {op}")
        return json.loads(answer)

    def reset(self):
        """Begin a new account."""
        return self.ask("reset")

    def told(self):
        """The account since the last reset."""
        return self.ask("told")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.popen.kill()
        self.popen.wait(5)
