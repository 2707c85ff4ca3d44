"""What several folders of unit tests share."""

import os

import pytest

from tests.bundles import ChainAuthority
from tests.servers.authority import Chain


@pytest.fixture(scope="session")
def authority_chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    """Keys and certificates of a timestamp authority, made once for each worker."""
    chain = Chain(tmp_path_factory.mktemp("authority"), "test authority")
    chain.make()
    return chain


@pytest.fixture(scope="module")
def authority(authority_chain: Chain) -> ChainAuthority:
    """A timestamp authority that works, until a test says that it is down."""
    return ChainAuthority(authority_chain)


@pytest.fixture
def without_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write without waiting for the disk: where a process dies and the machine goes on."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
