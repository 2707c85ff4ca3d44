"""What the release of November 2026 made verifies and audits as it did then."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from snapshotter.app import machine
from tests.unit.cli.shell import Shell

# A store with bundles, holds, a tombstone, a take-down event and a log; a proof pack; a trust file.
RELEASE = Path(__file__).resolve().parents[1] / "vectors" / "release-2026-11"
# What that release said of them: exit code, verdict, and each finding's check, code and verdict.
THEN: dict[str, dict[str, Any]] = json.loads((RELEASE / "expected.json").read_text())


@pytest.fixture
def shell(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Shell:
    """Return a shell on the day on which the expected results were written."""
    day = datetime(2026, 11, 29, 17, tzinfo=UTC)
    monkeypatch.setattr(machine.SystemClock, "now", lambda _: day)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return Shell(capsys)


def trust() -> tuple[str, ...]:
    root_key = (RELEASE / "root-key.txt").read_text().strip()
    return ("--trust", str(RELEASE / "trust.json"), "--root-key", root_key)


def test_its_bundles_its_event_and_its_proof_pack_verify_as_then(shell: Shell) -> None:
    files = sorted(THEN.keys() - {"store"})
    now = {}

    for file in files:
        code = shell.run("verify", "--json", "--store", RELEASE / "store", *trust(), RELEASE / file)
        found = [[x["check"], x["code"], x["verdict"]] for x in shell.object["findings"]]
        now[file] = {"exit": code, "verdict": shell.object["verdict"], "findings": found}

    assert len(files) == 7
    assert now == {file: THEN[file] for file in files}


def test_its_store_audits_as_then(shell: Shell, tmp_path: Path) -> None:
    code = shell.run(
        "audit", "--json", "--no-report", "--state", tmp_path / "state", "--recheck-after", "0",
        "--jobs", "1", *trust(), "--store", RELEASE / "store",
    )  # fmt: skip

    *findings, report = shell.objects
    now = {
        "exit": code,
        "verdict": report["verdict"],
        "findings": sorted([x["code"], x["severity"], x["key"]] for x in findings),
        "log": report["log"]["root"],
    }
    assert now == THEN["store"]
