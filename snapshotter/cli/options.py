"""
Declare options that several commands share: the store, a second store's endpoint, the trust file
and its root key, the lock mode, tags and cases of captures, the wait before missing objects or
files are looked for again, and the completion of policies and cases.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from snapshotter.errors import SnapshotterError
from snapshotter.translation import tr

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

store_option = click.option(
    "--store", metavar="DIR|s3://…", help="Store with the bundles.  [default: captures]"
)

lock_mode_option = click.option(
    "--lock-mode",
    type=click.Choice(["GOVERNANCE", "COMPLIANCE"]),
    help="Mode of S3 Object Lock; a COMPLIANCE lock cannot be shortened.  [default: the mode of "
    "the policy, else GOVERNANCE]",
)


def complete_policy(
    ctx: click.Context, parameter: click.Parameter, typed: str
) -> "list[CompletionItem]":
    """Return the policies whose names begin as they were typed, else files."""
    from snapshotter.cli import suggestions  # only where a shell asks

    return suggestions.complete_policy(ctx, typed)


def complete_case(
    ctx: click.Context, parameter: click.Parameter, typed: str
) -> "list[CompletionItem]":
    """Return the cases of the store whose names begin as they were typed."""
    from snapshotter.cli import suggestions  # only where a shell asks

    return suggestions.complete_case(ctx, typed)


trust_option = click.option(
    "--trust",
    "trust_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Trust file. The signature file of the trust file must be in the same folder.",
)

root_key_option = click.option(
    "--root-key",
    metavar="KEY-ID",
    help="Key id of the root key, as the owner of the trust file published it.",
)


def endpoint_option(what: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the option for the S3 endpoint of a second store."""
    return click.option(
        "--endpoint",
        metavar="URL",
        help=f"S3 endpoint of {what}, if {what} is at another endpoint than the store.",
    )


def recheck_option(missing: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the option for the wait before a second look for missing objects or files."""
    return click.option(
        "--recheck-after",
        type=click.IntRange(0, 3_600),
        default=5,
        show_default=True,
        metavar="SECONDS",
        help=(
            f"Wait this many seconds before the command looks for missing {missing} a second time."
        ),
    )


def missing_trust_file(message: str, command: str) -> SnapshotterError:
    """
    Return the error of a command that needs a trust file.

    Args:
        command: The command as the user gave it, without options.
    """
    return SnapshotterError(
        message,
        hint=tr(
            "give the trust file and the key id of its root key, as in the last command. If you "
            "have no trust file, the other commands make one, with your signing key and a "
            "timestamp authority:\n  snapshotter trust init trust.json\n  snapshotter keys export "
            "default | snapshotter trust add-key trust.json - --owner NAME\n  snapshotter trust "
            "add-tsa trust.json --name NAME --root ROOT.pem\n  {command} --trust trust.json "
            "--root-key KEY-ID",
            command=command,
        ),
    )


tag_option = click.option(
    "--tag", "tags", multiple=True, metavar="TEXT", help="Tag the captures; may be repeated."
)
case_option = click.option(
    "--case",
    "cases",
    multiple=True,
    shell_complete=complete_case,
    metavar="NAME",
    help="Add the captures to this case; may be repeated. The case must exist.",
)


def label_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options for tags and cases of captures (`cli/labels.py`)."""
    return tag_option(case_option(command))
