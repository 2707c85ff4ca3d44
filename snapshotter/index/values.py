"""Define the values that go into the index of a store and come out of it."""

import enum
from collections.abc import Callable, Mapping
from dataclasses import field
from datetime import datetime

from snapshotter.model.assessment import AssessmentSummary
from snapshotter.model.takedown import Observation
from snapshotter.value_class import dataclass


class VerdictSource(enum.StrEnum):
    """Where the verdict in a row comes from."""

    ASSESSED = "assessed"  # it is in the bundle
    REASSESSED = "reassessed"  # an older bundle: made of its own files by the rules of today
    UNASSESSED = "unassessed"  # an older bundle that holds too little for a verdict
    UNREADABLE = "unreadable"  # no bundle, or one that cannot be read


class PassageRegion(enum.StrEnum):
    """The part of a capture that a passage is from."""

    TITLE = "title"
    ADDRESS = "address"  # the requested and the final address
    MAIN = "main"  # the main text of the page
    REST = "rest"  # all other text that the page shows
    HIDDEN = "hidden"  # text of the document that the page did not show


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A part of the text of one capture, of at most 2,000 characters."""

    region: PassageRegion
    text: str  # as shown


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFacts:
    """What the queue of this machine knows of the job that made a bundle."""

    worker: str = ""
    schedule: str = ""  # name of the schedule; "" if none asked for the capture
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleFacts:
    """What a bundle states about its capture, for lists and filters."""

    title: str = ""
    url: str = ""  # requested
    final_url: str = ""
    http_status: int | None = None
    outcome: str = ""  # "complete", "partial", "failed"; "" if the bundle does not state it
    reasons: tuple[str, ...] = ()  # codes of docs/reference/outcomes.md
    missing: tuple[str, ...] = ()  # sentences: expected parts that the bundle lacks
    is_missing: bool = False  # the page of the capture lists something under "What is missing"
    language: str = ""  # as the document declares it
    policy: str = ""  # its name
    operator: str = ""  # who stored it, by the first custody event; "" if nobody is named
    shown: AssessmentSummary | None = None  # None: the bundle has no assessment
    is_text_whole: bool = True  # False: only the beginning of the text is in the index


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleSummary:
    """The content of one bundle that the index needs."""

    verdict_source: VerdictSource
    problem: str = ""  # why there is no observation
    observation: Observation | None = None  # its `identity` is that of the requested address
    stated: str = ""  # the identity that the page states, if the address does not determine it
    asked: str = ""  # without an observation: the identity of the address, as far as it is known
    url: str = ""  # without an observation: the requested address
    facts: BundleFacts = field(default_factory=BundleFacts)
    passages: tuple[Passage, ...] = ()
    manifest_sha256: str = ""  # of the SHA-256 manifest, as bytes; "" if it cannot be read


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexRow:
    """One bundle in the index, with its observation."""

    key: str
    bundle_id: str
    verdict_source: VerdictSource
    problem: str
    observation: Observation | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureRow:
    """One capture in the index, in short."""

    bundle_id: str
    at: datetime  # when the capture ended; of an unreadable bundle, the time in its id
    url: str
    title: str
    outcome: str  # "" if the bundle does not state it
    reasons: tuple[str, ...]  # codes of the outcome
    problem: str  # why the bundle cannot be read


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexSyncResult:
    """The number of rows that a sync changed."""

    read: int  # bundles that were new, or had new sidecars that the index needs
    removed: int  # rows of bundles that the store no longer lists


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexCounts:
    """The numbers of rows in an index."""

    bundles: Mapping[VerdictSource, int]  # a source without bundles may be missing
    passages: int
    events: int
    cut: int  # bundles of whose text only the beginning is in the index


# Reads one bundle: its key, and the keys of the sidecars beside it that the index needs.
ReadBundle = Callable[[str, tuple[str, ...]], BundleSummary]
# Called with the number of bundles that were read so far.
IndexProgress = Callable[[int], None]
