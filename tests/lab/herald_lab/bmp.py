"""A monitoring station of BMP (RFC 7854, 8671, 9069): takes one connection after the other, decodes every message
strictly, and keeps what each peer is known to have.  Written from the RFCs, apart from the daemon's code."""
import contextlib
import ipaddress
import socket
import struct
import subprocess
import threading

from . import bgpmsg
from .wait import until

PORT = 11019
ROUTE, STATS, DOWN, UP, INIT, TERM = range(6)
GLOBAL, RD, LOCAL, LOC_RIB = range(4)
STAT_LEN = {0: 4, 1: 4, 2: 4, 3: 4, 4: 4, 5: 4, 6: 4, 7: 8, 8: 8, 9: 11, 10: 11, 11: 4, 12: 4, 13: 4,
            14: 8, 15: 8, 16: 11, 17: 11}


class Broken(AssertionError):
    """Not what the RFCs allow."""


def need(what, *about):
    if not what:
        raise Broken(" ".join(str(a) for a in about))


def tlvs(b):
    out = []
    while b:
        need(len(b) >= 4, "half a TLV", b.hex())
        kind, size = struct.unpack("!HH", b[:4])
        need(len(b) >= 4 + size, "a TLV past the end", b.hex())
        out.append((kind, b[4:4 + size]))
        b = b[4 + size:]
    return out


def cut_bgp(b):
    """The first BGP message of @b, and what is behind it."""
    need(len(b) >= 19 and b[:16] == bgpmsg.MARKER, "no BGP message:", b.hex())
    size = int.from_bytes(b[16:18], "big")
    need(19 <= size <= len(b), "its length:", size, len(b))
    return bgpmsg.Msg(b[:size]), b[size:]


class PeerHeader:
    """RFC 7854 4.2"""

    def __init__(self, b):
        need(len(b) >= 42, "a short per-peer header")
        self.type, self.flags, self.distinguisher = struct.unpack("!BBQ", b[:10])
        need(self.type in (GLOBAL, LOCAL, LOC_RIB), "peer type", self.type)
        v6 = self.type != LOC_RIB and self.flags & 0x80
        need(v6 or not any(b[10:22]), "an IPv4 address with more in front", b[10:26].hex())
        need(not self.flags & ~(0 if self.type == LOC_RIB else 0xf0), "flags", hex(self.flags))
        self.addr = str(ipaddress.ip_address(b[10:26] if v6 else b[22:26]))
        self.asn = int.from_bytes(b[26:30], "big")
        self.ident = str(ipaddress.IPv4Address(b[30:34]))
        self.at = int.from_bytes(b[34:38], "big") + int.from_bytes(b[38:42], "big") / 1e6
        need(int.from_bytes(b[38:42], "big") < 1000000, "microseconds")
        self.post = self.type != LOC_RIB and bool(self.flags & 0x40)
        self.as_size = 2 if self.type != LOC_RIB and self.flags & 0x20 else 4
        self.out = self.type != LOC_RIB and bool(self.flags & 0x10)

    @property
    def key(self):
        return self.type, self.distinguisher, self.addr


class Peer:
    def __init__(self, header, body):
        self.header, self.tables, self.eor = header, {False: {}, True: {}}, {False: [], True: []}
        # RFC 8671: of what it is told
        self.out, self.out_eor = {False: {}, True: {}}, {False: [], True: []}
        local, self.local_port, self.remote_port = body[:16], *struct.unpack("!HH", body[16:20])
        self.local = str(ipaddress.ip_address(local if header.flags & 0x80 else local[12:]))
        self.sent, rest = cut_bgp(body[20:])
        self.received, rest = cut_bgp(rest)
        need(self.sent.type == self.received.type == bgpmsg.OPEN, "Peer Up without OPENs")
        self.info = tlvs(rest)
        self.stats, self.raw = [], []
        # RFC 7911: the test looks at the bytes of these UPDATEs itself
        self.add_path = all(69 in m.open().caps for m in (self.sent, self.received))


class Session:
    """One connection of the router."""

    def __init__(self, sock):
        self.sock, self.data, self.raw = sock, b"", b""
        self.name = self.descr = None
        self.peers, self.downs, self.ended, self.broken = {}, [], None, None
        self.messages, self.closed, self.updates = 0, False, 0

    def feed(self, got):
        self.raw += got
        self.data += got
        while len(self.data) >= 6:
            version, size, kind = struct.unpack("!BIB", self.data[:6])
            need(version == 3 and 6 <= size <= 1 << 20, "common header", self.data[:6].hex())
            if len(self.data) < size:
                break
            body, self.data = self.data[6:size], self.data[size:]
            need(self.ended is None, "something behind the Termination")
            need(self.messages or kind == INIT, "not Initiation first:", kind)
            self.messages += 1
            (self.route, self.statistics, self.down, self.up, self.init, self.term)[kind](body)

    def init(self, b):
        info = dict(tlvs(b))
        need(1 in info and 2 in info, "Initiation without sysDescr and sysName")
        self.descr, self.name = info[1].decode(), info[2].decode()

    def term(self, b):
        info = dict(tlvs(b))
        need(len(info[1]) == 2, "a reason of", len(info[1]))
        self.ended = int.from_bytes(info[1], "big")

    def up(self, b):
        header = PeerHeader(b)
        need(not header.out, "Peer Up with the O flag")
        need(header.key not in self.peers, "up twice:", header.key)
        self.peers[header.key] = Peer(header, b[42:])

    def known(self, b):
        header = PeerHeader(b)
        need(header.key in self.peers, "of a peer that is not up:", header.key)
        return header, self.peers[header.key]

    def down(self, b):
        header, peer = self.known(b)
        need(not header.out, "Peer Down with the O flag")
        reason, data = b[42], b[43:]
        if reason in (1, 3):
            note, rest = cut_bgp(data)
            need(note.type == bgpmsg.NOTIFICATION and not rest, "Peer Down with", data.hex())
            data = note
        elif reason == 2:
            need(len(data) == 2, "the event's number:", data.hex())
        elif reason == 6:
            need(header.type == LOC_RIB and dict(tlvs(data)).get(3), "no table name")
        else:
            need(reason == 4 and not data, "reason", reason, data.hex())
        self.downs.append((peer, reason, data))
        del self.peers[header.key]

    def route(self, b):
        header, peer = self.known(b)
        msg, rest = cut_bgp(b[42:])
        need(msg.type == bgpmsg.UPDATE and not rest, "Route Monitoring with", b[42:].hex())
        self.updates += 1
        if peer.add_path:
            peer.raw.append((header.post, msg))
            return
        u = msg.update(header.as_size)
        table = (peer.out if header.out else peer.tables)[header.post]
        for p in u.withdrawn:
            table.pop(p, None)
        for p in u.announced:
            table[p] = u
        if u.end_of_rib:
            (peer.out_eor if header.out else peer.eor)[header.post].append(u.end_of_rib)

    def statistics(self, b):
        header, peer = self.known(b)
        need(not header.out, "statistics with the O flag")
        nr, out = int.from_bytes(b[42:46], "big"), {}
        for kind, value in tlvs(b[46:]):
            need(STAT_LEN.get(kind) == len(value), "statistic", kind, value.hex())
            key = (kind, value[:3]) if len(value) == 11 else kind
            out[key] = int.from_bytes(value[3:] if len(value) == 11 else value, "big")
        need(nr == len(tlvs(b[46:])), "statistics are", nr)
        peer.stats.append(out)

    def peer(self, addr, kind=GLOBAL):
        for key, peer in self.peers.items():
            if (key[0], key[2]) == (kind, addr):
                return peer
        raise LookupError(f"{addr} is not up; there are {list(self.peers)}")

    def table(self, addr, post=False):
        return self.peer(addr).tables[post]

    def out(self, addr, post=True):
        return self.peer(addr).out[post]

    def local(self):
        """The local table."""
        return self.peer("0.0.0.0", LOC_RIB)


class Station:
    def __init__(self, lab, ns, addr, port=PORT):
        self.lab, self.ns, self.addr, self.port = lab, ns, addr, port
        self.sessions, self.reading, self._end = [], True, False
        self._go = threading.Event()
        self._go.set()
        self._listener = self._thread = None
        lab.own(self)

    def start(self, rcvbuf=None):
        s = self.ns.socket(socket.AF_INET6 if ":" in self.addr else socket.AF_INET)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if rcvbuf:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        s.bind((self.addr, self.port))
        s.listen(4)
        self._listener = s
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def _run(self):
        while not self._end:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            session = Session(sock)
            self.sessions.append(session)
            self._read(session)
            session.closed = True

    def _read(self, session):
        while not self._end:
            self._go.wait()
            try:
                got = session.sock.recv(1 << 18)
                if not got:
                    return
                session.feed(got)
            except OSError:
                return
            except Exception as e:  # pylint: disable=broad-except
                session.broken = e
                return

    def stop_reading(self):
        self._go.clear()

    def resume_reading(self):
        self._go.set()

    @property
    def last(self):
        s = self.sessions[-1]
        if s.broken:
            raise Broken(f"BMP: {s.broken!r}")
        return s

    def wait(self, what, text, timeout=20):
        """Until @what(the newest session) is true; a broken message ends it at once."""
        def look():
            return what(self.last)
        try:
            return until(look, timeout, text)
        finally:
            for s in self.sessions:
                if s.broken:
                    raise Broken(f"BMP: {s.broken!r}")

    def hang_up(self):
        with contextlib.suppress(OSError):
            self.sessions[-1].sock.shutdown(socket.SHUT_RDWR)

    def close(self):
        self._end = True
        self._go.set()
        for s in [self._listener, *(x.sock for x in self.sessions)]:
            with contextlib.suppress(OSError, AttributeError):
                s.shutdown(socket.SHUT_RDWR)
        if self._thread:
            self._thread.join(3)
        for s in [self._listener, *(x.sock for x in self.sessions)]:
            with contextlib.suppress(OSError, AttributeError):
                s.close()


def pcap(path, data, port=PORT):
    """The messages of @data in one direction of a TCP connection to @port, for tshark, a packet each."""
    with open(path, "wb") as f:
        f.write(struct.pack("=IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 1 << 18, 101))

        def packet(seq, flags, payload):
            tcp = struct.pack("!HHIIBBHHH", 40000, port, seq, 1, 5 << 4, flags, 65535, 0, 0)
            ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40 + len(payload), 1, 0, 64, 6, 0,
                             bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2]))
            raw = ip + tcp + payload
            f.write(struct.pack("=IIII", 1, 0, len(raw), len(raw)) + raw)
        packet(0, 2, b"")
        seq = 1
        while len(data) >= 6:
            size = int.from_bytes(data[1:5], "big")
            packet(seq, 16, data[:size])
            seq, data = seq + size, data[size:]


def tshark(path, *args, port=PORT, proto="bmp"):
    """What tshark's dissector says of a pcap()."""
    done = subprocess.run(["tshark", "-n", "-r", path, "-d", f"tcp.port=={port},{proto}", *args],
                          capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout
