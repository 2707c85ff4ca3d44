"""
Verify the record and the captures of a take-down event, and format the report about it.

This module checks what needs no rules:

    (1) the record has this format, and its signature holds
    (2) its key is trusted, and is not revoked
    (3) that key has signed none of the captures
    (4) each capture is present, has the digest that the event names, and verifies by itself
    (5) the proven times of the captures do not contradict their order

Whether the captures show what the event states, and whether the event follows from them, is
derived by the rules in the bundles (`app/takedown/event_verification.py`). Each finding names the
capture: "last seen", "first gone", "confirmation 1", "control", "other way", "address".
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats.canonical_json import are_one, instant, plain
from snapshotter.formats.printable import printable
from snapshotter.formats.statements import takedown
from snapshotter.model import change_sentences, sentences
from snapshotter.model.assessment import Cause
from snapshotter.model.finding import Code, Finding, Report, Verdict, overall
from snapshotter.model.order import UnprovenOrder
from snapshotter.model.takedown import OWN_WORD, Observation, Takedown, TakedownKind, widen
from snapshotter.translation import tr
from snapshotter.value_class import dataclass
from snapshotter.verify import capture_order
from snapshotter.verify import report as reports
from snapshotter.verify.trust import Trust, judge_key

NOT_CONFIRMED = (
    "the following fields are stated only by the signer and are not confirmed by a check"
)
_OWN_WORDS = {
    "articles": tr("which removal events of articles belong to this event"),
    "confirm": tr("how many captures must confirm the event, and at what interval"),
    "previous": tr("which event came before this event"),
}
_MAX_ITEMS = 20  # of a change that text output shows
_HOW = "verify the event with the command snapshotter verify of the full package"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventCapture:
    """A capture on which an event is based."""

    role: str  # "last seen", "first gone", "confirmation 1" …
    observation: Observation  # as the event has it
    report: Report | None = None  # of its bundle; None: the bundle is missing


@dataclass(frozen=True, slots=True, kw_only=True)
class EventReport:
    """All findings about one event."""

    findings: tuple[Finding, ...]
    event: Takedown | None = None  # None: it is not a valid record
    key_id: str = ""  # who signed it
    sha256: str = ""  # of the record
    trust: str = ""  # describes the trust file by which it was judged
    parts: tuple[EventCapture, ...] = ()
    notes: tuple[str, ...] = ()  # further statements, which decide nothing
    own_word: tuple[str, ...] = OWN_WORD  # fields that only the signer states
    weak: tuple[UnprovenOrder, ...] = ()  # captures whose place in the order is not proven

    @property
    def verdict(self) -> Verdict:
        """The worst of its findings."""
        return overall(self.findings)

    def with_more(self, findings: Iterable[Finding], notes: Iterable[str]) -> "EventReport":
        """Return the report with further findings and notes."""
        return replace(self, findings=(*self.findings, *findings), notes=(*self.notes, *notes))


def captures_by_role(event: Takedown) -> tuple[EventCapture, ...]:
    """Return the captures of an event with their roles; a bundle may have two roles."""
    lists = (
        ("confirmation", event.confirmations), ("control", event.controls),
        ("other way", event.vantages), ("address", event.identified_by),
    )  # fmt: skip
    return (
        EventCapture(role="last seen", observation=event.last_seen),
        EventCapture(role="first gone", observation=event.first_gone),
        *(
            EventCapture(
                role=f"{role} {number}" if len(them) > 1 or role == "confirmation" else role,
                observation=observation,
            )
            for role, them in lists
            for number, observation in enumerate(them, start=1)
        ),
    )


def read_event_record(data: bytes, trust: Trust) -> EventReport:
    """Return the findings about a record by itself: steps (1) and (2)."""
    sha256 = hashlib.sha256(data).hexdigest()
    try:
        event, key_id = takedown.parse(data)
    except takedown.LaterRecord as error:
        # Its signature holds, so nothing is wrong with the record: a later version can judge it.
        unknown = Finding.indeterminate("event", Code.CONCLUSION, error.message)
        return EventReport(
            findings=(unknown, key_finding("event key", error.key_id, trust)),
            key_id=error.key_id,
            sha256=sha256,
            trust=trust.source,
        )
    except EvidenceInvalid as error:
        detail = tr(
            "the file is not a take-down event, or was changed after it was signed: {value}",
            value=error.message,
        )
        finding = Finding.failed("event", Code.EVENT, detail)
        return EventReport(findings=(finding,), sha256=sha256, trust=trust.source)
    findings = [
        Finding.passed(
            "event",
            tr(
                "the record of the event is valid; kind: {kind}, captures: {count}",
                kind=event.kind,
                count=len(captures_by_role(event)),
            ),
        ),
        key_finding("event key", key_id, trust),
    ]
    return EventReport(
        findings=tuple(findings),
        event=event,
        key_id=key_id,
        sha256=sha256,
        trust=trust.source,
        parts=captures_by_role(event),
        own_word=event.own_word,
    )


def key_finding(check: str, key_id: str, trust: Trust) -> Finding:
    """Return the finding about the key that signed a record of an event or a report."""
    key = trust.key(key_id)
    if key is None:
        detail = tr("the key {key_id} is not one of the keys that you trust", key_id=key_id)
        return Finding.indeterminate(check, Code.KEY_UNKNOWN, detail)
    # The record has no token, so its time is not proven here.
    verdict, code, detail = judge_key(key, None)
    return Finding(check=check, verdict=verdict, code=code, detail=detail)


def find_and_check_captures(
    found: EventReport, verified: Callable[[str], Report | None], trust: Trust
) -> EventReport:
    """
    Return the report with its captures judged: steps (3), (4) and (5).

    Args:
        verified: Verifies the bundle of an id; None where it is missing. Called once for an id.
    """
    bundle_ids = dict.fromkeys(part.observation.bundle_id for part in found.parts)
    reports = {bundle_id: verified(bundle_id) for bundle_id in bundle_ids}
    parts = [replace(part, report=reports[part.observation.bundle_id]) for part in found.parts]
    return check_captures(found, parts, trust)


def check_captures(found: EventReport, parts: Iterable[EventCapture], trust: Trust) -> EventReport:
    """Return the report with its captures judged: steps (3), (4) and (5)."""
    known = tuple(parts)
    order = capture_order.judge(
        [
            capture_order.CaptureInRole(role=part.role, found=part.report.established)
            for part in known
            if part.report is not None
            and part.report.established is not None
            and part.report.sha256 == part.observation.sha256
        ],
        max_skew=trust.max_skew,
    )
    findings = [*_key_findings(found, known), *map(_bundle_finding, known), *order.findings]
    return replace(found, findings=(*found.findings, *findings), parts=known, weak=order.weak)


def not_derived_findings() -> Iterator[Finding]:
    """Yield the findings that verdicts and event were not derived again, for want of rules."""
    for check, code, what in (
        ("verdicts", Code.VERDICT, "the verdict of each capture was not derived again"),
        ("conclusion", Code.CONCLUSION, "the event was not derived again from its captures"),
    ):
        yield Finding.indeterminate(
            check,
            code,
            tr("{what}, because this verifier has no take-down rules; {how}", what=what, how=_HOW),
        )


def _key_findings(found: EventReport, parts: Iterable[EventCapture]) -> Iterator[Finding]:
    both = [part.role for part in parts if found.key_id in _signers(part)]
    if both:
        yield Finding.failed(
            tr("event key"),
            Code.EVENT_KEY,
            tr(
                "the key that signed the event also signed captures of the event: {both}",
                both=", ".join(both),
            ),
        )
    else:
        yield Finding.passed(
            tr("event key"), tr("the key that signed the event signed none of its captures")
        )


def _signers(part: EventCapture) -> set[str]:
    record: Any = part.report.record if part.report is not None else {}
    listed = record.get("signers", ())
    return {part.observation.key_id, *(str(signer.get("key_id")) for signer in listed)}


def _bundle_finding(part: EventCapture) -> Finding:
    observation, report = part.observation, part.report
    if report is None:
        return Finding.indeterminate(
            part.role,
            Code.BUNDLE_MISSING,
            tr(
                "the bundle {bundle_id} was not found, so the bundle could not be verified",
                bundle_id=observation.bundle_id,
            ),
        )
    failed = report.codes(Verdict.FAILED)
    if report.sha256 != observation.sha256:
        more = tr("; the bundle also FAILED: {failed}", failed=" ".join(failed)) if failed else ""
        return Finding.failed(
            part.role,
            Code.BUNDLE_OTHER,
            tr(
                "the bundle {bundle_id} is not the bundle that the event names: its SHA-256 is "
                "{sha256}…, but the event states {sha2562}…{more}",
                bundle_id=observation.bundle_id,
                sha256=report.sha256[:16],
                sha2562=observation.sha256[:16],
                more=more,
            ),
        )
    if failed:
        return Finding.failed(
            part.role,
            Code.BUNDLE,
            tr(
                "the bundle {bundle_id} FAILED: {failed}",
                bundle_id=observation.bundle_id,
                failed=" ".join(failed),
            ),
        )
    if report.verdict is Verdict.INDETERMINATE:
        clauses = [
            sentences.FINDINGS[Code(code)].clause(Verdict.INDETERMINATE)
            for code in report.codes(Verdict.INDETERMINATE)
        ]
        return Finding.indeterminate(
            part.role,
            Code.BUNDLE_OPEN,
            tr(
                "no check of the bundle {bundle_id} failed, but its verdict is INDETERMINATE: "
                "{clauses}",
                bundle_id=observation.bundle_id,
                clauses="; ".join(clauses),
            ),
        )
    said, proven = observation.proven_at, report.proven_time
    if said is not None and proven is not None and said < proven and not are_one(said, proven):
        # The signer may have trusted one more authority, or one that has been revoked since, so
        # this does not speak against the event.
        return Finding.indeterminate(
            part.role,
            Code.TIME,
            tr(
                "the event states {instant} as the proven time of {bundle_id}, but the tokens "
                "that you trust prove the time {instant2}",
                instant=instant(said),
                bundle_id=observation.bundle_id,
                instant2=instant(proven),
            ),
        )
    return Finding.passed(
        part.role,
        tr(
            "the bundle {bundle_id} of {instant} has not changed since it was sealed",
            bundle_id=observation.bundle_id,
            instant=instant(observation.at),
        ),
    )


def as_json(found: EventReport) -> dict[str, Any]:
    """Return the report as the object that `verify --json` prints (docs/reference/json.md)."""
    return {
        "event": takedown.as_recorded(found.event) if found.event else None,
        "findings": [reports.finding_json(finding) for finding in found.findings],
        "headline": headline(found),
        "key_id": found.key_id,
        "kind": "takedown",
        "notes": list(found.notes),
        "own_word": list(found.own_word),
        "parts": [
            {
                "bundle": reports.as_json(part.report) if part.report is not None else None,
                "bundle_id": part.observation.bundle_id,
                "role": part.role,
            }
            for part in found.parts
        ],
        "sha256": found.sha256,
        "trust": found.trust,
        "verdict": found.verdict.value,
        "weak": plain(found.weak),
    }


def lines(found: EventReport) -> list[str]:
    """Return the report for a person: the headline, each check, and the notes."""
    rows = [
        ("event", found.event.event_id if found.event else tr("no event could be read")),
        ("SHA-256", found.sha256),
        ("signed by", f"key {found.key_id}" if found.key_id else tr("no key could be read")),
        ("judged with", found.trust),
    ]
    words = sentences.proof_words(_proof_state(found))
    return [
        printable(headline(found)),
        "",
        *change_lines(found.event, found.verdict),
        *reports.group_lines(f"proof: {words}", rows),
        "checks",
        *(f"  {line}" for line in finding_lines(found)),
        *reports.advice_lines(found.findings),
    ]


def change_lines(event: Takedown | None, verdict: Verdict) -> list[str]:
    """Return what an event of a change states, word by word; [] if nothing is to be shown."""
    if event is None or event.change is None or verdict is Verdict.FAILED:
        return []
    change = event.change
    rows = [
        (change_sentences.item_details(item), change_sentences.marked(item))
        for item in change.items[:_MAX_ITEMS]
    ]
    if change.count > len(rows):
        rows.append((tr("not shown"), str(change.count - len(rows))))
    rows += [("date", str(sentence)) for sentence in change_sentences.date_sentences(change)]
    return reports.group_lines(tr("change, with [-words before-] and {+words after+}"), rows)


def headline(found: EventReport) -> str:
    """Return what the event states, whether its captures are whole, and the proof intact."""
    proof = sentences.proof_sentence(_proof_state(found))
    if found.verdict is Verdict.FAILED:
        return f"{proof} {reports.DO_NOT_RELY}"
    if found.event is None:  # of a kind that this version does not know
        return " ".join(filter(None, (proof, reports.open_sentence(found.verdict))))
    if found.verdict is Verdict.PASSED:
        proof = tr(
            "The proof is intact; no capture of the event has changed since it was sealed, and "
            "the event follows from these captures. The event states nothing about other "
            "captures."
        )
    there = [part.report for part in found.parts if part.report is not None]
    outcomes = [sentences.CaptureState.of_record(report.record).outcome for report in there]
    captures = sentences.captures_sentence(outcomes, missing=len(found.parts) - len(there))
    said = (f"{describe_event(found.event)}.", captures, proof)
    return " ".join(filter(None, (*said, reports.open_sentence(found.verdict))))


def _proof_state(found: EventReport) -> sentences.ProofState:
    return proof_state(found.verdict, found.findings, found.parts)


def proof_state(
    verdict: Verdict, findings: Sequence[Finding], parts: Sequence[EventCapture]
) -> sentences.ProofState:
    """Return the state of an event or a pack: what its bundles leave open is stated as such."""
    there = [part.report for part in parts if part.report is not None]
    known = [finding for finding in findings if finding.code is not Code.BUNDLE_OPEN]
    for report in there:
        known += report.findings
    timed = not there or any(report.proven_time is not None for report in there)
    return sentences.ProofState.of_findings(verdict, known, authorities=int(timed))


def finding_lines(found: EventReport) -> list[str]:
    """Return a line for each check and each note."""
    result = [
        reports.finding_line(replace(finding, check=f"{finding.check:<14}"))
        for finding in found.findings
    ]
    result += [f"note {printable(line)}" for line in order_lines(found.weak)]
    result += [f"note {printable(note)}" for note in found.notes]
    if found.event is not None and found.own_word:
        named = printable(", ".join(_OWN_WORDS.get(name, name) for name in found.own_word))
        result.append(f"note {NOT_CONFIRMED}: {named}")
    for part in found.parts:
        if part.report is not None and part.report.verdict is not Verdict.FAILED:
            said = [outcome_line.strip() for outcome_line in reports.outcome_lines(part.report)]
            if said and not said[0].startswith("capture: complete"):
                about = f"{part.role} {part.observation.bundle_id}"
                result.append(f"note {printable(about)}: {'; '.join(said)}")
    return result


def order_lines(weak: Sequence[UnprovenOrder]) -> list[str]:
    """Return sentences on what the order of captures depends on; captures without a proof once."""
    unproven = [one.role for one in weak if not one.against]
    result = [one.detail for one in weak if one.against or len(unproven) == 1]
    if len(unproven) > 1:
        result.append(
            tr(
                "only the clock of the capturing machine supports the place of these captures in "
                "the order, because no proof shows by what time they existed: {roles}",
                roles=", ".join(unproven),
            )
        )
    return result


def describe_event(event: Takedown) -> str:
    """Return what an event states, as a sentence without a full stop."""
    begin, end = map(instant, widen(event.bracket))
    between = f"between {begin} and {end}"
    about = printable(event.identity.removeprefix("//"))
    stated = [cause for cause in event.causes if cause is not Cause.NOT_STATED]
    causes = ", ".join(sentences.CAUSE_NAMES[cause] for cause in stated)
    cause = f"stated cause: {causes}" if causes else tr("no cause is stated")
    return {
        TakedownKind.REMOVED: (f"The page {about} was taken down {between} ({cause})"),
        TakedownKind.REINSTATED: f"The page {about} became available again {between}",
        TakedownKind.ACCOUNT_CHANGED: (
            f"The account {about} changed {between} to the state {printable(event.state)}"
        ),
        TakedownKind.ACCOUNT_RESTORED: (
            f"The account {about} returned to its earlier state {between}"
        ),
        TakedownKind.CHANGED: (
            f"The page {about} was changed {between} (what differs: {_subjects(event)})"
        ),
    }[event.kind]


def _subjects(event: Takedown) -> str:
    return change_sentences.subjects(event.change.subjects) if event.change else ""
