"""The wheel that `make dist` builds, installed without the checkout that it was built from."""

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.tools import ROOT, system_tool

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs network namespaces"),
]


def _run(*command: str | Path, cwd: Path, home: Path) -> str:
    """Run a command as a user with an empty home; return its standard output."""
    environment = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, env=environment | {"HOME": str(home)},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=150, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_runs_the_demo_in_a_venv_outside_of_the_repository(tmp_path: Path) -> None:
    if not (ROOT / ".venv" / "bin" / "snapshotter").exists():
        pytest.skip("make setup has not been run in this checkout, and a test does not run it")
    home, venv, elsewhere = (tmp_path / name for name in ("home", "venv", "elsewhere"))
    home.mkdir()
    elsewhere.mkdir()
    _run(system_tool("make"), "dist", f"DIST={tmp_path / 'dist'}", cwd=ROOT, home=home)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    _run(sys.executable, "-m", "venv", "--without-pip", venv, cwd=elsewhere, home=home)
    _run(
        *(sys.executable, "-m", "pip", "--python", venv, "install", "--quiet"),
        *("--no-deps", "--no-index", "--disable-pip-version-check", wheel),
        cwd=elsewhere, home=home,
    )  # fmt: skip
    (packages,) = venv.glob("lib/python3*/site-packages")
    # The dependencies are those of the tests. Python reads no .pth file of a folder that a .pth
    # file names, so that the checkout, which is installed there by such a file, is not found.
    (packages / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")

    where = _run(
        venv / "bin" / "python", "-c", "import snapshotter; print(snapshotter.__file__)",
        cwd=elsewhere, home=home,
    )  # fmt: skip
    said = _run(venv / "bin" / "snapshotter", "demo", "--json", cwd=elsewhere, home=home)

    assert Path(where.strip()).is_relative_to(packages)
    found = json.loads(said)
    assert found["verdict"] == "passed"
    assert found["steps"][-1]["verdict"] == "failed"  # of the forgery
    assert list(elsewhere.iterdir()) == []
