"""Read from a TLS client's first bytes which server it asks for (SNI, RFC 6066 section 3)."""

from typing import Final

from snapshotter.formats.tls.handshake import CLIENT_HELLO, TlsMalformed, client_hello
from snapshotter.formats.tls.records import HANDSHAKE, RecordSplitter

_LIMIT: Final = 32 << 10  # bytes; a ClientHello that is longer is not read


class ServerName:
    """Reads a client's first bytes, in any pieces, until the name is known or there is none."""

    def __init__(self) -> None:
        self.name = ""
        self.done = False
        self._left = _LIMIT
        self._cutter = RecordSplitter()
        self._message = bytearray()

    def feed(self, data: bytes) -> None:
        """Take bytes of the client. Never raises: bytes that are no ClientHello have no name."""
        if self.done:
            return
        piece = data[: self._left]
        self._left -= len(piece)
        try:
            for record in self._cutter.feed(piece):
                if record.kind != HANDSHAKE:
                    raise TlsMalformed("the record is not a handshake")
                self._message += record.fragment
                if self._is_whole():
                    self.name = client_hello(bytes(self._message)).server_name
                    self.done = True
                    break
        except TlsMalformed:
            self.done = True
        self.done = self.done or not self._left
        if self.done:
            self._message.clear()

    def _is_whole(self) -> bool:
        """Return whether the message is complete; cut off the bytes after it."""
        message = self._message
        if message and message[0] != CLIENT_HELLO:
            raise TlsMalformed("the message is not a ClientHello")
        end = 4 + int.from_bytes(message[1:4], "big")
        if len(message) < 4 or len(message) < end:
            return False
        del message[end:]
        return True
