"""
Find captures that may show a removal which no rule knows.

A page that showed its text shows few other words, a notice in unknown words, or only the frame of
its site. No event follows from such a capture: it is shown to a person. Nothing is read or written.
"""

from collections.abc import Container, Iterable
from enum import StrEnum

from snapshotter.model.assessment import Availability, Content, Undecided
from snapshotter.model.takedown import Observation
from snapshotter.value_class import dataclass


class Suspicion(StrEnum):
    """What makes a capture a possible removal. The values are part of `--json`."""

    FEW_WORDS = "few-words"  # few other words are in the place of the text
    UNKNOWN_NOTICE = "unknown-notice"
    NO_TEXT = "no-text"  # only the frame of the site, or nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class PossibleRemoval:
    """A capture that may show a removal."""

    suspicion: Suspicion
    last_seen: Observation  # the last capture that certainly shows the page
    capture: Observation
    is_first: bool  # the capture before it, on the same way, was no possible removal
    is_hidden: bool = False  # `last_seen` is in quarantine

    @property
    def shown_last(self) -> Observation | None:
        """The capture to name as `last_seen`; None if it is in quarantine."""
        return None if self.is_hidden else self.last_seen


def possible_removals(
    observations: Iterable[Observation], *, hidden: Container[str] = ()
) -> dict[str, PossibleRemoval]:
    """
    Return the possible removals among captures, by the id of the bundle.

    Captures are compared with earlier captures of the same page on the same way through the
    network.

    Args:
        observations: Of any pages, in any order.
        hidden: The ids of captures in quarantine. None of them is returned as a possible removal.
    """
    found: dict[str, PossibleRemoval] = {}
    shown: dict[tuple[str, str], Observation] = {}
    doubted: set[tuple[str, str]] = set()
    for this in sorted(observations, key=lambda seen: (seen.at, seen.began_at, seen.bundle_id)):
        page = (this.identity, this.vantage)
        last = shown.get(page)
        suspicion = suspicion_of(this, last)
        if suspicion is not None and last is not None:
            if this.bundle_id not in hidden:
                found[this.bundle_id] = PossibleRemoval(
                    suspicion=suspicion,
                    last_seen=last,
                    capture=this,
                    is_first=page not in doubted,
                    is_hidden=last.bundle_id in hidden,
                )
            doubted.add(page)
        elif this.availability is not Availability.INCONCLUSIVE:
            doubted.discard(page)
        if this.availability is Availability.AVAILABLE and not this.ambiguous:
            shown[page] = this
    return found


def suspicion_of(this: Observation, last: Observation | None) -> Suspicion | None:
    """
    Return what makes a capture a possible removal; None if it is none.

    Args:
        last: The last capture that shows the page; None if there is none.
    """
    if last is None:
        return None
    if this.availability is Availability.AVAILABLE:
        is_other = this.ambiguous and this.main_sha256 != last.main_sha256
        return Suspicion.FEW_WORDS if is_other else None
    if this.undecided is Undecided.UNKNOWN_NOTICE:
        return Suspicion.UNKNOWN_NOTICE
    if this.undecided is Undecided.UNKNOWN and this.content in (Content.SHELL, Content.BLANK):
        return Suspicion.NO_TEXT
    return None
