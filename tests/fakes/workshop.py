"""
A worker with real processes, a real queue, and pages that are words in a URL.

    python -m tests.fakes.workshop QUEUE FOLDER --slots 2

What it "stores" are files in FOLDER/store, each put if its name is free, and FOLDER/log
has one more for each that was logged: as two bundles of one job would be seen in earnest.
The last part of a URL's path says what happens at that page:

    ok         it is captured
    kill       it kills its slot (SIGKILL)
    broken     it fails each time
    hang       it never ends
    slow       it takes a moment
    behind     it is captured, and its bundle waits until FOLDER/let-go is there
    no-store   the store does not answer while FOLDER/store-down is there
    stop       it stops its slot and its worker (SIGSTOP) when it may store, once
    stored     it stops both after the store's write and before the log, once
    early      it stops both before it asks whether it may store, once
    end-STEP   it kills its worker (SIGKILL), once, at a step: begun, capturing, sealed, storing,
               stored, logged
    visit      a server is there, and is asked

While FOLDER/hold is there, a slot does not get ready, and FOLDER/held says that it waits.

With --politeness FILE hosts are asked by those rules; else only two at a time.
"""

import argparse
import json
import os
import random
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.formats.bundle.receipts import store_id
from snapshotter.jobs.workers.job_runner import UnstoredBundle
from snapshotter.model.job import CaptureJob, SealedResult, StoredResult
from snapshotter.ports import Lease, Progress
from tests.unit.jobs.making import SEALED


class FakeWorkshop:
    """`jobs.slot.Workshop` without a browser, a key or a network."""

    def __init__(self, folder: Path, show_message: Callable[[str], None]) -> None:
        self._folder = folder
        for name in ("store", "log", "once", "visits"):
            (folder / name).mkdir(exist_ok=True)

    def open(self) -> None:
        while (self._folder / "hold").exists():
            (self._folder / "held").touch()
            time.sleep(0.02)

    def rest(self) -> None:
        return

    def capture(
        self, job: CaptureJob, lease: Lease, *, more: bool, progress: Progress
    ) -> StoredResult:
        progress("navigate", "")
        page = job.url.rpartition("/")[2]
        self._end_worker(job, "begun")
        bundle_id = self._begin(job, lease)
        self._end_worker(job, "capturing")
        (self._folder / "visits" / bundle_id).write_text(job.id)
        match page:
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "broken":
                raise SnapshotterError("the page is broken")
            case "hang":
                time.sleep(3600)
            case "slow":
                time.sleep(0.3)
            case "early":
                self._stop_once(job)
            case "visit":
                return self._store(job, lease, bundle_id, page, **_asked(job.url))
        return self._store(job, lease, bundle_id, page)

    def record_failure(self, job: CaptureJob, why: str, lease: Lease) -> StoredResult:
        return self._store(job, lease, self._begin(job, lease), "failure")

    def find(self, job: CaptureJob, sealed: SealedResult) -> StoredResult | None:
        if not (self._folder / "store" / sealed.bundle_id).exists():
            return None
        (self._folder / "log" / sealed.bundle_id).touch()
        return StoredResult(sealed=sealed, location=f"{self._folder}/store/{sealed.bundle_id}")

    def chores(self) -> tuple[UnstoredBundle, ...]:
        return ()

    def _begin(self, job: CaptureJob, lease: Lease) -> str:
        bundle_id = f"{job.id}-{os.urandom(4).hex()}"
        lease.began(bundle_id)
        return bundle_id

    def _store(
        self, job: CaptureJob, lease: Lease, bundle_id: str, page: str, **met: Any
    ) -> StoredResult:
        sealed = replace(
            SEALED,
            bundle_id=bundle_id,
            outcome="failed" if page == "failure" else "complete",
            **met,
        )
        lease.visited()
        while page == "behind" and not (self._folder / "let-go").exists():
            time.sleep(0.02)
        self._end_worker(job, "sealed")
        while True:
            lease.may_store(sealed)
            self._end_worker(job, "storing")
            if page == "stop":
                self._stop_once(job)
            if not (page == "no-store" and (self._folder / "store-down").exists()):
                break
            lease.wait(ServiceUnavailable("the store does not answer"))
        file = self._folder / "store" / bundle_id
        with file.open("x") as out:
            out.write(job.id)
        if page == "stored":
            self._stop_once(job)
        self._end_worker(job, "stored")
        lease.stored()
        (self._folder / "log" / bundle_id).touch()
        self._end_worker(job, "logged")
        return StoredResult(sealed=sealed, location=str(file))

    def _stop_once(self, job: CaptureJob) -> None:
        """Stop this process and the worker, the first time that this job comes here."""
        if self._is_first(job):
            os.kill(os.getppid(), signal.SIGSTOP)
            os.kill(os.getpid(), signal.SIGSTOP)

    def _end_worker(self, job: CaptureJob, step: str) -> None:
        """Kill the worker, the first time that a job comes to the step that its page names."""
        if job.url.endswith(f"/end-{step}") and self._is_first(job):
            os.kill(os.getppid(), signal.SIGKILL)
            time.sleep(3600)  # this process ends as one whose worker is gone

    def _is_first(self, job: CaptureJob) -> bool:
        try:
            (self._folder / "once" / job.id).touch(exist_ok=False)
        except FileExistsError:
            return False
        return True


def _asked(url: str) -> dict[str, Any]:
    """Return what a server answers."""
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 - a test's own server
            status, headers = answer.status, answer.headers
    except urllib.error.HTTPError as error:
        with error:
            status, headers = error.code, error.headers
    return {
        "http_status": status, "final_url": url,
        "retry_after": headers.get("Retry-After", ""), "date": headers.get("Date", ""),
    }  # fmt: skip


def _open(folder: Path, show_message: Callable[[str], None]) -> FakeWorkshop:
    return FakeWorkshop(folder, show_message)


def _told(event: str, **fields: Any) -> None:
    sys.stdout.write(json.dumps({"event": event, **fields}) + "\n")
    sys.stdout.flush()


def main() -> None:
    # Here and not above: each slot imports this module, and has no database.
    from snapshotter.jobs.open_database import open_database
    from snapshotter.jobs.queue import attempts  # noqa: F401 - their tables
    from snapshotter.jobs.queue.admission import Admission
    from snapshotter.jobs.queue.engine import ConcurrencyLimits
    from snapshotter.jobs.queue.politeness import PolitenessAdmission
    from snapshotter.jobs.queue.retry_rules import RetryRules
    from snapshotter.jobs.workers import registry  # noqa: F401 - their tables
    from snapshotter.jobs.workers.context import WorkerParts, WorkerSettings
    from snapshotter.jobs.workers.store_binding import StoreBinding
    from snapshotter.jobs.workers.worker import Worker
    from snapshotter.policy import politeness_file

    parser = argparse.ArgumentParser()
    parser.add_argument("queue")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--slots", type=int, default=1)
    parser.add_argument("--spare", type=int, default=1)
    parser.add_argument("--attempts", type=int, default=2)
    parser.add_argument("--politeness", type=Path)
    arguments = parser.parse_args()
    gate: Admission = Admission()
    chance = random.SystemRandom().random
    soon = timedelta(seconds=0.1)
    # So fast that a test does not wait for anything but for what it is about.
    settings = WorkerSettings(
        slots=arguments.slots,
        spare=arguments.spare,
        beat_s=0.2,
        dead_s=4.0,
        tick_s=0.05,
        settle_s=0.4,
        unstarted_s=0.5,
        chores_s=3600,
        store_s=3.0,
        silent_s=20,
        lived_s=0.3,
        start_s=10.0,
        store_drain_s=0.0,
        pauses_s=(0.1, 0.2),
        retry_rules=RetryRules(attempts=arguments.attempts, first=soon),
        limits=ConcurrencyLimits(per_host=2),
    )
    if arguments.politeness:
        polite = politeness_file.load(arguments.politeness)
        gate = PolitenessAdmission(polite, chance)
        limits = ConcurrencyLimits(per_host=polite.most_at_once, in_all=polite.all_at_once)
        # Whoever is killed is seen to be gone; one that is slow is not taken for dead here.
        retry_rules = RetryRules(attempts=9, first=soon)
        settings = replace(settings, dead_s=20, retry_rules=retry_rules, limits=limits)
    worker = Worker(
        open_database(arguments.queue),
        WorkerParts(
            opener=partial(_open, arguments.folder), admission=gate, log=_told, chance=chance
        ),
        settings,
        store=StoreBinding(store_id=store_id(str(arguments.folder)), url=str(arguments.folder)),
        version="test",
    )

    def take(_number: int, _frame: object) -> None:
        (worker.give_up if worker.is_stopping else worker.drain)()

    signal.signal(signal.SIGTERM, take)
    try:
        worker.run()
    except SnapshotterError as error:
        _told("worker.failed", error=error.message, hint=error.hint)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
