"""
Submit tasks, follow them, and find the files that they made.

The process that serves pages calls these use cases. They need no key.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Protocol

from snapshotter.app.tasks.kinds import (
    TaskArguments,
    VerifyArguments,
    kind_of,
    parse_arguments,
)
from snapshotter.errors import SnapshotterError
from snapshotter.formats.canonical_json import plain
from snapshotter.model.person import Person
from snapshotter.model.task import Task, TaskFile, TaskRequest, TaskState
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

MOST_BUNDLES: Final = 5_000  # captures of one task
_VERIFY: Final = kind_of(VerifyArguments(object_id="")).name
_NAME: Final = re.compile(r"[\w.=@+ -]{1,200}")


class TaskTable(Protocol):
    """
    The tasks of an installation, shared by all its processes.

    Each method raises ServiceUnavailable if the database does not answer.
    """

    def submit(self, request: TaskRequest, *, request_key: str = "") -> str:
        """Store a waiting task, and return its id; an earlier one for the same request key."""

    def get(self, task_id: str) -> Task | None:
        """Return a task; None if it does not exist."""

    def with_key(self, request_key: str) -> str | None:
        """Return the id of the task of a request key; None if the key is new."""

    def newest(self, limit: int, *, kind: str = "", before: str = "") -> Sequence[Task]:
        """
        Return the newest tasks of a kind, or of all kinds, the newest first.

        Args:
            before: Only tasks that are older than the one with this id.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskService:
    """What submitting and following tasks needs."""

    tasks: TaskTable
    new_id: Callable[[], str]  # ids sort by time
    place: Callable[[], str]  # the id of the data directory; made on first use
    folder: Path  # of the files of all tasks: FOLDER/TASK-ID/ATTEMPT/NAME


def submit(
    service: TaskService, arguments: TaskArguments, *, person: Person, request_key: str = ""
) -> str:
    """
    Submit a task, and return its id.

    Args:
        person: Who requests it. The author of annotations is this person.
        request_key: A name of this request; the same name again returns the same task.

    Raises:
        ServiceUnavailable: The database does not answer. The task may be stored.
        SnapshotterError: Too many captures, or the request key was used for another task.
    """
    kind = kind_of(arguments)
    if len(getattr(arguments, "bundle_ids", ())) > MOST_BUNDLES:
        raise SnapshotterError(
            tr("a task can be about at most {most} captures", most=MOST_BUNDLES),
            hint=tr("select fewer captures"),
        )
    return service.tasks.submit(
        TaskRequest(
            id=service.new_id(),
            kind=kind.name,
            arguments=plain(arguments),
            person=person,
            lane=kind.lane,
            place=service.place() if kind.has_files else "",
        ),
        request_key=request_key,
    )


def submit_again(service: TaskService, task_id: str, *, person: Person) -> str:
    """
    Submit a task again that failed or was interrupted, and return the id of the new task.

    Raises:
        SnapshotterError: There is no such task, it did not fail, or its arguments are removed.
    """
    task = find(service, task_id)
    if task.state not in (TaskState.FAILED, TaskState.INTERRUPTED) or not task.arguments:
        raise SnapshotterError(tr("the task {task_id} cannot be repeated", task_id=task_id))
    arguments = parse_arguments(task.kind, task.arguments)
    # A second press of the button is the same request.
    return submit(service, arguments, person=person, request_key=f"again/{task_id}")


def find(service: TaskService, task_id: str) -> Task:
    """
    Return a task and its state.

    Raises:
        ServiceUnavailable: The database does not answer.
        SnapshotterError: There is no such task.
    """
    found = service.tasks.get(task_id)
    if found is None:
        raise SnapshotterError(
            tr("the task {task_id} does not exist", task_id=task_id),
            hint=tr("tasks are removed 30 days after their end"),
        )
    return found


def newest(service: TaskService, *, limit: int, kind: str = "") -> Sequence[Task]:
    """
    Return the newest tasks of a kind, or of all kinds, the newest first. Raises ServiceUnavailable.
    """
    return service.tasks.newest(limit, kind=kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskPage:
    """A page of a list of tasks."""

    tasks: tuple[Task, ...]  # the newest first
    next: str | None  # the cursor of the next page; None at the end


def list_tasks(service: TaskService, *, limit: int, kind: str = "", cursor: str = "") -> TaskPage:
    """
    Return a page of the tasks of a kind, or of all kinds, the newest first.

    Args:
        cursor: `next` of the page before; "" for the first.

    Raises:
        ServiceUnavailable: The database does not answer.
    """
    found = service.tasks.newest(limit + 1, kind=kind, before=cursor)
    shown = tuple(found[:limit])
    return TaskPage(tasks=shown, next=shown[-1].id if len(found) > limit else None)


def result_file(service: TaskService, task_id: str, name: str) -> tuple[Path, TaskFile]:
    """
    Return the path of a file that a task made, and what is known about the file.

    Raises:
        ServiceUnavailable: The database does not answer.
        SnapshotterError: There is no such task or file, or the file was removed.
    """
    task = find(service, task_id)
    files = task.result.files if task.result is not None else ()
    file = next((file for file in files if file.name == name), None)
    if file is None or not is_file_name(name):
        raise SnapshotterError(
            tr("the task {task_id} has no file {name!r}", task_id=task_id, name=name)
        )
    path = attempt_folder(service.folder, task.id, task.attempts) / name
    if task.are_files_removed or not path.is_file():
        raise SnapshotterError(
            tr("the file {name!r} of the task {task_id} was removed", name=name, task_id=task_id),
            hint=tr("files are kept for 7 days. Request the task again"),
        )
    return path, file


def shown_captures(task: Task) -> Sequence[str]:
    """Return the ids of the captures whose content the result of a task and its files show."""
    if task.result is None or not (task.result.files or task.kind == _VERIFY):
        return ()  # what was recorded about captures, and what an audit found, shows no content
    given = task.result.value.get("bundle_ids", ())
    return [bundle_id for bundle_id in given if isinstance(bundle_id, str)]


def attempt_folder(folder: Path, task_id: str, attempt: int) -> Path:
    """
    Return the folder of the files of one attempt.

    Raises:
        SnapshotterError: The id leads out of the folder. Whoever can write to the database can
            invent an id, and this folder is emptied.
    """
    if not is_file_name(task_id):
        raise SnapshotterError(tr("{task_id!r} is not the id of a task", task_id=task_id))
    return folder / task_id / str(attempt)


def is_file_name(name: str) -> bool:
    """Return whether a text is one harmless segment of a path."""
    return bool(_NAME.fullmatch(name)) and not name.startswith(".")
