"""`custody show`: what happened to a bundle, and what of it is broken."""

from hashlib import sha256
from pathlib import Path

import pytest

from snapshotter.cli.main import main
from tests.unit.cli.bundle_shell import BundleShell


def events(shell: BundleShell, name: str = "") -> list[tuple[str, str]]:
    assert shell.run("custody", "show", "--json", name or shell.id) == 0, shell.err
    found = shell.object
    assert (found["holds"], found["problems"]) == (True, [])
    assert found["head"] == found["events"][-1]["head"]
    return [(event["event"], event["by"]) for event in found["events"] if event["sidecar"]]


def test_what_commands_do_to_a_bundle_stands_in_its_chain(shell: BundleShell) -> None:
    assert shell.run("verify", shell.id) == 11  # nobody knows its key
    assert shell.run("show", shell.id) == 0, shell.err
    assert shell.run("export", shell.id, "-o", shell.folder / "out") == 0
    assert shell.err == ""

    who = "the archive"
    wanted = [("ingestion", who), ("fixity check", who), ("displaying", who), ("exporting", who)]
    assert events(shell) == wanted
    # An export goes along with the chain up to then.
    assert events(shell, str(shell.folder / "out" / f"{shell.id}.wacz")) == wanted[:3]
    assert shell.run("custody", "show", shell.id) == 0
    assert "ingestion" in shell.out
    assert f"{shell.id}.wacz, by the archive, snapshotter" in shell.out


def test_an_export_states_what_left_the_store(shell: BundleShell) -> None:
    """A bundle, a redacted copy, and another copy that shows more are different hand-overs."""
    copy, more = f"out/{shell.id}.redacted.wacz", "more/copy.wacz"
    har = f"out/{shell.id}.har"
    for arguments in (
        ("export", shell.id, "-o", "out"),
        ("export", "--redact", "title", shell.id, "-o", "out"),
        ("disclose", copy, "/what/title", "-o", more),
        ("export", "--har", shell.id, "-o", "out"),
    ):
        assert shell.run(*arguments) == 0, shell.err

    assert shell.run("custody", "show", "--json", shell.id) == 0
    said = [event["detail"] for event in shell.object["events"] if event["event"] == "exporting"]

    digests = {file: sha256(Path(file).read_bytes()).hexdigest() for file in (copy, more, har)}
    assert len(set(digests.values())) == 3
    assert said == [
        "bundle with its sidecars",
        f"redacted copy, SHA-256 {digests[copy]}",
        f"redacted copy, SHA-256 {digests[more]}",
        f"HTTP archive, SHA-256 {digests[har]}",
    ]


def test_access_leaves_nothing_where_that_is_switched_off(
    shell: BundleShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SNAPSHOTTER_RECORD_ACCESS", "false")

    assert shell.run("show", shell.id) == 0

    assert [event[0] for event in events(shell)] == ["ingestion"]


def test_a_store_that_can_not_be_written_is_read_and_the_lost_event_told(
    shell: BundleShell,
) -> None:
    blocked = shell.store.root / ".incoming"
    blocked.rmdir()
    blocked.write_text("in the way")

    assert shell.run("export", shell.id, "-o", shell.folder / "out") == 0

    assert "exporting could not be recorded" in shell.err
    assert (shell.folder / "out" / f"{shell.id}.wacz").read_bytes() == shell.bytes


def test_what_is_broken_is_named(shell: BundleShell) -> None:
    assert shell.run("show", shell.id) == 0
    (shell.store.root / f"{shell.key}.custody-0001.jsonl").unlink()

    assert shell.run("custody", "show", "--json", shell.id) == 11

    assert shell.object["problems"] == ["custody sidecars are missing: custody-0001.jsonl"]
    assert (
        "the custody chain is broken: custody sidecars are missing: custody-0001.jsonl" in shell.err
    )
    assert shell.run("verify", shell.id) == 11
    assert "  ?    custody    " in shell.out


@pytest.mark.parametrize("name", ["20200101t000000z-abcdefghijklmnop", "no-such-thing"])
def test_a_bundle_that_is_not_there_is_a_sentence(shell: BundleShell, name: str) -> None:
    assert shell.run("custody", "show", name) == 1
    assert shell.err.startswith("snapshotter: ")
    assert main(["custody", "show"]) == 2
