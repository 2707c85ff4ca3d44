"""A capture names no path of this machine."""

from pathlib import Path

from snapshotter.capture.browser.binary import BrowserBinary
from snapshotter.capture.browser.environment import (
    replace_paths_in_arguments,
    replace_paths_in_text,
)
from snapshotter.capture.browser.workspace import BrowserWorkspace
from tests.unit.capture.browser.programs import executable


def test_a_command_line_names_no_path_of_this_machine(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    workspace = BrowserWorkspace.create(spool)
    binary = BrowserBinary(kind="shell", path=executable(tmp_path / "x" / "shell"))
    arguments = (
        str(binary.path),
        f"--user-data-dir={workspace.profile}",
        f"--x={workspace.root}/y",
        "-z",
    )

    assert replace_paths_in_arguments(arguments, binary=binary, workspace=workspace) == (
        "shell",
        "--user-data-dir=<profile>",
        "--x=<work>/y",
        "-z",
    )
    assert replace_paths_in_arguments(
        (f"{binary.path} -a --d={workspace.profile} --r=MAP * ~X, EXCLUDE y about:blank ",),
        binary=binary,
        workspace=workspace,
    ) == (
        "shell",
        "-a",
        "--d=<profile>",
        "--r=MAP * ~X, EXCLUDE y",
        "about:blank",
    )
    said = f"spawn {binary.path} EACCES, and {Path.home()}/x is full"
    assert replace_paths_in_text(said, binary=binary, workspace=workspace) == (
        "spawn shell EACCES, and <home>/x is full"
    )
    workspace.remove()
