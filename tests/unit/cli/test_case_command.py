"""`case`, `tag`, `note`, `mark`, `review` and `erase --note`: what people record about captures."""

import contextlib
import json
import shutil
import sqlite3
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

import pytest

from snapshotter.formats.bundle import store_keys
from snapshotter.store.filesystem import DirectoryStore
from tests import bundles
from tests.bundles import RealClock
from tests.fakes.world import FixedClock
from tests.unit.cli.bundle_shell import BundleShell


@pytest.fixture
def other(shell: BundleShell) -> str:
    """The id of a second capture in the same store."""
    clock = FixedClock(RealClock().now() - timedelta(hours=1))
    made = bundles.seal(shell.folder / "spool2", signer=bundles.new_signer(), clock=clock)
    assert shell.run("store", "add", str(made.file)) == 0, shell.err
    return made.id


def _objects(shell: BundleShell) -> dict[str, bytes]:
    return {
        found.key: Path(shell.store.url, found.key).read_bytes()
        for found in shell.store.list("bundles/")
    }


def exhibits(shell: BundleShell) -> dict[str, int]:
    assert shell.run("case", "show", "--json", "harbour") == 0, shell.err
    return {found["bundle_id"]: found["exhibit"] for found in shell.object["exhibits"]}


def test_an_exhibit_that_was_erased_by_order_is_no_missing_one(shell: BundleShell) -> None:
    assert shell.run("case", "create", "harbour") == 0
    assert shell.run("case", "add", "harbour", shell.id) == 0
    assert shell.run("erase", "--order", "O-1", "--reason", "court", "--yes", shell.id) == 0

    assert shell.run("case", "check") == 11, shell.out
    assert "exhibit 1 of the case harbour was erased by the order O-1" in shell.out
    assert shell.run("case", "show", "harbour") == 0
    assert "the capture was erased by the order O-1" in shell.out

    (stone,) = Path(shell.store.url).rglob("*.tombstone.json")
    stone.unlink()
    assert shell.run("case", "check") == 10


def test_a_record_of_another_store_is_named_wherever_annotations_are_shown(
    shell: BundleShell,
) -> None:
    assert shell.run("note", "add", shell.id, "the page was there") == 0
    other = ("--store", shell.folder / "other")
    assert shell.run("case", "create", "harbour", "--title", "x", *other) == 0
    assert shell.run("erase", "--note", "1", "--order", "O", "--reason", "R", "--yes", *other) == 0
    key = store_keys.annotation_key(2)  # states that the text of record 1 was erased
    Path(shell.store.url, key).write_bytes((shell.folder / "other" / key).read_bytes())

    assert shell.run("note", "list") == 0
    assert "record 2 does not continue record 1" in shell.err
    assert "snapshotter case check" in shell.err
    assert shell.run("case", "check") == 10


def test_records_that_were_copied_from_another_store_do_not_pass(
    shell: BundleShell,
) -> None:
    assert shell.run("tag", "add", "fire", shell.id) == 0
    assert shell.run("case", "check") == 0
    other = shell.folder / "other"
    shutil.copytree(Path(shell.store.url, "annotations"), other / "annotations")

    assert shell.run("case", "check", "--store", other) == 11
    assert "records name 1 captures that the store does not have" in shell.out


def test_records_name_the_log_of_their_store(shell: BundleShell) -> None:
    assert shell.run("log", "sync", shell.id) == 0, shell.err
    assert shell.run("store", "replicate", "replica") == 0, shell.out
    assert shell.run("store", "replicate", "other") == 0, shell.out
    assert shell.run("tag", "add", "fire", shell.id) == 0
    assert shell.run("store", "replicate", "replica") == 0, shell.out
    assert shell.run("case", "check", "--store", "replica") == 0, shell.out

    # Another store with the same capture, and a log of its own.
    shutil.rmtree("other/log")
    assert shell.run("log", "init", "--store", "other", "--name", "example.org/other") == 0
    shutil.copytree(Path(shell.store.url, "annotations"), "other/annotations")
    assert shell.run("case", "check", "--store", "other", "--json") == 11
    (found,) = shell.object["findings"]
    assert found["code"] == "other-store"
    assert "the log of this store is example.org/other" in found["detail"]


def test_a_replica_is_annotated_in_its_source(shell: BundleShell) -> None:
    assert shell.run("log", "sync", shell.id) == 0, shell.err
    assert shell.run("store", "replicate", "replica") == 0, shell.out

    for command in (("tag", "add", "fire"), ("quarantine", "--reason", "x")):
        assert shell.run(*command, "--store", "replica", shell.id) == 1
        assert "is a copy of another store" in shell.err
        assert "snapshotter log repair --take-over --store" in shell.err
    assert not list(DirectoryStore(Path("replica")).list("annotations/"))
    assert not list(Path("replica").rglob("*quarantine*"))

    assert shell.run("log", "repair", "--take-over", "--store", "replica") == 0, shell.err
    assert shell.run("tag", "add", "fire", "--store", "replica", shell.id) == 0, shell.err


def test_annotations_that_were_made_in_a_replica_are_named_and_kept(shell: BundleShell) -> None:
    replica = ("--store", "replica")
    assert shell.run("log", "sync", shell.id) == 0, shell.err
    assert shell.run("tag", "add", "one", shell.id) == 0
    assert shell.run("store", "replicate", "replica") == 0, shell.out
    mark = Path("replica/log/mirror")
    data = mark.read_bytes()
    mark.unlink()  # else nothing could be added to the replica
    assert shell.run("note", "add", *replica, shell.id, "made in the copy") == 0, shell.err
    mark.write_bytes(data)
    kept = {file: file.read_bytes() for file in Path("replica/annotations").rglob("*.json")}

    assert shell.run("store", "replicate", "replica") == 1
    assert "annotations/records/00000002.json  surplus  the copy has this annotation" in shell.out
    assert "erase" not in shell.out
    assert shell.run("case", "check", *replica) == 0
    assert "snapshotter case check --store" in shell.err
    assert shell.run("case", "check", *replica, "--against", "captures") == 11
    assert "INDETERMINATE  record 2: " in shell.out

    for tag in ("two", "three"):
        assert shell.run("tag", "add", tag, shell.id) == 0
    assert shell.run("note", "add", shell.id, "made in the source") == 0
    assert shell.run("store", "replicate", "replica") == 1
    assert shell.out.count("divergent") == 1
    assert "somebody annotated in the copy" in shell.out
    assert shell.run("case", "check", *replica, "--against", "captures") == 10
    assert "The last record of this store is 2. The last record of " in shell.out
    assert "captures is 4" in shell.out
    there = {file: file.read_bytes() for file in Path("replica/annotations").rglob("*.json")}
    assert there == kept
    assert shell.run("case", "check", *replica) == 0, shell.out


def test_records_that_were_cut_off_are_missed_whatever_was_added_since(
    shell: BundleShell,
) -> None:
    for tag in ("one", "two", "three"):
        assert shell.run("tag", "add", tag, shell.id) == 0
    for number in (2, 3):
        Path(shell.store.url, store_keys.annotation_key(number)).unlink()
    for tag in ("four", "five", "six"):
        assert shell.run("tag", "add", tag, shell.id) == 0

    assert shell.run("case", "check") == 10
    assert "the record was replaced since this machine saw it" in shell.out


def test_a_tag_that_is_typed_in_two_ways_is_one_tag(shell: BundleShell) -> None:
    assert shell.run("tag", "add", "caf\u00e9", shell.id) == 0
    assert shell.run("tag", "add", "cafe\u0301", shell.id) == 0

    assert shell.run("tag", "list") == 0
    assert shell.out == "caf\u00e9  captures: 1\n"
    assert shell.run("tag", "remove", "cafe\u0301", shell.id) == 0
    assert shell.run("tag", "list") == 0
    assert shell.out == ""


def test_no_record_is_read_again_by_commands_that_read_or_write_annotations(
    shell: BundleShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shell.run("case", "create", "harbour", "--title", "The harbour fire") == 0
    assert shell.run("case", "list") == 0
    opened: list[str] = []
    of_store = DirectoryStore.open

    def counted(store: DirectoryStore, key: str) -> BinaryIO:
        opened.append(key)
        return of_store(store, key)

    monkeypatch.setattr(DirectoryStore, "open", counted)

    for command in (
        ("case", "list"), ("case", "show", "harbour"), ("tag", "list"), ("note", "list"),
        ("tag", "add", "fire", shell.id), ("open", "--print", shell.id),
    ):  # fmt: skip
        assert shell.run(*command) == 0, shell.err

    first = store_keys.annotation_key(1)
    assert store_keys.annotation_key(2) in opened  # the free number, before it is taken
    assert [key for key in opened if "/texts/" in key] == []
    assert 0 < opened.count(first) <= 6, "each command reads the newest record that the index has"


def test_annotations_are_read_from_the_store_if_the_index_cannot_be_written(
    shell: BundleShell,
) -> None:
    assert shell.run("tag", "list") == 0
    (path,) = Path(shell.folder).rglob("index/*.db")
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute(
            "CREATE TRIGGER full BEFORE INSERT ON annotation BEGIN SELECT RAISE(ABORT, 'full'); END"
        )

    assert shell.run("tag", "add", "one", shell.id) == 0, shell.err
    assert shell.run("tag", "list") == 0, shell.err
    assert shell.out == "one  captures: 1\n"
    assert shell.run("search", "page") == 1
    assert "cannot store a value: full" in shell.err


def test_a_case_numbers_its_exhibits_and_gives_no_number_twice(
    shell: BundleShell, other: str
) -> None:
    assert shell.run("case", "create", "harbour", "--title", "The harbour fire") == 0
    assert "a key for annotations was made for you" in shell.err
    assert "snapshotter case add harbour ID" in shell.out
    assert shell.run("case", "add", "harbour", shell.id[:15]) == 0
    assert f"{shell.id}  exhibit 1: added to the case harbour" in shell.out
    assert shell.run("case", "remove", "harbour", shell.id, "--reason", "another fire") == 0
    assert shell.run("case", "add", "--json", "harbour", other) == 0
    assert (shell.object["exhibits"], shell.object["author"]) == ([2], "the archive")
    assert exhibits(shell) == {other: 2}

    assert shell.run("case", "add", "harbour", shell.id, other) == 0
    assert "already in the case harbour" in shell.out
    assert exhibits(shell) == {shell.id: 1, other: 2}
    assert shell.run("case", "list") == 0
    assert shell.out == "harbour  open  captures: 2  The harbour fire\n"
    assert shell.run("case", "list", "--json") == 0
    assert (
        shell.run(
            "erase", "--order", "O", "--reason", "R", "--yes", "--note", f"{shell.object['number']}"
        )
        == 0
    )
    assert shell.run("case", "list") == 0
    assert shell.out == "harbour  open  captures: 2\n"


def test_nothing_is_added_to_a_closed_case(shell: BundleShell) -> None:
    shell.run("case", "create", "harbour")
    assert shell.run("case", "close", "harbour", "--reason", "published") == 0

    assert shell.run("case", "add", "harbour", shell.id) == 1
    assert "the case harbour was closed on" in shell.err
    assert exhibits(shell) == {}


def test_names_that_do_not_exist_are_refused_with_the_next_command(shell: BundleShell) -> None:
    assert shell.run("case", "show", "harbour") == 1
    assert "snapshotter case create harbour" in shell.err
    assert shell.run("case", "create", "Harbour Fire") == 2
    assert shell.run("case", "add", "harbour", "20200101t000000z-aaaaaaaaaaaaaaaa") == 1
    assert "has no bundle" in shell.err
    assert not list(shell.store.list("annotations/"))


def test_an_export_of_a_case_states_what_it_leaves_out(shell: BundleShell, other: str) -> None:
    shell.run("case", "create", "harbour")
    shell.run("case", "add", "harbour", shell.id, other)
    assert shell.run("quarantine", "--reason", "may show a child", other) == 0

    assert shell.run("export", "--case", "harbour", "-o", "out") == 0, shell.err

    assert f"exhibit 2, {other}, is left out" in shell.err
    assert Path("out", f"{shell.id}.wacz").read_bytes() == shell.bytes
    assert not list(Path("out").glob(f"{other}*"))
    contents = json.loads(Path("out", "case-harbour.json").read_bytes())
    assert contents["exhibits"] == [{"bundle_id": shell.id, "exhibit": 1}]
    (left_out,) = contents["left_out"]
    assert (contents["left_out_count"], left_out["bundle_id"], left_out["reason"]) == (
        1, other, "may show a child",
    )  # fmt: skip
    assert shell.run("export", "--case", "harbour", shell.id) == 2
    assert shell.run("export") == 2


def test_annotations_change_neither_a_bundle_nor_its_verdict(
    shell: BundleShell, other: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SNAPSHOTTER_RECORD_ACCESS", "false")  # verifying would write an event

    def verified() -> str:
        code = shell.run("verify", "--json", shell.id)
        return f"{code} {shell.object['verdict']} {shell.object['findings']}"

    verdict = verified()
    audited = shell.run("audit", "--recheck-after", "0")
    stored = _objects(shell)
    for command in (
        ("case", "create", "harbour"),
        ("case", "add", "harbour", shell.id),
        ("tag", "add", "谣言", shell.id, other),
        ("note", "add", shell.id, "the caption names another harbour"),
        ("mark", "graphic", shell.id),
        ("review", "--reject", "--reason", "a log-in page", shell.id),
        ("tag", "remove", "谣言", shell.id),
        ("mark", "graphic", "--remove", shell.id),
        ("case", "remove", "harbour", shell.id, "--reason", "over"),
    ):
        assert shell.run(*command) == 0, shell.err

    assert verified() == verdict
    assert _objects(shell) == stored
    assert shell.run("case", "check") == 0, shell.out
    assert shell.run("audit", "--recheck-after", "0", "--json") == audited
    assert "annotations/" not in shell.out


def test_case_check_names_a_record_that_was_removed(shell: BundleShell) -> None:
    assert shell.run("case", "check") == 11
    for tag in ("a", "b", "c"):
        assert shell.run("tag", "add", tag, shell.id) == 0
    assert shell.run("case", "check") == 0
    assert "PASSED" in shell.out

    Path(shell.store.url, "annotations/records/00000002.json").unlink()
    assert shell.run("case", "check") == 10
    assert "record 2 is missing" in shell.out
    Path(shell.store.url, "annotations/records/00000003.json").unlink()
    assert shell.run("case", "check", "--json") == 10
    assert [found["code"] for found in shell.object["findings"]] == ["removed"]


def test_commands_that_use_annotations_warn_once_if_a_record_is_missing(
    shell: BundleShell,
) -> None:
    for tag in ("a", "b", "c"):
        assert shell.run("tag", "add", tag, shell.id) == 0
    commands = (
        ("search", "page"), ("review", "--all"), ("report", "day", shell.id[:4] + "-01-01"),
        ("list", "--tag", "a"),
    )  # fmt: skip
    for command in commands:
        assert shell.run(*command, "--json") == 0, shell.err
        assert "WARNING" not in shell.err
        assert {tuple(printed["annotation_problems"]) for printed in shell.objects[-1:]} <= {()}

    Path(shell.store.url, store_keys.annotation_key(2)).unlink()

    for command in commands:
        assert shell.run(*command, "--json") == 0, shell.err
        assert shell.err.count("WARNING: the annotations") == 1, command
        assert "record 2 is missing" in shell.err
        assert "\n  snapshotter case check" in shell.err
        for printed in shell.objects[-1:]:
            assert printed["annotation_problems"] == ["record 2 is missing"], command
    assert shell.run("list", "--json") == 0
    assert shell.object["annotation_problems"] is None


def test_a_text_that_is_not_utf_8_is_refused_by_its_place(shell: BundleShell) -> None:
    assert shell.run("case", "create", "harbour") == 0
    for command in (
        ("case", "create", "fire", "--title"), ("case", "close", "harbour", "--reason"),
        ("note", "add", "--case", "harbour"), ("note", "add", shell.id),
        ("case", "add", "harbour", shell.id, "--reason"),
    ):  # fmt: skip
        assert shell.run(*command, "the \udcff") == 2, command
        assert "character 5 of the text is invalid: the text must be UTF-8" in shell.err, command
    assert shell.run("case", "list") == 0
    assert shell.out.split()[:2] == ["harbour", "open"]
    assert len(shell.out.splitlines()) == 1


def test_an_erased_note_is_gone_and_its_record_stays(shell: BundleShell) -> None:
    assert shell.run("note", "add", shell.id, "names a minor") == 0
    assert shell.run("note", "list", "--json", shell.id) == 0
    number = shell.object["number"]
    erase = ("erase", "--order", "12 O 345/26", "--reason", "by order", "--note", number)

    assert shell.run(*erase) == 1  # nobody confirmed
    assert shell.run(*erase, "--yes") == 0

    assert shell.run("note", "list", shell.id) == 0
    assert "(erased by order)" in shell.out
    assert not [
        file for file in shell.folder.rglob("*") if file.is_file() and b"minor" in file.read_bytes()
    ]
    assert shell.run("case", "check") == 0
    assert shell.run("erase", "--order", "x", "--reason", "y", "--note", 1, shell.id) == 2


def test_a_case_shows_the_number_of_each_text_that_can_be_erased(shell: BundleShell) -> None:
    for command in (
        ("case", "create", "harbour", "--title", "text 1"),
        ("case", "add", "harbour", "--reason", "text 2", shell.id),
        ("review", "--reject", "--reason", "text 3", shell.id),
        ("mark", "graphic", "--reason", "text 4", shell.id),
        ("note", "add", shell.id, "text 5"),
        ("note", "add", "--case", "harbour", "text 6"),
        ("case", "close", "harbour", "--reason", "text 7"),
    ):
        assert shell.run(*command) == 0, shell.err

    assert shell.run("case", "show", "harbour") == 0
    lines = shell.out.splitlines()
    assert lines[0] == "harbour: text 1"
    assert lines[1].endswith("(annotation 1)")
    for number in range(2, 8):
        (line,) = (line for line in lines if line.endswith(f"text {number}"))
        assert line.split()[0] == str(number)
    assert [line.split()[0] for line in lines[3:6]] == ["3", "4", "5"]  # of the exhibit
    order = ("erase", "--order", "O", "--reason", "R", "--yes")
    assert shell.run(*order, *(word for n in range(1, 8) for word in ("--note", n))) == 0
    assert shell.run("case", "show", "harbour") == 0
    assert "text " not in shell.out
    assert shell.run("case", "check") == 0, shell.out


def test_a_text_that_a_killed_command_left_is_erased_by_its_digits(shell: BundleShell) -> None:
    assert shell.run("note", "add", shell.id, "names a minor") == 0
    Path(shell.store.url, store_keys.annotation_key(1)).unlink()

    assert shell.run("case", "check", "--json") == 10
    (left,) = (f for f in shell.object["findings"] if f["code"] == "text-without-record")
    digits = Path(left["subject"]).stem
    assert digits in left["detail"]
    order = ("erase", "--order", "O", "--reason", "R", "--yes", "--note")
    for wrong in ("0", "x", digits[:-1], "9" * 5000):
        assert shell.run(*order, wrong) == 2
    assert shell.run(*order, "a" * 64) == 1
    assert shell.run(*order, digits) == 0, shell.err
    assert not list(shell.store.list("annotations/"))


def test_who_records_without_a_name_is_told_how_to_be_named(
    shell: BundleShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shell.run("tag", "add", "fire", shell.id) == 0
    assert "names no person" not in shell.err
    monkeypatch.delenv("SNAPSHOTTER_OPERATOR")
    assert shell.run("tag", "add", "media", shell.id) == 0
    assert "the record names no person" in shell.err
    assert "set operator or pseudonym" in shell.err
    assert shell.run("tag", "add", "media", shell.id) == 0  # nothing is recorded
    assert "names no person" not in shell.err


def test_a_person_is_named_by_a_pseudonym_with_a_commitment(
    shell: BundleShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SNAPSHOTTER_PSEUDONYM", "P-07")
    monkeypatch.setenv("SNAPSHOTTER_ROLE", "reviewer")

    assert shell.run("tag", "add", "--json", "media", shell.id) == 0
    assert shell.run("tag", "add", "harbour", shell.id) == 0

    assert shell.run("tag", "list", "--json") == 0
    records = [
        Path(shell.store.url, f"annotations/records/0000000{n}.json").read_text() for n in (1, 2)
    ]
    assert all('"author":"P-07"' in record and "the archive" not in record for record in records)
    (one, two) = (record.partition('"author_commitment":"')[2][:71] for record in records)
    assert one == two
    assert one.startswith("sha256:")
    salts = Path(f"{shell.store.url}.private", "pseudonym-P-07.salts.jsonl").read_text()
    assert one in salts

    assert shell.run("show", shell.id) == 0
    assert shell.run("custody", "show", "--json", shell.id) == 0
    assert shell.object["events"][-1]["by"] == "P-07"


def test_a_key_that_signs_evidence_signs_no_annotation(
    shell: BundleShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SNAPSHOTTER_ANNOTATION_KEY", "default")

    assert shell.run("tag", "add", "media", shell.id) == 1
    assert "cannot sign annotations" in shell.err


def test_hostile_texts_are_shown_as_text(shell: BundleShell) -> None:
    shell.run("case", "create", "harbour", "--title", "\x1b[31m<script>")
    shell.run("note", "add", "--case", "harbour", "one\nsnapshotter: two \u202e")

    assert shell.run("case", "show", "harbour") == 0
    assert "\x1b" not in shell.out
    assert "\u202e" not in shell.out
    assert shell.run("tag", "add", "a\x1bb", shell.id) == 2
