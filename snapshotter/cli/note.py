"""Provide `snapshotter note`: write notes about captures and cases, and list notes."""

from pathlib import Path

import click

from snapshotter.app.json_objects.annotations import note_json
from snapshotter.cli.annotation_output import (
    annotation_options,
    note_line,
    open_service,
    print_change,
)
from snapshotter.cli.object_id import BUNDLE_ID
from snapshotter.cli.options import complete_case, store_option
from snapshotter.cli.output import print_json, print_message, print_result
from snapshotter.translation import tr


@click.group()
def note() -> None:
    """
    Write notes about captures and cases, and list notes.

    Notes are signed and kept beside the captures; no capture is changed. The text of a note can be
    erased by order: `snapshotter erase --note NUMBER`.
    """


@note.command(
    epilog="""\b
Examples:
  snapshotter note add latest "the caption names another harbour"
  snapshotter note add --case harbour "waiting for the answer of the mayor"
"""
)
@click.argument("bundle_ids", nargs=-1, type=BUNDLE_ID, metavar="[ID…]")
@click.argument("text")
@click.option(
    "--case",
    "case_name",
    default="",
    shell_complete=complete_case,
    metavar="NAME",
    help="Write about this case.",
)
@annotation_options
@click.pass_context
def add(
    ctx: click.Context,
    bundle_ids: tuple[str, ...],
    text: str,
    case_name: str,
    store: str | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Write a note about captures, or about a case."""
    from snapshotter.app.archive.organising import cases

    if bool(bundle_ids) == bool(case_name):
        raise click.UsageError(tr("name captures by their ids, or a case with --case"))
    service = open_service(ctx, store, passphrase_file)
    ids = BUNDLE_ID.resolve(service.store, bundle_ids)
    try:
        change = cases.add_note(service, text, bundle_ids=ids, case=case_name)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    number = change.records[0].number
    print_change(change, tr("the note {number} was written", number=number), "", as_json=as_json)


@note.command(
    "list",
    epilog="""\b
Examples:
  snapshotter note list latest
  snapshotter note list --case harbour
""",
)
@click.argument("bundle_ids", nargs=-1, type=BUNDLE_ID, metavar="[ID…]")
@click.option(
    "--case",
    "case_name",
    default="",
    shell_complete=complete_case,
    metavar="NAME",
    help="List the notes of a case.",
)
@store_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each note.")
@click.pass_context
def list_(
    ctx: click.Context,
    bundle_ids: tuple[str, ...],
    case_name: str,
    store: str | None,
    as_json: bool,
) -> None:
    """List notes with their numbers: of all captures, of some, or of a case."""
    from snapshotter.app.archive.organising import cases
    from snapshotter.app.store_location import require_store
    from snapshotter.app.wiring import annotations as wiring
    from snapshotter.app.wiring import store as wiring_store

    settings = ctx.obj.load(store=store or "")
    require_store(settings)
    opened = wiring_store.store(settings)
    state = wiring.read_state(settings, show_message=print_message)
    if case_name:
        found = {"": cases.find_case(state, case_name).notes}
    else:
        ids = BUNDLE_ID.resolve(opened, bundle_ids)
        found = {
            bundle_id: capture.notes
            for bundle_id, capture in state.captures.items()
            if bundle_id in ids or (not ids and capture.quarantine is None)
        }
    for bundle_id, notes in found.items():
        for entry in notes:
            if as_json:
                where = {"bundle_id": bundle_id or None, "case": case_name or None}
                print_json({**where, **note_json(entry)})
            else:
                print_result("  ".join(filter(None, (bundle_id, note_line(entry)))))
    if not any(found.values()) and not as_json:
        print_message(tr("no note was found in {url}", url=opened.url))
