"""
List the short removal notices of platforms, word for word, and make the pages that show them; and
list the kinds of walls.

The words are the platforms' own. The key of a notice is the id of the rule that matches it, and a
suffix for a variant ("wx-02-en"). The rest of each page is ours. Where a platform shows a sentence
in several places, `NOTICES` has the place where most people see it.
"""

from collections.abc import Mapping
from html import escape
from types import MappingProxyType
from urllib.parse import quote

from snapshotter.model.assessment import WallKind
from snapshotter.site.response import Response, data, document, html
from snapshotter.value_class import dataclass

WECHAT = "mp.weixin.qq.com"
WEIBO = "weibo.com"
WEIBO_MOBILE = "m.weibo.cn"
WEIBO_SEARCH = "s.weibo.com"
X = "x.com"
YOUTUBE = "www.youtube.com"
FACEBOOK = "www.facebook.com"
BILIBILI = "www.bilibili.com"
TIEBA = "tieba.baidu.com"
DOUBAN = "www.douban.com"

COMPLAINT = "由用户投诉并经平台审核，涉嫌过度营销、骚扰用户，查看"
COMPLAINT_HALF = "由用户投诉并经平台审核，violating relevant laws and regulations，查看"
ACT_2014 = "即时通信工具公众信息服务发展管理暂行规定"
ACT_2017 = "互联网用户公众账号信息服务管理规定"
ACT_CSL = "中华人民共和国网络安全法"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One notice: its words, and in which shape of page they stand."""

    host: str
    text: str
    detail: str = ""  # a second sentence, below
    shape: str = ""  # of `notice_page`; "" for the host's usual one
    rule_id: str = ""  # the platform's number of a rule, in a link of the detail
    moved_to: str = ""  # where an account went


def _wechat(text: str, detail: str = "", **more: str) -> Notice:
    return Notice(host=WECHAT, text=text, detail=detail, **more)


def _weibo(text: str, shape: str = "sorry", host: str = WEIBO) -> Notice:
    return Notice(host=host, text=text, shape=shape)


def _against(act: str) -> str:
    return f"接相关投诉，此内容违反《{act}》，查看详细内容"


_VIOLATION = "此内容因违规无法查看"

# By the number of the rule in the shipped files of rules; letters tell forms of one apart.
NOTICES: Mapping[str, Notice] = MappingProxyType(
    {
        "wx-01": _wechat("该内容已被发布者删除"),
        "wx-01-en": _wechat("The content has been deleted by the author."),
        "wx-01-old": _wechat("该内容已被发布者删除", shape="global-error"),
        "wx-02": _wechat(_VIOLATION, COMPLAINT, rule_id="26"),
        "wx-02-en": _wechat(
            "Unable to view this content because it violates regulations",
            COMPLAINT_HALF,
            rule_id="1",
        ),
        "wx-02-2014": _wechat(_VIOLATION, _against(ACT_2014)),
        "wx-02-2017": _wechat(_VIOLATION, _against(ACT_2017)),
        "wx-02-csl": _wechat(_VIOLATION, _against(ACT_CSL)),
        "wx-03": _wechat("此内容被投诉且经审核涉嫌侵权，无法查看。"),
        "wx-04": _wechat("此内容被多人投诉，相关的内容无法进行查看。"),
        "wx-05": _wechat("此帐号已被屏蔽, 内容无法查看"),
        "wx-05-b": _wechat("此账号已被屏蔽，内容无法查看"),
        "wx-06": _wechat("此帐号已自主注销，内容无法查看"),
        "wx-07": _wechat(
            "该公众号已迁移",
            moved_to="http://mp.weixin.qq.com/mp/profile_ext?action=home&__biz=MzkwMDAwMDAwOQ==",
        ),
        "wx-08": _wechat("原帐号迁移时未将文章素材同步至新帐号，该链接已不可访问"),
        "wx-09": _wechat("此帐号处于帐号迁移流程中"),
        "wx-09-b": _wechat("此帐号已申请帐号迁移"),
        "wx-09-c": _wechat("此帐号已申请公众号帐号迁移流程，被冻结/回收，小主页暂无法访问。"),
        "wx-10": _wechat("此内容发送失败无法查看", "此内容因涉嫌违反相关法律法规和政策发送失败"),
        "wx-11": _wechat("该内容暂时无法查看", shape="mesg-block"),
        "wx-12": _wechat("根据作者隐私设置，无法查看该内容"),
        "wx-13": _wechat("链接已过期"),
        "wx-14": _wechat("投诉类型", "冒名侵权", shape="global-error"),
        "wx-16": _wechat("已停止访问该网页"),
        "wx-17": _wechat("经大量用户投诉，此帐号存在违规行为，已限制跳转到小主页。"),
        "wx-w4": _wechat("系统出错", shape="global-error"),
        "wx-w4-b": _wechat("参数错误", shape="global-error"),
        "wb-01": _weibo("抱歉，此微博已被作者删除。查看帮助：http://t.cn/Rfd3rQV", "text"),
        "wb-02": _weibo("抱歉，此微博已被删除。查看帮助：http://t.cn/EAL6hw7", "text"),
        "wb-03": _weibo(
            "该微博因被多人举报，根据《微博社区管理规定》，已被删除。查看帮助：http://t.cn/Rfd14WY",
            "text",
        ),
        "wb-04": _weibo("该微博因被多人投诉，根据《微博社区公约》，已被删除。", "text"),
        "wb-04-b": _weibo("该微博因被投诉违反《微博社区公约》的相关规定，已被删除", "text"),
        "wb-04-c": _weibo("该微博因违反《微博社区公约》的相关规定，已被删除", "text"),
        "wb-05": _weibo(
            "该账号因被投诉违反法律法规和《微博社区公约》的相关规定，现已无法查看。查看帮助"
        ),
        "wb-06": _weibo("该账号因被投诉违反《微博社区公约》的相关规定，现已无法查看。"),
        "wb-07": _weibo("该账号因用户自行申请关闭，现已无法查看。"),
        "wb-07-b": _weibo("该账号已关闭，现无法查看。"),
        "wb-08": _weibo("该账号行为异常，存在安全风险，用户验证之前暂时不能查看。"),
        "wb-08-b": _weibo("该账号内容存在风险，用户验证之前暂时不能查看。"),
        "wb-09": _weibo("抱歉，您当前访问的帐号异常，暂时无法访问。(20003)"),
        "wb-10": _weibo(
            "抱歉，由于作者设置，你暂时没有这条微博的查看权限哦。查看帮助：http://t.cn/RfdBWwP",
            "text",
        ),
        "wb-11": _weibo("抱歉，作者已设置仅展示半年内微博，此微博已不可见。", "text"),
        "wb-11-b": _weibo("抱歉，根据作者设置的微博可见时间范围，此微博已不可见。", "text"),
        "wb-12": _weibo("根据博主设置，此内容无法访问", "text"),
        "wb-12-b": _weibo("由于博主设置，目前内容暂不可见。", "text"),
        "wb-13": _weibo("微博不存在或暂无查看权限!", "h5", WEIBO_MOBILE),
        "wb-14": _weibo("由于作者隐私设置，你没有权限查看此微博", "h5", WEIBO_MOBILE),
        "wb-s1": _weibo("根据相关法律法规和政策，“旧书市”搜索结果未予显示", "search", WEIBO_SEARCH),
        "x-author": Notice(host=X, text="This Post was deleted by the Post author."),
        "x-suspended": Notice(host=X, text="This Post is from a suspended account."),
        "x-closed": Notice(host=X, text="This Post is from an account that no longer exists."),
        "x-rules": Notice(host=X, text="This Post violated the X Rules."),
        "x-limited": Notice(
            host=X,
            text="You're unable to view this Post because this account owner limits who can"
            " view their Posts.",
        ),
        "yt-author": Notice(host=YOUTUBE, text="This video has been removed by the uploader"),
        "yt-rules": Notice(
            host=YOUTUBE,
            text="This video has been removed for violating YouTube's Community Guidelines",
        ),
        "yt-terminated": Notice(
            host=YOUTUBE,
            text="This video is no longer available because the YouTube account associated"
            " with this video has been terminated.",
        ),
        "fb-gone": Notice(host=FACEBOOK, text="This content isn't available right now"),
        "bili-gone": Notice(host=BILIBILI, text="啊叻？视频不见了？"),
        "bili-hidden": Notice(host=BILIBILI, text="稿件不可见"),
        "tieba-closed": Notice(host=TIEBA, text="抱歉，根据相关法律法规和政策，本吧暂不开放。"),
        "douban-search": Notice(host=DOUBAN, text="根据相关法律法规和政策，搜索结果未予显示。"),
    }
)


# What can stand before a page, by the number of the rule that knows it.
WALLS: Mapping[str, WallKind] = MappingProxyType(
    {
        "wx-w1": WallKind.VERIFICATION,
        "wx-w2": WallKind.RATE_LIMITED,
        "wx-w3": WallKind.APP_ONLY,
        "wb-w1": WallKind.LOGIN,
        "wb-w2": WallKind.RATE_LIMITED,
        "wb-w3": WallKind.SESSION_EXPIRED,
    }
)


def notice_page(
    host: str,
    text: str,
    detail: str = "",
    *,
    shape: str = "",
    rule_id: str = "",
    moved_to: str = "",
) -> Response:
    """
    Return the page on which a platform says something of this shape, with any words.

    Args:
        text: The notice; "" leaves its place empty.
        detail: A second sentence: on WeChat below the first, elsewhere likewise.
        shape: WeChat: "weui-msg" (usual), "mesg-block", "global-error". Weibo: "text" (in
            place of the post's text), "sorry", "h5" (usual on `m.weibo.cn`), "api" (JSON
            of `error_type` link). Others have one.
        rule_id: WeChat: the number of the platform's rule, in a link after the detail.
        moved_to: WeChat: where the account went, in a script.
    """
    words, more = escape(text, quote=False), escape(detail, quote=False)
    if host == WECHAT:
        return _wechat_page(words, more, shape or "weui-msg", rule_id, moved_to)
    if host in (WEIBO, WEIBO_MOBILE, WEIBO_SEARCH):
        return _weibo_page(host, text, shape or ("h5" if host == WEIBO_MOBILE else "sorry"))
    second = f"<p>{more}</p>\n" if more else ""
    if host == X:
        return document(
            "X",
            '<div id="react-root"><main role="main"><div data-testid="primaryColumn">\n'
            f'<article role="article"><div data-testid="tombstone"><span>{words}</span>'
            f" <a href='/rules'>Learn more</a></div>{second}</article>\n"
            "</div></main></div>\n",
        )
    if host == YOUTUBE:
        return document(
            "YouTube",
            '<ytd-app><ytd-watch-flexy><div id="player">\n<yt-player-error-message-renderer>'
            f'<div id="container"><div id="info"><div id="reason">{words}</div>'
            f'<div id="subreason">{more}</div></div></div></yt-player-error-message-renderer>\n'
            "</div></ytd-watch-flexy></ytd-app>\n",
        )
    if host == FACEBOOK:
        return document(
            "Facebook",
            f'<div role="main"><div role="heading" aria-level="2"><span>{words}</span></div>\n'
            "<p>It may have been shared with a small group of people, or it is gone.</p>\n"
            f'{second}<a href="/">Go to feed</a></div>\n',
        )
    if host == BILIBILI:
        return document(
            "视频去哪了呢？_哔哩哔哩",
            '<div class="error-container"><div class="error-panel">'
            f'<div class="error-text">{words}</div>{second}<a href="/">首页</a></div></div>\n',
            lang="zh-CN",
        )
    if host == TIEBA:
        return document(
            "百度贴吧",
            f'<div class="page404"><div class="error_text"><p>{words}</p>{second}</div></div>\n',
            lang="zh-CN",
        )
    if host == DOUBAN:
        return document(
            "豆瓣搜索",
            '<div id="content"><h1>搜索</h1><div class="result-list"></div>'
            f'<p class="pl">{words}</p>{second}</div>\n',
            lang="zh-CN",
        )
    return document(text, f"<main><h1>{words}</h1>\n{second}</main>\n")


def notice(variant: str) -> Response:
    """
    Return the page of one of `NOTICES`.

    Raises:
        KeyError: There is none of this name.
    """
    notice = NOTICES[variant]
    return notice_page(
        notice.host,
        notice.text,
        notice.detail,
        shape=notice.shape,
        rule_id=notice.rule_id,
        moved_to=notice.moved_to,
    )


def _wechat_page(words: str, more: str, shape: str, rule_id: str, moved_to: str) -> Response:
    if shape == "mesg-block":
        return document(
            words,
            f'<div class="mesg-block"><p>{words}</p>{f"<p>{more}</p>" if more else ""}</div>\n',
            lang="zh-CN",
        )
    if shape == "global-error":
        inner = (
            '<div class="page_msg simple default"><div class="inner">\n'
            f'<div class="msg_content"><div class="global_error_msg warn">{words}</div>'
            f"{f'<p>{more}</p>' if more else ''}</div>\n</div></div>\n"
        )
        return document("", inner, lang="zh-CN")
    link = (
        f'<a href="http://mp.weixin.qq.com/mp/opshowpage?action=oplaw&amp;id={rule_id}'
        '&amp;t=operation/faq_index#wechat_redirect">对应规则</a>'
        if rule_id
        else ""
    )
    # The sentence with a second one under it is a heading, the one alone is not.
    title = (
        f'<h2 class="weui-msg__title title">\n{words}\n</h2>\n'
        f'<div class="weui-msg__desc"><p class="tips">{more}{link}</p></div>'
        if more
        else f'<div class="weui-msg__title warn">{words}</div>'
    )
    script = f"<script>var transferTargetLink = '{moved_to}' || '';</script>\n" if moved_to else ""
    return document(
        "",
        '<div class="weui-msg">\n'
        '<div class="weui-msg__icon-area"><i class="weui-icon-warn"></i></div>\n'
        f'<div class="weui-msg__text-area">\n{title}\n</div>\n'
        '<div class="weui-msg__extra-area"><div class="weui-footer">'
        '<p class="weui-footer__links"><a class="weui-footer__link" href="/cgi-bin/rules">'
        "微信公众平台运营中心</a></p></div></div>\n</div>\n" + script,
        lang="zh-CN",
    )


def _weibo_page(host: str, text: str, shape: str) -> Response:
    words = escape(text, quote=False)
    if shape == "search" or host == WEIBO_SEARCH:
        return document(
            "微博搜索",
            '<div class="m-page"><div class="search-input"><input name="q" value="旧书市"></div>\n'
            f'<div class="card-wrap"><div class="card card-no-result s-pt20b40"><p>{words}</p>'
            "</div></div></div>\n",
            lang="zh-CN",
        )
    if shape == "api":
        address = f"https://weibo.com/sorry?usernotexists&msg={quote(text, safe='')}"
        return data({"ok": 0, "error_type": "link", "url": address})
    if shape == "text":
        if host == WEIBO_MOBILE:
            inner = f'<div class="weibo-og"><div class="weibo-text">{words}</div></div>'
        else:
            inner = f'<div class="detail_wbtext_4CRf9 wbpro-feed-content">{words}</div>'
        return document(
            "微博正文 - 微博",
            f'<div id="app"><main><article class="weibo-main">{inner}</article></main></div>\n',
            lang="zh-CN",
        )
    if shape == "h5":
        return html(
            '<!doctype html>\n<html lang="zh-CN">\n<head><meta charset="utf-8">'
            "<title>微博-出错了</title></head>\n<body>\n"
            f'<div class="h5-4box"><p class="h5-4con">{words}</p>'
            '<a class="btn" href="/">返回首页</a></div>\n</body>\n</html>\n'
        )
    return document(
        "错误提示 - 微博",
        '<div class="WB_wrapper"><div class="page_error"><div class="note">'
        f"<p>{words}</p></div><p class='link'><a href='/'>返回首页</a></p></div></div>\n",
        lang="zh-CN",
    )
