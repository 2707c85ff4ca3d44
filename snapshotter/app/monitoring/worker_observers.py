"""
Pass what happens in a worker to several observers, and to the notifier.

An observer that fails is reported and ends no capture. Notification events wait in memory, in a
thread of their own, until the database accepts them.
"""

import queue
import threading
from collections.abc import Callable, Sequence
from typing import Final

from typing_extensions import override

from snapshotter.app.monitoring import notification_events
from snapshotter.errors import ServiceUnavailable
from snapshotter.model.job import AttemptEnd, CaptureJob
from snapshotter.model.notification import NotificationEvent
from snapshotter.ports import Clock, JobObserver, Notifier

_RETRY_S: Final = 5.0  # until the next attempt at a database that did not accept an event
_MAX_KEPT: Final = 10_000  # events, while the database does not answer
_CLOSE_S: Final = 5.0  # for events that are left when the worker ends

ReportProblem = Callable[[str], None]


class CombinedObserver(JobObserver):
    """
    Several observers as one. An error of one observer is reported, and the others are called.

    Args:
        complain: Gets a sentence about an observer that failed.
    """

    def __init__(self, listeners: Sequence[JobObserver], complain: ReportProblem) -> None:
        self._listeners = tuple(listeners)
        self._complain = complain

    @override
    def job_began(self, job: CaptureJob, *, attempt: int, worker: str) -> None:
        self._all(lambda observer: observer.job_began(job, attempt=attempt, worker=worker))

    @override
    def job_ended(self, end: AttemptEnd) -> None:
        self._all(lambda observer: observer.job_ended(end))

    @override
    def heartbeat(self, worker: str) -> None:
        self._all(lambda observer: observer.heartbeat(worker))

    @override
    def turned(self, worker: str) -> None:
        self._all(lambda observer: observer.turned(worker))

    @override
    def browser_restarted(self, worker: str, *, why: str) -> None:
        self._all(lambda observer: observer.browser_restarted(worker, why=why))

    @override
    def service_failed(self, service: str, detail: str) -> None:
        self._all(lambda observer: observer.service_failed(service, detail))

    @override
    def fired(self, schedule: str, *, late_s: float) -> None:
        self._all(lambda observer: observer.fired(schedule, late_s=late_s))

    @override
    def tell(self, event: NotificationEvent) -> None:
        self._all(lambda observer: observer.tell(event))

    def _all(self, hear: Callable[[JobObserver], None]) -> None:
        for observer in self._listeners:
            try:
                hear(observer)
            except Exception as error:  # noqa: BLE001  a bug in an observer ends no capture
                self._complain(f"{type(error).__name__}: {error}")


class NotificationObserver(JobObserver):
    """
    Passes events to the notifier, in a thread of its own.

    The database may be down, so no caller waits for it. Events that it did not accept are kept and
    passed on later, in the order in which they happened.
    """

    def __init__(self, notifier: Notifier, clock: Clock, complain: ReportProblem) -> None:
        self._notifier = notifier
        self._clock = clock
        self._complain = complain
        self._events: queue.Queue[NotificationEvent | None] = queue.Queue(_MAX_KEPT)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, name="telling", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Pass on what is left, for a few seconds at most."""
        try:
            self._events.put_nowait(None)
        except queue.Full:
            self._over.set()
        self._thread.join(_CLOSE_S)
        self._over.set()

    @override
    def job_ended(self, end: AttemptEnd) -> None:
        event = notification_events.job_event(end.status, self._clock.now())
        if event is not None:
            self.tell(event)

    @override
    def service_failed(self, service: str, detail: str) -> None:
        self.tell(notification_events.service_event(service, detail, self._clock.now()))

    @override
    def tell(self, event: NotificationEvent) -> None:
        try:
            self._events.put_nowait(event)
        except queue.Full:
            self._complain(
                f"no notification about the event {event.kind} is sent: {_MAX_KEPT} other events "
                "wait for the database"
            )

    def _work(self) -> None:
        while not self._over.is_set():
            event = self._events.get()
            if event is None:
                return
            self._hand_over(event)

    def _hand_over(self, event: NotificationEvent) -> None:
        while not self._over.is_set():
            try:
                return self._notifier.notify(event)
            except ServiceUnavailable as error:
                self._complain(error.message)
                self._over.wait(_RETRY_S)
            except Exception as error:  # noqa: BLE001  the other events are passed on
                return self._complain(
                    f"no notification about the event {event.kind} is sent: "
                    f"{type(error).__name__}: {error}"
                )
