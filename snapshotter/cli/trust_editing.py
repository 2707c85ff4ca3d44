"""
Declare the options of the commands that edit a trust file, apply their edits, and print the
results.
"""

import contextlib
import functools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from snapshotter.cli.key_options import (
    json_option,
    key_directory,
    passphrase_file_option,
    passphrase_reader,
)
from snapshotter.cli.output import print_json, print_message, print_result
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

if TYPE_CHECKING:
    from snapshotter.app.trust.editing import TrustChange, TrustEditor
    from snapshotter.verify.trust import TrustDocument

_Command = Callable[..., Any]
_EXPIRY = timedelta(days=2 * 365)  # by default


def instant_option(
    ctx: click.Context, parameter: click.Parameter, value: str | None
) -> datetime | None:
    """Read a day (its first second, UTC) or an instant as bundles write it."""
    if value is None:
        return None
    for form in ("%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ"):
        with contextlib.suppress(ValueError):
            return datetime.strptime(value, form).replace(tzinfo=UTC)
    raise click.BadParameter(
        tr(
            "{value!r} is neither a day nor a time; valid: 2026-01-31 or 2026-01-31T12:00:00Z",
            value=value,
        )
    )


def expiry(ctx: click.Context, parameter: click.Parameter, value: str | None) -> datetime | None:
    """Read an instant, or `never` as None; by default, two years from now."""
    if value is None:
        return now() + _EXPIRY
    return None if value == "never" else instant_option(ctx, parameter, value)


def expires_option(command: _Command) -> _Command:
    """Add `--expires`."""
    return click.option(
        "--expires",
        callback=expiry,
        metavar="DAY|never",
        help="Day or time at which the trust file expires, UTC.  [default: in two years]",
    )(command)


def root_key_option(command: _Command) -> _Command:
    """Add the option that names the root key."""
    return click.option(
        "--root-key-name",
        default="root",
        show_default=True,
        metavar="NAME",
        help="Name of the root key in your key directory.",
    )(command)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustEdit:
    """An edit of a trust file, by the options of a command."""

    editor: "TrustEditor"
    as_json: bool

    def apply(self, file: Path, change: "TrustChange") -> None:
        """Make one change, and print the result."""
        document = self.editor.edit(file, change)
        print_draft_hint(self.editor, file)
        if self.as_json:
            print_trust_json(document)
        elif self.editor.draft is not None:
            print_result(
                tr(
                    "{draft} is a draft of version {version}",
                    draft=self.editor.draft,
                    version=document.version,
                )
            )
        else:
            print_result(tr("{file} is now version {version}", file=file, version=document.version))


def trust_editor(
    context: click.Context, root_key_name: str, passphrase_file: Path | None, draft: Path | None
) -> "TrustEditor":
    """Return the editor of trust files for the keys and the data directory of the settings."""
    from snapshotter.app.trust.editing import TrustEditor

    return TrustEditor(
        keys=key_directory(context),
        root_key_name=root_key_name,
        ask=passphrase_reader(passphrase_file, root_key_name),
        versions_dir=Path(context.obj.data_dir) / "trust",
        draft=draft,
    )


def print_draft_hint(editor: "TrustEditor", file: Path) -> None:
    """Print how a draft is signed, if one was written."""
    if editor.draft is not None:
        print_message(
            tr(
                "the draft becomes valid when it is signed. Carry the draft and the trust file "
                "to the machine with the root key, and sign the draft there:\n  snapshotter trust "
                "sign {draft} {file}",
                draft=editor.draft,
                file=file,
            )
        )


def print_trust_json(document: "TrustDocument") -> None:
    """Print a trust file as one JSON object."""
    from snapshotter.app.trust.summary import trust_json

    print_json(trust_json(document))


def edit_options(command: _Command) -> _Command:
    """Add the options of a command that edits; it gets a `TrustEdit` as its first argument."""

    @functools.wraps(command)
    def run(
        context: click.Context,
        /,
        *arguments: Any,
        root_key_name: str,
        passphrase_file: Path | None,
        draft: Path | None,
        as_json: bool,
        **options: Any,
    ) -> Any:
        edit = TrustEdit(
            editor=trust_editor(context, root_key_name, passphrase_file, draft), as_json=as_json
        )
        return command(edit, *arguments, **options)

    drafted = click.option(
        "--draft",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="Write the next version to FILE without a signature, or continue the draft in FILE.",
    )
    return root_key_option(passphrase_file_option(drafted(json_option(click.pass_context(run)))))


def now() -> datetime:
    """Return this second."""
    from snapshotter.app.machine import SystemClock

    return SystemClock().now().replace(microsecond=0)


def revocation_instant(at: datetime | None, reason: str) -> datetime:
    """Return the first instant that is no longer good, by default now; refuse a future one."""
    if reason == "compromised" and at is not None and at > now():
        raise click.UsageError(
            tr(
                "for a compromised key, the time of --at must not be in the future: give an "
                "earlier time, or leave out --at"
            )
        )
    return at or now()
