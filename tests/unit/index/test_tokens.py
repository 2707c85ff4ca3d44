"""What is one text to a reader is one text to the search, and an index loses no hit."""

import sys
import unicodedata

from hypothesis import given, settings
from hypothesis import strategies as st

from snapshotter.index.tokens import (
    Normalised,
    Searched,
    find,
    inside_words,
    normalise,
    piece_query,
    pieces,
    tokens,
)
from tests.cases import in_one_test
from tests.fuzzing import tries

# Letters that meet in real pages, marks that join them, and characters that nobody sees.
ALPHABET = (
    "ab Ze9.-'\"“’«\n\t\u00a0"
    "谣言网后中𠮷㍿々カがが\u3099한ᄒ\u1161\u11abㅏㄱ"
    "ไทยกำ\u0e49ລາວខ្មမြန်"
    "كتابأآٱ\u0640\u064e\u0651\u0654ﷺ"
    "де\u0301éßﬁİǅ\u200b\u200d\u202e\u00ad\ufe0f😀👨❤€±①२हिन्दी"
)
TEXTS = st.text(alphabet=ALPHABET, max_size=40)


@in_one_test(
    ("shown", "expected"),
    [
        ("  Two\u00a0words,\n\ttwo lines ", "two words, two lines"),
        ("Straße ＲＵＭＯＲ ﬁne", "strasse rumor fine"),
        ("It’s “quoted” – «so»", 'it\'s "quoted" - "so"'),
        ("soft\u00adhyphen zero\u200bwidth \u202eright\u202c", "softhyphen zerowidth right"),
        ("مُحَمَّد كتـــاب أحمد إلى آخر ٱسم", "محمد كتاب احمد الي اخر اسم".replace("الي", "الى")),
        ("\u0627\u0654", "ا"),  # alef and hamza as two characters
        ("caf\u0065\u0301", "café"),
        ("e\u200b\u0301", "é"),  # something invisible between a letter and its mark
        ("か\u3099", "が"),
        ("ｶﾞ", "ガ"),
        ("\u1112\u1161\u11ab", "한"),
        ("㍿", "株式会社"),
        ("❤\ufe0f", "❤"),
        ("a\x00b\x1b[31m", "ab[31m"),
        ("\ud83d", ""),  # half of a pair cannot be stored
        ("", ""),
    ],
)
def test_texts_that_read_alike_are_one(shown: str, expected: str) -> None:
    assert normalise(shown) == expected


@in_one_test(
    ("shown", "expected"),
    [
        ("Two words.", "two words"),
        ("谣言", "谣言 言"),
        ("网", "网"),
        ("重跑gen-itgc后", "重跑 跑 gen itgc 后"),
        ("日本語です", "日本 本語 語で です す"),
        ("한국어", "한국 국어 어"),
        ("ไทย 2", "ไท ทย ย 2"),
        ("𠮷野家", "𠮷野 野家 家"),
        ("abcгде", "abc где"),
        ("covid19 3.14 b2b", "covid19 3 14 b2b"),
        ("हिन्दी", "हिन्दी"),
        ("👨‍👩‍👧x", "👨👩 👩👧 👧 x"),
        ("谣😀", "谣 😀"),
        ("“…”", ""),
        ("snake_case", "snake case"),
        ("x" * 300, "x" * 100),  # of a longer word, the index has the beginning
    ],
)
def test_pieces_are_pairs_without_spaces_and_words_otherwise(shown: str, expected: str) -> None:
    assert " ".join(pieces(normalise(shown))) == expected


@in_one_test(
    ("text", "searched", "prefix", "expected"),
    [
        ("传播谣言的谣言", "谣言", False, ["谣言", "谣言"]),
        ("传播谣言的谣言", "谣", False, ["谣", "谣"]),
        ("rumors, a rumor", "rumor", False, ["rumor"]),
        ("rumors, a rumor", "rumor", True, ["rumors", "rumor"]),
        ("the Great Wall of", "great wall", False, ["great wall"]),
        ("the Great Walls of", "great wall", False, []),
        ("重跑gen-itgc后", "跑gen", False, ["跑gen"]),
        ("重跑gen-itgc后", "跑ge", False, []),
        ("a C++ program", "c++", False, ["c++"]),
        ("C, C++", "c++", False, ["c++"]),
        ("aaaa", "aa", False, []),
        ("哈哈哈哈", "哈哈", False, ["哈哈", "哈哈"]),
        ("x" * 300, "x" * 299, False, []),
        ("x" * 300, "x" * 300, False, ["x" * 300]),
        ("anything", "", False, []),
    ],
)
def test_words_are_found_whole_and_other_scripts_everywhere(
    text: str, searched: str, prefix: bool, expected: list[str]
) -> None:
    plain = normalise(text)
    found = find(Searched(text=searched, prefix=prefix), plain)
    assert [plain[start:end] for start, end in found] == expected


@in_one_test(
    ("shown", "searched", "marked"),
    [
        ("A  Great\nWall\u200b!", "great wall", "Great\nWall\u200b"),
        ("株㍿会", "会社", "㍿"),
        ("“Don’t”", "don't", "Don’t"),
        ("مُحَمَّد", "محمد", "مُحَمَّد"),
        ("𠮷野家", "野", "野"),
    ],
)
def test_a_hit_is_marked_in_the_text_as_shown(shown: str, searched: str, marked: str) -> None:
    text = Normalised(shown)
    ((start, end),) = find(Searched(text=searched), text.text)
    begin, stop = text.shown_range(start, end)
    assert shown[begin:stop] == marked


@settings(max_examples=tries(300), deadline=None)
@given(TEXTS)
def test_offsets_cover_the_normalised_text_in_order(shown: str) -> None:
    text = Normalised(shown)

    assert text.text == normalise(shown) == normalise(text.text)
    ranges = [text.shown_range(at, at + 1) for at in range(len(text.text))]
    assert ranges == sorted(ranges)
    for until in range(len(text.text)):
        part = Normalised(shown, until=until)
        assert text.text.startswith(part.text)
        assert len(part.text) >= until - 1
        assert [part.shown_range(at, at + 1) for at in range(until - 1)] == ranges[
            : max(until - 1, 0)
        ]
    for character, (start, end) in zip(text.text, ranges, strict=True):
        assert character in normalise(f"x{shown[start:end]}x")


@settings(max_examples=tries(300), deadline=None)
@given(TEXTS, st.data())
def test_a_text_without_spaces_is_found_as_by_a_plain_scan(shown: str, data: st.DataObject) -> None:
    text = normalise(shown)
    start = data.draw(st.integers(0, len(text)))
    wanted = text[start : start + data.draw(st.integers(1, 4))].strip()
    if not wanted or not all(token.paired for token in tokens(wanted)):
        return
    assert next(find(Searched(text=wanted), text))[0] == text.find(wanted)


@settings(max_examples=tries(500), deadline=None)
@given(TEXTS, st.data(), st.booleans())
def test_the_pieces_of_what_is_found_are_among_those_of_the_text(
    shown: str, data: st.DataObject, prefix: bool
) -> None:
    text = normalise(shown)
    start = data.draw(st.integers(0, len(text)))
    wanted = Searched(text=text[start : data.draw(st.integers(start, len(text)))].strip())
    wanted = Searched(text=wanted.text, prefix=prefix)
    query = piece_query(wanted)
    if query is None or not any(find(wanted, text)):
        return

    have, count = pieces(text), len(query.pieces)
    assert any(
        have[at : at + count - 1] == [*query.pieces[:-1]]
        and (
            have[at + count - 1].startswith(query.pieces[-1])
            if query.prefix
            else have[at + count - 1] == query.pieces[-1]
        )
        for at in range(len(have) - count + 1)
    ), (wanted, query, have)


@settings(max_examples=tries(300), deadline=None)
@given(TEXTS)
def test_a_place_is_inside_a_word_whether_one_or_all_are_asked_for(shown: str) -> None:
    text = normalise(shown)
    inside = inside_words(text)
    for at in range(len(text)):
        wanted = Searched(text=text[at : at + 1], prefix=True)
        assert (at in {start for start, _ in find(wanted, text)}) == (not inside[at])


@settings(max_examples=tries(300), deadline=None)
@given(TEXTS)
def test_pieces_are_tokens_to_sqlite_and_postgresql(shown: str) -> None:
    for piece in pieces(normalise(shown)):
        assert all(character.isalnum() or ord(character) > 0x7F for character in piece)
        assert not any(character.isspace() for character in piece)
        assert len(piece.encode()) <= 2046


def test_every_character_can_be_normalised_apart_from_what_follows() -> None:
    """The offsets depend on it: a text is cut where no character is composed with the next."""
    letters = [chr(code) for code in range(0x3000) if not 0xD800 <= code < 0xE000]
    for letter in letters + list("ｶﾞﾟ가각ᄀㄱㅏ𠮷𝒜"):
        assert Normalised(f"e{letter}o").text == normalise(f"e{letter}o"), hex(ord(letter))


def test_invisible_are_all_controls_and_formats() -> None:
    kept = [
        hex(code)
        for code in range(sys.maxunicode + 1)
        if unicodedata.category(chr(code)) in {"Cf", "Cs"} and normalise(chr(code))
    ]
    assert kept == []
