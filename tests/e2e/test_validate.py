"""
`snapshotter validate` with a real browser, both verifiers, and a table of few cases.

The whole table runs when a release is made (CONTRIBUTING.md). One truth of this table is wrong, so
that one run shows both: right values pass, and a wrong one is found.
"""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from snapshotter.app.validation import run as validation_run
from snapshotter.app.validation.alterations import ALTERATIONS
from snapshotter.app.validation.truths import TRUTHS
from snapshotter.cli.main import main

pytestmark = pytest.mark.e2e

TRUE = {truth.name: truth for truth in TRUTHS}
MISSING = "page/missing-picture"


def test_a_wrong_truth_makes_failed_and_the_signed_report_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    few = partial(
        validation_run.run,
        truths=(TRUE["page/status-404"], replace(TRUE[MISSING], title="Another title")),
        alterations=[it for it in ALTERATIONS if it.name == "altered/sealed-again"],
    )
    monkeypatch.setattr(validation_run, "run", few)
    for name in ("DATA_DIR", "SPOOL_DIR", "STORE"):
        monkeypatch.setenv(f"SNAPSHOTTER_{name}", str(tmp_path / name))

    code = main(["validate", "--json", "-o", str(tmp_path / "out")])

    said, progress = capsys.readouterr()
    found = json.loads(said)
    wrong = [
        (case["name"], check["name"])
        for case in found["report"]["cases"]
        for check in case["checks"]
        if check["found"] != check["expected"]
    ]
    assert (code, found["verdict"], wrong) == (10, "failed", [(MISSING, "title")])
    assert "case 3 of 3, altered/sealed-again: as expected" in progress
    assert found["report"]["key_origin"] == "own-key"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["DATA_DIR", "SPOOL_DIR", "out"]
    assert [path.name for path in (tmp_path / "DATA_DIR").iterdir()] == ["self-tests"]
    assert not any((tmp_path / "SPOOL_DIR").iterdir())

    signed = Path(found["files"][0])
    assert main(["verify", "--json", str(signed)]) == 11  # intact, by a key that nobody knows
    verified = json.loads(capsys.readouterr().out)
    assert (verified["self_test"], verified["sha256"]) == ("failed", found["sha256"])
    page = signed.with_suffix(".html").read_text(encoding="utf-8")
    assert "Another title" in page
    assert "What is not tested" in page
