"""
Wait until nothing is under way: requests, images, fonts. With a cap.

A page that polls is never idle, so quiet is asked for only for a moment, and
not for ever. Images have caps of their own: one that never comes does not hold
the others up, and others that come are waited for longer than quiet is.
"""

from dataclasses import dataclass

from snapshotter.capture.behaviours.stage import FRAME_S, Stage
from snapshotter.capture.redact import clean_url

_LOOK_S = 0.05  # between two looks
_SETTLE_SHARE = 0.3  # most of the time that is left for all images together
_ROUNDS = 3  # that we set sources of images: a page may take them back
_NAMED = 20  # addresses in the detail of an action


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What was left when waiting ended."""

    open_ends: str  # what was still under way, in words; "" when nothing was
    height: int  # CSS pixels of the document


async def settle(stage: Stage, stuck: int) -> Settled:
    """
    Wait for quiet; then see to images that are held back, and wait again.

    Args:
        stuck: Requests that will not end because loading was stopped.

    Raises:
        TimeLimit, WorldError: The main frame did not answer.
    """
    decision, clock, recorder = stage.decision, stage.clock, stage.recorder
    begin = clock.monotonic()
    end = begin + decision.limits.settle_s
    end_of_images = max(
        end, begin + min(decision.media.wait_s, stage.guard.remaining_s * _SETTLE_SHARE)
    )
    is_light = decision.light  # then it is looked at as it is: what is held back stays so
    wake, honour, rounds = not is_light, False, 0
    while True:
        rules = {
            "imageMs": round(decision.media.image_s * 1000),
            "wakeLazy": wake,
            "honourLater": honour,
            "lazy": list(decision.media.lazy_attributes),
        }
        answers = await stage.worlds.ask_all(
            "state", rules, limit_s=decision.limits.step_s, frame_s=FRAME_S
        )
        states = [answer.value for answer in answers if answer.value]
        if woken := sum(int(state["woken"]) for state in states):
            stage.note("load-lazy-images", f"{woken} that scrolling had not reached")
        honoured = [str(url) for state in states for url in state["honoured"]]
        if honoured:
            named = " ".join(clean_url(url)[:200] for url in honoured[:_NAMED])
            stage.note("set-data-src", f"{len(honoured)} images: {named}")
        pending = sum(int(state["pending"]) for state in states)
        waiting = sum(int(state["waiting"]) for state in states)
        fonts = all(state["fonts"] for state in states)
        # None: something is under way, and nobody knows how long it takes.
        quiet_in = None
        if recorder.in_flight <= stuck:
            quiet_in = recorder.quiet_since + decision.quiet_s - clock.monotonic()
        quiet = quiet_in is not None and quiet_in <= 0
        height = int(states[0]["height"]) if states else 0
        now = clock.monotonic()
        if quiet and fonts and (is_light or not waiting) and not honoured:
            if is_light or honour or rounds == _ROUNDS or not decision.media.honour_data_src:
                words = f"{pending} images" if pending and not is_light else ""
                return Settled(open_ends=words, height=height)
            # The page had its time to bring itself what it holds back.
            wake, honour, rounds = True, True, rounds + 1
            continue
        if now >= end and (is_light or not waiting or now >= end_of_images):
            open_ends = (
                (pending and not is_light, f"{pending} images"),
                (recorder.in_flight > stuck, f"{recorder.in_flight - stuck} requests"),
                (not fonts, "fonts"),
            )
            words = ", ".join(words for there, words in open_ends if there)
            return Settled(open_ends=words, height=height)
        wake = honour = False
        await stage.guard.pause(until_next_look(quiet_in))


def until_next_look(quiet_in: float | None) -> float:
    """
    Return the seconds until the next look: no later than the network may be quiet.

    Args:
        quiet_in: Seconds until it is, if nothing new is asked for; None: nobody knows. Once it
            is, something else is waited for, and a look costs the page time for that.
    """
    return _LOOK_S if quiet_in is None or quiet_in <= 0 else min(_LOOK_S, max(quiet_in, 0.001))
