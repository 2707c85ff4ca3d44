"""
List all pages of the fixture site with their names, addresses and expected verdicts, and answer
requests for them.

`render` uses no socket and no clock: the same path and state give the same response. `follow_visit`
also follows redirects and scripts. The names are those that rule files use for their own good and
bad pages ("wx/deleted-zh").
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from urllib.parse import parse_qsl, unquote, urljoin, urlsplit

from snapshotter.model.assessment import (
    Availability,
    Cause,
    Content,
    Undecided,
    WallKind,
)
from snapshotter.site import (
    edited_articles,
    hostile,
    late_content,
    measured,
    news,
    phrases,
    walls,
    wechat,
    weibo,
)
from snapshotter.site import other_platforms as others
from snapshotter.site.news import NEWS
from snapshotter.site.notices import (
    ACT_2014,
    ACT_2017,
    ACT_CSL,
    BILIBILI,
    FACEBOOK,
    NOTICES,
    TIEBA,
    WECHAT,
    WEIBO,
    WEIBO_MOBILE,
    YOUTUBE,
    X,
    notice,
    notice_page,
)
from snapshotter.site.response import Response, Visit, document, number_of, redirect
from snapshotter.site.state import SiteState
from snapshotter.value_class import dataclass

_MAX_HOPS = 10
_DIGITS = 5  # of a number in a path


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """The one right verdict about a page in its first state."""

    content: Content
    availability: Availability
    cause: Cause | None = None
    undecided: Undecided | None = None
    wall: WallKind | None = None
    takedown: bool = True
    cited_rule: str = ""
    account: str = ""  # state of the account behind the page, where it is not well
    quoted: bool = False  # something in the page is gone, and the page is not


@dataclass(frozen=True, slots=True, kw_only=True)
class FixturePage:
    """One page of the site."""

    name: str  # "wx/deleted-zh"
    host: str
    says: str  # a line about it
    make: Callable[[Visit], Response]
    expected: Expected | None  # None: what is right depends on who captures, and how
    rule: str = ""  # number of the rule that knows it
    scripted_to: str = ""  # a page whose script goes on there: path of the last one

    @property
    def path(self) -> str:
        """Its plain path."""
        return f"/{self.name}"


_AVAILABLE = Expected(content=Content.CONTENT, availability=Availability.AVAILABLE)


def _gone(cause: Cause, **more: object) -> Expected:
    return Expected(
        content=Content.NOTICE,
        availability=Availability.UNAVAILABLE,
        cause=cause,
        **more,  # type: ignore[arg-type]  # the fields of Expected
    )


def _walled(kind: WallKind) -> Expected:
    return Expected(
        content=Content.WALL,
        availability=Availability.INCONCLUSIVE,
        undecided=Undecided.WALL,
        wall=kind,
    )


_UNKNOWN_NOTICE = Expected(
    content=Content.NOTICE,
    availability=Availability.INCONCLUSIVE,
    undecided=Undecided.UNKNOWN_NOTICE,
)
_PLATFORM = Cause.PLATFORM_RULE


def _page(
    name: str,
    host: str,
    says: str,
    make: Callable[[Visit], Response],
    expected: Expected | None,
    **more: str,
) -> FixturePage:
    return FixturePage(name=name, host=host, says=says, make=make, expected=expected, **more)


def _words(name: str, variant: str, says: str, expected: Expected | None) -> FixturePage:
    """Return the page that shows one of `NOTICES`."""
    # Of other platforms the variants are named for what they say, and not for their rules.
    rule = "-".join(variant.split("-")[:2]) if variant.startswith(("wx-", "wb-")) else ""
    return _page(
        name, NOTICES[variant].host, says, lambda visit: notice(variant), expected, rule=rule
    )


def _article(story: wechat.Story) -> Callable[[Visit], Response]:
    return lambda visit: wechat.article_page(visit, story)


def _frozen(visit: Visit) -> Response:
    name = visit.page.account or "该帐号已冻结"
    return wechat.article_page(
        replace(visit, page=replace(visit.page, account=name)), wechat.FROZEN
    )


def _quoting(visit: Visit, host: str, text: str, detail: str) -> Response:
    """Return an article, post or video that quotes a notice: as its title, and as a paragraph."""
    others = ("上个星期六，河边的旧书市又开张了。", "The ferry leaves at ten past six.")
    quotes = (text, *([detail] if detail else []))
    return article(host, text, (others[0], *quotes, others[1]), state=visit.state)


def _api(case: str) -> Callable[[Visit], Response]:
    return lambda visit: weibo.api(visit, case)


def _post_data(visit: Visit) -> Response:
    """The data follow the post."""
    return weibo.api(replace(visit, page=visit.state.page("wb/post")), "")


def _sorry(variant: str) -> Callable[[Visit], Response]:
    return lambda visit: weibo.to_sorry(visit, variant)


def _with_status(variant: str, status: int) -> Callable[[Visit], Response]:
    def make(visit: Visit) -> Response:
        response = notice_page(NEWS, news.GONE[variant], "The address may have been mistyped.")
        return Response(status=status, headers=response.headers, body=response.body)

    return make


_WECHAT_PAGES = (
    _page("wx/article", WECHAT, "an article: late images, a QR code, the visitor's own data",
          _article(wechat.ARTICLE), _AVAILABLE),
    _page("wx/image-post", WECHAT, "a post of images, without #js_content",
          wechat.image_post, _AVAILABLE),
    _words("wx/deleted-zh", "wx-01", "deleted by its author", _gone(Cause.AUTHOR)),
    _words("wx/deleted-en", "wx-01-en", "deleted by its author, in English", _gone(Cause.AUTHOR)),
    _words("wx/deleted-old", "wx-01-old", "deleted by its author, in the older shape",
           _gone(Cause.AUTHOR)),
    _words("wx/violation", "wx-02", "against the rules; a number of the rule", _gone(_PLATFORM)),
    _words("wx/violation-en", "wx-02-en", "against the rules, half translated", _gone(_PLATFORM)),
    _words("wx/violation-2014", "wx-02-2014", "against the rules, naming those of 2014",
           _gone(_PLATFORM, cited_rule=ACT_2014)),
    _words("wx/violation-2017", "wx-02-2017", "against the rules, naming those of 2017",
           _gone(_PLATFORM, cited_rule=ACT_2017)),
    _words("wx/violation-csl", "wx-02-csl", "against the rules, naming the law of 2017",
           _gone(_PLATFORM, cited_rule=ACT_CSL)),
    _words("wx/temporarily", "wx-11", "not to be seen for now", _gone(Cause.TEMPORARY)),
    _words("wx/blocked", "wx-05", "its account is blocked", _gone(Cause.ACCOUNT_BLOCKED)),
    _words("wx/closed", "wx-06", "its account was closed by its owner",
           _gone(Cause.ACCOUNT_CLOSED)),
    _words("wx/migrated", "wx-07", "its account has moved, and says where to", _gone(Cause.MOVED)),
    _page("wx/frozen-name", WECHAT, "an article whose account is frozen", _frozen,
          Expected(content=Content.CONTENT, availability=Availability.AVAILABLE,
                   account="frozen"), rule="wx-18"),
    _page("wx/rumor", WECHAT, "an article that its script leaves for a page that refutes it",
          _article(wechat.RUMOR), _gone(Cause.REFUTED), scripted_to="/mp/rumor", rule="wx-15"),
    _page("wx/captcha-auto", WECHAT, "a verification that lets go by itself",
          lambda visit: wechat.captcha(visit, wechat.CAPTCHA, passes=True), _AVAILABLE,
          scripted_to="/wx/captcha-auto?poc_token=HFixture"),
    _page("wx/captcha-hard", WECHAT, "a verification that stays",
          lambda visit: wechat.captcha(visit, wechat.HARD, passes=False),
          _walled(WallKind.VERIFICATION), rule="wx-w1"),
    _page("wx/quotes-notice", WECHAT, "an article about notices, which quotes them",
          _article(wechat.QUOTES), _AVAILABLE),
    _page("wx/future-wording", WECHAT, "a notice in words that no rule knows",
          lambda visit: notice_page(WECHAT, "此内容正在重新评估，暂不展示"), _UNKNOWN_NOTICE),
    _page("wx/app-only", WECHAT, "to be opened in the app alone",
          lambda visit: notice_page(WECHAT, "请在微信客户端打开链接"),
          _walled(WallKind.APP_ONLY), rule="wx-w3"),
)  # fmt: skip

_WEIBO_PAGES = (
    _page("wb/post", WEIBO_MOBILE, "a post with counts, a control that expands it, a short link",
          lambda visit: weibo.mobile(visit, weibo.POST), _AVAILABLE),
    _page("wb/post-desktop", WEIBO, "the same post on the desktop's site",
          lambda visit: weibo.desktop(visit, weibo.POST), _AVAILABLE),
    _page("wb/repost-deleted", WEIBO_MOBILE, "a repost whose original is gone",
          lambda visit: weibo.mobile(visit, weibo.REPOST),
          Expected(content=Content.CONTENT, availability=Availability.AVAILABLE, quoted=True)),
    _page("wb/sorry", WEIBO, "the account's notice, in the address",
          _sorry("wb-05"), _gone(Cause.ACCOUNT_BLOCKED, cited_rule="微博社区公约"), rule="wb-05"),
    _page("wb/sorry-closed", WEIBO, "an account that its owner closed",
          _sorry("wb-07"), _gone(Cause.ACCOUNT_CLOSED), rule="wb-07"),
    _page("wb/sorry-abnormal", WEIBO, "an account that behaves oddly",
          _sorry("wb-09"), _gone(Cause.ACCOUNT_ABNORMAL), rule="wb-09"),
    _page("wb/sorry-pagenotfound", WEIBO, "not there, without a reason",
          _sorry("wb-u1"), _gone(Cause.NOT_STATED), rule="wb-u1"),
    _page("wb/api", WEIBO, "the data of a post", _post_data, _AVAILABLE),
    _page("wb/api-20101", WEIBO, "data: it does not exist", _api("20101"), _gone(Cause.AUTHOR),
          rule="wb-j1"),
    _page("wb/api-20112", WEIBO, "data: no permission", _api("20112"), _gone(_PLATFORM),
          rule="wb-j2"),
    _page("wb/api-20132", WEIBO, "data: not for now", _api("20132"), _gone(Cause.TEMPORARY),
          rule="wb-j3"),
    _page("wb/api-20135", WEIBO, "data: the original is gone", _api("20135"),
          _gone(Cause.NOT_STATED), rule="wb-j3a"),
    _page("wb/api-link", WEIBO, "data: a link to the account's notice", _api("link"),
          _gone(Cause.ACCOUNT_CLOSED), rule="wb-07"),
    _page("wb/api-abnormal", WEIBO, "data: something is wrong with the account",
          _api("abnormal"), _gone(Cause.ACCOUNT_ABNORMAL), rule="wb-j5"),
    _page("wb/api-session", WEIBO, "data: the session has ended", _api("session"),
          _walled(WallKind.SESSION_EXPIRED), rule="wb-w3"),
    _page("wb/visitor", WEIBO, "sent to the visitor system", weibo.to_visitor,
          _walled(WallKind.LOGIN), rule="wb-w1"),
    _page("wb/414", WEIBO, "throttled", lambda visit: weibo.throttled(),
          _walled(WallKind.RATE_LIMITED), rule="wb-w2"),
    _words("wb/search", "wb-s1", "a search whose results are held back", _gone(_PLATFORM)),
    _words("wb/half-year", "wb-11", "older than its author shows",
           _gone(Cause.OWNER_SETTING, takedown=False)),
    _words("wb/deleted", "wb-01", "deleted by its author", _gone(Cause.AUTHOR)),
    _words("wb/removed", "wb-02", "deleted, without saying by whom", _gone(Cause.NOT_STATED)),
    _words("wb/reported", "wb-03", "reported by many",
           _gone(_PLATFORM, cited_rule="微博社区管理规定")),
)  # fmt: skip

_OTHER_PAGES = (
    _page("x/post", X, "a post", others.post, _AVAILABLE),
    _words("x/author", "x-author", "deleted by its author", _gone(Cause.AUTHOR)),
    _words("x/suspended", "x-suspended", "its account is suspended", _gone(Cause.ACCOUNT_BLOCKED)),
    _words("x/closed", "x-closed", "its account is no more", _gone(Cause.ACCOUNT_CLOSED)),
    _words("x/rules", "x-rules", "against the rules", _gone(_PLATFORM)),
    _words("x/limited", "x-limited", "for some alone",
           _gone(Cause.OWNER_SETTING, takedown=False)),
    _page("yt/video", YOUTUBE, "a video", others.post, _AVAILABLE),
    _words("yt/author", "yt-author", "removed by its uploader", _gone(Cause.AUTHOR)),
    _words("yt/rules", "yt-rules", "against the rules", _gone(_PLATFORM)),
    _words("yt/terminated", "yt-terminated", "its account was ended",
           _gone(Cause.ACCOUNT_BLOCKED)),
    _page("fb/post", FACEBOOK, "a post", others.post, _AVAILABLE),
    _words("fb/gone", "fb-gone", "not there, without a reason", _gone(Cause.NOT_STATED)),
    _page("bili/video", BILIBILI, "a video", others.post, _AVAILABLE),
    _words("bili/gone", "bili-gone", "not there, without a reason", _gone(Cause.NOT_STATED)),
    _words("bili/hidden", "bili-hidden", "not to be seen", _gone(Cause.NOT_STATED)),
    _page("tieba/thread", TIEBA, "a thread", others.post, _AVAILABLE),
    _words("tieba/closed", "tieba-closed", "a forum that does not open", _gone(_PLATFORM)),
)  # fmt: skip

_PLAIN_PAGES = (
    _page("news/2014", NEWS, "a story with everything that makes pages hard to keep",
          news.story, _AVAILABLE),
    _page("news/item/1", NEWS, "a short story of the feed",
          lambda visit: news.item(visit, 1), _AVAILABLE),
    _page("soft404", NEWS, "not found, and 200", _with_status("soft404", 200),
          _gone(Cause.NOT_STATED)),
    _page("real404", NEWS, "not found", _with_status("404", 404), _gone(Cause.NOT_STATED)),
    _page("410", NEWS, "gone", _with_status("410", 410), _gone(Cause.NOT_STATED)),
    _page("451", NEWS, "for legal reasons; who blocks it is in a header",
          lambda visit: news.legal(visit, 451), _gone(Cause.LEGAL)),
    _page("legal-451-body", NEWS, "for legal reasons, with another status",
          lambda visit: news.legal(visit, 403), _gone(Cause.LEGAL)),
)  # fmt: skip

_EDITED_PAGES = tuple(
    _page(name, NEWS, says, make, _AVAILABLE)
    for name, (make, says) in edited_articles.PAGES.items()
)
_HOSTILE_PAGES = tuple(
    _page(name, hostile.REBINDING if name == "hostile/rebinding" else NEWS, says, make, None)
    for name, (make, says) in hostile.PAGES.items()
)

_LATE_PAGES = tuple(
    _page(name, NEWS, says, make, None) for name, (make, says) in late_content.PAGES.items()
)
_MEASURED_PAGES = tuple(
    _page(name, NEWS, says, make, None) for name, (make, says) in measured.PAGES.items()
)
_WALL_PAGES = tuple(
    _page(name, NEWS, says, make,
          _walled(walls.KINDS[name]) if name in walls.KINDS else _AVAILABLE)
    for name, (make, says) in walls.PAGES.items()
)  # fmt: skip

# Each of `NOTICES` in its place, and as the title and a paragraph of something that is there:
# what files of rules are tried on.
_NOTICE_PAGES = tuple(
    _page(f"notice/{variant}", known.host, f"{variant} in its place",
          lambda visit, variant=variant: notice(variant), None)  # type: ignore[misc]
    for variant, known in NOTICES.items()
)  # fmt: skip
_QUOTED_PAGES = tuple(
    _page(f"quoted/{variant}", known.host, f"{variant}, quoted by something that is there",
          lambda visit, known=known: _quoting(visit, known.host, known.text, known.detail), None)  # type: ignore[misc]
    for variant, known in NOTICES.items()
)  # fmt: skip

# A notice, an article about one and a list with one, each in several languages, on a host that no
# rule file knows.
_PHRASE_PAGES = tuple(
    _page(f"{name}/{language}", NEWS, f"{says} ({language})",
          lambda visit, make=make, language=language: make(language), None)  # type: ignore[misc]
    for name, says, make in (
        ("phrase", "a general notice, with 200", phrases.notice),
        ("phrase-about", "a short article about a removal", phrases.about),
        ("phrase-listed", "a list of posts, one of them removed", phrases.listed),
    )
    for language in phrases.SPEECHES
)  # fmt: skip

PAGES: Mapping[str, FixturePage] = MappingProxyType(
    {
        page.name: page
        for page in (
            *_PLAIN_PAGES, *_EDITED_PAGES, *_WECHAT_PAGES, *_WEIBO_PAGES, *_OTHER_PAGES,
            *_WALL_PAGES, *_MEASURED_PAGES, *_HOSTILE_PAGES, *_LATE_PAGES, *_NOTICE_PAGES,
            *_QUOTED_PAGES, *_PHRASE_PAGES,
        )
    }
)  # fmt: skip


def names() -> tuple[str, ...]:
    """Return the names of all pages that have one right verdict, in order."""
    return tuple(name for name, page in PAGES.items() if page.expected is not None)


def host_of(path: str) -> str:
    """Return on which host a plain path lives."""
    name = _name(path)
    if name in PAGES:
        return PAGES[name].host
    return WECHAT if name.startswith("wx/") else NEWS


def render(
    path: str,
    state: SiteState | None = None,
    *,
    authority: str = "",
    headers: Mapping[str, str] | None = None,
) -> Response:
    """
    Return what the site answers. Pure.

    Args:
        path: "/wx/article", "wx/article", or what an address of a platform asks for:
            "/s?__biz=…&mid=…&idx=1"; its query is part of it.
        state: How the site stands; a new one if not given.
        authority: The host that is asked, with a port where links have to have one; ""
            for the one on which the page lives.
        headers: Of the request, names in any case: `Referer` decides what an image is.
    """
    parts = urlsplit(path if path.startswith("/") else f"/{path}")
    now = state or SiteState()
    asked = authority or host_of(parts.path)
    query = dict(reversed(parse_qsl(parts.query, keep_blank_values=True, max_num_fields=200)))
    host = asked.partition(":")[0]
    name = _name(parts.path)
    sent = {key.lower(): value for key, value in (headers or {}).items()}

    def visit(called: str) -> Visit:
        return Visit(
            name=called,
            path=parts.path,
            query=query,
            authority=asked,
            headers=sent,
            state=now,
            page=now.page(called),
        )

    if name in PAGES:
        return PAGES[name].make(visit(name))
    if (found := late_content.answer(visit(""), name)) is not None:
        return found
    return _elsewhere(host, parts.path, name, visit) or _not_there(visit(name))


def _elsewhere(host: str, path: str, name: str, visit: Callable[[str], Visit]) -> Response | None:
    """Return the answer to what is no page of a name: addresses of platforms, pictures, feeds."""
    if host == WECHAT:
        return _wechat_address(path, name, visit)
    if host == wechat.IMAGES:
        return wechat.image(visit(""))
    if host in (WEIBO, WEIBO_MOBILE, weibo.PASSPORT):
        return _weibo_address(host, path, visit)
    if host in _HOPS:
        step = _HOPS.index(host)
        following = _HOPS[step + 1] if step + 1 < len(_HOPS) else NEWS
        last = following == NEWS
        visited = visit("")
        return redirect(visited.address(following, "/news/2014" if last else f"/{step}fixture", {}))
    if name.startswith("wx/account/"):
        return _wechat_address(path, name, visit)
    if host in (X, YOUTUBE, FACEBOOK, BILIBILI, TIEBA):
        return others.post(visit(""))
    return _news_address(path, name, visit)


_HOPS = ("t.cn", "url.cn", "bit.ly")  # each leads to the next, and the last to the newspaper


def _wechat_address(path: str, name: str, visit: Callable[[str], Visit]) -> Response | None:
    if name.startswith("wx/account/"):
        match [number_of(part, _DIGITS) for part in name.split("/")[2:]]:
            case [int(account)]:
                return wechat.profile(visit(name), account)
            case [int(account), int(letter)]:
                return wechat.article_page(visit(name), wechat.account_story(account, letter))
            case _:
                return None
    if path == "/mp/rumor":
        return wechat.refuted(visit(""))
    if path == "/mp/wappoc_appmsgcaptcha":
        return wechat.verification(visit(""))
    if path == "/mp/profile_ext":
        asked = wechat.account_of(visit("").query.get("__biz", ""))
        return None if asked is None else wechat.profile(visit(f"wx/account/{asked}"), asked)
    called = wechat.by_numbers(visit("")) if path == "/s" else wechat.by_short(path)
    if called in PAGES:
        return PAGES[called].make(visit(called))
    if called:
        return _wechat_address("", called, visit)
    if path == "/":
        return document("微信公众平台", "<h1>微信公众平台</h1><p>再小的个体，也有自己的品牌</p>\n")
    if path == "/s" or path.startswith("/s/"):
        return notice("wx-w4-b")
    return None


def _weibo_address(host: str, path: str, visit: Callable[[str], Visit]) -> Response | None:
    if path == "/sorry":
        return weibo.sorry(visit(""))
    if path == "/visitor/visitor":
        return weibo.visitor(visit(""))
    last = path.rstrip("/").rpartition("/")[2]
    for post, name in ((weibo.POST, "wb/post"), (weibo.REPOST, "wb/repost-deleted")):
        if last in (post.mid, post.short):
            show = weibo.mobile if host == WEIBO_MOBILE else weibo.desktop
            return show(visit(name), post)
    if path in ("/ajax/statuses/show", "/statuses/show"):
        return weibo.api(visit("wb/post"), "")
    return None


def _news_address(path: str, name: str, visit: Callable[[str], Visit]) -> Response | None:
    if path in ("/", "/news", "/news/"):
        return news.front(visit("news/feed"))
    if name in walls.TARGETS:
        return walls.TARGETS[name](visit(name))
    if (edited := name.removesuffix(".png")) != name and edited in edited_articles.PAGES:
        return edited_articles.picture(visit(edited))
    if name == "news/feed.xml":
        return news.feed(visit("news/feed"))
    stem = name.rpartition("/")[2]
    if name.startswith("news/images/") and stem.endswith(".png"):
        picture = stem.removesuffix(".png")
        known = picture == "qr" or number_of(picture, _DIGITS) is not None
        return news.image(visit("")) if known else None
    item = number_of(stem, _DIGITS)
    if name == f"news/item/{stem}" and item is not None:
        return news.item(visit(name), item)
    return None


def _not_there(visit: Visit) -> Response:
    response = notice_page(NEWS, news.GONE["404"], "The address may have been mistyped.")
    return Response(status=404, headers=response.headers, body=response.body)


def _name(path: str) -> str:
    return unquote(path).strip("/")


def article(
    host: str, title: str, sentences: tuple[str, ...], *, state: SiteState | None = None
) -> Response:
    """
    Return a real article, post or video of a host, with any title and sentences.

    For what a notice must not be mistaken for: the same words inside something that is there.
    """
    now = state or SiteState()
    visit = Visit(
        name="", path="/", query={}, authority=host, headers={}, state=now, page=now.page("")
    )
    if host == WECHAT:
        return wechat.built(title, sentences, visit)
    if host in (WEIBO, WEIBO_MOBILE):
        return weibo.built(title, sentences, visit)
    return others.built(title, sentences, visit) or news.built(title, sentences, visit)


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressAnswer:
    """What one address answered."""

    url: str
    response: Response


@dataclass(frozen=True, slots=True, kw_only=True)
class SettledVisit:
    """Where a visit ends when its redirects, and scripts that go on, were followed."""

    url: str
    response: Response
    redirects: tuple[str, ...] = ()  # addresses that answered with a redirect
    before: tuple[AddressAnswer, ...] = ()  # pages whose script went on


def follow_visit(path: str, state: SiteState | None = None) -> SettledVisit:
    """
    Return what a browser ends up with, without a browser.

    Follows redirects, and the scripts of the pages of which it is known (`scripted_to`).
    The markup is what the server sent: no script has changed it.

    Raises:
        ValueError: It leads away from this site, or goes on for ever.
    """
    name = _name(urlsplit(path).path)
    page = PAGES.get(name)
    url = f"http://{host_of(urlsplit(path).path)}/{path.lstrip('/')}"
    redirects: list[str] = []
    before: list[AddressAnswer] = []
    scripted = page.scripted_to if page is not None else ""
    for _ in range(_MAX_HOPS):
        parts = urlsplit(url)
        asked = f"{parts.path}?{parts.query}" if parts.query else parts.path
        response = render(asked, state, authority=parts.netloc)
        location = response.header("Location")
        if location:
            redirects.append(url)
            url = urljoin(url, location)
            if not _ours(urlsplit(url).hostname or ""):
                raise ValueError(f"{path} leads to {url}, which is not on the fixture site")
        elif scripted and "<script>" in response.text:
            before.append(AddressAnswer(url=url, response=response))
            url, scripted = urljoin(url, scripted), ""
        else:
            return SettledVisit(
                url=url, response=response, redirects=tuple(redirects), before=tuple(before)
            )
    raise ValueError(f"{path} redirects without end")


def hosts() -> frozenset[str]:
    """Return every host that the site answers for."""
    return frozenset(
        {page.host for page in PAGES.values()}
        | {NOTICES[variant].host for variant in NOTICES}
        | {wechat.IMAGES, weibo.PASSPORT, *_HOPS}
    )


def _ours(host: str) -> bool:
    return host in hosts()
