"""One bundle of the fixture page for all foreign readers, made before its site is stopped."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.e2e.product import Installation, trusting
from tests.servers.authority import start_authority
from tests.servers.site import Site
from tests.tools import any_chromium


@dataclass(frozen=True, slots=True)
class Exhibit:
    """What an auditor is given: a bundle, and over another channel a key and a root."""

    bundle: Path
    public_key: Path
    root: Path
    url: str
    facts: dict[str, Any]  # what `capture --json` said


@pytest.fixture(scope="session")
def exhibit(tmp_path_factory: pytest.TempPathFactory) -> Exhibit:
    """The fixture page as a sealed bundle. Its site and its authority are gone."""
    folder = tmp_path_factory.mktemp("exhibit")
    installation = Installation(folder / "home")
    with Site() as site, start_authority(folder / "authority") as authority:
        installation.configure(trusting(authority))
        url = site.url("/")
        done = installation.run("capture", "--json", url)
    assert done.code == 0, done.err
    exported = installation.run("keys", "export", "default", "-o", folder / "key.pem")
    assert exported.code == 0, exported.err
    facts: dict[str, Any] = json.loads(done.out)
    return Exhibit(
        bundle=Path(facts["bundle"]["path"]),
        public_key=folder / "key.pem",
        root=authority.good.root_pem,
        url=url,
        facts=facts,
    )


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A bare browser, to look at what others show."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=any_chromium())
        yield started
        started.close()
