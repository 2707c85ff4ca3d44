"""Build what watches a worker: its log, metrics, health, and whoever tells people."""

import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import snapshotter
from snapshotter.app import machine, wiring_jobs, wiring_notify, wiring_store
from snapshotter.app.observers import Listeners, Telling
from snapshotter.app.settings import Settings
from snapshotter.errors import SnapshotterError
from snapshotter.model.job import JobState
from snapshotter.ports import JobObserver, Tell

if TYPE_CHECKING:
    from snapshotter.app.notifying import NotificationDesk
    from snapshotter.jobs.database import Database
    from snapshotter.jobs.duty import Duty
    from snapshotter.telemetry.metrics import Metrics

_ROUND_S: Final = 10.0  # between two looks at what has to be told
_TIDY_S: Final = 3600.0
_SWEEP_S: Final = 600.0
_SWEPT: Final = (JobState.INCOMPLETE, JobState.FAILED, JobState.DEAD)
_SWEPT_JOBS: Final = 500  # the newest, at each sweep
_DISK_S: Final = 60.0
_LOW_BYTES, _LOW_SHARE = 2 << 30, 0.05  # told when less than one of these is free
_READY_BYTES: Final = 1 << 30  # with less a worker is not ready
_DATABASE_S, _STORE_S, _SPOOL_S = 5.0, 60.0, 10.0  # for which an answer counts

Told = Callable[..., None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What a worker is given so that it can be watched."""

    told: Told  # events with fields, for the log
    tell: Tell  # sentences, for the log
    observer: JobObserver
    duties: "tuple[Duty, ...]"
    url: str  # of metrics and health; "" where there are none


@contextmanager
def watched(
    settings: Settings,
    *,
    log_format: str,
    log_level: str,
    listen: str,
    listen_anywhere: bool,
    words: Told,
    say: Tell,
    start_s: float,
) -> Iterator[Watched]:
    """
    Give what watches a worker; it ends with the block.

    Args:
        log_format: "text": sentences, by `words` and `say`. "json": lines on stderr.
        listen: Where metrics and health are; "" for none.
        words: Says an event with its fields to a person.
        say: Says a sentence to a person.
        start_s: For which the queue's database is waited for.

    Raises:
        SnapshotterError: `notify_file` or `listen` is no good, or the port is taken.
        ServiceUnavailable: The queue's database does not answer.
    """
    from snapshotter.telemetry.logs import Level, WorkerLog, libraries

    with ExitStack() as stack:
        listeners: list[JobObserver] = []
        told, tell = words, say
        if log_format == "json":
            log = WorkerLog(sys.stderr, Level[log_level.upper()])
            stack.enter_context(libraries(sys.stderr))
            listeners.append(log)

            def both(event: str, **fields: Any) -> None:
                log(event, **fields)
                words(event, **fields)

            def line(text: str) -> None:
                log("said", text=text)

            told, tell = both, line
        clock = machine.SystemClock()
        database = wiring_jobs.opened_within(settings, start_s, tell=tell)
        stack.callback(database.dispose)
        metrics = None
        url = ""
        if listen:
            metrics, health, url = _served(
                stack, settings, database, listen, anywhere=listen_anywhere, told=told
            )
            listeners += [metrics, health]
        duties: list[Duty] = []
        if settings.notify_file is not None:
            desk = wiring_notify.notification_desk(settings)
            stack.callback(desk.close)
            telling = Telling(
                desk, clock, complain=lambda text: told("notification.failed", error=text)
            )
            stack.callback(telling.close)
            listeners.append(telling)
            duties += _notification_duties(settings, desk, database, metrics, told)
        observer = Listeners(listeners, lambda text: told("worker.bug", error=text))
        duties.append(_disk_duty(settings, observer, clock))
        yield Watched(told=told, tell=tell, observer=observer, duties=tuple(duties), url=url)


def _served(
    stack: ExitStack,
    settings: Settings,
    database: "Database",
    listen: str,
    *,
    anywhere: bool,
    told: Told,
) -> "tuple[Metrics, JobObserver, str]":
    from snapshotter.jobs.facts import facts
    from snapshotter.jobs.queue import now_of
    from snapshotter.telemetry.health import Check, Health, HealthServer, parse_address
    from snapshotter.telemetry.metrics import CONTENT_TYPE, Metrics

    host, port = parse_address(listen, anywhere=anywhere)
    clock = machine.SystemClock()
    spool = settings.spool_dir
    metrics = Metrics(
        version=snapshotter.__version__,
        facts=lambda: facts(database),
        free_bytes=lambda: _usage(spool).free,
        monotonic=time.monotonic,
        now=lambda: clock.now().timestamp(),
    )
    found = wiring_store.store(settings)

    def database_answers() -> None:
        now_of(database)

    def store_answers() -> None:
        next(iter(found.list("bundles/")), None)

    def spool_has_space() -> None:
        free = _usage(spool).free
        if free < _READY_BYTES:
            raise SnapshotterError(f"{free >> 20} MB are free for {spool}")

    health = Health(
        (
            Check(name="database", look=database_answers, every_s=_DATABASE_S),
            Check(name="store", look=store_answers, every_s=_STORE_S),
            Check(name="spool", look=spool_has_space, every_s=_SPOOL_S),
        ),
        monotonic=time.monotonic,
        failed=lambda name, why: told("health.failed", check=name, error=why),
    )
    stack.callback(health.close)
    server = stack.enter_context(
        HealthServer(
            host, port, health=health, exposition=lambda: (CONTENT_TYPE, metrics.exposition())
        )
    )
    return metrics, health, server.url


def _notification_duties(
    settings: Settings,
    desk: "NotificationDesk",
    database: "Database",
    metrics: "Metrics | None",
    told: Told,
) -> "list[Duty]":
    from snapshotter.app import events
    from snapshotter.jobs.duty import Duty
    from snapshotter.jobs.queue import now_of

    queue = wiring_jobs.queue(settings, database)

    def hand_over() -> None:
        done = desk.round()
        if metrics is not None:
            metrics.notified(sent=done.sent, failed=done.failed, given_up=done.given_up)
        for problem in done.problems:
            told("notification.failed", error=problem)

    def sweep() -> None:
        # A worker that died between the end of a job and the telling has told nobody. Whatever
        # was told is known by its id.
        now = now_of(database)
        for status in queue.jobs(states=frozenset(_SWEPT), newest=_SWEPT_JOBS):
            event = events.of_job(status, now)
            if event is not None and now - event.at < timedelta(days=1):
                desk.notify(event)

    return [
        Duty(name="notifications", every_s=_ROUND_S, work=hand_over),
        Duty(name="notifications-tidy", every_s=_TIDY_S, work=desk.tidy),
        Duty(name="notifications-sweep", every_s=_SWEEP_S, work=sweep),
    ]


def _disk_duty(settings: Settings, observer: JobObserver, clock: machine.SystemClock) -> "Duty":
    from snapshotter.app import events
    from snapshotter.jobs.duty import Duty

    def look() -> None:
        for what, directory in (("spool", settings.spool_dir), ("data", settings.data_dir)):
            usage = _usage(directory)
            if usage.free < max(_LOW_BYTES, _LOW_SHARE * usage.total):
                machine = socket.gethostname()[:60]
                event = events.of_disk(what, usage.free, usage.total, machine, clock.now())
                observer.tell(event)

    return Duty(name="disk", every_s=_DISK_S, work=look, alone=False)


def _usage(directory: Path) -> "shutil._ntuple_diskusage":
    """Return the space of a directory, or of what it would be made in."""
    while not directory.exists():
        directory = directory.parent
    return shutil.disk_usage(directory)
