"""Show where the exhibits of a case contain words."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from snapshotter.app.archive.lookup import search as searching
from snapshotter.app.archive.reports.case.material import INDEX, CaseMaterial, CaseSearch
from snapshotter.index.query import And, Query, parse
from snapshotter.model.capture_report import (
    Basis,
    Column,
    Group,
    Row,
    Source,
    Table,
)
from snapshotter.translation import tr

_MAX_HITS: Final = 1_000  # captures of one search that are read together
_EXCERPT: Final = 240  # characters


def search_groups(
    of: CaseMaterial, searches: Sequence[CaseSearch], named: frozenset[str]
) -> list[Group]:
    """Return the hits of each search, as one group; none without a search."""
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


def _search(of: CaseMaterial, search: CaseSearch, key: str, named: frozenset[str]) -> Table:
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
