"""Other people's checkers on a bundle of ours: what they promise to check, they find right."""

import json
import re
import subprocess
import zipfile
from datetime import datetime
from pathlib import Path

import pytest

from tests.interop.conftest import Exhibit
from tests.tools import ROOT, python_tool, system_tool

pytestmark = [
    pytest.mark.interop,
    pytest.mark.e2e,
    pytest.mark.long,
    pytest.mark.xdist_group("interop"),
]


def run(*command: str | Path, folder: Path | None = None) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        list(map(str, command)),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def unpacked(exhibit: Exhibit, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle as `unzip` unpacks it."""
    folder = tmp_path_factory.mktemp("unpacked") / "b"
    tested = run(system_tool("unzip"), "-tq", exhibit.bundle)
    assert tested.returncode == 0, tested.stdout + tested.stderr
    done = run("unzip", "-q", exhibit.bundle, "-d", folder)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    return folder


def test_wacz_validate_finds_nothing_wrong(exhibit: Exhibit) -> None:
    done = run(python_tool("wacz"), "validate", "-f", exhibit.bundle)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "Valid" in done.stdout + done.stderr
    assert "nvalid" not in (done.stdout + done.stderr).replace("Valid", "")


def test_warcio_finds_every_digest_right(unpacked: Path) -> None:
    records = run(
        python_tool("warcio"), "index", "-f", "warc-type", unpacked / "archive/data.warc.gz"
    )
    done = run(python_tool("warcio"), "check", "-v", unpacked / "archive/data.warc.gz")

    kinds = [json.loads(line)["warc-type"] for line in records.stdout.splitlines()]
    assert done.returncode == 0, done.stdout
    assert "fail" not in done.stdout.lower()
    assert kinds[0] == "warcinfo"
    assert kinds.count("response") == kinds.count("request") >= 15
    # Each response has a digest of its block and of its payload, and each passes.
    passed = re.findall(r"digest pass", done.stdout)
    assert len(passed) >= len(kinds)
    assert "no digest" not in done.stdout


def test_another_indexer_finds_our_index_right(unpacked: Path) -> None:
    def entries(lines: str) -> set[tuple[str, str, str]]:
        found = set()
        for line in lines.splitlines():
            _, _, data = line.split(" ", 2)
            document = json.loads(data)
            found.add((document["url"], document["offset"], document["length"]))
        return found

    done = run(python_tool("cdxj-indexer"), unpacked / "archive/data.warc.gz")

    assert done.returncode == 0, done.stderr
    ours = entries((unpacked / "indexes/index.cdx").read_text())
    assert len(ours) >= 15
    assert entries(done.stdout) <= ours


def test_no_two_files_have_one_name(exhibit: Exhibit) -> None:
    names = run(system_tool("unzip"), "-Z1", exhibit.bundle).stdout.splitlines()

    assert len(names) == len({name.lower() for name in names})
    with zipfile.ZipFile(exhibit.bundle) as archive:
        assert names == archive.namelist()


@pytest.mark.parametrize(
    ("tool", "manifest"), [("sha256sum", "manifest-sha256.txt"), ("b3sum", "manifest-blake3.txt")]
)
def test_every_listed_file_is_as_signed(unpacked: Path, tool: str, manifest: str) -> None:
    strict = ["--strict", "--quiet", "-c"] if tool == "sha256sum" else ["--check"]

    good = run(system_tool(tool), *strict, f"seal/{manifest}", folder=unpacked)
    assert good.returncode == 0, good.stdout + good.stderr

    page = unpacked / "capture/page.txt"
    original = page.read_bytes()
    page.write_bytes(original + b"!")
    try:
        assert run(tool, *strict, f"seal/{manifest}", folder=unpacked).returncode != 0
    finally:
        page.write_bytes(original)


def test_openssl_finds_the_signature_good_and_the_key_the_published_one(
    unpacked: Path, exhibit: Exhibit
) -> None:
    signature = ("-signature", "seal/sig-01.der")
    checked = run(
        *(system_tool("openssl"), "dgst", "-sha384", "-verify", exhibit.public_key, *signature),
        "seal/manifest-sha256.txt",
        folder=unpacked,
    )
    other = run(
        *("openssl", "dgst", "-sha384", "-verify", exhibit.public_key, *signature),
        "seal/manifest-blake3.txt",
        folder=unpacked,
    )
    der = subprocess.run(
        ["openssl", "pkey", "-pubin", "-in", exhibit.public_key, "-outform", "DER"],
        capture_output=True,
        check=True,
        timeout=60,
    ).stdout
    key_id = subprocess.run(
        [system_tool("sha256sum")], input=der, capture_output=True, check=True, timeout=60
    ).stdout.split()[0]
    record = json.loads((unpacked / "capture/capture.json").read_text())

    assert (checked.returncode, checked.stdout) == (0, "Verified OK\n")
    assert other.returncode != 0
    assert [signer["key_id"] for signer in record["signers"]] == [key_id.decode()]


def test_openssl_finds_the_token_good_at_its_own_time(unpacked: Path, exhibit: Exhibit) -> None:
    time = datetime.fromisoformat(exhibit.facts["timestamps"][0]["time"])
    token = ("ts", "-verify", "-in", "seal/sig-01.tsa-01.tsr", "-CAfile", str(exhibit.root))
    at = ("-attime", str(int(time.timestamp())))

    good = run(system_tool("openssl"), *token, "-data", "seal/sig-01.der", *at, folder=unpacked)
    other = run("openssl", *token, "-data", "seal/sig-01.pem", *at, folder=unpacked)
    said = run("openssl", "ts", "-reply", "-in", "seal/sig-01.tsa-01.tsr", "-text", folder=unpacked)

    assert good.returncode == 0, good.stdout + good.stderr
    assert "Verification: OK" in good.stdout + good.stderr
    assert other.returncode != 0
    assert f"{time:%H:%M:%S}" in said.stdout


def test_the_commands_that_our_documentation_tells_a_stranger_pass_as_they_stand(
    exhibit: Exhibit, tmp_path: Path
) -> None:
    for tool in ("unzip", "sha256sum", "openssl"):
        system_tool(tool)
    document = (ROOT / "docs/howto/verify-without-us.md").read_text()
    commands = re.findall(r"```sh\n(.*?)```", document, re.DOTALL)[0]
    for name, source in (
        ("exhibit.wacz", exhibit.bundle),
        ("KEY.pem", exhibit.public_key),
        ("ROOT.pem", exhibit.root),
    ):
        (tmp_path / name).write_bytes(source.read_bytes())

    done = run("bash", "-euo", "pipefail", "-c", commands, folder=tmp_path)

    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    for words in ("files as signed", "Verified OK", "Verification: OK", "GMT"):
        assert words in said
    with zipfile.ZipFile(exhibit.bundle) as archive:
        signer = json.loads(archive.read("capture/capture.json"))["signers"][0]
    assert signer["key_id"] in said
    assert "plain names" in said
    names = {path.name for path in (tmp_path / "by-hand").iterdir()}
    assert names == {"manifest-sha256.txt", "sig-01.der", "sig-01.tsa-01.tsr"}
