"""
Split one direction of a recorded WebSocket into frames (RFC 6455), and decompress messages.

A caller makes one `FrameReader` for each direction and feeds it the `Data` after `ProtocolSwitch`.
It returns frames as they were sent: a fragmented message is several frames, with control frames
between them; a compressed message (`rsv1`, RFC 7692) stays compressed. Only the mask, which
protects proxies, is removed. An `Inflater` decompresses messages.
"""

import enum
import zlib

from snapshotter.value_class import dataclass

MAX_PAYLOAD = 1 << 24  # bytes of one frame that are held; of a longer one the rest is named
MAX_MESSAGE = 1 << 26  # bytes that one message may inflate to
_MAX_CONTROL = 125  # bytes (RFC 6455, 5.5)
_TAIL = b"\x00\x00\xff\xff"  # what a sender leaves out (RFC 7692, 7.2.2)


class Opcode(enum.IntEnum):
    """What a frame is; others are reserved."""

    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One frame, as sent."""

    opcode: int  # an `Opcode`, or a reserved number
    fin: bool  # last frame of its message
    rsv1: bool  # with permessage-deflate: first frame of a compressed message
    masked: bool
    length: int  # bytes, as announced
    payload: bytes  # without the mask; shorter than `length` only if `problem` says so
    problem: str = ""  # why it is not whole, or against which rule it is


class FrameReader:
    """One direction of a WebSocket; holds at most `limit` bytes of a frame."""

    def __init__(self, *, limit: int = MAX_PAYLOAD) -> None:
        self._limit = limit
        self._header = bytearray()
        self._needed = 2  # bytes of the header, as far as is known
        self._payload = bytearray()
        self._left = 0  # bytes of the payload that are still to come
        self._length = 0

    def feed(self, data: bytes) -> list[Frame]:
        """Return the frames that these bytes complete. Any bytes are fine."""
        frames: list[Frame] = []
        position, length = 0, len(data)
        while position < length:
            if self._left:
                end = min(length, position + self._left)
                self._left -= end - position
                room = self._limit - len(self._payload)
                self._payload += data[position : min(end, position + room)]
                position = end
            else:
                end = min(length, position + self._needed - len(self._header))
                self._header += data[position:end]
                position = end
                if not self._header_is_whole():
                    continue
            if not self._left:
                frames.append(self._frame())
        return frames

    def close(self) -> list[Frame]:
        """Return the frame in which the connection ended, if it ended in one."""
        if not self._header:
            return []
        if len(self._header) < self._needed:
            # Not even its length is known; the two first bytes say what it was, if they are there.
            self._header = self._header.ljust(2, b"\0")
            return [self._frame("the connection ended inside the frame's header")]
        came = self._length - self._left
        return [self._frame(f"the connection ended after {came:,} of {self._length:,} bytes")]

    def _header_is_whole(self) -> bool:
        if len(self._header) < self._needed:
            return False
        short = self._header[1] & 0x7F
        extended = {126: 2, 127: 8}.get(short, 0)
        self._needed = 2 + extended + (4 if self._header[1] & 0x80 else 0)
        if len(self._header) < self._needed:
            return False
        self._length = int.from_bytes(self._header[2 : 2 + extended], "big") if extended else short
        self._left = self._length
        return True

    def _frame(self, problem: str = "") -> Frame:
        first, second = self._header[0], self._header[1]
        payload = bytes(self._payload)
        masked = bool(second & 0x80)
        if masked and payload:
            payload = _unmask(payload, bytes(self._header[-4:]))
        frame = Frame(
            opcode=first & 0x0F,
            fin=bool(first & 0x80),
            rsv1=bool(first & 0x40),
            masked=masked,
            length=self._length,
            payload=payload,
            problem=problem or self._problem(first, len(payload)),
        )
        self._header.clear()
        self._payload.clear()
        self._needed, self._left, self._length = 2, 0, 0
        return frame

    def _problem(self, first: int, kept: int) -> str:
        opcode = first & 0x0F
        if kept < self._length:
            return f"{self._length - kept:,} of {self._length:,} bytes were not kept"
        if first & 0x30:
            return "RSV2 or RSV3 is set"
        if opcode not in Opcode.__members__.values():
            return f"opcode {opcode} is reserved"
        if opcode >= Opcode.CLOSE and (self._length > _MAX_CONTROL or not first & 0x80):
            return "a control frame is fragmented, or longer than 125 bytes"
        return ""


class Inflater:
    """
    Inflates the compressed messages of one direction, for a person or a search to read.

    Messages are given in order and whole: unless the sides agreed otherwise each
    one refers to those before it.
    """

    def __init__(self, *, context_takeover: bool = True, limit: int = MAX_MESSAGE) -> None:
        self._context_takeover = context_takeover
        self._limit = limit
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)

    def inflate(self, payload: bytes) -> bytes:
        """
        Return what a message says; `payload` is that of its frames, joined.

        Raises:
            ValueError: It is no deflate data, or longer than the limit. With
                context takeover the messages after it cannot be read, either.
        """
        if not self._context_takeover:
            self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            data = self._inflater.decompress(payload + _TAIL, self._limit + 1)
        except zlib.error as error:
            raise ValueError(f"the message is not deflated: {error}") from error
        if len(data) > self._limit:
            raise ValueError(f"the message is longer than {self._limit:,} bytes")
        if self._inflater.eof:
            # A last block ends the stream (RFC 7692, 7.2.3.5); what follows begins anew.
            self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        return data


def inflate(payload: bytes, limit: int = MAX_MESSAGE) -> bytes:
    """Return what one message says that refers to no other. Raises ValueError, as `Inflater`."""
    return Inflater(context_takeover=False, limit=limit).inflate(payload)


def context_takeover(extensions: bytes) -> tuple[bool, bool]:
    """
    Return whether messages refer to earlier ones: (of the client, of the server).

    Args:
        extensions: The answer's Sec-WebSocket-Extensions.
    """
    words = {word.strip().lower() for word in extensions.replace(b",", b";").split(b";")}
    return (
        b"client_no_context_takeover" not in words,
        b"server_no_context_takeover" not in words,
    )


def _unmask(payload: bytes, mask: bytes) -> bytes:
    """XOR with the repeated mask (RFC 6455, 5.3), as two long numbers: one pass each."""
    length = len(payload)
    key = (mask * (length // 4 + 1))[:length]
    number = int.from_bytes(payload, "little") ^ int.from_bytes(key, "little")
    return number.to_bytes(length, "little")
