"""
Serve the fixture site over HTTP on loopback: one server for all of its hosts.

The `Host` header of a request selects the host, so a client that uses the real names must resolve
them to 127.0.0.1. The clock stands still until a test moves it.
"""

import contextlib
import threading
import time
from datetime import datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from typing_extensions import override

from snapshotter.site.catalogue import host_of, render
from snapshotter.site.response import Response
from snapshotter.site.state import PageState, SiteState
from snapshotter.value_class import dataclass

_POLL_S = 0.02  # how soon the server notices that it is to end


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenRequest:
    """One request as it arrived."""

    method: str
    host: str  # without a port
    path: str  # with its query
    referer: str = ""


class FixtureSite:
    """
    The site as a server. Use as a context manager.

    Args:
        state: How it stands at first.
        address: On which it listens. Two numbers of loopback are two sites to a browser.
    """

    def __init__(self, state: SiteState | None = None, *, address: str = "127.0.0.1") -> None:
        self._state = state or SiteState()
        self._address = address
        self._lock = threading.Lock()
        self._seen: list[SeenRequest] = []
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._server = _Server((self._address, 0), _Handler)
        self._server.site = self
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_S,), name="fixture-site", daemon=True
        )
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        server, thread = self._server, self._thread
        if server is None or thread is None:
            return
        server.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()

    @property
    def port(self) -> int:
        """The port on which it listens; all hosts have the same."""
        if self._server is None:
            raise ValueError("the fixture site is not running: use the object as a context manager")
        return int(self._server.server_address[1])

    def url(self, path: str, host: str = "") -> str:
        """Return the address of a path on the host where it lives, or on another one."""
        slash = "" if path.startswith("/") else "/"
        return f"http://{host or host_of(path.partition('?')[0])}:{self.port}{slash}{path}"

    @property
    def state(self) -> SiteState:
        """How the site stands."""
        with self._lock:
            return self._state

    @state.setter
    def state(self, state: SiteState) -> None:
        with self._lock:
            self._state = state

    @property
    def clock(self) -> datetime:
        """What time it is there: in every `Date`, and in pages that say the server's time."""
        return self.state.at

    @clock.setter
    def clock(self, at: datetime) -> None:
        with self._lock:
            self._state = self._state.until(at)

    def advance(self, by: timedelta) -> None:
        """Let time pass there."""
        with self._lock:
            self._state = self._state.later(by)

    def show(self, name: str, page: PageState) -> None:
        """Make a page, or all of "wx/account/*", stand so from now on."""
        with self._lock:
            self._state = self._state.change(name, self._state.at, page)

    @property
    def requests(self) -> tuple[SeenRequest, ...]:
        """All that was asked, in order of arrival."""
        with self._lock:
            return tuple(self._seen)

    def forget(self) -> None:
        """Begin the list of requests anew."""
        with self._lock:
            self._seen.clear()

    def note(self, seen: SeenRequest) -> None:
        """Write down a request."""
        with self._lock:
            self._seen.append(seen)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64  # of five, some would connect a second late on a busy machine
    block_on_close = False
    site: FixtureSite

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self.closing = threading.Event()

    @override
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that goes away in the middle of an answer is nothing to speak of."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    @override
    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self._answer(self._response())

    def do_HEAD(self) -> None:
        self._answer(self._response(), body=False)

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "0")
        self.rfile.read(min(int(length) if length.isdigit() else 0, 1 << 20))
        self._answer(self._response())

    def _response(self) -> Response:
        site = self.server.site
        authority = self.headers.get("Host", "")
        host, _, _ = authority.partition(":")
        site.note(
            SeenRequest(
                method=self.command,
                host=host,
                path=self.path,
                referer=self.headers.get("Referer", ""),
            )
        )
        # Under a bare address it is each page's own host that answers.
        named = "" if host.startswith("127.") or host == "localhost" else authority
        if not named:
            named = f"{host_of(self.path.partition('?')[0])}:{site.port}"
        return render(self.path, site.state, authority=named, headers=dict(self.headers))

    def _answer(self, response: Response, *, body: bool = True) -> None:
        if response.after_s and self.server.closing.wait(response.after_s):
            return
        self.send_response_only(response.status)
        self.send_header("Server", "fixture")
        self.send_header("Date", format_datetime(self.server.site.clock, usegmt=True))
        for name, value in response.headers:
            self.send_header(name, value)
        if response.later:
            self._send_later(response)
            return
        self.send_header("Content-Length", str(len(response.body) * response.repeats))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if not body:
            return
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for _ in range(response.repeats):
                if self.server.closing.is_set():
                    return
                self.wfile.write(response.body)

    def _send_later(self, response: Response) -> None:
        """Send a body piece by piece, and keep the connection until the browser ends it."""
        self.close_connection = True
        self.end_headers()
        begin = time.monotonic()
        with contextlib.suppress(OSError):
            for after_s, piece in response.later:
                if self.server.closing.wait(max(0.0, begin + after_s - time.monotonic())):
                    return
                self.wfile.write(piece)
            while self.connection.recv(4096):  # what the browser says is not answered
                continue
