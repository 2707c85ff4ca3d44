"""
Provide `snapshotter store replicate` and `store repair`, which copy objects from one store to
another.
"""

import click

from snapshotter.cli.object_id import BUNDLE_ID
from snapshotter.cli.options import endpoint_option, store_option
from snapshotter.cli.output import format_bytes, print_json, print_message, print_result
from snapshotter.errors import SnapshotterError
from snapshotter.translation import tr

_only = click.argument("bundle_ids", nargs=-1, type=BUNDLE_ID, metavar="[BUNDLE-ID…]")
_dry_run = click.option("--dry-run", is_flag=True, help="Print what would be done; write nothing.")
_json = click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print one JSON object for each finding, and one for the whole run.",
)


class _Incomplete(SnapshotterError):
    """The two stores still differ after the command."""


@click.command(
    epilog="""\b
Examples:
  snapshotter store replicate s3://evidence-copy/news
  snapshotter store replicate --store s3://evidence/news /mnt/backup/news
  snapshotter store replicate --dry-run s3://evidence-copy/news
"""
)
@click.argument("destination", metavar="DEST")
@_only
@store_option
@endpoint_option("DEST")
@_dry_run
@click.option("--deep", is_flag=True, help="Compare existing copies byte by byte.")
@_json
@click.pass_context
def replicate(
    ctx: click.Context,
    destination: str,
    bundle_ids: tuple[str, ...],
    store: str | None,
    endpoint: str | None,
    dry_run: bool,
    deep: bool,
    as_json: bool,
) -> None:
    """
    Copy bundles, records and the log to another store: DIR or s3://….

    Each bundle is verified before it is written, and read back afterwards. Sidecars are copied when
    they belong to the bundle. Retention and legal holds are copied too. After the bundles, the
    command copies records of gaps, take-down events, audit reports and annotations, and the log.
    The copy of the store can be audited without the original store. Nothing can be added to the
    copy of the log.

    With BUNDLE-ID, only these bundles are copied. Nothing is overwritten. Bundles that were erased
    by order are not copied. Of a bundle in quarantine, only the signed notice and the custody chain
    are copied. If objects are missing in the copy, give the same command again.

    Exit codes: 0 the copy is complete, 1 something is missing in the copy or differs.
    """
    from snapshotter.app.upkeep import replication
    from snapshotter.app.wiring import upkeep as wiring_upkeep

    source = ctx.obj.load(store=store or "")
    target = ctx.obj.load(store=destination, s3_endpoint=endpoint or "")
    service = wiring_upkeep.replication_service(source, target, show_message=print_message)
    if service.source.url == service.target.url and not endpoint:
        raise click.UsageError(tr("DEST must not be the store that is copied"))

    def progress(state: str, bundle_id: str, detail: str) -> None:
        if state == "present" and not as_json:
            return
        if as_json:
            named = "object" if "/" in bundle_id or bundle_id == replication.LOG else "bundle_id"
            print_json({named: bundle_id, "detail": detail, "state": state})
        else:
            print_result(f"{bundle_id}  {state}{f'  {detail}' if detail else ''}")

    done = replication.replicate(
        service,
        progress,
        only=BUNDLE_ID.resolve(service.source, bundle_ids),
        dry_run=dry_run,
        deep=deep,
    )
    oldest = min(done.lagging, default="")
    if as_json:
        print_json(
            {
                "bytes": done.bytes,
                "copied": done.copied,
                "erased": done.erased,
                "in_step": done.is_complete,
                "lagging": len(done.lagging),
                "log_entries": done.entries,
                "log_lag": done.log_lag,
                "objects": done.objects,
                "oldest_lagging": oldest or None,
                "present": done.present,
                "problems": done.problems,
                "quarantined": done.quarantined,
                "records": done.records,
            }
        )
    else:
        lag = (
            tr(
                ", bundles not copied yet: {count} (the oldest bundle: {oldest})",
                count=len(done.lagging),
                oldest=oldest,
            )
            if done.lagging
            else ""
        )
        erased = tr(", erased by order: {erased}", erased=done.erased) if done.erased else ""
        if done.quarantined:
            erased += tr(", in quarantine: {count}", count=done.quarantined)
        more = f", records copied: {done.records}" if done.records else ""
        log = (
            tr(", entries of the log: {entries}", entries=done.entries)
            if done.entries is not None
            else ""
        )
        print_result(
            tr(
                "copied: {copied} ({bytes}), present before: "
                "{present}{more}{log}{lag}{erased}, problems: {problems}",
                copied=done.copied,
                bytes=format_bytes(done.bytes),
                present=done.present,
                more=more,
                log=log,
                lag=lag,
                erased=erased,
                problems=done.problems,
            )
        )
    if not done.is_complete:
        raise _Incomplete(
            tr(
                "{url} is not a complete copy of {url2}",
                url=service.target.url,
                url2=service.source.url,
            ),
            hint=tr(
                "correct the problems in the messages above, and then give the same command again"
            ),
        )


@click.command(
    epilog="""\b
Examples:
  snapshotter store repair --from s3://evidence-copy/news --dry-run
  snapshotter store repair --from /mnt/backup/news --store s3://evidence/news
"""
)
@_only
@click.option(
    "--from", "origin", required=True, metavar="SOURCE", help="Store with the intact copies."
)
@store_option
@endpoint_option("SOURCE")
@_dry_run
@_json
@click.pass_context
def repair(
    ctx: click.Context,
    bundle_ids: tuple[str, ...],
    origin: str,
    store: str | None,
    endpoint: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """
    Restore missing or damaged objects from another store. An object is restored only if its bytes
    match a receipt of this machine, the log, or the bundle in the store. Records of gaps, take-down
    events and audit reports are restored only if the log has an entry for them.

    Damaged objects are moved to another name and not overwritten. Bundles that were erased by order
    are not restored.

    Exit codes: 0 everything was repaired, 1 something is still missing or damaged.
    """
    from snapshotter.app.upkeep import repair as repairs
    from snapshotter.app.wiring import upkeep as wiring_upkeep

    target = ctx.obj.load(store=store or "")
    source = ctx.obj.load(store=origin, s3_endpoint=endpoint or "")
    service = wiring_upkeep.repair_service(target, source, show_message=print_message)
    if service.source.url == service.target.url and not endpoint:
        raise click.UsageError(tr("--from must not be the store that is repaired"))

    def progress(state: str, bundle_id: str, kind: str, detail: str) -> None:
        name = f"{bundle_id}.wacz{f'.{kind}' if kind else ''}"
        if "/" in bundle_id:  # a record of its own
            name = bundle_id
        if as_json:
            print_json({"detail": detail, "object": name, "state": state})
        else:
            print_result(f"{name}  {state}{f'  {detail}' if detail else ''}")

    # The intact copy lists also what the store has lost.
    wanted = BUNDLE_ID.resolve(service.source, bundle_ids)
    done = repairs.repair(service, progress, only=wanted, dry_run=dry_run)
    if as_json:
        print_json(
            {
                "bundles": done.bundles,
                "erased": done.erased,
                "left": done.left,
                "repaired": done.repaired,
            }
        )
    else:
        print_result(
            tr(
                "bundles examined: {bundles}, objects repaired: {repaired}, objects still "
                "missing or damaged: {left}",
                bundles=done.bundles,
                repaired=done.repaired,
                left=done.left,
            )
        )
    if done.left:
        raise _Incomplete(
            tr("objects of the store {url} are missing or damaged", url=service.target.url),
            hint=tr("to restore the objects from the source, give the command without --dry-run")
            if dry_run
            else tr("read the messages above; another replica may have the missing objects"),
        )
