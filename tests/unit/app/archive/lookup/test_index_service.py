"""A server reads the index as it is, and a thread brings it up to date."""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from snapshotter.app.archive.lookup.index_service import ArchiveView, IndexNotReady, IndexService
from snapshotter.app.archive.observations import ObservationSource
from snapshotter.app.archive.organising import cases
from snapshotter.app.archive.screens.capture_list import CaptureFilters, list_captures
from snapshotter.errors import ServiceUnavailable
from snapshotter.index.store_index import Index
from tests.archived import Archive

_LONG_S = 60.0


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    made = Archive(tmp_path)
    yield made
    made.service.stop()


def shown(view: ArchiveView) -> list[str]:
    return [card.bundle_id for card in list_captures(view, CaptureFilters()).cards]


def test_nothing_is_shown_before_the_first_update(archive: Archive) -> None:
    with pytest.raises(ServiceUnavailable), archive.service.reading():
        pass


def test_a_capture_is_shown_after_the_next_update_and_not_before(archive: Archive) -> None:
    first = archive.put(0)
    archive.service.update()
    second = archive.put(1)

    with archive.service.reading() as view:
        assert shown(view) == [first]
    archive.service.update()
    with archive.service.reading() as view:
        assert shown(view) == [second, first]


def test_a_thread_updates_the_index_at_once_when_it_is_woken(archive: Archive) -> None:
    service = IndexService(
        archive.source,
        clock=archive.clock,
        is_trusted=lambda: lambda key_id: True,
        every_s=10 * _LONG_S,
    )
    service.start()
    try:
        assert service.wait_for_update(_LONG_S)
        added = archive.put(0)
        assert service.wait_for_update(_LONG_S)
        with service.reading() as view:
            assert shown(view) == [added]
    finally:
        service.stop()


def test_the_index_of_an_earlier_process_is_shown_until_the_first_update_is_complete(
    archive: Archive,
) -> None:
    first = archive.put(0)
    cases.add_tag(archive.annotations, "media", [first])
    noted = archive.service.update().synced_at
    archive.clock.advance(timedelta(hours=3))
    archive.put(1)
    is_seen, may_go_on = threading.Event(), threading.Event()
    opened = list[ObservationSource]()

    @contextlib.contextmanager
    def slow() -> Iterator[ObservationSource]:
        with archive.source() as source:
            opened.append(source)
            if len(opened) == 2:  # of the first update
                is_seen.set()
                assert may_go_on.wait(_LONG_S)
            yield source

    later = IndexService(slow, clock=archive.clock, is_trusted=lambda: lambda key_id: True)
    later.start()
    try:
        assert is_seen.wait(_LONG_S)
        with later.reading() as view:
            assert shown(view) == [first]
            assert view.state.synced_at == noted.replace(microsecond=0)
            tagged = list_captures(view, CaptureFilters(tag="media")).cards
            assert [card.bundle_id for card in tagged] == [first]
        may_go_on.set()
        assert later.wait_for_update(_LONG_S)
        with later.reading() as view:
            assert len(shown(view)) == 2
    finally:
        may_go_on.set()
        later.stop()


def test_a_bug_at_the_start_does_not_end_the_thread_of_the_index(archive: Archive) -> None:
    added = archive.put(0)
    failed = list[ObservationSource]()

    @contextlib.contextmanager
    def opened() -> Iterator[ObservationSource]:
        with archive.source() as source:
            if not failed:
                failed.append(source)
                raise RuntimeError("a bug")
            yield source

    service = IndexService(
        opened, clock=archive.clock, is_trusted=lambda: lambda key_id: True, every_s=10 * _LONG_S
    )
    service.start()
    try:
        assert service.wait_for_update(_LONG_S)
        with service.reading() as view:
            assert shown(view) == [added]
    finally:
        service.stop()


def test_it_is_counted_how_many_captures_were_read_for_a_new_index(archive: Archive) -> None:
    for number in range(3):
        archive.put(number)
    reads = list[int]()

    @contextlib.contextmanager
    def observed_source() -> Iterator[ObservationSource]:
        with archive.source() as source:
            yield replace(source, progress=lambda _: reads.append(_read_so_far(service)))

    service = IndexService(
        observed_source, clock=archive.clock, is_trusted=lambda: lambda key_id: True
    )
    service.update()

    assert reads[-1] == 3


def _read_so_far(service: IndexService) -> int:
    with pytest.raises(IndexNotReady) as raised, service.reading():
        pass
    return raised.value.read


def test_a_reader_whose_server_restarted_is_replaced_before_it_is_used(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.service.update()
    with archive.service.reading():
        pass
    opened = archive.opened
    monkeypatch.setattr(Index, "is_alive", lambda index: False)

    with archive.service.reading():
        pass

    assert archive.opened == opened + 1


def test_a_view_knows_how_old_it_is(archive: Archive) -> None:
    state = archive.service.update()
    archive.clock.advance(timedelta(minutes=3))

    assert state.age(archive.clock.now()) == timedelta(minutes=3)


def test_an_update_that_fails_leaves_the_last_view_and_is_named(archive: Archive) -> None:
    first = archive.put(0)
    service = archive.service
    service.update()
    index = archive.folder / "index.db"
    index.rename(archive.folder / "kept.db")
    index.mkdir()  # no database can be there
    service.start()
    try:
        assert not service.wait_for_update(_LONG_S)
    finally:
        service.stop()

    assert str(index) in service.problem
    assert service.state is not None
    index.rmdir()
    (archive.folder / "kept.db").rename(index)
    service.update()
    assert service.problem == ""
    with service.reading() as view:
        assert shown(view) == [first]


def test_annotations_of_the_last_update_are_shown_without_reading_the_store(
    archive: Archive,
) -> None:
    bundle_id = archive.put(0)
    cases.add_tag(archive.annotations, "media", [bundle_id])
    archive.service.update()

    with archive.service.reading() as view:
        (card,) = list_captures(view, CaptureFilters(tag="media")).cards

    assert card.tags == ("media",)


def test_annotations_are_read_again_only_if_the_store_has_others(archive: Archive) -> None:
    bundle_id = archive.put(0)
    cases.add_tag(archive.annotations, "one", [bundle_id])
    first = archive.service.update()
    second = archive.service.update()
    cases.add_tag(archive.annotations, "two", [bundle_id])
    third = archive.service.update()

    assert second.annotations is first.annotations
    assert list(third.annotations.capture(bundle_id).tags) == ["one", "two"]


def test_a_capture_with_a_notice_is_hidden_until_a_release_was_read(archive: Archive) -> None:
    hidden, other = archive.put(0), archive.put(1)
    archive.add_notice(hidden)
    archive.service.update()
    with archive.service.reading() as view:
        assert shown(view) == [other]  # nobody has read the notice yet
    archive.service.update()
    with archive.service.reading() as view:
        assert shown(view) == [other]

    archive.add_notice(hidden, is_release=True)
    archive.service.update()
    with archive.service.reading() as view:
        assert shown(view) == [other]  # the release is not read yet
    archive.service.update()
    with archive.service.reading() as view:
        assert shown(view) == [other, hidden]


def test_gaps_are_read_once(archive: Archive) -> None:
    archive.add_gap(0, "hourly")
    archive.add_gap(60, "hourly")

    first = archive.service.update()
    second = archive.service.update()

    assert [gap.schedule for gap in first.gaps] == ["hourly", "hourly"]
    assert second.gaps[0] is first.gaps[0]


def test_readers_share_open_sources_and_a_failed_reader_is_not_used_again(
    archive: Archive,
) -> None:
    archive.service.update()
    before = archive.opened
    for _ in range(5):
        with archive.service.reading():
            pass
    assert archive.opened == before + 1
    with pytest.raises(KeyError), archive.service.reading():
        raise KeyError
    with archive.service.reading():
        pass
    assert archive.opened == before + 2
    archive.clock.advance(timedelta(minutes=2))  # another process may have made the index again
    with archive.service.reading():
        pass
    assert archive.opened == before + 3


def test_a_server_that_restarted_costs_one_reader_and_not_each_that_was_open(
    archive: Archive,
) -> None:
    archive.service.update()
    with archive.service.reading(), archive.service.reading(), archive.service.reading():
        pass
    opened = archive.opened
    with pytest.raises(ServiceUnavailable), archive.service.reading():
        raise ServiceUnavailable("the connection is closed")

    with archive.service.reading(), archive.service.reading():
        pass

    assert archive.opened == opened + 2
