"""
Read from the browser's trace what a page has announced to do and has not done yet.

A loaded page may still bring content: by a timer, by a later task, by a callback before the next
frame. The browser notes each of these in its trace (category `devtools.timeline`), for all its
processes, frames and workers, and no page can see that. `TraceReader` interprets the trace;
`TraceWatch` requests it from the browser.

The browser returns a trace only at its end, and some tens of milliseconds between two traces are
not watched. Timers are numbered without gaps in each document. So each look first sets a timer of
our own in each frame, and the numbers in the trace show whether all others were seen. If one was
not, the browser cannot show what is announced; see `behaviours/settling.py`.
"""

import asyncio
import base64
import json
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import field
from typing import Any, Final

from playwright.async_api import BrowserContext, CDPSession
from playwright.async_api import Error as PlaywrightError

from snapshotter.capture.browser.call_guard import CallGuard, CallTimeout
from snapshotter.capture.browser.isolated_worlds import IsolatedWorlds, ScriptError
from snapshotter.capture.record.recorder import Recorder
from snapshotter.capture.steps import first_error_line
from snapshotter.model.capture import Pending
from snapshotter.ports import Clock
from snapshotter.value_class import dataclass

HORIZON_S: Final = 3.0  # what a page announces for later than this is not waited for
_LATE_S: Final = 1.5  # how late a timer may be; the browser delays those of frames out of sight
_PROMPT_S: Final = 0.5  # within which a frame's callback runs, unless the browser holds it back
_LOOP_S: Final = 1.0  # after which callbacks that ask for the next frame count as a loop
_ROUNDS: Final = 3  # timers, each set by the one before, that are taken for a loop
_TICKS: Final = 3  # times that an interval is waited for
_PAUSE_S: Final = 0.25  # between two scripts, after which the second one begins anew
_SAME: Final = 4  # timers of the same delay in one document, likewise
_SLOT_S: Final = 0.1
_STEADY: Final = 8  # of ten slots with something painted: an animation, and no change
_UNSEEN_S: Final = 0.2  # how late a timer runs that was due when nothing was watched
_MISSED: Final = 1_000  # numbers of timers that are kept as missed
_GAPS: Final = 50  # that are kept
_PAINTS: Final = 4_000  # times that are kept
_SENT: Final = 1_000  # requests of intervals that are kept
_BUFFER_KB: Final = 8_192
_START_S: Final = 3.0
_END_S: Final = 3.0
_PROBE_S: Final = 1.0
_SKEW_S: Final = 5.0  # between the trace's clock and ours, which are one on Linux

_INSTALLS: Final = {
    "TimerInstall": "timer",
    "RequestAnimationFrame": "animation-callback",
    "RequestIdleCallback": "idle-callback",
    "SchedulePostTaskCallback": "task",
}
_ENDS: Final = {
    "TimerFire": "timer",
    "TimerRemove": "timer",
    "FireAnimationFrame": "animation-callback",
    "CancelAnimationFrame": "animation-callback",
    "FireIdleCallback": "idle-callback",
    "CancelIdleCallback": "idle-callback",
    "RunPostTaskCallback": "task",
    "AbortPostTaskCallback": "task",
}
_CHANGES: Final = frozenset({"Layout", "Paint"})
_RESTYLES: Final = frozenset({"ScrollLayer", "UpdateLayoutTree"})
_CALL: Final = "FunctionCall"  # of a script, by an event or a message for example
_REQUEST: Final = "ResourceSendRequest"
_OF_INTEREST: Final = frozenset(
    {*_INSTALLS, *_ENDS, *_CHANGES, *_RESTYLES, _CALL, _REQUEST, "CommitLoad"}
)

Event = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnouncedWork:
    """Work of one kind that a page has announced."""

    kind: str
    count: int
    longest_ms: int  # the longest of their delays; 0 where there is none
    due_at: float  # when the last of them is due, on the scale of `clock.monotonic()`


@dataclass(frozen=True, slots=True, kw_only=True)
class PageActivity:
    """What a page had announced at one moment."""

    waits: tuple[AnnouncedWork, ...] = ()  # to be waited for
    unshown: tuple[AnnouncedWork, ...] = ()  # of which the browser cannot show the end
    far: tuple[AnnouncedWork, ...] = ()  # announced for a time beyond the horizon
    changed_at: float = 0.0  # of the last layout or paint, on that scale as well
    restyled_at: float = 0.0  # of the last new style, or scrolling of a part: both need no paint
    ran_at: float = 0.0  # when the last script of the page ended, likewise
    ticked_at: float = 0.0  # when the last of the intervals in `unshown` had run often enough
    sent: frozenset[str] = frozenset()  # ids of the newest requests that intervals sent

    @property
    def is_moving(self) -> bool:
        """Whether something is painted all the time: then no paint counts as a change."""
        return any(wait.kind == "animation" for wait in self.unshown)

    @property
    def pending(self) -> tuple[Pending, ...]:
        """All announced work, as a record has it."""
        return tuple(
            Pending(kind=wait.kind, count=wait.count, longest_ms=wait.longest_ms)
            for wait in (*self.waits, *self.unshown, *self.far)
        )


@dataclass(slots=True)
class _Callback:
    kind: str
    number: int
    at: float  # seconds of the trace's clock
    delay_s: float
    repeats: bool = False
    fired: int = 0
    fired_at: float = 0.0  # the last time
    ticked_at: float = 0.0  # of an interval: when it had run often enough to be waited for no more
    begun: float = 0.0  # of the first of those that set one another
    rounds: int = 0  # that came before it
    same: int = 0  # the same delay in a row, each set by the one before

    @property
    def due(self) -> float:
        return (self.fired_at or self.at) + self.delay_s

    @property
    def given_up_at(self) -> float:
        """When an interval is no longer waited for."""
        return self.at + HORIZON_S if self.fired else self.due + _LATE_S


@dataclass(slots=True)
class _Context:
    """A document or a worker, whose timers are numbered from 1."""

    next_timer: int = 1  # number of the timer that is set next, if none was missed
    missed: dict[int, float] = field(default_factory=dict)  # numbers, and when that was noticed
    pending: dict[tuple[str, int], _Callback] = field(default_factory=dict)
    delays: dict[int, tuple[float, int]] = field(default_factory=dict)  # first one, how many
    last: dict[str, tuple[float, _Callback]] = field(default_factory=dict)  # that ran, by kind


class TraceReader:
    """Follows callbacks over the traces of one browser, which are read in order."""

    def __init__(self) -> None:
        self._contexts: dict[tuple[int, int, str], _Context] = {}
        self._running: dict[tuple[int, int], tuple[float, _Callback]] = {}
        self._painted: deque[tuple[float, str]] = deque(maxlen=_PAINTS)  # when, in which frame
        self._restyled: dict[str, float] = {}  # by frame: when last
        self._ran: dict[int, tuple[float, float]] = {}  # by process: scripts from and until
        self._sent: deque[str] = deque(maxlen=_SENT)  # ids of requests that intervals sent
        self._gaps: deque[tuple[float, float]] = deque(maxlen=_GAPS)
        self._missed_at: dict[str, float] = {}  # by frame: until when timers were missed
        self.last = 0.0  # time of the newest event, seconds of the trace's clock

    def read(self, events: Iterable[Event]) -> None:
        """Read all events of one trace, in any order."""
        for event in sorted(events, key=lambda entry: float(entry.get("ts", 0))):
            if event.get("name") in _OF_INTEREST and event.get("ph") in ("I", "X", "i"):
                self._take(event)

    def gap(self, begin: float, end: float) -> None:
        """Note a time that no trace covers, in seconds of the trace's clock."""
        self._gaps.append((begin, end))

    def has_timer(self, frame: str, number: int) -> bool:
        """Return whether a trace shows that the timer of this number, or a later one, was set."""
        return any(
            key[2] == frame and context.next_timer > number
            for key, context in self._contexts.items()
        )

    def lose(self, frame: str = "") -> None:
        """Note that a frame is not wholly known up to now; without a name: all frames."""
        self._missed_at[frame] = self.last

    def activity(
        self, now: float, frames: Collection[str], *, workers: int = 0, offset: float = 0.0
    ) -> PageActivity:
        """
        Return what was announced and has not happened.

        Args:
            now: Seconds of the trace's clock.
            frames: Those of the page: a browser has others of its own.
            workers: How many run, of all kinds.
            offset: Added to the trace's clock to get ours.
        """
        waits: list[tuple[str, _Callback, float]] = []
        unshown: list[tuple[str, _Callback, float]] = []
        far: list[tuple[str, _Callback, float]] = []
        strange = {pid for pid, _, _ in self._contexts} - {
            pid for pid, _, frame in self._contexts if not frame or frame in frames
        }
        for (pid, _, frame), context in self._contexts.items():
            if pid in strange or (frame not in frames if frame else not workers):
                continue
            unshown += [
                ("not-watched", _Callback("not-watched", number, at, 0.0), at + HORIZON_S)
                for number, at in context.missed.items()
                if frame and now - at < HORIZON_S
            ]
            for callback in context.pending.values():
                self._sort_in(callback, context, now, waits, unshown, far)
        unshown += [("worker", _Callback("worker", 0, now, 0.0), now)] * workers
        unshown += [
            ("not-watched", _Callback("not-watched", 0, at, 0.0), at + HORIZON_S)
            for frame, at in self._missed_at.items()
            if (not frame or frame in frames) and now - at < HORIZON_S
        ]
        ran = [cpu_times for pid, cpu_times in self._ran.items() if pid not in strange]
        is_looping = any(end - begin > HORIZON_S and now - end < _PAUSE_S for begin, end in ran)
        if is_looping and not unshown:
            unshown.append(("script-loop", _Callback("script-loop", 0, now, 0.0), now))
        restyled = max((at for frame, at in self._restyled.items() if frame in frames), default=0.0)
        steady, changed = self._last_paint(now, frames)
        if steady:
            unshown.append(("animation", _Callback("animation", 0, now, 0.0), now))
        ticked_at = max(
            (
                callback.ticked_at or min(callback.given_up_at, now)
                for kind, callback, _ in unshown
                if kind == "interval"
            ),
            default=0.0,
        )
        return PageActivity(
            waits=_grouped(waits, offset),
            unshown=_grouped(unshown, offset),
            far=_grouped(far, offset),
            changed_at=changed + offset if changed else 0.0,
            restyled_at=restyled + offset if restyled else 0.0,
            ran_at=max((end + offset for _, end in ran), default=0.0),
            ticked_at=ticked_at + offset if ticked_at else 0.0,
            sent=frozenset(self._sent),
        )

    def _sort_in(
        self,
        callback: _Callback,
        context: _Context,
        now: float,
        waits: list[tuple[str, _Callback, float]],
        unshown: list[tuple[str, _Callback, float]],
        far: list[tuple[str, _Callback, float]],
    ) -> None:
        if callback.kind in ("animation-callback", "idle-callback"):
            if callback.rounds >= _ROUNDS and now - callback.begun > _LOOP_S:
                unshown.append((callback.kind.replace("callback", "loop"), callback, now))
            elif now - callback.at > max(_PROMPT_S, callback.delay_s):
                unshown.append((f"{callback.kind}-held-back", callback, now))
            else:
                waits.append((callback.kind, callback, now))
        elif callback.repeats:
            if callback.delay_s > HORIZON_S:
                far.append(("interval", callback, callback.due))
            elif callback.fired >= _TICKS or now > callback.given_up_at:
                unshown.append(("interval", callback, now))
            else:
                waits.append(("interval", callback, min(callback.due, callback.given_up_at)))
        elif now > callback.due + (_UNSEEN_S if self._is_in_gap(callback.due) else _LATE_S):
            return  # it went with its document, or it ran unseen
        elif callback.delay_s > HORIZON_S:
            far.append((callback.kind, callback, callback.due))
        else:
            begun, same = context.delays.get(round(callback.delay_s * 1000), (callback.at, 1))
            begun = callback.begun if same < _SAME else min(begun, callback.begun)
            loops = callback.rounds >= _ROUNDS or callback.same >= _ROUNDS - 1 or same >= _SAME
            if loops and now - begun > HORIZON_S:
                unshown.append((f"re-armed-{callback.kind}", callback, now))
            else:
                waits.append((callback.kind, callback, callback.due))

    def _is_in_gap(self, due: float) -> bool:
        return any(begin - _UNSEEN_S <= due <= end for begin, end in self._gaps)

    def _last_paint(self, now: float, frames: Collection[str]) -> tuple[bool, float]:
        """Return whether the page paints all the time, and when it painted last if not."""
        painted = [at for at, frame in self._painted if frame in frames]
        slots = {int((now - at) / _SLOT_S) for at in painted if 0 <= now - at < 10 * _SLOT_S}
        if len(slots) >= _STEADY:
            return True, 0.0
        return False, painted[-1] if painted else 0.0

    def _take(self, event: Event) -> None:
        name, at = str(event["name"]), float(event["ts"]) / 1e6
        thread = (int(event.get("pid", 0)), int(event.get("tid", 0)))
        args = event.get("args") or {}
        data = args.get("data") or args.get("beginData") or {}
        frame = str(data.get("frame", ""))
        self.last = max(self.last, at)
        if name == _CALL:
            if data.get("url"):  # those of our own world have none
                self._note_run(thread[0], at, event)
        elif name in _CHANGES:
            self._painted.append((at + float(event.get("dur", 0)) / 1e6, frame))
        elif name in _RESTYLES:
            if name == "ScrollLayer" or args.get("elementCount"):
                self._restyled[frame] = at + float(event.get("dur", 0)) / 1e6
        elif name == _REQUEST:
            end, sender = self._running.get(thread, (0.0, None))
            if sender is not None and sender.repeats and at <= end:
                self._sent.append(str(data.get("requestId", "")))
        elif name == "CommitLoad":
            for key in [key for key in self._contexts if key[2] == frame]:
                del self._contexts[key]
            self._missed_at.pop(frame, None)
            self._contexts[(*thread, frame)] = _Context()
        else:
            context = self._contexts.setdefault((*thread, frame), _Context())
            number = int(data.get("timerId", data.get("id", data.get("taskId", 0))))
            if name in _INSTALLS:
                if name == "TimerInstall":
                    if number < context.next_timer and frame:  # of another document, unseen
                        self._missed_at[frame] = at
                    missed = range(max(context.next_timer, number - _MISSED), number)
                    context.missed.update(dict.fromkeys(missed, at))
                    context.next_timer = number + 1
                self._install(_INSTALLS[name], number, at, data, context, thread)
            else:
                self._end(name, number, at, event, context, thread)

    def _install(
        self,
        kind: str,
        number: int,
        at: float,
        data: Event,
        context: _Context,
        thread: tuple[int, int],
    ) -> None:
        delay_s = float(data.get("delay", data.get("timeout", 0)) or 0) / 1000
        callback = _Callback(kind, number, at, delay_s, begun=at)
        callback.repeats = kind == "timer" and not data.get("singleShot", True)
        end, parent = self._running.get(thread, (0.0, None))
        if parent is not None and at <= end:
            callback.begun, callback.rounds = parent.begun, parent.rounds + 1
            if parent.kind == kind and abs(parent.delay_s - delay_s) < 0.001:
                callback.same = parent.same + 1
        if kind == "timer":
            first, same = context.delays.get(round(delay_s * 1000), (at, 0))
            context.delays[round(delay_s * 1000)] = (first, same + 1)
        context.pending[(kind, number)] = callback

    def _end(
        self,
        name: str,
        number: int,
        at: float,
        event: Event,
        context: _Context,
        thread: tuple[int, int],
    ) -> None:
        kind = _ENDS[name]
        known = context.pending.get((kind, number))
        if kind == "timer":
            context.missed.pop(number, None)
        if name.startswith(("Fire", "Run")) or name == "TimerFire":
            callback = known or self._unknown(kind, number, at, context)
            context.last[kind] = (at, callback)
            if kind == "animation-callback":  # they run in the order of their numbers
                for key in [
                    pending_key
                    for pending_key in context.pending
                    if pending_key[0] == kind and pending_key[1] < number
                ]:
                    del context.pending[key]
            if kind != "animation-callback":  # ours are among those
                self._note_run(thread[0], at, event)
            self._running[thread] = (at + float(event.get("dur", 0)) / 1e6, callback)
            if callback.repeats:
                # A whole delay later than due, and nothing was watched then: it ran unseen.
                unseen = callback.due
                if at > unseen + callback.delay_s - _UNSEEN_S / 2 and self._is_in_gap(unseen):
                    self._tick(callback, unseen, 0.0)
                self._tick(callback, at, float(event.get("dur", 0)) / 1e6)
                return
        context.pending.pop((kind, number), None)

    def _tick(self, interval: _Callback, at: float, duration_s: float) -> None:
        interval.fired += 1
        interval.fired_at = at
        if interval.fired == _TICKS:
            interval.ticked_at = at + duration_s

    def _note_run(self, process: int, at: float, event: Event) -> None:
        begin, last = self._ran.get(process, (at, at))
        end = at + float(event.get("dur", 0)) / 1e6
        self._ran[process] = (begin if at - last < _PAUSE_S else at, max(last, end))

    def _unknown(self, kind: str, number: int, at: float, context: _Context) -> _Callback:
        """Return a callback whose request no trace shows; it may continue what ran before it."""
        callback = _Callback(kind, number, at, 0.0, begun=at)
        before, last = context.last.get(kind, (0.0, callback))
        if at - before < _PROMPT_S:
            callback.begun, callback.rounds = last.begun, last.rounds + 1
            callback.delay_s, callback.same = last.delay_s, last.same + 1
        return callback


def _grouped(found: list[tuple[str, _Callback, float]], offset: float) -> tuple[AnnouncedWork, ...]:
    kinds: dict[str, list[tuple[_Callback, float]]] = {}
    for kind, callback, due in found:
        kinds.setdefault(kind, []).append((callback, due))
    return tuple(
        AnnouncedWork(
            kind=kind,
            count=len(all_of),
            longest_ms=round(max(callback.delay_s for callback, _ in all_of) * 1000),
            due_at=max(due for _, due in all_of) + offset,
        )
        for kind, all_of in sorted(kinds.items())
    )


class TraceWatch:
    """
    Requests traces from one browser, and reads what its page has announced.

    A failure here does not fail a capture: without an answer the page counts as `no-trace`.

    Args:
        log: Takes what went wrong.
    """

    def __init__(
        self,
        guard: CallGuard,
        clock: Clock,
        worlds: IsolatedWorlds,
        recorder: Recorder,
        log: Callable[[str, str], None],
    ) -> None:
        self._guard = guard
        self._recorder = recorder
        self._clock = clock
        self._worlds = worlds
        self._log = log
        self._session: CDPSession | None = None
        self._reader = TraceReader()
        self._events: list[Event] = []
        self._complete = asyncio.Event()
        self._is_running = False
        self._overflowed = False

    async def begin(self, context: BrowserContext) -> None:
        """Begin, before the page's first navigation."""
        if context.browser is None:
            self._log(
                "trace", "the action had no effect: the session of the browser is not available"
            )
            return
        try:
            session = await self._guard.call(
                "opening a session of the browser",
                context.browser.new_browser_cdp_session(),
                _START_S,
            )
            session.on("Tracing.dataCollected", self._on_data)
            session.on("Tracing.tracingComplete", self._on_complete)
            self._session = session
            await self._start()
        except (CallTimeout, PlaywrightError) as error:
            self._fail("begin", error)

    async def look(self) -> PageActivity:
        """Return what the page has announced; takes some tens of milliseconds."""
        try:
            if not self._is_running:
                if self._complete.is_set():  # later than it was waited for
                    await self._start()
                    self._reader.lose()
                return self._without()
            numbers = await self._numbers()
            asked = self._clock.monotonic()
            await self._end()
        except (CallTimeout, PlaywrightError) as error:
            self._fail("look", error)
            return self._without()
        now = self._clock.monotonic()
        self._reader.read(self._events)
        try:
            await self._start()
        except (CallTimeout, PlaywrightError) as error:
            self._fail("begin again", error)
        last = self._reader.last
        offset = 0.0 if not last or abs(now - last) < _SKEW_S else now - last
        self._reader.gap(asked - offset, self._clock.monotonic() - offset)
        for frame, number in numbers.items():
            if not self._reader.has_timer(frame, number):
                self._reader.lose(frame)
        if self._overflowed:
            self._overflowed = False
            self._reader.lose()
        return self._reader.activity(
            now - offset,
            self._worlds.known_frames,
            workers=self._recorder.observer.workers,
            offset=offset,
        )

    async def _numbers(self) -> dict[str, int]:
        """
        Set a timer in each frame; return their numbers, or an impossible one without an answer.
        """
        try:
            answers = await self._worlds.ask_all("timerNumber", limit_s=_PROBE_S, frame_s=_PROBE_S)
        except (CallTimeout, ScriptError) as error:
            self._log("trace", f"timers were not counted: {first_error_line(error)}")
            self._reader.lose()
            return {}
        return {
            answer.frame.id: answer.value if isinstance(answer.value, int) else 1 << 31
            for answer in answers
            if not answer.frame.is_unreachable
        }

    async def _start(self) -> None:
        if self._session is None:
            return
        self._complete.clear()
        self._events.clear()
        await self._guard.call(
            "starting the trace",
            self._session.send(
                "Tracing.start", {"transferMode": "ReportEvents", "perfettoConfig": _config()}
            ),
            _START_S,
        )
        self._is_running = True

    async def _end(self) -> None:
        if self._session is None:
            return
        self._is_running = False
        await self._guard.call("ending the trace", self._session.send("Tracing.end"), _END_S)
        await self._guard.call("reading the trace", self._complete.wait(), _END_S)

    def _without(self) -> PageActivity:
        now = self._clock.monotonic()
        return PageActivity(
            unshown=(AnnouncedWork(kind="no-trace", count=1, longest_ms=0, due_at=now),)
        )

    def _fail(self, what: str, error: Exception) -> None:
        self._is_running = False
        self._log("trace", f"{what}: the action had no effect: {first_error_line(error)}")

    def _on_data(self, params: Mapping[str, Any]) -> None:
        self._events += [
            entry for entry in params.get("value", ()) if entry.get("name") in _OF_INTEREST
        ]

    def _on_complete(self, params: Mapping[str, Any]) -> None:
        self._overflowed |= bool(params.get("dataLossOccurred"))
        self._complete.set()


def _config() -> str:
    """
    Return the trace's configuration, a `perfetto.protos.TraceConfig`, in Base64.

    With the configuration of `Tracing.TraceConfig` the browser passes it to each process that it
    starts, and the end of such a trace takes five seconds. It does not pass on a configuration that
    names an interceptor; no such interceptor exists, and nothing else follows from the name.
    """
    categories = {"included_categories": ["devtools.timeline"], "excluded_categories": ["*"]}
    chrome = _text(1, json.dumps(categories)) + _number(3, 1) + _text(5, "traceEvents")
    source = _text(1, "org.chromium.trace_event") + _number(2, 0)
    source += _bytes(101, chrome) + _bytes(115, _text(1, "none"))
    buffer = _number(1, _BUFFER_KB) + _number(4, 2)  # what comes when it is full is discarded
    config = _bytes(1, buffer) + _bytes(2, _bytes(1, source))
    return base64.b64encode(config).decode("ascii")


def _varint(value: int) -> bytes:
    made = bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    made.append(value)
    return bytes(made)


def _number(field_number: int, value: int) -> bytes:
    return _varint(field_number << 3) + _varint(value)


def _bytes(field_number: int, value: bytes) -> bytes:
    return _varint(field_number << 3 | 2) + _varint(len(value)) + value


def _text(field_number: int, value: str) -> bytes:
    return _bytes(field_number, value.encode())
