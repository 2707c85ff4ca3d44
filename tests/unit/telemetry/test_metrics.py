"""Numbers: what is counted, what a label may be, and when the queue is asked."""

from dataclasses import replace
from datetime import timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from snapshotter.app.pipeline.stage_timing import STAGES
from snapshotter.errors import ServiceUnavailable
from snapshotter.model.job import AttemptEnd, CaptureJob, JobState, JobStatus, QueueMetrics
from snapshotter.model.notification import UNKNOWN, NotificationEvent, NotificationKind
from snapshotter.telemetry.metrics import Metrics
from tests.fakes.world import START, FixedClock

JOB = CaptureJob(id="j1", url="https://secret.example.org/page?id=7", enqueued_at=START)
STATUS = JobStatus(job=JOB, state=JobState.DONE, outcome="complete")


class Looked:
    """A worker's metrics, read as Prometheus reads them."""

    def __init__(self, clock: FixedClock) -> None:
        self.asked = 0
        self.facts = QueueMetrics(depth={})
        self.gone = False
        self.metrics = Metrics(
            version="1.2.3",
            facts=self._facts,
            free_bytes=lambda: 5_000_000_000,
            monotonic=clock.monotonic,
            now=lambda: clock.now().timestamp(),
            process_began=clock.monotonic() - 2.5,
        )

    def _facts(self) -> QueueMetrics:
        self.asked += 1
        if self.gone:
            raise ServiceUnavailable("gone")
        return self.facts

    @property
    def text(self) -> str:
        return self.metrics.exposition().decode()

    def __getitem__(self, series: str) -> float:
        found = {
            sample.name
            + (
                "{" + ",".join(sample.labels[name] for name in sorted(sample.labels)) + "}"
                if sample.labels
                else ""
            ): sample.value
            for family in text_string_to_metric_families(self.text)
            for sample in family.samples
        }
        return found[series]


@pytest.fixture
def looked(clock: FixedClock) -> Looked:
    return Looked(clock)


def test_a_capture_is_counted_by_state_outcome_stage_and_size(looked: Looked) -> None:
    heard = looked.metrics
    heard.job_began(JOB, attempt=1, worker="w")
    heard.job_began(replace(JOB, id="j2"), attempt=1, worker="w")
    assert looked["snapshotter_captures_in_flight"] == 2

    heard.job_ended(AttemptEnd(status=STATUS, stage_ms={"launch": 900, "total": 4000}, length=1234))
    heard.job_ended(
        AttemptEnd(status=replace(STATUS, job=replace(JOB, id="j2"), state=JobState.WAITING))
    )

    assert looked["snapshotter_captures_in_flight"] == 0
    assert looked["snapshotter_attempts_total{done}"] == 1
    assert looked["snapshotter_attempts_total{waiting}"] == 1
    assert looked["snapshotter_captures_total{complete}"] == 1
    assert looked["snapshotter_bundle_bytes_total"] == 1234
    assert looked["snapshotter_stage_seconds_sum{launch}"] == 0.9
    assert looked["snapshotter_stage_seconds_bucket{1.0,launch}"] == 1
    assert looked["snapshotter_stage_seconds_bucket{0.5,launch}"] == 0


def test_each_picture_and_the_start_of_the_worker_are_measured(
    looked: Looked, clock: FixedClock
) -> None:
    looked.metrics.job_ended(
        AttemptEnd(status=STATUS, stage_ms={"screenshot": 900}, length=1, picture_ms=(80, 120, 700))
    )
    looked.metrics.turned("w")
    clock.advance(timedelta(seconds=60))
    looked.metrics.turned("w")

    assert looked["snapshotter_picture_seconds_count"] == 3
    assert looked["snapshotter_picture_seconds_sum"] == pytest.approx(0.9)
    assert looked["snapshotter_picture_seconds_bucket{0.1}"] == 1
    assert looked["snapshotter_start_seconds"] == 2.5  # at the first turn


def test_every_stage_of_a_capture_is_counted_under_its_own_name(looked: Looked) -> None:
    stages = (*STAGES, "compress", "log", "replay", "total")
    looked.metrics.job_ended(AttemptEnd(status=STATUS, stage_ms=dict.fromkeys(stages, 1), length=1))

    assert [
        stage for stage in stages if looked[f"snapshotter_stage_seconds_count{{{stage}}}"] != 1
    ] == []


def test_workers_services_schedules_and_events_are_counted(
    looked: Looked, clock: FixedClock
) -> None:
    heard = looked.metrics
    clock.advance(timedelta(seconds=10))
    heard.heartbeat("w")
    heard.browser_restarted("w", why="died")
    heard.service_failed("authority", "it did not answer")
    heard.fired("news", late_s=61)
    heard.tell(
        NotificationEvent(
            id="g1",
            kind=NotificationKind.SCHEDULE_GAP,
            at=START,
            subject="news",
            summary="missed",
            about=(UNKNOWN,),
        )
    )
    heard.notified(sent=2, failed=1, given_up=0)

    assert looked["snapshotter_heartbeat_timestamp_seconds"] == clock.now().timestamp()
    assert looked["snapshotter_browser_restarts_total{died}"] == 1
    assert looked["snapshotter_service_failures_total{authority}"] == 1
    assert looked["snapshotter_schedule_lateness_seconds_bucket{300.0}"] == 1
    assert looked["snapshotter_schedule_lateness_seconds_bucket{60.0}"] == 0
    assert looked["snapshotter_events_total{schedule.gap}"] == 1
    assert looked["snapshotter_notifications_total{sent}"] == 2
    assert looked["snapshotter_spool_free_bytes"] == 5_000_000_000
    assert looked["snapshotter_build_info{1.2.3}"] == 1


def test_the_queue_says_how_full_it_is_and_is_not_asked_again_at_once(
    looked: Looked, clock: FixedClock
) -> None:
    assert looked.asked == 0  # making the metrics asks nobody
    looked.facts = QueueMetrics(
        depth={JobState.WAITING: 40, JobState.DEAD: 2},
        oldest_due_s=12.5, deferred_hosts=3, workers=2, oldest_heartbeat_s=4.0,
    )  # fmt: skip

    assert looked["snapshotter_queue_jobs{waiting}"] == 40
    assert looked["snapshotter_queue_jobs{dead}"] == 2
    assert looked["snapshotter_queue_jobs{running}"] == 0
    assert looked["snapshotter_queue_oldest_due_seconds"] == 12.5
    assert looked["snapshotter_hosts_deferred"] == 3
    assert looked["snapshotter_workers"] == 2
    assert looked["snapshotter_oldest_heartbeat_seconds"] == 4
    assert looked["snapshotter_queue_up"] == 1
    assert looked.asked == 1

    looked.gone = True
    clock.advance(timedelta(seconds=6))
    assert looked["snapshotter_queue_up"] == 0
    assert "snapshotter_queue_jobs" not in looked.text
    assert looked.asked == 2


def test_no_address_and_no_word_of_somebody_elses_becomes_a_label(looked: Looked) -> None:
    before = looked.text.count("\n")
    heard = looked.metrics
    for number in range(100):
        job = replace(JOB, id=f"j{number}", url=f"https://secret{number}.example.org/")
        heard.job_began(job, attempt=1, worker=f"worker-{number}")
        status = replace(STATUS, job=job, outcome=f"outcome-{number}", worker=f"worker-{number}")
        heard.job_ended(AttemptEnd(status=status, stage_ms={f"stage-{number}": 1}, length=1))
        heard.browser_restarted(f"worker-{number}", why=f"why-{number}")
        heard.service_failed(f"service-{number}", "no")
        heard.fired(f"schedule-{number}", late_s=0)

    text = looked.text
    assert "example" not in text.replace(", for example ", "")  # in the help of a series
    assert "worker-" not in text
    assert looked["snapshotter_stage_seconds_count{other}"] == 100
    assert text.count("\n") < before + 40


def test_every_series_is_there_from_the_start(looked: Looked) -> None:
    assert looked["snapshotter_attempts_total{dead}"] == 0
    assert looked["snapshotter_events_total{audit.failed}"] == 0
    assert "_created" not in looked.text
