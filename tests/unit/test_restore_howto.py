"""The commands that restore a backup, on a machine that has nothing and on one that has folders."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.tools import ROOT

HOWTO = ROOT / "docs" / "howto" / "restore.md"


@pytest.mark.parametrize("is_bare", [True, False])
def test_a_backup_is_put_where_it_was(tmp_path: Path, is_bare: bool) -> None:
    page = HOWTO.read_text(encoding="utf-8")
    restore = re.findall(r"^```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL)[1]
    backup, home = tmp_path / "backup", tmp_path / "home"
    for name in ("data", "store", "trust", "salts"):
        (backup / name).mkdir(parents=True)
        (backup / name / "file").touch()
    (backup / "snapshotter.toml").touch()
    places = {"DATA": home / "a" / "data", "STORE": home / "b" / "captures", "TRUST": home / "c"}
    if not is_bare:  # a command of snapshotter was run before
        for place in (*places.values(), home / "b" / "captures.private"):
            place.mkdir(parents=True)

    settings = home / "d" / "snapshotter.toml"
    given = {"BACKUP": backup, "SETTINGS": settings, **places}
    subprocess.run(
        ["/bin/bash", "-e", "-u", "-c", restore],
        env={"PATH": os.defpath, **{name: str(path) for name, path in given.items()}},
        check=True,
    )

    found = {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()}
    assert found == {
        "a/data/file", "b/captures/file", "b/captures.private/file", "c/file", "d/snapshotter.toml",
    }  # fmt: skip
