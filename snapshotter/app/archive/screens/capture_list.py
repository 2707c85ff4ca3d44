"""
List captures for screens, newest first: by words, by filters, or the captures of one page.

Each row has what the index states about a capture, and what people recorded. Nothing is verified,
and the store is not read: a list of any store takes one query.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from snapshotter.app.archive.lookup.index_service import ArchiveView
from snapshotter.app.archive.lookup.search import Excerpt, excerpt, find
from snapshotter.formats.canonical_json import instant
from snapshotter.formats.hosts import host_of
from snapshotter.index.query import (
    OUTCOMES,
    VERDICTS,
    And,
    Filter,
    InvalidQuery,
    Node,
    Query,
    parse,
    with_filters,
)
from snapshotter.index.search import FoundCapture
from snapshotter.model.annotation_state import Decision
from snapshotter.model.annotations import Mark
from snapshotter.model.assessment import AssessmentSummary
from snapshotter.model.capture import Outcome
from snapshotter.report.states import StateLabel, capture_label, page_label
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

MOST: Final = 200  # captures of one page of a list
_EXCERPT: Final = 240  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureFilters:
    """What the captures of a list have in common; an empty field selects all."""

    words: str = ""  # in the query language of docs/reference/search.md
    host: str = ""  # of the requested or the final address
    verdict: str = ""  # of `index.query.VERDICTS`
    outcome: str = ""  # of `index.query.OUTCOMES`
    case: str = ""
    tag: str = ""
    since: datetime | None = None  # captures that began at this time or later
    until: datetime | None = None  # captures that began before this time

    @property
    def is_empty(self) -> bool:
        """Whether all captures are selected."""
        return self == CaptureFilters()

    def query(self) -> Query | None:
        """
        Return the query; None for all captures.

        Raises:
            InvalidQuery: The words are no query, or a filter has no such value.
        """
        chosen = {
            "host": self.host.strip(),
            "verdict": _one_of("verdict", self.verdict, VERDICTS),
            "outcome": _one_of("outcome", self.outcome, OUTCOMES),
            "case": self.case.strip(),
            "tag": self.tag.strip(),
        }
        query = with_filters(
            parse(self.words) if self.words.strip() else None,
            **{name: [value] for name, value in chosen.items() if value},
        )
        dates = [
            Filter(name=name, value=instant(at), position=0, at=at)
            for name, at in (("after", self.since), ("before", self.until))
            if at is not None
        ]
        return _with(query, dates)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureCard:
    """One capture as lists and galleries show it. Texts and addresses are a stranger's."""

    bundle_id: str
    title: str  # "" if the page has none
    url: str  # requested
    final_url: str
    host: str  # of the requested address, without a port
    at: datetime  # UTC: when the capture began
    page: StateLabel  # is the page there?
    capture: StateLabel  # is the capture whole?
    outcome: Outcome | None
    shown: AssessmentSummary | None
    http_status: int | None
    problem: str  # why the bundle cannot be read, or ""
    cases: Mapping[str, int]  # exhibit numbers by name of the case
    tags: tuple[str, ...]  # of people, then of the job
    notes: int
    review: Decision | None  # the newest one
    is_graphic: bool  # a preview is shown on request only
    excerpts: tuple[Excerpt, ...]  # where the words of a query are
    is_text_whole: bool  # False: only the beginning of its text was searched


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureCards:
    """One page of a list."""

    cards: tuple[CaptureCard, ...]
    next: str  # the cursor of the page after this one; "" at the end
    searched_until: str  # the query is too broad: the last capture that was searched; or ""
    cut: int  # captures of whose text only the beginning was searched
    # Captures of the store, also those in quarantine; None: results of a query are not counted.
    total: int | None


def list_captures(
    view: ArchiveView, filters: CaptureFilters, *, limit: int = 50, before: str = ""
) -> CaptureCards:
    """
    Return captures that fit, newest first.

    Args:
        limit: Most captures to return, 1 to `MOST`.
        before: `CaptureCards.next` of the page before this one; "" for the first page.

    Raises:
        InvalidQuery: The filters are invalid, or the index cannot answer.
        SnapshotterError: The index cannot be used.
    """
    return cards_of(view, filters.query(), limit=limit, before=before)


def cards_of(
    view: ArchiveView, query: Query | None, *, limit: int, before: str = ""
) -> CaptureCards:
    """See `list_captures`; for a query that is read already."""
    if not 1 <= limit <= MOST:
        raise ValueError(f"a page of a list has 1 to {MOST} captures, not {limit}")
    found = find(
        view.source,
        query,
        view.state.annotations,
        view.is_hidden,
        limit=limit,
        before=before,
        with_copies=False,
    )
    return CaptureCards(
        cards=tuple(map(card_of, found.captures)),
        next=found.next,
        searched_until=found.searched_until,
        cut=found.cut,
        total=view.source.index.count() if query is None else None,
    )


def find_card(view: ArchiveView, bundle_id: str) -> CaptureCard | None:
    """Return one capture as lists show it; None if the index has none, or it is in quarantine."""
    # The first id that is smaller than this one with a letter more is this one.
    cards = cards_of(view, None, limit=1, before=f"{bundle_id}0").cards
    return cards[0] if cards and cards[0].bundle_id == bundle_id else None


def card_of(found: FoundCapture) -> CaptureCard:
    """Return a capture of the index as screens show it."""
    outcome = Outcome(found.outcome) if found.outcome in set(Outcome) else None
    recorded = found.annotations
    unreadable = found.problem and found.shown is None
    return CaptureCard(
        bundle_id=found.bundle_id,
        title=found.title,
        url=found.url,
        final_url=found.final_url,
        host=host_of(found.url) or host_of(found.final_url),
        at=found.began_at,
        page=_UNREADABLE if unreadable else page_label(found.shown, outcome),
        capture=capture_label(outcome),
        outcome=outcome,
        shown=found.shown,
        http_status=found.http_status,
        problem=found.problem,
        cases=dict(recorded.cases),
        tags=tuple(dict.fromkeys([*recorded.tags, *found.job_tags])),
        notes=len(recorded.notes),
        review=recorded.review,
        is_graphic=Mark.GRAPHIC in recorded.marks,
        excerpts=tuple(excerpt(hit, _EXCERPT) for hit in found.hits if hit.marks),
        is_text_whole=found.is_text_whole,
    )


_UNREADABLE: Final = StateLabel(words=tr("Cannot be read"), shape="✕", tone="bad")


def _one_of(name: str, value: str, known: Iterable[str]) -> str:
    """Return a value of a filter. Raises InvalidQuery: the filter has no such value."""
    given = value.strip()
    if given and given not in set(known):
        raise InvalidQuery(
            tr("{value} is no value of {name}", value=given[:50], name=name),
            position=0,
            hint=tr("choose one of: {values}", values=", ".join(known)),
        )
    return given


def _with(query: Query | None, more: list[Filter]) -> Query | None:
    """Return a query that also has these filters."""
    if not more:
        return query
    children: tuple[Node, ...] = (*([query.root] if query is not None else ()), *more)
    root = And(children=children) if len(children) > 1 else children[0]
    return Query(root=root, regions=query.regions) if query is not None else Query(root=root)
