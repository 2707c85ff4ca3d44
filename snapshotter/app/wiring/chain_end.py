"""Keep the end of the annotation chain of a store that this machine saw last."""

import json
from pathlib import Path

from snapshotter.app import private_files
from snapshotter.app.archive.annotations import ChainEnd
from snapshotter.app.settings import Settings
from snapshotter.app.store_location import receipts_store_name
from snapshotter.errors import SnapshotterError
from snapshotter.formats import canonical_json
from snapshotter.translation import tr


def seen_end(settings: Settings) -> ChainEnd | None:
    """
    Return the end of the chain that this machine saw last; None if it saw none.

    Raises:
        SnapshotterError: The file cannot be read.
    """
    file = _end_file(settings)
    try:
        value = json.loads(file.read_bytes())
        return ChainEnd(number=int(value["number"]), sha256=str(value["sha256"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SnapshotterError(
            tr("{file} cannot be read: {error}", file=file, error=error),
            hint=tr(
                "the file holds the last annotation that this machine saw. Restore the file from a "
                "backup, or remove it and check the annotations again:\n  snapshotter case check"
            ),
        ) from error


def remember_end(settings: Settings, end: ChainEnd) -> None:
    """Keep the end of the chain on this machine; never an earlier end than before."""
    seen = seen_end(settings)
    if seen is None or end.number > seen.number:
        data = canonical_json.dumps({"number": end.number, "sha256": end.sha256}) + b"\n"
        private_files.write_private(_end_file(settings), data)


def _end_file(settings: Settings) -> Path:
    return settings.data_dir / "annotations" / f"{receipts_store_name(settings)}.json"
