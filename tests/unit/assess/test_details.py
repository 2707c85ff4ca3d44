"""The sealed details of an assessment stay as they are, and each has a plain clause."""

import ast
from pathlib import Path

import pytest

from snapshotter.assess import availability, content
from snapshotter.model.assessment import WallKind
from snapshotter.model.sentences import WALLS, describe_detail

# What a page shows in the words of its bundle, and in those of the screen.
CLAUSES = {
    "the content is there": "the page shows its content",
    "HTTP 503: an error of the server, which says nothing about the page": (
        "the server answered HTTP 503 (Service Unavailable), which does not show whether the page "
        "exists"
    ),
    "HTTP 403: a refusal, which says nothing about the page": (
        "the server answered HTTP 403 (Forbidden), which does not show whether the page exists"
    ),
    "a notice: deleted by its author": (
        "the page shows a notice: the stated cause is removal by the author"
    ),
    "a notice: no cause is stated; what was received holds content": (
        "the page shows a notice: no cause is stated; the answer of the server contains content "
        "that the page does not show"
    ),
    "for legal reasons, as researchers read this code; the platform does not say so": (
        "researchers interpret the code that the platform sent as follows: legal reasons"
    ),
    "the page itself holds some of it back; 2 of 9 images did not come": (
        "the page withholds some of its content; 2 of 9 images did not load"
    ),
    "the content is there; it could not be read: RecursionError": (
        "the page shows its content; a reading failed: RecursionError"
    ),
    "no page: dns: a.example was not resolved": (
        "no page was captured: dns: a.example was not resolved"
    ),
    "44 characters around a main text that is not there": (
        "the page has 44 characters, but no main text"
    ),
    "the main region has 3 characters, and the policy asks for 200": (
        "the main region has 3 characters, but the policy requires 200"
    ),
    "the page could not be judged: ValueError: x": "the page could not be assessed: ValueError: x",
}


@pytest.mark.parametrize("detail", sorted(CLAUSES))
def test_a_sealed_detail_is_shown_as_a_plain_clause(detail: str) -> None:
    assert describe_detail(detail) == CLAUSES[detail]


@pytest.mark.parametrize("kind", list(WallKind))
def test_a_wall_is_named_as_everywhere(kind: WallKind) -> None:
    words = str(kind).replace("_", " ")

    shown = describe_detail(f"a wall ({words}) stands before the page, and says nothing about it")

    assert shown.startswith(f"the site showed {WALLS[kind]} instead of the page; ")


def test_a_detail_that_is_not_known_is_shown_as_it_is() -> None:
    assert describe_detail("words of a later version") == "words of a later version"


@pytest.mark.parametrize("module", [availability, content])
def test_every_sealed_detail_has_its_clause(module: object) -> None:
    """Each whole text of the modules that has the form of a detail is known to the tables."""
    source = Path(str(module.__file__)).read_text(encoding="utf-8")  # type: ignore[attr-defined]
    tree = ast.parse(source)
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    parts = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr | ast.BinOp)
        for part in ast.walk(node)
    }
    texts = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and len(node.value.split()) > 2
        and id(node) not in docs | parts
    ]
    assert texts

    unknown = {text for text in texts if describe_detail(text) == text}

    assert unknown <= PARTS


PARTS = {  # parts of a detail, and a detail whose words are plain
    availability._CONVENTION,
    "an error of the server",
    "no cause is stated",
    "; what was received holds content",
}
