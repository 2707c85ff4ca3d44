"""
Request timestamp tokens from authorities over HTTP (RFC 3161 section 3.4), and verify them.

Each response is verified against the authority's configured root before it is returned. If
an authority fails, the capture lacks its token and nothing else: the failure becomes a
`TokenResult`, and `snapshotter timestamp` asks again.

No proxy is used unless one is configured. The environment's `HTTP_PROXY` and `.netrc` are
not read: the configuration decides where requests go, not the shell.
"""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from snapshotter.errors import ServiceUnavailable
from snapshotter.formats.proofs.rfc3161 import (
    MAX_RESPONSE_BYTES,
    Anchor,
    TokenInvalid,
    build_request,
    check_response,
)
from snapshotter.model.bundle import TokenResult, TokenState
from snapshotter.ports import Clock, IdSource, TimestampAuthority
from snapshotter.translation import tr

if TYPE_CHECKING:
    import httpx

_QUERY: Final = "application/timestamp-query"
_REPLY: Final = "application/timestamp-reply"
_MAX_REDIRECTS: Final = 3
_USER_AGENT: Final = "snapshotter"
_GRACE_S: Final = 0.5  # beyond the limit, for an exchange that ends by itself and says why
_HURRY_S: Final = 0.05  # how soon a wish to wait no longer is noticed


class AnswerRefused(ServiceUnavailable):
    """The response of an authority is invalid; `stamp_all` reports REFUSED."""


class HttpTimestampAuthority:
    """
    A timestamp authority behind HTTP.

    Any number of threads may use it. It keeps no connection, cookie or state.

    Args:
        name: From the configuration; it appears in messages and results.
        url: http or https. Most authorities offer plain http only, which is safe: the
            token is verified, and only a digest is sent.
        anchor: The root certificate to which a token must lead.
        clock: Measures the limit on the whole exchange.
        ids: The source of nonces.
        timeout_s: For the whole exchange, redirects included.
        proxy: URL of a proxy, if the configuration names one.
        transport: Returns the transport of each exchange, with its own proxy or none; None:
            that of httpx.
    """

    def __init__(
        self,
        name: str,
        url: str,
        anchor: Anchor,
        *,
        clock: Clock,
        ids: IdSource,
        timeout_s: float = 10.0,
        proxy: str | None = None,
        transport: Callable[[], "httpx.BaseTransport"] | None = None,
    ) -> None:
        if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname:
            raise ValueError(
                f"the address of {name} is neither http nor https: {_without_userinfo(url)}"
            )
        if timeout_s <= 0:
            raise ValueError("a time limit must be longer than 0 seconds")
        if proxy is not None and transport is not None:
            raise ValueError("a proxy would lead past the transport")
        self._name = name
        self._url = url
        self._anchor = anchor
        self._clock = clock
        self._ids = ids
        self._timeout_s = timeout_s
        self._proxy = proxy
        self._transport = transport

    @property
    def name(self) -> str:
        """The name from the configuration."""
        return self._name

    def stamp(self, message: bytes) -> tuple[bytes, datetime]:
        """
        Return the whole response (DER) over `message`, verified, and its time.

        Raises:
            AnswerRefused: The response is invalid.
            ServiceUnavailable: No response in time, or none of a timestamp authority.
        """
        nonce = _nonce(self._ids)
        response = self._within_limit(build_request(message, nonce=nonce))
        try:
            token = check_response(response, message, self._anchor, nonce=nonce)
        except TokenInvalid as error:
            raise AnswerRefused(
                tr(
                    "timestamp authority {name}: {value} ({code})",
                    name=self._name,
                    value=error.message,
                    code=error.code,
                )
            ) from error
        return response, token.time

    def _within_limit(self, request: bytes) -> bytes:
        """
        Run the exchange in its own thread, within the time limit.

        httpx only limits each read: headers that arrive one byte at a time, or a resolver that
        hangs, would have no limit. The connection of an abandoned exchange is shut down, so
        that its thread ends as well.
        """
        exchange = _Exchange()

        def work() -> None:
            try:
                exchange.response = self._post(request, exchange)
            except BaseException as error:  # noqa: BLE001  raised again where it is waited for
                exchange.error = error

        thread = threading.Thread(target=work, name=f"exchange-{self._name}", daemon=True)
        thread.start()
        thread.join(self._timeout_s + _GRACE_S)
        if thread.is_alive():
            exchange.give_up()
            raise self._unavailable(
                tr("did not answer within {timeout_s:g} s", timeout_s=self._timeout_s)
            )
        if exchange.error is not None:
            raise exchange.error
        return exchange.response

    def _post(self, request: bytes, exchange: "_Exchange") -> bytes:
        # Here, because most commands never need it.
        from snapshotter.egress.http_library import httpx

        deadline = self._clock.monotonic() + self._timeout_s
        try:
            with (
                httpx.Client(
                    trust_env=False,
                    proxy=self._proxy,
                    transport=self._transport() if self._transport is not None else None,
                    timeout=self._timeout_s,
                    follow_redirects=True,
                    max_redirects=_MAX_REDIRECTS,
                    event_hooks={"response": [_leave_coded]},
                ) as client,
                client.stream(
                    "POST",
                    self._url,
                    content=request,
                    headers={
                        "Content-Type": _QUERY,
                        "Accept": _REPLY,
                        "Accept-Encoding": "identity",
                        "User-Agent": _USER_AGENT,
                    },
                    extensions={"trace": exchange.note},
                ) as answer,
            ):
                return self._read(answer, deadline)
        except httpx.TimeoutException as error:
            raise self._unavailable(
                tr("did not answer within {timeout_s:g} s", timeout_s=self._timeout_s)
            ) from error
        except httpx.TooManyRedirects as error:
            raise self._unavailable(
                tr("redirects more than {max_redirects} times", max_redirects=_MAX_REDIRECTS)
            ) from error
        except httpx.ConnectError as error:
            raise self._unavailable(tr("cannot be reached: {error}", error=error)) from error
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise self._unavailable(tr("closed the connection: {error}", error=error)) from error

    def _read(self, answer: "httpx.Response", deadline: float) -> bytes:
        if answer.status_code != 200:
            raise self._unavailable(
                tr("answered with HTTP status {status_code}", status_code=answer.status_code)
            )
        media_type = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if media_type != _REPLY:
            raise AnswerRefused(
                tr(
                    "timestamp authority {name} answered with {media_type} instead of a timestamp",
                    name=self._name,
                    media_type=media_type[:80] or "data without a media type",
                ),
                hint=tr(
                    "check whether a proxy or a log-in page of the network answered instead "
                    "of the timestamp authority"
                ),
            )
        body = bytearray()
        for chunk in answer.iter_raw():
            body += chunk
            if len(body) > MAX_RESPONSE_BYTES:
                raise AnswerRefused(
                    tr(
                        "timestamp authority {name} answered with more than "
                        "{max_response_bytes} bytes",
                        name=self._name,
                        max_response_bytes=MAX_RESPONSE_BYTES,
                    )
                )
            # httpx limits each read, not their sum: a byte now and then would never end
            if self._clock.monotonic() > deadline:
                raise self._unavailable(
                    tr("did not answer within {timeout_s:g} s", timeout_s=self._timeout_s)
                )
        return bytes(body)

    def _unavailable(self, what: str) -> ServiceUnavailable:
        return ServiceUnavailable(
            tr("timestamp authority {name} {what}", name=self._name, what=what),
            hint=tr(
                "check that {without_userinfo} can be reached. Then request the token:\n  "
                "snapshotter timestamp",
                without_userinfo=_without_userinfo(self._url),
            ),
        )


def _leave_coded(answer: "httpx.Response") -> None:
    """
    Keep httpx from decoding the content coding of a response.

    httpx reads the body of a redirect completely, without a limit, and decodes every coding for
    which a library is installed: a few kilobytes of Brotli can expand to gigabytes.
    """
    answer.headers.pop("Content-Encoding", None)


class _Exchange:
    """One exchange in its own thread, with its result and a way to end it from outside."""

    def __init__(self) -> None:
        self.response = b""
        self.error: BaseException | None = None
        self._connection: socket.socket | None = None
        self._given_up = False

    def note(self, event: str, info: Mapping[str, Any]) -> None:
        """Record the newest connection; httpx calls this at each of its steps."""
        if event.startswith("connection.") and event.endswith(".complete"):
            stream = info.get("return_value")
            ask = getattr(stream, "get_extra_info", None)
            found = ask("socket") if ask else None
            if isinstance(found, socket.socket):
                self._connection = found
        if self._given_up:
            self.give_up()

    def give_up(self) -> None:
        """Shut the connection down: a read in the other thread ends at once."""
        self._given_up = True
        if self._connection is not None:
            with contextlib.suppress(OSError):
                self._connection.shutdown(socket.SHUT_RDWR)


def _without_userinfo(url: str) -> str:
    """Return a URL without its user name and password, which are secrets."""
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"


def stamp_all(
    authorities: Sequence[TimestampAuthority],
    message: bytes,
    *,
    timeout_s: float,
    hurry: Callable[[], bool] | None = None,
) -> tuple[TokenResult, ...]:
    """
    Request a token from all authorities at once; return the results in their order.

    Never raises for an authority that fails: PENDING means that it gave no response, REFUSED
    that its response is invalid.

    Args:
        timeout_s: For all together. An authority without a response by then is PENDING; its
            thread ends by its own limit, and a late response is dropped.
        hurry: Called while waiting; once it returns True, the remaining ones are PENDING.
    """
    results: dict[int, TokenResult] = {}
    lock = threading.Lock()
    everyone_answered = threading.Event()

    def ask(index: int, authority: TimestampAuthority) -> None:
        result = _result(authority, message)
        with lock:
            results[index] = result
            if len(results) == len(authorities):
                everyone_answered.set()

    # Daemons: a silent authority must not keep the program from ending.
    for index, authority in enumerate(authorities):
        threading.Thread(
            target=ask, args=(index, authority), name=f"timestamp-{authority.name}", daemon=True
        ).start()
    hurried = False
    if authorities and hurry is None:
        everyone_answered.wait(timeout_s)
    elif authorities and hurry is not None:
        end = time.monotonic() + timeout_s
        while (left := end - time.monotonic()) > 0 and not (hurried := hurry()):
            if everyone_answered.wait(min(left, _HURRY_S)):
                break
    why = tr("before the interruption") if hurried else f"within {timeout_s:g} s"
    with lock:
        answered = dict(results)
    return tuple(
        answered.get(index)
        or TokenResult(
            authority=authority.name,
            state=TokenState.PENDING,
            detail=tr(
                "timestamp authority {name} did not answer {why}", name=authority.name, why=why
            ),
        )
        for index, authority in enumerate(authorities)
    )


def _result(authority: TimestampAuthority, message: bytes) -> TokenResult:
    try:
        response, time = authority.stamp(message)
    except AnswerRefused as error:
        return TokenResult(authority=authority.name, state=TokenState.REFUSED, detail=error.message)
    except ServiceUnavailable as error:
        return TokenResult(authority=authority.name, state=TokenState.PENDING, detail=error.message)
    except Exception as error:  # noqa: BLE001 — a bug in one adapter must not lose a capture
        return TokenResult(
            authority=authority.name,
            state=TokenState.PENDING,
            detail=tr(
                "timestamp authority {name} failed: {name2}: {error}",
                name=authority.name,
                name2=type(error).__name__,
                error=error,
            ),
        )
    return TokenResult(
        authority=authority.name, state=TokenState.GRANTED, time=time, response=response
    )


def _nonce(ids: IdSource) -> int:
    """Return a nonce of 63 bits: some authorities read it as a signed number of 64."""
    return int.from_bytes(ids.random_bytes(8), "big") >> 1 | 1
