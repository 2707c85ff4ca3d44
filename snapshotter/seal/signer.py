"""
Keep the signing keys of a directory (create, list, retire, load), and sign with a key in a file.

A key named `default` is two files: `default.pem`, the private key (PKCS#8, RFC 5958;
encrypted if it has a passphrase), readable by its owner alone, and `default.pub.pem`, the
public key. The second is derived from the first and written again if it is missing, so that
a crash between the two loses nothing. If only the second is left, the key was moved offline.
Neither file is ever overwritten.

A key `court` in a key service or on a token is `court.ref` beside `court.pub.pem`: the line
that names where it is held (`seal/open_key.py`), and the public key that was found there first.
So another key behind the same name is noticed before it signs.

A key that must not sign any more has `default.retired.json`, which states since when, why, and
which key follows it. Its other files stay, since old bundles are verified with them.
"""

import re
from datetime import datetime
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from snapshotter.errors import EvidenceInvalid, SnapshotterError
from snapshotter.formats import canonical_json
from snapshotter.formats.signatures.key_reference import MAX_REFERENCE
from snapshotter.formats.signatures.keys import (
    KeyInvalid,
    key_id,
    load_public_pem,
    public_pem,
    to_p1363,
)
from snapshotter.ports import Signer
from snapshotter.seal.key_files import (
    MAX_PASSPHRASE,
    KeyFiles,
    PassphraseSource,
    file_error,
    read_limited,
    read_secret,
)
from snapshotter.seal.open_key import open_external_key
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

DEFAULT_NAME = "default"

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,47}")  # shorter than a key id, and without a dot
_WACZ_HASH = re.compile(rb"sha256:[0-9a-f]{64}")
_REFERENCE = ".ref"
_RETIRED = ".retired.json"
REASONS = ("superseded", "compromised")  # as in a trust file
_MAX_PEM = 4096  # bytes; an encrypted P-384 key takes about 470
_PLAIN = b"-----BEGIN PRIVATE KEY-----\n"
_ENCRYPTED = b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n"


class FileSigner:
    """
    Sign with a private key in the memory of this process (the port `Signer`).

    Raises:
        ValueError: The key is not on P-384.
    """

    def __init__(self, private_key: ec.EllipticCurvePrivateKey) -> None:
        if not isinstance(private_key.curve, ec.SECP384R1):
            raise ValueError("a signing key must be on the curve P-384")
        self._private_key = private_key

    @property
    def key_id(self) -> str:
        """SHA-256 hex of the DER SubjectPublicKeyInfo."""
        return key_id(self._private_key.public_key())

    @property
    def public_key_pem(self) -> bytes:
        """The public key, PEM SubjectPublicKeyInfo."""
        return public_pem(self._private_key.public_key())

    @property
    def public_key(self) -> ec.EllipticCurvePublicKey:
        """The public key as a value."""
        return self._private_key.public_key()

    @property
    def in_software(self) -> bool:
        """True: a second signature, for WACZ-auth, costs nothing."""
        return True

    def sign(self, message: bytes) -> bytes:
        """Return the signature over SHA-384 of `message`, DER (ECDSA-Sig-Value)."""
        return self._private_key.sign(message, ec.ECDSA(hashes.SHA384()))

    def sign_wacz_hash(self, hash_text: bytes) -> bytes:
        """
        Return the WACZ-auth signature: over SHA-256 of `hash_text`, r and s (IEEE P1363, 96 bytes).

        Raises:
            ValueError: `hash_text` is not `sha256:<hex>`; with SHA-256 nothing else is signed.
        """
        if not _WACZ_HASH.fullmatch(hash_text):
            raise ValueError("WACZ-auth signs `sha256:` and 64 hex digits, and nothing else")
        signature = self._private_key.sign(hash_text, ec.ECDSA(hashes.SHA256()))
        return to_p1363(signature, self.public_key)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetiredKey:
    """Since when a key is retired, and why."""

    at: datetime  # the first instant
    reason: str  # "superseded" or "compromised"
    successor: str = ""  # name of the key that signs in its place; "": none

    def __post_init__(self) -> None:
        if self.reason not in REASONS:
            raise ValueError(f"the reason to retire a key must be {' or '.join(REASONS)}")

    def encode(self) -> bytes:
        """Return the bytes of `NAME.retired.json`."""
        return canonical_json.dumps(
            {
                "at": canonical_json.instant(self.at),
                "reason": self.reason,
                "successor": self.successor or None,
            }
        )

    @classmethod
    def decode(cls, data: bytes) -> "RetiredKey":
        """Read what `encode` writes. Raises ValueError or EvidenceInvalid."""
        value = canonical_json.loads(data)
        if not isinstance(value, dict) or set(value) != {"at", "reason", "successor"}:
            raise ValueError("the file does not have the required fields")
        successor = value["successor"] or ""
        if successor and not (isinstance(successor, str) and _NAME.fullmatch(successor)):
            raise ValueError("the name of the successor is not the name of a key")
        return cls(
            at=canonical_json.parse_instant(value["at"]),
            reason=str(value["reason"]),
            successor=successor,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredKey:
    """A key in the directory, described without its passphrase."""

    name: str
    public_key: ec.EllipticCurvePublicKey | None  # None: encrypted, and its public file is missing
    private_file: Path | None  # None: the private key is not here; it was moved offline
    public_file: Path
    encrypted: bool  # the private key has a passphrase
    reference: str = ""  # where a service or a token holds it; "": not held elsewhere
    retired: RetiredKey | None = None

    @property
    def key_id(self) -> str:
        """SHA-256 hex of the DER SubjectPublicKeyInfo; empty if it is unknown."""
        return key_id(self.public_key) if self.public_key else ""


class KeyDirectory:
    """
    Keys in one directory of this machine.

    Any number of processes may use it at once: if two create the same name, exactly one
    succeeds, and nobody reads a part of a key.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._files = KeyFiles(path)

    @property
    def path(self) -> Path:
        """The directory; it need not exist yet."""
        return self._path

    def require_unused(self, name: str) -> None:
        """Raise SnapshotterError if a key has this name, or no key can have it."""
        _check_name(name)
        if self._private_file(name).exists() or self._public_file(name).exists():
            raise self._taken(name)

    def create(self, name: str, passphrase: bytes | None = None) -> StoredKey:
        """
        Create a key on P-384, and store it durably before returning.

        Args:
            passphrase: Encrypts the private key; None leaves it in clear, for its owner alone.

        Raises:
            SnapshotterError: The name is taken or invalid, the passphrase is empty,
                or the directory refuses.
        """
        _check_name(name)
        if passphrase is not None and not 0 < len(passphrase) <= MAX_PASSPHRASE:
            raise SnapshotterError(
                tr(
                    "a passphrase must have 1 to {max_passphrase} bytes",
                    max_passphrase=MAX_PASSPHRASE,
                )
            )
        encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
        if passphrase is not None:
            encryption = serialization.BestAvailableEncryption(passphrase)
        private_key = ec.generate_private_key(ec.SECP384R1())
        pem = private_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
        )
        self._files.prepare()
        if self._public_file(name).exists():
            raise self._taken(name)  # its private key is offline: the name still means that key
        # (1) The private key appears whole, or not at all; from here on the key exists.
        if not self._files.put_new(self._private_file(name), pem, mode=0o600):
            raise self._taken(name)
        # (2) The public key. A crash before this is mended by the next `load`.
        self._files.put_new(
            self._public_file(name), public_pem(private_key.public_key()), mode=0o644
        )
        return self.find(name)

    def ensure(
        self, name: str = DEFAULT_NAME, passphrase: PassphraseSource | None = None
    ) -> tuple[Signer, bool]:
        """Load the key, or create it without a passphrase; return whether it was created."""
        made = False
        if not self._private_file(name).exists():
            try:
                self.create(name)
                made = True
            except SnapshotterError:
                if not self._private_file(name).exists():
                    raise
                # Another process made it meanwhile: its key is as good.
        return self.load(name, passphrase), made

    def list(self, *, public_only: bool = False) -> tuple[StoredKey, ...]:
        """
        Return all keys, by name. A directory that does not exist has none.

        Args:
            public_only: Open no private key, for a process that must hold none. Keys without a
                file of their public key are left out then, and `encrypted` is not established.
        """
        try:
            files = [entry.name for entry in self._path.iterdir()]
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise file_error(self._path, error) from error
        names = {file.removesuffix(".pem").removesuffix(".pub") for file in files if _is_key(file)}
        described = (self._describe(name, public_only=public_only) for name in sorted(names))
        return tuple(stored for stored in described if stored is not None)

    def find(self, name_or_key_id: str) -> StoredKey:
        """
        Return the key of that name or key id.

        Raises:
            SnapshotterError: There is none.
        """
        if _NAME.fullmatch(name_or_key_id):
            # Only this one is read: another key that is damaged must not be in the way.
            found = self._describe(name_or_key_id)
        else:
            found = next((key for key in self.list() if key.key_id == name_or_key_id), None)
        if found is not None:
            return found
        raise SnapshotterError(
            tr(
                "{path} contains no key {name_or_key_id!r}",
                path=self._path,
                name_or_key_id=name_or_key_id,
            ),
            hint=tr(
                "list the keys, or make a key:\n  snapshotter keys list\n  snapshotter keys init"
            ),
        )

    def add_held(
        self, name: str, reference: str, public_key: ec.EllipticCurvePublicKey
    ) -> StoredKey:
        """
        Store the reference and public key of a key that a service or a token holds.

        Raises:
            SnapshotterError: The name is taken or invalid, or the directory refuses.
        """
        _check_name(name)
        self._files.prepare()
        if self._private_file(name).exists():
            raise self._taken(name)
        # (1) The public key, which takes the name: a crash leaves it, as of a key moved offline.
        if not self._files.put_new(self._public_file(name), public_pem(public_key), mode=0o644):
            raise self._taken(name)
        # (2) Where the private one is.
        line = f"{reference}\n".encode("ascii")
        self._files.put_new(self._path / f"{name}{_REFERENCE}", line, mode=0o600)
        return self.find(name)

    def retire(self, name: str, retired: RetiredKey) -> StoredKey:
        """
        Retire a key. A retirement can be made stricter, and never undone.

        Raises:
            SnapshotterError: No such key; it is retired for a longer time, or is compromised.
        """
        stored = self.find(name)
        before = stored.retired
        if before is not None and (
            retired.at > before.at or (before.reason != retired.reason == REASONS[0])
        ):
            raise SnapshotterError(
                tr(
                    "the key {name!r} is already retired as {reason} from {instant} on",
                    name=stored.name,
                    reason=before.reason,
                    instant=canonical_json.instant(before.at),
                ),
                hint=tr(
                    "give --at with the time of the retirement or an earlier time, because a "
                    "retirement cannot be undone"
                ),
            )
        self._files.check()
        self._files.replace(self._path / f"{stored.name}{_RETIRED}", retired.encode())
        return self.find(stored.name)

    def load(self, name_or_key_id: str, passphrase: PassphraseSource | None = None) -> Signer:
        """
        Return a signer for the key.

        Args:
            passphrase: Called once, if the key is encrypted or its token needs a PIN.

        Raises:
            ServiceUnavailable: The holder of the key did not answer.
            SnapshotterError: No such key, its file is open to others, its passphrase is
                missing or wrong, its two files do not belong together, or another key is
                behind its reference.
        """
        stored = self.find(name_or_key_id)
        if stored.reference:
            self._files.check()
            held = open_external_key(stored.reference, ask=passphrase)
            if held.key_id != stored.key_id:
                raise SnapshotterError(
                    tr(
                        "the key at {reference} has the id {key_id}, but the key {name!r} has "
                        "the id {key_id2}",
                        reference=stored.reference,
                        key_id=held.key_id,
                        name=stored.name,
                        key_id2=stored.key_id,
                    ),
                    hint=tr(
                        "if the key was replaced on purpose, add the new key under another "
                        "name:\n  snapshotter keys add"
                    ),
                )
            return held
        if stored.private_file is None:
            raise SnapshotterError(
                tr("the private key {name!r} is not in {path}", name=stored.name, path=self._path),
                hint=tr(
                    "move the file {name}.pem back to the key directory to sign with the key",
                    name=stored.name,
                ),
            )
        self._files.check()
        pem = read_secret(stored.private_file, _MAX_PEM, what="a private key")
        signer = FileSigner(_parse_private(stored, pem, passphrase))
        if stored.public_key is None or not stored.public_file.exists():
            self._files.put_new(stored.public_file, signer.public_key_pem, mode=0o644)
        elif signer.public_key != stored.public_key:
            raise SnapshotterError(
                tr(
                    "{private_file} and {name} do not belong to the same key",
                    private_file=stored.private_file,
                    name=stored.public_file.name,
                ),
                hint=tr("restore both files from the same backup"),
            )
        return signer

    def export_public(self, name_or_key_id: str) -> bytes:
        """
        Return the public key, PEM SubjectPublicKeyInfo. Needs no passphrase.

        Raises:
            SnapshotterError: No such key, or its public file is missing and it is encrypted.
        """
        stored = self.find(name_or_key_id)
        if stored.public_key is None:
            raise SnapshotterError(
                tr(
                    "{public_file} is missing, and the file cannot be made from the encrypted "
                    "private key",
                    public_file=stored.public_file,
                ),
                hint=tr("sign once with the key; signing writes the file again"),
            )
        return public_pem(stored.public_key)

    def _private_file(self, name: str) -> Path:
        return self._path / f"{name}.pem"

    def _public_file(self, name: str) -> Path:
        return self._path / f"{name}.pub.pem"

    def _taken(self, name: str) -> SnapshotterError:
        return SnapshotterError(
            tr(
                "{path} already contains a key named {name!r}, and keys are not replaced",
                path=self._path,
                name=name,
            ),
            hint=tr(
                'make a key with another name, and set key = "NAME" in the settings to sign '
                "with this key:\n  snapshotter keys init --name NAME"
            ),
        )

    def _describe(self, name: str, *, public_only: bool = False) -> StoredKey | None:
        """Describe a key without its passphrase; return None if there is no such key."""
        private, public = self._private_file(name), self._public_file(name)
        has_private = private.exists()
        head = read_limited(private, _MAX_PEM) if has_private and not public_only else b""
        reference = self._path / f"{name}{_REFERENCE}"
        line = (
            b""
            if has_private or not reference.exists()
            else read_limited(reference, MAX_REFERENCE + 1)
        )
        key: ec.EllipticCurvePublicKey | None = None
        if public.exists():
            try:
                key = load_public_pem(read_limited(public, _MAX_PEM))
            except KeyInvalid as error:
                raise SnapshotterError(
                    f"{public}: {error}",
                    hint=tr(
                        "restore the file from a backup, or move the file to another directory"
                    ),
                ) from error
        elif head.startswith(_PLAIN):
            key = _parse_plain(private, head).public_key()
        elif not head.startswith(_ENCRYPTED):
            return None  # nothing, or somebody else's file: a certificate, say
        return StoredKey(
            name=name,
            public_key=key,
            private_file=private if has_private else None,
            public_file=public,
            encrypted=head.startswith(_ENCRYPTED),
            reference=line.decode("ascii", "replace").strip(),
            retired=self._retired(name),
        )

    def _retired(self, name: str) -> RetiredKey | None:
        file = self._path / f"{name}{_RETIRED}"
        if not file.exists():
            return None
        try:
            return RetiredKey.decode(read_limited(file, _MAX_PEM))
        except (ValueError, EvidenceInvalid) as error:
            raise SnapshotterError(
                tr("{file} cannot be read: {error}", file=file, error=error),
                hint=tr(
                    "restore the file from a backup; the file states that the key must no longer "
                    "sign"
                ),
            ) from error


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise SnapshotterError(
            tr("{name!r} is not a valid name for a key", name=name),
            hint=tr(
                "use at most 48 characters from a-z, 0-9, - and _; the first character must be a "
                "letter or a digit"
            ),
        )


def _is_key(file: str) -> bool:
    """Whether a file's name is that of a key's file; temporary and foreign files are not."""
    return (
        file.endswith(".pem")
        and _NAME.fullmatch(file.removesuffix(".pem").removesuffix(".pub")) is not None
    )


def _parse_private(
    stored: StoredKey, pem: bytes, passphrase: PassphraseSource | None
) -> ec.EllipticCurvePrivateKey:
    if stored.private_file is None:
        raise ValueError("the key is not on this machine and cannot be parsed")
    if not stored.encrypted:
        return _parse_plain(stored.private_file, pem)
    if passphrase is None:
        raise SnapshotterError(
            tr("the key {name!r} has a passphrase, but no passphrase was given", name=stored.name),
            hint=tr(
                "give the path of a file that contains the passphrase with the option "
                "--passphrase-file"
            ),
        )
    return _parse(
        stored.private_file,
        pem,
        passphrase(),
        SnapshotterError(
            tr("the passphrase of the key {name!r} is wrong", name=stored.name),
            hint=tr(
                "enter the passphrase again. If the passphrase is right, the file is "
                "damaged: restore the file from a backup"
            ),
        ),
    )


def _parse_plain(file: Path, pem: bytes) -> ec.EllipticCurvePrivateKey:
    damaged = SnapshotterError(tr("{file} is not a private key (PKCS#8 in PEM)", file=file))
    if not pem.startswith(_PLAIN):
        raise damaged
    return _parse(file, pem, None, damaged)


def _parse(
    file: Path, pem: bytes, passphrase: bytes | None, refused: SnapshotterError
) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(pem, passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise refused from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP384R1):
        raise SnapshotterError(
            tr("the key in {file} is not on the curve P-384", file=file),
            hint=tr("make a key:\n  snapshotter keys init"),
        )
    return key
