"""`snapshotter report capture`: which files it writes, of what, and as of when."""

import hashlib
import json
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from tests import bundles
from tests.bundles import ChainAuthority, RealClock
from tests.unit.cli.bundle_shell import BundleShell

AT = "--at", "2026-01-01T00:00:00Z"
NO_PDF = "--format", "html", "--format", "json"


@pytest.fixture
def home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> BundleShell:
    return BundleShell(tmp_path, monkeypatch, capsys)


def test_a_stored_capture_gets_a_page_and_its_twin_for_machines(home: BundleShell) -> None:
    assert home.run("report", "capture", *NO_PDF, "-o", "out/here", "latest") == 0, home.err

    page, twin = (Path("out/here") / f"report-{home.id}.{kind}" for kind in ("html", "json"))
    digest = hashlib.sha256(twin.read_bytes()).hexdigest()
    assert f"<span>{digest[:4]}</span><span>{digest[4:8]}</span>" in page.read_text()
    found = json.loads(twin.read_bytes())
    assert found["fields"]["what"]["bundle_id"]["value"] == home.id
    assert home.out.startswith("It is not established whether the page was available")
    assert f"report: {page}" in home.out


def test_the_same_file_time_and_zone_give_the_same_bytes(home: BundleShell) -> None:
    common = ("report", "capture", "--json", *NO_PDF, *AT, "--zone", "Asia/Shanghai")
    assert home.run(*common, "-o", "a", home.file) == 0, home.err
    first = home.object
    assert home.run(*common, "-o", "b", home.file) == 0, home.err

    assert first["report_sha256"] == home.object["report_sha256"]
    for kind in ("html", "json"):
        assert (
            Path(first["files"][kind]).read_bytes() == Path(home.object["files"][kind]).read_bytes()
        )
    assert "UTC+08:00" in Path(first["files"]["html"]).read_text()
    # The bundle was sealed today, so by this time its seal is in the future.
    assert first["verdict"] == "failed"


def test_the_custody_chain_names_the_digest_of_the_report(
    home: BundleShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SNAPSHOTTER_RECORD_ACCESS", "true")

    assert home.run("report", "capture", "--json", "--format", "json", home.id) == 0, home.err

    digest = home.object["report_sha256"]
    assert home.run("custody", "show", "--json", home.id) == 0
    assert f"capture report, SHA-256 of report.json {digest}" in home.out


def test_the_exhibit_number_of_a_case_is_stated_as_a_word_of_its_author(home: BundleShell) -> None:
    assert home.run("case", "create", "harbour") == 0, home.err
    assert home.run("report", "capture", *NO_PDF, "--case", "harbour", home.id) == 2
    assert f"snapshotter case add harbour {home.id}" in home.err
    assert home.run("case", "add", "harbour", home.id) == 0, home.err

    assert home.run("report", "capture", *NO_PDF, "--case", "harbour", home.id) == 0, home.err

    found = json.loads(Path(f"report-{home.id}.json").read_bytes())["fields"]["what"]["exhibit"]
    assert (found["value"], found["basis"]) == ("harbour, Exhibit 1", "unverified")
    assert "harbour, Exhibit 1 · " in Path(f"report-{home.id}.html").read_text()
    assert home.run("report", "capture", "--case", "harbour", home.file) == 2


def test_a_report_about_a_redacted_copy_shows_what_is_withheld(home: BundleShell) -> None:
    assert home.run("export", "--redact", "title,addresses", "-o", "red", home.id) == 0, home.err
    (copy,) = Path("red").glob("*.redacted.wacz")

    assert home.run("report", "capture", *NO_PDF, copy) == 0, home.err

    found = json.loads(Path(f"report-{home.id}.json").read_bytes())
    fields = found["fields"]
    title = fields["what"]["title"]
    assert (title["presence"], list(title["value"])) == ("withheld", ["committed"])
    assert title["source"]["file"] == "capture/redactable.json"
    assert fields["what"]["http_status"]["basis"] == "stated"
    with zipfile.ZipFile(copy) as members:
        signed = hashlib.sha256(members.read("seal/manifest-sha256.txt")).hexdigest()
    manifest = fields["integrity"]["manifest_sha256"]
    assert (manifest["value"], manifest["basis"]) == (signed, "verified")
    assert "/what/title" in fields["redactions"]["withheld_values"]["value"]
    said = {statement["key"]: statement["text"] for statement in found["statements"]}
    assert said["redacted"].startswith("This report is about a redacted copy. Values that")
    assert "redirected" not in said
    assert found["verification"]["verdict"] == "indeterminate"  # it has no timestamp token
    text = Path(f"report-{home.id}.html").read_text()
    assert "A page" not in text.replace("A page that", "")
    assert bundles.URL not in text
    assert "Do not rely" not in text


def test_an_altered_file_gets_a_report_that_says_so(home: BundleShell) -> None:
    members = bundles.unpack(home.bytes)
    Path("altered.wacz").write_bytes(
        bundles.pack({**members, "capture/dom.html": b"<title>Another</title>"})
    )

    assert home.run("report", "capture", *NO_PDF, "altered.wacz") == 0

    assert home.out.startswith("The proof is not intact")
    assert "the bundle was altered" in home.err


def test_what_has_no_report(home: BundleShell) -> None:
    Path("notes.txt").write_text("notes")

    assert home.run("report", "capture", "notes.txt") == 2
    assert home.run("report", "capture", "20200101t000000z-abcdefghijklmnop") == 1
    assert home.run("report", "capture", "--zone", "Nowhere", home.file) == 2
    assert home.run("report", "capture", "--at", "2999-01-01", home.file) == 2
    assert home.run("quarantine", "--reason", "a court order", home.id) == 0, home.err
    assert home.run("report", "capture", home.id) == 20
    assert list(Path().glob("report*")) == []


def test_a_second_report_of_one_name_does_not_replace_the_first(home: BundleShell) -> None:
    """A forger can give a bundle the id of another one."""
    Path("altered.wacz").write_bytes(bundles.pack({"capture/capture.json": b"{}"}))
    Path("other.wacz").write_bytes(bundles.pack({"capture/capture.json": b"{} "}))

    assert home.run("report", "capture", "--format", "json", "altered.wacz", "other.wacz") == 2

    assert "reports of the same name: report" in home.err
    found = json.loads(Path("report.json").read_bytes())
    digest = hashlib.sha256(Path("altered.wacz").read_bytes()).hexdigest()
    assert found["fields"]["what"]["bundle_sha256"]["value"] == digest
    assert home.run("report", "capture", "--format", "json", home.id, home.file) == 2


@pytest.mark.parametrize(
    "at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2999-01-01"]
)
def test_a_time_that_is_not_in_the_past_is_refused(home: BundleShell, at: str) -> None:
    assert home.run("report", "capture", "--format", "json", "--at", at, home.id) == 2
    assert "is not a time in the past" in home.err


def test_without_a_browser_the_other_files_are_written(
    home: BundleShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SNAPSHOTTER_BROWSER_PATH", str(home.folder / "no-browser"))

    code = home.run("report", "capture", home.id)

    assert code == 30, home.err
    assert {path.suffix for path in Path().glob("report*")} == {".html", ".json"}
    for kind in ("html", "json"):
        assert f"this file was written: report-{home.id}.{kind}\n" in home.err


def test_the_commands_of_a_report_check_the_tokens_that_the_bundle_has(
    home: BundleShell, authority: ChainAuthority
) -> None:
    signer = bundles.new_signer()
    made = bundles.seal(
        home.folder / "inside", signer=signer, authorities=[authority], clock=RealClock()
    )
    late = bundles.seal(home.folder / "beside", signer=signer, clock=RealClock())
    signature = bundles.unpack(late.file.read_bytes())["seal/sig-01.der"]
    late.file.with_name(f"{late.file.name}.late-01.tsr").write_bytes(authority.response(signature))
    Path("KEY.pem").write_bytes(signer.public_key_pem)
    Path("ROOT.pem").write_bytes(authority.anchor.root.public_bytes(Encoding.PEM))

    for bundle, token in (
        (made, "sig-01.tsa-01.tsr"),
        (late, f"{late.id}.wacz.late-01.tsr"),
    ):
        assert home.run("report", "capture", "--format", "json", bundle.file) in (0, 11), home.err
        commands = json.loads(Path(f"report-{bundle.id}.json").read_bytes())["commands"]
        for file in bundle.file.parent.glob(f"{bundle.file.name}*"):
            target = Path(f"{bundle.id}.wacz{file.name.removeprefix(bundle.file.name)}")
            shutil.copyfile(file, target)
        said = subprocess.run(
            ["/bin/sh", "-eux", "-c", "\n".join(commands)],
            capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
        assert f"openssl ts -verify -in {token} " in said.stderr
        assert (said.stdout.count("Verified OK"), said.stdout.count("Verification: OK")) == (1, 1)
