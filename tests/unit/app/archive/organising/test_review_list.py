"""The list of captures that need a review."""

from datetime import timedelta
from typing import Any

from snapshotter.app.archive.organising.review_list import ReviewReason, review_list
from snapshotter.model.annotation_state import AnnotationState, CaptureState, Decision
from snapshotter.model.assessment import Availability, Content, Undecided, WallKind
from snapshotter.model.takedown import Observation
from tests.fakes.world import START


def seen(name: str, minute: int, page: str = "", **fields: Any) -> Observation:
    at = START + timedelta(minutes=minute)
    given: dict[str, Any] = {
        "content": Content.CONTENT,
        "availability": Availability.AVAILABLE,
        "main_sha256": "a",
    }
    return Observation(
        bundle_id=name,
        sha256="",
        identity=page or name,
        url="https://news.example/",
        at=at,
        began_at=at,
        **(given | fields),
    )


def decided(decision: str) -> CaptureState:
    return CaptureState(
        review=Decision(number=1, name=decision, at=START, author="", role="", reason="")
    )


def names(*observations: Observation, state: AnnotationState | None = None) -> list[str]:
    return [
        item.observation.bundle_id for item in review_list(observations, state or AnnotationState())
    ]


_WALL = seen(
    "wall", 1, content=Content.WALL, wall=WallKind.LOGIN, availability=Availability.INCONCLUSIVE,
    undecided=Undecided.WALL,
)  # fmt: skip
_NOTICE = seen(
    "notice", 2, content=Content.NOTICE, availability=Availability.INCONCLUSIVE,
    undecided=Undecided.UNKNOWN_NOTICE,
)  # fmt: skip
_PARTIAL = seen("partial", 3, content=Content.PARTIAL)
_GONE = seen("gone", 4, content=Content.NOTICE, availability=Availability.UNAVAILABLE)
_CHANGED = (seen("first", 5, page="p"), seen("changed", 6, page="p", main_sha256="b"))
_VANISHED = (seen("before", 7, page="q"), seen("few", 8, page="q", ambiguous=True, main_sha256="c"))


def test_the_worst_comes_first_and_what_is_whole_is_not_listed() -> None:
    assert names(_WALL, _NOTICE, _PARTIAL, _GONE, *_CHANGED, *_VANISHED) == [
        "few", "gone", "notice", "wall", "partial", "changed",
    ]  # fmt: skip


def test_of_equal_captures_the_newest_comes_first() -> None:
    later = seen("later", 9, content=Content.PARTIAL)

    assert names(_PARTIAL, later) == ["later", "partial"]


def test_a_decision_ends_the_need_and_needs_work_does_not() -> None:
    state = AnnotationState(
        captures={
            "wall": decided("accepted"), "gone": decided("rejected"),
            "partial": decided("needs-work"), "first": decided("needs-work"),
        }
    )  # fmt: skip

    items = review_list((_WALL, _PARTIAL, _GONE, *_CHANGED), state)

    assert [item.observation.bundle_id for item in items] == ["partial", "changed", "first"]
    assert items[0].reasons == (ReviewReason.PARTIAL, ReviewReason.NEEDS_WORK)
    everything = review_list((_WALL, _GONE), state, decided=True)
    assert [item.observation.bundle_id for item in everything] == ["gone", "wall"]


def test_a_light_check_is_not_compared_with_a_full_capture() -> None:
    assert (
        names(seen("whole", 1, page="p"), seen("check", 2, "p", light=True, main_sha256="b")) == []
    )


def test_a_capture_in_quarantine_is_not_listed() -> None:
    hidden = CaptureState(quarantine=decided("").review)

    assert names(_WALL, state=AnnotationState(captures={"wall": hidden})) == []
    assert review_list((_WALL,), AnnotationState(), hidden=["wall"]) == ()
    (item,) = review_list(_VANISHED, AnnotationState(captures={"before": hidden}))
    assert item.removal is not None
    assert item.removal.shown_last is None
