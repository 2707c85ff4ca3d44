"""
Replace the values of page fields and URL parameters that identify the capturing person, and search
for identifiers of that person.

A page that was opened from a client names its visitor (`window.uin = "…"`), and links name who
shared them (`?sharer_shareid=…`). The values of the names that a policy lists are replaced by
commitments (`capture/redaction/redactor.py`) in every text of a bundle: bodies as received, the
document, MHTML, layout, text, logs, addresses. A body with a replacement is kept without its
framing and codings, and its record states that. A value that was found so and looks like an
identifier is replaced wherever it occurs, under any name or none.

Pictures and PDFs show what the page showed. Encrypted streams are not changed. See
docs/spec/network-record.md and docs/explanation/what-we-do-to-a-page.md.
"""

import io
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, TypeVar
from urllib.parse import quote_from_bytes

from snapshotter.capture.record.http_heads import RecordedHead
from snapshotter.capture.redaction import capturer_identity, encodings
from snapshotter.capture.redaction.capturer_identity import CapturerIdentifiers
from snapshotter.capture.redaction.name_values import (
    REST,
    find_field_value,
    find_parameter_value,
    is_identifier,
    is_replaceable_value,
    name_stems,
    percent_decode,
    quotes_for_number,
)
from snapshotter.capture.redaction.redactor import Redactor
from snapshotter.errors import EvidenceInvalid
from snapshotter.formats import canonical_json
from snapshotter.formats.digest import digest_bytes
from snapshotter.formats.http import chunked
from snapshotter.formats.page import form_values
from snapshotter.model.capture import Artifact, Capture
from snapshotter.model.capturer_identity import (
    CREDENTIAL,
    CapturerIdentifier,
    ExposedBox,
    IdentifierFinding,
)
from snapshotter.model.request import RedactRules
from snapshotter.value_class import dataclass

VIEWER_FIELD = "viewer-field"
URL_PARAMETER = "url-parameter"
CAPTURER_IDENTIFIER = "own-name"
REDACTED = "redacted"  # the value of `Snapshotter-Body` in a response record

T = TypeVar("T")

_MAX_BODY = 32 << 20  # bytes of a text that is looked through
_MAX_VALUES = 200  # that are looked for under other names
_BOXES = 500  # of blocks whose text was replaced, that are named
_LAYOUT = "capture/layout.json"
_COPY = "capture/target."
_TEXTS = re.compile(
    r"text/.*|.*[/+](?:json|xml|javascript|ecmascript|x-javascript|ndjson)|image/svg\+xml"
    r"|application/x-www-form-urlencoded|multipart/.*|message/.*|"
)
_SUFFIXES = frozenset({".html", ".txt", ".json", ".jsonl", ".mhtml", ".xml", ".csv", ".js", ".css"})
_BY_RECORDER = frozenset({"archive/data.warc.gz", "indexes/index.cdx", "pages/pages.jsonl"})
_OURS = re.compile(r"capture/(?!target\.)[a-z-]+\.jsonl?")  # canonical JSON

_FRAMING = re.compile(rb"(?im)^(?:transfer-encoding|content-encoding|content-length)[ \t]*:.*\r?\n")
_FRAME = re.compile(
    rb"(?im)^(?:transfer-encoding|content-encoding|content-length|content-type)[ \t]*:.*"
)
_PART_HEAD = re.compile(rb"\r?\n\r?\n")
_CODING = re.compile(rb"(?im)^content-transfer-encoding:[ \t]*([a-z0-9-]+)")
_TYPE = re.compile(rb"(?im)^content-type:[ \t]*([a-z0-9+./-]+)")
_BOUNDARY = re.compile(rb'(?i)boundary="?([^"\r\n;]+)')
_FORM_NAME = re.compile(
    rb'(?im)^content-disposition:[ \t]*form-data\b[^\r\n]{0,300}?[; \t]name="?([^"\r\n;]{1,200})'
)
_HEAD_OF_PART = re.compile(rb"(?im)^(?!content-(?:transfer-encoding|type)[ \t]*:).+")
_LONGEST_VALUE = 1000  # bytes of a form's field that is a value, and no text
_RECORD = "capture/capture.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConcealedBody:
    """A body as it is written, and the head that fits it."""

    head: bytes
    body: BinaryIO
    is_changed: bool


class Concealer:
    """
    Replaces the values of named fields in one capture, and finds identifiers of the capturing
    person.

    Args:
        params: Names of parameters in addresses; one that ends in `*` names all that begin so.
        viewer_fields: The same, of fields in pages.
        own: Identifiers of the capturing person.
        action: What is done with them: "redact", "stop", "warn" or "ignore". Credentials among them
            are always replaced, also in files that are no texts.
    """

    def __init__(
        self,
        redactor: Redactor,
        *,
        params: Sequence[str],
        viewer_fields: Sequence[str],
        own: Sequence[CapturerIdentifier] = (),
        action: str = "ignore",
    ) -> None:
        self.redactor = redactor
        self.unchecked = 0  # bodies that could not be looked through
        self.where = ""  # the file that is being written, for who wants to know where it was
        self.action = action
        secrets = [own_name for own_name in own if own_name.kind == CREDENTIAL]
        self._own = CapturerIdentifiers(own if action != "ignore" else secrets)
        self._secrets = CapturerIdentifiers(secrets)
        self._own_found: Counter[tuple[str, str]] = Counter()  # kind, file
        self._own_in_bytes = all(own_name.value.isascii() for own_name in own)
        self._names = (
            *((stem, URL_PARAMETER, find_parameter_value) for stem in name_stems(params)),
            *((stem, VIEWER_FIELD, find_field_value) for stem in name_stems(viewer_fields)),
        )
        self._known: dict[bytes, tuple[str, str]] = {}  # value → place, name

    @classmethod
    def of(
        cls, redactor: Redactor, rules: RedactRules, own: Sequence[CapturerIdentifier] = ()
    ) -> "Concealer":
        """Return the concealer for the rules of a policy."""
        return cls(
            redactor,
            params=rules.url_params,
            viewer_fields=rules.viewer_names,
            own=own,
            action=rules.identity,
        )

    @property
    def is_needed(self) -> bool:
        """Whether there is anything to search for."""
        return bool(self._names) or bool(self._own)

    @property
    def identifier_findings(self) -> tuple[IdentifierFinding, ...]:
        """Where identifiers of the capturing person were found."""
        return tuple(
            IdentifierFinding(kind=kind, where=where, count=count)
            for (kind, where), count in sorted(self._own_found.items())
        )

    def learn(self, data: bytes) -> None:
        """Remember the values in a text, so that they are found elsewhere as well."""
        for found_value in self._values(data):
            value = percent_decode(found_value.value)
            if len(self._known) < _MAX_VALUES and is_identifier(value):
                self._known.setdefault(value, (found_value.place, found_value.name))

    def conceal_bytes(self, data: bytes) -> bytes:
        """Return a UTF-8 text, and the base64 texts in it, concealed."""
        return self.replaced(encodings.rewrite_base64(data, self.replaced))

    def replaced(self, data: bytes) -> bytes:
        """Return a UTF-8 text concealed."""
        found = sorted(
            (*self._values(data), *self._again(data), *self._capturer_identifiers_in(data)),
            key=lambda found_value: found_value.begin,
        )
        pieces: list[bytes] = []
        done = 0
        for found_value in found:
            if found_value.begin < done:
                continue
            token = self.redactor.replace(
                found_value.place,
                found_value.name,
                found_value.committed or percent_decode(found_value.value),
            )
            if found_value.in_host:
                token = capturer_identity.host_label_for_token(token)
            pieces += [
                data[done : found_value.begin],
                found_value.quote,
                token.encode(),
                found_value.quote,
            ]
            done = found_value.begin + len(found_value.value)
        return b"".join((*pieces, data[done:])) if pieces else data

    def conceal_text(self, text: str) -> str:
        """Return a string concealed; it has to have a UTF-8 form."""
        if not self.is_needed:
            return text
        return self.conceal_bytes(text.encode("utf-8", "surrogatepass")).decode(
            "utf-8", "surrogatepass"
        )

    def names_in(self, text: str) -> tuple[str, ...]:
        """Return the names whose values are replaced in a text."""
        data = text.encode("utf-8", "surrogatepass")
        own = self._capturer_identifiers_in(data, count=False)
        return tuple(
            sorted(
                {
                    found_value.name
                    for found_value in (*self._values(data), *self._again(data), *own)
                }
            )
        )

    def conceal_file(self, content_type: str, data: bytes) -> bytes:
        """Return a text of any encoding, and the base64 texts in it, concealed."""
        shown = self._through(content_type, data, self.replaced)
        return data if shown is None else shown

    def conceal_body(
        self, head: RecordedHead, written: bytes, body: BinaryIO, length: int
    ) -> ConcealedBody:
        """
        Return a body and its head, concealed.

        Args:
            written: The head's octets.
            length: Bytes of `body`.
        """
        if not self.is_needed:
            return ConcealedBody(head=written, body=body, is_changed=False)
        same = ConcealedBody(head=self._of_head(written), body=body, is_changed=False)
        is_text = _TEXTS.fullmatch(head.media_type) is not None
        if not length or not (is_text or self._secrets):
            return same
        text = decode_body(head, body, length)
        body.seek(0)
        shown = text
        if text is not None and is_text:
            content_type = head.header("content-type")
            self._through(content_type, text, self.learning)
            shown = self._through(content_type, text, self.replaced)
        elif text is not None:
            shown = self.conceal_credentials(text)
        if shown is None:
            self.unchecked += 1
        elif shown != text:
            return _changed(same.head, shown)
        # The bytes between chunks, behind them, in a coding's own head or in a broken coding.
        bare = self._conceal_hidden_credentials(body, length)
        if bare is None:
            return same
        return _changed(same.head, bare if shown is None else shown)

    def _conceal_hidden_credentials(self, body: BinaryIO, length: int) -> bytes | None:
        """Return a body as it came without the credentials in it; None if it has none."""
        if not self._secrets or length > _MAX_BODY:
            return None
        data = body.read()
        body.seek(0)
        bare = self.conceal_credentials(data)
        return None if bare == data else bare

    def conceal_credentials(self, data: bytes) -> bytes:
        """Return any bytes with each credential replaced by a commitment."""
        pieces: list[bytes] = []
        done = 0
        for hit in sorted(self._secrets.find(data), key=lambda hit: (hit.begin, -hit.end)):
            if hit.begin >= done:
                token = self.redactor.replace(CAPTURER_IDENTIFIER, hit.name.kind, hit.name.value)
                pieces += [data[done : hit.begin], token.encode()]
                done = hit.end
        return b"".join((*pieces, data[done:]))

    def conceal_frames(self, lines: BinaryIO, length: int) -> BinaryIO:
        """
        Return the frames of a WebSocket (docs/spec/network-record.md), concealed.

        If something is replaced in a compressed message, its frames lose their payload: only the
        message itself is kept.
        """
        if not self.is_needed or not length:
            return lines
        if length > _MAX_BODY:
            self.unchecked += 1
            return lines
        listed = [canonical_json.loads(line.rstrip(b"\n")) for line in lines]
        shown = [self._of_frame(entry) for entry in listed]
        is_withheld = any(
            a.get("message") != b.get("message") for a, b in zip(listed, shown, strict=True)
        )
        if is_withheld:
            shown = [_without_payload(entry) for entry in shown]
        if shown == listed:
            lines.seek(0)
            return lines
        return io.BytesIO(b"".join(canonical_json.dumps(entry) + b"\n" for entry in shown))

    def _of_frame(self, frame: dict[str, Any]) -> dict[str, Any]:
        made = dict(frame)
        if isinstance(made.get("text"), str):
            made["text"] = self.conceal_text(made["text"])
        elif isinstance(coded_payload := made.get("base64"), str) and not made.get("compressed"):
            inner = encodings.decode_base64_text(coded_payload.encode())
            if inner is not None and (shown := self.conceal_bytes(inner)) != inner:
                del made["base64"]
                made["text"] = shown.decode("utf-8", "replace")
        if isinstance(made.get("message"), dict):
            made["message"] = self._of_frame(made["message"])
        return made

    def _of_head(self, written: bytes) -> bytes:
        """Return a head concealed; fields that a body is read by stay."""
        pieces, done = [], 0
        for match in _FRAME.finditer(written):
            pieces += [
                self.conceal_bytes(written[done : match.start()]),
                self.conceal_credentials(match[0]),
            ]
            done = match.end()
        return b"".join((*pieces, self.conceal_bytes(written[done:])))

    def look(self, head: RecordedHead, body: BinaryIO, length: int) -> None:
        """Remember the values in a body, if it is a text."""
        if length and _TEXTS.fullmatch(head.media_type):
            text = decode_body(head, body, length)
            if text is not None:
                self._through(head.header("content-type"), text, self.learning)

    def learn_from_file(self, data: bytes) -> None:
        """Remember the values in a text file, and in the base64 texts in it."""
        self._through("", data, self.learning)

    def learning(self, data: bytes) -> bytes:
        """Remember the values in a text, and return it unchanged."""
        self.learn(data)
        return data

    def _through(self, content_type: str, data: bytes, rewrite: encodings.Rewrite) -> bytes | None:
        """Return a body with each text in it rewritten; None if its encoding is not supported."""

        def inside(text: bytes) -> bytes:
            return rewrite(encodings.rewrite_base64(text, rewrite))

        boundary = _BOUNDARY.search(content_type.encode("latin-1", "replace"))
        if content_type.strip().lower().startswith("multipart/") and boundary:
            return self.rewrite_parts(data, boundary[1].strip(), rewrite)
        encoding = encodings.detect_encoding(content_type, data)
        if encodings.is_wide(encoding):
            return encodings.rewrite_text(data, encoding, inside)
        if self._own_in_bytes:
            return inside(data)
        # Names that ASCII has no letters for are other bytes in other encodings.
        shown = encodings.rewrite_text(data, encoding, inside)
        return inside(data) if shown is None else shown

    def rewrite_parts(self, data: bytes, boundary: bytes, rewrite: encodings.Rewrite) -> bytes:
        """Return a body of several parts, a form (RFC 7578) or MIME, each in its own encoding."""
        mark = b"--" + boundary
        return mark.join(self._of_part(part, rewrite) for part in data.split(mark))

    def _of_part(self, part: bytes, rewrite: encodings.Rewrite) -> bytes:
        split = _PART_HEAD.search(part)
        if split is None:
            return rewrite(part)
        head, body = part[: split.end()], part[split.end() :]
        coding, kind, named = _CODING.search(head), _TYPE.search(head), _FORM_NAME.search(head)
        head = _HEAD_OF_PART.sub(lambda match: rewrite(match[0]), head)
        way = coding[1].lower() if coding else b""
        is_text = kind is None or _TEXTS.fullmatch(kind[1].decode().lower()) is not None
        content_type = kind[0].partition(b":")[2].decode("latin-1") if kind else ""

        def through(text: bytes) -> bytes:
            return self._through(content_type, text, rewrite) or text

        if named is not None and (value := self._of_form_value(named[1], body)) is not None:
            return head + (value if rewrite == self.replaced else body)
        if way == b"quoted-printable":
            text = encodings.decode_quoted_printable(body)
            shown = through(text)
            return head + (body if shown == text else encodings.encode_quoted_printable(shown))
        if way == b"base64" and is_text and (kind is not None or named is not None):
            inner = encodings.decode_base64_text(body.strip())
            if inner is None:
                return head + body
            shown = through(inner)
            return head + (body if shown == inner else encodings.encode_base64_lines(shown))
        if way in (b"base64", b"binary") or not is_text:
            return head + body
        return head + through(body)

    def _of_form_value(self, name: bytes, body: bytes) -> bytes | None:
        """
        Return the replaced value of a form's field that the policy names; None for other fields.
        """
        value = body.rstrip(b"\r\n")
        lower = name.lower()
        for (stem, begins), place, _ in self._names:
            if lower == stem or (begins and lower.startswith(stem)):
                if (
                    not value
                    or len(value) > _LONGEST_VALUE
                    or not is_replaceable_value(value, lower)
                ):
                    return None
                shown = lower.decode("ascii", "replace")
                if is_identifier(value) and len(self._known) < _MAX_VALUES:
                    self._known.setdefault(value, (place, shown))
                token = self.redactor.replace(place, shown, value).encode()
                return token + body[len(value) :]
        return None

    def _values(self, data: bytes) -> Iterator["_Value"]:
        """Yield the values that a text assigns to the names."""
        lower = data.lower() if self._names else b""
        for (stem, begins), place, read in self._names:
            at = lower.find(stem)
            while at >= 0:
                end = at + len(stem)
                if begins and (rest := REST.match(data, end)) is not None:
                    end = rest.end()
                found, quote = read(data, at, end)
                if found is not None and is_replaceable_value(found["value"], lower[at:end]):
                    yield _Value(
                        begin=found.start("value"),
                        value=found["value"],
                        place=place,
                        name=lower[at:end].decode("ascii", "replace"),
                        quote=quote,
                    )
                at = lower.find(stem, end)

    def _again(self, data: bytes) -> Iterator["_Value"]:
        """Yield known values under another name or none."""
        usual = _usual_quote(data)
        for value, (place, name) in self._known.items():
            for spelling in {value, quote_from_bytes(value, safe="").encode()}:
                at = data.find(spelling)
                while at >= 0:
                    end = at + len(spelling)
                    if not data[at - 1 : at].isalnum() and not data[end : end + 1].isalnum():
                        quote = quotes_for_number(data, at, end, usual) if value.isdigit() else b""
                        yield _Value(begin=at, value=spelling, place=place, name=name, quote=quote)
                    at = data.find(spelling, end)

    def _capturer_identifiers_in(self, data: bytes, *, count: bool = True) -> Iterator["_Value"]:
        """Count identifiers of the capturing person; yield those that are to be replaced."""
        done = 0
        for hit in sorted(self._own.find(data), key=lambda hit: (hit.begin, -hit.end)):
            if hit.begin < done:
                continue
            done = hit.end
            is_secret = hit.name.kind == CREDENTIAL
            if count and not is_secret:
                self._own_found[hit.name.kind, self.where] += 1
            if self.action != "redact" and not is_secret:
                continue
            text = data[hit.begin : hit.end]
            usual, quote = _usual_quote(data), b""
            if text.isdigit():
                quote = quotes_for_number(data, hit.begin, hit.end, usual)
            yield _Value(
                begin=hit.begin,
                value=text,
                place=CAPTURER_IDENTIFIER,
                name=hit.name.kind,
                quote=quote,
                committed=hit.name.value.encode(),
                in_host=capturer_identity.is_within_host(data, hit.begin),
            )


def _usual_quote(data: bytes) -> bytes:
    return b'"' if data.lstrip()[:1] in (b"{", b"[") else b"'"


def _without_payload(frame: dict[str, Any]) -> dict[str, Any]:
    """Return a frame of a compressed message, or its continuation, without its payload."""
    if "base64" not in frame or not (frame.get("compressed") or frame.get("opcode") == 0):
        return frame
    return {name: value for name, value in frame.items() if name != "base64"} | {"withheld": True}


def _changed(head: bytes, body: bytes) -> ConcealedBody:
    return ConcealedBody(head=_with_length(head, len(body)), body=io.BytesIO(body), is_changed=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Value:
    """A value in a text, and where it begins."""

    begin: int
    value: bytes
    place: str
    name: str
    quote: bytes  # around the replacement: a number has none, and a text needs some
    committed: bytes = b""  # what is committed to, if that is not the value as written
    in_host: bool = False  # of an address: there a commitment has to be a label of DNS


def check_address_is_anonymous(
    url: str, rules: RedactRules, own: Sequence[CapturerIdentifier]
) -> None:
    """
    Refuse an address that identifies the capturing person before it is visited.

    Raises:
        CapturerIdentityExposed: The policy says to stop; or it says to replace the name, and the
            name is in the host, which the record needs.
    """
    if rules.identity not in ("stop", "redact"):
        return
    data = url.encode("utf-8", "surrogatepass")
    hits = [
        hit
        for hit in CapturerIdentifiers(own).find(data)
        if rules.identity == "stop" or capturer_identity.is_within_host(data, hit.begin)
    ]
    kinds = sorted({hit.name.kind for hit in hits})
    if kinds:
        raise capturer_identity.explain_refusal(
            [IdentifierFinding(kind=kind, where="the address", count=1) for kind in kinds]
        )


def conceal(capture: Capture, concealer: Concealer | None) -> Capture:
    """
    Return a capture whose files and values do not identify the capturing person.

    The recorder's files are concealed already. This conceals the document, MHTML, text, layout and
    logs, and all texts of the capture itself.

    Raises:
        CapturerIdentityExposed: An identifier was found, and the policy says to stop.
    """
    if concealer is None or not concealer.is_needed:
        return capture
    artifacts = capture.artifacts
    boxes: tuple[ExposedBox, ...] = ()
    for artifact in artifacts:
        if _is_text(artifact):
            data = artifact.file.read_bytes()
            concealer.learn_from_file(data)
            if artifact.path == form_values.PATH:
                for line in data.splitlines():
                    concealer.learn(canonical_json.dumps(_named(canonical_json.loads(line))))
    for artifact in artifacts:
        if artifact.path == _LAYOUT:
            boxes = _boxes(artifact.file.read_bytes(), concealer)
    artifacts = tuple(_rewritten(artifact, concealer) for artifact in artifacts)
    concealer.where = _RECORD
    shown = _conceal_value(replace(capture, artifacts=(), redactions=(), disclosures=()), concealer)
    if concealer.action == "stop" and concealer.identifier_findings:
        raise capturer_identity.explain_refusal(concealer.identifier_findings)
    return replace(
        shown,
        artifacts=artifacts,
        redactions=concealer.redactor.redactions(),
        disclosures=concealer.redactor.disclosures(),
        shown_in_pictures=boxes,
        identifier_findings=concealer.identifier_findings,
    )


def _boxes(layout: bytes, concealer: Concealer) -> tuple[ExposedBox, ...]:
    """Return the visible blocks of a page whose text is going to be replaced."""
    found: list[ExposedBox] = []
    for block in json.loads(layout)["blocks"]:
        box = block["box"]
        if box is None or block["hidden"] or len(found) == _BOXES:
            continue
        if names := concealer.names_in(block["text"]):
            found.append(ExposedBox(**box, names=names))
    return tuple(found)


def _conceal_value(value: T, concealer: Concealer) -> T:
    """Return a value of the model with every text in it concealed."""
    made: Any = value
    if type(made) is str:
        made = concealer.conceal_text(made)
    elif isinstance(made, tuple):
        made = tuple(_conceal_value(item, concealer) for item in made)
    elif isinstance(made, list):
        made = [_conceal_value(item, concealer) for item in made]
    elif isinstance(made, dict):
        made = {key: _conceal_value(item, concealer) for key, item in made.items()}
    elif is_dataclass(made) and not isinstance(made, type):
        made = replace(
            made,
            **{
                column.name: _conceal_value(getattr(made, column.name), concealer)
                for column in fields(made)
            },
        )
    return made  # type: ignore[no-any-return]  # of the same type as `value`


def _is_text(artifact: Artifact) -> bool:
    return (
        artifact.path not in _BY_RECORDER
        and Path(artifact.path).suffix in _SUFFIXES
        and artifact.digests.length <= _MAX_BODY
    )


def _is_derived_copy(artifact: Artifact) -> bool:
    """Return whether an artifact holds the bytes of a response as they came."""
    return artifact.path.startswith(_COPY) and artifact.digests.length <= _MAX_BODY


def _rewritten(artifact: Artifact, concealer: Concealer) -> Artifact:
    concealer.where = artifact.path
    note = concealer.conceal_text(artifact.note)
    is_text = _is_text(artifact)
    if not (is_text or _is_derived_copy(artifact)):
        return replace(artifact, note=note)
    data = artifact.file.read_bytes()
    shown = (
        _shown(artifact.path, data, concealer) if is_text else concealer.conceal_credentials(data)
    )
    if shown == data:
        return replace(artifact, note=note)
    artifact.file.unlink()
    artifact.file.write_bytes(shown)
    return replace(artifact, note=note, digests=digest_bytes(shown))


def _shown(path: str, data: bytes, concealer: Concealer) -> bytes:
    if path.endswith(".mhtml"):
        return _mhtml(concealer, data)
    if not _OURS.fullmatch(path):
        return concealer.conceal_file("", data)
    # Text by text: a quotation mark in one of them would end it.
    lines = data.splitlines(keepends=True) if path.endswith("l") else [data]
    if path == form_values.PATH:
        lines = [_form_value(line, concealer) for line in lines]
    return b"".join(_json(line, concealer) for line in lines)


def _json(data: bytes, concealer: Concealer) -> bytes:
    try:
        value = canonical_json.loads(data.removesuffix(b"\n"))
    except EvidenceInvalid:  # a file of somebody else's that is called like one of ours
        return concealer.conceal_bytes(data)
    end = b"\n" if data.endswith(b"\n") else b""
    return canonical_json.dumps(_conceal_value(value, concealer)) + end


def _named(control: dict[str, Any]) -> dict[str, Any]:
    """Return name and value of a form control as a page's script would give them."""
    return {str(control.get("name") or "-"): control.get("value") or ""}


def _form_value(line: bytes, concealer: Concealer) -> bytes:
    """Return a form control without its value, if its name is one that is replaced."""
    control = canonical_json.loads(line.removesuffix(b"\n"))
    before = canonical_json.dumps(_named(control))
    if (shown := concealer.replaced(before)) == before:
        return line
    (value,) = canonical_json.loads(shown).values()
    return canonical_json.dumps(control | {"value": value}) + b"\n"


def _mhtml(concealer: Concealer, data: bytes) -> bytes:
    """Conceal MHTML (RFC 2557): each part in its own coding, quoted-printable or base64."""
    found = _BOUNDARY.search(data[:4096])
    if found is None:
        return concealer.conceal_bytes(data)
    concealer.rewrite_parts(data, found[1], concealer.learning)
    return concealer.rewrite_parts(data, found[1], concealer.replaced)


# Bodies as they were received


def decode_body(head: RecordedHead, body: BinaryIO, length: int) -> bytes | None:
    """Return a body without framing and codings; None if that fails or gives too much."""
    if length > _MAX_BODY:
        return None
    from snapshotter.formats.http import content_coding

    is_chunked = "chunked" in head.header("transfer-encoding").lower()
    data = b"".join(chunked.remove_chunking(body) if is_chunked else chunked.identity_parts(body))
    coding = head.header("content-encoding").strip().lower()
    if coding == "br":
        return content_coding.brotli_decoded(data, limit=_MAX_BODY)
    text = content_coding.decode_content(data, coding, _MAX_BODY + 1)
    return None if text is None or len(text) > _MAX_BODY else text


def _with_length(head: bytes, length: int) -> bytes:
    """Return a head for a body that has no framing and no coding."""
    kept = _FRAMING.sub(b"", head)
    lines, end, _ = kept.partition(b"\r\n\r\n")
    if not end:
        return kept
    return lines + b"\r\nContent-Length: %d\r\n\r\n" % length
