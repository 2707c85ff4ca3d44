"""
Pages that try to leave for where no page is, and answers that break off before there is any.

Importing this module adds them to `Site`. Each page is green and says "the article stands here".
"""

import socket
import struct

from tests.servers.site import Site as Site
from tests.servers.site import _Handler, _page, _route

GREEN = (0, 136, 0)
WORDS = "the article stands here"
FORBIDDEN = "http://10.0.0.1/secret"
_ARTICLE = (
    "<!doctype html><title>the article</title>"
    f"<body style='background:#080;color:#fff'><p>{WORDS}, and many words more</p>"
)


def _soon(script: str) -> str:
    return f"{_ARTICLE}<script>setTimeout(() => {{ {script} }}, 50)</script>"


# Before the load event, which does not come then; and by a program of another kind before that.
_page(
    "/leaves/at-once",
    f"{_ARTICLE}<script>location.href='weixin://dl/business';location.href='{FORBIDDEN}'</script>",
)
_page(
    "/leaves/by-frame",
    f"{_ARTICLE}<iframe src=/leaves/frame></iframe>",
)
_page("/leaves/frame", f"<script>top.location.href = '{FORBIDDEN}'</script>")
_page("/leaves/by-refresh", f"{_ARTICLE}<meta http-equiv=refresh content='0;url=/leaves/reset'>")
_page("/leaves/to-nothing", _soon("location.replace('about:blank')"))
_page(
    "/leaves/to-its-own",
    _soon("location.href = URL.createObjectURL(new Blob(['<p>made here'], {type: 'text/html'}))"),
)


def _reset(handler: _Handler) -> None:
    handler.wfile.flush()
    linger = struct.pack("ii", 1, 0)
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    handler.close_connection = True
    handler.connection.close()


@_route("/leaves/reset")
def _reset_before_an_answer(handler: _Handler) -> None:
    _reset(handler)


@_route("/broken/first-chunk")
def _broken_chunk(handler: _Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "text/html")
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    handler.wfile.write(b"20\r\n<!doctype html><p>first words </p\r\nZZ\r\n")
    handler.close_connection = True
