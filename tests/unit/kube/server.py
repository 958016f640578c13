#!/usr/bin/python3
"""tests/unit/kube/server.py: an HTTP server that is as bad as the path asks for.

    server.py DIR        makes certificates in DIR, prints "NAME PORT" lines and "ready", serves
                         until its standard input ends

Ports: tls (a good certificate), expired, othername, otherca, mutual (wants a client certificate),
plain (no TLS), proxy (CONNECT, counts what it is sent).
"""

import gzip
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from email.utils import formatdate
from urllib.parse import parse_qs, urlsplit

STATUS = {
    "kind": "Status",
    "apiVersion": "v1",
    "status": "Failure",
}
seen = {"tries": 0, "connections": 0, "proxied": []}


# ---- certificates ----


def openssl(folder, *args):
    subprocess.run(["openssl", *args], cwd=folder, check=True, capture_output=True)


def make_ca(folder, name):
    openssl(folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
        "-keyout", f"{name}.key", "-out", f"{name}.crt", "-subj", f"/CN={name}", "-days", "2")


def make_cert(folder, name, ca, names, days="2"):
    with open(os.path.join(folder, f"{name}.ext"), "w") as ext:
        ext.write(f"subjectAltName={names}\n" if names else "keyUsage=digitalSignature\n")
    openssl(folder, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
        "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/O=system:masters/CN={name}")
    openssl(folder, "x509", "-req", "-in", f"{name}.csr", "-CA", f"{ca}.crt", "-CAkey", f"{ca}.key",
        "-CAcreateserial", "-out", f"{name}.crt", "-days", days, "-extfile", f"{name}.ext")


def make_all(folder):
    here = "IP:127.0.0.1,IP:::1,DNS:localhost,DNS:kube.test"
    make_ca(folder, "ca")
    make_ca(folder, "stranger")
    make_cert(folder, "good", "ca", here)
    make_cert(folder, "expired", "ca", here, "-1")
    make_cert(folder, "othername", "ca", "DNS:elsewhere.test")
    make_cert(folder, "otherca", "stranger", here)
    make_cert(folder, "client", "ca", None)
    make_cert(folder, "client2", "ca", None)


# ---- requests and answers ----


class Request:
    def __init__(self, method, target, headers, body, peer):
        self.method, self.headers, self.body, self.peer = method, headers, body, peer
        self.url = urlsplit(target)
        self.path = self.url.path
        self.query = {k: v[0] for k, v in parse_qs(self.url.query).items()}


def read_request(sock, file):
    line = file.readline(65536).decode("latin-1").split()
    if len(line) < 3:
        return None
    headers = {}
    while True:
        row = file.readline(65536).decode("latin-1").rstrip("\r\n")
        if not row:
            break
        key, _, value = row.partition(":")
        headers[key.strip().lower()] = value.strip()
    body = file.read(int(headers.get("content-length", "0")))
    peer = sock.getpeercert() if isinstance(sock, ssl.SSLSocket) else None
    return Request(line[0], line[1], headers, body, peer)


def answer(sock, status, body=b"", kind="application/json", **more):
    text = f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
    for key, value in more.items():
        text += f"{key.replace('_', '-')}: {value}\r\n"
    sock.sendall(text.encode() + b"\r\n" + body)


def answer_json(sock, status, value, **more):
    answer(sock, status, json.dumps(value).encode(), **more)


def status_of(code, reason, message, **details):
    return dict(STATUS, code=code, reason=reason, message=message, details=details)


CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def abort(sock):
    """The end by RST."""
    raw = sock
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    os.close(raw.detach())


def until_gone(sock):
    sock.settimeout(30)
    try:
        while sock.recv(4096):
            pass
    except OSError:
        pass


def do_echo(sock, r):
    answer_json(sock, 200, {"method": r.method, "path": r.path, "query": r.query,
        "headers": r.headers, "body": r.body.decode("latin-1"),
        "peer": [v for part in (r.peer or {}).get("subject", []) for v in part],
        "connections": seen["connections"]})


def do_auth(sock, r):
    seen["tries"] += 1
    if r.headers.get("authorization") == r.query["want"].replace("_", " "):
        answer_json(sock, 200, {"tries": seen["tries"]})
    else:
        answer_json(sock, 401, status_of(401, "Unauthorized", "Unauthorized"))


def do_count(sock, r):
    answer_json(sock, 200, dict(seen))
    if "clear" in r.query:
        seen.update(tries=0, connections=0, proxied=[])


def do_reset(sock, r):
    sock.sendall(CHUNKED + chunk(b"x" * 1000))
    abort(sock)


def do_half_chunk(sock, r):
    sock.sendall(CHUNKED + chunk(b"y" * 100) + b"400\r\nonly this")
    return False


def do_no_last_chunk(sock, r):
    sock.sendall(CHUNKED + chunk(b'{"whole":"json"}'))
    return False


def do_short(sock, r):
    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nten bytes.")
    return False


def do_bad_chunk(sock, r):
    sock.sendall(CHUNKED + b"zz\r\nhello\r\n")
    return False


def do_stall(sock, r):
    if "after" in r.query:
        sock.sendall(CHUNKED + chunk(b"z" * int(r.query["after"])))
    until_gone(sock)
    return False


def do_garbage(sock, r):
    sock.sendall(b"\x00\x01SSH-2.0-nothing of HTTP here\r\n\r\n")
    return False


def do_silence(sock, r):
    return False


def do_endless_headers(sock, r):
    sock.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        sock.sendall(b"".join(b"X-%d: %s\r\n" % (i, b"h" * 500) for i in range(20)))


def do_long_header(sock, r):
    sock.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
    while True:
        sock.sendall(b"h" * 16384)


def do_endless_continue(sock, r):
    while True:
        sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)


def do_endless_body(sock, r):
    status = r.query.get("status", "200")
    sock.sendall(CHUNKED.replace(b"200 OK", status.encode() + b" X"))
    while True:
        sock.sendall(chunk(b"b" * 65536))


def do_status(sock, r):
    """?code=&reason=&message=&after=&header="""
    q = r.query
    value = status_of(int(q["code"]), q.get("reason", ""), q.get("message", ""))
    if "after" in q:
        value["details"]["retryAfterSeconds"] = int(q["after"])
    more = {}
    if "header" in q:
        more["Retry_After"] = q["header"]
    if "date" in q:
        more["Retry_After"] = formatdate(time.time() + int(q["date"]), usegmt=True)
    answer_json(sock, int(q["code"]), value, **more)


def do_api(sock, r):
    """Forbidden, and no word about what."""
    answer_json(sock, 403, status_of(403, "Forbidden", ""))


do_apis = do_api


def do_text(sock, r):
    answer(sock, int(r.query["code"]), r.query.get("body", "").encode(), "text/plain; charset=utf-8")


def do_leak(sock, r):
    """As some proxies do: the request comes back in the error."""
    body = f"bad request: Authorization: {r.headers.get('authorization')}"
    if "json" in r.query:
        answer_json(sock, 400, status_of(400, "BadRequest", body))
    else:
        answer(sock, 400, body.encode(), "text/plain")


def do_redirect(sock, r):
    answer(sock, int(r.query["code"]), b"", Location=r.query["to"])


def do_gzip(sock, r):
    body = gzip.compress(b"q" * int(r.query["n"]))
    answer(sock, 200, body, Content_Encoding="gzip", X_Asked=r.headers.get("accept-encoding"))


def do_bad_gzip(sock, r):
    answer(sock, 200, b"\x1f\x8b\x08 this is none", Content_Encoding="gzip")


def do_bytes(sock, r):
    n, piece = int(r.query["n"]), int(r.query.get("piece", "65536"))
    sock.sendall(CHUNKED)
    for at in range(0, n, piece):
        sock.sendall(chunk(bytes(b"abcdefghijklmnop"[(at + i) % 16] for i in range(1)) * min(piece, n - at)))
    sock.sendall(b"0\r\n\r\n")


def do_lines(sock, r):
    """A watch: so many lines, then silence or the end."""
    sock.sendall(CHUNKED)
    for i in range(int(r.query["n"])):
        sock.sendall(chunk(b'{"type":"ADDED","object":{"n":%d}}\n' % i))
    if "end" in r.query:
        sock.sendall(b"0\r\n\r\n")
        return True
    until_gone(sock)
    return False


ROUTES = {name[3:].replace("_", "-"): do for name, do in list(globals().items()) if name.startswith("do_")}


def serve(sock):
    seen["connections"] += 1
    file = sock.makefile("rb")
    while True:
        r = read_request(sock, file)
        if not r:
            break
        route = ROUTES.get(r.path.strip("/").split("/")[0])
        if not route:
            answer(sock, 404, b"404 page not found\n", "text/plain; charset=utf-8")
        elif route(sock, r) is False:
            break


# ---- connections ----


def carry(a, b):
    try:
        while data := a.recv(65536):
            b.sendall(data)
        b.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def proxy(sock):
    file = sock.makefile("rb", 0)
    r = read_request(sock, file)
    seen["proxied"].append({"method": r.method, "target": r.url.path or r.url.netloc,
        "headers": r.headers})
    host, _, port = r.headers["host"].rpartition(":")
    there = socket.create_connection((host.strip("[]"), int(port)))
    sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
    threading.Thread(target=carry, args=(there, sock), daemon=True).start()
    carry(sock, there)


def handle(sock, context, what):
    try:
        sock.settimeout(60)
        if context:
            sock = context.wrap_socket(sock, server_side=True)
        what(sock)
    except (OSError, ValueError, KeyError):
        pass
    finally:
        try:
            sock.close()
        except OSError:
            pass


def accept(listener, context, what):
    while True:
        sock, _ = listener.accept()
        threading.Thread(target=handle, args=(sock, context, what), daemon=True).start()


def listen(name, context, what=serve, host="127.0.0.1"):
    listener = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    threading.Thread(target=accept, args=(listener, context, what), daemon=True).start()
    print(name, listener.getsockname()[1], flush=True)


def tls(folder, name):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(folder, f"{name}.crt"), os.path.join(folder, f"{name}.key"))
    return context


def main():
    folder = sys.argv[1]
    make_all(folder)
    mutual = tls(folder, "good")
    mutual.verify_mode = ssl.CERT_REQUIRED
    mutual.load_verify_locations(os.path.join(folder, "ca.crt"))
    listen("tls", tls(folder, "good"))
    listen("tls6", tls(folder, "good"), host="::1")
    listen("expired", tls(folder, "expired"))
    listen("othername", tls(folder, "othername"))
    listen("otherca", tls(folder, "otherca"))
    listen("mutual", mutual)
    listen("plain", None)
    listen("proxy", None, proxy)
    print("ready 0", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
