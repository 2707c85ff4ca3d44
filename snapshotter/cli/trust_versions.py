"""
Provide `snapshotter trust sign`, `bump`, `renew` and `diff`: make and compare versions of a trust
file.
"""

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from snapshotter.cli.key_options import json_option, passphrase_file_option
from snapshotter.cli.output import print_json, print_message, print_result
from snapshotter.cli.trust_editing import (
    TrustEdit,
    edit_options,
    expires_option,
    instant_option,
    print_trust_json,
    root_key_option,
    trust_editor,
)
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.verify.trust import TrustDocument
    from snapshotter.verify.trust_changes import Change


@click.command(
    epilog="""\b
Examples:
  snapshotter trust sign draft.json trust.json
  snapshotter trust sign trust.json
"""
)
@click.argument("draft", metavar="EDITED", type=click.Path(path_type=Path, dir_okay=False))
@click.argument(
    "file", metavar="[FILE]", required=False, type=click.Path(path_type=Path, dir_okay=False)
)
@click.option("--yes", is_flag=True, help="Do not ask for a confirmation.")
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
    """
    Show the changes of an edited trust file, and sign the trust file. Run this command on the
    machine with the root key.

    With two files, the first file is a draft, made with --draft or with an editor. The signed
    version is written to trust.json and trust.json.sig. With one file, the command signs that file,
    which you edited directly. Spaces and the order of the JSON keys do not matter.
    """
    target = file or draft

    def confirm(before: "TrustDocument | None", document: "TrustDocument") -> None:
        if not yes:
            _show_changes(before, document)
            click.confirm(
                tr("sign the trust file as version {version}?", version=document.version),
                abort=True,
                err=True,
            )

    editor = trust_editor(ctx, root_key_name, passphrase_file, None)
    document, is_new = editor.sign_draft(draft, target, confirm)
    if not is_new:
        print_message(tr("{target} is signed already", target=target))
    elif as_json:
        print_trust_json(document)
    else:
        print_result(
            tr("{target} is now version {version}", target=target, version=document.version)
        )


def _show_changes(before: "TrustDocument | None", document: "TrustDocument") -> None:
    from snapshotter.app.trust.summary import trust_lines
    from snapshotter.verify.trust_changes import changes

    if before is None:
        print_message(
            tr("no signed version exists for a comparison. The contents to be signed are:")
        )
        for line in trust_lines(document, pinned=False):
            print_message(f"  {line}")
        return
    for change in changes(before, document):
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
    "--version",
    type=click.IntRange(min=1),
    metavar="N",
    help="Number of the version.  [default: the next number]",
)
@click.option(
    "--expires",
    metavar="DAY|never",
    help="Day or time at which the trust file expires, UTC.  [default: as before]",
)
@click.option(
    "--require-signatures",
    type=click.IntRange(1, 10),
    metavar="N",
    help="Minimum number of valid signatures on a bundle.  [default: as before]",
)
@click.option(
    "--require-timestamps",
    type=click.IntRange(0, 10),
    metavar="N",
    help="Minimum number of valid timestamp tokens over each signature of a bundle.  [default: "
    "as before]",
)
@click.option(
    "--require-log/--no-require-log",
    default=None,
    help="Whether a bundle needs a log proof.  [default: as before]",
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
    """
    Make a newer version of the trust file, with another expiry time or other requirements. Without
    options, the new version has the same contents.
    """
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

    if version is not None and edit.editor.draft is not None:
        raise click.UsageError(
            tr("a draft always gets the next version number: leave out --version")
        )
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
    """Make a newer version of a trust file with a later expiry time."""
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
@click.option(
    "--root-key",
    metavar="KEY-ID",
    help="Key id of the root key, as the owner of the trust file published it.",
)
@json_option
def diff(old: Path, new: Path, root_key: str | None, as_json: bool) -> None:
    """
    Show the changes between two trust files, and their consequences for bundles.

    The command checks the signatures of the trust files. A draft has no signature, and the output
    states which file is a draft.
    """
    from snapshotter.app.trust import editing

    found = editing.compare(old, new, root_key)
    for draft in found.drafts:
        print_message(tr("{draft} is a draft without a signature", draft=draft))
    if as_json:
        print_json(
            {
                "changes": [_change_json(change) for change in found.changes],
                "new_version": found.after.version,
                "old_version": found.before.version,
                "pinned": bool(root_key),
            }
        )
        return
    print_result(
        tr(
            "version {version} -> version {version2}",
            version=found.before.version,
            version2=found.after.version,
        )
    )
    for change in found.changes:
        print_result(f"{change.effect.value:<8}  {change.what}")
        print_result(f"          {change.meaning}")
    if not found.changes:
        print_result(tr("apart from the version number, nothing differs"))
    if not root_key:
        print_message(
            tr(
                "no --root-key was given: this output shows the contents of the files, but does "
                "not prove who made the files"
            )
        )


def _change_json(change: "Change") -> dict[str, Any]:
    return {
        "effect": change.effect.value,
        "meaning": change.meaning,
        "name": change.name,
        "subject": change.subject,
        "what": change.what,
    }
