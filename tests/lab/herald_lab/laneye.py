#!/usr/bin/python3
"""Who answers for the addresses of a segment: asks for each by ARP or a neighbour solicitation, to
all, every few milliseconds, and notes the MAC addresses of the answers.

    laneye.py '{"dev": "eth0", "src": [...], "addrs": [...], "every_ms": 20, "realtime": false}'

It asks from two addresses of each family by turns (src), so that a late answer is not taken for one
to the next question: each has until the question after that.

A line of JSON in, a line of JSON out:

    ["reset"]   begins a new account
    ["told"]    tells it, of each address:
                    now        the MAC addresses that answered the last question
                    silent_ms  the longest time of questions that nobody answered
                    split_ms   the longest time of questions that two answered: split brain
                    changes    [when, [MAC...]], each time that another set answered
    ["hunt", [ADDR...], [MAC...], SECONDS]
                asks for these addresses alone until another MAC than these answers; when each was,
                CLOCK_MONOTONIC; ends after SECONDS

Only an answer to our own MAC counts: not what is announced to all.  LanEye is the test's end of it."""
import ctypes
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

ETH_ARP, ETH_IP6 = 0x0806, 0x86DD
BROADCAST = b"\xff" * 6
ND_SOLICIT, ND_ADVERT = 135, 136
CHANGES_TOLD = 400
SO_ATTACH_FILTER, SO_RCVBUFFORCE = 26, 33
# Of all IPv6 frames the advertisements alone: next header at 20, type at 54.
ADVERTS = ((0x30, 0, 0, 20), (0x15, 0, 3, 58), (0x30, 0, 0, 54), (0x15, 0, 1, ND_ADVERT),
           (0x06, 0, 0, 0xFFFF), (0x06, 0, 0, 0))


def mac_text(mac):
    return ":".join(f"{b:02x}" for b in mac)


def as_bytes(addr):
    return socket.inet_pton(socket.AF_INET6 if ":" in addr else socket.AF_INET, addr)


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def solicitation(mac, src, dst):
    """An Ethernet frame; @src and @dst are addresses as bytes."""
    group = bytes.fromhex("ff0200000000000000000001ff") + dst[-3:]
    body = struct.pack("!BBHI", ND_SOLICIT, 0, 0, 0) + dst + b"\x01\x01" + mac
    pseudo = src + group + struct.pack("!II", len(body), 58)
    body = body[:2] + struct.pack("!H", checksum(pseudo + body)) + body[4:]
    return (b"\x33\x33" + group[-4:] + mac + struct.pack("!H", ETH_IP6)
            + struct.pack("!IHBB", 6 << 28, len(body), 58, 255) + src + group + body)


def arp_request(mac, src, dst):
    return (BROADCAST + mac + struct.pack("!HHHBBH", ETH_ARP, 1, 0x0800, 6, 4, 1)
            + mac + src + b"\0" * 6 + dst)


def parse(frame, mac):
    """(address that is asked for, MAC, address that was asked from) of an answer to us, as bytes;
    None: it is none."""
    if frame[:6] != mac:
        return None
    kind = int.from_bytes(frame[12:14], "big")
    if kind == ETH_ARP and len(frame) >= 42 and frame[20:22] == b"\0\2":
        return frame[28:32], frame[22:28], frame[38:42]
    if kind == ETH_IP6 and len(frame) >= 78 and frame[20] == 58 and frame[54] == ND_ADVERT:
        # the target link-layer address option, else who sent it
        lla = frame[80:86] if len(frame) >= 86 and frame[78:80] == b"\2\1" else frame[6:12]
        return frame[62:78], lla, frame[38:54]
    return None


class Account:
    """Of one address.  A question is judged when the one after the next is asked."""

    def __init__(self):
        self.turn, self.last = 0, None
        self.reset()

    def reset(self):
        """Who answered last is remembered."""
        self.silent_since = self.split_since = None
        self.silent = self.split = 0.0
        self.asked, self.changes, self.pending = 0, [], []

    def ask(self, now):
        self.asked += 1
        self.turn ^= 1
        while len(self.pending) > 1:
            self._judge(*self.pending.pop(0))
        self.pending.append((now, self.turn, set()))
        return self.turn

    def answer(self, turn, mac):
        for _, of, macs in self.pending:
            if of == turn:
                macs.add(mac)

    def _judge(self, at, _turn, macs):
        until = self.pending[0][0] if self.pending else at
        if not macs:
            self.silent_since = at if self.silent_since is None else self.silent_since
            self.silent = max(self.silent, until - self.silent_since)
        else:
            self.silent_since = None
        if len(macs) > 1:
            self.split_since = at if self.split_since is None else self.split_since
            self.split = max(self.split, until - self.split_since)
        elif macs:
            self.split_since = None  # silence is no end of it: nobody was seen to be alone
        if macs != self.last:
            self.last = macs
            if len(self.changes) < CHANGES_TOLD:
                self.changes.append([at, sorted(mac_text(m) for m in macs)])

    def told(self):
        return {"asked": self.asked, "silent_ms": round(self.silent * 1000, 1),
                "split_ms": round(self.split * 1000, 1), "changes": self.changes,
                "now": sorted(mac_text(m) for m in (self.last or ()))}


class Link:
    """The device: what goes out, what comes in."""

    def __init__(self, dev, src):
        self.out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.out.bind((dev, 0))
        self.mac = self.out.getsockname()[4]
        self.src = {4: [], 16: []}
        for a in map(as_bytes, src):
            self.src[len(a)].append(a)
        self.ins = [self._listen(dev, ETH_ARP), self._listen(dev, ETH_IP6, ADVERTS)]
        self.poll = select.epoll()
        for sock in self.ins:
            self.poll.register(sock, select.EPOLLIN)
        self.frames = {}

    @staticmethod
    def _listen(dev, kind, program=()):
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
        if program:
            code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *s) for s in program))
            sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER,
                            struct.pack("@HP", len(program), ctypes.addressof(code)))
        sock.bind((dev, kind))
        sock.setblocking(False)
        return sock

    def ask(self, addr, turn):
        frame = self.frames.get((addr, turn))
        if not frame:
            make = arp_request if len(addr) == 4 else solicitation
            frame = self.frames[addr, turn] = make(self.mac, self.src[len(addr)][turn], addr)
        try:
            self.out.send(frame)
        except OSError:
            pass  # a link that is down or full: nobody answers

    def answers(self, wait):
        """What came in: (address, MAC, turn)."""
        for fd, _ in self.poll.poll(wait):
            if fd == 0:
                yield None
                continue
            sock = next(s for s in self.ins if s.fileno() == fd)
            for _ in range(4096):
                try:
                    got = parse(sock.recv(2048), self.mac)
                except OSError:
                    break
                if got and got[2] in self.src[len(got[0])]:
                    yield got[0], got[1], self.src[len(got[0])].index(got[2])


class Eye:
    def __init__(self, want):
        self.link = Link(want["dev"], want["src"])
        self.every = want.get("every_ms", 20) / 1000
        self.addrs = {a: as_bytes(a) for a in want["addrs"]}
        self.accounts = {b: Account() for b in self.addrs.values()}
        self.late, self.due = 0.0, []
        self._spread(time.monotonic())

    def _spread(self, now):
        self.due = [(now + self.every * i / len(self.addrs), b)
                    for i, b in enumerate(self.addrs.values())]

    def step(self):
        now = time.monotonic()
        while self.due and self.due[0][0] <= now:
            at, addr = heapq.heappop(self.due)
            self.late = max(self.late, now - at)
            self.link.ask(addr, self.accounts[addr].ask(now))
            heapq.heappush(self.due, (max(at + self.every, now), addr))
            now = time.monotonic()
        return max(self.due[0][0] - now, 0) if self.due else None

    def hunt(self, addrs, macs, seconds, every=0.05):
        """Every address that another than these answers, and when it did first."""
        macs = {bytes.fromhex(m.replace(":", "")) for m in macs}
        left, found = {as_bytes(a): a for a in addrs}, {}
        end = time.monotonic() + seconds
        turn = {a: 0 for a in left}
        while left and time.monotonic() < end:
            begin = time.monotonic()
            for addr in list(left):
                self.link.ask(addr, turn[addr])
                for a, mac, _ in self.link.answers(0):
                    if a in left and mac not in macs:
                        found[left.pop(a)] = time.monotonic()
            while left and (wait := begin + every - time.monotonic()) > 0:
                for a, mac, _ in self.link.answers(wait):
                    if a in left and mac not in macs:
                        found[left.pop(a)] = time.monotonic()
        return {"found": found, "left": sorted(left.values())}

    def do(self, op, *args):
        if op == "hunt":
            self.link.poll.unregister(0)
            try:
                return self.hunt(*args)
            finally:
                self.link.poll.register(0, select.EPOLLIN)
                self._spread(time.monotonic())
        if op == "reset":
            self.late = 0.0
            for a in self.accounts.values():
                a.reset()
            return {}
        if op == "told":
            each = {a: self.accounts[b].told() for a, b in self.addrs.items()}
            return {"addrs": each, "late_ms": round(self.late * 1000, 1),
                    **{k: max((e[k] for e in each.values()), default=0)
                       for k in ("silent_ms", "split_ms")}}
        raise ValueError(op)

    def run(self):
        self.link.poll.register(0, select.EPOLLIN)
        while True:
            wait = self.step()
            for got in self.link.answers(wait):
                if got:
                    if got[0] in self.accounts:
                        self.accounts[got[0]].answer(got[2], got[1])
                    continue
                line = sys.stdin.readline()
                if not line:
                    return
                print(json.dumps(self.do(*json.loads(line))), flush=True)


def main():
    want = json.loads(sys.argv[1])
    asked.realtime(want)
    Eye(want).run()


class LanEye(asked.Asked):
    """Runs laneye.py in @ns."""

    def __init__(self, lab, ns, dev, src, addrs, every_ms=20, realtime=False):
        super().__init__(lab, ns, __file__, {"dev": dev, "src": list(src), "addrs": list(addrs),
                                             "every_ms": every_ms, "realtime": realtime})

    def hunt(self, addrs, macs, seconds):
        return self.ask("hunt", list(addrs), list(macs), seconds)


if __name__ == "__main__":
    main()
