"""
Bring the rows of an index up to date with the bundles that a store lists.

The listing and the rows are compared in the order of keys, and new bundles are read. Each batch of
rows is one transaction: a process that is killed leaves what it had finished, and the next one
continues. Several processes may sync at once, because they write the same rows. If the database
refuses a row, the row of that bundle states the problem, and all other bundles get theirs.

A store in a directory shows which folders changed since they were compared. Only these are listed.

A store in a bucket shows nothing without a listing. A search lists the newest days only, and from
time to time the whole store: as seldom as a store is large, so that all listings together cost one
request in about ten seconds. A listing of the whole store shows which folders changed.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from snapshotter.formats.bundle import store_keys
from snapshotter.index import tables
from snapshotter.index.bundle_rows import COLUMNS, ListedObject, indexed_key, storable, to_row
from snapshotter.index.database import IndexDatabase, ValueRefused
from snapshotter.index.fingerprint import fingerprint
from snapshotter.index.passages import ID_STEP, id_remainder
from snapshotter.index.tokens import normalise, pieces
from snapshotter.index.values import (
    BundleSummary,
    IndexProgress,
    IndexSyncResult,
    JobFacts,
    PassageRegion,
    ReadBundle,
    VerdictSource,
)
from snapshotter.ports import ReadableStore
from snapshotter.translation import tr

# Returns what the queue knows of the jobs that made bundles, by the ids of the bundles.
ReadJobs = Callable[[Sequence[str]], Mapping[str, JobFacts]]
# Returns the folders some levels below a prefix, each with a text that changes with its content;
# "" for a folder that has to be listed.
FolderStamps = Callable[[str, int], Mapping[str, str]]

_BATCH = 50  # bundles of one transaction
_PAGE = 500  # rows that are held at once
_DAYS = 31  # that are listed one by one; for more the whole store is
_ROOT = f"{store_keys.BUNDLES}/"
# The whole store is listed again after a second for so many bundles. With four objects of each
# bundle and a thousand objects of each request, that is one request in ten seconds.
_BUNDLES_PER_S = 25
_WHOLE_AFTER = (timedelta(minutes=1), timedelta(days=1))  # at least, at most
_DEPTH = 3  # levels below it: year, month and day
# Beginnings of the kinds of sidecars that change what a row says.
_SIDECARS = ("late-", "hold-", "quarantine-", "custody-0001.jsonl")
_UPSERT = (
    f"INSERT INTO bundle ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))}) "  # noqa: S608  names of our own
    f"ON CONFLICT (key) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in COLUMNS)}"
)


def sync_bundles(
    database: IndexDatabase,
    store: ReadableStore,
    read: ReadBundle,
    *,
    jobs: ReadJobs | None,
    stamps: FolderStamps | None,
    listed_stamps: FolderStamps | None,
    until: datetime | None,
    progress: IndexProgress,
) -> IndexSyncResult:
    """See `Index.sync`."""
    batch = _Batch(database, read, jobs, progress)
    removed, is_whole = 0, True
    if stamps is not None:
        removed = _sync_folders(database, store, stamps(_ROOT, _DEPTH), batch)
    else:
        prefixes = [_ROOT] if _is_whole_due(database, until) else newest_days(database, until)
        is_whole = prefixes == [_ROOT]
        if is_whole and listed_stamps is not None:
            removed = _sync_folders(database, store, listed_stamps(_ROOT, _DEPTH), batch)
        else:
            for prefix in prefixes:
                removed += _sync_prefix(database, store, prefix, batch)
            batch.write()
        if until is not None and (is_whole or tables.whole_since(database) is None):
            with database.writing():
                tables.store_whole_since(database, until)
    if is_whole and tables.is_outdated(database):
        with database.writing():
            tables.mark_current(database)
    if removed:
        database.scrub()  # bundles are removed by order only, and so are their texts
    return IndexSyncResult(read=batch.count, removed=removed)


class _Batch:
    """The bundles that are read before they are written together."""

    def __init__(
        self,
        database: IndexDatabase,
        read: ReadBundle,
        jobs: ReadJobs | None,
        progress: IndexProgress,
    ) -> None:
        self.count = 0  # bundles that were read
        self._database = database
        self._read = read
        self._jobs = jobs
        self._progress = progress
        self._held = list[tuple[ListedObject, BundleSummary]]()
        self._stamps = dict[str, str]()

    def add(self, listed: ListedObject) -> None:
        self._held.append((listed, self._read(listed.key, listed.sidecars)))
        self.count += 1
        if len(self._held) == _BATCH:
            self.write()

    def add_stamp(self, prefix: str, stamp: str) -> None:
        """Write the stamp of a folder together with the last of its bundles."""
        self._stamps[prefix] = stamp

    def write(self) -> None:
        if not self._held and not self._stamps:
            return
        ids = [store_keys.parse_bundle_key(listed.key).bundle_id for listed, _ in self._held]
        known = self._jobs(ids) if ids and self._jobs is not None else {}
        try:
            self._store(self._held, known, self._stamps)
        except ValueRefused:
            for number, held in enumerate(self._held, 1):
                # A folder is known when all of its bundles are.
                stamps = self._stamps if number == len(self._held) else {}
                try:
                    self._store([held], known, stamps)
                except ValueRefused as error:
                    self._store([(held[0], _refused(held[0], error))], {}, stamps)
        self._stamps.clear()
        self._held.clear()
        self._progress(self.count)

    def _store(
        self,
        held: Sequence[tuple[ListedObject, BundleSummary]],
        known: Mapping[str, JobFacts],
        stamps: Mapping[str, str],
    ) -> None:
        """Write the rows of bundles and the stamps of folders in one transaction."""
        ids = [store_keys.parse_bundle_key(listed.key).bundle_id for listed, _ in held]
        # Before the transaction, for which others wait.
        bundles = [
            to_row(listed, found, known.get(bundle_id, JobFacts()))
            for bundle_id, (listed, found) in zip(ids, held, strict=True)
        ]
        passages = [
            (bundle_id, number, passage.region.value, storable(passage.text))
            for bundle_id, (_, found) in zip(ids, held, strict=True)
            for number, passage in enumerate(found.passages)
        ]
        cut = [
            [pieces(normalise(storable(passage.text))) for passage in found.passages]
            for _, found in held
        ]
        searched = [
            self._database.pieces_value(of_passage) for of_bundle in cut for of_passage in of_bundle
        ]
        sketches = [
            (bundle_id, _page(found), hashes)
            for bundle_id, (_, found), of_bundle in zip(ids, held, cut, strict=True)
            if (hashes := fingerprint(_main_pieces(found, of_bundle)))
        ]
        with self._database.writing():
            if ids:
                marks = ", ".join("?" * len(ids))
                there = self._database.rows(
                    f"SELECT bundle_id FROM bundle WHERE bundle_id IN ({marks})",  # noqa: S608
                    ids,
                )
                _delete_passages(self._database, [bundle_id for (bundle_id,) in there])
                self._database.execute_many(_UPSERT, bundles)
                ((last,),) = self._database.rows("SELECT COALESCE(MAX(id), 0) FROM passage")
                numbered = [
                    (step * ID_STEP + id_remainder(passage[2]), *passage)
                    for step, passage in enumerate(passages, last // ID_STEP + 1)
                ]
                self._database.execute_many(
                    "INSERT INTO passage (id, bundle_id, number, region, text) "
                    "VALUES (?, ?, ?, ?, ?)",
                    numbered,
                )
                self._database.execute_many(
                    "INSERT INTO piece (rowid, text) VALUES (?, ?)",
                    [(row[0], value) for row, value in zip(numbered, searched, strict=True)],
                )
                self._database.execute_many(
                    "INSERT INTO sketch (bundle_id, page, hashes) VALUES (?, ?, ?)",
                    [
                        (bundle_id, page, " ".join(map(str, hashes)))
                        for bundle_id, page, hashes in sketches
                    ],
                )
                self._database.execute_many(
                    "INSERT INTO fingerprint (value, page) VALUES (?, ?) ON CONFLICT DO NOTHING",
                    [(value, page) for _, page, hashes in sketches for value in hashes],
                )
            self._database.execute_many(
                "INSERT INTO folder (prefix, stamp) VALUES (?, ?) "
                "ON CONFLICT (prefix) DO UPDATE SET stamp = excluded.stamp",
                list(stamps.items()),
            )


def _refused(listed: ListedObject, error: ValueRefused) -> BundleSummary:
    """Return what the index states about a bundle whose row the database refuses."""
    bundle_id = store_keys.parse_bundle_key(listed.key).bundle_id
    return BundleSummary(
        verdict_source=VerdictSource.UNREADABLE,
        problem=tr(
            "the index has no text and no verdict of the bundle {bundle_id}: {error}",
            bundle_id=bundle_id,
            error=error,
        ),
    )


def _page(found: BundleSummary) -> str:
    """Return the identity of the page of a capture; of a long one, the key in the index."""
    seen = found.observation
    identity = found.stated or (seen.identity if seen is not None else found.asked)
    return indexed_key(storable(identity))


def _main_pieces(found: BundleSummary, cut: Sequence[Sequence[str]]) -> list[str]:
    """Return the pieces of the main text of a capture, from those of its passages."""
    return [
        piece
        for passage, of_passage in zip(found.passages, cut, strict=True)
        if passage.region is PassageRegion.MAIN
        for piece in of_passage
    ]


def compare(database: IndexDatabase, store: ReadableStore) -> tuple[int, int]:
    """
    Return how many bundles of a store the next sync has to read, and how many rows it removes.

    Raises:
        ServiceUnavailable: The store did not answer.
    """
    outdated = 0
    rows = _KnownRows(database, _ROOT)
    for listed in _listed(store, _ROOT):
        outdated += rows.mark_before(listed.key) != listed.mark
    rows.take_rest()
    return outdated, len(rows.gone)


class _KnownRows:
    """
    The rows below a prefix, passed in the order of keys beside a listing of the store.

    Attributes:
        gone: Keys of the rows so far that the store does not list.
    """

    def __init__(self, database: IndexDatabase, prefix: str) -> None:
        self.gone: list[str] = []
        self._rows = _known(database, prefix)
        self._row = next(self._rows, None)

    def mark_before(self, key: str) -> str:
        """Pass all rows up to a key that the store lists; return its mark, "" without a row."""
        while self._row is not None and self._row[0] < key:
            self._take()
        if self._row is None or self._row[0] != key:
            return ""
        mark: str = self._row[1]
        self._row = next(self._rows, None)
        return mark

    def take_rest(self) -> None:
        """Pass all rows that are left."""
        while self._row is not None:
            self._take()

    def _take(self) -> None:
        if self._row is not None:
            self.gone.append(self._row[0])
        self._row = next(self._rows, None)


def _sync_folders(
    database: IndexDatabase, store: ReadableStore, stamps: Mapping[str, str], batch: _Batch
) -> int:
    """List the folders that changed; return the number of removed rows."""
    known = dict(database.rows("SELECT prefix, stamp FROM folder"))
    gone = list[str]()
    removed = 0
    # A folder that no longer exists is listed as well: all of its rows are removed.
    for prefix in sorted({*known, *stamps}):
        stamp = stamps.get(prefix, "")
        if stamp and known.get(prefix) == stamp:
            continue
        removed += _sync_prefix(database, store, prefix, batch)
        if prefix not in stamps:
            gone.append(prefix)
        elif known.get(prefix) != stamp:
            batch.add_stamp(prefix, stamp)
    batch.write()
    if gone:
        with database.writing():
            database.execute_many(
                "DELETE FROM folder WHERE prefix = ?", [(prefix,) for prefix in gone]
            )
    return removed


def _sync_prefix(database: IndexDatabase, store: ReadableStore, prefix: str, batch: _Batch) -> int:
    """Add the new bundles below a prefix to the batch; return the number of removed rows."""
    rows = _KnownRows(database, prefix)
    for listed in _listed(store, prefix):
        # Bundles are immutable: what can change is what stands beside them.
        if rows.mark_before(listed.key) != listed.mark:
            batch.add(listed)
    rows.take_rest()
    gone = rows.gone
    if gone:
        with database.writing():
            database.execute_many("DELETE FROM bundle WHERE key = ?", [(key,) for key in gone])
            _delete_passages(database, [store_keys.parse_bundle_key(key).bundle_id for key in gone])
    return len(gone)


def _delete_passages(database: IndexDatabase, bundle_ids: Sequence[str]) -> None:
    values = [(bundle_id,) for bundle_id in bundle_ids]
    database.execute_many(
        "DELETE FROM piece WHERE rowid IN (SELECT id FROM passage WHERE bundle_id = ?)", values
    )
    database.execute_many("DELETE FROM passage WHERE bundle_id = ?", values)
    for bundle_id in bundle_ids:
        # Values of a page stay as long as another capture of the page is in the index.
        database.execute(
            "DELETE FROM fingerprint WHERE page = (SELECT page FROM sketch WHERE bundle_id = ?) "
            "AND NOT EXISTS (SELECT 1 FROM sketch AS other "
            "WHERE other.page = fingerprint.page AND other.bundle_id != ?)",
            (bundle_id, bundle_id),
        )
        database.execute("DELETE FROM sketch WHERE bundle_id = ?", (bundle_id,))


def _known(database: IndexDatabase, prefix: str) -> Iterator[tuple[Any, ...]]:
    """Yield key and mark of each row in the order of keys; others may write in between."""
    start, end = prefix, f"{prefix[:-1]}0"  # "0" is the character behind "/"
    while page := database.rows(
        "SELECT key, listed FROM bundle WHERE key > ? AND key < ? ORDER BY key LIMIT ?",
        (start, end, _PAGE),
    ):
        yield from page
        start = page[-1][0]


def _listed(store: ReadableStore, prefix: str) -> Iterator[ListedObject]:
    """Yield each bundle of a store with the sidecars that the index needs."""
    key, length, sidecars = "", 0, list[str]()
    for found in store.list(prefix):
        try:
            there = store_keys.parse_bundle_key(found.key)
        except ValueError:
            continue  # not ours
        if not there.kind:
            if key:
                yield ListedObject(key=key, length=length, sidecars=tuple(sidecars))
            key, length, sidecars = found.key, found.length, []
        elif there.kind.startswith(_SIDECARS) and key and found.key.startswith(key):
            sidecars.append(found.key)
    if key:
        yield ListedObject(key=key, length=length, sidecars=tuple(sidecars))


def changed_folders(database: IndexDatabase, current: Mapping[str, str]) -> frozenset[str]:
    """Return the folders whose present stamps differ from those of the last sync."""
    known = dict(database.rows("SELECT prefix, stamp FROM folder"))
    return frozenset(
        prefix for prefix, stamp in current.items() if not stamp or known.get(prefix) != stamp
    )


def newest_days(database: IndexDatabase, until: datetime | None) -> list[str]:
    """
    Return the key prefixes of the days from shortly before the newest row until a moment.

    The prefix of all bundles is returned if there is no row or no moment, or if the days are many.
    """
    newest = database.rows("SELECT MAX(key) FROM bundle")[0][0]
    if until is None or newest is None:
        return [_ROOT]
    newest_day = store_keys.bundle_time(store_keys.parse_bundle_key(newest).bundle_id).date()
    first = newest_day - timedelta(days=1)
    days = (until.date() - first).days + 2  # a clock that is ahead of ours may be in tomorrow
    if not 0 < days <= _DAYS:
        return [_ROOT]
    return [f"{_ROOT}{first + timedelta(days=day):%Y/%m/%d}/" for day in range(days)]


def _is_whole_due(database: IndexDatabase, until: datetime | None) -> bool:
    """Return whether the whole store has to be listed, and not the newest days only."""
    if until is None or tables.is_outdated(database):
        return True
    since = tables.whole_since(database)
    if since is None:
        return False
    bundles = database.rows("SELECT COUNT(*) FROM bundle")[0][0]
    least, most = _WHOLE_AFTER
    wait = min(max(timedelta(seconds=bundles / _BUNDLES_PER_S), least), most)
    return not since <= until <= since + wait  # before: the clock was set back
