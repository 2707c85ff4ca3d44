"""`capture --check-replay`: a stored bundle is shown again by pywb, and its pictures compared."""

import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.product import Installation, kill, processes_of
from tests.servers.site import Site, _page
from tests.tools import python_tool

pytestmark = [
    pytest.mark.interop,
    pytest.mark.e2e,
    pytest.mark.long,
    pytest.mark.xdist_group("interop"),
]

POLICY = """name = "replay"
[browser]
ignore_certificate_errors = true
[require]
timestamps = 0
"""

# Everything that decides its picture is in the record, also what comes by scrolling.
_page(
    "/replay-static",
    "<!doctype html><title>static</title><link rel=stylesheet href=/replay.css>"
    "<h1>Static 固定頁 🦊</h1><img src=/image/a.png width=200 height=100>"
    "<iframe src=/inner></iframe><div style='height:4300px'></div>"
    "<img loading=lazy src=/image/lazy.png width=300 height=90>"
    "<p id=p></p><script>fetch('/data.json').then(a=>a.json()).then(a=>p.textContent=a.answer)"
    "</script>",
)
# Asks for something else each time, and shows that it has no answer.
_page(
    "/replay-chance",
    "<!doctype html><title>chance</title><h1>chance</h1><p id=p></p><script>"
    "fetch('/replay-number/' + Math.random().toString(36).slice(2))"
    ".then(a => p.textContent = a.ok ? 'an answer' : 'no answer: ' + a.status)</script>",
)
_page("/replay-number/", "a number")


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    made = Installation(tmp_path / "home")
    made.configure(pywb_dir=str(Path(python_tool("wayback")).parent))
    (made.home / "policy.toml").write_text(POLICY)
    return made


def checked_capture(installation: Installation, url: str) -> dict[str, Any]:
    """Capture a page and check its replay; return what the command said."""
    facts, _ = _checked(installation, url)
    return facts


def _checked(installation: Installation, url: str) -> tuple[dict[str, Any], str]:
    done = installation.run(
        "capture", "--check-replay", "--json", "--policy", installation.home / "policy.toml", url
    )
    assert done.code == 0, done.err
    assert done.object["verification"] != "failed", done.out
    assert list(installation.spool.iterdir()) == []
    assert list(installation.temporary.iterdir()) == []
    return done.object, done.err


def checked(installation: Installation, url: str) -> tuple[dict[str, Any], str]:
    facts, said = _checked(installation, url)
    return facts["replay"], said


def test_a_static_page_replays_without_one_differing_pixel_and_people_are_told(
    installation: Installation,
) -> None:
    """Over TLS, and for programs: `test_replay_over_tls.py`."""
    with Site() as site:
        done = installation.run(
            "capture", "--check-replay", "--policy", installation.home / "policy.toml",
            site.url("/replay-static"),
        )  # fmt: skip

    assert done.code == 0, done.err
    assert (
        "  replay         in pywb, every compared picture is equal to the picture of the capture"
    ) in done.out
    assert "viewport.png: 0.0000 % of pixels differ (1440 x 900 pixels)" in done.out
    whole = re.search(r"screenshot\.png: 0\.0000 % of pixels differ \(1440 x (\d+) pix", done.out)
    assert whole is not None, done.out
    assert int(whole[1]) > 4300
    assert "WARNING: the replay" not in done.err


def test_a_page_of_chance_differs_and_names_what_its_replay_missed(
    installation: Installation,
) -> None:
    with Site() as site:
        replay, said = checked(installation, site.url("/replay-chance"))

    assert replay["verdict"] == "differs"
    first = replay["pictures"][0]
    assert 0 < first["differing_percent"] < 5
    assert first["differing_pixels"] > 0
    (missed,) = replay["missed"]
    assert replay["missed_count"] == 1
    assert missed["method"] == "GET"
    assert "/replay-number/" in missed["url"]
    assert "WARNING: the replay differs" in said


def test_of_a_page_that_is_very_tall_the_first_view_alone_is_compared(
    installation: Installation,
) -> None:
    with Site() as site:
        replay, _ = checked(installation, site.url("/bands?301"))

    assert replay["verdict"] == "replays", replay
    assert [picture["path"] for picture in replay["pictures"]] == ["capture/viewport.png"]
    assert "30100 CSS pixels high, so only the first view was compared" in replay["detail"]


def test_a_page_that_gave_no_picture_could_not_be_checked(installation: Installation) -> None:
    with Site() as site:
        gone = site.url("/")
    done = installation.run("capture", "--check-replay", "--json", gone)

    assert done.code == 3
    assert done.object["replay"]["verdict"] == "unchecked"
    assert "no picture" in done.object["replay"]["detail"]


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_nothing_of_a_replay_outlives_its_command(
    installation: Installation, end: signal.Signals
) -> None:
    with Site() as site:
        started = installation.start("capture", "--check-replay", site.url("/replay-static"))
        try:
            _until(lambda: any("wayback" in log for log in _all(installation, started).values()))
            started.send_signal(end)
            out, err = started.communicate(timeout=60)
            _until(lambda: not _all(installation, started))
        finally:
            kill(list(_all(installation, started)))

    (bundle,) = installation.bundles()
    if end is signal.SIGINT:  # stored before; told as always
        assert started.returncode == 130, err
        assert "the replay could not be checked: interrupted" in out
        assert bundle.stem in out
        assert list(installation.spool.iterdir()) == []


def _all(installation: Installation, started: "subprocess.Popen[str]") -> dict[int, str]:
    return processes_of(installation, started.pid)


def _until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_without_pywb_nothing_is_captured(tmp_path: Path) -> None:
    installation = Installation(tmp_path / "home")
    installation.configure(pywb_dir=str(tmp_path))
    with Site() as site:
        done = installation.run("capture", "--check-replay", site.url("/plain"))

        assert site.requests == []
    assert done.code == 1
    assert "the program wayback of pywb was not found" in done.err
    assert "\n  python3 -m venv ~/pywb" in done.err
    assert not installation.data.exists()
