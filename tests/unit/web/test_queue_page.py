"""The pages of the queue: what they show, and what their forms do."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from snapshotter.app.store_location import receipts_store_name
from snapshotter.app.wiring import queue as wiring_queue
from snapshotter.jobs.queue.database_queue import DatabaseQueue
from snapshotter.jobs.workers.registry import WorkerRegistry, WorkerState
from snapshotter.jobs.workers.store_binding import StoreBinding, bind_to_store
from snapshotter.model.job import JobState
from tests.unit.jobs.making import job
from tests.webclient import Console, console, console_settings

_HOSTILE = "http://example.test/<script>alert(1)</script>"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Console]:
    with console(console_settings(tmp_path)) as found:
        yield found.log_in()


def _queue(site: Console) -> DatabaseQueue:
    return wiring_queue.queue(site.context.settings, site.context.services.database)


def _states(site: Console) -> dict[str, JobState]:
    return {status.job.id: status.state for status in _queue(site).jobs()}


def test_an_empty_queue_says_what_to_do(site: Console) -> None:
    text = site.get("/queue").text

    assert "The queue has no jobs." in text
    assert "No worker is running" in text


def test_a_count_of_nothing_has_no_colour(site: Console) -> None:
    _queue(site).put([job("one")])

    text = site.get("/queue").text
    classes = site.get("/live/queue").json()["classes"]

    assert re.findall(r'class="count( zero)?" data-slot="count-(waiting|failed)"', text) == [
        ("", "waiting"),
        (" zero", "failed"),
    ]
    assert (classes["count-waiting"], classes["count-failed"]) == ("count", "count zero")


def test_jobs_are_listed_newest_first_and_page_by_page(site: Console) -> None:
    _queue(site).put([job(f"job-{number:03}") for number in range(60)])

    first = site.get("/queue").text
    (link,) = re.findall(r'rel="next" href="([^"]+)"', first)
    second = site.get(link.replace("&amp;", "&")).text

    listed = [re.findall(r'name="id" value="(job-\d+)"', text) for text in (first, second)]
    assert listed == [
        [f"job-{number:03}" for number in range(59, 9, -1)],
        [f"job-{number:03}" for number in range(9, -1, -1)],
    ]
    assert re.findall(r'rel="prev" href="([^"]+)"', second) == ["/queue"]


@pytest.mark.parametrize("query", ["state=no-state", "cursor=x", "cursor=-1", "cursor=" + "9" * 40])
def test_a_filter_that_does_not_exist_shows_all_jobs(site: Console, query: str) -> None:
    _queue(site).put([job("one")])

    answer = site.get(f"/queue?{query}")

    assert answer.status_code == 200
    assert 'value="one"' in answer.text


def test_the_state_selects_jobs(site: Console) -> None:
    _queue(site).put([job("one"), job("two")])
    _queue(site).cancel(["two"])

    text = site.get("/queue?state=cancelled").text

    assert re.findall(r'name="id" value="(\w+)"', text) == ["two"]
    assert "No job is in this state." in site.get("/queue?state=dead").text


def test_selected_jobs_are_cancelled_and_tried_again(site: Console) -> None:
    _queue(site).put([job("one"), job("two"), job("three")])

    cancelled = site.client.post(
        "/queue", data={"action": "cancel", "id": ["one", "two"]}, headers=_FORM
    )
    assert cancelled.headers["location"] == "/queue?done=cancelled-2"
    assert "2 jobs were cancelled." in site.get(cancelled.headers["location"]).text
    assert _states(site)["one"] is JobState.CANCELLED
    assert _states(site)["three"] is JobState.WAITING

    again = site.post("/queue", {"action": "retry", "id": "one", "back": "job"})
    assert again.headers["location"] == "/queue/one?done=waiting-1"
    assert _states(site)["one"] is JobState.WAITING


def test_a_refused_change_is_named_with_its_job(site: Console) -> None:
    _queue(site).put([job("one")])

    answer = site.client.post(
        "/queue", data={"action": "retry", "id": ["one", "no-<b>job"]}, headers=_FORM
    )

    assert answer.status_code == 409
    assert "Not all jobs were changed" in answer.text
    assert "no-&lt;b&gt;job" in answer.text
    assert _states(site) == {"one": JobState.WAITING}


def test_a_form_without_a_job_or_an_action_changes_nothing(site: Console) -> None:
    assert site.post("/queue", {"action": "cancel"}).status_code == 409
    assert site.post("/queue", {"action": "purge", "id": "one"}).status_code == 404
    assert site.post("/queue/hosts", {"host": "never.example"}).status_code == 404


def test_the_address_cannot_invent_what_was_done(site: Console) -> None:
    text = site.get("/queue?done=cancelled-1%3Cb%3E").text

    assert "was cancelled" not in text
    assert "<b>" not in text


def test_a_job_has_a_page(site: Console) -> None:
    _queue(site).put([job("one", url=_HOSTILE, tags=("media",), policy="default")])

    answer = site.get("/queue/one")

    assert answer.status_code == 200
    assert "media" in answer.text
    assert "<script>alert" not in answer.text
    for wrong in ("two", "%00", "one%2f"):
        assert site.get(f"/queue/{wrong}").status_code in (404, 307), wrong


def test_workers_are_shown_with_their_state(site: Console) -> None:
    registry = WorkerRegistry(site.context.services.database)
    registry.register("worker-1", slots=2, version="9.9")
    registry.register("worker-2", slots=1, version="9.9")
    registry.beat("worker-2", WorkerState.PAUSED, "the store <b>does not answer</b>", 3)

    text = site.get("/queue").text

    assert "No worker is running" not in text
    assert "Working" in text
    assert "Paused" in text
    assert "&lt;b&gt;does not answer" in text


_FORM = {"sec-fetch-site": "same-origin", "sec-fetch-mode": "navigate"}


def test_a_worker_of_another_store_is_no_worker_of_the_console(tmp_path: Path) -> None:
    settings = console_settings(tmp_path)
    other = StoreBinding(store_id="other", url="s3://other")
    ours = StoreBinding(store_id=receipts_store_name(settings), url=settings.store)
    with console(settings) as site:
        services = site.context.services
        WorkerRegistry(services.database).register("one", slots=1, version="1")
        assert services.has_worker()
        bind_to_store(services.database, other, worker="one")
        assert not services.has_worker()
        bind_to_store(services.database, ours, worker="one", adopt=True)
        assert services.has_worker()
