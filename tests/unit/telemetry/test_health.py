"""Health on loopback: alive, ready, and nothing for strangers."""

import http.client
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.telemetry.health import ALIVE_S, Health, HealthCheck, HealthServer, parse_address
from tests.fakes.world import FixedClock


class Worker:
    """Checks that a test can fail, and what was said of them."""

    def __init__(self, clock: FixedClock) -> None:
        self.gone: set[str] = set()
        self.looks: list[str] = []
        self.said: list[tuple[str, str]] = []
        self.health = Health(
            tuple(
                HealthCheck(name=name, look=self._look(name), every_s=every_s)
                for name, every_s in (("database", 5.0), ("store", 60.0))
            ),
            monotonic=clock.monotonic,
            failed=lambda name, why: self.said.append((name, why)),
        )

    def _look(self, name: str) -> Callable[[], None]:
        def look() -> None:
            self.looks.append(name)
            if name in self.gone:
                raise ServiceUnavailable(f"the {name} at s3://secret did not answer")

        return look

    @contextmanager
    def served(self) -> Iterator[int]:
        exposition = ("text/plain", b"snapshotter_up 1\n")
        with HealthServer(
            "127.0.0.1", 0, health=self.health, exposition=lambda: exposition
        ) as server:
            yield int(server.url.rpartition(":")[2])


@pytest.fixture
def worker(clock: FixedClock) -> Iterator[Worker]:
    made = Worker(clock)
    yield made
    made.health.close()


def get(port: int, path: str, host: str = "", method: str = "GET") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request(method, path, headers={"Host": host} if host else {})
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, body


def test_a_worker_is_alive_while_its_loop_turns(worker: Worker, clock: FixedClock) -> None:
    with worker.served() as port:
        assert get(port, "/healthz")[0] == 200  # it has only begun
        clock.advance(timedelta(seconds=121))
        assert get(port, "/healthz")[0] == 503
        worker.health.heartbeat("w")
        assert get(port, "/healthz")[0] == 503
        worker.health.turned("w")
        assert json.loads(get(port, "/healthz")[1]) == {
            "checks": {"loop": "ok"},
            "status": "ok",
        }
        clock.advance(timedelta(seconds=ALIVE_S))
        assert get(port, "/healthz")[0] == 503


def test_a_worker_is_ready_when_all_that_it_needs_is_there(
    worker: Worker, clock: FixedClock
) -> None:
    worker.gone.add("store")
    with worker.served() as port:
        status, body = get(port, "/readyz")
        assert (status, json.loads(body)["checks"]) == (503, {"database": "ok", "store": "failed"})
        assert "secret" not in body
        assert worker.said == [("store", "the store at s3://secret did not answer")]
        worker.gone.clear()
        clock.advance(timedelta(seconds=60))
        assert get(port, "/readyz")[0] == 200


def test_probes_do_not_hammer_a_store(worker: Worker, clock: FixedClock) -> None:
    for _ in range(20):
        worker.health.ready()
        clock.advance(timedelta(seconds=2))

    assert worker.looks.count("store") == 1
    assert worker.looks.count("database") == 7


def test_a_check_that_hangs_is_one_that_failed_and_is_not_begun_twice(
    clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging, looks = threading.Event(), 0

    def hang_later() -> None:
        nonlocal looks
        looks += 1
        if looks > 1:
            hanging.wait(30)

    said: list[str] = []
    health = Health(
        (
            HealthCheck(name="store", look=hang_later, every_s=60),
            HealthCheck(name="disk", look=lambda: None, every_s=600),
        ),
        monotonic=clock.monotonic,
        failed=lambda name, why: said.append(f"{name}: {why}"),
    )
    assert health.ready() == {"store": True, "disk": True}
    clock.advance(timedelta(seconds=61))
    monkeypatch.setattr("snapshotter.telemetry.health._ANSWER_S", 0.05)
    try:
        assert health.ready() == {"store": False, "disk": True}
        assert health.ready() == {"store": False, "disk": True}
    finally:
        hanging.set()
        health.close()

    assert looks == 2
    assert said == ["store: no answer within 0.05 s"] * 2


def test_a_bug_in_a_check_is_a_check_that_failed(clock: FixedClock) -> None:
    said: list[str] = []

    def look() -> None:
        int("x")

    check = HealthCheck(name="store", look=look, every_s=1)
    health = Health((check,), monotonic=clock.monotonic, failed=lambda name, why: said.append(why))

    assert health.ready() == {"store": False}
    health.close()
    assert said[0].startswith("ValueError")


def test_metrics_and_nothing_else_is_served(worker: Worker) -> None:
    with worker.served() as port:
        assert get(port, "/metrics?x=1") == (200, "snapshotter_up 1\n")
        assert get(port, "/metrics", method="HEAD") == (200, "")
        assert get(port, "/")[0] == 404
        assert get(port, "/metrics", method="POST")[0] == 501


@pytest.mark.parametrize(
    ("host", "status"),
    [("localhost:9464", 200), ("127.0.0.2", 200), ("[::1]:1", 200), ("rebound.example", 421)],
)
def test_a_page_with_a_name_for_this_machine_reads_nothing(
    worker: Worker, host: str, status: int
) -> None:
    with worker.served() as port:
        assert get(port, "/metrics", host)[0] == status


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("127.0.0.1:9464", ("127.0.0.1", 9464)),
        ("localhost:0", ("127.0.0.1", 0)),
        ("[::1]:9464", ("::1", 9464)),
    ],
)
def test_loopback_needs_no_further_word(text: str, found: tuple[str, int]) -> None:
    assert parse_address(text, anywhere=False) == found


@pytest.mark.parametrize("text", ["0.0.0.0:9464", "[::]:9464", "192.168.1.2:9464"])
def test_where_others_can_look_somebody_has_to_want_it(text: str) -> None:
    with pytest.raises(SnapshotterError, match="other machines can reach") as caught:
        parse_address(text, anywhere=False)

    assert "--listen-anywhere" in caught.value.hint
    assert parse_address(text, anywhere=True)[1] == 9464


@pytest.mark.parametrize(
    "text", ["", "9464", ":9464", "127.0.0.1", "host.example:1", "127.0.0.1:x", "127.0.0.1:1/x"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(SnapshotterError, match="not an address"):
        parse_address(text, anywhere=True)


def test_a_port_that_is_taken_is_said(worker: Worker) -> None:
    with worker.served() as port, pytest.raises(SnapshotterError, match=f"port {port}"):
        HealthServer("127.0.0.1", port, health=worker.health, exposition=lambda: ("", b""))
