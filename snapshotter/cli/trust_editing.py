"""What the commands that edit a trust file share: their options, and the edit itself."""

import contextlib
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from snapshotter.cli.key_options import (
    json_option,
    key_directory,
    passphrase_file_option,
    passphrase_reader,
)
from snapshotter.cli.output import print_json, print_message, print_result
from snapshotter.errors import SnapshotterError

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

    from snapshotter.ports import Signer
    from snapshotter.verify.trust import TrustDocument, TrustedKey

_Command = Callable[..., Any]
_EXPIRY = timedelta(days=2 * 365)  # when nothing is said: long enough to forget, short of for ever


def instant_option(
    ctx: click.Context, parameter: click.Parameter, value: str | None
) -> datetime | None:
    """Read a day (its first second, UTC) or an instant as bundles write it."""
    if value is None:
        return None
    for form in ("%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ"):
        with contextlib.suppress(ValueError):
            return datetime.strptime(value, form).replace(tzinfo=UTC)
    raise click.BadParameter(
        f"{value!r} is no day (2026-01-31) and no instant (2026-01-31T12:00:00Z)"
    )


def expiry(ctx: click.Context, parameter: click.Parameter, value: str | None) -> datetime | None:
    """Read an instant, or `never` as None; when nothing is said, two years from now."""
    if value is None:
        return now() + _EXPIRY
    return None if value == "never" else instant_option(ctx, parameter, value)


def expires_option(command: _Command) -> _Command:
    """Add `--expires`."""
    return click.option(
        "--expires",
        callback=expiry,
        metavar="DAY|never",
        help="When it expires.  [default: in two years]",
    )(command)


def root_key_option(command: _Command) -> _Command:
    """Add the option that names the root key."""
    return click.option(
        "--root-key-name",
        default="root",
        show_default=True,
        metavar="NAME",
        help="The root key, among your keys.",
    )(command)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustEdit:
    """How a change to a trust file is made: signed here, or written as a draft."""

    context: click.Context
    root_key_name: str
    passphrase_file: Path | None
    draft: Path | None
    as_json: bool

    def apply(self, file: Path, change: "Callable[[TrustDocument], TrustDocument]") -> None:
        """Make one change, and print what came of it."""
        document = self.make(file, change)
        if self.as_json:
            print_json(as_object(document))
        elif self.draft is not None:
            print_result(f"{self.draft} is a draft of version {document.version}")
        else:
            print_result(f"{file} is now version {document.version}")

    def make(
        self, file: Path, change: "Callable[[TrustDocument], TrustDocument]"
    ) -> "TrustDocument":
        """Read the file, make one change, and sign the next version or write its draft."""
        from snapshotter.app.trust import files

        try:
            if self.draft is not None:
                document = files.next_draft(file, self.draft, change)
            else:
                root = self.root()
                with files.locked(file):
                    document = change(files.read(file, root))
                    sign_next(self.context, file, document, root)
        except ValueError as error:
            raise SnapshotterError(f"the trust file can not hold this: {error}") from error
        if self.draft is not None:
            print_message(
                f"it counts when it is signed. Carry both files to where the root key is, then\n"
                f"  snapshotter trust sign {self.draft} {file}"
            )
        return document

    def root(self) -> "Signer":
        """Return the root key. Raises SnapshotterError, with what to do where it is not here."""
        source = passphrase_reader(self.passphrase_file, self.root_key_name)
        directory = key_directory(self.context)
        if not self.is_here():
            raise SnapshotterError(
                f"the root key {self.root_key_name!r} is not in {directory.path}",
                hint=f"bring {self.root_key_name}.pem back, or write a draft (--draft FILE) and "
                "sign it where the root key is: snapshotter trust sign",
            )
        return directory.load(self.root_key_name, source)

    def is_here(self) -> bool:
        """Whether the root key can sign on this machine."""
        listed = key_directory(self.context).list()
        found = next((key for key in listed if key.name == self.root_key_name), None)
        return found is not None and bool(found.private_file or found.reference)


def sign_next(
    context: click.Context, file: Path, document: "TrustDocument", root: "Signer"
) -> None:
    """Sign a version that is later than all that this root key signed here, and write it."""
    from snapshotter.app.trust import files, remembered_version

    directory = Path(context.obj.data_dir) / "trust"
    remembered_version.check_next(document, directory=directory)
    files.save(file, document, root)
    remembered_version.remember(document, directory=directory)


def replace_key_change(
    old_key_id: str,
    key: "ec.EllipticCurvePublicKey",
    *,
    owner: str | None,
    at: datetime,
) -> "Callable[[TrustDocument], TrustDocument]":
    """Return the change by which a new key follows an old one; None: it has the same owner."""
    from snapshotter.verify.trust import trusted_key

    def change(document: "TrustDocument") -> "TrustDocument":
        before = next(
            (trusted_key for trusted_key in document.keys if trusted_key.key_id == old_key_id), None
        )
        if before is None:
            raise SnapshotterError(
                f"the key {old_key_id} is not in the trust file",
                hint="snapshotter trust add-key adds the new one alone",
            )
        new = trusted_key(key, owner=owner or before.owner)
        return document.with_key_replaced(old_key_id, new, at=at)

    return change


def edit_options(command: _Command) -> _Command:
    """Add the options of a command that edits; it gets an `TrustEdit` as its first argument."""

    @functools.wraps(command)
    def run(
        context: click.Context,
        /,
        *arguments: Any,
        root_key_name: str,
        passphrase_file: Path | None,
        draft: Path | None,
        as_json: bool,
        **options: Any,
    ) -> Any:
        edit = TrustEdit(
            context=context,
            root_key_name=root_key_name,
            passphrase_file=passphrase_file,
            draft=draft,
            as_json=as_json,
        )
        return command(edit, *arguments, **options)

    drafted = click.option(
        "--draft",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="Do not sign: write the next version to FILE, or go on with the draft there.",
    )
    return root_key_option(passphrase_file_option(drafted(json_option(click.pass_context(run)))))


def fingerprint(certificate: "x509.Certificate") -> str:
    """Return SHA-256 hex of a certificate, as its authority publishes it."""
    from cryptography.hazmat.primitives import hashes

    return certificate.fingerprint(hashes.SHA256()).hex()


def now() -> datetime:
    """Return this second."""
    from snapshotter.app.machine import SystemClock

    return SystemClock().now().replace(microsecond=0)


def lines(document: "TrustDocument", *, pinned: bool) -> Iterator[str]:
    """Yield what a trust file says, for a person."""
    from snapshotter.formats.canonical_json import instant

    state = "pinned, and its signature holds" if pinned else "not pinned: anybody may have made it"
    require = document.require
    yield f"version   {document.version}"
    yield f"root key  {document.root_key_id} ({state})"
    yield f"expires   {instant(document.expires) if document.expires else 'never'}"
    proof = ", a log proof" if require.log else ""
    yield f"requires  {require.signatures} signature(s), {require.timestamps} timestamp(s){proof}"
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
        yield f"          root SHA-256 {fingerprint(anchor.root)}"
        yield f"          policies {', '.join(sorted(anchor.policy_oids)) or 'any'}"
        if anchor.revoked_serials:
            serials = ", ".join(sorted(str(serial) for serial in anchor.revoked_serials))
            yield f"          revoked serial numbers {serials}"
    if document.log is not None:
        yield f"log       {document.log.key.text}"
        for witness in document.log.witnesses:
            yield f"          witness {witness.text}"
        if document.log.witnesses:
            yield f"          {document.log.quorum} of them have to have seen a checkpoint"


def _period(key: "TrustedKey") -> str:
    from snapshotter.formats.canonical_json import instant
    from snapshotter.verify.trust import FROM_THE_START

    begin = "the start" if key.not_before == FROM_THE_START else instant(key.not_before)
    return f"from {begin}" + (f" to {instant(key.not_after)}" if key.not_after else " on")


def as_object(document: "TrustDocument") -> dict[str, Any]:
    """Return what a trust file says as JSON, with its root key's id."""
    import json

    content: dict[str, Any] = json.loads(document.encode())
    return {**content, "root_key_id": document.root_key_id}
