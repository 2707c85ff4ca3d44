"""Downloads: what a browser is told of a sealed file, and names that lead nowhere."""

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import pytest

from snapshotter.formats.digest import digest_bytes
from snapshotter.formats.statements import quarantine
from snapshotter.formats.statements.quarantine import QUARANTINE, QuarantineAction
from snapshotter.web.files import disposition
from tests.cases import in_one_test
from tests.hostile_bundle import AT, FILES, HostileArchive
from tests.webclient import Console, console, console_settings

OTHER_ID = "20260101t000000z-aaaaaaaaaaaaaaaa"


@dataclass(frozen=True, slots=True)
class Site:
    """A console that shows one hostile capture."""

    console: Console
    archive: HostileArchive

    def path(self, rest: str, bundle_id: str = "") -> str:
        return f"/captures/{bundle_id or self.archive.bundle_id}/{rest}"

    @property
    def bundle(self) -> bytes:
        return (self.archive.store.root / self.archive.key).read_bytes()

    @property
    def exports(self) -> list[str]:
        """What the custody chain states about exports."""
        files = sorted(self.archive.store.root.rglob("*.custody-*.jsonl"))
        events = [json.loads(line) for file in files for line in file.read_text().splitlines()]
        return [event["detail"] for event in events if event["event"] == "exporting"]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    archive = HostileArchive(tmp_path)
    with console(console_settings(tmp_path)) as found:
        yield Site(found.log_in(), archive)


def test_a_sealed_file_is_a_download_that_no_browser_shows(site: Site) -> None:
    for path in (*FILES, "capture/capture.json", "seal/sig-01.der"):
        answer = site.console.get(site.path(f"files/{path}"))

        assert answer.status_code == 200
        with zipfile.ZipFile(io.BytesIO(site.bundle)) as archive:
            assert answer.content == archive.read(path)
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert answer.headers["cache-control"] == "no-store"
        name = path.rpartition("/")[2]
        assert answer.headers["content-disposition"] == (
            f'attachment; filename="{site.archive.bundle_id}-{name}"'
        )


def test_a_bundle_and_its_sidecars_are_downloads(site: Site) -> None:
    answer = site.console.get(site.path("bundle"))

    assert answer.content == site.bundle
    assert answer.headers["content-length"] == str(len(site.bundle))
    assert answer.headers["content-type"] == "application/octet-stream"
    name = f"{site.archive.bundle_id}.wacz"
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
    chain = site.console.get(site.path("sidecars/custody-0001.jsonl"))
    assert chain.status_code == 200
    assert chain.headers["content-disposition"].endswith(f'"{name}.custody-0001.jsonl"')
    assert chain.headers["content-security-policy"] == "sandbox; default-src 'none'"


def test_each_download_is_an_event_of_custody_and_a_look_at_its_headers_is_not(site: Site) -> None:
    head = site.console.client.head(site.path("files/capture/page.html"))
    assert (head.status_code, head.content) == (200, b"")
    assert int(head.headers["content-length"]) == len(FILES["capture/page.html"])
    assert site.exports == []

    site.console.get(site.path("files/capture/page.html"))
    site.console.get(site.path("bundle"))

    assert site.exports == ["capture/page.html in the console", "in the console"]


def test_a_user_can_leave_accesses_out_of_custody(tmp_path: Path) -> None:
    archive = HostileArchive(tmp_path)
    with console(console_settings(tmp_path, record_access=False)) as found:
        site = Site(found.log_in(), archive)
        assert found.get(site.path("bundle")).status_code == 200
        assert site.exports == []


NAMES = [
    "files/../../../../../etc/passwd",
    "files/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    "files/..%2f..%2f..%2fetc%2fpasswd",
    "files//etc/passwd",
    "files/%2fetc%2fpasswd",
    "files/capture/%2e%2e/capture/page.html",
    "files/capture//page.html",
    "files/capture%5cpage.html",
    "files/CAPTURE/page.html",
    "files/capture/page.html%00",
    "files/capture/page.html/",
    "files/capture/none.html",
    "files/",
    "sidecars/%2e%2e",
    "sidecars/none",
    "sidecars/..%2f..%2fdata",
    "sidecars/custody-0001.jsonl%00",
    "bundle/",
    "bundle%00",
]
IDS = [
    OTHER_ID,
    "..",
    "%2e%2e",
    "..%2f..%2fdata",
    "20260101t000000z-AAAAAAAAAAAAAAAA",
    "20269999t000000z-aaaaaaaaaaaaaaaa",
    "latest",
    "%0d%0aset-cookie:%20x=1",
    "' OR 1=1 --",
    "<script>",
    "x" * 5000,
]


def test_a_name_leads_to_no_file_but_its_own(site: Site) -> None:
    for rest in NAMES:
        answer = site.console.client.get(site.path(rest))

        assert answer.status_code == 404, rest
        assert "root:" not in answer.text


def test_an_id_that_is_none_leads_nowhere(site: Site) -> None:
    for bundle_id in IDS:
        for rest in ("bundle", "files/capture/page.html", "sidecars/x"):
            answer = site.console.client.get(site.path(rest, bundle_id))

            assert answer.status_code == 404, (bundle_id, rest)
            assert "<script>" not in answer.text
            assert "set-cookie" not in answer.headers


def test_a_capture_in_quarantine_is_not_copied(site: Site) -> None:
    action = QuarantineAction(
        action=QUARANTINE, sha256="ab" * 32, reason="may show a child", by="A", at=AT
    )
    after = quarantine.read(site.archive.bundle_id, [], lambda _: True)
    data = quarantine.encode(
        action, bundle_id=site.archive.bundle_id, after=after, signer=site.archive.signer
    )
    key = f"{site.archive.key}.{quarantine.kind(1)}"
    site.archive.store.put_new(key, data, digest_bytes(data).sha256)

    for rest in ("bundle", "files/capture/page.html", f"sidecars/{quarantine.kind(1)}"):
        answer = site.console.get(site.path(rest))
        assert answer.status_code == 403
        assert "is in quarantine: may show a child" in answer.text
    assert site.exports == []


def test_a_download_needs_a_session(site: Site) -> None:
    site.console.client.cookies.clear()

    assert site.console.get(site.path("bundle")).status_code == 401


@in_one_test(
    ("name", "plain", "shown"),
    [
        ("page.html", "page.html", None),
        ('a"; filename=b.exe', "a___filename_b.exe", "a_; filename=b.exe"),
        ("a\r\nSet-Cookie: x=1", "a__Set-Cookie__x_1", "a__Set-Cookie_ x=1"),
        ("../../etc/passwd", "_.._etc_passwd", None),
        ("谣言.html", "__.html", "谣言.html"),
        ("exe.\u202elmth", "exe._lmth", None),
        ("a\x00b\x1b[2J", "a_b__2J", "a_b_[2J"),
        ("\udc80.txt", "_.txt", None),
        ("...", "file", None),
        ("x" * 500 + ".html", "x" * 145 + ".html", None),
        ("%2e%2e%2f", "_2e_2e_2f", None),
    ],
)
def test_a_file_name_is_only_a_file_name(name: str, plain: str, shown: str | None) -> None:
    header = disposition(name)

    first, _, rest = header.partition("; filename*=UTF-8''")
    assert first == f'attachment; filename="{plain}"'
    assert (unquote(rest) or None) == shown
    assert header.isascii()
    assert header.isprintable()
