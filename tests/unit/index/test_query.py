"""A query is read as its author means it, or the message says where it went wrong."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snapshotter.index.query import (
    DEFAULT_REGIONS,
    And,
    Filter,
    InvalidQuery,
    Node,
    Not,
    Or,
    Region,
    Term,
    filters,
    matches,
    parse,
    terms,
)
from snapshotter.index.tokens import Searched, find, normalise
from tests.cases import in_one_test
from tests.fuzzing import tries


def written(node: Node) -> str:
    """Return a tree as a text with every parenthesis."""
    match node:
        case Term():
            return f"[{node.searched.text}{'*' if node.searched.prefix else ''}]"
        case Filter():
            return f"{node.name}={node.value}"
        case Not():
            return f"-{written(node.child)}"
        case And():
            return f"({' '.join(map(written, node.children))})"
        case Or():
            return f"({' | '.join(map(written, node.children))})"


@in_one_test(
    ("text", "tree"),
    [
        ("Rumor", "[rumor]"),
        ("rumor 谣言", "([rumor] [谣言])"),
        ("rumor\u3000谣言", "([rumor] [谣言])"),
        ('"Exact  words" x', "([exact words] [x])"),
        ("“弯引号 短语”", "[弯引号 短语]"),
        ("censor*", "[censor*]"),
        ('"the censor"*', "[the censor*]"),
        ("a -b", "([a] -[b])"),
        ('a -"b c"', "([a] -[b c])"),
        ("a OR b c", "([a] | ([b] [c]))"),
        ("(a OR b) c", "(([a] | [b]) [c])"),
        ("a -(b OR c)", "([a] -([b] | [c]))"),
        ("((a))", "[a]"),
        ("or", "[or]"),
        ('"OR"', "[or]"),
        ("gen-itgc", "[gen-itgc]"),
        ("c++", "[c++]"),
        ("12:30", "[12:30]"),
        ("https://example.org/a", "[https://example.org/a]"),
        ("host:example.org x", "(host=example.org [x])"),
        ("HOST：example.org", "host=example.org"),
        ('case:"Case 7"', "case=Case 7"),
        ('note:"phone cal"* x', "(note=phone cal* [x])"),
        ("verdict:Notice OR verdict:wall", "(verdict=notice | verdict=wall)"),
        ("-host:example.org", "-host=example.org"),
        ("identity:https://example.org/x?a=b", "identity=https://example.org/x?a=b"),
        ("host:a.org -draft", "(host=a.org -[draft])"),
    ],
)
def test_a_query_is_read_into_a_tree(text: str, tree: str) -> None:
    assert written(parse(text).root) == tree


@in_one_test(
    ("text", "position", "part"),
    [
        ("", 0, "no words"),
        ("   ", 0, "no words"),
        ("in:title", 0, "no words"),
        ('a ""', 2, "nothing that can be searched"),
        ("a ...", 2, "nothing that can be searched"),
        ("a *", 2, "nothing that can be searched"),
        ('a "b', 2, "not closed"),
        ("a (b", 2, "not closed"),
        ("a) b", 1, "not opened"),
        ("a ()", 2, "nothing between"),
        ("OR a", 0, "OR needs"),
        ("a OR", 3, "OR needs"),
        ("a OR OR b", 5, "OR needs"),
        ("a - b", 2, "minus sign"),
        ("a AND b", 2, "AND is not"),
        ("a NOT b", 2, "NOT is not"),
        ("a hots:b", 2, "no filter hots:"),
        ("a host:", 7, "no value"),
        ("verdict:gone", 8, "not a value"),
        ("after:2026-13-01", 6, "not a date"),
        ("after:yesterday", 6, "not a date"),
        ("a identity:http://[::1", 11, "not the address of a page"),
        ("-identity:https://example.org:port/", 10, "not the address of a page"),
        ("-in:title a", 1, "cannot be excluded"),
        ("-)", 1, "word is missing"),
        ("(" * 30 + "a", 20, "too many parentheses"),
        ("x " * 60, 100, "more than 50"),
        ("x" * 3000, 2000, "longer than 2000"),
        ("-a", 0, "only excludes"),
        ("-a -b", 0, "only excludes"),
        ("a OR -b", 0, "only excludes"),
        ("-(a host:b)", 0, "only excludes"),
    ],
)
def test_an_error_names_the_position_and_a_way_out(text: str, position: int, part: str) -> None:
    with pytest.raises(InvalidQuery, match=part) as raised:
        parse(text)

    assert raised.value.position == position
    if "cannot be excluded" not in part and "word is missing" not in part:
        assert raised.value.hint


def test_a_mistyped_filter_gets_a_suggestion() -> None:
    with pytest.raises(InvalidQuery) as raised:
        parse("hots:example.org")

    assert raised.value.hint == "did you mean host:?"


@in_one_test(
    ("text", "at"),
    [
        ("after:2026", datetime(2026, 1, 1, tzinfo=UTC)),
        ("after:2026-11", datetime(2026, 11, 1, tzinfo=UTC)),
        ("before:2026-11-30", datetime(2026, 11, 30, tzinfo=UTC)),
        ("before:2026-11-30T14:05", datetime(2026, 11, 30, 14, 5, tzinfo=UTC)),
        ("before:2026-11-30T14:05Z", datetime(2026, 11, 30, 14, 5, tzinfo=UTC)),
    ],
)
def test_dates_are_the_begin_of_what_they_name(text: str, at: datetime) -> None:
    (found,) = filters(parse(text).root)
    assert found.at == at


def test_hidden_text_is_searched_only_on_request() -> None:
    assert parse("a").regions == DEFAULT_REGIONS
    assert Region.HIDDEN not in DEFAULT_REGIONS
    assert parse("in:hidden a").regions == {Region.HIDDEN}
    assert parse("a in:title in:note").regions == {Region.TITLE, Region.NOTE}


def test_words_to_mark_are_those_that_a_result_contains() -> None:
    found = terms(parse('a -b (c OR "d e") host:x').root)
    assert [term.searched.text for term in found] == ["a", "c", "d e"]


@in_one_test(
    ("query", "expected"),
    [
        ("谣言 censor*", True),
        ("谣言 -draft", True),
        ("谣言 -censorship", False),
        ("nothing OR 谣", True),
        ("nothing 谣", False),
        ("-(nothing OR draft) 传播", True),
        ("host:yes 谣", True),
        ("host:no OR 谣", True),
        ("-host:yes", False),
    ],
)
def test_a_tree_is_evaluated_for_one_capture(query: str, expected: bool) -> None:
    text = normalise("传播谣言：Censorship in numbers")

    found = matches(
        parse(query).root,
        contains=lambda searched: any(find(searched, text)),
        fits=lambda condition: condition.value == "yes",
    )

    assert found is expected


@settings(max_examples=tries(300))
@given(st.text(alphabet='ab谣 "“”()-*:OR\u3000host:in:titleafter:2026', max_size=40))
def test_every_text_is_a_query_or_an_error_of_ours(text: str) -> None:
    position = 0
    try:
        root = parse(text).root
    except InvalidQuery as error:
        position = error.position
    else:
        assert matches(root, contains=lambda _: True, fits=lambda _: True) in (True, False)
    assert 0 <= position <= len(text)


def test_a_word_of_the_query_is_normalised_as_texts_are() -> None:
    (term,) = terms(parse("ＲＵＭＯＲ").root)
    assert term.searched == Searched(text="rumor")
