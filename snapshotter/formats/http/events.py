"""
Define the events of a recorded HTTP connection, the same for every version of HTTP.

The splitters (`http1`, `http2`) turn the bytes of both directions into these events, in the order
in which they were sent. The bytes of a body keep their chunk framing and content codings, so the
record holds exactly what the server sent. A *stream* is one request with its response. It is
numbered from 0 over HTTP/1, and by the stream identifier over HTTP/2.
"""

import enum

from snapshotter.value_class import dataclass


class Direction(enum.Enum):
    """Who sent a piece of a connection."""

    CLIENT = "client"  # the browser
    SERVER = "server"


class EndReason(enum.Enum):
    """How one direction of a stream ended."""

    COMPLETE = "complete"  # as its framing says
    CLOSED = "closed"  # the connection ended, and that is the framing: no length was announced
    CUT = "cut"  # the connection ended before the framing said so
    RESET = "reset"  # RST_STREAM, or GOAWAY for a stream that was not processed


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageHead:
    """The head of a request or an answer; informational answers (1xx) have one of their own."""

    stream: int
    direction: Direction
    method: bytes = b""  # of a request
    target: bytes = b""  # of a request: in origin form; over HTTP/2 `:path`
    authority: bytes = b""  # of a request: Host, or `:authority`
    scheme: bytes = b""  # over HTTP/2 alone
    status: int = 0  # of an answer
    headers: tuple[tuple[bytes, bytes], ...] = ()  # without pseudo-headers, names as sent
    raw: bytes = b""  # over HTTP/1: the head as sent, the empty line included; else empty
    trailers: bool = False  # fields after the body


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """A piece of a body, with its framing over HTTP/1 and without it over HTTP/2."""

    stream: int
    direction: Direction
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectionEnd:
    """One direction of a stream has ended."""

    stream: int
    direction: Direction
    how: EndReason
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolSwitch:
    """After this answer (101, or 2xx to CONNECT) the connection speaks something else."""

    stream: int
    protocol: bytes  # of the Upgrade header, lowercase


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadTrouble:
    """From here on this direction, or this stream, could not be read."""

    direction: Direction
    detail: str
    stream: int | None = None  # None: the whole direction


Event = MessageHead | Data | DirectionEnd | ProtocolSwitch | ReadTrouble
