"""Verify the exhibits of a case, and keep what the report shows of each."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from snapshotter.app.archive.organising.case_view import CaseExhibit
from snapshotter.app.archive.reports.capture.evidence import VERIFICATION, instant
from snapshotter.app.archive.reports.capture.report import SHAPE, MadeReport, make_stored_report
from snapshotter.app.archive.reports.case.material import CaseMaterial, VerifiedExhibit
from snapshotter.errors import EvidenceInvalid
from snapshotter.formats.bundle import names, store_keys
from snapshotter.model.capture_report import (
    Basis,
    CaptureReport,
    Field,
    Presence,
    Row,
    Source,
    Table,
    Value,
)
from snapshotter.model.case_report import ExhibitPicture, ReportedExhibit
from snapshotter.model.finding import Verdict
from snapshotter.report.local_time import LocalTime
from snapshotter.report.picture_copies import make_thumbnail
from snapshotter.report.states import verdict_label
from snapshotter.translation import tr

_MAX_CUSTODY: Final = 50  # kinds of events of one exhibit
_PICTURE: Final = 400  # pixels
_TOP: Final = replace(SHAPE, only_first=True)  # all that the small picture shows
_SHOWN: Final = (
    "what.requested_url", "what.final_url", "what.http_status", "what.verdict", "what.notice",
    "what.whole", "when.started_at", "when.ended_at", "when.proven_time", "when.token_delay_ms",
    "who.operator", "what.bundle_sha256", "integrity.manifest_sha256", "integrity.log_index",
    "integrity.proof",
)  # fmt: skip
_NEEDED: Final = frozenset({*_SHOWN, "what.title", "custody.events", "custody.problems"})


def condense(made: MadeReport) -> VerifiedExhibit:
    """Return the part of a report about an exhibit that the report about its case needs."""
    report, picture = made.report, None
    can_show = report.picture is not None and not report.picture.is_graphic
    if can_show and made.picture is not None and report.verdict is not Verdict.FAILED:
        picture = make_thumbnail(made.picture, _PICTURE)
    groups = []
    for group in report.groups:
        items = [item for item in group.items if f"{group.key}.{item.key}" in _NEEDED]
        if items:
            groups.append(replace(group, items=tuple(items)))
    return VerifiedExhibit(
        report=replace(report, groups=tuple(groups), statements=(), text=""),
        page=made.page,
        picture=picture,
    )


def read_exhibits(of: CaseMaterial, local: LocalTime) -> None:
    """Verify the exhibits that are not in quarantine, unless the caller has verified them."""
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
        if exhibit.bundle_id not in of.verified:
            of.service.show_progress(position, len(shown))
        of.exhibits.append(_exhibit(of, exhibit, local))


def _exhibit(of: CaseMaterial, exhibit: CaseExhibit, local: LocalTime) -> ReportedExhibit:
    store, bundle_id = of.service.source.store, exhibit.bundle_id
    key = store_keys.bundle_key(bundle_id)
    lacking = ReportedExhibit(
        number=exhibit.number, bundle_id=bundle_id, title=exhibit.title, problem=exhibit.problem
    )
    if not any(found.key == key for found in store.list(key)):
        lost = exhibit.problem or tr("the capture is missing in the store")
        of.checks.append(_check(lacking.number, bundle_id, tr("not verified"), 0, (lost,)))
        return replace(lacking, problem=lost)
    verified = of.verified.get(bundle_id)
    if verified is None:
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
        verified = condense(made)
    _keep_custody(of, exhibit.number, bundle_id, verified.report)
    _keep_checks(of, exhibit.number, bundle_id, verified.report)
    return _reported(of, exhibit, verified)


def _reported(of: CaseMaterial, exhibit: CaseExhibit, verified: VerifiedExhibit) -> ReportedExhibit:
    report, small = verified.report, verified.picture
    picture, no_picture = None, tr("The capture has no picture that can be shown.")
    if report.picture is not None and report.picture.is_graphic:
        no_picture = tr("The capture is marked as graphic, so that the report has no picture.")
    elif report.verdict is Verdict.FAILED:
        no_picture = tr("The bundle was altered, so that the report has no picture.")
    elif report.picture is not None and small is not None:
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
        page=verified.page.words,
        shape=verified.page.shape,
        tone=verified.page.tone,
        title=report.title,
        sentences=report.sentences,
        fields=tuple(_fields(of, report)),
        picture=picture,
        no_picture="" if picture is not None else no_picture,
    )


def _fields(of: CaseMaterial, report: CaptureReport) -> Iterator[Field]:
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


def _keep_custody(of: CaseMaterial, number: int, bundle_id: str, report: CaptureReport) -> None:
    table, problems = report.find("custody.events"), report.find("custody.problems")
    if isinstance(problems, Field) and isinstance(problems.value, tuple):
        of.custody_problems += (
            tr("Exhibit {number}: {problem}", number=number, problem=text)
            for text in problems.value
        )
    if not isinstance(table, Table):
        return
    places = {column.key: place for place, column in enumerate(table.columns)}
    groups: dict[tuple[Value, ...], list[Row]] = {}
    for row in table.rows:
        if row.source.file != names.CUSTODY:
            kind = tuple(row.values[places[key]] for key in ("event", "outcome", "by"))
            groups.setdefault(kind, []).append(row)
    of.custody_total += len(groups) + table.total - len(table.rows)
    for (event, outcome, by), rows in list(groups.items())[:_MAX_CUSTODY]:
        times = [row.values[places["at"]] for row in rows]
        of.custody.append(
            Row(
                values=(
                    tr("Exhibit {number}", number=number),
                    times[0],
                    event,
                    outcome,
                    of.people.label(by if isinstance(by, str) else ""),
                    bundle_id,
                    len(rows),
                    times[-1] if len(rows) > 1 else None,
                ),
                basis=rows[0].basis,
                source=rows[0].source,
            )
        )


def _keep_checks(of: CaseMaterial, number: int, bundle_id: str, report: CaptureReport) -> None:
    label = verdict_label(report.verdict)
    others = tuple(
        f"{finding.check.strip()}: {finding.verdict.name} {finding.code.value}: {finding.detail}"
        for finding in report.findings
        if finding.verdict is not Verdict.PASSED
    )
    passed = len(report.findings) - len(others)
    result = f"{label.shape} {label.words}"
    of.checks.append(_check(number, bundle_id, result, passed, others, instant(report.verified_at)))


def _check(
    number: int,
    bundle_id: str,
    result: str,
    passed: int,
    others: tuple[str, ...],
    at: str | None = None,
) -> Row:
    return Row(
        values=(tr("Exhibit {number}", number=number), result, passed, others, bundle_id, at),
        basis=Basis.VERIFIED,
        source=Source(file=VERIFICATION, pointer=""),
    )
