"""
Write docs/reference/cli.md from the commands' own help.

    python scripts/make_cli_reference.py

tests/unit/cli/test_reference.py fails when that was forgotten.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from snapshotter.cli.main import cli  # noqa: E402  the checkout's own, installed or not

REFERENCE = ROOT / "docs" / "reference" / "cli.md"
COLUMNS = 100

_HEAD = """\
# Command line

Made by `scripts/make_cli_reference.py` from the commands' own help: change the help, not this page.

The result goes to stdout, everything else to stderr. [Exit codes](exit-codes.md) and
[JSON output](json.md) are promises. What an option leaves out comes from the
[configuration](configuration.md).
"""


def reference() -> str:
    """Return the page: one section a command, in the order of their names."""
    sections = [_HEAD]
    for name, text in _helps(
        cli, click.Context(cli, info_name="snapshotter", **cli.context_settings)
    ):
        sections.append(f"## {name}\n\n```text\n{text}\n```\n")
    return "\n".join(sections)


def _helps(command: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    # The width of whoever runs this must not show.
    context.terminal_width = context.max_content_width = COLUMNS
    yield context.command_path, command.get_help(context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is None:
                raise LookupError(f"{context.command_path} lists {name} and does not have it")
            yield from _helps(inner, click.Context(inner, info_name=name, parent=context))


if __name__ == "__main__":
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    REFERENCE.write_text(reference(), encoding="utf-8")
