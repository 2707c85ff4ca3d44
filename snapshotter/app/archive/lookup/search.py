"""
Search the captures of a store by words and filters, or list them by filters.

Results are what the index has: nothing is verified. They come newest first, in pages.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Final

from snapshotter.app.archive import quarantined
from snapshotter.app.archive.bundle_list import BundleFilter
from snapshotter.app.archive.bundles import ListedBundle, listed_bundle
from snapshotter.app.archive.observations import ObservationSource, read_annotations
from snapshotter.app.archive.quarantined import IsTrusted
from snapshotter.formats.bundle import store_keys
from snapshotter.index import search as index_search
from snapshotter.index.copies import IsHidden
from snapshotter.index.query import Query
from snapshotter.index.search import FoundPage, Hit
from snapshotter.model.annotation_state import AnnotationState
from snapshotter.value_class import dataclass

_PAGE: Final = 100  # captures that are read from the index together
_BEFORE: Final = 40  # characters of an excerpt before the first hit
_SPACES = re.compile(r"\s+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Excerpt:
    """A part of a text around its first hit, on one line."""

    text: str
    marks: tuple[tuple[int, int], ...]  # where the words are, in characters of the excerpt
    is_cut_before: bool
    is_cut_after: bool


def search(
    source: ObservationSource,
    query: Query | None,
    *,
    limit: int,
    before: str = "",
    now: datetime,
    is_trusted: IsTrusted,
    state: AnnotationState | None = None,
) -> FoundPage:
    """
    Return the captures that match a query, newest first.

    Args:
        query: Words and filters (docs/reference/search.md); None: all captures match.
        limit: Most captures to return; at least 1.
        before: `FoundPage.next` of the page before this one.
        is_trusted: Whether a key of this id may end a quarantine.
        now: Bundles of days until then are looked for in the store.
        state: The annotations of the store; None: they are read.

    Raises:
        ServiceUnavailable: The store did not answer.
        SnapshotterError: The index cannot be used.
    """
    source.sync(until=now)
    annotations = state if state is not None else read_annotations(source)
    is_hidden = _read_hidden(source, is_trusted)
    return find(source, query, annotations, is_hidden, limit=limit, before=before)


def select(
    source: ObservationSource,
    query: Query,
    wanted: BundleFilter,
    *,
    now: datetime,
    is_trusted: IsTrusted,
    cut: Callable[[int], None],
) -> Iterator[ListedBundle]:
    """
    Yield the bundles of a store that match a query and fit, the newest first, as a list has them.

    Args:
        now, is_trusted: As for `search`.
        cut: Called once with `FoundPage.cut`.

    Raises:
        ServiceUnavailable: The store did not answer.
        SnapshotterError: The index cannot be used.
    """
    source.sync(until=now)
    state = read_annotations(source)
    is_hidden = _read_hidden(source, is_trusted)
    before = ""
    while True:
        page = find(source, query, state, is_hidden, limit=_PAGE, before=before)
        if not before:
            cut(page.cut)
        for capture in page.captures:
            day = store_keys.bundle_time(capture.bundle_id).date()
            if wanted.since is not None and day < wanted.since:
                return
            if wanted.until is not None and day > wanted.until:
                continue
            entry = listed_bundle(source.store, capture.bundle_id)
            if entry is not None and wanted.fits(entry):
                yield entry
        if not page.next:
            return
        before = page.next


def find(
    source: ObservationSource,
    query: Query | None,
    state: AnnotationState,
    is_hidden: IsHidden,
    *,
    limit: int,
    before: str = "",
    with_copies: bool = True,
) -> FoundPage:
    """
    Return the captures that match a query, newest first, from the index as it is.

    Args:
        is_hidden: Whether a capture with these kinds of sidecars is in quarantine.
        with_copies: Look for captures of other pages with nearly the same text.

    Raises:
        SnapshotterError: The index cannot be used.
    """

    def identities(value: str) -> Sequence[str]:
        return source.index.asked_for(source.named_identity(value))

    return index_search.search(
        source.index.database,
        query,
        state=state,
        identities=identities,
        is_hidden=is_hidden,
        limit=limit,
        before=before,
        with_copies=with_copies,
    )


def _read_hidden(source: ObservationSource, is_trusted: IsTrusted) -> IsHidden:
    def is_hidden(bundle_id: str, kinds: Sequence[str]) -> bool:
        # The index of a bucket may not know the newest notice, which ends a quarantine.
        return (
            any(map(quarantined.is_notice, kinds))
            and quarantined.read_quarantine(source.store, bundle_id, is_trusted).is_hidden
        )

    return is_hidden


def is_cursor(text: str) -> bool:
    """Return whether a text can be `FoundPage.next`."""
    return store_keys.is_id(text)


def excerpt(hit: Hit, most: int) -> Excerpt:
    """
    Return the part of a text that shows its first hit.

    Args:
        most: Characters of the excerpt; the first hit is longer only if it is long itself.
    """
    first, last = hit.marks[0]
    begin = max(0, first - _BEFORE)
    while 0 < begin < first and not hit.text[begin - 1].isspace() and first - begin < 2 * _BEFORE:
        begin -= 1
    if begin and not hit.text[begin - 1].isspace():
        begin = max(0, first - _BEFORE)  # a script without spaces
    end = max(last, min(len(hit.text), begin + most))
    if end < len(hit.text) and not hit.text[end].isspace():  # end at a word, if there are words
        word = max(hit.text.rfind(space, last, end) for space in " \n\t")
        end = word if word >= max(last, end - 2 * _BEFORE) else end
    text, marks = "", []
    at = begin
    for start, stop in hit.marks:
        if stop > end:
            break
        text += _SPACES.sub(" ", hit.text[at:start])
        marks.append((len(text), len(text) + len(_SPACES.sub(" ", hit.text[start:stop]))))
        text += _SPACES.sub(" ", hit.text[start:stop])
        at = stop
    text += _SPACES.sub(" ", hit.text[at:end])
    return Excerpt(
        text=text, marks=tuple(marks), is_cut_before=begin > 0, is_cut_after=end < len(hit.text)
    )


def with_brackets(shown: Excerpt) -> str:
    """Return an excerpt with its words in brackets, and dots where it is cut."""
    text, at = "…" if shown.is_cut_before else "", 0
    for start, end in shown.marks:
        text += f"{shown.text[at:start]}[{shown.text[start:end]}]"
        at = end
    return f"{text}{shown.text[at:]}{'…' if shown.is_cut_after else ''}"
