"""A batch: every row once, whatever ends a run, and nothing lost of what was in the table."""

import csv
import json
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from snapshotter.app.batch import open_batch, output
from snapshotter.app.batch.journal import Journal
from snapshotter.app.batch.plan import BatchPlan
from snapshotter.app.batch.run import RunResult
from snapshotter.app.batch.state import BatchState
from snapshotter.app.machine import RandomIds
from snapshotter.errors import PolicyRefused, ServiceUnavailable, SnapshotterError
from snapshotter.model.bundle import Retention, StoredObject
from snapshotter.model.request import Decision
from snapshotter.ports import Content
from snapshotter.seal.signer import FileSigner
from snapshotter.store.filesystem import DirectoryStore
from tests import bundles
from tests.fakes.world import START, FixedClock
from tests.unit.app.batch.batches import RULES, Bench, Pages, die

ROOT = Path(__file__).resolve().parents[4]
URLS = tuple(f"http://{host}.example/{page}" for page in (1, 2) for host in ("a", "b"))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Four pages on two hosts, each with a remark."""
    made = Bench(tmp_path)
    fill(made, *(f"{url},remark {number}" for number, url in enumerate(URLS)))
    return made


def fill(bench: Bench, *rows: str, header: str = "url,note") -> None:
    bench.table.write_text("\n".join((header, *rows)) + "\n")


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def column(bench: Bench, name: str) -> list[str]:
    return [row[name] for row in rows(bench.done)]


# The ordinary way ------------------------------------------------------------------------


def test_each_row_gets_its_bundle_and_keeps_its_cells_and_its_place(bench: Bench) -> None:
    watcher = bench.run(Pages())

    done = rows(bench.done)
    assert [row["url"] for row in done] == list(URLS)
    assert [row["note"] for row in done] == [f"remark {number}" for number in range(4)]
    assert [row["status"] for row in done] == ["done"] * 4
    assert [row["outcome"] for row in done] == ["complete"] * 4
    assert sorted(row["bundle_id"] for row in done) == bench.bundles()
    assert len({row["sha256"] for row in done}) == 4
    assert all(Path(row["location"]).is_file() for row in done)
    assert done[0]["title"] == "'=page 1", "a title is no formula"
    assert sorted(watcher.over) == [(number, "done") for number in range(1, 5)]


def test_hosts_are_visited_as_they_allow_and_not_in_the_order_of_the_table(bench: Bench) -> None:
    fill(bench, *(f"{url}," for url in (URLS[0], URLS[2], URLS[1], URLS[3])))
    pages, waited = Pages(), bench.run(Pages()).waited

    assert waited, "two visits of one host have time between them"
    bench.run(pages, restart=True)
    assert pages.visited == list(URLS), "the other host's turn comes while one rests"


def test_a_batch_that_is_over_visits_nothing_again(bench: Bench) -> None:
    bench.run(Pages())
    before, pages = bench.done.read_bytes(), Pages()

    bench.run(pages)

    assert pages.visited == []
    assert bench.done.read_bytes() == before


def test_the_table_itself_is_never_touched(bench: Bench) -> None:
    before = bench.table.read_bytes()

    with pytest.raises(SnapshotterError, match="is the table itself"):
        bench.run(Pages(), out=bench.table)
    bench.run(Pages())

    assert bench.table.read_bytes() == before


def test_a_row_that_can_not_be_captured_is_its_own_error_and_holds_up_no_other(
    bench: Bench,
) -> None:
    fill(bench, "ftp://a.example/,", ",no address", f"{URLS[0]},", f"{URLS[1]},", "  ,  ",
         header="url,policy")  # fmt: skip
    bench.table.write_text(bench.table.read_text().replace(f"{URLS[1]},", f"{URLS[1]},nonsense"))

    def decide(name: str, _: str) -> Decision:
        if name == "nonsense":
            raise SnapshotterError("the policy nonsense does not exist", hint="another")
        return bundles.decision()

    counts = []
    bench.run(Pages(), decide=decide, then=lambda book, _: counts.append(book.counts()))

    assert column(bench, "status") == ["failed", "failed", "done", "failed", ""]
    assert column(bench, "error") == [
        "only http and https URLs are captured, not 'ftp://a.example/'",
        "the column url has no address in this row",
        "",
        "the policy nonsense does not exist",
        "",
    ]
    assert column(bench, "hint")[3] == "another"
    assert (counts[0].exit_code, counts[0].left, counts[0].handled) == (1, 0, 1)


def test_rows_name_their_own_policies_and_tags(bench: Bench) -> None:
    fill(bench, f"{URLS[0]},slow,a;b", f"{URLS[1]},,", header="url,policy,tags")
    pages = Pages()
    tags: list[tuple[str, ...]] = []

    bench.run(pages, then=lambda book, _: tags.extend(entry.tags for entry in book.plan.entries))

    assert pages.policies == ["slow", "own"]
    assert tags == [("a", "b"), ()]


def test_rows_that_mean_one_page_are_captured_once_and_told(bench: Bench) -> None:
    fill(bench, f"{URLS[0]},", f"{URLS[0]}?utm_source=x,", f"{URLS[0]},", f"{URLS[1]},")
    pages = Pages()

    bench.run(pages)

    assert pages.visited == [URLS[0], URLS[1]]
    assert column(bench, "status") == ["done", "duplicate", "duplicate", "done"]
    assert len(set(column(bench, "bundle_id")[:3])) == 1
    assert column(bench, "hint")[1] == "this row has the same page as row 1"

    each = Pages()
    bench.run(each, capture_duplicates=True, restart=True)
    assert len(each.visited) == 4


class _Watched(DirectoryStore):
    """Notes the thread that stores each bundle; `before` is called with their number."""

    def __init__(self, root: Path, before: Callable[[int], None]) -> None:
        super().__init__(root)
        self.threads: list[str] = []
        self._before = before

    @override
    def put_new(
        self, key: str, source: Content, sha256: str, *, retention: Retention | None = None
    ) -> StoredObject:
        self.threads.append(threading.current_thread().name)
        self._before(len(self.threads))
        return super().put_new(key, source, sha256, retention=retention)


def test_the_bundle_of_a_row_is_stored_beside_the_visit_of_the_next_row(bench: Bench) -> None:
    second = threading.Event()
    pages = Pages(trouble=lambda url: second.set() if url == URLS[1] else None)
    store = _Watched(bench.folder / "store", lambda number: _ignore(second.wait(60)))

    watcher = bench.run(pages, change=lambda here: replace(here, store=store))

    assert second.is_set()
    assert store.threads[0] == "completion"
    assert store.threads[-1] == "MainThread", "after the last row no other is visited"
    assert watcher.over == [(1, "done"), (2, "done"), (3, "done"), (4, "done")]


# Interrupted, and on again ---------------------------------------------------------------


@pytest.mark.parametrize("visited", [0, 1, 3])
def test_after_an_interruption_the_rest_is_captured_and_nothing_twice(
    bench: Bench, visited: int
) -> None:
    def stop(url: str) -> None:
        if len(first.visited) > visited:
            raise KeyboardInterrupt

    first, then, endings = Pages(trouble=stop), Pages(), []
    bench.run(first, then=lambda book, ended: endings.append((ended, book.counts().left)))

    assert endings == [(RunResult(interrupted=True), 4 - visited)]
    bench.run(then)
    assert sorted(first.visited[:visited] + then.visited) == sorted(URLS)
    assert sorted(column(bench, "bundle_id")) == bench.bundles()


def test_a_signal_while_a_bundle_is_sealed_lets_it_be_stored_and_begins_no_other(
    bench: Bench,
) -> None:
    def signalled(_: Path) -> None:
        bench.stop.hold()
        bench.stop(2, None)

    endings: list[RunResult] = []
    bench.run(Pages(hook=signalled), then=lambda _, ended: endings.append(ended))

    assert endings == [RunResult(interrupted=True)]
    assert column(bench, "status") == ["done", "", "", ""]
    assert len(bench.bundles()) == 1


def test_ctrl_c_in_a_visit_completes_the_bundle_of_the_row_before(bench: Bench) -> None:
    storing = threading.Event()

    def stop(url: str) -> None:
        if len(first.visited) == 2:
            assert storing.wait(60)
            os.kill(os.getpid(), signal.SIGINT)
            threading.Event().wait(60)  # the signal ends it

    def store(number: int) -> None:
        storing.set()
        while not bench.stop.wanted:
            threading.Event().wait(0.01)

    first, endings = Pages(trouble=stop), []
    watched = _Watched(bench.folder / "store", store)
    with bench.stop.handle_signals():
        bench.run(
            first,
            change=lambda here: replace(here, store=watched),
            then=lambda _, ended: endings.append(ended),
        )

    assert endings == [RunResult(interrupted=True)]
    assert column(bench, "status") == ["done", "", "", ""]
    assert len(bench.bundles()) == 1
    then = Pages()
    bench.stop.wanted = False
    bench.run(then)
    assert sorted(then.visited) == sorted(URLS[1:])
    assert column(bench, "status") == ["done"] * 4


_POINTS = (
    *("before the id", "id noted", "captured", "sealed", "stored"),
    *("half a line", "row noted", "half a table"),
)
# Of the first row, beside the visit of the second one.
_BEHIND = ("first unsealed", "first sealed")


@dataclass(frozen=True, slots=True)
class Resumed:
    """What a batch of four rows left that was killed at its second, and went on."""

    statuses: list[str]
    in_table: list[str]
    in_store: list[str]
    killed_code: int
    visits: int  # of all runs
    litter: list[str]


@pytest.fixture(scope="module")
def resumed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Resumed]:
    """
    A batch killed at each point, and run again.

    In a process of its own, which forks for each: what is killed is a real process, and
    nothing of it is cleaned up.
    """
    folder = tmp_path_factory.mktemp("killed")
    program = (
        f"from pathlib import Path; from {__name__} import kill_and_resume; "
        f"kill_and_resume(Path({str(folder)!r}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return {point: Resumed(**said) for point, said in json.loads(done.stdout).items()}


@pytest.mark.xdist_group("killed-batches")  # one worker, one process that dies at each point
@pytest.mark.parametrize("point", [*_POINTS, *_BEHIND])
def test_killed_at_any_point_a_batch_goes_on_without_a_gap_and_without_a_duplicate(
    resumed: dict[str, Resumed], point: str
) -> None:
    found = resumed[point]

    assert found.killed_code == 9, "it was not killed there: this test would see nothing"
    assert found.statuses == ["done"] * 4
    assert len(set(found.in_table)) == 4
    assert sorted(found.in_table) == found.in_store
    # What was sealed is not asked for again; what was not is, once.
    if point in _BEHIND:
        assert found.visits == (6 if point == "first unsealed" else 5)
    else:
        assert found.visits == (4 if point in _POINTS[3:] or point == "before the id" else 5)
    assert found.litter == []


# Things that go wrong --------------------------------------------------------------------


def test_several_failures_one_after_the_other_end_the_run_and_the_next_one_tries_them(
    bench: Bench,
) -> None:
    def gone(url: str) -> None:
        raise ServiceUnavailable("no browser", hint="install one")

    down, up = Pages(trouble=gone), Pages()
    endings: list[tuple[RunResult, int]] = []
    bench.run(down, then=lambda book, ended: endings.append((ended, book.counts().left)))

    ((ended, left),) = endings
    assert len(down.visited) == 3
    assert ended.stopped is not None
    assert ended.stopped.exit_code == 30
    assert left == 4
    bench.run(up)
    assert sorted(up.visited) == sorted(URLS)


def test_a_single_row_for_which_a_service_was_missing_is_no_success(bench: Bench) -> None:
    def gone(url: str) -> None:
        if url == URLS[0]:
            raise ServiceUnavailable("no browser", hint="install one")

    found: list[tuple[bool, int, int]] = []

    def look(book: BatchState, ended: RunResult) -> None:
        counts = book.counts()
        found.append((ended.stopped is None, counts.left, counts.exit_code))

    bench.run(Pages(trouble=gone), then=look)
    bench.run(Pages(), then=look)

    assert found == [(True, 1, 30), (True, 0, 0)]


def test_bundles_that_can_not_be_stored_end_the_run_with_the_row_that_was_captured_meanwhile(
    bench: Bench,
) -> None:
    def away(number: int) -> None:
        raise ServiceUnavailable("the store is away")

    fill(bench, *(f"http://{host}.example/1," for host in "abcdef"))
    pages = Pages()
    endings: list[RunResult] = []
    bench.run(
        pages,
        change=lambda here: replace(here, store=_Watched(bench.folder / "store", away)),
        then=lambda _, ended: endings.append(ended),
    )

    assert endings[0].stopped is not None
    assert endings[0].stopped.exit_code == 30
    assert len(pages.visited) == 4, "at most one page more than with one after the other"
    assert column(bench, "status") == ["failed"] * 4 + [""] * 2
    assert len(list((bench.folder / "unstored").glob("*.wacz"))) == 4


def test_what_failed_is_tried_again_when_that_is_asked_for(bench: Bench) -> None:
    def refuse(url: str) -> None:
        if url == URLS[0]:
            raise PolicyRefused("not this one", hint="because")
        if url == URLS[1]:
            raise ZeroDivisionError("a bug")

    first, second, third, codes = Pages(trouble=refuse), Pages(), Pages(), []
    bench.run(first, then=lambda book, _: codes.append(book.counts().exit_code))

    assert column(bench, "status") == ["failed", "failed", "done", "done"]
    assert column(bench, "error")[0] == "not this one"
    assert column(bench, "hint")[1] == "this is a bug in snapshotter, please report the bug"
    assert codes == [1]
    bench.run(second)
    assert second.visited == []
    bench.run(third, retry_failed=True)
    assert third.visited == [URLS[0], URLS[1]]
    assert column(bench, "status") == ["done"] * 4


def test_a_bundle_that_a_full_disk_kept_out_of_the_store_is_stored_by_the_next_run(
    bench: Bench,
) -> None:
    class Full(DirectoryStore):
        @override
        def put_new(
            self, key: str, source: Content, sha256: str, *, retention: Retention | None = None
        ) -> StoredObject:
            raise SnapshotterError("no space left")

    full = Full(bench.folder / "store")
    bench.run(Pages(), change=lambda here: replace(here, store=full), limit=1)
    assert column(bench, "status")[0] == "failed"
    assert len(list((bench.folder / "unstored").iterdir())) == 1

    pages = Pages()
    watcher = bench.run(pages)

    assert sorted(pages.visited) == sorted(URLS[1:])
    assert column(bench, "status") == ["done"] * 4
    assert "was sealed by an earlier run. It is now stored" in watcher.said[0]
    assert list((bench.folder / "unstored").iterdir()) == []


def test_a_bundle_of_another_page_is_not_taken_for_a_row_s(bench: Bench) -> None:
    bench.run(Pages(), limit=1)
    (stored,) = bench.bundles()
    bench.done.unlink()
    bench.journal.unlink()
    key = {entry.url: entry.key for entry in _plan(bench).entries}[URLS[1]]
    with Journal.begin(bench.journal, batch="0" * 16, store=_url(bench), at=START) as journal:
        journal.record_start(key, row=2, url=URLS[1], bundle_id=stored, at=START)
    pages = Pages()

    bench.run(pages)

    assert URLS[1] in pages.visited


def test_a_page_that_is_too_busy_is_sealed_and_visited_once_more(bench: Bench) -> None:
    fill(bench, f"{URLS[0]},", f"{URLS[1]},")
    pages = Pages(statuses={URLS[0]: [429, 200]})

    watcher = bench.run(pages)

    assert watcher.over == [(1, "deferred"), (2, "done"), (1, "done")]
    assert column(bench, "status") == ["done", "done"]
    assert len(bench.bundles()) == 3
    assert any("too many requests" in why for why in watcher.waited)


def test_what_was_put_off_is_visited_by_the_next_run(bench: Bench) -> None:
    def stop(url: str) -> None:
        if len(first.visited) == 2:
            raise KeyboardInterrupt

    fill(bench, f"{URLS[0]},", f"{URLS[1]},")
    first, then = Pages(statuses={URLS[0]: [429]}, trouble=stop), Pages()
    bench.run(first)
    assert column(bench, "status") == ["deferred", ""]

    bench.run(then)

    assert then.visited == [URLS[0], URLS[1]]
    assert column(bench, "status") == ["done", "done"]


# What others do meanwhile ----------------------------------------------------------------


def test_rows_that_were_added_changed_sorted_or_taken_out_are_dealt_with_and_told(
    bench: Bench,
) -> None:
    bench.run(Pages(), limit=2)
    ids = dict(zip(column(bench, "url"), column(bench, "bundle_id"), strict=True))
    new = "http://c.example/new"
    fill(bench, f"{new},added", f"{URLS[3]},other remark", f"{URLS[1]},sorted", f"{URLS[2]}x,new")
    pages = Pages()

    bench.run(pages)

    assert sorted(pages.visited) == sorted([new, URLS[3], f"{URLS[2]}x"])
    assert column(bench, "url") == [new, URLS[3], URLS[1], f"{URLS[2]}x"]
    assert column(bench, "note") == ["added", "other remark", "sorted", "new"]
    assert column(bench, "bundle_id")[2] == ids[URLS[1]]
    told = " ".join(bench.told)
    assert "Rows that are not captured yet: 3" in told
    assert f"{URLS[0]}; bundle: {ids[URLS[0]]}" in told


def test_a_row_captured_before_counts_for_its_page_wherever_it_stands_now(bench: Bench) -> None:
    fill(bench, f"{URLS[0]},")
    bench.run(Pages())
    fill(bench, f"{URLS[0]}?utm_source=x,first now", f"{URLS[0]},")
    pages = Pages()

    bench.run(pages)

    assert pages.visited == []
    assert column(bench, "status") == ["duplicate", "done"]


def test_what_somebody_wrote_into_the_written_table_is_kept(bench: Bench) -> None:
    bench.run(Pages(), limit=1)
    mine = bench.done.read_bytes().replace(b"remark 0", b"looked at by Anna")
    bench.done.write_bytes(mine)

    bench.run(Pages())

    kept = bench.folder / "urls.done.edited.csv"
    assert kept.read_bytes() == mine
    assert str(kept) in bench.told[-1]
    assert column(bench, "status") == ["done"] * 4


def test_two_runs_of_one_batch_at_a_time_are_one_too_many(bench: Bench) -> None:
    def second(book: BatchState, ended: RunResult) -> None:
        with pytest.raises(ServiceUnavailable, match="another process runs this batch"):
            bench.run(Pages())

    bench.run(Pages(), then=second)


def test_a_file_that_no_batch_wrote_is_not_written_over(bench: Bench) -> None:
    bench.done.write_text("mine")

    with pytest.raises(SnapshotterError, match="exists already"):
        bench.run(Pages())
    bench.run(Pages(), restart=True)

    assert bench.done.read_text() == "mine"
    assert rows(bench.folder / "urls.done-2.csv")[0]["status"] == "done"


def test_a_batch_goes_on_in_the_store_where_it_began(bench: Bench) -> None:
    bench.run(Pages(), limit=1)
    other = DirectoryStore(bench.folder / "elsewhere")

    with pytest.raises(SnapshotterError, match="stores its bundles in"):
        bench.run(Pages(), change=lambda here: replace(here, store=other))


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (b"nonsense\n", "line 1 of .* is not a valid line of a batch's journal"),
        (b'{"what":"batch","format":2,"batch":"x","store":"y"}\n', "format 2"),
        (b'{"what":"came","key":"x","came":{"status":1}}\n', "status is not of type str"),
        (b"a remark of mine", "is not the journal of a batch"),
    ],
)
def test_a_damaged_journal_is_not_taken_for_an_empty_one(
    bench: Bench, damage: bytes, why: str
) -> None:
    bench.journal.write_bytes(damage)

    with pytest.raises(SnapshotterError, match=why):
        bench.run(Pages())

    assert bench.journal.read_bytes() == damage


def test_a_line_that_a_full_disk_tears_off_is_taken_back(bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / "j"
    with Journal.begin(path, batch="0" * 16, store=_url(bench), at=START) as journal:
        before = path.read_bytes()
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 20, hard))
        try:
            with pytest.raises(SnapshotterError, match="cannot be written"):
                journal.record_table("0" * 64)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        assert path.read_bytes() == before
        journal.record_table("1" * 64)  # there is space again

    with Journal.open(path) as found:
        assert found.wrote("1" * 64)
        assert not found.wrote("0" * 64)


@pytest.mark.parametrize("torn", [b"", b'{"what":"ba', b'{"what":"batch","format":1,'])
def test_a_journal_that_was_never_begun_is_begun(bench: Bench, torn: bytes) -> None:
    bench.journal.write_bytes(torn)

    bench.run(Pages(), limit=1)

    assert column(bench, "status")[0] == "done"


def test_a_disk_that_is_full_for_the_journal_ends_the_run_before_the_page(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = Pages()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("snapshotter.app.batch.journal.os.fsync", full)
    with pytest.raises(SnapshotterError, match="cannot be written: No space left"):
        bench.run(pages)

    assert pages.visited == []


def test_a_folder_that_is_not_there_is_named_with_what_to_do(bench: Bench) -> None:
    with pytest.raises(SnapshotterError, match="No such file") as caught:
        bench.run(Pages(), out=bench.folder / "nowhere" / "x.csv")

    assert "--out" in caught.value.hint


def test_the_table_is_written_rarely_when_writing_it_takes_long(tmp_path: Path) -> None:
    clock = FixedClock()
    with Journal.begin(tmp_path / "j", batch="0", store="s", at=START) as journal:
        book = output.Output(tmp_path / "t", journal, clock)
        assert book.due
        _slow_write(book, clock)

        assert not book.due
        clock.advance(timedelta(seconds=19))
        assert not book.due
        clock.advance(timedelta(seconds=2))
        assert book.due


def _slow_write(book: output.Output, clock: FixedClock) -> None:
    class Slow:
        def written(self, *_: object) -> bytes:
            clock.advance(timedelta(seconds=1))
            return b"x"

    book.write(Slow(), (), ())  # type: ignore[arg-type]


def _ignore(value: object) -> None:
    """Drop what a call returned."""


def _plan(bench: Bench) -> BatchPlan:
    wanted = open_batch.BatchRequest(data=bench.table.read_bytes(), name=str(bench.table))
    plan, _ = open_batch.preview_batch(wanted, lambda _: None, RULES)
    return plan


def _url(bench: Bench) -> str:
    return DirectoryStore(bench.folder / "store").url


# For a process of its own ----------------------------------------------------------------


def kill_and_resume(folder: Path) -> None:
    """Do that for each point, and print what came of it: for a process of its own."""
    said = {}
    for point in (*_POINTS, *_BEHIND):
        bench = Bench(folder / point.replace(" ", "-"))
        bench.folder.mkdir()
        fill(bench, *(f"{url},x" for url in URLS))
        visits = bench.folder / "visits"

        def count(url: str, visits: Path = visits) -> None:
            with visits.open("a") as stream:
                stream.write(f"{url}\n")

        pid = os.fork()
        if pid == 0:
            try:
                _run_to_death(bench, point, count)
            finally:
                os._exit(1)  # it lived
        _, status = os.waitpid(pid, 0)
        bench.run(Pages(trouble=count))
        bench.run(Pages(trouble=count))  # what the second run left is whole, too
        said[point] = {
            "statuses": column(bench, "status"),
            "in_table": column(bench, "bundle_id"),
            "in_store": bench.bundles(),
            "killed_code": os.waitstatus_to_exitcode(status),
            "visits": len(visits.read_text().splitlines()),
            "litter": [
                str(path.relative_to(bench.folder))
                for name in ("spool", "unstored", "rejected")
                for path in (bench.folder / name).rglob("*")
            ],
        }
    print(json.dumps(said))  # noqa: T201 - it is for the process that started this one


def _run_to_death(bench: Bench, point: str, count: Callable[[str], None]) -> None:
    """Run a batch, and die at the second row it captures."""
    second = _Second()

    def visited(url: str) -> None:
        count(url)
        second.die_if("id noted", point)
        second.die_behind(point)

    class Store(DirectoryStore):
        @override
        def put_new(
            self, key: str, source: Content, sha256: str, *, retention: Retention | None = None
        ) -> StoredObject:
            second.bundles += 1
            second.wait_behind("first sealed", point)
            second.die_if("sealed", point, second.bundles)
            stored = super().put_new(key, source, sha256, retention=retention)
            second.die_if("stored", point, second.bundles)
            second.is_stored.set()
            return stored

    class Signer(FileSigner):
        @override
        def sign(self, message: bytes) -> bytes:
            second.wait_behind("first unsealed", point)
            return super().sign(message)

    class Ids(RandomIds):
        @override
        def bundle_id(self, at: datetime) -> str:
            second.number += 1
            second.die_if("before the id", point)
            return super().bundle_id(at)

    _spoil(second, point)
    store = Store(bench.folder / "store")
    pages = Pages(trouble=visited, hook=lambda _: second.die_if("captured", point))
    signer = Signer(bench.key._private_key)
    bench.run(pages, change=lambda here: replace(here, store=store, ids=Ids(), signer=signer))


def _spoil(second: "_Second", point: str) -> None:
    """Let writing the journal and the table die in this process, which does nothing else."""
    note: Any = Journal.record_result
    write: Any = os.write
    rename: Any = os.replace

    def noted(*arguments: Any, **said: Any) -> None:
        second.notes += 1
        second.tears = second.notes == 2 and point == "half a line"
        note(*arguments, **said)
        second.die_if("row noted", point, second.notes)

    def written(descriptor: int, data: bytes) -> int:
        if second.tears:
            write(descriptor, data[: len(data) // 2])
            die()
        return int(write(descriptor, data))

    def renamed(growing: Path, target: Path) -> None:
        if target.suffix == ".csv":
            second.die_if("half a table", point, second.notes)
        rename(growing, target)

    for place, name, spoilt in (
        (Journal, "record_result", noted),
        (os, "write", written),
        (os, "replace", renamed),
    ):
        setattr(place, name, spoilt)


class _Second:
    """Counts captures, and ends the process in the second."""

    def __init__(self) -> None:
        self.number = 0  # captures that have begun
        self.bundles = 0  # that are being stored, or are
        self.notes = 0
        self.tears = False  # the next line that is written
        self.is_stored = threading.Event()  # the first bundle
        self.is_behind = threading.Event()  # the first bundle is where it is waited for

    def die_if(self, here: str, point: str, number: int | None = None) -> None:
        """Die in the second of what is counted: captures, with the first bundle in the store."""
        if here == point and (self.number if number is None else number) == 2:
            if number is None:
                self.is_stored.wait(60)
            die()

    def wait_behind(self, here: str, point: str) -> None:
        """Let the first bundle come no further than this."""
        if here == point and not self.is_behind.is_set():
            self.is_behind.set()
            threading.Event().wait(60)

    def die_behind(self, point: str) -> None:
        """Die in the second visit, when the first bundle is where it is waited for."""
        if point in _BEHIND and self.number == 2:
            self.is_behind.wait(60)
            die()
