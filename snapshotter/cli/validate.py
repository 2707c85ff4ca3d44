"""
Provide `snapshotter validate`: capture known pages, alter copies, ask both verifiers, and sign a
report about the results.
"""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from snapshotter.cli.output import (
    Steps,
    on_terminal,
    print_group,
    print_json,
    print_message,
    print_next,
    print_result,
    write_file,
)
from snapshotter.errors import SnapshotterError
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.app.settings import Settings
    from snapshotter.model.validation import ValidationCase, ValidationReport
    from snapshotter.ports import Signer

_LABEL = 32  # characters of the name of a count
_EXAMPLES = """\b
Examples:
  snapshotter validate
  snapshotter validate --output ./self-test
  snapshotter validate --json > result.json
"""


@click.command(epilog=_EXAMPLES)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Also write the report to this folder.  [default: only to self-tests in the data "
    "directory]",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def validate(ctx: click.Context, output: Path | None, as_json: bool) -> int:
    """
    Test this installation with known pages and altered copies, and sign a validation report.

    The test captures pages of a site on this machine. The content of these pages is known before:
    an available story, a changed story, a take-down notice, a missing page, a log-in page, late
    content, a long page, and a page with a missing picture. The values in the sealed bundles are
    compared with the known values. Two verifiers, which share no code, judge each bundle and
    altered copies of a bundle. The test takes about 30 seconds on two processors and needs no
    network.

    The test makes its own store, keys and timestamp authority, and deletes them at the end. Your
    own store, keys, log and settings are not changed.

    The report is a signed JSON file and an HTML page. The key that signs your captures signs the
    report. If there is no such key, a key that is made for the report signs it. Such a signature
    shows only that the report was not changed. Verify a report with `snapshotter verify`.

    Exit codes: 0 PASSED, each value is as expected. 10 FAILED, a value is not as expected. 11
    INDETERMINATE, no value is wrong, but some could not be checked. 1 or 30 the test could not run.
    """
    from snapshotter.app.spool import scratch_directory
    from snapshotter.app.validation.run import run
    from snapshotter.app.wiring.validation import report_signer, validation_environment
    from snapshotter.cli.key_options import ask_passphrase
    from snapshotter.verify import report as reports

    settings: Settings = ctx.obj.load()
    _require_folder(output)  # before the test, which takes its time
    signer, origin = report_signer(settings, ask=ask_passphrase, show_message=print_message)
    with (
        scratch_directory(settings.spool_dir, "validate") as folder,
        Steps(quiet=as_json or not on_terminal()) as steps,
        validation_environment(settings, folder.absolute(), steps, print_message) as environment,
    ):
        report = run(environment, key_origin=origin, case_done=_show_case)
    files, sha256 = _write(report, signer, settings.data_dir, output)
    if as_json:
        print_json(_object(report, signer, files, sha256))
    else:
        _print(report, files)
    return reports.EXIT_CODES[report.verdict]


def _require_folder(output: Path | None) -> None:
    if output is None:
        return
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SnapshotterError(
            tr("{output} cannot be made: {strerror}", output=output, strerror=error.strerror),
            hint=tr("give --output a folder that you can write to"),
        ) from error


def _show_case(number: int, total: int, case: "ValidationCase") -> None:
    from snapshotter.model.finding import Verdict

    words = {
        Verdict.PASSED: tr("as expected"),
        Verdict.FAILED: tr("NOT as expected"),
        Verdict.INDETERMINATE: tr("not checked"),
    }
    print_message(
        tr(
            "case {number} of {total}, {name}: {words}",
            number=number,
            total=total,
            name=case.name,
            words=words[case.verdict],
        )
    )


def _write(
    report: "ValidationReport", signer: "Signer", data_dir: Path, output: Path | None
) -> tuple[list[Path], str]:
    """Write the signed report and the page; return their files and the digest of the report."""
    from snapshotter.app import self_tests
    from snapshotter.formats.statements import validation as statements
    from snapshotter.report import validation as pages
    from snapshotter.report.local_time import LocalTime

    data = statements.encode(report, signer)
    sha256 = hashlib.sha256(data).hexdigest()
    kept = self_tests.keep(data_dir, report, data)
    page = pages.page(report, LocalTime(), key_id=signer.key_id, sha256=sha256, name=kept.name)
    folders = [kept.parent] if output is None else [kept.parent, output]
    for folder in folders:
        write_file(folder / f"{kept.stem}.html", page)
    if output is not None:
        write_file(output / kept.name, data)
    shown = folders[-1]
    return [shown / kept.name, shown / f"{kept.stem}.html"], sha256


def _print(report: "ValidationReport", files: list[Path]) -> None:
    from snapshotter.model.finding import Verdict
    from snapshotter.model.validation_sentences import (
        count_sentence,
        key_sentence,
        result_sentence,
    )

    print_result(result_sentence(report))
    print_result()
    print_result(tr("errors"))
    for count in report.counts:
        label = ", ".join(filter(None, (count.group.value, count.verifier)))
        print_result(f"  {label:<{_LABEL}} {count_sentence(count)}")
    wrong = [
        (case, check)
        for case in report.cases
        for check in case.checks
        if check.verdict is Verdict.FAILED
    ]
    for case, check in wrong:
        print_result(
            tr(
                "{case}: {name} is {found}, expected {expected}{value}",
                case=case.name,
                name=check.name,
                found=check.found,
                expected=check.expected,
                value=f" ({check.verifier})" if check.verifier else "",
            )
        )
    for problem in dict.fromkeys(case.problem for case in report.cases if case.problem):
        print_result(tr("could not be checked: {problem}", problem=problem))
    print_result()
    print_result(key_sentence(report))
    print_group(tr("files"), [("signed report", str(files[0])), ("page", str(files[1]))])
    print_next(tr("verify the report"), f"snapshotter verify {files[0]}")


def _object(
    report: "ValidationReport", signer: "Signer", files: list[Path], sha256: str
) -> dict[str, Any]:
    from snapshotter.formats.canonical_json import plain

    return {
        "files": [str(file) for file in files],
        "key_id": signer.key_id,
        "report": plain(report),
        "sha256": sha256,
        "verdict": report.verdict.value,
    }
