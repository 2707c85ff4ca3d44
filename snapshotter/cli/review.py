"""
Provide `snapshotter review`: list the captures that need a review, and record decisions about them.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from snapshotter.app.json_objects.annotations import review_item_json
from snapshotter.cli.annotation_output import (
    annotation_options,
    change_captures,
    decision_line,
    decision_words,
)
from snapshotter.cli.object_id import BUNDLE_ID
from snapshotter.cli.output import (
    for_store,
    format_time,
    print_json,
    print_message,
    print_next,
    print_result,
)
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.app.archive.organising.review_list import ReviewItem


@click.command(
    epilog="""\b
Examples:
  snapshotter review
  snapshotter review --accept latest
  snapshotter review --reject --reason "the log-in page, not the article" k3v4q2m7
"""
)
@click.argument("bundle_ids", nargs=-1, type=BUNDLE_ID, metavar="[ID…]")
@click.option("--accept", "decision", flag_value="accepted", help="Accept the captures.")
@click.option(
    "--reject", "decision", flag_value="rejected", help="Reject the captures; needs --reason."
)
@click.option(
    "--needs-work",
    "decision",
    flag_value="needs-work",
    help="Keep the captures in the list; needs --reason.",
)
@click.option("--reason", default="", help="Reason for the decision.")
@click.option(
    "--limit",
    type=click.IntRange(1),
    default=20,
    show_default=True,
    metavar="N",
    help="List at most this many captures.",
)
@click.option("--all", "decided", is_flag=True, help="Also list accepted and rejected captures.")
@annotation_options
@click.pass_context
def review(
    ctx: click.Context,
    bundle_ids: tuple[str, ...],
    decision: str | None,
    reason: str,
    limit: int,
    decided: bool,
    store: str | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """
    List the captures that need a review, the most urgent first, or decide about captures.

    Without ID, the command lists possible removals, removals, errors, walls, log-in pages, pages
    with missing content, and pages that changed. It also lists notices and other pages that no
    take-down rule matches. The list shows what the captures state, and verifies nothing.

    With ID, a decision is recorded and signed. A capture that was accepted or rejected leaves the
    list. The newest decision counts; the others are kept.
    """
    if decision is None and not bundle_ids:
        _list(ctx, store, limit, decided=decided, as_json=as_json)
        return
    if decision is None or not bundle_ids:
        raise click.UsageError(
            tr("name captures by their ids together with --accept, --reject or --needs-work")
        )
    from snapshotter.app.archive.organising import cases
    from snapshotter.model.annotations import ReviewDecision

    wanted = ReviewDecision(decision)
    change_captures(
        ctx,
        bundle_ids,
        lambda service, ids: cases.review(service, wanted, ids, reason=reason),
        done=decision_words(wanted.value),
        unchanged="",
        store=store,
        passphrase_file=passphrase_file,
        as_json=as_json,
    )


def _list(
    ctx: click.Context, store: str | None, limit: int, *, decided: bool, as_json: bool
) -> None:
    from snapshotter.app.archive.organising.review_list import items_to_review
    from snapshotter.app.store_location import require_store
    from snapshotter.app.wiring import index as wiring_index

    settings = ctx.obj.load(store=store or "")
    require_store(settings)
    with wiring_index.observation_source(settings, show_message=print_message) as source:
        hidden = wiring_index.hidden_finder(settings, source)
        items = items_to_review(source, decided=decided, hidden=hidden)
    for item in items[:limit]:
        if as_json:
            print_json(
                {**review_item_json(item), "annotation_problems": source.annotation_problems}
            )
        else:
            _print_item(item, store)
    if as_json:
        return
    if not items:
        print_message(tr("no capture in {url} needs a review", url=source.store.url))
        return
    if len(items) > limit:
        print_message(
            tr(
                "{count} more captures need a review. To list them, give --limit {number}",
                count=len(items) - limit,
                number=len(items),
            )
        )
    print_next(tr("decide about a capture"), for_store("snapshotter review --accept ID", store))


def _print_item(item: "ReviewItem", store: str | None) -> None:
    observation = item.observation
    print_result(
        f"{observation.bundle_id}  {format_time(observation.began_at)}  "
        f"{', '.join(_reason_words(item))}  {observation.url}"
    )
    seen = item.removal.shown_last if item.removal is not None else None
    if item.removal is not None and seen is None:
        print_result(tr("    the last capture that shows the page is in quarantine"))
    if seen is not None:
        print_result(
            tr(
                "    the page was last available at {at}. Compare the captures:",
                at=format_time(seen.at),
            )
        )
        command = f"snapshotter diff {seen.bundle_id} {observation.bundle_id}"
        print_result(f"    {for_store(command, store)}")
        if item.removal is not None:
            print_result(tr("    Prove that a later capture does not show the text of the page:"))
            command = f"snapshotter proof {seen.bundle_id} {observation.bundle_id}"
            print_result(f"    {for_store(command, store)}")
    if item.decision is not None:
        print_result(f"    {decision_line(item.decision, decision_words(item.decision.name))}")


def _reason_words(item: "ReviewItem") -> list[str]:
    from snapshotter.app.archive.organising.review_list import REASON_WORDS, ReviewReason
    from snapshotter.cli.bundle_output import describe_observation

    words = {**REASON_WORDS, ReviewReason.REMOVED: describe_observation(item.observation)}
    return [words[reason] for reason in item.reasons]
