"""Build the dependencies of the checks of `snapshotter doctor`."""

from dataclasses import replace

from snapshotter.app.doctor import ChannelFacts, DoctorDependencies, LogFacts
from snapshotter.app.machine import RandomIds, SystemClock
from snapshotter.app.settings import Settings
from snapshotter.app.wiring import capture as wiring_capture
from snapshotter.app.wiring import keys as wiring_keys
from snapshotter.app.wiring import log as wiring_log
from snapshotter.app.wiring import notifications as wiring_notifications
from snapshotter.app.wiring import store as wiring_store
from snapshotter.app.wiring import timestamp_authorities as wiring_authorities


def doctor_dependencies(settings: Settings) -> DoctorDependencies:
    """Return the dependencies of the checks; nothing is opened before its check runs."""
    clock = SystemClock()
    return DoctorDependencies(
        clock=clock,
        ids=RandomIds(),
        capturer=lambda: wiring_capture.capturer(replace(settings, proxy=""), clock),
        probe_store=lambda: wiring_store.probe_store(settings),
        log=lambda: _log(settings),
        list_keys=lambda: wiring_keys.capture_keys(settings),
        signer=lambda these, ask: wiring_keys.signer(these, ask=ask, show_message=lambda _: None),
        authorities=lambda: wiring_authorities.authorities(settings),
        channels=lambda: ChannelFacts(
            problems=tuple(wiring_notifications.channel_problems(settings)),
            names=tuple(entry.name for entry in wiring_notifications.rules(settings).channels),
        ),
    )


def _log(settings: Settings) -> LogFacts:
    store = wiring_store.store(settings)
    origin = wiring_log.stored_origin(store)
    book = wiring_log.logbook(settings, proofs=store, ask=None, show_message=lambda _: None)
    unlogged = book.owed_count()
    is_lost = not origin and bool(wiring_log.checkpoint_memory(settings).load())
    return LogFacts(
        store_url=store.url,
        origin=origin,
        is_lost=is_lost,
        has_key=not is_lost and wiring_log.has_log_key(settings, origin),
        unlogged=unlogged,
    )
