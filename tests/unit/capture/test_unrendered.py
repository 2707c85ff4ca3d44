"""A page that was given up has a record, and that says no more than it may."""

import json
from pathlib import Path

from snapshotter.capture.unrendered import UnrenderedCapturer
from snapshotter.model.capture import Capture, Outcome
from snapshotter.model.request import CaptureRequest, Decision, RedactRules
from tests.fakes.world import FixedClock, SeededIds

SECRET = "2893715520"
IDS = SeededIds()


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


def test_its_log_ends_with_random_bytes_so_that_nobody_can_guess_its_digest(
    tmp_path: Path, clock: FixedClock
) -> None:
    found = []
    for number in range(2):
        (tmp_path / str(number)).mkdir()
        capturer = UnrenderedCapturer(clock=clock, ids=IDS, version="0", why="it crashed")
        capture = capturer.capture(
            CaptureRequest(url="https://example.org/"),
            Decision(policy_name="x", policy_text=""),
            tmp_path / str(number),
            lambda *_: None,
        )
        (log,) = (x for x in capture.artifacts if x.path == "capture/log.jsonl")
        found.append([json.loads(line) for line in log.file.read_bytes().splitlines()])

    (*first, salt), (*second, other) = found
    assert first == second
    assert salt["event"] == other["event"] == "salt"
    assert salt["detail"] != other["detail"]
    assert len(bytes.fromhex(salt["detail"])) == 16


def test_the_address_says_nothing_of_who_shared_it(tmp_path: Path, clock: FixedClock) -> None:
    capture = given_up(
        tmp_path, clock, f"https://example.org/?a=1&uin={SECRET}&share_by=w{SECRET}#x"
    )

    assert capture.requested_url.startswith("https://example.org/?a=1&uin=redacted:sha256:")
    assert SECRET not in repr(capture)
    for artifact in capture.artifacts:
        assert SECRET.encode() not in artifact.file.read_bytes(), artifact.path
    assert {redaction.name for redaction in capture.redactions} == {"uin", "share_by"}
