"""
Run the product on a machine where every packet is seen, and tell which there were.

    unshare --user --map-root-user --net python -m tests.e2e.isolated '{…}'

In a network namespace with nothing but a loopback device, which takes every address
there is for its own: whoever connects or sends to anything, does it here, before our
eyes (packet(7)). A proxy of ours is the one thing that answers. Standard library only;
arguments and result are JSON.

    {"proxy": "http" | "socks5", "port": 3129, "stop_at": "/path", "page": "<html>…",
     "command": […], "environment": {…}}
    {"code": 0, "out": "…", "err": "…", "asked": ["http://page.example/"],
     "packets": [["udp", "192.0.2.9", 53, 40000]]}

`stop_at` ends the proxy when it is asked for that path.
"""

import base64
import contextlib
import fcntl
import json
import socket
import socketserver
import struct
import subprocess
import sys
import threading
from typing import Any

from typing_extensions import override

_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1  # netdevice(7)
_RTM_NEWROUTE, _NLM_F_REQUEST, _NLM_F_ACK, _NLM_F_CREATE = 24, 1, 4, 0x400  # rtnetlink(7)
_RTA_OIF, _RT_TABLE_LOCAL, _RTPROT_BOOT, _RT_SCOPE_HOST, _RTN_LOCAL = 4, 255, 3, 254, 2
_ETH_P_ALL, _ETH_P_IP, _ETH_P_IPV6 = 0x0003, 0x0800, 0x86DD
_PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6"}
_LIMIT_S = 120


def loopback_takes_everything() -> None:
    """Bring the loopback device up, and let it answer for all of IPv4."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", _IFF_UP))
    route = struct.pack(
        "BBBBBBBBI", socket.AF_INET, 0, 0, 0, _RT_TABLE_LOCAL, _RTPROT_BOOT, _RT_SCOPE_HOST,
        _RTN_LOCAL, 0,
    )  # fmt: skip
    route += struct.pack("HHi", 8, _RTA_OIF, socket.if_nametoindex("lo"))
    flags = _NLM_F_REQUEST | _NLM_F_ACK | _NLM_F_CREATE
    head = struct.pack("IHHII", 16 + len(route), _RTM_NEWROUTE, flags, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as kernel:
        kernel.send(head + route)
        error = struct.unpack_from("i", kernel.recv(1024), 16)[0]
    if error:
        raise OSError(-error, "no route was made")


class Sniffer:
    """Everything that passed: protocol, address and port of the receiver, port of the sender."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_ALL))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 20)
        self._seen: dict[tuple[str, str, int, int], None] = {}
        threading.Thread(target=self._look, daemon=True).start()

    def _look(self) -> None:
        while True:
            data, (_, kind, *_) = self._socket.recvfrom(200)
            if kind == _ETH_P_IP:
                length, number = (data[0] & 15) * 4, data[9]
                there = socket.inet_ntop(socket.AF_INET, data[16:20])
            elif kind == _ETH_P_IPV6:
                length, number = 40, data[6]
                there = socket.inet_ntop(socket.AF_INET6, data[24:40])
            else:
                continue
            ports = (0, 0)
            if number in (6, 17) and len(data) >= length + 4:
                ports = struct.unpack_from("!HH", data, length)
            self._seen[_PROTOCOLS.get(number, str(number)), there, ports[1], ports[0]] = None

    def packets(self, *, not_of: int) -> list[tuple[str, str, int, int]]:
        """Return what was neither to nor from this TCP port on 127.0.0.1."""
        return sorted(
            call
            for call in tuple(self._seen)
            if not (call[:2] == ("tcp", "127.0.0.1") and not_of in call[2:])
        )


class Proxy(socketserver.ThreadingTCPServer):
    """An upstream proxy that gives every name the same page, and asks nobody."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, kind: str, port: int, page: str, stop_at: str) -> None:
        super().__init__(("127.0.0.1", port), _Exchange)
        self.kind, self.page, self.stop_at = kind, page.encode(), stop_at
        self.asked: list[str] = []
        self.open: list[socket.socket] = []

    def stop(self) -> None:
        """Be gone: no listener, no connection."""
        self.socket.close()
        for socket_ in self.open:
            with contextlib.suppress(OSError):
                socket_.shutdown(socket.SHUT_RDWR)

    @override
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Connections that break are what some tests are about."""


class _Exchange(socketserver.StreamRequestHandler):
    server: Proxy

    @override
    def handle(self) -> None:
        self.server.open.append(self.connection)
        host = ""
        if self.server.kind == "socks5" and not (host := self._greet()):
            return
        while line := self.rfile.readline():
            method, target, _ = line.decode("latin-1").split()
            credentials = b""
            while field := self.rfile.readline().strip():
                name, _, value = field.partition(b": ")
                if name.lower() == b"proxy-authorization":
                    credentials = value
            url = f"http://{host}{target}" if host else target
            self.server.asked.append(url)
            if method == "CONNECT":
                self.wfile.write(b"HTTP/1.1 502 No\r\nContent-Length: 0\r\n\r\n")
                return
            if self.server.stop_at and url.endswith(self.server.stop_at):
                self.server.stop()
                return
            html = "/page" in url
            body = self.server.page if html else b"x"
            kind = b"text/html" if html else b"text/plain"
            if credentials:  # as proxies do that show what was asked
                plain = base64.b64decode(credentials.removeprefix(b"Basic "))
                kind = kind if html else b"application/octet-stream"
                body += b'<p>%s<p>%s<img src="/raw">' % (credentials, plain) if html else plain
            self.wfile.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nX-Asked-With: %s\r\n"
                b"Content-Length: %d\r\n\r\n%s" % (kind, credentials, len(body), body)
            )

    def _greet(self) -> str:
        """Do the server's part of RFC 1928; return host:port as the client named it."""
        _, count = self.rfile.read(2)
        self.rfile.read(count)
        self.wfile.write(b"\x05\x00")
        _, _, _, kind = self.rfile.read(4)
        if kind != 3:  # an address: it was resolved by somebody else than us
            raw = self.rfile.read(4 if kind == 1 else 16)
            name = socket.inet_ntop(socket.AF_INET if kind == 1 else socket.AF_INET6, raw)
        else:
            name = self.rfile.read(self.rfile.read(1)[0]).decode()
        port = int.from_bytes(self.rfile.read(2), "big")
        self.wfile.write(b"\x05\x00\x00\x01" + bytes(6))
        if port == 443:
            self.server.asked.append(f"{name}:443")
            return ""
        return name if port == 80 else f"{name}:{port}"


def main() -> None:
    """Do as the argument says, and print what was seen."""
    asked: dict[str, Any] = json.loads(sys.argv[1])
    loopback_takes_everything()
    sniffer = Sniffer()
    with Proxy(asked["proxy"], asked["port"], asked["page"], asked.get("stop_at", "")) as proxy:
        threading.Thread(target=_serve, args=(proxy,), daemon=True).start()
        done = subprocess.run(
            asked["command"],
            env=asked["environment"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_LIMIT_S,
            check=False,
        )
        json.dump(
            {
                "code": done.returncode,
                "out": done.stdout,
                "err": done.stderr,
                "asked": proxy.asked,
                "packets": sniffer.packets(not_of=asked["port"]),
            },
            sys.stdout,
        )


def _serve(proxy: Proxy) -> None:
    with contextlib.suppress(OSError, ValueError):  # its listener is closed while it waits
        proxy.serve_forever(0.02)


if __name__ == "__main__":
    main()
