"""
Hold the sentences by which a person reads states: verdicts, causes, outcomes, reasons, findings.

A cause is given as the notice states it, and never as a motive: who removed something, and why, is
the platform's own claim.
"""

import enum
from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Final

from snapshotter.model.assessment import (
    AssessmentSummary,
    Availability,
    Cause,
    Content,
    Undecided,
    WallKind,
)
from snapshotter.model.capture import Outcome
from snapshotter.model.takedown import Observation, TakedownKind

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


class RemovalSign(enum.Enum):
    """By what a capture shows that something is gone."""

    NOTICE = enum.auto()  # words on the page
    DATA = enum.auto()  # a value in the data that the page received
    ADDRESS = enum.auto()  # where the browser was led
    MARK = enum.auto()  # something in the page's code
    STATUS = enum.auto()  # the status of HTTP alone
    UNKNOWN = enum.auto()  # the capture does not tell


_GONE: Mapping[RemovalSign, str] = {
    RemovalSign.NOTICE: "a notice stood in the place of the content",
    RemovalSign.DATA: "the data that the server sent state it",
    RemovalSign.ADDRESS: (
        "the browser was led to an address that the rules know as one for removed pages, and they "
        "found no text of a notice"
    ),
    RemovalSign.MARK: (
        "a mark in the page's code states it, and the rules found no text of a notice"
    ),
    RemovalSign.STATUS: "the server's status states it, and the rules found no text of a notice",
    RemovalSign.UNKNOWN: "the rules found no text of a notice",
}
_SAYS: Mapping[RemovalSign, str] = {
    RemovalSign.NOTICE: "The notice says",
    RemovalSign.DATA: "The data that the server sent say",
    RemovalSign.ADDRESS: "The address, as the rules read it, says",
    RemovalSign.MARK: "The mark in the page's code, as the rules read it, says",
    RemovalSign.STATUS: "The server's status, as the rules read it, says",
    RemovalSign.UNKNOWN: "The verdict in the capture says",
}
_OF_PAGE = "of the account behind the page, and not of the page"
_OF_ACCOUNT: Mapping[RemovalSign, str] = {
    RemovalSign.NOTICE: "The page says this of the account behind it, and not of itself.",
    RemovalSign.DATA: f"The data that the server sent say this {_OF_PAGE}.",
    RemovalSign.ADDRESS: f"The address, as the rules read it, says this {_OF_PAGE}.",
    RemovalSign.MARK: f"The mark in the page's code, as the rules read it, says this {_OF_PAGE}.",
    RemovalSign.STATUS: f"The server's status, as the rules read it, says this {_OF_PAGE}.",
    RemovalSign.UNKNOWN: f"The verdict in the capture says this {_OF_PAGE}.",
}

TITLES: Mapping[TakedownKind, str] = {
    TakedownKind.REMOVED: "It was there. It is gone.",
    TakedownKind.REINSTATED: "It was gone. It is there again.",
    TakedownKind.ACCOUNT_CHANGED: "The account was there. It has changed.",
    TakedownKind.ACCOUNT_RESTORED: "The account had changed. It is there again.",
}

CAUSES: Mapping[Cause, str] = {
    Cause.AUTHOR: "The notice says that the author took it down.",
    Cause.PLATFORM_RULE: "The notice says that it broke rules or the law.",
    Cause.COMPLAINT_MANY: "The notice says that many users complained of it.",
    Cause.COMPLAINT_IP: "The notice says that somebody complained that it infringed their rights.",
    Cause.ACCOUNT_BLOCKED: "The notice says that the account behind it is blocked.",
    Cause.ACCOUNT_CLOSED: "The notice says that the account behind it was closed.",
    Cause.ACCOUNT_FROZEN: "The notice says that the account behind it is frozen.",
    Cause.ACCOUNT_ABNORMAL: "The notice says that the account behind it is in an abnormal state.",
    Cause.MOVED: "The notice says that it moved.",
    Cause.REVIEW_FAILED: "The notice says that it did not pass a review.",
    Cause.OWNER_SETTING: "The notice says that its owner does not show it to everybody.",
    Cause.TEMPORARY: "The notice says that it is not to be seen for the time being.",
    Cause.EXPIRED: "The notice says that the link has expired.",
    Cause.REFUTED: "The notice says that it was refuted.",
    Cause.LEGAL: "The server says that it is withheld for legal reasons (HTTP 451), and no more.",
    Cause.NOT_STATED: "No reason is stated.",
}

# Of a cause that is a convention of researchers (`TakedownVerdict.convention`).
_CONVENTION = (
    "Researchers take the code that the platform answers with for %s. The platform itself does "
    "not say so."
)
_AS_READ: Mapping[Cause, str] = {
    Cause.AUTHOR: "a deletion by the author",
    Cause.PLATFORM_RULE: "a removal by the platform",
}


def cause(cause: Cause, *, convention: bool = False, by: RemovalSign = RemovalSign.NOTICE) -> str:
    """
    Return what is said of a cause, as a sentence.

    Args:
        convention: The cause is how researchers read a code (`TakedownVerdict.convention`).
        by: What says it: only a notice that was read is called one.
    """
    if convention:
        return _CONVENTION % _AS_READ.get(cause, f"this: {cause.value.replace('_', ' ')}")
    if cause is Cause.LEGAL and by is not RemovalSign.STATUS:
        return f"{_SAYS[by]} that it is withheld for legal reasons."
    return CAUSES[cause].replace(_SAYS[RemovalSign.NOTICE], _SAYS[by], 1)


def describe_removal(by: RemovalSign, status: int | None) -> str:
    """
    Return by what a capture shows that a page is gone, to stand behind "it was gone: ".

    Args:
        status: Of HTTP, of the page's own answer; None where no answer came.
    """
    if by is RemovalSign.STATUS and status is not None:
        return (
            f"the server answered {format_http_status(status)}, and the rules found no text "
            "of a notice"
        )
    return _GONE[by]


def describe_account_state(by: RemovalSign) -> str:
    """Return what says something of the account behind a page, as a sentence."""
    return _OF_ACCOUNT[by]


def describe_error(status: int | None) -> str:
    """Return why a capture with `Undecided.ERROR` is undecided, by its HTTP status or None."""
    if status is None:
        return "no answer of the server was received"
    if status >= 400:
        return (
            f"the server answered {format_http_status(status)}, which says nothing about the page"
        )
    return "the page showed an error, or could not be read"


def format_http_status(status: int) -> str:
    """Return a status of HTTP with its name (RFC 9110): `HTTP 404 (Not Found)`."""
    try:
        return f"HTTP {status} ({HTTPStatus(status).phrase})"
    except ValueError:  # a server may answer with any number
        return f"HTTP {status}"


UNDECIDED: Mapping[Undecided, str] = {
    Undecided.WALL: "a login, a verification or another wall stood in front of it",
    Undecided.UNKNOWN_NOTICE: "it showed a notice that no rule knows",
    Undecided.ERROR: "the server gave no answer, or an error",
    Undecided.UNKNOWN: "nothing could be said about it",
}

_CONTENT: Mapping[Content, str] = {
    Content.CONTENT: "the page showed its content",
    Content.NOTICE: "a notice",
    Content.WALL: "a wall",
    Content.SHELL: "the frame of the page without its main text",
    Content.BLANK: "a page with nothing on it",
    Content.ERROR: "an error",
    Content.PARTIAL: "the page showed its content, and some of it was missing",
}


def describe_observation(observation: Observation) -> str:
    """Return what a capture shows, in words, by what is in short known of it."""
    if observation.availability is Availability.INCONCLUSIVE:
        return (
            "nothing can be said of the page: "
            f"{UNDECIDED[observation.undecided or Undecided.UNKNOWN]}"
        )
    if observation.availability is Availability.UNAVAILABLE:
        return (
            "it was gone: "
            f"{_GONE[RemovalSign.NOTICE if observation.notice else RemovalSign.UNKNOWN]}"
        )
    account_state = describe_account_states(observation)
    account = (
        f", and it said that the account behind it is {account_state}" if account_state else ""
    )
    return f"it was there: {_CONTENT[observation.content]}{account}"


def describe_account_states(observation: Observation) -> str:
    """Return what a capture says of the account behind the page; "" for nothing."""
    return ", ".join(sorted({account.state for account in observation.accounts}))
