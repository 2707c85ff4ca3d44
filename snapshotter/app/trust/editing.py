"""
Make or change a trust file, sign the next version or write its draft, and compare two versions.

Keys and certificates that a person names are read here too. `files` replaces the two files of a
trust file, and `remembered_version` holds the versions that were signed or accepted here.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from snapshotter.app.trust import files, remembered_version
from snapshotter.errors import EvidenceInvalid, SnapshotterError
from snapshotter.formats.proofs.note import VerifierKey, parse_verifier_key
from snapshotter.formats.signatures.keys import KeyInvalid, load_public_pem
from snapshotter.ports import Signer
from snapshotter.seal.signer import KeyDirectory
from snapshotter.translation import tr
from snapshotter.value_class import dataclass
from snapshotter.verify.trust import Requirements, TrustDocument, check_pin, trusted_key
from snapshotter.verify.trust_changes import Change, changes

MAX_PEM_BYTES = 64 << 10  # of a file with one key or one certificate, comments included

TrustChange = Callable[[TrustDocument], TrustDocument]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustEditor:
    """The root key and the memory of versions that an edit of a trust file needs."""

    keys: KeyDirectory
    root_key_name: str
    ask: Callable[[], bytes]  # returns the passphrase of the root key
    versions_dir: Path  # of the versions that were signed or accepted here
    draft: Path | None = None  # write the next version here, unsigned; None: sign it

    def edit(self, file: Path, change: TrustChange) -> TrustDocument:
        """
        Make one change, and return the next version, which is signed or written as a draft.

        Raises:
            SnapshotterError: The root key is not here, a file cannot be read or written, or the
                change cannot be made.
        """
        try:
            if self.draft is not None:
                return files.next_draft(file, self.draft, change)
            root = self.root()
            with files.locked(file):
                document = change(files.read(file, root))
                self._sign(file, document, root)
        except ValueError as error:
            raise SnapshotterError(
                tr("the trust file cannot be changed in this way: {error}", error=error)
            ) from error
        return document

    def create(
        self,
        file: Path,
        new_passphrase: Callable[[], bytes | None],
        *,
        expires: datetime | None,
        require: Requirements,
    ) -> tuple[TrustDocument, bool]:
        """
        Make a trust file that trusts nobody yet, and its root key if there is none.

        Args:
            new_passphrase: Returns the passphrase of a root key that is made; None for none.

        Returns:
            The document, and whether the root key was made.

        Raises:
            SnapshotterError: The file exists, or a file cannot be written.
        """
        with files.locked(file):
            if file.exists():
                raise SnapshotterError(
                    tr("{file} exists already", file=file),
                    hint=tr(
                        "choose another file, or add a key to this file:\n  snapshotter "
                        "trust add-key {file} PUBLIC.pem",
                        file=file,
                    ),
                )
            is_new = all(key.name != self.root_key_name for key in self.keys.list())
            if is_new:
                self.keys.create(self.root_key_name, new_passphrase())
            root = self.keys.load(self.root_key_name, self.ask)
            document = TrustDocument.new(root.public_key, expires=expires, require=require)
            self._sign(file, document, root)
        return document, is_new

    def sign_draft(
        self,
        draft: Path,
        file: Path,
        confirm: Callable[[TrustDocument | None, TrustDocument], None],
    ) -> tuple[TrustDocument, bool]:
        """
        Sign an edited trust file, which takes the place of the signed version in `file`.

        Args:
            confirm: Is called with the signed version, None for none, and with the version that
                is about to be signed; raises to refuse it.

        Returns:
            The document, and whether it was signed now; False if it was signed before.

        Raises:
            SnapshotterError: It is for another root key, is not a later version, or a file cannot
                be read or written.
        """
        document = files.read_draft(draft)
        root = self.root()
        if root.key_id != document.root_key_id:
            raise SnapshotterError(
                tr(
                    "the draft {draft} is for the root key {root_key_id}, but the key "
                    "{root_key_name} on this machine is the root key {key_id}",
                    draft=draft,
                    root_key_id=document.root_key_id,
                    root_key_name=self.root_key_name,
                    key_id=root.key_id,
                ),
                hint=tr(
                    "name the other root key with --root-key-name. To change the root key, "
                    "begin a new trust file"
                ),
            )
        with files.locked(file):
            before = _signed_version(file) if file != draft or file.exists() else None
            if before is not None and before.root_key_id != root.key_id:
                raise SnapshotterError(tr("{file} is signed by another root key", file=file))
            if before == document:
                return document, False
            if before is not None and document.version <= before.version:
                raise SnapshotterError(
                    tr(
                        "{draft} has version {version}, but {file} has version {version2} already",
                        draft=draft,
                        version=document.version,
                        file=file,
                        version2=before.version,
                    ),
                    hint=tr(
                        'set "version" to {version} in {draft}. Each new version needs a '
                        "higher number",
                        version=before.version + 1,
                        draft=draft,
                    ),
                )
            confirm(before, document)
            self._sign(file, document, root)
        return document, True

    def root(self) -> Signer:
        """Return the root key. Raises SnapshotterError: it is not on this machine."""
        if not self.has_root_key():
            raise SnapshotterError(
                tr(
                    "the root key {root_key_name!r} is not in {path}",
                    root_key_name=self.root_key_name,
                    path=self.keys.path,
                ),
                hint=tr(
                    "restore {root_key_name}.pem, or write a draft with --draft FILE. Then "
                    "sign the draft on the machine that has the root key:\n  snapshotter "
                    "trust sign DRAFT FILE",
                    root_key_name=self.root_key_name,
                ),
            )
        return self.keys.load(self.root_key_name, self.ask)

    def has_root_key(self) -> bool:
        """Return whether the root key can sign on this machine."""
        found = next((key for key in self.keys.list() if key.name == self.root_key_name), None)
        return found is not None and bool(found.private_file or found.reference)

    def _sign(self, file: Path, document: TrustDocument, root: Signer) -> None:
        """Sign a version that is later than all that this root key signed here, and write it."""
        remembered_version.check_next(document, directory=self.versions_dir)
        files.save(file, document, root)
        remembered_version.remember(document, directory=self.versions_dir)


def _signed_version(file: Path) -> TrustDocument | None:
    """Return what a file says if its signature is good; None for no file or an edited one."""
    if not file.exists():
        return None
    try:
        document, is_signed = files.read_signed_or_draft(file)
    except EvidenceInvalid:
        return None
    return document if is_signed else None


def replace_key(
    old_key_id: str, key: ec.EllipticCurvePublicKey, *, owner: str | None, at: datetime
) -> TrustChange:
    """Return the change by which a new key follows an old one; owner None: the old one's owner."""

    def change(document: TrustDocument) -> TrustDocument:
        before = next((trusted for trusted in document.keys if trusted.key_id == old_key_id), None)
        if before is None:
            raise SnapshotterError(
                tr("the key {old_key_id} is not in the trust file", old_key_id=old_key_id),
                hint=tr(
                    "to add the new key without replacing a key:\n  snapshotter trust "
                    "add-key FILE PUBLIC.pem"
                ),
            )
        new = trusted_key(key, owner=owner or before.owner)
        return document.with_key_replaced(old_key_id, new, at=at)

    return change


def add_witness(witness: VerifierKey, quorum: int | None) -> TrustChange:
    """Return the change by which cosignatures of a witness count; quorum None: as before."""

    def change(document: TrustDocument) -> TrustDocument:
        log = document.log
        if log is None:
            raise SnapshotterError(
                tr("the trust file contains no log, so witnesses cannot be added"),
                hint=tr("add a log first:\n  snapshotter trust set-log FILE VERIFIER-KEY"),
            )
        witnesses = (*log.witnesses, witness)
        new_quorum = log.quorum if quorum is None else quorum
        return document.with_log(replace(log, witnesses=witnesses, quorum=new_quorum))

    return change


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustComparison:
    """Two trust files, and what changed from one to the other."""

    before: TrustDocument
    after: TrustDocument
    changes: tuple[Change, ...]
    drafts: tuple[Path, ...]  # those of the two that nobody signed


def compare(old: Path, new: Path, root_key_id: str | None) -> TrustComparison:
    """
    Compare two trust files, whose signatures are checked; a draft has none.

    Args:
        root_key_id: The root key that both must be signed with or made for; None for any.

    Raises:
        SnapshotterError: A file cannot be read, is not valid, or is of another root key.
    """
    if root_key_id:
        check_pin(root_key_id)
    documents, drafts = [], []
    for file in (old, new):
        document, is_signed = files.read_signed_or_draft(file)
        if root_key_id and document.root_key_id != root_key_id:
            raise EvidenceInvalid(
                tr(
                    "{file} is for the root key {root_key_id}, but the pinned root key is "
                    "{root_key_id2}",
                    file=file,
                    root_key_id=document.root_key_id,
                    root_key_id2=root_key_id,
                )
            )
        if not is_signed:
            drafts.append(file)
        documents.append(document)
    before, after = documents
    return TrustComparison(
        before=before, after=after, changes=tuple(changes(before, after)), drafts=tuple(drafts)
    )


def read_public_key(
    data: bytes, name: str, *, allow_p256: bool = False
) -> ec.EllipticCurvePublicKey:
    """
    Read a public key in PEM that is an argument, not evidence.

    Args:
        name: Of the file, for the message.

    Raises:
        SnapshotterError: It is not a public key as the specification of bundles allows.
    """
    try:
        return load_public_pem(data, allow_p256=allow_p256)
    except KeyInvalid as error:
        raise SnapshotterError(
            f"{name}: {error.message}",
            hint=tr("write the public key in PEM format:\n  openssl pkey -pubin -in FILE -pubout"),
        ) from error


def read_verifier_key(text: str) -> VerifierKey:
    """Read the key of a log or a witness that is an argument. Raises SnapshotterError."""
    try:
        return parse_verifier_key(text)
    except EvidenceInvalid as error:
        raise SnapshotterError(
            f"{text}: {error.message}", hint=tr("a verifier key is one line: name+id+base64")
        ) from error


def read_root_certificate(data: bytes, name: str) -> x509.Certificate:
    """
    Read the one certificate of a PEM file, which must be the root of a chain.

    Args:
        name: Of the file, for the message.

    Raises:
        SnapshotterError: There is none, there are several, or it is not a root.
    """
    try:
        certificates = x509.load_pem_x509_certificates(data)
    except ValueError as error:
        raise SnapshotterError(tr("{name} has no certificate in PEM", name=name)) from error
    if len(certificates) != 1:
        raise SnapshotterError(
            tr(
                "{name} has {count} certificates, but exactly one root certificate is needed",
                name=name,
                count=len(certificates),
            ),
            hint=tr("keep only the last certificate of the chain, which is its own issuer"),
        )
    certificate = certificates[0]
    try:
        authority = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        authority = False
    if certificate.issuer != certificate.subject or not authority:
        raise SnapshotterError(
            tr(
                "{name} is not a root certificate: {rfc4514_string}, issued by {rfc4514_string2}",
                name=name,
                rfc4514_string=certificate.subject.rfc4514_string(),
                rfc4514_string2=certificate.issuer.rfc4514_string(),
            ),
            hint=tr(
                "use the root certificate that the timestamp authority publishes, not the "
                "certificate that signs timestamps"
            ),
        )
    return certificate
