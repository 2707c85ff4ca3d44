"""What the report about a day counts, names and leaves out."""

from datetime import UTC, timedelta
from typing import Any

import pytest

from snapshotter.app.archive.screens.day_report import Period, day_report
from snapshotter.formats.statements.gap import GapRecord
from snapshotter.index.values import CaptureRow
from snapshotter.model.annotation_state import AnnotationState, CaptureState, Decision
from snapshotter.model.assessment import Availability, Content
from snapshotter.model.gap import GapEvent
from snapshotter.model.job import CaptureJob, JobState, JobStatus
from snapshotter.model.takedown import Observation
from snapshotter.report import day
from snapshotter.report.day import DayEntry, DayReport
from snapshotter.report.local_time import LocalTime
from tests.fakes.world import START

DAY = timedelta(days=1)
PERIOD = Period(since=START, until=START + DAY)
GONE: dict[str, Any] = {"content": Content.NOTICE, "availability": Availability.UNAVAILABLE}
WALL: dict[str, Any] = {"content": Content.WALL, "availability": Availability.INCONCLUSIVE}
HOSTILE = "</td><script>alert(1)</script>\u202egpj.exe\x1b[2J"


def seen(name: str, minute: int, page: str = "", **fields: Any) -> Observation:
    at = START + timedelta(minutes=minute)
    given: dict[str, Any] = {
        "content": Content.CONTENT, "availability": Availability.AVAILABLE, "main_sha256": "a",
    }  # fmt: skip
    return Observation(
        bundle_id=name, sha256="", identity=page or name, url=f"https://news.example/{name}", at=at,
        began_at=at, **(given | fields),
    )  # fmt: skip


def made(*observations: Observation, **fields: Any) -> DayReport:
    """Return the report about these captures; those of the period have a row in the index."""
    rows = [
        CaptureRow(
            bundle_id=found.bundle_id, at=found.at, url=found.url, title=fields.get("title", ""),
            outcome="complete", reasons=(), problem="",
        )
        for found in observations
        if PERIOD.has(found.at)
    ]  # fmt: skip
    return day_report(
        fields.get("rows", rows), observations, fields.get("state", AnnotationState()),
        gaps=fields.get("gaps", ()), jobs=fields.get("jobs", ()), store="captures", period=PERIOD,
        now=START + DAY,
    )  # fmt: skip


def ids(entries: tuple[DayEntry, ...]) -> list[str]:
    return [entry.bundle_id for entry in entries]


def test_a_page_vanishes_once_with_the_capture_that_showed_it() -> None:
    of = made(
        seen("yesterday", -600, "p"), seen("wall", 10, "p", **WALL), seen("gone", 20, "p", **GONE),
        seen("still-gone", 30, "p", **GONE), seen("never-there", 40, "q", **GONE),
    )  # fmt: skip

    assert ids(of.vanished) == ["gone"]
    assert of.vanished[0].before == "yesterday"
    assert ids(of.captured) == ["wall", "gone", "still-gone", "never-there"]


def test_a_page_that_comes_back_is_named_and_no_change() -> None:
    of = made(seen("gone", -5, "p", **GONE), seen("back", 5, "p"))

    assert (ids(of.reappeared), ids(of.vanished), ids(of.changed)) == (["back"], [], [])


def test_a_change_is_of_the_text_of_the_same_kind_of_capture() -> None:
    of = made(
        seen("full", -9, "p"), seen("light", 1, "p", light=True, main_sha256="b"),
        seen("other", 2, "p", main_sha256="c"), seen("same", 3, "p", main_sha256="c"),
    )  # fmt: skip

    assert ids(of.changed) == ["other"]
    assert of.changed[0].before == "full"


def test_a_page_that_lost_its_text_is_a_possible_removal() -> None:
    of = made(seen("before", -9, "p"), seen("few", 9, "p", ambiguous=True, main_sha256="c"))

    assert ids(of.possible_removals) == ["few"]
    assert of.possible_removals[0].before == "before"
    assert ids(of.vanished) == []


def test_outcomes_and_unreadable_bundles_are_counted_apart() -> None:
    def row(name: str, outcome: str, problem: str = "") -> CaptureRow:
        return CaptureRow(
            bundle_id=name, at=START, url="", title="", outcome=outcome,
            reasons=("images-missing",), problem=problem,
        )  # fmt: skip

    of = made(rows=[row("a", "complete"), row("b", "partial"), row("c", "failed"),
                    row("d", "", "it is no bundle")])  # fmt: skip

    assert (of.complete, ids(of.partial), ids(of.failed)) == (1, ["b"], ["c", "d"])
    assert of.partial[0].detail == "images of the page are missing"
    assert "it is no bundle" in of.failed[1].detail


def test_a_job_that_made_no_bundle_is_a_failure_of_its_day() -> None:
    job = CaptureJob(id="j1", url="https://news.example/x", enqueued_at=START)
    statuses = [
        JobStatus(job=job, state=JobState.DEAD, ended_at=START + hours, error="no answer")
        for hours in (timedelta(hours=-1), timedelta(hours=1))
    ]

    of = made(jobs=statuses)

    assert [(entry.url, entry.detail) for entry in of.failed] == [
        ("https://news.example/x", "job j1: no answer")
    ]


@pytest.mark.parametrize(
    ("since", "until", "event", "count"),
    [
        (1, 2, GapEvent.MISSED, 1),
        (-2, 1, GapEvent.MISSED, 1),
        (-2, -1, GapEvent.MISSED, 0),
        (25, 26, GapEvent.MISSED, 0),
        (1, 2, GapEvent.PAUSED, 0),
    ],
)
def test_missed_visits_are_those_of_gaps_that_meet_the_day(
    since: int, until: int, event: GapEvent, count: int
) -> None:
    gap = GapRecord(
        gap_id="g", at=START, schedule="news", event=event, reason="no-worker", detail="", by="",
        since=START + timedelta(hours=since), until=START + timedelta(hours=until), missed=(),
        key_id="k",
    )  # fmt: skip

    assert len(made(gaps=[gap]).missed) == count


def test_a_capture_in_quarantine_is_counted_and_shown_nowhere() -> None:
    decision = Decision(number=1, name="quarantined", at=START, author="", role="", reason="")
    state = AnnotationState(captures={"gone": CaptureState(quarantine=decision)})
    of = made(seen("before", -9, "p"), seen("gone", 9, "p", **GONE), state=state)

    assert of.quarantined == 1
    assert "/gone" not in day.page(of, LocalTime(zone=UTC)).decode()
    assert "/gone" not in "\n".join(day.lines(of, LocalTime(zone=UTC)))
    assert "in quarantine and not shown: 1" in list(day.lines(of, LocalTime(zone=UTC)))


def test_the_mail_has_numbers_and_ids_and_no_address() -> None:
    of = made(seen("before", -9, "p"), seen("gone", 9, "p", **GONE))

    words = day.mail_summary(of, LocalTime(zone=UTC))

    assert ". Captures: 1. Pages that vanished: 1." in words
    assert words.startswith(day.heading(of, LocalTime(zone=UTC)))
    assert words.endswith("snapshotter open gone")
    assert "news.example" not in words


def test_a_day_on_which_nothing_happened_says_so() -> None:
    of = made()

    assert "No removal, change, failure or missed visit was found." in day.summary(of)
    assert "Nothing was captured in this period." in day.page(of, LocalTime(zone=UTC)).decode()


def test_titles_and_addresses_of_strangers_are_text() -> None:
    of = made(seen("before", -9, HOSTILE), seen("gone", 9, HOSTILE, **GONE), title=HOSTILE)

    text = day.page(of, LocalTime(zone=UTC)).decode()

    assert "<script" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert not set("\u202e\x1b") & set(text)


def test_a_period_ends_after_it_begins() -> None:
    with pytest.raises(ValueError, match="ends after"):
        Period(since=START, until=START)
