"""Gaps on their way into a store and its log, also after a crash between two steps."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from snapshotter.app.archive import stored_gaps
from snapshotter.app.monitoring import gap_records
from snapshotter.app.monitoring.gap_records import GapService
from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.formats.bundle import store_keys
from snapshotter.formats.proofs.leaf import GAP, Leaf
from snapshotter.formats.statements import gap as format_
from snapshotter.model.capture import Disclosure
from snapshotter.model.gap import Gap, GapEvent, GapReason, Missed
from snapshotter.store.filesystem import DirectoryStore
from tests import logs
from tests.bundles import new_signer
from tests.fakes.world import START, SeededIds

IDS = [f"20261127t10150{number}z-k3v4q2m7xw4c5b6d" for number in range(3)]
URLS = ("https://example.org/1", "https://example.org/2")


def gap(gap_id: str) -> Gap:
    return Gap(
        gap_id=gap_id,
        at=START,
        schedule="case-7",
        event=GapEvent.MISSED,
        reason=GapReason.NO_WORKER,
        since=START - timedelta(hours=6),
        until=START,
        missed=(Missed(slots=(START - timedelta(hours=6), START), urls=URLS),),
    )


@pytest.fixture
def service(tmp_path: Path) -> GapService:
    store = DirectoryStore(tmp_path / "store")
    writer = logs.writer(store)
    writer.create()

    def log(leaves: Sequence[Leaf], again: bool) -> object:
        return writer.append(leaves, seen=0 if again else None)

    return GapService(
        store=store, signer=new_signer(), ids=SeededIds(), salts_dir=tmp_path / "salts", log=log
    )


def logged(service: GapService) -> list[Leaf]:
    return logs.read_whole(service.store)  # type: ignore[arg-type]  # a directory swaps, too


def test_a_gap_is_signed_stored_and_logged_and_its_salts_stay_here(service: GapService) -> None:
    gap_records.record(service, [gap(gap_id) for gap_id in IDS])

    found = list(stored_gaps.stored_gaps(service.store))
    assert [kept.record.gap_id for kept in found if kept.record] == IDS[::-1]
    assert {kept.record.key_id for kept in found if kept.record} == {service.signer.key_id}
    for leaf, gap_id in zip(logged(service), IDS, strict=True):
        with service.store.open(store_keys.gap_key(gap_id)) as stream:
            data = stream.read()
        assert leaf == Leaf(kind=GAP, name=gap_id, sha256=hashlib.sha256(data).hexdigest())
    lines = (service.salts_dir / f"{IDS[0]}.salts.jsonl").read_text().splitlines()
    salts = [json.loads(line) for line in lines]
    opened = {
        format_.commitment(url, bytes.fromhex(salt["salt"])) for url in URLS for salt in salts
    }
    (missed,) = next(
        kept.record for kept in found if kept.record and kept.record.gap_id == IDS[0]
    ).missed
    assert set(missed.urls) <= opened
    assert len({salt["salt"] for salt in salts}) == 2


def test_of_two_processes_at_one_gap_the_slower_takes_no_salts_away(
    service: GapService, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = format_.disclosures

    def overtaken(found: Gap, salts: Sequence[bytes]) -> dict[str, Disclosure]:
        monkeypatch.setattr(format_, "disclosures", drawn)
        gap_records.record(service, [gap(IDS[0])])  # another, while this one stood still
        return drawn(found, salts)

    monkeypatch.setattr(format_, "disclosures", overtaken)
    gap_records.record(service, [gap(IDS[0])])

    assert openable(service, IDS[0])


def test_salts_of_one_that_died_before_it_stored_its_gap_are_used(service: GapService) -> None:
    salts = service.salts_dir / f"{IDS[0]}.salts.jsonl"
    gap_records.record(replace(service, log=None), [gap(IDS[0])])
    before = salts.read_bytes()
    (service.store.root / store_keys.gap_key(IDS[0])).unlink()  # type: ignore[attr-defined]

    gap_records.record(service, [gap(IDS[0])])

    assert salts.read_bytes() == before
    assert openable(service, IDS[0])


def openable(service: GapService, gap_id: str) -> bool:
    """Whether the salts that are kept open every commitment of a stored gap."""
    lines = (service.salts_dir / f"{gap_id}.salts.jsonl").read_text().splitlines()
    salts = [bytes.fromhex(json.loads(line)["salt"]) for line in lines]
    record = next(kept.record for kept in stored_gaps.stored_gaps(service.store) if kept.record)
    opened = {format_.commitment(url, salt) for url in URLS for salt in salts}
    return record.gap_id == gap_id and set(record.missed[0].urls) <= opened


def test_the_same_again_after_a_crash_completes_what_is_missing(service: GapService) -> None:
    def dies(leaves: Sequence[Leaf], again: bool) -> object:
        raise ServiceUnavailable("the log does not answer")

    with pytest.raises(ServiceUnavailable):
        gap_records.record(replace(service, log=dies), [gap(IDS[0])])
    before = next(service.store.list("gaps/")).sha256
    salts = (service.salts_dir / f"{IDS[0]}.salts.jsonl").read_bytes()

    for _ in range(2):
        gap_records.record(service, [gap(IDS[0])])

    assert [leaf.name for leaf in logged(service)] == [IDS[0]]
    assert next(service.store.list("gaps/")).sha256 == before
    assert (service.salts_dir / f"{IDS[0]}.salts.jsonl").read_bytes() == salts


def test_what_somebody_left_in_its_place_is_told_and_not_logged(service: GapService) -> None:
    path = service.store.root / store_keys.gap_key(IDS[0])  # type: ignore[attr-defined]  # a directory
    path.parent.mkdir(parents=True)
    path.write_bytes(b"{}\n{}\n")

    with pytest.raises(SnapshotterError, match="is not the record of this gap"):
        gap_records.record(service, [gap(IDS[0])])

    assert logged(service) == []
    (found,) = stored_gaps.stored_gaps(service.store)
    assert (found.record, found.problem != "") == (None, True)
