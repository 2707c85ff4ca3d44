"""What the end-to-end tests share: a site, an authority, and one capture that many look at."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.product import Done, Installation, trusting
from tests.servers.authority import TestAuthority, start_authority
from tests.servers.site import Site


@dataclass(frozen=True, slots=True)
class Captured:
    """The fixture page, captured once through the command line."""

    installation: Installation
    done: Done
    url: str

    @property
    def object(self) -> dict[str, Any]:
        return self.done.object

    @property
    def bundle(self) -> Path:
        return Path(self.object["bundle"]["path"])


@pytest.fixture(scope="session")
def fixture_site() -> Iterator[Site]:
    """One site for the session; for tests that do not stop it."""
    with Site() as site:
        yield site


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestAuthority]:
    """A timestamp authority that answers in every way, right and wrong."""
    with start_authority(tmp_path_factory.mktemp("authority")) as server:
        yield server


@pytest.fixture(scope="session")
def captured(
    tmp_path_factory: pytest.TempPathFactory, authority: TestAuthority, fixture_site: Site
) -> Captured:
    """The fixture page with a good token, once a session. Do not change what it holds."""
    installation = Installation(tmp_path_factory.mktemp("captured"))
    installation.configure(trusting(authority))
    url = fixture_site.url("/")
    return Captured(installation, installation.run("capture", "--json", url), url)


@pytest.fixture
def installation(tmp_path: Path, authority: TestAuthority) -> Installation:
    """A new user whose authority answers well."""
    made = Installation(tmp_path / "home")
    made.configure(trusting(authority))
    return made


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the tests that look at `captured` to one worker, which captures it once."""
    for item in items:
        looks = "captured" in getattr(item, "fixturenames", ())
        if looks and item.nodeid.startswith("tests/e2e/") and not _group(item):
            item.add_marker(pytest.mark.xdist_group("captured"))
            item.add_marker(pytest.mark.long)


def _group(item: pytest.Item) -> pytest.Mark | None:
    return item.get_closest_marker("xdist_group")
