"""
Every call to the browser made to fail, one capture each: what becomes of the capture?

    python scripts/fault_matrix.py [--kinds refused,lost,silent] [--only WORDS] [--part 1/2]

A page with a frame of another site, a worker, an image, a hidden text and a banner is captured
once as it is, to learn which calls are made; then once for each of them (the first and the last
of its kind, and all of them), with that call refused, done but its answer lost, or never
answered. Each line is one capture: the call, what came of it, and what the record says. It ends
in 1 if a capture came to nothing in any other way than is promised, or left something behind.
"""

import argparse
import http.server
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from typing_extensions import override

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from snapshotter.app.machine import RandomIds, SystemClock  # noqa: E402  the line above
from snapshotter.app.wiring.capture import assessor  # noqa: E402
from snapshotter.capture import opened_page  # noqa: E402
from snapshotter.capture.engine import ChromiumCapturer  # noqa: E402
from snapshotter.errors import ServiceUnavailable  # noqa: E402
from snapshotter.model.capture import Capture, Outcome  # noqa: E402
from snapshotter.model.request import (  # noqa: E402
    CaptureRequest,
    ConsentRules,
    Decision,
    ExpandRules,
    Limits,
    Pictures,
    Viewport,
)
from tests.faults import Fault, faults  # noqa: E402
from tests.servers.site import png  # noqa: E402

PAGE = """<!doctype html><title>t</title>
<body style="margin:0"><p>Words of an article that is long enough to be one.</p>
<img src="/image.png" width="90" height="90"><main><details><summary>More</summary>hidden</details>
<button aria-expanded="false" onclick="this.nextSibling.hidden=false">Show more</button><p hidden>
that was hidden</p></main><iframe src="http://127.0.0.2:PORT/frame"></iframe>
<div style="height:3000px;background:linear-gradient(red,blue)"></div><div id=root></div>
<div style="position:fixed;bottom:0" id="cookie-banner">cookies <button
onclick="this.parentNode.remove()">Reject all</button></div>
<script>new Worker('/worker.js');document.getElementById('root').attachShadow({mode: 'closed'})
.innerHTML = '<p>in a closed tree</p>'</script>"""
ANSWERS = {
    "/": ("text/html", PAGE.encode()),
    "/frame": ("text/html", b"<!doctype html><p>a frame's text"),
    "/worker.js": ("text/javascript", b"fetch('/image.png')"),
    "/image.png": ("image/png", png(90, 90, (200, 30, 30))),
}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        kind, body = ANSWERS.get(self.path, ("text/plain", b"nothing"))
        body = body.replace(b"PORT", str(self.connection.getsockname()[1]).encode())
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @override
    def log_message(self, *_: object) -> None:
        return


class Server(http.server.ThreadingHTTPServer):
    @override
    def handle_error(self, *_: object) -> None:
        return  # a browser that was killed


def captured(url: str, folder: Path) -> Capture:
    spool = folder / "spool"
    spool.mkdir()
    opened_page._PAINTS_BELOW.clear()
    decision = Decision(
        policy_name="test",
        policy_text="",
        allow_networks=("127.0.0.0/8",),
        viewport_px=(800, 600),
        limits=Limits(step_s=3, tile_s=4, mhtml_s=3, settle_s=3, scroll_s=5, close_s=3),
        consent=ConsentRules(enabled=True),
        expand=ExpandRules(enabled=True),
        pictures=Pictures(
            pdf=True,
            elements=("img",),
            viewports=(Viewport(name="phone", width=390, height=800, scale=1, mobile=True),),
        ),
    )
    capturer = ChromiumCapturer(
        clock=SystemClock(), ids=RandomIds(), version="0", assessor=assessor
    )
    return capturer.capture(CaptureRequest(url=url), decision, spool, lambda *_: None)


def one(url: str, chosen: Fault | None) -> tuple[dict[str, object], dict[str, int]]:
    before = children()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        said: dict[str, object] = {}
        with faults(*([] if chosen is None else [chosen])) as calls:
            try:
                capture = captured(url, folder)
            except ServiceUnavailable as error:
                said = {"ended": "unavailable", "says": str(error)[:300]}
            except Exception as error:  # noqa: BLE001  that is what is looked for
                said = {"ended": "BUG", "says": f"{type(error).__name__}: {error}"[:300]}
            else:
                failed = [
                    s.name for s in capture.steps if s.state.value != "ok" and s.name != "judge"
                ]
                said = {
                    "ended": capture.outcome.value,
                    "codes": [reason.code for reason in capture.reasons],
                    "warnings": [reason.code for reason in capture.warnings],
                    "missing": list(capture.missing_parts),
                    "steps": failed,
                    "pictures": len(capture.pictures),
                }
                if capture.outcome is Outcome.COMPLETE and failed and not capture.warnings:
                    said["unsaid"] = True
        left = [path.name for path in folder.iterdir() if path.name != "spool"]
        left += [path.name for path in (folder / "spool").iterdir() if path.name.startswith(".")]
    time.sleep(0.3)
    said |= {"met": calls.met, "left": left, "running": sorted(children() - before)}
    said["seconds"] = round(time.monotonic() - started, 1)
    return said, dict(calls.made)


def children() -> set[str]:
    """Return the processes below this one, by number and name."""
    parents: dict[int, tuple[int, str]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            name, _, rest = stat.partition("(")[2].rpartition(")")
            state, parent = rest.split()[:2]
            if state != "Z":
                parents[int(entry.name)] = int(parent), name
    mine, grew = {os.getpid()}, True
    while grew:
        more = {pid for pid, (parent, _) in parents.items() if parent in mine} - mine
        grew = bool(more)
        mine |= more
    return {f"{pid} {parents[pid][1]}" for pid in mine - {os.getpid()} if pid in parents}


def cases(made: dict[str, int], kinds: list[str], only: str) -> Iterator[Fault]:
    for call, count in sorted(made.items()):
        if only not in call:
            continue
        for kind in kinds:
            yield Fault(call=call, kind=kind)
            if count > 2:
                yield Fault(call=call, kind=kind, number=count - 1)
            yield Fault(call=call, kind=kind, lasts=True)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kinds", default="refused", help="refused, lost or silent, by comma")
    parser.add_argument("--only", default="", help="calls whose name contains these words")
    parser.add_argument("--part", default="1/1", help="of so many, for running side by side")
    arguments = parser.parse_args()
    server = Server(("0.0.0.0", 0), Handler)  # noqa: S104  two sites: 127.0.0.1 and 127.0.0.2
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}/"
    part, parts = map(int, arguments.part.split("/"))
    said, made = one(url, None)
    print(json.dumps({"calls": made}))
    print(json.dumps({"call": "", **said}), flush=True)
    bad = said["ended"] != "complete"
    for number, fault in enumerate(cases(made, arguments.kinds.split(","), arguments.only)):
        if number % parts != part - 1:
            continue
        said, _ = one(url, fault)
        which = f"{fault.kind} #{fault.number}{' and on' if fault.lasts else ''}"
        print(json.dumps({"call": fault.call, "which": which, **said}), flush=True)
        bad |= bool(said["ended"] == "BUG" or said["left"] or said["running"] or said.get("unsaid"))
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
