"""
What a worker does with a job, in the process of its slot: everything but the queue.

The same `pipeline.run` as a command's, with the lease of an attempt. Of several attempts
at one job at most one stores its bundle, and one that was stored is found again.
"""

import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import snapshotter
from snapshotter.app.archive.observations import observations
from snapshotter.app.identity_file import load_identity_file
from snapshotter.app.pipeline import (
    capture_warnings,
    run,
    safekeeping,
    store_bundle,
)
from snapshotter.app.pipeline.prewarm import Prewarmer
from snapshotter.app.pipeline.run import CaptureDependencies, CaptureResult
from snapshotter.app.policies import choice
from snapshotter.app.settings import Settings
from snapshotter.app.upkeep import late_tokens
from snapshotter.app.upkeep.object_copy import object_sha256
from snapshotter.app.wiring import capture as wiring
from snapshotter.app.wiring import takedown as wiring_takedown
from snapshotter.capture.redaction.capturer_identity import CapturerIdentityExposed
from snapshotter.capture.unrendered import UnrenderedCapturer
from snapshotter.errors import PolicyRefused, ServiceUnavailable, SnapshotterError
from snapshotter.formats.bundle import store_keys
from snapshotter.jobs.workers.job_runner import BundleConflict, PermanentFailure, UnstoredBundle
from snapshotter.model.capture import Capture
from snapshotter.model.job import CaptureJob, SealedResult, StoredResult
from snapshotter.model.request import CaptureRequest, Decision
from snapshotter.policy.decide import Overrides, decide
from snapshotter.policy.tables import Policy
from snapshotter.ports import Capturer, Lease, Progress
from snapshotter.seal import sealer

_CHORES_S = 20.0  # of a slot, in which nothing is captured meanwhile
_VISITS = ("schedule:", "watch:")  # origins of jobs
_SPARE_BYTES = 64 << 20  # free on a disk, beside what a capture may need


class CaptureJobRunner:
    """
    `jobs.slot.Workshop` over what is configured here.

    Args:
        tell: Says a sentence to whoever runs the worker.
    """

    def __init__(self, settings: Settings, show_message: Callable[[str], None]) -> None:
        self._settings = settings
        self._show_message = show_message
        # By whether bundles will be locked, and the other way to the page, if it has one.
        self._worlds: dict[tuple[bool, str], CaptureDependencies] = {}
        self._prewarmer: dict[tuple[bool, str], Prewarmer] = {}
        self._unsafe: set[str] = set()  # what was said of the browser's confinement
        self._owed: set[str] = set()  # why something was still owed the last time

    def open(self) -> None:
        """See `Workshop.open`."""
        choice.configured_policy(self._settings)
        self._dependencies(locked=False)

    def rest(self) -> None:
        """See `Workshop.rest`."""
        for prewarmer in self._prewarmer.values():
            prewarmer.discard()

    def capture(self, job: CaptureJob, lease: Lease, *, more: bool) -> StoredResult:
        """See `Workshop.capture`. The next one's browser starts while this one is sealed."""
        decision = self._decision(job)
        locked = decision.retain_days > 0
        dependencies = self._dependencies(locked=locked, vantage=job.vantage)
        self._require_space(dependencies, decision)
        prewarmer = self._prewarmer[locked, job.vantage]
        return self._made(
            run.run(
                _request(job),
                decision,
                dependencies,
                _silent,
                lease=lease,
                prewarmer=prewarmer,
                more=more,
            )
        )

    def record_failure(self, job: CaptureJob, why: str, lease: Lease) -> StoredResult:
        """See `Workshop.record_failure`."""
        decision = self._decision(job)
        dependencies = self._dependencies(locked=decision.retain_days > 0)
        nothing = UnrenderedCapturer(
            clock=dependencies.clock,
            ids=dependencies.ids,
            version=snapshotter.__version__,
            why=why,
            own=load_identity_file(self._settings.identity_file),
        )
        dependencies = replace(dependencies, capturer=nothing)
        return self._made(run.run(_request(job), decision, dependencies, _silent, lease=lease))

    def find(self, sealed: SealedResult) -> StoredResult | None:
        """See `Workshop.find`."""
        dependencies = self._dependencies(locked=False)
        key = store_keys.bundle_key(sealed.bundle_id)
        try:
            found = object_sha256(dependencies.store, key)
        except FileNotFoundError:
            return None
        if found != sealed.sha256:
            raise BundleConflict(
                f"{dependencies.store.url} holds another file under the id {sealed.bundle_id}",
                hint="snapshotter verify it; it is not what this job has sealed",
            )
        notes = [f"bundle {sealed.bundle_id} was found in the store; who stored it was gone"]
        if dependencies.logbook is not None:
            # Whoever stored it may have logged it, too: then it is found there.
            dependencies.logbook.remember(sealed.bundle_id, sealed.sha256, sealed.log_size)
            try:
                dependencies.logbook.log(sealed.bundle_id, sealed.sha256, sealed.log_size)
            except SnapshotterError as error:
                notes.append(f"it is not in the log yet: {error.message}")
        return StoredResult(
            sealed=sealed,
            location=store_bundle.location(dependencies.store, key),
            notes=tuple(notes),
        )

    def chores(self) -> tuple[UnstoredBundle, ...]:
        """See `Workshop.chores`."""
        dependencies = self._dependencies(locked=False)
        kept = tuple(
            UnstoredBundle(
                bundle_id=file.stem,
                message=f"bundle {file.stem} was sealed by an attempt that was cut off, and is not "
                f"in the store; it is kept: snapshotter store add {file}",
            )
            for file in safekeeping.rescue_spooled(dependencies)
        )
        # Also who asks for time in between: each turn is one that a capture would have had, and
        # who is not to be asked now is passed over until the next round.
        service = replace(dependencies.service, authorities=dependencies.authorities)
        problems = {
            str(error)
            for error in late_tokens.request_owed_tokens(service, longest_s=_CHORES_S).problems
        }
        if dependencies.logbook is not None:
            try:
                dependencies.logbook.settle_owed()
            except SnapshotterError as error:
                problems.add(f"the log owes entries: {error.message}")
        for problem in sorted(problems - self._owed):
            self._show_message(problem)
        self._owed = problems
        return kept

    def _decision(self, job: CaptureJob) -> Decision:
        settings = self._settings
        try:
            own = choice.configured_policy(settings, job.url)
        except SnapshotterError as error:  # it was there when the worker began
            raise ServiceUnavailable(error.message, hint=error.hint) from error
        try:
            _request(job)  # refuses a URL that cannot be captured
            named = choice.policy_for(settings, job.policy, job.url) if job.policy else own
            light = job.light or self._is_checked(job, named)
            made = decide(named, Overrides(allow_networks=settings.allow_networks, light=light))
            return replace(made, policy_why=choice.policy_reason(settings, job.policy, job.url))
        except (PolicyRefused, ServiceUnavailable):
            raise
        except SnapshotterError as error:
            raise PermanentFailure(error.message, hint=error.hint) from error

    def _dependencies(self, *, locked: bool, vantage: str = "") -> CaptureDependencies:
        if (locked, vantage) not in self._worlds:
            settings = self._settings
            if vantage:
                settings = replace(settings, proxy=self._way(vantage), vantage=vantage)
            dependencies = wiring.capture_dependencies(
                settings, ask=None, show_message=self._show_message, locked=locked
            )
            dependencies = replace(dependencies, capturer=_OfThisMachine(dependencies.capturer))
            self._worlds[locked, vantage] = dependencies
            self._prewarmer[locked, vantage] = Prewarmer(
                dependencies.capturer, dependencies.spool_dir, dependencies.ids
            )
        return self._worlds[locked, vantage]

    def _way(self, vantage: str) -> str:
        """Return the proxy of another way to a page. Raises Hopeless: none is called so here."""
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
                f"there is no vantage called {vantage} here",
                hint="[[vantage]] with this name and a proxy, in the settings of the worker",
            )
        return found

    def _is_checked(self, job: CaptureJob, policy: Policy) -> bool:
        """
        Whether a visit of a schedule is a light check: its page was captured whole before.

        As far as this machine knows: it may be captured whole once more, and never too seldom.
        """
        if not policy.monitor.light or not job.origin.startswith(_VISITS):
            return False
        try:
            with wiring_takedown.observation_source(self._settings) as source:
                seen = observations(source, url=job.url, sync=False)
        except SnapshotterError as error:  # no reason not to capture it
            self._show_message(f"whether {job.url} was captured before is not known: {error}")
            return False
        return any(not observation.light for observation in seen)

    def _require_space(self, dependencies: CaptureDependencies, decision: Decision) -> None:
        """Ask for no page that there is no room for. Raises ServiceUnavailable."""
        needed = decision.limits.capture_bytes + _SPARE_BYTES
        for directory in (dependencies.spool_dir, self._settings.data_dir):
            free = shutil.disk_usage(_standing(directory)).free
            if free < needed:
                raise ServiceUnavailable(
                    f"the disk is nearly full: {free >> 20} MB are free for {directory}, and a "
                    f"capture may need {needed >> 20} MB",
                    hint="make space; the worker goes on by itself",
                )

    def _made(self, done: CaptureResult) -> StoredResult:
        for warning in capture_warnings.safety_warnings(done):
            if warning not in self._unsafe:
                self._show_message(warning)
                self._unsafe.add(warning)
        return StoredResult(
            sealed=done.sealed,
            location=done.location,
            notes=(
                *capture_warnings.clock_warnings(done),
                *capture_warnings.log_warnings(done),
                *capture_warnings.identity_warnings(done),
                *capture_warnings.policy_warnings(
                    done, partial(choice.picked_policy, self._settings)
                ),
            ),
            stage_ms=done.stage_ms,
            missed=_missed(done),
        )


def _missed(done: CaptureResult) -> tuple[tuple[str, str], ...]:
    """Return whose part of a bundle is owed."""
    missed: list[tuple[str, str]] = []
    owed = {
        name for signed in done.bundle.signatures for name in sealer.owed_authorities(signed.tokens)
    }
    if owed:
        missed.append(("authority", f"no token of {', '.join(sorted(owed))}"))
    if done.logged is not None and done.logged.index is None:
        missed.append(("log", done.logged.detail))
    return tuple(missed)


class _OfThisMachine:
    """
    A `ports.Capturer` whose refusals are this machine's trouble, and no job's.

    A browser that can not have its sandbox here has it elsewhere; a job that was ended for
    it would be lost to all workers by the one that is badly set up.
    """

    def __init__(self, capturer: Capturer) -> None:
        self._capturer = capturer

    def capture(
        self, request: CaptureRequest, decision: Decision, spool: Path, progress: Progress
    ) -> Capture:
        """See `Capturer.capture`. Raises ServiceUnavailable, and OwnNameShown: the job's own."""
        try:
            return self._capturer.capture(request, decision, spool, progress)
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
    """Nobody watches a single capture of a worker."""


def _standing(directory: Path) -> Path:
    """Return the directory, or what it would be made in."""
    while not directory.exists():
        directory = directory.parent
    return directory
