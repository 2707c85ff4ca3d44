"""
What the torture server serves: one page that asks for everything in every way a page can.

`KINDS` names each way with the requests that must arrive; `answers()` holds every
body, the same bytes on every run. The page works through its steps, reports them
to `/done`, and only then does its `load` event fire: an image waits for that report.
"""

import enum
import gzip
import json
import random
import struct
import zlib
from dataclasses import dataclass

Fields = tuple[tuple[str, str], ...]


class How(enum.Enum):
    """How an answer's body is sent."""

    LENGTH = "with Content-Length"
    CHUNKED = "chunked, with an extension and trailers; over HTTP/2 padded, with trailers"
    PLAIN_CHUNKED = "chunked, and nothing else; over HTTP/2 without content-length"
    UNTIL_CLOSE = "until the connection ends; over HTTP/2 without content-length"
    TRUNCATED = "a length is announced, a part comes, the connection ends; RST_STREAM"
    HELD = "the body comes, and no end: until the client goes away"
    SILENT = "nothing comes, not even a head"
    AFTER_DONE = "with Content-Length, once the page has reported"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One path's answer."""

    body: bytes = b""  # before chunking
    status: int = 200
    kind: str = "text/plain"
    headers: Fields = ()
    how: How = How.LENGTH
    early: Fields = ()  # of a 103 before it
    cors: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One way to ask for something."""

    name: str
    requests: tuple[tuple[str, str], ...]  # method, path with query: each arrives at least once
    exact: bool = True  # the browser reads each answer to its end; else it may go away earlier


def _kind(name: str, *requests: str, exact: bool = True) -> Kind:
    pairs = [request.split(" ", 1) for request in requests]
    return Kind(name=name, requests=tuple((method, path) for method, path in pairs), exact=exact)


# Kinds that only some browsers, or some behaviours of ours, ask for: lazy image (scrolling),
# favicon and manifest (not in headless-shell), service worker (often blocked).
KINDS = (
    _kind("the page", "GET /"),
    _kind("redirect with a body", "GET /redirect", "GET /redirected"),
    _kind("redirect of a POST", "POST /redirect-307", "POST /echo?307"),
    _kind("preflight", "OPTIONS /cross/put", "PUT /cross/put"),
    _kind("gzip", "GET /gzip"),
    _kind("brotli", "GET /br"),
    _kind("deflate", "GET /deflate"),
    _kind("chunked with trailers", "GET /chunked"),
    _kind("until the connection ends", "GET /until-close"),
    _kind("truncated by the server", "GET /truncated"),
    _kind("103 before the answer", "GET /early"),
    _kind("stream aborted by the page", "GET /slow", exact=False),
    _kind("fetch cancelled before any answer", "GET /cancelled", exact=False),
    _kind("beacon", "POST /beacon"),
    _kind("keepalive", "POST /keepalive"),
    _kind("synchronous XHR", "GET /xhr-sync"),
    _kind("XHR", "GET /xhr"),
    _kind("worker", "GET /worker.js", "GET /imported.js", "GET /from-worker"),
    _kind("module worker", "GET /worker.mjs", "GET /dependency.mjs", "GET /from-module-worker"),
    _kind("shared worker", "GET /shared.js", "GET /from-shared-worker"),
    _kind("no-cors", "GET /opaque"),
    _kind("HEAD", "HEAD /head"),
    _kind("204", "GET /204"),
    _kind("304", "GET /etag"),
    _kind("401", "GET /401"),
    _kind("404 image", "GET /404.png"),
    _kind("500", "GET /500"),
    _kind("the same address thrice", "GET /counter"),
    _kind("large body", "GET /large.bin"),
    _kind("upload", "POST /echo?upload"),
    _kind("PUT and DELETE", "PUT /echo?put", "DELETE /echo?delete"),
    _kind("download", "GET /download.bin", exact=False),
    _kind("media with ranges", "GET /tone.wav", exact=False),
    _kind("video and poster", "GET /poster.png", "GET /film.wav", exact=False),
    _kind("prefetch", "GET /prefetched.js"),
    _kind("preload", "GET /preloaded.css"),
    _kind("cross-site frame", "GET /cross/frame.html", "GET /cross/in-frame.png"),
    _kind("form", "POST /form", "POST /form-multipart"),
    _kind("WebSocket", "GET /ws", "GET /ws-deflate", exact=False),
    _kind("EventSource", "GET /events", exact=False),
    _kind("style sheet and import", "GET /style.css", "GET /imported.css", "GET /background.png"),
    _kind("font", "GET /font.woff2"),
    _kind("srcset and picture", "GET /image-1x.png", "GET /picture.png"),
    _kind("module scripts", "GET /main.mjs", "GET /part.mjs", "GET /dynamic.mjs", "GET /data.json"),
    _kind("srcdoc frame", "GET /in-srcdoc.png"),
    _kind("object and embed", "GET /object.svg", "GET /embed.svg"),
    _kind("report of a policy", "GET /policy.html", "POST /report"),
    _kind("image that delays the load event", "GET /gate.png"),
    _kind("done", "POST /done"),
)
PENDING = _kind("never answered", "GET /never", exact=False)  # the page asks last, if at all


def answers(origin: str, other: str, *, pending: bool) -> dict[str, Answer]:
    """
    Return every path's answer.

    Args:
        origin: Of the page, as `https://127.0.0.1:1234`.
        other: An origin of another site, by the same server.
        pending: Whether the page leaves one request unanswered for ever.
    """
    script = _SCRIPT.replace("{OTHER}", other).replace("{PENDING}", json.dumps(pending))
    made = {
        "/": _html(_PAGE.replace("{OTHER}", other)),
        "/torture.js": _script(script),
        "/redirect": Answer(
            body=b"<p>moved to there.",
            status=302,
            kind="text/html",
            headers=(("Location", "/redirected"),),
        ),
        "/redirect-307": Answer(body=b"later", status=307, headers=(("Location", "/echo?307"),)),
        "/gzip": Answer(
            body=gzip.compress(b"gzip " * 500, mtime=0), headers=(("Content-Encoding", "gzip"),)
        ),
        "/br": Answer(body=_brotli(b"br " * 500), headers=(("Content-Encoding", "br"),)),
        "/deflate": Answer(
            body=zlib.compress(b"deflate " * 500), headers=(("Content-Encoding", "deflate"),)
        ),
        "/chunked": Answer(body=_noise(5000, 1), how=How.CHUNKED, kind="application/octet-stream"),
        "/until-close": Answer(body=b"until the very end", how=How.UNTIL_CLOSE),
        "/truncated": Answer(body=b"only twenty-four bytes ", how=How.TRUNCATED),
        "/early": Answer(
            body=b"after early hints", early=(("Link", "</style.css>; rel=preload; as=style"),)
        ),
        "/slow": Answer(body=b"the first of many bytes ", how=How.HELD),
        "/cancelled": Answer(how=How.SILENT),
        "/never": Answer(how=How.SILENT),
        "/events": Answer(
            body=b"id: 1\ndata: one\n\nid: 2\ndata: two\n\n", kind="text/event-stream", how=How.HELD
        ),
        "/opaque": Answer(body=b"nobody may read this", cors=False),
        "/head": Answer(body=b"never sent"),
        "/204": Answer(status=204),
        "/etag": Answer(body=b"tagged", headers=(("ETag", '"1"'), ("Cache-Control", "no-cache"))),
        "/401": Answer(
            body=b"who are you?", status=401, headers=(("WWW-Authenticate", 'Basic realm="x"'),)
        ),
        "/404.png": Answer(body=b"no such image", status=404),
        "/500": Answer(body=b"oh no", status=500),
        "/large.bin": Answer(body=_noise(3_000_000, 2), kind="application/octet-stream"),
        "/download.bin": Answer(
            body=_noise(5000, 3),
            kind="application/octet-stream",
            headers=(("Content-Disposition", 'attachment; filename="download.bin"'),),
        ),
        "/tone.wav": Answer(body=_wav(2), kind="audio/wav"),
        "/film.wav": Answer(body=_wav(1), kind="audio/wav"),
        "/gate.png": Answer(body=_png(9), kind="image/png", how=How.AFTER_DONE),
        "/style.css": _css(
            '@import url("imported.css");\n'
            '@font-face { font-family: Torture; src: url("font.woff2") }\n'
            "h1 { font-family: Torture, serif }\n"
        ),
        "/imported.css": _css('body { background-image: url("background.png") }\n'),
        "/preloaded.css": _css("em { color: green }\n"),
        "/font.woff2": Answer(body=b"wOF2" + _noise(2000, 4), kind="font/woff2"),
        "/main.mjs": _script(
            'import { part } from "./part.mjs";\n'
            'import data from "./data.json" with { type: "json" };\n'
            'const { dynamic } = await import("./dynamic.mjs");\n'
            "window.modules = [part, data.json, dynamic].join();\n"
        ),
        "/part.mjs": _script('export const part = "part";\n'),
        "/dynamic.mjs": _script('export const dynamic = "dynamic";\n'),
        "/data.json": Answer(body=b'{"json": "data"}\n', kind="application/json"),
        "/worker.js": _script(
            'importScripts("imported.js");\n'
            'fetch("from-worker").then(r => r.text()).then(t => postMessage(t + imported));\n'
        ),
        "/imported.js": _script('const imported = " and imported";\n'),
        "/worker.mjs": _script(
            'import { dependency } from "./dependency.mjs";\n'
            'postMessage(await (await fetch("from-module-worker")).text() + dependency);\n'
        ),
        "/dependency.mjs": _script('export const dependency = " and dependency";\n'),
        "/shared.js": _script(
            'onconnect = e => fetch("from-shared-worker").then(r => r.text())'
            ".then(t => e.ports[0].postMessage(t));\n"
        ),
        "/service.js": _script("// a service worker that does nothing\n"),
        "/prefetched.js": _script("// prefetched\n"),
        "/cross/frame.html": _html('<!doctype html><p>another site<img src="/cross/in-frame.png">'),
        "/cross/put": Answer(body=b"put across"),
        "/policy.html": Answer(
            body=b'<!doctype html><p>policy<img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=">',
            kind="text/html",
            headers=(("Content-Security-Policy", "img-src 'self'; report-uri /report"),),
        ),
        "/report": Answer(status=204),
        "/beacon": Answer(status=204),
        "/form": _html("<!doctype html><p>thank you"),
        "/form-multipart": _html("<!doctype html><p>thank you, too"),
        "/object.svg": _svg("orange"),
        "/embed.svg": _svg("purple"),
        "/manifest.json": Answer(body=b'{"name": "torture"}', kind="application/manifest+json"),
        "/favicon.ico": Answer(body=_png(10), kind="image/png"),
    }
    images = (
        "poster",
        "background",
        "image-1x",
        "image-2x",
        "picture",
        "in-srcdoc",
        "lazy",
        "cross/in-frame",
    )
    made |= {
        f"/{name}.png": Answer(body=_png(n), kind="image/png") for n, name in enumerate(images)
    }
    texts = (
        "redirected",
        "xhr",
        "xhr-sync",
        "from-worker",
        "from-module-worker",
        "from-shared-worker",
    )
    made |= {f"/{name}": Answer(body=f"this is {name}".encode()) for name in (*texts, "keepalive")}
    return made


def _html(text: str) -> Answer:
    return Answer(body=text.encode(), kind="text/html; charset=utf-8")


def _css(text: str) -> Answer:
    return Answer(body=text.encode(), kind="text/css")


def _script(text: str) -> Answer:
    return Answer(body=text.encode(), kind="text/javascript")


def _svg(colour: str) -> Answer:
    text = (
        '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="40">'
        f'<rect width="40" height="40" fill="{colour}"/></svg>'
    )
    return Answer(body=text.encode(), kind="image/svg+xml")


def _noise(length: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(length)  # noqa: S311  the same on every run is the point


def _png(shade: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    rows = b"".join(b"\0" + bytes([20 * shade, 255 - 20 * shade, 128]) * 16 for _ in range(16))
    header = struct.pack(">IIBBBBB", 16, 16, 8, 2, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def _wav(seconds: int) -> bytes:
    samples = bytes(128 + (64 if at // 20 % 2 else -64) for at in range(8000 * seconds))
    form = struct.pack("<HHIIHH", 1, 1, 8000, 8000, 1, 8)
    body = b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", len(samples))
    return b"RIFF" + struct.pack("<I", len(body) + len(samples)) + body + samples


def _brotli(data: bytes) -> bytes:
    """One uncompressed meta-block and the empty last one (RFC 7932, 9.2)."""
    bits = (len(data) - 1) << 4 | 1 << 20  # window 16, not last, four nibbles of length, stored
    return bits.to_bytes(3, "little") + data + b"\x03"


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>torture: at work</title>
<link rel="icon" href="/favicon.ico"><link rel="manifest" href="/manifest.json">
<link rel="stylesheet" href="/style.css">
<link rel="preload" href="/preloaded.css" as="style"><link rel="prefetch" href="/prefetched.js">
<script type="module" src="/main.mjs"></script>
<script src="/torture.js" defer></script></head>
<body><h1>Thirty-two and more ways to ask</h1><p id="state">at work</p>
<img src="/gate.png" alt="gate"><img src="/404.png" alt="missing">
<img srcset="/image-1x.png 1x, /image-2x.png 2x" alt="srcset">
<picture><source srcset="/picture.png" type="image/png"><img alt="picture"></picture>
<audio src="/tone.wav" preload="auto" controls></audio>
<video src="/film.wav" poster="/poster.png" preload="auto" width="80" height="80"></video>
<object data="/object.svg" type="image/svg+xml"></object><embed src="/embed.svg">
<iframe src="{OTHER}/cross/frame.html"></iframe>
<iframe srcdoc="&lt;p&gt;srcdoc&lt;img src=/in-srcdoc.png&gt;"></iframe>
<iframe src="/policy.html"></iframe>
<iframe name="plain"></iframe><iframe name="multipart"></iframe><iframe name="download"></iframe>
<form id="f1" action="/form" method="post" target="plain"><input name="a" value="1 &amp; 2"></form>
<form id="f2" action="/form-multipart" method="post" enctype="multipart/form-data"
 target="multipart"><input name="b" value="zwei"></form>
<div style="height: 5000px"></div><img src="/lazy.png" loading="lazy" alt="lazy">
</body></html>
"""

_SCRIPT = """"use strict";
const OTHER = "{OTHER}", results = {};
const text = async (path, init) => (await fetch(path, init)).text();
const once = (target, ...names) => new Promise(resolve =>
  names.forEach(name => target.addEventListener(name, e => resolve(e), { once: true })));
const body = length => new Uint8Array(length).map((_, at) => at * 7 % 251);

const steps = {
  "redirect with a body": () => text("/redirect"),
  "redirect of a POST": () => text("/redirect-307", { method: "POST", body: "posted" }),
  "preflight": () => text(OTHER + "/cross/put",
    { method: "PUT", body: "across", headers: { "X-Torture": "1" } }),
  "gzip": () => text("/gzip"),
  "brotli": () => text("/br"),
  "deflate": () => text("/deflate"),
  "chunked with trailers": async () => (await (await fetch("/chunked")).arrayBuffer()).byteLength,
  "until the connection ends": () => text("/until-close"),
  "truncated by the server": () => text("/truncated").then(() => "whole?", () => "cut"),
  "103 before the answer": () => text("/early"),
  "stream aborted by the page": async () => {
    const stop = new AbortController();
    const reader = (await fetch("/slow", { signal: stop.signal })).body.getReader();
    const { value } = await reader.read();
    stop.abort();
    return value.length;
  },
  "fetch cancelled before any answer": async () => {
    const stop = new AbortController();
    const asked = fetch("/cancelled", { signal: stop.signal }).catch(error => error.name);
    await text("/counter");  // so that it has gone out
    setTimeout(() => stop.abort(), 100);
    return asked;
  },
  "beacon": () => navigator.sendBeacon("/beacon", new Blob(["blip"])),
  "keepalive": () => text("/keepalive", { method: "POST", keepalive: true, body: "alive" }),
  "synchronous XHR": () => {
    const asked = new XMLHttpRequest();
    asked.open("GET", "/xhr-sync", false);
    asked.send();
    return asked.responseText;
  },
  "XHR": async () => {
    const asked = new XMLHttpRequest();
    asked.open("GET", "/xhr");
    asked.send();
    await once(asked, "load");
    return asked.responseText;
  },
  "worker": async () => (await once(new Worker("/worker.js"), "message")).data,
  "module worker": async () =>
    (await once(new Worker("/worker.mjs", { type: "module" }), "message")).data,
  "shared worker": async () => {
    const { port } = new SharedWorker("/shared.js");
    port.start();
    return (await once(port, "message")).data;
  },
  "service worker": async () => {
    const made = await navigator.serviceWorker.register("/service.js", { scope: "/nowhere/" });
    return made ? made.unregister() : "blocked";
  },
  "no-cors": async () => (await fetch(OTHER + "/opaque", { mode: "no-cors" })).type,
  "HEAD": async () => (await fetch("/head", { method: "HEAD" })).headers.get("content-length"),
  "204": async () => (await fetch("/204")).status,
  "304": async () => [await text("/etag"), await text("/etag", { cache: "no-cache" })].join(),
  "401": async () => (await fetch("/401")).status,
  "500": async () => (await fetch("/500")).status,
  "the same address thrice": async () =>
    (await Promise.all([1, 2, 3].map(() => text("/counter")))).sort().join(),
  "large body": async () => (await (await fetch("/large.bin")).arrayBuffer()).byteLength,
  "upload": () => text("/echo?upload", { method: "POST", body: body(300000) }),
  "PUT and DELETE": async () => [await text("/echo?put", { method: "PUT", body: "put" }),
    await text("/echo?delete", { method: "DELETE" })].join(),
  "form": async () => {
    const frames = ["plain", "multipart"].map(name => document.getElementsByName(name)[0]);
    const loaded = Promise.all(frames.map(frame => once(frame, "load")));
    document.getElementById("f1").submit();
    document.getElementById("f2").submit();
    await loaded;
    return frames.map(frame => frame.contentDocument.body.innerText.trim()).join();
  },
  "download": () => {
    document.getElementsByName("download")[0].src = "/download.bin";
    return "asked";
  },
  "media with ranges": async () => {
    const audio = document.querySelector("audio");
    if (audio.readyState < 2) await once(audio, "loadeddata", "error");
    return audio.duration;
  },
  "WebSocket": async () => {
    const said = [];
    for (const path of ["/ws", "/ws-deflate"]) {
      const socket = new WebSocket(location.origin.replace("http", "ws") + path);
      socket.binaryType = "arraybuffer";
      await once(socket, "open");
      socket.send("hello ".repeat(30));
      said.push((await once(socket, "message")).data.length);
      socket.send(body(70000));
      said.push((await once(socket, "message")).data.byteLength);
      socket.close(1000, "enough");
      said.push((await once(socket, "close")).code);
    }
    return said.join();
  },
  "EventSource": async () => {
    const source = new EventSource("/events");
    const heard = [(await once(source, "message")).data, (await once(source, "message")).data];
    source.close();
    return heard.join();
  },
  "module scripts": async () => {
    for (let turn = 0; turn < 100 && !window.modules; turn++)
      await new Promise(resolve => setTimeout(resolve, 20));
    return window.modules;
  },
};

const limited = promise => Promise.race([promise,
  new Promise((_, reject) => setTimeout(() => reject(new Error("8 seconds are over")), 8000))]);

(async () => {
  for (const [name, step] of Object.entries(steps)) {
    try { results[name] = String(await limited(Promise.resolve(step()))); }
    catch (error) { results[name] = "failed: " + error; }
  }
  if ({PENDING}) fetch("/never").catch(() => {});
  await fetch("/done", { method: "POST", body: JSON.stringify(results) });
  document.getElementById("state").textContent = "done";
  document.documentElement.dataset.torture = "done";
  document.title = "torture: done";
})();
"""
