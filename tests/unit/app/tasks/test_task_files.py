"""The files of a task stay in the folder of tasks, whatever the row of the task says."""

from pathlib import Path

import pytest

from snapshotter.app.tasks.context import TaskContext
from snapshotter.app.tasks.kinds import ExportArguments
from snapshotter.app.tasks.requests import attempt_folder
from snapshotter.app.tasks.runner import KindRunner
from snapshotter.errors import SnapshotterError
from snapshotter.formats.canonical_json import plain
from snapshotter.model.person import Person
from snapshotter.model.task import ClaimedTask, TaskLane, TaskRequest, TaskResult


class _Silent:
    def step(self, text: str, position: int = 0, total: int = 0) -> None:
        return

    def note(self, resume: str) -> None:
        return


def _do(folder: Path, task_id: str) -> TaskResult:
    def export(arguments: ExportArguments, task: TaskContext) -> TaskResult:
        file = task.make_folder() / "a.zip"
        file.write_bytes(b"PK")
        return task.result({}, [file])

    request = TaskRequest(
        id=task_id,
        kind="export",
        arguments=plain(ExportArguments(bundle_ids=("one",))),
        person=Person(),
        lane=TaskLane.LONG,
    )
    runner = KindRunner({ExportArguments: export}, folder)
    return runner.run(ClaimedTask(request=request, attempt=1, resume=""), _Silent())


def test_a_task_makes_its_files_in_its_own_folder(tmp_path: Path) -> None:
    assert _do(tmp_path, "task-1").files[0].name == "a.zip"
    assert (attempt_folder(tmp_path, "task-1", 1) / "a.zip").is_file()


@pytest.mark.parametrize("task_id", ["../kept", "{outside}/kept", "..", "", "a/../../kept", ".x"])
def test_an_invented_id_empties_no_other_folder(tmp_path: Path, task_id: str) -> None:
    """Whoever can write to the database of the queue can invent the id of a task."""
    kept = tmp_path / "kept" / "1" / "file"
    kept.parent.mkdir(parents=True)
    kept.write_text("x")
    tasks = tmp_path / "tasks"
    tasks.mkdir()

    with pytest.raises(SnapshotterError, match="not the id of a task"):
        _do(tasks, task_id.format(outside=tmp_path))

    assert kept.read_text() == "x"
    assert [path for path in tmp_path.rglob("*") if path.suffix == ".zip"] == []
