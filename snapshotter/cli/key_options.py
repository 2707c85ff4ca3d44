"""
Declare the options for signing keys that several commands share, ask the user for passphrases and
PINs, and describe keys as text and JSON.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from snapshotter.errors import SnapshotterError
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.seal.signer import KeyDirectory, StoredKey

_Command = Callable[..., Any]


def passphrase_options(command: _Command) -> _Command:
    """Add the options that give a new key a passphrase: from a file, or by a question."""
    command = click.option(
        "--ask-passphrase", is_flag=True, help="Ask for a passphrase that protects the new key."
    )(command)
    return passphrase_file_option(command)


def passphrase_file_option(command: _Command) -> _Command:
    """Add the option that names a file with a passphrase. No option takes a passphrase itself."""
    return click.option(
        "--passphrase-file",
        type=click.Path(exists=True, path_type=Path, dir_okay=False),
        metavar="FILE",
        help="File whose first line is the passphrase. Only you may have permission to read the "
        "file.",
    )(command)


def new_passphrase(passphrase_file: Path | None, ask: bool, name: str) -> bytes | None:
    """Return the passphrase for a key that is about to be made, or None for none."""
    from snapshotter.seal.key_files import passphrase_from_file

    if passphrase_file and ask:
        raise click.UsageError(
            tr("give only one of the options --passphrase-file and --ask-passphrase")
        )
    if passphrase_file:
        return passphrase_from_file(passphrase_file)
    if not ask:
        return None
    words: str = click.prompt(
        tr("new passphrase for key {name!r}", name=name),
        hide_input=True,
        confirmation_prompt=True,
        err=True,
    )
    return words.encode("utf-8")


def passphrase_reader(passphrase_file: Path | None, name: str) -> Callable[[], bytes]:
    """Return a function that reads the passphrase of a key from the file, or asks for it."""

    def ask() -> bytes:
        from snapshotter.seal.key_files import passphrase_from_file

        if passphrase_file:
            return passphrase_from_file(passphrase_file)
        words: str = click.prompt(
            tr("passphrase for key {name!r}", name=name), hide_input=True, err=True
        )
        return words.encode("utf-8")

    return ask


def ask_passphrase() -> bytes:
    """Ask the person at the terminal for the passphrase of the signing key."""
    if not sys.stdin.isatty():
        raise SnapshotterError(
            tr(
                "the signing key needs a passphrase, and snapshotter has no terminal to ask for "
                "the passphrase"
            ),
            hint=tr(
                "write the passphrase to the first line of a file, and give --passphrase-file FILE"
            ),
        )
    answer: str = click.prompt(tr("passphrase of the signing key"), hide_input=True, err=True)
    return answer.encode()


def pin_reader(reference: str) -> Callable[[], bytes]:
    """Return a function that asks for the PIN of a token."""

    def ask() -> bytes:
        if not sys.stdin.isatty():
            raise SnapshotterError(
                tr(
                    "the hardware token needs a PIN, and snapshotter has no terminal to ask for "
                    "the PIN"
                ),
                hint=tr(
                    "write the PIN to a file that only you can read, and add pin-source=FILE to "
                    "the reference of the key"
                ),
            )
        digits: str = click.prompt(f"PIN for {reference}", hide_input=True, err=True)
        return digits.encode("utf-8")

    return ask


def key_directory(ctx: click.Context) -> "KeyDirectory":
    """Return the directory of keys that the settings name."""
    from snapshotter.seal.signer import KeyDirectory

    return KeyDirectory(Path(ctx.obj.keys_dir))


def json_option(command: _Command) -> _Command:
    """Add `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")(command)


def key_state_text(key: "StoredKey") -> str:
    """Return where a key is, and whether it still signs."""
    from snapshotter.formats.canonical_json import instant

    where = _where(key)
    if key.retired is None:
        return where
    after = f", replaced by {key.retired.successor}" if key.retired.successor else ""
    return f"{where}; {key.retired.reason} from {instant(key.retired.at)} on{after}"


def _where(key: "StoredKey") -> str:
    if key.reference:
        return f"stored in {key.reference}"
    if key.private_file is None:
        return "offline"
    return (
        tr("on this machine, with a passphrase")
        if key.encrypted
        else tr("on this machine, without a passphrase")
    )


def key_json(key: "StoredKey") -> dict[str, Any]:
    """Return a key for `--json`."""
    from snapshotter.formats.canonical_json import instant

    return {
        "name": key.name,
        "key_id": key.key_id or None,
        "algorithm": "ecdsa-p384-sha384",
        "encrypted": key.encrypted,
        "held_by": key.reference or None,
        "retired": None
        if key.retired is None
        else {
            "at": instant(key.retired.at),
            "reason": key.retired.reason,
            "successor": key.retired.successor or None,
        },
        "private_key_file": str(key.private_file) if key.private_file else None,
        "public_key_file": str(key.public_file),
    }
