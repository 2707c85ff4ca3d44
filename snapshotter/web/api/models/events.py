"""Describe take-down events."""

from typing import Any

from pydantic import Field

from snapshotter.web.api.models.common import Answer, Instant


class Interval(Answer):
    """An interval."""

    begin: Instant
    end: Instant


class LeftOutCapture(Answer):
    """A capture that is in quarantine, and why."""

    bundle_id: str
    why: str


class Event(Answer):
    """A take-down event (docs/spec/takedown-event.md). The event is not verified here."""

    bracket: Interval
    checked: bool = Field(description="Always false: only the verification of the event counts.")
    event: dict[str, Any]
    key: str
    key_id: str
    own_word: list[str]
    sha256: str


class ListedEvent(Event):
    """A take-down event in a list: the object of `takedown list --json`."""

    burst: str | None
    trusted: bool


class EventList(Answer):
    """Take-down events, the earliest first."""

    events: list[ListedEvent]
    next: str | None = Field(description="The cursor of the next page; null at the end.")
    problems: list[str] = Field(description="Objects of the store that are no valid events.")


class EventDetails(Event):
    """A take-down event: the object of `takedown show --json`."""

    quarantined: list[LeftOutCapture]
