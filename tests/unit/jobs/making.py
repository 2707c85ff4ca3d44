"""Jobs, and what comes of them."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from snapshotter.model.job import CaptureJob, SealedResult, StoredResult

AT = datetime(2026, 1, 15, 12, 30, 45, tzinfo=UTC)
BUNDLE = "20260115t123045z-abcdefghijklmnop"
SEALED = SealedResult(
    bundle_id=BUNDLE,
    sha256="ab" * 32,
    length=1000,
    log_size=7,
    exit_code=0,
    outcome="complete",
    http_status=200,
    final_url="http://example.test/",
    title="A page",
    court_minimum=True,
    retry_after="",
    date="",
)


def job(job_id: str = "one", url: str = "http://example.test/", **more: Any) -> CaptureJob:
    return CaptureJob(id=job_id, url=url, enqueued_at=AT, **more)


def made(**more: Any) -> StoredResult:
    return StoredResult(sealed=replace(SEALED, **more), location=f"/captures/{BUNDLE}.wacz")
