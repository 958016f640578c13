#!/usr/bin/python3
"""A process in a namespace (and its cgroup) that talks to services as a test asks it to: a line of
JSON in, a line of JSON out.  Agent is the test's end of it.

What goes wrong is part of the answer: {"error": "ECONNREFUSED", "ms": how long it took}."""
import errno
import hashlib
import json
import os
import socket
import subprocess
import sys
import time

if __package__:
    from . import wire
else:
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    import wire

IP_MTU, IP_MTU_DISCOVER, IP_PMTUDISC_DO = 14, 10, 2
IPV6_MTU, IPV6_MTU_DISCOVER, IPV6_DONTFRAG = 24, 23, 62


class Kept:
    """Sockets that outlive one request, by the name that the test gave them."""
    sockets = {}


def family(addr):
    return socket.AF_INET6 if ":" in addr else socket.AF_INET


def connect(addr, port, timeout, keep=None, sport=0):
    if keep in Kept.sockets:
        return Kept.sockets[keep]
    sock = socket.socket(family(addr))
    sock.settimeout(timeout)
    try:
        if sport:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(("", sport))
        sock.connect((addr, port))
    except OSError:
        sock.close()
        raise
    if keep:
        Kept.sockets[keep] = sock
    return sock


def read_head(sock):
    got = b""
    while b"\r\n\r\n" not in got:
        piece = sock.recv(65536)
        if not piece:
            raise ConnectionResetError(errno.ECONNRESET, "closed")
        got += piece
    head, _, body = got.partition(b"\r\n\r\n")
    size = next(int(x.split(b":")[1]) for x in head.split(b"\r\n")
                if x.lower().startswith(b"content-length"))
    return body, size


def http(addr, port=80, path="/", timeout=3, keep=None, sport=0):
    """GET; what the pod said, and between which addresses.  @keep: over the connection of that
    name, opened when it is not there."""
    sock = connect(addr, port, timeout, keep, sport)
    try:
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: {addr}\r\n\r\n".encode())
        body, size = read_head(sock)
        while len(body) < size:
            body += sock.recv(65536)
        said = dict(x.split(": ", 1) for x in body.decode().splitlines())
        return {"pod": said["Hostname"], "client": said["RemoteAddr"],
                "peer": sock.getpeername()[:2], "local": sock.getsockname()[:2]}
    except OSError:
        Kept.sockets.pop(keep, None)
        raise
    finally:
        if keep not in Kept.sockets:
            sock.close()


def drop(keep):
    Kept.sockets.pop(keep).close()
    return {}


def many(addr, n, port=80, timeout=3):
    """@n connections, one by one: how many each pod had, whom the pods saw, what failed."""
    pods, clients, errors = {}, {}, {}
    for _ in range(n):
        try:
            got = http(addr, port, timeout=timeout)
            pods[got["pod"]] = pods.get(got["pod"], 0) + 1
            clients.setdefault(got["pod"], [])
            if got["client"] not in clients[got["pod"]]:
                clients[got["pod"]].append(got["client"])
        except OSError as e:
            errors[name(e)] = errors.get(name(e), 0) + 1
    return {"pods": pods, "clients": clients, "errors": errors}


def download(addr, size, port=80, timeout=10):
    with connect(addr, port, timeout) as sock:
        sock.sendall(f"GET /bytes/{size} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        body, _ = read_head(sock)
        got, total = len(body), hashlib.sha256(body)
        while got < size:
            piece = sock.recv(1 << 18)
            if not piece:
                break
            total.update(piece)
            got += len(piece)
    return {"bytes": got, "sha": total.hexdigest()}


def upload(addr, size, port=80, timeout=10):
    with connect(addr, port, timeout) as sock:
        sock.sendall(f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n".encode())
        for piece in wire.pattern(size):
            sock.sendall(piece)
        body, want = read_head(sock)
        while len(body) < want:
            body += sock.recv(4096)
    return {"sha": body.decode()}


def udp(addr, port=53, size=4, connected=False, timeout=2, sport=0, keep=None, whole=False):
    """One datagram there and back.  @whole: it may not be cut on the way; tells the path's MTU."""
    sock = Kept.sockets.get(keep) or socket.socket(family(addr), socket.SOCK_DGRAM)
    try:
        sock.settimeout(timeout)
        if keep:
            Kept.sockets[keep] = sock
        if sport:
            sock.bind(("", sport))
        v6 = family(addr) == socket.AF_INET6
        level = socket.IPPROTO_IPV6 if v6 else socket.IPPROTO_IP
        if whole:
            sock.setsockopt(level, IPV6_MTU_DISCOVER if v6 else IP_MTU_DISCOVER, IP_PMTUDISC_DO)
            if v6:
                sock.setsockopt(level, IPV6_DONTFRAG, 1)
        data = b"".join(wire.pattern(size))
        if connected:
            try:
                sock.getpeername()
            except OSError:
                sock.connect((addr, port))
            sock.send(data)
        else:
            sock.sendto(data, (addr, port))
        got, whence = sock.recvfrom(65535)
        head, _, rest = got.partition(b"\n")
        pod, client, cport = head.decode().split(" ")
        out = {"pod": pod, "client": client, "client_port": int(cport), "same": rest == data,
               "from": whence[:2], "local": sock.getsockname()[:2]}
        if connected:
            out["mtu"] = sock.getsockopt(level, IPV6_MTU if v6 else IP_MTU)
        return out
    finally:
        if keep not in Kept.sockets:
            sock.close()


def sctp(addr, port=132, sport=40000, timeout=2):
    """An INIT; what the INIT ACK says, and the cookie that the pod put into it."""
    v6 = ":" in addr
    with socket.socket(family(addr), socket.SOCK_RAW, wire.SCTP) as sock:
        sock.sendto(wire.sctp_init(sport, port), (addr, 0))
        end = time.monotonic() + timeout
        while (left := end - time.monotonic()) > 0:
            sock.settimeout(left)
            data, whence = sock.recvfrom(65535)
            seen = wire.sctp_parse(data if v6 else data[(data[0] & 15) * 4:])
            if seen and seen["chunk"] == wire.SCTP_INIT_ACK and seen["dport"] == sport:
                return {"from": whence[0], "sport": seen["sport"], "crc": seen["crc"],
                        "tag": seen["tag"], "saw": json.loads(seen["cookie"])}
    raise TimeoutError(errno.ETIMEDOUT, "no INIT ACK")


def ping(addr, ident=4242, size=32, timeout=2):
    v6 = ":" in addr
    proto = socket.IPPROTO_ICMPV6 if v6 else socket.IPPROTO_ICMP
    with socket.socket(family(addr), socket.SOCK_RAW, proto) as sock:
        data = b"".join(wire.pattern(size))
        sock.sendto(wire.echo_request(ident, 7, data, v6), (addr, 0))
        end = time.monotonic() + timeout
        while (left := end - time.monotonic()) > 0:
            sock.settimeout(left)
            got, whence = sock.recvfrom(65535)
            got = got if v6 else got[(got[0] & 15) * 4:]
            if got[0] == (129 if v6 else 0) and got[4:8] == ident.to_bytes(2, "big") + b"\0\7":
                return {"from": whence[0], "same": got[8:] == data}
    raise TimeoutError(errno.ETIMEDOUT, "no echo reply")


def snmp():
    """TCP's counters of this namespace."""
    with open("/proc/self/net/snmp", encoding="ascii") as f:
        names, values = (x.split()[1:] for x in f if x.startswith("Tcp:"))
    return dict(zip(names, map(int, values)))


def name(e):
    if isinstance(e, TimeoutError):
        return "ETIMEDOUT"
    return errno.errorcode.get(e.errno, str(e))


OPS = {f.__name__: f for f in (http, drop, many, download, upload, udp, sctp, ping, snmp)}


def main():
    for line in sys.stdin:
        op, args = json.loads(line)
        begin = time.monotonic()
        try:
            out = OPS[op](**args)
        except OSError as e:
            out = {"error": name(e), "ms": round((time.monotonic() - begin) * 1000)}
        print(json.dumps(out), flush=True)


class Agent:
    """Starts inside.py in @ns and asks it: agent.http("172.16.1.1"), and all the others of OPS."""

    def __init__(self, lab, ns):
        lab.own(self)
        with ns.inside():
            self.popen = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--",
                 *ns.argv(["/usr/bin/python3", os.path.abspath(__file__)])],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)

    def __getattr__(self, op):
        if op not in OPS:
            raise AttributeError(op)

        def ask(*args, **kwargs):
            if args:
                kwargs["addr"] = args[0]
            self.popen.stdin.write(json.dumps([op, kwargs]) + "\n")
            self.popen.stdin.flush()
            answer = self.popen.stdout.readline()
            if not answer:
                raise EOFError(f"the agent ended ({self.popen.poll()}) over {op} {kwargs}")
            return json.loads(answer)
        return ask

    def close(self):
        self.popen.kill()
        self.popen.wait(5)


if __name__ == "__main__":
    main()
