"""Declare `--tag` and `--case` of the commands that capture, and record them."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from snapshotter.cli.options import complete_case
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.app.settings import Settings

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
    """Add both options."""
    return tag_option(case_option(command))


def checked_labels(
    settings: "Settings", tags: Sequence[str], cases: Sequence[str]
) -> tuple[str, ...]:
    """
    Return the labels of captures; nothing is loaded and read if there are none.

    Raises:
        UsageError: A tag or the name of a case is invalid.
        SnapshotterError: A case does not exist or is closed.
    """
    if not tags and not cases:
        return ()
    from snapshotter.app.archive import capture_labels
    from snapshotter.app.wiring import store as wiring_store

    try:
        found = capture_labels.labels(tags, cases)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if cases:
        capture_labels.require_cases(wiring_store.store(settings), found)
    return found


def record_labels(settings: "Settings", labels: Sequence[str], bundle_ids: Sequence[str]) -> None:
    """Record the labels of stored captures; print what could not be recorded."""
    if not labels or not bundle_ids:
        return
    from snapshotter.app.archive import capture_labels
    from snapshotter.app.wiring import annotations as wiring
    from snapshotter.cli.key_options import ask_passphrase
    from snapshotter.cli.output import print_message

    problems = capture_labels.label_captures(
        wiring.opener(settings, ask=ask_passphrase, show_message=print_message), labels, bundle_ids
    )
    for problem in problems:
        print_message(problem)
    if not problems:
        print_message(
            tr(
                "recorded for {count} captures: {labels}",
                count=len(bundle_ids),
                labels=", ".join(labels),
            )
        )
