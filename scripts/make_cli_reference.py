"""
Write docs/reference/cli.md from the commands' own help, and docs/reference/known-limits.md.

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
from snapshotter.model.known_limits import KNOWN_LIMITS  # noqa: E402

REFERENCE = ROOT / "docs" / "reference" / "cli.md"
KNOWN = ROOT / "docs" / "reference" / "known-limits.md"
COLUMNS = 100

_HEAD = """\
# Command line

Made by `scripts/make_cli_reference.py` from the commands' own help: change the help, not this page.

The result goes to stdout, everything else to stderr. [Exit codes](exit-codes.md) and
[JSON output](json.md) are promises. What an option leaves out comes from the
[configuration](configuration.md).
"""

_KNOWN_HEAD = """\
# Known errors and limits

Made by `scripts/make_cli_reference.py` from `snapshotter/model/known_limits.py`. Each
[draft of a declaration](../howto/report.md#draft-a-declaration) contains this list.
What no capture can prove is [another list](../explanation/what-a-capture-proves.md).
"""


def reference() -> str:
    """Return the page: one section a command, in the order of their names."""
    sections = [_HEAD]
    for name, text in _helps(
        cli, click.Context(cli, info_name="snapshotter", **cli.context_settings)
    ):
        sections.append(f"## {name}\n\n```text\n{text}\n```\n")
    return "\n".join(sections)


def known_limits() -> str:
    """Return the page with the known errors and limits of this version."""
    return "\n".join([_KNOWN_HEAD, *(f"- {text}" for text in KNOWN_LIMITS), ""])


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
    KNOWN.write_text(known_limits(), encoding="utf-8")
