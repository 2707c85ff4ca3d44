"""The contract of `ports.ObjectStore`, the same for a directory and for a bucket."""

import hashlib
import os
from itertools import islice
from pathlib import Path

import pytest

from snapshotter.errors import SnapshotterError
from snapshotter.ports import ObjectStore
from tests.cases import in_one_test
from tests.contract.stores import Place, Store, file_of, kill_in_mid_write, place_of, race

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("seaweedfs")]

KEY = "bundles/2026/11/24/20261124t160642z-k3v4q2m7xw4c5b6d.wacz"
WRITERS = 8


@pytest.fixture(params=["directory", "plain"], ids=["directory", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return place_of(request.param, request, tmp_path)


def put(store: ObjectStore, key: str, content: bytes, folder: Path) -> str:
    source, sha256 = file_of(content, folder)
    return store.put_new(key, source, sha256).sha256


def get(store: ObjectStore, key: str) -> bytes:
    with store.open(key) as stream:
        return stream.read()


def keys(store: ObjectStore, prefix: str = "", *, reverse: bool = False) -> list[str]:
    return [there.key for there in store.list(prefix, reverse=reverse)]


def test_what_was_put_is_described_and_read_back(store: Store, tmp_path: Path) -> None:
    source, sha256 = file_of(b"evidence", tmp_path)

    stored = store.put_new(KEY, source, sha256)

    assert (stored.key, stored.length, stored.sha256) == (KEY, 8, sha256)
    assert store.head(KEY).length == 8
    assert store.head(KEY).sha256 in ("", sha256)
    assert get(store, KEY) == b"evidence"


def test_bytes_are_stored_as_a_file_is(store: Store, tmp_path: Path) -> None:
    sha256 = hashlib.sha256(b"evidence").hexdigest()

    stored = store.put_new(KEY, b"evidence", sha256)

    assert (stored.key, stored.length, stored.sha256) == (KEY, 8, sha256)
    assert get(store, KEY) == b"evidence"
    put(store, KEY, b"evidence", tmp_path)  # the same
    with pytest.raises(FileExistsError):
        store.put_new(KEY, b"other", hashlib.sha256(b"other").hexdigest())
    with pytest.raises(SnapshotterError, match="changed after their digest was computed"):
        store.put_new(f"{KEY}.proof", b"damaged", sha256)


def test_an_object_once_written_never_changes(store: Store, tmp_path: Path) -> None:
    put(store, KEY, b"first", tmp_path)

    with pytest.raises(FileExistsError):
        put(store, KEY, b"other", tmp_path)

    assert get(store, KEY) == b"first"


def test_the_same_bytes_again_succeed(store: Store, tmp_path: Path) -> None:
    put(store, KEY, b"first", tmp_path)
    put(store, KEY, b"first", tmp_path)

    assert get(store, KEY) == b"first"
    assert keys(store) == [KEY]


def test_an_empty_object_is_an_object(store: Store, tmp_path: Path) -> None:
    put(store, KEY, b"", tmp_path)

    assert store.head(KEY).length == 0
    assert get(store, KEY) == b""


def test_of_eight_processes_with_different_bytes_exactly_one_wins(
    place: Place, store: Store, tmp_path: Path
) -> None:
    contents = [bytes([65 + number]) * 300_000 for number in range(WRITERS)]

    answers = race(place, KEY, [file_of(content, tmp_path) for content in contents])

    assert sorted(answer.split()[0] for answer in answers) == ["refused"] * 7 + ["stored"]
    there = get(store, KEY)
    assert f"stored {hashlib.sha256(there).hexdigest()}" in answers
    assert there in contents


def test_eight_processes_with_the_same_bytes_all_succeed(
    place: Place, store: Store, tmp_path: Path
) -> None:
    source = file_of(b"same" * 100_000, tmp_path)

    answers = race(place, KEY, [source] * WRITERS)

    assert answers == [f"stored {source[1]}"] * WRITERS
    assert get(store, KEY) == b"same" * 100_000


def test_a_file_with_another_digest_is_refused_and_nothing_is_stored(
    store: Store, tmp_path: Path
) -> None:
    source, _ = file_of(b"damaged", tmp_path)

    with pytest.raises(SnapshotterError, match="changed after their digest was computed"):
        store.put_new(KEY, source, hashlib.sha256(b"whole").hexdigest())

    with pytest.raises(FileNotFoundError):
        store.head(KEY)
    assert keys(store) == []


@pytest.mark.parametrize("sha256", ["", "AB" * 32, "0" * 63, "é" * 64])
def test_what_is_no_digest_is_refused(store: Store, tmp_path: Path, sha256: str) -> None:
    with pytest.raises(ValueError, match="64 lower-case hexadecimal"):
        store.put_new(KEY, file_of(b"x", tmp_path)[0], sha256)


@in_one_test(
    "key",
    [
        "", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "../a", "a/./b", ".incoming/a",
        "a b", "a\nb", "a\0b", "a\\b", "a:b", "a?b", "a#b", "a%2fb", "a+b", "ä", "a/\u202eb",
        "証拠", "\ud800", "a" * 201, "/".join(["a" * 100] * 11),
    ],
)  # fmt: skip
def test_a_key_outside_the_alphabet_is_refused(store: Store, tmp_path: Path, key: str) -> None:
    source, sha256 = file_of(b"x", tmp_path)

    with pytest.raises(ValueError, match="is not a valid key"):
        store.put_new(key, source, sha256)
    with pytest.raises(ValueError, match="is not a valid key"):
        store.head(key)
    with pytest.raises(ValueError, match="is not a valid key"):
        store.open(key)


@pytest.mark.parametrize("key", ["a", "A=1/b@2/_c-d.e", "a/" + "b" * 200, "-a/=b"])
def test_every_key_of_the_alphabet_is_taken(store: Store, tmp_path: Path, key: str) -> None:
    put(store, key, b"x", tmp_path)

    assert get(store, key) == b"x"
    assert keys(store) == [key]


def test_what_is_missing_is_file_not_found(store: Store, tmp_path: Path) -> None:
    for _ in ("an empty store", "a store with a neighbour"):
        with pytest.raises(FileNotFoundError):
            store.head(KEY)
        with pytest.raises(FileNotFoundError):
            store.open(KEY)
        put(store, KEY + ".tlog-proof", b"x", tmp_path)


def test_an_open_object_can_be_read_from_anywhere(store: Store, tmp_path: Path) -> None:
    content = os.urandom(700_001)  # more than one range
    put(store, KEY, content, tmp_path)

    with store.open(KEY) as stream:
        assert stream.seekable()
        assert stream.seek(-22, os.SEEK_END) == 699_979
        assert stream.read() == content[-22:]
        assert stream.read(1) == b""
        assert stream.seek(5) == 5
        assert stream.read(300_000) == content[5:300_005]
        assert stream.seek(10, os.SEEK_CUR) == 300_015
        assert stream.read(1) == content[300_015:300_016]
        assert stream.tell() == 300_016
        stream.seek(0)
        assert stream.read() == content
        stream.seek(9_000_000)
        assert stream.read(1) == b""
        with pytest.raises((ValueError, OSError)):
            stream.seek(-1)
    with store.open(KEY) as stream:
        assert b"".join(iter(lambda: stream.read(100_000), b"")) == content


ORDER = [
    "a-b/x", "a.x", "a/b-c/x", "a/b/x", "a/b=/x", "a/c", "b/2025/12/31/x",
    "b/2026/01/01/x", "b/2026/01/01/x.y", "b/2026/11/24/x",
]  # fmt: skip


def test_objects_are_listed_in_key_order_and_in_reverse(store: Store, tmp_path: Path) -> None:
    for key in (ORDER[3:] + ORDER[:3])[::-1]:
        put(store, key, b"12", tmp_path)

    assert sorted(ORDER) == ORDER
    assert keys(store, reverse=True) == ORDER[::-1]
    assert keys(store) == ORDER
    assert {there.length for there in store.list()} == {2}


@pytest.mark.parametrize(
    "prefix", ["a", "a/", "a/b", "a/b/", "a/b/x", "b/2026/", "b/2026/01/01/x", "b/2026/1", "c"]
)
@pytest.mark.parametrize("reverse", [False, True])
def test_a_prefix_may_end_anywhere_in_a_key(
    store: Store, tmp_path: Path, prefix: str, reverse: bool
) -> None:
    for key in ORDER:
        put(store, key, b"x", tmp_path)

    wanted = [key for key in ORDER if key.startswith(prefix)]
    assert keys(store, prefix, reverse=reverse) == (wanted[::-1] if reverse else wanted)


@pytest.mark.parametrize("prefix", ["/", "../", "a//", "ä"])
def test_a_prefix_of_no_key_is_refused(store: Store, prefix: str) -> None:
    with pytest.raises(ValueError, match="is not the beginning of a valid key"):
        store.list(prefix)


def test_an_empty_store_lists_nothing(store: Store) -> None:
    assert keys(store) == []
    assert keys(store, "bundles/", reverse=True) == []


def test_listing_the_newest_does_not_read_the_older_days(store: Store, tmp_path: Path) -> None:
    put(store, "b/2026/11/24/x", b"x", tmp_path)
    put(store, "b/2026/11/01/x", b"x", tmp_path)
    listing = store.list("b/", reverse=True)

    assert [there.key for there in islice(listing, 1)] == ["b/2026/11/24/x"]

    # What is added to an older day now is seen when the listing comes there.
    put(store, "b/2026/11/01/y", b"x", tmp_path)
    assert [there.key for there in listing] == ["b/2026/11/01/y", "b/2026/11/01/x"]


def test_a_writer_killed_in_mid_write_leaves_no_half_object(
    place: Place, store: Store, tmp_path: Path
) -> None:
    content = os.urandom(24 << 20)
    put(store, "a/first", b"x", tmp_path)  # the store is there

    kill_in_mid_write(place, KEY, content, tmp_path)

    with pytest.raises(FileNotFoundError):
        store.open(KEY)
    assert keys(store) == ["a/first"]
    put(store, KEY, content, tmp_path)
    assert get(store, KEY) == content
