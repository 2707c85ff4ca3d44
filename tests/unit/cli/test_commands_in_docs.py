"""Every command that a page of the documentation shows is one, with options that it has."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from snapshotter.cli.main import cli
from tests.tools import ROOT

# Made from the help itself, and records of what was once decided or not done.
_ELSEWHERE = (ROOT / "docs" / "reference" / "cli.md", ROOT / "docs" / "adr")
_FENCE = re.compile(r"^ *```[^\n]*\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
_IN_FENCE = re.compile(r"(?:^|[\s$(|])snapshotter ([a-z].*)")
_IN_TEXT = re.compile(r"`snapshotter ([a-z][^`]*)`")
# A remark in the next column, a comment, what the shell does next, what stands for more.
_END = re.compile(r"\s{3,}|\s#\s|\s?[;>&)]|\s\|\s|…")


def _pages() -> list[Path]:
    pages = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")]
    pages += [*(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*.md")]
    return [page for page in pages if not any(page.is_relative_to(other) for other in _ELSEWHERE)]


def _commands(page: Path) -> Iterator[list[str]]:
    text = page.read_text(encoding="utf-8")
    shown = [
        found[1]
        for block in _FENCE.findall(text)
        for line in re.sub(r"\\\n\s*", " ", block).splitlines()
        if (found := _IN_FENCE.search(line))
    ]
    shown += [code.replace("\n", " ") for code in _IN_TEXT.findall(_FENCE.sub("", text))]
    for command in shown:
        plain = _END.split(command)[0].replace("[", " ").replace("]", " ")
        try:
            words = shlex.split(plain)
        except ValueError:  # a quotation that goes on behind what was cut off
            words = plain.split()
        yield from _each(words)


def _each(words: list[str]) -> Iterator[list[str]]:
    """Yield a command for each of `place|lift`."""
    for index, word in enumerate(words):
        if re.fullmatch(r"[a-z-]+(\|[a-z-]+)+", word):
            for part in word.split("|"):
                yield from _each([*words[:index], part, *words[index + 1 :]])
            return
    if words and words[0] != "status":  # as docs/reference/batch.md calls a column
        yield words


def _problem(words: list[str]) -> str:
    """Return what is wrong with a command; "" for nothing."""
    context = click.Context(cli, info_name="snapshotter", **cli.context_settings)
    command: click.Command = cli
    known = _options(command, context)
    path: list[str] = []
    for number, word in enumerate(words):
        if isinstance(command, click.Group) and not word.startswith("-"):
            if word.isupper():  # `snapshotter COMMAND --help`
                return ""
            inner = command.get_command(context, word)
            if inner is None:
                return f"there is no command {' '.join([*path, word])}"
            path.append(word)
            context = click.Context(inner, info_name=word, parent=context, **inner.context_settings)
            command, known = inner, _options(inner, context)
        elif context.ignore_unknown_options and re.match(r"-[a-z]", word):
            continue  # an argument: `search -draft` excludes a word
        elif re.match(r"-{1,2}[a-z]", word) and word.partition("=")[0].rstrip(".,:") not in known:
            return f"{' '.join(path)} has no option {word} ({number})"
    return ""


def _options(command: click.Command, context: click.Context) -> set[str]:
    found = command.get_params(context)
    return {name for parameter in found for name in (*parameter.opts, *parameter.secondary_opts)}


def test_every_command_that_the_documentation_shows_is_one() -> None:
    shown = [(page, words) for page in _pages() for words in _commands(page)]
    wrong = {
        f"{page.relative_to(ROOT)}: snapshotter {' '.join(words)}: {problem}"
        for page, words in shown
        if (problem := _problem(words))
    }

    assert wrong == set()
    assert len(shown) > 200, "commands are not found any more: this test would see nothing"


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ("capture https://a.test --lock-days 3", ""),
        ("hold place B --matter x", ""),
        ("hold placed B", "no command hold placed"),
        ("capture https://a.test --lock-day 3", "capture has no option --lock-day"),
        ("audit --policy FILE", "audit has no option --policy"),
        ("search a -draft", ""),
        ("search a --draft", "search has no option --draft"),
    ],
)
def test_a_command_that_is_none_would_be_seen(command: str, problem: str) -> None:
    found = _problem(command.split())

    assert problem in found if problem else not found
