"""Give one task its person, its reports, and the folder for its files."""

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from snapshotter import durable
from snapshotter.app.tasks.requests import attempt_folder, is_file_name
from snapshotter.jobs.tasks.task_runner import TaskReports
from snapshotter.model.person import Person
from snapshotter.model.task import ClaimedTask, TaskFile, TaskResult

_MEDIA_TYPES = {
    ".html": "text/html",
    ".json": "application/json",
    ".har": "application/json",
    ".pdf": "application/pdf",
    ".wacz": "application/wacz",
    ".zip": "application/zip",
}


class TaskContext:
    """
    One attempt to do a task.

    Args:
        folder: Of the files of all tasks.
    """

    def __init__(self, claimed: ClaimedTask, reports: TaskReports, folder: Path) -> None:
        self.task_id = claimed.request.id
        self.person: Person = claimed.request.person
        self.resume = claimed.resume  # what an earlier attempt noted; "" for none
        self.note = reports.note
        self.step = reports.step
        self._folder = attempt_folder(folder, claimed.request.id, claimed.attempt)
        self._earlier = [
            attempt_folder(folder, claimed.request.id, attempt)
            for attempt in range(claimed.attempt - 1, 0, -1)
        ]

    def make_folder(self) -> Path:
        """Return an empty private folder for the files of this attempt."""
        shutil.rmtree(self._folder, ignore_errors=True)  # an attempt that was handed back
        durable.make_private_folder(self._folder)
        return self._folder

    def continue_folder(self) -> Path:
        """
        Return the private folder for the files of this attempt, with those of an earlier attempt.

        Whoever continues must check the files: an attempt can end in the middle of a file.
        """
        before = next((folder for folder in self._earlier if folder.is_dir()), None)
        if before is not None and not self._folder.exists():
            before.rename(self._folder)
        durable.make_private_folder(self._folder)
        return self._folder

    def result(self, value: Mapping[str, Any], files: Sequence[Path] = ()) -> TaskResult:
        """
        Return the result of the task.

        Args:
            value: JSON.
            files: In the folder of this attempt.
        """
        return TaskResult(value=value, files=tuple(_described(file) for file in files))


def _described(file: Path) -> TaskFile:
    if not is_file_name(file.name):
        raise ValueError(f"{file.name!r} is no name of a file that can be downloaded")
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return TaskFile(
        name=file.name,
        media_type=_MEDIA_TYPES.get(file.suffix, "application/octet-stream"),
        length=file.stat().st_size,
        sha256=digest,
    )
