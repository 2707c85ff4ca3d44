"""Where a browser may write, and how much it has written."""

import os
from pathlib import Path

from snapshotter.capture.browser.workspace import BrowserWorkspace


def test_a_browser_writes_beside_the_spool_only_and_all_of_it_goes(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    workspace = BrowserWorkspace.create(spool)

    assert workspace.root.parent == tmp_path
    assert str(workspace.home) == workspace.environment["HOME"]
    assert set(workspace.environment) == {
        "PATH", "LANG", "HOME", "TMPDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR",
        "DBUS_SESSION_BUS_ADDRESS",
    }  # fmt: skip
    # The profile's socket has to fit into a socket address.
    assert len(os.fsencode(workspace.temporary)) <= 60

    workspace.remove()

    assert list(tmp_path.iterdir()) == [spool]
    assert not workspace.temporary.exists()


def test_what_a_browser_has_written_is_counted_as_the_disk_counts_it(tmp_path: Path) -> None:
    workspace = BrowserWorkspace.create(tmp_path / "spool")
    before = workspace.written_bytes(4 << 20)
    (workspace.profile / "store").write_bytes(bytes(1 << 20))
    with (workspace.temporary / "hole").open("wb") as sparse:
        sparse.truncate(1 << 30)

    assert 1 << 20 <= workspace.written_bytes(4 << 20) - before < 2 << 20
    for number in range(100):  # that hold nothing, and take a place each
        (workspace.profile / f"{number}").touch()
        (workspace.home / f"{number}").mkdir()
    assert workspace.written_bytes(4 << 20) - before > (1 << 20) + 200 * 4096 - 1
    assert workspace.written_bytes(1000) < before + (1 << 20)  # looking ended
    workspace.remove()
    assert workspace.written_bytes(1) == 0
