"""What is said of processes of the browser to which the files of the machine are open."""

import pytest

from snapshotter.app import doctor
from snapshotter.app.doctor import CheckState
from snapshotter.model.capture import ProcessFacts, SandboxFacts, files_open_to


def process(kind: str, files: str) -> ProcessFacts:
    return ProcessFacts(
        type=kind, count=1, seccomp=False, no_new_privs=True,
        namespaces=(), user="ours", files=files,
    )  # fmt: skip


def sandbox(*processes: ProcessFacts) -> SandboxFacts:
    return SandboxFacts(asked=True, enforced=True, detail="", processes=processes)


def test_a_protection_that_could_not_be_looked_at_counts_as_missing() -> None:
    kinds = ("empty", "mount", "landlock", "uid", "none", "unknown")
    processes = [process(f"type-{kind}", kind) for kind in kinds]

    assert files_open_to(processes) == ("type-none", "type-unknown")
    assert files_open_to(processes, of_everybody=True) == ("type-uid", "type-none", "type-unknown")
    assert files_open_to(()) == ()  # a record of an earlier version says nothing of it


def test_doctor_names_each_process_that_may_open_our_files_first() -> None:
    check = doctor._files(sandbox(process("renderer", "empty"), process("gpu-process", "none")))

    assert check.state is CheckState.WARNING
    assert check.detail.endswith(
        ": processes that can open every file that the user of snapshotter can open: "
        "gpu-process; processes that can see only an empty directory: renderer"
    )
    assert "Landlock" in check.fix


def test_doctor_warns_where_the_browser_is_another_user_and_no_more() -> None:
    """Stored bundles may be read by every user."""
    check = doctor._files(sandbox(process("renderer", "empty"), process("gpu-process", "uid")))

    assert check.state is CheckState.WARNING
    assert "could read files that every user of this machine can read" in check.detail


def test_doctor_is_content_where_every_process_is_kept_from_files() -> None:
    good = doctor._files(sandbox(process("driver", "mount"), process("renderer", "empty")))

    assert good.state is CheckState.OK
    assert doctor._files(sandbox()).state is CheckState.WARNING  # nothing was looked at


@pytest.mark.parametrize(("uid", "state"), [(0, CheckState.WARNING), (1000, CheckState.OK)])
def test_doctor_says_that_root_captures(
    monkeypatch: pytest.MonkeyPatch, uid: int, state: CheckState
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: uid)

    assert doctor._user().state is state
