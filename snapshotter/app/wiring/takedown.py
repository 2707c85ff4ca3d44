"""
Build the service that derives take-down events from captures, and the parts that verify events.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

from snapshotter.app import machine
from snapshotter.app.policies import configured_policy
from snapshotter.app.settings import Settings
from snapshotter.app.takedown.bundle_finder import (
    FindBundle,
    find_first,
    find_in_folders,
    find_in_store,
)
from snapshotter.app.takedown.event_list import confirm_rules, removal_burst
from snapshotter.app.takedown.events import TakedownService
from snapshotter.app.takedown.kept_comparisons import KeptComparisons
from snapshotter.app.takedown.previous_event import PreviousEvent
from snapshotter.app.takedown.rederivation import Rederivation, mismatch
from snapshotter.app.wiring import capture as wiring
from snapshotter.app.wiring import index as wiring_index
from snapshotter.app.wiring import keys as wiring_keys
from snapshotter.app.wiring import log as wiring_log
from snapshotter.app.wiring import store as wiring_store
from snapshotter.app.wiring import trust as wiring_trust
from snapshotter.errors import EvidenceInvalid, SnapshotterError
from snapshotter.formats.statements import takedown
from snapshotter.model.notification import NotificationEvent, NotificationScope
from snapshotter.model.takedown import Takedown
from snapshotter.policy import capture_decision, page_identity
from snapshotter.ports import ShowMessage
from snapshotter.translation import tr
from snapshotter.verify.files import file_with_digest
from snapshotter.verify.trust import Trust


def proofs_dir(settings: Settings) -> Path:
    """Return the folder of the proof packs that workers write, one for each event."""
    return settings.data_dir / "proofs"


# One for the process: the event is concluded by one service, its proof pack is made by another.
_COMPARISONS: Final = KeptComparisons[Any]()


@contextmanager
def takedown_service(
    settings: Settings,
    *,
    ask: Callable[[], bytes] | None,
    show_message: ShowMessage,
    quick: bool = False,
) -> Iterator[TakedownService]:
    """
    Yield the service that concludes take-downs from captures of the configured store.

    Args:
        ask: Asks the person for a passphrase; None if nobody can be asked.
        show_message: Shows messages: that a key was made, that a notification was not sent.
        quick: For a worker: read only the newest days of the store, and leave messages in the
            outbox for the worker's own rounds.

    Raises:
        SnapshotterError: The settings are invalid, or the store is not fit for evidence.
    """
    if not quick:
        configured_policy.warn_if_ignored(settings, show_message)
    store = wiring_store.store_for_evidence(settings, locked=False, show_message=show_message)
    book = (
        wiring_log.logbook(settings, proofs=store, ask=ask, show_message=show_message)
        if settings.log
        else None
    )
    by = rederivation(settings)
    with ExitStack() as stack:
        source = stack.enter_context(
            wiring_index.observation_source(settings, show_message=show_message)
        )
        yield TakedownService(
            source=source,
            trust=cache(lambda: wiring_trust.trust(settings)),
            signer=cache(
                lambda: wiring_keys.event_signer(settings, ask=ask, show_message=show_message)
            ),
            own_keys=_own_keys(settings),
            confirm=partial(confirm_rules, settings),
            hidden=wiring_index.hidden_finder(settings, source),
            mismatch=partial(mismatch, by),
            by=by,
            now=machine.SystemClock().now,
            quick=quick,
            burst=removal_burst(settings),
            lock_dir=settings.data_dir / "takedowns" / wiring_store.store_name(settings),
            log=None
            if book is None
            else lambda leaves, was_there: book.append(leaves, seen=0 if was_there else None),
            notify=_notifier(settings, show_message, now=not quick)
            if settings.notify_file
            else None,
            show_message=show_message,
            jobs=partial(_jobs, settings),
        )


def _jobs(settings: Settings, bundle_ids: Sequence[str]) -> dict[str, NotificationScope]:
    """Return the jobs of bundles, as notification rules match them. Raises ServiceUnavailable."""
    try:
        from snapshotter.jobs.open_database import open_database
        from snapshotter.jobs.queue.database_queue import DatabaseQueue
    except ModuleNotFoundError as error:
        raise SnapshotterError(tr("{name} is not installed", name=error.name)) from error
    engine = open_database(settings.queue)
    try:
        return {
            status.bundle_id: NotificationScope.of(status.job)
            for status in DatabaseQueue(engine).of_bundles(bundle_ids)
        }
    finally:
        engine.dispose()


def rederivation(settings: Settings) -> Rederivation:
    """
    Return what derives the verdicts of an event again: by the rules in bundles and by current
    rules.
    """
    return Rederivation(
        rules=page_identity.shipped_identity_rules(),
        assessor_of=wiring.assessor,
        decide=lambda url: capture_decision.decide(configured_policy.judging_policy(settings, url)),
        comparisons=_COMPARISONS,
    )


def bundle_finder(
    settings: Settings, trust: Trust, *, folders: Sequence[Path], given: Sequence[Path]
) -> FindBundle:
    """Return a function that finds the bundles of an event: given files, folders, or the store."""
    now = machine.SystemClock().now()
    finds: list[FindBundle] = [partial(find_in_folders, folders, given, trust, now)]
    if settings.has_store:
        finds.append(
            lambda bundle_id: find_in_store(wiring_store.store(settings), trust, now, bundle_id)
        )
    return partial(find_first, finds)


def previous_event_finder(settings: Settings, folders: Sequence[Path]) -> PreviousEvent:
    """
    Return a function that finds an event by the digest of its record, in folders or the store.
    """

    def before(sha256: str) -> tuple[Takedown, str] | None:
        for folder in folders:
            with contextlib.suppress(OSError, EvidenceInvalid):
                data = file_with_digest(folder, "*.json", sha256, limit=takedown.MAX_BYTES)
                if data is not None:
                    return takedown.parse(data)
        # Without the right to make an index here, or without a store, no event is found.
        with (
            contextlib.suppress(SnapshotterError),
            wiring_index.observation_source(settings) as source,
        ):
            source.index.sync_events(source.store)
            for kept_event in source.index.events(sha256=sha256):
                if kept_event.event is not None:
                    return kept_event.event, kept_event.key_id
        return None

    return before


def _own_keys(settings: Settings) -> frozenset[str]:
    """Return the id of the key that signs events here, if it exists."""
    listed = wiring_keys.key_directory(settings).list()
    return frozenset(key.key_id for key in listed if key.name == settings.event_key and key.key_id)


def _notifier(
    settings: Settings, show_message: ShowMessage, *, now: bool
) -> Callable[[Sequence[NotificationEvent]], None]:
    """
    Return a function that accepts notification events.

    Args:
        now: Send the messages at once. If False, a worker sends them later and groups them.
    """

    def notify(events: Sequence[NotificationEvent]) -> None:
        from snapshotter.app.wiring import notifications as wiring_notify

        try:
            with contextlib.closing(wiring_notify.notification_service(settings)) as service:
                for event in events:
                    service.notify(event)
                for problem in service.round(hurry=True).problems if now else ():
                    show_message(
                        tr(
                            "WARNING: a message was not sent to all recipients: {problem}. List "
                            "the messages that are still to be sent:\n  snapshotter notify outbox",
                            problem=problem,
                        )
                    )
        except ModuleNotFoundError as error:
            raise SnapshotterError(tr("{name} is not installed", name=error.name)) from error

    return notify
