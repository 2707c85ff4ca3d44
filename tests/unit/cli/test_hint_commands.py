"""Commands in hints work when they are pasted: in the store that the command line named."""

from pathlib import Path

import click
import pytest

from snapshotter.cli.hint_commands import STORE_COMMANDS, with_store
from snapshotter.cli.main import COMMANDS, cli
from tests.unit.cli.bundle_shell import BundleShell


def test_the_commands_that_have_a_store_are_known() -> None:
    context, found = click.Context(cli), set[str]()
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        inner = command.commands if isinstance(command, click.Group) else {}
        for full, one in ((name, command), *((f"{name} {sub}", inner[sub]) for sub in inner)):
            if any("--store" in parameter.opts for parameter in one.params):
                found.add(full)

    assert found == STORE_COMMANDS


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("  snapshotter list", "  snapshotter list --store 'my store'"),
        ("  snapshotter case create a", "  snapshotter case create --store 'my store' a"),
        ("  .venv/bin/snapshotter open ID", "  .venv/bin/snapshotter open --store 'my store' ID"),
        ("  snapshotter store add x.wacz", "  snapshotter store add --store 'my store' x.wacz"),
        ("  snapshotter verify x.wacz", "  snapshotter verify x.wacz"),
        ("  snapshotter list --store b", "  snapshotter list --store b"),
        ("  snapshotter keys list", "  snapshotter keys list"),
        ("  snapshotter worker list", "  snapshotter worker list"),
        ("  snapshotter worker", "  snapshotter worker --store 'my store'"),
        ("list the captures: snapshotter list", "list the captures: snapshotter list"),
        ("  snapshotter", "  snapshotter"),
        ("", ""),
    ],
)
def test_a_line_that_is_a_command_gets_the_store(line: str, expected: str) -> None:
    assert with_store(line, "my store") == expected


def test_hints_repeat_the_store_of_the_command_line(shell: BundleShell, tmp_path: Path) -> None:
    other = tmp_path / "my store"
    (tmp_path / "captures").rename(other)
    assert shell.run("case", "create", "--store", other, "harbour") == 0
    assert f"\n  snapshotter case add --store '{other}' harbour ID" in shell.out
    assert shell.run("case", "add", "--store", other, "quay", "latest") == 1
    assert f"\n  snapshotter case create --store '{other}' quay" in shell.err
    other.rename(tmp_path / "captures")
    assert shell.run("case", "add", "quay", "latest") == 1
    assert "\n  snapshotter case create quay" in shell.err
