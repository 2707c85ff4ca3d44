"""Show take-down events. An event is verified by a request to /verifications."""

from collections.abc import Collection
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Query

from snapshotter.app.json_objects.bundles import left_out_json
from snapshotter.app.json_objects.takedowns import event_json
from snapshotter.app.takedown.event_list import (
    EventList,
    ListedEvent,
    listed_events,
    removal_burst,
    without_words,
)
from snapshotter.assess.takedown_events import captures_of_event
from snapshotter.index.stored_events import StoredEvent
from snapshotter.model.takedown import Takedown
from snapshotter.translation import tr
from snapshotter.web.api.dependencies import Context, Limit, reading_archive
from snapshotter.web.api.models import events as models
from snapshotter.web.api.models.common import BUNDLE_ID, BundleId
from snapshotter.web.api.problem import Problem, not_found

router = APIRouter(tags=["events"])


@router.get("/events")
def list_events(
    context: Context,
    page: Annotated[
        str, Query(max_length=10_000, description="Only events of this page: its address.")
    ] = "",
    cursor: Annotated[
        str | None,
        Query(
            pattern=BUNDLE_ID,
            description="`next` of the page before, or the id of an event: only later events.",
        ),
    ] = None,
    limit: Limit = 50,
) -> models.EventList:
    """
    List the take-down events of the store, the earliest first.

    The time of an event is the end of the capture by which it was concluded. The words of captures
    in quarantine are left out.
    """
    is_trusted = context.services.is_trusted()
    with reading_archive(context) as view:
        found = listed_events(view.source, page=page, within=removal_burst(context.settings))
        later = _later_events(found, cursor)
        shown = later[:limit]
        hidden = view.hidden_reasons(
            capture.bundle_id for listed in shown for capture in captures_of_event(listed.event)
        )
    return models.EventList.model_validate(
        {
            "events": [
                {
                    **_shown(listed.stored, listed.event, hidden),
                    "burst": listed.burst,
                    "trusted": is_trusted(listed.stored.key_id),
                }
                for listed in shown
            ],
            "next": shown[-1].event.event_id if len(later) > limit else None,
            "problems": [f"{stored.key}: {stored.problem}" for stored in found.invalid],
        }
    )


@router.get("/events/{event_id}")
def show_event(context: Context, event_id: BundleId) -> models.EventDetails:
    """Show a take-down event, and which of its captures are in quarantine, without their words."""
    with reading_archive(context) as view:
        found = view.source.index.events(event_id=event_id)
        stored = next((kept for kept in found if kept.event is not None), None)
        if stored is None or stored.event is None:
            raise not_found(tr("the store has no take-down event {event_id}", event_id=event_id))
        left_out = view.hidden_reasons(part.bundle_id for part in captures_of_event(stored.event))
    return models.EventDetails.model_validate(
        {**_shown(stored, stored.event, left_out), "quarantined": left_out_json(left_out)}
    )


def _later_events(found: EventList, cursor: str | None) -> list[ListedEvent]:
    """Return the events after that of the cursor. Raises Problem: the cursor names none."""
    ordered = sorted(found.events, key=lambda listed: (listed.event.at, listed.event.event_id))
    if cursor is None:
        return ordered
    ids = [listed.event.event_id for listed in ordered]
    if cursor not in ids:
        raise Problem(
            "invalid-request",
            tr("the cursor {cursor} is the id of no event in the list", cursor=cursor),
            hint=tr("read the list from its beginning, without a cursor"),
        )
    return ordered[ids.index(cursor) + 1 :]


def _shown(stored: StoredEvent, event: Takedown, hidden: Collection[str]) -> dict[str, Any]:
    return event_json(replace(stored, event=without_words(event, hidden)))
