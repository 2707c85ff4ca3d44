"""`snapshotter report day`: today, another day, a period; as text, page and message."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from snapshotter.app import settings
from snapshotter.app.wiring import telemetry as wiring_telemetry
from tests.servers.receiver import Receiver
from tests.unit.cli.bundle_shell import BundleShell


@pytest.fixture
def home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> BundleShell:
    return BundleShell(tmp_path, monkeypatch, capsys)


def _day(days: int) -> str:
    return f"{datetime.now().astimezone() - timedelta(days=days):%Y-%m-%d}"


def test_today_is_the_default_and_yesterday_is_another_day(home: BundleShell) -> None:
    assert home.run("report", "day", "--since", _day(1)) == 0, home.err
    assert "     1  Captures (complete 1, partial 0, failed 0)" in home.out
    assert home.run("report", "day", "--json") == 0
    assert [found["bundle_id"] for found in home.object["captured"]] == [home.id]

    assert home.run("report", "day", "--json", _day(2)) == 0
    assert home.object["captured"] == []
    assert home.run("report", "day", "--json", "yesterday") == 0
    assert home.object["since"] < home.object["until"]
    assert home.object["captured"] == []


def test_the_page_names_the_capture_and_its_title(home: BundleShell) -> None:
    assert home.run("report", "day", "--html", "day.html") == 0

    text = Path("day.html").read_text()
    assert home.id in text
    assert "A page" in text


@pytest.mark.parametrize(
    "wrong",
    [("someday",), ("2999-01-01",), ("--since", "2999-01-01"), ("--since", "x"),
     ("2026-01-01", "--since", "x"),
     ("--notify", "--since", "2026-01-01")],
)  # fmt: skip
def test_a_day_that_is_none_is_a_usage_error(home: BundleShell, wrong: tuple[str, ...]) -> None:
    assert home.run("report", "day", *wrong) == 2


def _notify_file(receiver: Receiver, more: str = "") -> None:
    Path("notify.toml").write_text(
        f"""
        {more}
        [[channel]]
        name = "hook"
        type = "webhook"
        url = "{receiver.url}"
        secret_file = "hook.secret"
        allow_networks = ["127.0.0.1"]
        """
    )


def test_a_digest_is_sent_once_for_a_day_and_names_no_page(
    home: BundleShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SNAPSHOTTER_NOTIFY_FILE", str(home.folder / "notify.toml"))
    with Receiver() as receiver:
        _notify_file(receiver)
        assert home.run("notify", "secret", "hook.secret") == 0, home.err
        assert home.run("report", "day", "--notify") == 0, home.err
        assert home.run("report", "day", "--notify") == 0, home.err
        messages = [posted.body.decode() for posted in receiver.posted]

    assert len(messages) == 1
    assert '"type":"report.day"' in messages[0]
    assert "Captures: 1." in messages[0]
    assert "example.test" not in messages[0]


def test_a_worker_sends_the_report_about_yesterday_and_a_command_does_not_repeat_it(
    home: BundleShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SNAPSHOTTER_NOTIFY_FILE", str(home.folder / "notify.toml"))
    with Receiver() as receiver:
        _notify_file(receiver, 'report_day_at = "00:00"')
        assert home.run("notify", "secret", "hook.secret") == 0, home.err
        watched = wiring_telemetry.worker_telemetry(
            settings.load(), log_format="text", log_level="info", listen="",
            listen_anywhere=False, print_event=lambda name, **fields: None,
            print_text=lambda text: None, start_s=5,
        )  # fmt: skip
        with watched as worker:
            tasks = {task.name: task.work for task in worker.periodic_tasks}
            tasks["report-day"]()
            tasks["notifications"]()
        assert home.run("report", "day", "--notify", "yesterday") == 0, home.err
        messages = [posted.body.decode() for posted in receiver.posted]

    assert len(messages) == 1
    assert f"/{_day(1).replace('-', '')}" in messages[0]


def test_a_capture_that_was_put_into_quarantine_is_counted_and_not_shown(
    home: BundleShell,
) -> None:
    assert home.run("quarantine", "--reason", "a court order", home.id) == 0, home.err

    assert home.run("report", "day", "--json") == 0

    assert (home.object["captured"], home.object["quarantined"]) == ([], 1)
