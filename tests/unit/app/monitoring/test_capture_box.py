"""A form with several addresses makes all of its captures, or none and says why."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine

from snapshotter.app.monitoring.capture_box import MOST, BoxInput, BoxResult, enqueue_box
from snapshotter.errors import ServiceUnavailable
from snapshotter.jobs.open_database import open_database
from snapshotter.jobs.queue.database_queue import DatabaseQueue
from snapshotter.model.annotation_state import AnnotationState, CaseState
from tests.fakes.world import START

FORM = BoxInput(
    addresses="https://one.example/\n\n# a comment\n  two.example/page \nhttps://one.example/\n",
    key="form-1",
)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Engine]:
    engine = open_database(str(tmp_path / "queue.db"))
    yield engine
    engine.dispose()


def _state() -> AnnotationState:
    case = CaseState(name="harbour", number=1, created_at=START, author="", title=None)
    return AnnotationState(cases={"harbour": case})


def send(database: Engine, given: BoxInput, requested_by: str = "A. Example") -> BoxResult:
    return enqueue_box(
        DatabaseQueue(database),
        given,
        requested_by=requested_by,
        now=START,
        policies_dir=None,
        annotations=_state,
    )


def test_each_line_is_a_capture(database: Engine) -> None:
    given = replace(FORM, policy="default", case="harbour", tags="media, northern quay,")

    result = send(database, given)

    assert result.mistakes == ()
    assert result.new == 2
    jobs = [status.job for status in DatabaseQueue(database).jobs()]
    assert [job.url for job in jobs] == ["https://one.example/", "https://two.example/page"]
    assert {job.policy for job in jobs} == {"default"}
    assert {job.origin for job in jobs} == {"console"}
    assert {job.tags for job in jobs} == {("media", "northern quay", "case:harbour")}


def test_a_form_that_is_sent_twice_makes_its_captures_once(database: Engine) -> None:
    first = send(database, FORM)
    again = send(database, FORM)
    others = [
        send(database, replace(FORM, key="form-2")),
        send(database, replace(FORM, tags="other")),
        send(database, FORM, requested_by="B. Example"),
    ]

    assert (first.new, again.new) == (2, 0)
    assert again.jobs == first.jobs
    assert [other.new for other in others] == [2, 2, 2]


def test_a_mistake_names_its_line_and_nothing_is_captured(database: Engine) -> None:
    given = BoxInput(
        addresses="https://one.example/\nftp://two.example/\n\nhttps://me:secret@three.example/",
        policy="no-such-policy",
        case="No such case",
        tags="with\ttab",
        key="x",
    )

    result = send(database, given)

    assert result.jobs == ()
    assert [mistake.field for mistake in result.mistakes] == [
        "addresses",
        "addresses",
        "policy",
        "tags",
        "case",
    ]
    lines = [mistake.sentence for mistake in result.mistakes]
    assert lines[0].startswith("Line 2: ")
    assert lines[1].startswith("Line 4: ")
    assert "secret" not in " ".join(lines)
    assert list(DatabaseQueue(database).jobs()) == []


@pytest.mark.parametrize("text", ["", " \n\n", "# only a comment"])
def test_an_empty_box_is_a_mistake(database: Engine, text: str) -> None:
    (mistake,) = send(database, BoxInput(addresses=text, key="x")).mistakes

    assert mistake.field == "addresses"


def test_a_long_list_is_refused_as_a_whole(database: Engine) -> None:
    text = "\n".join(f"https://example.org/{number}" for number in range(MOST + 1))

    (mistake,) = send(database, BoxInput(addresses=text, key="x")).mistakes

    assert str(MOST) in mistake.sentence


def test_a_queue_that_does_not_answer_is_no_mistake_of_the_form() -> None:
    class Down:
        def put(self, jobs: object) -> object:
            raise ServiceUnavailable("no database")

    with pytest.raises(ServiceUnavailable):
        enqueue_box(
            Down(),  # type: ignore[arg-type] # as far as this needs one
            FORM,
            requested_by="",
            now=START,
            policies_dir=None,
            annotations=_state,
        )
