"""Build what knows captures of a page, and what concludes take-downs from them."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from functools import cache, partial
from pathlib import Path
from typing import BinaryIO

from snapshotter.app import (
    assessing,
    bundles,
    event_verification,
    machine,
    policy_choice,
    wiring,
    wiring_keys,
    wiring_log,
    wiring_store,
    wiring_trust,
)
from snapshotter.app.event_verification import Before, Find, Rederiver
from snapshotter.app.observations import Observatory
from snapshotter.app.settings import Settings
from snapshotter.app.takedowns import TakedownDesk
from snapshotter.errors import EvidenceInvalid, SnapshotterError
from snapshotter.formats import takedown
from snapshotter.model.assessment import Assessment
from snapshotter.model.event import About, Event
from snapshotter.model.takedown import ConfirmRules, Takedown
from snapshotter.policy import decide as policies
from snapshotter.policy import identity
from snapshotter.ports import Tell
from snapshotter.store.catalog import Catalog
from snapshotter.verify.files import file_with_digest
from snapshotter.verify.trust import Trust

_DOM = "capture/dom.html"


def catalog_path(settings: Settings) -> Path:
    """Return where the catalog of the configured store is."""
    return settings.data_dir / "catalog" / f"{wiring_store.store_name(settings)}.db"


def proofs_dir(settings: Settings) -> Path:
    """Return where proof packs are that are made without being asked for, one an event."""
    return settings.data_dir / "proofs"


@contextmanager
def observatory(settings: Settings) -> Iterator[Observatory]:
    """
    Lend the configured store with its catalog.

    Raises:
        SnapshotterError: The settings make no sense, or the catalog can not be written.
    """
    with Catalog(catalog_path(settings)) as catalog:
        yield Observatory(
            store=wiring_store.store(settings),
            catalog=catalog,
            rules=identity.shipped_rules(),
            reassess=partial(_reassess, settings),
        )


@contextmanager
def desk(
    settings: Settings,
    *,
    ask: Callable[[], bytes] | None,
    tell: Tell,
    quick: bool = False,
) -> Iterator[TakedownDesk]:
    """
    Lend what concludes take-downs from the captures of the configured store.

    Args:
        ask: Asks the person for a passphrase; None where nobody can be asked.
        tell: Gets sentences: that a key was made, that nobody could be told.
        quick: For a worker that does it often: it looks into the newest days of the store alone,
            and leaves it to its own rounds to hand messages over.

    Raises:
        SnapshotterError: The settings make no sense, or the store is not fit for evidence.
    """
    if not quick:
        policy_choice.tell_if_left_out(settings, tell)
    store = wiring_store.store_for_evidence(settings, locked=False, tell=tell)
    book = wiring_log.logbook(settings, proofs=store, ask=ask, tell=tell) if settings.log else None
    with ExitStack() as stack:
        place = stack.enter_context(observatory(settings))
        yield TakedownDesk(
            place=place,
            trust=cache(lambda: wiring_trust.trust(settings)),
            signer=cache(lambda: wiring_keys.event_signer(settings, ask=ask, tell=tell)),
            own_keys=_own_keys(settings),
            confirm=partial(confirm_rules, settings),
            unlike=partial(event_verification.unlike, rederiver(settings)),
            now=machine.SystemClock().now,
            quick=quick,
            burst=burst(settings),
            lock_dir=settings.data_dir / "takedowns" / wiring_store.store_name(settings),
            log=None
            if book is None
            else lambda leaves, again: book.append(leaves, seen=0 if again else None),
            notify=_teller(settings, tell, now=not quick) if settings.notify_file else None,
            tell=tell,
            jobs=partial(_jobs, settings),
        )


def _jobs(settings: Settings, bundle_ids: Sequence[str]) -> dict[str, About]:
    """Return what rules match of the jobs of bundles. Raises ServiceUnavailable."""
    try:
        from snapshotter.jobs.database import open_database
        from snapshotter.jobs.queue import DatabaseQueue
    except ModuleNotFoundError as error:
        raise SnapshotterError(f"{error.name} is not installed") from error
    engine = open_database(settings.queue)
    try:
        return {
            it.bundle_id: About.of(it.job) for it in DatabaseQueue(engine).of_bundles(bundle_ids)
        }
    finally:
        engine.dispose()


def confirm_rules(settings: Settings, url: str) -> ConfirmRules:
    """Return what makes a removal of this page an event. Raises SnapshotterError: no policy."""
    return policies.monitoring(policy_choice.judging(settings, url)).confirm


def rederiver(settings: Settings) -> Rederiver:
    """Return what comes to an event again: the rules in bundles, and those of today."""
    return Rederiver(
        rules=identity.shipped_rules(),
        assessor_of=wiring.assessor,
        decide=lambda url: policies.decide(policy_choice.judging(settings, url)),
    )


def finder(
    settings: Settings, trust: Trust, *, folders: Sequence[Path], given: Sequence[Path]
) -> Find:
    """Return what finds the bundles of an event: given, in a folder, or in the store if any."""
    now = machine.SystemClock().now()
    finds: list[Find] = [partial(event_verification.in_folders, folders, given, trust, now)]
    if settings.has_store:
        finds.append(
            lambda bundle_id: event_verification.in_store(
                wiring_store.store(settings), trust, now, bundle_id
            )
        )
    return partial(event_verification.first_of, finds)


def event_before(settings: Settings, folders: Sequence[Path]) -> Before:
    """Return what finds an event by the digest of its record: in a folder, or in the store."""

    def before(sha256: str) -> tuple[Takedown, str] | None:
        for folder in folders:
            with contextlib.suppress(OSError, EvidenceInvalid):
                data = file_with_digest(folder, "*.json", sha256, limit=takedown.MAX_BYTES)
                if data is not None:
                    return takedown.parse(data)
        # Without rights to make a catalog here, or without a store, nobody can say.
        with contextlib.suppress(SnapshotterError), observatory(settings) as place:
            place.catalog.sync_events(place.store)
            for it in place.catalog.events(sha256=sha256):
                if it.event is not None:
                    return it.event, it.key_id
        return None

    return before


def burst(settings: Settings) -> timedelta:
    """Return within which time removals of one account belong together, by the usual policy."""
    return policies.monitoring(policy_choice.judging(settings)).burst


def _own_keys(settings: Settings) -> frozenset[str]:
    """Return the ids of the key that signs events here, as far as it was made."""
    listed = wiring_keys.key_directory(settings).list()
    return frozenset(it.key_id for it in listed if it.name == settings.event_key and it.key_id)


def _reassess(settings: Settings, stream: BinaryIO) -> Assessment | None:
    """Return what an older bundle shows, by the rules of today; None: it holds no document."""
    files = assessing.BundledFiles(stream)
    if _DOM not in files.names():
        return None
    record = bundles.read_record(stream)
    try:
        url = str(record["what"]["requested_url"])
        decision = policies.decide(policy_choice.judging(settings, url))
        return assessing.assess(record, files, decision, wiring.assessor)
    except (KeyError, TypeError, SnapshotterError) as error:
        if isinstance(error, EvidenceInvalid):
            return None
        raise EvidenceInvalid(f"it can not be judged: {error}") from error


def _teller(settings: Settings, tell: Tell, *, now: bool) -> Callable[[Sequence[Event]], None]:
    """
    Return what takes over what people may want to be told.

    Args:
        now: Hand it over at once, for nobody comes again soon; else a worker's rounds do, and
            make one message of many.
    """

    def told(events: Sequence[Event]) -> None:
        from snapshotter.app import wiring_notify

        try:
            with contextlib.closing(wiring_notify.notification_desk(settings)) as desk:
                for event in events:
                    desk.notify(event)
                for problem in desk.round(hurry=True).problems if now else ():
                    tell(f"WARNING: not told yet: {problem}; snapshotter notify send tries again")
        except ModuleNotFoundError as error:
            raise SnapshotterError(f"{error.name} is not installed") from error

    return told
