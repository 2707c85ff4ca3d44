"""`snapshotter store`: put a store's promises to the test, and add bundles to it."""

from dataclasses import asdict
from pathlib import Path

import click

from snapshotter.cli.options import lock_mode_option
from snapshotter.cli.output import result, result_json, say
from snapshotter.errors import SnapshotterError

_STORE = click.option(
    "--store", "url", metavar="DIR|s3://…", help="The store.  [default: captures]"
)


@click.group()
def store() -> None:
    """Check a store, and add bundles to it."""


@store.command(
    epilog="""\b
Examples:
  snapshotter store check
  snapshotter store check --store s3://evidence --require-lock
"""
)
@_STORE
@click.option("--require-lock", is_flag=True, help="Fail where retention is not enforced.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def check(ctx: click.Context, url: str | None, require_lock: bool, as_json: bool) -> None:
    """
    Put every promise of a store to the test, with tiny objects below `_probe/`.

    An endpoint that takes a header and does nothing with it is found out here,
    before evidence depends on it.
    """
    from snapshotter.app import wiring
    from snapshotter.store.probe import refuse_unlocked

    probe = wiring.probe_store(ctx.obj.load(store=url or ""))
    if as_json:
        result_json(
            {
                "locks": probe.locks,
                "promises": [asdict(promise) for promise in probe.promises],
                "store": probe.url,
                "usable": probe.usable,
            }
        )
    else:
        marks = {True: "ok  ", False: "NO  ", None: "-   "}
        for promise in probe.promises:
            result(f"{marks[promise.kept]} {promise.name:<18} {promise.how}")
        result()
        if probe.usable:
            locks = (
                "and enforces retention" if probe.locks else "and is not WORM: nothing is locked"
            )
            result(f"{probe.url} is fit for evidence, {locks}")
    if not probe.usable:
        raise SnapshotterError(
            f"{probe.url} is not fit for evidence: see the promises it does not keep",
            hint="use another endpoint, or a directory",
        )
    if require_lock:
        refuse_unlocked(probe)


@store.command(
    epilog="""\b
Examples:
  snapshotter store add exhibit.wacz
  snapshotter store add --store s3://evidence --lock-days 3650 \\
      ~/.local/share/snapshotter/unstored/*.wacz
"""
)
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False, exists=True)
)
@_STORE
@click.option(
    "--lock-days",
    type=click.IntRange(1, 36_500),
    help="Keep the bundles for so many days at least (S3 Object Lock).",
)
@lock_mode_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a bundle.")
@click.pass_context
def add(
    ctx: click.Context,
    files: tuple[Path, ...],
    url: str | None,
    lock_days: int | None,
    lock_mode: str | None,
    as_json: bool,
) -> None:
    """
    Store sealed bundles that are files: from another store, or kept when a store was down.

    A bundle that the verifier calls FAILED is refused; the same bundle again changes nothing.
    Late tokens beside a bundle come along when they are over its signature; which do not is
    said on stderr.
    """
    from snapshotter.app import keeping, pipeline, wiring
    from snapshotter.policy import retention

    settings = ctx.obj.load(store=url or "")
    target, trust = (
        wiring.store_for_evidence(settings, locked=lock_days is not None, tell=say),
        wiring.trust(settings),
    )
    for file in files:
        now = wiring.SystemClock().now()
        retain = retention.for_days(lock_days or 0, lock_mode or "GOVERNANCE", now)
        added = keeping.add(file, target, trust, now=now, retention=retain)
        where = pipeline.location(target, added.stored.key)
        if as_json:
            result_json(
                {
                    "bytes": added.stored.length,
                    "file": str(file),
                    "passed_over": list(added.passed_over),
                    "path": where,
                }
            )
        else:
            result(where)
        for sentence in added.passed_over:
            say(sentence)
