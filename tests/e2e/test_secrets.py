"""
Canaries: secrets that a page's traffic carries, looked for in every byte that we leave behind.

Cookies are set by the server first and sent by the browser then; on a redirect, on the
page and on a frame of another site; `Authorization` is sent by a script and asked for by
a challenge. User information stands in URLs, in every spelling that browsers read as one.
"""

import base64
import hashlib
import http.server
import json
import re
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from tests.canaries import spellings, unfolded
from tests.e2e.product import Done, Installation, traffic_of, trusting
from tests.servers.authority import TestAuthority

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.long,
    pytest.mark.xdist_group("secrets"),
]  # one worker, two captures

# With characters that percent-encoding changes.
ON_REDIRECT, ON_PAGE, ON_FRAME, ON_SCRIPT = (
    *("canary/redirect+1f7a", "canary/page+92c0"),
    *("canary/frame+55d1", "canary/bearer+e03b"),
)
CANARIES = (ON_REDIRECT, ON_PAGE, ON_FRAME, ON_SCRIPT)

IN_URL = "canary-8d35"  # user information in redirects and headers
IN_ELEMENT = "canary-b11e"  # the same in what a script puts into the page, which is content
# What a server sends on from /hop0, /hop1 …; the last one leads to the page.
SPELLINGS = (
    "http://user:pa'{secret}@{host}/hop1",
    'http://user:"{secret}"<>@{host}/hop2',
    r"http:\\user:{secret}@{host}\hop3",
    r"http:/\user:x@{secret}@{host}/hop4",
    r"\\user:{secret}@{host}/hop5",
    "//user:{secret}@{host}/hop6",
    "http:////user:pass {secret}@{host}/hop7",
    "http:/\t/user:{secret}@{host}/spelled",
)


@dataclass(slots=True)
class Asked:
    """One request as it arrived."""

    path: str
    cookie: str
    authorization: str


@dataclass(slots=True)
class SecretSite:
    """Two origins of different sites that set, and are sent, secrets."""

    asked: list[Asked] = field(default_factory=list)
    servers: list["_Server"] = field(default_factory=list)

    def url(self, path: str, origin: int = 0) -> str:
        host, port = self.servers[origin].server_address[:2]
        return f"http://{host!s}:{port}{path}"


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    site: SecretSite


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    @override
    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        site = self.server.site
        cookie, secret = self.headers.get("Cookie", ""), self.headers.get("Authorization", "")
        site.asked.append(Asked(self.path, cookie, secret))
        if self.path == "/start":
            self._reply("", 302, ("Location", "/page"), _cookie("first", ON_REDIRECT))
        elif self.path == "/page":
            self._reply(
                f"<!doctype html><title>secrets</title><h1>no secret here</h1>"
                f"<iframe src='{site.url('/frame', 1)}'></iframe><script>"
                # The page knows its secret only in pieces: its own source is evidence, and
                # what a page shows to everybody is no secret.
                f"const value='Bearer canary'+'/bearer'+'+e03b';"
                f"fetch('/data',{{headers:{{Authorization:value}}}});fetch('/basic')</script>",
                200,
                _cookie("second", ON_PAGE),
            )
        elif self.path.startswith("/hop"):
            spelling = SPELLINGS[int(self.path.removeprefix("/hop"))]
            host = self.headers["Host"]
            self._reply("", 302, ("Location", spelling.format(secret=IN_URL, host=host)))
        elif self.path == "/spelled":
            self._reply(
                "<!doctype html><title>spelled</title><h1>nothing</h1><script>"
                f"const secret='canary'+'-b11e', at=':'+secret+'@{self.headers['Host']}/';"
                "for (const kind of ['img','iframe']) {"
                "const it=document.createElement(kind);it.src='http://me'+at+kind;"
                "document.body.append(it)}"
                "console.log('see http://me'+at, 'ws:\\\\\\\\me'+at)</script>",
                200,
                ("Refresh", f"99; url=http://me:q'{IN_URL} {IN_URL}@h/"),
                ("Content-Location", f"http:\\\\me:{IN_URL}@h/"),
                ("Link", f"<http://me:{IN_URL}@h/>; rel=help, <\\\\me:{IN_URL}@h/>; rel=author"),
                ("X-Elsewhere", f"at http:/me:{IN_URL}@h/"),
                ("Set-Cookie2", IN_URL),
            )
        elif self.path == "/frame":
            self._reply("<p>frame</p><img src=/image>", 200, _cookie("third", ON_FRAME))
        elif self.path == "/basic" and not secret:
            self._reply("who are you", 401, ("WWW-Authenticate", 'Basic realm="vault"'))
        else:
            self._reply("{}", 200)

    def _reply(self, body: str, status: int, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body.encode())))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body.encode())


def _cookie(name: str, value: str) -> tuple[str, str]:
    return "Set-Cookie", f"{name}={value}; HttpOnly; Path=/"


@dataclass(frozen=True, slots=True)
class Leaky:
    """One capture of the site, and what went over the wire."""

    installation: Installation
    done: Done
    asked: list[Asked]

    @property
    def bundle(self) -> Path:
        return Path(self.done.object["bundle"]["path"])

    @property
    def salts(self) -> Path:
        (found,) = self.installation.home.rglob("*.salts.jsonl")
        return found


@pytest.fixture(scope="module")
def leaky(tmp_path_factory: pytest.TempPathFactory, authority: TestAuthority) -> Iterator[Leaky]:
    yield from _captured(tmp_path_factory, authority, "/start")


@pytest.fixture(scope="module")
def spelled(tmp_path_factory: pytest.TempPathFactory, authority: TestAuthority) -> Iterator[Leaky]:
    yield from _captured(tmp_path_factory, authority, "/hop0")


def _captured(
    tmp_path_factory: pytest.TempPathFactory, authority: TestAuthority, path: str
) -> Iterator[Leaky]:
    site = SecretSite()
    for host in ("127.0.0.1", "127.0.0.2"):
        server = _Server((host, 0), _Handler)
        server.site = site
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        site.servers.append(server)
    installation = Installation(tmp_path_factory.mktemp("leaky"))
    installation.configure(trusting(authority))
    yield Leaky(installation, installation.run("capture", "--json", site.url(path)), site.asked)
    for server in site.servers:
        server.shutdown()
        server.server_close()


def left_behind(capture: Leaky) -> Iterator[tuple[str, bytes]]:
    for path in capture.installation.home.rglob("*"):
        if not path.is_file():
            continue
        name = str(path.relative_to(capture.installation.home))
        for data in unfolded(path.read_bytes()):
            yield name, data
        if path.suffix == ".wacz":
            with zipfile.ZipFile(path) as archive:
                for member in archive.namelist():
                    for data in unfolded(archive.read(member)):
                        yield f"{name}/{member}", data
    yield "stdout", capture.done.out.encode()
    yield "stderr", capture.done.err.encode()


def test_the_secrets_really_went_over_the_wire(leaky: Leaky) -> None:
    assert leaky.done.code == 0, leaky.done.err
    by_path = {asked.path: asked for asked in leaky.asked}
    assert f"first={ON_REDIRECT}" in by_path["/page"].cookie
    assert f"second={ON_PAGE}" in by_path["/data"].cookie
    assert by_path["/data"].authorization == f"Bearer {ON_SCRIPT}"
    assert "/basic" in by_path
    assert "/frame" in by_path


@pytest.mark.parametrize("secret", CANARIES)
def test_no_secret_is_left_in_any_file_or_output_in_any_spelling(leaky: Leaky, secret: str) -> None:
    wanted = sorted(set(spellings(secret)))
    # The search itself finds a secret that is there, at every alignment.
    for offset in range(3):
        hidden = base64.b64encode(b"x" * offset + secret.encode() + b"y")
        assert any(spelling in hidden for spelling in wanted)

    seen = 0
    for name, data in left_behind(leaky):
        seen += 1
        for spelling in wanted:
            assert spelling not in data, f"{spelling!r} stands in {name}"
    assert seen > 30


def test_the_bundle_says_what_was_replaced(leaky: Leaky) -> None:
    shown = leaky.installation.run("show", "--json", leaky.bundle).object
    redactions: dict[str, dict[str, Any]] = {
        f"{redaction['place']} {redaction['name']}": redaction for redaction in shown["redactions"]
    }

    assert redactions["response-header set-cookie"]["count"] >= 3
    assert redactions["request-header cookie"]["count"] >= 2
    assert redactions["request-header authorization"]["count"] >= 1


def test_the_salts_stand_outside_the_store_and_only_their_owner_may_read_them(
    leaky: Leaky,
) -> None:
    assert leaky.salts.stat().st_mode & 0o777 == 0o600
    assert leaky.salts.parent.stat().st_mode & 0o077 == 0
    assert not leaky.salts.is_relative_to(leaky.installation.store)
    for _, data in left_behind(leaky):
        for line in leaky.salts.read_bytes().splitlines():
            if data != leaky.salts.read_bytes() and b'"salt"' not in data:
                assert json.loads(line)["salt"].encode() not in data


def test_a_salt_opens_the_commitment_that_stands_in_the_network_record(leaky: Leaky) -> None:
    disclosures = [json.loads(line) for line in leaky.salts.read_text().splitlines()]
    traffic = traffic_of(leaky.bundle).decode("utf-8", "replace")

    def opened(place: str, name: str, value: str) -> str:
        """Return the commitment that this value opens."""
        for disclosure in disclosures:
            content = bytes.fromhex(disclosure["salt"]) + name.encode() + b"\0" + value.encode()
            commitment = f"sha256:{hashlib.sha256(content).hexdigest()}"
            if (disclosure["place"], disclosure["name"], disclosure["commitment"]) == (
                place,
                name,
                commitment,
            ):
                return commitment
        raise AssertionError(f"nothing opens {place} {name}")

    bearer = opened("request-header", "authorization", f"Bearer {ON_SCRIPT}")
    set_first = opened("response-header", "set-cookie", _cookie("first", ON_REDIRECT)[1])
    sent = opened("request-header", "cookie", f"first={ON_REDIRECT}")
    set_third = opened("response-header", "set-cookie", _cookie("third", ON_FRAME)[1])

    for commitment in (bearer, set_first, sent, set_third):
        assert f": redacted:{commitment}\r\n" in traffic


def test_no_user_information_of_a_url_is_left_whatever_its_spelling(spelled: Leaky) -> None:
    assert spelled.done.code in (0, 3), spelled.done.err
    asked = [request.path for request in spelled.asked]
    assert asked[: len(SPELLINGS) + 1] == [
        *(f"/hop{number}" for number in range(len(SPELLINGS))),
        "/spelled",
    ]

    for name, data in left_behind(spelled):
        for spelling in set(spellings(IN_URL)):
            assert spelling not in data, f"{spelling!r} stands in {name}"


def test_user_information_in_an_element_stays_in_the_page_and_nowhere_else(spelled: Leaky) -> None:
    content = ("capture/dom.html", "capture/page.mhtml", ".wacz")  # its members are looked at

    for name, data in left_behind(spelled):
        if not name.endswith(content):
            assert IN_ELEMENT.encode() not in data, f"it stands in {name}"
    with zipfile.ZipFile(spelled.bundle) as archive:
        assert IN_ELEMENT.encode() in archive.read("capture/dom.html")
        page = archive.read("capture/page.mhtml")
    locations = re.findall(rb"Location: .*", page)
    assert len(locations) >= 2
    assert not any(IN_ELEMENT.encode() in line for line in locations)
