"""What every behaviour works with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from snapshotter.capture.browser.call_guard import CallGuard
from snapshotter.capture.browser.isolated_worlds import IsolatedWorlds
from snapshotter.capture.page.main_document import MainDocument
from snapshotter.capture.page.pending_callbacks import TraceWatch
from snapshotter.capture.record.recorder import Recorder
from snapshotter.model.capture import DomChange, Settling
from snapshotter.model.request import Decision
from snapshotter.ports import Clock

FRAME_S = 2.0  # for a frame other than the main one to answer


@dataclass(slots=True)
class SettlingTime:
    """How much of the time for settling one document has taken, over all times it settled."""

    documents: int = 0
    spent_s: float = 0.0
    mutations: int = -1  # of all frames, when they were asked last; -1: never
    changed_at: float = 0.0  # `clock.monotonic()` when that number was seen first


class ActionRecorder(Protocol):
    """Takes what was done to the page: kind, detail, and what became of the document."""

    def __call__(self, kind: str, detail: str, change: DomChange | None = None) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PageContext:
    """One page, and what watches over it."""

    worlds: IsolatedWorlds
    recorder: Recorder
    guard: CallGuard
    decision: Decision
    clock: Clock
    note: ActionRecorder
    document: MainDocument
    watch: TraceWatch
    patience: SettlingTime
    settled: Callable[[Settling], None]  # takes how each settling ended
    scripts_stopped: Callable[[], bool]  # whether the page's scripts do not run any more

    async def ask(self, name: str, *args: object, limit_s: float | None = None) -> Any:
        """Ask the main frame; see `Worlds.ask`."""
        limit = self.decision.limits.step_s if limit_s is None else limit_s
        return await self.worlds.ask_main(name, *args, limit_s=limit)


def change(before: Mapping[str, Any], after: Mapping[str, Any]) -> DomChange:
    """Return what lies between two measures of the document (`measure` in scripts/base.js)."""
    return DomChange(
        nodes_before=int(before["nodes"]),
        nodes_after=int(after["nodes"]),
        text_before=int(before["text"]),
        text_after=int(after["text"]),
        # Another document counts from nought.
        mutations=max(0, int(after["mutations"]) - int(before["mutations"])),
    )
