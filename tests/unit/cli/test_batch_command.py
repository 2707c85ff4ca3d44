"""`batch` as it is typed: what it says, what it ends in, and what it refuses."""

import csv
import io
import os
import shutil
import sys
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from snapshotter.app.batch.journal import RowResult
from snapshotter.app.wiring import capture as wiring
from snapshotter.cli.batch_output import BatchProgress, format_span
from snapshotter.errors import SnapshotterError
from snapshotter.policy import politeness_file
from tests.fakes.world import FixedClock
from tests.unit.app.batch.batches import Pages
from tests.unit.cli.shell import Shell

A, B = "http://127.0.0.1:8000/a", "http://127.0.0.2:8000/b"


class Office(Shell):
    """A home without a browser, and a way to call commands there."""

    def __init__(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("HOME", str(folder))
        monkeypatch.setenv("SNAPSHOTTER_DATA_DIR", str(folder / "data"))
        monkeypatch.setenv("SNAPSHOTTER_SPOOL_DIR", str(folder / "spool"))
        config = folder / "mine.toml"
        config.write_text('data_dir = "data"\nauthority = []\nlog = false\n')
        monkeypatch.setenv("SNAPSHOTTER_CONFIG", str(config))
        monkeypatch.chdir(folder)
        self.pages = Pages()
        monkeypatch.setattr(wiring, "capturer", lambda settings, clock: self.pages)
        self._capsys = capsys
        super().__init__(capsys, "batch")
        self.folder = folder
        self.other = Shell(capsys)  # for other commands
        self.out = self.err = ""

    def table(self, text: str, name: str = "urls.csv") -> None:
        (self.folder / name).write_text(text)

    def done(self, name: str = "urls.done.csv") -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO((self.folder / name).read_text())))


@pytest.fixture
def office(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Office:
    return Office(tmp_path, monkeypatch, capsys)


def test_a_batch_says_how_far_it_is_and_what_came_of_it(office: Office) -> None:
    office.table(f"url\n{A}\nnonsense\n{B}\n")

    assert office.run("urls.csv") == 1

    assert office.out.splitlines() == [
        "3 rows: 2 done, 1 failed",
        "table with the results: urls.done.csv",
    ]
    assert f"1 of 2: {A}" in office.err
    assert " a minute, " in office.err
    assert "row 2 (line 3): nonsense: only http and https URLs are captured" in office.err
    assert [row["status"] for row in office.done()] == ["done", "failed", "done"]


def test_json_gives_an_object_a_row_that_is_over_and_a_summary(office: Office) -> None:
    office.table(f"url,tags\n{A},x\nftp://a/,\n")

    assert office.run("--json", "urls.csv") == 1

    refused, row, summary = office.objects
    assert (refused["row"], refused["status"], refused["bundle_id"]) == (2, "failed", None)
    assert (row["row"], row["line"], row["tags"], row["status"]) == (1, 2, ["x"], "done")
    assert row["bundle_id"] == office.done()[0]["bundle_id"]
    assert summary["statuses"] == {"done": 1, "failed": 1}
    assert (summary["summary"], summary["left"], summary["exit_code"]) == (True, 0, 1)


def test_json_names_the_row_with_the_page_of_a_duplicate(office: Office) -> None:
    office.table(f"url\n{A}\n{B}\n{A}\n")

    assert office.run("--json", "urls.csv") == 0

    *found, summary = office.objects
    assert sorted((row["row"], row["same_as_row"], row["status"]) for row in found) == [
        (1, None, "done"), (2, None, "done"), (3, 1, "duplicate")
    ]  # fmt: skip
    by_row = {row["row"]: row for row in found}
    assert by_row[3]["bundle_id"] == by_row[1]["bundle_id"]
    assert summary["statuses"] == {"done": 2, "duplicate": 1}


def test_a_dry_run_visits_nothing_makes_nothing_and_says_how_long_it_takes(
    office: Office,
) -> None:
    pages = "".join(f"https://slow.example/{number}\n" for number in range(30))
    office.table(f"url\n{pages}{A}\nftp://x/\nhttps://slow.example/1?utm_source=x\n")
    before = sorted(office.folder.iterdir())

    assert office.run("--dry-run", "urls.csv") == 0

    assert "31 to be visited; the visits take at least 2 min" in office.out
    assert (
        "30       2 min  slow.example (limited by the least time between two visits to the host)"
    ) in office.out
    assert "1 with the page of an earlier row" in office.out
    assert "row 32 (line 33): only http and https" in office.err
    assert office.pages.visited == []
    assert sorted(office.folder.iterdir()) == before

    assert office.run("--dry-run", "--json", "--only-host", "example", "urls.csv") == 0
    host, summary = office.objects
    assert (host["host"], host["visits"], host["takes_ms"]) == ("slow.example", 30, 148_000)
    assert (summary["visits"], len(summary["refused"])) == (30, 1)


def test_a_dry_run_counts_what_is_over_and_what_is_to_be_tried_again(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(url: str) -> None:
        if url == A:
            raise SnapshotterError("no")

    office.table(f"url\n{A}\n{B}\n{A}x\n")
    monkeypatch.setattr(office.pages, "_trouble", refuse)
    office.run("--limit", "2", "urls.csv")

    office.run("--dry-run", "--json", "urls.csv")
    assert (office.objects[-1]["over_before"], office.objects[-1]["visits"]) == (2, 1)
    office.run("--dry-run", "--json", "--retry-failed", "urls.csv")
    assert (office.objects[-1]["over_before"], office.objects[-1]["visits"]) == (1, 2)


def test_only_some_now_and_the_rest_another_time(office: Office) -> None:
    office.table(f"{A}\n{B}\n{A}x\n", "urls.txt")

    assert office.run("--only-host", "127.0.0.1", "--limit", "1", "urls.txt") == 0
    assert office.pages.visited == [A]
    assert (
        "rows that are not captured yet: 2. To continue, give the same command again" in office.err
    )
    assert office.run("urls.txt") == 0

    assert sorted(office.pages.visited) == [A, f"{A}x", B]
    assert "3 rows: 3 done" in office.out


def test_standard_input_is_a_table_too(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        given = io.TextIOWrapper(io.BytesIO(f"url,n\n{A},1\n".encode()))
        monkeypatch.setattr(sys, "stdin", given)
        assert office.run("--out", "pages.csv", "-") == 0

    assert office.pages.visited == [A]
    assert office.done("pages.csv")[0]["n"] == "1"


def test_ctrl_c_ends_in_130_and_says_how_it_goes_on(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(url: str) -> None:
        raise KeyboardInterrupt

    office.table(f"url\n{A}\n{B}\n")
    monkeypatch.setattr(office.pages, "_trouble", stop)

    assert office.run("urls.csv") == 130

    assert "the batch was interrupted: the finished captures are stored" in office.err
    assert (
        "rows that are not captured yet: 2. To continue, give the same command again" in office.err
    )


def test_labels_of_a_killed_run_are_recorded_by_the_next_one(
    office: Office,
) -> None:
    last = "http://127.0.0.3:8000/c"
    office.table(f"url,tags\n{A},port\n{B},\n{last},\n")
    office.other.run("case", "create", "harbour")
    office.pages._trouble = lambda url: os._exit(9) if url == last else None  # as kill -9 ends it
    if (child := os.fork()) == 0:
        office.run("--case", "harbour", "--tag", "fire", "urls.csv")
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    office.pages._trouble = None

    assert office.run("urls.csv") == 0  # without the labels: the journal has those of the first run

    first, *_ = (row["bundle_id"] for row in office.done())
    office.other.run("case", "show", "harbour", "--json")
    exhibit, *others = office.other.object["exhibits"]
    assert exhibit["bundle_id"] == first
    assert exhibit["tags"] == ["port", "fire"]
    assert len(others) <= 1  # the second bundle may not have been stored yet

    office.run("urls.csv")

    assert "cases recorded" not in office.err  # once


def test_a_label_that_could_not_be_recorded_is_tried_again_by_the_next_run(office: Office) -> None:
    office.table(f"url\n{A}\n")
    office.other.run("case", "create", "harbour")
    records = next((office.folder / "captures" / "annotations" / "records").parent.iterdir())

    def block(url: str) -> None:
        shutil.rmtree(records)
        records.write_text("no folder")

    office.pages._trouble = block
    kept = (records / "00000001.json").read_bytes()
    office.run("--case", "harbour", "urls.csv")
    assert "the label case:harbour was not recorded" in office.err
    records.unlink()
    records.mkdir()
    (records / "00000001.json").write_bytes(kept)
    office.pages._trouble = None

    office.run("urls.csv")

    assert "tags and cases recorded: case:harbour; captures: 1" in office.err


def test_a_policy_that_only_a_table_names_gives_pages_no_more_than_the_command(
    office: Office,
) -> None:
    (office.folder / "open.toml").write_text('name = "open"\n[network]\nallow = ["10.0.0.0/8"]\n')
    office.table(f"url,policy\n{A},./open.toml\n{B},expanded\n{A},nowhere\n")

    assert office.run("urls.csv") == 1

    status = [row["status"] for row in office.done()]
    assert status == ["failed", "done", "failed"]
    refused = (
        "the policy ./open.toml allows pages to connect to networks that are refused otherwise, "
        "but only the settings file in the working directory or a table selects this policy"
    )
    assert refused in office.done()[0]["error"]
    assert office.pages.policies == ["expanded"]
    # Whoever runs the command may.
    assert office.run("--policy", "./open.toml", "urls.csv") == 1
    assert "allows pages to connect to networks" not in office.done()[0]["error"]


def test_the_address_of_each_row_decides_its_policy_unless_one_is_named(office: Office) -> None:
    office.table(f"url,policy\n{A},\nhttps://weibo.com/1/2,auto\n{B},expanded\n")

    assert office.run("urls.csv") == 0

    assert sorted(office.pages.policies) == ["default", "expanded", "weibo-post"]
    picked = (
        "default: 1 (no other policy applies to the page); weibo-post: 1 (the policy applies to "
        "host weibo.com)"
    )
    assert f"policies that the addresses of the pages select: {picked}" in office.err


def test_rows_are_handed_to_the_queue_and_not_captured_here_then(office: Office) -> None:
    office.table(f"url\n{A}\nftp://x/\n")

    assert office.run("--enqueue", "urls.csv") == 1

    assert office.out.splitlines()[0] == "2 rows: 1 failed, 1 waiting"
    assert "pages handed to the queue: 1" in office.err
    assert "no worker is running. Start a worker:\n  snapshotter worker" in office.err
    assert "rows that the workers have not finished: 1." in office.err
    assert [row["status"] for row in office.done()] == ["waiting", "failed"]
    assert office.run("urls.csv") == 1
    assert (
        "rows of this table that are already in the queue: 1. This command would capture the "
        "pages of these rows a second time"
    ) in office.err
    assert not (office.folder / "data" / "keys").exists(), "nothing is made for what is refused"
    assert office.run("--enqueue", "--json", "urls.csv") == 1
    assert office.objects[-1]["statuses"] == {"failed": 1, "waiting": 1}
    assert office.pages.visited == []


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        (("--wait", "urls.csv"), 2, "--wait works only together with --enqueue"),
        (
            ("--enqueue", "--pdf", "--viewport", "phone", "urls.csv"),
            2,
            "options that do not work with --enqueue: --viewport, --pdf. Set the values of these "
            "options in the settings of the worker, or in a policy",
        ),
        (("-",), 1, "--out FILE"),
        (("nowhere.csv",), 1, "nowhere.csv cannot be read: No such file"),
        (("--column", "nonsense=x", "urls.csv"), 2, "WHAT=NAME"),
        (("--column", "url=", "urls.csv"), 2, "WHAT=NAME"),
        (("--column", "url=Link", "urls.csv"), 1, "has no column Link"),
        (("--format", "jsonl", "urls.csv"), 1, "has no rows"),
        (("--policy", "nowhere", "urls.csv"), 1, "the policy nowhere does not exist"),
        (("--proxy", "http://a:b@c", "urls.csv"), 2, "set proxy in a settings file"),
        (("--out", "urls.csv", "urls.csv"), 1, "is the table itself"),
    ],
)
def test_what_can_not_be_done_is_said_before_anything_is_made(
    office: Office,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    code: int,
    why: str,
) -> None:
    office.table("" if "jsonl" in arguments else f"url\n{A}\n")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(f"url,n\n{A},\n".encode())))

    assert office.run(*arguments) == code

    assert why in office.err
    assert sorted(path.name for path in office.folder.iterdir()) == ["mine.toml", "urls.csv"]


def test_a_wait_is_told_of_once_and_at_once_if_it_is_long(
    capsys: pytest.CaptureFixture[str],
) -> None:
    clock: Any = FixedClock()
    display = BatchProgress(clock, quiet=False, as_json=False)

    for seconds in (1, 8, 60, 40, 20):
        display.waiting(clock.now() + timedelta(seconds=seconds), "a.example: a budget")
    display.waiting(clock.now() + timedelta(seconds=30), "b.example: quiet hours")

    assert capsys.readouterr().err.splitlines() == [
        "snapshotter: waiting until 12:31:45 UTC: a.example: a budget",
        "snapshotter: waiting until 12:31:15 UTC: b.example: quiet hours",
    ]


def test_a_row_that_ends_after_the_next_one_was_announced_is_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    clock: Any = FixedClock()
    state: Any = SimpleNamespace(plan=SimpleNamespace(entries=()), now=clock.now)
    display = BatchProgress(state, quiet=False, as_json=False)
    rows: Any = [
        SimpleNamespace(row=SimpleNamespace(number=number), url=f"http://{host}.example/")
        for number, host in enumerate("abc", start=1)
    ]
    display.begin(rows, politeness_file.load())
    for event, number in (("starts", 1), ("starts", 2), ("ends", 1), ("ends", 2), ("starts", 3)):
        if event == "starts":
            display.row_started(rows[number - 1])
        else:
            display.ended(rows[number - 1], RowResult(status="done"), None)

    lines = [line.partition(";")[0] for line in capsys.readouterr().err.splitlines()[1:]]
    assert lines == [
        "snapshotter: 1 of 3: http://a.example/",
        "snapshotter: 2 of 3: http://b.example/",
        "snapshotter: row 1: http://a.example/: done",
        "snapshotter:   done",
        "snapshotter: 3 of 3: http://c.example/",
    ]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (89, "89 s"), (90, "2 min"), (5400, "1 h 30 min"), (7200, "2 h"),
     (172_800, "2 d"), (200_000, "2 d 7 h")],
)  # fmt: skip
def test_a_span_is_said_as_a_person_would(seconds: int, words: str) -> None:
    assert format_span(timedelta(seconds=seconds)) == words
