"""A visit of a schedule whose capture may show a removal."""

from snapshotter.assess.possible_removals import possible_removals
from snapshotter.cli.schedule_output import entry_json, possible_removal_line
from snapshotter.jobs.schedules.history import HistoryEntry
from tests.unit.assess.test_possible_removals import few, seen


def test_a_visit_that_may_show_a_removal_is_marked_with_the_command_that_compares() -> None:
    (removal,) = possible_removals([seen(10), few(20)]).values()
    entry = HistoryEntry(at=removal.capture.at, url="https://news.example/1", kind="visit")

    assert entry_json(entry, removal)["suspicion"] == {"kind": "few-words", "last_seen": "b10"}
    assert entry_json(entry)["suspicion"] is None
    assert possible_removal_line(removal).endswith("snapshotter diff b10 b20")
