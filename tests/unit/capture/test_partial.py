"""A body that is written down while it comes."""

from pathlib import Path

from snapshotter.capture.partial import PartialBody


def test_bytes_that_come_before_the_beginning_stand_behind_it(tmp_path: Path) -> None:
    body = PartialBody(tmp_path / "0.part", limit=100)
    body.add(b"two ")
    body.begin(b"one ")
    body.add(b"three")

    file = body.take()

    assert file is not None
    assert file.read_bytes() == b"one two three"
    assert (body.length, body.is_cut) == (13, False)


def test_no_more_than_the_limit_is_kept_and_the_cut_is_told(tmp_path: Path) -> None:
    body = PartialBody(tmp_path / "0.part", limit=5)
    body.begin(b"123")
    body.add(b"456")
    body.add(b"789")

    file = body.take()

    assert file is not None
    assert file.read_bytes() == b"12345"
    assert (body.length, body.is_cut) == (5, True)


def test_what_was_taken_does_not_change_any_more(tmp_path: Path) -> None:
    body = PartialBody(tmp_path / "0.part", limit=100)
    body.begin(b"one")
    file = body.take()
    body.add(b"two")

    assert file is not None
    assert file.read_bytes() == b"one"


def test_nothing_that_came_is_no_file(tmp_path: Path) -> None:
    body = PartialBody(tmp_path / "0.part", limit=100)
    body.begin(b"")

    assert body.take() is None
