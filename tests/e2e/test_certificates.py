"""
Certificates of an authority that one capture trusts (`--ca`), and each with one thing wrong.
"""

import gzip
import http.server
import json
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from typing_extensions import override

from snapshotter.model.capture import Capture, Outcome
from tests import tls
from tests.e2e.capturing import Engine, codes, read
from tests.e2e.test_tls_browser import _Server
from tests.tls import Authority

pytestmark = pytest.mark.e2e

Visit = Callable[..., Capture]


def archived(capture: Capture) -> str:
    """Return the network record, as text."""
    (archive,) = [
        artifact.file for artifact in capture.artifacts if artifact.path == "archive/data.warc.gz"
    ]
    return gzip.decompress(archive.read_bytes()).decode("utf-8", "replace")


class _Issuer(http.server.BaseHTTPRequestHandler):
    """Serves the certificate that signed another, as an authority does."""

    certificate = b""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.certificate)))
        self.end_headers()
        self.wfile.write(self.certificate)

    @override
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def visit(tmp_path: Path) -> Iterator[Visit]:
    """Capture a page whose server has this certificate, by a browser that trusts the authority."""
    if sys.platform != "linux":
        pytest.skip("Chromium has its trust from NSS on Linux alone")
    trusted = Authority(tmp_path / "trusted")
    stranger = Authority(tmp_path / "stranger")
    authorities = (trusted.root.public_bytes(Encoding.PEM).decode(),)
    capture = Engine(tmp_path)
    servers: list[_Server] = []

    def visited(kind: str, **settings: Any) -> Capture:
        good = ("127.0.0.1",)
        file = {
            "good": lambda: trusted.server(names=good),
            "expired": lambda: trusted.server(names=good, days=(-60, -30)),
            "not-yet-valid": lambda: trusted.server(names=good, days=(2, 30)),
            "other-host": lambda: trusted.server(names=("elsewhere.example",)),
            "unknown-authority": lambda: stranger.server(names=good),
        }[kind]()
        context = tls.server_context(file, version=ssl.TLSVersion.TLSv1_3)
        context.set_alpn_protocols(["http/1.1"])
        server = _Server(context)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        settings = {"certificate_authorities": authorities, **settings}
        return capture(f"https://127.0.0.1:{server.server_port}/", **settings)

    yield visited
    for server in servers:
        server.shutdown()
        server.server_close()


def test_the_authority_is_trusted_at_all(visit: Visit) -> None:
    capture = visit("good")

    assert (capture.outcome, codes(capture)) == (Outcome.COMPLETE, [])
    assert "hello" in read(capture, "capture/page.txt")
    (warning,) = capture.warnings
    assert warning.code == "private-authority"
    assert warning.detail.startswith(
        "private certificate authorities that the capturing person trusts: CN="
    )
    assert (
        "; servers whose certificates need one of these authorities: 127.0.0.1:" in warning.detail
    )
    assert "Snapshotter-Certificate: private-authority " in archived(capture)


def test_without_it_the_authority_is_unknown(visit: Visit) -> None:
    capture = visit("good", certificate_authorities=())

    assert [(reason.code, reason.fault) for reason in capture.reasons] == [
        ("tls", "unknown-authority")
    ]
    assert capture.warnings == ()


def test_an_authority_is_named_where_the_server_left_out_who_stands_between(
    tmp_path: Path,
) -> None:
    authority = Authority(tmp_path / "authority")
    issuers = http.server.HTTPServer(("127.0.0.1", 0), _Issuer)
    url = f"http://127.0.0.1:{issuers.server_port}/between.crt"
    file, between = authority.server_of_another("127.0.0.1", issuer_url=url)
    _Issuer.certificate = between.public_bytes(Encoding.DER)
    odd = ssl.DER_cert_to_PEM_cert(tls.of_no_version(authority.root))
    file.write_text(file.read_text() + odd)  # no reader of ours may fail on it
    server = _Server(tls.server_context(file, version=ssl.TLSVersion.TLSv1_3))
    for running in (issuers, server):
        threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()

    capture = Engine(tmp_path)(
        f"https://127.0.0.1:{server.server_port}/",
        certificate_authorities=(authority.root.public_bytes(Encoding.PEM).decode(),),
    )

    for running in (issuers, server):
        running.shutdown()
        running.server_close()
    (warning,) = capture.warnings
    assert (
        "; servers whose certificates need one of these authorities: "
        f"127.0.0.1:{server.server_port}" in warning.detail
    )
    assert "Snapshotter-Certificate: private-authority " in archived(capture)


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("expired", "CERT_DATE_INVALID"),
        ("not-yet-valid", "CERT_DATE_INVALID"),
        ("other-host", "CERT_COMMON_NAME_INVALID"),
        ("unknown-authority", "CERT_AUTHORITY_INVALID"),
    ],
)
def test_one_thing_wrong_is_refused_by_its_name_and_let_pass_with_its_name(
    visit: Visit, kind: str, error: str
) -> None:
    refused, passed = visit(kind), visit(kind, ignore_certificate_errors=True)

    assert (refused.outcome, codes(refused)) == (Outcome.FAILED, ["tls"])
    assert [reason.fault for reason in refused.reasons] == [kind]
    assert any(error in reason.detail for reason in refused.reasons), refused.reasons
    (session,) = json.loads(read(refused, "capture/tls.json"))["sessions"][:1]
    assert session["chain"]
    assert (passed.outcome, codes(passed)) == (Outcome.COMPLETE, [])
    warning, _ = passed.warnings
    assert warning.code == "certificate-ignored"
    assert f": {kind} (answers: " in warning.detail
    assert f"Snapshotter-Certificate: {kind}\r\n" in archived(passed)
