"""Selectors find what a browser would, in a time that no page can stretch."""

import pytest
from lxml import html

from snapshotter.errors import SnapshotterError
from snapshotter.formats.page.selectors import Selectors, parse_selector

PAGE = """<main id=m><!-- x --><h2 class="a b">1<a href=/n/1 lang=en-GB>2</a></h2>
<p>3</p><p>4</p><div><p data-x>5</p><a>6</a></div></main><a href=/m/2>7</a>"""


def found(selector: str) -> str:
    """Return the numbers in the elements that a selector finds, or that are in those."""
    walk = parse_selector(selector).walk(html.document_fromstring(PAGE))
    return "".join((element.text or "").strip() for element, inside in walk if inside)


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


SELECTORS = (
    "*", "main", "H2", "main > a", "main a", "body > a", "#m .a.b", ".ab", "h2 + p", "h2 ~ p",
    "h2 ~ div > a", "p + p, body > a", "[data-x]", "a[href^='/n/']", "a[lang|=en]", ".a, .b, h2",
    "p:not([data-x])", "a:not([href]):not(.x)", "div div a, a", "#m", "main.x",
)  # fmt: skip


@pytest.mark.parametrize("page", [PAGE, "<div><div><a>1</a></div><a>2</a></div>" * 3])
def test_many_selectors_in_one_walk_find_what_xpath_finds_for_each(page: str) -> None:
    tree = html.document_fromstring(page)

    found = Selectors(SELECTORS).find(tree, most=1000, elements=1000)

    for selector in SELECTORS:
        assert found.get(selector, []) == tree.cssselect(selector.lower())


def test_of_many_matches_the_first_are_kept_and_of_many_elements_the_first_looked_at() -> None:
    tree = html.document_fromstring("<a>x</a>" * 50)

    few = Selectors(["a"]).find(tree, most=3, elements=1000)["a"]
    early = Selectors(["a"]).find(tree, most=1000, elements=12)["a"]

    assert few == tree.findall(".//a")[:3]
    assert len(early) < 12
