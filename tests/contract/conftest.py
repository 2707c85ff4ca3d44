"""
One PostgreSQL for all who do not stop it.

Those who ask for it are a group of pytest-xdist, `postgresql`: a fixture is a process's own,
and a worker that has none of them starts no server.
"""

from collections.abc import Iterator

import pytest

from tests.contract.stores import Place, Store, shut
from tests.servers.postgresql import PostgreSQL


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """A server; whoever leaves something in it takes a database of their own."""
    with PostgreSQL() as server:
        yield server


@pytest.fixture
def store(place: Place) -> Iterator[Store]:
    """An empty store at the `place` of the file's tests."""
    store = place.open()
    yield store
    shut(store)
