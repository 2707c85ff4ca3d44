"""`case export`: one archive that is checked with unzip, openssl and Python, and nothing else."""

import csv
import hashlib
import io
import json
import re
import shutil
import subprocess
import zipfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from snapshotter.model.bundle import Bundle
from snapshotter.model.page import Page
from snapshotter.verify.bundle import verify_bundle
from snapshotter.verify.file_kind import NotEvidence, kind_of
from tests import bundles, site_bundles
from tests.bundles import ChainAuthority, RealClock
from tests.fakes.world import FixedClock
from tests.servers.authority import POLICY_OID
from tests.unit.cli.bundle_shell import BundleShell
from tests.unit.formats.test_load_files import rows

HOSTILE = "=1+1 </title><script>alert(1)</script> `id` $(id) \"'; \x14 þ"
SECRET = "our theory"  # of every text that may be privileged


class Case:
    """The case harbour: a hostile page, and what an archive leaves out."""

    def __init__(self, shell: BundleShell, authority: ChainAuthority) -> None:
        self.shell, self.run = shell, shell.run
        signer = bundles.new_signer()
        made = bundles.seal(
            shell.folder / "hostile", signer=signer, title=HOSTILE, authorities=[authority],
            clock=FixedClock(RealClock().now() - timedelta(minutes=1)),
        )  # fmt: skip
        hidden = bundles.seal(
            shell.folder / "hidden", signer=signer,
            clock=FixedClock(RealClock().now() - timedelta(hours=1)),
        )  # fmt: skip
        self.id, self.hidden, self.removed = made.id, hidden.id, shell.id
        Path("signer.pem").write_bytes(signer.public_key_pem)
        Path("tsa.pem").write_bytes(authority.anchor.root.public_bytes(Encoding.PEM))
        self.does("trust", "init", "trust.json")
        self.root_key = shell.out.strip()
        self.does("trust", "add-key", "trust.json", "signer.pem", "--owner", "O")
        self.does(
            "trust", "add-tsa", "trust.json", "--name", "T", "--root", "tsa.pem",
            "--policy-oid", POLICY_OID,
        )  # fmt: skip
        self.does("keys", "init")
        self.does("store", "add", made.file, hidden.file)
        self.does("case", "create", "harbour", "--title", f"{SECRET} 1")
        self.does("case", "add", "harbour", self.removed, self.id, hidden.id)
        self.does("case", "remove", "harbour", self.removed, "--reason", f"{SECRET} 2")
        self.does("note", "add", self.id, f"{SECRET} 3")
        self.does("note", "add", "--case", "harbour", f"{SECRET} 4")
        self.does("tag", "add", SECRET, self.id)
        self.does("review", "--accept", self.id, "--reason", f"{SECRET} 5")
        self.does("quarantine", "--reason", "may show a child", hidden.id)

    def does(self, *arguments: object) -> None:
        assert self.run(*arguments) == 0, self.shell.err

    def export(self, *more: object) -> int:
        trust = ("--trust", "trust.json", "--root-key", self.root_key)
        return self.run("case", "export", "harbour", *trust, *more)


@pytest.fixture
def case(shell: BundleShell, authority: ChainAuthority) -> Case:
    return Case(shell, authority)


def add_page_with_picture(case: Case, at: datetime) -> Bundle:
    """Add exhibit 4, whose title has characters that end a field of a load file."""
    page = Page(
        requested_url="https://news.example.org/a", final_url="https://news.example.org/a",
        captured_at=RealClock().now(), timezone="UTC", locale="en", status=200,
        html="<title>A</title><p>The wall was white.</p>", text="The wall was white.",
    )  # fmt: skip
    made = site_bundles.seal(
        Path("page").absolute(), page, at, signer=bundles.new_signer(), title="\u00feA\u00fe \u0014"
    )
    case.does("store", "add", made.file)
    case.does("case", "add", "harbour", made.id)
    return made


def stranger(command: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run a command with three programs in reach."""
    reach = folder.parent / "reach"
    reach.mkdir(exist_ok=True)
    for name in ("unzip", "openssl", "python3"):
        found = shutil.which(name, path="/usr/bin:/bin:/usr/local/bin:/opt/homebrew/bin")
        if not (reach / name).exists():
            (reach / name).symlink_to(found or "")
    return subprocess.run(
        ["/usr/bin/env", "-i", f"PATH={reach}", "/bin/sh", "-eu", "-c", command],
        cwd=folder, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def commands(readme: str) -> list[str]:
    return [found for found in readme.split("\n\n") if re.match("unzip|export|python3 -I ", found)]


def test_the_readme_of_an_archive_is_all_that_a_stranger_needs(case: Case, tmp_path: Path) -> None:
    assert case.export("-o", "hand over.zip") == 0, case.shell.err
    there = tmp_path / "there"
    there.mkdir()
    shutil.move("hand over.zip", there)
    with zipfile.ZipFile(there / "hand over.zip") as archive:
        readme = archive.read("README.txt").decode()
    unpack, sums, root, verifier = commands(readme)

    assert stranger(unpack, there).returncode == 0
    folder = there / "hand over"
    assert stranger(sums, folder).stdout.endswith("files, changed or missing: 0\n")
    assert stranger(root, folder).stdout == f"Verified OK\n{case.root_key} *stdin\n"
    passed = stranger(verifier, folder)
    assert (passed.returncode, passed.stdout.count("PASSED")) == (0, 1), passed.stdout

    bundle = folder / "bundles" / f"{case.id}.wacz"
    data = bytearray(bundle.read_bytes())
    data[data.index(b"example.test")] ^= 1
    bundle.write_bytes(data)
    (folder / "exhibits.csv").unlink()
    changed = stranger(sums, folder)
    assert changed.returncode == 1
    assert f"CHANGED bundles/{case.id}.wacz\nMISSING exhibits.csv\n" in changed.stdout
    assert stranger(verifier, folder).returncode == 10


def unpacked(file: str) -> dict[str, bytes]:
    with zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def test_an_archive_has_nothing_that_may_be_privileged(case: Case) -> None:
    assert case.export("-o", "harbour.zip", "--json") == 0, case.shell.err
    with Path("harbour.zip").open("rb") as stream, pytest.raises(NotEvidence, match="an archive"):
        kind_of(stream, Path("harbour.zip"))
    told = case.shell.object

    files = unpacked("harbour.zip")
    assert not [name for name, data in files.items() if SECRET.encode() in data]
    assert not [name for name in files if case.hidden in name or case.removed in name]
    assert told["withheld"] == {"notes": 2, "reviews": 2, "tags": 1, "title": 1}
    hidden: dict[str, Any] = {
        "bundle_id": case.hidden, "exhibit": 3, "reason": "may show a child",
    }  # fmt: skip
    assert told["quarantined"] == [hidden]
    listed = json.loads(files["exhibits.json"])
    assert (listed["quarantined"], listed["removed"]) == ([hidden], [1])
    readme = files["README.txt"].decode()
    assert "Captures in quarantine, which are left out: 1\n" in readme
    assert f"exhibit 3, {case.hidden}: may show a child\n" in readme
    assert "removed from the case: 1\n" in readme
    assert "Withheld, because it may be privileged: notes. Number: 2\n" in readme
    assert "harbour, Exhibit 2" in files["reports/exhibit-0002.html"].decode()
    about = json.loads(files["case-report-harbour.json"])
    assert [exhibit["bundle_id"] for exhibit in about["exhibits"]] == [case.id]
    assert (about["verification"]["verdict"], about["title"]) == ("passed", None)
    assert "case-report-harbour.html, case-report-harbour.json\n    The report about" in readme
    digest = hashlib.sha256(files["case-report-harbour.json"]).hexdigest()
    assert f"<span>{digest[:4]}</span><span>{digest[4:8]}</span>" in (
        files["case-report-harbour.html"].decode()
    )

    # The title of the page is hostile.
    (row,) = csv.DictReader(io.StringIO(files["exhibits.csv"].decode(), newline=""))
    assert row["title"].startswith("'=1+1 </title>")
    assert (row["exhibit"], row["bundle_id"], row["verdict"]) == ("2", case.id, "passed")
    for page in ("reports/exhibit-0002.html", "case-report-harbour.html"):
        assert b"<script>alert" not in files[page]
    assert b"1+1" not in files["README.txt"]


def test_what_people_wrote_is_in_an_archive_if_the_user_names_it(case: Case) -> None:
    assert case.export("--with", "notes,title", "--with", "notes, title") == 0, case.shell.err

    files = unpacked("harbour.zip")
    written = json.loads(files["annotations.json"])
    assert written["title"] == f"{SECRET} 1"
    assert [note["text"] for note in written["notes"]] == [f"{SECRET} 4"]
    (exhibit,) = written["exhibits"]
    assert [note["text"] for note in exhibit["notes"]] == [f"{SECRET} 3"]
    assert not {"tags", "review", "marks"} & set(exhibit)
    assert "reasons" not in written
    readme = files["README.txt"].decode()
    assert "Included on request: notes; the title of the case." in readme
    assert "privileged: tags" in readme
    about = json.loads(files["case-report-harbour.json"])
    assert about["title"] == f"{SECRET} 1"
    assert list(about["sections"]["writings"]) == ["notes"]

    assert case.export("-o", "all.zip", "--with", "notes,reviews,tags,title") == 0, case.shell.err
    files = unpacked("all.zip")
    for name in ("annotations.json", "case-report-harbour.html"):
        assert all(f"{SECRET} {number}" in files[name].decode() for number in range(1, 6)), name


def test_the_report_about_the_case_can_be_left_out(case: Case) -> None:
    assert case.export("--no-case-report", "--json") == 0, case.shell.err

    assert case.shell.object["case_report"] is None
    files = unpacked("harbour.zip")
    assert not [name for name in files if name.startswith("case-report")]
    assert b"case-report" not in files["README.txt"]
    other = case.removed.encode()  # of the same page
    assert not [name for name, data in files.items() if other in data]
    assert case.run("case", "export", "harbour", "--preview", "--no-case-report") == 0
    assert "report about the case" not in case.shell.out


def test_an_exhibit_is_verified_once_for_its_report_and_for_that_of_the_case(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The report in the archive is that of `report case`."""
    monkeypatch.setenv("SNAPSHOTTER_RECORD_ACCESS", "false")
    add_page_with_picture(case, RealClock().now() - timedelta(minutes=2))
    verified = []

    def counting(*arguments: Any, **named: Any) -> Any:
        verified.append(1)
        return verify_bundle(*arguments, **named)

    monkeypatch.setattr("snapshotter.app.archive.capture_page.verify_bundle", counting)
    assert case.export("--json") == 0, case.shell.err
    exhibits = [found for found in case.shell.object["exhibits"] if found["bundle"]]
    assert len(verified) == len(exhibits) == 2

    trust = ("--trust", "trust.json", "--root-key", case.root_key)
    assert case.run("report", "case", "harbour", "--format", "json", "--zone", "UTC", *trust) == 11
    alone = json.loads(Path("case-report-harbour.json").read_bytes())
    within = json.loads(unpacked("harbour.zip")["case-report-harbour.json"])
    assert alone["exhibits"] == within["exhibits"]
    assert alone["exhibits"][1]["picture"]
    small = re.findall(
        r"data:image/[^\"]+", unpacked("harbour.zip")["case-report-harbour.html"].decode()
    )
    assert small
    assert case.run("report", "case", "harbour", "--format", "html", *trust) == 11
    page = Path("case-report-harbour.html").read_text()
    assert re.findall(r"data:image/[^\"]+", page) == small
    for section in ("custody", "timeline"):
        assert alone["sections"][section] == within["sections"][section]


def test_the_custody_chain_names_the_digest_of_what_the_archive_contains(case: Case) -> None:
    assert case.export() == 0, case.shell.err

    digest = hashlib.sha256(unpacked("harbour.zip")["SHA256SUMS"]).hexdigest()
    assert case.run("custody", "show", "--json", case.id) == 0
    said = case.shell.object["events"][-1]["detail"]
    assert said == f"in the archive of a case, SHA-256 of its SHA256SUMS {digest}"


def test_no_archive_leaves_without_its_custody_event(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process ends before the archive has its name: one event too many, never one too few."""

    def ended(*_: object) -> None:
        raise KeyboardInterrupt

    def exported() -> list[str]:
        assert case.run("custody", "show", "--json", case.id) == 0
        found = case.shell.object["events"]
        return [event["detail"] for event in found if event["event"] == "exporting"]

    with monkeypatch.context() as patch:
        patch.setattr("snapshotter.app.archive.exports.growing_archive._name", ended)
        assert case.export() == 130
    assert not Path("harbour.zip").exists()
    assert len(exported()) == 1

    assert case.export() == 0, case.shell.err

    digest = hashlib.sha256(unpacked("harbour.zip")["SHA256SUMS"]).hexdigest()
    first, last = exported()
    assert first.startswith("in the archive of a case")
    assert last.endswith(digest)


def test_a_preview_writes_nothing_and_needs_no_trust_file(case: Case) -> None:
    before = sorted(Path().rglob("*"))

    assert case.run("case", "export", "harbour", "--preview") == 0, case.shell.err

    assert sorted(Path().rglob("*")) == before
    for line in (
        "bundles with their sidecars: 1, ",
        "report about the case, which also names other captures of the same pages",
        "Withheld, because it may be privileged: notes. Number: 2",
        "Withheld, because it may be privileged: the title of the case. Number: 1",
        "Captures in quarantine, which are left out: 1",
        f"exhibit 3, {case.hidden}: may show a child",
        "removed from the case: 1",
    ):
        assert line in case.shell.out
    assert SECRET not in case.shell.out
    assert case.run("case", "export", "harbour", "--preview", "--with", "tags", "--json") == 0
    assert case.shell.object["included"] == ["tags"]
    assert case.run("case", "export", "harbour") == 1
    assert "needs a trust file" in case.shell.err
    assert "\n  snapshotter case export harbour --trust trust.json --root-key KEY-ID" in (
        case.shell.err
    )
    for size in ("4", "1MB", "many"):
        assert case.export("--split", size) == 2
    assert case.export("--with", "opinions") == 2
    assert sorted(Path().rglob("*")) == before


def test_an_exhibit_that_is_gone_is_listed_with_the_reason(case: Case) -> None:
    case.does("case", "add", "harbour", case.removed)
    case.does("erase", "--order", "O-1", "--reason", "court", "--yes", case.removed)

    assert case.export("--json") == 0, case.shell.err

    gone, there = case.shell.object["exhibits"]
    assert (gone["exhibit"], gone["bundle"]) == (1, None)
    assert gone["problem"] == "the capture was erased by the order O-1"
    assert there["problem"] is None
    readme = unpacked("harbour.zip")["README.txt"].decode()
    assert "Exhibits that are missing or damaged: 1\n" in readme
    assert "With a bundle: 1." in readme


def test_a_bundle_that_was_altered_in_the_store_is_exported_and_named(case: Case) -> None:
    stored = next(Path(case.shell.store.url).rglob(f"{case.id}.wacz"))
    data = bytearray(stored.read_bytes())
    data[data.index(b"example.test")] ^= 1
    stored.chmod(0o600)
    stored.write_bytes(data)

    assert case.export("--json") == 0, case.shell.err

    (exhibit,) = case.shell.object["exhibits"]
    assert exhibit["verdict"] == "failed"
    assert unpacked("harbour.zip")[exhibit["bundle"]] == bytes(data)


def test_an_interrupted_export_is_continued_by_the_same_command(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    case.does("case", "add", "harbour", case.removed)

    def interrupt(text: str) -> None:
        if "(2 of 2)" in text:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("snapshotter.cli.case_export.print_message", interrupt)
        assert case.export() == 130
    assert not Path("harbour.zip").exists()

    assert case.export("--split", "4GB") == 1
    assert "an unfinished export with other options" in case.shell.err
    assert case.export("--json") == 0, case.shell.err
    assert case.shell.object["continued"] == 1
    assert len(unpacked("harbour.zip")) > 10
    assert not list(Path().glob("*unfinished*"))


def test_without_a_browser_an_export_with_pdf_says_how_to_continue(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("SNAPSHOTTER_BROWSER_PATH", str(case.shell.folder / "no-browser"))
        assert case.export("--pdf") == 30, case.shell.err

    assert "to continue the export later, run the same command again" in case.shell.err


def test_load_files_name_files_of_the_archive(case: Case) -> None:
    at = RealClock().now() - timedelta(minutes=2)
    made = add_page_with_picture(case, at)

    assert case.export("--load-files") == 0, case.shell.err

    files = unpacked("harbour.zip")
    names, *documents = rows(files["harbour.dat"])
    hostile, shown = (dict(zip(names, row, strict=True)) for row in documents)
    assert hostile["TITLE"].startswith("=1+1 </title>")
    assert (hostile["BEGDOC"], hostile["PAGECOUNT"]) == ("HARBOUR-0002", "0")
    assert shown["TITLE"] == "\\u00feA\\u00fe \\u0014"
    assert (shown["BEGDOC"], shown["ENDDOC"], shown["EXHIBIT"]) == (
        "HARBOUR-0004", "HARBOUR-0004", "4",
    )  # fmt: skip
    at -= timedelta(seconds=2)  # the capture began then
    assert (shown["DATECAPTURED"], shown["TIMECAPTUREDUTC"]) == (
        f"{at:%Y%m%d}", f"{at:%H:%M:%S}",
    )  # fmt: skip
    for field in ("NATIVEPATH", "TEXTPATH", "REPORTPATH"):
        assert shown[field].replace("\\", "/") in files
    assert files["text/HARBOUR-0004.txt"] == b"The wall was white."
    assert files["harbour.opt"] == b"HARBOUR-0004,HARBOUR,images\\HARBOUR-0004.jpg,Y,,,1\r\n"
    assert files["images/HARBOUR-0004.jpg"].startswith(b"\xff\xd8\xff")

    case.does("mark", "graphic", made.id)
    assert case.export("--load-files", "-o", "marked.zip") == 0, case.shell.err
    assert unpacked("marked.zip")["harbour.opt"] == b""
