"""A page that was given up has a record, and that says no more than it may."""

from pathlib import Path

from snapshotter.capture.unrendered import UnrenderedCapturer
from snapshotter.model.capture import Capture, Outcome
from snapshotter.model.request import CaptureRequest, Decision, RedactRules
from tests.fakes.world import FixedClock, SeededIds

SECRET = "2893715520"


def given_up(spool: Path, clock: FixedClock, url: str) -> Capture:
    decision = Decision(
        policy_name="x", policy_text="", redact=RedactRules(url_params=("uin", "share_*"))
    )
    capturer = UnrenderedCapturer(clock=clock, ids=SeededIds(), version="0", why="it crashed")
    return capturer.capture(CaptureRequest(url=url), decision, spool, lambda *_: None)


def test_no_file_of_it_is_empty(tmp_path: Path, clock: FixedClock) -> None:
    """`wacz validate` takes an empty list of lines for a broken one."""
    capture = given_up(tmp_path, clock, "https://example.org/")

    assert capture.outcome is Outcome.FAILED
    assert "capture/log.jsonl" in [artifact.path for artifact in capture.artifacts]
    assert [artifact.path for artifact in capture.artifacts if not artifact.digests.length] == [
        "indexes/index.cdx"
    ]


def test_the_address_says_nothing_of_who_shared_it(tmp_path: Path, clock: FixedClock) -> None:
    capture = given_up(
        tmp_path, clock, f"https://example.org/?a=1&uin={SECRET}&share_by=w{SECRET}#x"
    )

    assert capture.requested_url.startswith("https://example.org/?a=1&uin=redacted:sha256:")
    assert SECRET not in repr(capture)
    for artifact in capture.artifacts:
        assert SECRET.encode() not in artifact.file.read_bytes(), artifact.path
    assert {redaction.name for redaction in capture.redactions} == {"uin", "share_by"}
