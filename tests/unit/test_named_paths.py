"""Every file, folder, module and decision that a docstring, a comment or a page names exists."""

import re
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

from tests.unit.test_repository import ROOT, tracked_files

# The change log names files of earlier versions. Test vectors hold captured content.
NOT_READ = ("CHANGELOG.md", "LICENSE", "tests/vectors/*", "requirements/*")
KINDS = {".py", ".md", ".sh", ".toml", ".yaml", ".yml", ".css", ".html", ".js", ".service", ""}

# What looks like a path of ours, and why it is none.
OTHERS = {
    "hashlib.py": "a module of Python",
    "policies/our-forum.toml": "written by the reader of a how-to",
    "policies/our-forum-rules.toml": "written by the reader of a how-to",
    "snapshotter.invalid": "a host in examples",
    "snapshotter.toml": "the settings file",
    "snapshotter/_policies": "in the wheel alone",
    "snapshotter/_scripts/verify_minimal.py": "in the wheel alone",
    "snapshotter/reading-rules": "the name of a format",
    "snapshotter/snapshotter.json": "a profile in the kubelet's folder",
    "snapshotter/takedown-rules": "the name of a format",
    "tests/unit/jobs/tables-NUMBER.json": "a pattern of names",
}

# A docstring begins a line; a comment has its line to itself, or two spaces before it.
PROSE = re.compile(r'^ *""".*?"""|(?:^ *|  )# .*?$', re.MULTILINE | re.DOTALL)
# The value of a name: help with examples, or data.
VALUE = re.compile(r'= """.*?"""', re.DOTALL)

TOP = "docs|tests|scripts|deploy|policies|requirements|snapshotter"
# A path from the top of the repository: a file, a folder, or the first letters of a name.
FROM_TOP = re.compile(rf"(?<![\w/.<>-])(?:{TOP})/[\w.*/-]*[\w*/]")
# A source file or a page, by its name or by the last part of its path.
SOURCE = re.compile(r"(?<![\w/.<>*{}$-])(?:[\w.-]+/)*[\w-]+\.(?:py|md|sh)(?![\w/(])")
MODULE = re.compile(r"(?<![\w/.-])snapshotter(?:\.[a-z_]\w*)+")
DECISION = re.compile(r"\bADR \d+")


def texts(path: Path) -> list[str]:
    """
    Return what a person reads of a file: of Python code, its docstrings and comments.

    They are found by how this repository formats them, because a parser takes ten times as long.
    """
    text = path.read_text(encoding="utf-8")
    return PROSE.findall(VALUE.sub("", text)) if path.suffix == ".py" else [text]


def is_module(name: str) -> bool:
    """Return whether a dotted name is a package, a module, or something in a module."""
    path = ROOT.joinpath(*name.split("."))
    return path.is_dir() or any(place.with_suffix(".py").exists() for place in (path, path.parent))


def test_every_path_that_a_text_names_exists() -> None:
    tracked = tracked_files()
    names = [relative(path) for path in tracked]
    endings = {part for name in names for part in endings_of(name)}
    counts = dict.fromkeys(("path", "source", "module", "decision"), 0)
    wrong = []

    def look(file: Path, kind: str, name: str, exists: bool) -> None:
        counts[kind] += 1
        if not exists and name not in OTHERS:
            wrong.append(f"{relative(file)}: {name}")

    for file in tracked:
        if file.suffix not in KINDS or any(
            fnmatch(relative(file), pattern) for pattern in NOT_READ
        ):
            continue
        for text in texts(file):
            for name in FROM_TOP.findall(text):
                found = any(name == known[: len(name)] or fnmatch(known, name) for known in names)
                look(file, "path", name, found or name in endings or any(file.parent.glob(name)))
            for name in SOURCE.findall(text):
                look(file, "source", name, name in endings or (file.parent / name).exists())
            for name in MODULE.findall(text) if file.suffix in (".py", ".md") else ():
                look(file, "module", name, is_module(name))
            for name in DECISION.findall(text):
                number = int(name.removeprefix("ADR "))
                look(file, "decision", name, any(ROOT.glob(f"docs/adr/{number:04}-*.md")))

    assert min(counts.values()) > 4, f"this test reads almost nothing: {counts}"
    assert counts["path"] + counts["source"] > 1000, counts
    assert sorted(set(wrong)) == []


def endings_of(name: str) -> Iterator[str]:
    """Yield a path, and what is left of it without its first folders."""
    while name:
        yield name
        _, _, name = name.partition("/")


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))
