"""Show cases, create and close them, add captures and notes, and hand a case over."""

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from snapshotter.app.archive.lookup.index_service import ArchiveView
from snapshotter.app.archive.organising import case_export_plan, cases
from snapshotter.app.archive.organising.case_view import case_view
from snapshotter.app.archive.screens.case_screen import CaseScreen, case_screen
from snapshotter.app.tasks.kinds import (
    AnnotateArguments,
    AnnotationAction,
    CaseExportArguments,
    CaseReportArguments,
)
from snapshotter.app.wiring.own_trust_file import archive_trust
from snapshotter.errors import SnapshotterError
from snapshotter.formats.bundle import store_keys
from snapshotter.formats.statements import annotation
from snapshotter.index.query import InvalidQuery, parse
from snapshotter.model.annotation_state import AnnotationState, CaseState
from snapshotter.model.annotations import MAX_TEXT
from snapshotter.model.sentences import TITLES
from snapshotter.translation import tr
from snapshotter.web.console.forms import Form, form_endpoint
from snapshotter.web.console.pages import selected
from snapshotter.web.console.seen_state import for_seen_state
from snapshotter.web.console.task_requests import answer_again, new_key, request_task
from snapshotter.web.console.templating import respond
from snapshotter.web.console.view_age import view_age
from snapshotter.web.context import context_of
from snapshotter.web.errors import NotFound

PATH: Final = "/cases"
GROUPS: Final[Sequence[tuple[str, str]]] = (
    ("notes", tr("Notes")),
    ("reviews", tr("Decisions of reviews, and reasons")),
    ("tags", tr("Tags")),
    ("title", tr("Title of the case")),
)
PAPERS: Final = (("A4", "A4"), ("Letter", "Letter"))
_FIELDS: Final = ("ids", "add-reason", "note", "close-reason", "searches")
_Errors = Sequence[tuple[str, str]]  # (id of the field, sentence)
_CONTENTS: Final = ("pdf", "load-files", "no-case-report")  # boxes of an archive
_MOST_IDS: Final = 500  # captures that a form adds


def case_path(name: str) -> str:
    """Return the path of the page of a case. The name has no letter that must be quoted."""
    return f"{PATH}/{name}"


def _list(request: Request) -> Response:
    return _list_page(request, {})


def _list_page(request: Request, given: dict[str, str], errors: _Errors = ()) -> Response:
    with context_of(request).services.index.reading() as view:
        found = view.state.annotations.cases
    ordered = sorted(found.values(), key=lambda case: (case.closed is not None, -case.number))
    return respond(
        request,
        "cases.html.j2",
        status_code=422 if errors else 200,
        cases=ordered,
        errors=errors,
        given={name: given.get(name, "") for name in ("name", "title")},
        key=new_key(request),
        view_age=view_age(request),
    )


def _create(request: Request, form: Form) -> Response:
    given = {"name": form.text("name").strip(), "title": form.text("title").strip()}
    errors: list[tuple[str, str]] = []
    with context_of(request).services.index.reading() as view:
        existing = view.state.annotations.cases
    try:
        annotation.check_case(given["name"])
    except ValueError as error:
        errors.append(("name", str(error)))
    if given["name"] in existing:
        errors.append(("name", tr("the case {name} exists already", name=given["name"])))
    if len(given["title"]) > MAX_TEXT:
        errors.append(("title", tr("the title is longer than {most} characters", most=MAX_TEXT)))
    if errors:
        sent_before = answer_again(request, form, back=PATH)
        return sent_before or _list_page(request, given, errors)
    arguments = AnnotateArguments(
        action=AnnotationAction.CREATE_CASE, case=given["name"], text=given["title"]
    )
    return request_task(request, arguments, form, back=case_path(given["name"]))


def _case(request: Request) -> Response:
    return _case_page(request, {})


def _case_page(request: Request, given: dict[str, str], errors: _Errors = ()) -> Response:
    context = context_of(request)
    name = request.path_params["name"]
    with context.services.index.reading() as view:
        screen = _screen(view, name)
        counts = case_export_plan.count_writings(
            screen.case,
            [view.state.annotations.capture(exhibit.bundle_id) for exhibit in screen.exhibits],
        )
        writings = _writings(screen, view.state.annotations)
    return respond(
        request,
        "case.html.j2",
        status_code=422 if errors else 200,
        case=screen.case,
        decisions=selected.DECISIONS,
        errors=errors,
        forms=selected.FORMS,
        given={name: given.get(name, "") for name in _FIELDS},
        groups=[(group, words, counts[group]) for group, words in GROUPS],
        key=new_key(request),
        papers=PAPERS,
        path=case_path(name),
        screen=screen,
        seen=cases.last_record(view.state.annotations, case=name),
        selected_path=selected.PATH,
        timeline=_timeline(screen),
        view_age=view_age(request),
        writings=writings,
    )


def _add(request: Request, form: Form) -> Response:
    given = {"ids": form.text("ids"), "add-reason": form.text("add-reason").strip()}
    with context_of(request).services.index.reading() as view:
        case = _open_case(request, view)
        ids, problems = _named_captures(view, given["ids"])
    if problems:
        return _case_page(request, given, [("ids", problem) for problem in problems])
    arguments = AnnotateArguments(
        action=AnnotationAction.ADD_TO_CASE,
        case=case.name,
        bundle_ids=tuple(ids),
        text=given["add-reason"],
    )
    return request_task(request, arguments, form, back=case_path(case.name))


def _note(request: Request, form: Form) -> Response:
    given = {"note": form.text("note")}
    with context_of(request).services.index.reading() as view:
        case = _found(view, request.path_params["name"])
    text = given["note"].strip()
    if not text or len(text) > MAX_TEXT:
        why = (
            tr("the note is longer than {most} characters", most=MAX_TEXT)
            if text
            else tr("the note has no text")
        )
        return _case_page(request, given, [("note", why)])
    arguments = AnnotateArguments(action=AnnotationAction.ADD_NOTE, case=case.name, text=text)
    return request_task(request, arguments, form, back=f"{case_path(case.name)}#notes")


def _close(request: Request, form: Form) -> Response:
    given = {"close-reason": form.text("close-reason").strip()}
    with context_of(request).services.index.reading() as view:
        case = _open_case(request, view)
    if not given["close-reason"]:
        why = tr("to close the case, give a reason")
        return _case_page(request, given, [("close-reason", why)])
    arguments = AnnotateArguments(
        action=AnnotationAction.CLOSE_CASE, case=case.name, text=given["close-reason"]
    )
    try:
        arguments = for_seen_state(arguments, form, view.state.annotations)
    except SnapshotterError as error:  # somebody else changed the case
        return answer_again(request, form, back=case_path(case.name)) or _case_page(
            request, given, [("close-reason", error.message)]
        )
    return request_task(request, arguments, form, back=case_path(case.name))


def _report(request: Request, form: Form) -> Response:
    given = {"searches": form.text("searches")}
    with context_of(request).services.index.reading() as view:
        case = _found(view, request.path_params["name"])
    searches = [line.strip() for line in given["searches"].splitlines() if line.strip()]
    try:
        for line in searches:
            parse(line)
    except InvalidQuery as error:
        return _case_page(request, given, [("searches", error.message)])
    arguments = CaseReportArguments(
        case=case.name,
        included=_included(form.texts("with")),
        searches=tuple(searches),
        paper=_paper(form.text("paper")),
    )
    return request_task(request, arguments, form, back=case_path(case.name))


def _preview(request: Request) -> Response:
    """Show what an archive of the case contains and what is withheld, before it is made."""
    context = context_of(request)
    query = request.query_params
    included = _included(query.getlist("with"))
    has_pdf, has_load_files = "pdf" in query, "load-files" in query
    has_case_report = "no-case-report" not in query
    chosen = [("with", group) for group in included]
    chosen += [(field, "yes") for field in _CONTENTS if field in query]
    chosen.append(("paper", _paper(query.get("paper", ""))))
    with context.services.index.reading() as view:
        name = _found(view, request.path_params["name"]).name
        state = view.state.annotations
    plan = case_export_plan.plan_export(
        context.services.store,
        case_view(context.services.store, state, name),
        context.services.is_trusted(),
        included=included,
        has_pdf=has_pdf,
        has_load_files=has_load_files,
        has_case_report=has_case_report,
    )
    return respond(
        request,
        "case_export.html.j2",
        bytes=sum(exhibit.bytes for exhibit in plan.exhibits),
        archive_trust=archive_trust(context.settings),
        here=f"{case_path(name)}/export?{urlencode(chosen)}",
        included=included,
        is_own_trust_file=context.settings.trust_file is None,
        key=new_key(request),
        owner=context.services.person.name,
        path=case_path(name),
        paper=_paper(query.get("paper", "")),
        plan=plan,
        words=dict(GROUPS),
    )


def _export(request: Request, form: Form) -> Response:
    with context_of(request).services.index.reading() as view:
        case = _found(view, request.path_params["name"])
    arguments = CaseExportArguments(
        case=case.name,
        included=_included(form.texts("with")),
        pdf=bool(form.text("pdf")),
        load_files=bool(form.text("load-files")),
        case_report=not form.text("no-case-report"),
        paper=_paper(form.text("paper")),
    )
    return request_task(request, arguments, form, back=case_path(case.name))


def _screen(view: ArchiveView, name: str) -> CaseScreen:
    _found(view, name)
    return case_screen(view, name)


def _found(view: ArchiveView, name: str) -> CaseState:
    """Return a case. Raises NotFound: it does not exist."""
    found = view.state.annotations.cases.get(name)
    if found is None:
        raise NotFound(tr("the case {name} does not exist", name=name[:80]))
    return found


def _open_case(request: Request, view: ArchiveView) -> CaseState:
    """Return the case of the address. Raises SnapshotterError: it is closed."""
    return cases.require_open_case(
        view.state.annotations, _found(view, request.path_params["name"]).name
    )


def _named_captures(view: ArchiveView, text: str) -> tuple[list[str], list[str]]:
    """Return the ids that a text names, each whole or by its end, and what is wrong with it."""
    ids: list[str] = []
    problems: list[str] = []
    words = text.replace(",", " ").split()
    if not words:
        problems.append(tr("name at least one capture by its id"))
    if len(words) > _MOST_IDS:
        problems.append(tr("name at most {most} captures", most=_MOST_IDS))
    for word in words[:_MOST_IDS]:
        # An address of the console ends with the id.
        part = word.rstrip("/").rpartition("/")[2].partition("?")[0]
        found = view.source.index.ids_with_part(part) if _is_part(part) else ()
        if len(found) == 1:
            ids.append(found[0])
        elif found:
            problems.append(tr("several captures have {part} in their ids", part=word[:80]))
        else:
            problems.append(tr("no capture has the id {part}", part=word[:80]))
    return ids, problems


def _is_part(text: str) -> bool:
    return store_keys.is_id(text) or (4 <= len(text) <= 64 and text.isascii() and text.isalnum())


def _timeline(screen: CaseScreen) -> list[dict[str, Any]]:
    """Return the exhibits and the events in the order of time, as the component shows them."""
    entries: list[tuple[Any, dict[str, Any]]] = [
        (
            exhibit.card.at,
            {
                "at": exhibit.card.at,
                "detail": tr(
                    "Exhibit {number}: {title}",
                    number=exhibit.number,
                    title=exhibit.card.title or exhibit.card.url,
                ),
                "event": "",
                "gap": "",
                "is_this": False,
                "label": exhibit.card.page,
                "url": f"/captures/{exhibit.bundle_id}",
            },
        )
        for exhibit in screen.by_time
        if exhibit.card is not None
    ]
    entries += [
        (
            event.bracket[1],
            {"event": TITLES[event.kind], "gap": "", "url": f"/takedowns/{event.event_id}"},
        )
        for event in screen.events
    ]
    return [item for _, item in sorted(entries, key=lambda entry: entry[0])]


def _writings(screen: CaseScreen, state: AnnotationState) -> list[tuple[int, str, Any]]:
    """Return the notes about the exhibits: number of the exhibit, id of the capture, and note."""
    return [
        (exhibit.number, exhibit.bundle_id, note)
        for exhibit in screen.exhibits
        for note in state.capture(exhibit.bundle_id).notes
    ]


def _included(given: Sequence[str]) -> tuple[str, ...]:
    known = dict(GROUPS)
    return tuple(group for group in given if group in known)


def _paper(given: str) -> str:
    return given if given in dict(PAPERS) else PAPERS[0][0]


routes = (
    Route(PATH, _list, methods=["GET"]),
    Route(PATH, form_endpoint(_create), methods=["POST"]),
    Route(f"{PATH}/{{name}}", _case),
    Route(f"{PATH}/{{name}}/add", form_endpoint(_add), methods=["POST"]),
    Route(f"{PATH}/{{name}}/note", form_endpoint(_note), methods=["POST"]),
    Route(f"{PATH}/{{name}}/close", form_endpoint(_close), methods=["POST"]),
    Route(f"{PATH}/{{name}}/report", form_endpoint(_report), methods=["POST"]),
    Route(f"{PATH}/{{name}}/export", _preview, methods=["GET"]),
    Route(f"{PATH}/{{name}}/export", form_endpoint(_export), methods=["POST"]),
)
