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
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

# A first word that is no ordinary word: net::ERR_FAILED, https://example.org, report.json
_CODE: Final = re.compile(r"\S*[/_@\\]|\S*[:.]\w")

# --- Is the page there? ------------------------------------------------------------------------

PAGE_STATES: Final[Mapping[Availability, str]] = MappingProxyType(
    {
        Availability.AVAILABLE: tr("available"),
        Availability.UNAVAILABLE: tr("not available"),
        Availability.INCONCLUSIVE: tr("not established"),
    }
)
WALLS: Final[Mapping[WallKind, str]] = MappingProxyType(
    {
        WallKind.LOGIN: tr("a log-in wall"),
        WallKind.VERIFICATION: tr("a request to verify the visitor"),
        WallKind.CHALLENGE: tr("a bot challenge"),
        WallKind.CONSENT: tr("a request for consent"),
        WallKind.PAYWALL: tr("a paywall"),
        WallKind.AGE: tr("a question about the reader's age"),
        WallKind.APP_ONLY: tr("a request to open the app"),
        WallKind.RATE_LIMITED: tr("a refusal because of too many requests"),
        WallKind.SESSION_EXPIRED: tr("a notice that a session has expired"),
    }
)
# What a capture names as the cause, as a thing.
CAUSE_NAMES: Final[Mapping[Cause, str]] = MappingProxyType(
    {
        Cause.AUTHOR: tr("removal by the author"),
        Cause.PLATFORM_RULE: tr("violation of rules or laws"),
        Cause.COMPLAINT_MANY: tr("complaints by many users"),
        Cause.COMPLAINT_IP: tr("complaint about infringed rights"),
        Cause.ACCOUNT_BLOCKED: tr("blocked account"),
        Cause.ACCOUNT_CLOSED: tr("closed account"),
        Cause.ACCOUNT_FROZEN: tr("frozen account"),
        Cause.ACCOUNT_ABNORMAL: tr("account in an abnormal state"),
        Cause.MOVED: tr("move to another address"),
        Cause.REVIEW_FAILED: tr("failed review"),
        Cause.OWNER_SETTING: tr("setting of the owner"),
        Cause.TEMPORARY: tr("temporary restriction"),
        Cause.EXPIRED: tr("expired link"),
        Cause.REFUTED: tr("refutation"),
        Cause.LEGAL: tr("legal reasons"),
        Cause.NOT_STATED: tr("not stated"),
    }
)
# What a page shows, to stand after "the page shows".
CONTENT_NAMES: Final[Mapping[Content, str]] = MappingProxyType(
    {
        Content.CONTENT: tr("its content"),
        Content.NOTICE: tr("a notice"),
        Content.WALL: tr("a wall"),
        Content.SHELL: tr("the layout of the page without its main text"),
        Content.BLANK: tr("a blank page"),
        Content.ERROR: tr("an error"),
        Content.PARTIAL: tr("only some of its content"),
    }
)
UNDECIDED_CLAUSES: Final[Mapping[Undecided, str]] = MappingProxyType(
    {
        Undecided.WALL: tr(
            "a log-in wall, a verification or another wall was shown instead of the page"
        ),
        Undecided.UNKNOWN_NOTICE: tr("the page showed a notice that no take-down rule matches"),
        Undecided.ERROR: tr("the server gave no answer, or answered with an error"),
        Undecided.UNKNOWN: tr("no take-down rule matches what the page showed"),
    }
)
_OPEN_REASONS: Final[Mapping[Content, str]] = {
    Content.NOTICE: tr("notice that no take-down rule matches"),
    Content.SHELL: tr("layout without main text"),
    Content.CONTENT: tr("no take-down rule matches"),
    Content.PARTIAL: tr("no rule matches"),
}
_LITTLE_TEXT: Final = tr("the page has little text, and no take-down rule file exists for its host")
_AVAILABLE: Final = tr("The page was available.")
_AVAILABLE_IN_PART: Final = tr("The page was available, but some of its content was missing.")
_NOT_AVAILABLE: Final = tr("The page was not available: %s.")
_NOT_ESTABLISHED: Final = tr("It is not established whether the page was available: %s.")


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
        reason = tr("no assessment") if shown is None else tr("error")
        if outcome is Outcome.FAILED:
            reason = tr("no page captured")
    elif _is_uncertain(shown):
        reason = tr("little text")
    elif shown.availability is Availability.UNAVAILABLE:
        cause = shown.cause or Cause.NOT_STATED
        reason = tr("cause not stated") if cause is Cause.NOT_STATED else CAUSE_NAMES[cause]
    elif shown.availability is Availability.INCONCLUSIVE:
        reason = _OPEN_REASONS.get(shown.content) or shown_thing(shown).removeprefix("a ")
    elif shown.content is Content.PARTIAL:
        reason = tr("some content missing")
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
            tr("no page was captured")
            if nothing
            else tr("the capture has no assessment of the page")
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
        return (
            tr("a statement that the content is not available")
            if is_known
            else tr("a possible notice")
        )
    return CONTENT_NAMES[shown.content]


def _is_uncertain(shown: AssessmentSummary) -> bool:
    """Return whether the page may show its content, or just as well a notice or a wall."""
    return shown.ambiguous and shown.content in (Content.CONTENT, Content.PARTIAL)


def _cause_clause(shown: AssessmentSummary, http_status: int | None, *, convention: bool) -> str:
    cause = shown.cause or Cause.NOT_STATED
    rule = tr(" (rule {rule})", rule=shown.rule) if shown.rule else ""
    if cause is Cause.NOT_STATED and http_status is not None and http_status >= 400:
        return tr(
            "the server answered {http_status} and stated no cause{rule}",
            http_status=format_http_status(http_status),
            rule=rule,
        )
    return f"{_stated_cause(cause, is_convention=convention)}{rule}"


def _open_clause(shown: AssessmentSummary, http_status: int | None, outcome: Outcome | None) -> str:
    if shown.content is Content.ERROR:
        if outcome is Outcome.FAILED:
            return tr("no page was captured")
        if http_status is not None and http_status >= 400:
            return tr(
                "the server answered {http_status}", http_status=format_http_status(http_status)
            )
        return (
            UNDECIDED_CLAUSES[Undecided.ERROR]
            if http_status is None
            else tr("the page showed an error")
        )
    if shown.content is Content.NOTICE:
        return UNDECIDED_CLAUSES[Undecided.UNKNOWN_NOTICE]
    if shown.content in (Content.CONTENT, Content.PARTIAL):
        return UNDECIDED_CLAUSES[Undecided.UNKNOWN]
    return tr("the page showed {shown_thing}, not the content", shown_thing=shown_thing(shown))


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
        "the content is there": tr("the page shows its content"),
        "the content is there, and something that it shows is gone": tr(
            "the page shows its content, but an item that the page quotes is not available"
        ),
        "something is there, and little: no rule knows how this host says that something is gone, "
        "and its words would look the same": tr(
            "{little_text}, so the page can also be a notice of a removal", little_text=_LITTLE_TEXT
        ),
        "the page itself holds some of it back": tr("the page withholds some of its content"),
        "nothing is shown": tr("the page shows nothing"),
        "there is no document": tr("the page has no document"),
        "something is shown, and there are no rules for this host to judge it by": tr(
            "the page shows something, but no take-down rule file exists for its host"
        ),
        "the front page of its host came in its place": tr(
            "the server returned the front page of the host instead of the page"
        ),
        "the front page of its host came in its place, and says nothing about it": tr(
            "the server returned the front page of the host instead of the page; this answer "
            "does not show whether the page exists"
        ),
        "no rule knows what this page shows": UNDECIDED_CLAUSES[Undecided.UNKNOWN],
        "this has the shape of a notice, and no rule knows its words": tr(
            "the page has the form of a notice, but no take-down rule matches its words"
        ),
        "the page has little text and a general phrase for something that is gone; no rule knows "
        "how this host says it": tr(
            "the page has little text with a general phrase for a removal, but no take-down rule "
            "for this host has this phrase"
        ),
        "the platform shows an error of its own: check the address itself": tr(
            "the platform shows an error message, so the address may be wrong"
        ),
    }
)
_DETAIL_PATTERNS: Final = (
    (re.compile(r"no page: (.+)", re.DOTALL), tr("no page was captured: {0}")),
    (re.compile(r"([0-9]+) of ([0-9]+) images did not come"), tr("{0} of {1} images did not load")),
    (
        re.compile(r"([0-9]+) characters around a main text that is not there"),
        tr("the page has {0} characters, but no main text"),
    ),
    (
        re.compile(r"the main region has ([0-9]+) characters, and the policy asks for ([0-9]+)"),
        tr("the main region has {0} characters, but the policy requires {1}"),
    ),
    (
        re.compile(r"the page could not be judged: (.+)", re.DOTALL),
        tr("the page could not be assessed: {0}"),
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
        said.append(tr("a reading failed: {why}", why=why))
    return "; ".join(said)


def _describe_detail(detail: str) -> str:
    if detail.startswith(_DETAIL_NOTICE):
        inner = detail.removeprefix(_DETAIL_NOTICE)
        clause = tr(
            "the page shows a notice: {describe_detail}",
            describe_detail=_describe_detail(inner.removesuffix(_DETAIL_RECEIVED)),
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
        return _answered_with(int(found[1]))
    if (found := _DETAIL_WALL.fullmatch(detail)) is not None:
        kind = found[1].replace(" ", "_")
        if kind in [wall.value for wall in WallKind]:
            return tr(
                "the site showed {walls} instead of the page; this answer does not show whether "
                "the page exists",
                walls=WALLS[WallKind(kind)],
            )
    for pattern, clause in _DETAIL_PATTERNS:
        if (found := pattern.fullmatch(detail)) is not None:
            return clause.format(*found.groups())
    return detail


def _stated_cause(cause: Cause, *, is_convention: bool) -> str:
    if cause is Cause.NOT_STATED:
        return tr("no cause is stated")
    if is_convention:
        return tr(
            "researchers interpret the code that the platform sent as follows: {cause_names}",
            cause_names=CAUSE_NAMES[cause],
        )
    return tr("the stated cause is {cause_names}", cause_names=CAUSE_NAMES[cause])


# --- Is the capture whole? ---------------------------------------------------------------------

# The codes of `outcome.reasons`: docs/reference/outcomes.md.
REASON_CLAUSES: Final[Mapping[str, str]] = MappingProxyType(
    {
        # No page came.
        "dns": tr("the name of the server could not be resolved"),
        "refused": tr("the server refused the connection"),
        "tls": tr("the encrypted connection failed, or the certificate is not valid"),
        "timeout": tr("no answer came within the time limit"),
        "connection-lost": tr("the connection ended before the page arrived"),
        "unreachable": tr("no network route to the server exists"),
        "redirect-loop": tr("the redirects from the address do not end"),
        "unsafe-port": tr("the browser does not open pages on this port"),
        "forbidden-address": tr("the address is not public, or the browser does not open it"),
        "proxy": tr("the proxy did not answer, or refused the connection"),
        "blocked": tr("the browser or the policy blocked the page"),
        "bad-response": tr("the answer of the server was not valid HTTP, or was cut off"),
        "empty-error-response": tr("the server answered with an error status and no page"),
        "empty-response": tr("the server answered with an empty document"),
        "reload-loop": tr("the page reloads itself again and again"),
        "no-content": tr("the server answered that it has no content to send"),
        "aborted": tr("the navigation was aborted without a known cause"),
        "network-error": tr("a network error occurred"),
        # Something is missing.
        "load-timeout": tr("the page did not finish loading in time"),
        "page-navigated": tr("the page was replaced by another document during the capture"),
        "destination-missing": tr("the page led to another address, which returned no page"),
        "scroll-limited": tr("the page was not scrolled to its end"),
        "images-missing": tr("images of the page are missing"),
        "fonts-missing": tr("fonts of the page are missing"),
        "resources-missing": tr("scripts, style sheets or other parts of the page are missing"),
        "not-settled": tr("the page was still loading parts when the time limit ended"),
        "missing-glyphs": tr(
            "characters of the page are shown as boxes, because no installed font has these "
            "characters"
        ),
        "expand-limited": tr(
            "the page has more controls that hide text than the policy allows the capture to click"
        ),
        "page-virtualised": tr(
            "the page removes content that is out of view, so no single picture shows the whole "
            "page"
        ),
        "page-scrolls-inside": tr(
            "an inner box scrolls, so the picture shows only the beginning of the box"
        ),
        "page-truncated": tr("the picture of the full page does not show the whole page"),
        "picture-blank": tr("a part of a picture is blank where the page has text or images"),
        "inner-box-cut": tr("a box that scrolls inside the page is not shown completely"),
        "element-missing": tr(
            "an element that the policy names is missing or not shown completely"
        ),
        "viewport-incomplete": tr("the page is not shown completely in another window size"),
        "text-incomplete": tr("the text of a part of the page could not be read"),
        "source-missing": tr("the HTML source is missing from the network record"),
        "source-cut": tr("the HTML source was cut off"),
        "response-too-large": tr("an answer of a server was larger than the limit"),
        "too-many-requests": tr("the page made more requests than the limit"),
        "capture-too-large": tr("the page sent or received more data than the limit allows"),
        "dialog-storm": tr("the page opened more dialogs than the limit"),
        "scripts-stopped": tr("the scripts of the page were stopped"),
        "popup-storm": tr("the page opened more windows than the limit"),
        "target-failed": tr("the address is a file, and the copy of the file could not be written"),
        # The page was given up.
        "page-unresponsive": tr("a script of the page did not end"),
        "renderer-crashed": tr("the process of the page crashed"),
        "page-closed": tr("the page closed itself"),
        "browser-lost": tr("the browser ended unexpectedly"),
        "memory-limit": tr("the browser used more memory than the limit"),
        "disk-limit": tr("the page wrote more data to the disk than the limit allows"),
        "capture-failed": tr("an error occurred during the capture"),
        "capture-timeout": tr("the time limit of the capture was reached"),
        "given-up": tr("all attempts to capture the page failed"),
        "nothing-rendered": tr("the capture has no result, for an unknown reason"),
    }
)
WARNING_CLAUSES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "clock-skew": tr(
            "a time that the server or the page states differs from the clock of the capturing "
            "machine by more than the policy allows"
        ),
        "private-authority": tr(
            "the capture trusted certificate authorities that the capturing person added"
        ),
        "certificate-ignored": tr("a certificate that the browser refuses was accepted"),
        "raw-rendered-divergence": tr(
            "the text that the page shows differs from a received document by more than the policy "
            "allows"
        ),
        "changed-after-pictures": tr(
            "the page changed, or may have changed, after the last pictures, so pictures, text and "
            "document may differ"
        ),
        "page-held": tr(
            "the page tried to open an address while pictures were taken, and the capture stopped "
            "this"
        ),
        "page-keeps-changing": tr(
            "parts of the page change all the time, so pictures, text and document show different "
            "moments"
        ),
        "announced-more": tr("the page announced more content, which may be missing"),
        "trial-failed": tr(
            "parts of the page were photographed in separate windows, which a page can detect"
        ),
        "navigation-refused": tr(
            "the page tried to open an address that the browser does not open"
        ),
        "service-worker-blocked": tr(
            "a script that the page runs in the background (service worker) was blocked"
        ),
        "private-glyphs": tr(
            "characters that only a font of the page can have, such as icons, are shown as boxes"
        ),
        "document-made-by-page": tr("a script of the page made the document that is shown"),
        "reload-worse": tr("the page had less text after a reload, or was not received again"),
        "assessment-failed": tr("the capture has no assessment, because the assessment failed"),
        "assessment-incomplete": tr("some values of the page could not be read"),
    }
)
# The faults of the code `tls`: docs/reference/outcomes.md.
TLS_FAULT_CLAUSES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "expired": tr("the certificate of the server has expired"),
        "not-yet-valid": tr("the certificate of the server is not valid yet"),
        "other-host": tr("the certificate of the server was issued for other names"),
        "unknown-authority": tr(
            "the certificate of the server was issued by an unknown certificate authority"
        ),
        "self-signed": tr("the certificate of the server is self-signed"),
        "revoked": tr("the certificate of the server was revoked"),
        "weak-signature": tr("the key or the signature of the server's certificate is too weak"),
        "not-logged": tr("the certificate of the server is in no Certificate Transparency log"),
        "validity-too-long": tr("the validity period of the server's certificate is too long"),
        "malformed": tr("the certificate of the server cannot be read"),
        "old-protocol": tr("the server uses only old versions or ciphers of TLS"),
        "client-certificate": tr("the server requires a certificate of the visitor"),
        "handshake": tr("the TLS handshake failed"),
    }
)
# The steps of the codes `<step>-failed` and `<step>-timeout`.
STEP_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "launch": tr("starting the browser"),
        "navigate": tr("loading the page"),
        "consent": tr("closing the consent banner"),
        "scroll": tr("scrolling"),
        "expand": tr("opening hidden text"),
        "settle": tr("waiting for the page to settle"),
        "judge": tr("assessing the page during the capture"),
        "viewport": tr("photographing the first view"),
        "screenshot": tr("photographing the whole page"),
        "mhtml": tr("saving MHTML"),
        "dom": tr("saving the document"),
        "text": tr("saving the text"),
        "reload": tr("reloading the page"),
        "elements": tr("photographing elements"),
        "pdf": tr("printing to PDF"),
        "inner-box": tr("photographing a box that scrolls"),
        "record": tr("writing the network record"),
        "close": tr("closing the browser"),
    }
)
# The stages after the page is captured.
_LATER_STAGES: Final[Mapping[str, str]] = {
    "assess": tr("applying the rules to the page"),
    "compress": tr("compressing the pictures again"),
    "seal": tr("sealing"),
    "timestamp": tr("requesting timestamps"),
    "store": tr("storing"),
    "await-store": tr("waiting for the store, with the sealed bundle"),
    "append": tr("adding the bundle to the log"),
    "replay": tr("replaying the bundle"),
}
_CAPTURE: Final[Mapping[Outcome, str]] = {
    Outcome.COMPLETE: tr("The capture is complete."),
    Outcome.PARTIAL: tr("The capture is partial."),
    Outcome.FAILED: tr("The capture failed."),
}
_CAPTURE_BECAUSE: Final[Mapping[Outcome, str]] = {
    Outcome.PARTIAL: tr("The capture is partial: %s."),
    Outcome.FAILED: tr("The capture failed: %s."),
}
_UNKNOWN_OUTCOME: Final = tr(
    "It is not established whether the capture is complete: the record does not state its outcome."
)
_MORE_REASONS: Final = tr("Further reasons: %d.")
_LIGHT: Final = tr("The capture is a light check, which shows only the first view of the page.")


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
        tr("All {count} captures are complete.", count=len(outcomes))
        if complete == len(outcomes) and len(outcomes) > 1
        else tr("Complete captures: {complete} of {count}.", complete=complete, count=len(outcomes))
    )
    return (
        tr("{said} Captures that were not found: {missing}.", said=said, missing=missing)
        if missing
        else said
    )


def reason_clause(code: str, fault: str = "") -> str:
    """
    Return what the code of a reason or a warning means, as a clause; an unknown code itself.

    Args:
        fault: Of the code `tls`.
    """
    if code == "tls" and fault in TLS_FAULT_CLAUSES:
        return TLS_FAULT_CLAUSES[fault]
    if code in REASON_CLAUSES:
        return REASON_CLAUSES[code]
    if code in WARNING_CLAUSES:
        return WARNING_CLAUSES[code]
    for ending, words in (("-failed", "failed"), ("-timeout", "took too long")):
        step = code.removesuffix(ending)
        if step != code and (name := step_name(step)):
            return tr("the step '{name}' {words}", name=name, words=words)
    return code


def step_name(step: str) -> str:
    """Return the name of a step of a capture; "" for none."""
    window = step.removeprefix("viewport-")
    if window != step:
        return tr("photographing the page in the window {window}", window=window)
    return STEP_NAMES.get(step, "")


def stage_name(stage: str) -> str:
    """Return the name of a stage of a capture, from its first step to the stored bundle; or ""."""
    return _LATER_STAGES.get(stage) or step_name(stage)


def court_minimum_words(met: bool, missing: Sequence[str], *, light: bool) -> str:
    """
    Return the state of the court minimum.

    Args:
        missing: The names of the parts that do not exist.
    """
    if light:
        return tr("not required: a light check contains no full-page picture")
    if met:
        return tr("met: URL, HTML source and full-page capture exist")
    return tr("not met, because these parts are missing: {missing}", missing=", ".join(missing))


def qualify_court_minimum(words: str, met: bool, shown: AssessmentSummary | None) -> str:
    """Return the court minimum; if it is met without the content, add what the page shows."""
    if not met:
        return words
    if shown is None or _is_uncertain(shown):
        return tr("{words}. It is not established whether the page shows its content.", words=words)
    if shown.content in (Content.CONTENT, Content.PARTIAL):
        return words
    return tr(
        "{words}. The page shows {shown_thing}, not the content.",
        words=words,
        shown_thing=shown_thing(shown),
    )


# --- Is the proof intact? ----------------------------------------------------------------------

PROOF_STATES: Final[Mapping[Verdict, str]] = MappingProxyType(
    {
        Verdict.PASSED: tr("intact"),
        Verdict.FAILED: tr("not intact"),
        Verdict.INDETERMINATE: tr("not established"),
    }
)
NOT_VERIFIED: Final = tr("The proof was not verified: this command does not verify bundles.")


# The states of the timestamps and of the log entry of a bundle that was just sealed.
TIME_NOT_CONFIGURED: Final = tr("not confirmed: no timestamp authority is configured")
TIME_PENDING: Final = tr("not confirmed yet: no timestamp authority has answered")
TIME_PENDING_FOR_ONE: Final = tr("not confirmed yet for one of the signatures")
TIME_CONTRADICTED: Final = tr(
    "not confirmed: the clock of this machine differs too much from the time of the timestamp "
    "authorities"
)
LOG_PENDING: Final = tr("not in the log yet")


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


_ALTERED: Final = tr(
    "The file was changed after it was sealed, or is damaged. Do not rely on the file."
)
_GET_AGAIN: Final = tr(
    "Get the file again from the place where the file is stored, and verify the file again."
)
_NOT_AGAINST: Final = tr("This does not count against the evidence.")
FINDINGS: Final[Mapping[Code, FindingText]] = MappingProxyType(
    {
        Code.OK: FindingText(
            title=tr("the check passed"),
            meaning=tr("The check was made and passed."),
            remedy=tr("Nothing needs to be done."),
        ),
        Code.CONTAINER: FindingText(
            title=tr("the file is damaged or was altered, and cannot be read as a bundle"),
            meaning=_ALTERED,
            remedy=_GET_AGAIN,
        ),
        Code.NAME: FindingText(
            title=tr(
                "a name in the bundle is invalid, or the name of the bundle differs from its id"
            ),
            meaning=_ALTERED,
            remedy=_GET_AGAIN,
        ),
        Code.MISSING: FindingText(
            title=tr("a file of the bundle is missing"),
            meaning=_ALTERED,
            remedy=_GET_AGAIN,
        ),
        Code.UNLISTED: FindingText(
            title=tr("the bundle contains a file that was not sealed"),
            meaning=_ALTERED,
            remedy=_GET_AGAIN,
        ),
        Code.MANIFEST: FindingText(
            title=tr("the signed list of files is invalid"),
            meaning=_ALTERED,
            remedy=_GET_AGAIN,
        ),
        Code.HASH: FindingText(
            title=tr("a file was changed after sealing"),
            meaning=tr(
                "The SHA-256 digest of a file differs from the sealed digest. Do not rely on "
                "the bundle."
            ),
            remedy=_GET_AGAIN,
        ),
        Code.BLAKE3: FindingText(
            title=tr("a file was changed after sealing"),
            meaning=tr(
                "The BLAKE3 digest of a file differs from the sealed digest, or the list of "
                "BLAKE3 digests does not contain the same files as the list of SHA-256 digests. "
                "Do not rely on the bundle."
            ),
            remedy=_GET_AGAIN,
        ),
        Code.SIG: FindingText(
            title=tr("a signature is not valid"),
            meaning=tr(
                "The signature does not match the list of files. Do not rely on the bundle."
            ),
            remedy=_GET_AGAIN,
        ),
        Code.SIG_MISSING: FindingText(
            title=tr("a signature or a public key is missing"),
            meaning=tr(
                "Somebody removed the signature or the key, or the bundle was never sealed "
                "completely."
            ),
            remedy=_GET_AGAIN,
        ),
        Code.KEY_UNKNOWN: FindingText(
            title=tr("the signing key is not a key that you trust"),
            meaning=tr("The signature is valid, but it is not established who signed. ")
            + _NOT_AGAINST,
            remedy=tr(
                "Verify again with the trust file of the person who signed, and with the "
                "id of the root key of this trust file."
            ),
        ),
        Code.KEY_MISMATCH: FindingText(
            title=tr("the public key is not the key that the record states"),
            meaning=tr("Somebody replaced the key or the record. Do not rely on the bundle."),
            remedy=_GET_AGAIN,
        ),
        Code.KEY_MALFORMED: FindingText(
            title=tr("the public key is not in the required form"),
            meaning=_ALTERED,
            remedy=_GET_AGAIN,
        ),
        Code.KEY_PERIOD: FindingText(
            title=tr("the signature was made before the validity period of the signing key began"),
            open=tr(
                "it is not proven that the signature was made in the validity period of the "
                "signing key"
            ),
            meaning=tr(
                "The trust file states the period in which the owner of the key is responsible "
                "for the key."
            ),
            remedy=tr(
                "Ask the owner of the trust file whether the validity period of the key is right."
            ),
        ),
        Code.KEY_REVOKED: FindingText(
            title=tr(
                "the signing key was compromised, and it is not proven that the signature is "
                "older than the revocation"
            ),
            open=tr(
                "the signing key was retired, and it is not proven that the signature is older "
                "than the revocation"
            ),
            meaning=tr(
                "The owner revoked the key. A signature is valid only if a timestamp token "
                "proves that the signature is older than the revocation."
            ),
            remedy=tr(
                "Look for a late timestamp token with an earlier time, and put the token "
                "beside the bundle."
            ),
        ),
        Code.ALG: FindingText(
            title=tr(
                "the algorithm of the key is not allowed, or differs from the stated algorithm"
            ),
            meaning=_ALTERED,
            remedy=_GET_AGAIN,
        ),
        Code.QUORUM: FindingText(
            title=tr("fewer valid signatures exist than are required"),
            meaning=tr("The signatures that exist are valid. ") + _NOT_AGAINST,
            remedy=tr("Ask the person who sealed the bundle for the bundle with all signatures."),
        ),
        Code.TS_MISSING: FindingText(
            title=tr(
                "fewer timestamp authorities confirm the time than are required or were requested"
            ),
            meaning=tr(
                "The bundle has not changed since it was signed, but too few timestamp "
                "authorities confirm the time of the bundle. "
            )
            + _NOT_AGAINST,
            remedy=tr(
                'Request the missing timestamp tokens with "snapshotter timestamp", and verify '
                "again."
            ),
        ),
        Code.TS_MALFORMED: FindingText(
            title=tr("a timestamp token is not valid"),
            meaning=tr("The token proves no time."),
            remedy=_GET_AGAIN,
        ),
        Code.TS_IMPRINT: FindingText(
            title=tr("a timestamp token belongs to another signature"),
            meaning=tr("The token proves no time of this bundle."),
            remedy=_GET_AGAIN,
        ),
        Code.TS_POLICY: FindingText(
            title=tr("a timestamp token was issued under a policy that you do not accept"),
            meaning=tr("According to what you trust, the token proves no time. ") + _NOT_AGAINST,
            remedy=tr(
                "Ask the owner of the trust file whether this policy of the timestamp "
                "authority can be accepted."
            ),
        ),
        Code.TS_UNTRUSTED: FindingText(
            title=tr("a timestamp token is from an authority that you do not trust"),
            meaning=tr("According to what you trust, the token proves no time. ") + _NOT_AGAINST,
            remedy=tr("Use a trust file that names this timestamp authority."),
        ),
        Code.TS_REVOKED: FindingText(
            title=tr("a timestamp token was signed with a revoked certificate"),
            meaning=tr("According to what you trust, the token proves no time."),
            remedy=tr("Ask the owner of the trust file why the certificate was revoked."),
        ),
        Code.TIME: FindingText(
            title=tr("the times of the bundle contradict each other"),
            open=tr("not all times are confirmed"),
            meaning=tr(
                "A time is proven by a timestamp token. All other times were recorded by the "
                "capturing machine."
            ),
            remedy=tr("Read the text of the finding, which states the time."),
        ),
        Code.JSON: FindingText(
            title=tr("the capture record is not JSON in the required form"),
            meaning=_ALTERED,
            remedy=_GET_AGAIN,
        ),
        Code.FORMAT: FindingText(
            title=tr("the capture record is invalid, or contradicts itself"),
            meaning=tr(
                "The record was not written by this software, or was changed before sealing."
            ),
            remedy=tr(
                "Read the text of the finding, which states the field. Do not rely on the bundle."
            ),
        ),
        Code.DERIVED: FindingText(
            title=tr("a derived file of the bundle does not match the sealed files"),
            meaning=_ALTERED,
            remedy=_GET_AGAIN,
        ),
        Code.WACZ_SIG: FindingText(
            title=tr("the WACZ signature is missing, unexpected or not valid"),
            meaning=_ALTERED,
            remedy=_GET_AGAIN,
        ),
        Code.SERVER_SIG: FindingText(
            title=tr("a recorded server signature is missing or not valid"),
            meaning=tr("The record of the TLS handshakes does not prove which server answered."),
            remedy=tr("Do not rely on the bundle."),
        ),
        Code.COMMITMENT: FindingText(
            title=tr("a commitment does not match the value that was committed"),
            meaning=tr(
                "The bundle contains a second form of its record, in which values can be "
                "withheld. The two forms state different facts."
            ),
            remedy=tr("Do not rely on the bundle."),
        ),
        Code.CUSTODY: FindingText(
            title=tr("the custody chain is broken"),
            open=tr("the custody chain beside the bundle is broken"),
            meaning=tr(
                "The custody chain records who did what to the bundle. A chain inside the bundle "
                "is sealed. A chain beside the bundle can be changed by anybody who can write to "
                "the folder or store of the bundle. Damage of a chain beside the bundle does not "
                "count against the bundle."
            ),
            remedy=tr("Compare the chain with the copy in the store or in a replica."),
        ),
        Code.LOG: FindingText(
            title=tr("the log contradicts the bundle"),
            open=tr("the log proof beside the bundle is not valid"),
            meaning=tr(
                "The log proves that the bundle was recorded in a list from which no entry can "
                "be removed unnoticed."
            ),
            remedy=tr(
                "If you do not trust the log, use a trust file that contains the log. If the "
                "log proof is invalid, export the bundle and its log proof again from the store."
            ),
        ),
        Code.LOG_MISSING: FindingText(
            title=tr("no valid log proof exists"),
            meaning=tr(
                "A log proof is required. The log proof is missing, or you do not trust the log, "
                "or too few witnesses have seen the log entry of the bundle. "
            )
            + _NOT_AGAINST,
            remedy=tr("Export the bundle again from its store, with its log proof."),
        ),
        Code.INTERNAL: FindingText(
            title=tr("a check ended with an error of this software"),
            meaning=tr("The check did not finish, so it does not count as passed."),
            remedy=tr(
                "Report the error, and verify the bundle with the second verifier that "
                '"snapshotter export --evidence" writes.'
            ),
        ),
        Code.EVENT: FindingText(
            title=tr("the file is not a take-down event, or was changed after it was signed"),
            meaning=tr("The record was changed or is damaged. Do not rely on the record."),
            remedy=_GET_AGAIN,
        ),
        Code.EVENT_KEY: FindingText(
            title=tr("the key that signed the event also signed a capture"),
            meaning=tr("Events and captures must be signed by different keys."),
            remedy=tr("Do not rely on the event. Each capture can be verified separately."),
        ),
        Code.BUNDLE: FindingText(
            title=tr("a bundle failed its verification"),
            meaning=tr(
                "The statement depends on a bundle that is not intact. Do not rely on the "
                "statement."
            ),
            remedy=tr("Verify the bundle separately, and read the findings of this verification."),
        ),
        Code.BUNDLE_MISSING: FindingText(
            title=tr("a bundle was not found"),
            meaning=tr("What the bundle shows could not be checked. ") + _NOT_AGAINST,
            remedy=tr(
                "Put the bundle into the folder of the file, or name the store that has the bundle."
            ),
        ),
        Code.BUNDLE_OTHER: FindingText(
            title=tr("the digest of a bundle differs from the digest in the record"),
            meaning=tr(
                "The id of the bundle matches the record, but the digest of the bundle differs "
                "from the record. Do not rely on the statement."
            ),
            remedy=tr("Get the bundle again from the place where the bundle is stored."),
        ),
        Code.BUNDLE_OPEN: FindingText(
            title=tr("a bundle is intact, but not everything about it is established"),
            meaning=tr("The statement depends on a bundle whose verdict is INDETERMINATE. ")
            + _NOT_AGAINST,
            remedy=tr("Verify the bundle separately, and read its findings."),
        ),
        Code.VERDICT: FindingText(
            title=tr("a capture does not show what the record states"),
            open=tr("the conclusion about what a capture shows was not derived again"),
            meaning=tr("The rules in the bundle decide what a capture shows."),
            remedy=tr(
                "Verify the file with the full snapshotter package, which contains the "
                "code of the take-down rules."
            ),
        ),
        Code.IDENTITY: FindingText(
            title=tr("a capture shows another page or account"),
            meaning=tr("The capture does not show the page that the record is about."),
            remedy=tr("Do not rely on the statement."),
        ),
        Code.CONCLUSION: FindingText(
            title=tr("the statement does not follow from its captures"),
            open=tr("the statement was not derived again from its captures"),
            meaning=tr("A take-down event follows from its captures by fixed rules."),
            remedy=tr(
                "Verify the file with the full snapshotter package and with all bundles of "
                "the statement."
            ),
        ),
        Code.PREVIOUS: FindingText(
            title=tr("the previous event is not the event that this event names"),
            open=tr("the previous event could not be checked"),
            meaning=tr("Each event of a page names the previous event."),
            remedy=tr(
                "Put the previous event into the folder of the file, or name the store that has "
                "the previous event."
            ),
        ),
        Code.NUMBER: FindingText(
            title=tr("a number of the report does not follow from its captures"),
            open=tr("a number of the report could not be derived again"),
            meaning=tr("Each number of a campaign report can be derived again from its captures."),
            remedy=tr("Verify the report together with all bundles of the report."),
        ),
        Code.LEFT_OUT: FindingText(
            title=tr("the report leaves out a capture that belongs to the report"),
            meaning=tr(
                "The store has a capture of a page of the report, in the period of the report, "
                "but the report does not include this capture."
            ),
            remedy=tr("Ask the person who signed the report why the capture was left out."),
        ),
    }
)
_NUMBERS: Final = (
    tr("no"),
    tr("one"),
    tr("two"),
    tr("three"),
    tr("four"),
    tr("five"),
    tr("six"),
    tr("seven"),
    tr("eight"),
    tr("nine"),
)
_INTACT: Final = tr("The proof is intact.")
_TIME_CONFIRMED: Final = tr("The proof is intact; its time is confirmed by %s.")
_TIME_OPEN: Final = tr("The proof is intact, but its time is not confirmed.")
_INTACT_BUT: Final = tr("The proof is intact, but %s.")
_PROOF_OPEN: Final = tr("It is not established whether the proof is intact: %s.")
_PROOF_FAILED: Final = tr("The proof is not intact: %s.")
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
        return _PROOF_OPEN % tr("no check was made")
    if not _is_intact(proof):
        return _PROOF_OPEN % FINDINGS[ranked[0]].clause(Verdict.INDETERMINATE)
    if not proof.authorities:
        return _TIME_OPEN
    return _INTACT_BUT % FINDINGS[ranked[0]].clause(Verdict.INDETERMINATE)


def proof_words(proof: ProofState) -> str:
    """Return the verdict with its plain word, for tables: `PASSED (intact)`."""
    words = PROOF_STATES[proof.verdict]
    if proof.verdict is Verdict.INDETERMINATE and _is_intact(proof):
        words = tr("intact, but not fully confirmed")
    return f"{proof.verdict.name} ({words})"


def _is_intact(proof: ProofState) -> bool:
    """Return whether nothing but a confirmation is open."""
    return bool(proof.codes) and _ONLY_CONFIRMATION.issuperset(proof.codes)


def count_authorities(count: int) -> str:
    """Return a number of timestamp authorities in words."""
    number = _NUMBERS[count] if count < len(_NUMBERS) else str(count)
    return tr(
        "{number} timestamp {noun}",
        number=number,
        noun=tr("authority") if count == 1 else tr("authorities"),
    )


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


def capitalized(words: str) -> str:
    """
    Return words with a capital letter at their beginning.

    A code, an address or a file name at the beginning keeps its spelling: `net::ERR_FAILED`.
    """
    if _CODE.match(words):
        return words
    return f"{words[:1].upper()}{words[1:]}"


def as_sentence(clause: str) -> str:
    """Return a clause as a sentence: with a capital letter and a full stop."""
    return f"{capitalized(clause)}." if clause else ""


# --- Take-down events and their captures -------------------------------------------------------


class RemovalSign(enum.Enum):
    """By what a capture shows that a page is not available."""

    NOTICE = enum.auto()  # words on the page
    DATA = enum.auto()  # a value in the data that the page received
    ADDRESS = enum.auto()  # where the browser was redirected
    MARK = enum.auto()  # something in the page's code
    STATUS = enum.auto()  # the HTTP status alone
    UNKNOWN = enum.auto()  # the capture does not tell


_NO_TEXT = tr("the take-down rules found no text of a notice")
_REMOVALS: Final[Mapping[RemovalSign, str]] = {
    RemovalSign.NOTICE: tr("a notice was shown in place of the content"),
    RemovalSign.DATA: tr("the data from the server state that the page is not available"),
    RemovalSign.ADDRESS: tr(
        "the browser was redirected to an address that the take-down rules list as an address of "
        "removed pages, and {no_text}",
        no_text=_NO_TEXT,
    ),
    RemovalSign.MARK: tr(
        "a mark in the code of the page states that the page is not available, and {no_text}",
        no_text=_NO_TEXT,
    ),
    RemovalSign.STATUS: tr(
        "the HTTP status of the server states that the page is not available, and {no_text}",
        no_text=_NO_TEXT,
    ),
    RemovalSign.UNKNOWN: _NO_TEXT,
}
# The cause of a removal where something other than a notice states it.
_STATED_CAUSE: Final[Mapping[RemovalSign, str]] = {
    RemovalSign.DATA: tr("The data from the server state this cause: %s."),
    RemovalSign.ADDRESS: tr("The address, as the rules read it, states this cause: %s."),
    RemovalSign.MARK: tr(
        "The mark in the code of the page, as the rules read it, states this cause: %s."
    ),
    RemovalSign.STATUS: tr("The HTTP status, as the rules read it, states this cause: %s."),
    RemovalSign.UNKNOWN: tr("The verdict in the capture states this cause: %s."),
}
_OF_ACCOUNT: Final[Mapping[RemovalSign, str]] = {
    RemovalSign.NOTICE: tr(
        "The page states facts about the account of the page, and not about the page."
    ),
    RemovalSign.DATA: tr(
        "The data from the server state facts about the account of the page, and not about the "
        "page."
    ),
    RemovalSign.ADDRESS: tr(
        "The address, as the rules read it, states facts about the account of the page, and not "
        "about the page."
    ),
    RemovalSign.MARK: tr(
        "The mark in the code of the page, as the rules read it, states facts about the account "
        "of the page, and not about the page."
    ),
    RemovalSign.STATUS: tr(
        "The HTTP status, as the rules read it, states facts about the account of the page, and "
        "not about the page."
    ),
    RemovalSign.UNKNOWN: tr(
        "The verdict in the capture states facts about the account of the page, and not about "
        "the page."
    ),
}

TITLES: Final[Mapping[TakedownKind, str]] = {
    TakedownKind.REMOVED: tr("The page was available. Later the page was not available."),
    TakedownKind.REINSTATED: tr("The page was not available. Later the page was available again."),
    TakedownKind.ACCOUNT_CHANGED: tr("The state of the account has changed."),
    TakedownKind.ACCOUNT_RESTORED: tr("The account has its earlier state again."),
    TakedownKind.CHANGED: tr("The page showed this content. Later the page showed other content."),
}

CAUSES: Final[Mapping[Cause, str]] = {
    Cause.AUTHOR: tr("The notice states that the author removed the page."),
    Cause.PLATFORM_RULE: tr("The notice states that the page violated rules or laws."),
    Cause.COMPLAINT_MANY: tr("The notice states that many users complained about the page."),
    Cause.COMPLAINT_IP: tr(
        "The notice states that somebody complained about an infringement of their rights."
    ),
    Cause.ACCOUNT_BLOCKED: tr("The notice states that the account of the page is blocked."),
    Cause.ACCOUNT_CLOSED: tr("The notice states that the account of the page was closed."),
    Cause.ACCOUNT_FROZEN: tr("The notice states that the account of the page is frozen."),
    Cause.ACCOUNT_ABNORMAL: tr(
        "The notice states that the account of the page is in an abnormal state."
    ),
    Cause.MOVED: tr("The notice states that the page moved."),
    Cause.REVIEW_FAILED: tr("The notice states that the page did not pass a review."),
    Cause.OWNER_SETTING: tr(
        "The notice states that the owner does not show the page to everybody."
    ),
    Cause.TEMPORARY: tr("The notice states that the page is temporarily not available."),
    Cause.EXPIRED: tr("The notice states that the link has expired."),
    Cause.REFUTED: tr("The notice states that the content of the page was refuted."),
    Cause.LEGAL: tr(
        "The server states that the page is withheld for legal reasons (HTTP 451). The "
        "server states no other reason."
    ),
    Cause.NOT_STATED: tr("No reason is stated."),
}

# Of a cause that is a convention of researchers (`TakedownVerdict.convention`).
_CONVENTION: Final = tr(
    "The platform sent a code. Researchers interpret this code as %s. The platform itself does "
    "not state this."
)
_AS_READ: Final[Mapping[Cause, str]] = {
    Cause.AUTHOR: tr("a deletion by the author"),
    Cause.PLATFORM_RULE: tr("a removal by the platform"),
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
    if cause is Cause.NOT_STATED or (cause is Cause.LEGAL and by is RemovalSign.STATUS):
        return CAUSES[cause]
    if cause is Cause.LEGAL and by is RemovalSign.NOTICE:
        return tr("The notice states that the page is withheld for legal reasons.")
    return _STATED_CAUSE[by] % CAUSE_NAMES[cause] if by in _STATED_CAUSE else CAUSES[cause]


def describe_removal(by: RemovalSign, status: int | None) -> str:
    """
    Return by what a capture shows that a page is not available, as a clause.

    Args:
        status: HTTP status of the page's own answer; None where no answer came.
    """
    if by is RemovalSign.STATUS and status is not None:
        return tr(
            "the server answered {http_status}, and {no_text}",
            http_status=format_http_status(status),
            no_text=_NO_TEXT,
        )
    return _REMOVALS[by]


def describe_account_state(by: RemovalSign) -> str:
    """Return what states something about the account of a page, as a sentence."""
    return _OF_ACCOUNT[by]


def describe_error(status: int | None) -> str:
    """Return why a capture with `Undecided.ERROR` is undecided, by its HTTP status or None."""
    if status is None:
        return tr("no answer of the server was received")
    if status >= 400:
        return _answered_with(status)
    return tr("the page showed an error, or the page could not be read")


def _answered_with(status: int) -> str:
    return tr(
        "the server answered {http_status}, which does not show whether the page exists",
        http_status=format_http_status(status),
    )


def format_http_status(status: int) -> str:
    """Return an HTTP status with its name (RFC 9110): `HTTP 404 (Not Found)`."""
    from http import HTTPStatus

    try:
        return tr("HTTP {status} ({phrase})", status=status, phrase=HTTPStatus(status).phrase)
    except ValueError:  # a server may answer with any number
        return tr("HTTP {status}", status=status)


def describe_observation(observation: Observation) -> str:
    """Return what a capture shows, as a clause, by what is in short known of it."""
    if observation.availability is Availability.INCONCLUSIVE:
        return tr(
            "it is not established whether the page was available: {undecided_clauses}",
            undecided_clauses=UNDECIDED_CLAUSES[observation.undecided or Undecided.UNKNOWN],
        )
    if observation.availability is Availability.UNAVAILABLE:
        sign = RemovalSign.NOTICE if observation.notice else RemovalSign.UNKNOWN
        return tr("the page was not available: {removals}", removals=_REMOVALS[sign])
    said = tr("the page was available")
    if observation.content is Content.PARTIAL:
        said = tr("the page was available, but some of its content was missing")
    account = describe_account_states(observation)
    return (
        tr("{said}; the page stated that its account was {account}", said=said, account=account)
        if account
        else said
    )


def describe_account_states(observation: Observation) -> str:
    """Return what a capture states of the account of the page; "" for nothing."""
    return ", ".join(sorted({account.state for account in observation.accounts}))
