"""What is in the rule files works: each word of each rule, in each place that it names."""

import dataclasses

from snapshotter.assess.page_view import PageView
from snapshotter.assess.rule_matching import every_selector, match
from snapshotter.model.assessment import Availability
from snapshotter.model.rules import Match, NoticeRule, RuleDescription, RuleSet
from snapshotter.policy.takedown_rules import load_rules, shipped_rules
from snapshotter.site import catalogue
from tests.cases import in_one_test
from tests.unit.assess.pages import assessor, markup, site_page
from tests.unit.assess.specimens import alternatives, specimen

ASSESSOR = assessor()
SETS = load_rules(shipped_rules())
# Of rules that have patterns alone.
EXAMPLES = {
    "wx-02a": "由用户投诉并经平台审核，涉嫌过度营销、骚扰用户，查看对应规则",
    "wx-18c": "transfer_3b9ac9ff",
    "wb-s1": "根据相关法律法规和政策，“石桥”搜索结果未予显示",
    "wb-s1a": "根据相关法律法规和政策，“石桥”搜索结果未予显示。",
    "douban-search-label": "根据相关法律法规和政策，部分搜索结果未予显示。",
}


def matches(rules: RuleSet) -> tuple[tuple[RuleDescription, Match], ...]:
    """Return all rules of a file that can look at elements."""
    return (
        *((rule.about, rule.match) for rule in rules.walls),
        *((rule.about, rule.match) for rule in rules.notices),
        *((rule.about, rule.match) for rule in rules.statuses),
        *((rule.about, rule.match) for rule in rules.errors),
        *((rule.about, rule.match) for rule in rules.labels),
        *((rule.about, rule.match) for rule in rules.accounts),
        *((rule.about, rule.match) for rule in rules.partials),
    )


MATCHES = [
    (rules, *found_match)
    for rules in SETS
    for found_match in matches(rules)
    if found_match[1].select
]


@in_one_test(
    ("rules", "about", "rule"), MATCHES, ids=[found_match[1].id for found_match in MATCHES]
)
def test_each_word_matches_in_each_place_and_nothing_else_does(
    rules: RuleSet, about: RuleDescription, rule: Match
) -> None:
    words = (*rule.equals, *(f"{start} etc." for start in rule.starts), "".join(rule.contains))
    tried = [word for word in words if word] or [EXAMPLES.get(about.id, "anything")]
    wanted = dataclasses.replace(
        rule, status=(), redirected=False, also=(), without=(), most_page_text=None,
        most_running_text=None,
    )  # fmt: skip
    for text in tried:
        for number in range(alternatives(rule.select)):
            page = markup(specimen(rule.select, text, number), f"http://{rules.hosts[0]}/x")
            view = PageView(page, every_selector([rules]))

            found = match(view, wanted, rules.normalise, ways=("select",))

            assert found is not None, (rule.select, number, text)
            if rule.has_words:
                other = markup(specimen(rule.select, f"又说：{text}", number))
                is_part = bool(rule.contains)
                view = PageView(other, every_selector([rules]))
                found = match(view, wanted, rules.normalise, ways=("select",))
                assert found is None or is_part


NOTICES = [(rules, notice) for rules in SETS for notice in rules.notices if notice.match.select]


@in_one_test(("rules", "notice"), NOTICES, ids=[notice[1].about.id for notice in NOTICES])
def test_each_notice_has_what_a_reader_of_the_verdict_needs(
    rules: RuleSet, notice: NoticeRule
) -> None:
    assert notice.about.grade in tuple("ABCD")
    assert {language for language, _ in notice.about.gloss} >= {"en", "zh-Hans"}


PAGES = [
    (rules.file.id, about.id, page, wanted)
    for rules in SETS
    for about in rules.abouts
    for pages, wanted in ((about.match_pages, True), (about.no_match_pages, False))
    for page in pages
]


@in_one_test(("file", "rule", "page", "wanted"), PAGES)
def test_a_rule_is_right_about_its_own_pages(file: str, rule: str, page: str, wanted: bool) -> None:
    assert page in catalogue.PAGES

    content, verdict = ASSESSOR.judge(site_page(page))

    said = {(evidence.rules, evidence.rule) for evidence in (*content.evidence, *verdict.evidence)}
    beside = (
        *(account.evidence for account in verdict.accounts),
        *(label.evidence for label in verdict.labels),
    )
    said |= {(evidence.rules, evidence.rule) for evidence in beside}
    assert ((file, rule) in said) is wanted


def test_every_rule_that_sees_a_page_of_the_site_says_so_in_its_fixtures() -> None:
    """So that `policy test` tries what it could: a page that is known has its rule's name."""
    named = {(rule, page) for _, rule, page, wanted in PAGES if wanted}
    missing = [
        (verdict.rule, name)
        for name in catalogue.names()
        if name.startswith(("wx/", "wb/", "x/", "yt/", "fb/", "bili/", "tieba/"))
        for verdict in [ASSESSOR.judge(site_page(name))[1]]
        if verdict.availability is Availability.UNAVAILABLE and (verdict.rule, name) not in named
    ]

    assert missing == []
