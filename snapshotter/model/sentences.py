"""
Hold the sentences by which people read states: verdicts, causes, outcomes, reasons and findings.

The result of a capture answers three questions, always in this order (`headline`):

    Is the page there?      available, not available, not established
    Is the capture whole?   complete, partial, failed
    Is the proof intact?    PASSED (intact), FAILED (not intact), INDETERMINATE (not established)

A table whose name ends with `CLAUSES` holds clauses: no capital letter at the start, no full stop
at the end. `as_sentence` makes a sentence of a clause. A cause is given as the notice states it,
and never as a motive: who removed something, and why, is the platform's own claim.
"""

import enum
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final

from snapshotter.model.assessment import (
    Assessment,
    AssessmentSummary,
    Availability,
    Cause,
    Content,
    Undecided,
    WallKind,
)
from snapshotter.model.capture import Capture, Outcome
from snapshotter.model.finding import Code, Finding, Report, Verdict
from snapshotter.model.takedown import Observation, TakedownKind

# --- Is the page there? ------------------------------------------------------------------------

PAGE_STATES: Final[Mapping[Availability, str]] = MappingProxyType(
    {
        Availability.AVAILABLE: "available",
        Availability.UNAVAILABLE: "not available",
        Availability.INCONCLUSIVE: "not established",
    }
)
WALLS: Final[Mapping[WallKind, str]] = MappingProxyType(
    {
        WallKind.LOGIN: "a log-in wall",
        WallKind.VERIFICATION: "a request to verify the visitor",
        WallKind.CHALLENGE: "a bot challenge",
        WallKind.CONSENT: "a request for consent",
        WallKind.PAYWALL: "a paywall",
        WallKind.AGE: "a question for the reader's age",
        WallKind.APP_ONLY: "a request to open the app",
        WallKind.RATE_LIMITED: "a refusal because of too many requests",
        WallKind.SESSION_EXPIRED: "a notice that a session has expired",
    }
)
# What a capture names as the cause, as a thing.
CAUSE_NAMES: Final[Mapping[Cause, str]] = MappingProxyType(
    {
        Cause.AUTHOR: "removal by the author",
        Cause.PLATFORM_RULE: "violation of rules or laws",
        Cause.COMPLAINT_MANY: "complaints by many users",
        Cause.COMPLAINT_IP: "complaint about infringed rights",
        Cause.ACCOUNT_BLOCKED: "blocked account",
        Cause.ACCOUNT_CLOSED: "closed account",
        Cause.ACCOUNT_FROZEN: "frozen account",
        Cause.ACCOUNT_ABNORMAL: "account in an abnormal state",
        Cause.MOVED: "move to another address",
        Cause.REVIEW_FAILED: "failed review",
        Cause.OWNER_SETTING: "setting of the owner",
        Cause.TEMPORARY: "temporary restriction",
        Cause.EXPIRED: "expired link",
        Cause.REFUTED: "refutation",
        Cause.LEGAL: "legal reasons",
        Cause.NOT_STATED: "not stated",
    }
)
# What a page shows, to stand after "the page shows".
CONTENT_NAMES: Final[Mapping[Content, str]] = MappingProxyType(
    {
        Content.CONTENT: "its content",
        Content.NOTICE: "a notice",
        Content.WALL: "a wall",
        Content.SHELL: "the layout of the page without its main text",
        Content.BLANK: "a blank page",
        Content.ERROR: "an error",
        Content.PARTIAL: "only some of its content",
    }
)
UNDECIDED_CLAUSES: Final[Mapping[Undecided, str]] = MappingProxyType(
    {
        Undecided.WALL: "a log-in wall, a verification or another wall was shown instead",
        Undecided.UNKNOWN_NOTICE: "the page showed a notice that no take-down rule knows",
        Undecided.ERROR: "the server gave no answer, or answered with an error",
        Undecided.UNKNOWN: "no take-down rule matches what the page showed",
    }
)
_OPEN_REASONS: Final[Mapping[Content, str]] = {
    Content.NOTICE: "notice that no rule knows",
    Content.SHELL: "layout without main text",
    Content.CONTENT: "no rule matches",
    Content.PARTIAL: "no rule matches",
}
_LITTLE_TEXT: Final = "the page has little text, and no take-down rule file exists for its host"
_AVAILABLE: Final = "The page was available."
_AVAILABLE_IN_PART: Final = "The page was available, but some of its content was missing."
_NOT_AVAILABLE: Final = "The page was not available: %s."
_NOT_ESTABLISHED: Final = "It is not established whether the page was available: %s."


@dataclass(frozen=True, slots=True, kw_only=True)
class PageState:
    """What a capture shows, for the first sentence of the headline."""

    shown: AssessmentSummary | None  # None: the capture has no assessment
    convention: bool = False  # the cause is how researchers read a code
    http_status: int | None = None

    @classmethod
    def of(cls, assessment: Assessment | None, http_status: int | None = None) -> "PageState":
        """Return the state that an assessment states."""
        if assessment is None:
            return cls(shown=None, http_status=http_status)
        return cls(
            shown=AssessmentSummary.of(assessment),
            convention=assessment.takedown.convention,
            http_status=http_status,
        )


def page_state(shown: AssessmentSummary | None) -> str:
    """Return the state word of a page: available, not available, not established."""
    if shown is None or _is_uncertain(shown):
        return PAGE_STATES[Availability.INCONCLUSIVE]
    return PAGE_STATES[shown.availability]


def page_words(shown: AssessmentSummary | None, outcome: Outcome | None = None) -> str:
    """
    Return the state of a page with its reason, for tables: `not available (blocked account)`.

    Args:
        outcome: Of the capture, where it is known.
    """
    reason = ""
    if shown is None or shown.content is Content.ERROR:
        reason = "no assessment" if shown is None else "error"
        if outcome is Outcome.FAILED:
            reason = "no page captured"
    elif _is_uncertain(shown):
        reason = "little text"
    elif shown.availability is Availability.UNAVAILABLE:
        cause = shown.cause or Cause.NOT_STATED
        reason = "cause not stated" if cause is Cause.NOT_STATED else CAUSE_NAMES[cause]
    elif shown.availability is Availability.INCONCLUSIVE:
        reason = _OPEN_REASONS.get(shown.content) or shown_thing(shown).removeprefix("a ")
    elif shown.content is Content.PARTIAL:
        reason = "some content missing"
    return f"{page_state(shown)} ({reason})" if reason else page_state(shown)


def page_sentence(page: PageState, outcome: Outcome | None = None) -> str:
    """
    Return the answer to "Is the page there?".

    Args:
        outcome: Of the capture, where it is known.
    """
    shown = page.shown
    if shown is None:
        nothing = outcome is Outcome.FAILED
        return _NOT_ESTABLISHED % (
            "no page was captured" if nothing else "the capture has no assessment of the page"
        )
    if _is_uncertain(shown):
        return _NOT_ESTABLISHED % _LITTLE_TEXT
    if shown.availability is Availability.UNAVAILABLE:
        return _NOT_AVAILABLE % _cause_clause(shown, page.http_status, convention=page.convention)
    if shown.availability is Availability.AVAILABLE and shown.content is Content.CONTENT:
        return _AVAILABLE
    if shown.availability is Availability.AVAILABLE and shown.content is Content.PARTIAL:
        return _AVAILABLE_IN_PART
    return _NOT_ESTABLISHED % _open_clause(shown, page.http_status, outcome)


def shown_thing(shown: AssessmentSummary) -> str:
    """Return what the page shows, to stand after "the page shows"."""
    if shown.content is Content.WALL and shown.wall is not None:
        return WALLS[shown.wall]
    if shown.content is Content.NOTICE:
        is_known = shown.availability is Availability.UNAVAILABLE
        return "a statement that the content is not available" if is_known else "a possible notice"
    return CONTENT_NAMES[shown.content]


def _is_uncertain(shown: AssessmentSummary) -> bool:
    """Return whether the page may show its content, or just as well a notice or a wall."""
    return shown.ambiguous and shown.content in (Content.CONTENT, Content.PARTIAL)


def _cause_clause(shown: AssessmentSummary, http_status: int | None, *, convention: bool) -> str:
    cause = shown.cause or Cause.NOT_STATED
    rule = f" (rule {shown.rule})" if shown.rule else ""
    if cause is Cause.NOT_STATED and http_status is not None and http_status >= 400:
        return f"the server answered {format_http_status(http_status)} and stated no cause{rule}"
    return f"{_stated_cause(cause, is_convention=convention)}{rule}"


def _open_clause(shown: AssessmentSummary, http_status: int | None, outcome: Outcome | None) -> str:
    if shown.content is Content.ERROR:
        if outcome is Outcome.FAILED:
            return "no page was captured"
        if http_status is not None and http_status >= 400:
            return f"the server answered {format_http_status(http_status)}"
        return UNDECIDED_CLAUSES[Undecided.ERROR] if http_status is None else "it showed an error"
    if shown.content is Content.NOTICE:
        return UNDECIDED_CLAUSES[Undecided.UNKNOWN_NOTICE]
    if shown.content in (Content.CONTENT, Content.PARTIAL):
        return UNDECIDED_CLAUSES[Undecided.UNKNOWN]
    return f"it showed {shown_thing(shown)}, not the content"


# The details of an assessment are sealed, and `verify` derives them again, so their words stay.
# These clauses say the same for the screen.
_DETAIL_CAUSES: Final[Mapping[str, Cause]] = MappingProxyType(
    {
        "deleted by its author": Cause.AUTHOR,
        "removed under the platform's rules": Cause.PLATFORM_RULE,
        "removed after many complaints": Cause.COMPLAINT_MANY,
        "removed after a complaint about rights": Cause.COMPLAINT_IP,
        "the account is blocked": Cause.ACCOUNT_BLOCKED,
        "the account was closed by its owner": Cause.ACCOUNT_CLOSED,
        "the account is frozen": Cause.ACCOUNT_FROZEN,
        "the account is called abnormal": Cause.ACCOUNT_ABNORMAL,
        "moved": Cause.MOVED,
        "it did not pass a review": Cause.REVIEW_FAILED,
        "its owner does not show it: no take-down": Cause.OWNER_SETTING,
        "not to be seen for now": Cause.TEMPORARY,
        "the link has ended": Cause.EXPIRED,
        "the platform shows a refutation instead": Cause.REFUTED,
        "for legal reasons": Cause.LEGAL,
        "no cause is stated": Cause.NOT_STATED,
    }
)
_DETAIL_CONVENTION: Final = ", as researchers read this code; the platform does not say so"
_DETAIL_CLAUSES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "the content is there": "the page shows its content",
        "the content is there, and something that it shows is gone": (
            "the page shows its content, but an item that the page quotes is not available"
        ),
        "something is there, and little: no rule knows how this host says that something is gone, "
        "and its words would look the same": (
            f"{_LITTLE_TEXT}, so a notice of a removal would look the same"
        ),
        "the page itself holds some of it back": "the page withholds some of its content",
        "nothing is shown": "the page shows nothing",
        "there is no document": "the page has no document",
        "something is shown, and there are no rules for this host to judge it by": (
            "the page shows something, but no take-down rule file exists for its host"
        ),
        "the front page of its host came in its place": (
            "the server returned the front page of the host instead of the page"
        ),
        "the front page of its host came in its place, and says nothing about it": (
            "the server returned the front page of the host instead of the page, which does not "
            "show whether the page exists"
        ),
        "no rule knows what this page shows": UNDECIDED_CLAUSES[Undecided.UNKNOWN],
        "this has the shape of a notice, and no rule knows its words": (
            "the page has the form of a notice, but no take-down rule knows its words"
        ),
        "the page has little text and a general phrase for something that is gone; no rule knows "
        "how this host says it": (
            "the page has little text with a general phrase for a removal, but no take-down rule "
            "knows this phrase for this host"
        ),
        "the platform shows an error of its own: check the address itself": (
            "the platform shows an error message, so the address may be wrong"
        ),
    }
)
_DETAIL_PATTERNS: Final = (
    (re.compile(r"no page: (.+)", re.DOTALL), "no page was captured: {0}"),
    (re.compile(r"([0-9]+) of ([0-9]+) images did not come"), "{0} of {1} images did not load"),
    (
        re.compile(r"([0-9]+) characters around a main text that is not there"),
        "the page has {0} characters, but no main text",
    ),
    (
        re.compile(r"the main region has ([0-9]+) characters, and the policy asks for ([0-9]+)"),
        "the main region has {0} characters, but the policy requires {1}",
    ),
    (
        re.compile(r"the page could not be judged: (.+)", re.DOTALL),
        "the page could not be assessed: {0}",
    ),
)
_DETAIL_WALL: Final = re.compile(
    r"a wall \(([a-z ]+)\) stands before the page, and says nothing about it"
)
_DETAIL_STATUS: Final = re.compile(
    r"HTTP ([0-9]{1,3}): (?:an error of the server|a refusal), which says nothing about the page"
)
_DETAIL_NOTICE: Final = "a notice: "
_DETAIL_RECEIVED: Final = "; what was received holds content"
_DETAIL_UNREAD: Final = "; it could not be read: "
_DETAIL_PART: Final = "the page itself holds some of it back; "


def describe_detail(detail: str) -> str:
    """Return a sealed detail of an assessment as a clause; an unknown detail as it is."""
    detail, unread, why = detail.partition(_DETAIL_UNREAD)
    said = [_describe_detail(detail)]
    if unread:
        said.append(f"a reading failed: {why}")
    return "; ".join(said)


def _describe_detail(detail: str) -> str:
    if detail.startswith(_DETAIL_NOTICE):
        inner = detail.removeprefix(_DETAIL_NOTICE)
        clause = (
            f"the page shows a notice: {_describe_detail(inner.removesuffix(_DETAIL_RECEIVED))}"
        )
        if inner.endswith(_DETAIL_RECEIVED):
            clause += "; the answer of the server contains content that the page does not show"
        return clause
    if detail.startswith(_DETAIL_PART):
        first, _, rest = detail.partition("; ")
        return f"{_describe_detail(first)}; {_describe_detail(rest)}"
    if detail in _DETAIL_CLAUSES:
        return _DETAIL_CLAUSES[detail]
    is_convention = detail.endswith(_DETAIL_CONVENTION)
    cause = _DETAIL_CAUSES.get(detail.removesuffix(_DETAIL_CONVENTION))
    if cause is not None:
        return _stated_cause(cause, is_convention=is_convention)
    if (found := _DETAIL_STATUS.fullmatch(detail)) is not None:
        status = format_http_status(int(found[1]))
        return f"the server answered {status}, which does not show whether the page exists"
    if (found := _DETAIL_WALL.fullmatch(detail)) is not None:
        kind = found[1].replace(" ", "_")
        if kind in [wall.value for wall in WallKind]:
            return (
                f"the site showed {WALLS[WallKind(kind)]} instead of the page, which does not show "
                "whether the page exists"
            )
    for pattern, clause in _DETAIL_PATTERNS:
        if (found := pattern.fullmatch(detail)) is not None:
            return clause.format(*found.groups())
    return detail


def _stated_cause(cause: Cause, *, is_convention: bool) -> str:
    if cause is Cause.NOT_STATED:
        return "no cause is stated"
    if is_convention:
        return f"researchers read the code of the platform as {CAUSE_NAMES[cause]}"
    return f"the stated cause is {CAUSE_NAMES[cause]}"


# --- Is the capture whole? ---------------------------------------------------------------------

# The codes of `outcome.reasons`: docs/reference/outcomes.md.
REASON_CLAUSES: Final[Mapping[str, str]] = MappingProxyType(
    {
        # No page came.
        "dns": "the name of the server could not be resolved",
        "refused": "the server refused the connection",
        "tls": "the encrypted connection failed, or the certificate is not valid",
        "timeout": "no answer came within the time limit",
        "connection-lost": "the connection ended before the page arrived",
        "unreachable": "no network route to the server exists",
        "redirect-loop": "the address redirects without end",
        "unsafe-port": "the browser does not open pages on this port",
        "forbidden-address": "the address is not public, or the browser does not open it",
        "proxy": "the proxy did not answer, or refused the connection",
        "blocked": "the browser or the policy blocked the page",
        "bad-response": "the answer of the server was not valid HTTP, or was cut off",
        "empty-error-response": "the server answered with an error status and no page",
        "empty-response": "the server answered with an empty document",
        "reload-loop": "the page reloads itself again and again",
        "no-content": "the server answered that it has no content to send",
        "aborted": "the navigation was aborted without a known cause",
        "network-error": "a network error occurred",
        # Something is missing.
        "load-timeout": "the page did not finish loading in time",
        "page-navigated": "the page went to another document while it was captured",
        "destination-missing": "the page led to another address, and no page came from there",
        "scroll-limited": "the page was not scrolled to its end",
        "images-missing": "images of the page are missing",
        "fonts-missing": "fonts of the page are missing",
        "resources-missing": "scripts, style sheets or other parts of the page are missing",
        "not-settled": "the page was still loading parts when the time limit ended",
        "missing-glyphs": "characters of the page are shown as boxes, because no font has them",
        "expand-limited": "more hidden text exists than the policy allows to open",
        "page-virtualised": "the page removes what is out of view, so no single picture is whole",
        "page-scrolls-inside": "an inner box scrolls, so the picture shows its beginning only",
        "page-truncated": "the page is larger than the largest picture that is taken",
        "picture-blank": "a part of a picture is blank where the page has text or images",
        "inner-box-cut": "a box that scrolls inside the page is not shown whole",
        "element-missing": "an element that the policy names is missing or not shown whole",
        "viewport-incomplete": "the page is not shown whole in another window size",
        "text-incomplete": "the text of a part of the page could not be read",
        "source-missing": "the HTML source is missing from the network record",
        "source-cut": "the HTML source was cut off",
        "response-too-large": "an answer was larger than the limit",
        "too-many-requests": "the page made more requests than the limit",
        "capture-too-large": "the page sent more data than the limit",
        "dialog-storm": "the page opened more dialogs than the limit",
        "scripts-stopped": "the scripts of the page were stopped",
        "popup-storm": "the page opened more windows than the limit",
        "target-failed": "the copy of the file could not be written",
        # The page was given up.
        "page-unresponsive": "a script of the page ran without end",
        "renderer-crashed": "the process of the page crashed",
        "page-closed": "the page closed itself",
        "browser-lost": "the browser ended",
        "memory-limit": "the browser used more memory than the limit",
        "disk-limit": "the page wrote more to the disk than the limit",
        "capture-failed": "an error occurred during the capture",
        "capture-timeout": "the time limit of the capture was reached",
        "given-up": "all attempts to capture the page failed",
        "nothing-rendered": "nothing could be kept, for an unknown cause",
    }
)
# The faults of the code `tls`: docs/reference/outcomes.md.
TLS_FAULT_CLAUSES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "expired": "the certificate of the server has expired",
        "not-yet-valid": "the certificate of the server is not valid yet",
        "other-host": "the certificate of the server is for other names",
        "unknown-authority": "the certificate of the server is by an unknown authority",
        "self-signed": "the certificate of the server is signed by itself",
        "revoked": "the certificate of the server was revoked",
        "weak-signature": "the key or the signature of the server's certificate is too weak",
        "not-logged": "the certificate of the server is in no Certificate Transparency log",
        "validity-too-long": "the certificate of the server is valid for too long",
        "malformed": "the certificate of the server cannot be read",
        "old-protocol": "the server uses only old versions or ciphers of TLS",
        "client-certificate": "the server requires a certificate of the visitor",
        "handshake": "the TLS handshake failed",
    }
)
# The steps of the codes `<step>-failed` and `<step>-timeout`.
STEP_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "launch": "starting the browser",
        "navigate": "loading the page",
        "consent": "closing the consent banner",
        "scroll": "scrolling",
        "expand": "opening hidden text",
        "settle": "waiting for the page to settle",
        "judge": "assessing the page during the capture",
        "viewport": "photographing the first view",
        "screenshot": "photographing the whole page",
        "mhtml": "saving MHTML",
        "dom": "saving the document",
        "text": "saving the text",
        "reload": "reloading the page",
        "elements": "photographing elements",
        "pdf": "printing to PDF",
        "inner-box": "photographing a box that scrolls",
    }
)
# The codes of `outcome.warnings`: docs/reference/outcomes.md.
WARNING_CLAUSES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "clock-skew": "the server's clock and this machine's clock differ too much",
        "private-authority": "the capture trusts a private certificate authority",
        "certificate-ignored": "a certificate was not valid, and the policy allowed it",
        "raw-rendered-divergence": "the shown text differs from the document that was received",
        "changed-after-pictures": "the page may have changed after it was photographed",
        "page-held": "the page tried to go to another address while it was photographed",
        "page-keeps-changing": "parts of the page change all the time",
        "announced-more": "the page may have loaded more content later",
        "trial-failed": "parts of the page were photographed in windows of their own",
        "navigation-refused": "the page tried to open an address that the browser never opens",
        "service-worker-blocked": "a service worker of the page was blocked",
        "private-glyphs": "characters of the page, mostly icons, are shown as boxes",
        "document-made-by-page": "the page replaced itself with a document that it made",
        "reload-worse": "the page was reloaded and then showed less",
        "assessment-failed": "the page could not be assessed",
        "assessment-incomplete": "parts of the assessment are missing",
    }
)
_CAPTURE: Final[Mapping[Outcome, str]] = {
    Outcome.COMPLETE: "The capture is complete.",
    Outcome.PARTIAL: "The capture is partial.",
    Outcome.FAILED: "The capture failed.",
}
_CAPTURE_BECAUSE: Final[Mapping[Outcome, str]] = {
    Outcome.PARTIAL: "The capture is partial: %s.",
    Outcome.FAILED: "The capture failed: %s.",
}
_UNKNOWN_OUTCOME: Final = (
    "It is not established whether the capture is complete: the record does not state its outcome."
)
_MORE_REASONS: Final = "Further reasons: %d."
_LIGHT: Final = "It is a light check, which shows the first view of the page only."


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureState:
    """What the record of a capture states of its outcome, for the second sentence."""

    outcome: Outcome | None  # None: the record does not state it
    reasons: tuple[str, ...] = ()  # codes
    fault: str = ""  # of the reason `tls`
    light: bool = False  # a light check

    @classmethod
    def of(cls, capture: Capture, *, light: bool) -> "CaptureState":
        """Return the state of a capture that has just ended."""
        reasons = tuple(reason.code for reason in capture.reasons)
        fault = next((reason.fault for reason in capture.reasons if reason.fault), "")
        return cls(outcome=capture.outcome, reasons=reasons, fault=fault, light=light)

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> "CaptureState":
        """Return the state that a capture record states; a stranger may have written the record."""
        outcome, how = record.get("outcome"), record.get("how")
        state, given = (
            (outcome.get("state"), outcome.get("reasons"))
            if isinstance(outcome, Mapping)
            else (None, None)
        )
        named = [
            reason
            for reason in (given if isinstance(given, list) else ())
            if isinstance(reason, Mapping) and isinstance(reason.get("code"), str)
        ]
        faults = [reason.get("fault") for reason in named]
        settings = how.get("settings") if isinstance(how, Mapping) else None
        return cls(
            outcome=Outcome(state) if state in [outcome.value for outcome in Outcome] else None,
            reasons=tuple(reason["code"] for reason in named),
            fault=next((fault for fault in faults if isinstance(fault, str)), ""),
            light=isinstance(settings, Mapping) and settings.get("light") is True,
        )


def capture_sentence(capture: CaptureState) -> str:
    """Return the answer to "Is the capture whole?", with the first reason why it is not."""
    outcome = capture.outcome
    if outcome is None:
        return _UNKNOWN_OUTCOME
    reasons = tuple(dict.fromkeys(capture.reasons))
    said = [_CAPTURE[outcome]]
    if reasons and outcome in _CAPTURE_BECAUSE:
        said = [_CAPTURE_BECAUSE[outcome] % reason_clause(reasons[0], capture.fault)]
        if len(reasons) > 1:
            said.append(_MORE_REASONS % (len(reasons) - 1))
    if capture.light and outcome is not Outcome.FAILED:
        said.append(_LIGHT)
    return " ".join(said)


def captures_sentence(outcomes: Sequence[Outcome | None], *, missing: int = 0) -> str:
    """
    Return whether several captures are whole.

    Args:
        outcomes: Of the captures that are here.
        missing: Number of captures that are not here.
    """
    complete = sum(outcome is Outcome.COMPLETE for outcome in outcomes)
    said = (
        f"All {len(outcomes)} captures are complete."
        if complete == len(outcomes) and len(outcomes) > 1
        else f"Complete captures: {complete} of {len(outcomes)}."
    )
    return f"{said} Captures that are not here: {missing}." if missing else said


def reason_clause(code: str, fault: str = "") -> str:
    """
    Return what a reason code means, as a clause; the code itself if it is unknown.

    Args:
        fault: Of the code `tls`.
    """
    if code == "tls" and fault in TLS_FAULT_CLAUSES:
        return TLS_FAULT_CLAUSES[fault]
    if code in REASON_CLAUSES:
        return REASON_CLAUSES[code]
    for ending, words in (("-failed", "failed"), ("-timeout", "took too long")):
        step = code.removesuffix(ending)
        if step != code and (name := step_name(step)):
            return f"the step '{name}' {words}"
    return code


def step_name(step: str) -> str:
    """Return the name of a step of a capture; "" for none."""
    window = step.removeprefix("viewport-")
    if window != step:
        return f"photographing the page in the window {window}"
    return STEP_NAMES.get(step, "")


def court_minimum_words(met: bool, missing: Sequence[str], *, light: bool) -> str:
    """
    Return the state of the court minimum.

    Args:
        missing: The names of the parts that do not exist.
    """
    if light:
        return "not required: a light check takes no full-page capture"
    if met:
        return "met: URL, HTML source and full-page capture exist"
    return f"not met: {', '.join(missing)} missing"


def qualify_court_minimum(words: str, met: bool, shown: AssessmentSummary | None) -> str:
    """Return the court minimum; if it is met without the content, add what the page shows."""
    if not met:
        return words
    if shown is None or _is_uncertain(shown):
        return f"{words}. It is not established whether the page shows its content."
    if shown.content in (Content.CONTENT, Content.PARTIAL):
        return words
    return f"{words}. The page shows {shown_thing(shown)}, not the content."


# --- Is the proof intact? ----------------------------------------------------------------------

PROOF_STATES: Final[Mapping[Verdict, str]] = MappingProxyType(
    {
        Verdict.PASSED: "intact",
        Verdict.FAILED: "not intact",
        Verdict.INDETERMINATE: "not established",
    }
)
NOT_VERIFIED: Final = (
    "It is not established whether the proof is intact: this command does not verify it."
)


# The states of the timestamps and of the log entry of a bundle that was just sealed.
TIME_NOT_CONFIGURED: Final = "not confirmed: no timestamp authority is configured"
TIME_PENDING: Final = "not confirmed yet: no timestamp authority has answered"
TIME_PENDING_FOR_ONE: Final = "not confirmed yet for one of the signatures"
TIME_CONTRADICTED: Final = (
    "not confirmed: the clock of this machine contradicts the timestamp authorities"
)
LOG_PENDING: Final = "not in the log yet"


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingText:
    """
    What the code of a finding means for a reader.

    Args:
        title: What happened, as a clause, if the verdict is FAILED or no other title is given.
        open: The same if the verdict is INDETERMINATE; "" where it is the title.
        meaning: What follows for the reader, in sentences.
        remedy: What the reader can do, in sentences.
    """

    title: str
    open: str = ""
    meaning: str
    remedy: str

    def clause(self, verdict: Verdict) -> str:
        """Return the title that fits a verdict."""
        return self.open if verdict is Verdict.INDETERMINATE and self.open else self.title


_ALTERED: Final = "The file is not as it was sealed, or it is damaged. Do not rely on it."
_GET_AGAIN: Final = "Get the file again from where it is stored, and verify it again."
_NOT_AGAINST: Final = "This does not count against the evidence."
FINDINGS: Final[Mapping[Code, FindingText]] = MappingProxyType(
    {
        Code.OK: FindingText(
            title="the check passed",
            meaning="The check was made, and its result is good.",
            remedy="Nothing needs to be done.",
        ),
        Code.CONTAINER: FindingText(
            title="the file is not a valid bundle container",
            meaning=_ALTERED,
            remedy=_GET_AGAIN,
        ),
        Code.NAME: FindingText(
            title="a name in the bundle is invalid, or the bundle has another name than its id",
            meaning=_ALTERED,
            remedy=_GET_AGAIN,
        ),
        Code.MISSING: FindingText(
            title="a file of the bundle is missing",
            meaning=_ALTERED,
            remedy=_GET_AGAIN,
        ),
        Code.UNLISTED: FindingText(
            title="the bundle contains a file that was not sealed",
            meaning=_ALTERED,
            remedy=_GET_AGAIN,
        ),
        Code.MANIFEST: FindingText(
            title="the signed list of files is invalid",
            meaning=_ALTERED,
            remedy=_GET_AGAIN,
        ),
        Code.HASH: FindingText(
            title="a file was changed after sealing",
            meaning="The SHA-256 digest of a file differs from the sealed digest. "
            "Do not rely on the bundle.",
            remedy=_GET_AGAIN,
        ),
        Code.BLAKE3: FindingText(
            title="a file was changed after sealing",
            meaning="The BLAKE3 digest of a file, or the list of digests, differs from the sealed "
            "one. Do not rely on the bundle.",
            remedy=_GET_AGAIN,
        ),
        Code.SIG: FindingText(
            title="a signature is not valid",
            meaning="The signature does not match the list of files. Do not rely on the bundle.",
            remedy=_GET_AGAIN,
        ),
        Code.SIG_MISSING: FindingText(
            title="a signature or a public key is missing",
            meaning="Somebody removed it, or the bundle was never sealed completely.",
            remedy=_GET_AGAIN,
        ),
        Code.KEY_UNKNOWN: FindingText(
            title="the signing key is not one that you trust",
            meaning="The signature is valid, but it is not established who signed. " + _NOT_AGAINST,
            remedy="Name the trust file of the person who signed, with its root key.",
        ),
        Code.KEY_MISMATCH: FindingText(
            title="the public key is not the key that the record names",
            meaning="Somebody replaced the key or the record. Do not rely on the bundle.",
            remedy=_GET_AGAIN,
        ),
        Code.KEY_MALFORMED: FindingText(
            title="the public key is not in its one valid form",
            meaning=_ALTERED,
            remedy=_GET_AGAIN,
        ),
        Code.KEY_PERIOD: FindingText(
            title="the signature is older than the period of its key",
            open="it is not proven that the signature was made in the period of its key",
            meaning="The trust file states for which period the owner of the key answers for it.",
            remedy="Ask the owner of the trust file whether the period is right.",
        ),
        Code.KEY_REVOKED: FindingText(
            title="the signing key was compromised, and the signature is not proven to be older",
            open="the signing key was retired, and the signature is not proven to be older",
            meaning="The owner revoked the key. A signature counts if a timestamp token proves "
            "that it is older than the revocation.",
            remedy="Look for a late token or a log proof of an earlier time beside the bundle.",
        ),
        Code.ALG: FindingText(
            title="the algorithm of the key is not allowed, or is not the one that is stated",
            meaning=_ALTERED,
            remedy=_GET_AGAIN,
        ),
        Code.QUORUM: FindingText(
            title="fewer valid signatures exist than are required",
            meaning="The signatures that exist are valid. " + _NOT_AGAINST,
            remedy="Ask who sealed the bundle for the version with all signatures.",
        ),
        Code.TS_MISSING: FindingText(
            title="fewer timestamp authorities confirm the time than are required or were asked",
            meaning="The bundle is intact since it was signed, but its time is confirmed by too "
            "few independent clocks. " + _NOT_AGAINST,
            remedy="Request the missing timestamp tokens, and verify again.",
        ),
        Code.TS_MALFORMED: FindingText(
            title="a timestamp token is not valid",
            meaning="The token proves no time.",
            remedy=_GET_AGAIN,
        ),
        Code.TS_IMPRINT: FindingText(
            title="a timestamp token belongs to another signature",
            meaning="The token proves no time of this bundle.",
            remedy=_GET_AGAIN,
        ),
        Code.TS_POLICY: FindingText(
            title="a timestamp token was issued under a policy that you do not accept",
            meaning="The token proves no time for you. " + _NOT_AGAINST,
            remedy="Ask the owner of the trust file whether the policy is to be accepted.",
        ),
        Code.TS_UNTRUSTED: FindingText(
            title="a timestamp token is from an authority that you do not trust",
            meaning="The token proves no time for you. " + _NOT_AGAINST,
            remedy="Use a trust file that names this timestamp authority.",
        ),
        Code.TS_REVOKED: FindingText(
            title="a timestamp token is by a revoked certificate",
            meaning="The token proves no time for you.",
            remedy="Ask the owner of the trust file why the certificate was revoked.",
        ),
        Code.TIME: FindingText(
            title="the times of the bundle contradict each other",
            open="not all times are confirmed",
            meaning="A time is proven by a timestamp token. All other times are what the capturing "
            "machine recorded.",
            remedy="Read the finding, which names the time.",
        ),
        Code.JSON: FindingText(
            title="the capture record is not valid JSON in its one form",
            meaning=_ALTERED,
            remedy=_GET_AGAIN,
        ),
        Code.FORMAT: FindingText(
            title="the capture record is invalid, or contradicts itself",
            meaning="This software did not write the record as it is, or somebody changed it "
            "before sealing.",
            remedy="Read the finding, which names the field. Do not rely on the bundle.",
        ),
        Code.DERIVED: FindingText(
            title="a derived file does not follow from the sealed files",
            meaning=_ALTERED,
            remedy=_GET_AGAIN,
        ),
        Code.WACZ_SIG: FindingText(
            title="the WACZ signature is missing, unexpected or not valid",
            meaning=_ALTERED,
            remedy=_GET_AGAIN,
        ),
        Code.SERVER_SIG: FindingText(
            title="a recorded server signature is missing or not valid",
            meaning="The record of the TLS handshakes does not prove which server answered.",
            remedy="Do not rely on the bundle.",
        ),
        Code.CUSTODY: FindingText(
            title="the custody chain is broken",
            open="the custody chain beside the bundle is broken",
            meaning="The custody chain records who did what to the bundle. A chain inside the "
            "bundle is sealed. A chain beside the bundle can be changed by anybody who can write "
            "there, so its damage does not count against the bundle.",
            remedy="Compare the chain with the copy in the store or in a replica.",
        ),
        Code.LOG: FindingText(
            title="the log contradicts the bundle",
            open="the log proof beside the bundle is not valid",
            meaning="The log proves that the bundle was recorded in a list that only grows.",
            remedy="Export the bundle again from its store, with its log proof.",
        ),
        Code.LOG_MISSING: FindingText(
            title="no valid log proof exists",
            meaning="A log proof is required. It is missing, or you do not trust its log, or too "
            "few witnesses have seen it. " + _NOT_AGAINST,
            remedy="Export the bundle again from its store, with its log proof.",
        ),
        Code.INTERNAL: FindingText(
            title="a check ended with an error of this software",
            meaning="The check did not finish, so it does not count as passed.",
            remedy="Report the error, and verify with the second verifier.",
        ),
        Code.EVENT: FindingText(
            title="the file is not a take-down event as it was signed",
            meaning="The record was changed, or it is damaged. Do not rely on it.",
            remedy=_GET_AGAIN,
        ),
        Code.EVENT_KEY: FindingText(
            title="the key that signed the event also signed a capture",
            meaning="Events and captures must be signed by different keys.",
            remedy="Do not rely on the event. The captures can be verified by themselves.",
        ),
        Code.BUNDLE: FindingText(
            title="a bundle failed its verification",
            meaning="The statement rests on a bundle that is not intact. Do not rely on it.",
            remedy="Verify the bundle by itself, and read its findings.",
        ),
        Code.BUNDLE_MISSING: FindingText(
            title="a bundle is not here",
            meaning="What the bundle shows could not be checked. " + _NOT_AGAINST,
            remedy="Put the bundle beside the file, or name the store that has it.",
        ),
        Code.BUNDLE_OTHER: FindingText(
            title="a bundle is not the one that the record names",
            meaning="The bundle has the right id and another digest. Do not rely on the statement.",
            remedy="Get the bundle again from where it is stored.",
        ),
        Code.BUNDLE_OPEN: FindingText(
            title="a bundle is intact, but not everything about it is established",
            meaning="The statement rests on a bundle whose verdict is INDETERMINATE. "
            + _NOT_AGAINST,
            remedy="Verify the bundle by itself, and read its findings.",
        ),
        Code.VERDICT: FindingText(
            title="a capture does not show what the record states",
            open="what a capture shows was not derived again",
            meaning="The rules in the bundle decide what a capture shows.",
            remedy="Verify with the whole package, which has the code of the rules.",
        ),
        Code.IDENTITY: FindingText(
            title="a capture is of another page or account",
            meaning="The capture does not show the page that the record is about.",
            remedy="Do not rely on the statement.",
        ),
        Code.CONCLUSION: FindingText(
            title="the statement does not follow from its captures",
            open="the statement was not derived again from its captures",
            meaning="A take-down event follows from its captures by fixed rules.",
            remedy="Verify with the whole package and with all bundles.",
        ),
        Code.PREVIOUS: FindingText(
            title="the event before this one is not the one that is named",
            open="the event before this one could not be checked",
            meaning="Each event of a page names the event before it.",
            remedy="Put the event before this one beside the file, or name the store that has it.",
        ),
        Code.NUMBER: FindingText(
            title="a number of the report does not follow from its captures",
            open="a number of the report could not be derived again",
            meaning="Each number of a campaign report can be derived again from its captures.",
            remedy="Verify the report with all its bundles.",
        ),
        Code.LEFT_OUT: FindingText(
            title="the report leaves out a capture that belongs to it",
            meaning="The store has a capture of a page of the report, in its period, that the "
            "report does not count.",
            remedy="Ask who signed the report why the capture was left out.",
        ),
    }
)
_NUMBERS: Final = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_INTACT: Final = "The proof is intact."
_TIME_CONFIRMED: Final = "The proof is intact; its time is confirmed by %s."
_TIME_OPEN: Final = "The proof is intact, but its time is not confirmed."
_INTACT_BUT: Final = "The proof is intact, but %s."
_PROOF_OPEN: Final = "It is not established whether the proof is intact: %s."
_PROOF_FAILED: Final = "The proof is not intact: %s."
# An INDETERMINATE code, other than these, leaves open whether the proof is intact. These leave
# open a time, a log entry or a further confirmation, of a proof whose signatures are good.
_ONLY_CONFIRMATION: Final = frozenset(
    {
        *(Code.TS_MISSING, Code.TS_UNTRUSTED, Code.TS_POLICY, Code.TS_REVOKED, Code.TIME),
        *(Code.TS_MALFORMED, Code.TS_IMPRINT, Code.LOG, Code.LOG_MISSING, Code.CUSTODY),
    }
)
# The INDETERMINATE codes in the order in which the headline names one.
_OPEN_ORDER: Final = (
    *(Code.KEY_UNKNOWN, Code.KEY_REVOKED, Code.KEY_PERIOD, Code.QUORUM, Code.BUNDLE_MISSING),
    *(Code.BUNDLE_OPEN, Code.VERDICT, Code.CONCLUSION, Code.PREVIOUS, Code.NUMBER),
    *(Code.TS_MISSING, Code.TS_UNTRUSTED, Code.TS_POLICY, Code.TS_REVOKED, Code.TS_MALFORMED),
    *(Code.TS_IMPRINT, Code.TIME, Code.LOG_MISSING, Code.LOG, Code.CUSTODY),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofState:
    """What a verification found, for the third sentence of the headline."""

    verdict: Verdict
    codes: tuple[Code, ...] = ()  # of the findings that have this verdict, if it is not PASSED
    authorities: int = 0  # timestamp authorities that confirm the time; 0: it is not proven

    @classmethod
    def of(cls, report: Report) -> "ProofState":
        """Return the state that the report about a bundle states."""
        return cls.of_findings(report.verdict, report.findings, authorities=len(report.authorities))

    @classmethod
    def of_findings(
        cls, verdict: Verdict, findings: Sequence[Finding], *, authorities: int = 0
    ) -> "ProofState":
        """Return the state that findings state."""
        codes = tuple(
            dict.fromkeys(
                finding.code
                for finding in findings
                if finding.verdict is verdict and finding.code is not Code.OK
            )
        )
        return cls(verdict=verdict, codes=codes, authorities=authorities)


def proof_sentence(proof: ProofState) -> str:
    """Return the answer to "Is the proof intact?"."""
    if proof.verdict is Verdict.PASSED:
        return (
            _TIME_CONFIRMED % count_authorities(proof.authorities) if proof.authorities else _INTACT
        )
    if proof.verdict is Verdict.FAILED:
        code = next(iter(proof.codes), Code.INTERNAL)
        return _PROOF_FAILED % FINDINGS[code].clause(Verdict.FAILED)
    ranked = sorted(
        proof.codes,
        key=lambda code: _OPEN_ORDER.index(code) if code in _OPEN_ORDER else -1,
    )
    if not ranked:
        return _PROOF_OPEN % "no check was made"
    if not _is_intact(proof):
        return _PROOF_OPEN % FINDINGS[ranked[0]].clause(Verdict.INDETERMINATE)
    if not proof.authorities:
        return _TIME_OPEN
    return _INTACT_BUT % FINDINGS[ranked[0]].clause(Verdict.INDETERMINATE)


def proof_words(proof: ProofState) -> str:
    """Return the verdict with its plain word, for tables: `PASSED (intact)`."""
    words = PROOF_STATES[proof.verdict]
    if proof.verdict is Verdict.INDETERMINATE and _is_intact(proof):
        words = "intact, but not fully confirmed"
    return f"{proof.verdict.name} ({words})"


def _is_intact(proof: ProofState) -> bool:
    """Return whether nothing but a confirmation is open."""
    return bool(proof.codes) and _ONLY_CONFIRMATION.issuperset(proof.codes)


def count_authorities(count: int) -> str:
    """Return a number of timestamp authorities in words."""
    number = _NUMBERS[count] if count < len(_NUMBERS) else str(count)
    return f"{number} timestamp {'authority' if count == 1 else 'authorities'}"


# --- The headline ------------------------------------------------------------------------------


def headline(
    *,
    page: PageState | None = None,
    capture: CaptureState | None = None,
    proof: ProofState | None = None,
) -> str:
    """
    Return the result of a capture as sentences that can be quoted, one for each question.

    A part that is None is left out: who prints the headline does not know the answer.
    """
    said = []
    if page is not None:
        said.append(page_sentence(page, capture.outcome if capture is not None else None))
    if capture is not None:
        said.append(capture_sentence(capture))
    if proof is not None:
        said.append(proof_sentence(proof))
    return " ".join(said)


def as_sentence(clause: str) -> str:
    """Return a clause as a sentence: with a capital letter and a full stop."""
    return f"{clause[:1].upper()}{clause[1:]}." if clause else ""


# --- Take-down events and their captures -------------------------------------------------------


class RemovalSign(enum.Enum):
    """By what a capture shows that a page is not available."""

    NOTICE = enum.auto()  # words on the page
    DATA = enum.auto()  # a value in the data that the page received
    ADDRESS = enum.auto()  # where the browser was redirected
    MARK = enum.auto()  # something in the page's code
    STATUS = enum.auto()  # the HTTP status alone
    UNKNOWN = enum.auto()  # the capture does not tell


_NO_TEXT = "the rules found no text of a notice"
_REMOVALS: Final[Mapping[RemovalSign, str]] = {
    RemovalSign.NOTICE: "a notice was shown in place of the content",
    RemovalSign.DATA: "the data from the server state this",
    RemovalSign.ADDRESS: (
        "the browser was redirected to an address that the rules know as an address of removed "
        f"pages, and {_NO_TEXT}"
    ),
    RemovalSign.MARK: f"a mark in the code of the page states this, and {_NO_TEXT}",
    RemovalSign.STATUS: f"the HTTP status of the server states this, and {_NO_TEXT}",
    RemovalSign.UNKNOWN: _NO_TEXT,
}
_STATES: Final[Mapping[RemovalSign, str]] = {
    RemovalSign.NOTICE: "The notice states",
    RemovalSign.DATA: "The data from the server state",
    RemovalSign.ADDRESS: "The address, as the rules read it, states",
    RemovalSign.MARK: "The mark in the code of the page, as the rules read it, states",
    RemovalSign.STATUS: "The HTTP status, as the rules read it, states",
    RemovalSign.UNKNOWN: "The verdict in the capture states",
}
_OF_ACCOUNT: Final[Mapping[RemovalSign, str]] = {
    sign: f"{states} this about the account of the page, and not about the page."
    for sign, states in {**_STATES, RemovalSign.NOTICE: "The page states"}.items()
}

TITLES: Final[Mapping[TakedownKind, str]] = {
    TakedownKind.REMOVED: "The page was available. Later the page was not available.",
    TakedownKind.REINSTATED: "The page was not available. Later the page was available again.",
    TakedownKind.ACCOUNT_CHANGED: "The state of the account has changed.",
    TakedownKind.ACCOUNT_RESTORED: "The account has its earlier state again.",
}

CAUSES: Final[Mapping[Cause, str]] = {
    Cause.AUTHOR: "The notice states that the author removed the page.",
    Cause.PLATFORM_RULE: "The notice states that the page violated rules or laws.",
    Cause.COMPLAINT_MANY: "The notice states that many users complained about the page.",
    Cause.COMPLAINT_IP: (
        "The notice states that somebody complained about an infringement of their rights."
    ),
    Cause.ACCOUNT_BLOCKED: "The notice states that the account of the page is blocked.",
    Cause.ACCOUNT_CLOSED: "The notice states that the account of the page was closed.",
    Cause.ACCOUNT_FROZEN: "The notice states that the account of the page is frozen.",
    Cause.ACCOUNT_ABNORMAL: (
        "The notice states that the account of the page is in an abnormal state."
    ),
    Cause.MOVED: "The notice states that the page moved.",
    Cause.REVIEW_FAILED: "The notice states that the page did not pass a review.",
    Cause.OWNER_SETTING: "The notice states that the owner does not show the page to everybody.",
    Cause.TEMPORARY: "The notice states that the page is temporarily not available.",
    Cause.EXPIRED: "The notice states that the link has expired.",
    Cause.REFUTED: "The notice states that the page was refuted.",
    Cause.LEGAL: (
        "The server states that the page is withheld for legal reasons (HTTP 451). "
        "The server states no other reason."
    ),
    Cause.NOT_STATED: "No reason is stated.",
}

# Of a cause that is a convention of researchers (`TakedownVerdict.convention`).
_CONVENTION: Final = (
    "Researchers read the code that the platform sent as %s. The platform itself does not state "
    "this."
)
_AS_READ: Final[Mapping[Cause, str]] = {
    Cause.AUTHOR: "a deletion by the author",
    Cause.PLATFORM_RULE: "a removal by the platform",
}


def cause(cause: Cause, *, convention: bool = False, by: RemovalSign = RemovalSign.NOTICE) -> str:
    """
    Return what is stated of a cause, as a sentence.

    Args:
        convention: The cause is how researchers read a code (`TakedownVerdict.convention`).
        by: What states it: only a notice that was read is called a notice.
    """
    if convention:
        return _CONVENTION % _AS_READ.get(cause, CAUSE_NAMES[cause])
    if cause is Cause.LEGAL and by is not RemovalSign.STATUS:
        return f"{_STATES[by]} that the page is withheld for legal reasons."
    return CAUSES[cause].replace(_STATES[RemovalSign.NOTICE], _STATES[by], 1)


def describe_removal(by: RemovalSign, status: int | None) -> str:
    """
    Return by what a capture shows that a page is not available, as a clause.

    Args:
        status: HTTP status of the page's own answer; None where no answer came.
    """
    if by is RemovalSign.STATUS and status is not None:
        return f"the server answered {format_http_status(status)}, and {_NO_TEXT}"
    return _REMOVALS[by]


def describe_account_state(by: RemovalSign) -> str:
    """Return what states something about the account of a page, as a sentence."""
    return _OF_ACCOUNT[by]


def describe_error(status: int | None) -> str:
    """Return why a capture with `Undecided.ERROR` is undecided, by its HTTP status or None."""
    if status is None:
        return "no answer of the server was received"
    if status >= 400:
        return (
            f"the server answered {format_http_status(status)}, which does not show whether the "
            "page exists"
        )
    return "the page showed an error, or could not be read"


def format_http_status(status: int) -> str:
    """Return an HTTP status with its name (RFC 9110): `HTTP 404 (Not Found)`."""
    try:
        return f"HTTP {status} ({HTTPStatus(status).phrase})"
    except ValueError:  # a server may answer with any number
        return f"HTTP {status}"


def describe_observation(observation: Observation) -> str:
    """Return what a capture shows, as a clause, by what is in short known of it."""
    if observation.availability is Availability.INCONCLUSIVE:
        return (
            "it is not established whether the page was available: "
            f"{UNDECIDED_CLAUSES[observation.undecided or Undecided.UNKNOWN]}"
        )
    if observation.availability is Availability.UNAVAILABLE:
        sign = RemovalSign.NOTICE if observation.notice else RemovalSign.UNKNOWN
        return f"the page was not available: {_REMOVALS[sign]}"
    said = "the page was available"
    if observation.content is Content.PARTIAL:
        said = "the page was available, but some of its content was missing"
    account = describe_account_states(observation)
    return f"{said}; the page stated that its account was {account}" if account else said


def describe_account_states(observation: Observation) -> str:
    """Return what a capture states of the account of the page; "" for nothing."""
    return ", ".join(sorted({account.state for account in observation.accounts}))
