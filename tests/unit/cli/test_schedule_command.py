"""`schedule add|list|show|pause|resume|remove|run|history`, with the queue that workers have."""

import io
import json
import re
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from snapshotter.app.settings import load
from snapshotter.app.wiring import queue as wiring_jobs
from snapshotter.app.wiring import worker as wiring_worker
from snapshotter.cli.main import main
from snapshotter.jobs.database import writing
from snapshotter.jobs.schedules.tables import TARGET
from snapshotter.jobs.workers.registry import WorkerRegistry
from tests.unit.cli.shell import Shell
from tests.unit.jobs.heard import Heard

URL = "https://example.org/post/1"


class Home(Shell):
    """A home, in which commands are run."""

    def __init__(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("HOME", str(folder))
        monkeypatch.setenv("SNAPSHOTTER_DATA_DIR", str(folder / "data"))
        monkeypatch.setenv("SNAPSHOTTER_OPERATOR", "the archive")
        monkeypatch.chdir(folder)
        self.folder = folder
        super().__init__(capsys, "schedule")


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Home:
    return Home(tmp_path, monkeypatch, capsys)


def test_quiet_hours_are_kept_and_shown(shell: Home) -> None:
    assert shell.run("add", "--every", "1h", "--quiet-hours", "22:00-06:30", "--json", URL) == 0
    assert shell.object["quiet_hours"] == ["22:00-06:30"]

    assert shell.run("add", "--every", "1h", "--quiet-hours", "at night", URL) == 2
    assert "not a range of quiet hours; write a range like 22:00-06:30" in shell.err


def test_the_address_of_each_page_may_decide_its_policy_and_that_is_told(shell: Home) -> None:
    posts = ["https://weibo.com/1/2", "https://weibo.com/1/3"]

    assert shell.run("add", "--policy", "auto", "--json", *posts) == 0
    assert (shell.object["policy"], shell.object["curve"]) == ("auto", "curve-fast")
    assert "policies that the addresses of the pages select: weibo-post: 2 " in shell.err
    # So it is where none is named; a time that is given stands by itself.
    assert shell.run("add", "--name", "unnamed", "--json", posts[0]) == 0
    assert (shell.object["policy"], shell.object["curve"]) == ("", "curve-fast")
    assert "policies that the addresses of the pages select: weibo-post: 1 " in shell.err
    assert shell.run("add", "--name", "daily", "--cron", "0 9 * * *", "--json", posts[0]) == 0
    assert (shell.object["curve"], shell.object["zone"]) == (None, "UTC")

    assert shell.run("add", "--policy", "auto", *posts, "https://mp.weixin.qq.com/s/a") == 1
    assert "different schedules: wechat-article, weibo-post" in shell.err


def test_while_no_worker_runs_who_adds_a_schedule_is_told(shell: Home) -> None:
    assert shell.run("add", "--name", "case-7", "--every", "6h", URL) == 0
    assert "no worker is running, so visits are missed. Start a worker:" in shell.err

    with wiring_jobs.queue_database(load()) as database:
        WorkerRegistry(database).register("worker-1", slots=1, version="0")

    assert shell.run("add", "--to", "case-7", f"{URL}2") == 0
    assert "no worker" not in shell.err


def test_a_schedule_is_added_shown_and_listed(shell: Home) -> None:
    assert shell.run("add", "--name", "case-7", "--every", "6h", "--jitter", "0", URL, URL) == 0
    assert shell.out.startswith("case-7  next ")
    assert shell.out.count(URL) == 5

    assert shell.run("show", "--json", "--urls", "--next", "3", "case-7") == 0
    found = shell.object
    assert (found["rule"], found["every_ms"], found["urls"]) == ("every 6h", 21_600_000, 1)
    assert (found["state"], found["catch_up"], found["max_late_ms"]) == (
        "active", "skip", 3_600_000,
    )  # fmt: skip
    assert [visit["url"] for visit in found["next"]] == [URL] * 3
    assert found["next"][0]["at"] == found["addresses"][0]["since"] == found["next_at"]
    assert shell.run("list", "--json") == 0
    assert shell.object["name"] == "case-7"
    assert shell.run("add", "--name", "case-7", "--every", "6h", URL) == 1
    assert "the schedule case-7 exists already" in shell.err


def test_many_urls_come_from_a_file_or_standard_input_and_more_later(
    shell: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("urls.txt").write_text(f"\ufeff# posts\n{URL}\n\nhttps://example.org/2\n{URL}\n")

    assert shell.run("add", "--name", "many", "--cron", "@daily", "--from", "urls.txt") == 0
    piped = io.BytesIO(b"https://example.org/2\nhttps://example.org/3\n")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(piped))
    assert shell.run("add", "--to", "many", "--from", "-", "--json") == 0

    assert "1 of 2 URLs were added to many" in shell.err
    assert shell.object["urls"] == 3
    Path("bad.txt").write_text(f"{URL}\nexample\n")
    assert shell.run("add", "--every", "1d", "--from", "bad.txt") == 1
    assert "line 2: only http and https URLs" in shell.err
    Path("bad.txt").write_bytes(f"{URL}\nhttps://example.org/\xe9\n".encode("latin-1"))
    assert shell.run("add", "--every", "1d", "--from", "bad.txt") == 1
    assert "line 2: the text is not a URL" in shell.err


def test_a_dry_run_says_when_and_adds_nothing(shell: Home) -> None:
    options = ("--cron", "0 9 * * mon-fri", "--zone", "Europe/Berlin", "--start", "2027-03-26")

    assert shell.run("add", "--dry-run", "--json", *options, URL) == 0

    # Friday, and the Monday after the clock was set.
    slots = [visit["slot"] for visit in shell.object["next"]]
    assert slots[:2] == ["2027-03-26T08:00:00Z", "2027-03-29T07:00:00Z"]
    assert re.fullmatch("schedule-[0-9a-f]{6}", shell.object["name"])  # it tells no host
    assert not (shell.folder / "data" / "queue.db").exists()


def test_a_last_day_is_whole_and_a_season_has_more_visits(shell: Home) -> None:
    options = ("--start", "2027-05-26", "--end", "2027-05-28", "--zone", "Asia/Shanghai")
    season = ("--season", "05-27:05-27:0.5")

    assert shell.run(
        "add", "--dry-run", "--json", "--every", "1d", "--jitter", "0", *options, *season, URL
    ) == 0  # fmt: skip

    assert [visit["slot"] for visit in shell.object["next"]] == [
        "2027-05-25T16:00:00Z", "2027-05-26T16:00:00Z", "2027-05-27T04:00:00Z",
        "2027-05-27T16:00:00Z",
    ]  # fmt: skip


def test_a_policy_may_say_its_curve(shell: Home) -> None:
    Path("post.toml").write_text(
        'name = "post"\n[schedule]\ncurve = "curve-fast"\njitter_percent = 5\n'
    )

    assert shell.run("add", "--policy", "./post.toml", "--json", URL) == 0
    found = shell.object
    assert (found["curve"], found["jitter_percent"]) == ("curve-fast", 5)
    assert found["policy"] == str(shell.folder / "post.toml")  # a worker runs elsewhere

    # What is said on the command line counts.
    assert shell.run("add", "--policy", "./post.toml", "--every", "1d", "--json", URL) == 0
    assert (shell.object["curve"], shell.object["jitter_percent"]) == (None, 15)
    Path("own.toml").write_text('[mine]\nat = ["0s", "1h"]\n')
    assert shell.run("add", "--curve", "mine", "--curves", "own.toml", "--json", URL) == 0
    assert len(shell.object["next"]) == 2


def test_the_policy_of_the_settings_may_state_the_curve(
    shell: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = shell.folder / "post.toml"
    policy.write_text('name = "post"\n[schedule]\ncurve = "curve-fast"\nzone = "Europe/Berlin"\n')
    monkeypatch.setenv("SNAPSHOTTER_POLICY", str(policy))

    assert shell.run("add", "--json", URL) == 0

    # The worker uses the policy of its own settings for the captures.
    assert [shell.object[key] for key in ("curve", "zone", "policy")] == (
        ["curve-fast", "Europe/Berlin", ""]
    )
    assert shell.run("add", "--cron", "0 9 * * *", "--json", URL) == 0
    assert [shell.object[key] for key in ("curve", "zone")] == [None, "Europe/Berlin"]
    assert shell.run("add", "--policy", "default", URL) == 2
    assert "does not state when visits are due" in shell.err


def test_more_than_a_host_may_be_asked_is_said_beforehand(shell: Home) -> None:
    Path("many.txt").write_text("".join(f"https://example.org/{number}\n" for number in range(60)))
    more = ("https://example.net/", "--from", "many.txt", "--dry-run", "--json")

    assert shell.run("add", "--curve", "curve-wechat", *more) == 0
    said, policies = shell.err.splitlines()
    assert said.startswith(
        "snapshotter: example.org: the schedule plans 540 visits of this host on the first day"
    )
    assert "policies that the addresses of the pages select: default: 61 " in policies
    assert shell.run("add", "--every", "1d", "--policy", "default", *more) == 0
    assert shell.err == ""


@pytest.mark.parametrize(
    ("options", "said", "hint"),
    [
        ((), "the schedule does not state when visits are due", "--every 6h"),
        (("--policy", "default"), "the schedule does not state when visits are due", "--policy"),
        (("--every", "6hours"), "'6hours' is not a duration", "schedule add --help"),
        (("--every", "6h", "--cron", "@daily"), "exactly one of", "--help"),
        (("--cron", "0 9 * *"), "4 fields", "@daily"),
        (
            ("--cron", "@daily", "--zone", "Berlin"),
            ("the time zone 'Berlin' does not exist"),
            "Europe/Berlin",
        ),
        (("--curve", "curve-wechatt"), "the curve curve-wechatt does not exist", "curve-wechat"),
        (("--every", "1d", "--jitter", "60%"), "the jitter must be from 0 to 45%", "--help"),
        (("--every", "1d", "--jitter", "much"), "'much' is not a valid jitter", "15%"),
        (("--every", "1d", "--season", "summer"), "'summer' is not a valid season", "--help"),
        (("--every", "1d", "--start", "tomorrow"), "is not a date or time", "--help"),
        (("--every", "1d", "--end", "2020-01-01"), "the schedule has no visits", "--end"),
        (("--every", "1d", "--name", "Case 7"), "is not a valid name for a schedule", "a to z"),
        (("--every", "1d", "--policy", "defualt"), "the policy defualt does not exist", "default"),
    ],
)
def test_what_is_mistyped_ends_with_a_sentence_and_a_way_out(
    shell: Home, options: tuple[str, ...], said: str, hint: str
) -> None:
    does_not_exist = "curve-wechatt" in options or "defualt" in options or "2020-01-01" in options
    assert shell.run("add", *options, URL) == (1 if does_not_exist else 2)

    first, second, *more = shell.err.splitlines()
    assert said in first
    assert second.startswith("snapshotter: try: ")
    assert hint in "\n".join([second, *more])


def test_nothing_to_visit_is_a_usage_error(shell: Home) -> None:
    assert shell.run("add", "--every", "1d") == 2
    assert shell.run("add", "--to", "x", "--every", "1d", URL) == 2
    assert shell.run("run") == 2
    assert shell.run("run", "--once", "x") == 2
    assert shell.run("history") == 2


def test_pausing_resuming_and_removing_are_recorded_and_signed(shell: Home) -> None:
    assert shell.run("add", "--name", "case-7", "--every", "6h", "--start", "2027-01-01", URL) == 0
    assert shell.run("pause", "--json", "--reason", "the site moves", "case-7") == 0
    assert (shell.object["state"], shell.object["changed"]) == ("paused", True)
    assert shell.object["paused_by"] == "the archive"
    assert shell.object["paused_reason"] == "the site moves"
    assert shell.run("list") == 0
    assert "paused by the archive at " in shell.out
    assert "Z: the site moves  every 6h" in shell.out
    assert shell.run("resume", "case-7") == 0
    assert shell.run("remove", "case-7", "case-8") == 1
    assert "did you mean case-7?" in shell.err
    assert shell.run("remove", "case-7") == 1
    assert "--yes" in shell.err
    assert shell.run("remove", "--yes", "--json", "case-7") == 0
    assert shell.object["state"] == "removed"

    assert shell.run("run", "--once", "--json") == 0

    assert shell.object == {"handed_over": 0, "missed": 0, "recorded": 3, "settled": 0}
    assert shell.run("history", "--gaps", "--json", "case-7") == 0
    told = [(printed["kind"], printed["by"]) for printed in shell.objects]
    assert told == [(event, "the archive") for event in ("removed", "resumed", "paused")]
    assert shell.run("history", "--signed", "--json") == 0
    assert {printed["record"]["event"] for printed in shell.objects} == {
        "paused",
        "resumed",
        "removed",
    }
    assert [printed["trusted"] for printed in shell.objects] == [True] * 3
    assert main(["audit"]) == 0


def test_what_was_missed_is_told_and_an_audit_finds_a_record_that_was_changed(
    shell: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shell.run("add", "--name", "case-7", "--every", "6h", "--jitter", "0", URL) == 0
    _a_day_passes()

    assert shell.run("run", "--once", "--json") == 0

    counts = shell.object
    assert (counts["missed"], counts["recorded"]) == (5, 1)
    assert shell.run("history", "case-7") == 0
    assert "GAP  no-worker  5 visits" in shell.out
    (record,) = (shell.folder / "captures" / "gaps").rglob("*.json")
    assert b"example.org" not in record.read_bytes()
    assert b"example.org" not in b"".join(
        path.read_bytes() for path in (shell.folder / "captures.private").iterdir()
    )
    record.chmod(0o644)
    record.write_bytes(record.read_bytes().replace(b"no-worker", b"no-wonder"))
    assert main(["audit"]) == 10
    assert "altered" in capsys.readouterr().out
    assert shell.run("history", "--signed") == 0
    assert "IS NOT INTACT" in shell.out


def test_every_worker_sweeps(shell: Home) -> None:
    assert shell.run("add", "--name", "case-7", "--every", "6h", "--jitter", "0", URL) == 0
    _a_day_passes()
    settings, heard = load(), Heard()
    engine = wiring_jobs.database(settings)
    periodic_tasks = wiring_worker.periodic_tasks(
        settings, engine, show_message=heard.told.append, observer=heard
    )
    (sweep,) = [duty for duty in periodic_tasks if duty.name == "schedules"]

    sweep.work()

    engine.dispose()
    assert shell.run("history", "--gaps", "--json", "case-7") == 0
    assert len(shell.object["slots"]) == 5
    assert heard.told == []


def test_a_record_that_was_not_logged_is_found_and_logged_later(
    shell: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SNAPSHOTTER_LOG", "false")
    assert shell.run("add", "--name", "case-7", "--every", "6h", "--jitter", "0", URL) == 0
    _a_day_passes()
    assert shell.run("run", "--once", "--json") == 0
    assert (shell.object["recorded"], (shell.folder / "captures" / "log").exists()) == (1, False)
    monkeypatch.setenv("SNAPSHOTTER_LOG", "true")

    assert main(["log", "sync", "--json"]) == 0

    added = json.loads(capsys.readouterr().out)
    assert (added["kind"], added["state"], added["index"]) == ("gap", "logged", 0)
    assert main(["log", "sync", "--json"]) == 0
    assert capsys.readouterr().out == ""
    assert main(["audit"]) == 0


def _a_day_passes() -> None:
    """Let nobody have looked since yesterday: what is due next was due 26 hours ago."""
    engine = wiring_jobs.database(load())
    day = timedelta(hours=26)
    with writing(engine) as connection:
        row = connection.execute(select(TARGET)).mappings().one()
        connection.execute(
            update(TARGET).values(
                since=row["since"] - day, next_slot=row["next_slot"] - day,
                next_at=row["next_at"] - day,
            )
        )  # fmt: skip
    engine.dispose()


def test_an_extra_visit_is_a_job_like_any_other(shell: Home) -> None:
    other = "https://example.org/2"
    assert shell.run(
        "add", "--name", "case-7", "--every", "6h", "--start", "2027-01-01", "--priority", "5", URL,
        other,
    ) == 0  # fmt: skip

    assert shell.run("run", "--json", "--url", other, "case-7") == 0

    (job_id,) = shell.object["jobs"]
    engine = wiring_jobs.database(load())
    found = list(wiring_jobs.queue(load(), engine).jobs(origin="schedule:case-7"))
    engine.dispose()
    assert [(status.job.id, status.job.url, status.job.priority) for status in found] == [
        (job_id, other, 5)
    ]
    assert not (shell.folder / "captures").exists()  # no key and no store are needed for it
    assert shell.run("run", "--url", "https://example.org/3", "case-7") == 1
    assert "is not an address of the schedule" in shell.err
