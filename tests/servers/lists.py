"""
A server of lists on loopback: what a path answers is what a test says at that moment.

    with ListServer() as server:
        server.put("/feed", feed("1", "2"))
        server.url("/feed")
"""

import hashlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from typing_extensions import override


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a path answers."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class ListServer:
    """Gives an ETag to whatever is there, and a 304 to who has it already."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer | Callable[[Any], None]] = {}
        self.requests: list[tuple[str, dict[str, str], int]] = []  # path, headers, status
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._server.lists = self  # type: ignore[attr-defined]

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        """Return the address of a path."""
        return f"http://{host}:{self._server.server_address[1]}{path}"

    def put(self, path: str, body: str | bytes = b"", status: int = 200, **headers: str) -> None:
        """Let a path answer this from now on; `content_type="…"` is a header."""
        data = body.encode() if isinstance(body, str) else body
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        self.answers[path] = Answer(body=data, status=status, headers=named)

    def statuses(self, path: str) -> list[int]:
        """Return what was answered for a path, in order."""
        return [status for asked, _, status in self.requests if asked == path]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        lists: ListServer = self.server.lists  # type: ignore[attr-defined]
        answer = lists.answers.get(self.path, Answer(status=404))
        asked = {key.lower(): value for key, value in self.headers.items()}
        if not isinstance(answer, Answer):
            lists.requests.append((self.path, asked, 0))
            answer(self)
            return
        tag = f'"{hashlib.sha256(answer.body).hexdigest()[:16]}"'
        status, body = answer.status, answer.body
        if status == 200 and asked.get("if-none-match") == tag:
            status, body = 304, b""
        lists.requests.append((self.path, asked, status))
        self.send_response(status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if status in (200, 304):
            self.send_header("ETag", tag)
        if status != 304:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if body:  # whoever has its 304 is gone
            self.wfile.write(body)

    @override
    def log_message(self, format: str, *args: Any) -> None:
        pass


def feed(*links: str, title: str = "News") -> str:
    """Return an RSS feed with these links."""
    items = "".join(
        f"<item><title>{link[-20:]}</title><link>{link.replace('&', '&amp;')}</link></item>"
        for link in links
    )
    return f'<rss version="2.0"><channel><title>{title}</title>{items}</channel></rss>'


def sitemap(*links: str) -> str:
    """Return a sitemap with these pages."""
    urls = "".join(f"<url><loc>{link.replace('&', '&amp;')}</loc></url>" for link in links)
    return f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{urls}</urlset>'


def sitemap_index(**stamps: str) -> str:
    """Return an index of sitemaps, `/name.xml` of the same host, each with its time or ""."""
    children = "".join(
        f"<sitemap><loc>/{name}.xml</loc>{f'<lastmod>{stamp}</lastmod>' if stamp else ''}</sitemap>"
        for name, stamp in stamps.items()
    )
    return f"<sitemapindex>{children}</sitemapindex>"
