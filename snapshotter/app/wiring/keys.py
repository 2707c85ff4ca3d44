"""
Build the signers of this user's keys, which are key files or external keys.

`signer` and `cosigners` return the keys that sign bundles, `existing_signer` the key that signs
statements about a bundle, `event_signer` the key that signs
take-down events, `annotation_signer` the key that signs annotations. The successor of a retired
key signs in its place. `signing_keys` lists them without the root keys of trust files. `operator`
returns who is responsible for a hold or an erasure.
"""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from snapshotter.app.machine import SystemClock
from snapshotter.app.settings import ANNOTATION_KEY, EVENT_KEY, Settings
from snapshotter.errors import SnapshotterError
from snapshotter.formats.signatures.key_reference import is_reference
from snapshotter.ports import ShowMessage, Signer
from snapshotter.seal.key_files import passphrase_from_file
from snapshotter.seal.open_key import open_external_key
from snapshotter.seal.signer import DEFAULT_NAME, KeyDirectory, StoredKey
from snapshotter.translation import tr

OWN_ROOT_KEY: Final = "console-root"  # of the trust file that the console makes
_ROOT_KEYS: Final = ("root", OWN_ROOT_KEY)  # the first as `snapshotter trust init` names it


def key_directory(settings: Settings) -> KeyDirectory:
    """Return the directory with this user's signing keys."""
    return KeyDirectory(settings.keys_dir)


def trust_versions_dir(settings: Settings) -> Path:
    """Return the folder of the remembered versions of trust files."""
    return settings.data_dir / "trust"


def signing_keys(settings: Settings, *, public_only: bool = False) -> tuple[StoredKey, ...]:
    """
    Return this user's own keys without the root keys of trust files.

    A root key signs trust files, never bundles: a bundle that it signed is not one of ours. Root
    keys are recognised by the default names, and by the remembered versions of trust files. A key
    that the settings name for signing counts, although it signed a trust file too.

    Args:
        public_only: Open no private key.

    Raises:
        SnapshotterError: The remembered versions cannot be read.
    """
    from snapshotter.app.trust import remembered_version

    roots = remembered_version.root_key_ids(trust_versions_dir(settings))
    named = {settings.key, *settings.cosigners, settings.event_key, settings.annotation_key}
    return tuple(
        key
        for key in key_directory(settings).list(public_only=public_only)
        if key.name not in _ROOT_KEYS and (key.key_id not in roots or key.name in named)
    )


def capture_keys(settings: Settings) -> tuple[StoredKey, ...]:
    """
    Return the keys that may sign bundles; empty before the first capture.

    Keys for events and annotations, and root keys of trust files, may have been made before.
    Raises as `signing_keys` does.
    """
    keys = {key.name: key for key in signing_keys(settings)}
    for name in (settings.event_key, settings.annotation_key):
        # Such a key may have a successor by now.
        while (key := keys.pop(name, None)) is not None and key.retired is not None:
            name = key.retired.successor
    return tuple(keys.values())


def signer(
    settings: Settings, *, ask: Callable[[], bytes] | None, show_message: ShowMessage
) -> Signer:
    """
    Return the configured signing key; make the default key on first use.

    Args:
        ask: Asks the person for a passphrase; None if nobody can be asked.
        show_message: Shows the advice to back up a key that was just made.

    Raises:
        ServiceUnavailable: The key service or token that holds the key did not answer.
        SnapshotterError: The key does not exist, its passphrase is wrong, or others can read it.
    """
    directory = key_directory(settings)
    source = _passphrase_source(settings, ask)
    if settings.key != DEFAULT_NAME or capture_keys(settings):
        return _signer(directory, settings.key, source, show_message)
    # Two first captures at once make one key between them.
    found, made = directory.ensure(DEFAULT_NAME, source if settings.passphrase_file else None)
    if made:
        show_message(
            tr(
                "a signing key was made for you: {keys_dir}\n  The key id is {key_id}\n  Back up "
                "this file now, in a place that only you can read. Without the file, you cannot "
                "sign with\n  this key again. Anybody with the file can sign in your name.\n  To "
                "sign with a key that has a passphrase, make a key with another name, and set\n  "
                'key = "NAME" in the settings:\n  snapshotter keys init --name NAME '
                "--ask-passphrase",
                keys_dir=settings.keys_dir / f"{DEFAULT_NAME}.pem",
                key_id=found.key_id,
            )
        )
    return found


def existing_signer(
    settings: Settings, *, ask: Callable[[], bytes] | None, show_message: ShowMessage
) -> Signer:
    """Return the configured signing key; never make one. Raises as `signer` does."""
    source = _passphrase_source(settings, ask)
    return _signer(key_directory(settings), settings.key, source, show_message)


def known_signer(
    settings: Settings, *, ask: Callable[[], bytes] | None, show_message: ShowMessage
) -> Signer | None:
    """
    Return the configured signing key if this machine has it already; never make or add a key.

    Args:
        ask: Asks the person for a passphrase; None if nobody can be asked.

    Raises:
        ServiceUnavailable: The key service or token that holds the key did not answer.
        SnapshotterError: The passphrase is wrong, others can read the key, or it was revoked.
    """
    directory = key_directory(settings)
    known = (key for key in directory.list() if settings.key in (key.name, key.reference))
    if (found := next(known, None)) is None:
        return None
    name = _in_use(directory, found, show_message).name
    return directory.load(name, _passphrase_source(settings, ask))


def event_signer(
    settings: Settings, *, ask: Callable[[], bytes] | None, show_message: ShowMessage
) -> Signer:
    """
    Return the key that signs take-down events; make the default one on first use.

    It never signs captures, so that a verified event shows that two keys were needed.

    Raises:
        ServiceUnavailable: The key service or token that holds the key did not answer.
        SnapshotterError: The key does not exist, its passphrase is wrong, or it signs captures.
    """
    name = settings.event_key
    if name in (settings.key, *settings.cosigners):
        raise SnapshotterError(
            tr("the key {name} signs captures, so it cannot sign take-down events", name=name),
            hint=tr(
                "remove event_key from the settings. snapshotter then makes a key for take-down "
                "events on first use"
            ),
        )

    def describe(key_id: str) -> str:
        return tr(
            "a key for take-down events was made for you: {keys_dir}\n  The key id is {key_id}"
            "\n  The key signs no captures. To verify events, others need the public key in a "
            "trust file:\n  snapshotter keys export {name} | snapshotter trust add-key "
            "trust.json - --owner NAME",
            keys_dir=settings.keys_dir / f"{name}.pem",
            key_id=key_id,
            name=name,
        )

    return _signer_beside_captures(settings, name, EVENT_KEY, ask, show_message, describe)


def annotation_signer(
    settings: Settings, *, ask: Callable[[], bytes] | None, show_message: ShowMessage
) -> Signer:
    """
    Return the key that signs annotations; make the default one on first use.

    It never signs captures or events: who may write notes need not be able to make evidence.

    Raises:
        ServiceUnavailable: The key service or token that holds the key did not answer.
        SnapshotterError: The key does not exist, its passphrase is wrong, or it signs evidence.
    """
    name = settings.annotation_key
    if name in (settings.key, settings.event_key, *settings.cosigners):
        raise SnapshotterError(
            tr("the key {name} signs evidence, so it cannot sign annotations", name=name),
            hint=tr(
                "remove annotation_key from the settings. snapshotter then makes a key for "
                "annotations on first use"
            ),
        )

    def describe(key_id: str) -> str:
        return tr(
            "a key for annotations was made for you: {keys_dir}\n  The key id is {key_id}\n  "
            "The key signs cases, tags, notes and reviews, and no captures. Others check "
            "annotations with the public key in a trust file:\n  snapshotter keys export "
            "{name} | snapshotter trust add-key trust.json - --owner NAME",
            keys_dir=settings.keys_dir / f"{name}.pem",
            key_id=key_id,
            name=name,
        )

    return _signer_beside_captures(settings, name, ANNOTATION_KEY, ask, show_message, describe)


def _signer_beside_captures(
    settings: Settings,
    name: str,
    default: str,
    ask: Callable[[], bytes] | None,
    show_message: ShowMessage,
    describe: Callable[[str], str],
) -> Signer:
    """
    Return a key that signs no captures; make it on first use if it has the default name.

    Args:
        describe: Returns what is shown of a key that was just made, by its id.
    """
    directory, source = key_directory(settings), _passphrase_source(settings, ask)
    if name != default or _known_or_none(directory, name) is not None:
        return _signer(directory, name, source, show_message)
    found, made = directory.ensure(name, source if settings.passphrase_file else None)
    if made:
        show_message(describe(found.key_id))
    return found


def _passphrase_source(
    settings: Settings, ask: Callable[[], bytes] | None
) -> Callable[[], bytes] | None:
    """Return a function that reads the configured passphrase file, or else `ask`."""
    if settings.passphrase_file:
        return partial(passphrase_from_file, settings.passphrase_file)
    return ask


def _known_or_none(directory: KeyDirectory, name: str) -> StoredKey | None:
    return next((key for key in directory.list() if key.name == name), None)


def cosigners(
    settings: Settings, *, ask: Callable[[], bytes] | None, show_message: ShowMessage
) -> tuple[Signer, ...]:
    """Return the further keys that sign each bundle, in order. Raises as `signer` does."""
    directory = key_directory(settings)
    source = _passphrase_source(settings, ask)
    return tuple(_signer(directory, name, source, show_message) for name in settings.cosigners)


def _signer(
    directory: KeyDirectory, name: str, ask: Callable[[], bytes] | None, show_message: ShowMessage
) -> Signer:
    """Return a key by its name or by its reference; a held key gets a name on first use."""
    known = _known(directory, name)
    if known is not None:
        return directory.load(_in_use(directory, known, show_message).name, ask)
    held = open_external_key(name, ask=ask)
    stored = directory.add_held(f"held-{held.key_id[:12]}", name, held.public_key)
    show_message(
        tr(
            "the key of {name} is used on this machine for the first time. Its key id is {key_id}"
            "\n  Its name is {name2} from now on. If the reference leads to another key later, "
            "snapshotter refuses that key",
            name=name,
            key_id=held.key_id,
            name2=stored.name,
        )
    )
    return held


def _known(directory: KeyDirectory, name: str) -> StoredKey | None:
    if not is_reference(name):
        return directory.find(name)
    return next((key for key in directory.list() if key.reference == name), None)


def _in_use(directory: KeyDirectory, stored: StoredKey, show_message: ShowMessage) -> StoredKey:
    """Return the successor that signs in place of a retired key; any other key unchanged."""
    now = SystemClock().now()
    first, seen = stored, {stored.name}
    while stored.retired is not None and stored.retired.at <= now:
        if not stored.retired.successor or stored.retired.successor in seen:
            raise SnapshotterError(
                tr(
                    "the key {name!r} was revoked as {reason}, so the key can no longer sign",
                    name=stored.name,
                    reason=stored.retired.reason,
                ),
                hint=tr(
                    'make another key, and set key = "NAME" in the settings:\n  snapshotter keys '
                    "init --name NAME"
                ),
            )
        stored = directory.find(stored.retired.successor)
        seen.add(stored.name)
    if stored is not first:
        show_message(
            tr(
                "the key {name!r} is retired, so the key {name2!r} signs instead",
                name=first.name,
                name2=stored.name,
            )
        )
    return stored


def operator(settings: Settings) -> str:
    """Return who is responsible for a hold or an erasure: as configured, or this machine's user."""
    if settings.operator:
        return settings.operator
    try:
        import getpass

        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in some containers
        return f"uid {os.getuid()}"
