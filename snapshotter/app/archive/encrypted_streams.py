"""
Decrypt the recorded streams of a bundle, and compare its network record with them.

`decrypt_into` writes the decrypted streams to a folder that the user names. `check` decrypts them
into the spool for a comparison, and removes them afterwards. If it crashes before that, the next
command that uses the spool removes them.
"""

from pathlib import Path
from typing import BinaryIO

from snapshotter.app.spool import spool_directory, sweep
from snapshotter.capture.record import encrypted_streams, rederivation
from snapshotter.capture.record.archive_writer import WARC_PATH
from snapshotter.capture.record.encrypted_streams import RecordedStreams, StreamsInvalid
from snapshotter.capture.record.rederivation import RecordComparison
from snapshotter.errors import EvidenceInvalid, SnapshotterError
from snapshotter.formats import toml
from snapshotter.formats.bundle import container, names
from snapshotter.formats.signatures import cms
from snapshotter.formats.tls import server_signature
from snapshotter.policy.capture_decision import redacted_headers
from snapshotter.ports import Clock, IdSource
from snapshotter.translation import tr

_POLICY = "capture/policy.toml"
_MAX_POLICY = 4 << 20  # bytes
_MAX_KEY = 1 << 16  # bytes of a private key's file
_HINT = (
    "a capture keeps streams only if [streams] keep_for in the policy lists recipients, or if "
    "the capture command has the option --keep-streams-for"
)


def read_private_key(path: Path, passphrase: bytes | None) -> cms.PrivateKey:
    """
    Return the private key in a PEM file.

    Raises:
        SnapshotterError: It has no key that decrypts streams, or the passphrase is wrong.
    """
    try:
        with path.open("rb") as file:
            return cms.private_key(file.read(_MAX_KEY), passphrase)
    except OSError as error:
        raise SnapshotterError(
            tr("{path} cannot be read: {strerror}", path=path, strerror=error.strerror)
        ) from error
    except ValueError as error:
        raise SnapshotterError(
            tr("{path} cannot be used as a private key: {error}", path=path, error=error),
            hint=tr(
                "give a private key in PEM (EC or RSA). If the key is encrypted, also give "
                "--passphrase-file"
            ),
        ) from error


def decrypt_into(bundle: BinaryIO, key: cms.PrivateKey, directory: Path) -> RecordedStreams:
    """
    Write the streams of a bundle into a new directory, in clear.

    Raises:
        SnapshotterError: The directory is there, or the bundle keeps no streams.
        EvidenceInvalid: Not a bundle, or its streams cannot be opened.
    """
    try:
        directory.mkdir(mode=0o700, parents=True)
    except FileExistsError as error:
        raise SnapshotterError(
            tr("{directory} exists already", directory=directory),
            hint=tr("name a directory that does not exist"),
        ) from error
    except OSError as error:
        raise SnapshotterError(
            tr(
                "the directory {directory} cannot be made: {strerror}",
                directory=directory,
                strerror=error.strerror,
            )
        ) from error
    try:
        return _unpacked(bundle, key, directory)
    except BaseException:  # also Ctrl-C: nothing may stay in clear
        for file in directory.iterdir():
            file.unlink()
        directory.rmdir()
        raise


def check(
    bundle: BinaryIO, key: cms.PrivateKey, *, spool_dir: Path, clock: Clock, ids: IdSource
) -> RecordComparison:
    """
    Compare a bundle's network record with its streams.

    The seal of the bundle is not verified here.

    Raises:
        SnapshotterError: The bundle keeps no streams.
        EvidenceInvalid: Not a bundle, or one whose streams or record cannot be read.
    """
    sweep(spool_dir)  # removes what a killed comparison had decrypted
    with spool_directory(spool_dir, f"streams-{ids.bundle_id(clock.now())}") as work:
        folder = work / "streams"
        folder.mkdir(mode=0o700)
        opened = _unpacked(bundle, key, folder)
        warc = work / "data.warc.gz"
        _copy(bundle, WARC_PATH, warc)
        try:
            return rederivation.compare(
                opened,
                warc,
                redact_headers=_redacted(bundle),
                signatures=_signatures(bundle),
                scratch=work / "bodies",
                ids=ids,
            )
        except ValueError as error:
            raise EvidenceInvalid(
                tr("the network record cannot be read: {error}", error=error)
            ) from error


def _unpacked(bundle: BinaryIO, key: cms.PrivateKey, directory: Path) -> RecordedStreams:
    encrypted = directory / "streams.p7m"
    try:
        _copy(bundle, encrypted_streams.PATH, encrypted)
        with encrypted.open("rb") as file:
            return encrypted_streams.decrypt_streams(file, key, directory)
    except cms.NotForThisKey as error:
        with encrypted.open("rb") as file:
            ids = ", ".join(key_id.hex() for key_id in cms.recipients_of(file))
        raise SnapshotterError(
            str(error),
            hint=tr("use a private key whose public key has one of these key ids: {ids}", ids=ids),
        ) from error
    except cms.CmsInvalid as error:
        raise EvidenceInvalid(f"{encrypted_streams.PATH}: {error}") from error
    except StreamsInvalid as error:
        raise EvidenceInvalid(f"{encrypted_streams.PATH}: {error}") from error
    except OSError as error:
        raise SnapshotterError(f"{directory}: {error.strerror or error}") from error
    finally:
        encrypted.unlink(missing_ok=True)


def _copy(bundle: BinaryIO, name: str, target: Path) -> None:
    member = _member(bundle, name)
    if member is None:
        raise SnapshotterError(tr("the bundle has no {name}", name=name), hint=_HINT)
    bundle.seek(member.data_offset)
    with target.open("xb") as out:
        for chunk in container.chunks(bundle, member.length):
            out.write(chunk)


def _read(bundle: BinaryIO, name: str, *, limit: int) -> bytes | None:
    member = _member(bundle, name)
    if member is None:
        return None
    if member.length > limit:
        raise EvidenceInvalid(tr("{name} is longer than {limit} bytes", name=name, limit=limit))
    bundle.seek(member.data_offset)
    return container.exactly(bundle, member.length)


def _member(bundle: BinaryIO, name: str) -> container.Member | None:
    return next(
        (member for member in container.read_directory(bundle) if member.name == name), None
    )


def _redacted(bundle: BinaryIO) -> frozenset[str]:
    """Return the names of the headers whose values the policy of the capture replaces."""
    data = _read(bundle, _POLICY, limit=_MAX_POLICY)
    try:
        headers = toml.loads((data or b"").decode())["redact"]["headers"]
        return redacted_headers(str(name) for name in headers)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise EvidenceInvalid(
            tr("{policy} does not state which headers are redacted", policy=_POLICY)
        ) from error


def _signatures(bundle: BinaryIO) -> server_signature.ServerSignatures | None:
    data = _read(bundle, names.SERVER_SIGNATURES, limit=server_signature.MAX_BYTES)
    return None if data is None else server_signature.parse(data)
