"""Provide `snapshotter serve`: serve the console on this machine."""

import os
import webbrowser

import click

from snapshotter.cli.options import store_option
from snapshotter.cli.output import print_message, print_result
from snapshotter.translation import tr


@click.command(
    epilog="""\b
Examples:
  snapshotter serve
  snapshotter serve --port 0 --no-open
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
@store_option
@click.pass_context
def serve(ctx: click.Context, port: int, address: str, opens: bool, store: str | None) -> None:
    """
    Serve the console: see and make captures in your browser.

    The command prints a log-in link. The link works once, and for ten minutes. For a new link, send
    SIGUSR1 to the process. The console runs until SIGTERM or Ctrl-C.

    Only programs of this machine can reach the console. The process that serves the pages opens no
    signing key.
    """
    from snapshotter.app.wiring import web as wiring_web
    from snapshotter.cli.desktop import has_desktop
    from snapshotter.web import server

    settings = ctx.obj.load(store=store or "")
    with (
        server.listen(address, port) as bound,
        wiring_web.web_services(settings, show_message=print_message) as services,
    ):
        context = server.make_context(settings, services, server.serve_rules(settings, bound))

        def show_link() -> None:
            print_result(server.make_link(context))

        def started() -> None:
            print_message(
                tr(
                    "the console runs at {origin} until Ctrl-C. The log-in link works once, and "
                    "for ten minutes. For a new link: kill -USR1 {pid}",
                    origin=context.rules.origin,
                    pid=os.getpid(),
                )
            )
            show_link()
            if opens and has_desktop():
                file = server.write_opener(context, server.make_link(context))
                webbrowser.open(file.absolute().as_uri())

        server.run(context, bound, started=started, link_wanted=show_link)
