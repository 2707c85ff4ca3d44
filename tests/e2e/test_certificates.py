"""
Certificates of an authority that the browser trusts, and each with one thing wrong.

The authority is in the NSS database below the browser's throw-away HOME, in this test alone.
"""

import gzip
import json
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from snapshotter.capture.browser import Workplace
from snapshotter.model.capture import Capture, Outcome
from tests import nss, tls
from tests.e2e.test_behaviours import Engine, codes, read
from tests.e2e.test_tls_browser import _Server
from tests.tls import Authority

pytestmark = pytest.mark.e2e

Visit = Callable[..., Capture]


@pytest.fixture
def visit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Visit]:
    """Capture a page whose server has this certificate, by a browser that trusts the authority."""
    if sys.platform != "linux":
        pytest.skip("Chromium has its trust from NSS on Linux alone")
    trusted = Authority(tmp_path / "trusted")
    stranger = Authority(tmp_path / "stranger")
    root = trusted.root.public_bytes(tls.DER)
    create = Workplace.create

    def trusting(beside: Path) -> Workplace:
        place = create(beside)
        nss.trust(place.home, root)
        return place

    monkeypatch.setattr(Workplace, "create", staticmethod(trusting))
    capture = Engine(tmp_path)
    servers: list[_Server] = []

    def visited(kind: str, **settings: bool) -> Capture:
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
        return capture(f"https://127.0.0.1:{server.server_port}/", **settings)

    yield visited
    for server in servers:
        server.shutdown()
        server.server_close()


def test_the_authority_is_trusted_at_all(visit: Visit) -> None:
    it = visit("good")

    assert (it.outcome, codes(it), it.warnings) == (Outcome.COMPLETE, [], ())
    assert "hello" in read(it, "capture/page.txt")


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
    assert any(error in reason.detail for reason in refused.reasons), refused.reasons
    (session,) = json.loads(read(refused, "capture/tls.json"))["sessions"][:1]
    assert session["chain"]
    assert (passed.outcome, codes(passed)) == (Outcome.COMPLETE, [])
    (warning,) = passed.warnings
    assert warning.code == "certificate-ignored"
    assert f": {kind} (answers: " in warning.detail
    (archive,) = [it.file for it in passed.artifacts if it.path == "archive/data.warc.gz"]
    data = gzip.decompress(archive.read_bytes())
    assert f"Snapshotter-Certificate: {kind}\r\n".encode() in data
