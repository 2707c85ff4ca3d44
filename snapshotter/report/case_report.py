"""
Write the report about a case: as JSON, and as one HTML file that can be printed.

Both are made from the same value, `CaseReport`. The HTML file has no script, loads nothing, and
contains text of strangers only escaped and isolated.
"""

from typing import Final

from snapshotter.formats import canonical_json
from snapshotter.formats.canonical_json import JsonValue
from snapshotter.formats.printable import cut_middle
from snapshotter.model.capture_report import Field, Presence, Table
from snapshotter.model.case_report import CaseReport, ReportedExhibit
from snapshotter.model.finding import Verdict
from snapshotter.report import html
from snapshotter.report.local_time import LocalTime
from snapshotter.report.report_values import item_json, page_values
from snapshotter.report.states import StateLabel, verdict_label
from snapshotter.translation import tr

FORMAT: Final = "snapshotter-case-report/1"
_DIGEST: Final = "what.bundle_sha256"  # its absence is shown
_ANSWERS: Final = ("what.verdict", "what.whole", "integrity.proof")


def encode(report: CaseReport) -> bytes:
    """Return the JSON file of a report: canonical JSON (docs/spec/case-report.md)."""
    return canonical_json.dumps(as_json(report))


def as_json(report: CaseReport) -> dict[str, JsonValue]:
    """Return the report as JSON."""
    return {
        "alarms": list(report.alarms),
        "case": report.case,
        "exhibits": [_exhibit_json(exhibit) for exhibit in report.exhibits],
        "format": FORMAT,
        "limits": [{"helps": helps, "text": text} for text, helps in report.limits],
        "numbers": {number.key: item_json(number) for number in report.numbers},
        "sections": {
            group.key: {item.key: item_json(item) for item in group.items}
            for group in report.groups
        },
        "title": report.title,
        "verification": {
            "at": canonical_json.instant(report.verified_at),
            "software": report.software,
            "trust": report.trust,
            "verdict": report.verdict.value,
        },
        "zone": report.zone,
    }


def _exhibit_json(exhibit: ReportedExhibit) -> JsonValue:
    picture = exhibit.picture
    return {
        "bundle_id": exhibit.bundle_id,
        "exhibit": exhibit.number,
        "fields": {field.key: item_json(field) for field in exhibit.fields},
        "page": exhibit.page or None,
        "picture": None
        if picture is None
        else {"path": picture.path, "sha256": picture.sha256 or None},
        "problem": exhibit.problem or None,
        "sentences": list(exhibit.sentences),
        "verdict": exhibit.verdict.value if exhibit.verdict is not None else None,
    }


def page(report: CaseReport, local: LocalTime, *, digest: str) -> bytes:
    """
    Return the report as an HTML file.

    Args:
        digest: SHA-256 of the JSON file, which the foot of each sheet shows.
    """
    head = " · ".join(filter(None, (tr("Case {case}", case=report.case), report.title)))
    groups = " ".join(digest[at : at + 4] for at in range(0, 16, 4))
    foot = tr("SHA-256 of the JSON file: {groups} …", groups=groups)
    return html.render(
        "case_report.html.j2",
        ("base.css", "capture_report.css", "case_report.css"),
        "",
        end=html.print_margins(cut_middle(head, 90), foot),
        answers=_answers,
        digest=digest,
        is_table=lambda item: isinstance(item, Table),
        of=report,
        proof=_proof,
        shown_fields=_shown_fields,
        states=_state,
        zone_sentence=local.sentence(report.verified_at),
        **page_values(local),
    )


def _answers(exhibit: ReportedExhibit) -> list[Field]:
    """Return the answers to the three questions; none of an exhibit without all of them."""
    found = [field for field in exhibit.fields if field.key in _ANSWERS]
    return found if all(isinstance(field.value, str) for field in found) else []


def _shown_fields(exhibit: ReportedExhibit) -> list[Field]:
    """Return the values of an exhibit that are no answer to a question."""
    return [
        field
        for field in exhibit.fields
        if field.key not in _ANSWERS
        and (field.presence is not Presence.ABSENT or field.note or field.key == _DIGEST)
    ]


def _state(exhibit: ReportedExhibit) -> StateLabel:
    if not exhibit.page:
        return StateLabel(words=tr("Not established"), shape="○", tone="open")
    return StateLabel(words=exhibit.page, shape=exhibit.shape, tone=exhibit.tone)


def _proof(exhibit: ReportedExhibit) -> StateLabel:
    if exhibit.verdict is None:
        return StateLabel(words=tr("Not verified"), shape="✕", tone="bad")
    label = verdict_label(exhibit.verdict)
    is_failed = exhibit.verdict is Verdict.FAILED
    return StateLabel(
        words="FAILED" if is_failed else label.words, shape=label.shape, tone=label.tone
    )
