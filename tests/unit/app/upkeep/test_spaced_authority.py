"""An authority that asks for time between two requests, and gets it from all who share a note."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from snapshotter.app.upkeep.late_tokens import SpacedAuthority
from snapshotter.errors import ServiceUnavailable
from snapshotter.ports import Clock
from tests.fakes.world import FixedClock


class Answers:
    """An authority that answers, and counts."""

    name = "spaced"

    def __init__(self, clock: FixedClock) -> None:
        self.at: list[datetime] = []
        self._clock = clock

    def stamp(self, message: bytes) -> tuple[bytes, datetime]:
        self.at.append(self._clock.now())
        return message, self._clock.now()


def spaced(answers: Answers, clock: Clock, note: Path, *, patient: bool = False) -> SpacedAuthority:
    """As another process has it: nothing is shared but the note."""
    return SpacedAuthority(answers, 15, clock, note, patient=patient)


def test_another_process_is_told_to_come_later(clock: FixedClock, tmp_path: Path) -> None:
    answers, note = Answers(clock), tmp_path / "below" / "spaced.next"

    spaced(answers, clock, note).stamp(b"one")
    with pytest.raises(ServiceUnavailable, match="15 s between two requests") as caught:
        spaced(answers, clock, note).stamp(b"two")
    clock.advance(timedelta(seconds=15))
    spaced(answers, clock, note).stamp(b"three")

    assert len(answers.at) == 2
    assert "snapshotter timestamp" in caught.value.hint


def test_whoever_is_patient_has_a_turn_of_their_own(
    clock: FixedClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, note = Answers(clock), tmp_path / "spaced.next"
    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)

    for _ in range(3):
        spaced(answers, clock, note, patient=True).stamp(b"x")

    assert waited == [pytest.approx(15), pytest.approx(30)]


@pytest.mark.parametrize("noted", ["", "nonsense", "9" * 99, "-1", "nan", "inf"])
def test_a_note_that_makes_no_sense_holds_nobody_up(
    clock: FixedClock, tmp_path: Path, noted: str
) -> None:
    answers, note = Answers(clock), tmp_path / "spaced.next"
    note.write_text(noted)

    spaced(answers, clock, note).stamp(b"x")
    with pytest.raises(ServiceUnavailable):
        spaced(answers, clock, note).stamp(b"x")


def test_where_nothing_can_be_noted_the_token_is_owed(clock: FixedClock, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(ServiceUnavailable, match="cannot be written"):
        spaced(Answers(clock), clock, tmp_path / "file" / "spaced.next").stamp(b"x")
