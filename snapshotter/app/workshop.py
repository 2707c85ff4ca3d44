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
from snapshotter.app import (
    keeping,
    own_names,
    pipeline,
    policy_choice,
    remarks,
    storing,
    tokens,
    wiring,
    wiring_takedown,
)
from snapshotter.app.addresses import check_url
from snapshotter.app.ahead import Ahead
from snapshotter.app.copying import sha256_of
from snapshotter.app.observations import observations
from snapshotter.app.pipeline import Result, World
from snapshotter.app.settings import Settings
from snapshotter.capture.own_names import OwnNameShown
from snapshotter.capture.unrendered import UnrenderedCapturer
from snapshotter.errors import PolicyRefused, ServiceUnavailable, SnapshotterError
from snapshotter.formats import layout
from snapshotter.jobs.slot import Hopeless, Kept, Taken
from snapshotter.model.capture import Capture
from snapshotter.model.job import CaptureJob, Made, Sealed
from snapshotter.model.request import CaptureRequest, Decision
from snapshotter.policy.decide import decide
from snapshotter.policy.tables import Policy
from snapshotter.ports import Capturer, Lease, Progress
from snapshotter.seal import sealer

_CHORES_S = 20.0  # of a slot, in which nothing is captured meanwhile
_VISITS = ("schedule:", "watch:")  # origins of jobs
_SPARE_BYTES = 64 << 20  # free on a disk, beside what a capture may need


class CaptureWorkshop:
    """
    `jobs.slot.Workshop` over what is configured here.

    Args:
        tell: Says a sentence to whoever runs the worker.
    """

    def __init__(self, settings: Settings, tell: Callable[[str], None]) -> None:
        self._settings = settings
        self._tell = tell
        # By whether bundles will be locked, and the other way to the page, if it has one.
        self._worlds: dict[tuple[bool, str], World] = {}
        self._ahead: dict[tuple[bool, str], Ahead] = {}
        self._unsafe: set[str] = set()  # what was said of the browser's confinement
        self._owed: set[str] = set()  # why something was still owed the last time

    def open(self) -> None:
        """See `Workshop.open`."""
        policy_choice.configured(self._settings)
        self._world(locked=False)

    def rest(self) -> None:
        """See `Workshop.rest`."""
        for ahead in self._ahead.values():
            ahead.discard()

    def capture(self, job: CaptureJob, lease: Lease, *, more: bool) -> Made:
        """See `Workshop.capture`. The next one's browser starts while this one is sealed."""
        decision = self._decision(job)
        locked = decision.retain_days > 0
        world = self._world(locked=locked, vantage=job.vantage)
        self._require_space(world, decision)
        ahead = self._ahead[locked, job.vantage]
        return self._made(
            pipeline.run(
                _request(job), decision, world, _silent, lease=lease, ahead=ahead, more=more
            )
        )

    def record_failure(self, job: CaptureJob, why: str, lease: Lease) -> Made:
        """See `Workshop.record_failure`."""
        decision = self._decision(job)
        world = self._world(locked=decision.retain_days > 0)
        nothing = UnrenderedCapturer(
            clock=world.clock,
            ids=world.ids,
            version=snapshotter.__version__,
            why=why,
            own=own_names.load(self._settings.identity_file),
        )
        world = replace(world, capturer=nothing)
        return self._made(pipeline.run(_request(job), decision, world, _silent, lease=lease))

    def find(self, sealed: Sealed) -> Made | None:
        """See `Workshop.find`."""
        world = self._world(locked=False)
        key = layout.bundle_key(sealed.bundle_id)
        try:
            found = sha256_of(world.store, key)
        except FileNotFoundError:
            return None
        if found != sealed.sha256:
            raise Taken(
                f"{world.store.url} holds another file under the id {sealed.bundle_id}",
                hint="snapshotter verify it; it is not what this job has sealed",
            )
        notes = [f"bundle {sealed.bundle_id} was found in the store; who stored it was gone"]
        if world.logbook is not None:
            # Whoever stored it may have logged it, too: then it is found there.
            world.logbook.remember(sealed.bundle_id, sealed.sha256, sealed.log_size)
            try:
                world.logbook.log(sealed.bundle_id, sealed.sha256, sealed.log_size)
            except SnapshotterError as error:
                notes.append(f"it is not in the log yet: {error.message}")
        return Made(sealed=sealed, location=storing.location(world.store, key), notes=tuple(notes))

    def chores(self) -> tuple[Kept, ...]:
        """See `Workshop.chores`."""
        world = self._world(locked=False)
        kept = tuple(
            Kept(
                bundle_id=file.stem,
                words=f"bundle {file.stem} was sealed by an attempt that was cut off, and is not "
                f"in the store; it is kept: snapshotter store add {file}",
            )
            for file in keeping.rescue(world)
        )
        # Also who asks for time in between: each turn is one that a capture would have had, and
        # who is not to be asked now is passed over until the next round.
        desk = replace(world.desk, authorities=world.authorities)
        problems = {str(it) for it in tokens.ask_again(desk, longest_s=_CHORES_S).problems}
        if world.logbook is not None:
            try:
                world.logbook.settle_owed()
            except SnapshotterError as error:
                problems.add(f"the log owes entries: {error.message}")
        for problem in sorted(problems - self._owed):
            self._tell(problem)
        self._owed = problems
        return kept

    def _decision(self, job: CaptureJob) -> Decision:
        settings = self._settings
        try:
            own = policy_choice.configured(settings, job.url)
        except SnapshotterError as error:  # it was there when the worker began
            raise ServiceUnavailable(error.message, hint=error.hint) from error
        try:
            check_url(job.url)
            named = policy_choice.policy_for(settings, job.policy, job.url) if job.policy else own
            light = job.light or self._is_checked(job, named)
            made = decide(named, allow_networks=settings.allow_networks, light=light)
            return replace(made, policy_why=policy_choice.why(settings, job.policy, job.url))
        except (PolicyRefused, ServiceUnavailable):
            raise
        except SnapshotterError as error:
            raise Hopeless(error.message, hint=error.hint) from error

    def _world(self, *, locked: bool, vantage: str = "") -> World:
        if (locked, vantage) not in self._worlds:
            settings = self._settings
            if vantage:
                settings = replace(settings, proxy=self._way(vantage), vantage=vantage)
            world = wiring.world(settings, ask=None, tell=self._tell, locked=locked)
            world = replace(world, capturer=_OfThisMachine(world.capturer))
            self._worlds[locked, vantage] = world
            self._ahead[locked, vantage] = Ahead(world.capturer, world.spool_dir, world.ids)
        return self._worlds[locked, vantage]

    def _way(self, vantage: str) -> str:
        """Return the proxy of another way to a page. Raises Hopeless: none is called so here."""
        found = next((it.proxy for it in self._settings.vantages if it.name == vantage), "")
        if not found:
            raise Hopeless(
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
            with wiring_takedown.observatory(self._settings) as place:
                seen = observations(place, url=job.url, sync=False)
        except SnapshotterError as error:  # no reason not to capture it
            self._tell(f"whether {job.url} was captured before is not known: {error}")
            return False
        return any(not it.light for it in seen)

    def _require_space(self, world: World, decision: Decision) -> None:
        """Ask for no page that there is no room for. Raises ServiceUnavailable."""
        needed = decision.limits.capture_bytes + _SPARE_BYTES
        for directory in (world.spool_dir, self._settings.data_dir):
            free = shutil.disk_usage(_standing(directory)).free
            if free < needed:
                raise ServiceUnavailable(
                    f"the disk is nearly full: {free >> 20} MB are free for {directory}, and a "
                    f"capture may need {needed >> 20} MB",
                    hint="make space; the worker goes on by itself",
                )

    def _made(self, done: Result) -> Made:
        for warning in remarks.safety_warnings(done):
            if warning not in self._unsafe:
                self._tell(warning)
                self._unsafe.add(warning)
        return Made(
            sealed=done.sealed,
            location=done.location,
            notes=(
                *remarks.clock_warnings(done),
                *remarks.log_warnings(done),
                *remarks.identity_warnings(done),
                *remarks.policy_warnings(done, partial(policy_choice.picked, self._settings)),
            ),
            stage_ms=done.stage_ms,
            missed=_missed(done),
        )


def _missed(done: Result) -> tuple[tuple[str, str], ...]:
    """Return whose part of a bundle is owed."""
    missed: list[tuple[str, str]] = []
    owed = {name for signed in done.bundle.signatures for name in sealer.pending(signed.tokens)}
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
        except OwnNameShown:
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
