"""
The pages that captures are timed on: made by this file, the same each time, served on loopback.

    python scripts/bench_pages.py [ADDRESS]     serves them, prints the port, ends with its input

They run in a process of their own, so that their server takes no time from what is
measured inside ours. `small` is four requests; `news` is a long article as news sites
make them: 15,000 CSS pixels, 100 images (30 at once, 40 lazy, 30 by an observer),
style sheets, scripts, frames, a sticky header, Chinese text and emoji. `/article/1` to
`/article/10` are short articles with ten resources each, and `/polling` is such an article
that sends a request every 300 ms for ever: `bench_peers.py` compares programs on these.
"""

import argparse
import io
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from PIL import Image
from typing_extensions import override

PAGES = {
    "small": "/small",
    "news": "/news",
    "15000 px": "/tall/15000",
    "50000 px": "/tall/50000",
    "frames": "/frames",
}
_IMAGE = (640, 400)  # pixels
_PARAGRAPHS = 34
_FRAMES = 12
_PICTURES = 6  # of an article, beside two style sheets and two scripts
_SCRIPT_BYTES = 180_000
_POLLING = "<script>setInterval(() => fetch('/poll', {cache: 'no-store'}), 300)</script>"
_POOL = ("the", "council", "said", "rumour", "page", "removed", *"這是一個測試新聞記者", "report")


@contextmanager
def serving() -> Iterator[str]:
    """Serve the pages from another process; yield "http://127.0.0.1:<port>"."""
    server = subprocess.Popen(
        [sys.executable, str(Path(__file__).resolve())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        line = server.stdout.readline() if server.stdout else ""
        if not line.strip().isdigit():
            raise SystemExit("the pages' server did not start")
        yield f"http://127.0.0.1:{int(line)}"
    finally:
        server.terminate()
        server.wait(10)


def main() -> int:
    """Serve until the input ends."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("address", nargs="?", default="127.0.0.1", help="address to listen on")
    server = _Server((parser.parse_args().address, 0), _Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()
    return 0


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    block_on_close = False

    @override
    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # as a browser that is closed leaves
            super().handle_error(request, client_address)  # type: ignore[arg-type] # its own value


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body leave in two writes: with Nagle's algorithm each answer would wait 40 ms for
    # the acknowledgement of its head, which is no cost of either side that is compared here.
    disable_nagle_algorithm = True

    @override
    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        # A proxy may send the whole address (RFC 9112, 3.2.2), as Scoop's does.
        kind, body = _answer(urlsplit(self.path).path)
        self.send_response(200 if kind else 404)
        self.send_header("Content-Type", kind or "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@cache
def _answer(path: str) -> tuple[str, bytes]:
    """Return media type and body; no media type for what is not there."""
    name, _, rest = path.strip("/").partition("/")
    number = int(rest.partition(".")[0]) if rest.partition(".")[0].isdigit() else 0
    html = "text/html; charset=utf-8"
    match name:
        case "small":
            return html, _small().encode()
        case "news":
            return html, _news().encode()
        case "tall":
            return html, _tall(number).encode()
        case "article":
            return html, _article(number).encode()
        case "polling":
            return html, (_article(0) + _POLLING).encode()
        case "poll":
            return "application/json", b"{}"
        case "frames":
            return html, _frames().encode()
        case "inner":
            return html, _inner(number).encode()
        case "image":
            return "image/jpeg", _image(number)
        case "style":
            return "text/css", _style(number).encode()
        case "script":
            return "text/javascript", _script(number).encode()
        case _:
            return "", b""


def _small() -> str:
    return (
        '<!doctype html><html lang="en"><title>A small page</title>'
        '<link rel="stylesheet" href="/style/1.css"><script src="/script/9.js"></script>'
        f'<h1>A small page</h1><img src="/image/1.jpg" width="640" height="400"><p>{_words(1)}</p>'
    )


def _article(number: int) -> str:
    first = 1_000 + _PICTURES * number
    parts = "".join(
        f"<h2>Section {n}</h2><p>{_words(n)}</p>"
        f'<img src="/image/{n}.jpg" width="480" height="300"><p>{_words(n + 500)}</p>'
        for n in range(first, first + _PICTURES)
    )
    styles = "".join(f'<link rel="stylesheet" href="/style/{n}.css">' for n in (1, 2))
    scripts = "".join(f'<script src="/script/{n}.js"></script>' for n in (0, 9))
    return (
        f'<!doctype html><html lang="en"><title>Article {number}</title>{styles}{scripts}'
        f"<h1>Article {number}</h1>{parts}"
    )


def _news() -> str:
    parts = []
    for number in range(100):
        source = f"/image/{number}.jpg"
        if number < 30:
            image = f'<img src="{source}"'
        elif number < 70:
            image = f'<img loading="lazy" src="{source}"'
        else:
            image = f'<img class="later" data-src="{source}"'
        if number % 3 == 0 and number // 3 < _PARAGRAPHS:
            parts.append(f"<h2>第{number}節 Section {number} 🗞️</h2><p>{_words(number)}</p>")
        parts.append(f'{image} width="320" height="200">')
    frames = "".join(
        f'<iframe src="/inner/{n}" width="600" height="200"></iframe>' for n in (1, 2, 3)
    )
    styles = "".join(f'<link rel="stylesheet" href="/style/{n}.css">' for n in (1, 2, 3))
    scripts = "".join(f'<script src="/script/{n}.js"></script>' for n in range(5))
    return (
        f'<!doctype html><html lang="zh"><title>A long article 長文</title>{styles}{scripts}'
        "<style>header{position:sticky;top:0;background:#036;color:#fff;padding:20px}"
        "main{min-height:14900px}</style>"
        "<header>Daily News 每日新聞</header>"
        f"<main>{''.join(parts)}{frames}</main><footer>end</footer>"
        "<script>const seen = new IntersectionObserver(all => { for (const one of all)"
        " if (one.isIntersecting) { one.target.src = one.target.dataset.src;"
        " seen.unobserve(one.target); } });"
        "document.querySelectorAll('img.later').forEach(it => seen.observe(it));</script>"
    )


def _tall(height: int) -> str:
    bands = "".join(
        f'<div style="height:100px;background:hsl({n * 37 % 360} 60% 70%)">'
        f"{n} {_words(n)[:160]}</div>"
        for n in range(height // 100)
    )
    return (
        f'<!doctype html><html lang="en"><title>{height} pixels</title>'
        f'<body style="margin:0;overflow-wrap:anywhere">{bands}'
    )


def _frames() -> str:
    frames = "".join(
        f'<iframe src="/inner/{n}" width="600" height="220"></iframe>' for n in range(_FRAMES)
    )
    return f'<!doctype html><html lang="en"><title>Frames</title><h1>Frames</h1>{frames}'


def _inner(number: int) -> str:
    return (
        f'<!doctype html><html lang="en"><title>Frame {number}</title>'
        f"<p>{_words(number)[:300]}</p>"
        f'<img src="/image/{200 + number}.jpg" width="160" height="100">'
    )


def _words(seed: int) -> str:
    chosen = random.Random(seed)  # noqa: S311  the same words each time
    return " ".join(chosen.choice(_POOL) for _ in range(120))


def _style(number: int) -> str:
    rules = "\n".join(
        f".c{number}-{n} {{ margin: {n % 7}px; color: #{n % 999:03} }}" for n in range(800)
    )
    return f"body {{ font: 16px/1.5 serif }}\nh2 {{ margin: 1em 0 }}\n{rules}\n"


def _script(number: int) -> str:
    if number == 9:
        return "globalThis.ready = true;\n"
    filler = "".join(f"table[{n}] = {n * 7919 % 10007};\n" for n in range(_SCRIPT_BYTES // 22))
    return (
        f"(() => {{ const table = [];\n{filler}globalThis['sum{number}'] = table.length; }})();\n"
    )


def _image(number: int) -> bytes:
    """A photograph as a codec sees it: soft shapes with some noise."""
    small = Image.frombytes("RGB", (40, 25), random.Random(number).randbytes(40 * 25 * 3))  # noqa: S311
    out = io.BytesIO()
    small.resize(_IMAGE, Image.Resampling.BICUBIC).save(out, "JPEG", quality=80)
    return out.getvalue()


if __name__ == "__main__":
    sys.exit(main())
