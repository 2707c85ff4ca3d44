"""A visit in the history of a schedule: its outcome, its verdict, a possible removal."""

from datetime import UTC, datetime

from snapshotter.app.json_objects.schedules import entry_json
from snapshotter.assess.possible_removals import possible_removals
from snapshotter.cli.schedule_output import entry_line, possible_removal_line
from snapshotter.jobs.schedules.history import HistoryEntry
from snapshotter.model.assessment import AssessmentSummary, Availability, Cause, Content
from tests.unit.assess.test_possible_removals import few, seen


def test_a_visit_that_may_show_a_removal_is_marked_with_the_command_that_compares() -> None:
    (removal,) = possible_removals([seen(10), few(20)]).values()
    entry = HistoryEntry(at=removal.capture.at, url="https://news.example/1", kind="visit")

    assert entry_json(entry, removal)["suspicion"] == {"kind": "few-words", "last_seen": "b10"}
    assert entry_json(entry)["suspicion"] is None
    assert possible_removal_line(removal).endswith("snapshotter diff b10 b20")


def test_a_capture_in_quarantine_is_not_named_as_the_last_one_that_shows_the_page() -> None:
    (removal,) = possible_removals([seen(10), few(20)], hidden=["b10"]).values()
    entry = HistoryEntry(at=removal.capture.at, url="https://news.example/1", kind="visit")

    assert entry_json(entry, removal)["suspicion"] == {"kind": "few-words", "last_seen": None}
    assert possible_removal_line(removal).endswith("is in quarantine")
    assert possible_removals([seen(10), few(20)], hidden=["b20"]) == {}


def test_a_visit_has_its_outcome_and_what_its_page_shows() -> None:
    shown = AssessmentSummary(
        content=Content.NOTICE, availability=Availability.UNAVAILABLE, cause=Cause.AUTHOR
    )
    entry = HistoryEntry(
        at=datetime(2026, 11, 29, tzinfo=UTC), url="https://news.example/1", kind="visit",
        state="done", outcome="complete", bundle_id="b20",
    )  # fmt: skip

    line = entry_line(entry, shown)

    assert "  done  complete  not available (removal by the author)  http" in line
    verdict = entry_json(entry, None, shown)["verdict"]
    assert (verdict["availability"], verdict["cause"]) == ("unavailable", "author")
    assert entry_json(entry)["verdict"] is None
    assert "not available" not in entry_line(entry)
