"""
Connect to a host through an upstream proxy, by HTTP CONNECT (RFC 9110 section 9.3.6) or SOCKS5 (RFC
1928).

SOCKS5 authenticates by RFC 1929. Names go to the proxy unresolved, and no resolver is used here.
Any failure is an error; the proxy is never bypassed.
"""

import asyncio
import re
import socket
from base64 import b64encode
from ipaddress import ip_address
from typing import Final

from snapshotter.egress.errors import EgressFailed
from snapshotter.egress.rules import Upstream

_MAX_ANSWER: Final = 16 << 10  # bytes, of a proxy's answer to CONNECT
_STATUS: Final = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2})[ \r\n]")

_VERSION: Final = 5
_NO_AUTHENTICATION: Final = 0
_USER_PASSWORD: Final = 2
_CONNECT: Final = 1
_IPV4, _NAME, _IPV6 = 1, 3, 4
_REPLIES: Final = {  # RFC 1928 section 6
    1: ("proxy-failed", "general failure"),
    2: ("proxy-refused", "the rules of the proxy do not allow the connection"),
    3: ("unreachable", "network unreachable"),
    4: ("unreachable", "host unreachable"),
    5: ("refused", "connection refused"),
    6: ("timeout", "TTL expired"),
    7: ("proxy-failed", "command not supported"),
    8: ("proxy-failed", "address type not supported"),
}


def credentials(upstream: Upstream) -> bytes:
    """Return the header line that authenticates to an HTTP proxy (RFC 7617), or b""."""
    if not upstream.user and not upstream.password:
        return b""
    pair = f"{upstream.user}:{upstream.password}".encode()
    return b"Proxy-Authorization: Basic " + b64encode(pair) + b"\r\n"


async def connect_through(sock: socket.socket, upstream: Upstream, host: str, port: int) -> bytes:
    """
    Have the proxy connect a connected, non-blocking socket to `host`.

    Args:
        host: A name in ASCII, or an address in its canonical form.

    Returns:
        What the server sent already, after the proxy's answer.

    Raises:
        EgressFailed: The proxy refused, or its answer is invalid.
    """
    try:
        if upstream.kind == "http":
            return await _connect(sock, upstream, host, port)
        await _socks5(sock, upstream, host, port)
    except OSError as error:
        if isinstance(error, EgressFailed):
            raise
        raise EgressFailed("proxy-failed", f"{upstream.name}: {error}") from None
    return b""


async def _connect(sock: socket.socket, upstream: Upstream, host: str, port: int) -> bytes:
    loop = asyncio.get_running_loop()
    target = (f"[{host}]:{port}" if ":" in host else f"{host}:{port}").encode("ascii")
    head = b"CONNECT %s HTTP/1.1\r\nHost: %s\r\n%s\r\n" % (target, target, credentials(upstream))
    await loop.sock_sendall(sock, head)
    answer = bytearray()
    while (end := answer.find(b"\r\n\r\n")) < 0:
        data = await loop.sock_recv(sock, 4096)
        answer += data
        if not data or len(answer) > _MAX_ANSWER:
            raise EgressFailed(
                "proxy-failed", f"{upstream.name} did not answer the CONNECT request"
            )
    status = _STATUS.match(answer)
    if status is None:
        raise EgressFailed("proxy-failed", f"the answer of {upstream.name} is not HTTP")
    code = int(status[1])
    if code == 407:
        raise EgressFailed(
            "proxy-authentication", f"{upstream.name} refused the user name or the password"
        )
    if not 200 <= code < 300:
        raise EgressFailed("proxy-refused", f"{upstream.name} answered with HTTP status {code}")
    return bytes(answer[end + 4 :])


async def _socks5(sock: socket.socket, upstream: Upstream, host: str, port: int) -> None:
    loop = asyncio.get_running_loop()

    async def take(count: int) -> bytes:
        got = b""
        while len(got) < count:
            data = await loop.sock_recv(sock, count - len(got))
            if not data:
                raise EgressFailed("proxy-failed", f"{upstream.name} ended the connection")
            got += data
        return got

    known = bool(upstream.user or upstream.password)
    methods = [_NO_AUTHENTICATION, _USER_PASSWORD] if known else [_NO_AUTHENTICATION]
    await loop.sock_sendall(sock, bytes([_VERSION, len(methods), *methods]))
    version, method = await take(2)
    if version != _VERSION:
        raise EgressFailed("proxy-failed", f"{upstream.name} does not support SOCKS5")
    if method not in methods:
        raise EgressFailed(
            "proxy-authentication", f"{upstream.name} requires a user name and a password"
        )
    if method == _USER_PASSWORD:
        user, password = upstream.user.encode(), upstream.password.encode()
        await loop.sock_sendall(
            sock, bytes([1, len(user)]) + user + bytes([len(password)]) + password
        )
        if (await take(2))[1] != 0:
            raise EgressFailed(
                "proxy-authentication", f"{upstream.name} refused the user name or the password"
            )
    await loop.sock_sendall(
        sock, bytes([_VERSION, _CONNECT, 0]) + _destination(host) + port.to_bytes(2, "big")
    )
    version, reply, _, kind = await take(4)
    if version != _VERSION:
        raise EgressFailed("proxy-failed", f"{upstream.name} does not support SOCKS5")
    if reply != 0:
        word, said = _REPLIES.get(reply, ("proxy-failed", f"reply {reply}"))
        raise EgressFailed(word, f"{upstream.name} answered: {said}")
    lengths = {_IPV4: 4, _IPV6: 16}  # of the address it used, which says nothing to us
    length = (await take(1))[0] if kind == _NAME else lengths.get(kind)
    if length is None:
        raise EgressFailed(
            "proxy-failed", f"{upstream.name} answered with an address of an unknown type"
        )
    await take(length + 2)


def _destination(host: str) -> bytes:
    try:
        packed = ip_address(host).packed
    except ValueError:
        name = host.encode("ascii")
        return bytes([_NAME, len(name)]) + name
    return bytes([_IPV4 if len(packed) == 4 else _IPV6]) + packed
