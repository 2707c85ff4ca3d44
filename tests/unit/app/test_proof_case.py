"""What is missing for a proof, in words, and whose events are believed."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from snapshotter.app.proof_case import missing_in_words
from snapshotter.assess.events import Lack, Missing
from tests import exhibits

AFTER = datetime(2026, 11, 27, 14, 41, 43, tzinfo=UTC)
FROM = ", from 2026-11-27 14:41:43 UTC on"


@pytest.mark.parametrize(
    ("missing", "told"),
    [
        (Missing(lack=Lack.SEEN), "a capture that shows it, from before"),
        (
            Missing(lack=Lack.AGREEING, count=1, after=AFTER),
            f"one more capture that says so{FROM}",
        ),
        (Missing(lack=Lack.AGREEING, count=2), "2 more captures that say so"),
        (Missing(lack=Lack.TIME, after=AFTER), f"a capture that says so{FROM}"),
        (Missing(lack=Lack.TIME), "a capture that says so later"),
        (
            Missing(lack=Lack.CONTROL, host="x.test"),
            "a capture of another page of x.test that is there",
        ),
        (Missing(lack=Lack.VANTAGE), "that it is gone by the other way as well"),
        (
            Missing(lack=Lack.VANTAGE, seen=replace(exhibits.observation(), vantage="tor")),
            "that it is gone by the other way as well (by tor it was there: content at "
            "2026-11-27 14:05:15 UTC)",
        ),
    ],
)
def test_what_is_missing_stands_behind_it_needs(missing: Missing, told: str) -> None:
    assert missing_in_words(missing) == told


def test_every_lack_has_its_words() -> None:
    assert all(missing_in_words(Missing(lack=it, count=1)) for it in Lack)
