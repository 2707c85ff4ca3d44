"""`store replicate`, `store repair` and `erase`, as a person uses them."""

import json

from snapshotter.formats.statements import tombstone
from tests.unit.cli.bundle_shell import BundleShell

ORDER = ("--order", "12 O 345/26", "--reason", "names a minor", "--yes")


def test_a_copy_is_made_kept_in_step_and_repairs_the_first(shell: BundleShell) -> None:
    assert shell.run("store", "replicate", "--dry-run", "copy") == 1
    assert "not copied yet: 1 " in shell.out
    assert not (shell.folder / "copy").exists()

    assert shell.run("store", "replicate", "--json", "copy") == 0
    each, whole = map(json.loads, shell.out.splitlines())
    assert (each["state"], whole["copied"], whole["in_step"]) == ("copied", 1, True)
    assert shell.run("verify", "--store", "copy", shell.id) == 11
    assert shell.run("custody", "show", "--store", "copy", shell.id) == 0
    assert "replication" in shell.out

    (shell.store.root / shell.key).unlink()
    assert shell.run("store", "repair", "--from", "copy", "--dry-run") == 1
    assert "missing  the source has an intact copy" in shell.out
    assert shell.run("store", "repair", "--from", "copy") == 0
    assert (shell.store.root / shell.key).read_bytes() == shell.bytes
    assert shell.run("store", "repair", "--json", "--from", "copy") == 0
    assert shell.object == {"bundles": 1, "erased": 0, "left": 0, "repaired": 0}


def test_a_store_is_no_copy_of_itself(shell: BundleShell) -> None:
    assert shell.run("store", "replicate", "captures") == 2
    assert shell.run("store", "repair", "--from", "captures") == 2


def test_an_erased_bundle_stays_erased(shell: BundleShell) -> None:
    assert shell.run("store", "replicate", "copy") == 0
    assert shell.run("erase", "--json", *ORDER, shell.id) == 0
    done = shell.object
    assert (done["order"], done["logged"]) == ("12 O 345/26", False)
    assert "has no log" in shell.err
    assert shell.kinds == [".custody-0001.jsonl", ".custody-0002.jsonl", ".custody-0003.jsonl",
                          f".{tombstone.KIND}"]  # fmt: skip

    assert shell.run("store", "add", shell.file) == 20
    assert "was erased on " in shell.err
    assert shell.run("store", "repair", "--from", "copy") == 0
    assert shell.run("store", "replicate", "--store", "copy", "captures") == 1
    assert "snapshotter erase --store" in shell.out
    assert shell.run("show", shell.id) == 1
    assert "was erased on " in shell.err
    assert shell.run("list", "--json") == 0
    assert shell.object["erased"]["order"] == "12 O 345/26"
    assert shell.run("list") == 0
    assert " by order: 12 O 345/26" in shell.out
    assert shell.run("custody", "show", shell.id) == 0
    assert "deletion" in shell.out
    # Again is no error, and erases nothing more.
    assert shell.run("erase", "--json", *ORDER, shell.id) == 0
    assert shell.object["objects"] == 0


def test_what_is_held_is_refused_and_of_several_none_is_erased(shell: BundleShell) -> None:
    assert shell.run("hold", "place", "--name", "a", "--reason", "r", shell.id) == 0

    assert shell.run("erase", *ORDER, shell.id) == 20

    assert "is under legal hold: a" in shell.err
    assert (shell.store.root / shell.key).read_bytes() == shell.bytes
    assert shell.run("list", "--json") == 0
    assert shell.object["held"] is True
    assert shell.run("list") == 0
    assert "legal hold" in shell.out


def test_nothing_is_erased_without_being_asked_or_told(shell: BundleShell) -> None:
    assert shell.run("erase", *ORDER[:4], shell.id) == 1
    assert "nothing was erased" in shell.err
    assert shell.run("erase", "--reason", "r", "--yes", shell.id) == 2
    assert shell.run("erase", *ORDER, "20200101t000000z-abcdefghijklmnop") == 1
    assert (shell.store.root / shell.key).read_bytes() == shell.bytes
