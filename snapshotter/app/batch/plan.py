"""
Plan a batch: find the columns of its table, and decide what to do about each row. Pure functions.

The key of a row is made of its address, its policy, and how many rows before it have the same. So
the table may be sorted, extended or shortened when the batch continues. Rows of one page
(`policy/page_identity.py`) under one policy are captured once.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from snapshotter.errors import SnapshotterError
from snapshotter.formats.lists.tables import Row, Table
from snapshotter.model.capture_url import check_url
from snapshotter.policy.page_identity import PageIdentityRules, page_identity

# The columns with results, in this order.
FIELDS = (
    "status",
    "outcome",
    "verdict",
    "bundle_id",
    "sha256",
    "time",
    "location",
    "title",
    "error",
    "hint",
)
READ = ("url", "policy", "tags")  # what we read of it
AUTO_ARCHIVER = "auto-archiver"
PRESETS: Mapping[str, Mapping[str, str]] = {
    "snapshotter": {name: name for name in (*READ, *FIELDS)},
    # The names in that program's own sheets; other columns keep our names.
    AUTO_ARCHIVER: {
        **{name: name for name in (*READ, *FIELDS)},
        "url": "link",
        "status": "archive status",
        "location": "archive location",
        "time": "archive date",
        "title": "upload title",
        "sha256": "hash",
    },
}
URL_COLUMNS = ("url", "link", "address", "requested_url", "href")
_OURS = "snapshotter "  # what a column of ours begins with whose name is taken


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The columns of a table by their meaning."""

    names: Mapping[str, str]  # field → column as the table spells it; fields that have one
    there: frozenset[str] = frozenset()  # fields whose column the table has already
    overwrite: bool = True  # what stands in such a column is ours, and not its owner's
    wacz: str = ""  # another column for the location, where the table has it
    notes: tuple[str, ...] = ()  # sentences for whoever gave the table

    @property
    def written(self) -> tuple[str, ...]:
        """The columns that are filled, in order."""
        ours = [self.names[name] for name in FIELDS if name in self.names]
        return (*ours, *([self.wacz] if self.wacz else []))

    def values(self, row: Row, said: Mapping[str, str]) -> Mapping[str, str]:
        """Return the values of a row's columns; values of the table's owner stay."""
        ours = {self.names[name]: text for name, text in said.items() if name in self.names}
        if self.wacz:
            ours[self.wacz] = said.get("location", "")
        if self.overwrite:
            return ours
        status = self.names.get("status")
        return {
            name: text
            for name, text in ours.items()
            if name == status or not row.cells.get(name, "")
        }


def columns_of(
    found: Sequence[str], *, preset: str = "", named: Mapping[str, str] | None = None
) -> Columns:
    """
    Return the columns of a table by their meaning.

    Args:
        found: The table's columns.
        preset: One of `PRESETS`; "" to guess it from the header.
        named: Column names that a person chose, by field; "" for a column that is not wanted.

    Raises:
        SnapshotterError: No column has addresses.
    """
    chosen = dict(named or {})
    by_lower = {column.strip().lower(): column for column in reversed(found)}  # of two, the first
    notes: list[str] = []
    if not preset:
        theirs = PRESETS[AUTO_ARCHIVER]
        known = {theirs["url"], theirs["status"]} <= set(by_lower)
        preset = AUTO_ARCHIVER if known and "url" not in chosen else "snapshotter"
        if known and preset == AUTO_ARCHIVER:
            notes.append("the columns are those of auto-archiver: link, archive status, …")
    wanted = {**PRESETS[preset], **chosen}
    names: dict[str, str] = {}
    candidates = [wanted["url"]] if "url" in chosen or preset == AUTO_ARCHIVER else URL_COLUMNS
    url = next(
        (by_lower[candidate.lower()] for candidate in candidates if candidate.lower() in by_lower),
        None,
    )
    if url is None and len(found) == 1 and "url" not in chosen:
        url = found[0]
    if url is None:
        there = ", ".join(name for name in found if name) or "no column at all"
        raise SnapshotterError(
            f"no column is called {' or '.join(candidates)}: the table has {there}",
            hint="say which has the addresses: --column url=NAME",
        )
    names["url"] = url
    for name in ("policy", "tags"):
        column = by_lower.get(wanted[name].lower())
        if column is not None:
            names[name] = column
        elif chosen.get(name):
            raise SnapshotterError(f"the table has no column called {chosen[name]}")
    # A table with all of them was written by an earlier batch, and its columns are ours.
    ours_again = all(wanted[field].lower() in by_lower for field in FIELDS if wanted[field])
    fill = preset == AUTO_ARCHIVER or ours_again
    filled: set[str] = set()
    for name in FIELDS:
        column = wanted[name]
        if not column:
            continue
        taken = by_lower.get(column.lower())
        if taken is not None and taken == url:
            raise SnapshotterError(f"the column {taken} has the addresses: {name} needs another")
        if taken is not None and (fill or name in chosen):
            names[name] = taken
            filled.add(name)
        elif taken is not None:
            names[name] = f"{_OURS}{column}"
            notes.append(f"the table has a column {taken} of its own: ours is {names[name]}")
        else:
            names[name] = column
    return Columns(
        names=names,
        there=frozenset(filled),
        overwrite=ours_again,
        wacz=by_lower.get("wacz", "") if preset == AUTO_ARCHIVER else "",
        notes=tuple(notes),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRow:
    """A row, and what it asks for."""

    row: Row
    key: str = ""  # by which the journal knows it; "" for one that can not be captured
    url: str = ""
    host: str = ""  # in lower case
    policy: str = ""  # "": what the command says
    tags: tuple[str, ...] = ()
    problem: SnapshotterError | None = None  # it can not be captured
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
    for row in table.rows:
        entry = _entry(row, columns, check_policy, seen, retry_failed=retry_failed)
        entries.append(entry)
        if entry.needs_capture and rules is not None:
            page = (_page(entry.url, rules), entry.policy)
            if page not in first or (known(entry.key) and not known(first[page].key)):
                first[page] = entry
    if rules is not None:
        entries = [_merge_same_page(entry, first, rules) for entry in entries]
    notes = [*table.notes, *columns.notes]
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
            raise SnapshotterError(f"there is no address in column {columns.names['url']}")
        check_url(url)
        check_policy(policy)
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
