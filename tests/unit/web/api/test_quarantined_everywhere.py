"""No address of the API shows words of a capture in quarantine, or what people wrote about it."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, update

from snapshotter.app.archive.organising import cases
from snapshotter.app.wiring import queue as wiring_queue
from snapshotter.app.wiring import tasks as wiring_tasks
from snapshotter.formats.bundle import store_keys
from snapshotter.formats.canonical_json import plain
from snapshotter.formats.statements import takedown
from snapshotter.jobs.queue.job_table import JOB
from snapshotter.jobs.tasks.database_tasks import DatabaseTasks
from snapshotter.jobs.watches.items import ITEMS
from snapshotter.jobs.watches.watches import Watches
from snapshotter.model.annotations import Mark, ReviewDecision
from snapshotter.model.assessment import AssessmentSummary, Availability, Content
from snapshotter.model.change import ChangeSubject
from snapshotter.model.comparison import Op, TextPiece
from snapshotter.model.job import CaptureJob
from snapshotter.model.takedown import Takedown, TakedownKind
from snapshotter.model.task import TaskLane
from snapshotter.model.watch import Watch
from tests import observed
from tests.archived import SIGNER, Archive
from tests.unit.report.test_change_statement import change, item, statement_of
from tests.unit.web.api.every_resource import read_all
from tests.unit.web.api.test_captures import Reports, update_index
from tests.unit.web.api.test_jobs import problem_of
from tests.webclient import Console, console, console_settings

WORD = "zinnober"
QUERIES = {
    "/captures": [f"?q={WORD}", f"?tag={WORD}", "?case=harbour"],
    "/events": ["?page=" + observed.ARTICLE.replace("?", "%3F").replace("&", "%26")],
    "/jobs": ["?state=done"],
    "/notes": ["?limit=1"],
    "/policies/explain": ["?url=https://example.org"],
    "/reviews": ["?decided=true"],
    "/tasks": ["?kind=annotate"],
}


class Marked:
    """A console over a store in which two captures, and all that is known of them, have WORD."""

    def __init__(self, archive: Archive, running: Console) -> None:
        self.console, self.archive = running, archive
        text = f"the {WORD} harbour burns and the ships burn and everybody looks at the fire"
        self.before = archive.put(0, text=text, title=f"A {WORD} title")
        gone = observed.gone(notice=f"{WORD} was removed")
        self.gone = archive.put(10, gone, title=f"A {WORD} notice")
        self.copy = archive.put(20, url=observed.OTHER, text=text.replace(WORD, "red"))
        self.marked = (self.before, self.gone)
        self._annotate()
        self.events = [self._add_change(), self._add_removal()]
        self._add_job("job-done", self.before)
        self._add_schedule()
        self._add_watch()
        update_index(running)
        self.tasks = [
            self._do("/exports", {"bundle_ids": [self.before]}, TaskLane.LONG),
            self._do("/reports", {"bundle_ids": [self.gone], "formats": ["html"]}, TaskLane.LONG),
            self._do("/cases/harbour/reports", {"formats": ["html"]}, TaskLane.LONG),
            self._do("/verifications", {"object_id": self.before}, TaskLane.QUICK),
            self._do("/verifications", {"object_id": self.events[0]}, TaskLane.QUICK),
            self._do("/conclusions", {"urls": [observed.ARTICLE]}, TaskLane.LONG),
            self._ask(f"/captures/{self.before}/notes", {"text": f"{WORD} is waiting"}),
        ]

    def names(self) -> dict[str, list[str]]:
        """Return the objects whose addresses are read."""
        captures = [*self.marked, self.copy]
        files = [file["name"] for task in self.tasks for file in task["files"]]
        return {
            "/captures/{bundle_id}": captures,
            "/captures/{bundle_id}/files/{path}": [
                "capture/capture.json",
                "capture/assessment.json",
            ],
            "/captures/{bundle_id}/sidecars/{kind}": ["quarantine.000001.json"],
            "/cases/{name}": ["harbour"],
            "/events/{event_id}": self.events,
            "/jobs/{job_id}": ["job-done"],
            "/policies/{name}": ["default"],
            "/problems/{name}": ["fault"],
            "/schedules/{name}": ["s"],
            "/tasks/{task_id}": [task["task_id"] for task in self.tasks],
            "/tasks/{task_id}/files/{name}": sorted({*files, "none"}),
            "/watches/{name}": ["w"],
        }

    def shown(self) -> set[str]:
        """Return the addresses whose answers have WORD."""
        pair = f"?a={self.before}&b={self.gone}"
        answers = list(read_all(self.console, self.names(), QUERIES | {"/comparisons": [pair]}))
        assert [address for address, status, _ in answers if status >= 500] == []
        return {address for address, _, text in answers if WORD in text}

    def _annotate(self) -> None:
        service = self.archive.annotations
        cases.create_case(service, "harbour", title="The fire")
        cases.add_to_case(service, "harbour", [*self.marked, self.copy])
        for bundle_id in self.marked:
            cases.add_tag(service, f"{WORD}-tag", [bundle_id])
            cases.add_note(service, f"a note on {WORD}", bundle_ids=[bundle_id])
            cases.set_mark(service, Mark.GRAPHIC, [bundle_id], reason=f"shows {WORD}")
            cases.review(service, ReviewDecision.REJECTED, [bundle_id], reason=f"only {WORD}")

    def _add_change(self) -> str:
        pieces = (TextPiece(op=Op.REMOVED, text=WORD), TextPiece(op=Op.ADDED, text="red"))
        event = statement_of(change(item(ChangeSubject.WORDS, *pieces))).event
        assert event is not None
        return self._add_event(event, self.before, self.copy)

    def _add_removal(self) -> str:
        event = statement_of(change()).event
        assert event is not None
        shown = replace(event.first_gone, notice=f"{WORD} was removed", account_name=WORD)
        event = replace(event, kind=TakedownKind.REMOVED, change=None, first_gone=shown)
        return self._add_event(event, self.copy, self.gone)

    def _add_event(self, event: Takedown, before: str, after: str) -> str:
        event = replace(
            event,
            event_id=after,
            last_seen=replace(event.last_seen, bundle_id=before),
            first_gone=replace(event.first_gone, bundle_id=after),
        )
        self.archive.write(store_keys.takedown_key(after), takedown.encode(event, SIGNER))
        return after

    def _add_job(self, job_id: str, bundle_id: str) -> None:
        context = self.console.context
        queue = wiring_queue.queue(context.settings, context.services.database)
        now = context.services.clock.now()
        queue.put([CaptureJob(id=job_id, url=observed.ARTICLE, enqueued_at=now)])
        shown = AssessmentSummary(
            content=Content.NOTICE, availability=Availability.UNAVAILABLE, notice=WORD
        )
        with context.services.database.begin() as connection:
            connection.execute(
                update(JOB)
                .where(JOB.c.id == job_id)
                .values(
                    bundle_id=bundle_id, title=f"A {WORD} title", state="done",
                    shown=json.dumps(plain(shown)),
                )
            )  # fmt: skip

    def _add_schedule(self) -> None:
        made = self.console.send(
            "POST", "/schedules", {"urls": [observed.ARTICLE], "every": "6h", "name": "s"}
        )
        assert made.status_code == 201, made.text
        (job_id,) = self.console.send("POST", "/schedules/s/run").json()["jobs"]
        self._add_job(job_id, self.before)

    def _add_watch(self) -> None:
        services = self.console.context.services
        now = services.clock.now()
        Watches(services.database).add(
            Watch(name="w", source="https://example.org/rss", created_at=now)
        )
        with services.database.begin() as connection:
            connection.execute(
                insert(ITEMS).values(
                    watch="w", digest="d", key="k", final=True, url=observed.ARTICLE,
                    title=f"A {WORD} title", stamp="", state="queued", backlog=False,
                    first_seen=now, job_id="job-done", same_as="",
                )
            )  # fmt: skip

    def _ask(self, path: str, wanted: dict[str, Any]) -> dict[str, Any]:
        answer = self.console.send("POST", path, wanted)
        assert answer.status_code == 202, answer.text
        task: dict[str, Any] = answer.json()
        return task

    def _do(self, path: str, wanted: dict[str, Any], lane: TaskLane) -> dict[str, Any]:
        """Request a task, do it as a worker does, and return it."""
        task_id = self._ask(path, wanted)["task_id"]
        settings, services = self.console.context.settings, self.console.context.services
        tasks = DatabaseTasks(services.database)
        claimed = tasks.claim(lane, process="p", place=services.tasks.place(), silent_s=60)
        assert claimed is not None
        result = wiring_tasks.open_task_runner(settings, print).run(claimed, Reports())
        assert tasks.finish(claimed, "p", result, ())
        found: dict[str, Any] = self.console.get(f"/api/v1/tasks/{task_id}").json()
        return found


@pytest.fixture(scope="module")
def marked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Marked]:
    folder: Path = tmp_path_factory.mktemp("everywhere")
    with console(console_settings(folder, operator="A. Example")) as running:
        yield Marked(Archive(folder), running.log_in())


def test_no_address_shows_a_word_of_a_capture_in_quarantine(marked: Marked) -> None:
    before = marked.shown()
    # Each of these would show the word, so that the second look can fail.
    for part in (
        "/captures", "/annotations", "/files/", "/bundle", "/comparisons", "/cases/", "/events",
        "/history", "/items", "/jobs", "/notes", "/reviews", "/tags", "/tasks",
    ):  # fmt: skip
        assert any(part in address for address in before), part

    for bundle_id in marked.marked:
        marked.archive.add_notice(bundle_id)
    update_index(marked.console)

    assert marked.shown() == set()


def test_events_are_listed_in_pages_and_from_one_that_is_known(marked: Marked) -> None:
    whole = marked.console.get("/api/v1/events").json()
    ids = [listed["event"]["event_id"] for listed in whole["events"]]
    first = marked.console.get("/api/v1/events?limit=1").json()
    rest = marked.console.get(f"/api/v1/events?cursor={first['next']}").json()

    assert sorted(ids) == sorted(marked.events)
    assert whole["next"] is rest["next"] is None
    assert [*first["events"], *rest["events"]] == whole["events"]
    assert marked.console.get(f"/api/v1/events?cursor={ids[-1]}").json()["events"] == []
    unknown = marked.console.get(f"/api/v1/events?cursor={marked.before}")
    assert problem_of(unknown) == (422, "invalid-request")
