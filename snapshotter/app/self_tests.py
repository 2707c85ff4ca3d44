"""
Keep the validation reports of this machine, and find the newest one.

    <data_dir>/self-tests/validation-20261130t091244z-k3v4q2.json

`snapshotter validate` writes them. Whoever states that a self-test exists takes `newest_self_test`,
whose value was verified on reading (docs/spec/validation.md).
"""

import re
from pathlib import Path
from typing import Final

from snapshotter.app.private_files import write_private
from snapshotter.formats.statements import validation as statements
from snapshotter.model.finding import Verdict
from snapshotter.model.validation import ValidationReport
from snapshotter.value_class import dataclass
from snapshotter.verify.files import first_bytes
from snapshotter.verify.trust import Trust
from snapshotter.verify.validation import ValidationVerification, verify_validation

FOLDER: Final = "self-tests"
_NAME: Final = re.compile(r"validation-[0-9]{8}t[0-9]{6}z-[a-z2-7]{6}\.json")
_SUFFIX: Final = 6  # characters of the random part of an id; a whole id names an exhibit


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfTest:
    """A report that was found on this machine, and what its verification found."""

    file: Path
    verification: ValidationVerification

    @property
    def report(self) -> ValidationReport | None:
        """The report; None if it is not intact, so that no value of it is used."""
        if self.verification.verdict is Verdict.FAILED:
            return None
        return self.verification.report

    @property
    def is_by_trusted_key(self) -> bool:
        """Whether a trusted key signed the report; False for a key made for the report."""
        return self.verification.verdict is Verdict.PASSED


def file_name(report: ValidationReport) -> str:
    """Return the name of the files of a report, without suffix."""
    moment, _, random = report.report_id.partition("-")
    return f"validation-{moment}-{random[:_SUFFIX]}"


def keep(data_dir: Path, report: ValidationReport, data: bytes) -> Path:
    """Write a signed report into the data directory; return its file. Raises SnapshotterError."""
    file = data_dir / FOLDER / f"{file_name(report)}.json"
    write_private(file, data, is_new=True)
    return file


def newest_self_test(data_dir: Path, trust: Trust) -> SelfTest | None:
    """
    Return the newest report of this machine, verified now; None if there is no report.

    A report that was damaged is returned too, with a verdict of FAILED: an older report must not
    take its place unnoticed.

    Args:
        data_dir: Of the settings.
        trust: Whose keys count, as for `verify`.

    Raises:
        OSError: The report cannot be read.
    """
    folder = data_dir / FOLDER
    if not folder.is_dir():
        return None
    names = sorted(file.name for file in folder.iterdir() if _NAME.fullmatch(file.name))
    if not names:
        return None
    file = folder / names[-1]
    data = first_bytes(file, statements.MAX_BYTES + 1)
    return SelfTest(file=file, verification=verify_validation(data, trust))
