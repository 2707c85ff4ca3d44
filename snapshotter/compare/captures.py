"""
Two captures of one page, side by side: all that differs between them.

What was kept of each comes in as values, and pictures as streams; nothing is looked up.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from snapshotter.compare import facts, image, text
from snapshotter.compare.image import Ground, Shot, Under
from snapshotter.compare.masks import Masks
from snapshotter.model.assessment import Assessment
from snapshotter.model.comparison import (
    Comparison,
    PictureComparison,
    Side,
    State,
    TextComparison,
)
from snapshotter.model.page import Box, Page
from snapshotter.model.reading import Readings


@dataclass(frozen=True, slots=True, kw_only=True)
class Captured:
    """One of the captures."""

    side: Side
    page: Page
    assessment: Assessment | None  # None: none could be made
    shots: Mapping[str, Shot] = field(default_factory=dict)  # by what they show, in words
    conditions: Mapping[str, str] = field(default_factory=dict)  # how it was made, by name
    whole: bool = True  # False: the page has more text than its blocks hold


def compare(before: Captured, after: Captured, masks: Masks) -> Comparison:
    """Return what differs between two captures."""
    texts = text.compare(before.page, after.page, before.assessment, after.assessment, masks)
    comparison = texts.comparison
    if not (before.whole and after.whole):
        comparison = _of_cut_pages(comparison, before.page, after.page)
    grounds = (
        _ground(before, texts.left_out[0]),
        _ground(after, texts.left_out[1]),
    )
    first, second = _readings(before), _readings(after)
    stated = (first.metadata if first else (), second.metadata if second else ())
    differing = facts.metadata(*stated)
    return Comparison(
        before=before.side,
        after=after.side,
        same_page=_same_page(before.side, after.side),
        text=comparison,
        standing=facts.same_standing(before.side.standing, after.side.standing),
        pictures=_pictures(before, after, grounds),
        counts=facts.counts(first.counts if first else (), second.counts if second else ()),
        metadata=differing,
        metadata_state=facts.state(differing) if any(stated) else State.UNKNOWN,
        links=facts.listed(first.links if first else None, second.links if second else None),
        qr_codes=facts.listed(
            (it.text for it in first.qr_codes) if first else None,
            (it.text for it in second.qr_codes) if second else None,
        ),
        edits=facts.edits(texts.marks, *stated),
        answer=facts.changed(_answer(before.side), _answer(after.side)),
        conditions=facts.changed(_tuples(before.conditions), _tuples(after.conditions)),
        masks=texts.masked,
    )


def _of_cut_pages(found: TextComparison, before: Page, after: Page) -> TextComparison:
    """Return what can be said where blocks hold a part of the text: the same only if all is."""
    why = "a page has more text than its layout keeps: what stands behind that was not told apart"
    coarse = (*found.coarse, why)
    if before.text == after.text or found.main is State.CHANGED:
        return replace(found, coarse=coarse)
    return replace(found, coarse=coarse, main=State.UNKNOWN, detail=why)


def _readings(capture: Captured) -> Readings | None:
    return capture.assessment.readings if capture.assessment else None


def _same_page(before: Side, after: Side) -> State:
    if before.identity and after.identity:
        return State.UNCHANGED if before.identity == after.identity else State.CHANGED
    return State.UNCHANGED if before.requested_url == after.requested_url else State.UNKNOWN


def _pictures(
    before: Captured, after: Captured, grounds: tuple[Ground, Ground]
) -> tuple[PictureComparison, ...]:
    found = []
    for name in dict.fromkeys((*before.shots, *after.shots)):
        one, other = before.shots.get(name), after.shots.get(name)
        if one is not None and other is not None:
            found.append(image.compare(name, one, other, grounds))
        else:
            which = "later" if one is None else "earlier"
            found.append(
                PictureComparison(
                    picture=name, state=State.UNKNOWN, detail=f"only the {which} capture has it"
                )
            )
    return tuple(found)


def _ground(capture: Captured, left_out: frozenset[int]) -> Ground:
    regions = (
        {it.selector: it.region for it in capture.assessment.readings.regions}
        if capture.assessment
        else {}
    )
    blocks: list[Under] = []
    masked: list[Box] = []
    for number, it in enumerate(capture.page.blocks):
        if it.box is None or it.hidden:
            continue
        if number in left_out:
            masked.append(it.box)
        blocks.append(
            Under(box=it.box, selector=it.selector, text=it.text, region=regions.get(it.selector))
        )
    return Ground(blocks=tuple(blocks), masked=tuple(masked))


def _answer(side: Side) -> dict[str, tuple[str, ...]]:
    return _tuples(
        {
            "title": side.title,
            "http_status": "" if side.http_status is None else str(side.http_status),
            "final_url": side.final_url,
        }
    )


def _tuples(values: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    return {name: (value,) if value else () for name, value in values.items()}
