#!/usr/bin/python3
"""A client of a segment: a small datagram to each of some addresses every few milliseconds, and how
long no answer came.  Its kernel finds the addresses by ARP and ND like any host's.

    lanclient.py '{"addrs": [...], "port": 7007, "every_ms": 5, "realtime": false}'

A line of JSON in, a line of JSON out: ["reset"] begins a new account, ["told"] tells it:

    lost     requests without an answer after LOST_S
    gap_ms   the longest time between two answers of one address; of a client that is never kept
             waiting it is the time between two requests
    late_ms  the longest time that the client itself was late by (a machine that has other work);
             a gap of that length says nothing about who answers

LanClient is the test's end of it."""
import heapq
import json
import os
import select
import socket
import struct
import sys
import time

if __package__:
    from . import asked
else:
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    import asked

LOST_S = 1.0
HEAD = struct.Struct("=Qd")  # number of the request, when it was sent


class Target:
    """One address: its socket and its account."""

    def __init__(self, addr, port):
        self.addr = addr
        self.sock = socket.socket(socket.AF_INET6 if ":" in addr else socket.AF_INET,
                                  socket.SOCK_DGRAM)
        self.sock.setblocking(False)
        self.sock.connect((addr, port))
        self.serial, self.open, self.last = 0, {}, None
        self.reset(time.monotonic())

    def reset(self, now):
        """What is on its way counts in the account in which it was sent: not in the new one."""
        self.since, self.sent, self.answered, self.lost, self.gap, self.gap_at = now, 0, 0, 0, 0, 0
        self.open = {}
        self.last = now

    def send(self, now):
        self.serial += 1
        self.sent += 1
        self.open[self.serial] = now
        try:
            self.sock.send(HEAD.pack(self.serial, now))
        except OSError:
            pass  # no neighbour, or an error that came in before: lost unless it is answered

    def receive(self, now):
        while True:
            try:
                data = self.sock.recv(2048)
            except BlockingIOError:
                return
            except OSError:
                continue
            serial, sent = HEAD.unpack(data[-HEAD.size:])
            if self.open.pop(serial, None) is None or now - sent > LOST_S:
                continue
            self.answered += 1
            self._gap(now)
            self.last = now

    def _gap(self, now):
        if now - self.last > self.gap:
            self.gap, self.gap_at = now - self.last, self.last

    def expire(self, now):
        for serial in [s for s, at in self.open.items() if now - at > LOST_S]:
            del self.open[serial]
            self.lost += 1

    def told(self, now):
        self.expire(now)
        self._gap(now)  # one that is not over yet
        return {"sent": self.sent, "answered": self.answered, "lost": self.lost,
                "gap_ms": round(self.gap * 1000, 2), "gap_at": self.gap_at}


class Client:
    def __init__(self, want):
        self.every = want.get("every_ms", 5) / 1000
        self.targets = [Target(a, want["port"]) for a in want["addrs"]]
        self.by_fd = {t.sock.fileno(): t for t in self.targets}
        self.late = 0.0
        now = time.monotonic()
        # one after the other, not all at once
        self.due = [(now + self.every * i / len(self.targets), i)
                    for i in range(len(self.targets))]
        heapq.heapify(self.due)
        self.expiry = now + LOST_S

    def step(self):
        """Send what is due; until when there is nothing to do."""
        now = time.monotonic()
        while self.due[0][0] <= now:
            at, i = heapq.heappop(self.due)
            self.late = max(self.late, now - at)
            self.targets[i].send(now)
            heapq.heappush(self.due, (max(at + self.every, now), i))
            now = time.monotonic()
        if now > self.expiry:
            self.expiry = now + LOST_S / 4
            for t in self.targets:
                t.expire(now)
        return max(self.due[0][0] - now, 0)

    def do(self, op):
        now = time.monotonic()
        if op == "reset":
            self.late = 0.0
            for t in self.targets:
                t.reset(now)
            return {}
        if op == "told":
            each = {t.addr: t.told(now) for t in self.targets}
            worst = max(each, key=lambda a: each[a]["gap_ms"])
            return {"addrs": each, "late_ms": round(self.late * 1000, 2),
                    "sent": sum(e["sent"] for e in each.values()),
                    "lost": sum(e["lost"] for e in each.values()),
                    "worst": worst, "gap_ms": each[worst]["gap_ms"]}
        raise ValueError(op)

    def run(self):
        poll = select.epoll()
        for fd in (0, *self.by_fd):
            poll.register(fd, select.EPOLLIN)
        while True:
            wait = self.step()
            for fd, _ in poll.poll(wait):
                if fd:
                    self.by_fd[fd].receive(time.monotonic())
                else:
                    line = sys.stdin.readline()
                    if not line:
                        return
                    print(json.dumps(self.do(*json.loads(line))), flush=True)


def main():
    want = json.loads(sys.argv[1])
    asked.realtime(want)
    Client(want).run()


class LanClient(asked.Asked):
    """Runs lanclient.py in @ns."""

    def __init__(self, lab, ns, addrs, port=7007, every_ms=5, realtime=False):
        super().__init__(lab, ns, __file__, {"addrs": list(addrs), "port": port,
                                             "every_ms": every_ms, "realtime": realtime})


if __name__ == "__main__":
    main()
