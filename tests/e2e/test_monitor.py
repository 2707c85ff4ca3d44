"""A page is taken down under a monitor, and comes back: live, on a clock that the test moves."""

import time
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from snapshotter.app.machine import RandomIds
from snapshotter.app.pipeline import run
from snapshotter.app.pipeline.anchored_clock import AnchoredClock
from snapshotter.app.wiring import capture as wiring
from snapshotter.capture.engine import ChromiumCapturer
from snapshotter.index.open_index import open_index_file
from snapshotter.model.capture import ClockFacts
from snapshotter.model.job import CaptureJob
from snapshotter.model.request import CaptureRequest
from snapshotter.model.takedown import TakedownKind
from snapshotter.policy.capture_decision import PolicyOverrides, decide
from snapshotter.policy.load import load
from snapshotter.site.server import FixtureSite
from snapshotter.site.state import BEGIN, SiteState, available, removed
from tests.e2e.test_site import SiteResolver
from tests.monitored import MINUTE, SIGNER, Watched
from tests.unit.app.pipeline.test_run import world

pytestmark = [pytest.mark.e2e, pytest.mark.long]


class MovedClock:
    """The machine's clock, moved to where the test's time is."""

    def __init__(self) -> None:
        self._at, self._since = BEGIN, time.monotonic()

    def move(self, at: datetime) -> None:
        self._at, self._since = at, time.monotonic()

    def now(self) -> datetime:
        return self._at + timedelta(seconds=self.monotonic() - self._since)

    def monotonic(self) -> float:
        return time.monotonic()

    def facts(self) -> ClockFacts:
        return ClockFacts(source="system", synchronised=None, max_error_ms=None, offset_ms=None)


class Browser:
    """Captures for a monitor, with all that the product captures with."""

    def __init__(self, site: FixtureSite, folder: Path) -> None:
        self._site = site
        self._clock = MovedClock()
        clock = AnchoredClock(self._clock)
        self._dependencies = replace(
            world(folder, signer=SIGNER),
            clock=clock,
            assessor=wiring.assessor,
            capturer=ChromiumCapturer(
                clock=clock, ids=RandomIds(), version="0", resolver=SiteResolver(),
                assessor=wiring.assessor,
            ),
        )  # fmt: skip

    def __call__(self, here: Watched, job: CaptureJob, light: bool) -> str:
        self._site.clock = here.time
        self._clock.move(here.time)
        decision = replace(
            decide(
                load("monitor-takedown"),
                PolicyOverrides(allow_networks=("127.0.0.0/8",), light=light),
            ),
            require_timestamps=0,
        )
        decision = replace(decision, pictures=replace(decision.pictures, viewports=(), pdf=False))
        done = run.run(
            CaptureRequest(url=job.url), decision, self._dependencies, lambda _stage, _detail: None
        )
        here.time = max(here.time, done.capture.ended_at)
        return done.bundle.id


def test_a_removal_and_a_return_are_concluded_from_live_captures(tmp_path: Path) -> None:
    state = SiteState(at=BEGIN).change("wx/article", BEGIN + 40 * MINUTE, removed("wx-01"))
    state = state.change("wx/article", BEGIN + 85 * MINUTE, available())
    with FixtureSite(state) as site, open_index_file(tmp_path / "index.db") as index:
        here = Watched(tmp_path, index, BEGIN, Browser(site, tmp_path), site.url("wx/article"))
        here.watch(30 * MINUTE)

        here.until(92)

        removal, back = here.events
        seen = here.seen
        here.close()
    assert (removal.kind, back.kind) == (TakedownKind.REMOVED, TakedownKind.REINSTATED)
    assert (removal.first_gone.rule, removal.first_gone.light) == ("wx-01", True)
    assert removal.first_gone.notice in ("该内容已被发布者删除", "此内容已被发布者删除")
    begin, end = removal.bracket
    # The pace, and what the capture at either end took.
    took = sum(
        (
            observation.at - observation.began_at
            for observation in (removal.last_seen, removal.first_gone)
        ),
        timedelta(),
    )
    assert end - begin <= 30 * MINUTE + took + MINUTE  # visits are noticed by the minute
    assert begin < BEGIN + 40 * MINUTE < end
    assert [observation.light for observation in seen] == [
        False,
        True,
        True,
        False,
        True,
        True,
        False,
    ]
    assert removal.controls[0].url == site.url("/", host="mp.weixin.qq.com")
    assert back.last_seen.at > BEGIN + 85 * MINUTE
