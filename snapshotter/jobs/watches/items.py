"""
Store the pages that watch lists named, each one once even if it has several addresses.

A page is stored under its identity (`policy.page_identity`). Its capture can add another
identity: only the capture of a WeChat short link shows which article it leads to. The id of a
page's job is made from the watch list and the identity, so a page that is handed over twice is one
job.

The functions run within the caller's transaction.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Final, TypeVar

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Index,
    Integer,
    Row,
    String,
    Table,
    UniqueConstraint,
    bindparam,
    delete,
    func,
    select,
    update,
)

from snapshotter.formats.canonical_json import instant
from snapshotter.formats.lists.listing import ListItem
from snapshotter.jobs.database import TABLES, Instant, SafeText, insert_new
from snapshotter.model.watch import Existing, ItemState, Watch, WatchItem
from snapshotter.policy.page_identity import PageIdentity
from snapshotter.value_class import dataclass

_T = TypeVar("_T")

MAX_ITEMS: Final = 500_000  # pages of one watch list; a list can name new pages without end
_AT_ONCE: Final = 500  # parameters of one statement
_ASK_AGAIN: Final = timedelta(seconds=30)  # until a page's job is looked up again

ITEMS = Table(
    "watch_item",
    TABLES,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("watch", String(60), nullable=False),
    Column("digest", String(32), nullable=False),  # digest of the key, which can be long
    Column("key", SafeText, nullable=False),
    Column("final", Boolean, nullable=False),
    Column("url", SafeText, nullable=False),
    Column("title", SafeText, nullable=False),
    Column("stamp", SafeText, nullable=False),
    Column("state", String(20), nullable=False),
    Column("backlog", Boolean, nullable=False),  # in the list when it was read first
    Column("first_seen", Instant, nullable=False),
    Column("job_id", String(120), nullable=False),
    Column("same_as", SafeText, nullable=False),
    Column("learn_at", Instant, index=True),  # when to look up its job; None: never
    UniqueConstraint("watch", "digest"),
    Index("watch_item_state", "watch", "state"),
)
ALIASES = Table(
    "watch_alias",
    TABLES,
    Column("watch", String(60), primary_key=True),
    Column("digest", String(32), primary_key=True),
    Column("alias", SafeText, nullable=False),
    Column("item", BigInteger, nullable=False),
)


@dataclass(frozen=True, slots=True)
class IdentifiedPage:
    """An entry of a list that was just read, and the identity of its page."""

    listed: ListItem
    identity: PageIdentity


@dataclass(frozen=True, slots=True, kw_only=True)
class NewItems:
    """How many pages of a list were new."""

    new: int = 0
    skipped: int = 0  # new pages that are not captured
    dropped: int = 0  # pages beyond the limit of one watch list, which are not stored


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredItem:
    """A page of a watch list in the table, which waits or whose job is looked up."""

    number: int
    watch: str
    key: str
    final: bool  # its identity cannot change any more
    url: str
    job_id: str
    backlog: bool
    first_seen: datetime


def add_items(
    connection: Connection,
    watch: Watch,
    found: Sequence[IdentifiedPage],
    at: datetime,
    *,
    first: bool,
) -> NewItems:
    """
    Store the pages that are new.

    Args:
        first: The list was never read before: its pages are the backlog.
    """
    by_digest = {_digest(found_page.identity.key): found_page for found_page in reversed(found)}
    ordered = {
        _digest(found_page.identity.key): None for found_page in found
    }  # the first of each, in order
    known = _known(connection, watch.name, ordered)
    fresh = [page_key for page_key in ordered if page_key not in known]
    room = MAX_ITEMS - count_items(connection, watch.name)[0] if fresh else 0
    fresh, dropped = fresh[:room], max(0, len(fresh) - room)
    wanted = 0
    if first and watch.existing is Existing.CAPTURE:
        wanted = watch.existing_limit - _backlog(connection, watch.name)
    rows = []
    for place, digest in enumerate(fresh):
        page = by_digest[digest]
        skipped = first and place >= wanted
        rows.append(
            {
                "watch": watch.name,
                "digest": digest,
                "key": page.identity.key,
                "final": page.identity.final,
                "url": page.listed.url,
                "title": page.listed.title,
                "stamp": page.listed.stamp,
                "state": ItemState.SKIPPED if skipped else ItemState.WAITING,
                "backlog": first,
                "first_seen": at,
                "job_id": "" if skipped else job_id(watch, page.identity.key),
                "same_as": "",
            }
        )
    for some in _batches(rows, _AT_ONCE):
        connection.execute(insert_new(connection, ITEMS), list(some))
    return NewItems(
        new=len(rows),
        skipped=sum(row["state"] is ItemState.SKIPPED for row in rows),
        dropped=dropped,
    )


def job_id(watch: Watch, key: str) -> str:
    """Return the id of a page's job, which depends on the watch list and the page only."""
    text = f"{watch.name}\n{instant(watch.created_at)}\n{key}"
    return f"watch.{watch.name}.{hashlib.sha256(text.encode()).hexdigest()[:24]}"


def waiting_items(connection: Connection, watch: str, most: int) -> tuple[StoredItem, ...]:
    """Return pages that wait to be handed over, in the order in which they were listed."""
    rows = connection.execute(
        select(ITEMS)
        .where(ITEMS.c.watch == watch, ITEMS.c.state == ItemState.WAITING)
        .order_by(ITEMS.c.backlog, ITEMS.c.id)
        .limit(most)
    ).all()
    return tuple(map(_stored_item, rows))


def mark_handed_over(
    connection: Connection, taken: Iterable[tuple[int, str]], at: datetime
) -> None:
    """
    Mark pages as handed over.

    Args:
        taken: The numbers of pages, each with the id of its job.
    """
    rows = [{"number": number, "job": job} for number, job in taken]
    connection.execute(
        update(ITEMS)
        .where(ITEMS.c.id == bindparam("number"))
        .values(state=ItemState.QUEUED, job_id=bindparam("job"), learn_at=at + _ASK_AGAIN),
        rows,
    )


def any_unresolved(connection: Connection, at: datetime) -> bool:
    """Return whether the job of any page may be over by now."""
    query = select(ITEMS.c.id).where(ITEMS.c.learn_at <= at).limit(1)
    return connection.execute(query).first() is not None


def claim_unresolved(connection: Connection, at: datetime, most: int) -> tuple[StoredItem, ...]:
    """Return pages of all lists whose jobs may be over by now, the longest unchecked first."""
    rows = connection.execute(
        select(ITEMS).where(ITEMS.c.learn_at <= at).order_by(ITEMS.c.learn_at).limit(most)
    ).all()
    if rows:
        connection.execute(
            update(ITEMS)
            .where(ITEMS.c.id.in_([row.id for row in rows]))
            .values(learn_at=at + _ASK_AGAIN)
        )
    return tuple(map(_stored_item, rows))


def record_identity(
    connection: Connection,
    item: StoredItem,
    identity: PageIdentity | None,
    *,
    is_trusted: bool = True,
) -> None:
    """
    Record the identity that a page's capture showed; None: it showed none.

    If another item has the identity already, and it is the site's own number of the page, the
    two items are one page and this one is marked as the same. An address proves less: many
    pages redirect to one wall.

    Args:
        is_trusted: Whether a page that is listed later under this identity is the same page and is
            not captured. False if a foreign host claims it: the page may not exist there yet.
    """
    values: dict[str, Any] = {"learn_at": None}
    if identity is not None and identity.key != item.key:
        digest = _digest(identity.key)
        other = _owner(connection, item.watch, digest)
        if other is None and is_trusted:
            connection.execute(
                insert_new(connection, ALIASES).values(
                    watch=item.watch, digest=digest, alias=identity.key, item=item.number
                )
            )
        elif other is not None and other.id != item.number and not identity.key.startswith("//"):
            values |= {"state": ItemState.SAME, "same_as": other.key}
    connection.execute(update(ITEMS).where(ITEMS.c.id == item.number).values(**values))


def count_items(connection: Connection, watch: str) -> tuple[int, int]:
    """Return how many pages of a watch list are stored, and how many of them wait."""
    rows = connection.execute(
        select(ITEMS.c.state, func.count()).where(ITEMS.c.watch == watch).group_by(ITEMS.c.state)
    )
    by_state = {str(state): int(count) for state, count in rows}
    return sum(by_state.values()), by_state.get(ItemState.WAITING, 0)


def list_items(
    connection: Connection, watch: str, *, state: ItemState | None = None, newest: int = 0
) -> Iterator[WatchItem]:
    """Yield the pages of a watch list, newest first; at most `newest` where that is not 0."""
    query = select(ITEMS).where(ITEMS.c.watch == watch).order_by(ITEMS.c.id.desc())
    if state is not None:
        query = query.where(ITEMS.c.state == state)
    rows = connection.execute(query.limit(newest) if newest else query).all()
    for some in _batches(rows, _AT_ONCE):
        aliases: dict[int, list[str]] = {}
        found = connection.execute(
            select(ALIASES.c.item, ALIASES.c.alias).where(
                ALIASES.c.watch == watch, ALIASES.c.item.in_([row.id for row in some])
            )
        )
        for number, alias in found:
            aliases.setdefault(number, []).append(alias)
        yield from (_item(row, aliases.get(row.id, [])) for row in some)


def delete_items(connection: Connection, watch: str) -> int:
    """Delete the pages of a watch list; return how many there were."""
    connection.execute(delete(ALIASES).where(ALIASES.c.watch == watch))
    return connection.execute(delete(ITEMS).where(ITEMS.c.watch == watch)).rowcount


def _stored_item(row: Row[Any]) -> StoredItem:
    return StoredItem(
        number=row.id,
        watch=row.watch,
        key=row.key,
        final=row.final,
        url=row.url,
        job_id=row.job_id,
        backlog=row.backlog,
        first_seen=row.first_seen,
    )


def _item(row: Row[Any], aliases: Sequence[str]) -> WatchItem:
    return WatchItem(
        key=row.key,
        url=row.url,
        state=ItemState(row.state),
        first_seen=row.first_seen,
        title=row.title,
        stamp=row.stamp,
        job_id=row.job_id,
        backlog=row.backlog,
        final=row.final,
        same_as=row.same_as,
        aliases=tuple(sorted(aliases)),
    )


def _known(connection: Connection, watch: str, digests: Mapping[str, None]) -> set[str]:
    known: set[str] = set()
    for some in _batches(digests, _AT_ONCE):
        for table in (ITEMS, ALIASES):
            query = select(table.c.digest).where(table.c.watch == watch, table.c.digest.in_(some))
            known.update(connection.execute(query).scalars())
    return known


def _backlog(connection: Connection, watch: str) -> int:
    """Return how many pages of the backlog are captured."""

    query = select(func.count()).where(
        ITEMS.c.watch == watch, ITEMS.c.backlog.is_(True), ITEMS.c.state != ItemState.SKIPPED
    )
    return int(connection.execute(query).scalar_one())


def _owner(connection: Connection, watch: str, digest: str) -> Row[Any] | None:
    own = select(ITEMS).where(ITEMS.c.watch == watch, ITEMS.c.digest == digest)
    through = (
        select(ITEMS)
        .join(ALIASES, ALIASES.c.item == ITEMS.c.id)
        .where(ALIASES.c.watch == watch, ALIASES.c.digest == digest)
    )
    return connection.execute(own).one_or_none() or connection.execute(through).one_or_none()


def _batches(values: Iterable[_T], size: int) -> Iterator[tuple[_T, ...]]:
    remaining = iter(values)
    while some := tuple(islice(remaining, size)):
        yield some


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:32]
