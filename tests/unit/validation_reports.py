"""A small validation report, which tests change and sign."""

from datetime import UTC, datetime, timedelta

from snapshotter.model.validation import (
    CheckGroup,
    KeyOrigin,
    ValidationCase,
    ValidationCheck,
    ValidationMachine,
    ValidationProgram,
    ValidationReport,
    case_verdict,
    counts,
)

BEGAN = datetime(2026, 11, 30, 9, 12, 44, tzinfo=UTC)
ID = "20261130t091244z-k3v4q2m7xw4c5b6d"


def check(
    found: str | None = "200", *, group: CheckGroup = CheckGroup.CONTENT, verifier: str = ""
) -> ValidationCheck:
    return ValidationCheck(
        group=group, name="value", expected="200", found=found, verifier=verifier
    )


def case(*checks: ValidationCheck, name: str = "page/one") -> ValidationCase:
    return ValidationCase(name=name, about="A page.", checks=checks)


def report(*cases: ValidationCase) -> ValidationReport:
    if not cases:
        cases = (case(check()),)
    return ValidationReport(
        report_id=ID,
        started_at=BEGAN,
        ended_at=BEGAN + timedelta(seconds=20),
        programs=(ValidationProgram(name="software", version="snapshotter 0.1.0"),),
        machine=ValidationMachine(
            os="Debian", kernel="Linux", architecture="x86_64", processors=2, clock="system"
        ),
        key_origin=KeyOrigin.OWN_KEY,
        cases=cases,
        counts=counts(cases),
        not_tested=("Pages of the Internet.",),
        verdict=case_verdict(cases),
    )
