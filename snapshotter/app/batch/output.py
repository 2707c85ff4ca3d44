"""
Write the table with the results of a batch, and choose the paths of the table and its journal.

The table is always complete. If a person has edited it since we wrote it, the edited table is moved
aside first and never overwritten.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from snapshotter import durable
from snapshotter.app.batch.journal import SUFFIX, Journal
from snapshotter.errors import SnapshotterError, is_disk_full
from snapshotter.formats.digest import digest_bytes
from snapshotter.formats.lists.tables import Table
from snapshotter.ports import Clock
from snapshotter.translation import tr

_SHARE = 0.05  # of the time that may go into writing the table while captures go on


class Output:
    """
    The table that is written.

    Between two rows it is written only as often as it costs little time: the journal has every row,
    and the table is written from it at the end.
    """

    def __init__(self, path: Path, journal: Journal, clock: Clock) -> None:
        self.path = path
        self._journal = journal
        self._clock = clock
        self._not_before = clock.monotonic()
        self._last = ""

    def keep_edits(self) -> Path | None:
        """
        Move a table aside that changed since we wrote it; return its new path.

        A person may have edited it, and the edits must not be lost.

        Raises:
            SnapshotterError: The table cannot be moved.
        """
        try:
            found = digest_bytes(self.path.read_bytes()).sha256
            if self._journal.wrote(found):
                return None
            aside = next_free_path(
                self.path.with_name(f"{self.path.stem}.edited{self.path.suffix}")
            )
            self.path.rename(aside)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unwritable(self.path, error) from error
        return aside

    def write(
        self,
        table: Table,
        columns: Sequence[str],
        values: Sequence[Mapping[str, str]],
    ) -> None:
        """
        Write the table; it is durable when this returns.

        Raises:
            SnapshotterError: It cannot be written; the previous table is still there.
        """
        began = self._clock.monotonic()
        data = table.written(columns, values)
        sha256 = digest_bytes(data).sha256
        if sha256 != self._last or not self.path.exists():
            self._journal.record_table(sha256)  # first, so that it is known as ours
            _replace(self.path, data)
            self._last = sha256
        now = self._clock.monotonic()
        self._not_before = now + (now - began) / _SHARE

    @property
    def due(self) -> bool:
        """Whether it can be written again without much cost."""
        return self._clock.monotonic() >= self._not_before


def journal_path(path: Path) -> Path:
    """Return the path of the journal, beside the table."""
    return path.with_name(f"{path.name}{SUFFIX}")


def next_free_path(path: Path) -> Path:
    """Return the first free path of `a.done.csv`, `a.done-2.csv`, `a.done-3.csv` and so on."""
    number, found = 1, path
    while found.exists() or journal_path(found).exists():
        number += 1
        found = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return found


def _replace(path: Path, data: bytes) -> None:
    try:
        durable.write(path, data)
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> SnapshotterError:
    return SnapshotterError(
        tr("the table {path} cannot be written: {strerror}", path=path, strerror=error.strerror),
        hint=tr("free space on the disk of this table, and give the same command again")
        if is_disk_full(error)
        else tr("name a file with --out in a folder that you may write to"),
    )
