"""How often a page is looked at while it comes to rest."""

import pytest

from snapshotter.capture.behaviours.settling import until_next_look


@pytest.mark.parametrize(
    ("quiet_in", "look_in"),
    [
        (None, 0.05),  # something is under way
        (0.4, 0.05),
        (0.02, 0.02),  # quiet is noticed as soon as it is there
        (0.0001, 0.001),
        (0.0, 0.05),  # quiet, and images are waited for: no storm of questions to the page
        (-3.0, 0.05),
    ],
)
def test_the_next_look_is_when_something_can_have_changed(
    quiet_in: float | None, look_in: float
) -> None:
    assert until_next_look(quiet_in) == look_in
