"""Sealing: what was hashed is what is sealed, or there is no bundle."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typing_extensions import override

from snapshotter.errors import SnapshotterError
from snapshotter.formats.bundle import manifest, names
from snapshotter.model.bundle import Bundle, TokenState
from snapshotter.model.capture import Artifact, Capture, Redaction
from snapshotter.model.finding import Verdict
from snapshotter.seal import sealer
from snapshotter.seal.signer import FileSigner
from snapshotter.verify.bundle import verify_bundle
from tests import bundles
from tests.bundles import ChainAuthority, RealClock, unpack


def _seal(
    spool: Path,
    signer: FileSigner,
    *authorities: ChainAuthority,
    edit: Callable[[Capture], Capture] = lambda capture: capture,
    bundle_id: str = "",
) -> Bundle:
    clock = RealClock()
    return sealer.seal(
        edit(bundles.capture(spool, at=clock.now())),
        bundles.decision(),
        sealer.SealDependencies(
            signer=signer,
            authorities=authorities,
            timestamp_timeout_s=30,
            clock=clock,
            software=bundles.SOFTWARE,
        ),
        bundle_id=bundle_id or bundles.bundle_id(clock.now()),
        salt_key=bundles.SALT_KEY,
        spool=spool,
        progress=lambda stage, detail: None,
    )


def test_a_sealed_bundle_passes_the_verifier(tmp_path: Path, authority: ChainAuthority) -> None:
    signer = bundles.new_signer()
    made = _seal(tmp_path, signer, authority)

    with made.file.open("rb") as stream:
        report = verify_bundle(stream, bundles.trust_in(signer, authority), now=datetime.now(UTC))

    assert report.verdict is Verdict.PASSED
    assert report.proven_time == made.tokens[0].time
    assert report.bundle_id == made.id
    assert (report.sha256, report.length) == (made.digests.sha256, made.digests.length)
    assert bundles.file_digest(made.file.read_bytes()) == made.digests
    assert sum(length for _, length in made.part_bytes) < made.digests.length


def test_every_file_stands_in_both_manifests_and_nothing_of_the_seal_does(tmp_path: Path) -> None:
    members = unpack(_seal(tmp_path, bundles.new_signer()).file.read_bytes())

    sha256 = manifest.parse(members[names.MANIFEST_SHA256])
    blake3 = manifest.parse(members[names.MANIFEST_BLAKE3])

    listed = {name for name in members if names.is_listed(name)}
    assert set(blake3) == listed
    assert set(sha256) == listed | {names.MANIFEST_BLAKE3}
    assert len(listed) >= 9


def test_an_authority_that_is_down_costs_the_token_and_nothing_else(
    tmp_path: Path, authority: ChainAuthority
) -> None:
    down = ChainAuthority(authority._chain, name="the one that is down")
    down.down = True

    made = _seal(tmp_path, bundles.new_signer(), down, authority)

    assert [token.state for token in made.tokens] == [TokenState.PENDING, TokenState.GRANTED]
    assert sealer.owed_authorities(made.tokens) == ("the one that is down",)
    tokens = [name for name in unpack(made.file.read_bytes()) if name.endswith(".tsr")]
    assert tokens == [names.token(1, 1)]


@pytest.mark.parametrize("now", [b"changed", b"", b"<!doctype html>" * 1000])
def test_a_file_that_changes_between_hashing_and_zip_leaves_no_bundle(
    tmp_path: Path, now: bytes
) -> None:
    def edit(capture: Capture) -> Capture:
        (tmp_path / "capture/dom.html").write_bytes(now)
        return capture

    with pytest.raises(SnapshotterError, match="changed on disk"):
        _seal(tmp_path, bundles.new_signer(), edit=edit, bundle_id=bundles.BUNDLE_ID)

    with pytest.raises((SnapshotterError, FileNotFoundError)):
        unpack((tmp_path / f"{bundles.BUNDLE_ID}.wacz").read_bytes())


def test_a_file_that_is_gone_is_an_error_and_no_bundle(tmp_path: Path) -> None:
    def edit(capture: Capture) -> Capture:
        (tmp_path / "capture/dom.html").unlink()
        return capture

    with pytest.raises(SnapshotterError, match="could not be written"):
        _seal(tmp_path, bundles.new_signer(), edit=edit)


def test_more_than_four_gibibytes_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    def edit(capture: Capture) -> Capture:
        first = capture.artifacts[0]
        huge = replace(first, digests=replace(first.digests, length=(1 << 32) - 100))
        return replace(capture, artifacts=(huge, *capture.artifacts[1:]))

    with pytest.raises(SnapshotterError, match="4 GiB"):
        _seal(tmp_path, bundles.new_signer(), edit=edit, bundle_id=bundles.BUNDLE_ID)

    assert not (tmp_path / f"{bundles.BUNDLE_ID}.wacz").exists()
    assert (tmp_path / f"{bundles.BUNDLE_ID}.wacz.part").stat().st_size == 0


@pytest.mark.parametrize("path", ["../x.txt", "/x.txt", "capture/a/b.txt", "capture/ü.txt"])
def test_a_name_that_no_bundle_holds_is_not_sealed(tmp_path: Path, path: str) -> None:
    def edit(capture: Capture) -> Capture:
        bad: Artifact = replace(capture.artifacts[0], path=path)
        return replace(capture, artifacts=(*capture.artifacts, bad))

    with pytest.raises(ValueError, match="a manifest cannot contain"):
        _seal(tmp_path, bundles.new_signer(), edit=edit)


def test_a_key_in_hardware_makes_one_signature_and_the_record_says_so(tmp_path: Path) -> None:
    signed: list[bytes] = []

    class Counting(bundles.SoftwareKeyWithoutWacz):
        @override
        def sign(self, message: bytes) -> bytes:
            signed.append(message)
            return super().sign(message)

        @override
        def sign_wacz_hash(self, hash_text: bytes) -> bytes:
            raise AssertionError("a key in hardware is asked once")

    key = bundles.new_signer()._private_key
    members = unpack(_seal(tmp_path, Counting(key)).file.read_bytes())

    assert signed == [members[names.MANIFEST_SHA256]]
    assert bundles.record_of(members)["signers"][0]["wacz_auth"] is False
    assert "signedData" not in json.loads(members[names.DATAPACKAGE_DIGEST])


def test_redactions_stand_in_the_custody_chain_and_salts_stand_nowhere(tmp_path: Path) -> None:
    def edit(capture: Capture) -> Capture:
        redaction = Redaction(
            place="request-header", name="cookie", count=1, commitments=("sha256:" + "0" * 64,)
        )
        return replace(capture, redactions=(redaction,))

    members = unpack(_seal(tmp_path, bundles.new_signer(), edit=edit).file.read_bytes())

    events = [json.loads(line)["event"] for line in io.BytesIO(members[names.CUSTODY])]
    assert events == ["capture", "redaction", "creation", "message digest calculation"]
    assert "disclosures" not in bundles.record_of(members)
