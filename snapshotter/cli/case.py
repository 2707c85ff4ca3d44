"""
Provide `snapshotter case`: put captures into cases with exhibit numbers, show cases, and check the
annotations of a store.
"""

import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from snapshotter.app.json_objects.annotations import (
    annotation_json,
    case_json,
    case_view_json,
    chain_report_json,
)
from snapshotter.cli.annotation_output import (
    annotation_options,
    author_words,
    change_captures,
    decision_line,
    decision_words,
    note_line,
    open_service,
    print_change,
)
from snapshotter.cli.case_export import export
from snapshotter.cli.object_id import BUNDLE_ID
from snapshotter.cli.options import (
    complete_case,
    endpoint_option,
    root_key_option,
    store_option,
    trust_option,
)
from snapshotter.cli.output import format_time, print_json, print_message, print_next, print_result
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.app.archive.annotation_checks import ChainReport
    from snapshotter.app.archive.organising.case_view import CaseView
    from snapshotter.model.annotation_state import Decision, Note


@click.group()
def case() -> None:
    """
    Put captures into cases, with exhibit numbers.

    A case belongs to the store. Its records are signed and kept beside the captures; no capture is
    changed. A capture can be in several cases.
    """


case.add_command(export)


@case.command(
    epilog="""\b
Examples:
  snapshotter case create harbour --title "The harbour fire"
"""
)
@click.argument("name")
@click.option("--title", default="", help="Title of the case.")
@annotation_options
@click.pass_context
def create(
    ctx: click.Context,
    name: str,
    title: str,
    store: str | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """
    Create a case.

    NAME has 1 to 64 characters of a-z, 0-9, dot, dash and underscore. The name is kept permanently:
    it must not name a person. The title can be erased.
    """
    from snapshotter.app.archive.organising import cases

    service = open_service(ctx, store, passphrase_file)
    try:
        record = cases.create_case(service, name, title=title)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if as_json:
        print_json(annotation_json(record))
        return
    print_result(tr("the case {name} was created", name=name))
    print_next(tr("add captures to the case"), f"snapshotter case add {name} ID…")


@case.command(
    "list",
    epilog="""\b
Examples:
  snapshotter case list
  snapshotter case list --json
""",
)
@store_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each case.")
@click.pass_context
def list_(ctx: click.Context, store: str | None, as_json: bool) -> None:
    """List the cases of a store."""
    from snapshotter.app.store_location import require_store
    from snapshotter.app.wiring import annotations as wiring
    from snapshotter.app.wiring import store as wiring_store

    settings = ctx.obj.load(store=store or "")
    require_store(settings)
    opened = wiring_store.store(settings)
    found = wiring.read_state(settings, show_message=print_message).cases
    for entry in found.values():
        if as_json:
            print_json(case_json(entry))
        else:
            state = tr("closed") if entry.closed else tr("open")
            print_result(
                tr(
                    "{name}  {state}  captures: {count}  {title}",
                    name=entry.name,
                    state=state,
                    count=len(entry.captures),
                    title=entry.title or "",
                ).rstrip()
            )
    if not found and not as_json:
        print_message(
            tr(
                "the store {url} has no case. To create a case:\n  snapshotter case create NAME",
                url=opened.url,
            )
        )


@case.command(
    epilog="""\b
Examples:
  snapshotter case show harbour
"""
)
@click.argument("name", shell_complete=complete_case)
@store_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def show(ctx: click.Context, name: str, store: str | None, as_json: bool) -> None:
    """
    Show the exhibits and notes of a case.

    Each note and each reason begins with the number of its annotation, which `snapshotter erase
    --note` takes. Captures in quarantine are counted and named with their reasons, and not shown.
    Nothing is verified: use `snapshotter case check` and `snapshotter verify`.
    """
    from snapshotter.app.archive.organising.case_view import case_view
    from snapshotter.app.store_location import require_store
    from snapshotter.app.wiring import annotations as wiring
    from snapshotter.app.wiring import store as wiring_store

    settings = ctx.obj.load(store=store or "")
    require_store(settings)
    view = case_view(
        wiring_store.store(settings), wiring.read_state(settings, show_message=print_message), name
    )
    if as_json:
        print_json(case_view_json(view))
        return
    _print_view(view)


@case.command(
    epilog="""\b
Examples:
  snapshotter case add harbour latest
  snapshotter case add harbour k3v4q2m7 a2b3c4d5
"""
)
@click.argument("name", shell_complete=complete_case)
@click.argument("bundle_ids", nargs=-1, required=True, type=BUNDLE_ID, metavar="ID…")
@click.option("--reason", default="", help="Reason, for example how the capture was found.")
@annotation_options
@click.pass_context
def add(
    ctx: click.Context,
    name: str,
    bundle_ids: tuple[str, ...],
    reason: str,
    store: str | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """
    Add captures to a case.

    Each capture gets the next exhibit number of the case. A number is never given again. A capture
    that was in the case before gets its former number.
    """
    from snapshotter.app.archive.organising import cases

    change_captures(
        ctx,
        bundle_ids,
        lambda service, ids: cases.add_to_case(service, name, ids, reason=reason),
        done=tr("added to the case {name}", name=name),
        unchanged=tr("already in the case {name}", name=name),
        store=store,
        passphrase_file=passphrase_file,
        as_json=as_json,
    )


@case.command(
    epilog="""\b
Examples:
  snapshotter case remove harbour k3v4q2m7 --reason "another fire"
"""
)
@click.argument("name", shell_complete=complete_case)
@click.argument("bundle_ids", nargs=-1, required=True, type=BUNDLE_ID, metavar="ID…")
@click.option("--reason", required=True, help="Reason for the removal.")
@annotation_options
@click.pass_context
def remove(
    ctx: click.Context,
    name: str,
    bundle_ids: tuple[str, ...],
    reason: str,
    store: str | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """
    Remove captures from a case.

    The captures stay in the store, and the records of their time in the case stay too.
    """
    from snapshotter.app.archive.organising import cases

    change_captures(
        ctx,
        bundle_ids,
        lambda service, ids: cases.remove_from_case(service, name, ids, reason=reason),
        done=tr("removed from the case {name}", name=name),
        unchanged=tr("not in the case {name}", name=name),
        store=store,
        passphrase_file=passphrase_file,
        as_json=as_json,
    )


@case.command(
    epilog="""\b
Examples:
  snapshotter case close harbour --reason "published on 4 December"
"""
)
@click.argument("name", shell_complete=complete_case)
@click.option("--reason", required=True, help="Reason for closing the case.")
@annotation_options
@click.pass_context
def close(
    ctx: click.Context,
    name: str,
    reason: str,
    store: str | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Close a case. A closed case accepts no captures, and cannot be opened again."""
    from snapshotter.app.archive.organising import cases

    service = open_service(ctx, store, passphrase_file)
    try:
        change = cases.close_case(service, name, reason=reason)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    print_change(
        change,
        tr("the case {name} was closed", name=name),
        tr("the case {name} was closed before", name=name),
        as_json=as_json,
    )


@case.command(
    epilog="""\b
Examples:
  snapshotter case check
  snapshotter case check --trust trust.json --root-key KEY-ID
  snapshotter case check --against /mnt/backup/news
"""
)
@store_option
@click.option(
    "--against",
    metavar="STORE",
    help="Also compare the records with those of a copy of the store, or of its source.",
)
@endpoint_option("the other store")
@trust_option
@root_key_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def check(
    ctx: click.Context,
    store: str | None,
    against: str | None,
    endpoint: str | None,
    trust_file: Path | None,
    root_key: str | None,
    as_json: bool,
) -> int:
    """
    Check the signatures and the chain of all annotations of a store.

    The check finds records that are missing, were changed, or contradict each other. It finds
    texts that are missing, were changed, or still exist after their erasure. It finds exhibits
    that the store does not have. It does not verify the captures: use `snapshotter verify` and
    `snapshotter audit`.

    Records that were removed from the end of the chain are found only if this machine has seen
    them. --against finds annotations that were made in a replica.

    Exit codes: 0 PASSED. 10 FAILED. 11 INDETERMINATE.
    """
    from snapshotter.app.archive import annotation_checks, annotations, bundles
    from snapshotter.app.wiring import chain_end
    from snapshotter.app.wiring import store as wiring_store
    from snapshotter.app.wiring import trust as wiring_trust
    from snapshotter.model.finding import Verdict

    settings = ctx.obj.load(
        store=store or "", trust_file=str(trust_file or ""), trust_root_key=root_key or ""
    )
    opened = wiring_store.store(settings)
    other = None
    if against:
        other = wiring_store.store(ctx.obj.load(store=against, s3_endpoint=endpoint or ""))
    report = annotation_checks.check(
        opened,
        is_trusted=wiring_trust.trusted_keys(settings),
        seen=chain_end.seen_end(settings),
        bundles=bundles.bundle_ids(opened),
        against=other,
    )
    if report.verdict is not Verdict.FAILED and report.records:
        chain_end.remember_end(settings, report.end)
    if as_json:
        print_json(chain_report_json(report))
    else:
        _print_report(report, opened.url)
        if other is None and annotations.is_replica(opened):
            print_message(
                tr(
                    "this store is a copy of another store. To find annotations that somebody made "
                    "in the copy:\n  snapshotter case check --store {store} --against SOURCE",
                    store=shlex.quote(opened.url),
                )
            )
    return {Verdict.PASSED: 0, Verdict.FAILED: 10, Verdict.INDETERMINATE: 11}[report.verdict]


def _print_view(view: "CaseView") -> None:
    entry = view.case
    print_result(f"{entry.name}: {entry.title}" if entry.title else entry.name)
    print_result(
        tr(
            "created {at} by {who} (annotation {number})",
            at=format_time(entry.created_at),
            who=author_words(entry.author, ""),
            number=entry.number,
        )
    )
    for exhibit in view.exhibits:
        words = [
            tr("exhibit {number}", number=exhibit.number),
            exhibit.bundle_id,
            format_time(exhibit.captured_at) if exhibit.captured_at else "",
            exhibit.problem or exhibit.title,
            exhibit.url,
            *(f"#{tag}" for tag in exhibit.capture.tags),
        ]
        print_result("  ".join(filter(None, words)))
        capture = exhibit.capture
        decisions = [(mark, name) for name, mark in capture.marks.items()]
        if capture.review is not None:
            decisions.append((capture.review, decision_words(capture.review.name)))
        for line in _numbered(capture.notes, decisions):
            print_result(f"    {line}")
    said = {"added": tr("captures added"), "removed": tr("captures removed")}
    decisions = [(reason, said[reason.name]) for reason in entry.reasons]
    if entry.closed is not None:
        decisions.append((entry.closed, tr("closed")))
    for line in _numbered(entry.notes, decisions):
        print_result(f"  {line}")
    if view.quarantined:
        print_result(tr("in quarantine and not shown: {count}", count=len(view.quarantined)))
        for left_out in view.quarantined:
            print_result(f"  {left_out.bundle_id}  {decision_line(left_out.decision, '')}")


def _numbered(notes: Iterable["Note"], decisions: Iterable[tuple["Decision", str]]) -> list[str]:
    """Return notes and decisions with their words as lines, in the order of their numbers."""
    found = {note.number: note_line(note) for note in notes}
    found |= {decision.number: decision_line(decision, words) for decision, words in decisions}
    return [line for _, line in sorted(found.items())]


def _print_report(report: "ChainReport", url: str) -> None:
    for finding in report.findings:
        subject = f"{finding.subject}: " if finding.subject else ""
        print_result(f"{finding.verdict.value.upper()}  {subject}{finding.detail}")
    for key_id, count in report.keys.items():
        print_result(tr("key {key_id} signed records: {count}", key_id=key_id, count=count))
    if not report.records:
        print_result(tr("INDETERMINATE  the store {url} has no annotation", url=url))
        return
    print_result(
        tr(
            "{verdict}  annotations of {url}; records: {count}",
            verdict=report.verdict.value.upper(),
            url=url,
            count=report.records,
        )
    )
