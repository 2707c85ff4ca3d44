"""
Make the report about a case: its exhibits, verified one after the other, and what is around them.

`make_case_report` verifies each exhibit and keeps a few values of its capture report, a small
picture, and the results of the checks (docs/spec/case-report.md). Other captures of the same pages
come from the index, removals from signed events, gaps from signed records. What people wrote may be
privileged: nothing of it is in the report unless it is asked for by name. Captures in quarantine
are counted and named with their reasons.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from datetime import datetime
from typing import Final

import snapshotter
from snapshotter.app.archive import search as searching
from snapshotter.app.archive.capture_report import SHAPE, MadeReport, make_stored_report
from snapshotter.app.archive.case_export_plan import count_writings, removed_numbers
from snapshotter.app.archive.case_view import CaseExhibit, CaseView, case_view
from snapshotter.app.archive.observations import ObservationSource, observations
from snapshotter.app.archive.quarantined import FindHidden, IsTrusted
from snapshotter.app.archive.report_groups import ANNOTATIONS, VERIFICATION, instant
from snapshotter.app.archive.report_statements import LIMITS
from snapshotter.app.archive.stored_gaps import stored_gaps
from snapshotter.assess.possible_removals import Suspicion, possible_removals
from snapshotter.assess.takedown_events import captures_of_event
from snapshotter.errors import EvidenceInvalid, SnapshotterError
from snapshotter.formats.bundle import names, store_keys
from snapshotter.index.query import And, Query, parse
from snapshotter.index.stored_events import StoredEvent
from snapshotter.model.annotation_state import AnnotationState, Decision, Note
from snapshotter.model.annotations import Annotation
from snapshotter.model.assessment import Availability
from snapshotter.model.capture_report import (
    Basis,
    CaptureReport,
    Column,
    Field,
    Group,
    Kind,
    Presence,
    Row,
    Source,
    Table,
    Value,
)
from snapshotter.model.case_report import CaseReport, ExhibitPicture, ReportedExhibit
from snapshotter.model.finding import Verdict
from snapshotter.model.gap import GapEvent
from snapshotter.model.takedown import Observation, TakedownKind, widen
from snapshotter.report.capture_page import observation_label
from snapshotter.report.local_time import LocalTime
from snapshotter.report.picture_copies import make_thumbnail
from snapshotter.report.states import POSSIBLE_REMOVAL, verdict_label
from snapshotter.translation import tr
from snapshotter.value_class import dataclass
from snapshotter.verify.takedown import describe_event
from snapshotter.verify.trust import Trust

INDEX: Final = "index"
_EVENTS: Final = f"{store_keys.TAKEDOWNS}/"
_GAPS: Final = f"{store_keys.GAPS}/"
_MAX_OTHERS: Final = 500  # captures in the timeline that are no exhibits
_MAX_CUSTODY: Final = 50  # events of one exhibit
_MAX_HITS: Final = 1_000  # captures of one search that are read together
_EXCERPT: Final = 240  # characters
_PICTURE: Final = 400  # pixels
_TOP: Final = replace(SHAPE, only_first=True)  # all that the small picture shows
_SHOWN: Final = (
    "what.requested_url", "what.final_url", "what.http_status", "what.verdict", "what.notice",
    "what.whole", "when.started_at", "when.ended_at", "when.proven_time", "when.token_delay_ms",
    "who.operator", "what.bundle_sha256", "integrity.manifest_sha256", "integrity.log_index",
    "integrity.proof",
)  # fmt: skip
_SUSPICIONS: Final = {
    Suspicion.FEW_WORDS: tr("Few other words are in the place of the text."),
    Suspicion.UNKNOWN_NOTICE: tr("The page shows a notice that no take-down rule matches."),
    Suspicion.NO_TEXT: tr("The page shows only the frame of its site, or nothing."),
}
_GAP_EVENTS: Final[Mapping[str, str]] = {
    GapEvent.MISSED: tr("visits not made"),
    GapEvent.PAUSED: tr("schedule paused"),
    GapEvent.RESUMED: tr("schedule resumed"),
    GapEvent.REMOVED: tr("schedule removed"),
}


class People:
    """
    Name people by pseudonym, or else by a number and their role, never by name.

    Args:
        records: The annotations of the store, whose authors may have a role and a pseudonym.
        pseudonyms: Further names that are pseudonyms.
    """

    def __init__(self, records: Iterable[Annotation], pseudonyms: Iterable[str] = ()) -> None:
        self._pseudonyms = set(filter(None, pseudonyms))
        self._roles: dict[str, str] = {}
        self._numbers: dict[str, int] = {}
        for record in records:
            if record.author.commitment:
                self._pseudonyms.add(record.author.name)
            if record.author.role:
                self._roles[record.author.name] = record.author.role

    def label(self, name: str) -> str:
        """Return how the report names a person; "" for nobody."""
        if not name:
            return ""
        role = self._roles.get(name, "")
        if name in self._pseudonyms:
            words = tr("{name} (pseudonym)", name=name)
        else:
            number = self._numbers.setdefault(name, len(self._numbers) + 1)
            words = tr("Person {number}", number=number)
        return f"{words}, {role}" if role else words


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseSearch:
    """A search that was asked for."""

    words: str  # as given
    query: Query


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseReportService:
    """What a report about a case needs."""

    source: ObservationSource
    trust: Trust
    is_trusted: IsTrusted  # whether the statements of a key count
    find_hidden: FindHidden
    show_progress: Callable[[int, int], None]  # the exhibit that is verified next, and their number


@dataclass(slots=True, kw_only=True)
class _Material:
    """What was read for the report."""

    service: CaseReportService
    view: CaseView
    state: AnnotationState
    people: People
    now: datetime
    exhibits: list[ReportedExhibit] = field(default_factory=list)
    hidden: dict[int, tuple[str, str]] = field(default_factory=dict)  # id and reason by number
    custody: list[Row] = field(default_factory=list)
    custody_total: int = 0
    custody_problems: list[str] = field(default_factory=list)
    checks: list[Row] = field(default_factory=list)
    captures: list[Observation] = field(default_factory=list)  # of the same pages, by time
    identities: tuple[str, ...] = ()
    hidden_others: dict[str, str] = field(default_factory=dict)

    def exhibit_of(self, bundle_id: str) -> str:
        """Return how a capture is named: "Exhibit 3", or its id."""
        for exhibit in self.exhibits:
            if exhibit.bundle_id == bundle_id:
                if exhibit.verdict is Verdict.FAILED:
                    return tr("Exhibit {number}, which FAILED", number=exhibit.number)
                return tr("Exhibit {number}", number=exhibit.number)
        return bundle_id


def make_case_report(
    service: CaseReportService,
    name: str,
    state: AnnotationState,
    people: People,
    *,
    now: datetime,
    local: LocalTime,
    searches: Sequence[CaseSearch] = (),
    included: Iterable[str] = (),
) -> CaseReport:
    """
    Verify the exhibits of a case, and return the report about them.

    Args:
        state: The annotations of the store.
        now: The time of the verification.
        included: Of `case_export_plan.GROUPS`: what people wrote that the report contains.

    Raises:
        ServiceUnavailable: The store did not answer.
        SnapshotterError: The case does not exist, or the index cannot be used.
    """
    named = frozenset(included)
    store = service.source.store
    service.source.sync()
    service.source.index.sync_events(store)
    of = _Material(
        service=service, view=case_view(store, state, name), state=state, people=people, now=now
    )
    _read_exhibits(of, local)
    _read_captures(of)
    removals, gaps = _removals(of), _gaps(of)
    timeline = _timeline(of)
    groups = [
        Group(key="timeline", term=tr("Timeline"), intro=_TIMELINE, items=(timeline,)),
        Group(key="removals", term=tr("Removals"), intro=_REMOVALS, items=(removals,)),
        Group(key="gaps", term=tr("Gaps"), intro=_GAPS_INTRO, items=(gaps,)),
        Group(key="custody", term=tr("Custody"), intro=_CUSTODY, items=tuple(_custody(of))),
        Group(key="verification", term=tr("Verification"), items=(_checks(of),)),
        *_searches(of, searches, named),
        *_writings(of, named),
        Group(key="left_out", term=tr("What is left out"), items=tuple(_left_out(of, named))),
    ]
    return CaseReport(
        case=name,
        title=of.view.case.title if "title" in named else None,
        verified_at=now.replace(microsecond=0),
        software=f"snapshotter {snapshotter.__version__}",
        trust=_trust_words(of),
        zone=local.name(now),
        alarms=tuple(_alarms(of)),
        numbers=tuple(_numbers(of, timeline, removals, gaps)),
        exhibits=tuple(of.exhibits),
        groups=tuple(groups),
        limits=LIMITS,
    )


# --- the exhibits -------------------------------------------------------------------------------


def _read_exhibits(of: _Material, local: LocalTime) -> None:
    """Verify all exhibits that are not in quarantine, one after the other."""
    for left_out in of.view.quarantined:
        reason = left_out.decision.reason
        of.hidden[left_out.exhibit] = (left_out.bundle_id, reason or tr("no reason is recorded"))
    hidden = of.service.find_hidden([exhibit.bundle_id for exhibit in of.view.exhibits])
    shown = []
    for exhibit in of.view.exhibits:
        if exhibit.bundle_id in hidden:
            of.hidden[exhibit.number] = (exhibit.bundle_id, hidden[exhibit.bundle_id])
        else:
            shown.append(exhibit)
    for position, exhibit in enumerate(shown, start=1):
        of.service.show_progress(position, len(shown))
        of.exhibits.append(_exhibit(of, exhibit, local))


def _exhibit(of: _Material, exhibit: CaseExhibit, local: LocalTime) -> ReportedExhibit:
    store, bundle_id = of.service.source.store, exhibit.bundle_id
    key = store_keys.bundle_key(bundle_id)
    lacking = ReportedExhibit(
        number=exhibit.number, bundle_id=bundle_id, title=exhibit.title, problem=exhibit.problem
    )
    if not any(found.key == key for found in store.list(key)):
        lost = exhibit.problem or tr("the capture is missing in the store")
        of.checks.append(_check(lacking.number, bundle_id, tr("not verified"), 0, (lost,)))
        return replace(lacking, problem=lost)
    try:
        made = make_stored_report(
            bundle_id,
            store,
            of.service.trust,
            now=of.now,
            local=local,
            annotations=exhibit.capture,
            shape=_TOP,
        )
    except EvidenceInvalid as error:
        of.checks.append(_check(lacking.number, bundle_id, tr("failed"), 0, (str(error),)))
        return replace(lacking, verdict=Verdict.FAILED, problem=str(error))
    _keep_custody(of, exhibit.number, bundle_id, made.report)
    _keep_checks(of, exhibit.number, bundle_id, made.report)
    return _reported(of, exhibit, made)


def _reported(of: _Material, exhibit: CaseExhibit, made: MadeReport) -> ReportedExhibit:
    report = made.report
    picture, no_picture = None, tr("The capture has no picture that can be shown.")
    if report.picture is not None and report.picture.is_graphic:
        no_picture = tr("The capture is marked as graphic, so that the report has no picture.")
    elif report.verdict is Verdict.FAILED:
        no_picture = tr("The bundle was altered, so that the report has no picture.")
    elif report.picture is not None and made.picture is not None:
        small = make_thumbnail(made.picture, _PICTURE)
        picture = ExhibitPicture(
            url=small.url,
            width=small.width,
            height=small.height,
            path=report.picture.path,
            sha256=report.picture.sha256,
        )
    return ReportedExhibit(
        number=exhibit.number,
        bundle_id=exhibit.bundle_id,
        verdict=report.verdict,
        page=made.page.words,
        shape=made.page.shape,
        tone=made.page.tone,
        title=report.title,
        sentences=report.sentences,
        fields=tuple(_fields(of, report)),
        picture=picture,
        no_picture="" if picture is not None else no_picture,
    )


def _fields(of: _Material, report: CaptureReport) -> Iterator[Field]:
    """Yield the values of a capture report that the case report has, without names of people."""
    requested = report.find("what.requested_url")
    for path in ("what.title", *_SHOWN):
        found = report.find(path)
        if not isinstance(found, Field):
            continue
        asked = requested.value if isinstance(requested, Field) else None
        if path == "what.final_url" and found.value == asked:
            continue
        if path in ("what.notice", "integrity.log_index") and found.presence is Presence.ABSENT:
            continue
        found = replace(found, key=path)
        if path == "who.operator":
            name = found.value if isinstance(found.value, str) else ""
            found = replace(
                found,
                term=tr("Stored by"),
                value=of.people.label(name) or None,
                note=tr("This report names people by number, role or pseudonym.")
                if name
                else tr("The custody chain names nobody."),
            )
        yield found


def _keep_custody(of: _Material, number: int, bundle_id: str, report: CaptureReport) -> None:
    table, problems = report.find("custody.events"), report.find("custody.problems")
    if isinstance(problems, Field) and isinstance(problems.value, tuple):
        of.custody_problems += (
            tr("Exhibit {number}: {problem}", number=number, problem=text)
            for text in problems.value
        )
    if not isinstance(table, Table):
        return
    places = {column.key: place for place, column in enumerate(table.columns)}
    later = [row for row in table.rows if row.source.file != names.CUSTODY]
    of.custody_total += len(later) + table.total - len(table.rows)
    for row in later[:_MAX_CUSTODY]:
        name = row.values[places["by"]]
        of.custody.append(
            Row(
                values=(
                    tr("Exhibit {number}", number=number),
                    row.values[places["at"]],
                    row.values[places["event"]],
                    row.values[places["outcome"]],
                    of.people.label(name if isinstance(name, str) else ""),
                    bundle_id,
                ),
                basis=row.basis,
                source=row.source,
            )
        )


def _keep_checks(of: _Material, number: int, bundle_id: str, report: CaptureReport) -> None:
    label = verdict_label(report.verdict)
    others = tuple(
        f"{finding.check.strip()}: {finding.verdict.name} {finding.code.value}: {finding.detail}"
        for finding in report.findings
        if finding.verdict is not Verdict.PASSED
    )
    passed = len(report.findings) - len(others)
    of.checks.append(_check(number, bundle_id, f"{label.shape} {label.words}", passed, others))


def _check(number: int, bundle_id: str, result: str, passed: int, others: tuple[str, ...]) -> Row:
    return Row(
        values=(tr("Exhibit {number}", number=number), result, passed, others, bundle_id),
        basis=Basis.VERIFIED,
        source=Source(file=VERIFICATION, pointer=""),
    )


# --- captures of the same pages -----------------------------------------------------------------


def _read_captures(of: _Material) -> None:
    """Read the captures of all pages of the case from the index."""
    source = of.service.source
    found: dict[str, None] = {}
    for exhibit in of.exhibits:
        row = source.index.row(exhibit.bundle_id)
        if row is not None and row.observation is not None:
            found[source.index.resolved(row.observation.identity)] = None
            continue
        for field_ in exhibit.fields:
            if field_.key == "what.requested_url" and isinstance(field_.value, str):
                with contextlib.suppress(SnapshotterError):  # no address of a page
                    found[source.identity(field_.value)] = None
    of.identities = tuple(found)
    seen = {
        observation.bundle_id: observation
        for identity in of.identities
        for observation in observations(source, identity=identity, until=of.now, sync=False)
    }
    of.captures = sorted(seen.values(), key=lambda this: (this.began_at, this.bundle_id))
    of.hidden_others = {
        bundle_id: decision.reason or tr("no reason is recorded")
        for bundle_id in seen
        if (decision := of.state.capture(bundle_id).quarantine) is not None
    }
    of.hidden_others = {**of.service.find_hidden(seen), **of.hidden_others}


def _is_shown(of: _Material, bundle_id: str) -> bool:
    hidden = {hidden_id for hidden_id, _ in of.hidden.values()}
    return bundle_id not in of.hidden_others and bundle_id not in hidden


_TIMELINE: Final = tr(
    "All exhibits, and other captures of the same pages that the store has. A time is when the "
    "capture began, by the clock of the capturing machine. Only exhibits were verified for this "
    "report. The state of the other captures is what the index of the store has."
)


def _timeline(of: _Material) -> Table:
    numbers = {exhibit.bundle_id: exhibit for exhibit in of.exhibits}
    removals = possible_removals(of.captures, hidden=of.hidden_others)
    rows: list[tuple[datetime, Row]] = []
    others: list[Observation] = []
    began: list[datetime] = []
    indexed = {capture.bundle_id: capture for capture in of.captures}
    for exhibit in of.exhibits:
        seen = indexed.get(exhibit.bundle_id)
        at = seen.began_at if seen is not None else store_keys.bundle_time(exhibit.bundle_id)
        began.append(at)
        state = f"{exhibit.shape} {exhibit.page}" if exhibit.page else tr("○ Not established")
        url = next(
            (found.value for found in exhibit.fields if found.key == "what.requested_url"), None
        )
        what = tr("Exhibit {number}", number=exhibit.number)
        basis = _basis(exhibit)
        rows.append((at, _timeline_row(at, what, state, url, exhibit.bundle_id, basis, "capture")))
    others = [
        capture
        for capture in of.captures
        if capture.bundle_id not in numbers and _is_shown(of, capture.bundle_id)
    ]
    total = len(rows) + len(others)
    if len(others) > _MAX_OTHERS:  # those next to an exhibit tell most about it
        others.sort(key=lambda capture: min(abs(capture.began_at - at) for at in began))
        others = others[:_MAX_OTHERS]
    for capture in others:
        label = POSSIBLE_REMOVAL if capture.bundle_id in removals else observation_label(capture)
        row = _timeline_row(
            capture.began_at, tr("no exhibit"), f"{label.shape} {label.words}", capture.url,
            capture.bundle_id, Basis.UNVERIFIED, INDEX,
        )  # fmt: skip
        rows.append((capture.began_at, row))
    rows.sort(key=lambda pair: pair[0])
    return Table(
        key="captures",
        term=tr("Captures"),
        columns=(
            Column(key="at", term=tr("Time"), kind=Kind.INSTANT),
            Column(key="exhibit", term=tr("Exhibit")),
            Column(key="state", term=tr("State of the page")),
            Column(key="url", term=tr("Address"), kind=Kind.ADDRESS),
            Column(key="bundle_id", term=tr("Bundle"), under="url"),
        ),
        rows=tuple(row for _, row in rows),
        total=total,
        source=Source(file=INDEX),
        empty=tr("The case has no capture that this report can show."),
        note=tr("The captures that are not listed are those farthest in time from an exhibit.")
        if total > len(rows)
        else "",
    )


def _basis(exhibit: ReportedExhibit) -> Basis:
    """Return who vouches for what an exhibit states about its page."""
    return next(
        (found.basis for found in exhibit.fields if found.key == "when.started_at"),
        Basis.UNVERIFIED,
    )


def _timeline_row(
    at: datetime, exhibit: str, state: str, url: Value, bundle_id: str, basis: Basis, kind: str
) -> Row:
    file = INDEX if kind == INDEX else f"{bundle_id}.wacz"
    return Row(
        values=(instant(at), exhibit, state, url, bundle_id), basis=basis, source=Source(file=file)
    )


# --- removals -----------------------------------------------------------------------------------

_REMOVALS: Final = tr(
    "The time of a removal is an interval. The interval begins with the beginning of the last "
    "capture that shows the page, and ends with the end of the first capture that does not show "
    "the page. A signed take-down event follows from several captures by rules. A possible removal "
    "is only a sign, which a person must check: no rule matches, and nothing is signed."
)


_TAKEDOWN_EVENT: Final = tr("■ Signed take-down event")
_CHANGE_EVENT: Final = tr("▲ Signed change event")


def _removals(of: _Material) -> Table:
    rows = [row for _, row in sorted(_removal_rows(of), key=lambda pair: pair[0])]
    has_events = any(row.source.file != INDEX for row in rows)
    return Table(
        key="removals",
        term=tr("Intervals"),
        columns=(
            Column(key="kind", term=tr("Kind")),
            Column(key="from", term=tr("From"), kind=Kind.INSTANT),
            Column(key="to", term=tr("To"), kind=Kind.INSTANT),
            Column(key="statement", term=tr("What is stated")),
            Column(key="before", term=tr("Before"), under="statement"),
            Column(key="after", term=tr("After"), under="statement"),
            Column(key="event_id", term=tr("Event"), under="statement"),
            Column(key="signed_by", term=tr("Signature"), under="statement"),
        ),
        rows=tuple(rows),
        total=len(rows),
        source=Source(file=_EVENTS if has_events else INDEX),
        empty=tr(
            "The store has no signed take-down event of these pages, and their captures show no "
            "possible removal."
        ),
        note=tr(
            "This report does not derive the events again. To verify an event, give its id to "
            "snapshotter verify."
        )
        if has_events
        else "",
    )


def _removal_rows(of: _Material) -> Iterator[tuple[datetime, Row]]:
    index = of.service.source.index
    accounts = {capture.account for capture in of.captures if capture.account}
    for identity in dict.fromkeys((*of.identities, *sorted(accounts))):
        for kept in index.events(identity=identity):
            if kept.event is not None and kept.event.at <= of.now:
                yield kept.event.bracket[0], _event_row(of, kept)
    for removal in possible_removals(of.captures, hidden=of.hidden_others).values():
        if not removal.is_first:
            continue
        last, this = removal.last_seen, removal.capture
        begin, end = widen((last.began_at, this.at))
        yield (
            begin,
            Row(
                values=(
                    tr("▲ Possible removal, not signed"), instant(begin), instant(end),
                    _SUSPICIONS[removal.suspicion],
                    tr("in quarantine") if removal.is_hidden else of.exhibit_of(last.bundle_id),
                    of.exhibit_of(this.bundle_id), None, None,
                ),
                basis=Basis.UNVERIFIED,
                source=Source(file=INDEX),
            ),
        )  # fmt: skip


def _event_row(of: _Material, kept: StoredEvent) -> Row:
    event = kept.event
    if event is None:
        raise ValueError("an event without a valid signature has no row")
    begin, end = widen(event.bracket)
    hidden = of.service.find_hidden([part.bundle_id for part in captures_of_event(event)])
    before, after = (
        tr("in quarantine") if part.bundle_id in hidden or part.bundle_id in of.state.quarantined
        else of.exhibit_of(part.bundle_id)
        for part in event.ends
    )  # fmt: skip
    trusted = of.service.is_trusted(kept.key_id)
    words = (
        tr("key {key_id}, trusted on this machine", key_id=kept.key_id)
        if trusted
        else tr("key {key_id}, not trusted on this machine", key_id=kept.key_id)
    )
    return Row(
        values=(
            _CHANGE_EVENT if event.kind is TakedownKind.CHANGED else _TAKEDOWN_EVENT,
            instant(begin), instant(end),
            f"{describe_event(event)}.", before, after, event.event_id, words,
        ),
        basis=Basis.STATED if trusted else Basis.UNVERIFIED,
        source=Source(file=kept.key),
    )  # fmt: skip


# --- gaps ---------------------------------------------------------------------------------------

_GAPS_INTRO: Final = tr(
    "Visits that were due and not made, and pauses, by the signed records of the schedules that "
    "captured these pages. Where no visit was made, nothing is known about the page."
)


def _gaps(of: _Material) -> Table:
    schedules = _schedules(of)
    begin = min(
        (capture.began_at for capture in of.captures),
        default=of.now,
    )
    rows, unread = list[Row](), 0
    for stored in stored_gaps(of.service.source.store) if schedules else ():
        gap = stored.record
        unread += gap is None
        if gap is None or gap.schedule not in schedules or gap.at > of.now:
            continue
        if (gap.until or gap.at) < begin:
            continue
        trusted = of.service.is_trusted(gap.key_id)
        rows.append(
            Row(
                values=(
                    instant(gap.since), instant(gap.until), gap.schedule,
                    _GAP_EVENTS.get(gap.event, gap.event), gap.visits, gap.reason,
                    of.people.label(gap.by), gap.gap_id,
                    tr("key {key_id}, trusted on this machine", key_id=gap.key_id)
                    if trusted
                    else tr("key {key_id}, not trusted on this machine", key_id=gap.key_id),
                ),
                basis=Basis.STATED if trusted else Basis.UNVERIFIED,
                source=Source(file=stored.key),
            )
        )  # fmt: skip
    rows.sort(key=lambda row: str(row.values[0]))
    return Table(
        key="gaps",
        term=tr("Gap records"),
        columns=(
            Column(key="since", term=tr("From"), kind=Kind.INSTANT),
            Column(key="until", term=tr("To"), kind=Kind.INSTANT),
            Column(key="schedule", term=tr("Schedule")),
            Column(key="event", term=tr("What happened")),
            Column(key="visits", term=tr("Visits"), kind=Kind.NUMBER),
            Column(key="reason", term=tr("Reason"), under="event"),
            Column(key="by", term=tr("By"), under="event"),
            Column(key="gap_id", term=tr("Record"), under="event"),
            Column(key="signed_by", term=tr("Signature"), under="event"),
        ),
        rows=tuple(rows),
        total=len(rows),
        source=Source(file=_GAPS),
        empty=tr(
            "The store has no gap record of the schedules {names} in this time.",
            names=", ".join(sorted(schedules)),
        )
        if schedules
        else tr("The queue of this machine knows no schedule that made these captures."),
        note=tr("Objects in this folder that are no valid gap records: {count}.", count=unread)
        if unread
        else "",
    )


def _schedules(of: _Material) -> set[str]:
    """Return the schedules that made captures of the pages, as the queue of this machine knows."""
    jobs = of.service.source.jobs
    ids = [capture.bundle_id for capture in of.captures]
    if jobs is None or not ids:
        return set()
    return {facts.schedule for facts in jobs(ids).values() if facts.schedule}


# --- custody and verification -------------------------------------------------------------------

_CUSTODY: Final = tr(
    "Events after the seal, from the custody chains beside the bundles. A chain begins inside the "
    "bundle, with the events of the capture. The chains have the details of each event, and the "
    "names as the settings had them. This report names people by number, role or pseudonym, the "
    "same person always in the same way."
)


def _custody(of: _Material) -> Iterator[Field | Table]:
    yield Table(
        key="events",
        term=tr("Events"),
        columns=(
            Column(key="exhibit", term=tr("Exhibit")),
            Column(key="at", term=tr("Time"), kind=Kind.INSTANT),
            Column(key="event", term=tr("Event")),
            Column(key="outcome", term=tr("Result")),
            Column(key="by", term=tr("By")),
            Column(key="bundle_id", term=tr("Bundle"), under="exhibit"),
        ),
        rows=tuple(of.custody),
        total=of.custody_total,
        source=Source(file="custody"),
        empty=tr("No custody event after a seal could be read."),
    )
    yield _field(
        "problems", tr("Problems of the chains"), tuple(of.custody_problems), "custody",
        kind=Kind.LINES,
    )  # fmt: skip


def _checks(of: _Material) -> Table:
    return Table(
        key="exhibits",
        term=tr("Result of each exhibit"),
        columns=(
            Column(key="exhibit", term=tr("Exhibit")),
            Column(key="verdict", term=tr("Result")),
            Column(key="passed", term=tr("Passed"), kind=Kind.NUMBER),
            Column(key="others", term=tr("Checks that did not pass"), kind=Kind.LINES),
            Column(key="bundle_id", term=tr("Bundle"), under="exhibit"),
        ),
        rows=tuple(of.checks),
        total=len(of.checks),
        source=Source(file=VERIFICATION),
        empty=tr("No exhibit was verified."),
    )


def _trust_words(of: _Material) -> str:
    version = of.service.trust.version
    return (
        tr("the keys of this machine")
        if version is None
        else tr("version {version} of the trust file", version=version)
    )


# --- searches and writings ----------------------------------------------------------------------


def _searches(of: _Material, searches: Sequence[CaseSearch], named: frozenset[str]) -> list[Group]:
    if not searches:
        return []
    return [
        Group(
            key="searches",
            term=tr("Search terms"),
            intro=tr(
                "Where the exhibits contain the words, by the index of the store. The words found "
                "are in brackets."
            ),
            items=tuple(
                _search(of, search, f"search_{number}", named)
                for number, search in enumerate(searches, start=1)
            ),
        )
    ]


def _search(of: _Material, search: CaseSearch, key: str, named: frozenset[str]) -> Table:
    """Search the exhibits; notes and tags are searched only if the report contains them."""
    source, case = of.service.source, of.view.case
    captures = {
        bundle_id: replace(
            capture,
            notes=capture.notes if "notes" in named else [],
            tags=capture.tags if "tags" in named else {},
        )
        for bundle_id, capture in of.state.captures.items()
    }
    state = replace(of.state, captures=captures)
    only_case = And(children=(search.query.root, parse(f'case:"{case.name}"').root))
    query = Query(root=only_case, regions=search.query.regions)
    shown = {exhibit.bundle_id: exhibit.number for exhibit in of.exhibits}
    rows: list[tuple[int, Row]] = []
    found: set[str] = set()
    before = ""
    while True:
        page = searching.search(
            source, query, limit=_MAX_HITS, before=before, now=of.now,
            is_trusted=of.service.is_trusted, state=state,
        )  # fmt: skip
        for capture in page.captures:
            number = shown.get(capture.bundle_id)
            if number is None:
                continue
            for hit in capture.hits:
                if hit.region == "tag" and "tags" not in named:  # of the job
                    continue
                found.add(capture.bundle_id)
                excerpt = searching.with_brackets(searching.excerpt(hit, _EXCERPT))
                row = Row(
                    values=(
                        tr("Exhibit {number}", number=number), hit.region.value, excerpt,
                        capture.bundle_id,
                    ),
                    basis=Basis.UNVERIFIED,
                    source=Source(file=INDEX),
                )  # fmt: skip
                rows.append((number, row))
        if not page.next:
            break
        before = page.next
    rows.sort(key=lambda pair: pair[0])
    return Table(
        key=key,
        term=tr("{words}: exhibits with hits: {count}", words=search.words, count=len(found)),
        columns=(
            Column(key="exhibit", term=tr("Exhibit")),
            Column(key="region", term=tr("Where")),
            Column(key="excerpt", term=tr("Excerpt")),
            Column(key="bundle_id", term=tr("Bundle"), under="exhibit"),
        ),
        rows=tuple(row for _, row in rows),
        total=len(rows),
        source=Source(file=INDEX),
        empty=tr("No exhibit contains these words."),
        note="" if "notes" in named else tr("Notes and tags of people were not searched."),
    )


def _writings(of: _Material, named: frozenset[str]) -> list[Group]:
    """Return what people wrote, as far as the report was asked for it."""
    items: list[Table] = []
    case, shown = of.view.case, {exhibit.bundle_id for exhibit in of.exhibits}
    captures = [exhibit for exhibit in of.view.exhibits if exhibit.bundle_id in shown]
    about = tr("Case")
    if "notes" in named:
        notes: list[tuple[str, Note]] = [(about, note) for note in case.notes]
        notes += [
            (tr("Exhibit {number}", number=exhibit.number), note)
            for exhibit in captures
            for note in exhibit.capture.notes
        ]
        items.append(_written(of, "notes", tr("Notes"), [
            (place, note.at, note.author, "", note.text) for place, note in notes
        ]))  # fmt: skip
    if "reviews" in named:
        decisions: list[tuple[str, str, Decision]] = [
            (about, reason.name, reason) for reason in case.reasons
        ]
        if case.closed is not None:
            decisions.append((about, tr("closed"), case.closed))
        for exhibit in captures:
            place, capture = tr("Exhibit {number}", number=exhibit.number), exhibit.capture
            if capture.review is not None:
                decisions.append((place, capture.review.name, capture.review))
            decisions += [(place, name, mark) for name, mark in capture.marks.items()]
        items.append(_written(of, "reviews", tr("Reviews and reasons"), [
            (place, found.at, found.author, name, found.reason)
            for place, name, found in decisions
        ]))  # fmt: skip
    if "tags" in named:
        items.append(
            Table(
                key="tags",
                term=tr("Tags"),
                columns=(
                    Column(key="about", term=tr("About")),
                    Column(key="tags", term=tr("Tags"), kind=Kind.LINES),
                ),
                rows=tuple(
                    Row(
                        values=(
                            tr("Exhibit {number}", number=exhibit.number),
                            tuple(exhibit.capture.tags),
                        ),
                        basis=Basis.UNVERIFIED,
                        source=Source(file=ANNOTATIONS),
                    )
                    for exhibit in captures
                    if exhibit.capture.tags
                ),
                total=sum(bool(exhibit.capture.tags) for exhibit in captures),
                source=Source(file=ANNOTATIONS),
                empty=tr("No exhibit has a tag."),
            )
        )
    if not items:
        return []
    intro = tr("People wrote the following about the case and its exhibits. It may be privileged.")
    return [Group(key="writings", term=tr("What people wrote"), intro=intro, items=tuple(items))]


def _written(
    of: _Material,
    key: str,
    term: str,
    entries: Iterable[tuple[str, datetime, str, str, str | None]],
) -> Table:
    rows = tuple(
        Row(
            values=(
                place, instant(at), of.people.label(author), name,
                text if text is not None else tr("(the text was erased or is missing)"),
            ),
            basis=Basis.UNVERIFIED,
            source=Source(file=ANNOTATIONS),
        )
        for place, at, author, name, text in entries
    )  # fmt: skip
    return Table(
        key=key,
        term=term,
        columns=(
            Column(key="about", term=tr("About")),
            Column(key="at", term=tr("Time"), kind=Kind.INSTANT),
            Column(key="by", term=tr("By")),
            Column(key="decision", term=tr("Decision"), under="text"),
            Column(key="text", term=tr("Text")),
        ),
        rows=rows,
        total=len(rows),
        source=Source(file=ANNOTATIONS),
        empty=tr("Nobody wrote anything of this kind."),
    )


# --- what is left out, and numbers --------------------------------------------------------------


def _left_out(of: _Material, named: frozenset[str]) -> Iterator[Field | Table]:
    exhibits = {bundle_id for bundle_id, _ in of.hidden.values()}
    hidden = [
        (tr("Exhibit {number}", number=number), bundle_id, reason)
        for number, (bundle_id, reason) in sorted(of.hidden.items())
    ]
    hidden += [
        (tr("no exhibit"), bundle_id, reason)
        for bundle_id, reason in sorted(of.hidden_others.items())
        if bundle_id not in exhibits
    ]
    yield Table(
        key="quarantined",
        term=tr("Captures in quarantine"),
        columns=(
            Column(key="exhibit", term=tr("Exhibit")),
            Column(key="bundle_id", term=tr("Bundle")),
            Column(key="reason", term=tr("Reason")),
        ),
        rows=tuple(
            Row(values=values, basis=Basis.UNVERIFIED, source=Source(file=ANNOTATIONS))
            for values in hidden
        ),
        total=len(hidden),
        source=Source(file=ANNOTATIONS),
        empty=tr("No capture of the case or of the same pages is in quarantine."),
    )
    removed = removed_numbers(of.view.case)
    yield _number(
        "removed", tr("Removed from the case"), len(removed), ANNOTATIONS,
        note=tr("Exhibit numbers: {numbers}", numbers=", ".join(map(str, removed)))
        if removed
        else "",
    )  # fmt: skip
    terms = {
        "notes": tr("Notes that are withheld"),
        "reviews": tr("Reviews, marks and reasons that are withheld"),
        "tags": tr("Tags that are withheld"),
        "title": tr("Titles of the case that are withheld"),
    }
    for group, count in _written_counts(of).items():
        if group not in named:
            yield _number(group, terms[group], count, ANNOTATIONS)


def _written_counts(of: _Material) -> dict[str, int]:
    shown = {exhibit.bundle_id for exhibit in of.exhibits}
    captures = [found.capture for found in of.view.exhibits if found.bundle_id in shown]
    return count_writings(of.view.case, captures)


def _alarms(of: _Material) -> Iterator[str]:
    """Yield what the report states before everything else."""
    for exhibit in of.exhibits:
        if exhibit.verdict is Verdict.FAILED:
            said = " ".join(exhibit.sentences) or exhibit.problem
            yield tr("Exhibit {number} FAILED: {said}", number=exhibit.number, said=said)
    for exhibit in of.exhibits:
        if exhibit.verdict is None:
            yield tr(
                "Exhibit {number} was not verified: {problem}.",
                number=exhibit.number,
                problem=exhibit.problem,
            )


def _numbers(of: _Material, timeline: Table, removals: Table, gaps: Table) -> Iterator[Field]:
    verdicts = [exhibit.verdict for exhibit in of.exhibits]
    yield _number("exhibits", tr("Exhibits in this report"), len(of.exhibits), ANNOTATIONS)
    for verdict in Verdict:
        yield _number(
            verdict.value,
            _VERDICTS[verdict],
            verdicts.count(verdict),
            VERIFICATION,
            basis=Basis.VERIFIED,
        )
    if None in verdicts:
        yield _number(
            "not_verified", tr("Exhibits that were not verified"), verdicts.count(None),
            VERIFICATION,
        )  # fmt: skip
    began = sorted(filter(None, (exhibit.started_at for exhibit in of.exhibits)))
    if began:
        sound = Verdict.FAILED not in verdicts
        for key, term, value in (
            ("first_at", tr("First exhibit captured"), began[0]),
            ("last_at", tr("Last exhibit captured"), began[-1]),
        ):
            yield _field(key, term, value, "capture/capture.json", kind=Kind.INSTANT,
                         pointer="/when/started_at",
                         basis=Basis.STATED if sound else Basis.UNVERIFIED)  # fmt: skip
    yield _number("pages", tr("Pages"), len(of.identities), INDEX)
    yield _number(
        "other_captures", tr("Other captures of these pages"), timeline.total - len(of.exhibits),
        INDEX,
    )  # fmt: skip
    gone = sum(
        capture.availability is Availability.UNAVAILABLE
        for capture in of.captures
        if _is_shown(of, capture.bundle_id)
    )
    yield _number("unavailable", tr("Captures that show that a page was not available"), gone,
                  INDEX)  # fmt: skip
    signed = sum(row.source.file != INDEX for row in removals.rows)
    changes = sum(row.values[0] == _CHANGE_EVENT for row in removals.rows)
    yield _number("events", tr("Signed take-down events"), signed - changes, _EVENTS)
    yield _number("change_events", tr("Signed change events"), changes, _EVENTS)
    yield _number("possible_removals", tr("Possible removals"), removals.total - signed, INDEX)
    yield _number("gaps", tr("Gap records"), gaps.total, _GAPS)
    yield _number("quarantined", tr("Exhibits left out, in quarantine"), len(of.hidden),
                  ANNOTATIONS)  # fmt: skip


_VERDICTS: Final = {
    Verdict.PASSED: tr("Exhibits that PASSED the verification"),
    Verdict.FAILED: tr("Exhibits that FAILED the verification"),
    Verdict.INDETERMINATE: tr("Exhibits whose verification is INDETERMINATE"),
}


def _number(
    key: str,
    term: str,
    value: int,
    file: str,
    *,
    basis: Basis = Basis.UNVERIFIED,
    note: str = "",
) -> Field:
    return _field(key, term, value, file, kind=Kind.NUMBER, basis=basis, note=note)


def _field(
    key: str,
    term: str,
    value: Value,
    file: str,
    *,
    kind: Kind,
    pointer: str = "",
    basis: Basis = Basis.UNVERIFIED,
    note: str = "",
) -> Field:
    return Field(
        key=key, term=term, value=value, kind=kind, basis=basis,
        source=Source(file=file, pointer=pointer), note=note,
    )  # fmt: skip
