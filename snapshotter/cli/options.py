"""
Declare options that several commands share: the store, the trust file and its root key, the lock
mode, and the wait before missing objects or files are looked for again.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

store_option = click.option("--store", metavar="DIR|s3://…", help="The store.  [default: captures]")

lock_mode_option = click.option(
    "--lock-mode",
    type=click.Choice(["GOVERNANCE", "COMPLIANCE"]),
    help="COMPLIANCE: nobody can undo it.  [default: as the policy says, GOVERNANCE]",
)

trust_option = click.option(
    "--trust",
    "trust_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Trust file; its signature stands beside it.",
)

root_key_option = click.option(
    "--root-key", metavar="KEY-ID", help="The key id that the trust file's owner published."
)


def recheck_option(missing: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the option for the wait before a second look for missing objects or files."""
    return click.option(
        "--recheck-after",
        type=click.IntRange(0, 3_600),
        default=5,
        show_default=True,
        metavar="SECONDS",
        help=f"How long to wait before missing {missing} are looked for again.",
    )
