"""Answers that stray from HTTP/1 are read as Chromium reads them: side by side, case by case."""

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from playwright.sync_api import sync_playwright

from snapshotter.formats.http.events import EndReason
from snapshotter.formats.http.http1 import Http1Connection
from tests.tools import any_chromium
from tests.unit.formats.wire_events import C, S, told

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("odd-answers")]  # one worker, one browser

OK = b"HTTP/1.1 200 OK\r\n"
TWO = b"\r\nContent-Length: 2\r\n\r\nhi"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
HI = b"2\r\nhi\r\n0\r\n\r\n"
READ = (  # both make the same of it
    b"HTTP/1.1 200 OK\nA: 1\nContent-Length: 2\n\nhi",
    b"HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n2\nhi\n0\n\n",
    b"HTTP/1.1 404" + TWO,
    b"HTTP/1.1   404  Not  Found" + TWO,
    b"http/1.1 404 x" + TWO,
    b"HTTP/1.1" + TWO,
    b"HTTP/1.1 OK" + TWO,
    b"HTTP" + TWO,
    b"HTTP/9.9 500 x" + TWO,
    b"HTTP/1.1 2000 OK" + TWO,
    b"HTTP/1.1 -200 OK" + TWO,
    b"HTTP/1.1\t404\tNo" + TWO,
    b"HTTP/1.1 404No" + TWO,
    b"HTTP/2.0 201 x\r\n" + CHUNKED + HI,
    b"HTTP/11 404 No\r\n" + CHUNKED + HI,
    b"HTTP/1.0 200 OK\r\n" + CHUNKED + HI,
    b"\r\n\r\n" + OK[:-2] + TWO,
    b"ICY 200 OK\r\n\r\nmusic",
    OK + b"Content-Length: 2" + TWO,
    OK + b"Content-Length: 2, 2\r\n\r\nhi",
    OK + b"Content-Length: 002\r\n\r\nhi, more",
    OK + b"Content-Length : 2\r\n\r\nhi, more",
    OK + b"Content-Length: +2\r\n\r\nhi, more",
    OK + b"Content-Length: 2x\r\n\r\nhi, more",
    OK + b"Content-Length: 99999999999999999999999\r\n\r\nhi, more",
    OK + b"Content-Length:\r\n\r\nhi, more",
    OK + b"Content-Length: 2\r\n\r\nhi, and twenty bytes more",
    OK + b"Content-Length: 5\r\n" + CHUNKED + HI,
    OK + CHUNKED + b"0002   \r\nhi\r\n0\r\n\r\n",
    OK + CHUNKED + b"2;a=b;c\r\nhi\r\n0;x\r\nT: 1\r\n\r\n",
    OK + CHUNKED + b"2;" + b"e" * 16_000 + b"\r\nhi\r\n0\r\n\r\n",
    OK + CHUNKED + b"000000000000000000000002\r\nhi\r\n0\r\n\r\n",
    OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + HI,
    OK + b"Transfer-Encoding: chunked, identity\r\n\r\n" + HI,
    OK + b"Transfer-Encoding: CHUNKED\r\n\r\n" + HI,
    OK + b"Transfer-Encoding: xchunked\r\n\r\n" + HI,
    OK + b"Transfer-Encoding: identity\r\nContent-Length: 2\r\n\r\nhi, more",
    OK + b"Transfer-Encoding:\r\n chunked\r\n\r\n" + HI,
    OK + b"X: a\r\n  b\r\n\tc" + TWO,
    OK + b"no colon\r\n : x\r\nb@d: 1" + TWO,
    OK + b" Content-Length: 2\r\n\r\nhi, more",
    OK + b"X: a\rContent-Length: 2\r\n\r\nhi, more",
    OK + b"\n\r\nhi",
    OK + b"A: b\r\n\r" + TWO,
    b"HTTP/1.1 204 N" + TWO,
    b"HTTP/1.1 103 E\r\nLink: x\r\n\r\n" + OK[:-2] + TWO,
    b"HTTP/1.1 101 E\r\n\r\n" + OK[:-2] + TWO,
)
REFUSED = (  # Chromium shows nothing, or breaks off; we keep what was sent, and say what is odd
    b"12345" + OK[:-2] + TWO,
    b"<html>as in 1991</html>",
    b"hi",
    b"HTTP/1.1 100 C\r\n\r\nno head then",
    OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi, more",
    OK + b"X: a\0b" + TWO,
    OK + b"Content-Length: 20\r\n\r\nhi",
    OK + CHUNKED + b"2\t\r\nhi\r\n0\r\n\r\n",
    OK + CHUNKED + b" 2\r\nhi\r\n0\r\n\r\n",
    OK + CHUNKED + b"0x2\r\nhi\r\n0\r\n\r\n",
    OK + CHUNKED + b"2\r\nhix\r\n0\r\n\r\n",
    OK + CHUNKED + b"\r\n2\r\nhi\r\n0\r\n\r\n",
    OK + CHUNKED + b"2\r\nhi\r\n",
    OK + CHUNKED + b"2\r\nhi\r\n0\r\n",
    OK + CHUNKED + b"2;" + b"e" * 20_000 + b"\r\nhi\r\n0\r\n\r\n",
)
CASES = READ + REFUSED
FETCH = """async paths => {
  const told = [];
  for (const path of paths) {
    try {
      const answer = await fetch(path, { cache: "no-store" });
      told.push([answer.status, await answer.text()]);
    } catch (error) { told.push(null); }
  }
  return told;
}"""


@contextmanager
def _server() -> Iterator[str]:
    """Each case at the path of its number, then the end of the connection."""

    def answer(near: socket.socket) -> None:
        with near, suppress(OSError):
            near.settimeout(10)
            head = b""
            while b"\r\n\r\n" not in head:
                if not (data := near.recv(65_536)):
                    return
                head += data
            number = re.match(rb"GET /(\d+)", head)
            near.sendall(CASES[int(number[1])] if number else OK[:-2] + TWO)
            near.shutdown(socket.SHUT_WR)
            near.recv(1)

    def accept(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                threading.Thread(target=answer, args=(near,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, args=(listener,), daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        listener.shutdown(socket.SHUT_RDWR)


@pytest.fixture(scope="module")
def chromium() -> dict[bytes, tuple[int, str] | None]:
    """What Chromium makes of each case: status and text, or None."""
    with _server() as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=any_chromium())
        page = browser.new_page()
        page.goto(url, timeout=30_000)
        told_by = page.evaluate(FETCH, [f"/{number}" for number in range(len(CASES))])
        browser.close()
    return {
        case: None if said is None else (said[0], said[1])
        for case, said in zip(CASES, told_by, strict=True)
    }


def _without_chunks(body: bytes) -> bytes:
    whole = b""
    while body:
        line, _, body = body.partition(b"\n")
        if not (length := int(line.partition(b";")[0].strip(), 16)):
            break
        whole, body = whole + body[:length], body[length:].partition(b"\n")[2]
    return whole


@pytest.mark.parametrize("case", READ, ids=lambda case: repr(case[:50]))
def test_what_chromium_reads_is_read_alike(
    case: bytes, chromium: dict[bytes, tuple[int, str] | None]
) -> None:
    got = told(Http1Connection(), [(C, b"GET / HTTP/1.1\r\n\r\n"), (S, case)])
    end, body = got.end(0, S), got.body(0, S)
    if end.how is EndReason.COMPLETE and re.search(rb"(?i)chunked", got.head(0, S).raw):
        body = _without_chunks(body)

    assert (got.head(0, S).status, body.decode()) == chromium[case]
    assert end.how in (EndReason.COMPLETE, EndReason.CLOSED)


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: repr(case[:50]))
def test_what_chromium_refuses_is_kept_and_named(
    case: bytes, chromium: dict[bytes, tuple[int, str] | None]
) -> None:
    got = told(Http1Connection(), [(C, b"GET / HTTP/1.1\r\n\r\n"), (S, case)])

    assert chromium[case] is None
    assert got.sent(S) == case
    assert got.end(0, S).detail
