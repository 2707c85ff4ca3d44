"""
Build the trust of a verification: from the trust file, or else from this user's own keys and log.

`trusted_keys` tells whose statements count, and `log_policy` which log the store must have.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from snapshotter.app.machine import SystemClock
from snapshotter.app.settings import Settings
from snapshotter.app.trust import remembered_version
from snapshotter.app.wiring import keys as wiring_keys
from snapshotter.app.wiring import log as wiring_log
from snapshotter.app.wiring import timestamp_authorities as wiring_authorities
from snapshotter.errors import SnapshotterError
from snapshotter.translation import tr
from snapshotter.verify.trust import COMPROMISED, Trust, own_trust

if TYPE_CHECKING:
    from snapshotter.formats.proofs.note import LogPolicy


def trusted_keys(settings: Settings, *, public_only: bool = False) -> Callable[[str], bool]:
    """
    Return a function that says whether the statements of a key count.

    They count for this user's own keys and for those of the trust file, except for a key that the
    trust file calls compromised. Raises as `trust` does.

    Args:
        public_only: Open no private key.
    """
    believed = trust(settings, public_only=public_only)
    own = {key.key_id for key in wiring_keys.signing_keys(settings, public_only=public_only)}

    def is_trusted(key_id: str) -> bool:
        known = believed.key(key_id)
        if known is not None:
            return known.revoked_reason != COMPROMISED
        return key_id in own

    return is_trusted


def trust(settings: Settings, *, by_bundle: bool = False, public_only: bool = False) -> Trust:
    """
    Return what bundles are judged by: the trust file, or else this user's own keys.

    Args:
        by_bundle: As in `own_log`.
        public_only: Open no private key, for a process that must hold none.

    Raises:
        SnapshotterError: The trust file is invalid.
    """
    if settings.trust_file:
        if not settings.trust_root_key:
            raise SnapshotterError(
                tr("the trust file cannot be checked without the key id of its root key"),
                hint=tr(
                    "use --root-key to give the key id that the owner of the trust file "
                    "published. Show which key signed the file:\n  snapshotter trust show "
                    "{trust_file}",
                    trust_file=settings.trust_file,
                ),
            )
        return remembered_version.read_and_remember(
            settings.trust_file,
            pinned_root=settings.trust_root_key,
            now=SystemClock().now(),
            directory=wiring_keys.trust_versions_dir(settings),
        )
    own = [
        (key.public_key, key.key_id, key.retired)
        for key in wiring_keys.signing_keys(settings, public_only=public_only)
        if key.public_key is not None
    ]
    judged = own_trust(
        [key for key, _, _ in own],
        wiring_authorities.anchors(settings),
        revoked={
            key_id: (retired.at, retired.reason)
            for _, key_id, retired in own
            if retired is not None
        },
    )
    own_log = wiring_log.own_log(settings, by_bundle=by_bundle, public_only=public_only)
    return replace(judged, log=own_log)


def log_policy(settings: Settings) -> "LogPolicy | None":
    """
    Return the log that the configured store must have: the trust file's, or else our own.

    Raises:
        SnapshotterError: The trust file is invalid, or the store does not answer.
    """
    from snapshotter.formats.proofs.note import COSIGNATURE_V1, LogPolicy, parse_verifier_key
    from snapshotter.seal.log_key import LogKeyDirectory

    if settings.trust_file:
        return trust(settings).log
    origin = wiring_log.known_origin(settings)
    asked = tuple(parse_verifier_key(witness.verifier_key) for witness in settings.witnesses)
    known = tuple(key for key in asked if key.kind == COSIGNATURE_V1)
    for key in LogKeyDirectory(path=settings.keys_dir).list():
        if key.name == origin:
            return LogPolicy(key=key, witnesses=known)
    return None
