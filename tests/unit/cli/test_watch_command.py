"""`watch add|list|show|pause|resume|remove|check|items`: what people see of polled lists."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers.lists import ListServer, feed
from tests.unit.cli.shell import Shell

PAGES = [f"https://news.example/{number}" for number in range(30)]


class Home(Shell):
    """A home in which lists are watched."""

    def told(self, *arguments: str) -> list[dict[str, Any]]:
        """Run a command that need not have read its list; return its objects."""
        assert self.run(*arguments, "--json") in (0, 30), self.err
        return self.objects


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Home:
    monkeypatch.chdir(tmp_path)
    for name in ("data_dir", "keys_dir", "spool_dir", "store"):
        monkeypatch.setenv(f"SNAPSHOTTER_{name.upper()}", str(tmp_path / name))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("SNAPSHOTTER_ALLOW_NETWORKS", "127.0.0.0/8")
    return Home(capsys, "watch")


@pytest.fixture
def server() -> Iterator[ListServer]:
    with ListServer() as found:
        found.put("/feed", feed(*PAGES, title="Agency\u202e news"))
        yield found


def test_a_list_is_watched_checked_and_shown(shell: Home, server: ListServer) -> None:
    source = server.url("/feed")
    assert shell.run("add", "agency", source, "--existing-limit", "20") == 0
    assert "of the pages that are in the list now, at most 20 are captured" in shell.err
    assert shell.run("list") == 0
    assert shell.out.split()[:4] == ["agency", "new", "0", "items"]

    assert shell.run("check", "agency") == 0
    assert "30 listed, 30 new, 20 put into the queue" in shell.out
    assert "the first 20 are captured, and 10 are not" in shell.err
    assert shell.run("check", "agency") == 0
    assert "30 listed, 0 new, 0 put into the queue" in shell.out

    (shown,) = shell.told("show", "agency")
    assert (shown["state"], shown["items"], shown["title"]) == ("ok", 30, "Agency news")
    assert shown["kind"] == "feed"
    assert shown["jobs"] == {"waiting": 20}
    assert [poll["queued"] for poll in shown["last_polls"]] == [0, 20]
    assert shell.run("show", "agency") == 0
    assert "captures  20 waiting" in shell.out
    assert "30 new, 20 put into the queue" in shell.out

    found = shell.told("items", "agency", "--newest", "0")
    assert {item["url"] for item in found} == set(PAGES)
    assert {item["job_state"] for item in found if item["state"] == "queued"} == {"waiting"}
    assert shell.run("items", "--state", "skipped", "--urls", "agency") == 0
    assert sorted(shell.out.split()) == sorted(PAGES[20:])


def test_a_list_that_can_not_be_read_is_told_by_word_and_code(
    shell: Home, server: ListServer
) -> None:
    assert shell.run("add", "gone", server.url("/nothing")) == 0

    assert shell.run("check", "gone") == 30

    assert "the list 'gone' is gone: the server answers with HTTP status 404" in shell.err
    assert "the list is polled again at" in shell.err
    assert shell.run("show", "gone") == 0
    assert "consecutive failed polls: 1" in shell.out


def test_a_private_address_is_asked_only_where_settings_open_it(
    shell: Home, server: ListServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SNAPSHOTTER_ALLOW_NETWORKS", "")
    assert shell.run("add", "inside", server.url("/feed")) == 0

    assert shell.run("check", "inside") == 30

    assert "is refused" in shell.err
    assert server.requests == []


def test_a_dry_run_shows_what_would_be_captured_and_watches_nothing(
    shell: Home, server: ListServer
) -> None:
    server.put("/page", "<html><title>All</title><a href=/n/1>One</a><a href=/x>X</a>")
    source = server.url("/page")

    assert shell.run("add", "--dry-run", "page", source, "--match", "*/n/*") == 0
    assert "html  All  items: 1, pages: 1" in shell.out
    assert server.url("/n/1") in shell.out
    assert shell.run("add", "--dry-run", "page", source) == 1
    assert "--match or --select" in shell.err
    assert shell.run("list") == 0
    assert "no watch list exists. Add a watch list:" in shell.err


def test_https_is_added_to_the_address_of_a_list_and_not_to_the_name_of_a_file(
    shell: Home,
) -> None:
    (made,) = shell.told("add", "agency", "news.example/feed")
    assert made["source"] == "https://news.example/feed"
    assert "news.example/feed has no scheme, so https:// is added" in shell.err
    (made,) = shell.told("add", "missing", "articles.csv")
    assert made["source"] == str(Path("articles.csv").absolute())
    assert "the file articles.csv does not exist on this machine now" in shell.err
    Path("news.example").write_text("https://a.example/\n")
    (made,) = shell.told("change", "agency", "--source", "news.example")
    assert made["source"] == str(Path("news.example").absolute())


def test_a_watch_is_changed_and_what_it_named_stays_known(shell: Home, server: ListServer) -> None:
    server.put("/new", feed(*PAGES[5:], "https://news.example/new/1"))
    assert shell.run("add", "agency", server.url("/feed"), "--match", "*/1?") == 0
    assert shell.run("check", "agency") == 0

    (changed,) = shell.told("change", "agency", "--source", server.url("/new"), "--every", "5m")
    assert (changed["every_ms"], changed["items"]) == (300_000, 10)
    assert changed["match"] == ["*/1?"]
    assert shell.run("check", "agency") == 0
    assert "10 listed, 0 new, 0 put into the queue" in shell.out
    assert shell.run("change", "agency", "--match", "*/new/*", "--match", "*/1?") == 0
    assert shell.run("check", "agency") == 0
    assert "11 listed, 1 new, 1 put into the queue" in shell.out

    assert shell.run("change", "agency") == 2
    assert shell.run("change", "agency", "--every", "1s") == 2
    assert shell.run("change", "nobody", "--every", "5m") == 1


def test_a_watch_is_paused_resumed_and_removed(
    shell: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "list.txt").write_text(f"{PAGES[0]}\n")
    assert shell.run("add", "file", "list.txt") == 0
    paused = shell.told("pause", "--reason", "the site moves", "file")[0]
    assert (paused["next_at"], paused["paused_reason"]) == (None, "the site moves")
    assert shell.run("show", "file") == 0
    assert "paused    the site moves" in shell.out
    assert shell.run("list") == 0
    assert shell.out.split()[1] == "paused"
    assert shell.told("resume", "file")[0]["source"] == str(tmp_path / "list.txt")

    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert shell.run("remove", "file") == 130  # nobody answers the question
    assert shell.run("remove", "--yes", "file") == 0
    assert shell.run("show", "file") == 1
    assert "the watch list 'file' does not exist" in shell.err


def test_a_policy_of_ones_own_is_named_as_a_shipped_one_is(
    shell: Home, server: ListServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = tmp_path / "policies"
    mine.mkdir()
    (mine / "mine.toml").write_text('name = "mine"\nextends = "default"\n')
    monkeypatch.setenv("SNAPSHOTTER_POLICIES_DIR", str(mine))

    assert shell.run("add", "agency", server.url("/feed"), "--policy", "mine") == 0
    assert shell.run("change", "agency", "--policy", "default") == 0
    assert shell.run("change", "agency", "--policy", "mine") == 0

    (shown,) = shell.told("show", "agency")
    assert shown["policy"] == str(mine / "mine.toml")  # a worker may run in another folder


def test_a_curve_takes_over_the_pages_from_first_sight(shell: Home, server: ListServer) -> None:
    from snapshotter.app import settings
    from snapshotter.app.wiring import queue as wiring_jobs
    from snapshotter.jobs.schedules.schedules import Schedules

    source = server.url("/feed")
    assert shell.run("add", "agency", source, "--then", "curve-wechat") == 0
    assert shell.run("check", "agency") == 0
    server.put("/feed", feed("https://news.example/new", *PAGES))
    assert shell.run("check", "agency") == 0

    database = wiring_jobs.database(settings.load())
    schedule = Schedules(database).get("watch-agency")
    assert (schedule.urls, schedule.plan.curve and schedule.plan.curve.name) == (
        31,
        "curve-wechat",
    )
    items = shell.told("items", "agency", "--newest", "0")
    targets = {target.url: target for target in Schedules(database).targets("watch-agency")}
    assert {item["job_id"] for item in items} == {
        f"watch-agency.{target.key}@{target.since:%Y%m%dt%H%M%Sz}" for target in targets.values()
    }
    assert list(wiring_jobs.queue(settings.load(), database).jobs()) == []
    database.dispose()
    assert shell.run("remove", "--yes", "agency") == 0
    assert "schedule remove watch-agency" in shell.err


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("A", "https://a.example/"), 2, "a watch list's name"),
        (("a", "ftp://a.example/"), 1, "only http and https"),
        (("a", "https://u:p@a.example/"), 1, "a user name or a password"),
        (("a", "https://a.example/", "--every", "10"), 2, "not a duration"),
        (("a", "https://a.example/", "--every", "10s"), 2, "once a minute"),
        (("a", "https://a.example/", "--select", "a["), 1, "not a CSS selector"),
        (("a", "https://a.example/", "--then", "curve-x"), 1, "curve-wechat"),
        (("a", "https://a.example/", "--start", "soon"), 2, "2027-05-27"),
        (("a", "https://a.example/", "--jitter", "much"), 2, "15%"),
        (
            ("a", "https://a.example/", "--policy", "nowhere"),
            1,
            "the policy nowhere does not exist",
        ),
        (("a", "https://a.example/", "--start", "2026-05-27", "--end", "2026-05-26"), 2, "ends"),
    ],
)
def test_a_watch_that_makes_no_sense_is_refused_in_words(
    shell: Home, arguments: tuple[str, ...], code: int, told: str
) -> None:
    assert shell.run("add", *arguments) == code
    assert told in shell.err
    assert shell.run("list") == 0
    assert shell.out == ""
