"""
A bucket in a directory, just good enough to be read, which answers one key as it is told to.

    with Bucket(root) as bucket:
        bucket.faults["log/checkpoint"] = status(503)
        S3Store(S3Bucket(NAME, endpoint_url=bucket.endpoint_url, …))

It checks no signature and takes no writes: a server of its own (SeaweedFS) is for that. Here is
what such a server does not do when it is asked to: busy, forbidden, silent, forgetful.
"""

import hashlib
import http.server
import re
import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from typing_extensions import override

NAME = "evidence"  # of the bucket

# Answers a request in its own way, and returns whether it did.
Fault = Callable[["_Handler"], bool]


def status(code: int, *, body: bytes = b"") -> Fault:
    """Return a fault that answers so."""

    def answer(handler: "_Handler") -> bool:
        handler.answer(code, body)
        return True

    return answer


def reset(handler: "_Handler") -> bool:
    """Break the connection without an answer."""
    linger = struct.pack("ii", 1, 0)
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    handler.close_connection = True
    return True


def silent(handler: "_Handler") -> bool:
    """Never answer, as far as a client can wait."""
    handler.bucket.over.wait(60)
    handler.close_connection = True
    return True


def cut(handler: "_Handler") -> bool:
    """Promise the whole object, and break off in the middle of it."""
    if handler.command != "GET":
        return False
    handler.answer(206, headers={"Content-Range": handler.range_of(2)}, length=2)
    handler.close_connection = True
    return True


def with_headers(headers: dict[str, str]) -> Fault:
    """Return a fault that answers with success, and with these headers beside a length."""

    def answer(handler: "_Handler") -> bool:
        handler.send_response(200)
        for name, value in ({"Content-Length": "1"} | headers).items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.close_connection = True
        return True

    return answer


def only(command: str, fault: Fault) -> Fault:
    """Return a fault of one kind of request: "GET" or "HEAD"."""
    return lambda handler: handler.command == command and fault(handler)


def first(count: int, fault: Fault) -> Fault:
    """Return a fault that is over after so many requests."""
    left = [count]

    def answer(handler: "_Handler") -> bool:
        left[0] -= 1
        return left[0] >= 0 and fault(handler)

    return answer


class Bucket:
    """Serves a directory on a loopback address."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.faults: dict[str, Fault] = {}  # by key; "?" and a prefix for its listing
        self.hidden: set[str] = set()  # keys that no listing shows
        self.over = threading.Event()
        handler = type("Handler", (_Handler,), {"bucket": self})
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def endpoint_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(http.server.BaseHTTPRequestHandler):
    bucket: Bucket
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # headers and body in one packet: else each answer waits 40 ms for the next

    def do_HEAD(self) -> None:
        self._serve()

    def do_GET(self) -> None:
        self._serve()

    @override
    def log_message(self, format: str, *arguments: object) -> None:
        return

    def answer(
        self,
        code: int,
        body: bytes = b"",
        *,
        headers: dict[str, str] | None = None,
        length: int | None = None,
    ) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def range_of(self, length: int) -> str:
        asked = re.fullmatch(r"bytes=([0-9]+)-([0-9]+)", self.headers.get("Range", ""))
        first, last = (int(asked[1]), int(asked[2])) if asked else (0, length - 1)
        return f"bytes {first}-{last}/{self._length()}"

    def _length(self) -> int:
        return len((self.bucket.root / self._key()).read_bytes())

    def _key(self) -> str:
        return unquote(urlsplit(self.path).path).removeprefix(f"/{NAME}").removeprefix("/")

    def _serve(self) -> None:
        asked = parse_qs(urlsplit(self.path).query, keep_blank_values=True)
        key = self._key()
        if "list-type" in asked:
            self._list(asked["prefix"][0] if "prefix" in asked else "")
        elif "object-lock" in asked:
            self._error(404, "ObjectLockConfigurationNotFoundError")
        elif not key:
            self.answer(200)
        elif key in self.bucket.faults and self.bucket.faults[key](self):
            return
        else:
            self._object(self.bucket.root / key)

    def _object(self, path: Path) -> None:
        if not path.is_file():
            self._error(404, "NoSuchKey")
            return
        data = path.read_bytes()
        headers = {"ETag": f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'}
        if self.command == "HEAD" or "Range" not in self.headers:
            self.answer(200, data, headers=headers)
            return
        headers["Content-Range"] = self.range_of(len(data))
        first, last = map(int, re.findall(r"[0-9]+", headers["Content-Range"])[:2])
        self.answer(206, data[first : last + 1], headers=headers)

    def _list(self, prefix: str) -> None:
        fault = self.bucket.faults.get(f"?{prefix}")
        if fault is not None and fault(self):
            return
        keys, folders = list[tuple[str, int]](), set[str]()
        for path in self.bucket.root.rglob("*"):
            key = path.relative_to(self.bucket.root).as_posix()
            if not path.is_file() or not key.startswith(prefix) or key in self.bucket.hidden:
                continue
            below, slash, _ = key.removeprefix(prefix).partition("/")
            if slash:
                folders.add(f"{prefix}{below}/")
            else:
                keys.append((key, path.stat().st_size))
        entries = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{size}</Size></Contents>"
            for key, size in sorted(keys)
        )
        entries += "".join(
            f"<CommonPrefixes><Prefix>{escape(folder)}</Prefix></CommonPrefixes>"
            for folder in sorted(folders)
        )
        body = f"<ListBucketResult><IsTruncated>false</IsTruncated>{entries}</ListBucketResult>"
        self.answer(200, body.encode())

    def _error(self, code: int, word: str) -> None:
        self.answer(code, f"<Error><Code>{word}</Code></Error>".encode())
