"""Tasks of the console as a worker does them: with keys, as the person who requested them."""

import hashlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from snapshotter.app.settings import Settings, settings_from_values
from snapshotter.app.tasks import requests
from snapshotter.app.tasks.kinds import (
    AnnotateArguments,
    AnnotationAction,
    CaseExportArguments,
    TaskArguments,
)
from snapshotter.app.wiring import tasks as wiring_tasks
from snapshotter.model.person import Person
from snapshotter.model.task import Task, TaskState
from tests.console import running_console
from tests.e2e.product import Installation, kill, processes_of
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


def test_a_console_that_is_killed_in_the_middle_of_an_export_makes_it_when_it_runs_again(
    installation: Installation,
) -> None:
    settings = settings_of(installation)
    trust = installation.home / "trust.json"
    made = installation.run("trust", "init", str(trust))
    assert made.code == 0, made.err
    for command in (("keys", "init"), ("case", "create", "harbour")):
        assert installation.run(*command).code == 0
    installation.configure(trust_file=str(trust), trust_root_key=made.out.strip())

    with running_console(installation) as console:
        task_id = submitted(settings, CaseExportArguments(case="harbour"))
        followed(settings, task_id, lambda task: task.state is not TaskState.WAITING)
        everything = list(processes_of(installation, console.process.pid))
        kill([console.process.pid, *everything])
        console.process.wait(30)
    with running_console(installation):
        done = followed(settings, task_id, lambda task: task.state.over)

    assert (done.state, done.failure) == (TaskState.DONE, None)
    with wiring_tasks.command_tasks(settings) as service:
        path, file = requests.result_file(service, task_id, "harbour.zip")
        assert [task.id for task in service.tasks.newest(9)] == [task_id]
    assert hashlib.sha256(path.read_bytes()).hexdigest() == file.sha256
