"""Derive an event of a change again: compare its captures, and compare that with the event."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from snapshotter.app.archive.comparison import NamedBundle
from snapshotter.app.takedown.bundle_finder import VerifiedBundle
from snapshotter.app.takedown.change_derivation import ShownCapture, compare_ends, no_verdict
from snapshotter.app.takedown.event_captures import CaptureCheck
from snapshotter.app.takedown.rederivation import Rederivation
from snapshotter.assess.change_events import change_problems
from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.model import change_sentences
from snapshotter.model.change import MAIN_REGION, METHOD, DerivedChange, NoChange
from snapshotter.model.finding import Code, Finding
from snapshotter.model.takedown import ConfirmRules, Takedown, TakedownKind
from snapshotter.translation import tr
from snapshotter.verify.takedown import EventCapture

_CHECK = "conclusion"


def captures_to_compare(event: Takedown) -> frozenset[str]:
    """Return the ids of the bundles that have to be open together to derive an event again."""
    if event.kind is not TakedownKind.CHANGED:
        return frozenset()
    compared = (event.last_seen, event.first_gone, *event.confirmations[:1])
    return frozenset(observation.bundle_id for observation in compared)


def shown_capture(
    bundle_id: str, here: VerifiedBundle, check: CaptureCheck
) -> dict[str, ShownCapture]:
    """Return a capture for a comparison, by its id; {} if its verdict is not derived again."""
    if check.again is None or check.assessment is None or check.by_today:
        return {}
    given = NamedBundle(name=bundle_id, stream=here.stream, report=here.report)
    return {
        bundle_id: ShownCapture(given=given, observation=check.again, assessment=check.assessment)
    }


def change_findings(
    event: Takedown,
    parts: Sequence[EventCapture],
    checks: Mapping[str, CaptureCheck],
    shown: Mapping[str, ShownCapture],
    by: Rederivation,
) -> Iterator[Finding]:
    """
    Yield what the second comparison of the captures of a change found.

    Args:
        shown: The captures to compare, open.
    """
    made = {
        part.observation.bundle_id: replace(
            again, identity=part.observation.identity, account=part.observation.account
        )
        for part in parts
        if (again := checks[part.observation.bundle_id].again) is not None
    }
    if len(made) < len(checks):
        yield _open(
            tr(
                "some captures of the event were not found or cannot be used, so the event "
                "cannot be derived again"
            )
        )
        return
    change = event.change
    if change is None or change.method > METHOD:
        yield _open(tr("the change was derived by a method that this version does not know"))
        return
    if change.method > MAIN_REGION and not change.main_by:
        yield _open(
            tr(
                "the event does not state how the main text was found, which records of its "
                "method state"
            )
        )
        return
    earlier, later = event.last_seen.bundle_id, event.first_gone.bundle_id
    confirming = [observation.bundle_id for observation in event.confirmations[:1]]
    try:
        derived, *confirmed = (
            _derived(shown, earlier, bundle_id, by, change.method)
            for bundle_id in (later, *confirming)
        )
    except ServiceUnavailable:
        raise
    except SnapshotterError as error:  # of a file in a bundle: the report states it
        yield _open(tr("the captures cannot be compared: {value}", value=error.message))
        return
    unclear = [found for found in (derived, *confirmed) if isinstance(found, NoChange)]
    if any(found.is_open for found in unclear):
        details = "; ".join(found.detail for found in unclear)
        yield _open(tr("the change cannot be derived again: {details}", details=details))
        return
    confirmed += [no_verdict()] * (len(event.confirmations) - len(confirmed))
    problems = change_problems(event, made, derived, confirmed)
    for problem in problems:
        yield Finding.failed(
            _CHECK,
            Code.CONCLUSION,
            tr("the event does not follow from its captures: {problem}", problem=problem),
        )
    if not problems and change.missing:
        yield _open(
            tr(
                "the captures were compared again, and exactly the change that the event states "
                "follows from them. But {partial}",
                partial=change_sentences.partial(change.missing),
            )
        )
    elif not problems:
        named = derived.named_main if isinstance(derived, DerivedChange) else ""
        yield Finding.passed(
            _CHECK,
            tr(
                "the captures were compared again, and exactly the change that the event states "
                "follows from them{named}",
                named=change_sentences.named_main(named),
            ),
        )


def unconfirmed_note(event: Takedown) -> str:
    """Return what an event of a change lacks of the usual confirmation."""
    usual = ConfirmRules()
    lacks = []
    if event.confirm.times < usual.times:
        lacks.append(tr("no later capture shows the same change"))
    elif event.confirm.after < usual.after:
        lacks.append(tr("the captures that show the change are less than 10 minutes apart"))
    if not event.confirm.control:
        lacks.append(tr("no capture of another page of the host was made in between"))
    return tr("the change is less confirmed than usual: {lacks}", lacks="; ".join(lacks))


def _derived(
    shown: Mapping[str, ShownCapture], earlier: str, later: str, by: Rederivation, method: int
) -> DerivedChange | NoChange:
    if earlier not in shown or later not in shown:
        return no_verdict()
    return compare_ends(shown[earlier], shown[later], by.assessor_of, by.rules, method).derived


def _open(detail: str) -> Finding:
    return Finding.indeterminate(_CHECK, Code.CONCLUSION, detail)
