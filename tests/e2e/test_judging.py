"""A page that can be looked at again is: walls that open, errors that pass, what each leaves."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from typing_extensions import override

from snapshotter.app.machine import RandomIds, SystemClock
from snapshotter.assess.dom import read_document
from snapshotter.capture.engine import ChromiumCapturer
from snapshotter.formats.page import layout as page_layout
from snapshotter.model.assessment import (
    Assessment,
    Availability,
    Content,
    ContentVerdict,
    TakedownVerdict,
)
from snapshotter.model.capture import Capture, Outcome, PictureKind, StepState
from snapshotter.model.page import Page
from snapshotter.model.request import CaptureRequest, Decision, Limits, VerdictRules

pytestmark = pytest.mark.e2e

ARTICLE = "<!doctype html><title>it</title><h1>An article</h1><p>with a text of its own.</p>"
# Walls that ask now and then whether they may open, and go on by themselves or are lifted.
ASKING = """<!doctype html><p id=it>Checking your browser</p><script>
const asking = setInterval(async () => {
  if (await (await fetch('/open')).text() === 'yes') { clearInterval(asking); %s; } }, 1500);
</script>"""
WALL = ASKING % "location = '/article'"
CURTAIN = ASKING % "it.textContent = 'An article'"
BLOCKS = """<!doctype html><html><head><noscript><p>no</p></noscript>
<style>.x { display: none } .y { position: absolute; left: -9999px }</style></head>
<body><h1>One  <b>line</b></h1><p>seen <span class=x>not seen</span> <a href="/">link</a></p>
<table><tr><td>cell</td></tr></table><div>outer<p>inner</p>outer again</div><pre>a
  b</pre><button>press</button><input type=submit value=send>
<div class=y>away</div>
<div style="visibility:hidden">hid</div><my-box></my-box><script>
document.querySelector('my-box').attachShadow({mode: 'open'}).innerHTML = '<p>in a shadow</p>';
document.body.insertAdjacentHTML('beforeend', '<o:p>word</o:p><o:p class=y>far</o:p>');
</script></body></html>"""


@dataclass
class Pages:
    """
    A site whose `/flaky` fails until it was asked `fails` times.

    `/stale` has not changed when it is asked again, and `/lost` does not answer any more.
    """

    url: str = ""
    fails: int = 1
    asked: list[str] = field(default_factory=list)
    judged: threading.Event = field(default_factory=threading.Event)  # then the walls open


@pytest.fixture
def pages() -> Iterator[Pages]:
    here = Pages()
    bodies = {"/article": ARTICLE, "/wall": WALL, "/curtain": CURTAIN, "/blocks": BLOCKS}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            here.asked.append(self.path)
            is_down = self.path == "/flaky" and here.asked.count("/flaky") <= here.fails
            body = (bodies.get(self.path, ARTICLE) if not is_down else "<p>overloaded").encode()
            if self.path == "/open":
                body = b"yes" if here.judged.is_set() else b"no"
            if self.path == "/stale":
                body = b"<p>still loading"
            if self.path in ("/large", "/shrinks"):
                more = b" and some text" if here.asked.count(self.path) == 1 else b""
                body = b"<p>still loading" + more
            if self.path == "/large":
                body += b"<p>" + b"x" * (3 << 20)
            if self.path == "/lost":
                body = b"<p>still loading, for ever"
                if here.asked.count("/lost") > 1:
                    return  # without an answer
            if self.headers["If-Modified-Since"]:
                self.send_response(304)
                self.end_headers()
                return
            self.send_response(503 if is_down else 200)
            self.send_header("Content-Type", "text/html")
            if self.path == "/stale":
                self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        @override
        def log_message(self, format: str, *args: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        here.url = f"http://127.0.0.1:{server.server_port}"
        yield here
        server.shutdown()


class ByWords:
    """An assessor that knows three kinds of pages, and tells that it was asked."""

    def __init__(self, judged: threading.Event) -> None:
        self._judged = judged
        self.prepared: list[int | None] = []

    def judge(self, page: Page) -> tuple[ContentVerdict, TakedownVerdict]:
        kind = Content.CONTENT
        if page.status == 503:
            kind = Content.ERROR
        elif any("Checking" in block.text for block in page.blocks):
            kind = Content.WALL
        elif any("still loading" in block.text for block in page.blocks):
            kind = Content.SHELL
        self._judged.set()
        verdict = TakedownVerdict(availability=Availability.INCONCLUSIVE, detail="")
        return ContentVerdict(kind=kind, detail=f"it is {kind}"), verdict

    def assess(self, page: Page) -> Assessment:
        raise NotImplementedError

    def prepare(self, page: Page) -> None:
        self.prepared.append(page.status)


class Broken(ByWords):
    @override
    def judge(self, page: Page) -> tuple[ContentVerdict, TakedownVerdict]:
        raise RecursionError("a page made for it")


def captured(
    spool: Path,
    pages: Pages,
    path: str,
    assessor: type[ByWords] = ByWords,
    limits: Limits | None = None,
) -> Capture:
    capturer = ChromiumCapturer(
        clock=SystemClock(),
        ids=RandomIds(),
        version="0",
        assessor=lambda _: assessor(pages.judged),
    )
    decision = Decision(
        policy_name="test",
        policy_text="",
        allow_networks=("127.0.0.0/8",),
        limits=limits or Limits(),
        verdict=VerdictRules(wall_grace_s=60.0, reloads=1),
    )
    return capturer.capture(CaptureRequest(url=pages.url + path), decision, spool, lambda *_: None)


def actions(capture: Capture) -> list[tuple[str, str]]:
    return [
        (action.kind, action.detail)
        for action in capture.actions
        if "-wall" in action.kind or action.kind == "reload"
    ]


def verdicts(capture: Capture) -> list[str]:
    return [step.detail.partition(",")[0] for step in capture.steps if step.name == "judge"]


def text(spool: Path) -> str:
    return (spool / "capture/page.txt").read_text()


@pytest.mark.parametrize("path", ["/wall", "/curtain"])
def test_a_wall_that_opens_by_itself_ends_as_the_page_behind_it(
    pages: Pages, tmp_path: Path, path: str
) -> None:
    capture = captured(tmp_path, pages, path)

    assert "An article" in text(tmp_path)
    assert actions(capture) == [
        ("wait-at-wall", ("it is wall; the wall disappeared without an action of snapshotter"))
    ]
    assert verdicts(capture) == ["wall", "content"]
    assert capture.outcome is Outcome.COMPLETE, capture.reasons
    assert [hop.kind for hop in capture.redirects] == (["client"] if path == "/wall" else [])
    subjects = [p.subject for p in capture.pictures if p.kind is PictureKind.VIEWPORT]
    assert sorted(subjects) == ["", "before-wall"]


def test_a_page_that_failed_is_asked_for_again_and_both_answers_are_kept(
    pages: Pages, tmp_path: Path
) -> None:
    capture = captured(tmp_path, pages, "/flaky")

    assert "An article" in text(tmp_path)
    assert pages.asked.count("/flaky") == 2
    assert actions(capture) == [("reload", "error: it is error (1 of 1)")]
    assert capture.response is not None
    assert (capture.outcome, capture.response.status) == (Outcome.COMPLETE, 200)
    assert [hop.kind for hop in capture.redirects] == ["reload"]
    assert [document.status for document in capture.documents] == [503, 200]
    assert "raw-rendered-divergence" not in [warning.code for warning in capture.warnings]
    assert (tmp_path / "capture/before-reload.png").is_file()


def test_a_page_that_goes_on_failing_is_captured_as_it_is_and_whole(
    pages: Pages, tmp_path: Path
) -> None:
    capture = captured(tmp_path, pages, "/stale")

    assert pages.asked.count("/stale") == 2
    assert verdicts(capture) == ["shell", "shell"]
    assert text(tmp_path) == "still loading\n"
    assert capture.outcome is Outcome.COMPLETE
    # Not "304 Not Modified", by which the record would hold no source of what it shows.
    assert [document.status for document in capture.documents] == [200, 200]


def test_what_a_page_had_is_kept_where_it_has_less_when_asked_for_again(
    pages: Pages, tmp_path: Path
) -> None:
    capture = captured(tmp_path, pages, "/shrinks")

    assert text(tmp_path) == "still loading\n"
    for name in ("txt", "html"):
        kept = (tmp_path / f"capture/before-reload.{name}").read_text()
        assert "still loading and some text" in kept
    (warning,) = [reason for reason in capture.warnings if reason.code == "reload-worse"]
    assert warning.detail.startswith(
        "the page had 23 characters before the reload, and 12 characters after the reload;"
    )


def test_a_page_that_was_cut_off_at_a_limit_is_not_asked_for_again(
    pages: Pages, tmp_path: Path
) -> None:
    capture = captured(tmp_path, pages, "/large", limits=Limits(response_bytes=1 << 20))

    assert verdicts(capture) == ["shell"]
    assert pages.asked.count("/large") == 1
    assert "still loading and some text" in text(tmp_path)
    codes = [reason.code for reason in capture.reasons]
    assert "response-too-large" in codes
    assert "" not in codes


def test_a_page_that_does_not_come_again_is_captured_as_it_was(
    pages: Pages, tmp_path: Path
) -> None:
    capture = captured(tmp_path, pages, "/lost")

    assert text(tmp_path) == "still loading, for ever\n"
    assert [reason.code for reason in capture.reasons] == ["connection-lost", "resources-missing"]
    assert capture.response is not None
    assert (capture.response.status, capture.page_size is not None) == (200, True)
    assert [hop.kind for hop in capture.redirects] == []


def test_every_text_of_a_page_is_in_one_block_that_the_kept_document_has(
    pages: Pages, tmp_path: Path
) -> None:
    capture = captured(tmp_path, pages, "/blocks", Broken)

    # What breaks the judge costs the capture nothing.
    (step,) = [step for step in capture.steps if step.name == "judge"]
    assert (capture.outcome, step.state) == (Outcome.COMPLETE, StepState.FAILED)
    assert "RecursionError: a page made for it" in (tmp_path / "capture/log.jsonl").read_text()
    layout = page_layout.parse((tmp_path / page_layout.PATH).read_bytes())
    tree = read_document((tmp_path / "capture/dom.html").read_text())
    assert tree is not None
    assert layout.whole
    assert [(block.tag, block.text, block.hidden) for block in layout.blocks] == [
        ("h1", "One line", False),
        ("p", "seen link", False),
        ("span", "not seen", True),
        ("td", "cell", False),
        ("div", "outer\nouter again", False),
        ("p", "inner", False),
        ("pre", "a\n  b", False),
        ("button", "press", False),
        ("input", "send", False),
        ("div", "away", True),
        ("div", "hid", True),
        ("body", "word", False),
        ("o:p", "far", True),
        ("p", "in a shadow", False),
    ]
    *of_document, of_shadow = layout.blocks
    for block in of_document:
        element = tree.at(block.selector)
        assert element is not None, block
        assert (tree.selector(element), element.tag) == (block.selector, block.tag)
    host = tree.at(of_shadow.selector)
    assert host is not None
    assert host.tag == "my-box"
    heading, line = layout.blocks[:2]
    assert (heading.font_px, line.link_characters) == (32, 4)
    assert heading.box is not None
    assert heading.box.width > 1000
    assert heading.box.height < 60
    assert [block.box for block in layout.blocks if block.text == "not seen"] == [None]
