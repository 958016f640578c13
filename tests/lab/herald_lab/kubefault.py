"""A bad day of an API server: a proxy in front of the real one that does, when it is told to, what
a real one cannot be made to do.

    bad = FaultProxy(lab, kube, "192.168.30.10")
    kube.kubeconfig("herald", user, url=bad.url)
    rule = bad.on(r"GET /api/v1/services\\?.*watch=1", half_line(after=3))     rule.off()
    bad.seen(r"GET .*endpointslices")     what was asked, and when

Speaks HTTP/1.1 only, so that each watch is a connection.  What no rule is for goes through."""
import contextlib
import http.client
import json
import re
import select
import socket
import ssl
import struct
import threading
import time

from .kube import PORT

BAD_PORT = 6444
PIECE = 1 << 16
HOP_HEADERS = ("transfer-encoding", "connection", "content-length", "keep-alive")


class Gone(Exception):
    """The connection is not to be used any more."""


class Exchange:
    """One request on its way, and the means to answer it in any way at all."""

    def __init__(self, proxy, sock, method, path, headers, body):
        self.proxy, self.sock = proxy, sock
        self.method, self.path, self.headers, self.body = method, path, headers, body

    def ask(self):
        """The real server's answer."""
        conn = self.proxy.kube.api().connect(timeout=30)
        conn.request(self.method, self.path, self.body or None, self.headers)
        answer = conn.getresponse()
        conn.sock.settimeout(None)
        answer.conn = conn
        return answer

    def head(self, status, headers=(), chunked=True):
        lines = [f"HTTP/1.1 {status} {http.client.responses.get(status, 'Odd')}"]
        lines += [f"{k}: {v}" for k, v in headers]
        if chunked:
            lines.append("Transfer-Encoding: chunked")
        self.sock.sendall("\r\n".join([*lines, "", ""]).encode())

    def send(self, data):
        """A piece of a chunked body."""
        if data:
            self.sock.sendall(b"%x\r\n%s\r\n" % (len(data), data))

    def end(self):
        self.sock.sendall(b"0\r\n\r\n")

    def say(self, status, body=b"", kind="application/json", headers=()):
        """A whole answer."""
        body = body.encode() if isinstance(body, str) else body
        self.head(status, [("Content-Type", kind), ("Content-Length", len(body)), *headers], False)
        self.sock.sendall(body)

    def reset(self):
        """RST, whatever was still on its way."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise Gone

    def hang(self):
        """Say nothing until the other side, the rule or the proxy has had enough."""
        while not self.proxy.closing:
            ready, _, _ = select.select([self.sock], [], [], 0.1)
            if ready:
                raise Gone

    def forward(self, edit=None):
        """What the real server says; @edit(pieces) makes other pieces of it."""
        answer = self.ask()
        self.proxy.clients[self.sock] = f"{self.method} {self.path}", answer
        try:
            kept = [(k, v) for k, v in answer.getheaders() if k.lower() not in HOP_HEADERS]
            self.head(answer.status, kept)

            def pieces():
                while data := answer.read1(PIECE):
                    yield data
            for data in edit(pieces()) if edit else pieces():
                self.send(data)
            self.end()
        finally:
            self.proxy.clients[self.sock] = f"{self.method} {self.path}", None
            answer.conn.close()


# ---- faults: each a function of an Exchange ----

def said(status, body="", kind="application/json", **headers):
    """An answer of our own."""
    if isinstance(body, dict):
        body = json.dumps(body)
    extra = [(k.replace("_", "-"), v) for k, v in headers.items()]
    return lambda x: x.say(status, body, kind, extra)


def refusal(code, reason, message=""):
    """A Status object, as the API server puts its refusals."""
    return said(code, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
                       "reason": reason, "message": message, "metadata": {}})


def lines_of(pieces):
    kept = b""
    for data in pieces:
        *whole, kept = (kept + data).split(b"\n")
        yield from (line + b"\n" for line in whole)
    if kept:
        yield kept


def half_line(after=0, reset=False):
    """A watch that breaks off in the middle of a line, after so many whole ones."""
    def fault(x):
        def edit(pieces):
            for n, line in enumerate(lines_of(pieces)):
                if n == after:
                    x.send(line[:len(line) // 2])
                    if reset:
                        x.reset()
                    return
                yield line
        x.forward(edit)
    return fault


def garbage_line(text=b'{"type":"ADDED","object":{"kind":]]}\n', after=0):
    """A line that is no JSON among those of a watch."""
    def fault(x):
        def edit(pieces):
            for n, line in enumerate(lines_of(pieces)):
                if n == after:
                    yield text
                yield line
        x.forward(edit)
    return fault


def cut(after, reset=True):
    """The answer ends after so many bytes: by RST, or by a close without the last chunk."""
    def fault(x):
        def edit(pieces):
            left = after
            for data in pieces:
                if len(data) >= left:
                    x.send(data[:left])
                    if reset:
                        x.reset()
                    raise Gone
                left -= len(data)
                yield data
        x.forward(edit)
    return fault


def stall(after=None):
    """Silence: before the answer, or after so many bytes of it."""
    def fault(x):
        if after is None:
            x.hang()
            return

        def edit(pieces):
            left = after
            for data in pieces:
                yield data[:left]
                left -= len(data)
                if left <= 0:
                    x.hang()
                    return
        x.forward(edit)
    return fault


def changed(function):
    """The whole answer, parsed, through @function."""
    def fault(x):
        answer = x.ask()
        try:
            got = json.loads(answer.read())
            x.say(answer.status, json.dumps(function(got)))
        finally:
            answer.conn.close()
    return fault


def endless_list(item):
    """A list whose items do not end, as fast as they are taken."""
    def fault(x):
        x.head(200, [("Content-Type", "application/json")])
        x.send(b'{"kind":"List","apiVersion":"v1","metadata":{"resourceVersion":"1"},"items":[')
        text = json.dumps(item).encode()
        for n in range(1 << 40):
            if x.proxy.closing:
                raise Gone
            x.send((b"," if n else b"") + text.replace(b"%N%", b"%d" % n))
    return fault


def endless_string():
    """An object that does not end."""
    def fault(x):
        x.head(200, [("Content-Type", "application/json")])
        x.send(b'{"kind":"List","metadata":{"resourceVersion":"1"},"items":[{"metadata":{"name":"')
        while not x.proxy.closing:
            x.send(b"a" * PIECE)
        raise Gone
    return fault


def dripping(pause=0.0):
    """The whole answer, byte by byte, each in a chunk of its own."""
    def fault(x):
        def edit(pieces):
            for data in pieces:
                for i in range(len(data)):
                    yield data[i:i + 1]
                    if pause:
                        time.sleep(pause)
        x.forward(edit)
    return fault


class Rule:
    def __init__(self, pattern, fault, times):
        self.pattern, self.fault, self.left, self.used = re.compile(pattern), fault, times, 0

    def takes(self, row):
        if self.left == 0 or not self.pattern.search(row):
            return False
        self.left -= 1
        self.used += 1
        return True

    def off(self):
        self.left = 0


class FaultProxy:
    def __init__(self, lab, kube, addr=None, port=BAD_PORT):
        self.kube, self.addr, self.port = kube, addr or kube.addr, port
        self.rules, self.log, self.lock = [], [], threading.Lock()
        self.clients, self.closing = {}, False  # {socket: (request, answer)}
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(*kube.pki.server(f"proxy-{port}", self.addr))
        self.tls.set_alpn_protocols(["http/1.1"])
        self.listener = None
        lab.own(self)
        self.open()

    @property
    def url(self):
        return self.kube.url.removesuffix(str(PORT)) + str(self.port)

    def open(self):
        """Take connections (again)."""
        self.closing = False
        self.listener = self.kube.ns.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((self.addr, self.port))
        self.listener.listen(64)
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()
        return self

    def close(self):
        """Take none, and break those that there are."""
        self.closing = True
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.break_all()

    def listening(self):
        return not self.closing

    def break_all(self, pattern=""):
        """Every connection ends now whose last request is one like this."""
        for sock, (row, answer) in list(self.clients.items()):
            if re.search(pattern, row):
                for end in (sock, answer.conn.sock if answer else None):
                    with contextlib.suppress(OSError, AttributeError):
                        end.shutdown(socket.SHUT_RDWR)

    def on(self, pattern, fault, times=-1):
        """From now on, requests like this ("GET /path?query") get @fault, @times of them."""
        rule = Rule(pattern, fault, times)
        with self.lock:
            self.rules.append(rule)
        return rule

    def clear(self):
        with self.lock:
            self.rules.clear()

    def seen(self, pattern="", since=0.0):
        """(monotonic time, "GET /path") of the requests so far."""
        with self.lock:
            return [(t, row) for t, row in self.log if t >= since and re.search(pattern, row)]

    def _accept(self, listener):
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, plain):
        with contextlib.suppress(OSError, ValueError, Gone, http.client.HTTPException,
                                 AttributeError):
            try:
                plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock = self.tls.wrap_socket(plain, server_side=True)
            except BaseException:
                plain.close()
                raise
            self.clients[sock] = "", None
            try:
                reader = sock.makefile("rb")
                while exchange := self._read(sock, reader):
                    self._answer(exchange)
            finally:
                self.clients.pop(sock, None)
                with contextlib.suppress(UnboundLocalError):
                    reader.close()
                sock.close()

    def _read(self, sock, reader):
        first = reader.readline().decode("latin-1").split()
        if len(first) != 3:
            return None
        parsed = http.client.parse_headers(reader)
        body = reader.read(int(parsed.get("content-length", 0)))
        headers = {k: v for k, v in parsed.items() if k.lower() not in (*HOP_HEADERS, "host")}
        return Exchange(self, sock, first[0], first[1], headers, body)

    def _answer(self, x):
        row = f"{x.method} {x.path}"
        with self.lock:
            self.log.append((time.monotonic(), row))
            rule = next((r for r in self.rules if r.takes(row)), None)
        if rule:
            rule.fault(x)
            return
        try:
            x.forward()
        except (ConnectionError, socket.timeout):
            raise Gone from None
