"""
Show which take-downs and changes are concluded, which are possible and what is missing, and make
their proof packs.
"""

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from snapshotter.app.archive.organising.review_list import ReviewReason
from snapshotter.app.takedown.event_list import listed_events, removal_burst
from snapshotter.app.takedown.notices import read_notice
from snapshotter.app.takedown.outlook import improvements
from snapshotter.app.takedown.suspected_pages import SUSPICIONS, SuspectedPage, suspected_page
from snapshotter.app.tasks.kinds import ConcludeArguments, ProofArguments, VerifyArguments
from snapshotter.assess.takedown_events import captures_of_event
from snapshotter.formats.bundle import store_keys
from snapshotter.index.stored_events import StoredEvent
from snapshotter.model.annotations import Mark
from snapshotter.model.change import ChangeSubject
from snapshotter.model.change_sentences import item_label
from snapshotter.model.comparison import Op
from snapshotter.model.page_names import technical_place
from snapshotter.model.sentences import CAUSE_NAMES, TITLES, describe_observation
from snapshotter.model.takedown import Observation, Takedown, TakedownKind, widen
from snapshotter.report.statement import OWN_WORDS
from snapshotter.report.states import POSSIBLE_REMOVAL, StateLabel
from snapshotter.report.wording import language_name
from snapshotter.translation import tr
from snapshotter.web.console.forms import Form, form_endpoint
from snapshotter.web.console.links import path_with
from snapshotter.web.console.pages.previews import require_shown, thumbnail_path
from snapshotter.web.console.proof_tasks import proofs_of_captures, proofs_of_event
from snapshotter.web.console.task_requests import new_key, request_task
from snapshotter.web.console.templating import respond
from snapshotter.web.console.view_age import view_age
from snapshotter.web.context import WebContext, context_of
from snapshotter.web.errors import NotFound

PATH: Final = "/takedowns"
PARTS: Final = (
    ("confirmations", tr("Leave out the confirming captures")),
    ("controls", tr("Leave out the control pages")),
    ("vantages", tr("Leave out captures from other vantages")),
    ("pdf", tr("Leave out the PDF")),
)
_SHOWN: Final = 200  # events of the list
_INDEX_S: Final = 2.0  # for the index to show an event that was concluded just now
_SUSPECTED: Final = 50  # pages of the list of possible removals
_LABELS: Final = {
    TakedownKind.REMOVED: StateLabel(words=tr("Removed"), shape="■", tone="bad"),
    TakedownKind.REINSTATED: StateLabel(words=tr("Available again"), shape="●", tone="good"),
    TakedownKind.ACCOUNT_CHANGED: StateLabel(words=tr("Account changed"), shape="■", tone="bad"),
    TakedownKind.ACCOUNT_RESTORED: StateLabel(words=tr("Account restored"), shape="●", tone="good"),
    TakedownKind.CHANGED: StateLabel(words=tr("Text changed"), shape="▲", tone="warn"),
}


def event_path(event_id: str) -> str:
    """Return the path of the page of an event. Ids have no letter that must be quoted."""
    return f"{PATH}/{event_id}"


def possible_path(bundle_id: str) -> str:
    """Return the path of the page about a capture that is a possible removal."""
    return f"{PATH}/possible/{quote(bundle_id, safe='')}"


def _list(request: Request) -> Response:
    context = context_of(request)
    services = context.services
    is_trusted = services.is_trusted()
    with services.index.reading() as view:
        found = listed_events(view.source, within=removal_burst(context.settings))
        outlook = services.outlook.latest(view, is_trusted)
        in_doubt = [
            entry.bundle_id
            for entry in services.review.entries(view) or ()
            if ReviewReason.POSSIBLE_REMOVAL in entry.reasons
        ][:_SHOWN]
        suspected = services.suspected.latest(view, in_doubt, is_trusted)
    events = list(reversed(found.events))
    return respond(
        request,
        "takedowns.html.j2",
        events=[
            _row(listed.event, is_trusted=is_trusted(listed.stored.key_id))
            for listed in events[:_SHOWN]
        ],
        invalid=found.invalid,
        key=new_key(request),
        left=max(len(events) - _SHOWN, 0),
        outlook=outlook,
        suspected=[_suspected_row(context, page) for page in (suspected or ())[:_SUSPECTED]],
        suspected_left=max(len(suspected or ()) - _SUSPECTED, 0),
        view_age=view_age(request),
    )


def _conclude(request: Request, form: Form) -> Response:
    url = form.text("url")
    if len(url) > 10_000:
        raise HTTPException(400, tr("the address is too long"))
    arguments = ConcludeArguments(urls=(url,) if url else ())
    return request_task(request, arguments, form, back=PATH)


def _prove_change(request: Request, form: Form) -> Response:
    """Record and prove what changed between two captures that a person chose."""
    ids = (form.text("a"), form.text("b"))
    if ids[0] == ids[1] or not all(map(store_keys.is_id, ids)):
        raise HTTPException(400, tr("choose two captures of the page, the earlier one first"))
    back = path_with("/compare", {"a": ids[0], "b": ids[1]})
    if form.text("from") == "possible":
        back = possible_path(ids[1])
    return request_task(request, ProofArguments(bundle_ids=ids), form, back=back)


def _possible(request: Request) -> Response:
    """Show one page that was possibly removed, and what leads from there to a proof."""
    context, bundle_id = context_of(request), request.path_params["bundle_id"]
    require_shown(context, bundle_id)
    services = context.services
    with services.index.reading() as view:
        page = suspected_page(view, bundle_id, services.is_trusted())
        if page is None:
            raise NotFound(
                tr("the capture {bundle_id} is not a possible removal", bundle_id=bundle_id)
            )
        graphic = {
            capture.bundle_id
            for capture in page.captures
            if Mark.GRAPHIC in view.state.annotations.capture(capture.bundle_id).marks
        }
    return respond(
        request,
        "possible_removal.html.j2",
        **_suspected_row(context, page),
        captures=_suspected_captures(page),
        describe=describe_observation,
        graphic=graphic,
        key=new_key(request),
        label=POSSIBLE_REMOVAL,
        thumbnail_path=thumbnail_path,
        view_age=view_age(request),
    )


def _suspected_row(context: WebContext, page: SuspectedPage) -> dict[str, Any]:
    """Return a possible removal, what can be done about it, and the proofs that were requested."""
    earlier, later = page.last_seen, page.first_without
    proofs = []
    if page.event is not None:
        proofs = proofs_of_event(context, page.event.event_id)
    elif earlier is not None:
        proofs = proofs_of_captures(context, (earlier.bundle_id, later.bundle_id))
    return {
        "compare": ""
        if earlier is None
        else path_with("/compare", {"a": earlier.bundle_id, "b": later.bundle_id}),
        "event": "" if page.event is None else event_path(page.event.event_id),
        "page": page,
        "proofs": proofs,
        "suspicion": SUSPICIONS[page.suspicion],
        "url": possible_path(later.bundle_id),
    }


def _suspected_captures(page: SuspectedPage) -> list[tuple[str, Observation]]:
    """Return the captures of a possible removal with their part in it, in the order of time."""
    parts = {capture.bundle_id: tr("Later capture without the page") for capture in page.later}
    for capture, part in (
        (page.control, tr("Control page")),
        (page.confirmation, tr("Possible confirmation")),
        (page.first_without, tr("First capture without the page")),
        (page.last_seen, tr("Last capture with the page")),
    ):
        if capture is not None:
            parts[capture.bundle_id] = part
    return [(parts[capture.bundle_id], capture) for capture in page.captures]


def _event(request: Request) -> Response:
    context = context_of(request)
    services = context.services
    _await_event(request)
    with services.index.reading() as view:
        stored, event = _found(request, view.source.index.events(
            event_id=request.path_params["event_id"][:64]
        ))  # fmt: skip
        kinds = view.source.index.sidecar_kinds(
            [capture.bundle_id for capture in captures_of_event(event)]
        )
        graphic = {
            capture.bundle_id
            for capture in event.ends
            if Mark.GRAPHIC in view.state.annotations.capture(capture.bundle_id).marks
        }
        hidden = {
            capture.bundle_id
            for capture in captures_of_event(event)
            if view.is_quarantined(capture.bundle_id, kinds.get(capture.bundle_id, ()))
        }
    begin, end = widen(event.bracket)
    return respond(
        request,
        "takedown.html.j2",
        begin=begin,
        captures=_captures(event, hidden),
        # The words of a change are those of both captures.
        changes=[] if hidden else _changes(event),
        causes=[CAUSE_NAMES[cause] for cause in event.causes],
        end=end,
        ends=[
            (
                name,
                capture,
                "" if capture.bundle_id in hidden else thumbnail_path(capture.bundle_id),
                capture.bundle_id in graphic,
            )
            for name, capture in zip(_end_names(event), event.ends, strict=True)
        ],
        event=event,
        hidden=hidden,
        improvements=improvements(event),
        is_trusted=services.is_trusted()(stored.key_id),
        key=new_key(request),
        label=_LABELS[event.kind],
        language_name=language_name,
        notice=None
        if event.first_gone.bundle_id in hidden
        else read_notice(services.store, event.first_gone),
        own_words=[OWN_WORDS[name] for name in event.own_word],
        packs=proofs_of_event(context, event.event_id),
        parts=PARTS,
        path=event_path(event.event_id),
        stored=stored,
        title=TITLES[event.kind],
        view_age=view_age(request),
    )


def _prove(request: Request, form: Form) -> Response:
    event = _known_event(request)
    arguments = ProofArguments(
        event_id=event.event_id,
        without=tuple(name for name, _ in PARTS if name in form.texts("without")),
    )
    return request_task(request, arguments, form, back=event_path(event.event_id))


def _verify(request: Request, form: Form) -> Response:
    event = _known_event(request)
    return request_task(
        request,
        VerifyArguments(object_id=event.event_id),
        form,
        back=event_path(event.event_id),
        shows_result=True,
    )


def _await_event(request: Request) -> None:
    """Bring the index up to date if it lacks the event: it may have been concluded just now."""
    index, event_id = context_of(request).services.index, request.path_params["event_id"]
    if store_keys.is_id(event_id):
        with index.reading() as view:
            is_known = bool(view.source.index.events(event_id=event_id))
        if not is_known:
            index.wait_for_update(_INDEX_S)


def _known_event(request: Request) -> Takedown:
    with context_of(request).services.index.reading() as view:
        found = view.source.index.events(event_id=request.path_params["event_id"][:64])
        return _found(request, found)[1]


def _found(request: Request, events: Sequence[StoredEvent]) -> tuple[StoredEvent, Takedown]:
    """Return the event of the address. Raises NotFound: there is none."""
    for stored in events:
        if stored.event is not None:
            return stored, stored.event
    name = request.path_params["event_id"][:64]
    raise NotFound(tr("the store has no take-down event {name}", name=name))


def _row(event: Takedown, *, is_trusted: bool) -> dict[str, Any]:
    begin, end = widen(event.bracket)
    return {
        "begin": begin,
        "end": end,
        "event": event,
        "is_trusted": is_trusted,
        "label": _LABELS[event.kind],
        "url": event_path(event.event_id),
    }


def _end_names(event: Takedown) -> tuple[str, str]:
    if event.kind is TakedownKind.REINSTATED:
        return tr("Last capture without the page"), tr("First capture with the page again")
    if event.kind is TakedownKind.CHANGED:
        return tr("Before the change"), tr("After the change")
    return tr("Last capture with the page"), tr("First capture without the page")


def _captures(event: Takedown, hidden: set[str]) -> list[dict[str, Any]]:
    """Return the captures that the event rests on, in the order of time, with their part in it."""
    parts = {
        **{capture.bundle_id: tr("Account of the page") for capture in event.identified_by},
        **{capture.bundle_id: tr("Other vantage") for capture in event.vantages},
        **{capture.bundle_id: tr("Control page") for capture in event.controls},
        **{capture.bundle_id: tr("Confirming capture") for capture in event.confirmations},
    }
    names = _end_names(event)
    parts |= {capture.bundle_id: name for name, capture in zip(names, event.ends, strict=True)}
    return [
        {
            "at": capture.began_at,
            "bundle_id": capture.bundle_id,
            "is_hidden": capture.bundle_id in hidden,
            "part": parts[capture.bundle_id],
            "proven_at": capture.proven_at,
            "shows": describe_observation(capture),
            "url": capture.url,
            "vantage": capture.vantage,
        }
        for capture in captures_of_event(event)
    ]


def _changes(event: Takedown) -> list[dict[str, str]]:
    """Return what changed: its name, its place in the signed event, the text before and after."""
    if event.change is None:
        return []
    return [
        {
            "after": "".join(piece.text for piece in item.pieces if piece.op is not Op.REMOVED),
            "before": "".join(piece.text for piece in item.pieces if piece.op is not Op.ADDED),
            "name": item_label(item),
            "technical": technical_place(item.where),
        }
        for item in event.change.items
        if item.subject is not ChangeSubject.PICTURE  # its pieces are digests
    ]


routes = (
    Route(PATH, _list, methods=["GET"]),
    Route(f"{PATH}/conclude", form_endpoint(_conclude), methods=["POST"]),
    Route(f"{PATH}/change", form_endpoint(_prove_change), methods=["POST"]),
    Route(f"{PATH}/possible/{{bundle_id}}", _possible, methods=["GET"]),
    Route(f"{PATH}/{{event_id}}", _event, methods=["GET"]),
    Route(f"{PATH}/{{event_id}}/proof", form_endpoint(_prove), methods=["POST"]),
    Route(f"{PATH}/{{event_id}}/verify", form_endpoint(_verify), methods=["POST"]),
)
