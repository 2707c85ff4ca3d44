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
    "--log", "log_keys", multiple=True, metavar="KEY", help="The verifier key of a log to witness."
)
@click.option("--listen", default="127.0.0.1:8791", show_default=True, metavar="HOST:PORT")
@click.option("--name", default="", help="The witness's name, when its key is made.")
@click.option(
    "--dir",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where it is kept what was cosigned.  [default: in the data directory]",
)
@click.option("--print-key", is_flag=True, help="Print the witness's verifier key, and end.")
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
    Be a witness: cosign the checkpoints of logs, and never two histories of one.

    For a second party on a machine of its own. It speaks C2SP tlog-witness in plain http;
    what is open to the world needs TLS in front of it. Its key is made at its first use.
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
        raise click.UsageError(f"--listen {listen}: not HOST:PORT")
    serving = wiring_log.witnessing(settings, signer, log_keys, directory)
    asyncio.run(_serve(serving, host.strip("[]"), int(port), as_json=as_json))


async def _serve(witness: "WitnessService", host: str, port: int, *, as_json: bool) -> None:
    """Serve until a signal ends it."""
    from snapshotter.seal.witness_server import WitnessServer

    server = WitnessServer(witness, print_message)
    try:
        taken = await server.start(host, port)
    except OSError as error:
        raise SnapshotterError(f"{host}:{port} can not be listened on: {error.strerror}") from error
    url = f"http://{f'[{host}]' if ':' in host else host}:{taken}"
    if as_json:
        print_json({"url": url, "verifier_key": witness.key.text})
    else:
        print_result(f"witness {witness.key.name} listens on {url}")
        print_result(witness.key.text)
    waiting = asyncio.ensure_future(server.wait())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, waiting.cancel)
    try:
        await waiting
    except asyncio.CancelledError:
        print_message("the witness ends; what it has cosigned is kept")
