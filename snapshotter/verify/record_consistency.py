"""
Check that a capture record agrees with itself and with the files of its bundle.

A record repeats facts that files state as well, such as digests or a status. A person with the
signing key can make them differ, and then two readers believe different things. The facts are
those of docs/spec/capture-record.md, "What is stated twice". No content of a page is parsed:
`MemberMeasures` counts while the container is read, and the rest is compared.
"""

import base64
import contextlib
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats import canonical_json
from snapshotter.formats.bundle import custody as custody_chain
from snapshotter.formats.bundle import names, openings, redactable
from snapshotter.formats.bundle.container import Member
from snapshotter.formats.page import assessment as assessments
from snapshotter.model.digests import Digests
from snapshotter.model.finding import Code
from snapshotter.translation import tr

MAX_TILES: Final = 10_000  # that a record lists of all pictures together
_MAX_REPORTED: Final = 20  # contradictions that are reported one by one
_TEXT: Final = "capture/page.txt"
_POLICY: Final = "capture/policy.toml"
_IMAGES: Final = "capture/images.jsonl"
MAX_IMAGES: Final = 5_000  # of one page, each of which has a line of its own
MAX_FAILED: Final = 500  # requests that a record lists
MAX_TEXT: Final = 65_536  # characters; a record cuts longer texts
_PAGES: Final = "pages/pages.jsonl"
_PAGES_END: Final = 1 << 20  # bytes: a title and an address that no record cuts are shorter
_PNG: Final = b"\x89PNG\r\n\x1a\n"  # W3C PNG, 5.2
_PNG_HEAD: Final = 33  # bytes of signature and IHDR
_CONTINUATION: Final = bytes(range(0x80, 0xC0))  # bytes of UTF-8 that begin no character
# Places of `redactions` whose values may stand in a page's text: it was counted before.
_IN_TEXTS: Final = ("url-parameter", "viewer-field", "own-name")  # a list is in no set
_ABSENT: Final = object()  # a field that an earlier version did not write

# What a custody event calls an outcome.
_OUTCOMES: Final = {"complete": "success", "partial": "partial", "failed": "failure"}

# A contradiction: its code and a sentence.
Contradiction = tuple[Code, str]

# Two places of one fact.
_TWICE: Final = (
    ("who.network_path", "who.network.path"),
    ("what.http_status", "from_whom.status"),
    ("when.http_date", "from_whom.date_header"),
    ("when.timezone", "how.settings.timezone"),
)


class MemberMeasures:
    """Counts about members that are not held in memory, taken while the container is read."""

    def __init__(self) -> None:
        self.characters: int | None = None  # of the page's text
        self.images: int | None = None  # lines about images; None without such a file
        self.pages = 0  # lines of the list of pages
        self.pages_end = b""  # of which this is the end
        self.heads: dict[str, bytes] = {}  # of each PNG image: signature and IHDR

    def of(self, member: Member) -> Callable[[bytes], None] | None:
        """Return a function that takes the bytes of a member, piece by piece; None to skip it."""
        if member.name == _TEXT:
            self.characters = 0
            return self._count
        if member.name == _IMAGES:
            self.images = 0
            return self._image_lines
        if member.name == _PAGES:
            return self._pages
        if member.name.endswith(".png"):
            self.heads[member.name] = b""
            return lambda data: self._head(member.name, data)
        return None

    def _count(self, data: bytes) -> None:
        self.characters = (self.characters or 0) + len(data.translate(None, _CONTINUATION))

    def _image_lines(self, data: bytes) -> None:
        self.images = (self.images or 0) + data.count(b"\n")

    def _pages(self, data: bytes) -> None:
        self.pages += data.count(b"\n")
        self.pages_end = (self.pages_end + data)[-_PAGES_END:]

    def _head(self, name: str, data: bytes) -> None:
        left = _PNG_HEAD - len(self.heads[name])
        if left > 0:
            self.heads[name] += data[:left]

    def size(self, name: str) -> tuple[int, int] | None:
        """Return width and height of a PNG image; None if it is not a PNG."""
        head = self.heads.get(name, b"")
        if len(head) < _PNG_HEAD or not head.startswith(_PNG) or head[12:16] != b"IHDR":
            return None
        return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")


def contradictions(
    record: Mapping[str, Any],
    digests: Mapping[str, Digests],
    measures: MemberMeasures,
    kept: Mapping[str, bytes],
    withheld: Mapping[str, Digests] = MappingProxyType({}),
) -> tuple[Contradiction, ...]:
    """
    Return where the record contradicts itself or the files of the bundle.

    A value of the record that is withheld states nothing.

    Args:
        digests: The digests of every member.
        kept: The bytes of `capture/custody.jsonl`, and of `capture/assessment.json` if it exists
            and is short enough to be read.
        withheld: The digests, without lengths, of the files that a redacted copy lacks.
    """
    found: list[Contradiction] = []
    digests = {**digests, **withheld}
    for contradiction in (
        *_artifacts(record, digests, withheld),
        *_policy(record, digests),
        *_twice(record),
        *_court_minimum(record),
        *_outcome(record),
        *_text(record, measures),
        *_pictures(record, digests, measures, withheld),
        *_rule_files(kept.get(assessments.PATH), digests),
        *_custody(record, digests, kept.get(names.CUSTODY)),
        *_certificates(record),
        *_images(record, measures),
        *_requests(record),
        *_redactions(record),
        *_page(record, measures),
    ):
        if len(found) >= _MAX_REPORTED:
            if any(contradiction[0] is code for code, _ in found[_MAX_REPORTED:]):
                continue  # of the rest, each code is reported once
            contradiction = (contradiction[0], tr("more contradictions exist"))
        found.append(contradiction)
    return tuple(found)


def _at(record: Mapping[str, Any], path: str) -> Any:
    """Return a value of the record; None below a null; `_ABSENT` if it is missing."""
    value: Any = record
    for name in path.split("."):
        if value is None:
            return None
        if not isinstance(value, Mapping) or name not in value:
            return _ABSENT
        value = value[name]
    return _ABSENT if openings.is_closed(value) else value


def _is_same(one: object, other: object) -> bool:
    return type(one) is type(other) and one == other  # true is no 1


# The files.


def _artifacts(
    record: Mapping[str, Any], digests: Mapping[str, Digests], withheld: Mapping[str, Digests]
) -> Iterator[Contradiction]:
    listed = _at(record, "content.artifacts")
    if not isinstance(listed, list):
        yield Code.FORMAT, tr("the field content.artifacts of the record is not a list")
        return
    left = {path for path in digests if names.is_listed(path)} - {
        names.CAPTURE_RECORD,
        names.CUSTODY,
    }
    if names.CAPTURE_RECORD in withheld:
        left.discard(names.REDACTABLE_RECORD)  # the redactable record does not list itself
    known: set[str] = set()
    for entry in listed:
        path = entry.get("path") if isinstance(entry, dict) else None
        if not isinstance(path, str):
            yield Code.FORMAT, tr("the list content.artifacts has an entry without a path")
            continue
        if path in known:
            yield Code.UNLISTED, tr("the list content.artifacts contains {path} twice", path=path)
            continue
        known.add(path)
        if path == names.SERVER_SIGNATURES and path not in withheld:
            left.discard(path)
            continue  # step (11) judges this file, with its own code
        if path not in left:
            yield (
                Code.MISSING,
                tr(
                    "the list content.artifacts contains {path}, but the bundle does not contain "
                    "this file",
                    path=path,
                ),
            )
            continue
        left.discard(path)
        member = digests[path]
        if path in withheld and type(length := entry.get("length")) is int and length >= 0:
            member = replace(member, length=length)  # the lists state no length
        yield from _digests(entry, path, member)
    for path in sorted(left):
        yield (
            Code.UNLISTED,
            tr(
                "the bundle contains the file {path}, but the list "
                "content.artifacts does not contain this file",
                path=path,
            ),
        )


def _digests(stated: Mapping[str, Any], path: str, member: Digests) -> Iterator[Contradiction]:
    for name, value, code in (
        ("length", member.length, Code.HASH),
        ("sha256", member.sha256, Code.HASH),
        ("blake3", member.blake3, Code.BLAKE3),
    ):
        if not _is_same(stated.get(name), value):
            yield (
                code,
                tr(
                    "the {name} of {path} in content.artifacts differs from the {name} of the file",
                    name=name,
                    path=path,
                ),
            )


def is_same_artifact(record: Mapping[str, Any], path: str, member: Digests) -> bool:
    """Return whether the record states the digests and the length of a file correctly."""
    listed = _at(record, "content.artifacts")
    of_it = [
        entry
        for entry in (listed if isinstance(listed, list) else ())
        if isinstance(entry, dict) and entry.get("path") == path
    ]
    return not any(True for entry in of_it for _ in _digests(entry, path, member))


def _policy(record: Mapping[str, Any], digests: Mapping[str, Digests]) -> Iterator[Contradiction]:
    stated = _at(record, "how.policy.sha256")
    if stated is not _ABSENT and not _is_same(stated, digests[_POLICY].sha256):
        yield (
            Code.HASH,
            tr("how.policy.sha256 differs from the SHA-256 of the file {policy}", policy=_POLICY),
        )


def _text(record: Mapping[str, Any], measures: MemberMeasures) -> Iterator[Contradiction]:
    stated = _at(record, "content.text_characters")
    if stated is _ABSENT or measures.characters is None or _has_replaced_texts(record):
        return
    if not _is_same(stated, measures.characters):
        yield (
            Code.FORMAT,
            tr(
                "content.text_characters is {stated!r:.40}, but the file {text} has {characters} "
                "characters",
                stated=stated,
                text=_TEXT,
                characters=measures.characters,
            ),
        )


def _has_replaced_texts(record: Mapping[str, Any]) -> bool:
    redactions = _at(record, "redactions")
    return isinstance(redactions, list) and any(
        isinstance(redaction, dict) and redaction.get("place") in _IN_TEXTS
        for redaction in redactions
    )


def _pictures(
    record: Mapping[str, Any],
    digests: Mapping[str, Digests],
    measures: MemberMeasures,
    withheld: Mapping[str, Digests],
) -> Iterator[Contradiction]:
    pictures = _at(record, "content.pictures")
    if pictures is _ABSENT:
        return
    left = MAX_TILES
    for file in _files_of(pictures):
        if file is None:
            yield Code.FORMAT, tr("the list content.pictures has an entry without a file path")
            continue
        path = file["path"]
        if path not in digests:
            yield (
                Code.MISSING,
                tr(
                    "the list content.pictures contains {path}, but the bundle does not contain "
                    "this file",
                    path=path,
                ),
            )
        elif path.endswith(".png") and path not in withheld:
            size = (file.get("width"), file.get("height"))
            if size != measures.size(path) or not all(type(number) is int for number in size):
                yield (
                    Code.FORMAT,
                    tr(
                        "the width or the height of {path} in content.pictures differs from the "
                        "picture file",
                        path=path,
                    ),
                )
        tiles, count = file.get("tiles"), file.get("tile_count")
        if type(count) is not int or not isinstance(tiles, list) or len(tiles) != min(count, left):
            yield (
                Code.FORMAT,
                tr(
                    "the number of tiles of {path} in content.pictures differs from the stated "
                    "tile_count",
                    path=path,
                ),
            )
        else:
            left -= len(tiles)


def _files_of(pictures: object) -> Iterator[dict[str, Any] | None]:
    """Yield each file of all pictures; None for an entry that is no file."""
    for picture in pictures if isinstance(pictures, list) else (None,):
        files = picture.get("files") if isinstance(picture, dict) else None
        for file in files if isinstance(files, list) else (None,):
            is_one = isinstance(file, dict) and isinstance(file.get("path"), str)
            yield file if is_one else None


def _rule_files(data: bytes | None, digests: Mapping[str, Digests]) -> Iterator[Contradiction]:
    """Compare the rule files that the assessment names; an unreadable assessment names none."""
    if data is None:
        return
    try:
        value = canonical_json.loads(data, max_values=assessments.MAX_VALUES)
    except EvidenceInvalid:
        return  # the derivation of the assessment reports it
    listed = value.get("rule_files") if isinstance(value, dict) else None
    for entry in listed if isinstance(listed, list) else ():
        name = entry.get("id") if isinstance(entry, dict) else None
        member = digests.get(f"capture/rules-{name}.toml")
        if member is not None and not _is_same(entry.get("sha256"), member.sha256):
            yield (
                Code.HASH,
                tr(
                    "the digest of the rule file {name} in {path} differs from the digest of the "
                    "rule file",
                    path=assessments.PATH,
                    name=name,
                ),
            )


# The record against itself.


def _twice(record: Mapping[str, Any]) -> Iterator[Contradiction]:
    for first, second in _TWICE:
        one, other = _at(record, first), _at(record, second)
        if _ABSENT in (one, other) or _is_same(one, other):
            continue
        if first == "when.http_date" and one == "" and other is None:
            continue  # no response
        yield (
            Code.FORMAT,
            tr(
                "{first} is {one!r:.60}, but {second} is {other!r:.60}",
                first=first,
                one=one,
                second=second,
                other=other,
            ),
        )


def _court_minimum(record: Mapping[str, Any]) -> Iterator[Contradiction]:
    met, line = _at(record, "court_minimum.met"), _at(record, "court_minimum.line")
    parts = [
        _at(record, f"court_minimum.{name}") for name in ("url", "html_source", "full_page_capture")
    ]
    if _ABSENT in (met, *parts):
        return
    if met is not all(part is True for part in parts) or not _are_bools(parts):
        yield (
            Code.FORMAT,
            tr(
                "court_minimum.met contradicts the fields url, html_source and "
                "full_page_capture of court_minimum"
            ),
        )
    said = line if isinstance(line, str) else ""
    if said.startswith("court minimum: YES" if met is False else "court minimum: NO ("):
        yield Code.FORMAT, tr("court_minimum.line contradicts court_minimum.met")


def _are_bools(values: Iterable[object]) -> bool:
    return all(isinstance(flag, bool) for flag in values)


def _outcome(record: Mapping[str, Any]) -> Iterator[Contradiction]:
    state, reasons = _at(record, "outcome.state"), _at(record, "outcome.reasons")
    if state is _ABSENT or reasons is _ABSENT:
        return
    if not isinstance(reasons, list) or state not in ("complete", "partial", "failed"):
        yield Code.FORMAT, tr("outcome has no valid state, or no list of reasons")
    elif (state == "complete") != (not reasons):
        yield (
            Code.FORMAT,
            tr(
                "outcome.state is {state}, but outcome.reasons has {count} entries",
                state=state,
                count=len(reasons),
            ),
        )


def _images(record: Mapping[str, Any], measures: MemberMeasures) -> Iterator[Contradiction]:
    counts = [
        _at(record, f"content.images.{name}")
        for name in ("wanted", "loaded", "failed", "pending", "placeholder")
    ]
    if _ABSENT in counts:
        return
    wanted, *states = counts
    if not _are_counts(counts) or wanted != sum(states):
        yield Code.FORMAT, tr("content.images.wanted is not the sum of the other counts of images")
    elif wanted <= MAX_IMAGES and measures.images not in (None, wanted):
        yield (
            Code.FORMAT,
            tr(
                "content.images.wanted is {wanted}, but {images} has {images2} lines",
                wanted=wanted,
                images=_IMAGES,
                images2=measures.images,
            ),
        )


def _requests(record: Mapping[str, Any]) -> Iterator[Contradiction]:
    total, *ends = [
        _at(record, f"content.requests.{name}")
        for name in ("total", "answered", "failed", "blocked", "cancelled", "pending")
    ]
    if _ABSENT in (total, *ends):
        return
    if not _are_counts((total, *ends)) or total != sum(ends):
        yield (
            Code.FORMAT,
            tr("content.requests.total is not the sum of the other counts of requests"),
        )
        return
    listed = _at(record, "content.failed_requests")
    _, failed, blocked, *_ = ends
    if listed is not _ABSENT and (
        not isinstance(listed, list) or len(listed) != min(failed + blocked, MAX_FAILED)
    ):
        yield (
            Code.FORMAT,
            tr(
                "the number of entries in content.failed_requests differs from the number of "
                "failed and blocked requests in content.requests"
            ),
        )


def _are_counts(values: Iterable[object]) -> bool:
    return all(type(count) is int and count >= 0 for count in values)


def _redactions(record: Mapping[str, Any]) -> Iterator[Contradiction]:
    listed = _at(record, "redactions")
    for entry in listed if isinstance(listed, list) else ():
        count, commitments = (
            (entry.get("count"), entry.get("commitments"))
            if isinstance(entry, dict)
            else (None, None)
        )
        if type(count) is not int or not isinstance(commitments, list) or count < len(commitments):
            yield (
                Code.FORMAT,
                tr(
                    "an entry of redactions is invalid, or its count is lower than "
                    "its number of commitments"
                ),
            )


def _certificates(record: Mapping[str, Any]) -> Iterator[Contradiction]:
    """Compare the digest of each certificate with its PEM, unless something was redacted in it."""
    chain = _at(record, "from_whom.tls.chain")
    if chain is _ABSENT or chain is None or _has_replaced_texts(record):
        return
    for entry in chain if isinstance(chain, list) else (None,):
        stated, pem = (
            (entry.get("sha256"), entry.get("pem")) if isinstance(entry, dict) else (None, None)
        )
        if openings.is_closed(stated) or openings.is_closed(pem):
            continue
        digest = _pem_digest(pem) if isinstance(pem, str) else None
        if digest is None or stated != digest:
            yield (
                Code.FORMAT,
                tr("a digest in from_whom.tls.chain is not the digest of its certificate"),
            )


def _pem_digest(pem: str) -> str | None:
    """Return the SHA-256 of the content of a PEM; None if it is not a PEM."""
    head, tail = "-----BEGIN CERTIFICATE-----\n", "-----END CERTIFICATE-----\n"
    if not (pem.startswith(head) and pem.endswith(tail) and pem.isascii()):
        return None
    body = pem[len(head) : -len(tail)]
    try:
        der = base64.b64decode(body.replace("\n", ""), validate=True)
    except ValueError:
        return None
    text = base64.b64encode(der).decode("ascii")
    lines = "".join(f"{text[at : at + 64]}\n" for at in range(0, len(text), 64))
    return hashlib.sha256(der).hexdigest() if lines == body else None


def _page(record: Mapping[str, Any], measures: MemberMeasures) -> Iterator[Contradiction]:
    """Compare the line of the page list from which a replay begins; it may have no page."""
    texts = [_at(record, "what.title"), _at(record, "what.final_url")]
    end = measures.pages_end
    has_none = not end or (measures.pages == 1 and end.endswith(b"\n"))
    if has_none or _ABSENT in texts or _has_replaced_texts(record) or not _are_uncut(texts):
        return
    title, url = (canonical_json.dumps(text) for text in texts)
    rest = end.removesuffix(b',"url":' + url + b"}\n")
    instant = len(b',"ts":"2026-11-24T16:37:26Z"')
    is_same = (
        measures.pages == 2  # a header, and one page
        and rest != end
        and rest[-instant:].startswith(b',"ts":"')
        and rest[:-instant].endswith(b',"title":' + title)
    )
    if not is_same:
        yield (
            Code.FORMAT,
            tr(
                "the title or the address of the page in the file {pages} differs from the record",
                pages=_PAGES,
            ),
        )


# The custody chain.


def _custody(
    record: Mapping[str, Any], digests: Mapping[str, Digests], data: bytes | None
) -> Iterator[Contradiction]:
    if data is None:
        return  # withheld
    try:
        events = custody_chain.parse(data)
    except EvidenceInvalid:
        return  # the check of the chain reports it
    there = (
        sum(names.is_listed(path) for path in digests) - 1
    )  # the chain counts before it is written
    for name, count, stated in _events(record, there):
        of_it = [event for event in events if event.event == name]
        if len(of_it) != count:
            yield (
                Code.CUSTODY,
                tr(
                    "the custody chain has {count} events of the type {name}, but {count2} "
                    "are expected",
                    count=len(of_it),
                    name=name,
                    count2=count,
                ),
            )
            continue
        for event in of_it:
            for field, value in stated.items():
                if getattr(event, field) not in value:
                    yield (
                        Code.CUSTODY,
                        tr(
                            "the field {field} of the custody event {name} contradicts the record",
                            field=field,
                            name=name,
                        ),
                    )


def _events(
    record: Mapping[str, Any], there: int
) -> Iterator[tuple[str, int, dict[str, tuple[object, ...]]]]:
    """
    Yield name and number of custody events, and the required values of their fields.

    Args:
        there: How many files of the bundle are listed. If the record names another number of
            artifacts, another check reports it.
    """
    software = record["software"]
    ended = canonical_json.parse_clock(record["when"]["ended_at"])
    sealed = canonical_json.parse_clock(record["sealed_at"])
    capture = {"object": record["what"]["requested_url"]}
    if openings.is_closed(capture["object"]):
        capture = {}
    state, reasons = _at(record, "outcome.state"), _at(record, "outcome.reasons")
    if isinstance(state, str) and state in _OUTCOMES:
        capture["outcome"] = _OUTCOMES[state]
    if (codes := _texts_of(reasons, "code")) is not None:
        capture["detail"] = "; ".join(codes)
    own: dict[str, tuple[object, ...]] = {"at": (ended,), "agent": (software,)}
    yield (
        "capture",
        1,
        own | {key: (text,) for key, text in capture.items() if len(text) <= MAX_TEXT},
    )
    if (replaced := _texts_of(_at(record, "redactions"), "name")) is not None:
        words = ", ".join(sorted(set(replaced)))
        yield (
            "redaction",
            1 if replaced else 0,
            own | ({"detail": (words,)} if _are_uncut(replaced) else {}),
        )
    if redactable.ANNOUNCED in record:
        yield "creation", 1, own | _creation(record, sealed)
    artifacts = _at(record, "content.artifacts")
    counts = {there, len(artifacts) + 1} if isinstance(artifacts, list) else {there}
    yield (
        tr("message digest calculation"),
        1,
        {
            "at": (sealed,),
            "agent": (software,),
            "object": (names.MANIFEST_SHA256,),
            "outcome": ("success",),
            "detail": tuple(
                tr("SHA-256 and BLAKE3 of {count} files", count=count) for count in counts
            ),
        },
    )


def _creation(record: Mapping[str, Any], sealed: datetime) -> dict[str, tuple[object, ...]]:
    """Return the fields of the event that salts the chain; the detail only if the key is valid."""
    stated: dict[str, tuple[object, ...]] = {
        "at": (sealed,),
        "object": (names.REDACTABLE_RECORD,),
        "outcome": ("success",),
    }
    announced = record[redactable.ANNOUNCED]
    text = announced.get("salt_key") if isinstance(announced, dict) else None
    with contextlib.suppress(EvidenceInvalid):  # the check of the commitments reports it
        salt = redactable.derive_salt(redactable.parse_salt_key(text), names.CUSTODY)
        stated["detail"] = (f"salt: {salt.hex()}",)
    return stated


def _texts_of(values: object, name: str) -> list[str] | None:
    """Return one text of each object of a list; None if an entry has none."""
    if not isinstance(values, list):
        return None
    found = [fields.get(name) if isinstance(fields, dict) else None for fields in values]
    return [text for text in found if isinstance(text, str)] if _are_texts(found) else None


def _are_texts(values: Iterable[object]) -> bool:
    return all(isinstance(text, str) for text in values)


def _are_uncut(texts: Sequence[str]) -> bool:
    return all(len(text) <= MAX_TEXT for text in texts)
