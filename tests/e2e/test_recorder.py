"""A real browser against servers of our own: what the network record holds, to the byte."""

import asyncio
import base64
import datetime as dt
import gzip
import io
import ipaddress
import json
import ssl
import threading
import urllib.parse
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from playwright.async_api import Page
from typing_extensions import override
from warcio.archiveiterator import ArchiveIterator

from snapshotter.capture.record.recorder import (
    RESPONSE_TOO_LARGE,
    TOO_MANY_REQUESTS,
    Recorder,
    Recording,
)
from snapshotter.formats import canonical_json
from snapshotter.model.request import Limits
from tests.e2e.recording import SECRET, items, opening, record, response, verb

pytestmark = pytest.mark.e2e
looking = pytest.mark.xdist_group("hard-page")  # one worker, one recording

CANARY = SECRET
CHINESE = "<!doctype html><title>中文</title><p>漢字与简体字。</p>"
DRIP = "<p>中文<p id=second>二".encode("gbk")
SCRIPT = b"// " + b"the same line again\n" * 200
PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
PAGES: dict[str, tuple[int, str, bytes]] = {
    "/utf8": (200, "text/html; charset=utf-8", b"\xef\xbb\xbf" + CHINESE.encode()),
    "/gbk": (200, "text/html; charset=gbk", CHINESE.replace("漢", "汉").encode("gbk")),
    "/latin": (200, "text/plain; charset=windows-1252", b"caf\xe9 \x80 \x81\xff"),
    "/script.js": (200, "text/javascript", SCRIPT),
    "/gbk.js": (200, "text/javascript; charset=gbk", "var x = '中文'".encode("gbk")),
    "/picture.png": (200, "image/png", PICTURE),
    "/gone": (404, "text/html", "<p>没有了</p>".encode()),
    "/echo": (200, "application/octet-stream", bytes(range(256)) * 300),
    "/moved": (302, "text/plain", b"moved, says the server"),
    "/old": (302, "text/plain", b"moved, says the server"),
    "/empty": (200, "text/plain", b""),
    "/no-content": (204, "", b""),
    "/chunked": (200, "text/plain", b"one two three"),
    "/stylesheet.css": (200, "text/css", b"p { color: teal }" * 50),
    "/worker.js": (200, "text/javascript", b"fetch('/from-worker')"),
    "/from-worker": (200, "text/plain", b"worker"),
    "/frame-worker.js": (200, "text/javascript", b"fetch('/from-frame-worker')"),
    "/from-frame-worker": (200, "text/plain", b"worker in a frame"),
    "/frame": (
        200,
        "text/html",
        b"<script>new Worker('/frame-worker.js')</script><img src=/picture.png>",
    ),
    "/cross": (200, "text/plain", b"allowed"),
    "/forbidden": (200, "text/plain", b"no CORS header"),
    "/beacon": (200, "text/plain", b"ok"),
    "/hanging-frame": (200, "text/html", b"<script>fetch('/hang-frame')</script>"),
    "/hanging-worker.js": (200, "text/javascript", b"fetch('/hang-worker')"),
    "/script-redirect": (200, "text/html", b"<script>location.replace('/utf8')</script>"),
}
TORTURE = """<!doctype html><title>Torture</title><meta charset=utf-8>
<link rel=stylesheet href=/stylesheet.css><script src=/script.js></script>
<script src=/gbk.js charset=gbk></script><img src=/picture.png><img src=/missing.png>
<iframe src="OTHER/frame"></iframe><script>
const quiet = promise => promise.then(r => r.blob()).catch(() => 0);
new Worker('/worker.js');
navigator.sendBeacon('/beacon', 'x');
quiet(fetch('/moved'));
window.done = Promise.all([
  quiet(fetch('/echo', {method: 'POST', body: new Uint8Array([0, 1, 254, 255])})),
  quiet(fetch('/latin')), quiet(fetch('/gone')), quiet(fetch('/chunked')), quiet(fetch('/empty')),
  quiet(fetch('/no-content')), quiet(fetch('/utf8', {method: 'HEAD'})),
  quiet(fetch('OTHER/cross', {method: 'PUT', headers: {'x-own': '1'}, body: '{}'})),
  quiet(fetch('OTHER/forbidden')), quiet(fetch('http://127.0.0.1:1/refused')),
]).then(() => new Promise(done => setTimeout(done, 500)));
</script>"""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "Server"

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    @override
    def setup(self) -> None:
        super().setup()
        self._sent = bytearray()
        self._write = self.wfile.write
        self.wfile.write = self._note  # type: ignore[method-assign,assignment]

    def _note(self, data: bytes) -> int:
        self._sent += data
        return self._write(data)

    def answer(self) -> None:
        if length := self.headers.get("Content-Length"):
            self.rfile.read(int(length))
        url = f"http://{self.headers['Host']}{self.path}"
        self.server.log.append((self.command, url))
        self._sent = self.server.sent.setdefault((self.command, url), bytearray())
        if self.path == "/private" and not self.headers.get("Authorization"):
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="here"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if self.path.startswith("/hang-"):
            self.server.closing.wait(30)
            self.close_connection = True
            return
        status, media_type, body = self.server.pages.get(
            self.path, (404, "text/plain", b"not here")
        )
        if self.path == "/drip":
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=gbk")
            self.end_headers()
            self.wfile.write(DRIP)
            self.server.closing.wait(30)
            self.close_connection = True
            return
        if self.path == "/two-halves":
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=gbk")
            self.send_header("Content-Length", str(2 * len(DRIP)))
            self.end_headers()
            self.wfile.write(DRIP)
            self.server.closing.wait(1)
            self.wfile.write(DRIP)
            return
        self.send_response(status)
        if media_type:
            self.send_header("Content-Type", media_type)
        if self.path == "/script.js":
            body = gzip.compress(body)
            self.send_header("Content-Encoding", "gzip")
        if self.path == "/old":
            self.send_header("Location", f"http://u:{CANARY}@{self.headers['Host']}/gbk")
        if self.path == "/moved":
            self.send_header("Location", "/gbk")
        if self.path in ("/old", "/frame", "/secrets"):
            self.send_header("Set-Cookie", f"a={CANARY}; Path=/")
            self.send_header("Set-Cookie", f"b={CANARY}-b; Path=/")
        if self.path == "/beacon":
            self.send_header("X-Latin", "caf\xe9")  # http.server writes Latin-1
            self.send_header("X-Utf-8", "中".encode().decode("latin-1"))
        self.send_header("X-Twice", "1")
        self.send_header("x-twice", "2")
        if self.path == "/cross":
            for what in ("Origin", "Methods", "Headers"):
                self.send_header(f"Access-Control-Allow-{what}", "*")
        if self.path == "/chunked":
            self.send_header("Transfer-Encoding", "chunked")
            body = b"".join(b"%x\r\n%s\r\n" % (len(b), b) for b in (body[:4], body[4:], b""))
        elif status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_HEAD = do_OPTIONS = answer


class Server(ThreadingHTTPServer):
    daemon_threads = True

    @override
    def handle_error(self, request: object, client_address: object) -> None:
        """Connections end when the guard does: say nothing."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.log: list[tuple[str, str]] = []
        self.sent: dict[tuple[str, str], bytearray] = {}  # answers as they went out
        self.closing = threading.Event()
        other = f"http://localhost:{self.server_port}"
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.pages = dict(PAGES)
        self.pages["/torture"] = (200, "text/html", TORTURE.replace("OTHER", other).encode())
        self.pages["/secrets"] = (
            200,
            "text/html",
            f"<iframe src='{other}/frame'></iframe><script>window.done = fetch('/echo', "
            f"{{headers: {{Authorization: 'Bearer ' + [...'{CANARY[::-1]}'].reverse().join('')}}}})"
            ".then(() => fetch('/old')).then(r => r.text()).catch(() => 0)</script>".encode(),
        )


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(Server()) as server:
        yield server


@dataclass(frozen=True, slots=True)
class Recorded:
    """A recording and what the server had to say to it."""

    recording: Recording
    sent: tuple[tuple[tuple[str, str], bytes], ...]


def test_every_request_of_a_hard_page_is_recorded_once(server: Server, tmp_path: Path) -> None:
    recording = record(tmp_path, f"{server.url}/torture")

    them = items(recording)
    asked = Counter((verb(i), i.fields["WARC-Target-URI"]) for i in them if i.kind == "request")
    assert asked == Counter(server.log)
    assert recording.counts.total == len(server.log) + 1
    assert recording.counts.pending == 0
    assert all(i.digest_is_right for i in them if i.kind != "warcinfo")
    (refused,) = [f for f in recording.failed if f.url.endswith("/refused")]
    assert (refused.error, refused.resource_type) == ("net::ERR_UNSAFE_PORT", "Fetch")


@looking
@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/gbk.js", "GET"),
        ("/script.js", "GET"),
        ("/stylesheet.css", "GET"),
        ("/picture.png", "GET"),
        ("/latin", "GET"),
        ("/gone", "GET"),
        ("/chunked", "GET"),
        ("/echo", "POST"),
        ("/cross", "PUT"),
        ("/cross", "OPTIONS"),
        ("/moved", "GET"),
        ("/beacon", "POST"),
        ("/forbidden", "GET"),
        ("/empty", "GET"),
        ("/no-content", "GET"),
        ("/utf8", "HEAD"),
        ("/worker.js", "GET"),
        ("/from-worker", "GET"),
        ("/frame", "GET"),
        ("/from-frame-worker", "GET"),
    ],
)
def test_answers_are_octet_for_octet_what_the_server_sent(
    hard_page: Recorded, path: str, method: str
) -> None:
    answer = response(hard_page.recording, path, method)
    sent = dict(hard_page.sent)[method, answer.fields["WARC-Target-URI"]]

    if "Set-Cookie" not in str(answer.headers):
        assert answer.block == sent
    body = bytes(sent).partition(b"\r\n\r\n")[2]
    assert answer.body == body
    assert answer.fields["Snapshotter-Body"] == ("as-received" if body else "empty")


@pytest.fixture(scope="module")
def hard_page(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """The hard page, recorded once for the tests that only look."""
    with serving(Server()) as server:
        recording = record(tmp_path_factory.mktemp("hard"), f"{server.url}/torture")
    return Recorded(recording, tuple((key, bytes(sent)) for key, sent in server.sent.items()))


@looking
def test_header_values_outside_ascii_keep_their_octets(hard_page: Recorded) -> None:
    archive = gzip.decompress(hard_page.recording.artifacts[0].file.read_bytes())
    assert b"X-Latin: caf\xe9\r\n" in archive
    assert b"X-Utf-8: \xe4\xb8\xad\r\n" in archive


@looking
def test_a_request_body_is_recorded(hard_page: Recorded) -> None:
    them = items(hard_page.recording)
    (post,) = [i for i in them if i.kind == "request" and i.body == b"\x00\x01\xfe\xff"]

    assert post.fields["WARC-Target-URI"].endswith("/echo")


@looking
def test_nothing_of_a_hard_page_is_missing(hard_page: Recorded) -> None:
    assert hard_page.recording.missing_parts == ()
    assert hard_page.recording.counts.bodies_missing == 0


@looking
def test_a_blocked_answer_is_counted_as_blocked_and_its_head_is_kept(hard_page: Recorded) -> None:
    (failed,) = [f for f in hard_page.recording.failed if f.url.endswith("/forbidden")]

    assert failed.error == "net::ERR_FAILED (MissingAllowOriginHeader)"
    assert response(hard_page.recording, "/forbidden").status_line.startswith("HTTP/1.1 200 ")


@looking
def test_the_index_finds_each_response(hard_page: Recorded) -> None:
    archive = hard_page.recording.artifacts[0].file.read_bytes()
    lines = hard_page.recording.artifacts[1].file.read_bytes().splitlines()

    assert lines == sorted(lines)
    assert len(lines) == sum(i.kind == "response" for i in items(hard_page.recording))
    for line in lines:
        facts = json.loads(line.split(b" ", 2)[2])
        offset, length = int(facts["offset"]), int(facts["length"])
        (found,) = list(ArchiveIterator(io.BytesIO(archive[offset : offset + length])))
        assert found.rec_headers.get_header("WARC-Target-URI") == facts["url"]
        assert found.rec_headers.get_header("WARC-Payload-Digest") == facts["digest"]


@pytest.mark.parametrize("path", ["/utf8", "/gbk"])
def test_a_document_is_byte_identical_whatever_its_charset(
    server: Server, tmp_path: Path, path: str
) -> None:
    recording = record(tmp_path, server.url + path)

    assert response(recording, path).body == PAGES[path][2]
    assert recording.main_body_recorded
    page = canonical_json.loads(recording.artifacts[2].file.read_bytes().splitlines()[1])
    assert (page["title"], page["text"]) == ("中文", "text")


def test_the_way_to_the_document_and_its_answer_are_told(server: Server, tmp_path: Path) -> None:
    server.pages["/script-redirect"] = (
        200,
        "text/html",
        b"<script>setTimeout(() => location.assign('/old'), 50)</script>",
    )

    async def act(page: Page, recorder: Recorder) -> None:
        await page.goto(f"{server.url}/script-redirect")
        await page.wait_for_url("**/gbk")

    recording = record(tmp_path, f"{server.url}/script-redirect", act=act)

    hops = [(r.kind, r.from_url, r.to_url, r.status) for r in recording.redirects]
    assert hops == [
        ("client", f"{server.url}/script-redirect", f"{server.url}/old", None),
        ("http", f"{server.url}/old", f"{server.url}/gbk", 302),
    ]
    assert recording.response is not None
    assert (recording.response.url, recording.response.status) == (f"{server.url}/gbk", 200)
    assert recording.response.remote_ip == "127.0.0.1"
    assert recording.response.protocol == "http/1.1"
    assert recording.response.tls is None
    assert response(recording, "/old").status_line.startswith("HTTP/1.1 302 ")


def test_a_refused_document_is_an_error_and_a_record(tmp_path: Path) -> None:
    with serving(Server()) as gone:
        url = gone.url

    recording = record(tmp_path, url + "/")

    # So it looks to the browser, which has the guard in front of it.
    assert [request.error for request in recording.failed] == ["net::ERR_EMPTY_RESPONSE: refused"]
    assert recording.response is None
    assert not recording.main_body_recorded
    (note,) = [i for i in items(recording) if i.kind == "metadata"]
    assert b"error: net::ERR_EMPTY_RESPONSE\r\ncause: refused\r\n" in note.body
    assert recording.counts.failed == recording.counts.total == 1


def test_an_answer_over_the_limit_is_noticed_and_kept_as_far_as_it_came(
    server: Server, tmp_path: Path
) -> None:
    seen: list[str] = []

    async def act(page: Page, recorder: Recorder) -> None:
        await opening(f"{server.url}/torture")(page, recorder)
        seen.append(recorder.over_limit)

    recording = record(
        tmp_path, f"{server.url}/torture", limits=Limits(response_bytes=50_000), act=act
    )

    assert seen == [RESPONSE_TOO_LARGE]
    assert response(recording, "/echo", "POST").body == PAGES["/echo"][2]


def test_a_capture_over_the_limit_is_cut_off_and_says_so(server: Server, tmp_path: Path) -> None:
    recording = record(tmp_path, f"{server.url}/torture", limits=Limits(capture_bytes=40_000))

    cut = response(recording, "/echo", "POST")
    assert cut.fields["WARC-Truncated"] == "length"
    assert cut.body
    assert PAGES["/echo"][2].startswith(cut.body)
    assert any(
        missing_part.startswith("bodies that are cut off: ")
        for missing_part in recording.missing_parts
    )


def test_a_document_that_never_ends_is_kept_as_far_as_it_came(
    server: Server, tmp_path: Path
) -> None:
    async def act(page: Page, recorder: Recorder) -> None:
        await page.goto(f"{server.url}/drip", wait_until="commit")
        await page.wait_for_selector("#second")
        assert recorder.observer.in_flight == 1

    recording = record(tmp_path, f"{server.url}/drip", act=act)

    answer = response(recording, "/drip")
    assert answer.body == DRIP
    assert answer.fields["WARC-Truncated"] == "time"
    assert (recording.main_body_recorded, recording.main_body_cut) == (True, True)
    assert recording.counts.pending == 1
    assert "bodies that are cut off: 1" in recording.missing_parts


def test_too_many_requests_are_noticed(server: Server, tmp_path: Path) -> None:
    seen: list[str] = []

    async def act(page: Page, recorder: Recorder) -> None:
        await opening(f"{server.url}/torture")(page, recorder)
        seen.append(recorder.over_limit)

    record(tmp_path, f"{server.url}/torture", limits=Limits(requests=3), act=act)

    assert seen == [TOO_MANY_REQUESTS]


@pytest.mark.parametrize(
    ("begin", "path", "end"),
    [
        (
            "it = open('/utf8'); setTimeout(() => it.fetch('/hang-window'), 700)",
            "/hang-window",
            "it.close()",
        ),
        (
            "it = document.createElement('iframe'); it.src = 'OTHER/hanging-frame';"
            "document.body.append(it)",
            "/hang-frame",
            "it.remove()",
        ),
        ("it = new Worker('/hanging-worker.js')", "/hang-worker", "it.terminate()"),
    ],
)
def test_a_request_ends_with_the_window_frame_or_worker_that_made_it(
    server: Server, tmp_path: Path, begin: str, path: str, end: str
) -> None:
    in_flight: list[int] = []

    async def act(page: Page, recorder: Recorder) -> None:
        await page.goto(f"{server.url}/utf8")
        other = server.url.replace("127.0.0.1", "localhost")
        await page.evaluate(f"() => {{ {begin.replace('OTHER', other)} }}")
        for _ in range(100):
            if path in (url.replace(other, "").replace(server.url, "") for _, url in server.log):
                break
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.2)  # the recorder hears of it after the server
        in_flight.append(recorder.observer.in_flight)
        await page.evaluate(f"() => {{ {end} }}")
        for _ in range(40):
            if recorder.observer.in_flight == 0:
                break
            await asyncio.sleep(0.05)
        in_flight.append(recorder.observer.in_flight)

    recording = record(tmp_path, f"{server.url}/utf8", act=act)

    assert in_flight == [1, 0]
    assert (recording.counts.cancelled, recording.counts.pending) == (1, 0)


def test_finish_now_writes_what_was_collected(server: Server, tmp_path: Path) -> None:
    recording = record(tmp_path, f"{server.url}/gbk", now=True)

    assert [a.path for a in recording.artifacts] == [
        "archive/data.warc.gz",
        "indexes/index.cdx",
        "pages/pages.jsonl",
        "capture/network.json",
    ]
    assert not (tmp_path / ".recorder").exists()


def test_finish_now_keeps_what_came_of_a_document(server: Server, tmp_path: Path) -> None:
    async def act(page: Page, recorder: Recorder) -> None:
        await page.goto(f"{server.url}/drip", wait_until="commit")
        await page.wait_for_selector("#second")
        await recorder.note_cut_off("unspecified")
        await asyncio.sleep(0.2)  # for the browser to tell us what it has told the page

    recording = record(tmp_path, f"{server.url}/drip", act=act, now=True)

    answer = response(recording, "/drip")
    assert (answer.body, answer.fields["WARC-Truncated"]) == (DRIP, "unspecified")
    assert recording.main_body_recorded


def test_secrets_are_in_no_file_and_no_value(server: Server, tmp_path: Path) -> None:
    async def act(page: Page, recorder: Recorder) -> None:
        await page.context.add_cookies([{"name": "s", "value": CANARY, "url": server.url}])
        await page.goto(f"{server.url}/private")
        await opening(f"{server.url}/secrets")(page, recorder)

    recording = record(tmp_path, f"{server.url}/private", act=act, basic_auth=True)

    places = {(r.place, r.name) for r in recording.redactions}
    assert places == {
        ("request-header", "authorization"),
        ("request-header", "cookie"),
        ("response-header", "set-cookie"),
        ("url", "userinfo"),
    }
    shown = repr(recording).encode()
    for file in tmp_path.rglob("*"):
        if file.is_file():
            data = file.read_bytes()
            shown += data + (gzip.decompress(data) if file.suffix == ".gz" else b"")
    assert b"redacted:sha256:" in shown
    for spelling in _spellings(CANARY):
        assert spelling not in shown


def _spellings(secret: str) -> Iterator[bytes]:
    yield secret.encode()
    yield urllib.parse.quote(secret).encode()
    for before in range(3):  # each alignment: the characters that depend on the secret alone
        text = base64.b64encode(b"\0" * before + secret.encode()).decode()
        yield text[-(-before * 8 // 6) : len(text) // 4 * 4 - 4].encode()


def test_a_redirect_that_the_browser_will_not_follow_is_recorded(
    server: Server, tmp_path: Path
) -> None:
    recording = record(tmp_path, f"{server.url}/secrets")

    assert response(recording, "/old").status_line.startswith("HTTP/1.1 302 ")
    assert [f.url for f in recording.failed] == [f"{server.url}/gbk"]
    assert recording.counts.blocked == 1
    assert recording.counts.pending == 0


def test_tls_facts_and_the_chain_of_the_main_connection(tmp_path: Path) -> None:
    chain, key = _certificate_chain()
    (tmp_path / "chain.pem").write_bytes(chain)
    (tmp_path / "key.pem").write_bytes(key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "chain.pem", tmp_path / "key.pem")
    secure = Server()
    secure.socket = context.wrap_socket(secure.socket, server_side=True)
    with serving(secure):
        url = f"https://127.0.0.1:{secure.server_port}/gbk"
        spool = tmp_path / "spool"
        spool.mkdir()
        recording = record(spool, url, insecure=True)

    assert recording.response is not None
    tls = recording.response.tls
    assert tls is not None
    assert (tls.protocol, tls.signature_algorithm) == ("TLS 1.3", "ecdsa_secp256r1_sha256")
    assert tls.cipher
    assert tls.key_exchange_group
    assert [c.subject for c in tls.chain] == ["CN=127.0.0.1", "CN=Test CA"]
    assert "".join(c.pem for c in tls.chain).encode() == chain


def _certificate_chain() -> tuple[bytes, bytes]:
    """Return a leaf and the CA that signed it, PEM, and the leaf's key."""
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca = _certificate("Test CA", ca_key.public_key(), "Test CA", ca_key, is_ca=True)
    leaf = _certificate("127.0.0.1", key.public_key(), "Test CA", ca_key, is_ca=False)
    pem = serialization.Encoding.PEM
    return (
        leaf.public_bytes(pem) + ca.public_bytes(pem),
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )


def _certificate(
    name: str,
    key: ec.EllipticCurvePublicKey,
    issuer: str,
    signer: ec.EllipticCurvePrivateKey,
    *,
    is_ca: bool,
) -> x509.Certificate:
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
    )
    if not is_ca:
        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        builder = builder.add_extension(x509.SubjectAlternativeName([address]), critical=False)
    return builder.sign(signer, hashes.SHA256())
