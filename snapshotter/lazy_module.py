"""
Import a module when it is first used, where that is later than the start of a command.

    if TYPE_CHECKING:
        from snapshotter.capture.record import archive_writer
    else:
        archive_writer = LazyModule("snapshotter.capture.record.archive_writer")

A capture asks for its page before it loads what makes a bundle of it (docs/adr/0075).
"""

import importlib
from types import ModuleType
from typing import Any


class LazyModule:
    """Stands for a module; the first use of a name in it imports the module."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._module: ModuleType | None = None

    def __getattr__(self, name: str) -> Any:
        module = self._module
        if module is None:
            module = self._module = importlib.import_module(self._name)
        return getattr(module, name)
