"""The newest self-test of a machine is found, and is verified before anybody states it."""

from dataclasses import replace
from pathlib import Path

from snapshotter.app.self_tests import FOLDER, keep, newest_self_test
from snapshotter.formats.statements import validation as statements
from snapshotter.model.finding import Verdict
from snapshotter.verify.trust import own_trust
from tests.bundles import new_signer
from tests.unit.validation_reports import case, check, report

SIGNER = new_signer()
TRUST = own_trust([SIGNER.public_key], [])


def _keep(data_dir: Path, report_id: str) -> Path:
    made = replace(report(), report_id=report_id)
    return keep(data_dir, made, statements.encode(made, SIGNER))


def test_without_a_report_there_is_no_self_test(tmp_path: Path) -> None:
    assert newest_self_test(tmp_path, TRUST) is None
    (tmp_path / FOLDER).mkdir()
    assert newest_self_test(tmp_path, TRUST) is None


def test_the_newest_report_is_found_and_verified(tmp_path: Path) -> None:
    newest = _keep(tmp_path, "20261130t091244z-k3v4q2m7xw4c5b6d")
    _keep(tmp_path, "20261129t235959z-zzzzzzzzzzzzzzzz")

    found = newest_self_test(tmp_path, TRUST)

    assert found is not None
    assert found.file == newest
    assert found.is_by_trusted_key
    assert found.report is not None
    assert found.report.report_id.startswith("20261130t091244z")
    stranger = newest_self_test(tmp_path, own_trust([], []))
    assert stranger is not None
    assert not stranger.is_by_trusted_key


def test_a_damaged_report_gives_no_value_and_is_not_passed_over(tmp_path: Path) -> None:
    _keep(tmp_path, "20261129t091244z-k3v4q2m7xw4c5b6d")
    newest = _keep(tmp_path, "20261130t091244z-k3v4q2m7xw4c5b6d")
    newest.write_bytes(newest.read_bytes().replace(b'"found":"200"', b'"found":"201"'))

    found = newest_self_test(tmp_path, TRUST)

    assert found is not None
    assert found.file == newest
    assert found.report is None


def test_a_report_whose_result_does_not_follow_from_its_cases_gives_no_value(
    tmp_path: Path,
) -> None:
    failed = report(case(check("404")))
    better = replace(failed, verdict=Verdict.PASSED)
    keep(tmp_path, better, statements.encode(better, SIGNER))

    found = newest_self_test(tmp_path, TRUST)

    assert found is not None
    assert found.report is None
