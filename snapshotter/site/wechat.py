"""
Make pages with the structure of those of WeChat's public accounts. Stories, names and numbers are
our own.

The structure is WeChat's: which element holds what, what a script fills in, what the image host
returns, and what a page reveals about its visitor.
"""

import base64
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from html import escape
from urllib.parse import urlencode, urlsplit

from snapshotter.site import pictures
from snapshotter.site.notices import WECHAT, notice, notice_page
from snapshotter.site.response import Response, Visit, counted, document, html, number_of, redirect
from snapshotter.value_class import dataclass

IMAGES = "mmbiz.qpic.cn"
PUBLISHED = datetime(2026, 1, 2, 9, 39, 33, tzinfo=UTC)  # of `/wx/article`: 1767346773

_FIRST = 3910000000  # id of the first of many accounts
_MANY = 2651000000  # numbers of the articles of many accounts begin here

# What a page of a visitor's client says of that visitor: our canaries.
UIN = "2893715520"
SHARER = "f3a1c29e7d5b4860"
DEVICE = "Windows 11 x64"
CLIENT = "63090c33"


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One article."""

    title: str
    sentences: tuple[str, ...]
    account: str = "河岸旧书"
    author: str = "林小满"
    biz: str = "MzkwMDAwMDAwMQ=="
    mid: int = 2650000001
    idx: int = 1
    short: str = ""  # of `/s/…`
    images: int = 12  # the last of them is a QR code
    published: datetime = PUBLISHED

    @property
    def query(self) -> dict[str, str]:
        """What its long address asks for."""
        sn = f"{self.mid * 7919 + self.idx:032x}"
        return {"__biz": self.biz, "mid": str(self.mid), "idx": str(self.idx), "sn": sn}

    @property
    def address(self) -> str:
        """Its long address, without a host."""
        return f"/s?{urlencode(self.query)}"


ARTICLE = Story(
    title="河边的旧书市又开张了",
    short="Kx2fixtureRiverBooks01",
    sentences=(
        "入冬以后，河边的旧书市停了整整六个星期，上个星期六终于又开张了。",
        "天还没亮，摊主们就推着三轮车来占位子，最早的一位说他四点半就到了。",
        "今年来的摊子有一百三十多个，比去年多了三成，一直排到石桥下面。",
        "卖得最好的不是小说，而是旧地图、老菜谱和没有写完的日记本。",
        "一位退休的中学老师找到了自己四十年前用过的课本，里面还夹着一片银杏叶。",
        "管理处说，书市会开到三月底，下雨天照常，下雪天看情况。",
    ),
)
IMAGE_POST = Story(
    title="今天的河：九张照片",
    sentences=("早上七点到下午五点，同一座桥上看到的河。",),
    mid=2650000002,
    short="Kx2fixtureNinePictures",
    images=9,
)
FROZEN = Story(
    title="怎样给旧书换一张封面",
    sentences=(
        "先把旧封面浸湿，再用骨刀慢慢揭开，不要着急。",
        "新的封面纸要比书大两厘米，四边折进去以后用糨糊粘牢。",
        "压在石板下面一个晚上，第二天就可以读了。",
    ),
    mid=2650000003,
    short="Kx2fixtureNewCover0003",
    images=2,
)
RUMOR = Story(
    title="喝河水能治感冒？有人说他试过",
    sentences=(
        "最近有一张图片在几个群里传得很快，说早上的河水能治感冒。",
        "发图的人说他连喝三天，感冒就好了，还附上了一张化验单。",
        "我们没有找到这张化验单的来历，也没有医生愿意为它签字。",
    ),
    mid=2650000004,
    short="Kx2fixtureRiverWater04",
    images=1,
)
CAPTCHA = Story(
    title="冬天里的渡口",
    sentences=(
        "渡口的船每天开六班，最后一班是下午五点十分。",
        "船老大说，冬天坐船的人少，可是每天都有一位老太太带着收音机来。",
        "她不过河，只是坐到对岸，再坐回来。",
    ),
    mid=2650000005,
    short="Kx2fixtureFerryLanding",
    images=1,
)
HARD = replace(CAPTCHA, mid=2650000006, short="Kx2fixtureFerryHard006", title="渡口停航通知")
QUOTES = Story(
    title="打开链接，只剩一句话：该内容已被发布者删除",
    sentences=(
        "读者常常问我们，为什么收藏过的文章再打开就不见了。",
        "最常见的一句话是“该内容已被发布者删除”，有时候是“此内容因违规无法查看”。",
        "我们把三年里收藏的四百篇文章重新打开了一遍，有六十一篇只剩下一个灰色的图标。",
        "该内容已被发布者删除",
        "这句话本身并没有说是谁、为什么、在什么时候做的，所以我们只记下它，不去猜。",
    ),
    account="存档笔记",
    author="周一读",
    biz="MzkwMDAwMDAwMg==",
    mid=2650000007,
    short="Kx2fixtureQuotesNotice",
    images=1,
)
_STORIES = {
    story.mid: story for story in (ARTICLE, IMAGE_POST, FROZEN, RUMOR, CAPTCHA, HARD, QUOTES)
}


def account_story(account: int, number: int) -> Story:
    """Return an article of one of many accounts, for campaigns: `wx/account/3/0`."""
    return Story(
        title=f"第{account + 1}号摊位的第{number + 1}封来信",
        sentences=(
            f"这是河边旧书市第{account + 1}号摊位写给读者的第{number + 1}封信。",
            f"这个星期收到了{(account * 37 + number * 11) % 90 + 10}本旧书，都是附近的人送来的。",
            "想看书单的人可以在星期六上午到石桥下面来，我们会一直等到中午。",
        ),
        account=f"旧书摊{account + 1:02d}",
        author=f"摊主{account + 1:02d}",
        biz=_biz(account),
        mid=_MANY + account * 1000 + number,
        short=f"Kx2fixture{account:05d}x{number:06d}",
        images=1,
    )


def _biz(account: int) -> str:
    """Return an account's id: ten digits in base64, as theirs are."""
    return base64.b64encode(f"{_FIRST + account}".encode()).decode()


def account_of(biz: str) -> int | None:
    """Return which of the many accounts an id is; None for none of them."""
    try:
        number = number_of(base64.b64decode(biz, validate=True).decode("ascii", "replace"))
    except ValueError:
        return None
    return None if number is None or not 0 <= number - _FIRST < 100_000 else number - _FIRST


def article_page(visit: Visit, story: Story) -> Response:
    """Return an article, as the server sends it: script has not run."""
    page = visit.page
    if page.showing != "available":
        return gone(visit)
    account = page.account or story.account
    images = "".join(
        f'<p><img class="rich_pages wxw-img" data-ratio="0.5625" data-type="png" data-w="640"'
        f' alt="图{number + 1}" data-src="http:{visit.origin(IMAGES)}/mmbiz_png/'
        f'{_image(visit, story, number)}/640?wx_fmt=png"></p>\n'
        for number in range(story.images)
    )
    words = "".join(f"<p>{escape(sentence, quote=False)}</p>\n" for sentence in story.sentences)
    content = (
        f'<div class="rich_media_content" id="js_content" style="visibility: hidden; opacity: 0;">'
        f"\n{words}{images}</div>\n"
    )
    # The text stands a second time in a script, with the characters of markup escaped.
    again = words.replace("\\", "\\\\").replace("<", "\\x3c").replace(">", "\\x3e")
    again = again.replace("\n", "\\x0a").replace("'", "\\x27")
    reads = counted(page.reads)
    modify = "" if page.modified else ' style="display: none;"'
    return html(
        '<!DOCTYPE html>\n<html lang="zh_CN">\n<head>\n<meta charset="utf-8">\n'
        f'<meta property="og:title" content="{escape(story.title)}">\n'
        f'<meta property="og:url" content="http:{visit.origin(WECHAT)}{escape(story.address)}">\n'
        f'<meta property="og:article:author" content="{escape(story.author)}">\n'
        '<meta property="og:site_name" content="微信公众平台">\n'
        f"<title>{escape(story.title, quote=False)}</title>\n"
        f"{_variables(visit, story)}"
        f"{_rumor(visit, story)}"
        "</head>\n<body>\n"
        '<div id="js_article" class="rich_media">\n<div class="rich_media_inner">\n'
        '<div id="page-content" class="rich_media_area_primary">\n'
        '<div class="rich_media_area_primary_inner">\n'
        '<div id="img-content" class="rich_media_wrp">\n'
        f'<h1 class="rich_media_title" id="activity-name">\n{escape(story.title, quote=False)}\n'
        "</h1>\n"
        '<div id="meta_content" class="rich_media_meta_list">\n'
        '<span id="copyright_logo" class="wx_tap_link">原创</span>\n'
        f'<span class="rich_media_meta rich_media_meta_text" id="js_author_name">'
        f"{escape(story.author)}</span>\n"
        '<span class="rich_media_meta rich_media_meta_nickname" id="profileBt">'
        f'<a href="javascript:void(0);" id="js_name">{escape(account)}</a></span>\n'
        f"{_EMPTY_TIME}\n"
        '<em id="js_ip_wording_wrp" class="rich_media_meta">'
        '<span id="js_ip_wording">浙江</span></em>\n'
        f'<em id="js_title_modify_wrp" class="rich_media_meta"{modify}>'
        '<span id="js_title_modify">标题已修改</span></em>\n'
        f"</div>\n{content}</div>\n"
        f'<div class="rich_media_tool"><span id="js_read_area3">阅读 '
        f'<span id="readNum3">{reads}</span></span></div>\n'
        '</div></div>\n<div id="js_article_bottom_bar" class="bottom_bar_wrp">'
        f"<button>分享</button><button>收藏</button><span>赞 {counted(page.likes)}</span></div>\n"
        "</div></div>\n"
        f"<script>window.cgiData = {{ content_noencode: '{again}' }};</script>\n"
        f"{_SCRIPT}</body>\n</html>\n"
    )


_EMPTY_TIME = '<em id="publish_time" class="rich_media_meta rich_media_meta_text"></em>'
_CREATED = re.compile('var ori_create_time = "([0-9]+)";')
_SHANGHAI = timezone(timedelta(hours=8))

# What the page does when it has come: shows its text, writes its date in the browser's zone,
# and asks for the images that are in view or near it.
_SCRIPT = """<script>
(function () {
  function two(n) { return (n < 10 ? '0' : '') + n; }
  var date = new Date(ori_create_time * 1000);
  document.getElementById('publish_time').textContent = date.getFullYear() + '-' +
    two(date.getMonth() + 1) + '-' + two(date.getDate()) + ' ' +
    two(date.getHours()) + ':' + two(date.getMinutes());
  var content = document.getElementById('js_content');
  if (content) { content.style.visibility = 'visible'; content.style.opacity = '1'; }
  var waiting = [].slice.call(document.querySelectorAll('img[data-src]'));
  function load() {
    waiting = waiting.filter(function (img) {
      if (img.getBoundingClientRect().top > innerHeight + 300) { return true; }
      img.src = img.getAttribute('data-src');
      return false;
    });
  }
  addEventListener('scroll', load);
  load();
})();
</script>
"""


def after_script(markup: str) -> str:
    """Return an article's page after its script has run, in a browser of Shanghai's zone."""
    found = _CREATED.search(markup)
    if found is not None:
        local = datetime.fromtimestamp(int(found[1]), _SHANGHAI)
        markup = markup.replace(
            _EMPTY_TIME, _EMPTY_TIME.replace("></em>", f">{local:%Y-%m-%d %H:%M}</em>")
        )
    return markup.replace(
        "visibility: hidden; opacity: 0;", "visibility: visible; opacity: 1;"
    ).replace(' data-src="', ' src="')


def _variables(visit: Visit, story: Story) -> str:
    """Return what stands in the page's scripts: the article's numbers, and the visitor's."""
    created, served = int(story.published.timestamp()), int(visit.state.at.timestamp())
    return (
        "<script>\n"
        f'var biz = "{story.biz}" || "";\n'
        f'var mid = "{story.mid}" || "" || "";\n'
        f'var idx = "{story.idx}" || "" || "";\n'
        f'var sn = "{story.query["sn"]}" || "";\n'
        f'var ori_create_time = "{created}";\n'
        f'var svrDate = "{served}";\n'
        f'window.uin = "{UIN}" || "";\n'
        f'var user_uin = "{UIN}"*1;\n'
        f'var devicetype = "{DEVICE}";\n'
        f'window.clientversion = "{CLIENT}";\n'
        f"var appmsgstat = {{ read_num: '{visit.page.reads}', like_num: '{visit.page.likes}' }};\n"
        f"var visitor = {{ isoversea: '1', sharer_shareid: '{SHARER}', req_id: '0801DzfXq9' }};\n"
        "</script>\n"
    )


def _rumor(visit: Visit, story: Story) -> str:
    if story is not RUMOR:
        return ""
    address = f"http:{visit.origin(WECHAT)}/mp/rumor?action=info&"
    query = urlencode(story.query)
    return (
        "<script>\nvar is_rumor = '1';\n"
        f"if (is_rumor === '1') {{ location.href = '{address}{query}#wechat_redirect'; }}\n"
        "</script>\n"
    )


def _image(visit: Visit, story: Story, number: int) -> str:
    """Return the name of an image: its host serves whatever it is asked for by this name."""
    if number == 11:
        return "fixtureqr"
    missing = number < visit.page.images_missing
    return f"{'missing' if missing else 'fixture'}{story.mid % 1000}x{number}"


def image(visit: Visit) -> Response:
    """Return an image, or what those get who come from elsewhere: 200, and 140 pixels of grey."""
    name = visit.path.split("/")[2] if visit.path.count("/") > 2 else ""
    referer = urlsplit(visit.headers.get("referer", "")).hostname or ""
    if not name.startswith("fixture"):
        return Response(status=404, headers=(("Content-Type", "text/plain"),), body=b"")
    if referer not in (WECHAT, IMAGES):
        body = pictures.placeholder()
    elif name == "fixtureqr":
        body = pictures.qr_code()
    else:
        story, _, number = name.removeprefix("fixture").partition("x")
        body = pictures.scene(int(story or "0") * 12 % 97 + int(number or "0"))
    return Response(headers=(("Content-Type", "image/png"),), body=body)


def image_post(visit: Visit) -> Response:
    """Return a post that is made of images: it has no `#js_content`."""
    if visit.page.showing != "available":
        return gone(visit)
    story = IMAGE_POST
    items = "".join(
        f'<div class="swiper_item"><img alt="" data-src="http:{visit.origin(IMAGES)}/mmbiz_png/'
        f'{_image(visit, story, number)}/640?wx_fmt=png" width="640"></div>\n'
        for number in range(story.images)
    )
    return html(
        '<!DOCTYPE html>\n<html lang="zh_CN">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{story.title}</title>\n{_variables(visit, story)}</head>\n<body>\n"
        '<div id="js_article" class="rich_media share_content_page">\n'
        f'<div id="img_swiper_content">\n{items}</div>\n'
        f'<div id="js_image_desc"><p>{story.sentences[0]}</p></div>\n'
        f'<span id="js_name">{story.account}</span> {_EMPTY_TIME}\n'
        f"</div>\n{_SCRIPT}</body>\n</html>\n"
    )


def profile(visit: Visit, account: int) -> Response:
    """Return an account's own page, with the list of its articles."""
    if visit.page.showing != "available":
        return gone(visit)
    first = account_story(account, 0)
    name = visit.page.account or first.account
    items = "".join(
        f'<li><a href="http:{visit.origin(WECHAT)}{escape(story.address)}">{story.title}</a></li>\n'
        for story in (account_story(account, number) for number in range(3))
    )
    return document(
        name,
        f'<div class="profile_info" id="js_profile"><strong class="profile_nickname" id="js_name">'
        f'{escape(name)}</strong><p class="profile_desc">附近的旧书，每个星期六上午。</p></div>\n'
        f'<script>var biz = "{first.biz}" || "";</script>\n<ul id="js_history">\n{items}</ul>\n',
        lang="zh-CN",
    )


def refuted(visit: Visit) -> Response:
    """Return the page that a rumour is sent to."""
    return notice_page(WECHAT, "该文章已被第三方辟谣", "第三方机构认为文中的说法没有根据。")


def verification(visit: Visit) -> Response:
    """Return the page that asks whether somebody is human; it may go by itself."""
    target = visit.query.get("target_url", "")
    passes = visit.query.get("pass", "") == "auto"
    seconds = float(visit.query.get("after", "6"))
    script = (
        f"<script>setTimeout(function () {{ location.replace({json.dumps(target)}); }},"
        f" {int(seconds * 1000)});</script>\n"
        if passes and target.startswith("http:")
        else ""
    )
    return document(
        "",
        '<div class="weui-msg">\n<div class="weui-msg__text-area">\n'
        '<h2 class="weui-msg__title">环境异常</h2>\n'
        '<div class="weui-msg__desc">当前环境异常，完成验证后即可继续访问。</div>\n</div>\n'
        '<div class="weui-msg__opr-area"><a class="weui-btn" href="javascript:;" id="js_verify">'
        f"去验证</a></div>\n</div>\n{script}",
        lang="zh-CN",
    )


def captcha(visit: Visit, story: Story, *, passes: bool) -> Response:
    """Send whoever comes for an article to the verification, and back with its token."""
    if "poc_token" in visit.query:
        return article_page(visit, story)
    target = visit.address(WECHAT, visit.path, {**visit.query, "poc_token": "HFixture"})
    more = {"pass": "auto", "after": f"{visit.page.after_s:g}"} if passes else {}
    return redirect(
        visit.address(WECHAT, "/mp/wappoc_appmsgcaptcha", {"target_url": target, **more})
    )


def gone(visit: Visit) -> Response:
    """Return what stands in an article's place."""
    page = visit.page
    if page.showing == "removed":
        return notice(page.variant or "wx-01")
    if page.variant == "wx-w2":
        return document(
            "", '<div class="weui-msg"><p class="weui-msg__title">访问过于频繁</p></div>\n',
            lang="zh-CN",
        )  # fmt: skip
    if page.variant == "wx-w3":
        return notice_page(WECHAT, "请在微信客户端打开链接")
    target = visit.address(WECHAT, visit.path, visit.query)
    return redirect(visit.address(WECHAT, "/mp/wappoc_appmsgcaptcha", {"target_url": target}))


def by_numbers(visit: Visit) -> str:
    """Return the name of the page that a long address asks for; "" for none."""
    mid = number_of(visit.query.get("mid", ""))
    if mid is None:
        return ""
    story = _STORIES.get(mid) or _of_account(mid)
    if story is None or visit.query.get("__biz") != story.biz:
        return ""
    if visit.query.get("idx", "1") != str(story.idx):
        return ""
    return name_of(story)


def _of_account(mid: int) -> Story | None:
    first, last = _MANY, _MANY + 1_000_000
    return account_story(*divmod(mid - _MANY, 1000)) if first <= mid < last else None


_NAMES = {
    ARTICLE.mid: "wx/article",
    IMAGE_POST.mid: "wx/image-post",
    FROZEN.mid: "wx/frozen-name",
    RUMOR.mid: "wx/rumor",
    CAPTCHA.mid: "wx/captcha-auto",
    HARD.mid: "wx/captcha-hard",
    QUOTES.mid: "wx/quotes-notice",
}


def name_of(story: Story) -> str:
    """Return the name of the page of a story."""
    if story.mid in _NAMES:
        return _NAMES[story.mid]
    return "wx/account/{}/{}".format(*divmod(story.mid - _MANY, 1000))


def by_short(path: str) -> str:
    """Return the name of the page of a short address, "/s/…"; "" for none."""
    for story in _STORIES.values():
        if path == f"/s/{story.short}":
            return name_of(story)
    left, _, right = path.removeprefix("/s/Kx2fixture").partition("x")
    account, number = number_of(left), number_of(right)
    return "" if account is None or number is None else f"wx/account/{account}/{number}"


def built(title: str, sentences: Sequence[str], visit: Visit) -> Response:
    """Return a real article with any title and sentences."""
    return article_page(
        visit, Story(title=title, sentences=tuple(sentences), mid=2650000099, images=0)
    )
