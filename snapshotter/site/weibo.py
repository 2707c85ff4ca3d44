"""
Make pages with the structure of Weibo's: posts on the desktop and the mobile site, answers of its
API, and its walls.
"""

import json
from html import escape
from urllib.parse import quote

from snapshotter.site.notices import NOTICES, WEIBO, WEIBO_MOBILE, notice_page
from snapshotter.site.pictures import SHORT_LINK
from snapshotter.site.response import Response, Visit, counted, data, document, html, redirect
from snapshotter.value_class import dataclass

PASSPORT = "passport.weibo.com"


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """One post."""

    mid: str
    short: str  # the same number in the letters of `weibo.com/{uid}/…`
    text: str
    rest: str = ""  # behind the control that expands it
    uid: str = "1900000001"
    name: str = "石桥天气"
    original: str = ""  # what stands where the original of a repost was


POST = Post(
    mid="5000000012345678",
    short="O00019Qdw",
    text="石桥今天早上六点的水位是两米一，比昨天低了八厘米，旧书市照常开。",
    rest="中午以后有小雨，摊主们请带好塑料布；渡口最后一班船提前到四点四十分，回家的人不要走错码头。",
)
REPOST = Post(
    mid="5000000012345679",
    short="O00019Qdx",
    text="昨天转的那条水位怎么看不到了？有人截图吗？",
    original=NOTICES["wb-01"].text,
)

ERRORS = {
    "20101": "target weibo does not exist!",
    "20112": "由于作者隐私设置，你没有权限查看此微博",
    "20132": "抱歉，该内容暂时无法查看。如需帮助，请联系客服",
    "20135": "源微博已被删除",
}


def status(visit: Visit, post: Post) -> dict[str, object]:
    """Return a post as the platform's own data has it."""
    page = visit.page
    value: dict[str, object] = {
        "id": post.mid,
        "mid": post.mid,
        "bid": post.short,
        "created_at": "Thu Jan 08 08:03:11 +0800 2026",
        "text": post.text + post.rest,
        "reposts_count": page.reposts,
        "comments_count": page.comments,
        "attitudes_count": page.likes,
        "isLongText": bool(post.rest),
        "user": {"id": int(post.uid), "screen_name": post.name},
    }
    if post.original:
        value["retweeted_status"] = {
            "id": "5000000012345000",
            "deleted": "1",
            "user": None,
            "text": post.original,
        }
    return value


def mobile(visit: Visit, post: Post) -> Response:
    """Return a post as `m.weibo.cn` shows it, with its data in a script."""
    if visit.page.showing != "available":
        return gone(visit)
    rendered = json.dumps([{"status": status(visit, post)}], ensure_ascii=False, indent=2)
    rendered = rendered.replace("<", "\\u003c")  # nothing in it ends the script
    quoted = (
        f'<div class="weibo-rp"><div class="weibo-text"><span>{escape(post.original)}</span>'
        "</div></div>\n"
        if post.original
        else ""
    )
    return document(
        "微博正文 - 微博",
        '<div id="app"><div class="lite-topbar">微博正文</div>\n<div class="main-wrap">'
        '<article class="weibo-main">\n'
        f'<header class="weibo-top"><a href="/u/{post.uid}"><h3 class="m-text-cut">'
        f'{_name(visit, post)}</h3></a> <span class="time">今天 08:03</span></header>\n'
        f'<div class="weibo-og"><div class="weibo-text">{_text(post)}</div></div>\n{quoted}'
        "</article>\n"
        f'<div class="lite-page-tab"><div class="tab-item"><i>转发</i> <i class="num">'
        f"{counted(visit.page.reposts)}</i></div>"
        f'<div class="tab-item"><i>评论</i> <i class="num">{counted(visit.page.comments)}</i></div>'
        f'<div class="tab-item"><i>赞</i> <i class="num">{counted(visit.page.likes)}</i></div>'
        "</div></div></div>\n"
        f"<script>\nvar $render_data = {rendered}[0] || {{}};\n</script>\n{_EXPAND}",
        lang="zh-CN",
    )


def desktop(visit: Visit, post: Post) -> Response:
    """Return a post as `weibo.com/{uid}/{short}` shows it."""
    if visit.page.showing != "available":
        return gone(visit)
    quoted = (
        '<div class="Feed_retweet_JqZJb"><div class="detail_reText_30ONu">'
        f'<div class="detail_wbtext_4CRf9">{escape(post.original)}</div></div></div>\n'
        if post.original
        else ""
    )
    page = visit.page
    numbers = "".join(
        f'<div class="woo-box-item-flex toolbar_item_1ky_D"><i class="icon_{kind}"></i>'
        f'<span class="toolbar_num_JXZul">{counted(number)}</span></div>'
        for kind, number in (
            ("retweet", page.reposts),
            ("comment", page.comments),
            ("like", page.likes),
        )
    )
    return document(
        f"{post.text[:12]}… - @{post.name}的微博 - 微博",
        '<div id="app"><main class="Main_full_1dfQX">\n<article class="woo-panel-main Feed_wrap">\n'
        f'<header><a class="head_name_24eEB" href="/u/{post.uid}">{_name(visit, post)}</a> '
        '<a class="head-info_time_6sFQg" title="2026-01-08 08:03">今天 08:03</a></header>\n'
        '<div class="wbpro-feed-content"><div class="detail_text_1U10O">'
        f'<div class="detail_wbtext_4CRf9">{_text(post)}</div></div>\n{quoted}</div>\n'
        f"<footer>{numbers}</footer>\n</article>\n</main></div>\n{_EXPAND}",
        lang="zh-CN",
    )


_EXPAND = """<script>
[].forEach.call(document.querySelectorAll('.expand'), function (it) {
  it.addEventListener('click', function (event) {
    event.preventDefault();
    it.previousElementSibling.style.display = 'inline';
    it.remove();
  });
});
</script>
"""


def _text(post: Post) -> str:
    link = f' <a href="{SHORT_LINK}"><span class="surl-text">网页链接</span></a>'
    if not post.rest:
        return escape(post.text, quote=False)
    return (
        f'{escape(post.text, quote=False)}<span class="more" style="display: none;">'
        f'{escape(post.rest, quote=False)}</span><a class="expand" href="#">展开</a>{link}'
    )


def _name(visit: Visit, post: Post) -> str:
    return escape(visit.page.account or post.name)


def api(visit: Visit, case: str) -> Response:
    """Return the platform's data of a post, or one of its ways of saying that there is none."""
    if case == "link":
        return notice_page(WEIBO, NOTICES["wb-07"].text, shape="api")
    if case == "session":
        return data({"ok": -100, "url": "https://weibo.com/login.php"})
    if case == "abnormal":
        return data({"ok": 0, "message": "账号有问题"}, status=400)
    if case:
        return data(
            {"ok": 0, "error_code": int(case), "message": ERRORS[case], "error_type": "toast"},
            status=400 if case == "20101" else 200,
        )
    if visit.page.showing == "removed":
        return api(visit, "20112")
    return data({"ok": 1, **status(visit, POST)})


def sorry(visit: Visit) -> Response:
    """Return the page for what is not there: its words are in the address."""
    text = visit.query.get("msg", "")
    if not text and visit.query.get("code") == "20003":
        text = NOTICES["wb-09"].text
    return notice_page(WEIBO, text or "你访问的页面不存在或已被删除！", shape="sorry")


def to_sorry(visit: Visit, variant: str) -> Response:
    """Send a visitor to the page that says what is the matter."""
    origin = f"http:{visit.origin(WEIBO)}"
    if variant == "wb-09":
        return redirect(f"{origin}/sorry?userblock&code=20003")
    if variant == "wb-u1":
        return redirect(f"{origin}/sorry?pagenotfound&retcode=6102")
    words = quote(NOTICES[variant].text, safe="")
    return redirect(f"{origin}/sorry?usernotexists&msg={words}")


def visitor(visit: Visit) -> Response:
    """Return the page that every visitor without a session is sent through."""
    return document(
        "Sina Visitor System",
        '<div id="message">Sina Visitor System</div>\n'
        "<script>var visitor_origin = 'https://passport.weibo.com';</script>\n",
        lang="zh-CN",
    )


def to_visitor(visit: Visit) -> Response:
    """Send a visitor to the visitor system."""
    back = visit.address(visit.host, visit.path, visit.query)
    return redirect(visit.address(PASSPORT, "/visitor/visitor", {"entry": "miniblog", "url": back}))


def throttled() -> Response:
    """Return what a visitor gets who asks too often: a status that means something else."""
    return html(
        '<html><head><meta charset="utf-8"><title>414</title></head><body>'
        "访问过于频繁，请稍等再试！（错误码：414）</body></html>\n",
        status=414,
    )


def gone(visit: Visit) -> Response:
    """Return what stands in a post's place."""
    page = visit.page
    if page.showing == "wall" and page.variant == "wb-w2":
        return throttled()
    if page.showing == "wall":
        return api(visit, "session") if page.variant == "wb-w3" else to_visitor(visit)
    variant = page.variant or "wb-01"
    words = NOTICES[variant]
    if words.shape == "sorry":
        return to_sorry(visit, variant)
    host = WEIBO_MOBILE if visit.host == WEIBO_MOBILE else words.host
    return notice_page(host, words.text, shape=words.shape)


def built(title: str, sentences: tuple[str, ...], visit: Visit) -> Response:
    """Return a real post with any text."""
    post = Post(mid="5000000012340099", short="O00019Q00", text="".join((title, *sentences)))
    return mobile(visit, post) if visit.host == WEIBO_MOBILE else desktop(visit, post)
