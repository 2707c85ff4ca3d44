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
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each URL.")
@click.option("--quiet", is_flag=True, help="Print no progress.")
@click.pass_context
def check(
    ctx: click.Context, urls: tuple[str, ...], options: "CaptureOptions", as_json: bool, quiet: bool
) -> int:
    """
    Check whether pages are still available, and store the result as evidence.

    Each check makes a small bundle, which is signed, timestamped and stored like every bundle. The
    bundle contains the first view, the document, the text of the document, the network record, and
    the verdict of the rules. The page is not scrolled, and nothing is clicked.

    Exit codes: 0 the check was made, also when the page is not available. 20 the policy refuses the
    check. 30 a service is unavailable.
    """
    settings = load_settings(ctx, options)
    wanted, refused = parse_urls(urls, as_json=as_json)
    output = CaptureOutput(wanted, store=settings.store, as_json=as_json, quiet=quiet, light=True)
    return capture_urls(wanted, refused, options, settings, output)
