"""The page list of a WACZ file."""

from snapshotter.formats import canonical_json
from snapshotter.formats.bundle import pages
from tests.fakes.world import START


def test_the_list_is_a_header_line_and_a_page_line() -> None:
    data = pages.encode(page_id="p1", url="http://a.com/", title="標題", at=START, text="a\nb")

    header, page = data.splitlines()
    assert canonical_json.loads(header) == {
        "format": "json-pages-1.0",
        "id": "pages",
        "title": "All Pages",
    }
    assert canonical_json.loads(page) == {
        "id": "p1",
        "url": "http://a.com/",
        "title": "標題",
        "ts": "2026-01-15T12:30:45Z",
        "text": "a\nb",
    }
    assert data.endswith(b"\n")


def test_a_page_without_text_has_no_text_field() -> None:
    page = pages.encode(page_id="p", url="u", title="", at=START).splitlines()[1]

    assert "text" not in canonical_json.loads(page)
