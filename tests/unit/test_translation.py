"""Sentences that people read go through one function, so that message catalogs can follow."""

import ast
import gettext
import re
import string
from collections.abc import Iterator
from pathlib import Path

import pytest
from typing_extensions import override

from snapshotter import translation
from snapshotter.cli.main import main
from snapshotter.translation import tr
from tests.tools import ROOT

PACKAGE = ROOT / "snapshotter"
# Their first argument and `hint` are read by people.
ERRORS = {
    "SnapshotterError", "CaptureIncomplete", "EvidenceInvalid", "EvidenceUnverifiable",
    "PolicyRefused", "ServiceUnavailable", "UsageError", "UsageMistake",
    "BadParameter", "ClickException",
}  # fmt: skip


class Marked(gettext.NullTranslations):
    """A catalog in which each sentence stands between brackets."""

    @override
    def gettext(self, message: str) -> str:
        return f"⟦{message}⟧"


def calls(name: set[str]) -> Iterator[tuple[Path, ast.Call]]:
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and called(node) in name:
                yield path, node


def called(call: ast.Call) -> str:
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""


def literal(node: ast.expr) -> str:
    """Return the text of a string constant; "" for all else."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def place(path: Path, node: ast.AST) -> str:
    return f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"


def test_a_sentence_takes_its_values() -> None:
    assert tr("{path} does not exist", path="a{b}.json") == "a{b}.json does not exist"
    assert tr("a set {a, b} without values") == "a set {a, b} without values"


def test_every_sentence_can_be_extracted_and_names_its_values() -> None:
    wrong, count = [], 0
    for path, call in calls({"tr"}):
        count += 1
        sentence = call.args[0] if len(call.args) == 1 else None
        if not isinstance(sentence, ast.Constant) or not isinstance(sentence.value, str):
            wrong.append(f"{place(path, call)}: no literal sentence")
            continue
        given = {keyword.arg for keyword in call.keywords}
        named = {
            name.partition(".")[0].partition("[")[0]
            for _, name, _, _ in string.Formatter().parse(sentence.value)
            if name is not None
        } if given else set()  # fmt: skip
        if given != named:
            wrong.append(
                f"{place(path, call)}: {sorted(named)} are named, {sorted(map(str, given))} given"
            )

    assert count > 1500
    assert wrong == []


def test_no_error_has_a_sentence_that_a_catalog_cannot_translate() -> None:
    wrong, count = [], 0
    for path, call in calls(ERRORS):
        hints = [keyword.value for keyword in call.keywords if keyword.arg in ("hint", "message")]
        for value in (*call.args, *hints):
            count += 1
            parts = value.values if isinstance(value, ast.JoinedStr) else [value]
            if any(re.search("[A-Za-z]{2}", words) for words in map(literal, parts)):
                wrong.append(place(path, value))

    assert count > 1000
    assert wrong == []


def test_a_catalog_translates_an_error_its_hint_and_the_help(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    missing = str(tmp_path / "nothing.wacz")
    # Imports all modules of the command: what they look up at import must not stay marked.
    main(["verify", missing])
    capsys.readouterr()
    monkeypatch.setattr(translation, "_catalog", Marked())

    main(["verify", missing])
    error, hint, _ = capsys.readouterr().err.splitlines()
    assert error.startswith("snapshotter: ⟦")
    assert "⟦list the ids:" in hint

    main(["verify", "--help"])
    assert capsys.readouterr().out.count("⟦") > 5
