"""Gaps on their way into a store and its log, also after a crash between two steps."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from snapshotter.app import gaps
from snapshotter.app.gaps import GapDesk
from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.formats import gap as format_
from snapshotter.formats import layout
from snapshotter.formats.leaf import GAP, Leaf
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
def desk(tmp_path: Path) -> GapDesk:
    store = DirectoryStore(tmp_path / "store")
    writer = logs.writer(store)
    writer.create()

    def log(leaves: Sequence[Leaf], again: bool) -> object:
        return writer.append(leaves, seen=0 if again else None)

    return GapDesk(
        store=store, signer=new_signer(), ids=SeededIds(), salts_dir=tmp_path / "salts", log=log
    )


def logged(desk: GapDesk) -> list[Leaf]:
    return logs.read_whole(desk.store)  # type: ignore[arg-type]  # a directory swaps, too


def test_a_gap_is_signed_stored_and_logged_and_its_salts_stay_here(desk: GapDesk) -> None:
    gaps.record(desk, [gap(it) for it in IDS])

    found = list(gaps.kept(desk.store))
    assert [it.record.gap_id for it in found if it.record] == IDS[::-1]
    assert {it.record.key_id for it in found if it.record} == {desk.signer.key_id}
    for leaf, gap_id in zip(logged(desk), IDS, strict=True):
        with desk.store.open(layout.gap_key(gap_id)) as stream:
            data = stream.read()
        assert leaf == Leaf(kind=GAP, name=gap_id, sha256=hashlib.sha256(data).hexdigest())
    lines = (desk.salts_dir / f"{IDS[0]}.salts.jsonl").read_text().splitlines()
    salts = [json.loads(line) for line in lines]
    opened = {format_.commitment(url, bytes.fromhex(it["salt"])) for url in URLS for it in salts}
    (missed,) = next(it.record for it in found if it.record and it.record.gap_id == IDS[0]).missed
    assert set(missed.urls) <= opened
    assert len({it["salt"] for it in salts}) == 2


def test_of_two_processes_at_one_gap_the_slower_takes_no_salts_away(
    desk: GapDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = format_.disclosures

    def overtaken(found: Gap, salts: Sequence[bytes]) -> dict[str, Disclosure]:
        monkeypatch.setattr(format_, "disclosures", drawn)
        gaps.record(desk, [gap(IDS[0])])  # another, while this one stood still
        return drawn(found, salts)

    monkeypatch.setattr(format_, "disclosures", overtaken)
    gaps.record(desk, [gap(IDS[0])])

    assert openable(desk, IDS[0])


def test_salts_of_one_that_died_before_it_stored_its_gap_are_used(desk: GapDesk) -> None:
    salts = desk.salts_dir / f"{IDS[0]}.salts.jsonl"
    gaps.record(replace(desk, log=None), [gap(IDS[0])])
    before = salts.read_bytes()
    (desk.store.root / layout.gap_key(IDS[0])).unlink()  # type: ignore[attr-defined]

    gaps.record(desk, [gap(IDS[0])])

    assert salts.read_bytes() == before
    assert openable(desk, IDS[0])


def openable(desk: GapDesk, gap_id: str) -> bool:
    """Whether the salts that are kept open every commitment of a stored gap."""
    lines = (desk.salts_dir / f"{gap_id}.salts.jsonl").read_text().splitlines()
    salts = [bytes.fromhex(json.loads(line)["salt"]) for line in lines]
    record = next(it.record for it in gaps.kept(desk.store) if it.record)
    opened = {format_.commitment(url, salt) for url in URLS for salt in salts}
    return record.gap_id == gap_id and set(record.missed[0].urls) <= opened


def test_the_same_again_after_a_crash_completes_what_is_missing(desk: GapDesk) -> None:
    def dies(leaves: Sequence[Leaf], again: bool) -> object:
        raise ServiceUnavailable("the log does not answer")

    with pytest.raises(ServiceUnavailable):
        gaps.record(replace(desk, log=dies), [gap(IDS[0])])
    before = next(desk.store.list("gaps/")).sha256
    salts = (desk.salts_dir / f"{IDS[0]}.salts.jsonl").read_bytes()

    for _ in range(2):
        gaps.record(desk, [gap(IDS[0])])

    assert [it.name for it in logged(desk)] == [IDS[0]]
    assert next(desk.store.list("gaps/")).sha256 == before
    assert (desk.salts_dir / f"{IDS[0]}.salts.jsonl").read_bytes() == salts


def test_what_somebody_left_in_its_place_is_told_and_not_logged(desk: GapDesk) -> None:
    path = desk.store.root / layout.gap_key(IDS[0])  # type: ignore[attr-defined]  # a directory
    path.parent.mkdir(parents=True)
    path.write_bytes(b"{}\n{}\n")

    with pytest.raises(SnapshotterError, match="is not the record of that gap"):
        gaps.record(desk, [gap(IDS[0])])

    assert logged(desk) == []
    (found,) = gaps.kept(desk.store)
    assert (found.record, found.problem != "") == (None, True)
