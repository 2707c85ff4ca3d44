"""`store replicate`, `store repair` and `erase`, as a person uses them."""

import json
from pathlib import Path

import pytest

from snapshotter.formats.statements import tombstone
from tests.unit.cli.kept import Desk

ORDER = ("--order", "12 O 345/26", "--reason", "names a minor", "--yes")


@pytest.fixture
def desk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Desk:
    return Desk(tmp_path, monkeypatch, capsys)


def test_a_copy_is_made_kept_in_step_and_repairs_the_first(desk: Desk) -> None:
    assert desk.run("store", "replicate", "--dry-run", "copy") == 1
    assert "1 lag behind" in desk.out
    assert not (desk.folder / "copy").exists()

    assert desk.run("store", "replicate", "--json", "copy") == 0
    each, whole = map(json.loads, desk.out.splitlines())
    assert (each["state"], whole["copied"], whole["in_step"]) == ("copied", 1, True)
    assert desk.run("verify", "--store", "copy", desk.id) == 11
    assert desk.run("custody", "show", "--store", "copy", desk.id) == 0
    assert "replication" in desk.out

    (desk.store.root / desk.key).unlink()
    assert desk.run("store", "repair", "--from", "copy", "--dry-run") == 1
    assert "missing  the source has it" in desk.out
    assert desk.run("store", "repair", "--from", "copy") == 0
    assert (desk.store.root / desk.key).read_bytes() == desk.bytes
    assert desk.run("store", "repair", "--json", "--from", "copy") == 0
    assert desk.object == {"bundles": 1, "erased": 0, "left": 0, "repaired": 0}


def test_a_store_is_no_copy_of_itself(desk: Desk) -> None:
    assert desk.run("store", "replicate", "captures") == 2
    assert desk.run("store", "repair", "--from", "captures") == 2


def test_an_erased_bundle_stays_erased(desk: Desk) -> None:
    assert desk.run("store", "replicate", "copy") == 0
    assert desk.run("erase", "--json", *ORDER, desk.id) == 0
    done = desk.object
    assert (done["order"], done["logged"]) == ("12 O 345/26", False)
    assert "has no log" in desk.err
    assert desk.kinds == [".custody-0001.jsonl", ".custody-0002.jsonl", ".custody-0003.jsonl",
                          f".{tombstone.KIND}"]  # fmt: skip

    assert desk.run("store", "add", desk.file) == 20
    assert "was erased on " in desk.err
    assert desk.run("store", "repair", "--from", "copy") == 0
    assert desk.run("store", "replicate", "--store", "copy", "captures") == 1
    assert "snapshotter erase --store" in desk.out
    assert desk.run("show", desk.id) == 1
    assert "was erased on " in desk.err
    assert desk.run("list", "--json") == 0
    assert desk.object["erased"]["order"] == "12 O 345/26"
    assert desk.run("list") == 0
    assert "erased by order" in desk.out
    assert desk.run("custody", "show", desk.id) == 0
    assert "deletion" in desk.out
    # Again is no error, and erases nothing more.
    assert desk.run("erase", "--json", *ORDER, desk.id) == 0
    assert desk.object["objects"] == 0


def test_what_is_held_is_refused_and_of_several_none_is_erased(desk: Desk) -> None:
    assert desk.run("hold", "place", "--name", "a", "--reason", "r", desk.id) == 0

    assert desk.run("erase", *ORDER, desk.id) == 20

    assert "is held: a" in desk.err
    assert (desk.store.root / desk.key).read_bytes() == desk.bytes
    assert desk.run("list", "--json") == 0
    assert desk.object["held"] is True
    assert desk.run("list") == 0
    assert "held" in desk.out


def test_nothing_is_erased_without_being_asked_or_told(desk: Desk) -> None:
    assert desk.run("erase", *ORDER[:4], desk.id) == 1
    assert "nothing was erased" in desk.err
    assert desk.run("erase", "--reason", "r", "--yes", desk.id) == 2
    assert desk.run("erase", *ORDER, "20200101t000000z-abcdefghijklmnop") == 1
    assert (desk.store.root / desk.key).read_bytes() == desk.bytes
