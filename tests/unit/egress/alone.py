"""
Run inside a network namespace of its own: what leaves a guard that has an upstream proxy?

Everything routes to the loopback device, where each packet is seen. Prints one line a
destination that was not the proxy's or the guard's own port, then `done`.

    unshare --user --map-root-user --net python -m tests.unit.egress.alone upstream|direct
"""

import contextlib
import ctypes
import fcntl
import os
import socket
import struct
import sys
import threading
import time

from snapshotter.egress.errors import EgressError
from snapshotter.egress.guard import EgressGuard
from snapshotter.egress.resolver import SystemResolver
from tests.bundles import RealClock
from tests.servers.tcp import Server, read_until
from tests.unit.egress.parts import client, connect, rules

_SIOCADDRT, _SIOCSIFFLAGS = 0x890B, 0x8914
_IFF_UP, _RTF_UP = 1, 1
_ETH_P_ALL = 3


def bring_up() -> None:
    """Start the loopback device, and route everything to it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", _IFF_UP))
        anywhere = struct.pack("=HH4s8x", socket.AF_INET, 0, bytes(4))
        device = ctypes.create_string_buffer(b"lo")
        route = struct.pack(
            "@L16s16s16sHhLPhPLLH", 0, anywhere, anywhere, anywhere, _RTF_UP, 0, 0, 0, 0,
            ctypes.addressof(device), 0, 0, 0,
        )  # fmt: skip
        fcntl.ioctl(sock, _SIOCADDRT, route)


class Watch:
    """Sees each packet on the loopback device."""

    def __init__(self) -> None:
        self._sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
        self._sock.bind(("lo", 0))
        self._sock.settimeout(0.2)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.seen: set[tuple[str, int, int]] = set()  # to where, from port, to port
        self._thread.start()

    def end(self) -> None:
        self._ended.set()
        self._thread.join(10)
        self._sock.close()

    def _run(self) -> None:
        while True:
            try:
                frame = self._sock.recv(65536)
            except TimeoutError:
                if self._ended.is_set():
                    return
                continue
            kind = int.from_bytes(frame[12:14], "big")
            if kind == 0x0800:
                start = 14 + (frame[14] & 15) * 4
                self.seen.add(
                    (socket.inet_ntoa(frame[30:34]), *struct.unpack_from(">HH", frame, start))
                )
            elif kind == 0x86DD and frame[20] in {6, 17}:  # TCP, UDP
                self.seen.add((socket.inet_ntop(socket.AF_INET6, frame[38:54]), 0, 0))


def main(how: str) -> None:
    bring_up()

    def proxy(peer: socket.socket) -> None:
        if read_until(peer).startswith(b"CONNECT"):
            peer.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            while data := peer.recv(1000):
                peer.sendall(data)

    watch = Watch()
    server = Server(proxy)
    server.__enter__()
    upstream = f"http://127.0.0.1:{server.port}" if how == "upstream" else ""
    given = rules(upstream=upstream, allowed=(), connect_s=0.3, resolve_s=0.3)
    guard = EgressGuard(given, clock=RealClock(), resolver=SystemResolver())
    guard.start()
    port = guard.listen_on_loopback()

    def everything() -> None:
        for authority in ("site.example:443", "93.184.215.14:443", "[2606:4700::1]:443"):
            with client(port) as sock:
                if connect(sock, authority).startswith(b"HTTP/1.1 200"):
                    sock.sendall(b"ping")
                    sock.recv(4)
            with client(port) as sock:
                sock.sendall(
                    f"GET http://{authority}/ HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode()
                )
                sock.recv(1)
            with contextlib.suppress(EgressError):
                guard.dial(authority.removesuffix(":443"), 443, 5).close()

    everything()
    with client(port) as held:
        connect(held, "site.example:443")
        server.__exit__(None, None, None)  # the proxy dies with a tunnel open
        with contextlib.suppress(OSError):
            held.recv(1)
    everything()
    time.sleep(0.3)
    guard.stop()
    watch.end()
    known = {port, server.port}
    for address, source, to in sorted(watch.seen):
        if address != "127.0.0.1" or known.isdisjoint({source, to}):
            sys.stdout.write(f"{address} {to}\n")
    sys.stdout.write(f"done {len(guard.connections())}\n")
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
