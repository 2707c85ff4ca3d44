"""
Compare the captures in two bundles: the program of the comparison process.

    python -I -m snapshotter.app.wiring.comparison_main INPUT BUNDLE BUNDLE

The arguments are open descriptors. The bundles were verified by who started the process, and the
input has the results. Pictures, markup and texts of the bundles are a stranger's, so the process
gives up its rights before it reads the first byte of them (`preview_main.confine`). It writes the
comparison to standard output, as JSON.
"""

import importlib
import io
import json
import os
import pickle
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from snapshotter.app.archive import comparison
from snapshotter.app.archive.comparison import CheckedBundle, ComparisonInput
from snapshotter.app.archive.confined.preview_main import confine
from snapshotter.app.wiring.capturer import assessor
from snapshotter.compare.captures import ComparableCapture
from snapshotter.compare.picture_rows import PictureSource
from snapshotter.errors import SnapshotterError
from snapshotter.formats import canonical_json, typed
from snapshotter.model.comparison import ComparedCapture
from snapshotter.model.page import Page
from snapshotter.model.request import Decision, MaskRules
from snapshotter.policy import page_identity

_PROCESSOR_S: Final = 120
_MEMORY: Final = 4 << 30  # bytes of the address space
_LAZY: Final = ("_strptime", "blake3", "brotlicffi", "lxml.etree", "lxml.html", "zxingcpp")
_AT: Final = datetime(2026, 11, 30, tzinfo=UTC)
_PAGE: Final = (
    "<!doctype html><html lang=en><title>A page</title><body><article><h1>A page</h1>"
    "<time datetime=2026-11-30>30 November 2026</time><p>The words of a page of ours, {words}, are "
    "long enough to be a main text. Nobody else has written them.</p></article></body></html>"
)


def main(arguments: Sequence[str]) -> int:
    """Compare, and write what was found, or why it cannot be compared; return the exit code."""
    given, one, other = (os.fdopen(int(number), "rb") for number in arguments)
    # Who started this process wrote the input: nothing in it is a stranger's object. `today`
    # assesses a capture that was made before assessments were.
    names, checks, today = pickle.load(given)  # noqa: S301
    first, second = (
        CheckedBundle(name=name, stream=stream, check=check)
        for name, stream, check in zip(names, (one, other), checks, strict=True)
    )
    rules = page_identity.shipped_identity_rules()
    load_code(today)
    confine(processor_s=_PROCESSOR_S, memory=_MEMORY)
    try:
        found = comparison.compare_bundles((first, second), None, assessor, rules, today).comparison
    except (SnapshotterError, OSError, ValueError, MemoryError) as error:
        answer = {"problem": str(error) or type(error).__name__}
    else:
        answer = {"comparison": typed.write(found)}
    sys.stdout.write(json.dumps(answer))
    sys.stdout.flush()
    return 0


def load_code(today: Decision) -> None:
    """
    Load what a comparison needs, because nothing can be loaded later.

    A comparison of two captures of a page of ours loads nearly all; the rest is named.
    """
    for name in _LAZY:
        importlib.import_module(name)
    one, other = (_small_capture(today, words) for words in ("one", "two"))
    found = comparison.compare(one, other, MaskRules(patterns=("a",)))
    canonical_json.dumps(typed.write(found))


def _small_capture(today: Decision, words: str) -> ComparisonInput:
    """Return a capture of a page of ours."""
    page = Page(
        requested_url="https://example.org/",
        final_url="https://example.org/",
        captured_at=_AT,
        timezone="UTC",
        locale="en",
        status=200,
        media_type="text/html",
        html=_PAGE.format(words=words),
        text=f"A page {words}",
    )
    assessed = assessor(today).assess(page)
    side = ComparedCapture(
        bundle_id="",
        sha256="",
        verification="passed",
        codes=(),
        requested_url=page.requested_url,
        final_url=page.final_url,
        captured_at=_AT,
        proven_at=None,
        identity="",
        http_status=200,
        title=words,
        standing=None,
    )
    shot = PictureSource(files=(lambda: io.BytesIO(_picture(words)),), scale=1)
    return ComparisonInput(
        captured=ComparableCapture(
            side=side, page=page, assessment=assessed, shots={"whole page": shot}
        ),
        decision=today,
    )


def _picture(words: str) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.new("RGB", (64, 64), {"one": "red"}.get(words, "blue")).save(out, "PNG")
    return out.getvalue()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
