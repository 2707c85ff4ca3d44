"""What two sealed captures of one page prove to be changed, and what they do not."""

import io
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from snapshotter.app.archive.assessment import BundleFiles, rederive
from snapshotter.app.archive.comparison import NamedBundle
from snapshotter.app.archive.observations import observe
from snapshotter.app.takedown.change_derivation import ComparedEnds, ShownCapture, compare_ends
from snapshotter.app.takedown.kept_comparisons import KeptComparisons
from snapshotter.app.takedown.rederivation import Rederivation
from snapshotter.app.wiring import capture as wiring
from snapshotter.compare import picture_rows
from snapshotter.formats import canonical_json
from snapshotter.formats.statements import takedown
from snapshotter.model.bundle import Bundle
from snapshotter.model.change import (
    MAIN_REGION,
    METHOD,
    ChangeSubject,
    DateOrder,
    DerivedChange,
    NoChange,
    NoChangeReason,
    PictureCheck,
)
from snapshotter.model.comparison import Op
from snapshotter.model.network import NetworkPath
from snapshotter.policy.capture_decision import decide
from snapshotter.policy.load import load
from snapshotter.verify.bundle import verify_bundle
from snapshotter.verify.trust import Trust, trusted_key
from tests import bundles
from tests.changed import LONG, URL, ShownPage, at, count_comparisons, shoot
from tests.unit.policy.test_page_identity import RULES

pytestmark = pytest.mark.long

SIGNER = bundles.new_signer()
TRUST = Trust(source="tests", authorities=(), keys=(trusted_key(SIGNER.public_key, owner="tests"),))
BY = Rederivation(
    rules=RULES, assessor_of=wiring.assessor, decide=lambda url: decide(load("news-article"))
)
BEFORE = ShownPage()
PICTURE, OTHER_PICTURE = b"a red hall", b"a blue hall"
IMAGE_PAGE = ShownPage(picture=PICTURE)


def derived(
    folder: Path, before: ShownPage, after: ShownPage, one: Any = None, other: Any = None
) -> DerivedChange | NoChange:
    """Return what follows from captures of two states, two hours apart."""
    first = shoot(folder, at(0), before, signer=SIGNER, **(one or {}))
    second = shoot(folder, at(120), after, signer=SIGNER, **(other or {}))
    return compared(first, second)


def compared(first: Bundle, second: Bundle, method: int = METHOD) -> DerivedChange | NoChange:
    with ExitStack() as stack:
        pair = [shown(stack.enter_context(made.file.open("rb"))) for made in (first, second)]
        return compare_ends(pair[0], pair[1], BY.assessor_of, BY.rules, method).derived


def shown(stream: Any) -> ShownCapture:
    report = verify_bundle(stream, TRUST, now=at(10_000))
    facts = report.established
    assert facts is not None, report.findings
    made = rederive(BundleFiles(stream, facts), wiring.assessor).assessment
    seen = observe(facts, made, proven_at=None, rules=RULES)
    given = NamedBundle(name=facts.bundle_id, stream=stream, report=report)
    return ShownCapture(given=given, observation=seen, assessment=made)


def changed(found: DerivedChange | NoChange) -> DerivedChange:
    assert isinstance(found, DerivedChange), found
    return found


def unchanged(found: DerivedChange | NoChange) -> NoChange:
    assert isinstance(found, NoChange), found
    return found


def pieces(found: DerivedChange, subject: ChangeSubject) -> list[tuple[Op, str]]:
    """Return what differs in the items of a subject."""
    return [
        (piece.op, piece.text.strip())
        for item in found.change.items
        if item.subject is subject
        for piece in item.pieces
        if piece.op is not Op.SAME
    ]


def test_one_word_that_was_replaced_is_the_whole_change(tmp_path: Path) -> None:
    after = ShownPage(words="The market hall will be closed for repairs until summer.")

    found = changed(derived(tmp_path, BEFORE, after))

    assert found.change.subjects == (ChangeSubject.WORDS,)
    assert pieces(found, ChangeSubject.WORDS) == [(Op.REMOVED, "spring"), (Op.ADDED, "summer")]
    assert found.change.count == len(found.change.items) == len(found.places) == 1
    assert found.change.pictures is PictureCheck.COMPARED
    assert not found.change.removal


def article(lead: str, related: str = "A lost dog") -> ShownPage:
    """Return a page whose structure marks its paragraphs and not its standfirst."""
    links = "".join(f"<li><a href='/{n}'>{related} {n}</a></li>" for n in range(4))
    return ShownPage(
        markup="<!doctype html><html><head><title>Harbour news</title></head><body><article>"
        f"<h1>Market hall</h1><p>{lead}</p><div itemprop='articleBody'><p>{LONG}</p>"
        f"<p>{LONG[::-1]}</p><ul>{links}</ul></div></article></body></html>"
    )


def test_a_word_of_the_standfirst_is_found_by_method_2_and_not_by_method_1(tmp_path: Path) -> None:
    pair = [
        shoot(tmp_path, at(minute), article(f"Traders ask for a {how} notice."), signer=SIGNER)
        for minute, how in ((0, "longer"), (60, "shorter"))
    ]

    found = changed(compared(pair[0], pair[1]))
    by_first = unchanged(compared(pair[0], pair[1], MAIN_REGION))

    assert pieces(found, ChangeSubject.WORDS) == [(Op.REMOVED, "longer"), (Op.ADDED, "shorter")]
    assert [item.where for item in found.change.items] == ["standfirst"]
    assert (found.change.method, found.change.main_by) == (2, ("policy",))
    assert by_first.reason is NoChangeReason.SAME_MAIN_TEXT


def test_a_list_of_other_articles_below_the_text_is_no_change_by_method_2(tmp_path: Path) -> None:
    lead = "Traders ask for a longer notice."
    pair = [
        shoot(tmp_path, at(minute), article(lead, related), signer=SIGNER)
        for minute, related in ((0, "A lost dog"), (60, "A new ship"))
    ]

    assert unchanged(compared(pair[0], pair[1])).reason is NoChangeReason.SAME_MAIN_TEXT
    assert changed(compared(pair[0], pair[1], MAIN_REGION)).change.main_by == ()


def test_a_word_in_chinese_text_is_found(tmp_path: Path) -> None:
    before = ShownPage(words="市场大厅将因维修关闭至春季，请各位商户注意。")
    after = ShownPage(words="市场大厅将因维修关闭至夏季，请各位商户注意。")

    found = changed(derived(tmp_path, before, after))

    assert pieces(found, ChangeSubject.WORDS) == [(Op.REMOVED, "春"), (Op.ADDED, "夏")]


@pytest.mark.parametrize(
    "after",
    [
        ShownPage(side="Most read today: a lost dog."),
        ShownPage(advert="Buy two boats now."),
        ShownPage(reads="9,871 views"),
        ShownPage(title="(3) Harbour news"),
        ShownPage(words="The market hall will be closed  for repairs until spring."),
    ],
    ids=["side column", "advertisement", "counter", "unread messages in the title", "spaces"],
)
def test_what_differs_outside_the_main_text_is_no_change(after: ShownPage, tmp_path: Path) -> None:
    found = unchanged(derived(tmp_path, BEFORE, after))

    assert (found.reason, found.is_open) == (NoChangeReason.SAME_MAIN_TEXT, False)
    assert found.detail.startswith("no change in the main text")


def test_the_title_of_the_document_is_compared(tmp_path: Path) -> None:
    found = changed(derived(tmp_path, BEFORE, ShownPage(title="Harbour views")))

    assert found.change.subjects == (ChangeSubject.TITLE,)
    assert pieces(found, ChangeSubject.TITLE) == [(Op.REMOVED, "news"), (Op.ADDED, "views")]


def test_a_price_in_the_data_of_the_page_is_compared(tmp_path: Path) -> None:
    found = changed(derived(tmp_path, ShownPage(price="4.50"), ShownPage(price="6.00")))

    assert found.change.subjects == (ChangeSubject.PRICE,)
    assert pieces(found, ChangeSubject.PRICE) == [(Op.REMOVED, "4.50 EUR"), (Op.ADDED, "6.00 EUR")]
    assert [item.where for item in found.change.items] == ["json-ld offers.price"]


def test_a_price_in_the_words_is_named_as_words_and_as_a_price(tmp_path: Path) -> None:
    found = changed(
        derived(tmp_path, ShownPage(shown_price="€4.50"), ShownPage(shown_price="€6.00"))
    )

    assert found.change.subjects == (ChangeSubject.WORDS, ChangeSubject.PRICE)
    assert pieces(found, ChangeSubject.PRICE) == [(Op.REMOVED, "€4.50"), (Op.ADDED, "€6.00")]


def test_a_text_of_digits_alone_costs_no_more_than_its_length(tmp_path: Path) -> None:
    """A page can be made so that a search for prices in it never ends."""
    digits = "1" * 150_000

    found = changed(
        derived(tmp_path, ShownPage(words=f"a {digits}"), ShownPage(words=f"b {digits}"))
    )

    assert found.change.subjects == (ChangeSubject.WORDS,)


def test_another_picture_with_the_same_words_is_a_change(tmp_path: Path) -> None:
    found = changed(derived(tmp_path, IMAGE_PAGE, ShownPage(picture=OTHER_PICTURE)))

    assert found.change.subjects == (ChangeSubject.PICTURE,)
    (item,) = found.change.items
    assert [piece.op for piece in item.pieces] == [Op.REMOVED, Op.ADDED]
    (place,) = found.places
    assert place.before is not None
    assert (place.before.left, place.before.top) == (40, 84)


def test_a_picture_that_the_network_record_lacks_leaves_the_question_open(tmp_path: Path) -> None:
    lacking = {"has_network_record": False}

    found = unchanged(
        derived(tmp_path, IMAGE_PAGE, ShownPage(picture=OTHER_PICTURE), lacking, lacking)
    )

    assert (found.reason, found.is_open) == (NoChangeReason.PICTURES, True)


def test_a_date_without_changed_text_is_a_change_and_set_against_our_times(
    tmp_path: Path,
) -> None:
    before = ShownPage(modified="2026-05-20T10:00:00Z")
    after = ShownPage(modified="2026-05-27T09:00:00Z")  # captures: 08:00 and 10:00

    found = changed(derived(tmp_path, before, after))

    assert found.change.subjects == (ChangeSubject.DATE,)
    assert [(date.raw, date.later, date.order) for date in found.change.dates] == [
        ("2026-05-20T10:00:00Z", False, DateOrder.BEFORE),
        ("2026-05-27T09:00:00Z", True, DateOrder.BETWEEN),
    ]


def test_a_text_that_changed_behind_its_own_date_is_named_so(tmp_path: Path) -> None:
    stale = "2026-05-20T10:00:00Z"
    after = ShownPage(words="The market hall stays open.", modified=stale)

    found = changed(derived(tmp_path, ShownPage(modified=stale), after))

    assert {date.order for date in found.change.dates} == {DateOrder.BEFORE}


def test_a_date_that_is_the_time_of_each_request_is_no_change(tmp_path: Path) -> None:
    before = ShownPage(modified="2026-05-27T07:59:59Z")
    after = ShownPage(modified="2026-05-27T09:59:59Z")

    found = unchanged(derived(tmp_path, before, after))

    assert found.reason is NoChangeReason.SAME_MAIN_TEXT


@pytest.mark.parametrize(
    ("one", "other", "reason", "is_open"),
    [
        ({"missing": "load-timeout"}, {}, NoChangeReason.NOT_COMPLETE, True),
        ({}, {"light": True}, NoChangeReason.NOT_COMPLETE, True),
        ({}, {"timezone": "Asia/Shanghai"}, NoChangeReason.OTHER_CONDITIONS, False),
        ({}, {"url": f"{URL}/other"}, NoChangeReason.OTHER_PAGE, False),
    ],
    ids=["partial", "light", "time zone", "address"],
)
def test_captures_that_something_else_can_explain_prove_no_change(
    one: Any, other: Any, reason: NoChangeReason, is_open: bool, tmp_path: Path
) -> None:
    after = ShownPage(words="The market hall stays open.")

    found = unchanged(derived(tmp_path, BEFORE, after, one, other))

    assert (found.reason, found.is_open) == (reason, is_open)


def test_a_capture_that_lacks_an_image_shows_its_words(tmp_path: Path) -> None:
    after = ShownPage(words="The market hall stays open.")
    lacking = {"missing": "images-missing"}

    found = changed(derived(tmp_path, BEFORE, after, None, lacking))
    same = unchanged(derived(tmp_path / "same", BEFORE, BEFORE, None, lacking))

    assert found.change.missing == ("images-missing",)
    assert (same.reason, same.is_open) == (NoChangeReason.SAME_MAIN_TEXT, True)


def test_a_difference_between_two_vantages_is_no_change(tmp_path: Path) -> None:
    after = ShownPage(words="The market hall stays open.")
    elsewhere = {"network": NetworkPath(vantage="berlin", path="proxy", enforced=True, how="")}

    found = unchanged(derived(tmp_path, BEFORE, after, None, elsewhere))

    assert found.reason is NoChangeReason.OTHER_VANTAGE
    assert "berlin" in found.detail


def test_captures_in_the_wrong_order_prove_no_change(tmp_path: Path) -> None:
    after = ShownPage(words="The market hall stays open.")
    first = shoot(tmp_path, at(0), BEFORE, signer=SIGNER)
    second = shoot(tmp_path, at(120), after, signer=SIGNER)

    assert unchanged(compared(second, first)).reason is NoChangeReason.NOT_IN_ORDER
    assert unchanged(compared(first, first)).reason is NoChangeReason.NOT_IN_ORDER


def test_what_the_policy_masks_is_no_change_and_is_counted(tmp_path: Path) -> None:
    masked = {"masks": ("#words",)}
    after = ShownPage(words="The market hall stays open.", second="A new paragraph is here now.")

    found = unchanged(derived(tmp_path, BEFORE, ShownPage(words=after.words), masked, masked))
    assert found.reason is NoChangeReason.SAME_MAIN_TEXT
    assert "places that the policy masks" in found.detail

    both = changed(derived(tmp_path / "both", BEFORE, after, masked, masked))
    assert pieces(both, ChangeSubject.WORDS) == [(Op.ADDED, "A new paragraph is here now.")]
    assert (both.change.masked, both.change.masks_differ) == (2, True)


def test_a_removal_that_no_rule_knows_is_a_change(tmp_path: Path) -> None:
    after = ShownPage(notice="This content cannot be displayed.")

    found = changed(derived(tmp_path, BEFORE, after))

    assert found.change.removal in ("few-words", "unknown-notice", "no-text")
    assert ChangeSubject.WORDS in found.change.subjects
    assert any("closed for repairs" in text for _, text in pieces(found, ChangeSubject.WORDS))


def test_a_later_capture_confirms_only_the_same_change(tmp_path: Path) -> None:
    edited = ShownPage(words="The market hall will be closed for repairs until summer.")
    more = ShownPage(words=edited.words, second="The fish market is not affected.")
    back = BEFORE
    captures = [
        shoot(tmp_path, at(minute), page, signer=SIGNER)
        for minute, page in ((0, BEFORE), (60, edited), (120, more), (180, back))
    ]

    change = changed(compared(captures[0], captures[1])).change
    later = changed(compared(captures[0], captures[2]))

    assert later.shows(change)
    assert not changed(compared(captures[0], captures[1])).shows(later.change)
    assert unchanged(compared(captures[0], captures[3])).reason is NoChangeReason.SAME_MAIN_TEXT


def test_a_long_change_is_shortened_and_its_digest_covers_all_of_it(tmp_path: Path) -> None:
    start = "word " * 400
    found = [
        changed(
            derived(
                tmp_path / end,
                ShownPage(words=f"It was {start}."),
                ShownPage(words=f"{'Other ' * 400} {end}."),
            )
        ).change.items[0]
        for end in ("here", "there")
    ]

    assert all(len(piece.text) <= 1_001 for item in found for piece in item.pieces)
    assert found[0].sha256 != found[1].sha256


def test_a_change_of_a_whole_long_page_fits_into_a_record(tmp_path: Path) -> None:
    """Each paragraph of Chinese text is another one: 3 bytes a character."""
    before, after = (
        ShownPage(second="</p><p>".join(f"{number}{letter}" * 510 for number in range(105)))
        for letter in ("春", "夏")
    )

    change = changed(derived(tmp_path, before, after)).change

    assert (len(change.items), change.count) == (100, 105)
    assert len(canonical_json.dumps(canonical_json.plain(change))) < takedown.MAX_BYTES * 0.8


def test_the_same_two_bundles_give_the_same_change(tmp_path: Path) -> None:
    after = ShownPage(words="The market hall stays open.", title="Open", picture=PICTURE)
    first = shoot(tmp_path, at(0), BEFORE, signer=SIGNER)
    second = shoot(tmp_path, at(120), after, signer=SIGNER)

    assert compared(first, second) == compared(first, second)


def test_bytes_in_memory_are_a_bundle_as_well(tmp_path: Path) -> None:
    after = ShownPage(words="The market hall stays open.")
    pair = [
        shown(io.BytesIO(shoot(tmp_path, at(minute), page, signer=SIGNER).file.read_bytes()))
        for minute, page in ((0, BEFORE), (60, after))
    ]

    assert (
        changed(compare_ends(pair[0], pair[1], BY.assessor_of, BY.rules).derived).change.count == 1
    )


def test_a_pair_is_compared_once_and_its_pictures_are_those_that_are_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [
        shoot(tmp_path, at(minute), ShownPage(words=words), signer=SIGNER)
        for minute, words in ((0, BEFORE.words), (60, "The hall stays open."), (90, "It closes."))
    ]
    count = count_comparisons(monkeypatch)
    kept = KeptComparisons[ComparedEnds]()

    def ends(first: Bundle, second: Bundle, method: int = METHOD) -> ComparedEnds:
        with ExitStack() as stack:
            pair = [shown(stack.enter_context(one.file.open("rb"))) for one in (first, second)]
            found = compare_ends(pair[0], pair[1], BY.assessor_of, BY.rules, method, kept=kept)
            assert [picture_rows.size(shot)[0] for shot in found.shots] == [600, 600]
            return found

    first, second = ends(made[0], made[1]), ends(made[0], made[1])
    assert first.derived == second.derived
    assert len(count) == 1
    assert ends(made[0], made[2]).derived != first.derived
    assert ends(made[0], made[1], MAIN_REGION).derived != first.derived
    assert len(count) == 3


UNSEEN = "The fish market is closed.", "The fish market stays open."


def test_words_that_the_pictures_do_not_show_prove_no_change(tmp_path: Path) -> None:
    """White letters on a white page, for example: the document changed, and no reader saw it."""
    prices = "A ticket costs €4.50 today.", "A ticket costs €6.00 today."
    for texts in (UNSEEN, prices):
        before, after = (ShownPage(second=words, unseen=texts) for words in texts)

        found = unchanged(derived(tmp_path, before, after))

        assert (found.reason, found.is_open) == (NoChangeReason.NOT_SEEN, True)


def test_of_several_changes_each_states_whether_the_pictures_show_it(tmp_path: Path) -> None:
    before = ShownPage(second=UNSEEN[0], unseen=UNSEEN, title="One")
    after = ShownPage(words="The hall stays open.", second=UNSEEN[1], unseen=UNSEEN, title="Two")

    found = changed(derived(tmp_path, before, after))

    assert [(item.subject, item.seen) for item in found.change.items] == [
        (ChangeSubject.WORDS, True),
        (ChangeSubject.WORDS, False),
        (ChangeSubject.TITLE, None),
    ]


def test_a_difference_in_the_main_text_that_only_pictures_show_is_not_called_no_change(
    tmp_path: Path,
) -> None:
    """A style sheet can strike words out, put words in, or hide them."""
    found = unchanged(derived(tmp_path, BEFORE, ShownPage(drawing="red")))

    assert (found.reason, found.is_open) == (NoChangeReason.UNEXPLAINED, True)


def test_a_change_counts_the_places_where_the_pictures_differ_without_it(tmp_path: Path) -> None:
    before, after = (ShownPage(second=f"The fish market is {end}.") for end in ("open", "closed"))

    found = changed(derived(tmp_path / "more", before, replace(after, drawing="red")))
    alone = changed(derived(tmp_path / "alone", before, after))

    assert (found.change.count, found.change.unexplained) == (1, 1)
    assert (alone.change.count, alone.change.unexplained) == (1, 0)


def test_a_paragraph_that_the_page_hides_or_shows_again_is_a_change(tmp_path: Path) -> None:
    """The document has the same words, and a reader does not see them any more."""
    words = "The fish market is closed."
    one, other = ShownPage(second=words), ShownPage(second=words, hidden=(words,))

    gone = changed(derived(tmp_path / "gone", one, other))
    back = changed(derived(tmp_path / "back", other, one))

    assert pieces(gone, ChangeSubject.WORDS) == [(Op.REMOVED, words)]
    assert pieces(back, ChangeSubject.WORDS) == [(Op.ADDED, words)]
    assert [found.change.items[0].seen for found in (gone, back)] == [True, True]


def test_words_that_only_one_policy_clicked_open_prove_no_change(tmp_path: Path) -> None:
    after = ShownPage(second="The fish market is closed.")
    clicked = {"clicked": '"Continue reading" #more'}

    found = unchanged(derived(tmp_path / "one", BEFORE, after, None, clicked))
    both = changed(derived(tmp_path / "both", BEFORE, after, clicked, clicked))

    assert found.reason is NoChangeReason.OTHER_CONDITIONS
    assert found.detail.endswith("controls that show hidden text and were clicked: 0 → 1")
    assert both.change.count == 1


def test_paragraphs_that_changed_places_are_named_and_are_no_change(tmp_path: Path) -> None:
    words = "The fish market is closed."

    found = unchanged(
        derived(tmp_path, ShownPage(second=words), ShownPage(words=words, second=BEFORE.words))
    )

    assert found.reason is NoChangeReason.SAME_MAIN_TEXT
    assert "except that text with the same words is at another place" in found.detail


def test_a_block_as_large_as_the_page_leaves_a_changed_word_explained(tmp_path: Path) -> None:
    """On pages of newspapers, a word directly in the body is a block under all others."""
    before, after = (
        ShownPage(stray="Advertisement", second=f"The fish market is {end}.")
        for end in ("open", "closed")
    )

    found = changed(derived(tmp_path, before, after))

    assert (found.change.count, found.change.unexplained) == (1, 0)


def test_a_main_text_that_a_policy_names_beside_the_article_is_told_apart(tmp_path: Path) -> None:
    """With a policy of their own, somebody can make a side column the main text."""
    named = {"main": "aside"}
    side = f"Most read today: {LONG}"
    after = ShownPage(side=side.replace("ferries", "buses"))

    found = changed(derived(tmp_path / "named", ShownPage(side=side), after, named, named))
    usual = changed(derived(tmp_path / "usual", BEFORE, ShownPage(words="It is open.")))

    assert pieces(found, ChangeSubject.WORDS) == [(Op.REMOVED, "ferries"), (Op.ADDED, "buses")]
    assert found.named_main.endswith("> aside:nth-child(2)")
    assert usual.named_main == ""
