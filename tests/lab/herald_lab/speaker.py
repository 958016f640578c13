"""A BGP peer under a test's control: sends any bytes, keeps every message with its time."""
import contextlib
import ipaddress
import select
import socket
import struct
import threading
import time

from . import bgpmsg
from .wait import until

TCP_MD5SIG = 14
IP_MINTTL = 21


def _family(addr):
    return socket.AF_INET6 if ":" in addr else socket.AF_INET


def set_md5(sock, addr, key):
    """RFC 2385: the key for everything to and from @addr."""
    ip = ipaddress.ip_address(addr)
    if ip.version == 4:
        sa = struct.pack("=HH4s", socket.AF_INET, 0, ip.packed)
    else:
        sa = struct.pack("=HHI16sI", socket.AF_INET6, 0, 0, ip.packed, 0)
    key = key.encode()
    sock.setsockopt(socket.IPPROTO_TCP, TCP_MD5SIG,
                    sa.ljust(128, b"\0") + struct.pack("=BBHi80s", 0, 0, len(key), 0, key))


class Connection:
    """One TCP connection and all that came over it."""

    def __init__(self, sock, peer):
        self.sock, self.peer = sock, peer
        self.at = time.monotonic()
        self.messages, self.error, self.closed_at = [], None, None
        self.reading = True
        self._wake, self._waker = socket.socketpair()
        self._end = False
        self._keepalive = None  # (interval, next)
        sock.setblocking(True)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        data = b""
        while not self._end:
            wait = 1.0
            if self._keepalive:
                wait = self._keepalive[1] - time.monotonic()
                if wait <= 0:
                    self._keepalive = (self._keepalive[0], time.monotonic() + self._keepalive[0])
                    with contextlib.suppress(OSError):
                        self.sock.sendall(bgpmsg.keepalive())
                    continue
            fds = [self._wake] + ([self.sock] if self.reading and not self.closed_at else [])
            ready, _, _ = select.select(fds, [], [], min(wait, 1.0))
            if self._wake in ready:
                self._wake.recv(64)
            if self.sock in ready:
                try:
                    got = self.sock.recv(1 << 18)
                except OSError as e:
                    self.error, got = e, b""
                now = time.monotonic()
                if not got:
                    self._keepalive = None
                    self.closed_at = now
                    continue
                data = self._cut(data + got, now)

    def _cut(self, data, now):
        while len(data) >= 19:
            size = int.from_bytes(data[16:18], "big")
            if size < 19 or len(data) < size:
                break
            self.messages.append(bgpmsg.Msg(data[:size], now))
            data = data[size:]
        return data

    def send(self, *what):
        self.sock.sendall(b"".join(what))

    def keep_alive(self, interval):
        self._keepalive = (interval, time.monotonic() + interval)
        self._waker.send(b"x")

    def stop_reading(self):
        self.reading = False
        self._waker.send(b"x")

    def resume_reading(self):
        self.reading = True
        self._waker.send(b"x")

    def of(self, kind, since=0):
        return [m for m in self.messages[since:] if m.type == kind]

    def updates(self, since=0):
        return [m.update() for m in self.of(bgpmsg.UPDATE, since)]

    def wait_msg(self, kind, timeout=10, since=0):
        until(lambda: self.of(kind, since) or self.closed_at, timeout,
              lambda: f"{bgpmsg.NAMES[kind]} from {self.peer}; came: {self.messages[since:]}")
        found = self.of(kind, since)
        assert found, f"{self.peer} closed without {bgpmsg.NAMES[kind]}; came: {self.messages}"
        return found[0]

    def wait_closed(self, timeout=10):
        return until(lambda: self.closed_at, timeout,
                     lambda: f"{self.peer} closing; came: {self.messages}")

    def wait_prefix(self, prefix, timeout=10, since=0):
        """The UPDATE that announces @prefix."""
        return until(lambda: [u for u in self.updates(since) if prefix in u.announced], timeout,
                     lambda: f"{prefix} announced; came: {self.messages[since:]}")[0]

    def wait_withdrawn(self, prefix, timeout=10, since=0):
        return until(lambda: [u for u in self.updates(since) if prefix in u.withdrawn], timeout,
                     lambda: f"{prefix} withdrawn; came: {self.messages[since:]}")[0]

    def wait_eor(self, family=bgpmsg.IPV4, timeout=10, since=0):
        return until(lambda: [m for m in self.of(bgpmsg.UPDATE, since)
                              if m.update().end_of_rib == family], timeout,
                     lambda: f"End-of-RIB of {family}; came: {self.messages[since:]}")[0]

    def rib(self):
        """What is announced now: {prefix: Update}."""
        table = {}
        for u in self.updates():
            for p in u.withdrawn:
                table.pop(p, None)
            for p in u.announced:
                table[p] = u
        return table

    @property
    def open(self):
        return self.of(bgpmsg.OPEN)[0].open()

    def reset(self):
        """Close with RST, as a machine that went away and came back."""
        with contextlib.suppress(OSError):
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self):
        self._end = True
        with contextlib.suppress(OSError):
            self._waker.send(b"x")
        self._thread.join(3)
        for s in (self.sock, self._wake, self._waker):
            s.close()


class Speaker:
    """A peer at @addr in @ns.  Either dials (connect()) or listens (listen(), accept()).

    With auto=True a thread takes every connection through to Established and announces what
    @routes holds, End-of-RIB included; else the test does every step."""

    def __init__(self, lab, ns, addr, asn=65000, ident=None, hold=90, caps=None, md5=None):
        self.lab, self.ns, self.addr, self.asn = lab, ns, addr, asn
        self.hold, self.caps = hold, caps
        self.ident = ident or (addr if ":" not in addr else "192.0.2.66")
        self.md5 = md5  # (peer address, key)
        self.connections, self._listener, self._auto, self.routes = [], None, None, []
        self._end = False
        lab.own(self)

    def open_bytes(self):
        return bgpmsg.open_msg(self.asn, self.ident, self.hold, self.caps)

    def _socket(self):
        s = self.ns.socket(_family(self.addr))
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if s.family == socket.AF_INET6:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if self.md5:
            set_md5(s, *self.md5)
        return s

    def connect(self, peer, port=179, timeout=10, ttl=None, source_port=0):
        """Dial until it works; returns the Connection, nothing sent yet."""
        def dial():
            s = self._socket()
            try:
                if ttl:
                    s.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
                s.bind((self.addr, source_port))
                s.settimeout(min(timeout, 2))
                s.connect((peer, port))
            except BaseException:
                s.close()
                raise
            return s
        c = Connection(until(dial, timeout, f"connecting from {self.addr} to {peer}"), peer)
        self.connections.append(c)
        return c

    def listen(self, port=179, ttl=None):
        s = self._socket()
        if ttl:
            s.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
        s.bind((self.addr, port))
        s.listen(16)
        self._listener = s
        return self

    def unlisten(self):
        s, self._listener = self._listener, None
        if s:
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)
            s.close()

    def accept(self, timeout=15):
        """The next connection that the peer dials; nothing sent yet."""
        ready, _, _ = select.select([self._listener], [], [], timeout)
        assert ready, f"nobody dialled {self.addr} in {timeout} s"
        sock, peer = self._listener.accept()
        c = Connection(sock, peer[0])
        self.connections.append(c)
        return c

    def establish(self, conn, timeout=10, said_open=False):
        """OPEN (unless said) and KEEPALIVE both ways; keepalives go on by themselves."""
        if not said_open:
            conn.send(self.open_bytes())
        hold = min(self.hold, conn.wait_msg(bgpmsg.OPEN, timeout).open().hold)
        conn.send(bgpmsg.keepalive())
        if hold:
            conn.keep_alive(hold / 3)
        conn.wait_msg(bgpmsg.KEEPALIVE, timeout)
        return conn

    def dial_up(self, peer, timeout=10, **kw):
        return self.establish(self.connect(peer, timeout=timeout, **kw), timeout)

    def accept_up(self, timeout=15):
        return self.establish(self.accept(timeout), timeout)

    def serve(self):
        """Listen, and from now on take every connection to Established."""
        self.listen()
        listener = self._listener

        def loop():
            while not self._end:
                try:
                    sock, peer = listener.accept()
                except OSError:
                    return
                c = Connection(sock, peer[0])
                self.connections.append(c)
                with contextlib.suppress(Exception):
                    self.establish(c)
                    c.send(*self.routes, bgpmsg.end_of_rib())
        self._auto = threading.Thread(target=loop, daemon=True)
        self._auto.start()
        return self

    @property
    def last(self):
        return self.connections[-1]

    def close(self):
        self._end = True
        self.unlisten()
        for c in self.connections:
            c.close()
