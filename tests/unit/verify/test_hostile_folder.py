"""Commands of verification, called in an exhibit's folder: nothing of the folder runs."""

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.hostile_folder import HostileFolder, plant
from tests.tools import ROOT, system_tool

VECTORS = ROOT / "tests" / "vectors"
TRUST = VECTORS / "trust"
PIN = (TRUST / "root-key-id.txt").read_text().strip()
MINIMAL = ROOT / "scripts" / "verify_minimal.py"
ID = "20261124t214301z-abcdefghijklmnop"  # as the documentation has BUNDLE-ID


@dataclass(frozen=True)
class Bench:
    """An exhibit among what may not run, the same exhibit alone, and the installed commands."""

    hostile: HostileFolder
    alone: Path
    commands: Path
    home: Path

    def run(
        self, *command: str | Path, folder: Path | None = None, path: str = ""
    ) -> tuple[int, str]:
        done = subprocess.run(
            [str(argument) for argument in command],
            cwd=folder or self.hostile.path,
            env={
                "HOME": str(self.home),
                "PATH": f"{path}{self.commands}:{os.environ['PATH']}",
                "SNAPSHOTTER_DATA_DIR": str(self.home / "data"),
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = tmp_path_factory.mktemp("hostile")
    commands, home = folder / "bin", folder / "home"
    for path in (commands, home):
        path.mkdir()
    # As pip writes them for [project.scripts].
    for name, entry in (
        ("snapshotter", "snapshotter.__main__:entry"),
        ("snapshotter-verify", "snapshotter.verify.__main__:main"),
    ):
        assert f'{name} = "{entry}"' in (ROOT / "pyproject.toml").read_text()
        module, _, function = entry.partition(":")
        script = commands / name
        script.write_text(
            f"#!{sys.executable}\nimport sys\nfrom {module} import {function}\n"
            f"if __name__ == '__main__':\n    sys.exit({function}())\n"
        )
        script.chmod(0o755)
    (commands / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (commands / "python").chmod(0o755)
    shutil.copy(MINIMAL, home)
    for place in ("alone", "exhibit"):
        _exhibit(folder / place)
    return Bench(plant(folder / "exhibit"), folder / "alone", commands, home)


def _exhibit(folder: Path) -> None:
    """Write what the documentation's commands name."""
    folder.mkdir()
    for source, target in (
        (VECTORS / "v1-good" / "bundle.wacz", "exhibit.wacz"),
        (VECTORS / "changed-data" / "bundle.wacz", "altered.wacz"),
        (VECTORS / "v1-good" / "bundle.wacz", "BUNDLE.wacz"),
        (VECTORS / "token-late" / "bundle.wacz", f"{ID}.wacz"),
        (VECTORS / "token-late" / "bundle.wacz.late-01.tsr", f"{ID}.wacz.late-01.tsr"),
        (TRUST / "signer.pem", "KEY.pem"),
        (TRUST / "authority-root.pem", "ROOT.pem"),
        (TRUST / "trust.json", "trust.json"),
        (TRUST / "trust.json.sig", "trust.json.sig"),
        (MINIMAL, "verify_minimal.py"),
    ):
        shutil.copy(source, folder / target)


_JUDGED = ("--trust", "trust.json", "--root-key", PIN)
_PROGRAMS = {
    "snapshotter": ("snapshotter", "verify", *_JUDGED),
    "snapshotter as a module": ("python", "-I", "-m", "snapshotter", "verify", *_JUDGED),
    "the verifier alone": ("snapshotter-verify", *_JUDGED),
    "the verifier as a module": ("python", "-I", "-m", "snapshotter.verify", *_JUDGED),
    "the minimal verifier": ("python3", "-I", "verify_minimal.py", *_JUDGED),
    "the minimal verifier without -I": ("python", "verify_minimal.py", *_JUDGED),
}


@pytest.mark.parametrize("command", _PROGRAMS.values(), ids=_PROGRAMS)
def test_no_verifier_runs_what_lies_in_the_folder_and_each_says_what_it_says_elsewhere(
    bench: Bench, command: tuple[str, ...]
) -> None:
    good, said = bench.run(*command, "exhibit.wacz")
    altered = bench.run(*command, "altered.wacz")

    assert bench.hostile.ran == []
    assert (good, altered[0]) == (0, 10), said
    assert altered == bench.run(*command, "altered.wacz", folder=bench.alone)


def test_openssl_is_not_taken_from_the_folder_by_a_dot_on_the_path(bench: Bench) -> None:
    command = (sys.executable, "-I", "verify_minimal.py", *_JUDGED, "exhibit.wacz")

    assert bench.run(*command, path=".::")[0] == 0
    assert bench.hostile.ran == []


@pytest.mark.parametrize("module", ["snapshotter", "snapshotter.verify"])
def test_who_forgets_that_python_is_to_be_isolated_runs_no_module_that_ours_import(
    bench: Bench, tmp_path: Path, module: str
) -> None:
    """What Python itself imports before us can not be kept out: docs/howto/verify-without-us.md."""
    folder = tmp_path / "exhibit"
    _exhibit(folder)
    hostile = plant(folder, modules=("hashlib", "json", "argparse", "datetime", "struct", "zlib"))
    words = ("verify",) if module == "snapshotter" else ()

    code, said = bench.run("python", "-m", module, *words, *_JUDGED, "altered.wacz", folder=folder)

    assert (code, hostile.ran) == (10, []), said


def test_the_processes_of_an_audit_run_nothing_of_the_folder(bench: Bench, tmp_path: Path) -> None:
    """`multiprocessing` starts them with `python -c`, which looks into the working directory."""
    folder = tmp_path / "exhibit"
    folder.mkdir()
    hostile = plant(folder)
    (folder / "snapshotter.toml").unlink()  # an audit reads it, and refuses what it sets
    stored = folder / "captures" / "bundles" / "2026" / "11" / "24"
    stored.mkdir(parents=True)
    for number in range(60):  # fewer are read by one process
        id_ = f"20261124t2143{number:02}z-abcdefghijklmnop"
        shutil.copy(VECTORS / "v1-good" / "bundle.wacz", stored / f"{id_}.wacz")

    code, said = bench.run("snapshotter", "audit", "--no-report", "--jobs", "2", folder=folder)

    assert hostile.ran == []
    assert code in (10, 11), said
    assert "bundles  60 of 60 read" in said


# --- what the documentation shows --------------------------------------------------------------

_FENCE = re.compile(r"^```[a-z]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_VERIFIES = re.compile(r"unzip |verify_minimal|snapshotter[.-]verify|sha256sum --strict")
_T = "openssl ts -reply -in {} -text | sed -n 's/^Time stamp: //p'"
_SUMS_OF_SIDECARS = "for n in 1 2; do echo '{}' > exhibit.wacz.custody-000$n.jsonl; done\n"


@dataclass(frozen=True)
class Shown:
    """A block of commands in the documentation: what goes before it, stands for it, and is said."""

    page: str
    begins: str
    before: str = ""
    instead: tuple[tuple[str, str], ...] = ()
    says: tuple[str, ...] = ()


_OPENSSL_SAYS = ("Verified OK", "Verification: OK")
_SHOWN = (
    Shown(
        page="README.md",
        begins="pip install dist",
        instead=(("pip install .*\n", ""), ("BUNDLE.wacz", "exhibit.wacz")),
        says=("PASSED",),
    ),
    Shown(
        page="docs/howto/verify-without-us.md",
        begins="W=$PWD/exhibit.wacz",
        says=("plain names", "files as signed", *_OPENSSL_SAYS),
    ),
    Shown(
        page="docs/howto/verify-without-us.md",
        begins="python3 -I verify_minimal.py",
        says=("PASSED",),
    ),
    Shown(
        page="docs/howto/verify-without-us.md",
        begins="snapshotter log prove",
        # The log is another's, and of an event the whole verifier is needed: here its program is.
        instead=((r"snapshotter log prove.*\n", ""), ("EVENT-ID.json", "exhibit.wacz")),
        says=("PASSED",),
    ),
    Shown(
        page="docs/howto/check-a-proof-pack.md",
        begins="pip install .",
        instead=(("pip install .*\n", ""), ("proof.html", "exhibit.wacz")),
        says=("PASSED",),
    ),
    Shown(
        page="docs/howto/check-a-proof-pack.md",
        begins="python3 -I verify_minimal.py",
        instead=(("proof.html", "exhibit.wacz"),),
        says=("PASSED",),
    ),
    Shown(
        page="docs/howto/check-a-proof-pack.md",
        begins="python3 -I ~/verify_minimal.py",
        before="cp exhibit.wacz part-01.wacz\n",
        says=("PASSED",),
    ),
    Shown(
        page="docs/howto/sealed-without-a-token.md",
        begins="unzip -p BUNDLE-ID.wacz",
        before=f"at=$({_T.format(f'{ID}.wacz.late-01.tsr')})\n",
        instead=(("BUNDLE-ID", ID), ("SECONDS", '$(date -u -d "$at" +%s)')),
        says=("Verification: OK",),
    ),
    Shown(
        page="docs/spec/custody.md",
        begins="unzip -p $W capture/custody.jsonl",
        before=f"W=exhibit.wacz\n{_SUMS_OF_SIDECARS}",
    ),
)
# Run in such a folder by another test, or no verification.
_ELSEWHERE = {
    (
        "docs/howto/check-a-proof-pack.md",
        "P=$PWD/proof.html",
    ): "tests/unit/verify/test_proof_pack.py",
    ("docs/spec/server-signature.md", "unzip -p"): "tests/interop/test_tls_openssl.py",
    ("docs/howto/keep-streams.md", "unzip -p"): "opens what is encrypted for its reader",
    ("docs/spec/validation.md", "{"): "an example of JSON, without commands",
}


@pytest.mark.parametrize("shown", _SHOWN, ids=lambda page: f"{page.page} {page.begins}")
def test_what_the_documentation_types_runs_nothing_of_the_folder(
    bench: Bench, tmp_path: Path, shown: Shown
) -> None:
    for tool in ("bash", "unzip", "sha256sum", "openssl", "cmp"):
        system_tool(tool)
    folder = tmp_path / "exhibit"
    _exhibit(folder)
    hostile = plant(folder)
    (block,) = (
        text for page, text in _blocks() if page == shown.page and text.startswith(shown.begins)
    )
    for pattern, text in (*shown.instead, ("KEY-?ID", PIN)):
        block = re.sub(pattern, text, block)

    code, said = bench.run("bash", "-euo", "pipefail", "-c", shown.before + block, folder=folder)

    assert hostile.ran == []
    assert code == 0, said
    for words in shown.says:
        assert words in said


def _blocks() -> Iterator[tuple[str, str]]:
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))):
        for block in _FENCE.findall(page.read_text(encoding="utf-8")):
            yield str(page.relative_to(ROOT)), block


def test_every_block_of_commands_that_verifies_is_tried_in_such_a_folder() -> None:
    tried = {(page.page, page.begins) for page in _SHOWN} | set(_ELSEWHERE)
    found = [block for block in _blocks() if _VERIFIES.search(block[1]) and block[0] != _TREE]
    unknown = [
        (page, block.splitlines()[0])
        for page, block in found
        if not any(page == known and block.startswith(begins) for known, begins in tried)
    ]

    assert unknown == []
    assert len(found) >= len(tried)


_TREE = "docs/reference/cli.md"  # made from the help, in which no other program is called
# A call of Python that verifies and is not isolated.
_NOT_ISOLATED = re.compile(
    r"\bpython[0-9.]*\s(?!\s*-I\b)[^`|;&]{0,40}?(-m\s+snapshotter\b|verify_minimal\.py|-c\s)"
)


def _documented() -> Iterator[tuple[Path, str]]:
    """Yield all texts in which people read how to verify: pages, help, docstrings, templates."""
    for place, pattern in (
        (ROOT, "*.md"),
        (ROOT / "docs", "**/*.md"),
        (ROOT / "deploy", "**/*"),
        (ROOT / "snapshotter", "**/*.py"),
        (ROOT / "snapshotter", "**/*.j2"),
        (ROOT / "scripts", "verify_minimal.py"),
    ):
        for path in sorted(place.glob(pattern)):
            # Nobody types what the history of changes says.
            if path.is_file() and path.name != "CHANGELOG.md" and "__pycache__" not in path.parts:
                yield path, path.read_text(encoding="utf-8")


def test_python_is_isolated_wherever_it_is_said_how_to_verify() -> None:
    texts = list(_documented())
    wrong = [
        (str(path.relative_to(ROOT)), found[0])
        for path, text in texts
        for found in _NOT_ISOLATED.finditer(re.sub(r"[\s#]+", " ", text))
    ]

    assert wrong == []
    assert sum("-I -m snapshotter.verify" in text for _, text in texts) >= 4
    assert sum("-I verify_minimal.py" in text for _, text in texts) >= 2


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("python -m snapshotter.verify FILE", True),
        ("`python3 -m snapshotter verify FILE`", True),
        ("python3.11 -B verify_minimal.py FILE", True),
        ("python3 -c 'import hashlib'", True),
        ("python -I -m snapshotter.verify FILE", False),
        ("python3 -I verify_minimal.py FILE", False),
        ("python3 -m venv /opt", False),
    ],
)
def test_a_call_that_is_not_isolated_would_be_seen(text: str, seen: bool) -> None:
    assert (_NOT_ISOLATED.search(text) is not None) is seen


# --- the minimal verifier ----------------------------------------------------------------------


def test_the_minimal_verifier_leaves_its_folder_out_before_it_imports_anything() -> None:
    """`from __future__` would have to be its first line, and is an import like any other."""
    tree = ast.parse(MINIMAL.read_text(encoding="utf-8"))
    _, first, guard, *rest = tree.body

    assert isinstance(first, ast.Import)
    assert [alias.name for alias in first.names] == ["sys"]
    assert isinstance(guard, ast.If)
    assert ast.unparse(guard.body[0]) == "del sys.path[0]"
    assert not any(
        isinstance(statement, ast.ImportFrom) and statement.module == "__future__"
        for statement in rest
    )


def test_the_minimal_verifier_can_be_read_by_python_3_9() -> None:
    """Without `from __future__ import annotations`, which it can not have."""
    tree = ast.parse(MINIMAL.read_text(encoding="utf-8"), feature_version=(3, 9))
    annotations = [
        default
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        for default in (
            node.returns,
            *(
                argument.annotation
                for argument in ast.walk(node.args)
                if isinstance(argument, ast.arg)
            ),
        )
    ]
    annotations += [
        statement.annotation
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef | ast.Module)
        for statement in node.body
        if isinstance(statement, ast.AnnAssign)
    ]

    later = [
        ast.unparse(annotation)
        for annotation in annotations
        if annotation is not None
        and any(
            isinstance(node, ast.BinOp)
            or (isinstance(node, ast.Subscript) and ast.unparse(node.value) == "array")
            for node in ast.walk(annotation)
        )
    ]

    assert later == []
    assert len(annotations) > 300
