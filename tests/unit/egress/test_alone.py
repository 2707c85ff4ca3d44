"""What leaves a machine whose guard has an upstream proxy: packets to that proxy, and no others."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
INSIDE = ("unshare", "--user", "--map-root-user", "--net")


def namespaces() -> bool:
    if sys.platform != "linux" or shutil.which("unshare") is None:
        return False
    return subprocess.run([*INSIDE, "true"], capture_output=True, check=False).returncode == 0


pytestmark = pytest.mark.skipif(
    not namespaces(), reason="no network namespaces here: unshare is missing or forbidden"
)


def leaving(how: str) -> list[str]:
    """Return where packets went in a namespace of its own, but for the guard and its proxy."""
    ran = subprocess.run(
        [*INSIDE, sys.executable, "-m", "tests.unit.egress.alone", how],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    *lines, last = ran.stdout.splitlines()
    assert last.startswith("done "), ran.stderr
    assert int(last.split()[1]) > 15
    return lines


def test_with_an_upstream_only_the_upstream_is_contacted_also_when_it_dies() -> None:
    assert leaving("upstream") == []


def test_without_one_the_same_requests_would_have_been_seen() -> None:
    assert "93.184.215.14 443" in leaving("direct")
