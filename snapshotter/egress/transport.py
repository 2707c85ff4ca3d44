"""
Provide an httpx transport that makes all its connections through the egress guard.

    with httpx.Client(transport=transport(guard)) as client:
        client.get("https://authority.example/")

The guard resolves, checks and dials names. TLS is httpx's own, with its own checks, over the
socket that the guard returns. If the guard uses an HTTP proxy, plain http is requested from the
guard as a browser does it: such proxies build tunnels to few ports, and want a request in
absolute form for the others. A client with a `proxy` would bypass its transport: only the guard
uses an upstream proxy.

Import this module only where httpx is installed: it is not part of a bare verifier.
"""

import select
import socket
import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Final, Self

import httpcore
from typing_extensions import override

from snapshotter.egress.errors import EgressError, EgressFailed
from snapshotter.egress.guard import EgressGuard
from snapshotter.egress.http_library import httpx

_GUARD: Final = "http://guard.invalid"  # what the guard is called as a proxy; never resolved
_DIAL_S: Final = 30.0  # where the client names no limit of its own

# httpcore's errors and httpx's have the same names; the ones that are more exact first.
_ERRORS: Final = tuple(
    (getattr(httpcore, name), getattr(httpx, name))
    for name in (
        "ConnectTimeout", "ReadTimeout", "WriteTimeout", "PoolTimeout", "TimeoutException",
        "ConnectError", "ReadError", "WriteError", "NetworkError",
        "LocalProtocolError", "RemoteProtocolError", "ProtocolError",
        "ProxyError", "UnsupportedProtocol",
    )
)  # fmt: skip


def transport(
    guard: EgressGuard, *, ssl_context: ssl.SSLContext | None = None
) -> httpx.BaseTransport:
    """
    Return a transport for an `httpx.Client`; closing the client closes it.

    Args:
        ssl_context: How servers are checked; httpx's own way if not given.
    """
    return _GuardedTransport(guard, ssl_context or httpx.create_ssl_context(trust_env=False))


class HttpxBackend(httpcore.NetworkBackend):
    """Makes httpcore's connections through a guard."""

    def __init__(self, guard: EgressGuard) -> None:
        self._guard = guard

    @override
    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Raises httpcore.ConnectTimeout, or httpcore.ConnectError with the guard's reason."""
        if local_address is not None:
            raise httpcore.ConnectError("the guard chooses the local address of connections")
        try:
            return _Stream(self._guard.dial(host, port, _DIAL_S if timeout is None else timeout))
        except EgressFailed as error:
            kind = httpcore.ConnectTimeout if "timeout" in error.word else httpcore.ConnectError
            raise kind(error.detail) from error
        except EgressError as error:
            raise httpcore.ConnectError(error.detail) from error

    @override
    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.NetworkStream:
        """Raises httpcore.ConnectError: the guard makes no connections to Unix sockets."""
        raise httpcore.ConnectError("Unix sockets are not supported")


class _ProxyBackend(HttpxBackend):
    """Makes connections to the guard itself, for a pool that uses it as its proxy."""

    @override
    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Raises httpcore.ConnectError with the guard's reason."""
        try:
            return _Stream(self._guard.client())
        except EgressError as error:
            raise httpcore.ConnectError(error.detail) from error


class _Stream(httpcore.NetworkStream):
    """A blocking socket, as httpcore reads and writes it."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    @override
    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        with _translated(httpcore.ReadTimeout, httpcore.ReadError):
            self._sock.settimeout(timeout)
            return self._sock.recv(max_bytes)

    @override
    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        with _translated(httpcore.WriteTimeout, httpcore.WriteError):
            self._sock.settimeout(timeout)
            self._sock.sendall(buffer)

    @override
    def close(self) -> None:
        self._sock.close()

    @override
    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        with _translated(httpcore.ConnectTimeout, httpcore.ConnectError):
            try:
                self._sock.settimeout(timeout)
                return _Stream(ssl_context.wrap_socket(self._sock, server_hostname=server_hostname))
            except BaseException:  # as httpcore's own streams do: half a handshake is no connection
                self.close()
                raise

    @override
    def get_extra_info(self, info: str) -> Any:
        if info == "socket":
            return self._sock
        if info == "ssl_object":
            return self._sock if isinstance(self._sock, ssl.SSLSocket) else None
        if info == "is_readable":  # an idle connection that has something to say has ended
            return _is_readable(self._sock)
        return None


class _GuardedTransport(httpx.BaseTransport):
    """Requests by httpcore's pool, whose only network is the guard."""

    def __init__(self, guard: EgressGuard, ssl_context: ssl.SSLContext) -> None:
        self._guard = guard
        self._pool = httpcore.ConnectionPool(
            ssl_context=ssl_context, network_backend=HttpxBackend(guard)
        )
        self._plain: httpcore.ConnectionPool = self._pool
        if guard.via == "http-proxy":
            self._plain = httpcore.HTTPProxy(_GUARD, network_backend=_ProxyBackend(guard))

    @override
    def __enter__(self) -> Self:
        self._pool.__enter__()
        return self

    @override
    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        self.close()

    @override
    def close(self) -> None:
        self._pool.close()
        self._plain.close()

    @override
    def handle_request(self, request: httpx.Request) -> httpx.Response:
        asked = httpcore.Request(
            method=request.method,
            url=httpcore.URL(
                scheme=request.url.raw_scheme,
                host=request.url.raw_host,
                port=request.url.port,
                target=request.url.raw_path,
            ),
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        is_plain = request.url.scheme == "http" and self._plain is not self._pool
        with _as_httpx():
            try:
                answer = (self._plain if is_plain else self._pool).handle_request(asked)
            except (httpcore.NetworkError, httpcore.RemoteProtocolError) as error:
                # The guard ends a plain request that it refuses, without a word.
                why = self._guard.why(request.url.host, request.url.port or 80)
                if not is_plain or why is None:
                    raise
                raise httpcore.ConnectError(why.detail) from error
        return httpx.Response(
            status_code=answer.status,
            headers=answer.headers,
            stream=_ResponseStream(answer),
            extensions=answer.extensions,
        )


class _ResponseStream(httpx.SyncByteStream):
    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    @override
    def __iter__(self) -> Iterator[bytes]:
        with _as_httpx():
            yield from self._answer.iter_stream()

    @override
    def close(self) -> None:
        self._answer.close()


@contextmanager
def _translated(
    late: type[httpcore.TimeoutException], broken: type[httpcore.NetworkError]
) -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise late(str(error)) from error
    except OSError as error:
        raise broken(str(error)) from error


@contextmanager
def _as_httpx() -> Iterator[None]:
    try:
        yield
    except Exception as error:  # httpcore has no parent of its own for what it raises
        for theirs, ours in _ERRORS:
            if isinstance(error, theirs):
                raise ours(str(error)) from error
        raise


def _is_readable(sock: socket.socket) -> bool:
    try:
        waiting = select.poll()
        waiting.register(sock, select.POLLIN)
        return bool(waiting.poll(0))
    except (OSError, ValueError):
        return True
