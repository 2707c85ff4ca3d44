"""
Provide `snapshotter verify`: verify bundles, take-down events, proof packs and reports offline, and
print a verdict for each.
"""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import click

from snapshotter.cli.file_or_id import file_argument, open_named
from snapshotter.cli.object_id import FILE_OR_ID
from snapshotter.cli.options import root_key_option, trust_option
from snapshotter.cli.output import (
    OutputClosed,
    print_error,
    print_json,
    print_message,
    print_result,
)
from snapshotter.errors import SnapshotterError
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.app.settings import Settings
    from snapshotter.app.verification import Verification, VerificationService

_EXAMPLES = """\b
Examples:
  snapshotter verify captures/bundles/2026/11/24/*.wacz
  snapshotter verify --trust trust.json --root-key 3f1c… exhibit.wacz
  snapshotter verify --store s3://evidence/case-7 20261124t160642z-k3v4q2m7xw4c5b6d
  snapshotter verify exhibit/20260527t091000z-k3v4q2m7xw4c5b6d.json
  snapshotter verify proof-20260527t091000z-k3v4q2m7xw4c5b6d.html
  snapshotter verify --store captures campaign.json
  snapshotter verify validation-20261130t091244z-k3v4q2.json
"""


@click.command(epilog=_EXAMPLES)
@click.argument("bundles", nargs=-1, required=True, type=FILE_OR_ID, metavar="FILE|ID…")
@trust_option
@root_key_option
@click.option(
    "--store",
    metavar="DIR|s3://…",
    help="Store in which ids, and the bundles of an event or report, are looked up.  "
    "[default: captures]",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each file.")
@click.pass_context
def verify(
    ctx: click.Context,
    bundles: tuple[str, ...],
    trust_file: Path | None,
    root_key: str | None,
    store: str | None,
    as_json: bool,
) -> int:
    """
    Verify bundles, take-down events, proof packs and reports, offline.

    For a bundle, the first line answers three questions: Is the page there? Is the capture whole?
    Is the proof intact? If the proof is not intact, only the third question is answered. The facts
    and one line for each check follow.

    The verdict is about the proof. PASSED: the proof is intact, and its time is confirmed. FAILED:
    the proof is not intact, because the file was altered or breaks a rule of its format.
    INDETERMINATE: no check failed, but something could not be established, such as the time.

    A take-down event or a campaign report is verified with its bundles. The bundles are found
    among the given files, beside the event or report, and in the store that --store names. A proof
    pack contains its bundles. Each number of a campaign report is derived again. Of a validation
    report, the signature and the counts are checked. The result of the self-test is a separate
    value.

    Without a trust file, the command uses your own keys and the timestamp authorities of your
    settings. The output then states: judged with the keys of your settings.

    An argument with a slash or a dot is a file. When files are verified, the command does not use a
    snapshotter.toml of this folder or of the folders above. The id of a bundle or an event, a part
    of an id, and `latest` are looked up in the store. If a file has the form of an id as its name,
    write ./ before the name.

    Exit codes: 0 PASSED. 10 FAILED. 11 INDETERMINATE. 1 or 30 a file could not be read, so the file
    was not verified. 2 a file is neither a bundle, an event, a proof pack nor a report. With
    several files, the worst result sets the exit code. The order from the worst is: FAILED, a file
    that could not be read, INDETERMINATE.
    """
    from snapshotter.app.wiring import trust as wiring_trust
    from snapshotter.app.wiring import verification as wiring_verification
    from snapshotter.verify import report

    files = {name: file_argument(name, store=store) for name in bundles}
    given = tuple(file for file in files.values() if file is not None)

    def settings_and_service(*, found: bool) -> "tuple[Settings, VerificationService]":
        settings = ctx.obj.load(
            found=found,
            trust_file=str(trust_file or ""),
            trust_root_key=root_key or "",
            store=store or "",
        )
        trust = wiring_trust.trust(settings, by_bundle=True)
        return settings, wiring_verification.verification_service(
            settings, trust, given=given, show_message=print_message
        )

    # A file that is named is judged by nothing that only lies in this folder. An id may be in
    # the store of a found file, unless --store says where it is.
    own = settings_and_service(found=False)
    of_ids = cache(lambda: own if store else settings_and_service(found=True))
    codes: list[int] = []
    printing = True
    for name in bundles:
        try:
            settings, service = own if files[name] is not None else of_ids()
            if (file := files[name]) is None:
                (name,) = FILE_OR_ID.resolve(service.store(), [name], indexed=False)
            found = _verified(service, name, file)
            codes.append(report.EXIT_CODES[found.verdict])
            if found.stored is not None:
                store_of_bundle, found_of_bundle = found.stored
                wiring_verification.note_fixity_check(
                    settings, store_of_bundle, name, found_of_bundle, show_message=print_message
                )
            if printing:
                _print(name, found, as_json=as_json, apart=len(bundles) > 1)
        except OutputClosed:
            printing = False  # the exit code is still wanted
        except SnapshotterError as error:
            codes.append(error.exit_code)
            print_error(error)
        except OSError as error:
            codes.append(SnapshotterError.exit_code)
            print_error(
                SnapshotterError(
                    tr(
                        "{name} cannot be read: {strerror}",
                        name=name,
                        strerror=error.strerror or error,
                    )
                )
            )
    return report.worst_code(codes)


def _verified(service: "VerificationService", name: str, file: Path | None) -> "Verification":
    from snapshotter.app.verification import verify_file, verify_stored

    if file is None:
        return verify_stored(service, name)
    with open_named(file) as stream:
        return verify_file(service, name, file, stream)


def _print(name: str, found: "Verification", *, as_json: bool, apart: bool) -> None:
    if as_json:
        print_json(found.json)
        return
    if apart:
        print_result(f"{name}:")
    for line in found.lines:
        print_result(line)
    if apart:
        print_result()
