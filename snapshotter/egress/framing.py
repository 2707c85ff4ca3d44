"""
Parse the heads of HTTP/1 messages and find the ends of their bodies, strictly (RFC 9112).

A proxy and a server that disagree on where a request ends can be made to disagree on purpose
(request smuggling). So a request that can be read in two ways is not passed on: two lengths, a
length and chunks, a fold, a bare line feed. A response is passed on unchanged: only its end has to
be found, which is that of the connection if nothing else defines it.
"""

import enum
import re
from typing import Final

from snapshotter.value_class import dataclass

MAX_HEAD: Final = 128 << 10  # bytes, of a request or an answer
_STEP: Final = 1 << 10  # bytes that are taken at a time of what may be a head
_MAX_LINE: Final = 4 << 10  # bytes, of a chunk's size with its extensions
_MAX_TRAILERS: Final = 32 << 10  # bytes

_TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_REQUEST_LINE: Final = re.compile(rb"(" + _TOKEN + rb") ([\x21-\x7e\x80-\xff]+) HTTP/1\.([01])")
_FIELD: Final = re.compile(rb"(" + _TOKEN + rb"):[ \t]*([\t\x20-\x7e\x80-\xff]*)")
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: .*)?", re.DOTALL)
_DIGITS: Final = re.compile(rb"[0-9]{1,18}")
_CHUNK_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?")
_ABSOLUTE: Final = re.compile(rb"http://([^/?#]*)([^#]*)", re.IGNORECASE)
_AUTHORITY: Final = re.compile(r"(\[[^\[\]@/]*\]|[^\[\]:@/\s]+)(?::([0-9]{1,5}))?")


class MalformedHttp(ValueError):
    """Bytes that are not HTTP/1, or that could be read in two ways."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestHead:
    """A parsed request head. Its field lines are kept as they were sent."""

    method: bytes
    target: bytes
    version: bytes  # b"HTTP/1.1"
    lines: tuple[tuple[bytes, bytes], ...]  # name in lower case, whole line without its end

    def values(self, name: bytes) -> list[bytes]:
        """Return the values of a field, one for each line."""
        return [
            line.partition(b":")[2].strip(b" \t")
            for field_name, line in self.lines
            if field_name == name
        ]

    def encoded(self, target: bytes, *, without: frozenset[bytes], extra: bytes = b"") -> bytes:
        """Return the head with another target and without some fields."""
        kept = b"".join(line + b"\r\n" for name, line in self.lines if name not in without)
        return b"%s %s %s\r\n%s%s\r\n" % (self.method, target, self.version, kept, extra)


def parse_request(raw: bytes) -> RequestHead:
    """Return a request's head from its bytes, the empty line included. Raises MalformedHttp."""
    first, *rest = raw.removesuffix(b"\r\n\r\n").split(b"\r\n")
    line = _REQUEST_LINE.fullmatch(first)
    if line is None:
        raise MalformedHttp("the request line is invalid")
    lines = []
    for raw_field in rest:
        field = _FIELD.fullmatch(raw_field)
        if field is None:
            raise MalformedHttp("a header line of the request is invalid")
        lines.append((field[1].lower(), raw_field))
    return RequestHead(
        method=line[1], target=line[2], version=b"HTTP/1." + line[3], lines=tuple(lines)
    )


def split_absolute(target: bytes) -> tuple[str, int, bytes]:
    """
    Return host, port and origin form of an absolute http URL (RFC 9112 section 3.2.2).

    Raises:
        MalformedHttp: Another form, another scheme, a user name, a fragment.
    """
    found = _ABSOLUTE.fullmatch(target)
    if found is None:
        raise MalformedHttp("the target of the request is not an absolute http URL")
    host, port = split_authority(found[1], default_port=80)
    path = found[2]
    return host, port, path if path.startswith(b"/") else b"/" + path


def split_authority(authority: bytes, *, default_port: int = 0) -> tuple[str, int]:
    """
    Return host and port; the host as it was written, an IPv6 address without brackets.

    Args:
        default_port: For an authority without a port; 0 means that it needs one.

    Raises:
        MalformedHttp: A user name, no host, or an invalid port.
    """
    try:
        text = authority.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedHttp("the host in the request is not UTF-8") from error
    found = _AUTHORITY.fullmatch(text)
    port = int(found[2] or default_port) if found is not None else 0
    if found is None or not 0 < port < 65536:
        raise MalformedHttp("the host or the port in the request is invalid")
    return found[1].removeprefix("[").removesuffix("]"), port


class ReadState(enum.Enum):
    """The place in a message that its reader has reached."""

    HEAD = "head"
    BODY = "body"
    DONE = "done"
    UNTIL_CLOSE = "until close"  # nothing says where it ends


class BodyFraming:
    """
    Finds where a body ends.

    Args:
        length: Bytes, or None for the chunked coding.
    """

    def __init__(self, length: int | None) -> None:
        self.done = length == 0
        self._left = length or 0  # of the body, or of the chunk
        self._chunked = length is None
        self._line = bytearray()  # of the chunked coding, as far as it came
        self._step = "size"
        self._trailers = 0

    def feed(self, data: bytes, start: int) -> int:
        """
        Return where in `data` the body's bytes end; sets `done` at its end. Raises MalformedHttp.
        """
        if not self._chunked:
            taken = min(self._left, len(data) - start)
            self._left -= taken
            self.done = self._left == 0
            return start + taken
        while start < len(data) and not self.done:
            if self._step == "data":
                taken = min(self._left, len(data) - start)
                self._left -= taken
                start += taken
                if self._left == 0:
                    self._step = "end"
                continue
            start = self._feed_line(data, start)
        return start

    def _feed_line(self, data: bytes, start: int) -> int:
        end = data.find(b"\n", start)
        stop = len(data) if end < 0 else end + 1
        self._line += data[start:stop]
        if len(self._line) > _MAX_LINE:
            raise MalformedHttp("a line of the chunked coding is too long")
        if end < 0:
            return stop
        line = bytes(self._line)
        self._line.clear()
        if not line.endswith(b"\r\n"):
            raise MalformedHttp("the chunked coding has a line feed without a carriage return")
        self._take_line(line[:-2])
        return stop

    def _take_line(self, line: bytes) -> None:
        if self._step == "size":
            found = _CHUNK_SIZE.fullmatch(line)
            if found is None:
                raise MalformedHttp("a chunk has no size")
            self._left = int(found[1], 16)
            self._step = "data" if self._left else "trailers"
        elif self._step == "end":
            if line:
                raise MalformedHttp("a chunk has more bytes than its stated size")
            self._step = "size"
        else:
            self._trailers += len(line) + 2
            if self._trailers > _MAX_TRAILERS:
                raise MalformedHttp("the trailers are too long")
            self.done = not line


def request_body(head: RequestHead) -> BodyFraming:
    """
    Return the framing of a request's body (RFC 9112 section 6.3).

    Raises:
        MalformedHttp: The end is defined twice, or in a way that no proxy can follow.
    """
    lengths, codings = head.values(b"content-length"), head.values(b"transfer-encoding")
    if codings:
        if lengths:
            raise MalformedHttp("the request has both a Content-Length and a Transfer-Encoding")
        if len(codings) > 1 or codings[0].lower() != b"chunked" or head.version != b"HTTP/1.1":
            raise MalformedHttp("the request has a transfer coding other than chunked")
        return BodyFraming(None)
    if len(lengths) > 1 or (lengths and not _DIGITS.fullmatch(lengths[0])):
        raise MalformedHttp(
            "the request has more than one Content-Length, or an invalid Content-Length"
        )
    return BodyFraming(int(lengths[0]) if lengths else 0)


class ResponseReader:
    """
    Reads the response to one request, to find its end.

    Never raises: a response that cannot be parsed is one without a known end.
    """

    def __init__(self, method: bytes, *, upgrade: bool) -> None:
        self.part = ReadState.HEAD
        self.status = 0  # of the newest head
        self.switched = False  # the connection speaks something else from here on
        self._method = method
        self._upgrade = upgrade  # the request asked to speak something else
        self._head = bytearray()
        self._body: BodyFraming | None = None

    def feed(self, data: bytes) -> None:
        """Take what the server sent. Bytes beyond the response's end leave the end unknown."""
        position = 0
        while position < len(data):
            if self.part is ReadState.HEAD:
                position = self._feed_head(data, position)
            elif self.part is ReadState.BODY and self._body is not None:
                try:
                    position = self._body.feed(data, position)
                except MalformedHttp:
                    self.part = ReadState.UNTIL_CLOSE
                else:
                    self.part = ReadState.DONE if self._body.done else self.part
            else:
                self.part = ReadState.UNTIL_CLOSE
                return

    def _feed_head(self, data: bytes, position: int) -> int:
        already = len(self._head)
        # Not all at once: behind a short head there may be thousands more.
        self._head += data[position : position + _STEP]
        # Servers of old end a head with bare line feeds, and browsers take it.
        ends = [
            at + len(mark)
            for mark in (b"\r\n\r\n", b"\n\n", b"\n\r\n")
            if (at := self._head.find(mark, max(0, already - 3))) >= 0
        ]
        if not ends:
            if len(self._head) > MAX_HEAD:
                self.part = ReadState.UNTIL_CLOSE
                return len(data)
            return min(len(data), position + _STEP)
        head = bytes(self._head[: min(ends)])
        self._head.clear()
        self._take_head(head)
        return position + min(ends) - already

    def _take_head(self, head: bytes) -> None:
        first, *rest = head.replace(b"\r\n", b"\n").rstrip(b"\n").split(b"\n")
        found = _STATUS_LINE.fullmatch(first)
        if found is None:
            self.part = ReadState.UNTIL_CLOSE
            return
        self.status = int(found[2])
        if self.status == 101:
            self.switched = self._upgrade
            self.part = ReadState.UNTIL_CLOSE
        elif self.status < 200:
            self.part = ReadState.HEAD  # an informational answer; the real one follows
        elif self._method == b"HEAD" or self.status in {204, 304}:
            self.part = ReadState.DONE
        else:
            self._body = _response_body_framing(rest)
            done = self._body is not None and self._body.done
            self.part = (
                ReadState.DONE if done else ReadState.BODY if self._body else ReadState.UNTIL_CLOSE
            )


def _response_body_framing(lines: list[bytes]) -> BodyFraming | None:
    """Return the framing of a response's body; None if only the connection's end defines it."""
    values: dict[bytes, list[bytes]] = {b"content-length": [], b"transfer-encoding": []}
    for line in lines:
        name, _, value = line.partition(b":")
        kept = values.get(name.strip().lower())
        if kept is not None:
            kept.append(value.strip())
    codings, lengths = values[b"transfer-encoding"], values[b"content-length"]
    if codings:
        alone = len(codings) == 1 and codings[0].lower() == b"chunked" and not lengths
        return BodyFraming(None) if alone else None
    if len(set(lengths)) != 1 or not _DIGITS.fullmatch(lengths[0]):
        return None
    return BodyFraming(int(lengths[0]))
