"""
A real browser on pages that mean harm, and on targets that are no page.

Each ends inside its limits as a capture that says what happened; most of them with
a picture and the text of the page, because what a hostile page shows is evidence.
"""

import gzip
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from warcio.archiveiterator import ArchiveIterator

from snapshotter.capture.browser import os_processes
from snapshotter.capture.pictures.first_look import FirstLook
from snapshotter.model.capture import Capture, Outcome, StepState
from snapshotter.model.request import Limits
from tests.e2e.capturing import Engine, artifact, codes, kinds
from tests.servers import hostile
from tests.servers.hostile import Hostile

pytestmark = pytest.mark.e2e

# Small, so that each page meets them soon; enough for an honest page.
LIMITS = Limits(
    total_s=45,
    navigate_s=3,
    scroll_s=4,
    settle_s=1.5,
    tile_s=20,
    mhtml_s=8,
    step_s=3,
    close_s=4,
    response_bytes=4 << 20,
    capture_bytes=16 << 20,
    requests=300,
)

# For pages that come to their end by themselves: time that no machine needs, however busy.
PATIENT = replace(
    LIMITS,
    total_s=150,
    navigate_s=45,
    scroll_s=45,
    settle_s=45,
    tile_s=60,  # a picture waits for a renderer that writes MHTML of a deep page
    step_s=30,
    mhtml_s=40,
    close_s=20,
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hostile]:
    with Hostile(tmp_path_factory.mktemp("hostile")) as server:
        yield server


@pytest.fixture
def capture(tmp_path: Path) -> Engine:
    return Engine(tmp_path)


def paths(capture: Capture) -> list[str]:
    return [artifact.path for artifact in capture.artifacts]


def text(capture: Capture) -> str:
    return artifact(capture, "capture/page.txt").file.read_text()


def bodies(capture: Capture, address: str) -> list[bytes]:
    """The payloads that the network record holds of an address."""
    with artifact(capture, "archive/data.warc.gz").file.open("rb") as stream:
        return [
            record.content_stream().read()
            for record in ArchiveIterator(stream)
            if record.rec_type == "response"
            and record.rec_headers.get_header("WARC-Target-URI") == address
        ]


# Targets that are no page


@pytest.mark.parametrize(
    ("path", "name", "media_type", "data", "is_shown"),
    [
        ("/file.pdf", "target.pdf", "application/pdf", hostile.PDF, False),
        ("/file.zip", "target.zip", "application/zip", hostile.ZIP, False),
        ("/attached.html", "target.html", "text/html", b"<h1>attached</h1>", False),
        ("/file.png", "target.png", "image/png", hostile.PNG, True),
        ("/gzip.json", "target.json", "application/json", hostile.JSON, True),
        ("/feed.xml", "target.xml", "application/rss+xml", hostile.FEED, True),
    ],
    ids=["pdf", "zip", "attached", "png", "gzip", "feed"],
)  # fmt: skip
def test_a_target_that_is_no_page_is_kept_byte_for_byte(
    site: Hostile, capture: Engine, path: str, name: str, media_type: str, data: bytes,
    is_shown: bool,
) -> None:  # fmt: skip
    captured = capture(site.url(path), PATIENT)

    assert (captured.outcome, codes(captured)) == (Outcome.COMPLETE, [])
    kept = artifact(captured, f"capture/{name}")
    assert kept.file.read_bytes() == data
    assert kept.media_type == media_type
    assert bodies(captured, site.url(path)) == [data]
    assert captured.court_minimum.html_source
    assert ("capture/screenshot.png" in paths(captured)) is is_shown
    assert ("save-file" in kinds(captured)) is not is_shown
    assert captured.final_url == site.url(path)


def test_a_video_is_kept_as_it_was_served(site: Hostile, capture: Engine) -> None:
    captured = capture(site.url("/file.mp4"), LIMITS)

    assert set(codes(captured)) <= {"not-settled"}  # a player asks as it likes
    assert artifact(captured, "capture/target.mp4").file.read_bytes() == hostile.VIDEO


def test_a_page_leaves_no_second_copy_of_its_document(site: Hostile, capture: Engine) -> None:
    captured = capture(site.url("/calm"), PATIENT)

    assert captured.outcome is Outcome.COMPLETE
    assert not [path for path in paths(captured) if "target" in path]
    assert not list(artifact(captured, "capture/page.txt").file.parents[1].glob(".*"))


def test_an_answer_without_content_is_evidence_of_that(site: Hostile, capture: Engine) -> None:
    captured = capture(site.url("/204"), PATIENT)

    assert (captured.outcome, codes(captured)) == (Outcome.PARTIAL, ["no-content"])
    assert captured.response is not None
    assert captured.response.status == 204
    assert not [path for path in paths(captured) if path.endswith(".png")]


@pytest.mark.parametrize(("path", "status"), [("/empty", 200), ("/empty-500", 500)])
def test_an_empty_document_is_recorded_and_is_no_complete_capture(
    site: Hostile, capture: Engine, path: str, status: int
) -> None:
    captured = capture(site.url(path), PATIENT)

    assert (captured.outcome, codes(captured)) == (Outcome.PARTIAL, ["empty-response"])
    assert captured.response is not None
    assert captured.response.status == status
    assert text(captured) == ""
    assert captured.court_minimum.missing == ("HTML source",)


def test_a_file_over_the_limit_is_kept_as_far_as_the_limit(site: Hostile, capture: Engine) -> None:
    """5 GB are announced, and would come."""
    captured = capture(site.url("/large.zip"), replace(LIMITS, capture_bytes=1 << 30))

    assert captured.outcome is Outcome.PARTIAL
    assert codes(captured) == ["response-too-large", "source-cut"]
    kept = artifact(captured, "capture/target.zip")
    assert LIMITS.response_bytes <= kept.digests.length < 1 << 30
    assert kept.note == "the body of the answer, cut off (length)"
    assert set(kept.file.read_bytes()) == {ord("x")}


def test_a_file_that_does_not_end_is_kept_as_far_as_it_came(site: Hostile, capture: Engine) -> None:
    captured = capture(site.url("/slow.zip"), replace(LIMITS, navigate_s=1))

    assert captured.outcome is Outcome.PARTIAL
    assert codes(captured) == ["load-timeout", "source-cut"]
    assert artifact(captured, "capture/target.zip").file.read_bytes().startswith(b"PKPK")


def test_a_file_that_its_server_breaks_off_is_not_told_as_whole(
    site: Hostile, capture: Engine
) -> None:
    captured = capture(site.url("/broken.zip"), LIMITS)

    assert captured.outcome is Outcome.PARTIAL
    assert "source-cut" in codes(captured) or "source-missing" in codes(captured)
    assert captured.steps[1].state is StepState.PARTIAL


def test_a_document_that_replaces_itself_is_recorded_as_far_as_it_came(
    site: Hostile, capture: Engine
) -> None:
    captured = capture(site.url("/parts"), replace(LIMITS, navigate_s=1))

    assert captured.outcome is Outcome.PARTIAL
    assert "load-timeout" in codes(captured)
    assert b"--frame\r\nContent-Type: text/html\r\n\r\n<h1>part 0</h1>" in (
        artifact(captured, "capture/target.bin").file.read_bytes()
    )


# Dialogs, windows, downloads


def test_every_kind_of_dialog_is_answered_and_recorded(site: Hostile, capture: Engine) -> None:
    captured = capture(site.url("/dialogs"), PATIENT)

    assert captured.outcome is Outcome.COMPLETE
    assert [action.detail for action in captured.actions if action.kind == "dismiss-dialog"] == [
        "alert, dismissed: one",
        "confirm, dismissed: two?",
        "prompt, dismissed: three?",
    ]
    assert "confirm said false, prompt said null" in text(captured)
    assert "after print" in text(captured)


@pytest.mark.parametrize("path", ["/alert-loop", "/alert-timer"])
def test_a_page_of_endless_dialogs_is_silenced_and_photographed(
    site: Hostile, capture: Engine, path: str
) -> None:
    captured = capture(site.url(path), replace(LIMITS, dialogs=5))

    assert captured.outcome is Outcome.PARTIAL
    assert codes(captured)[0] == "dialog-storm"
    assert kinds(captured).count("dismiss-dialog") == 5
    assert "stop-scripts" in kinds(captured)
    assert "your computer is blocked" in text(captured)
    assert "capture/screenshot.png" in paths(captured)


# The page's process


@pytest.mark.parametrize("path", ["/heap-hog", "/wasm-hog"])
def test_a_page_that_eats_memory_is_stopped_in_time_or_killed(
    site: Hostile, capture: Engine, path: str
) -> None:
    captured = capture(site.url(path), replace(LIMITS, memory_bytes=900 << 20))

    assert set(codes(captured)) & {"scripts-stopped", "memory-limit"}
    assert captured.steps[-1].name == "close"
    if "memory-limit" not in codes(captured):
        assert captured.outcome is Outcome.PARTIAL
        assert "hog" in text(captured)


def test_a_page_that_loops_whenever_it_is_scrolled_is_photographed_whole(
    site: Hostile, capture: Engine
) -> None:
    captured = capture(site.url("/loop-on-scroll"), LIMITS)

    assert captured.outcome is Outcome.PARTIAL
    assert "page-unresponsive" in codes(captured)
    assert "loops on scroll" in text(captured)
    assert captured.page_size is not None
    assert captured.page_size.captured_height == captured.page_size.height > 9000


def test_a_page_that_rewrites_its_address_without_pause_is_captured(
    site: Hostile, capture: Engine
) -> None:
    captured = capture(site.url("/push-storm"), LIMITS)

    assert captured.outcome is Outcome.PARTIAL
    assert "scripts-stopped" in codes(captured)
    assert "push storm" in text(captured)


def test_a_page_that_uses_all_its_time_up_leaves_a_picture_and_its_text(
    site: Hostile, capture: Engine
) -> None:
    """Frames in frames without end: each call takes longer than the one before."""
    captured = capture(site.url("/nested"), replace(LIMITS, total_s=10, navigate_s=2))

    assert captured.outcome is Outcome.PARTIAL
    assert "capture/viewport.png" in paths(captured)
    assert "nested" in artifact(captured, "capture/dom.html").file.read_text()


def test_a_frame_of_another_site_that_eats_memory_is_stopped_and_the_page_lives_on(
    site: Hostile, capture: Engine
) -> None:
    captured = capture(site.url("/hog-elsewhere"), replace(LIMITS, memory_bytes=900 << 20))

    assert captured.outcome is Outcome.PARTIAL
    assert "scripts-stopped" in codes(captured)
    assert "renderer-crashed" not in codes(captured)
    assert "a page with a hog in it" in text(captured)
    assert "capture/screenshot.png" in paths(captured)


def test_a_script_that_waits_for_an_answer_that_never_comes_does_not_hold_us(
    site: Hostile, capture: Engine
) -> None:
    """No order reaches a process in a synchronous request; only the end of its connection does."""
    captured = capture(site.url("/waits-for-ever"), replace(LIMITS, navigate_s=1.5))

    assert captured.outcome is Outcome.PARTIAL
    assert "page-unresponsive" in codes(captured)
    assert "go-offline" in kinds(captured)
    assert "waits" in text(captured)
    assert "capture/screenshot.png" in paths(captured)


def test_a_page_is_read_to_its_end_although_its_scripts_and_style_sheets_stall(
    site: Hostile, capture: Engine
) -> None:
    # The frame comes after six stalled requests, each of which costs a busy machine some time.
    captured = capture(site.url("/stalled-scripts"), replace(LIMITS, settle_s=10))

    assert codes(captured) == ["load-timeout", "resources-missing"]
    for words in (
        "below a stalled script\n", "below a stalled style sheet",
        "below a stalled script that was written", "the last line",
    ):  # fmt: skip
        assert words in text(captured)
    assert text(captured).count("below a stalled script\n") == 2  # also in its frame
    assert captured.title == "ran"
    assert "capture/screenshot.png" in paths(captured)
    stalled = {
        request.url.partition("?")[2]
        for request in captured.failed_requests
        if request.error.endswith(": stalled")
    }
    assert {"a", "css", "written", "last"} <= stalled


def test_a_stalled_script_is_ended_before_the_time_for_loading_is_used_up(
    site: Hostile, capture: Engine
) -> None:
    captured = capture(site.url("/stalled-script"), replace(PATIENT, navigate_s=15))

    assert codes(captured) == ["resources-missing"]
    assert "below a stalled script" in text(captured)
    assert "end-request" in kinds(captured)
    (failed,) = captured.failed_requests
    assert (failed.url, failed.resource_type) == (site.url("/never?a"), "Script")
    assert failed.error.endswith(": stalled")


def test_a_document_four_thousand_elements_deep_is_read_to_the_innermost(
    site: Hostile, capture: Engine
) -> None:
    """As many crash the browser with the usual stack. The time grows with the square of them."""
    captured = capture(site.url("/deep?4000"), PATIENT)

    assert "renderer-crashed" not in codes(captured)
    assert "the innermost" in text(captured)
    assert "capture/screenshot.png" in paths(captured), captured.reasons


def test_a_browser_that_loses_its_gpu_process_photographs_the_page_all_the_same(
    site: Hostile, capture: Engine, tmp_path: Path
) -> None:
    def wait_and_kill() -> None:
        end = time.monotonic() + 30
        while time.monotonic() < end and not site.asked("/slow-end"):
            time.sleep(0.01)
        (root,) = tmp_path.glob(".spool-0-browser-*")
        leader = int((root / "pids").read_text().split()[0])
        for pid in os_processes.ProcessGroup(leader).members():
            if "--type=gpu-process" in os_processes.command(pid):
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)

    killed: list[int] = []
    killer = threading.Thread(target=wait_and_kill)
    killer.start()
    captured = capture(site.url("/slow-end"), PATIENT)
    killer.join()

    assert killed
    assert (captured.outcome, codes(captured)) == (Outcome.COMPLETE, [])
    assert {"capture/viewport.png", "capture/screenshot.png"} <= set(paths(captured))


def test_workers_that_loop_and_what_a_page_asks_of_its_reader_do_not_hold_us(
    site: Hostile, capture: Engine
) -> None:
    looping = capture(site.url("/worker-loops"), PATIENT)
    asking = capture(site.url("/permissions"), PATIENT)

    assert looping.outcome is Outcome.COMPLETE
    assert "the page is fine" in text(looping)
    assert asking.outcome is Outcome.COMPLETE
    for name in ("camera", "clipboard", "fullscreen", "geolocation", "midi", "pointer"):
        assert f"{name} refused" in text(asking)
    assert "notification granted" not in text(asking)


def test_nothing_is_opened_that_is_not_the_web(site: Hostile, capture: Engine) -> None:
    captured = capture(site.url("/opens"), PATIENT)

    assert captured.outcome is Outcome.COMPLETE
    assert "file null, chrome null, view-source null" in text(captured)
    assert "root:" not in text(captured)
    assert kinds(captured).count("close-popup") >= 1
    assert captured.final_url == site.url("/opens")


def test_popups_of_popups_are_closed(site: Hostile, capture: Engine) -> None:
    captured = capture(site.url("/popups"), LIMITS)

    assert codes(captured)[0] == "popup-storm"
    assert kinds(captured).count("close-popup") == LIMITS.popups
    assert len(site.asked("/popup?")) < 500
    # Where closing them falls behind, on a busy machine, ten times the limit ends the page: then
    # there is a first look at most.
    shown = [path for path in paths(captured) if path.endswith((".png", ".html"))]
    assert captured.outcome is (Outcome.PARTIAL if shown else Outcome.FAILED)


def test_many_downloads_are_cancelled(site: Hostile, capture: Engine) -> None:
    captured = capture(site.url("/downloads"), PATIENT)

    assert captured.outcome is Outcome.COMPLETE
    assert "cancel-download" in kinds(captured)
    assert "downloads" in text(captured)
    assert not [path for path in paths(captured) if "target" in path]


@pytest.mark.parametrize("path", ["/print-timer", "/print-loop"])
def test_a_storm_of_prints_is_a_page_like_any_other(
    site: Hostile, capture: Engine, path: str
) -> None:
    """There is no printer, and no dialog; a script that prints without end is ended."""
    captured = capture(site.url(path), replace(LIMITS, navigate_s=1.5))

    assert set(codes(captured)) <= {"load-timeout", "page-unresponsive"}
    assert path[1:].replace("-", " ") in text(captured)
    assert "capture/screenshot.png" in paths(captured)


@pytest.mark.parametrize("path", ["/stays", "/loops-when-left"])
def test_a_page_that_will_not_be_left_is_captured_and_closed(
    site: Hostile, capture: Engine, path: str
) -> None:
    captured = capture(site.url(path), LIMITS)

    assert captured.outcome is not Outcome.FAILED
    assert "capture/screenshot.png" in paths(captured)
    assert captured.steps[-1].name == "close"
    assert captured.steps[-1].state is StepState.OK


@pytest.mark.long
def test_a_page_that_floods_its_console_is_silenced_and_kept(
    site: Hostile, capture: Engine
) -> None:
    captured = capture(site.url("/console-storm"), replace(LIMITS, total_s=90))

    assert captured.outcome is Outcome.PARTIAL
    # On a busy machine a step may time out behind what is still to be told of the console.
    (stopped,) = [reason for reason in captured.reasons if reason.code == "scripts-stopped"]
    assert stopped.detail.startswith("the page wrote to its console faster")
    assert "there from the beginning" in text(captured)
    assert "capture/screenshot.png" in paths(captured)
    assert "memory-limit" not in codes(captured)
    lines = artifact(captured, "capture/console.jsonl").file.read_bytes().count(b"\n")
    assert lines <= 1000


def test_a_page_that_writes_many_lines_and_ends_is_left_alone(
    site: Hostile, capture: Engine
) -> None:
    captured = capture(site.url("/chatter"), PATIENT)

    assert captured.outcome is Outcome.COMPLETE
    assert "all was written" in text(captured)
    lines = artifact(captured, "capture/console.jsonl").file.read_bytes().count(b"\n")
    assert lines == 1000
    assert b"lines after the first 1000 were not kept" in (
        artifact(captured, "capture/log.jsonl").file.read_bytes()
    )


def test_a_page_that_fills_the_disk_is_stopped(site: Hostile, capture: Engine) -> None:
    captured = capture(site.url("/storage"), LIMITS)

    assert captured.outcome is Outcome.PARTIAL
    assert set(codes(captured)) & {"scripts-stopped", "disk-limit"}
    assert [reason for reason in captured.reasons if reason.detail.endswith(" MiB to disk")]
    assert "capture/viewport.png" in paths(captured)


def test_a_page_that_breaks_every_object_it_has_breaks_none_of_ours(
    site: Hostile, capture: Engine
) -> None:
    captured = capture(site.url("/breaks-everything"), PATIENT)

    assert (captured.outcome, codes(captured)) == (Outcome.COMPLETE, [])
    assert captured.page_size is not None
    assert captured.page_size.captured_height == captured.page_size.height > 3000


# Workers, canvases, shaders: what runs beside the page's script


@pytest.mark.parametrize(
    ("path", "memory"), [("/worker-hog", 600 << 20), ("/shared-hog", 700 << 20)]
)
def test_workers_that_eat_memory_cost_the_page_its_process_and_leave_a_first_look(
    site: Hostile, capture: Engine, path: str, memory: int
) -> None:
    captured = capture(site.url(path), replace(LIMITS, memory_bytes=memory))

    assert set(codes(captured)) & {"scripts-stopped", "memory-limit"}
    assert captured.outcome is Outcome.PARTIAL
    assert "capture/viewport.png" in paths(captured)
    assert captured.steps[-1].name == "close"


def test_shared_and_service_workers_that_loop_hold_nobody(site: Hostile, capture: Engine) -> None:
    shared = capture(site.url("/shared-spin"), PATIENT)
    service = capture(site.url("/service-spin"), PATIENT)

    assert (shared.outcome, service.outcome) == (Outcome.COMPLETE, Outcome.COMPLETE)
    assert "shared spin" in text(shared)
    assert "asked" not in text(service)
    assert site.asked("/spin.js") == [f"/spin.js?{n}" for n in range(3)]  # none of the service's


def test_workers_that_start_workers_end_at_the_limit_of_requests(
    site: Hostile, capture: Engine, capfd: pytest.CaptureFixture[str]
) -> None:
    captured = capture(site.url("/worker-fork"), LIMITS)

    assert "too-many-requests" in codes(captured)
    assert captured.steps[-1].name == "close"
    assert "never retrieved" not in capfd.readouterr().err


def test_canvases_beyond_all_memory_are_one_clear_refusal(site: Hostile, capture: Engine) -> None:
    captured = capture(site.url("/canvas"), LIMITS)

    assert set(codes(captured)) & {"memory-limit", "renderer-crashed", "scripts-stopped"}
    assert captured.court_minimum.html_source


def test_a_shader_that_loops_is_ended_with_the_process_that_draws(
    site: Hostile, capture: Engine
) -> None:
    captured = capture(site.url("/shader"), replace(LIMITS, step_s=1.5))

    assert captured.outcome is Outcome.PARTIAL
    assert "page-unresponsive" in codes(captured)
    assert "replace-gpu-process" in kinds(captured)
    assert "shader" in text(captured)
    assert "capture/viewport.png" in paths(captured)


# Bytes, requests, answers without an end


@pytest.mark.parametrize(("path", "words"), [("/bomb", "a bomb"), ("/endless", "endless")])
def test_a_bomb_and_an_endless_answer_over_http2_are_stopped_as_over_http1(
    site: Hostile, capture: Engine, path: str, words: str
) -> None:
    captured = capture(
        site.http2(path), replace(LIMITS, navigate_s=10), ignore_certificate_errors=True
    )

    assert captured.outcome is Outcome.PARTIAL
    # A fast server may send four times an answer's limit, which is the limit of the whole
    # capture, before a busy machine looks: then that one ends it.
    assert codes(captured)[0] in {"response-too-large", "capture-too-large"}
    assert text(captured).startswith(words)
    assert captured.response is not None
    assert captured.response.protocol == "h2"


def test_a_head_over_http2_that_never_ends_is_a_failed_capture(
    site: Hostile, capture: Engine
) -> None:
    captured = capture(site.http2("/continuations"), LIMITS, ignore_certificate_errors=True)

    assert captured.outcome is Outcome.FAILED
    assert set(codes(captured)) & {"capture-too-large", "bad-response", "connection-lost"}
    assert sum(artifact.digests.length for artifact in captured.artifacts) < LIMITS.capture_bytes


def test_pings_over_http2_are_answered_and_the_page_is_captured(
    site: Hostile, capture: Engine
) -> None:
    captured = capture(site.http2("/pings"), LIMITS, ignore_certificate_errors=True)

    assert set(codes(captured)) <= {"load-timeout", "capture-too-large", "source-cut"}
    assert text(captured).startswith("pings")


def test_more_cookies_than_a_head_may_hold_cost_the_page_its_requests_and_nothing_else(
    site: Hostile, capture: Engine
) -> None:
    captured = capture(site.url("/cookies"), PATIENT)

    assert set(codes(captured)) <= {"resources-missing", "images-missing"}
    assert "cookies" in text(captured)
    assert "capture/screenshot.png" in paths(captured)
    for kept in captured.artifacts:  # commitments stand in their place
        assert b"yyyyyyyy" not in kept.file.read_bytes() or kept.path in {
            "archive/data.warc.gz", "capture/dom.html", "capture/page.mhtml"
        }  # fmt: skip


@pytest.mark.parametrize("path", ["/gzip-bomb", "/brotli-bomb"])
def test_a_bomb_is_stopped_at_the_limit_of_an_answer(
    site: Hostile, capture: Engine, path: str
) -> None:
    """A gigabyte of spaces in a megabyte, and in less than one kilobyte."""
    # A step reads the four megabytes of spaces that were let in: long on a busy machine.
    captured = capture(site.url(path), replace(LIMITS, navigate_s=10, step_s=20))

    assert captured.outcome is Outcome.PARTIAL
    assert codes(captured)[0] == "response-too-large"
    assert text(captured).startswith("a bomb")
    assert artifact(captured, "capture/page.txt").digests.length < 64 << 20


@pytest.mark.parametrize("path", ["/fetches-gigabytes", "/gzip-bomb-fetched"])
def test_a_page_that_fetches_too_much_is_cut_off_and_captured(
    site: Hostile, capture: Engine, path: str
) -> None:
    captured = capture(site.url(path), LIMITS)

    assert captured.outcome is Outcome.PARTIAL
    assert set(codes(captured)) & {"response-too-large", "capture-too-large"}
    assert "fetches" in text(captured)
    assert "capture/screenshot.png" in paths(captured)
    assert (
        sum(artifact.digests.length for artifact in captured.artifacts) < 4 * LIMITS.capture_bytes
    )


def test_a_head_that_never_ends_is_a_time_out(site: Hostile, capture: Engine) -> None:
    captured = capture(site.url("/dripping-head"), replace(LIMITS, navigate_s=1))

    assert (captured.outcome, codes(captured)) == (Outcome.FAILED, ["timeout"])


def test_a_head_larger_than_browsers_read_is_a_bad_response(site: Hostile, capture: Engine) -> None:
    captured = capture(site.url("/large-head"), PATIENT)

    assert (captured.outcome, codes(captured)) == (Outcome.FAILED, ["bad-response"])
    assert "HEADERS_TOO_BIG" in captured.reasons[0].detail


def test_events_polls_and_sockets_do_not_keep_a_page_from_being_captured(
    site: Hostile, capture: Engine
) -> None:
    captured = capture(site.url("/streams"), LIMITS)

    assert captured.outcome is Outcome.PARTIAL
    assert codes(captured) == ["not-settled"]
    assert "an event came" in text(captured)
    assert "a frame came" in text(captured)


def test_a_thousand_requests_end_at_the_limit(site: Hostile, capture: Engine) -> None:
    captured = capture(site.url("/requests"), LIMITS)

    assert captured.outcome is Outcome.PARTIAL
    assert "too-many-requests" in codes(captured)
    assert captured.requests.total > LIMITS.requests
    assert "requests" in text(captured)


def test_redirects_to_a_new_address_each_time_end(site: Hostile, capture: Engine) -> None:
    by_server = capture(site.url("/redirects"), LIMITS)
    by_script = capture(site.url("/script-loop"), replace(LIMITS, navigate_s=10))

    assert (by_server.outcome, codes(by_server)) == (Outcome.FAILED, ["redirect-loop"])
    assert len(site.asked("/redirects")) <= LIMITS.redirects + 1
    assert by_script.outcome is Outcome.PARTIAL
    assert set(codes(by_script)) & {"redirect-loop", "page-navigated"}
    assert "script loop" in text(by_script)


def test_twenty_thousand_elements_are_read_to_the_last(site: Hostile, capture: Engine) -> None:
    captured = capture(site.url("/nodes?20000"), PATIENT)

    assert text(captured).endswith("the last one\n")
    assert "capture/dom.html" in paths(captured)


def test_a_document_too_large_for_the_memory_leaves_its_source_and_a_first_look(
    site: Hostile, capture: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A fifth of the half million elements that do so at the default limit.

    So few fill the memory sooner than a busy machine takes a picture. They come after the picture.
    """
    take = FirstLook.take

    async def take_and_go_on(self: FirstLook, when: str, **limits: float) -> None:
        await take(self, when, **limits)
        site.goes_on.set()

    monkeypatch.setattr(FirstLook, "take", take_and_go_on)
    site.goes_on.clear()

    captured = capture(
        site.url("/nodes-later?100000"), replace(LIMITS, navigate_s=15, memory_bytes=330 << 20)
    )

    assert captured.outcome is Outcome.PARTIAL
    assert set(codes(captured)) & {"memory-limit", "scripts-stopped", "mhtml-timeout"}
    assert captured.court_minimum.html_source
    assert "capture/viewport.png" in paths(captured)


def test_a_title_of_a_megabyte_with_marks_in_it_is_kept_in_bounds(
    site: Hostile, capture: Engine
) -> None:
    captured = capture(site.url("/title"), PATIENT)

    assert captured.outcome is Outcome.COMPLETE
    assert captured.title.startswith("a")
    assert len(captured.title) <= 1 << 21


def test_a_page_that_asks_for_a_name_is_evidence_of_that(site: Hostile, capture: Engine) -> None:
    for path in ("/basic", "/digest"):
        captured = capture(site.url(path), PATIENT)

        assert captured.outcome is Outcome.COMPLETE
        assert captured.response is not None
        assert captured.response.status == 401
        assert any(name == "WWW-Authenticate" for name, _ in captured.response.headers)
        assert "401" in text(captured)


# TLS


# More that is wrong with a certificate, one thing at a time: `test_certificates.py`.


@pytest.mark.parametrize("kind", ["expired", "self-signed", "client-certificate", "old-protocol"])
def test_bad_tls_fails_and_what_the_server_showed_is_kept(
    site: Hostile, capture: Engine, kind: str
) -> None:
    captured = capture(site.secure(kind), PATIENT)

    assert (captured.outcome, codes(captured)) == (Outcome.FAILED, ["tls"])
    shown = json.loads(artifact(captured, "capture/tls.json").file.read_text())
    chains = [session["chain"] for session in shown["sessions"]]
    assert bool(chains) is (kind != "old-protocol")
    assert not site.asked(f"/calm?{kind}")


@pytest.mark.parametrize("kind", ["self-signed", "expired"])
def test_a_bad_certificate_that_the_policy_lets_pass_is_marked(
    site: Hostile, capture: Engine, kind: str
) -> None:
    captured = capture(site.secure(kind), PATIENT, ignore_certificate_errors=True)

    assert (captured.outcome, codes(captured)) == (Outcome.COMPLETE, [])
    (warning,) = captured.warnings
    assert warning.code == "certificate-ignored"
    assert warning.detail.endswith(f": {kind} (answers: 1)")
    archive = gzip.decompress(artifact(captured, "archive/data.warc.gz").file.read_bytes())
    assert f"Snapshotter-Certificate: {kind}\r\n".encode() in archive


def test_a_certificate_that_is_asked_of_us_is_not_given(site: Hostile, capture: Engine) -> None:
    captured = capture(site.secure("client-certificate"), PATIENT, ignore_certificate_errors=True)

    assert captured.outcome is Outcome.FAILED
    assert set(codes(captured)) & {"tls", "connection-lost"}
    listed = json.loads(artifact(captured, "capture/network.json").file.read_text())["connections"]
    assert any(
        connection["tls"] and connection["tls"]["client_certificate_asked"] for connection in listed
    )


# All the rest


@pytest.mark.parametrize(
    "path", ["/reload-storm", "/closes", "/loop-in-frame", "/video", "/images"]
)
def test_what_a_page_does_to_be_difficult_keeps_nobody_from_photographing_it(
    site: Hostile, capture: Engine, path: str
) -> None:
    captured = capture(site.url(path), replace(LIMITS, requests=2_000))

    assert captured.outcome is not Outcome.FAILED
    assert "capture/screenshot.png" in paths(captured)
    assert captured.response is not None
    assert captured.response.status == 200


# Afterwards


def test_captures_leave_no_thread_no_file_and_no_process_behind(
    site: Hostile, capture: Engine
) -> None:
    def held() -> tuple[int, int]:
        return threading.active_count(), len(os.listdir("/proc/self/fd"))

    capture(site.url("/calm"), LIMITS)  # what is made once for the whole process
    before = held()
    for path in ("/calm", "/file.zip", "/alert-loop", "/dripping-head"):
        capture(site.url(path), replace(LIMITS, navigate_s=1))
    end = time.monotonic() + 10
    while held() > before and time.monotonic() < end:
        time.sleep(0.05)  # a thread of a pool ends a moment later

    assert held() <= before
    left = [
        pid
        for pid in os_processes.descendant_pids(os.getpid())
        if "chrom" in os_processes.command(pid)
    ]
    assert left == []
