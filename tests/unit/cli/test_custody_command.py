"""`custody show`: what happened to a bundle, and what of it is broken."""

from pathlib import Path

import pytest

from snapshotter.cli.main import main
from tests.unit.cli.kept import Desk


@pytest.fixture
def desk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Desk:
    return Desk(tmp_path, monkeypatch, capsys)


def events(desk: Desk, name: str = "") -> list[tuple[str, str]]:
    assert desk.run("custody", "show", "--json", name or desk.id) == 0, desk.err
    found = desk.object
    assert (found["holds"], found["problems"]) == (True, [])
    assert found["head"] == found["events"][-1]["head"]
    return [(event["event"], event["by"]) for event in found["events"] if event["sidecar"]]


def test_what_commands_do_to_a_bundle_stands_in_its_chain(desk: Desk) -> None:
    assert desk.run("verify", desk.id) == 11  # nobody knows its key
    assert desk.run("show", desk.id) == 0
    assert desk.run("export", desk.id, "-o", desk.folder / "out") == 0
    assert desk.err == ""

    who = "the archive"
    wanted = [("ingestion", who), ("fixity check", who), ("displaying", who), ("exporting", who)]
    assert events(desk) == wanted
    # An export goes along with the chain up to then.
    assert events(desk, str(desk.folder / "out" / f"{desk.id}.wacz")) == wanted[:3]
    assert desk.run("custody", "show", desk.id) == 0
    assert "ingestion" in desk.out
    assert f"{desk.id}.wacz, by the archive, snapshotter" in desk.out


def test_access_leaves_nothing_where_that_is_switched_off(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SNAPSHOTTER_RECORD_ACCESS", "false")

    assert desk.run("show", desk.id) == 0

    assert [event[0] for event in events(desk)] == ["ingestion"]


def test_a_store_that_can_not_be_written_is_read_and_the_lost_event_told(desk: Desk) -> None:
    blocked = desk.store.root / ".incoming"
    blocked.rmdir()
    blocked.write_text("in the way")

    assert desk.run("export", desk.id, "-o", desk.folder / "out") == 0

    assert "exporting could not be written down" in desk.err
    assert (desk.folder / "out" / f"{desk.id}.wacz").read_bytes() == desk.bytes


def test_what_is_broken_is_named(desk: Desk) -> None:
    assert desk.run("show", desk.id) == 0
    (desk.store.root / f"{desk.key}.custody-0001.jsonl").unlink()

    assert desk.run("custody", "show", "--json", desk.id) == 11

    assert desk.object["problems"] == ["missing: custody-0001.jsonl"]
    assert "the chain does not hold: missing: custody-0001.jsonl" in desk.err
    assert desk.run("verify", desk.id) == 11
    assert "CUSTODY" in desk.out


@pytest.mark.parametrize("name", ["20200101t000000z-abcdefghijklmnop", "no-such-thing"])
def test_a_bundle_that_is_not_there_is_a_sentence(desk: Desk, name: str) -> None:
    assert desk.run("custody", "show", name) == 1
    assert desk.err.startswith("snapshotter: ")
    assert main(["custody", "show"]) == 2
