"""
Build what makes the trust file of this installation, which archives contain that are handed over.

The settings may name another trust file. Then bundles are verified by that file, and archives
contain that file. The file of this installation changes no verification on this machine.
"""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from snapshotter.app.machine import SystemClock
from snapshotter.app.settings import Settings
from snapshotter.app.trust import files
from snapshotter.app.wiring import keys as wiring_keys
from snapshotter.app.wiring import timestamp_authorities as wiring_authorities
from snapshotter.app.wiring import trust as wiring_trust
from snapshotter.errors import SnapshotterError
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.app.trust.editing import TrustEditor
    from snapshotter.app.trust.own_file import OwnTrust
    from snapshotter.verify.trust import TrustDocument


def own_trust_file(settings: Settings) -> Path:
    """Return the path of the trust file of this installation, which need not exist yet."""
    return settings.data_dir / "trust-file" / "trust.json"


def archive_trust(settings: Settings) -> "TrustDocument | None":
    """
    Return the trust file that archives contain; None if there is none yet. Opens no private key.

    Raises:
        SnapshotterError: The trust file is damaged.
    """
    file = settings.trust_file or own_trust_file(settings)
    if settings.trust_file is None and not file.exists():
        return None
    document, _ = files.read_signed_or_draft(file)
    return document


def make_own_trust_file(settings: Settings, *, owner: str) -> "TrustDocument":
    """Make the trust file of this installation, or bring it up to date. Raises as `make` does."""
    from snapshotter.app.trust import own_file

    return own_file.make(
        _editor(settings),
        own_trust_file(settings),
        _own_trust(settings),
        owner=owner,
        now=SystemClock().now(),
    )


def archive_settings(settings: Settings) -> Settings:
    """
    Return the settings with the trust file for an archive, which is brought up to date.

    Raises:
        SnapshotterError: There is no trust file, or it cannot be brought up to date.
    """
    if settings.trust_file is not None:
        return settings
    from snapshotter.app.trust import own_file

    file = own_trust_file(settings)
    if not file.exists():
        raise SnapshotterError(
            tr("this export needs a trust file, and there is none yet"),
            hint=tr(
                "make a trust file in the console, under Settings, or set trust_file and "
                "trust_root_key in the settings (docs/howto/trust-file-for-an-auditor.md)"
            ),
        )
    document = own_file.update(
        _editor(settings), file, _own_trust(settings), now=SystemClock().now()
    )
    return replace(settings, trust_file=file, trust_root_key=document.root_key_id)


def _editor(settings: Settings) -> "TrustEditor":
    from snapshotter.app.trust.editing import TrustEditor

    return TrustEditor(
        keys=wiring_keys.key_directory(settings),
        root_key_name=wiring_keys.OWN_ROOT_KEY,
        ask=_nobody,
        versions_dir=wiring_keys.trust_versions_dir(settings),
    )


def _own_trust(settings: Settings) -> "OwnTrust":
    from snapshotter.app.trust.own_file import OwnTrust

    return OwnTrust(
        keys=wiring_keys.signing_keys(settings),
        authorities=wiring_authorities.anchors(settings),
        log=wiring_trust.log_policy(settings),
    )


def _nobody() -> bytes:
    """Refuse to ask for a passphrase: a task runs without a person."""
    raise SnapshotterError(
        tr("the root key {name} has a passphrase", name=wiring_keys.OWN_ROOT_KEY),
        hint=tr("edit the trust file with `snapshotter trust`, and set trust_file in the settings"),
    )
