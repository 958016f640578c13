#!/usr/bin/python3
"""A stream of requests from inside a namespace, each of them counted and each failure told.

    load.py '{"streams": [{"addr", "port", "mode", "workers", "keep_s"}...], "timeout", "pause"}'

mode: close (a connection for each request), keep (one connection for many; for @keep_s seconds, 0:
for ever), udp.  A line on standard input asks for the account so far, as a line of JSON; the end of
the input ends it.  Times are CLOCK_MONOTONIC, the same for every process of the machine.

Load is the test's end of it."""
import errno
import json
import os
import socket
import subprocess
import sys
import threading
import time

if __package__:
    from . import inside
else:
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    import inside

FAILURES_TOLD = 200


class Account:
    def __init__(self):
        self.lock = threading.Lock()
        self.requests, self.slowest, self.failed, self.failures = 0, 0.0, 0, []
        self.pods = {}

    def good(self, pod, took):
        with self.lock:
            self.requests += 1
            self.pods[pod] = self.pods.get(pod, 0) + 1
            self.slowest = max(self.slowest, took)

    def bad(self, **what):
        with self.lock:
            self.requests += 1
            self.failed += 1
            if len(self.failures) < FAILURES_TOLD:
                self.failures.append(what)

    def told(self):
        with self.lock:
            return {"requests": self.requests, "failed": self.failed, "failures": self.failures,
                    "pods": self.pods, "slowest_ms": round(self.slowest * 1000, 1),
                    "retransmitted": inside.snmp()["RetransSegs"]}


class Worker(threading.Thread):
    def __init__(self, account, stream, timeout, pause):
        super().__init__(daemon=True)
        self.account, self.timeout, self.pause = account, timeout, pause
        self.addr, self.port, self.mode = stream["addr"], stream.get("port", 80), stream["mode"]
        self.keep_s = stream.get("keep_s", 0)
        self.sock, self.since, self.pod, self.sport = None, 0.0, None, 0

    def run(self):
        while True:
            begin = time.monotonic()
            try:
                pod = self.datagram() if self.mode == "udp" else self.request()
                self.account.good(pod, time.monotonic() - begin)
            except (OSError, ValueError, IndexError) as e:
                self.account.bad(begin=begin, end=time.monotonic(), addr=self.addr, mode=self.mode,
                                 port=self.port, sport=self.sport, pod=self.pod,
                                 error=inside.name(e) if isinstance(e, OSError) else repr(e))
                self.drop()
            if self.pause:
                time.sleep(self.pause)

    def drop(self):
        if self.sock:
            self.sock.close()
        self.sock = self.pod = None

    def open(self, kind):
        self.sock = socket.socket(inside.family(self.addr), kind)
        self.sock.settimeout(self.timeout)
        self.sport = 0
        self.sock.connect((self.addr, self.port))
        self.sport = self.sock.getsockname()[1]
        self.since = time.monotonic()

    def request(self):
        if not self.sock:
            self.open(socket.SOCK_STREAM)
        over = self.mode == "close" or (self.keep_s
                                        and time.monotonic() > self.since + self.keep_s)
        self.sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n"
                          + (b"Connection: close\r\n\r\n" if over else b"\r\n"))
        body, size = inside.read_head(self.sock)
        while len(body) < size:
            piece = self.sock.recv(4096)
            if not piece:
                raise ConnectionResetError(errno.ECONNRESET, "closed")
            body += piece
        pod = body.split(b"\n")[0].split(b": ")[1].decode()
        if self.pod and pod != self.pod:
            raise ValueError(f"{pod} answered on a connection to {self.pod}")
        self.pod = pod
        if over:
            if self.sock.recv(1):
                raise ValueError("more than was announced")
            self.drop()
        return pod

    def datagram(self):
        if not self.sock:
            self.open(socket.SOCK_DGRAM)
        self.sock.send(b"ping")
        return self.sock.recv(4096).split(b" ")[0].decode()


def main():
    want = json.loads(sys.argv[1])
    account = Account()
    for stream in want["streams"]:
        for _ in range(stream.get("workers", 1)):
            Worker(account, stream, want.get("timeout", 3), want.get("pause", 0)).start()
    for _ in sys.stdin:
        print(json.dumps(account.told()), flush=True)


class Load:
    """Runs load.py in @ns.  With a `with`: at its end it is stopped."""

    def __init__(self, lab, ns, *streams, timeout=3, pause=0.002):
        lab.own(self)
        want = json.dumps({"streams": streams, "timeout": timeout, "pause": pause})
        with ns.inside():
            self.popen = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--",
                 *ns.argv(["/usr/bin/python3", os.path.abspath(__file__), want])],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)

    def told(self):
        """The account so far."""
        self.popen.stdin.write("\n")
        self.popen.stdin.flush()
        return json.loads(self.popen.stdout.readline())

    def wait_more(self, requests, timeout=20):
        """Wait until so many more were answered or failed; returns the account."""
        from .wait import until  # not for the program, which has no package
        goal = self.told()["requests"] + requests
        return until(lambda: (got := self.told())["requests"] >= goal and got, timeout,
                     lambda: f"{requests} more requests; {self.told()}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.popen.kill()
        self.popen.wait(5)


if __name__ == "__main__":
    main()
