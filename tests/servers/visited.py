"""
A server on all of 127.0.0.0/8 that counts who is being served: limits of hosts are measured here.

    with Visited() as server:
        server.url("127.0.0.2", "1/visit")
        server.most["127.0.0.2"]     # visitors at the same time
"""

import contextlib
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from typing_extensions import override

_LIMIT_S = 120.0  # for what is waited for, on a busy machine
# Not empty: a capture loads an empty page twice, and is incomplete.
_BODY = b"<!doctype html><title>A page</title><h1>A page</h1><p>It has a few words.</p>"


class Visited(ThreadingHTTPServer):
    """
    One server, many hosts.

    Args:
        takes_s: How long each answer takes.
        slow: A host that answers only after `let_go` was set, or `wait_s` have passed.
        hostile: A host that says 429, and to come back after so many seconds.
    """

    daemon_threads = True
    request_queue_size = 50

    def __init__(
        self,
        *,
        takes_s: float = 0.0,
        slow: str = "",
        wait_s: float = 60.0,
        hostile: tuple[str, int] = ("", 0),
    ) -> None:
        super().__init__(("0.0.0.0", 0), _Page)  # noqa: S104 - to be all of 127.0.0.0/8
        self.takes_s, self.slow, self.wait_s, self.hostile = takes_s, slow, wait_s, hostile
        self.let_go = threading.Event()
        self.changed = threading.Condition()
        self.inside: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.most_in_all = 0
        self.served: Counter[str] = Counter()
        self.spans: dict[str, list[tuple[float, float]]] = {}  # monotonic, in order of their ends
        self._pause = threading.Event()
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02})

    @override
    def __enter__(self) -> Self:
        self._thread.start()
        return self

    @override
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.let_go.set()
        self.shutdown()
        self._thread.join()
        self.server_close()

    def url(self, host: str, path: str) -> str:
        return f"http://{host}:{self.server_port}/{path}"

    def until_served(self, count: int) -> None:
        """Wait until so many visits have ended."""
        with self.changed:
            there = self.changed.wait_for(lambda: self.served.total() >= count, _LIMIT_S)
        assert there, f"{self.served.total()} visits of {count} in {_LIMIT_S} s"

    def visit(self, host: str) -> None:
        """Serve one visitor."""
        began = time.monotonic()
        with self.changed:
            self.inside[host] += 1
            self.most[host] = max(self.most[host], self.inside[host])
            self.most_in_all = max(self.most_in_all, self.inside.total())
        if host == self.slow:
            self.let_go.wait(self.wait_s)
        self._pause.wait(self.takes_s)
        with self.changed:
            self.inside[host] -= 1
            self.served[host] += 1
            self.spans.setdefault(host, []).append((began, time.monotonic()))
            self.changed.notify_all()


class _Page(BaseHTTPRequestHandler):
    server: Visited

    def do_GET(self) -> None:
        host = self.headers["Host"].rpartition(":")[0]
        if self.path.endswith("/visit"):  # and not what a browser asks for besides
            self.server.visit(host)
        hostile, seconds = self.server.hostile
        body = b"" if host == hostile else _BODY
        self.send_response(429 if host == hostile else 200)
        if host == hostile:
            self.send_header("Retry-After", str(seconds))
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(OSError):  # a browser that was killed
            self.wfile.write(body)

    @override
    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""
