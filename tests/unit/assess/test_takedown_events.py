"""From captures to events: what is concluded, what is not, and that it stays so."""

import itertools
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapshotter.assess.takedown_events import (
    Conclusion,
    MissingEvidence,
    MissingKind,
    PagePresence,
    account_state_in,
    capture_order_key,
    captures_of_event,
    conclude,
    conclude_account,
    conclude_again,
    group_bursts,
    last_capture_of_event,
)
from snapshotter.formats.bundle import store_keys
from snapshotter.model.assessment import Availability, Cause, Content, Undecided, WallKind
from snapshotter.model.takedown import ConfirmRules, Observation, Takedown, TakedownKind
from tests.observed import ACCOUNT, ARTICLE, IDENTITY, OTHER, at, frozen

RULES = ConfirmRules()
ALONE = ConfirmRules(control=False)
TOOK = timedelta(seconds=2)  # what a capture takes


def made(minute: float, word: str, **more: object) -> Observation:
    name = f"{word}-{more.get('vantage', '')}{more.get('identity', '')}{minute}"
    base = Observation(
        bundle_id=name,
        sha256=name.encode().hex().rjust(64, "0")[-64:],
        identity=IDENTITY,
        url=ARTICLE,
        at=at(minute),
        began_at=at(minute) - TOOK,
        content=Content.CONTENT,
        availability=Availability.AVAILABLE,
        account=ACCOUNT,
        key_id="k" * 64,
    )
    return replace(base, **more)  # type: ignore[arg-type]  # what a test wants otherwise


def seen(minute: float, **more: object) -> Observation:
    return made(minute, "seen", **more)


def gone(minute: float, cause: Cause = Cause.AUTHOR, **more: Any) -> Observation:
    return made(
        minute,
        f"gone-{cause}",
        **{
            "content": Content.NOTICE,
            "availability": Availability.UNAVAILABLE,
            "cause": cause,
            "rule": "wx-01",
            **more,
        },
    )


def wall(minute: float, **more: object) -> Observation:
    return made(
        minute,
        "wall",
        content=Content.WALL,
        availability=Availability.INCONCLUSIVE,
        undecided=Undecided.WALL,
        wall=WallKind.VERIFICATION,
        **more,
    )


def control(minute: float, **more: object) -> Observation:
    return seen(minute, **{"identity": "wechat:other/1/1", "url": OTHER, "account": "", **more})


def run(*observations: Observation, confirm: ConfirmRules = RULES) -> Conclusion:
    return conclude(IDENTITY, observations, confirm)


def kinds(found: Conclusion) -> list[TakedownKind]:
    return [event.kind for event in found.events]


REMOVED, REINSTATED = TakedownKind.REMOVED, TakedownKind.REINSTATED


# --- the examples ------------------------------------------------------------------------


def test_a_removal_at_40_minutes_under_a_visit_each_30_is_bracketed_by_two_visits() -> None:
    visits = [seen(0), seen(30), gone(60), control(65), gone(70), gone(90)]

    found = run(*visits)

    (event,) = found.events
    assert (event.kind, event.at) == (REMOVED, at(70))
    assert (event.last_seen, event.first_gone) == (visits[1], visits[2])
    assert (event.confirmations, event.controls) == ((visits[4],), (visits[3],))
    begin, end = event.bracket
    assert begin <= at(40) <= end
    assert end - begin - TOOK <= timedelta(minutes=30)
    assert event.causes == (Cause.AUTHOR,)
    assert store_keys.bundle_time(event.event_id) == at(70)
    assert found.standing is PagePresence.GONE


@pytest.mark.parametrize("last", [seen(70), wall(70)], ids=["seen again", "a wall again"])
def test_a_wall_in_between_is_no_removal(last: Observation) -> None:
    found = run(seen(0), seen(30), wall(60), control(65), last)

    assert (found.events, found.standing) == ((), PagePresence.THERE)


def test_few_words_by_another_way_that_were_the_pages_are_so_from_the_events_captures_alone() -> (
    None
):
    """What was certain to show those words is in no event: another look by that way."""
    visits = [
        seen(10, main_sha256="a"),
        seen(15, main_sha256="b", vantage="tor"),
        seen(20, main_sha256="b", vantage="tor", ambiguous=True),
        *(gone(30), control(35), gone(45)),
    ]

    (event,) = conclude(IDENTITY, visits, RULES).events

    assert [observation.at for observation in event.vantages] == [at(20)]
    assert conclude_again(event, captures_of_event(event)) == event


def test_of_captures_of_which_one_lies_in_the_other_the_interval_is_between_their_ends() -> None:
    """Two machines look at once, and the longer look begins first: the page was there later."""
    visits = [seen(30), gone(40, began_at=at(1)), control(45), gone(60)]

    (event,) = conclude(IDENTITY, visits, RULES).events

    assert event.bracket == (at(30) - TOOK, at(40))


def test_a_wall_neither_confirms_nor_takes_back(subtests: pytest.Subtests) -> None:
    begin = [seen(30), gone(60), control(62)]
    with subtests.test("it does not confirm"):
        found = run(*begin, wall(70), wall(80))
        assert (found.events, found.standing) == ((), PagePresence.DOUBTED)
    with subtests.test("nor does it take back"):
        (event,) = run(*begin, wall(70), gone(80)).events
        assert event.first_gone == begin[1]


def test_reappearance_is_an_event_of_its_own_and_so_is_what_comes_then() -> None:
    first = [seen(30), gone(60), control(65), gone(70)]
    again = [gone(90), seen(120), seen(150), gone(180), control(185), gone(190)]

    found = run(*first, *again)

    assert kinds(found) == [REMOVED, REINSTATED, REMOVED]
    assert found.events[:1] == run(*first).events
    back = found.events[1]
    assert (back.first_gone, back.last_seen, back.at) == (again[0], again[1], at(120))
    assert back.bracket == (at(90) - TOOK, at(120))
    assert found.events[2].last_seen == again[2]


def test_one_capture_that_flickers_is_no_event() -> None:
    found = run(seen(0), gone(30), seen(31), control(35), gone(60), seen(90))

    assert (found.events, found.standing) == ((), PagePresence.THERE)


@pytest.mark.parametrize(
    ("visits", "missing"),
    [
        (
            [seen(0), gone(30), control(31)],
            MissingEvidence(lack=MissingKind.AGREEING, count=1, after=at(40)),
        ),
        (
            [seen(0), gone(30), control(31), gone(35)],
            MissingEvidence(lack=MissingKind.TIME, after=at(40)),
        ),
        (
            [seen(0), control(1), gone(30), gone(45)],
            MissingEvidence(lack=MissingKind.CONTROL, host="mp.weixin.qq.com", after=at(30)),
        ),
        (
            [seen(0), gone(30), gone(45), control(46)],
            MissingEvidence(lack=MissingKind.AGREEING, count=1, after=at(40)),
        ),
        (
            [seen(0), gone(30), control(31), gone(41, Cause.PLATFORM_RULE)],
            MissingEvidence(lack=MissingKind.CONTROL, host="mp.weixin.qq.com", after=at(41)),
        ),
    ],
    ids=["one more", "too close", "no control", "the control came last", "another notice"],
)
def test_what_is_missing_is_said(visits: list[Observation], missing: MissingEvidence) -> None:
    found = run(*visits)

    assert (found.events, found.standing) == ((), PagePresence.DOUBTED)
    assert missing in found.missing
    assert (found.last_seen, found.first_gone) == (
        visits[0],
        next(
            observation
            for observation in visits
            if observation.availability is Availability.UNAVAILABLE
        ),
    )


def test_what_was_never_seen_was_not_taken_down() -> None:
    found = run(gone(0), control(5), gone(10), control(15), gone(60))

    assert (found.events, found.standing) == ((), PagePresence.UNSEEN)
    assert found.missing == (MissingEvidence(lack=MissingKind.SEEN),)


def test_two_notices_do_not_confirm_each_other_and_both_are_told() -> None:
    visits = [seen(0), gone(30, Cause.TEMPORARY), control(31), gone(41, Cause.AUTHOR)]
    assert run(*visits).events == ()
    assert run(*visits).said == ("temporary", "author")

    (event,) = run(*visits, control(45), gone(52, Cause.AUTHOR)).events

    assert event.first_gone == visits[1]  # it was gone by then, whatever the notice said
    assert [observation.at for observation in event.confirmations] == [at(41), at(52)]
    assert event.causes == (Cause.AUTHOR, Cause.TEMPORARY)


def test_one_capture_is_enough_where_one_is_asked_for_and_a_time_still_takes_two() -> None:
    once = ConfirmRules(times=1, after=timedelta(0), control=False)
    late = ConfirmRules(times=1, after=timedelta(minutes=10), control=False)
    visits = [seen(0), gone(30, Cause.TEMPORARY), gone(35), gone(50)]

    (event,) = run(*visits[:2], confirm=once).events
    assert (event.first_gone, event.confirmations, event.at) == (visits[1], (), at(30))

    (event,) = run(*visits, confirm=late).events
    assert event.confirmations == tuple(visits[2:])
    assert conclude(IDENTITY, captures_of_event(event), late).events == (event,)


def test_what_its_owner_has_set_is_never_a_removal() -> None:
    hidden = [gone(minute, Cause.OWNER_SETTING, takedown=False) for minute in (30, 45, 60)]

    found = run(seen(0), hidden[0], control(35), *hidden[1:])

    assert (found.events, found.standing) == ((), PagePresence.THERE)


@pytest.mark.parametrize("doubt", ["ambiguous", "needs_control"])
def test_what_can_mean_something_else_needs_a_control_even_where_none_is_wanted(
    doubt: str,
) -> None:
    said: dict[str, Any] = {doubt: True}
    visits = [seen(0), gone(30, **said), gone(45, **said)]

    assert run(*visits, confirm=ALONE).events == ()
    assert kinds(run(*visits, control(40), confirm=ALONE)) == [REMOVED]
    assert kinds(run(seen(0), gone(30), gone(45), confirm=ALONE)) == [REMOVED]


@pytest.mark.parametrize(
    "other",
    [
        control(29),
        control(46),
        control(40, url="http://example.test/"),
        control(40, vantage="tor"),
        gone(40, identity="wechat:other/1/1", url=OTHER),
        wall(40, identity="wechat:other/1/1", url=OTHER),
        control(40, ambiguous=True, rule="gen-short"),
    ],
    ids=["before", "behind", "another host", "another way", "gone as well", "a wall", "few words"],
)
def test_a_control_is_another_page_of_the_host_that_was_there_in_between(
    other: Observation,
) -> None:
    assert run(seen(0), gone(30), gone(45), other).events == ()
    assert run(seen(0), gone(30), gone(45), control(40)).events != ()


def test_an_event_that_rests_on_a_control_of_few_words_is_still_derived_from_its_captures() -> None:
    """As events were concluded before; one of today waits for a better control."""
    few = control(40, ambiguous=True, rule="gen-short")
    visits = (seen(0), gone(30), few, gone(45))
    (old,) = conclude(IDENTITY, visits, RULES, few_words=True).events
    assert old.controls == (few,)

    assert conclude_again(old, captures_of_event(old)) == old
    assert run(*visits).missing[0].lack is MissingKind.CONTROL
    assert run(*visits, control(46), gone(50)).events[0].controls == (control(46),)


def test_few_words_where_a_page_was_are_not_the_page() -> None:
    """On a host that no rule file knows they may be a notice; the same words are the page."""
    page, other = "a" * 64, "b" * 64
    few = {"ambiguous": True, "rule": "gen-short"}
    ends = (gone(60), control(65), gone(70))

    certain = seen(0, main_sha256=page)
    assert run(certain, seen(30, main_sha256=other, **few), *ends).events[0].last_seen == certain
    same = seen(30, main_sha256=page, **few)
    assert run(certain, same, *ends).events[0].last_seen == same
    only = seen(30, main_sha256=other, **few)
    assert run(seen(0, main_sha256=page, **few), only, *ends).events[0].last_seen == only

    removed = [TakedownKind.REMOVED]
    assert kinds(run(certain, *ends, seen(90, main_sha256=other, **few))) == removed
    returned = run(certain, *ends, seen(90, main_sha256=page, **few))
    assert kinds(returned) == [*removed, TakedownKind.REINSTATED]


def test_a_page_that_another_way_still_shows_is_not_removed() -> None:
    here = [seen(0), gone(30), control(35), gone(45)]
    elsewhere = seen(40, vantage="tor")

    found = run(*here, elsewhere)

    assert (found.events, found.standing) == ((), PagePresence.DOUBTED)
    assert MissingEvidence(lack=MissingKind.VANTAGE, seen=elsewhere) in found.missing
    assert run(*here, elsewhere, control(50), gone(60), gone(75)).events == ()


def test_it_is_removed_once_the_other_way_says_so_too() -> None:
    here = [seen(0), gone(30), gone(45), control(50), gone(60), gone(75)]
    elsewhere = [seen(40, vantage="tor"), gone(70, vantage="tor")]

    (event,) = run(*here, *elsewhere).events

    assert event.vantages == tuple(elsewhere)
    assert (event.last_seen, event.first_gone) == (here[0], here[2])  # not before it was gone there
    assert event.bracket[1] >= elsewhere[0].at


def test_a_way_that_sees_it_again_has_nothing_to_settle_with_others() -> None:
    flicker = [seen(0), gone(30), seen(40, vantage="tor"), seen(50)]

    found = run(*flicker, gone(60), control(65), gone(75))

    assert kinds(found) == [REMOVED]


def test_all_of_it_can_be_seen_by_another_way_alone() -> None:
    word: dict[str, Any] = {"vantage": "tor"}
    visits = [seen(0, **word), gone(30, **word), gone(45, **word), seen(60, **word)]

    assert run(*visits, control(40)).events == ()
    assert kinds(run(*visits, control(40, **word))) == [REMOVED, REINSTATED]


def test_one_look_by_another_way_before_the_doubt_holds_nothing_up() -> None:
    visits = [seen(0), seen(20, vantage="tor"), gone(30), control(35), gone(45)]

    assert kinds(run(*visits)) == [REMOVED]


def test_another_way_that_shows_it_after_the_event_is_told_and_brings_nothing_back() -> None:
    visits = [seen(0), gone(30), control(35), gone(45), seen(60, vantage="tor")]

    found = run(*visits)

    assert (kinds(found), found.standing) == ([REMOVED], PagePresence.GONE)
    assert found.missing == (MissingEvidence(lack=MissingKind.VANTAGE, seen=visits[-1]),)


BY_TWO = ConfirmRules(vantage="abroad")


def test_a_removal_waits_for_a_look_by_the_way_that_the_rules_name() -> None:
    visits = [seen(0), gone(30), control(35), gone(45)]

    found = run(*visits, confirm=BY_TWO)

    assert (found.events, found.standing) == ((), PagePresence.DOUBTED)
    assert found.missing == (MissingEvidence(lack=MissingKind.VANTAGE, after=at(30)),)

    # It is there by the other way: hidden from this one, and no removal.
    there = [*visits, seen(50, vantage="abroad"), gone(60), control(65), gone(75)]
    assert run(*there, confirm=BY_TWO).events == ()

    # It has said something, and then a further look by this way concludes.
    waited = run(*visits, gone(50, vantage="abroad"), confirm=BY_TWO)
    assert [missing.lack for missing in waited.missing] == [MissingKind.AGREEING]
    (event,) = run(*visits, gone(50, vantage="abroad"), gone(55), confirm=BY_TWO).events
    assert [observation.vantage for observation in event.vantages] == ["abroad"]
    assert conclude_again(event, captures_of_event(event)) == event


@pytest.mark.parametrize("look", [wall(50, vantage="abroad"), gone(40, vantage="abroad")])
def test_a_look_counts_whatever_it_shows_and_the_event_can_be_derived_from_it(
    look: Observation,
) -> None:
    (event,) = run(
        seen(0), seen(10, vantage="abroad"), gone(30), control(35), look, gone(55), confirm=BY_TWO
    ).events

    assert look in event.vantages
    assert conclude_again(event, captures_of_event(event)) == event
    assert (
        conclude_again(
            event,
            [observation for observation in captures_of_event(event) if observation is not look],
        )
        is None
    )


def test_a_way_that_is_closed_holds_a_removal_up_for_an_hour() -> None:
    visits = [seen(0), gone(30), control(35)]

    assert run(*visits, gone(89), confirm=BY_TWO).events == ()
    (event,) = run(*visits, gone(89), gone(90), confirm=BY_TWO).events

    assert event.vantages == ()
    assert conclude_again(event, captures_of_event(event)) == event


def test_a_look_from_before_the_doubt_says_nothing_of_it() -> None:
    visits = [seen(0), seen(20, vantage="abroad"), gone(30), control(35), gone(45)]

    assert [missing.lack for missing in run(*visits, confirm=BY_TWO).missing] == [
        MissingKind.VANTAGE
    ]


def test_by_a_way_that_never_saw_it_nothing_is_removed() -> None:
    visits = [
        seen(0),
        *(gone(minute, vantage="tor") for minute in (30, 45)),
        control(40, vantage="tor"),
    ]

    assert run(*visits).events == ()


def test_what_comes_in_late_changes_no_event_and_is_told() -> None:
    visits = [seen(0), gone(30), control(35), gone(45), gone(60)]
    (event,) = run(*visits).events
    late = [seen(20), seen(38)]

    found = conclude(IDENTITY, [*visits, *late], RULES, before=event)

    assert (found.events, found.standing) == ((), PagePresence.GONE)
    assert found.passed_over == tuple(late)


# --- accounts ----------------------------------------------------------------------------

PROFILE = "//mp.weixin.qq.com/mp/profile_ext?action=home"


def profile(minute: float, *states: str) -> Observation:
    return seen(
        minute,
        identity=PROFILE,
        url=OTHER,
        accounts=tuple(frozen(state) for state in states),
    )


def article(minute: float, number: int, cause: Cause | None = None) -> Observation:
    name = {"identity": f"{ACCOUNT}/{number}/1", "url": f"{ARTICLE}&n={number}"}
    return seen(minute, **name) if cause is None else gone(minute, cause, **name)


def test_an_account_changes_while_its_articles_stay_and_then_23_go_at_once() -> None:
    open_ = [article(minute, number) for minute in (0, 60) for number in range(23)]
    account = [profile(0), profile(30, "frozen"), article(35, 0), profile(45, "frozen")]
    found = conclude_account(ACCOUNT, [*open_, *account], RULES)

    (event,) = found.events
    assert (event.kind, event.state) == (TakedownKind.ACCOUNT_CHANGED, "frozen")
    assert (event.identity, event.last_seen, event.first_gone) == (ACCOUNT, account[0], account[1])
    assert found.standing is PagePresence.GONE
    everything = [*open_, *account, control(95)]
    everything += [
        article(minute + number / 60, number, Cause.ACCOUNT_BLOCKED)
        for minute in (90, 101)
        for number in range(23)
    ]
    pages = [f"{ACCOUNT}/{number}/1" for number in range(23)]
    assert all(conclude(page, [*open_, *account], RULES).events == () for page in pages)

    removed = [conclude(page, everything, RULES).events[0] for page in pages]
    blocked = conclude_account(ACCOUNT, everything, RULES).events

    assert blocked[:1] == (event,)
    assert {takedown.kind for takedown in removed} == {REMOVED}
    groups = group_bursts([*removed, event])
    assert sorted(map(len, groups)) == [1, 23]
    assert len(group_bursts([*removed, event], within=timedelta(hours=2))) == 1


def test_a_page_is_no_control_of_itself() -> None:
    visits = [profile(0), profile(30, "frozen"), profile(40, "frozen"), profile(45, "frozen")]

    found = conclude_account(ACCOUNT, visits, RULES)

    assert (found.events, found.standing) == ((), PagePresence.DOUBTED)
    assert [missing.lack for missing in found.missing] == [MissingKind.CONTROL]
    assert found.said == ("frozen",)


def test_an_account_is_restored_by_the_page_that_showed_its_state() -> None:
    visits = [profile(0), profile(30, "frozen"), control(35), profile(45, "frozen")]
    later = [article(50, 1), profile(60), profile(75)]

    found = conclude_account(ACCOUNT, [*visits, *later], RULES)

    assert kinds(found) == [TakedownKind.ACCOUNT_CHANGED, TakedownKind.ACCOUNT_RESTORED]
    assert (found.events[1].at, found.standing) == (at(60), PagePresence.THERE)


def test_a_frozen_account_that_is_closed_then_has_changed_again() -> None:
    visits = [profile(0), profile(30, "frozen"), control(35), profile(45, "frozen")]
    later = [profile(60, "closed"), control(65), profile(75, "closed")]

    found = conclude_account(ACCOUNT, [*visits, *later], RULES)

    assert [event.state for event in found.events] == ["frozen", "closed"]
    assert found.events[1].last_seen == visits[3]


def test_two_pages_that_say_the_same_make_one_event() -> None:
    blocked = [
        article(minute, number, Cause.ACCOUNT_BLOCKED) for minute in (30, 45) for number in range(5)
    ]
    visits = [*(article(0, number) for number in range(5)), *blocked, control(40)]

    found = conclude_account(ACCOUNT, visits, RULES)

    assert [event.state for event in found.events] == ["blocked"]


def test_what_captures_say_of_an_account() -> None:
    assert account_state_in(seen(0)) == ""
    assert account_state_in(seen(0, accounts=(frozen("b"), frozen("a"), frozen("a")))) == "a, b"
    assert account_state_in(gone(0, Cause.ACCOUNT_CLOSED)) == "closed"
    assert account_state_in(gone(0, Cause.AUTHOR)) is None
    assert account_state_in(wall(0)) is None


# --- what holds for all captures -----------------------------------------------------------

WORDS = st.sampled_from(
    ["seen", "gone", "gone", "other", "wall", "hidden", "doubtful", "control", "few"]
)


@st.composite
def histories(draw: st.DrawFn) -> list[Observation]:
    found: list[Observation] = []
    minute = 0.0
    for number in range(draw(st.integers(0, 24))):
        minute += draw(st.sampled_from([0, 1, 5, 10, 30]))
        vantage = draw(st.sampled_from(["direct", "direct", "direct", "tor"]))
        made_of: dict[str, Any] = {"vantage": vantage, "bundle_id": f"{number:03}"}
        match draw(WORDS):
            case "seen":
                observation = seen(minute, main_sha256="a" * 64, **made_of)
            case "few":
                text = draw(st.sampled_from("ab")) * 64
                observation = seen(minute, main_sha256=text, ambiguous=True, **made_of)
            case "gone":
                observation = gone(minute, **made_of)
            case "other":
                observation = gone(minute, Cause.PLATFORM_RULE, **made_of)
            case "hidden":
                observation = gone(minute, Cause.OWNER_SETTING, takedown=False, **made_of)
            case "doubtful":
                observation = gone(minute, Cause.NOT_STATED, needs_control=True, **made_of)
            case "wall":
                observation = wall(minute, **made_of)
            case _:
                observation = control(minute, **made_of)
        found.append(replace(observation, sha256=f"{number:064}"))
    return found


CONFIRM = st.builds(
    ConfirmRules,
    times=st.integers(1, 4),
    after=st.sampled_from([timedelta(0), timedelta(minutes=10), timedelta(hours=1)]),
    control=st.booleans(),
    vantage=st.sampled_from(["", "tor"]),
)


@given(histories(), CONFIRM, st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_matter(
    history: list[Observation], confirm: ConfirmRules, chance: random.Random
) -> None:
    shuffled = list(history)
    chance.shuffle(shuffled)

    assert conclude(IDENTITY, shuffled, confirm) == conclude(IDENTITY, history, confirm)


@given(histories(), CONFIRM)
def test_what_was_concluded_stays_whatever_comes_later(
    history: list[Observation], confirm: ConfirmRules
) -> None:
    whole = conclude(IDENTITY, history, confirm).events

    for count in range(len(history) + 1):
        part = conclude(IDENTITY, history[:count], confirm).events
        assert whole[: len(part)] == part


@given(histories(), CONFIRM)
def test_going_on_from_an_event_is_the_same_as_beginning_anew(
    history: list[Observation], confirm: ConfirmRules
) -> None:
    whole = conclude(IDENTITY, history, confirm)

    for number, event in enumerate(whole.events, start=1):
        later = conclude(IDENTITY, history, confirm, before=event)
        assert later.events == whole.events[number:]
        assert (later.standing, later.missing) == (whole.standing, whole.missing)


@given(histories(), CONFIRM)
def test_every_event_has_two_ends_and_its_own_captures_give_it_again(
    history: list[Observation], confirm: ConfirmRules
) -> None:
    before: Takedown | None = None
    for event in conclude(IDENTITY, history, confirm).events:
        assert {event.last_seen.availability, event.first_gone.availability} == {
            Availability.AVAILABLE,
            Availability.UNAVAILABLE,
        }
        assert event.first_gone.takedown
        assert event.last_seen.vantage == event.first_gone.vantage
        assert event.kind is (
            REMOVED if before is None or before.kind is REINSTATED else REINSTATED
        )
        if event.kind is REMOVED:
            _check_removed(event, history, confirm)
            assert conclude(IDENTITY, captures_of_event(event), confirm).events == (event,)
        assert before is None or last_capture_of_event(before).at <= last_capture_of_event(event).at
        before = event


def _check_removed(event: Takedown, history: Sequence[Observation], confirm: ConfirmRules) -> None:
    agreeing = [
        observation
        for observation in (event.first_gone, *event.confirmations)
        if observation.cause == _cause(event)
    ]
    assert len(agreeing) >= confirm.times
    assert agreeing[-1].at - agreeing[0].at >= confirm.after
    if confirm.control or any(observation.needs_control for observation in agreeing):
        (found,) = event.controls
        assert capture_order_key(agreeing[0])[0] - TOOK <= found.at <= event.at
    # Between its ends nothing by the same way was seen to be there: the interval is the
    # shortest that these captures give.
    inside = [
        observation
        for observation in history
        if capture_order_key(event.last_seen)
        < capture_order_key(observation)
        < capture_order_key(event.first_gone)
        and observation.identity == IDENTITY
        and observation.vantage == event.first_gone.vantage
    ]
    assert all(observation.availability is not Availability.AVAILABLE for observation in inside)


def _cause(event: Takedown) -> Cause | None:
    return last_capture_of_event(event).cause


@given(
    st.integers(1, 120),
    st.integers(0, 600),
    st.sampled_from([5, 10, 15, 30, 60]),
    st.integers(0, 4),
)
def test_an_interval_is_no_longer_than_the_time_between_visits_and_holds_the_removal(
    seed: int, removed_at: int, cadence: int, walls: int
) -> None:
    chance = random.Random(seed)  # noqa: S311  which visits meet a wall
    visits = [
        gone(minute) if minute >= removed_at else seen(minute)
        for minute in range(0, 720 + cadence, cadence)
    ]
    ends = [n for n, (a, b) in enumerate(itertools.pairwise(visits)) if a.cause != b.cause]
    spared = {index for n in ends for index in (n, n + 1)}
    for number in chance.sample(range(len(visits)), walls):
        if number not in spared:
            visits[number] = wall(number * cadence)
    controls = [control(minute + 1) for minute in range(0, 720, cadence)]

    events = conclude(IDENTITY, [*visits, *controls], RULES).events

    assert len(events) == (1 if removed_at > 0 else 0)
    for event in events:
        begin, end = event.bracket
        assert begin <= at(removed_at) <= end
        assert end - begin <= timedelta(minutes=cadence) + TOOK
