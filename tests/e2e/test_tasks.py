"""Tasks of the console as a worker does them: with keys, as the person who requested them."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from snapshotter.app.settings import Settings, settings_from_values
from snapshotter.app.tasks import requests
from snapshotter.app.tasks.kinds import AnnotateArguments, AnnotationAction, TaskArguments
from snapshotter.app.wiring import tasks as wiring_tasks
from snapshotter.model.person import Person
from snapshotter.model.task import Task, TaskState
from tests.e2e.product import Installation
from tests.e2e.test_crash import running
from tests.e2e.test_worker import heard

pytestmark = [pytest.mark.e2e, pytest.mark.long]
WHO = Person(name="A. Example", role="editor")
_S = 60.0  # for anything that is waited for, on a busy machine


def settings_of(installation: Installation) -> Settings:
    """Return the settings of an installation, as the process that serves pages reads them."""
    return settings_from_values(
        {
            "data_dir": str(installation.data),
            "spool_dir": str(installation.spool),
            "store": str(installation.store),
        }
    )


def followed(settings: Settings, task_id: str, wanted: Callable[[Task], bool]) -> Task:
    """Wait until a task is as wanted, and return it."""
    end = time.monotonic() + _S
    with wiring_tasks.command_tasks(settings) as service:
        while not wanted(task := requests.find(service, task_id)):
            assert time.monotonic() < end, task
            time.sleep(0.02)
    return task


def submitted(settings: Settings, arguments: TaskArguments) -> str:
    with wiring_tasks.command_tasks(settings) as service:
        return requests.submit(service, arguments, person=WHO)


def test_a_worker_records_what_the_console_requests_and_a_kill_loses_nothing(
    installation: Installation,
) -> None:
    settings = settings_of(installation)
    case = AnnotateArguments(
        action=AnnotationAction.CREATE_CASE, case="harbour", text="The harbour wall"
    )
    first = submitted(settings, case)
    assert not (installation.data / "keys").exists()  # who submits a task needs no key

    with running(installation, "worker", "--json") as worker:
        heard(worker, "task.done")
        done = followed(settings, first, lambda task: task.state.over)
        assert (done.state, done.failure) == (TaskState.DONE, None)
        note = AnnotateArguments(
            action=AnnotationAction.ADD_NOTE, case="harbour", text="seen at the quay"
        )
        # The worker is killed while the task waits or runs: whatever it was, it is done once.
        second = submitted(settings, note)
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait(30)
    with running(installation, "worker", "--json") as worker:
        assert followed(settings, second, lambda task: task.state.over).state is TaskState.DONE
        again = submitted(settings, case)
        refused = followed(settings, again, lambda task: task.state.over)
        worker.terminate()
        assert worker.wait(60) == 0

    assert refused.failure is not None
    assert refused.failure.error == "the case harbour exists already"
    assert "another name" in refused.failure.hint
    shown = installation.run("case", "show", "harbour", "--json").object
    assert shown["title"] == "The harbour wall"
    assert [(found["author"], found["role"], found["text"]) for found in shown["notes"]] == [
        ("A. Example", "editor", "seen at the quay")
    ]
    assert installation.run("case", "check", "--json").code == 0
    assert list(Path(settings.data_dir / "tasks").iterdir())  # the id of the data directory
