"""Describe tasks, and what is requested of them."""

from typing import Annotated, Any

from pydantic import Field

from snapshotter.web.api.models.common import Answer, Instant

TaskId = Annotated[str, Field(pattern=r"^task-[a-z0-9-]{1,58}$")]


class TaskStep(Answer):
    """A step of a task."""

    at: Instant
    position: int
    text: str
    total: int = Field(description="0: the step has no parts.")


class TaskFile(Answer):
    """A file that a task made. Its address is /tasks/{task_id}/files/{name}."""

    bytes: int
    media_type: str
    name: str
    sha256: str


class Task(Answer):
    """What a process with keys does for a person. `result` depends on `kind`."""

    arguments: dict[str, Any]
    attempts: int
    ended_at: Instant | None
    error: str
    exit_code: int | None
    files: list[TaskFile]
    files_removed: bool
    hint: str
    kind: str
    reason: str = Field(
        description="Why the verdict in `result` is not passed: the first check that is not, and "
        "its sentence. Or why the task failed."
    )
    requested_at: Instant
    requested_by: str | None
    result: dict[str, Any] | None
    started_at: Instant | None
    state: str = Field(description="waiting, running, done, failed or interrupted")
    steps: list[TaskStep]
    task_id: str


class TaskList(Answer):
    """A page of tasks, the newest first."""

    next: str | None = Field(description="The cursor of the next page; null at the end.")
    tasks: list[Task]
