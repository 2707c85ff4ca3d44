"""A command that the tests run in a fork does what it does in a process of its own."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from snapshotter.capture.browser import os_processes
from tests.e2e.prestarted import Prestarted
from tests.e2e.product import Done, Installation
from tests.tools import ROOT

COMMANDS = (
    ("--version",),
    ("list", "--json"),
    ("keys", "list"),
    ("verify", "no-such-file"),
    ("capture", "not an address"),
    ("no-such-command",),
)


def test_a_fork_prints_and_ends_as_a_process_of_its_own_does(installation: Installation) -> None:
    for arguments in COMMANDS:
        alone = subprocess.run(
            installation._command(arguments), cwd=installation.home, env=installation._environ(),
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip

        forked = installation.run(*arguments)

        assert forked == Done(alone.returncode, alone.stdout, alone.stderr), arguments


def test_what_an_interpreter_reads_when_it_starts_needs_one_of_its_own() -> None:
    environment = {"PYTHONPATH": str(ROOT), "HOME": "/one"}
    server = Prestarted(environment)

    try:
        assert server.can_run({**environment, "HOME": "/two", "SNAPSHOTTER_STORE": "here"})
        assert not server.can_run({**environment, "PYTHONPATH": "/elsewhere"})
        assert not server.can_run({**environment, "PYTHONOPTIMIZE": "1"})
        assert not server.can_run({"HOME": "/one"})
    finally:
        server.close()


def test_a_command_that_does_not_end_in_time_is_killed(tmp_path: Path) -> None:
    environment = {"PYTHONPATH": str(ROOT)}
    server = Prestarted(environment)

    try:
        with pytest.raises(subprocess.TimeoutExpired):
            server.run(["doctor"], folder=tmp_path, environment=environment, timeout_s=0)
    finally:
        server.close()


def test_the_server_ends_with_the_process_that_started_it() -> None:
    program = (
        "from tests.e2e.prestarted import Prestarted\n"
        f"print(Prestarted({{'PYTHONPATH': {str(ROOT)!r}}})._server.pid)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )

    server = int(done.stdout)
    end = time.monotonic() + 60
    while not os_processes.has_ended(server):  # a supervisor may reap it late
        assert time.monotonic() < end, "it outlived its owner"
        time.sleep(0.05)
