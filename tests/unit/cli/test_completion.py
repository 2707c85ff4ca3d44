"""Completion in the shell: commands, ids, cases and policies."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from snapshotter.cli.main import COMMANDS, cli
from tests.unit.cli.bundle_shell import BundleShell
from tests.unit.cli.shell import Shell


def _complete(*words: str) -> dict[str, str | None]:
    """Return what the last word can be completed to, with descriptions."""
    found = ShellComplete(cli, {}, "snapshotter", "X").get_completions(list(words[:-1]), words[-1])
    return {str(item.value): item.help for item in found if item.type == "plain"}


def _is_file(*words: str) -> bool:
    found = ShellComplete(cli, {}, "snapshotter", "X").get_completions(list(words[:-1]), words[-1])
    return [item.type for item in found] == ["file"]


def test_commands_are_completed_without_being_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("snapshotter.cli.keys")]:
        monkeypatch.delitem(sys.modules, name)

    assert _complete("k") == {"keys": COMMANDS["keys"][2]}

    assert "snapshotter.cli.keys" not in sys.modules
    assert "--all" in _complete("show", "--")


def test_ids_are_completed_with_their_titles(shell: BundleShell) -> None:
    day, short = shell.id[:8], shell.id[-8:]

    assert list(_complete("show", "")) == ["latest", shell.id]
    assert (_complete("show", day)[shell.id] or "").endswith(" UTC  A page")
    assert list(_complete("hold", "list", short[:3])) == [short]
    random = shell.id[-16:]
    assert list(_complete("show", random[:4])) == [random[:8]]
    assert list(_complete("show", random[:9])) == [random]
    assert _complete("show", "99") == {}
    assert list(_complete("show", "--store", "captures", day)) == [shell.id]
    assert list(_complete("show", "--store", "nowhere", day)) == []
    assert _complete("show", "--store", "s3://a-bucket", "") == {}
    assert _is_file("show", "./a")
    assert _is_file("verify", "exhibit.w")


def test_a_part_of_digits_is_no_date_if_no_id_begins_with_it(shell: BundleShell) -> None:
    copy = Path(f"captures/bundles/2020/01/01/20200101t000000z-{'b' * 8}46625555.wacz")
    copy.parent.mkdir(parents=True)
    copy.write_bytes(shell.bytes)

    assert list(_complete("show", "4662")) == ["46625555"]
    assert list(_complete("show", "2020")) == [copy.stem]


def test_a_hostile_title_cannot_steer_the_terminal_that_completes(shell: BundleShell) -> None:
    copy = Path(f"captures/bundles/2020/01/01/20200101t000000z-{'b' * 16}.wacz")
    copy.parent.mkdir(parents=True)
    copy.write_bytes(shell.bytes.replace(b"A page", b"A\x1b\n[2J"))

    assert all((text or "").isprintable() for text in _complete("show", "2020").values())


def test_cases_and_policies_are_completed(
    shell: BundleShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shell.run("case", "create", "harbour", "--title", "The harbour") == 0, shell.err
    own = shell.folder / "policies"
    own.mkdir()
    (own / "our-desk.toml").write_text('name = "our-desk"\n')
    monkeypatch.setenv("SNAPSHOTTER_POLICIES_DIR", str(own))

    assert _complete("case", "add", "h") == {"harbour": "The harbour"}
    assert list(_complete("note", "list", "--case", "")) == ["harbour"]
    assert list(_complete("list", "--case", "h")) == ["harbour"]
    assert list(_complete("capture", "--policy", "our")) == ["our-desk"]
    assert "default" in _complete("policy", "show", "d")
    assert "default" in _complete("worker", "--policy", "d")
    assert _is_file("capture", "--policy", "./x")


def test_what_cannot_be_read_completes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    Path("snapshotter.toml").write_text("no settings")

    assert _complete("hold", "list", "2") == {}
    assert _complete("case", "add", "") == {}


def test_bash_completes_with_the_printed_script(shell: Shell, tmp_path: Path) -> None:
    assert shell.run("completion", "bash") == 0
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "snapshotter"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m snapshotter "$@"\n')
    program.chmod(0o755)
    asks = "COMP_WORDS=(snapshotter cap); COMP_CWORD=1; _snapshotter_completion snapshotter; "

    answer = subprocess.run(
        ["bash", "-c", f'{shell.out}\n{asks}\necho "${{COMPREPLY[@]}}"'],
        env={**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}"},
        stdout=subprocess.PIPE, text=True, check=True, timeout=60,
    )  # fmt: skip

    assert answer.stdout == "capture\n"
    for name in ("zsh", "fish"):
        assert shell.run("completion", name) == 0
        assert "_SNAPSHOTTER_COMPLETE" in shell.out
        assert "snapshotter" in shell.out
    assert shell.run("completion", "csh") == 2
