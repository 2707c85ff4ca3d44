"""What the tests of commands share."""

from pathlib import Path

import pytest

from tests.unit.cli.bundle_shell import BundleShell


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> BundleShell:
    """Commands in a home whose store holds one bundle."""
    return BundleShell(tmp_path, monkeypatch, capsys)
