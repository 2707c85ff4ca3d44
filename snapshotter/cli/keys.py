"""
Provide `snapshotter keys`: make, add, list, show and export signing keys. (`key_rotation.py` has
`rotate` and `revoke`.)

A private key is never printed.
"""

from pathlib import Path

import click

from snapshotter import durable
from snapshotter.cli.key_options import (
    json_option,
    key_directory,
    key_json,
    key_state_text,
    new_passphrase,
    passphrase_options,
    pin_reader,
)
from snapshotter.cli.key_rotation import revoke, rotate
from snapshotter.cli.output import print_json, print_message, print_result
from snapshotter.errors import SnapshotterError
from snapshotter.translation import tr


@click.group()
def keys() -> None:
    """
    Make, list, export, replace and revoke signing keys.

    A signing key signs your bundles. Others verify your bundles with your public key, or better
    with a trust file that contains your public key (`snapshotter trust`).
    """


@keys.command(
    epilog="""\b
Examples:
  snapshotter keys init
  snapshotter keys init --name court --ask-passphrase
  snapshotter keys init --passphrase-file /etc/snapshotter/passphrase
"""
)
@click.option("--name", default="default", show_default=True, help="Name of the key.")
@passphrase_options
@json_option
@click.pass_context
def init(
    ctx: click.Context,
    name: str,
    passphrase_file: Path | None,
    ask_passphrase: bool,
    as_json: bool,
) -> None:
    """
    Make a signing key (ECDSA P-384), and print its key id.

    The command never overwrites an existing key.
    """
    directory = key_directory(ctx)
    directory.require_unused(name)  # before somebody types a passphrase in vain
    passphrase = new_passphrase(passphrase_file, ask_passphrase, name)
    stored = directory.create(name, passphrase)
    if as_json:
        print_json(key_json(stored))
    else:
        print_result(stored.key_id)
    print_message(
        tr(
            "the key {name!r} was made: {private_file}\nBack up this file now, in a place that "
            "only you can read. Without the file, you cannot sign\nwith this key again. Anybody "
            "with the file can sign in your name.",
            name=name,
            private_file=stored.private_file,
        )
    )
    if passphrase is None:
        print_message(tr("the key has no passphrase: anybody with the file can sign with the key"))


@keys.command(
    epilog="""\b
Examples:
  snapshotter keys add --name court 'kms:alias/evidence?region=eu-central-1'
  snapshotter keys add 'pkcs11:token=t;object=seal?module-path=/usr/lib/x.so&pin-source=/etc/pin'
"""
)
@click.argument("reference", metavar="kms:…|pkcs11:…")
@click.option(
    "--name", help='Name of the key.  [default: "held-" and the first 12 characters of the key id]'
)
@json_option
@click.pass_context
def add(ctx: click.Context, reference: str, name: str | None, as_json: bool) -> None:
    """
    Add a signing key of a key service or a hardware token, and print its key id.

    Before the key is added, the key must make a test signature. If the reference leads to another
    key later, snapshotter refuses that key.

    The PIN is the first line of a file that only you can read. Credentials of a key service come
    from the usual places of the AWS tools.
    """
    from snapshotter.seal.open_key import open_external_key

    held = open_external_key(reference, ask=pin_reader(reference))
    stored = key_directory(ctx).add_held(
        name or f"held-{held.key_id[:12]}", reference, held.public_key
    )
    if as_json:
        print_json(key_json(stored))
    else:
        print_result(stored.key_id)
    print_message(
        tr(
            'the name of the key is {name!r}. To sign with this key, set key = "{name}" in your '
            "settings file",
            name=stored.name,
        )
    )


@keys.command(
    "list",
    epilog="""\b
Examples:
  snapshotter keys list
  snapshotter keys list --json
""",
)
@json_option
@click.pass_context
def list_(ctx: click.Context, as_json: bool) -> None:
    """List the signing keys.

    For each key, show the name, the key id, and the place of the private key.
    """
    directory = key_directory(ctx)
    stored = directory.list()
    if as_json:
        print_json({"keys": [key_json(key) for key in stored]})
        return
    if not stored:
        print_message(
            tr(
                "there is no key in {path}. Make a key:\n  snapshotter keys init",
                path=directory.path,
            )
        )
    for key in stored:
        print_result(
            f"{key.name}  {key.key_id or tr('id unknown without the passphrase')}  "
            f"{key_state_text(key)}"
        )


@keys.command(
    epilog="""\b
Examples:
  snapshotter keys show default
"""
)
@click.argument("name", metavar="NAME|KEY-ID")
@json_option
@click.pass_context
def show(ctx: click.Context, name: str, as_json: bool) -> None:
    """Show one signing key: its key id, its files, and whether it has a passphrase."""
    key = key_directory(ctx).find(name)
    if as_json:
        print_json(key_json(key))
        return
    print_result(tr("name         {name}", name=key.name))
    print_result(
        tr("key id       {key_id}", key_id=key.key_id or tr("unknown without the passphrase"))
    )
    print_result(tr("algorithm    ECDSA P-384 with SHA-384"))
    print_result(
        tr(
            "private key  {key_state_text}{value}",
            key_state_text=key_state_text(key),
            value=f": {key.private_file}" if key.private_file else "",
        )
    )
    print_result(
        tr(
            "public key   {public_file}",
            public_file=key.public_file
            if key.public_file.exists()
            else tr("the file does not exist"),
        )
    )


@keys.command(
    epilog="""\b
Examples:
  snapshotter keys export default -o agency.pub.pem
  snapshotter keys export default | ssh auditor 'cat > agency.pub.pem'
"""
)
@click.argument("name", metavar="NAME|KEY-ID")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    default="-",
    help="Write to this new file; - is standard output.",
    metavar="FILE",
)
@click.pass_context
def export(ctx: click.Context, name: str, output: Path) -> None:
    """
    Export a public key (PEM).

    The message on standard error shows a command that computes the key id from the file.
    """
    from snapshotter.formats.signatures.keys import key_id, load_public_pem

    pem = key_directory(ctx).export_public(name)
    identity = key_id(load_public_pem(pem))
    to_stdout = str(output) == "-"
    if to_stdout:
        for line in pem.decode("ascii").splitlines():
            print_result(line)
    else:
        _write_new(output, pem)
        print_result(identity)
    print_message(
        tr(
            "the key id is {identity}. Anybody can compute the key id from the file:\n  "
            "openssl pkey -pubin -in {value} -outform DER | sha256sum",
            identity=identity,
            value="FILE" if to_stdout else output,
        )
    )


def _write_new(path: Path, content: bytes) -> None:
    from snapshotter.verify.files import open_file

    try:
        durable.write(path, content, over=False)
    except FileExistsError as error:
        with open_file(path) as there:
            same = there.read(len(content) + 1) == content
        if not same:
            raise SnapshotterError(
                tr("{path} exists already and has other contents", path=path),
                hint=tr("give another file, or move the existing file"),
            ) from error
    except OSError as error:
        raise SnapshotterError(
            tr("{path} cannot be written: {strerror}", path=path, strerror=error.strerror)
        ) from error


for command in (revoke, rotate):
    keys.add_command(command)
