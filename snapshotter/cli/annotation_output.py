"""
Open the annotations of a store for commands, and print what was recorded.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from snapshotter.app.json_objects.annotations import annotation_json
from snapshotter.cli.key_options import ask_passphrase, passphrase_file_option
from snapshotter.cli.object_id import BUNDLE_ID
from snapshotter.cli.options import store_option
from snapshotter.cli.output import format_time, print_json, print_message, print_result
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.app.archive.annotations import AnnotationService
    from snapshotter.app.archive.organising.cases import AnnotationChange
    from snapshotter.model.annotation_state import Decision, Note

_Command = Callable[..., Any]


def annotation_options(command: _Command) -> _Command:
    """Add the options that all commands have which record something."""
    command = click.option(
        "--json", "as_json", is_flag=True, help="Print one JSON object for each record."
    )(command)
    return store_option(passphrase_file_option(command))


def open_service(
    ctx: click.Context, store: str | None, passphrase_file: Path | None
) -> "AnnotationService":
    """Return what is needed to annotate captures of the store that the user named."""
    from snapshotter.app.wiring import annotations as wiring

    settings = ctx.obj.load(store=store or "", passphrase_file=str(passphrase_file or ""))
    return wiring.annotation_service(settings, ask=ask_passphrase, show_message=print_message)


def change_captures(
    ctx: click.Context,
    bundle_ids: tuple[str, ...],
    change: "Callable[[AnnotationService, Sequence[str]], AnnotationChange]",
    *,
    done: str,
    unchanged: str,
    store: str | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """
    Record something about captures, and print what was recorded.

    Args:
        bundle_ids: As the user gave them.
        change: The use case; called with the ids of the captures.
        done, unchanged: As for `print_change`.

    Raises:
        UsageError: The use case refuses a value.
    """
    service = open_service(ctx, store, passphrase_file)
    ids = BUNDLE_ID.resolve(service.store, bundle_ids)
    try:
        made = change(service, ids)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    print_change(made, done, unchanged, as_json=as_json)


def print_change(change: "AnnotationChange", done: str, unchanged: str, *, as_json: bool) -> None:
    """
    Print what was recorded.

    Args:
        done: A sentence about a changed capture, without its id.
        unchanged: The sentence if nothing had to be changed.
    """
    if not as_json and any(not record.author.name for record in change.records):
        print_message(
            tr(
                "the record names no person, and a name cannot be added later. To be named in your "
                "next records, set operator or pseudonym in the settings:\n  snapshotter init "
                "--user"
            )
        )
    for record in change.records:
        if as_json:
            print_json(annotation_json(record))
            continue
        for number, bundle_id in enumerate(record.bundles):
            exhibit = (
                tr("exhibit {number}: ", number=record.exhibits[number])
                if (record.exhibits)
                else ""
            )
            print_result(f"{bundle_id}  {exhibit}{done}")
        if not record.bundles:
            print_result(done)
    if as_json:
        return
    for bundle_id in change.unchanged:
        print_result(f"{bundle_id}  {unchanged}")
    if not change.records and not change.unchanged:
        print_result(unchanged)


def note_line(note: "Note") -> str:
    """Return a note in one line, with its number: `3  … UTC  A. Example: text`."""
    text = note.text
    if text is None:
        text = tr("(erased by order)") if note.erased else tr("(the text is missing)")
    who = author_words(note.author, note.role)
    return f"{note.number}  {format_time(note.at)}  {who}: {text}"


def decision_line(decision: "Decision", words: str) -> str:
    """Return a decision in one line, as `note_line`: `4  … UTC  A. Example: accepted: reason`."""
    who = author_words(decision.author, decision.role)
    reason = decision.reason
    if reason is None:
        reason = tr("(the reason is missing or was erased)")
    said = ": ".join(filter(None, (who, words, reason)))
    return f"{decision.number}  {format_time(decision.at)}  {said}"


def decision_words(decision: str) -> str:
    """Return a decision of a review for people."""
    return {
        "accepted": tr("accepted"),
        "rejected": tr("rejected"),
        "needs-work": tr("needs work"),
    }[decision]


def author_words(author: str, role: str) -> str:
    """Return who made a record: `A. Example, reviewer`."""
    return ", ".join(filter(None, (author, role))) or tr("(no name)")
