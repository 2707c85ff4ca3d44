"""
The least that a full-page picture can cost: a browser, the page, its tiles, and nothing else.

Chromium is driven by its own protocol over pipes, without a library: started fresh,
one navigation to the load event, the page's height, PNG tiles as our captures take
them (4,000 CSS pixels each, `optimizeForSpeed`) written to files, then killed. No
scrolling, no settling, no text, no record, no seal: it is what the rest is compared with.

Of a page whose images load when they come near, that is a picture without them. What a bare
picture with them takes is measured as well, for what it says of the difference.
"""

import base64
import itertools
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

_TILE_PX = 4_000
_LIMIT_S = 60.0
# Down the page a frame a step, and back when every image has come.
_SCROLL = """(async () => {
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  await frame();
  for (let top = -1; top !== scrollY;) {
    top = scrollY;
    scrollBy({top: innerHeight * 0.8, behavior: 'instant'});
    await frame();
  }
  while ([...document.images].some((image) => !image.complete)) await frame();
  scrollTo({top: 0, behavior: 'instant'});
  await frame();
})()"""
_FLAGS = (
    "--headless", "--remote-debugging-pipe", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-default-apps", "--disable-sync", "--hide-scrollbars",
    "--mute-audio", "--disable-gpu", "--site-per-process", "--window-size=1440,900",
    "--blink-settings=mainFrameClipsContent=false",  # as ours: no tile resizes the page
)  # fmt: skip


def shoot(binary: Path, url: str, folder: Path, *, with_images: bool = False) -> dict[str, float]:
    """
    Photograph a page into `folder`; return seconds of each part and `total`.

    Args:
        with_images: Scroll first, so that images come which load when they are near.
    """
    began = time.monotonic()
    marks: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="floor-") as profile:
        browser = _Pipe(binary, Path(profile))
        try:
            target = browser.call("Target.createTarget", url="about:blank")["targetId"]
            session = browser.call("Target.attachToTarget", targetId=target, flatten=True)[
                "sessionId"
            ]
            browser.session = session
            browser.call("Page.enable")
            browser.call(
                "Emulation.setDeviceMetricsOverride",
                width=1440, height=900, deviceScaleFactor=1, mobile=False,
            )  # fmt: skip
            marks["launch"] = time.monotonic() - began
            browser.call("Page.navigate", url=url)
            browser.wait_for("Page.loadEventFired")
            marks["navigate"] = time.monotonic() - began
            if with_images:
                browser.call("Runtime.evaluate", expression=_SCROLL, awaitPromise=True)
                marks["scroll"] = time.monotonic() - began
            size = browser.call("Page.getLayoutMetrics")["cssContentSize"]
            width, height = round(size["width"]), round(size["height"])
            for number, top in enumerate(range(0, height, _TILE_PX)):
                clip = {"x": 0, "y": top, "width": width, "scale": 1}
                clip["height"] = min(_TILE_PX, height - top)
                answer = browser.call(
                    "Page.captureScreenshot", format="png", optimizeForSpeed=True,
                    clip=clip,
                )  # fmt: skip
                (folder / f"tile-{number:03}.png").write_bytes(base64.b64decode(answer["data"]))
            marks["tiles"] = time.monotonic() - began
        finally:
            browser.kill()
    marks["total"] = time.monotonic() - began
    return marks


class _Pipe:
    """A browser at the other end of two pipes (`--remote-debugging-pipe`): JSON, a zero byte."""

    def __init__(self, binary: Path, profile: Path) -> None:
        to_us, from_it = os.pipe()
        to_it, from_us = os.pipe()
        command = [str(binary), *_FLAGS, f"--user-data-dir={profile}", "about:blank"]
        if os.geteuid() == 0:  # Chromium has no sandbox for root; ours starts it like this, too
            unshare = shutil.which("unshare") or "unshare"
            command = [unshare, "--user", "--map-user=1000", "--map-group=1000", "--", *command]

        def hand_over() -> None:
            # Through high numbers first: either pipe may itself be 3 or 4.
            os.dup2(to_it, 100)
            os.dup2(from_it, 101)
            os.dup2(100, 3)
            os.dup2(101, 4)

        self._process = subprocess.Popen(
            command, pass_fds=(3, 4), preexec_fn=hand_over, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(to_it)
        os.close(from_it)
        self._in, self._out = to_us, from_us
        self._buffer = bytearray()
        self._seen: set[str] = set()
        self._numbers = itertools.count(1)
        self.session = ""

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == number:
                if "error" in answer:
                    raise SystemExit(f"{method}: {answer['error']}")
                result: dict[str, Any] = answer["result"]
                return result

    def wait_for(self, event: str) -> None:
        while event not in self._seen:
            self._next()

    def kill(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(10)
        os.close(self._in)
        os.close(self._out)

    def _next(self) -> dict[str, Any]:
        end = time.monotonic() + _LIMIT_S
        searched = 0
        while (cut := self._buffer.find(b"\0", searched)) < 0:
            searched = len(self._buffer)
            if not select.select([self._in], [], [], max(0.0, end - time.monotonic()))[0]:
                raise SystemExit("the browser does not answer")
            piece = os.read(self._in, 1 << 20)
            if not piece:
                raise SystemExit("the browser ended")
            self._buffer += piece
        message: dict[str, Any] = json.loads(self._buffer[:cut])
        del self._buffer[: cut + 1]
        if "method" in message:
            self._seen.add(message["method"])
        return message
