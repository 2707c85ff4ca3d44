"""
Tokens that an authority still owes, and the salts that open commitments.

A pending token is a small file outside the store that says which bundle waits for
whom. It is only a reminder: the store is the truth, and `snapshotter timestamp ID`
needs no reminder to ask again. The salts are secrets: they stand next to the store, never in
it, readable by their owner alone.
"""

import base64
import contextlib
import fcntl
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Self

from snapshotter import durable
from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.formats import canonical_json
from snapshotter.formats.bundle.names import MAX_SIGNATURES
from snapshotter.model.capture import Disclosure

_LOCK = ".lock"
_AGAIN_S = 0.1  # between two looks at a lock that another process holds


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingToken:
    """One bundle that waits for tokens."""

    bundle_id: str
    store: str  # as in the settings: a directory, made absolute, or s3://…
    key: str
    signature: bytes  # DER, what the token has to be over
    authorities: tuple[str, ...]
    slot: int = 1  # of the signature: each of several has a reminder of its own

    def with_authorities(self, names: Iterable[str]) -> Self:
        """Return the same reminder for these authorities."""
        return replace(self, authorities=tuple(names))


def save_reminder(directory: Path, pending: PendingToken) -> None:
    """Write the reminder, replacing an older one of the same signature."""
    content = {
        "authorities": list(pending.authorities),
        "bundle_id": pending.bundle_id,
        "key": pending.key,
        "signature": base64.b64encode(pending.signature).decode("ascii"),
        "slot": pending.slot,
        "store": pending.store,
    }
    write_private(_file(directory, pending.bundle_id, pending.slot), canonical_json.dumps(content))


def forget(directory: Path, bundle_id: str, slot: int = 1) -> None:
    """Remove the reminder of one signature's tokens, if there is one."""
    _file(directory, bundle_id, slot).unlink(missing_ok=True)


def _file(directory: Path, bundle_id: str, slot: int) -> Path:
    return directory / (f"{bundle_id}.json" if slot == 1 else f"{bundle_id}.sig-{slot:02}.json")


def list_reminders(
    directory: Path, unreadable: Callable[[SnapshotterError], None] | None = None
) -> Iterator[PendingToken]:
    """
    Yield all reminders, oldest bundle first.

    Args:
        unreadable: Told of each that can not be read, which is then passed over.

    Raises:
        SnapshotterError: One that can not be read, when nobody is to be told; it says which.
    """
    for path in sorted(directory.glob("*.json")):
        try:
            found = _read(path)
        except FileNotFoundError:
            continue  # another process was faster
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            problem = SnapshotterError(
                f"the reminder {path} can not be read: {error}",
                hint="delete it; snapshotter timestamp BUNDLE-ID asks without it",
            )
            if unreadable is None:
                raise problem from error
            unreadable(problem)
        else:
            yield found


def _read(path: Path) -> PendingToken:
    content = json.loads(path.read_bytes())
    names = content["authorities"]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError("authorities is not a list of names")
    texts = [content[key] for key in ("bundle_id", "store", "key", "signature")]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("not the reminder of a bundle")
    bundle_id, store, key, signature = texts
    slot = content.get("slot", 1)
    if type(slot) is not int or not 1 <= slot <= MAX_SIGNATURES:
        raise ValueError("slot is not the number of a signature")
    return PendingToken(
        bundle_id=bundle_id,
        store=store,
        key=key,
        signature=base64.b64decode(signature, validate=True),
        authorities=tuple(names),
        slot=slot,
    )


def count_owed(directory: Path) -> int:
    """Return how many signatures are remembered as waiting for a token."""
    return sum(1 for _ in directory.glob("*.json"))


@contextlib.contextmanager
def lock_reminders(directory: Path, *, wait_s: float) -> Iterator[bool]:
    """
    Hold the lock on the reminders: two processes that ask at once would store a token twice.

    Gives False when another process holds it for longer than `wait_s`. The kernel lets
    go of it when its holder dies, however it dies.

    Raises:
        ServiceUnavailable: The directory can not be locked.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(directory / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ServiceUnavailable(f"{directory} can not be locked: {error.strerror}") from error
    try:
        yield _lock(descriptor, wait_s)
    finally:
        os.close(descriptor)


def _lock(descriptor: int, wait_s: float) -> bool:
    end = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                return False
            time.sleep(_AGAIN_S)
        except OSError as error:
            raise ServiceUnavailable(f"reminders can not be locked: {error.strerror}") from error
        else:
            return True


def require_writable(directory: Path) -> None:
    """
    Make sure that files can be written to a directory, without leaving anything.

    One that is not there yet is judged by what it would be made in.

    Raises:
        SnapshotterError: They can not.
    """
    standing = directory
    try:
        while not standing.exists() and not standing.is_symlink():
            standing = standing.parent
        with tempfile.TemporaryFile(dir=standing):
            pass
    except OSError as error:
        raise SnapshotterError(
            f"{directory} can not be written to: {error.strerror}",
            hint="a capture would have nowhere to put what must not be lost, so nothing was "
            "captured; make it a directory that you may write to",
        ) from error


def salts_name(bundle_id: str) -> str:
    """Return the name of the file with the salts of one capture."""
    return f"{bundle_id}.salts.jsonl"


def keep_salts(directory: Path, bundle_id: str, disclosures: Sequence[Disclosure]) -> Path | None:
    """Write the salts of one capture, 0600; return the file, or None when there are none."""
    if not disclosures:
        return None
    path = directory / salts_name(bundle_id)
    lines = (canonical_json.dumps(asdict(disclosure)) + b"\n" for disclosure in disclosures)
    write_private(path, b"".join(lines))
    return path


def keep_salts_once(
    directory: Path, bundle_id: str, disclosures: Sequence[Disclosure]
) -> tuple[Disclosure, ...]:
    """
    Write the salts of something that several may be at, once; return those that are there.

    Those of whoever was first stay: what was signed with them could be opened by no others.

    Raises:
        SnapshotterError: The file can not be written, or what is there is no such file.
    """
    path = directory / salts_name(bundle_id)
    if not disclosures:
        return ()
    lines = (canonical_json.dumps(asdict(disclosure)) + b"\n" for disclosure in disclosures)
    with contextlib.suppress(FileExistsError):
        write_private(path, b"".join(lines), is_new=True)
        return tuple(disclosures)
    try:
        return tuple(Disclosure(**json.loads(line)) for line in path.read_bytes().splitlines())
    except (OSError, ValueError, TypeError) as error:
        raise SnapshotterError(
            f"{path} can not be read: {error}", hint="it was written by this program: restore it"
        ) from error


def write_private(path: Path, data: bytes, *, is_new: bool = False) -> None:
    """
    Write a private file so that it is there whole or not at all, also after a crash.

    Args:
        is_new: Never over one that is there.

    Raises:
        FileExistsError: There is one, and it had to be new.
        SnapshotterError: It can not be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        durable.write(path, data, mode=0o600, over=not is_new)
    except OSError as error:
        if is_new and isinstance(error, FileExistsError) and path.is_file():
            raise
        raise SnapshotterError(f"{path} can not be written: {error.strerror}") from error
