"""`snapshotter report campaign`: what it prints and writes, and that `verify` takes it."""

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest

from snapshotter.cli.main import main
from snapshotter.model.campaign import OWN_WORD
from snapshotter.site.state import BEGIN
from tests.servers.lists import ListServer, feed
from tests.unit.app.takedown.test_campaign_report import Case, address, case

pytestmark = pytest.mark.xdist_group("report-command")  # its captures are made once


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return case(tmp_path_factory.mktemp("report"), 3, 2)


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small: Case) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SNAPSHOTTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("SNAPSHOTTER_STORE", small.store.url)
    rows = "\n".join(f"account {number},{address(number)}" for number in range(3))
    (tmp_path / "accounts.csv").write_text(f"name,url\n{rows}\n")


def run(*arguments: str) -> int:
    return main(["report", "campaign", "--urls", "accounts.csv", *arguments])


def test_it_tells_what_became_of_the_pages_and_signs_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--title", "The May campaign") == 0

    out = capsys.readouterr().out
    assert out.startswith("The May campaign\n")
    assert "     3  pages watched\n" in out
    assert "     2  pages removed in the period\n" in out
    assert "     2  removed, stated cause: account blocked\n" in out
    assert (
        "pages that were available: 3; median of the time for which they were available: "
        "between 0 s and 1 h 1 min"
    ) in out
    assert (
        "fields that cannot be derived again, and that are only statements of the maker of the "
        f"report: {', '.join(OWN_WORD)}\n"
    ) in out
    assert (
        "events for which no timestamp token confirms the order of the captures: " in out
    )  # they have none
    assert len(re.findall(r"^removed  blocked account  2026-01-08 .* UTC  http", out, re.M)) == 2
    assert not (tmp_path / "data" / "keys").exists()


def test_the_signed_report_is_verified_and_one_that_was_altered_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], small: Case
) -> None:
    assert run("-o", "may.json", "--html", "may.html") == 0
    capsys.readouterr()

    # Nobody is known to trust the key of the captures here, and they have no token.
    assert main(["verify", "may.json"]) == 11
    out, err = capsys.readouterr()
    assert f"may.json is compared with the store {small.store.url}" in err
    assert "each number was computed again from the bundles" in out
    assert out.startswith(
        "Pages removed: 2 of 3. It is not established whether the proof is intact: "
    )
    report = (tmp_path / "may.json").read_bytes()
    (tmp_path / "may.json").write_bytes(report.replace(b'"value":2', b'"value":1', 1))
    assert main(["verify", "--json", "may.json"]) == 10
    assert json.loads(capsys.readouterr().out)["verdict"] == "failed"
    page = (tmp_path / "may.html").read_text()
    assert page.startswith("<!DOCTYPE html>")
    assert "<script" not in page
    assert page.count("pages removed in the period") == 1
    assert page.count("No timestamp token or log confirms that") == 2


def test_a_store_that_nobody_named_and_that_only_lies_here_says_nothing_of_a_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], small: Case
) -> None:
    """What it lacks can not be missed, and it may have come with the report."""
    assert run("-o", "may.json") == 0
    monkeypatch.delenv("SNAPSHOTTER_STORE")
    (tmp_path / "captures").symlink_to(small.store.url)
    capsys.readouterr()

    assert main(["verify", "may.json"]) == 11
    out, err = capsys.readouterr()
    assert "no store with these captures was given" in out
    assert "is compared with the store" not in err
    assert main(["verify", "--store", "captures", "may.json"]) == 11
    out, err = capsys.readouterr()
    assert "each number was computed again from the bundles" in out
    assert f"may.json is compared with the store {small.store.url}" in err


def test_as_json_each_number_names_the_bundles_and_events_that_it_rests_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("--json") == 0

    report = json.loads(capsys.readouterr().out)
    removed = next(
        number for number in report["findings"]["numbers"] if number["name"] == "removed"
    )
    assert (removed["value"], removed["pages"]) == (2, [0, 1])
    assert set(removed["events"]) <= set(report["weak"])
    assert report["own_word"] == list(OWN_WORD)
    assert len(removed["events"]) == 2
    assert set(removed["bundles"]) <= {
        capture["bundle_id"] for page in report["campaign"]["pages"] for capture in page["captures"]
    } | {
        control["bundle_id"] for page in report["campaign"]["pages"] for control in page["controls"]
    }


def test_captures_in_quarantine_are_left_out_and_named_with_their_reasons(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("--json") == 0
    pages = json.loads(capsys.readouterr().out)["campaign"]["pages"]
    hidden = pages[2]["captures"][0]["bundle_id"]
    assert main(["quarantine", "--reason", "may show a child", hidden]) == 0
    why = "in quarantine: may show a child"
    try:
        for options in ((), ("--no-verify",)):
            capsys.readouterr()
            assert run("--json", "-o", "may.json", *options) == 0
            out, err = capsys.readouterr()
            campaign = json.loads(out)["campaign"]
            assert campaign["left_out"] == [{"bundle_id": hidden, "why": why}]
            assert hidden not in json.dumps([campaign["pages"], json.loads(out)["findings"]])
            assert "captures that are left out: 1" in err
            assert f"left out: {hidden}: {why}" in err
        # The report is no forgery because of that, and what it leaves out is an open question.
        assert main(["verify", "may.json"]) == 11
        out = capsys.readouterr().out
        assert f"the report leaves out because they are in quarantine: 1: {hidden}" in out
    finally:
        assert main(["release", "--reason", "a drawing", hidden]) == 0
    # A capture that is shown again is missing in the report.
    capsys.readouterr()
    assert main(["verify", "may.json"]) == 10


def test_a_period_is_given_by_days_or_moments(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--json", "--from", "2026-01-08", "--to", "2026-01-08") == 0
    report = json.loads(capsys.readouterr().out)["campaign"]
    assert (report["since"], report["until"]) == ("2026-01-08T00:00:00Z", "2026-01-09T00:00:00Z")
    assert run("--json", "--to", "20260108") == 0  # the same day in another spelling
    assert json.loads(capsys.readouterr().out)["campaign"]["until"] == "2026-01-09T00:00:00Z"

    until = (BEGIN + timedelta(minutes=30)).isoformat()
    assert run("--json", "--to", until) == 0
    numbers = json.loads(capsys.readouterr().out)["findings"]["numbers"]
    assert next(number["value"] for number in numbers if number["name"] == "removed") == 0
    assert run("--from", "yesterday") == 2
    assert run("--to", "9999-12-31") == 2  # a day behind which there is none


def test_what_is_asked_wrongly_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "campaign"]) == 2
    (tmp_path / "accounts.csv").write_text("name\nnobody\n")
    assert run() == 1
    assert "give a file with one address on each line" in capsys.readouterr().err


def test_the_pages_of_a_schedule_are_those_that_it_visits(
    capsys: pytest.CaptureFixture[str],
) -> None:
    urls = [address(number) for number in range(2)]
    add = ("schedule", "add", "--name", "may", "--every", "6h", *urls)
    assert main([*add]) == 0
    capsys.readouterr()

    assert main(["report", "campaign", "--schedule", "may", "--json"]) == 0

    campaign = json.loads(capsys.readouterr().out)["campaign"]
    assert campaign["scope"] == "the schedule may"
    assert [page["url"] for page in campaign["pages"]] == urls
    assert main(["report", "campaign", "--schedule", "june"]) == 1


def test_the_pages_of_a_watched_list_are_those_that_it_named_the_oldest_first(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SNAPSHOTTER_ALLOW_NETWORKS", "127.0.0.0/8")
    urls = [address(number) for number in range(3)]
    with ListServer() as lists:
        lists.put("/feed", feed(urls[1], urls[0]))
        assert main(["watch", "add", "agency", lists.url("/feed")]) == 0
        assert main(["watch", "check", "agency"]) == 0
        lists.put("/feed", feed(urls[2], urls[0]))  # one more, and one that it names no longer
        assert main(["watch", "check", "agency"]) == 0
    capsys.readouterr()

    assert main(["report", "campaign", "--watch", "agency", "--json"]) == 0

    told = json.loads(capsys.readouterr().out)
    assert told["campaign"]["scope"] == "the watch list agency"
    named = [page["url"] for page in told["campaign"]["pages"]]
    assert sorted(named) == urls
    assert named[-1] == urls[2]  # seen by the second look
    numbers = {number["name"]: number["value"] for number in told["findings"]["numbers"]}
    assert (numbers["watched"], numbers["removed"]) == (3, 2)
    (Path("hard.toml")).write_text(
        'name = "hard"\nextends = "default"\n[takedown.confirm]\ntimes = 9\n'
    )
    assert main(["watch", "change", "agency", "--policy", "hard.toml"]) == 0
    capsys.readouterr()
    assert main(["report", "campaign", "--watch", "agency", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {page["confirm"]["times"] for page in told["campaign"]["pages"]} == {9}
    numbers = {number["name"]: number["value"] for number in told["findings"]["numbers"]}
    assert numbers["removed"] == 0  # by the rules that the list is watched by
    assert main(["report", "campaign", "--watch", "nobody"]) == 1
    assert "nobody" in capsys.readouterr().err
