"""The statement of a change: words before and after, what the pictures show, and hostile words."""

import re
from dataclasses import replace
from typing import Any

from snapshotter.model import change_sentences
from snapshotter.model.change import (
    MAX_ITEMS,
    METHOD,
    Change,
    ChangedItem,
    ChangeSubject,
    DateOrder,
    PictureCheck,
    StatedDate,
)
from snapshotter.model.comparison import Op, TextPiece
from snapshotter.model.proof import Role
from snapshotter.model.takedown import TakedownKind
from snapshotter.report import change_statement, statement
from snapshotter.report import pack as pages
from snapshotter.report.statement import Statement
from tests import exhibits
from tests.unit.report.test_statement import HOSTILE, PARTS, Elements, text

WORDS = (
    TextPiece(op=Op.SAME, text="…The office "),
    TextPiece(op=Op.REMOVED, text="confirmed"),
    TextPiece(op=Op.ADDED, text="denied"),
    TextPiece(op=Op.SAME, text=" it."),
)


def item(
    subject: ChangeSubject, *pieces: TextPiece, where: str = "main", seen: bool | None = None
) -> ChangedItem:
    return ChangedItem(
        subject=subject, where=where, pieces=pieces or WORDS, sha256="a" * 64, seen=seen
    )


def change(*items: ChangedItem, **more: Any) -> Change:
    every = items or (item(ChangeSubject.WORDS, seen=True),)
    made = Change(
        method=METHOD,
        subjects=tuple(
            subject for subject in ChangeSubject if subject in {one.subject for one in every}
        ),
        items=every,
        count=len(every),
        sha256="b" * 64,
        pictures=PictureCheck.COMPARED,
    )
    return replace(made, **more)


def statement_of(made: Change, **record: Any) -> Statement:
    """Return the statement of a pack of a change, without a confirmation."""
    seen = exhibits.observation()
    later = exhibits.observation(
        bundle_id=exhibits.GONE, at=exhibits.gone().at, began_at=exhibits.gone().began_at
    )
    given = exhibits.statement()
    assert given.event is not None
    return replace(
        given,
        kind=TakedownKind.CHANGED,
        event=replace(
            given.event,
            kind=TakedownKind.CHANGED,
            last_seen=seen,
            first_gone=later,
            confirmations=(),
            controls=(),
            change=made,
        ),
        exhibits=tuple(
            exhibits.exhibit(role, observation, record=exhibits.record(**record))
            for role, observation in ((Role.LAST_SEEN, seen), (Role.FIRST_GONE, later))
        ),
    )


def made() -> str:
    """Return the page of a pack with an item of each subject, for the tests of its looks."""
    items = (
        item(ChangeSubject.WORDS, seen=True),
        item(ChangeSubject.WORDS, where="headline", seen=False),
        item(ChangeSubject.TITLE, where=""),
        item(ChangeSubject.PRICE, where="json-ld offers.price"),
        item(ChangeSubject.PICTURE, TextPiece(op=Op.ADDED, text="c" * 64)),
        item(ChangeSubject.DATE, where="modified"),
    )
    dates = (StatedDate(kind="modified", raw="2026-11-27", later=True, order=DateOrder.BEFORE),)
    found = change(*items, dates=dates, unexplained=2, masked=3, removal="few-words")
    return (pages.page(statement_of(found), PARTS) + pages.end()).decode()


def test_the_words_of_each_capture_stand_on_its_side_alone() -> None:
    html = str(statement.html(statement_of(change())))

    sides = re.findall(r"<blockquote[^>]*>(.*?)</blockquote>", html)
    assert [side.replace('<bdi dir="auto">', "").replace("</bdi>", "") for side in sides] == [
        "…The office <del>confirmed</del> it.",
        "…The office <ins>denied</ins> it.",
    ]
    assert "What differs: words of the main text." in text(html)


def test_what_no_picture_shows_and_what_only_pictures_show_are_stated() -> None:
    unseen = change(item(ChangeSubject.WORDS, seen=True), item(ChangeSubject.WORDS, seen=False))

    plain, more = (
        text(str(statement.html(statement_of(one))))
        for one in (change(), replace(unseen, unexplained=2))
    )

    assert "do not show this difference" not in plain
    assert more.count("The pictures of the captures do not show this difference.") == 1
    assert "neither words nor picture files differ: 2." in more


def test_a_change_behind_an_old_date_of_modification_is_stated() -> None:
    date = StatedDate(kind="modified", raw="2026-05-20", later=True, order=DateOrder.BEFORE)

    found = text(str(statement.html(statement_of(change(dates=(date,))))))

    assert "The later capture shows the date 2026-05-20 (last modified)." in found
    assert "This date is before the earlier capture began." in found
    assert "although the page still states that it was last modified before them" in found


def test_no_word_of_a_changed_page_becomes_markup_or_turns_the_line() -> None:
    hostile = [
        item(
            subject,
            TextPiece(op=Op.SAME, text=HOSTILE),
            TextPiece(op=Op.REMOVED, text=HOSTILE),
            TextPiece(op=Op.ADDED, text=f"</bdi></ins>{HOSTILE}"),
            where=where,
        )
        for subject, where in (
            (ChangeSubject.WORDS, HOSTILE),
            (ChangeSubject.TITLE, ""),
            (ChangeSubject.PRICE, HOSTILE),
            (ChangeSubject.PICTURE, HOSTILE),
            (ChangeSubject.DATE, HOSTILE),
        )
    ]
    date = StatedDate(kind="modified", raw=HOSTILE, later=True, order=DateOrder.OPEN)

    page = pages.page(statement_of(change(*hostile, dates=(date,)), title=HOSTILE), PARTS).decode()
    found = Elements()
    found.feed(page)

    assert found.tags.count("script") == 0
    assert found.tags.count("img") == 1
    assert not [name for name, _ in found.attributes if name.startswith("on") or name == "style"]
    assert not [character for character in "\u202e\u2028\x1b" if character in page]
    assert "\\u202e" in page


def test_a_record_with_as_many_items_as_it_can_have_is_a_page_of_bounded_length() -> None:
    long = TextPiece(op=Op.REMOVED, text="字" * 1_001)
    items = tuple(item(ChangeSubject.WORDS, long) for _ in range(MAX_ITEMS))

    html = str(statement.html(statement_of(change(*items, count=5_000))))

    assert html.count("<del>") == change_statement.MAX_SHOWN
    assert "Further differences that are not shown here: 4980." in text(html)
    assert len(html) < 60_000


def test_a_price_in_data_for_machines_is_told_from_one_in_the_words() -> None:
    labels = [
        change_sentences.item_label(item(ChangeSubject.PRICE, where=where))
        for where in ("main", "json-ld offers.price", "microdata price")
    ]

    assert labels == [
        "Price",
        "Price: data of the page, which a reader may not see",
        "Price: offer on the page",
    ]
    priced = change(item(ChangeSubject.PRICE, where="json-ld offers.price"))
    page = str(statement.html(statement_of(priced)))
    assert re.search(r"<h3>[^<]*a reader may not see</h3>", page)
    assert "<code>json-ld offers.price</code></details>" in page
