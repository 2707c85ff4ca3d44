"""An observer of the queue that remembers what it was told."""

from typing_extensions import override

from snapshotter.model.notification import NotificationEvent
from snapshotter.ports import JobObserver


class Heard(JobObserver):
    """What an observer was told."""

    def __init__(self) -> None:
        self.events: list[NotificationEvent] = []
        self.late: list[float] = []
        self.told: list[str] = []

    @override
    def fired(self, schedule: str, *, late_s: float) -> None:
        self.late.append(late_s)

    @override
    def tell(self, event: NotificationEvent) -> None:
        self.events.append(event)
