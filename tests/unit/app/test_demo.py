"""The demo's world: small, its own, and nobody's outside it."""

import asyncio
import socket
from pathlib import Path

import pytest

from snapshotter.app import settings
from snapshotter.app.policies import configured_policy
from snapshotter.app.wiring.demo import SiteResolver, demo_environment
from snapshotter.cli.main import main
from snapshotter.egress.resolver import ResolutionFailed
from snapshotter.errors import ServiceUnavailable
from snapshotter.policy.capture_decision import monitoring


@pytest.fixture
def staged(tmp_path: Path) -> Path:
    return tmp_path / "demo"


def _silent(*words: str) -> None:
    pass


def test_everything_lies_in_its_own_folder_and_only_the_browser_is_the_users(
    tmp_path: Path, staged: Path
) -> None:
    own = settings.settings_from_values(
        {
            "store": str(tmp_path / "mine"),
            "browser_path": "/opt/browser",
            "keys_dir": str(tmp_path / "keys"),
            "proxy": "http://192.0.2.1:3128",
        }
    )

    with demo_environment(own, staged, _silent, _silent) as stage:
        found = stage.settings
        assert stage.has_authority
        assert [entry.name for entry in found.authorities] == ["demo authority"]

    assert found.browser_path == Path("/opt/browser")
    assert found.proxy == ""
    for path in (Path(found.store), found.data_dir, found.keys_dir, found.spool_dir):
        assert path.is_relative_to(staged)
    assert not (tmp_path / "mine").exists()
    assert not (tmp_path / "keys").exists()


def test_without_openssl_there_is_no_authority_and_none_is_asked_for(
    staged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with demo_environment(settings.settings_from_values({}), staged, _silent, _silent) as stage:
        assert not stage.has_authority
        assert stage.settings.authorities == ()
        assert stage.decision.require_timestamps == 0


def test_its_rules_know_the_papers_notice_and_confirm_within_seconds(staged: Path) -> None:
    with demo_environment(settings.settings_from_values({}), staged, _silent, _silent) as stage:
        assert [name for name, _ in stage.decision.verdict.rule_texts] == ["lantern", "generic"]
        confirm = monitoring(configured_policy.configured_policy(stage.settings)).confirm
        assert (confirm.times, confirm.control) == (2, True)
        assert confirm.after.total_seconds() < 10


def test_no_host_that_exists_is_known_to_it() -> None:
    resolver = SiteResolver()

    assert asyncio.run(resolver.resolve("news.example")) == ("127.0.0.1",)
    with pytest.raises(ResolutionFailed):
        asyncio.run(resolver.resolve("mp.weixin.qq.com"))


def test_a_machine_without_loopback_is_told_what_to_do(
    monkeypatch: pytest.MonkeyPatch, staged: Path
) -> None:
    def unreachable(*arguments: object, **more: object) -> socket.socket:
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(socket, "create_connection", unreachable)
    monkeypatch.setattr("snapshotter.egress.enter.raise_loopback", lambda: None)

    with (
        pytest.raises(ServiceUnavailable, match="cannot be reached") as error,
        demo_environment(settings.settings_from_values({}), staged, _silent, _silent),
    ):
        pass
    assert "ip link set lo up" in error.value.hint


def test_a_folder_with_something_in_it_is_not_written_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.txt").write_text("mine")

    code = main(["demo", "--keep", str(tmp_path)])

    assert code == 1
    assert "give --keep a directory that is empty or does not exist" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
