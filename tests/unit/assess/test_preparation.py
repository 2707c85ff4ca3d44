"""What the assessment of a page loads, it can load before; and only what that page needs."""

import subprocess
import sys

import pytest

_PROGRAM = """
import sys
from datetime import UTC, datetime
from snapshotter.assess.assessor import RuleAssessor
from snapshotter.model.page import Page

RuleAssessor(()).prepare(
    Page(
        requested_url="http://example.test/", final_url="http://example.test/",
        captured_at=datetime(2026, 1, 1, tzinfo=UTC), timezone="UTC", locale="en", status=200,
        media_type="text/html", html=sys.stdin.read(),
    )
)
print("trafilatura" in sys.modules)
"""
_TEXT = "<p>A sentence of some length, so that the page has a main part at all." * 10


@pytest.mark.parametrize(
    ("html", "loads"),
    [
        (f"<html><body><div>{_TEXT}</div></body></html>", True),
        (f"<html><body><article>{_TEXT}</article></body></html>", False),
        (f"<html><body><div>{_TEXT * 200}</div></body></html>", False),  # too long to be tried
        ("", False),
    ],
    ids=["unmarked", "marked", "long", "empty"],
)
def test_only_a_page_without_a_marked_main_part_loads_the_library_that_guesses(
    html: str, loads: bool
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], input=html, capture_output=True, text=True, check=True
    )

    assert done.stdout.split() == [str(loads)]
