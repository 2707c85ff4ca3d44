"""No answer of the API has a path of the machine: it has addresses and names instead."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update

from snapshotter.app.wiring import queue as wiring_queue
from snapshotter.jobs.queue.job_table import JOB
from snapshotter.jobs.watches.watches import Watches
from snapshotter.model.job import CaptureJob
from snapshotter.model.watch import Watch
from tests.archived import Archive
from tests.unit.web.api.every_resource import read_all
from tests.unit.web.api.test_captures import Filled
from tests.webclient import console, console_settings

OWN = 'name = "site"\nreason = "one site"\n[match]\nhosts = ["example.org"]\n'


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    folder: Path = tmp_path_factory.mktemp("paths")
    policies = folder / "policies"
    policies.mkdir()
    (policies / "site.toml").write_text(OWN)
    settings = console_settings(folder, operator="A. Example", policies_dir=str(policies))
    with console(settings) as running:
        yield Filled(Archive(folder), running.log_in())


def test_no_answer_has_a_path_of_the_machine(filled: Filled) -> None:
    services, folder = filled.console.context.services, filled.archive.folder
    own = folder / "policies" / "site.toml"
    queue = wiring_queue.queue(filled.console.context.settings, services.database)
    now = services.clock.now()
    for job_id, policy in (("job-own", own), ("job-other", folder / "other.toml")):
        queue.put(
            [CaptureJob(id=job_id, url="https://example.org", enqueued_at=now, policy=str(policy))]
        )
    with services.database.begin() as connection:
        connection.execute(
            update(JOB)
            .where(JOB.c.id == "job-own")
            .values(
                state="done", bundle_id=filled.first, sha256="ab" * 32,
                location=str(folder / "store" / "a.zip"),
            )
        )  # fmt: skip
        connection.execute(update(JOB).where(JOB.c.id == "job-other").values(state="running"))
    filled.send("POST", "/schedules", {"urls": ["https://example.org"], "every": "6h", "name": "s",
                                       "policy": "site"})  # fmt: skip
    watches = Watches(services.database)
    watches.add(Watch(name="w", source=str(folder / "list.csv"), policy=str(own), created_at=now))

    names = {
        "/captures/{bundle_id}": [filled.first],
        "/captures/{bundle_id}/files/{path}": ["capture/capture.json"],
        "/captures/{bundle_id}/sidecars/{kind}": ["none"],
        "/cases/{name}": ["harbour"],
        "/events/{event_id}": [filled.first],
        "/jobs/{job_id}": ["job-own", "job-other"],
        "/policies/{name}": ["site", "default"],
        "/problems/{name}": ["fault"],
        "/schedules/{name}": ["s"],
        "/tasks/{task_id}": ["none"],
        "/tasks/{task_id}/files/{name}": ["none"],
        "/watches/{name}": ["w"],
    }
    answers = list(
        read_all(filled.console, names, {"/policies/explain": ["?url=https://example.org"]})
    )

    assert [address for address, _, text in answers if str(folder) in text] == []
    assert len([address for address, status, _ in answers if status == 200]) > 30
    job = filled.get("/api/v1/jobs/job-own").json()
    assert job["bundle"] == {
        "address": f"/api/v1/captures/{filled.first}/bundle", "sha256": "ab" * 32,
    }  # fmt: skip
    assert filled.get(job["bundle"]["address"]).status_code == 200
    assert job["policy"] == "site"
    assert filled.get("/api/v1/queue").json()["running"][0]["policy"] == "other.toml"
    assert filled.get("/api/v1/schedules/s").json()["policy"] == "site"
    watch = filled.get("/api/v1/watches/w").json()
    assert (watch["source"], watch["policy"]) == ("list.csv", "site")
    shipped = {
        policy["name"]: policy["shipped"]
        for policy in filled.get("/api/v1/policies").json()["policies"]
    }
    assert (shipped["site"], shipped["default"]) == (False, True)
    assert not filled.get("/api/v1/policies/site").json()["shipped"]
    explained = filled.get("/api/v1/policies/explain?url=https://example.org").json()
    assert (explained["policy"], explained["redaction"]["salts_kept"]) == ("site", True)
