"""Captures are requested, and their jobs seen, cancelled and repeated."""

from collections.abc import Mapping

import httpx2

from snapshotter.app.wiring import queue as wiring_queue
from snapshotter.jobs.queue.database_queue import DatabaseQueue
from tests.webclient import Console

PAGE = "https://example.org/terms"
POLICY = "news-article"


def queue(api: Console) -> DatabaseQueue:
    return wiring_queue.queue(api.context.settings, api.context.services.database)


def request(
    api: Console, key: str = "", values: Mapping[str, object] | None = None
) -> httpx2.Response:
    headers = {"idempotency-key": key} if key else {}
    return api.send("POST", "/captures", {"url": PAGE, **(values or {})}, headers)


def problem_of(answer: httpx2.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    kind: str = answer.json()["type"]
    return answer.status_code, kind.rpartition("/")[2]


def test_a_requested_capture_is_a_job_with_an_address(api: Console) -> None:
    wanted = {"url": "example.org/terms", "tags": ["media"], "priority": 7, "policy": POLICY}
    answer = request(api, values=wanted)

    assert answer.status_code == 202
    job = answer.json()
    assert answer.headers["location"] == f"/api/v1/jobs/{job['job_id']}"
    assert (job["requested_url"], job["state"], job["origin"]) == (PAGE, "waiting", "api")
    assert (job["tags"], job["priority"], job["policy"]) == (["media"], 7, POLICY)
    assert api.get(answer.headers["location"]).json() == job


def test_a_repeated_request_with_the_same_key_makes_no_second_job(api: Console) -> None:
    first, second = request(api, "key-1"), request(api, "key-1")

    assert first.json() == second.json()
    assert first.headers["location"] == second.headers["location"]
    assert len(list(queue(api).jobs())) == 1


def test_requests_without_a_key_or_with_other_keys_are_jobs_of_their_own(api: Console) -> None:
    ids = {request(api, key).json()["job_id"] for key in ("", "", "key-1", "key-2")}

    assert len(ids) == 4


def test_a_key_of_another_request_is_refused(api: Console) -> None:
    request(api, "key-1")

    for other in ({"url": f"{PAGE}?2"}, {"priority": 1}, {"tags": ["media"]}, {"policy": POLICY}):
        answer = request(api, "key-1", other)
        assert problem_of(answer) == (422, "idempotency-key-reused"), other
    assert len(list(queue(api).jobs())) == 1


def test_an_invalid_capture_is_refused_and_nothing_is_enqueued(api: Console) -> None:
    for values in (
        {"url": "file:///etc/passwd"},
        {"url": "https://user:secret@example.org/"},
        {"policy": "/etc/passwd"},
        {"policy": "../default"},
        {"cases": ["harbour"]},
        {"tags": ["case:harbour"]},
        {"priority": -1},
        {"uri": PAGE},
    ):
        answer = request(api, values=values)
        assert problem_of(answer) == (422, "invalid-request"), values
        assert answer.json()["exit_code"] == 2
        assert "secret" not in answer.text
    assert not list(queue(api).jobs())


def test_a_job_can_be_cancelled_and_repeated(api: Console) -> None:
    job_id = request(api).json()["job_id"]

    assert problem_of(api.send("POST", f"/jobs/{job_id}/retry")) == (409, "conflict")
    cancelled = api.send("POST", f"/jobs/{job_id}/cancel")
    assert cancelled.json() == {"job_id": job_id, "result": "done"}
    assert problem_of(api.send("POST", f"/jobs/{job_id}/cancel")) == (409, "conflict")
    assert api.get(f"/api/v1/jobs/{job_id}").json()["state"] == "cancelled"
    assert api.send("POST", f"/jobs/{job_id}/retry").status_code == 200
    assert api.get("/api/v1/queue").json()["jobs"] == {"waiting": 1}
    for verb in ("cancel", "retry"):
        assert problem_of(api.send("POST", f"/jobs/none/{verb}")) == (404, "not-found")


def test_a_cursor_leads_through_all_jobs_newest_first(api: Console) -> None:
    made = [request(api).json()["job_id"] for _ in range(5)]
    seen: list[str] = []
    cursor = ""
    while True:
        page = api.get(f"/api/v1/jobs?limit=2{cursor}").json()
        seen += [job["job_id"] for job in page["jobs"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"

    assert seen == made[::-1]


def test_jobs_are_listed_by_state_and_origin(api: Console) -> None:
    waiting, cancelled = (request(api).json()["job_id"] for _ in range(2))
    api.send("POST", f"/jobs/{cancelled}/cancel")

    def listed(query: str) -> list[str]:
        return [job["job_id"] for job in api.get(f"/api/v1/jobs?{query}").json()["jobs"]]

    assert listed("state=waiting") == [waiting]
    assert listed("state=waiting&state=cancelled") == [cancelled, waiting]
    assert listed("origin=cli") == []
    assert problem_of(api.get("/api/v1/jobs?state=gone")) == (422, "invalid-request")
