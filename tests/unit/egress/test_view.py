"""A stand-in for the browser tries to open files that no browser needs."""

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from snapshotter.capture import confinement
from snapshotter.capture.browser import BrowserBinary, Workplace
from snapshotter.egress import namespace

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="namespaces and Landlock are Linux'"
)

ROOT = Path(__file__).resolve().parents[3]
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

# Starts it as a browser is started.
DRIVE = f"""
import json, os, subprocess, sys
from pathlib import Path
from snapshotter.capture import browser, confinement
from snapshotter.capture.browser import BrowserBinary, Workplace
from snapshotter.egress import namespace
place = Workplace.create(Path(sys.argv[1], "spool"))
python = Path(os.path.realpath(sys.executable))
binary = BrowserBinary(kind="shell", path=python)
driver = confinement.prepare_driver(place, binary)
view = confinement.browser_view(place, binary)
kinds = namespace.USER_AND_NET
command = (*namespace.command(kinds, None, view), str(python), "-I", "-S", "-c", {STAND_IN!r})
place.script.write_text(browser.start_script((*command, *sys.argv[2:]), place.note))
ran = subprocess.run([driver, "-c", f"exec {{place.script}}"], capture_output=True, text=True)
sys.stderr.write(ran.stderr)
way = place.driver_view.read_text()
browser_way = place.browser_view.read_text()
place.remove()
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
        own = (key, store, home, service, environment, Path("/etc/shadow"), Path.home())
        yield [str(it) for it in own]


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter, as /var/spool/snapshotter is."""
    with tempfile.TemporaryDirectory(prefix="view-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def stand_in(folder: Path, canaries: list[str], *refused: str) -> tuple[dict[str, str], str, str]:
    """
    Start a stand-in for the browser as a browser is started, below a stand-in for its driver.

    Args:
        folder: Where the browser's directories are made.
        refused: What the system does not allow, see `tests.confined`.

    Return what it met at each path, and how files were taken from driver and browser.
    """
    confined = (sys.executable, "-m", "tests.confined", ",".join(refused)) if refused else ()
    done = subprocess.run(
        [*confined, sys.executable, "-c", DRIVE, str(folder), *canaries],
        cwd=ROOT,
        env={**os.environ, "PLAYWRIGHT_NODEJS_PATH": "/bin/sh", "AWS_SECRET_ACCESS_KEY": "secret"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    met, way, browser_way = json.loads(done.stdout)
    assert "AWS_SECRET_ACCESS_KEY" not in met.pop("environment")
    return met, way, browser_way


def test_in_a_root_of_its_own_a_browser_sees_none_of_our_files(
    open_folder: Path, canaries: list[str]
) -> None:
    met, way, browser_way = stand_in(open_folder, canaries)

    is_root = os.geteuid() == 0
    assert (way, browser_way) == ("mount+uid" if is_root else "user+mount", "mount")
    nothing = "No such file or directory"
    assert set(met.values()) == {nothing, "Permission denied"}
    assert [it for it in met if met[it] != nothing] == [it for it in met if it.startswith("/proc/")]


def test_where_no_mount_is_allowed_landlock_refuses_the_same_files(
    open_folder: Path, canaries: list[str]
) -> None:
    met, way, browser_way = stand_in(open_folder, canaries, "mount")

    assert (way.split("+")[0], browser_way) == ("landlock", "landlock")
    assert set(met.values()) == {"Permission denied"}


@pytest.mark.skipif(os.geteuid() != 0, reason="nobody but root becomes another user")
def test_where_landlock_is_missing_as_well_roots_browser_is_another_user(
    open_folder: Path, canaries: list[str]
) -> None:
    met, way, browser_way = stand_in(open_folder, canaries, "mount", "landlock")

    assert (way, browser_way) == ("uid", "none")  # the browser is whoever its driver is
    assert set(met.values()) == {"Permission denied"}


def test_where_nothing_is_to_be_had_the_files_are_open_and_that_is_noted(
    open_folder: Path, canaries: list[str]
) -> None:
    met, way, browser_way = stand_in(open_folder, canaries, "mount", "landlock", "setuid")

    assert (way, browser_way) == ("none", "none")
    assert met[canaries[0]] == "read"


@pytest.mark.parametrize(("why", "is_used"), [("", True), ("no user namespace: forbidden", False)])
def test_a_driver_above_a_sandbox_that_needs_the_setuid_bit_does_without_landlock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, why: str, *, is_used: bool
) -> None:
    """Landlock takes that bit away, and a sandbox is worth more."""
    helper = tmp_path / "chromium" / "chrome-sandbox"
    helper.parent.mkdir()
    helper.touch()
    helper.chmod(0o4755)
    monkeypatch.setattr(namespace, "obstacle", lambda _: why)
    place = Workplace.create(tmp_path / "spool")
    binary = BrowserBinary(kind="shell", path=helper.with_name("chromium"))

    script = confinement.prepare_driver(place, binary).read_text()

    place.remove()
    assert ("\tlandlock" in script) == is_used
