"""
Answer the calls that a capture process makes to its worker while it executes an order.

It asks whether it may store its bundle and whether to wait for the store, and it reports the id
of its bundle and messages for the log (`WorkerCalls` in `capture_process.py`).
"""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta

from snapshotter.errors import ServiceUnavailable
from snapshotter.jobs.processes import process_name
from snapshotter.jobs.queue.attempts import Attempt
from snapshotter.jobs.workers.context import WorkerContext
from snapshotter.model.job import SealedResult
from snapshotter.ports import JobSuperseded
from snapshotter.translation import tr

AWAITS_STORE = "await-store"  # the stage of a capture whose bundle waits for the store
_STORE_PAUSES_S = (2.0, 5.0, 10.0, 20.0, 30.0)  # while the store does not answer


class Answers:
    """
    The answers to the calls about one order.

    Args:
        attempt: The attempt of the order; None if the order makes no bundle.
        visited: Is called when the page of the attempt is captured.
        reached: Is called with each stage of the capture.
        waiting: Counts the capture as waiting for the store, for a reason.
    """

    def __init__(
        self,
        context: WorkerContext,
        attempt: Attempt | None,
        *,
        visited: Callable[[], None],
        reached: Callable[[str], None],
        waiting: Callable[[str], AbstractContextManager[None]],
    ) -> None:
        self._context = context
        self._attempt = attempt
        self._visited = visited
        self._reached = reached
        self._waiting = waiting
        self._tries = 0

    def began(self, bundle_id: str, process_id: int) -> bool:
        """See `WorkerCalls`."""
        name = process_name(process_id)
        try:
            self._context.calls.patiently(
                lambda: self._context.attempts.began(self._known, bundle_id, name)
            )
        except JobSuperseded:
            return False
        return True

    def reached(self, stage: str) -> None:
        """See `WorkerCalls`."""
        self._reached(stage)

    def visited(self) -> None:
        """See `WorkerCalls`."""
        self._visited()

    def may_store(self, sealed: SealedResult, limit_s: float) -> bool | None:
        """See `WorkerCalls`. None if the database took too long to answer."""
        asked = time.monotonic()
        try:
            self._context.attempts.may_store(self._known, sealed, timedelta(seconds=limit_s))
        except JobSuperseded:
            return False
        except ServiceUnavailable as error:
            self._context.calls.complain(error)
            return False if self._context.signals.over.wait(1.0) else None
        return True if time.monotonic() - asked < limit_s / 2 else None

    def wait(self, why: str) -> bool:
        """See `WorkerCalls`."""
        attempt, pause = self._known, _STORE_PAUSES_S[min(self._tries, len(_STORE_PAUSES_S) - 1)]
        if self._tries == 0:
            text = tr("the bundle is sealed and waits for the store: {why}", why=why)
            self._context.calls.patiently(lambda: self._context.attempts.note(attempt, text))
        self._tries += 1
        self._reached(AWAITS_STORE)
        self._context.observer.service_failed("store", why)
        self._context.log("store.unavailable", job=attempt.job.id, error=why)
        with self._waiting(why):
            end = time.monotonic() + pause
            while time.monotonic() < end and self._may_wait:
                self._context.signals.giving_up.wait(1.0)
            return self._may_wait

    def said(self, text: str) -> None:
        """See `WorkerCalls`."""
        self._context.log("slot.said", job=self._attempt.job.id if self._attempt else "", text=text)

    @property
    def _may_wait(self) -> bool:
        """Whether to wait for the store: only shortly once the worker is told to stop."""
        since = self._context.signals.stopping_since
        limit_s = self._context.settings.store_drain_s
        patient = since is None or time.monotonic() - since < limit_s
        return patient and not self._context.signals.giving_up.is_set()

    @property
    def _known(self) -> Attempt:
        if self._attempt is None:
            raise RuntimeError("a slot without a job asked for the right to store")
        return self._attempt
