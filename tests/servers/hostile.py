"""
A web site that means harm, the same each time: a page for each limit, and odd targets.

Plain sockets under asyncio in a thread of its own, because most of what it says no web
server would: bodies of 5 GB, bombs, heads that drip. `url` is over http, `secure` over
TLS with every kind of certificate. Nothing it holds open outlives it.
"""

import asyncio
import base64
import contextlib
import datetime
import gzip
import hashlib
import ipaddress
import ssl
import struct
import threading
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.servers.hostile_http2 import HostileHttp2
from tests.servers.site import png

_HTML = "text/html; charset=utf-8"
_LONGEST_S = 60.0  # nothing goes on for longer, whatever a test forgets
_CHUNK = b"x" * (1 << 16)

PDF = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
    b"2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
    b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]>>endobj\n"
    b"trailer<</Root 1 0 R>>\n%%EOF\n" + bytes(range(256)) * 8
)
ZIP = b"PK\x05\x06" + b"\0" * 18 + b"not quite a zip, and every byte counts" * 100
JSON = b'{"answer": 42,\r\n "\xc3\xa9": [1, 2.50, "\\u00e9"]}\n'
FEED = (
    b'<?xml version="1.0"?><rss version="2.0"><channel><title>news</title>'
    b"<item><title>a headline</title></item></channel></rss>\n"
)
PNG = png(1, 1, (16, 32, 48))
VIDEO = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + b"\0\0\0\x08mdat" * 50


@dataclass(slots=True)
class Conversation:
    """One request, and the way back."""

    site: "Hostile"
    method: str
    path: str
    query: str
    headers: dict[str, str]  # names in lowercase
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        """Send bytes as they are; fails when the other end has gone."""
        self.writer.write(data)
        await self.writer.drain()

    async def head(self, *lines: str, status: str = "200 OK", kind: str = _HTML) -> None:
        """Send a head whose body ends with the connection."""
        first = (f"HTTP/1.1 {status}", f"Content-Type: {kind}", "Connection: close")
        await self.send("".join(f"{line}\r\n" for line in (*first, *lines, "")).encode())

    async def reply(
        self, body: bytes | str, *lines: str, status: str = "200 OK", kind: str = _HTML
    ) -> None:
        """Send a whole answer."""
        data = body.encode() if isinstance(body, str) else body
        await self.head(f"Content-Length: {len(data)}", *lines, status=status, kind=kind)
        if self.method != "HEAD":
            await self.send(data)

    async def for_ever(self, piece: bytes, pause_s: float = 0.0) -> None:
        """Send a piece again and again, until the other end or the site goes."""
        while True:
            await self.send(piece)
            await asyncio.sleep(pause_s)


_Route = Callable[[Conversation], Awaitable[None]]
_ROUTES: dict[str, _Route] = {}


class Hostile:
    """Use as a context manager."""

    def __init__(self, work: Path) -> None:
        self._work = work  # keys and certificates
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="hostile")
        self._servers: list[asyncio.Server] = []
        self._ports: dict[str, int] = {}
        self._talks: set[asyncio.Task[None]] = set()
        self._asked: list[str] = []
        self.goes_on = threading.Event()  # for `/nodes-later`, which waits

    def __enter__(self) -> Self:
        self._thread.start()
        self._ports[""] = self._listen(None)
        self._ports["elsewhere"] = self._listen(None, "127.0.0.2")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def url(self, path: str) -> str:
        """Return the address of a path over http."""
        return f"http://127.0.0.1:{self._ports['']}{path}"

    def elsewhere(self, path: str) -> str:
        """Return the address of a path on another site."""
        return f"http://127.0.0.2:{self._ports['elsewhere']}{path}"

    def secure(self, kind: str, path: str = "/calm") -> str:
        """
        Return the address of a path over TLS.

        Args:
            kind: "unknown-authority", "self-signed", "expired", "other-host",
                "client-certificate" or "old-protocol" (the server knows none of our versions).
        """
        if kind not in self._ports:
            if kind == "old-protocol":
                self._ports[kind] = self._listen(None, answers=self._refuse_version)
            else:
                self._ports[kind] = self._listen(_context(kind, self._work))
        return f"https://127.0.0.1:{self._ports[kind]}{path}"

    def http2(self, path: str) -> str:
        """Return the address of a path of `HostileHttp2`, whose authority nobody knows."""
        if "http2" not in self._ports:
            context = _context("unknown-authority", self._work)
            context.set_alpn_protocols(["h2"])
            self._ports["http2"] = self._listen(context, answers=self._take)
        return f"https://127.0.0.1:{self._ports['http2']}{path}"

    def asked(self, beginning: str = "/") -> list[str]:
        """Return the paths that were asked for, with their queries, in order."""
        return [path for path in list(self._asked) if path.startswith(beginning)]

    def _listen(
        self,
        context: ssl.SSLContext | None,
        host: str = "127.0.0.1",
        answers: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
        | None = None,
    ) -> int:
        async def start() -> int:
            server = await asyncio.start_server(
                answers or self._take, host, 0, ssl=context, backlog=256
            )
            self._servers.append(server)
            port: int = server.sockets[0].getsockname()[1]
            return port

        return asyncio.run_coroutine_threadsafe(start(), self._loop).result(10)

    async def _stop(self) -> None:
        for server in self._servers:
            server.close()
        for talk in tuple(self._talks):
            talk.cancel()
        if self._talks:
            await asyncio.wait(self._talks, timeout=5)

    async def _refuse_version(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Answer a ClientHello as a server of TLS 1.0 does (RFC 8446, appendix D)."""
        await reader.read(1 << 14)
        writer.write(b"\x15\x03\x01\x00\x02\x02\x46")  # fatal alert: protocol_version
        writer.close()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            return
        self._talks.add(task)
        # A browser that goes away in the middle of an answer is what these tests are about.
        try:
            with contextlib.suppress(
                OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.CancelledError
            ):
                async with asyncio.timeout(_LONGEST_S):
                    await self._answer(reader, writer)
        finally:
            self._talks.discard(task)
            writer.transport.abort() if writer.transport.is_closing() else writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tls = writer.get_extra_info("ssl_object")
        if tls is not None and tls.selected_alpn_protocol() == "h2":
            await HostileHttp2(reader, writer, gzip_bomb(1024)).talk()
            return
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = lines[0].split(" ", 2)
        pairs = (line.partition(":") for line in lines[1:] if line)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        path, _, query = target.partition("?")
        self._asked.append(target)
        talk = Conversation(self, method, path, query, headers, writer)
        route = _ROUTES.get(path)
        if route is None:
            await talk.reply("<h1>404</h1>", status="404 Not Found")
        else:
            await route(talk)


def route(path: str) -> Callable[[_Route], _Route]:
    """Register what answers a path."""

    def register(function: _Route) -> _Route:
        _ROUTES[path] = function
        return function

    return register


def page(path: str, html: str, *lines: str, status: str = "200 OK", kind: str = _HTML) -> None:
    """Register a page, after a doctype and a title that is its path."""

    async def serve(conversation: Conversation) -> None:
        await conversation.reply(
            f"<!doctype html><title>{path}</title>{html}", *lines, status=status
        )

    _ROUTES[path] = serve


def file(path: str, data: bytes, kind: str, *lines: str, status: str = "200 OK") -> None:
    """Register bytes of a media type."""

    async def serve(conversation: Conversation) -> None:
        await conversation.reply(data, *lines, status=status, kind=kind)

    _ROUTES[path] = serve


page("/calm", "<h1>a calm page</h1>")

# Bytes


@route("/five-gigabytes")
async def _five_gigabytes(conversation: Conversation) -> None:
    await conversation.head(f"Content-Length: {5 << 30}", kind="application/octet-stream")
    await conversation.for_ever(_CHUNK)


page("/fetches-gigabytes", "<h1>fetches</h1><script>fetch('/five-gigabytes').then(a=>a.text())"
     "</script>")  # fmt: skip
page("/video", "<h1>shows</h1><video autoplay muted src='/five-gigabytes'></video>")


@cache
def gzip_bomb(megabytes: int) -> bytes:
    """Return a gzip member without its end, which opens to that many megabytes of spaces."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    piece = packer.compress(b" " * (16 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    text = zlib.compressobj(9, zlib.DEFLATED, -15)
    begins = text.compress(b"<!doctype html><h1>a bomb</h1><pre>") + text.flush(zlib.Z_FULL_FLUSH)
    # Header of RFC 1952: deflate, no flags, no time, unknown system.
    return b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + begins + piece * (megabytes // 16)


@cache
def brotli_bomb(megabytes: int) -> bytes:
    """
    Return a brotli stream that opens to that many megabytes of spaces after a heading.

    Each block (RFC 7932, section 9.2) is 16 MB of one literal, whose code has no bits.
    """
    heading = b"<!doctype html><h1>a bomb</h1><pre>"
    bits = _Bits()
    bits.add(0, 1)  # a window of 64 kB
    bits.add(0, 1).add(0, 2).add(len(heading) - 1, 16).add(1, 1)  # a block as it is
    bits.align().raw(heading)
    for _ in range(megabytes // 16):
        bits.add(0, 1).add(2, 2).add((1 << 24) - 1, 24).add(0, 1)  # 2^24 bytes, compressed
        bits.add(0, 3)  # one block type of literals, of commands, of distances
        bits.add(0, 6).add(0, 2).add(0, 2)  # distance parameters, context mode, one tree of each
        bits.add(1, 2).add(0, 2).add(ord(" "), 8)  # literals: a simple code of one symbol
        bits.add(1, 2).add(0, 2).add(504, 10)  # commands: insert code 23, copy code 0
        bits.add(1, 2).add(0, 2).add(0, 6)  # distances
        bits.add((1 << 24) - 22_594, 24)  # insert so many
    bits.add(3, 2)  # the last block, empty
    return bits.align().done()


class _Bits:
    def __init__(self) -> None:
        self._out = bytearray()
        self._held = self._count = 0

    def add(self, value: int, count: int) -> Self:
        self._held |= value << self._count
        self._count += count
        while self._count >= 8:
            self._out.append(self._held & 255)
            self._held >>= 8
            self._count -= 8
        return self

    def align(self) -> Self:
        return self.add(0, -self._count % 8)

    def raw(self, data: bytes) -> Self:
        self._out += data
        return self

    def done(self) -> bytes:
        return bytes(self._out)


def _bomb(path: str, coding: str, make: Callable[[int], bytes]) -> None:
    async def serve(conversation: Conversation) -> None:
        await conversation.reply(make(1024), f"Content-Encoding: {coding}")

    _ROUTES[path] = serve
    page(f"{path}-fetched", f"<h1>fetches a bomb</h1><script>fetch('{path}').then(a=>a.text())"
         "</script>")  # fmt: skip


_bomb("/gzip-bomb", "gzip", gzip_bomb)
_bomb("/brotli-bomb", "br", brotli_bomb)


@route("/large-head")
async def _large_head(conversation: Conversation) -> None:
    """More than the 256 KiB that Chromium reads of one head."""
    await conversation.reply("<h1>large head</h1>", *(f"X-{n}: {'y' * 8000}" for n in range(60)))


# Answers without an end


@route("/never")
async def _never(conversation: Conversation) -> None:
    await asyncio.sleep(_LONGEST_S)


@route("/dripping-head")
async def _dripping_head(conversation: Conversation) -> None:
    await conversation.send(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    await conversation.for_ever(b"z", 0.1)


@route("/events")
async def _events(conversation: Conversation) -> None:
    await conversation.head(kind="text/event-stream")
    await conversation.for_ever(b"data: tick\n\n", 0.02)


@route("/poll")
async def _poll(conversation: Conversation) -> None:
    await asyncio.sleep(0.3)
    await conversation.reply("{}", kind="application/json")


@route("/socket")
async def _socket(conversation: Conversation) -> None:
    """A WebSocket (RFC 6455) that talks for ever."""
    key = conversation.headers.get("sec-websocket-key", "")
    digest = hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()  # noqa: S324
    accept = base64.b64encode(digest).decode()
    await conversation.send(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        + f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
    )
    text = b"tick " * 100
    await conversation.for_ever(b"\x81\x7e" + struct.pack(">H", len(text)) + text, 0.005)


page(
    "/streams",
    "<h1>streams</h1><p id=e>no event</p><p id=s>no frame</p><script>"
    "new EventSource('/events').onmessage=()=>e.textContent='an event came';"
    "new WebSocket(`ws://${location.host}/socket`).onmessage=()=>s.textContent='a frame came';"
    "(async()=>{for(;;)await(await fetch('/poll')).text()})()</script>",
)
page("/stalled-script", "<script src=/never?a></script><h1>below a stalled script</h1>")
page(
    "/stalled-scripts",
    "<head><script src=/never?a></script></head><p>below a stalled script"
    "<link rel=stylesheet href=/never?css><script>document.title='ran'</script>"
    "<p>below a stalled style sheet"
    "<script>document.write('<scr'+'ipt src=/never?written></scr'+'ipt>')</script>"
    "<p>below a stalled script that was written"
    "<script type=module>import '/never?module'</script><script defer src=/never?defer></script>"
    "<iframe src=/stalled-script></iframe><script src=/never?last></script><p>the last line",
)
page("/waits-for-ever", "<h1>waits</h1><script>const x=new XMLHttpRequest();"
     "x.open('GET','/never',false);x.send()</script><p>after")  # fmt: skip


@route("/cookies")
async def _cookies(conversation: Conversation) -> None:
    """More cookies than browsers keep, and in a page's hands more than servers take."""
    kept = [f"Set-Cookie: c{n}={'x' * 4000}; Path=/" for n in range(40)]
    await conversation.reply(
        "<!doctype html><title>cookies</title><h1>cookies</h1><script>for(let i=0;i<3000;i++)"
        "document.cookie=`j${i}=${'y'.repeat(3900)};path=/`;fetch('/calm').catch(()=>0)</script>",
        *kept,
    )


# Requests, redirects, navigations

page("/requests", "<h1>requests</h1><script>for(let i=0;i<1000;i++)fetch('/calm?'+i).catch(()=>0)"
     "</script>")  # fmt: skip
page("/images", "<h1>images</h1>" + "".join(f"<img src='/dot?{n}' width=9 height=9>"
     for n in range(1500)))  # fmt: skip


file("/dot", PNG, "image/png")


@route("/redirects")
async def _redirects(conversation: Conversation) -> None:
    """To a new address each time: no cycle to be seen."""
    await conversation.reply(
        b"on", f"Location: /redirects?{int(conversation.query or 0) + 1}", status="302 Found"
    )


page("/script-loop", "<h1>script loop</h1><script>location.replace('/script-loop?'+"
     "(+location.search.slice(1)+1))</script>")  # fmt: skip
page("/reload-storm", "<h1>reload storm</h1><script>setTimeout(()=>location.reload(),30)</script>")
page("/push-storm", "<h1>push storm</h1><script>let n=0;setInterval(()=>{for(let i=0;i<20;i++)"
     "try{history.pushState(0,'','?'+n++)}catch{}},1)</script>")  # fmt: skip
page("/nested", "<h1>nested</h1><script>const f=document.createElement('iframe');"
     "f.src='/nested?'+Math.random();document.body.append(f)</script>")  # fmt: skip
page("/two-nested", "<h1>nested twice</h1><script>for(let i=0;i<2;i++){const f=document."
     "createElement('iframe');f.src='/two-nested?'+Math.random();document.body.append(f)}"
     "</script>")  # fmt: skip
# Windows, dialogs, downloads

page("/popups", "<h1>popups</h1><script>for(let i=0;i<22;i++)open('/popup?'+i)</script>")
page("/popup", "<h1>a popup</h1><script>for(let i=0;i<3;i++)open('/popup?'+Math.random())</script>")
page(
    "/opens",
    "<h1>opens</h1><p id=o>nothing</p><script>const said=[];"
    "for(const u of ['file:///etc/passwd','chrome://version','view-source:'+location.href,"
    "'data:text/html,x','javascript:alert(1)','about:blank'])"
    "{try{said.push(u.split(':')[0]+' '+(open(u)?'window':'null'))}catch(e){said.push('threw')}}"
    "o.textContent=said.join(', ');"
    "for(const u of ['file:///etc/passwd','chrome://version'])"
    "{const f=document.createElement('iframe');f.src=u;document.body.append(f)}"
    "</script><a id=a href='file:///etc/passwd'>a</a><script>a.click()</script>",
)
page("/dialogs", "<h1>dialogs</h1><script>alert('one');const c=confirm('two?'),p=prompt('three?',"
     "'x');document.write(`<p>confirm said ${c}, prompt said ${p}`);print();"
     "document.write('<p>after print')</script>")  # fmt: skip
page("/alert-loop", "<h1>alert loop</h1><p>your computer is blocked</p><script>"
     "for(;;)alert('call us')</script>")  # fmt: skip
page("/alert-timer", "<h1>alert timer</h1><p>your computer is blocked</p><script>"
     "setInterval(()=>alert('call us'),1)</script>")  # fmt: skip
page("/print-timer", "<h1>print timer</h1><script>setInterval(print,1);onafterprint=print</script>")
page("/print-loop", "<h1>print loop</h1><script>for(;;)print()</script>")
page("/stays", "<h1>stays</h1><script>onbeforeunload=e=>{e.preventDefault();return "
     "e.returnValue='?'};let n=0;setInterval(()=>{location='/calm?'+n++},20)</script>")  # fmt: skip
page("/loops-when-left", "<h1>loops when left</h1><script>onbeforeunload=onpagehide=onunload=()=>{"
     "for(;;);};setTimeout(()=>{location='/calm'},50)</script>")  # fmt: skip
page("/downloads", "<h1>downloads</h1><script>let n=0;const t=setInterval(()=>{"
     "const a=document.createElement('a');a.href='/file.zip?'+n;a.download='f'+n;"
     "document.body.append(a);a.click();if(++n==30)clearInterval(t)},10)</script>")  # fmt: skip

# Memory, time, the page's process

page("/heap-hog", "<h1>heap hog</h1><script>const kept=[];setInterval(()=>{for(let i=0;i<40;i++)"
     "kept.push(new Array(200000).fill(Math.random()))},10)</script>")  # fmt: skip
page("/buffer-hog", "<h1>buffer hog</h1><script>const kept=[];setInterval(()=>{for(let i=0;i<8;i++)"
     "{const b=new Uint8Array(16<<20);b.fill(7);kept.push(b)}},20)</script>")  # fmt: skip
page("/wasm-hog", "<h1>wasm hog</h1><script>const kept=[];setInterval(()=>{"
     "const m=new WebAssembly.Memory({initial:1024});new Uint8Array(m.buffer).fill(1);"
     "kept.push(m)},10)</script>")  # fmt: skip


@route("/hog-elsewhere")
async def _hog_elsewhere(conversation: Conversation) -> None:
    """The hog is a frame of another site, which has a process of its own."""
    await conversation.reply(
        "<!doctype html><title>x</title><h1>a page with a hog in it</h1>"
        f"<iframe src='{conversation.site.elsewhere('/buffer-hog')}'></iframe>"
    )


page("/worker-loops", "<h1>worker loops</h1><script>for(let i=0;i<3;i++)new Worker("
     "URL.createObjectURL(new Blob(['for(;;);'])))</script><p>the page is fine")  # fmt: skip
file("/spin.js", b"for(;;);", "text/javascript")
_HOG = (b"const kept=[];setInterval(()=>{for(let i=0;i<8;i++){const b=new Uint8Array(16<<20);"
        b"b.fill(7);kept.push(b)}},20)")  # fmt: skip
file("/hog.js", _HOG, "text/javascript")
file("/fork.js", b"for(let i=0;i<4;i++)new Worker('/fork.js?'+Math.random())", "text/javascript")
page("/worker-hog", "<h1>worker hog</h1><script>for(let i=0;i<3;i++)new Worker('/hog.js')</script>")
page("/worker-fork", "<h1>worker fork</h1><script>new Worker('/fork.js')</script>")
page("/shared-spin", "<h1>shared spin</h1><script>for(let i=0;i<3;i++)"
     "new SharedWorker('/spin.js?'+i)</script>")  # fmt: skip
# It is not whole before its time is up: on a slow machine the hogs come late.
page("/shared-hog", "<h1>shared hog</h1><img src=/never><script>for(let i=0;i<2;i++)"
     "new SharedWorker('/hog.js?'+i)</script>")  # fmt: skip
page("/service-spin", "<h1>service spin</h1><p id=p>asked</p><script>ServiceWorkerContainer."
     "prototype.register.call(navigator.serviceWorker,'/spin.js').then(()=>p.textContent='no error'"
     ",()=>p.textContent='refused')</script>")  # fmt: skip
page("/canvas", "<h1>canvas</h1><script>const kept=[];for(let i=0;i<40;i++){const c=document."
     "createElement('canvas');c.width=c.height=16384;c.getContext('2d').fillRect(0,0,16384,16384);"
     "document.body.append(c);kept.push(c)}</script>")  # fmt: skip
page(
    "/shader",
    "<h1>shader</h1><canvas id=c width=800 height=600></canvas><script>"
    "const g=c.getContext('webgl'),p=g.createProgram();for(const [t,x] of [[g.VERTEX_SHADER,"
    "'attribute vec2 a;void main(){gl_Position=vec4(a,0.,1.);}'],[g.FRAGMENT_SHADER,"
    "'precision highp float;void main(){float x=gl_FragCoord.x;for(int i=0;i<100000000;i++)"
    "{x=sin(x)*cos(x)+1.;}gl_FragColor=vec4(x);}']]){const s=g.createShader(t);"
    "g.shaderSource(s,x);g.compileShader(s);g.attachShader(p,s)}g.linkProgram(p);g.useProgram(p);"
    "g.bindBuffer(g.ARRAY_BUFFER,g.createBuffer());g.bufferData(g.ARRAY_BUFFER,"
    "new Float32Array([-1,-1,3,-1,-1,3]),g.STATIC_DRAW);g.enableVertexAttribArray(0);"
    "g.vertexAttribPointer(0,2,g.FLOAT,false,0,0);"
    "(function f(){g.drawArrays(g.TRIANGLES,0,3);requestAnimationFrame(f)})()</script>",
)
# Hundreds of megabytes a second, from the page and from a worker.
page("/console-storm", "<h1>console storm</h1><p>there from the beginning<script>"
     "const say='setInterval(()=>{for(let i=0;i<2000;i++)console.log(`x`.repeat(2000)+i)},0)';"
     "eval(say);new Worker(URL.createObjectURL(new Blob([say])))</script>")  # fmt: skip
page(
    "/chatter",
    "<h1>chatter</h1><p id=p>still writing<script>"
    "for(let i=0;i<1500;i++)console.log('line',i);p.textContent='all was written'</script>",
)
page(
    "/storage",
    "<h1>storage</h1><img src=/never><script>const some=n=>new Uint8Array(16<<20).fill(n);"
    "const d=indexedDB.open('d');d.onupgradeneeded=()=>d.result.createObjectStore('s');"
    "d.onsuccess=async()=>{for(let i=0;;i++){const t=d.result.transaction('s','readwrite');"
    "t.objectStore('s').put(some(i),i);await new Promise(r=>t.oncomplete=t.onerror=t.onabort=r)}};"
    "caches.open('c').then(async c=>{for(let i=0;;i++)await c.put('/'+i,new Response(some(i)))});"
    "navigator.storage.getDirectory().then(d=>d.getFileHandle('f',{create:true})).then(f=>"
    "f.createWritable()).then(async w=>{for(;;)await w.write(some(5))})</script>",
)
page("/breaks-everything", "<h1>breaks everything</h1><div style=height:3000px></div><script>"
     "for(const o of [Array,Map,Promise,Object,String,Document,Element,HTMLElement,Node,Event])"
     "for(const k of Object.getOwnPropertyNames(o.prototype))try{o.prototype[k]=()=>{throw 'mine'}}"
     "catch{};window.Promise=window.Map=window.Array=null</script>")  # fmt: skip
page("/loop-on-scroll", "<h1>loops on scroll</h1><div style=height:9000px></div>"
     "<script>onscroll=()=>{for(;;);}</script>")  # fmt: skip
page("/loop-in-frame", "<h1>loop in a frame</h1><iframe srcdoc='<script>for(;;);</script>'>"
     "</iframe>")  # fmt: skip
page("/closes", "<h1>closes</h1><script>onload=()=>setTimeout(()=>{close();open('','_self').close()"
     "},50)</script>")  # fmt: skip


@route("/slow-end")
async def _slow_end(conversation: Conversation) -> None:
    """A page that is there at once and whole half a second later."""
    await conversation.head()
    await conversation.send(b"<!doctype html><title>slow</title><h1>slow</h1>")
    await asyncio.sleep(0.5)
    await conversation.send(b"<p>the end")


@route("/nodes")
async def _nodes(conversation: Conversation) -> None:
    count = int(conversation.query)
    rows = "".join(f"<b>{n}</b>" for n in range(count))
    await conversation.reply(
        f"<!doctype html><title>{count}</title><h1>nodes</h1>{rows}<p>the last one</p>"
    )


@route("/nodes-later")
async def _nodes_later(conversation: Conversation) -> None:
    """The heading first, and the nodes when the test sets `goes_on`."""
    rows = "".join(f"<b>{n}</b>" for n in range(int(conversation.query)))
    await conversation.head()
    await conversation.send(b"<!doctype html><title>later</title><h1>nodes</h1>")
    while not conversation.site.goes_on.is_set():
        await asyncio.sleep(0.01)
    await conversation.send(f"{rows}<p>the last one</p>".encode())


@route("/deep")
async def _deep(conversation: Conversation) -> None:
    """Deeper than the parser goes (512), so a script builds it."""
    await conversation.reply(
        "<!doctype html><title>deep</title><h1>deep</h1><div id=d></div><script>let e=d;"
        f"for(let i=0;i<{int(conversation.query)};i++)"
        "{const n=document.createElement('div');e.append(n);e=n}"
        "e.textContent='the innermost'</script>"
    )


# What a page may ask of its reader

page(
    "/permissions",
    "<h1>permissions</h1><p id=p>asking</p><script>(async()=>{const said=[];"
    "const ask=async(n,f)=>{try{said.push(n+' '+await Promise.race([f(),"
    "new Promise(d=>setTimeout(d,1500,'silent'))]))}catch(e){said.push(n+' refused')}};"
    "await Promise.all([ask('notification',()=>Notification.requestPermission()),"
    "ask('geolocation',()=>new Promise((a,b)=>navigator.geolocation.getCurrentPosition("
    "()=>a('given'),b))),"
    "ask('camera',()=>navigator.mediaDevices.getUserMedia({video:true}).then(()=>'given')),"
    "ask('clipboard',()=>navigator.clipboard.readText().then(()=>'given')),"
    "ask('fullscreen',()=>document.documentElement.requestFullscreen().then(()=>'given')),"
    "ask('pointer',()=>document.documentElement.requestPointerLock().then(()=>'given')),"
    "ask('midi',()=>navigator.requestMIDIAccess({sysex:true}).then(()=>'given')),"
    "ask('worker',()=>navigator.serviceWorker.register('/sw.js').then(()=>'given'))]);"
    "p.textContent=said.sort().join(', ')})()</script>",
)
file("/sw.js", b"self.onfetch=e=>e.respondWith(new Response('FORGED'))", "text/javascript")
page("/title", "<h1>title</h1><script>document.title='a\\u0007b\\u202Eevil\\u0000c\\u001b[31m'+"
     "'x'.repeat(1<<20)</script>")  # fmt: skip

# Asks for a name

page("/basic", "<h1>401 who are you</h1>", 'WWW-Authenticate: Basic realm="hostile"',
     status="401 Unauthorized")  # fmt: skip
page("/digest", "<h1>401 digest</h1>", 'WWW-Authenticate: Digest realm="h", nonce="abc"',
     status="401 Unauthorized")  # fmt: skip
# Targets that are no page

file("/file.pdf", PDF, "application/pdf")
file("/file.png", PNG, "image/png")
file("/feed.xml", FEED, "application/rss+xml")
file("/file.mp4", VIDEO, "video/mp4")
file("/file.zip", ZIP, "application/zip")
file("/attached.html", b"<h1>attached</h1>", _HTML, "Content-Disposition: attachment")
file("/204", b"", _HTML, status="204 No Content")
file("/empty", b"", _HTML)
file("/empty-500", b"", _HTML, status="500 Internal Server Error")


@route("/large.zip")
async def _large_zip(conversation: Conversation) -> None:
    await conversation.head(f"Content-Length: {5 << 30}", kind="application/zip")
    await conversation.for_ever(_CHUNK)


@route("/slow.zip")
async def _slow_zip(conversation: Conversation) -> None:
    await conversation.head("Content-Length: 1000000", kind="application/zip")
    await conversation.for_ever(b"PK", 0.05)


@route("/broken.zip")
async def _broken_zip(conversation: Conversation) -> None:
    await conversation.head("Content-Length: 1000000", kind="application/zip")
    await conversation.send(ZIP)


@route("/gzip.json")
async def _gzip_json(conversation: Conversation) -> None:
    await conversation.reply(gzip.compress(JSON), "Content-Encoding: gzip", kind="application/json")


@route("/parts")
async def _parts(conversation: Conversation) -> None:
    """A document that replaces itself (multipart/x-mixed-replace), as cameras do."""
    await conversation.head(kind="multipart/x-mixed-replace; boundary=frame")
    for n in range(100):
        await conversation.send(
            f"--frame\r\nContent-Type: text/html\r\n\r\n<h1>part {n}</h1>\r\n".encode()
        )
        await asyncio.sleep(0.1)


# TLS


def _context(kind: str, work: Path) -> ssl.SSLContext:
    key, certificate = _certificate(kind)
    path = work / f"{kind}.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    if kind == "client-certificate":
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(path)
    return context


def _certificate(kind: str) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key, authority = (
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP256R1()),
    )
    signs_itself = kind == "self-signed"
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"hostile {kind}")])
    issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "nobody's authority")])
    host: x509.GeneralName = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    if kind == "other-host":
        host = x509.DNSName("elsewhere.example")
    now = datetime.datetime.now(datetime.UTC)
    day = datetime.timedelta(days=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name if signs_itself else issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 60 * day)
        .not_valid_after(now - 30 * day if kind == "expired" else now + 30 * day)
        .add_extension(x509.SubjectAlternativeName([host]), critical=False)
        .sign(key if signs_itself else authority, hashes.SHA256())
    )
    return key, certificate
