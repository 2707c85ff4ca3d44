"""
Distribute the tests over the workers of pytest-xdist (`--dist loadgroup`).

pytest-xdist hands out each test alone, and its controller handles each of them. Most unit tests
last a millisecond, so the workers would wait for the controller. Here a file of unit tests goes to
one worker, which also sets up the fixtures of the file once. Tests with a browser, a server or
another program are handed out alone, or together if they have the same `xdist_group`.

Tests marked `long` begin first, with the rest of their file or group. Otherwise one worker would
still be busy with such a test when the others have ended.
"""

from typing import TYPE_CHECKING

import pytest
from typing_extensions import override
from xdist.scheduler.loadgroup import LoadGroupScheduling

if TYPE_CHECKING:
    from xdist.remote import Producer
    from xdist.workermanage import WorkerController

_BY_FILE = "tests/unit/"


class Distribution(LoadGroupScheduling):  # type: ignore[misc]  # it has no types
    """Hands out unit tests by file, and the others by group, in the order of the collection."""

    def __init__(self, config: pytest.Config, log: "Producer") -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False  # would put what has most tests first

    @override
    def _split_scope(self, nodeid: str) -> str:
        scope = super()._split_scope(nodeid)
        is_alone = scope == nodeid
        return nodeid.partition("::")[0] if is_alone and nodeid.startswith(_BY_FILE) else scope

    @override
    def mark_test_complete(
        self, node: "WorkerController", item_index: int, duration: float = 0
    ) -> None:
        super().mark_test_complete(node, item_index, duration)
        # Whatever is done is counted again after each test, as long as it is kept.
        work = self.assigned_work[node]
        scope = self._split_scope(self.registered_collections[node][item_index])
        if all(work[scope].values()):
            del work[scope]


@pytest.hookimpl(optionalhook=True)  # without pytest-xdist nobody asks
def pytest_xdist_make_scheduler(config: pytest.Config, log: "Producer") -> Distribution | None:
    """Take this distribution in place of that of pytest-xdist."""
    return Distribution(config, log) if config.getvalue("dist") == "loadgroup" else None


@pytest.hookimpl(trylast=True)  # after pytest-randomly
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put long tests first; the order of the others stays."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)
