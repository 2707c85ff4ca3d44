"""Provide `snapshotter case export`: hand over a case as one archive."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from snapshotter.cli.case_writings import with_option, written_groups
from snapshotter.cli.options import (
    complete_case,
    missing_trust_file,
    root_key_option,
    store_option,
    trust_option,
)
from snapshotter.cli.output import (
    format_bytes,
    keep_working,
    print_json,
    print_message,
    print_result,
)
from snapshotter.cli.report_case import show_verifying
from snapshotter.cli.report_documents import paper_option, zone_named
from snapshotter.errors import ServiceUnavailable
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.app.archive.organising.case_export_plan import ExportPlan, PlannedExhibit
    from snapshotter.app.settings import Settings
    from snapshotter.model.annotation_state import AnnotationState

_SIZE = re.compile(r"([0-9]+) ?(MB|GB)", re.IGNORECASE)
_LEAST = 50_000_000  # bytes: the documents about an archive need a few million


@click.command(
    "export",
    epilog="""\b
Examples:
  snapshotter case export harbour --preview
  snapshotter case export harbour -o harbour.zip --trust trust.json --root-key 3f1c…
  snapshotter case export harbour -o harbour.zip --with notes,tags --pdf
  snapshotter case export harbour -o harbour.zip --split 4GB
  snapshotter case export harbour -o harbour.zip --load-files
""",
)
@click.argument("name", shell_complete=complete_case)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Name of the archive.  [default: NAME.zip]",
)
@click.option("--preview", is_flag=True, help="Write nothing; list what is included and withheld.")
@with_option
@click.option(
    "--no-case-report",
    is_flag=True,
    help="Leave out the report about the case, which also names other captures of the same pages.",
)
@click.option("--pdf", is_flag=True, help="Also print each report as PDF, which needs the browser.")
@paper_option
@click.option(
    "--zone",
    metavar="ZONE",
    help="Show local times of this time zone in the reports, with UTC beside.  [default: UTC]",
)
@click.option(
    "--load-files",
    is_flag=True,
    help="Also write Concordance and Opticon load files, with texts and pictures.",
)
@click.option(
    "--split",
    metavar="SIZE",
    help="Split the archive into parts of at most this size, for example 4GB or 700MB.",
)
@store_option
@trust_option
@root_key_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def export(
    ctx: click.Context,
    name: str,
    output: Path | None,
    preview: bool,
    included: str,
    no_case_report: bool,
    pdf: bool,
    paper: str,
    zone: str | None,
    load_files: bool,
    split: str | None,
    store: str | None,
    trust_file: Path | None,
    root_key: str | None,
    as_json: bool,
) -> None:
    """
    Hand over a case as one archive, which can be checked without this software.

    The archive has the bundles with their sidecars, a report about each exhibit, and the report
    about the case (`snapshotter report case`). It has the list of the exhibits as CSV and JSON.
    For the recipient, it has the trust file, two verifiers, digests, and a README with every
    command. To check the archive, unzip, openssl and Python are enough.

    Notes, reviews, tags and the title of the case may be privileged: they are left out unless
    --with names them. Captures in quarantine are left out. The README states their number, ids and
    reasons. --preview lists what is included and withheld, and needs no trust file.

    --load-files adds NAME.dat and NAME.opt for e-discovery software, with the text of each page and
    its picture in pieces that fit a sheet. Numbers of documents follow from exhibit numbers.

    If the command is interrupted, run it again: it checks what was written, and continues. The
    archive gets its name when it is complete. With --split, NAME-part-01.zip and so on are
    independent ZIP archives, and the archive NAME.zip lists them.

    Exit codes: 0 the archive was written, whatever the verdicts are. 1 the archive exists, or a
    file cannot be written. 30 the store does not answer, or the browser did not print a PDF.
    """
    from snapshotter.app.archive.organising import case_export_plan
    from snapshotter.app.archive.organising.case_view import case_view
    from snapshotter.app.store_location import require_store
    from snapshotter.app.wiring import annotations as wiring
    from snapshotter.app.wiring import store as wiring_store
    from snapshotter.app.wiring import trust as wiring_trust

    groups = written_groups(included)
    most = _size(split)
    local_zone = zone_named(zone or "UTC")
    settings: Settings = ctx.obj.load(
        trust_file=str(trust_file or ""), trust_root_key=root_key or "", store=store or ""
    )
    require_store(settings)
    opened = wiring_store.store(settings)
    state = wiring.read_state(settings, show_message=print_message)
    view = case_view(opened, state, name)
    plan = case_export_plan.plan_export(
        opened,
        view,
        wiring_trust.trusted_keys(settings),
        included=groups,
        has_pdf=pdf,
        has_load_files=load_files,
        has_case_report=not no_case_report,
    )
    if preview:
        if as_json:
            print_json(case_export_plan.plan_json(plan))
        else:
            _print_preview(plan)
        return
    target = output or Path(f"{name}.zip")
    if settings.trust_file is None:
        raise missing_trust_file(
            tr("an exported case needs a trust file, and no trust file was given"),
            f"snapshotter case export {name}",
        )
    keep_working()
    _write(
        settings, opened, plan, view, target, state=state, most=most, paper=paper,
        zone=local_zone, as_json=as_json,
    )  # fmt: skip


def _write(
    settings: "Settings",
    store: Any,
    plan: "ExportPlan",
    view: Any,
    target: Path,
    *,
    state: "AnnotationState",
    most: int | None,
    paper: str,
    zone: Any,
    as_json: bool,
) -> None:
    from snapshotter.app import machine
    from snapshotter.app.archive.organising import case_export_plan
    from snapshotter.app.wiring import documents

    total = len(plan.exhibits)

    def show(exhibit: "PlannedExhibit", before: int) -> None:
        print_message(
            tr(
                "exhibit {number}, {bundle_id} ({position} of {total})",
                number=exhibit.number,
                bundle_id=exhibit.bundle_id,
                position=before + 1,
                total=total,
            )
        )

    try:
        made = documents.export_case(
            settings, store, plan, view, target, state=state, most_bytes=most, paper=paper,
            zone=zone, now=machine.SystemClock().now, show_message=print_message,
            show_exhibit=show, show_progress=show_verifying,
        )  # fmt: skip
    except (KeyboardInterrupt, ServiceUnavailable):
        print_message(tr("to continue the export later, run the same command again"))
        raise
    verdicts = [unit["verdict"] for unit in made.exhibits]
    if as_json:
        print_json(
            {
                **case_export_plan.plan_json(plan),
                "continued": made.continued,
                "exhibits": list(made.exhibits),
                "files": [str(file) for file in made.files],
                "root_key": settings.trust_root_key,
            }
        )
        return
    for file in made.files:
        print_result(str(file))
    if made.continued:
        print_message(
            tr("exhibits of the interrupted export that were kept: {count}", count=made.continued)
        )
    if made.repeated:
        print_message(
            tr(
                "exhibits of the interrupted export that were damaged and written again: {count}",
                count=made.repeated,
            )
        )
    print_message(
        tr(
            "exhibits: {total}, PASSED: {passed}, INDETERMINATE: {open}, FAILED: {failed}, in "
            "quarantine and left out: {hidden}",
            total=len(verdicts),
            passed=verdicts.count("passed"),
            open=verdicts.count("indeterminate"),
            failed=verdicts.count("failed"),
            hidden=len(plan.quarantined),
        )
    )
    print_message(
        tr(
            "give the recipient the key id of the root key through another channel: {root_key_id}",
            root_key_id=settings.trust_root_key,
        )
    )


def _print_preview(plan: "ExportPlan") -> None:
    from snapshotter.app.archive.exports import case_export_readme as words

    print_result(tr("case {name}; nothing is written", name=plan.case))
    print_result(tr("Included:"))
    for line in (
        tr(
            "bundles with their sidecars: {count}, {size}",
            count=len(plan.stored),
            size=format_bytes(sum(exhibit.bytes for exhibit in plan.exhibits)),
        ),
        tr("reports as HTML, JSON and PDF: {count}", count=len(plan.stored))
        if plan.has_pdf
        else tr("reports as HTML and JSON: {count}", count=len(plan.stored)),
        *(
            [tr("report about the case, which also names other captures of the same pages")]
            if plan.has_case_report
            else []
        ),
        tr("list of exhibits, trust file, two verifiers, README, digests"),
        *([tr("load files, texts and pictures")] if plan.has_load_files else []),
        *(words.included_line(found) for found in plan.writings if found.is_included),
    ):
        print_result(f"  {line}")
    print_result(tr("Not included:"))
    units = [
        {"bundle_id": found.bundle_id, "exhibit": found.number, "problem": found.problem}
        for found in plan.exhibits
    ]
    for line in words.left_out(plan, units):
        print_result(f"  {line}")


def _size(text: str | None) -> int | None:
    """Return the bytes of a size like 4GB."""
    if text is None:
        return None
    found = _SIZE.fullmatch(text.strip())
    size = int(found[1]) * (10**9 if found[2].upper() == "GB" else 10**6) if found else 0
    if size < _LEAST:
        raise click.BadParameter(
            tr("{text!r} is no size of at least 50MB; valid: 4GB, 700MB", text=text),
            param_hint="--split",
        )
    return size
