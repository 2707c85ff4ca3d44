"""
Other people's tools on the record of the torture page: bodies as they were sent, chunked and
compressed, over each version of HTTP.
"""

import subprocess
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.product import Installation
from tests.interop.test_replay import pywb_serving
from tests.servers.torture import Mode, Torture
from tests.tools import python_tool, system_tool

pytestmark = [
    pytest.mark.interop,
    pytest.mark.e2e,
    pytest.mark.long,
    pytest.mark.xdist_group("interop"),
]

MODES: tuple[Mode, ...] = ("http", "https", "h2")
POLICY = """name = "torture"
[browser]
ignore_certificate_errors = true
[require]
timestamps = 0
"""


@dataclass(frozen=True, slots=True)
class Kept:
    """A bundle of the torture page, whose server is gone."""

    torture: Torture
    bundle: Path
    folder: Path
    installation: Installation
    key: Path  # opens the streams that are kept with it


@pytest.fixture(scope="module", params=MODES)
def kept(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Kept:
    folder = tmp_path_factory.mktemp("torture")
    installation = Installation(folder / "home")
    policy = installation.home / "policy.toml"
    policy.write_text(POLICY)
    key, public = folder / "court.key", folder / "court.pub"
    _openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384", "-out", key)
    _openssl("pkey", "-in", key, "-pubout", "-out", public)
    with Torture(request.param, pending=False) as torture:
        done = installation.run(
            "capture", "--json", "--policy", policy, "--keep-streams-for", public, torture.url
        )
    assert done.objects, done.err
    bundle = Path(done.object["bundle"]["path"])
    return Kept(torture, bundle, folder, installation, key)


def _openssl(*arguments: object) -> None:
    subprocess.run(
        [system_tool("openssl"), *map(str, arguments)],
        capture_output=True,
        check=True,
        timeout=60,
    )


def test_wacz_and_warcio_find_nothing_wrong(kept: Kept) -> None:
    with zipfile.ZipFile(kept.bundle) as archive:
        archive.extract("archive/data.warc.gz", kept.folder)

    for command in (
        ("wacz", "validate", "-f", kept.bundle),
        ("warcio", "check", kept.folder / "archive/data.warc.gz"),
    ):
        done = subprocess.run(
            [python_tool(command[0]), *map(str, command[1:])],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_record_can_be_made_anew_from_the_streams_that_were_kept(kept: Kept) -> None:
    done = kept.installation.run("streams", "check", "--json", "--key", kept.key, kept.bundle)

    assert done.code == 0, done.out
    said = done.object
    assert said["agrees"] is True
    assert said["differences"] == []
    assert said["exchanges"] >= len(kept.torture.requests)
    assert said["records"] >= 2 * said["exchanges"] - 5  # a few had no answer
    if kept.torture.mode != "http":
        # Chromium leaves a first connection when it sees the certificate, and comes again.
        assert said["handshakes"] >= said["finished"] >= 1
    assert list(kept.installation.spool.iterdir()) == []


def test_openssl_and_tar_open_the_streams_as_we_do(kept: Kept) -> None:
    """The lines of docs/howto/keep-streams.md."""
    opened, theirs = kept.folder / "in-clear", kept.folder / "theirs"
    theirs.mkdir(exist_ok=True)
    with zipfile.ZipFile(kept.bundle) as archive:
        archive.extract("capture/streams.p7m", theirs)

    done = kept.installation.run("streams", "open", "--key", kept.key, "-o", opened, kept.bundle)
    _openssl(
        *("cms", "-decrypt", "-binary", "-inform", "DER", "-inkey", kept.key),
        *("-in", theirs / "capture/streams.p7m", "-out", theirs / "streams.tar"),
    )
    subprocess.run([system_tool("tar"), "xf", "streams.tar"], cwd=theirs, check=True, timeout=60)

    assert done.code == 0, done.err
    assert "not encrypted" in done.err
    names = sorted(path.name for path in opened.iterdir())
    assert {"README.txt", "connections.json", "keys.log", "00001.tee"} <= set(names)
    for name in names:
        assert (opened / name).read_bytes() == (theirs / name).read_bytes()
    assert opened.stat().st_mode & 0o077 == 0


@pytest.fixture(scope="module")
def pywb(kept: Kept, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pywb_serving(kept.bundle, tmp_path_factory.mktemp("pywb")) as base:
        yield base


def test_pywb_replays_bodies_as_they_were_sent(kept: Kept, pywb: str) -> None:
    origin, answers = kept.torture.origins[0], kept.torture.answers

    shown = {path: b"%s " % path.strip("/").encode() * 500 for path in ("/gzip", "/br", "/deflate")}
    for path in ("/chunked", "/until-close", "/large.bin", "/style.css"):
        shown[path] = answers[path].body
    for path, body in shown.items():
        replayed = _replayed(f"{pywb}/2id_/{origin}{path}")
        # It takes trailers for a part of the body, which over HTTP/1 this one has.
        assert replayed == body or (path == "/chunked" and replayed.startswith(body))
    assert _replayed(f"{pywb}/2id_/{origin}/404.png") == answers["/404.png"].body
    assert _replayed(f"{pywb}/2id_/{kept.torture.origins[1]}/opaque") == answers["/opaque"].body


def _replayed(url: str) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:  # noqa: S310  an address of ours
            return bytes(answer.read())
    except urllib.error.HTTPError as error:  # the status that was recorded
        return bytes(error.read())
