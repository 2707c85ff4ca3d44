"""
Write the report about one capture: as JSON, and as one HTML file that can be printed.

Both are made from the same value, `CaptureReport`, and from nothing else but the picture. The HTML
file has no script, loads nothing, and contains text of strangers only escaped and isolated.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats import canonical_json
from snapshotter.formats.canonical_json import JsonValue, parse_instant
from snapshotter.model import sentences
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
    Statement,
    Table,
    Value,
    Withheld,
)
from snapshotter.model.finding import Finding, Verdict
from snapshotter.report import html
from snapshotter.report.capture_page import LANGUAGE
from snapshotter.report.local_time import LocalTime, ShownTime
from snapshotter.report.picture_copies import PictureCopy
from snapshotter.report.states import verdict_label
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

FORMAT: Final = "snapshotter-capture-report/1"
RECORD: Final = "capture/capture.json"
BASIS_WORDS: Final = {
    Basis.VERIFIED: tr("verified"),
    Basis.STATED: tr("author's word, signed"),
    Basis.UNVERIFIED: tr("author's word, not signed"),
}
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
            group.key: {item.key: _item_json(item) for item in group.items}
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
            "source": _source_json(Source(file="capture/page.txt")),
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


def _item_json(item: Field | Table) -> JsonValue:
    if isinstance(item, Field):
        made: dict[str, JsonValue] = {
            "basis": item.basis.value,
            "kind": item.kind.value,
            "presence": item.presence.value,
            "source": _source_json(item.source),
            "term": item.term,
            "value": _value_json(item.value),
        }
        if item.note:
            made["note"] = item.note
        return made
    return {
        "columns": [
            {"key": column.key, "kind": column.kind.value, "term": column.term}
            for column in item.columns
        ],
        "rows": [
            {
                "basis": row.basis.value,
                "source": _source_json(row.source),
                "values": {
                    column.key: _value_json(value)
                    for column, value in zip(item.columns, row.values, strict=True)
                },
            }
            for row in item.rows
        ],
        "source": _source_json(item.source),
        "term": item.term,
        "total": item.total,
    }


def _value_json(value: Value) -> JsonValue:
    if isinstance(value, Withheld):
        return {"committed": value.committed}
    return list(value) if isinstance(value, tuple) else value


def _source_json(source: Source) -> dict[str, JsonValue]:
    return {"file": source.file, "pointer": source.pointer}


def _statement_json(statement: Statement) -> JsonValue:
    return {
        "basis": statement.basis.value,
        "fields": list(statement.fields),
        "key": statement.key,
        "text": statement.text,
        "value": _value_json(statement.shown.value) if statement.shown is not None else None,
    }


def _picture_json(report: CaptureReport) -> JsonValue:
    picture = report.picture
    if picture is None:
        return None
    return {
        "cut": picture.is_cut,
        "graphic": picture.is_graphic,
        "height": picture.height,
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
        cells=_cells,
        checks=[(verdict_label(finding.verdict), finding) for finding in report.findings],
        columns=lambda table: [column for column in table.columns if not column.under],
        digest=digest,
        exhibit=_text(report, "what.exhibit"),
        explained=list(_explained(report.findings)),
        has_mixed_basis=lambda table: len({row.basis for row in table.rows}) > 1,
        introduction=_of(report, "captured", "redirected", "title", "notice"),
        is_altered=report.verdict is Verdict.FAILED,
        language=report.language if LANGUAGE.fullmatch(report.language) else "",
        moment=_moment,
        of=report,
        overlaps=picture is not None and len(picture.pieces) > 1 and picture.overlap > 0,
        paragraphs=[line for line in report.text.splitlines() if line.strip()],
        parts=_parts,
        picture=picture,
        said=_questions(report),
        source=lambda source: _source_text(source, report.bundle_id),
        when=local.show,
        words=BASIS_WORDS,
        zone_sentence=local.sentence(report.verified_at),
    )


def _print_style(report: CaptureReport, picture: PictureCopy | None, digest: str) -> str:
    """Return the head and foot of each sheet, and how the pieces of the picture join on screen."""
    address = html.shorten_middle(_text(report, "what.requested_url"), _MAX_SHOWN)
    head = " · ".join(filter(None, (_text(report, "what.exhibit"), report.bundle_id, address)))
    groups = " ".join(digest[at : at + 4] for at in range(0, 16, 4))
    style = html.print_margins(head, tr("SHA-256 of report.json: {groups} …", groups=groups),
    )  # fmt: skip
    if picture is not None and picture.overlap and picture.width:
        hidden = picture.overlap * 100 / picture.width
        style += f"@media screen {{ .piece + .piece {{ margin-top: -{hidden:.4f}%; }} }}\n"
    return style


def _text(report: CaptureReport, path: str) -> str:
    found = report.find(path)
    return found.value if isinstance(found, Field) and isinstance(found.value, str) else ""


def _of(report: CaptureReport, *keys: str) -> list[Statement]:
    return [statement for statement in report.statements if statement.key in keys]


def _questions(report: CaptureReport) -> list[_Said]:
    asked = (
        (tr("Is the page there?"), ("page",)),
        (tr("Is the capture whole?"), ("whole",)),
        (tr("Is the proof intact?"), ("proof",)),
        (tr("Who captured"), ("operator", "signed")),
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
            if item.kind is Kind.BLOCK or is_long:
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
        if block.presence is not Presence.ABSENT:
            yield _Part(block=block)


def _absent(group: Group) -> list[str]:
    """Return the terms of the fields that nothing states."""
    return [
        item.term
        for item in group.items
        if isinstance(item, Field) and item.presence is Presence.ABSENT and not item.note
    ]


def _cells(table: Table, row: Row) -> list[tuple[Column, Value, list[tuple[Column, Value]]]]:
    """Return the cells of a row, each with the values that stand below it."""
    pairs = list(zip(table.columns, row.values, strict=True))
    return [
        (
            column,
            value,
            [pair for pair in pairs if pair[0].under == column.key and pair[1] not in (None, "")],
        )
        for column, value in pairs
        if not column.under
    ]


def _moment(value: Value, local: Any) -> ShownTime | None:
    """Return an instant as a page shows it; None of a text that is no instant."""
    try:
        shown: ShownTime = local(parse_instant(value))
    except EvidenceInvalid:
        return None
    return shown


def _source_text(source: Source, bundle_id: str) -> str:
    """Return a source as the page names it: a pointer alone is in the capture record."""
    bundle = f"{bundle_id.removesuffix('.wacz')}.wacz"
    if source.file == RECORD:
        return f"#{source.pointer}"
    if source.file == bundle:
        return tr("the bundle")
    file = source.file.removeprefix(f"{bundle}.")
    return f"{file}#{source.pointer}" if source.pointer else file


def _explained(findings: Sequence[Finding]) -> Iterator[tuple[str, str, str]]:
    """Yield the code, the meaning and the remedy of each check that did not pass, once."""
    seen = set()
    for finding in findings:
        if finding.verdict is not Verdict.PASSED and finding.code not in seen:
            seen.add(finding.code)
            text = sentences.FINDINGS[finding.code]
            yield finding.code.value, text.meaning, text.remedy
