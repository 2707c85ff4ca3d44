"""
A file that is no exhibit gets no verdict, and no damage takes FAILED away from one that is.

All three programs of verification follow the rule: `snapshotter verify`, `python -m
snapshotter.verify` and scripts/verify_minimal.py.
"""

import io
import os
import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from snapshotter.cli.main import main as full
from snapshotter.formats.statements import takedown
from snapshotter.verify.__main__ import main as alone
from snapshotter.verify.file_kind import FileKind, NotEvidence, kind_of
from tests.unit.verify.test_minimal_verifier import MINIMAL, PIN, VECTORS

GOOD = (VECTORS / "v1-good" / "bundle.wacz").read_bytes()
TRUST = VECTORS / "trust" / "trust.json"
CSV = b"name,url\nA page,https://example.org/exhibit.wacz\n"
ID = "20261124t160642z-k3v4q2m7xw4c5b6d"


def archive(*names: str) -> bytes:
    """Return a ZIP archive of files whose content is a bundle."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        for name in names:
            made.writestr(name, GOOD)
    return out.getvalue()


PAGE = b'<!DOCTYPE html>\n<html lang="en">\n'
NAMED = b'"capture/capture.json","seal/sig-01.der"'  # files of a bundle, as a report names them

Program = Callable[[Path], int]
BY = ["--trust", str(TRUST), "--root-key", PIN]
PROGRAMS: dict[str, Program] = {
    "full": lambda path: full(["verify", *BY, str(path)]),
    "alone": lambda path: alone([*BY, str(path)]),
    "minimal": lambda path: int(MINIMAL.main([*BY, str(path)])),
}

NO_EXHIBIT: dict[str, bytes] = {
    "links.csv": CSV,
    "empty": b"",
    "page.html": b"<!DOCTYPE html>\n<title>The waczs</title>\n",
    "settings.json": b'{"event": "none", "format": "1"}\n',
    "trust.json": TRUST.read_bytes(),
    f"{ID}.wacz.tlog-proof": b"c2sp.org/tlog-proof@v1\nindex 6\n",
    f"{ID}.json.tlog-proof": b"c2sp.org/tlog-proof@v1\nindex 6\n",
    "exhibit.wacz.late-01.tsr": b"\x30\x82\x10\x00" + bytes(30),
    "exhibit.wacz.renewal-01.txt": b"snapshotter-renewal/1\nbundle x\n",
    "exhibit.wacz.custody-0001.jsonl": b'{"agent":"x","detail":"seal/sig-01.tsa-01.tsr"}\n',
    f"report-{ID}.html": PAGE + NAMED,
    f"report-{ID} (1).pdf": b"%PDF-1.4\n" + NAMED,
    f"report-{ID}.json": b'{"bundle_id":"x",' + NAMED + b":0}",
    f"declaration-{ID}-and-2-more.json": b'{"blanks":[' + NAMED + b"]}",
    "case-report-harbour.json": b'{"alarms":[' + NAMED + b"]}",
    "exhibit-0001.html": PAGE + NAMED,
    f"{ID}.har": b'{\n "log": {' + NAMED,
    # A picture has the bytes of a trace by chance.
    "report-1.html": PAGE + b'<img src="data:image/webp;base64,AAUEsDBBQAAUEsDB/A=">',
    f"report-{ID} (2).pdf": b"%PDF-1.4\nstream PK\x05\x06 PK\x03\x04 PK\x01\x02"
    + b" " * 60
    + NAMED,
    "body.har": b'{\n "log": {"text":"UEsDBBQAAAA="',
    f"{ID}.scitt": b"\xd2\x84\x43",
    f"{ID}.receipt": b"\xd2\x84\x43",
    "harbour.zip": archive(f"bundles/{ID}.wacz", "trust.json"),
    "picture.png": b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4,
}
EXHIBIT: dict[str, bytes] = {
    # Named like one, whatever is in it.
    "exhibit.wacz": CSV,
    "EXHIBIT (1).WACZ.part": b"",
    f"{ID}.json": b"\0" * 100,
    f"copy of {ID.upper()}": CSV,
    "proof-1.html": b"words",
    # Named like what stands beside one, and it is something else.
    "a.wacz.tlog-proof": CSV,
    "b.wacz.custody-0001.jsonl": b'{"agent":"x"}\n' + GOOD,
    "c.wacz.late-01.tsr": b"\x30\x82" + GOOD[2:],
    # Named like a document about one, and it is something else or has one in it.
    f"report-{ID}.html": b"<!DOCTYPE html>\n<!-- -->" + NAMED,
    f"report-{ID}.pdf": b"%PDF-" + GOOD[5:],
    "report-end.pdf": b"%PDF-" + GOOD[-4000:],
    "report-entry.html": PAGE + GOOD[GOOD.rindex(b"PK\x01\x02") :],
    "report-utf-16.html": PAGE + GOOD[:40].decode("latin-1").encode("utf-16"),
    f"report-{ID}.json": b'{"bundle_id":"UEsDBBQ"}',
    "report-event.json": b'{"bundle_id":"","event":"snapshotter-takedown/1"}',
    f"report-of-{ID}.json": b'{"bundle_id" :""}',
    f"{ID}.har": b'{"log":' + GOOD,
    f"{ID}.scitt": CSV,
    f"{ID}.receipt": b"\xd2\x84" + GOOD,
    "sealed.zip": archive(f"{ID}.wacz", "seal/sig-01.der"),
    "bundle.zip": GOOD.replace(b"seal/sig-01.der", b"seal/sig-01.wac"),
    "cut.zip": archive(f"bundles/{ID}.wacz")[:-23],
    # With a trace of one, whatever its name is.
    "cut.csv": GOOD[:40],
    "end.csv": GOOD[-30:],
    "prepended.csv": CSV * 30_000 + GOOD,
    "other-magic.csv": b"XX" + GOOD[2:],
    "utf-16.csv": '{"event":{"kind":"removed"}}'.encode("utf-16"),
    "event.csv": b'{"evemt":{"first_gone":{}}}',
    "pack.csv": b" " * 300 + b"<!-- snapshotter-pack/2 -->",
    "page-of-parts.html": b"<!DOCTYPE html>\n<script>UEsDBBQ=</script>",
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_file_that_is_no_exhibit_is_a_usage_error_and_gets_no_verdict(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], program: str
) -> None:
    for name, data in NO_EXHIBIT.items():
        path = tmp_path / name
        path.write_bytes(data)

        assert PROGRAMS[program](path) == 2, name
        out, err = capfd.readouterr()
        assert out == ""
        assert f"{path} is " in err
        rest = err.partition("judge" if program == "minimal" else "try: ")[2]
        assert ".wacz" in rest  # what can be verified
        assert "rely" not in err


@pytest.mark.parametrize("program", PROGRAMS)
def test_what_is_named_like_an_exhibit_or_has_a_trace_of_one_is_failed(
    tmp_path: Path, program: str
) -> None:
    for name, data in EXHIBIT.items():
        path = tmp_path / name
        path.write_bytes(data)

        assert PROGRAMS[program](path) == 10, name


@pytest.mark.parametrize("program", PROGRAMS)
def test_another_name_for_an_exhibit_does_not_take_its_verdict_away(
    tmp_path: Path, program: str
) -> None:
    (tmp_path / "exhibit.wacz").write_bytes(CSV)
    (tmp_path / "links.csv").symlink_to("exhibit.wacz")

    assert PROGRAMS[program](tmp_path / "links.csv") == 10


@pytest.mark.parametrize("program", ["alone", "minimal"])
def test_without_rules_a_campaign_report_is_not_said_to_have_failed(
    tmp_path: Path, program: str
) -> None:
    for name, code in (("report.json", 11), ("report.wacz", 10)):
        path = tmp_path / name
        path.write_bytes(b'{"format":"snapshotter-campaign/1","report":{}}')

        assert PROGRAMS[program](path) == code


@pytest.mark.parametrize("program", PROGRAMS)
def test_what_a_page_writes_into_a_bundle_does_not_make_it_another_kind_of_file(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], program: str
) -> None:
    words = b'{"format":"snapshotter-takedown/1"}<!-- snapshotter-pack/1 -->'
    path = tmp_path / "exhibit.wacz"
    path.write_bytes(GOOD[:60] + words + GOOD[60 + len(words) :])

    assert PROGRAMS[program](path) == 10
    assert re.search(r"(FAIL|BAD) +container +(CONTAINER +)?the ", capfd.readouterr().out)


def test_what_lies_in_a_bundle_does_not_make_it_another_kind_of_file() -> None:
    """A page can have itself kept in the first bytes of a bundle."""
    words = f'{{"format":"{takedown.FORMAT}"}}'.encode()
    path = Path("proof-1.html")  # named like an exhibit

    assert kind_of(io.BytesIO(b"PK\x03\x04" + bytes(26) + words), path) is FileKind.BUNDLE
    assert kind_of(io.BytesIO(words), path) is FileKind.TAKEDOWN
    assert kind_of(io.BytesIO(b"<!DOCTYPE html>\n"), path) is FileKind.PACK


def test_a_usage_error_hides_no_verdict(tmp_path: Path) -> None:
    links, bundle = tmp_path / "links.csv", tmp_path / "exhibit.wacz"
    links.write_bytes(CSV)
    bundle.write_bytes(GOOD[:-1])

    assert full(["verify", *BY, str(links), str(bundle)]) == 10
    assert MINIMAL.main([*BY, str(links), str(bundle)]) == 10


def test_no_part_of_a_bundle_and_no_place_of_a_trace_is_taken_for_no_exhibit() -> None:
    path = Path("x")
    middle = len(GOOD) // 2
    parts = [GOOD[:length] for length in range(4, 200)]
    parts += [GOOD[middle:], GOOD[-200:]]
    parts += [GOOD[:at] + bytes([GOOD[at] ^ 0xFF]) + GOOD[at + 1 :] for at in range(64)]
    for part in parts:
        kind_of(io.BytesIO(part), path)
    for at in range((1 << 20) - 30, (1 << 20) + 2):  # where one read ends and the next begins
        kind_of(io.BytesIO(b"\n" * at + b"snapshotter-takedown/"), path)
        stream = io.BytesIO(b"\n" * at + "seal/sig-0".encode("utf-16-be"))
        kind_of(stream, path)
        assert stream.tell() == 0


def test_a_file_that_is_longer_than_any_exhibit_is_judged_without_a_search(tmp_path: Path) -> None:
    path = tmp_path / "links.csv"
    path.touch()
    os.truncate(path, (1 << 32) + 1)

    with path.open("rb") as stream:
        kind_of(stream, path)
    os.truncate(path, 100)
    with path.open("rb") as stream, pytest.raises(NotEvidence):
        kind_of(stream, path)


def test_documents_that_our_commands_make_get_no_verdict(tmp_path: Path) -> None:
    release = VECTORS / "release-2026-11"
    shutil.copytree(release / "store", tmp_path / "store")
    bundle = next((tmp_path / "store" / "bundles").rglob("*m7iov3d6ro2bggcr.wacz"))
    key = (release / "root-key.txt").read_text().strip()
    by = ["--trust", str(release / "trust.json"), "--root-key", key]
    out = tmp_path / "out"
    for kind in ("capture", "declaration"):
        formats = ["--format", "html", "--format", "json"]
        assert full(["report", kind, *by, *formats, "-o", str(out), str(bundle)]) == 0
    store = ["--store", str(tmp_path / "store")]
    assert full(["export", "--har", *store, "-o", str(out), bundle.stem]) == 0

    pdf = out / f"report-{bundle.stem}.pdf"
    pdf.write_bytes(b"%PDF-1.4\n")
    files = sorted(out.iterdir())
    assert len(files) == 6
    for path in files:
        with path.open("rb") as stream, pytest.raises(NotEvidence, match="no evidence") as refused:
            kind_of(stream, path)
        assert refused.value.hint.endswith(f"\n  snapshotter verify {bundle.stem}.wacz"), path.name
