"""
Plan a batch: decide for each row of its table whether it is captured. Nothing is written.

The key of a row is made of its address, its policy, and its number among the rows with the same
address and policy. So the table may be sorted, extended or shortened before the batch continues.
Rows of one page (`policy/page_identity.py`) under one policy are captured once.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from urllib.parse import urlsplit

from snapshotter.app.batch.columns import Columns
from snapshotter.errors import SnapshotterError
from snapshotter.formats.lists.tables import Row, Table
from snapshotter.model.capture_url import check_url, complete_url
from snapshotter.policy.page_identity import PageIdentityRules, page_identity
from snapshotter.translation import tr
from snapshotter.value_class import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRow:
    """A row, and what it asks for."""

    row: Row
    key: str = ""  # by which the journal knows it; "" for one that cannot be captured
    url: str = ""
    host: str = ""  # in lower case
    policy: str = ""  # "": what the command says
    tags: tuple[str, ...] = ()
    problem: SnapshotterError | None = None  # it cannot be captured
    same_as: int = 0  # the number of the row that is captured for both; 0: this one is
    handled: bool = False  # it was empty, or has a status that is not ours to change

    @property
    def needs_capture(self) -> bool:
        """Whether the row itself is captured, not another row of the same page."""
        return not (self.handled or self.problem or self.same_as)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchPlan:
    """A table with the plan of its rows."""

    table: Table
    columns: Columns
    entries: tuple[BatchRow, ...]  # one a row
    notes: tuple[str, ...] = field(default=())

    @property
    def rows_to_capture(self) -> tuple[BatchRow, ...]:
        """The rows that are captured, in the order of the table."""
        return tuple(entry for entry in self.entries if entry.needs_capture)


def plan_rows(
    table: Table,
    columns: Columns,
    *,
    check_policy: Callable[[str], None],
    rules: PageIdentityRules | None,
    retry_failed: bool = False,
    known: Callable[[str], bool] = lambda key: False,
) -> BatchPlan:
    """
    Return the plan of each row.

    Args:
        check_policy: Raises SnapshotterError for the name of an invalid policy.
        rules: Which addresses mean one page; None: capture each row.
        retry_failed: Capture rows again whose existing status column says that they failed.
        known: Whether the row of a key was captured already: of several rows of one page that row
            counts, else the first.
    """
    seen: dict[tuple[str, str], int] = {}
    first: dict[tuple[str, str], BatchRow] = {}
    entries = []
    completed: list[BatchRow] = []
    for row in table.rows:
        entry = _entry(row, columns, check_policy, seen, retry_failed=retry_failed)
        entries.append(entry)
        if entry.needs_capture and entry.url != row.text(columns.names["url"]):
            completed.append(entry)
        if entry.needs_capture and rules is not None:
            page = (_page(entry.url, rules), entry.policy)
            if page not in first or (known(entry.key) and not known(first[page].key)):
                first[page] = entry
    if rules is not None:
        entries = [_merge_same_page(entry, first, rules) for entry in entries]
    notes = [*table.notes, *columns.notes]
    if completed:
        notes.append(
            tr(
                "rows whose address has no scheme: {count}. https:// is added, for example "
                "{url}. For a site without https, begin the address with http://",
                count=len(completed),
                url=completed[0].url,
            )
        )
    return BatchPlan(table=table, columns=columns, entries=tuple(entries), notes=tuple(notes))


def _entry(
    row: Row,
    columns: Columns,
    check_policy: Callable[[str], None],
    seen: dict[tuple[str, str], int],
    *,
    retry_failed: bool,
) -> BatchRow:
    if row.blank:
        return BatchRow(row=row, handled=True)
    if row.problem:
        return BatchRow(row=row, problem=SnapshotterError(row.problem))
    if "status" in columns.there:
        status = row.text(columns.names["status"]).lower()
        is_retried = "failed" in status if retry_failed else False
        if status and not is_retried:
            return BatchRow(row=row, url=row.text(columns.names["url"]), handled=True)
    url = row.text(columns.names["url"])
    policy = row.text(columns.names["policy"]) if "policy" in columns.names else ""
    tags = row.texts(columns.names["tags"]) if "tags" in columns.names else ()
    try:
        if not url:
            raise SnapshotterError(
                tr("the column {names} has no address in this row", names=columns.names["url"])
            )
        url = check_url(complete_url(url))
        check_policy(policy)
        _check_tags(tags)
    except SnapshotterError as error:
        return BatchRow(row=row, url=url, policy=policy, tags=tags, problem=error)
    number = seen[url, policy] = seen.get((url, policy), 0) + 1
    return BatchRow(
        row=row,
        key=row_key(url, policy, number),
        url=url,
        host=(urlsplit(url).hostname or "").rstrip("."),
        policy=policy,
        tags=tags,
    )


def _check_tags(tags: Iterable[str]) -> None:
    """Raise SnapshotterError for a tag that would be read as a filter or as a case."""
    from snapshotter.app.archive.organising.cases import require_no_filter

    for tag in tags:
        try:
            require_no_filter(tag)
        except ValueError as error:
            raise SnapshotterError(str(error)) from error


def row_key(url: str, policy: str, number: int) -> str:
    """
    Return the key of a row: a digest of its address, its policy and its number among equal rows.
    """
    parts = "\0".join((url, policy, str(number)))
    return hashlib.sha256(parts.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _page(url: str, rules: PageIdentityRules) -> str:
    try:
        return page_identity(url, rules).key
    except ValueError:
        return url  # it is captured, and means only itself


def _merge_same_page(
    entry: BatchRow, first: Mapping[tuple[str, str], BatchRow], rules: PageIdentityRules
) -> BatchRow:
    if not entry.needs_capture:
        return entry
    instead = first[_page(entry.url, rules), entry.policy]
    if instead is entry:
        return entry
    return BatchRow(
        row=entry.row,
        key=entry.key,
        url=entry.url,
        host=entry.host,
        policy=entry.policy,
        tags=entry.tags,
        same_as=instead.row.number,
    )
