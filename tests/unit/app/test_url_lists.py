"""A list of addresses is read line by line, and one bad line holds up no other."""

import pytest

from snapshotter.app.url_lists import numbered_urls
from snapshotter.errors import SnapshotterError
from snapshotter.model.capture_url import check_url


def test_a_list_has_an_address_a_line_with_its_number() -> None:
    data = "\ufeffhttps://a.example/\r\n\n  # a remark\n https://b.example/\u2028x \rhttps://c.example/"

    assert list(numbered_urls(data.encode())) == [
        (1, "https://a.example/"),
        (4, "https://b.example/\u2028x"),
        (5, "https://c.example/"),
    ]


def test_a_line_that_is_no_text_is_refused_alone() -> None:
    first, second = numbered_urls(b"https://a.example/\xe9\nhttps://b.example/\n")

    with pytest.raises(SnapshotterError, match="incomplete character"):
        check_url(first[1])
    assert check_url(second[1]) == "https://b.example/"
