"""Compute until when a bundle is retained, from the days that a policy sets."""

from datetime import datetime, timedelta

from snapshotter.model.bundle import Retention
from snapshotter.model.request import Decision

MAX_DAYS = 36_500  # a hundred years: more is a mistyped number, and COMPLIANCE cannot be undone


def retention_for_decision(decision: Decision, at: datetime) -> Retention | None:
    """Return the retention of a bundle that is stored at `at`; None if the policy sets none."""
    return retention_for_days(decision.retain_days, decision.retain_mode, at)


def retention_for_days(days: int, mode: str, at: datetime) -> Retention | None:
    """
    Return a retention of so many days; None for no days.

    Raises:
        ValueError: Not a number of days from 0 to 36,500, or not a mode of Object Lock.
    """
    if not 0 <= days <= MAX_DAYS:
        raise ValueError(f"the retention must be 0 to {MAX_DAYS} days, but is {days} days")
    return Retention(until=at + timedelta(days=days), mode=mode) if days else None
