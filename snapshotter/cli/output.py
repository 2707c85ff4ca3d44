"""
Print results on stdout and messages on stderr, show progress on a terminal, and write files.

Control characters in the printed text are escaped. The module also formats sizes, times, durations
and verdicts for all commands.
"""

import contextlib
import os
import shlex
import shutil
import sys
import threading
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import click

from snapshotter import durable
from snapshotter.errors import SnapshotterError
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.model.assessment import AssessmentSummary

_NO_PAGE = "no page: "  # begins the detail of a failed capture, whose reason says the same
# What a person reads while a stage runs that is no stage of a capture.
_STAGE_NAMES = {
    "conclude": tr("concluding take-downs from the captures"),
    "pack": tr("making the proof pack"),
    "log": tr("rebuilding the tree of the log"),
    "listing": tr("listing the store"),
    "bundles": "reading bundles",
    "judging": tr("comparing bundles with the log"),
}


def write_file(path: Path, data: bytes) -> None:
    """
    Write a file whole or not at all; a file of that name is replaced.

    Raises:
        SnapshotterError: It cannot be written.
    """
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(data)  # a pipe, or /dev/stdout: nothing may take its place
        else:
            durable.write(path, data)
    except OSError as error:
        raise SnapshotterError(
            tr("{path} cannot be written: {strerror}", path=path, strerror=error.strerror or error),
            hint=tr("write to another file"),
        ) from error


def verdict_lines(shown: "AssessmentSummary | None") -> list[tuple[str, str]]:
    """Return what a capture shows, each fact as a label and a text; the state comes first."""
    if shown is None:
        return []
    from snapshotter.formats.printable import printable
    from snapshotter.model.sentences import page_words

    return [("page", printable(page_words(shown))), *page_facts(shown)]


def page_facts(shown: "AssessmentSummary | None", *, stub: bool = True) -> list[tuple[str, str]]:
    """
    Return the facts behind the state of a page, each as a label and a text.

    Args:
        stub: Whether the rule that would know an unknown notice is printed.
    """
    if shown is None:
        return []
    from snapshotter.formats.printable import printable
    from snapshotter.model.assessment import Availability
    from snapshotter.model.sentences import describe_detail

    lines = [("rule", printable(text)) for text in (shown.rule,) if text]
    is_open = shown.availability is Availability.INCONCLUSIVE
    if is_open and shown.detail and not shown.detail.startswith(_NO_PAGE):
        lines.append(("assessment", printable(describe_detail(shown.detail))))
    lines += [("notice", printable(text)) for text in (shown.notice,) if text]
    lines += [("cited rule", printable(text)) for text in (shown.cited_rule,) if text]
    lines += [
        ("account", f"{printable(account)}, as the page states") for account in shown.accounts
    ]
    lines += [("label", f"{printable(label)}, added by the platform") for label in shown.labels]
    lines += [
        ("quoted item", f"not available, according to the rule {printable(rule)}")
        for rule in shown.quoted
    ]
    if shown.stub and not stub:
        lines.append(
            (
                "new rule",
                tr(
                    "no rule matches this notice. The command snapshotter show --all "
                    "prints a draft of a rule"
                ),
            )
        )
    elif shown.stub:
        lines.append(("new rule", tr("this rule would match the notice:")))
        lines += [("", printable(line)) for line in shown.stub.splitlines() if line]
    return lines


class _LiveLine:
    """
    The line of a terminal that shows the current step, of which there is one at a time.

    It is removed while other lines are printed, so that it does not stand before or between them.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._status: Any = None  # a `rich.status.Status` that runs

    def show(self, status: Any) -> None:
        """Show a status until `remove`."""
        with self._lock:
            self._status = status
            status.start()

    def remove(self, status: Any) -> None:
        """Remove a status from the terminal."""
        with self._lock:
            status.stop()
            if self._status is status:
                self._status = None

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Remove the line during the `with` block, in which other lines are printed."""
        with self._lock:
            status = self._status
            if status is None:
                yield
                return
            status.stop()
            try:
                yield
            finally:
                status.start()


_live_line = _LiveLine()


class OutputClosed(BrokenPipeError):
    """
    The reader closed our output (`| head`), which is not an error.

    It has no errno: for EPIPE click would end the process, with an exit code of its own.
    """


class _Results:
    """What happens when results cannot be printed: the command ends, or finishes its work."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Begin the results of a command, which ends when they cannot be printed."""
        self.keeps_working = False
        self.is_closed = False  # nothing more is printed
        self.has_failed = False  # for another reason than that the reader ended

    def lost(self, error: SnapshotterError | None) -> None:
        """
        Note that a result could not be printed, and show why.

        Args:
            error: None if the reader closed the output.
        """
        self.is_closed = True
        if error is not None:
            self.has_failed = True
            print_error(error)
        print_message(
            tr("no further results are printed. The command finishes its work")
            if error is not None
            else tr(
                "standard output is closed, so no further results are printed. The command "
                "finishes its work"
            )
        )


_results = _Results()
_store_of_command: list[str] = []  # as --store names it; empty without the option


def note_store(store: str) -> None:
    """Note which store the command line names, for the commands in hints."""
    _store_of_command[:] = [store]


def begin_results() -> None:
    """Forget the output and the store of an earlier command of this process."""
    _results.begin()
    _store_of_command.clear()


def keep_working() -> None:
    """Finish the work of this command if results cannot be printed (`| head`, a full disk)."""
    _results.keeps_working = True


def have_results_failed() -> bool:
    """Return whether a result was lost, not because the reader closed the output."""
    return _results.has_failed


def print_message(text: str) -> None:
    """
    Print a message on stderr, with control characters escaped.

    Lines after the first are indented, so that quoted text with a line end cannot imitate a
    message of ours.
    """
    from snapshotter.formats.printable import printable

    # Nobody may be listening any more (`2>&1 | head`), and a full disk cannot be told of
    # on itself: what a command does must not depend on that.
    with _live_line.paused(), contextlib.suppress(OSError):
        for number, line in enumerate(text.split("\n")):
            indent = "snapshotter: " if number == 0 else "" if line.startswith("  ") else "  "
            shown = _with_store(line) if number else line
            click.echo(indent + printable(shown), err=True)


def print_error(error: SnapshotterError) -> None:
    """Print an error, and below it what to do about it."""
    print_message(str(error))
    print_hint(error.hint)


def print_hint(hint: str) -> None:
    """Print on stderr what to do about an error, each command on a line of its own."""
    if hint:
        print_message(tr("try: {hint}", hint=hint))


def print_result(text: str = "") -> None:
    """Print one line of the result on stdout, with control characters escaped."""
    from snapshotter.formats.printable import printable

    _print(printable(text))


def print_group(heading: str, rows: Iterable[tuple[str, str]]) -> None:
    """Print a heading, and below it facts with their labels."""
    from snapshotter.verify.report import group_lines

    for line in group_lines(heading, rows):
        _print(line)


def for_store(command: str, store: str | None) -> str:
    """Return a command that names the store as the user did: by an option, or not at all."""
    return f"{command} --store {shlex.quote(store)}" if store else command


def print_next(sentence: str, *commands: str) -> None:
    """Print what to do next, each command on a line of its own."""
    print_result(tr("next: {sentence}", sentence=sentence))
    for command in commands:
        print_result(_with_store(f"  {command}"))


def _with_store(line: str) -> str:
    """Return a line of a hint, so that its command works in the store of this command."""
    if not _store_of_command or "snapshotter " not in line:
        return line
    from snapshotter.cli.hint_commands import with_store

    return with_store(line, _store_of_command[0])


def print_json(value: Any) -> None:
    """Print one JSON object as one line on stdout."""
    from snapshotter.verify.report import json_line

    _print(json_line(value))


def _print(line: str) -> None:
    if _results.is_closed:
        return
    try:
        with _live_line.paused():
            click.echo(line)
    except BrokenPipeError as error:
        if not _results.keeps_working:
            raise OutputClosed from error
        _results.lost(None)
    except OSError as error:
        failure = SnapshotterError(
            tr("the output cannot be written: {strerror}", strerror=error.strerror),
            hint=tr("write the output to another file or device"),
        )
        if not _results.keeps_working:
            raise failure from error
        _results.lost(failure)


def program_name() -> str:
    """Return the command that runs this program here: `snapshotter`, or its path."""
    ran = Path(sys.argv[0])
    if ran.name == "__main__.py":
        isolated = " -I" if sys.flags.isolated else ""
        return f"{Path(sys.executable).name}{isolated} -m snapshotter"
    found = shutil.which(ran.name)
    if found is not None and Path(found).samefile(ran):
        return ran.name
    try:
        return str(ran.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(ran)


def format_bytes(count: int) -> str:
    """Return a number of bytes for a person: `4.8 MB`."""
    size = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            return f"{count} bytes" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    raise AssertionError("unreachable")


def format_time(at: datetime) -> str:
    """Return an instant for a person: `2026-05-27 09:00:00 UTC`."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def format_local_time(at: datetime) -> str:
    """
    Return an instant in UTC and in the time zone of this machine.

    In UTC only, `2026-05-27 09:00:00 UTC`, where both are the same.
    """
    local = at.astimezone()
    if not local.utcoffset():
        return format_time(at)
    return f"{local:%Y-%m-%d %H:%M:%S %z} ({format_time(at)})"


def on_terminal() -> bool:
    """Return whether stderr is a terminal that can show a live display."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"  # noqa: TID251  what the terminal can do is not a setting


class Steps:
    """
    A live display of steps on a terminal, plain lines elsewhere.

    It is called from the capture's own thread; on a terminal the current step is
    one line that is rewritten, and a finished one stays.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._live = on_terminal()
        self._lock = threading.Lock()
        self._stage = ""
        self._shown: set[str] = set()  # stages of this round: a capture may be one of several
        self._status: Any = None

    def __enter__(self) -> Self:
        if self._live and not self._quiet:
            from rich.console import Console

            self._status = Console(stderr=True, highlight=False).status("")
            _live_line.show(self._status)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._status is not None:
            _live_line.remove(self._status)
            self._status = None

    def __call__(self, stage: str, detail: str) -> None:
        if self._quiet:
            return
        words = step_text(stage)
        text = f"{words}: {detail}" if detail else words
        with self._lock:
            if self._status is not None:
                from rich.markup import escape

                from snapshotter.formats.printable import printable

                self._status.update(escape(printable(text)))
            elif stage != self._stage and not (detail and stage in self._shown):
                print_message(
                    words
                )  # how it goes on is no line of its own, also where others run beside it
            if not detail and stage in self._shown:
                self._shown.clear()
            self._shown.add(stage)
            self._stage = stage


class BackgroundSteps:
    """
    The steps of a bundle that is completed beside the next capture, as plain lines.

    A terminal shows nothing of it, because its line belongs to the next capture.
    """

    def __init__(self, name: str, *, quiet: bool = False) -> None:
        self._name = name
        self._silent = quiet or on_terminal()
        self._shown: set[str] = set()

    def __call__(self, stage: str, detail: str) -> None:
        if stage not in self._shown and not self._silent:
            print_message(f"{self._name}: {step_text(stage)}")
        self._shown.add(stage)


def step_text(stage: str) -> str:
    """Return the text for a stage that runs."""
    from snapshotter.model.sentences import stage_name

    return _STAGE_NAMES.get(stage) or stage_name(stage) or stage
