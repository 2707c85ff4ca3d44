"""
Write the report about one capture: as JSON, and as one HTML file that can be printed.

Both are made from the same value, `CaptureReport`, and from nothing else but the picture. The HTML
file has no script, loads nothing, and contains text of strangers only escaped and isolated.
"""

from collections.abc import Iterator
from typing import Final

from snapshotter.formats import canonical_json
from snapshotter.formats.canonical_json import JsonValue
from snapshotter.formats.printable import cut_middle
from snapshotter.model.capture_report import (
    Basis,
    CaptureReport,
    Field,
    Group,
    Kind,
    Presence,
    Source,
    Statement,
    Table,
)
from snapshotter.model.finding import Verdict
from snapshotter.report import html
from snapshotter.report.capture_page import LANGUAGE, explained
from snapshotter.report.local_time import LocalTime
from snapshotter.report.picture_copies import PictureCopy
from snapshotter.report.report_values import item_json, page_values, source_json, value_json
from snapshotter.report.states import verdict_label
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

FORMAT: Final = "snapshotter-capture-report/1"
_MAX_LINES: Final = 8  # of a list beside its term; a longer list has a box of its own
_MAX_SHOWN: Final = 60  # characters of an address in the head of a sheet


# --- JSON ---------------------------------------------------------------------------------------


def encode(report: CaptureReport) -> bytes:
    """Return `report.json`: canonical JSON (docs/spec/report.md)."""
    return canonical_json.dumps(as_json(report))


def as_json(report: CaptureReport) -> dict[str, JsonValue]:
    """Return the report as JSON."""
    return {
        "bundle_id": report.bundle_id,
        "commands": report.commands.splitlines(),
        "fields": {
            group.key: {item.key: item_json(item) for item in group.items}
            for group in report.groups
        },
        "format": FORMAT,
        "limits": [{"helps": helps, "text": text} for text, helps in report.limits],
        "missing": list(report.missing),
        "picture": _picture_json(report),
        "sentences": list(report.sentences),
        "statements": [_statement_json(statement) for statement in report.statements],
        "text": {
            "basis": _basis_of_text(report).value,
            "source": source_json(Source(file="capture/page.txt")),
            "total_characters": report.text_total,
            "value": report.text,
        },
        "unread": list(report.unread),
        "verification": {
            "at": canonical_json.instant(report.verified_at),
            "checks": [
                {
                    "check": finding.check.strip(),
                    "code": finding.code.value,
                    "detail": finding.detail,
                    "verdict": finding.verdict.value,
                }
                for finding in report.findings
            ],
            "software": report.software,
            "trust": report.trust,
            "verdict": report.verdict.value,
        },
        "zone": report.zone,
    }


def _basis_of_text(report: CaptureReport) -> Basis:
    found = report.find("what.title")
    return found.basis if isinstance(found, Field) else Basis.UNVERIFIED


def _statement_json(statement: Statement) -> JsonValue:
    return {
        "basis": statement.basis.value,
        "fields": list(statement.fields),
        "key": statement.key,
        "text": statement.text,
        "value": value_json(statement.shown.value) if statement.shown is not None else None,
    }


def _picture_json(report: CaptureReport) -> JsonValue:
    picture = report.picture
    if picture is None:
        return None
    return {
        "cut": picture.is_cut,
        "graphic": picture.is_graphic,
        "height": picture.height,
        "narrowed": picture.is_narrowed,
        "path": picture.path,
        "sha256": picture.sha256,
        "whole_page": picture.is_whole_page,
        "width": picture.width,
    }


# --- HTML ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """The sentences that answer one question of the first page."""

    question: str
    statements: tuple[Statement, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """A part of a group: fields side by side, one table, or one long text."""

    fields: tuple[Field, ...] = ()
    table: Table | None = None
    block: Field | None = None


def page(
    report: CaptureReport, picture: PictureCopy | None, local: LocalTime, *, digest: str
) -> bytes:
    """
    Return the report as an HTML file.

    Args:
        picture: A copy in pieces that fit a sheet.
        digest: SHA-256 of `report.json`, which the foot of each sheet shows.
    """
    return html.render(
        "capture_report.html.j2",
        ("base.css", "capture_report.css"),
        "",
        end=_print_style(report, picture, digest),
        absent=_absent,
        checks=[(verdict_label(finding.verdict), finding) for finding in report.findings],
        digest=digest,
        exhibit=_text(report, "what.exhibit"),
        explained=list(explained(report.findings)),
        has_mark=lambda statement: _has_mark(report, statement),
        introduction=_of(report, "redacted", "captured", "redirected", "title", "notice"),
        is_altered=report.verdict is Verdict.FAILED,
        language=report.language if LANGUAGE.fullmatch(report.language) else "",
        of=report,
        one_bundle=report.bundle_id,
        overlaps=picture is not None and len(picture.pieces) > 1 and picture.overlap > 0,
        paragraphs=[line for line in report.text.splitlines() if line.strip()],
        parts=_parts,
        picture=picture,
        said=_questions(report),
        zone_sentence=local.sentence(report.verified_at),
        withheld=_withheld_files(report),
        **page_values(local),
    )


def _print_style(report: CaptureReport, picture: PictureCopy | None, digest: str) -> str:
    """Return the head and foot of each sheet, and how the pieces of the picture join on screen."""
    address = cut_middle(_text(report, "what.requested_url"), _MAX_SHOWN)
    head = " · ".join(filter(None, (_text(report, "what.exhibit"), report.bundle_id, address)))
    groups = " ".join(digest[at : at + 4] for at in range(0, 16, 4))
    style = html.print_margins(head, tr("SHA-256 of report.json: {groups} …", groups=groups),
    )  # fmt: skip
    if picture is not None and picture.overlap and picture.width:
        hidden = picture.overlap * 100 / picture.width
        style += f"@media screen {{ .piece + .piece {{ margin-top: -{hidden:.4f}%; }} }}\n"
    return style


def _has_mark(report: CaptureReport, statement: Statement) -> bool:
    """Return whether somebody states a value of a statement; nobody states an absent value."""
    found = [report.find(path) for path in statement.fields]
    return statement.basis is Basis.VERIFIED or any(
        isinstance(item, Table) or item.presence is Presence.PRESENT for item in found
    )


def _text(report: CaptureReport, path: str) -> str:
    found = report.find(path)
    return found.value if isinstance(found, Field) and isinstance(found.value, str) else ""


def _withheld_files(report: CaptureReport) -> tuple[str, ...]:
    try:
        found = report.find("redactions.withheld_files")
    except KeyError:
        return ()  # not a redacted copy
    return found.value if isinstance(found, Field) and isinstance(found.value, tuple) else ()


def _of(report: CaptureReport, *keys: str) -> list[Statement]:
    return [statement for statement in report.statements if statement.key in keys]


def _questions(report: CaptureReport) -> list[_Said]:
    asked = (
        (tr("Is the page there?"), ("page",)),
        (tr("Is the capture whole?"), ("whole",)),
        (tr("Is the proof intact?"), ("proof",)),
        (tr("Who made the capture"), ("operator", "signed")),
        (tr("How the time is proven"), ("time", "log")),
    )
    made = [_Said(question=words, statements=tuple(_of(report, *keys))) for words, keys in asked]
    return [said for said in made if said.statements]


def _parts(group: Group) -> Iterator[_Part]:
    """Yield the parts of a group: fields that follow each other together, long texts last."""
    fields: list[Field] = []
    blocks: list[Field] = []
    for item in group.items:
        if isinstance(item, Field):
            is_long = isinstance(item.value, tuple) and len(item.value) > _MAX_LINES
            is_block = item.kind is Kind.BLOCK and isinstance(item.value, str)
            if is_block or is_long:
                blocks.append(item)
            elif item.presence is not Presence.ABSENT or item.note:
                fields.append(item)
            continue
        if fields:
            yield _Part(fields=tuple(fields))
            fields = []
        yield _Part(table=item)
    if fields:
        yield _Part(fields=tuple(fields))
    for block in blocks:
        yield _Part(block=block)


def _absent(group: Group) -> list[str]:
    """Return the terms of the fields that nothing states."""
    return [
        item.term
        for item in group.items
        if isinstance(item, Field) and item.presence is Presence.ABSENT and not item.note
    ]
