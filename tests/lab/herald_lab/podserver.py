#!/usr/bin/python3
"""A pod, as a process: every answer says which pod gave it and whom it saw as its client.

    TCP  80  HTTP: / as text; /bytes/N: N bytes of the pattern; POST: the SHA-256 of what came
    UDP  53  a line "NAME CLIENT PORT", then what was sent
    SCTP     an INIT is answered by an INIT ACK whose cookie is JSON: who, from where, to where

podserver.py NAME [PORT...]: further ports for HTTP.
"""
import asyncio
import hashlib
import json
import os
import socket
import sys

if __package__:
    from . import wire
else:
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    import wire

NAME = sys.argv[1] if len(sys.argv) > 1 else "pod"


def plain(addr):
    return addr.removeprefix("::ffff:")


async def request(reader):
    """Method, path and headers of the next request; None at the end."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    first, *rest = head.split("\r\n")
    method, path, _ = first.split(" ", 2)
    return method, path, {k.strip().lower(): v.strip()
                          for k, _, v in (line.partition(":") for line in rest)}


async def http(reader, writer):
    client = plain(writer.get_extra_info("peername")[0])
    try:
        while got := await request(reader):
            method, path, headers = got
            close = headers.get("connection", "").lower() == "close"
            if method == "POST":
                left, total = int(headers["content-length"]), hashlib.sha256()
                while left:
                    piece = await reader.read(min(left, 1 << 18))
                    if not piece:
                        return
                    total.update(piece)
                    left -= len(piece)
                body, size = total.hexdigest().encode(), 64
            elif path.startswith("/bytes/"):
                body, size = None, int(path.removeprefix("/bytes/"))
            else:
                body = f"Hostname: {NAME}\nRemoteAddr: {client}\n".encode()
                size = len(body)
            head = (f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n"
                    f"Connection: {'close' if close else 'keep-alive'}\r\n\r\n").encode()
            if body is None:
                writer.write(head)
                for piece in wire.pattern(size):
                    writer.write(piece)
                    await writer.drain()
            else:
                writer.write(head + body)
            await writer.drain()
            if close:
                return
    except ConnectionError:
        pass
    finally:
        writer.close()


class Udp(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        head = f"{NAME} {plain(addr[0])} {addr[1]}\n".encode()
        self.transport.sendto(head + data, addr)


def sctp(family):
    sock = socket.socket(family, socket.SOCK_RAW, wire.SCTP)
    sock.setblocking(False)

    def readable():
        data, addr = sock.recvfrom(65535)
        if family == socket.AF_INET:
            data = data[(data[0] & 15) * 4:]
        seen = wire.sctp_parse(data)
        if seen and seen["chunk"] == wire.SCTP_INIT:
            cookie = json.dumps({"name": NAME, "client": addr[0], "sport": seen["sport"],
                                 "dport": seen["dport"], "crc": seen["crc"]}).encode()
            sock.sendto(wire.sctp_init(seen["dport"], seen["sport"], seen["tag"],
                                       ack_of=cookie), (addr[0], 0))
    asyncio.get_running_loop().add_reader(sock, readable)


async def main():
    loop = asyncio.get_running_loop()
    for port in [80, *map(int, sys.argv[2:])]:
        sock = socket.socket(socket.AF_INET6)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("::", port))
        await asyncio.start_server(http, sock=sock, backlog=1024)
    for any_address in ("0.0.0.0", "::"):
        family = socket.AF_INET6 if ":" in any_address else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_DGRAM)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((any_address, 53))
        await loop.create_datagram_endpoint(Udp, sock=sock)
        sctp(family)
    print("serving", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
