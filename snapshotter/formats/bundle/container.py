"""
Read and write the canonical zip that is a bundle: each table of files has exactly one encoding.

Each member is stored without compression (STORE, version 20), without flags, extra fields or
comments, with the DOS date 1980-01-01 00:00 and the mode 0644. There are no directory entries. The
members follow each other from offset 0 in ascending order of their names; after them come the
central directory and the end record (APPNOTE 6.3 sections 4.3.7, 4.3.12, 4.3.16). The reader
builds every header again from the few values that it takes from the file, and compares the bytes.
So hidden members, second directories, odd flags and bytes between members are refused
(docs/spec/bundle.md, "Container").
"""

import hashlib
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO

from snapshotter.errors import EvidenceInvalid, SnapshotterError
from snapshotter.formats.bundle.names import MAX_NAME, is_member_name
from snapshotter.formats.digest import CHUNK, Digester, Lane
from snapshotter.model.digests import Digests, FileDigest
from snapshotter.model.finding import Code
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

MAX_BYTES = (1 << 32) - 1  # no zip64: limits keep captures far below
MAX_MEMBERS = 2_000

_LOCAL = struct.Struct("<IHHHHHIIIHH")
_CENTRAL = struct.Struct("<IHHHHHHIIIHHHHHII")
_END = struct.Struct("<IHHHHIIH")
_LOCAL_MAGIC, _CENTRAL_MAGIC, _END_MAGIC = 0x04034B50, 0x02014B50, 0x06054B50
_VERSION = 20
_MADE_BY = 3 << 8 | _VERSION  # Unix, so that the mode below means something
_DOS_DATE = 1 << 5 | 1  # 1980-01-01
_EXTERNAL = 0o100644 << 16


class ContainerInvalid(EvidenceInvalid):
    """The file is not the canonical zip of anything; `code` is CONTAINER or NAME."""

    def __init__(self, message: str, code: Code = Code.CONTAINER) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One file in the container, as its directory describes it."""

    name: str
    length: int  # bytes
    crc32: int
    offset: int  # of the local header, from the start of the file

    @property
    def data_offset(self) -> int:
        """Where the file's own bytes begin."""
        return self.offset + _LOCAL.size + len(self.name)

    @property
    def end(self) -> int:
        """Where the next member begins."""
        return self.data_offset + self.length


def write(
    files: Iterable[tuple[str, Digests, Callable[[], BinaryIO]]],
    out: BinaryIO,
) -> FileDigest:
    """
    Write the container of `files` and return its own digest, all in one pass.

    Args:
        files: Name, digests and a function that opens the file for reading.
        out: Binary, empty. Left open, at its end.

    Raises:
        SnapshotterError: It would pass 4 GiB, or a file is not as its digests say.
        ValueError: A name that no bundle can hold, or one that stands twice.
    """
    ordered = sorted(files, key=lambda file: file[0])
    names = [name for name, _, _ in ordered]
    _check_names(names, ValueError)
    members = _lay_out([(name, digests) for name, digests, _ in ordered])
    start = members[-1].end if members else 0
    size = sum(_CENTRAL.size + len(name) for name in names)
    # Before any header is built: none can hold a larger number.
    if start + size + _END.size > MAX_BYTES:
        raise SnapshotterError(
            tr("the bundle would be larger than 4 GiB"),
            hint=tr("lower the byte limits in the policy"),
        )
    directory = b"".join(_central(member) for member in members)

    whole = hashlib.sha256()
    length = start + size + _END.size
    with Lane(length) as lane:

        def emit(data: bytes) -> None:
            lane.put(whole.update, data)
            out.write(data)

        for member, (_, digests, opener) in zip(members, ordered, strict=True):
            emit(_local(member))
            digester = Digester()
            with opener() as source:
                while chunk := source.read(CHUNK):
                    emit(chunk)
                    digester.update(chunk)
            if digester.digests() != digests:
                raise SnapshotterError(
                    tr("{name} changed on disk while the bundle was being sealed", name=member.name)
                )
        emit(directory)
        emit(_end(len(members), len(directory), start))
        lane.settle()
    return FileDigest(length=length, sha256=whole.hexdigest())


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """All that a container holds, digested in one pass over the whole file."""

    whole: FileDigest
    members: dict[str, Member]
    digests: dict[str, Digests]
    kept: dict[str, bytes]


def read_directory(stream: BinaryIO) -> tuple[Member, ...]:
    """
    Return the members that the directory names, after rebuilding it.

    Says nothing of the members' own bytes: `read` does.

    Raises:
        ContainerInvalid: Not the directory of a canonical zip.
    """
    length = stream.seek(0, 2)
    if not _END.size <= length <= MAX_BYTES:
        raise ContainerInvalid(
            tr(
                "the file has {length} bytes, but no bundle can have this length",
                length=length,
            )
        )
    stream.seek(length - _END.size)
    end = exactly(stream, _END.size)
    magic, _, _, _, count, size, start, _ = _END.unpack(end)
    if magic != _END_MAGIC or end != _end(count, size, start):
        raise ContainerInvalid(tr("the file does not end with the ZIP end record of a bundle"))
    if count > MAX_MEMBERS or size > count * (_CENTRAL.size + MAX_NAME):
        raise ContainerInvalid(
            tr(
                "the bundle has more than {max_members} members, or the names of its members are "
                "too long",
                max_members=MAX_MEMBERS,
            )
        )
    if start + size + _END.size != length:
        raise ContainerInvalid(
            tr(
                "the ZIP directory of the bundle is not at the position that the ZIP end record "
                "states"
            )
        )
    stream.seek(start)
    directory = exactly(stream, size)
    members = tuple(_parse_directory(directory))
    if len(members) != count or b"".join(_central(member) for member in members) != directory:
        raise ContainerInvalid(tr("the ZIP directory of the bundle is not in canonical form"))
    _check_names([member.name for member in members], _name_error)
    expected = 0
    for member in members:
        if member.offset != expected:
            raise ContainerInvalid(
                tr(
                    "{name} does not begin directly after the previous member of the bundle",
                    name=member.name,
                )
            )
        expected = member.end
    if expected != start:
        raise ContainerInvalid(
            tr("the file has bytes between the last member and the ZIP directory")
        )
    return members


def read(
    stream: BinaryIO,
    keep: Callable[[Member], bool],
    watch: Callable[[Member], Callable[[bytes], None] | None] = lambda member: None,
) -> Contents:
    """
    Read the whole container once, from the first byte to the last.

    Every header is compared with the one we would have written; what `keep`
    chooses is held in memory, so that what is judged later are the very bytes
    that were digested.

    Args:
        watch: Returns what takes the bytes of a member in pieces, in their order; None for none.

    Raises:
        ContainerInvalid: Not a canonical zip, or a checksum that does not match.
    """
    members = read_directory(stream)
    # The directory and the end record were compared just now, but from an earlier
    # reading: they are compared again as they are hashed, in case the file changes under us.
    start = members[-1].end if members else 0
    tail = b"".join(_central(member) for member in members)
    tail += _end(len(members), len(tail), start)
    length = start + len(tail)
    whole = hashlib.sha256()
    reading = {member.name: _Reading() for member in members}
    kept: dict[str, bytes] = {}
    stream.seek(0)
    # Two SHA-256 of every byte, of the member and of the file: each in a lane of its own,
    # beside the reading, the checksum and BLAKE3.
    with Lane(length) as of_file, Lane(length) as of_members:
        for member in members:
            header = exactly(stream, member.data_offset - member.offset)
            if header != _local(member):
                raise ContainerInvalid(
                    tr(
                        "the ZIP header of {name} differs from the entry of {name} in the ZIP "
                        "directory",
                        name=member.name,
                    )
                )
            of_file.put(whole.update, header)
            digests = reading[member.name]
            held: list[bytes] = []
            wanted, watcher = keep(member), watch(member)
            for chunk in chunks(stream, member.length):
                of_file.put(whole.update, chunk)
                of_members.put(digests.sha256.update, chunk)
                digests.update(chunk)
                if watcher is not None:
                    watcher(chunk)
                if wanted:
                    held.append(chunk)
            if digests.crc32 != member.crc32:
                raise ContainerInvalid(
                    tr(
                        "the CRC-32 checksum of {name} does not match the bytes of {name}",
                        name=member.name,
                    )
                )
            if wanted:
                kept[member.name] = b"".join(held)
        if exactly(stream, len(tail)) != tail or stream.read(1):
            raise ContainerInvalid(tr("the file changed while it was being read"))
        of_file.put(whole.update, tail)
        of_file.settle()
        of_members.settle()
    return Contents(
        whole=FileDigest(length=length, sha256=whole.hexdigest()),
        members={member.name: member for member in members},
        digests={member.name: reading[member.name].digests(member) for member in members},
        kept=kept,
    )


class _Reading:
    """The digests of a member while it is read; its SHA-256 is fed by another thread."""

    def __init__(self) -> None:
        self.sha256 = hashlib.sha256()
        self.crc32 = 0
        from blake3 import blake3

        self._blake3 = blake3()

    def update(self, data: bytes) -> None:
        """Take the next bytes, but for the SHA-256."""
        self.crc32 = zlib.crc32(data, self.crc32)
        self._blake3.update(data)

    def digests(self, member: Member) -> Digests:
        return Digests(
            length=member.length,
            crc32=self.crc32,
            sha256=self.sha256.hexdigest(),
            blake3=self._blake3.hexdigest(),
        )


def _lay_out(files: Iterable[tuple[str, Digests]]) -> list[Member]:
    members: list[Member] = []
    offset = 0
    for name, digests in files:
        member = Member(name=name, length=digests.length, crc32=digests.crc32, offset=offset)
        members.append(member)
        offset = member.end
    return members


def _check_names(names: list[str], error: Callable[[str], Exception]) -> None:
    for name in names:
        if not is_member_name(name):
            raise error(tr("{name!r} is not a valid name of a bundle's member", name=name))
    if len({name.lower() for name in names}) != len(names):
        raise error(
            tr(
                "two members of the bundle have the same name, or names that differ only in "
                "upper and lower case"
            )
        )
    if names != sorted(names):
        raise error(tr("the members of the bundle are not sorted by name"))
    if len(names) > MAX_MEMBERS:
        raise error(tr("the bundle has more than {max_members} members", max_members=MAX_MEMBERS))


def _name_error(message: str) -> ContainerInvalid:
    return ContainerInvalid(message, Code.NAME)


def _local(member: Member) -> bytes:
    name = member.name.encode("ascii")
    return (
        _LOCAL.pack(
            _LOCAL_MAGIC,
            _VERSION,
            0,
            0,
            0,
            _DOS_DATE,
            member.crc32,
            member.length,
            member.length,
            len(name),
            0,
        )
        + name
    )


def _central(member: Member) -> bytes:
    name = member.name.encode("ascii")
    return (
        _CENTRAL.pack(
            _CENTRAL_MAGIC,
            _MADE_BY,
            _VERSION,
            0,
            0,
            0,
            _DOS_DATE,
            member.crc32,
            member.length,
            member.length,
            len(name),
            0,
            0,
            0,
            0,
            _EXTERNAL,
            member.offset,
        )
        + name
    )


def _end(count: int, size: int, start: int) -> bytes:
    return _END.pack(_END_MAGIC, 0, 0, count, count, size, start, 0)


def _parse_directory(directory: bytes) -> Iterator[Member]:
    position = 0
    while position < len(directory):
        if len(directory) - position < _CENTRAL.size:
            raise ContainerInvalid(
                tr("the ZIP directory of the bundle ends in the middle of an entry")
            )
        entry = _CENTRAL.unpack_from(directory, position)
        crc32, length, name_length, offset = entry[7], entry[9], entry[10], entry[16]
        # Before the name: behind an extra field or a comment, all would be out of step.
        if entry[0] != _CENTRAL_MAGIC or entry[11] or entry[12]:
            raise ContainerInvalid(
                tr("the ZIP directory has an entry that is not allowed in a bundle")
            )
        position += _CENTRAL.size
        raw = directory[position : position + name_length]
        position += name_length
        if len(raw) != name_length or not raw.isascii():
            raise ContainerInvalid(tr("the name of a member is cut off or not ASCII"), Code.NAME)
        yield Member(name=raw.decode("ascii"), length=length, crc32=crc32, offset=offset)


def exactly(stream: BinaryIO, count: int) -> bytes:
    """Return the next `count` bytes of a container. Raises ContainerInvalid if it ends first."""
    return b"".join(chunks(stream, count))


def chunks(stream: BinaryIO, count: int) -> Iterator[bytes]:
    """Yield the next `count` bytes of a container. Raises ContainerInvalid if it ends first."""
    while count:
        chunk = stream.read(min(count, CHUNK))
        if not chunk:
            raise ContainerInvalid(tr("the file ends too early"))
        count -= len(chunk)
        yield chunk
