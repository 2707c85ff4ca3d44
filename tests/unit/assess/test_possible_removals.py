"""Captures that may show a removal which no rule knows."""

from datetime import timedelta
from typing import Any

from snapshotter.assess.possible_removals import Suspicion, possible_removals
from snapshotter.model.assessment import Availability, Content, Undecided
from snapshotter.model.takedown import Observation
from tests.fakes.world import START


def seen(minute: int, *, text: str = "a", **fields: Any) -> Observation:
    at = START + timedelta(minutes=minute)
    given: dict[str, Any] = {
        "identity": "https://news.example/1",
        "content": Content.CONTENT,
        "availability": Availability.AVAILABLE,
        "main_sha256": text,
    }
    return Observation(
        bundle_id=f"b{minute}",
        sha256="",
        url="https://news.example/1",
        at=at,
        began_at=at,
        **(given | fields),
    )


def few(minute: int, text: str = "b", **fields: Any) -> Observation:
    return seen(minute, text=text, ambiguous=True, **fields)


def inconclusive(minute: int, undecided: Undecided, content: Content) -> Observation:
    return seen(
        minute,
        text="",
        availability=Availability.INCONCLUSIVE,
        undecided=undecided,
        content=content,
    )


def test_few_other_words_in_place_of_the_text_are_a_possible_removal() -> None:
    found = possible_removals([few(20), seen(10)])

    (removal,) = found.values()
    assert (removal.suspicion, removal.last_seen.bundle_id, removal.capture.bundle_id) == (
        Suspicion.FEW_WORDS,
        "b10",
        "b20",
    )


def test_a_notice_in_unknown_words_and_an_empty_frame_are_possible_removals() -> None:
    notice = inconclusive(20, Undecided.UNKNOWN_NOTICE, Content.NOTICE)
    frame = inconclusive(30, Undecided.UNKNOWN, Content.SHELL)

    found = possible_removals([seen(10), notice, frame])

    assert [removal.suspicion for removal in found.values()] == [
        Suspicion.UNKNOWN_NOTICE,
        Suspicion.NO_TEXT,
    ]
    assert [removal.is_first for removal in found.values()] == [True, False]


def test_what_says_nothing_about_the_page_is_no_possible_removal() -> None:
    quiet = [
        [few(10)],  # the page was never seen with more words
        [seen(10), few(20, text="a")],  # the same words
        [seen(10), seen(20, text="b")],  # another text of full length
        [seen(10), inconclusive(20, Undecided.WALL, Content.WALL)],
        [seen(10), inconclusive(20, Undecided.ERROR, Content.ERROR)],
        [seen(10), few(20, identity="https://news.example/2")],
        [seen(10), few(20, vantage="tor")],
    ]

    assert [possible_removals(captures) for captures in quiet] == [{}] * len(quiet)


def test_a_page_that_returns_can_vanish_again() -> None:
    found = possible_removals([seen(10), few(20), seen(30), few(40)])

    assert [removal.is_first for removal in found.values()] == [True, True]
