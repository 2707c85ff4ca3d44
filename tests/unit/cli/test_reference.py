"""What docs/reference/cli.md promises: the help of every command, as it is today."""

import re
import subprocess
import sys

import click
from click.testing import CliRunner

from scripts.make_cli_reference import KNOWN, REFERENCE, ROOT, known_limits, reference
from snapshotter.cli.keys import keys
from snapshotter.cli.main import COMMANDS, cli


def _reference() -> str:
    """
    The page, as a fresh interpreter makes it.

    click keeps a command's help option from its first use: a command that another test
    has called without its group shows another help for the rest of the process.
    """
    program = "import sys; from scripts.make_cli_reference import reference; " + (
        "sys.stdout.buffer.write(reference().encode())"
    )
    made = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, check=True, timeout=60
    )
    return made.stdout.decode()


def test_the_command_line_reference_is_as_the_commands_say() -> None:
    assert REFERENCE.read_text(encoding="utf-8") == _reference(), (
        "write it again: python scripts/make_cli_reference.py"
    )


def test_the_page_of_known_limits_is_the_list_that_declaration_drafts_contain() -> None:
    assert KNOWN.read_text(encoding="utf-8") == known_limits(), (
        "write it again: python scripts/make_cli_reference.py"
    )


def test_what_other_tests_called_before_does_not_show() -> None:
    CliRunner().invoke(keys, ["list", "--help"])  # without the group that adds -h

    assert REFERENCE.read_text(encoding="utf-8") == _reference()


def test_the_reference_has_a_section_for_every_command_and_subcommand() -> None:
    sections = set(re.findall(r"^## (snapshotter.*)$", reference(), re.MULTILINE))
    expected = {"snapshotter"} | {f"snapshotter {name}" for name in COMMANDS}
    context = click.Context(cli)
    for name in COMMANDS:
        command = cli.get_command(context, name)
        if isinstance(command, click.Group):
            expected |= {f"snapshotter {name} {inner}" for inner in command.commands}

    assert sections == expected
    assert len(sections) > len(COMMANDS) + 1, "no group has commands: this test would see nothing"


def test_every_command_shows_how_it_is_used() -> None:
    sections = re.split(r"^## ", reference(), flags=re.MULTILINE)[1:]

    assert [
        section.splitlines()[0] for section in sections if "Usage: snapshotter" not in section
    ] == []
