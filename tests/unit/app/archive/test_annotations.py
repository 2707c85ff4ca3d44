"""The annotation chain of a store: written by several people, damaged, erased from."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO

import pytest
from typing_extensions import override

from snapshotter.app.archive import annotation_checks, annotations
from snapshotter.app.archive.annotation_checks import ChainReport
from snapshotter.app.archive.annotations import AnnotationService, ChainEnd
from snapshotter.app.archive.observations import ObservationSource, read_annotations
from snapshotter.app.archive.organising import cases
from snapshotter.errors import SnapshotterError
from snapshotter.formats.bundle import store_keys
from snapshotter.formats.statements import annotation
from snapshotter.index.open_index import open_index_file
from snapshotter.index.store_index import Index
from snapshotter.model.annotation_state import AnnotationState
from snapshotter.model.annotations import Annotation, AnnotationKind, NewAnnotation
from snapshotter.model.finding import Verdict
from snapshotter.policy import page_identity
from snapshotter.store.filesystem import DirectoryStore
from tests.annotated import ONE, TWO, service_on
from tests.fakes.world import FixedClock


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "store")


class _Killed(FixedClock):
    """Ends `append` after the text is stored and before the record is, as a kill does."""

    @override
    def now(self) -> datetime:
        raise KeyboardInterrupt


def _tag(name: str, *bundles: str) -> Callable[[AnnotationState], NewAnnotation]:
    return lambda state: NewAnnotation(
        kind=AnnotationKind.TAG_ADDED, bundles=bundles or (ONE,), name=name
    )


def _note(service: AnnotationService, text: str) -> int:
    added, _ = annotations.append(
        service,
        lambda state: NewAnnotation(kind=AnnotationKind.NOTE_ADDED, bundles=(ONE,)),
        text=text,
    )
    assert added is not None
    return added.number


def _check(store: DirectoryStore, seen: ChainEnd | None = None) -> ChainReport:
    return annotation_checks.check(store, is_trusted=lambda key_id: True, seen=seen)


def _source(store: DirectoryStore, index: Index, seen: ChainEnd | None = None) -> ObservationSource:
    return ObservationSource(
        store=store,
        index=index,
        rules=page_identity.shipped_identity_rules(),
        seen_annotation=lambda: seen,
    )


def _file(store: DirectoryStore, key: str) -> Path:
    return Path(store.url) / key


def _codes(report: ChainReport) -> list[str]:
    return [finding.code for finding in report.findings]


def test_each_record_continues_the_one_before(store: DirectoryStore) -> None:
    ends: list[ChainEnd] = []
    one, other = service_on(store, ends=ends), service_on(store, name="B. Example", seed="1")

    annotations.append(one, _tag("media"))
    annotations.append(other, _tag("harbour", TWO))
    annotations.append(one, _tag("谣言"))

    chain = annotations.read_chain(store)
    assert [record.author.name for record in chain.records] == [
        "A. Example", "B. Example", "A. Example",
    ]  # fmt: skip
    assert [r.previous for r in chain.records[1:]] == [r.sha256 for r in chain.records[:-1]]
    assert ends[-1] == ChainEnd(number=3, sha256=chain.records[-1].sha256)
    assert list(chain.state().capture(ONE).tags) == ["media", "谣言"]
    report = _check(store, ends[-1])
    assert (report.verdict, report.records, len(report.keys)) == (Verdict.PASSED, 3, 2)


def test_a_writer_who_loses_the_race_takes_the_next_number(store: DirectoryStore) -> None:
    loser = service_on(store)
    winner = service_on(store, seed="1")
    seen: list[list[str]] = []

    def decide(state: AnnotationState) -> NewAnnotation:
        seen.append(list(state.capture(ONE).tags))
        if len(seen) == 1:  # meanwhile
            annotations.append(winner, _tag("first"))
        return _tag("second")(state)

    added, _ = annotations.append(loser, decide)

    assert added is not None
    assert added.number == 2
    assert seen == [[], ["first"]]
    assert _check(store).verdict is Verdict.PASSED


def test_nothing_is_recorded_when_nothing_changes(store: DirectoryStore) -> None:
    added, _ = annotations.append(service_on(store), lambda state: None, text="why")

    assert added is None
    assert list(store.list("annotations/")) == []
    assert _check(store).verdict is Verdict.INDETERMINATE  # no record: nothing was shown


def test_a_record_that_was_removed_or_replaced_is_found(store: DirectoryStore) -> None:
    ends: list[ChainEnd] = []
    service = service_on(store, ends=ends)
    for number in range(4):
        annotations.append(service, _tag(f"tag {number}"))
    second = _file(store, store_keys.annotation_key(2))
    fourth = _file(store, store_keys.annotation_key(4))
    data = second.read_bytes()

    second.unlink()
    assert "record 2 is missing" in _check(store).findings[0].detail
    second.write_bytes(data.replace(b"tag 1", b"tag 9"))
    assert "record 2 is damaged" in _check(store).findings[0].detail
    second.write_bytes(data)
    assert _check(store, ends[-1]).verdict is Verdict.PASSED

    fourth.unlink()
    assert _check(store).verdict is Verdict.PASSED  # nothing in the store shows it
    assert _codes(_check(store, ends[-1])) == ["removed"]
    annotations.append(service_on(store, seed="2"), _tag("in its place"))
    assert _codes(_check(store, ends[-1])) == ["replaced"]


def test_one_object_with_the_highest_number_costs_nothing_and_is_named(
    store: DirectoryStore,
) -> None:
    annotations.append(service_on(store), _tag("media"))
    key = store_keys.annotation_key(store_keys.LAST_ANNOTATION)
    _file(store, key).write_bytes(b"{}")

    chain = annotations.read_chain(store)

    assert len(chain.records) == 1
    assert chain.problems[0] == "records 2 to 99999998 are missing"
    assert len(chain.problems) == 2
    with pytest.raises(SnapshotterError, match=f"{key} in .* has the highest number"):
        annotations.append(service_on(store), _tag("harbour"))
    _file(store, key).unlink()
    assert annotations.append(service_on(store), _tag("harbour"))[0] is not None


def test_a_damaged_record_does_not_stop_the_next_one(store: DirectoryStore) -> None:
    service = service_on(store)
    annotations.append(service, _tag("a"))
    _file(store, store_keys.annotation_key(2)).write_bytes(b"junk")

    added, _ = annotations.append(service, _tag("b"))

    assert added is not None
    assert added.number == 3
    assert list(annotations.read_chain(store).state().capture(ONE).tags) == ["a", "b"]
    assert _check(store).verdict is Verdict.FAILED


def test_a_record_by_an_unknown_key_is_named(store: DirectoryStore) -> None:
    annotations.append(service_on(store), _tag("a"))

    report = annotation_checks.check(store, is_trusted=lambda key_id: False, seen=None)

    assert (report.verdict, _codes(report)) == (Verdict.INDETERMINATE, ["unknown-key"])


def test_a_text_is_erased_and_the_chain_stays_valid(store: DirectoryStore) -> None:
    service = service_on(store)
    number = _note(service, "names a minor")
    _note(service, "the caption is wrong")
    assert b"minor" in b"".join(file.read_bytes() for file in Path(store.url).rglob("*.json"))

    erased = annotations.erase_text(service, number, order="12 O 345/26", reason="by order")

    assert erased is not None
    assert b"minor" not in b"".join(
        file.read_bytes() for file in Path(store.url).rglob("*") if file.is_file()
    )
    assert [note.text for note in annotations.read_chain(store).state().capture(ONE).notes] == [
        None,
        "the caption is wrong",
    ]
    assert _check(store).verdict is Verdict.PASSED
    assert annotations.erase_text(service, number, order="again", reason="again") is None
    with pytest.raises(SnapshotterError, match="no text"):
        annotations.erase_text(service, 99, order="x", reason="y")


def test_an_erasure_that_was_interrupted_is_named_and_completed(store: DirectoryStore) -> None:
    service = service_on(store)
    number = _note(service, "names a minor")
    text = annotations.read_chain(store).records[0].text
    file = _file(store, store_keys.annotation_text_key(text))
    data = file.read_bytes()
    annotations.erase_text(service, number, order="12 O 345/26", reason="by order")
    file.write_bytes(data)  # as a kill before the deletion leaves it

    assert _codes(_check(store)) == ["text-not-erased"]
    annotations.erase_text(service, number, order="12 O 345/26", reason="by order")
    assert _check(store).verdict is Verdict.PASSED


def test_a_text_that_is_missing_or_changed_is_found(store: DirectoryStore) -> None:
    _note(service_on(store), "the caption is wrong")
    file = next(Path(store.url, "annotations/texts").iterdir())
    value = json.loads(file.read_bytes())

    file.write_text(json.dumps(value | {"text": "the caption is right"}))
    assert _codes(_check(store)) == ["text-damaged"]
    file.unlink()
    assert _codes(_check(store)) == ["text-missing"]


def test_a_kill_before_the_record_leaves_a_readable_chain(store: DirectoryStore) -> None:
    service = service_on(store)
    _note(service, "kept")
    interrupted = replace(service, clock=_Killed())
    with pytest.raises(KeyboardInterrupt):
        _note(interrupted, "left over")

    report = _check(store)

    assert (report.verdict, _codes(report)) == (Verdict.INDETERMINATE, ["text-without-record"])
    (record,) = annotations.read_chain(store).records

    left = Path(report.findings[0].subject).stem
    with pytest.raises(SnapshotterError, match="belongs to a record"):
        annotations.erase_unrecorded_text(service, record.text.removeprefix("sha256:"))
    annotations.erase_unrecorded_text(service, left)
    with pytest.raises(SnapshotterError, match="has no text"):
        annotations.erase_unrecorded_text(service, left)
    assert _check(store).verdict is Verdict.PASSED


def test_a_record_that_is_dated_before_the_one_before_it_is_named(store: DirectoryStore) -> None:
    now = FixedClock().now()
    annotations.append(replace(service_on(store), clock=FixedClock(now)), _tag("a"))
    late = FixedClock(now - timedelta(minutes=59))
    annotations.append(replace(service_on(store), clock=late), _tag("b"))
    assert _check(store).verdict is Verdict.PASSED

    backdated = FixedClock(now - timedelta(hours=3))
    annotations.append(replace(service_on(store), clock=backdated), _tag("c"))
    report = _check(store)
    assert report.verdict is Verdict.INDETERMINATE
    assert [(found.code, found.subject) for found in report.findings] == [("time", "record 3")]


def test_a_missing_exhibit_is_named(store: DirectoryStore) -> None:
    service = service_on(store)
    annotations.append(
        service, lambda state: NewAnnotation(kind=AnnotationKind.CASE_CREATED, case="harbour")
    )
    annotations.append(
        service,
        lambda state: NewAnnotation(
            kind=AnnotationKind.CASE_ADDED, case="harbour", bundles=(ONE, TWO), exhibits=(1, 2)
        ),
    )

    report = annotation_checks.check(
        store, is_trusted=lambda key_id: True, seen=None, bundles=[ONE]
    )

    assert [(finding.code, finding.subject) for finding in report.findings] == [
        ("capture-missing", TWO)
    ]


def test_an_index_has_each_object_read_once_and_forgets_what_was_erased(
    store: DirectoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = service_on(store)
    annotations.append(service, _tag("urgent"))
    number = _note(service, "a name")
    opened = list[str]()
    whole = store.open

    def counting(key: str) -> BinaryIO:
        opened.append(key)
        return whole(key)

    monkeypatch.setattr(store, "open", counting)
    with open_index_file(tmp_path / "index.db") as index:

        def read() -> tuple[list[str], int]:
            opened.clear()
            state = read_annotations(_source(store, index))
            count = len(opened)
            assert state == annotations.read_chain(store).state()
            return [note.text for note in state.capture(ONE).notes if note.text], count

        assert read() == (["a name"], 3)
        assert read() == (["a name"], 1), "the newest record"

        annotations.erase_text(service, number, order="order 7", reason="")
        assert read()[0] == []
        assert not any(b"a name" in data for data in index.annotation_objects().values())


def test_what_is_missing_in_the_chain_becomes_a_problem_of_the_source(
    store: DirectoryStore, tmp_path: Path
) -> None:
    ends: list[ChainEnd] = []
    service = service_on(store, ends=ends)
    for name in ("one", "two"):
        annotations.append(service, _tag(name))
    number = _note(service, "a name")
    chain = annotations.read_chain(store)
    text = _file(store, store_keys.annotation_text_key(chain.records[-1].text))

    with open_index_file(tmp_path / "index.db") as index:
        source = _source(store, index, seen=ends[-1])

        def problems() -> list[str]:
            read_annotations(source)
            return source.annotation_problems

        assert problems() == []
        text.unlink()
        assert problems() == ["the text of record 3 is missing or damaged"]
        annotations.erase_text(service, number, order="order 7", reason="")
        assert problems() == []
        _file(store, store_keys.annotation_key(1)).unlink()
        assert problems() == ["record 1 is missing"]
        for last in (2, 3, 4):
            _file(store, store_keys.annotation_key(last)).unlink()
        assert problems() == ["records that this machine has seen were removed or replaced"]


def test_cases_are_read_without_the_records_of_other_kinds(
    store: DirectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = service_on(store)
    cases.create_case(service, "harbour", title="The harbour")
    cases.create_case(service, "market")
    annotations.append(service, _tag("urgent"))
    objects = annotations.read_chain(store).objects
    parsed, real = list[int](), annotation.parse

    def parse(data: bytes, number: int) -> Annotation:
        parsed.append(number)
        return real(data, number)

    monkeypatch.setattr(annotation, "parse", parse)
    found = [("harbour", "The harbour"), ("market", "")]
    assert list(annotations.read_cases(store, {})) == found
    assert len(parsed) == 2
    assert list(annotations.read_cases(store, objects)) == found
    assert list(annotations.read_cases(None, objects)) == found
    assert len(parsed) == 2


def test_an_index_of_another_store_or_a_damaged_row_gives_no_false_annotation(
    store: DirectoryStore, tmp_path: Path
) -> None:
    other = DirectoryStore(tmp_path / "other")
    annotations.append(service_on(store), _tag("one"))
    annotations.append(service_on(other, seed="1"), _tag("two"))

    with open_index_file(tmp_path / "index.db") as index:
        for used, tag in ((store, "one"), (other, "two"), (store, "one")):
            state = read_annotations(_source(used, index))
            assert list(state.capture(ONE).tags) == [tag]
        annotations.append(service_on(store), _tag("three"))
        read_annotations(_source(store, index))
        for damage in (b"\xff", b"{}\n{}", b"[]\n[]", b""):
            with index.database.writing():
                index.database.execute(
                    "UPDATE annotation SET data = ? WHERE key = ?",
                    (damage, store_keys.annotation_key(1)),
                )
            state = read_annotations(_source(store, index))
            assert list(state.capture(ONE).tags) == ["one", "three"]
            assert damage not in index.annotation_objects().values()


def test_a_damaged_record_is_not_kept_in_an_index(store: DirectoryStore, tmp_path: Path) -> None:
    annotations.append(service_on(store), _tag("urgent"))
    file = _file(store, store_keys.annotation_key(1))
    file.chmod(0o644)
    file.write_bytes(b"{}")

    with open_index_file(tmp_path / "index.db") as index:
        source = _source(store, index)
        assert read_annotations(source).capture(ONE).tags == {}
        assert "record 1 is damaged" in source.annotation_problems[0]
        assert index.annotation_objects() == {}
