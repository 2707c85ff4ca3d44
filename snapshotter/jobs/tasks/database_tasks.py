"""
Submit tasks, read their states, and give each task to one worker at a time.

    submit   store a waiting task; the same request key again returns the same task
    claim    take the oldest waiting task of a lane
    beat     record that the worker still has the task, with its steps
    finish   record the result or the failure, unless another worker has the task now

A task whose worker is gone waits again. If its processes ended three times in the middle of the
task, the task is interrupted. Any number of workers may share the table. Each method raises
ServiceUnavailable if the database does not answer.
"""

import hashlib
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, Engine, func, select, update

from snapshotter.errors import RequestKeyReused
from snapshotter.jobs.database import (
    Now,
    database_now,
    insert_new,
    read_row,
    read_rows,
    reading,
    writing,
)
from snapshotter.jobs.processes import is_silent
from snapshotter.jobs.tasks.task_table import (
    FILES_KEPT,
    ROWS_KEPT,
    TASK,
    UnreadableTask,
    dumped,
    request_of,
    task_of,
)
from snapshotter.model.task import (
    ClaimedTask,
    Task,
    TaskFailure,
    TaskLane,
    TaskRequest,
    TaskResult,
    TaskState,
    TaskStep,
)
from snapshotter.translation import tr

MOST_ATTEMPTS: Final = 3  # that may end in the middle of the task
_CANDIDATES: Final = 20  # tasks that are tried in one round
_NEWEST_FIRST: Final = (TASK.c.asked_at.desc(), TASK.c.id.desc())  # ids sort by seconds only
_OPEN: Final = (TaskState.WAITING.value, TaskState.RUNNING.value)


class DatabaseTasks:
    """
    The tasks in the database of the queue.

    Args:
        now: Returns the time; the database's clock unless a test gives another one.
    """

    def __init__(self, engine: Engine, *, now: Now = database_now) -> None:
        self._engine = engine
        self._now = now

    def submit(self, request: TaskRequest, *, request_key: str = "") -> str:
        """
        Store a waiting task, and return its id.

        Args:
            request_key: A name that the caller gives to this request. A second request of this
                name is the same task, whose id is returned. "": every request is a new task.

        Raises:
            RequestKeyReused: The name was given to another request.
        """
        content = [request.kind, request.arguments, request.person]
        digest = hashlib.sha256(dumped(content).encode()).hexdigest()
        with writing(self._engine) as connection:
            row = {
                "id": request.id,
                "kind": request.kind,
                "lane": request.lane.value,
                "place": request.place,
                "person": dumped(request.person),
                "arguments": dumped(request.arguments),
                "request_key": request_key or None,
                "request_sha256": digest,
                "state": TaskState.WAITING.value,
                "asked_at": self._now(connection),
                "attempts": 0,
                "process": "",
                "steps": "[]",
                "resume": "",
                "result": "",
                "error": "",
                "hint": "",
                "exit_code": 0,
            }
            if connection.execute(insert_new(connection, TASK).values(row)).rowcount:
                return request.id
            there = connection.execute(
                select(TASK.c.id, TASK.c.request_sha256).where(TASK.c.request_key == request_key)
            ).one()
        if there.request_sha256 != digest:
            raise RequestKeyReused(
                tr("the request key {key} was used for another task", key=request_key),
                hint=tr("use a new request key for a new task"),
            )
        return str(there.id)

    def get(self, task_id: str) -> Task | None:
        """Return a task; None if it does not exist."""
        with reading(self._engine) as connection:
            row = read_row(connection, select(TASK).where(TASK.c.id == task_id))
            return None if row is None else task_of(row, self._now(connection))

    def with_key(self, request_key: str) -> str | None:
        """Return the id of the task of a request key; None if the key is new."""
        with reading(self._engine) as connection:
            found = select(TASK.c.id).where(TASK.c.request_key == request_key)
            return connection.execute(found).scalar()

    def newest(self, limit: int, *, kind: str = "", before: str = "") -> Sequence[Task]:
        """
        Return the newest tasks of a kind, or of all kinds, the newest first.

        Args:
            before: Only tasks that are older than the one with this id; "": all. There are none if
                this task was removed, because those before it were removed too.
        """
        wanted = select(TASK).order_by(*_NEWEST_FIRST).limit(limit)
        if kind:
            wanted = wanted.where(TASK.c.kind == kind)
        if before:
            last = select(TASK.c.asked_at).where(TASK.c.id == before).scalar_subquery()
            is_older = (TASK.c.asked_at == last) & (TASK.c.id < before)
            wanted = wanted.where((TASK.c.asked_at < last) | is_older)
        with reading(self._engine) as connection:
            rows = read_rows(connection, wanted)
            now = self._now(connection)
            return [task_of(row, now) for row in rows]

    def waiting(self) -> int:
        """Return how many tasks wait for a worker."""
        with reading(self._engine) as connection:
            counted = select(func.count()).where(TASK.c.state == TaskState.WAITING.value)
            return int(connection.execute(counted).scalar_one())

    def claim(
        self, lane: TaskLane, *, process: str, place: str, silent_s: float
    ) -> ClaimedTask | None:
        """
        Take the oldest waiting task of a lane; None if there is none.

        Tasks whose worker is gone are made waiting or interrupted before.

        Args:
            process: The name of this process (`processes.process_name`).
            place: The id of the data directory that this worker uses.
            silent_s: Without a heartbeat for so many seconds, a worker is gone.
        """
        with reading(self._engine) as connection:
            rows = read_rows(
                connection,
                select(TASK.c.id, TASK.c.state, TASK.c.lane, TASK.c.place, TASK.c.process,
                       TASK.c.beat_at)
                .where(TASK.c.state.in_(_OPEN))
                .order_by(TASK.c.asked_at, TASK.c.id),
            )  # fmt: skip
            if not rows:
                return None
            now = self._now(connection)
        candidates = []
        for row in rows:
            is_waiting = row["state"] == TaskState.WAITING
            if not is_waiting and is_silent(row["process"], row["beat_at"], now, for_s=silent_s):
                is_waiting = self._recover(row["id"], row["process"])
            if is_waiting and row["lane"] == lane.value and row["place"] in ("", place):
                candidates.append(row["id"])
        for task_id in candidates[:_CANDIDATES]:
            if (found := self._take(task_id, process)) is not None:
                return found
        return None

    def beat(self, claimed: ClaimedTask, process: str, steps: Sequence[TaskStep] = ()) -> bool:
        """
        Record that this process still has a task, and the steps of the task.

        Args:
            steps: Empty to leave the recorded steps.

        Returns:
            False if the task was given to another worker, or is over.
        """
        with writing(self._engine) as connection:
            values: dict[str, Any] = {"beat_at": self._now(connection)}
            if steps:
                values["steps"] = dumped(list(steps))
            return self._update(connection, claimed, process, values)

    def note(self, claimed: ClaimedTask, process: str, resume: str) -> bool:
        """Record what the next attempt needs to know; return as `beat` does."""
        with writing(self._engine) as connection:
            return self._update(connection, claimed, process, {"resume": resume})

    def finish(
        self,
        claimed: ClaimedTask,
        process: str,
        outcome: TaskResult | TaskFailure,
        steps: Sequence[TaskStep],
    ) -> bool:
        """Record the end of a task; return as `beat` does."""
        values: dict[str, Any] = {"steps": dumped(list(steps))}
        if isinstance(outcome, TaskResult):
            values |= {
                "state": TaskState.DONE.value,
                "result": dumped(outcome),
                "arguments": "{}",
            }
        else:
            values |= {"state": TaskState.FAILED.value, **_failure_values(outcome)}
        with writing(self._engine) as connection:
            values["ended_at"] = self._now(connection)
            return self._update(connection, claimed, process, values)

    def lose(self, claimed: ClaimedTask, process: str, why: str) -> TaskState | None:
        """
        Record that the task process ended in the middle of a task.

        The task waits again, or is interrupted if this happened too often.

        Returns:
            The new state; None if the task was given to another worker, or is over.
        """
        interrupted = claimed.attempt >= MOST_ATTEMPTS
        state = TaskState.INTERRUPTED if interrupted else TaskState.WAITING
        values: dict[str, Any] = {"state": state.value, "process": ""}
        with writing(self._engine) as connection:
            if interrupted:
                values |= {"ended_at": self._now(connection), **_interrupted_values(why)}
            return state if self._update(connection, claimed, process, values) else None

    def hand_back(self, claimed: ClaimedTask, process: str) -> bool:
        """Make a task waiting that this worker cannot finish, because the worker ends."""
        values = {
            "state": TaskState.WAITING.value,
            "process": "",
            "attempts": TASK.c.attempts - 1,
        }
        with writing(self._engine) as connection:
            return self._update(connection, claimed, process, values)

    def kept_files(self) -> frozenset[str]:
        """Return the ids of all tasks whose files are kept: of 7 days, and those not over."""
        with reading(self._engine) as connection:
            after = self._now(connection) - FILES_KEPT
            found = select(TASK.c.id).where(TASK.c.ended_at.is_(None) | (TASK.c.ended_at > after))
            return frozenset(connection.execute(found).scalars())

    def trim(self) -> None:
        """Delete tasks 30 days after their end, and the arguments of failed tasks after 7 days."""
        with writing(self._engine) as connection:
            now = self._now(connection)
            connection.execute(TASK.delete().where(TASK.c.ended_at < now - ROWS_KEPT))
            connection.execute(
                update(TASK)
                .where(TASK.c.ended_at < now - FILES_KEPT, TASK.c.arguments != "{}")
                .values(arguments="{}")
            )

    def _take(self, task_id: str, process: str) -> ClaimedTask | None:
        with writing(self._engine) as connection:
            now = self._now(connection)
            taken = connection.execute(
                update(TASK)
                .where(TASK.c.id == task_id, TASK.c.state == TaskState.WAITING.value)
                .values(
                    state=TaskState.RUNNING.value,
                    process=process,
                    started_at=now,
                    beat_at=now,
                    attempts=TASK.c.attempts + 1,
                    steps="[]",
                )
            )
            if not taken.rowcount:
                return None
            row = read_row(connection, select(TASK).where(TASK.c.id == task_id))
            if row is None:
                raise AssertionError("the row was updated in this transaction")
            try:
                request = request_of(row)
            except UnreadableTask as error:
                # This program did not write such a row. It must not stop the tasks behind it.
                connection.execute(
                    update(TASK)
                    .where(TASK.c.id == task_id)
                    .values(state=TaskState.FAILED.value, ended_at=now, **_failure_values(
                        TaskFailure(error=error.message, exit_code=error.exit_code)
                    ))
                )  # fmt: skip
                return None
            return ClaimedTask(request=request, attempt=row["attempts"], resume=row["resume"])

    def _recover(self, task_id: str, process: str) -> bool:
        """Make a task of a worker that is gone waiting, or interrupted; return whether it waits."""
        with writing(self._engine) as connection:
            row = read_row(
                connection,
                select(TASK.c.attempts)
                .where(TASK.c.id == task_id, TASK.c.process == process)
                .where(TASK.c.state == TaskState.RUNNING.value)
                .with_for_update(),
            )
            if row is None:
                return False  # another worker was faster
            values: dict[str, Any] = {"state": TaskState.WAITING.value, "process": ""}
            waits = int(row["attempts"]) < MOST_ATTEMPTS
            if not waits:
                why = tr("the worker ended")
                values = {
                    "state": TaskState.INTERRUPTED.value,
                    "process": "",
                    "ended_at": self._now(connection),
                    **_interrupted_values(why),
                }
            connection.execute(update(TASK).where(TASK.c.id == task_id).values(values))
            return waits

    def _update(
        self, connection: Connection, claimed: ClaimedTask, process: str, values: dict[str, Any]
    ) -> bool:
        """Change the row of a task that this process has; return whether it has the task."""
        changed = connection.execute(
            update(TASK)
            .where(TASK.c.id == claimed.request.id, TASK.c.process == process)
            .where(TASK.c.state == TaskState.RUNNING.value, TASK.c.attempts == claimed.attempt)
            .values(values)
        )
        return bool(changed.rowcount)


def _failure_values(failure: TaskFailure) -> dict[str, Any]:
    return {"error": failure.error, "hint": failure.hint, "exit_code": failure.exit_code}


def _interrupted_values(why: str) -> dict[str, Any]:
    failure = TaskFailure(
        error=tr(
            "the task was interrupted {count} times and is not repeated: {why}",
            count=MOST_ATTEMPTS,
            why=why,
        ),
        hint=tr("look at the log of the worker, then request the task again"),
    )
    return _failure_values(failure)
