"""Provide `snapshotter tag`: add tags to captures, remove tags, and list the tags of a store."""

from collections import Counter
from pathlib import Path

import click

from snapshotter.cli.annotation_output import annotation_options, change_captures
from snapshotter.cli.object_id import BUNDLE_ID
from snapshotter.cli.options import store_option
from snapshotter.cli.output import print_json, print_message, print_result
from snapshotter.translation import tr


@click.group()
def tag() -> None:
    """
    Add tags to captures, and remove tags.

    A tag is a short text in any language. The records are signed and kept beside the captures; no
    capture is changed. Tags are kept permanently: they must not name a person.
    """


@tag.command(
    epilog="""\b
Examples:
  snapshotter tag add media latest
  snapshotter tag add 谣言 k3v4q2m7 a2b3c4d5
"""
)
@click.argument("name", metavar="TAG")
@click.argument("bundle_ids", nargs=-1, required=True, type=BUNDLE_ID, metavar="ID…")
@annotation_options
@click.pass_context
def add(
    ctx: click.Context,
    name: str,
    bundle_ids: tuple[str, ...],
    store: str | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Add a tag to captures. TAG has 1 to 64 characters and does not begin like case: or tag:."""
    from snapshotter.app.archive.organising import cases

    change_captures(
        ctx,
        bundle_ids,
        lambda service, ids: cases.add_tag(service, name, ids),
        done=tr("tagged {tag}", tag=name),
        unchanged=tr("was tagged {tag} already", tag=name),
        store=store,
        passphrase_file=passphrase_file,
        as_json=as_json,
    )


@tag.command(
    epilog="""\b
Examples:
  snapshotter tag remove media latest
"""
)
@click.argument("name", metavar="TAG")
@click.argument("bundle_ids", nargs=-1, required=True, type=BUNDLE_ID, metavar="ID…")
@annotation_options
@click.pass_context
def remove(
    ctx: click.Context,
    name: str,
    bundle_ids: tuple[str, ...],
    store: str | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Remove a tag from captures. The records of the tag stay."""
    from snapshotter.app.archive.organising import cases

    change_captures(
        ctx,
        bundle_ids,
        lambda service, ids: cases.remove_tag(service, name, ids),
        done=tr("the tag {tag} was removed", tag=name),
        unchanged=tr("does not have the tag {tag}", tag=name),
        store=store,
        passphrase_file=passphrase_file,
        as_json=as_json,
    )


@tag.command(
    "list",
    epilog="""\b
Examples:
  snapshotter tag list
""",
)
@store_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each tag.")
@click.pass_context
def list_(ctx: click.Context, store: str | None, as_json: bool) -> None:
    """List the tags of a store, the most frequent first."""
    from snapshotter.app.store_location import require_store
    from snapshotter.app.wiring import annotations as wiring
    from snapshotter.app.wiring import store as wiring_store

    settings = ctx.obj.load(store=store or "")
    require_store(settings)
    opened = wiring_store.store(settings)
    state = wiring.read_state(settings, show_message=print_message)
    counts = Counter(
        name
        for capture in state.captures.values()
        if capture.quarantine is None
        for name in capture.tags
    )
    for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        if as_json:
            print_json({"captures": count, "tag": name})
        else:
            print_result(tr("{tag}  captures: {count}", tag=name, count=count))
    if not counts and not as_json:
        print_message(tr("no capture in {url} has a tag", url=opened.url))
