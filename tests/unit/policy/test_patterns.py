"""Patterns of rule files: what they match, and that no text can make them slow."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapshotter.policy.patterns import compile_pattern, literal_beginning


@pytest.mark.parametrize(
    ("pattern", "text", "group"),
    [
        (r"《([^》]+)》", "违反《网络安全法》，查看", "网络安全法"),
        (r"[?&]id=(\d+)", "/x?action=oplaw&id=26&t=1", "26"),
        (r'var biz ?= ?(?:"" ?\|\| ?|)"([a-z]{2,9}={0,2})"', 'var biz = "" || "abc=="', "abc=="),
        (r"weibo\.com/(\d+)/", "weibo.com/123/x", "123"),
        (r"(a|b)c", "xbc", "b"),
    ],
)
def test_a_pattern_finds_its_group(pattern: str, text: str, group: str) -> None:
    found = compile_pattern(pattern).search(text)

    assert found is not None
    assert found[1] == group


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+$",
        "(?:a|a)*b",
        "(a)?",
        r"(\w)\1",
        "(?=a)b",
        "(?P<x>a)",
        "(?i)a",
        "a+?b",
        "a++",
        "*a",
        "^*",
        ".+》",
        r"\d*0",
        r"[^/]+\.",
        "a{2000}",
        "(a|a)" * 9,
        "(",
        "[a",
        "",
        "x" * 301,
        r"\p{L}",
        "a\\",
    ],
)
def test_what_could_be_slow_or_means_nothing_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        compile_pattern(pattern)


_PIECES = st.sampled_from(
    [
        r"a",
        r"b",
        r"[ab]",
        r"[^a]",
        r"\d",
        r"\w",
        r"\.",
        r".",
        r"(",
        r"(?:",
        r")",
        r"|",
        r"^",
        r"$",
        r"*",
        r"+",
        r"?",
        r"{2}",
        r"{1,3}",
    ],
)


@given(st.lists(_PIECES, min_size=1, max_size=12), st.text("ab1. ", max_size=30))
def test_a_pattern_that_is_taken_matches_nothing_that_python_would_not(
    pieces: list[str], text: str
) -> None:
    pattern = "".join(pieces)
    try:
        compiled = compile_pattern(pattern)
    except ValueError:
        return

    found = compiled.match(text)

    # Possessive repeats match less than Python's own, never more.
    assert found is None or re.match(pattern, text) is not None


@given(st.lists(_PIECES, min_size=1, max_size=12), st.text("ab1. ", max_size=30))
def test_every_match_begins_with_the_letters_that_it_is_said_to(
    pieces: list[str], text: str
) -> None:
    pattern = "".join(pieces)
    try:
        compiled = compile_pattern(pattern)
    except ValueError:
        return

    found = compiled.search(text)

    assert found is None or found[0].startswith(literal_beginning(pattern))


@pytest.mark.parametrize(
    ("pattern", "letters"),
    [
        ("var biz ?= ?x", "var biz"),
        (r"a\.b[cd]", "a.b"),
        ("ab|cd", ""),
        ("a(b|c)", "a"),
        (r"ab\d", "ab"),
        ("abc+", "ab"),
    ],
)
def test_the_plain_letters_at_the_beginning(pattern: str, letters: str) -> None:
    assert literal_beginning(pattern) == letters
