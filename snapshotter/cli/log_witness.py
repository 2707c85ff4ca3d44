"""
Provide `snapshotter log witness`: run a witness, which cosigns the checkpoints of logs as a second
party.
"""

import asyncio
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from snapshotter.cli.output import print_json, print_message, print_result
from snapshotter.errors import SnapshotterError
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.seal.witness import WitnessService


@click.command(
    epilog="""\b
Examples:
  snapshotter log witness --name witness.example/w1 --print-key
  snapshotter log witness --log "$(ssh evidence snapshotter log show --json | jq -r .verifier_key)"
  snapshotter log witness --log VERIFIER-KEY --listen 127.0.0.1:8791 --dir /var/lib/witness
"""
)
@click.option(
    "--log",
    "log_keys",
    multiple=True,
    metavar="KEY",
    help="Verifier key of a log that the witness cosigns; may be repeated.",
)
@click.option(
    "--listen",
    default="127.0.0.1:8791",
    show_default=True,
    metavar="HOST:PORT",
    help="Address at which the witness listens.",
)
@click.option(
    "--name", default="", help="Name of the witness. Used only when the key of the witness is made."
)
@click.option(
    "--dir",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    help="Directory for the checkpoints that the witness cosigned.  [default: a directory in the "
    "data directory]",
)
@click.option("--print-key", is_flag=True, help="Print the verifier key of the witness, and exit.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def witness(
    ctx: click.Context,
    log_keys: tuple[str, ...],
    listen: str,
    name: str,
    directory: Path | None,
    print_key: bool,
    as_json: bool,
) -> None:
    """
    Run a witness, which cosigns the checkpoints of logs.

    The witness never cosigns two histories of one log. Another party runs the witness on its own
    machine. The witness serves C2SP tlog-witness over plain HTTP. If other machines can reach the
    witness, put a server with TLS in front of the witness. The key of the witness is made on first
    use.
    """
    from snapshotter.app.wiring import log as wiring_log

    settings = ctx.obj.load()
    signer = wiring_log.witness_signer(settings, name=name, show_message=print_message)
    if print_key:
        if as_json:
            print_json({"verifier_key": signer.key.text})
        else:
            print_result(signer.key.text)
        return
    host, _, port = listen.rpartition(":")
    if not port.isdecimal() or not host or int(port) > 65_535:
        raise click.UsageError(tr("--listen {listen} is not of the form HOST:PORT", listen=listen))
    serving = wiring_log.witnessing(settings, signer, log_keys, directory)
    asyncio.run(_serve(serving, host.strip("[]"), int(port), as_json=as_json))


async def _serve(witness: "WitnessService", host: str, port: int, *, as_json: bool) -> None:
    """Serve until a signal ends it."""
    from snapshotter.seal.witness_server import WitnessServer

    server = WitnessServer(witness, print_message)
    try:
        taken = await server.start(host, port)
    except OSError as error:
        raise SnapshotterError(
            tr(
                "the witness cannot listen on {host}:{port}: {strerror}",
                host=host,
                port=port,
                strerror=error.strerror,
            )
        ) from error
    url = f"http://{f'[{host}]' if ':' in host else host}:{taken}"
    if as_json:
        print_json({"url": url, "verifier_key": witness.key.text})
    else:
        print_result(tr("witness {name} listens on {url}", name=witness.key.name, url=url))
        print_result(witness.key.text)
    waiting = asyncio.ensure_future(server.wait())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, waiting.cancel)
    try:
        await waiting
    except asyncio.CancelledError:
        print_message(tr("the witness stops; its cosignatures are kept"))
