"""
Provide `snapshotter proof`: write a proof pack, one file that proves a take-down or a change.
"""

import contextlib
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from snapshotter.cli.key_options import ask_passphrase
from snapshotter.cli.object_id import FILE_OR_ID
from snapshotter.cli.options import root_key_option, store_option, trust_option
from snapshotter.cli.output import print_json, print_message, print_result
from snapshotter.errors import SnapshotterError
from snapshotter.model.finding import Verdict
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.app.takedown.proof_pack import ProofCase, WrittenPack

_EXAMPLES = """\b
Examples:
  snapshotter proof 'https://mp.weixin.qq.com/s?__biz=MzA…&mid=26…&idx=1&sn=…'
  snapshotter proof 20261127t145000z-k3v4q2m7xw4c5b6d -o exhibit-7.html
  snapshotter proof LAST-SEEN FIRST-GONE --without pdf --max-size 25MB
  snapshotter proof EARLIER LATER
"""
_SIZE = re.compile(r"([0-9]{1,9})\s*(B|KB|MB|GB)?", re.IGNORECASE)
_UNITS = {"B": 1, "KB": 1_000, "MB": 1_000_000, "GB": 1_000_000_000}
_LEAVE_OUT = ("confirmations", "controls", "pdf", "vantages")  # of `app.takedown.proof_pack`


def _size(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """Read a length such as 25MB, as mail servers count."""
    if value is None:
        return None
    found = _SIZE.fullmatch(value.strip())
    if found is None:
        raise click.BadParameter(
            tr("{value!r} is not a valid size; an example of a valid size is 25MB", value=value)
        )
    return int(found[1]) * _UNITS[(found[2] or "B").upper()]


@click.command(epilog=_EXAMPLES)
@click.argument(
    "wanted", nargs=-1, required=True, type=FILE_OR_ID, metavar="URL|EVENT-ID|BUNDLE-ID…"
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="File to write; - is standard output.  [default: proof-EVENT-ID.html in this directory]",
)
@click.option(
    "--max-size",
    callback=_size,
    metavar="SIZE",
    help="Do not write a file that is larger than this size, for example 25MB.  [default: no "
    "limit, but a warning above 25MB]",
)
@click.option(
    "--without",
    multiple=True,
    type=click.Choice(_LEAVE_OUT),
    help="Leave out this part. The page states which parts are left out. May be repeated.",
)
@store_option
@trust_option
@root_key_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def proof(
    ctx: click.Context,
    wanted: tuple[str, ...],
    output: Path | None,
    max_size: int | None,
    without: tuple[str, ...],
    store: str | None,
    trust_file: Path | None,
    root_key: str | None,
    as_json: bool,
) -> None:
    """
    Make a proof pack: one file that proves a take-down or a change of a page.

    The file contains the sealed captures, the signed event, the rules, and a picture of the first
    view of both captures. It also contains a statement in plain words. The file needs no network.
    When the file is opened in a browser, its page checks the file for damage. Only a verification
    by another program proves that the file was not altered.

    For an address, the command uses the latest confirmed take-down of the page. If no take-down is
    confirmed, the output states what is missing and which command to use next.

    The command compares two captures that both show the page. It records and proves what changed
    in the main text: words, the title, a price, a picture or a stated date. A later capture
    confirms the change, if the store has one. Exit code 1: the main text did not change, or the
    captures differ in more than time. Exit code 11: it is not established whether the page
    changed, for example because a capture is not complete.

    Each capture is verified first. The command refuses a capture that is FAILED, or that is in
    quarantine. Exit code 20: a capture is in quarantine, and nothing was written.
    """
    from snapshotter.app.spool import scratch_directory
    from snapshotter.app.takedown import proof_case
    from snapshotter.app.takedown.proof_pack import MAIL_BYTES, format_megabytes, make
    from snapshotter.app.url_lists import complete_urls
    from snapshotter.app.wiring import proof as wiring_proof
    from snapshotter.app.wiring import takedown as wiring_takedown

    if str(output) == "-" and as_json:
        raise click.UsageError(
            tr("-o - and --json do not work together, because both write to standard output")
        )
    settings = ctx.obj.load(
        trust_file=str(trust_file or ""), trust_root_key=root_key or "", store=store or ""
    )
    with wiring_takedown.takedown_service(
        settings, ask=ask_passphrase, show_message=print_message
    ) as service:
        found = proof_case.find(
            service,
            FILE_OR_ID.resolve(service.source.store, complete_urls(wanted, print_message)),
            wiring_proof.event_log_proof(settings),
            print_message,
            allowed=settings.allow_networks,
        )
    with contextlib.ExitStack() as open_:
        if str(output) == "-":
            target = (
                open_.enter_context(scratch_directory(settings.spool_dir, "proof")) / "proof.html"
            )
        else:
            target = _target(output, found)
            _refuse_others(target)
        made = make(
            wiring_proof.proof_service(settings, ask=ask_passphrase, show_message=print_message),
            found,
            target,
            without=frozenset(without),
            max_bytes=max_size,
        )
        wiring_proof.note_export(settings, made, print_message)
        if str(output) == "-":
            _to_stdout(made.file)
    if max_size is None and made.length > MAIL_BYTES:
        print_message(
            tr(
                "the size of the proof pack is {megabytes}, but many mail servers accept at most "
                "{megabytes2}. To make the file smaller, leave out parts with --without. To set "
                "a maximum size, give --max-size",
                megabytes=format_megabytes(made.length),
                megabytes2=format_megabytes(MAIL_BYTES),
            )
        )
    if made.report.verdict is Verdict.INDETERMINATE:
        print_message(
            tr(
                "the verdict about this proof pack is INDETERMINATE. Show what is missing:\n  "
                "snapshotter verify {file}",
                file="FILE" if str(output) == "-" else made.file,
            )
        )
    if as_json:
        print_json(_object(made))
    elif str(output) != "-":
        print_result(str(made.file))


def _target(output: Path | None, case: "ProofCase") -> Path:
    if output is None:
        name = case.event.event_id if case.event else case.captures[1][1]
        return Path(f"proof-{name}.html")
    return output


def _refuse_others(target: Path) -> None:
    """Raise SnapshotterError if the target exists and is not a proof pack."""
    from snapshotter.formats.statements.pack import MAGIC

    try:
        with target.open("rb") as there:
            if there.read(len(MAGIC)) == MAGIC:
                return
    except FileNotFoundError:
        return
    except OSError as error:
        raise SnapshotterError(f"{target}: {error.strerror}") from error
    raise SnapshotterError(
        tr("{target} exists already and is not a proof pack", target=target),
        hint=tr("give another file with -o"),
    )


def _to_stdout(file: Path) -> None:
    with file.open("rb") as source:
        shutil.copyfileobj(source, sys.stdout.buffer)
    sys.stdout.buffer.flush()


def _object(made: "WrittenPack") -> dict[str, object]:
    from snapshotter.formats.canonical_json import plain
    from snapshotter.report.statement import facts
    from snapshotter.verify import proof_pack_report

    return {
        "event_id": made.manifest.event_id,
        "file": str(made.file),
        "key_id": made.report.key_id,
        "lacks": list(made.manifest.lacks),
        "length": made.length,
        "parts": [plain(part) for part in made.manifest.parts],
        "statement": facts(made.statement),
        "verification": proof_pack_report.as_json(made.report),
        "verdict": made.report.verdict.value,
    }
