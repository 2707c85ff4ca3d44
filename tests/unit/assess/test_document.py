"""Elements of a kept document and the blocks of its layout find each other by selectors."""

import pytest

from snapshotter.assess.document import DocumentTree
from snapshotter.model.page import Block

PAGE = """<!DOCTYPE html><html><head><noscript><img src="a>b"><p>no</p></noscript>
<template><div><p>kept apart</p></div></template><title>a <p> title</title>
<script>document.write("<noscript>" + "<p>" + "<template>")</script></head>
<body><!-- <noscript> --><p>one</p>text<o:p>two</o:p>
<div><p>three <b>bold</b></p></div></body></html>"""


def block(selector: str, tag: str = "p") -> Block:
    return Block(selector=selector, tag=tag, text="", box=None)


ONE = block("html > body > p:nth-child(1)")
THREE = block("html > body > div:nth-child(3) > p:nth-child(1)")


def test_an_element_and_its_block_have_the_same_selector() -> None:
    tree = DocumentTree(PAGE, (ONE, THREE))
    one, three = tree.root.xpath("//body//p")

    assert [tree.selector_of(it) for it in (one, three)] == [ONE.selector, THREE.selector]
    assert (tree.block_of(one), tree.block_of(three)) == (ONE, THREE)
    assert (tree.element_of(ONE), tree.element_of(THREE)) == (one, three)
    assert tree.selector_of(tree.root) == "html"
    assert tree.selector_of(tree.root.find("head/title")) == "html > head > title:nth-child(3)"


def test_what_a_browser_has_no_elements_for_does_not_move_those_that_there_are() -> None:
    tree = DocumentTree(PAGE)

    assert [it.tag for it in tree.root] == ["head", "body"]
    assert [it.tag for it in tree.root.find("head")] == ["noscript", "template", "title", "script"]
    assert "kept apart" not in "".join(tree.root.itertext())
    assert tree.root.find("head/script").text.count("<noscript>") == 1


def test_a_part_of_a_line_has_the_block_that_it_stands_in() -> None:
    tree = DocumentTree(PAGE, (ONE, THREE))
    (bold,) = tree.root.xpath("//b")

    assert tree.block_of(bold) is None
    assert tree.block_around(bold) == THREE
    assert list(tree.blocks_in(tree.root)) == [ONE, THREE]


def test_a_name_that_is_no_word_of_css_is_any() -> None:
    tree = DocumentTree(PAGE)
    second = tree.root.find("body")[2]

    assert tree.selector_of(second) == "html > body > *:nth-child(2)"
    assert tree.element_of(block("html > body > *:nth-child(2)")) is second


def test_a_block_of_another_document_is_not_found() -> None:
    tree = DocumentTree(PAGE, (block("html > body > p:nth-child(1)", tag="li"),))
    (one, _) = tree.root.xpath("//body//p")

    assert tree.block_of(one) is None
    for selector in ("html > body > p:nth-child(9)", "html > main", "html > body > p:nth-child(x)"):
        assert tree.element_of(block(selector)) is None


@pytest.mark.parametrize("html", ["", " \n", "\0", "<", "<!-- ", "\ud800"])
def test_a_document_of_nothing_is_a_tree_of_nothing(html: str) -> None:
    tree = DocumentTree(html)

    assert tree.selector_of(tree.root) == "html"


def test_a_document_that_is_very_deep_or_wide_is_read() -> None:
    deep = "<html><body>" + "<div>" * 1_500 + "<p>x</p>"
    wide = "<html><body>" + "<i></i>" * 20_000

    for html, tag, last in ((deep, "p", " > p:nth-child(1)"), (wide, "i", " > i:nth-child(20000)")):
        tree = DocumentTree(html)
        assert tree.selector_of(tree.root.xpath(f"//{tag}")[-1]).endswith(last)
