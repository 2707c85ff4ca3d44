"""`snapshotter streams`: a record that is made of its streams, one that is not, and neither."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from snapshotter.capture.record import encrypted_streams
from snapshotter.capture.record.archive_writer import WARC_PATH
from snapshotter.cli.main import main
from snapshotter.formats.bundle import names
from snapshotter.formats.signatures import cms
from snapshotter.policy.load import load
from snapshotter.policy.policy_toml import as_toml
from tests import bundles
from tests.bundles import RealClock
from tests.unit.capture.record.test_encrypted_streams import KEY, Kept, everything

PASSPHRASE = b"open sesame"


def _pem(key: cms.PrivateKey, passphrase: bytes = b"") -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(passphrase)
        if passphrase
        else serialization.NoEncryption(),
    )


@dataclass(frozen=True, slots=True)
class Desk:
    """A bundle on disk, the key that opens its streams, and the spool."""

    bundle: Path
    key: Path
    spool: Path
    kept: Kept
    members: bundles.Members

    def put(self, **changed: bytes) -> None:
        """Write the bundle, some members changed: `warc`, `streams`; an empty one is left out."""
        there = self.members | {
            name: data
            for short, name in (("warc", WARC_PATH), ("streams", encrypted_streams.PATH))
            if (data := changed.get(short)) is not None
        }
        self.bundle.write_bytes(bundles.pack({n: data for n, data in there.items() if data}))


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    spool = tmp_path / "spooled"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SNAPSHOTTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("SNAPSHOTTER_SPOOL_DIR", str(spool))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "capture").mkdir()
    kept = Kept(tmp_path / "capture")
    everything(kept)
    kept.record()
    sealed = bundles.seal(tmp_path / "seal", signer=bundles.new_signer(), clock=RealClock())
    members = bundles.unpack(sealed.file.read_bytes()) | {
        "capture/policy.toml": as_toml(load("default")).encode(),
        WARC_PATH: kept.warc.read_bytes(),
        encrypted_streams.PATH: (kept.spool / encrypted_streams.PATH).read_bytes(),
        names.SERVER_SIGNATURES: (kept.spool / names.SERVER_SIGNATURES).read_bytes(),
    }
    key = tmp_path / "court.key"
    key.write_bytes(_pem(KEY))
    made = Desk(tmp_path / "exhibit.wacz", key, spool, kept, members)
    made.put()
    return made


def _check(desk: Desk, *more: str) -> int:
    return main(["streams", "check", "--key", str(desk.key), *more, str(desk.bundle)])


def test_a_record_that_is_made_of_its_streams(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _check(desk) == 0
    assert "the network record matches the data of these connections" in capsys.readouterr().out

    assert _check(desk, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["agrees"] is True
    assert (said["connections"], said["exchanges"], said["handshakes"]) == (4, 5, 2)
    assert list(desk.spool.iterdir()) == []


def test_what_a_comparison_that_was_killed_had_opened_is_swept(desk: Desk) -> None:
    left = desk.spool / "streams-20260101t000000z-abcdefghijklmnop"
    (left / "files/streams").mkdir(parents=True)
    (left / "files/streams/keys.log").write_bytes(b"CLIENT_RANDOM")
    (left / "in-use.lock").touch()

    assert _check(desk) == 0
    assert list(desk.spool.iterdir()) == []


def test_a_record_that_is_not(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.kept.change_record(b"\r\n\r\nhello", b"\r\n\r\nhullo")
    desk.put(warc=desk.kept.warc.read_bytes())

    assert _check(desk) == 10
    assert (
        "the body of the response in the network record differs from the body in the streams"
        in capsys.readouterr().out
    )


def test_a_record_that_can_not_be_read(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.put(warc=b"\x1f\x8b\x08 nothing")

    assert _check(desk) == 10
    assert "the network record cannot be read" in capsys.readouterr().err
    assert list(desk.spool.iterdir()) == []


def test_a_key_with_a_passphrase(desk: Desk) -> None:
    desk.key.write_bytes(_pem(KEY, PASSPHRASE))
    file = desk.key.with_name("passphrase")
    file.write_bytes(PASSPHRASE + b"\n")
    file.chmod(0o600)

    assert _check(desk, "--passphrase-file", str(file)) == 0
    assert _check(desk) == 1


def test_a_key_of_somebody_else(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.key.write_bytes(_pem(ec.generate_private_key(ec.SECP384R1())))

    assert _check(desk) == 1
    said = capsys.readouterr().err
    assert "was not encrypted for this key" in said
    assert cms.Recipient(KEY.public_key()).key_id.hex() in said


@pytest.mark.parametrize("content", [b"no key", None])
def test_a_file_that_is_no_key(desk: Desk, content: bytes | None) -> None:
    desk.key.unlink()
    if content is not None:
        desk.key.write_bytes(content)

    assert _check(desk) == 1


def test_a_bundle_that_keeps_none(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.put(streams=b"")

    assert _check(desk) == 1
    assert "--keep-streams-for" in capsys.readouterr().err


def test_streams_that_were_changed(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    data = desk.members[encrypted_streams.PATH]
    desk.put(streams=data[:-1] + bytes([data[-1] ^ 1]))

    assert _check(desk) == 10
    assert "was changed" in capsys.readouterr().err
    output = desk.bundle.parent / "in-clear"
    arguments = ("streams", "open", "--key", str(desk.key), "-o", str(output), str(desk.bundle))
    assert main(list(arguments)) == 10
    assert not output.exists()


def test_streams_are_opened_into_a_directory_of_their_own(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    output = desk.bundle.parent / "a" / "in-clear"
    arguments = ["streams", "open", "--key", str(desk.key), "-o", str(output), str(desk.bundle)]

    assert main([*arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"connections": 4, "directory": str(output)}
    assert sorted(path.name for path in output.iterdir()) == [
        "00001.tee", "00002.tee", "00003.tee", "00004.tee",
        "README.txt", "connections.json", "keys.log",
    ]  # fmt: skip
    assert output.stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in output.iterdir())
    assert main(arguments) == 1
    assert "exists already" in capsys.readouterr().err
