"""
Take out of a capture what it says of whoever made it: fields of pages, parameters of addresses.

A page that was opened from a client names its visitor: `window.uin = "…"`, and links carry who
shared them: `?sharer_shareid=…`. The values of the names that a policy lists are replaced by
commitments (`capture/redact.py`), in every text that a bundle holds: bodies as received, the
document, MHTML, layout, text, logs, addresses. A body in which something is replaced is kept
without its framing and codings, and says so. What was learnt as such a value, and looks like an
identifier, is replaced wherever it stands, under any name or none.

Pictures and PDFs show what the page showed. Streams that are kept for somebody are encrypted and
whole. See docs/spec/network-record.md and docs/explanation/what-we-do-to-a-page.md.
"""

import binascii
import io
import quopri
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, TypeVar
from urllib.parse import quote_from_bytes, unquote_to_bytes

from snapshotter.capture.heads import Head
from snapshotter.capture.redact import Redactor
from snapshotter.errors import EvidenceInvalid
from snapshotter.formats import brotli, canonical_json, content_coding, http1_chunks
from snapshotter.formats.digest import digest_bytes
from snapshotter.model.capture import Artifact, Capture
from snapshotter.model.request import RedactRules

VIEWER_FIELD = "viewer-field"
URL_PARAMETER = "url-parameter"
REDACTED = "redacted"  # what a response record says of its body: `Snapshotter-Body`

T = TypeVar("T")

_MAX_BODY = 32 << 20  # bytes of a text that is looked through
_MAX_VALUES = 200  # that are looked for under other names
_LEAST = 8  # characters of a value that is an identifier, and not a word of the page
_TOKEN = b"redacted:sha256:"
_DECLINED = frozenset({b"true", b"false", b"null", b"none", b"undefined"})
_TEXTS = re.compile(
    r"text/.*|.*[/+](?:json|xml|javascript|ecmascript|x-javascript|ndjson)|image/svg\+xml"
    r"|application/x-www-form-urlencoded|multipart/.*|message/.*|"
)
_SUFFIXES = frozenset({".html", ".txt", ".json", ".jsonl", ".mhtml", ".xml", ".csv", ".js", ".css"})
_BY_RECORDER = frozenset({"archive/data.warc.gz", "indexes/index.cdx", "pages/pages.jsonl"})
_OURS = re.compile(r"capture/(?!target\.)[a-z-]+\.jsonl?")  # canonical JSON

# A quotation mark, as JSON in a script, in an attribute or in an address writes it.
_QUOTE = rb"""(?:\\{0,7}["']|&quot;|&\#(?:34|39|x22|x27);|\\[xX]2[27]|\\u002[27]|%22|%27)"""
_CONTEXT = 24  # bytes before a name that are looked at
_REST = re.compile(rb"[\w.-]{0,60}")  # of a name that begins as the policy says
# A field: what stands before its name, between name and value, and the value.
_INSIDE = re.compile(rb"(?:[\w$?&]|&amp;)\Z")  # a part of another name, or of an address
_QUOTED = re.compile(_QUOTE + rb"\Z")
_GIVEN = re.compile(
    rb"(?P<quote>" + _QUOTE + rb")?\]?\s{0,20}(?:[:=](?!=)|%3A)\s{0,20}"
    rb"(?:JsDecode\(|decodeURIComponent\()?(?:(?:\"\"|'')\s{0,9}\|\|\s{0,9})?"
)
_FIELD_VALUES = (
    re.compile(rb"\"(?P<value>[^\"\\\r\n<>]{1,300})\""),
    re.compile(rb"'(?P<value>[^'\\\r\n<>]{1,300})'"),
    re.compile(rb"`(?P<value>[^`$\\\r\n<>]{1,300})`"),
    re.compile(_QUOTE + rb"(?P<value>[^\"'\\\r\n<>&%]{1,300})(?=" + _QUOTE + rb")"),
)
_IN_TAG = 600  # bytes of an element before its name
# A field of a form or of a head, `<input name=uin value=…>`, in both orders of its attributes.
_NAMED = re.compile(rb"(?i)[\s\"']name\s?=\s?[\"']?\Z")
_VALUE_BEHIND = tuple(
    re.compile(rb"(?i)[\"']?\s(?:[^<>]{0,200}[\s\"'])??(?:value|content)\s?=\s?" + value)
    for value in (
        rb"\"(?P<value>[^\"<>]{1,300})\"",
        rb"'(?P<value>[^'<>]{1,300})'",
        rb"(?P<value>[^\s\"'<>]{1,300})",
    )
)
_VALUE_BEFORE = re.compile(
    rb"(?i)[\s\"'](?:value|content)\s?=\s?(?P<quote>[\"'])(?P<value>[^\"'<>]{1,300})(?P=quote)"
    rb"(?:\s[^<>]{0,200})?[\s\"']name\s?=\s?[\"']?\Z"
)
_NUMBER = re.compile(rb"(?P<value>[1-9]\d{0,18})(?![\w.%])")
_BEFORE_NUMBER = re.compile(rb"(?P<quote>" + _QUOTE + rb")?\]?\s{0,20}(?P<mark>[:=,\[(])\s{0,20}\Z")
_BEHIND_NUMBER = re.compile(rb"\s{0,20}[,}\]);]")
# A parameter: the same, as it is and percent-encoded.
_LEAD = re.compile(rb"(?i)(?:[?#]|(?<!&)&(?:amp;|\#38;|\#x26;)?|\\x3f|\\x26|\\u003f|\\u0026)\Z")
# Also in an address inside an address inside an address: %253F.
_LEAD_CODED = re.compile(rb"(?i)%(?:25){0,3}(?:3F|23|26(?:amp%(?:25){0,3}3B)?)\Z")
_PARAMETER_VALUE = re.compile(
    rb"(?i)(?:=(?!=)|\\x3d|\\u003d|&\#61;)(?P<value>[^&\#\"'<>\s\\=]{1,1000}={0,2})"
)
_CODED_VALUE = re.compile(
    rb"(?i)%(?:25){0,3}3D(?P<value>(?:(?!%(?:25){0,3}(?:26|23|22|27|3C|20))[^&\#\"'<>\s\\=]){1,1000})"
)
_FRAMING = re.compile(rb"(?im)^(?:transfer-encoding|content-encoding|content-length)[ \t]*:.*\r?\n")
_FRAME = re.compile(
    rb"(?im)^(?:transfer-encoding|content-encoding|content-length|content-type)[ \t]*:.*"
)
_PART_HEAD = re.compile(rb"\r?\n\r?\n")
_CODING = re.compile(rb"(?im)^content-transfer-encoding:[ \t]*([a-z0-9-]+)")
_TYPE = re.compile(rb"(?im)^content-type:[ \t]*([a-z0-9+./-]+)")
_BOUNDARY = re.compile(rb'(?i)boundary="?([^"\r\n;]+)')


@dataclass(frozen=True, slots=True, kw_only=True)
class Concealed:
    """A body as it is written, and the head that fits it."""

    head: bytes
    body: BinaryIO
    is_changed: bool


class Concealer:
    """
    Replaces the values of names in texts of one capture.

    Args:
        params: Names of parameters in addresses; one that ends in `*` names all that begin so.
        viewer_fields: The same, of fields in pages.
    """

    def __init__(
        self, redactor: Redactor, *, params: Sequence[str], viewer_fields: Sequence[str]
    ) -> None:
        self.redactor = redactor
        self.unchecked = 0  # bodies that could not be looked through
        self._names = (
            *((it, URL_PARAMETER, _parameter) for it in _stems(params)),
            *((it, VIEWER_FIELD, _field) for it in _stems(viewer_fields)),
        )
        self._known: dict[bytes, tuple[str, str]] = {}  # value → place, name

    @classmethod
    def of(cls, redactor: Redactor, rules: RedactRules) -> "Concealer":
        """Return what conceals what a policy names."""
        return cls(redactor, params=rules.url_params, viewer_fields=rules.viewer_names)

    @property
    def is_needed(self) -> bool:
        """Whether the policy names anything."""
        return bool(self._names)

    def learn(self, data: bytes) -> None:
        """Take note of the values in a text, so that they are found elsewhere as well."""
        for it in self._values(data):
            value = _plain(it.value)
            if len(self._known) < _MAX_VALUES and _is_identifier(value):
                self._known.setdefault(value, (it.place, it.name))

    def of_bytes(self, data: bytes) -> bytes:
        """Return a text without what says who made the capture."""
        found = sorted((*self._values(data), *self._again(data)), key=lambda it: it.begin)
        pieces: list[bytes] = []
        done = 0
        for it in found:
            if it.begin < done:
                continue
            token = self.redactor.replace(it.place, it.name, _plain(it.value)).encode()
            pieces += [data[done : it.begin], it.quote, token, it.quote]
            done = it.begin + len(it.value)
        return b"".join((*pieces, data[done:])) if pieces else data

    def of_text(self, text: str) -> str:
        """Return the same of a text that UTF-8 has a form for."""
        if not self.is_needed:
            return text
        return self.of_bytes(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")

    def of_body(self, head: Head, written: bytes, body: BinaryIO, length: int) -> Concealed:
        """
        Return a body and its head as they are written.

        Args:
            written: The head's octets.
            length: Bytes of `body`.
        """
        if not self.is_needed:
            return Concealed(head=written, body=body, is_changed=False)
        same = Concealed(head=self._of_head(written), body=body, is_changed=False)
        if not length or not _TEXTS.fullmatch(head.media_type):
            return same
        text = _decoded(head, body, length)
        body.seek(0)
        if text is None or _is_wide(head, text):
            self.unchecked += 1
            return same
        self.learn(text)
        shown = self.of_bytes(text)
        if shown == text:
            return same
        return Concealed(
            head=_with_length(same.head, len(shown)), body=io.BytesIO(shown), is_changed=True
        )

    def _of_head(self, written: bytes) -> bytes:
        """Return a head as it is written; what a body is read by stays, whatever it equals."""
        pieces, done = [], 0
        for it in _FRAME.finditer(written):
            pieces += [self.of_bytes(written[done : it.start()]), it[0]]
            done = it.end()
        return b"".join((*pieces, self.of_bytes(written[done:])))

    def look(self, head: Head, body: BinaryIO, length: int) -> None:
        """Take note of the values in a body, as far as it is a text."""
        if length and _TEXTS.fullmatch(head.media_type):
            self.learn(_decoded(head, body, length) or b"")

    def _values(self, data: bytes) -> Iterator["_Value"]:
        """Yield the values that a text gives the names. Names are looked for, not all of it."""
        lower = data.lower()
        for (stem, begins), place, read in self._names:
            at = lower.find(stem)
            while at >= 0:
                end = at + len(stem)
                if begins and (rest := _REST.match(data, end)) is not None:
                    end = rest.end()
                found, quote = read(data, at, end)
                if found is not None and _is_a_value(found["value"], lower[at:end]):
                    yield _Value(
                        begin=found.start("value"),
                        value=found["value"],
                        place=place,
                        name=lower[at:end].decode("ascii", "replace"),
                        quote=quote,
                    )
                at = lower.find(stem, end)

    def _again(self, data: bytes) -> Iterator["_Value"]:
        """Yield what is known as such a value, under another name or none."""
        usual = b'"' if data.lstrip()[:1] in (b"{", b"[") else b"'"
        for value, (place, name) in self._known.items():
            for spelling in {value, quote_from_bytes(value, safe="").encode()}:
                at = data.find(spelling)
                while at >= 0:
                    end = at + len(spelling)
                    if not data[at - 1 : at].isalnum() and not data[end : end + 1].isalnum():
                        quote = _quote_of_number(data, at, end, usual) if value.isdigit() else b""
                        yield _Value(begin=at, value=spelling, place=place, name=name, quote=quote)
                    at = data.find(spelling, end)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Value:
    """A value in a text, and where it begins."""

    begin: int
    value: bytes
    place: str
    name: str
    quote: bytes  # around what stands in its place: a number has none, and a text needs some


def conceal(capture: Capture, concealer: Concealer | None) -> Capture:
    """
    Return a capture whose files and values say nothing of whoever made it.

    What the recorder wrote is concealed already; here it is the rest: the document, MHTML, text,
    layout and logs, and all texts of the capture itself.
    """
    if concealer is None or not concealer.is_needed:
        return capture
    artifacts = capture.artifacts
    for artifact in artifacts:
        if _is_text(artifact):
            concealer.learn(artifact.file.read_bytes())
    artifacts = tuple(_rewritten(it, concealer) for it in artifacts)
    shown = _swept(replace(capture, artifacts=(), redactions=(), disclosures=()), concealer)
    return replace(
        shown,
        artifacts=artifacts,
        redactions=concealer.redactor.redactions(),
        disclosures=concealer.redactor.disclosures(),
    )


def _swept(value: T, concealer: Concealer) -> T:
    """Return a value of the model with every text in it concealed."""
    made: Any = value
    if type(made) is str:
        made = concealer.of_text(made)
    elif isinstance(made, tuple):
        made = tuple(_swept(item, concealer) for item in made)
    elif isinstance(made, list):
        made = [_swept(item, concealer) for item in made]
    elif isinstance(made, dict):
        made = {key: _swept(item, concealer) for key, item in made.items()}
    elif is_dataclass(made) and not isinstance(made, type):
        made = replace(
            made,
            **{it.name: _swept(getattr(made, it.name), concealer) for it in fields(made)},
        )
    return made  # type: ignore[no-any-return]  # of the same type as `value`


def _is_text(artifact: Artifact) -> bool:
    return (
        artifact.path not in _BY_RECORDER
        and Path(artifact.path).suffix in _SUFFIXES
        and artifact.digests.length <= _MAX_BODY
    )


def _rewritten(artifact: Artifact, concealer: Concealer) -> Artifact:
    note = concealer.of_text(artifact.note)
    if not _is_text(artifact):
        return replace(artifact, note=note)
    data = artifact.file.read_bytes()
    shown = _shown(artifact.path, data, concealer)
    if shown == data:
        return replace(artifact, note=note)
    artifact.file.unlink()
    artifact.file.write_bytes(shown)
    return replace(artifact, note=note, digests=digest_bytes(shown))


def _shown(path: str, data: bytes, concealer: Concealer) -> bytes:
    if path.endswith(".mhtml"):
        return _mhtml(concealer, data)
    if not _OURS.fullmatch(path):
        return concealer.of_bytes(data)
    # Text by text: a quotation mark in one of them would end it.
    lines = data.splitlines(keepends=True) if path.endswith("l") else [data]
    return b"".join(_json(line, concealer) for line in lines)


def _json(data: bytes, concealer: Concealer) -> bytes:
    try:
        value = canonical_json.loads(data.removesuffix(b"\n"))
    except EvidenceInvalid:  # a file of somebody else's that is called like one of ours
        return concealer.of_bytes(data)
    end = b"\n" if data.endswith(b"\n") else b""
    return canonical_json.dumps(_swept(value, concealer)) + end


def _mhtml(concealer: Concealer, data: bytes) -> bytes:
    """Conceal MHTML (RFC 2557): each part in its own coding, quoted-printable or base64."""
    found = _BOUNDARY.search(data[:4096])
    if found is None:
        return concealer.of_bytes(data)
    mark = b"--" + found[1]
    return mark.join(_part(concealer, part) for part in data.split(mark))


def _part(concealer: Concealer, part: bytes) -> bytes:
    split = _PART_HEAD.search(part)
    if split is None:
        return concealer.of_bytes(part)
    head, body = part[: split.end()], part[split.end() :]
    coding, kind = _CODING.search(head), _TYPE.search(head)
    head = concealer.of_bytes(head)
    way = coding[1].lower() if coding else b""
    if way == b"quoted-printable":
        text = quopri.decodestring(body)
        concealer.learn(text)
        shown = concealer.of_bytes(text)
        return head + (body if shown == text else _quoted_printable(shown))
    if way == b"base64" and kind is not None and _TEXTS.fullmatch(kind[1].decode().lower()):
        try:
            text = binascii.a2b_base64(body)
        except binascii.Error:
            return head + body
        shown = concealer.of_bytes(text)
        return head + (body if shown == text else _base64(shown))
    return head + (body if way in (b"base64", b"binary") else concealer.of_bytes(body))


def _quoted_printable(text: bytes) -> bytes:
    coded = binascii.b2a_qp(text.replace(b"\r\n", b"\n"), istext=True)
    return coded.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") + b"\r\n"


def _base64(data: bytes) -> bytes:
    coded = binascii.b2a_base64(data, newline=False)
    lines = (coded[at : at + 76] for at in range(0, len(coded), 76))
    return b"".join(line + b"\r\n" for line in lines)


# Bodies as they were received


def _decoded(head: Head, body: BinaryIO, length: int) -> bytes | None:
    """Return a body without framing and codings; None where that can not be, or is too long."""
    if length > _MAX_BODY:
        return None
    is_chunked = "chunked" in head.header("transfer-encoding").lower()
    data = b"".join(http1_chunks.unchunked(body) if is_chunked else http1_chunks.parts(body))
    coding = head.header("content-encoding").strip().lower()
    if coding == "br":
        try:
            text: bytes | None = brotli.decompress(data, limit=_MAX_BODY)
        except brotli.BrotliInvalid:
            return None
        return text
    text = content_coding.undone(data, coding, _MAX_BODY + 1)
    return None if text is None or len(text) > _MAX_BODY else text


def _is_wide(head: Head, text: bytes) -> bool:
    """Whether a text is written in two or four bytes a character, in which no name is found."""
    kind = head.header("content-type").lower()
    return "utf-16" in kind or "utf-32" in kind or text.startswith((b"\xff\xfe", b"\xfe\xff"))


def _with_length(head: bytes, length: int) -> bytes:
    """Return a head for a body that has no framing and no coding."""
    kept = _FRAMING.sub(b"", head)
    lines, end, _ = kept.partition(b"\r\n\r\n")
    if not end:
        return kept
    return lines + b"\r\nContent-Length: %d\r\n\r\n" % length


# What is looked for


def _stems(names: Sequence[str]) -> tuple[tuple[bytes, bool], ...]:
    """Return how names begin, lowercase, and whether more of the name may follow."""
    return tuple(
        dict.fromkeys((it.lower().removesuffix("*").encode(), it.endswith("*")) for it in names)
    )


_Found = tuple[re.Match[bytes] | None, bytes]  # a value, and the quotation marks that it needs


def _field(data: bytes, at: int, end: int) -> _Found:
    """Return the value of a field of a page whose name stands here."""
    before = data[max(0, at - _CONTEXT) : at]
    if _NAMED.search(before):
        return _of_form(data, at, end), b""
    if _INSIDE.search(before) or (given := _GIVEN.match(data, end)) is None:
        return None, b""
    # In quotation marks or not: of `"uin=" + x` the text begins before the name and ends there.
    if (_QUOTED.search(before) is None) != (given["quote"] is None):
        return None, b""
    for pattern in _FIELD_VALUES:
        if (found := pattern.match(data, given.end())) is not None:
            return found, b""
    # As its name is quoted: in JSON, and in JSON that is a text of a script.
    return _NUMBER.match(data, given.end()), given["quote"] or b"'"


def _of_form(data: bytes, at: int, end: int) -> re.Match[bytes] | None:
    """Return the value of an element that has a field's name: `<input name="uin" value="…">`."""
    for pattern in _VALUE_BEHIND:
        if (found := pattern.match(data, end)) is not None:
            return found
    begin = data.rfind(b"<", max(0, at - _IN_TAG), at)
    return None if begin < 0 else _VALUE_BEFORE.search(data, begin, at)


def _quote_of_number(data: bytes, at: int, end: int, usual: bytes) -> bytes:
    """Return the quotation marks for what stands in place of a number; none inside of a text."""
    before = _BEFORE_NUMBER.search(data, max(0, at - 60), at)
    if before is None or not _BEHIND_NUMBER.match(data, end):
        return b""
    return before["quote"] if before["quote"] and before["mark"] in b":=" else usual


def _parameter(data: bytes, at: int, end: int) -> _Found:
    """Return the value of a parameter of an address whose name stands here."""
    before = data[max(0, at - _CONTEXT) : at]
    if not at or _LEAD.search(before):
        return _PARAMETER_VALUE.match(data, end), b""
    return (_CODED_VALUE.match(data, end) if _LEAD_CODED.search(before) else None), b""


def _is_a_value(value: bytes, name: bytes) -> bool:
    """Return whether this was not replaced before, and is no word of a program."""
    shown = value.lower()
    return not value.startswith(_TOKEN) and shown not in _DECLINED and name not in shown


def _plain(value: bytes) -> bytes:
    """Return a value without percent-encoding: in every spelling it is the same one."""
    return unquote_to_bytes(value) if b"%" in value else value


def _is_identifier(value: bytes) -> bool:
    """Return whether a value can be nothing else, wherever it stands: long, and with a digit."""
    return (
        len(value) >= _LEAST
        and re.search(rb"\d", value) is not None
        and re.fullmatch(rb"[\w+/=.@-]+", value) is not None
        and not value.startswith(b"redacted:")
        and _OF_A_RECORD.fullmatch(value) is None
    )


# Whoever writes a page can write `uin = "HTTP/1.1"` into it. Versions, numbers with points, days,
# media types, paths and schemas are what a record is made of, and identify nobody.
_OF_A_RECORD = re.compile(
    rb"\d+(?:\.\d+)+|\d{4}-\d\d-\d\d.*|[a-z]{1,20}/[\w.+-]{1,20}|[^/]*/.*[.@].*|[^/.]*\..*/.*"
    rb"|[^@]*@[^.@]*",
    re.DOTALL,
)
