"""
Add, change, pause, resume, remove and list watch lists, and claim and record their polls.

A poll is claimed before it is made, by one conditional UPDATE, so only one of several workers
polls a list that is due. A claim expires after ten minutes, so a worker that dies does not block
a list for longer. The result of a poll is written only while the claim is valid.

`items.py` stores the pages that the lists named, and `gap_records.py` the polls that were missed.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Engine, Row, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.jobs.database import database_now, reading, writing
from snapshotter.jobs.watches import gap_records, items
from snapshotter.jobs.watches.tables import (
    PARTS,
    POLLS,
    WATCHES,
    Part,
    dumped,
    loaded,
    row_of,
    status_of,
    write_parts,
    write_poll,
)
from snapshotter.model.gap import Gap, GapEvent, GapReason
from snapshotter.model.notification import MAX_TEXT, UNKNOWN, NotificationScope
from snapshotter.model.watch import ItemState, ListState, Poll, Watch, WatchItem, WatchStatus
from snapshotter.policy.curve import jitter_share
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

LEASE: Final = timedelta(minutes=10)  # validity of a claim; a poll is shorter
_LONGEST_BACK_OFF: Final = timedelta(hours=6)
_LONGEST_WAIT: Final = timedelta(hours=24)  # longest Retry-After that is respected
_LATE: Final = timedelta(minutes=5)  # a poll is missed if it is later than this and its interval


@dataclass(frozen=True, slots=True, kw_only=True)
class PollClaim:
    """The right to poll a list once, with the current state of the list."""

    status: WatchStatus
    token: str
    at: datetime  # by the database's clock
    kind: str
    opened: bool
    read_state: ListState
    parts: tuple[Part, ...]  # the list itself first; () before it was read

    @property
    def watch(self) -> Watch:
        """The watch list."""
        return self.status.watch


@dataclass(frozen=True, slots=True, kw_only=True)
class PollResult:
    """What one poll found."""

    state: ListState
    detail: str = ""
    http_status: int | None = None
    final_url: str = ""
    title: str = ""
    kind: str = ""
    listed: int = 0
    parts: tuple[Part, ...] = ()  # (): the stored ones stay
    retry_after: timedelta | None = None
    asked: str = ""  # the Retry-After header as received
    date: str = ""  # the Date header as received
    new: int = 0
    queued: int = 0
    notes: tuple[str, ...] = ()
    complete: bool = True  # False: further polls read the rest of the list for the first time


class Watches:
    """
    The watch lists of a database. Safe in several threads and processes.

    Args:
        now: Returns the time; the database's clock unless a test gives another one.
    """

    def __init__(
        self, engine: Engine, *, now: Callable[[Connection], datetime] = database_now
    ) -> None:
        self.engine = engine
        self.now = now

    def close(self) -> None:
        """Close the connections to the database."""
        self.engine.dispose()

    def clock(self) -> datetime:
        """Return the time by the database's clock."""
        with reading(self.engine) as connection:
            return self.now(connection)

    def add(self, watch: Watch) -> None:
        """
        Add a watch list.

        Raises:
            SnapshotterError: A watch list of that name exists.
        """
        row = {
            "name": watch.name,
            "definition": dumped(watch),
            "state": ListState.NEW,
            "read_state": ListState.OK,
            "kind": watch.kind,
            "opened": False,
            "paused": False,
            "ended": False,
            "detail": "",
            "title": "",
            "since": watch.created_at,
            "next_at": watch.starts_at or watch.created_at,
            "due_at": watch.starts_at or watch.created_at,
            "claim": "",
            "final_url": "",
            "listed": 0,
            "failures": 0,
            "polls": 0,
            "missed": 0,
        }
        try:
            with writing(self.engine) as connection:
                connection.execute(insert(WATCHES).values(**row))
        except IntegrityError as error:
            raise SnapshotterError(
                tr("the watch list {name} exists already", name=watch.name),
                hint=tr("show the watch list:\n  snapshotter watch show {name}", name=watch.name),
            ) from error

    def change(self, watch: Watch) -> WatchStatus:
        """
        Replace the definition of a watch list; the pages that it named stay.

        The list is read completely by the next poll. The result of a poll that is under way is
        not recorded.

        Raises:
            SnapshotterError: There is no watch list of that name.
        """
        with writing(self.engine) as connection:
            row = row_of(connection, watch.name)
            before, at = loaded(row.definition), self.now(connection)
            values: dict[str, Any] = {"definition": dumped(watch), "claim": "", "ended": False}
            if (before.source, before.kind) != (watch.source, watch.kind):
                values["kind"] = watch.kind
            if row.next_at > at:
                values |= {"next_at": at, "due_at": at}
            connection.execute(delete(PARTS).where(PARTS.c.watch == watch.name))
            connection.execute(update(WATCHES).where(WATCHES.c.name == watch.name).values(**values))
        return self.status(watch.name)

    def remove(self, name: str, *, by: str = "") -> int:
        """
        Delete a watch list and its pages; return how many pages. Jobs and bundles stay.

        Args:
            by: The person, for the record; "" if unknown.

        Raises:
            SnapshotterError: There is no watch list of that name.
        """
        with writing(self.engine) as connection:
            self._note(connection, row_of(connection, name), GapEvent.REMOVED, by)
            count = items.delete_items(connection, name)
            for table, column in ((PARTS, PARTS.c.watch), (POLLS, POLLS.c.watch)):
                connection.execute(delete(table).where(column == name))
            connection.execute(delete(WATCHES).where(WATCHES.c.name == name))
        return count

    def pause(self, name: str, *, by: str = "", reason: str = "") -> WatchStatus:
        """
        Stop polling a list until `resume`. Raises SnapshotterError if it does not exist.

        Args:
            reason: For the signed record; at most 500 characters.
        """
        with writing(self.engine) as connection:
            row = row_of(connection, name)
            if not row.paused:
                self._note(connection, row, GapEvent.PAUSED, by, reason)
            connection.execute(update(WATCHES).where(WATCHES.c.name == name).values(paused=True))
        return self.status(name)

    def resume(self, name: str, *, by: str = "") -> WatchStatus:
        """
        Poll a list again, from now on. The pause is not a gap, because a person wanted it.

        Raises:
            SnapshotterError: There is no watch list of that name.
        """
        with writing(self.engine) as connection:
            row = row_of(connection, name)
            at = self.now(connection)
            if row.paused:
                self._note(connection, row, GapEvent.RESUMED, by)
                due = max(at, loaded(row.definition).starts_at or at)
                connection.execute(
                    update(WATCHES)
                    .where(WATCHES.c.name == name)
                    .values(paused=False, next_at=due, due_at=due)
                )
        return self.status(name)

    def _note(
        self, connection: Connection, row: Row[Any], event: GapEvent, by: str, why: str = ""
    ) -> None:
        """Record that a person pauses, resumes or removes a list, and the polls missed so far."""
        at, watch = self.now(connection), loaded(row.definition)
        if not row.paused and not row.ended and at - row.next_at > _tolerance(watch):
            _note_gap(connection, row, watch, at, GapReason.NO_WORKER)
        gap_records.note_by_hand(connection, watch, event, by, at, why)

    def status(self, name: str) -> WatchStatus:
        """Return the status of a list. Raises SnapshotterError if it does not exist."""
        with reading(self.engine) as connection:
            return _with_reason(
                connection,
                status_of(row_of(connection, name), items.count_items(connection, name)),
            )

    def find(self, name: str) -> WatchStatus | None:
        """Return the status of a list; None if it does not exist."""
        with reading(self.engine) as connection:
            there = select(WATCHES.c.name).where(WATCHES.c.name == name)
            if connection.execute(there).first() is None:
                return None
        return self.status(name)

    def statuses(self) -> Iterator[WatchStatus]:
        """Yield the status of every list, by name."""
        with reading(self.engine) as connection:
            rows = connection.execute(select(WATCHES).order_by(WATCHES.c.name)).all()
            for row in rows:
                status = status_of(row, items.count_items(connection, row.name))
                yield _with_reason(connection, status)

    def polls(self, name: str, newest: int) -> tuple[Poll, ...]:
        """Return the last polls and gaps of a list, newest first."""
        with reading(self.engine) as connection:
            found = connection.execute(
                select(POLLS, gap_records.GAPS.c.gap_id, gap_records.GAPS.c.owed)
                .outerjoin(gap_records.GAPS, gap_records.GAPS.c.id == POLLS.c.gap)
                .where(POLLS.c.watch == name)
                .order_by(POLLS.c.id.desc())
                .limit(newest)
            ).all()
        return tuple(
            Poll(
                at=row.at,
                ended_at=row.ended_at,
                state=ListState(row.state) if row.state else None,
                detail=row.detail,
                http_status=row.http_status,
                listed=row.listed,
                new=row.new,
                queued=row.queued,
                missed=row.missed,
                gap_id=row.gap_id if row.gap is not None and not row.owed else "",
            )
            for row in found
        )

    def owed_gaps(self, new_id: Callable[[datetime], str]) -> tuple[Gap, ...]:
        """
        Return the gaps without a signed record.

        Each keeps its id from the first call on, so after a crash the same record is made again.

        Args:
            new_id: Makes ids of records, which begin with a time.
        """
        with reading(self.engine) as connection:
            if not gap_records.any_owed(connection):
                return ()  # the usual case, without a lock
        with writing(self.engine) as connection:
            return gap_records.owed(connection, new_id, self.now(connection))

    def about(self, gap: Gap) -> tuple[NotificationScope, ...]:
        """
        Return what notification rules match of a gap's list.

        Its pages may belong to a schedule, so both names count. If the list was removed since, or
        added again under the same name, its policy is unknown.
        """
        with reading(self.engine) as connection:
            rows = connection.execute(select(WATCHES)).all()
        found = [loaded(row.definition) for row in rows]
        watch = next((watch for watch in found if watch.schedule == gap.schedule), None)
        named = f"schedule:{gap.schedule}"
        if watch is None or watch.created_at > gap.since:
            return (replace(UNKNOWN, origin=named),)
        about = about_watch(watch)
        return (replace(about, origin=named), about)

    def recorded(self, gaps: Sequence[Gap]) -> None:
        """Mark the records of gaps as stored."""
        with writing(self.engine) as connection:
            gap_records.recorded(connection, gaps, self.now(connection))

    def items(
        self, name: str, *, state: ItemState | None = None, newest: int = 0
    ) -> tuple[WatchItem, ...]:
        """
        Return the pages that a list named, newest first.

        Args:
            newest: At most so many; 0 for all.

        Raises:
            SnapshotterError: There is no watch list of that name.
        """
        with reading(self.engine) as connection:
            row_of(connection, name)
            return tuple(items.list_items(connection, name, state=state, newest=newest))

    def claim_due(
        self, token: str, most: int, *, until: datetime | None = None
    ) -> tuple[PollClaim, ...]:
        """
        Claim lists that are due, the longest overdue first.

        Args:
            token: Identifies the poller; unique.
            most: At most so many.
            until: After this time nothing is claimed.
        """
        with reading(self.engine) as connection:
            at = self.now(connection)
            if until is not None and at > until:
                return ()
            names = connection.execute(
                select(WATCHES.c.name)
                .where(_is_due(at))
                .order_by(WATCHES.c.next_at, WATCHES.c.name)
                .limit(most)
            ).scalars().all()  # fmt: skip
        claimed = (self._claim(name, token, only_due=True) for name in names)
        return tuple(claim for claim in claimed if claim is not None)

    def claim(self, name: str, token: str) -> PollClaim:
        """
        Claim a list that need not be due.

        Raises:
            SnapshotterError: There is no watch list of that name.
            ServiceUnavailable: It is being polled at this moment.
        """
        with reading(self.engine) as connection:
            row_of(connection, name)
        found = self._claim(name, token, only_due=False)
        if found is None:
            raise ServiceUnavailable(
                tr("the list {name!r} is being polled by another process", name=name),
                hint=tr(
                    "show the state of the watch list:\n  snapshotter watch show {name}", name=name
                ),
            )
        return found

    def _claim(self, name: str, token: str, *, only_due: bool) -> PollClaim | None:
        with writing(self.engine) as connection:
            at = self.now(connection)
            condition = _is_due(at) if only_due else _is_free(at)
            won = connection.execute(
                update(WATCHES)
                .where(WATCHES.c.name == name, condition)
                .values(claim=token, claimed_until=at + LEASE)
            )
            if won.rowcount != 1:
                return None
            row = row_of(connection, name)
            watch = loaded(row.definition)
            if only_due and watch.ends_at is not None and watch.ends_at <= at:
                connection.execute(
                    update(WATCHES)
                    .where(WATCHES.c.name == name)
                    .values(ended=True, claim="", claimed_until=None)
                )
                return None
            if only_due and at - row.next_at > _tolerance(watch):
                _note_gap(connection, row, watch, at, GapReason.NO_WORKER)
            parts = connection.execute(
                select(PARTS).where(PARTS.c.watch == name).order_by(PARTS.c.number)
            ).all()
            return PollClaim(
                status=status_of(row, items.count_items(connection, name)),
                token=token,
                at=at,
                kind=row.kind,
                opened=row.opened,
                read_state=ListState(row.read_state),
                parts=tuple(
                    Part(
                        url=row.url,
                        answered=row.answered,
                        etag=row.etag,
                        modified=row.modified,
                        sha256=row.sha256,
                        stamp=row.stamp,
                        listed=row.listed,
                        read_at=row.read_at,
                    )
                    for row in parts
                ),
            )

    def holds(self, connection: Connection, claim: PollClaim) -> bool:
        """Whether a claim is still valid; if so, extend and lock it for this transaction."""
        won = connection.execute(
            update(WATCHES)
            .where(WATCHES.c.name == claim.watch.name, WATCHES.c.claim == claim.token)
            .values(claimed_until=self.now(connection) + LEASE)
        )
        return won.rowcount == 1

    def opened(self, connection: Connection, claim: PollClaim, kind: str) -> None:
        """Record that a list was read, and its kind."""
        connection.execute(
            update(WATCHES)
            .where(WATCHES.c.name == claim.watch.name)
            .values(opened=True, kind=kind or claim.kind)
        )

    def postpone(self, claim: PollClaim, until: datetime) -> None:
        """Give a claim back; the list is due again at the given time."""
        with writing(self.engine) as connection:
            connection.execute(
                update(WATCHES)
                .where(WATCHES.c.name == claim.watch.name, WATCHES.c.claim == claim.token)
                .values(claim="", claimed_until=None, next_at=until)
            )

    def settle(self, claim: PollClaim, look: PollResult) -> WatchStatus | None:
        """
        Record what a poll found and when the next one is due, and give the claim back.

        Returns:
            The status of the list; None if the claim was lost, so nothing was written.
        """
        name = claim.watch.name
        with writing(self.engine) as connection:
            if not self.holds(connection, claim):
                return None
            row, at = row_of(connection, name), self.now(connection)
            if claim.at - row.due_at > _tolerance(claim.watch):  # it was postponed
                held = GapReason.QUEUE_LATE if claim.watch.render else GapReason.OVER_BUDGET
                _note_gap(connection, row, claim.watch, claim.at, held)
                row = row_of(connection, name)
            failures = 0 if look.state.was_read else row.failures + 1
            polls = row.polls + 1
            next_at = at + _pause(claim.watch, polls, failures, look.retry_after)
            values: dict[str, Any] = {
                "state": look.state,
                "detail": look.detail,
                "since": row.since if look.state == row.state else at,
                "http_status": look.http_status,
                "final_url": look.final_url,
                "failures": failures,
                "polls": polls,
                "last_poll_at": at,
                "next_at": next_at,
                "due_at": next_at,
                "claim": "",
                "claimed_until": None,
            }
            if look.state.was_read:
                values |= {"read_state": look.state, "listed": look.listed, "last_read_at": at}
                values |= {"title": look.title} if look.title else {}
            connection.execute(update(WATCHES).where(WATCHES.c.name == name).values(**values))
            if look.parts:
                write_parts(connection, name, look.parts)
            write_poll(
                connection,
                name,
                Poll(
                    at=claim.at,
                    ended_at=at,
                    state=look.state,
                    detail="; ".join((look.detail, *look.notes)).strip("; "),
                    http_status=look.http_status,
                    listed=look.listed,
                    new=look.new,
                    queued=look.queued,
                ),
            )
            return status_of(row_of(connection, name), items.count_items(connection, name))


def _with_reason(connection: Connection, status: WatchStatus) -> WatchStatus:
    """Return the status of a list with the reason of its pause."""
    if not status.paused:
        return status
    return replace(status, paused_reason=gap_records.pause_reason(connection, status.watch))


def about_watch(watch: Watch) -> NotificationScope:
    """Return what notification rules match of a list."""
    return NotificationScope(
        policy=watch.policy[:MAX_TEXT],
        origin=watch.origin,
        tags=tuple(tag[:MAX_TEXT] for tag in watch.tags),
    )


def _is_free(at: datetime) -> Any:
    return or_(WATCHES.c.claim == "", WATCHES.c.claimed_until <= at)


def _is_due(at: datetime) -> Any:
    return (
        (WATCHES.c.next_at <= at)
        & (WATCHES.c.paused.is_(False))
        & (WATCHES.c.ended.is_(False))
        & _is_free(at)
    )


def _pause(watch: Watch, polls: int, failures: int, asked: timedelta | None) -> timedelta:
    """Return the pause until the next poll: the interval with jitter, plus the back-off."""
    pause = watch.every * (1 + watch.jitter * jitter_share(watch.name, polls))
    if failures:
        # Full jitter, added to the interval: never earlier than without a failure.
        most = min(_LONGEST_BACK_OFF, watch.every * 2 ** min(failures, 12))
        pause += most * ((jitter_share(f"{watch.name} back-off", polls) + 1) / 2)
    if asked is not None:
        pause = max(pause, min(asked, _LONGEST_WAIT))
    return pause


def _tolerance(watch: Watch) -> timedelta:
    """Return how late a poll may be before it counts as missed."""
    return max(_LATE, watch.every)


def _note_gap(
    connection: Connection, row: Row[Any], watch: Watch, at: datetime, reason: GapReason
) -> None:
    """Record the polls that were missed since `due_at`, and move `due_at` to now."""
    if row.polls == 0:
        return  # a list that was never polled has no gap
    missed = max(1, (at - row.due_at) // watch.every)
    connection.execute(
        update(WATCHES)
        .where(WATCHES.c.name == row.name)
        .values(missed=row.missed + missed, due_at=at)
    )
    gap = gap_records.note_missed(connection, watch, row.due_at, missed, at, reason)
    write_poll(
        connection,
        row.name,
        Poll(
            at=row.due_at,
            ended_at=at,
            state=None,
            detail=tr(
                "polls that were not made: {missed}. Reason: {reason_text}",
                missed=missed,
                reason_text=gap_records.REASON_TEXT[reason],
            ),
            missed=missed,
        ),
        gap=gap,
    )
