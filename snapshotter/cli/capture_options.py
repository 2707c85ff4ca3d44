"""Options that say how pages are captured, for every command that captures."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from snapshotter.cli.options import lock_mode_option

if TYPE_CHECKING:
    from snapshotter.app.settings import Settings
    from snapshotter.model.request import Decision
    from snapshotter.policy.tables import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureOptions:
    """What the options of a command said of its captures; None and empty: nothing."""

    store: str | None
    policy: str | None
    browser: str | None
    key: str | None
    cosigners: tuple[str, ...]
    passphrase_file: Path | None
    lock_days: int | None
    lock_mode: Literal["GOVERNANCE", "COMPLIANCE"] | None
    ignore_certificate_errors: bool
    allow_networks: tuple[str, ...]
    authority_files: tuple[Path, ...]
    proxy: str | None
    viewports: tuple[str, ...]
    elements: tuple[str, ...]
    pdf: bool
    keep_streams_for: tuple[Path, ...]
    check_replay: bool

    def settings(self, ctx: click.Context) -> "Settings":
        """Return the settings, with these options on top."""
        if self.proxy and "@" in self.proxy:
            raise click.UsageError(
                "a password in an option is seen by others on this machine: set proxy in a file"
            )
        loaded: Settings = ctx.obj.load(
            proxy=self.proxy or "",
            store=self.store or "",
            policy=self.policy or "",
            key=self.key or "",
            cosigners=" ".join(self.cosigners),
            passphrase_file=str(self.passphrase_file or ""),
        )
        return loaded

    def decide(self, policy: "Policy", settings: "Settings", *, light: bool = False) -> "Decision":
        """Return what these options and the settings make of a policy; of a check if `light`."""
        from snapshotter.policy import decide as policies
        from snapshotter.policy.files import certificate_authorities, public_key

        return policies.decide(
            policy,
            policies.PolicyOverrides(
                browser=self.browser or "",
                lock_days=self.lock_days,
                lock_mode=self.lock_mode or "",
                ignore_certificate_errors=self.ignore_certificate_errors,
                allow_networks=(*settings.allow_networks, *self.allow_networks),
                viewports=self.viewports,
                elements=self.elements,
                pdf=self.pdf,
                certificate_authorities=tuple(
                    authority
                    for path in self.authority_files
                    for authority in certificate_authorities(path)
                ),
                keep_streams_for=tuple(map(public_key, self.keep_streams_for)),
                light=light,
            ),
        )


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
    """Give a command these options; what they said comes as its argument `options`."""

    @functools.wraps(command)
    def with_how(*arguments: Any, **given: Any) -> Any:
        options = CaptureOptions(
            **{field.name: given.pop(field.name) for field in fields(CaptureOptions)}
        )
        return command(*arguments, options=options, **given)

    wrapped: Callable[..., Any] = with_how
    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped
