"""
Find the columns of a batch table: the one with the addresses, and those for the results.

The column names of auto-archiver are recognised. A result never goes into a user's column by
accident: if the name of a result column is in use, the result column gets another name.
"""

from collections.abc import Mapping, Sequence

from snapshotter.errors import SnapshotterError
from snapshotter.formats.lists.tables import Row
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

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
READ = ("url", "policy", "tags")  # the columns that are read
AUTO_ARCHIVER = "auto-archiver"
PRESETS: Mapping[str, Mapping[str, str]] = {
    "snapshotter": {name: name for name in (*READ, *FIELDS)},
    # The names in the sheets of auto-archiver; other columns keep our names.
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
_OURS = "snapshotter "  # prefix of a result column whose name is in use


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The columns of a table by their meaning."""

    names: Mapping[str, str]  # field → column as the table spells it; fields that have one
    there: frozenset[str] = frozenset()  # fields whose column the table already has
    overwrite: bool = True  # the values in such a column are ours
    wacz: str = ""  # another column for the location, where the table has it
    notes: tuple[str, ...] = ()  # sentences for the user

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
            notes.append(
                tr(
                    "the columns are read as the columns of an auto-archiver table: link, "
                    "archive status, …"
                )
            )
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
        there = ", ".join(name for name in found if name) or "none"
        raise SnapshotterError(
            tr(
                "the table has no column {candidates}. Its columns: {there}",
                candidates=" or ".join(candidates),
                there=there,
            ),
            hint=tr("name the column that has the addresses: --column url=NAME"),
        )
    names["url"] = url
    for name in ("policy", "tags"):
        column = by_lower.get(wanted[name].lower())
        if column is not None:
            names[name] = column
        elif chosen.get(name):
            raise SnapshotterError(tr("the table has no column {chosen}", chosen=chosen[name]))
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
            raise SnapshotterError(
                tr(
                    "the column {taken} has the addresses, so the field {name} needs another "
                    "column",
                    taken=taken,
                    name=name,
                )
            )
        if taken is not None and (fill or name in chosen):
            names[name] = taken
            filled.add(name)
        elif taken is not None:
            names[name] = f"{_OURS}{column}"
            notes.append(
                tr(
                    "the table has a column {taken} already. The results are written to the "
                    "column {names}",
                    taken=taken,
                    names=names[name],
                )
            )
        else:
            names[name] = column
    return Columns(
        names=names,
        there=frozenset(filled),
        overwrite=ours_again,
        wacz=by_lower.get("wacz", "") if preset == AUTO_ARCHIVER else "",
        notes=tuple(notes),
    )
