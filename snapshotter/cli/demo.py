"""
Provide `snapshotter demo`: capture a page of a local server, remove it, and make and verify the
proof of its removal. The demo needs no network.
"""

import contextlib
import shutil
import tempfile
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from snapshotter.cli import desktop
from snapshotter.cli.output import (
    Steps,
    on_terminal,
    print_json,
    print_message,
    print_result,
    program_name,
)
from snapshotter.errors import SnapshotterError
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.app.demo import DemoResult, Step
    from snapshotter.app.settings import Settings

_WIDTH = 75  # characters of a text, so that a line fits into 80 columns
_WORDS = {
    "site": tr("A news site starts on this machine."),
    "there": tr("The story is available. The first capture is made."),
    "removed": tr("The site removes the story."),
    "gone": tr("The story is not available. The second capture is made."),
    "control": tr("Another story is available. The control capture is made."),
    "again": tr("The story is still not available. The confirming capture is made."),
    "event": tr("The take-down event is concluded and signed."),
    "proof": tr("The proof pack is written."),
    "verify": tr("The proof pack is verified."),
    "forgery": tr("A copy of the proof pack is altered and verified."),
}

_EXAMPLES = """\b
Examples:
  snapshotter demo
  snapshotter demo --keep ./demo --no-open
  snapshotter demo --json
"""


@click.command(epilog=_EXAMPLES)
@click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Keep the bundles, keys, event and proof pack in this directory. The directory must be "
    "empty or must not exist.",
)
@click.option("--no-open", is_flag=True, help="Do not open the proof pack in a browser.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def demo(ctx: click.Context, keep: Path | None, no_open: bool, as_json: bool) -> int:
    """
    Show a complete take-down case on this machine, without a network.

    The demo starts a small news site on this machine. The demo captures a story, removes the story,
    captures the page again, and confirms the take-down. Then the demo makes a proof pack and
    verifies the proof pack. The demo takes about 25 seconds.

    The demo makes its own keys, store and timestamp authority, and deletes them at the end. It does
    not read or change your own keys and stores.
    """
    from snapshotter.app import demo as demos
    from snapshotter.app.spool import scratch_directory
    from snapshotter.app.wiring.demo import demo_environment

    if keep is not None and keep.exists() and (not keep.is_dir() or any(keep.iterdir())):
        raise SnapshotterError(
            tr("{keep} is not an empty directory", keep=keep),
            hint=tr("give --keep a directory that is empty or does not exist"),
        )
    with contextlib.ExitStack() as open_:
        own = _own(ctx)
        folder = keep or open_.enter_context(scratch_directory(own.spool_dir, "demo"))
        if not as_json:
            print_result(tr("This demo proves that a page was available and was then removed."))
            print_result(tr("The demo takes about 25 seconds and uses no network."))
            print_result(tr("The demo does not read or change your own keys and captures."))
            print_result()
        with Steps(quiet=as_json or not on_terminal()) as steps:
            number = 0

            def step_done(step: "Step") -> None:
                nonlocal number
                number += 1
                if not as_json:
                    _print(number, step)

            with demo_environment(own, folder.absolute(), steps, print_message) as environment:
                done = demos.run(environment, step_done)
        wanted = not (no_open or as_json) and desktop.has_desktop()
        shown = open_proof(done.proof, stays=keep is not None) if wanted else None
        if as_json:
            print_json(_object(done, keep))
        else:
            _end(done, keep, shown)
    return done.exit_code


def _own(ctx: click.Context) -> "Settings":
    """Return the settings of this user; default settings if they cannot be read."""
    from snapshotter.app import settings

    try:
        found: Settings = ctx.obj.load()
    except SnapshotterError as error:
        print_message(
            tr(
                "the demo continues without your settings, which cannot be read: {error}",
                error=error,
            )
        )
        return settings.settings_from_values({})
    return found


def _print(number: int, step: "Step") -> None:
    print_result(f"{number:>3}  {_WORDS.get(step.name, step.name)}")
    for text in (step.did, step.proves):
        for line in textwrap.wrap(text, _WIDTH):
            print_result(f"     {line}")


def open_proof(file: Path, *, stays: bool) -> Path | None:
    """
    Open a proof in the person's browser; return where it is, None if no browser took it.

    Args:
        stays: The file is kept anyway. Otherwise it moves to where nobody removes it while the
            browser still reads it.
    """
    if not stays:
        # The output names the folder, which belongs to the person.
        folder = Path(tempfile.mkdtemp(prefix="snapshotter-proof-"))  # noqa: TID251
        file = Path(shutil.move(file, folder / file.name))
    if desktop.open_file(file):
        return file
    if not stays:
        shutil.rmtree(file.parent)
    return None


def _end(done: "DemoResult", keep: Path | None, shown: Path | None) -> None:
    print_result()
    print_result(
        tr("The news site, the timestamp authority and the keys exist only for this demo.")
    )
    print_result(tr("They prove nothing about any real page."))
    print_result(tr("Real pages are captured, signed, concluded and verified in the same way."))
    print_result()
    if keep is not None:
        from snapshotter.app.settings import config_variable_line

        proof = keep / done.proof.name
        print_result(
            tr(
                "All files are in {keep}. Open {name} in any browser.",
                keep=keep,
                name=done.proof.name,
            )
        )
        print_result(tr("Verify the proof pack yourself:"))
        print_result(
            tr(
                "  {config_variable_line} {program_name} verify {proof}",
                config_variable_line=config_variable_line((keep / "snapshotter.toml").absolute()),
                program_name=program_name(),
                proof=proof,
            )
        )
    elif shown is not None:
        print_result(
            tr(
                "The proof pack is open in your browser. You can delete the file: {shown}",
                shown=shown,
            )
        )
    else:
        print_result(
            tr("All files of the demo are deleted. Run the demo again and keep its files:")
        )
        print_result(tr("  {program_name} demo --keep ./demo", program_name=program_name()))
    print_result(tr("Capture a page:"))
    print_result(tr("  {program_name} capture https://example.org", program_name=program_name()))


def _object(done: "DemoResult", keep: Path | None) -> dict[str, Any]:
    from snapshotter.formats.canonical_json import plain

    return {
        "authority": done.has_authority,
        "event": plain(done.event),
        "folder": str(keep) if keep is not None else None,
        "proof": str(done.proof) if keep is not None else None,
        "steps": [
            {"did": step.did, "name": step.name, "proves": step.proves, "seconds": step.seconds}
            | dict(step.facts)
            for step in done.steps
        ],
        "verdict": done.report.verdict.value,
    }
