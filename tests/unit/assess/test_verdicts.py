"""What a verdict is made of: structure and nothing else, in one order, with its evidence."""

import dataclasses
import json

import pytest

from snapshotter.assess.assessor import RuleAssessor
from snapshotter.model.assessment import (
    Availability,
    Cause,
    Content,
    Step,
    Undecided,
    WallKind,
)
from snapshotter.model.capture import ImageCounts
from snapshotter.model.page import Block, Box, Page
from snapshotter.model.request import VerdictRules
from snapshotter.policy.takedown_rules import load_rules, parse_rules
from snapshotter.site.notices import WECHAT, WEIBO, notice_page
from tests.unit.assess.pages import AT, assessor, markup, page, site_page

ASSESSOR = assessor()
ARTICLE_URL = "http://mp.weixin.qq.com/s/Kx2fixtureRiverBooks01"
DELETED = "该内容已被发布者删除"
NOTICE = (
    f'<div class="weui-msg"><div class="weui-msg__text-area">'
    f'<div class="weui-msg__title warn">{DELETED}</div></div></div>'
)
ARTICLE = (
    '<div id="js_article"><h1>河边的旧书市</h1><div id="js_content">'
    "<p>入冬以后，河边的旧书市停了整整六个星期，上个星期六终于又开张了。</p></div></div>"
)
STORY = f"<main><h1>{{}}</h1>{'<p>The ferry leaves at ten past six.</p>' * 20}</main>"


def data(value: object, url: str = "https://weibo.com/ajax/statuses/show", **more: int) -> Page:
    """Return an answer that is JSON."""
    return dataclasses.replace(
        markup("", url, **more),
        media_type="application/json",
        raw=json.dumps(value).encode(),
        html=f"<html><body><pre>{json.dumps(value)}</pre></body></html>",
    )


def laid_out(html: str, *blocks: Block, url: str = ARTICLE_URL) -> Page:
    return dataclasses.replace(
        markup(html, url), blocks=blocks, pictures=("capture/first.png", "capture/page.png")
    )


# Structure


@pytest.mark.parametrize(
    "html",
    [
        f"<title>{DELETED}</title><div id=js_article><p>{DELETED}</p><p>{'字' * 30}</p></div>",
        f"<div id=js_article><div class=weui-msg__title>{DELETED}</div><p>{'字' * 30}</p></div>",
        ARTICLE + f"<!-- {NOTICE} -->",
        ARTICLE + f"<script>var it = '{NOTICE}';</script>",
        ARTICLE + f"<template>{NOTICE}</template>",
        ARTICLE + f"<div hidden>{NOTICE}</div>",
    ],
    ids=["title", "class in the text", "comment", "script", "template", "hidden"],
)
def test_words_of_a_notice_beside_content_are_no_notice(html: str) -> None:
    content, verdict = ASSESSOR.judge(markup(html, ARTICLE_URL))

    assert (content.kind, verdict.rule) == (Content.CONTENT, "wx-article")


@pytest.mark.parametrize(
    "html",
    [
        f"<p>{DELETED}</p>",
        f"<title>{DELETED}</title>",
        f'<div class="weui-msg"><p>不要以为{DELETED}就没有了</p></div>',
        f'<div class="weui-msg__title">{DELETED}了吗</div>',
    ],
)
def test_words_that_stand_elsewhere_or_go_on_say_nothing(html: str) -> None:
    _, verdict = ASSESSOR.judge(markup(html, ARTICLE_URL))

    assert verdict.availability is Availability.INCONCLUSIVE


@pytest.mark.parametrize(
    "imitation",
    [
        f"<section class=weui-msg><h2 class=weui-msg__title>{DELETED}</h2>{'字' * 90}</section>",
        f"<div class=page_msg>{'字' * 90}</div>",
        f"<div class=weui-msg><h2 class=weui-msg__title>环境异常</h2>{'字' * 90}</div>",
    ],
    ids=["notice", "shape of a notice", "wall"],
)
def test_what_an_author_makes_look_like_a_notice_is_the_article(imitation: str) -> None:
    html = f"<div id=js_article><h1>短</h1><div id=js_content>{imitation}</div></div>"

    content, verdict = ASSESSOR.judge(markup(html, ARTICLE_URL))

    assert (content.kind, verdict.rule) == (Content.CONTENT, "wx-article")


@pytest.mark.parametrize("tag", ["template", "noscript"])
@pytest.mark.parametrize("is_laid_out", [True, False])
def test_a_notice_in_what_shows_nothing_is_none(tag: str, is_laid_out: bool) -> None:
    html = f"<html><body><div>Loading<{tag}>{NOTICE}</{tag}></div></body></html>"
    there = markup(html, ARTICLE_URL)
    shown = Block(selector="html > body > div:nth-child(1)", tag="div", text="Loading", box=None)

    _, verdict = ASSESSOR.judge(dataclasses.replace(there, blocks=(shown,) if is_laid_out else ()))

    assert verdict.undecided is Undecided.UNKNOWN


@pytest.mark.parametrize("inner", [ARTICLE, "<div id=js_article><img src=/warn.png></div>"])
def test_content_inside_a_notice_is_none(inner: str) -> None:
    html = f'<div class="weui-msg">{inner}<div class="weui-msg__title">{DELETED}</div></div>'

    _, verdict = ASSESSOR.judge(markup(html, ARTICLE_URL))

    assert verdict.rule == "wx-01"


def test_too_little_content_is_none() -> None:
    html = f'<div id="js_article"><p>短</p></div>{NOTICE}'

    _, verdict = ASSESSOR.judge(markup(html, ARTICLE_URL))

    assert verdict.rule == "wx-01"


def test_pictures_are_content_without_a_word() -> None:
    html = '<div id="js_article"><img data-src="//mmbiz.qpic.cn/1"></div>'

    content, _ = ASSESSOR.judge(markup(html, ARTICLE_URL))

    assert content.kind is Content.CONTENT


def test_the_rules_of_a_host_that_was_asked_for_hold_where_it_led_elsewhere() -> None:
    there = markup(NOTICE, "http://elsewhere.example/x")

    _, verdict = ASSESSOR.judge(dataclasses.replace(there, requested_url=ARTICLE_URL))

    assert verdict.rule == "wx-01"


def test_the_rules_of_one_host_say_nothing_of_another() -> None:
    _, verdict = ASSESSOR.judge(markup(NOTICE, "http://elsewhere.example/x"))

    assert (verdict.undecided, verdict.rule) == (Undecided.UNKNOWN_NOTICE, "ph-zh")
    assert "no rule knows how this host says it" in verdict.detail


# What is shown


TITLE = "html > body > div:nth-child(1) > div:nth-child(1) > div:nth-child(1)"
CONTENT = "html > body > div:nth-child(2) > div:nth-child(2) > p:nth-child(1)"


def test_a_notice_has_its_box_and_the_picture_in_which_it_is() -> None:
    box = Box(left=10, top=200, width=300, height=24)
    shown = laid_out(NOTICE, Block(selector=TITLE, tag="div", text=DELETED, box=box))

    content, verdict = ASSESSOR.judge(shown)

    (evidence,) = verdict.evidence
    assert (evidence.region, evidence.excerpt) == (TITLE, DELETED)
    assert (evidence.box, evidence.picture) == (box, "capture/page.png")
    assert content.evidence == verdict.evidence


def test_a_notice_that_nobody_sees_is_none() -> None:
    box = Box(left=0, top=0, width=10, height=10)
    shown = laid_out(
        NOTICE + ARTICLE,
        Block(selector=TITLE, tag="div", text=DELETED, box=None, hidden=True),
        Block(selector=CONTENT, tag="p", text="入冬以后，河边的旧书市停了整整六个星期。", box=box),
    )

    content, _ = ASSESSOR.judge(shown)

    assert content.kind is Content.CONTENT


def test_a_notice_that_nobody_sees_says_nothing_where_there_is_no_content_either() -> None:
    hidden = Block(selector=TITLE, tag="div", text=DELETED, box=None, hidden=True)

    _, verdict = ASSESSOR.judge(laid_out(NOTICE, hidden))

    assert verdict.undecided is Undecided.UNKNOWN


@pytest.mark.parametrize(("hidden", "rule"), [(True, ""), (False, "wx-01")])
def test_a_notice_in_a_line_is_seen_where_its_block_is(hidden: bool, rule: str) -> None:
    box = Box(left=1, top=2, width=3, height=4)
    html = f'<div class="weui-msg"><p>! <span class="weui-msg__title">{DELETED}</span></p></div>'
    block = Block(
        selector="html > body > div:nth-child(1) > p:nth-child(1)",
        tag="p",
        text=f"! {DELETED}",
        box=box,
        hidden=hidden,
    )

    _, verdict = ASSESSOR.judge(laid_out(html, block))

    assert verdict.rule == rule
    assert [evidence.box for evidence in verdict.evidence] == ([] if hidden else [box])


def test_content_that_nobody_sees_does_not_outweigh_a_notice() -> None:
    box = Box(left=0, top=0, width=10, height=10)
    shown = laid_out(
        NOTICE + ARTICLE,
        Block(selector=TITLE, tag="div", text=DELETED, box=box),
        Block(selector=CONTENT, tag="p", text="入冬以后，" * 9, box=None, hidden=True),
    )

    _, verdict = ASSESSOR.judge(shown)

    assert verdict.rule == "wx-01"


def test_content_that_nobody_sees_is_a_shell() -> None:
    shown = laid_out(
        ARTICLE, Block(selector="html > body > div:nth-child(1) > h1:nth-child(1)", tag="h1",
                       text="河边的旧书市", box=Box(left=0, top=0, width=1, height=1)),
    )  # fmt: skip

    content, verdict = ASSESSOR.judge(shown)

    assert (content.kind, verdict.undecided) == (Content.SHELL, Undecided.UNKNOWN)


# Walls


@pytest.mark.parametrize(
    ("there", "rule", "kind"),
    [
        (markup("", "http://mp.weixin.qq.com/mp/wappoc_appmsgcaptcha?x=1"), "wx-w1",
         "verification"),
        (
            markup('<div class=weui-msg><p class=weui-msg__title>环境异常</p></div>', ARTICLE_URL),
            "wx-w1",
            "verification",
        ),
        (markup("<body>访问过于频繁，请用微信扫描二维码进行访问</body>", ARTICLE_URL), "wx-w2",
         "rate_limited"),
        (markup("<title>Sina Visitor System</title>", "https://weibo.com/1/I7ubv9Ktj"), "wb-w1",
         "login"),
        (markup("访问过于频繁，请稍等再试！（错误码：414）", "https://weibo.com/1/x", 414), "wb-w2",
         "rate_limited"),
        (data({"ok": -100}), "wb-w3", "session_expired"),
        (markup("", "https://weibo.com/login.php?x"), "wb-w3", "session_expired"),
        (markup("Too many", "http://news.example/", 429), "gen-w2", "rate_limited"),
        (markup("Who are you", "http://news.example/", 401), "gen-w3", "login"),
        (markup("<form id=challenge-form></form>", "http://news.example/", 403), "gen-w1",
         "challenge"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_wall_says_nothing_about_the_page(there: Page, rule: str, kind: str) -> None:
    content, verdict = ASSESSOR.judge(there)

    assert (verdict.rule, verdict.wall) == (rule, WallKind(kind))
    assert (content.kind, verdict.undecided) == (Content.WALL, Undecided.WALL)
    assert verdict.availability is Availability.INCONCLUSIVE


def test_a_wall_goes_before_a_notice_and_before_a_status() -> None:
    html = NOTICE + '<div class="weui-msg"><a id="js_verify">去验证</a></div>'

    _, verdict = ASSESSOR.judge(markup(html, ARTICLE_URL, 404))

    assert verdict.undecided is Undecided.WALL


def test_what_an_article_shows_of_a_wall_is_none() -> None:
    html = f'<div id="js_article">{"字" * 30}<div class="weui-msg__title">环境异常</div></div>'

    content, _ = ASSESSOR.judge(markup(html, ARTICLE_URL))

    assert content.kind is Content.CONTENT


@pytest.mark.parametrize(
    ("html", "url"),
    [
        (ARTICLE + "<div class=weui-msg hidden><a id=js_verify>去验证</a></div>", ARTICLE_URL),
        (
            f"<main>{'word ' * 200}</main><div id=px-captcha style='display: none'></div>",
            "http://news.example/1",
        ),
        (
            f"<main>{'word ' * 200}</main><template><form id=challenge-form></form></template>",
            "http://news.example/1",
        ),
    ],
    ids=["hidden", "style", "template"],
)
def test_a_wall_that_is_shipped_with_every_page_and_hidden_is_none(html: str, url: str) -> None:
    hidden, _ = ASSESSOR.judge(markup(html, url))
    alone, _ = ASSESSOR.judge(markup("<form hidden id=challenge-form></form>", url, 403))

    assert (hidden.kind, alone.kind) == (Content.CONTENT, Content.WALL)


def test_a_form_that_was_asked_for_is_no_wall_and_one_that_was_not_is() -> None:
    form = markup("<main>Name and password, please</main>", "http://news.example/login")

    asked, _ = ASSESSOR.judge(form)
    sent, _ = ASSESSOR.judge(dataclasses.replace(form, requested_url="http://news.example/1"))

    assert (asked.kind, sent.kind) == (Content.CONTENT, Content.WALL)


def test_the_address_of_a_wall_inside_another_address_is_none() -> None:
    url = "http://mp.weixin.qq.com/s?x=mp.weixin.qq.com/mp/wappoc_appmsgcaptcha"

    content, _ = ASSESSOR.judge(markup(ARTICLE, url))

    assert content.kind is Content.CONTENT


# Words that no rule knows


def test_a_notice_in_unknown_words_is_inconclusive_and_comes_with_a_rule() -> None:
    there = site_page("wx/future-wording")
    _, verdict = ASSESSOR.judge(there)
    assert verdict.undecided is Undecided.UNKNOWN_NOTICE
    assert verdict.notice == "此内容正在重新评估，暂不展示"

    rules = parse_rules(verdict.stub, "stub.toml")
    _, again = RuleAssessor((rules, *load_rules(["wechat", "generic"]))).judge(there)

    (notice,) = rules.notices
    assert (again.rule, again.cause) == (notice.about.id, Cause.NOT_STATED)
    assert notice.match.select == ".weui-msg__title.warn"
    assert notice.about.seen_first == AT.date()


@pytest.mark.parametrize(
    "words",
    ['他说"不"\\', "a\x7fb\x01c", "'''", '"""', "长" * 900, "1\n2\t3", "\u202e删除", "# x = 1"],
)
def test_the_rule_for_unknown_words_can_be_read_whatever_they_are(words: str) -> None:
    there = page(notice_page(WECHAT, words), ARTICLE_URL)

    _, verdict = ASSESSOR.judge(there)

    rules = parse_rules(verdict.stub, "stub.toml")
    _, again = RuleAssessor((rules, *load_rules(["wechat"]))).judge(there)
    assert again.rule == rules.notices[0].about.id


def test_unknown_words_in_an_address_or_in_data_are_a_notice_too() -> None:
    words = "%E8%BF%99%E6%98%AF%E4%B8%80%E5%8F%A5%E6%96%B0%E7%9A%84%E8%AF%9D"  # 这是一句新的话
    url = f"https://weibo.com/sorry?usernotexists&msg={words}"

    for there in (markup("", url), data({"ok": 0, "error_type": "link", "url": url})):
        _, verdict = ASSESSOR.judge(there)

        assert (verdict.undecided, verdict.notice) == (Undecided.UNKNOWN_NOTICE, "这是一句新的话")
        assert parse_rules(verdict.stub, "stub.toml").hosts == ("weibo.com",)


def test_words_in_a_posts_place_without_an_author_are_a_notice() -> None:
    there = page(notice_page(WEIBO, "此微博正在重新评估", shape="text"), "https://weibo.com/1/x")

    _, verdict = ASSESSOR.judge(there)

    assert verdict.undecided is Undecided.UNKNOWN_NOTICE


def test_a_page_that_nothing_knows_is_inconclusive_and_not_gone() -> None:
    content, verdict = ASSESSOR.judge(markup("<p>微信公众平台</p>", ARTICLE_URL))

    assert (content.kind, verdict.undecided) == (Content.SHELL, Undecided.UNKNOWN)


# Data


@pytest.mark.parametrize(
    ("value", "rule", "cause"),
    [
        ({"error_code": 20101}, "wb-j1", Cause.AUTHOR),
        ({"error_code": "20101"}, "wb-j1", Cause.AUTHOR),
        ({"error_code": 20112}, "wb-j2", Cause.PLATFORM_RULE),
        ({"error_code": 20130}, "wb-j3b", Cause.OWNER_SETTING),
        ({"error_code": 20132}, "wb-j3", Cause.TEMPORARY),
        ({"error_code": 20135}, "wb-j3a", Cause.NOT_STATED),
        ({"ok": 0, "message": "账号有问题"}, "wb-j5", Cause.ACCOUNT_ABNORMAL),
        (
            {"ok": 0, "error_type": "link", "url": "https://weibo.com/sorry?pagenotfound"},
            "wb-u1",
            Cause.NOT_STATED,
        ),
    ],
)
def test_data_says_what_its_codes_mean(value: object, rule: str, cause: Cause) -> None:
    _, verdict = ASSESSOR.judge(data(value))

    assert (verdict.rule, verdict.cause) == (rule, cause)
    assert verdict.evidence[0].step is Step.JSON
    # Of these two the platform says no cause: a verdict that told one as its word would be false.
    assert verdict.convention is (rule in {"wb-j1", "wb-j2"})
    assert verdict.convention is ("researchers" in verdict.detail)


@pytest.mark.parametrize(
    "value",
    [{"error_code": True}, {"error_code": 20101.0}, {"data": {"error_code": 20101}}, [20101], 7],
)
def test_data_of_another_form_says_nothing(value: object) -> None:
    _, verdict = ASSESSOR.judge(data(value))

    assert verdict.undecided is Undecided.UNKNOWN


def test_the_data_of_a_repost_tells_of_its_original() -> None:
    gone = {"deleted": "1", "user": None, "text": "抱歉，此微博已被作者删除。"}

    _, verdict = ASSESSOR.judge(data({"text": "看", "user": {"id": 1}, "retweeted_status": gone}))

    assert verdict.availability is Availability.AVAILABLE
    assert [(evidence.rule, evidence.region) for evidence in verdict.quoted] == [
        ("wb-01", "retweeted_status.text")
    ]


# Statuses, errors, files


@pytest.mark.parametrize(
    ("status", "cause"),
    [(404, Cause.NOT_STATED), (410, Cause.NOT_STATED), (451, Cause.LEGAL)],
)
def test_a_status_says_what_it_says(status: int, cause: Cause) -> None:
    content, verdict = ASSESSOR.judge(markup(STORY.format("Home"), status=status))

    assert (content.kind, verdict.cause) == (Content.NOTICE, cause)
    assert verdict.evidence[0].excerpt == f"HTTP {status}"
    assert verdict.notice == ""


def test_who_blocks_a_page_is_read_from_its_header() -> None:
    there = dataclasses.replace(
        markup("", status=451),
        headers={"link": '</a>; rel=next, <https://court.example/o?1,2>; rel="blocked-by"'},
    )

    _, verdict = ASSESSOR.judge(there)

    assert verdict.notice_detail == "https://court.example/o?1,2"


@pytest.mark.parametrize("status", [400, 403, 500, 502, 503])
def test_a_refusal_or_a_broken_server_says_nothing(status: int) -> None:
    content, verdict = ASSESSOR.judge(markup(STORY.format("Sorry"), status=status))

    assert (content.kind, verdict.undecided) == (Content.ERROR, Undecided.ERROR)


def test_a_platforms_own_error_says_nothing() -> None:
    content, verdict = ASSESSOR.judge(
        page(notice_page(WECHAT, "参数错误", shape="global-error"), ARTICLE_URL)
    )

    assert (content.kind, verdict.rule) == (Content.ERROR, "wx-w4")


def test_no_page_is_an_error() -> None:
    there = dataclasses.replace(markup("", status=200), status=None, failure="name-not-resolved")

    content, verdict = ASSESSOR.judge(there)

    assert (content.kind, verdict.undecided) == (Content.ERROR, Undecided.ERROR)
    assert "name-not-resolved" in content.detail


@pytest.mark.parametrize("kind", ["application/pdf", "image/png", "application/json"])
def test_a_file_is_what_was_asked_for(kind: str) -> None:
    there = dataclasses.replace(markup("<embed>", "http://news.example/x"), media_type=kind)

    content, verdict = ASSESSOR.judge(there)

    assert content.kind is Content.CONTENT
    assert verdict.availability is Availability.AVAILABLE
    assert content.evidence[0].rule == "content.file"


@pytest.mark.parametrize(
    ("asked", "came", "kind"),
    [
        ("http://news.example/story/7", "http://news.example/", Content.SHELL),
        ("http://news.example/story/7", "https://www.news.example", Content.SHELL),
        ("http://news.example/", "https://www.news.example/", Content.CONTENT),
        ("http://news.example/?utm_source=x", "http://news.example/", Content.CONTENT),
        ("http://short.example/x7", "http://news.example/", Content.CONTENT),
        ("http://news.example/app/", "http://news.example/#/story/7", Content.CONTENT),
        ("http://news.example/story/7", "http://news.example/?p=7", Content.CONTENT),
        ("http://news.example/story/7", "http://news.example/story/7-new-name", Content.CONTENT),
    ],
)
def test_a_front_page_in_the_place_of_a_page_is_not_that_page(
    asked: str, came: str, kind: Content
) -> None:
    there = dataclasses.replace(markup(STORY.format("News"), came), requested_url=asked)

    content, verdict = ASSESSOR.judge(there)

    assert content.kind is kind
    assert verdict.availability is not Availability.UNAVAILABLE


# Kinds of content


@pytest.mark.parametrize(
    ("html", "kind"),
    [
        ("", Content.BLANK),
        ("<body></body>", Content.BLANK),
        ("<body><script>1</script><img src=/t.gif width=1 height=1></body>", Content.BLANK),
        ("<body><nav>Home News Sport</nav><footer>Imprint</footer></body>", Content.SHELL),
        ("<body><nav><img src=/logo.png></nav></body>", Content.BLANK),
        ("<body><p>It rains.</p></body>", Content.CONTENT),
        ("<body><nav>Home</nav><img src=/comic.png></body>", Content.CONTENT),
        (STORY.format("404 Not Found"), Content.CONTENT),
        ("<main><h1>404 Not Found</h1><p>nginx</p></main>", Content.NOTICE),
        (
            f"<main><h1>Page not found</h1>{'<p><a href=/x>A story of old</a></p>' * 60}</main>",
            Content.NOTICE,
        ),
        ("<svg><title>404</title></svg><p>A chart of errors.</p>", Content.CONTENT),
    ],
)
def test_a_page_of_any_host_has_a_kind(html: str, kind: Content) -> None:
    content, _ = ASSESSOR.judge(markup(html))

    assert content.kind is kind


def test_text_that_the_browser_showed_makes_a_shell_where_the_document_can_not_be_read() -> None:
    there = dataclasses.replace(markup("<div>" * 3000 + "x", ARTICLE_URL), text="此内容")

    content, _ = ASSESSOR.judge(there)

    assert content.kind is Content.SHELL


@pytest.mark.parametrize(
    "images",
    [
        ImageCounts(wanted=12, loaded=10, failed=2),
        ImageCounts(wanted=12, loaded=11, placeholder=1),
        ImageCounts(wanted=12, loaded=11, pending=1),
    ],
)
def test_content_without_some_of_its_images_is_partial(images: ImageCounts) -> None:
    content, verdict = ASSESSOR.judge(
        dataclasses.replace(markup(ARTICLE, ARTICLE_URL), images=images)
    )

    assert content.kind is Content.PARTIAL
    assert verdict.availability is Availability.AVAILABLE
    assert f"of {images.wanted} images" in content.detail


def test_content_that_a_platform_holds_back_is_partial() -> None:
    html = (
        '<div class="weibo-top"><h3 class="m-text-cut">石桥</h3></div><div class="weibo-og">'
        '<div class="weibo-text">水位</div></div>'
        '<p class="update-desc-r">打开微博客户端，查看全文</p>'
    )

    content, _ = ASSESSOR.judge(markup(html, "https://m.weibo.cn/status/1"))

    assert (content.kind, content.evidence[-1].rule) == (Content.PARTIAL, "wb-w4")


def test_less_text_than_the_policy_asks_for_is_a_shell() -> None:
    rules = load_rules(["generic"])
    there = markup("<main><p>It rains in the north and in the south.</p></main>")

    enough = RuleAssessor(rules, VerdictRules(main_characters=10)).judge(there)
    few = RuleAssessor(rules, VerdictRules(main_characters=300)).judge(there)

    assert [enough[0].kind, few[0].kind] == [Content.CONTENT, Content.SHELL]
    assert few[1].availability is Availability.INCONCLUSIVE


def test_without_any_rules_nothing_is_said() -> None:
    content, verdict = RuleAssessor(()).judge(markup(ARTICLE, ARTICLE_URL))

    assert (content.kind, verdict.undecided) == (Content.CONTENT, Undecided.UNKNOWN)


def test_a_notice_about_another_post_does_not_stand_for_the_page() -> None:
    html = (
        '<div class="Feed_retweet_JqZJb"><div class="detail_wbtext_4CRf9">'
        "抱歉，此微博已被作者删除。</div></div>"
    )

    _, verdict = ASSESSOR.judge(markup(html, "https://weibo.com/1/x"))

    assert verdict.availability is not Availability.UNAVAILABLE


OWN = """
schema = "snapshotter/takedown-rules@1"
id = "forum"
version = "1.0"
hosts = ["forum.example"]

[[notice]]
id = "f-01"
cause = "account_frozen"
account = "frozen"
select = ".gone p"
starts = ["Removed"]

[notice.extract]
detail = { select = ".gone p" }
cited_rule = { from = "detail", regex = '“([^”]+)”' }

[[account]]
id = "f-a1"
state = "frozen"
select = ".gone h2"
equals = ["Frozen"]
"""


def test_what_is_read_beside_a_notice_is_not_the_notice_and_a_state_is_told_once() -> None:
    rules = parse_rules(OWN, "forum.toml")
    html = '<div class="gone"><h2>Frozen</h2><p>Removed.</p><p>See “House rules”.</p></div>'

    _, verdict = RuleAssessor((rules,)).judge(markup(html, "http://forum.example/1"))

    assert (verdict.notice, verdict.notice_detail) == ("Removed.", "See “House rules”.")
    assert verdict.cited_rule == "House rules"
    assert [(account.state, account.evidence.rule) for account in verdict.accounts] == [
        ("frozen", "f-a1")
    ]


# Labels and accounts


def test_what_a_script_says_of_an_article_that_is_still_shown_is_a_label() -> None:
    html = f"<script>var is_rumor = '1';</script>{ARTICLE}"

    content, verdict = ASSESSOR.judge(markup(html, ARTICLE_URL))

    assert (content.kind, [label.label for label in verdict.labels]) == (
        Content.CONTENT,
        ["refuted"],
    )


def test_an_account_of_which_a_notice_speaks_is_named_by_the_address() -> None:
    url = "http://mp.weixin.qq.com/s?__biz=MzkwMDAwMDAwMQ==&mid=1&idx=1"

    _, verdict = ASSESSOR.judge(page(notice_page(WECHAT, "此帐号已被屏蔽, 内容无法查看"), url))

    assert [(account.state, account.account) for account in verdict.accounts] == [
        ("blocked", "wechat:MzkwMDAwMDAwMQ==")
    ]


# An assessment


def test_an_assessment_names_its_rule_files_and_the_article_behind_a_short_link() -> None:
    there = dataclasses.replace(site_page("wx/article"), requested_url=ARTICLE_URL)

    found = ASSESSOR.assess(there)

    assert [rule_file.id for rule_file in found.rule_files][-1] == "generic"
    assert found.identity == "wechat:MzkwMDAwMDAwMQ==/2650000001/1"
    assert "旧书市" in found.readings.main_text
    assert len(found.main_sha256) == 64


@pytest.mark.parametrize("url", ["http://a.example/", "https://weibo.com/1/x"])
def test_a_page_of_another_site_is_not_believed_to_be_an_article(url: str) -> None:
    there = dataclasses.replace(site_page("wx/article"), requested_url=url, final_url=url)

    assert ASSESSOR.assess(there).identity == ""


def test_the_same_page_gets_the_same_assessment() -> None:
    there = site_page("wx/violation")

    assert assessor().assess(there) == ASSESSOR.assess(there)
