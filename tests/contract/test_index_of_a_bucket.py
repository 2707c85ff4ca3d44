"""Two machines with an index each, at one bucket: what one adds, the other one sees."""

import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from snapshotter.app.archive.lookup.object_ids import indexed_ids, resolve
from snapshotter.formats.bundle import store_keys
from snapshotter.formats.digest import digest_bytes
from snapshotter.index.open_index import open_index_file
from snapshotter.index.store_index import Index
from snapshotter.index.values import BundleSummary, IndexSyncResult, VerdictSource
from snapshotter.store.s3 import S3Store
from tests.contract.stores import Place
from tests.servers.seaweedfs import SeaweedFS

pytestmark = pytest.mark.xdist_group("seaweedfs")

NOW = datetime(2026, 11, 30, 9, tzinfo=UTC)
DAYS = [f"2026{month:02}{day:02}" for month in (3, 7, 11) for day in (2, 9, 16, 23)]
OLD = f"{DAYS[0]}t080000z-k3v4q2m7xw4c5b6d"
NEW = "20261130t080000z-abcdefghabcdefgh"
NOTHING = IndexSyncResult(read=0, removed=0)


class Machine:
    """A machine with an index of its own, which counts the listings that it asks for."""

    def __init__(self, store: S3Store, index: Index) -> None:
        self.store, self.index, self.listings = store, index, 0
        client = store._bucket.client
        client.meta.events.register("before-send.s3.ListObjectsV2", self._count)

    def _count(self, **call: object) -> None:
        self.listings += 1

    def put(self, key: str, data: bytes = b"no bundle") -> None:
        self.store.put_new(key, data, digest_bytes(data).sha256)

    def sync(self, now: datetime | None) -> tuple[IndexSyncResult, int]:
        """Return the result, and the number of listings."""
        before = self.listings
        result = self.index.sync(
            self.store, _read, listed_stamps=self.store.folder_stamps, until=now
        )
        return result, self.listings - before


def _read(key: str, sidecars: tuple[str, ...]) -> BundleSummary:
    return BundleSummary(verdict_source=VerdictSource.UNREADABLE, problem="not a bundle")


@pytest.fixture
def machines(seaweedfs: SeaweedFS, tmp_path: Path) -> Iterator[tuple[Machine, Machine]]:
    place = Place(
        bucket="plain", prefix=f"i/{secrets.token_hex(6)}", endpoint_url=seaweedfs.endpoint_url
    )
    with ExitStack() as stack:
        opened = []
        for name in "ab":
            store = place.open()
            assert isinstance(store, S3Store)
            stack.callback(store.close)
            index = stack.enter_context(open_index_file(tmp_path / name / "index.db"))
            opened.append(Machine(store, index))
        yield opened[0], opened[1]


def test_what_a_machine_adds_to_old_days_is_seen_by_others_after_a_minute(
    machines: tuple[Machine, Machine],
) -> None:
    one, other = machines
    ids = [f"{day}t080000z-{'abcdefgh' * 2}" for day in DAYS]
    for bundle_id in (*ids, NEW):
        one.put(store_keys.bundle_key(bundle_id))
        one.put(store_keys.sidecar_key(store_keys.bundle_key(bundle_id), "custody-0001.jsonl"))
    assert other.sync(NOW) == (IndexSyncResult(read=13, removed=0), 1 + 13)

    hold = store_keys.sidecar_key(store_keys.bundle_key(ids[3]), "hold-0001.json")
    one.put(hold)
    one.put(store_keys.bundle_key(OLD))
    one.store.delete(store_keys.bundle_key(ids[5]), now=NOW)
    new = NEW.replace("t08", "t09")
    one.put(store_keys.bundle_key(new))

    soon = other.sync(NOW + timedelta(seconds=59))
    assert soon == (IndexSyncResult(read=1, removed=0), 3), "the new capture is seen at once"
    later = other.sync(NOW + timedelta(seconds=61))
    # One listing of everything, and one of each day that changed.
    assert later == (IndexSyncResult(read=2, removed=1), 1 + 4)
    assert other.sync(NOW + timedelta(seconds=100)) == (NOTHING, 3)
    assert other.sync(NOW - timedelta(hours=1))[0] == NOTHING
    assert other.sync(None) == (NOTHING, 1)
    found = [row.bundle_id for row in other.index.rows()]
    assert found == sorted({*ids, OLD, NEW, new} - {ids[5]})
    assert other.index.sidecar_kinds([ids[3]])[ids[3]] == ("custody-0001.jsonl", "hold-0001.json")
    assert one.sync(None)[0] == IndexSyncResult(read=14, removed=0)
    assert list(one.index.rows()) == list(other.index.rows())


def test_a_part_of_an_id_lists_the_newest_days_and_not_the_bucket(
    machines: tuple[Machine, Machine],
) -> None:
    one, other = machines
    for bundle_id in (OLD, NEW):
        one.put(store_keys.bundle_key(bundle_id))
    other.sync(NOW)
    other.listings = 0
    newest = NEW.replace("abcd", "k3v4")
    one.put(store_keys.bundle_key(newest))
    assert "bundles/" not in other.index.newest_days(NOW)

    def found(part: str) -> str:
        parts = indexed_ids(other.index, other.store, other.index.newest_days(NOW))
        return resolve(other.store, part, bundles_with_part=parts)

    assert (found("k3v4q"), found("w4c5b6d"), found("k3v4e")) == (OLD, OLD, newest)
    assert other.listings == 9, "three days for each part"
    one.put(store_keys.bundle_key(OLD.replace("k3v4", "zzzz")))
    assert found("zzzz").startswith(DAYS[0]), "an id that is not in the index is listed"
