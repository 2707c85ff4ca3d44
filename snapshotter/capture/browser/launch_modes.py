"""
List the ways to start the browser that this system allows, the safest first.

A launch mode says which namespaces the browser enters (`egress/namespace.py`) and whether it has
its sandbox. A system may forbid either.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from snapshotter.egress import namespace


@dataclass(frozen=True, slots=True)
class LaunchMode:
    """One way to start the browser."""

    namespaces: str
    sandbox: bool
    view: bool = True  # take files away; a helper of the system's for the sandbox may not bear it


@dataclass(frozen=True, slots=True)
class SystemRestrictions:
    """What this system does not allow; "" where it does."""

    network: str  # a network of the browser's own
    user: str  # another user number for root, without which Chromium has no sandbox

    @classmethod
    def find(cls) -> "SystemRestrictions":
        """Look, once a process: it takes 20 ms. What can not be tried is no obstacle yet."""
        network = known_obstacle(namespace.find_obstacle, namespace.USER_AND_NET)
        if not network or os.geteuid() != 0:
            return cls(network, "")
        return cls(network, known_obstacle(namespace.find_obstacle, namespace.USER))

    def ways(self) -> Iterator[LaunchMode]:
        """Yield the ways to start a browser, the safest first. A sandbox is worth more."""
        networks = [] if self.network else [namespace.USER_AND_NET]
        root = os.geteuid() == 0
        if not self.user:
            yield from (LaunchMode(network, True) for network in networks)
            yield LaunchMode(namespace.USER if root else namespace.NONE, True)
            yield LaunchMode(namespace.USER if root else namespace.NONE, True, view=False)
        yield from (LaunchMode(network, False) for network in networks)
        yield LaunchMode(namespace.NONE, False)


def known_obstacle(obstacle: Callable[[str], str], namespaces: str) -> str:
    """Return what is known to be in the way; nothing where it could not be tried."""
    try:
        return obstacle(namespaces)
    except namespace.ProbeNotPossible:
        return ""
