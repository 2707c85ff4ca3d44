"""Capture local pages with the product's own engine, in the process of the test."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from typing_extensions import override

from snapshotter.app.machine import RandomIds, SystemClock
from snapshotter.capture.engine import ChromiumCapturer
from snapshotter.model.capture import Artifact, Capture
from snapshotter.model.request import CaptureRequest, Decision, Limits


class MovableClock(SystemClock):
    """This machine's clock, with time that a test lets pass at once."""

    passed_s = 0.0

    @override
    def monotonic(self) -> float:
        return super().monotonic() + self.passed_s


class Engine:
    """Captures into folders below `root`, one for each capture: `spool-0`, `spool-1`, …"""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._count = 0
        self.clock = MovableClock()
        self._capturer = ChromiumCapturer(clock=self.clock, ids=RandomIds(), version="0")
        self.progress: list[tuple[str, str]] = []  # step and words, of all captures
        self.on_progress: Callable[[str], None] = lambda _: None

    def __call__(self, url: str, limits: Limits | None = None, **settings: Any) -> Capture:
        """Capture a page; `settings` are those of a decision."""
        spool = self._root / f"spool-{self._count}"
        self._count += 1
        spool.mkdir()
        settings = {"allow_networks": ("127.0.0.0/8",), **settings}
        if limits is not None:
            settings["limits"] = limits
        decision = Decision(policy_name="test", policy_text="", **settings)
        return self._capturer.capture(CaptureRequest(url=url), decision, spool, self._note)

    def _note(self, step: str, words: str) -> None:
        self.progress.append((step, words))
        self.on_progress(step)


def artifact(capture: Capture, path: str) -> Artifact:
    """Return the artifact with this path."""
    (found,) = [artifact for artifact in capture.artifacts if artifact.path == path]
    return found


def read(capture: Capture, path: str) -> str:
    """Return the text of the artifact with this path."""
    return artifact(capture, path).file.read_text(encoding="utf-8")


def codes(capture: Capture) -> list[str]:
    """Return the codes of the reasons for which a capture is not complete."""
    return [reason.code for reason in capture.reasons]


def kinds(capture: Capture) -> list[str]:
    """Return the kinds of what was done to the page."""
    return [action.kind for action in capture.actions]
