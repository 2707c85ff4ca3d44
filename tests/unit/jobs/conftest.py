"""A queue in a file, for one test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from snapshotter.jobs import attempts, roster  # noqa: F401 - their tables
from snapshotter.jobs.database import open_database


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Engine]:
    engine = open_database(str(tmp_path / "queue.db"))
    yield engine
    engine.dispose()
