"""Lines of a worker's log: what stands in each, and what never does."""

import io
import json
import logging
import warnings
from dataclasses import replace
from typing import Any

import pytest
from typing_extensions import override

from snapshotter.model.job import AttemptEnd, CaptureJob, JobState, JobStatus
from snapshotter.model.notification import NotificationEvent, NotificationKind, NotificationScope
from snapshotter.telemetry.logs import LogLevel, WorkerLog, log_libraries, redact_fields
from tests.fakes.world import START

JOB = CaptureJob(
    id="j1",
    url="https://me:pw@news.example.org/a?id=7&token=hidden#frag",
    enqueued_at=START,
    origin="cli",
)
STATUS = JobStatus(
    job=JOB,
    state=JobState.INCOMPLETE,
    attempts=2,
    worker="w1",
    bundle_id="b1",
    outcome="partial",
    http_status=200,
    exit_code=3,
    error="nothing at https://news.example.org/b?session=xyz",
    title="A title of the page's own",
)


class Paper:
    """A stream, and what was written there as objects."""

    def __init__(self) -> None:
        self.stream = io.StringIO()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]


@pytest.fixture
def paper() -> Paper:
    return Paper()


def test_every_line_of_a_job_has_its_id_attempt_host_and_worker(paper: Paper) -> None:
    log = WorkerLog(paper.stream, LogLevel.DEBUG)
    log.job_began(JOB, attempt=2, worker="w1")
    log("job.began", job="j1", url=JOB.url)
    log("slot.said", job="j1", text="a sentence")
    log.job_ended(AttemptEnd(status=STATUS, stage_ms={"launch": 900, "total": 4000}, length=1234))
    log("worker.ended", worker="w1", done=1)

    began, said, ended, over = paper.lines
    for line in (began, said, ended):
        assert (line["job_id"], line["attempt"]) == ("j1", 2)
        assert (line["host"], line["worker"]) == ("news.example.org", "w1")
    assert list(began)[:3] == ["at", "level", "event"]
    assert began["at"].endswith("Z")
    assert ended | {"at": ""} == {
        "at": "", "level": "info", "event": "job.ended", "job_id": "j1", "attempt": 2,
        "host": "news.example.org", "worker": "w1", "bundle_id": "b1", "bytes": 1234,
        "error": "nothing at https://news.example.org/b?session=…", "exit_code": 3,
        "http_status": 200, "origin": "cli", "outcome": "partial", "state": "incomplete",
        "stage_ms": {"launch": 900, "total": 4000},
    }  # fmt: skip
    assert "job_id" not in over


def test_no_password_no_value_of_a_query_and_no_secret_is_ever_written(paper: Paper) -> None:
    log = WorkerLog(paper.stream, LogLevel.DEBUG)
    log("job.began", job="j1", url=JOB.url)
    log("x", error=f"at {JOB.url} and {JOB.url}", deep={"final_url": JOB.url, "cookie": "s=1"})
    log("y", many=[JOB.url], password="pw", passphrase="pw", data=b"pw", other=object())
    log("z", url="https://h/?a=pw with a blank and 'quotes'")

    text = paper.stream.getvalue()
    assert "pw" not in text
    assert "hidden" not in text
    assert "frag" not in text
    assert "s=1" not in text
    assert paper.lines[0]["url"] == "https://news.example.org/a?id=…&token=…#…"
    assert paper.lines[2]["password"] == "…"


def test_a_title_is_in_no_line_and_nothing_steers_a_terminal(paper: Paper) -> None:
    log = WorkerLog(paper.stream, LogLevel.DEBUG)
    log.job_ended(AttemptEnd(status=replace(STATUS, error="a\x1b[31m\u202e\nb" + "x" * 9000)))

    (written,) = paper.stream.getvalue().splitlines()
    assert written.isascii()
    assert written.isprintable()
    assert len(written) < 5000
    assert "title" not in written


def test_levels_are_kept(paper: Paper) -> None:
    log = WorkerLog(paper.stream, LogLevel.WARNING)
    log.job_ended(AttemptEnd(status=STATUS))
    log.heartbeat("w1")
    log.service_failed("store", "it did not answer")
    log("worker.bug", error="KeyError: 'x'")

    assert [(line["event"], line["level"]) for line in paper.lines] == [
        ("service.failed", "warning"),
        ("worker.bug", "error"),
    ]


def test_what_observers_hear_is_written(paper: Paper) -> None:
    log = WorkerLog(paper.stream, LogLevel.DEBUG)
    log.fired("news", late_s=1.23456)
    log.heartbeat("w1")
    log.tell(
        NotificationEvent(
            id="g1", kind=NotificationKind.SCHEDULE_GAP, at=START, subject="news", summary="missed",
            detail=f"not visited: {JOB.url}", about=(NotificationScope.of(JOB),),
        )
    )  # fmt: skip

    fired, _, told = paper.lines
    assert (fired["event"], fired["schedule"], fired["late_s"]) == ("schedule.fired", "news", 1.235)
    assert (told["event"], told["kind"], told["id"]) == ("event", "schedule.gap", "g1")
    assert "token=hidden" not in told["detail"]


def test_a_log_that_can_not_be_written_costs_nothing() -> None:
    class Full(io.StringIO):
        @override
        def write(self, text: str) -> int:
            raise OSError(28, "No space left on device")

    WorkerLog(Full(), LogLevel.INFO)("worker.started", worker="w1")
    closed = io.StringIO()
    closed.close()
    WorkerLog(closed, LogLevel.INFO)("worker.started", worker="w1")


def test_libraries_write_lines_of_the_same_kind_and_no_details(paper: Paper) -> None:
    root = logging.getLogger()
    before = list(root.handlers)
    with log_libraries(paper.stream):
        other = logging.getLogger("somebody.else")
        other.warning("could not %s %s", "reach", JOB.url)
        other.info("GET %s", JOB.url)
        try:
            raise KeyError(JOB.url)
        except KeyError:
            other.exception("it broke")
    assert root.handlers == before

    first, second = paper.lines
    assert first["event"] == "could not reach https://news.example.org/a?id=…&token=…#…"
    assert (first["level"], first["logger"]) == ("warning", "somebody.else")
    assert "KeyError" in second["exception"]
    assert "hidden" not in paper.stream.getvalue()


def test_warnings_of_python_are_lines_too(paper: Paper) -> None:
    with log_libraries(paper.stream), warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        warnings.warn("an old way", stacklevel=1)

    (line,) = paper.lines
    assert "an old way" in line["event"]


def test_sentences_for_people_leave_out_the_same() -> None:
    assert redact_fields({"url": JOB.url, "job": "j1", "n": 3}) == {
        "url": "https://news.example.org/a?id=…&token=…#…",
        "job": "j1",
        "n": 3,
    }


def test_a_hint_with_commands_is_one_line() -> None:
    assert redact_fields({"hint": "check the machine:\n  snapshotter doctor"}) == {
        "hint": "check the machine: snapshotter doctor"
    }
