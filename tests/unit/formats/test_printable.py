"""Text that is cut short: where it ends."""

import pytest

from snapshotter.formats.printable import cut, cut_middle


@pytest.mark.parametrize(
    ("text", "most", "told"),
    [
        ("Whole.", 6, "Whole."),
        ("People subscribe without first exchanging", 30, "People subscribe without…"),
        ("People subscribe, then read", 18, "People subscribe,…"),
        ("Don't cut a word's end", 17, "Don't cut a…"),
        ("正文第一段文字", 4, "正文第…"),
        ("他说word again", 6, "他说…"),
        ("aaaaaaaaaaaaaaaaaaaaaa", 10, "aaaaaaaaa…"),
        ("http://x.test/a-very-long/path", 20, "http://x.test/…"),
        ("caf" + "e\u0301" * 9, 6, "cafe\u0301…"),
        ("ab \U0001f469\u200d\U0001f4bb cd", 6, "ab…"),
        ("ab \U0001f1eb\U0001f1f7\U0001f1e9\U0001f1ea", 6, "ab \U0001f1eb\U0001f1f7…"),
        ("ab \ud83d\ude00 cd", 5, "ab…"),
        ("", 0, ""),
        ("ab", 1, "…"),
    ],
)
def test_what_is_cut_ends_with_a_word_and_in_no_character(text: str, most: int, told: str) -> None:
    assert cut(text, most) == told
    assert len(cut(text, most)) <= max(most, 1)


@pytest.mark.parametrize(
    ("text", "most", "told"),
    [
        ("Whole.", 6, "Whole."),
        ("People subscribe without first exchanging a word", 30, "People subscribe…a word"),
        ("正文第一段文字正文第一段文字", 7, "正文第一…文字"),
        ("a" * 200, 10, "aaaaaa…aaa"),
        ("ab cd ef gh e\u0301\u0302\u0303\u0304", 10, "ab cd…"),
        ("ab cd ef gh ij \U0001f469\u200d\U0001f4bb", 8, "ab cd…"),
        ("abcdefghij", 1, "…"),
    ],
)
def test_what_is_cut_in_its_middle_breaks_no_word_and_no_character(
    text: str, most: int, told: str
) -> None:
    assert cut_middle(text, most) == told
