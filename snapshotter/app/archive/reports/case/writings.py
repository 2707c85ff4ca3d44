"""Show what people wrote about a case, and what is left out."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from snapshotter.app.archive.organising.case_export_plan import count_writings, removed_numbers
from snapshotter.app.archive.reports.capture.evidence import ANNOTATIONS, instant
from snapshotter.app.archive.reports.case.material import CaseMaterial, number_field
from snapshotter.model.annotation_state import Decision, Note
from snapshotter.model.capture_report import (
    Basis,
    Column,
    Field,
    Group,
    Kind,
    Row,
    Source,
    Table,
)
from snapshotter.translation import tr


def writing_groups(of: CaseMaterial, named: frozenset[str]) -> list[Group]:
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
    of: CaseMaterial,
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


def left_out_items(of: CaseMaterial, named: frozenset[str]) -> Iterator[Field | Table]:
    """Yield which captures and how many writings the report leaves out."""
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
    yield number_field(
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
            yield number_field(group, terms[group], count, ANNOTATIONS)


def _written_counts(of: CaseMaterial) -> dict[str, int]:
    shown = {exhibit.bundle_id for exhibit in of.exhibits}
    captures = [found.capture for found in of.view.exhibits if found.bundle_id in shown]
    return count_writings(of.view.case, captures)
