"""Selectors find what a browser would, in a time that no page can stretch."""

import pytest
from lxml import html

from snapshotter.errors import SnapshotterError
from snapshotter.formats.selectors import parse_selector

PAGE = """<main id=m><!-- x --><h2 class="a b">1<a href=/n/1 lang=en-GB>2</a></h2>
<p>3</p><p>4</p><div><p data-x>5</p><a>6</a></div></main><a href=/m/2>7</a>"""


def found(selector: str) -> str:
    """Return the numbers in the elements that a selector finds, or that are in those."""
    walk = parse_selector(selector).walk(html.document_fromstring(PAGE))
    return "".join((it.text or "").strip() for it, inside in walk if inside)


@pytest.mark.parametrize(
    ("selector", "numbers"),
    [
        ("*", "1234567"),
        ("main", "123456"),
        ("H2", "12"),
        ("main > a", ""),
        ("main a", "26"),
        ("body > a", "7"),
        ("#m .a.b", "12"),
        (".ab", ""),
        ("h2 + p", "3"),
        ("h2 ~ p", "34"),
        ("h2 ~ div > a", "6"),
        ("p + p, body > a", "47"),
        ("[data-x]", "5"),
        ("a[href^='/n/']", "2"),
        ("a[href$='2']", "7"),
        ("a[href*='/']", "27"),
        ("a[href='/m/2']", "7"),
        ("a[lang|=en]", "2"),
        ("h2[class~=b]", "12"),
        ("a[href*='']", ""),
        ("p:not([data-x])", "34"),
        ("a:not([href]):not(.x)", "6"),
    ],
)
def test_a_selector_finds_what_a_browser_finds(selector: str, numbers: str) -> None:
    assert found(selector) == numbers


@pytest.mark.parametrize(
    ("selector", "told"),
    [
        ("main >> a[", "not a CSS selector"),
        ("", "not a CSS selector"),
        ("a:nth-child(2)", "nth-child"),
        ("a:hover", "hover"),
        ("a::before", "before"),
        ("a, " * 60 + "a", "60 parts"),
        ("a" * 501, "500 characters"),
    ],
)
def test_a_selector_that_is_not_matched_is_refused_in_words(selector: str, told: str) -> None:
    with pytest.raises(SnapshotterError, match=told):
        parse_selector(selector)


def test_each_element_is_looked_at_once_however_deep_it_lies() -> None:
    tree = html.document_fromstring("<div>" * 200 + "<a>x</a>" * 200)

    steps = list(parse_selector("div div div div div a").walk(tree))

    assert len(steps) == sum(1 for _ in tree.iter("*"))
    assert sum(inside for _, inside in steps) == 200
