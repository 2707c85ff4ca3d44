"""Show each component of the pages with ordinary and with difficult content, for developers."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from snapshotter.model.assessment import (
    AssessmentSummary,
    Availability,
    Cause,
    Content,
    Undecided,
    WallKind,
)
from snapshotter.model.capture import Outcome
from snapshotter.model.finding import Verdict
from snapshotter.report.states import (
    POSSIBLE_REMOVAL,
    StateLabel,
    capture_label,
    page_label,
    verdict_label,
)
from snapshotter.translation import tr
from snapshotter.web.console.static_files import static_path
from snapshotter.web.console.templating import respond
from snapshotter.web.context import context_of
from snapshotter.web.errors import NotFound

_AT: Final = datetime(2026, 11, 29, 7, 16, 5, tzinfo=UTC)
_LONG: Final = (
    "Harbour stays open until summer, council says after a long meeting about the repairs of the "
    "northern quay and its two cranes"
)
_TITLES: Final = (
    _LONG,
    "港口将关闭至春季进行维修",
    "الميناء مغلق حتى الربيع",
    "",
    f"A{'ndon' * 22}",
    "Council minutes, 28 November",
)
_SECTIONS: Final = (
    ("states", tr("State labels")),
    ("titles", tr("Page header")),
    ("facts", tr("Summary list")),
    ("tables", tr("Table")),
    ("strips", tr("Filmstrip")),
    ("cards", tr("Gallery")),
    ("timelines", tr("Timeline")),
    ("pairs", tr("Compare view")),
    ("notices", tr("Notice boxes")),
    ("forms", tr("Forms")),
    ("codes", tr("Code")),
)


def _labels() -> tuple[StateLabel, ...]:
    def shown(**values: Any) -> AssessmentSummary:
        known = {"content": Content.CONTENT, "availability": Availability.AVAILABLE}
        return AssessmentSummary(**(known | values))

    return (
        page_label(shown(), Outcome.COMPLETE),
        capture_label(Outcome.COMPLETE),
        verdict_label(Verdict.PASSED),
        capture_label(Outcome.PARTIAL),
        POSSIBLE_REMOVAL,
        page_label(
            shown(
                content=Content.NOTICE, availability=Availability.UNAVAILABLE, cause=Cause.AUTHOR
            ),
            Outcome.COMPLETE,
        ),
        page_label(
            shown(
                content=Content.WALL,
                availability=Availability.INCONCLUSIVE,
                undecided=Undecided.WALL,
                wall=WallKind.LOGIN,
            ),
            Outcome.COMPLETE,
        ),
        verdict_label(Verdict.INDETERMINATE),
        capture_label(Outcome.FAILED),
    )


def _items(labels: tuple[StateLabel, ...]) -> list[dict[str, Any]]:
    return [
        {
            "address": f"https://news.example.org/2026/11/{'long/' * (number * 8)}",
            "at": _AT + timedelta(minutes=17 * number),
            "bytes": 1_234_567 * (number + 1),
            "host": "news.example.org" if number != 2 else f"{'many.' * 12}example.org",
            "id": f"example-{number}",
            "is_graphic": number == 4,
            "is_this": number == 2,
            "label": labels[(0, 4, 5, 6, 3, 8)[number]],
            "picture": "" if number == 3 else static_path("example.svg"),
            "title": title,
            "url": "/styleguide",
        }
        for number, title in enumerate(_TITLES)
    ]


def _moments(labels: tuple[StateLabel, ...]) -> list[dict[str, Any]]:
    def moment(hours: int, label: StateLabel | None = None, **more: Any) -> dict[str, Any]:
        known = {"gap": "", "event": "", "detail": "", "url": "/styleguide", "is_this": False}
        return known | {"at": _AT + timedelta(hours=hours), "label": label} | more

    return [
        moment(0, labels[0]),
        moment(1, gap="No visit from 29 Nov 18:00 to 30 Nov 02:00: no worker was running."),
        moment(11, labels[4], detail="The text of the page is missing.", is_this=True),
        moment(12, labels[5]),
        moment(13, event="Take-down concluded: removed between 28 Nov 09:00 and 29 Nov 15:16."),
    ]


def _pictures() -> list[dict[str, Any]]:
    piece = {"url": static_path("example.svg"), "top": 0, "width": 320, "height": 240}
    picture = {"width": 320, "height": 240, "cut": False, "pieces": [piece]}
    return [picture, picture]


def _styleguide(request: Request) -> Response:
    if not context_of(request).rules.development:
        raise NotFound(tr("this page exists only while the console is developed"))
    labels = _labels()
    box = {"left": 14, "top": 44, "width": 206, "height": 14}
    return respond(
        request,
        "styleguide.html.j2",
        at=_AT,
        items=_items(labels),
        labels=labels,
        long_title=f"{_LONG}. {_LONG}",
        long_url=f"https://news.example.org/{'path/' * 60}?q=1",
        moments=_moments(labels),
        pictures=_pictures(),
        region=lambda region: tr("the title changed"),
        regions=[{"before": box, "after": box}],
        right_to_left="ارفع\u202eاقلب",
        sections=_SECTIONS,
        sha256="ab12" * 16,
        work=[
            {"name": "Starting the browser", "state": "done", "detail": "0.4 s"},
            {"name": "Loading the page", "state": "done", "detail": "1.9 s"},
            {"name": "Recording the page", "state": "running", "detail": "1.2 s"},
            {"name": "Sealing", "state": "waiting", "detail": ""},
            {"name": "Storing", "state": "failed", "detail": "no answer"},
        ],
    )


routes = (Route("/styleguide", _styleguide, methods=["GET", "POST"]),)
