"""
Provide `snapshotter trust`: make, edit and show the trust file that an auditor uses.

The edits are in `app/trust/editing.py`. The commands for versions and for the log are in
`trust_versions.py` and `trust_log.py`.
"""

import shlex
from datetime import datetime
from pathlib import Path
from typing import IO

import click

from snapshotter.cli.key_options import json_option, new_passphrase, passphrase_options
from snapshotter.cli.output import print_json, print_message, print_result
from snapshotter.cli.trust_editing import (
    TrustEdit,
    edit_options,
    expires_option,
    instant_option,
    now,
    print_trust_json,
    revocation_instant,
    root_key_option,
    trust_editor,
)
from snapshotter.cli.trust_log import add_witness, publish, set_log
from snapshotter.cli.trust_versions import bump, diff, renew, sign
from snapshotter.errors import EvidenceUnverifiable
from snapshotter.translation import tr


@click.group()
def trust() -> None:
    """
    Make, edit and show the trust file that an auditor uses.

    The trust file lists the keys and timestamp authorities that a verifier accepts. An offline
    root key signs it. An auditor needs the trust file, its signature file, and the key id of the
    root key. Give the key id to the auditor through another channel.
    """


@trust.command(
    epilog="""\b
Examples:
  snapshotter trust init trust.json
  snapshotter trust init trust.json --ask-passphrase --require-timestamps 2
"""
)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@root_key_option
@passphrase_options
@expires_option
@click.option(
    "--require-signatures",
    type=click.IntRange(1, 10),
    metavar="N",
    default=1,
    show_default=True,
    help="Minimum number of valid signatures on a bundle.",
)
@click.option(
    "--require-timestamps",
    type=click.IntRange(0, 10),
    metavar="N",
    default=1,
    show_default=True,
    help="Minimum number of valid timestamp tokens over each signature of a bundle.",
)
@json_option
@click.pass_context
def init(
    ctx: click.Context,
    file: Path,
    root_key_name: str,
    passphrase_file: Path | None,
    ask_passphrase: bool,
    expires: datetime | None,
    require_signatures: int,
    require_timestamps: int,
    as_json: bool,
) -> None:
    """Make a trust file that contains no trusted key.

    If no root key exists, also make a root key.
    """
    from snapshotter.verify.trust import Requirements

    editor = trust_editor(ctx, root_key_name, passphrase_file, None)
    document, made = editor.create(
        file,
        lambda: new_passphrase(passphrase_file, ask_passphrase, root_key_name),
        expires=expires,
        require=Requirements(signatures=require_signatures, timestamps=require_timestamps),
    )
    if as_json:
        print_trust_json(document)
    else:
        print_result(document.root_key_id)
    if made:
        private_file = editor.keys.find(root_key_name).private_file
        print_message(
            tr(
                "the root key {root_key_name!r} was made: {private_file}\nMove this file to an "
                "offline medium, such as a USB drive in a safe, and keep a second copy\n"
                "elsewhere. Bring the file back only to edit the trust file. Anybody with this "
                "file can decide\nwhat auditors trust.",
                root_key_name=root_key_name,
                private_file=private_file,
            )
        )
    print_message(
        tr(
            "publish this key id separately from the trust file, in a place that auditors trust:"
            "\n  {root_key_id}",
            root_key_id=document.root_key_id,
        )
    )
    print_message(
        tr(
            "the trust file does not contain your signing key and your timestamp authorities "
            "yet. Add the key and the timestamp authorities:\n  snapshotter keys export default | "
            "snapshotter trust add-key {file} - --owner NAME\n  snapshotter trust add-tsa {file} "
            "--name NAME --root ROOT.pem",
            file=shlex.quote(str(file)),
        )
    )


@trust.command(
    "add-key",
    epilog="""\b
Examples:
  snapshotter keys export default | snapshotter trust add-key trust.json - --owner "Example Agency"
  snapshotter trust add-key trust.json partner.pub.pem --owner Partner --not-after 2027-12-31
""",
)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("public_key", metavar="PUBLIC.pem", type=click.File("rb"))
@click.option("--owner", required=True, help="Name of the owner of the key.")
@click.option(
    "--not-before",
    callback=instant_option,
    metavar="DAY",
    help="Time (UTC) from which signatures of the key are accepted.  [default: no limit]",
)
@click.option(
    "--not-after",
    callback=instant_option,
    metavar="DAY",
    help="Time (UTC) until which signatures of the key are accepted. A date means 00:00 of this "
    "day.  [default: no limit]",
)
@click.option("--allow-p256", is_flag=True, help="Also accept a key on the curve P-256.")
@edit_options
def add_key(
    edit: TrustEdit,
    file: Path,
    public_key: IO[bytes],
    owner: str,
    not_before: datetime | None,
    not_after: datetime | None,
    allow_p256: bool,
) -> None:
    """
    Trust a signing key.

    A signature of the key is accepted if a timestamp token proves that the signature was made from
    --not-before to --not-after. A date without a time means the first second of that day, UTC.
    """
    from snapshotter.app.trust import editing
    from snapshotter.verify.trust import FROM_THE_START, trusted_key

    data = public_key.read(editing.MAX_PEM_BYTES)
    key = editing.read_public_key(data, _name(public_key), allow_p256=allow_p256)
    try:
        trusted = trusted_key(
            key, owner=owner, not_before=not_before or FROM_THE_START, not_after=not_after
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    edit.apply(file, lambda document: document.with_key(trusted))
    print_message(tr("the key {key_id} of {owner} was added", key_id=trusted.key_id, owner=owner))


@trust.command(
    "replace-key",
    epilog="""\b
Examples:
  snapshotter trust replace-key trust.json 3f1c… default-2.pub.pem
  snapshotter trust replace-key trust.json 3f1c… default-2.pub.pem --at 2027-01-01
""",
)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("old", metavar="KEY-ID")
@click.argument("public_key", metavar="PUBLIC.pem", type=click.File("rb"))
@click.option(
    "--owner", help="Name of the owner of the new key.  [default: the owner of the old key]"
)
@click.option(
    "--at",
    callback=instant_option,
    metavar="DAY",
    help="Time (UTC) from which signatures of the old key are no longer accepted.  [default: now]",
)
@edit_options
def replace_key(
    edit: TrustEdit,
    file: Path,
    old: str,
    public_key: IO[bytes],
    owner: str | None,
    at: datetime | None,
) -> None:
    """
    Replace a trusted key with a new one.

    The next version of the trust file contains the new key, and marks the old key as superseded.
    """
    from snapshotter.app.trust import editing

    key = editing.read_public_key(public_key.read(editing.MAX_PEM_BYTES), _name(public_key))
    edit.apply(file, editing.replace_key(old, key, owner=owner, at=at or now()))


@trust.command(
    "revoke-key",
    epilog="""\b
Examples:
  snapshotter trust revoke-key trust.json 3f1c… --reason superseded
  snapshotter trust revoke-key trust.json 3f1c… --reason compromised --at 2026-05-01T00:00:00Z
""",
)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("key_id", metavar="KEY-ID")
@click.option(
    "--reason",
    type=click.Choice(["superseded", "compromised"]),
    required=True,
    help="Reason for the revocation.",
)
@click.option(
    "--at",
    callback=instant_option,
    metavar="DAY",
    help="Time (UTC) from which signatures of the key are no longer accepted.  [default: now]",
)
@click.option("--yes", is_flag=True, help="Do not ask for a confirmation.")
@edit_options
def revoke_key(
    edit: TrustEdit,
    file: Path,
    key_id: str,
    reason: str,
    at: datetime | None,
    yes: bool,
) -> None:
    """
    Revoke a trusted key from a time on.

    A signature stays valid if a timestamp token proves that the signature is older than the time of
    --at. All other signatures are INDETERMINATE with superseded, and FAILED with compromised.

    A revocation cannot be undone. A revocation can be changed only to a stricter revocation.
    """
    from snapshotter.formats.canonical_json import instant

    first_bad = revocation_instant(at, reason)
    if not yes:
        click.confirm(
            tr(
                "a revocation cannot be undone. Revoke the key {key_id} as {reason} from "
                "{instant} on?",
                key_id=key_id,
                reason=reason,
                instant=instant(first_bad),
            ),
            abort=True,
            err=True,
        )
    edit.apply(
        file, lambda document: document.with_key_revoked(key_id, at=first_bad, reason=reason)
    )


@trust.command(
    "add-tsa",
    epilog="""\b
Examples:
  snapshotter trust add-tsa trust.json --name digicert --root digicert-root.pem
  snapshotter trust add-tsa trust.json --name digicert --root digicert-root.pem \\
      --revoked-serial 0x0A1B2C --replace
""",
)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--name", required=True, help="Name of the timestamp authority.")
@click.option(
    "--root",
    "root_file",
    required=True,
    type=click.File("rb"),
    metavar="PEM",
    help="File with the root certificate of the timestamp authority.",
)
@click.option(
    "--policy-oid",
    "policy_oids",
    multiple=True,
    help="Accept only timestamp tokens with this policy OID; may be repeated.  [default: any "
    "policy OID]",
)
@click.option(
    "--revoked-serial",
    "revoked_serials",
    multiple=True,
    metavar="NUMBER",
    help="Serial number of a revoked certificate of the timestamp authority, as a decimal "
    "number, or as a hexadecimal number with 0x; may be repeated.",
)
@click.option("--replace", is_flag=True, help="Replace the timestamp authority with this name.")
@edit_options
def add_tsa(
    edit: TrustEdit,
    file: Path,
    name: str,
    root_file: IO[bytes],
    policy_oids: tuple[str, ...],
    revoked_serials: tuple[str, ...],
    replace: bool,
) -> None:
    """Trust a timestamp authority by its root certificate."""
    from snapshotter.app.trust import editing
    from snapshotter.app.trust.summary import fingerprint
    from snapshotter.formats.proofs.rfc3161 import Anchor

    data = root_file.read(editing.MAX_PEM_BYTES)
    certificate = editing.read_root_certificate(data, _name(root_file))
    try:
        anchor = Anchor(
            name=name,
            root=certificate,
            policy_oids=frozenset(policy_oids),
            revoked_serials=frozenset(int(serial, 0) for serial in revoked_serials),
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    edit.apply(file, lambda document: document.with_authority(anchor, replacing=replace))
    print_message(
        tr(
            "tokens of {name} are accepted if their certificates lead to the root certificate "
            "{rfc4514_string} with the SHA-256 fingerprint {fingerprint}. Compare the "
            "fingerprint with the value that the timestamp authority publishes",
            name=name,
            rfc4514_string=certificate.subject.rfc4514_string(),
            fingerprint=fingerprint(certificate),
        )
    )


@trust.command(
    epilog="""\b
Examples:
  snapshotter trust show trust.json --root-key 3f1c…
  snapshotter trust show trust.json --json
"""
)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--root-key",
    metavar="KEY-ID",
    help="Key id of the root key, as the owner of the trust file published it.",
)
@json_option
@click.pass_context
def show(ctx: click.Context, file: Path, root_key: str | None, as_json: bool) -> None:
    """
    Show the contents of a trust file, after checking its signature.

    Without --root-key, the command does not prove who made the trust file, and the output states
    this.
    """
    from snapshotter.app.trust import files
    from snapshotter.app.trust.summary import trust_json, trust_lines
    from snapshotter.formats.canonical_json import instant
    from snapshotter.verify.trust import load_document, load_unpinned_document

    data, signature = files.read_pair(file)
    if root_key:
        document = load_document(data, signature, pinned_root=root_key)
    else:
        document = load_unpinned_document(data, signature)
    expired = document.expires is not None and now() > document.expires
    if as_json:
        print_json({**trust_json(document), "pinned": bool(root_key), "expired": expired})
    else:
        for line in trust_lines(document, pinned=bool(root_key)):
            print_result(line)
    if not root_key:
        print_message(
            tr(
                "no --root-key was given: this output shows the contents of the file, but does "
                "not prove who made the file"
            )
        )
    if expired and document.expires is not None:
        raise EvidenceUnverifiable(
            tr("{file} expired at {instant}", file=file, instant=instant(document.expires)),
            hint=tr(
                "ask the owner of the trust file for a newer version. The owner makes the newer "
                "version with this command:\n  snapshotter trust renew {file}",
                file=file.name,
            ),
        )


def _name(stream: IO[bytes]) -> str:
    return str(getattr(stream, "name", "<stdin>"))


for command in (add_witness, bump, diff, publish, renew, set_log, sign):
    trust.add_command(command)
