"""Annotations as tasks: by the person who requested them, and once, whatever is interrupted."""

from dataclasses import replace
from pathlib import Path

import pytest

from snapshotter.app.archive import annotations
from snapshotter.app.archive.annotations import AnnotationService, ChainEnd
from snapshotter.app.archive.organising import cases
from snapshotter.app.tasks.annotate import AnnotateServices, annotate
from snapshotter.app.tasks.context import TaskContext
from snapshotter.app.tasks.kinds import (
    AnnotateArguments,
    AnnotationAction,
    kind_of,
    parse_arguments,
)
from snapshotter.app.upkeep.quarantine import QuarantineService
from snapshotter.errors import SnapshotterError, UsageMistake
from snapshotter.formats.canonical_json import plain
from snapshotter.model.annotations import Annotation, AnnotationAuthor, ReviewDecision
from snapshotter.model.person import Person
from snapshotter.model.task import ClaimedTask, TaskLane, TaskRequest, TaskResult
from snapshotter.ports import Signer
from snapshotter.store.filesystem import DirectoryStore
from tests.annotated import ONE, TWO, service_on

WHO = Person(name="B. Reader", role="reviewer", commitment="sha256:" + "ab" * 32)


class _Reports:
    def __init__(self) -> None:
        self.noted = ""

    def step(self, text: str, position: int = 0, total: int = 0) -> None:
        return

    def note(self, resume: str) -> None:
        self.noted = resume


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AnnotationService:
    # What is annotated here need not exist.
    monkeypatch.setattr(cases, "require_captures", lambda store, bundle_ids: None)
    return service_on(DirectoryStore(tmp_path / "store"))


def do(
    service: AnnotationService, arguments: AnnotateArguments, reports: _Reports, resume: str = ""
) -> TaskResult:
    claimed = ClaimedTask(
        request=TaskRequest(
            id="task-1",
            kind=kind_of(arguments).name,
            arguments=plain(arguments),
            person=WHO,
            lane=TaskLane.QUICK,
        ),
        attempt=2 if resume else 1,
        resume=resume,
    )
    read_again = parse_arguments(claimed.request.kind, claimed.request.arguments)
    assert isinstance(read_again, AnnotateArguments)
    services = AnnotateServices(annotations=lambda: service, quarantine=_no_quarantine)
    return annotate(services, read_again, TaskContext(claimed, reports, Path("unused")))


def _no_quarantine() -> QuarantineService:
    raise AssertionError("no quarantine is needed")


ANNOTATIONS = (
    AnnotateArguments(action=AnnotationAction.CREATE_CASE, case="harbour", text="A title"),
    AnnotateArguments(action=AnnotationAction.CREATE_CASE, case="harbour", bundle_ids=(ONE, TWO)),
    AnnotateArguments(action=AnnotationAction.ADD_TO_CASE, case="there", bundle_ids=(ONE, TWO)),
    AnnotateArguments(action=AnnotationAction.ADD_TAG, name="media", bundle_ids=(ONE, TWO)),
    AnnotateArguments(action=AnnotationAction.ADD_NOTE, text="a note", bundle_ids=(ONE,)),
    AnnotateArguments(action=AnnotationAction.ADD_NOTE, text="a note", case="there"),
    AnnotateArguments(action=AnnotationAction.MARK, name="graphic", bundle_ids=(ONE,)),
    AnnotateArguments(
        action=AnnotationAction.REVIEW, name="rejected", text="a wall", bundle_ids=(ONE, TWO)
    ),
    AnnotateArguments(action=AnnotationAction.CLOSE_CASE, case="there", text="it is over"),
)


class _Killed(Exception):
    pass


def records(service: AnnotationService, after: int) -> list[Annotation]:
    chain = annotations.read_chain(service.store)
    return [record for record in chain.records if record.number > after]


@pytest.mark.parametrize("arguments", ANNOTATIONS, ids=lambda found: found.action.value)
def test_an_attempt_after_an_interruption_records_nothing_twice(
    service: AnnotationService, arguments: AnnotateArguments
) -> None:
    cases.create_case(service, "there")
    reports = _Reports()

    def die(end: ChainEnd) -> None:
        raise _Killed

    with pytest.raises(_Killed):  # after the record is stored, and before the task ends
        do(replace(service, remember=die), arguments, reports)
    assert reports.noted == "1"
    stored = records(service, after=1)
    assert len(stored) == 1

    result = do(service, arguments, reports, reports.noted)
    again = do(service, arguments, reports, reports.noted)

    # A case with captures needs two records.
    wanted = 2 if arguments.case == "harbour" and arguments.bundle_ids else 1
    found = records(service, after=1)
    assert len(found) == wanted
    assert found[0] == stored[0]
    assert {record.author.name for record in found} == {"B. Reader"}
    assert {record.author.commitment for record in found} == {WHO.commitment}
    assert again.value["action"] == result.value["action"] == arguments.action.value


REVIEW = AnnotateArguments(action=AnnotationAction.REVIEW, name="accepted", bundle_ids=(ONE,))


def test_a_decision_about_an_older_state_is_refused(service: AnnotationService) -> None:
    other = replace(service, author=AnnotationAuthor(name="C. Other"))
    cases.add_tag(other, "media", [ONE, TWO])
    cases.add_note(other, "of another capture", bundle_ids=[TWO])

    with pytest.raises(SnapshotterError, match=r"nothing was recorded, because C\. Other changed"):
        do(service, replace(REVIEW, seen_record=0), _Reports())

    assert records(service, after=2) == []
    do(service, replace(REVIEW, seen_record=1), _Reports())
    assert [record.name for record in records(service, after=2)] == ["accepted"]


def test_of_two_writers_at_once_the_second_is_refused(service: AnnotationService) -> None:
    other = service_on(service.store, name="C. Other", seed="1")
    signer = service.signer()

    def lose_the_race() -> Signer:  # the other writer stores a record before this one is stored
        cases.review(other, ReviewDecision.REJECTED, [ONE], reason="a wall")
        return signer

    with pytest.raises(SnapshotterError, match=r"C\. Other changed"):
        do(replace(service, signer=lose_the_race), replace(REVIEW, seen_record=0), _Reports())

    assert [record.name for record in records(service, after=0)] == ["rejected"]


def test_an_attempt_after_an_interruption_finds_its_own_decision(
    service: AnnotationService,
) -> None:
    reports, conditional = _Reports(), replace(REVIEW, seen_record=0)
    do(service, conditional, reports)

    again = do(service, conditional, reports, reports.noted)

    assert again.value["records"] == [1]
    assert len(records(service, after=0)) == 1


@pytest.mark.parametrize("arguments", ANNOTATIONS, ids=lambda found: found.action.value)
def test_an_attempt_after_one_that_recorded_nothing_records_it(
    service: AnnotationService, arguments: AnnotateArguments
) -> None:
    cases.create_case(service, "there")

    do(service, arguments, _Reports(), resume="1")

    assert records(service, after=1)


def test_what_somebody_else_recorded_meanwhile_counts_for_nobody_else(
    service: AnnotationService,
) -> None:
    arguments = AnnotateArguments(
        action=AnnotationAction.ADD_NOTE, text="a note", bundle_ids=(ONE,)
    )
    cases.add_note(service, "a note", bundle_ids=(ONE,))  # by A. Example
    cases.add_note(replace(service, author=replace(service.author, name="B. Reader")),
                   "another note", bundle_ids=(ONE,))  # fmt: skip

    do(service, arguments, _Reports(), resume="0")

    assert len(records(service, after=0)) == 3


def test_the_same_note_of_two_tasks_is_recorded_twice(service: AnnotationService) -> None:
    arguments = AnnotateArguments(
        action=AnnotationAction.ADD_NOTE, text="a note", bundle_ids=(ONE,)
    )

    do(service, arguments, _Reports())
    do(service, arguments, _Reports())

    assert len(records(service, after=0)) == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"action": "review", "name": "perhaps"}, "perhaps"),
        ({"action": "review", "name": "rejected", "text": " "}, "needs a reason"),
        ({"action": "tag.add", "name": "media", "bundle_ids": []}, "no capture is selected"),
        ({"action": "case.create", "case": "No/Name"}, "the name of a case"),
    ],
)
def test_what_is_invalid_is_refused_in_a_sentence(
    service: AnnotationService, change: dict[str, object], words: str
) -> None:
    arguments = parse_arguments("annotate", {"bundle_ids": [ONE], **change})
    assert isinstance(arguments, AnnotateArguments)

    with pytest.raises(UsageMistake, match=words):
        do(service, arguments, _Reports())


@pytest.mark.parametrize(
    ("kind", "arguments", "words"),
    [
        ("dance", {}, "no task of the kind dance"),
        ("annotate", {}, "does not have the field action"),
        ("annotate", {"action": "tag.add", "bundle_ids": "x"}, "is not a list"),
        ("annotate", {"action": "tag.add", "more": 1}, "unknown fields: more"),
    ],
)
def test_arguments_of_another_form_are_refused(
    kind: str, arguments: dict[str, object], words: str
) -> None:
    with pytest.raises(SnapshotterError, match=words) as caught:
        parse_arguments(kind, arguments)

    assert caught.value.exit_code == 2
