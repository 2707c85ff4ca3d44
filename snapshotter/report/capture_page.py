"""
Write the page about one capture: one HTML file, without scripts and without a network.

The page answers three questions first: is the page there, is the capture whole, is the proof
intact. Then come the picture, the text and every fact with its source. All facts come from
`CaptureMaterial`. A stranger may have written the record, so each field of it is read by its type,
and a field of another type is left out. This module decides nothing.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats.bundle import store_keys
from snapshotter.formats.canonical_json import parse_instant
from snapshotter.model import sentences
from snapshotter.model.annotation_state import CaptureState as CaptureAnnotations
from snapshotter.model.annotations import Mark
from snapshotter.model.assessment import Assessment, AssessmentSummary
from snapshotter.model.copies import Copy
from snapshotter.model.custody import CustodyEvent
from snapshotter.model.finding import Finding, Report, Verdict
from snapshotter.model.sentences import CaptureState, ProofState
from snapshotter.model.takedown import Observation
from snapshotter.report import html
from snapshotter.report.local_time import LocalTime
from snapshotter.report.missing_parts import MAX_ROWS, missing_parts
from snapshotter.report.picture_copies import PictureCopy
from snapshotter.report.record_values import (
    MAX_REQUESTS,
    number_at,
    objects_at,
    text_at,
    values_at,
)
from snapshotter.report.states import (
    OPEN,
    StateLabel,
    capture_label,
    page_label,
    proof_label,
    verdict_label,
)
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

MAX_TEXT: Final = 200_000  # characters of the text that the page shows
LANGUAGE: Final = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}")
_HEX: Final = re.compile("[0-9a-f]{64}")
_AROUND: Final = 4  # captures of the address that the strip shows on each side
_TEMPLATE: Final = "capture.html.j2"
_STYLES: Final = ("base.css", "capture.css")


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRow:
    """One request of the page, as the index of the network record has it."""

    url: str
    status: int | None = None  # None: no answer
    media_type: str = ""
    at: datetime | None = None
    length: int | None = None  # bytes of its record, compressed
    error: str = ""  # why there is no answer


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionRow:
    """One connection of the capture."""

    host: str
    address: str
    tls: str  # version and cipher suite; "" without TLS
    sent: int  # bytes
    received: int  # bytes
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRow:
    """One file of the bundle."""

    path: str
    length: int  # bytes
    sha256: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureMaterial:
    """Everything that the page shows, read from one bundle and its sidecars."""

    name: str  # as it was given: an id, or a file
    store: str  # in which the bundle is; "" for a file
    report: Report  # of the verification that was made for this page
    headline: str  # of the same verification
    record: Mapping[str, Any]  # empty if it cannot be read
    assessment: Assessment | None = None
    text: str = ""  # the first `MAX_TEXT` characters
    text_length: int = 0  # characters of the whole text
    picture: PictureCopy | None = None
    picture_path: str = ""  # of its first file
    requests: tuple[RequestRow, ...] = ()
    request_count: int = 0
    connections: tuple[ConnectionRow, ...] = ()
    files: tuple[FileRow, ...] = ()
    custody: tuple[CustodyEvent, ...] = ()
    custody_problems: tuple[str, ...] = ()
    captures: tuple[Observation, ...] = ()  # of the same page, in the order of time
    copies: tuple[Copy, ...] = ()  # captures of other pages with nearly the same text
    lost_since: Observation | None = None  # the last capture that showed the page, if this one
    # may show a removal that no rule knows
    annotations: CaptureAnnotations | None = None  # None: of a file, which has none
    unread: tuple[str, ...] = ()  # parts of the bundle that could not be read, with the reason
    made_at: datetime  # when the verification was made
    software: str
    without: str  # commands that check the bundle without our software


@dataclass(frozen=True, slots=True, kw_only=True)
class StripItem:
    """One capture of the same page."""

    bundle_id: str
    at: datetime
    label: StateLabel
    is_this: bool


def page(of: CaptureMaterial, local: LocalTime) -> bytes:
    """Return the page."""
    return html.render(_TEMPLATE, _STYLES, "", end=_margins(of.report), **page_values(of, local))


def page_values(of: CaptureMaterial, local: LocalTime) -> dict[str, Any]:
    """Return what `capture.html.j2` and the sections of `capture_parts.html.j2` show."""
    record, report = of.record, of.report
    capture = CaptureState.of_record(record)
    shown = AssessmentSummary.of(of.assessment) if of.assessment is not None else None
    is_altered = report.verdict is Verdict.FAILED
    before, after, strip = _neighbours(of)
    parts = list(missing_parts(record, capture))
    captured_at = report.captured_at or _instant(record, "when.started_at")
    return {
        "actions": list(_actions(record)),
        "after": after,
        "answers": (  # of an altered file, only the last question has an answer
            (tr("Is the page there?"), OPEN if is_altered else page_label(shown, capture.outcome)),
            (tr("Is the capture whole?"), OPEN if is_altered else capture_label(capture.outcome)),
            (tr("Is the proof intact?"), proof_label(ProofState.of(report))),
        ),
        "before": before,
        "is_graphic": of.annotations is not None and Mark.GRAPHIC in of.annotations.marks,
        "bundle_id": report.bundle_id or of.name,
        "captured_at": captured_at,
        "checks": [(verdict_label(finding.verdict), finding) for finding in report.findings],
        "explained": list(explained(report.findings)),
        "final_url": text_at(record, "what.final_url"),
        "is_altered": is_altered,
        "language": _language(record),
        "lasted": _lasted(record),
        "limits": [text for text in values_at(record, "limits") if isinstance(text, str)][:20],
        "log": [finding for finding in report.findings if finding.check.strip() == "log"],
        "max_requests": MAX_REQUESTS,
        "max_rows": MAX_ROWS,
        "missing": [part for part in parts if not part.is_warning],
        "warnings": [part for part in parts if part.is_warning],
        "of": of,
        "paragraphs": [line for line in of.text.splitlines() if line.strip()],
        "redactions": list(_redactions(record)),
        "report": report,
        "requested_url": report.requested_url or text_at(record, "what.requested_url"),
        "setting_rows": list(_settings(record)),
        "signers": list(_signers(record)),
        "status": _status(record),
        "steps": list(_steps(record)),
        "strip": strip,
        "images": _images(record),
        "shown": shown,
        "title": text_at(record, "what.title"),
        "tokens": [finding for finding in report.findings if finding.check.strip() == "timestamp"],
        "when": local.show,
        "without": of.without,
        "zone_sentence": local.sentence(captured_at or of.made_at),
    }


def _margins(report: Report) -> str:
    """Return the running head and foot of a print: the id and the digest of the bundle."""
    if not (store_keys.is_id(report.bundle_id) and _HEX.fullmatch(report.sha256)):
        return ""
    groups = " ".join(report.sha256[at : at + 4] for at in range(0, 16, 4))
    return html.print_margins(
        tr("snapshotter · capture {bundle_id}", bundle_id=report.bundle_id),
        tr("SHA-256 of the bundle: {groups} …", groups=groups),
    )


def _images(record: Mapping[str, Any]) -> str:
    wanted = number_at(record, "content.images.wanted")
    loaded = number_at(record, "content.images.loaded")
    if not wanted or loaded is None:
        return ""
    return tr("{loaded} of {wanted} loaded", loaded=loaded, wanted=wanted)


# --- what was done to the page -----------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionRow:
    """One thing that the software did to the page."""

    at: datetime | None
    words: str
    detail: str
    effect: str


ACTION_WORDS: Final[Mapping[str, str]] = {
    "strip-params": tr("removed parameters from the address"),
    "consent": tr("answered a request for consent"),
    "scroll": tr("scrolled the page"),
    "expand": tr("clicked controls that hide text"),
    "load-lazy-images": tr("loaded images that scrolling did not reach"),
    "set-data-src": tr("gave images the source that the page names"),
    "read-segments": tr("read the page in sections"),
    "return-to-top": tr("returned to the top of the page"),
    "wait-at-wall": tr("waited to see whether a wall disappears"),
    "reload": tr("loaded the page again"),
    "show-skipped": tr("showed content that the page draws late"),
    "stop-animations": tr("stopped animations"),
    "take-again": tr("photographed the page again after a change"),
    "hold-page": tr("stopped a navigation of the page"),
    "stop-loading": tr("stopped the loading of the page"),
    "end-request": tr("ended a request that received no data"),
    "give-up-hosts": tr("ended requests to servers that did not answer"),
    "stop-script": tr("stopped a script that did not end"),
    "stop-scripts": tr("stopped all scripts of the page"),
    "replace-gpu-process": tr("ended the graphics process of the browser"),
    "fresh-browser": tr("started a second browser"),
    "go-offline": tr("disconnected the page from the network"),
    "save-file": tr("saved a file"),
    "settle-again": tr("waited again after a change of the page"),
    "set-viewport": tr("changed the size of the window"),
    "dismiss-dialog": tr("closed a dialog"),
    "close-popup": tr("closed a window that the page opened"),
    "cancel-download": tr("cancelled a download"),
    "print": tr("printed the page to PDF"),
}


def _actions(record: Mapping[str, Any]) -> Iterator[ActionRow]:
    for action in objects_at(record, "how.actions"):
        change, effect = action.get("change"), ""
        if isinstance(change, Mapping):
            before, after = number_at(change, "text_before"), number_at(change, "text_after")
            if before is not None and after is not None:
                effect = (
                    tr("the text did not change in length")
                    if before == after
                    else tr(
                        "characters of the text before: {before}, after: {after}",
                        before=html.group_digits(before),
                        after=html.group_digits(after),
                    )
                )
        kind = text_at(action, "kind")
        yield ActionRow(
            at=_instant(action, "at"),
            words=ACTION_WORDS.get(kind, kind.replace("-", " ")),
            detail=text_at(action, "detail"),
            effect=effect,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRow:
    """One step of the capture."""

    name: str
    label: StateLabel
    at: datetime | None
    duration_ms: int
    detail: str


STEP_STATES: Final[Mapping[str, tuple[str, str, str]]] = {
    "ok": (tr("Done"), "✓", "good"),
    "partial": (tr("In part"), "◐", "warn"),
    "failed": (tr("Failed"), "✕", "bad"),
    "skipped": (tr("Skipped"), "–", "open"),
}


def _steps(record: Mapping[str, Any]) -> Iterator[StepRow]:
    for step in objects_at(record, "how.steps"):
        name = text_at(step, "name")
        words, shape, tone = STEP_STATES.get(
            text_at(step, "state"), (tr("Not established"), "○", "open")
        )
        yield StepRow(
            name=sentences.step_name(name) or name,
            label=StateLabel(words=words, shape=shape, tone=tone),
            at=_instant(step, "started_at"),
            duration_ms=number_at(step, "duration_ms") or 0,
            detail=text_at(step, "detail"),
        )


def _redactions(record: Mapping[str, Any]) -> Iterator[tuple[str, str, int]]:
    for redaction in objects_at(record, "redactions"):
        yield (
            text_at(redaction, "place"),
            text_at(redaction, "name"),
            number_at(redaction, "count") or 0,
        )


def _settings(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    policy = text_at(record, "how.policy.name")
    why = text_at(record, "how.policy.why")
    window = [size for size in values_at(record, "how.settings.viewport_px") if type(size) is int]
    rows = (
        (tr("Policy"), f"{policy}, {why}" if policy and why else policy),
        (tr("Browser"), text_at(record, "how.environment.browser_product")),
        (tr("Presented itself as"), text_at(record, "how.environment.user_agent")),
        (tr("Window"), tr("{width} × {height} CSS pixels", width=window[0], height=window[1]))
        if len(window) == 2
        else ("", ""),
        (tr("Language and time zone"), ", ".join(filter(None, (
            text_at(record, "how.settings.locale"), text_at(record, "how.settings.timezone"))))),
        (tr("Way through the network"), text_at(record, "who.network_path")),
        (tr("Server"), _server(record)),
        (tr("Software"), text_at(record, "software")),
        (tr("Operating system"), text_at(record, "how.environment.os")),
    )  # fmt: skip
    for term, value in rows:
        if value:
            yield term, value


def _server(record: Mapping[str, Any]) -> str:
    address, port = (
        text_at(record, "from_whom.remote_ip"),
        number_at(record, "from_whom.remote_port"),
    )
    protocol = text_at(record, "from_whom.protocol")
    tls = text_at(record, "from_whom.tls.protocol")
    where = f"{address}:{port}" if address and port else address
    return ", ".join(filter(None, (where, protocol, tls or tr("without TLS")))) if where else ""


# --- the proof ---------------------------------------------------------------------------------


def _signers(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for signer in objects_at(record, "signers"):
        yield text_at(signer, "key_id"), text_at(signer, "algorithm")


def explained(findings: tuple[Finding, ...]) -> Iterator[tuple[str, str, str]]:
    """Yield the code, the meaning and the remedy of each check that did not pass, once."""
    seen = set()
    for verdict in (Verdict.FAILED, Verdict.INDETERMINATE):
        for finding in findings:
            if finding.verdict is verdict and finding.code not in seen:
                seen.add(finding.code)
                text = sentences.FINDINGS[finding.code]
                yield finding.code.value, text.meaning, text.remedy


# --- the captures of the same page -------------------------------------------------------------


def _neighbours(
    of: CaptureMaterial,
) -> tuple[StripItem | None, StripItem | None, list[StripItem]]:
    """Return the capture before, the capture after, and those around this one."""
    items = [
        StripItem(
            bundle_id=observation.bundle_id,
            at=observation.began_at,
            label=observation_label(observation),
            is_this=observation.bundle_id == of.report.bundle_id,
        )
        for observation in of.captures
    ]
    here = next((number for number, item in enumerate(items) if item.is_this), None)
    if here is None:
        return None, None, []
    return (
        items[here - 1] if here else None,
        items[here + 1] if here + 1 < len(items) else None,
        items[max(0, here - _AROUND) : here + _AROUND + 1],
    )


def observation_label(observation: Observation) -> StateLabel:
    """Return what a capture of a list shows."""
    shown = AssessmentSummary(
        content=observation.content,
        availability=observation.availability,
        cause=observation.cause,
        undecided=observation.undecided,
        wall=observation.wall,
        ambiguous=observation.ambiguous,
    )
    return page_label(shown, None)


# --- fields of a record that a stranger may have written ---------------------------------------


def _instant(record: Any, path: str) -> datetime | None:
    try:
        return parse_instant(text_at(record, path))
    except EvidenceInvalid:
        return None


def _status(record: Mapping[str, Any]) -> str:
    status = number_at(record, "what.http_status")
    return sentences.format_http_status(status) if status is not None else tr("no answer")


def _lasted(record: Mapping[str, Any]) -> float | None:
    began, ended = number_at(record, "when.started_at_ms"), number_at(record, "when.ended_at_ms")
    return (ended - began) / 1000 if began is not None and ended is not None else None


def _language(record: Mapping[str, Any]) -> str:
    found = text_at(record, "content.document_language")
    return found if LANGUAGE.fullmatch(found) else ""
