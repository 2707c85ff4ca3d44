"""
What a capture loads and starts before it asks for its page, counted in modules and processes.

The counts guard the time of a start without measuring time. A change that needs more raises a
limit and says why.
"""

import json
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from snapshotter.egress import namespace
from tests.e2e.product import LIMIT_S, Installation, trusting
from tests.servers.authority import TestAuthority
from tests.servers.site import Site

pytestmark = pytest.mark.e2e

# Packages that no capture needs before it asks for its page.
_LATER = (
    *("trafilatura", "httpx", "urllib3", "rich", "boto3", "botocore", "dbos", "sqlalchemy"),
    *("pydantic", "warcio", "lxml", "PIL", "rfc3161_client", "jinja2", "zxingcpp"),
)


def _notes(installation: Installation, folder: Path, *arguments: str) -> dict[str, list[str]]:
    file = folder / "notes.json"
    port = urlsplit(arguments[-1]).port or 0
    done = subprocess.run(
        [sys.executable, "-m", "tests.e2e.started", str(file), str(port), *arguments],
        cwd=installation.home,
        env=installation._environ(),
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str]] = json.loads(file.read_text())
    return found


def _loaded(modules: list[str], packages: tuple[str, ...]) -> set[str]:
    return {name.partition(".")[0] for name in modules} & set(packages)


def test_a_capture_starts_driver_and_browser_before_it_loads_the_rest(
    tmp_path: Path, authority: TestAuthority, fixture_site: Site
) -> None:
    installation = Installation(tmp_path / "home")
    installation.configure(trusting(authority))

    _notes(installation, tmp_path, "capture", "--json", fixture_site.url("/plain"))
    notes = _notes(installation, tmp_path, "capture", "--json", fixture_site.url("/plain"))

    # 259: the command line, the settings and what confines a process.
    assert len(notes["driver"]) <= 275
    assert _loaded(notes["driver"], (*_LATER, "playwright", "asyncio")) == set()
    # 628 in an interpreter without additions of its own. 96 of them are Playwright's, 258 ours. An
    # event may have a change, and a result is one JSON object for all front ends.
    assert len(notes["page"]) <= 629
    assert _loaded(notes["page"], _LATER) == set()
    # 1,021: what assesses, seals, verifies and stores. The page marks no main part, so 130 of them
    # are trafilatura and what it loads.
    assert len(notes["end"]) <= 1_025
    assert _loaded(notes["end"], ("rich", "boto3", "dbos", "pydantic")) == set()
    # While the page settles, and while it is photographed: not when the person waits for the end.
    assert sorted(notes["threads"]) == [
        "loading: zxingcpp.zxingcpp",
        "prepare-assessment: trafilatura",
    ]
    # Our own processes; the browser is started by its driver. Where the safest way to start it is
    # forbidden, what the system allows is tried.
    assert sorted(name for name in notes["processes"] if name != "enter.py") == [
        next(name for name in notes["processes"] if name.endswith("fc-list")),
        "driver",
    ]
    if not namespace.find_obstacle(namespace.USER_AND_NET):
        assert "enter.py" not in notes["processes"]


def test_the_verification_of_a_bundle_loads_no_store_and_no_browser(
    tmp_path: Path, authority: TestAuthority, fixture_site: Site
) -> None:
    installation = Installation(tmp_path / "home")
    installation.configure(trusting(authority))
    installation.capture(fixture_site.url("/plain"))
    (bundle,) = installation.bundles()

    notes = _notes(installation, tmp_path, "verify", str(bundle))

    # 347: 109 of them are ours, 54 those of cryptography.
    assert len(notes["end"]) <= 348
    for module in ("snapshotter.store.custodial_store", "snapshotter.seal.log_writer", "logging"):
        assert module not in notes["end"]
    assert _loaded(notes["end"], _LATER) == {"rfc3161_client"}
    assert notes["processes"] == []


def test_a_refused_address_starts_nothing(tmp_path: Path, fixture_site: Site) -> None:
    installation = Installation(tmp_path / "home")
    file = tmp_path / "notes.json"
    port = str(urlsplit(fixture_site.url("/plain")).port)
    done = subprocess.run(
        [sys.executable, "-m", "tests.e2e.started", str(file), port, "capture", "ftp://x.test/"],
        cwd=installation.home,
        env=installation._environ(),
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )

    assert done.returncode == 1
    assert json.loads(file.read_text())["processes"] == []
    assert not installation.spool.exists()
