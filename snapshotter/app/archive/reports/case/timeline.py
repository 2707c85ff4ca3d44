"""Show the exhibits of a case between other captures of the same pages."""

import contextlib
from datetime import datetime
from typing import Final

from snapshotter.app.archive.observations import observations
from snapshotter.app.archive.reports.capture.evidence import instant
from snapshotter.app.archive.reports.case.material import INDEX, CaseMaterial, is_shown
from snapshotter.assess.possible_removals import possible_removals
from snapshotter.errors import SnapshotterError
from snapshotter.formats.bundle import store_keys
from snapshotter.model.capture_report import (
    Basis,
    Column,
    Kind,
    Row,
    Source,
    Table,
    Value,
)
from snapshotter.model.case_report import ReportedExhibit
from snapshotter.model.takedown import Observation
from snapshotter.report.capture_page import observation_label
from snapshotter.report.states import POSSIBLE_REMOVAL
from snapshotter.translation import tr

_MAX_OTHERS: Final = 500  # captures in the timeline that are no exhibits


def read_captures(of: CaseMaterial) -> None:
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


TIMELINE_INTRO: Final = tr(
    "All exhibits, and other captures of the same pages that the store has. A time is when the "
    "capture began, by the clock of the capturing machine. Only exhibits were verified for this "
    "report. The state of the other captures is what the index of the store has."
)


def timeline_table(of: CaseMaterial) -> Table:
    """Return all exhibits, and other captures of the same pages, in the order of time."""
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
        if capture.bundle_id not in numbers and is_shown(of, capture.bundle_id)
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
