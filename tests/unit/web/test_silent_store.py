"""The console while its bucket does not answer: which pages wait, and what they say."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from snapshotter.app.wiring import store as wiring_store
from snapshotter.store.response_guard import MOST_CALLS
from snapshotter.web.application import THREADS
from tests.archived import Archive
from tests.servers.bucket import NAME, Bucket, silent, status
from tests.webclient import Console, console, console_settings

PAGES = ("/", "/captures", "/queue", "/review", "/cases", "/settings")


@dataclass(slots=True)
class Served:
    """A console with a capture in a bucket, which answers no request about the capture."""

    web: Console
    bundle: str  # the path of its download
    bucket: Bucket
    listing: str  # that the bucket does not answer
    received: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    count: int = 0  # of requests that the bucket received

    def silence(self) -> None:
        """Let the bucket answer no further request about the capture."""

        def receive(handler: Any) -> bool:
            self.count += 1
            self.received.release()
            return silent(handler)

        self.bucket.faults[f"?{self.listing}"] = receive


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
    # A call ends when the test lets it end.
    monkeypatch.setattr(wiring_store, "_LIMITS_OF_PAGES", {"read_timeout_s": 60, "attempts": 1})
    archive = Archive(tmp_path)
    capture = archive.put(0, text="the harbour")
    archive.service.stop()
    root = archive.store.root
    (key,) = (path.relative_to(root).as_posix() for path in root.rglob("*.wacz"))
    with Bucket(root) as bucket:
        settings = console_settings(
            tmp_path, store=f"s3://{NAME}", s3_endpoint=bucket.endpoint_url, s3_region="us-east-1"
        )
        with console(settings) as web:
            assert web.context.services.index.wait_for_update(30)
            bundle, listing = f"/captures/{capture}/bundle", f"{key}.quarantine-"
            yield Served(web.log_in(), bundle, bucket, listing)


def test_pages_of_the_database_are_shown_while_the_store_does_not_answer(served: Served) -> None:
    assert served.web.get(served.bundle).status_code == 200
    served.silence()
    with ThreadPoolExecutor(THREADS + 8) as threads:
        waiting = [threads.submit(served.web.get, served.bundle) for _ in range(THREADS + 8)]
        try:
            for _ in range(MOST_CALLS):
                assert served.received.acquire(timeout=60)
            shown = {page: served.web.get(page).status_code for page in PAGES}
            assert shown == dict.fromkeys(PAGES, 200)
            assert served.count == MOST_CALLS
        finally:
            served.bucket.over.set()  # the bucket ends the connections without an answer
        answers = [answer.result(60) for answer in waiting]

    assert {answer.status_code for answer in answers} == {503}
    assert all(f"s3://{NAME} does not answer" in answer.text for answer in answers)
    served.bucket.faults.clear()
    end = time.monotonic() + 60
    while served.web.get(served.bundle).status_code != 200:
        assert time.monotonic() < end
        time.sleep(0.1)


def test_an_audit_can_be_run_while_the_store_does_not_answer(served: Served) -> None:
    served.bucket.faults["?audits/"] = status(503)

    page = served.web.get("/audit")

    assert page.status_code == 200
    assert "The reports cannot be listed now" in page.text
    assert served.web.post("/audit", {"scope": "all", "key": "k"}).status_code == 303
