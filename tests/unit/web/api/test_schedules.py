"""Schedules and watch lists are added, paused with a reason, resumed and removed."""

from collections.abc import Mapping
from datetime import timedelta

import httpx2
from sqlalchemy import Connection

from snapshotter.jobs.database import database_now
from snapshotter.jobs.schedules.schedules import Schedules
from tests.unit.web.api.test_jobs import problem_of
from tests.webclient import Console

PAGE = "https://example.org/terms"
ANY = {"if-match": "*"}


def add(api: Console, values: Mapping[str, object] | None = None) -> httpx2.Response:
    given = {"urls": [PAGE], "every": "6h", "name": "case-7", **(values or {})}
    return api.send("POST", "/schedules", given)


def watch(api: Console, values: Mapping[str, object] | None = None) -> httpx2.Response:
    given = {"name": "agency", "source": "https://news.example/rss", **(values or {})}
    return api.send("POST", "/watches", given)


def test_a_schedule_is_added_and_shown_with_its_next_visits(api: Console) -> None:
    made = add(api, {"tags": ["media"], "quiet_hours": ["22:00-06:00"], "jitter": "0"})

    assert made.status_code == 201
    assert made.headers["location"] == "/api/v1/schedules/case-7"
    shown = api.get(made.headers["location"])
    assert shown.json()["every_ms"] == 6 * 3600 * 1000
    assert shown.json()["tags"] == ["media"]
    assert len(shown.json()["next"]) == 10
    (listed,) = api.get("/api/v1/schedules").json()["schedules"]
    assert {**listed, "next": shown.json()["next"]} == shown.json()
    assert not api.get("/api/v1/schedules").json()["worker"]


def test_a_schedule_without_a_name_gets_one_that_does_not_show_its_pages(api: Console) -> None:
    assert add(api, {"name": ""}).json()["name"].startswith("schedule-")


def test_an_invalid_schedule_is_refused(api: Console) -> None:
    for values in (
        {"urls": list[str]()},
        {"urls": ["/etc/passwd"]},
        {"every": "often"},
        {"every": "", "cron": "61 * * * *"},
        {"every": "", "curve": "../curves"},
        {"name": "Case 7"},
        {"zone": "Europe/Nowhere"},
        {"jitter": "a lot"},
        {"seasons": ["winter"]},
        {"policy": "/etc/passwd"},
        {"cases": ["harbour"]},
    ):
        assert problem_of(add(api, values))[0] in (409, 422), values
    assert api.get("/api/v1/schedules").json()["schedules"] == []


def test_a_second_schedule_of_one_name_is_refused(api: Console) -> None:
    add(api)

    assert problem_of(add(api)) == (409, "conflict")


def test_a_schedule_is_paused_with_a_reason_and_resumed(api: Console) -> None:
    etag = add(api).headers["etag"]
    path = "/schedules/case-7"

    paused = api.send("POST", f"{path}/pause", {"reason": "being moved"}, {"if-match": etag})

    assert (paused.json()["state"], paused.json()["changed"]) == ("paused", True)
    assert (paused.json()["paused_by"], paused.json()["paused_reason"]) == (
        "A. Example",
        "being moved",
    )
    (entry,) = api.get(f"/api/v1{path}/history").json()["entries"]
    assert (entry["kind"], entry["detail"], entry["by"]) == ("paused", "being moved", "A. Example")
    resumed = api.send("POST", f"{path}/resume", None, {"if-match": paused.headers["etag"]})
    assert (resumed.json()["state"], resumed.json()["paused_reason"]) == ("active", "")


def test_a_pause_needs_a_reason(api: Console) -> None:
    add(api)

    assert problem_of(api.send("POST", "/schedules/case-7/pause", {}, ANY))[0] == 422
    assert api.get("/api/v1/schedules/case-7").json()["state"] == "active"


def test_a_change_names_the_state_that_it_changes(api: Console) -> None:
    add(api)
    watch(api)

    for method, path, body in (
        ("POST", "/schedules/case-7/pause", {"reason": "x"}),
        ("POST", "/schedules/case-7/resume", None),
        ("DELETE", "/schedules/case-7", None),
        ("POST", "/watches/agency/pause", {"reason": "x"}),
        ("POST", "/watches/agency/resume", None),
        ("DELETE", "/watches/agency", None),
    ):
        before = api.get(f"/api/v1{path.removesuffix('/pause').removesuffix('/resume')}").content
        assert problem_of(api.send(method, path, body)) == (428, "precondition-required")
        old = {"if-match": '"0123"'}
        assert problem_of(api.send(method, path, body, old)) == (412, "precondition-failed")
        after = api.get(f"/api/v1{path.removesuffix('/pause').removesuffix('/resume')}").content
        assert after == before
        assert api.send(method, path, body, ANY).status_code == 200


def test_a_change_of_somebody_else_is_noticed(api: Console) -> None:
    etag = add(api).headers["etag"]
    Schedules(api.context.services.database).extend("case-7", ["https://example.org/other"])

    removed = api.send("DELETE", "/schedules/case-7", None, {"if-match": etag})

    assert problem_of(removed) == (412, "precondition-failed")


def test_a_client_that_has_the_state_gets_no_second_copy(api: Console) -> None:
    add(api)
    watch(api)
    for path in ("/api/v1/schedules/case-7", "/api/v1/watches/agency"):
        etag = api.get(path).headers["etag"]
        again = api.get(path, {"if-none-match": f'"other", W/{etag}'})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == etag
        assert api.get(path, {"if-none-match": '"other"'}).status_code == 200


def test_a_removed_schedule_keeps_its_history_and_its_missed_visits(api: Console) -> None:
    def hours_ago(connection: Connection) -> object:
        return database_now(connection) - timedelta(hours=5)

    services = api.context.services
    add(api)
    plan = Schedules(services.database).get("case-7").plan
    Schedules(services.database, now=hours_ago).add("old", plan, [PAGE])  # type: ignore[arg-type]

    removed = api.send("DELETE", "/schedules/old", None, ANY)

    assert removed.json() == {"changed": True, "name": "old", "state": "removed"}
    assert problem_of(api.get("/api/v1/schedules/old"))[0] == 404
    entries = api.get("/api/v1/schedules/old/history?gaps=true").json()["entries"]
    missed = [entry for entry in entries if entry["kind"] == "missed"]
    assert missed
    assert missed[0]["url"] == PAGE
    assert missed[0]["slots"]


def test_extra_visits_are_started(api: Console) -> None:
    add(api)

    started = api.send("POST", "/schedules/case-7/run")

    assert (started.status_code, len(started.json()["jobs"])) == (202, 1)


def test_what_does_not_exist_is_not_found(api: Console) -> None:
    for method, path, body in (
        ("GET", "/schedules/none", None),
        ("GET", "/schedules/none/history", None),
        ("POST", "/schedules/none/run", None),
        ("POST", "/schedules/none/pause", {"reason": "x"}),
        ("DELETE", "/schedules/none", None),
        ("GET", "/watches/none", None),
        ("GET", "/watches/none/items", None),
        ("POST", "/watches/none/resume", None),
        ("DELETE", "/watches/none", None),
    ):
        assert problem_of(api.send(method, path, body, ANY)) == (404, "not-found"), path


def test_a_list_is_watched_paused_and_forgotten(api: Console) -> None:
    made = watch(api, {"every": "15m", "match": ["*/2026/*"], "end": "2030-01-01"})

    assert made.status_code == 201
    shown = api.get(made.headers["location"]).json()
    assert (shown["every_ms"], shown["match"]) == (15 * 60 * 1000, ["*/2026/*"])
    assert shown["end"] == "2030-01-02T00:00:00Z"
    paused = api.send("POST", "/watches/agency/pause", {"reason": "being moved"}, ANY).json()
    assert (paused["paused"], paused["paused_reason"]) == (True, "being moved")
    (listed,) = api.get("/api/v1/watches").json()["watches"]
    assert listed["paused_reason"] == "being moved"
    assert api.get("/api/v1/watches/agency/items").json() == {"items": []}
    removed = api.send("DELETE", "/watches/agency", None, ANY)
    assert removed.json() == {"forgotten": 0, "name": "agency"}


def test_an_invalid_watch_is_refused(api: Console) -> None:
    for values in (
        {"source": "/etc/passwd"},
        {"source": "file:///etc/passwd"},
        {"every": "1s"},
        {"end": "tomorrow"},
        {"select": "a["},
        {"then": "no-curve"},
        {"policy": "/etc/passwd"},
        {"name": "../x"},
    ):
        assert problem_of(watch(api, values))[0] in (409, 422), values
    assert api.get("/api/v1/watches").json()["watches"] == []
