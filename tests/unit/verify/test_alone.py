"""The verifier alone: no browser, no cloud, no command line, little memory; or no verifier."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from snapshotter.formats.digest import digest
from snapshotter.formats.statements import takedown
from snapshotter.seal import sealer
from tests import bundles
from tests.bundles import RealClock, flipped
from tests.tools import system_tool
from tests.unit.formats.statements import test_takedown

ROOT = Path(__file__).resolve().parents[3]
VECTORS = ROOT / "tests" / "vectors"
TRUST = VECTORS / "trust"
PIN = (TRUST / "root-key-id.txt").read_text().strip()
REFUSED = (
    *("playwright", "boto3", "botocore", "click", "rich", "httpx", "PIL", "warcio", "pydantic"),
    *("platformdirs", "snapshotter.app", "snapshotter.capture", "snapshotter.cli"),
    *("snapshotter.policy", "snapshotter.seal", "snapshotter.store", "tests"),
)
# What an auditor's machine has: the four libraries and us. The rest is as if not installed.
PROGRAM = f"""
import resource, runpy, sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if any(name == it or name.startswith(it + ".") for it in {REFUSED!r}):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Refuse())
try:
    runpy.run_module("snapshotter.verify", run_name="__main__", alter_sys=True)
finally:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print("peak KiB", peak, file=sys.stderr)
"""


def _verify(
    bundle: Path, *more: str, stdout: int = subprocess.PIPE
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PROGRAM, str(bundle), "--trust", str(TRUST / "trust.json")]
    return subprocess.run(
        [*command, "--root-key", PIN, *more],
        cwd=ROOT,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=120,
    )


def test_a_good_bundle_passes_with_the_verifier_alone() -> None:
    run = _verify(VECTORS / "v1-good" / "bundle.wacz")

    assert run.returncode == 0, run.stderr
    assert "proof: PASSED (intact)" in run.stdout


def test_a_flipped_byte_ends_in_10_and_a_missing_token_in_11(tmp_path: Path) -> None:
    bad = tmp_path / "bundle.wacz"
    bad.write_bytes(flipped((VECTORS / "v1-good" / "bundle.wacz").read_bytes()))

    assert _verify(bad).returncode == 10
    assert _verify(VECTORS / "token-missing" / "bundle.wacz").returncode == 11


def test_the_sidecar_beside_a_bundle_is_found() -> None:
    run = _verify(VECTORS / "token-late" / "bundle.wacz", "--json")

    assert run.returncode == 0
    assert json.loads(run.stdout)["verdict"] == "passed"


def test_what_is_not_there_ends_in_1_and_a_sentence(tmp_path: Path) -> None:
    run = _verify(tmp_path / "none.wacz")

    assert run.returncode == 1
    assert "No such file" in run.stderr
    assert "Traceback" not in run.stderr


def test_an_event_is_told_from_a_bundle_and_judged_without_its_rules(tmp_path: Path) -> None:
    file = tmp_path / "event.json"
    file.write_bytes(takedown.encode(test_takedown.event(), bundles.new_signer()))

    run = _verify(file, "--bundles", str(VECTORS), "--json")

    assert run.returncode == 11, run.stderr
    found = json.loads(run.stdout)
    assert (found["kind"], found["verdict"]) == ("takedown", "indeterminate")
    codes = {finding["code"] for finding in found["findings"]}
    assert codes == {"OK", "KEY_UNKNOWN", "BUNDLE_MISSING", "VERDICT", "CONCLUSION"}


@pytest.mark.parametrize(("vector", "code"), [("v1-good", 0), ("changed-data", 10)])
def test_a_reader_that_went_away_changes_no_exit_code(vector: str, code: int) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        run = _verify(VECTORS / vector / "bundle.wacz", stdout=writer)
    finally:
        os.close(writer)

    assert run.returncode == code
    assert "Traceback" not in run.stderr
    assert "BrokenPipe" not in run.stderr


@pytest.mark.parametrize(("vector", "code"), [("v1-good", 1), ("changed-data", 10)])
def test_a_full_disk_is_a_sentence_and_hides_no_failure(vector: str, code: int) -> None:
    with Path("/dev/full").open("wb") as full:
        run = _verify(VECTORS / vector / "bundle.wacz", stdout=full.fileno())

    assert run.returncode == code
    assert "cannot be written: No space left" in run.stderr
    assert "Traceback" not in run.stderr


def test_memory_does_not_grow_with_the_bundle(tmp_path: Path) -> None:
    big = tmp_path / "capture" / "big.bin"
    big.parent.mkdir()
    with big.open("wb") as stream:
        stream.truncate(200 << 20)  # sparse: takes no space here
    clock = RealClock()
    capture = bundles.capture(tmp_path, at=clock.now())
    with big.open("rb") as stream:
        artifact = replace(
            capture.artifacts[0],
            path="capture/big.bin",
            file=big,
            digests=digest(stream, limit=1 << 30),
        )
    made = sealer.seal(
        replace(capture, artifacts=(*capture.artifacts, artifact)),
        bundles.decision(),
        sealer.SealDependencies(
            signer=bundles.new_signer(),
            authorities=(),
            timestamp_timeout_s=1,
            clock=clock,
            software=bundles.SOFTWARE,
        ),
        bundle_id=bundles.bundle_id(clock.now()),
        salt_key=bundles.SALT_KEY,
        spool=tmp_path,
        progress=lambda stage, detail: None,
    )

    large, small = _verify(made.file), _verify(VECTORS / "v1-good" / "bundle.wacz")

    assert large.returncode == 11, large.stdout  # the key is nobody's: all else is well
    assert _peak(large) - _peak(small) < 16 << 10
    made.file.unlink()


def _peak(run: subprocess.CompletedProcess[str]) -> int:
    match = re.search(r"peak KiB (\d+)", run.stderr)
    assert match is not None
    return int(match[1])


def _shell_block() -> str:
    text = (ROOT / "docs" / "howto" / "verify-without-us.md").read_text(encoding="utf-8")
    match = re.search(r"```sh\n(.*?)```", text, re.DOTALL)
    assert match is not None
    return match[1]


# The other list of the bundle, as the specification says.
_BLAKE3 = """
unzip -p "$W" seal/manifest-blake3.txt > manifest-blake3.txt
cut -c67- manifest-blake3.txt | while read -r name; do
  echo "$(unzip -p "$W" "$name" | b3sum | cut -c-64)  $name"
done | cmp - manifest-blake3.txt
"""


@pytest.mark.interop
@pytest.mark.parametrize(("vector", "good"), [("v1-good", True), ("changed-data", False)])
def test_what_a_stranger_types_needs_nothing_of_ours(
    tmp_path: Path, vector: str, good: bool
) -> None:
    for tool in ("bash", "unzip", "sha256sum", "b3sum", "openssl"):
        system_tool(tool)
    for source, target in (
        (VECTORS / vector / "bundle.wacz", "exhibit.wacz"),
        (TRUST / "signer.pem", "KEY.pem"),
        (TRUST / "authority-root.pem", "ROOT.pem"),
    ):
        shutil.copy(source, tmp_path / target)
    run = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", _shell_block() + _BLAKE3],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert (run.returncode == 0) is good, run.stderr
    if good:
        digest = subprocess.run(
            ["openssl", "pkey", "-pubin", "-in", TRUST / "signer.pem", "-outform", "DER"],
            capture_output=True,
            check=True,
            timeout=60,
        ).stdout
        assert hashlib.sha256(digest).hexdigest() in run.stdout
        assert sorted(path.name for path in tmp_path.iterdir()) == [
            "KEY.pem",
            "ROOT.pem",
            "by-hand",
            "exhibit.wacz",
        ]
        assert "Verified OK" in run.stdout
        assert "files as signed" in run.stdout
        assert "Verification: OK" in run.stdout + run.stderr


def test_without_the_command_lines_libraries_the_program_says_what_verifies() -> None:
    program = (
        "import runpy, sys\n"
        "class Refuse:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'click': raise ModuleNotFoundError(name=name)\n"
        "sys.meta_path.insert(0, Refuse())\n"
        "runpy.run_module('snapshotter', run_name='__main__', alter_sys=True)\n"
    )

    run = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60
    )

    assert run.returncode == 1
    assert "needs click, which is not installed" in run.stderr
    assert "snapshotter-verify --help" in run.stderr
    assert "Traceback" not in run.stderr
