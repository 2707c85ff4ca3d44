"""What `--again` promises (docs/adr/0051-a-second-try.md), tried on pytest itself."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BESIDE = ("-p", "xdist", "-n", "2", "--dist", "loadgroup")
TRIED = """
import pathlib
import pytest

@pytest.mark.{mark}
@pytest.mark.parametrize("number", range({count}))
def test_that_passes_at_the_second_try(number, request):
    tried = pathlib.Path(__file__).with_name(f"tried-{{number}}")
    if not tried.exists():
        tried.touch()
        raise RuntimeError("why the first try failed")
"""
SPOILED = """
import pathlib
import pytest

MARKS
HERE = pathlib.Path(__file__).parent

def note(words):
    with (HERE / "notes").open("a") as file:
        file.write(words + "\\n")

def made(name):
    number = len(list(HERE.glob(f"{name}-*")))
    (HERE / f"{name}-{number}").touch()
    note(f"{name} {number} made")
    if name == SPOILED and not number:
        if HOW == "set-up":
            raise RuntimeError("no set-up")
        yield "spoiled"
        note(f"{name} {number} gone")
        if HOW == "tear-down":
            raise RuntimeError("no tear-down")
    else:
        yield "good"
        note(f"{name} {number} gone")

@pytest.fixture(scope="session")
def server():
    yield from made("server")

@pytest.fixture(scope="module", params=["all", "some"])
def capture(server, request):
    yield from made("capture")

@pytest.fixture
def user(capture):
    yield from made("user")

def test_the_first(server, capture, user):
    if HOW != "tear-down":
        assert [server, capture, user] == ["good"] * 3

def test_the_second(server, capture, user):
    assert [server, capture, user] == ["good"] * 3
"""


ALONE = "pytestmark = pytest.mark.e2e"
TOGETHER = 'pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("together")]'


def write(folder: Path, spoiled: str, how: str, marks: str = ALONE) -> None:
    head = f"SPOILED = {spoiled!r}\nHOW = {how!r}\n"
    (folder / "test_given.py").write_text(head + SPOILED.replace("MARKS", marks))


def run(folder: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    command = (sys.executable, "-m", "pytest", "-q", "-p", "tests.second_try")
    plugins = ("-p", "pytest_timeout", "-p", "no:cacheprovider")
    environment = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # quick, and in order
    config = ("-c", str(ROOT / "pyproject.toml"), "--rootdir", str(folder))
    return subprocess.run(
        [*command, *plugins, *config, *options, str(folder)],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("mark", "count", "options", "code"),
    [
        ("e2e", 2, ("--again", "2"), 0),
        ("interop", 3, ("--again", "2", *BESIDE), 1),  # too many for an accident
        ("e2e", 1, (), 1),
        ("s3", 1, ("--again", "2"), 1),  # none of those that may be tried again
    ],
)
def test_some_tests_have_a_second_try_and_the_first_is_told(
    tmp_path: Path, mark: str, count: int, options: tuple[str, ...], code: int
) -> None:
    (tmp_path / "test_given.py").write_text(TRIED.format(mark=mark, count=count))

    done = run(tmp_path, *options)

    assert done.returncode == code, done.stdout
    assert "why the first try failed" in done.stdout
    again = mark != "s3" and "--again" in options
    assert (f"unsteady: {count} run a second time, at most 2" in done.stdout) == again
    assert (f"{count} passed" in done.stdout) == again


def test_what_fails_twice_has_failed(tmp_path: Path) -> None:
    (tmp_path / "test_given.py").write_text(
        "import pytest\n\n@pytest.mark.e2e\ndef test_that_can_not_pass():\n"
        "    print('what it said')\n    raise RuntimeError('always')\n"
    )

    done = run(tmp_path, "--again", "2")

    assert done.returncode == 1
    assert "1 failed, 1 first try" in done.stdout
    _, unsteady = done.stdout.split("unsteady:")
    assert "RuntimeError: always" in unsteady
    assert "what it said" in unsteady


@pytest.mark.parametrize("spoiled", ["server", "capture", "user"])
def test_a_second_try_begins_from_nothing_whatever_was_spoiled(
    tmp_path: Path, spoiled: str
) -> None:
    beside = spoiled == "capture"
    write(tmp_path, spoiled, "value", TOGETHER if beside else ALONE)

    done = run(tmp_path, "--again", "1", *(BESIDE if beside else ()))

    assert done.returncode == 0, done.stdout
    assert "4 passed, 1 first try" in done.stdout
    notes = (tmp_path / "notes").read_text().splitlines()
    names = ("server", "capture", "user")
    assert notes[:3] == [f"{name} 0 made" for name in names]
    assert notes[3:6] == [f"{name} 0 gone" for name in reversed(names)]
    assert notes[6:9] == [f"{name} 1 made" for name in names]
    assert notes.count("server 2 made") == 0  # all later tests share the second one again
    assert sum(note.startswith("capture") and note.endswith("made") for note in notes) == 3
    made = [note for note in notes if note.endswith("made")]
    assert len(notes) == 2 * len(made)  # each was torn down, once


@pytest.mark.parametrize("spoiled", ["server", "capture", "user"])
@pytest.mark.parametrize("how", ["set-up", "tear-down"])
def test_a_set_up_and_a_tear_down_that_fail_are_told_and_tried_again(
    tmp_path: Path, spoiled: str, how: str
) -> None:
    write(tmp_path, spoiled, how)

    done = run(tmp_path, "--again", "1")

    # What is shared is spoiled for a test that fails on it, and is then made anew.
    assert done.returncode == 0, done.stdout
    assert "4 passed" in done.stdout
    assert "unsteady: 1 run a second time" in done.stdout
    assert f"no {how}" in done.stdout.split("unsteady:")[1]
