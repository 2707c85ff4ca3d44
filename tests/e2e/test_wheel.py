"""
`snapshotter demo`, the whole way, on a machine that has no network.

It is run from the wheel that `make dist` builds, installed without the checkout that it was built
from: the demo needs nearly everything that the wheel has to hold.
"""

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.e2e.product import LIMIT_S, Installation
from tests.tools import ROOT, system_tool

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.long,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs network namespaces"),
]

# A user and a network of its own, in which even the loopback device is down.
NO_NETWORK = ("unshare", "--user", "--map-root-user", "--net")


def _run(*command: str | Path, cwd: Path, environment: dict[str, str]) -> str:
    """Run a command, and return its standard output."""
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, env=environment,
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _installed(tmp_path: Path) -> Path:
    """Return a venv with the wheel, which does not find the checkout."""
    if not (ROOT / ".venv" / "bin" / "snapshotter").exists():
        pytest.skip("make setup has not been run in this checkout, and a test does not run it")
    home, venv = tmp_path / "builder", tmp_path / "venv"
    home.mkdir()
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    environment = {**kept, "HOME": str(home)}
    _run(
        *(system_tool("make"), "dist", f"DIST={tmp_path / 'dist'}"),
        cwd=ROOT, environment=environment,
    )  # fmt: skip
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    _run(sys.executable, "-m", "venv", "--without-pip", venv, cwd=home, environment=environment)
    _run(
        *(sys.executable, "-m", "pip", "--python", venv, "install", "--quiet"),
        *("--no-deps", "--no-index", "--disable-pip-version-check", wheel),
        cwd=home, environment=environment,
    )  # fmt: skip
    (packages,) = venv.glob("lib/python3*/site-packages")
    # The dependencies are those of the tests. Python reads no .pth file of a folder that a .pth
    # file names, so that the checkout, which is installed there by such a file, is not found.
    (packages / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    where = _run(
        venv / "bin" / "python", "-c", "import snapshotter; print(snapshotter.__file__)",
        cwd=home, environment=environment,
    )  # fmt: skip
    assert Path(where.strip()).is_relative_to(packages)
    return venv


def test_the_wheel_proves_a_take_down_without_a_network_and_touches_nothing_of_the_users(
    tmp_path: Path,
) -> None:
    snapshotter = _installed(tmp_path) / "bin" / "snapshotter"
    user = Installation(tmp_path / "home")
    # What the user has set would send everything elsewhere, and break the demo, if it counted.
    user.configure(store="s3://somewhere/else", key="another", proxy="http://192.0.2.1:3128")
    environment = {name: value for name, value in user._environ().items() if name != "PYTHONPATH"}
    kept = tmp_path / "kept"
    before = sorted(path for path in user.home.rglob("*") if path.is_file())

    said = _run(
        *(*NO_NETWORK, snapshotter, "demo", "--json", "--keep", kept),
        cwd=user.home, environment=environment,
    )  # fmt: skip

    found = json.loads(said)
    steps = {step["name"]: step for step in found["steps"]}
    assert list(steps) == [
        *("site", "there", "removed", "gone", "control", "again"),
        *("event", "proof", "verify", "forgery"),
    ]
    assert found["verdict"] == "passed"
    assert steps["gone"]["cause"] == "platform_rule"
    assert steps["gone"]["cited_rule"] == "Public Channels Order 2014"
    assert found["event"]["last_seen"]["bundle_id"] == steps["there"]["bundle_id"]
    assert found["event"]["first_gone"]["bundle_id"] == steps["gone"]["bundle_id"]
    assert steps["forgery"]["verdict"] == "failed"
    assert steps["forgery"]["did"].endswith("The capture 'last seen' was altered.")
    _run(
        *(snapshotter, "verify", kept / "proof.html"),
        cwd=kept, environment=environment | {"SNAPSHOTTER_CONFIG": str(kept / "snapshotter.toml")},
    )  # fmt: skip
    assert sorted(path for path in user.home.rglob("*") if path.is_file()) == before
