"""A real browser on local pages: what a capture holds, and how it says what it lacks."""

import base64
import gzip
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image
from warcio.archiveiterator import ArchiveIterator

from snapshotter.app.machine import RandomIds, SystemClock
from snapshotter.capture.browser.browser_processes import BrowserProcesses
from snapshotter.capture.browser.workspace import BrowserWorkspace
from snapshotter.capture.engine import CapturerOptions, ChromiumCapturer
from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.model.capture import Capture, Outcome, StepState, files_open_to
from snapshotter.model.request import CaptureRequest, Decision, Limits
from tests.e2e.capturing import Engine, artifact, codes, kinds
from tests.e2e.peeking import Peeked, peek
from tests.servers.site import Site

pytestmark = pytest.mark.e2e

QUICK = Limits(navigate_s=2)


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as site:
        yield site


@pytest.fixture
def capture(tmp_path: Path) -> Engine:
    return Engine(tmp_path)


@dataclass(frozen=True, slots=True)
class Looked:
    """The fixture page as it was captured once, for the tests that look at it."""

    site: Site
    engine: Engine
    root: Path  # what the capture was given to write in
    capture: Capture
    secret: str  # a file that only we may open, beside what the capture writes
    peeked: list[Peeked]  # the browser's processes, meanwhile


@pytest.fixture(scope="module")
def looked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Looked]:
    root = tmp_path_factory.mktemp("looked")
    engine = Engine(root)
    secret = root / "data" / "default.pem"
    secret.parent.mkdir()
    secret.write_text("a key")
    secret.chmod(0o600)
    peeked: list[Peeked] = []

    def look(step: str) -> None:
        if step == "scroll" and not peeked:
            asked = (str(secret), "/etc/shadow", "/home", str(Path.home()), "/var/lib", "/run")
            peeked.extend(peek(root / "spool-0", asked))

    engine.on_progress = look
    with Site() as site:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AWS_SECRET_ACCESS_KEY", "nobody's")
            patch.setenv("SNAPSHOTTER_KEY_PASSPHRASE", "nobody's")
            capture = engine(site.url("/"))
        yield Looked(site, engine, root, capture, str(secret), peeked)


looking = pytest.mark.xdist_group("fixture-page")  # one worker, one capture


def picture(capture: Capture, path: str) -> Image.Image:
    with Image.open(artifact(capture, path).file) as image:
        return image.convert("RGB")


def source(capture: Capture) -> tuple[bytes, str]:
    """The recorded body of the first response, and why it is cut off, if it is."""
    with artifact(capture, "archive/data.warc.gz").file.open("rb") as stream:
        for record in ArchiveIterator(stream):
            if record.rec_type == "response":
                return record.raw_stream.read(), record.rec_headers.get_header("WARC-Truncated", "")
    raise AssertionError("no response was recorded")


@contextmanager
def killing(
    site: Site, tmp_path: Path, path: str, kill: Callable[[BrowserProcesses], object]
) -> Iterator[None]:
    """Kill processes of the test's first capture when the site is asked for `path`."""

    def wait_and_kill() -> None:
        end = time.monotonic() + 20
        while time.monotonic() < end and path not in site.paths():
            time.sleep(0.02)
        (root,) = tmp_path.glob(".spool-0-browser-*")
        kill(BrowserProcesses(BrowserWorkspace.at(root)))

    killer = threading.Thread(target=wait_and_kill)
    killer.start()
    yield
    killer.join()


@looking
def test_no_process_of_the_browser_sees_keys_or_secrets(looked: Looked) -> None:
    kinds = {process.type.partition(":")[0] for process in looked.peeked}
    assert {"browser", "driver", "gpu-process", "renderer", "utility", "zygote"} <= kinds
    for process in looked.peeked:
        assert process.seen == frozenset(), process
        names = [name for name in process.environment if name.startswith(("AWS", "SNAPSHOTTER"))]
        assert names == [], process
        ours = [file for file in process.files if file.startswith(str(looked.root))]
        assert all(".spool-0-browser-" in path for path in ours), process


@looking
def test_the_record_says_of_each_kind_of_process_what_it_could_reach(looked: Looked) -> None:
    processes = looked.capture.environment.sandbox.processes

    how = {(process.type.partition(":")[0], process.files) for process in processes}
    expected = {*((kind, "mount") for kind in ("browser", "driver", "gpu-process", "utility"))}
    assert expected < how
    assert ("renderer", "empty") in how
    assert files_open_to(processes) == ()
    assert [
        process.type for process in processes if process.type == "renderer" and not process.seccomp
    ] == []
    user = "own" if os.geteuid() == 0 else "ours"
    assert {process.user for process in processes} == {user}


@looking
def test_a_page_is_captured_whole(looked: Looked) -> None:
    capture = looked.capture

    assert (capture.outcome, capture.reasons) == (Outcome.COMPLETE, ())
    assert capture.court_minimum.met
    assert [step.name for step in capture.steps] == [
        "launch", "navigate", "scroll", "settle", "viewport", "screenshot", "mhtml", "dom", "text",
        "record", "close",
    ]  # fmt: skip
    assert {step.state for step in capture.steps} == {StepState.OK}
    assert {step for step, _ in looked.engine.progress} == {step.name for step in capture.steps}
    assert (capture.title, capture.document_language) == ("固定頁 · Fixture", "zh-Hant")
    assert capture.response is not None
    assert capture.response.status == 200
    # Lazy images of all three kinds came; one that is never shown was not asked for.
    assert (capture.images.wanted, capture.images.loaded, capture.images.failed) == (7, 7, 0)
    assert "/image/never-shown.png" not in looked.site.paths()
    assert [artifact.path for artifact in capture.artifacts] == [
        "archive/data.warc.gz", "capture/console.jsonl", "capture/dom.html",
        "capture/images.jsonl", "capture/layout.json", "capture/log.jsonl", "capture/network.json",
        "capture/page-normalised.txt", "capture/page.mhtml", "capture/page.txt",
        "capture/screenshot.png", "capture/viewport.png", "indexes/index.cdx", "pages/pages.jsonl",
    ]  # fmt: skip
    # Nothing is left beside the spool and the secret of this test.
    assert sorted(path.name for path in looked.root.iterdir()) == ["data", "spool-0"]


def test_a_driver_that_is_killed_leaves_nothing_in_the_directory_for_temporary_files(
    site: Site, capture: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))  # for the driver, which takes our environment

    with killing(site, tmp_path, "/drip", BrowserProcesses.kill):
        captured = capture(site.url("/drip"), QUICK)

    assert captured.outcome is not Outcome.COMPLETE
    assert not list(temporary.iterdir())


def test_an_image_that_does_not_load_is_named(site: Site, capture: Engine) -> None:
    captured = capture(site.url("/missing-image"))

    assert (captured.images.wanted, captured.images.loaded, captured.images.failed) == (2, 1, 1)
    assert captured.images.failed_urls == (site.url("/image/missing.gif"),)
    assert (captured.outcome, codes(captured)) == (Outcome.PARTIAL, ["images-missing"])


def test_an_image_that_begins_to_load_on_the_way_back_to_the_top_is_waited_for(
    site: Site, capture: Engine
) -> None:
    captured = capture(site.url("/image-at-top"))

    assert (captured.images.wanted, captured.images.loaded) == (1, 1)
    assert captured.outcome is Outcome.COMPLETE


@looking
def test_text_keeps_blocks_and_characters_and_holds_frames_and_shadow_trees(
    looked: Looked,
) -> None:
    capture = looked.capture

    text = artifact(capture, "capture/page.txt").file.read_text(encoding="utf-8")
    assert (
        "第一段：這是一個測試。\n第二行。\n\nSecond block, with emoji 🦊👩‍🔬 and العربية." in text
    )
    assert "one\ntwo" in text
    assert "--- shadow root of <open-box> ---\n\nopen shadow text 影子" in text
    assert "--- shadow root of <closed-box> ---\n\nclosed shadow text 影子" in text
    for origin, path in enumerate(("/inner", "/inner?other-port", "/inner?other-host")):
        frame = (
            f"--- frame: {looked.site.url(path, origin=origin)} ---\n\ntext of the inner frame 內框"
        )
        assert frame in text
    assert text.count("shadow in a frame") == 3
    assert capture.text_characters == len(text)
    html = artifact(capture, "capture/dom.html").file.read_text(encoding="utf-8")
    assert html.startswith("<!DOCTYPE html>")
    assert "香港新聞" in html


@looking
def test_the_picture_shows_all_of_the_page_and_a_sticky_bar_once(looked: Looked) -> None:
    capture = looked.capture

    assert capture.page_size is not None
    assert capture.page_size.tiles == 2
    whole = picture(capture, "capture/screenshot.png")
    assert whole.size == (capture.page_size.width, capture.page_size.height)
    column = [whole.getpixel((1000, y)) for y in range(whole.height)]
    red = [y for y, colour in enumerate(column) if colour == (204, 0, 0)]
    assert red == list(range(40))
    assert whole.getpixel((1000, whole.height - 10)) == (0, 68, 0)  # the footer
    assert picture(capture, "capture/viewport.png").size == (1440, 900)


@looking
def test_the_environment_is_told_without_a_path_of_this_machine(looked: Looked) -> None:
    facts = looked.capture.environment
    assert "Chrome/" in facts.browser_product
    assert len(facts.browser_sha256) == 64
    assert "--site-per-process" in facts.browser_arguments
    # A page that changes its address without pause would hold up the browser and all our orders.
    assert "--disable-ipc-flooding-protection" not in facts.browser_arguments
    assert "--user-data-dir=<profile>" in facts.browser_arguments
    assert str(looked.root) not in repr(facts)
    assert facts.fonts_count > 0
    # Either the kernel says that a renderer is confined, or the record says why none is.
    assert facts.sandbox.enforced or "--no-sandbox" in facts.sandbox.detail
    assert facts.sandbox.asked == ("--no-sandbox" not in facts.browser_arguments)


def test_a_page_that_redirects_to_itself_for_ever_is_held_and_read(
    site: Site, capture: Engine
) -> None:
    captured = capture(site.url("/meta-loop"))

    assert captured.outcome is Outcome.PARTIAL
    assert set(codes(captured)) & {"page-navigated", "redirect-loop"}
    assert "hold-page" in kinds(captured)
    (held,) = (reason.detail for reason in captured.warnings if reason.code == "page-held")
    assert "/meta-loop" in held
    # Stopped right behind a commit, one document in five was never drawn: nothing of it was kept.
    assert "stop-loading" not in kinds(captured)
    assert artifact(captured, "capture/page.txt").file.read_text() == "again\n"


def test_an_address_without_a_page_fails_with_its_reason_and_without_pictures(
    site: Site, capture: Engine
) -> None:
    """Names, ports and servers that do not answer: `test_capture_command.py`."""
    captured = capture(site.url("/loop"), QUICK)

    assert (captured.outcome, codes(captured)) == (Outcome.FAILED, ["redirect-loop"])
    paths = [artifact.path for artifact in captured.artifacts]
    assert "archive/data.warc.gz" in paths
    assert "capture/log.jsonl" in paths
    assert not [path for path in paths if path.endswith((".png", ".html", ".mhtml", ".txt"))]
    assert captured.final_url == captured.requested_url


def test_a_port_that_browsers_refuse_has_its_own_reason(capture: Engine) -> None:
    captured = capture("http://127.0.0.1:9/")

    assert (captured.outcome, codes(captured)) == (Outcome.FAILED, ["unsafe-port"])
    assert "ERR_UNSAFE_PORT" in captured.reasons[0].detail


def test_a_browser_that_does_not_start_has_the_last_word(tmp_path: Path) -> None:
    program = tmp_path / "browser"
    program.write_text("#!/bin/sh\necho hello >&2\necho 'libnone.so: no such file' >&2\nexit 1\n")
    program.chmod(0o755)
    capturer = ChromiumCapturer(
        clock=SystemClock(),
        ids=RandomIds(),
        version="0",
        options=CapturerOptions(executable=program),
    )
    (spool := tmp_path / "spool").mkdir()
    progress: list[tuple[str, str]] = []

    with pytest.raises(ServiceUnavailable, match=r"did not start: .*libnone\.so: no such file$"):
        capturer.capture(
            CaptureRequest(url="http://127.0.0.1/"),
            Decision(policy_name="test", policy_text="", limits=Limits(total_s=600)),
            spool,
            lambda *words: progress.append(words),
        )
    assert progress.count(("launch", "")) == 2  # another one was tried


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "chrome://version", "data:text/html,x", "about:blank", "http://",
     "http://user:secret@127.0.0.1/"],
)  # fmt: skip
def test_only_web_addresses_without_a_password_are_opened(capture: Engine, url: str) -> None:
    with pytest.raises(SnapshotterError, match="URL"):
        capture(url)


def test_a_body_that_drips_is_captured_as_far_as_it_came(site: Site, capture: Engine) -> None:
    captured = capture(site.url("/drip"), QUICK)

    assert captured.outcome is Outcome.PARTIAL
    assert "load-timeout" in codes(captured)
    assert codes(captured)[-1] == "source-cut"
    assert "dripping" in artifact(captured, "capture/page.txt").file.read_text()
    assert "stop-loading" in kinds(captured)
    body, truncated = source(captured)
    assert body.startswith(b"<!doctype html><title>drip</title><h1>dripping</h1><p>drop</p>")
    assert truncated == "time"
    assert not captured.court_minimum.html_source


def test_a_document_over_the_limit_is_stopped_and_captured_as_far_as_it_came(
    site: Site, capture: Engine
) -> None:
    captured = capture(
        site.url("/endless"), Limits(response_bytes=1 << 20, height_px=2_000, tile_s=40)
    )

    assert captured.outcome is Outcome.PARTIAL
    assert codes(captured)[0] == "response-too-large"
    assert not {"load-timeout", "memory-limit", "source-missing"} & set(codes(captured))
    body, truncated = source(captured)
    assert truncated == "length"
    assert len(body) >= 1 << 20  # all that came until loading was stopped
    assert body.startswith(b"<!doctype html><title>endless</title><p>more and more")
    assert not captured.court_minimum.html_source
    assert "more and more" in artifact(captured, "capture/page.txt").file.read_text()[:100]
    assert artifact(captured, "capture/screenshot.png").digests.length > 1000


def test_a_document_that_eats_the_memory_is_stopped_in_time_to_be_read(
    site: Site, capture: Engine
) -> None:
    limits = Limits(memory_bytes=800 << 20, height_px=2_000, mhtml_s=30, step_s=15)

    captured = capture(site.url("/endless"), limits)

    assert captured.outcome is Outcome.PARTIAL
    assert codes(captured)[0] == "response-too-large"
    assert source(captured)[0].startswith(b"<!doctype html><title>endless</title>")
    assert not captured.court_minimum.html_source
    assert "more and more" in artifact(captured, "capture/page.txt").file.read_text()[:100]
    assert artifact(captured, "capture/viewport.png").digests.length > 1000


def test_a_response_over_the_limit_is_stopped_and_the_rest_of_the_page_comes(
    site: Site, capture: Engine
) -> None:
    captured = capture(site.url("/fetches-endless"), Limits(response_bytes=4 << 20))

    assert (captured.outcome, codes(captured)) == (Outcome.PARTIAL, ["response-too-large"])
    assert (captured.images.wanted, captured.images.loaded) == (1, 1)
    assert captured.court_minimum.met


def test_a_document_that_its_server_breaks_off_is_recorded_as_far_as_it_came(
    site: Site, capture: Engine
) -> None:
    captured = capture(site.url("/breaks-off"))

    assert captured.outcome is Outcome.PARTIAL
    assert "source-cut" in codes(captured)
    assert "load-timeout" not in codes(captured)
    beginning = b"<!doctype html><title>breaks off</title><h1>the beginning</h1>"
    assert source(captured) == (beginning, "disconnect")
    assert captured.court_minimum.missing == ("HTML source",)


@pytest.mark.parametrize("path", ["/spin", "/spin-later"])
def test_a_script_without_end_is_stopped_and_the_page_photographed(
    site: Site, capture: Engine, path: str
) -> None:
    captured = capture(site.url(path), Limits(navigate_s=2, step_s=1.5))

    assert captured.outcome is Outcome.PARTIAL
    assert "page-unresponsive" in codes(captured)
    assert {"stop-script", "stop-scripts"} & set(kinds(captured))
    assert "spins" in artifact(captured, "capture/page.txt").file.read_text()
    assert artifact(captured, "capture/screenshot.png").digests.length > 1000


def test_a_dialog_is_dismissed_and_recorded(site: Site, capture: Engine) -> None:
    captured = capture(site.url("/alert"))

    assert captured.outcome is Outcome.COMPLETE
    assert ("dismiss-dialog", "alert, dismissed: read this") in [
        (a.kind, a.detail) for a in captured.actions
    ]
    assert "after the alert" in artifact(captured, "capture/page.txt").file.read_text()


def test_windows_that_a_page_opens_are_closed(site: Site, capture: Engine) -> None:
    captured = capture(site.url("/popups"))

    assert captured.outcome is Outcome.PARTIAL
    assert codes(captured) == ["popup-storm"]
    assert kinds(captured).count("close-popup") == Limits().popups
    assert "popups" in artifact(captured, "capture/page.txt").file.read_text()


def test_a_download_that_a_page_begins_is_cancelled_and_the_page_captured(
    site: Site, capture: Engine
) -> None:
    captured = capture(site.url("/auto-download"))

    assert captured.outcome is Outcome.COMPLETE
    assert "cancel-download" in kinds(captured)
    assert "a page that downloads" in artifact(captured, "capture/page.txt").file.read_text()


def test_a_page_that_grows_for_ever_is_scrolled_to_a_limit(site: Site, capture: Engine) -> None:
    captured = capture(site.url("/growing"), Limits(scroll_steps=8))

    assert captured.outcome is Outcome.PARTIAL
    assert codes(captured) == ["scroll-limited"]
    assert next(a.detail for a in captured.actions if a.kind == "scroll").endswith(
        "stopped at: steps"
    )


def test_a_crash_of_the_renderer_is_a_reason(site: Site, capture: Engine, tmp_path: Path) -> None:
    """The renderer is killed from outside while the page hangs at loading."""
    with killing(site, tmp_path, "/never", BrowserProcesses.kill_largest_renderer):
        captured = capture(site.url("/slow-image"))

    assert codes(captured)[0] == "renderer-crashed"


def test_a_crash_before_the_first_document_is_told_as_a_crash(
    site: Site, capture: Engine, tmp_path: Path
) -> None:
    """The navigation fails with the renderer; its error must not hide why."""

    def kill_all(processes: BrowserProcesses) -> None:
        while processes.kill_largest_renderer():
            time.sleep(0.05)

    with killing(site, tmp_path, "/never", kill_all):
        captured = capture(site.url("/never"), QUICK)

    assert (captured.outcome, codes(captured)[0]) == (Outcome.FAILED, "renderer-crashed")


def test_the_hard_limit_holds_when_nothing_inside_answers(
    site: Site, capture: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """
    The event loop itself is blocked, so that no coroutine and no timer of it runs.

    The page has all the time it needs until then, however busy the machine is; what is left
    of the limit passes when the loop is blocked.
    """
    from snapshotter.capture.behaviours import scrolling

    begun, over, released = capture.clock.monotonic(), threading.Event(), []

    async def block(*_: object) -> None:
        left = begun + 600 - capture.clock.monotonic()
        capture.clock.passed_s += left - 4
        released.append(over.wait(60))

    monkeypatch.setattr(scrolling, "scroll", block)

    captured = capture(site.url("/plain"), Limits(total_s=600))

    assert capture.clock.monotonic() - begun < 600.5
    assert released == []  # it did not wait for the loop
    over.set()
    assert captured.outcome is Outcome.FAILED
    assert "capture-timeout" in codes(captured)
    assert captured.steps[-1].detail == "the browser was killed"
    assert "archive/data.warc.gz" in [artifact.path for artifact in captured.artifacts]
    assert not list(tmp_path.glob(".spool-*"))
    for thread in threading.enumerate():  # what was blocked ends by itself, and breaks nothing
        if thread.name == "capture":
            thread.join(20)
            assert not thread.is_alive()


def test_the_time_for_a_capture_is_enough_to_photograph_what_came(
    site: Site, capture: Engine
) -> None:
    started = time.monotonic()

    captured = capture(site.url("/drip"), Limits(total_s=12))

    assert time.monotonic() - started < 12
    assert captured.outcome is Outcome.PARTIAL
    assert artifact(captured, "capture/viewport.png").digests.length > 1000


def test_secrets_of_requests_reach_no_file(site: Site, capture: Engine) -> None:
    captured = capture(site.url("/secrets"))

    sent = [value for seen in site.requests for _, value in seen.headers]
    assert "session=canary-cookie" in sent
    assert "Bearer canary-authorization" in sent
    for written in captured.artifacts:
        data = written.file.read_bytes()
        if written.path.endswith(".gz"):
            data = gzip.decompress(data)
        for canary in (b"canary-cookie", b"canary-authorization"):
            assert canary not in data, written.path
            assert base64.b64encode(canary) not in data, written.path
