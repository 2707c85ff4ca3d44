"""A custody chain beside a bundle: established when it holds, and never against the bundle."""

import io
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from snapshotter.formats.bundle import custody_sidecars, names
from snapshotter.formats.digest import digest_bytes
from snapshotter.model.custody import INGESTION, SUCCESS, CustodyEvent, Receipt
from snapshotter.model.finding import Code, Finding, Verdict
from snapshotter.verify.bundle import verify_bundle
from snapshotter.verify.files import read_trust
from snapshotter.verify.sidecars import Sidecars, sidecars_on_disk
from tests.bundles import unpack

VECTORS = Path(__file__).resolve().parents[2] / "vectors"
PIN = (VECTORS / "trust" / "root-key-id.txt").read_text().strip()
DATA = (VECTORS / "v1-good" / "bundle.wacz").read_bytes()
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
BUNDLE_ID = "20260102t030405z-abcdefghijklmnop"


def _now() -> datetime:
    return datetime.now(UTC)


def _event(number: int, key: str = "", sha256: str = "") -> CustodyEvent:
    receipt = Receipt(
        key=key, length=len(DATA), sha256=sha256, version="", lock_mode="", retain_until=None,
        legal_hold=False, store="0" * 32, at=AT,
    )  # fmt: skip
    return CustodyEvent(
        at=AT, event=INGESTION, agent="a test", object="x", outcome=SUCCESS, by="somebody",
        event_id=f"{number:032x}", receipt=receipt if key else None,
    )  # fmt: skip


def _chain(*events: CustodyEvent) -> list[tuple[int, bytes]]:
    head = custody_sidecars.head_inside(unpack(DATA)[names.CUSTODY])
    made: list[tuple[int, bytes]] = []
    for event in events:
        data, head = custody_sidecars.encode([event], head)
        made.append((head.number, data))
    return made


def _judged(sidecars: list[tuple[int, bytes]]) -> tuple[Verdict, Finding]:
    trust = read_trust(VECTORS / "trust" / "trust.json", pinned_root=PIN, now=_now())
    report = verify_bundle(
        io.BytesIO(DATA), trust, now=_now(), sidecars=Sidecars(custody=tuple(sidecars))
    )
    return report.verdict, [finding for finding in report.findings if finding.check == "custody"][
        -1
    ]


def test_a_chain_that_holds_passes_and_names_its_head() -> None:
    key = f"bundles/2026/01/02/{_bundle_id()}.wacz"
    verdict, finding = _judged(_chain(_event(1, key, digest_bytes(DATA).sha256), _event(2)))

    assert verdict is Verdict.PASSED
    assert finding.detail.startswith(
        "the custody chain beside the bundle is unbroken; events after the seal: 2, "
    )


@pytest.mark.parametrize(
    "sidecars",
    [
        [(1, b"junk")],
        [(2, _chain(_event(1))[0][1])],
        [(1, _chain(_event(1), _event(2))[1][1])],
        [*_chain(_event(1)), (2, _chain(_event(1))[0][1])],
    ],
    ids=["junk", "gap", "another-beginning", "twice"],
)
def test_one_that_does_not_hold_is_indeterminate_and_never_failed(
    sidecars: list[tuple[int, bytes]],
) -> None:
    verdict, finding = _judged(sidecars)

    assert verdict is finding.verdict is Verdict.INDETERMINATE
    assert finding.code is Code.CUSTODY


def _bundle_id() -> str:
    trust = read_trust(VECTORS / "trust" / "trust.json", pinned_root=PIN, now=_now())
    return verify_bundle(io.BytesIO(DATA), trust, now=_now()).bundle_id


def test_a_chain_about_another_file_of_this_name_is_told() -> None:
    key = f"bundles/2026/01/02/{_bundle_id()}.wacz"
    verdict, finding = _judged(_chain(_event(1, key, "ab" * 32)))

    assert verdict is Verdict.INDETERMINATE
    assert "another SHA-256" in finding.detail


def test_sidecars_are_found_by_their_names_and_nothing_else_is_read(tmp_path: Path) -> None:
    bundle = tmp_path / "x.wacz"
    shutil.copy(VECTORS / "v1-good" / "bundle.wacz", bundle)
    for number, data in _chain(_event(1), _event(2)):
        (tmp_path / f"x.wacz.{custody_sidecars.kind(number)}").write_bytes(data)
    (tmp_path / "x.wacz.custody-3.jsonl").write_bytes(b"no")
    (tmp_path / "y.wacz.custody-0003.jsonl").write_bytes(b"no")
    os.mkfifo(tmp_path / "x.wacz.custody-0003.jsonl")

    assert [number for number, _ in sidecars_on_disk(bundle).custody] == [1, 2]


def test_a_chain_of_too_many_sidecars_is_not_read_and_not_established(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(custody_sidecars, "MAX_SIDECARS", 3)
    bundle = tmp_path / "a.wacz"
    bundle.write_bytes(DATA)
    whole = _chain(*map(_event, range(1, 5)))
    for number, data in whole:
        bundle.with_name(f"a.wacz.{custody_sidecars.kind(number)}").write_bytes(data)

    assert {data for _, data in sidecars_on_disk(bundle).custody} == {b""}
    verdict, finding = _judged(list(sidecars_on_disk(bundle).custody))
    assert (verdict, finding.code) == (Verdict.INDETERMINATE, Code.CUSTODY)
    assert (
        "the bundle has more than 3 custody sidecars, or custody sidecars with more than "
        f"{custody_sidecars.MAX_TOTAL} bytes in all; no custody sidecar was read"
    ) in finding.detail

    bundle.with_name("a.wacz.custody-0004.jsonl").unlink()
    assert sidecars_on_disk(bundle).custody == tuple(whole[:3])
    assert _judged(list(sidecars_on_disk(bundle).custody))[0] is Verdict.PASSED


def test_reading_a_chain_stops_behind_its_most_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(custody_sidecars, "MAX_TOTAL", 10)
    asked: list[int] = []

    def read(number: int) -> bytes:
        asked.append(number)
        return b"12345678"

    found = custody_sidecars.read_within_limits(range(1, 9), read)

    assert asked == [1, 2]
    assert "10 bytes" in custody_sidecars.check(None, found).problems[0]
