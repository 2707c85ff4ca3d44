"""`snapshotter demo`: the whole way, on a machine that has no network."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.product import LIMIT_S, Installation

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs network namespaces"),
]

# A user and a network of its own, in which even the loopback device is down.
NO_NETWORK = ("unshare", "--user", "--map-root-user", "--net")


def test_a_take_down_is_proven_without_a_network_and_nothing_of_the_users_is_touched(
    tmp_path: Path,
) -> None:
    user = Installation(tmp_path / "home")
    # What the user has set would send everything elsewhere, and break the demo, if it counted.
    user.configure(store="s3://somewhere/else", key="another", proxy="http://192.0.2.1:3128")
    kept = tmp_path / "kept"
    before = sorted(path for path in user.home.rglob("*") if path.is_file())

    done = subprocess.run(
        [*NO_NETWORK, *user._command(("demo", "--json", "--keep", kept))],
        cwd=user.home, env=user._environ(), capture_output=True, text=True, timeout=LIMIT_S,
        check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
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
    verified = subprocess.run(
        user._command(("verify", kept / "proof.html")),
        cwd=kept, env=user._environ() | {"SNAPSHOTTER_CONFIG": str(kept / "snapshotter.toml")},
        capture_output=True, text=True, timeout=LIMIT_S, check=False,
    )  # fmt: skip
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert sorted(path for path in user.home.rglob("*") if path.is_file()) == before
