"""
Provide `snapshotter audit`: audit a whole store, print the findings and a verdict, and add the
signed report to the store and its log.
"""

import contextlib
import sys
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from snapshotter.cli.key_options import ask_passphrase
from snapshotter.cli.options import recheck_option, root_key_option, trust_option
from snapshotter.cli.output import (
    OutputClosed,
    Steps,
    print_error,
    print_json,
    print_message,
    print_result,
)
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.app.settings import Settings
    from snapshotter.app.upkeep.audit import CompletedAudit
    from snapshotter.model.audit import AuditFinding
    from snapshotter.ports import Signer

_MOST_JOBS = 8  # by default; a disk has no more to give
_SHOWN_EVERY = 25  # bundles, on a terminal

_EXAMPLES = """\b
Examples:
  snapshotter audit
  snapshotter audit --trust trust.json --root-key 3f1c… s3://evidence/case-7
  snapshotter audit --sample 500 --no-report /mnt/evidence
  snapshotter audit --json --checkpoint from-the-witness.txt captures > findings.jsonl
"""


@click.command(epilog=_EXAMPLES)
@click.argument("store", required=False, metavar="[DIR|s3://…]")
@click.option(
    "--store",
    "named",
    metavar="DIR|s3://…",
    help="Store to audit, in place of the argument.  [default: captures]",
)
@trust_option
@root_key_option
@click.option(
    "--sample",
    type=click.IntRange(0),
    metavar="N",
    help="Read only N bundles, which are drawn at random.  [default: all bundles]",
)
@click.option(
    "--seed",
    metavar="TEXT",
    help="Seed of the random sample. The same seed draws the same sample again.  [default: a "
    "random seed]",
)
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="YYYY-MM-DD",
    help="Read only the bundles that were captured on this day or later, UTC.",
)
@click.option(
    "--jobs",
    type=click.IntRange(1, 64),
    metavar="N",
    help="Number of processes that read bundles.  [default: one for each core, at most 8]",
)
@click.option(
    "--state",
    "state_dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Directory for the checkpoints and the state of earlier audits.  [default: a directory "
    "in the data directory]",
)
@click.option(
    "--checkpoint",
    "checkpoints",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    multiple=True,
    help="Compare the log with this checkpoint, which you got from another party; may be repeated.",
)
@click.option(
    "--renewal-within",
    type=click.IntRange(0, 36_500),
    default=180,
    show_default=True,
    metavar="DAYS",
    help="Report certificates that expire within this many days.",
)
@click.option(
    "--stale-after",
    type=click.IntRange(1, 36_500),
    default=7,
    show_default=True,
    metavar="DAYS",
    help="Report the log as stale when its newest cosignature is older than this many days.",
)
@recheck_option("objects")
@click.option(
    "--restart",
    is_flag=True,
    help="Start the audit from the beginning, and do not continue an interrupted audit.",
)
@click.option("--no-report", is_flag=True, help="Do not add an audit report to the store.")
@click.option(
    "--passphrase-file",
    type=click.Path(exists=True, path_type=Path, dir_okay=False),
    help="File whose first line is the passphrase of the key that signs the report.",
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print one JSON object for each finding, and one for the whole audit.",
)
@click.pass_context
def audit(
    ctx: click.Context,
    /,
    store: str | None,
    named: str | None,
    trust_file: Path | None,
    root_key: str | None,
    no_report: bool,
    as_json: bool,
    passphrase_file: Path | None,
    **options: Any,
) -> int:
    """
    Audit a whole store: find deleted, altered, replaced and backdated bundles.

    The audit rebuilds the tree of the log, and compares the tree with the checkpoints of earlier
    audits and of witnesses. The audit searches the store for each bundle that is in the log, and
    the log for each bundle that is in the store. The audit verifies every bundle with its sidecars.

    The audit report is signed and added to the store and to the log of the store. To continue an
    interrupted audit, give the same command again. The channels of the setting notify_file send a
    message if the verdict is FAILED. They also send a message if an object is unavailable that an
    earlier audit could read.

    Each audit stores the newest checkpoint in the directory of --state. The next audit compares the
    log with this checkpoint. Choose a directory that only you can write to.

    Exit codes: 0 PASSED. 10 FAILED. 11 INDETERMINATE. 30 INDETERMINATE, because objects could not
    be read: try again later.
    """
    from snapshotter.app.monitoring import notification_events
    from snapshotter.app.store_location import no_store, store_location
    from snapshotter.app.upkeep import audit as auditing
    from snapshotter.app.wiring import log as wiring_log
    from snapshotter.app.wiring import notifications as wiring_notifications
    from snapshotter.app.wiring import upkeep as wiring_upkeep
    from snapshotter.store.location import DirectoryLocation
    from snapshotter.verify.audit.report import exit_code

    if store and named:
        raise click.UsageError(
            tr("the store is given twice: give only the argument or only --store")
        )
    settings = ctx.obj.load(
        trust_file=str(trust_file or ""),
        trust_root_key=root_key or "",
        store=store or named or "",
        passphrase_file=str(passphrase_file or ""),
    )
    service = wiring_upkeep.audit_service(
        settings,
        state_dir=options["state_dir"],
        pause_s=options["recheck_after"],
        ask=ask_passphrase,
        show_message=print_message,
    )
    if not no_report:
        service = replace(service, signer=_signer(settings))
    printer = _Printer(as_json=as_json)
    where = store_location(settings)
    with contextlib.suppress(OSError):  # the audit reports what cannot be read
        if isinstance(where, DirectoryLocation) and (missing := no_store(where.path)) is not None:
            print_error(missing)  # the verdict is about what this machine remembers of the store
    try:
        with Steps(quiet=not sys.stderr.isatty()) as steps:
            done = auditing.audit(
                service,
                _wanted(options, wiring_log.checkpoint_memory(settings).load()),
                partial(_show, steps),
                each=printer.finding if as_json else None,
            )
    except KeyboardInterrupt:
        print_message(
            tr("the audit was interrupted. To continue the audit, give the same command again")
        )
        raise
    except auditing.StoreWithheld:
        receipts_name, now = service.receipts.store_name, service.clock.now()
        alarm = notification_events.withheld_event(0, "", receipts_name, now)
        wiring_notifications.notify_once(settings, alarm, show_message=print_message)
        raise
    printer.end(done)
    code = exit_code(done.report)
    receipts_name, now = service.receipts.store_name, service.clock.now()
    for event in notification_events.audit_events(done.report, done.report_id, receipts_name, now):
        wiring_notifications.notify_once(settings, event, show_message=print_message)
    if done.problem is not None:
        print_error(done.problem)
        # A verdict that says PASSED and whose report is lost is not a whole success.
        return code or done.problem.exit_code
    return code


def _wanted(options: dict[str, Any], published: bytes) -> Any:
    """Return the audit of the options. The log must also continue the published checkpoint."""
    from snapshotter.capture.pictures.raster_gate import usable_core_count
    from snapshotter.formats.proofs.note import MAX_BYTES
    from snapshotter.verify.audit.run import AuditRequest
    from snapshotter.verify.files import first_bytes

    since: datetime | None = options["since"]
    return AuditRequest(
        sample=options["sample"],
        seed=options["seed"] or "",
        since=since.date() if since else None,
        stale_after=timedelta(days=options["stale_after"]),
        renewal_within=timedelta(days=options["renewal_within"]),
        jobs=options["jobs"] or min(usable_core_count(), _MOST_JOBS),
        restart=options["restart"],
        checkpoints=tuple(
            [(str(path), first_bytes(path, MAX_BYTES + 1)) for path in options["checkpoints"]]
            + [(tr("the checkpoint that this machine published"), published)] * bool(published)
        ),
    )


def _signer(settings: "Settings") -> "Signer | None":
    """Return the key that signs the report; None if this machine has no key, since none is made."""
    from snapshotter.app.wiring import keys as wiring_keys

    if not wiring_keys.signing_keys(settings):
        print_message(
            tr(
                "the report will not be signed, because there is no signing key. Make a "
                "key:\n  snapshotter keys init"
            )
        )
        return None
    return wiring_keys.signer(settings, ask=ask_passphrase, show_message=print_message)


def _show(steps: Steps, stage: str, done: int, of: int) -> None:
    if stage == "bundles" and done % _SHOWN_EVERY and done != of:
        return
    steps(stage, f"{done} of {of}" if of else str(done))


class _Printer:
    """Print findings as they come. If the output is closed, the audit goes on without output."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._listening = True

    def finding(self, finding: "AuditFinding") -> None:
        from snapshotter.verify.audit.report import finding_json

        self._print({"type": "finding", **finding_json(finding)})

    def end(self, done: "CompletedAudit") -> None:
        from snapshotter.verify.audit import report as reports

        if self._as_json:
            self._print(
                {
                    "type": "report",
                    **reports.report_json(done.report),
                    "report_id": done.report_id or None,
                    "report_key": done.report_key or None,
                }
            )
            return
        for line in reports.lines(done.report):
            self._print(line)
        if done.report_key:
            self._print(f"signed report: {done.report_key}")

    def _print(self, value: Any) -> None:
        if not self._listening:
            return
        try:
            if isinstance(value, str):
                print_result(value)
            else:
                print_json(value)
        except OutputClosed:
            self._listening = False
