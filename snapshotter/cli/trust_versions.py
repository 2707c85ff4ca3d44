"""`snapshotter trust sign|bump|renew|diff`: the versions of a trust file."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from snapshotter.cli.key_options import json_option, passphrase_file_option
from snapshotter.cli.output import print_json, print_message, print_result
from snapshotter.cli.trust_editing import (
    TrustEdit,
    as_object,
    edit_options,
    expires_option,
    instant_option,
    lines,
    root_key_option,
    sign_next,
)
from snapshotter.errors import EvidenceInvalid, SnapshotterError

if TYPE_CHECKING:
    from snapshotter.verify.trust import TrustDocument
    from snapshotter.verify.trust_changes import Change


@click.command(
    epilog="""\b
Examples:
  snapshotter trust sign draft.json trust.json
  snapshotter trust sign trust.json

\b
The first form takes a draft (--draft of the commands that edit, or your own editor) and puts
the signed version into trust.json and trust.json.sig. The second signs a trust.json that
was edited in its place. Spaces and order of what is edited do not matter.
"""
)
@click.argument("draft", metavar="EDITED", type=click.Path(path_type=Path, dir_okay=False))
@click.argument(
    "file", metavar="[FILE]", required=False, type=click.Path(path_type=Path, dir_okay=False)
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@root_key_option
@passphrase_file_option
@json_option
@click.pass_context
def sign(
    ctx: click.Context,
    draft: Path,
    file: Path | None,
    yes: bool,
    root_key_name: str,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Sign an edited trust file, after showing what it changes. For where the root key is."""
    from snapshotter.app.trust import files

    target = file or draft
    here = TrustEdit(
        context=ctx,
        root_key_name=root_key_name,
        passphrase_file=passphrase_file,
        draft=None,
        as_json=as_json,
    )
    document = files.read_draft(draft)
    root = here.root()
    if root.key_id != document.root_key_id:
        raise SnapshotterError(
            f"{draft} is for the root key {document.root_key_id}, and {root_key_name} is "
            f"{root.key_id}",
            hint="--root-key-name names another key; a new root key begins a new trust file",
        )
    with files.locked(target):
        before = _signed(target) if target != draft or target.exists() else None
        if before is not None and before.root_key_id != root.key_id:
            raise SnapshotterError(f"{target} is signed by another root key")
        if before == document:
            print_message(f"{target} is signed already")
            return
        if before is not None and document.version <= before.version:
            raise SnapshotterError(
                f"{draft} is version {document.version}, and {target} is version "
                f"{before.version} already",
                hint=f'set "version" to {before.version + 1} in {draft}: versions only go up',
            )
        if not yes:
            _show(before, document)
            click.confirm(f"sign this as version {document.version}?", abort=True, err=True)
        sign_next(ctx, target, document, root)
    if as_json:
        print_json(as_object(document))
    else:
        print_result(f"{target} is now version {document.version}")


def _signed(file: Path) -> "TrustDocument | None":
    """Return what a file says when its signature holds; None for none, or one that was edited."""
    from snapshotter.app.trust import files

    if not file.exists():
        return None
    try:
        document, is_signed = files.read_signed_or_draft(file)
    except EvidenceInvalid:
        return None
    return document if is_signed else None


def _show(before: "TrustDocument | None", document: "TrustDocument") -> None:
    if before is None:
        print_message("this is what is signed; there is no signed version to compare it with:")
        for line in lines(document, pinned=False):
            print_message(f"  {line}")
        return
    from snapshotter.verify.trust_changes import changes

    for change in changes(before, document) or ():
        print_message(f"{change.what}\n  {change.meaning}")


@click.command(
    epilog="""\b
Examples:
  snapshotter trust bump trust.json
  snapshotter trust bump trust.json --require-timestamps 2 --require-log
  snapshotter trust bump trust.json --expires 2030-01-01 --version 40
"""
)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--version", type=click.IntRange(min=1), metavar="N", help="The version.  [default: the next]"
)
@click.option("--expires", metavar="DAY|never", help="When it expires.  [default: as before]")
@click.option(
    "--require-signatures", type=click.IntRange(1, 10), help="Good signatures that a bundle needs."
)
@click.option(
    "--require-timestamps",
    type=click.IntRange(0, 10),
    help="Good tokens that a bundle needs over each signature.",
)
@click.option(
    "--require-log/--no-require-log", default=None, help="Whether a bundle needs a log proof."
)
@edit_options
def bump(
    edit: TrustEdit,
    file: Path,
    version: int | None,
    expires: str | None,
    require_signatures: int | None,
    require_timestamps: int | None,
    require_log: bool | None,
) -> None:
    """Make a later version: of another expiry, with other requirements, or the same again."""
    end: datetime | None = None
    if expires not in {None, "never"}:
        end = instant_option(click.get_current_context(), click.Option(["--expires"]), expires)
    asked: dict[str, Any] = {
        "signatures": require_signatures,
        "timestamps": require_timestamps,
        "log": require_log,
    }
    required = {name: value for name, value in asked.items() if value is not None}

    def change(document: "TrustDocument") -> "TrustDocument":
        return document.bumped(
            version=version,
            expires="same" if expires is None else end,
            require=replace(document.require, **required),
        )

    if version is not None and edit.draft is not None:
        raise click.UsageError("a draft is always the next version: leave out --version")
    edit.apply(file, change)


@click.command(
    epilog="""\b
Examples:
  snapshotter trust renew trust.json --expires 2030-01-01
  snapshotter trust renew trust.json --expires never
"""
)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@expires_option
@edit_options
def renew(edit: TrustEdit, file: Path, expires: datetime | None) -> None:
    """Sign a trust file again with a later expiry."""
    edit.apply(file, lambda document: document.with_expiry(expires))


@click.command(
    epilog="""\b
Examples:
  snapshotter trust diff trust-5.json trust-6.json --root-key 3f1c…
  snapshotter trust diff trust.json draft.json --json
"""
)
@click.argument("old", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("new", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--root-key", metavar="KEY-ID", help="The fingerprint that the owner published.")
@json_option
def diff(old: Path, new: Path, root_key: str | None, as_json: bool) -> None:
    """
    Say what changed from one trust file to another, and what it means for bundles.

    Signatures are checked; a draft, which has none, is read and said to be one.
    """
    from snapshotter.app.trust import files
    from snapshotter.verify.trust import check_pin
    from snapshotter.verify.trust_changes import changes

    if root_key:
        check_pin(root_key)
    documents = []
    for file in (old, new):
        document, is_signed = files.read_signed_or_draft(file)
        if root_key and document.root_key_id != root_key:
            raise EvidenceInvalid(
                f"{file} is by the root key {document.root_key_id}, and {root_key} is pinned"
            )
        if not is_signed:
            print_message(f"{file} is a draft: nobody signed it")
        documents.append(document)
    before, after = documents
    found = changes(before, after)
    if as_json:
        print_json(
            {
                "changes": [_as_json(change) for change in found],
                "new_version": after.version,
                "old_version": before.version,
                "pinned": bool(root_key),
            }
        )
        return
    print_result(f"version {before.version} -> version {after.version}")
    for change in found:
        print_result(f"{change.effect.value:<8}  {change.what}")
        print_result(f"          {change.meaning}")
    if not found:
        print_result("nothing else changed")
    if not root_key:
        print_message("no --root-key was given: this shows what the files say, not who made them")


def _as_json(change: "Change") -> dict[str, Any]:
    return {
        "effect": change.effect.value,
        "meaning": change.meaning,
        "name": change.name,
        "subject": change.subject,
        "what": change.what,
    }
