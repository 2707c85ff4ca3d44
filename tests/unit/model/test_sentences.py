"""Outcome, verdict, court minimum and exit code agree: every combination is in one table."""

import re
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from snapshotter.model.assessment import AssessmentSummary, Availability, Content, WallKind
from snapshotter.model.capture import CourtMinimum, Outcome
from snapshotter.model.conclusion import exit_code
from snapshotter.model.sentences import headline, qualify_court_minimum
from snapshotter.seal.record import court_minimum_line
from tests import bundles
from tests.fakes.world import START
from tests.tools import ROOT

PAGE = (ROOT / "docs/spec/assessment.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("## In one sentence")[2].partition("\n## ")[0]
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in SECTION.splitlines()
    if line.startswith("| `") and "takedown.wall" not in line
]
TABLE = {(row[0], row[1]): row[2:] for row in ROWS if len(row) == 7}
WALLS = {row[0]: row[1] for row in ROWS if len(row) == 2}
UNCERTAIN = (Content.CONTENT, Content.PARTIAL)
EVERY_SHOWN = (
    None,
    *(
        AssessmentSummary(content=content, availability=availability, wall=wall)
        for content, availability in product(Content, Availability)
        for wall in ((None, *WallKind) if content is Content.WALL else (None,))
    ),
    *(
        AssessmentSummary(content=content, availability=Availability.AVAILABLE, ambiguous=True)
        for content in UNCERTAIN
    ),
)
LIGHT = {
    "The page was captured whole": "The first view of the page was captured",
    "The page was captured in part": "The first view of the page was captured in part",
}


def key(shown: AssessmentSummary | None) -> str:
    """Return what the table calls a verdict."""
    if shown is None:
        return "no verdict"
    if shown.ambiguous:
        return "`content` or `partial`, `ambiguous`"
    if shown.content is not Content.NOTICE:
        return f"`{shown.content}`"
    is_known = shown.availability is Availability.UNAVAILABLE
    return f"`notice`, `{'unavailable' if is_known else 'inconclusive'}`"


def filled(cell: str, shown: AssessmentSummary | None) -> str:
    wall = shown.wall if shown is not None else None
    return cell.replace("WALL", "a wall" if wall is None else WALLS[f"`{wall}`"])


def test_the_table_has_a_row_for_each_combination_and_no_other() -> None:
    assert set(TABLE) == {
        (f"`{outcome}`", key(shown)) for outcome in Outcome for shown in EVERY_SHOWN
    }
    assert set(WALLS) == {f"`{kind}`" for kind in WallKind}
    assert len(ROWS) == len(TABLE) + len(WALLS)


@pytest.mark.parametrize("outcome", Outcome)
def test_every_combination_is_what_the_table_says(outcome: Outcome, tmp_path: Path) -> None:
    made = bundles.capture(tmp_path, at=START)
    for shown, met, is_light in product(EVERY_SHOWN, (True, False), (True, False)):
        sentence, then, *codes = TABLE[f"`{outcome}`", key(shown)]
        wanted = filled(sentence, shown)
        for whole, first in LIGHT.items() if is_light else ():
            wanted = re.sub(rf"^{whole}(?=[,.])", first, wanted)
        minimum = CourtMinimum(url=True, html_source=True, full_page_capture=met)
        there = replace(made, outcome=outcome, court_minimum=minimum)
        line = court_minimum_line(there, bundles.decision())

        assert headline(outcome, shown, light=is_light) == wanted
        assert qualify_court_minimum(line, met, shown) == (
            line + filled(then, shown) if met and then != "-" else line
        )
        assert [
            str(exit_code(True, required=True)),
            str(exit_code(False, required=True)),
            str(exit_code(False, required=False)),
        ] == codes
        assert exit_code(True, required=False) == 0


@pytest.mark.parametrize("content", set(Content) - {Content.CONTENT, Content.PARTIAL})
def test_what_is_not_the_content_is_never_called_so(content: Content) -> None:
    """Typed apart from the table: a slip in it is not repeated here."""
    for outcome, availability, wall in product(Outcome, Availability, (None, *WallKind)):
        shown = AssessmentSummary(content=content, availability=availability, wall=wall)

        assert "its content" not in headline(outcome, shown)
        assert qualify_court_minimum("YES", True, shown).endswith(", not the content")


@pytest.mark.parametrize("content", UNCERTAIN)
def test_little_text_that_may_be_a_notice_is_not_called_the_content(content: Content) -> None:
    """Typed apart from the table, too."""
    shown = AssessmentSummary(content=content, availability=Availability.AVAILABLE, ambiguous=True)

    for outcome in Outcome:
        assert "its content" not in headline(outcome, shown)
    assert (
        qualify_court_minimum("YES", True, shown)
        == "YES; no rule states whether the page shows the content"
    )
