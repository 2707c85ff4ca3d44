"""
Provide `snapshotter export`: copy bundles and their sidecars out of a store, sign statements and
COSE receipts about bundles, write HTTP archives, masked copies of their pictures or redacted
copies, or write a folder that holds one bundle and all that is needed to verify it offline.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from snapshotter.cli.object_id import BUNDLE_ID
from snapshotter.cli.options import complete_case, missing_trust_file, store_option
from snapshotter.cli.output import (
    keep_working,
    print_json,
    print_message,
    print_result,
)
from snapshotter.model.finding import Verdict
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.app.archive.exports.scitt_files import ScittSigners
    from snapshotter.app.settings import Settings
    from snapshotter.ports import ObjectStore


@click.command(
    epilog="""\b
Examples:
  snapshotter export 20261124t160642z-k3v4q2m7xw4c5b6d -o ./exhibit-7
  snapshotter export --unpack 20261124t160642z-k3v4q2m7xw4c5b6d -o ./exhibit-7
  snapshotter export --masked 20261124t160642z-k3v4q2m7xw4c5b6d -o ./for-the-press
  snapshotter export --redact addresses,headers --keep capture/screenshot.png \\
    20261124t160642z-k3v4q2m7xw4c5b6d -o ./for-the-court
  snapshotter export --evidence --trust trust.json --root-key 3f1c… \\
    20261124t160642z-k3v4q2m7xw4c5b6d -o ./exhibit-7
  snapshotter export --case harbour -o ./harbour
  snapshotter export --har 20261124t160642z-k3v4q2m7xw4c5b6d -o ./requests
  snapshotter export --scitt 20261124t160642z-k3v4q2m7xw4c5b6d -o ./for-the-auditor
"""
)
@click.argument("bundle_ids", nargs=-1, type=BUNDLE_ID, metavar="[BUNDLE-ID…]")
@click.option(
    "--case",
    "case_name",
    default="",
    shell_complete=complete_case,
    metavar="NAME",
    help="Copy the exhibits of this case.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    help="Directory for the copies.  [default: this directory; with --evidence, a directory "
    "whose name is the bundle id]",
)
@store_option
@click.option(
    "--unpack",
    is_flag=True,
    help="Also write the files that the bundle contains: pictures, text, DOM and others.",
)
@click.option(
    "--masked", is_flag=True, help="Write only masked copies of the pictures, for publication."
)
@click.option(
    "--redact",
    default="",
    metavar="FIELDS",
    help="Write a copy that withholds values of the record: addresses, details, headers, machine, "
    "network, server, title, or JSON pointers, separated by commas.",
)
@click.option(
    "--keep",
    multiple=True,
    metavar="FILE",
    help="With --redact: a file of the bundle that the copy contains. May be given several times.",
)
@click.option(
    "--evidence",
    is_flag=True,
    help="Write a new folder with everything that is needed to verify the bundle.",
)
@click.option(
    "--scitt",
    is_flag=True,
    help="Also sign and write a SCITT statement and a COSE receipt about each bundle.",
)
@click.option(
    "--har",
    is_flag=True,
    help="Write only an HTTP archive (HAR 1.2) of the requests of the page.",
)
@click.option(
    "--trust",
    "trust_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="With --evidence: trust file that is copied into the folder.",
)
@click.option(
    "--root-key",
    metavar="KEY-ID",
    help="With --evidence: key id of the root key that signed the trust file.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each bundle.")
@click.pass_context
def export(
    ctx: click.Context,
    bundle_ids: tuple[str, ...],
    case_name: str,
    output: Path,
    store: str | None,
    unpack: bool,
    masked: bool,
    redact: str,
    keep: tuple[str, ...],
    evidence: bool,
    scitt: bool,
    har: bool,
    trust_file: Path | None,
    root_key: str | None,
    as_json: bool,
) -> None:
    """
    Copy bundles and their sidecars out of the store.

    The copies have the same bytes as the originals, so their verification has the same result.

    --evidence makes a folder with everything that a verification needs. The folder has the bundle,
    its sidecars, the trust file, public keys and root certificates. It has a verifier in one file,
    and a README with every command. The folder also has a report about the capture, and the
    picture of the page unless the capture is marked as graphic.

    --masked writes no bundle. It writes copies of the pictures in which the redacted text is
    covered (docs/howto/stay-unnamed.md). The bundle itself does not change.

    --redact writes a copy without some values. The signature, the timestamps and every value that
    is left can still be verified, and the verdict states what is withheld
    (docs/howto/redact.md). The copy contains no file of the page unless --keep names the
    file: look at each such file first. Bundles of records of version 1 cannot be redacted.

    --har writes no bundle. Developer tools of browsers read the file ID.har. The file has the
    requests and answers with their headers and times, as the network record of the bundle states
    them. What the record masks stays masked. Bodies are named by their digests. Nothing is
    verified.

    --case copies the exhibits of a case. The file case-NAME.json in the directory lists the
    exhibits, and states which captures were left out because they are in quarantine, and why. To
    make one archive with reports and verifiers, use `snapshotter case export`.

    --scitt needs your signing key and the key of the log. For each bundle, --scitt writes ID.scitt,
    a statement that your key signs, and ID.receipt, the proof that the log contains the bundle
    (docs/spec/scitt.md).

    Exit code 20: without --case, a capture is in quarantine, and nothing was written. Or a bundle
    cannot be redacted, or a file of --keep contains a withheld value.
    """
    from snapshotter.app.archive import bundles, quarantined
    from snapshotter.app.wiring import documents
    from snapshotter.app.wiring import store as wiring_store
    from snapshotter.app.wiring import trust as wiring_trust

    if bool(bundle_ids) == bool(case_name):
        raise click.UsageError(tr("name bundles by their ids, or a case with --case"))
    if case_name and (masked or evidence):
        raise click.UsageError(tr("--case does not work with --masked or --evidence"))
    if evidence and (unpack or len(bundle_ids) > 1):
        raise click.UsageError(
            tr(
                "--evidence makes a folder for exactly one bundle, and does not work with "
                "--unpack or further bundles"
            )
        )
    if redact and (case_name or unpack or masked or evidence):
        raise click.UsageError(
            tr("--redact does not work with --case, --unpack, --masked or --evidence")
        )
    if keep and not redact:
        raise click.UsageError(tr("--keep works only together with --redact"))
    if masked and (unpack or evidence):
        raise click.UsageError(
            tr("--masked writes only pictures, and does not work with --unpack or --evidence")
        )
    if scitt and (masked or redact or evidence):
        raise click.UsageError(tr("--scitt does not work with --masked, --redact or --evidence"))
    if har and (case_name or unpack or masked or redact or evidence or scitt):
        raise click.UsageError(
            tr(
                "--har does not work with --case, --unpack, --masked, --redact, --evidence or "
                "--scitt"
            )
        )
    if not evidence and (trust_file or root_key):
        raise click.UsageError(tr("--trust and --root-key work only together with --evidence"))
    settings = ctx.obj.load(
        trust_file=str(trust_file or ""), trust_root_key=root_key or "", store=store or ""
    )
    opened = wiring_store.store(settings)
    signers = _scitt_signers(settings) if scitt else None  # before anything is written
    if case_name:
        bundle_ids = _write_case(settings, opened, case_name, output)
    else:
        bundle_ids = BUNDLE_ID.resolve(opened, bundle_ids)
    is_trusted = wiring_trust.trusted_keys(settings)
    keep_working()
    for bundle_id in bundle_ids:  # nothing is written of a list in which one is in quarantine
        quarantined.require_visible(opened, bundle_id, is_trusted)
    if evidence:
        _export_evidence(settings, opened, bundle_ids[0], output, as_json=as_json)
        return
    if masked:
        for bundle_id in bundle_ids:
            _export_masked(settings, opened, bundle_id, output, as_json=as_json)
        return
    if har:
        for bundle_id in bundle_ids:
            _export_har(settings, opened, bundle_id, output, as_json=as_json)
        return
    if redact:
        for bundle_id in bundle_ids:
            _export_redacted(
                settings, opened, bundle_id, output, redact=redact, keep=keep, as_json=as_json
            )
        return
    for bundle_id in bundle_ids:
        files = bundles.export(opened, bundle_id, output)
        documents.note_export(settings, opened, [bundle_id], show_message=print_message)
        folder = bundles.unpack(files[0], output) if unpack else None
        signed = _sign_scitt(settings, opened, bundle_id, files, signers) if signers else ()
        if as_json:
            print_json(
                {
                    "bundle_id": bundle_id,
                    "files": [str(file) for file in files],
                    "scitt": [str(file) for file in signed],
                    "unpacked": str(folder) if folder else None,
                }
            )
        else:
            for file in (*files, *signed, *([folder] if folder else [])):
                print_result(str(file))


def _scitt_signers(settings: "Settings") -> "ScittSigners":
    from snapshotter.app.archive.exports.scitt_files import ScittSigners
    from snapshotter.app.wiring import keys, log
    from snapshotter.cli.key_options import ask_passphrase

    return ScittSigners(
        receipt=log.log_signer(settings, ask=ask_passphrase),
        statement=keys.existing_signer(settings, ask=ask_passphrase, show_message=print_message),
    )


def _sign_scitt(
    settings: "Settings",
    store: "ObjectStore",
    bundle_id: str,
    files: tuple[Path, ...],
    signers: "ScittSigners",
) -> tuple[Path, ...]:
    from snapshotter.app import machine
    from snapshotter.app.archive.exports import scitt_files
    from snapshotter.app.wiring import trust as wiring_trust

    return scitt_files.write(
        store,
        bundle_id,
        files,
        signers,
        trust=wiring_trust.trust(settings),
        now=machine.SystemClock().now(),
    )


def _write_case(
    settings: "Settings", store: "ObjectStore", name: str, output: Path
) -> tuple[str, ...]:
    """Write the list of what an export of a case contains; return the ids of its exhibits."""
    from snapshotter.app.archive.organising.case_view import case_contents, case_view
    from snapshotter.app.wiring import annotations as wiring
    from snapshotter.cli.output import write_file
    from snapshotter.formats import canonical_json

    view = case_view(store, wiring.read_state(settings, show_message=print_message), name)
    contents = case_contents(view)
    output.mkdir(parents=True, exist_ok=True)
    listed = output / f"case-{name}.json"
    write_file(listed, canonical_json.dumps(contents) + b"\n")
    print_message(tr("the list of the exhibits was written to {file}", file=listed))
    for left_out in contents["left_out"]:
        print_message(
            tr(
                "exhibit {exhibit}, {bundle_id}, is left out, because it is in quarantine: "
                "{reason}",
                exhibit=left_out["exhibit"],
                bundle_id=left_out["bundle_id"],
                reason=left_out["reason"] or tr("(the reason is missing or was erased)"),
            )
        )
    return tuple(exhibit.bundle_id for exhibit in view.exhibits)


def _export_masked(
    settings: "Settings", store: "ObjectStore", bundle_id: str, output: Path, *, as_json: bool
) -> None:
    from snapshotter.app.wiring import documents

    made = documents.export_masked(settings, store, bundle_id, output, show_message=print_message)
    if as_json:
        print_json(
            {
                "boxes": made.boxes,
                "bundle_id": bundle_id,
                "files": [str(file) for file in made.files],
                "left_out": list(made.left_out),
            }
        )
        return
    for file in made.files:
        print_result(str(file))
    if made.left_out:
        print_message(
            tr(
                "pictures that were not copied, because the places of the redacted text in these "
                "pictures are not known: {left_out}",
                left_out=", ".join(made.left_out),
            )
        )
    print_message(
        tr("the redacted text is covered in the copies. Check the copies before you publish them")
    )


def _export_redacted(
    settings: "Settings",
    store: "ObjectStore",
    bundle_id: str,
    output: Path,
    *,
    redact: str,
    keep: tuple[str, ...],
    as_json: bool,
) -> None:
    from snapshotter.app.wiring import documents

    made = documents.export_redacted(
        settings,
        store,
        bundle_id,
        output,
        fields=[field.strip() for field in redact.split(",") if field.strip()],
        keep=keep,
        show_message=print_message,
    )
    if as_json:
        print_json(
            {
                "bundle_id": bundle_id,
                "files": [str(made.file)],
                "withheld": {"fields": list(made.fields), "files": list(made.files)},
            }
        )
        return
    print_result(str(made.file))
    print_message(
        tr(
            "withheld values: {fields}, withheld files: {files}",
            fields=len(made.fields),
            files=", ".join(made.files),
        )
    )
    print_message(
        tr(
            "verify the copy. The result lists what is withheld:\n  snapshotter verify {file}",
            file=made.file,
        )
    )


def _export_har(
    settings: "Settings", store: "ObjectStore", bundle_id: str, output: Path, *, as_json: bool
) -> None:
    from snapshotter.app.archive import bundles
    from snapshotter.app.archive.exports import http_archive
    from snapshotter.app.wiring import documents
    from snapshotter.cli.output import write_file
    from snapshotter.formats.digest import digest_bytes

    with store.open(bundles.find_bundle_key(store, bundle_id)) as stream:
        made = http_archive.make_http_archive(bundle_id, stream)
    documents.note_export(
        settings,
        store,
        [bundle_id],
        show_message=print_message,
        detail=f"HTTP archive, SHA-256 {digest_bytes(made).sha256}",
    )
    file = output / f"{bundle_id}.har"
    output.mkdir(parents=True, exist_ok=True)
    write_file(file, made)
    if as_json:
        print_json({"bundle_id": bundle_id, "files": [str(file)]})
    else:
        print_result(str(file))


def _export_evidence(
    settings: "Settings", store: "ObjectStore", bundle_id: str, output: Path, *, as_json: bool
) -> None:
    from snapshotter.app import machine
    from snapshotter.app.wiring import documents

    if settings.trust_file is None:
        raise missing_trust_file(
            tr("--evidence needs a trust file, and no trust file was given"),
            f"snapshotter export --evidence {bundle_id}",
        )
    made = documents.export_evidence(
        settings,
        store,
        bundle_id,
        output if output != Path() else Path(bundle_id),
        now=machine.SystemClock().now(),
        show_message=print_message,
    )
    codes = made.report.codes(Verdict.FAILED, Verdict.INDETERMINATE)
    if as_json:
        print_json(
            {
                "bundle_id": bundle_id,
                "codes": codes,
                "files": list(made.files),
                "folder": str(made.folder),
                "root_key": made.root_key_id,
                "verdict": made.report.verdict.value,
            }
        )
        return
    print_result(str(made.folder))
    if made.report.verdict is not Verdict.PASSED:
        print_message(
            tr(
                "with this trust file, the verdict about the bundle is {name}: {codes}",
                name=made.report.verdict.name,
                codes=" ".join(codes),
            )
        )
    print_message(
        tr(
            "give the recipient the key id of the root key through another channel: {root_key_id}",
            root_key_id=made.root_key_id,
        )
    )
