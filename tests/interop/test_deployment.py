"""What is shipped for running it, read by the tools of those who run it."""

import subprocess

import pytest

from tests.tools import ROOT, python_tool

pytestmark = pytest.mark.interop


def ran(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    done = ran(python_tool("hadolint"), "Dockerfile")

    assert (done.returncode, done.stdout) == (0, "")
