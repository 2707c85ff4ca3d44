"""Records of gaps: what schedules missed is told, and none of it can be changed or taken away."""

import hashlib
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from snapshotter.formats import gap, layout
from snapshotter.formats.leaf import GAP, Leaf
from snapshotter.model.gap import Gap, GapEvent, GapReason, Missed
from snapshotter.seal.signer import FileSigner
from snapshotter.verify.audit.statements import in_words
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
    urls = {url for it in found.missed for url in it.urls}
    return gap.encode(found, gap.disclosures(found, [bytes(32)] * len(urls)), signer)


def put(
    it: Collection, found: Gap, *, log: bool = True, signer: FileSigner | None = None
) -> tuple[str, bytes]:
    """Put a record into the store, and into the log."""
    data, key = encoded(found, signer or it.signer), layout.gap_key(found.gap_id)
    it.put(key, data)
    if log:
        it.append(Leaf(kind=GAP, name=found.gap_id, sha256=hashlib.sha256(data).hexdigest()))
    return key, data


@case(verdict=PASSED, notes=("gap",))
def gap_that_is_logged(it: Collection, folder: Path) -> None:
    put(it, given())


@case(verdict=PASSED, notes=("gap",))
def pause_that_is_logged(it: Collection, folder: Path) -> None:
    put(it, given(event=GapEvent.PAUSED, by="anna"))


@case(verdict=PASSED, notes=("gap", "waiting"))
def gap_on_its_way_into_the_log(it: Collection, folder: Path) -> None:
    put(it, given(hours_ago=0), log=False)


@case("unlogged?", verdict=UNCLEAR, notes=("gap",))
def gap_that_was_not_logged(it: Collection, folder: Path) -> None:
    put(it, given(), log=False)


@case("unlogged?", verdict=UNCLEAR, notes=("gap",))
def gap_of_a_time_to_come(it: Collection, folder: Path) -> None:
    put(it, given(hours_ago=-48), log=False)


@case("deleted", verdict=FAILED)
def gap_taken_away(it: Collection, folder: Path) -> None:
    key, _ = put(it, given())
    (it.root / key).unlink()


@case("altered", verdict=FAILED)
def gap_changed(it: Collection, folder: Path) -> None:
    key, data = put(it, given())
    it.put(key, data.replace(b"no-worker", b"no-wonder"))


@case("altered", verdict=FAILED)
def gap_signed_again(it: Collection, folder: Path) -> None:
    """Another one, signed by our own key, and not the one that was logged."""
    found = given()
    key, _ = put(it, found)
    it.put(key, encoded(replace(found, detail="another"), it.signer))


@case("altered", verdict=FAILED)
def gap_with_a_bad_signature_that_was_not_logged(it: Collection, folder: Path) -> None:
    key, data = put(it, given(), log=False)
    it.put(key, data.replace(b"no-worker", b"no-wonder"))


@case("invalid", verdict=FAILED)
def gap_logged_with_a_bad_signature(it: Collection, folder: Path) -> None:
    found = given()
    data = encoded(found, it.signer).replace(b"no-worker", b"no-wonder")
    it.put(layout.gap_key(found.gap_id), data)
    it.append(Leaf(kind=GAP, name=found.gap_id, sha256=hashlib.sha256(data).hexdigest()))


@case("altered", verdict=FAILED)
def gap_under_the_name_of_another(it: Collection, folder: Path) -> None:
    _, data = put(it, given())
    it.put(layout.gap_key(given(hours_ago=6).gap_id), data)


@case("unproven?", verdict=UNCLEAR)
def gap_by_a_stranger(it: Collection, folder: Path) -> None:
    put(it, given(), signer=bundles.new_signer())


@case("unproven?", verdict=UNCLEAR)
def gap_by_a_stolen_key(it: Collection, folder: Path) -> None:
    thief = bundles.new_signer()
    known = bundles.trust_in(thief).keys[0]
    stolen = replace(known, revoked_at=_at(1), revoked_reason=COMPROMISED)
    it.trust = replace(it.trust, keys=(*it.trust.keys, stolen))
    put(it, given(), signer=thief)


@case("log-broken", verdict=FAILED)
def gap_of_no_day(it: Collection, folder: Path) -> None:
    it.append(Leaf(kind=GAP, name="20261399t101500z-k3v4q2m7xw4c5b6d", sha256="0" * 64))


@case(verdict=PASSED, notes=("surplus",))
def something_else_among_gaps(it: Collection, folder: Path) -> None:
    it.put("gaps/2026/11/27/notes.txt", b"hello")


@_CASES.parametrized
def test_gaps(spoilt: Case, spoiled: Collection, good: Audited, tmp_path: Path) -> None:
    check(spoilt, spoiled, good, tmp_path)


def test_what_a_record_says_is_told_in_words(spoiled: Collection) -> None:
    def words(found: Gap) -> str:
        return in_words(gap.parse(encoded(found, spoiled.signer), found.gap_id))

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
