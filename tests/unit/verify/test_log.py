"""The log of a store as a reader finds it: proven, rebuilt, and held against its past."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from typing_extensions import override

from snapshotter.errors import EvidenceInvalid, ServiceUnavailable, SnapshotterError
from snapshotter.formats.proofs import log_state, merkle, note, tlog_proof
from snapshotter.formats.proofs.note import Checkpoint, LogPolicy
from snapshotter.model.bundle import StoredObject
from snapshotter.model.finding import Finding, Verdict
from snapshotter.store.filesystem import DirectoryStore
from snapshotter.verify.log import LogReader, check_log
from tests.logs import LOG_KEY, LOG_SIGNER, WITNESS_KEY, published, some_leaf, writer

SIZE = 300


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    made = DirectoryStore(tmp_path / "store")
    writer(made).append([some_leaf(number) for number in range(SIZE)])
    return made


def reader(store: DirectoryStore) -> LogReader:
    return LogReader(store, LogPolicy(key=LOG_KEY))


def checked(store: DirectoryStore, **more: object) -> dict[str, tuple[str, str]]:
    arguments: dict[str, Any] = {"pause": lambda: None, **more}
    found = list(check_log(reader(store), **arguments))
    return {finding.check: (finding.verdict.value, finding.code.value) for finding in found}


def signed_tree(size: int, *, of: str = "") -> bytes:
    """Return a checkpoint of a log of these entries, whatever any store holds."""
    root = merkle.root(some_leaf(f"{of}{number}").hash() for number in range(size))
    text = Checkpoint(origin=LOG_KEY.name, size=size, root=root).text
    line = note.signature(LOG_KEY, LOG_SIGNER.sign(text.encode()))
    return note.Note(text=text, signatures=(line,)).encode()


def overwrite(store: DirectoryStore, key: str, content: bytes) -> None:
    path = store.path(key)
    path.unlink()
    path.write_bytes(content)


def test_a_log_that_holds_together_passes(store: DirectoryStore) -> None:
    steps: list[tuple[int, int]] = []

    assert checked(store, step=lambda done, of: steps.append((done, of))) == {
        "checkpoint": ("passed", "OK"),
        "tree": ("passed", "OK"),
    }
    assert steps[-1] == (SIZE, SIZE)


def test_an_empty_log_holds_together(tmp_path: Path) -> None:
    empty = DirectoryStore(tmp_path / "empty")
    writer(empty).create()

    assert checked(empty) == {"checkpoint": ("passed", "OK"), "tree": ("passed", "OK")}


def test_entries_are_found_and_proven(store: DirectoryStore) -> None:
    log = reader(store)
    signed = log.checkpoint()
    entry = log.find("test", "257", signed)

    assert entry is not None
    assert entry.index == 257
    proof, _ = tlog_proof.check(log.prove(entry, signed), entry.data, LOG_KEY)
    assert proof.index == 257
    assert log.find("test", "300", signed) is None
    assert log.find("bundle", "257", signed) is None


@pytest.mark.parametrize(
    "key",
    ["log/tile/0/000", "log/tile/0/001.p/44", "log/tile/1/000.p/1", "log/tile/entries/000",
     "log/tile/entries/001.p/44"],
)  # fmt: skip
@pytest.mark.parametrize("gone", [False, True])
def test_a_file_that_is_altered_or_gone_is_found(
    store: DirectoryStore, key: str, gone: bool
) -> None:
    data = store.path(key).read_bytes()
    overwrite(store, key, data[:-2] + bytes([data[-2] ^ 1]) + data[-1:])
    if gone:
        store.path(key).unlink()

    assert checked(store)["tree"] == ("failed", "LOG")


def test_a_signed_root_that_is_not_the_entries_is_found(store: DirectoryStore) -> None:
    overwrite(store, log_state.CHECKPOINT, signed_tree(SIZE, of="other"))

    assert checked(store)["tree"] == ("failed", "LOG")


def test_a_checkpoint_of_another_key_is_found(store: DirectoryStore) -> None:
    log = LogReader(store, LogPolicy(key=note.parse_verifier_key(
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
    )))  # fmt: skip

    (found,) = check_log(log, pause=lambda: None)
    assert (found.check, found.verdict) == ("checkpoint", Verdict.FAILED)
    with pytest.raises(EvidenceInvalid, match="not signed"):
        log.checkpoint()


def test_without_a_key_nothing_is_established(store: DirectoryStore) -> None:
    found: list[Finding] = list(check_log(LogReader(store, None), pause=lambda: None))

    assert [(finding.check, finding.verdict) for finding in found] == [
        ("checkpoint", Verdict.INDETERMINATE),
        ("tree", Verdict.PASSED),
    ]


def test_witnesses_that_are_wanted_are_missed(store: DirectoryStore) -> None:
    policy = LogPolicy(key=LOG_KEY, witnesses=(WITNESS_KEY,), quorum=1)
    found = {
        finding.check: finding.code.value
        for finding in check_log(LogReader(store, policy), pause=lambda: None)
    }

    assert found["witnesses"] == "LOG_MISSING"


def test_an_entry_that_is_no_leaf_is_found(tmp_path: Path) -> None:
    class Odd:
        def encode(self) -> bytes:
            return b"odd"

    odd = DirectoryStore(tmp_path / "odd")
    writer(odd).append([some_leaf(1), Odd()])  # type: ignore[list-item]

    assert checked(odd)["leaves"] == ("failed", "LOG")
    assert [entry.leaf for entry in reader(odd).entries(0, 2)] == [some_leaf(1), None]


@pytest.mark.parametrize("size", [0, 1, 256, 299, 300])
def test_a_log_continues_what_was_seen_of_it(store: DirectoryStore, size: int) -> None:
    assert checked(store, seen=[("then", signed_tree(size))])["history"] == ("passed", "OK")


@pytest.mark.parametrize(
    ("seen", "verdict"),
    [
        (signed_tree(299, of="other"), "failed"),  # a fork
        (signed_tree(301), "failed"),  # rolled back
        (b"no checkpoint", "indeterminate"),
        (signed_tree(5).replace(b"\n5\n", b"\n6\n"), "indeterminate"),  # nobody's word
    ],
)
def test_a_log_that_does_not_continue_what_was_seen_is_found(
    store: DirectoryStore, seen: bytes, verdict: str
) -> None:
    assert checked(store, seen=[("then", seen)])["history"] == (verdict, "LOG")


def test_a_store_without_a_log_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(check_log(reader(DirectoryStore(tmp_path / "none")), pause=lambda: None))


def test_what_is_read_is_what_was_published(store: DirectoryStore) -> None:
    assert reader(store).checkpoint().note == published(store).note


# --- files that are not given ----------------------------------------------------------------

TILE = "log/tile/0/000"


class Refusing(DirectoryStore):
    """A store that does not give one tile."""

    error: Exception = FileNotFoundError(TILE)
    shown = True

    @override
    def open(self, key: str) -> BinaryIO:
        if key == TILE:
            raise self.error
        return super().open(key)

    @override
    def list(self, prefix: str = "", *, reverse: bool = False) -> Iterator[StoredObject]:
        return (
            stored
            for stored in super().list(prefix, reverse=reverse)
            if self.shown or stored.key != TILE
        )


@pytest.mark.parametrize(
    ("error", "shown", "verdict"),
    [
        (SnapshotterError("no right to read"), True, "indeterminate"),
        (FileNotFoundError(TILE), True, "indeterminate"),  # a listing shows it
        (FileNotFoundError(TILE), False, "failed"),
    ],
)
def test_a_tile_that_is_not_given_is_failed_only_where_it_is_gone(
    store: DirectoryStore, error: Exception, shown: bool, verdict: str
) -> None:
    refusing = Refusing(store.root)
    refusing.error, refusing.shown = error, shown

    assert checked(refusing)["tree"] == (verdict, "LOG")


def test_a_tile_that_is_back_after_a_pause_is_no_fault(store: DirectoryStore) -> None:
    hidden = store.path(TILE).rename(store.root / "hidden")

    found = checked(store, pause=lambda: hidden.rename(store.path(TILE)))

    assert found["tree"] == ("passed", "OK")


def test_something_in_the_place_of_a_tile_is_no_tile(store: DirectoryStore) -> None:
    store.path(TILE).unlink()
    store.path(TILE).mkdir()

    assert checked(store)["tree"] == ("failed", "LOG")


def test_a_log_of_a_store_that_does_not_answer_is_to_be_tried_again(store: DirectoryStore) -> None:
    refusing = Refusing(store.root)
    refusing.error = ServiceUnavailable("busy")

    with pytest.raises(ServiceUnavailable):
        checked(refusing)
