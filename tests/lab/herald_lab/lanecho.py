#!/usr/bin/python3
"""What answers requests on a node of a segment: every datagram goes back, from the address it was
sent to, by whichever family.

    lanecho.py PORT"""
import select
import socket
import struct
import sys

IP_PKTINFO, IPV6_RECVPKTINFO, IPV6_PKTINFO = 8, 49, 50


def listen(family, port):
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
    sock.bind(("", port))
    sock.setblocking(False)
    return sock


def source(level, kind, data):
    """The ancillary data by which an answer has the request's destination as its source."""
    if kind == IP_PKTINFO and level == socket.IPPROTO_IP:
        _, _, dst = struct.unpack("=i4s4s", data)
        return level, kind, struct.pack("=i4s4s", 0, dst, dst)
    return level, kind, data[:16] + struct.pack("=i", 0)


def answer(sock):
    while True:
        try:
            data, ancillary, _, whence = sock.recvmsg(2048, 128)
        except BlockingIOError:
            return
        except OSError:
            continue
        try:
            sock.sendmsg([data], [source(*a) for a in ancillary], 0, whence)
        except OSError:
            pass  # no way back: as a lost answer


def main():
    socks = [listen(f, int(sys.argv[1])) for f in (socket.AF_INET, socket.AF_INET6)]
    print("answering", flush=True)
    while True:
        for sock in select.select(socks, [], [])[0]:
            answer(sock)


if __name__ == "__main__":
    main()
