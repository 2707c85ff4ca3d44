"""A console whose API is asked, with a session."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.webclient import Console, console, console_settings


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Console]:
    """A running console with an empty store; somebody is logged in."""
    with console(console_settings(tmp_path, operator="A. Example")) as running:
        running.context.services.index.wait_for_update(30)
        yield running.log_in()
