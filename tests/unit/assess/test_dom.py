"""How elements are found: by what they are called, and by walking. Both find the same."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapshotter.assess.dom import DomDocument, read_document
from snapshotter.formats.page.selectors import Selectors, parse_selector

SELECTORS = (
    "p", ".a", "p.a", "div.a.b", ".a, .b", "p, #x, div.b", "p#x", "div p", "div > .a", ".a + p",
    ".a ~ p", ".a:not(.b)", "p:not([title])", "[title]", "div[title='1']", ".a[title], .b",
    "*", ".none",
)  # fmt: skip


def by_walking(document: DomDocument, selector: str) -> list[Any]:
    """The outermost matches as `Selector.walk` tells them, one element after another."""
    found, inside = [], set()
    for element, is_in in parse_selector(selector).walk(document.root):
        if is_in and element in document.numbers:
            if element.getparent() not in inside:
                found.append(element)
            inside.add(element)
    return found


def trees() -> st.SearchStrategy[str]:
    names = st.sampled_from(["", " class=a", " class='a b'", " class=b", " id=x", " title=1"])
    leaf = st.builds(
        lambda tag, name: f"<{tag}{name}>t</{tag}>", st.sampled_from(["p", "i"]), names
    )
    return st.recursive(
        leaf,
        lambda inner: st.builds(
            lambda tag, name, more: f"<{tag}{name}>{''.join(more)}</{tag}>",
            st.sampled_from(["div", "section"]),
            names,
            st.lists(inner, max_size=4),
        ),
        max_leaves=20,
    )


@given(trees())
def test_names_and_walking_find_the_same(markup: str) -> None:
    document = read_document(f"<!doctype html><body>{markup}")
    assert document is not None

    for selector in SELECTORS:
        assert document.select(selector) == by_walking(document, selector), selector


@given(trees())
def test_all_at_once_are_what_each_finds_alone(markup: str) -> None:
    document = read_document(f"<!doctype html><body>{markup}")
    assert document is not None

    found = Selectors(SELECTORS).find(document.root, most=1000, elements=1000)

    for selector in SELECTORS:
        outermost = document.select(selector)
        mine = found.get(selector, [])
        assert [
            element for element in mine if not set(element.iterancestors()) & set(mine)
        ] == outermost, selector


@pytest.mark.parametrize("selector", ["p", ".a", "[title]", ".a:not(.b)"])
def test_of_a_page_that_is_too_long_neither_finds_what_is_not_looked_at(
    selector: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("snapshotter.assess.dom.MAX_ELEMENTS", 5)
    document = read_document("<body>" + "<p class=a title=1>t</p>" * 10)
    assert document is not None

    assert len(document.select(selector)) == 3  # behind html and body; two are left
    assert document.select(selector) == by_walking(document, selector)
