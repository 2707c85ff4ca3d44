"""The excerpt of a hit shows its words, however long the text around them is."""

from hypothesis import given
from hypothesis import strategies as st

from snapshotter.app.archive.lookup.search import excerpt
from snapshotter.index.query import Region
from snapshotter.index.search import Hit
from tests.cases import in_one_test


def hit(before: str, word: str, after: str) -> Hit:
    marks = ((len(before), len(before) + len(word)),)
    return Hit(region=Region.MAIN, text=before + word + after, marks=marks)


@in_one_test(
    ("before", "word", "after", "expected"),
    [
        ("", "rumor", "", "[rumor]"),
        ("A ", "rumor", " went\nround.", "A [rumor] went round."),
        ("word " * 30, "rumor", " word" * 30, "…word word word word word word word word [rumor] "),
        ("谣" * 100, "传言", "言" * 100, f"…{'谣' * 40}[传言]言言"),
    ],
)
def test_an_excerpt_begins_before_the_hit_at_a_word(
    before: str, word: str, after: str, expected: str
) -> None:
    found = excerpt(hit(before, word, after), 60)
    ((start, end),) = found.marks
    shown = f"{found.text[:start]}[{found.text[start:end]}]{found.text[end:]}"
    assert f"{'…' if found.is_cut_before else ''}{shown}".startswith(expected)
    assert len(found.text) <= 60 + 40


@given(
    st.text("ab 谣\n", max_size=200), st.text("xy言", min_size=1, max_size=5), st.integers(1, 90)
)
def test_an_excerpt_has_its_hit_on_one_line(around: str, word: str, most: int) -> None:
    found = excerpt(hit(around, word, around[::-1]), most)

    ((start, end),) = found.marks
    assert found.text[start:end] == word
    assert "\n" not in found.text


def test_an_excerpt_ends_at_a_word_of_a_script_with_spaces() -> None:
    assert excerpt(hit("", "rumor", " of a fire spreads in town"), 20).text == "rumor of a fire"
    assert excerpt(hit("", "谣言", "在" * 60), 20).text == "谣言" + "在" * 18
