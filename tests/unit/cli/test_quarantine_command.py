"""`quarantine` and `release`: a capture that is neither shown nor copied, and stays evidence."""

from pathlib import Path

import pytest

from snapshotter.formats.bundle import store_keys
from snapshotter.formats.proofs import log_state
from snapshotter.store.filesystem import DirectoryStore
from tests.unit.cli.bundle_shell import BundleShell


@pytest.fixture
def hidden(shell: BundleShell) -> BundleShell:
    """A store with a log, whose capture is in quarantine."""
    assert shell.run("log", "sync", shell.id) == 0, shell.err
    assert shell.run("quarantine", "--reason", "may show a child", shell.id) == 0, shell.err
    return shell


def audited(shell: BundleShell, store: str) -> dict[str, str]:
    """Return the severity of each kind of finding of an audit."""
    shell.run("audit", "--store", store, "--recheck-after", "0", "--no-report", "--json")
    return {
        found["code"]: found["severity"] for found in shell.objects if found["type"] == "finding"
    }


def test_a_capture_in_quarantine_is_not_shown_and_its_evidence_stays(hidden: BundleShell) -> None:
    assert hidden.run("list") == 0
    assert hidden.id not in hidden.out
    assert "captures in quarantine that are not listed: 1" in hidden.err
    assert hidden.run("list", "--identity", "http://example.test/page") == 0
    assert (hidden.out, "matches these options" in hidden.err) == ("", True)
    for command in (
        ("open", "--print", hidden.id),
        ("export", "-o", hidden.folder / "out", hidden.id),
        ("export", "--masked", "-o", hidden.folder / "out", hidden.id),
        ("export", "--har", "-o", hidden.folder / "out", hidden.id),
        ("quote", hidden.id, "words"),
        ("diff", hidden.id, hidden.id),
    ):
        assert hidden.run(*command) == 20
        assert "is in quarantine: may show a child" in hidden.err
    assert not (hidden.folder / "out").exists()
    for options in ((), ("--all",)):
        hidden.run("show", *options, hidden.id)
        assert "may show a child" in hidden.out.splitlines()[0]
    hidden.run("show", "--json", hidden.id)
    assert hidden.object["quarantine"] == "may show a child"
    assert hidden.run("quarantine", "--json") == 0
    assert (hidden.object["bundle_id"], hidden.object["by"]) == (hidden.id, "the archive")

    stored = Path(hidden.store.url, hidden.key)
    assert stored.read_bytes() == hidden.bytes
    assert "surplus" not in audited(hidden, "captures")  # the notice belongs to the bundle
    assert hidden.run("case", "check") == 0


def test_a_released_capture_is_shown_again(hidden: BundleShell) -> None:
    assert hidden.run("release", "--reason", "a drawing", hidden.id) == 0

    assert hidden.run("list") == 0
    assert hidden.id in hidden.out
    assert hidden.run("release", "--json", "--reason", "again", hidden.id) == 0
    assert hidden.object["changed"] is False
    assert [kind for kind in hidden.kinds if "quarantine" in kind] == [
        ".quarantine-0001.json", ".quarantine-0002.json",
    ]  # fmt: skip


def test_a_capture_that_a_damaged_notice_hides_can_be_released(shell: BundleShell) -> None:
    stray = Path(shell.store.url, f"{shell.key}.quarantine-0001.json")
    stray.write_bytes(b"{}")
    shell.run("list")
    assert shell.id not in shell.out

    assert shell.run("release", "--json", "--reason", "not by us", shell.id) == 0, shell.err

    assert shell.object["changed"] is True
    shell.run("list")
    assert shell.id in shell.out


def test_a_quarantine_needs_a_reason_and_a_capture(shell: BundleShell) -> None:
    assert shell.run("quarantine", shell.id) == 2
    assert shell.run("quarantine", "--reason", "x", "20200101t000000z-aaaaaaaaaaaaaaaa") == 1
    assert shell.run("quarantine") == 0
    assert "no capture in" in shell.err
    assert not [kind for kind in shell.kinds if "quarantine" in kind]


def test_a_replica_gets_the_notice_and_its_audit_says_quarantined(hidden: BundleShell) -> None:
    replica = DirectoryStore(hidden.folder / "replica")
    assert hidden.run("store", "replicate", "replica") == 0, hidden.out
    assert "in quarantine: 1" in hidden.out
    key = store_keys.bundle_key(hidden.id)
    kinds = {found.key.removeprefix(key) for found in replica.list("bundles/")}
    assert ".quarantine-0001.json" in kinds
    assert "" not in kinds

    found = audited(hidden, "replica")
    assert found["quarantined"] == "indeterminate"
    assert "deleted" not in found
    assert hidden.run("store", "repair", "--from", "captures", "--store", "replica") == 0
    assert not Path(replica.url, key).exists()

    notice = Path(replica.url, f"{key}.quarantine-0001.json")
    data = notice.read_bytes()
    notice.unlink()
    assert audited(hidden, "replica")["deleted"] == "failed"
    notice.write_bytes(data)

    assert hidden.run("release", "--reason", "a drawing", hidden.id) == 0
    assert hidden.run("store", "replicate", "replica") == 0, hidden.out
    assert Path(replica.url, key).read_bytes() == hidden.bytes
    assert not {"quarantined", "deleted", "custody-broken"} & set(audited(hidden, "replica"))


def test_a_notice_that_the_log_does_not_name_explains_nothing(shell: BundleShell) -> None:
    # Who deletes a bundle can sign a notice, and cannot put it into the log.
    assert shell.run("log", "sync", shell.id) == 0
    assert shell.run("store", "replicate", "replica") == 0
    copy = "replica"
    Path(copy, log_state.MIRROR).unlink()
    assert shell.run("quarantine", "--store", copy, "--reason", "x", shell.id) == 0
    Path(copy, store_keys.bundle_key(shell.id)).unlink()

    found = audited(shell, copy)

    assert found["deleted"] == "failed"
    assert "quarantined" not in found


def test_an_exhibit_in_quarantine_is_named_and_not_missing(hidden: BundleShell) -> None:
    assert hidden.run("case", "create", "harbour") == 0
    assert hidden.run("case", "add", "harbour", hidden.id) == 0
    assert hidden.run("store", "replicate", "replica") == 0

    assert hidden.run("case", "show", "--json", "harbour") == 0
    assert hidden.object["exhibits"] == []
    (left_out,) = hidden.object["quarantined"]
    assert (left_out["bundle_id"], left_out["reason"]) == (hidden.id, "may show a child")
    assert hidden.run("case", "check") == 0
    assert hidden.run("case", "check", "--store", "replica", "--json") == 11
    assert [found["code"] for found in hidden.object["findings"]] == ["capture-quarantined"]


def test_annotations_go_with_the_store_and_an_erased_text_is_reported(hidden: BundleShell) -> None:
    assert hidden.run("note", "add", hidden.id, "names a minor") == 0
    assert hidden.run("store", "replicate", "replica") == 0
    assert hidden.run("case", "check", "--store", "replica") == 0, hidden.out
    assert hidden.run("note", "list", "--store", "replica", hidden.id) == 0
    assert "names a minor" in hidden.out

    erase = ("erase", "--order", "12 O 345/26", "--reason", "by order", "--yes", "--note", 2)
    assert hidden.run(*erase) == 0
    assert hidden.run("store", "replicate", "replica") == 1
    assert "snapshotter erase --store" in hidden.out
    assert hidden.run(*erase, "--store", "replica") == 0
    assert hidden.run("store", "replicate", "replica") == 0, hidden.out
