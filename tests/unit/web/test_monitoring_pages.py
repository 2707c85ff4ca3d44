"""The pages of schedules, watch lists, policies and audits, without a browser."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import Connection

from snapshotter.app.tasks import requests
from snapshotter.app.wiring import queue as wiring_queue
from snapshotter.jobs.database import database_now
from snapshotter.jobs.schedules.schedules import Schedules
from snapshotter.jobs.tasks.database_tasks import DatabaseTasks
from snapshotter.jobs.watches.watches import Watches
from snapshotter.model.task import TaskLane, TaskResult
from snapshotter.verify.audit.report import FORMAT
from tests.webclient import Console, console, console_settings

PAGE = "https://example.org/terms"
HOSTILE = "https://example.org/?<script>alert(1)</script>"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    folder: Path = tmp_path_factory.mktemp("monitoring")
    with console(console_settings(folder, operator="A. Example")) as running:
        running.context.services.index.wait_for_update(30)
        yield running.log_in()


def add(site: Console, name: str, **values: str) -> httpx2.Response:
    given = {"addresses": f"{PAGE}\n{HOSTILE}", "often": "6h", "name": name, **values}
    return site.post("/schedules", given)


def schedules(site: Console) -> Schedules:
    return Schedules(site.context.services.database)


def test_a_schedule_is_added_and_shown_in_words(site: Console) -> None:
    made = add(site, "case-1", often="cron", cron="0 9 * * mon-fri", end="2030-01-31")

    assert (made.status_code, made.headers["location"]) == (303, "/schedules/case-1")
    page = site.get("/schedules/case-1").text
    assert "At 09:00, Monday to Friday, until 31 Jan 2030" in page
    assert "<script>alert" not in page
    assert "No worker is running" in page
    assert "case-1" in site.get("/schedules").text


def test_each_mistake_is_shown_beside_its_field_and_nothing_is_added(site: Console) -> None:
    wrong = {
        "addresses": "ftp://example.org",
        "often": "cron",
        "cron": "61 * * * *",
        "zone": "Nowhere",
        "quiet": "later",
        "end": "soon",
        "policy": "/etc/passwd",
        "case": "none",
        "tags": "case:x",
    }
    answer = add(site, "Wrong Name", **wrong)

    assert answer.status_code == 422
    for field in (*wrong, "name"):
        if field != "often":
            assert f'id="{field}-error"' in answer.text, field
    assert "ftp://example.org</textarea>" in answer.text
    assert all(entry.name != "Wrong Name" for entry in schedules(site).all())
    again = add(site, "twice")
    assert again.status_code == 303
    assert "exists already" in add(site, "twice").text


def test_a_schedule_is_paused_with_a_reason_resumed_and_removed(site: Console) -> None:
    add(site, "case-2")

    assert "Enter the reason" in site.post("/schedules/case-2/pause", {"reason": " "}).text
    assert site.post("/schedules/case-2/pause", {"reason": "it moves <b>"}).status_code == 303
    page = site.get("/schedules/case-2").text
    assert "it moves &lt;b&gt;" in page
    assert "A. Example" in page
    assert "it moves" in site.get("/schedules").text
    assert site.post("/schedules/case-2/resume").status_code == 303
    assert schedules(site).get("case-2").state == "active"
    assert site.post("/schedules/case-2/run").status_code == 303
    assert "Waiting" in site.get("/schedules/case-2").text
    assert "Enter the name case-2" in site.post("/schedules/case-2/remove", {"name": "x"}).text
    assert site.get("/schedules/case-2/remove").status_code == 200
    assert site.post("/schedules/case-2/remove", {"name": "case-2"}).status_code == 303
    assert site.get("/schedules/case-2").status_code == 404


def test_missed_visits_are_listed_with_the_reason(site: Console) -> None:
    def hours_ago(connection: Connection) -> datetime:
        return database_now(connection) - timedelta(hours=5)

    add(site, "plan")
    plan = schedules(site).get("plan").plan
    late = Schedules(site.context.services.database, now=hours_ago)
    late.add("late", plan, [PAGE])
    database, settings = site.context.services.database, site.context.settings
    wiring_queue.scheduler(settings, database, ask=None, show_message=print, records=False).run()

    late.add("rested", plan, [PAGE])
    late.pause("rested", by="", reason="a rest")
    schedules(site).resume("rested", by="")
    wiring_queue.scheduler(settings, database, ask=None, show_message=print, records=False).run()
    assert "not made because of the pause" in site.get("/schedules/rested").text
    for path in ("/schedules", "/schedules/late"):
        page = site.get(path).text
        assert "No worker was running." in page
        assert "Missed" in page


def test_a_list_is_watched_paused_and_removed(site: Console) -> None:
    given = {"source": "https://news.example/<b>rss", "name": "agency", "often": "1h"}
    assert site.post("/watches", given).headers["location"] == "/watches/agency"
    page = site.get("/watches/agency").text
    assert "Every hour" in page
    assert "<b>rss" not in page
    wrong = site.post("/watches", {"source": "/etc/passwd", "name": "A", "select": "a["})
    assert wrong.status_code == 422
    for field in ("source", "name", "select"):
        assert f'id="{field}-error"' in wrong.text, field
    assert site.post("/watches/agency/pause", {"reason": ""}).status_code == 422
    assert site.post("/watches/agency/pause", {"reason": "it moves"}).status_code == 303
    assert "it moves" in site.get("/watches").text
    assert site.post("/watches/agency/resume").status_code == 303
    assert site.post("/watches/agency/remove", {"name": "x"}).status_code == 422
    assert site.post("/watches/agency/remove", {"name": "agency"}).status_code == 303
    assert Watches(site.context.services.database).find("agency") is None
    assert site.get("/watches/agency").status_code == 404


def test_policies_are_shown_and_explained(site: Console) -> None:
    assert "wechat-article" in site.get("/policies").text
    assert "schema" in site.get("/policies/wechat-article").text
    explained = site.get("/policies/explain?url=mp.weixin.qq.com/s/AbCdEfGhIjKlMnOp").text
    assert "wechat-article" in explained
    assert "mp.weixin.qq.com" in explained
    wrong = site.get("/policies/explain?url=ftp://x")
    assert wrong.status_code == 422
    assert 'id="url-error"' in wrong.text
    unknown = site.get("/policies/explain?url=example.org&policy=/etc/passwd")
    assert 'id="policy-error"' in unknown.text
    for name in ("none", "auto", "..%2fdefault"):
        assert site.get(f"/policies/{name}").status_code == 404


def test_an_audit_is_a_task_and_the_reports_of_the_store_are_listed(site: Console) -> None:
    ran = site.post("/audit", {"scope": "sample", "count": "3", "key": "k"})

    assert ran.status_code == 303
    (task,) = requests.newest(site.context.services.tasks, limit=9, kind="audit")
    assert ran.headers["location"].startswith(f"/tasks/{task.id}")
    assert dict(task.arguments) == {"restart": False, "sample": 3, "since": ""}
    assert "3 bundles, selected at random" in site.get("/audit").text
    tasks = DatabaseTasks(site.context.services.database)
    claimed = tasks.claim(TaskLane.LONG, process="p", place="", silent_s=60)
    assert claimed is not None
    value = {"verdict": "failed", "findings_count": 7, "scope": {"read": 3, "bundles": 9}}
    tasks.finish(claimed, "p", TaskResult(value=value), ())
    page = site.get("/audit").text
    assert "3 of 9 bundles" in page
    assert "Failed" in page
    for wrong in ({"scope": "sample", "count": "many"}, {"scope": "since", "day": "now"}):
        assert site.post("/audit", wrong).status_code == 422
    folder = Path(site.context.services.store.url) / "audits/2026/11/30"
    folder.mkdir(parents=True)
    name = "20261130t091244z-k3v4q2m7xw4c5b6d"
    text = f'{{"format": "{FORMAT}", "verdict": "passed", "scope": {{"read": 41}}}}'
    (folder / f"{name}.json").write_text(text)
    (folder / "20261129t091244z-k3v4q2m7xw4c5b6d.json").write_text("[")
    page = site.get("/audit").text
    assert "41" in page
    assert "Cannot be read" in page
    sent = site.get(f"/audit/reports/{name}")
    assert (sent.text, sent.headers["content-type"]) == (text, "application/octet-stream")
    for missing in (f"{name}/signature", "..%2f..%2fetc", "20261130t091244z-aaaaaaaaaaaaaaaa"):
        assert site.get(f"/audit/reports/{missing}").status_code == 404
