"""
What one capture may send, write and request: counts that are the same on every machine.

They guard speed without measuring time. Each limit is a little above the present count, and a
comment says what the count consists of. A change that needs more raises the limit and says why; a
change that needs far less lowers it.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.product import LIMIT_S, Installation, trusting
from tests.e2e.test_stores import reaching
from tests.servers.authority import TestAuthority
from tests.servers.seaweedfs import SeaweedFS
from tests.servers.site import Site

pytestmark = [pytest.mark.e2e, pytest.mark.long]

# Until the page is at rest, these messages are sent again and again: a trace is started and ended,
# and the page is read a few times, with two messages each. How often depends on the machine, so
# both are counted apart.
_ROUND_BEGINS = "sent Tracing.start"
_READING = "sent Page.getFrameTree"


def _counts(installation: Installation, folder: Path, *arguments: str) -> dict[str, int]:
    """Capture in a process that counts (`counted.py`); return its counts."""
    file = folder / "counts.json"
    done = subprocess.run(
        [sys.executable, "-m", "tests.e2e.counted", str(file), "capture", "--json", *arguments],
        cwd=installation.home,
        env=installation._environ(),
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["outcome"] == "complete"
    found: dict[str, int] = json.loads(file.read_text())
    return found


def test_a_capture_sends_no_more_messages_to_the_browser_and_syncs_no_more_files_than_now(
    tmp_path: Path, authority: TestAuthority, fixture_site: Site
) -> None:
    installation = Installation(tmp_path / "home")
    installation.configure(trusting(authority))

    first = _counts(installation, tmp_path, fixture_site.url("/plain"))
    counts = _counts(installation, tmp_path, fixture_site.url("/plain"))

    # 4: a trial below the window, the first look, the first view and the whole page. On a machine
    # that is very slow, an early look comes before these, and a browser without a frame is asked
    # again.
    pictures = counts["sent Page.captureScreenshot"]
    assert pictures <= 6, counts
    rounds, readings = counts[_ROUND_BEGINS], counts[_READING]
    assert 0 < rounds <= readings <= 6 * rounds, counts
    # 34 with the pictures: the page is prepared and saved, beside the rounds. Two of them let the
    # first request pass, so that no navigation of the page is faster than the order to watch it.
    others = counts["protocol_messages"] - 2 * rounds - 2 * readings
    assert 0 < others <= 31 + pictures, counts
    # 18: the driver and the browser are started, the page is opened and all is closed.
    assert counts["driver_messages"] - counts["protocol_messages"] <= 19, counts
    # 270,000 to 280,000, nearly all of it pictures in base64 and the MHTML file, and 45,000 for an
    # early look.
    assert 0 < counts["driver_bytes"] <= 345_000, counts
    # 53: bundle, log entry, proof, receipts, custody events and reminders, each with its folder.
    assert 0 < counts["fsyncs"] <= 54, counts
    # While the record is written, and not again by the assessment; in the rows of the picture
    # that came while it was made.
    assert (counts["code_searches"], counts.get("decoded_for_codes", 0)) == (1, 0)
    # The program of the browser is hashed once for all captures (200 MB).
    assert (first["browser_reads"], counts.get("browser_reads", 0)) == (1, 0)
    # 15 more: the first capture makes the keys, the identity of the store and the log.
    assert first["fsyncs"] <= 70, first


def test_large_pictures_do_not_pass_through_the_messages_of_the_driver(
    tmp_path: Path, authority: TestAuthority, fixture_site: Site
) -> None:
    installation = Installation(tmp_path / "home")
    installation.configure(trusting(authority))

    counts = _counts(installation, tmp_path, fixture_site.url("/noise"))

    # Three pictures of 800 x 600 pixels with three bytes each, which cannot be compressed.
    assert counts["result_bytes"] > 3 * 800 * 600 * 3, counts
    assert 0 < counts["driver_bytes"] <= 345_000, counts


@pytest.mark.s3
@pytest.mark.xdist_group("seaweedfs")
def test_a_capture_into_a_bucket_sends_no_more_requests_than_now(
    tmp_path: Path, seaweedfs: SeaweedFS, authority: TestAuthority, fixture_site: Site
) -> None:
    cloud = Installation(tmp_path / "home")
    reaching(cloud, seaweedfs, authority)

    arguments = ("--store", "s3://plain/counted", fixture_site.url("/plain"))
    first = _counts(cloud, tmp_path, *arguments)
    counts = _counts(cloud, tmp_path, *arguments)

    # 35: 17 for the bundle and its custody events, 15 for the log, 3 for the proof. Each waits for
    # the one before it, and a bucket far away takes 20 to 50 ms for each.
    assert 0 < counts["bucket_requests"] <= 36, counts
    # About 53 more: the first capture tests once what the bucket guarantees, and makes the log. The
    # test has four racing writers, and how many requests these need depends on who wins.
    assert first["bucket_requests"] <= 92, first
