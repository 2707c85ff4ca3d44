"""
Stop the loading of a page that is larger than a capture may be.

The recorder counts requests and bytes while the page loads. One response that is too large ends the
loading only, and so does a long document when memory is low. Too many requests or bytes in all cut
the page off from the network.
"""

import asyncio

from snapshotter.capture.browser.call_guard import close_within
from snapshotter.capture.page.navigation import Navigation
from snapshotter.capture.page_context import PageContext
from snapshotter.capture.record.recorder import RESPONSE_TOO_LARGE
from snapshotter.capture.steps import first_error_line

_LOOK_S = 0.05  # between two looks at what was received
_LARGE_DOCUMENT = 8 << 20  # bytes from which on a document that still comes may be the trouble


async def watch_size_limits(page_context: PageContext, navigation: Navigation) -> None:
    """Stop loading when a limit is passed. Ends when the page is cut off, or by cancellation."""
    builder, document = page_context.builder, page_context.document
    passed = ""
    while passed in ("", RESPONSE_TOO_LARGE):
        code, detail = _passed_limit(page_context)
        if not code or code == passed:  # a limit that was passed may look as if it were not
            await asyncio.sleep(_LOOK_S)
            continue
        passed = code
        if code == RESPONSE_TOO_LARGE:  # whatever else the page wants may come
            builder.add_reason(code, f"{detail}; loading was stopped")
        else:
            builder.add_reason(code, "the page exceeded a limit of the capture and was cut off")
            builder.note("go-offline", code)
            offline = page_context.page.context.set_offline(True)
            if (error := await close_within(offline, page_context.limits.close_s)) is not None:
                builder.log("close", f"the action had no effect: {first_error_line(error)}")
        await navigation.stop_loading("length")
        document.cut_at = document.count


def _passed_limit(page_context: PageContext) -> tuple[str, str]:
    """Return code and detail of the limit that is passed; an empty code if none is."""
    code = page_context.recorder.over_limit
    if not code and page_context.memory_is_low():
        # Text takes 20 to 30 times its length once it is laid out. Stopped now, it
        # can still be photographed.
        length = page_context.recorder.observer.document_in_flight
        if length > _LARGE_DOCUMENT:
            detail = f"the page's document used too much memory after {length} bytes"
            return RESPONSE_TOO_LARGE, detail
    return code, "an answer of a server was larger than the limit for one answer"
