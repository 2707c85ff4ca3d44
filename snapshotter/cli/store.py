"""
Provide `snapshotter store`: test a store, add bundles to it, retain bundles, and index the store.
(`store_copies.py` has `replicate` and `repair`.)
"""

import contextlib
from dataclasses import asdict
from pathlib import Path

import click

from snapshotter.cli.object_id import BUNDLE_ID
from snapshotter.cli.options import lock_mode_option
from snapshotter.cli.output import keep_working, print_json, print_message, print_result
from snapshotter.cli.store_copies import repair, replicate
from snapshotter.errors import PolicyRefused, SnapshotterError
from snapshotter.translation import tr

_STORE = click.option(
    "--store", "url", metavar="DIR|s3://…", help="Store for the command.  [default: captures]"
)


@click.group()
def store() -> None:
    """Check, copy, repair and index a store, add bundles, and extend their retention."""


@store.command(
    epilog="""\b
Examples:
  snapshotter store check
  snapshotter store check --store s3://evidence --require-lock
"""
)
@_STORE
@click.option(
    "--require-lock",
    is_flag=True,
    help="Exit with an error if the store does not enforce retention.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def check(ctx: click.Context, url: str | None, require_lock: bool, as_json: bool) -> None:
    """
    Test every guarantee of a store, with small objects below `_probe/`.

    The test shows whether a service accepts a setting but does not apply the setting. Run the test
    before evidence depends on the setting.
    """
    from snapshotter.app.wiring import store as wiring_store
    from snapshotter.store.probe import lock_test_hint, refuse_if_not_locking

    probe = wiring_store.probe_store(ctx.obj.load(store=url or ""))
    if as_json:
        print_json(
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
            print_result(f"{marks[promise.kept]} {promise.name:<18} {promise.how}")
        print_result()
        if probe.usable:
            sentences = {
                True: tr("{url} is suitable for evidence and enforces retention", url=probe.url),
                False: tr(
                    "{url} is suitable for evidence and does not enforce retention", url=probe.url
                ),
                None: tr(
                    "{url} is suitable for evidence; it is not established whether the store "
                    "enforces retention",
                    url=probe.url,
                ),
            }
            print_result(sentences[probe.lock_test.kept])
            if probe.lock_test.kept is None and not require_lock:
                print_message(lock_test_hint())
    if not probe.usable:
        raise SnapshotterError(
            tr(
                "{url} is not suitable for evidence, because the store does not meet all "
                "guarantees in the list above",
                url=probe.url,
            ),
            hint=tr("use another endpoint, or a directory"),
        )
    if require_lock:
        refuse_if_not_locking(probe)


@store.command(
    epilog="""\b
Examples:
  snapshotter store retain --days 3650 20261124t160642z-k3v4q2m7xw4c5b6d
  snapshotter store retain --days 3650 --lock-mode COMPLIANCE 20261124t160642z-k3v4q2m7xw4c5b6d
"""
)
@click.argument("bundle_ids", nargs=-1, required=True, type=BUNDLE_ID, metavar="BUNDLE-ID…")
@_STORE
@click.option(
    "--days",
    type=click.IntRange(1, 36_500),
    metavar="DAYS",
    required=True,
    help="Retain the bundles for at least this many days from now.",
)
@lock_mode_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each bundle.")
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
    Extend the retention of stored bundles and their sidecars.

    Retention can only be extended. The command refuses an earlier date with exit code 20.
    """
    from snapshotter.app import machine
    from snapshotter.app.archive import bundles
    from snapshotter.app.upkeep import holds
    from snapshotter.app.wiring import store as wiring_store
    from snapshotter.formats.canonical_json import instant
    from snapshotter.policy import retention

    settings = ctx.obj.load(store=url or "")
    found = wiring_store.store_for_evidence(settings, locked=True, show_message=print_message)
    target = wiring_store.custodial_store(settings, found, show_message=print_message)
    wanted = retention.retention_for_days(
        days, lock_mode or "GOVERNANCE", machine.SystemClock().now()
    )
    if wanted is None:
        raise click.UsageError(tr("--days must be at least 1"))
    keep_working()
    for bundle_id in BUNDLE_ID.resolve(target, bundle_ids):
        key = bundles.find_bundle_key(target, bundle_id)
        state = target.retain(key, wanted)
        for sidecar in holds.list_sidecars(target, key):
            with contextlib.suppress(PolicyRefused):  # that one is kept for longer as it is
                target.retain(sidecar, wanted)
        kept = state.retention or wanted
        if as_json:
            print_json(
                {
                    "bundle_id": bundle_id,
                    "enforced": state.enforced,
                    "lock_mode": kept.mode,
                    "retain_until": instant(kept.until),
                }
            )
        else:
            print_result(
                tr(
                    "{bundle_id}  retained until {instant} ({mode})",
                    bundle_id=bundle_id,
                    instant=instant(kept.until),
                    mode=kept.mode,
                )
            )


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
    metavar="DAYS",
    help="Retain the bundles for at least this many days (S3 Object Lock).",
)
@lock_mode_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each bundle.")
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
    Add sealed bundles from files to the store. The files may come from another store, or from the
    folder of this machine with bundles that could not be stored. A bundle with the verdict FAILED
    is refused. Adding the same bundle again changes nothing.

    Late tokens in the folder of the file are added if they belong to the signature of the bundle.
    Other late tokens are reported on standard error.

    The bundles are not in the log until `snapshotter log sync` adds them.
    """
    from snapshotter.app import machine
    from snapshotter.app.pipeline import safekeeping, store_bundle
    from snapshotter.app.wiring import store as wiring_store
    from snapshotter.app.wiring import trust as wiring_trust
    from snapshotter.app.wiring import upkeep as wiring_upkeep
    from snapshotter.policy import retention

    settings = ctx.obj.load(store=url or "")
    found = wiring_store.store_for_evidence(
        settings, locked=lock_days is not None, show_message=print_message
    )
    target, trust = (
        wiring_store.custodial_store(settings, found, show_message=print_message),
        wiring_trust.trust(settings),
    )
    tombstones = wiring_upkeep.tombstones(settings)
    keep_working()
    for file in files:
        now = machine.SystemClock().now()
        retain = retention.retention_for_days(lock_days or 0, lock_mode or "GOVERNANCE", now)
        added = safekeeping.add_bundle(
            file, target, trust, now=now, retention=retain, tombstones=tombstones
        )
        where = store_bundle.location(target, added.stored.key)
        if as_json:
            print_json(
                {
                    "bytes": added.stored.length,
                    "file": str(file),
                    "passed_over": list(added.passed_over),
                    "path": where,
                }
            )
        else:
            print_result(where)
        for sentence in added.passed_over:
            print_message(sentence)


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
    Read all bundles of a store again for its index, as `snapshotter index rebuild` does.
    """
    from snapshotter.cli.index import rebuild_index

    rebuild_index(ctx.obj.load(store=url or ""), as_json=as_json)


store.add_command(replicate)
store.add_command(repair)
