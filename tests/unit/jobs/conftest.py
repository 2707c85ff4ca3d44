"""A queue in a file, for one test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from snapshotter.jobs.open_database import open_database
from snapshotter.jobs.queue import attempts  # noqa: F401 - their tables
from snapshotter.jobs.workers import capture_stages, registry  # noqa: F401 - their tables


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Engine]:
    engine = open_database(str(tmp_path / "queue.db"))
    yield engine
    engine.dispose()
