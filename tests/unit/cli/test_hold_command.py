"""`hold place|lift|list`: several holds on one bundle, each by itself."""

from pathlib import Path

import pytest

from snapshotter.formats.bundle import store_keys
from snapshotter.model.bundle import LockState
from snapshotter.store import directory_locks
from tests.unit.cli.kept import Desk


@pytest.fixture
def desk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Desk:
    return Desk(tmp_path, monkeypatch, capsys)


def place(desk: Desk, name: str, matter: str = "a case") -> int:
    return desk.run(
        "hold", "place", "--json", "--name", name, "--matter", matter, "--reason", "why", desk.id
    )


def lift(desk: Desk, name: str) -> int:
    return desk.run("hold", "lift", "--json", "--name", name, "--reason", "over", desk.id)


def opened(desk: Desk) -> list[str]:
    return [hold["name"] for hold in desk.object["holds"] if hold["open"]]


def flags(desk: Desk) -> set[bool]:
    return {desk.store.lock_state(stored.key).legal_hold for stored in desk.store.list("bundles/")}


def test_holds_are_placed_and_lifted_one_by_one(desk: Desk) -> None:
    assert place(desk, "one") == 0
    assert "WARNING: the store does not enforce holds" in desk.err
    assert (opened(desk), desk.object["changed"], desk.object["enforced"]) == (["one"], True, False)
    assert place(desk, "two") == 0
    assert opened(desk) == ["one", "two"]
    assert flags(desk) == {True}

    assert lift(desk, "one") == 0

    assert opened(desk) == ["two"]
    assert flags(desk) == {True}
    assert lift(desk, "two") == 0
    assert (opened(desk), desk.object["held"]) == ([], False)
    assert desk.store.lock_state(desk.key) == LockState()
    assert desk.run("custody", "show", desk.id) == 0
    assert desk.out.count("a hold was placed") == desk.out.count("a hold was lifted") == 2
    assert "a case" not in desk.out  # the chain outlives an erasure


def test_who_asks_again_places_no_second_hold_and_completes_the_first(desk: Desk) -> None:
    assert place(desk, "one") == 0
    note = desk.store.root / directory_locks.FOLDER / desk.key
    note.unlink()  # a crash between the record and the flag

    assert place(desk, "one") == 0

    assert (opened(desk), desk.object["changed"]) == (["one"], False)
    assert desk.store.lock_state(desk.key).legal_hold
    assert place(desk, "one", "another case") == 1
    assert "give this one another name" in desk.err


def test_who_lifts_again_takes_off_the_flag_that_a_crash_left(desk: Desk) -> None:
    assert place(desk, "one") == 0
    assert lift(desk, "one") == 0
    desk.store.set_legal_hold(desk.key, on=True)

    assert lift(desk, "one") == 0

    assert desk.object["changed"] is False
    assert desk.store.lock_state(desk.key) == LockState()
    assert lift(desk, "never") == 1
    assert "has no hold never" in desk.err


def test_a_missing_record_counts_as_a_hold_and_is_told(desk: Desk) -> None:
    assert place(desk, "one") == 0
    assert lift(desk, "one") == 0
    (desk.store.root / store_keys.sidecar_key(desk.key, "hold-0001.json")).unlink()

    assert desk.run("hold", "list", "--json") == 0

    assert desk.object["held"] is True
    assert "missing: hold-0001.json" in desk.object["problems"]


def test_the_list_names_what_is_held_and_by_what(desk: Desk) -> None:
    assert desk.run("hold", "list") == 0
    assert "is held" in desk.err
    assert place(desk, "one") == 0
    assert desk.run("hold", "list") == 0
    assert desk.out.splitlines()[0] == f"{desk.id}  held"
    assert "one for a case, placed " in desk.out
    assert desk.run("hold", "list", "20200101t000000z-abcdefghijklmnop") == 1


def test_retention_comes_later_and_is_only_extended(desk: Desk) -> None:
    assert desk.run("show", desk.id) == 0
    assert desk.run("store", "retain", "--json", "--days", "30", desk.id) == 0
    assert "whoever can write there can delete all the same" in desk.err
    asked = desk.object
    assert (asked["lock_mode"], asked["enforced"]) == ("GOVERNANCE", False)

    assert desk.run("store", "retain", "--days", "10", desk.id) == 20
    assert desk.run("store", "retain", "--days", "40", "--lock-mode", "COMPLIANCE", desk.id) == 0

    kept = [desk.store.lock_state(stored.key).retention for stored in desk.store.list("bundles/")]
    assert {retention.mode for retention in kept if retention} == {"COMPLIANCE"}
    assert None not in kept  # what came last shares the lock of the bundle


@pytest.mark.parametrize("name", ["", "UPPER", "a/b"])
def test_a_name_that_is_none_is_a_usage_error(desk: Desk, name: str) -> None:
    assert place(desk, name) == 2
    assert desk.kinds == ["", ".custody-0001.jsonl"]
