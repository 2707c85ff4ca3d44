"""
Capture the pages of jobs in a capture process of a worker, and request owed tokens in between.

A capture runs through `pipeline.run`, as in a command, with the lease of the attempt. Of several
attempts at one job at most one stores its bundle, and a bundle that an earlier attempt stored is
found again. Between captures, `chores` keeps bundles that were not stored, and requests owed
timestamp tokens and log entries.
"""

import re
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import snapshotter
from snapshotter.app import malloc
from snapshotter.app.archive.observations import ObservationSource, observations
from snapshotter.app.identity_file import load_identity_file
from snapshotter.app.pipeline import (
    capture_warnings,
    run,
    safekeeping,
    store_bundle,
)
from snapshotter.app.pipeline.prewarm import Prewarmer
from snapshotter.app.pipeline.run import CaptureDependencies, CaptureResult
from snapshotter.app.policies import configured_policy
from snapshotter.app.settings import Settings
from snapshotter.app.upkeep import late_tokens
from snapshotter.app.upkeep.object_copy import object_sha256
from snapshotter.capture.redaction.capturer_identity import CapturerIdentityExposed
from snapshotter.capture.unrendered import UnrenderedCapturer
from snapshotter.errors import PolicyRefused, ServiceUnavailable, SnapshotterError
from snapshotter.formats.bundle import store_keys
from snapshotter.jobs.workers.job_runner import BundleConflict, PermanentFailure, UnstoredBundle
from snapshotter.model.capture import Capture
from snapshotter.model.job import CaptureJob, SealedResult, StoredResult
from snapshotter.model.request import CaptureRequest, Decision
from snapshotter.policy.capture_decision import PolicyOverrides, decide
from snapshotter.policy.tables import Policy
from snapshotter.ports import Capturer, Lease, PictureReader, Progress, ShowMessage
from snapshotter.seal import sealer
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.app.archive.annotations import AnnotationService

_CHORES_S = 20.0  # the most for owed tokens; nothing is captured meanwhile
_VISITS = ("schedule:", "watch:")  # how the origins of such jobs begin
_CONTROL = re.compile(r"monitor-.*-control-\d+")  # the id of a job for a control page
_SPARE_BYTES = 64 << 20  # free on a disk, beside what a capture may need


class CaptureJobRunner:
    """
    A `JobRunner` for the configured store, keys and browser.

    Args:
        show_message: Shows a sentence to the person who runs the worker.
        dependencies: Builds what captures need, by settings; True if their bundles are locked.
        observation_source: Opens the index of the configured store.
        annotations: Returns the service that records tags and cases of captures.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        show_message: ShowMessage,
        dependencies: Callable[[Settings, bool], CaptureDependencies],
        observation_source: Callable[[], AbstractContextManager[ObservationSource]],
        annotations: "Callable[[], AnnotationService]",
    ) -> None:
        self._settings = settings
        self._show_message = show_message
        self._build_dependencies = dependencies
        self._observation_source = observation_source
        self._annotations = annotations
        # By whether bundles are locked, and by the vantage ("" for the usual one).
        self._built: dict[tuple[bool, str], CaptureDependencies] = {}
        self._prewarmers: dict[tuple[bool, str], Prewarmer] = {}
        self._safety_warnings: set[str] = set()  # that were shown
        self._owed: set[str] = set()  # why tokens or log entries were owed the last time

    def open(self) -> None:
        """See `JobRunner.open`."""
        malloc.share_one_arena()
        configured_policy.configured_policy(self._settings)
        self._dependencies(locked=False)

    def rest(self) -> None:
        """See `JobRunner.rest`."""
        for prewarmer in self._prewarmers.values():
            prewarmer.discard()

    def capture(
        self, job: CaptureJob, lease: Lease, *, more: bool, progress: Progress
    ) -> StoredResult:
        """See `JobRunner.capture`. The next browser starts while this bundle is sealed."""
        decision = self._decision(job)
        locked = decision.retain_days > 0
        dependencies = self._dependencies(locked=locked, vantage=job.vantage)
        self._require_space(dependencies, decision)
        prewarmer = self._prewarmers[locked, job.vantage]
        done = run.run(
            _request(job),
            decision,
            dependencies,
            progress,
            lease=lease,
            prewarmer=prewarmer,
            more=more,
        )
        return self._labelled(job, self._stored_result(done))

    def record_failure(self, job: CaptureJob, why: str, lease: Lease) -> StoredResult:
        """See `JobRunner.record_failure`."""
        decision = self._decision(job)
        dependencies = self._dependencies(locked=decision.retain_days > 0)
        unrendered = UnrenderedCapturer(
            clock=dependencies.clock,
            ids=dependencies.ids,
            version=snapshotter.__version__,
            why=why,
            own=load_identity_file(self._settings.identity_file),
        )
        dependencies = replace(dependencies, capturer=unrendered)
        done = run.run(_request(job), decision, dependencies, _silent, lease=lease)
        return self._labelled(job, self._stored_result(done))

    def find(self, job: CaptureJob, sealed: SealedResult) -> StoredResult | None:
        """See `JobRunner.find`."""
        dependencies = self._dependencies(locked=False)
        key = store_keys.bundle_key(sealed.bundle_id)
        try:
            found = object_sha256(dependencies.store, key)
        except FileNotFoundError:
            return None
        if found != sealed.sha256:
            raise BundleConflict(
                tr(
                    "the store {url} has another file under the id {bundle_id}",
                    url=dependencies.store.url,
                    bundle_id=sealed.bundle_id,
                ),
                hint=tr(
                    "the stored file is not the bundle that this job sealed. Verify the stored "
                    "file:\n  snapshotter verify {bundle_id}",
                    bundle_id=sealed.bundle_id,
                ),
            )
        notes = [
            tr(
                "the bundle {bundle_id} was found in the store. The worker that stored the "
                "bundle has ended",
                bundle_id=sealed.bundle_id,
            )
        ]
        if dependencies.logbook is not None:
            # The attempt that stored the bundle may have logged it; then its entry is found.
            dependencies.logbook.remember(sealed.bundle_id, sealed.sha256, sealed.log_size)
            try:
                dependencies.logbook.log(sealed.bundle_id, sealed.sha256, sealed.log_size)
            except SnapshotterError as error:
                notes.append(tr("the bundle is not in the log yet: {value}", value=error.message))
        stored = StoredResult(
            sealed=sealed,
            location=store_bundle.location(dependencies.store, key),
            notes=tuple(notes),
        )
        return self._labelled(job, stored)

    def _labelled(self, job: CaptureJob, stored: StoredResult) -> StoredResult:
        """Record the tags and cases of a job; what cannot be recorded becomes a note of the job."""
        if not job.tags or _CONTROL.fullmatch(job.id):
            return stored  # a control page is another page: it belongs to no case
        from snapshotter.app.archive.organising.capture_labels import label_captures

        problems = label_captures(self._annotations, job.tags, [stored.sealed.bundle_id])
        return replace(stored, notes=(*stored.notes, *problems))

    def chores(self) -> tuple[UnstoredBundle, ...]:
        """See `JobRunner.chores`."""
        dependencies = self._dependencies(locked=False)
        kept = tuple(
            UnstoredBundle(
                bundle_id=file.stem,
                message=tr(
                    "the bundle {stem} was sealed by an attempt that was interrupted, "
                    "and is not in the store. Store the bundle:\n  snapshotter store add "
                    "{file}",
                    stem=file.stem,
                    file=file,
                ),
            )
            for file in safekeeping.rescue_spooled(dependencies)
        )
        # Authorities with a spacing are asked here as well, since no capture waits for them. One
        # whose spacing has not passed is left for the next round.
        service = replace(dependencies.service, authorities=dependencies.authorities)
        problems = {
            str(error)
            for error in late_tokens.request_owed_tokens(service, longest_s=_CHORES_S).problems
        }
        if dependencies.logbook is not None:
            try:
                dependencies.logbook.settle_owed()
            except SnapshotterError as error:
                problems.add(
                    tr("entries of bundles are missing in the log: {value}", value=error.message)
                )
        for problem in sorted(problems - self._owed):
            self._show_message(problem)
        self._owed = problems
        return kept

    def _decision(self, job: CaptureJob) -> Decision:
        settings = self._settings
        try:
            own = configured_policy.configured_policy(settings, job.url)
        except SnapshotterError as error:  # it was there when the worker began
            raise ServiceUnavailable(error.message, hint=error.hint) from error
        try:
            _request(job)  # refuses a URL that cannot be captured
            named = (
                configured_policy.policy_for(settings, job.policy, job.url) if job.policy else own
            )
            light = job.light or self._is_checked(job, named)
            made = decide(
                named, PolicyOverrides(allow_networks=settings.allow_networks, light=light)
            )
            return replace(
                made, policy_why=configured_policy.policy_reason(settings, job.policy, job.url)
            )
        except (PolicyRefused, ServiceUnavailable):
            raise
        except SnapshotterError as error:
            raise PermanentFailure(error.message, hint=error.hint) from error

    def _dependencies(self, *, locked: bool, vantage: str = "") -> CaptureDependencies:
        if (locked, vantage) not in self._built:
            settings = self._settings
            if vantage:
                settings = replace(settings, proxy=self._vantage_proxy(vantage), vantage=vantage)
            dependencies = self._build_dependencies(settings, locked)
            dependencies = replace(dependencies, capturer=_LocalCapturer(dependencies.capturer))
            self._built[locked, vantage] = dependencies
            self._prewarmers[locked, vantage] = Prewarmer(
                dependencies.capturer, dependencies.spool_dir, dependencies.ids
            )
        return self._built[locked, vantage]

    def _vantage_proxy(self, vantage: str) -> str:
        """Return the proxy of a vantage. Raises PermanentFailure: it is not configured here."""
        found = next(
            (
                known_vantage.proxy
                for known_vantage in self._settings.vantages
                if known_vantage.name == vantage
            ),
            "",
        )
        if not found:
            raise PermanentFailure(
                tr(
                    "the settings of this worker have no [[vantage]] {vantage} with a proxy",
                    vantage=vantage,
                ),
                hint=tr(
                    "add a [[vantage]] with this name and a proxy to the settings of the worker"
                ),
            )
        return found

    def _is_checked(self, job: CaptureJob, policy: Policy) -> bool:
        """
        Return whether a visit is a light check, since its page was fully captured before.

        Only the index of this machine is read: a page may be fully captured once too often.
        """
        if not policy.monitor.light or not job.origin.startswith(_VISITS):
            return False
        try:
            with self._observation_source() as source:
                seen = observations(source, url=job.url, sync=False)
        except SnapshotterError as error:  # no reason not to capture it
            self._show_message(
                tr(
                    "it could not be established whether {url} was captured before: {error}",
                    url=job.url,
                    error=error,
                )
            )
            return False
        return any(not observation.light for observation in seen)

    def _require_space(self, dependencies: CaptureDependencies, decision: Decision) -> None:
        """Check that the disks have room for a capture. Raises ServiceUnavailable."""
        needed = decision.limits.capture_bytes + _SPARE_BYTES
        for directory in (dependencies.spool_dir, self._settings.data_dir):
            free = shutil.disk_usage(_nearest_existing(directory)).free
            if free < needed:
                raise ServiceUnavailable(
                    tr(
                        "the disk is nearly full: the disk with {directory} has {free} MB of "
                        "free space, but a capture may need {needed} MB",
                        directory=directory,
                        free=free >> 20,
                        needed=needed >> 20,
                    ),
                    hint=tr("free space on the disk. The worker then continues without a restart"),
                )

    def _stored_result(self, done: CaptureResult) -> StoredResult:
        for warning in capture_warnings.safety_warnings(done):
            if warning not in self._safety_warnings:
                self._show_message(warning)
                self._safety_warnings.add(warning)
        return StoredResult(
            sealed=done.sealed,
            location=done.location,
            notes=(
                *capture_warnings.clock_warnings(done),
                *capture_warnings.log_warnings(done),
                *capture_warnings.identity_warnings(done),
                *capture_warnings.policy_warnings(
                    done, partial(configured_policy.picked_policy, self._settings)
                ),
            ),
            stage_ms=done.stage_ms,
            picture_ms=done.picture_ms,
            missed=_missed(done),
        )


def _missed(done: CaptureResult) -> tuple[tuple[str, str], ...]:
    """Return what a bundle still lacks: tokens of authorities, its log entry."""
    missed: list[tuple[str, str]] = []
    owed = {
        name for signed in done.bundle.signatures for name in sealer.owed_authorities(signed.tokens)
    }
    if owed:
        missed.append(("authority", f"no timestamp token from {', '.join(sorted(owed))}"))
    if done.logged is not None and done.logged.index is None:
        missed.append(("log", done.logged.detail))
    return tuple(missed)


class _LocalCapturer:
    """
    A `ports.Capturer` whose refusals are transient: another machine may capture the job.

    A browser that cannot have its sandbox here may have it elsewhere. A permanent failure would
    end the job for all workers because one of them is badly set up.
    """

    def __init__(self, capturer: Capturer) -> None:
        self._capturer = capturer

    def capture(
        self,
        request: CaptureRequest,
        decision: Decision,
        spool: Path,
        progress: Progress,
        *,
        free_later: bool = False,
        picture_reader: Callable[[], PictureReader] | None = None,
    ) -> Capture:
        """See `Capturer.capture`. Raises ServiceUnavailable, CapturerIdentityExposed."""
        try:
            return self._capturer.capture(
                request,
                decision,
                spool,
                progress,
                free_later=free_later,
                picture_reader=picture_reader,
            )
        except CapturerIdentityExposed:
            raise
        except PolicyRefused as error:
            raise ServiceUnavailable(error.message, hint=error.hint) from error

    def prepare(self, decision: Decision, spool: Path) -> None:
        """See `Capturer.prepare`."""
        self._capturer.prepare(decision, spool)

    def discard(self, spool: Path) -> None:
        """See `Capturer.discard`."""
        self._capturer.discard(spool)


def _request(job: CaptureJob) -> CaptureRequest:
    return CaptureRequest(url=job.url)


def _silent(_stage: str, _detail: str) -> None:
    """Ignore the progress of a capture: no person follows it."""


def _nearest_existing(directory: Path) -> Path:
    """Return the directory, or its nearest parent that exists."""
    while not directory.exists():
        directory = directory.parent
    return directory
