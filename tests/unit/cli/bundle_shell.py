"""Run commands in a home whose store holds one bundle."""

from pathlib import Path

import pytest

from snapshotter.store.filesystem import DirectoryStore
from tests import bundles
from tests.bundles import RealClock
from tests.unit.cli.shell import Shell


class BundleShell(Shell):
    """A home with a store in it, and one sealed bundle that was added there."""

    def __init__(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("HOME", str(folder))
        monkeypatch.setenv("SNAPSHOTTER_DATA_DIR", str(folder / "data"))
        monkeypatch.setenv("SNAPSHOTTER_OPERATOR", "the archive")
        monkeypatch.chdir(folder)
        super().__init__(capsys)
        self.folder = folder
        made = bundles.seal(folder / "spool", signer=bundles.new_signer(), clock=RealClock())
        self.id, self.file = made.id, made.file
        self.bytes = made.file.read_bytes()
        assert self.run("store", "add", str(made.file)) == 0, self.err

    @property
    def store(self) -> DirectoryStore:
        return DirectoryStore(self.folder / "captures")

    @property
    def key(self) -> str:
        return next(
            stored.key for stored in self.store.list("bundles/") if stored.key.endswith(".wacz")
        )

    @property
    def kinds(self) -> list[str]:
        """What there is of the bundle: "" for itself, then its sidecars."""
        return sorted(stored.key.partition(".wacz")[2] for stored in self.store.list("bundles/"))
