"""The fixture site: the same pages each time, with the properties that tests rely on."""

import contextlib
import http.client
import io
import json
import re
import urllib.request
from collections.abc import Iterator
from datetime import timedelta

import pytest
import zxingcpp
from PIL import Image

from snapshotter.policy.page_identity import weibo_number
from snapshotter.site import hostile, wechat, weibo
from snapshotter.site.catalogue import (
    PAGES,
    article,
    follow_visit,
    host_of,
    hosts,
    names,
    render,
)
from snapshotter.site.news import TEASERS
from snapshotter.site.notices import (
    NOTICES,
    WECHAT,
    WEIBO,
    WEIBO_MOBILE,
    notice,
    notice_page,
)
from snapshotter.site.pictures import SHORT_LINK, placeholder, qr_code, scene
from snapshotter.site.rendered_pages import rendered_page
from snapshotter.site.response import Response
from snapshotter.site.server import FixtureSite
from snapshotter.site.state import BEGIN, SiteState, available, campaign, removed, wall
from tests.cases import in_one_test

MINUTE = timedelta(minutes=1)
REFERER = {"Referer": f"http://{WECHAT}/s/x"}


@pytest.fixture
def site() -> Iterator[FixtureSite]:
    with FixtureSite() as site:
        yield site


def get(url: str, host: str, port: int, **headers: str) -> tuple[bytes, str]:
    """Ask the running site under one of its names, as a resolver would have it."""
    request = urllib.request.Request(  # noqa: S310  # loopback, built by the test
        url.replace(f"//{host}:", "//127.0.0.1:"), headers={"Host": f"{host}:{port}", **headers}
    )
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
        return answer.read(), answer.headers["Date"]


def sent(site: FixtureSite, name: str) -> tuple[int, bytes]:
    """Return the status and the body that a page is answered with, whatever they are."""
    line = http.client.HTTPConnection("127.0.0.1", site.port, timeout=30)
    line.request("GET", f"/{name}", headers={"Host": f"{host_of(name)}:{site.port}"})
    answer = line.getresponse()
    with contextlib.closing(line):
        return answer.status, answer.read()


# What there is


@pytest.mark.parametrize(
    "name",
    [
        "news/2014",
        "wx/article", "wx/image-post", "wx/deleted-zh", "wx/deleted-en", "wx/violation",
        "wx/violation-2014", "wx/violation-2017", "wx/violation-csl", "wx/temporarily",
        "wx/blocked", "wx/closed", "wx/migrated", "wx/frozen-name", "wx/rumor",
        "wx/captcha-auto", "wx/captcha-hard", "wx/quotes-notice", "wx/future-wording",
        "wb/post", "wb/repost-deleted", "wb/sorry", "wb/api", "wb/visitor", "wb/414",
        "wb/half-year", "soft404", "real404", "410", "451", "legal-451-body",
    ],
)  # fmt: skip
def test_every_row_of_the_table_is_a_page(name: str) -> None:
    found = follow_visit(name).response

    assert found.body
    assert found == follow_visit(name).response  # the same each time


def test_a_page_answers_under_its_plain_path_and_its_name_alike() -> None:
    assert render("wx/deleted-zh") == render("/wx/deleted-zh")
    assert host_of("/wx/deleted-zh") == WECHAT
    assert render("/nothing/here").status == 404


@in_one_test("variant", sorted(NOTICES))
def test_every_notice_stands_on_its_page_word_for_word(variant: str) -> None:
    text = notice(variant).text.replace("&amp;", "&")

    assert NOTICES[variant].text in text
    assert NOTICES[variant].detail in text


@pytest.mark.parametrize("host", sorted({notice.host for notice in NOTICES.values()}))
def test_an_article_holds_any_words_where_a_story_holds_them(host: str) -> None:
    words = "该内容已被发布者删除 <b>"

    found = article(host, words, ("A first sentence.", words)).text

    assert found.count("该内容已被发布者删除 &lt;b&gt;") >= 2
    assert "<b>" not in found


def test_what_a_notice_says_is_text_and_never_markup() -> None:
    for host in {known.host for known in NOTICES.values()} | {"news.example"}:
        assert "<script>" not in notice_page(host, "<script>", "<script>").text


def test_every_page_with_a_verdict_says_so_once() -> None:
    assert len(set(names())) == len(names())
    assert {"wx/quotes-notice", "wx/future-wording", "wb/half-year"} <= set(names())
    assert "hostile/flood" not in names()


# WeChat


@pytest.mark.parametrize("story", [wechat.ARTICLE, wechat.QUOTES, wechat.account_story(3, 7)])
def test_an_article_has_a_long_and_a_short_address(story: wechat.Story) -> None:
    plain = render(wechat.name_of(story))

    assert render(story.address, authority=WECHAT) == plain
    assert render(f"/s/{story.short}", authority=WECHAT) == plain
    assert f'var mid = "{story.mid}"' in plain.text


def test_an_account_has_an_address_too() -> None:
    path = f"/mp/profile_ext?action=home&__biz={wechat.account_story(44, 0).biz}"

    assert render(path, authority=WECHAT) == render("wx/account/44")
    assert render("/mp/profile_ext?__biz=é%00", authority=WECHAT).status == 404


def test_an_address_of_no_article_is_an_error_of_the_platform() -> None:
    other = wechat.ARTICLE.address.replace("idx=1", "idx=2")

    assert "参数错误" in render(other, authority=WECHAT).text
    assert "参数错误" in render("/s?mid=²", authority=WECHAT).text


def test_an_article_hides_its_text_until_its_script_runs_and_tells_of_its_visitor() -> None:
    text = render("wx/article").text

    assert 'id="js_content" style="visibility: hidden; opacity: 0;"' in text
    assert 'id="publish_time" class="rich_media_meta rich_media_meta_text"></em>' in text
    assert 'ori_create_time = "1767346773"' in text
    assert text.count("data-src=") == 12
    for canary in (wechat.UIN, wechat.SHARER, wechat.DEVICE, "isoversea"):
        assert canary in text


def test_an_image_is_a_placeholder_to_those_who_come_from_elsewhere() -> None:
    first, *_, code = re.findall(r'data-src="http://([^/]+)(/[^"?]+)', render("wx/article").text)

    def image(picture: tuple[str, str], **headers: str) -> Response:
        return render(picture[1], authority=picture[0], headers=headers)

    assert image(first, **REFERER).body != placeholder()
    assert image(first).body == image(first, Referer="http://other.example/").body == placeholder()
    assert image(code, **REFERER).body == qr_code()
    with Image.open(io.BytesIO(placeholder())) as opened:
        assert opened.size == (140, 140)


def test_images_that_are_missing_are_not_there() -> None:
    state = SiteState().change("wx/article", BEGIN, available(images_missing=2))

    addresses = re.findall(r'data-src="http://([^/]+)(/[^"?]+)', render("wx/article", state).text)
    statuses = [render(path, authority=at, headers=REFERER).status for at, path in addresses]

    assert statuses == [404, 404] + [200] * 10


def test_the_code_is_one_that_readers_read_and_it_says_the_short_link() -> None:
    with Image.open(io.BytesIO(qr_code())) as opened:
        (found,) = zxingcpp.read_barcodes(opened.convert("L"))

    assert found.text == SHORT_LINK


def test_a_scene_is_a_picture_and_every_number_another_one() -> None:
    for number in range(20):
        with Image.open(io.BytesIO(scene(number))) as opened:
            opened.load()
            assert opened.size == (640, 360)
    assert len({scene(number) for number in range(20)}) == 20


def test_the_short_link_is_three_hops_long() -> None:
    found = settle_from(SHORT_LINK)

    assert [url.split("/")[2] for url in found] == ["t.cn", "url.cn", "bit.ly"]


def settle_from(url: str) -> list[str]:
    hops: list[str] = []
    while True:
        _, _, authority, path = url.split("/", 3)
        location = render(f"/{path}", authority=authority).header("Location")
        if not location:
            return hops
        hops.append(url)
        url = location


def test_a_verification_lets_go_of_one_article_and_not_of_the_other() -> None:
    auto = render(render_path("wx/captcha-auto"), authority=WECHAT)
    hard = render(render_path("wx/captcha-hard"), authority=WECHAT)

    assert "location.replace" in auto.text
    assert "location.replace" not in hard.text
    assert "环境异常" in auto.text
    assert "js_article" in follow_visit("wx/captcha-auto").response.text


def render_path(name: str) -> str:
    return "/" + render(name).header("Location").split("/", 3)[3]


def test_a_rumour_is_an_article_whose_script_goes_elsewhere() -> None:
    found = follow_visit("wx/rumor")

    assert found.url.endswith("/mp/rumor")
    (before,) = found.before
    assert "js_article" in before.response.text
    assert "js_article" not in found.response.text


# As a capture keeps it


def test_an_article_without_a_browser_is_as_its_script_leaves_it() -> None:
    page = rendered_page("wx/article")

    assert ">2026-01-02 17:39</em>" in page.html
    assert "visibility: hidden" not in page.html
    assert b"visibility: hidden" in page.raw
    assert page.images.loaded == 12
    assert "河边的旧书市停了整整六个星期" in page.text
    assert wechat.UIN not in page.text
    assert (page.status, page.media_type) == (200, "text/html")


def test_a_page_without_a_browser_says_which_way_it_came() -> None:
    rumour, hard, visitor = map(rendered_page, ("wx/rumor", "wx/captcha-hard", "wb/visitor"))

    assert [redirect.kind for redirect in rumour.redirects] == ["client"]
    assert b"js_article" in rumour.raw_before[0]
    assert [redirect.kind for redirect in hard.redirects] == ["http"]
    assert hard.redirects[0].to_url == hard.final_url
    assert visitor.final_url.startswith("http://passport.weibo.com/visitor/visitor?")


def test_the_text_of_the_story_keeps_blocks_apart() -> None:
    lines = rendered_page("news/2014").text.splitlines()

    assert lines[lines.index("Published") + 1] == "on"
    assert "Leave a Reply" in lines


def test_data_are_shown_as_a_browser_shows_them() -> None:
    page = rendered_page("wb/api-20112")

    assert page.media_type == "application/json"
    assert "error_code" in page.html
    assert json.loads(page.raw)["error_code"] == 20112


# Weibo


def test_a_post_has_one_number_in_two_spellings() -> None:
    for post in (weibo.POST, weibo.REPOST):
        assert weibo_number(post.short) == int(post.mid)


def test_a_post_is_one_on_both_sites_and_in_the_data() -> None:
    state = SiteState().change("wb/post", BEGIN, available(reposts=512, likes=123_456))
    for host, path in (
        (WEIBO_MOBILE, f"/status/{weibo.POST.mid}"),
        (WEIBO_MOBILE, f"/detail/{weibo.POST.mid}"),
        (WEIBO, f"/{weibo.POST.uid}/{weibo.POST.short}"),
    ):
        text = render(path, state, authority=host).text
        assert ">512<" in text
        assert ">10万+<" in text
    assert '"attitudes_count": 123456' in render("wb/post", state).text


def test_the_data_of_a_post_follow_the_post() -> None:
    path = f"/ajax/statuses/show?id={weibo.POST.short}"
    state = SiteState().change("wb/post", BEGIN, available(reposts=512))

    assert json.loads(render(path, state, authority=WEIBO).body)["reposts_count"] == 512
    gone = SiteState().change("wb/post", BEGIN, removed())
    assert json.loads(render(path, gone, authority=WEIBO).body)["error_code"] == 20112


# Time and state


def test_a_page_is_there_and_then_gone_and_then_there_again() -> None:
    state = (
        SiteState()
        .change("wx/article", BEGIN + 40 * MINUTE, removed("wx-02-2014"))
        .change("wx/article", BEGIN + 90 * MINUTE, available())
        .change("wx/article", BEGIN + 20 * MINUTE, wall())
    )

    def at(minutes: int) -> str:
        return follow_visit("wx/article", state.until(BEGIN + minutes * MINUTE)).response.text

    assert "js_article" in at(0)
    assert "环境异常" in at(20)
    assert "即时通信工具" in at(40)
    assert "即时通信工具" in at(89)
    assert "js_article" in at(90)


@pytest.mark.parametrize(
    "name", ["wx/article", "wx/image-post", "wb/post", "wb/post-desktop", "news/2014", "x/post"]
)
def test_what_is_removed_shows_nothing_of_what_was_there(name: str) -> None:
    there = follow_visit(name).response.text
    state = SiteState().change(name, BEGIN, removed())

    gone = follow_visit(name, state).response.text

    for words in ("旧书市", "九张照片", "Accounts closed", "ferry leaves"):
        if words in there:
            assert words not in gone
    assert gone != there


def test_an_edition_of_the_side_column_leaves_the_story_as_it_is() -> None:
    def parts(edition: int) -> tuple[str, str]:
        state = SiteState().change("news/2014", BEGIN, available(sidebar=edition))
        before, mark, after = render("news/2014", state).text.partition("<aside")
        return before, mark + after

    assert parts(0)[0] == parts(1)[0]
    assert parts(0)[1] != parts(1)[1]
    assert parts(1)[1].count('class="teaser"') == 10
    assert len(TEASERS) == 10


def test_one_figure_of_the_story_can_change_and_nothing_else() -> None:
    state = SiteState().change("news/2014", BEGIN, available(figure=41))

    assert render("news/2014", state).text == render("news/2014").text.replace(
        "at least 40 accounts", "at least 41 accounts"
    )


def test_of_a_campaign_so_many_accounts_are_gone_with_their_articles() -> None:
    state = campaign(SiteState(), 41, BEGIN + MINUTE)

    def gone(later: SiteState, path: str) -> int:
        return sum("weui-msg" in render(path.format(n), later).text for n in range(45))

    assert gone(state, "wx/account/{}/0") == 0
    assert gone(state.later(MINUTE), "wx/account/{}/0") == 41
    assert gone(state.later(MINUTE), "wx/account/{}") == 41


def test_an_account_can_be_frozen_while_its_articles_are_there() -> None:
    frozen = available(account="该帐号已冻结")
    state = SiteState().change("wx/account/3", BEGIN, frozen)

    assert "该帐号已冻结" in render("wx/account/3", state).text
    assert "该帐号已冻结" not in render("wx/account/3/0", state).text
    assert render("wx/account/3/0", state) == render("wx/account/3/0")


def test_a_feed_grows() -> None:
    state = SiteState().change("news/feed", BEGIN, available(items=6))

    assert render("/news/feed.xml").text.count("<item>") == 3
    assert render("/news/feed.xml", state).text.count("<item>") == 6


def test_what_was_said_of_one_page_goes_before_what_was_said_of_all() -> None:
    state = SiteState().change("wx/account/*", BEGIN, removed()).change(
        "wx/account/2/0", BEGIN, available()
    )  # fmt: skip

    assert "weui-msg" in render("wx/account/1/0", state).text
    assert "js_article" in render("wx/account/2/0", state).text


# Over HTTP


def test_the_site_has_its_own_clock_and_says_it(site: FixtureSite) -> None:
    site.clock = BEGIN
    site.advance(timedelta(hours=1))

    _, date = get(site.url("/wx/article"), WECHAT, site.port)

    assert date == "Thu, 08 Jan 2026 02:51:38 GMT"


def test_the_host_that_is_asked_decides_and_every_request_is_noted(site: FixtureSite) -> None:
    body, _ = get(site.url(wechat.ARTICLE.address, WECHAT), WECHAT, site.port, Referer="http://a/")
    site.show("wx/article", removed("wx-01-en"))
    after, _ = get(site.url("/wx/article"), WECHAT, site.port)

    assert f"//mmbiz.qpic.cn:{site.port}/".encode() in body
    assert "deleted by the author" in after.decode()
    assert [(request.host, request.path, request.referer) for request in site.requests] == [
        (WECHAT, wechat.ARTICLE.address, "http://a/"),
        (WECHAT, "/wx/article", ""),
    ]
    site.forget()
    assert site.requests == ()


def test_a_page_without_a_script_is_shown_as_it_was_sent(site: FixtureSite) -> None:
    """So a verdict on what is shown is one on what a browser would have: see tests/e2e."""
    still = [
        "wx/deleted-zh", "wx/deleted-en", "wx/violation", "wx/violation-2014", "wx/violation-2017",
        "wx/violation-csl", "wx/temporarily", "wx/blocked", "wx/closed", "wx/future-wording",
        "wb/414", "wb/half-year", "soft404", "real404", "410", "451", "legal-451-body",
    ]  # fmt: skip

    for name in still:
        page = rendered_page(name)
        status, body = sent(site, name)
        assert (status, body) == (page.status, page.html.encode()), name
        assert b"<script" not in body, name


def test_a_bare_address_is_answered_by_the_host_of_the_page(site: FixtureSite) -> None:
    body, _ = get(f"http://127.0.0.1:{site.port}/wx/deleted-zh", "127.0.0.1", site.port)

    assert "该内容已被发布者删除" in body.decode()


def test_a_flood_is_promised_whole_and_ends_with_the_site(site: FixtureSite) -> None:
    request = urllib.request.Request(f"http://127.0.0.1:{site.port}/hostile/flood")
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
        assert int(answer.headers["Content-Length"]) == hostile.FLOOD_BYTES
        assert len(answer.read(1 << 16)) == 1 << 16


def test_no_page_asks_for_anything_outside_the_site() -> None:
    ours = hosts() | {"169.254.169.254", "10.0.0.1", "court.example"}
    for name in PAGES:
        text = render(name).text
        for found in re.findall(r"""(?:src|data-src)=["']?(?:https?:)?//([^/"'?:]+)""", text):
            assert found in ours | {"["}, f"{name} asks {found}"
