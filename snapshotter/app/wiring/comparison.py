"""
Compare two bundles of the configured store, for a server: in a process without rights, and once.

The bundles are verified by `ConfinedVerifier`. Their pictures, markup and texts are read by
`comparison_main`. What it finds is kept beside the previews, with the digests of both bundles and
the time.
"""

import json
import pickle
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from datetime import datetime
from typing import Any, Final

import snapshotter
from snapshotter.app.archive import quarantined
from snapshotter.app.archive.bundles import BundleMembers
from snapshotter.app.archive.comparison import NamedBundle
from snapshotter.app.archive.confined.confined_verification import ConfinedVerifier
from snapshotter.app.archive.confined.preview_folder import PreviewFolder
from snapshotter.app.archive.confined.preview_process import PreviewProcesses
from snapshotter.app.settings import Settings
from snapshotter.app.wiring import trust as wiring_trust
from snapshotter.errors import EvidenceInvalid, ServiceUnavailable, SnapshotterError
from snapshotter.formats import typed
from snapshotter.formats.canonical_json import instant, parse_instant
from snapshotter.model.comparison import Comparison
from snapshotter.model.finding import Verdict
from snapshotter.ports import Clock, ObjectStore
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

_COMMAND: Final = (sys.executable, "-I", "-m", "snapshotter.app.wiring.comparison_main")
_TIMEOUT_S: Final = 240.0
# Clients that wait. Each occupies a thread of the server, and pages need threads too.
_CLIENTS: Final = 3
_MAX_BYTES: Final = 64 << 20  # of a comparison as JSON
_NAME: Final = "compare-{other}.json"  # of what is kept beside the previews of the later capture


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeComparison:
    """A comparison, and when it was made."""

    found: Comparison
    made_at: datetime  # UTC
    version: str  # of the software
    manifests: tuple[str, str]  # SHA-256 of the manifests of both bundles


class ComparisonService:
    """
    Compares captures of one store. Used from several threads.

    Whoever asks has to check first that both captures may be shown.

    Args:
        folder: Where comparisons are kept.
        manifests: Returns the SHA-256 of the manifests of bundles, as the index of the store saw
            them, by id; "" for one that is not known. A kept comparison of others is not used.
    """

    def __init__(
        self,
        settings: Settings,
        store: ObjectStore,
        folder: PreviewFolder,
        processes: PreviewProcesses,
        verifier: ConfinedVerifier,
        *,
        manifests: Callable[[Sequence[str]], Mapping[str, str]],
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._store = store
        self._folder = folder
        self._processes = processes
        self._verifier = verifier
        self._manifests = manifests
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="comparison")
        self._lock = threading.Lock()
        self._clients = threading.Semaphore(_CLIENTS)
        self._waiting: dict[tuple[str, str], Future[MadeComparison]] = {}

    def stop(self) -> None:
        """End what is under way."""
        self._processes.stop()
        self._thread.shutdown(cancel_futures=True)

    def comparison(self, first: str, second: str, *, timeout_s: float) -> MadeComparison:
        """
        Return the comparison of two captures, the earlier one with the later one.

        Args:
            first, second: The ids, in any order.

        Raises:
            TimeoutError: It is not made in this time. It goes on being made.
            EvidenceInvalid: A bundle was altered, or cannot be read.
            SnapshotterError: The store does not have a bundle, or the comparison failed.
        """
        pair = min(first, second), max(first, second)
        kept = self._kept(*pair)
        if kept is not None:
            return kept
        with self._lock:
            begun = self._waiting.get(pair)
            is_new = begun is None
            if begun is None:
                begun = self._waiting[pair] = self._thread.submit(self._make, *pair)
        if is_new:  # without the lock, because a work that is done already calls at once
            begun.add_done_callback(lambda _: self._forget(pair))
        return begun.result(timeout_s)

    def compare(self, first: str, second: str) -> Comparison:
        """
        Return the comparison of two captures, for a client that waits.

        Raises:
            PolicyRefused: A capture is in quarantine.
            ServiceUnavailable: Others wait already, or it took too long.
            EvidenceInvalid, SnapshotterError: As `comparison`.
        """
        is_trusted = wiring_trust.trusted_keys(self._settings, public_only=True)
        for bundle_id in (first, second):
            quarantined.require_visible(self._store, bundle_id, is_trusted)
        kept = self._kept(min(first, second), max(first, second))
        if kept is not None:
            return kept.found
        if not self._clients.acquire(blocking=False):
            raise _busy()
        try:
            return self.comparison(first, second, timeout_s=_TIMEOUT_S).found
        except TimeoutError as error:  # others were made first; this one goes on being made
            raise _busy() from error
        finally:
            self._clients.release()

    def remove(self, first: str, second: str) -> None:
        """Remove a kept comparison, because a bundle differs from what was compared."""
        self._folder.remove_file(max(first, second), _NAME.format(other=min(first, second)))

    def _forget(self, pair: tuple[str, str]) -> None:
        with self._lock:
            self._waiting.pop(pair, None)

    def _kept(self, earlier: str, later: str) -> MadeComparison | None:
        data = self._folder.read(later, _NAME.format(other=earlier))
        if data is None:
            return None
        try:
            made = _parse(data)
        except (SnapshotterError, ValueError, LookupError, TypeError):
            return None  # of another version, or damaged: it is made again
        current = self._current(earlier, later)
        is_same = all(now in ("", then) for now, then in zip(current, made.manifests, strict=True))
        return made if is_same and made.version == snapshotter.__version__ else None

    def _current(self, earlier: str, later: str) -> tuple[str, str]:
        """Return the manifests of both bundles as the index names them."""
        found = self._manifests([earlier, later])
        return found.get(earlier, ""), found.get(later, "")

    def _make(self, earlier: str, later: str) -> MadeComparison:
        from snapshotter.app.policies import configured_policy
        from snapshotter.policy.capture_decision import decide

        now = self._clock.now()
        trust = wiring_trust.trust(self._settings, by_bundle=True, public_only=True)
        today = decide(configured_policy.judging_policy(self._settings))
        with ExitStack() as stack:
            opened, manifests = [], list[str]()
            current = self._current(earlier, later)
            for bundle_id, known in zip((earlier, later), current, strict=True):
                stream, material = stack.enter_context(
                    self._verifier.opened(bundle_id, self._store, trust, now=now)
                )
                bundle = NamedBundle(name=bundle_id, stream=stream, report=material.report)
                manifests.append(BundleMembers(bundle.stream).manifest_sha256())
                if bundle.report.codes(Verdict.FAILED) or known not in ("", manifests[-1]):
                    raise EvidenceInvalid(
                        tr("{bundle_id} was altered, and is not compared", bundle_id=bundle_id),
                        hint=tr(
                            "show what is wrong:\n  snapshotter verify {bundle_id}",
                            bundle_id=bundle_id,
                        ),
                    )
                bundle.stream.flush()
                bundle.stream.seek(0)
                opened.append(bundle)
            given = stack.enter_context(tempfile.TemporaryFile(prefix="snapshotter-compare-"))
            checks = tuple(bundle.check for bundle in opened)
            pickle.dump(((earlier, later), checks, today), given)
            given.seek(0)
            output = self._processes.run(
                _COMMAND,
                [given, *(bundle.stream for bundle in opened)],
                timeout_s=_TIMEOUT_S,
                most=_MAX_BYTES,
            )
        answer = _answer(output)
        if "problem" in answer:
            raise EvidenceInvalid(
                tr("the captures cannot be compared: {problem}", problem=answer["problem"])
            )
        data = json.dumps(
            {
                "comparison": answer.get("comparison"),
                "made_at": instant(now),
                "manifests": manifests,
                "version": snapshotter.__version__,
            }
        ).encode()
        made = _parse(data)
        self._folder.put(later, _NAME.format(other=earlier), data)
        return made


def _busy() -> ServiceUnavailable:
    return ServiceUnavailable(
        tr("other captures are being compared"), hint=tr("request the comparison again in a minute")
    )


def _answer(output: bytes) -> dict[str, Any]:
    """Return what the process wrote, which is not trusted."""
    try:
        answer = json.loads(output)
    except ValueError as error:
        raise SnapshotterError(tr("the comparison did not end as expected")) from error
    if not isinstance(answer, dict):
        raise SnapshotterError(tr("the comparison did not end as expected"))
    return answer


def _parse(data: bytes) -> MadeComparison:
    kept = json.loads(data)
    return MadeComparison(
        found=typed.read(Comparison, kept["comparison"]),
        made_at=parse_instant(kept["made_at"]),
        version=kept["version"],
        manifests=(str(kept["manifests"][0]), str(kept["manifests"][1])),
    )
