"""
Keep the catalog of a store: an SQLite index of its bundles and take-down events.

With it the captures of a page are found without reading the bundles again:

    data_dir/catalog/<digest of the store's name>.db

The catalog is built from the objects of the store, so that no evidence is lost with it:
`snapshotter store reindex` builds it again. Its content is what the bundles state, and does not
count as verified.

`sync` compares the store's listing with the rows, both in the order of keys, and reads new
bundles. Each batch of rows is one transaction: a process that is killed leaves what it had
finished, and the next one continues. Several processes may sync at once, since they write
the same rows.

Which addresses mean the same page is computed over all rows. If one capture shows to which
page a short link leads (`stated`), that holds for every capture of that link (`asked`), also
for captures of a notice, which no longer names the page.
"""

import contextlib
import enum
import json
import sqlite3
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.formats import canonical_json, typed
from snapshotter.formats.bundle import store_keys
from snapshotter.formats.canonical_json import plain
from snapshotter.formats.statements import takedown
from snapshotter.model.takedown import Observation
from snapshotter.policy import page_identity
from snapshotter.policy.page_identity import host_and_port
from snapshotter.ports import ReadableStore
from snapshotter.store.stored_events import StoredEvent, read_stored_event
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

_VERSION = 2  # of the tables and of how rows are made: rows of another one are thrown away
_WAIT_S = 60.0  # for another process's transaction; each is short
_LOT = 50  # rows of one transaction
_PAGE = 500  # rows that are held at once
_DAYS = 31  # that are looked at one by one; for more the whole store is
_ROOT = f"{store_keys.BUNDLES}/"
# Shows its page, and not a few words that may be a notice: a control, or a page to be one.
_CERTAIN = (
    "availability = 'available' AND coalesce(json_extract(observation, '$.ambiguous'), 0) = 0"
)
_TOKENS = "late-"  # sidecars that change what a row says

_SCHEMA = """
CREATE TABLE IF NOT EXISTS bundle (
  key TEXT PRIMARY KEY,
  print TEXT NOT NULL,
  standing TEXT NOT NULL, problem TEXT NOT NULL,
  bundle_id TEXT NOT NULL, sha256 TEXT NOT NULL,
  asked TEXT NOT NULL, stated TEXT NOT NULL, account TEXT NOT NULL,
  url TEXT NOT NULL, host TEXT NOT NULL,
  began_ms INTEGER NOT NULL, at_ms INTEGER NOT NULL, proven_ms INTEGER,
  content TEXT NOT NULL, availability TEXT NOT NULL, cause TEXT NOT NULL,
  undecided TEXT NOT NULL, states TEXT NOT NULL, rule TEXT NOT NULL, counts TEXT NOT NULL,
  main_sha256 TEXT NOT NULL, vantage TEXT NOT NULL, light INTEGER NOT NULL,
  key_id TEXT NOT NULL, observation TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS bundle_by_asked ON bundle (asked, at_ms);
CREATE INDEX IF NOT EXISTS bundle_by_stated ON bundle (stated, asked);
CREATE INDEX IF NOT EXISTS bundle_by_account ON bundle (account, at_ms);
CREATE INDEX IF NOT EXISTS bundle_by_url ON bundle (url, at_ms);
CREATE INDEX IF NOT EXISTS bundle_by_time ON bundle (at_ms);
CREATE INDEX IF NOT EXISTS bundle_by_host ON bundle (host, vantage, availability, began_ms);
CREATE INDEX IF NOT EXISTS bundle_by_verdict ON bundle (availability, states);
CREATE TABLE IF NOT EXISTS event (
  key TEXT PRIMARY KEY, sha256 TEXT NOT NULL, data BLOB NOT NULL,
  event_id TEXT NOT NULL, identity TEXT NOT NULL, account TEXT NOT NULL, kind TEXT NOT NULL,
  at_ms INTEGER NOT NULL, problem TEXT NOT NULL,
  logged INTEGER NOT NULL DEFAULT 0, told INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS event_by_identity ON event (identity, at_ms);
"""
_COLUMNS = (
    "key", "print", "standing", "problem", "bundle_id", "sha256", "asked", "stated", "account",
    "url", "host", "began_ms", "at_ms", "proven_ms", "content", "availability", "cause",
    "undecided", "states", "rule", "counts", "main_sha256", "vantage", "light", "key_id",
    "observation",
)  # fmt: skip
# Errors of a file that is no catalog (any more), as SQLite numbers them.
_RUINED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class VerdictSource(enum.StrEnum):
    """Where the verdict in a row comes from."""

    ASSESSED = "assessed"  # it stands in the bundle
    REASSESSED = "reassessed"  # an older bundle: made of its own files by the rules of today
    UNASSESSED = "unassessed"  # an older bundle that holds too little for a verdict
    UNREADABLE = "unreadable"  # no bundle, or one that cannot be read


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleSummary:
    """The content of one bundle that the catalog needs."""

    verdict_source: VerdictSource
    problem: str = ""  # why there is no observation
    observation: Observation | None = None  # its `identity` is that of the address asked for
    stated: str = ""  # the identity that the page says it has, where the address does not say it
    asked: str = ""  # without an observation: the identity of the address, as far as it is known
    url: str = ""  # without an observation: as it was asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogRow:
    """One bundle in the catalog."""

    key: str
    bundle_id: str
    verdict_source: VerdictSource
    problem: str
    observation: Observation | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogSyncResult:
    """The number of rows that a sync changed."""

    read: int  # bundles that were new, or had new tokens beside them
    removed: int  # rows of bundles that the store does not list any more


# Reads one bundle: its key, and the keys of the late tokens beside it.
ReadBundle = Callable[[str, tuple[str, ...]], BundleSummary]
# How many bundles were read so far.
CatalogProgress = Callable[[int], None]


class Catalog:
    """
    The rows of one store. Used from one thread; other processes may use the same file.

    Args:
        path: The file; created if it does not exist, and again if it is damaged.

    Raises:
        SnapshotterError: The file cannot be written.
        ServiceUnavailable: Another process locks the file for longer than a minute.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise SnapshotterError(
                tr(
                    "the directory {parent} cannot be created: {strerror}",
                    parent=path.parent,
                    strerror=error.strerror,
                ),
                hint=tr("set data_dir to a directory where you may write"),
            ) from error
        try:
            with self._translated():
                self._database = self._open()
        except _Ruined:
            with self._translated():
                self._database = self._open()

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
        """Close the file."""
        self._database.close()

    def _discard(self) -> None:
        for ending in ("", "-journal"):
            with contextlib.suppress(OSError):
                self._path.with_name(self._path.name + ending).unlink()

    def clear(self) -> None:
        """Remove every row."""
        with self._translated(), self._database:
            self._database.execute("DELETE FROM bundle")
            self._database.execute("DELETE FROM event")

    def sync(
        self,
        store: ReadableStore,
        read: ReadBundle,
        *,
        until: datetime | None = None,
        progress: CatalogProgress = lambda count: None,
    ) -> CatalogSyncResult:
        """
        Add the bundles that only the store lists; remove those that it lists no longer.

        Args:
            until: List only the days from shortly before the newest row until then; a bundle
                added with an older id is found by the next whole sync.

        Raises:
            ServiceUnavailable: The store did not answer. The next sync continues there.
            SnapshotterError: The store or the file cannot be used.
        """
        with self._translated():
            found = [self._sync(store, read, progress, prefix) for prefix in self._prefixes(until)]
        return CatalogSyncResult(
            read=sum(bundle.read for bundle in found),
            removed=sum(bundle.removed for bundle in found),
        )

    def rows(
        self,
        *,
        identity: str = "",
        url: str = "",
        account: str = "",
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Iterator[CatalogRow]:
        """
        Yield the matching rows in the order in which their captures ended; all by default.

        Args:
            identity: Of a page, as `policy/page_identity.py` writes it; also one that other
                captures show to be the same.
            url: As it was asked for, letter by letter.
            account: As `Observation.account` has it.
            since, until: When the capture ended; `until` is excluded.
        """
        said, values = ["1"], list[Any]()
        if identity:
            asked = self.asked_for(self.resolved(identity))
            said.append(f"asked IN ({', '.join('?' * len(asked))})")
            values.extend(asked)
        if url:
            said.append("url = ?")
            values.append(url)
        if account:
            asked = self._asked_of(account)
            said.append(f"(account = ? OR asked IN ({', '.join('?' * len(asked))}))")
            values.extend([account, *asked])
        if since is not None:
            said.append("at_ms >= ?")
            values.append(_ms(since))
        if until is not None:
            said.append("at_ms < ?")
            values.append(_ms(until))
        # Nothing of what was given stands in the statement itself.
        statement = (
            "SELECT key, bundle_id, standing, problem, observation FROM bundle "  # noqa: S608
            f"WHERE {' AND '.join(said)} ORDER BY at_ms, bundle_id"
        )
        with self._translated():
            for row in self._database.execute(statement, values).fetchall():
                yield self._row(row)

    def row(self, bundle_id: str) -> CatalogRow | None:
        """Return the row of one bundle; None without one. Raises ValueError: no bundle's id."""
        with self._translated():
            row = self._database.execute(
                "SELECT key, bundle_id, standing, problem, observation FROM bundle WHERE key = ?",
                (store_keys.bundle_key(bundle_id),),
            ).fetchone()
        return self._row(row) if row else None

    def resolved(self, identity: str) -> str:
        """
        Return the identity that an address turned out to have.

        If captures of the same address state two, neither is used.
        """
        with self._translated():
            found = self._database.execute(
                "SELECT DISTINCT stated FROM bundle WHERE asked = ? AND stated != '' LIMIT 2",
                (identity,),
            ).fetchall()
        return found[0][0] if len(found) == 1 else identity

    def asked_for(self, identity: str) -> tuple[str, ...]:
        """Return the identities of all addresses that turned out to be this page, itself first."""
        with self._translated():
            found = self._database.execute(
                "SELECT DISTINCT asked FROM bundle WHERE stated = ?", (identity,)
            ).fetchall()
        others = sorted(asked for (asked,) in found if self.resolved(asked) == identity)
        return (identity, *(other for other in others if other != identity))

    def identities(self, *, account: str = "") -> tuple[str, ...]:
        """Return every page that was captured; those of one account if that is named."""
        with self._translated():
            if account:
                rows = self._database.execute(
                    "SELECT DISTINCT asked FROM bundle WHERE account = ? AND observation != ''",
                    (account,),
                )
            else:
                rows = self._database.execute(
                    "SELECT DISTINCT asked FROM bundle WHERE observation != ''"
                )
            found = {asked for (asked,) in rows.fetchall()}
        found |= set(self._asked_of(account)) if account else set()
        return tuple(sorted({self.resolved(url) for url in found}))

    def pages_in_doubt(self) -> tuple[str, ...]:
        """Return the pages of which a capture shows that they or their account may be gone."""
        with self._translated():
            rows = self._database.execute(
                "SELECT DISTINCT asked FROM bundle WHERE availability = 'unavailable'"
                " UNION SELECT DISTINCT asked FROM bundle WHERE states != ''"
            ).fetchall()
        return tuple(sorted({self.resolved(asked) for (asked,) in rows}))

    def control(
        self, after: Observation, identity: str, *, without: Collection[str] = ()
    ) -> Observation | None:
        """
        Return the first capture that shows another page of the host, since a capture began.

        Args:
            after: The capture; a control took the same way through the network.
            identity: Of the page that it is a control for.
            without: Ids of bundles to exclude.
        """
        asked = self.asked_for(identity)
        pages, bundles = (", ".join("?" * len(values)) for values in (asked, without))
        with self._translated():
            row = self._database.execute(
                "SELECT key, bundle_id, standing, problem, observation FROM bundle "  # noqa: S608
                f"WHERE host = ? AND vantage = ? AND {_CERTAIN} AND began_ms >= ? "
                f"AND asked NOT IN ({pages}) AND bundle_id NOT IN ({bundles}) "
                "ORDER BY at_ms, began_ms, bundle_id LIMIT 1",
                (host_and_port(after.url), after.vantage, _ms(after.began_at), *asked, *without),
            ).fetchone()
        return self._row(row).observation if row else None

    def alive(self, host: str, vantage: str, *, without: str) -> Observation | None:
        """
        Return the newest capture that shows a page of a host.

        Args:
            vantage: The way through the network by which it was seen.
            without: The identity of a page to exclude.
        """
        asked = self.asked_for(without)
        pages = ", ".join("?" * len(asked))
        with self._translated():
            row = self._database.execute(
                "SELECT key, bundle_id, standing, problem, observation FROM bundle "  # noqa: S608
                f"WHERE host = ? AND vantage = ? AND {_CERTAIN} "
                f"AND asked NOT IN ({pages}) ORDER BY at_ms DESC LIMIT 1",
                (host, vantage, *asked),
            ).fetchone()
        return self._row(row).observation if row else None

    def names(self, bundle_id: str) -> tuple[str, str]:
        """Return the identity of a capture's address, and the other one that it states."""
        with self._translated():
            row = self._database.execute(
                "SELECT asked, stated FROM bundle WHERE key = ?",
                (store_keys.bundle_key(bundle_id),),
            ).fetchone()
        return (row[0], row[1]) if row else ("", "")

    def names_account(self, bundle_id: str) -> bool:
        """Whether a capture itself states the account of its page."""
        with self._translated():
            row = self._database.execute(
                "SELECT account FROM bundle WHERE key = ?", (store_keys.bundle_key(bundle_id),)
            ).fetchone()
        return bool(row and row[0])

    def of_account(self, identity: str, account: str) -> Observation | None:
        """Return the first capture of a page that itself states this account."""
        asked = self.asked_for(identity)
        pages = ", ".join("?" * len(asked))
        with self._translated():
            row = self._database.execute(
                "SELECT key, bundle_id, standing, problem, observation FROM bundle "  # noqa: S608
                f"WHERE account = ? AND asked IN ({pages}) ORDER BY at_ms LIMIT 1",
                (account, *asked),
            ).fetchone()
        return self._row(row).observation if row else None

    def shown_by(self, asked: str, identity: str) -> Observation | None:
        """Return the first capture that states which page an address leads to."""
        with self._translated():
            row = self._database.execute(
                "SELECT key, bundle_id, standing, problem, observation FROM bundle "
                "WHERE asked = ? AND stated = ? ORDER BY at_ms LIMIT 1",
                (asked, identity),
            ).fetchone()
        return self._row(row).observation if row else None

    def count_by_verdict_source(self) -> dict[VerdictSource, int]:
        """Return the number of bundles by verdict source."""
        with self._translated():
            rows = self._database.execute(
                "SELECT standing, COUNT(*) FROM bundle GROUP BY standing"
            ).fetchall()
        return {VerdictSource(verdict_source): count for verdict_source, count in rows}

    # Events of the store: their bytes as they were read, and what this machine did with them.

    def sync_events(self, store: ReadableStore) -> None:
        """
        Add the events that only the store lists; remove those that it lists no longer.

        Raises:
            ServiceUnavailable: The store did not answer.
        """
        with self._translated():
            known = dict(self._database.execute("SELECT key, sha256 FROM event").fetchall())
            there = {found.key for found in store.list(f"{store_keys.TAKEDOWNS}/")}
            # One after another: what stands in a store may be a stranger's, and much.
            read = (read_stored_event(store, key) for key in sorted(there - set(known)))
            with self._database:
                self._database.execute("BEGIN IMMEDIATE")
                self._database.executemany(
                    "INSERT OR IGNORE INTO event (key, sha256, data, event_id, identity, account, "
                    "kind, at_ms, problem) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (_event_values(kept_event) for kept_event in read if kept_event is not None),
                )
                self._database.executemany(
                    "DELETE FROM event WHERE key = ?", [(key,) for key in set(known) - there]
                )

    def events(
        self, *, identity: str = "", event_id: str = "", sha256: str = "", pending: bool = False
    ) -> tuple["StoredEvent", ...]:
        """
        Return the events of the store in the order in which they were concluded.

        Args:
            identity: Of a page, or an account.
            sha256: Of the record.
            pending: Only events that this machine has not logged or notified yet.
        """
        said, values = ["1"], list[Any]()
        if identity:
            said.append("identity = ?")
            values.append(identity)
        if event_id:
            said.append("event_id = ?")
            values.append(event_id)
        if sha256:
            said.append("sha256 = ?")
            values.append(sha256)
        if pending:
            said.append("NOT (logged AND told)")
        with self._translated():
            rows = self._database.execute(
                "SELECT key, sha256, data, problem, logged, told FROM event "  # noqa: S608
                f"WHERE {' AND '.join(said)} ORDER BY at_ms, event_id",
                values,
            ).fetchall()
        return tuple(map(_kept_event, rows))

    def settled(self, key: str, *, logged: bool = False, told: bool = False) -> None:
        """Record that this machine logged an event, or sent its notification."""
        with self._translated(), self._database:
            self._database.execute(
                "UPDATE event SET logged = logged OR ?, told = told OR ? WHERE key = ?",
                (logged, told, key),
            )

    def _asked_of(self, account: str) -> tuple[str, ...]:
        """Return the addresses whose pages turned out to be of an account: `wechat:MzA…/…`."""
        with self._translated():
            rows = self._database.execute(
                "SELECT DISTINCT asked FROM bundle WHERE stated >= ? AND stated < ?",
                (f"{account}/", f"{account}0"),  # "0" is the character behind "/"
            ).fetchall()
        return tuple(
            sorted(page for (page,) in rows if self.resolved(page).startswith(f"{account}/"))
        )

    def _row(self, row: Any) -> CatalogRow:
        key, bundle_id, verdict_source, problem, text = row
        found = None
        if text:
            found = typed.read(Observation, json.loads(text))
            identity = self.resolved(found.identity)
            account = found.account or page_identity.account_of_identity(identity)
            found = replace(found, identity=identity, account=account)
        return CatalogRow(
            key=key,
            bundle_id=bundle_id,
            verdict_source=VerdictSource(verdict_source),
            problem=problem,
            observation=found,
        )

    def _prefixes(self, until: datetime | None) -> list[str]:
        """Return the key prefixes to list: of a few days, or of all."""
        row = self._database.execute("SELECT MAX(key) FROM bundle").fetchone()
        if until is None or row[0] is None:
            return [_ROOT]
        newest = store_keys.bundle_time(store_keys.parse_bundle_key(row[0]).bundle_id)
        first = newest.date() - timedelta(days=1)
        days = (until.date() - first).days + 2  # a clock that is ahead of ours may be in tomorrow
        if not 0 < days <= _DAYS:
            return [_ROOT]
        return [f"{_ROOT}{first + timedelta(days=day):%Y/%m/%d}/" for day in range(days)]

    def _sync(
        self, store: ReadableStore, read: ReadBundle, progress: CatalogProgress, prefix: str
    ) -> CatalogSyncResult:
        lot: list[tuple[Any, ...]] = []
        gone: list[str] = []
        count = removed = 0
        rows = self._known(prefix)
        row = next(rows, None)
        for key, length, tokens in _listed(store, prefix):
            while row is not None and row[0] < key:
                gone.append(row[0])
                row = next(rows, None)
            known = ""
            if row is not None and row[0] == key:
                known = row[1]
                row = next(rows, None)
            # Bundles are immutable: what can change is what stands beside them.
            printed = f"{length} {' '.join(tokens)}"
            if known == printed:
                continue
            found = read(key, tokens)
            lot.append(_values(key, printed, found))
            count += 1
            if len(lot) == _LOT:
                self._write(lot, ())
                lot.clear()
                progress(count)
        while row is not None:
            gone.append(row[0])
            row = next(rows, None)
        removed = len(gone)
        self._write(lot, gone)
        if lot:
            progress(count)
        return CatalogSyncResult(read=count, removed=removed)

    def _known(self, prefix: str) -> Iterator[tuple[str, str]]:
        """Yield key and print of each row in the order of keys; others may write in between."""
        start, end = prefix, f"{prefix[:-1]}0"  # "0" is the character behind "/"
        while page := self._database.execute(
            "SELECT key, print FROM bundle WHERE key > ? AND key < ? ORDER BY key LIMIT ?",
            (start, end, _PAGE),
        ).fetchall():
            yield from page
            start = page[-1][0]

    def _write(self, rows: list[tuple[Any, ...]], gone: "list[str] | tuple[()]") -> None:
        if not rows and not gone:
            return
        marks = ", ".join("?" * len(_COLUMNS))
        with self._database:
            self._database.execute("BEGIN IMMEDIATE")
            self._database.executemany(
                f"INSERT OR REPLACE INTO bundle ({', '.join(_COLUMNS)}) VALUES ({marks})",  # noqa: S608  names of our own
                rows,
            )
            self._database.executemany("DELETE FROM bundle WHERE key = ?", [(key,) for key in gone])

    def _open(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._path, timeout=_WAIT_S, isolation_level=None)
        try:
            database.execute("PRAGMA journal_mode = TRUNCATE")
            database.execute("PRAGMA synchronous = NORMAL")
            with database:
                database.execute("BEGIN IMMEDIATE")
                version = database.execute("PRAGMA user_version").fetchone()[0]
                if version not in (0, _VERSION):
                    database.execute("DROP TABLE IF EXISTS bundle")
                    database.execute("DROP TABLE IF EXISTS event")
                for statement in filter(None, map(str.strip, _SCHEMA.split(";"))):
                    database.execute(statement)
                database.execute(f"PRAGMA user_version = {_VERSION}")
        except sqlite3.Error:
            database.close()
            raise
        return database

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            code = error.sqlite_errorcode & 0xFF
            if code in _RUINED:
                # It is an index: whoever opens it next makes it anew.
                self._discard()
                raise _Ruined(
                    tr(
                        "the catalog {path} is damaged and was deleted: {error}",
                        path=self._path,
                        error=error,
                    ),
                    hint=tr(
                        "run the command again; the next command builds the catalog again "
                        "from the store"
                    ),
                ) from error
            if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise ServiceUnavailable(
                    tr("the catalog {path} is in use by another process", path=self._path),
                    hint=tr("try again"),
                ) from error
            raise SnapshotterError(
                tr("the catalog {path} cannot be used: {error}", path=self._path, error=error),
                hint=tr(
                    "check whether the disk is full, and check the owner and the permissions "
                    "of the catalog file"
                ),
            ) from error


class _Ruined(SnapshotterError):
    """The file is no valid catalog, and is created again."""


def _listed(store: ReadableStore, prefix: str) -> Iterator[tuple[str, int, tuple[str, ...]]]:
    """Yield key and length of each bundle of a store, with the keys of its late tokens."""
    key, length, tokens = "", 0, list[str]()
    for found in store.list(prefix):
        try:
            there = store_keys.parse_bundle_key(found.key)
        except ValueError:
            continue  # not ours
        if not there.kind:
            if key:
                yield key, length, tuple(tokens)
            key, length, tokens = found.key, found.length, []
        elif there.kind.startswith(_TOKENS) and found.key.startswith(key) and key:
            tokens.append(found.key)
    if key:
        yield key, length, tuple(tokens)


def _event_values(found: StoredEvent) -> tuple[Any, ...]:
    event = found.event
    if event is None:
        return found.key, found.sha256, found.data, "", "", "", "", 0, found.problem
    account = event.last_seen.account or event.first_gone.account
    about = (event.event_id, event.identity, account, event.kind.value, _ms(event.at), "")
    return (found.key, found.sha256, found.data, *about)


def _kept_event(row: Any) -> StoredEvent:
    key, sha256, data, problem, logged, told = row
    event, key_id = (None, "") if problem else takedown.parse(data)
    return StoredEvent(
        key=key,
        sha256=sha256,
        data=data,
        event=event,
        key_id=key_id,
        problem=problem,
        logged=bool(logged),
        told=bool(told),
    )


def _values(key: str, printed: str, found: BundleSummary) -> tuple[Any, ...]:
    bundle_id = store_keys.parse_bundle_key(key).bundle_id
    seen = found.observation
    if seen is None:
        nothing = [""] * (len(_COLUMNS) - 6)
        row: dict[str, Any] = dict(zip(_COLUMNS[6:], nothing, strict=True))
        row |= {"asked": found.asked, "url": found.url}
        # The time in its id puts it in its place among the others.
        row |= {"began_ms": _ms(store_keys.bundle_time(bundle_id)), "light": 0, "proven_ms": None}
        row["at_ms"] = row["began_ms"]
        head = (key, printed, found.verdict_source.value, found.problem, bundle_id, "")
        return (*head, *(row[name] for name in _COLUMNS[6:]))
    return (
        key,
        printed,
        found.verdict_source.value,
        found.problem,
        bundle_id,
        seen.sha256,
        seen.identity,
        found.stated if found.stated != seen.identity else "",
        seen.account,
        seen.url,
        host_and_port(seen.url),
        _ms(seen.began_at),
        _ms(seen.at),
        _ms(seen.proven_at) if seen.proven_at else None,
        seen.content.value,
        seen.availability.value,
        seen.cause.value if seen.cause else "",
        seen.undecided.value if seen.undecided else "",
        " ".join(sorted({account.state for account in seen.accounts})),
        seen.rule,
        canonical_json.dumps(plain(seen.counts)).decode(),
        seen.main_sha256,
        seen.vantage,
        int(seen.light),
        seen.key_id,
        canonical_json.dumps(plain(seen)).decode(),
    )


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)
