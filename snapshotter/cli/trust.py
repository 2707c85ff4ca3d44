"""
`snapshotter trust`: make, edit, sign and show the trust file that an auditor pins.

How its two files are replaced is in `app/trust/files.py`; the commands about versions and
about the log are in `trust_versions.py` and `trust_log.py`.
"""

from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from snapshotter.cli.key_options import (
    json_option,
    key_directory,
    new_passphrase,
    passphrase_options,
    passphrase_reader,
)
from snapshotter.cli.output import print_json, print_message, print_result
from snapshotter.cli.trust_editing import (
    TrustEdit,
    as_object,
    edit_options,
    expires_option,
    fingerprint,
    instant_option,
    lines,
    now,
    replace_key_change,
    root_key_option,
    sign_next,
)
from snapshotter.cli.trust_log import add_witness, publish, set_log
from snapshotter.cli.trust_versions import bump, diff, renew, sign
from snapshotter.errors import EvidenceUnverifiable, SnapshotterError

if TYPE_CHECKING:
    from cryptography import x509

_MAX_CERTIFICATE = 64 << 10  # bytes of a PEM file with one certificate, comments included


@click.group()
def trust() -> None:
    """
    Make and show the trust file that an auditor pins.

    It says whose keys and which timestamp authorities count, and an offline root
    key signs it. An auditor needs the two files, and ONE fingerprint from you:
    the root key's.
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
    default=1,
    show_default=True,
    help="Good signatures that a bundle needs.",
)
@click.option(
    "--require-timestamps",
    type=click.IntRange(0, 10),
    default=1,
    show_default=True,
    help="Good timestamp tokens that a bundle needs.",
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
    """Make a trust file that trusts nobody yet, and its root key when there is none."""
    from snapshotter.app.trust import files
    from snapshotter.verify.trust import Requirements, TrustDocument

    with files.locked(file):
        if file.exists():
            raise SnapshotterError(
                f"{file} is there already",
                hint="edit it with `snapshotter trust add-key`, or choose another file",
            )
        directory = key_directory(ctx)
        made = all(key.name != root_key_name for key in directory.list())
        if made:
            directory.create(
                root_key_name, new_passphrase(passphrase_file, ask_passphrase, root_key_name)
            )
        root = directory.load(root_key_name, passphrase_reader(passphrase_file, root_key_name))
        document = TrustDocument.new(
            root.public_key,
            expires=expires,
            require=Requirements(signatures=require_signatures, timestamps=require_timestamps),
        )
        sign_next(ctx, file, document, root)
    if as_json:
        print_json(as_object(document))
    else:
        print_result(document.root_key_id)
    if made:
        print_message(
            f"made the root key {root_key_name!r}: {directory.find(root_key_name).private_file}\n"
            "  Move this file offline (a stick in a safe, and a second copy elsewhere), and bring\n"
            "  it back only to edit the trust file. Whoever has it decides what auditors believe."
        )
    print_message(
        "publish this ONE fingerprint where auditors trust what they read, and apart from the "
        f"trust file:\n  {document.root_key_id}"
    )


@trust.command(
    "add-key",
    epilog="""\b
Examples:
  snapshotter keys export default | snapshotter trust add-key trust.json - --owner "Example Agency"
  snapshotter trust add-key trust.json partner.pub.pem --owner Partner --not-after 2027-12-31

\b
A date alone is its first second, UTC.
""",
)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("public_key", metavar="PUBLIC.pem", type=click.File("rb"))
@click.option("--owner", required=True, help="Whose key it is, for a person.")
@click.option(
    "--not-before",
    callback=instant_option,
    metavar="DAY",
    help="First good instant.  [default: no limit]",
)
@click.option(
    "--not-after",
    callback=instant_option,
    metavar="DAY",
    help="Last good instant.  [default: no limit]",
)
@click.option("--allow-p256", is_flag=True, help="Accept a key on P-256, not only on P-384.")
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
    """Trust a key: what it signs counts, as far as timestamps prove it to be of its period."""
    from snapshotter.formats.signatures.keys import KeyInvalid, load_public_pem
    from snapshotter.verify.trust import FROM_THE_START, trusted_key

    try:
        # The argument, not the evidence, is at fault here: not EvidenceInvalid's exit code.
        key = load_public_pem(public_key.read(1 << 16), allow_p256=allow_p256)
        trusted = trusted_key(
            key, owner=owner, not_before=not_before or FROM_THE_START, not_after=not_after
        )
    except KeyInvalid as error:
        raise SnapshotterError(
            f"{_name(public_key)}: {error.message}",
            hint="openssl pkey -pubin -in FILE -pubout writes a key as it has to be",
        ) from error
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    edit.apply(file, lambda document: document.with_key(trusted))
    print_message(f"key {trusted.key_id} is trusted as that of {owner}")


@trust.command(
    "replace-key",
    epilog="""\b
Examples:
  snapshotter trust replace-key trust.json 3f1c… default-2.pub.pem
  snapshotter trust replace-key trust.json 3f1c… default-2.pub.pem --at 2027-01-01

\b
One version: the new key is trusted, and the old one is superseded from then on.
""",
)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("old", metavar="KEY-ID")
@click.argument("public_key", metavar="PUBLIC.pem", type=click.File("rb"))
@click.option("--owner", help="Whose key it is, for a person.  [default: the old one's owner]")
@click.option(
    "--at",
    callback=instant_option,
    metavar="DAY",
    help="First instant at which the old key is no longer good.  [default: now]",
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
    """Let a new key follow an old one, which is retired in good order."""
    from snapshotter.formats.signatures.keys import KeyInvalid, load_public_pem

    try:
        key = load_public_pem(public_key.read(1 << 16))
    except KeyInvalid as error:
        raise SnapshotterError(
            f"{_name(public_key)}: {error.message}",
            hint="openssl pkey -pubin -in FILE -pubout writes a key as it has to be",
        ) from error
    edit.apply(file, replace_key_change(old, key, owner=owner, at=at or now()))


@trust.command(
    "revoke-key",
    epilog="""\b
Examples:
  snapshotter trust revoke-key trust.json 3f1c… --reason superseded
  snapshotter trust revoke-key trust.json 3f1c… --reason compromised --at 2026-05-01T00:00:00Z

\b
superseded: what is proven older stays good, the rest is INDETERMINATE.
compromised: what is proven older stays good, the rest is void (FAILED).
""",
)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("key_id", metavar="KEY-ID")
@click.option("--reason", type=click.Choice(["superseded", "compromised"]), required=True)
@click.option(
    "--at",
    callback=instant_option,
    metavar="DAY",
    help="First instant that is no longer good.  [default: now]",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@edit_options
def revoke_key(
    edit: TrustEdit,
    file: Path,
    key_id: str,
    reason: str,
    at: datetime | None,
    yes: bool,
) -> None:
    """Say from when on a key no longer counts. This can be made worse, and never undone."""
    from snapshotter.formats.canonical_json import instant

    at = at or now()
    if reason == "compromised" and at > now():
        raise click.UsageError("a key that will be compromised later is not: leave out --at")
    if not yes:
        click.confirm(
            f"revoke key {key_id} as {reason} from {instant(at)} on, for good?",
            abort=True,
            err=True,
        )
    edit.apply(file, lambda document: document.with_key_revoked(key_id, at=at, reason=reason))


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
@click.option("--name", required=True, help="A name for the authority.")
@click.option(
    "--root",
    "root_file",
    required=True,
    type=click.File("rb"),
    metavar="PEM",
    help="Its root certificate.",
)
@click.option(
    "--policy-oid",
    "policy_oids",
    multiple=True,
    help="A policy whose tokens count; may be repeated.  [default: any]",
)
@click.option(
    "--revoked-serial",
    "revoked_serials",
    multiple=True,
    metavar="NUMBER",
    help="Serial number of a signer's certificate that no longer counts, decimal or 0x and hex; "
    "may be repeated.",
)
@click.option("--replace", is_flag=True, help="Put it in the place of the one with this name.")
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
    """Trust a timestamp authority's clock, by its root certificate."""
    from snapshotter.formats.proofs.rfc3161 import Anchor

    certificate = _root_certificate(root_file)
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
        f"tokens of {name} count when they lead to {certificate.subject.rfc4514_string()}\n"
        f"  SHA-256 {fingerprint(certificate)}: compare it with what the authority publishes"
    )


@trust.command(
    epilog="""\b
Examples:
  snapshotter trust show trust.json --root-key 3f1c…
  snapshotter trust show trust.json --json
"""
)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--root-key", metavar="KEY-ID", help="The fingerprint that its owner published.")
@json_option
@click.pass_context
def show(ctx: click.Context, file: Path, root_key: str | None, as_json: bool) -> None:
    """
    Show whom a trust file trusts, after checking its signature.

    Without --root-key anybody may have made it, and the output says so.
    """
    from snapshotter.app.trust import files
    from snapshotter.formats.canonical_json import instant
    from snapshotter.verify.trust import load_document, load_unpinned_document

    data, signature = files.read_pair(file)
    if root_key:
        document = load_document(data, signature, pinned_root=root_key)
    else:
        document = load_unpinned_document(data, signature)
    expired = document.expires is not None and now() > document.expires
    if as_json:
        print_json({**as_object(document), "pinned": bool(root_key), "expired": expired})
    else:
        for line in lines(document, pinned=bool(root_key)):
            print_result(line)
    if not root_key:
        print_message("no --root-key was given: this shows what the file says, not who made it")
    if expired and document.expires is not None:
        raise EvidenceUnverifiable(
            f"{file} expired at {instant(document.expires)}",
            hint="ask its owner for a newer version (its owner: snapshotter trust renew)",
        )


def _root_certificate(stream: IO[bytes]) -> "x509.Certificate":
    """Read exactly one certificate that may stand at the end of a chain."""
    from cryptography import x509

    try:
        certificates = x509.load_pem_x509_certificates(stream.read(_MAX_CERTIFICATE))
    except ValueError as error:
        raise SnapshotterError(f"{_name(stream)} holds no certificate in PEM") from error
    if len(certificates) != 1:
        raise SnapshotterError(
            f"{_name(stream)} holds {len(certificates)} certificates, and one root is wanted",
            hint="keep the last one of the chain, whose issuer is itself",
        )
    certificate = certificates[0]
    try:
        authority = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        authority = False
    if certificate.issuer != certificate.subject or not authority:
        raise SnapshotterError(
            f"{_name(stream)} is not the certificate of a root: "
            f"{certificate.subject.rfc4514_string()}, issued by "
            f"{certificate.issuer.rfc4514_string()}",
            hint="get the root certificate that the authority publishes, not the one that signs",
        )
    return certificate


def _name(stream: IO[bytes]) -> str:
    return str(getattr(stream, "name", "<stdin>"))


for command in (add_witness, bump, diff, publish, renew, set_log, sign):
    trust.add_command(command)
