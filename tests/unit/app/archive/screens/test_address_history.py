"""The history of one page: captures, gaps and events in one order."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from snapshotter.app.archive.observations import observations
from snapshotter.app.archive.screens.address_history import (
    HistoryCapture,
    HistoryEvent,
    HistoryGap,
    address_history,
    neighbours,
)
from snapshotter.errors import SnapshotterError
from snapshotter.formats.bundle import store_keys
from snapshotter.formats.statements import takedown
from snapshotter.index.values import JobFacts
from snapshotter.model.assessment import Content, Undecided
from snapshotter.model.takedown import ConfirmRules, Takedown, TakedownKind
from tests import observed
from tests.archived import SIGNER, Archive
from tests.observed import ARTICLE, IDENTITY

HOURLY = JobFacts(schedule="hourly")


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    made = Archive(tmp_path)
    yield made
    made.service.stop()


def test_captures_gaps_and_events_are_in_the_order_of_time(archive: Archive) -> None:
    first = archive.put(0, job=HOURLY)
    archive.add_gap(60, "hourly")
    archive.add_gap(70, "daily")
    second = archive.put(120, observed.gone())
    archive.put(121, url=observed.OTHER)
    with archive.view() as view:
        seen, gone = observations(view.source, url=ARTICLE, sync=False)
    event = Takedown(
        event_id=f"{gone.at:%Y%m%dt%H%M%Sz}-k3v4q2m7xw4c5b6d",
        kind=TakedownKind.REMOVED,
        at=gone.at,
        identity=IDENTITY,
        url=ARTICLE,
        last_seen=seen,
        first_gone=gone,
        confirm=ConfirmRules(times=1, control=False),
    )
    archive.write(store_keys.takedown_key(event.event_id), takedown.encode(event, SIGNER))

    with archive.view() as view:
        history = address_history(view, ARTICLE)

    assert (history.identity, history.urls) == (IDENTITY, (ARTICLE,))
    assert [type(entry) for entry in history.entries] == [
        HistoryEvent,
        HistoryCapture,
        HistoryGap,
        HistoryCapture,
    ]
    assert [capture.card.bundle_id for capture in history.captures] == [second, first]
    assert [capture.verdict.shape for capture in history.captures] == ["■", "●"]
    shown = history.entries[0]
    assert isinstance(shown, HistoryEvent)
    assert shown.title == "The page was available. Later the page was not available."
    missed = history.entries[2]
    assert isinstance(missed, HistoryGap)
    assert (missed.record.visits, missed.record.schedule) == (2, "hourly")
    assert history.problems == ()


def test_a_change_of_the_text_is_shown_against_the_capture_before(archive: Archive) -> None:
    for minute, words in enumerate(["one", "one", "two"]):
        archive.put(minute, observed.available(main=words))
    archive.put(3, observed.wall())

    with archive.view() as view:
        captures = address_history(view, IDENTITY).captures

    assert [capture.is_changed for capture in captures] == [None, True, False, None]
    assert [capture.earlier for capture in captures] == [
        *(capture.card.bundle_id for capture in captures[1:]),
        "",
    ]


def test_a_possible_removal_is_marked(archive: Archive) -> None:
    archive.put(0)
    unknown = observed.wall()
    notice = replace(
        unknown,
        content=replace(unknown.content, kind=Content.NOTICE),
        takedown=replace(unknown.takedown, undecided=Undecided.UNKNOWN_NOTICE, wall=None),
    )
    archive.put(1, notice)

    with archive.view() as view:
        newest, oldest = address_history(view, ARTICLE).captures

    assert (newest.verdict.words, newest.verdict.shape) == ("Possible removal", "▲")
    assert newest.removal is not None
    assert newest.removal.last_seen.bundle_id == oldest.card.bundle_id


def test_a_long_history_comes_in_parts_which_leave_nothing_out(archive: Archive) -> None:
    ids = [archive.put(minute, job=HOURLY) for minute in (0, 60, 120, 180)]
    archive.add_gap(90, "hourly", minutes=5)
    archive.add_gap(30, "hourly", minutes=5)

    with archive.view() as view:
        first = address_history(view, ARTICLE, limit=2)
        second = address_history(view, ARTICLE, limit=2, before=first.next)

    assert [capture.card.bundle_id for capture in first.captures] == [ids[3], ids[2]]
    assert first.captures[1].earlier == ids[1]
    assert first.captures[1].is_changed is False
    assert [type(entry) for entry in first.entries] == [HistoryCapture] * 2
    assert [type(entry) for entry in second.entries] == [
        HistoryGap,
        HistoryCapture,
        HistoryGap,
        HistoryCapture,
    ]
    assert second.next == ""


def test_a_page_without_captures_has_an_empty_history(archive: Archive) -> None:
    with archive.view() as view:
        history = address_history(view, "https://nowhere.example/")
        with pytest.raises(SnapshotterError, match="not the address of a page"):
            address_history(view, "https://[")

    assert (history.captures, history.entries, history.title) == ((), (), "")


def test_the_captures_around_one_are_named_without_those_in_quarantine(archive: Archive) -> None:
    ids = [archive.put(minute) for minute in range(4)]
    archive.put(4, url=observed.OTHER)
    archive.add_notice(ids[2])

    with archive.view() as view:
        found = [neighbours(view, ids[number]) for number in (0, 1, 3)]
        unknown = neighbours(view, "20260101t000000z-k3v4q2m7xw4c5b6d")

    assert [(one.earlier, one.later) for one in found] == [
        ("", ids[1]),
        (ids[0], ids[3]),
        (ids[1], ""),
    ]
    assert {one.identity for one in found} == {IDENTITY}
    assert (unknown.identity, unknown.earlier, unknown.later) == ("", "", "")
