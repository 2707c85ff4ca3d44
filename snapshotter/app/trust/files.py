"""
Read and write the two files of a trust file, FILE and FILE.sig, and drafts of the next version.

The two files cannot be replaced in one step. So an edit takes three steps, and a reader never
accepts the new one with the old signature, or the reverse:

    (1) FILE.sig.new appears    a crash leaves the old pair, which still verifies
    (2) FILE is replaced        a crash leaves a pair that does not verify; the next
                                edit finds the signature in FILE.sig.new and goes on
    (3) FILE.sig.new becomes FILE.sig

A draft is the next version without a signature. A person carries it to the machine with the root
key, and signs it there.
"""

import contextlib
import fcntl
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from snapshotter import durable
from snapshotter.errors import EvidenceInvalid, SnapshotterError
from snapshotter.ports import Signer
from snapshotter.translation import tr
from snapshotter.verify.files import open_file
from snapshotter.verify.trust import (
    MAX_TRUST_BYTES,
    TrustDocument,
    load_document,
    load_draft,
    load_unpinned_document,
)


def read(file: Path, root: Signer) -> TrustDocument:
    """
    Read a trust file that the root key signed, and finish an edit that crashed between two files.
    """
    data, signature = read_pair(file)
    try:
        return load_document(data, signature, pinned_root=root.key_id)
    except EvidenceInvalid:
        pending = _beside(file, ".sig.new")
        if not pending.exists():
            raise
        document = load_document(data, _read(pending), pinned_root=root.key_id)
        with _writing(file):
            os.replace(pending, _beside(file, ".sig"))
            durable.sync(file.parent)
        return document


def save(file: Path, document: TrustDocument, root: Signer) -> None:
    """Write both files, in the order that the docstring of the module gives."""
    data = document.encode()
    signature = root.sign(data)
    load_document(data, signature, pinned_root=root.key_id)  # never write what cannot be read
    pending = _beside(file, ".sig.new")
    with _writing(file):
        _replace(pending, signature)  # (1)
        _replace(file, data)  # (2)
        os.replace(pending, _beside(file, ".sig"))  # (3)
        durable.sync(file.parent)


def read_signed_or_draft(file: Path) -> tuple[TrustDocument, bool]:
    """
    Read a trust file that any root signed, or a draft, which has no signature.

    Returns:
        The document, and whether the root key that it names has signed it.

    Raises:
        EvidenceInvalid: It is neither.
        SnapshotterError: It cannot be read.
    """
    data, signature = read_pair(file)
    if not signature:
        return load_draft(data), False
    return load_unpinned_document(data, signature), True


def read_draft(file: Path) -> TrustDocument:
    """Read a draft, or a trust file as a person edited it. Raises as `load_draft` does."""
    return load_draft(_read(file))


def next_draft(
    file: Path, draft: Path, change: Callable[[TrustDocument], TrustDocument]
) -> TrustDocument:
    """
    Make one change, and write the next version of a trust file as a draft.

    An existing draft is changed further, and its version stays.

    Raises:
        SnapshotterError: A file cannot be read or written, or the change is invalid.
    """
    with locked(draft):
        signed = load_unpinned_document(*read_pair(file))
        begun = read_draft(draft) if draft.exists() else signed
        if begun.root_key_id != signed.root_key_id:
            raise SnapshotterError(
                tr("{draft} is a draft of a trust file for another root key", draft=draft),
                hint=tr("choose another file for the draft"),
            )
        changed = replace(change(begun), version=signed.version + 1)
        text = json.dumps(json.loads(changed.encode()), indent=2, ensure_ascii=False)
        with _writing(draft):
            _replace(draft, f"{text}\n".encode())
    return changed


def _replace(path: Path, content: bytes) -> None:
    """Replace the content of a file that anybody may read, durably and as a whole."""
    durable.write(path, content, mode=0o644)


@contextlib.contextmanager
def locked(file: Path) -> Iterator[None]:
    """Lock the folder of the file, so that no edit of two at once is lost."""
    with _writing(file):
        directory = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise SnapshotterError(
                tr(
                    "another command is editing a trust file in {absolute}",
                    absolute=file.parent.absolute(),
                ),
                hint=tr("wait until the other command ends, and give the same command again"),
            ) from error
        yield
    finally:
        os.close(directory)  # which lets go of the lock as well


@contextlib.contextmanager
def _writing(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SnapshotterError(
            tr("{file} cannot be written: {strerror}", file=file, strerror=error.strerror or error)
        ) from error


def read_pair(file: Path) -> tuple[bytes, bytes]:
    """Return a trust file and its signature, b"" if there is none. Raises SnapshotterError."""
    signature = _beside(file, ".sig")
    data = _read(file)
    # No signature is a signature that does not hold: `load_document` says so.
    return data, _read(signature) if signature.exists() else b""


def _read(path: Path) -> bytes:
    try:
        with open_file(path) as stream:
            return stream.read(MAX_TRUST_BYTES + 1)  # one more than is accepted
    except OSError as error:
        raise SnapshotterError(
            tr("{path} cannot be read: {strerror}", path=path, strerror=error.strerror or error),
            hint=tr("make a trust file:\n  snapshotter trust init {path}", path=path),
        ) from error


def _beside(file: Path, suffix: str) -> Path:
    return file.with_name(file.name + suffix)
