"""Words where a script has spaces, characters where it has none; and exactly what changed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapshotter.compare.sequences import StepBudget
from snapshotter.compare.word_diff import compare, key, split_words
from snapshotter.model.comparison import Op


def changes(before: str, after: str) -> list[tuple[str, str]]:
    found = compare(before, after, StepBudget(1_000_000))
    return [(piece.op.value, piece.text) for piece in found.pieces if piece.op is not Op.SAME]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It removed 1,234.5% of 45 (accounts).", "It removed 1,234.5% of 45 ( accounts ) ."),
        ("在2014年，微信移除了4.1万个账号。", "在 2014 年 , 微 信 移 除 了 4.1 万 个 账 号 。"),
        ("Matte Laurel-Zalko don’t", "Matte Laurel-Zalko don’t"),
        ("한국어 사이트", "한국어 사이트"),
        ("हिन्दी में", "हिन्दी में"),
        ("ไทย", "ไ ท ย"),
        ("e\u0301te\u0301 １２", "\u00e9t\u00e9 12"),
        ("soft\u00adhyphen", "softhyphen"),
        ("zero\u200bwidth news.\u200bexample", "zerowidth news.example"),
        ("10⁶ x₂ ① ㎡", "10⁶ x₂ ① ㎡"),
        ("ﬁne № ｶﾀｶﾅ", "fine No カ タ カ ナ"),
        ("12:30 on 3/4", "12:30 on 3/4"),
    ],
)
def test_a_text_is_cut_into_what_a_reader_takes_for_one_word(text: str, expected: str) -> None:
    assert [word.key for word in split_words(text)] == expected.split(" ")


def test_one_changed_figure_is_exactly_that_word() -> None:
    before = "In March, WeChat removed at least 40 accounts, observers said."
    after = "In March, WeChat removed at least 41 accounts, observers said."

    assert changes(before, after) == [("removed", "40"), ("added", "41")]


def test_chinese_is_compared_character_by_character() -> None:
    before = "微信在三月关闭了至少40个公众账号。"
    after = "微信在四月关闭了至少40个公众帐号。"

    assert changes(before, after) == [
        ("removed", "三"), ("added", "四"), ("removed", "账"), ("added", "帐"),
    ]  # fmt: skip


def test_a_text_of_two_scripts_has_words_in_one_and_characters_in_the_other() -> None:
    before = "The notice 此内容因违规无法查看 was shown in 2014."
    after = "The notice 此内容因违法无法查看 was shown in 2015."

    assert changes(before, after) == [
        ("removed", "规"), ("added", "法"), ("removed", "2014"), ("added", "2015"),
    ]  # fmt: skip


def test_spaces_and_full_width_digits_are_no_change_and_a_capital_is_one() -> None:
    assert changes("a  b\n c", "a b c") == []
    assert changes("共４５个", "共45个") == []
    assert changes("the Cat", "the cat") == [("removed", "Cat"), ("added", "cat")]


@pytest.mark.parametrize(
    "invisible",
    ["\u00ad", "\u034f", "\u200b", "\u200d", "\u2060", "\u2063", "\ufe0e", "\ufeff", "\U000e0041"],
)
def test_characters_that_nobody_sees_are_no_change(invisible: str) -> None:
    for text in ("The office confirmed it.", "港务处证实旧船", "หลังคา"):
        middle = len(text) // 2
        hidden = f"{invisible}{text[:middle]}{invisible}{text[middle:]}{invisible}"
        assert changes(text, hidden) == changes(hidden, text) == []


def test_marks_of_direction_are_a_change_because_they_reorder_what_a_reader_sees() -> None:
    assert changes("12 34", "\u202e12 34\u202c") == [("added", "\u202e"), ("added", "\u202c")]
    assert changes("12 34", "\u200f12 34") == [("added", "\u200f")]


@pytest.mark.parametrize(
    ("before", "after"),
    [("10⁶", "106"), ("9⁹⁹", "999"), ("①", "1"), ("5½", "51⁄2"), ("pаy", "pay")],
)
def test_what_a_reader_does_not_take_for_each_other_is_a_change(before: str, after: str) -> None:
    """The last pair looks alike, because one has a Cyrillic letter; it is another text as well."""
    assert changes(before, after) == [("removed", before), ("added", after)]


def test_what_is_the_same_by_chance_between_two_changes_is_no_island() -> None:
    assert changes("Alpha the beta gamma", "One of the two others entirely") == [
        ("removed", "Alpha the beta gamma"),
        ("added", "One of the two others entirely"),
    ]


def test_a_masked_stretch_is_shown_as_masked_whatever_stands_there() -> None:
    before, after = "Read 3 minutes ago by 12", "Read 55 minutes ago by 13"

    found = compare(
        before,
        after,
        StepBudget(10_000),
        words_before=split_words(before, [(5, 18, "age")]),
        words_after=split_words(after, [(5, 19, "age")]),
    )

    assert [(piece.op, piece.text) for piece in found.pieces] == [
        (Op.SAME, "Read "),
        (Op.MASKED, "3 minutes ago"),
        (Op.SAME, " by "),
        (Op.REMOVED, "12"),
        (Op.ADDED, "13"),
    ]


_TEXT = st.text(alphabet="ab 中国4.,。\n", max_size=24)


@given(_TEXT, _TEXT)
def test_the_pieces_are_the_one_text_verbatim_and_the_other_but_for_spaces(
    before: str, after: str
) -> None:
    found = compare(before, after, StepBudget(1_000_000)).pieces

    assert "".join(piece.text for piece in found if piece.op is not Op.ADDED) == before
    later = "".join(piece.text for piece in found if piece.op is not Op.REMOVED)
    assert key(split_words(later)) == key(split_words(after))


def test_megabytes_are_compared_by_sentences_and_the_changed_word_is_still_found() -> None:
    text = " ".join(f"Sentence number {n} says so." for n in range(60_000))

    assert changes(text, text.replace("number 31415 says", "number 31415 denies")) == [
        ("removed", "says"),
        ("added", "denies"),
    ]


def test_a_text_that_was_made_to_cost_ends_and_says_that_it_was_not_told_apart() -> None:
    before = "中国" * 40_000
    after = "国中文" * 25_000

    found = compare(before, after, StepBudget(300_000))

    assert found.coarse
    assert "".join(piece.text for piece in found.pieces if piece.op is not Op.ADDED) == before
