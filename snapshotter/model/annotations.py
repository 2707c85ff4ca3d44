"""
Define annotations of a store: what people record about captures, outside of the evidence.

An annotation is one record of the store's annotation chain (docs/spec/annotation.md). The state of
an archive follows from the records (`model/annotation_state.py`).
"""

from datetime import datetime
from enum import StrEnum
from typing import Final

from snapshotter.value_class import dataclass

MAX_BUNDLES: Final = 500  # of one record
MAX_TEXT: Final = 10_000  # characters of a note, a reason or a title
MAX_NAME: Final = 64  # characters of a tag, and of the name of a case


class AnnotationKind(StrEnum):
    """What a record states. New kinds are added, none is renamed."""

    CASE_CREATED = "case.created"
    CASE_CLOSED = "case.closed"
    CASE_ADDED = "case.added"
    CASE_REMOVED = "case.removed"
    TAG_ADDED = "tag.added"
    TAG_REMOVED = "tag.removed"
    NOTE_ADDED = "note.added"
    REVIEWED = "reviewed"
    MARKED = "marked"
    UNMARKED = "unmarked"
    QUARANTINED = "quarantined"
    RELEASED = "released"
    ERASED = "erased"  # the text of an earlier record


class ReviewDecision(StrEnum):
    """The result of a review of a capture."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    NEEDS_WORK = "needs-work"


class Mark(StrEnum):
    """A mark of a capture, which changes how the capture is shown."""

    GRAPHIC = "graphic"  # no preview unless a person asks for it


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotationAuthor:
    """The person who makes an annotation, as the settings name the person."""

    name: str = ""  # the operator or the pseudonym; "" if the settings name nobody
    commitment: str = ""  # to the operator's name, "sha256:<hex>"; "" without a pseudonym
    role: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAnnotation:
    """What a person records, before it has a place in the chain."""

    kind: AnnotationKind
    bundles: tuple[str, ...] = ()  # ids
    case: str = ""  # the name of a case
    name: str = ""  # the tag, the decision of a review, or the mark
    exhibits: tuple[int, ...] = ()  # of `case.added`: one number for each bundle
    record: int = 0  # of `erased`: the number of the record whose text is erased
    order: str = ""  # of `erased`: the reference of the order


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation(NewAnnotation):
    """One record of the chain. Its signature is valid; its key need not be a trusted one."""

    number: int  # from 1
    sha256: str  # of the whole record
    previous: str  # SHA-256 of the record before; 64 zeros for the first
    author: AnnotationAuthor
    at: datetime  # UTC, by the clock of the author's machine
    text: str = ""  # the commitment to its text, "sha256:<hex>"; "" if the record has no text
    store: str = ""  # the origin of the log of the store; "" if the store had no log
    key_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotationRow:
    """The columns of one object under `annotations/` in an index."""

    key: str
    sha256: str  # of the object
    number: int  # in the chain; 0 for a text and for an object that is no record
    kind: str  # of `AnnotationKind`; "" for a text and for an object that is no record
    case: str
    bundle_ids: tuple[str, ...]
    author: str
    role: str
    at: datetime | None
    name: str  # the tag, the decision or the mark
    data: bytes
