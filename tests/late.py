"""What a capture of a page of `snapshotter.site.late_content` has to hold, and whether it does."""

import gzip
import io
from collections.abc import Callable

from PIL import Image

from snapshotter.site.late_content import Patch

_ROWS, _ALONG = 20, 60  # of a patch, pixels: its word covers some of the rest


def places(read: Callable[[str], bytes], patch: Patch) -> dict[str, bool]:
    """
    Say of each place where a capture has to have a patch whether it is there.

    Args:
        read: Returns a file of the capture by its path in the bundle; b"" where there is none.
    """
    word = patch.word.encode()
    # MHTML is in quoted-printable: its lines are cut anywhere.
    found = {
        "text": word in read("capture/page.txt"),
        "mhtml": word in read("capture/page.mhtml").replace(b"=\r\n", b""),
    }
    if patch.in_dom:
        found["dom"] = word in read("capture/dom.html")
    if patch.by_network:
        found["network"] = word in gzip.decompress(read("archive/data.warc.gz"))
    top = _top_of(read("capture/screenshot.png"), patch.colour)
    found["screenshot"] = top is not None
    view = read("capture/viewport.png")
    # What stands below the first view is not in its picture.
    if top is None or not view or top + 2 * _ROWS <= Image.open(io.BytesIO(view)).height:
        found["viewport"] = _top_of(view, patch.colour) is not None
    return found


def _top_of(png: bytes, colour: tuple[int, int, int]) -> int | None:
    """Return the first row of a picture that shows the colour, if enough of them do."""
    if not png:
        return None
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    pixels, run = picture.tobytes(), bytes(colour) * _ALONG
    if pixels.count(run) < _ROWS:
        return None
    return pixels.find(run) // (picture.width * 3)
