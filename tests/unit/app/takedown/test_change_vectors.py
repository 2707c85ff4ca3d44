"""
Committed events of a change with their captures, judged by both verifiers.

Made once, by scripts/make_change_vectors.py. If a test here fails, a change of the comparison has
changed what an event states that was signed before: the derivation needs a new `method`.
"""

import json
import subprocess
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from scripts.make_change_vectors import BY
from snapshotter.app.takedown.bundle_finder import find_in_folders
from snapshotter.app.takedown.event_verification import verify_event
from snapshotter.model.finding import Code, Verdict
from snapshotter.verify.event_without_rules import verify_event_without_rules
from snapshotter.verify.files import read_trust
from snapshotter.verify.trust import Trust
from tests.tools import ROOT

VECTORS = ROOT / "tests" / "vectors" / "change"
TRUST_FILE = VECTORS / "trust" / "trust.json"
PIN = (VECTORS / "trust" / "root-key-id.txt").read_text().strip()
EXPECTED = json.loads((VECTORS / "expected.json").read_text())

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def trust() -> Trust:
    return read_trust(TRUST_FILE, pinned_root=PIN, now=datetime.now(UTC))


def record(name: str) -> Path:
    return VECTORS / f"{name}.json"


def test_every_record_has_an_expected_verdict() -> None:
    records = {path.stem for path in VECTORS.glob("*.json")} - {"expected"}

    assert records == set(EXPECTED)
    assert {one["verdict"] for one in EXPECTED.values()} == {"passed", "failed", "indeterminate"}


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_record_has_the_verdict_that_it_had_when_it_was_made(name: str, trust: Trust) -> None:
    find = partial(find_in_folders, [VECTORS / "bundles"], [], trust, datetime.now(UTC))

    found = verify_event(record(name).read_bytes(), trust, find, BY)

    codes = sorted({finding.code.value for finding in found.findings} - {Code.OK.value})
    assert {"codes": codes, "verdict": found.verdict.value} == EXPECTED[name], found.findings


def test_a_verifier_without_rules_finds_what_takes_no_rules(trust: Trust) -> None:
    verdicts = {
        name: verify_event_without_rules(
            record(name).read_bytes(), trust, now=datetime.now(UTC), folders=[VECTORS / "bundles"]
        ).verdict
        for name in ("honest", "insider-other-words", "forged-words", "insider-order-swapped")
    }

    assert verdicts == {
        "honest": Verdict.INDETERMINATE,
        "insider-other-words": Verdict.INDETERMINATE,
        "forged-words": Verdict.FAILED,
        "insider-order-swapped": Verdict.FAILED,
    }


def test_the_second_verifier_judges_the_captures_and_no_event() -> None:
    bundles = sorted((VECTORS / "bundles").glob("*.wacz"))
    files = [record("honest"), *bundles]

    done = subprocess.run(
        [
            *(sys.executable, "-I", str(ROOT / "scripts" / "verify_minimal.py")),
            *("--root-key", PIN, "--trust", str(TRUST_FILE), *map(str, files)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    heads = [line.split(maxsplit=1) for line in done.stdout.splitlines() if line[:1].isupper()]
    verdicts = [verdict for verdict, _ in heads]
    assert verdicts == ["INDETERMINATE", *["PASSED"] * len(bundles)], done.stdout
    assert "CONCLUSION" in done.stdout
