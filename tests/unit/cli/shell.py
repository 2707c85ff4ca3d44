"""Commands as a person types them, and what they printed."""

import json
from typing import Any

import pytest

from snapshotter.cli.main import main


class Shell:
    """
    Runs commands in this process, in the home that a test has made.

    Args:
        first: Words that every command begins with.
    """

    def __init__(self, capsys: pytest.CaptureFixture[str], *first: str) -> None:
        self._capsys = capsys
        self._first = first
        self.out = self.err = ""

    def run(self, *arguments: object) -> int:
        """Run a command; what it printed is in `out` and `err`."""
        self._capsys.readouterr()
        code = main([*self._first, *map(str, arguments)])
        self.out, self.err = self._capsys.readouterr()
        return code

    @property
    def objects(self) -> list[dict[str, Any]]:
        """The JSON objects that the last command printed, one a line."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def object(self) -> dict[str, Any]:
        """The one that it printed."""
        (found,) = self.objects
        return found
