"""Build the telemetry of a worker: its log, its metrics and health, and its notifications."""

import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import time as time_of_day
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import snapshotter
from snapshotter.app import machine
from snapshotter.app.monitoring.worker_observers import CombinedObserver, NotificationObserver
from snapshotter.app.settings import Settings
from snapshotter.app.wiring import notifications as wiring_notify
from snapshotter.app.wiring import queue as wiring_jobs
from snapshotter.app.wiring import store as wiring_store
from snapshotter.errors import SnapshotterError
from snapshotter.model.job import JobState
from snapshotter.ports import JobObserver, ShowMessage
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

if TYPE_CHECKING:
    from snapshotter.app.monitoring.notification_delivery import NotificationService
    from snapshotter.jobs.database import Database
    from snapshotter.jobs.periodic_task import PeriodicTask
    from snapshotter.telemetry.metrics import Metrics

_ROUND_S: Final = 10.0  # between two rounds of notifications
_TIDY_S: Final = 3600.0
_SWEEP_S: Final = 600.0
_SWEPT: Final = (JobState.INCOMPLETE, JobState.FAILED, JobState.DEAD)
_SWEPT_JOBS: Final = 500  # the newest, at each sweep
_DISK_S: Final = 60.0
_DAY_S: Final = 60.0  # between two questions whether the report about a day is due
_LOW_BYTES, _LOW_SHARE = 2 << 30, 0.05  # an event is made if less than either is free
_READY_BYTES: Final = 1 << 30  # with less a worker is not ready
_DATABASE_S, _STORE_S, _SPOOL_S = 5.0, 60.0, 10.0  # for which an answer counts

LogEvent = Callable[..., None]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerTelemetry:
    """The observers and callbacks of a worker."""

    log_event: LogEvent  # events with fields, for the log
    show_message: ShowMessage  # sentences, for the log
    observer: JobObserver
    periodic_tasks: "tuple[PeriodicTask, ...]"
    url: str  # of metrics and health; "" where there are none


@contextmanager
def worker_telemetry(
    settings: Settings,
    *,
    log_format: str,
    log_level: str,
    listen: str,
    listen_anywhere: bool,
    print_event: LogEvent,
    print_text: ShowMessage,
    start_s: float,
) -> Iterator[WorkerTelemetry]:
    """
    Yield the telemetry of a worker; it ends with the block.

    Args:
        log_format: "text": sentences, by `print_event` and `print_text`. "json": lines on stderr.
        listen: The address of metrics and health; "" for none.
        print_event: Shows an event with its fields to a person.
        print_text: Shows a sentence to a person.
        start_s: How long to wait for the queue's database.

    Raises:
        SnapshotterError: `notify_file` or `listen` is invalid, or the port is in use.
        ServiceUnavailable: The queue's database does not answer.
    """
    from snapshotter.telemetry.logs import LogLevel, WorkerLog, log_libraries

    with ExitStack() as stack:
        listeners: list[JobObserver] = []
        log_event, show_message = print_event, print_text
        if log_format == "json":
            log = WorkerLog(sys.stderr, LogLevel[log_level.upper()])
            stack.enter_context(log_libraries(sys.stderr))
            listeners.append(log)

            def both(event: str, **fields: Any) -> None:
                log(event, **fields)
                print_event(event, **fields)

            def line(text: str) -> None:
                log("said", text=text)

            log_event, show_message = both, line
        clock = machine.SystemClock()
        database = wiring_jobs.open_within(settings, start_s, show_message=show_message)
        stack.callback(database.dispose)
        metrics = None
        url = ""
        if listen:
            metrics, health, url = _served(
                stack, settings, database, listen, anywhere=listen_anywhere, log_event=log_event
            )
            listeners += [metrics, health]
        periodic_tasks: list[PeriodicTask] = []
        if settings.notify_file is not None:
            service = wiring_notify.notification_service(settings)
            stack.callback(service.close)
            telling = NotificationObserver(
                service, clock, complain=lambda text: log_event("notification.failed", error=text)
            )
            stack.callback(telling.close)
            listeners.append(telling)
            periodic_tasks += _notification_tasks(settings, service, database, metrics, log_event)
        observer = CombinedObserver(listeners, lambda text: log_event("worker.bug", error=text))
        periodic_tasks.append(_disk_task(settings, observer, clock))
        yield WorkerTelemetry(
            log_event=log_event,
            show_message=show_message,
            observer=observer,
            periodic_tasks=tuple(periodic_tasks),
            url=url,
        )


def _served(
    stack: ExitStack,
    settings: Settings,
    database: "Database",
    listen: str,
    *,
    anywhere: bool,
    log_event: LogEvent,
) -> "tuple[Metrics, JobObserver, str]":
    from snapshotter.jobs.metrics import queue_metrics
    from snapshotter.jobs.queue.database_queue import database_time
    from snapshotter.telemetry.health import Health, HealthCheck, HealthServer, parse_address
    from snapshotter.telemetry.metrics import CONTENT_TYPE, Metrics

    host, port = parse_address(listen, anywhere=anywhere)
    clock = machine.SystemClock()
    spool = settings.spool_dir
    metrics = Metrics(
        version=snapshotter.__version__,
        facts=lambda: queue_metrics(database),
        free_bytes=lambda: _usage(spool).free,
        monotonic=time.monotonic,
        now=lambda: clock.now().timestamp(),
        process_began=machine.process_began(),
    )
    found = wiring_store.store(settings)

    def database_answers() -> None:
        database_time(database)

    def store_answers() -> None:
        next(iter(found.list("bundles/")), None)

    def spool_has_space() -> None:
        free = _usage(spool).free
        if free < _READY_BYTES:
            raise SnapshotterError(
                tr(
                    "only {free} MB of disk space are free for {spool}",
                    free=free >> 20,
                    spool=spool,
                )
            )

    health = Health(
        (
            HealthCheck(name="database", look=database_answers, every_s=_DATABASE_S),
            HealthCheck(name="store", look=store_answers, every_s=_STORE_S),
            HealthCheck(name="spool", look=spool_has_space, every_s=_SPOOL_S),
        ),
        monotonic=time.monotonic,
        failed=lambda name, why: log_event("health.failed", check=name, error=why),
    )
    stack.callback(health.close)
    server = stack.enter_context(
        HealthServer(
            host, port, health=health, exposition=lambda: (CONTENT_TYPE, metrics.exposition())
        )
    )
    return metrics, health, server.url


def _notification_tasks(
    settings: Settings,
    service: "NotificationService",
    database: "Database",
    metrics: "Metrics | None",
    log_event: LogEvent,
) -> "list[PeriodicTask]":
    from snapshotter.app.monitoring import notification_events
    from snapshotter.jobs.periodic_task import PeriodicTask
    from snapshotter.jobs.queue.database_queue import database_time

    queue = wiring_jobs.queue(settings, database)

    def hand_over() -> None:
        done = service.round()
        if metrics is not None:
            metrics.notified(sent=done.sent, failed=done.failed, given_up=done.given_up)
        for problem in done.problems:
            log_event("notification.failed", error=problem)

    def sweep() -> None:
        # A worker that died after the end of a job may not have passed its event on. An event that
        # was delivered is known by its id.
        now = database_time(database)
        for status in queue.jobs(states=frozenset(_SWEPT), newest=_SWEPT_JOBS):
            event = notification_events.job_event(status, now)
            if event is not None and now - event.at < timedelta(days=1):
                service.notify(event)

    at = wiring_notify.rules(settings).report_day_at
    daily = [] if at is None else [_daily_report_task(settings, service, at)]
    return [
        *daily,
        PeriodicTask(name="notifications", every_s=_ROUND_S, work=hand_over),
        PeriodicTask(name="notifications-tidy", every_s=_TIDY_S, work=service.tidy),
        PeriodicTask(name="notifications-sweep", every_s=_SWEEP_S, work=sweep),
    ]


def _daily_report_task(
    settings: Settings, service: "NotificationService", at: time_of_day
) -> "PeriodicTask":
    from snapshotter.app.archive.screens.day_report import Period, make_day_report
    from snapshotter.app.monitoring.daily_report import DailyReport
    from snapshotter.app.wiring import day_report as wiring_day_report
    from snapshotter.app.wiring import index as wiring_index
    from snapshotter.jobs.periodic_task import PeriodicTask
    from snapshotter.report.day import DayReport

    clock = machine.SystemClock()

    def make(period: Period) -> DayReport:
        with wiring_index.observation_source(settings) as source:
            return make_day_report(
                source,
                period,
                jobs=wiring_day_report.jobs_without_bundle(settings),
                now=clock.now(),
            )

    report = DailyReport(
        service, at=at, store=wiring_store.store_name(settings), make=make, clock=clock
    )
    return PeriodicTask(name="report-day", every_s=_DAY_S, work=report.turn)


def _disk_task(
    settings: Settings, observer: JobObserver, clock: machine.SystemClock
) -> "PeriodicTask":
    from snapshotter.app.monitoring import notification_events
    from snapshotter.jobs.periodic_task import PeriodicTask

    def look() -> None:
        for what, directory in (("spool", settings.spool_dir), ("data", settings.data_dir)):
            usage = _usage(directory)
            if usage.free < max(_LOW_BYTES, _LOW_SHARE * usage.total):
                machine = socket.gethostname()[:60]
                event = notification_events.disk_event(
                    what, usage.free, usage.total, machine, clock.now()
                )
                observer.tell(event)

    return PeriodicTask(name="disk", every_s=_DISK_S, work=look, exclusive=False)


def _usage(directory: Path) -> "shutil._ntuple_diskusage":
    """Return the disk usage of a directory, or of its nearest existing parent."""
    while not directory.exists():
        directory = directory.parent
    return shutil.disk_usage(directory)
