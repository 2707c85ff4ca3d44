"""Two captures as a whole: what can be said of each, and what can not."""

from dataclasses import replace

import pytest

from snapshotter.compare import captures, masks
from snapshotter.compare.captures import ComparableCapture
from snapshotter.model.comparison import ComparedCapture, Comparison, ComparisonState
from snapshotter.model.reading import Metadatum, Region, Source
from snapshotter.model.request import MaskRules
from tests.unit.compare.pages import AT, URL, Line, assessment, page, picture

MAIN, TEASER = Region.MAIN, Region.TEASER
LINES: list[Line] = [(MAIN, "A story of 40 accounts."), (TEASER, "Tea today...")]


def captured(lines: list[Line], *, url: str = URL, identity: str = "") -> ComparableCapture:
    side = ComparedCapture(
        bundle_id="a", sha256="00" * 32, verification="passed", codes=(), requested_url=url,
        final_url=url, captured_at=AT, proven_at=None, identity=identity, http_status=200,
        title="A story", standing=None,
    )  # fmt: skip
    return ComparableCapture(
        side=side, page=page(lines), assessment=assessment(lines),
        shots={"first view": picture(lines)}, conditions={"window": "1440x900@1"},
    )  # fmt: skip


def compared(one: ComparableCapture, other: ComparableCapture) -> Comparison:
    return captures.compare(one, other, masks.read(MaskRules()))


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (("http://a/1", "x"), ("http://a/2", "x"), ComparisonState.UNCHANGED),
        (("http://a/1", "x"), ("http://a/1", "y"), ComparisonState.CHANGED),
        (("http://a/1", ""), ("http://a/1", "y"), ComparisonState.UNCHANGED),
        (("http://a/1", ""), ("http://a/2", "y"), ComparisonState.UNKNOWN),
    ],
)
def test_whether_both_are_of_one_page_is_said(
    one: tuple[str, str], other: tuple[str, str], expected: ComparisonState
) -> None:
    first, second = (captured(LINES, url=url, identity=name) for url, name in (one, other))

    assert compared(first, second).same_page is expected


def test_a_capture_without_a_verdict_leaves_open_what_needs_one() -> None:
    found = compared(replace(captured(LINES), assessment=None), captured(LINES))

    assert found.standing is ComparisonState.UNKNOWN
    assert found.links.state is ComparisonState.UNKNOWN
    assert found.metadata_state is ComparisonState.UNKNOWN


def test_a_picture_that_only_one_of_them_has_is_not_compared() -> None:
    (found,) = compared(replace(captured(LINES), shots={}), captured(LINES)).pictures

    assert (found.state, found.detail) == (
        ComparisonState.UNKNOWN,
        "only the later capture has this picture",
    )


def test_what_was_not_the_same_when_they_were_made_is_named() -> None:
    other = replace(captured(LINES), conditions={"window": "414x896@3"})

    (found,) = compared(captured(LINES), other).conditions

    assert (found.name, found.before, found.after) == ("window", ("1440x900@1",), ("414x896@3",))


def test_the_blocks_of_a_part_of_the_text_do_not_make_the_main_region_unchanged() -> None:
    def cut(text: str) -> ComparableCapture:
        its = captured(LINES)
        return replace(its, page=replace(its.page, text=text), whole=False)

    same = compared(cut("one"), cut("one"))
    differs = compared(cut("one"), cut("two"))

    assert same.text.main is ComparisonState.UNCHANGED
    assert differs.text.main is ComparisonState.UNKNOWN
    assert (
        "the text of a page is longer than the text in the layout of the page"
        in differs.text.detail
    )


def test_metadata_that_only_one_states_is_a_change() -> None:
    stated = Metadatum(name="modified", value="2014-03-13", source=Source.META)
    its = captured(LINES)
    assert its.assessment is not None
    readings = replace(its.assessment.readings, metadata=(stated,))
    other = replace(its, assessment=replace(its.assessment, readings=readings))

    found = compared(its, other)

    assert found.metadata_state is ComparisonState.CHANGED
    assert (found.edits.modified_before, found.edits.modified_after) == ((), ("2014-03-13",))
