"""What stands beside a bundle on disk."""

import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import pytest

from snapshotter.errors import EvidenceUnverifiable, SnapshotterError
from snapshotter.formats.digest import digest_bytes
from snapshotter.formats.proofs.rfc3161 import TokenInvalid, read_token
from snapshotter.verify import files
from snapshotter.verify.files import (
    NotAFile,
    file_with_digest,
    open_file,
    read_trust,
)
from snapshotter.verify.sidecars import sidecars_on_disk
from tests.special_files import SPECIAL

VECTORS = Path(__file__).resolve().parents[2] / "vectors"
PIN = (VECTORS / "trust" / "root-key-id.txt").read_text().strip()
NOW = datetime(2100, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def never_waits() -> Iterator[None]:
    """Nobody writes into the pipes of these tests: a reader that waits would wait for ever."""

    def waited(number: int, frame: object) -> None:
        raise TimeoutError("it waited")

    before = signal.signal(signal.SIGALRM, waited)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def _special(folder: Path, kind: str, name: str) -> Path:
    SPECIAL[kind](folder / name)
    return folder / name


_KINDS = ["pipe", "link-to-a-device", "folder", "socket", "link-to-a-folder"]


def test_a_device_is_not_even_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening one can change its state: a tape rewinds, a watchdog begins to count."""
    monkeypatch.setattr(os, "open", None)

    with pytest.raises(NotAFile, match="the path is a device, not a regular file"):
        open_file(Path("/dev/null"))


@pytest.mark.parametrize("kind", _KINDS)
def test_what_is_no_file_is_not_waited_for(tmp_path: Path, kind: str) -> None:
    with pytest.raises(NotAFile, match="regular file"):
        open_file(_special(tmp_path, kind, "a.wacz"))


@pytest.mark.parametrize("kind", _KINDS)
def test_a_trust_file_or_signature_that_is_no_file_is_a_sentence(tmp_path: Path, kind: str) -> None:
    trust = _special(tmp_path, kind, "trust.json")
    with pytest.raises(NotAFile, match="regular file"):
        read_trust(trust, pinned_root=PIN, now=NOW)

    (tmp_path / "b.json").write_bytes((VECTORS / "trust" / "trust.json").read_bytes())
    _special(tmp_path, kind, "b.json.sig")
    with pytest.raises(NotAFile, match=r"b\.json\.sig"):
        read_trust(tmp_path / "b.json", pinned_root=PIN, now=NOW)


@pytest.mark.parametrize("kind", _KINDS)
def test_a_sidecar_that_is_no_file_is_passed_over(tmp_path: Path, kind: str) -> None:
    _special(tmp_path, kind, "a.wacz.late-01.tsr")
    (tmp_path / "a.wacz.late-02.tsr").write_bytes(b"two")

    assert sidecars_on_disk(tmp_path / "a.wacz").late_tokens == (b"two",)


@pytest.mark.parametrize("name", ["x" * 300, "a\0b"])
def test_a_name_that_no_file_can_have_is_a_sentence(tmp_path: Path, name: str) -> None:
    with pytest.raises(SnapshotterError, match="cannot be read"):
        open_file(tmp_path / name)


def test_a_bundle_whose_sidecars_would_have_too_long_a_name_has_none(tmp_path: Path) -> None:
    assert sidecars_on_disk(tmp_path / ("x" * 250)).late_tokens == ()


def test_late_tokens_are_read_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    bundle = tmp_path / "a.wacz"
    for number, data in ((3, b"three"), (1, b"one")):
        (tmp_path / f"a.wacz.late-{number:02}.tsr").write_bytes(data)
    (tmp_path / "b.wacz.late-01.tsr").write_bytes(b"another bundle's")

    assert sidecars_on_disk(bundle).late_tokens == (b"one", b"three")


def test_a_sidecar_too_long_to_be_a_token_is_cut_short_and_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.wacz.late-01.tsr").write_bytes(bytes(1 << 20))

    (token,) = sidecars_on_disk(tmp_path / "a.wacz").late_tokens

    assert len(token) == (64 << 10) + 1
    with pytest.raises(TokenInvalid):
        read_token(token)


def test_a_trust_file_needs_its_signature_and_the_pinned_root() -> None:
    path = VECTORS / "trust" / "trust.json"

    assert read_trust(path, pinned_root=PIN, now=NOW).version == 1
    with pytest.raises(EvidenceUnverifiable):
        read_trust(path, pinned_root="0" * 64, now=NOW)


def test_a_trust_file_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(SnapshotterError, match=r"cannot be read"):
        read_trust(tmp_path / "trust.json", pinned_root=PIN, now=NOW)


def test_a_trust_file_without_its_signature_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "trust.json").write_bytes((VECTORS / "trust" / "trust.json").read_bytes())

    with pytest.raises(SnapshotterError, match=r"trust\.json\.sig"):
        read_trust(tmp_path / "trust.json", pinned_root=PIN, now=NOW)


def test_a_file_is_found_by_its_digest_beside_pipes_devices_and_files_without_end(
    tmp_path: Path,
) -> None:
    for number, kind in enumerate(("pipe", "link-to-a-device", "folder", "link-to-itself")):
        _special(tmp_path, kind, f"{number}.json")
    with (tmp_path / "8.json").open("wb") as sparse:
        sparse.truncate(1 << 40)
    (tmp_path / "other.txt").write_bytes(b"wanted")
    wanted = digest_bytes(b"wanted").sha256
    assert file_with_digest(tmp_path, "*.json", wanted, limit=6) is None

    (tmp_path / "9.json").write_bytes(b"wanted")
    assert file_with_digest(tmp_path, "*.json", wanted, limit=6) == b"wanted"
    assert file_with_digest(tmp_path, "*.json", wanted, limit=5) is None


def test_among_more_files_than_are_looked_at_none_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MAX_LOOKED_AT", 2)
    for number in range(4):
        (tmp_path / f"{number}.json").write_bytes(b"a")
    absent = digest_bytes(b"b").sha256
    opened: list[Path] = []

    def opening(path: Path) -> BinaryIO:
        opened.append(path)
        return open_file(path)

    monkeypatch.setattr(files, "open_file", opening)

    assert file_with_digest(tmp_path, "*.json", absent, limit=6) is None
    assert len(opened) == 3
