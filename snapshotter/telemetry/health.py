"""
Check the health of a worker, and serve it and the metrics over HTTP.

    /healthz   503 if the worker's loop has not run for a minute (at the start, two minutes):
               restart the worker
    /readyz    503 while a check of the database, the store or the disk fails: wait
    /metrics   numbers for Prometheus

Responses name the checks and never state why one failed; the reason is in the log. On a loopback
address, requests are refused whose host name is not of this machine: a web page could point a name
of its own at 127.0.0.1.
"""

import http.server
import json
import socket
import socketserver
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from ipaddress import ip_address
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

from typing_extensions import override

from snapshotter.errors import SnapshotterError
from snapshotter.ports import JobObserver
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

ALIVE_S: Final = 60.0  # without a turn of its loop a worker is stuck
_FIRST_S: Final = 120.0  # for the first one: a browser may have to start
_ANSWER_S: Final = 5.0  # for one check; probes give up after some seconds
_AT_ONCE: Final = 8  # requests
_REQUEST_S: Final = 10.0  # for a client to say what it wants


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheck:
    """One thing that a worker needs."""

    name: str
    look: Callable[[], None]  # raises SnapshotterError or OSError: it is not there
    every_s: float  # for which an answer counts


class Health(JobObserver):
    """
    What a worker says of itself. Safe to use from several threads.

    Args:
        monotonic: Seconds that never go back.
        failed: Hears of each check that fails, by its name and a sentence.
    """

    def __init__(
        self,
        checks: tuple[HealthCheck, ...],
        *,
        monotonic: Callable[[], float],
        failed: Callable[[str, str], None],
    ) -> None:
        self._checks = checks
        self._monotonic = monotonic
        self._failed = failed
        self._began = monotonic()
        self._turned_at: float | None = None
        self._lock = threading.Lock()
        self._running: dict[str, Future[bool]] = {}
        self._known: dict[str, tuple[float, bool]] = {}
        # One thread a check: one that hangs holds up no other.
        self._pool = ThreadPoolExecutor(max(1, len(checks)), thread_name_prefix="health")

    def close(self) -> None:
        """Look no more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    @override
    def turned(self, worker: str) -> None:
        self._turned_at = self._monotonic()

    def live(self) -> Mapping[str, bool]:
        """Return whether the worker's own loop still turns."""
        now = self._monotonic()
        if self._turned_at is None:
            return {"loop": now - self._began < _FIRST_S}
        return {"loop": now - self._turned_at < ALIVE_S}

    def ready(self) -> Mapping[str, bool]:
        """Return of each check whether what it looks at is there."""
        looked = [(check, self._begin(check)) for check in self._checks]
        return {check.name: self._answer(check, future) for check, future in looked}

    def _begin(self, check: HealthCheck) -> "Future[bool] | None":
        with self._lock:
            known = self._known.get(check.name)
            if known is not None and self._monotonic() - known[0] < check.every_s:
                return None
            running = self._running.get(check.name)
            if running is None:
                running = self._running[check.name] = self._pool.submit(self._look, check)
            return running

    def _answer(self, check: HealthCheck, future: "Future[bool] | None") -> bool:
        if future is None:
            return self._known[check.name][1]
        try:
            return future.result(_ANSWER_S)
        except FutureTimeoutError:
            self._failed(check.name, f"no answer within {_ANSWER_S:g} s")
            return False

    def _look(self, check: HealthCheck) -> bool:
        try:
            check.look()
            found = True
        except (SnapshotterError, OSError) as error:
            self._failed(check.name, str(error))
            found = False
        except Exception as error:  # noqa: BLE001  a bug in a check is a check that failed
            self._failed(check.name, f"{type(error).__name__}: {error}")
            found = False
        with self._lock:
            self._known[check.name] = (self._monotonic(), found)
            self._running.pop(check.name, None)
        return found


def parse_address(text: str, *, anywhere: bool) -> tuple[str, int]:
    """
    Return host and port to listen on.

    Args:
        text: `127.0.0.1:9464`, `[::1]:9464`; port 0 is any that is free.
        anywhere: Addresses that others can reach are wanted.

    Raises:
        SnapshotterError: It is no address, or others can reach it and nobody wanted that.
    """
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
        rest = parts.path or parts.query or parts.fragment or parts.username
        address = ip_address("127.0.0.1" if host == "localhost" else host or "")
    except ValueError:
        rest, port, address = text, None, None
    if rest or port is None or address is None:
        raise SnapshotterError(
            tr("{text!r} is not an address to listen on", text=text),
            hint=tr("write it as 127.0.0.1:9464 or [::1]:9464"),
        )
    if not address.is_loopback and not anywhere:
        raise SnapshotterError(
            tr("other machines can reach {text}, and would see what this worker does", text=text),
            hint=tr(
                "listen on 127.0.0.1. If only a network of your own can reach the address, "
                "add --listen-anywhere"
            ),
        )
    return str(address), port


class HealthServer:
    """
    Serves health and metrics until it is closed.

    Args:
        host: An address.
        port: 0 for any that is free.
    """

    def __init__(
        self, host: str, port: int, *, health: Health, exposition: Callable[[], tuple[str, bytes]]
    ) -> None:
        try:
            self._server = _Server((host, port), health, exposition)
        except OSError as error:
            raise SnapshotterError(
                tr(
                    "the worker cannot listen on {host} port {port}: {strerror}",
                    host=host,
                    port=port,
                    strerror=error.strerror,
                ),
                hint=tr("choose another port, or find the process that uses it:\n  ss -ltnp"),
            ) from error
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="health", daemon=True
        )

    @property
    def url(self) -> str:
        """Where it listens."""
        host, port = self._server.server_address[:2]
        shown = host if isinstance(host, str) else bytes(host).decode()
        return f"http://{f'[{shown}]' if ':' in shown else shown}:{port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(
        self,
        address: tuple[str, int],
        health: Health,
        exposition: Callable[[], tuple[str, bytes]],
    ) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.is_local = ip_address(address[0]).is_loopback
        self.health = health
        self.exposition = exposition
        self._turns = threading.BoundedSemaphore(_AT_ONCE)
        super().__init__(address, _Handler)

    @override
    def server_bind(self) -> None:
        # Without HTTPServer's own, which asks a resolver for the name of this machine.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "localhost", self.server_address[1]

    @override
    def process_request(self, request: Any, client_address: Any) -> None:
        if self._turns.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    @override
    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._turns.release()

    @override
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that goes away is nobody's trouble."""


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server
    timeout = _REQUEST_S
    server_version = "snapshotter"
    sys_version = ""

    def do_GET(self) -> None:
        if self.server.is_local and not _is_this_machine(self.headers.get("Host", "")):
            return self._answer(421, "text/plain; charset=utf-8", b"not a name of this machine\n")
        path = urlsplit(self.path).path
        if path == "/metrics":
            kind, body = self.server.exposition()
            return self._answer(200, kind, body)
        if path == "/healthz":
            return self._checks(self.server.health.live())
        if path == "/readyz":
            return self._checks(self.server.health.ready())
        return self._answer(404, "text/plain; charset=utf-8", b"/healthz /readyz /metrics\n")

    do_HEAD = do_GET

    def _checks(self, found: Mapping[str, bool]) -> None:
        good = all(found.values())
        words = {name: "ok" if is_well else "failed" for name, is_well in found.items()}
        value = {"checks": words, "status": "ok" if good else "failed"}
        body = json.dumps(value, sort_keys=True).encode() + b"\n"
        self._answer(200 if good else 503, "application/json", body)

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: a probe every ten seconds is no news."""


def _is_this_machine(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ip_address(name).is_loopback
    except ValueError:
        return False
