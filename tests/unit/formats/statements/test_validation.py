"""Signed validation reports: what is read is what was signed, and nothing that is malformed."""

from dataclasses import replace
from datetime import timedelta

import pytest

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats.statements import validation
from tests.bundles import new_signer
from tests.unit.validation_reports import case, check, report

SIGNER = new_signer()


def test_what_is_read_is_what_was_signed() -> None:
    made = report(case(check(), check(None)))

    assert validation.parse(validation.encode(made, SIGNER)) == (made, SIGNER.key_id)


def test_a_changed_byte_is_refused() -> None:
    data = validation.encode(report(), SIGNER)

    with pytest.raises(EvidenceInvalid, match="signature is not valid"):
        validation.parse(data.replace(b'"found":"200"', b'"found":"404"'))


def test_a_case_twice_or_an_end_before_the_beginning_is_refused() -> None:
    made = report()

    with pytest.raises(ValueError, match="a case twice"):
        validation.encode(replace(made, cases=made.cases * 2), SIGNER)
    with pytest.raises(ValueError, match="ends before it begins"):
        validation.encode(replace(made, ended_at=made.started_at - timedelta(seconds=1)), SIGNER)
