"""
Define the requests and responses of the fixture site, and build responses: HTML, JSON and
redirects.
"""

import json
from collections.abc import Mapping
from html import escape
from urllib.parse import urlencode

from snapshotter.site.state import PageState, SiteState
from snapshotter.value_class import dataclass

_MOST_SHOWN = 100_000  # beyond them a page says 10万+

HTML = "text/html; charset=utf-8"
JSON = "application/json; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """One answer, whole."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = (("Content-Type", HTML),)
    body: bytes = b""
    repeats: int = 1  # the body is sent so often, for bodies that are too large to hold
    after_s: float = 0.0  # the server waits so long before it answers
    # Sent after the head, each so many seconds after it; then the connection stays open.
    later: tuple[tuple[float, bytes], ...] = ()

    @property
    def text(self) -> str:
        """The body as text: all pages are UTF-8."""
        return self.body.decode()

    def header(self, name: str) -> str:
        """Return the value of a header, "" if it is not there."""
        return {key.lower(): value for key, value in self.headers}.get(name.lower(), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One request, with the state that the site is in."""

    name: str  # of the page, "wx/article"; "" for what is none
    path: str
    query: Mapping[str, str]
    authority: str  # host, and port where it is not the usual one
    headers: Mapping[str, str]  # names in lower case
    state: SiteState
    page: PageState

    @property
    def host(self) -> str:
        """The host that was asked, without its port."""
        return self.authority.partition(":")[0]

    def origin(self, host: str) -> str:
        """Return `//host` with the port of this visit: another host of the same site."""
        _, colon, port = self.authority.partition(":")
        return f"//{host}{colon}{port}"

    def address(self, host: str, path: str, query: Mapping[str, str]) -> str:
        """Return a whole address on one of the site's hosts."""
        asked = f"?{urlencode(query)}" if query else ""
        return f"http:{self.origin(host)}{path}{asked}"


def html(text: str, *headers: tuple[str, str], status: int = 200) -> Response:
    """Return a page."""
    return Response(status=status, headers=(("Content-Type", HTML), *headers), body=text.encode())


def document(
    title: str, body: str, *, head: str = "", lang: str = "en", status: int = 200
) -> Response:
    """Return a page of a title (escaped here) and a body (markup)."""
    return html(
        f'<!doctype html>\n<html lang="{lang}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title, quote=False)}</title>\n{head}</head>\n<body>\n{body}</body>\n"
        "</html>\n",
        status=status,
    )


def data(value: object, *, status: int = 200) -> Response:
    """Return JSON, as the platforms write it: without spaces, in plain Unicode."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return Response(status=status, headers=(("Content-Type", JSON),), body=text.encode())


def redirect(address: str, status: int = 302) -> Response:
    """Return a redirect."""
    return Response(status=status, headers=(("Content-Type", HTML), ("Location", address)))


def counted(number: int) -> str:
    """Return a count as Chinese platforms write it: one decimal of 万, cut off; 10万+ at most."""
    if number > _MOST_SHOWN:
        return "10万+"
    if number < 10_000:
        return str(number)
    tenths = number // 1000
    return f"{tenths // 10}.{tenths % 10}万" if tenths % 10 else f"{tenths // 10}万"


def number_of(text: str, digits: int = 12) -> int | None:
    """Return the number that a text is, or None: anybody can ask for anything."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= digits else None
