"""A log whose lock is lost: nobody writes to it, and it goes on without a second history."""

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from typing_extensions import override

from snapshotter.formats.proofs import log_state, merkle, note
from snapshotter.formats.proofs.note import Checkpoint
from snapshotter.ports import CompareAndSwapStore
from snapshotter.seal.log_lock_repair import LockRepair, LogRepair
from snapshotter.seal.log_writer import LogDamaged
from snapshotter.store.filesystem import DirectoryStore
from tests.logs import LOG_KEY, LOG_SIGNER, RandomIds, published, read_whole, some_leaf, writer
from tests.unit.seal.test_log_writer import Died, Mortal, Remembered, _overwrite

pytestmark = pytest.mark.usefixtures("without_fsync")


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    """A log of five entries."""
    made = DirectoryStore(tmp_path / "store")
    writer(made).append([some_leaf(number) for number in range(5)])
    return made


FIVE = [some_leaf(number) for number in range(5)]


def repair(
    store: DirectoryStore,
    swapped: CompareAndSwapStore | None = None,
    memory: Remembered | None = None,
) -> LogRepair:
    return LogRepair(swapped or store, store, LOG_SIGNER, ids=RandomIds(), memory=memory)


def lose(store: DirectoryStore, key: str = log_state.LOCK) -> None:
    store.path(key).unlink()


def committed(store: DirectoryStore) -> Checkpoint:
    """Return what the lock names: what a witness may have seen, or anybody."""
    lock = log_state.parse_lock(store.read(log_state.LOCK, log_state.MAX_LOCK).data)
    return note.open_checkpoint(lock.checkpoint, LOG_KEY, []).checkpoint


def root_at(store: DirectoryStore, size: int) -> bytes:
    leaves = read_whole(store)[:size]
    return merkle.root(leaf.hash() for leaf in leaves)


def test_without_its_lock_a_log_is_not_written_to_and_with_a_new_one_it_is(
    store: DirectoryStore,
) -> None:
    lose(store)
    with pytest.raises(LogDamaged, match="a checkpoint, but no lock"):
        writer(store).append([some_leaf("next")])

    assert repair(store).run() == LockRepair(size=5, published=5)
    writer(store).append([some_leaf("next")])
    assert read_whole(store) == [*FIVE, some_leaf("next")]


def test_a_log_that_is_as_it_should_be_is_left_alone(store: DirectoryStore) -> None:
    before = store.read(log_state.LOCK, log_state.MAX_LOCK).data

    assert not repair(store).run().is_needed
    assert store.read(log_state.LOCK, log_state.MAX_LOCK).data == before


def test_a_dry_run_writes_nothing(store: DirectoryStore) -> None:
    lose(store)

    assert repair(store).run(dry_run=True).is_needed
    assert not store.path(log_state.LOCK).exists()


@pytest.mark.parametrize("junk", [b"", b"junk", b"snapshotter-log-lock/1\nstaging x\n\n"])
def test_a_lock_that_is_junk_is_replaced(store: DirectoryStore, junk: bytes) -> None:
    _overwrite(store, log_state.LOCK, junk)

    assert repair(store).run().is_needed
    writer(store).append([some_leaf("next")])
    assert len(read_whole(store)) == 6


def test_a_lock_that_was_set_back_is_brought_up(store: DirectoryStore) -> None:
    old = store.path(log_state.LOCK).read_bytes()
    writer(store).append([some_leaf("next")])
    _overwrite(store, log_state.LOCK, old)
    with pytest.raises(LogDamaged):
        writer(store).settle()

    assert repair(store).run() == LockRepair(size=6, published=6)
    writer(store).append([some_leaf("more")])
    assert len(read_whole(store)) == 7


# Staged batch, lock, entries, hashes, checkpoint, and the staged batch again.
@pytest.mark.parametrize("done", [False, True], ids=["before it", "after it"])
@pytest.mark.parametrize("at", range(6))
def test_whatever_was_committed_when_the_lock_was_lost_is_in_the_log(
    store: DirectoryStore, at: int, done: bool
) -> None:
    """Whoever saw what the lock named must never be shown another history."""
    with pytest.raises(Died):
        writer(Mortal(store, at, done=done, error=Died())).append([some_leaf("lost")])
    named = committed(store)
    lose(store)

    repair(store).run()
    writer(store).append([some_leaf("next")])

    assert root_at(store, named.size) == named.root
    leaves = read_whole(store)
    assert leaves[:5] == FIVE
    assert leaves.count(some_leaf("lost")) <= 1
    assert leaves[-1] == some_leaf("next")


@pytest.mark.parametrize("done", [False, True], ids=["before it", "after it"])
@pytest.mark.parametrize("at", range(2))
def test_a_repair_that_dies_is_done_by_the_next(store: DirectoryStore, at: int, done: bool) -> None:
    with pytest.raises(Died):
        writer(Mortal(store, 1, done=True, error=Died())).append([some_leaf("lost")])
    named = committed(store)
    lose(store)
    with pytest.raises(Died):
        repair(store, Mortal(store, at, done=done, error=Died())).run()

    repair(store).run()
    writer(store).append([some_leaf("next")])
    assert root_at(store, named.size) == named.root
    assert read_whole(store) == [*FIVE, some_leaf("lost"), some_leaf("next")]


def _stage(store: DirectoryStore, name: str) -> str:
    """Stage a batch that is not committed; return its name."""
    before = {stored.key for stored in store.list("log/staging/")}
    with pytest.raises(Died):
        writer(Mortal(store, 0, done=True, error=Died())).append([some_leaf(name)])
    (new,) = {stored.key for stored in store.list("log/staging/")} - before
    return new.rpartition("/")[2]


def test_of_two_batches_nobody_can_tell_and_a_person_has_to_say(store: DirectoryStore) -> None:
    one, two = _stage(store, "one"), _stage(store, "two")
    lose(store)

    with pytest.raises(LogDamaged, match="several batches") as caught:
        repair(store).run()
    assert one in caught.value.message
    assert two in caught.value.message
    assert not store.path(log_state.LOCK).exists()
    with pytest.raises(LogDamaged, match="the batch"):
        repair(store).run(batch="7-" + "0" * 64 + "-" + "0" * 16)

    assert repair(store).run(batch=two).batch == two
    writer(store).settle()
    assert read_whole(store) == [*FIVE, some_leaf("two")]


def test_of_two_batches_the_one_whose_files_stand_was_committed(store: DirectoryStore) -> None:
    stale = _stage(store, "stale")
    with pytest.raises(Died):  # its first file is in place
        writer(Mortal(store, 2, done=True, error=Died())).append([some_leaf("lost")])
    named = committed(store)
    lose(store)

    with pytest.raises(LogDamaged, match="the batch"):
        repair(store).run(batch=stale)
    repair(store).run()
    writer(store).settle()
    assert root_at(store, named.size) == named.root


def test_a_batch_that_is_staged_twice_is_one(store: DirectoryStore) -> None:
    _stage(store, "same")
    _stage(store, "same")
    lose(store)

    assert repair(store).run().size == 6
    writer(store).settle()
    assert read_whole(store) == [*FIVE, some_leaf("same")]


def test_old_and_broken_batches_are_passed_over(store: DirectoryStore) -> None:
    old = _stage(store, "old")
    writer(store).append([some_leaf("next")])
    broken = _stage(store, "broken")
    key = f"{log_state.STAGING}/{broken}"
    data = store.path(key).read_bytes()
    _overwrite(store, key, data[:-1] + bytes([data[-1] ^ 1]))
    assert store.path(f"{log_state.STAGING}/{old}").exists()
    lose(store)

    assert repair(store).run() == LockRepair(size=6, published=6)


def test_a_checkpoint_that_was_set_back_with_the_lock_is_found_by_the_files(
    store: DirectoryStore,
) -> None:
    old = store.path(log_state.CHECKPOINT).read_bytes()
    writer(store).append([some_leaf("next")])
    _overwrite(store, log_state.CHECKPOINT, old)
    lose(store)

    with pytest.raises(LogDamaged, match="the checkpoint was replaced by an older checkpoint"):
        repair(store).run()


def test_what_this_machine_remembers_is_not_gone_back_behind(store: DirectoryStore) -> None:
    memory = Remembered()
    writer(store, memory=memory).append([some_leaf("next")])
    lose(store)
    newest = store.path(log_state.CHECKPOINT).read_bytes()
    lose(store, log_state.CHECKPOINT)

    assert repair(store, memory=memory).run() == LockRepair(size=6, published=0)
    writer(store, memory=memory).settle()
    assert store.path(log_state.CHECKPOINT).read_bytes() == newest


def test_without_any_checkpoint_there_is_nothing_to_go_by(store: DirectoryStore) -> None:
    lose(store)
    lose(store, log_state.CHECKPOINT)

    with pytest.raises(LogDamaged, match="no checkpoint of the log was found"):
        repair(store).run()


@pytest.mark.parametrize(
    ("key", "word"),
    [
        (
            "log/tile/entries/000.p/5",
            "the root hash of the first 5 entries differs from the signed",
        ),
        ("log/tile/0/000.p/5", "do not match the entries of the log"),
    ],
)
def test_what_does_not_lead_to_the_checkpoint_is_not_repaired(
    store: DirectoryStore, key: str, word: str
) -> None:
    data = bytearray(store.path(key).read_bytes())
    data[-1] ^= 1
    _overwrite(store, key, bytes(data))
    lose(store)

    with pytest.raises(LogDamaged, match=word):
        repair(store).run()
    assert not store.path(log_state.LOCK).exists()


def test_another_history_that_this_machine_knows_is_not_gone_on_from(
    store: DirectoryStore, tmp_path: Path
) -> None:
    other = DirectoryStore(tmp_path / "other")
    memory = Remembered()
    writer(other, memory=memory).append([some_leaf(f"x{number}") for number in range(4)])
    lose(store)

    with pytest.raises(
        LogDamaged, match="the root hash of the first 4 entries differs from the signed"
    ):
        repair(store, memory=memory).run()


def test_a_copy_becomes_a_log_only_on_purpose(store: DirectoryStore) -> None:
    lose(store)
    store.swap(log_state.MIRROR, log_state.encode_mirror(LOG_KEY.name, "0" * 32), "")

    with pytest.raises(LogDamaged, match="copy of the log of another store"):
        repair(store).run()
    assert repair(store).run(take_over=True).was_mirror
    assert not store.path(log_state.MIRROR).exists()
    writer(store).append([some_leaf("next")])
    assert len(read_whole(store)) == 6


def test_writers_and_repairs_at_once_make_one_log(store: DirectoryStore) -> None:
    """The lock is lost again and again under writers at work; each repairs when it is refused."""
    named: list[Checkpoint] = []
    guard = threading.Lock()

    class Watched(DirectoryStore):
        """Notes every tree that a lock has named."""

        @override
        def swap(self, key: str, data: bytes, tag: str) -> bool:
            done = super().swap(key, data, tag)
            if key == log_state.LOCK and done:
                checkpoint = log_state.parse_lock(data).checkpoint
                with guard:
                    named.append(note.open_checkpoint(checkpoint, LOG_KEY, []).checkpoint)
            return done

    watched = Watched(store.root)
    failures: list[BaseException] = []

    # The lock goes while writers are at work, and not while it is made: who loses it twice
    # within one repair has another fault.
    repairing, calm = 0, threading.Condition()

    def repaired() -> None:
        nonlocal repairing
        with calm:
            repairing += 1
        try:
            repair(watched).run()
        except LogDamaged as error:
            # Of two that are staged: their writers are alive, and about to finish them.
            if "several batches" not in error.message:
                raise
        finally:
            with calm:
                repairing -= 1
                calm.notify_all()

    def until_done(call: Callable[[], object]) -> None:
        for _ in range(100_000):
            try:
                call()
            except LogDamaged:
                repaired()
            else:
                return
        raise AssertionError("it was never done")

    def write(name: int) -> None:
        try:
            mine = writer(watched)
            for number in range(6):
                leaf = some_leaf(f"{name}-{number}")
                until_done(lambda leaf=leaf: mine.append([leaf], seen=0))  # type: ignore[misc]
        except BaseException as error:  # noqa: BLE001  told by the test itself
            failures.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    lost = 0
    while lost < 8 and any(thread.is_alive() for thread in threads):
        with calm:
            calm.wait_for(lambda: not repairing)
            with contextlib.suppress(FileNotFoundError):
                store.path(log_state.LOCK).unlink()
                lost += 1
        threads[0].join(0.002)
    assert lost
    for thread in threads:
        thread.join()
    until_done(lambda: writer(watched).settle())

    assert not failures, failures
    leaves = read_whole(store)
    assert leaves[:5] == FIVE
    assert sorted(leaf.name for leaf in leaves[5:]) == sorted(
        f"{name}-{number}" for name in range(3) for number in range(6)
    )
    roots = {checkpoint.size: checkpoint.root for checkpoint in named}
    assert all(root_at(store, checkpoint.size) == checkpoint.root for checkpoint in named)
    assert len({(checkpoint.size, checkpoint.root) for checkpoint in named}) == len(roots), (
        "two trees of one size"
    )
    assert published(store).size == len(leaves)
