"""Somebody with a key, a store and a command line, and no browser, who makes proof packs."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from snapshotter.cli.main import main
from snapshotter.model.bundle import Bundle
from snapshotter.ports import Signer
from snapshotter.seal.signer import KeyDirectory
from snapshotter.site.state import BEGIN, PageState, SiteState
from snapshotter.store.filesystem import DirectoryStore
from tests import observed
from tests.bundles import RealClock

ARTICLE = "http://mp.weixin.qq.com/s?__biz=MzkwMDAwMDAwMQ%3D%3D&mid=2650000001&idx=1&sn=x"
Ended = tuple[int, str, str]


@dataclass
class User:
    """The person, and what the person does."""

    home: Path
    run: Callable[..., Ended]

    def capture(
        self,
        minutes: float,
        shows: PageState,
        url: str = ARTICLE,
        *,
        allow_networks: tuple[str, ...] = (),
        signer: Signer | None = None,
    ) -> str:
        """Put a capture into the store that ended so many minutes after the first."""
        signer = signer or self.signer
        when = RealClock().now() - timedelta(hours=2) + timedelta(minutes=minutes)
        state = SiteState().change("wx/article", BEGIN, shows)
        made = observed.shoot(
            self.home / "spool", when, state, url, signer=signer, allow_networks=allow_networks
        )
        return self.put(made)

    @property
    def signer(self) -> Signer:
        """The key that signs captures."""
        return KeyDirectory(self.home / "data" / "keys").load("default", None)

    def put(self, made: Bundle) -> str:
        """Put a bundle into the store; return its id."""
        observed.put(DirectoryStore(self.home / "captures"), made)
        return made.id


def new_user(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> User:
    """Return a user whose home is an empty folder."""
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("SNAPSHOTTER_DATA_DIR", str(home / "data"))
    monkeypatch.chdir(home)

    def run(*arguments: str | Path) -> Ended:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    assert run("keys", "init")[0] == 0
    return User(home, run)
