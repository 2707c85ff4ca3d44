"""A validation report is verified by its signature, its key and its own arithmetic."""

import io
from dataclasses import replace
from pathlib import Path

import pytest

from snapshotter.cli.main import main
from snapshotter.formats.statements import validation as statements
from snapshotter.model.finding import Code, Verdict
from snapshotter.model.validation import ValidationReport
from snapshotter.verify.file_kind import FileKind, kind_of
from snapshotter.verify.trust import Trust, own_trust
from snapshotter.verify.validation import ValidationVerification, as_json, lines, verify_validation
from tests.bundles import new_signer
from tests.unit.validation_reports import case, check, report
from tests.unit.verify.test_file_kind import PROGRAMS

SIGNER = new_signer()
TRUST = own_trust([SIGNER.public_key], [])
NOBODY = own_trust([], [])


def _verified(made: ValidationReport, trust: Trust = TRUST) -> ValidationVerification:
    return verify_validation(statements.encode(made, SIGNER), trust)


def _codes(found: ValidationVerification) -> list[Code]:
    return [finding.code for finding in found.findings if finding.code is not Code.OK]


def test_a_report_by_a_trusted_key_whose_counts_follow_is_passed() -> None:
    found = _verified(report())

    assert (found.verdict, _codes(found)) == (Verdict.PASSED, [])
    assert as_json(found)["self_test"] == "passed"


def test_the_verdict_is_about_the_report_and_not_the_result_of_the_test() -> None:
    found = _verified(report(case(check("404"))))

    assert found.verdict is Verdict.PASSED
    assert as_json(found)["self_test"] == "failed"
    assert lines(found)[0].startswith("The self-test is FAILED: 1 of 1 checks are wrong")


def test_a_key_that_was_made_for_the_report_shows_nothing_about_who_made_it() -> None:
    found = _verified(report(), NOBODY)

    assert (found.verdict, _codes(found)) == (Verdict.INDETERMINATE, [Code.KEY_UNKNOWN])
    assert any("does not show who made the report" in line for line in lines(found))


def test_a_better_result_or_other_counts_than_the_cases_show_are_refused() -> None:
    failed = report(case(check("404")))
    better = replace(failed, verdict=Verdict.PASSED)
    hidden = replace(failed, counts=(replace(failed.counts[0], wrong=0),))

    for made in (better, hidden):
        found = _verified(made)
        assert (found.verdict, _codes(found)) == (Verdict.FAILED, [Code.NUMBER])


def test_an_altered_report_is_refused_and_states_no_result() -> None:
    data = statements.encode(report(), SIGNER).replace(b'"found":"200"', b'"found":"201"')

    found = verify_validation(data, TRUST)

    assert (found.verdict, _codes(found)) == (Verdict.FAILED, [Code.EVENT])
    assert as_json(found)["self_test"] is None
    assert "PASSED" not in "\n".join(lines(found))


@pytest.mark.parametrize("program", PROGRAMS)
def test_no_program_calls_a_report_of_an_unknown_key_passed(tmp_path: Path, program: str) -> None:
    data = statements.encode(report(), SIGNER)
    assert kind_of(io.BytesIO(data), Path("any.json")) is FileKind.VALIDATION
    file = tmp_path / "any.json"
    file.write_bytes(data)

    assert PROGRAMS[program](file) == 11

    file.write_bytes(data.replace(b'"found":"200"', b'"found":"201"'))
    assert PROGRAMS[program](file) == (11 if program == "minimal" else 10)


def test_verify_prints_the_counts_as_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "any.json"
    file.write_bytes(statements.encode(report(), SIGNER))

    assert main(["verify", "--json", str(file)]) == 11
    assert '"kind": "validation"' in capsys.readouterr().out
