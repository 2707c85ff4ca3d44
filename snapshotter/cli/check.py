"""
Provide `snapshotter check`: find out whether pages are still available, by light captures that are
sealed and stored as evidence.
"""

from typing import TYPE_CHECKING

import click

from snapshotter.cli.capture import capture_urls, parse_urls
from snapshotter.cli.capture_options import capture_options, load_settings
from snapshotter.cli.capture_output import CaptureOutput

if TYPE_CHECKING:
    from snapshotter.app.policies.capture_options import CaptureOptions

_EXAMPLES = """\b
Examples:
  snapshotter check https://mp.weixin.qq.com/s/AbCdEf
  snapshotter check --policy weibo-post --json - < posts.txt
  snapshotter check --store s3://evidence/case-7 https://example.org
"""


@click.command(epilog=_EXAMPLES)
@click.argument("urls", nargs=-1, required=True, metavar="URL…")
@capture_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a URL.")
@click.option("--quiet", is_flag=True, help="No progress.")
@click.pass_context
def check(
    ctx: click.Context, urls: tuple[str, ...], options: "CaptureOptions", as_json: bool, quiet: bool
) -> int:
    """
    Look whether pages are still there, and keep the proof.

    A light check is a bundle as any other, signed, timestamped and stored, of less: the
    first view, the document, its text and the network record, and what the rules make of
    them. Nothing is scrolled or clicked. A page that is gone is a finding, and no error.
    """
    settings = load_settings(ctx, options)
    wanted, refused = parse_urls(urls, as_json=as_json)
    output = CaptureOutput(wanted, store=settings.store, as_json=as_json, quiet=quiet, light=True)
    return capture_urls(wanted, refused, options, settings, output)
