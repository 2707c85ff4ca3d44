"""
Count and measure what a worker does, and provide these numbers and those of the queue to Prometheus
(docs/reference/metrics.md).

Every label has only a small number of values: no addresses, hosts, schedules or jobs. The numbers
about the queue are read when somebody requests the metrics, and at most every few seconds.
"""

import threading
from collections.abc import Callable, Iterable
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from typing_extensions import override

from snapshotter.errors import ServiceUnavailable
from snapshotter.model.job import AttemptEnd, CaptureJob, JobState, QueueMetrics
from snapshotter.model.notification import NotificationEvent, NotificationKind
from snapshotter.ports import JobObserver
from snapshotter.translation import tr

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4
_FRESH_S: Final = 5.0  # for which the queue is not asked again
_OTHER: Final = "other"

_STAGES: Final = (
    "prepare", "launch", "navigate", "settle", "screenshot", "mhtml", "dom", "text", "record",
    "cleanup", "assess", "compress", "seal", "timestamp", "verify", "store", "log", "replay",
    "total",
)  # fmt: skip
_OUTCOMES: Final = ("complete", "partial", "failed")
_SERVICES: Final = ("store", "authority", "database", "browser", "log")
_RESTARTS: Final = ("captures", "memory", "died")
_STAGE_S: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120)
_LATE_S: Final = (1, 5, 15, 30, 60, 300, 900, 3600, 4 * 3600, 24 * 3600)


class Metrics(JobObserver):
    """
    What one worker counts, and what the queue says of itself.

    Args:
        facts: Asks the queue; raises ServiceUnavailable. None: nobody does.
        monotonic: Seconds that never go back, for how old an answer is.
        now: Seconds since 1970.
        process_began: When this process began, on the scale of `monotonic`; None: it is not known.
    """

    def __init__(
        self,
        *,
        version: str,
        facts: Callable[[], QueueMetrics] | None,
        free_bytes: Callable[[], int],
        monotonic: Callable[[], float],
        now: Callable[[], float],
        process_began: float | None = None,
    ) -> None:
        # A second series beside each, which nobody asks for.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # of a library without types here
        self._registry = registry = CollectorRegistry()
        self._now = now
        self._monotonic = monotonic
        self._process_began = process_began  # None once the start was measured
        self._lock = threading.Lock()
        self._in_flight: set[str] = set()
        ProcessCollector(registry=registry)
        Info("snapshotter_build", tr("The version of the program."), registry=registry).info(
            {"version": version}
        )
        self._attempts = Counter(
            "snapshotter_attempts",
            tr("Attempts at captures that ended, by the state of the job after the attempt."),
            ["state"],
            registry=registry,
        )
        self._captures = Counter(
            "snapshotter_captures",
            tr("Captures that were sealed, by outcome."),
            ["outcome"],
            registry=registry,
        )
        self._stages = Histogram(
            "snapshotter_stage_seconds",
            tr("Duration of each stage of the captures that were sealed."),
            ["stage"],
            buckets=_STAGE_S,
            registry=registry,
        )
        self._pictures = Histogram(
            "snapshotter_picture_seconds",
            tr("Duration of each picture of the captures that were sealed."),
            buckets=_STAGE_S,
            registry=registry,
        )
        self._start = Gauge(
            "snapshotter_start_seconds",
            tr("Time from the start of this worker's process to the first turn of its loop."),
            registry=registry,
        )
        self._bytes = Counter(
            "snapshotter_bundle_bytes",
            tr("Bytes of the bundles that were stored."),
            registry=registry,
        )
        flying = Gauge(
            "snapshotter_captures_in_flight", tr("Captures in progress in this worker."),
            registry=registry,
        )  # fmt: skip
        flying.set_function(lambda: len(self._in_flight))
        self._beat = Gauge(
            "snapshotter_heartbeat_timestamp_seconds",
            tr("Time of the last heartbeat of this worker, in seconds since 1970."),
            registry=registry,
        )
        self._restarts = Counter(
            "snapshotter_browser_restarts",
            tr("Replaced browser processes, by reason."),
            ["why"],
            registry=registry,
        )
        self._services = Counter(
            "snapshotter_service_failures",
            tr("Failures of external services."),
            ["service"],
            registry=registry,
        )
        self._late = Histogram(
            "snapshotter_schedule_lateness_seconds",
            tr("Delay with which visits of schedules were handed to the queue."),
            buckets=_LATE_S,
            registry=registry,
        )
        self._events = Counter(
            "snapshotter_events",
            tr(
                "Events of which people can be notified, for example missed visits and lost "
                "workers."
            ),
            ["kind"],
            registry=registry,
        )
        self._messages = Counter(
            "snapshotter_notifications",
            tr(
                "Attempts to deliver notification messages, by result: sent, failed (tried "
                "again) or given-up."
            ),
            ["result"],
            registry=registry,
        )
        space = Gauge(
            "snapshotter_spool_free_bytes",
            tr("Free space on the disk where captures are in progress."),
            registry=registry,
        )  # fmt: skip
        space.set_function(free_bytes)
        self._begin_at_nothing()
        if facts is not None:
            registry.register(_OfQueue(facts, monotonic))

    def exposition(self) -> bytes:
        """Return all numbers in the text format of Prometheus, 0.0.4."""
        return generate_latest(self._registry)

    @override
    def job_began(self, job: CaptureJob, *, attempt: int, worker: str) -> None:
        with self._lock:
            self._in_flight.add(job.id)

    @override
    def job_ended(self, end: AttemptEnd) -> None:
        with self._lock:
            self._in_flight.discard(end.status.job.id)
        self._attempts.labels(end.status.state.value).inc()
        if end.length:
            self._bytes.inc(end.length)
            self._captures.labels(_one_of(_OUTCOMES, end.status.outcome)).inc()
        for stage, ms in end.stage_ms.items():
            self._stages.labels(_one_of(_STAGES, stage)).observe(ms / 1000)
        for ms in end.picture_ms:
            self._pictures.observe(ms / 1000)

    @override
    def turned(self, worker: str) -> None:
        with self._lock:
            began, self._process_began = self._process_began, None
        if began is not None:
            self._start.set(self._monotonic() - began)

    @override
    def heartbeat(self, worker: str) -> None:
        self._beat.set(self._now())

    @override
    def browser_restarted(self, worker: str, *, why: str) -> None:
        self._restarts.labels(_one_of(_RESTARTS, why)).inc()

    @override
    def service_failed(self, service: str, detail: str) -> None:
        self._services.labels(_one_of(_SERVICES, service)).inc()

    @override
    def fired(self, schedule: str, *, late_s: float) -> None:
        self._late.observe(late_s)

    @override
    def tell(self, event: NotificationEvent) -> None:
        self._events.labels(event.kind.value).inc()

    def notified(self, *, sent: int, failed: int, given_up: int) -> None:
        """Count what a round of notifications did."""
        for result, count in (("sent", sent), ("failed", failed), ("given-up", given_up)):
            self._messages.labels(result).inc(count)

    def _begin_at_nothing(self) -> None:
        """Have every series there from the start: a rate over one that appears misses its first."""
        for family, values in (
            (self._attempts, [state.value for state in JobState if state is not JobState.RUNNING]),
            (self._captures, _OUTCOMES),
            (self._restarts, _RESTARTS),
            (self._services, _SERVICES),
            (self._events, [kind.value for kind in NotificationKind]),
            (self._messages, ("sent", "failed", "given-up")),
        ):
            for value in values:
                family.labels(value)
        for stage in _STAGES:
            self._stages.labels(stage)


class _OfQueue(Collector):
    """Asks the queue when somebody looks; what it does not answer is not there."""

    def __init__(self, facts: Callable[[], QueueMetrics], monotonic: Callable[[], float]) -> None:
        self._facts = facts
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._last: tuple[float, QueueMetrics | None] | None = None

    def describe(self) -> Iterable[Metric]:
        return []  # so that registering asks nobody

    @override
    def collect(self) -> Iterable[Metric]:
        facts = self._fresh()
        up = GaugeMetricFamily("snapshotter_queue_up", tr("Whether the queue's database answered."))
        up.add_metric([], 1 if facts else 0)
        yield up
        if facts is None:
            return
        depth = GaugeMetricFamily(
            "snapshotter_queue_jobs", tr("Jobs in the queue, by state."), labels=["state"]
        )
        for state in JobState:
            depth.add_metric([state.value], facts.depth.get(state, 0))
        yield depth
        for name, words, value in (
            ("queue_oldest_due_seconds", "Waiting time of the oldest job that could begin.",
             facts.oldest_due_s),
            ("hosts_deferred", "Hosts that are not visited at present, because of their limits.",
             facts.deferred_hosts),
            ("workers", "Workers whose last heartbeat is recent.", facts.workers),
            ("oldest_heartbeat_seconds",
             "Age of the oldest heartbeat of the workers that have not reported their end.",
             facts.oldest_heartbeat_s),
        ):  # fmt: skip
            yield GaugeMetricFamily(f"snapshotter_{name}", words, value=value)

    def _fresh(self) -> QueueMetrics | None:
        with self._lock:  # of several who look at once, one asks
            if self._last is None or self._monotonic() - self._last[0] >= _FRESH_S:
                try:
                    facts = self._facts()
                except ServiceUnavailable:
                    facts = None
                self._last = (self._monotonic(), facts)
            return self._last[1]


def _one_of(known: Iterable[str], word: str) -> str:
    """Return a word that is known; one that is not must not make a series of its own."""
    return word if word in known else _OTHER
