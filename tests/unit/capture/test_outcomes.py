"""Every reason that a capture can give is documented, and no other."""

import re
from pathlib import Path

import pytest

from snapshotter.capture import unrendered
from snapshotter.capture.record import failure_causes
from snapshotter.capture.steps import first_error_line

ROOT = Path(__file__).resolve().parents[3]
_GIVEN = re.compile(
    r'(?:(?:add_reason|lose|_note_gone|note_killed|give_up)\(|_crash = \()\s*"([a-z-]+)"'
)
_REASONED = re.compile(r'add_reason\(\*self\._reason\("([a-z]+)"')  # outside of the steps
_RETURNED = re.compile(r'(?:return|code =) "([a-z-]+)"(?:,|\n)')


def documented() -> set[str]:
    page = (ROOT / "docs/reference/outcomes.md").read_text(encoding="utf-8")
    codes: set[str] = set()
    for heading in ("No page came", "Something is missing", "The page was given up"):
        section = page.partition(f"## {heading}\n")[2].partition("\n#")[0]
        for entry in re.findall(r"^- (`.*?`): ", section, flags=re.MULTILINE):
            codes |= set(re.findall(r"`([a-z-]+)`", entry))
    return codes


def given() -> set[str]:
    source = "".join(
        (ROOT / "snapshotter" / "capture" / f"{name}.py").read_text(encoding="utf-8")
        for name in (
            "pictures/picture_set",
            "record/failure_causes",
            "page/popup_blocker",
            "page/size_limits",
            "page_steps",
            "pictures/screenshot",
            "recording_checks",
            "supervision",
            "capture_builder",
            "page/navigation",
            "browser/recovery",
            "behaviours/reveal",
            "page/page_writer",
            "session",
            "steps",
        )
    )
    codes = {code for _, code in failure_causes._ERRORS}
    codes |= {failure_causes._FORBIDDEN, failure_causes._LOST, unrendered.GIVEN_UP}
    codes |= set(failure_causes._FAILURES.values()) | set(failure_causes._REFUSALS.values())
    codes |= set(_GIVEN.findall(source)) | set(_RETURNED.findall(source))
    codes |= {f"{name}-failed" for name in _REASONED.findall(source)}
    # Ctrl-C gives no capture; the recorder's limits are named in its own contract.
    limits = {"too-many-requests", "capture-too-large", "response-too-large"}
    return codes - {"interrupted"} | limits


def test_every_code_is_documented_and_every_documented_code_exists() -> None:
    assert len(given()) > 25
    assert given() == documented()


def test_what_went_wrong_names_nobodys_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/srv/maria")
    full = OSError(28, "No space left on device", "/srv/maria/.cache/spool/x")

    assert (
        first_error_line(full)
        == "OSError: [Errno 28] No space left on device: '<home>/.cache/spool/x'"
    )
    said = "a.example/srv/maria and /srv/marianne and https://b.example/srv/maria/x"
    assert first_error_line(OSError(said)) == f"OSError: {said}"
