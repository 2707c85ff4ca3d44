"""One collection that is good, for all tests to copy and spoil."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests import audited
from tests.audited import Audited, Collection
from tests.bundles import ChainAuthority
from tests.servers.authority import Chain


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory, authority_chain: Chain) -> Collection:
    authority = ChainAuthority(authority_chain)
    return audited.collection(tmp_path_factory.mktemp("collection"), authority)


@pytest.fixture(scope="session")
def good(template: Collection, tmp_path_factory: pytest.TempPathFactory) -> Audited:
    """What an audit of the good collection found, and what its auditor remembers."""
    return template.audited(tmp_path_factory.mktemp("state") / "work.sqlite")


@pytest.fixture
def spoiled(template: Collection, tmp_path: Path) -> Collection:
    """A copy of the good collection, to be spoiled."""
    return template.copy(tmp_path / "store")


Spoil = Callable[[Collection, Path], None]
