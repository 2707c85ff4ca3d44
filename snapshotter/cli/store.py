"""`snapshotter store`: what a store promises, what it keeps, and copies of it."""

import contextlib
from dataclasses import asdict
from pathlib import Path

import click

from snapshotter.cli.copies import repair, replicate
from snapshotter.cli.options import lock_mode_option
from snapshotter.cli.output import result, result_json, say
from snapshotter.errors import PolicyRefused, SnapshotterError

_STORE = click.option(
    "--store", "url", metavar="DIR|s3://…", help="The store.  [default: captures]"
)


@click.group()
def store() -> None:
    """Check a store, add bundles to it, keep, copy, repair and index it."""


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
    from snapshotter.app import wiring_store
    from snapshotter.store.probe import refuse_unlocked

    probe = wiring_store.probe_store(ctx.obj.load(store=url or ""))
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
  snapshotter store retain --days 3650 20261124t160642z-k3v4q2m7xw4c5b6d
  snapshotter store retain --days 3650 --lock-mode COMPLIANCE 20261124t160642z-k3v4q2m7xw4c5b6d
"""
)
@click.argument("bundle_ids", nargs=-1, required=True, metavar="BUNDLE-ID…")
@_STORE
@click.option(
    "--days", type=click.IntRange(1, 36_500), required=True, help="From now, at least so long."
)
@lock_mode_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a bundle.")
@click.pass_context
def retain(
    ctx: click.Context,
    bundle_ids: tuple[str, ...],
    url: str | None,
    days: int,
    lock_mode: str | None,
    as_json: bool,
) -> None:
    """
    Keep bundles that are stored for a time, with all that stands beside them.

    What is there is only ever extended; a date before it is refused with exit code 20.
    """
    from snapshotter.app import bundles, holds, machine, wiring_store
    from snapshotter.formats.canonical_json import instant
    from snapshotter.policy import retention

    settings = ctx.obj.load(store=url or "")
    found = wiring_store.store_for_evidence(settings, locked=True, tell=say)
    target = wiring_store.custodial(settings, found, tell=say)
    wanted = retention.for_days(days, lock_mode or "GOVERNANCE", machine.SystemClock().now())
    if wanted is None:
        raise click.UsageError("--days is at least 1")
    for bundle_id in bundle_ids:
        key = bundles.key_of(target, bundle_id)
        state = target.retain(key, wanted)
        for sidecar in holds.sidecars(target, key):
            with contextlib.suppress(PolicyRefused):  # that one is kept for longer as it is
                target.retain(sidecar, wanted)
        kept = state.retention or wanted
        if as_json:
            result_json(
                {
                    "bundle_id": bundle_id,
                    "enforced": state.enforced,
                    "lock_mode": kept.mode,
                    "retain_until": instant(kept.until),
                }
            )
        else:
            result(f"{bundle_id}  retained until {instant(kept.until)} ({kept.mode})")


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
    said on stderr. What was added is not in the log until `snapshotter log sync`.
    """
    from snapshotter.app import keeping, machine, storing, wiring_desks, wiring_store, wiring_trust
    from snapshotter.policy import retention

    settings = ctx.obj.load(store=url or "")
    found = wiring_store.store_for_evidence(settings, locked=lock_days is not None, tell=say)
    target, trust = wiring_store.custodial(settings, found, tell=say), wiring_trust.trust(settings)
    graves = wiring_desks.graves(settings)
    for file in files:
        now = machine.SystemClock().now()
        retain = retention.for_days(lock_days or 0, lock_mode or "GOVERNANCE", now)
        added = keeping.add(file, target, trust, now=now, retention=retain, graves=graves)
        where = storing.location(target, added.stored.key)
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


@store.command(
    epilog="""\b
Examples:
  snapshotter store reindex
  snapshotter store reindex --store s3://evidence --json
"""
)
@_STORE
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def reindex(ctx: click.Context, url: str | None, as_json: bool) -> None:
    """
    Read every bundle of a store into its catalog anew.

    The catalog is an index on this machine: by it captures of one page are found. It
    follows the store by itself; this makes it again from the beginning.
    """
    from snapshotter.app import wiring_takedown
    from snapshotter.store.catalog import Standing

    settings = ctx.obj.load(store=url or "")
    with wiring_takedown.observatory(settings) as place:
        place.catalog.clear()
        place.sync(told=lambda count: say(f"{count} bundles were read"))
        found = place.catalog.standings()
    if as_json:
        counts = {it.value: found.get(it, 0) for it in Standing}
        result_json({"bundles": sum(found.values()), "store": place.store.url, **counts})
        return
    result(f"{sum(found.values())} bundles of {place.store.url} are in the catalog")
    for standing, words in _STANDINGS:
        if count := found.get(Standing(standing), 0):
            result(f"{count:>6} {words}")


_STANDINGS = (
    ("assessed", "with the verdict that stands in them"),
    ("reassessed", "older, judged by the rules of today"),
    ("unassessed", "older, and hold too little for a verdict"),
    ("unreadable", "can not be read (snapshotter verify says why)"),
)

store.add_command(replicate)
store.add_command(repair)
