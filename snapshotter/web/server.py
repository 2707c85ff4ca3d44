"""
Run the console: listen on loopback, print log-in links, start a worker, and end cleanly.

The limits of connections are here: how long a client may take for the headers of a request or to
read an answer, how long headers may be, and how many connections there may be.
"""

import asyncio
import contextlib
import errno
import html
import ipaddress
import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Final

import h11
import uvicorn
from typing_extensions import override
from uvicorn.protocols.http.h11_impl import H11Protocol

from snapshotter.app.private_files import write_private
from snapshotter.app.settings import Settings
from snapshotter.app.wiring.web import WebServices
from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.translation import tr
from snapshotter.web.application import create_app
from snapshotter.web.console.displays import Displays
from snapshotter.web.context import ServeRules, WebContext
from snapshotter.web.running_servers import find_server, note_server, this_process
from snapshotter.web.security.limits import MAX_HEADERS
from snapshotter.web.security.sessions import Sessions
from snapshotter.web.worker_child import WorkerStatus

DEFAULT_PORT: Final = 8765
FOLDER: Final = "console"  # below data_dir
_HEADERS_S: Final = 10.0  # from the first byte of a request to the end of its headers
_READ_S: Final = 30.0  # for which a client may leave an answer unread
_UNREAD_S: Final = 5.0  # for the rest of a body that nobody reads, after the answer
_IDLE_S: Final = 15  # between two requests of one connection
_STOP_S: Final = 10  # for requests to end
_MOST_CONNECTIONS: Final = 600  # a browser opens up to six
_OPENER: Final = "open.html"


class PortInUse(ServiceUnavailable):
    """Another program, or another console, listens at the port."""


def listen(address: str, port: int) -> socket.socket:
    """
    Return a socket that is bound to loopback.

    Args:
        address: Of this machine only.
        port: 0 for a free one.

    Raises:
        SnapshotterError: The address is not a loopback address.
        PortInUse: Another program has the port.
        ServiceUnavailable: The address cannot be used.
    """
    found = ipaddress.ip_address("127.0.0.1" if address == "localhost" else _address(address))
    if not found.is_loopback:
        raise SnapshotterError(
            tr(
                "{address} can be reached from other machines. The console listens on this machine "
                "only, because accounts and TLS do not exist yet",
                address=address,
            ),
            hint=tr(
                "listen on this machine, and use the console from another machine through SSH:\n"
                "  snapshotter serve\n"
                "  ssh -L {port}:127.0.0.1:{port} HOST",
                port=port or DEFAULT_PORT,
            ),
        )
    family = socket.AF_INET6 if found.version == 6 else socket.AF_INET
    # With the protocol: asyncio then switches Nagle's algorithm off for connections. Otherwise each
    # answer waits 40 ms for the client to acknowledge its headers.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((str(found), port))
    except OSError as error:
        bound.close()
        kind = PortInUse if error.errno == errno.EADDRINUSE else ServiceUnavailable
        raise kind(
            tr(
                "the console cannot listen at {address}, port {port}: {strerror}",
                address=address,
                port=port,
                strerror=error.strerror,
            ),
            hint=tr("use a free port:\n  snapshotter serve --port 0"),
        ) from error
    return bound


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError as error:
        raise SnapshotterError(
            tr("{text} is not an IP address", text=text),
            hint=tr("listen on this machine:\n  snapshotter serve --address 127.0.0.1"),
        ) from error


def serve_rules(settings: Settings, bound: socket.socket) -> ServeRules:
    """Return under which names the console is reached at a socket."""
    address, port = bound.getsockname()[:2]
    host = f"[{address}]" if ":" in address else address
    own = {f"{host}:{port}", f"localhost:{port}"}
    origin = settings.serve_origin or f"http://{host}:{port}"
    return ServeRules(
        origin=origin,
        hosts=frozenset({*own, *settings.serve_hosts, origin.partition("://")[2]}),
    )


def make_context(settings: Settings, services: WebServices, rules: ServeRules) -> WebContext:
    """Return what the application is made with."""
    return WebContext(
        settings=settings,
        rules=rules,
        services=services,
        displays=Displays(),
        worker=WorkerStatus(),
        sessions=Sessions(settings.data_dir / FOLDER, services.clock, services.ids),
    )


def running_console(
    settings: Settings, services: WebServices, port: int
) -> tuple[WebContext, int] | None:
    """
    Return the context and the process id of a console of this user at a port; None without one.

    Raises:
        SnapshotterError: It shows another store.
    """
    found = find_server(settings.data_dir / FOLDER, port)
    if found is None:
        return None
    if found.store != services.store.url:
        raise SnapshotterError(
            tr(
                "a console of another store, {store}, listens at port {port} (process {pid})",
                store=found.store,
                port=port,
                pid=found.pid,
            ),
            hint=tr("use a free port:\n  snapshotter serve --port 0"),
        )
    rules = ServeRules(origin=found.origin, hosts=frozenset())
    return make_context(settings, services, rules), found.pid


def make_link(context: WebContext) -> str:
    """Return a new log-in link. Raises SnapshotterError: data_dir cannot be written."""
    return f"{context.rules.origin}/login?token={context.sessions.make_link_token()}"


def write_opener(context: WebContext, link: str) -> Path:
    """
    Write a private page that leads to a log-in link, and return its path.

    A browser gets the path instead of the link: other users of this machine can read the arguments
    of its process.
    """
    file = context.settings.data_dir / FOLDER / _OPENER
    shown = html.escape(link)
    page = (
        '<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>snapshotter</title>'
        f'<meta http-equiv="refresh" content="0; url={shown}">'
        f'<p><a href="{shown}">Log in to the console</a></p></html>\n'
    )
    write_private(file, page.encode("utf-8"))
    return file


def run(
    context: WebContext,
    bound: socket.socket,
    *,
    started: Callable[[], None],
    link_wanted: Callable[[], None],
) -> None:
    """
    Serve until SIGTERM or SIGINT.

    Args:
        started: Called when requests are answered.
        link_wanted: Called after SIGUSR1.
    """
    made = make_server(context, started=started, link_wanted=link_wanted)
    note = note_server(
        context.settings.data_dir / FOLDER,
        bound.getsockname()[1],
        this_process(context.rules.origin, context.services.store.url, os.getpid()),
    )
    try:
        made.run(sockets=[bound])
    finally:
        note.unlink(missing_ok=True)


def make_server(
    context: WebContext, *, started: Callable[[], None], link_wanted: Callable[[], None]
) -> uvicorn.Server:
    """Return the server with its limits; the arguments are those of `run`."""
    config = uvicorn.Config(
        create_app(context),
        access_log=False,
        h11_max_incomplete_event_size=MAX_HEADERS,
        http=_Connection,
        interface="asgi3",
        lifespan="on",
        limit_concurrency=_MOST_CONNECTIONS,
        log_config=None,
        loop="asyncio",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=_STOP_S,
        timeout_keep_alive=_IDLE_S,
        ws="none",
    )
    logging.getLogger("uvicorn").setLevel(logging.ERROR)
    return _Server(config, started=started, link_wanted=link_wanted)


class _Server(uvicorn.Server):
    """Ends with the exit code 0 after a signal, and makes a new link after SIGUSR1."""

    def __init__(
        self,
        config: uvicorn.Config,
        *,
        started: Callable[[], None],
        link_wanted: Callable[[], None],
    ) -> None:
        super().__init__(config)
        self._when_started = started
        self._link_wanted = link_wanted

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        loop = asyncio.get_running_loop()
        if hasattr(signal, "SIGUSR1"):
            loop.add_signal_handler(signal.SIGUSR1, self._link_wanted)
        self._when_started()

    @override
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Let SIGTERM and SIGINT end the server; afterwards they are not raised again."""

        def stop(number: int, frame: FrameType | None) -> None:
            self.handle_exit(number, frame)

        before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class _Connection(H11Protocol):
    """
    Ends a connection whose client sends its headers or reads an answer too slowly, or goes on
    sending a body after the answer.
    """

    _headers_timer: asyncio.TimerHandle | None = None
    _read_timer: asyncio.TimerHandle | None = None
    _unread_timer: asyncio.TimerHandle | None = None

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_headers()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_timers()
        super().connection_lost(exc)

    @override
    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is not h11.SEND_BODY:
            self._cancel(self._unread_timer)
            self._unread_timer = None
        if self.conn.their_state is not h11.IDLE:
            self._cancel(self._headers_timer)
            self._headers_timer = None
        elif self._headers_timer is None and self.timeout_keep_alive_task is None:
            self._expect_headers()

    @override
    def on_response_complete(self) -> None:
        super().on_response_complete()
        # Each byte of the body ends the timer of idle connections, so that this needs its own.
        if self.conn.their_state is h11.SEND_BODY and not self.transport.is_closing():
            self._unread_timer = self.loop.call_later(_UNREAD_S, self.transport.abort)

    @override
    def pause_writing(self) -> None:
        super().pause_writing()
        self._read_timer = self._read_timer or self.loop.call_later(_READ_S, self.transport.abort)

    @override
    def resume_writing(self) -> None:
        super().resume_writing()
        self._cancel(self._read_timer)
        self._read_timer = None

    def _expect_headers(self) -> None:
        self._headers_timer = self.loop.call_later(_HEADERS_S, self.transport.abort)

    def _cancel_timers(self) -> None:
        for timer in (self._headers_timer, self._read_timer, self._unread_timer):
            self._cancel(timer)

    @staticmethod
    def _cancel(timer: asyncio.TimerHandle | None) -> None:
        if timer is not None:
            timer.cancel()
