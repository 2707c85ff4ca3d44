"""
Provide `snapshotter keys rotate` and `keys revoke`: replace or revoke a signing key, and record
that in a trust file.
"""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from snapshotter.cli.key_options import (
    json_option,
    key_json,
    new_passphrase,
    passphrase_options,
)
from snapshotter.cli.output import print_json, print_message, print_result
from snapshotter.cli.trust_editing import (
    instant_option,
    now,
    print_draft_hint,
    revocation_instant,
    root_key_option,
    trust_editor,
)
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.app.trust.editing import TrustEditor
    from snapshotter.app.trust.key_rotation import KeyChange

_TRUST = click.option(
    "--trust",
    "trust_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Trust file in which the key is also replaced or revoked, if its root key is on this "
    "machine.",
)
_DRAFT = click.option(
    "--draft",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the next version of the trust file to FILE without a signature. Sign the file on "
    "the machine with the root key.",
)
_ROOT_PASSPHRASE = click.option(
    "--root-passphrase-file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="File whose first line is the passphrase of the root key.",
)


@click.command(
    epilog="""\b
Examples:
  snapshotter keys rotate
  snapshotter keys rotate default --trust trust.json
  snapshotter keys rotate default --to court --trust trust.json --draft draft.json
"""
)
@click.argument("name", required=False, metavar="[NAME|KEY-ID]")
@click.option(
    "--to",
    "successor",
    metavar="NAME",
    help="Name of the new key. If no key has this name, the key is made.  [default: NAME-2 …]",
)
@click.option(
    "--at",
    callback=instant_option,
    metavar="DAY",
    help="Time (UTC) from which signatures of the old key are no longer accepted.  [default: now]",
)
@click.option(
    "--owner", help="Owner of the new key in the trust file.  [default: the owner of the old key]"
)
@_TRUST
@_DRAFT
@click.option("--yes", is_flag=True, help="Do not ask for a confirmation.")
@root_key_option
@_ROOT_PASSPHRASE
@passphrase_options
@json_option
@click.pass_context
def rotate(
    ctx: click.Context,
    name: str | None,
    successor: str | None,
    at: datetime | None,
    owner: str | None,
    trust_file: Path | None,
    draft: Path | None,
    yes: bool,
    root_key_name: str,
    root_passphrase_file: Path | None,
    passphrase_file: Path | None,
    ask_passphrase: bool,
    as_json: bool,
) -> None:
    """
    Replace a signing key with a new one.

    Captures use the new key immediately. The old key is retired as superseded: a signature stays
    valid if a timestamp token proves that the signature is older than the retirement.

    If the root key is on this machine, the command also edits the trust file. If not, the command
    prints another command, which you run on the machine with the root key.

    Before the rotation, fetch the timestamp tokens that are still owed with `snapshotter
    timestamp`. Without a token, nothing proves that a signature is older than the retirement of its
    key.
    """
    from snapshotter.app.trust import key_rotation

    editor = _editor(ctx, root_key_name, root_passphrase_file, draft, trust_file)
    try:
        rotation = key_rotation.plan_rotation(editor, name or ctx.obj.key, successor)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    first_bad = at or now()
    _warn_of_owed_tokens(ctx, ask=not yes)
    done = key_rotation.rotate(
        rotation,
        editor,
        trust_file,
        lambda: new_passphrase(passphrase_file, ask_passphrase, rotation.successor),
        at=first_bad,
        owner=owner,
    )
    _print_change(done, editor, trust_file, as_json=as_json)
    if (new := done.new) is not None:
        print_message(
            tr("back up {private_file} now", private_file=new.private_file)
            if new.private_file
            else tr("the key {name} is in a key service or on a hardware token", name=new.name)
        )


@click.command(
    epilog="""\b
Examples:
  snapshotter keys revoke default --reason compromised --at 2026-05-01T00:00:00Z --trust trust.json
  snapshotter keys revoke 3f1c… --reason superseded
"""
)
@click.argument("name", metavar="NAME|KEY-ID")
@click.option(
    "--reason",
    type=click.Choice(["superseded", "compromised"]),
    required=True,
    help="Reason for the revocation.",
)
@click.option(
    "--at",
    callback=instant_option,
    metavar="DAY",
    help="Time (UTC) from which signatures of the key are no longer accepted.  [default: now]",
)
@_TRUST
@_DRAFT
@click.option("--yes", is_flag=True, help="Do not ask for a confirmation.")
@root_key_option
@_ROOT_PASSPHRASE
@json_option
@click.pass_context
def revoke(
    ctx: click.Context,
    name: str,
    reason: str,
    at: datetime | None,
    trust_file: Path | None,
    draft: Path | None,
    yes: bool,
    root_key_name: str,
    root_passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """
    Revoke a signing key permanently.

    The key can no longer sign. A revocation cannot be undone.

    With superseded, a signature stays valid if a timestamp token proves that the signature is older
    than the time of --at. All other signatures are INDETERMINATE.

    With compromised, a signature stays valid if a timestamp token proves that the signature is
    older than the time of --at. All other signatures are FAILED, also those of your own bundles
    without a token. For --at, give the last time at which only you had the key.
    """
    from snapshotter.app.trust import key_rotation
    from snapshotter.formats.canonical_json import instant

    editor = _editor(ctx, root_key_name, root_passphrase_file, draft, trust_file)
    old = key_rotation.find_key(editor, name)
    first_bad = revocation_instant(at, reason)
    if reason == "superseded":
        _warn_of_owed_tokens(ctx, ask=not yes)
    if not yes:
        click.confirm(
            tr(
                "a revocation cannot be undone. Revoke the key {name} ({key_id}) as {reason} "
                "from {instant} on?",
                name=old.name,
                key_id=old.key_id,
                reason=reason,
                instant=instant(first_bad),
            ),
            abort=True,
            err=True,
        )
    done = key_rotation.revoke(old, editor, trust_file, at=first_bad, reason=reason)
    _print_change(done, editor, trust_file, as_json=as_json)
    if done.document is not None:
        print_message(tr("give the new version of the trust file to auditors immediately"))


def _editor(
    ctx: click.Context,
    root_key_name: str,
    passphrase_file: Path | None,
    draft: Path | None,
    trust_file: Path | None,
) -> "TrustEditor":
    if draft is not None and trust_file is None:
        raise click.UsageError(tr("--draft works only together with --trust"))
    return trust_editor(ctx, root_key_name, passphrase_file, draft)


def _print_change(
    done: "KeyChange", editor: "TrustEditor", trust_file: Path | None, *, as_json: bool
) -> None:
    old, new, document = done.old, done.new, done.document
    if document is not None and trust_file is not None:
        print_draft_hint(editor, trust_file)
    if as_json:
        print_json(
            {
                "old": key_json(old),
                "new": key_json(new) if new else None,
                "trust_version": document.version if document else None,
                "where_the_root_key_is": None if document else done.command,
            }
        )
    else:
        print_result(new.key_id if new else old.key_id)
        if document is not None:
            print_result(tr("new version of the trust file: {version}", version=document.version))
        else:
            print_result(done.command)
    if new is not None:
        print_message(
            tr(
                "the key {name} is retired. The key {name2} signs from now on",
                name=old.name,
                name2=new.name,
            )
        )
    else:
        print_message(tr("the key {name} is revoked and can no longer sign", name=old.name))
    if document is None:
        carry = tr(" with a copy of {public_file}", public_file=new.public_file) if new else ""
        print_message(
            tr(
                "run the printed command on the machine with the root key{carry}, and give "
                "the new version of the trust file to auditors",
                carry=carry,
            )
        )


def _warn_of_owed_tokens(ctx: click.Context, *, ask: bool) -> None:
    from snapshotter.app.upkeep import owed_tokens

    owed = owed_tokens.count_owed(Path(ctx.obj.data_dir) / "pending")
    if not owed:
        return
    print_message(
        tr(
            "timestamp tokens that are still owed: {owed}. Without a token, nothing proves that "
            "a signature is older than the retirement of its key. Fetch the tokens first:\n  "
            "snapshotter timestamp",
            owed=owed,
        )
    )
    if ask:
        click.confirm(tr("continue anyway?"), abort=True, err=True)
