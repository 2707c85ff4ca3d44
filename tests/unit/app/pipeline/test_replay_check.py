"""Replaying a bundle: programs that are missing, fail, hang or leave children behind."""

import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from snapshotter.app import settings
from snapshotter.app.interruption import Interruption
from snapshotter.app.pipeline import capture_warnings, replay_check
from snapshotter.app.pipeline.replay_check import PywbPrograms, PywbReplayer, find_pywb
from snapshotter.app.pipeline.run import run
from snapshotter.errors import SnapshotterError
from snapshotter.model.capture import Capture, FailedRequest
from snapshotter.model.replay import Replay, ReplayVerdict
from snapshotter.model.request import CaptureRequest, Decision
from snapshotter.ports import Capturer, Progress
from tests import bundles
from tests.bundles import RealClock
from tests.fakes.capturer import FakeCapturer
from tests.fakes.world import START
from tests.unit.app.pipeline.test_run import REQUEST, world


def program(folder: Path, name: str, script: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def no_browser(proxy: str) -> Capturer:
    raise RuntimeError(f"there is nothing to show at {proxy.partition(':')[0]}")


def replayed(folder: Path, manager: str, wayback: str) -> Replay:
    """Capture a page without a browser, and replay it with these programs."""
    programs = folder / "programs"
    pywb = PywbPrograms(
        wayback=program(programs, "wayback", wayback),
        manager=program(programs, "wb-manager", manager),
    )
    contents = {**bundles.CONTENTS, "capture/viewport.png": bundles.PNG}
    here = replace(
        world(folder),
        capturer=FakeCapturer(RealClock(), contents=contents),
        replayer=PywbReplayer(pywb, no_browser),
    )
    result = run(REQUEST, bundles.decision(), here, lambda *_: None)
    assert Path(result.location).is_file()
    assert list(here.spool_dir.iterdir()) == []
    assert result.replay is not None
    assert "replay" in result.stage_ms
    return result.replay


def test_without_pywb_there_is_an_error_and_a_way_to_get_it(tmp_path: Path) -> None:
    program(tmp_path, "wayback", "exit 0")

    with pytest.raises(
        SnapshotterError, match=r"the program wb-manager of pywb was not found in"
    ) as caught:
        find_pywb(tmp_path)

    assert "SNAPSHOTTER_PYWB_DIR" in caught.value.hint
    program(tmp_path, "wb-manager", "exit 0")
    assert find_pywb(tmp_path).wayback == tmp_path / "wayback"
    # A command asks before it starts a browser, and again when it builds its replayer.
    assert find_pywb(tmp_path) is find_pywb(tmp_path)


def test_a_file_that_is_found_does_not_say_which_pywb_is_run(tmp_path: Path) -> None:
    (tmp_path / "snapshotter.toml").write_text('pywb_dir = "bin"\n')

    with pytest.raises(SnapshotterError, match="pywb_dir"):
        settings.load(directory=tmp_path, environment={})
    named = {"SNAPSHOTTER_CONFIG": str(tmp_path / "snapshotter.toml")}
    found = settings.load(directory=tmp_path, environment=named)
    assert found.pywb_dir == tmp_path / "bin"


def test_a_bundle_that_pywb_does_not_take_could_not_be_checked(tmp_path: Path) -> None:
    found = replayed(tmp_path, "echo a word; echo no such archive >&2; exit 3", "exit 0")

    assert found.verdict is ReplayVerdict.UNCHECKED
    assert found.detail == "pywb does not accept the bundle: no such archive"


def test_a_pywb_that_does_not_start_could_not_be_checked(tmp_path: Path) -> None:
    found = replayed(tmp_path, "exit 0", "echo sorry; exit 1")

    assert found.verdict is ReplayVerdict.UNCHECKED
    assert found.detail == "pywb did not start: sorry"


def test_a_pywb_that_hangs_is_killed_with_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay_check, "_START_S", 1.0)
    note = tmp_path / "pids"

    found = replayed(
        tmp_path, "exit 0", f"sleep 600 & echo $! > {note}; echo $$ >> {note}; sleep 600"
    )

    assert found.verdict is ReplayVerdict.UNCHECKED
    assert found.detail.startswith("pywb did not start")
    for pid in map(int, note.read_text().split()):
        _until_gone(pid)


def _until_gone(pid: int) -> None:
    end = time.monotonic() + 10
    while _lives(pid):
        assert time.monotonic() < end
        time.sleep(0.02)


def _lives(pid: int) -> bool:
    """A zombie that nobody reaps has ended as well."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_bug_of_ours_in_the_replay_costs_no_bundle_that_is_stored(tmp_path: Path) -> None:
    server = f'exec {sys.executable} -m http.server --bind 127.0.0.1 "$4"'

    found = replayed(tmp_path, "exit 0", server)

    assert found.verdict is ReplayVerdict.UNCHECKED
    assert found.detail == "RuntimeError: there is nothing to show at http"


def test_programs_get_an_environment_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SNAPSHOTTER_PROXY", "socks5://somebody:a-secret@127.0.0.1:1")
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")

    replayed(tmp_path, f"env > {tmp_path / 'environment'}; exit 1", "exit 0")

    names = {line.partition("=")[0] for line in (tmp_path / "environment").read_text().splitlines()}
    assert names <= {"PATH", "LANG", "HOME", "TMPDIR", "PWD", "OLDPWD", "SHLVL", "_", "LC_CTYPE"}


class Stopped:
    """A replayer that is in the middle of its work when a signal comes."""

    def check(
        self,
        request: CaptureRequest,
        decision: Decision,
        captured: Capture,
        bundle: Path,
        folder: Path,
        progress: Progress,
    ) -> Replay:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(10)
        raise AssertionError("nobody stopped it")


def test_a_signal_ends_the_replay_and_costs_nothing_that_is_stored(tmp_path: Path) -> None:
    stop = Interruption()
    before = signal.signal(signal.SIGINT, stop)
    try:
        result = run(
            REQUEST,
            bundles.decision(),
            replace(world(tmp_path), replayer=Stopped()),
            lambda *_: None,
            stop,
        )
    finally:
        signal.signal(signal.SIGINT, before)

    assert stop.wanted
    assert Path(result.location).is_file()
    assert result.replay is not None
    assert result.replay.detail == "interrupted"
    (said,) = capture_warnings.replay_warnings(result)
    assert said == "WARNING: the replay could not be checked: interrupted"


def test_a_request_that_had_no_answer_is_not_missed_by_the_replay(tmp_path: Path) -> None:
    requests = tuple(
        FailedRequest(url=url, resource_type="Image", error="net::ERR_FAILED")
        for url in ("http://b/1", "http://a/1")
    )
    shown = replace(bundles.capture(tmp_path, at=START), failed_requests=requests)

    found = list(replay_check._missed(None, shown, {"http://a/1"}, frozenset()))

    assert [request.url for request in found] == ["http://b/1"]
