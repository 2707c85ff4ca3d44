"""Records of gaps: what schedules missed is told, and none of it can be changed or taken away."""

import hashlib
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from snapshotter.formats.bundle import store_keys
from snapshotter.formats.proofs.leaf import GAP, Leaf
from snapshotter.formats.statements import gap
from snapshotter.model.gap import Gap, GapEvent, GapReason, Missed
from snapshotter.seal.signer import FileSigner
from snapshotter.verify.audit.record_checks import describe_gap
from snapshotter.verify.trust import COMPROMISED
from tests import bundles
from tests.audited import Audited, Collection
from tests.unit.verify.audit.cases import FAILED, PASSED, UNCLEAR, Case, Cases, check

_CASES = Cases()
case = _CASES.case
HOUR = timedelta(hours=1)


def _at(hours_ago: int) -> datetime:
    return (datetime.now(UTC) - hours_ago * HOUR).replace(microsecond=0)


def given(*, hours_ago: int = 5, event: GapEvent = GapEvent.MISSED, by: str = "") -> Gap:
    at = _at(hours_ago)
    urls = ("https://example.org/1", "https://example.org/2")
    return Gap(
        gap_id=f"{at:%Y%m%dt%H%M%Sz}-k3v4q2m7xw4c5b6d",
        at=at,
        schedule="case-7",
        event=event,
        reason=GapReason.NO_WORKER if event is GapEvent.MISSED else GapReason.BY_HAND,
        since=at - 12 * HOUR,
        until=at if event is GapEvent.MISSED else None,
        by=by,
        missed=(Missed(slots=(at - 12 * HOUR, at), urls=urls),) if event is GapEvent.MISSED else (),
    )


def encoded(found: Gap, signer: FileSigner) -> bytes:
    urls = {url for missed in found.missed for url in missed.urls}
    return gap.encode(found, gap.disclosures(found, [bytes(32)] * len(urls)), signer)


def put(
    collection: Collection, found: Gap, *, log: bool = True, signer: FileSigner | None = None
) -> tuple[str, bytes]:
    """Put a record into the store, and into the log."""
    data, key = encoded(found, signer or collection.signer), store_keys.gap_key(found.gap_id)
    collection.put(key, data)
    if log:
        collection.append(
            Leaf(kind=GAP, name=found.gap_id, sha256=hashlib.sha256(data).hexdigest())
        )
    return key, data


@case(verdict=PASSED, notes=("gap",))
def gap_that_is_logged(collection: Collection, folder: Path) -> None:
    put(collection, given())


@case(verdict=PASSED, notes=("gap",))
def pause_that_is_logged(collection: Collection, folder: Path) -> None:
    put(collection, given(event=GapEvent.PAUSED, by="anna"))


@case(verdict=PASSED, notes=("gap", "waiting"))
def gap_on_its_way_into_the_log(collection: Collection, folder: Path) -> None:
    put(collection, given(hours_ago=0), log=False)


@case("unlogged?", verdict=UNCLEAR, notes=("gap",))
def gap_that_was_not_logged(collection: Collection, folder: Path) -> None:
    put(collection, given(), log=False)


@case("unlogged?", verdict=UNCLEAR, notes=("gap",))
def gap_of_a_time_to_come(collection: Collection, folder: Path) -> None:
    put(collection, given(hours_ago=-48), log=False)


@case("deleted", verdict=FAILED)
def gap_taken_away(collection: Collection, folder: Path) -> None:
    key, _ = put(collection, given())
    (collection.root / key).unlink()


@case("altered", verdict=FAILED)
def gap_changed(collection: Collection, folder: Path) -> None:
    key, data = put(collection, given())
    collection.put(key, data.replace(b"no-worker", b"no-wonder"))


@case("altered", verdict=FAILED)
def gap_signed_again(collection: Collection, folder: Path) -> None:
    """Another one, signed by our own key, and not the one that was logged."""
    found = given()
    key, _ = put(collection, found)
    collection.put(key, encoded(replace(found, detail="another"), collection.signer))


@case("altered", verdict=FAILED)
def gap_with_a_bad_signature_that_was_not_logged(collection: Collection, folder: Path) -> None:
    key, data = put(collection, given(), log=False)
    collection.put(key, data.replace(b"no-worker", b"no-wonder"))


@case("invalid", verdict=FAILED)
def gap_logged_with_a_bad_signature(collection: Collection, folder: Path) -> None:
    found = given()
    data = encoded(found, collection.signer).replace(b"no-worker", b"no-wonder")
    collection.put(store_keys.gap_key(found.gap_id), data)
    collection.append(Leaf(kind=GAP, name=found.gap_id, sha256=hashlib.sha256(data).hexdigest()))


@case("altered", verdict=FAILED)
def gap_under_the_name_of_another(collection: Collection, folder: Path) -> None:
    _, data = put(collection, given())
    collection.put(store_keys.gap_key(given(hours_ago=6).gap_id), data)


@case("unproven?", verdict=UNCLEAR)
def gap_by_a_stranger(collection: Collection, folder: Path) -> None:
    put(collection, given(), signer=bundles.new_signer())


@case("unproven?", verdict=UNCLEAR)
def gap_by_a_stolen_key(collection: Collection, folder: Path) -> None:
    thief = bundles.new_signer()
    known = bundles.trust_in(thief).keys[0]
    stolen = replace(known, revoked_at=_at(1), revoked_reason=COMPROMISED)
    collection.trust = replace(collection.trust, keys=(*collection.trust.keys, stolen))
    put(collection, given(), signer=thief)


@case("log-broken", verdict=FAILED)
def gap_of_no_day(collection: Collection, folder: Path) -> None:
    collection.append(Leaf(kind=GAP, name="20261399t101500z-k3v4q2m7xw4c5b6d", sha256="0" * 64))


@case(verdict=PASSED, notes=("surplus",))
def something_else_among_gaps(collection: Collection, folder: Path) -> None:
    collection.put("gaps/2026/11/27/notes.txt", b"hello")


@_CASES.parametrized
def test_gaps(spoilt: Case, spoiled: Collection, good: Audited, tmp_path: Path) -> None:
    check(spoilt, spoiled, good, tmp_path)


def test_what_a_record_says_is_told_in_words(spoiled: Collection) -> None:
    def words(found: Gap) -> str:
        return describe_gap(gap.parse(encoded(found, spoiled.signer), found.gap_id))

    found, paused = given(), given(event=GapEvent.PAUSED, by="anna")
    passed = replace(paused, missed=found.missed, until=found.at)

    assert words(found).startswith("case-7: 4 visits of 2 addresses missed, from ")
    assert words(found).endswith(": no-worker")
    assert words(paused).startswith("case-7: paused by anna at ")
    assert words(passed).startswith("case-7: 4 visits left out, paused by anna from ")


def test_without_a_log_a_gap_is_told_and_what_was_changed_is_found(
    spoiled: Collection, tmp_path: Path
) -> None:
    key, data = put(spoiled, given())
    shutil.rmtree(spoiled.root / "log")
    for number in range(len(spoiled.ids)):
        spoiled.path(number, "tlog-proof").unlink()

    found = spoiled.audited(tmp_path / "work.sqlite")
    assert (found.kinds & {"unlogged?", "altered"}, "gap" in found.notes) == (set(), True)

    spoiled.put(key, data[:-2] + b"\n")
    assert "altered" in spoiled.audited(tmp_path / "work.sqlite").kinds
