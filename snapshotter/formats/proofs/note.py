"""
Read, write and check signed notes, log checkpoints and the cosignatures of witnesses.

    example.com/log                                  the origin of the log
    20852163                                         number of entries
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=     the root hash

    — example.com/log Az3grlgt…                      the signature of the log
    — witness.example.com/w1 jWbPPwAAAABk…           a witness, with the time of its signature

The formats are C2SP signed-note, tlog-checkpoint and tlog-cosignature. A note proves nothing
unless a key that the reader chose has signed it. Two kinds of signature are read: Ed25519 over
the text, and Ed25519 over the text with a time (`cosignature/v1`). All others are ignored, as the
specification requires, and never count as a signature.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats.proofs import merkle
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

ED25519 = 0x01
COSIGNATURE_V1 = 0x04

MAX_BYTES = 1 << 16  # of a note: room for 16 signatures of any kind and more
MAX_SIGNATURES = 64
MAX_NAME = 200  # characters of a key's name

_LINE = "— "  # U+2014 and a space
_ID_HEX = re.compile(r"[0-9a-f]{8}")
_SIZE = re.compile(r"0|[1-9][0-9]{0,15}")


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifierKey:
    """A public key with its name and its kind. Raises ValueError for what cannot be one."""

    name: str  # SHOULD be a URL without its scheme; no spaces, no "+"
    kind: int  # `ED25519` for a log, `COSIGNATURE_V1` for a witness
    public_key: bytes  # 32 bytes, RFC 8032

    def __post_init__(self) -> None:
        _check_name(self.name)
        if self.kind not in (ED25519, COSIGNATURE_V1) or len(self.public_key) != 32:
            raise ValueError("a verifier key is an Ed25519 key, for notes or for cosignatures")

    @property
    def id(self) -> bytes:
        """The four bytes that a signature begins with."""
        hashed = self.name.encode() + b"\n" + bytes([self.kind]) + self.public_key
        return hashlib.sha256(hashed).digest()[:4]

    @property
    def text(self) -> str:
        """The key as a person passes it on: `name+id+base64`."""
        encoded = base64.b64encode(bytes([self.kind]) + self.public_key).decode()
        return f"{self.name}+{self.id.hex()}+{encoded}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteSignature:
    """One signature line, not yet verified."""

    name: str
    id: bytes  # 4 bytes
    signature: bytes  # what follows the id: for a cosignature, its time stands first

    @property
    def line(self) -> str:
        """The line, with its newline."""
        return f"{_LINE}{self.name} {base64.b64encode(self.id + self.signature).decode()}\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A text and its signatures, none of them verified."""

    text: str  # ends in a newline
    signatures: tuple[NoteSignature, ...]

    def encode(self) -> bytes:
        """Return the note's bytes."""
        return f"{self.text}\n{''.join(signature.line for signature in self.signatures)}".encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cosignature:
    """A witness's word: at that time, this was the largest tree of this log it had seen."""

    key: VerifierKey
    time: datetime  # UTC, whole seconds; of several lines the earliest
    latest: datetime  # of several lines the latest


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A log's tree head: who, how large, which root. Raises ValueError for what cannot be one."""

    origin: str
    size: int
    root: bytes  # 32 bytes
    extensions: tuple[str, ...] = ()  # further lines; nobody vouches for them

    def __post_init__(self) -> None:
        lines = (self.origin, *self.extensions)
        if not all(lines) or any(_has_control(line) for line in lines):
            raise ValueError("a checkpoint's lines are not empty, and each is one line")
        if not 0 <= self.size <= merkle.MAX_SIZE or len(self.root) != merkle.HASH_BYTES:
            raise ValueError("a checkpoint has a size and a root of 32 bytes")
        if self.size == 0 and self.root != merkle.EMPTY_ROOT:
            raise ValueError("an empty tree has another root")

    @property
    def text(self) -> str:
        """The text that is signed."""
        root = base64.b64encode(self.root).decode()
        return "".join(
            f"{extension}\n" for extension in (self.origin, self.size, root, *self.extensions)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedCheckpoint:
    """A checkpoint whose log's signature was verified, with the witnesses that were known."""

    checkpoint: Checkpoint
    note: Note
    cosignatures: tuple[Cosignature, ...] = ()  # at most one of each key, sorted by its name

    @property
    def size(self) -> int:
        """Entries of the tree."""
        return self.checkpoint.size

    @property
    def root(self) -> bytes:
        """Root of the tree."""
        return self.checkpoint.root


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPolicy:
    """
    Which log is believed, and how many of which witnesses have to have seen a checkpoint.

    It comes from the reader's trust file. Raises ValueError for what cannot be met.
    """

    key: VerifierKey
    witnesses: tuple[VerifierKey, ...] = ()
    quorum: int = 0  # least number of different witnesses; 0: the log's own word suffices
    # Further logs of a reader who has several, by their own word: see `of_log`.
    others: tuple[VerifierKey, ...] = ()

    def __post_init__(self) -> None:
        if any(verifier_key.kind != ED25519 for verifier_key in (self.key, *self.others)):
            raise ValueError("a log signs with a key for notes")
        if any(verifier_key.kind != COSIGNATURE_V1 for verifier_key in self.witnesses):
            raise ValueError("a witness signs with a key for cosignatures")
        keys = {verifier_key.public_key for verifier_key in self.witnesses}
        if len(keys) != len(self.witnesses) or self.key.public_key in keys:
            raise ValueError("every witness must have its own key, other than the key of the log")
        if not 0 <= self.quorum <= len(self.witnesses):
            raise ValueError("a quorum is at most the number of witnesses")

    def of_log(self, checkpoint: bytes) -> "LogPolicy":
        """
        Return the policy for the log that a checkpoint names, of those that are believed.

        Nothing is verified: for a checkpoint of any other log, or of none, it is this policy.
        """
        origin = checkpoint.partition(b"\n")[0]
        key = next(
            (verifier_key for verifier_key in self.others if verifier_key.name.encode() == origin),
            None,
        )
        return self if key is None else LogPolicy(key=key)

    def open(self, data: bytes) -> SignedCheckpoint:
        """Return a checkpoint of this log, as `open_checkpoint` does. Raises EvidenceInvalid."""
        return open_checkpoint(data, self.key, self.witnesses)

    def is_met_by(self, signed: SignedCheckpoint) -> bool:
        """Return whether enough witnesses have seen it."""
        return len(signed.cosignatures) >= self.quorum


def parse_verifier_key(text: str) -> VerifierKey:
    """
    Return the key that `VerifierKey.text` spells, and nothing else.

    Raises:
        EvidenceInvalid: Not a verifier key, of a kind that is not read here, or its id is wrong.
    """
    # No name holds a "+", and base64 may.
    name, _, rest = text.partition("+")
    id_hex, _, encoded = rest.partition("+")
    try:
        material = _from_base64(encoded)
        key = VerifierKey(name=name, kind=material[0] if material else 0, public_key=material[1:])
    except ValueError as error:
        raise EvidenceInvalid(tr("the text is not a verifier key: {error}", error=error)) from error
    if not _ID_HEX.fullmatch(id_hex) or key.id.hex() != id_hex:
        raise EvidenceInvalid(
            tr(
                "the id in the verifier key does not match the name and the "
                "public key in the verifier key"
            )
        )
    return key


def parse(data: bytes) -> Note:
    """
    Return a note; nothing about it is verified.

    Raises:
        EvidenceInvalid: Not a note, too long, or with too many signatures.
    """
    if len(data) > MAX_BYTES:
        raise EvidenceInvalid(tr("a note is longer than {max_bytes} bytes", max_bytes=MAX_BYTES))
    try:
        content = data.decode("utf-8")
    except ValueError as error:
        raise EvidenceInvalid(tr("a note is not UTF-8")) from error
    if any(character < " " and character != "\n" for character in content):
        raise EvidenceInvalid(tr("a note contains a control character"))
    # The text may hold empty lines; the last one ends it.
    text, separator, lines = content.rpartition("\n\n")
    if not separator or not lines.endswith("\n"):
        raise EvidenceInvalid(tr("a note has no signatures"))
    signatures = parse_signature_lines(lines)
    return Note(text=f"{text}\n", signatures=signatures)


def parse_signature_lines(lines: str) -> tuple[NoteSignature, ...]:
    """Return one or more signature lines. Raises EvidenceInvalid."""
    split = lines.split("\n")
    if len(split) - 1 > MAX_SIGNATURES:
        raise EvidenceInvalid(
            tr("a note has more than {max_signatures} signatures", max_signatures=MAX_SIGNATURES)
        )
    if len(split) < 2 or split.pop():
        raise EvidenceInvalid(tr("a signature line does not end in a newline"))
    return tuple(_parse_line(line) for line in split)


def signed_by(note: Note, key: VerifierKey) -> bool:
    """
    Return whether this Ed25519 key has signed the note's text.

    Raises:
        EvidenceInvalid: A line says that it did, and its signature does not hold.
        ValueError: A key of another kind.
    """
    if key.kind != ED25519:
        raise ValueError("a note is signed by a key for notes")
    mine = _lines_of(note, key)
    for line in mine:
        if not _holds(key, line.signature, note.text.encode()):
            raise EvidenceInvalid(
                tr("a signature of {name} is not valid for the note", name=key.name)
            )
    return bool(mine)


def find_cosignature(note: Note, key: VerifierKey) -> Cosignature | None:
    """
    Return this witness's cosignature of the note; several lines of it are one.

    Raises:
        EvidenceInvalid: A line says that it did, and its signature does not hold.
        ValueError: A key of another kind.
    """
    if key.kind != COSIGNATURE_V1:
        raise ValueError("a checkpoint is cosigned by a key for cosignatures")
    times = []
    for line in _lines_of(note, key):
        seconds = int.from_bytes(line.signature[:8], "big")
        if len(line.signature) != 72 or not _holds(
            key, line.signature[8:], cosigned_message(note.text, seconds)
        ):
            raise EvidenceInvalid(
                tr("a cosignature of {name} is not valid for the checkpoint", name=key.name)
            )
        try:
            times.append(datetime.fromtimestamp(seconds, UTC))
        except (ValueError, OverflowError, OSError) as error:
            raise EvidenceInvalid(
                tr("the time in a cosignature of {name} is out of range", name=key.name)
            ) from error
    return Cosignature(key=key, time=min(times), latest=max(times)) if times else None


def parse_checkpoint(text: str) -> Checkpoint:
    """
    Return the checkpoint of a note's text, which was verified before.

    Raises:
        EvidenceInvalid: Not the text of a checkpoint.
    """
    lines = text.split("\n")
    if len(lines) < 4 or lines.pop():
        raise EvidenceInvalid(tr("a checkpoint must have at least three lines"))
    if not _SIZE.fullmatch(lines[1]):
        raise EvidenceInvalid(
            tr("the second line of a checkpoint is not a valid number of entries")
        )
    try:
        return Checkpoint(
            origin=lines[0],
            size=int(lines[1]),
            root=_from_base64(lines[2]),
            extensions=tuple(lines[3:]),
        )
    except ValueError as error:
        raise EvidenceInvalid(tr("not a checkpoint: {error}", error=error)) from error


def open_checkpoint(
    data: bytes, key: VerifierKey, witnesses: Collection[VerifierKey] = ()
) -> SignedCheckpoint:
    """
    Return a checkpoint that this log has signed, with the cosignatures of known witnesses.

    The origin has to be the key's name. A cosignature that claims to be a known
    witness's and is not does not count; it takes nothing from the log's own word,
    since whoever keeps the file could have put it there.

    Raises:
        EvidenceInvalid: Not a checkpoint, not of this log, or not signed by it.
    """
    note = parse(data)
    if not signed_by(note, key):
        raise EvidenceInvalid(
            tr("the checkpoint is not signed with the key of the log {name}", name=key.name)
        )
    checkpoint = parse_checkpoint(note.text)
    if checkpoint.origin != key.name:
        raise EvidenceInvalid(tr("the checkpoint does not belong to the log {name}", name=key.name))
    found: dict[bytes, Cosignature] = {}
    for witness in witnesses:
        try:
            cosignature = find_cosignature(note, witness)
        except EvidenceInvalid:
            continue
        if cosignature is not None:
            # By the key, whatever names it goes by: two names are not two witnesses.
            found.setdefault(witness.public_key, cosignature)
    ordered = sorted(
        found.values(), key=lambda cosignature: (cosignature.key.name, cosignature.key.id)
    )
    return SignedCheckpoint(checkpoint=checkpoint, note=note, cosignatures=tuple(ordered))


def cosigned_message(text: str, seconds: int) -> bytes:
    """Return what a witness signs: the time and the whole text of the checkpoint."""
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()


def signature(key: VerifierKey, raw: bytes, seconds: int | None = None) -> NoteSignature:
    """
    Return the line for a raw Ed25519 signature of 64 bytes.

    Args:
        seconds: For a cosignature, the time that was signed.
    """
    if (key.kind == COSIGNATURE_V1) != (seconds is not None) or len(raw) != 64:
        raise ValueError("a cosignature has a time, and no other signature has one")
    time = b"" if seconds is None else seconds.to_bytes(8, "big")
    return NoteSignature(name=key.name, id=key.id, signature=time + raw)


def with_signatures(note: Note, more: Sequence[NoteSignature]) -> Note:
    """Return the note with further signatures; of one key, the line that was there stays."""
    there = {(signature.name, signature.id) for signature in note.signatures}
    added = [signature for signature in more if (signature.name, signature.id) not in there]
    return replace(note, signatures=(*note.signatures, *added))


def _parse_line(line: str) -> NoteSignature:
    name, separator, encoded = line.removeprefix(_LINE).partition(" ")
    if not line.startswith(_LINE) or not separator:
        raise EvidenceInvalid(tr("a line is not a signature line of a note"))
    try:
        _check_name(name)
        value = _from_base64(encoded)
    except ValueError as error:
        raise EvidenceInvalid(
            tr("a line is not a signature line of a note: {error}", error=error)
        ) from error
    if len(value) < 5:
        raise EvidenceInvalid(tr("a signature line of a note is too short"))
    return NoteSignature(name=name, id=value[:4], signature=value[4:])


def _lines_of(note: Note, key: VerifierKey) -> list[NoteSignature]:
    return [
        signature
        for signature in note.signatures
        if signature.name == key.name and signature.id == key.id
    ]


def _holds(key: VerifierKey, raw: bytes, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key.public_key).verify(raw, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _check_name(name: str) -> None:
    if not 0 < len(name) <= MAX_NAME or "+" in name or not name.isprintable():
        raise ValueError("a key's name is printable, without spaces and plus signs")
    if any(character.isspace() for character in name):
        raise ValueError("a key's name has no spaces")


def _has_control(line: str) -> bool:
    return any(character < " " for character in line)


def _from_base64(text: str) -> bytes:
    """Decode RFC 4648 section 4, in its one spelling. Raises ValueError."""
    try:
        value = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error
    if base64.b64encode(value).decode() != text:
        raise ValueError("base64 that is not in its one valid form")
    return value
