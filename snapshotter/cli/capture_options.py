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

from snapshotter.cli.options import lock_mode_option

if TYPE_CHECKING:
    from snapshotter.app.policies.capture_options import CaptureOptions
    from snapshotter.app.settings import Settings


def load_settings(ctx: click.Context, options: "CaptureOptions") -> "Settings":
    """Return the settings, with these options on top."""
    if options.proxy and "@" in options.proxy:
        raise click.UsageError(
            "a password in an option is seen by others on this machine: set proxy in a file"
        )
    loaded: Settings = ctx.obj.load(**options.overrides())
    return loaded


_OPTIONS: tuple[Callable[[Callable[..., Any]], Callable[..., Any]], ...] = (
    click.option("--store", metavar="DIR|s3://…", help="Where bundles go.  [default: captures]"),
    click.option(
        "--policy",
        metavar="NAME|FILE|auto",
        help="How to capture; auto: the address decides.  [default: auto]",
    ),
    click.option("--browser", metavar="KIND|PATH", help="shell, chromium, or a browser's binary."),
    click.option("--key", metavar="NAME|kms:…|pkcs11:…", help="Signing key.  [default: default]"),
    click.option(
        "--cosigner",
        "cosigners",
        multiple=True,
        metavar="NAME|kms:…|pkcs11:…",
        help="Another key that signs too; may be repeated.",
    ),
    click.option(
        "--passphrase-file",
        type=click.Path(exists=True, path_type=Path, dir_okay=False),
        help="File whose first line opens the key.",
    ),
    click.option(
        "--lock-days",
        type=click.IntRange(1, 36_500),
        help="Keep the bundle for so many days at least (S3 Object Lock).",
    ),
    lock_mode_option,
    click.option(
        "--ignore-certificate-errors",
        is_flag=True,
        help="Go on where a certificate is bad, and record that.",
    ),
    click.option(
        "--allow-network",
        "allow_networks",
        multiple=True,
        metavar="CIDR",
        help="Let pages ask this network although it is not public; may be repeated.",
    ),
    click.option(
        "--ca",
        "authority_files",
        type=click.Path(path_type=Path, dir_okay=False),
        multiple=True,
        metavar="FILE",
        help="Trust this certificate authority (PEM) in this capture, and record it; may be "
        "repeated.",
    ),
    click.option(
        "--proxy",
        metavar="URL|tor",
        help="Send everything through http://…, socks5://… or tor.  [default: the setting]",
    ),
    click.option(
        "--viewport",
        "viewports",
        multiple=True,
        metavar="NAME|WxH",
        help="Photograph it in another window too: phone, tablet, 1024x768, 1024x768@2.",
    ),
    click.option(
        "--element",
        "elements",
        multiple=True,
        metavar="SELECTOR",
        help="Photograph an element too, by its CSS selector.",
    ),
    click.option("--pdf", is_flag=True, help="Print the page to a PDF too."),
    click.option(
        "--keep-streams-for",
        "keep_streams_for",
        type=click.Path(path_type=Path, dir_okay=False),
        multiple=True,
        metavar="FILE",
        help="Keep the raw streams and TLS keys, encrypted for this public key; may be repeated.",
    ),
    click.option(
        "--check-replay",
        is_flag=True,
        help="Replay each stored bundle in pywb and compare the pictures.",
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
