"""
Hold one page together with what the parts of a capture need to work on it.

The session makes one `PageContext` for each capture, before the page's first request. Navigation,
behaviours, pictures and writers receive it instead of a dozen arguments.
"""

from collections.abc import Callable, Mapping
from typing import Any

from playwright.async_api import CDPSession, Page

from snapshotter.capture.browser.call_guard import CallGuard
from snapshotter.capture.browser.isolated_worlds import IsolatedWorlds
from snapshotter.capture.browser.launch import BrowserSetup
from snapshotter.capture.capture_builder import CaptureBuilder
from snapshotter.capture.page.main_document import MainDocument
from snapshotter.capture.page.pending_callbacks import TraceWatch
from snapshotter.capture.record.recorder import Recorder
from snapshotter.capture.spool import Spool
from snapshotter.model.capture import DomChange
from snapshotter.model.request import CaptureRequest, Decision, Limits
from snapshotter.ports import Clock
from snapshotter.value_class import dataclass

FRAME_S = 2.0  # for a frame other than the main one to answer


@dataclass(slots=True)
class SettlingTime:
    """How much of the time for settling one document has taken, over all times it settled."""

    documents: int = 0
    spent_s: float = 0.0
    mutations: int = -1  # of all frames, at the last look; -1: there was none
    changed_at: float = 0.0  # `clock.monotonic()` when that number was seen first

    def begin(self, documents: int) -> None:
        """Begin anew for a document; `documents` is how many there have been."""
        self.documents, self.spent_s, self.mutations = documents, 0.0, -1

    def note_mutations(self, mutations: int, now: float) -> None:
        """Note how many mutations all frames have had at a moment (`clock.monotonic()`)."""
        if self.mutations != mutations:
            self.mutations, self.changed_at = mutations, now


@dataclass(frozen=True, slots=True, kw_only=True)
class PageContext:
    """One page, the browser that shows it, and what records and limits a capture of it."""

    request: CaptureRequest
    decision: Decision
    clock: Clock
    browser: BrowserSetup
    page: Page
    session: CDPSession  # of the page
    guard: CallGuard
    worlds: IsolatedWorlds
    trace: TraceWatch
    document: MainDocument
    settling_time: SettlingTime
    recorder: Recorder
    builder: CaptureBuilder
    spool: Spool
    memory_is_low: Callable[[], bool]  # whether the browser has taken much of its memory

    @property
    def limits(self) -> Limits:
        """The limits of the decision."""
        return self.decision.limits

    async def ask(self, name: str, *args: object, limit_s: float | None = None) -> Any:
        """Call a script of ours in the main frame; see `IsolatedWorlds.ask_main`."""
        limit = self.limits.step_s if limit_s is None else limit_s
        return await self.worlds.ask_main(name, *args, limit_s=limit)

    async def send(
        self, purpose: str, method: str, parameters: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """
        Send a command of the debugging protocol within the time limit of a step.

        Args:
            purpose: Names the call in the error when it takes too long.

        Raises:
            PageLost, CallTimeout, CaptureTimeout, PlaywrightError: There is no answer.
        """
        answer: dict[str, Any] = await self.guard.call(
            purpose, self.session.send(method, parameters or {}), self.limits.step_s
        )
        return answer


def dom_change_between(before: Mapping[str, Any], after: Mapping[str, Any]) -> DomChange:
    """Return what changed between two measures of the document (`measure` in scripts/base.js)."""
    return DomChange(
        nodes_before=int(before["nodes"]),
        nodes_after=int(after["nodes"]),
        text_before=int(before["text"]),
        text_after=int(after["text"]),
        # Another document counts from nought.
        mutations=max(0, int(after["mutations"]) - int(before["mutations"])),
    )
