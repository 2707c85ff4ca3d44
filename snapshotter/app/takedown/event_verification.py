"""
Verify a take-down event with its bundles, and derive it again by rules.

    (1) the record: its form, signature and key
    (2) each bundle: present, with the digest that the event names, and verified by itself
    (3) each verdict: derived again from the files in the bundle, by the rules that it contains
        (`event_captures.py`), of the right page and account (`event_identity.py`)
    (4) the event: concluded again from exactly these captures, and it follows the event before it
        (`previous_event.py`); of a change, the captures are compared again
        (`change_verification.py`)

Steps (1) and (2) need no rules and are in `verify/takedown.py`. The current rules judge each
capture as well. If they differ from the rules in the bundle, a note states it, and the verdict
stays: an event was concluded by the rules of its time.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta

from snapshotter.app.takedown.bundle_finder import FindBundle
from snapshotter.app.takedown.change_derivation import ShownCapture
from snapshotter.app.takedown.change_verification import (
    captures_to_compare,
    change_findings,
    shown_capture,
    unconfirmed_note,
)
from snapshotter.app.takedown.event_captures import CaptureCheck, check_capture, verdict_findings
from snapshotter.app.takedown.event_identity import (
    account_findings,
    identity_findings,
    known_accounts,
)
from snapshotter.app.takedown.previous_event import PreviousEvent, previous_findings
from snapshotter.app.takedown.rederivation import Rederivation, with_recorded_verdict
from snapshotter.assess.takedown_events import conclude_again, event_id
from snapshotter.formats.canonical_json import are_one, instant, plain
from snapshotter.model.finding import Code, Finding
from snapshotter.model.takedown import ConfirmRules, Observation, Takedown, TakedownKind
from snapshotter.translation import tr
from snapshotter.verify.report_excerpt import report_excerpt
from snapshotter.verify.takedown import EventCapture, EventReport, check_captures, read_event_record
from snapshotter.verify.trust import Trust


def verify_event(
    data: bytes,
    trust: Trust,
    find: FindBundle,
    by: Rederivation,
    *,
    before: PreviousEvent | None = None,
) -> EventReport:
    """
    Return all findings about an event. Never raises for the content of the event or its bundles.

    Args:
        data: The record.
        find: Finds the bundles that the event names.
        before: Finds the event that this one names as the event before it. None: it is not
            looked for, and only the signer states which event it was.

    Raises:
        OSError, SnapshotterError: A bundle exists and cannot be read.
    """
    found = read_event_record(data, trust)  # (1)
    event = found.event
    if event is None:
        return found
    checks: dict[str, CaptureCheck] = {}
    parts: list[EventCapture] = []
    shown: dict[str, ShownCapture] = {}
    compared = captures_to_compare(event)
    with ExitStack() as opened:
        for part in found.parts:
            bundle_id = part.observation.bundle_id
            if bundle_id not in checks:
                with ExitStack() as once:
                    stack = opened if bundle_id in compared else once
                    here = stack.enter_context(find(bundle_id))
                    check = check_capture(part.observation, here, by)
                    if here is not None and bundle_id in compared:
                        shown |= shown_capture(bundle_id, here, check)
                # The reports of all captures are held at once, so only excerpts are kept.
                kept = report_excerpt(check.report) if check.report is not None else None
                checks[bundle_id] = replace(check, report=kept, assessment=None)
            parts.append(replace(part, report=checks[bundle_id].report))
        change = (
            list(change_findings(event, parts, checks, shown, by))
            if event.kind is TakedownKind.CHANGED
            else None
        )
    found = check_captures(found, parts, trust)  # (2)
    findings: list[Finding] = []
    notes: list[str] = []
    own_word = list(event.own_word)
    for part in parts:
        check = checks[part.observation.bundle_id]
        findings += verdict_findings(part, check)  # (3)
        left_open = _open_points(part, parts, checks)
        notes += [f"{part.role}: {note}" for note in (*check.notes, *left_open)]
        own_word += [
            f"{part.role}: {sentence}" for sentence in _unconfirmed_fields(part, parts, checks)
        ]
    findings += identity_findings(event, parts, checks)
    findings += account_findings(event, parts, checks)
    findings += _id_findings(event)
    findings += _conclusion(event, parts, checks) if change is None else change  # (4)
    if change is None and (not event.previous or before is None):
        own_word.append("previous")
    findings += previous_findings(event, before, trust)
    found = replace(found, own_word=tuple(dict.fromkeys(own_word)))
    return found.with_more(findings, [*_lax_rules_notes(event), *_few_words_notes(event), *notes])


def _open_points(
    part: EventCapture, parts: Sequence[EventCapture], checks: dict[str, CaptureCheck]
) -> Iterator[str]:
    """Yield notes on what an event does not state about a capture, although the bundle shows it."""
    said, check = part.observation, checks[part.observation.bundle_id]
    made = check.again
    if made is None:
        return
    if not said.account and (known := known_accounts(part, parts, checks)):
        yield tr(
            "the event states no account for this capture. Accounts that the captures of "
            "the event show: {known}",
            known=", ".join(sorted(known)),
        )
    if made.account_name and not said.account_name:
        yield tr("the event does not state the name of the account that the page shows")
    proven = check.report.proven_time if check.report is not None else None
    if proven is not None and said.proven_at is None:
        yield tr(
            "the event states no proven time of this capture. The available timestamp "
            "tokens prove the time {instant}",
            instant=instant(proven),
        )
    elif (
        proven is not None
        and said.proven_at is not None
        and said.proven_at > proven
        and not are_one(said.proven_at, proven)
    ):
        yield tr(
            "the event states the proven time {instant}. The available timestamp tokens "
            "prove an earlier time, {instant2}",
            instant=instant(said.proven_at),
            instant2=instant(proven),
        )


def _unconfirmed_fields(
    part: EventCapture, parts: Sequence[EventCapture], checks: dict[str, CaptureCheck]
) -> Iterator[str]:
    """Yield the fields of a capture that no bundle confirms or contradicts."""
    said, check = part.observation, checks[part.observation.bundle_id]
    if check.again is None:
        return
    if check.by_today and plain(said.rule_files) != plain(check.again.rule_files):
        yield "rule_files"
    if said.account and not known_accounts(part, parts, checks):
        yield "account"


def _lax_rules_notes(event: Takedown) -> Iterator[str]:
    """Yield a note if the signer confirmed the event by weaker rules than the usual ones."""
    confirm, usual = event.confirm, ConfirmRules()
    if event.kind is TakedownKind.CHANGED:
        if confirm != usual:
            yield unconfirmed_note(event)
        return
    said = []
    if confirm.times < usual.times:
        said.append(tr("one capture of the removed page was enough"))
    if confirm.after < usual.after:
        said.append(
            tr("captures that agree had to be at least {span} apart", span=_span(confirm.after))
        )
    if not confirm.control:
        said.append("no capture of another page of the host was needed")
    if said:
        yield (
            tr(
                "the event needed less confirmation than usual. The usual rule requires "
                "{times} captures that agree, at least {span} apart, and between them a "
                "capture of another page of the host. For this event: ",
                times=usual.times,
                span=_span(usual.after),
            )
            + "; ".join(said)
        )


def _few_words_notes(event: Takedown) -> Iterator[str]:
    """Yield notes on captures with few words that count as available: they may show a notice."""
    if event.last_seen.ambiguous:
        yield tr(
            "the capture {bundle_id} (last seen) shows a page with few words, which may "
            "be a notice that no rule matches",
            bundle_id=event.last_seen.bundle_id,
        )
    for observation in event.controls:
        if observation.ambiguous:
            yield tr(
                "the control capture {bundle_id} shows a page with few words, which may "
                "be a notice that no rule matches. New events do not use such captures",
                bundle_id=observation.bundle_id,
            )


def _span(length: timedelta) -> str:
    seconds = int(length.total_seconds())
    return f"{seconds} s" if seconds % 60 or not seconds else f"{seconds // 60} min"


def _id_findings(event: Takedown) -> Iterator[Finding]:
    """Yield FAILED if the id of an event does not follow from the event itself."""
    if event_id(event) != event.event_id:
        yield Finding.failed(
            "conclusion",
            Code.CONCLUSION,
            tr("the id of the event differs from the id that is computed from its captures"),
        )


def _conclusion(
    event: Takedown, parts: Sequence[EventCapture], checks: dict[str, CaptureCheck]
) -> Iterator[Finding]:
    """Conclude the event again from its captures."""
    made = {
        part.observation.bundle_id: replace(
            check.again,
            identity=part.observation.identity,
            account=part.observation.account,
        )
        for part in parts
        if (check := checks[part.observation.bundle_id]).again is not None
    }
    if len(made) < len(checks):
        yield Finding.indeterminate(
            "conclusion",
            Code.CONCLUSION,
            tr(
                "some captures of the event were not found or cannot be used, so the event "
                "cannot be derived again"
            ),
        )
        return
    found = conclude_again(event, list(made.values()))
    if (
        found is None
        and conclude_again(event, _with_recorded_verdicts(made, parts, checks)) is not None
    ):
        # The rules by which the event was concluded may have differed from the current ones.
        yield Finding.indeterminate(
            "conclusion",
            Code.CONCLUSION,
            tr(
                "by the current rules, the event does not follow from its captures. Some "
                "captures contain no rules. With the verdicts that the event states for these "
                "captures, the event follows from its captures"
            ),
        )
        return
    if found is None:
        yield Finding.failed(
            "conclusion", Code.CONCLUSION, tr("the event does not follow from its captures")
        )
        return
    yield Finding.passed(
        "conclusion",
        tr("the event was derived again from exactly these captures, with the same result"),
    )


def _with_recorded_verdicts(
    made: dict[str, Observation], parts: Sequence[EventCapture], checks: dict[str, CaptureCheck]
) -> list[Observation]:
    """Return the captures, with the event's own verdicts for bundles that contain no rules."""
    recorded = dict(made)
    for part in parts:
        bundle_id = part.observation.bundle_id
        if checks[bundle_id].by_today:
            recorded[bundle_id] = with_recorded_verdict(part.observation, made[bundle_id])
    return list(recorded.values())
