"""Show the intervals in which pages of a case were removed."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from snapshotter.app.archive.reports.capture.evidence import instant
from snapshotter.app.archive.reports.case.material import EVENTS, INDEX, CaseMaterial
from snapshotter.assess.possible_removals import Suspicion, possible_removals
from snapshotter.assess.takedown_events import captures_of_event
from snapshotter.index.stored_events import StoredEvent
from snapshotter.model.capture_report import (
    Basis,
    Column,
    Kind,
    Row,
    Source,
    Table,
)
from snapshotter.model.takedown import TakedownKind, widen
from snapshotter.translation import tr
from snapshotter.verify.takedown import describe_event

_SUSPICIONS: Final = {
    Suspicion.FEW_WORDS: tr("Few other words are in the place of the text."),
    Suspicion.UNKNOWN_NOTICE: tr("The page shows a notice that no take-down rule matches."),
    Suspicion.NO_TEXT: tr("The page shows only the frame of its site, or nothing."),
}
REMOVALS_INTRO: Final = tr(
    "The time of a removal is an interval. The interval begins with the beginning of the last "
    "capture that shows the page, and ends with the end of the first capture that does not show "
    "the page. A signed take-down event follows from several captures by rules. A possible removal "
    "is only a sign, which a person must check: no rule matches, and nothing is signed."
)
_TAKEDOWN_EVENT: Final = tr("■ Signed take-down event")
CHANGE_EVENT: Final = tr("▲ Signed change event")


def removals_table(of: CaseMaterial) -> Table:
    """Return the signed events of the pages, and the possible removals."""
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
        source=Source(file=EVENTS if has_events else INDEX),
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


def _removal_rows(of: CaseMaterial) -> Iterator[tuple[datetime, Row]]:
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


def _event_row(of: CaseMaterial, kept: StoredEvent) -> Row:
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
            CHANGE_EVENT if event.kind is TakedownKind.CHANGED else _TAKEDOWN_EVENT,
            instant(begin), instant(end),
            f"{describe_event(event)}.", before, after, event.event_id, words,
        ),
        basis=Basis.STATED if trusted else Basis.UNVERIFIED,
        source=Source(file=kept.key),
    )  # fmt: skip
