"""
Provide `snapshotter log`: begin, show, check, complete and repair the log of a store, and write
proofs that entries are in it.
"""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from snapshotter.cli.key_options import ask_passphrase
from snapshotter.cli.log_output import print_log, print_synced
from snapshotter.cli.log_witness import witness
from snapshotter.cli.object_id import BUNDLE_ID, resolve_log_name
from snapshotter.cli.options import recheck_option, store_option
from snapshotter.cli.output import Steps, print_json, print_message, print_result, write_file
from snapshotter.errors import SnapshotterError
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.app.settings import Settings
    from snapshotter.model.finding import Finding
    from snapshotter.verify.log import LogReader

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_KEY = click.option(
    "--verifier-key",
    metavar="KEY",
    help="Verifier key that the log must have, as `name+id+base64`.  [default: from the trust "
    "file, else from the key directory]",
)


@click.group()
def log() -> None:
    """Make, show, check, complete and repair the log of a store. Prove entries. Run a witness."""


@log.command(
    epilog="""\b
Examples:
  snapshotter log init --name example.org/evidence
  snapshotter log init --store s3://evidence --ask-passphrase
"""
)
@store_option
@click.option(
    "--name",
    default="",
    help="Name of the log: one of your hosts and a path, without https://.  [default: a random "
    "name]",
)
@click.option(
    "--ask-passphrase", is_flag=True, help="Ask for a passphrase that protects the key of the log."
)
@click.option(
    "--again",
    is_flag=True,
    help="Make a new log, even if this machine has a record of an earlier log of this store.",
)
@_JSON
@click.pass_context
def init(
    ctx: click.Context,
    store: str | None,
    name: str,
    ask_passphrase: bool,
    again: bool,
    as_json: bool,
) -> None:
    """
    Make the log of a store, with a name and a key of its own.

    The first capture into a store also makes a log, with a random name. An existing log is not
    changed.
    """
    from snapshotter.app.wiring import log as wiring_log
    from snapshotter.app.wiring import store as wiring_store

    settings = ctx.obj.load(store=store or "")
    passphrase: bytes | None = None
    there = wiring_log.stored_origin(wiring_store.store(settings))
    if there:
        raise SnapshotterError(
            tr("{store} already has a log: {there}", store=settings.store, there=there),
            hint=tr("show the log (a store can have only one log):\n  snapshotter log show"),
        )
    if ask_passphrase:
        text: str = click.prompt("Passphrase", hide_input=True, confirmation_prompt=True, err=True)
        passphrase = text.encode()
    writer = wiring_log.open_log(
        settings,
        ask=None,
        show_message=print_message,
        name=name,
        passphrase=passphrase,
        again=again,
    )
    key = writer.policy.key
    if as_json:
        print_json({"origin": key.name, "verifier_key": key.text})
    else:
        print_result(key.text)


@log.command(
    epilog="""\b
Examples:
  snapshotter log show
  snapshotter log show --store s3://evidence --last 50 --json
"""
)
@store_option
@_KEY
@click.option(
    "--last",
    type=click.IntRange(0),
    metavar="N",
    default=10,
    show_default=True,
    help="Number of entries to show.",
)
@_JSON
@click.pass_context
def show(
    ctx: click.Context, store: str | None, verifier_key: str | None, last: int, as_json: bool
) -> None:
    """Show the newest checkpoint of the log, its witnesses, and the newest entries."""
    from snapshotter.app.upkeep.log_entry_proof import newest_checkpoint

    settings = ctx.obj.load(store=store or "")
    reader = _reader(settings, verifier_key)
    signed = newest_checkpoint(reader, settings.store)
    entries = list(reader.entries(max(0, signed.size - last), signed.size))
    key = reader.policy.key.text if reader.policy else None
    print_log(signed, entries, key, as_json=as_json)


@log.command(
    epilog="""\b
Examples:
  snapshotter log prove 20261124t160642z-k3v4q2m7xw4c5b6d > exhibit.wacz.tlog-proof
  snapshotter log prove --kind trust 3 --output trust.json.tlog-proof
  snapshotter log prove --kind report latest --output audit.json.tlog-proof
"""
)
@click.argument("name", metavar="NAME")
@click.option(
    "--kind", default="bundle", show_default=True, help="Kind of the entry whose name is NAME."
)
@store_option
@_KEY
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, allow_dash=True),
    default="-",
    metavar="FILE",
    help="File for the proof; - is standard output.  [default: -]",
)
@_JSON
@click.pass_context
def prove(
    ctx: click.Context,
    name: str,
    kind: str,
    store: str | None,
    verifier_key: str | None,
    output: Path,
    as_json: bool,
) -> None:
    """
    Write the proof that the newest checkpoint of the log includes an entry. The proof is a C2SP
    tlog-proof. The verification of the proof needs no network and no store. The proof beside a
    bundle was made earlier, for an older checkpoint.
    """
    from snapshotter.app.upkeep.log_entry_proof import prove_entry
    from snapshotter.app.wiring import store as wiring_store

    settings = ctx.obj.load(store=store or "")
    name = resolve_log_name(wiring_store.store(settings), kind, name)
    reader = _reader(settings, verifier_key)
    found = prove_entry(reader, settings.store, kind, name)
    proof, signed, entry = found.data, found.checkpoint, found.entry
    if str(output) != "-":
        write_file(output, proof)
    if as_json:
        print_json(
            {
                "index": entry.index,
                "kind": kind,
                "name": name,
                "origin": signed.checkpoint.origin,
                "proof": proof.decode(),
                "sha256": entry.leaf.sha256 if entry.leaf else None,
                "size": signed.size,
            }
        )
    elif str(output) == "-":
        for line in proof.decode().removesuffix("\n").split("\n"):
            print_result(line)
    else:
        print_message(
            tr(
                "the proof of entry {index} in a log with {size} entries was written to {output}",
                index=entry.index,
                size=signed.size,
                output=output,
            )
        )


@log.command(
    epilog="""\b
Examples:
  snapshotter log check
  snapshotter log check --against checkpoint-of-last-year --json
"""
)
@store_option
@_KEY
@click.option(
    "--against",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Earlier checkpoint that the log must continue; may be repeated.",
)
@recheck_option("files")
@_JSON
@click.pass_context
def check(
    ctx: click.Context,
    store: str | None,
    verifier_key: str | None,
    against: tuple[Path, ...],
    recheck_after: int,
    as_json: bool,
) -> int:
    """
    Compute the whole log again, and compare it with earlier checkpoints.

    The log is compared with every checkpoint that you give, and with the newest checkpoint that
    this machine has seen. The command does not compare the log with the bundles: use `snapshotter
    audit`.

    Exit codes: 0 PASSED, 10 FAILED, 11 INDETERMINATE.
    """
    from snapshotter.app import machine
    from snapshotter.app.upkeep.log_entry_proof import require_log
    from snapshotter.app.wiring import log as wiring_log
    from snapshotter.formats.proofs.note import MAX_BYTES
    from snapshotter.model.finding import overall
    from snapshotter.verify import report
    from snapshotter.verify.files import first_bytes
    from snapshotter.verify.log import check_log

    settings = ctx.obj.load(store=store or "")
    reader = _reader(settings, verifier_key)
    remembered = wiring_log.checkpoint_memory(settings).load()
    seen = [(str(path), first_bytes(path, MAX_BYTES + 1)) for path in against]
    if remembered:
        seen.append((tr("the checkpoint that this machine saw last"), remembered))
    if not seen:
        require_log(reader, settings.store)
    found: list[Finding] = []
    with Steps(quiet=as_json) as steps:
        steps("log", "")
        for finding in check_log(
            reader,
            pause=partial(machine.pause, recheck_after),
            seen=seen,
            step=lambda done, of: steps("log", f"{done} of {of} entries"),
        ):
            found.append(finding)
    verdict = overall(found)
    if as_json:
        print_json(
            {
                "findings": [report.finding_json(finding) for finding in found],
                "verdict": verdict.value,
            }
        )
    else:
        for finding in found:
            print_result(report.finding_line(finding))
        print_result()
        print_result(verdict.name)
    return report.EXIT_CODES[verdict]


@log.command(
    epilog="""\b
Examples:
  snapshotter log sync --dry-run
  snapshotter log sync --store s3://evidence --json
  snapshotter log sync 20261124t160642z-k3v4q2m7xw4c5b6d
"""
)
@click.argument("bundle_ids", nargs=-1, type=BUNDLE_ID, metavar="[BUNDLE-ID…]")
@store_option
@click.option("--dry-run", is_flag=True, help="Print what would be added; change nothing.")
@_JSON
@click.pass_context
def sync(
    ctx: click.Context,
    bundle_ids: tuple[str, ...],
    store: str | None,
    dry_run: bool,
    as_json: bool,
) -> int:
    """
    Add stored bundles that are not in the log, and write missing proofs.

    The command also adds the new heads of custody chains to the log. Bundles whose keys are not
    trusted on this machine are skipped, unless you give their ids.

    Exit codes: 0 everything was added, 11 some bundles were skipped.
    """
    from snapshotter.app import machine
    from snapshotter.app.store_location import require_store
    from snapshotter.app.upkeep.log_sync import sync_log
    from snapshotter.app.wiring import log as wiring_log
    from snapshotter.app.wiring import store as wiring_store
    from snapshotter.app.wiring import trust as wiring_trust

    settings = ctx.obj.load(store=store or "")
    require_store(settings)
    opened = wiring_store.store(settings)
    bundle_ids = BUNDLE_ID.resolve(opened, bundle_ids)
    book = wiring_log.logbook(
        settings,
        proofs=wiring_store.custodial_store(settings, opened, show_message=print_message),
        ask=ask_passphrase,
        show_message=print_message,
    )
    passed_over = 0
    trust = wiring_trust.trust(settings)
    for bundle in sync_log(book, trust, machine.SystemClock(), only=bundle_ids, dry_run=dry_run):
        passed_over += bool(bundle.detail)
        print_synced(bundle, dry_run=dry_run, as_json=as_json)
    return 11 if passed_over else 0


@log.command(
    epilog="""\b
Examples:
  snapshotter log repair --dry-run
  snapshotter log repair
  snapshotter log repair --store /mnt/backup/news --take-over
"""
)
@store_option
@click.option("--dry-run", is_flag=True, help="Print what would be done; change nothing.")
@click.option(
    "--batch",
    default="",
    metavar="NAME",
    help="Name of the staged batch that was committed. Needed only when several batches are "
    "staged.",
)
@click.option(
    "--take-over",
    is_flag=True,
    help="Continue the log in a replica. Use this option only when the first store is "
    "permanently lost: if two stores continue the same log, the log has two different "
    "histories.",
)
@_JSON
@click.pass_context
def repair(
    ctx: click.Context,
    store: str | None,
    dry_run: bool,
    batch: str,
    take_over: bool,
    as_json: bool,
) -> None:
    """
    Repair the lock of the log. Without the lock, nothing can be added to the log.

    Use this command when `log/lock` is missing, damaged, or older than the published checkpoint.
    All known checkpoints and all entries must belong to one history. A batch that may have been
    committed before the lock was lost is completed. An intact log is not changed.
    """
    from snapshotter.app.wiring import log as wiring_log

    settings = ctx.obj.load(store=store or "")
    repairing, opened = wiring_log.log_repair(settings, ask=ask_passphrase)
    done = repairing.run(batch=batch, take_over=take_over, dry_run=dry_run)
    signed = None if dry_run else opened().settle()
    if as_json:
        print_json(
            {
                "batch": done.batch or None,
                "entries": signed.size if signed else done.size,
                "repaired": done.is_needed and not dry_run,
                "needed": done.is_needed,
                "published_before": done.published,
                "was_mirror": done.was_mirror,
            }
        )
        return
    if not done.is_needed:
        print_result(
            tr("the lock is intact and needs no repair; entries in the log: {size}", size=done.size)
        )
        return
    more = (
        tr(
            "; entries that were committed but not published: {size}",
            size=done.size - done.published,
        )
        if done.batch
        else ""
    )
    print_result(
        tr(
            "the lock would be repaired; entries in the log: {size}{more}",
            size=done.size,
            more=more,
        )
        if dry_run
        else tr(
            "the lock was repaired; entries in the log: {size}{more}", size=done.size, more=more
        )
    )


def _reader(settings: "Settings", verifier_key: str | None) -> "LogReader":
    """Open the log of a store for reading, by the key that is given or known."""
    from snapshotter.app.upkeep.log_entry_proof import read_log_key
    from snapshotter.app.wiring import store as wiring_store
    from snapshotter.app.wiring import trust as wiring_trust
    from snapshotter.formats.proofs.note import LogPolicy
    from snapshotter.verify.log import LogReader

    policy: LogPolicy | None
    if verifier_key:
        try:
            policy = LogPolicy(key=read_log_key(verifier_key))
        except ValueError as error:
            raise click.UsageError(tr("--verifier-key: {error}", error=error)) from error
    else:
        policy = wiring_trust.log_policy(settings)
    return LogReader(wiring_store.store(settings), policy)


log.add_command(witness)
