"""
Define the contract of the database of an index.

Statements are written once, in the SQL that SQLite and PostgreSQL share, with `?` for each value.
Each database translates what differs (`tables.py`).
"""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from snapshotter.errors import SnapshotterError
from snapshotter.index.tokens import PieceQuery


class IndexDamaged(SnapshotterError):
    """The database was no valid index and was deleted. The next `Index` creates it again."""


class ValueRefused(SnapshotterError):
    """The database cannot store a value, or cannot compare with it. Trying again does not help."""


class IndexDatabase(Protocol):
    """
    The tables of one index. Used from one thread at a time; other processes may use the same
    tables.

    Every method raises IndexDamaged if the database was damaged, ServiceUnavailable if it does not
    answer or others use it for too long, ValueRefused for a value that it cannot store, and
    SnapshotterError if it cannot be used.
    """

    @property
    def name(self) -> str:
        """The database in messages: a path, or an address without its password."""

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return all rows of a statement."""

    def execute(self, statement: str, values: Sequence[Any] = ()) -> None:
        """Run a statement that has no rows."""

    def execute_many(self, statement: str, values: Iterable[Sequence[Any]]) -> None:
        """Run a statement once for each of the values."""

    def writing(self) -> AbstractContextManager[None]:
        """Open a transaction that excludes other writers; roll it back if the block raises."""

    def has_table(self, table: str) -> bool:
        """Return whether a table exists."""

    def translate(self, statements: str) -> list[str]:
        """Return the statements of a migration, `;` between them, in the SQL of this database."""

    def pieces_value(self, pieces: Sequence[str]) -> str:
        """Return search pieces as a value of the column `text` of the table `piece`."""

    def pieces_condition(self, query: PieceQuery) -> tuple[str, str]:
        """
        Return a condition on rows of the table `piece`, with one `?`, and its value.

        All rows that contain the pieces one after the other meet it, and maybe others.
        """

    def scrub(self) -> None:
        """
        Remove what the database still keeps of deleted search pieces, as far as it can.

        This takes as long as writing all search pieces anew.
        """

    def is_alive(self) -> bool:
        """Return whether the connection can be used; False if the server has closed it."""

    def close(self) -> None:
        """Close the connection."""
