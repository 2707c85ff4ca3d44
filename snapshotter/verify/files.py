"""Where the verifier finds what it reads on disk: a bundle, its late tokens, the trust file."""

import contextlib
import errno
import fnmatch
import hashlib
import os
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from snapshotter.errors import EvidenceInvalid, EvidenceUnverifiable, SnapshotterError
from snapshotter.formats.bundle import custody_sidecars, names
from snapshotter.formats.proofs import renewal, tlog_proof
from snapshotter.regular_file import NotRegularFile, open_regular
from snapshotter.verify.renewal import RenewalFiles
from snapshotter.verify.trust import SeenVersion, Trust, load_trust

MAX_SIDECAR_BYTES = 1 << 16
LATE_TOKEN = re.compile(r".+\.late-0([1-9])\.tsr", re.DOTALL)  # the name of a file

# Of the files of a folder among which one is looked for by its digest.
MAX_LOOKED_AT = 10_000
MAX_LOOKED_AT_BYTES = 256 << 20

_MAX_TRUST_BYTES = 4 << 20


class NotAFile(SnapshotterError):
    """A directory, a pipe, a device: something of that name from which nothing is read."""


def open_file(path: Path) -> BinaryIO:
    """
    Open a regular file for reading. Never waits, as opening a named pipe would.

    Raises:
        FileNotFoundError: There is nothing of that name.
        NotAFile: There is something else of that name.
        SnapshotterError: It can not be opened.
    """
    try:
        return os.fdopen(open_regular(path), "rb")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path)) from error
    except NotRegularFile as error:
        raise NotAFile(f"{path} cannot be read: {error.strerror}") from error
    except OSError as error:
        raise SnapshotterError(f"{path} can not be read: {error.strerror}") from error
    except ValueError as error:  # a NUL in the name
        raise SnapshotterError(f"{path} can not be read: {error}") from error


def open_named_or_none(name: str) -> BinaryIO | None:
    """
    Open the file of that name; None when there is none, and it may be the id of a bundle.

    A folder that has an id for its name, as `export --unpack` makes it, is in nobody's way.

    Raises:
        SnapshotterError: It is not a regular file, or can not be opened.
    """
    path = Path(name)
    try:
        return open_file(path)
    except FileNotFoundError:
        return None
    except NotAFile:
        if path.is_dir():
            return None
        raise


def late_tokens_on_disk(bundle: Path) -> tuple[bytes, ...]:
    """
    Return the late tokens that stand beside a bundle: `<bundle>.late-01.tsr` and so on.

    A sidecar that is too long to be a token is cut short, and then is none; what is
    no file is passed over.

    Raises:
        SnapshotterError: A sidecar that can not be read.
    """
    tokens: list[bytes] = []
    for number in range(1, names.MAX_LATE_TOKENS + 1):
        name = f"{bundle.name}.{names.late_token(number)}"
        if len(os.fsencode(name)) > 255:  # no file system that we know has such a name
            break
        try:
            tokens.append(first_bytes(bundle.with_name(name), MAX_SIDECAR_BYTES + 1))
        except (FileNotFoundError, NotAFile):
            continue
    return tuple(tokens)


def custody_sidecars_on_disk(bundle: Path) -> tuple[tuple[int, bytes], ...]:
    """
    Return number and bytes of the custody sidecars that stand beside a bundle.

    One that is too long is cut short, and then is none; what is no file is passed over, and so
    is a number so far beyond all others that it is not of the chain. Of more than a chain may
    have not all are read.

    Raises:
        OSError: The folder can not be read.
        SnapshotterError: A sidecar that can not be read.
    """
    beginning = f"{bundle.name}."

    def numbers() -> Iterator[int]:
        for entry in _beside(bundle, "custody-"):
            number = custody_sidecars.number_of(entry.name.removeprefix(beginning))
            if number is not None and entry.is_file():
                yield number

    def read(number: int) -> bytes:
        name = f"{beginning}{custody_sidecars.kind(number)}"
        return first_bytes(bundle.with_name(name), custody_sidecars.MAX_BYTES + 1)

    return custody_sidecars.read_within_limits(numbers(), read)


def log_proof_on_disk(bundle: Path) -> bytes | None:
    """
    Return the log proof that stands beside a bundle, `<bundle>.tlog-proof`, or None.

    One that is too long is cut short, and then is none.

    Raises:
        SnapshotterError: It can not be read.
    """
    name = f"{bundle.name}.{names.LOG_PROOF}"
    if len(os.fsencode(name)) > 255:
        return None
    try:
        return first_bytes(bundle.with_name(name), tlog_proof.MAX_BYTES + 1)
    except (FileNotFoundError, NotAFile):
        return None


def renewals_on_disk(bundle: Path) -> tuple[RenewalFiles, ...]:
    """
    Return the renewals that stand beside a bundle: `<bundle>.renewal-01.txt` with its `.tsr`.

    One of which half is missing is none; what is too long is cut short, and then is none.

    Raises:
        OSError: The folder can not be read.
        SnapshotterError: A file can not be read.
    """
    wanted = {
        f"{bundle.name}.{kind}"
        for number in range(1, names.MAX_RENEWALS + 1)
        for kind in names.renewal(number)
    }
    there = {entry.name for entry in _beside(bundle, "renewal-") if entry.name in wanted}
    found: list[RenewalFiles] = []
    for number in range(1, names.MAX_RENEWALS + 1):
        text, token = (f"{bundle.name}.{kind}" for kind in names.renewal(number))
        if text not in there or token not in there:
            continue
        with contextlib.suppress(FileNotFoundError, NotAFile):
            found.append(
                RenewalFiles(
                    number=number,
                    text=first_bytes(bundle.with_name(text), renewal.MAX_BYTES + 1),
                    token=first_bytes(bundle.with_name(token), MAX_SIDECAR_BYTES + 1),
                )
            )
    return tuple(found)


def late_token_files(bundle: Path) -> tuple[Path, ...]:
    """
    Return all that stands beside a bundle and calls itself a late token of it, by name.

    Raises:
        OSError: The folder can not be read.
    """
    return tuple(
        bundle.with_name(name)
        for name in sorted(entry.name for entry in _beside(bundle, "late-"))
        if name.endswith(".tsr")
    )


def file_with_digest(folder: Path, pattern: str, sha256: str, *, limit: int) -> bytes | None:
    """
    Return the file of a folder that has this SHA-256 (hex); None when none has.

    What is no regular file, can not be read, or is longer than `limit` bytes is passed over
    unread; at most `MAX_LOOKED_AT` files are read, and `MAX_LOOKED_AT_BYTES` of them together.

    Args:
        pattern: Of the names that are looked at, as the shell has it.

    Raises:
        OSError: The folder can not be read.
    """
    left, room = MAX_LOOKED_AT, MAX_LOOKED_AT_BYTES
    with os.scandir(folder) as entries:
        for entry in entries:
            if not fnmatch.fnmatchcase(entry.name, pattern):
                continue
            with contextlib.suppress(FileNotFoundError, SnapshotterError):
                with open_file(folder / entry.name) as stream:
                    length = os.fstat(stream.fileno()).st_size
                    if length > limit:
                        continue
                    left, room = left - 1, room - length
                    if left < 0 or room < 0:
                        return None
                    data = stream.read(limit + 1)
                if hashlib.sha256(data).hexdigest() == sha256:
                    return data
    return None


def read_trust(
    path: Path, *, pinned_root: str, now: datetime, seen: SeenVersion | None = None
) -> Trust:
    """
    Read a trust file and the signature beside it.

    Args:
        seen: The newest version seen so far: an older one is refused.

    Raises:
        SnapshotterError: It is not there, too long, not signed by the pinned key, or expired.
    """
    signature = path.with_name(f"{path.name}.sig")
    try:
        return load_trust(
            _read(path, _MAX_TRUST_BYTES),
            _read(signature, MAX_SIDECAR_BYTES),
            pinned_root=pinned_root,
            now=now,
            seen=seen,
        )
    except EvidenceInvalid as error:
        # A bad trust file says nothing about any bundle: it must not end as FAILED.
        raise EvidenceUnverifiable(error.message, hint=error.hint) from error


def _beside(bundle: Path, kind: str) -> Iterator["os.DirEntry[str]"]:
    """
    Yield what stands beside a bundle and calls itself of this kind, in no order.

    The folder may hold a million files of others: it is never held in memory.

    Raises:
        OSError: The folder can not be read.
    """
    beginning = f"{bundle.name}.{kind}"
    with os.scandir(bundle.parent) as entries:
        for entry in entries:
            if entry.name.startswith(beginning):
                yield entry


def _read(path: Path, limit: int) -> bytes:
    try:
        data = first_bytes(path, limit + 1)
    except FileNotFoundError as error:
        raise SnapshotterError(f"{path} can not be read: {error.strerror}") from error
    if len(data) > limit:
        raise SnapshotterError(f"{path} is longer than {limit} bytes")
    return data


def first_bytes(path: Path, count: int) -> bytes:
    """
    Return the first bytes of a regular file, `count` at most.

    Raises:
        FileNotFoundError: There is nothing of that name.
        SnapshotterError: It is no regular file, or can not be read.
    """
    try:
        with open_file(path) as stream:
            return stream.read(count)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise SnapshotterError(f"{path} can not be read: {error.strerror}") from error
