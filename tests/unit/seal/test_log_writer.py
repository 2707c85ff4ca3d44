"""Appending to the log: the order of work, and what every crash leaves behind."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.formats.proofs import leaf as leaves
from snapshotter.formats.proofs import log_state, merkle, note, tlog_proof
from snapshotter.formats.proofs.leaf import Leaf
from snapshotter.formats.proofs.note import VerifierKey
from snapshotter.ports import CompareAndSwapStore, TaggedContent
from snapshotter.seal import log_writer
from snapshotter.seal.log_writer import LogDamaged
from snapshotter.store.filesystem import DirectoryStore
from tests.bundles import RealClock
from tests.logs import (
    LOG_KEY,
    LOG_SIGNER,
    WITNESS_KEY,
    WITNESS_SIGNER,
    RandomIds,
    published,
    read_whole,
    some_leaf,
    writer,
)


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "store")


class Died(BaseException):
    """The process is gone: no handler of ours may see it."""


class Mortal:
    """
    A store whose user dies, or whose answers are lost, at one call that changes something.

    Args:
        at: The number of the call, from 0.
        done: Whether what was called was done before that.
        error: What the caller gets; the same for all calls after it.
    """

    def __init__(
        self, store: CompareAndSwapStore, at: int, *, done: bool, error: BaseException
    ) -> None:
        self._store = store
        self._left = at
        self._done = done
        self._error = error

    @property
    def url(self) -> str:
        return self._store.url

    @property
    def struck(self) -> bool:
        return self._left < 0

    def read(self, key: str, limit: int) -> TaggedContent:
        return self._store.read(key, limit)

    def swap(self, key: str, data: bytes, tag: str) -> bool:
        return self._strike(lambda: self._store.swap(key, data, tag))

    def discard(self, key: str) -> None:
        def call() -> bool:
            self._store.discard(key)
            return True

        self._strike(call)

    def _strike(self, call: Callable[[], bool]) -> bool:
        self._left -= 1
        if self._left == -1:
            if self._done:
                call()
            raise self._error
        return call()


class Remembered:
    def __init__(self, checkpoint: bytes = b"") -> None:
        self.checkpoint = checkpoint

    def load(self) -> bytes:
        return self.checkpoint

    def save(self, checkpoint: bytes) -> None:
        self.checkpoint = checkpoint


def test_a_leaf_is_published_when_append_returns(store: DirectoryStore) -> None:
    done = writer(store).append([some_leaf(1)])

    assert (done.indexes, done.added, done.signed.size) == ((0,), 1, 1)
    assert read_whole(store) == [some_leaf(1)]
    assert published(store).note == done.signed.note


def test_leaves_are_added_in_their_order_and_in_batches(store: DirectoryStore) -> None:
    mine = writer(store)
    first = mine.append([some_leaf(number) for number in range(300)])
    second = mine.append([some_leaf("a"), some_leaf("b")])

    assert first.indexes == tuple(range(300))
    assert second.indexes == (300, 301)
    assert read_whole(store) == [*map(some_leaf, range(300)), some_leaf("a"), some_leaf("b")]


def test_more_than_a_batch_is_several(
    store: DirectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_writer, "MAX_BATCH", 7)
    done = writer(store).append([some_leaf(number) for number in range(30)])

    assert (done.indexes, done.added) == (tuple(range(30)), 30)
    assert read_whole(store) == [some_leaf(number) for number in range(30)]


@pytest.mark.parametrize("start", [254, 255, 256, 257, 511])
def test_a_log_grows_over_the_edges_of_its_tiles(store: DirectoryStore, start: int) -> None:
    writer(store).append([some_leaf(number) for number in range(start)])
    for number in range(start, start + 3):
        writer(store).append([some_leaf(number)])  # each without what the last one kept

    assert read_whole(store) == [some_leaf(number) for number in range(start + 3)]


def test_a_writer_that_keeps_its_edge_makes_the_same_log(store: DirectoryStore) -> None:
    mine = writer(store)
    mine.append([some_leaf(number) for number in range(250)])
    for number in range(250, 260):
        mine.append([some_leaf(number)])

    assert read_whole(store) == [some_leaf(number) for number in range(260)]


def test_two_writers_in_turn_make_one_log(store: DirectoryStore) -> None:
    one, other = writer(store), writer(store)
    for number in range(8):
        (one, other)[number % 2].append([some_leaf(number)])

    assert read_whole(store) == [some_leaf(number) for number in range(8)]


def test_every_leaf_can_be_proven_against_what_is_published(store: DirectoryStore) -> None:
    mine = writer(store)
    wanted = [some_leaf(number) for number in range(20)]
    done = mine.append(wanted)

    for index, leaf in zip(done.indexes, wanted, strict=True):
        data = mine.prove(index, leaf, done.signed)
        proof, signed = tlog_proof.check(data, leaf.encode(), LOG_KEY)
        assert (proof.index, signed.size) == (index, 20)
    with pytest.raises(LogDamaged):
        mine.prove(3, some_leaf(4), done.signed)


def test_a_leaf_that_is_there_is_found_and_not_added_again(store: DirectoryStore) -> None:
    mine = writer(store)
    mine.append([some_leaf(number) for number in range(5)])

    again = mine.append([some_leaf(3), some_leaf("new"), some_leaf(3)], seen=2)
    assert (again.indexes, again.added) == ((3, 5, 3), 1)
    assert len(read_whole(store)) == 6


def test_an_empty_log_is_one_and_grows(store: DirectoryStore) -> None:
    signed = writer(store).create()

    assert (signed.size, signed.root) == (0, merkle.EMPTY_ROOT)
    assert writer(store).create().note == signed.note
    assert read_whole(store) == []
    writer(store).append([some_leaf(1)])
    assert read_whole(store) == [some_leaf(1)]


def test_what_nobody_needs_is_removed(store: DirectoryStore) -> None:
    mine = writer(store)
    for number in range(3):
        mine.append([some_leaf(number)])

    assert [stored.key for stored in store.list("log/staging/")] == []


# A first batch changes six things, a later one as many: staged batch, lock, entries, hashes,
# checkpoint, and the staged batch again.
@pytest.mark.parametrize("done", [False, True], ids=["before it", "after it"])
@pytest.mark.parametrize("at", range(6))
@pytest.mark.parametrize("before", [0, 255])
def test_a_writer_that_dies_at_any_step_leaves_nothing_stuck(
    store: DirectoryStore, before: int, at: int, done: bool
) -> None:
    old = [some_leaf(number) for number in range(before)]
    if old:
        writer(store).append(old)
    mortal = Mortal(store, at, done=done, error=Died())
    with pytest.raises(Died):
        writer(mortal).append([some_leaf("lost")])

    # Whoever comes next goes on, and what was committed is there, once.
    writer(store).append([some_leaf("next")])
    committed = at > 1 or (at == 1 and done)
    expected = [*old, *([some_leaf("lost")] if committed else []), some_leaf("next")]
    assert read_whole(store) == expected
    again = writer(store).append([some_leaf("lost")], seen=before)
    assert again.added == (0 if committed else 1)
    assert read_whole(store).count(some_leaf("lost")) == 1


@pytest.mark.parametrize("done", [False, True], ids=["before it", "after it"])
@pytest.mark.parametrize("at", range(4))
def test_who_finishes_for_another_may_die_as_well(
    store: DirectoryStore, at: int, done: bool
) -> None:
    with pytest.raises(Died):
        writer(Mortal(store, 1, done=True, error=Died())).append([some_leaf("one")])
    mortal = Mortal(store, at, done=done, error=Died())
    with pytest.raises(Died):
        writer(mortal).append([some_leaf("two")])

    writer(store).append([some_leaf("three")])
    assert read_whole(store) == [some_leaf("one"), some_leaf("three")]


@pytest.mark.parametrize("done", [False, True], ids=["before it", "after it"])
@pytest.mark.parametrize("at", range(6))
def test_an_answer_that_was_lost_costs_no_leaf_and_adds_none_twice(
    store: DirectoryStore, at: int, done: bool
) -> None:
    flaky = Mortal(store, at, done=done, error=ServiceUnavailable("no answer"))
    mine = writer(flaky)
    try:
        mine.append([some_leaf("one")], seen=0)
    except ServiceUnavailable:
        assert flaky.struck
    done_again = mine.append([some_leaf("one")], seen=0)

    assert done_again.indexes == (0,)
    assert read_whole(store) == [some_leaf("one")]


def test_an_empty_log_half_made_is_finished(store: DirectoryStore) -> None:
    with pytest.raises(Died):
        writer(Mortal(store, 0, done=True, error=Died())).create()
    writer(store).append([some_leaf(1)])

    assert read_whole(store) == [some_leaf(1)]


def test_a_store_that_was_rolled_back_is_refused(store: DirectoryStore) -> None:
    memory = Remembered()
    mine = writer(store, memory=memory)
    mine.append([some_leaf(1)])
    lock, checkpoint = (
        store.path(key).read_bytes() for key in (log_state.LOCK, log_state.CHECKPOINT)
    )
    mine.append([some_leaf(2)])

    _overwrite(store, log_state.LOCK, lock)
    _overwrite(store, log_state.CHECKPOINT, checkpoint)
    for stale in (mine, writer(store, memory=memory)):
        with pytest.raises(
            LogDamaged,
            match=(
                "the log was replaced by an older state; entries in the log: 1; entries that this "
                "machine has seen in the log: 2"
            ),
        ):
            stale.append([some_leaf("other")])
    # Who has never seen more can not know: that is what an auditor's memory is for.
    with pytest.raises(
        LogDamaged, match=r"the file tile/entries/000\.p/2 of the log has unexpected content"
    ):
        writer(store).append([some_leaf("other")])


def test_a_log_that_was_removed_is_missed(store: DirectoryStore) -> None:
    memory = Remembered()
    writer(store, memory=memory).append([some_leaf(1)])
    for key in (log_state.LOCK, log_state.CHECKPOINT):
        store.discard(key)

    with pytest.raises(
        LogDamaged,
        match=(
            "the log was replaced by an older state; entries in the log: 0; entries that this "
            "machine has seen in the log: 1"
        ),
    ):
        writer(store, memory=memory).append([some_leaf("other")])


def test_another_history_of_the_same_log_is_refused(tmp_path: Path) -> None:
    one, other = DirectoryStore(tmp_path / "one"), DirectoryStore(tmp_path / "other")
    memory = Remembered()
    writer(one, memory=memory).append([some_leaf(1)])
    writer(other).append([some_leaf("a"), some_leaf("b")])

    with pytest.raises(LogDamaged, match="consistency proof"):
        writer(other, memory=memory).append([some_leaf(2)])


def test_a_checkpoint_that_was_rolled_back_alone_is_published_again(store: DirectoryStore) -> None:
    writer(store).append([some_leaf(1)])
    old = store.path(log_state.CHECKPOINT).read_bytes()
    writer(store).append([some_leaf(2)])
    _overwrite(store, log_state.CHECKPOINT, old)

    signed = writer(store).settle()
    assert signed is not None
    assert signed.size == 2
    assert read_whole(store) == [some_leaf(1), some_leaf(2)]


@pytest.mark.parametrize(
    ("key", "content", "word"),
    [
        (log_state.LOCK, b"", "the file is not the lock file of a log"),
        (log_state.CHECKPOINT, b"x\n", "note"),
        (
            "log/tile/0/000.p/3",
            bytes(96),
            "the files of the log do not match the signed root hash of 3 entries",
        ),
        ("log/tile/0/000.p/3", b"", "hashes"),
        (
            "log/tile/entries/000.p/3",
            b"\0\1a\0\1b\0\1c",
            "the hashes of the last entries of the log differ from the hashes in the files of the "
            "log",
        ),
    ],
)
def test_a_damaged_log_is_not_written_to(
    store: DirectoryStore, key: str, content: bytes, word: str
) -> None:
    writer(store).append([some_leaf(number) for number in range(3)])
    _overwrite(store, key, content)
    before = {stored.key: store.path(stored.key).read_bytes() for stored in store.list("log/")}

    with pytest.raises(LogDamaged, match=word):
        writer(store).append([some_leaf("new")])
    assert {
        stored.key: store.path(stored.key).read_bytes() for stored in store.list("log/")
    } == before


def test_a_staged_batch_that_was_altered_is_not_published(store: DirectoryStore) -> None:
    writer(store).append([some_leaf(1)])
    with pytest.raises(Died):
        writer(Mortal(store, 1, done=True, error=Died())).append([some_leaf(2)])
    (staged,) = store.list("log/staging/")
    data = store.path(staged.key).read_bytes()
    _overwrite(store, staged.key, data[:-1] + bytes([data[-1] ^ 1]))

    with pytest.raises(LogDamaged, match="is not complete"):
        writer(store).settle()
    assert published(store).size == 1


def test_a_log_of_another_key_is_not_written_to(store: DirectoryStore) -> None:
    writer(store).append([some_leaf(1)])
    other = log_writer.LogWriter(store, WITNESS_SIGNER, clock=RealClock(), ids=RandomIds())

    with pytest.raises(LogDamaged, match="the checkpoint is not signed with the key of the log"):
        other.append([some_leaf(2)])


class Answering:
    """A witness that cosigns what it gets, from the first time on that it is asked."""

    name, public_key = WITNESS_KEY.name, WITNESS_KEY.public_key

    def __init__(self, *, silent: int = 0) -> None:
        self.asked: list[tuple[int, int]] = []  # size, and what it was taken to know
        self._silent = silent

    def cosign(
        self, checkpoint: bytes, size: int, known: int, prove: Callable[[int], Sequence[bytes]]
    ) -> bytes:
        self.asked.append((size, known))
        if len(self.asked) <= self._silent:
            raise ServiceUnavailable("it sleeps")
        assert len(prove(known)) <= merkle.MAX_PROOF
        text = note.parse(checkpoint).text
        seconds = 1_795_000_000 + len(self.asked)
        raw = WITNESS_SIGNER.sign(note.cosigned_message(text, seconds))
        return note.signature(WITNESS_KEY, raw, seconds).line.encode()


def test_what_is_published_is_cosigned(store: DirectoryStore) -> None:
    witness = Answering()
    mine = writer(store, witnesses=[witness])
    done = mine.append([some_leaf(1)])
    mine.append([some_leaf(2)])

    assert [cosignature.key for cosignature in done.signed.cosignatures] == [WITNESS_KEY]
    assert [cosignature.key for cosignature in published(store).cosignatures] == [WITNESS_KEY]
    assert witness.asked == [(1, 0), (2, 1)]
    proof = mine.prove(0, some_leaf(1), done.signed)
    _, signed = tlog_proof.check(proof, some_leaf(1).encode(), LOG_KEY, [WITNESS_KEY])
    assert len(signed.cosignatures) == 1


def test_a_witness_that_is_silent_costs_its_word_alone(store: DirectoryStore) -> None:
    said: list[str] = []
    mine = writer(store, witnesses=[Answering(silent=1)], show_message=said.append)

    assert mine.append([some_leaf(1)]).signed.cosignatures == ()
    assert said == ["the witness witness.example/w1 has not cosigned the log: it sleeps"]
    assert len(mine.append([some_leaf(2)]).signed.cosignatures) == 1


def test_more_cosignatures_of_one_tree_are_added_and_none_is_lost(store: DirectoryStore) -> None:
    writer(store, witnesses=[Answering()]).append([some_leaf(1)])
    before = published(store).note
    stranger = note.NoteSignature(name="x.example", id=b"abcd", signature=b"anything")
    more = note.with_signatures(before, [stranger])
    mine = writer(store)
    mine._publish(note.SignedCheckpoint(checkpoint=published(store).checkpoint, note=more))

    assert set(published(store).note.signatures) == {*before.signatures, stranger}


def test_a_slow_writer_publishes_no_older_tree(store: DirectoryStore) -> None:
    slow = writer(store)
    old = slow.append([some_leaf(1)]).signed
    writer(store).append([some_leaf(2)])
    slow._publish(old)  # as one that was held up between its files and its checkpoint

    assert published(store).size == 2


def test_a_published_checkpoint_keeps_room_for_those_that_matter(store: DirectoryStore) -> None:
    writer(store).append([some_leaf(1)])
    junk = [
        note.NoteSignature(name=f"x{number}.example", id=b"abcd", signature=b"anything")
        for number in range(40)
    ]
    mine = writer(store, witnesses=[Answering()])
    full = note.with_signatures(published(store).note, junk)
    _overwrite(store, log_state.CHECKPOINT, full.encode())
    signed = published(store)
    line = note.parse_signature_lines(
        Answering().cosign(signed.note.encode(), 1, 0, lambda _: ()).decode()
    )
    mine._publish(
        note.SignedCheckpoint(
            checkpoint=signed.checkpoint, note=note.with_signatures(signed.note, line)
        )
    )

    assert len(published(store).note.signatures) == 16
    assert len(published(store).cosignatures) == 1


def test_leaves_of_our_kinds_are_written_as_they_are(store: DirectoryStore) -> None:
    bundle = Leaf(kind=leaves.BUNDLE, name="20261124t160642z-k3v4q2m7xw4c5b6d", sha256="ab" * 32)
    writer(store).append([bundle])

    data = store.path("log/tile/entries/000.p/1").read_bytes()
    assert data[2:] == bundle.encode()


def test_the_key_is_the_logs(store: DirectoryStore) -> None:
    assert (
        writer(store).policy.key
        == LOG_KEY
        == VerifierKey(name=LOG_SIGNER.name, kind=note.ED25519, public_key=LOG_SIGNER.public_key)
    )


def test_nothing_to_add_to_no_log_is_a_mistake(store: DirectoryStore) -> None:
    with pytest.raises(ValueError, match="no entry was to be added"):
        writer(store).append([])


def test_a_directory_that_can_not_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("in the way")

    with pytest.raises(SnapshotterError):
        writer(DirectoryStore(tmp_path / "store")).append([some_leaf(1)])


def _overwrite(store: DirectoryStore, key: str, content: bytes) -> None:
    path = store.path(key)
    path.unlink(missing_ok=True)
    path.write_bytes(content)
