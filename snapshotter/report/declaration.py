"""
Write the draft of a declaration: as JSON, and as one HTML file that can be printed.

Both are made from the same value, `Declaration`. The HTML file has no script, loads nothing, and
contains text of strangers only escaped and isolated.
"""

from collections.abc import Iterator
from typing import Final

from snapshotter.formats import canonical_json
from snapshotter.formats.canonical_json import JsonValue
from snapshotter.model.capture_report import Field
from snapshotter.model.declaration import (
    NOT_PASSED,
    Blank,
    Declaration,
    DeclaredSelfTest,
    Item,
    Quoted,
    Section,
    Sentence,
)
from snapshotter.report import html
from snapshotter.report.local_time import LocalTime
from snapshotter.report.report_values import item_json, page_values, source_json, value_json
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

FORMAT: Final = "snapshotter-declaration/1"


def encode(declaration: Declaration) -> bytes:
    """Return the JSON file of a draft: canonical JSON (docs/spec/declaration.md)."""
    return canonical_json.dumps(as_json(declaration))


def as_json(declaration: Declaration) -> dict[str, JsonValue]:
    """Return the draft as JSON."""
    return {
        "blanks": blanks_json(declaration),
        "bundles": [
            {
                "bundle_id": bundle.bundle_id,
                "manifest_sha256": bundle.manifest_sha256 or None,
                "sha256": bundle.sha256,
                "trust": bundle.trust,
                "verdict": bundle.verdict.value,
            }
            for bundle in declaration.bundles
        ],
        "format": FORMAT,
        "sections": [_section_json(section) for section in declaration.sections],
        "self_test": _self_test_json(declaration.self_test),
        "verification": {
            "at": canonical_json.instant(declaration.verified_at),
            "software": declaration.software,
        },
        "zone": declaration.zone,
    }


def blanks_json(declaration: Declaration) -> list[JsonValue]:
    """Return the blanks of the draft, in their order."""
    return [
        {
            "bundle_id": blank.bundle_id or section.bundle_id or None,
            "key": blank.key,
            "number": blank.number,
            "options": list(blank.options),
            "section": section.number,
            "term": blank.term,
        }
        for section, blank in declaration.blanks
    ]


def _self_test_json(test: DeclaredSelfTest | None) -> JsonValue:
    if test is None:
        return None
    return {
        "ended_at": canonical_json.instant(test.ended_at),
        "file": test.file,
        "sha256": test.sha256,
        "software": test.software,
        "verdict": test.verdict.value,
    }


def _section_json(section: Section) -> JsonValue:
    return {
        "bundle_id": section.bundle_id or None,
        "items": [_item_json(item) for item in section.items],
        "key": section.key,
        "number": section.number,
        "term": section.term,
    }


def _item_json(item: Item) -> JsonValue:
    if isinstance(item, Blank):
        return {"blank": item.number, "key": item.key}
    if isinstance(item, Quoted):
        kind = "field" if isinstance(item.item, Field) else "table"
        return {"path": item.path, kind: item_json(item.item)}
    return {
        "basis": item.basis.value if item.basis is not None else None,
        "fields": list(item.fields),
        "key": item.key,
        "sources": [source_json(source) for source in item.sources],
        "text": item.text,
        "value": value_json(item.shown.value) if item.shown is not None else None,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """Items of a section that stand together: one sentence, blank or table, a list, or fields."""

    kind: str  # "sentence", "list", "fields", "table", "blank"
    items: tuple[Item, ...]


def page(declaration: Declaration, local: LocalTime, *, digest: str) -> bytes:
    """
    Return the draft as an HTML file.

    Args:
        digest: SHA-256 of the JSON file.
    """
    blanks = list(declaration.blanks)
    return html.render(
        "declaration.html.j2",
        ("base.css", "capture_report.css", "declaration.css"),
        "",
        end=_print_style(declaration, len(blanks)),
        blanks=blanks,
        digest=digest,
        not_passed=[
            item.text
            for section in declaration.sections
            for item in section.items
            if isinstance(item, Sentence) and item.key == NOT_PASSED
        ],
        of=declaration,
        parts=lambda section: list(_parts(section)),
        zone_sentence=local.sentence(declaration.verified_at),
        **page_values(local),
    )


def _print_style(declaration: Declaration, count: int) -> str:
    """Return the head and foot of each sheet."""
    first = declaration.bundles[0]
    head = tr("DRAFT of a declaration, blanks to fill: {count}", count=count)
    if len(declaration.bundles) > 1:
        return html.print_margins(
            head, tr("Bundles: {count}, section 1 names them", count=len(declaration.bundles))
        )
    groups = " ".join(first.sha256[at : at + 4] for at in range(0, 16, 4))
    return html.print_margins(
        head, tr("{bundle_id} · SHA-256: {groups} …", bundle_id=first.bundle_id, groups=groups)
    )


def _parts(section: Section) -> Iterator[_Part]:
    """Yield the items of a section, lists and fields that follow each other together."""
    together: list[Item] = []
    kind = ""
    for item in section.items:
        its_kind = _kind(item)
        if together and (its_kind != kind or kind not in ("list", "fields")):
            yield _Part(kind=kind, items=tuple(together))
            together = []
        kind = its_kind
        together.append(item)
    if together:
        yield _Part(kind=kind, items=tuple(together))


def _kind(item: Item) -> str:
    if isinstance(item, Blank):
        return "blank"
    if isinstance(item, Sentence):
        return "list" if item.is_listed else "sentence"
    return "fields" if isinstance(item.item, Field) else "table"
