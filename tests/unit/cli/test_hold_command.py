"""`hold place|lift|list`: several holds on one bundle, each by itself."""

import pytest

from snapshotter.formats.bundle import store_keys
from snapshotter.model.bundle import LockState
from snapshotter.store import directory_locks
from tests.unit.cli.bundle_shell import BundleShell


def place(shell: BundleShell, name: str, matter: str = "a case") -> int:
    return shell.run(
        "hold", "place", "--json", "--name", name, "--matter", matter, "--reason", "why", shell.id
    )


def lift(shell: BundleShell, name: str) -> int:
    return shell.run("hold", "lift", "--json", "--name", name, "--reason", "over", shell.id)


def opened(shell: BundleShell) -> list[str]:
    return [hold["name"] for hold in shell.object["holds"] if hold["open"]]


def flags(shell: BundleShell) -> set[bool]:
    return {
        shell.store.lock_state(stored.key).legal_hold for stored in shell.store.list("bundles/")
    }


def test_holds_are_placed_and_lifted_one_by_one(shell: BundleShell) -> None:
    assert place(shell, "one") == 0
    assert (
        "WARNING: the store does not enforce legal holds. snapshotter does not erase "
        f"{shell.id}, but anybody who can write to the store can delete this bundle\n"
    ) in shell.err
    assert (opened(shell), shell.object["changed"], shell.object["enforced"]) == (
        ["one"],
        True,
        False,
    )
    assert place(shell, "two") == 0
    assert opened(shell) == ["one", "two"]
    assert flags(shell) == {True}

    assert lift(shell, "one") == 0

    assert opened(shell) == ["two"]
    assert flags(shell) == {True}
    assert lift(shell, "two") == 0
    assert (opened(shell), shell.object["held"]) == ([], False)
    assert shell.store.lock_state(shell.key) == LockState()
    assert shell.run("custody", "show", shell.id) == 0
    assert shell.out.count("a hold was placed") == shell.out.count("a hold was lifted") == 2
    assert "a case" not in shell.out  # the chain outlives an erasure


def test_who_asks_again_places_no_second_hold_and_completes_the_first(shell: BundleShell) -> None:
    assert place(shell, "one") == 0
    note = shell.store.root / directory_locks.FOLDER / shell.key
    note.unlink()  # a crash between the record and the flag

    assert place(shell, "one") == 0

    assert (opened(shell), shell.object["changed"]) == (["one"], False)
    assert shell.store.lock_state(shell.key).legal_hold
    assert place(shell, "one", "another case") == 1
    assert "give the new hold another name" in shell.err


def test_who_lifts_again_takes_off_the_flag_that_a_crash_left(shell: BundleShell) -> None:
    assert place(shell, "one") == 0
    assert lift(shell, "one") == 0
    shell.store.set_legal_hold(shell.key, on=True)

    assert lift(shell, "one") == 0

    assert shell.object["changed"] is False
    assert shell.store.lock_state(shell.key) == LockState()
    assert lift(shell, "never") == 1
    assert "has no legal hold with the name never" in shell.err


def test_a_missing_record_counts_as_a_hold_and_is_told(shell: BundleShell) -> None:
    assert place(shell, "one") == 0
    assert lift(shell, "one") == 0
    (shell.store.root / store_keys.sidecar_key(shell.key, "hold-0001.json")).unlink()

    assert shell.run("hold", "list", "--json") == 0

    assert shell.object["held"] is True
    assert "missing: hold-0001.json" in shell.object["problems"]


def test_the_list_names_what_is_held_and_by_what(shell: BundleShell) -> None:
    assert shell.run("hold", "list") == 0
    assert "is under a legal hold" in shell.err
    assert place(shell, "one") == 0
    assert shell.run("hold", "list") == 0
    assert shell.out.splitlines()[0] == f"{shell.id}  held"
    assert "one for a case, placed " in shell.out
    assert shell.run("hold", "list", "20200101t000000z-abcdefghijklmnop") == 1


def test_retention_comes_later_and_is_only_extended(shell: BundleShell) -> None:
    assert shell.run("show", shell.id) == 0
    assert shell.run("store", "retain", "--json", "--days", "30", shell.id) == 0
    assert "anybody who can write to the directory can delete the bundles" in shell.err
    asked = shell.object
    assert (asked["lock_mode"], asked["enforced"]) == ("GOVERNANCE", False)

    assert shell.run("store", "retain", "--days", "10", shell.id) == 20
    assert shell.run("store", "retain", "--days", "40", "--lock-mode", "COMPLIANCE", shell.id) == 0

    kept = [shell.store.lock_state(stored.key).retention for stored in shell.store.list("bundles/")]
    assert {retention.mode for retention in kept if retention} == {"COMPLIANCE"}
    assert None not in kept  # what came last shares the lock of the bundle


@pytest.mark.parametrize("name", ["", "UPPER", "a/b"])
def test_a_name_that_is_none_is_a_usage_error(shell: BundleShell, name: str) -> None:
    assert place(shell, name) == 2
    assert shell.kinds == ["", ".custody-0001.jsonl"]
