"""
Create, list and load the Ed25519 keys of logs and witnesses, in files beside the signing keys.

    log-1f0c….key    the private key, PKCS#8 in PEM, encrypted if it has a passphrase;
                     then the verifier key, one line: name, id, public key (C2SP signed-note)
    log-1f0c….vkey   the verifier key again, to hand out; written again if it is missing

The name in a verifier key is the log's origin and cannot be derived from the private key,
so one file holds both. Every log has its own key: a key of two logs would sign two histories
under one name. It signs checkpoints, and COSE receipts (docs/spec/scitt.md) over the roots of
checkpoints that it has signed.
"""

import hashlib
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from snapshotter.errors import EvidenceInvalid, SnapshotterError
from snapshotter.formats.proofs import note
from snapshotter.formats.proofs.note import COSIGNATURE_V1, ED25519, VerifierKey
from snapshotter.seal.key_files import (
    MAX_PASSPHRASE,
    KeyFiles,
    PassphraseSource,
    file_error,
    read_limited,
    read_secret,
)
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

LOG = "log"
WITNESS = "witness"

_KINDS = {LOG: ED25519, WITNESS: COSIGNATURE_V1}
_ORIGIN = "snapshotter.invalid"  # of a log that nobody named: no host has such a name
_MAX_FILE = 4096  # bytes
_ENCRYPTED = b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n"


class FileLogSigner:
    """Sign checkpoints with a key in the memory of this process (the port `LogSigner`)."""

    def __init__(self, private_key: Ed25519PrivateKey, key: VerifierKey) -> None:
        if private_key.public_key().public_bytes_raw() != key.public_key:
            raise ValueError("the verifier key does not belong to the private key")
        self._private_key = private_key
        self._key = key

    @property
    def key(self) -> VerifierKey:
        """The verifier key."""
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
    The directory with the keys of logs and of a witness, beside the signing keys.

    Any number of processes may use it at once: nobody reads a part of a key.
    """

    path: Path

    def create(
        self, role: str = LOG, *, name: str = "", passphrase: bytes | None = None
    ) -> VerifierKey:
        """
        Create a key, and store it durably before returning.

        Args:
            role: `LOG` or `WITNESS`.
            name: The origin, or the name of the witness; empty: a generated name.
            passphrase: Encrypts the private key; None leaves it in clear, for its owner alone.

        Raises:
            SnapshotterError: A key has that name already, the name or passphrase is invalid, or
                the directory refuses.
        """
        if passphrase is not None and not 0 < len(passphrase) <= MAX_PASSPHRASE:
            raise SnapshotterError(
                tr(
                    "a passphrase must have 1 to {max_passphrase} bytes",
                    max_passphrase=MAX_PASSPHRASE,
                )
            )
        if name and any(name == key.name for key in self.list(role)):
            raise SnapshotterError(
                tr(
                    "{path} already contains a key of a {role} named {name!r}, and keys are "
                    "not replaced",
                    path=self.path,
                    role=role,
                    name=name,
                ),
                hint=tr(
                    "choose another name, because two logs with the same name look like one log "
                    "with two histories"
                ),
            )
        private_key = Ed25519PrivateKey.generate()
        public = private_key.public_key().public_bytes_raw()
        try:
            key = VerifierKey(
                name=name or f"{_ORIGIN}/{_short(public)}", kind=_KINDS[role], public_key=public
            )
        except ValueError as error:
            raise SnapshotterError(
                tr("{name!r} is not a valid name for a {role}", name=name, role=role),
                hint=tr("give a host and a path, as in a URL, but without https://"),
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
        files.put_new(self.file(key), pem + f"{key.text}\n".encode(), mode=0o600)
        files.put_new(self._public_file(key), f"{key.text}\n".encode(), mode=0o644)
        return key

    def list(self, role: str = LOG, *, public_only: bool = False) -> tuple[VerifierKey, ...]:
        """
        Return the verifier keys, by name. Needs no passphrase.

        Args:
            public_only: Open no private key, for a process that must hold none.

        Raises:
            SnapshotterError: A file is not a key, or others may read it.
        """
        try:
            files = sorted(self.path.glob(f"{role}-*.{'vkey' if public_only else 'key'}"))
        except OSError as error:
            raise file_error(self.path, error) from error
        found = (_read_public(file) if public_only else _read(file)[1] for file in files)
        return tuple(sorted(found, key=lambda key: key.name))

    def load(
        self, role: str = LOG, name: str = "", passphrase: PassphraseSource | None = None
    ) -> FileLogSigner:
        """
        Return a signer for the key of that name, or for the only one.

        Args:
            passphrase: Called once, if the key is encrypted.

        Raises:
            SnapshotterError: No such key, its file is open to others, or its passphrase is
                missing or wrong.
        """
        found = [key for key in self.list(role) if name in ("", key.name)]
        if len(found) != 1:
            which = f" named {name}" if name else ""
            raise SnapshotterError(
                tr(
                    "there {value} of a {role}{which} in {path}",
                    value="are several keys" if found else "is no key",
                    role=role,
                    which=which,
                    path=self.path,
                ),
                hint=tr("state the name of the key that you want to use")
                if found
                else tr(
                    "copy the file {role}-….key to this directory; the file is in the key "
                    "directory of the machine that created the {role}",
                    role=role,
                ),
            )
        key = found[0]
        files, file = KeyFiles(self.path), self.file(key)
        files.check()
        pem, _ = _read(file)
        secret = None
        if pem.startswith(_ENCRYPTED):
            if passphrase is None:
                raise SnapshotterError(
                    tr("the key {file} has a passphrase, but no passphrase was given", file=file),
                    hint=tr(
                        "set log_passphrase_file to the path of a file that contains the passphrase"
                    ),
                )
            secret = passphrase()
        signer = _signer(file, pem, key, secret)
        files.put_new(self._public_file(key), f"{key.text}\n".encode(), mode=0o644)
        return signer

    def file(self, key: VerifierKey) -> Path:
        """Return the path of a key, whether or not it exists."""
        role = next(role for role, kind in _KINDS.items() if kind == key.kind)
        return self.path / f"{role}-{_short(key.public_key)}.key"

    def _public_file(self, key: VerifierKey) -> Path:
        return self.file(key).with_suffix(".vkey")


def _short(public_key: bytes) -> str:
    return hashlib.sha256(public_key).hexdigest()[:16]


def _read(file: Path) -> tuple[bytes, VerifierKey]:
    """Return the stored private key, and the verifier key that follows it."""
    content = read_secret(file, _MAX_FILE, what="a private key")
    pem, separator, text = content.rpartition(b"-----\n")
    return pem + separator, _verifier_key(file, text)


def _read_public(file: Path) -> VerifierKey:
    """Return the verifier key of a file that has no private key."""
    return _verifier_key(file, read_limited(file, _MAX_FILE))


def _verifier_key(file: Path, text: bytes) -> VerifierKey:
    """Parse the last line of a file, which is named after the kind of its key."""
    try:
        key = note.parse_verifier_key(text.decode("ascii").removesuffix("\n"))
    except (EvidenceInvalid, ValueError) as error:
        raise SnapshotterError(
            tr("the last line of {file} is not a verifier key", file=file),
            hint=tr("restore the file from a backup"),
        ) from error
    if not file.name.startswith(f"{next(r for r, k in _KINDS.items() if k == key.kind)}-"):
        raise SnapshotterError(
            tr(
                "the kind of the key in {file} differs from the kind that the file name states",
                file=file,
            )
        )
    return key


def _signer(file: Path, pem: bytes, key: VerifierKey, secret: bytes | None) -> FileLogSigner:
    try:
        private_key = serialization.load_pem_private_key(pem, secret)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        wrong = tr("the passphrase is wrong for") if secret else "no private key was found in"
        raise SnapshotterError(
            f"{wrong} {file}",
            hint=tr(
                "check the passphrase. If the passphrase is right, restore the file from a backup"
            ),
        ) from error
    if not isinstance(private_key, Ed25519PrivateKey):
        raise SnapshotterError(tr("the key in {file} is not an Ed25519 key", file=file))
    try:
        return FileLogSigner(private_key, key)
    except ValueError as error:
        raise SnapshotterError(
            f"{file}: {error}", hint=tr("restore the file from a backup")
        ) from error
