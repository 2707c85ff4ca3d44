"""Texts of two captures: the main region apart, blocks that moved, what masks leave out."""

import pytest

from snapshotter.compare import masks, text_diff
from snapshotter.errors import SnapshotterError
from snapshotter.model.comparison import BlockKind, ComparisonState, MaskUse, Op
from snapshotter.model.reading import Region
from snapshotter.model.request import MaskRules
from tests.unit.compare.pages import Line, assessment, page, without_layout

MAIN, TEASER, DATE = Region.MAIN, Region.TEASER, Region.DATE
ARTICLE: list[Line] = [
    (Region.HEADLINE, "Accounts removed"),
    (MAIN, "WeChat removed at least 40 accounts in March."),
    (MAIN, "Observers say authorities are wary."),
    (DATE, "2 weeks ago"),
    (TEASER, "Ten things to know about tea..."),
    (TEASER, "Another story of the day..."),
]


def compared(
    before: list[Line], after: list[Line], rules: MaskRules | None = None, html: str = ""
) -> text_diff.TextResult:
    return text_diff.compare(
        page(before, html=html), page(after, html=html), assessment(before), assessment(after),
        masks.read(rules or MaskRules()),
    )  # fmt: skip


def pieces(found: text_diff.TextResult) -> list[tuple[str, str]]:
    return [
        (piece.op.value, piece.text)
        for change in found.comparison.changes
        for piece in change.pieces
        if piece.op is not Op.SAME
    ]


def changed(at: int, to: str, lines: list[Line] | None = None) -> list[Line]:
    lines = lines or ARTICLE
    return [(region, to if n == at else line) for n, (region, line) in enumerate(lines)]


def test_a_change_beside_the_main_region_leaves_the_main_region_unchanged() -> None:
    found = compared(ARTICLE, changed(4, "A teaser of today...", changed(3, "3 weeks ago")))

    assert found.comparison.main is ComparisonState.UNCHANGED
    assert found.comparison.elsewhere is ComparisonState.CHANGED
    assert not any(change.in_main for change in found.comparison.changes)


def test_one_changed_figure_is_exactly_that_word_in_the_main_region() -> None:
    found = compared(ARTICLE, changed(1, "WeChat removed at least 41 accounts in March."))

    assert found.comparison.main is ComparisonState.CHANGED
    assert found.comparison.elsewhere is ComparisonState.UNCHANGED
    assert pieces(found) == [("removed", "40"), ("added", "41")]
    (change,) = found.comparison.changes
    assert change.kind is BlockKind.CHANGED
    assert change.before is not None
    assert change.before.region is MAIN


def test_a_cell_of_one_figure_is_one_block_that_changed() -> None:
    before: list[Line] = [(MAIN, "accounts"), (MAIN, "40"), (MAIN, "removed"), (MAIN, "9")]
    after = changed(1, "41", changed(2, "gone", before))

    found = compared(before, after).comparison

    assert [(change.kind, len(change.pieces)) for change in found.changes] == [
        (BlockKind.CHANGED, 2)
    ] * 2


def test_two_captures_of_the_same_text_differ_in_nothing() -> None:
    found = compared(ARTICLE, ARTICLE).comparison

    assert (found.main, found.elsewhere, found.hidden) == (ComparisonState.UNCHANGED,) * 3
    assert found.changes == ()


def test_a_paragraph_that_stands_elsewhere_has_moved_and_no_word_changed() -> None:
    after = [ARTICLE[0], ARTICLE[2], ARTICLE[1], *ARTICLE[3:]]

    (change,) = compared(ARTICLE, after).comparison.changes

    assert change.kind is BlockKind.MOVED
    assert all(piece.op is Op.SAME for piece in change.pieces)


def test_a_paragraph_that_was_put_in_does_not_make_those_below_it_changed() -> None:
    after = [*ARTICLE[:1], (MAIN, "A new paragraph stands here."), *ARTICLE[1:]]

    (change,) = compared(ARTICLE, after).comparison.changes

    assert change.kind is BlockKind.ADDED
    assert [piece.text for piece in change.pieces] == ["A new paragraph stands here."]


def test_a_paragraph_that_leaves_the_main_region_changes_it() -> None:
    found = compared(ARTICLE, [(TEASER if n == 2 else r, t) for n, (r, t) in enumerate(ARTICLE)])

    assert found.comparison.main is ComparisonState.CHANGED
    (change,) = found.comparison.changes
    assert change.kind is BlockKind.MOVED


def test_a_paragraph_that_was_hidden_is_told_apart_from_one_that_is_gone() -> None:
    found = compared(ARTICLE, changed(2, "~Observers say authorities are wary."))

    (change,) = found.comparison.changes
    assert change.kind is BlockKind.MOVED
    assert change.after is not None
    assert change.after.hidden
    assert found.comparison.main is ComparisonState.CHANGED


def test_hidden_text_is_compared_apart_from_what_a_reader_sees() -> None:
    before, after = [*ARTICLE, (MAIN, "~draft one")], [*ARTICLE, (MAIN, "~draft two")]

    found = compared(before, after).comparison

    assert (found.main, found.hidden) == (ComparisonState.UNCHANGED, ComparisonState.CHANGED)


def test_an_article_that_gave_way_to_a_notice_has_a_changed_main_region() -> None:
    notice: list[Line] = [(Region.OTHER, "此内容因违规无法查看")]

    found = compared(ARTICLE, notice).comparison

    assert found.main is ComparisonState.CHANGED
    assert found.detail == "the later capture has no main region"


def test_without_a_main_region_nothing_is_said_of_it_but_that_all_is_the_same() -> None:
    before, after = page(ARTICLE), page(changed(4, "Another teaser..."))
    none = masks.read(MaskRules())

    differs = text_diff.compare(before, after, None, None, none).comparison
    same = text_diff.compare(before, before, None, None, none).comparison

    assert differs.main is ComparisonState.UNKNOWN
    assert differs.detail == "no capture states which part is the main region"
    assert same.main is ComparisonState.UNCHANGED


def test_a_capture_without_a_layout_is_compared_line_by_line() -> None:
    before = without_layout(page(ARTICLE))
    after = page(changed(1, "WeChat removed at least 41 accounts in March."))

    found = text_diff.compare(before, after, None, None, masks.read(MaskRules()))

    assert pieces(found) == [("removed", "40"), ("added", "41")]


def test_the_platforms_own_mark_of_an_edit_is_recorded_and_is_no_change_of_the_text() -> None:
    marked = [*ARTICLE, (Region.OTHER, "标题已修改")]

    found = compared(ARTICLE, marked)

    assert found.marks == ((), ("标题已修改",))
    assert found.comparison.changes == ()


def test_a_mask_by_pattern_leaves_out_what_it_matches_and_counts_it() -> None:
    rules = MaskRules(patterns=(r"\d+ weeks ago", "never there"))

    found = compared(ARTICLE, changed(3, "3 weeks ago"), rules)

    assert found.comparison.changes == ()
    assert found.masked == (
        MaskUse(kind="pattern", mask=r"\d+ weeks ago", before=1, after=1, differs=True),
        MaskUse(kind="pattern", mask="never there", before=0, after=0, differs=False),
    )
    assert found.left_out == (frozenset({3}), frozenset({3}))


def test_a_mask_by_selector_leaves_out_all_that_stands_in_the_element() -> None:
    html = (
        "<html><head></head><body><p>1<p>2<!-- a comment is no child --><p>3<p class=date>4"
        "<p class=ad>5<p class=ad>6</body></html>"
    )
    rules = MaskRules(selectors=("p.ad",))

    found = compared(ARTICLE, changed(4, "A new teaser"), rules, html)

    assert found.comparison.changes == ()
    assert found.masked == (MaskUse(kind="selector", mask="p.ad", before=2, after=2, differs=True),)


def test_a_mask_that_can_not_be_applied_is_said() -> None:
    before = without_layout(page(ARTICLE))
    chosen = masks.read(MaskRules(selectors=("p.ad",)))

    found = text_diff.compare(before, before, None, None, chosen)

    assert found.comparison.coarse == (
        "masks by selector were not applied: the capture has no layout",
    )


@pytest.mark.parametrize(
    "pattern",
    ["(a+)+$", "(?:x*)*", "([a-z]+)*!", r"(.)\1", "(a|b+){2,}", "((a))+(", "((a+)b)+", "(a|a)*",
        "a*a*a*a*b", r"\d+\d+\d+x", "(?:a?){40}b", "a?" * 40 + "b", "(a|a)" * 40 + "b",
        "(?i)a+a+a+b", r"(?:\w+,){4}", "(a?b?)*c", "(?=.*x)(?=.*y).*z",
    ],
)  # fmt: skip
def test_a_pattern_that_can_take_for_ever_is_refused(pattern: str) -> None:
    with pytest.raises(SnapshotterError):
        masks.read(MaskRules(patterns=(pattern,)))


@pytest.mark.parametrize(
    "pattern",
    [
        r"\d+ (?:minutes?|hours?) ago", r"[(*+)]+", r"阅读\s*\d+万?\+?", r"(?i)updated .* ago",
        r"\d{4}-\d{2}-\d{2}T\d+:\d+:\d+\.\d+Z", r"\d+ (?:views|likes), \d+ (?:min|h) ago",
        r"\d{1,2}:\d{2}(?::\d{2})?", r"\d+(?:,\d+)? views",
    ],
)  # fmt: skip
def test_an_ordinary_pattern_is_taken(pattern: str) -> None:
    assert len(masks.read(MaskRules(patterns=(pattern,))).patterns) == 1


def test_a_pattern_whose_repeats_overlap_is_looked_for_in_the_beginning_of_a_block() -> None:
    lines = [(MAIN, "a 12x"), (MAIN, f"{'word ' * 99} 12x")]

    found = compared(lines, lines, MaskRules(patterns=(r"\d+\d+x",)))

    assert [(masked.before, masked.after) for masked in found.masked] == [(1, 1)]


def test_thousands_of_blocks_that_all_differ_are_compared_within_the_budget() -> None:
    before: list[Line] = [(MAIN, f"alpha {n} beta") for n in range(3000)]
    after: list[Line] = [(MAIN, f"gamma {n} delta {n}") for n in range(3000)]

    found = compared(before, after).comparison

    assert len(found.changes) == 3000
    assert {change.kind for change in found.changes} == {BlockKind.CHANGED}


def test_of_a_long_page_it_is_told_which_blocks_differ_and_not_in_which_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(text_diff, "_LONG_PAGE", 50)
    same = compared(ARTICLE, ARTICLE)
    assert (same.comparison.main, same.comparison.coarse) == (ComparisonState.UNCHANGED, ())

    found = compared(ARTICLE, changed(1, "WeChat removed at least 41 accounts in March."))

    assert found.comparison.main is ComparisonState.CHANGED
    assert pieces(found) == [
        ("removed", "WeChat removed at least 40 accounts in March."),
        ("added", "WeChat removed at least 41 accounts in March."),
    ]
    assert "too long" in found.comparison.coarse[0]


def test_a_block_without_end_is_compared_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_diff, "_LONG_BLOCK", 20)
    assert compared(ARTICLE, changed(4, "A teaser")).comparison.main is ComparisonState.UNCHANGED

    found = compared(ARTICLE, changed(1, "WeChat removed at least  40 accounts in March. No."))

    assert [piece.text for piece in found.comparison.changes[0].pieces] == [
        "WeChat removed at least 40 accounts in March.",
        "WeChat removed at least  40 accounts in March. No.",
    ]
