"""BGP messages as bytes: what a scripted speaker sends and what it reads.

Written from RFC 4271, 4760, 5492, 6793, 4724, 8092, 9003 and 9072, apart from the daemon's own
codec, so that each checks the other.  Building functions build anything, also what is wrong.
"""
import ipaddress
import struct

OPEN, UPDATE, NOTIFICATION, KEEPALIVE, ROUTE_REFRESH = 1, 2, 3, 4, 5
NAMES = {OPEN: "OPEN", UPDATE: "UPDATE", NOTIFICATION: "NOTIFICATION", KEEPALIVE: "KEEPALIVE",
         ROUTE_REFRESH: "ROUTE-REFRESH"}
MARKER = b"\xff" * 16
AS_TRANS = 23456
IPV4, IPV6 = (1, 1), (2, 1)

# attribute type codes and their usual flags
ORIGIN, AS_PATH, NEXT_HOP, MED, LOCAL_PREF, ATOMIC, AGGREGATOR, COMMUNITIES = range(1, 9)
ORIGINATOR_ID, CLUSTER_LIST = 9, 10
MP_REACH, MP_UNREACH, EXT_COMMUNITIES, AS4_PATH, AS4_AGGREGATOR = 14, 15, 16, 17, 18
LARGE_COMMUNITIES = 32
OPT, TRANS, PARTIAL, EXT_LEN = 0x80, 0x40, 0x20, 0x10
FLAGS = {ORIGIN: TRANS, AS_PATH: TRANS, NEXT_HOP: TRANS, MED: OPT, LOCAL_PREF: TRANS, ATOMIC: TRANS,
         AGGREGATOR: OPT | TRANS, COMMUNITIES: OPT | TRANS, ORIGINATOR_ID: OPT, CLUSTER_LIST: OPT,
         MP_REACH: OPT, MP_UNREACH: OPT, EXT_COMMUNITIES: OPT | TRANS, AS4_PATH: OPT | TRANS,
         AS4_AGGREGATOR: OPT | TRANS, LARGE_COMMUNITIES: OPT | TRANS}


# ---- building ----

def message(kind, body=b"", length=None, marker=MARKER):
    return marker + struct.pack("!HB", 19 + len(body) if length is None else length, kind) + body


def keepalive():
    return message(KEEPALIVE)


def notification(code, subcode, data=b""):
    return message(NOTIFICATION, bytes([code, subcode]) + data)


def route_refresh(family=IPV4, subtype=0):
    return message(ROUTE_REFRESH, struct.pack("!HBB", family[0], subtype, family[1]))


def cap(code, value=b""):
    return bytes([code, len(value)]) + value


def cap_mp(family):
    return cap(1, struct.pack("!HBB", family[0], 0, family[1]))


def cap_refresh():
    return cap(2)


def cap_as4(asn):
    return cap(65, struct.pack("!I", asn))


def cap_gr(families=(IPV4,), time=120, restarting=False, forwarding=True, notification_bit=False):
    """RFC 4724 3, RFC 8538 2."""
    flags = (8 if restarting else 0) | (4 if notification_bit else 0)
    return cap(64, struct.pack("!H", flags << 12 | time)
               + b"".join(struct.pack("!HBB", a, s, 0x80 if forwarding else 0)
                          for a, s in families))


def caps_param(caps, code=2):
    """All capabilities in one optional parameter."""
    body = b"".join(caps)
    return bytes([code, len(body)]) + body if body else b""


def open_msg(asn, ident, hold=90, caps=None, version=4, params=None):
    """An OPEN.  @caps None: IPv4 and IPv6 unicast, route refresh, 4-octet AS."""
    if caps is None:
        caps = [cap_mp(IPV4), cap_mp(IPV6), cap_refresh(), cap_as4(asn)]
    if params is None:
        params = caps_param(caps)
    return message(OPEN, struct.pack("!BHH", version, asn if asn < 65536 else AS_TRANS, hold)
                   + ipaddress.IPv4Address(ident).packed + bytes([len(params)]) + params)


def prefix(text):
    net = ipaddress.ip_network(text)
    return bytes([net.prefixlen]) + net.network_address.packed[:(net.prefixlen + 7) // 8]


def attr(code, value, flags=None, length=None):
    flags = FLAGS.get(code, OPT | TRANS) if flags is None else flags
    length = len(value) if length is None else length
    if length > 255 or flags & EXT_LEN:
        return struct.pack("!BBH", flags | EXT_LEN, code, length) + value
    return struct.pack("!BBB", flags, code, length) + value


def origin(value=0):
    return attr(ORIGIN, bytes([value]))


def as_path(*asns, size=4, kind=2):
    """One AS_SEQUENCE (or, with @kind 1, an AS_SET)."""
    seg = b"".join(a.to_bytes(size, "big") for a in asns)
    return attr(AS_PATH, bytes([kind, len(asns)]) + seg if asns else b"")


def next_hop(addr):
    return attr(NEXT_HOP, ipaddress.IPv4Address(addr).packed)


def med(n):
    return attr(MED, struct.pack("!I", n))


def local_pref(n):
    return attr(LOCAL_PREF, struct.pack("!I", n))


def communities(*values):
    """Each "65000:1" or a number."""
    def one(v):
        if isinstance(v, str):
            a, b = v.split(":")
            return int(a) << 16 | int(b)
        return v
    return attr(COMMUNITIES, b"".join(struct.pack("!I", one(v)) for v in values))


def mp_reach(nh, *prefixes, family=IPV6):
    hop = b"".join(ipaddress.ip_address(a).packed for a in ([nh] if isinstance(nh, str) else nh))
    return attr(MP_REACH, struct.pack("!HBB", *family, len(hop)) + hop + b"\0"
                + b"".join(prefix(p) for p in prefixes))


def mp_unreach(*prefixes, family=IPV6):
    return attr(MP_UNREACH, struct.pack("!HB", *family) + b"".join(prefix(p) for p in prefixes))


def update(nlri=(), attrs=(), withdrawn=(), withdrawn_len=None, attrs_len=None, tail=b""):
    """@nlri and @withdrawn: prefixes as text, or bytes as they are."""
    def prefixes(x):
        return x if isinstance(x, bytes) else b"".join(prefix(p) for p in x)
    w = prefixes(withdrawn)
    a = attrs if isinstance(attrs, bytes) else b"".join(attrs)
    return message(UPDATE, struct.pack("!H", len(w) if withdrawn_len is None else withdrawn_len) + w
                   + struct.pack("!H", len(a) if attrs_len is None else attrs_len) + a
                   + prefixes(nlri) + tail)


def announce(prefixes, nh, path, extra=()):
    """An ordinary IPv4 announcement."""
    return update(prefixes, [origin(), as_path(*path), next_hop(nh), *extra])


def end_of_rib(family=IPV4):
    return update() if family == IPV4 else update(attrs=[mp_unreach(family=family)])


# ---- reading ----

class Msg:
    """One message as it came in, with the time of its last byte (monotonic seconds)."""

    def __init__(self, raw, at=0.0):
        self.raw, self.at = raw, at
        self.type, self.body = raw[18], raw[19:]

    def __repr__(self):
        more = ""
        if self.type == NOTIFICATION:
            more = f" {self.body[0]}/{self.body[1]} {self.body[2:].hex()}"
        elif self.type == UPDATE:
            u = self.update()
            more = f" +{u.announced} -{u.withdrawn}"
        return f"<{NAMES.get(self.type, self.type)}{more}>"

    def open(self):
        return Open(self.body)

    def update(self, as_size=4):
        return Update(self.body, as_size)

    @property
    def code(self):
        """A NOTIFICATION's code and subcode."""
        return self.body[0], self.body[1]

    @property
    def data(self):
        return self.body[2:]

    def shutdown_text(self):
        """RFC 9003: the shutdown communication of a Cease."""
        return self.data[1:1 + self.data[0]].decode() if self.data else ""


class Open:
    """An OPEN, decoded: version, asn (the capability's), hold, ident, caps {code: [value]}."""

    def __init__(self, b):
        self.version, self.as2, self.hold = struct.unpack("!BHH", b[:5])
        self.ident = str(ipaddress.IPv4Address(b[5:9]))
        params = b[10:10 + b[9]]
        wide = b[9] == 255 and len(b) > 10 and b[10] == 255  # RFC 9072
        if wide:
            params = b[13:13 + int.from_bytes(b[11:13], "big")]
        self.caps = {}
        while params:
            n = 3 if wide else 2
            size = int.from_bytes(params[1:n], "big")
            if params[0] == 2:
                self._caps(params[n:n + size])
            params = params[n + size:]
        self.asn = int.from_bytes(self.caps[65][0], "big") if 65 in self.caps else self.as2

    def _caps(self, b):
        while b:
            self.caps.setdefault(b[0], []).append(b[2:2 + b[1]])
            b = b[2 + b[1]:]

    @property
    def families(self):
        return {(v[1], v[3]) for v in self.caps.get(1, [])}

    def graceful_restart(self):
        """(R, N, time, {(afi, safi): F}) or None."""
        v = self.caps.get(64)
        if not v:
            return None
        first = int.from_bytes(v[0][:2], "big")
        fams = {(int.from_bytes(v[0][i:i + 2], "big"), v[0][i + 2]): bool(v[0][i + 3] & 0x80)
                for i in range(2, len(v[0]), 4)}
        return bool(first >> 15), bool(first >> 14 & 1), first & 0xfff, fams


def _prefixes(b, afi):
    bits, cls = (32, ipaddress.IPv4Network) if afi == 1 else (128, ipaddress.IPv6Network)
    out = []
    while b:
        n = (b[0] + 7) // 8
        if b[0] > bits or len(b) < 1 + n:
            raise ValueError(f"bad NLRI {b.hex()}")
        out.append(str(cls((b[1:1 + n].ljust(bits // 8, b"\0"), b[0]))))
        b = b[1 + n:]
    return out


class Update:
    """An UPDATE: announced and withdrawn prefixes of both families, attrs {code: value}, order."""

    def __init__(self, b, as_size=4):
        wl = int.from_bytes(b[:2], "big")
        al = int.from_bytes(b[2 + wl:4 + wl], "big")
        self.withdrawn = _prefixes(b[2:2 + wl], 1)
        self.announced = _prefixes(b[4 + wl + al:], 1)
        self.attrs, self.flags, self.order = {}, {}, []
        self.mp_next_hop = None
        self.empty_unreach = None
        a = b[4 + wl:4 + wl + al]
        while a:
            head = 4 if a[0] & EXT_LEN else 3
            n = int.from_bytes(a[2:head], "big")
            self.flags[a[1]], self.attrs[a[1]] = a[0], a[head:head + n]
            self.order.append(a[1])
            a = a[head + n:]
        self.as_size = as_size
        if MP_REACH in self.attrs:
            v = self.attrs[MP_REACH]
            self.mp_next_hop = v[4:4 + v[3]]
            self.announced += _prefixes(v[5 + v[3]:], v[1])
        if MP_UNREACH in self.attrs:
            v = self.attrs[MP_UNREACH]
            self.withdrawn += _prefixes(v[3:], v[1])
            if len(v) == 3:
                self.empty_unreach = (v[1], v[2])

    @property
    def end_of_rib(self):
        """The family whose End-of-RIB this is, or None (RFC 4724 2)."""
        if not self.announced and not self.withdrawn:
            if not self.attrs:
                return IPV4
            if list(self.attrs) == [MP_UNREACH]:
                return self.empty_unreach
        return None

    @property
    def as_path(self):
        path, v = [], self.attrs.get(AS_PATH, b"")
        while v:
            n, size = v[1], self.as_size
            path += [int.from_bytes(v[2 + i * size:2 + (i + 1) * size], "big") for i in range(n)]
            v = v[2 + n * size:]
        return path

    @property
    def next_hop(self):
        if NEXT_HOP in self.attrs:
            return str(ipaddress.IPv4Address(self.attrs[NEXT_HOP]))
        return str(ipaddress.ip_address(self.mp_next_hop[:16])) if self.mp_next_hop else None

    def number(self, code):
        return int.from_bytes(self.attrs[code], "big") if code in self.attrs else None

    @property
    def communities(self):
        v = self.attrs.get(COMMUNITIES, b"")
        return {f"{int.from_bytes(v[i:i + 2], 'big')}:{int.from_bytes(v[i + 2:i + 4], 'big')}"
                for i in range(0, len(v), 4)}
