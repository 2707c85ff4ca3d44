"""Whoever watches a worker costs it nothing, and people are told whatever is gone meanwhile."""

import json
import threading
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import update
from typing_extensions import override

from snapshotter.app import settings
from snapshotter.app.monitoring.worker_observers import CombinedObserver, NotificationObserver
from snapshotter.app.wiring import notifications as wiring_notify
from snapshotter.app.wiring import queue as wiring_jobs
from snapshotter.app.wiring import telemetry as wiring_telemetry
from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.formats.signatures.standard_webhooks import new_secret
from snapshotter.jobs.queue.database_queue import database_time
from snapshotter.jobs.queue.job_table import JOB
from snapshotter.model.job import AttemptEnd, JobState, JobStatus
from snapshotter.model.notification import NotificationEvent, NotificationKind
from snapshotter.ports import JobObserver
from tests.fakes.world import START, FixedClock
from tests.servers.receiver import Receiver
from tests.unit.jobs.making import job

FAILED = JobStatus(job=job("one"), state=JobState.FAILED, attempts=1, error="no", ended_at=START)


@dataclass
class Told:
    """Takes events over once the database is there."""

    gone: int = 0  # calls for which it is not
    events: list[NotificationEvent] = field(default_factory=list)

    def notify(self, event: NotificationEvent) -> None:
        if self.gone:
            self.gone -= 1
            raise ServiceUnavailable("the database is gone")
        self.events.append(event)


def lost(number: int) -> NotificationEvent:
    return NotificationEvent(
        id=f"worker.lost/{number}",
        kind=NotificationKind.WORKER_LOST,
        at=START,
        subject="w",
        summary="gone",
        about=(),
    )


def test_one_listener_that_fails_is_told_of_and_the_others_hear() -> None:
    class Broken(JobObserver):
        @override
        def heartbeat(self, worker: str) -> None:
            raise KeyError(worker)

    class Counting(JobObserver):
        count = 0

        @override
        def heartbeat(self, worker: str) -> None:
            self.count += 1

    said: list[str] = []
    counting = Counting()

    CombinedObserver([Broken(), counting], said.append).heartbeat("w1")

    assert counting.count == 1
    assert said == ["KeyError: 'w1'"]


def test_every_word_of_a_worker_reaches_every_listener() -> None:
    words = {name for name in vars(JobObserver) if not name.startswith("_")}

    assert len(words) > 5
    assert words - set(vars(CombinedObserver)) == set()


def test_a_database_that_is_gone_delays_what_is_told_and_loses_nothing(
    monkeypatch: pytest.MonkeyPatch, clock: FixedClock
) -> None:
    monkeypatch.setattr("snapshotter.app.monitoring.worker_observers._RETRY_S", 0.001)
    notifier = Told(gone=3)
    said: list[str] = []
    telling = NotificationObserver(notifier, clock, said.append)

    for number in range(5):
        telling.tell(lost(number))
    telling.close()

    assert [event.id for event in notifier.events] == [
        f"worker.lost/{number}" for number in range(5)
    ]
    assert said == ["the database is gone"] * 3


def test_whoever_is_heard_does_not_wait_for_the_database(clock: FixedClock) -> None:
    there = threading.Event()

    class Slow(Told):
        @override
        def notify(self, event: NotificationEvent) -> None:
            there.wait(30)
            super().notify(event)

    notifier = Slow()
    telling = NotificationObserver(notifier, clock, lambda text: None)
    telling.job_ended(AttemptEnd(status=FAILED))  # returns at once
    telling.service_failed("store", "it did not answer")
    assert notifier.events == []

    there.set()
    telling.close()

    assert [event.kind for event in notifier.events] == [
        NotificationKind.CAPTURE_FAILED, NotificationKind.SERVICE_FAILED,
    ]  # fmt: skip


def test_a_bug_in_telling_is_said_and_the_next_event_is_told(clock: FixedClock) -> None:
    class Broken(Told):
        @override
        def notify(self, event: NotificationEvent) -> None:
            if event.id.endswith("/0"):
                raise ValueError("no")
            super().notify(event)

    notifier = Broken()
    said: list[str] = []
    telling = NotificationObserver(notifier, clock, said.append)
    telling.tell(lost(0))
    telling.tell(lost(1))
    telling.close()

    assert [event.id for event in notifier.events] == ["worker.lost/1"]
    assert said == ["no notification about the event worker.lost is sent: ValueError: no"]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SNAPSHOTTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("SNAPSHOTTER_SPOOL_DIR", str(tmp_path / "spool"))
    monkeypatch.setenv("SNAPSHOTTER_STORE", str(tmp_path / "captures"))
    return tmp_path


def watched(**more: Any) -> Any:
    given: dict[str, Any] = {
        "log_format": "text", "log_level": "info", "listen": "", "listen_anywhere": False,
        "start_s": 0,
        "print_event": lambda event, **fields: None, "print_text": lambda text: None, **more,
    }  # fmt: skip
    return wiring_telemetry.worker_telemetry(settings.load(), **given)


def test_a_worker_is_watched_from_its_log_to_somebody_who_is_told(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "secret").write_text(f"{new_secret()}\n")
    (home / "secret").chmod(0o600)
    with Receiver() as receiver:
        (home / "notify.toml").write_text(
            f'group_s = 0\n[[channel]]\nname = "desk"\ntype = "webhook"\nurl = "{receiver.url}"\n'
            'secret_file = "secret"\nallow_networks = ["127.0.0.1"]\n'
        )
        monkeypatch.setenv("SNAPSHOTTER_NOTIFY_FILE", str(home / "notify.toml"))
        with watched(log_format="json", listen="127.0.0.1:0") as telemetry:
            telemetry.observer.heartbeat("w1")
            telemetry.observer.job_began(FAILED.job, attempt=1, worker="w1")
            telemetry.observer.job_ended(AttemptEnd(status=FAILED))
            telemetry.log_event("worker.trouble", error="something")
            telemetry.show_message("a sentence")
            ready = httpx.get(f"{telemetry.url}/readyz", trust_env=False).json()
            alive = httpx.get(f"{telemetry.url}/healthz", trust_env=False).status_code
        # What was told on the way out is there for the next worker's first round.
        with watched(listen="127.0.0.1:0") as telemetry:
            periodic_tasks = {duty.name: duty for duty in telemetry.periodic_tasks}
            for name in ("notifications", "notifications-sweep", "notifications-tidy", "disk"):
                periodic_tasks[name].work()
            metrics = httpx.get(f"{telemetry.url}/metrics", trust_env=False).text

    assert (alive, ready["status"]) == (200, "ok")
    (posted,) = receiver.posted
    assert json.loads(posted.body)["data"]["events"][0]["job_id"] == "one"
    assert 'snapshotter_notifications_total{result="sent"} 1.0' in metrics
    out, err = capsys.readouterr()
    assert out == ""
    lines = [json.loads(line) for line in err.splitlines()]
    assert [line["event"] for line in lines] == ["job.ended", "worker.trouble", "said"]


def test_a_job_that_nobody_told_of_is_found_by_the_sweep_and_told_once(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "notify.toml").write_text(
        'group_s = 0\n[[channel]]\nname = "desk"\ntype = "webhook"\nurl = "https://h.example/"\n'
        'secret_file = "secret"\n'
    )
    monkeypatch.setenv("SNAPSHOTTER_NOTIFY_FILE", str(home / "notify.toml"))
    read = settings.load()
    database = wiring_jobs.database(read)
    wiring_jobs.queue(read, database).put([job("one"), job("two"), job("old")])
    with database.begin() as connection:
        now = database_time(database)
        failed = {"state": JobState.FAILED, "attempts": 1, "ended_at": now}
        connection.execute(update(JOB).where(JOB.c.id == "one").values(**failed))
        old = failed | {"ended_at": now.replace(year=now.year - 1)}
        connection.execute(update(JOB).where(JOB.c.id == "old").values(**old))
    database.dispose()

    with watched() as telemetry:
        (sweep,) = [duty for duty in telemetry.periodic_tasks if duty.name == "notifications-sweep"]
        sweep.work()
        sweep.work()

    with closing(wiring_notify.outbox(read)) as outbox:
        waiting, _ = outbox.waiting()
    assert [message.event.job_id for message in waiting] == ["one"]


def test_a_disk_that_is_nearly_full_is_told_and_a_worker_is_not_ready(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage:
        total, free = 100 << 30, 500 << 20

    monkeypatch.setattr(wiring_telemetry, "_usage", lambda directory: Usage)
    said: list[tuple[str, dict[str, Any]]] = []
    with watched(
        listen="127.0.0.1:0", print_event=lambda event, **fields: said.append((event, fields))
    ) as telemetry:
        heard: list[NotificationEvent] = []
        monkeypatch.setattr(telemetry.observer, "tell", heard.append)
        (disk,) = telemetry.periodic_tasks
        disk.work()
        answer = httpx.get(f"{telemetry.url}/readyz", trust_env=False)

    assert answer.status_code == 503
    assert answer.json()["checks"] == {"database": "ok", "spool": "failed", "store": "ok"}
    assert said[-1][0] == "health.failed"
    assert [event.kind for event in heard] == [NotificationKind.DISK_LOW] * 2


def test_an_address_that_others_reach_or_a_file_that_is_no_good_ends_it_at_once(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        pytest.raises(SnapshotterError, match=("other machines can reach")),
        watched(listen="0.0.0.0:0"),
    ):
        pass
    monkeypatch.setenv("SNAPSHOTTER_NOTIFY_FILE", str(home / "absent.toml"))
    with pytest.raises(SnapshotterError, match=r"absent\.toml"), watched():
        pass
