"""
Act as a witness of logs (C2SP tlog-witness): cosign a checkpoint that extends the last one.

A witness never cosigns two histories of one log. It keeps for each log:

    <directory>/<SHA-256 of the origin>.checkpoint     the last cosigned checkpoint
    <directory>/<SHA-256 of the origin>.fork-01        a checkpoint of the log that contradicts it

Comparing with the last tree and recording the new one is one step, under a lock that the
system releases when its holder ends. The new one is on disk before its cosignature is
returned. After a crash in between, a tree is recorded whose cosignature nobody received, and
the log asks again.
"""

import base64
import contextlib
import fcntl
import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from snapshotter import durable
from snapshotter.errors import EvidenceInvalid, SnapshotterError
from snapshotter.formats.proofs import merkle, note
from snapshotter.formats.proofs.note import COSIGNATURE_V1, ED25519, SignedCheckpoint, VerifierKey
from snapshotter.ports import Clock, LogSigner
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

MAX_REQUEST = note.MAX_BYTES + 8192  # bytes

_OLD = re.compile(r"old (0|[1-9][0-9]{0,15})")
_SIZE_TYPE = "text/x.tlog.size"
_TEXT = "text/plain; charset=utf-8"
_MAX_FORKS = 16  # kept of each log: one is proof enough


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessResponse:
    """The HTTP response of a witness."""

    status: int
    body: bytes = b""
    media_type: str = _TEXT


class WitnessService:
    """
    A witness with what it has cosigned; any number of processes may share the directory.

    Args:
        signer: The key of the witness, and by its name the name of the witness.
        logs: The keys of the known logs; an origin may have several.
        clock: The source of the times in cosignatures.
    """

    def __init__(
        self, directory: Path, signer: LogSigner, logs: Iterable[VerifierKey], clock: Clock
    ) -> None:
        self._directory = directory
        self._signer = signer
        self._clock = clock
        self._key = VerifierKey(name=signer.name, kind=COSIGNATURE_V1, public_key=signer.public_key)
        self._logs = tuple(logs)
        if any(verifier_key.kind != ED25519 for verifier_key in self._logs):
            raise ValueError("a log must sign with a key for notes")

    @property
    def key(self) -> VerifierKey:
        """The key by which cosignatures are verified."""
        return self._key

    def add_checkpoint(self, request: bytes) -> WitnessResponse:
        """
        Answer `POST add-checkpoint`: cosign, or state why not.

        Raises:
            SnapshotterError: The directory cannot be used; nothing was cosigned.
        """
        try:
            old, proof, checkpoint = _parse(request)
            parsed = note.parse(checkpoint)
        except EvidenceInvalid as error:
            return _said(400, str(error))
        origin = parsed.text.partition("\n")[0]
        known = [key for key in self._logs if key.name == origin]
        if not known:
            return _said(
                404, tr("the log is not one of the logs that this witness is configured for")
            )
        try:
            signed = [note.signed_by(parsed, key) for key in known]  # each line of theirs holds
            if not any(signed):
                return _said(403, tr("the checkpoint is not signed by a key of the log"))
        except EvidenceInvalid as error:
            return _said(403, str(error))
        try:
            offered = note.parse_checkpoint(parsed.text)
        except EvidenceInvalid as error:
            empty = parsed.text.split("\n")[1:2] == ["0"]  # of another root than nothing has
            return _said(422 if empty else 400, str(error))
        if old > offered.size:
            return _said(400, tr("the old tree is larger than the new tree"))
        try:
            with self._locked(origin):
                last = self._last(origin)
                size = last.size if last else 0
                if old != size:
                    return WitnessResponse(
                        status=409, body=f"{size}\n".encode(), media_type=_SIZE_TYPE
                    )
                root = last.root if last else merkle.EMPTY_ROOT
                try:
                    merkle.check_consistency(old, offered.size, proof, root, offered.root)
                except EvidenceInvalid as error:
                    self._keep_fork(origin, checkpoint, proves=offered.size == size)
                    return _said(422, str(error))
                line = self._cosign(parsed.text, last)
                mine = [signature for signature in parsed.signatures if signature.name == origin]
                kept = note.Note(text=parsed.text, signatures=(*mine[:8], line))
                self._write(self._file(origin), kept.encode())
        except OSError as error:
            raise SnapshotterError(
                tr(
                    "{directory} cannot be written: {strerror}",
                    directory=self._directory,
                    strerror=error.strerror or error,
                ),
                hint=tr(
                    "free space on the disk, or correct the permissions; the witness cosigned "
                    "nothing"
                ),
            ) from error
        return WitnessResponse(status=200, body=line.line.encode())

    def checkpoint(self, origin_hash: str) -> WitnessResponse:
        """Answer `GET <origin hash>/checkpoint`: the last cosigned checkpoint of a log."""
        for origin in {key.name for key in self._logs}:
            if hashlib.sha256(origin.encode()).hexdigest() == origin_hash:
                with contextlib.suppress(FileNotFoundError):
                    return WitnessResponse(status=200, body=self._file(origin).read_bytes())
        return _said(404, tr("this witness has cosigned no checkpoint of the log"))

    def _cosign(self, text: str, last: SignedCheckpoint | None) -> note.NoteSignature:
        # A clock that was set back must not make a later word look like an earlier one.
        before = (
            max((cosignature.time for cosignature in last.cosignatures), default=None)
            if last
            else None
        )
        now = self._clock.now()
        seconds = int((max(now, before) if before else now).timestamp())
        raw = self._signer.sign(note.cosigned_message(text, seconds))
        return note.signature(self._key, raw, seconds)

    def _last(self, origin: str) -> SignedCheckpoint | None:
        """Return the last cosigned checkpoint, if our own cosignature on it is valid."""
        try:
            data = self._file(origin).read_bytes()
        except FileNotFoundError:
            return None
        try:
            parsed = note.parse(data)
            cosigned = note.find_cosignature(parsed, self._key)
            if cosigned is None:
                raise EvidenceInvalid(tr("the record is not cosigned by this witness"))
            return SignedCheckpoint(
                checkpoint=note.parse_checkpoint(parsed.text), note=parsed, cosignatures=(cosigned,)
            )
        except EvidenceInvalid as error:
            raise SnapshotterError(
                tr(
                    "{file} is not a record of this witness: {error}",
                    file=self._file(origin),
                    error=error,
                ),
                hint=tr(
                    "restore the file from a backup. Without the file this witness cosigns no "
                    "checkpoint of the log, because the witness could otherwise cosign two "
                    "histories of the log"
                ),
            ) from error

    def _keep_fork(self, origin: str, checkpoint: bytes, *, proves: bool) -> None:
        """Keep a contradicting checkpoint; one of the same size as the last is proof of a fork."""
        if not proves:
            return  # a bad proof may be a mistake of whoever sent it
        for number in range(1, _MAX_FORKS + 1):
            file = self._file(origin).with_suffix(f".fork-{number:02}")
            if not file.exists():
                self._write(file, checkpoint)
                return
            if file.read_bytes() == checkpoint:
                return

    @contextlib.contextmanager
    def _locked(self, origin: str) -> Iterator[None]:
        durable.make_private_folder(self._directory)
        descriptor = os.open(
            self._file(origin).with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _write(self, file: Path, data: bytes) -> None:
        """Replace a file atomically and durably."""
        durable.write(file, data, mode=0o600)

    def _file(self, origin: str) -> Path:
        return self._directory / f"{hashlib.sha256(origin.encode()).hexdigest()}.checkpoint"


def _parse(request: bytes) -> tuple[int, tuple[bytes, ...], bytes]:
    """Return old size, proof and checkpoint of a request. Raises EvidenceInvalid."""
    head, separator, checkpoint = request.partition(b"\n\n")
    try:
        first, *lines = head.decode("ascii").split("\n")
        match = _OLD.fullmatch(first)
        proof = tuple(base64.b64decode(line, validate=True) for line in lines)
    except ValueError as error:
        raise EvidenceInvalid(tr("a line of the request is not base64")) from error
    if len(request) > MAX_REQUEST or not separator or match is None:
        raise EvidenceInvalid(tr("the request does not have an old size, a proof and a checkpoint"))
    if len(proof) > merkle.MAX_PROOF or any(len(digest) != merkle.HASH_BYTES for digest in proof):
        raise EvidenceInvalid(tr("the request does not have a valid proof"))
    return int(match[1]), proof, checkpoint


def _said(status: int, text: str) -> WitnessResponse:
    return WitnessResponse(status=status, body=f"{text}\n".encode())
