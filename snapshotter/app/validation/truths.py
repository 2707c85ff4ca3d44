"""
Define the known truths of a self-test: one table of pages of the fixture site.

The values come from the code that makes the pages, and never from a capture. To add a page, add a
row. `SiteState` puts the page into its state before the capture.
"""

from typing import Final

from snapshotter.model.assessment import Availability
from snapshotter.model.capture import Outcome
from snapshotter.site import measured, news
from snapshotter.site.state import PageState, removed
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

_LATE: Final = "late/timer-2500"


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """One page, and what a capture of the page must contain."""

    name: str
    about: str  # a sentence
    path: str  # of the fixture site, without a slash at the beginning
    state: PageState = PageState()  # of the page while it is captured
    title: str
    status: int
    availability: Availability | None  # None: no rule can know it, so it is not checked
    outcome: Outcome = Outcome.COMPLETE
    reasons: tuple[str, ...] = ()  # codes of the outcome, sorted
    missing_images: int = 0  # that the record must count
    notice: str | None = None  # words of the take-down notice, verbatim; None: not checked
    present: tuple[str, ...] = ()  # words that the sealed text contains
    absent: tuple[str, ...] = ()  # words that the sealed text does not contain
    picture: tuple[int, int] | None = None  # width and height, pixels; None: not known before
    differs_from: str = ""  # name of an earlier case; "": no comparison
    words: tuple[str, str] = ("", "")  # that are gone and that came, against the earlier case


_FIRST, _SECOND, _THIRD, _FOURTH = news.paragraphs(PageState().figure)
_EDITED: Final = PageState(figure=61)
_STORY_TITLE: Final = "Accounts closed as campaign begins – The Burrard Lantern"

TRUTHS: Final = (
    Truth(
        name="page/available",
        about=tr("A story is available."),
        path="news/2014",
        title=_STORY_TITLE,
        status=200,
        availability=Availability.AVAILABLE,
        present=(_FIRST, _SECOND),
        absent=(news.GONE["review"],),
    ),
    Truth(
        name="page/changed",
        about=tr("The same story, in which one number was changed."),
        path="news/2014",
        state=_EDITED,
        title=_STORY_TITLE,
        status=200,
        availability=Availability.AVAILABLE,
        present=(news.paragraphs(_EDITED.figure)[0],),
        absent=(_FIRST,),
        differs_from="page/available",
        words=(str(PageState().figure), str(_EDITED.figure)),
    ),
    Truth(
        name="page/notice-200",
        about=tr("A take-down notice replaces the story, and the server answers 200."),
        path="news/2014",
        state=removed("review"),
        title="The Burrard Lantern",
        status=200,
        availability=Availability.UNAVAILABLE,
        notice=news.GONE["review"],
        present=(news.GONE["review"],),
        absent=(_FIRST,),
    ),
    Truth(
        name="page/status-404",
        about=tr("The page does not exist, and the server answers 404."),
        path="real404",
        title="Not Found",
        status=404,
        availability=Availability.UNAVAILABLE,
        picture=(1440, 900),
    ),
    Truth(
        name="page/log-in",
        about=tr("A log-in page is in the place of the content, and the server answers 200."),
        path="wall/login",
        title="Log in",
        status=200,
        availability=Availability.INCONCLUSIVE,
        present=("Password",),
        picture=(1440, 900),
    ),
    Truth(
        name="page/late",
        about=tr("A script adds content 2.5 seconds after the page was loaded."),
        path=_LATE,
        title="Late: timer-2500",
        status=200,
        availability=None,
        present=("arrived-timer-2500",),
    ),
    Truth(
        name="page/deep",
        about=tr("A page is 6000 pixels high, and its last words are at the end."),
        path="measured/deep",
        title="A page of known height",
        status=200,
        availability=Availability.AVAILABLE,
        present=("Band 1.", measured.LAST_WORDS),
        picture=(1440, measured.DEPTH_PX),
    ),
    Truth(
        name="page/missing-picture",
        about=tr("The server does not have one of the two pictures of a story."),
        path="measured/missing",
        title="A page with a missing picture",
        status=200,
        availability=Availability.AVAILABLE,
        outcome=Outcome.PARTIAL,
        reasons=("images-missing",),
        missing_images=1,
    ),
)
