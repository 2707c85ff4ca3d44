"""`snapshotter verify` at its edges: files that are no bundles, ids, pipes, and no network."""

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.e2e.conftest import Captured
from tests.servers.authority import TestAuthority
from tests.tools import system_tool

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "CONTAINER"),
        (b"not a bundle\n", "CONTAINER"),
        (b"PK\5\6" + bytes(18), "MISSING"),  # a zip, of nothing
        (b"PK\3\4" * 99, "CONTAINER"),
    ],
    ids=["empty", "text", "empty-zip", "half-a-zip"],
)
def test_a_file_that_is_no_bundle_is_failed_and_never_a_traceback(
    captured: Captured, tmp_path: Path, content: bytes, code: str
) -> None:
    (tmp_path / "it.wacz").write_bytes(content)

    done = captured.installation.run("verify", "--json", tmp_path / "it.wacz")

    assert done.code == 10
    assert done.object["verdict"] == "failed"
    assert code in {finding["code"] for finding in done.object["findings"]}
    assert done.err == ""


def test_a_bundle_that_another_tool_zipped_again_is_failed(
    captured: Captured, tmp_path: Path
) -> None:
    with zipfile.ZipFile(captured.bundle) as archive:
        archive.extractall(tmp_path / "b")
        names = archive.namelist()
    subprocess.run(
        [system_tool("zip"), "-q", "-0", "-X", tmp_path / "again.wacz", *names],
        cwd=tmp_path / "b",
        check=True,
        timeout=60,
    )

    done = captured.installation.run("verify", "--json", tmp_path / "again.wacz")

    assert done.code == 10
    assert "CONTAINER" in {finding["code"] for finding in done.object["findings"]}


def test_a_bundle_without_its_token_is_not_passed(captured: Captured, tmp_path: Path) -> None:
    with zipfile.ZipFile(captured.bundle) as old, zipfile.ZipFile(tmp_path / "x.wacz", "w") as new:
        for info in old.infolist():
            if not info.filename.endswith(".tsr"):
                new.writestr(info, old.read(info))

    assert captured.installation.run("verify", tmp_path / "x.wacz").code == 10


@pytest.mark.parametrize("name", ["/no/such/file.wacz", "20261124t160642z-k3v4q2m7xw4c5b6d", ""])
def test_what_is_neither_a_file_nor_in_the_store_ends_in_1_with_a_sentence(
    captured: Captured, name: str
) -> None:
    done = captured.installation.run("verify", name)

    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("snapshotter: ")
    assert "Traceback" not in done.err


def test_a_directory_ends_in_1_with_a_sentence(captured: Captured, tmp_path: Path) -> None:
    done = captured.installation.run("verify", tmp_path)

    assert (done.code, done.out) == (1, "")
    assert "Traceback" not in done.err


def test_a_copy_anywhere_verifies_as_the_original(captured: Captured, tmp_path: Path) -> None:
    copy = shutil.copy(captured.bundle, tmp_path / "renamed, and elsewhere")

    assert captured.installation.run("verify", copy).code == 0


def test_verify_needs_no_network(captured: Captured) -> None:
    unshare = system_tool("unshare")
    command = [sys.executable, "-m", "snapshotter", "verify", str(captured.bundle)]
    done = subprocess.run(
        [unshare, "--net", "--map-root-user", *command],
        cwd=captured.installation.home,
        env=captured.installation._environ(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if "unshare" in done.stderr:
        pytest.skip("this system lets nobody have a network of their own")

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_verifier_alone_says_the_same_as_the_command(
    captured: Captured, authority: TestAuthority, tmp_path: Path
) -> None:
    agency, trust, public = captured.installation, tmp_path / "trust.json", tmp_path / "key.pem"
    name = ("--root-key-name", "offline")
    for command in (
        ("keys", "export", "default", "-o", public),
        ("trust", "init", trust, *name),
        ("trust", "add-key", trust, public, "--owner", "Agency", *name),
        ("trust", "add-tsa", trust, "--name", "t", "--root", authority.good.root_pem, *name),
    ):
        done = agency.run(*command)
        assert done.code == 0, done.err
    root_key = agency.run("trust", "show", trust, "--json").object["root_key_id"]

    def alone(pinned: str) -> "subprocess.CompletedProcess[str]":
        arguments = (captured.bundle, "--trust", trust, "--root-key", pinned, "--json")
        return subprocess.run(
            [sys.executable, "-m", "snapshotter.verify", *map(str, arguments)],
            cwd=agency.home,
            env=agency._environ(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    command_s = agency.run(
        *("verify", "--json", "--trust", trust, "--root-key", root_key, captured.bundle)
    )
    good, wrong = alone(root_key), alone("0" * 64)
    assert (good.returncode, command_s.code) == (0, 0), good.stderr
    assert json.loads(good.stdout) | {"bundle": str(captured.bundle)} == command_s.object
    assert (wrong.returncode, wrong.stdout) == (11, "")


def test_a_reader_that_goes_away_is_no_error(captured: Captured) -> None:
    verify = captured.installation.start("verify", *[captured.bundle] * 40)
    assert verify.stdout is not None
    verify.stdout.readline()
    verify.stdout.close()
    assert verify.stderr is not None
    talk = verify.stderr.read()
    verify.wait(60)

    assert "Traceback" not in talk
    verify.stderr.close()
