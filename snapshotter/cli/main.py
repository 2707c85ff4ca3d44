"""
Run the command line: find the command, and print every expected error as a sentence.

The module of a command is imported only when the command is called, so `--help` loads no browser,
no cloud library and no cryptography.
"""

import atexit
import contextlib
import importlib
import io
import os
import stat
import sys
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click
from typing_extensions import override

import snapshotter
from snapshotter.cli.output import (
    OutputClosed,
    begin_results,
    have_results_failed,
    note_store,
    print_error,
)
from snapshotter.errors import INTERRUPTED_EXIT_CODE, SnapshotterError, is_disk_full
from snapshotter.translation import look_up, tr

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from snapshotter.app.settings import Settings

# name -> (module, attribute, one line of help): the help is here so that the list
# of commands needs none of the modules. tests/unit/cli checks it against them.
COMMANDS = {
    "audit": (
        "audit",
        "audit",
        tr("Audit a whole store: find deleted, altered and backdated bundles"),
    ),
    "batch": (
        "batch",
        "batch",
        tr("Capture a table of addresses, and write a table with the results"),
    ),
    "capture": ("capture", "capture", tr("Capture web pages into sealed bundles")),
    "case": ("case", "case", tr("Put captures into cases with exhibit numbers, and check cases")),
    "check": (
        "check",
        "check",
        tr("Check whether pages are still available, and store the result as evidence"),
    ),
    "completion": (
        "completion",
        "completion",
        tr("Print the script that completes commands in bash, zsh or fish"),
    ),
    "counts": ("counts", "counts", tr("Show the counts of a page over its captures")),
    "custody": (
        "custody",
        "custody",
        tr("Show who handled a bundle and how, and check the custody chain"),
    ),
    "diff": ("diff", "diff", tr("Compare two captures of a page")),
    "demo": (
        "demo",
        "demo",
        tr("Show a complete take-down case on this machine, in about 25 seconds"),
    ),
    "disclose": (
        "disclose",
        "disclose",
        tr("Show withheld values of a redacted copy of a bundle"),
    ),
    "doctor": ("doctor", "doctor", tr("Check whether this machine can make captures")),
    "erase": (
        "erase",
        "erase",
        tr("Erase bundles or texts of notes by order, and record each erasure"),
    ),
    "export": ("export", "export", tr("Copy bundles and their sidecars out of the store")),
    "hold": ("hold", "hold", tr("Place, lift and list legal holds on bundles")),
    "index": ("index", "index", tr("Rebuild the index of a store, and show its state")),
    "init": ("init", "init", tr("Write a commented settings file, snapshotter.toml")),
    "keys": ("keys", "keys", tr("Make, list, export, replace and revoke signing keys")),
    "log": ("log", "log", tr("Make, show, prove, check and repair the log of a store")),
    "list": ("list", "list_", tr("List the bundles in a store, newest first")),
    "mark": (
        "mark",
        "mark",
        tr("Mark captures as graphic: their pictures are shown only after a click"),
    ),
    "note": ("note", "note", tr("Write notes about captures and cases, and list notes")),
    "notify": ("notify", "notify", tr("Send messages about captures, audits and take-downs")),
    "open": ("open", "open_", tr("Show a capture in the browser")),
    "proof": (
        "proof",
        "proof",
        tr("Make a proof pack: one file that proves a take-down"),
    ),
    "policy": ("policy", "policy", tr("Show, check and compare policies")),
    "quarantine": (
        "quarantine",
        "quarantine",
        tr("Stop captures from being shown and copied, or list such captures"),
    ),
    "queue": ("queue", "queue", tr("Show, cancel and retry the jobs of the queue")),
    "quote": ("quote", "quote", tr("Find a quotation in a capture, with its picture")),
    "release": ("quarantine", "release", tr("Release captures from quarantine")),
    "renew": (
        "renew",
        "renew",
        tr("Renew the time proofs of bundles before the certificates of the time proofs expire"),
    ),
    "report": (
        "report",
        "report",
        tr("Make reports about captures, cases, days and campaigns, and drafts of declarations"),
    ),
    "review": (
        "review",
        "review",
        tr("List the captures that need a review, and decide about them"),
    ),
    "schedule": (
        "schedule",
        "schedule",
        tr("Capture pages repeatedly, and record the visits that were missed"),
    ),
    "search": ("search", "search", tr("Find captures by words and filters")),
    "serve": ("serve", "serve", tr("Serve the console: see and make captures in your browser")),
    "show": ("show", "show", tr("Show the facts that a bundle contains")),
    "store": (
        "store",
        "store",
        tr("Check, copy and repair a store, add bundles, and extend their retention"),
    ),
    "streams": (
        "streams",
        "streams",
        tr("Decrypt kept streams, and compare the network record with them"),
    ),
    "tag": ("tag", "tag", tr("Add tags to captures, remove and list tags")),
    "takedown": (
        "takedown",
        "takedown",
        tr("Conclude take-downs from captures, and show and export the events"),
    ),
    "timestamp": (
        "timestamp",
        "timestamp",
        tr("Request the timestamp tokens that bundles still lack"),
    ),
    "trust": ("trust", "trust", tr("Make, edit and show the trust file that an auditor uses")),
    "validate": (
        "validate",
        "validate",
        tr("Test this installation with known pages, and sign a validation report"),
    ),
    "verify": ("verify", "verify", tr("Verify bundles, events, proof packs and reports, offline")),
    "watch": (
        "watch",
        "watch",
        tr("Capture each new page of feeds, sitemaps, pages and tables once"),
    ),
    "worker": ("worker", "worker", tr("Run a worker, which captures the pages of the queue")),
}


# The texts as they are written: a command that is loaded again is translated from them.
_english: dict[click.Command | click.Option, tuple[str, ...]] = {}


def _translate_help(command: click.Command) -> None:
    """Look up the help of a command, its options and its subcommands."""
    command.help, command.epilog = (
        look_up(text) or None
        for text in _english.setdefault(command, (command.help or "", command.epilog or ""))
    )
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            (text,) = _english.setdefault(parameter, (parameter.help or "",))
            parameter.help = look_up(text) or None
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            _translate_help(inner)


class _LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    @override
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    @override
    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        command = getattr(importlib.import_module(f"snapshotter.cli.{module}"), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{module}.{attribute} is not a command")
        _translate_help(command)
        return command

    @override
    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem]":
        """Complete commands without importing their modules."""
        from click.shell_completion import CompletionItem

        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        return [
            CompletionItem(name, help=look_up(text))
            for name, (_, _, text) in sorted(COMMANDS.items())
            if name.startswith(incomplete)
        ]

    @override
    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            raise click.UsageError(_describe_unknown(name), ctx)
        return super().resolve_command(ctx, args)

    @override
    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in sorted(COMMANDS.items())])


def _describe_unknown(name: str) -> str:
    """Return the sentence about a command that does not exist, with the nearest commands."""
    from difflib import get_close_matches

    near = get_close_matches(name.lower(), COMMANDS, n=2, cutoff=0.6)
    if not near:
        return tr(
            "the command {name} does not exist. To list the commands: snapshotter --help", name=name
        )
    return tr(
        "the command {name} does not exist. Did you mean {near}?", name=name, near=" or ".join(near)
    )


class _Deferred:
    """The settings, which are read when a command first uses one; `--help` reads none."""

    def __init__(self) -> None:
        self._settings: Settings | None = None

    def load(self, *, found: bool = True, **overrides: str) -> "Settings":
        """
        Read the settings, with options on top.

        Args:
            found: Also read a `snapshotter.toml` of the working directory; the verification of a
                file does not.
        """
        from snapshotter.app import settings

        _note_store_option()
        return settings.load(overrides=overrides, found=found)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if self._settings is None:
            self._settings = self.load()
        return getattr(self._settings, name)


def _note_store_option() -> None:
    """Note the value of --store of the running command, which its hints repeat."""
    ctx = click.get_current_context(silent=True)
    if ctx is None:
        return
    for parameter in ctx.command.params:
        if "--store" in parameter.opts and (given := ctx.params.get(parameter.name)):
            note_store(str(given))


_EXIT_CODES = """\b
Exit codes:
    0  done; for verify and audit: PASSED
    1  the command failed
    2  the command line is invalid
    3  the bundle is stored, but the capture lacks parts that the policy requires
    4  diff --exit-code: the captures differ
   10  FAILED: the file was altered, or breaks a rule of its format
   11  INDETERMINATE: something could not be established
   20  refused by the policy, a legal hold or a retention
   30  a service is unavailable: try again later
  130  interrupted
"""


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=_EXIT_CODES,
)
@click.version_option(snapshotter.__version__, prog_name="snapshotter")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """
    Preserve web pages as evidence that other people can verify.

    \b
    snapshotter capture https://example.org      capture, sign, timestamp and store a page
    snapshotter check https://example.org        check whether the page is still available
    snapshotter list                             list the bundles in the store
    snapshotter search 谣言                      find captures by words
    snapshotter verify captures/bundles/…        verify a bundle, offline

    Instead of the id of a bundle, an event or a job, you can give a part of the id with at least 4
    characters: its beginning, its end, or the beginning of its random part. Of
    20261130t091500z-k3v4q2m7xw4c5b6d, these are 20261130t0915, c5b6d and k3v4q2m7. `latest` is the
    newest.
    """
    ctx.obj = _Deferred()


def main(
    argv: Sequence[str] | None = None,
    *,
    note_error: Callable[[SnapshotterError], None] | None = None,
) -> int:
    """
    Run the command line, print expected errors as sentences, and return the exit code.

    Args:
        note_error: Also gets the error that ended the command.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    begin_results()
    try:
        if any("\0" in argument for argument in arguments):  # no path can have one
            raise click.UsageError(tr("an argument contains a NUL character"))
        code = cli.main(
            args=arguments,
            prog_name="snapshotter",
            standalone_mode=False,
        )
    except click.ClickException as error:  # usage: exit code 2
        _show(error)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("snapshotter: interrupted", err=True)
        return INTERRUPTED_EXIT_CODE
    except SnapshotterError as error:
        print_error(error)
        if note_error is not None:
            note_error(error)
        return error.exit_code
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] == "snapshotter":
            raise
        click.echo(
            tr("snapshotter: this command needs {name}, which is not installed", name=error.name),
            err=True,
        )
        click.echo(
            tr(
                "snapshotter: try: install all parts of snapshotter from its wheel, which "
                '`make dist` builds in the clone:\n  pip install "$(echo dist/*.whl)[all]"'
            ),
            err=True,
        )
        return 1
    except OutputClosed:
        return 0
    except OSError as error:
        # A file or a folder that no command thought of: its name, and the system's words.
        where = f"{error.filename}: " if error.filename else ""
        what = f"{where}{error.strerror or error}"
        if is_disk_full(error) and not where:
            what = tr("no space left on the disk")
        print_error(SnapshotterError(what, hint=_hint(error)))
        return 1
    if not code and have_results_failed():
        return SnapshotterError.exit_code
    return code if isinstance(code, int) else 0


def _hint(error: OSError) -> str:
    if is_disk_full(error):
        return tr(
            "free disk space where the store, data_dir and spool_dir are, and give the same "
            "command again"
        )
    return tr(
        "check that you have permission to write to this file or folder, or set other places "
        "with the settings data_dir, keys_dir, spool_dir and store "
        "(docs/reference/configuration.md)"
    )


def _show(error: click.ClickException) -> None:
    """Print a usage error of click, with control characters of file names escaped."""
    from snapshotter.formats.printable import printable

    words = io.StringIO()
    error.show(words)
    for line in words.getvalue().split("\n")[:-1]:
        click.echo(printable(line.expandtabs(2)), err=True)  # click lists choices with tabs


def entry(*, note_error: Callable[[SnapshotterError], None] | None = None) -> None:
    """Run `main`, and end the process with its exit code."""
    # A umask of 000 is a mistake: anybody on the machine could change settings and evidence.
    os.umask(os.umask(0o077) | stat.S_IWOTH)
    code = main(note_error=note_error)
    _flush()
    # The system frees what is left. The interpreter would take every module apart, and look twice
    # for cycles among all objects, which takes a tenth of a short capture. What has to end before
    # does, as in a process of `multiprocessing`. Ctrl-C ends the waiting for threads.
    with contextlib.suppress(KeyboardInterrupt):
        threading._shutdown()  # type: ignore[attr-defined]
    with contextlib.suppress(KeyboardInterrupt):
        atexit._run_exitfuncs()
    _flush()
    os._exit(code)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:  # as it is where the caller closed it
                stream.flush()
        except OSError:
            # The error was printed before, or the output is closed: the interpreter
            # would try again, and end in a code of its own.
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
