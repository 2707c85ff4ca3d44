"""Write what is known of a change as sentences, the same for terminal, page and verifier."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from typing_extensions import override

from snapshotter.model import page_names, sentences
from snapshotter.model.change import (
    Change,
    ChangedItem,
    ChangeSubject,
    DateOrder,
    NoChangeReason,
)
from snapshotter.model.comparison import (
    BlockKind,
    Comparison,
    ComparisonState,
    Op,
    Trend,
    ValueChange,
)
from snapshotter.model.takedown import Observation
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

SUBJECTS: Final[Mapping[ChangeSubject, str]] = {
    ChangeSubject.WORDS: tr("words of the main text"),
    ChangeSubject.TITLE: tr("the title"),
    ChangeSubject.PRICE: tr("a price"),
    ChangeSubject.PICTURE: tr("a picture in the main text"),
    ChangeSubject.DATE: tr("a date that the page states about itself"),
}

# Why two captures prove no change, as clauses.
REASONS: Final[Mapping[NoChangeReason, str]] = {
    NoChangeReason.SAME_MAIN_TEXT: tr("no change in the main text"),
    NoChangeReason.OTHER_PAGE: tr("the captures are not of the same page"),
    NoChangeReason.NOT_IN_ORDER: tr(
        "the second capture does not begin after the first capture ended"
    ),
    NoChangeReason.OTHER_VANTAGE: tr("the captures are from different vantages"),
    NoChangeReason.OTHER_CONDITIONS: tr("the captures were made under different conditions"),
    NoChangeReason.NOT_COMPLETE: tr("a capture is not complete"),
    NoChangeReason.NOT_SHOWN: tr("a capture does not show the page"),
    NoChangeReason.REMOVED: tr("the later capture shows that the page is not available"),
    NoChangeReason.NO_MAIN_TEXT: tr(
        "it is not established which part of the page is its main text"
    ),
    NoChangeReason.MASKS: tr("the masks of the policy could not be applied"),
    NoChangeReason.PICTURES: tr(
        "the words of the main text are the same, and its pictures could not be compared"
    ),
    NoChangeReason.NOT_SEEN: tr(
        "the words in the documents differ, but the pictures of the captures do not: the words can "
        "be hidden, be letters that look alike, or be of a script without a font on the machine"
    ),
    NoChangeReason.UNEXPLAINED: tr(
        "the words of the main text and its picture files are the same, but the pictures of the "
        "captures differ in the main text: a style, a drawing, a film, or another browser or font "
        "can be the reason"
    ),
    NoChangeReason.NO_VERDICT: tr("a capture contains no verdict that can be derived again"),
}

# What is added to words that differ in the documents alone.
NOT_SEEN: Final = tr(
    "The pictures of the captures do not differ here. These words can be hidden, be letters that "
    "look alike, or be of a script without a font on the capturing machine."
)

ORDERS: Final[Mapping[DateOrder, str]] = {
    DateOrder.BEFORE: tr("before the earlier capture began"),
    DateOrder.BETWEEN: tr("between the two captures"),
    DateOrder.AFTER: tr("after the later capture ended"),
    DateOrder.OPEN: tr("not more exactly than the times of the captures"),
}
_KINDS: Final[Mapping[str, str]] = {
    "modified": tr("last modified"),
    "published": tr("published"),
}


def subjects(of: Iterable[ChangeSubject]) -> str:
    """Return what differs, as a list in words."""
    named = [SUBJECTS[subject] for subject in of]
    if len(named) < 2:
        return "".join(named)
    return tr("{first} and {last}", first=", ".join(named[:-1]), last=named[-1])


def elsewhere(found: Comparison) -> str:
    """Return that the main text is the same, and what differs outside it."""
    other = []
    if found.text.elsewhere is ComparisonState.CHANGED:
        other.append(tr("text outside the main text"))
    if any(change.trend not in (Trend.SAME, Trend.UNKNOWN) for change in found.counts):
        other.append(tr("counts"))
    if found.masks and any(mask.differs for mask in found.masks):
        other.append(tr("places that the policy masks"))
    if any(picture.state is ComparisonState.CHANGED for picture in found.pictures):
        other.append(tr("the picture of the page"))
    same = REASONS[NoChangeReason.SAME_MAIN_TEXT]
    if any(change.in_main and change.kind is BlockKind.MOVED for change in found.text.changes):
        same = tr("{same}, except that text with the same words is at another place", same=same)
    if not other:
        return same
    return tr("{reason}; what differs is outside it: {other}", reason=same, other=", ".join(other))


def unexplained(places: int) -> str:
    """Return that the pictures show more differences than an event states; "" if they do not."""
    if not places:
        return ""
    return tr(
        "The pictures of the captures also differ at other places of the main text, where neither "
        "words nor picture files differ: {places}.",
        places=places,
    )


def named_main(selector: str) -> str:
    """Return that a policy, and not the page, chose what the main text is; "" if none did."""
    if not selector:
        return ""
    return tr(
        ". A policy of the captures names the part of the page that was compared as its main text, "
        "and the structure of the page names another part: {selector}",
        selector=selector,
    )


def other_vantage(before: str, after: str) -> str:
    """Return that a difference can come from another way through the network."""
    return tr(
        "the captures are from different vantages, {before} and {after}, and a page can differ "
        "between vantages",
        before=before,
        after=after,
    )


def other_conditions(changes: Iterable[ValueChange]) -> str:
    """Return which conditions of the captures are not the same."""
    named = ", ".join(
        f"{page_names.value_name(change.name)}: "
        f"{' '.join(change.before) or '-'} → {' '.join(change.after) or '-'}"
        for change in changes
    )
    return tr(
        "the captures were made under different conditions, which can explain a difference: "
        "{named}",
        named=named,
    )


def partial(missing: Iterable[str]) -> str:
    """Return what captures of a change lack, as a clause; "" if they are complete."""
    clauses = [sentences.reason_clause(code) for code in missing]
    if not clauses:
        return ""
    return tr(
        "the captures are not complete, and what is missing can be a reason for a difference: "
        "{clauses}",
        clauses="; ".join(clauses),
    )


def not_complete(
    bundle_id: str, outcome: str, lacks: Iterable[str], *, light: bool, whole: bool
) -> str:
    """
    Return in what a capture is not complete.

    Args:
        lacks: Codes of what is missing and can change the text.
    """
    clauses = [sentences.reason_clause(code) for code in lacks]
    if clauses:
        why = "; ".join(clauses)
    elif outcome not in ("complete", "partial"):
        why = tr("its outcome is {outcome}", outcome=outcome or tr("not stated"))
    elif light:
        why = tr("it is a light check, without a picture of the whole page")
    else:
        why = tr("the page has more text than its layout keeps")
    return tr("the capture {bundle_id} is not complete: {why}", bundle_id=bundle_id, why=why)


def not_shown(seen: Observation) -> str:
    """Return what a capture shows in the place of the page."""
    return tr(
        "the capture {bundle_id} does not show the page: {observation}",
        bundle_id=seen.bundle_id,
        observation=sentences.describe_observation(seen),
    )


def removed(seen: Observation) -> str:
    """Return that a capture shows a removal, which is another kind of event."""
    return tr(
        "the capture {bundle_id} shows a removal and not another text: {observation}",
        bundle_id=seen.bundle_id,
        observation=sentences.describe_observation(seen),
    )


def masks(problem: str) -> str:
    """Return that what the policy masks could not be left out."""
    return tr(
        "the policy masks parts of the page that change by themselves, but {problem}",
        problem=problem,
    )


def no_main_text(detail: str) -> str:
    """Return why it is not known whether the main text differs."""
    return tr(
        "it is not established whether the main text changed: {detail}",
        detail=detail or REASONS[NoChangeReason.NO_MAIN_TEXT],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DateSentence:
    """A sentence about a date of the page, around the date as the page writes it."""

    before: str
    raw: str
    behind: str

    @override
    def __str__(self) -> str:
        return f"{self.before}{self.raw}{self.behind}"


def date_sentences(change: Change) -> tuple[DateSentence, ...]:
    """Return each date of the pages, set against the times of the captures, as a sentence."""
    stated: dict[tuple[str, str, DateOrder], list[bool]] = {}
    for date in change.dates:
        stated.setdefault((date.kind, date.raw, date.order), []).append(date.later)
    return tuple(
        DateSentence(
            before=tr("Both captures show the date ")
            if len(later) > 1
            else tr("The later capture shows the date ")
            if later[0]
            else tr("The earlier capture shows the date "),
            raw=raw,
            behind=tr(
                " ({kind}). This date is {order}.",
                kind=_KINDS.get(kind, kind),
                order=ORDERS[order],
            ),
        )
        for (kind, raw, order), later in stated.items()
    )


def marked(item: ChangedItem) -> str:
    """Return a difference as one line of text, with marks around the words that differ."""
    found = ""
    for piece in item.pieces:
        begin, end = _MARKS.get(piece.op, ("", ""))
        found += f"{begin}{_SPACE.sub(' ', piece.text)}{end}"
    return found.strip()


_SPACE: Final = re.compile(r"\s+")
_MARKS: Final[Mapping[Op, tuple[str, str]]] = {Op.REMOVED: ("[-", "-]"), Op.ADDED: ("{+", "+}")}


def is_stale(change: Change) -> bool:
    """Return whether the main text changed after all dates of modification that the page states."""
    later = [date for date in change.dates if date.later and date.kind == "modified"]
    is_text = not {ChangeSubject.WORDS, ChangeSubject.PRICE}.isdisjoint(change.subjects)
    return is_text and bool(later) and all(date.order is DateOrder.BEFORE for date in later)


def item_label(item: ChangedItem) -> str:
    """Return what kind of difference an item is, and where."""
    named = _LABELS[item.subject]
    if item.subject is ChangeSubject.DATE:
        return tr("{named}: {where}", named=named, where=_KINDS.get(item.where, item.where))
    place = page_names.place_name(item.where)
    return tr("{named}: {place}", named=named, place=place) if place else named


def item_details(item: ChangedItem) -> str:
    """Return the label of an item with the technical name of its place, for a terminal."""
    label, technical = item_label(item), page_names.technical_place(item.where)
    return f"{label} ({technical})" if technical else label


_LABELS: Final[Mapping[ChangeSubject, str]] = {
    ChangeSubject.WORDS: tr("Words of the main text"),
    ChangeSubject.TITLE: tr("Title"),
    ChangeSubject.PRICE: tr("Price"),
    ChangeSubject.PICTURE: tr("Picture in the main text"),
    ChangeSubject.DATE: tr("Date that the page states about itself"),
}
