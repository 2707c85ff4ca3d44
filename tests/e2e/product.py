"""
Our product as its users meet it: a process, its exit code, its two streams, its files.

Nothing here imports the package; what a test knows comes through the command line.
"""

import gzip
import json
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from tests.e2e.prestarted import Prestarted
from tests.servers.authority import TestAuthority
from tests.tools import ROOT

LIMIT_S = 150  # no command of a test takes longer
HALTING = Path(__file__).with_name("halting")


@dataclass(frozen=True, slots=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def objects(self) -> list[dict[str, Any]]:
        """What `--json` printed, one object a line."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def object(self) -> dict[str, Any]:
        """The one object that `--json` printed."""
        (only,) = self.objects
        return only


@dataclass(slots=True)
class Installation:
    """One user with a home of their own: settings, keys, spool, store and TMPDIR below `home`."""

    home: Path
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        self.temporary.mkdir(exist_ok=True)
        self.configure()

    @property
    def data(self) -> Path:
        return self.home / "data"

    @property
    def spool(self) -> Path:
        return self.home / "spool"

    @property
    def store(self) -> Path:
        return self.home / "captures"

    @property
    def temporary(self) -> Path:
        return self.home / "tmp"

    def configure(
        self, authorities: Mapping[str, tuple[str, Path]] | None = None, **settings: object
    ) -> None:
        """Write snapshotter.toml: authorities as name → (URL, root's PEM file), and settings."""
        values: dict[str, object] = {
            "data_dir": "data",
            "spool_dir": "spool",
            "allow_networks": ["127.0.0.0/8"],  # where the tests' own servers are
            **settings,
        }
        lines = [f"{key} = {json.dumps(value)}" for key, value in values.items()]
        # Never the shipped authorities: nothing leaves this machine.
        asked = authorities or {}
        if not asked:
            lines.append("authority = []")
        for name, (url, root) in asked.items():
            lines += [
                "[[authority]]",
                f"name = {json.dumps(name)}",
                f"url = {json.dumps(url)}",
                f"root = {json.dumps(str(root))}",
            ]
        (self.home / "snapshotter.toml").write_text("\n".join(lines) + "\n")

    def policy(self, **limits: float) -> Path:
        """Write a policy file with these limits; return its path."""
        path = self.home / "limits.toml"
        lines = "\n".join(f"{name} = {value}" for name, value in limits.items())
        path.write_text(f'name = "limits"\n[limits]\n{lines}\n')
        return path

    def start(self, *arguments: str | Path, halt_at: str = "") -> "subprocess.Popen[str]":
        """
        Start a command; the caller waits for it or kills it.

        Args:
            halt_at: It stops by itself (SIGSTOP) when it has said that this begins.
        """
        halting = {"HALT_AT": halt_at, "PYTHONPATH": f"{HALTING}{os.pathsep}{ROOT}"}
        return subprocess.Popen(
            self._command(arguments),
            cwd=self.home,
            env=self._environ() | (halting if halt_at else {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str | Path, given: str = "") -> Done:
        """
        Run a command to its end, with `given` on its standard input.

        Its process is a fork of an interpreter that has imported the product, where that is the
        same to the command. `start` always starts an interpreter.
        """
        environment = self._environ()
        prestarted = _prestarted()
        if not given and prestarted.can_run(environment):
            done = prestarted.run(
                [str(argument) for argument in arguments],
                folder=self.home,
                environment=environment,
                timeout_s=LIMIT_S,
            )
        else:
            done = subprocess.run(
                self._command(arguments),
                cwd=self.home,
                env=environment,
                input=given,
                capture_output=True,
                text=True,
                timeout=LIMIT_S,
                check=False,
            )
        return Done(done.returncode, done.stdout, done.stderr)

    def capture(self, *arguments: str | Path) -> Done:
        """Run `capture --json`; it has to end in 0."""
        done = self.run("capture", "--json", *arguments)
        assert done.code == 0, done.err
        return done

    def bundles(self) -> list[Path]:
        """Bundles of the store, oldest first."""
        return sorted(self.store.glob("bundles/*/*/*/*.wacz"))

    def _command(self, arguments: tuple[str | Path, ...]) -> list[str]:
        return [sys.executable, "-m", "snapshotter", *map(str, arguments)]

    def _environ(self) -> dict[str, str]:
        return {
            **_interpreter_environment(),
            "HOME": str(self.home),
            "SNAPSHOTTER_CONFIG": str(self.home / "snapshotter.toml"),
            "TMPDIR": str(self.temporary),
            "AWS_EC2_METADATA_DISABLED": "true",
            **self.environment,
        }


def _interpreter_environment() -> dict[str, str]:
    # Of the tester's own environment only what finds programs: no setting, no key, no
    # credential of theirs may decide a test.
    names = ("PATH", "LANG", "NODE_COMPILE_CACHE")
    kept = {name: os.environ[name] for name in names if name in os.environ}
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"}


@cache
def _prestarted() -> Prestarted:
    """Return the one server of this process."""
    return Prestarted(_interpreter_environment())


def trusting(authority: TestAuthority, kind: str = "good") -> dict[str, tuple[str, Path]]:
    """Return settings for one authority behind `authority`, named for its kind of behaviour."""
    return {kind: (authority.url(kind), authority.good.root_pem)}


def member(bundle: str | Path, name: str) -> bytes:
    """Return one file of a bundle."""
    with zipfile.ZipFile(bundle) as archive:
        return archive.read(name)


def record_of(bundle: str | Path) -> dict[str, Any]:
    """Return the capture record of a bundle."""
    value: dict[str, Any] = json.loads(member(bundle, "capture/capture.json"))
    return value


def traffic_of(bundle: str | Path) -> bytes:
    """Return the network record of a bundle, unpacked."""
    return gzip.decompress(member(bundle, "archive/data.warc.gz"))


def processes_of(installation: Installation, root_pid: int) -> dict[int, str]:
    """
    Return the living processes that belong to a command, number → command line.

    Its descendants, and whoever else has the installation's home in its environment
    or arguments: a process that lost its parent is found by the latter.
    """
    marker = os.fsencode(str(installation.home))
    parents: dict[int, int] = {}
    found: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            # After the name, which is in brackets and may hold anything: state and parent.
            state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            arguments = (entry / "cmdline").read_bytes()
            marked = marker in arguments or marker in (entry / "environ").read_bytes()
        except OSError:
            continue  # it ended meanwhile, or is somebody else's
        if state in "ZX":
            continue
        parents[int(entry.name)] = int(parent)
        if marked:
            found[int(entry.name)] = arguments.replace(b"\0", b" ").decode(errors="replace")
    for pid in parents:
        above = pid
        while above in parents and above != root_pid:
            above = parents[above]
        if above == root_pid:
            found.setdefault(pid, "")
    return found


def kill(pids: Iterator[int] | list[int]) -> None:
    """Kill processes that a broken product left behind, so that one test does not spoil others."""
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
