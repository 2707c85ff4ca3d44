"""
List the ways to start the browser that this system allows, the safest first.

A launch mode says which namespaces the browser enters (`egress/namespace.py`), whether it has its
sandbox, and whether the machine's files are hidden from it. A system may forbid each of these.
"""

import os
import sys
from collections.abc import Callable, Iterator

from snapshotter.egress import namespace
from snapshotter.value_class import dataclass


@dataclass(frozen=True, slots=True)
class LaunchMode:
    """One way to start the browser."""

    namespaces: str
    sandbox: bool
    view: bool = True  # take files away; a helper of the system's for the sandbox may not bear it


SAFEST = LaunchMode(namespace.USER_AND_NET, True)


@dataclass(frozen=True, slots=True)
class SystemRestrictions:
    """What this system does not allow; "" where it does."""

    network: str  # a network of the browser's own
    user: str  # another user number for root, without which Chromium has no sandbox

    @classmethod
    def find(cls) -> "SystemRestrictions":
        """Probe the system, once a process: it takes 20 ms. A failed probe counts as allowed."""
        network = known_obstacle(namespace.find_obstacle, namespace.USER_AND_NET)
        if not network or os.geteuid() != 0:
            return cls(network, "")
        return cls(network, known_obstacle(namespace.find_obstacle, namespace.USER))

    @classmethod
    def known(cls) -> "SystemRestrictions | None":
        """Return the result without a probe; None if a probe is needed for it."""
        if sys.platform.startswith("linux") and not namespace.was_tried(namespace.USER_AND_NET):
            return None
        return cls.find()

    def ways(self) -> Iterator[LaunchMode]:
        """Yield the launch modes, the safest first. A sandbox counts for more than a network."""
        root = os.geteuid() == 0
        if not self.user:
            if not self.network:
                yield SAFEST
            yield LaunchMode(namespace.USER if root else namespace.NONE, True)
            yield LaunchMode(namespace.USER if root else namespace.NONE, True, view=False)
        if not self.network:
            yield LaunchMode(namespace.USER_AND_NET, False)
        yield LaunchMode(namespace.NONE, False)


def known_obstacle(obstacle: Callable[[str], str], namespaces: str) -> str:
    """Return the obstacle that a probe found; "" if there is none or it could not be probed."""
    try:
        return obstacle(namespaces)
    except namespace.ProbeNotPossible:
        return ""
