"""
What the browser's trace says of things to come.

`traces.json` holds events of Chromium 156: two traces in a row of a page with timers, an interval,
a timer that is set again and again, callbacks before the next frame and when idle, tasks, a
worker and a frame of another process.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from snapshotter.capture.page.pending_callbacks import PageActivity, TraceReader

TRACES: list[dict[str, Any]] = json.loads((Path(__file__).parent / "traces.json").read_text())
FRAMES = {
    event["args"]["data"]["frame"]
    for trace in TRACES
    for event in trace["events"]
    if event["name"] == "CommitLoad"
}


def kinds(activity: PageActivity) -> dict[str, tuple[int, int]]:
    return {wait.kind: (wait.count, wait.longest_ms) for wait in activity.waits}


def unshown(activity: PageActivity) -> set[str]:
    return {wait.kind for wait in activity.unshown}


def is_clear(activity: PageActivity) -> bool:
    return not activity.waits and not activity.unshown


def event(name: str, ms: float, number: int = 0, **data: Any) -> dict[str, Any]:
    """Return an event of the page "F", of the form that the recorded ones have."""
    key = {"Timer": "timerId", "Schedule": "taskId"}.get(name.removesuffix("Install"), "id")
    if name.startswith("Timer"):
        key = "timerId"
    args = {"data": {"frame": "F", key: number, **data}}
    made = {"name": name, "pid": 1, "tid": 1, "ts": ms * 1000, "args": args}
    return made | (
        {"ph": "X", "dur": 500} if name.startswith(("Fire", "TimerFire")) else {"ph": "I"}
    )


def timer(ms: float, number: int, delay: int, *, once: bool = True) -> dict[str, Any]:
    return event("TimerInstall", ms, number, timeout=delay, singleShot=once)


def ticks(delay: int, count: int) -> list[dict[str, Any]]:
    fired = [event("TimerFire", delay * number, 1) for number in range(1, count + 1)]
    return [timer(0, 1, delay, once=False), *fired]


def after(*events: dict[str, Any], ms: float) -> PageActivity:
    reader = TraceReader()
    reader.read(events)
    return reader.activity(ms / 1000, {"F"})


def test_a_recorded_trace_names_each_thing_that_is_announced() -> None:
    reader = TraceReader()
    reader.read(TRACES[0]["events"])

    seen = reader.activity(TRACES[0]["ended_s"], FRAMES, workers=1)

    # 900 ms, the one that is set again, the frame's of 1,234 ms, and the worker's of 1,600 ms.
    assert kinds(seen) == {
        "timer": (4, 1600), "task": (1, 1800), "animation-callback": (1, 0), "interval": (2, 400),
    }  # fmt: skip
    assert unshown(seen) == {"worker"}
    assert [(wait.kind, wait.count, wait.longest_ms) for wait in seen.far] == [("timer", 1, 5000)]
    assert TRACES[0]["ended_s"] - 1 < seen.changed_at < TRACES[0]["ended_s"]


def test_requests_that_an_interval_sends_are_named_and_no_others() -> None:
    def request(ms: float, name: str) -> dict[str, Any]:
        return event("ResourceSendRequest", ms, requestId=name)

    seen = after(
        *(timer(0, 1, 300, once=False), timer(0, 2, 400)),
        *(request(200, "of the document"), event("TimerFire", 300, 1), request(300.2, "first")),
        *(request(300.7, "of a later task"), event("TimerFire", 400, 2), request(400.2, "timer")),
        *(event("TimerFire", 600, 1), request(600.4, "second")),
        ms=700,
    )

    assert seen.sent == {"first", "second"}


@pytest.mark.parametrize(
    ("events", "ms", "ticked_at"),
    [
        (ticks(150, 2), 320, 0.0),  # it is still waited for
        (ticks(150, 3), 460, 0.4505),  # its third time, to the end
        (ticks(150, 7), 1100, 0.4505),
        (ticks(2000, 1), 3100, 3.0),  # the horizon
        ([*ticks(150, 3), timer(0, 2, 300, once=False), event("TimerRemove", 100, 2)], 460, 0.4505),
        ([timer(0, 1, 150)], 100, 0.0),
    ],
)
def test_it_is_known_since_when_an_interval_is_not_waited_for(
    events: list[dict[str, Any]], ms: float, ticked_at: float
) -> None:
    assert after(*events, ms=ms).ticked_at == pytest.approx(ticked_at)


@pytest.mark.parametrize(
    ("gap_s", "seen_ms", "ticked_at"),
    [
        ((0.29, 0.32), (600, 900), 0.9005),  # the first tick was due when nothing was watched
        ((0.59, 0.62), (300, 900), 0.9005),
        ((0.29, 0.32), (330, 630), 0.0),  # it was late, and seen
        ((0.40, 0.45), (300, 1200), 0.0),  # the page was busy
    ],
)
def test_a_tick_that_was_due_when_nothing_was_watched_counts(
    gap_s: tuple[float, float], seen_ms: tuple[int, int], ticked_at: float
) -> None:
    reader = TraceReader()
    reader.gap(*gap_s)
    reader.read([timer(0, 1, 300, once=False), *(event("TimerFire", ms, 1) for ms in seen_ms)])

    assert reader.activity(1.25, {"F"}).ticked_at == pytest.approx(ticked_at)


@pytest.mark.parametrize(
    ("name", "args", "restyled_at"),
    [
        ("ScrollLayer", {"data": {"frame": "F", "nodeName": "DIV"}}, 0.2),
        ("UpdateLayoutTree", {"beginData": {"frame": "F"}, "elementCount": 1}, 0.2),
        ("UpdateLayoutTree", {"beginData": {"frame": "F"}, "elementCount": 0}, 0.0),
        ("ScrollLayer", {"data": {"frame": "another"}}, 0.0),
    ],
)
def test_what_is_scrolled_or_styled_anew_is_noted_apart_from_what_is_painted(
    name: str, args: dict[str, Any], restyled_at: float
) -> None:
    seen = after({**event(name, 200), "ph": "X", "args": args}, ms=300)

    assert (seen.restyled_at, seen.changed_at) == (restyled_at, 0.0)


def test_a_timer_that_no_trace_has_is_missed_by_its_number() -> None:
    reader = TraceReader()
    for trace in TRACES:  # between the two, a timer was set unseen
        reader.read(trace["events"])

    assert "not-watched" in unshown(reader.activity(TRACES[1]["ended_s"], FRAMES, workers=1))
    assert "not-watched" not in unshown(reader.activity(TRACES[1]["ended_s"] + 3, FRAMES))


def test_timers_of_a_frame_that_is_not_the_pages_are_nothing_to_wait_for() -> None:
    reader = TraceReader()
    reader.read(TRACES[0]["events"])

    seen = reader.activity(TRACES[0]["ended_s"], {"another"})

    assert is_clear(seen)
    assert not seen.far


@pytest.mark.parametrize(
    ("events", "ms", "waits", "others"),
    [
        ([timer(0, 1, 700)], 100, {"timer"}, set()),
        ([timer(0, 1, 700), event("TimerFire", 701, 1)], 702, set(), set()),
        ([timer(0, 1, 700), event("TimerRemove", 50, 1)], 100, set(), set()),
        ([timer(0, 1, 3000)], 100, {"timer"}, set()),
        ([timer(0, 1, 3001)], 100, set(), set()),  # beyond the horizon
        ([timer(0, 1, 700)], 2100, {"timer"}, set()),  # late, as in a frame out of sight
        ([timer(0, 1, 700)], 2300, set(), set()),  # it went with its document
        ([timer(0, 1, 2000, once=False)], 100, {"interval"}, set()),  # its first time
        (ticks(800, 2), 1700, {"interval"}, set()),  # and its second and third
        (ticks(800, 3), 2500, set(), {"interval"}),
        (ticks(2000, 1), 2100, {"interval"}, set()),
        (ticks(2000, 1), 3100, set(), {"interval"}),  # the next one is beyond the horizon
        ([timer(0, 2, 700)], 100, {"timer"}, {"not-watched"}),
        ([event("RequestAnimationFrame", 0, 1)], 10, {"animation-callback"}, set()),
        ([event("RequestAnimationFrame", 0, 1)], 600, set(), {"animation-callback-held-back"}),
        ([event("RequestIdleCallback", 0, 1, timeout=900)], 600, {"idle-callback"}, set()),
        ([event("SchedulePostTaskCallback", 0, 1, delay=900)], 600, {"task"}, set()),
    ],
)
def test_what_is_announced_is_waited_for_until_it_happens(
    events: list[dict[str, Any]], ms: float, waits: set[str], others: set[str]
) -> None:
    seen = after(*events, ms=ms)

    assert (set(kinds(seen)), unshown(seen)) == (waits, others)


def rearmed(delay: int, until: int) -> list[dict[str, Any]]:
    events = [timer(0, 1, delay)]
    for number, ms in enumerate(range(delay, until, delay), 1):
        events += [event("TimerFire", ms, number), timer(ms + 0.1, number + 1, delay)]
    return events


@pytest.mark.parametrize("delay", [30, 100, 1000])
def test_a_timer_that_is_set_again_and_again_is_waited_for_no_longer_than_the_horizon(
    delay: int,
) -> None:
    assert unshown(after(*rearmed(delay, 2900), ms=2900)) == set()
    assert unshown(after(*rearmed(delay, 3200), ms=3200)) == {"re-armed-timer"}
    assert not after(*rearmed(delay, 3200), ms=3200).waits


def test_timers_that_one_another_set_a_few_times_are_waited_for_to_their_end() -> None:
    chain = [timer(0, 1, 1500), event("TimerFire", 1500, 1), timer(1500.1, 2, 1600)]
    chain += [event("TimerFire", 3101, 2), timer(3101.1, 3, 900)]

    assert kinds(after(*chain, ms=3200)) == {"timer": (1, 900)}


def test_a_loop_of_frames_is_one_also_where_a_part_of_it_was_not_seen() -> None:
    loop: list[dict[str, Any]] = []
    for number in range(1, 100):
        if number not in range(40, 44):
            loop.append(event("FireAnimationFrame", number * 16, number))
            loop.append(event("RequestAnimationFrame", number * 16 + 0.1, number + 1))

    seen = after(*loop, ms=1590)

    assert (seen.waits, unshown(seen)) == ((), {"animation-loop"})
    assert [wait.count for wait in seen.unshown] == [1]


def test_a_timer_that_was_due_when_nothing_was_watched_ran_unseen() -> None:
    reader = TraceReader()
    reader.read([timer(0, 1, 500)])
    reader.gap(0.49, 0.53)

    assert kinds(reader.activity(0.6, {"F"})) == {"timer": (1, 500)}  # it may be late
    assert is_clear(reader.activity(0.8, {"F"}))


def test_a_new_document_forgets_what_the_one_before_announced() -> None:
    seen = after(timer(0, 1, 900), event("CommitLoad", 100) | {"ph": "X"}, timer(101, 1, 0), ms=150)

    assert kinds(seen) == {"timer": (1, 0)}
    assert not seen.unshown


def test_what_is_painted_all_the_time_is_an_animation_and_no_change() -> None:
    often = [event("Paint", ms) for ms in range(0, 1600, 16)]
    once = [event("Paint", 400)]

    assert after(*often, ms=1600).changed_at == 0.0
    assert "animation" in unshown(after(*often, ms=1600))
    assert after(*once, ms=1600).changed_at == 0.4


def test_a_timer_that_is_seen_to_run_was_not_missed() -> None:
    gap = [timer(0, 1, 9000), timer(10, 3, 9000)]

    assert unshown(after(*gap, ms=20)) == {"not-watched"}
    assert unshown(after(*gap, event("TimerFire", 15, 2), ms=20)) == set()


def test_what_ran_last_is_known_and_is_no_callback_of_a_frame() -> None:
    ran = [timer(0, 1, 50), event("TimerFire", 51, 1), event("FireAnimationFrame", 90, 1)]

    assert after(*ran, ms=100).ran_at == 0.0515


def called(ms: float, url: str = "https://a.example/app.js") -> dict[str, Any]:
    return event("FunctionCall", ms, url=url) | {"ph": "X", "dur": 4_000}


def test_scripts_that_messages_call_are_no_rest_until_they_have_run_for_three_seconds() -> None:
    """As frameworks render in slices: no timer, no request and no layout shows it."""
    slices = [called(ms) for ms in range(0, 2000, 5)]
    for_ever = [called(ms) for ms in range(0, 3200, 5)]

    assert after(*slices, ms=2000).ran_at == 1.999
    assert is_clear(after(*slices, ms=2000))
    assert unshown(after(*for_ever, ms=3200)) == {"script-loop"}
    assert is_clear(after(called(0), *for_ever[100:], ms=3200))  # begun after a pause


def test_scripts_of_our_own_world_are_none_of_the_page() -> None:
    assert after(called(50, url=""), ms=100).ran_at == 0.0
