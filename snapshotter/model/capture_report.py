"""
Define the report about one capture: sentences, fields and tables, each with its source.

A field states where its value comes from (`Source`) and who vouches for the value (`Basis`). The
report file `report.json` and the page for people are both written from this one value
(docs/spec/report.md).
"""

import enum
from datetime import datetime

from snapshotter.model.finding import Finding, Verdict
from snapshotter.value_class import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Withheld:
    """What stands in place of a value in a redacted record (docs/spec/redactable-record.md)."""

    committed: str  # SHA-256, hex


Value = None | bool | int | str | tuple[str, ...] | Withheld


class Basis(enum.StrEnum):
    """Who vouches for a value."""

    VERIFIED = "verified"  # the verification of this report computed or checked it
    STATED = "stated"  # a signed file of the bundle states it, unchanged since the seal
    UNVERIFIED = "unverified"  # no good signature of the bundle covers what states it


class Presence(enum.StrEnum):
    """Whether a value is there."""

    PRESENT = "present"
    ABSENT = "absent"  # nothing states it
    WITHHELD = "withheld"  # the record has only a commitment to it


class Kind(enum.StrEnum):
    """How people read a value."""

    TEXT = "text"
    ADDRESS = "address"
    INSTANT = "instant"  # YYYY-MM-DDTHH:MM:SSZ
    NUMBER = "number"
    CODE = "code"  # a number that is a name: a status, a port
    BYTES = "bytes"
    MILLISECONDS = "milliseconds"
    DIGEST = "digest"  # hex
    FLAG = "flag"  # true or false
    LINES = "lines"  # a list of texts
    BLOCK = "block"  # a text of many lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """
    Where a value comes from.

    `file` is a member of the bundle, the bundle itself or a sidecar by its name, the trust file
    (`trust`), or the verification of this report (`verification`).
    """

    file: str
    pointer: str = ""  # RFC 6901, into the file; "" for the file as a whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One value."""

    key: str  # in its group of report.json
    term: str  # for people
    value: Value
    kind: Kind = Kind.TEXT
    basis: Basis
    source: Source
    presence: Presence = Presence.PRESENT
    note: str = ""  # a sentence about the value


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a table."""

    key: str
    term: str
    kind: Kind = Kind.TEXT
    under: str = ""  # the column in whose cells people read this value
    basis: Basis | None = None  # of its values, if that of their rows is stronger


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of a table. The values are in the order of the columns."""

    values: tuple[Value, ...]
    basis: Basis
    source: Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Values of one kind, in the order of their source."""

    key: str
    term: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    total: int  # rows that the source has; more than `rows` if the report has only the first ones
    source: Source
    empty: str  # a sentence that stands for no rows
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Fields and tables that answer one question."""

    key: str
    term: str
    intro: str = ""
    items: tuple[Field | Table, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A sentence of the first page, and the values from which it follows."""

    key: str
    text: str
    fields: tuple[str, ...]  # `group.key` of each field and table
    basis: Basis  # the weakest of those fields
    shown: Field | None = None  # a text of a stranger's, in a box of its own after the sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownPicture:
    """The picture of the report. It is a reduced copy of members of the bundle. CSS pixels."""

    path: str  # the first member
    sha256: str  # of this member; "" if it was not verified
    width: int
    height: int
    is_whole_page: bool  # else the first view
    is_cut: bool  # the copy ends before the picture does
    is_narrowed: bool  # the copy has only the left part of the picture
    is_graphic: bool  # a person marked the capture as graphic


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureReport:
    """Everything that the report about one capture states."""

    bundle_id: str
    title: str  # of the page; "" if it has none, or the record cannot be read
    language: str  # BCP 47, of the document; "" if it is not known
    verdict: Verdict
    sentences: tuple[str, ...]  # the answers to the three questions
    statements: tuple[Statement, ...]
    missing: tuple[str, ...]  # sentences
    picture: ShownPicture | None
    text: str  # the beginning of the page's text
    text_total: int  # characters of the whole text
    groups: tuple[Group, ...]
    findings: tuple[Finding, ...]
    verified_at: datetime
    software: str
    trust: str
    zone: str  # of local times: "UTC+08:00"
    commands: str  # that check the bundle without our software
    limits: tuple[tuple[str, str], ...]  # what the report does not prove, and what would help
    unread: tuple[str, ...]  # parts of the bundle that cannot be read, with the reason

    def find(self, path: str) -> Field | Table:
        """Return a field or a table by `group.key`. Raises KeyError."""
        group, _, key = path.partition(".")
        for found in self.groups:
            if found.key == group:
                for item in found.items:
                    if item.key == key:
                        return item
        raise KeyError(path)
