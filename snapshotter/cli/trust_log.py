"""
Provide `snapshotter trust set-log`, `add-witness` and `publish`: name a log and its witnesses in a
trust file, and enter a version of the trust file into the log.
"""

from pathlib import Path

import click

from snapshotter.cli.key_options import json_option, key_directory
from snapshotter.cli.output import print_json, print_message, print_result
from snapshotter.cli.trust_editing import TrustEdit, edit_options, root_key_option
from snapshotter.translation import tr


@click.command(
    "set-log",
    epilog="""\b
Examples:
  snapshotter trust set-log trust.json 'log.example.org/evidence+8e7c1a30+AQ…'
  snapshotter trust set-log trust.json 'log.example.org/evidence+8e7c1a30+AQ…' \\
      --witness 'witness.example.net/w1+4c9a0d55+BA…' --quorum 1
  snapshotter trust set-log trust.json --none
""",
)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("verifier_key", required=False, metavar="[VERIFIER-KEY]")
@click.option("--none", "no_log", is_flag=True, help="Accept no log.")
@click.option(
    "--witness",
    "witnesses",
    multiple=True,
    metavar="VERIFIER-KEY",
    help="Verifier key of a witness; may be repeated. The list replaces the present witnesses.",
)
@click.option(
    "--quorum",
    type=click.IntRange(min=0),
    metavar="N",
    help="Number of witnesses that must have cosigned a checkpoint.  [default: all given "
    "witnesses]",
)
@edit_options
def set_log(
    edit: TrustEdit,
    file: Path,
    verifier_key: str | None,
    no_log: bool,
    witnesses: tuple[str, ...],
    quorum: int | None,
) -> None:
    """
    Set the log whose proofs are accepted.

    To require a log proof for every bundle, use `snapshotter trust bump --require-log`.
    """
    from snapshotter.app.trust.editing import read_verifier_key
    from snapshotter.formats.proofs.note import LogPolicy

    if no_log is (verifier_key is not None) or (no_log and witnesses):
        raise click.UsageError(tr("give the verifier key of the log, or give only --none"))
    if verifier_key is None:
        edit.apply(file, lambda document: document.with_log(None))
        return
    try:
        log = LogPolicy(
            key=read_verifier_key(verifier_key),
            witnesses=tuple(map(read_verifier_key, witnesses)),
            quorum=len(witnesses) if quorum is None else quorum,
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    edit.apply(file, lambda document: document.with_log(log))
    print_message(
        tr(
            "verifiers that use this version of the trust file accept proofs of the log {name}",
            name=log.key.name,
        )
    )


@click.command(
    "add-witness",
    epilog="""\b
Examples:
  snapshotter trust add-witness trust.json 'witness.example.net/w1+4c9a0d55+BA…' --quorum 2
""",
)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("verifier_key", metavar="VERIFIER-KEY")
@click.option(
    "--quorum",
    type=click.IntRange(min=0),
    metavar="N",
    help="Number of witnesses that must have cosigned a checkpoint.  [default: as before]",
)
@edit_options
def add_witness(edit: TrustEdit, file: Path, verifier_key: str, quorum: int | None) -> None:
    """Accept the cosignatures of a witness."""
    from snapshotter.app.trust import editing

    witness = editing.read_verifier_key(verifier_key)
    edit.apply(file, editing.add_witness(witness, quorum))
    print_message(
        tr(
            "verifiers that use this version of the trust file accept cosignatures of "
            "the witness {name}",
            name=witness.name,
        )
    )


@click.command(
    epilog="""\b
Examples:
  snapshotter trust publish trust.json
  snapshotter trust publish trust.json --store s3://evidence --root-key 3f1c…
"""
)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--store", metavar="DIR|s3://…", help="Store with the log.  [default: captures]")
@click.option(
    "--root-key",
    metavar="KEY-ID",
    help="Key id of the root key of the trust file.  [default: your own root key]",
)
@root_key_option
@json_option
@click.pass_context
def publish(
    ctx: click.Context,
    file: Path,
    store: str | None,
    root_key: str | None,
    root_key_name: str,
    as_json: bool,
) -> None:
    """
    Add this version of the trust file to the log, by its number and digest.

    Every reader of the log can then see which versions were published. An auditor who received an
    older version, or another file with the same version number, can see this in the log.
    """
    from snapshotter.app.trust import files
    from snapshotter.app.wiring import log as wiring_log
    from snapshotter.verify.trust import load_document

    settings = ctx.obj.load(store=store or "")
    pin = root_key or settings.trust_root_key or key_directory(ctx).find(root_key_name).key_id
    document = load_document(*files.read_pair(file), pinned_root=pin)
    log = wiring_log.open_log(settings, ask=None, show_message=print_message)
    done = log.append([document.leaf], seen=0)
    if as_json:
        print_json(
            {
                "added": done.added > 0,
                "index": done.indexes[0],
                "sha256": document.leaf.sha256,
                "size": done.signed.size,
                "version": document.version,
            }
        )
    else:
        words = tr("is in the log now") if done.added else tr("is in the log already")
        print_result(
            tr(
                "version {version} {words}: entry {indexes}",
                version=document.version,
                words=words,
                indexes=done.indexes[0],
            )
        )
    print_message(
        tr(
            "write the log proof of this version:\n  snapshotter log prove --kind trust "
            "{version} --output "
            "{file}.tlog-proof",
            version=document.version,
            file=file,
        )
    )
