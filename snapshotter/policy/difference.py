"""
Compare the settings of two policies key by key.

The keys `reason`, `name`, `schema` and `parents` are not compared.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from snapshotter.policy.tables import Policy
from snapshotter.value_class import dataclass

# Said for people, or about the file itself: two policies that differ in these alone capture alike.
_TEXT = frozenset({"schema", "name", "parents"})


@dataclass(frozen=True, slots=True)
class PolicyDifference:
    """One key that has different values in two policies."""

    key: str
    left: Any
    right: Any


def values(policy: Policy) -> Mapping[str, Any]:
    """Return every value of a policy by its key: "limits.total_s". A list stays one value."""
    return dict(_flat(policy.as_dict(), ""))


def differences(left: Policy, right: Policy) -> tuple[PolicyDifference, ...]:
    """
    Return the keys with different values in two policies, reasons left out, in the order of keys.
    """
    ours, theirs = values(left), values(right)
    return tuple(
        PolicyDifference(key, ours[key], theirs[key])
        for key in ours
        if key not in _TEXT and key.rpartition(".")[2] != "reason" and ours[key] != theirs[key]
    )


def _flat(table: Mapping[str, Any], before: str) -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value
