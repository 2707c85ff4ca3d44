"""Read which server a TLS client asks for (SNI, RFC 6066 section 3) from its first bytes."""

from typing import Final

_LIMIT: Final = 32 << 10  # bytes; a ClientHello that is longer is not read
_HANDSHAKE: Final = 22  # content type, RFC 8446 section 5.1
_CLIENT_HELLO: Final = 1  # handshake type, section 4
_SERVER_NAME: Final = 0  # extension type, section 4.2
_HOST_NAME: Final = 0  # name type, RFC 6066
_MAX_NAME: Final = 255  # bytes


class ServerName:
    """Takes a client's first bytes, in any pieces, until the name is known or there is none."""

    def __init__(self) -> None:
        self.name = ""
        self.done = False
        self._seen = bytearray()

    def feed(self, data: bytes) -> None:
        """Take what the client sent. Never raises: what is no ClientHello has no name."""
        if self.done:
            return
        self._seen += data[: _LIMIT - len(self._seen)]
        self.done = len(self._seen) >= _LIMIT
        try:
            hello = _client_hello(bytes(self._seen))
            if hello is not None:
                self.done = True
                self.name = _name(hello)
        except (IndexError, ValueError):  # UnicodeDecodeError is a ValueError
            self.done = True
        if self.done:
            self._seen.clear()


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def take(self, count: int) -> bytes:
        piece = self._data[self._at : self._at + count]
        if len(piece) < count:
            raise IndexError("too short")
        self._at += count
        return piece

    def rest(self) -> bytes:
        return self.take(len(self._data) - self._at)

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def block(self, size: int) -> "_Reader":
        """Return what a length of `size` bytes announces."""
        return _Reader(self.take(self.number(size)))


def _client_hello(data: bytes) -> bytes | None:
    """Return the body of a ClientHello; None while it is not all here. Raises ValueError."""
    message = bytearray()
    at = 0
    while at + 5 <= len(data):
        if data[at] != _HANDSHAKE or data[at + 1] != 3:
            raise ValueError("not a handshake")
        length = int.from_bytes(data[at + 3 : at + 5], "big")
        message += data[at + 5 : at + 5 + length]
        at += 5 + length
        if message and message[0] != _CLIENT_HELLO:
            raise ValueError("not a ClientHello")
        if len(message) >= 4 and len(message) >= (end := 4 + int.from_bytes(message[1:4], "big")):
            return bytes(message[4:end])
    if data and data[0] != _HANDSHAKE:
        raise ValueError("not TLS")
    return None


def _name(hello: bytes) -> str:
    reader = _Reader(hello)
    reader.take(2 + 32)  # version, random
    reader.block(1)  # session id
    reader.block(2)  # cipher suites
    reader.block(1)  # compression methods
    extensions = reader.block(2) if reader else _Reader(b"")
    while extensions:
        kind, content = extensions.number(2), extensions.block(2)
        if kind != _SERVER_NAME:
            continue
        names = content.block(2)
        while names:
            if names.number(1) == _HOST_NAME:
                name = names.block(2).rest()
                return name.decode("ascii") if len(name) <= _MAX_NAME else ""
            names.block(2)
    return ""
