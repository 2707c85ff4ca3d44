"""
The one way out: no page reaches an address that it must not, and nothing goes past a proxy.

What must not be reached is a trap that counts; what leaves is seen by looking at
every packet of a network namespace.
"""

import asyncio
import base64
import gzip
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import pytest
from playwright.async_api import async_playwright
from typing_extensions import override

from snapshotter.app.machine import RandomIds, SystemClock
from snapshotter.capture.browser.binary import find_browser
from snapshotter.capture.engine import ChromiumCapturer
from snapshotter.egress.resolver import ResolutionFailed
from snapshotter.model.capture import Capture, Outcome
from snapshotter.model.request import CaptureRequest, Decision, Limits
from tests.e2e.capturing import codes
from tests.e2e.product import Installation, record_of
from tests.tools import ROOT

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="127.0.0.3 is Linux'"),
]

QUICK = Limits(navigate_s=5, settle_s=2)
SERVERS = "127.0.0.1/32"  # where the pages are; the trap is elsewhere


class Trap:
    """TCP and UDP listeners on an address that no page may reach; `seen` is who came."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self._tcp = socket.create_server(("127.0.0.3", 0), backlog=64)
        self.port = self._tcp.getsockname()[1]
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(("127.0.0.3", self.port))
        self._mapped = socket.create_server(("::1", self.port), family=socket.AF_INET6)

    def __enter__(self) -> Self:
        for listener in (self._tcp, self._mapped):
            threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        threading.Thread(target=self._receive, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for socket_ in (self._tcp, self._mapped, self._udp):
            socket_.close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                there, _ = listener.accept()
            except OSError:
                return
            with there:
                there.settimeout(5)
                try:
                    first = there.recv(2000).partition(b"\r\n")[0].decode("latin-1")
                except OSError:
                    first = "nothing"
            self.seen.append(first)

    def _receive(self) -> None:
        while True:
            try:
                self._udp.recv(2000)
            except OSError:
                return
            self.seen.append("UDP")


class Pages(ThreadingHTTPServer):
    """Serves what it is given, by path, and redirects; `asked` is what was asked for."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, pages: dict[str, str], fields: dict[str, dict[str, str]]) -> None:
        super().__init__(("127.0.0.1", 0), _Page)
        self.pages = pages  # path → HTML, or "→ URL" for a redirect
        self.fields = fields  # path → more lines of the head
        self.asked: list[str] = []

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"

    @override
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that goes away is no error."""


_KINDS = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml", "xml": "text/xml"}


class _Page(BaseHTTPRequestHandler):
    server: Pages

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        page = self.server.pages.get(self.path.partition("?")[0])
        body = (page or "").encode()
        self.send_response(302 if page and page.startswith("→") else 200 if page else 404)
        if page and page.startswith("→"):
            self.send_header("Location", page.removeprefix("→ "))
        kind = _KINDS.get(self.path.rpartition(".")[2], "text/html; charset=utf-8")
        self.send_header("Content-Type", kind)
        for name, value in self.server.fields.get(self.path, {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        left = int(self.headers["Content-Length"])
        while left > 0 and (data := self.rfile.read(min(left, 1 << 16))):
            left -= len(data)
        self.do_GET()

    @override
    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def trap() -> Iterator[Trap]:
    with Trap() as trap:
        yield trap


@contextmanager
def serving(
    pages: dict[str, str], fields: dict[str, dict[str, str]] | None = None
) -> Iterator[Pages]:
    with Pages(pages, fields or {}) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server
        server.shutdown()


class Answers:
    """A resolver of the test's own: each question about a name gets the next of its answers."""

    def __init__(self, **names: Sequence[tuple[str, ...]]) -> None:
        self._left = {f"{name}.example": list(answers) for name, answers in names.items()}
        self.asked: list[str] = []

    async def resolve(self, host: str) -> tuple[str, ...]:
        self.asked.append(host)
        left = self._left.get(host)
        if not left:
            raise ResolutionFailed("dns", "there is no such name")
        return left.pop(0) if len(left) > 1 else left[0]


def capture(
    tmp_path: Path, url: str, *, allowed: tuple[str, ...] = (SERVERS,),
    resolver: Answers | None = None,
    limits: Limits = QUICK,
) -> Capture:  # fmt: skip
    spool = tmp_path / "spool"
    spool.mkdir()
    capturer = ChromiumCapturer(
        clock=SystemClock(), ids=RandomIds(), version="0", resolver=resolver
    )
    decision = Decision(policy_name="test", policy_text="", limits=limits, allow_networks=allowed)
    return capturer.capture(CaptureRequest(url=url), decision, spool, lambda *_: None)


def gzip_content(data: bytes) -> bytes:
    """Return what is inside, where it is packed."""
    return gzip.decompress(data) if data.startswith(b"\x1f\x8b") else b""


# Every way in which a page asks for something, each with a word that the trap sees.
WAYS = """<!doctype html><title>ways</title>
<img src="http://{trap}/img"><link rel=stylesheet href="http://{trap}/css">
<script src="http://{trap}/script"></script><iframe src="http://{trap}/iframe"></iframe>
<video src="http://{trap}/video" preload=auto></video><object data="http://{trap}/object"></object>
<link rel=preconnect href="http://{trap}/"><link rel=prefetch href="http://{trap}/prefetch">
<link rel=preload as=fetch crossorigin href="http://{trap}/preload">
<img src="http://{decimal}/decimal"><img src="http://{hex}/hex"><img src="http://{octal}/octal">
<img src="http://{short}/short"><img src="http://{mapped}/mapped"><img src="/to-trap">
<iframe src="/meta"></iframe><iframe src="/scripted"></iframe>
<link rel=modulepreload href="http://{trap}/modulepreload"><link rel=dns-prefetch href="//{trap}">
<link rel=icon href="http://{trap}/icon"><link rel=manifest href="http://{trap}/manifest">
<link rel=apple-touch-icon href="http://{trap}/touch-icon">
<link rel=prerender href="http://{trap}/prerender">
<style>@import "http://{trap}/css-import";
@font-face {{font-family: f; src: url(http://{trap}/font)}}
p {{font-family: f; background: url(http://{trap}/background);
cursor: url(http://{trap}/cursor), auto;
list-style: url(http://{trap}/list); mask: url(http://{trap}/mask);
filter: url(http://{trap}/filter#f);
border-image: image-set(url(http://{trap}/image-set) 1x) 1}}</style>
<link rel=stylesheet href="/style.css">
<p>words</p>
<picture><source srcset="http://{trap}/srcset 1x, http://{trap}/srcset 2x"><img></picture>
<embed src="http://{trap}/embed"><audio src="http://{trap}/audio" preload=auto></audio>
<video poster="http://{trap}/poster"><track default src="http://{trap}/track"></video>
<input type=image src="http://{trap}/input">
<table background="http://{trap}/table"><tr><td></table>
<svg width=9 height=9><image href="http://{trap}/svg-image" width=9 height=9 />
<image xlink:href="http://{trap}/svg-xlink" width=9 height=9 />
<use href="http://{trap}/svg-use#a" />
<filter id=fe><feImage href="http://{trap}/svg-fe" /></filter>
<rect width=9 height=9 filter="url(#fe)" />
<script href="http://{trap}/svg-script"></script></svg><img src="/picture.svg">
<object data="/picture.svg" type="image/svg+xml"></object><iframe src="/document.xml"></iframe>
<iframe src="/policed"></iframe><iframe src="/refreshed"></iframe><iframe src="/hinted"></iframe>
<iframe srcdoc="<base href=http://{trap}/><img src=based>"></iframe>
<a id=a ping="http://{trap}/ping" href="#x">a</a>
<iframe src="javascript:'<img src=http://{trap}/javascript>'"></iframe>
<iframe src="data:text/html,<img src=http://{trap}/data>"></iframe>
<script type=speculationrules>
{{"prefetch": [{{"source": "list", "urls": ["http://{trap}/speculated"]}}]}}</script>
<form id=form method=post target=frame action="http://{trap}/form"></form>
<iframe name=frame></iframe>
<script>
  fetch("http://{trap}/fetch", {{mode: "no-cors"}}).catch(() => 0);
  navigator.sendBeacon("http://{trap}/beacon", "x");
  new EventSource("http://{trap}/events");
  new WebSocket("ws://{trap}/websocket");
  new WebSocket("wss://{trap}/websocket");
  const asked = new XMLHttpRequest(); asked.open("GET", "http://{trap}/xhr"); asked.send();
  new Worker("/worker.js"); new SharedWorker("/worker.js");
  try {{ navigator.serviceWorker.register("/worker.js").catch(() => 0) }} catch {{}}
  import("http://{trap}/module").catch(() => 0);
  document.getElementById("a").click();
  fetch("http://{trap}/keepalive", {{mode: "no-cors", keepalive: true}}).catch(() => 0);
  try {{ CSS.paintWorklet.addModule("http://{trap}/worklet").catch(() => 0) }} catch {{}}
  try {{ new WebSocketStream("ws://{trap}/stream").opened.catch(() => 0) }} catch {{}}
  try {{ fetchLater("https://{trap}/later", {{activateAfter: 0}}) }} catch {{}}
  new FontFace("g", "url(http://{trap}/fontface)").load().catch(() => 0);
  navigation.navigate("#y");
  document.getElementById("form").submit();
  window.open("http://{trap}/popup");
  const peer = new RTCPeerConnection({{iceServers: [{{urls: "stun:{trap}"}},
    {{urls: "turn:{trap}?transport=tcp", username: "u", credential: "c"}}]}});
  peer.createDataChannel("x"); peer.createOffer().then(it => peer.setLocalDescription(it));
  try {{ new WebTransport("https://{trap}/webtransport").ready.catch(() => 0) }} catch {{}}
</script>"""
ARRIVING = (
    *("img", "css", "script", "iframe", "video", "object", "prefetch", "preload", "decimal"),
    *("hex", "octal", "short", "redirected", "meta", "scripted", "form", "fetch", "beacon"),
    *("events", "xhr", "worker", "module", "popup", "modulepreload", "css-import", "font"),
    *("background", "list", "mask", "srcset", "embed", "audio", "poster", "input"),
    *("table", "svg-image", "svg-xlink", "svg-fe", "svg-script", "imported"),
    *("policed", "refreshed", "hinted", "based", "ping", "data", "keepalive", "worklet"),
    *("fontface", "stylesheet", "image-set", "javascript"),
)


def ways(trap: Trap) -> dict[str, str]:
    """Return the page that tries them all, and what it needs."""
    at = f"127.0.0.3:{trap.port}"
    return {
        "/": WAYS.format(
            trap=at,
            decimal=f"2130706435:{trap.port}",
            hex=f"0x7f.0.0.0x3:{trap.port}",
            octal=f"0177.0.0.03:{trap.port}",
            short=f"127.3:{trap.port}",
            mapped=f"[::ffff:127.0.0.3]:{trap.port}",
        ),
        "/to-trap": f"→ http://{at}/redirected",
        "/meta": f'<meta http-equiv=refresh content="0;url=http://{at}/meta">',
        "/scripted": f'<script>location.href = "http://{at}/scripted"</script>',
        "/style.css": f'@import "http://{at}/imported"; '
        f"body {{ background: url(http://{at}/styled) }}",
        "/picture.svg": '<svg xmlns="http://www.w3.org/2000/svg"><image width="9" height="9" '
        f'href="http://{at}/in-svg"/></svg>',
        "/document.xml": f'<?xml-stylesheet href="http://{at}/stylesheet"?><a>xml</a>',
        "/policed": f'<img src="http://{at}/blocked">',
        "/refreshed": "soon",
        "/hinted": "hints",
        "/worker.js": f'fetch("http://{at}/worker", {{mode: "no-cors"}}).catch(() => 0)',
    }


def fields(trap: Trap) -> dict[str, dict[str, str]]:
    """Return the ways that stand in heads, by the paths of `ways`."""
    at = f"http://127.0.0.3:{trap.port}"
    return {
        "/policed": {
            "Content-Security-Policy": f"img-src 'none'; report-uri {at}/policed",
            "Content-Security-Policy-Report-Only": "img-src 'none'; report-to e",
            "Reporting-Endpoints": f'e="{at}/reported"',
            "Report-To": f'{{"group":"e","max_age":9,"endpoints":[{{"url":"{at}/report-to"}}]}}',
            "NEL": '{"report_to":"e","max_age":9,"success_fraction":1}',
        },
        "/refreshed": {"Refresh": f"0;url={at}/refreshed"},
        "/hinted": {
            "Link": f"<{at}/hinted>; rel=preload; as=image, <{at}/preconnected>; rel=preconnect",
            "Alt-Svc": f'h3="127.0.0.3:{trap.port}"; ma=60, h2="127.0.0.3:{trap.port}"',
            "SourceMap": f"{at}/source-map",
        },
    }


def test_no_way_of_asking_reaches_a_forbidden_address(trap: Trap, tmp_path: Path) -> None:
    with serving(ways(trap), fields(trap)) as pages:
        captured = capture(tmp_path, pages.url("/"))

    assert trap.seen == []
    # They were tried, and each attempt is told with its cause.
    assert captured.outcome is Outcome.PARTIAL
    refused = [
        request
        for request in captured.failed_requests
        if request.error.endswith(": forbidden-address")
    ]
    words = " ".join(request.url for request in refused)
    for word in ("img", "css", "iframe", "fetch", "decimal", "mapped", "websocket", "worker"):
        assert f"/{word}" in words or word in {"websocket", "worker", "decimal"}, (word, words)


def test_the_same_page_reaches_the_trap_where_its_network_is_opened(
    trap: Trap, tmp_path: Path
) -> None:
    """What shows that the ways above are ways at all."""
    with serving(ways(trap), fields(trap)) as pages:
        capture(tmp_path, pages.url("/"), allowed=("127.0.0.0/8",))

    came = " ".join(trap.seen)
    assert [name for name in ARRIVING if f"/{name} " not in came] == []


def test_without_our_arguments_a_page_sends_datagrams(trap: Trap, tmp_path: Path) -> None:
    """What shows that the trap sees WebRTC, if it comes."""
    found = find_browser("shell")
    assert found is not None

    async def run(url: str) -> None:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=found.path, artifacts_dir=tmp_path / "artifacts"
            )
            page = await browser.new_page()
            await page.goto(url, wait_until="commit")
            for _ in range(200):
                if "UDP" in trap.seen:
                    break
                await asyncio.sleep(0.05)
            await browser.close()

    with serving(ways(trap)) as pages:
        asyncio.run(run(pages.url("/")))
    assert "UDP" in trap.seen


@pytest.mark.parametrize(
    "target",
    [
        "/redirect",
        "http://127.0.0.3:{port}/",
        "http://0x7f000003:{port}/",  # as others that are none: tests/unit/egress/test_addresses.py
        "http://[::1]:{port}/",
        "http://[::ffff:127.0.0.3]:{port}/",
        "http://[64:ff9b::7f00:3]:{port}/",
        "https://127.0.0.3:{port}/",
    ],
)
def test_a_page_at_a_forbidden_address_is_a_failed_capture_that_says_why(
    trap: Trap, tmp_path: Path, target: str
) -> None:
    with serving({"/redirect": f"→ http://127.0.0.3:{trap.port}/"}) as pages:
        url = target.format(port=trap.port)
        captured = capture(tmp_path, pages.url(url) if url.startswith("/") else url)

    assert (captured.outcome, codes(captured)) == (Outcome.FAILED, ["forbidden-address"])
    assert " are not allowed: " in captured.reasons[0].detail
    assert trap.seen == []


@pytest.mark.parametrize(
    "page",
    [
        '<meta http-equiv=refresh content="0;url=http://127.0.0.3:{port}/">here',
        '<script>location.href = "http://127.0.0.3:{port}/"</script>here',
    ],
)
def test_a_page_that_sends_itself_to_a_forbidden_address_stays_where_it_is(
    trap: Trap, tmp_path: Path, page: str
) -> None:
    with serving({"/": page.format(port=trap.port)}) as pages:
        # The browser paints no picture of a page that navigates: three are waited for.
        captured = capture(tmp_path, pages.url("/"), limits=replace(QUICK, tile_s=2))

    assert trap.seen == []
    assert captured.outcome in {Outcome.PARTIAL, Outcome.FAILED}
    assert captured.reasons


def test_a_name_that_changes_its_address_gains_nothing(trap: Trap, tmp_path: Path) -> None:
    resolver = Answers(
        rebinding=[("127.0.0.1",), ("127.0.0.3",)],
        mixed=[("127.0.0.1", "127.0.0.3")],
        mapped=[("::ffff:127.0.0.3",)],
    )
    page = "<!doctype html>" + "".join(
        f'<img src="http://{name}.example:{trap.port}/{name}">' for name in ("mixed", "mapped")
    )
    page += f"""<script>(async () => {{
      for (let i = 0; i < 3; i++) await fetch("http://rebinding.example:{trap.port}/again?" + i,
        {{mode: "no-cors"}}).catch(() => 0);
    }})()</script>"""
    with serving({"/": page}) as pages:
        captured = capture(
            tmp_path, f"http://rebinding.example:{pages.server_port}/", resolver=resolver
        )

    assert captured.outcome is Outcome.PARTIAL  # its pictures are missing
    assert captured.response is not None
    assert captured.response.remote_ip == "127.0.0.1"
    assert set(resolver.asked) == {"rebinding.example", "mixed.example", "mapped.example"}
    assert trap.seen == []


def test_the_record_names_the_server_and_not_the_way_to_it(tmp_path: Path) -> None:
    with serving({"/": "<title>here</title>here"}) as pages:
        port = pages.server_port
        captured = capture(
            tmp_path, f"http://named.example:{port}/", resolver=Answers(named=[("127.0.0.1",)])
        )

    assert captured.outcome is Outcome.COMPLETE, captured.reasons
    assert captured.response is not None
    assert (captured.response.remote_ip, captured.response.remote_port) == ("127.0.0.1", port)
    assert captured.network is not None
    assert (captured.network.path, captured.network.enforced) == ("direct", True)


def test_a_page_reads_no_file_and_no_page_of_the_browsers_own(tmp_path: Path) -> None:
    secret = tmp_path / "secret.html"
    secret.write_text("<p>n0t-for-pages</p>")
    page = f"""<!doctype html><p>the page</p>
    <iframe src="{secret.as_uri()}"></iframe><iframe src="chrome://version"></iframe>
    <iframe src="view-source:{secret.as_uri()}"></iframe><embed src="{secret.as_uri()}">
    <iframe src="/to-file"></iframe><iframe src="/to-chrome"></iframe>
    <link rel=stylesheet href="{secret.as_uri()}">
    <script>
      fetch("{secret.as_uri()}").then(it => it.text()).then(it => document.write(it), () => 0);
      for (const url of ["{secret.as_uri()}", "view-source:{secret.as_uri()}", "chrome://version"])
        try {{ window.open(url) }} catch {{}}
    </script>"""
    redirects = {"/to-file": f"→ {secret.as_uri()}", "/to-chrome": "→ chrome://version"}
    with serving({"/": page, **redirects}) as pages:
        captured = capture(tmp_path, pages.url("/"))
        assert captured.final_url == pages.url("/")

    assert captured.outcome is not Outcome.FAILED
    for artifact in captured.artifacts:
        data = artifact.file.read_bytes()
        assert b"n0t-for-pages" not in data, artifact.path
        assert b"n0t-for-pages" not in gzip_content(data), artifact.path
    (text,) = [artifact for artifact in captured.artifacts if artifact.path == "capture/page.txt"]
    assert "HeadlessChrome" not in text.file.read_text()  # as chrome://version would say


@pytest.mark.parametrize("target", ["file:///etc/hostname", "chrome://version"])
def test_a_redirect_away_from_the_web_is_not_followed(tmp_path: Path, target: str) -> None:
    with serving({"/": f"→ {target}"}) as pages:
        captured = capture(tmp_path, pages.url("/"))

    assert (captured.outcome, codes(captured)) == (Outcome.FAILED, ["forbidden-address"])


def test_what_a_page_sends_counts_as_well(tmp_path: Path) -> None:
    page = """<!doctype html>sends<script>
      const much = new Uint8Array(3 << 20);
      (async () => { for (;;) await fetch("/takes", {method: "POST", body: much}) })();
    </script>"""
    with serving({"/": page}) as pages:
        captured = capture(tmp_path, pages.url("/"), limits=replace(QUICK, capture_bytes=8 << 20))

    assert captured.outcome is Outcome.PARTIAL
    assert "capture-too-large" in codes(captured)


# A page behind a proxy that does all it can to be seen by somebody else.
LEAKY = """<!doctype html><title>behind a proxy</title><link rel=icon href="/icon">
<link rel=dns-prefetch href="//prefetched.example"><link rel=preconnect href="https://preconnected.example">
<img src="http://pictures.example/picture"><img src="https://secure.example/picture">
<script>
  new WebSocket("wss://sockets.example/");
  const peer = new RTCPeerConnection({iceServers: [{urls: "stun:stun.example:3478"},
    {urls: "stun:192.0.2.9:3478"}]});
  peer.createDataChannel("x"); peer.createOffer().then(it => peer.setLocalDescription(it));
  try { new WebTransport("https://quic.example/").ready.catch(() => 0) } catch {}
  fetch("http://192.0.2.8/direct", {mode: "no-cors"}).catch(() => 0);
</script>"""
TSA = '[[authority]]\nname = "t"\nurl = "http://authority.example/"\nroot = "root.pem"\n'


@pytest.fixture
def isolation() -> tuple[str, ...]:
    """The command that starts another in a network where every packet can be seen."""
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("util-linux' unshare is not here")
    command = (unshare, "--user", "--map-root-user", "--net")
    if subprocess.run([*command, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no network namespace can be made here")
    return command


def isolated(
    before: tuple[str, ...], user: Installation, *arguments: str, kind: str = "http",
    port: int = 3129, stop_at: str = "", page: str = LEAKY,
) -> dict[str, Any]:  # fmt: skip
    """Run one capture where only the proxy answers; return what was seen."""
    asked = {
        "proxy": kind,
        "port": port,
        "page": page,
        "stop_at": stop_at,
        "command": [
            sys.executable,
            "-m",
            "snapshotter",
            "capture",
            "--json",
            "--quiet",
            *arguments,
        ],
        "environment": {
            **user.environment,
            "PATH": os.environ["PATH"],
            "HOME": str(user.home),
            "TMPDIR": str(user.temporary),
            "PYTHONPATH": str(ROOT),
            "SNAPSHOTTER_CONFIG": str(user.home / "snapshotter.toml"),
            "SNAPSHOTTER_STORE": str(user.store),
        },
    }
    done = subprocess.run(
        [*before, sys.executable, "-m", "tests.e2e.isolated", json.dumps(asked)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


@pytest.fixture
def user(tmp_path: Path) -> Installation:
    """Somebody with an authority that has a name, and no network opened."""
    made = Installation(tmp_path / "home")
    shutil.copy(ROOT / "policies/authorities/digicert.pem", made.home / "root.pem")
    made.configure(
        {"t": ("http://authority.example/", made.home / "root.pem")},
        allow_networks=[],
        timestamp_timeout_s=5,
    )
    return made


@pytest.mark.parametrize(("proxy", "kind", "port", "path"), [
    ("http://127.0.0.1:3129", "http", 3129, "proxy"),
    ("socks5://127.0.0.1:3129", "socks5", 3129, "proxy"),
    ("tor", "socks5", 9050, "tor"),
])  # fmt: skip
def test_behind_a_proxy_nothing_but_the_proxy_is_contacted(
    isolation: tuple[str, ...], user: Installation, proxy: str, kind: str, port: int, path: str
) -> None:
    seen = isolated(
        isolation, user, "--proxy", proxy, "http://site.example/page", kind=kind, port=port
    )

    assert seen["packets"] == []
    assert seen["code"] == 0, seen["err"]
    assert "http://site.example/page" in seen["asked"]
    assert "http://pictures.example/picture" in seen["asked"]
    assert any("authority.example" in address for address in seen["asked"])
    assert any("secure.example:443" in address for address in seen["asked"])
    record = record_of(json.loads(seen["out"])["bundle"]["path"])
    assert record["who"]["network_path"] == path
    assert record["who"]["network"]["enforced"] is True
    assert record["from_whom"]["remote_ip"] == ""  # nobody but the proxy knows


def test_what_is_asked_without_the_proxy_would_be_seen(
    isolation: tuple[str, ...], user: Installation
) -> None:
    """The same page without a proxy: what shows that the eyes are open."""
    seen = isolated(isolation, user, "http://site.example/page")

    assert any(packet[0] == "udp" and 53 in packet[2:] for packet in seen["packets"]), seen[
        "packets"
    ]
    assert seen["asked"] == []


def test_a_proxy_that_goes_away_ends_the_capture_and_nothing_leaks(
    isolation: tuple[str, ...], user: Installation
) -> None:
    seen = isolated(
        isolation, user, "--proxy", "http://127.0.0.1:3129", "http://site.example/page",
        stop_at="/picture",
    )  # fmt: skip

    assert seen["packets"] == []
    done = json.loads(seen["out"])
    assert done["outcome"] in {"partial", "failed"}
    assert done["reasons"]
    assert done["timestamps"][0]["state"] == "pending"


def test_a_proxy_that_is_not_there_is_a_failed_capture(
    isolation: tuple[str, ...], user: Installation
) -> None:
    seen = isolated(isolation, user, "--proxy", "http://127.0.0.1:4000", "http://site.example/page")

    allowed = {4000}
    assert [packet for packet in seen["packets"] if not allowed & set(packet[2:])] == []
    done = json.loads(seen["out"])
    assert (done["outcome"], done["reasons"][0]["code"]) == ("failed", "proxy")


def test_where_namespaces_are_forbidden_the_browsers_settings_keep_it_in_and_that_is_told(
    isolation: tuple[str, ...], user: Installation
) -> None:
    user.environment["SNAPSHOTTER_ALLOW_NO_SANDBOX"] = "1"  # as root there is none then, too
    forbid = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"'
    seen = isolated(
        (*isolation, "sh", "-c", forbid, "sh"), user,
        "--proxy", "http://127.0.0.1:3129", "http://site.example/page",
    )  # fmt: skip

    assert seen["code"] == 0, seen["err"]
    assert (
        "WARNING: the browser was not isolated from the network: only the proxy settings of the "
        "browser apply, because " in seen["err"]
    )
    assert "WARNING: the browser ran without its sandbox: " in seen["err"]
    record = record_of(json.loads(seen["out"])["bundle"]["path"])
    assert record["who"]["network"]["enforced"] is False
    assert "a user and net namespace cannot be created: unshare" in record["who"]["network"]["how"]
    arguments = record["how"]["environment"]["browser_arguments"]
    (server,) = [argument for argument in arguments if argument.startswith("--proxy-server=")]
    guard = int(server.rpartition(":")[2])
    others = [
        packet for packet in seen["packets"]
        if not (packet[0] == "tcp" and packet[1] == "127.0.0.1" and guard in packet[2:])
    ]  # fmt: skip
    assert others == []


def test_a_proxys_password_is_in_no_file_of_the_bundle(
    isolation: tuple[str, ...], user: Installation
) -> None:
    user.environment["SNAPSHOTTER_PROXY"] = "http://somebody:s3cr3t-w0rd@127.0.0.1:3129"
    seen = isolated(isolation, user, "http://site.example/page")

    assert seen["code"] == 0, seen["err"]
    bundle = json.loads(seen["out"])["bundle"]["path"]
    coded = base64.b64encode(b"somebody:s3cr3t-w0rd")
    with zipfile.ZipFile(bundle) as members:
        texts = {name: members.read(name) for name in members.namelist()}
    traffic = gzip.decompress(texts["archive/data.warc.gz"])
    assert traffic.count(b"X-Asked-With: Basic ") >= 2  # with the page and with its picture
    for name, data in (*texts.items(), ("traffic", traffic), ("bundle", Path(bundle).read_bytes())):
        assert b"s3cr3t" not in data, name
        assert coded.rstrip(b"=") not in data, name
    assert "s3cr3t" not in seen["out"] + seen["err"]
    record = json.loads(texts["capture/capture.json"])
    (told,) = [redaction for redaction in record["redactions"] if redaction["name"] == "credential"]
    assert (told["place"], told["count"] >= 6) == ("own-name", True)
