"""
`snapshotter trust`: make, edit and show the trust file that an auditor pins.

A trust file is two files, FILE and FILE.sig. They can not be replaced in one
step, so an edit goes in three, and a reader never accepts a mix:

    (1) FILE.sig.new appears    a crash leaves the old pair, which still verifies
    (2) FILE is replaced        a crash leaves a pair that does not verify; the next
                                edit finds the signature in FILE.sig.new and goes on
    (3) FILE.sig.new becomes FILE.sig
"""

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from snapshotter.cli.keys import (
    json_option,
    key_directory,
    new_passphrase,
    passphrase_file_option,
    passphrase_options,
    passphrase_source,
)
from snapshotter.cli.output import result, result_json, say
from snapshotter.errors import EvidenceInvalid, EvidenceUnverifiable, SnapshotterError

if TYPE_CHECKING:
    from cryptography import x509

    from snapshotter.ports import Signer
    from snapshotter.verify.trust import TrustDocument, TrustedKey

_Command = Callable[..., Any]
_EXPIRY = timedelta(days=2 * 365)  # when nothing is said: long enough to forget, short of for ever
_MAX_CERTIFICATE = 64 << 10  # bytes of a PEM file with one certificate, comments included


def _instant(ctx: click.Context, parameter: click.Parameter, value: str | None) -> datetime | None:
    """Read a day (its first second, UTC) or an instant as bundles write it."""
    if value is None:
        return None
    for form in ("%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ"):
        with contextlib.suppress(ValueError):
            return datetime.strptime(value, form).replace(tzinfo=UTC)
    raise click.BadParameter(
        f"{value!r} is no day (2026-01-31) and no instant (2026-01-31T12:00:00Z)"
    )


def _expiry(ctx: click.Context, parameter: click.Parameter, value: str | None) -> datetime | None:
    """Read an instant, or `never` as None; when nothing is said, two years from now."""
    if value is None:
        return _now() + _EXPIRY
    return None if value == "never" else _instant(ctx, parameter, value)


def _expires_option(command: _Command) -> _Command:
    return click.option(
        "--expires",
        callback=_expiry,
        metavar="DAY|never",
        help="When it expires.  [default: in two years]",
    )(command)


def _root_key_option(command: _Command) -> _Command:
    return click.option(
        "--root-key-name",
        default="root",
        show_default=True,
        metavar="NAME",
        help="The root key, among your keys.",
    )(command)


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
@_root_key_option
@passphrase_options
@_expires_option
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
    from snapshotter.verify.trust import Requirements, TrustDocument

    with _locked(file):
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
        root = directory.load(root_key_name, passphrase_source(passphrase_file, root_key_name))
        document = TrustDocument.new(
            root.public_key,
            expires=expires,
            require=Requirements(signatures=require_signatures, timestamps=require_timestamps),
        )
        _save(file, document, root)
    if as_json:
        result_json(_as_json(document))
    else:
        result(document.root_key_id)
    if made:
        say(
            f"made the root key {root_key_name!r}: {directory.find(root_key_name).private_file}\n"
            "  Move this file offline (a stick in a safe, and a second copy elsewhere), and bring\n"
            "  it back only to edit the trust file. Whoever has it decides what auditors believe."
        )
    say(
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
    callback=_instant,
    metavar="DAY",
    help="First good instant.  [default: no limit]",
)
@click.option(
    "--not-after", callback=_instant, metavar="DAY", help="Last good instant.  [default: no limit]"
)
@click.option("--allow-p256", is_flag=True, help="Accept a key on P-256, not only on P-384.")
@_root_key_option
@passphrase_file_option
@json_option
@click.pass_context
def add_key(
    ctx: click.Context,
    file: Path,
    public_key: IO[bytes],
    owner: str,
    not_before: datetime | None,
    not_after: datetime | None,
    allow_p256: bool,
    root_key_name: str,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Trust a key: what it signs counts, as far as timestamps prove it to be of its period."""
    from snapshotter.formats.keys import KeyInvalid, load_public_pem
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
    _edit(
        ctx,
        file,
        root_key_name,
        passphrase_file,
        lambda document: document.with_key(trusted),
        as_json=as_json,
    )
    say(f"key {trusted.key_id} is trusted as that of {owner}")


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
    callback=_instant,
    metavar="DAY",
    help="First instant that is no longer good.  [default: now]",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@_root_key_option
@passphrase_file_option
@json_option
@click.pass_context
def revoke_key(
    ctx: click.Context,
    file: Path,
    key_id: str,
    reason: str,
    at: datetime | None,
    yes: bool,
    root_key_name: str,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Say from when on a key no longer counts. This can be made worse, and never undone."""
    from snapshotter.formats.canonical_json import instant

    at = at or _now()
    if not yes:
        click.confirm(
            f"revoke key {key_id} as {reason} from {instant(at)} on, for good?",
            abort=True,
            err=True,
        )
    _edit(
        ctx,
        file,
        root_key_name,
        passphrase_file,
        lambda document: document.with_key_revoked(key_id, at=at, reason=reason),
        as_json=as_json,
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
@_root_key_option
@passphrase_file_option
@json_option
@click.pass_context
def add_tsa(
    ctx: click.Context,
    file: Path,
    name: str,
    root_file: IO[bytes],
    policy_oids: tuple[str, ...],
    revoked_serials: tuple[str, ...],
    replace: bool,
    root_key_name: str,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Trust a timestamp authority's clock, by its root certificate."""
    from snapshotter.formats.rfc3161 import Anchor

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
    _edit(
        ctx,
        file,
        root_key_name,
        passphrase_file,
        lambda document: document.with_authority(anchor, replacing=replace),
        as_json=as_json,
    )
    say(
        f"tokens of {name} count when they lead to {certificate.subject.rfc4514_string()}\n"
        f"  SHA-256 {_fingerprint(certificate)}: compare it with what the authority publishes"
    )


@trust.command(
    epilog="""\b
Examples:
  snapshotter trust renew trust.json --expires 2030-01-01
  snapshotter trust renew trust.json --expires never
"""
)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@_expires_option
@_root_key_option
@passphrase_file_option
@json_option
@click.pass_context
def renew(
    ctx: click.Context,
    file: Path,
    expires: datetime | None,
    root_key_name: str,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Sign a trust file again with a later expiry."""
    _edit(
        ctx,
        file,
        root_key_name,
        passphrase_file,
        lambda document: document.with_expiry(expires),
        as_json=as_json,
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
    from snapshotter.formats.canonical_json import instant
    from snapshotter.verify.trust import load_document, load_unpinned_document

    data, signature = _read_pair(file)
    if root_key:
        document = load_document(data, signature, pinned_root=root_key)
    else:
        document = load_unpinned_document(data, signature)
    expired = document.expires is not None and _now() > document.expires
    if as_json:
        result_json({**_as_json(document), "pinned": bool(root_key), "expired": expired})
    else:
        for line in _lines(document, pinned=bool(root_key)):
            result(line)
    if not root_key:
        say("no --root-key was given: this shows what the file says, not who made it")
    if expired and document.expires is not None:
        raise EvidenceUnverifiable(
            f"{file} expired at {instant(document.expires)}",
            hint="ask its owner for a newer version (its owner: snapshotter trust renew)",
        )


def _edit(
    ctx: click.Context,
    file: Path,
    root_key_name: str,
    passphrase_file: Path | None,
    change: "Callable[[TrustDocument], TrustDocument]",
    *,
    as_json: bool,
) -> None:
    """Read the file, make one change, sign the next version and write it."""
    root = key_directory(ctx).load(root_key_name, passphrase_source(passphrase_file, root_key_name))
    with _locked(file):
        try:
            document = change(_read_document(file, root))
        except ValueError as error:
            raise SnapshotterError(f"the trust file can not hold this: {error}") from error
        _save(file, document, root)
    if as_json:
        result_json(_as_json(document))
    else:
        result(f"{file} is now version {document.version}")


def _read_document(file: Path, root: "Signer") -> "TrustDocument":
    """Read what the root key signed, and finish an edit that crashed between two files."""
    from snapshotter.verify.trust import load_document

    data, signature = _read_pair(file)
    try:
        return load_document(data, signature, pinned_root=root.key_id)
    except EvidenceInvalid:
        pending = _beside(file, ".sig.new")
        if not pending.exists():
            raise
        document = load_document(data, _read(pending), pinned_root=root.key_id)
        with _writing(file):
            os.replace(pending, _beside(file, ".sig"))
            _sync_directory(file)
        return document


def _save(file: Path, document: "TrustDocument", root: "Signer") -> None:
    """Write both files, in the order that the module's docstring gives."""
    from snapshotter.verify.trust import load_document

    data = document.encode()
    signature = root.sign(data)
    load_document(data, signature, pinned_root=root.key_id)  # never write what can not be read
    pending = _beside(file, ".sig.new")
    with _writing(file):
        _replace(pending, signature)  # (1)
        _replace(file, data)  # (2)
        os.replace(pending, _beside(file, ".sig"))  # (3)
        _sync_directory(file)


def _replace(path: Path, content: bytes) -> None:
    """Put new content in a file's place, durably and whole, readable by anybody."""
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fchmod(stream.fileno(), 0o644)
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except OSError:
        os.unlink(temporary)
        raise
    _sync_directory(path)


def _sync_directory(path: Path) -> None:
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


@contextlib.contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Hold the file's directory, so that of two edits at once none is lost."""
    with _writing(file):
        directory = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise SnapshotterError(
                f"another command is editing a trust file in {file.parent.absolute()}",
                hint="try again when it has ended",
            ) from error
        yield
    finally:
        os.close(directory)  # which lets go of the lock as well


@contextlib.contextmanager
def _writing(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SnapshotterError(f"{file} can not be written: {error.strerror or error}") from error


def _read_pair(file: Path) -> tuple[bytes, bytes]:
    signature = _beside(file, ".sig")
    data = _read(file)
    # No signature is a signature that does not hold: `load_document` says so.
    return data, _read(signature) if signature.exists() else b""


def _read(path: Path) -> bytes:
    from snapshotter.verify.files import open_file
    from snapshotter.verify.trust import MAX_TRUST_BYTES

    try:
        with open_file(path) as stream:
            return stream.read(MAX_TRUST_BYTES + 1)  # one more than is accepted
    except OSError as error:
        raise SnapshotterError(
            f"{path} can not be read: {error.strerror or error}",
            hint=f"make one with `snapshotter trust init {path}`",
        ) from error


def _beside(file: Path, suffix: str) -> Path:
    return file.with_name(file.name + suffix)


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


def _fingerprint(certificate: "x509.Certificate") -> str:
    from cryptography.hazmat.primitives import hashes

    return certificate.fingerprint(hashes.SHA256()).hex()


def _now() -> datetime:
    from snapshotter.app.wiring import SystemClock

    return SystemClock().now().replace(microsecond=0)


def _lines(document: "TrustDocument", *, pinned: bool) -> Iterator[str]:
    from snapshotter.formats.canonical_json import instant

    state = "pinned, and its signature holds" if pinned else "not pinned: anybody may have made it"
    require = document.require
    yield f"version   {document.version}"
    yield f"root key  {document.root_key_id} ({state})"
    yield f"expires   {instant(document.expires) if document.expires else 'never'}"
    yield f"requires  {require.signatures} signature(s), {require.timestamps} timestamp(s)"
    yield (
        f"allows    {document.max_skew.total_seconds():.0f} s between clocks, "
        f"{document.max_lag.total_seconds():.0f} s from sealing to the token"
    )
    for key in document.keys:
        yield f"key       {key.key_id}"
        yield f"          {key.owner}, {key.algorithm}, {_period(key)}"
        if key.revoked_at is not None:
            yield f"          REVOKED from {instant(key.revoked_at)} on: {key.revoked_reason}"
    for anchor in document.authorities:
        yield f"tsa       {anchor.name}: {anchor.root.subject.rfc4514_string()}"
        yield f"          root SHA-256 {_fingerprint(anchor.root)}"
        yield f"          policies {', '.join(sorted(anchor.policy_oids)) or 'any'}"
        if anchor.revoked_serials:
            serials = ", ".join(sorted(str(serial) for serial in anchor.revoked_serials))
            yield f"          revoked serial numbers {serials}"


def _period(key: "TrustedKey") -> str:
    from snapshotter.formats.canonical_json import instant
    from snapshotter.verify.trust import FROM_THE_START

    begin = "the start" if key.not_before == FROM_THE_START else instant(key.not_before)
    return f"from {begin}" + (f" to {instant(key.not_after)}" if key.not_after else " on")


def _as_json(document: "TrustDocument") -> dict[str, Any]:
    import json

    content: dict[str, Any] = json.loads(document.encode())
    return {**content, "root_key_id": document.root_key_id}
