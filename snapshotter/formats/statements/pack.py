"""
Read, write and check a proof pack: one HTML file with captures, an event and a page about them.

    page                                  HTML, up to the manifest
    <script … id="manifest">              a signed statement: names and digests of all else
    <script … data-name="…">              each part, in base64, in the manifest's order
    end                                   the script that checks the file, and the closing tags

The manifest fixes every offset: a reader computes which bytes must be where, and compares. So each
pack has one encoding, and every altered byte is found and its place is named
(docs/spec/proof-pack.md). Parts are written and read in blocks: a pack of many hundred megabytes
needs no more memory than a small one.
"""

import base64
import binascii
import hashlib
import io
import json
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, BinaryIO, cast

from snapshotter.errors import EvidenceInvalid, SnapshotterError
from snapshotter.formats import typed
from snapshotter.formats.bundle import wacz
from snapshotter.formats.bundle.store_keys import bundle_time
from snapshotter.formats.canonical_json import instant, parse_instant, plain
from snapshotter.formats.signatures import keys
from snapshotter.formats.signatures import signed_statement as statement
from snapshotter.model.digests import is_digest
from snapshotter.model.finding import Code
from snapshotter.model.proof import CAPTURES, ENDS, PackSection, Part, Role
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

FORMAT = "snapshotter-pack/1"
MAGIC = b"<!DOCTYPE html>\n<!-- snapshotter-pack/1 -->\n"
BUNDLE_TYPE = "application/wacz"

MAX_BYTES = 4 << 30  # of the whole file
MAX_PARTS = 200
MAX_PAGE = 4 << 20  # bytes
MAX_END = 1 << 20  # bytes

_OPEN = b'<script type="text/plain" id="manifest">\n'
_CLOSE = b"</script>\n"
_LINE = 57  # bytes in a line of base64, which has 76 characters: what `base64` prints
_WIDE = 77  # with its newline
_LINES = 1 << 13  # in a block: 456 KiB of a part at a time
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
_MEDIA_TYPE = re.compile(r"[a-z]+/[a-z0-9.+-]{1,80}")
_FIELDS = {
    "end": dict, "event_id": str, "lacks": list, "made_at": str, "page": dict, "parts": list,
    "software": str, "text_sha256": str,
}  # fmt: skip

PAGE, MANIFEST, END = "page", "manifest", "end"  # what stands beside the parts, by name


class PackInvalid(EvidenceInvalid):
    """The file is no pack as one was made; `code` says in which respect."""

    def __init__(self, message: str, code: Code) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class PackManifest:
    """What a pack holds. Raises ValueError for what none does."""

    event_id: str  # "": the captures are there, and no event was concluded from them
    made_at: datetime  # UTC, whole seconds
    software: str
    lacks: tuple[str, ...]  # words for what was left out: "confirmations", "pdf", …
    page: PackSection
    text_sha256: str  # of all that the page shows, which its own script compares
    parts: tuple[Part, ...]
    end: PackSection

    def __post_init__(self) -> None:
        if self.event_id:
            bundle_time(self.event_id)
        if not (0 < self.page.length <= MAX_PAGE and 0 < self.end.length <= MAX_END):
            raise ValueError(f"a page has at most {MAX_PAGE} bytes, and its end {MAX_END}")
        if len(self.parts) > MAX_PARTS:
            raise ValueError(f"more than {MAX_PARTS} parts")
        pieces: list[PackSection | Part] = [self.page, self.end, *self.parts]
        if any(piece.length < 0 or not is_digest(piece.sha256) for piece in pieces):
            raise ValueError("a piece without a length, or without a digest")
        if not is_digest(self.text_sha256):
            raise ValueError("the words of the page have no digest")
        _check_parts(self.parts)
        if not all(map(_NAME.fullmatch, self.lacks)) or list(self.lacks) != sorted(set(self.lacks)):
            raise ValueError("the list of missing parts must be sorted words")

    @property
    def captures(self) -> tuple[Part, ...]:
        """The bundles, in their order."""
        return tuple(part for part in self.parts if part.role in CAPTURES)

    def beside(self, capture: Part) -> tuple[Part, ...]:
        """Return the sidecars of a capture."""
        return tuple(part for part in self.parts if part.of == capture.name)

    def of_role(self, role: Role) -> tuple[Part, ...]:
        """Return the parts of one role."""
        return tuple(part for part in self.parts if part.role is role)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """A pack whose manifest was read, and where in the file all that it names has to be."""

    manifest: PackManifest
    key_id: str  # who signed it
    page: PackSection  # its length is where the manifest was found: another than it says is altered
    statement: bytes  # the manifest's two lines
    length: int  # bytes of the whole file, as the manifest has it

    def offsets(self) -> Iterator[tuple[Part, int]]:
        """Yield each part, and where its block begins."""
        at = self._behind_manifest
        for part in self.manifest.parts:
            yield part, at
            at += block_length(part)

    def offset(self, wanted: Part) -> int:
        """Return where the base64 of a part begins."""
        at = next(at for part, at in self.offsets() if part is wanted)
        return at + len(_open_part(wanted))

    @property
    def _behind_manifest(self) -> int:
        return self.page.length + len(_OPEN) + len(self.statement) + len(_CLOSE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alteration:
    """Something in a pack that is not as it was when the pack was made."""

    what: str  # a person's words: "the capture 'last seen' (2026…)"
    detail: str  # the whole sentence


def describe(part: Part, parts: Sequence[Part]) -> str:
    """Return what a part is, in words, and by which name."""
    stem = part.name.removesuffix(".wacz")
    if part.role in CAPTURES:
        return f"the capture '{part.role.replace('-', ' ')}' ({stem})"
    if part.role is Role.BESIDE:
        owner = next(file for file in parts if file.name == part.of)
        return f"{part.name}, beside {describe(owner, parts)}"
    return f"{_WORDS[part.role]} ({part.name})"


_WORDS = {
    Role.EVENT: "the event's record",
    Role.EVENT_PROOF: "the event's log proof",
    Role.KEY: "the event key",
    Role.TRUST: "the trust file",
    Role.FACTS: "the statement as JSON",
    Role.PICTURE: "the picture of both captures",
    Role.PDF: "the statement as PDF",
    Role.RULES: "the file of rules",
}


def section_of(data: bytes) -> PackSection:
    """Return length and digest of the page or of the end."""
    return PackSection(length=len(data), sha256=hashlib.sha256(data).hexdigest())


def block_length(part: Part) -> int:
    """Return how many bytes of a pack a part takes."""
    return len(_open_part(part)) + _encoded_length(part.length) + len(_CLOSE)


def looks_like_pack(head: bytes) -> bool:
    """
    Return whether a file that begins so is to be judged as a pack.

    Generous: one whose first bytes were altered is still one to find that of.
    """
    return head[:1] == b"<" or FORMAT.encode() in head[: 2 * len(MAGIC)]


def frame(page: bytes, parts: Sequence[Part], end: bytes) -> bytes:
    """Return a pack without its list and without the bytes of its parts: what a page shows."""
    blocks = b"".join(_open_part(part) + _CLOSE for part in parts)
    return page + _OPEN + _CLOSE + blocks + end


# --- writing ----------------------------------------------------------------------------------


def write(
    page: bytes,
    end: bytes,
    manifest: PackManifest,
    opened: Sequence[Callable[[], BinaryIO]],
    signer: statement.Signer,
    out: BinaryIO,
) -> int:
    """
    Write a pack in one pass; return its length in bytes.

    Args:
        opened: For each part of the manifest, what opens it for reading.
        out: Binary, empty. Left open, at its end.

    Raises:
        ValueError: The page or the end is not that of the manifest, or could not be told apart.
        SnapshotterError: A part is not as the manifest says, or more than a pack holds.
    """
    if section_of(page) != manifest.page or section_of(end) != manifest.end:
        raise ValueError("the page is not the page of the manifest")
    if not page.startswith(MAGIC) or not page.endswith(b"\n") or _OPEN in page:
        raise ValueError("the page is not the page of a proof pack")
    said = statement.encode(_plain(manifest), CanonicalSigner(signer))
    if len(said) > statement.MAX_BYTES:
        raise SnapshotterError(
            tr(
                "a manifest of {count} parts is longer than {max_bytes} bytes",
                count=len(manifest.parts),
                max_bytes=statement.MAX_BYTES,
            ),
            hint=tr("leave out parts, for example with --without confirmations"),
        )
    if b"<" in said:  # it would end the element that it stands in
        raise ValueError("a manifest holds no '<'")
    length = _length(manifest, len(page), len(said))
    if length > MAX_BYTES:
        raise SnapshotterError(
            tr(
                "the pack has {length} bytes, but can have at most {max_bytes}",
                length=length,
                max_bytes=MAX_BYTES,
            ),
            hint=tr("leave out parts, for example with --without confirmations"),
        )
    out.write(page + _OPEN + said + _CLOSE)
    for part, opener in zip(manifest.parts, opened, strict=True):
        out.write(_open_part(part))
        with opener() as source:
            _write_base64(source, part, out)
        out.write(_CLOSE)
    out.write(end)
    return length


class CanonicalSigner:
    """
    A signer whose signatures have one spelling.

    ECDSA has for every (r, s) a twin (r, n - s) that holds as well, and that anybody can
    compute. No token stands over a pack to tell the two apart: so the smaller s it is.
    """

    def __init__(self, signer: statement.Signer) -> None:
        self._signer = signer

    @property
    def key_id(self) -> str:
        return self._signer.key_id

    @property
    def public_key_pem(self) -> bytes:
        return self._signer.public_key_pem

    def sign(self, message: bytes) -> bytes:
        return _one_spelling(self.public_key_pem, self._signer.sign(message))


def _one_spelling(pem: bytes, signature: bytes) -> bytes:
    key = keys.load_public_pem(pem, allow_p256=True)
    return keys.from_p1363(wacz.canonical_signature(key, keys.to_p1363(signature, key)), key)


def _write_base64(source: BinaryIO, part: Part, out: BinaryIO) -> None:
    digest, left = hashlib.sha256(), part.length
    while left:
        data = _exactly(source, min(left, _LINE * _LINES), part)
        digest.update(data)
        out.write(_lines(data))
        left -= len(data)
    if source.read(1) or digest.hexdigest() != part.sha256:
        raise SnapshotterError(
            tr("{name} changed while the pack was written", name=part.name), hint=tr("try again")
        )


def _exactly(source: BinaryIO, count: int, part: Part) -> bytes:
    data = b""
    while len(data) < count:
        more = source.read(count - len(data))
        if not more:
            raise SnapshotterError(
                tr("{name} changed while the pack was written", name=part.name),
                hint=tr("try again"),
            )
        data += more
    return data


def _lines(data: bytes) -> bytes:
    """Return bytes as `base64` prints them: lines of 76 characters, the last one shorter."""
    return binascii.b2a_base64(data) if len(data) <= _LINE else base64.encodebytes(data)


def _open_part(part: Part) -> bytes:
    return (
        f'<script type="text/plain" class="part" data-name="{part.name}" '
        f'data-media-type="{part.media_type}" data-length="{part.length}" '
        f'data-sha256="{part.sha256}">\n'
    ).encode("ascii")


def _encoded_length(length: int) -> int:
    lines, rest = divmod(length, _LINE)
    return lines * _WIDE + ((rest + 2) // 3 * 4 + 1 if rest else 0)


def _length(manifest: PackManifest, page: int, said: int) -> int:
    parts = sum(map(block_length, manifest.parts))
    return page + len(_OPEN) + said + len(_CLOSE) + parts + manifest.end.length


def _plain(manifest: PackManifest) -> dict[str, Any]:
    return {
        "end": plain(manifest.end),
        "event_id": manifest.event_id,
        "format": FORMAT,
        "lacks": list(manifest.lacks),
        "made_at": instant(manifest.made_at),
        "page": plain(manifest.page),
        "parts": plain(manifest.parts),
        "software": manifest.software,
        "text_sha256": manifest.text_sha256,
    }


# --- reading ----------------------------------------------------------------------------------


def read(stream: BinaryIO) -> Pack:
    """
    Find the manifest of a pack, check its signature and return what it says.

    Nothing else is looked at: `find_alterations` does that.

    Args:
        stream: Binary and seekable; read from its start, left open.

    Raises:
        PackInvalid: There is none, it is not in its form, or its signature does not hold.
    """
    stream.seek(0)
    head = stream.read(MAX_PAGE + len(_OPEN) + statement.MAX_BYTES + len(_CLOSE))
    at = head.find(_OPEN)
    if not 0 <= at <= MAX_PAGE:
        raise PackInvalid(
            tr("the file does not contain the manifest of a proof pack at the required place"),
            Code.CONTAINER,
        )
    begin = at + len(_OPEN)
    # Two lines: neither can hold a newline.
    first = head.find(b"\n", begin)
    second = head.find(b"\n", first + 1) if first >= 0 else -1
    said = head[begin : second + 1] if second >= 0 else b""
    if not said or head[second + 1 : second + 1 + len(_CLOSE)] != _CLOSE:
        raise PackInvalid(tr("the manifest does not have two lines, or has no end"), Code.CONTAINER)
    if b"<" in said:
        raise PackInvalid(
            tr("the manifest contains the character <, which a manifest cannot contain"),
            Code.MANIFEST,
        )
    try:
        found = statement.parse(said, FORMAT, _FIELDS)
    except EvidenceInvalid as error:
        raise PackInvalid(
            tr("the manifest was altered: {value}", value=error.message), Code.SIG
        ) from error
    seal = json.loads(said.splitlines()[1])
    signature = base64.b64decode(seal["signature"])
    if _one_spelling(seal["public_key"].encode("ascii"), signature) != signature:
        raise PackInvalid(
            tr("the manifest was altered: its signature is not in the required form"), Code.SIG
        )
    try:
        manifest = _manifest(found.value)
    except (EvidenceInvalid, ValueError) as error:
        raise PackInvalid(
            tr("the manifest is not valid: {error}", error=error), Code.MANIFEST
        ) from error
    length = _length(manifest, manifest.page.length, len(said))
    if length > MAX_BYTES:
        raise PackInvalid(
            tr("the manifest states more bytes than a proof pack can have"), Code.MANIFEST
        )
    return Pack(
        manifest=manifest,
        key_id=found.key_id,
        page=section_of(head[:at]),
        statement=said,
        length=length,
    )


def find_alterations(stream: BinaryIO, pack: Pack) -> Iterator[Alteration]:
    """
    Read a pack from its first byte to its last; yield what is not as it was made.

    Where the lengths fit, each that was altered is named; where something is missing or
    there too much, all behind it is out of place, and the first is the one that is named.

    Args:
        pack: From `read`, of this very stream.
    """
    manifest = pack.manifest
    shifted = stream.seek(0, io.SEEK_END) != pack.length or pack.page.length != manifest.page.length
    for found in _compare(stream, pack):
        yield found
        if shifted:
            return


def _compare(stream: BinaryIO, pack: Pack) -> Iterator[Alteration]:
    manifest = pack.manifest
    stream.seek(0)
    page = stream.read(pack.page.length)
    if section_of(page) != manifest.page or not page.startswith(MAGIC):
        yield _altered(
            tr("the page of the pack"), tr("the text that you read in this file was altered")
        )
    between = _OPEN + pack.statement + _CLOSE
    if stream.read(len(between)) != between:
        yield _altered("the manifest", tr("the file changed while the file was read"))
    for part in manifest.parts:
        what = describe(part, manifest.parts)
        if not _is_as_made(stream, part):
            yield _altered(what, f"{what} was altered")
    if section_of(stream.read(manifest.end.length + 1)) != manifest.end:
        yield _altered(
            tr("the end of the page"), tr("the end of the page, with its script, was altered")
        )


def _is_as_made(stream: BinaryIO, part: Part) -> bool:
    """Read the block of a part; return whether it is the one that its manifest has."""
    opening = _open_part(part)
    good = stream.read(len(opening)) == opening
    digest, left = hashlib.sha256(), part.length
    while left:
        count = min(left, _LINE * _LINES)
        text = stream.read(_encoded_length(count))
        data = _decoded(text, count)
        good = good and data is not None
        digest.update(data or b"")
        left -= count
    closing = stream.read(len(_CLOSE)) == _CLOSE
    return good and closing and digest.hexdigest() == part.sha256


def _decoded(text: bytes, count: int) -> bytes | None:
    """Return what lines of base64 say; None unless they are how it is written."""
    try:
        data = base64.b64decode(text.replace(b"\n", b""), validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if len(data) == count and _lines(data) == text else None


def _altered(what: str, detail: str) -> Alteration:
    return Alteration(what=what, detail=detail)


class _PartStream:
    """One part of a pack, read as a file: it decodes as it is read, and keeps nothing."""

    def __init__(self, stream: BinaryIO, pack: Pack, part: Part) -> None:
        self._stream = stream
        self._start = pack.offset(part)
        self._length = part.length
        self._at = 0

    def __enter__(self) -> "_PartStream":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Do nothing: the stream of the pack is its opener's."""

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._length}[whence]
        if base + offset < 0:
            raise ValueError("before the start of the part")
        self._at = base + offset
        return self._at

    def read(self, count: int = -1) -> bytes:
        left = max(0, self._length - self._at)
        wanted = left if count < 0 else min(count, left)
        pieces = []
        while wanted:
            data = self._some(min(wanted, _LINE * _LINES))
            pieces.append(data)
            wanted -= len(data)
        return b"".join(pieces)

    def _some(self, wanted: int) -> bytes:
        line, skip = divmod(self._at, _LINE)
        lines = -(-(skip + wanted) // _LINE)
        count = min(lines * _LINE, self._length - line * _LINE)
        self._stream.seek(self._start + line * _WIDE)
        data = _decoded(self._stream.read(_encoded_length(count)), count)
        if data is None:
            raise OSError(tr("the pack changed while it was being read"))
        data = data[skip : skip + wanted]
        self._at += len(data)
        return data


def open_part(stream: BinaryIO, pack: Pack, part: Part) -> BinaryIO:
    """
    Return one part of a pack as a file of its own: binary, seekable, for reading.

    What is read must have been checked by `find_alterations`. Reading it raises OSError if the pack
    changes meanwhile.

    Args:
        stream: Of the pack. Where it stands is this part's alone while the part is read.
    """
    return cast(BinaryIO, _PartStream(stream, pack, part))


def read_part(stream: BinaryIO, pack: Pack, part: Part, *, limit: int) -> bytes:
    """
    Return the bytes of a small part.

    Raises:
        PackInvalid: It has more than `limit` bytes.
    """
    if part.length > limit:
        raise PackInvalid(
            tr("{name} is longer than {limit} bytes", name=part.name, limit=limit), Code.CONTAINER
        )
    with open_part(stream, pack, part) as opened:
        return opened.read()


def _manifest(value: Any) -> PackManifest:
    """Raises EvidenceInvalid and ValueError."""
    if len(value["parts"]) > MAX_PARTS:
        raise EvidenceInvalid(
            tr("the manifest has more than {max_parts} parts", max_parts=MAX_PARTS)
        )
    if not all(isinstance(lack, str) for lack in value["lacks"]):
        raise EvidenceInvalid(
            tr("the list of parts that were left out contains an entry that is not text")
        )
    found = PackManifest(
        event_id=value["event_id"],
        made_at=parse_instant(value["made_at"]),
        software=value["software"],
        lacks=tuple(value["lacks"]),
        page=typed.read(PackSection, value["page"]),
        text_sha256=value["text_sha256"],
        parts=tuple(typed.read(Part, part) for part in value["parts"]),
        end=typed.read(PackSection, value["end"]),
    )
    if _plain(found) != value:  # a default that was left out is a second spelling
        raise EvidenceInvalid(tr("the manifest is not in the required form"))
    return found


def _check_parts(parts: Sequence[Part]) -> None:
    if len({part.name.lower() for part in parts}) != len(parts):
        raise ValueError("two parts have the same name, or differ in case alone")
    captures = {part.name: part for part in parts if part.role in CAPTURES}
    for part in parts:
        if not (_NAME.fullmatch(part.name) and _MEDIA_TYPE.fullmatch(part.media_type)):
            raise ValueError(f"a part of a pack cannot have the name {part.name[:80]!r}")
        if (part.role is Role.BESIDE) != bool(part.of):
            raise ValueError("a sidecar must name its capture, and no other part must name one")
        if part.of and (part.of not in captures or not part.name.startswith(f"{part.of}.")):
            raise ValueError(f"the capture of the sidecar {part.name[:80]!r} is not in the pack")
    for name in captures:
        bundle_time(name.removesuffix(".wacz"))
        if not name.endswith(".wacz"):
            raise ValueError("a capture must be a .wacz file")
    for role in ENDS:
        if sum(part.role is role for part in parts) != 1:
            raise ValueError(f"a pack must have exactly one capture '{role}'")
    for role in (Role.EVENT, Role.EVENT_PROOF, Role.KEY, Role.FACTS, Role.PICTURE, Role.PDF):
        if sum(part.role is role for part in parts) > 1:
            raise ValueError(f"a pack can have at most one part '{role}'")
