"""Show the history of one page: all its captures with verdicts, gaps and take-down events."""

from collections.abc import Sequence
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from snapshotter.app.archive.lookup.search import is_cursor
from snapshotter.app.archive.screens.address_history import (
    AddressHistory,
    HistoryCapture,
    HistoryEvent,
    HistoryGap,
    address_history,
)
from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.model.gap import describe_gap
from snapshotter.model.takedown import widen
from snapshotter.translation import tr
from snapshotter.web.console.links import path_with
from snapshotter.web.console.pages.captures import ADDRESSES
from snapshotter.web.console.templating import respond
from snapshotter.web.console.view_age import view_age
from snapshotter.web.context import context_of
from snapshotter.web.errors import NotFound

_PAGE: Final = 100  # captures
_MOST: Final = 4_000  # characters of an address or an identity


def _path(identity: str, cursor: str = "") -> str:
    return path_with(ADDRESSES, {"identity": identity, "cursor": cursor})


def _address(request: Request) -> Response:
    page = request.query_params.get("identity", "")[:_MOST].strip()
    cursor = request.query_params.get("cursor", "")
    if not page:
        raise HTTPException(400, tr("the request names no page. Choose a capture in the list"))
    with context_of(request).services.index.reading() as view:
        try:
            found = address_history(
                view, page, limit=_PAGE, before=cursor if is_cursor(cursor) else ""
            )
        except ServiceUnavailable:
            raise
        except SnapshotterError as error:
            raise HTTPException(400, error.message) from error
    if not found.entries and not cursor:
        raise NotFound(tr("the store has no capture of this page"))
    return respond(
        request,
        "address.html.j2",
        first=_path(found.identity) if cursor else "",
        found=found,
        lead=_lead(found, is_whole=not cursor and not found.next),
        marks=_marks(found),
        next=_path(found.identity, found.next) if found.next else "",
        presets=[capture.card.bundle_id for capture in reversed(found.captures[:2])] or ["", ""],
        rows=[_row(entry) for entry in found.entries],
        view_age=view_age(request),
    )


def _lead(found: AddressHistory, *, is_whole: bool) -> str:
    count = len(found.captures)
    if not is_whole:
        return tr("{count} captures of the page are shown here.", count=count)
    return tr("1 capture of the page.") if count == 1 else tr("{n} captures of the page.", n=count)


def _marks(found: AddressHistory) -> Sequence[dict[str, Any]]:
    """Return the history as a line of marks, the earliest first."""
    marks: list[dict[str, Any]] = []
    for entry in reversed(found.entries):
        match entry:
            case HistoryCapture():
                marks.append({"kind": "capture", "at": entry.at, "label": entry.verdict,
                              "url": f"#c-{entry.card.bundle_id}"})  # fmt: skip
            case HistoryGap():
                marks.append({"kind": "gap", "at": entry.at, "words": _gap_words(entry)})
            case HistoryEvent():
                marks.append({"kind": "event", "at": entry.at, "words": entry.title})
    return marks


def _row(entry: HistoryCapture | HistoryGap | HistoryEvent) -> dict[str, Any]:
    match entry:
        case HistoryCapture():
            return {"kind": "capture", "at": entry.at, "entry": entry, "change": _change(entry)}
        case HistoryGap():
            return {
                "kind": "gap",
                "at": entry.at,
                "until": entry.record.until,
                "words": _gap_words(entry),
                "detail": entry.record.detail,
            }
        case HistoryEvent():
            return {
                "kind": "event",
                "at": entry.at,
                "words": entry.title,
                "interval": widen(entry.event.bracket),
                "url": f"/takedowns/{entry.event.event_id}",
            }


def _gap_words(entry: HistoryGap) -> str:
    gap = entry.record
    return describe_gap(gap.event, gap.reason, gap.schedule, gap.visits, gap.by)


def _change(entry: HistoryCapture) -> str:
    if entry.is_changed is None:
        return ""
    return tr("The main text changed") if entry.is_changed else tr("The same main text")


routes = (Route(ADDRESSES, _address),)
