"""Records of take-downs: none can be changed or taken away."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from snapshotter.assess.takedown_events import event_id
from snapshotter.formats.bundle import store_keys
from snapshotter.formats.proofs.leaf import TAKEDOWN, Leaf
from snapshotter.formats.statements import takedown
from snapshotter.model.takedown import Takedown
from snapshotter.seal.signer import FileSigner
from tests import bundles
from tests.audited import Audited, Collection
from tests.unit.formats.statements import test_takedown as events
from tests.unit.verify.audit.cases import FAILED, PASSED, UNCLEAR, Case, Cases, check

_CASES = Cases()
case = _CASES.case


def given(*, hours_ago: int = 5) -> Takedown:
    """Return an event that was concluded so long ago."""
    at = (datetime.now(UTC) - timedelta(hours=hours_ago)).replace(microsecond=0)
    ends = [
        replace(observation, at=at - timedelta(minutes=back), began_at=at - timedelta(minutes=back))
        for observation, back in (
            (events.seen(30), 40),
            (events.gone(60), 10),
            (events.gone(70), 0),
        )
    ]
    made = replace(
        events.event(), at=at, last_seen=ends[0], first_gone=ends[1], confirmations=(ends[2],)
    )
    return replace(made, event_id=event_id(made))


def put(
    collection: Collection, event: Takedown, *, log: bool = True, signer: FileSigner | None = None
) -> tuple[str, bytes]:
    """Put a record into the store, and into the log."""
    data, key = (
        takedown.encode(event, signer or collection.signer),
        store_keys.takedown_key(event.event_id),
    )
    collection.put(key, data)
    if log:
        collection.append(
            Leaf(kind=TAKEDOWN, name=event.event_id, sha256=hashlib.sha256(data).hexdigest())
        )
    return key, data


@case(verdict=PASSED, notes=("takedown",))
def takedown_that_is_logged(collection: Collection, folder: Path) -> None:
    put(collection, given())


@case(verdict=PASSED, notes=("takedown", "waiting"))
def takedown_on_its_way_into_the_log(collection: Collection, folder: Path) -> None:
    put(collection, given(hours_ago=0), log=False)


@case("unlogged?", verdict=UNCLEAR, notes=("takedown",))
def takedown_that_was_not_logged(collection: Collection, folder: Path) -> None:
    put(collection, given(), log=False)


@case("deleted", verdict=FAILED)
def takedown_taken_away(collection: Collection, folder: Path) -> None:
    key, _ = put(collection, given())
    (collection.root / key).unlink()


@case("altered", verdict=FAILED)
def takedown_with_one_byte_changed(collection: Collection, folder: Path) -> None:
    key, data = put(collection, given())
    collection.put(key, bundles.flipped(data))


@case("altered", verdict=FAILED)
def takedown_signed_again(collection: Collection, folder: Path) -> None:
    """By our own key, of the same captures, and not the one that was logged."""
    event = given()
    key, _ = put(collection, event)
    collection.put(key, takedown.encode(replace(event, previous="0" * 64), collection.signer))


@case("altered", verdict=FAILED)
def takedown_under_the_name_of_another(collection: Collection, folder: Path) -> None:
    _, data = put(collection, given())
    collection.put(store_keys.takedown_key(given(hours_ago=6).event_id), data)


@case(verdict=PASSED, notes=("takedown",))
def takedown_that_follows_another(collection: Collection, folder: Path) -> None:
    event = given(hours_ago=9)
    _, data = put(collection, event)
    put(collection, replace(given(), previous=hashlib.sha256(data).hexdigest()))


@case("events-forked?", verdict=UNCLEAR, notes=("takedown",))
def takedown_begun_twice_from_different_captures(collection: Collection, folder: Path) -> None:
    """As two machines do that do not have each other's captures."""
    put(collection, given(hours_ago=9))
    put(collection, given())


@case("events-forked?", verdict=UNCLEAR, notes=("takedown",))
def takedown_that_two_others_follow(collection: Collection, folder: Path) -> None:
    _, data = put(collection, given(hours_ago=9))
    for hours_ago in (6, 7):
        put(
            collection,
            replace(given(hours_ago=hours_ago), previous=hashlib.sha256(data).hexdigest()),
        )


@case("unproven?", verdict=UNCLEAR, notes=("takedown",))
def takedown_begun_by_a_stranger_as_well(collection: Collection, folder: Path) -> None:
    """Else anybody could make a chain look like two."""
    put(collection, given(hours_ago=9))
    put(collection, given(), signer=bundles.new_signer())


@case("unproven?", verdict=UNCLEAR)
def takedown_by_a_stranger(collection: Collection, folder: Path) -> None:
    put(collection, given(), signer=bundles.new_signer())


@case(verdict=PASSED, notes=("surplus",))
def something_else_among_takedowns(collection: Collection, folder: Path) -> None:
    collection.put("takedowns/notes.txt", b"not ours")


@_CASES.parametrized
def test_takedowns(spoilt: Case, spoiled: Collection, good: Audited, tmp_path: Path) -> None:
    check(spoilt, spoiled, good, tmp_path)
