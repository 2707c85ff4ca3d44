"""
Create, measure and remove the directories that one browser may write to.

They replace the user's own directories: HOME, TMPDIR and the profile are new and empty for each
capture.
"""

import contextlib
import os
import secrets
import shutil
from pathlib import Path

from snapshotter.value_class import dataclass

_SOCKET_PATH = 60  # bytes of TMPDIR that leave room for the profile's socket (108 in all)
_BLOCK = 512  # bytes, of st_blocks (stat(2))
_LEAST = 4096  # bytes that a file counts for, however short


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowserWorkspace:
    """The directories that one browser may write to, all below one root."""

    root: Path
    profile: Path
    home: Path
    temporary: Path  # TMPDIR; elsewhere when `root` has a long path, see `_SOCKET_PATH`
    artifacts: Path
    results: Path  # of its driver alone: `result_files.py`
    # Files of ours in `root`, which the browser may not open.
    script: Path  # what starts it
    note: Path  # its process id and its driver's
    driver_view: Path  # how files were taken from the driver, see `egress/file_view.py`
    browser_view: Path  # and from the browser
    hidden: Path  # no other user may open it
    key_log: Path  # where the browser writes its TLS secrets: it may write to this one

    @classmethod
    def create(cls, beside: Path) -> "BrowserWorkspace":
        """Make the directories beside `beside`."""
        name = f".{beside.name}-browser-{secrets.token_hex(4)}"  # in the spool, with `beside`
        root = beside.absolute().parent / name  # the browser works in another directory
        root.mkdir(mode=0o700)
        temporary = root / "tmp"
        if len(os.fsencode(temporary)) > _SOCKET_PATH:
            # Below /tmp, as TMPDIR may be as long (macOS); the link is for whoever sweeps.
            # The link comes first: a crash between the two leaves nothing that no link leads to.
            temporary = Path("/tmp", f"snapshotter-{secrets.token_hex(8)}")  # noqa: S108  new, 0700
            (root / "elsewhere").symlink_to(temporary)
            temporary.mkdir(mode=0o700)
        workspace = cls.at(root.resolve(), temporary)
        for directory in workspace.directories:
            directory.mkdir(mode=0o700, exist_ok=True)
        workspace.results.mkdir(mode=0o700)
        for file in (
            workspace.note,
            workspace.driver_view,
            workspace.browser_view,
            workspace.hidden,
            workspace.key_log,
        ):
            file.touch(mode=0o600)
        if os.geteuid() == 0:  # another user than root may pass, where they have to
            root.chmod(0o711)
        return workspace

    @classmethod
    def at(cls, root: Path, temporary: Path | None = None) -> "BrowserWorkspace":
        """Return the workspace of a root directory, which need not exist."""
        return cls(
            root=root,
            profile=root / "profile",
            home=root / "home",
            temporary=temporary or root / "tmp",
            artifacts=root / "artifacts",
            results=root / "results",
            script=root / "browser",
            note=root / "pids",
            driver_view=root / "driver-view",
            browser_view=root / "browser-view",
            hidden=root / "hidden",
            key_log=root / "keys.log",
        )

    @property
    def directories(self) -> tuple[Path, ...]:
        """The directories that the browser may write to."""
        return (self.profile, self.home, self.temporary, self.artifacts)

    def remove(self) -> None:
        """Remove all directories. Files that a dying process still writes cause no error."""
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.rmtree(self.temporary, ignore_errors=True)

    def written_bytes(self, most: int) -> int:
        """
        Return the disk space in use, as the system counts it: allocated blocks, not lengths.

        A page can make empty files without end, so each counts at least one block. It takes some
        milliseconds for a browser's hundred files.

        Args:
            most: Counting ends above so many bytes.
        """
        total = 0
        for top in {self.root, self.temporary}:
            for folder, folders, names in os.walk(top):
                for name in (*folders, *names):
                    with contextlib.suppress(OSError):  # it was removed meanwhile
                        blocks = os.lstat(os.path.join(folder, name)).st_blocks
                        total += max(_LEAST, blocks * _BLOCK)
                if total > most:
                    return total
        return total

    @property
    def environment(self) -> dict[str, str]:
        """The whole environment that the browser gets."""
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "HOME": str(self.home),
            "TMPDIR": str(self.temporary),
            "XDG_CONFIG_HOME": str(self.home / "config"),
            "XDG_CACHE_HOME": str(self.home / "cache"),
            "XDG_RUNTIME_DIR": str(self.temporary),
            "DBUS_SESSION_BUS_ADDRESS": "disabled:",
        }
