"""
Conclude that a page was changed between two captures that a person names, and record the event.

    (1) both captures are copied out of the store and verified; none is in quarantine
    (2) their comparison gives the change (`change_derivation.py`)
    (3) a later capture that shows the same change confirms it, and another page of the host that
        was available in between is the control, if the store has such captures
    (4) the event is signed by a key that signed none of the captures, stored and logged
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from snapshotter.app.archive import comparison
from snapshotter.app.archive.assessment import BundleFiles, read_assessment, rederive
from snapshotter.app.archive.bundle_verification import unusable_reason
from snapshotter.app.archive.observations import is_of_its_host, observations, observe, stated
from snapshotter.app.takedown import events
from snapshotter.app.takedown.change_derivation import ShownCapture, compare_ends, no_verdict
from snapshotter.app.takedown.events import RecordedEvent, TakedownService
from snapshotter.app.takedown.rederivation import Rederivation
from snapshotter.assess.change_events import USUAL, conclude_change, control_problem
from snapshotter.errors import (
    EvidenceInvalid,
    EvidenceUnverifiable,
    PolicyRefused,
    SnapshotterError,
)
from snapshotter.model.change import Change, DerivedChange, NoChange, NoChangeReason
from snapshotter.model.finding import Code
from snapshotter.model.takedown import Observation
from snapshotter.translation import tr

_MAX_CONFIRMING = 12  # later captures that are compared to find one that confirms
_MAX_CONTROLS = 5


def conclude(
    service: TakedownService, earlier: str, later: str, confirming: Sequence[str] = ()
) -> RecordedEvent:
    """
    Derive a change from two captures of the store, and record the event.

    Args:
        earlier, later: Ids of the captures.
        confirming: Ids of captures that may confirm the change; (): all later ones of the page.

    Raises:
        EvidenceUnverifiable: It is not established whether something changed.
        EvidenceInvalid: A capture FAILED its verification.
        PolicyRefused: A capture is in quarantine.
        SnapshotterError: Nothing changed in the main text, or another reason explains it.
    """
    by = service.by
    if by is None:
        raise EvidenceUnverifiable(tr("no rules are available to compare the captures"))
    with ExitStack() as stack:
        before, after = (
            stack.enter_context(_shown(service, by, bundle_id)) for bundle_id in (earlier, later)
        )
        derived = compare_ends(before, after, by.assessor_of, by.rules, kept=by.comparisons).derived
        if isinstance(derived, NoChange):
            raise _refusal(derived, earlier, later)
        change = derived.change
        confirmation = _confirmation(service, by, before, after, change, confirming)
        control = None
        if confirmation is not None:
            control = _control(service, by, after, confirmation)
        captures = [shown for shown in (before, after, confirmation) if shown is not None]
        identity = _identity(captures)
        made = conclude_change(
            replace(before.observation, identity=identity),
            replace(after.observation, identity=identity),
            change,
            confirmation=replace(confirmation.observation, identity=identity)
            if confirmation is not None
            else None,
            control=control,
        )
    return events.record(service, made)


@contextmanager
def _shown(service: TakedownService, by: Rederivation, bundle_id: str) -> Iterator[ShownCapture]:
    """Yield a capture of the store that an event may use, copied and verified."""
    if why := service.hidden([bundle_id]).get(bundle_id, ""):
        raise PolicyRefused(
            tr("the capture {bundle_id} is in quarantine: {why}", bundle_id=bundle_id, why=why)
        )
    store, trust = service.source.store, service.trust()
    with comparison.open_stored_bundle(bundle_id, store, trust, service.now()) as given:
        report = given.report
        hint = tr(
            "show what is wrong with the capture:\n  snapshotter verify {bundle_id}",
            bundle_id=bundle_id,
        )
        if why := unusable_reason(report, report.sha256):
            raise EvidenceInvalid(_unusable(bundle_id, why), hint=hint)
        signers = {str(signer.get("key_id")) for signer in report.record.get("signers", ())}
        if service.signer().key_id in signers:
            why = tr("the key that signs events also signed this capture")
            raise EvidenceUnverifiable(_unusable(bundle_id, why), hint=hint)
        if any(finding.code is Code.KEY_UNKNOWN for finding in report.findings):
            why = tr("the capture is signed by a key that is not trusted")
            raise EvidenceUnverifiable(_unusable(bundle_id, why), hint=hint)
        facts = report.established
        files = BundleFiles(given.stream, facts)
        if facts is None or read_assessment(files) is None:
            raise _refusal(no_verdict(), bundle_id, bundle_id)
        made = rederive(files, by.assessor_of).assessment
        seen = observe(facts, made, proven_at=report.proven_time, rules=by.rules)
        yield ShownCapture(
            given=given,
            observation=seen,
            assessment=made,
            stated=stated(facts, made, by.rules),
        )


def _unusable(bundle_id: str, why: str) -> str:
    return tr(
        "no change is proven with the capture {bundle_id}: {why}", bundle_id=bundle_id, why=why
    )


def _identity(captures: Sequence[ShownCapture]) -> str:
    """Return the identity of the page, as its captures together show it."""
    said = {shown.stated for shown in captures} - {""}
    return said.pop() if len(said) == 1 else captures[0].observation.identity


def _confirmation(
    service: TakedownService,
    by: Rederivation,
    before: ShownCapture,
    after: ShownCapture,
    change: Change,
    wanted: Sequence[str],
) -> ShownCapture | None:
    """Return the first capture, at least ten minutes later, that shows the same change."""
    for bundle_id in wanted or _later(service, after.observation):
        try:
            with _shown(service, by, bundle_id) as shown:
                if shown.observation.began_at < after.observation.at:
                    continue
                found = compare_ends(
                    before, shown, by.assessor_of, by.rules, kept=by.comparisons
                ).derived
                if isinstance(found, DerivedChange) and found.shows(change):
                    return shown
        except (EvidenceInvalid, EvidenceUnverifiable, PolicyRefused) as error:
            # Such a capture confirms nothing. Another one may.
            service.show_message(error.message)
    return None


def _later(service: TakedownService, after: Observation) -> list[str]:
    """Return ids of later captures of the page, those at least ten minutes later first."""
    found = [
        seen
        for seen in observations(service.source, url=after.url, sync=False)
        if seen.began_at >= after.at and seen.vantage == after.vantage and not seen.light
    ]
    hidden = service.hidden([seen.bundle_id for seen in found])
    shown = [seen for seen in found if seen.bundle_id not in hidden]
    apart = [seen for seen in shown if seen.at - after.at >= USUAL.after]
    near = [seen for seen in shown if seen.at - after.at < USUAL.after]
    return [seen.bundle_id for seen in (*apart, *reversed(near))][:_MAX_CONFIRMING]


def _control(
    service: TakedownService, by: Rederivation, after: ShownCapture, last: ShownCapture
) -> Observation | None:
    """Return a capture of another page of the host between a change and its confirmation."""
    bad: list[str] = []
    one, index = after.observation, service.source.index
    for _ in range(_MAX_CONTROLS):
        found = index.control(one, one.identity, without=bad)
        if found is None or control_problem(found, one, last.observation):
            return None
        bad.append(found.bundle_id)
        try:
            with _shown(service, by, found.bundle_id) as shown:
                seen, facts = shown.observation, shown.given.report.established
                if not control_problem(seen, one, last.observation) and is_of_its_host(facts):
                    return seen
        except (EvidenceInvalid, PolicyRefused, EvidenceUnverifiable):
            continue  # not usable as a control; the next capture may be
    return None


def _refusal(found: NoChange, earlier: str, later: str) -> SnapshotterError:
    kind = EvidenceUnverifiable if found.is_open else SnapshotterError
    hints = {
        NoChangeReason.SAME_MAIN_TEXT: tr(
            "show all differences:\n  snapshotter diff {earlier} {later}",
            earlier=earlier,
            later=later,
        ),
        NoChangeReason.NOT_IN_ORDER: tr(
            "give the earlier capture first:\n  snapshotter proof {later} {earlier}",
            earlier=earlier,
            later=later,
        ),
        NoChangeReason.NOT_COMPLETE: tr(
            "capture the page again, and give the ids of complete captures:\n"
            "  snapshotter capture URL\n  snapshotter proof EARLIER LATER"
        ),
        NoChangeReason.REMOVED: tr("make the proof pack of the removal:\n  snapshotter proof URL"),
        NoChangeReason.OTHER_CONDITIONS: tr(
            "give the ids of two captures that were made with the same policy and settings"
        ),
        NoChangeReason.OTHER_VANTAGE: tr("give the ids of two captures from the same vantage"),
        NoChangeReason.OTHER_PAGE: tr(
            "list the captures of the page:\n  snapshotter list --identity URL"
        ),
    }
    hint = hints.get(
        found.reason,
        tr(
            "show all differences:\n  snapshotter diff {earlier} {later}",
            earlier=earlier,
            later=later,
        ),
    )
    return kind(tr("no change is proven: {detail}", detail=found.detail), hint=hint)
