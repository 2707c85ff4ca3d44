"""Each kind of tasks on a store of this machine, as a task process does it."""

import json
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from snapshotter.app.settings import load
from snapshotter.app.tasks import requests
from snapshotter.app.tasks.kinds import (
    AnnotateArguments,
    AnnotationAction,
    AuditArguments,
    CaseExportArguments,
    CaseReportArguments,
    ConcludeArguments,
    ExportArguments,
    ExportForm,
    ProofArguments,
    ReportArguments,
    TaskArguments,
    TrustFileArguments,
    VerifyArguments,
)
from snapshotter.app.wiring import task_kinds
from snapshotter.app.wiring import tasks as wiring_tasks
from snapshotter.errors import PolicyRefused, SnapshotterError, UsageMistake
from snapshotter.jobs.tasks.database_tasks import DatabaseTasks
from snapshotter.model.person import Person
from snapshotter.model.task import Task, TaskFailure, TaskLane, TaskResult
from snapshotter.seal.signer import KeyDirectory, RetiredKey
from snapshotter.site.state import SiteState, removed
from snapshotter.store.filesystem import DirectoryStore
from tests import observed
from tests.observed import at
from tests.unit.app.takedown.test_event_verification import ARTICLE, OTHER
from tests.unit.cli.shell import Shell

WHO = Person(name="A. Example", role="editor")
STATE = SiteState().change("wx/article", at(40), removed("wx-01"))


class _Reports:
    def __init__(self) -> None:
        self.steps: list[str] = []

    def step(self, text: str, position: int = 0, total: int = 0) -> None:
        if text not in self.steps:
            self.steps.append(text)

    def note(self, resume: str) -> None:
        return


class Place:
    """A home with keys, a trust file, and captures of a page that was removed."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.shell = Shell(capsys)
        signer, _ = KeyDirectory(folder / "data" / "keys").ensure()
        store = DirectoryStore(folder / "captures")
        self.ids = []
        for minute, url in ((30, ARTICLE), (60, ARTICLE), (65, OTHER), (70, ARTICLE)):
            made = observed.shoot(folder / "spool", at(minute), STATE, url, signer=signer)
            observed.put(store, made)
            self.ids.append(made.id)
        for arguments in (
            ("trust", "init", "trust.json"),
            ("keys", "export", "default", "-o", "signer.pem"),
            ("trust", "add-key", "trust.json", "signer.pem", "--owner", "O"),
        ):
            assert self.shell.run(*arguments) == 0, self.shell.err
            if arguments[1] == "init":
                self.root_key = self.shell.out.strip()
        self.reports = _Reports()

    def do(self, arguments: TaskArguments, *, trusted: bool = True) -> tuple[Task, TaskResult]:
        """Do a task without a worker; return it with its result."""
        settings = load()
        if trusted:
            settings = replace(
                settings, trust_file=self.folder / "trust.json", trust_root_key=self.root_key
            )
        runner = wiring_tasks.open_task_runner(settings, lambda _: None)
        with wiring_tasks.command_tasks(settings) as service:
            task_id = requests.submit(service, arguments, person=WHO)
            tasks = service.tasks
            assert isinstance(tasks, DatabaseTasks)
            task = requests.find(service, task_id)
            claimed = tasks.claim(
                task.lane, process="p", place=wiring_tasks.place(settings), silent_s=30
            )
            assert claimed is not None
            try:
                result = runner.run(claimed, self.reports)
            except SnapshotterError as error:
                tasks.finish(claimed, "p", TaskFailure(error=error.message), ())
                raise
            tasks.finish(claimed, "p", result, ())
            return requests.find(service, task_id), result

    def file(self, task: Task, name: str) -> Path:
        with wiring_tasks.command_tasks(load()) as service:
            return requests.result_file(service, task.id, name)[0]


@pytest.fixture
def place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Place:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SNAPSHOTTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("SNAPSHOTTER_LOG", "false")
    monkeypatch.chdir(tmp_path)
    return Place(tmp_path, capsys)


def test_a_removal_is_concluded_and_its_proof_pack_is_a_file_that_verifies(place: Place) -> None:
    _, found = place.do(ConcludeArguments())
    (recorded,) = [each for one in found.value["derivations"] for each in one["recorded"]]
    again = place.do(ConcludeArguments(urls=(ARTICLE,)))[1]
    assert next(one["recorded"] for one in again.value["derivations"]) == []

    task, made = place.do(
        ProofArguments(event_id=recorded["event_id"], without=("pdf",)), trusted=False
    )

    assert made.value["event_id"] == recorded["event_id"]
    (file,) = made.files
    assert file.name == f"proof-{recorded['event_id']}.html"
    path = place.file(task, file.name)
    assert path.stat().st_size == file.length
    assert place.shell.run("verify", path) in (0, 11)  # these captures have no timestamps
    with pytest.raises(SnapshotterError, match="has no file"):
        place.file(task, "../1/" + file.name)
    path.unlink()
    with pytest.raises(SnapshotterError, match="was removed"):
        place.file(task, file.name)


def test_a_proof_needs_one_thing_to_be_about(place: Place) -> None:
    for arguments in (
        ProofArguments(),
        ProofArguments(event_id="x", url=ARTICLE),
        ProofArguments(url=ARTICLE, bundle_ids=tuple(place.ids[:2])),
        ProofArguments(bundle_ids=tuple(place.ids[:1])),
    ):
        with pytest.raises(UsageMistake):
            place.do(arguments)
    with pytest.raises(SnapshotterError, match="the store has no capture of this page"):
        place.do(ProofArguments(url=OTHER.replace("idx=1", "idx=9")))


def test_a_capture_is_verified_with_the_time_and_the_version(place: Place) -> None:
    _, found = place.do(VerifyArguments(object_id=place.ids[0]))

    assert found.value["verdict"] == "indeterminate"
    assert found.value["verification"]["bundle_id"] == place.ids[0]
    assert found.value["verified_at"].endswith("Z")
    assert found.value["software"].startswith("snapshotter")


def test_a_case_is_reported_and_exported_as_it_was_requested(place: Place) -> None:
    place.do(
        AnnotateArguments(
            action=AnnotationAction.CREATE_CASE, case="harbour", text="Secret title",
            bundle_ids=tuple(place.ids[:2]),
        )
    )  # fmt: skip
    told, report = place.do(
        CaseReportArguments(case="harbour", formats=("json", "html"), zone="Europe/Berlin")
    )
    assert [file.name for file in report.files] == [
        "case-report-harbour.html",
        "case-report-harbour.json",
    ]
    assert report.value["exhibits"] == 2
    assert b"Secret title" not in place.file(told, "case-report-harbour.json").read_bytes()

    task, made = place.do(CaseExportArguments(case="harbour", included=("title",)))

    assert made.value["included"] == ["title"]
    assert made.value["root_key"] == place.root_key
    with zipfile.ZipFile(place.file(task, "harbour.zip")) as archive:
        names = archive.namelist()
        texts = [archive.read(name) for name in names if name.endswith((".json", ".html"))]
    assert sum(name.endswith(".wacz") for name in names) == 2
    assert any(b"Secret title" in text for text in texts)
    assert any("exhibits" in step for step in place.reports.steps)
    with pytest.raises(SnapshotterError, match="needs a trust file"):
        place.do(CaseExportArguments(case="harbour"), trusted=False)
    with pytest.raises(UsageMistake, match="'secrets' is unknown"):
        place.do(CaseExportArguments(case="harbour", included=("secrets",)))


def test_an_archive_with_the_trust_file_of_the_console_is_verified_by_its_reader(
    place: Place, tmp_path: Path
) -> None:
    annotate = AnnotateArguments(action=AnnotationAction.CREATE_CASE, case="harbour")
    place.do(annotate, trusted=False)
    add = replace(annotate, action=AnnotationAction.ADD_TO_CASE, bundle_ids=(place.ids[0],))
    place.do(add, trusted=False)
    export = CaseExportArguments(case="harbour", case_report=False)
    with pytest.raises(SnapshotterError, match="needs a trust file, and there is none"):
        place.do(export, trusted=False)

    trust, made = place.do(TrustFileArguments(owner="Example Archive"), trusted=False)
    first = json.loads(place.file(trust, "trust.json").read_bytes())
    _, again = place.do(TrustFileArguments(owner="Example Archive"), trusted=False)
    KeyDirectory(tmp_path / "data" / "keys").create("events")
    task, exported = place.do(export, trusted=False)

    root_key = made.value["root_key"]
    assert root_key != place.root_key  # the root key of a trust file that a command made
    assert {key["owner"] for key in first["keys"]} == {"Example Archive"}
    assert again.value == made.value  # nothing was missing
    assert exported.value["root_key"] == root_key
    with zipfile.ZipFile(place.file(task, "harbour.zip")) as archive:
        archive.extractall(tmp_path / "handed")
    last = json.loads((tmp_path / "handed" / "trust.json").read_bytes())
    assert last["version"] == first["version"] + 1  # with the key that was made meanwhile
    assert len(last["keys"]) == len(first["keys"]) + 1
    bundle = tmp_path / "handed" / "bundles" / f"{place.ids[0]}.wacz"
    given = ("--trust", str(tmp_path / "handed" / "trust.json"), "--root-key", root_key)
    place.shell.run("verify", "--json", *given, str(bundle))
    found = {check["check"]: check["verdict"] for check in place.shell.object["findings"]}
    assert found["signature"] == "passed", found


class _Killed(BaseException):
    """The process ends here."""


class _EndsAtSecondExhibit(_Reports):
    @override
    def step(self, text: str, position: int = 0, total: int = 0) -> None:
        if text == "write the exhibits" and position == 1:
            raise _Killed


@pytest.mark.parametrize("change", ["", "capture", "note"])
def test_an_archive_whose_task_was_killed_continues_unless_the_case_changed(
    place: Place, change: str
) -> None:
    annotate = AnnotateArguments(action=AnnotationAction.CREATE_CASE, case="harbour")
    place.do(annotate)
    add = replace(annotate, action=AnnotationAction.ADD_TO_CASE, bundle_ids=tuple(place.ids[:2]))
    place.do(add)
    settings = replace(
        load(), trust_file=place.folder / "trust.json", trust_root_key=place.root_key
    )
    runner = wiring_tasks.open_task_runner(settings, lambda _: None)
    with wiring_tasks.command_tasks(settings) as service:
        export = CaseExportArguments(case="harbour", case_report=False, included=("notes",))
        task_id = requests.submit(service, export, person=WHO)
        tasks = service.tasks
        assert isinstance(tasks, DatabaseTasks)
        here = wiring_tasks.place(settings)
        first = tasks.claim(TaskLane.LONG, process="p", place=here, silent_s=30)
        assert first is not None
        with pytest.raises(_Killed):
            runner.run(first, _EndsAtSecondExhibit())
        tasks.lose(first, "p", "killed")
    if change == "capture":
        place.do(replace(add, bundle_ids=(place.ids[2],)))
    if change == "note":
        note = AnnotateArguments(action=AnnotationAction.ADD_NOTE, text="Wrong person.")
        place.do(replace(note, bundle_ids=(place.ids[0],)))
    with wiring_tasks.command_tasks(settings) as service:
        assert isinstance(service.tasks, DatabaseTasks)
        second = service.tasks.claim(TaskLane.LONG, process="p", place=here, silent_s=30)
        assert second is not None
        result = runner.run(second, place.reports)
        service.tasks.finish(second, "p", result, ())

    assert (second.request.id, second.attempt) == (task_id, 2)
    assert result.value["continued"] == (0 if change else 1)
    with zipfile.ZipFile(place.file(task_of(task_id), "harbour.zip")) as archive:
        assert archive.testzip() is None
        bundles = [name for name in archive.namelist() if name.endswith(".wacz")]
    assert len(bundles) == (3 if change == "capture" else 2)


def task_of(task_id: str) -> Task:
    with wiring_tasks.command_tasks(load()) as service:
        return requests.find(service, task_id)


def test_a_trust_file_states_revocations_and_needs_a_key_and_its_root_key(
    place: Place, tmp_path: Path
) -> None:
    keys = KeyDirectory(tmp_path / "data" / "keys")
    place.do(TrustFileArguments(owner="O"), trusted=False)
    keys.retire("default", RetiredKey(at=at(90), reason="compromised"))
    trust, _ = place.do(TrustFileArguments(owner="O"), trusted=False)

    (key,) = json.loads(place.file(trust, "trust.json").read_bytes())["keys"]
    assert key["revoked"]["reason"] == "compromised"

    keys.create("events")
    (tmp_path / "data" / "keys" / "console-root.pem").unlink()
    with pytest.raises(SnapshotterError, match="the root key 'console-root' is not in"):
        place.do(TrustFileArguments(owner="O"), trusted=False)


def test_reports_and_copies_of_captures_are_files(place: Place) -> None:
    two = tuple(place.ids[:2])
    task, made = place.do(ReportArguments(bundle_ids=two, formats=("html", "json")))
    assert [file.name for file in made.files] == [
        f"report-{bundle_id}.{kind}" for bundle_id in two for kind in ("html", "json")
    ]
    report: Mapping[str, Any] = json.loads(place.file(task, made.files[1].name).read_bytes())
    assert report["bundle_id"] == two[0]

    copies = {}
    for form in (ExportForm.BUNDLES, ExportForm.EVIDENCE, ExportForm.REDACTED):
        fields = ("addresses",) if form is ExportForm.REDACTED else ()
        task, made = place.do(ExportArguments(bundle_ids=two, form=form, fields=fields))
        (file,) = made.files
        with zipfile.ZipFile(place.file(task, file.name)) as archive:
            assert archive.testzip() is None
            copies[form] = archive.namelist()
    assert f"{two[0]}.wacz" in copies[ExportForm.BUNDLES]
    assert f"{two[1]}/README.md" in copies[ExportForm.EVIDENCE]
    assert len(copies[ExportForm.REDACTED]) == 2
    with pytest.raises(UsageMistake, match="no capture is selected"):
        place.do(ExportArguments(bundle_ids=()))
    place.do(
        AnnotateArguments(
            action=AnnotationAction.QUARANTINE, bundle_ids=two[:1], text="shows a child"
        )
    )
    with pytest.raises(PolicyRefused, match="quarantine"):
        place.do(ExportArguments(bundle_ids=two))


def test_an_audit_reports_what_it_found(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_kinds, "_PAUSE_S", 0.0)
    task, found = place.do(AuditArguments())

    assert task.lane is TaskLane.LONG
    assert found.value["scope"]["bundles"] == 4
    assert found.value["report_key"]
    assert found.value["findings_count"] >= len(found.value["findings"]) > 0
    with pytest.raises(UsageMistake, match="is not a date"):
        place.do(AuditArguments(since="yesterday"))
