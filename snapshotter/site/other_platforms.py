"""
Make posts and videos of further platforms as they look before a removal, or the notice in their
place.

The texts of the posts are our own.
"""

from collections.abc import Callable
from html import escape

from snapshotter.site.notices import BILIBILI, FACEBOOK, TIEBA, YOUTUBE, X, notice
from snapshotter.site.response import Response, Visit, document

_GONE = {
    X: "x-author", YOUTUBE: "yt-author", FACEBOOK: "fb-gone", BILIBILI: "bili-gone",
    TIEBA: "tieba-closed",
}  # fmt: skip


def _x(words: str, text: str, visit: Visit) -> Response:
    return document(
        f"The ferry on X: “{words[:20]}…”",
        '<div id="react-root"><main role="main"><div data-testid="primaryColumn">\n'
        '<article role="article" data-testid="tweet"><div data-testid="User-Name">The ferry'
        f' @ferryfixture</div>\n<div data-testid="tweetText">{text}</div>\n'
        '<time datetime="2026-01-07T06:00:00.000Z">Jan 7, 2026</time></article>\n'
        "</div></main></div>\n",
    )


def _youtube(words: str, text: str, visit: Visit) -> Response:
    return document(
        f"{words[:60]} - YouTube",
        '<ytd-app><ytd-watch-flexy video-id="fixture0001"><div id="player"><video></video></div>\n'
        f"<ytd-watch-metadata><h1><yt-formatted-string>{words}</yt-formatted-string></h1>\n"
        f'<div id="description">{text}</div></ytd-watch-metadata></ytd-watch-flexy></ytd-app>\n',
    )


def _facebook(words: str, text: str, visit: Visit) -> Response:
    return document(
        "The ferry | Facebook",
        '<div role="main"><div role="article"><h2>The ferry</h2>\n'
        f'<div data-ad-preview="message" dir="auto">{text}</div></div></div>\n',
    )


def _bilibili(words: str, text: str, visit: Visit) -> Response:
    return document(
        f"{words}_哔哩哔哩_bilibili",
        '<div id="app"><div class="video-container-v1"><div id="bilibili-player"></div>\n'
        f'<h1 class="video-title">{words}</h1>\n<div class="basic-desc-info">{text}</div>'
        "</div></div>\n",
        lang="zh-CN",
    )


def _tieba(words: str, text: str, visit: Visit) -> Response:
    return document(
        f"{words}_石桥吧_百度贴吧",
        f'<div class="pb_content"><h3 class="core_title_txt">{words}</h3>\n'
        f'<div class="d_post_content j_d_post_content">{text}</div></div>\n',
        lang="zh-CN",
    )


_MAKERS: dict[str, Callable[[str, str, Visit], Response]] = {
    X: _x, YOUTUBE: _youtube, FACEBOOK: _facebook, BILIBILI: _bilibili, TIEBA: _tieba,
}  # fmt: skip


def built(title: str, sentences: tuple[str, ...], visit: Visit) -> Response | None:
    """Return a real post or video of one of these hosts; None for any other host."""
    make = _MAKERS.get(visit.host)
    if make is None:
        return None
    text = " ".join(escape(sentence, quote=False) for sentence in (title, *sentences))
    return make(escape(title, quote=False), text, visit)


def post(visit: Visit) -> Response:
    """Return a host's post or video, or what stands in its place."""
    if visit.page.showing != "available":
        return notice(visit.page.variant or _GONE[visit.host])
    if visit.host in (BILIBILI, TIEBA):
        words = ("渡口的早晨", ("船开出去的时候雾还没有散，对岸的灯一盏一盏地灭了。",))
    else:
        words = (
            "The ferry leaves ten minutes early all week",
            ("Bring your bicycle to the lower gate, and mind the ice on the third step.",),
        )
    made = built(*words, visit)
    if made is None:
        raise ValueError(f"no posts of {visit.host} here")
    return made
