"""
Build the heads of requests and responses for the network record, in the form of HTTP/1.1 and with
secrets replaced.

Over HTTP/1 a head is kept octet for octet, except for the values of secret headers and the user
information in URLs. HTTP/2 has no head in text: one is made of its fields (RFC 9113, section 8.3),
as WARC files of other archives do.

Secrets are replaced here, before other code holds the head. So no log or traceback made from it can
show them.
"""

import re
from collections.abc import Callable, Iterable

from snapshotter.capture.redaction.redactor import Redactor
from snapshotter.formats.http import events
from snapshotter.value_class import dataclass

_LINES = re.compile(rb"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")  # a lone CR ends a line as well
_ENDS = re.compile(rb"[\r\n]+")
_FOLD = (b" ", b"\t")  # how a line begins that goes on with the one before (obs-fold)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedHead:
    """One head. `data` ends with its empty line."""

    data: bytes
    headers: tuple[tuple[str, str], ...]  # secrets replaced; names as sent
    first_line: str
    status: int  # of an answer; else 0
    secrets: tuple[tuple[str, str], ...]  # name and the replacement of its value

    def header(self, name: str) -> str:
        """Return the first value of this lowercase name, or an empty text."""
        return next((value for known, value in self.headers if known.lower() == name), "")

    @property
    def media_type(self) -> str:
        """The media type, lowercase and without parameters, or an empty text."""
        return self.header("content-type").partition(";")[0].strip().lower()

    def written(self, place: str, redactor: Redactor) -> bytes:
        """Return the octets, and count their secrets as replaced in a file."""
        for name, token in self.secrets:
            redactor.written(place, name, token)
        return self.data


def record_head(event: events.MessageHead, redactor: Redactor) -> RecordedHead:
    """Return the head of a request, a response or a trailer section, secrets replaced."""
    if event.raw:
        return _as_sent(event.raw, event.status, redactor, has_first_line=not event.trailers)
    fields = list(event.headers)
    if event.trailers:
        first = b""
    elif event.direction is events.Direction.CLIENT:
        first = b"%s %s HTTP/1.1" % (event.method, event.target or b"/")
        if event.authority and not any(name.lower() == b"host" for name, _ in fields):
            fields.insert(0, (b"Host", event.authority))
    else:
        first = b"HTTP/1.1 %d " % event.status  # no reason phrase over HTTP/2
    return _of_fields(first, fields, event.status, redactor)


def conceal_trailers(shown: RecordedHead, tail: bytes) -> bytes:
    """
    Return the end of a chunked body with the secrets of its trailers replaced.

    Args:
        shown: The trailers, as `record_head` returns them.
        tail: The end of the body, with the whole trailer section in it.
    """
    end = len(tail)  # from here on they are replaced: the last one is first
    for name, token in reversed(shown.secrets):
        field = re.compile(
            rb"(?i)(?<=[\r\n])(%s[ \t]*:[ \t]*)[^\r\n]*(?:(?:\r\n|\r|\n)[ \t][^\r\n]*)*"
            % re.escape(name.encode("latin-1", "replace"))
        )
        found = list(field.finditer(tail, 0, end))
        if found:
            last = found[-1]
            end = last.start()
            tail = tail[:end] + last[1] + token.encode() + tail[last.end() :]
    return tail


def decode_octets(octets: bytes) -> str:
    """Return octets as text: UTF-8 if valid, otherwise ISO 8859-1."""
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return octets.decode("latin-1")


def _as_sent(raw: bytes, status: int, redactor: Redactor, *, has_first_line: bool) -> RecordedHead:
    """Replace secret values in their place; lines that are no header lines stay."""
    lines = _unfolded(raw)
    kept: list[bytes] = []
    headers: list[tuple[str, str]] = []
    secrets: list[tuple[str, str]] = []
    first_line = b""
    if has_first_line and lines:
        # Of a request, it is the address that the browser requested, without user information.
        first_line = _clean_octets(lines[0], redactor.clean_text) if status else lines[0]
        kept.append(first_line)
        del lines[0]
    for line in lines:
        name, colon, rest = line.partition(b":")
        if not colon:
            kept.append(line)
            continue
        value = b" ".join(part.strip() for part in _ENDS.split(rest)).strip()
        shown = _value(name, value, redactor)
        if shown != value:
            space = rest[: len(rest) - len(rest.lstrip(b" \t"))]
            line = name + colon + space + shown + line[len(line.rstrip(b"\r\n")) :]
        kept.append(line)
        headers.append((decode_octets(name.strip()), decode_octets(shown)))
        if redactor.is_secret(decode_octets(name)):
            secrets.append((decode_octets(name), decode_octets(shown)))
    return RecordedHead(
        data=b"".join(kept),
        headers=tuple(headers),
        first_line=decode_octets(first_line.strip()),
        status=status,
        secrets=tuple(secrets),
    )


def _unfolded(raw: bytes) -> list[bytes]:
    """Return the lines with their ends; a folded line (RFC 9112, section 5.2) is one."""
    lines: list[bytes] = []
    for line in _LINES.findall(raw):
        if line.startswith(_FOLD) and len(lines) > 1:
            lines[-1] += line
        else:
            lines.append(line)
    return lines


def _of_fields(
    first: bytes, fields: Iterable[tuple[bytes, bytes]], status: int, redactor: Redactor
) -> RecordedHead:
    shown = [(name, _value(name, value, redactor)) for name, value in fields]
    lines = b"".join(b"%s: %s\r\n" % field for field in shown)
    return RecordedHead(
        data=(first + b"\r\n" if first else b"") + lines + b"\r\n",
        headers=tuple((decode_octets(name), decode_octets(value)) for name, value in shown),
        first_line=decode_octets(first).strip(),
        status=status,
        secrets=tuple(
            (decode_octets(n), decode_octets(v))
            for n, v in shown
            if redactor.is_secret(decode_octets(n))
        ),
    )


def _value(name: bytes, value: bytes, redactor: Redactor) -> bytes:
    known = decode_octets(name)
    if redactor.is_secret(known):
        return redactor.conceal(known, value).encode()
    return _clean_octets(value, lambda shown: redactor.clean_header(known, shown))


def _clean_octets(octets: bytes, clean: Callable[[str], str]) -> bytes:
    """Return octets whose text was cleaned; the same octets if there was nothing to clean."""
    try:
        shown, codec = octets.decode(), "utf-8"
    except UnicodeDecodeError:
        shown, codec = octets.decode("latin-1"), "latin-1"
    cleaned = clean(shown)
    return octets if cleaned == shown else cleaned.encode(codec)
