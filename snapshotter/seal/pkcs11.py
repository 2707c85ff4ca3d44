"""
Open a key on a PKCS#11 token (a smart card, a hardware module, a network HSM), and sign with it.

The library of the token's maker runs inside this process. The key reference names the library and
so decides which code runs; a stored reference is used only from a directory in which nobody else
may write. A call into the library can hang and cannot be cancelled, so each runs in its own thread
with a time limit.

A refused PIN is never tried twice: tokens lock themselves after a few failures.
"""

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.formats.signatures.key_reference import Pkcs11Reference
from snapshotter.formats.signatures.keys import from_p1363
from snapshotter.seal.external_key import ExternalSigner
from snapshotter.seal.key_files import passphrase_from_file
from snapshotter.translation import tr

CALL_S = 30.0  # for all calls of one signature; a touch of a button is in it

_T = TypeVar("_T")


def open_pkcs11(
    reference: Pkcs11Reference, *, ask: Callable[[], bytes] | None, call_s: float = CALL_S
) -> ExternalSigner:
    """
    Return a signer for the key; the session with its token stays open.

    Args:
        ask: Called once for the PIN, if the reference names no file with it.
        call_s: Seconds for one signature.

    Raises:
        ServiceUnavailable: The token is missing, or does not answer.
        SnapshotterError: No such key, not exactly one, a wrong PIN, or a library is missing.
    """
    where = f"the token ({reference.token or reference.serial or reference.module})"
    try:
        import pkcs11
    except ImportError as error:
        raise SnapshotterError(
            tr("python-pkcs11 is not installed"),
            hint=tr("install the extra:\n  pip install 'snapshotter[pkcs11]'"),
        ) from error
    if not Path(reference.module).is_file():
        raise SnapshotterError(
            tr("the PKCS#11 module {module} does not exist", module=reference.module),
            hint=tr(
                "install the software of the token, and add the path of the library of this "
                "software to the key reference: module-path=…"
            ),
        )
    pin = _pin(reference, ask)
    token = _Token(pkcs11, reference, where, pin)
    public_key = _within(call_s, where, token.open)

    def sign_digest(digest: bytes) -> bytes:
        return from_p1363(_within(call_s, where, lambda: token.sign(digest)), public_key)

    return ExternalSigner(where, public_key, sign_digest)


def _pin(reference: Pkcs11Reference, ask: Callable[[], bytes] | None) -> str:
    if reference.pin_file:
        pin = passphrase_from_file(Path(reference.pin_file))
    elif ask is not None:
        pin = ask()
    else:
        raise SnapshotterError(
            tr(
                "the token requires a PIN, but no terminal exists in which a person can enter the "
                "PIN"
            ),
            hint=tr(
                "write the PIN into a file that only you can read, and add the path of this file "
                "to the key reference: pin-source=FILE"
            ),
        )
    try:
        return pin.decode()
    except UnicodeDecodeError as error:
        raise SnapshotterError(tr("the PIN of the token is not UTF-8")) from error


class _Token:
    """One token with one session, and one key on it."""

    def __init__(self, library: Any, reference: Pkcs11Reference, where: str, pin: str) -> None:
        self._pkcs11 = library
        self._reference = reference
        self._where = where
        self._pin = pin
        self._private: Any = None
        self._session: Any = None
        self._lock = threading.Lock()  # a session does one thing at a time
        self._refused = False  # the PIN was

    def open(self) -> ec.EllipticCurvePublicKey:
        """Log in, find the key, and return its public key."""
        with self._lock, _Translated(self._pkcs11, self._where):
            return self._open()

    def sign(self, digest: bytes) -> bytes:
        """Return r and s (IEEE P1363). Open a token again that was removed and inserted."""
        ecdsa = self._pkcs11.Mechanism.ECDSA
        with self._lock, _Translated(self._pkcs11, self._where):
            try:
                signature: bytes = self._private.sign(digest, mechanism=ecdsa)
            except self._pkcs11.PKCS11Error:
                self._open()
                signature = self._private.sign(digest, mechanism=ecdsa)
            return signature

    def _open(self) -> ec.EllipticCurvePublicKey:
        self._close()
        token = self._find_token()
        if self._refused:
            raise self._pkcs11.PinIncorrect
        try:
            self._session = token.open(user_pin=self._pin)
        except self._pkcs11.UserAlreadyLoggedIn:
            # Another key of this token is in use: one log-in holds for the whole process.
            self._session = token.open()
        except (self._pkcs11.PinIncorrect, self._pkcs11.PinInvalid, self._pkcs11.PinLenRange):
            self._refused = True
            raise
        try:
            return self._find_key(self._session)
        except BaseException:  # also Ctrl-C: a session that nobody has must not stay open
            self._close()
            raise

    def _find_key(self, session: Any) -> ec.EllipticCurvePublicKey:
        from pkcs11.util.ec import encode_ec_public_key

        attribute, kind = self._pkcs11.Attribute, self._pkcs11.ObjectClass
        wanted: dict[Any, Any] = {attribute.KEY_TYPE: self._pkcs11.KeyType.EC}
        if self._reference.label:
            wanted[attribute.LABEL] = self._reference.label
        if self._reference.id:
            wanted[attribute.ID] = self._reference.id
        private = self._only(session, {attribute.CLASS: kind.PRIVATE_KEY, **wanted}, "private")
        # By the private key's id as well: labels are often not unique.
        wanted[attribute.ID] = private[attribute.ID]
        public = self._only(session, {attribute.CLASS: kind.PUBLIC_KEY, **wanted}, "public")
        key = load_der_public_key(encode_ec_public_key(public))
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise SnapshotterError(
                tr("{where} has a key of another kind with this name", where=self._where)
            )
        self._private = private
        return key

    def _close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            # It ended with a token that was taken out.
            with contextlib.suppress(self._pkcs11.PKCS11Error):
                session.close()

    def _find_token(self) -> Any:
        wanted = self._reference
        found = [
            token
            for token in self._pkcs11.lib(wanted.module).get_tokens()
            if wanted.token in {"", token.label}
            and wanted.serial in {"", token.serial.decode("ascii", "replace").strip()}
            and wanted.manufacturer in {"", token.manufacturer_id}
            and wanted.model in {"", token.model}
        ]
        if not found:
            raise ServiceUnavailable(
                tr("{where} was not found", where=self._where),
                hint=tr("connect the token, or check token= in the reference"),
            )
        if len(found) > 1:
            raise SnapshotterError(
                tr("several tokens match the reference: {count}", count=len(found)),
                hint=tr("add token= or serial= to the reference"),
            )
        return found[0]

    def _only(self, session: Any, wanted: dict[Any, Any], what: str) -> Any:
        found = list(session.get_objects(wanted))
        if len(found) == 1:
            return found[0]
        raise SnapshotterError(
            tr(
                "{where} has {count} {what} elliptic-curve keys with this name, but one is "
                "expected",
                where=self._where,
                count=len(found),
                what=what,
            ),
            hint=tr(
                "identify the key with object= and id= in the key reference; the token must "
                "contain the private key and the public key"
            ),
        )


class _Translated:
    """Translate the library's errors into ours."""

    def __init__(self, library: Any, where: str) -> None:
        self._pkcs11 = library
        self._where = where

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        library = self._pkcs11
        if isinstance(error, library.PinIncorrect | library.PinInvalid | library.PinLenRange):
            raise SnapshotterError(
                tr("{where} rejects the PIN", where=self._where),
                hint=tr(
                    "check the file with the PIN before you try again: a token locks after a "
                    "few wrong PINs"
                ),
            ) from error
        if isinstance(error, library.PinLocked | library.PinExpired):
            raise SnapshotterError(
                tr("{where} is locked, or its PIN has expired", where=self._where),
                hint=tr("set a new PIN with the software of the token"),
            ) from error
        if isinstance(error, library.PKCS11Error | OSError | RuntimeError):
            words = f"{type(error).__name__} {error}".strip()
            raise ServiceUnavailable(
                tr("{where} cannot sign: {words}", where=self._where, words=words),
                hint=tr("check whether the token is connected"),
            ) from error


def _within(seconds: float, where: str, work: Callable[[], _T]) -> _T:
    """Run a call in its own thread with a time limit. Raises what the call raises."""
    done: list[_T] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            done.append(work())
        except BaseException as error:  # noqa: BLE001  raised again below, by who waits
            failed.append(error)

    # A daemon: a module that hangs must not keep the program from ending.
    thread = threading.Thread(target=run, name="pkcs11", daemon=True)
    thread.start()
    thread.join(seconds)
    if failed:
        raise failed[0]
    if not done:
        raise ServiceUnavailable(
            tr("{where} did not answer within {seconds:g} s", where=where, seconds=seconds),
            hint=tr(
                "check whether a button of the token must be pressed, or whether the token was "
                "removed"
            ),
        )
    return done[0]
