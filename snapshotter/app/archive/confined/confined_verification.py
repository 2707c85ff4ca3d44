"""
Verify bundles of a store in a process without rights, for a server.

The server copies the bundle and hands in trust and sidecars. Everything in the bundle is parsed in
the process (`verification_main`), which is not trusted more than the bundle: its answer must have
the expected form and be about the bytes that were copied (ADR 105).
"""

import contextlib
import io
import json
import pickle
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, BinaryIO, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from typing_extensions import override

from snapshotter.app.archive import bundles
from snapshotter.app.archive.confined import verification_main
from snapshotter.app.archive.confined.preview_process import PreviewProcesses, ProcessEnded
from snapshotter.errors import EvidenceInvalid, SnapshotterError
from snapshotter.formats import typed
from snapshotter.model.finding import Verdict
from snapshotter.ports import ReadableStore
from snapshotter.report.capture_page import CaptureMaterial
from snapshotter.translation import tr
from snapshotter.verify.sidecars import Sidecars
from snapshotter.verify.trust import Trust

COMMAND: Final = (sys.executable, "-I", "-m", verification_main.__name__)
_TIMEOUT_S: Final = 180.0
_MAX_BYTES: Final = 64 << 20  # of the answer


class ConfinedVerifier:
    """
    Verifies bundles, each in a process of its own. Used from several threads.

    Args:
        command: Of the process.
        timeout_s: After which the process is ended.
    """

    def __init__(
        self,
        processes: PreviewProcesses,
        *,
        command: tuple[str, ...] = COMMAND,
        timeout_s: float = _TIMEOUT_S,
    ) -> None:
        self._processes = processes
        self._command = command
        self._timeout_s = timeout_s

    def verify(
        self, bundle_id: str, store: ReadableStore, trust: Trust, *, now: datetime
    ) -> CaptureMaterial:
        """
        Verify a bundle of a store with its sidecars; return what its page shows, without a picture.

        Args:
            now: The verifier's clock.

        Raises:
            OSError, SnapshotterError: The store does not have the bundle or does not answer, or the
                verification was ended.
        """
        with self.opened(bundle_id, store, trust, now=now) as (_, material):
            return material

    @contextlib.contextmanager
    def opened(
        self, bundle_id: str, store: ReadableStore, trust: Trust, *, now: datetime
    ) -> Iterator[tuple[BinaryIO, CaptureMaterial]]:
        """
        Yield the copy of a bundle that was verified, and the result, until the end of the block.

        Args:
            now: As for `verify`, which raises the same errors.
        """
        # JSON states whole milliseconds, and the answer has to state the same time.
        now = now.replace(microsecond=now.microsecond // 1_000 * 1_000)
        key = bundles.find_bundle_key(store, bundle_id)
        with tempfile.TemporaryFile(prefix="snapshotter-verify-") as copy:
            sha256 = bundles.copy_bundle(store, key, copy)
            sidecars = bundles.read_sidecars(store, key)
            with tempfile.TemporaryFile(prefix="snapshotter-verify-") as given:
                given.write(_packed(bundle_id, store.url, trust, sidecars, now))
                output = self._run(bundle_id, [given, copy])
            yield copy, decode(output, bundle_id, sha256, now)

    def _run(self, bundle_id: str, files: Sequence[BinaryIO]) -> bytes:
        for file in files:
            file.flush()
            file.seek(0)
        try:
            return self._processes.run_prepared(
                self._command, files, timeout_s=self._timeout_s, most=_MAX_BYTES
            )
        except ProcessEnded as error:
            if error.code == verification_main.NOT_LOADED:
                raise _strange(bundle_id) from error
            is_memory = error.code == verification_main.OUT_OF_MEMORY
            raise _ended(bundle_id, is_memory=is_memory) from error


def decode(output: bytes, bundle_id: str, sha256: str, now: datetime) -> CaptureMaterial:
    """
    Return what a verification process wrote, which is not trusted.

    Args:
        sha256: Of the bundle that was handed in.

    Raises:
        SnapshotterError: The answer has another form, or is about something else.
    """
    try:
        answer = json.loads(output)
        problem = answer.get("problem")
        if problem is not None:
            raise EvidenceInvalid(
                tr(
                    "{bundle_id} cannot be verified: {problem}",
                    bundle_id=bundle_id,
                    problem=str(problem)[:1_000],
                )
            )
        found = typed.read(CaptureMaterial, answer["material"])
        record, verified = answer["record"], answer["verified_record"]
    except EvidenceInvalid:
        raise
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise _strange(bundle_id) from error
    report = found.report
    if not (isinstance(record, dict) and isinstance(verified, dict)):
        raise _strange(bundle_id)
    # Only of a file that is no bundle, no digest is stated.
    is_of_it = report.sha256 == sha256 or (not report.sha256 and report.verdict is Verdict.FAILED)
    if found.name != bundle_id or found.made_at != now or not is_of_it:
        raise _strange(bundle_id)
    return replace(found, record=record, report=replace(report, record=verified))


def _packed(bundle_id: str, store: str, trust: Trust, sidecars: Sidecars, now: datetime) -> bytes:
    out = io.BytesIO()
    _Pickler(out).dump((bundle_id, store, trust, sidecars, now))
    return out.getvalue()


class _Pickler(pickle.Pickler):
    """Writes public keys and certificates as DER."""

    @override
    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, x509.Certificate):
            return verification_main.certificate, (value.public_bytes(Encoding.DER),)
        if isinstance(value, ec.EllipticCurvePublicKey):
            der = value.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            return verification_main.public_key, (der,)
        return NotImplemented


def _ended(bundle_id: str, *, is_memory: bool) -> SnapshotterError:
    hint = tr(
        "verify the bundle in a terminal, without these limits:\n  snapshotter verify {bundle_id}",
        bundle_id=bundle_id,
    )
    if is_memory:
        return SnapshotterError(
            tr(
                "the verification of {bundle_id} was ended, because it needed more memory than "
                "{gigabytes} GB",
                bundle_id=bundle_id,
                gigabytes=verification_main.MEMORY >> 30,
            ),
            hint=hint,
        )
    return SnapshotterError(
        tr(
            "the verification of {bundle_id} was ended, because it took too long or failed",
            bundle_id=bundle_id,
        ),
        hint=hint,
    )


def _strange(bundle_id: str) -> SnapshotterError:
    return SnapshotterError(
        tr("the verification of {bundle_id} did not end as expected", bundle_id=bundle_id)
    )
