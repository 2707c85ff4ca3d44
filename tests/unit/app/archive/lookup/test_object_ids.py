"""Which bundle or event a person means by a part of its id."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typing_extensions import override

from snapshotter.app.archive.lookup.object_ids import (
    BUNDLES,
    EITHER,
    EVENTS,
    AmbiguousId,
    NoSuchId,
    ObjectKind,
    choose,
    indexed_ids,
    may_be_part,
    resolve,
)
from snapshotter.errors import SnapshotterError
from snapshotter.formats.bundle import store_keys
from snapshotter.index.open_index import open_index_file
from snapshotter.index.values import BundleSummary, VerdictSource
from snapshotter.model.bundle import StoredObject
from snapshotter.store.filesystem import DirectoryStore

FIRST = "20261124t160642z-aaaaaaaaaaaak3v4"
SECOND = "20261124t171500z-bbbbbbbbbbbbk3v5"
THIRD = "20261201t000000z-ccccccccccccc3v4"
EVENT = "20261202t000000z-ddddddddddddd2d2"
ALL = (FIRST, SECOND, THIRD)


class _CountingStore(DirectoryStore):
    """Counts the objects that were listed."""

    listed = 0

    @override
    def list(self, prefix: str = "", *, reverse: bool = False) -> Iterator[StoredObject]:
        for found in super().list(prefix, reverse=reverse):
            self.listed += 1
            yield found


@pytest.fixture
def store(tmp_path: Path) -> _CountingStore:
    keys = [store_keys.bundle_key(bundle_id) for bundle_id in ALL]
    keys += [f"{keys[0]}.late-01.tsr", f"{keys[0]}.custody-0001.jsonl"]
    for key in (*keys, store_keys.takedown_key(EVENT)):
        path = tmp_path / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"no bundle")
    return _CountingStore(tmp_path)


def test_a_part_of_an_id_finds_the_one_id_that_has_it(store: _CountingStore) -> None:
    found = {
        text: resolve(store, text)
        for text in (
            FIRST, "20261124t16", f"{FIRST[:-1]}", "k3v4", "aaak3v4",
            f"z-{FIRST[-16:]}", "latest", "202612", "2026120", "aaaa", "aaaaaaaaaaaak3v", "cccc",
        )
    }  # fmt: skip

    assert found == {
        **dict.fromkeys(found, FIRST),
        "latest": THIRD,
        "202612": THIRD,
        "2026120": THIRD,
        "cccc": THIRD,
    }


def test_a_part_that_begins_one_id_and_ends_another_is_ambiguous(
    store: _CountingStore, tmp_path: Path
) -> None:
    both = "20261203t000000z-k3v4eeeeeeeeeeee"
    path = tmp_path / store_keys.bundle_key(both)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no bundle")

    with pytest.raises(AmbiguousId) as caught:
        resolve(store, "k3v4")

    assert caught.value.exit_code == 2
    assert [line.split()[0] for line in caught.value.message.split("\n")[1:]] == [both, FIRST]


def test_events_are_found_where_events_are_wanted(store: _CountingStore) -> None:
    assert resolve(store, "d2d2", EVENTS) == resolve(store, "20261202", EITHER) == EVENT
    assert resolve(store, "latest", EVENTS) == EVENT
    assert resolve(store, "latest", EITHER) == THIRD
    with pytest.raises(NoSuchId):
        resolve(store, "d2d2", BUNDLES)


def test_gaps_and_audit_reports_have_ids_of_their_own(
    store: _CountingStore, tmp_path: Path
) -> None:
    for kind, key in (
        (ObjectKind.GAP, store_keys.gap_key(EVENT)),
        (ObjectKind.AUDIT, store_keys.report_key(EVENT)),
    ):
        with pytest.raises(NoSuchId):
            resolve(store, "d2d2", (kind,))
        (tmp_path / key).parent.mkdir(parents=True)
        (tmp_path / key).write_bytes(b"a record")
        assert resolve(store, "d2d2", (kind,)) == resolve(store, "latest", (kind,)) == EVENT


def test_a_part_of_several_ids_names_them_with_their_times(store: _CountingStore) -> None:
    with pytest.raises(AmbiguousId) as caught:
        resolve(store, "20261124")

    assert caught.value.exit_code == 2
    lines = caught.value.message.split("\n")
    assert [line.split()[0] for line in lines[1:]] == [SECOND, FIRST]
    assert "2026-11-24 16:06:42 UTC" in lines[2]
    with pytest.raises(AmbiguousId):
        resolve(store, "2026")


def test_a_whole_id_and_a_beginning_list_no_more_than_they_need(store: _CountingStore) -> None:
    missing = "20200101t000000z-abcdefghijklmnop"
    assert resolve(store, missing) == missing
    assert store.listed == 0

    assert resolve(store, "20261201t") == THIRD

    assert store.listed == 1


def test_what_is_no_part_of_an_id_is_an_error(store: _CountingStore) -> None:
    texts = (
        "k3v",
        "",
        "a8b9",
        "2026-11-24",
        "exhibit_7",
        "20261324tx",
        "z-k3v4",
        "20261124T16",
        "٢٠٢٦",
    )

    assert not any(map(may_be_part, texts))
    for text in texts:
        with pytest.raises(SnapshotterError, match="not a part of an id"):
            resolve(store, text)
    with pytest.raises(NoSuchId, match=r"has the part zzzz\. A part is the beginning of an id, "):
        resolve(store, "zzzz")
    for kinds, commands in {
        BUNDLES: ["snapshotter list"],
        (ObjectKind.EVENT,): ["snapshotter takedown list"],
        EITHER: ["snapshotter list", "snapshotter takedown list"],
    }.items():
        with pytest.raises(NoSuchId) as caught:
            resolve(store, "zzzz", kinds)
        assert caught.value.hint.split("\n  ")[1:] == commands


def test_latest_of_an_empty_store_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NoSuchId, match="contains no bundle yet"):
        resolve(DirectoryStore(tmp_path / "none"), "latest")


def test_of_a_short_list_the_one_with_the_part_is_chosen() -> None:
    jobs = {"job-one": "http://a/", "job-two": "http://b/"}

    assert choose("job-one", jobs) == "job-one"
    assert choose("none", {}) == "none"
    assert choose("-one", {"job-one": "http://a/"}) == "job-one"
    with pytest.raises(AmbiguousId, match="http://b/"):
        choose("job-", jobs)


def test_a_random_part_lists_only_folders_that_changed_since_the_index_was_made(
    store: _CountingStore, tmp_path: Path
) -> None:
    def stamps(prefix: str, depth: int) -> dict[str, str]:
        return store.folder_stamps(prefix, depth, now=datetime.now(UTC) + timedelta(hours=1))

    def unreadable(key: str, sidecars: tuple[str, ...]) -> BundleSummary:
        return BundleSummary(verdict_source=VerdictSource.UNREADABLE, problem="not a bundle")

    def found(end: str) -> str:
        parts = indexed_ids(index, store, index.changed_folders(stamps("bundles/", 3)))
        return resolve(store, end, bundles_with_part=parts)

    with open_index_file(tmp_path / "index.db") as index:
        index.sync(store, unreadable, stamps=stamps)
        store.listed = 0
        assert (found("ak3v4"), found("k3v5"), store.listed) == (FIRST, SECOND, 0)
        assert (found("aaaa"), found("bbbbb"), store.listed) == (FIRST, SECOND, 0)

        new = "20261201t000001z-cccccccccccck3v5"
        (tmp_path / store_keys.bundle_key(new)).write_bytes(b"no bundle")
        with pytest.raises(AmbiguousId, match=new):
            found("k3v5")
        assert store.listed == 2, "one day was listed, and not the others"
        assert found("cck3v5") == new

        (tmp_path / store_keys.bundle_key(SECOND)).unlink()
        assert found("ak3v4") == FIRST
        with pytest.raises(NoSuchId):
            found("bk3v5")

        stone = tmp_path / f"{store_keys.bundle_key(SECOND)}.tombstone.json"
        stone.write_bytes(b"a tombstone")
        index.sync(store, unreadable, stamps=stamps)
        assert found("bk3v5") == SECOND, "what remains of an erased bundle is found as well"
