"""
Compare the order of captures that an event or a proof pack states with their proven times.

A token, and a witness that saw a bundle in the log, give an upper bound: the bundle existed by
then. A late token is valid, but does not show how long the bundle existed before.
A checkpoint of the log that a record quotes gives a lower bound: the capture began after it.
So an order is contradicted only if the record of the capture that is said to be the earlier one
quotes a checkpoint (docs/spec/takedown-event.md, "The order of its captures"). If the upper bounds
do not confirm an order, the report names it as unproven.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from snapshotter.formats.canonical_json import instant
from snapshotter.model.finding import Code, Finding
from snapshotter.model.order import UnprovenOrder
from snapshotter.model.proof import Role
from snapshotter.model.verified_facts import VerifiedFacts
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

# What captures of a pack are there for, as events call it.
ROLES: Mapping[Role, str] = {
    Role.LAST_SEEN: "last seen",
    Role.FIRST_GONE: "first gone",
    Role.CONFIRMATION: "confirmation",
    Role.CONTROL: "control",
    Role.VANTAGE: "other way",
}
_ENDS = ("last seen", "first gone")
_CONFIRMATION = "confirmation"
_BETWEEN = ("control", "other way")  # after the earlier end, and before the last confirmation


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureInRole:
    """A capture, its role in the event, and its verified facts."""

    role: str  # as `verify.takedown.parts_of` calls it
    found: VerifiedFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFindings:
    """What is proven about the order of captures."""

    findings: tuple[Finding, ...] = ()  # only FAILED: what contradicts the order
    misplaced: tuple[str, ...] = ()  # of each of these the bundle that claims to be the earlier one
    weak: tuple[UnprovenOrder, ...] = ()


def judge(captures: Sequence[CaptureInRole], *, max_skew: timedelta) -> OrderFindings:
    """
    Return what contradicts the order of captures, and where the order is not proven.

    Args:
        captures: The captures that were found and did not FAIL; others cannot be judged.
        max_skew: The most by which two clocks may differ.
    """
    findings: list[Finding] = []
    misplaced: list[str] = []
    weak: list[UnprovenOrder] = []
    placed: dict[str, CaptureInRole] = {}
    for earlier, later in _pairs(captures):
        placed |= {capture.found.bundle_id: capture for capture in (earlier, later)}
        contradiction = _contradiction(earlier, later, max_skew)
        if contradiction:
            findings.append(_failed(earlier, later, contradiction))
            misplaced.append(earlier.found.bundle_id)
        elif doubt := _doubt(earlier, later):
            weak.append(_weak(earlier, later, doubt))
    unproven = [_unproven(capture) for capture in placed.values() if _by(capture.found) is None]
    return OrderFindings(
        findings=tuple(findings), misplaced=tuple(misplaced), weak=(*unproven, *weak)
    )


def _pairs(captures: Sequence[CaptureInRole]) -> Iterator[tuple[CaptureInRole, CaptureInRole]]:
    """Yield the pairs of captures of which the first must be the earlier one."""
    ends = [capture for capture in captures if capture.role in _ENDS]
    confirmations = [capture for capture in captures if capture.role.startswith(_CONFIRMATION)]
    between = [capture for capture in captures if capture.role.startswith(_BETWEEN)]
    said = [tuple(ends)] if len(ends) == len(_ENDS) else []
    said += [(end, capture) for end in ends for capture in confirmations]
    said += [(end, capture) for end in ends for capture in between]
    said += [(capture, last) for last in confirmations[-1:] for capture in between]
    for one, other in said:
        if one.found.bundle_id != other.found.bundle_id:
            # The records state which of the two is the earlier one; for a page that was
            # reinstated the order is reversed.
            earlier, later = sorted((one, other), key=lambda capture: capture.found.ended_at)
            yield earlier, later


def _contradiction(earlier: CaptureInRole, later: CaptureInRole, max_skew: timedelta) -> str:
    """Return the proof that the stated order of two captures is wrong; "" if there is none."""
    one, other = earlier.found, later.found
    by = [
        *([other.proven_time + other.accuracy] if other.proven_time else []),
        *([other.logged_by] if other.logged_by else []),
    ]
    if one.not_before is not None and by and one.not_before - max_skew > min(by):
        return tr(
            "the capture '{role}' quotes a log checkpoint that a witness saw at {instant}, so "
            "this capture began after {instant}; but the capture '{role2}' already existed at "
            "{instant2}",
            role=earlier.role,
            instant=instant(one.not_before),
            role2=later.role,
            instant2=instant(min(by)),
        )
    # No clock is in this: what the two records say has to be further apart than clocks may be.
    if _is_logged_before(one, other) and other.ended_at - one.started_at > max_skew:
        return tr(
            "the capture '{role}' was in the log before the capture '{role2}' began",
            role=later.role,
            role2=earlier.role,
        )
    return ""


def _doubt(earlier: CaptureInRole, later: CaptureInRole) -> str:
    """Return why the order of two captures is not proven; "" if it is."""
    one, other = _by(earlier.found), _by(later.found)
    if _is_logged_before(earlier.found, later.found):
        return tr(
            "the capture '{role}' was in the log before the capture '{role2}' began, but the "
            "recorded times differ by less than the allowed difference between two clocks",
            role=later.role,
            role2=earlier.role,
        )
    if one is not None and other is not None and one > other:
        return tr(
            "the proven time of the capture '{role}' is {instant}, and the proven time of the "
            "capture '{role2}' is earlier: {instant2}",
            role=earlier.role,
            instant=instant(one),
            role2=later.role,
            instant2=instant(other),
        )
    return ""


def _is_logged_before(one: VerifiedFacts, other: VerifiedFacts) -> bool:
    """Return whether the log that one record quotes already contained another capture."""
    return (
        one.quoted is not None
        and other.log_index is not None
        and other.log_origin == one.quoted.origin
        and other.log_index < one.quoted.size
    )


def _failed(earlier: CaptureInRole, later: CaptureInRole, why: str) -> Finding:
    return Finding.failed(
        "order",
        Code.TIME,
        tr(
            "the capture '{role}' was made after the capture '{role2}', not before: {why}",
            role=earlier.role,
            role2=later.role,
            why=why,
        ),
    )


def _weak(earlier: CaptureInRole, later: CaptureInRole, why: str) -> UnprovenOrder:
    return UnprovenOrder(
        role=earlier.role,
        against=later.role,
        detail=tr(
            "only the clock of the capturing machine supports that the capture '{role}' was made "
            "before the capture '{role2}': {why}",
            role=earlier.role,
            role2=later.role,
            why=why,
        ),
    )


def _unproven(placed: CaptureInRole) -> UnprovenOrder:
    return UnprovenOrder(
        role=placed.role,
        against="",
        detail=tr(
            "only the clock of the capturing machine supports the place of the capture '{role}' "
            "in the order: no proof shows by what time the capture existed",
            role=placed.role,
        ),
    )


def _by(found: VerifiedFacts) -> datetime | None:
    """Return the earliest moment by which a bundle is proven to have existed."""
    return min(filter(None, (found.proven_time, found.logged_by)), default=None)
