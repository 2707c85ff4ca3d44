"""What holds a page's traffic in clear does not outlive the recorder, however it ends."""

import os
from pathlib import Path

import pytest

from snapshotter.capture.browser.capture_network import CaptureNetwork
from snapshotter.capture.record.recorder import Recorder, RecordingRules, _read_key_log
from snapshotter.capture.redaction.redactor import commitment
from snapshotter.egress.guard import EgressGuard
from snapshotter.egress.rules import EgressRules
from snapshotter.formats import canonical_json
from snapshotter.model.request import Limits
from tests import tls, wires
from tests.fakes.world import FixedClock, SeededIds


@pytest.fixture
def way(tmp_path: Path) -> CaptureNetwork:
    """A way out that nothing has passed, with something in its files all the same."""
    tee = tmp_path / ".egress"
    tee.mkdir()
    (tee / "00001.tee").write_bytes(b"in clear")
    (tmp_path / "keys.log").write_bytes(b"CLIENT_RANDOM 00 00\n")
    guard = EgressGuard(EgressRules(total_bytes=1), clock=FixedClock(), tee=tee)
    return CaptureNetwork(guard=guard, path="direct", key_log=tmp_path / "keys.log", tee_dir=tee)


def recorder(spool: Path, way: CaptureNetwork, *, original: str = "") -> Recorder:
    return Recorder(
        spool=spool,
        clock=FixedClock(),
        ids=SeededIds(),
        network=way,
        rules=RecordingRules(
            limits=Limits(),
            software="snapshotter/test",
            redact_headers=frozenset(),
            original=original,
        ),
    )


def test_an_address_that_was_not_visited_as_it_was_given_leaves_as_a_commitment(
    tmp_path: Path, way: CaptureNetwork
) -> None:
    asked = "https://mp.weixin.qq.com/s?__biz=MzA&uin=c4n4ry"

    made = recorder(tmp_path, way, original=asked).finish_now(final_url="http://a.com/", title="")

    (redaction,), (disclosure,) = made.redactions, made.disclosures
    assert (redaction.place, redaction.name, redaction.count) == ("requested-url", "original", 1)
    opened = commitment(bytes.fromhex(disclosure.salt), "original", asked.encode())
    assert redaction.commitments == (disclosure.commitment,) == (opened,)
    assert all(b"c4n4ry" not in artifact.file.read_bytes() for artifact in made.artifacts)


def test_a_capture_without_traffic_has_an_empty_record(tmp_path: Path, way: CaptureNetwork) -> None:
    made = recorder(tmp_path, way).finish_now(final_url="http://a.com/", title="")

    files = {artifact.path: artifact.file for artifact in made.artifacts}
    assert "capture/tls.json" not in files
    listed = canonical_json.loads(files["capture/network.json"].read_bytes())
    assert len(bytes.fromhex(listed.pop("salt"))) == 16
    assert listed == {
        "connections": [],
        "cross_check": {
            "carried": 0, "difference_count": 0, "differences": [], "from_cache": 0,
            "internal": 0, "paired": 0, "told": 0,
        },
        "format": "snapshotter-network/1",
    }  # fmt: skip
    assert (made.response, made.counts.total, made.missing_parts) == (None, 0, ())
    assert not way.tee_dir.exists()
    assert not way.key_log.exists()


def test_streams_and_keys_go_when_the_record_can_not_be_written(
    tmp_path: Path, way: CaptureNetwork
) -> None:
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive/data.warc.gz").write_bytes(b"somebody else's")

    with pytest.raises(FileExistsError):
        recorder(tmp_path, way).finish_now(final_url="http://a.com/", title="")

    assert not way.tee_dir.exists()
    assert not way.key_log.exists()


def test_a_key_log_that_the_browser_made_endless_is_read_in_part(tmp_path: Path) -> None:
    """A hole takes no place on the disk, so that no limit of that ends it."""
    log = tmp_path / "keys.log"
    log.write_bytes(b"CLIENT_RANDOM 00 00\n")
    os.truncate(log, 1 << 42)

    assert _read_key_log(log).startswith(b"CLIENT_RANDOM 00 00\n\0")
    assert _read_key_log(tmp_path / "none") == b""


def test_a_record_is_written_once(tmp_path: Path, way: CaptureNetwork) -> None:
    new_recorder = recorder(tmp_path, way)

    first = new_recorder.finish_now(final_url="http://a.com/", title="")

    assert new_recorder.finish_now(final_url="http://b.com/", title="other") is first


def test_a_handshake_that_both_sides_finished_is_said_to_hold(tmp_path: Path) -> None:
    carried = wires.Carried(tmp_path)
    recording = wires.https(tls.Authority(tmp_path / "authority"), tmp_path / "client")
    carried.add(recording.chunks, recording.keys)

    made = recorder(tmp_path, carried.wire).finish_now(final_url="https://a.com/", title="")

    files = {artifact.path: artifact.file for artifact in made.artifacts}
    (listed,) = canonical_json.loads(files["capture/network.json"].read_bytes())["connections"]
    assert listed["tls"]["client_finished"] == listed["tls"]["server_finished"] == "holds"
    assert listed["exchanges"] == 1
    assert made.missing_parts == ()


def test_a_connection_whose_handshake_was_finished_otherwise_is_named(tmp_path: Path) -> None:
    carried = wires.Carried(tmp_path)
    recording = wires.https(tls.Authority(tmp_path / "authority"), tmp_path / "client")
    carried.add(wires.changed(recording, 0, wires.other_session_id), recording.keys)

    made = recorder(tmp_path, carried.wire).finish_now(final_url="https://a.com/", title="")

    files = {artifact.path: artifact.file for artifact in made.artifacts}
    (listed,) = canonical_json.loads(files["capture/network.json"].read_bytes())["connections"]
    assert listed["tls"]["client_finished"] == listed["tls"]["server_finished"] == "differs"
    assert listed["exchanges"] == 1  # and is recorded all the same
    place = f"{tls.HOST}:443"
    assert made.missing_parts == (
        f"handshakes with {place} in which the Finished message of the client does not match the "
        "recorded messages: 1",
        f"handshakes with {place} in which the Finished message of the server does not match the "
        "recorded messages: 1",
    )
