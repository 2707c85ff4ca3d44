"""
Certificates of an authority that one capture trusts (`--ca`), and each with one thing wrong.
"""

import gzip
import json
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from snapshotter.model.capture import Capture, Outcome
from tests import tls
from tests.e2e.test_behaviours import Engine, codes, read
from tests.e2e.test_tls_browser import _Server
from tests.tls import Authority

pytestmark = pytest.mark.e2e

Visit = Callable[..., Capture]


def archived(it: Capture) -> str:
    """Return the network record, as text."""
    (archive,) = [one.file for one in it.artifacts if one.path == "archive/data.warc.gz"]
    return gzip.decompress(archive.read_bytes()).decode("utf-8", "replace")


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
    it = visit("good")

    assert (it.outcome, codes(it)) == (Outcome.COMPLETE, [])
    assert "hello" in read(it, "capture/page.txt")
    (warning,) = it.warnings
    assert warning.code == "private-authority"
    assert warning.detail.startswith("trusted by the person who captures, not by the public: CN=")
    assert "; believed by it: 127.0.0.1:" in warning.detail
    assert "Snapshotter-Certificate: private-authority " in archived(it)


def test_without_it_the_authority_is_unknown(visit: Visit) -> None:
    it = visit("good", certificate_authorities=())

    assert [(one.code, one.fault) for one in it.reasons] == [("tls", "unknown-authority")]
    assert it.warnings == ()


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
    assert [it.fault for it in refused.reasons] == [kind]
    assert any(error in reason.detail for reason in refused.reasons), refused.reasons
    (session,) = json.loads(read(refused, "capture/tls.json"))["sessions"][:1]
    assert session["chain"]
    assert (passed.outcome, codes(passed)) == (Outcome.COMPLETE, [])
    warning, _ = passed.warnings
    assert warning.code == "certificate-ignored"
    assert f": {kind} (answers: " in warning.detail
    assert f"Snapshotter-Certificate: {kind}\r\n" in archived(passed)
