"""
Make notification events of what a new capture of a watched page shows besides a confirmed removal.

These are: a count that crossed a threshold, a changed main text, a renamed account, a notice
that no rule knows, and the first sign that the page may be removed (`removal_alerts`). The id of
an event is made of its bundle, or of the account and its names, so that an event that is found
again after a crash is not delivered twice. Nothing is read or written.
"""

from collections.abc import Container, Iterator, Sequence
from dataclasses import replace
from typing import Final

from snapshotter.assess.possible_removals import possible_removals
from snapshotter.assess.thresholds import crossings, series
from snapshotter.formats.digest import digest_bytes
from snapshotter.formats.hosts import host_of
from snapshotter.model.assessment import Availability, Undecided
from snapshotter.model.notification import (
    MAX_TEXT,
    NotificationEvent,
    NotificationKind,
    NotificationScope,
)
from snapshotter.model.reading import Crossing
from snapshotter.model.request import Threshold
from snapshotter.model.takedown import Observation
from snapshotter.report.wording import format_minute
from snapshotter.translation import tr

_SUBJECT: Final = 32  # hex digits of a digest; a subject holds no text of the page


def change_alerts(
    seen: Sequence[Observation],
    bundle_id: str,
    thresholds: Sequence[Threshold],
    about: NotificationScope,
) -> tuple[NotificationEvent, ...]:
    """
    Return the events of a capture that the captures before it did not have.

    Args:
        seen: All captures of the page, in the order in which they ended.
        bundle_id: The capture that ended now.
        about: The job of the capture, as notification rules match it.
    """
    this = next((observation for observation in seen if observation.bundle_id == bundle_id), None)
    if this is None:
        return ()
    before = [
        observation
        for observation in seen
        if (observation.at, observation.bundle_id) < (this.at, this.bundle_id)
    ]
    return (
        *_crossed([*before, this], this, thresholds, about),
        *_changed(before, this, about),
        *_renamed(before, this, about),
        *_unknown(before, this, about),
    )


def removal_alerts(
    seen: Sequence[Observation],
    bundle_id: str,
    about: NotificationScope,
    *,
    hidden: Container[str] = (),
) -> tuple[NotificationEvent, ...]:
    """
    Return the event of a capture that is the first sign of a removal, or nothing.

    The sign may be a notice that a rule knows, or a possible removal (`possible_removals`). It is
    not confirmed: the page may be available a moment later.

    Args:
        seen: All captures of the page, in the order in which they ended.
        bundle_id: The capture that ended now.
        about: The job of the capture, as notification rules match it.
        hidden: The ids of captures in quarantine, which are not named.
    """
    this = next((observation for observation in seen if observation.bundle_id == bundle_id), None)
    if this is None or bundle_id in hidden:
        return ()
    before = [
        observation
        for observation in seen
        if observation.vantage == this.vantage
        and (observation.at, observation.bundle_id) < (this.at, this.bundle_id)
        and observation.availability is not Availability.INCONCLUSIVE
    ]
    possible = possible_removals(seen).get(bundle_id)
    if possible is not None and possible.is_first:
        last = possible.last_seen
    elif (
        this.availability is Availability.UNAVAILABLE
        and before
        and before[-1].availability is Availability.AVAILABLE
    ):
        last = before[-1]
    else:
        return ()
    event = _event(
        NotificationKind.TAKEDOWN_SUSPECTED,
        this,
        about,
        summary=_describe_removal(last, this, is_hidden=last.bundle_id in hidden),
        detail=this.notice,
    )
    return (event,)


def _describe_removal(last: Observation, this: Observation, *, is_hidden: bool) -> str:
    minute, minute2 = format_minute(last.at), format_minute(this.at)
    if is_hidden:
        return tr(
            "a page was available at {minute}, and was possibly removed before {minute2}. This is "
            "not confirmed yet. The last capture that shows the page is in quarantine",
            minute=minute,
            minute2=minute2,
        )
    return tr(
        "a page was available at {minute}, and was possibly removed before {minute2}. This is not "
        "confirmed yet. See the picture of the page as it was (snapshotter open {last_id}). "
        "Compare the captures: snapshotter diff {last_id} {this_id}",
        minute=minute,
        minute2=minute2,
        last_id=last.bundle_id,
        this_id=this.bundle_id,
    )


def _crossed(
    until_now: Sequence[Observation],
    this: Observation,
    thresholds: Sequence[Threshold],
    about: NotificationScope,
) -> Iterator[NotificationEvent]:
    for crossing in crossings(series(until_now), thresholds):
        if crossing.reached == this.bundle_id:
            yield _event(
                NotificationKind.COUNT_CROSSED,
                this,
                about,
                summary=_describe_crossing(crossing),
                detail=tr(
                    'before: "{below_raw}"; now: "{reached_raw}"; source: {source}',
                    below_raw=crossing.below_raw,
                    reached_raw=crossing.reached_raw,
                    source=crossing.source,
                ),
                part=f"/{crossing.unit}-{crossing.threshold}",
            )


def _describe_crossing(crossing: Crossing) -> str:
    maybe = "" if crossing.certain else "possibly "
    if crossing.below_at is None:
        return tr(
            "the number of {unit} was {maybe}{threshold} or more at {minute}",
            unit=crossing.unit,
            maybe=maybe,
            threshold=crossing.threshold,
            minute=format_minute(crossing.reached_at),
        )
    return tr(
        "the number of {unit} {maybe}reached {threshold} between {minute} and {minute2}",
        unit=crossing.unit,
        maybe=maybe,
        threshold=crossing.threshold,
        minute=format_minute(crossing.below_at),
        minute2=format_minute(crossing.reached_at),
    )


def _changed(
    before: Sequence[Observation], this: Observation, about: NotificationScope
) -> Iterator[NotificationEvent]:
    """
    Yield an event if the main text changed; a text that is gone is not a changed text.

    A full capture scrolls and expands hidden text, so its text differs from that of a light
    check. If the page has light checks, only these are compared.
    """
    if not this.light and any(observation.light for observation in before):
        return
    last = next(
        (observation for observation in reversed(before) if _has_text(observation, this)), None
    )
    if _has_text(this, this) and last is not None and last.main_sha256 != this.main_sha256:
        yield _event(
            NotificationKind.PAGE_CHANGED,
            this,
            about,
            summary=tr(
                "the main text of a page changed between {minute} and {minute2}",
                minute=format_minute(last.at),
                minute2=format_minute(this.at),
            ),
            detail=tr("last capture before the change: {bundle_id}", bundle_id=last.bundle_id),
        )


def _renamed(
    before: Sequence[Observation], this: Observation, about: NotificationScope
) -> Iterator[NotificationEvent]:
    """
    Yield an event if the account of a page has another name and the same id.

    The event's id is made of the account and both names, so that it is one event for all pages
    of the account.
    """
    if not (this.account and this.account_name):
        return
    last = next((observation for observation in reversed(before) if observation.account_name), None)
    if last is None or last.account != this.account or last.account_name == this.account_name:
        return
    names = f"{this.account}\0{last.account_name}\0{this.account_name}"
    yield replace(
        _event(
            NotificationKind.ACCOUNT_RENAMED,
            this,
            about,
            summary=tr(
                "an account was renamed between {minute} and {minute2}",
                minute=format_minute(last.at),
                minute2=format_minute(this.at),
            ),
            detail=tr(
                'before: "{account_name}"; now: "{account_name2}"; last capture before '
                "the change: {bundle_id}",
                account_name=last.account_name,
                account_name2=this.account_name,
                bundle_id=last.bundle_id,
            ),
        ),
        id=f"{NotificationKind.ACCOUNT_RENAMED}/{digest_bytes(names.encode()).sha256[:_SUBJECT]}",
        subject=digest_bytes(this.account.encode()).sha256[:_SUBJECT],
    )


def _has_text(observation: Observation, like: Observation) -> bool:
    is_there = observation.availability is Availability.AVAILABLE and bool(observation.main_sha256)
    return is_there and (observation.vantage, observation.light) == (like.vantage, like.light)


def _unknown(
    before: Sequence[Observation], this: Observation, about: NotificationScope
) -> Iterator[NotificationEvent]:
    if this.undecided is not Undecided.UNKNOWN_NOTICE:
        return
    if before and before[-1].undecided is this.undecided and before[-1].notice == this.notice:
        return
    yield _event(
        NotificationKind.NOTICE_UNKNOWN,
        this,
        about,
        summary=tr(
            "at {minute} the page showed a notice that no rule matches",
            minute=format_minute(this.at),
        ),
        detail=this.notice,
    )


def _event(
    kind: NotificationKind,
    this: Observation,
    about: NotificationScope,
    *,
    summary: str,
    detail: str,
    part: str = "",
) -> NotificationEvent:
    return NotificationEvent(
        id=f"{kind}/{this.bundle_id}{part}",
        kind=kind,
        at=this.at,
        subject=digest_bytes(f"{this.identity}{part}".encode()).sha256[:_SUBJECT],
        summary=summary,
        about=(about,),
        bundle_id=this.bundle_id,
        url=this.url,
        host=host_of(this.url)[:MAX_TEXT],
        detail=detail[:MAX_TEXT],
    )
