"""What the tests of the two verifiers share."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.verify.test_minimal_verifier import remembering_openssl


@pytest.fixture(scope="session")
def openssl() -> Iterator[Any]:
    """OpenSSL as the second verifier calls it; a worker asks it each question once."""
    command = remembering_openssl()
    yield command
    command.close()
