"""Write the values of reports about captures: as JSON, and for the macros of their pages."""

from typing import Any, Final

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats.canonical_json import JsonValue, parse_instant
from snapshotter.model.capture_report import (
    Basis,
    Column,
    Field,
    Row,
    Source,
    Table,
    Value,
    Withheld,
)
from snapshotter.report.local_time import LocalTime, ShownTime
from snapshotter.translation import tr

RECORD: Final = "capture/capture.json"
BASIS_WORDS: Final = {
    Basis.VERIFIED: tr("verified"),
    Basis.STATED: tr("stated, signed"),
    Basis.UNVERIFIED: tr("stated, not signed"),
}


def page_values(local: LocalTime) -> dict[str, Any]:
    """Return what the macros of `report_values.html.j2` use."""
    return {
        "cells": _cells,
        "columns": lambda table: [column for column in table.columns if not column.under],
        "has_mixed_basis": lambda table: len({row.basis for row in table.rows}) > 1,
        "moment": _moment,
        "source": _source_text,
        "when": local.show,
        "words": BASIS_WORDS,
    }


def item_json(item: Field | Table) -> JsonValue:
    """Return a field or a table as JSON (docs/spec/report.md)."""
    if isinstance(item, Field):
        made: dict[str, JsonValue] = {
            "basis": item.basis.value,
            "kind": item.kind.value,
            "presence": item.presence.value,
            "source": source_json(item.source),
            "term": item.term,
            "value": value_json(item.value),
        }
        if item.note:
            made["note"] = item.note
        return made
    return {
        "columns": [
            {"key": column.key, "kind": column.kind.value, "term": column.term}
            | ({"basis": column.basis.value} if column.basis is not None else {})
            for column in item.columns
        ],
        "rows": [
            {
                "basis": row.basis.value,
                "source": source_json(row.source),
                "values": {
                    column.key: value_json(value)
                    for column, value in zip(item.columns, row.values, strict=True)
                },
            }
            for row in item.rows
        ],
        "source": source_json(item.source),
        "term": item.term,
        "total": item.total,
    }


def value_json(value: Value) -> JsonValue:
    """Return a value as JSON."""
    if isinstance(value, Withheld):
        return {"committed": value.committed}
    return list(value) if isinstance(value, tuple) else value


def source_json(source: Source) -> dict[str, JsonValue]:
    """Return a source as JSON."""
    return {"file": source.file, "pointer": source.pointer}


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
