"""
Declare the options that the commands `capture`, `check` and `batch` share, and load the settings
with these options on top.
"""

import functools
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from snapshotter.cli.options import complete_policy, lock_mode_option
from snapshotter.errors import SnapshotterError
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.app.policies.capture_options import CaptureOptions
    from snapshotter.app.settings import Settings


def load_settings(ctx: click.Context, options: "CaptureOptions") -> "Settings":
    """Return the settings, with these options on top."""
    if options.proxy and "@" in options.proxy:
        raise click.UsageError(
            tr(
                "other users of this machine can see a password that is given in an option: set "
                "proxy in a settings file instead"
            )
        )
    loaded: Settings = ctx.obj.load(**options.overrides())
    return loaded


def _check_each(
    check: Callable[[str], object],
) -> Callable[[click.Context, click.Parameter, tuple[str, ...]], tuple[str, ...]]:
    """
    Return a callback that checks each value of an option while the command line is parsed.

    Args:
        check: Raises ValueError or SnapshotterError for an invalid text.
    """

    def callback(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
        for text in values:
            try:
                check(text)
            except (ValueError, SnapshotterError) as error:
                hint = getattr(error, "hint", "")
                raise click.BadParameter(f"{error}: {hint}" if hint else str(error)) from error
        return values

    return callback


def _check_viewport(text: str) -> None:
    from snapshotter.model.request import Viewport

    Viewport.named(text)


def _check_network(text: str) -> None:
    from snapshotter.policy.files import network

    network(text)


_OPTIONS: tuple[Callable[[Callable[..., Any]], Callable[..., Any]], ...] = (
    click.option(
        "--store", metavar="DIR|s3://…", help="Store for the bundles.  [default: captures]"
    ),
    click.option(
        "--policy",
        shell_complete=complete_policy,
        metavar="NAME|FILE|auto",
        help="Policy for the capture; auto selects the policy by the address of the page.  "
        "[default: auto]",
    ),
    click.option(
        "--browser",
        metavar="KIND|PATH",
        help="Browser: shell, chromium, or the path of the program file of a browser.  [default: "
        "the browser of the policy]",
    ),
    click.option(
        "--key",
        metavar="NAME|kms:…|pkcs11:…",
        help="Key that signs the bundle.  [default: default]",
    ),
    click.option(
        "--cosigner",
        "cosigners",
        multiple=True,
        metavar="NAME|kms:…|pkcs11:…",
        help="Additional key that also signs the bundle; may be repeated.",
    ),
    click.option(
        "--passphrase-file",
        type=click.Path(exists=True, path_type=Path, dir_okay=False),
        help="File whose first line is the passphrase of the key.",
    ),
    click.option(
        "--lock-days",
        type=click.IntRange(1, 36_500),
        metavar="DAYS",
        help="Lock the bundle for this many days with S3 Object Lock. A directory store records "
        "the period, but does not enforce it.  [default: the period of the policy]",
    ),
    lock_mode_option,
    click.option(
        "--ignore-certificate-errors",
        is_flag=True,
        help="Continue when the certificate of a site is invalid. The capture record contains "
        "this setting.",
    ),
    click.option(
        "--allow-network",
        "allow_networks",
        multiple=True,
        callback=_check_each(_check_network),
        metavar="CIDR",
        help="Allow connections to this private network; may be repeated.",
    ),
    click.option(
        "--ca",
        "authority_files",
        type=click.Path(path_type=Path, dir_okay=False),
        multiple=True,
        metavar="FILE",
        help="PEM file of a certificate authority that is accepted in this capture. The capture "
        "record lists the certificate authority. May be repeated.",
    ),
    click.option(
        "--proxy",
        metavar="URL|tor",
        help="Send all traffic through this proxy: http://…, socks5://… or tor.  [default: the "
        "proxy of the settings]",
    ),
    click.option(
        "--viewport",
        "viewports",
        multiple=True,
        callback=_check_each(_check_viewport),
        metavar="NAME|WxH",
        help="Take a further picture in a window of this size: phone, tablet, 1024x768, "
        "1024x768@2; may be repeated.",
    ),
    click.option(
        "--element",
        "elements",
        multiple=True,
        metavar="SELECTOR",
        help="Take a further picture of the element with this CSS selector; may be repeated.",
    ),
    click.option("--pdf", is_flag=True, help="Also print the page to a PDF."),
    click.option(
        "--keep-streams-for",
        "keep_streams_for",
        type=click.Path(path_type=Path, dir_okay=False),
        multiple=True,
        metavar="FILE",
        help="Store the raw data of all connections and the TLS keys, encrypted for this public "
        "key; may be repeated.",
    ),
    click.option(
        "--check-replay",
        is_flag=True,
        help="Replay each stored bundle in pywb, and compare the pictures of the replay with the "
        "pictures of the capture.",
    ),
)


def capture_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command these options, which it gets as its argument `options`."""

    @functools.wraps(command)
    def with_options(*arguments: Any, **given: Any) -> Any:
        from snapshotter.app.policies.capture_options import CaptureOptions

        options = CaptureOptions(
            **{field.name: given.pop(field.name) for field in fields(CaptureOptions)}
        )
        return command(*arguments, options=options, **given)

    wrapped: Callable[..., Any] = with_options
    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped
