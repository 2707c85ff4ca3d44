"""
Write salts, which open commitments, to private files: one for each capture or gap record.

A bundle holds commitments in place of redacted values, and a gap record in place of addresses.
Whoever has the salt and the value can show that they belong to a commitment. Salts are secrets:
their files are outside of the store.
"""

import contextlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from snapshotter.app.private_files import write_private
from snapshotter.errors import SnapshotterError
from snapshotter.formats import canonical_json
from snapshotter.model.capture import Disclosure
from snapshotter.translation import tr


def salts_file_name(record_id: str) -> str:
    """Return the name of the file with the salts of one capture or gap record."""
    return f"{record_id}.salts.jsonl"


def write_salts(directory: Path, bundle_id: str, disclosures: Sequence[Disclosure]) -> Path | None:
    """Write the salts of one capture; return the file, or None if there are no salts."""
    if not disclosures:
        return None
    path = directory / salts_file_name(bundle_id)
    write_private(path, _encode(disclosures))
    return path


def write_salts_once(
    directory: Path, record_id: str, disclosures: Sequence[Disclosure]
) -> tuple[Disclosure, ...]:
    """
    Write salts unless the file exists; return the salts that the file holds afterwards.

    Several processes may work at the same record. The salts of the first one stay, since
    the record that it signed can be opened with no others.

    Raises:
        SnapshotterError: The file cannot be written, or the existing file cannot be read.
    """
    path = directory / salts_file_name(record_id)
    if not disclosures:
        return ()
    with contextlib.suppress(FileExistsError):
        write_private(path, _encode(disclosures), is_new=True)
        return tuple(disclosures)
    try:
        return tuple(Disclosure(**json.loads(line)) for line in path.read_bytes().splitlines())
    except (OSError, ValueError, TypeError) as error:
        raise SnapshotterError(
            tr("{path} cannot be read: {error}", path=path, error=error),
            hint=tr("snapshotter wrote this file. Restore the file from a backup"),
        ) from error


def _encode(disclosures: Sequence[Disclosure]) -> bytes:
    return b"".join(canonical_json.dumps(asdict(disclosure)) + b"\n" for disclosure in disclosures)
