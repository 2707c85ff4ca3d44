"""
Provide the command of the stand-alone verifier.

    snapshotter-verify FILE… --trust trust.json --root-key ID

It is for an auditor who installs the verifier and nothing else; `snapshotter verify` does the
same and more. `python -I -m snapshotter.verify …` runs it as well; without -I, Python imports
modules from the working directory.
"""

from snapshotter.import_path import leave_out_working_directory

if __name__ == "__main__":  # before any other import
    leave_out_working_directory()

import argparse
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, NoReturn

from snapshotter.errors import EvidenceUnverifiable, SnapshotterError
from snapshotter.formats.bundle import names
from snapshotter.formats.printable import printable
from snapshotter.formats.statements import takedown as takedown_format
from snapshotter.formats.statements import validation as validation_format
from snapshotter.model.finding import Report, Verdict
from snapshotter.translation import tr
from snapshotter.verify import proof_pack_report, report, takedown, validation
from snapshotter.verify.bundle_on_disk import verify_on_disk
from snapshotter.verify.event_without_rules import verify_event_without_rules
from snapshotter.verify.file_kind import FileKind, kind_of
from snapshotter.verify.files import open_file, read_trust
from snapshotter.verify.proof_pack import PackReport, verify_pack
from snapshotter.verify.sidecars import sidecars_on_disk
from snapshotter.verify.takedown import EventReport
from snapshotter.verify.trust import SeenVersion, Trust
from snapshotter.verify.validation import ValidationVerification, verify_validation


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are safe to print: they may quote the name of a stranger's file."""

    def error(self, message: str) -> NoReturn:  # type: ignore[explicit-override]  # Python 3.12
        self.print_usage(sys.stderr)
        self.exit(2, f"{self.prog}: {printable(message)}\n")


def main(argv: list[str] | None = None) -> int:
    """
    Verify files; return 0 PASSED, 10 FAILED, 11 INDETERMINATE, 1 or 2 for errors.

    With several files, the worst code: 10, then an error, then 11.
    """
    parser = _Parser(
        prog="snapshotter-verify",
        description=tr(
            "Verify sealed bundles, proof packs, take-down events or validation reports, offline."
        ),
    )
    parser.add_argument(
        "files",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="the .wacz file of a bundle, whose sidecars are read from the same folder; the "
        ".html file "
        "of a proof pack; or the .json file of a take-down event, with its bundles in the same "
        "folder",
    )
    parser.add_argument(
        "--bundles",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="folder with the bundles of an event, if the bundles are not in the folder of the "
        "event; the option can be given several times",
    )
    parser.add_argument(
        "--trust",
        type=Path,
        required=True,
        help="trust file trust.json; its signature trust.json.sig must be beside it",
    )
    parser.add_argument(
        "--root-key", required=True, help="id of the root key that signed the trust file"
    )
    parser.add_argument(
        "--seen-version",
        type=int,
        default=0,
        metavar="N",
        help="version number of the newest trust file that you have seen; a trust file with a "
        "lower version number is rejected",
    )
    parser.add_argument(
        "--json", action="store_true", help="print the result of each file as one JSON object"
    )
    arguments = parser.parse_args(argv)
    # The one clock of this program; the rest takes it as a value.
    now = datetime.now(UTC)  # noqa: TID251  there is no wiring in the verifier
    try:
        seen = SeenVersion(version=arguments.seen_version)
        trust = read_trust(arguments.trust, pinned_root=arguments.root_key, now=now, seen=seen)
    except SnapshotterError as error:
        return _print_error(error)
    except OSError as error:
        return _print_os_error(error, arguments.trust)
    return report.worst_code(
        [_judge(file, trust, now, arguments) for file in dict.fromkeys(arguments.files)]
    )


def _judge(file: Path, trust: Trust, now: datetime, arguments: argparse.Namespace) -> int:
    """Verify a file, print the result, and return the exit code."""
    try:
        with open_file(file) as stream:
            found = _verify(stream, file, trust, now, arguments.bundles)
    except SnapshotterError as error:
        return _print_error(error)
    except OSError as error:
        return _print_os_error(error, file)
    lines = _lines(found, as_json=arguments.json)
    if len(arguments.files) > 1 and not arguments.json:
        lines = [f"{printable(str(file))}:", *lines, ""]
    code = report.EXIT_CODES[found.verdict]
    try:
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()
    except OSError as error:
        # The verdict stands, printed or not; the interpreter must not try to print it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            sys.stderr.write(
                tr(
                    "snapshotter: the output cannot be written: {strerror}\n",
                    strerror=error.strerror,
                )
            )
            return code if found.verdict is Verdict.FAILED else SnapshotterError.exit_code
    return code


def _print_error(error: SnapshotterError) -> int:
    sys.stderr.write(f"snapshotter: {printable(str(error))}\n")
    if error.hint:
        sentence, *commands = map(printable, error.hint.split("\n"))
        sys.stderr.write("\n".join([f"snapshotter: try: {sentence}", *commands, ""]))
    return error.exit_code


def _print_os_error(error: OSError, file: Path) -> int:
    name = printable(str(error.filename or file))
    sys.stderr.write(f"snapshotter: {name}: {error.strerror}\n")
    return SnapshotterError.exit_code


def _verify(
    stream: BinaryIO, file: Path, trust: Trust, now: datetime, folders: Sequence[Path]
) -> Report | PackReport | EventReport | ValidationVerification:
    """Verify a file by its kind. Raises EvidenceUnverifiable for what only rules can judge."""
    kind = kind_of(stream, file)
    if kind is FileKind.PACK:
        return verify_pack(stream, trust, now=now)
    if kind is FileKind.TAKEDOWN:
        return verify_event_without_rules(
            stream.read(takedown_format.MAX_BYTES + 1),
            trust,
            now=now,
            folders=(*folders, file.parent),
            log_proof=sidecars_on_disk(file, names.LOG_PROOF).log_proof,
        )
    if kind is FileKind.VALIDATION and ".wacz" not in file.name.lower():
        return verify_validation(stream.read(validation_format.MAX_BYTES + 1), trust)
    if kind is FileKind.CAMPAIGN and ".wacz" not in file.name.lower():
        raise EvidenceUnverifiable(
            tr(
                "{file} is a campaign report; this verifier has no take-down rules and cannot "
                "judge a campaign report",
                file=file,
            ),
            hint=tr(
                "verify the report with the full snapshotter package, which contains the "
                "take-down rules:\n  snapshotter verify {file}",
                file=file,
            ),
        )
    return verify_on_disk(stream, file, trust, now=now, allow_redacted=True)


def _lines(
    found: Report | PackReport | EventReport | ValidationVerification, *, as_json: bool
) -> list[str]:
    if isinstance(found, ValidationVerification):
        value = validation.as_json(found)
        return [report.json_line(value)] if as_json else validation.lines(found)
    if isinstance(found, EventReport):
        value = takedown.as_json(found)
        return [report.json_line(value)] if as_json else takedown.lines(found)
    if isinstance(found, PackReport):
        value = proof_pack_report.as_json(found)
        return [report.json_line(value)] if as_json else proof_pack_report.lines(found)
    return [report.json_line(report.as_json(found))] if as_json else report.lines(found)


if __name__ == "__main__":
    sys.exit(main())
