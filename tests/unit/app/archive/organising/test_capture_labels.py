"""Labels of new captures become tags and cases."""

from pathlib import Path

import pytest

from snapshotter.app.archive import annotations
from snapshotter.app.archive.organising import cases
from snapshotter.app.archive.organising.capture_labels import label_captures, labels, require_cases
from snapshotter.errors import SnapshotterError
from snapshotter.store.filesystem import DirectoryStore
from tests.annotated import ONE, TWO, service_on


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "store")


def test_a_case_is_a_label_with_a_prefix() -> None:
    assert labels(["media", "谣言", "media"], ["harbour"]) == ("media", "谣言", "case:harbour")
    for tags, names in ((["a\nb"], []), ([], ["Harbour"])):
        with pytest.raises(ValueError, match="must have"):
            labels(tags, names)
    for tag in ("case:harbour", "Note：x", "tag:media"):
        with pytest.raises(ValueError, match="begins like a filter"):
            labels([tag], [])
    assert labels(["https://example.org", "ratio 3:4"], []) == ("https://example.org", "ratio 3:4")


def test_labels_become_tags_and_exhibits(store: DirectoryStore) -> None:
    service = service_on(store)
    cases.create_case(service, "harbour")

    assert label_captures(lambda: service, ("media", "case:harbour"), [ONE, TWO]) == ()
    assert label_captures(lambda: service, ("media", "case:harbour"), [ONE]) == ()  # again

    state = annotations.read_chain(store).state()
    assert state.cases["harbour"].captures == {ONE: 1, TWO: 2}
    assert list(state.capture(TWO).tags) == ["media"]
    assert len(annotations.read_chain(store).records) == 3


def test_a_label_that_cannot_be_recorded_stops_no_other(store: DirectoryStore) -> None:
    service = service_on(store)

    problems = label_captures(lambda: service, ("case:harbour", "a" * 65, "media"), [ONE])

    assert len(problems) == 2
    assert f"snapshotter case add harbour {ONE}" in problems[0]
    assert list(annotations.read_chain(store).state().capture(ONE).tags) == ["media"]


def test_without_a_label_nothing_is_opened() -> None:
    def fails() -> annotations.AnnotationService:
        raise AssertionError

    assert label_captures(fails, (), [ONE]) == ()
    assert label_captures(fails, ("media",), []) == ()


def test_a_case_has_to_exist_and_to_be_open_before_a_page_is_captured(
    store: DirectoryStore,
) -> None:
    service = service_on(store)
    with pytest.raises(SnapshotterError, match="does not exist"):
        require_cases(lambda: cases.read_state(store), ("media", "case:harbour"))
    cases.create_case(service, "harbour")
    require_cases(lambda: cases.read_state(store), ("media", "case:harbour"))
    cases.close_case(service, "harbour", reason="published")
    with pytest.raises(SnapshotterError, match="was closed"):
        require_cases(lambda: cases.read_state(store), ("case:harbour",))
