"""
Write `pages/pages.jsonl`, the list of pages of a WACZ file (WACZ 1.1.1, section 5.2.2).

The first line is a header; the second is the page. Replay software starts from these lines. They
are derived from the capture and prove nothing by themselves.
"""

from datetime import datetime

from snapshotter.formats import canonical_json

_HEADER: canonical_json.JsonValue = {
    "format": "json-pages-1.0",
    "id": "pages",
    "title": "All Pages",
}


def encode(*, page_id: str, url: str, title: str, at: datetime, text: str = "") -> bytes:
    """
    Return the file for one page.

    Args:
        page_id: Unique in the file; any text.
        at: Must be the instant of the page's record in the CDXJ index, to the
            second: a replay looks for the record nearest to it.
        text: The page's text, for a reader's search; left out when empty.
    """
    page: dict[str, canonical_json.JsonValue] = {
        "id": page_id,
        "url": url,
        "title": title,
        "ts": canonical_json.instant(at),
    }
    if text:
        page["text"] = text
    return canonical_json.dumps(_HEADER) + b"\n" + canonical_json.dumps(page) + b"\n"
