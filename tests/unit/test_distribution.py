"""How tests are distributed over workers: unit tests by file, long tests first."""

import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

from tests.tools import ROOT

QUICK = """
import time

def test_one(): time.sleep(0.02)
def test_two(): time.sleep(0.02)
def test_three(): time.sleep(0.02)
def test_four(): time.sleep(0.02)
"""
LONG = "import pytest\npytestmark = pytest.mark.long\n\ndef test_last_by_name(): pass\n"


def test_a_file_of_unit_tests_runs_in_one_worker_and_what_is_long_begins_first(
    tmp_path: Path,
) -> None:
    for folder in ("e2e", "unit"):
        (tmp_path / "tests" / folder).mkdir(parents=True)
        for number in range(4):
            file = tmp_path / "tests" / folder / f"test_{folder}_{number}.py"
            file.write_text(QUICK)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = long\n")
    (tmp_path / "tests" / "unit" / "test_z.py").write_text(LONG)

    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-v", "-n", "2", "--dist", "loadgroup"),
            *("-p", "xdist", "-p", "tests.distribution", "-p", "no:cacheprovider"),
        ],
        cwd=tmp_path,
        env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout
    workers = defaultdict(set)
    lines = [line.split() for line in done.stdout.splitlines() if "::" in line]
    for worker, *_, test in (line for line in lines if "PASSED" in line):
        workers[test.partition("::")[0]].add(worker)
    assert len(workers) == 9
    assert all(len(workers[f"tests/unit/test_unit_{number}.py"]) == 1 for number in range(4))
    assert any(len(workers[f"tests/e2e/test_e2e_{number}.py"]) == 2 for number in range(4))
    assert any(line[-1].endswith("test_last_by_name") for line in lines[:3])
