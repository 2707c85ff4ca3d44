"""Build the service that verifies exhibits, and record in custody chains that one was verified."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from snapshotter.app import machine
from snapshotter.app.settings import Settings
from snapshotter.app.verification import VerificationService
from snapshotter.model.custody import FAILURE, FIXITY_CHECK, SUCCESS
from snapshotter.model.finding import Report, Verdict
from snapshotter.ports import ObjectStore, ShowMessage
from snapshotter.verify.trust import Trust

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from snapshotter.app.archive.observations import ObservationSource
    from snapshotter.app.takedown.bundle_finder import FindBundle
    from snapshotter.app.takedown.previous_event import PreviousEvent
    from snapshotter.app.takedown.rederivation import Rederivation


def verification_service(
    settings: Settings, trust: Trust, *, given: Sequence[Path], show_message: ShowMessage
) -> VerificationService:
    """
    Return what verifies exhibits.

    Args:
        given: Files that were named together: the bundles of an event may be among them.
    """

    # The store, and the rules that judge pages, are imported when an exhibit needs them: the file
    # of a bundle does not.
    def store() -> ObjectStore:
        from snapshotter.app.wiring import store as wiring_store

        return wiring_store.store(settings)

    def rederivation() -> "Rederivation":
        from snapshotter.app.wiring import takedown

        return takedown.rederivation(settings)

    def bundle_finder(folders: Sequence[Path]) -> "FindBundle":
        from snapshotter.app.wiring import takedown

        return takedown.bundle_finder(settings, trust, folders=folders, given=given)

    def previous_event_finder(folders: Sequence[Path]) -> "PreviousEvent":
        from snapshotter.app.wiring import takedown

        return takedown.previous_event_finder(settings, folders)

    def observation_source() -> "AbstractContextManager[ObservationSource]":
        from snapshotter.app.wiring import index

        return index.observation_source(settings, show_message=show_message)

    return VerificationService(
        trust=trust,
        now=machine.SystemClock().now,
        has_store=settings.has_store,
        store=store,
        rederivation=rederivation,
        bundle_finder=bundle_finder,
        previous_event_finder=previous_event_finder,
        observation_source=observation_source,
        show_message=show_message,
    )


def note_fixity_check(
    settings: Settings,
    store: ObjectStore,
    bundle_id: str,
    report: Report,
    *,
    show_message: ShowMessage,
) -> None:
    """Record in the custody chain of a bundle that it was verified, and with which result."""
    from snapshotter.app.wiring import store as wiring_store

    codes = {
        finding.code.value for finding in report.findings if finding.verdict is not Verdict.PASSED
    }
    wiring_store.note_access(
        settings,
        store,
        bundle_id,
        FIXITY_CHECK,
        show_message=show_message,
        detail=" ".join((report.verdict.value, *sorted(codes))),
        outcome=FAILURE if report.verdict is Verdict.FAILED else SUCCESS,
    )
