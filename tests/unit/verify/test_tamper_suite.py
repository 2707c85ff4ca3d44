"""
Both verifiers against hundreds of spoilt bundles and trust files, made on the spot.

scripts/tamper_suite.py says what each must give. `make vectors-check` runs this file alone.
"""

import json
import subprocess
import sys
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from scripts import tamper_suite
from scripts.tamper_suite import Case, Suite
from snapshotter.errors import EvidenceUnverifiable
from snapshotter.verify.bundle import verify_bundle
from snapshotter.verify.files import (
    read_trust,
)
from snapshotter.verify.sidecars import sidecars_on_disk
from snapshotter.verify.trust import Trust
from tests.unit.verify.test_minimal_verifier import MINIMAL

ROOT = Path(__file__).resolve().parents[3]
PARTS = 4  # so that two workers share the work, where this file is all there is
# Among all other tests: on one worker, so that the suite is made, and OpenSSL asked, once.
pytestmark = [pytest.mark.long, pytest.mark.xdist_group("tamper-suite")]
# Verdict, codes, renewals that count; and of what passed, until when its time is to be believed.
Judgement = tuple[str, list[str], int, str]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tamper")


@pytest.fixture(scope="module")
def suite(folder: Path) -> Suite:
    made = tamper_suite.make(folder / "work")
    for name, (data, signature) in made.trust.items():
        (folder / f"{name}.json").write_bytes(data)
        (folder / f"{name}.json.sig").write_bytes(signature)
    return made


def by_the_first(bundle: Path, trust: Path, pin: str, now: datetime) -> Judgement:
    """Judge a bundle, with what stands beside it, as `snapshotter verify` does."""
    trusted = _first_trust(trust, pin)
    with bundle.open("rb") as stream:
        report = verify_bundle(
            stream,
            trusted,
            now=now,
            sidecars=sidecars_on_disk(bundle),
        )
    codes = sorted({finding.code.value for finding in report.findings} - {"OK"})
    renewals = sum(finding.check == "renewal" for finding in report.findings)
    return report.verdict.value, codes, renewals, _until(report.verdict.value, report.proven_until)


def by_the_second(bundle: Path, trust: Path, pin: str, now: datetime, openssl: Any) -> Judgement:
    """The same by scripts/verify_minimal.py."""
    trusted = _second_trust(trust, pin, openssl)
    result = MINIMAL.Verification(str(bundle), trusted, now, openssl).run()
    renewals = sum(check == "renewal" for check, *_ in result.findings)
    return result.verdict, result.codes, renewals, _until(result.verdict, result.proven_until)


def _until(verdict: str, at: datetime | None) -> str:
    return at.isoformat() if verdict == "passed" and at is not None else ""


@cache
def _first_trust(file: Path, pin: str) -> Trust:
    """Those of the suite do not expire."""
    return read_trust(file, pinned_root=pin, now=datetime.now(UTC))


@cache
def _second_trust(file: Path, pin: str, openssl: Any) -> Any:
    signature = file.with_name(f"{file.name}.sig").read_bytes()
    return MINIMAL.Trust(file.read_bytes(), signature, pin, datetime.now(UTC), openssl)


def _representatives(suite: Suite) -> list[Case]:
    """One case for each verdict with each set of codes."""
    return list({(case.verdict, tuple(sorted(case.codes))): case for case in suite.cases}.values())


def test_there_are_many_cases_and_controls_among_them(suite: Suite) -> None:
    passing = [case for case in suite.cases if case.verdict == "passed"]

    assert len(suite.cases) >= 450
    assert len(suite.trust_cases) >= 100
    assert all(case.name.startswith("good-") for case in passing)
    assert len(passing) >= 20
    assert len(_representatives(suite)) >= 30


@pytest.mark.parametrize("part", range(PARTS))
def test_both_verifiers_judge_each_case_as_it_says(
    part: int, suite: Suite, folder: Path, openssl: Any
) -> None:
    wrong = []
    for case in suite.cases[part::PARTS]:
        bundle = suite.write(case, folder / case.name)
        place = (bundle, folder / f"{case.trust}.json", suite.pin, suite.now + case.later)
        expected = (case.verdict, sorted(case.codes), case.renewals)
        first, second = by_the_first(*place), by_the_second(*place, openssl)
        if first != second or first[:3] != expected:
            wrong.append(f"{case.name}: {expected}, first {first}, second {second}")

    assert wrong == []


def test_both_verifiers_refuse_each_trust_file_that_they_must(
    suite: Suite, tmp_path: Path, openssl: Any
) -> None:
    wrong = []
    for case in suite.trust_cases:
        file = tmp_path / "trust.json"
        file.write_bytes(case.data)
        file.with_name("trust.json.sig").write_bytes(case.signature)
        pin, now = case.pin or suite.pin, suite.now + case.later
        try:
            read_trust(file, pinned_root=pin, now=now)
            first = True
        except EvidenceUnverifiable:
            first = False
        try:
            MINIMAL.Trust(case.data, case.signature, pin, now, openssl)
            second = True
        except MINIMAL.Refused:
            second = False
        if not first == second == case.taken:
            wrong.append(f"{case.name}: {case.taken}, first {first}, second {second}")

    assert wrong == []


def test_they_say_the_same_when_python_optimises(suite: Suite, folder: Path) -> None:
    """One case for each set of codes; `tests/vectors` are all judged so elsewhere."""
    chosen = [case for case in _representatives(suite) if case.name != "good-many-files"]
    asked = []
    for case in chosen:
        bundle = suite.write(case, folder / case.name)
        now = (suite.now + case.later).isoformat()
        asked.append([str(bundle), str(folder / f"{case.trust}.json"), suite.pin, now])
    program = (
        "import json, sys\n"
        "from datetime import datetime\n"
        "from pathlib import Path\n"
        "from tests.unit.verify.test_tamper_suite import MINIMAL, by_the_first, by_the_second\n"
        "openssl, said = MINIMAL.OpenSSL('openssl'), []\n"
        "for bundle, trust, pin, now in json.load(sys.stdin):\n"
        "    place = (Path(bundle), Path(trust), pin, datetime.fromisoformat(now))\n"
        "    said.append([by_the_first(*place), by_the_second(*place, openssl)])\n"
        "openssl.close()\n"
        "print(json.dumps([sys.flags.optimize, said]))\n"
    )

    run = subprocess.run(
        [sys.executable, "-O", "-c", program],
        cwd=ROOT,
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )

    optimised, said = json.loads(run.stdout)
    assert optimised == 1
    for case, (first, second) in zip(chosen, said, strict=True):
        assert first == second, case.name
        assert first[:3] == [case.verdict, sorted(case.codes), case.renewals], case.name
