"""
Answer questions about a store from its index: captures of a page, controls, events.

Which addresses mean the same page is computed over all rows. If one capture shows to which page a
short link leads (`stated`), that holds for every capture of that link (`asked`), also for captures
of a notice, which no longer names the page.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Self

from snapshotter.formats.bundle import store_keys
from snapshotter.formats.statements import takedown
from snapshotter.index import tables
from snapshotter.index.bundle_rows import (
    below_text,
    ms,
    read_observation,
    same_text,
    split,
    storable,
)
from snapshotter.index.database import IndexDatabase
from snapshotter.index.stored_events import StoredEvent, read_stored_event
from snapshotter.index.sync import (
    FolderStamps,
    ReadJobs,
    changed_folders,
    compare,
    newest_days,
    sync_bundles,
)
from snapshotter.index.values import (
    CaptureRow,
    IndexCounts,
    IndexProgress,
    IndexRow,
    IndexSyncResult,
    ReadBundle,
    VerdictSource,
)
from snapshotter.model.takedown import Observation
from snapshotter.policy import page_identity
from snapshotter.policy.page_identity import host_and_port
from snapshotter.ports import ReadableStore

_AT_ONCE: Final = 500  # values of one statement
_PAGE: Final = 100  # rows that are held at once
_SELECT: Final = "SELECT key, bundle_id, verdict_source, problem, observation FROM bundle"
# Shows its page, and not a few words that may be a notice: a control, or a page to be one.
_CERTAIN: Final = "availability = 'available' AND ambiguous = 0"


class Index:
    """
    The rows of one store. Used from one thread at a time; other processes may use the same
    database.

    Args:
        database: Where the rows are kept. The index closes it.

    Raises:
        SnapshotterError: A later version of snapshotter made the tables, or the database cannot be
            used.
        ServiceUnavailable: The database does not answer, or another process locks it for too long.
    """

    def __init__(self, database: IndexDatabase) -> None:
        self.database = database
        try:
            tables.prepare(database)
        except BaseException:  # also Ctrl-C: nobody else closes the database
            database.close()
            raise

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
        """Close the database."""
        self.database.close()

    def is_alive(self) -> bool:
        """Return whether the database still answers; a server that restarted does not."""
        return self.database.is_alive()

    def completed_at(self) -> datetime | None:
        """Return when the rows were noted to be complete; None: never."""
        return tables.completed_at(self.database)

    def note_complete(self, at: datetime) -> None:
        """Note that the rows were complete at a time."""
        with self.database.writing():
            tables.store_completed_at(self.database, at)

    def clear(self) -> None:
        """Remove every row."""
        with self.database.writing():
            for table in (
                "bundle",
                "passage",
                "piece",
                "fingerprint",
                "sketch",
                "event",
                "folder",
                "annotation",
            ):
                self.database.execute(f"DELETE FROM {table}")  # noqa: S608  names of our own

    def sync(
        self,
        store: ReadableStore,
        read: ReadBundle,
        *,
        jobs: ReadJobs | None = None,
        stamps: FolderStamps | None = None,
        listed_stamps: FolderStamps | None = None,
        until: datetime | None = None,
        progress: IndexProgress = lambda count: None,
    ) -> IndexSyncResult:
        """
        Add the bundles that only the store lists; remove those that it lists no longer.

        Args:
            jobs: Returns what the queue knows of the jobs of bundles.
            stamps: Tells which folders of the store changed; only these are listed.
            listed_stamps: The same for a store that has to be listed for that: called only when the
                whole store is listed.
            until: Without `stamps`, list only the days from shortly before the newest row until
                then. What was added to older days is found when the whole store is listed again:
                after a second for 25 bundles, at least a minute, and at most a day.

        Raises:
            ServiceUnavailable: The store did not answer. The next sync continues there.
            SnapshotterError: The store or the database cannot be used.
        """
        return sync_bundles(
            self.database,
            store,
            read,
            jobs=jobs,
            stamps=stamps,
            listed_stamps=listed_stamps,
            until=until,
            progress=progress,
        )

    def mark_outdated(self) -> None:
        """Let the next sync read every bundle again. The rows stay readable."""
        with self.database.writing():
            tables.mark_outdated(self.database)

    def compare(self, store: ReadableStore) -> tuple[int, int]:
        """See `sync.compare`."""
        return compare(self.database, store)

    def counts(self) -> IndexCounts:
        """Return the numbers of rows."""
        (row,) = self.database.rows(
            "SELECT (SELECT COUNT(*) FROM passage), (SELECT COUNT(*) FROM event), "
            "(SELECT COUNT(*) FROM bundle WHERE text_whole = 0)"
        )
        return IndexCounts(
            bundles=self.count_by_verdict_source(), passages=row[0], events=row[1], cut=row[2]
        )

    def rows(
        self,
        *,
        identity: str = "",
        url: str = "",
        account: str = "",
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Iterator[IndexRow]:
        """
        Yield the matching rows in the order in which their captures ended; all by default.

        Args:
            identity: Of a page, as `policy/page_identity.py` writes it; also one that other
                captures show to be the same.
            url: As it was asked for, letter by letter.
            account: As `Observation.account` has it.
            since, until: When the capture ended; `until` is excluded.
        """
        said, values = ["TRUE"], list[Any]()
        if identity:
            statement, more = same_text("asked", self.asked_for(self.resolved(identity)))
            said.append(statement)
            values += more
        if url:
            statement, more = same_text("url", [url])
            said.append(statement)
            values += more
        if account:
            own, names = same_text("account", [account])
            pages, more = same_text("asked", self._asked_of(account))
            said.append(f"({own} OR {pages})")
            values += [*names, *more]
        if since is not None:
            said.append("at_ms >= ?")
            values.append(ms(since))
        if until is not None:
            said.append("at_ms < ?")
            values.append(ms(until))
        # Nothing of what was given stands in the statement itself.
        where = " AND ".join(said)
        known: dict[str, str] = {}  # a page has many captures, and is resolved once
        for row in self.database.rows(f"{_SELECT} WHERE {where} ORDER BY at_ms, bundle_id", values):
            yield self._row(row, known)

    def captures(self, *, since: datetime, until: datetime) -> tuple[CaptureRow, ...]:
        """Return the captures that ended in a period, in this order; `until` is excluded."""
        rows = self.database.rows(
            "SELECT bundle_id, at_ms, url, title, outcome, reasons, problem FROM bundle"
            " WHERE at_ms >= ? AND at_ms < ? ORDER BY at_ms, bundle_id",
            (ms(since), ms(until)),
        )
        return tuple(
            CaptureRow(
                bundle_id=bundle_id,
                at=datetime.fromtimestamp(at_ms / 1000, UTC),
                url=url,
                title=title,
                outcome=outcome,
                reasons=split(reasons),
                problem=problem,
            )
            for bundle_id, at_ms, url, title, outcome, reasons, problem in rows
        )

    def ids_with_part(self, part: str) -> tuple[str, ...]:
        """
        Return the ids of the bundles in the rows whose random part begins or ends so, newest first.

        Args:
            part: Characters of ids: a-z, 0-9 and dashes.
        """
        found = self.database.rows(
            "SELECT bundle_id FROM bundle WHERE bundle_id LIKE ? OR bundle_id LIKE ? "
            "ORDER BY bundle_id DESC",
            (f"%{part}", f"%z-{part}%"),
        )
        return tuple(bundle_id for (bundle_id,) in found)

    def changed_folders(self, current: Mapping[str, str]) -> frozenset[str]:
        """Return the folders whose present stamps differ from those of the last sync."""
        return changed_folders(self.database, current)

    def newest_days(self, until: datetime) -> frozenset[str]:
        """
        Return the prefixes of the days from shortly before the newest row until a moment.

        Bundles of other days are in the rows, except for those that others added since the whole
        store was listed. The prefix of all bundles is returned if the days are not known.
        """
        return frozenset(newest_days(self.database, until))

    def row(self, bundle_id: str) -> IndexRow | None:
        """Return the row of one bundle; None without one. Raises ValueError: no bundle's id."""
        found = self.database.rows(f"{_SELECT} WHERE key = ?", (store_keys.bundle_key(bundle_id),))
        return self._row(found[0]) if found else None

    def requested(self, bundle_id: str) -> tuple[str, str] | None:
        """
        Return the requested address of a capture and the name of its policy, unverified.

        None: the index has no such capture. The name is "" if the bundle does not state it.
        """
        found = self.database.rows(
            "SELECT url, policy FROM bundle WHERE bundle_id = ?", (bundle_id,)
        )
        return (str(found[0][0]), str(found[0][1])) if found else None

    def count(self) -> int:
        """Return the number of bundles, from an index of the database."""
        ((count,),) = self.database.rows("SELECT COUNT(*) FROM bundle")
        return int(count)

    def known_ids(self, bundle_ids: Sequence[str]) -> frozenset[str]:
        """Return the ids among these of which the index has a row."""
        found = set[str]()
        for start in range(0, len(bundle_ids), _AT_ONCE):
            chosen = bundle_ids[start : start + _AT_ONCE]
            rows = self.database.rows(
                f"SELECT bundle_id FROM bundle WHERE {_among('bundle_id', chosen)}",  # noqa: S608
                chosen,
            )
            found.update(bundle_id for (bundle_id,) in rows)
        return frozenset(found)

    def manifest_digests(self, bundle_ids: Sequence[str]) -> dict[str, str]:
        """
        Return the SHA-256 of the manifests of bundles, as the index saw them, by their ids.

        A bundle without a row is left out, and a manifest that is not known is "".
        """
        found = dict[str, str]()
        for start in range(0, len(bundle_ids), _AT_ONCE):
            chosen = bundle_ids[start : start + _AT_ONCE]
            rows = self.database.rows(
                "SELECT bundle_id, manifest_sha256 FROM bundle "  # noqa: S608  no value is in it
                f"WHERE {_among('bundle_id', chosen)}",
                chosen,
            )
            found.update((bundle_id, digest) for bundle_id, digest in rows)
        return found

    def schedules_of(self, identity: str) -> frozenset[str]:
        """Return the names of the schedules that asked for captures of a page."""
        where, values = same_text("asked", self.asked_for(self.resolved(identity)))
        found = self.database.rows(
            f"SELECT DISTINCT schedule FROM bundle WHERE {where} AND schedule != ''",  # noqa: S608
            values,
        )
        return frozenset(name for (name,) in found)

    def beside(
        self, bundle_id: str, *, later: bool, limit: int
    ) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """
        Return the captures of the same page before or after one, the nearest first.

        Returns:
            Ids, each with the kinds of sidecars that the index keeps.
        """
        asked, stated = self.names(bundle_id)
        where, values = same_text("asked", self.asked_for(stated or self.resolved(asked)))
        sign, order = (">", "ASC") if later else ("<", "DESC")
        found = self.database.rows(
            f"SELECT bundle_id, sidecars FROM bundle WHERE {where} AND bundle_id {sign} ? "  # noqa: S608
            f"ORDER BY bundle_id {order} LIMIT ?",
            [*values, bundle_id, limit],
        )
        return tuple((other, split(kinds)) for other, kinds in found)

    def sidecar_kinds(self, bundle_ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Return the kinds of sidecars that the index keeps, by the ids of bundles with any."""
        found = dict[str, tuple[str, ...]]()
        for start in range(0, len(bundle_ids), _AT_ONCE):
            chosen = bundle_ids[start : start + _AT_ONCE]
            rows = self.database.rows(
                "SELECT bundle_id, sidecars FROM bundle "  # noqa: S608  no value is in it
                f"WHERE sidecars != '' AND {_among('bundle_id', chosen)}",
                chosen,
            )
            found |= {bundle_id: split(kinds) for bundle_id, kinds in rows}
        return found

    def candidates(self, *, host: str = "", verdicts: Collection[str] = ()) -> Iterator[str]:
        """
        Yield the ids of the bundles that may have a host and a verdict, newest first.

        Args:
            host: Of the requested or the final address, with a port or for any port.
            verdicts: Availabilities and kinds of content; one of them fits.
        """
        said, values = ["TRUE"], list[Any]()
        if host:
            host = storable(host.lower())
            # ";" is the character behind ":", which begins a port.
            said.append(
                "(host = ? OR (host > ? AND host < ?)"
                " OR final_host = ? OR (final_host > ? AND final_host < ?))"
            )
            values += [host, f"{host}:", f"{host};"] * 2
        if verdicts:
            wanted = sorted(verdicts)
            said.append(f"({_among('availability', wanted)} OR {_among('content', wanted)})")
            values += [*wanted, *wanted]
        where, before = " AND ".join(said), ""
        while True:
            rows = self.database.rows(
                "SELECT bundle_id FROM bundle "  # noqa: S608
                f"WHERE {where}{' AND bundle_id < ?' if before else ''} "
                f"ORDER BY bundle_id DESC LIMIT {_PAGE}",
                [*values, before] if before else values,
            )
            yield from (bundle_id for (bundle_id,) in rows)
            if len(rows) < _PAGE:
                return
            before = rows[-1][0]

    def resolved(self, identity: str) -> str:
        """
        Return the identity that an address turned out to have.

        If captures of the same address state two, neither is used.
        """
        identity = storable(identity)
        where, values = same_text("asked", [identity])
        found = self.database.rows(
            f"SELECT DISTINCT stated FROM bundle WHERE {where} AND stated != '' LIMIT 2",  # noqa: S608
            values,
        )
        return found[0][0] if len(found) == 1 else identity

    def asked_for(self, identity: str) -> tuple[str, ...]:
        """Return the identities of all addresses that turned out to be this page, itself first."""
        where, values = same_text("stated", [identity])
        found = self.database.rows(f"SELECT DISTINCT asked FROM bundle WHERE {where}", values)  # noqa: S608
        others = sorted(asked for (asked,) in found if self.resolved(asked) == identity)
        return (identity, *(other for other in others if other != identity))

    def identities(self, *, account: str = "") -> tuple[str, ...]:
        """Return every page that was captured; those of one account if that is named."""
        if account:
            where, values = same_text("account", [account])
            rows = self.database.rows(
                f"SELECT DISTINCT asked FROM bundle WHERE {where} AND observation != ''",  # noqa: S608
                values,
            )
        else:
            rows = self.database.rows("SELECT DISTINCT asked FROM bundle WHERE observation != ''")
        found = {asked for (asked,) in rows}
        found |= set(self._asked_of(account)) if account else set()
        return tuple(sorted({self.resolved(url) for url in found}))

    def pages_in_doubt(self) -> tuple[str, ...]:
        """Return the pages of which a capture shows that they or their account may be gone."""
        rows = self.database.rows(
            "SELECT DISTINCT asked FROM bundle WHERE availability = 'unavailable'"
            " UNION SELECT DISTINCT asked FROM bundle WHERE states != ''"
        )
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
        way, names = same_text("vantage", [after.vantage])
        pages, asked = same_text("asked", self.asked_for(identity))
        bundles = _among("bundle_id", without)
        return self._first(
            f" WHERE host = ? AND {way} AND {_CERTAIN} AND began_ms >= ? "
            f"AND NOT ({pages}) AND NOT {bundles} "
            "ORDER BY at_ms, began_ms, bundle_id LIMIT 1",
            (host_and_port(after.url), *names, ms(after.began_at), *asked, *without),
        )

    def alive(self, host: str, vantage: str, *, without: str) -> Observation | None:
        """
        Return the newest capture that shows a page of a host.

        Args:
            vantage: The way through the network by which it was seen.
            without: The identity of a page to exclude.
        """
        way, names = same_text("vantage", [vantage])
        pages, asked = same_text("asked", self.asked_for(without))
        return self._first(
            f" WHERE host = ? AND {way} AND {_CERTAIN} "
            f"AND NOT ({pages}) ORDER BY at_ms DESC LIMIT 1",
            (host, *names, *asked),
        )

    def names(self, bundle_id: str) -> tuple[str, str]:
        """Return the identity of a capture's address, and the other one that it states."""
        found = self.database.rows(
            "SELECT asked, stated FROM bundle WHERE key = ?", (store_keys.bundle_key(bundle_id),)
        )
        return (found[0][0], found[0][1]) if found else ("", "")

    def names_account(self, bundle_id: str) -> bool:
        """Whether a capture itself states the account of its page."""
        found = self.database.rows(
            "SELECT account FROM bundle WHERE key = ?", (store_keys.bundle_key(bundle_id),)
        )
        return bool(found and found[0][0])

    def of_account(self, identity: str, account: str) -> Observation | None:
        """Return the first capture of a page that itself states this account."""
        own, names = same_text("account", [account])
        pages, asked = same_text("asked", self.asked_for(identity))
        return self._first(f" WHERE {own} AND {pages} ORDER BY at_ms LIMIT 1", (*names, *asked))

    def shown_by(self, asked: str, identity: str) -> Observation | None:
        """Return the first capture that states which page an address leads to."""
        address, values = same_text("asked", [asked])
        page, more = same_text("stated", [identity])
        return self._first(f" WHERE {address} AND {page} ORDER BY at_ms LIMIT 1", (*values, *more))

    def count_by_verdict_source(self) -> dict[VerdictSource, int]:
        """Return the number of bundles by verdict source."""
        rows = self.database.rows(
            "SELECT verdict_source, COUNT(*) FROM bundle GROUP BY verdict_source"
        )
        return {VerdictSource(verdict_source): count for verdict_source, count in rows}

    # Events of the store: their bytes as they were read, and what this machine did with them.

    def sync_events(self, store: ReadableStore) -> None:
        """
        Add the events that only the store lists; remove those that it lists no longer.

        Raises:
            ServiceUnavailable: The store did not answer.
        """
        known = {key for (key,) in self.database.rows("SELECT key FROM event")}
        there = {found.key for found in store.list(f"{store_keys.TAKEDOWNS}/")}
        if known == there:
            return
        # One after another: what stands in a store may be a stranger's, and much.
        read = (read_stored_event(store, key) for key in sorted(there - known))
        with self.database.writing():
            self.database.execute_many(
                "INSERT INTO event (key, sha256, data, event_id, identity, account, kind, at_ms, "
                "problem) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING",
                (_event_values(kept_event) for kept_event in read if kept_event is not None),
            )
            self.database.execute_many(
                "DELETE FROM event WHERE key = ?", [(key,) for key in sorted(known - there)]
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
        said, values = ["TRUE"], list[Any]()
        if identity:
            statement, more = same_text("identity", [identity])
            said.append(statement)
            values += more
        if event_id:
            said.append("event_id = ?")
            values.append(event_id)
        if sha256:
            said.append("sha256 = ?")
            values.append(sha256)
        if pending:
            said.append("logged + notified < 2")
        rows = self.database.rows(
            "SELECT key, sha256, data, problem, logged, notified FROM event "  # noqa: S608
            f" WHERE {' AND '.join(said)} ORDER BY at_ms, event_id",
            values,
        )
        return tuple(map(_kept_event, rows))

    def settled(self, key: str, *, logged: bool = False, told: bool = False) -> None:
        """Record that this machine logged an event, or sent its notification."""
        with self.database.writing():
            if logged:
                self.database.execute("UPDATE event SET logged = 1 WHERE key = ?", (key,))
            if told:
                self.database.execute("UPDATE event SET notified = 1 WHERE key = ?", (key,))

    # Annotations of the store: valid objects of their chain, so that none is read twice.

    def annotation_objects(self) -> dict[str, bytes]:
        """Return the kept objects by their keys."""
        return dict(self.database.rows("SELECT key, data FROM annotation"))

    def keep_annotation_objects(self, objects: Mapping[str, bytes]) -> None:
        """Keep these objects, and no others."""
        known = {key for (key,) in self.database.rows("SELECT key FROM annotation")}
        if known == objects.keys():
            return
        with self.database.writing():
            self.database.execute_many(
                "DELETE FROM annotation WHERE key = ?",
                [(key,) for key in sorted(known - objects.keys())],
            )
            self.database.execute_many(
                "INSERT INTO annotation (key, data) VALUES (?, ?) ON CONFLICT (key) DO NOTHING",
                [(key, objects[key]) for key in sorted(objects.keys() - known)],
            )

    def _asked_of(self, account: str) -> tuple[str, ...]:
        """Return the addresses whose pages turned out to be of an account: `wechat:MzA…/…`."""
        where, values = below_text("stated", account)
        rows = self.database.rows(f"SELECT DISTINCT asked FROM bundle WHERE {where}", values)  # noqa: S608
        return tuple(
            sorted(page for (page,) in rows if self.resolved(page).startswith(f"{account}/"))
        )

    def _row(self, row: Any, resolved: dict[str, str] | None = None) -> IndexRow:
        """
        Return a row of `_SELECT`.

        Args:
            resolved: Identities that were resolved before; the new one is added.
        """
        known = {} if resolved is None else resolved
        key, bundle_id, verdict_source, problem, value = row
        found = read_observation(value)
        if found is not None:
            identity = known.get(found.identity) or self.resolved(found.identity)
            known[found.identity] = identity
            account = found.account or page_identity.account_of_identity(identity)
            found = replace(found, identity=identity, account=account)
        return IndexRow(
            key=key,
            bundle_id=bundle_id,
            verdict_source=VerdictSource(verdict_source),
            problem=problem,
            observation=found,
        )

    def _first(self, rest: str, values: Sequence[Any]) -> Observation | None:
        """Return the observation of the first bundle for the rest of a statement."""
        found = self.database.rows(f"{_SELECT} {rest}", values)
        return self._row(found[0]).observation if found else None


def _among(column: str, values: Collection[str]) -> str:
    """Return the condition that a column has one of these values, with a `?` for each."""
    return f"{column} IN ({', '.join('?' * len(values))})" if values else "FALSE"


def _event_values(found: StoredEvent) -> tuple[Any, ...]:
    event = found.event
    if event is None:
        return found.key, found.sha256, found.data, "", "", "", "", 0, storable(found.problem)
    account = storable(event.last_seen.account or event.first_gone.account)
    about = (event.event_id, storable(event.identity), account, event.kind.value, ms(event.at), "")
    return (found.key, found.sha256, found.data, *about)


def _kept_event(row: Any) -> StoredEvent:
    key, sha256, data, problem, logged, notified = row
    event, key_id = (None, "") if problem else takedown.parse(data)
    return StoredEvent(
        key=key,
        sha256=sha256,
        data=data,
        event=event,
        key_id=key_id,
        problem=problem,
        logged=bool(logged),
        told=bool(notified),
    )
