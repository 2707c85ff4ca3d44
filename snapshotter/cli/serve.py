"""Provide `snapshotter serve`: serve the console on this machine."""

import contextlib
import os
import webbrowser
from typing import TYPE_CHECKING

import click

from snapshotter.cli.options import store_option
from snapshotter.cli.output import print_error, print_message, print_result
from snapshotter.errors import SnapshotterError
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.app.settings import Settings
    from snapshotter.web.context import WebContext


@click.command(
    epilog="""\b
Examples:
  snapshotter serve
  snapshotter serve --port 0 --no-open
  snapshotter serve --no-worker
"""
)
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    metavar="PORT",
    default=8765,
    show_default=True,
    help="Port of the console. 0 selects a free port.",
)
@click.option(
    "--address",
    metavar="ADDRESS",
    default="127.0.0.1",
    show_default=True,
    help="Address of this machine at which the console listens. Addresses that other machines can "
    "reach are refused.",
)
@click.option(
    "--open/--no-open",
    "opens",
    default=True,
    help="Open the console in your browser.  [default: open, if there is a desktop]",
)
@click.option(
    "--no-worker",
    is_flag=True,
    help="Do not start a worker. Captures then wait until a worker runs elsewhere.",
)
@store_option
@click.pass_context
def serve(
    ctx: click.Context, port: int, address: str, opens: bool, no_worker: bool, store: str | None
) -> None:
    """
    Serve the console: see and make captures in your browser.

    The command prints a log-in link. The link works once, and expires after ten minutes. For a new
    link, give the same command again, or send SIGUSR1 to the process. The console runs until
    SIGTERM or Ctrl-C.

    Only programs of this machine can reach the console. The process that serves the pages does not
    open signing keys. A worker makes the captures. The worker starts and ends with the console.
    While another worker of the same queue runs, the console starts no worker.

    Exit codes: 0 the console ended after a signal, or the console runs already. 30 another program
    uses the port.
    """
    from snapshotter.app.wiring import web as wiring_web
    from snapshotter.web import server
    from snapshotter.web.worker_child import worker_child

    settings = ctx.obj.load(store=store or "")
    with contextlib.ExitStack() as open_:
        try:
            bound = open_.enter_context(server.listen(address, port))
        except server.PortInUse:
            if not _is_running(settings, port, opens=opens):
                raise
            return
        services = open_.enter_context(
            wiring_web.web_services(settings, show_message=print_message)
        )
        context = server.make_context(settings, services, server.serve_rules(settings, bound))
        if not no_worker:
            options = ("--store", store) if store else ()
            open_.enter_context(
                worker_child(
                    options,
                    context.worker,
                    has_worker=services.has_worker,
                    show_message=print_message,
                )
            )
        server.run(
            context,
            bound,
            started=lambda: _tell(context, os.getpid(), opens=opens),
            link_wanted=lambda: _print_link(context),
        )


def _print_link(context: "WebContext") -> None:
    """Print a new log-in link, or why there is none: the console runs on."""
    from snapshotter.web import server

    try:
        print_result(server.make_link(context))
    except SnapshotterError as error:
        print_error(error)


def _is_running(settings: "Settings", port: int, *, opens: bool) -> bool:
    """Print a new link of the console that listens at a port; return whether there is one."""
    from snapshotter.app.wiring import web as wiring_web
    from snapshotter.web import server

    with wiring_web.web_services(settings, show_message=print_message) as services:
        running = server.running_console(settings, services, port)
        if running is None:
            return False
        print_message(tr("the console runs already"))
        _tell(running[0], running[1], opens=opens)
        return True


def _tell(context: "WebContext", pid: int, *, opens: bool) -> None:
    """Print a log-in link, and open another one if there is a desktop."""
    from snapshotter.cli.desktop import has_desktop
    from snapshotter.web import server

    print_message(
        tr(
            "the console runs at {origin} (process {pid}) until Ctrl-C. The log-in link works "
            "once, and expires after ten minutes",
            origin=context.rules.origin,
            pid=pid,
        )
    )
    print_result(server.make_link(context))
    if opens and has_desktop():
        file = server.write_opener(context, server.make_link(context))
        webbrowser.open(file.absolute().as_uri())
