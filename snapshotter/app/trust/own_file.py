"""
Make the trust file of this installation, and keep the file up to date.

The file goes into archives that are handed over. It lists the keys of this installation that sign,
its timestamp authorities and its log. A root key of its own signs each version. A person tells the
fingerprint of the root key to the reader of an archive in another way.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from snapshotter import durable
from snapshotter.app.trust import files
from snapshotter.app.trust.editing import TrustEditor
from snapshotter.errors import EvidenceInvalid, SnapshotterError
from snapshotter.formats.proofs.note import LogPolicy
from snapshotter.formats.proofs.rfc3161 import Anchor
from snapshotter.seal.signer import StoredKey
from snapshotter.translation import tr
from snapshotter.value_class import dataclass
from snapshotter.verify.trust import (
    COMPROMISED,
    Requirements,
    TrustDocument,
    TrustedKey,
    trusted_key,
)

_VALID: Final = timedelta(days=2 * 365)  # as `snapshotter trust init` by default
_RENEWED: Final = timedelta(days=365)  # before the expiry


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnTrust:
    """What a trust file must state about this installation."""

    keys: tuple[StoredKey, ...]  # all that sign or signed, without root keys
    authorities: tuple[Anchor, ...]
    log: LogPolicy | None


def make(
    editor: TrustEditor, file: Path, wanted: OwnTrust, *, owner: str, now: datetime
) -> TrustDocument:
    """
    Make the trust file and its root key; bring a file that exists up to date.

    Args:
        editor: With the name of the root key.
        owner: Of the keys, as readers of the file see it.

    Raises:
        SnapshotterError: There is no key that signs, the owner is not a line of text, or a file
            cannot be written.
    """
    known = _trusted(wanted.keys, owner)
    if not known:
        raise SnapshotterError(
            tr("a trust file lists signing keys, and there is no signing key yet"),
            hint=tr("capture a page first: the first capture makes the signing key"),
        )
    if not file.exists():
        durable.make_private_folder(file.parent)
        expires = _expiry(now)
        editor.create(file, lambda: None, expires=expires, require=Requirements())
    return update(editor, file, wanted, now=now, owner=owner)


def update(
    editor: TrustEditor, file: Path, wanted: OwnTrust, *, now: datetime, owner: str = ""
) -> TrustDocument:
    """
    Add what is missing to the trust file, and return its newest version. Nothing is removed.

    Args:
        owner: Of new keys; "": the owner of a key that the file has.

    Raises:
        SnapshotterError: Something is missing and the root key is not on this machine, or a file
            cannot be read or written.
    """
    before = files.read(file, editor.root()) if editor.has_root_key() else _signed(file)
    if _complete(before, wanted, owner, now) is before:
        return before
    return editor.edit(file, lambda document: _complete(document, wanted, owner, now))


def _signed(file: Path) -> TrustDocument:
    """Return a trust file whose root key is offline. Raises SnapshotterError: it is damaged."""
    document, is_signed = files.read_signed_or_draft(file)
    if not is_signed:
        raise EvidenceInvalid(tr("the trust file {file} has no signature", file=file))
    return document


def _complete(
    document: TrustDocument, wanted: OwnTrust, owner: str, now: datetime
) -> TrustDocument:
    """Return the next version with what is missing; the same document if nothing is missing."""
    owner = owner or next((key.owner for key in document.keys), "")
    done = document
    for key in _trusted(wanted.keys, owner):
        found = next((each for each in done.keys if each.key_id == key.key_id), None)
        if found is None:
            done = done.with_key(key)
        elif key.revoked_at is not None and _is_stricter(key, found):
            done = done.with_key_revoked(key.key_id, at=key.revoked_at, reason=key.revoked_reason)
    for anchor in wanted.authorities:
        named = next((each for each in done.authorities if each.name == anchor.name), None)
        if named is not None and named != anchor:
            done = done.with_authority(anchor, replacing=True)
        elif all(each.witness != anchor.witness for each in done.authorities):
            done = done.with_authority(anchor)
    if wanted.log is not None and (done.log is None or done.log.key != wanted.log.key):
        done = done.with_log(wanted.log)
    if done.expires is not None and done.expires - now < _RENEWED:
        done = done.with_expiry(_expiry(now))
    # However much was added, readers see one next version.
    return document if done is document else replace(done, version=document.version + 1)


def _trusted(keys: Iterable[StoredKey], owner: str) -> list[TrustedKey]:
    """Return keys as a trust file lists them. Raises SnapshotterError: the owner is invalid."""
    trusted = []
    for key in keys:
        if key.public_key is None:
            continue  # a passphrase protects the key, and nothing here can be signed with it
        try:
            found = trusted_key(key.public_key, owner=owner)
        except ValueError as error:
            raise SnapshotterError(
                tr("the trust file cannot list the key {name}: {error}", name=key.name, error=error)
            ) from error
        if key.retired is not None:
            found = replace(found, revoked_at=key.retired.at, revoked_reason=key.retired.reason)
        trusted.append(found)
    return trusted


def _is_stricter(key: TrustedKey, than: TrustedKey) -> bool:
    """Return whether a key is revoked, and the trust file calls it good for longer, or milder."""
    if key.revoked_at is None or than.revoked_at is None:
        return key.revoked_at is not None
    if key.revoked_at > than.revoked_at or than.revoked_reason == COMPROMISED != key.revoked_reason:
        return False
    return (key.revoked_at, key.revoked_reason) != (than.revoked_at, than.revoked_reason)


def _expiry(now: datetime) -> datetime:
    return (now + _VALID).replace(microsecond=0)
