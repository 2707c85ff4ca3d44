"""`snapshotter log`: look at the log of a store, prove entries, check it, and complete it."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from snapshotter.cli.options import recheck_option, store_option
from snapshotter.cli.output import Steps, print_json, print_message, print_result, write_file
from snapshotter.errors import EvidenceInvalid, SnapshotterError

if TYPE_CHECKING:
    from snapshotter.app.settings import Settings
    from snapshotter.formats.proofs.note import SignedCheckpoint
    from snapshotter.model.finding import Finding
    from snapshotter.seal.witness import WitnessService
    from snapshotter.verify.log import LogReader

_WHAT = {
    "bundle": "the bundle",
    "custody": "its custody",
    "gap": "the record of a gap",
    "takedown": "the take-down event",
}
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_KEY = click.option(
    "--verifier-key",
    metavar="KEY",
    help="Whose log it has to be, as `name+id+base64`.  [default: that of the trust file, or the"
    " one that is in the key directory]",
)


@click.group()
def log() -> None:
    """Look at the log of a store, prove entries, check it, complete it, and witness logs."""


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
    help="The log's name: a host and path of yours, without https://.  [default: nobody's]",
)
@click.option("--ask-passphrase", is_flag=True, help="Ask for a passphrase that opens the key.")
@click.option(
    "--again", is_flag=True, help="Begin one also where this machine remembers that there was one."
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
    Begin the log of a store with a name and a key of its own.

    The first capture into a store does the same by itself, with a name that is nobody's.
    A log that is there is left alone.
    """
    from snapshotter.app.wiring import log as wiring_log
    from snapshotter.app.wiring import store as wiring_store

    settings = ctx.obj.load(store=store or "")
    passphrase: bytes | None = None
    there = wiring_log.stored_origin(wiring_store.store(settings))
    if there:
        raise SnapshotterError(
            f"{settings.store} has a log already: {there}",
            hint="snapshotter log show; a log and its name last as long as the store",
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
    "--last", type=click.IntRange(0), default=10, show_default=True, help="Entries shown."
)
@_JSON
@click.pass_context
def show(
    ctx: click.Context, store: str | None, verifier_key: str | None, last: int, as_json: bool
) -> None:
    """Show the head of the log, who has seen it, and its newest entries."""
    from snapshotter.formats.canonical_json import instant

    settings = ctx.obj.load(store=store or "")
    reader = _reader(settings, verifier_key)
    signed = _checkpoint(reader, settings)
    entries = list(reader.entries(max(0, signed.size - last), signed.size))
    key = reader.policy.key.text if reader.policy else None
    if as_json:
        print_json(
            {
                "entries": [
                    {
                        "index": entry.index,
                        "kind": entry.leaf.kind if entry.leaf else None,
                        "name": entry.leaf.name if entry.leaf else None,
                        "sha256": entry.leaf.sha256 if entry.leaf else None,
                    }
                    for entry in entries
                ],
                "origin": signed.checkpoint.origin,
                "root": signed.root.hex(),
                "size": signed.size,
                "verified": reader.policy is not None,
                "verifier_key": key,
                "witnesses": [
                    {"name": cosignature.key.name, "time": instant(cosignature.time)}
                    for cosignature in signed.cosignatures
                ],
            }
        )
        return
    print_result(f"log            {signed.checkpoint.origin}")
    print_result(
        f"verifier key   {key or 'not known here: nothing below was verified (--verifier-key)'}"
    )
    print_result(f"entries        {signed.size}")
    print_result(f"root           {signed.root.hex()}")
    for cosignature in signed.cosignatures:
        print_result(f"seen by        {cosignature.key.name} at {instant(cosignature.time)}")
    if not signed.cosignatures:
        print_result("seen by        no witness that is trusted here")
    if entries:
        print_result()
    for entry in entries:
        words = f"{entry.leaf.kind:<10} {entry.leaf.name}" if entry.leaf else "not a leaf"
        print_result(f"{entry.index:>8}  {words}")


@log.command(
    epilog="""\b
Examples:
  snapshotter log prove 20261124t160642z-k3v4q2m7xw4c5b6d > exhibit.wacz.tlog-proof
  snapshotter log prove --kind trust 3 --output trust.json.tlog-proof
"""
)
@click.argument("name", metavar="NAME")
@click.option("--kind", default="bundle", show_default=True, help="What NAME is the name of.")
@store_option
@_KEY
@click.option("--output", "-o", type=click.Path(path_type=Path, allow_dash=True), default="-")
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
    Write the proof that something is in the log, against its newest checkpoint.

    The proof is a C2SP tlog-proof: it needs no network and no store to be verified, and
    is later than the one that stands beside a bundle.
    """
    settings = ctx.obj.load(store=store or "")
    reader = _reader(settings, verifier_key)
    signed = _checkpoint(reader, settings)
    try:
        entry = reader.find(kind, name, signed)
        if entry is None or entry.leaf is None:
            raise SnapshotterError(
                f"the log has no {kind} {name}",
                hint="snapshotter log show; snapshotter log sync adds bundles that are missing",
            )
        proof = reader.prove(entry, signed)
    except EvidenceInvalid as error:
        raise EvidenceInvalid(error.message, hint="snapshotter log check") from error
    if str(output) != "-":
        write_file(output, proof)
    if as_json:
        print_json(
            {
                "index": entry.index,
                "kind": entry.leaf.kind,
                "name": entry.leaf.name,
                "origin": signed.checkpoint.origin,
                "proof": proof.decode(),
                "sha256": entry.leaf.sha256,
                "size": signed.size,
            }
        )
    elif str(output) == "-":
        for line in proof.decode().removesuffix("\n").split("\n"):
            print_result(line)
    else:
        print_message(f"entry {entry.index} of {signed.size}: {output}")


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
    help="A checkpoint from before that the log has to continue.",
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
    Work the whole log out again, and compare it with what was seen before.

    Compared with every checkpoint that is named, and with the newest that this machine
    has seen. Whether bundles and log fit each other is `snapshotter audit`'s question.
    Ends in 0, 10 or 11, as verify does.
    """
    from snapshotter.app import machine
    from snapshotter.app.wiring import log as wiring_log
    from snapshotter.model.finding import overall
    from snapshotter.verify import report
    from snapshotter.verify.log import check_log

    settings = ctx.obj.load(store=store or "")
    reader = _reader(settings, verifier_key)
    remembered = wiring_log.checkpoint_memory(settings).load()
    seen = [(str(path), _note(path)) for path in against]
    if remembered:
        seen.append(("what this machine saw last", remembered))
    if not seen:
        _checkpoint_there(reader, settings)
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
@click.argument("bundle_ids", nargs=-1, metavar="[BUNDLE-ID…]")
@store_option
@click.option("--dry-run", is_flag=True, help="Say what would be added, and change nothing.")
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
    Add bundles that are stored and not in the log, and write the proofs that are missing.

    Then the heads of custody chains that have grown since they were logged. Bundles of keys
    that are not trusted here are passed over, unless they are named. Ends in 11 when some
    were passed over.
    """
    from snapshotter.app import machine
    from snapshotter.app.upkeep.log_sync import sync_log
    from snapshotter.app.wiring import log as wiring_log
    from snapshotter.app.wiring import store as wiring_store
    from snapshotter.app.wiring import trust as wiring_trust
    from snapshotter.cli.capture import ask_passphrase

    settings = ctx.obj.load(store=store or "")
    book = wiring_log.logbook(
        settings,
        proofs=wiring_store.custodial_store(
            settings, wiring_store.store(settings), show_message=print_message
        ),
        ask=ask_passphrase,
        show_message=print_message,
    )
    passed_over = 0
    trust = wiring_trust.trust(settings)
    for bundle in sync_log(book, trust, machine.SystemClock(), only=bundle_ids, dry_run=dry_run):
        passed_over += bool(bundle.detail)
        if as_json:
            state = "passed over" if bundle.detail else "waiting" if dry_run else "logged"
            print_json(
                {
                    "added": bundle.added,
                    "bundle_id": bundle.bundle_id,
                    "detail": bundle.detail,
                    "index": bundle.index,
                    "kind": bundle.kind,
                    "state": state,
                }
            )
        elif bundle.detail:
            print_message(f"{bundle.bundle_id} was passed over: {bundle.detail}")
        elif dry_run:
            print_result(f"{bundle.bundle_id}: {_WHAT[bundle.kind]} would be logged")
        else:
            what = "added" if bundle.added else "was there, its proof is written"
            print_result(f"{bundle.bundle_id}: {_WHAT[bundle.kind]}, entry {bundle.index}, {what}")
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
@click.option("--dry-run", is_flag=True, help="Say what would be done, and change nothing.")
@click.option(
    "--batch",
    default="",
    metavar="NAME",
    help="Of several staged batches, the one that was committed.",
)
@click.option(
    "--take-over",
    is_flag=True,
    help="Make a log of a replica's copy. Only when the first store is lost for good: two that go"
    " on with one log sign two histories.",
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
    Make the lock of the log anew, without which nothing is written to it.

    Where `log/lock` is lost, damaged, or older than what is published. Every checkpoint that
    is known, and all entries, have to be of one history; a batch that may have been committed
    before the lock was lost is finished. A log that is as it should be is left alone.
    """
    from snapshotter.app.wiring import log as wiring_log
    from snapshotter.cli.capture import ask_passphrase

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
        print_result(f"the lock is of {done.size} entries: nothing is to be repaired")
        return
    more = f", with {done.size - done.published} that were committed" if done.batch else ""
    would = "would be" if dry_run else "is"
    print_result(f"the lock {would} of {done.size} entries{more}")


def _reader(settings: "Settings", verifier_key: str | None) -> "LogReader":
    """Open the log of a store for reading, by the key that is given or known."""
    from snapshotter.app.wiring import store as wiring_store
    from snapshotter.app.wiring import trust as wiring_trust
    from snapshotter.formats.proofs.note import ED25519, LogPolicy, parse_verifier_key
    from snapshotter.verify.log import LogReader

    policy: LogPolicy | None
    if verifier_key:
        try:
            key = parse_verifier_key(verifier_key)
        except EvidenceInvalid as error:
            raise click.UsageError(f"--verifier-key: {error}") from error
        if key.kind != ED25519:
            raise click.UsageError("--verifier-key: that is the key of a witness, not of a log")
        policy = LogPolicy(key=key)
    else:
        policy = wiring_trust.log_policy(settings)
    return LogReader(wiring_store.store(settings), policy)


def _note(path: Path) -> bytes:
    """Return the first bytes of a file that has to be a checkpoint. Never waits."""
    from snapshotter.formats.proofs.note import MAX_BYTES
    from snapshotter.verify.files import open_file

    with open_file(path) as stream:
        return stream.read(MAX_BYTES + 1)


def _checkpoint_there(reader: "LogReader", settings: "Settings") -> None:
    try:
        reader.note()
    except FileNotFoundError as error:
        raise SnapshotterError(
            f"{settings.store} has no log",
            hint="the first capture begins one, or snapshotter log init",
        ) from error


def _checkpoint(reader: "LogReader", settings: "Settings") -> "SignedCheckpoint":
    _checkpoint_there(reader, settings)
    try:
        return reader.checkpoint()
    except EvidenceInvalid as error:
        raise EvidenceInvalid(error.message, hint="snapshotter log check") from error


@log.command(
    epilog="""\b
Examples:
  snapshotter log witness --name witness.example/w1 --print-key
  snapshotter log witness --log "$(ssh evidence snapshotter log show --json | jq -r .verifier_key)"
  snapshotter log witness --log VERIFIER-KEY --listen 127.0.0.1:8791 --dir /var/lib/witness
"""
)
@click.option(
    "--log", "log_keys", multiple=True, metavar="KEY", help="The verifier key of a log to witness."
)
@click.option("--listen", default="127.0.0.1:8791", show_default=True, metavar="HOST:PORT")
@click.option("--name", default="", help="The witness's name, when its key is made.")
@click.option(
    "--dir",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where it is kept what was cosigned.  [default: in the data directory]",
)
@click.option("--print-key", is_flag=True, help="Print the witness's verifier key, and end.")
@_JSON
@click.pass_context
def witness(
    ctx: click.Context,
    log_keys: tuple[str, ...],
    listen: str,
    name: str,
    directory: Path | None,
    print_key: bool,
    as_json: bool,
) -> None:
    """
    Be a witness: cosign the checkpoints of logs, and never two histories of one.

    For a second party on a machine of its own. It speaks C2SP tlog-witness in plain http;
    what is open to the world needs TLS in front of it. Its key is made at its first use.
    """
    import asyncio

    from snapshotter.app.wiring import log as wiring_log

    settings = ctx.obj.load()
    signer = wiring_log.witness_signer(settings, name=name, show_message=print_message)
    if print_key:
        if as_json:
            print_json({"verifier_key": signer.key.text})
        else:
            print_result(signer.key.text)
        return
    host, _, port = listen.rpartition(":")
    if not port.isdecimal() or not host or int(port) > 65_535:
        raise click.UsageError(f"--listen {listen}: not HOST:PORT")
    serving = wiring_log.witnessing(settings, signer, log_keys, directory)
    asyncio.run(_serve(serving, host.strip("[]"), int(port), as_json=as_json))


async def _serve(witness: "WitnessService", host: str, port: int, *, as_json: bool) -> None:
    """Serve until a signal ends it."""
    import asyncio
    import signal

    from snapshotter.seal.witness_server import WitnessServer

    server = WitnessServer(witness, print_message)
    try:
        taken = await server.start(host, port)
    except OSError as error:
        raise SnapshotterError(f"{host}:{port} can not be listened on: {error.strerror}") from error
    url = f"http://{f'[{host}]' if ':' in host else host}:{taken}"
    if as_json:
        print_json({"url": url, "verifier_key": witness.key.text})
    else:
        print_result(f"witness {witness.key.name} listens on {url}")
        print_result(witness.key.text)
    waiting = asyncio.ensure_future(server.wait())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, waiting.cancel)
    try:
        await waiting
    except asyncio.CancelledError:
        print_message("the witness ends; what it has cosigned is kept")
