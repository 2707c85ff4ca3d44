"""
Keep the data of an audit in an SQLite file, because it may not fit into memory.

For a store with a million bundles, neither the listing nor the log is ever held in memory.
Both are written to tables and matched there. Findings are written as they are made, so that
many of one kind cost no memory and hide no other. The table of results stays from one audit
to the next: an interrupted audit continues with it, and the next audit skips the signatures
(never the bytes) of unchanged objects.

The file is a cache that can be built again: it is written without waiting for the disk, and
discarded if it cannot be read.
"""

import contextlib
import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from snapshotter.errors import SnapshotterError
from snapshotter.model.audit import AuditCode, AuditFinding, FindingCount, Severity
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

_VERSION = 1  # of the tables: another one is thrown away
_CACHE_KIB = 16 << 10  # of SQLite's own pages
_PAGE = 500  # rows that are held at once
_ROWS = 2_000  # written in one go

# `entry.root` is the root of the tree that ends with this entry: what any older
# checkpoint says can be held against it without building the tree again.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS entry (
  number INTEGER PRIMARY KEY,
  kind TEXT NOT NULL, name TEXT NOT NULL, sha256 TEXT NOT NULL, root BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS entry_by_name ON entry (kind, name);
CREATE TABLE IF NOT EXISTS object (
  key TEXT PRIMARY KEY,
  length INTEGER NOT NULL, bundle TEXT NOT NULL, kind TEXT NOT NULL, rank BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS object_by_bundle ON object (bundle, kind);
CREATE TABLE IF NOT EXISTS result (
  key TEXT PRIMARY KEY, run TEXT NOT NULL,
  print TEXT NOT NULL, facts TEXT NOT NULL, lock TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS finding (
  number INTEGER PRIMARY KEY,
  code TEXT NOT NULL, severity TEXT NOT NULL, key TEXT NOT NULL, detail TEXT NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS finding_once ON finding (code, severity, key, detail);
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS head (size INTEGER PRIMARY KEY, latest TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS seen (key TEXT PRIMARY KEY, run TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS unread (
  name TEXT PRIMARY KEY,
  key TEXT NOT NULL, code TEXT NOT NULL, retry INTEGER NOT NULL, detail TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS suspect (
  number INTEGER PRIMARY KEY, suspect TEXT NOT NULL
);
"""
_REFILLED = ("entry", "object", "finding", "head", "unread", "suspect")  # by each audit


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredLogEntry:
    """One entry of the log, as stored in the workspace."""

    number: int  # from 0
    kind: str
    name: str
    sha256: str  # hex
    root: bytes  # of the tree that ends with it


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedObject:
    """One object of the store's listing."""

    key: str
    length: int  # bytes
    bundle: str  # the bundle that it belongs to, or ""
    kind: str  # "" for a bundle itself, else the kind of its sidecar


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadObject:
    """An object that could not be read."""

    name: str  # of one thing in all audits: the object's key, or what of it after "#"
    key: str  # of the object
    code: AuditCode
    retry: bool  # whether another try may help
    detail: str


class AuditDatabase:
    """
    The tables of one audit. Used by one process, from one thread.

    Args:
        path: The file; created if it does not exist, replaced if it is invalid.

    Raises:
        SnapshotterError: The file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.replaced = False  # there was one, and it could not be read
        try:
            self._database = self._open()
        except sqlite3.DatabaseError as error:
            if _is_of_the_disk(error):  # what is known of earlier audits stays
                raise SnapshotterError(
                    tr("{path} cannot be written: {error}", path=path, error=error),
                    hint=tr(
                        "free space on the disk of the state directory, or choose another "
                        "directory with the option --state"
                    ),
                ) from error
            self.replaced = True
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
            try:
                self._database = self._open()
            except sqlite3.DatabaseError as error:
                raise SnapshotterError(
                    tr("{path} cannot be written: {error}", path=path, error=error),
                    hint=tr("choose another directory with the option --state"),
                ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Commit and close the file."""
        self._database.commit()
        self._database.close()

    def begin(self) -> None:
        """Empty the tables of one audit; results stay."""
        for table in _REFILLED:
            self._database.execute(f"DELETE FROM {table}")  # noqa: S608  names of our own
        self._database.commit()

    def commit(self) -> None:
        """Commit what was written."""
        self._database.commit()

    # The log.

    def add_entries(self, entries: Iterable[StoredLogEntry]) -> None:
        """Add entries of the log with their numbers."""
        self._many(
            "INSERT INTO entry VALUES (?, ?, ?, ?, ?)",
            ((entry.number, entry.kind, entry.name, entry.sha256, entry.root) for entry in entries),
        )

    def root_at(self, size: int) -> str | None:
        """Return the root (hex) of the tree of so many entries; None if there are fewer."""
        if size == 0:
            return hashlib.sha256(b"").hexdigest()  # RFC 6962 §2.1: of no entries
        row = self._one("SELECT root FROM entry WHERE number = ?", size - 1)
        return row[0].hex() if row else None

    def entries(self, kind: str, name: str) -> tuple[StoredLogEntry, ...]:
        """Return the entries of that kind and name, the first `_PAGE` of them, in their order."""
        rows = self._database.execute(
            "SELECT * FROM entry WHERE kind = ? AND name = ? ORDER BY number LIMIT ?",
            (kind, name, _PAGE),
        )
        return tuple(_entry(row) for row in rows)

    def entries_of(self, kind: str) -> Iterator[StoredLogEntry]:
        """Yield all entries of a kind, in their order."""
        return map(
            _entry,
            self._pages(
                "SELECT * FROM entry WHERE kind = ?1 AND number > ?2 ORDER BY number LIMIT ?3",
                kind,
                start=-1,
            ),
        )

    def bundles_logged_twice(self) -> Iterator[tuple[str, int, int]]:
        """Yield bundle id, number of entries and of different digests of bundles named twice."""
        return self._rows(
            "SELECT name, count(*), count(DISTINCT sha256) FROM entry "
            "WHERE kind = 'bundle' GROUP BY name HAVING count(*) > 1"
        )

    # The store.

    def add_objects(self, objects: Iterable[ListedObject], *, seed: str) -> None:
        """Add the store's listing; the seed decides which bundles a sample contains."""
        self._many(
            "INSERT OR REPLACE INTO object VALUES (?, ?, ?, ?, ?)",
            (
                (
                    listed.key,
                    listed.length,
                    listed.bundle,
                    listed.kind,
                    _rank(seed, listed.key) if not listed.kind else b"",
                )
                for listed in objects
            ),
        )

    def bundles(self) -> int:
        """Return the number of bundles in the store."""
        return int(self._value("SELECT count(*) FROM object WHERE kind = '' AND bundle != ''"))

    def has_object(self, key: str) -> bool:
        """Whether the store lists that key."""
        return self._one("SELECT 1 FROM object WHERE key = ?", key) is not None

    def sidecars(self, bundle: str) -> Iterator[ListedObject]:
        """Yield the sidecars of a bundle that the store lists, in the order of their keys."""
        return map(
            _listed,
            self._pages(
                "SELECT key, length, bundle, kind FROM object "
                "WHERE bundle = ?1 AND kind != '' AND key > ?2 ORDER BY key LIMIT ?3",
                bundle,
                start="",
            ),
        )

    def to_read(self, *, since: str, sample: int | None) -> Iterator[ListedObject]:
        """
        Yield the bundles to read, in the order of their keys.

        Args:
            since: The least key, as text; "" for all.
            sample: Only so many bundles, those with the lowest rank.
        """
        rows = self._pages(
            "SELECT key, length, bundle, kind FROM object "
            "WHERE kind = '' AND bundle != '' AND rank <= ?1 AND key > ?2 ORDER BY key LIMIT ?3",
            self._top_rank(since, sample),
            start=since,
        )
        return map(_listed, rows)

    def count_to_read(self, *, since: str, sample: int | None) -> int:
        """Return the number of bundles that `to_read` yields."""
        return int(
            self._value(
                "SELECT count(*) FROM object "
                "WHERE kind = '' AND bundle != '' AND rank <= ? AND key > ?",
                self._top_rank(since, sample),
                since,
            )
        )

    def _top_rank(self, since: str, sample: int | None) -> bytes:
        """Return the greatest rank in a sample."""
        if sample == 0:
            return b""
        highest = b"\xff" * 33  # more than any digest
        if sample is None:
            return highest
        top = self._value(
            "SELECT rank FROM object WHERE kind = '' AND bundle != '' AND key > ? "
            "ORDER BY rank LIMIT 1 OFFSET ?",
            since,
            sample - 1,
        )
        return highest if top is None else bytes(top)

    # Each against the other.

    def gone(self) -> Iterator[StoredLogEntry]:
        """Yield the first entry of each bundle that the log names and the store does not list."""
        return map(
            _entry,
            self._pages(
                "SELECT * FROM entry AS logged WHERE kind = ?1 AND number > ?2 AND NOT EXISTS "
                "(SELECT 1 FROM object WHERE bundle = logged.name AND object.kind = '') "
                "AND number = "
                "(SELECT min(number) FROM entry WHERE kind = ?1 AND name = logged.name) "
                "ORDER BY number LIMIT ?3",
                "bundle",
                start=-1,
            ),
        )

    def unlogged(self) -> Iterator[ListedObject]:
        """Yield the bundles that the store lists and the log does not name."""
        return map(
            _listed,
            self._pages(
                "SELECT key, length, bundle, object.kind FROM object "
                "WHERE object.kind = ?1 AND bundle != '' AND key > ?2 AND NOT EXISTS "
                "(SELECT 1 FROM entry WHERE entry.kind = 'bundle' AND name = object.bundle) "
                "ORDER BY key LIMIT ?3",
                "",
                start="",
            ),
        )

    def without_bundle(self) -> Iterator[ListedObject]:
        """Yield the sidecars whose bundle is not in the store."""
        return map(
            _listed,
            self._pages(
                "SELECT key, length, bundle, kind FROM object AS it "
                "WHERE kind != ?1 AND bundle != '' AND key > ?2 AND NOT EXISTS "
                "(SELECT 1 FROM object WHERE bundle = it.bundle AND kind = '') "
                "ORDER BY key LIMIT ?3",
                "",
                start="",
            ),
        )

    def newest_before(self, size: int) -> str:
        """Return the greatest bundle id among the first `size` entries; "" if there is none."""
        known = self._one("SELECT latest FROM head WHERE size = ?", size)
        if known:
            return str(known[0])
        nearest = self._one("SELECT size, latest FROM head WHERE size < ? ORDER BY size DESC", size)
        start, latest = nearest or (0, "")
        row = self._one(
            "SELECT max(name) FROM entry WHERE number >= ? AND number < ? AND kind = 'bundle'",
            start,
            size,
        )
        latest = max(latest, (row[0] if row else None) or "")
        self._database.execute("INSERT OR REPLACE INTO head VALUES (?, ?)", (size, latest))
        return str(latest)

    # What could not be read, and what may be gone.

    def mark_read(self, key: str, run: str) -> None:
        """Record which audit read an object, by its key or its name in all audits."""
        self._database.execute("INSERT OR REPLACE INTO seen VALUES (?, ?)", (key, run))

    def read_in(self, key: str) -> str:
        """Return the last audit that read an object; "" if there is none."""
        row = self._one("SELECT run FROM seen WHERE key = ?", key)
        return str(row[0]) if row else ""

    def facts(self, key: str) -> tuple[str, dict[str, Any]] | None:
        """Return the last audit that read a bundle, and the facts; None if there is none."""
        row = self._one("SELECT run, facts FROM result WHERE key = ?", key)
        return (row[0], json.loads(row[1])) if row else None

    def add_unread(self, unread: UnreadObject) -> None:
        """Record an unreadable object; the first of several errors stays."""
        self._database.execute(
            "INSERT OR IGNORE INTO unread VALUES (?, ?, ?, ?, ?)",
            (
                encodable(unread.name),
                encodable(unread.key),
                unread.code.value,
                unread.retry,
                encodable(unread.detail),
            ),
        )

    def unread(self) -> Iterator[UnreadObject]:
        """Yield the unreadable objects, by name."""
        last = ""
        while rows := self._database.execute(
            "SELECT name, key, code, retry, detail FROM unread WHERE name > ? "
            "ORDER BY name LIMIT ?",
            (last, _PAGE),
        ).fetchall():
            for name, key, code, retry, detail in rows:
                yield UnreadObject(
                    name=name, key=key, code=AuditCode(code), retry=bool(retry), detail=detail
                )
            last = rows[-1][0]

    def is_unread(self, name: str) -> bool:
        """Whether an object could not be read in this audit."""
        return self._one("SELECT 1 FROM unread WHERE name = ?", name) is not None

    def add_suspect(self, suspect: Mapping[str, Any]) -> None:
        """Add an object that needs a second look."""
        self._database.execute("INSERT INTO suspect (suspect) VALUES (?)", (json.dumps(suspect),))

    def take_suspects(self) -> Iterator[dict[str, Any]]:
        """Yield and remove the objects that need a second look, without those added meanwhile."""
        last = self._value("SELECT max(number) FROM suspect")
        if last is None:
            return
        for row in self._pages(
            "SELECT number, suspect FROM suspect WHERE number <= ?1 AND number > ?2 "
            "ORDER BY number LIMIT ?3",
            last,
            start=-1,
        ):
            yield json.loads(row[1])
        self._database.execute("DELETE FROM suspect WHERE number <= ?", (last,))

    # Results, from one audit to the next.

    def result(self, key: str) -> tuple[str, str] | None:
        """Return the run and fingerprint of an earlier reading; None if there is none."""
        row = self._one("SELECT run, print FROM result WHERE key = ?", key)
        return (row[0], row[1]) if row else None

    def keep_result(
        self, key: str, run: str, fingerprint: str, facts: dict[str, Any] | None, lock: object
    ) -> None:
        """
        Store the result of reading an object.

        Args:
            facts: None: the stored facts with this fingerprint are still valid.
            lock: The lock of the object at that time.
        """
        if facts is None:
            self._database.execute(
                "UPDATE result SET run = ?, lock = ? WHERE key = ? AND print = ?",
                (run, json.dumps(lock), key, fingerprint),
            )
        else:
            self._database.execute(
                "INSERT OR REPLACE INTO result VALUES (?, ?, ?, ?, ?)",
                (key, run, fingerprint, json.dumps(facts, sort_keys=True), json.dumps(lock)),
            )

    def forget_gone(self) -> None:
        """Remove the results of objects that no longer exist; the record of reads stays."""
        self._database.execute(
            "INSERT OR IGNORE INTO seen SELECT key, run FROM result "
            "WHERE NOT EXISTS (SELECT 1 FROM object WHERE key = result.key)"
        )
        self._database.execute(
            "DELETE FROM result WHERE NOT EXISTS (SELECT 1 FROM object WHERE key = result.key)"
        )

    def results(self, run: str) -> Iterator[tuple[ListedObject, dict[str, Any], Any]]:
        """Yield object, facts and lock of everything that one audit has read, in key order."""
        rows = self._pages(
            "SELECT object.key, length, bundle, kind, facts, lock "
            "FROM result JOIN object USING (key) "
            "WHERE run = ?1 AND result.key > ?2 ORDER BY result.key LIMIT ?3",
            run,
            start="",
        )
        for row in rows:
            yield _listed(row), json.loads(row[4]), json.loads(row[5])

    def note(self, name: str) -> str:
        """Return the note of a name; "" if there is none."""
        return str(self._value("SELECT value FROM meta WHERE name = ?", name) or "")

    def put_note(self, name: str, value: str) -> None:
        """Store a note for the next user of the file."""
        self._database.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))
        self._database.commit()

    # Findings.

    def add_finding(self, finding: AuditFinding) -> None:
        """Add a finding; a repeated one counts once."""
        self._database.execute(
            "INSERT OR IGNORE INTO finding (code, severity, key, detail) VALUES (?, ?, ?, ?)",
            (
                finding.code.value,
                finding.severity.value,
                encodable(finding.key),
                encodable(finding.detail),
            ),
        )

    def counts(self) -> tuple[FindingCount, ...]:
        """Return the count of each kind of finding, worst first."""
        rows = self._database.execute(
            "SELECT code, severity, count(*) FROM finding GROUP BY code, severity"
        )
        found = [
            FindingCount(code=AuditCode(code), severity=Severity(severity), count=count)
            for code, severity, count in rows
        ]
        return tuple(sorted(found, key=lambda count: (_ORDER[count.severity], _PLACE[count.code])))

    def findings(self, kind: FindingCount, *, at_most: int | None = None) -> Iterator[AuditFinding]:
        """Yield the findings of one kind, by key; the first `at_most` of them."""
        rows = self._database.execute(
            "SELECT key, detail FROM finding WHERE code = ? AND severity = ? "
            "ORDER BY key, number LIMIT ?",
            (kind.code.value, kind.severity.value, -1 if at_most is None else at_most),
        )
        for key, detail in rows:
            yield AuditFinding(code=kind.code, severity=kind.severity, key=key, detail=detail)

    def _open(self) -> sqlite3.Connection:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise SnapshotterError(
                tr(
                    "{parent} cannot be created: {strerror}",
                    parent=self._path.parent,
                    strerror=error.strerror,
                ),
                hint=tr("choose another directory with the option --state"),
            ) from error
        database = sqlite3.connect(self._path, isolation_level="DEFERRED")
        try:
            database.execute("PRAGMA journal_mode = TRUNCATE")
            database.execute("PRAGMA synchronous = OFF")
            database.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            database.execute("PRAGMA temp_store = FILE")
            version = database.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, _VERSION):
                raise sqlite3.DatabaseError(tr("tables of version {version}", version=version))
            database.executescript(_SCHEMA)
            database.execute(f"PRAGMA user_version = {_VERSION}")
            if database.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
                raise sqlite3.DatabaseError("damaged")
        except sqlite3.Error:
            database.close()
            raise
        return database

    def _many(self, statement: str, rows: Iterable[tuple[Any, ...]]) -> None:
        batch: list[tuple[Any, ...]] = []
        for row in rows:
            batch.append(row)
            if len(batch) == _ROWS:
                self._database.executemany(statement, batch)
                batch.clear()
        self._database.executemany(statement, batch)
        self._database.commit()

    def _one(self, statement: str, *values: Any) -> Any:
        return self._database.execute(statement, values).fetchone()

    def _value(self, statement: str, *values: Any) -> Any:
        row = self._one(statement, *values)
        return row[0] if row else None

    def _rows(self, statement: str) -> Iterator[Any]:
        yield from self._database.execute(statement)

    def _pages(self, statement: str, value: Any, *, start: Any) -> Iterator[Any]:
        """Yield rows page by page, by their first column: others may write in between."""
        while rows := self._database.execute(statement, (value, start, _PAGE)).fetchall():
            yield from rows
            start = rows[-1][0]


def encodable(text: str) -> str:
    """Return a text that can be encoded: file names may contain invalid characters."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


_ORDER = {severity: place for place, severity in enumerate(Severity)}
_PLACE = {code: place for place, code in enumerate(AuditCode)}


def _is_of_the_disk(error: sqlite3.DatabaseError) -> bool:
    """Whether an error is about the disk (full, read-only) and the file may be intact."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # none, where it is ours
    return code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY)


def _entry(row: Any) -> StoredLogEntry:
    return StoredLogEntry(number=row[0], kind=row[1], name=row[2], sha256=row[3], root=row[4])


def _listed(row: Any) -> ListedObject:
    return ListedObject(key=row[0], length=row[1], bundle=row[2], kind=row[3])


def _rank(seed: str, key: str) -> bytes:
    return hashlib.sha256(f"{seed}\n{key}".encode()).digest()
