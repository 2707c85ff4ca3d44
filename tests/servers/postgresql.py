"""
PostgreSQL as the database of our tests: a real one, in a folder of its own.

    with PostgreSQL() as server:
        open_database(server.url)

It listens on a socket in its folder and on no port. The server refuses to run as root:
then it runs as `nobody`, to whom its folder belongs.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from tests.tools import tools_are_required

_USER = "snapshotter"
_S = 60  # for a command of its own, on a busy machine
# Nothing here outlives the machine: what is synced to the disk costs time alone.
_OPTIONS = "-c fsync=off -c full_page_writes=off -c shared_buffers=16MB -c max_connections=60"


class PostgreSQL:
    """One server in its own processes."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="snapshotter-pg-"))
        self._binaries = _binaries()
        self._user = pwd.getpwnam("nobody") if os.getuid() == 0 else None

    def __enter__(self) -> Self:
        if self._user is not None:
            os.chown(self.folder, self._user.pw_uid, self._user.pw_gid)
        self._run("initdb", "-U", _USER, "-A", "trust", "--no-sync", "-D", self._data)
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def url(self) -> str:
        """The setting `queue` that leads here."""
        return f"postgresql://{_USER}@/postgres?host={self.folder}"

    def another(self, name: str) -> str:
        """Make an empty database; return the setting `queue` that leads there."""
        self._run("createdb", "-U", _USER, "-h", self.folder, name)
        return f"postgresql://{_USER}@/{name}?host={self.folder}"

    def type(self, command: str, folder: Path, **variables: str) -> None:
        """Run a command of PostgreSQL's own in a shell, in a folder."""
        path = f"{self._binaries}{os.pathsep}{os.defpath}"
        subprocess.run(
            ["sh", "-euc", command], cwd=folder, env={"PATH": path, **variables},
            stdin=subprocess.DEVNULL, timeout=_S, check=True,
        )  # fmt: skip

    def start(self) -> None:
        """Start the server; it answers when this returns."""
        options = f"{_OPTIONS} -c listen_addresses='' -c unix_socket_directories={self.folder}"
        log = self.folder / "log"
        self._run("pg_ctl", "start", "-w", "-D", self._data, "-l", log, "-o", options)

    def stop(self) -> None:
        """End the server at once, as a crash of it does; what was committed stays."""
        self._run("pg_ctl", "stop", "-w", "-m", "immediate", "-D", self._data, check=False)

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _run(self, program: str, *arguments: str | Path, check: bool = True) -> None:
        user = self._user
        # To a file: the server would keep a pipe open for as long as it lives.
        with (self.folder / f"{program}.out").open("ab") as out:
            done = subprocess.run(
                [self._binaries / program, *arguments],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                timeout=_S,
                check=False,
                env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"},
                user=user.pw_uid if user else None,
                group=user.pw_gid if user else None,
                extra_groups=[] if user else None,
            )
        if check and done.returncode:
            said = (self.folder / f"{program}.out").read_text(errors="replace")
            raise RuntimeError(f"{program} ended in {done.returncode}: {said[-1000:]}")


def _binaries() -> Path:
    """Return where the server's programs are; Debian keeps them off the PATH."""
    if found := shutil.which("pg_ctl"):
        return Path(found).resolve().parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    if versions:
        return versions[-1].parent
    if tools_are_required():
        pytest.fail("PostgreSQL is not here although SNAPSHOTTER_REQUIRE_TOOLS is set")
    pytest.skip("PostgreSQL is not here: apt-get install postgresql")
