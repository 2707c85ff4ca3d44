"""Show take-down events. An event is verified by a request to /verifications."""

from collections.abc import Collection
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Query

from snapshotter.app.json_objects.bundles import left_out_json
from snapshotter.app.json_objects.takedowns import event_json
from snapshotter.app.takedown.event_list import listed_events, removal_burst, without_words
from snapshotter.assess.takedown_events import captures_of_event
from snapshotter.index.stored_events import StoredEvent
from snapshotter.model.takedown import Takedown
from snapshotter.translation import tr
from snapshotter.web.api.dependencies import Context, reading_archive
from snapshotter.web.api.models import events as models
from snapshotter.web.api.models.common import BundleId
from snapshotter.web.api.problem import not_found

router = APIRouter(tags=["events"])


@router.get("/events")
def list_events(
    context: Context,
    page: Annotated[
        str, Query(max_length=10_000, description="Only events of this page: its address.")
    ] = "",
) -> models.EventList:
    """
    List the take-down events of the store, in the order in which they were concluded.

    The words of captures in quarantine are left out.
    """
    is_trusted = context.services.is_trusted()
    with reading_archive(context) as view:
        found = listed_events(view.source, page=page, within=removal_burst(context.settings))
        hidden = view.hidden_reasons(
            capture.bundle_id
            for listed in found.events
            for capture in captures_of_event(listed.event)
        )
    return models.EventList.model_validate(
        {
            "events": [
                {
                    **_shown(listed.stored, listed.event, hidden),
                    "burst": listed.burst,
                    "trusted": is_trusted(listed.stored.key_id),
                }
                for listed in found.events
            ],
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


def _shown(stored: StoredEvent, event: Takedown, hidden: Collection[str]) -> dict[str, Any]:
    return event_json(replace(stored, event=without_words(event, hidden)))
