"""General phrases for something that is gone: where they count, and that they decide nothing."""

import pytest

from snapshotter.model.assessment import Availability, Content, Undecided
from snapshotter.policy.takedown_rules import parse_rules
from tests.unit.assess.pages import assessor, markup

ASSESSOR = assessor()
GONE = "This post has been removed by its author"


def said(body: str, title: str = "The Harbour Board", status: int = 200) -> str:
    """Return "gone" where a phrase was found on a page, else the rule that knows the page."""
    html = f"<!doctype html><html><head><title>{title}</title></head><body>{body}</body></html>"
    content, verdict = ASSESSOR.judge(markup(html, "http://board.example/t/1", status))
    if verdict.rules != "phrases":
        return verdict.rule
    assert (content.kind, verdict.availability) == (Content.NOTICE, Availability.INCONCLUSIVE)
    assert verdict.undecided is Undecided.UNKNOWN_NOTICE
    return "gone"


@pytest.mark.parametrize(
    "body",
    [
        f"<h1>{GONE}</h1>",
        f"<h1>Oops!</h1><p>{GONE}.</p><a href=/>Back</a>",
        "<h2>We couldn't find that page.</h2><p>It may have moved.</p>",
        "<p>抱歉，您访问的文章已被作者删除</p>",
        "<p>Это видео удалено по требованию правообладателя.</p>",
    ],
)
def test_a_page_of_few_words_that_begins_as_notices_do_is_undecided(body: str) -> None:
    assert said(body) == "gone"


EXPLAINED = (
    "<p>We removed this post because it goes against our rules on dangerous organisations. Our "
    "moderators look at every report by hand and decide within three working days. If you believe "
    "that this was a mistake, you can ask for another review in the settings of your account. The "
    "author was told about this decision and may appeal it for thirty days. Whoever breaks these "
    "rules again may lose the account. To learn more, read our guidelines and what they forbid.</p>"
)


@pytest.mark.parametrize(
    "body",
    [
        f"<h1>{GONE}</h1>{EXPLAINED}",
        f"<h1>{GONE}</h1>" + "<div class=comment><p>Who has a copy of it?</p></div>" * 40,
        "<h2>该帖子已被删除</h2><p>" + "根据社区管理规定，平台已对其作出处理，感谢您的理解。" * 18,
    ],
)
def test_a_notice_that_explains_itself_at_length_is_undecided(body: str) -> None:
    assert said(body) == "gone"


@pytest.mark.parametrize(
    "body",
    [
        f"<h1>{GONE}</h1>{EXPLAINED}{EXPLAINED}{EXPLAINED}",
        f"<h1>{GONE}</h1><article>{EXPLAINED}<p>Two.</p><p>Three.</p></article>",
        f"<h1>{GONE}</h1><time datetime=2026-01-01>1 January</time>{EXPLAINED}",
        f"<h1>Why posts go</h1><p>{GONE}.</p>{EXPLAINED}",
    ],
)
def test_an_article_under_such_a_heading_is_content(body: str) -> None:
    assert said(body) == "gen-content"


def test_the_title_says_it_beside_the_name_of_the_site() -> None:
    assert said("<p>Home</p>", f"{GONE} | The Harbour Board") == "gone"


@pytest.mark.parametrize(
    "body",
    [
        "<h1>Journalist's account suspended</h1><p>Her editor protests.</p>",
        "<h1>Account of a journalist suspended after a report on ferries</h1>",
        f"<p>Anna: see this!</p><blockquote>{GONE}</blockquote>",
        f"<p>Yes, since noon.</p><div class=comment><p>{GONE}</p></div>",
        f"<ul><li>Tides<li>{GONE}<li>Lanterns</ul>",
        f"<div>Tides</div><div>{GONE}</div><div>Soup</div><div>Kites</div><div>Late boats</div>",
        f"<article><h1>{GONE}</h1><p>One.</p><p>Two.</p><p>Three.</p></article>",
        f"<h1>{GONE}</h1><time datetime=2026-01-01>1 January</time><p>So ends our tale.</p>",
        f"<aside>{GONE}</aside><p>High water at ten.</p>",
        f"<h1>{GONE}</h1>" + "<p>The ferry leaves at ten past six.</p>" * 20,
    ],
)
def test_what_speaks_of_a_removal_is_content(body: str) -> None:
    assert said(body) in ("gen-short", "gen-content")


def test_the_heading_of_an_article_speaks_for_its_paragraphs() -> None:
    headline = "Company deletes its post"
    body = f"<h1>{headline}</h1><p>{GONE}, they said.</p>"

    assert said(body, headline) == "gen-short"
    assert said(body.replace(headline, f"{headline} about the late boats")) == "gen-short"


def test_a_status_and_rules_of_the_host_go_before() -> None:
    assert said(f"<h1>{GONE}</h1>", status=404) == "gen-404"
    assert said(f"<h1>{GONE}</h1>", status=410) == "gen-410"
    html = "<html><body><h1>Sorry, this account has been closed</h1></body></html>"
    _, verdict = ASSESSOR.judge(markup(html, "https://x.com/a/status/1"))
    assert verdict.rules != "phrases"


def test_a_rule_to_begin_with_finds_the_words_again() -> None:
    html = f"<html><body><h1>{GONE}</h1></body></html>"
    _, verdict = ASSESSOR.judge(markup(html, "http://board.example/t/1"))

    rules = parse_rules(verdict.stub, "stub")

    (notice,) = rules.notices
    assert (rules.hosts, notice.match.select) == (("board.example",), "h1")
    assert notice.match.equals == (GONE,)
