"""
Declare the tables of watch lists, convert their rows to model values, and write polls.

A watch list (`WATCHES`) consists of documents (`PARTS`): the list itself, and the sitemaps that
an index names. `POLLS` has the newest polls of each list, and the gaps between them.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Integer,
    Row,
    String,
    Table,
    delete,
    func,
    insert,
    select,
)

from snapshotter.errors import SnapshotterError
from snapshotter.formats.canonical_json import instant, parse_instant
from snapshotter.jobs.database import TABLES, Instant, SafeText
from snapshotter.model.watch import Existing, ListState, Poll, Watch, WatchStatus
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

_KEPT_POLLS: Final = 200  # polls of each watch list
WATCHES = Table(
    "watch",
    TABLES,
    Column("name", String(60), primary_key=True),
    Column("definition", SafeText, nullable=False),  # JSON of a Watch
    Column("state", String(20), nullable=False),
    Column("read_state", String(20), nullable=False),  # state when it was read last
    Column("kind", String(20), nullable=False),  # kind when it was read first, or ""
    Column("opened", Boolean, nullable=False),  # whether it was ever read
    Column("paused", Boolean, nullable=False),
    Column("ended", Boolean, nullable=False),
    Column("detail", SafeText, nullable=False),
    Column("title", SafeText, nullable=False),
    Column("since", Instant),
    Column("next_at", Instant, nullable=False, index=True),
    Column("due_at", Instant, nullable=False),  # the same before it was postponed
    Column("claim", String(40), nullable=False),
    Column("claimed_until", Instant),
    Column("last_poll_at", Instant),
    Column("last_read_at", Instant),
    Column("http_status", Integer),
    Column("final_url", SafeText, nullable=False),
    Column("listed", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("polls", BigInteger, nullable=False),
    Column("missed", BigInteger, nullable=False),
)
PARTS = Table(
    "watch_part",
    TABLES,
    Column("watch", String(60), primary_key=True),
    Column("number", Integer, primary_key=True),  # 0 for the list itself
    Column("url", SafeText, nullable=False),
    Column("answered", SafeText, nullable=False),
    Column("etag", SafeText, nullable=False),
    Column("modified", SafeText, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("stamp", SafeText, nullable=False),
    Column("listed", Integer, nullable=False),
    Column("read_at", Instant),
)
POLLS = Table(
    "watch_poll",
    TABLES,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("watch", String(60), nullable=False, index=True),
    Column("at", Instant, nullable=False),
    Column("ended_at", Instant, nullable=False),
    Column("state", String(20)),
    Column("detail", SafeText, nullable=False),
    Column("http_status", Integer),
    Column("listed", Integer, nullable=False),
    Column("new", Integer, nullable=False),
    Column("queued", Integer, nullable=False),
    Column("missed", Integer, nullable=False),
    Column("gap", BigInteger),  # the row of the gap; None: this row is a poll
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One document of a list as it was read last, with the values for conditional requests."""

    url: str
    answered: str = ""  # URL after redirects, to which the next two values belong
    etag: str = ""
    modified: str = ""
    sha256: str = ""  # digest of the body; "" if it was not read
    stamp: str = ""  # its modification time in the index
    listed: int = 0  # number of items
    read_at: datetime | None = None


def write_parts(connection: Connection, name: str, parts: tuple[Part, ...]) -> None:
    """Replace the documents of a list."""
    connection.execute(delete(PARTS).where(PARTS.c.watch == name))
    connection.execute(
        insert(PARTS),
        [{"watch": name, "number": number, **asdict(part)} for number, part in enumerate(parts)],
    )


def write_poll(connection: Connection, name: str, poll: Poll, *, gap: int | None = None) -> None:
    """Add a poll, or a gap between polls; delete the oldest rows."""
    values = asdict(poll)
    del values["gap_id"]  # it is in the row of the gap
    connection.execute(insert(POLLS).values(watch=name, gap=gap, **values))
    oldest = connection.execute(
        select(POLLS.c.id)
        .where(POLLS.c.watch == name)
        .order_by(POLLS.c.id.desc())
        .offset(_KEPT_POLLS)
        .limit(1)
    ).scalar()
    if oldest is not None:
        connection.execute(delete(POLLS).where(POLLS.c.watch == name, POLLS.c.id <= oldest))


def row_of(connection: Connection, name: str) -> Row[Any]:
    """Return the row of a watch list. Raises SnapshotterError: no list has this name."""
    row = connection.execute(select(WATCHES).where(WATCHES.c.name == name)).one_or_none()
    if row is None:
        count = connection.execute(select(func.count()).select_from(WATCHES)).scalar_one()
        raise SnapshotterError(
            tr("the watch list {name!r} does not exist", name=name),
            hint=tr("list the watches:\n  snapshotter watch list")
            if count
            else tr("add a watch list:\n  snapshotter watch add NAME ADDRESS"),
        )
    return row


def status_of(row: Row[Any], counted: tuple[int, int]) -> WatchStatus:
    """
    Return the status of a watch list.

    Args:
        counted: The number of its pages, and how many of them wait.
    """
    return WatchStatus(
        watch=loaded(row.definition),
        state=ListState(row.state),
        paused=row.paused,
        ended=row.ended,
        detail=row.detail,
        kind=row.kind,
        title=row.title,
        since=row.since,
        next_at=None if row.paused or row.ended else row.next_at,
        last_poll_at=row.last_poll_at,
        last_read_at=row.last_read_at,
        http_status=row.http_status,
        final_url=row.final_url,
        listed=row.listed,
        failures=row.failures,
        polls=row.polls,
        missed=row.missed,
        items=counted[0],
        waiting=counted[1],
    )


_MOMENTS = ("created_at", "starts_at", "ends_at")
_DURATIONS = ("every", "within")
_TUPLES = ("match", "exclude", "tags")


def dumped(watch: Watch) -> str:
    """Return the definition of a watch list as JSON."""
    value = asdict(watch)
    for name in _MOMENTS:
        value[name] = instant(value[name]) if value[name] else None
    for name in _DURATIONS:
        value[name] = value[name].total_seconds()
    return json.dumps(value, sort_keys=True)


def loaded(text: str) -> Watch:
    """Return the definition of a watch list from JSON."""
    value: Mapping[str, Any] = json.loads(text)
    given = dict(value)
    for name in _MOMENTS:
        given[name] = parse_instant(value[name]) if value[name] else None
    for name in _DURATIONS:
        given[name] = timedelta(seconds=value[name])
    for name in _TUPLES:
        given[name] = tuple(value[name])
    return replace(Watch(**given), existing=Existing(value["existing"]))
