"""Show the captures of the store as a table or as a gallery, by words and filters."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from snapshotter.app.archive.lookup.index_service import ArchiveView
from snapshotter.app.archive.lookup.search import Excerpt, is_cursor
from snapshotter.app.archive.screens.capture_list import (
    CaptureCard,
    CaptureCards,
    CaptureFilters,
    list_captures,
)
from snapshotter.app.archive.screens.day_report import local_instant
from snapshotter.formats.printable import cut_middle
from snapshotter.index.query import OUTCOMES, VERDICTS, InvalidQuery
from snapshotter.model.annotation_state import CaseState
from snapshotter.model.annotations import ReviewDecision
from snapshotter.model.assessment import Availability, Content
from snapshotter.model.capture import Outcome
from snapshotter.model.sentences import CONTENT_NAMES, PAGE_STATES
from snapshotter.report.html import escape_misleading, group_digits
from snapshotter.report.states import capture_label
from snapshotter.translation import tr
from snapshotter.web.console.links import path_with
from snapshotter.web.console.pages import selected
from snapshotter.web.console.pages.previews import thumbnail_path
from snapshotter.web.console.task_requests import new_key
from snapshotter.web.console.templating import respond, sentence
from snapshotter.web.console.view_age import view_age
from snapshotter.web.context import context_of

PATH: Final = "/captures"
ADDRESSES: Final = "/addresses"  # the history of a page
_PAGE: Final = 50  # captures
_FIELDS: Final = ("q", "host", "verdict", "outcome", "case", "tag", "since", "until")
_VIEWS: Final = ("table", "gallery")
_OPTION: Final = 60  # characters of the words of an option
_MOST: Final = 2_000  # characters of a value
REVIEW_WORDS: Final[Mapping[str, str]] = {
    ReviewDecision.ACCEPTED: tr("Accepted"),
    ReviewDecision.REJECTED: tr("Rejected"),
    ReviewDecision.NEEDS_WORK: tr("Needs work"),
}
# What may be an id, or its end: searched as an id if the words are nothing else.
_ID_PART: Final = re.compile(r"[a-z2-7]{8,16}")


def _captures(request: Request) -> Response:
    given = {name: request.query_params.get(name, "")[:_MOST].strip() for name in _FIELDS}
    view_name = request.query_params.get("view", "")
    view_name = view_name if view_name in _VIEWS else _VIEWS[0]
    cursor = request.query_params.get("cursor", "")
    problems: list[tuple[str, str]] = []
    found = CaptureCards(cards=(), next="", searched_until="", cut=0, total=None)
    with context_of(request).services.index.reading() as view:
        named = _named_capture(view, given)
        if named:
            return RedirectResponse(f"{PATH}/{named}", 303)
        try:
            found = list_captures(
                view,
                _filters(given, problems),
                limit=_PAGE,
                before=cursor if is_cursor(cursor) else "",
            )
        except InvalidQuery as error:
            words = [error.message, *([error.hint] if error.hint else [])]
            problems.append((_field_of(given), " ".join(map(sentence, words))))
        cases = view.state.annotations.cases
    values = {**given, "view": "" if view_name == _VIEWS[0] else view_name}
    return respond(
        request,
        "captures.html.j2",
        status_code=400 if problems else 200,
        cards=found.cards,
        case_options=_case_options(cases, given["case"]),
        clear=path_with(PATH, {"view": values["view"]}) if any(given.values()) else "",
        first=path_with(PATH, values) if cursor else "",
        found=found,
        given=given,
        history=lambda url: path_with(ADDRESSES, {"identity": url}),
        is_filtered=any(given[name] for name in _FIELDS if name != "q"),
        items=[gallery_item(card) for card in found.cards] if view_name == "gallery" else (),
        decisions=selected.DECISIONS,
        forms=selected.FORMS,
        key=new_key(request),
        lead=_lead(found),
        next=path_with(PATH, values, cursor=found.next) if found.next else "",
        open_cases=sorted(name for name, case in cases.items() if case.closed is None),
        outcomes=_outcomes(),
        parts=excerpt_parts,
        problems=problems,
        review_words=REVIEW_WORDS,
        selected_path=selected.PATH,
        shown_view=view_name,
        this_page=path_with(PATH, values, cursor=cursor if is_cursor(cursor) else ""),
        verdicts=_verdicts(),
        view_age=view_age(request),
        views=[
            (name, path_with(PATH, given, view="" if name == _VIEWS[0] else name))
            for name in _VIEWS
        ],
    )


def _filters(given: dict[str, str], problems: list[tuple[str, str]]) -> CaptureFilters:
    """Return the filters; days are those of the clock of this machine, and both are included."""
    since, until = (_day(name, given[name], problems) for name in ("since", "until"))
    return CaptureFilters(
        words=given["q"],
        host=given["host"],
        verdict=given["verdict"],
        outcome=given["outcome"],
        case=given["case"],
        tag=given["tag"],
        since=_begin(since) if since else None,
        until=_begin(until + timedelta(days=1)) if until and until < date.max else None,
    )


def _begin(day: date) -> datetime:
    return local_instant(day, time())


def _day(name: str, text: str, problems: list[tuple[str, str]]) -> date | None:
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
        if not 1970 <= day.year <= 9998:
            raise ValueError(text)
    except ValueError:
        problems.append(
            (name, tr("{text} is not a day. A day is written as 2026-11-30.", text=text[:40]))
        )
        return None
    return day


def _field_of(given: dict[str, str]) -> str:
    """Return the id of the field that an invalid query is about: the words, if there are any."""
    return "q" if given["q"] else "verdict" if given["verdict"] else "outcome"


def _named_capture(view: ArchiveView, given: dict[str, str]) -> str:
    """Return the id of the capture that the words name by its id or the end of it; "" for none."""
    words = given["q"]
    if any(value for name, value in given.items() if name != "q"):
        return ""
    index = view.source.index
    if is_cursor(words):
        return words if index.row(words) is not None else ""
    if not _ID_PART.fullmatch(words):
        return ""
    found = index.ids_with_part(words)
    return found[0] if len(found) == 1 else ""


def _lead(found: CaptureCards) -> str:
    if found.total is None:
        return ""
    if found.total == 1:
        return tr("The store has 1 capture.")
    return tr("The store has {count} captures.", count=group_digits(found.total))


def _case_options(cases: Mapping[str, CaseState], chosen: str) -> Sequence[tuple[str, str]]:
    """Return the values of the filter of cases; a case that does not exist is kept as it is."""
    known = [
        (name, f"{name}: {_short(case.title)}" if case.title else name)
        for name, case in sorted(cases.items())
    ]
    unknown = [(chosen, _short(chosen))] if chosen and chosen not in cases else []
    return [("", tr("any")), *known, *unknown]


def _short(text: str) -> str:
    return escape_misleading(cut_middle(text, _OPTION))


def gallery_item(card: CaptureCard) -> dict[str, Any]:
    """Return a capture as the gallery shows it."""
    return {
        "id": card.bundle_id,
        "url": f"{PATH}/{card.bundle_id}",
        "title": card.title or card.url,
        "host": card.host,
        "at": card.at,
        "label": card.page,
        "picture": thumbnail_path(card.bundle_id),
        "is_graphic": card.is_graphic,
    }


def _verdicts() -> Sequence[tuple[str, str]]:
    """Return the values of the filter of verdicts, each with its words."""
    words: dict[str, str] = {state.value: PAGE_STATES[state] for state in Availability}
    words |= {content.value: tr("shows {what}", what=CONTENT_NAMES[content]) for content in Content}
    order = sorted(VERDICTS, key=list(words).index)
    return [("", tr("any")), *((value, words[value]) for value in order)]


def _outcomes() -> Sequence[tuple[str, str]]:
    return [
        ("", tr("any")),
        *((value, capture_label(Outcome(value)).words.lower()) for value in OUTCOMES),
    ]


def excerpt_parts(excerpt: Excerpt) -> Iterator[tuple[str, bool]]:
    """Yield the parts of an excerpt, each with whether it is one of the words."""
    at = 0
    for start, end in excerpt.marks:
        if start > at:
            yield excerpt.text[at:start], False
        yield excerpt.text[start:end], True
        at = end
    if at < len(excerpt.text):
        yield excerpt.text[at:], False


routes = (Route(PATH, _captures),)
