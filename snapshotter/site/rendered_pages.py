"""
Make pages of the fixture site as a capture would keep them, without a browser.

Rules and readings are tested on hundreds of such pages. What scripts would change in them, Python
code changes here. The tests with a browser compare both.
"""

from html import escape
from html.parser import HTMLParser
from typing import Final

from typing_extensions import override

from snapshotter.model.capture import ImageCounts, Redirect
from snapshotter.model.page import Page
from snapshotter.site import wechat
from snapshotter.site.catalogue import SettledVisit, follow_visit
from snapshotter.site.response import Response
from snapshotter.site.state import SiteState

TIMEZONE: Final = "Asia/Shanghai"
LOCALE: Final = "zh-CN"
_SILENT = frozenset({"script", "style", "title", "template", "textarea"})
_BREAKS = frozenset(
    {
        *("address", "article", "aside", "body", "br", "div", "em", "figcaption", "figure"),
        *("footer", "form", "h1", "h2", "h3", "h4", "header", "hr", "li", "main", "nav", "p"),
        *("pre", "section", "table", "td", "th", "tr", "ul", "button", "label"),
    }
)


def rendered_page(path: str, state: SiteState | None = None) -> Page:
    """
    Return what a capture of a page would keep of it.

    Args:
        path: "wx/article", or anything else that `follow_visit` takes.

    Raises:
        ValueError: It leads away from the site, or goes on for ever.
    """
    now = state or SiteState()
    return page_from_visit(follow_visit(path, now), now)


def page_from_visit(found: SettledVisit, state: SiteState) -> Page:
    """Return the page at the end of a visit."""
    hops = [*found.redirects, *(answer.url for answer in found.before), found.url]
    asked = len(found.redirects)
    redirects = tuple(
        Redirect(
            kind="http" if number < asked else "client",
            from_url=hops[number],
            to_url=hops[number + 1],
            status=302 if number < asked else None,
            at=state.at,
        )
        for number in range(len(hops) - 1)
    )
    return page_from_response(
        found.response, hops[0], found.url, state, redirects=redirects,
        before=tuple(answer.response.body for answer in found.before),
    )  # fmt: skip


def page_from_response(
    response: Response,
    requested_url: str,
    final_url: str = "",
    state: SiteState | None = None,
    *,
    redirects: tuple[Redirect, ...] = (),
    before: tuple[bytes, ...] = (),
) -> Page:
    """Return one answer as a page: of `render`, `notice_page` or `article`."""
    media_type = response.header("Content-Type").partition(";")[0].strip().lower()
    is_html = media_type == "text/html"
    if is_html:
        markup = wechat.after_script(response.text)
    else:  # a browser shows data in a page of its own making
        words = escape(response.text, quote=False)
        markup = f"<html><head></head><body><pre>{words}</pre></body></html>"
    images = markup.count("<img ")
    return Page(
        requested_url=requested_url,
        final_url=final_url or requested_url,
        captured_at=(state or SiteState()).at,
        timezone=TIMEZONE,
        locale=LOCALE,
        status=response.status,
        media_type=media_type,
        headers={name.lower(): value for name, value in response.headers},
        redirects=redirects,
        html=markup,
        raw=response.body,
        raw_before=before,
        text=_text(markup),
        images=ImageCounts(wanted=images, loaded=images),
    )


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._silent = 0

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._silent += tag in _SILENT
        if tag in _BREAKS:
            self.parts.append("\n")

    @override
    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in _SILENT and self._silent > 0
        if tag in _BREAKS:
            self.parts.append("\n")

    @override
    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.parts.append(" ".join(data.split("\n")))


def _text(markup: str) -> str:
    reader = _Reader()
    reader.feed(markup)
    reader.close()
    lines = (" ".join(part.split()) for part in "".join(reader.parts).split("\n"))
    return "\n".join(line for line in lines if line) + "\n"
