"""
Write the script that becomes Playwright's driver, and list the files that driver and browser see.

Nothing here loads Playwright, so that its driver can start while Playwright is loaded
(`early_driver.py`).
"""

import contextlib
import importlib.util
import json
import os
import secrets
import shlex
import stat
import subprocess
import sys
import zlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from snapshotter.capture.browser.binary import BrowserBinary
from snapshotter.capture.browser.workspace import BrowserWorkspace
from snapshotter.egress import file_view, namespace
from snapshotter.egress.file_view import FileView
from snapshotter.errors import ServiceUnavailable
from snapshotter.translation import tr

NODE = "PLAYWRIGHT_NODEJS_PATH"  # Playwright's own setting: the program that runs its driver
_COMPILED = "NODE_COMPILE_CACHE"
# Facts about Playwright that it passes to its driver.
_PASSED_ON = ("PW_LANG_NAME", "PW_LANG_NAME_VERSION", "PW_CLI_DISPLAY_VERSION")
_COMPILE_S = 20.0
_ENTRY = Path(__file__).with_name("driver_entry.js")
# Where `_ENTRY` finds the compiled form of the driver, and where it writes it.
_DRIVER_COMPILED, _DRIVER_COMPILE_TO = "DRIVER_COMPILED", "DRIVER_COMPILE_TO"
_MESSAGE = (
    b'{"id":1,"guid":"","method":"initialize","params":{"sdkLanguage":"python"},"metadata":{}}'
)
_FIRST_MESSAGE = len(_MESSAGE).to_bytes(4, "little") + _MESSAGE  # its functions are compiled, too
_ENTRY_FITS = "1.65.1"  # the version of the driver that `_ENTRY` was tested with
_RESULT_FILES = Path(__file__).with_name("result_files.js")
_RESULTS = "RESULTS_DIRECTORY"  # where that writes
_FOLDERS_OF_MANY = ("/", "/bin", "/home", "/opt", "/root", "/srv", "/tmp", "/var")  # noqa: S108

# What it was set to by the user. Later it may name the script of another capture's driver.
NODE_GIVEN = os.environ.get(NODE)  # noqa: TID251


@cache
def driver_directory() -> Path:
    """Return the directory of Playwright's driver. Raises ModuleNotFoundError."""
    found = importlib.util.find_spec("playwright")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("No module named 'playwright'", name="playwright")
    return Path(found.origin).parent / "driver"


@cache
def driver_version() -> str:
    """Return the version of Playwright's driver."""
    package = driver_directory() / "package" / "package.json"
    return str(json.loads(package.read_text("utf-8"))["version"])


def driver_command() -> tuple[str, ...]:
    """Return the arguments that Playwright gives the program that runs its driver."""
    return (str(driver_directory() / "package" / "cli.js"), "run-driver")


def _entry() -> tuple[Path, ...]:
    """Return the script that loads only a part of the driver; nothing for another program."""
    is_known = NODE_GIVEN is None and driver_version() == _ENTRY_FITS
    return (_ENTRY,) if is_known else ()


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
    node = Path(NODE_GIVEN or driver_directory() / "node")
    environment = dict(workspace.environment)
    compiled = _compiled(node, environment)
    if compiled is not None:
        environment[_COMPILED] = str(compiled.parent)
        environment[_DRIVER_COMPILED] = str(compiled)
    environment[_RESULTS] = str(workspace.results)
    given = [shlex.quote(f"{name}={value}") for name, value in environment.items()]
    given += [f'"{name}=${name}"' for name in _PASSED_ON]
    before: tuple[str, ...] = ()
    if sys.platform.startswith("linux"):
        workspace.script.touch(mode=0o755)  # a view holds what exists
        files = FileView(
            report=workspace.driver_view,
            hidden=workspace.hidden,
            reads=(
                *_of_browser(binary),
                *file_view.interpreter(),
                node,
                *_entry(),
                *((compiled,) if compiled is not None else ()),
                _RESULT_FILES,
                driver_directory(),
                workspace.script,
            ),
            writes=(
                *workspace.directories,
                workspace.results,
                workspace.key_log,
                workspace.note,
                workspace.browser_view,
            ),
            cache=compiled.parent if compiled is not None else None,
        )
        before = namespace.namespace_command(
            namespace.NONE,
            view=file_view.driver_file_view(files, drop_setuid_allowed=not _needs_setuid(binary)),
        )
    command = shlex.join((*before, str(node), *_before_entry(), *map(str, _entry())))
    script = workspace.root / "driver"
    script.write_text(f'#!/bin/sh\ncd / || exit\nexec env -i {" ".join(given)} {command} "$@"\n')
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


def _before_entry() -> tuple[str, ...]:
    """Return arguments for Node; none for a program that the user has named."""
    return () if NODE_GIVEN is not None else ("--require", str(_RESULT_FILES))


def _compiled(node: Path, environment: Mapping[str, str]) -> Path | None:
    """
    Return the file with the compiled form of the driver, with which it starts sooner.

    Node keeps other scripts compiled in the same directory. The driver may read all of them and
    write none: a compromised one would leave its own there for the next. So they are made here,
    once for each version.
    """
    named = os.environ.get(_COMPILED)  # noqa: TID251
    if not named:
        return None
    directory = Path(named).absolute()
    # They are for one text at one path each, and the entry changes what the driver loads.
    of = zlib.crc32(os.fsencode(driver_directory()) + _ENTRY.read_bytes())
    done = directory / f"of-{driver_version()}-{of:08x}.v8"
    if not done.exists():
        new = directory / f"new-{secrets.token_hex(8)}"
        command = (str(node), *_before_entry(), *map(str, _entry()), *driver_command())
        try:
            directory.mkdir(parents=True, exist_ok=True)
            subprocess.run(  # noqa: S603 - Playwright's driver, which ends at the end of its input
                command,
                env={**environment, _COMPILED: str(directory), _DRIVER_COMPILE_TO: str(new)},
                input=_FIRST_MESSAGE,
                capture_output=True,
                timeout=_COMPILE_S,
                check=True,
            )
            new.touch()  # only the entry writes it
            for path in (directory, *directory.rglob("*")):  # root's driver is another user
                with contextlib.suppress(FileNotFoundError):  # of another process, and renamed
                    path.chmod(0o755 if path.is_dir() else 0o644)
            new.replace(done)
        except (OSError, subprocess.SubprocessError):
            with contextlib.suppress(OSError):
                new.unlink(missing_ok=True)
            return None
    return done


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
