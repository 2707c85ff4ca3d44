"""A stand-in for the browser tries to open files that no browser needs."""

import ctypes
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import cache_from_source
from pathlib import Path

import pytest

from snapshotter.capture.browser import driver_script
from snapshotter.capture.browser.binary import BrowserBinary
from snapshotter.capture.browser.workspace import BrowserWorkspace
from snapshotter.egress import file_view, namespace
from snapshotter.egress.file_view import FileView

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="namespaces and Landlock are Linux'"
)

ROOT = Path(__file__).resolve().parents[3]
# What was met at each path, and how files were taken from driver and browser.
Met = tuple[dict[str, object], str, str]
StandIn = Callable[..., Met]
# Tries to read each file, list each folder and connect to each socket that is named.
STAND_IN = """
import json, os, socket, stat, sys
tried = {}
for path in sys.argv[1:]:
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            os.listdir(path)
        elif stat.S_ISSOCK(mode):
            socket.socket(socket.AF_UNIX).connect(path)
        else:
            open(path, "rb").read(1)
        tried[path] = "read"
    except OSError as error:
        tried[path] = error.strerror
for folder in ("HOME", "TMPDIR"):
    with open(os.environ[folder] + "/mine", "w") as own:
        own.write("x")
tried["environment"] = " ".join(os.environ)
print(json.dumps(tried))
"""

# Tries to reach the process that started it, and what that one shares with its children.
OF_ONE_USER = """
import ctypes, json, os, sys
from pathlib import Path
library, tried = ctypes.CDLL(None, use_errno=True), {}
worker, call = int(sys.argv[1]), {"x86_64": 250, "aarch64": 219}.get(os.uname().machine)
def attempt(name, it):
    try:
        tried[name] = it()
    except OSError as error:
        tried[name] = error.strerror
attempt("signal", lambda: os.kill(worker, 0) or "sent")
attempt("session keyring", lambda: library.syscall(call, 11, ctypes.c_int(-3), None, 0))
attempt("shared memory", lambda: len(Path("/proc/sysvipc/shm").read_text().splitlines()) - 1)
attempt("sys", lambda: os.access("/proc/sys/kernel/core_pattern", os.W_OK))
status = dict(it.split(":") for it in Path("/proc/self/status").read_text().splitlines())
tried["capabilities"] = int(status["CapEff"], 16)
tried["environment"] = ""
print(json.dumps(tried))
"""

# Starts one of these as a browser is started.
DRIVE = """
import json, os, subprocess, sys
from pathlib import Path
from snapshotter.capture.browser import driver_script, launch
from snapshotter.capture.browser.binary import BrowserBinary
from snapshotter.capture.browser.workspace import BrowserWorkspace
from snapshotter.egress import namespace
workspace = BrowserWorkspace.create(Path(sys.argv[1], "spool"))
python = Path(os.path.realpath(sys.executable))
binary = BrowserBinary(kind="shell", path=python)
driver = driver_script.prepare_driver(workspace, binary)
view = driver_script.browser_file_view(workspace, binary)
kinds = sys.argv.pop()
program = (str(python), "-I", "-S", "-c", sys.argv[2])
command = (*namespace.namespace_command(kinds, None, view), *program)
arguments = sys.argv[3:] or [str(os.getpid())]
workspace.script.write_text(launch.start_script((*command, *arguments), workspace.note))
ran = subprocess.run([driver, "-c", f"exec {workspace.script}"], capture_output=True, text=True)
sys.stderr.write(ran.stderr)
way = workspace.driver_view.read_text()
browser_way = workspace.browser_view.read_text()
workspace.remove()
print(json.dumps([json.loads(ran.stdout), way, browser_way]))
"""


@pytest.fixture
def canaries(tmp_path: Path) -> Iterator[list[str]]:
    """What nobody but the capturing user may open: theirs, and the system's."""
    key, store, home = tmp_path / "data" / "default.pem", tmp_path / "captures", tmp_path / "user"
    key.parent.mkdir()
    key.write_text("a key")
    key.chmod(0o600)
    for folder in (store, home):
        folder.mkdir(mode=0o700)
    service = tmp_path / "docker.sock"
    environment = Path("/proc", str(os.getpid()), "environ")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(service))
        service.chmod(0o600)
        listening.listen()
        own = [key, store, home, service, environment, Path("/etc/shadow")]
        if not Path.home().stat().st_mode & 0o005:  # some systems let others look into a home
            own.append(Path.home())
        yield [str(path) for path in own]


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter, as /var/spool/snapshotter is."""
    with tempfile.TemporaryDirectory(prefix="view-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture(scope="module")
def open_package() -> Iterator[Path]:
    """
    A copy of the package that every user may read, whoever may enter the folder of this one.

    A browser that becomes another user opens files of the package and the folder of the driver.
    """
    with tempfile.TemporaryDirectory(prefix="view-") as folder:
        Path(folder).chmod(0o755)
        shutil.copytree(ROOT / "snapshotter", Path(folder, "snapshotter"))
        real = driver_script.driver_directory()  # large, and /bin/sh stands for the driver
        playwright = shutil.copytree(
            real.parent, Path(folder, "playwright"), ignore=shutil.ignore_patterns("driver")
        )
        version = Path("package", "package.json")
        (playwright / "driver" / version).parent.mkdir(parents=True)
        shutil.copy(real / version, playwright / "driver" / version)
        yield Path(folder)


@pytest.fixture
def stand_in(open_package: Path) -> StandIn:
    """`start_stand_in` with that package."""
    return partial(start_stand_in, open_package)


def start_stand_in(
    package: Path,
    folder: Path,
    canaries: list[str],
    *refused: str,
    code: str = STAND_IN,
    before: str = "",
    kinds: str = namespace.USER_AND_NET,
    command: tuple[str, ...] = (),
) -> Met:
    """
    Start a stand-in for the browser as a browser is started, below a stand-in for its driver.

    Args:
        package: The folder with the package.
        folder: Where the browser's directories are made.
        refused: What the system does not allow, see `tests.confined`.
        code: The stand-in.
        before: What the process does that starts it.
        kinds: The namespaces of a browser.
        command: What that process is started by.

    Return what it met at each path, and how files were taken from driver and browser.
    """
    confined = (sys.executable, "-m", "tests.confined", ",".join(refused)) if refused else ()
    done = subprocess.run(
        [
            *command,
            *confined,
            sys.executable,
            "-c",
            before + DRIVE,
            str(folder),
            code,
            *canaries,
            kinds,
        ],
        cwd=package,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),  # for `tests`; the package is found first
            "PLAYWRIGHT_NODEJS_PATH": "/bin/sh",
            "AWS_SECRET_ACCESS_KEY": "secret",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    met, way, browser_way = json.loads(done.stdout)
    assert "AWS_SECRET_ACCESS_KEY" not in met.pop("environment").split()
    return met, way, browser_way


def test_in_a_root_of_its_own_a_browser_sees_none_of_our_files(
    stand_in: StandIn, open_folder: Path, canaries: list[str]
) -> None:
    met, way, browser_way = stand_in(open_folder, canaries)

    is_root = os.geteuid() == 0
    assert (way, browser_way) == ("mount+uid" if is_root else "user+mount", "mount")
    nothing = "No such file or directory"
    assert set(met.values()) == {nothing, "Permission denied"}
    assert [path for path in met if met[path] != nothing] == [
        path for path in met if path.startswith("/proc/")
    ]


def test_where_no_mount_is_allowed_landlock_refuses_the_same_files(
    stand_in: StandIn, open_folder: Path, canaries: list[str]
) -> None:
    met, way, browser_way = stand_in(open_folder, canaries, "mount")

    assert (way.split("+")[0], browser_way) == ("landlock", "landlock")
    assert set(met.values()) == {"Permission denied"}


@pytest.mark.skipif(os.geteuid() != 0, reason="nobody but root becomes another user")
def test_compiled_files_in_a_private_folder_leave_root_another_user_below_landlock(
    stand_in: StandIn, open_package: Path, open_folder: Path, canaries: list[str]
) -> None:
    compiled = Path(cache_from_source(str(open_package / "snapshotter" / "egress" / "enter.py")))
    compiled.parent.mkdir(exist_ok=True)
    compiled.touch()  # a view holds what exists
    compiled.parent.chmod(0o700)
    try:
        met, way, browser_way = stand_in(open_folder, canaries, "mount")
    finally:
        compiled.parent.chmod(0o755)

    assert (way, browser_way) == ("landlock+uid", "landlock")
    assert set(met.values()) == {"Permission denied"}


@pytest.mark.skipif(os.geteuid() != 0, reason="nobody but root becomes another user")
def test_where_landlock_is_missing_as_well_roots_browser_is_another_user(
    stand_in: StandIn, open_folder: Path, canaries: list[str]
) -> None:
    met, way, browser_way = stand_in(open_folder, canaries, "mount", "landlock")

    assert (way, browser_way) == ("uid", "none")  # the browser is whoever its driver is
    assert set(met.values()) == {"Permission denied"}


def test_where_nothing_is_to_be_had_the_files_are_open_and_that_is_noted(
    stand_in: StandIn, open_folder: Path, canaries: list[str]
) -> None:
    met, way, browser_way = stand_in(open_folder, canaries, "mount", "landlock", "setuid")

    assert (way, browser_way) == ("none", "none")
    assert met[canaries[0]] == "read"


# A key in the session keyring, and a segment of shared memory (System V) that only we may open.
_OWNED = """
import ctypes, os
library = ctypes.CDLL(None, use_errno=True)
add, keyctl = {"x86_64": (248, 250), "aarch64": (217, 219)}[os.uname().machine]
library.syscall(keyctl, 1, None)
library.syscall(add, b"user", b"canary", b"secret", 6, ctypes.c_int(-3))
segment = library.shmget(0, 4096, 0o1600)
library.shmat(segment, None, 0)
library.shmctl(segment, 0, None)  # gone when we are
"""
_DROP_RIGHTS = """
import ctypes, os, sys
for right in (1, 2):  # to pass by the owner of a file (capabilities(7))
    ctypes.CDLL(None).prctl(24, right)
if "again" not in os.environ:
    os.execve(sys.executable, sys.orig_argv, {**os.environ, "again": ""})
"""


def test_a_browser_that_is_the_same_user_reaches_nothing_that_the_worker_keeps_for_itself(
    stand_in: StandIn,
    open_folder: Path,
) -> None:
    """Keys of the session, shared memory, its life: no mount namespace keeps these from it."""
    met, way, browser_way = stand_in(open_folder, [], "setuid", code=OF_ONE_USER, before=_OWNED)

    assert (way, browser_way) == ("user+mount", "mount")
    expected = {"session keyring": 0, "shared memory": 0, "sys": False}
    assert {name: met[name] for name in expected} == expected
    if _landlock_version() >= 6:
        assert met["signal"] == "Operation not permitted"


@pytest.mark.skipif(os.geteuid() != 0, reason="about root")
def test_a_root_that_may_name_a_program_to_the_kernel_is_not_called_confined(
    stand_in: StandIn,
    tmp_path: Path,
) -> None:
    """Landlock leaves /proc/sys open to root, and the kernel starts as root what is named there."""
    tmp_path.chmod(0o700)  # no other user may pass
    met, way, browser_way = stand_in(tmp_path, [], "mount", code=OF_ONE_USER)

    is_open = os.access("/proc/sys/kernel/core_pattern", os.W_OK)  # not in most containers
    assert met["sys"] is is_open
    assert (way, browser_way) == (("none", "none") if is_open else ("landlock", "landlock"))


def test_root_that_may_become_nobody_else_keeps_no_capability(
    stand_in: StandIn, open_folder: Path, no_namespaces: tuple[str, ...]
) -> None:
    """With them it would look into the root directory of any process."""
    met, way, browser_way = stand_in(
        open_folder, [], code=OF_ONE_USER, kinds=namespace.NONE, command=no_namespaces
    )

    assert (way, browser_way) == ("mount", "landlock")
    assert (met["capabilities"], met["sys"]) == (0, False)


@pytest.mark.skipif(os.geteuid() != 0, reason="about root")
def test_roots_browser_stays_roots_where_root_could_not_open_what_another_user_wrote(
    stand_in: StandIn,
    open_folder: Path,
) -> None:
    _, way, browser_way = stand_in(open_folder, [], code=OF_ONE_USER, before=_DROP_RIGHTS)

    assert (way, browser_way) == ("user+mount", "mount")


def _landlock_version() -> int:
    return int(ctypes.CDLL(None).syscall(444, None, 0, 1))


@pytest.mark.parametrize(("why", "is_used"), [("", True), ("no user namespace: forbidden", False)])
def test_a_driver_above_a_sandbox_that_needs_the_setuid_bit_does_without_landlock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, why: str, *, is_used: bool
) -> None:
    """Landlock takes that bit away, and a sandbox is worth more."""
    helper = tmp_path / "chromium" / "chrome-sandbox"
    helper.parent.mkdir()
    helper.touch()
    helper.chmod(0o4755)
    monkeypatch.setattr(namespace, "find_obstacle", lambda _: why)
    place = BrowserWorkspace.create(tmp_path / "spool")
    binary = BrowserBinary(kind="shell", path=helper.with_name("chromium"))

    script = driver_script.prepare_driver(place, binary).read_text()

    place.remove()
    assert ("\tlandlock" in script) == is_used


def test_a_compiled_file_that_another_user_cannot_read_does_not_make_a_view_impossible(
    tmp_path: Path,
) -> None:
    """Root compiles it with its own umask, and may run the driver as another user."""
    place = BrowserWorkspace.create(tmp_path / "spool")
    compiled = [path for path in file_view.interpreter() if path.suffix == ".pyc"]

    view = FileView(report=place.driver_view, hidden=place.hidden, reads=compiled)
    kinds = {line.split("\t")[0] for line in view.text().splitlines() if line.endswith(".pyc")}

    place.remove()
    assert kinds == {"cache"}
