"""What stands beside a bundle on disk."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from snapshotter.errors import EvidenceUnverifiable, SnapshotterError
from snapshotter.formats.rfc3161 import TokenInvalid, read_token
from snapshotter.verify.files import late_tokens_beside, read_trust

VECTORS = Path(__file__).resolve().parents[2] / "vectors"
PIN = (VECTORS / "trust" / "root-key-id.txt").read_text().strip()
NOW = datetime(2100, 1, 1, tzinfo=UTC)


def test_late_tokens_are_read_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    bundle = tmp_path / "a.wacz"
    for number, data in ((3, b"three"), (1, b"one")):
        (tmp_path / f"a.wacz.late-{number:02}.tsr").write_bytes(data)
    (tmp_path / "b.wacz.late-01.tsr").write_bytes(b"another bundle's")

    assert late_tokens_beside(bundle) == (b"one", b"three")


def test_a_sidecar_too_long_to_be_a_token_is_cut_short_and_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.wacz.late-01.tsr").write_bytes(bytes(1 << 20))

    (token,) = late_tokens_beside(tmp_path / "a.wacz")

    assert len(token) == (64 << 10) + 1
    with pytest.raises(TokenInvalid):
        read_token(token)


def test_a_trust_file_needs_its_signature_and_the_pinned_root() -> None:
    path = VECTORS / "trust" / "trust.json"

    assert read_trust(path, pinned_root=PIN, now=NOW).version == 1
    with pytest.raises(EvidenceUnverifiable):
        read_trust(path, pinned_root="0" * 64, now=NOW)


def test_a_trust_file_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(SnapshotterError, match=r"can not be read"):
        read_trust(tmp_path / "trust.json", pinned_root=PIN, now=NOW)


def test_a_trust_file_without_its_signature_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "trust.json").write_bytes((VECTORS / "trust" / "trust.json").read_bytes())

    with pytest.raises(SnapshotterError, match=r"trust\.json\.sig"):
        read_trust(tmp_path / "trust.json", pinned_root=PIN, now=NOW)
