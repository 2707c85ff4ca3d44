"""
Every notice of the platforms, in every form: in its place it is one, quoted it is none.

The table is typed from the platforms' own words, apart from the rule files: a slip in a
file is not repeated here.
"""

from dataclasses import dataclass

import pytest

from snapshotter.model.assessment import Availability, Cause, Content
from snapshotter.site import catalogue
from snapshotter.site.notices import (
    BILIBILI,
    DOUBAN,
    FACEBOOK,
    TIEBA,
    WECHAT,
    WEIBO,
    WEIBO_MOBILE,
    YOUTUBE,
    X,
    notice_page,
)
from tests.cases import in_one_test
from tests.unit.assess.pages import assessor, page, site_page

ASSESSOR = assessor()


@dataclass(frozen=True, slots=True)
class Known:
    """A notice, where it stands, and what it says."""

    rule: str
    host: str
    text: str
    cause: Cause
    shape: str = ""
    detail: str = ""
    cited: str = ""
    takedown: bool = True
    account: str = ""


def wechat(rule: str, text: str, cause: Cause, *, account: str = "", **more: str | bool) -> Known:
    return Known(rule, WECHAT, text, cause, account=account, **more)  # type: ignore[arg-type]


def weibo(rule: str, text: str, cause: Cause, shape: str, **more: str | bool) -> Known:
    host = WEIBO_MOBILE if shape == "h5" else WEIBO
    return Known(rule, host, text, cause, shape, **more)  # type: ignore[arg-type]


HELP = "查看帮助：http://t.cn/Rfd3rQV"
PLEDGE, COMMUNITY = "微博社区公约", "微博社区管理规定"
ACT_2014 = "即时通信工具公众信息服务发展管理暂行规定"
ACT_2017 = "互联网用户公众账号信息服务管理规定"
ACT_CSL = "中华人民共和国网络安全法"

WECHAT_NOTICES = (
    wechat("wx-01", "该内容已被发布者删除", Cause.AUTHOR),
    wechat("wx-01", "该内容已被发布者删除", Cause.AUTHOR, shape="global-error"),
    wechat("wx-01", "The content has been deleted by the author.", Cause.AUTHOR),
    wechat("wx-02", "此内容因违规无法查看", Cause.PLATFORM_RULE),
    wechat(
        "wx-02",
        "Unable to view this content because it violates regulations",
        Cause.PLATFORM_RULE,
    ),
    *(
        wechat(
            "wx-02",
            "此内容因违规无法查看",
            Cause.PLATFORM_RULE,
            detail=f"接相关投诉，此内容违反《{act}》，查看详细内容",
            cited=act,
        )
        for act in (ACT_2014, ACT_2017, ACT_CSL)
    ),
    wechat("wx-03", "此内容被投诉且经审核涉嫌侵权，无法查看。", Cause.COMPLAINT_IP),
    wechat("wx-04", "此内容被多人投诉，相关的内容无法进行查看。", Cause.COMPLAINT_MANY),
    wechat("wx-05", "此帐号已被屏蔽, 内容无法查看", Cause.ACCOUNT_BLOCKED, account="blocked"),
    wechat("wx-05", "此账号已被屏蔽，内容无法查看", Cause.ACCOUNT_BLOCKED, account="blocked"),
    wechat("wx-06", "此帐号已自主注销，内容无法查看", Cause.ACCOUNT_CLOSED, account="closed"),
    wechat("wx-07", "该公众号已迁移", Cause.MOVED, account="migrated"),
    wechat(
        "wx-08", "原帐号迁移时未将文章素材同步至新帐号，该链接已不可访问", Cause.MOVED,
        account="migrated",
    ),
    wechat("wx-09", "此帐号处于帐号迁移流程中", Cause.TEMPORARY, account="migrating"),
    wechat("wx-09", "此帐号已申请帐号迁移", Cause.TEMPORARY, account="migrating"),
    wechat(
        "wx-09", "此帐号已申请公众号帐号迁移流程，被冻结/回收，小主页暂无法访问。",
        Cause.TEMPORARY, account="migrating",
    ),
    wechat("wx-10", "此内容发送失败无法查看", Cause.REVIEW_FAILED),
    wechat("wx-10a", "此内容因涉嫌违反相关法律法规和政策发送失败", Cause.REVIEW_FAILED),
    wechat("wx-11", "该内容暂时无法查看", Cause.TEMPORARY, shape="mesg-block"),
    wechat("wx-12", "根据作者隐私设置，无法查看该内容", Cause.OWNER_SETTING, takedown=False),
    wechat("wx-13", "链接已过期", Cause.EXPIRED, takedown=False),
    wechat("wx-14", "投诉类型", Cause.COMPLAINT_IP, detail="冒名侵权"),
    wechat("wx-15", "该文章已被第三方辟谣", Cause.REFUTED),
    wechat("wx-16", "已停止访问该网页", Cause.PLATFORM_RULE),
    wechat(
        "wx-17", "经大量用户投诉，此帐号存在违规行为，已限制跳转到小主页。",
        Cause.PLATFORM_RULE, account="restricted",
    ),
)  # fmt: skip
WEIBO_NOTICES = (
    weibo("wb-01", f"抱歉，此微博已被作者删除。{HELP}", Cause.AUTHOR, "text"),
    weibo("wb-01", "抱歉，此微博已被作者删除。查看帮助：http://t.cn/zWSudZc", Cause.AUTHOR, "text"),
    weibo("wb-01", "抱歉，此微博已被作者删除。", Cause.AUTHOR, "h5"),
    weibo("wb-02", "抱歉，此微博已被删除。查看帮助：http://t.cn/EAL6hw7", Cause.NOT_STATED, "text"),
    weibo("wb-02", "抱歉，此微博已被删除。查看帮助：t.cn/8sYl7Qb", Cause.NOT_STATED, "sorry"),
    weibo(
        "wb-03",
        f"该微博因被多人举报，根据《{COMMUNITY}》，已被删除。查看帮助：http://t.cn/Rfd14WY",
        Cause.PLATFORM_RULE, "text", cited=COMMUNITY,
    ),
    weibo(
        "wb-04", f"该微博因被多人投诉，根据《{PLEDGE}》，已被删除。",
        Cause.PLATFORM_RULE, "text", cited=PLEDGE,
    ),
    weibo(
        "wb-04", f"该微博因被投诉违反《{PLEDGE}》的相关规定，已被删除",
        Cause.PLATFORM_RULE, "text", cited=PLEDGE,
    ),
    weibo(
        "wb-04", f"该微博因违反《{PLEDGE}》的相关规定，已被删除",
        Cause.PLATFORM_RULE, "text", cited=PLEDGE,
    ),
    weibo(
        "wb-05", f"该账号因被投诉违反法律法规和《{PLEDGE}》的相关规定，现已无法查看。查看帮助",
        Cause.ACCOUNT_BLOCKED, "sorry", cited=PLEDGE, account="blocked",
    ),
    weibo(
        "wb-06", f"该账号因被投诉违反《{PLEDGE}》的相关规定，现已无法查看。",
        Cause.ACCOUNT_BLOCKED, "sorry", cited=PLEDGE, account="blocked",
    ),
    weibo("wb-07", "该账号因用户自行申请关闭，现已无法查看。", Cause.ACCOUNT_CLOSED, "sorry",
          account="closed"),
    weibo("wb-07", "该账号已关闭，现无法查看。", Cause.ACCOUNT_CLOSED, "api", account="closed"),
    weibo("wb-08", "该账号行为异常，存在安全风险，用户验证之前暂时不能查看。",
          Cause.ACCOUNT_ABNORMAL, "sorry", account="abnormal"),
    weibo("wb-08", "该账号内容存在风险，用户验证之前暂时不能查看。",
          Cause.ACCOUNT_ABNORMAL, "api", account="abnormal"),
    weibo("wb-09", "抱歉，您当前访问的帐号异常，暂时无法访问。(20003)",
          Cause.ACCOUNT_ABNORMAL, "sorry", account="abnormal"),
    weibo(
        "wb-10",
        "抱歉，由于作者设置，你暂时没有这条微博的查看权限哦。查看帮助：http://t.cn/RfdBWwP",
        Cause.OWNER_SETTING, "text", takedown=False,
    ),
    weibo("wb-11", "抱歉，作者已设置仅展示半年内微博，此微博已不可见。",
          Cause.OWNER_SETTING, "text", takedown=False),
    weibo("wb-11", "抱歉，根据作者设置的微博可见时间范围，此微博已不可见。",
          Cause.OWNER_SETTING, "h5", takedown=False),
    weibo("wb-12", "根据博主设置，此内容无法访问", Cause.OWNER_SETTING, "text", takedown=False),
    weibo("wb-12", "由于博主设置，目前内容暂不可见。", Cause.OWNER_SETTING, "text", takedown=False),
    weibo("wb-13", "微博不存在或暂无查看权限!", Cause.NOT_STATED, "h5"),
    weibo("wb-14", "由于作者隐私设置，你没有权限查看此微博", Cause.NOT_STATED, "h5"),
    weibo("wb-s1", "根据相关法律法规和政策，“石桥”搜索结果未予显示", Cause.PLATFORM_RULE, "h5"),
)  # fmt: skip
TERMINATED = (
    "This video is no longer available because the YouTube account associated with this video"
    " has been terminated"
)
LIMITED = (
    "You're unable to view this Post because this account owner limits who can view their Posts."
)
OTHER_NOTICES = (
    Known("x-author", X, "This Post was deleted by the Post author.", Cause.AUTHOR),
    Known("x-suspended", X, "This Post is from a suspended account.", Cause.ACCOUNT_BLOCKED,
          account="blocked"),
    Known("x-closed", X, "This Post is from an account that no longer exists.",
          Cause.ACCOUNT_CLOSED, account="closed"),
    Known("x-rules", X, "This Post violated the X Rules.", Cause.PLATFORM_RULE),
    Known("x-limited", X, LIMITED, Cause.OWNER_SETTING, takedown=False),
    Known("x-limited", X, LIMITED.replace("'", "’"), Cause.OWNER_SETTING, takedown=False),
    Known("yt-author", YOUTUBE, "This video has been removed by the uploader", Cause.AUTHOR),
    Known("yt-rules", YOUTUBE, "This video has been removed for violating YouTube's policy on hate"
          " speech", Cause.PLATFORM_RULE),
    Known("yt-terminated", YOUTUBE, TERMINATED, Cause.ACCOUNT_BLOCKED, account="blocked"),
    Known("yt-terminated", YOUTUBE, f"{TERMINATED}.", Cause.ACCOUNT_BLOCKED, account="blocked"),
    Known("fb-gone", FACEBOOK, "This content isn't available right now", Cause.NOT_STATED),
    Known("bili-gone", BILIBILI, "啊叻？视频不见了？", Cause.NOT_STATED),
    Known("bili-hidden", BILIBILI, "稿件不可见", Cause.NOT_STATED),
    Known("tieba-closed", TIEBA, "抱歉，根据相关法律法规和政策，本吧暂不开放。",
          Cause.PLATFORM_RULE),
    Known("douban-search", DOUBAN, "根据相关法律法规和政策，搜索结果未予显示。",
          Cause.PLATFORM_RULE),
)  # fmt: skip
NOTICES = (*WECHAT_NOTICES, *WEIBO_NOTICES, *OTHER_NOTICES)


def name_of(known: Known) -> str:
    return f"{known.rule} {known.shape} {known.text[:30]} {known.cited[:4]}"


@in_one_test("known", NOTICES, ids=name_of)
def test_a_notice_in_its_place_is_known_by_its_rule(known: Known) -> None:
    response = notice_page(known.host, known.text, known.detail, shape=known.shape)

    content, verdict = ASSESSOR.judge(page(response, f"http://{known.host}/some/page"))

    assert (verdict.rule, verdict.cause) == (known.rule, known.cause)
    assert content.kind is Content.NOTICE
    assert verdict.availability is Availability.UNAVAILABLE
    assert verdict.cited_rule == known.cited
    assert verdict.takedown is known.takedown
    assert [account.state for account in verdict.accounts] == [known.account] * bool(known.account)
    assert known.text in " ".join(verdict.notice.split()) or known.shape == "api"
    languages = dict(verdict.gloss)
    assert languages["en"]
    assert languages["zh-Hans"]


@in_one_test("known", NOTICES, ids=name_of)
@in_one_test("place", ["title", "sentence", "whole text"])
def test_a_notice_inside_a_real_article_is_something_that_it_says(known: Known, place: str) -> None:
    words = known.text + known.detail
    others = (
        "上个星期六，河边的旧书市又开张了，来的人比去年多。",
        "The ferry leaves at ten past six, and there is no later one.",
    )
    title, sentences = {
        "title": (words, others),
        "sentence": ("河边的旧书市", (others[0], words, others[1])),
        "whole text": (words, (words, others[0])),
    }[place]
    hosts = (WEIBO, WEIBO_MOBILE) if known.host in (WEIBO, WEIBO_MOBILE) else (known.host,)
    for host in hosts:
        response = catalogue.article(host, title, sentences)

        content, verdict = ASSESSOR.judge(page(response, f"http://{host}/some/page"))

        if host == DOUBAN:  # the site shows no articles of it; the newspaper's is not its shape
            assert verdict.availability is not Availability.UNAVAILABLE
            continue
        assert (content.kind, verdict.availability) == (Content.CONTENT, Availability.AVAILABLE)
        assert not verdict.labels


@in_one_test("known", NOTICES, ids=name_of)
def test_a_notice_in_a_story_of_a_newspaper_is_something_that_it_says(known: Known) -> None:
    sentences = ("Readers sent in what they found.", known.text, "Nobody knows more than that.")

    content, verdict = ASSESSOR.judge(
        page(catalogue.article("news.example", known.text, sentences), "http://news.example/1")
    )

    assert (content.kind, verdict.availability) == (Content.CONTENT, Availability.AVAILABLE)


def test_small_print_that_is_half_translated_is_known() -> None:
    _, verdict = ASSESSOR.judge(site_page("wx/violation-en"))

    assert [evidence.rule for evidence in verdict.evidence] == ["wx-02", "wx-02a"]
    assert verdict.rule_id == "1"


@pytest.mark.parametrize("act", [ACT_2014, ACT_2017, ACT_CSL])
def test_small_print_that_names_an_act_is_known(act: str) -> None:
    detail = f"接相关投诉，此内容违反《{act}》，查看详细内容"
    response = notice_page(WECHAT, "此内容因违规无法查看", detail)

    _, verdict = ASSESSOR.judge(page(response, "http://mp.weixin.qq.com/s/x"))

    assert [evidence.rule for evidence in verdict.evidence] == ["wx-02", "wx-02b"]
    assert verdict.notice_detail == detail


def test_a_failed_review_names_its_small_print() -> None:
    response = notice_page(
        WECHAT, "此内容发送失败无法查看", "此内容因涉嫌违反相关法律法规和政策发送失败"
    )

    _, verdict = ASSESSOR.judge(page(response, "http://mp.weixin.qq.com/s/x"))

    assert [evidence.rule for evidence in verdict.evidence] == ["wx-10", "wx-10a"]
