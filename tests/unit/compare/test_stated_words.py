"""Words that a record states as changed, against the texts of both captures."""

from dataclasses import replace

import pytest

from snapshotter.compare.stated_words import SignedTexts, are_in_captures
from snapshotter.model.change import Change, ChangedItem, ChangeSubject, PictureCheck
from snapshotter.model.comparison import Op, TextPiece
from snapshotter.model.page import Block
from tests.unit.assess.pages import markup

BEFORE = "The hall is closed until spring, and the shops stay open."
AFTER = "The hall is closed until summer, and the shops stay open."
SAME, REMOVED, ADDED, MASKED = Op.SAME, Op.REMOVED, Op.ADDED, Op.MASKED


def shown(*texts: str, hidden: str = "") -> SignedTexts:
    blocks = tuple(
        Block(selector=f"p:nth-child({n})", tag="p", text=text, box=None, hidden=text == hidden)
        for n, text in enumerate(texts)
    )
    return SignedTexts(page=replace(markup(""), blocks=blocks))


def stating(*pieces: tuple[Op, str], subject: ChangeSubject = ChangeSubject.WORDS) -> Change:
    item = ChangedItem(
        subject=subject,
        where="main",
        pieces=tuple(TextPiece(op=op, text=text) for op, text in pieces),
        sha256="0" * 64,
    )
    return Change(
        method=2, subjects=(subject,), items=(item,), count=1, sha256="0" * 64,
        pictures=PictureCheck.COMPARED,
    )  # fmt: skip


@pytest.mark.parametrize(
    "pieces",
    [
        ((SAME, "…closed until "), (REMOVED, "spring"), (ADDED, "summer"), (SAME, ", and the…")),
        ((SAME, "The  hall is\nclosed until"), (REMOVED, "spring"), (ADDED, "summer")),
        ((REMOVED, BEFORE),),
        ((ADDED, AFTER),),
        ((MASKED, "The hall"), (SAME, " is closed until "), (REMOVED, "spr…")),
    ],
    ids=["in a block", "other spaces", "whole, removed", "whole, added", "masked"],
)
def test_words_of_both_captures_are_found(pieces: tuple[tuple[Op, str], ...]) -> None:
    assert are_in_captures(stating(*pieces), shown("Other.", BEFORE), shown(AFTER, "Other."))


@pytest.mark.parametrize(
    "pieces",
    [
        ((SAME, "closed until "), (REMOVED, "autumn"), (ADDED, "summer")),
        ((SAME, "closed until "), (REMOVED, "spring"), (ADDED, "winter")),
        ((SAME, "closed until "), (REMOVED, "summer"), (ADDED, "spring")),
        ((SAME, "open until "), (REMOVED, "spring"), (ADDED, "summer")),
        ((SAME, "the shops stay "), (REMOVED, "open")),
        ((REMOVED, "Other."),),
        ((REMOVED, "spring"), (SAME, " until")),
        ((SAME, "The hall is closed until "),),
        ((REMOVED, "…"), (ADDED, " ")),
    ],
    ids=[
        "other removed word", "other added word", "swapped", "other words beside it", "still there",
        "still there, whole", "other order", "nothing changed", "no word",
    ],
)  # fmt: skip
def test_words_that_the_captures_do_not_show_so_are_not_found(
    pieces: tuple[tuple[Op, str], ...],
) -> None:
    assert not are_in_captures(stating(*pieces), shown("Other.", BEFORE), shown(AFTER, "Other."))


@pytest.mark.parametrize(
    "pieces",
    [
        ((SAME, "closed until "), (REMOVED, "spring"), (ADDED, "summer"), (SAME, ", and the…")),
        ((REMOVED, BEFORE), (ADDED, AFTER)),
        ((SAME, "The hall… "), (REMOVED, "spring"), (ADDED, "summer")),  # the text has the dots
    ],
)
def test_a_page_that_repeats_the_words_elsewhere_shows_them_less_often(
    pieces: tuple[tuple[Op, str], ...],
) -> None:
    change, teaser = stating(*pieces), f"Read also: {BEFORE}"

    assert are_in_captures(change, shown(BEFORE, teaser), shown(AFTER, teaser))
    assert not are_in_captures(change, shown(BEFORE, teaser), shown(AFTER, teaser, BEFORE))


def test_words_that_a_page_hides_are_not_shown() -> None:
    change = stating((REMOVED, BEFORE))

    assert are_in_captures(change, shown(BEFORE), shown(AFTER, BEFORE, hidden=BEFORE))
    assert not are_in_captures(change, shown(BEFORE, hidden=BEFORE), shown(AFTER))


@pytest.mark.parametrize(
    ("subject", "pieces", "is_in"),
    [
        (ChangeSubject.TITLE, ((SAME, "Hall "), (REMOVED, "& news"), (ADDED, "views")), True),
        (ChangeSubject.TITLE, ((REMOVED, "news"), (ADDED, "lies")), False),
        (ChangeSubject.PRICE, ((REMOVED, "4.50 EUR, 5 EUR"), (ADDED, "6.00 EUR")), True),
        (ChangeSubject.PRICE, ((REMOVED, "4.50 EUR"), (ADDED, "7.00 EUR")), False),
        (ChangeSubject.PICTURE, ((REMOVED, "aa11"), (ADDED, "bb22")), True),
        (ChangeSubject.PICTURE, ((REMOVED, "bb22"), (ADDED, "aa11")), False),
    ],
)
def test_other_values_are_looked_for_in_the_document_and_in_the_index(
    subject: ChangeSubject, pieces: tuple[tuple[Op, str], ...], is_in: bool
) -> None:
    before, after = (
        SignedTexts(page=markup(f"<title>Hall {title}</title>{price} EUR"), picture_index=index)
        for title, price, index in (("&amp; news", "4.50 5", "aa11"), ("views", "6.00", "bb22"))
    )

    assert are_in_captures(stating(*pieces, subject=subject), before, after) is is_in
