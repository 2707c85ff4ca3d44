"""What a page makes us do over and over does not fill its record."""

from snapshotter.capture.ledger import Ledger
from tests.fakes.world import FixedClock


def test_what_is_done_a_thousand_times_is_told_and_the_rest_is_counted(clock: FixedClock) -> None:
    ledger = Ledger(requested_url="https://example.org/", clock=clock, progress=lambda *_: None)
    ledger.note("scroll", "once")
    for n in range(1_500):
        ledger.note("hold-page", f"not to https://example.org/{n}")

    told = ledger.actions

    assert [it.detail for it in told if it.kind == "scroll"] == ["once"]
    held = [it.detail for it in told if it.kind == "hold-page"]
    assert len(held) == 1_001
    assert (held[0], held[-1]) == ("not to https://example.org/0", "500 more of these")
