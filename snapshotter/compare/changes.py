"""
Derive what two captures of one page prove to be changed: words, title, prices, pictures, dates.

The result depends only on the two captures and the rules in them, so whoever has both bundles
derives the same. What the page shows outside its main text, its counters, what masks of the
policies cover, and text that moved with the same words are no change. If a reason other than a
change of the page can explain a difference, as another language or another size of the window,
no change is derived (docs/adr/0099-a-change-is-derived-from-two-captures.md).
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import zip_longest
from typing import Final

from snapshotter.compare import word_diff
from snapshotter.compare.masks import Masks, find_stretches
from snapshotter.compare.picture_regions import covers, touches
from snapshotter.compare.sequences import StepBudget, align, gaps_between_runs
from snapshotter.formats import canonical_json
from snapshotter.model import change_sentences as sentences
from snapshotter.model.assessment import Availability
from snapshotter.model.change import (
    MAIN_REGION,
    MAX_DATES,
    MAX_ITEMS,
    METHOD,
    TEXT_IS_WHOLE,
    Change,
    ChangedItem,
    ChangedPlace,
    ChangeSubject,
    DateOrder,
    DerivedChange,
    NoChange,
    NoChangeReason,
    PictureCheck,
    ReadDate,
    StatedDate,
)
from snapshotter.model.comparison import (
    BlockChange,
    BlockKind,
    Comparison,
    ComparisonState,
    Op,
    PictureComparison,
    PictureRegion,
    TextPiece,
    ValueChange,
)
from snapshotter.model.page import Box
from snapshotter.model.reading import Count
from snapshotter.model.takedown import Observation
from snapshotter.value_class import dataclass

# Conditions that must be the same. A newer browser, policy or font is no other viewpoint.
VIEWPOINT: Final = ("window", "locale", "timezone", "network_path")
# What stands in the place of a text that a policy had replaced: another one in each capture.
REDACTED: Final = ("redacted", re.compile(r"redacted:sha256:[0-9a-f]{64}"))

_COMPLETE, _PARTIAL = "complete", "partial"
_KEPT = 60  # characters of unchanged words at either side of a change
_LONGEST = 1_000  # characters of one piece that a record keeps
_MAX_PIECES = 60  # of one item that a record keeps
_LONGEST_ITEM = 2_500  # characters of all its pieces: a record with MAX_ITEMS has its limit
_CUT = "…"
_OVERHANG = 4  # CSS pixels
_STEPS = 1_000_000
# A page whose date of modification is the time of each request states its clock.
_CLOCK = timedelta(minutes=2)
_UNREAD = re.compile(r"^\(\d{1,4}\+?\)\s+")  # the number of messages before a title


@dataclass(frozen=True, slots=True, kw_only=True)
class PageSetting:
    """A setting of a policy that can change what a page shows."""

    name: str
    value: str
    effect: str  # what it did to this page
    shown: str  # the effect, for people


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedPage:
    """One of the two captures, as far as its comparison does not have it."""

    observation: Observation
    outcome: str  # of the capture, by its record
    whole: bool  # the layout of the page has all of its text
    missing: tuple[str, ...] = ()  # codes of what a partial capture lacks
    removal: str = ""  # why it is a possible removal after the other capture, or ""
    counts: tuple[Count, ...] = ()
    prices: tuple[tuple[str, str], ...] = ()  # name of the place and value, of structured data
    dates: tuple[ReadDate, ...] = ()
    # SHA-256 of the pictures in the main text, in order; "" for one that the record lacks.
    images: tuple[str, ...] = ()
    settings: tuple[PageSetting, ...] = ()
    named_main: str = ""  # of the main text, if a policy names one outside the page's own
    main_by: str = ""  # how the main text was found
    guessed_by: str = ""  # the software that guessed it


def derive(
    before: ComparedPage,
    after: ComparedPage,
    found: Comparison,
    masks: Masks,
    *,
    method: int = METHOD,
) -> DerivedChange | NoChange:
    """
    Return what the later capture shows differently, or why nothing is derived.

    Args:
        found: The comparison of both, with `masks`, which should include `REDACTED`.
        method: The version of the derivation by which the captures were compared.
    """
    missing = tuple(sorted({*before.missing, *after.missing}))
    own_masks = tuple(mask for mask in found.masks if mask.mask != REDACTED[0])
    found = replace(found, masks=own_masks)
    problem = _problem(before, after, found)
    if problem is not None:
        return problem
    items = [
        *_words(before, after, found),
        *_title(found, masks),
        *_prices(before, after, found, masks),
    ]
    regions = _unexplained_regions(found)
    pictures, check = _pictures(before, after, found, regions)
    unexplained = 0 if pictures else len(regions)
    items += pictures
    items += _dates(before, after)
    if not items:
        if check is PictureCheck.NOT_COMPARED:
            return no_change(NoChangeReason.PICTURES, is_open=True)
        if unexplained:
            return no_change(NoChangeReason.UNEXPLAINED, is_open=True)
        said = sentences.elsewhere(found)
        if missing:
            said = f"{said}; {sentences.partial(missing)}"
        return no_change(NoChangeReason.SAME_MAIN_TEXT, said, is_open=bool(missing))
    if all(item.seen is False for item, _ in items):
        return no_change(NoChangeReason.NOT_SEEN, is_open=True)
    listed = [item for item, _ in items]
    states_main = method > MAIN_REGION
    return DerivedChange(
        change=Change(
            method=method,
            subjects=tuple(
                subject
                for subject in ChangeSubject
                if any(item.subject is subject for item in listed)
            ),
            items=tuple(listed[:MAX_ITEMS]),
            count=len(listed),
            sha256=_digest([item.sha256 for item in listed]),
            pictures=check,
            removal=after.removal,
            dates=_stated_dates(before, after),
            missing=missing,
            masked=sum(mask.before + mask.after for mask in own_masks),
            masks_differ=any(mask.differs for mask in own_masks),
            unexplained=unexplained,
            main_by=tuple(sorted({before.main_by, after.main_by})) if states_main else (),
            guessed_by=(before.guessed_by or after.guessed_by) if states_main else "",
        ),
        digests=frozenset(item.sha256 for item in listed),
        places=tuple(place for _, place in items if place.before or place.after),
        named_main=before.named_main or after.named_main,
    )


def no_change(reason: NoChangeReason, detail: str = "", *, is_open: bool = False) -> NoChange:
    """Return that two captures prove no change, with a general sentence if there is no other."""
    return NoChange(reason=reason, detail=detail or sentences.REASONS[reason], is_open=is_open)


def _problem(before: ComparedPage, after: ComparedPage, found: Comparison) -> NoChange | None:
    """Return why a difference would prove nothing; None if it would."""
    if found.same_page is not ComparisonState.UNCHANGED:
        return no_change(
            NoChangeReason.OTHER_PAGE, is_open=found.same_page is ComparisonState.UNKNOWN
        )
    one, other = before.observation, after.observation
    if one.bundle_id == other.bundle_id or one.at > other.began_at:
        return no_change(NoChangeReason.NOT_IN_ORDER)
    if one.vantage != other.vantage:
        return no_change(
            NoChangeReason.OTHER_VANTAGE, sentences.other_vantage(one.vantage, other.vantage)
        )
    named = [change for change in found.conditions if change.name in VIEWPOINT]
    named += _other_settings(before, after)
    if named:
        return no_change(NoChangeReason.OTHER_CONDITIONS, sentences.other_conditions(named))
    for page in (before, after):
        seen = page.observation
        lacks = sorted(set(page.missing) - TEXT_IS_WHOLE)
        is_known = page.outcome == _COMPLETE or (page.outcome == _PARTIAL and page.missing)
        if lacks or not is_known or seen.light or not page.whole:
            said = sentences.not_complete(
                seen.bundle_id, page.outcome, lacks, light=seen.light, whole=page.whole
            )
            return no_change(NoChangeReason.NOT_COMPLETE, said, is_open=True)
    if one.availability is not Availability.AVAILABLE:
        return no_change(NoChangeReason.NOT_SHOWN, sentences.not_shown(one))
    if other.availability is Availability.UNAVAILABLE:
        return no_change(NoChangeReason.REMOVED, sentences.removed(other))
    if other.availability is not Availability.AVAILABLE and not after.removal:
        return no_change(NoChangeReason.NOT_SHOWN, sentences.not_shown(other))
    if found.text.unmasked:
        return no_change(NoChangeReason.MASKS, sentences.masks(found.text.unmasked), is_open=True)
    if found.text.main is ComparisonState.UNKNOWN:
        return no_change(
            NoChangeReason.NO_MAIN_TEXT,
            sentences.no_main_text(found.text.detail),
            is_open=True,
        )
    return None


def _other_settings(before: ComparedPage, after: ComparedPage) -> Iterator[ValueChange]:
    """
    Yield the settings that differ and did not do the same to both pages.

    A click that only one policy makes can show words that were there before.
    """
    later = {setting.name: setting for setting in after.settings}
    for one in before.settings:
        other = later.get(one.name, one)
        if one.value != other.value and one.effect != other.effect:
            yield ValueChange(name=one.name, before=(one.shown,), after=(other.shown,))


_Placed = tuple[ChangedItem, ChangedPlace]
_NOWHERE = ChangedPlace(before=None, after=None)


def _item(subject: ChangeSubject, where: str, pieces: Iterable[TextPiece]) -> ChangedItem:
    every = tuple(pieces)
    said = [subject.value, where, *([piece.op.value, piece.text] for piece in every)]
    return ChangedItem(
        subject=subject,
        where=where,
        pieces=_shortened(every),
        sha256=hashlib.sha256(canonical_json.dumps(_whole_characters(said))).hexdigest(),
    )


def _whole_characters(value: object) -> canonical_json.JsonValue:
    """Return texts without half characters, which a layout cannot contain and markup can."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    return [_whole_characters(one) for one in value] if isinstance(value, list) else None


def _digest(digests: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def _shortened(pieces: Sequence[TextPiece]) -> tuple[TextPiece, ...]:
    """Return the pieces with the words around a change, and not all that is unchanged."""
    kept: list[TextPiece] = []
    last, left = len(pieces) - 1, _LONGEST_ITEM
    for number, piece in enumerate(pieces):
        text = str(_whole_characters(piece.text))
        if piece.op in (Op.SAME, Op.MASKED):
            head = text[:_KEPT] if number else ""
            tail = text[-_KEPT:] if number < last else ""
            if len(text) > len(head) + len(tail):
                text = f"{head}{_CUT}{tail}"
        elif len(text) > _LONGEST:
            text = f"{text[:_LONGEST]}{_CUT}"
        left -= len(text)
        if len(kept) == _MAX_PIECES or left < 0:
            return (*kept, TextPiece(op=Op.SAME, text=_CUT))
        kept.append(TextPiece(op=piece.op, text=text))
    return tuple(kept)


def _words(before: ComparedPage, after: ComparedPage, found: Comparison) -> Iterator[_Placed]:
    counters = (_by_selector(before.counts), _by_selector(after.counts))
    for change in found.text.changes:
        if not change.in_main or _is_only_counter(change, counters):
            continue
        pieces = change.pieces
        if change.kind is BlockKind.MOVED:
            if (op := _shown_or_hidden(change)) is None:
                continue
            pieces = tuple(TextPiece(op=op, text=piece.text) for piece in pieces)
        place = change.after or change.before
        region = place.region.value if place is not None and place.region is not None else ""
        item = _item(ChangeSubject.WORDS, region, pieces)
        yield (
            replace(item, seen=_is_seen(change, found)),
            ChangedPlace(
                before=change.before.box if change.before else None,
                after=change.after.box if change.after else None,
            ),
        )


def _shown_or_hidden(change: BlockChange) -> Op | None:
    """Return what became of words that both pages have, if only one of the pages shows them."""
    if change.before is None or change.after is None:
        return None
    if change.before.hidden == change.after.hidden:
        return None
    return Op.REMOVED if change.after.hidden else Op.ADDED


def _is_seen(change: BlockChange, found: Comparison) -> bool | None:
    """Return whether the screenshots differ where a block of text is; None if this is not known."""
    picture = _largest_picture(found)
    if picture is None or picture.before is None or picture.after is None:
        return None
    # Without a place a block is not on the screen, and below its end there is no picture.
    sides = [
        (place.box, size, regions)
        for place, size, regions in (
            (change.before, picture.before, [region.before for region in picture.regions]),
            (change.after, picture.after, [region.after for region in picture.regions]),
        )
        if place is not None and place.selector and not place.hidden
    ]
    if any(
        box is not None and any(one is not None and touches(box, one) for one in regions)
        for box, _, regions in sides
    ):
        return True
    is_compared = sides and all(
        box is None or box.top + box.height <= size[1] for box, size, _ in sides
    )
    # Single pixels, and small regions beyond the longest list, have no place that is known.
    return False if is_compared and not picture.specks and not picture.detail else None


def _largest_picture(found: Comparison) -> PictureComparison | None:
    """Return the comparison of the whole page, else of the first view; None if there is none."""
    known = [picture for picture in found.pictures if picture.state is not ComparisonState.UNKNOWN]
    return known[-1] if known else None


def _by_selector(counts: Iterable[Count]) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for count in counts:
        found[count.where] = (*found.get(count.where, ()), count.raw)
    return found


def _is_only_counter(
    change: BlockChange, counters: tuple[Mapping[str, tuple[str, ...]], ...]
) -> bool:
    """Return whether no more than a count of readers, comments and the like differs in a block."""
    if change.kind is not BlockKind.CHANGED or change.before is None or change.after is None:
        return False
    texts = []
    for place, known, left_out in (
        (change.before, counters[0], Op.ADDED),
        (change.after, counters[1], Op.REMOVED),
    ):
        if place.selector not in known:
            return False
        text = "".join(piece.text for piece in change.pieces if piece.op is not left_out)
        for raw in known[place.selector]:
            text = text.replace(raw, " ")
        texts.append(word_diff.key(word_diff.split_words(text)))
    return texts[0] == texts[1]


def _title(found: Comparison, masks: Masks) -> Iterator[_Placed]:
    for change in found.answer:
        if change.name != "title":
            continue
        texts = [
            _UNREAD.sub("", value[0]) if value else "" for value in (change.before, change.after)
        ]
        pieces = _compared(texts[0], texts[1], masks)
        if pieces:
            yield _item(ChangeSubject.TITLE, "", pieces), _NOWHERE


def _compared(before: str, after: str, masks: Masks) -> tuple[TextPiece, ...]:
    """Return what became of a text, without what masks cover; () if it is the same."""
    words = [
        word_diff.split_words(text, find_stretches(text, masks.patterns))
        for text in (before, after)
    ]
    if word_diff.key(words[0]) == word_diff.key(words[1]):
        return ()
    return word_diff.compare(
        before, after, StepBudget(_STEPS), words_before=words[0], words_after=words[1]
    ).pieces


def _prices(
    before: ComparedPage, after: ComparedPage, found: Comparison, masks: Masks
) -> Iterator[_Placed]:
    for change in found.text.changes:  # a price in the words
        if not change.in_main or change.kind is not BlockKind.CHANGED:
            continue
        texts = [
            "".join(piece.text for piece in change.pieces if piece.op is not left_out)
            for left_out in (Op.ADDED, Op.REMOVED)
        ]
        one, other = (_prices_in(text) for text in texts)
        if one != other and one and other:
            price = _replaced(ChangeSubject.PRICE, "main", one, other)
            yield replace(price, seen=_is_seen(change, found)), _NOWHERE
    names = dict.fromkeys(name for name, _ in (*before.prices, *after.prices))
    for name in names:
        one, other = (
            tuple(value for where, value in page.prices if where == name)
            for page in (before, after)
        )
        if one != other and _compared(" ".join(one), " ".join(other), masks):
            yield _replaced(ChangeSubject.PRICE, name, one, other), _NOWHERE


_SIGNS = "$€£¥￥₩₽₹₺₴₫฿"
_CODES = "USD|EUR|GBP|CNY|RMB|JPY|KRW|HKD|TWD|SGD|AUD|CAD|CHF|SEK|NOK|DKK|PLN|CZK|INR|RUB|BRL"
_NAMES = "yuan|yen|won|dollars?|euros?|pounds?|roubles?|rubles?|francs?|元|圆|圓|円|원"
# Bounded, so that a text of digits alone costs no more than its length.
_AMOUNT = r"\d[\d.,\u2009\u202f\u00a0]{0,30}"
_PRICE = re.compile(
    rf"(?:[{_SIGNS}]|\b(?:{_CODES}))\s?{_AMOUNT}"
    rf"|{_AMOUNT}\s?(?:[{_SIGNS}]|(?:{_CODES})\b|(?:{_NAMES}))"
)


def _prices_in(text: str) -> tuple[str, ...]:
    """Return the amounts of money in a text, verbatim."""
    return tuple(match[0].rstrip(".,") for match in _PRICE.finditer(text))


def _replaced(
    subject: ChangeSubject, where: str, before: Sequence[str], after: Sequence[str]
) -> ChangedItem:
    """Return an item of values that stand in the place of others."""
    pieces = (
        *(TextPiece(op=Op.REMOVED, text=", ".join(before)) for _ in before[:1]),
        *(TextPiece(op=Op.ADDED, text=", ".join(after)) for _ in after[:1]),
    )
    return _item(subject, where, pieces)


def _unexplained_regions(found: Comparison) -> list[PictureRegion]:
    """Return where the screenshots differ in the main text, and the words below do not."""
    picture = _largest_picture(found)
    changed = {
        place.selector
        for change in found.text.changes
        for place in (change.before, change.after)
        if place is not None
    }
    boxes = [
        (
            change.before.box if change.before is not None else None,
            change.after.box if change.after is not None else None,
        )
        for change in found.text.changes
    ]
    regions = picture.regions if picture is not None else ()
    return [
        region
        for region in regions
        if region.in_main and not _is_of_text(region, changed) and not _is_inside(region, boxes)
    ]


def _pictures(
    before: ComparedPage, after: ComparedPage, found: Comparison, regions: Sequence[PictureRegion]
) -> tuple[list[_Placed], PictureCheck]:
    """
    Return the pictures of the main text that differ as files and on the screen.

    Args:
        regions: Where the screenshots differ, and no words explain it.

    A file alone may be another one for the same picture, and what differs on the screen alone may
    be an advertisement, a film or a cursor.
    """
    one, other = before.images, after.images
    is_same = one == other and all(one)
    picture = _largest_picture(found)  # the whole page, if both captures have it
    if picture is None:
        return [], PictureCheck.COMPARED if is_same else PictureCheck.NOT_COMPARED
    if is_same or not regions:
        return [], PictureCheck.COMPARED
    if not all(one) or not all(other):
        return [], PictureCheck.NOT_COMPARED
    budget = StepBudget(_STEPS)
    runs = align(list(one), list(other), budget).runs
    pairs = [
        pair
        for a, b, c, d in gaps_between_runs(runs, len(one), len(other))
        for pair in zip_longest(one[a:b], other[c:d])
    ]
    made: list[_Placed] = []
    for number, (old, new) in enumerate(pairs):
        pieces = (
            *(TextPiece(op=Op.REMOVED, text=text) for text in (old,) if text),
            *(TextPiece(op=Op.ADDED, text=text) for text in (new,) if text),
        )
        # The files have no box. The first item has the place of what differs on the screen.
        region = regions[number] if number < len(regions) else None
        place = (
            ChangedPlace(before=region.before, after=region.after)
            if region is not None
            else _NOWHERE
        )
        made.append((_item(ChangeSubject.PICTURE, "main", pieces), place))
    return made, PictureCheck.COMPARED


def _is_of_text(region: PictureRegion, changed: set[str]) -> bool:
    """Return whether all that lies under a region of a picture is text that changed."""
    return bool(region.selectors) and set(region.selectors) <= changed


def _is_inside(region: PictureRegion, boxes: Iterable[tuple[Box | None, Box | None]]) -> bool:
    """Return whether a region lies in a block of text that changed, whatever lies there as well."""
    return any(
        box is not None and there is not None and covers(_widened(box), there)
        for pair in boxes
        for box, there in zip(pair, (region.before, region.after), strict=True)
    )


def _widened(box: Box) -> Box:
    """Return a box with the room of letters that reach beyond their line."""
    return Box(
        left=box.left - _OVERHANG,
        top=box.top - _OVERHANG,
        width=box.width + 2 * _OVERHANG,
        height=box.height + 2 * _OVERHANG,
    )


def _dates(before: ComparedPage, after: ComparedPage) -> Iterator[_Placed]:
    for kind in ("modified", "published"):
        one, other = (
            [date for date in page.dates if date.kind == kind] for page in (before, after)
        )
        if _is_clock(one, before.observation) and _is_clock(other, after.observation):
            continue
        stated = [tuple(dict.fromkeys(date.raw for date in some)) for some in (one, other)]
        if Counter(stated[0]) != Counter(stated[1]):
            yield _replaced(ChangeSubject.DATE, kind, *stated), _NOWHERE


def _is_clock(dates: Sequence[ReadDate], seen: Observation) -> bool:
    """Return whether each date is the time at which the page was requested."""
    return bool(dates) and all(
        date.first < seen.at + _CLOCK
        and date.end > seen.began_at - _CLOCK
        and date.end - date.first < timedelta(hours=1)
        for date in dates
    )


def _stated_dates(before: ComparedPage, after: ComparedPage) -> tuple[StatedDate, ...]:
    """Return the dates of both pages, set against the times of the captures."""
    begin, end = before.observation.began_at, after.observation.at
    found: dict[StatedDate, None] = {}
    for page, later in ((before, False), (after, True)):
        for date in page.dates:
            if date.end <= begin:
                order = DateOrder.BEFORE
            elif date.first >= end:
                order = DateOrder.AFTER
            elif date.first >= begin and date.end <= end:
                order = DateOrder.BETWEEN
            else:
                order = DateOrder.OPEN
            found[StatedDate(kind=date.kind, raw=date.raw, later=later, order=order)] = None
    return tuple(found)[:MAX_DATES]
