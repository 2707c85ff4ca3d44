"""Describe captures of the store: in lists, in detail, and compared."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from snapshotter.web.api.models.common import Answer, Instant, Verdict

_Open = dict[str, Any]


class Copy(Answer):
    """A capture of another page with nearly the same text."""

    bundle_id: str
    requested_url: str


class Hit(Answer):
    """A passage of a capture with words of the query."""

    marks: list[Annotated[list[int], Field(min_length=2, max_length=2)]] = Field(
        description="Where the words are: begin and end, in characters of the text."
    )
    region: str
    text: str


class FoundCapture(Answer):
    """A capture in a list: the object of `search --json`. Nothing is verified."""

    also_published_at: list[Copy]
    bundle_id: str
    captured_at: Instant
    captured_at_local: str
    cases: dict[str, int] = Field(description="Exhibit numbers by name of the case.")
    final_url: str
    hits: list[Hit]
    http_status: int | None
    outcome: str | None
    problem: str | None
    requested_url: str
    tags: list[str]
    text_whole: bool
    title: str
    verdict: Verdict | None


class CaptureList(Answer):
    """Captures, the newest first."""

    annotation_problems: list[str]
    captures: list[FoundCapture]
    cut: int = Field(description="Captures of whose text only the beginning was searched.")
    next: str | None = Field(description="The cursor of the next page; null at the end.")
    searched_until: str | None = Field(
        description="The query is too broad: earlier captures were not searched."
    )


class Capture(Answer):
    """
    What a bundle states: the object of `show --json`. Nothing is verified.

    It has all members of the capture record (docs/spec/capture-record.md), and these.
    """

    model_config = ConfigDict(extra="allow")

    also_published_at: list[Copy]
    assessment: _Open | None
    bundle_id: str
    quarantine: str | None
    verdict: Verdict | None


class BundleMember(Answer):
    """A file of a bundle."""

    address: str
    bytes: int
    path: str


class BundleFiles(Answer):
    """The files of a bundle, and the addresses of their downloads."""

    bundle: str = Field(description="The address of the whole bundle.")
    bundle_id: str
    files: list[BundleMember]
    sidecars: list[str] = Field(description="The addresses of the sidecars.")


class Comparison(Answer):
    """What differs between two captures: the object of `diff --json` (docs/reference/diff.md)."""

    after: _Open
    answer: list[_Open]
    before: _Open
    conditions: list[_Open]
    counts: list[_Open]
    differs: bool
    edits: _Open
    links: _Open
    masks: list[_Open]
    metadata: list[_Open]
    metadata_state: str
    pictures: list[_Open]
    qr_codes: _Open
    same_page: str
    standing: str
    text: _Open
