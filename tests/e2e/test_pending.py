"""What the browser's trace shows of a page, look by look: nothing may be lost unsaid."""

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page

from snapshotter.app.machine import SystemClock
from snapshotter.capture.browser.call_guard import CallGuard
from snapshotter.capture.browser.isolated_worlds import IsolatedWorlds
from snapshotter.capture.page.pending_callbacks import PageActivity, TraceWatch
from snapshotter.capture.record.recorder import Recorder
from tests.e2e.recording import record

# Sets a timer of its own every few milliseconds, in turns of which none waits for a timer: so
# timers are set in the gaps between two traces, too.
_BUSY = """() => { let n = 0; const {port1, port2} = new MessageChannel();
port1.onmessage = () => { const end = performance.now() + 3; while (performance.now() < end);
  window.set = ++n; setTimeout(() => {}, 1e6 + n); if (!window.enough) port2.postMessage(0); };
port2.postMessage(0); }"""
_SCROLLS = "document.querySelector('div').scrollTop = 20"
_STYLES = """() => { const sheet = new CSSStyleSheet(); sheet.replaceSync('p{translate:9px}');
document.adoptedStyleSheets = [sheet]; }"""
_FRAME = """(url) => { const it = document.createElement('iframe'); it.src = url;
document.body.append(it); }"""
_SAYS = (
    "<!doctype html><div style='overflow:auto;height:9px'><p>a<p>b</div>"
    "<script>for (let n = 0; n < 5; n++) setTimeout(() => {}, 2000)</script>"
)


@pytest.mark.xdist_group("pending")
def test_each_timer_is_seen_in_a_look_or_said_to_be_missed(tmp_path: Path) -> None:
    looks: list[tuple[PageActivity, int, int]] = []
    conceal_frames: list[PageActivity] = []
    restyled: list[bool] = []

    async def act(page: Page, recorder: Recorder) -> None:
        clock = SystemClock()
        guard = CallGuard(clock, clock.monotonic() + 50)
        worlds = IsolatedWorlds(guard)
        said: list[tuple[str, str]] = []
        watch = TraceWatch(guard, clock, worlds, recorder, lambda *words: said.append(words))
        await watch.begin(page.context)

        async def answer(route: Any) -> None:
            await route.fulfill(body=_SAYS, content_type="text/html")

        await page.route("**/*", answer)
        await page.goto("http://127.0.0.1/")
        await worlds.attach(page.context, page, 5)
        assert [wait.count for wait in (await watch.look()).waits] == [5]
        for script in (_SCROLLS, _STYLES):
            began = clock.monotonic()
            await page.evaluate(script)
            await guard.pause(0.1)  # for a frame to be drawn
            restyled.append((await watch.look()).restyled_at > began)
        await page.evaluate(_BUSY)
        for _ in range(8):
            before = int(await page.evaluate("window.set"))
            seen = await watch.look()
            looks.append((seen, before, int(await page.evaluate("window.set"))))
        await page.evaluate("window.enough = true")
        # Frames of other sites, each in a process that is started meanwhile.
        await page.evaluate(_FRAME, "http://127.0.0.2/")
        await page.evaluate(_FRAME, "http://127.0.0.3/")
        await page.wait_for_function("frames.length === 2")
        await guard.pause(0.5)
        conceal_frames.append(await watch.look())
        assert said == []

    record(tmp_path, "", act=act)

    assert restyled == [True, True]
    for seen, before, after in looks:
        known = sum(wait.count for wait in seen.far)
        missed = any(wait.kind == "not-watched" for wait in seen.unshown)
        assert before <= known <= after or missed, (before, known, after)
        assert known > 0
    assert any(wait.kind == "not-watched" for seen, _, _ in looks for wait in seen.unshown)
    (timers,) = [wait.count for wait in conceal_frames[0].waits if wait.kind == "timer"]
    assert timers == 10 or "not-watched" in {wait.kind for wait in conceal_frames[0].unshown}
