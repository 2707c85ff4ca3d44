"""Declare options whose texts are checked while the command line is parsed: exit code 2."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click
from typing_extensions import override

from snapshotter.errors import SnapshotterError

if TYPE_CHECKING:
    _TextType = click.ParamType[str]
else:  # generic since click 8.3 only
    _TextType = click.ParamType


class CheckedText(_TextType):
    """
    A text that a function accepts; it is passed on unchanged.

    Args:
        check: Raises ValueError or SnapshotterError for an invalid text.
    """

    name = "text"

    def __init__(self, check: Callable[[str], object]) -> None:
        self._check = check

    @override
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        try:
            if text:  # an empty one is an option that was not given
                self._check(text)
        except (ValueError, SnapshotterError) as error:
            hint = getattr(error, "hint", "")
            self.fail(f"{error}: {hint}" if hint else str(error), param, ctx)
        return text


def _check_viewport(text: str) -> None:
    from snapshotter.model.request import Viewport

    Viewport.named(text)


def _check_network(text: str) -> None:
    from snapshotter.policy.files import network

    network(text)


VIEWPORT = CheckedText(_check_viewport)
NETWORK = CheckedText(_check_network)
