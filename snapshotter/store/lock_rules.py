"""
Apply the rules of legal holds and retention, which are the same for every store.

Retention is only ever extended. A legal hold ends only when it is lifted. Either one alone keeps
an object from being deleted.
"""

from dataclasses import replace
from datetime import datetime

from snapshotter.errors import PolicyRefused
from snapshotter.model.bundle import LOCK_MODES, LockState, Retention
from snapshotter.translation import tr


def merged_lock(state: LockState, wanted: Retention) -> LockState:
    """Return the lock that is at least as long and as strict as both given locks."""
    there = state.retention
    if there is None:
        return replace(state, retention=Retention(until=wanted.second, mode=wanted.mode))
    mode = max(there.mode, wanted.mode, key=LOCK_MODES.index)
    return replace(state, retention=Retention(until=max(there.second, wanted.second), mode=mode))


def extended_lock(state: LockState, wanted: Retention, key: str) -> LockState:
    """
    Return the lock after a person asked for `wanted`.

    Raises:
        PolicyRefused: It would end sooner than the present lock.
    """
    there = state.retention
    if there is not None and wanted.second < there.second:
        raise PolicyRefused(
            tr(
                "{key} is under retention until {second:%Y-%m-%dT%H:%M:%SZ}, and a retention "
                "can only be extended",
                key=key,
                second=there.second,
            ),
            hint=tr("give a date after the present end of the retention"),
        )
    return merged_lock(state, wanted)


def refuse_if_locked(state: LockState, key: str, url: str, now: datetime) -> None:
    """
    Return if nothing keeps the object.

    Raises:
        PolicyRefused: The object is under hold or retention.
    """
    if not state.holds(now):
        return
    hint = tr("wait until the retention has ended")
    if state.legal_hold:
        hint = tr("lift every legal hold first; list the legal holds:\n  snapshotter hold list")
    raise PolicyRefused(
        tr(
            "{key} in {url} is protected by {in_words}",
            key=key,
            url=url,
            in_words=state.in_words(now),
        ),
        hint=hint,
    )
