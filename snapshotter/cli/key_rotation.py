"""`snapshotter keys rotate|revoke`: a key ends, here and in the trust file."""

import shlex
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from snapshotter.cli.key_options import (
    json_option,
    key_directory,
    key_object,
    new_passphrase,
    passphrase_options,
)
from snapshotter.cli.output import print_json, print_message, print_result
from snapshotter.cli.trust_editing import (
    TrustEdit,
    instant_option,
    now,
    replace_key_change,
    root_key_option,
)
from snapshotter.errors import SnapshotterError

if TYPE_CHECKING:
    from snapshotter.seal.signer import KeyDirectory, StoredKey
    from snapshotter.verify.trust import TrustDocument

_TRUST = click.option(
    "--trust",
    "trust_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="The trust file to edit too, when its root key is here.",
)
_DRAFT = click.option(
    "--draft",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the trust file's next version to FILE, to be signed where the root key is.",
)
_ROOT_PASSPHRASE = click.option(
    "--root-passphrase-file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="The root key's passphrase is the first line of FILE.",
)


@click.command(
    epilog="""\b
Examples:
  snapshotter keys rotate
  snapshotter keys rotate default --trust trust.json
  snapshotter keys rotate default --to court --trust trust.json --draft draft.json

\b
Fetch the tokens that are still owed first (snapshotter timestamp): without one, nothing
shows that a signature is older than the end of its key.
"""
)
@click.argument("name", required=False, metavar="[NAME|KEY-ID]")
@click.option(
    "--to",
    "successor",
    metavar="NAME",
    help="The key that follows: made, if there is none of that name.  [default: NAME-2 …]",
)
@click.option(
    "--at",
    callback=instant_option,
    metavar="DAY",
    help="First instant at which the old key does not sign.  [default: now]",
)
@click.option("--owner", help="Whose key it is, in the trust file.  [default: as before]")
@_TRUST
@_DRAFT
@click.option("--yes", is_flag=True, help="Do not ask.")
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
    Let a new key follow an old one. Captures sign with the new one at once.

    The old key is retired in good order (superseded): what tokens prove to be older stays
    good. With the root key here the trust file is edited too; otherwise the line is printed
    that does it where the root key is.
    """
    from snapshotter.seal.signer import RetiredKey

    edit = _edit(ctx, root_key_name, root_passphrase_file, draft, trust_file)
    directory = key_directory(ctx)
    old = _find(directory, name or ctx.obj.key)
    _refuse_root(old, root_key_name)
    if old.retired is not None:
        raise SnapshotterError(f"the key {old.name!r} is retired already: {old.retired.reason}")
    target = successor or _free_name(directory, old.name)
    if target == old.name:
        raise click.UsageError("a key does not follow itself")
    at = at or now()
    _warn_of_owed_tokens(ctx, ask=not yes)
    # (1) The key that follows. A crash behind this leaves one key more: --to goes on with it.
    new = next((key for key in directory.list() if key.name == target), None)
    if new is None:
        new = directory.create(target, new_passphrase(passphrase_file, ask_passphrase, target))
    if new.public_key is None or new.retired is not None:
        raise SnapshotterError(f"the key {target!r} can not follow: it is retired, or not known")
    # (2) Auditors first, for whom the new key is unknown until then.
    line = shlex.join(
        [
            *("snapshotter", "trust", "replace-key", str(trust_file or "trust.json")),
            *(old.key_id, new.public_file.name, "--at", _instant(at)),
            *(("--owner", owner) if owner else ()),
        ]
    )
    version = _changed(
        edit, trust_file, replace_key_change(old.key_id, new.public_key, owner=owner, at=at)
    )
    # (3) This machine.
    old = directory.retire(old.name, RetiredKey(at=at, reason="superseded", successor=new.name))
    _tell(old, new, version=version, line=line, bring=new.public_file, as_json=as_json)
    print_message(
        f"back up {new.private_file} now" if new.private_file else f"{new.name} is held elsewhere"
    )


@click.command(
    epilog="""\b
Examples:
  snapshotter keys revoke default --reason compromised --at 2026-05-01T00:00:00Z --trust trust.json
  snapshotter keys revoke 3f1c… --reason superseded

\b
superseded: what is proven older stays good, the rest is INDETERMINATE.
compromised: what is proven older stays good, the rest is void (FAILED), your own bundles
without a token among it. --at is then the last moment at which nobody else had the key.
"""
)
@click.argument("name", metavar="NAME|KEY-ID")
@click.option("--reason", type=click.Choice(["superseded", "compromised"]), required=True)
@click.option(
    "--at",
    callback=instant_option,
    metavar="DAY",
    help="First instant that is no longer good.  [default: now]",
)
@_TRUST
@_DRAFT
@click.option("--yes", is_flag=True, help="Do not ask.")
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
    """Say from when on a key no longer counts, and let it sign no more. Never undone."""
    from snapshotter.seal.signer import RetiredKey

    edit = _edit(ctx, root_key_name, root_passphrase_file, draft, trust_file)
    directory = key_directory(ctx)
    old = _find(directory, name)
    _refuse_root(old, root_key_name)
    at = at or now()
    if reason == "compromised" and at > now():
        raise click.UsageError("a key that will be compromised later is not: leave out --at")
    if reason == "superseded":
        _warn_of_owed_tokens(ctx, ask=not yes)
    if not yes:
        click.confirm(
            f"revoke key {old.name} ({old.key_id}) as {reason} from {_instant(at)} on, for good?",
            abort=True,
            err=True,
        )
    # (1) It signs no more, whatever becomes of the rest.
    successor = old.retired.successor if old.retired else ""
    old = directory.retire(old.name, RetiredKey(at=at, reason=reason, successor=successor))
    # (2) Auditors.
    line = shlex.join(
        [
            *("snapshotter", "trust", "revoke-key", str(trust_file or "trust.json"), old.key_id),
            *("--reason", reason, "--at", _instant(at)),
        ]
    )
    version = _changed(
        edit,
        trust_file,
        lambda document: document.with_key_revoked(old.key_id, at=at, reason=reason),
    )
    _tell(old, None, version=version, line=line, bring=None, as_json=as_json)
    if version is not None:
        print_message("give auditors the new version of the trust file at once")


def _find(directory: "KeyDirectory", name: str) -> "StoredKey":
    """Return a key by its name, its id, or where a service or a token holds it."""
    found = next((key for key in directory.list() if key.reference and key.reference == name), None)
    return found or directory.find(name)


def _edit(
    ctx: click.Context,
    root_key_name: str,
    passphrase_file: Path | None,
    draft: Path | None,
    trust_file: Path | None,
) -> TrustEdit:
    if draft is not None and trust_file is None:
        raise click.UsageError("--draft is of a trust file: name it with --trust")
    return TrustEdit(
        context=ctx,
        root_key_name=root_key_name,
        passphrase_file=passphrase_file,
        draft=draft,
        as_json=False,
    )


def _changed(edit: TrustEdit, trust_file: Path | None, change: "Any") -> "TrustDocument | None":
    """Edit the trust file, if it is to be and can be; return its new version."""
    if trust_file is None or (edit.draft is None and not edit.is_here()):
        return None
    return edit.make(trust_file, change)


def _tell(
    old: "StoredKey",
    new: "StoredKey | None",
    *,
    version: "TrustDocument | None",
    line: str,
    bring: Path | None,
    as_json: bool,
) -> None:
    if as_json:
        print_json(
            {
                "old": key_object(old),
                "new": key_object(new) if new else None,
                "trust_version": version.version if version else None,
                "where_the_root_key_is": None if version else line,
            }
        )
    else:
        print_result(new.key_id if new else old.key_id)
        if version is not None:
            print_result(f"trust file: version {version.version}")
        else:
            print_result(line)
    if new is not None:
        print_message(f"{old.name} is retired, and {new.name} signs from now on")
    else:
        print_message(f"{old.name} signs no more")
    if version is None:
        carry = f", with {bring} beside it" if bring else ""
        print_message(
            f"run that line where the root key is{carry}, and give auditors the new version"
        )


def _refuse_root(key: "StoredKey", root_key_name: str) -> None:
    if key.name == root_key_name:
        raise SnapshotterError(
            "the root key signs trust files, and is not rotated in one",
            hint="docs/howto/rotate-keys.md says how a new root key is made known",
        )


def _free_name(directory: "KeyDirectory", name: str) -> str:
    """Return the name with the next number: default, default-2, default-3 …"""
    stem, _, number = name.rpartition("-")
    base = stem if stem and number.isdigit() else name
    taken = {key.name for key in directory.list()}
    return next(candidate for n in range(2, 10_000) if (candidate := f"{base}-{n}") not in taken)


def _warn_of_owed_tokens(ctx: click.Context, *, ask: bool) -> None:
    from snapshotter.app.upkeep import owed_tokens

    owed = owed_tokens.count_owed(Path(ctx.obj.data_dir) / "pending")
    if not owed:
        return
    print_message(
        f"{owed} signatures still wait for a token: snapshotter timestamp fetches it\n"
        "  Without one, nothing shows that they are older than the end of their key"
    )
    if ask:
        click.confirm("go on all the same?", abort=True, err=True)


def _instant(at: datetime) -> str:
    from snapshotter.formats.canonical_json import instant

    return instant(at)
