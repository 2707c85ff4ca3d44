"""`snapshotter check`: is a page still there? A look that is kept."""

import click

from snapshotter.cli.capture import capture_urls, parse_urls
from snapshotter.cli.capture_options import CaptureOptions, capture_options

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
    ctx: click.Context, urls: tuple[str, ...], options: CaptureOptions, as_json: bool, quiet: bool
) -> int:
    """
    Look whether pages are still there, and keep the proof.

    A light check is a bundle as any other, signed, timestamped and stored, of less: the
    first view, the document, its text and the network record, and what the rules make of
    them. Nothing is scrolled or clicked. A page that is gone is a finding, and no error.
    """
    settings = options.settings(ctx)
    wanted, refused = parse_urls(urls, as_json=as_json)
    return capture_urls(
        wanted, refused, options, settings, as_json=as_json, quiet=quiet, light=True
    )
