"""
Provide `snapshotter streams`: decrypt the network streams of a bundle, to compare the bundle's
network record with them or to write them into a directory.
"""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from snapshotter.cli.file_or_id import file_argument, open_named
from snapshotter.cli.key_options import json_option, passphrase_file_option
from snapshotter.cli.object_id import FILE_OR_BUNDLE
from snapshotter.cli.options import store_option
from snapshotter.cli.output import print_json, print_message, print_result
from snapshotter.errors import EvidenceInvalid
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.capture.record.rederivation import RecordComparison
    from snapshotter.formats.signatures.cms import PrivateKey

_SHOWN = 20  # differences that are printed; --json has more


def _key_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--key",
        "key_file",
        type=click.Path(path_type=Path, dir_okay=False),
        required=True,
        metavar="FILE",
        help="Private key (PEM) of a recipient of the streams.",
    )(command)


@click.group()
def streams() -> None:
    """
    Open the encrypted streams of a bundle, and check the network record of the bundle with them. A
    policy can keep the bytes of every connection and the TLS keys, encrypted with the public keys
    of recipients. A recipient opens the streams with the private key. `openssl cms -decrypt` also
    opens the streams (docs/howto/keep-streams.md).
    """


@streams.command(
    "check",
    epilog="""\b
Examples:
  snapshotter streams check --key court.key exhibit.wacz
  snapshotter streams check --key court.key --json 20261124t160642z-k3v4q2m7xw4c5b6d
""",
)
@click.argument("bundle", type=FILE_OR_BUNDLE, metavar="FILE|BUNDLE-ID")
@_key_option
@passphrase_file_option
@store_option
@json_option
@click.pass_context
def check(
    ctx: click.Context,
    bundle: str,
    key_file: Path,
    passphrase_file: Path | None,
    store: str | None,
    as_json: bool,
) -> int:
    """
    Make the network record of a bundle again from its streams, and compare.

    This command does not check the signature and the time of the bundle: use `snapshotter verify`.

    Exit codes: 0 both records are equal, 10 they differ.
    """
    from snapshotter.app import machine
    from snapshotter.app.archive import encrypted_streams

    key = _private_key(key_file, passphrase_file)
    settings = ctx.obj.load(store=store or "")
    with _opened(ctx, bundle, store) as stream:
        found = encrypted_streams.check(
            stream,
            key,
            spool_dir=settings.spool_dir,
            clock=machine.SystemClock(),
            ids=machine.RandomIds(),
        )
    if as_json:
        print_json(_object(found))
    else:
        _print(found)
    return EvidenceInvalid.exit_code if found.difference_count else 0


@streams.command(
    "open",
    epilog="""\b
Examples:
  snapshotter streams open --key court.key -o ./in-clear exhibit.wacz
""",
)
@click.argument("bundle", type=FILE_OR_BUNDLE, metavar="FILE|BUNDLE-ID")
@_key_option
@passphrase_file_option
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    metavar="DIR",
    help="New directory for the streams.",
)
@store_option
@json_option
@click.pass_context
def open_(
    ctx: click.Context,
    bundle: str,
    key_file: Path,
    passphrase_file: Path | None,
    output: Path,
    store: str | None,
    as_json: bool,
) -> None:
    """
    Write the streams of a bundle and their keys into a directory, NOT ENCRYPTED.

    The files contain every cookie and password and all transferred content. Delete the files after
    use.
    """
    from snapshotter.app.archive import encrypted_streams

    key = _private_key(key_file, passphrase_file)
    with _opened(ctx, bundle, store) as stream:
        opened = encrypted_streams.decrypt_into(stream, key, output)
    if as_json:
        print_json({"connections": len(opened.connections), "directory": str(output)})
    else:
        print_result(str(output))
    print_message(
        tr(
            "these files are not encrypted. They contain cookies, passwords and all transferred "
            "content. Delete the files after use"
        )
    )


@contextlib.contextmanager
def _opened(ctx: click.Context, bundle: str, store: str | None) -> Iterator[BinaryIO]:
    """Open a bundle by the name of its file, or by its id in a store."""
    from snapshotter.app.archive import bundles
    from snapshotter.app.wiring import store as wiring_store

    file = file_argument(bundle, store=store)
    if file is None:
        opened = wiring_store.store(ctx.obj.load(store=store or ""))
        (bundle,) = FILE_OR_BUNDLE.resolve(opened, [bundle])
        stream = opened.open(bundles.find_bundle_key(opened, bundle))
    else:
        stream = open_named(file)
    with stream:
        yield stream


def _private_key(file: Path, passphrase_file: Path | None) -> "PrivateKey":
    from snapshotter.app.archive import encrypted_streams
    from snapshotter.seal.key_files import passphrase_from_file

    return encrypted_streams.read_private_key(
        file, passphrase_from_file(passphrase_file) if passphrase_file else None
    )


def _object(found: "RecordComparison") -> dict[str, Any]:
    return {
        "agrees": not found.difference_count,
        "connections": found.connections,
        "difference_count": found.difference_count,
        "differences": [
            {"place": difference.place, "url": difference.url, "what": difference.what}
            for difference in found.differences
        ],
        "exchanges": found.exchanges,
        "finished": found.finished,
        "handshakes": found.handshakes,
        "records": found.records,
    }


def _print(found: "RecordComparison") -> None:
    print_result(
        tr(
            "connections    {connections}, of which {finished} have a complete handshake",
            connections=found.connections,
            finished=found.finished,
        )
    )
    print_result(
        tr(
            "exchanges      {exchanges}, compared with {records} records of the WARC file",
            exchanges=found.exchanges,
            records=found.records,
        )
    )
    print_result(tr("server signed  {handshakes}", handshakes=found.handshakes))
    for difference in found.differences[:_SHOWN]:
        print_result(
            f"DIFFERS        {difference.place} {difference.url}: {difference.what}".replace(
                " : ", ": "
            )
        )
    if found.difference_count > _SHOWN:
        print_result(
            tr(
                "               further differences: {difference_count} (to list all "
                "differences, give --json)",
                difference_count=found.difference_count - _SHOWN,
            )
        )
    if not found.difference_count:
        print_result(tr("the network record matches the data of these connections"))
