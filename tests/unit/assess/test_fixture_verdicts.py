"""Every page of the fixture site gets its one right verdict."""

import pytest

from snapshotter.model.assessment import Availability, Content
from snapshotter.site import catalogue
from snapshotter.site.notices import WALLS
from snapshotter.site.rendered_pages import rendered_page
from snapshotter.site.state import BEGIN, SiteState, wall
from tests.cases import in_one_test
from tests.unit.assess.pages import assessor, site_page

ASSESSOR = assessor()


@in_one_test("name", catalogue.names())
def test_a_page_of_the_fixture_site_gets_its_one_right_verdict(name: str) -> None:
    expected = catalogue.PAGES[name].expected
    assert expected is not None

    content, verdict = ASSESSOR.judge(site_page(name))

    assert (content.kind, verdict.availability) == (expected.content, expected.availability)
    assert (verdict.cause, verdict.undecided, verdict.wall) == (
        expected.cause,
        expected.undecided,
        expected.wall,
    )
    assert verdict.cited_rule == expected.cited_rule
    assert bool(verdict.quoted) is expected.quoted
    if verdict.availability is Availability.UNAVAILABLE:
        assert verdict.takedown is expected.takedown
    if expected.account:
        assert expected.account in {account.state for account in verdict.accounts}


@pytest.mark.parametrize(
    ("name", "variant"),
    [
        (name, variant)
        for name in ("wx/article", "wb/post", "wb/post-desktop")
        for variant in WALLS
        if variant[:2] == name[:2]
    ],
)
def test_every_wall_can_stand_before_a_page_and_is_no_removal(name: str, variant: str) -> None:
    state = SiteState().change(name, BEGIN, wall(variant))

    content, verdict = ASSESSOR.judge(rendered_page(name, state))

    assert (content.kind, verdict.wall) == (Content.WALL, WALLS[variant])
    assert verdict.availability is Availability.INCONCLUSIVE


@in_one_test("name", [name for name in catalogue.names() if catalogue.PAGES[name].rule])
def test_a_verdict_names_its_rule_and_shows_where_it_was_read(name: str) -> None:
    _, verdict = ASSESSOR.judge(site_page(name))

    rules = {evidence.rule for evidence in verdict.evidence} | {
        account.evidence.rule for account in verdict.accounts
    }
    assert catalogue.PAGES[name].rule in rules
    assert all(
        evidence.rules and evidence.excerpt and evidence.region for evidence in verdict.evidence
    )


def test_a_rumour_keeps_what_was_received_as_evidence() -> None:
    """The script sends readers away; the answer that held the script still holds the article."""
    content, verdict = ASSESSOR.judge(site_page("wx/rumor"))

    assert [label.label for label in verdict.labels] == ["refuted"]
    received = [
        evidence for evidence in content.evidence if evidence.region.startswith("received: ")
    ]
    assert [evidence.rule for evidence in received] == ["wx-article"]
    assert "河水能治感冒" in received[0].excerpt


def test_an_account_that_moved_says_where_to() -> None:
    _, verdict = ASSESSOR.judge(site_page("wx/migrated"))

    assert verdict.moved_to.startswith("http://mp.weixin.qq.com/mp/profile_ext?")


def test_a_violation_keeps_the_platforms_number_of_the_rule() -> None:
    _, verdict = ASSESSOR.judge(site_page("wx/violation"))

    assert verdict.rule_id == "26"
    assert verdict.notice_detail == "由用户投诉并经平台审核，涉嫌过度营销、骚扰用户，查看对应规则"
    assert [evidence.rule for evidence in verdict.evidence] == ["wx-02", "wx-02a"]


def test_a_refusal_for_legal_reasons_names_who_demanded_it() -> None:
    _, verdict = ASSESSOR.judge(site_page("451"))

    assert verdict.notice_detail.startswith("http")


def test_an_account_that_is_frozen_is_told_apart_from_its_article() -> None:
    _, verdict = ASSESSOR.judge(site_page("wx/frozen-name"))

    (account,) = verdict.accounts
    assert (account.state, account.text) == ("frozen", "该帐号已冻结")
    assert account.account == "wechat:MzkwMDAwMDAwMQ=="


def test_a_repost_names_the_rule_of_what_its_original_says() -> None:
    _, verdict = ASSESSOR.judge(site_page("wb/repost-deleted"))

    assert {evidence.rule for evidence in verdict.quoted} == {"wb-01"}
