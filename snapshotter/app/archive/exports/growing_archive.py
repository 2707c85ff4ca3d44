"""
Write a ZIP archive that can be interrupted, continued, and split into parts.

An unfinished archive is beside its final name, with a journal:

    harbour.zip.unfinished         the files that were written so far
    harbour.zip.unfinished.jsonl   the plan, then one line for each unit of files or finished part

A unit is a group of files that belong together, such as an exhibit. Its line is written after its
files are on the disk. Who continues reads every file again, compares the digests, and removes what
the journal does not list. The archive gets its final name when it is complete. No file is
compressed, because bundles do not become smaller.
"""

import fcntl
import hashlib
import os
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, Self

from snapshotter import durable
from snapshotter.errors import SnapshotterError
from snapshotter.formats import canonical_json
from snapshotter.formats.canonical_json import JsonValue
from snapshotter.formats.digest import CHUNK, digest
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

UNFINISHED: Final = ".unfinished"
_MODE: Final = (stat.S_IFREG | 0o644) << 16
_FILE_BYTES: Final = 30 + 46 + 2 * 28  # of the two headers of a file, with 64-bit sizes
_END_BYTES: Final = 22 + 20 + 56  # after the list of files
_MOST_BYTES: Final = 1 << 50
_TIME: Final = (1980, 1, 1, 0, 0, 0)  # the files state their times themselves

Content = Path | bytes


class ArchiveNotContinued(SnapshotterError):
    """What is there under the name of the archive is not the beginning of this archive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedFile:
    """A file of an archive."""

    name: str
    bytes: int
    sha256: str
    crc32: int
    offset: int  # of its header
    end: int  # of its content


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivePart:
    """A part that is complete: a ZIP archive."""

    name: str
    bytes: int
    sha256: str


class GrowingArchive:
    """
    An archive that is being written, in a `with` block.

    An exception leaves what was written so far. The next `GrowingArchive` with the same arguments
    continues.
    """

    def __init__(
        self, target: Path, *, plan: Mapping[str, JsonValue], most_bytes: int | None = None
    ) -> None:
        """
        Prepare an archive.

        Args:
            target: The final name of the archive, or of its last part.
            plan: Only an unfinished archive with the same plan is continued.
            most_bytes: Size of a part.
        """
        self.target = target
        self.units: list[Any] = []  # what `add` was given, in order, also by an earlier run
        self.files: list[ArchivedFile] = []  # of all parts
        self.parts: list[ArchivePart] = []  # that are complete
        self.repeated = 0  # units of an earlier run that were damaged
        self._plan = dict(plan)
        self._most = most_bytes
        self._part_files: list[ArchivedFile] = []  # of the part that is being written
        self._data = target.with_name(f"{target.name}{UNFINISHED}")
        self._journal = target.with_name(f"{target.name}{UNFINISHED}.jsonl")

    def __enter__(self) -> Self:
        if os.path.lexists(self.target):
            raise _exists(self.target)
        try:
            self.target.parent.mkdir(parents=True, exist_ok=True)
            self._lines = _open(self._journal)
        except OSError as error:
            raise _unwritten(self._journal, error) from error
        try:
            self._lock()
            self._out = _open(self._data)
            try:
                self._continue()
            except BaseException:  # also Ctrl-C: no caller has the file, to close it
                self._out.close()
                raise
        except BaseException as error:  # also Ctrl-C: closing the journal frees its lock
            self._lines.close()
            if isinstance(error, OSError):
                raise _unwritten(self._data, error) from error
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._out.close()
        self._lines.close()

    def add(self, unit: JsonValue, files: Sequence[tuple[str, Content]]) -> None:
        """
        Write the files of a unit; they are on the disk when this returns.

        Args:
            unit: A description, which `units` has from now on.
            files: Their names in the archive, and their contents.

        Raises:
            SnapshotterError: A file cannot be written, or the unit is larger than a part.
        """
        needed = sum(_size(content) + _FILE_BYTES + 2 * len(name) for name, content in files)
        if self._most is not None and needed + _END_BYTES > self._most:
            raise SnapshotterError(
                tr(
                    "the files of {name} have {bytes} bytes, which is more than the size of a part",
                    name=files[0][0],
                    bytes=needed,
                ),
                hint=tr("give a larger size with --split"),
            )
        with self._writing():
            if self._most is not None and self._part_files and self._full(needed):
                self._finish_part()
            written = [self._write(name, content) for name, content in files]
            self._sync()
            self._note({"files": [canonical_json.plain(file) for file in written], "unit": unit})
        self.units.append(unit)
        self.files += written
        self._part_files += written

    def finish(
        self,
        documents: Callable[[], Sequence[tuple[str, Content]]],
        *,
        before_name: Callable[[Sequence[ArchivedFile]], None] = lambda written: None,
    ) -> None:
        """
        Write the documents about the archive, and give the archive its final name.

        Args:
            documents: Returns files; called when `units`, `files` and `parts` are complete, except
                that the last part is not in `parts`.
            before_name: Called with the documents as they were written, when only the final name
                is missing. If the process ends now, the next one finishes the archive again.
        """
        with self._writing():
            files = documents()
            needed = sum(_size(content) + _FILE_BYTES + 2 * len(name) for name, content in files)
            if self._most is not None and self._part_files and self._full(needed):
                self._finish_part()
                files = documents()  # which name this part
            written = tuple(self._write(name, content) for name, content in files)
            self._part_files += written
            self._close_list()
        before_name(written)
        with self._writing():
            _name(self._data, self.target)
            self._journal.unlink()
            durable.sync(self.target.parent)

    # --- the unfinished archive ---------------------------------------------------------------

    def _full(self, needed: int) -> bool:
        here = sum(46 + 28 + len(file.name) for file in self._part_files)
        end = self._part_files[-1].end if self._part_files else 0
        return end + here + needed + _END_BYTES > (self._most or 0)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except FileExistsError as error:
            raise _exists(Path(error.filename2 or error.filename or self.target)) from error
        except OSError as error:
            raise _unwritten(self._data, error) from error

    def _lock(self) -> None:
        try:
            fcntl.flock(self._lines, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SnapshotterError(
                tr("another command writes {target} at this moment", target=self.target),
                hint=tr("wait until the other command ends"),
            ) from error
        except OSError:
            return  # a file system without locks

    def _note(self, line: Mapping[str, JsonValue]) -> None:
        self._lines.seek(0, os.SEEK_END)
        self._lines.write(canonical_json.dumps(dict(line)) + b"\n")
        self._lines.flush()
        os.fsync(self._lines.fileno())

    def _sync(self) -> None:
        self._out.flush()
        os.fsync(self._out.fileno())

    def _write(self, name: str, content: Content) -> ArchivedFile:
        offset = self._out.seek(0, os.SEEK_END)
        info = _info(name, _size(content))
        hashed = hashlib.sha256()
        with self._zip(offset) as archive, archive.open(info, "w", force_zip64=True) as member:
            for chunk in _chunks(content):
                hashed.update(chunk)
                member.write(chunk)
        return ArchivedFile(
            name=name,
            bytes=info.file_size,
            sha256=hashed.hexdigest(),
            crc32=info.CRC,
            offset=info.header_offset,
            end=self._out.seek(0, os.SEEK_END),
        )

    @contextmanager
    def _zip(self, end: int) -> Iterator[zipfile.ZipFile]:
        """Yield a writer whose next file begins at `end`; it writes no list of files."""
        self._out.seek(0)
        archive = zipfile.ZipFile(self._out, "w", zipfile.ZIP_STORED)
        archive.start_dir = end
        try:
            yield archive
        finally:
            archive.fp = None  # `close` would write the list

    def _close_list(self) -> None:
        """Write the list of files, which makes the file a ZIP archive."""
        self._out.seek(0)
        archive = zipfile.ZipFile(self._out, "w", zipfile.ZIP_STORED)
        archive.start_dir = self._part_files[-1].end if self._part_files else 0
        for file in self._part_files:
            info = _info(file.name, file.bytes)
            info.compress_size, info.CRC = file.bytes, file.crc32
            info.header_offset = file.offset
            info.extract_version = info.create_version = zipfile.ZIP64_VERSION
            archive.filelist.append(info)
            archive.NameToInfo[info.filename] = info
        archive.comment = b""  # a comment, also none, makes `close` write the list
        archive.close()
        self._sync()

    def _finish_part(self) -> None:
        number = len(self.parts) + 1
        suffix = self.target.suffix
        final = self.target.with_name(f"{self.target.stem}-part-{number:02}{suffix}")
        if os.path.lexists(final):
            raise _exists(final)
        self._close_list()
        part = ArchivePart(name=final.name, bytes=self._data.stat().st_size, sha256=self._sha256())
        self._note({"part": canonical_json.plain(part)})
        _name(self._data, final)
        self.parts.append(part)
        self._part_files = []
        self._out.close()
        self._out = _open(self._data)

    def _sha256(self) -> str:
        self._out.seek(0)
        return digest(self._out, limit=_MOST_BYTES).sha256

    # --- continuing ---------------------------------------------------------------------------

    def _continue(self) -> None:
        """Read the journal, check what it lists, and remove everything else."""
        self._lines.seek(0)
        lines = self._lines.read().split(b"\n")[:-1]  # what follows the last line end is cut off
        entries = list(_entries(lines))
        if entries and entries[0] != {"plan": self._plan}:
            raise ArchiveNotContinued(
                tr(
                    "{data} is an unfinished export with other options, or of an earlier state of "
                    "the case",
                    data=self._data,
                ),
                hint=tr(
                    "export to another file, or remove this unfinished file, its journal "
                    "{journal} and its parts, and try again",
                    journal=self._journal.name,
                ),
            )
        in_parts = max((at for at, entry in enumerate(entries) if "part" in entry), default=0)
        kept = 0
        for at, entry in enumerate(entries):
            if "part" in entry:
                self._check_part(ArchivePart(**entry["part"]))
            elif "unit" in entry:
                files = [ArchivedFile(**file) for file in entry["files"]]
                if at > in_parts and not all(map(self._is_intact, files)):
                    self.repeated = len(entries) - at
                    break
                self.units.append(entry["unit"])
                self.files += files
                self._part_files += files
            kept += len(lines[at]) + 1
        self._lines.truncate(kept)
        if not kept:
            self._note({"plan": self._plan})
        self._out.truncate(self._part_files[-1].end if self._part_files else 0)

    def _check_part(self, part: ArchivePart) -> None:
        """Check a complete part; one that has not got its name yet gets it."""
        final = self.target.with_name(part.name)
        if not os.path.lexists(final) and self._sha256() == part.sha256:
            _name(self._data, final)
            self._out.close()
            self._out = _open(self._data)
        try:
            with final.open("rb") as stream:
                same = digest(stream, limit=_MOST_BYTES).sha256 == part.sha256
        except FileNotFoundError:
            same = False
        if not same:
            raise ArchiveNotContinued(
                tr(
                    "the finished part {name} of this unfinished export was removed or changed",
                    name=final,
                ),
                hint=tr(
                    "put the part back. Or remove {data} and all parts, and export again",
                    data=f"{self._data.name}*",
                ),
            )
        self.parts.append(part)
        self._part_files = []

    def _is_intact(self, file: ArchivedFile) -> bool:
        hashed, crc, left = hashlib.sha256(), 0, file.bytes
        self._out.seek(file.end - file.bytes)
        while left and (chunk := self._out.read(min(left, CHUNK))):
            hashed.update(chunk)
            crc = zlib.crc32(chunk, crc)
            left -= len(chunk)
        return (left, hashed.hexdigest(), crc) == (0, file.sha256, file.crc32)


def _entries(lines: Sequence[bytes]) -> Iterator[dict[str, Any]]:
    for line in lines:
        try:
            entry = canonical_json.loads(line)
        except ValueError:
            return
        yield entry


def _info(name: str, size: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _TIME)
    info.external_attr = _MODE
    info.create_system = 3  # Unix: `external_attr` has permissions
    info.file_size = size
    return info


def _size(content: Content) -> int:
    return content.stat().st_size if isinstance(content, Path) else len(content)


def _chunks(content: Content) -> Iterator[bytes]:
    if isinstance(content, bytes):
        yield content
        return
    with content.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            yield chunk


def _open(path: Path) -> BinaryIO:
    """Open a file of ours for reading and writing; it is made if it does not exist."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.fdopen(os.open(path, flags, 0o666), "r+b")  # less the umask


def _name(data: Path, target: Path) -> None:
    """Give a complete file its name, which nothing may have."""
    durable.name_new(data, target)
    data.unlink(missing_ok=True)
    durable.sync(target.parent)


def _exists(path: Path) -> SnapshotterError:
    return ArchiveNotContinued(
        tr("{path} exists already", path=path), hint=tr("export to another file")
    )


def _unwritten(path: Path, error: OSError) -> SnapshotterError:
    return SnapshotterError(
        tr("{path} cannot be written: {error}", path=path, error=error.strerror or error),
        hint=tr(
            "correct the cause, and run the same command again: the export continues where it ended"
        ),
    )
