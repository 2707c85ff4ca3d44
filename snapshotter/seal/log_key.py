"""
The key of a log, or of a witness: Ed25519, in a file beside the signing keys.

    log.key    the private key, PKCS#8 in PEM, encrypted when it has a passphrase; then
               the verifier key, one line: name, id, public key (C2SP signed-note)
    log.vkey   the verifier key once more, to hand out; written again when it is missing

The name in a verifier key is the log's origin, and can not be told from the private
key alone: one file holds both. The key signs checkpoints and nothing else.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from snapshotter.errors import EvidenceInvalid, SnapshotterError
from snapshotter.formats import note
from snapshotter.formats.note import COSIGNATURE_V1, ED25519, VerifierKey
from snapshotter.seal.key_files import (
    MAX_PASSPHRASE,
    KeyFiles,
    PassphraseSource,
    read_secret,
)

LOG = "log"
WITNESS = "witness"

_KINDS = {LOG: ED25519, WITNESS: COSIGNATURE_V1}
_ORIGIN = "snapshotter.invalid"  # of a log that nobody named: no host has such a name
_MAX_FILE = 4096  # bytes
_ENCRYPTED = b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n"


class FileLogSigner:
    """Signs checkpoints with a key in this process's memory (the port `LogSigner`)."""

    def __init__(self, private_key: Ed25519PrivateKey, key: VerifierKey) -> None:
        if private_key.public_key().public_bytes_raw() != key.public_key:
            raise ValueError("a verifier key is not that of the private key")
        self._private_key = private_key
        self._key = key

    @property
    def key(self) -> VerifierKey:
        """What others verify with."""
        return self._key

    @property
    def name(self) -> str:
        """The key's name: the log's origin."""
        return self._key.name

    @property
    def public_key(self) -> bytes:
        """32 bytes, RFC 8032."""
        return self._key.public_key

    def sign(self, message: bytes) -> bytes:
        """Return the signature over `message`, 64 bytes."""
        return self._private_key.sign(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogKeyDirectory:
    """
    The directory in which the keys of a log and of a witness are, at most one of each.

    Any number of processes may use it at once: of two that make the same key exactly
    one succeeds, and both have that key.
    """

    path: Path

    def create(
        self, role: str = LOG, *, name: str = "", passphrase: bytes | None = None
    ) -> VerifierKey:
        """
        Make a key and store it durably before returning.

        Args:
            role: `LOG` or `WITNESS`.
            name: The origin, or the witness's name; one that is nobody's host if empty.
            passphrase: Encrypts the private key; None leaves it in clear, for its owner alone.

        Raises:
            SnapshotterError: There is one already, a name or passphrase that can not be,
                or the directory refuses.
        """
        if passphrase is not None and not 0 < len(passphrase) <= MAX_PASSPHRASE:
            raise SnapshotterError(f"a passphrase has 1 to {MAX_PASSPHRASE} bytes")
        private_key = Ed25519PrivateKey.generate()
        public = private_key.public_key().public_bytes_raw()
        origin = name or f"{_ORIGIN}/{hashlib.sha256(public).hexdigest()[:16]}"
        try:
            key = VerifierKey(name=origin, kind=_KINDS[role], public_key=public)
        except ValueError as error:
            raise SnapshotterError(
                f"{name!r} is no name for a {role}",
                hint="use a host and a path, as in a URL without https://",
            ) from error
        encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
        if passphrase is not None:
            encryption = serialization.BestAvailableEncryption(passphrase)
        pem = private_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
        )
        files = KeyFiles(self.path)
        files.prepare()
        # One file holds both, so that no crash parts a key from its name; the other is derived.
        content = pem + f"{key.text}\n".encode()
        if not files.put_new(self._private_file(role), content, mode=0o600):
            raise SnapshotterError(
                f"a key of a {role} is already in {self.path}, and keys are never overwritten",
                hint="move it away if you want another, and publish the new verifier key",
            )
        files.put_new(self._public_file(role), f"{key.text}\n".encode(), mode=0o644)
        return key

    def verifier_key(self, role: str = LOG) -> VerifierKey | None:
        """
        Return the key that others verify with; None when there is no key. Needs no passphrase.

        Raises:
            SnapshotterError: The file is not one of a key, or others may read it.
        """
        if not self._private_file(role).exists():
            return None
        return self._read(role)[1]

    def load(self, role: str = LOG, passphrase: PassphraseSource | None = None) -> FileLogSigner:
        """
        Return a signer for the key.

        Args:
            passphrase: Asked once, when the key is encrypted.

        Raises:
            SnapshotterError: No such key, its file is open to others, or its passphrase is
                missing or wrong.
        """
        file = self._private_file(role)
        if not file.exists():
            raise SnapshotterError(
                f"there is no key of a {role} in {self.path}",
                hint="the machine that made the log has it as "
                f"{file.name}: copy it here, or make one with `snapshotter log init`",
            )
        KeyFiles(self.path).check()
        pem, key = self._read(role)
        secret = None
        if pem.startswith(_ENCRYPTED):
            if passphrase is None:
                raise SnapshotterError(
                    f"the key {file} has a passphrase, and none was given",
                    hint="name a file that holds it: log_passphrase_file in the settings",
                )
            secret = passphrase()
        try:
            private_key = serialization.load_pem_private_key(pem, secret)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            wrong = "the passphrase does not open" if secret else "no private key is in"
            raise SnapshotterError(
                f"{wrong} {file}", hint="if you are sure of it, restore the file from your backup"
            ) from error
        if not isinstance(private_key, Ed25519PrivateKey):
            raise SnapshotterError(f"{file} is not an Ed25519 key")
        try:
            signer = FileLogSigner(private_key, key)
        except ValueError as error:
            raise SnapshotterError(f"{file}: {error}", hint="restore it from a backup") from error
        KeyFiles(self.path).put_new(self._public_file(role), f"{key.text}\n".encode(), mode=0o644)
        return signer

    def ensure(
        self, role: str = LOG, passphrase: PassphraseSource | None = None
    ) -> tuple[FileLogSigner, bool]:
        """Load the key, or make it without a passphrase; the second value says it was made."""
        made = False
        if not self._private_file(role).exists():
            try:
                self.create(role)
                made = True
            except SnapshotterError:
                if not self._private_file(role).exists():
                    raise
                # Another process made it meanwhile: its key is as good.
        return self.load(role, passphrase), made

    def _private_file(self, role: str) -> Path:
        if role not in _KINDS:
            raise ValueError(f"a key is that of a {' or a '.join(_KINDS)}")
        return self.path / f"{role}.key"

    def _public_file(self, role: str) -> Path:
        return self.path / f"{role}.vkey"

    def _read(self, role: str) -> tuple[bytes, VerifierKey]:
        file = self._private_file(role)
        content = read_secret(file, _MAX_FILE, what="a private key")
        pem, separator, text = content.rpartition(b"-----\n")
        try:
            key = note.parse_verifier_key(text.decode("ascii").removesuffix("\n"))
        except (EvidenceInvalid, ValueError) as error:
            raise SnapshotterError(
                f"{file} does not end in a verifier key", hint="restore it from a backup"
            ) from error
        if key.kind != _KINDS[role]:
            raise SnapshotterError(f"{file} is not the key of a {role}")
        return pem + separator, key
