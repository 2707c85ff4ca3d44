"""The queue as its users meet it: real workers, a real browser, and one end that nobody chose."""

import json
import subprocess
from collections import Counter

import pytest

from tests.e2e.product import Installation, record_of
from tests.e2e.test_crash import running
from tests.servers.site import Site

pytestmark = pytest.mark.e2e


def heard(worker: "subprocess.Popen[str]", event: str) -> dict[str, str]:
    """Read what a worker says until it says this."""
    assert worker.stdout is not None
    for line in worker.stdout:
        said: dict[str, str] = json.loads(line)
        if said["event"] == event:
            return said
    raise AssertionError(f"it ended without saying {event}")


def test_a_worker_is_killed_while_it_captures_and_another_does_what_it_had(
    installation: Installation, fixture_site: Site
) -> None:
    urls = [fixture_site.url("/plain"), fixture_site.url("/plain", origin=2), "http://127.0.0.3:1/"]
    handed = installation.run("capture", "--enqueue", "--json", *urls)
    assert handed.code == 0, handed.err
    ids = [it["job_id"] for it in handed.objects]

    with running(installation, "worker", "--json") as first:
        heard(first, "job.began")
        first.kill()
        first.wait(30)
    with running(installation, "worker", "--json") as second:
        for _ in ids:
            heard(second, "job.done")
        second.terminate()
        assert second.wait(60) == 0

    jobs = {it["job_id"]: it for it in installation.run("queue", "list", "--json").objects}
    assert [jobs[it]["state"] for it in ids] == ["done", "done", "incomplete"]
    assert [jobs[it]["requested_url"] for it in ids] == urls
    stored = Counter(record_of(it)["what"]["requested_url"] for it in installation.bundles())
    assert stored == Counter(urls)
    logged = [
        it["name"]
        for it in installation.run("log", "show", "--last", "99", "--json").object["entries"]
        if it["kind"] == "bundle"
    ]
    assert sorted(logged) == sorted(it.stem for it in installation.bundles())
