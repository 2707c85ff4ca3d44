"""Keep an index in an SQLite file, which is deleted if it is damaged and then made again."""

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from typing_extensions import override

from snapshotter import durable
from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.index.database import IndexDamaged, IndexDatabase, ValueRefused
from snapshotter.index.tokens import PieceQuery
from snapshotter.translation import tr

_LEAST_VERSION = (3, 43)  # the first that deletes rows of a contentless table
_MERGED_PAGES = 1_000  # of one step
_WAIT_S = 60.0  # for the transaction of another process; each is short
# Errors of a file that is no valid database, as SQLite numbers them.
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
# Errors of a value that SQLite cannot store.
_REFUSED = frozenset({sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH})


class SqliteDatabase(IndexDatabase):
    """
    See `IndexDatabase`.

    Args:
        path: The file; it is created if it does not exist.
        any_thread: Several threads use it, one at a time.

    Raises:
        SnapshotterError: The folder of the file cannot be created, or SQLite is too old.
    """

    def __init__(self, path: Path, *, any_thread: bool = False) -> None:
        self._path = path
        self._any_thread = any_thread
        if sqlite3.sqlite_version_info < _LEAST_VERSION:
            raise SnapshotterError(
                tr(
                    "the index needs SQLite {wanted} or later, and Python uses SQLite {version}",
                    wanted=".".join(map(str, _LEAST_VERSION)),
                    version=sqlite3.sqlite_version,
                ),
                hint=tr("install a later version of SQLite or of Python"),
            )
        try:
            durable.make_private_folder(path.parent)
        except OSError as error:
            raise SnapshotterError(
                tr(
                    "the directory {parent} cannot be created: {strerror}",
                    parent=path.parent,
                    strerror=error.strerror,
                ),
                hint=tr("set data_dir to a directory where you may write"),
            ) from error
        with self._translated():
            self._connection = self._open()

    @property
    @override
    def name(self) -> str:
        return str(self._path)

    @override
    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._translated():
            return self._connection.execute(statement, values).fetchall()

    @override
    def execute(self, statement: str, values: Sequence[Any] = ()) -> None:
        with self._translated():
            self._connection.execute(statement, values)

    @override
    def execute_many(self, statement: str, values: Iterable[Sequence[Any]]) -> None:
        with self._translated():
            self._connection.executemany(statement, values)

    @override
    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        with self._translated():
            self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            with self._translated():
                self._connection.execute("COMMIT")
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    @override
    def has_table(self, table: str) -> bool:
        return bool(self.rows("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)))

    @override
    def translate(self, statements: str) -> list[str]:
        return [stripped for part in statements.split(";") if (stripped := part.strip())]

    @override
    def pieces_value(self, pieces: Sequence[str]) -> str:
        return " ".join(pieces)

    @override
    def pieces_condition(self, query: PieceQuery) -> tuple[str, str]:
        # A phrase. No piece contains a quotation mark.
        return "piece MATCH ?", f'"{" ".join(query.pieces)}"{"*" if query.prefix else ""}'

    @override
    def scrub(self) -> None:
        # FTS5 keeps the pieces of deleted rows until it merges them with others. All are merged,
        # in steps, so that other writers do not wait for long: a negative number begins the merge,
        # and a step that changes nothing ends it (https://sqlite.org/fts5.html#the_merge_command).
        pages = -_MERGED_PAGES
        while True:
            before = self._connection.total_changes
            self.execute("INSERT INTO piece (piece, rank) VALUES ('merge', ?)", (pages,))
            if self._connection.total_changes - before < 2:
                return
            pages = _MERGED_PAGES

    @override
    def is_alive(self) -> bool:
        return True  # a file has no server that can restart

    @override
    def close(self) -> None:
        self._connection.close()

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path,
            timeout=_WAIT_S,
            isolation_level=None,
            check_same_thread=not self._any_thread,
        )
        try:
            connection.execute("PRAGMA journal_mode = TRUNCATE")
            connection.execute("PRAGMA synchronous = NORMAL")
            # Of a text that was erased by order, nothing stays in the file.
            connection.execute("PRAGMA secure_delete = ON")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _discard(self) -> None:
        for ending in ("", "-journal"):
            with contextlib.suppress(OSError):
                self._path.with_name(self._path.name + ending).unlink()

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            code = error.sqlite_errorcode & 0xFF
            if code in _DAMAGED:
                # It is an index: whoever opens it next makes it again.
                self._discard()
                raise IndexDamaged(
                    tr(
                        "the index {path} is damaged and was deleted: {error}",
                        path=self._path,
                        error=error,
                    ),
                    hint=tr("run the command again, which makes the index again from the store"),
                ) from error
            if code in _REFUSED:
                raise self._refusal(error) from error
            if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise ServiceUnavailable(
                    tr("the index {path} is in use by another process", path=self._path),
                    hint=tr("try again"),
                ) from error
            raise SnapshotterError(
                tr("the index {path} cannot be used: {error}", path=self._path, error=error),
                hint=tr(
                    "check whether the disk is full, and check the owner and the permissions "
                    "of the file"
                ),
            ) from error
        except (OverflowError, UnicodeEncodeError) as error:  # numbers and texts, by the driver
            raise self._refusal(error) from error

    def _refusal(self, error: Exception) -> ValueRefused:
        return ValueRefused(
            tr("the index {path} cannot store a value: {error}", path=self._path, error=error),
            hint=tr("this is a bug in snapshotter, please report the bug"),
        )
