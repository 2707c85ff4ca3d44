"""
Restrict which files the browser's processes and its driver can open, and record for each process
what it can reach.

Chromium's sandbox restricts only its renderers. Its main process, and the processes that draw and
connect, have no filter of system calls, and a page can reach the one that draws. So all of them,
and Playwright's driver, can open only the files that a capture needs (`egress/file_view.py`). Of
the worker's environment variables they get only three that Playwright sets for its driver.
"""

import asyncio
import os
import shlex
import stat
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import playwright
from playwright.async_api import Playwright, async_playwright

from snapshotter.capture.browser import os_processes
from snapshotter.capture.browser.binary import BrowserBinary
from snapshotter.capture.browser.workspace import BrowserWorkspace
from snapshotter.egress import file_view, namespace
from snapshotter.egress.file_view import FileView
from snapshotter.errors import ServiceUnavailable
from snapshotter.model.capture import ProcessFacts
from snapshotter.translation import tr

_NODE = "PLAYWRIGHT_NODEJS_PATH"  # Playwright's own setting: the program that runs its driver
_COMPILED = "NODE_COMPILE_CACHE"
# Facts about Playwright that it passes to its driver.
_PASSED_ON = ("PW_LANG_NAME", "PW_LANG_NAME_VERSION", "PW_CLI_DISPLAY_VERSION")
_LOOK_S = 0.01
_COMPILE_S = 20.0
_DRIVER = Path(playwright.__file__).parent / "driver"
_NAMESPACES = ("user", "mnt", "net", "pid")
_FOLDERS_OF_MANY = ("/", "/bin", "/home", "/opt", "/root", "/srv", "/tmp", "/var")  # noqa: S108

_one_at_a_time = threading.Lock()  # `_NODE` is shared by the whole process
# What it was set to by whoever runs us. Later it may name the script of another capture's driver.
_NODE_GIVEN = os.environ.get(_NODE)  # noqa: TID251


def browser_file_view(workspace: BrowserWorkspace, binary: BrowserBinary) -> FileView:
    """Return the file view of the browser."""
    return FileView(
        report=workspace.browser_view,
        hidden=workspace.hidden,
        reads=_of_browser(binary),
        writes=(*workspace.directories, workspace.key_log),
    )


def prepare_driver(workspace: BrowserWorkspace, binary: BrowserBinary) -> Path:
    """
    Write the script that becomes Playwright's driver, and return its path.

    Raises:
        ServiceUnavailable: Nothing may be started from where it is.
    """
    node = Path(_NODE_GIVEN or _DRIVER / "node")
    environment = dict(workspace.environment)
    compiled = _compiled(node, environment)
    if compiled is not None:
        environment[_COMPILED] = str(compiled)
    given = [shlex.quote(f"{name}={value}") for name, value in environment.items()]
    given += [f'"{name}=${name}"' for name in _PASSED_ON]
    before: tuple[str, ...] = ()
    if sys.platform.startswith("linux"):
        workspace.script.touch(mode=0o755)  # a view holds what exists
        files = FileView(
            report=workspace.driver_view,
            hidden=workspace.hidden,
            reads=(*_of_browser(binary), *file_view.interpreter(), node, _DRIVER, workspace.script),
            writes=(
                *workspace.directories,
                workspace.key_log,
                workspace.note,
                workspace.browser_view,
            ),
            cache=compiled,
        )
        before = namespace.namespace_command(
            namespace.NONE,
            view=file_view.driver_file_view(files, drop_setuid_allowed=not _needs_setuid(binary)),
        )
    script = workspace.root / "driver"
    script.write_text(
        "#!/bin/sh\n"
        "cd / || exit\n"
        f'exec env -i {" ".join(given)} {shlex.join((*before, str(node)))} "$@"\n'
    )
    script.chmod(0o700)
    if not os.access(script, os.X_OK):
        raise ServiceUnavailable(
            tr(
                "programs cannot be started in {parent}, because its file system is mounted "
                "with noexec",
                parent=workspace.root.parent,
            ),
            hint=tr("set spool_dir to a directory on another file system"),
        )
    return script


async def start_confined_driver(script: Path) -> Playwright:
    """
    Start Playwright's driver by a script, with few files and without our environment.

    Raises:
        playwright.async_api.Error: It did not start.
    """
    while not _one_at_a_time.acquire(blocking=False):
        await asyncio.sleep(_LOOK_S)
    try:
        os.environ[_NODE] = str(script)  # noqa: TID251
        return await async_playwright().start()
    finally:
        if _NODE_GIVEN is None:
            os.environ.pop(_NODE, None)  # noqa: TID251
        else:
            os.environ[_NODE] = _NODE_GIVEN  # noqa: TID251
        _one_at_a_time.release()


def _compiled(node: Path, environment: Mapping[str, str]) -> Path | None:
    """
    Return the directory of the driver's compiled scripts, with which it starts sooner.

    The driver may read them and not write them: a compromised one would leave its own there for the
    next. So they are made here, once for each version.
    """
    named = os.environ.get(_COMPILED)  # noqa: TID251
    if not named:
        return None
    directory = Path(named).absolute()
    done = directory / f"of-{metadata.version('playwright')}"
    if not done.exists():
        command = (str(node), str(_DRIVER / "package" / "cli.js"), "run-driver")
        try:
            directory.mkdir(parents=True, exist_ok=True)
            subprocess.run(  # noqa: S603 - Playwright's driver, which ends at the end of its input
                command,
                env={**environment, _COMPILED: str(directory)},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_COMPILE_S,
                check=True,
            )
            for path in (directory, *directory.rglob("*")):  # root's driver is another user
                path.chmod(0o755 if path.is_dir() else 0o644)
            done.touch()
        except (OSError, subprocess.SubprocessError):
            return None
    return directory


def _needs_setuid(binary: BrowserBinary) -> bool:
    """Return whether Chromium's sandbox depends on its helper with the setuid bit of root."""
    helper = binary.path.parent / "chrome-sandbox"
    try:
        if not helper.stat().st_mode & stat.S_ISUID:
            return False
        return bool(namespace.find_obstacle(namespace.USER))
    except (OSError, namespace.ProbeNotPossible):
        return False


def _of_browser(binary: BrowserBinary) -> tuple[Path, ...]:
    """Return the folder of the browser's program, or the program alone in a shared folder."""
    folder = binary.path.absolute().parent
    if str(folder) in _FOLDERS_OF_MANY or folder == Path.home():
        return (binary.path.absolute(),)
    return (folder,)


def collect_process_facts(
    pids: Iterable[int], driver: int | None, workspace: BrowserWorkspace, reports: tuple[str, str]
) -> tuple[ProcessFacts, ...]:
    """
    Return what the kernel reports about each process; equal processes are counted together.

    Args:
        pids: The browser's process group.
        reports: How files are kept from the browser and from its driver, as they have noted it.
    """
    if not sys.platform.startswith("linux"):
        user = "root" if os.geteuid() == 0 else "ours"
        return (
            ProcessFacts(
                type="browser", count=1, seccomp=None, no_new_privs=False,
                namespaces=(), user=user, files=file_view.NONE,
            ),
        )  # fmt: skip
    found: Counter[ProcessFacts] = Counter()
    for pid in pids:
        if facts := _facts(pid, os_processes.process_type(pid), workspace, reports[0]):
            found[facts] += 1
    if driver is not None and (facts := _facts(driver, "driver", workspace, reports[1])):
        found[facts] += 1
    kinds = sorted(found.items(), key=lambda pair: (pair[0].type, pair[0].files))
    return tuple(replace(facts, count=count) for facts, count in kinds)


def _facts(pid: int, kind: str, workspace: BrowserWorkspace, report: str) -> ProcessFacts | None:
    """Return the facts about one process; None if it is gone."""
    status, ours = os_processes.status(pid), os_processes.status(os.getpid())
    own = tuple(namespace for namespace in _NAMESPACES if _has_own(namespace, pid))
    if not status:
        return None
    return ProcessFacts(
        type=kind,
        count=1,
        seccomp=os_processes.has_own_seccomp_filter(status, ours),
        no_new_privs=status.get("NoNewPrivs") == "1",
        namespaces=own,
        user=_user(status, ours),
        files=_files(pid, workspace, report, _user(status, ours)),
    )


def _has_own(name: str, pid: int) -> bool:
    try:
        return os.readlink(f"/proc/{pid}/ns/{name}") != os.readlink(f"/proc/self/ns/{name}")
    except OSError:  # not ours to read, or gone
        return False


def _user(status: Mapping[str, str], ours: Mapping[str, str]) -> str:
    """Return a word for the user of a process, because a number could identify a person."""
    theirs = status.get("Uid", "").split()[:1]
    if theirs == ours.get("Uid", "").split()[:1]:
        return "root" if theirs == ["0"] else "ours"
    return "own"


def _files(pid: int, workspace: BrowserWorkspace, report: str, user: str) -> str:
    """Return how files are kept from a process, one of the words of `ProcessFacts.files`."""
    root = f"/proc/{pid}/root"
    try:
        if not os.listdir(root):
            return "empty"
    except (FileNotFoundError, ProcessLookupError):
        # Chromium's sandbox makes the directory of a process its root that then ends.
        return "empty" if os_processes.status(pid) else "unknown"
    except OSError:
        return "unknown"
    try:
        os.lstat(f"{root}{workspace.hidden}")
    except FileNotFoundError:
        return file_view.MOUNT
    except OSError:
        return "unknown"
    # The kernel does not show this: the process itself noted it, after it had tried.
    if file_view.LANDLOCK in report.split("+"):
        return file_view.LANDLOCK
    return file_view.UID if user == "own" else file_view.NONE
