"""
State the result of a capture in one sentence, and choose the exit code of the command.

The outcome is how much of a page was captured, the verdict is what the page shows, and the court
minimum is which required parts exist. A log-in page can be captured whole, so one of the three
alone could mislead. Therefore no command prints one of them alone: the sentence has the outcome
and the verdict, and a met court minimum is qualified if the page does not show its content.
docs/spec/assessment.md#in-one-sentence has all combinations.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from snapshotter.errors import CaptureIncomplete
from snapshotter.model.assessment import AssessmentSummary, Availability, Content, WallKind
from snapshotter.model.capture import Outcome

WALLS: Final[Mapping[WallKind, str]] = MappingProxyType(
    {
        WallKind.LOGIN: "a log-in wall",
        WallKind.VERIFICATION: "a request to verify the visitor",
        WallKind.CHALLENGE: "a bot challenge",
        WallKind.CONSENT: "a request for consent",
        WallKind.PAYWALL: "a paywall",
        WallKind.AGE: "a question for the reader's age",
        WallKind.APP_ONLY: "a request to open the app",
        WallKind.RATE_LIMITED: "a refusal for too many requests",
        WallKind.SESSION_EXPIRED: "a notice that a session has expired",
    }
)
_BEGINNINGS: Final = {
    (Outcome.COMPLETE, False): "The page was captured whole",
    (Outcome.PARTIAL, False): "The page was captured in part",
    (Outcome.COMPLETE, True): "The first view of the page was captured",
    (Outcome.PARTIAL, True): "The first view of the page was captured in part",
}
_NO_PAGE: Final = "No page could be captured."
_ENDS: Final = {
    Content.CONTENT: "its content",
    Content.PARTIAL: "only some of its content",
    Content.BLANK: "nothing",
}
_THINGS: Final = {
    Content.SHELL: "a page layout without its main text",
    Content.BLANK: "a blank page",
    Content.ERROR: "an error",
}
_NO_RULE: Final = "no rule states whether"
_STATED: Final = "a statement that the content is not available"
_UNKNOWN: Final = "a possible notice that the content is not available"


def headline(outcome: Outcome, shown: AssessmentSummary | None, *, light: bool = False) -> str:
    """
    Return the result of a capture as one sentence that can be quoted.

    Args:
        shown: None: what the page shows could not be established.
        light: It was a light check, which looks at the first view alone.
    """
    if outcome is Outcome.FAILED:
        return _NO_PAGE
    beginning = _BEGINNINGS[outcome, light]
    if shown is None:
        return f"{beginning}. What it shows could not be established."
    if _is_uncertain(shown):
        return (
            f"{beginning}, and it shows little text. {_NO_RULE.capitalize()} that is the content."
        )
    return f"{beginning}, and it shows {_what(shown)}."


def qualify_court_minimum(line: str, met: bool, shown: AssessmentSummary | None) -> str:
    """Return the court-minimum line; if it is met without the content, add what the page shows."""
    if not met:
        return line
    if shown is None:
        return f"{line}; whether it shows the content could not be established"
    if _is_uncertain(shown):
        return f"{line}; {_NO_RULE} the page shows the content"
    if shown.content in (Content.CONTENT, Content.PARTIAL):
        return line
    return f"{line}; the page shows {_thing(shown)}, not the content"


def exit_code(met: bool, *, required: bool) -> int:
    """Return the exit code of a capture that was sealed and stored: 3 where it lacks something."""
    return 0 if met or not required else CaptureIncomplete.exit_code


def combined_exit_code(codes: Sequence[int]) -> int:
    """Return the exit code of several captures: the last failure, else the incomplete, else 0."""
    failures = [code for code in codes if code not in (0, CaptureIncomplete.exit_code)]
    return failures[-1] if failures else max(codes, default=0)


def _is_uncertain(shown: AssessmentSummary) -> bool:
    """Return whether the page may show its content, or just as well a notice or a wall."""
    return shown.ambiguous and shown.content in (Content.CONTENT, Content.PARTIAL)


def _what(shown: AssessmentSummary) -> str:
    if shown.content in _ENDS:
        return _ENDS[shown.content]
    thing = _thing(shown)
    return thing if shown.content is Content.NOTICE else f"{thing}, not the content"


def _thing(shown: AssessmentSummary) -> str:
    """Return what the page shows in place of the content."""
    if shown.content is Content.WALL:
        return WALLS[shown.wall] if shown.wall is not None else "a wall"
    if shown.content is Content.NOTICE:
        is_known = shown.availability is Availability.UNAVAILABLE
        return _STATED if is_known else _UNKNOWN
    return _THINGS[shown.content]
