"""
Compare two captures of one page: their texts, pictures, counts, metadata, links and verdicts.

The caller passes the content of each capture as values, and the pictures as streams. Nothing is
read from a store.
"""

from collections.abc import Mapping
from dataclasses import field, replace

from snapshotter.compare import image_diff, text_diff, value_diff
from snapshotter.compare.masks import Masks
from snapshotter.compare.picture_regions import UnderlyingBlock, UnderlyingPage
from snapshotter.compare.picture_rows import PictureSource
from snapshotter.model.assessment import Assessment
from snapshotter.model.comparison import (
    ComparedCapture,
    Comparison,
    ComparisonState,
    PictureComparison,
    TextComparison,
)
from snapshotter.model.page import Box, Page
from snapshotter.model.reading import Readings
from snapshotter.value_class import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparableCapture:
    """One of the captures."""

    side: ComparedCapture
    page: Page
    assessment: Assessment | None  # None: none could be made
    shots: Mapping[str, PictureSource] = field(default_factory=dict)  # by what they show, in words
    conditions: Mapping[str, str] = field(default_factory=dict)  # how it was made, by name
    whole: bool = True  # False: the page has more text than its blocks hold


def compare(before: ComparableCapture, after: ComparableCapture, masks: Masks) -> Comparison:
    """Return what differs between two captures."""
    texts = text_diff.compare(before.page, after.page, before.assessment, after.assessment, masks)
    comparison = texts.comparison
    if not (before.whole and after.whole):
        comparison = _of_cut_pages(comparison, before.page, after.page)
    underlying_pages = (
        _ground(before, texts.left_out[0]),
        _ground(after, texts.left_out[1]),
    )
    first, second = _readings(before), _readings(after)
    stated = (first.metadata if first else (), second.metadata if second else ())
    differing = value_diff.metadata(*stated)
    return Comparison(
        before=before.side,
        after=after.side,
        same_page=_same_page(before.side, after.side),
        text=comparison,
        standing=value_diff.have_same_verdict(before.side.standing, after.side.standing),
        pictures=_pictures(before, after, underlying_pages),
        counts=value_diff.counts(first.counts if first else (), second.counts if second else ()),
        metadata=differing,
        metadata_state=value_diff.state(differing) if any(stated) else ComparisonState.UNKNOWN,
        links=value_diff.compare_lists(
            first.links if first else None, second.links if second else None
        ),
        qr_codes=value_diff.compare_lists(
            (qr_code.text for qr_code in first.qr_codes) if first else None,
            (qr_code.text for qr_code in second.qr_codes) if second else None,
        ),
        edits=value_diff.compare_edit_marks(texts.marks, *stated),
        answer=value_diff.changed(_answer(before.side), _answer(after.side)),
        conditions=value_diff.changed(_tuples(before.conditions), _tuples(after.conditions)),
        masks=texts.masked,
    )


def _of_cut_pages(found: TextComparison, before: Page, after: Page) -> TextComparison:
    """Return what can be said where blocks hold a part of the text: the same only if all is."""
    why = (
        "the text of a page is longer than the text in the layout of the page, so the rest of "
        "the text was compared without regions"
    )
    coarse = (*found.coarse, why)
    if before.text == after.text or found.main is ComparisonState.CHANGED:
        return replace(found, coarse=coarse)
    return replace(found, coarse=coarse, main=ComparisonState.UNKNOWN, detail=why)


def _readings(capture: ComparableCapture) -> Readings | None:
    return capture.assessment.readings if capture.assessment else None


def _same_page(before: ComparedCapture, after: ComparedCapture) -> ComparisonState:
    if before.identity and after.identity:
        return (
            ComparisonState.UNCHANGED
            if before.identity == after.identity
            else ComparisonState.CHANGED
        )
    return (
        ComparisonState.UNCHANGED
        if before.requested_url == after.requested_url
        else ComparisonState.UNKNOWN
    )


def _pictures(
    before: ComparableCapture,
    after: ComparableCapture,
    underlying_pages: tuple[UnderlyingPage, UnderlyingPage],
) -> tuple[PictureComparison, ...]:
    found = []
    for name in dict.fromkeys((*before.shots, *after.shots)):
        one, other = before.shots.get(name), after.shots.get(name)
        if one is not None and other is not None:
            found.append(image_diff.compare(name, one, other, underlying_pages))
        else:
            which = "later" if one is None else "earlier"
            found.append(
                PictureComparison(
                    picture=name,
                    state=ComparisonState.UNKNOWN,
                    detail=f"only the {which} capture has this picture",
                )
            )
    return tuple(found)


def _ground(capture: ComparableCapture, left_out: frozenset[int]) -> UnderlyingPage:
    regions = (
        {block.selector: block.region for block in capture.assessment.readings.regions}
        if capture.assessment
        else {}
    )
    blocks: list[UnderlyingBlock] = []
    masked: list[Box] = []
    for number, block in enumerate(capture.page.blocks):
        if block.box is None or block.hidden:
            continue
        if number in left_out:
            masked.append(block.box)
        blocks.append(
            UnderlyingBlock(
                box=block.box,
                selector=block.selector,
                text=block.text,
                region=regions.get(block.selector),
            )
        )
    return UnderlyingPage(blocks=tuple(blocks), masked=tuple(masked))


def _answer(side: ComparedCapture) -> dict[str, tuple[str, ...]]:
    return _tuples(
        {
            "title": side.title,
            "http_status": "" if side.http_status is None else str(side.http_status),
            "final_url": side.final_url,
        }
    )


def _tuples(values: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    return {name: (value,) if value else () for name, value in values.items()}
