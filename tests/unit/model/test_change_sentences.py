"""What is known of a change, in words: complete, and the same for each output."""

from dataclasses import replace

from snapshotter.model import change_sentences as sentences
from snapshotter.model.change import (
    TEXT_IS_WHOLE,
    Change,
    ChangedItem,
    ChangeSubject,
    DateOrder,
    NoChangeReason,
    PictureCheck,
    StatedDate,
)
from snapshotter.model.comparison import Op, TextPiece
from snapshotter.model.sentences import REASON_CLAUSES

WORDS = ChangedItem(
    subject=ChangeSubject.WORDS,
    where="main",
    pieces=(
        TextPiece(op=Op.SAME, text="closed until\n "),
        TextPiece(op=Op.REMOVED, text="spring"),
        TextPiece(op=Op.ADDED, text="summer"),
        TextPiece(op=Op.SAME, text="."),
    ),
    sha256="0" * 64,
)
CHANGE = Change(
    method=1,
    subjects=(ChangeSubject.WORDS,),
    items=(WORDS,),
    count=1,
    sha256="0" * 64,
    pictures=PictureCheck.COMPARED,
)


def stated(order: DateOrder, *, later: bool, kind: str = "modified") -> StatedDate:
    return StatedDate(kind=kind, raw="2026-01-03", later=later, order=order)


def test_every_value_has_its_words() -> None:
    assert set(sentences.SUBJECTS) == set(ChangeSubject)
    assert set(sentences.REASONS) == set(NoChangeReason)
    assert set(sentences.ORDERS) == set(DateOrder)
    for subject in ChangeSubject:
        assert sentences.item_label(replace(WORDS, subject=subject, where=""))
    # A step that failed has its words by its name.
    assert {code for code in TEXT_IS_WHOLE if not code.endswith("-failed")} <= set(REASON_CLAUSES)
    for clause in sentences.REASONS.values():
        assert not clause.endswith(".")
        assert not clause[0].isupper()


def test_what_differs_is_a_list_in_words() -> None:
    assert sentences.subjects([]) == ""
    assert sentences.subjects([ChangeSubject.TITLE]) == "the title"
    assert sentences.subjects([ChangeSubject.WORDS, ChangeSubject.TITLE, ChangeSubject.PRICE]) == (
        "words of the main text, the title and a price"
    )


def test_a_difference_is_one_line_with_marks() -> None:
    assert sentences.marked(WORDS) == "closed until [-spring-]{+summer+}."


def test_a_date_that_both_captures_show_is_one_sentence() -> None:
    dates = tuple(stated(DateOrder.BEFORE, later=later) for later in (False, True))
    other = stated(DateOrder.BETWEEN, later=True, kind="published")

    found = sentences.date_sentences(replace(CHANGE, dates=(*dates, other)))

    assert [str(sentence) for sentence in found] == [
        "Both captures show the date 2026-01-03 (last modified). This date is before the earlier "
        "capture began.",
        "The later capture shows the date 2026-01-03 (published). This date is between the two "
        "captures.",
    ]


def test_a_page_contradicts_itself_only_if_its_text_changed_after_its_date() -> None:
    old, new = (stated(order, later=True) for order in (DateOrder.BEFORE, DateOrder.BETWEEN))
    picture = replace(CHANGE, subjects=(ChangeSubject.PICTURE,), items=(
        replace(WORDS, subject=ChangeSubject.PICTURE),))  # fmt: skip

    assert sentences.is_stale(replace(CHANGE, dates=(old,)))
    assert not sentences.is_stale(replace(CHANGE, dates=(new,)))
    assert not sentences.is_stale(replace(CHANGE, dates=(old, new)))
    assert not sentences.is_stale(CHANGE)
    assert not sentences.is_stale(replace(picture, dates=(old,)))
    assert not sentences.is_stale(
        replace(CHANGE, dates=(stated(DateOrder.BEFORE, later=True, kind="published"),))
    )


def test_what_captures_lack_is_named() -> None:
    assert sentences.partial([]) == ""
    assert "images of the page are missing" in sentences.partial(["images-missing"])
