#!/usr/bin/python3
"""When Herald's map of frontends changes: looks at the pinned map's memory again and again, and
tells CLOCK_MONOTONIC of each change as a line.

    maps.py PIN_PATH"""
import ctypes
import ctypes.util
import mmap
import os
import platform
import struct
import sys
import time

BPF_OBJ_GET, BPF_OBJ_GET_INFO_BY_FD = 7, 15
NR_BPF = {"x86_64": 321, "aarch64": 280}[platform.machine()]
STEP_S = 0.0001
libc = ctypes.CDLL(None, use_errno=True)


def bpf(command, attr):
    buf = ctypes.create_string_buffer(attr, 128)
    got = libc.syscall(NR_BPF, command, buf, len(buf))
    if got < 0:
        err = ctypes.get_errno()
        raise OSError(err, os.strerror(err))
    return got


def pinned(path):
    name = ctypes.create_string_buffer(path.encode())
    return bpf(BPF_OBJ_GET, struct.pack("=QII", ctypes.addressof(name), 0, 0))


def size_of(fd):
    """Entries times the size of a value."""
    info = ctypes.create_string_buffer(256)
    bpf(BPF_OBJ_GET_INFO_BY_FD, struct.pack("=IIQ", fd, len(info), ctypes.addressof(info)))
    _, _, _, value, entries = struct.unpack_from("=IIIII", info.raw)
    return value * entries


def main():
    path = f"{sys.argv[1]}/maps/fe_rows"
    fd = pinned(path)
    memory = mmap.mmap(fd, size_of(fd), mmap.MAP_SHARED, mmap.PROT_READ)
    last = memory[:]
    print("looking", flush=True)
    while True:
        now = memory[:]
        if now != last:
            print(f"{time.monotonic():.6f}", flush=True)
            last = now
        time.sleep(STEP_S)


if __name__ == "__main__":
    main()
