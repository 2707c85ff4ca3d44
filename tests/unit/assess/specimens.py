"""Markup that a selector of a rule file matches: the smallest page on which it could."""

from html import escape
from typing import Any

import cssselect
from cssselect import parser


def specimen(selector: str, text: str, number: int = 0) -> str:
    """Return a document in which one alternative of a selector matches an element with a text."""
    tree = cssselect.parse(selector)[number].parsed_tree
    inner = escape(text, quote=False)
    while isinstance(tree, parser.CombinedSelector):
        if tree.combinator in ("+", "~"):
            inner = f"{_tag(tree.selector, '')}{_tag(tree.subselector, inner)}"
            return _document(inner)
        inner, tree = _tag(tree.subselector, inner), tree.selector
    return _document(_tag(tree, inner))


def alternatives(selector: str) -> int:
    return len(cssselect.parse(selector))


def _document(inner: str) -> str:
    if inner.startswith("<head"):
        return f"<!doctype html><html>{inner}<body></body></html>"
    body = inner if inner.startswith("<body") else f"<body>{inner}</body>"
    return f"<!doctype html><html><head><title></title></head>{body}</html>"


def _tag(tree: Any, inner: str) -> str:
    name, classes, attributes = "div", [], []
    while not isinstance(tree, parser.Element):
        if isinstance(tree, parser.Hash):
            attributes.append(f'id="{tree.id}"')
        elif isinstance(tree, parser.Class):
            classes.append(tree.class_name)
        elif isinstance(tree, parser.Attrib):
            value = str(tree.value.value) if tree.value is not None else ""
            if tree.attrib == "class":
                classes.append(value)
            else:
                attributes.append(f'{tree.attrib}="{value}"')
        tree = tree.selector
    name = tree.element or name
    if classes:
        attributes.append(f'class="{" ".join(classes)}"')
    return f"<{' '.join((name, *attributes))}>{inner}</{name}>"
