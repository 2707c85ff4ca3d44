"""Comparisons that are kept for the further steps of a proof."""

from snapshotter.app.takedown import change_events
from snapshotter.app.takedown.kept_comparisons import KeptComparisons


def test_the_ends_of_a_proof_stay_while_captures_that_may_confirm_it_are_compared() -> None:
    kept = KeptComparisons[str]()
    kept.keep(("earlier", "later", 2), "the change")

    for number in range(change_events._MAX_CONFIRMING):
        kept.keep(("earlier", f"capture {number}", 2), "another change")

    assert kept.get(("earlier", "later", 2)) == "the change"
    assert kept.get(("earlier", "later", 1)) is None


def test_the_number_of_kept_comparisons_is_limited() -> None:
    kept = KeptComparisons[int]()

    for number in range(100):
        kept.keep(("earlier", f"capture {number}", 2), number)

    assert kept.get(("earlier", "capture 99", 2)) == 99
    assert kept.get(("earlier", "capture 0", 2)) is None
