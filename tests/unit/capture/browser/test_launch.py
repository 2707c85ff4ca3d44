"""Which browser is chosen, and where it may write."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from snapshotter.capture.browser import confinement, launch, os_processes
from snapshotter.capture.browser.environment import (
    binary_sha256,
    replace_paths_in_arguments,
    replace_paths_in_text,
)
from snapshotter.capture.browser.launch import (
    BrowserProcesses,
    BrowserWorkspace,
    SystemRestrictions,
    choose_browser,
    find_browser,
)
from snapshotter.egress import namespace
from snapshotter.errors import ServiceUnavailable


def executable(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def no_browser(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without any browser."""
    nothing: dict[str, tuple[str, ...]] = {"shell": (), "chromium": ()}
    monkeypatch.setattr(launch, "_LINUX", nothing)
    monkeypatch.setattr(launch, "_MACOS", nothing)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.mark.usefixtures("no_browser")
def test_a_machine_without_a_browser_is_told_what_to_do() -> None:
    with pytest.raises(ServiceUnavailable, match="no Chromium was found") as error:
        choose_browser("shell", None)
    assert "playwright install chromium" in error.value.hint


@pytest.mark.usefixtures("no_browser")
def test_a_browser_that_was_named_and_is_not_there_is_not_replaced_by_another() -> None:
    with pytest.raises(ServiceUnavailable, match="no browser at /opt/mine/chrome"):
        choose_browser("shell", Path("/opt/mine/chrome"))


@pytest.mark.usefixtures("no_browser")
def test_the_newest_of_playwrights_browsers_is_found(tmp_path: Path) -> None:
    cache = tmp_path / "home" / ".cache" / "ms-playwright"
    for revision in ("999", "1255"):
        executable(
            cache / f"chromium_headless_shell-{revision}" / "chrome-linux" / "headless_shell"
        )

    found = find_browser("shell", playwright_browsers=cache)

    assert found is not None
    assert "chromium_headless_shell-1255" in str(found.path)


@pytest.mark.usefixtures("no_browser")
def test_full_chromium_stands_in_for_the_shell_and_it_is_said(tmp_path: Path) -> None:
    executable(tmp_path / "bin" / "google-chrome")

    found, remark = choose_browser("shell", None)

    assert found.kind == "chromium"
    assert "full Chromium instead" in remark


@pytest.mark.usefixtures("no_browser")
def test_debians_start_script_is_left_aside_for_the_real_binary(tmp_path: Path) -> None:
    executable(tmp_path / "bin" / "chromium")
    real = executable(tmp_path / "lib" / "chromium" / "chromium")

    found = find_browser("chromium")

    assert found is not None
    assert found.path == real


def test_a_kind_of_browser_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match='not "firefox"'):
        find_browser("firefox")


def test_a_browser_writes_beside_the_spool_only_and_all_of_it_goes(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    workspace = BrowserWorkspace.create(spool)

    assert workspace.root.parent == tmp_path
    assert str(workspace.home) == workspace.environment["HOME"]
    assert set(workspace.environment) == {
        "PATH", "LANG", "HOME", "TMPDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR",
        "DBUS_SESSION_BUS_ADDRESS",
    }  # fmt: skip
    # The profile's socket has to fit into a socket address.
    assert len(os.fsencode(workspace.temporary)) <= 60

    workspace.remove()

    assert list(tmp_path.iterdir()) == [spool]
    assert not workspace.temporary.exists()


def test_a_command_line_names_no_path_of_this_machine(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    workspace = BrowserWorkspace.create(spool)
    binary = launch.BrowserBinary(kind="shell", path=executable(tmp_path / "x" / "shell"))
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
        (f"{binary.path} -a --d={workspace.profile}",), binary=binary, workspace=workspace
    ) == (
        "shell",
        "-a",
        "--d=<profile>",
    )
    said = f"spawn {binary.path} EACCES, and {Path.home()}/x is full"
    assert replace_paths_in_text(said, binary=binary, workspace=workspace) == (
        "spawn shell EACCES, and <home>/x is full"
    )
    workspace.remove()


def test_the_browser_works_in_no_folder_that_somebody_else_fills(tmp_path: Path) -> None:
    note, script = tmp_path / "pids", tmp_path / "browser"
    script.write_text(launch.start_script(("/bin/pwd", "-P"), note))
    script.chmod(0o700)

    ran = subprocess.run([script], cwd=tmp_path, capture_output=True, text=True, check=True)

    assert ran.stdout == "/\n"
    assert note.read_text().split()[1] == str(os.getpid())


# A driver that starts a browser in a group of its own, which starts a process that leaves it.
_DRIVER = """
import os, subprocess, sys
browser = subprocess.Popen(
    ["/bin/sh", "-c", sys.argv[3], *sys.argv[1:3]],
    start_new_session=True,
)
browser.wait()
sys.stdin.read()
"""
_BROWSER = "setsid sleep 60 & echo $! > $1; echo $$ $PPID > $0; exec sleep 60"


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[BrowserWorkspace, subprocess.Popen[bytes], Path]]:
    """A stand-in for driver and browser, and where the number of what left the browser stands."""
    workspace = BrowserWorkspace.create(tmp_path / "spool")
    stray = tmp_path / "stray"
    before = namespace.namespace_command(namespace.NONE)
    driver = subprocess.Popen(
        [*before, sys.executable, "-I", "-c", _DRIVER, str(workspace.note), str(stray), _BROWSER],
        stdin=subprocess.PIPE,
    )
    while not workspace.note.read_text().endswith("\n"):
        time.sleep(0.01)
    yield workspace, driver, stray
    driver.kill()
    driver.communicate()
    workspace.remove()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_what_left_the_browsers_process_group_ends_with_it(
    running: tuple[BrowserWorkspace, subprocess.Popen[bytes], Path],
) -> None:
    workspace, driver, stray = running
    processes = BrowserProcesses(workspace)
    left = int(stray.read_text())
    assert not os_processes.has_ended(left)

    processes.kill()

    assert driver.wait(10) == -signal.SIGKILL
    while not os_processes.has_ended(left):
        time.sleep(0.01)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_note_that_names_a_process_of_somebody_else_kills_nobody(
    running: tuple[BrowserWorkspace, subprocess.Popen[bytes], Path],
) -> None:
    """A browser that has no view writes to the note: "-1" is every process of the machine."""
    workspace, driver, _ = running
    with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, start_new_session=True) as other:
        for note in (f"{other.pid} {driver.pid}", f"{os.getpid()} {os.getppid()}", "1 1", "0 0"):
            workspace.note.write_text(f"{note}\n")
            processes = BrowserProcesses(workspace)
            assert processes.browser is None
            processes.kill()
        assert other.poll() is None
        other.communicate()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_how_files_were_taken_away_is_read_before_there_is_a_page(
    running: tuple[BrowserWorkspace, subprocess.Popen[bytes], Path],
) -> None:
    workspace, _, _ = running
    processes = BrowserProcesses(workspace)
    workspace.browser_view.write_text("landlock")  # of a way to start it that has failed

    processes.begin()
    processes.read_launch_notes()
    workspace.browser_view.write_text("landlock")  # a browser that has no view rewrites it

    (found,) = (process for process in processes.facts() if process.type == "browser")
    assert found.files == "none"


def test_a_driver_is_not_started_by_the_script_of_another_capture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one starts, Playwright's setting names its script, for all of the process."""
    monkeypatch.setenv("PLAYWRIGHT_NODEJS_PATH", "/spool/other/driver")
    workspace = BrowserWorkspace.create(tmp_path / "spool")
    binary = launch.BrowserBinary(kind="shell", path=executable(tmp_path / "x" / "shell"))

    script = confinement.prepare_driver(workspace, binary).read_text()

    workspace.remove()
    assert "/spool/other/driver" not in script


_PREPARE = """
import sys
from pathlib import Path
from snapshotter.capture.browser import confinement, launch
place = launch.BrowserWorkspace.create(Path(sys.argv[1], "spool"))
try:
    confinement.prepare_driver(place, launch.BrowserBinary(kind="shell", path=Path("/bin/true")))
finally:
    place.remove()
"""


def test_a_spool_from_which_no_program_may_be_started_is_named(
    tmp_path: Path, no_namespaces: tuple[str, ...]
) -> None:
    forbid = 'mount -t tmpfs -o noexec none "$0" && exec "$@"'
    command = (no_namespaces[0], "--user", "--map-root-user", "--mount", "sh", "-c", forbid)

    done = subprocess.run(
        [*command, str(tmp_path), sys.executable, "-c", _PREPARE, str(tmp_path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    last = done.stderr.splitlines()[-1]
    assert last.endswith(f"no program may be started in {tmp_path}: it is mounted with noexec")


def test_the_digest_of_a_binary_follows_the_file(tmp_path: Path) -> None:
    path = executable(tmp_path / "browser")
    before = binary_sha256(path)
    path.write_bytes(b"another one, longer")

    assert binary_sha256(path) != before


def test_what_a_browser_has_written_is_counted_as_the_disk_counts_it(tmp_path: Path) -> None:
    workspace = BrowserWorkspace.create(tmp_path / "spool")
    before = workspace.written_bytes(4 << 20)
    (workspace.profile / "store").write_bytes(bytes(1 << 20))
    with (workspace.temporary / "hole").open("wb") as sparse:
        sparse.truncate(1 << 30)

    assert 1 << 20 <= workspace.written_bytes(4 << 20) - before < 2 << 20
    for number in range(100):  # that hold nothing, and take a place each
        (workspace.profile / f"{number}").touch()
        (workspace.home / f"{number}").mkdir()
    assert workspace.written_bytes(4 << 20) - before > (1 << 20) + 200 * 4096 - 1
    assert workspace.written_bytes(1000) < before + (1 << 20)  # looking ended
    workspace.remove()
    assert workspace.written_bytes(1) == 0


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="namespaces are of Linux")
def test_a_machine_that_was_too_busy_to_try_is_not_told_that_it_forbids_a_sandbox(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(namespace, "_tried", {})
    monkeypatch.setattr(namespace, "_PROBE_S", 0.0)

    found = SystemRestrictions.find()

    assert (found.network, found.user) == ("", "")
    assert next(found.ways()) == next(SystemRestrictions("", "").ways())  # the safest
