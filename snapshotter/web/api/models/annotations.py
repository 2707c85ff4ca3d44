"""Describe what people record about captures: cases, tags, notes, reviews, marks, quarantine."""

from typing import Annotated, Literal

from pydantic import Field

from snapshotter.model.annotations import Mark
from snapshotter.web.api.models.common import Answer, BundleId, Instant, Question

CaseName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
_Reason = Annotated[str, Field(max_length=10_000)]
_Bundles = Annotated[list[BundleId], Field(min_length=1, max_length=500)]


class Decision(Answer):
    """A decision of a person."""

    at: Instant
    author: str | None
    decision: str | None
    number: int = Field(description="The number of the annotation.")
    reason: str | None = Field(description="Null: the reason was erased or is missing.")
    role: str | None


class Note(Answer):
    """A note of a person."""

    at: Instant
    author: str | None
    erased: bool
    number: int = Field(description="The number of the annotation.")
    role: str | None
    text: str | None = Field(description="Null: the text was erased or is missing.")


class Annotations(Answer):
    """What people recorded about a capture."""

    bundle_id: str
    cases: dict[str, int] = Field(description="Exhibit numbers by name of the case.")
    marks: dict[str, Decision]
    notes: list[Note]
    quarantine: Decision | None
    review: Decision | None
    tags: list[str]


class Case(Answer):
    """A case: the object of `case list --json`."""

    author: str | None
    captures: int
    closed: Decision | None
    created_at: Instant
    last_exhibit: int
    name: str
    number: int
    title: str | None


class CaseList(Answer):
    """The cases of the store."""

    cases: list[Case]


class Exhibit(Answer):
    """A capture of a case."""

    bundle_id: str
    captured_at: Instant | None
    exhibit: int
    marks: list[str]
    notes: list[Note]
    problem: str | None
    requested_url: str | None
    review: Decision | None
    tags: list[str]
    title: str | None


class LeftOut(Answer):
    """
    A capture of a case that is in quarantine, and the decision about it.

    `at` and `number` are null if no annotation states the quarantine yet.
    """

    at: Instant | None
    author: str | None
    bundle_id: str
    decision: str | None
    number: int | None
    reason: str | None
    role: str | None


class CaseDetails(Case):
    """A case with its exhibits: the object of `case show --json`."""

    exhibits: list[Exhibit]
    notes: list[Note]
    quarantined: list[LeftOut]
    reasons: list[Decision]


class Tag(Answer):
    """A tag, and how many captures have it: the object of `tag list --json`."""

    captures: int
    tag: str


class TagList(Answer):
    """The tags of the store, the most frequent first."""

    tags: list[Tag]


class NoteEntry(Note):
    """A note of a capture: the object of `note list --json`."""

    bundle_id: str | None
    case: str | None


class NoteList(Answer):
    """Notes of captures, the newest first."""

    next: str | None = Field(description="The cursor of the next page; null at the end.")
    notes: list[NoteEntry]


class ReviewItem(Answer):
    """A capture that needs a review: the object of `review --json`."""

    bundle_id: str
    captured_at: Instant
    last_seen: str | None
    reasons: list[str]
    requested_url: str
    review: Decision | None
    suspicion: str | None


class ReviewList(Answer):
    """Captures that need a review, the most urgent first."""

    annotation_problems: list[str]
    captures: list[ReviewItem]
    left: int = Field(description="The number of further captures that need a review.")


class TagRequest(Question):
    """A tag for a capture."""

    tag: Annotated[str, Field(min_length=1, max_length=64)]


class NoteRequest(Question):
    """A note about a capture or a case."""

    text: Annotated[str, Field(min_length=1, max_length=20_000)]


class ReviewRequest(Question):
    """A decision about a capture."""

    decision: Literal["accepted", "rejected", "needs-work"]
    reason: _Reason = Field(default="", description="Required for rejected and needs-work.")


class MarkRequest(Question):
    """A mark for a capture."""

    mark: Mark
    reason: _Reason = ""


class QuarantineRequest(Question):
    """Why a capture is put into quarantine or released."""

    reason: Annotated[str, Field(min_length=1, max_length=10_000)]


class CaseRequest(Question):
    """A case to create."""

    name: CaseName
    title: Annotated[str, Field(max_length=500)] = ""
    bundle_ids: Annotated[list[BundleId], Field(max_length=500)] = Field(
        default=[], description="Captures that become exhibits of the case."
    )


class CaseCaptures(Question):
    """Captures to add to a case, or to remove from it."""

    bundle_ids: _Bundles
    reason: _Reason = ""


class CaseClosing(Question):
    """Why a case is closed."""

    reason: Annotated[str, Field(min_length=1, max_length=10_000)]
