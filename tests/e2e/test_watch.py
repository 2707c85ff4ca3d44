"""A watched feed as its users meet it: a worker polls it, and what it names is captured."""

import json
import signal
from itertools import islice

import pytest

from tests.e2e.product import Installation
from tests.e2e.test_crash import running
from tests.servers.lists import ListServer, feed
from tests.servers.site import Site

pytestmark = [pytest.mark.e2e, pytest.mark.long]


def test_a_worker_polls_a_feed_and_captures_each_page_once(
    installation: Installation, fixture_site: Site
) -> None:
    pages = [fixture_site.url(path) for path in ("/plain", "/nowhere")]
    again = [f"{pages[0]}?utm_source=feed", f"{pages[1]}#top"]
    with ListServer() as lists:
        lists.put("/feed", feed(*pages, *again))
        assert installation.run("watch", "add", "news", lists.url("/feed")).code == 0
        with running(installation, "worker", "--json") as worker:
            assert worker.stdout is not None
            events = (json.loads(line)["event"] for line in worker.stdout)
            ended = list(islice((event for event in events if event == "job.done"), len(pages)))
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(60) == 0

        done = installation.run("watch", "items", "--json", "news")
        assert lists.statuses("/feed") == [200]

    assert len(ended) == len(pages)

    assert sorted(printed["url"] for printed in done.objects) == sorted(pages)
    assert {printed["job_state"] for printed in done.objects} == {"done"}
    assert all(0 <= printed["took_ms"] <= 120_000 for printed in done.objects)
    assert sorted(printed["bundle_id"] for printed in done.objects) == [
        bundle.stem for bundle in installation.bundles()
    ]
