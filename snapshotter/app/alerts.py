"""
What one more capture of a watched page tells beside a removal: a count that went over a
threshold, a main text that is another one, an account by another name, a notice that no rule
knows.

Pure, and the same each time: an event's id is made of the bundle with which it came, so telling it
again after a crash tells nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from snapshotter.assess.thresholds import crossings, series
from snapshotter.formats.digest import digest_bytes
from snapshotter.formats.hosts import host_of
from snapshotter.model.assessment import Availability, Undecided
from snapshotter.model.event import MAX_TEXT, About, Event, EventKind
from snapshotter.model.reading import Crossing
from snapshotter.model.request import Threshold
from snapshotter.model.takedown import Observation
from snapshotter.report.words import minute

_SUBJECT: Final = 32  # hex digits of a digest: nothing of the page stands in a subject


def alerts(
    seen: Sequence[Observation],
    bundle_id: str,
    thresholds: Sequence[Threshold],
    about: About,
) -> tuple[Event, ...]:
    """
    Return what a capture tells that those before it did not.

    Args:
        seen: All captures of the page, in the order in which they ended.
        bundle_id: The capture that ended now.
        about: What rules match of the job that it was made for.
    """
    this = next((it for it in seen if it.bundle_id == bundle_id), None)
    if this is None:
        return ()
    before = [it for it in seen if (it.at, it.bundle_id) < (this.at, this.bundle_id)]
    return (
        *_crossed([*before, this], this, thresholds, about),
        *_changed(before, this, about),
        *_renamed(before, this, about),
        *_unknown(before, this, about),
    )


def _crossed(
    until_now: Sequence[Observation],
    this: Observation,
    thresholds: Sequence[Threshold],
    about: About,
) -> Iterator[Event]:
    for it in crossings(series(until_now), thresholds):
        if it.reached == this.bundle_id:
            yield _event(
                EventKind.COUNT_CROSSED,
                this,
                about,
                summary=_in_words(it),
                detail=f'"{it.below_raw}", then "{it.reached_raw}"; {it.source}',
                part=f"/{it.unit}-{it.threshold}",
            )


def _in_words(it: Crossing) -> str:
    maybe = "" if it.certain else "maybe "
    if it.below_at is None:
        return f"{it.unit} {maybe}stood at {it.threshold} or more at {minute(it.reached_at)}"
    return (
        f"{it.unit} {maybe}reached {it.threshold} between {minute(it.below_at)}"
        f" and {minute(it.reached_at)}"
    )


def _changed(before: Sequence[Observation], this: Observation, about: About) -> Iterator[Event]:
    """
    Yield that the main text is another one; one that is gone is no other text.

    A whole capture scrolls and opens what is hidden: it has another text of the same page than
    a light check. Where there are checks, they tell.
    """
    if not this.light and any(it.light for it in before):
        return
    last = next((it for it in reversed(before) if _has_text(it, this)), None)
    if _has_text(this, this) and last is not None and last.main_sha256 != this.main_sha256:
        yield _event(
            EventKind.PAGE_CHANGED,
            this,
            about,
            summary=(
                f"the main text of a page changed between {minute(last.at)} and {minute(this.at)}"
            ),
            detail=f"before: {last.bundle_id}",
        )


def _renamed(before: Sequence[Observation], this: Observation, about: About) -> Iterator[Event]:
    """
    Yield that the account behind a page has another name: the same one, by its id.

    Told once for all pages of the account: its id is made of the account and both names.
    """
    if not (this.account and this.account_name):
        return
    last = next((it for it in reversed(before) if it.account_name), None)
    if last is None or last.account != this.account or last.account_name == this.account_name:
        return
    names = f"{this.account}\0{last.account_name}\0{this.account_name}"
    yield replace(
        _event(
            EventKind.ACCOUNT_RENAMED,
            this,
            about,
            summary=f"an account was renamed between {minute(last.at)} and {minute(this.at)}",
            detail=f'"{last.account_name}", then "{this.account_name}"; before: {last.bundle_id}',
        ),
        id=f"{EventKind.ACCOUNT_RENAMED}/{digest_bytes(names.encode()).sha256[:_SUBJECT]}",
        subject=digest_bytes(this.account.encode()).sha256[:_SUBJECT],
    )


def _has_text(it: Observation, like: Observation) -> bool:
    is_there = it.availability is Availability.AVAILABLE and bool(it.main_sha256)
    return is_there and (it.vantage, it.light) == (like.vantage, like.light)


def _unknown(before: Sequence[Observation], this: Observation, about: About) -> Iterator[Event]:
    if this.undecided is not Undecided.UNKNOWN_NOTICE:
        return
    if before and before[-1].undecided is this.undecided and before[-1].notice == this.notice:
        return
    yield _event(
        EventKind.NOTICE_UNKNOWN,
        this,
        about,
        summary=f"a notice that no rule knows stood in the place of a page at {minute(this.at)}",
        detail=this.notice,
    )


def _event(
    kind: EventKind,
    this: Observation,
    about: About,
    *,
    summary: str,
    detail: str,
    part: str = "",
) -> Event:
    return Event(
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
