"""The index of a store: it can be lost, and is made again."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.formats.bundle import store_keys
from snapshotter.index.open_index import open_index_file
from snapshotter.index.store_index import Index
from snapshotter.index.values import BundleFacts, BundleSummary, IndexSyncResult, VerdictSource
from snapshotter.model.assessment import Availability, Content
from snapshotter.model.bundle import StoredObject
from snapshotter.model.takedown import Observation
from snapshotter.store.filesystem import DirectoryStore
from tests.observed import at

IDS = [f"20260527t0800{number:02}z-{'abcdefgh' * 2}" for number in range(10)]


def seen(number: int, **more: object) -> Observation:
    observation = Observation(
        bundle_id=IDS[number],
        sha256=f"{number:064}",
        identity="//example.test/page",
        url="http://example.test/page",
        at=at(number),
        began_at=at(number),
        content=Content.CONTENT,
        availability=Availability.AVAILABLE,
        key_id="0" * 64,
    )
    return replace(observation, **more)  # type: ignore[arg-type]  # what a test wants otherwise


@dataclass
class Shelf:
    """A store of objects that are no bundles, and what a reader finds in them."""

    folder: Path
    known: dict[str, BundleSummary] = field(default_factory=dict)
    reads: list[str] = field(default_factory=list)

    @property
    def store(self) -> DirectoryStore:
        return DirectoryStore(self.folder / "store")

    @property
    def path(self) -> Path:
        return self.folder / "index.db"

    def open(self) -> Index:
        return open_index_file(self.path)

    def add(self, number: int, stated: str = "", **more: object) -> None:
        key = store_keys.bundle_key(IDS[number])
        self.put(key, b"a bundle")
        found = seen(number, **more)
        self.known[key] = BundleSummary(
            verdict_source=VerdictSource.ASSESSED, observation=found, stated=stated
        )

    def put(self, key: str, data: bytes) -> None:
        target = self.folder / "store" / key
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)

    def read(self, key: str, tokens: tuple[str, ...]) -> BundleSummary:
        self.reads.append(key)
        return self.known[key]

    def sync(self, index: Index) -> IndexSyncResult:
        return index.sync(self.store, self.read)

    def ids(self, **wanted: str) -> list[str]:
        with self.open() as index:
            self.sync(index)
            return [row.bundle_id for row in index.rows(**wanted)]  # type: ignore[arg-type]


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


@pytest.fixture
def index(shelf: Shelf) -> Iterator[Index]:
    with shelf.open() as opened:
        yield opened


def test_a_look_reads_what_is_new_and_nothing_twice(shelf: Shelf, index: Index) -> None:
    for number in range(3):
        shelf.add(number)
    assert shelf.sync(index) == IndexSyncResult(read=3, removed=0)

    shelf.add(3)

    assert shelf.sync(index) == IndexSyncResult(read=1, removed=0)
    assert shelf.reads == [store_keys.bundle_key(bundle_id) for bundle_id in IDS[:4]]
    assert [row.observation for row in index.rows()] == [seen(number) for number in range(4)]


def test_what_the_store_does_not_list_any_more_is_forgotten(shelf: Shelf, index: Index) -> None:
    for number in range(5):
        shelf.add(number)
    shelf.sync(index)
    for number in (0, 2, 4):
        (shelf.folder / "store" / store_keys.bundle_key(IDS[number])).unlink()

    assert shelf.sync(index) == IndexSyncResult(read=0, removed=3)
    assert [row.bundle_id for row in index.rows()] == [IDS[1], IDS[3]]


def test_a_late_token_lets_its_bundle_be_read_again(shelf: Shelf, index: Index) -> None:
    shelf.add(0)
    shelf.add(1)
    shelf.sync(index)
    shelf.put(f"{store_keys.bundle_key(IDS[1])}.late-01.tsr", b"a token")
    shelf.put(f"{store_keys.bundle_key(IDS[0])}.tlog-proof", b"says nothing of times")
    shelf.reads.clear()

    assert shelf.sync(index).read == 1
    assert shelf.reads == [store_keys.bundle_key(IDS[1])]


def test_a_quick_look_is_into_the_newest_days_and_a_whole_one_finds_the_rest(
    shelf: Shelf, index: Index
) -> None:
    shelf.add(0)
    shelf.sync(index)
    for day in (20, 26, 28):
        name = f"202605{day}t080000z-{'abcdefgh' * 2}"
        shelf.put(store_keys.bundle_key(name), b"a bundle")
        shelf.known[store_keys.bundle_key(name)] = BundleSummary(
            verdict_source=VerdictSource.ASSESSED, observation=seen(1, bundle_id=name)
        )
    shelf.reads.clear()
    now = at(26 * 60)

    assert index.sync(shelf.store, shelf.read, until=now) == IndexSyncResult(read=2, removed=0)
    assert [key.rpartition("/")[2][:8] for key in shelf.reads] == ["20260526", "20260528"]
    assert index.sync(shelf.store, shelf.read, until=now) == IndexSyncResult(read=0, removed=0)
    assert shelf.sync(index) == IndexSyncResult(read=1, removed=0)
    # Far from the newest row all of it is looked at.
    assert index.sync(shelf.store, shelf.read, until=at(60 * 24 * 60)).read == 0


def test_a_store_without_stamps_is_listed_whole_after_a_time(shelf: Shelf, index: Index) -> None:
    shelf.add(0)
    shelf.sync(index)
    old = f"20260520t080000z-{'abcdefgh' * 2}"

    def found(minutes: float) -> IndexSyncResult:
        return index.sync(shelf.store, shelf.read, until=at(minutes))

    nothing = IndexSyncResult(read=0, removed=0)
    assert found(0) == nothing
    shelf.put(store_keys.bundle_key(old), b"a bundle")
    shelf.known[store_keys.bundle_key(old)] = shelf.known[store_keys.bundle_key(IDS[0])]
    assert found(0.9) == nothing
    assert found(1.1) == IndexSyncResult(read=1, removed=0)
    (shelf.folder / "store" / store_keys.bundle_key(old)).unlink()
    assert found(1.2) == nothing
    assert found(1) == IndexSyncResult(read=0, removed=1), "the clock was set back"

    # A second for 25 bundles.
    bundle = index.database.rows("SELECT * FROM bundle")[0]
    with index.database.writing():
        index.database.execute_many(
            f"INSERT INTO bundle VALUES ({', '.join('?' * len(bundle))})",  # noqa: S608
            [
                (store_keys.bundle_key(f"20200101t00{number:04}z-{letter * 16}"), *bundle[1:])
                for number in range(1000)
                if number % 100 < 60
                for letter in "abcdefgh"
            ],
        )
    assert found(4.1) == nothing
    assert found(4.3) == IndexSyncResult(read=0, removed=4_800)


def test_only_folders_that_changed_are_listed(
    shelf: Shelf, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = list[str]()
    stamps = {"bundles/2026/05/27/": "1", "bundles/2026/05/28/": "1"}
    store = shelf.store
    whole = store.list

    def listing(prefix: str) -> Iterator[StoredObject]:
        listed.append(prefix)
        return whole(prefix)

    monkeypatch.setattr(store, "list", listing)

    def synced() -> tuple[list[str], IndexSyncResult]:
        listed.clear()
        result = index.sync(store, shelf.read, stamps=lambda prefix, depth: stamps)
        return [prefix.removeprefix("bundles/2026/05/") for prefix in listed], result

    shelf.add(0)
    assert synced() == (["27/", "28/"], IndexSyncResult(read=1, removed=0))
    assert synced() == ([], IndexSyncResult(read=0, removed=0))

    shelf.add(1)
    stamps["bundles/2026/05/27/"] = "2"
    assert synced() == (["27/"], IndexSyncResult(read=1, removed=0))

    stamps["bundles/2026/05/28/"] = ""  # it changed so recently that this is not certain
    assert synced()[0] == ["28/"]
    assert synced()[0] == ["28/"]

    index.mark_outdated()
    shutil.rmtree(shelf.folder / "store")
    stamps.clear()
    assert synced() == (["27/", "28/"], IndexSyncResult(read=0, removed=2))
    assert synced() == ([], IndexSyncResult(read=0, removed=0))


def test_rows_come_in_the_order_of_the_captures_and_are_found_by_what_they_are_of(
    shelf: Shelf,
) -> None:
    shelf.add(0, at=at(9))  # it began first, and ended last
    shelf.add(1, identity="//example.test/other", url="http://example.test/other")
    shelf.add(2, account="weibo-user:7")

    assert shelf.ids() == [IDS[1], IDS[2], IDS[0]]
    assert shelf.ids(identity="//example.test/page") == [IDS[2], IDS[0]]
    assert shelf.ids(url="http://example.test/other") == [IDS[1]]
    assert shelf.ids(account="weibo-user:7") == [IDS[2]]
    with shelf.open() as index:
        assert [row.bundle_id for row in index.rows(since=at(2), until=at(9))] == [IDS[2]]
        assert index.identities() == ("//example.test/other", "//example.test/page")
        assert index.identities(account="weibo-user:7") == ("//example.test/page",)


def test_one_capture_says_for_all_which_page_a_short_link_leads_to(shelf: Shelf) -> None:
    shelf.add(0, identity="wechat-short:AbC", stated="wechat:Mz/1/1")
    shelf.add(1, identity="wechat-short:AbC")  # a notice, which names no page
    shelf.add(2, identity="wechat:Mz/1/1")
    shelf.add(3, identity="wechat-short:DeF")

    assert shelf.ids(identity="wechat:Mz/1/1") == IDS[:3]
    assert shelf.ids(identity="wechat-short:AbC") == IDS[:3]
    assert shelf.ids(account="wechat:Mz") == IDS[:2]
    with shelf.open() as index:
        found = [row.observation.identity for row in index.rows() if row.observation]
        assert found == ["wechat:Mz/1/1"] * 3 + ["wechat-short:DeF"]
        assert index.identities() == ("wechat-short:DeF", "wechat:Mz/1/1")


def test_of_two_pages_that_one_link_is_said_to_lead_to_neither_is_believed(shelf: Shelf) -> None:
    shelf.add(0, identity="wechat-short:AbC", stated="wechat:Mz/1/1")
    shelf.add(1, identity="wechat-short:AbC", stated="wechat:Mz/2/1")

    assert shelf.ids(identity="wechat:Mz/1/1") == []
    assert shelf.ids(identity="wechat-short:AbC") == IDS[:2]


def test_what_can_not_be_read_or_judged_is_listed_as_such(shelf: Shelf, index: Index) -> None:
    keys = [store_keys.bundle_key(bundle_id) for bundle_id in IDS[:2]]
    for key in keys:
        shelf.put(key, b"x")
    shelf.known[keys[0]] = BundleSummary(
        verdict_source=VerdictSource.UNREADABLE, problem="no bundle"
    )
    shelf.known[keys[1]] = BundleSummary(
        verdict_source=VerdictSource.UNASSESSED, problem="old", asked="//example.test/page", url="u"
    )
    shelf.sync(index)

    found = [(row.verdict_source, row.problem, row.observation) for row in index.rows()]
    assert found == [
        (VerdictSource.UNREADABLE, "no bundle", None),
        (VerdictSource.UNASSESSED, "old", None),
    ]
    assert [row.bundle_id for row in index.rows(identity="//example.test/page")] == [IDS[1]]
    assert index.count_by_verdict_source() == {
        VerdictSource.UNREADABLE: 1,
        VerdictSource.UNASSESSED: 1,
    }


@pytest.mark.parametrize("ruin", [b"no database at all" * 100, None], ids=["other", "lost"])
def test_a_file_that_is_ruined_or_lost_is_made_again(shelf: Shelf, ruin: bytes | None) -> None:
    shelf.add(0)
    assert shelf.ids() == IDS[:1]

    if ruin is None:
        shelf.path.unlink()
    else:
        shelf.path.write_bytes(ruin)

    assert shelf.ids() == IDS[:1]
    assert len(shelf.reads) == 2


def test_a_file_that_is_ruined_behind_its_beginning_is_made_again_by_the_next(
    shelf: Shelf,
) -> None:
    shelf.add(0)
    assert shelf.ids() == IDS[:1]
    with shelf.open() as index:
        ((page,),) = index.database.rows("SELECT rootpage FROM sqlite_master WHERE name = 'bundle'")
    whole = bytearray(shelf.path.read_bytes())
    begin, end = (page - 1) * 4096, page * 4096
    whole[begin:end] = bytes(~byte & 0xFF for byte in whole[begin:end])
    shelf.path.write_bytes(whole)

    with pytest.raises(SnapshotterError, match="is damaged and was deleted"):
        shelf.ids()

    assert shelf.ids() == IDS[:1]
    assert len(shelf.reads) == 2


def test_a_store_that_stops_answering_leaves_what_was_read(
    shelf: Shelf, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("snapshotter.index.sync._BATCH", 2)
    for number in range(5):
        shelf.add(number)
    store, read = shelf.store, shelf.read

    def failing(key: str, tokens: tuple[str, ...]) -> BundleSummary:
        if key == store_keys.bundle_key(IDS[3]):
            raise ServiceUnavailable("the store is down")
        return read(key, tokens)

    with pytest.raises(ServiceUnavailable):
        index.sync(store, failing)
    assert [row.bundle_id for row in index.rows()] == IDS[:2]

    assert shelf.sync(index).read == 3
    assert [row.bundle_id for row in index.rows()] == IDS[:5]


def test_two_at_once_write_the_same_rows(shelf: Shelf) -> None:
    for number in range(10):
        shelf.add(number)
    both = threading.Barrier(2, timeout=60)
    ended: list[int] = []

    def work() -> None:
        with shelf.open() as index:
            both.wait()
            shelf.sync(index)
            ended.append(len(list(index.rows())))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert ended == [10, 10]


def test_a_catalog_that_others_hold_for_long_is_tried_again_later(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.add(0)
    monkeypatch.setattr("snapshotter.index.sqlite_database._WAIT_S", 0.0)
    with shelf.open() as mine, shelf.open() as theirs:
        theirs.database.execute("BEGIN IMMEDIATE")

        with pytest.raises(ServiceUnavailable, match="in use by another process"):
            shelf.sync(mine)


def test_a_place_that_can_not_be_written_is_told(shelf: Shelf) -> None:
    (shelf.folder / "file").write_bytes(b"")
    with pytest.raises(SnapshotterError, match="cannot be created"):
        open_index_file(shelf.folder / "file" / "index.db")
    (shelf.folder / "directory").mkdir()
    with pytest.raises(SnapshotterError, match="cannot be used"):
        open_index_file(shelf.folder / "directory")


def test_one_bundle_is_found_by_its_id(shelf: Shelf, index: Index) -> None:
    shelf.add(0)
    shelf.put("bundles/2026/05/27/notes.txt", b"not ours")
    shelf.sync(index)

    found = index.row(IDS[0])

    assert found is not None
    assert found.observation == seen(0)
    assert index.row(IDS[1]) is None


_KILLED = """
import os, signal, sys
from pathlib import Path
from snapshotter.index import sync
from snapshotter.index.open_index import open_index_file
from tests.unit.index.test_store_index import Shelf, IDS
from snapshotter.formats.bundle import store_keys

sync._BATCH = 2
shelf = Shelf(Path(sys.argv[1]))
for number in range(6):
    shelf.add(number)

def read(key, tokens):
    if key == store_keys.bundle_key(IDS[5]):
        opened.database.execute("BEGIN IMMEDIATE")
        opened.database.execute("DELETE FROM bundle")
        os.kill(os.getpid(), signal.SIGKILL)
    return shelf.known[key]

opened = open_index_file(shelf.path)
opened.sync(shelf.store, read)
"""


def _run_killed(shelf: Shelf) -> int:
    """Sync in a process that kills itself before the last of six bundles; return how it ended."""
    root = Path(__file__).resolve().parents[3]
    died = subprocess.run(
        [sys.executable, "-c", _KILLED, str(shelf.folder)],
        check=False,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    return died.returncode


def test_a_rebuild_that_is_killed_is_completed_by_the_next_sync(shelf: Shelf) -> None:
    for number in range(6):
        shelf.add(number)
    assert shelf.ids() == IDS[:6]
    with shelf.open() as index:
        before = index.database.rows("SELECT * FROM bundle ORDER BY key")
        index.mark_outdated()
    died = _run_killed(shelf)
    assert died == -signal.SIGKILL

    with shelf.open() as index:
        assert [row.bundle_id for row in index.rows()] == IDS[:6]
        assert shelf.sync(index).read == 2
        assert index.database.rows("SELECT * FROM bundle ORDER BY key") == before


def test_a_process_that_is_killed_leaves_what_it_had_finished(shelf: Shelf) -> None:
    assert _run_killed(shelf) == -signal.SIGKILL
    for number in range(6):
        shelf.add(number)

    with shelf.open() as index:
        assert [row.bundle_id for row in index.rows()] == IDS[:4]
        assert shelf.sync(index).read == 2
        assert [row.bundle_id for row in index.rows()] == IDS[:6]


def test_candidates_have_the_host_or_the_verdict_and_come_newest_first(
    shelf: Shelf, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("snapshotter.index.store_index._PAGE", 2)
    for number, (url, final_url) in enumerate(
        [
            ("http://example.test/page", ""),
            ("http://example.test:8080/page", ""),
            ("http://short.test/1", "https://Example.test/page"),
            ("http://example.test.other/", ""),
            ("http://short.test/2", "https://me@example.test:444/"),
        ]
    ):
        shelf.add(number, url=url, content=Content.NOTICE if number % 2 else Content.CONTENT)
        key = store_keys.bundle_key(IDS[number])
        shelf.known[key] = replace(shelf.known[key], facts=BundleFacts(final_url=final_url))
    shelf.sync(index)

    def found(host: str = "", *verdicts: str) -> list[int]:
        return [IDS.index(one) for one in index.candidates(host=host, verdicts=verdicts)]

    assert found() == [4, 3, 2, 1, 0]
    assert found("EXAMPLE.test") == [4, 2, 1, 0]
    assert found("example.test:8080") == [1]
    assert found("", "notice") == [3, 1]
    assert found("", "available", "notice") == [4, 3, 2, 1, 0]
    assert found("example.test", "notice") == [1]
    assert found("example.test", "unavailable") == []
