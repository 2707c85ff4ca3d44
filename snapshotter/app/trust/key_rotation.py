"""
Rotate or revoke a signing key, on this machine and in the trust file.

If no trust file is named, or the root key is not on this machine and no draft is wanted, the trust
file is not edited. The result has the command that edits it where the root key is.
"""

import shlex
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from snapshotter.app.trust import editing
from snapshotter.app.trust.editing import TrustChange, TrustEditor
from snapshotter.errors import SnapshotterError
from snapshotter.formats.canonical_json import instant
from snapshotter.seal.signer import RetiredKey, StoredKey
from snapshotter.translation import tr
from snapshotter.value_class import dataclass
from snapshotter.verify.trust import TrustDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """A rotation that can be made: the key that ends, and the name of the key that follows it."""

    old: StoredKey
    successor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyChange:
    """Keys after a rotation or a revocation."""

    old: StoredKey  # retired now
    new: StoredKey | None  # None: it was revoked without a successor
    document: TrustDocument | None  # the next version of the trust file; None: not edited here
    command: str  # edits the trust file where the root key is


def find_key(editor: TrustEditor, name: str) -> StoredKey:
    """
    Return a signing key by its name, its id, or the reference of a service or a token.

    Raises:
        SnapshotterError: There is no such key, or it is the root key.
    """
    listed = editor.keys.list()
    found = next((key for key in listed if key.reference and key.reference == name), None)
    found = found or editor.keys.find(name)
    if found.name == editor.root_key_name:
        raise SnapshotterError(
            tr("the root key cannot be rotated, because the root key signs the trust files"),
            hint=tr("docs/howto/rotate-keys.md explains how to introduce a new root key"),
        )
    return found


def plan_rotation(editor: TrustEditor, name: str, successor: str | None) -> Rotation:
    """
    Check that a key can be rotated; nothing is changed.

    Args:
        successor: Name of the key that follows; None: the old name with the next number.

    Raises:
        SnapshotterError: There is no such key, it is the root key, or it is retired.
        ValueError: The key would follow itself.
    """
    old = find_key(editor, name)
    if old.retired is not None:
        raise SnapshotterError(
            tr(
                "the key {name!r} is retired already: {reason}",
                name=old.name,
                reason=old.retired.reason,
            )
        )
    target = successor or _next_free_name(editor, old.name)
    if target == old.name:
        raise ValueError("a key cannot replace itself")
    return Rotation(old=old, successor=target)


def rotate(
    rotation: Rotation,
    editor: TrustEditor,
    trust_file: Path | None,
    passphrase: Callable[[], bytes | None],
    *,
    at: datetime,
    owner: str | None,
) -> KeyChange:
    """
    Let the new key follow the old one.

    Args:
        passphrase: Returns the passphrase of the new key, if it has to be made; None for none.
        at: First instant at which the old key does not sign.
        owner: Of the new key in the trust file; None: the owner of the old one.

    Raises:
        SnapshotterError: The new key cannot sign, or the trust file cannot be edited.
    """
    old, target = rotation.old, rotation.successor
    # (1) The key that follows. A crash after this leaves one key more: --to goes on with it.
    new = next((key for key in editor.keys.list() if key.name == target), None)
    if new is None:
        new = editor.keys.create(target, passphrase())
    if new.public_key is None or new.retired is not None:
        raise SnapshotterError(
            tr(
                "the key {target!r} cannot replace the key {name!r}: the key {target!r} is "
                "retired, or its public key is not available",
                target=target,
                name=old.name,
            )
        )
    # (2) Auditors first, because the new key is unknown to them until then.
    command = shlex.join(
        [
            *("snapshotter", "trust", "replace-key", str(trust_file or "trust.json")),
            *(old.key_id, new.public_file.name, "--at", instant(at)),
            *(("--owner", owner) if owner else ()),
        ]
    )
    change = editing.replace_key(old.key_id, new.public_key, owner=owner, at=at)
    document = _edit_if_possible(editor, trust_file, change)
    # (3) This machine.
    old = editor.keys.retire(old.name, RetiredKey(at=at, reason="superseded", successor=new.name))
    return KeyChange(old=old, new=new, document=document, command=command)


def revoke(
    old: StoredKey, editor: TrustEditor, trust_file: Path | None, *, at: datetime, reason: str
) -> KeyChange:
    """
    Revoke a key.

    Args:
        at: First instant that is no longer good.
        reason: `superseded` or `compromised`.

    Raises:
        SnapshotterError: The trust file cannot be edited; the key is retired all the same.
    """
    # (1) The key signs no more, even if the rest fails.
    successor = old.retired.successor if old.retired else ""
    old = editor.keys.retire(old.name, RetiredKey(at=at, reason=reason, successor=successor))
    # (2) Auditors.
    command = shlex.join(
        [
            *("snapshotter", "trust", "revoke-key", str(trust_file or "trust.json"), old.key_id),
            *("--reason", reason, "--at", instant(at)),
        ]
    )
    document = _edit_if_possible(
        editor,
        trust_file,
        lambda document: document.with_key_revoked(old.key_id, at=at, reason=reason),
    )
    return KeyChange(old=old, new=None, document=document, command=command)


def _edit_if_possible(
    editor: TrustEditor, trust_file: Path | None, change: TrustChange
) -> TrustDocument | None:
    """Edit the trust file if one is named and can be signed here or drafted."""
    if trust_file is None or (editor.draft is None and not editor.has_root_key()):
        return None
    return editor.edit(trust_file, change)


def _next_free_name(editor: TrustEditor, name: str) -> str:
    """Return the name with the next number: default, default-2, default-3 …"""
    stem, _, number = name.rpartition("-")
    base = stem if stem and number.isdigit() else name
    taken = {key.name for key in editor.keys.list()}
    return next(candidate for n in range(2, 10_000) if (candidate := f"{base}-{n}") not in taken)
