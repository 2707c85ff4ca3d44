"""Build a self-test: the environment of the demo with a resolver of its host, and the signer."""

from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric import ec

from snapshotter.app.settings import Settings
from snapshotter.app.wiring import keys as wiring_keys
from snapshotter.app.wiring.demo import demo_environment as validation_environment
from snapshotter.model.validation import KeyOrigin
from snapshotter.ports import ShowMessage, Signer
from snapshotter.seal.signer import FileSigner

__all__ = ["report_signer", "validation_environment"]


def report_signer(
    settings: Settings, *, ask: Callable[[], bytes] | None, show_message: ShowMessage
) -> tuple[Signer, KeyOrigin]:
    """
    Return the key that signs the report, and which key it is.

    The key that signs captures here signs, if there is one. Otherwise a key is made that exists
    only in the memory of this process: no key of the user is made or changed.

    Raises:
        ServiceUnavailable, SnapshotterError: As `known_signer`.
    """
    known = wiring_keys.known_signer(settings, ask=ask, show_message=show_message)
    if known is not None:
        return known, KeyOrigin.CAPTURE_KEY
    return FileSigner(ec.generate_private_key(ec.SECP384R1())), KeyOrigin.OWN_KEY
