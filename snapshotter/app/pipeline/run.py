"""
Carry one capture from its request to a stored bundle: capture, assess, seal, verify, store, log.

`run` does all of it; if the person asks for it, the stored bundle is replayed too. `visit` ends
with the page and `complete` does the rest, so that a series of captures completes a bundle beside
the next visit. Stores, keys and the browser come in through `CaptureDependencies`.

A crash before the seal leaves a spool directory that the next run removes. A crash between seal and
store leaves a sealed bundle in the spool, which `safekeeping.rescue_spooled` finds. The store
writes the bundle once and whole. After the seal any failure keeps the bundle. Salts are written
before the bundle, so that the store never holds a bundle whose salts are lost.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from snapshotter.app import commitment_salts, private_files
from snapshotter.app.interruption import Interruption, Protection
from snapshotter.app.pipeline.anchored_clock import AnchoredClock
from snapshotter.app.pipeline.loading import load_meanwhile
from snapshotter.app.pipeline.log_bundle import (
    QUOTE_S,
    QuotedCheckpoint,
    log_bundle,
    quoted_checkpoint,
    write_reminder,
)
from snapshotter.app.pipeline.prewarm import Prewarmer
from snapshotter.app.pipeline.safekeeping import SelfCheckFailed, keep_on_failure
from snapshotter.app.pipeline.stage_timing import Timer, Timings, picture_ms, stage_ms, timings
from snapshotter.app.pipeline.store_bundle import UncontestedLease, location, store_with_lease
from snapshotter.app.spool import sweep
from snapshotter.app.upkeep.log_entries import LogResult, StoreLog
from snapshotter.lazy_module import LazyModule
from snapshotter.model.assessment import Assessment, AssessmentSummary
from snapshotter.model.bundle import Bundle, StoredObject
from snapshotter.model.capture import Capture
from snapshotter.model.capturer_identity import CapturerIdentifier
from snapshotter.model.conclusion import exit_code
from snapshotter.model.finding import Report, Verdict
from snapshotter.model.job import SealedResult
from snapshotter.model.replay import Replay, unchecked
from snapshotter.model.request import CaptureRequest, Decision
from snapshotter.policy.addresses import strip_request_url
from snapshotter.policy.policy_selection import Candidate
from snapshotter.ports import (
    Capturer,
    Clock,
    CustodyStore,
    IdSource,
    Lease,
    ObjectStore,
    Progress,
    Replayer,
    Signer,
    TimestampAuthority,
)
from snapshotter.seal.signer_checks import check_signers
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

if TYPE_CHECKING:
    from snapshotter.app.archive import assessment as assessments
    from snapshotter.app.archive import early_codes
    from snapshotter.app.archive.assessment import AssessorOf
    from snapshotter.app.archive.early_codes import EarlyCodes
    from snapshotter.app.pipeline import capturer_identity
    from snapshotter.app.upkeep.late_tokens import TokenService
    from snapshotter.seal import sealer
    from snapshotter.verify import bundle as verification
    from snapshotter.verify.trust import Trust
else:  # used when the page is captured
    assessments = LazyModule("snapshotter.app.archive.assessment")
    early_codes = LazyModule("snapshotter.app.archive.early_codes")
    capturer_identity = LazyModule("snapshotter.app.pipeline.capturer_identity")
    sealer = LazyModule("snapshotter.seal.sealer")
    verification = LazyModule("snapshotter.verify.bundle")


RECORD_STEP: Final = "record"  # the page is over, and its network record is written


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureDependencies:
    """Everything outside the core that a capture needs, built by `wiring`."""

    clock: Clock  # an AnchoredClock that is the capturer's too is anchored for each capture
    ids: IdSource
    capturer: Capturer
    signer: Signer  # fills the first slot
    authorities: tuple[TimestampAuthority, ...]
    timestamp_timeout_s: float
    store: ObjectStore
    service: "TokenService"  # requests owed tokens
    trust: "Trust"  # what our own verifier judges a new bundle by
    spool_dir: Path
    pending_dir: Path
    salts_dir: Path
    rejected_dir: Path  # bundles that our own verifier refused: a bug, and its evidence
    unstored_dir: Path  # sealed bundles that the store did not take
    software: str
    custody: CustodyStore | None = None  # the store, as it writes custody events; None: none are
    replayer: Replayer | None = None  # None: bundles are not replayed
    assessor: "AssessorOf | None" = None  # None: what captures show is not said
    cosigners: tuple[Signer, ...] = ()  # fill the slots behind it
    logbook: StoreLog | None = None  # None: bundles are not logged
    own: tuple[
        CapturerIdentifier, ...
    ] = ()  # what says who captures: looked for, and never written
    picks: Callable[[str], Candidate] | None = None  # the policy that an address decides for


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureResult:
    """The result of one capture: the capture, its bundle, and where it is stored."""

    capture: Capture
    decision: Decision
    bundle: Bundle
    report: Report  # our own verifier's, on the bundle as it was stored
    stored: StoredObject
    location: str  # a path that can be opened, or an s3:// URL
    stage_ms: Mapping[str, int]
    picture_ms: Sequence[int]  # the time of each picture
    timings: Timings
    sealed: SealedResult  # the same in short, for the queue
    replay: Replay | None = None  # None: nobody asked for it
    logged: LogResult | None = None  # None: there is no log
    assessment: Assessment | None = None  # None: nobody assessed it, or it failed

    @property
    def shown(self) -> AssessmentSummary | None:
        """What the page shows, in short."""
        return self.sealed.shown


@dataclass(slots=True, kw_only=True)
class VisitedPage:
    """
    A page that was captured, and whose bundle is not sealed yet.

    `complete` makes its bundle, in any thread. `drop` gives it up.
    """

    request: CaptureRequest
    decision: Decision
    capture: Capture
    bundle_id: str
    spool: Path
    clock: AnchoredClock  # keeps the anchor of this capture
    timer: Timer
    quoted: QuotedCheckpoint
    lease: Lease
    held: contextlib.ExitStack  # frees the browser, and removes the spool directory
    codes: "Callable[[], EarlyCodes] | None" = None  # those in the pictures; None: not searched
    sealed: Bundle | None = None  # when it is sealed
    stored: StoredObject | None = None  # when it is stored

    def drop(self) -> None:
        """Free the browser and remove the spool directory, unless that was done."""
        self.held.close()


def run(
    request: CaptureRequest,
    decision: Decision,
    dependencies: CaptureDependencies,
    progress: Progress,
    interruption: Interruption | None = None,
    prewarmer: Prewarmer | None = None,
    more: bool = False,
    lease: Lease | None = None,
    process_began: float | None = None,
) -> CaptureResult:
    """
    Carry one request to a stored bundle: `visit` and then `complete`, which state the arguments.

    Raises:
        CapturerIdentityExposed: The capture shows the capturing person, and the policy says to
            stop. Nothing is kept.
        ServiceUnavailable: Browser or store did not answer.
        JobSuperseded: Another process has the job; a sealed bundle is kept, and not stored.
        SnapshotterError: The bundle could not be written, or our own verifier refuses it.
    """
    stop = interruption or Interruption()
    visited = visit(
        request, decision, dependencies, progress, stop,
        prewarmer=prewarmer, more=more, lease=lease, process_began=process_began,
    )  # fmt: skip
    return complete(visited, dependencies, stop)


def visit(
    request: CaptureRequest,
    decision: Decision,
    dependencies: CaptureDependencies,
    progress: Progress,
    stop: Interruption,
    *,
    prewarmer: Prewarmer | None = None,
    more: bool = False,
    lease: Lease | None = None,
    process_began: float | None = None,
    prewarm_from: str = RECORD_STEP,
) -> VisitedPage:
    """
    Capture the page of a request, which is over when this returns; `complete` follows.

    Args:
        stop: Held from the end of the capture on; the caller releases it.
        prewarmer: Holds the browser that was prewarmed for this capture, and prewarms the next one.
        more: Another capture under the same decision follows.
        lease: Says whether the bundle may be stored, if other processes may work at the same job;
            None if no other does.
        process_began: When this process began, on the clock's monotonic scale, if the timings begin
            with it.
        prewarm_from: The step from which the next browser may start, if it comes before the record.

    Raises:
        CapturerIdentityExposed: See `run`.
        ServiceUnavailable: The browser did not start.
        JobSuperseded: Another process has the job.
        SnapshotterError: Keys or folders cannot be used.
    """
    request = strip_request_url(request, decision)
    check_signers(
        (dependencies.signer, *dependencies.cosigners),
        decision,
        authorities=len(dependencies.authorities),
    )
    for directory in (dependencies.salts_dir, dependencies.pending_dir, dependencies.unstored_dir):
        private_files.require_writable(directory)
    # All times of a capture come from one clock, so that they stay in order if the system clock
    # is set while the page loads. The capturer's clock is anchored again for the next capture,
    # which may begin before the bundle of this one is complete.
    shared = (
        dependencies.clock
        if isinstance(dependencies.clock, AnchoredClock)
        else AnchoredClock(dependencies.clock)
    )
    shared.anchor()
    clock = shared.with_this_anchor()
    timer = Timer(clock, progress, process_began)
    sweep(dependencies.spool_dir)
    # Only a worker has a lease, and a worker does not ask questions.
    patience_s = QUOTE_S if lease is not None else None
    quoted = quoted_checkpoint(dependencies.logbook, longest_s=patience_s)
    began = clock.now()
    bundle_id = dependencies.ids.bundle_id(began)
    right = lease or UncontestedLease()
    right.began(bundle_id)
    prewarmed = prewarmer or Prewarmer(
        dependencies.capturer, dependencies.spool_dir, dependencies.ids
    )
    with contextlib.ExitStack() as stack:
        spool = stack.enter_context(prewarmed.spool_directory(bundle_id))
        # Its browser has ended; driver and files are freed beside the assessment and the seal.
        progress = load_meanwhile(timer, decision)
        if more and prewarmer is not None:
            progress = _prewarming(progress, prewarmer, decision, prewarm_from)
        names_codes = dependencies.assessor is not None and decision.readings.qr
        codes = functools.cache(lambda: early_codes.EarlyCodes()) if names_codes else None
        capture = dependencies.capturer.capture(
            request,
            decision,
            spool,
            progress,
            free_later=True,
            picture_reader=codes,
        )
        timer.captured()
        stop.hold()
        right.visited()
        if more and prewarmer is not None and not stop.wanted:
            prewarmer.begin(decision)
        return VisitedPage(
            request=request,
            decision=decision,
            capture=_in_order(capture, began, clock.now(), dependencies.trust.max_skew),
            bundle_id=bundle_id,
            spool=spool,
            clock=clock,
            timer=timer,
            quoted=quoted,
            lease=right,
            held=stack.pop_all(),
            codes=codes,
        )


def complete(
    visited: VisitedPage, dependencies: CaptureDependencies, stop: Protection
) -> CaptureResult:
    """
    Assess, seal, verify, store and log a visited page, and free what it held.

    Args:
        stop: Is held; so it is when this returns.

    Raises what `run` raises.
    """
    decision, clock, timer = visited.decision, visited.clock, visited.timer
    capture, spool, bundle_id = visited.capture, visited.spool, visited.bundle_id
    with visited.held:
        assessment: Assessment | None = None
        # The visit of the page is over, and a core is idle while the capture is assessed.
        with _compressing(capture, decision, spool, stop) as with_compressed_pictures:
            if dependencies.assessor is not None:
                timer("assess", "")
                capture, assessment = assessments.with_assessment(
                    capture,
                    decision,
                    dependencies.assessor,
                    spool=spool,
                    clock=clock,
                    early=visited.codes() if visited.codes else None,
                )
                capture = capturer_identity.with_identifiers_in_pictures(
                    capture, decision, dependencies.own
                )
            if _compresses(decision):
                timer("compress", "")
            capture = with_compressed_pictures(capture)
        # Beside the bundle, so that a bundle that is rescued from the spool has its salts.
        commitment_salts.write_salts(spool, bundle_id, capture.disclosures)
        bundle = sealer.seal(
            capture,
            decision,
            sealer.SealDependencies(
                signer=dependencies.signer,
                cosigners=dependencies.cosigners,
                authorities=dependencies.authorities,
                timestamp_timeout_s=dependencies.timestamp_timeout_s,
                clock=clock,
                software=dependencies.software,
                max_skew=dependencies.trust.max_skew,
            ),
            bundle_id=bundle_id,
            salt_key=dependencies.ids.random_bytes(32),
            spool=spool,
            progress=timer,
            hurry=lambda: stop.wanted,
            log_checkpoint=visited.quoted.text,
        )
        visited.sealed = bundle
        with keep_on_failure(bundle, dependencies), stop.interruptible():
            timer("store", "verify")
            report = _verified(bundle, dependencies, clock)
            timer.begin("cleanup")
            dependencies.capturer.discard(spool)
            timer("store", dependencies.store.url)
            commitment_salts.write_salts(dependencies.salts_dir, bundle_id, capture.disclosures)
            unrecorded_reason = write_reminder(bundle, dependencies.logbook, visited.quoted)
            result = _sealed(capture, bundle, decision, visited.quoted, assessment)
            stored = store_with_lease(visited.lease, bundle, decision, dependencies, clock, result)
            visited.stored = stored
        logged = log_bundle(
            bundle,
            dependencies.logbook,
            visited.quoted,
            timer,
            stop,
            unrecorded_reason=unrecorded_reason,
        )
        replay = _replayed(visited, capture, bundle, dependencies, stop)
        with contextlib.suppress(OSError):  # left there, it is found to be stored by `rescue`
            bundle.file.unlink()
    timer.stop()
    return CaptureResult(
        capture=capture,
        decision=decision,
        bundle=bundle,
        report=report,
        stored=stored,
        location=location(dependencies.store, stored.key),
        sealed=result,
        stage_ms=stage_ms(
            capture,
            timer,
            more=[
                *(["compress"] if _compresses(decision) else []),
                *(["log"] if logged is not None else []),
                *(["replay"] if replay is not None else []),
            ],
        ),
        picture_ms=picture_ms(capture),
        timings=timings(capture, timer),
        replay=replay,
        logged=logged,
        assessment=assessment,
    )


def _prewarming(
    progress: Progress, prewarmer: Prewarmer, decision: Decision, prewarm_from: str
) -> Progress:
    """
    Return a progress that also starts the browser of the next capture.

    It starts at the latest when the page is over and its record is written.
    """

    def report(stage: str, detail: str) -> None:
        progress(stage, detail)
        if stage in (prewarm_from, RECORD_STEP):
            prewarmer.begin_beside(decision)

    return report


def _in_order(capture: Capture, began: datetime, ended: datetime, skew: timedelta) -> Capture:
    """
    Return a capture whose begin and end are in order, and within the times measured around it.

    A capturer whose own clock was set meanwhile may report an end before the begin. Then both are
    replaced by the measured times; its other times stay.
    """
    if began - skew <= capture.started_at <= capture.ended_at <= ended:
        return capture
    return replace(capture, started_at=began, ended_at=ended)


def _compresses(decision: Decision) -> bool:
    return decision.pictures.recompress != "off"


@contextlib.contextmanager
def _compressing(
    capture: Capture, decision: Decision, spool: Path, stop: Protection
) -> Iterator[Callable[[Capture], Capture]]:
    """Compress the pictures again while the block runs, if the policy asks for it."""
    if not _compresses(decision):
        yield lambda capture: capture
        return
    from snapshotter.capture.pictures.recompression import recompressing

    level = decision.pictures.recompress
    with recompressing(capture, level, spool=spool, stopped=lambda: stop.wanted) as finish:
        yield finish


def _verified(bundle: Bundle, dependencies: CaptureDependencies, clock: Clock) -> Report:
    """Verify the new bundle with our own verifier: a bundle that FAILED is never stored."""
    with bundle.file.open("rb") as stream:
        report = verification.verify_bundle(stream, dependencies.trust, now=clock.now())
    if report.verdict is Verdict.FAILED:
        failed = next(finding for finding in report.findings if finding.verdict is Verdict.FAILED)
        raise SelfCheckFailed(
            tr(
                "the verification of the new bundle failed: {code} {detail}",
                code=failed.code,
                detail=failed.detail,
            )
        )
    return report


def _sealed(
    capture: Capture,
    bundle: Bundle,
    decision: Decision,
    quoted: QuotedCheckpoint,
    assessment: Assessment | None,
) -> SealedResult:
    from snapshotter.policy.host_responses import header

    response, met = capture.response, capture.court_minimum.met
    return SealedResult(
        bundle_id=bundle.id,
        sha256=bundle.digests.sha256,
        length=bundle.digests.length,
        log_size=quoted.size,
        exit_code=exit_code(met, required=decision.require_court_minimum),
        outcome=capture.outcome.value,
        http_status=response.status if response else None,
        final_url=capture.final_url,
        title=capture.title,
        court_minimum=met,
        retry_after=header(capture, "retry-after"),
        date=response.date_header if response else "",
        shown=AssessmentSummary.of(assessment) if assessment is not None else None,
    )


def _replayed(
    visited: VisitedPage,
    capture: Capture,
    bundle: Bundle,
    dependencies: CaptureDependencies,
    stop: Protection,
) -> Replay | None:
    """
    Replay the stored bundle, if that was asked for.

    The bundle is stored by now, so a signal ends only the replay.
    """
    if dependencies.replayer is None:
        return None
    if stop.wanted:
        return unchecked("interrupted")
    visited.timer("replay", "")
    try:
        stop.release()
        return dependencies.replayer.check(
            visited.request,
            visited.decision,
            capture,
            bundle.file,
            visited.spool.parent,
            visited.timer,
        )
    except KeyboardInterrupt:
        stop.wanted = True
        return unchecked("interrupted")
    finally:
        stop.hold()
