"""
Wait until a page is at rest: nothing loads, and the page has announced nothing more.

The wait has a time limit. First it waits for requests, images and fonts. Images have limits of
their own: one for each image, so that one that never comes does not delay the end, and one for all
images, which may be longer than the limit of the other waits. Then it waits for what the page has
announced (`page/pending_callbacks.py`). Where the browser shows that nothing is announced, the page
is at rest. Where the browser cannot show that, the page is observed until it has not changed for a
second.
"""

import math
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from snapshotter.capture.page.pending_callbacks import HORIZON_S, AnnouncedWork, PageActivity
from snapshotter.capture.page_context import FRAME_S, PageContext
from snapshotter.capture.redaction.redactor import clean_url
from snapshotter.model.capture import SettleEnd, Settling
from snapshotter.value_class import dataclass

_LOOK_S = 0.05  # between two looks
_SETTLE_SHARE = 0.3  # most of the time that is left for all images together
_ROUNDS = 3  # that we set sources of images: a page may take them back
_NAMED = 20  # addresses in the detail of an action
_USED_S = 0.3  # that are left of an observation, for taking the files of the page to be worth it
_OBSERVED_S = 1.0  # without a change, where the browser cannot show that nothing is to come
_ACTIVITY_S = 0.1  # between two looks at what is announced, at first
_SLOWER = 1.5  # each time, up to
_ACTIVITY_MOST_S = 0.5
_FRESH_S = 0.2  # how old a look may be that something is concluded from
_DUE_S = 0.02  # for what is due to happen
_REQUESTED_S = 1.0  # for a navigation that a script requested to begin


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleResult:
    """How waiting ended, and what was still under way."""

    open_ends: str  # what was still under way, in words; "" when nothing was
    height: int  # CSS pixels of the document
    how: SettleEnd
    unchanged_s: float  # at its end, since the last change of document, layout or network
    shown_at: float  # `clock.monotonic()` of that change, or of a later one without a new layout
    animations: int  # that run; what scripts paint all the time counts as one
    waited_for: tuple[str, ...]  # kinds
    announced: tuple[AnnouncedWork, ...]  # that should have been waited for
    left: tuple[AnnouncedWork, ...]  # announced, and not waited for to the end, all of it

    @property
    def description(self) -> str:
        """Describe how waiting ended, for the detail of a step."""
        left = ", ".join(
            f"{wait.count} {wait.kind}" + (f" ({wait.longest_ms} ms)" if wait.longest_ms else "")
            for wait in self.left
        )
        if self.how is SettleEnd.NOTHING_PENDING:
            return "nothing was pending" + (
                f", except work that is scheduled for later: {left}" if left else ""
            )
        if self.how is SettleEnd.OBSERVED:
            return f"the page did not change for {self.unchanged_s:.1f} s; still running: {left}"
        if self.how is SettleEnd.CAP:
            why = f"still pending: {left}" if left else "the page did not stop changing"
            return f"the time limit for settling was reached; {why}"
        return self.how.value.replace("-", " ")


@dataclass(slots=True)
class _Progress:
    """What one call of `settle` has observed so far."""

    height: int = 0
    changed_at: float = 0.0
    restyled_at: float = 0.0
    activity: PageActivity | None = None
    looked_at: float = 0.0  # when what is announced was looked at
    look_at: float = 0.0  # when the next look is due
    rests_at: float = 0.0  # when what was waited for has had its effect; infinite: it still runs
    interval_s: float = _ACTIVITY_S
    animated_since: float = 0.0
    animated_until: float = 0.0
    animations: int = 0  # that run
    waited_for: tuple[str, ...] = ()


async def settle(
    page_context: PageContext, observing: Callable[[int], Awaitable[None]] | None = None
) -> SettleResult:
    """
    Wait until the page is at rest or its time is used up; record how the wait ended.

    Args:
        observing: Called once when the page is only observed any more, if nothing in it moves, each
            of its intervals has run since the begin, and the rest of the time is worth to be used;
            with the height of the document in CSS pixels.

    Raises:
        CallTimeout, ScriptError: The main frame did not answer.
    """
    at, begin = page_context.clock.now(), page_context.clock.monotonic()
    progress = _Progress(look_at=begin)
    settled: SettleResult | None = None
    try:
        settled = await _settle(page_context, progress, begin, observing)
    finally:
        now = page_context.clock.monotonic()
        page_context.settling_time.spent_s += now - begin
        page_context.builder.settled(
            Settling(
                at=at,
                duration_ms=round((now - begin) * 1000),
                how=settled.how if settled is not None else SettleEnd.WENT_ON,
                unchanged_ms=round(settled.unchanged_s * 1000) if settled is not None else 0,
                waited_for=progress.waited_for,
                left=PageActivity(waits=settled.left).pending if settled is not None else (),
            )
        )
    return settled


async def _settle(
    page_context: PageContext,
    progress: _Progress,
    begin: float,
    observing: Callable[[int], Awaitable[None]] | None,
) -> SettleResult:
    decision, clock, observer = (
        page_context.decision,
        page_context.clock,
        page_context.recorder.observer,
    )
    end = begin + decision.limits.settle_s
    end_of_images = max(
        end, begin + min(decision.media.wait_s, page_context.guard.remaining_s * _SETTLE_SHARE)
    )
    documents = page_context.document.count
    stuck_requests = page_context.document.stuck_requests  # they do not end: loading was stopped
    if page_context.settling_time.documents != documents:
        page_context.settling_time.begin(documents)
    # The cap is one for all times that a document settles; each has a moment of its own.
    patience_s = max(
        decision.quiet_s + _OBSERVED_S,
        decision.limits.settle_s - page_context.settling_time.spent_s,
    )
    end_of_patience = min(end, begin + patience_s)
    is_light = decision.light  # then it is looked at as it is: what is held back stays so
    wake, honour, rounds = not is_light, False, 0
    while True:
        rules = {
            "imageMs": round(decision.media.image_s * 1000),
            "wakeLazy": wake,
            "honourLater": honour,
            "lazy": list(decision.media.lazy_attributes),
        }
        answers = await page_context.worlds.ask_all(
            "state", rules, limit_s=decision.limits.step_s, frame_s=FRAME_S
        )
        states = [answer.value for answer in answers if answer.value]
        if woken := sum(int(state["woken"]) for state in states):
            page_context.builder.note(
                "load-lazy-images", f"images that scrolling had not reached: {woken}"
            )
        honoured = [str(url) for state in states for url in state["honoured"]]
        if honoured:
            named = " ".join(clean_url(url)[:200] for url in honoured[:_NAMED])
            page_context.builder.note("set-data-src", f"{len(honoured)} images: {named}")
        pending = sum(int(state["pending"]) for state in states)
        waiting = sum(int(state["waiting"]) for state in states)
        fonts = all(state["fonts"] for state in states)
        # None: something is under way, and it is not known how long it takes.
        quiet_in = None
        if observer.awaited <= stuck_requests:
            quiet_in = observer.changed_at + decision.quiet_s - clock.monotonic()
        quiet = quiet_in is not None and quiet_in <= 0
        now = clock.monotonic()
        _take(progress, page_context, states, now)
        open_ends = f"{pending} images" if pending and not is_light else ""
        if page_context.document.count != documents:
            return _ended(progress, page_context, SettleEnd.WENT_ON, open_ends)
        asked, wake, honour = honour, False, False
        if not quiet and observer.may_be_polling and now >= progress.look_at:
            await _look(page_context, progress)  # to find out whether an interval polls
        if quiet and fonts and (is_light or not waiting) and not honoured:
            heard = observer.changed_at
            how = await _how(page_context, progress, nothing_done=asked and not woken)
            if observer.changed_at != heard or observer.awaited > stuck_requests:
                how = None  # something was requested meanwhile
            may_use = how is None and not pending and observer.awaited <= stuck_requests
            if observing is not None and may_use and _may_be_used(page_context, progress, begin):
                await observing(progress.height)
                observing = None
            if how is None and clock.monotonic() >= end_of_patience:
                how = SettleEnd.CAP
            if how is not None:
                is_last = is_light or asked or rounds == _ROUNDS
                if is_last or not decision.media.honour_data_src:
                    return _ended(progress, page_context, how, open_ends)
                # The page had its time to bring itself what it holds back.
                wake, honour, rounds = True, True, rounds + 1
                continue
        elif now >= end and (is_light or not waiting or now >= end_of_images):
            parts = (
                (bool(open_ends), open_ends),
                (
                    observer.awaited > stuck_requests,
                    f"{observer.awaited - stuck_requests} requests",
                ),
                (not fonts, "fonts"),
            )
            under_way = ", ".join(under_way for there, under_way in parts if there)
            return _ended(progress, page_context, SettleEnd.CAP, under_way)
        look_in = progress.look_at - clock.monotonic()
        await page_context.guard.pause(seconds_until_next_check(quiet_in, look_in))


async def _how(
    page_context: PageContext, progress: _Progress, *, nothing_done: bool = False
) -> SettleEnd | None:
    """
    Return how waiting ends now; None where it goes on.

    Args:
        nothing_done: We wanted to load held-back images after the last look, and found none.
    """
    clock = page_context.clock
    if page_context.document.scripts_stopped:
        return SettleEnd.STOPPED
    is_valid = nothing_done and clock.monotonic() - progress.looked_at <= _FRESH_S
    if is_valid and (how := _conclusion(page_context, progress)) is not None:
        return how
    if clock.monotonic() >= progress.look_at:
        await _look(page_context, progress)
    how = _conclusion(page_context, progress)
    if how is not None and clock.monotonic() - progress.looked_at > _FRESH_S:
        await _look(page_context, progress)
        how = _conclusion(page_context, progress)
    return how


async def _look(page_context: PageContext, progress: _Progress) -> None:
    """Read what the page has announced, and set when to look again."""
    clock, observer = page_context.clock, page_context.recorder.observer
    announced = await page_context.trace.look()
    now = progress.looked_at = clock.monotonic()
    busy_since = await observer.busy_since()
    observer.note_intervals(announced.sent)
    before = progress.activity
    progress.activity = activity = _with_others(announced, page_context, progress, busy_since, now)
    progress.changed_at = max(progress.changed_at, announced.changed_at)
    progress.restyled_at = max(progress.restyled_at, announced.restyled_at)
    kinds = {wait.kind for wait in activity.waits}
    progress.waited_for = tuple(sorted(kinds.union(progress.waited_for)))
    progress.look_at = clock.monotonic() + progress.interval_s
    last = max(progress.changed_at, observer.changed_at)
    if activity.waits:
        progress.rests_at = math.inf
        progress.interval_s = min(progress.interval_s * _SLOWER, _ACTIVITY_MOST_S)
        due = min(wait.due_at for wait in activity.waits) + _DUE_S
        progress.look_at = max(progress.look_at, due)
        return
    if progress.rests_at == math.inf:
        # Intervals and loops run on: what they do next is observed as after a change.
        effect_s = _OBSERVED_S if activity.unshown else page_context.decision.quiet_s
        progress.rests_at = 0.0 if _only_ticked(before, activity) else now + effect_s
    if activity.ticked_at:
        progress.rests_at = max(progress.rests_at, activity.ticked_at + _OBSERVED_S)
    if activity.unshown:
        progress.look_at = max(progress.look_at, _observed_until(progress, last))
    else:
        progress.look_at = max(last, activity.ran_at) + page_context.decision.quiet_s


def _only_ticked(before: PageActivity | None, activity: PageActivity) -> bool:
    """Return whether only ticks of intervals were waited for, and all these intervals run on."""
    if before is None or not activity.ticked_at:
        return False
    if any(wait.kind != "interval" for wait in before.waits):
        return False
    ran, run = (
        sum(work.count for work in works if work.kind == "interval")
        for works in ((*before.waits, *before.unshown), activity.unshown)
    )
    return run >= ran


def _conclusion(page_context: PageContext, progress: _Progress) -> SettleEnd | None:
    """Return how waiting ends by the last look; None where it goes on."""
    activity, now = progress.activity, page_context.clock.monotonic()
    if activity is None or activity.waits:
        return None
    last = max(progress.changed_at, page_context.recorder.observer.changed_at)
    if activity.unshown:
        return SettleEnd.OBSERVED if now >= _observed_until(progress, last) else None
    # What ran last may go on when the browser has done something for it that no trace shows.
    quiet = now >= max(last, activity.ran_at) + page_context.decision.quiet_s
    return SettleEnd.NOTHING_PENDING if quiet else None


def _observed_until(progress: _Progress, last: float) -> float:
    """Return when a page was observed long enough whose last change was then."""
    return max(last + _OBSERVED_S, progress.rests_at)


def _may_be_used(page_context: PageContext, progress: _Progress, begin: float) -> bool:
    """Return whether the page is only observed, and for long enough to use the time."""
    activity, now = progress.activity, page_context.clock.monotonic()
    if activity is None or activity.waits or not activity.unshown:
        return False
    if progress.animations or activity.is_moving:
        return False
    last = max(progress.changed_at, page_context.recorder.observer.changed_at)
    # Each interval runs once where the page was scrolled to: it may load more there.
    longest_s = max(wait.longest_ms for wait in activity.unshown) / 1000
    stay_s = max(page_context.decision.quiet_s, min(_OBSERVED_S, longest_s + _ACTIVITY_S))
    is_quiet = now - last >= page_context.decision.quiet_s
    is_worth = _observed_until(progress, last) - now >= _USED_S
    return is_quiet and is_worth and now - begin >= stay_s


def _with_others(
    announced: PageActivity,
    page_context: PageContext,
    progress: _Progress,
    busy_since: float,
    now: float,
) -> PageActivity:
    """Add what is under way and not in the trace: channels, polls, workers, navigations."""
    waits, unshown, far = [*announced.waits], [*announced.unshown], [*announced.far]
    for kind, since in page_context.recorder.observer.silent_channels:
        due = since + HORIZON_S
        wait = AnnouncedWork(kind=kind, count=1, longest_ms=0, due_at=min(due, now + _ACTIVITY_S))
        (waits if now < due else unshown).append(wait)
    if open_channels := page_context.recorder.observer.channels:
        unshown.append(AnnouncedWork(kind="channel", count=open_channels, longest_ms=0, due_at=now))
    if polls := page_context.recorder.observer.polls:
        unshown.append(AnnouncedWork(kind="poll", count=polls, longest_ms=0, due_at=now))
    if busy_since and now - busy_since < HORIZON_S:
        waits.append(AnnouncedWork(kind="busy-worker", count=1, longest_ms=0, due_at=now))
    expected = page_context.document.expected_at
    if expected is not None and now <= expected + _REQUESTED_S:
        waits.append(
            AnnouncedWork(kind="navigation", count=1, longest_ms=0, due_at=max(expected, now))
        )
    for due in page_context.worlds.scheduled:
        if now - _REQUESTED_S <= due:
            delay_ms = max(0, round((due - now) * 1000))
            wait = AnnouncedWork(kind="navigation", count=1, longest_ms=delay_ms, due_at=due)
            (waits if delay_ms <= HORIZON_S * 1000 else far).append(wait)
    if now < progress.animated_until <= progress.animated_since + HORIZON_S:
        left_ms = round((progress.animated_until - now) * 1000)
        due = progress.animated_until
        waits.append(AnnouncedWork(kind="animation", count=1, longest_ms=left_ms, due_at=due))
    return replace(announced, waits=tuple(waits), unshown=tuple(unshown), far=tuple(far))


def _take(progress: _Progress, page_context: PageContext, states: list[Any], now: float) -> None:
    """Update the progress from the states that the frames reported."""
    patience = page_context.settling_time
    progress.height = int(states[0]["height"]) if states else 0
    progress.animations = sum(int(state["animations"]) for state in states)
    patience.note_mutations(sum(int(state["mutations"]) for state in states), now)
    progress.changed_at = max(progress.changed_at, patience.changed_at)
    animated_s = max((float(state["animationMs"]) for state in states), default=0.0) / 1000
    if not animated_s:
        progress.animated_since = progress.animated_until = 0.0
    elif not progress.animated_since:
        progress.animated_since, progress.animated_until = now, now + animated_s


def _ended(
    progress: _Progress, page_context: PageContext, how: SettleEnd, open_ends: str
) -> SettleResult:
    now, activity = page_context.clock.monotonic(), progress.activity or PageActivity()
    changed_at = max(progress.changed_at, page_context.recorder.observer.changed_at)
    return SettleResult(
        open_ends=open_ends,
        height=progress.height,
        how=how,
        unchanged_s=max(0.0, now - changed_at),
        shown_at=max(changed_at, progress.restyled_at),
        animations=progress.animations + activity.is_moving,
        waited_for=progress.waited_for,
        announced=activity.waits,
        left=(*activity.waits, *activity.unshown, *activity.far),
    )


def seconds_until_next_check(quiet_in: float | None, look_in: float = 0.0) -> float:
    """
    Return the seconds until the next look: no later than the moment the network may be quiet.

    Args:
        quiet_in: Seconds until that moment, if nothing new is requested; None: not known. Once
            the network is quiet, the wait is for something else, and frequent looks would slow
            the page.
        look_in: Seconds until what is announced is looked at again, if that is still to come.
    """
    ahead = [seconds for seconds in (quiet_in, look_in) if seconds is not None and seconds > 0]
    return min(_LOOK_S, max(0.001, min(ahead, default=_LOOK_S)))
