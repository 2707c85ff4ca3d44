"""An observer of the queue that remembers what it was told."""

from typing_extensions import override

from snapshotter.model.event import Event
from snapshotter.ports import JobObserver


class Heard(JobObserver):
    """What an observer was told."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.late: list[float] = []
        self.told: list[str] = []

    @override
    def fired(self, schedule: str, *, late_s: float) -> None:
        self.late.append(late_s)

    @override
    def tell(self, event: Event) -> None:
        self.events.append(event)
