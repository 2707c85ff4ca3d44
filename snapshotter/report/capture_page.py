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
from itertools import islice
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
from snapshotter.report.picture_copies import PictureCopy
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
MAX_REQUESTS: Final = 300  # rows of the network table
MAX_ROWS: Final = 100  # of every other table
LANGUAGE: Final = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}")
_HEX: Final = re.compile("[0-9a-f]{64}")
_AROUND: Final = 4  # captures of the address that the strip shows on each side
_IMAGES_MISSING: Final = "images-missing"  # a reason of an outcome
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
class MissingPart:
    """Something that the capture lacks."""

    words: str
    detail: str = ""
    code: str = ""
    examples: tuple[str, ...] = ()  # addresses
    is_warning: bool = False  # nothing is missing, but a reader has to know it


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
        "final_url": _text(record, "what.final_url"),
        "is_altered": is_altered,
        "language": _language(record),
        "lasted": _lasted(record),
        "limits": [text for text in _values(record, "limits") if isinstance(text, str)][:20],
        "log": [finding for finding in report.findings if finding.check.strip() == "log"],
        "max_requests": MAX_REQUESTS,
        "max_rows": MAX_ROWS,
        "missing": [part for part in parts if not part.is_warning],
        "warnings": [part for part in parts if part.is_warning],
        "of": of,
        "paragraphs": [line for line in of.text.splitlines() if line.strip()],
        "redactions": list(_redactions(record)),
        "report": report,
        "requested_url": report.requested_url or _text(record, "what.requested_url"),
        "setting_rows": list(_settings(record)),
        "signers": list(_signers(record)),
        "status": _status(record),
        "steps": list(_steps(record)),
        "strip": strip,
        "images": _images(record),
        "shown": shown,
        "title": _text(record, "what.title"),
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


# --- what is missing ---------------------------------------------------------------------------


def missing_parts(record: Mapping[str, Any], capture: CaptureState) -> Iterator[MissingPart]:
    """Yield what a capture lacks, and what a reader has to know, as its record states."""
    lost = _lost_images(record)
    for kind in ("reasons", "warnings"):
        for reason in _objects(record, f"outcome.{kind}"):
            code, detail = _text(reason, "code"), _text(reason, "detail")
            clause = sentences.reason_clause(code, _text(reason, "fault"))
            has_words = clause != code  # else those of the record
            yield MissingPart(
                words=sentences.as_sentence(clause if has_words else detail) or code,
                detail=detail if has_words else "",
                code=code,
                examples=lost.examples if lost is not None and code == _IMAGES_MISSING else (),
                is_warning=kind == "warnings",
            )
    for text in _values(record, "content.missing_parts"):
        if isinstance(text, str):
            yield MissingPart(words=sentences.as_sentence(text.rstrip(".")))
    if lost is not None and _IMAGES_MISSING not in capture.reasons:
        yield lost
    if fonts := _number(record, "content.fonts.failed"):
        yield MissingPart(words=tr("Fonts that were not loaded: {fonts}.", fonts=fonts))
    for frame in _objects(record, "content.frames"):
        if _text(frame, "state") in ("unreachable", "silent"):
            yield MissingPart(
                words=tr("A frame of the page was not read."), examples=(_text(frame, "url"),)
            )
    for glyphs in _objects(record, "content.missing_glyphs"):
        yield MissingPart(
            words=tr(
                "Characters that no installed font has: {count}, script {script}.",
                count=_number(glyphs, "count") or 0,
                script=_text(glyphs, "script"),
            ),
            detail=_text(glyphs, "characters"),
        )
    size = _at(record, "content.page_size")
    if isinstance(size, Mapping) and size.get("truncated") is True:
        captured, height = (_number(size, key) or 0 for key in ("captured_height", "height"))
        words = tr(
            "The picture does not show the whole page: {captured} of {height} CSS pixels.",
            captured=captured,
            height=height,
        )
        if captured == height:
            words = tr(
                "The picture does not show the whole width of the page: {width} CSS pixels.",
                width=_number(size, "width") or 0,
            )
        yield MissingPart(words=words)
    if capture.light:
        yield MissingPart(words=tr("A light check has no picture of the whole page."))


def _lost_images(record: Mapping[str, Any]) -> MissingPart | None:
    count = sum(_number(record, f"content.images.{state}") or 0 for state in ("failed", "pending"))
    if not count:
        return None
    urls = (url for url in _values(record, "content.images.failed_urls") if isinstance(url, str))
    return MissingPart(
        words=tr("Images that were not loaded: {count}.", count=count),
        examples=tuple(islice(urls, MAX_ROWS)),
    )


def _images(record: Mapping[str, Any]) -> str:
    wanted = _number(record, "content.images.wanted")
    loaded = _number(record, "content.images.loaded")
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
    for action in _objects(record, "how.actions"):
        change, effect = action.get("change"), ""
        if isinstance(change, Mapping):
            before, after = _number(change, "text_before"), _number(change, "text_after")
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
        kind = _text(action, "kind")
        yield ActionRow(
            at=_instant(action, "at"),
            words=ACTION_WORDS.get(kind, kind.replace("-", " ")),
            detail=_text(action, "detail"),
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
    for step in _objects(record, "how.steps"):
        name = _text(step, "name")
        words, shape, tone = STEP_STATES.get(
            _text(step, "state"), (tr("Not established"), "○", "open")
        )
        yield StepRow(
            name=sentences.step_name(name) or name,
            label=StateLabel(words=words, shape=shape, tone=tone),
            at=_instant(step, "started_at"),
            duration_ms=_number(step, "duration_ms") or 0,
            detail=_text(step, "detail"),
        )


def _redactions(record: Mapping[str, Any]) -> Iterator[tuple[str, str, int]]:
    for redaction in _objects(record, "redactions"):
        yield _text(redaction, "place"), _text(redaction, "name"), _number(redaction, "count") or 0


def _settings(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    policy = _text(record, "how.policy.name")
    why = _text(record, "how.policy.why")
    window = [size for size in _values(record, "how.settings.viewport_px") if type(size) is int]
    rows = (
        (tr("Policy"), f"{policy}, {why}" if policy and why else policy),
        (tr("Browser"), _text(record, "how.environment.browser_product")),
        (tr("Presented itself as"), _text(record, "how.environment.user_agent")),
        (tr("Window"), tr("{width} × {height} CSS pixels", width=window[0], height=window[1]))
        if len(window) == 2
        else ("", ""),
        (tr("Language and time zone"), ", ".join(filter(None, (
            _text(record, "how.settings.locale"), _text(record, "how.settings.timezone"))))),
        (tr("Way through the network"), _text(record, "who.network_path")),
        (tr("Server"), _server(record)),
        (tr("Software"), _text(record, "software")),
        (tr("Operating system"), _text(record, "how.environment.os")),
    )  # fmt: skip
    for term, value in rows:
        if value:
            yield term, value


def _server(record: Mapping[str, Any]) -> str:
    address, port = _text(record, "from_whom.remote_ip"), _number(record, "from_whom.remote_port")
    protocol = _text(record, "from_whom.protocol")
    tls = _text(record, "from_whom.tls.protocol")
    where = f"{address}:{port}" if address and port else address
    return ", ".join(filter(None, (where, protocol, tls or tr("without TLS")))) if where else ""


# --- the proof ---------------------------------------------------------------------------------


def _signers(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for signer in _objects(record, "signers"):
        yield _text(signer, "key_id"), _text(signer, "algorithm")


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


def _at(record: Any, path: str) -> Any:
    for name in path.split("."):
        record = record.get(name) if isinstance(record, Mapping) else None
    return record


def _text(record: Any, path: str) -> str:
    found = _at(record, path)
    return found if isinstance(found, str) else ""


def _number(record: Any, path: str) -> int | None:
    found = _at(record, path)
    return found if type(found) is int else None  # True is no number here


def _values(record: Any, path: str) -> list[Any]:
    found = _at(record, path)
    return found if isinstance(found, list) else []


def _objects(record: Any, path: str) -> Iterator[Mapping[str, Any]]:
    found = (item for item in _values(record, path) if isinstance(item, Mapping))
    return islice(found, MAX_REQUESTS)


def _instant(record: Any, path: str) -> datetime | None:
    try:
        return parse_instant(_text(record, path))
    except EvidenceInvalid:
        return None


def _status(record: Mapping[str, Any]) -> str:
    status = _number(record, "what.http_status")
    return sentences.format_http_status(status) if status is not None else tr("no answer")


def _lasted(record: Mapping[str, Any]) -> float | None:
    began, ended = _number(record, "when.started_at_ms"), _number(record, "when.ended_at_ms")
    return (ended - began) / 1000 if began is not None and ended is not None else None


def _language(record: Mapping[str, Any]) -> str:
    found = _text(record, "content.document_language")
    return found if LANGUAGE.fullmatch(found) else ""
