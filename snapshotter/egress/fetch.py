"""
Fetch one address through an egress guard of its own, within limits of time and size.

Polled lists are fetched with it. No cookie is kept, nothing of the environment is read, and each
address of a redirect is checked like the first. The guard is made for one fetch and cut at its end,
so it also limits what httpx does not: a head that comes a byte at a time, and the sum of all reads.

Import this module only where httpx is installed.
"""

import functools
import ssl
import threading
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import field, replace
from typing import Final
from urllib.parse import urljoin, urlsplit

from snapshotter.egress.errors import EgressFailed
from snapshotter.egress.guard import EgressGuard
from snapshotter.egress.http_library import httpx
from snapshotter.egress.rules import EgressRules
from snapshotter.egress.transport import transport
from snapshotter.errors import ServiceUnavailable
from snapshotter.ports import Clock
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

_REDIRECTS: Final = 5
_MOVED: Final = frozenset({301, 302, 303, 307, 308})
_OVERHEAD: Final = 2 << 20  # bytes of handshakes and heads, beside what is read
_GZIP: Final = 31  # wbits of zlib, RFC 1952
_KEPT: Final = ("content-type", "etag", "last-modified", "retry-after", "date")
_MAX_HEADER: Final = 1_000  # characters of one that is kept


# By the words of `EgressFailed`.
_WHY: Final[Mapping[str, str]] = {
    "dns": tr("no server has this host name, or the network is down"),
    "dns-timeout": tr("the name server did not answer"),
    "refused": tr("the server accepts no connection at this port"),
    "reset": tr("the server ended the connection"),
    "timeout": tr("the server did not answer"),
    "unreachable": tr("no network leads to the server"),
}


class FetchFailed(ServiceUnavailable):
    """
    No response that could be read.

    Args:
        word: Stable, for programs: "unreachable", "refused", "timeout", "too-large",
            "redirects", "broken".
    """

    def __init__(self, word: str, message: str) -> None:
        super().__init__(message)
        self.word = word


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedResponse:
    """A response, whatever its status."""

    status: int
    url: str  # that answered, after redirects
    body: bytes = field(default=b"", repr=False)  # its content coding undone; only of a 200
    headers: Mapping[str, str] = field(default_factory=dict)  # those of use, in small letters


def fetch(
    url: str,
    *,
    rules: EgressRules,
    clock: Clock,
    purpose: str,
    user_agent: str,
    limit: int,
    timeout_s: float,
    known: Mapping[str, Mapping[str, str]] | None = None,
) -> FetchedResponse:
    """
    Return the response of a server.

    Args:
        rules: Allowed networks, and the proxy. Their limit on bytes is replaced.
        purpose: As the record of connections states it.
        limit: Most bytes of the body, as received and decoded.
        timeout_s: For all of it, redirects included.
        known: By address, headers that make the request of that address conditional: they
            are sent to no other address that a redirect names.

    Raises:
        FetchFailed: There is no response, or none within the limits.
    """
    guard = EgressGuard(
        replace(rules, total_bytes=limit + _OVERHEAD, connections=4, connections_in_all=32),
        clock=clock,
        purpose=purpose,
    )
    late = threading.Event()

    def give_up() -> None:
        late.set()
        guard.cut("the time limit was exceeded")

    guard.start()
    timer = threading.Timer(timeout_s, give_up)
    timer.daemon = True
    timer.start()
    try:
        with httpx.Client(
            transport=transport(guard, ssl_context=_trusted()),
            trust_env=False,
            timeout=timeout_s,
            headers={
                "User-Agent": user_agent,
                "Accept": "application/atom+xml, application/rss+xml, application/xml;q=0.9, "
                "text/html;q=0.8, */*;q=0.5",
                "Accept-Encoding": "gzip",
            },
        ) as client:
            return _follow(client, url, limit, known or {})
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
        if late.is_set() or isinstance(error, httpx.TimeoutException):
            raise FetchFailed(
                "timeout",
                tr("the answer was not complete within {timeout_s:g} s", timeout_s=timeout_s),
            ) from error
        if guard.over_limit:
            raise FetchFailed(
                "too-large", tr("the answer has more than {limit} bytes", limit=limit)
            ) from error
        refused = next(
            (connection for connection in guard.connections() if connection.refusal), None
        )
        if refused is not None:
            raise FetchFailed("refused", str(error)) from error
        if isinstance(error, httpx.ConnectError):
            raise FetchFailed(
                "unreachable", tr("the connection could not be made: {why}", why=_why(error))
            ) from error
        raise FetchFailed(
            "broken", tr("the connection was interrupted: {error}", error=error)
        ) from error
    finally:
        timer.cancel()
        guard.stop()


def _why(error: httpx.ConnectError) -> str:
    """Return why a connection was not made, in words in place of the number of an error."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, EgressFailed):
        cause = cause.__cause__ or cause.__context__
    return str(error) if cause is None else _WHY.get(cause.word, cause.detail)


@functools.cache
def _trusted() -> ssl.SSLContext:
    """Return the TLS context: httpx's own, its certificates read once."""
    return httpx.create_ssl_context(trust_env=False)


def _follow(
    client: httpx.Client, url: str, limit: int, known: Mapping[str, Mapping[str, str]]
) -> FetchedResponse:
    for _ in range(_REDIRECTS + 1):
        with client.stream("GET", url, headers=known.get(url, {})) as answer:
            target = answer.headers.get("location", "") if answer.status_code in _MOVED else ""
            if not target:
                return FetchedResponse(
                    status=answer.status_code,
                    url=url,
                    body=_body(answer, limit) if answer.status_code == httpx.codes.OK else b"",
                    headers={
                        name: answer.headers[name][:_MAX_HEADER]
                        for name in _KEPT
                        if name in answer.headers
                    },
                )
        url = _target(url, target)
    raise FetchFailed(
        "redirects",
        tr("the address leads to more than {redirects} redirects", redirects=_REDIRECTS),
    )


def _target(url: str, location: str) -> str:
    try:
        target = urljoin(url, location.strip())
        parts = urlsplit(target)
        _ = parts.port
    except ValueError:
        parts, target = urlsplit(""), ""
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        raise FetchFailed(
            "redirects", tr("a redirect leads to a target that is not the address of a page")
        )
    return target


def _body(answer: httpx.Response, limit: int) -> bytes:
    parts, length = [], 0
    for part in _opened(answer, limit):
        length += len(part)
        if length > limit:
            raise FetchFailed(
                "too-large", tr("the answer has more than {limit} bytes", limit=limit)
            )
        parts.append(part)
    return b"".join(parts)


def _opened(answer: httpx.Response, limit: int) -> Iterator[bytes]:
    """Yield the decoded body; of a decompression bomb, little more than the limit."""
    coding = answer.headers.get("content-encoding", "").strip().lower()
    if coding in ("", "identity"):
        yield from answer.iter_raw()
        return
    if coding not in ("gzip", "x-gzip"):
        raise FetchFailed(
            "broken",
            tr(
                "the answer has the content coding {coding!r}, which was not requested",
                coding=coding[:40],
            ),
        )
    inflater = zlib.decompressobj(_GZIP)
    try:
        for chunk in answer.iter_raw():
            yield inflater.decompress(chunk, limit + 1)  # of more, whoever reads has enough
    except zlib.error as error:
        raise FetchFailed(
            "broken", tr("the answer is not valid gzip: {error}", error=error)
        ) from error
    if not inflater.eof:
        raise FetchFailed("broken", tr("the answer ended too early"))
