"""What a calm peer has been told by the daemon, kept up message by message."""
import ipaddress
import threading

from herald_lab import bgpmsg as B

ADD_PATH = 69


def updates_of(raw, paths=(), as_size=4):
    """An UPDATE's routes and attributes.  @paths: families whose prefixes carry an identifier
    (RFC 7911).  Raises ValueError, IndexError when it cannot be taken apart."""
    return Update(raw, paths, as_size)


class Update:
    """announced, withdrawn: [(prefix, path identifier)]; attrs {code: value}; flags; order."""

    def __init__(self, body, paths=(), as_size=4):
        wl = int.from_bytes(body[:2], "big")
        al = int.from_bytes(body[2 + wl:4 + wl], "big")
        if 4 + wl + al > len(body):
            raise ValueError(f"lengths beyond the message: {body.hex()}")
        self.withdrawn = prefixes(body[2:2 + wl], 1, B.IPV4 in paths)
        self.announced = prefixes(body[4 + wl + al:], 1, B.IPV4 in paths)
        self.body_routes = bool(self.withdrawn), bool(self.announced)
        self.attrs, self.flags, self.order, self.as_size = {}, {}, [], as_size
        self.mp_hop, self.mp_family, self.end_of_rib = None, None, None
        self._attributes(body[4 + wl:4 + wl + al])
        if not body[4:] and not wl:
            self.end_of_rib = B.IPV4
        if B.MP_REACH in self.attrs:
            v = self.attrs[B.MP_REACH]
            self.mp_family = int.from_bytes(v[:2], "big"), v[2]
            self.mp_hop = v[4:4 + v[3]]
            self.announced += prefixes(v[5 + v[3]:], self.mp_family[0], self.mp_family in paths)
        if B.MP_UNREACH in self.attrs:
            v = self.attrs[B.MP_UNREACH]
            family = int.from_bytes(v[:2], "big"), v[2]
            self.withdrawn += prefixes(v[3:], family[0], family in paths)
            if len(v) == 3 and len(self.attrs) == 1:
                self.end_of_rib = family

    def _attributes(self, a):
        while a:
            head = 4 if a[0] & B.EXT_LEN else 3
            n = int.from_bytes(a[2:head], "big")
            if len(a) < head + n:
                raise ValueError(f"an attribute beyond the list: {a.hex()}")
            if a[1] in self.attrs:
                raise ValueError(f"attribute {a[1]} twice")
            self.flags[a[1]], self.attrs[a[1]] = a[0], a[head:head + n]
            self.order.append(a[1])
            a = a[head + n:]

    @property
    def as_path(self):
        """All AS numbers, whatever their segment."""
        return [n for _, ns in self.segments() for n in ns]

    def segments(self, code=B.AS_PATH, size=None):
        v, size, out = self.attrs.get(code, b""), size or self.as_size, []
        while v:
            n = v[1]
            out.append((v[0], [int.from_bytes(v[2 + i * size:2 + (i + 1) * size], "big")
                               for i in range(n)]))
            v = v[2 + n * size:]
        return out

    @property
    def next_hop(self):
        if B.NEXT_HOP in self.attrs:
            return str(ipaddress.IPv4Address(self.attrs[B.NEXT_HOP]))
        return str(ipaddress.ip_address(self.mp_hop[:16])) if self.mp_hop else None

    def number(self, code):
        return int.from_bytes(self.attrs[code], "big") if code in self.attrs else None

    @property
    def communities(self):
        v = self.attrs.get(B.COMMUNITIES, b"")
        return {int.from_bytes(v[i:i + 4], "big") for i in range(0, len(v), 4)}


def prefixes(b, afi, with_id=False):
    bits, cls = (32, ipaddress.IPv4Network) if afi == 1 else (128, ipaddress.IPv6Network)
    out = []
    while b:
        ident = None
        if with_id:
            ident, b = int.from_bytes(b[:4], "big"), b[4:]
        n = (b[0] + 7) // 8
        if b[0] > bits or len(b) < 1 + n:
            raise ValueError(f"NLRI that cannot be read: {b.hex()}")
        out.append((str(cls((b[1:1 + n].ljust(bits // 8, b"\0"), b[0]))), ident))
        b = b[1 + n:]
    return out


class Table:
    """The routes that @conn has been told: {(prefix, identifier): Update}."""

    def __init__(self, conn, paths=(), as_size=4):
        self.conn, self.paths, self.as_size = conn, paths, as_size
        self.routes, self.bad, self.history = {}, [], []
        self._next, self._lock = 0, threading.Lock()

    def catch_up(self):
        with self._lock:
            messages = self.conn.messages
            while self._next < len(messages):
                m = messages[self._next]
                self._next += 1
                if m.type == B.UPDATE:
                    self._take(m)
        return self

    def _take(self, m):
        try:
            u = updates_of(m.body, self.paths, self.as_size)
        except (ValueError, IndexError) as e:
            self.bad.append((repr(e), m.raw.hex()))
            return
        self.history.append(u)
        for key in u.withdrawn:
            self.routes.pop(key, None)
        for key in u.announced:
            self.routes[key] = u

    def get(self, prefix, ident=None):
        """The UPDATE that stands for @prefix, or None."""
        return self.catch_up().routes.get((prefix, ident))

    def all(self, prefix):
        """{identifier: Update} of @prefix."""
        self.catch_up()
        with self._lock:
            return {i: u for (p, i), u in self.routes.items() if p == prefix}

    def told(self, prefix):
        """Every UPDATE that ever announced @prefix, in order."""
        self.catch_up()
        return [u for u in self.history if prefix in [p for p, _ in u.announced]]

    def ends(self, family=B.IPV4, since=0):
        self.catch_up()
        return [u for u in self.history[since:] if u.end_of_rib == family]
