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
from tests.tools import python_tool

pytestmark = [pytest.mark.interop, pytest.mark.e2e, pytest.mark.xdist_group("interop")]

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


@pytest.fixture(scope="module", params=MODES)
def kept(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Kept:
    folder = tmp_path_factory.mktemp("torture")
    installation = Installation(folder / "home")
    policy = installation.home / "policy.toml"
    policy.write_text(POLICY)
    with Torture(request.param, pending=False) as torture:
        done = installation.run("capture", "--json", "--policy", policy, torture.url)
    assert done.objects, done.err
    return Kept(torture, Path(done.object["bundle"]["path"]), folder)


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
