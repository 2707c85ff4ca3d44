"""
Run the command line: find the command, and print every expected error as a sentence.

The module of a command is imported only when the command is called, so `--help` loads no browser,
no cloud library and no cryptography.
"""

import importlib
import io
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click
from typing_extensions import override

import snapshotter
from snapshotter.cli.output import OutputClosed, print_error
from snapshotter.errors import INTERRUPTED_EXIT_CODE, SnapshotterError, is_disk_full

if TYPE_CHECKING:
    from snapshotter.app.settings import Settings

# name -> (module, attribute, one line of help): the help is here so that the list
# of commands needs none of the modules. tests/unit/cli checks it against them.
COMMANDS = {
    "audit": ("audit", "audit", "Audit a whole store: deletions, changes, two histories"),
    "batch": ("batch", "batch", "Capture a table of addresses, row by row"),
    "capture": ("capture", "capture", "Capture web pages into sealed bundles"),
    "check": ("check", "check", "Look whether a page is still there, and keep the proof"),
    "counts": ("counts", "counts", "Show the counts of a page over its captures"),
    "custody": ("custody", "custody", "Show who did what to a bundle, its chain checked"),
    "diff": ("diff", "diff", "Compare two captures of a page"),
    "demo": ("demo", "demo", "Prove that a page is gone, without a network: two dozen seconds"),
    "doctor": ("doctor", "doctor", "Check that everything a capture needs is there"),
    "erase": ("erase", "erase", "Erase bundles by order, and leave a tombstone"),
    "export": ("export", "export", "Copy a bundle and its sidecars out of the store"),
    "hold": ("hold", "hold", "Place, lift and list holds on bundles"),
    "init": ("init", "init", "Write a commented snapshotter.toml"),
    "keys": ("keys", "keys", "Make, list and export signing keys"),
    "log": ("log", "log", "Show, prove, check and complete the log of a store"),
    "list": ("list", "list_", "List the bundles in a store, newest first"),
    "notify": ("notify", "notify", "Tell people what happened, by webhook or mail"),
    "proof": ("proof", "proof", "Prove a take-down: both ends in one file that checks itself"),
    "policy": ("policy", "policy", "Look at policies: how pages are captured, judged and visited"),
    "queue": ("queue", "queue", "Show, cancel and retry what waits to be captured"),
    "renew": ("renew", "renew", "Renew the time proofs of bundles before certificates end"),
    "report": ("report", "report", "Report what became of the pages of a campaign"),
    "schedule": (
        "schedule",
        "schedule",
        "Capture pages again and again, and record what was missed",
    ),
    "show": ("show", "show", "Show what a bundle says of itself"),
    "store": ("store", "store", "Check a store, add bundles to it, keep, copy and repair it"),
    "streams": ("streams", "streams", "Open encrypted streams, and check the record by them"),
    "takedown": (
        "takedown",
        "takedown",
        "Conclude take-downs from captures, and show and export the signed events",
    ),
    "timestamp": ("timestamp", "timestamp", "Fetch the timestamp tokens still owed"),
    "trust": ("trust", "trust", "Make and show the trust file that an auditor pins"),
    "verify": ("verify", "verify", "Verify bundles, take-down events and proof packs, offline"),
    "watch": ("watch", "watch", "Watch feeds, sitemaps and lists for new pages to capture"),
    "worker": ("worker", "worker", "Capture what others hand over to the queue"),
}


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
        return command

    @override
    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in sorted(COMMANDS.items())])


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

        return settings.load(overrides=overrides, found=found)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if self._settings is None:
            self._settings = self.load()
        return getattr(self._settings, name)


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done or PASSED, 1 failed, 2 usage, 3 sealed but incomplete, 4 diff "
    "--exit-code: they differ, 10 FAILED, 11 INDETERMINATE, 20 refused by policy, 30 try again, "
    "130 interrupted.",
)
@click.version_option(snapshotter.__version__, prog_name="snapshotter")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """
    Preserve web pages as evidence that a stranger can verify.

    \b
    snapshotter capture https://example.org      capture, sign, timestamp, store
    snapshotter check https://example.org        is it still there?
    snapshotter list                             what is there
    snapshotter verify captures/bundles/…        check a bundle, offline
    """
    ctx.obj = _Deferred()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line, print expected errors as sentences, and return the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        if any("\0" in argument for argument in arguments):  # no path can have one
            raise click.UsageError("an argument has a NUL in it")
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
        return error.exit_code
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] == "snapshotter":
            raise
        click.echo(
            f"snapshotter: this command needs {error.name}, which is not installed", err=True
        )
        click.echo("snapshotter: try: pip install 'snapshotter[all]'", err=True)
        return 1
    except OutputClosed:
        return 0
    except OSError as error:
        # A file or a folder that no command thought of: its name, and the system's words.
        where = f"{error.filename}: " if error.filename else ""
        print_error(SnapshotterError(f"{where}{error.strerror or error}", hint=_hint(error)))
        return 1
    return code if isinstance(code, int) else 0


def _hint(error: OSError) -> str:
    if is_disk_full(error):
        return "make room there, and give the same command again"
    return (
        "check that you may write there; the settings data_dir, keys_dir, spool_dir and store "
        "name other places: docs/reference/configuration.md"
    )


def _show(error: click.ClickException) -> None:
    """Print a usage error of click, with control characters of file names escaped."""
    from snapshotter.formats.printable import printable

    words = io.StringIO()
    error.show(words)
    for line in words.getvalue().split("\n")[:-1]:
        click.echo(printable(line), err=True)


def entry() -> None:
    """Run `main`, and end the process with its exit code."""
    code = main()
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:  # as it is where the caller closed it
                stream.flush()
        except OSError:
            # The error was printed before, or the output is closed: the interpreter
            # would try again, and end in a code of its own.
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    sys.exit(code)
