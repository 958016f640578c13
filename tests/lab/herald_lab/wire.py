"""Bytes that a test's own programs put on the wire: SCTP (RFC 9260), ICMP echo, and a pattern of
any length whose SHA-256 both ends can tell.  No imports from the package: podserver and inside run
as programs."""
import functools
import hashlib
import random
import struct

SCTP, SCTP_INIT, SCTP_INIT_ACK = 132, 1, 2
BLOCK = 1 << 16


@functools.cache
def _block():
    return random.Random(1).randbytes(BLOCK)


def pattern(size):
    """Pieces of @size bytes in all."""
    for _ in range(size // BLOCK):
        yield _block()
    yield _block()[:size % BLOCK]


def pattern_sha(size):
    total = hashlib.sha256()
    for piece in pattern(size):
        total.update(piece)
    return total.hexdigest()


@functools.cache
def _crc_table():
    table = []
    for n in range(256):
        for _ in range(8):
            n = (n >> 1) ^ (0x82F63B78 if n & 1 else 0)
        table.append(n)
    return table


def crc32c(data):
    """RFC 9260, appendix A."""
    crc, table = 0xFFFFFFFF, _crc_table()
    for byte in data:
        crc = (crc >> 8) ^ table[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def sctp_init(sport, dport, tag=0, ack_of=None):
    """An INIT; with @ack_of, an INIT ACK that carries these bytes as its cookie."""
    fixed = struct.pack("!IIHHI", 0xC0FFEE, 65536, 1, 1, 1)
    if ack_of is not None:
        fixed += struct.pack("!HH", 7, 4 + len(ack_of)) + ack_of
    chunk = struct.pack("!BBH", SCTP_INIT if ack_of is None else SCTP_INIT_ACK, 0, 4 + len(fixed))
    body = chunk + fixed + b"\0" * (-len(fixed) % 4)
    head = struct.pack("!HHI", sport, dport, tag)
    crc = crc32c(head + b"\0\0\0\0" + body)
    return head + struct.pack("<I", crc) + body


def sctp_parse(packet):
    """The first chunk of a packet; None when it is none."""
    if len(packet) < 16:
        return None
    sport, dport, _ = struct.unpack("!HHI", packet[:8])
    good = crc32c(packet[:8] + b"\0\0\0\0" + packet[12:])
    out = {"sport": sport, "dport": dport, "chunk": packet[12],
           "crc": struct.unpack("<I", packet[8:12])[0] == good, "tag": 0, "cookie": b""}
    if len(packet) >= 32:
        out["tag"] = struct.unpack("!I", packet[16:20])[0]
    if out["chunk"] == SCTP_INIT_ACK and len(packet) >= 36:
        size = struct.unpack("!H", packet[34:36])[0]
        out["cookie"] = packet[36:32 + size]
    return out


def _sum16(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data[:len(data) // 2 * 2]))
    total += data[-1] << 8 if len(data) % 2 else 0
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def echo_request(ident, seq, data, v6=False):
    """An ICMP echo request; ICMPv6's checksum is left to the kernel."""
    kind = 128 if v6 else 8
    head = struct.pack("!BBHHH", kind, 0, 0, ident, seq)
    if not v6:
        head = struct.pack("!BBHHH", kind, 0, _sum16(head + data), ident, seq)
    return head + data
