"""Provide `snapshotter quote`: find a quotation in a capture, and write the picture of it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from snapshotter.cli.file_or_id import file_argument, open_named
from snapshotter.cli.object_id import FILE_OR_BUNDLE
from snapshotter.cli.options import store_option
from snapshotter.cli.output import print_json, print_message, print_result
from snapshotter.errors import SnapshotterError
from snapshotter.model.custody import DISPLAYING
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.app.archive.quotation import Quotation, QuotationPicture, QuotationPlace

_SHOWN = 300  # characters of a quotation in text


@click.command(
    epilog="""\b
Examples:
  snapshotter quote latest "the author's own words"
  snapshotter quote k3v4q2m7 "有人说这是谣言" --picture quote.png
  snapshotter quote exhibit.wacz "the exact words" --json
"""
)
@click.argument("bundle", type=FILE_OR_BUNDLE, metavar="FILE|BUNDLE-ID")
@click.argument("text", metavar="TEXT")
@store_option
@click.option(
    "--picture",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the part of the picture of the page that shows the quotation as a PNG file.",
)
@click.option(
    "--place",
    type=click.IntRange(1),
    metavar="N",
    default=1,
    show_default=True,
    help="Write the picture of this place, if the quotation has several.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def quote(
    ctx: click.Context,
    bundle: str,
    text: str,
    store: str | None,
    picture: Path | None,
    place: int,
    as_json: bool,
) -> None:
    """
    Find a quotation in a capture, whatever its spaces, quotation marks and dashes look like.

    Each place has its region (main, teaser, …), or is hidden: the page did not show the text. Each
    place also has a selector by which other software finds the place (W3C Web Annotation), and its
    offsets in capture/page.txt.

    The picture shows the blocks of text that contain the quotation, and their surroundings. Bars in
    an added margin mark the blocks, because a bundle has the positions of blocks and not of words.
    The pixels of the page are not changed. Only identifiers of the capturing person are painted
    over.

    The capture is not verified: use `snapshotter verify`.

    Exit codes: 0 found, 1 not found, 20 the capture is in quarantine.
    """
    from snapshotter.app.archive import bundles, quarantined
    from snapshotter.app.wiring import store as wiring_store
    from snapshotter.app.wiring import trust as wiring_trust

    file = file_argument(bundle, store=store)
    if file is not None:
        with open_named(file) as stream:
            _quote(stream, text, picture, place, as_json=as_json)
        return
    settings = ctx.obj.load(store=store or "")
    opened = wiring_store.store(settings)
    (bundle_id,) = FILE_OR_BUNDLE.resolve(opened, [bundle])
    quarantined.require_visible(opened, bundle_id, wiring_trust.trusted_keys(settings))
    with opened.open(bundles.find_bundle_key(opened, bundle_id)) as found:
        _quote(found, text, picture, place, as_json=as_json)
    wiring_store.note_access(settings, opened, bundle_id, DISPLAYING, show_message=print_message)


def _quote(stream: BinaryIO, text: str, picture: Path | None, place: int, *, as_json: bool) -> None:
    from snapshotter.app.archive.quotation import find_quotation, write_picture

    found = find_quotation(stream, text)
    written = None
    if picture is not None and found.places:
        if place > len(found.places):
            raise click.BadParameter(
                tr("the quotation has only {count} places", count=len(found.places)),
                param_hint="--place",
            )
        written = write_picture(stream, found.places[place - 1], picture)
    if as_json:
        print_json(_json(found, text, written))
    else:
        _print(found, written)
    if not found.places:
        raise SnapshotterError(
            tr("the quotation was not found in the text of the capture"),
            hint=tr(
                "look for a shorter part, or for the words in all captures:\n  snapshotter search "
                "WORDS"
            ),
        )


def _print(found: "Quotation", written: "QuotationPicture | None") -> None:
    from snapshotter.formats.printable import cut, printable

    for number, place in enumerate(found.places, start=1):
        where = tr("hidden: the page did not show it") if place.is_hidden else place.region
        line = tr("{number}  {where}", number=number, where=where)
        if place.position is not None:
            start, end = place.position
            line += tr(", characters {start} to {end} of capture/page.txt", start=start, end=end)
        print_result(line)
        before, after = (" ".join(part.split()) for part in (place.prefix, place.suffix))
        exact = cut(printable(" ".join(place.exact.split())), _SHOWN)
        print_result(f"   …{printable(before)} [{exact}] {printable(after)}…")
        if place.selectors:
            print_result(f"   {place.selectors[0]}")
    for sentence in found.missing:
        print_result(tr("not established: {sentence}", sentence=sentence))
    if written is not None:
        print_result(
            tr("picture: {file}, a part of {source}", file=written.file, source=written.source)
        )
        print_result(
            tr(
                "the bundle has no positions of words, so bars in the margin mark the whole "
                "block that contains the quotation"
            )
            if len(written.marks_px) == 1
            else tr(
                "the bundle has no positions of words, so bars in the margin mark the whole "
                "blocks that contain the quotation"
            )
        )
        if written.masked:
            print_result(
                tr("areas of the picture that were painted over: {count}", count=written.masked)
            )
        if not written.is_whole:
            print_result(tr("the picture shows only a part of the block of the quotation"))


def _json(found: "Quotation", text: str, written: "QuotationPicture | None") -> dict[str, Any]:
    return {
        "bundle_id": found.bundle_id,
        "captured_at": found.captured_at,
        "missing": list(found.missing),
        "picture": None
        if written is None
        else {
            "area_px": list(written.area_px),
            "file": str(written.file),
            "margin_px": written.margin_px,
            "marked": "blocks",
            "marks_px": [list(mark) for mark in written.marks_px],
            "masked": written.masked,
            "source": written.source,
            "whole": written.is_whole,
        },
        "places": [_place_json(place, found.url) for place in found.places],
        "quotation": text,
    }


def _place_json(place: "QuotationPlace", url: str) -> dict[str, Any]:
    from snapshotter.formats.canonical_json import plain

    selectors: list[dict[str, Any]] = [
        {
            "exact": place.exact,
            "prefix": place.prefix,
            "suffix": place.suffix,
            "type": "TextQuoteSelector",
        }
    ]
    if place.position is not None:
        start, end = place.position
        selectors.append({"end": end, "start": start, "type": "TextPositionSelector"})
    return {
        "blocks": list(place.selectors),
        "box": plain(place.box),
        "hidden": place.is_hidden,
        "region": place.region,
        "target": {"selector": selectors, "source": url},
    }
