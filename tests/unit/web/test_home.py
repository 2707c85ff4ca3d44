"""The home page: what it shows, and what becomes of its capture box."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from snapshotter.app.archive.lookup.index_service import IndexService
from snapshotter.app.archive.organising import cases
from snapshotter.app.archive.screens.review_queue import ReviewQueue
from snapshotter.app.wiring import queue as wiring_queue
from snapshotter.app.wiring.web import WebServices
from snapshotter.jobs.database import writing
from snapshotter.jobs.queue.admission import Admission
from snapshotter.jobs.queue.attempts import Attempts
from snapshotter.jobs.queue.dispatcher import Dispatcher
from snapshotter.jobs.queue.failure import Failure, Fault
from snapshotter.jobs.queue.job_table import JOB
from snapshotter.jobs.queue.retry_rules import RetryRules
from snapshotter.jobs.workers.capture_stages import CaptureStages
from snapshotter.model.annotations import ReviewDecision
from snapshotter.model.capture import Outcome
from snapshotter.model.job import JobState, JobStatus
from snapshotter.report.states import capture_label, job_result_label
from tests import observed
from tests.archived import Archive
from tests.unit.jobs.making import BUNDLE, made
from tests.webclient import Console, MovableClock, console, console_settings

_HOSTILE = "https://example.org/<script>alert(1)</script>"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Console]:
    with console(console_settings(tmp_path)) as found:
        yield found.log_in()


def _form(site: Console, addresses: str, **more: str) -> dict[str, str]:
    """Return the form of the page with these addresses, as a browser sends it."""
    (key,) = re.findall(r'name="key" value="([0-9a-f]{32})"', site.get("/").text)
    return {"key": key, "addresses": addresses, "policy": "", "tags": "", **more}


def _jobs(site: Console) -> list[JobStatus]:
    return list(wiring_queue.queue(site.context.settings, site.context.services.database).jobs())


def test_the_box_puts_each_line_into_the_queue(site: Console) -> None:
    form = _form(site, "https://one.example/\r\ntwo.example\r\n", tags="media", policy="default")

    answer = site.post("/", form)

    assert answer.status_code == 303
    assert answer.headers["location"] == "/?queued=2#now"
    assert [(status.job.url, status.job.tags) for status in _jobs(site)] == [
        ("https://one.example/", ("media",)),
        ("https://two.example", ("media",)),
    ]
    assert "2 captures are requested" in site.get("/?queued=2").text


def test_a_form_that_is_sent_twice_makes_one_job(site: Console) -> None:
    form = _form(site, "https://one.example/")

    answers = [site.post("/", form) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [303, 303]
    assert len(_jobs(site)) == 1


def test_a_mistake_keeps_what_was_written_and_captures_nothing(site: Console) -> None:
    form = _form(
        site, "https://one.example/\r\nftp://two.example/<b>", tags="a,b", policy="no-policy"
    )

    answer = site.post("/", form)

    assert answer.status_code == 422
    assert _jobs(site) == []
    assert "The form has 2 errors" in answer.text
    assert 'href="#addresses">Line 2: ' in answer.text
    assert "https://one.example/\nftp://two.example/&lt;b&gt;</textarea>" in answer.text
    assert 'value="a,b"' in answer.text
    assert form["key"] in answer.text
    assert "<b>" not in answer.text


@pytest.mark.parametrize(
    "address",
    ["file:///etc/passwd", "javascript:alert(1)", "http://me:secret@one.example/", "gopher://x/"],
)
def test_the_box_takes_addresses_of_pages_only(site: Console, address: str) -> None:
    answer = site.post("/", _form(site, address))

    assert answer.status_code == 422
    assert _jobs(site) == []
    assert "secret" not in re.sub(r"(?s)<textarea.*?</textarea>", "", answer.text)


def test_a_page_without_a_worker_says_what_to_do(site: Console) -> None:
    text = site.get("/").text

    assert "No worker is running" in text
    assert "<code>snapshotter worker</code>" in text


def _begin(site: Console) -> tuple[Attempts, CaptureStages]:
    """Begin the one job of the queue, and reach the stage in which the bundle is sealed."""
    database = site.context.services.database
    attempts = Attempts(database, Admission(), RetryRules(), lambda: 0.0)
    (handed,) = Dispatcher(database, Admission(), per_host=1).choose(9)
    assert attempts.begin(handed.job_id, handed.run, worker="me", process="p") is not None
    stages = CaptureStages(database, "me")
    stages.begin(handed.job_id, "seal")
    stages.write()
    return attempts, stages


def test_a_running_capture_is_shown_with_its_step(site: Console) -> None:
    site.post("/", _form(site, _HOSTILE))
    _begin(site)

    text, live = site.get("/").text, site.get("/live/home").json()

    assert "4 of 5 steps done. Now: sealing" in text
    assert "<script>alert" not in text
    (row,) = live["lists"]["now"]
    assert row["bars"] == {"step": [4, 5]}
    assert row["words"]["state"] == "Running"
    assert "seal and store" in live["spoken"]
    assert live["every_ms"] == 1000


def test_what_is_spoken_changes_at_steps_only(site: Console) -> None:
    site.post("/", _form(site, "https://one.example/"))
    _, stages = _begin(site)
    before = site.get("/live/home").json()["spoken"]

    (status,) = _jobs(site)
    stages.begin(status.job.id, "timestamp")
    stages.write()
    same = site.get("/live/home").json()
    stages.begin(status.job.id, "navigate")
    stages.write()
    other = site.get("/live/home").json()["spoken"]

    assert same["spoken"] == before
    assert "requesting timestamps" in same["lists"]["now"][0]["words"]["words"]
    assert other != before


def test_a_capture_that_is_done_has_a_link(site: Console) -> None:
    site.post("/", _form(site, "https://one.example/"))
    attempts, _ = _begin(site)
    (status,) = _jobs(site)
    attempt = attempts.begin(status.job.id, 1, worker="me", process="p")
    assert attempt is not None

    attempts.finish(attempt, made(), worker="me")

    (row,) = site.get("/live/home").json()["lists"]["now"]
    assert row["links"] == {"link": f"/captures/{BUNDLE}"}
    assert f'href="/captures/{BUNDLE}"' in site.get("/").text


def test_a_failed_capture_has_one_word_in_the_queue_and_in_lists(site: Console) -> None:
    site.post("/", _form(site, "https://example.org/a"))
    attempts, _ = _begin(site)
    (status,) = _jobs(site)
    attempt = attempts.begin(status.job.id, 1, worker="me", process="p")
    assert attempt is not None
    attempts.finish(attempt, made(outcome="failed", exit_code=3), worker="me")

    word = capture_label(Outcome.FAILED).words
    (status,) = _jobs(site)
    assert status.state is JobState.INCOMPLETE
    (row,) = site.get("/live/home").json()["lists"]["now"]
    assert row["words"]["state"] == word
    job = re.search(rf'href="/queue/{status.job.id}".*?</tr>', site.get("/queue").text, re.S)
    assert job is not None
    assert word in job[0]
    for text in (job[0], site.get(f"/queue/{status.job.id}").text):
        assert "Stored, " not in text
    assert job_result_label(replace(status, outcome="complete")).words == (
        "Stored, without a part that the policy requires"
    )


def test_the_script_offers_captures_that_the_page_does_not_show(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    archive.put(0)
    archive.put(1)
    with console(console_settings(tmp_path)) as found:
        found.context.services.index.wait_for_update(60)
        site = found.log_in()
        (total,) = re.findall(r'data-live="/live/home\?total=(\d+)"', site.get("/").text)
        words = [
            site.get(f"/live/home?total={number}").json()["parts"]["newer"]
            for number in (total, "1", "0", "x" * 40)
        ]

    assert total == "2"
    assert words == ["", "Show 1 new capture", *["Show 2 new captures"] * 2]


def test_what_needs_a_review_is_counted_in_the_whole_store(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    gone = archive.put(0, observed.gone())  # of another day
    archive.put(1, observed.wall(), url="https://example.org/wall")
    archive.put(2, url="https://example.org/fine")
    with console(console_settings(tmp_path)) as found:
        services, site = found.context.services, found.log_in()
        services.index.wait_for_update(60)
        services.today.compute()
        assert _to_review(site, services) == "2"
        day = site.get(f"/day/{observed.at(0).date()}").text
        assert '<a href="/review">Review the captures</a>' in day
        assert "snapshotter review" not in day
        cases.review(archive.annotations, ReviewDecision.ACCEPTED, [gone])
        services.index.wait_for_update(60)
        assert _to_review(site, services) == "1"


def _to_review(site: Console, services: WebServices) -> str:
    """Return the number on the home page, when the list of reviews is made."""
    with services.index.reading() as view:
        known = services.review.entries(view)
        assert known is not None
        assert services.review.count(view) == len(known)
    text = site.get("/").text
    (count,) = re.findall(r'<span class="count">(\d+)</span><span><a href="/review">', text)
    return str(count)


def test_a_job_that_ended_days_ago_is_not_shown_as_now(site: Console) -> None:
    site.post("/", _form(site, "https://one.example/"))
    queue = wiring_queue.queue(site.context.settings, site.context.services.database)
    (status,) = _jobs(site)
    queue.cancel([status.job.id])
    assert len(site.get("/live/home").json()["lists"]["now"]) == 1

    with writing(site.context.services.database) as connection:
        connection.execute(update(JOB).values(ended_at=queue.now() - timedelta(days=2)))

    assert site.get("/live/home").json()["lists"]["now"] == []
    assert "Nothing is captured now." in site.get("/").text


def test_a_failure_is_shown_with_its_reason_as_text(site: Console) -> None:
    site.post("/", _form(site, "https://one.example/"))
    attempts, _ = _begin(site)
    (status,) = _jobs(site)
    attempt = attempts.begin(status.job.id, 1, worker="me", process="p")
    assert attempt is not None

    attempts.fail(attempt, Failure(fault=Fault.FINAL, error="refused <img src=x>"))

    assert "refused &lt;img src=x&gt;" in site.get("/").text


def _day_path(site: Console) -> str:
    """Return the address of the report that the home page links to."""
    site.context.services.today.compute()
    (path,) = set(re.findall(r'href="(/day/[0-9-]+)"', site.get("/").text))
    return str(path)


def test_the_report_about_a_day_has_a_page(site: Console) -> None:
    site.context.services.index.wait_for_update(60)

    today = site.get(_day_path(site))

    assert today.status_code == 200
    assert "Nothing was captured in this period." in today.text
    for wrong in ("1999-12-31", "9999-01-01", "today", "2026-13-01"):
        assert site.get(f"/day/{wrong}").status_code == 404, wrong


def test_pages_answer_while_the_store_is_read_for_the_first_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(IndexService, "start", lambda service: None)  # as in a very large store
    monkeypatch.setattr(IndexService, "stop", lambda service: None)
    monkeypatch.setattr(IndexService, "wait_for_first_update", lambda service, timeout_s: None)
    with console(console_settings(tmp_path)) as found:
        found.log_in()
        for path in ("/captures", "/cases", "/review", "/takedowns", "/addresses?identity=x"):
            page = found.get(path, {"sec-fetch-dest": "document"})
            assert page.status_code == 200, path
            assert "The store is being read for the first time" in page.text
            assert '<meta http-equiv="refresh" content="3">' in page.text
        for path in ("/", "/queue", "/schedules", "/policies", "/audit", "/settings"):
            page = found.get(path, {"sec-fetch-dest": "document"})
            assert page.status_code == 200, path
            assert 'http-equiv="refresh" content="3"' not in page.text  # it has its content
        sent = found.post("/", {"addresses": "https://news.example/a", "key": "k"})
        assert (sent.status_code, sent.headers["location"]) == (303, "/?queued=1#now")
        # A program gets no page in place of what it asked for.
        assert found.get("/captures").status_code == 503
        assert found.get("/api/v1/captures", {"sec-fetch-dest": "document"}).status_code == 503


def test_a_link_fills_in_the_address_of_a_capture_and_sends_nothing(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    first, hidden = (archive.put(at, url=f"{_HOSTILE}{at}") for at in (0, 1))
    archive.add_notice(hidden)
    with console(console_settings(tmp_path)) as found:
        found.log_in()
        assert f'href="/?again={first}#capture-title"' in found.get(f"/captures/{first}").text

        filled = found.get(f"/?again={first}").text
        assert "https://example.org/&lt;script&gt;alert(1)&lt;/script&gt;0</textarea>" in filled
        assert not _jobs(found)
        for nothing in (hidden, "20260115t123045z-aaaaaaaaaaaaaaaa", "https://evil.example/", "x"):
            answer = found.get(f"/?again={nothing}")
            assert answer.status_code == 200
            assert "evil.example" not in answer.text
            assert re.search(r'<textarea id="addresses"[^>]*>\n</textarea>', answer.text), nothing


def test_no_more_captures_of_today_need_a_review_than_of_all_days(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = Archive(tmp_path)
    archive.put(0, observed.gone())
    clock = MovableClock()
    clock.offset = observed.at(5) - clock.now()
    monkeypatch.setattr(ReviewQueue, "count", lambda queue, view: 0)  # of a moment before
    with console(console_settings(tmp_path), clock=clock) as found:
        services, site = found.context.services, found.log_in()
        services.index.wait_for_update(60)
        services.today.compute()
        page = site.get("/").text

    assert "of today: 1" in page
    assert re.search(r'class="count">1</span><span><a href="/review">', page)
