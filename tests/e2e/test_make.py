"""The README's first command, as somebody types it who has only this checkout."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.e2e.product import Installation
from tests.servers.site import Site
from tests.tools import ROOT

pytestmark = pytest.mark.e2e


def _type(command: list[str], installation: Installation) -> "subprocess.CompletedProcess[str]":
    if not (ROOT / ".venv" / "bin" / "snapshotter").exists():
        pytest.skip("make setup has not been run in this checkout, and a test does not run it")
    environment = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    environment |= {
        "HOME": str(installation.home),
        "SNAPSHOTTER_AUTHORITIES_FILE": str(installation.home / "authorities.toml"),
        "SNAPSHOTTER_ALLOW_NETWORKS": "127.0.0.0/8",
        "SNAPSHOTTER_DATA_DIR": str(installation.data),
        "SNAPSHOTTER_SPOOL_DIR": str(installation.spool),
    }
    (installation.home / "authorities.toml").write_text("")  # nobody outside is asked
    return subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )


def test_make_capture_ends_in_a_bundle_a_time_proof_a_citation_and_the_next_command(
    installation: Installation, fixture_site: Site
) -> None:
    url = fixture_site.url("/")

    done = _type(["make", "capture", f"URL={url}", f"STORE={installation.store}"], installation)

    assert done.returncode == 0, done.stderr
    (bundle,) = installation.bundles()
    assert str(bundle) in done.stdout
    assert "time           not confirmed: no timestamp authority is configured" in done.stdout
    assert f"{url}, captured 20" in done.stdout
    *_, before, look, last = done.stdout.splitlines()
    assert before == "next: look at the capture, or verify the bundle"
    assert look.endswith(f" {bundle.stem}")
    assert last.startswith("  .venv/bin/snapshotter verify ")
    verified = _type(last.strip().split(" "), installation)
    assert verified.returncode == 11, verified.stdout  # intact; nobody has confirmed the time
    assert Path(last.split(" ")[-1]).samefile(bundle)


def test_make_capture_of_a_page_that_is_not_there_still_leaves_a_bundle_and_says_the_code(
    installation: Installation,
) -> None:
    done = _type(
        ["make", "capture", "URL=http://127.0.0.1:1/", f"STORE={installation.store}"], installation
    )

    assert done.returncode == 2  # make's own word for failure
    assert "the exit code of snapshotter is 3" in done.stderr
    assert len(installation.bundles()) == 1
    assert (
        "court minimum  not met, because these parts are missing: HTML source, full-page capture"
    ) in done.stdout


def test_make_capture_without_a_url_says_what_to_type(installation: Installation) -> None:
    done = _type(["make", "capture"], installation)

    assert done.returncode == 2
    assert "try: name a URL:\n  make capture URL=https://example.org" in done.stderr
    assert installation.bundles() == []
