"""
A small web site that does everything a capture has to cope with, the same each time.

Three origins on loopback: the main one, another port of the same host, and
another host (127.0.0.2). Paths that do not answer hold their connection until
the site closes.
"""

import struct
import threading
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, ClassVar, Self

from typing_extensions import override

_LONGEST_S = 60.0  # nothing hangs for longer, whatever a test forgets


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as it arrived."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]


@dataclass(slots=True)
class Site:
    """Use as a context manager; `url(path)` is on the main origin."""

    requests: list[Seen] = field(default_factory=list)
    _servers: list[ThreadingHTTPServer] = field(default_factory=list)
    _closing: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        for host in ("127.0.0.1", "127.0.0.1", "127.0.0.2"):
            server = _Server((host, 0), _Handler)
            server.site = self
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
            self._servers.append(server)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing.set()
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def url(self, path: str, *, origin: int = 0) -> str:
        """Return the address of a path; origins 1 and 2 are other ones."""
        host, port = self._servers[origin].server_address[:2]
        return f"http://{host!s}:{port}{path}"

    def hold(self, seconds: float = _LONGEST_S) -> bool:
        """Wait; True when the site closes meanwhile."""
        return self._closing.wait(seconds)

    def paths(self) -> list[str]:
        """Paths that were asked for, in order."""
        return [seen.path for seen in self.requests]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64  # of five, some would connect a second late on a busy machine
    block_on_close = False
    site: Site

    @override
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that goes away in the middle of an answer is what these tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    routes: ClassVar[dict[str, Callable[["_Handler"], None]]] = {}

    @override
    def log_message(self, format: str, *args: object) -> None:
        pass

    @override
    def version_string(self) -> str:
        return "site"

    @override
    def date_time_string(self, timestamp: float | None = None) -> str:
        return "Thu, 01 Jan 2026 00:00:00 GMT"

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self._answer()

    @property
    def site(self) -> Site:
        return self.server.site

    def reply(
        self,
        body: bytes | str,
        kind: str = "text/html; charset=utf-8",
        status: int = 200,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        data = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if status not in (204, 304):
            self.send_header("Content-Length", str(len(data)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        if status not in (204, 304):
            self.wfile.write(data)

    def _answer(self) -> None:
        path = self.path.partition("?")[0]
        headers = tuple((name, value) for name, value in self.headers.items())
        self.site.requests.append(Seen(self.command, self.path, headers))
        for prefix in (path, "/" + path.split("/")[1] + "/"):
            if (route := self.routes.get(prefix)) is not None:
                route(self)
                return
        self.reply("<h1>404 nothing here</h1>", status=404)


def _route(path: str) -> Callable[[Callable[[_Handler], None]], Callable[[_Handler], None]]:
    def register(function: Callable[[_Handler], None]) -> Callable[[_Handler], None]:
        _Handler.routes[path] = function
        return function

    return register


def _page(path: str, html: Callable[[Site], str] | str) -> None:
    def serve(handler: _Handler) -> None:
        handler.reply(html if isinstance(html, str) else html(handler.site))

    _Handler.routes[path] = serve


def png(width: int, height: int, colour: tuple[int, int, int]) -> bytes:
    """Return a PNG of one colour."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data))
            + name
            + data
            + struct.pack(">I", zlib.crc32(data, zlib.crc32(name)))
        )

    rows = (b"\0" + bytes(colour) * width) * height
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


_page(
    "/",
    lambda site: (
        f"""<!doctype html>
<html lang="zh-Hant"><head><meta charset="utf-8"><title>固定頁 · Fixture</title>
<link rel="stylesheet" href="/style.css"></head><body>
<header id="bar">sticky bar</header>
<h1>香港新聞 News from everywhere</h1>
<p>第一段：這是一個測試。<br>第二行。</p><p>Second block, with emoji 🦊👩‍🔬 and العربية.</p>
<ul><li>one</li><li>two</li></ul>
<img id="eager" src="/image/eager.png" width="200" height="100" alt="eager">
<iframe src="/inner" title="same origin"></iframe>
<iframe src="{site.url("/inner?other-port", origin=1)}" title="other port"></iframe>
<iframe src="{site.url("/inner?other-host", origin=2)}" title="other site"></iframe>
<open-box></open-box><closed-box></closed-box>
<div class="tall">tall begins</div>
<img class="lazy" loading="lazy" src="/image/native-lazy.png" width="200" height="100" alt="">
<div class="tall"></div>
<img class="lazy observed" data-src="/image/observed.png" width="200" height="100" alt="">
<div class="tall"></div>
<img class="lazy scrolled" data-src="/image/scrolled.png" width="200" height="100" alt="">
<img loading="lazy" src="/image/never-shown.png" style="display:none" alt="">
<footer>頁尾 the end</footer>
<script src="/script.js"></script></body></html>"""
    ),
)

_page(
    "/inner",
    "<!doctype html><title>inner</title><body style='background:#dff'>"
    "<p>text of the inner frame 內框</p><img src='/image/inner.png' width='40' height='20'>"
    "<div id=host></div><script>document.getElementById('host').attachShadow({mode:'open'})"
    ".innerHTML='<p>shadow in a frame</p>'</script>",
)


@_route("/style.css")
def _style(handler: _Handler) -> None:
    handler.reply(
        """body{margin:0;font:18px sans-serif;background:#fff url(/image/back.png) no-repeat}
#bar{position:sticky;top:0;background:#c00;color:#fff;padding:8px;height:24px}
.tall{height:1800px;border-left:20px solid #08c}
@keyframes spin{to{transform:rotate(1turn)}} #eager{animation:spin 2s linear infinite}
footer{background:#040;color:#fff;padding:20px}""",
        "text/css",
    )


@_route("/script.js")
def _script(handler: _Handler) -> None:
    handler.reply(
        """
console.log('script ran');
document.cookie = 'set-by-script=1';
for (const [name, mode] of [['open-box', 'open'], ['closed-box', 'closed']]) {
  document.querySelector(name).attachShadow({mode}).innerHTML =
    `<style>p{color:#060}</style><p>${mode} shadow text 影子</p>`;
}
new IntersectionObserver((entries, observer) => {
  for (const entry of entries) if (entry.isIntersecting) {
    entry.target.src = entry.target.dataset.src; observer.unobserve(entry.target);
  }
}).observe(document.querySelector('.observed'));
addEventListener('scroll', () => {
  const image = document.querySelector('.scrolled');
  if (!image.src && image.getBoundingClientRect().top < innerHeight) image.src = image.dataset.src;
});
fetch('/data.json').then(answer => answer.json());
""",
        "text/javascript",
    )


@_route("/data.json")
def _data(handler: _Handler) -> None:
    handler.reply('{"answer": 42}', "application/json")


@_route("/image/")
def _image(handler: _Handler) -> None:
    name = handler.path.rpartition("/")[2]
    if name.endswith(".gif"):
        handler.reply("no such image", "text/plain", 404)
        return
    seed = zlib.crc32(name.encode())
    handler.reply(
        png(40, 20, (seed & 255, seed >> 8 & 255, seed >> 16 & 255)),
        "image/png",
        headers=(("Cache-Control", "max-age=60"),),
    )


def _bands(handler: _Handler) -> None:
    """A page of bands of 100 px, each of its own colour: red is i mod 256, green is i div 256."""
    count = int(handler.path.rpartition("?")[2] or "100")
    bands = "".join(
        f'<div style="height:100px;background:rgb({i % 256},{i // 256},77)"></div>'
        for i in range(count)
    )
    handler.reply(
        "<!doctype html><title>bands</title><body style='margin:0'>"
        '<div style="position:fixed;right:0;top:0;width:50px;height:50px;background:#00f"></div>'
        + bands
    )


_Handler.routes["/bands"] = _bands

# Answers of all kinds

_Handler.routes["/404"] = lambda h: h.reply("<h1>page not found 找不到</h1>", status=404)
_Handler.routes["/500"] = lambda h: h.reply("<h1>broken</h1>", status=500)
_Handler.routes["/204"] = lambda h: h.reply(b"", status=204)
_Handler.routes["/file.zip"] = lambda h: h.reply(
    b"PK" + b"\0" * 1000,
    "application/zip",
    headers=(("Content-Disposition", "attachment; filename=file.zip"),),
)
_page(
    "/graphics",
    "<!doctype html><h1>drawn by a script</h1><script>document.title = ['webgl', 'webgl2'].some("
    "it => document.createElement('canvas').getContext(it)) ? 'WebGL' : 'no WebGL'</script>",
)
_page("/plain", "<!doctype html><title>plain</title><h1>plain page</h1><p>nothing moves here</p>")

# Redirects: /r1 → 302 /r2 → 301 /meta → meta refresh /script-redirect → script /plain

_Handler.routes["/r1"] = lambda h: h.reply(b"", status=302, headers=(("Location", "/r2"),))
_Handler.routes["/r2"] = lambda h: h.reply("moved", status=301, headers=(("Location", "/meta"),))
_Handler.routes["/loop"] = lambda h: h.reply(
    b"Found. Redirecting to /loop", "text/plain", status=302, headers=(("Location", "/loop"),)
)
_page(
    "/meta",
    "<!doctype html><meta http-equiv=refresh content='0;url=/script-redirect'>on the way",
)
_page(
    "/noise",  # no picture of it can be made small
    "<!doctype html><title>noise</title><canvas width=800 height=600></canvas><script>"
    "const canvas = document.querySelector('canvas').getContext('2d');"
    "const image = canvas.createImageData(800, 600); let next = 1;"
    "for (let i = 0; i < image.data.length; i += 1) {"
    " next = (next * 48271) % 2147483647; image.data[i] = i % 4 === 3 ? 255 : next % 256; }"
    "canvas.putImageData(image, 0, 0);</script>",
)
_page("/script-redirect", "<!doctype html><p>x</p><script>location.replace('/plain')</script>")
_page("/meta-loop", "<!doctype html><meta http-equiv=refresh content='0;url=/meta-loop'>again")

# Pages that do not end


@_route("/never")
def _never(handler: _Handler) -> None:
    handler.close_connection = True
    handler.site.hold()


@_route("/drip")
def _drip(handler: _Handler) -> None:
    """A body that comes a little at a time and never ends."""
    handler.close_connection = True
    handler.send_response(200)
    handler.send_header("Content-Type", "text/html; charset=utf-8")
    handler.end_headers()
    handler.wfile.write(b"<!doctype html><title>drip</title><h1>dripping</h1>")
    end = time.monotonic() + _LONGEST_S
    while time.monotonic() < end:
        handler.wfile.write(b"<p>drop</p>" * 20 + b"\n")
        handler.wfile.flush()
        if handler.site.hold(0.1):
            return


@_route("/endless")
def _endless(handler: _Handler) -> None:
    """A body without end, as fast as it goes."""
    handler.close_connection = True
    handler.send_response(200)
    handler.send_header("Content-Type", "text/html; charset=utf-8")
    handler.end_headers()
    handler.wfile.write(b"<!doctype html><title>endless</title>")
    line = b"<p>" + b"more and more " * 600 + b"</p>\n"
    end = time.monotonic() + _LONGEST_S
    while time.monotonic() < end and not handler.site.hold(0):
        handler.wfile.write(line * 20)


_page(
    "/fetches-endless",
    "<!doctype html><title>fetches</title><h1>fetches</h1><script>"
    "fetch('/endless').then(answer => answer.text()).catch(() => {"
    "const i = new Image(); i.src = '/image/after.png'; document.body.append(i)})</script>",
)


@_route("/breaks-off")
def _breaks_off(handler: _Handler) -> None:
    """A body that is shorter than was announced, because the server hangs up."""
    handler.close_connection = True
    handler.send_response(200)
    handler.send_header("Content-Type", "text/html; charset=utf-8")
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    handler.wfile.write(b"<!doctype html><title>breaks off</title><h1>the beginning</h1>")
    handler.wfile.flush()
    handler.site.hold(0.3)


_page(
    "/growing",
    "<!doctype html><title>growing</title><body style='margin:0'><script>"
    "const more=()=>{for(let i=0;i<20;i++){const p=document.createElement('p');"
    "p.style.height='100px';p.textContent='item '+document.body.children.length;"
    "document.body.append(p)}};more();addEventListener('scroll',()=>{"
    "if(innerHeight+scrollY>document.body.scrollHeight-500)more()})</script>",
)
_page(
    "/missing-image",
    "<!doctype html><title>missing</title><h1>one is there</h1>"
    "<img src=/image/there.png><img src=/image/missing.gif>",
)
_page(
    "/slow-image",
    "<!doctype html><title>slow</title><h1>slow</h1><img src=/never width=9 height=9>",
)
_page(
    "/image-at-top",
    "<!doctype html><title>top</title><h1>top</h1><div style='height:3000px'></div><script>"
    "let away=false;addEventListener('scroll',()=>{if(scrollY>100)away=true;"
    "else if(away){away=false;const i=new Image();i.src='/late-image';document.body.append(i)}})"
    "</script>",
)


@_route("/late-image")
def _late_image(handler: _Handler) -> None:
    handler.site.hold(0.6)
    handler.reply(png(40, 20, (1, 2, 3)), "image/png")


_page(  # half characters wherever a script can put them
    "/halves",
    "<!doctype html><title>h</title><h1>halves</h1><img id=i><iframe srcdoc='x'></iframe><script>"
    r"const h='\ud800', l='\udc00d';document.title='a'+h+'b';document.documentElement.lang=h;"
    r"console.log('c'+l);alert(h);document.querySelector('h1').append(h);"
    r"i.src='/image/i.png?'+h;i.alt=l;fetch('/x?'+l,{method:'POST',body:h});"
    r"history.replaceState(0,'','/halves?'+h+'#'+l);"
    r"const s=document.body.attachShadow({mode:'open'});"
    r"s.append('shadow '+h,document.createElement('slot'));"
    r"setTimeout(()=>{throw new Error(h)});Promise.reject(l);"
    r"frames[0].name=h;frames[0].document.body.append(l)</script>",
)
_page("/spin", "<!doctype html><title>spin</title><h1>spins</h1><script>while(true);</script>")
_page(
    "/spin-later",
    "<!doctype html><title>spins later</title><h1>spins later</h1>"
    "<script>addEventListener('load',()=>setTimeout(()=>{while(true);},0))</script>",
)
_page(
    "/alerts", "<!doctype html><title>alerts</title><h1>x</h1><script>for(;;)alert('no')</script>"
)
_page(
    "/alert",
    "<!doctype html><title>one alert</title><h1>before</h1>"
    "<script>alert('read this');document.write('<p>after the alert</p>')</script>",
)
_page(
    "/popups",
    "<!doctype html><title>popups</title><h1>popups</h1>"
    "<script>for(let i=0;i<12;i++)window.open('/plain?'+i)</script>",
)
_page(
    "/auto-download",
    "<!doctype html><title>download</title><h1>a page that downloads</h1>"
    "<script>location.href='/file.zip'</script>",
)
_page("/close-me", "<!doctype html><title>closes</title><script>window.close()</script><h1>hm</h1>")


@_route("/secrets")
def _secrets(handler: _Handler) -> None:
    """Sets a cookie and sends it, and an Authorization header, with a fetch."""
    handler.reply(
        "<!doctype html><title>secrets</title><h1>secrets</h1><script>"
        "fetch('/data.json',{headers:{Authorization:'Bearer canary-'+'authorization'}})</script>",
        headers=(("Set-Cookie", "session=canary-cookie; HttpOnly; Path=/"),),
    )
