"""
A real browser on pages that mean harm, and on targets that are no page.

Each ends inside its limits as a capture that says what happened; most of them with
a picture and the text of the page, because what a hostile page shows is evidence.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from warcio.archiveiterator import ArchiveIterator

from snapshotter.model.capture import Capture, Outcome, StepState
from snapshotter.model.request import Limits
from tests.e2e.test_capture_page import Engine, artifact, codes, kinds
from tests.servers import hostile
from tests.servers.hostile import Hostile

pytestmark = pytest.mark.e2e

# Small, so that each page meets them soon; enough for an honest page.
LIMITS = Limits(
    total_s=20,
    navigate_s=3,
    scroll_s=2,
    settle_s=1.5,
    tile_s=5,
    mhtml_s=3,
    step_s=2,
    close_s=2,
    response_bytes=4 << 20,
    capture_bytes=16 << 20,
    requests=300,
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hostile]:
    with Hostile(tmp_path_factory.mktemp("hostile")) as it:
        yield it


@pytest.fixture
def capture(tmp_path: Path) -> Engine:
    return Engine(tmp_path)


def paths(it: Capture) -> list[str]:
    return [one.path for one in it.artifacts]


def text(it: Capture) -> str:
    return artifact(it, "capture/page.txt").file.read_text()


def bodies(it: Capture, address: str) -> list[bytes]:
    """The payloads that the network record holds of an address."""
    with artifact(it, "archive/data.warc.gz").file.open("rb") as stream:
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
        ("/unnamed", "target.bin", "application/octet-stream", hostile.ZIP, False),
        ("/file.png", "target.png", "image/png", hostile.PNG, True),
        ("/file.json", "target.json", "application/json", hostile.JSON, True),
        ("/gzip.json", "target.json", "application/json", hostile.JSON, True),
        ("/file.txt", "target.txt", "text/plain", hostile.TEXT, True),
        ("/file.xml", "target.xml", "application/xml", hostile.XML, True),
        ("/feed.xml", "target.xml", "application/rss+xml", hostile.FEED, True),
    ],
)  # fmt: skip
def test_a_target_that_is_no_page_is_kept_byte_for_byte(
    site: Hostile, capture: Engine, path: str, name: str, media_type: str, data: bytes,
    is_shown: bool,
) -> None:  # fmt: skip
    it = capture(site.url(path), LIMITS)

    assert (it.outcome, codes(it)) == (Outcome.COMPLETE, [])
    kept = artifact(it, f"capture/{name}")
    assert kept.file.read_bytes() == data
    assert kept.media_type == media_type
    assert bodies(it, site.url(path)) == [data]
    assert it.court_minimum.html_source
    assert ("capture/screenshot.png" in paths(it)) is is_shown
    assert ("save-file" in kinds(it)) is not is_shown
    assert it.final_url == site.url(path)


def test_a_video_is_kept_as_it_was_served(site: Hostile, capture: Engine) -> None:
    it = capture(site.url("/file.mp4"), LIMITS)

    assert it.outcome is Outcome.COMPLETE
    assert artifact(it, "capture/target.mp4").file.read_bytes() == hostile.VIDEO


def test_a_page_leaves_no_second_copy_of_its_document(site: Hostile, capture: Engine) -> None:
    it = capture(site.url("/calm"), LIMITS)

    assert it.outcome is Outcome.COMPLETE
    assert not [path for path in paths(it) if "target" in path]
    assert not list(artifact(it, "capture/page.txt").file.parents[1].glob(".*"))


def test_an_answer_without_content_is_evidence_of_that(site: Hostile, capture: Engine) -> None:
    it = capture(site.url("/204"), LIMITS)

    assert (it.outcome, codes(it)) == (Outcome.PARTIAL, ["no-content"])
    assert it.response is not None
    assert it.response.status == 204
    assert not [path for path in paths(it) if path.endswith(".png")]


@pytest.mark.parametrize(("path", "status"), [("/empty", 200), ("/empty-500", 500)])
def test_an_empty_document_is_a_document(
    site: Hostile, capture: Engine, path: str, status: int
) -> None:
    it = capture(site.url(path), LIMITS)

    assert (it.outcome, codes(it)) == (Outcome.COMPLETE, [])
    assert it.response is not None
    assert it.response.status == status
    assert text(it) == ""
    assert it.court_minimum.html_source


def test_a_file_over_the_limit_is_kept_as_far_as_the_limit(site: Hostile, capture: Engine) -> None:
    """5 GB are announced, and would come."""
    it = capture(site.url("/large.zip"), LIMITS)

    assert it.outcome is Outcome.PARTIAL
    assert codes(it) == ["response-too-large", "source-cut"]
    kept = artifact(it, "capture/target.zip")
    assert kept.digests.length == LIMITS.response_bytes
    assert kept.note == "the body of the answer, cut off (length)"
    assert kept.file.read_bytes() == b"x" * LIMITS.response_bytes


def test_a_file_that_does_not_end_is_kept_as_far_as_it_came(site: Hostile, capture: Engine) -> None:
    it = capture(site.url("/slow.zip"), replace(LIMITS, navigate_s=1))

    assert it.outcome is Outcome.PARTIAL
    assert codes(it) == ["load-timeout", "source-cut"]
    assert artifact(it, "capture/target.zip").file.read_bytes().startswith(b"PKPK")


def test_a_file_that_its_server_breaks_off_is_not_told_as_whole(
    site: Hostile, capture: Engine
) -> None:
    it = capture(site.url("/broken.zip"), LIMITS)

    assert it.outcome is Outcome.PARTIAL
    assert "source-cut" in codes(it) or "source-missing" in codes(it)
    assert it.steps[1].state is StepState.PARTIAL


def test_a_document_that_replaces_itself_is_recorded_as_far_as_it_came(
    site: Hostile, capture: Engine
) -> None:
    it = capture(site.url("/parts"), replace(LIMITS, navigate_s=1))

    assert it.outcome is Outcome.PARTIAL
    assert "load-timeout" in codes(it)
    assert b"--frame\r\nContent-Type: text/html\r\n\r\n<h1>part 0</h1>" in (
        artifact(it, "capture/target.bin").file.read_bytes()
    )
