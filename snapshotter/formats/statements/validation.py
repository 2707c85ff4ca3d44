"""
Read and write validation reports: the signed result of a self-test.

    {"format":"snapshotter-validation/1","validation":{…}}   the report
    {"key_id":"…","public_key":"…","signature":"…"}          who signed it

The report names each case with the value that was known before and the value that was found, so
that anybody can count again (docs/spec/validation.md).
"""

from typing import Final

from snapshotter.formats import typed
from snapshotter.formats.signatures import signed_statement
from snapshotter.formats.signatures.signed_statement import Signer
from snapshotter.model.validation import ValidationReport

FORMAT: Final = "snapshotter-validation/1"
MAX_BYTES: Final = 4 << 20
MAX_CASES: Final = 5_000


def encode(report: ValidationReport, signer: Signer) -> bytes:
    """
    Return the report, signed.

    Raises:
        ValueError: It is none that `parse` would take.
    """
    _check(report)
    data = signed_statement.encode({"format": FORMAT, "validation": typed.write(report)}, signer)
    if len(data) > MAX_BYTES:
        raise ValueError(f"the report is longer than {MAX_BYTES} bytes")
    return data


def parse(data: bytes) -> tuple[ValidationReport, str]:
    """
    Return the report and the id of the key that signed it, whose signature holds.

    Trust decides whose key it is; `verify/validation.py` computes the counts again.

    Raises:
        EvidenceInvalid: Anything else.
    """
    return signed_statement.parse_one(
        data, FORMAT, "validation", ValidationReport, _check, limit=MAX_BYTES
    )


def is_validation(head: bytes) -> bool:
    """Return whether these first bytes of a file look like those of a report."""
    return head.startswith(f'{{"format":"{FORMAT}",'.encode())


def _check(report: ValidationReport) -> None:
    """Raise ValueError for what contradicts itself."""
    if report.started_at > report.ended_at:
        raise ValueError("the self-test ends before it begins")
    names = [case.name for case in report.cases]
    if len(names) > MAX_CASES:
        raise ValueError(f"the report has more than {MAX_CASES} cases")
    if len(set(names)) != len(names):
        raise ValueError("the report has a case twice")
