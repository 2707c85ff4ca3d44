"""Which URLs can be captured, and how others are printed."""

import pytest

from snapshotter.errors import SnapshotterError
from snapshotter.model.capture_url import check_url, printable_url
from snapshotter.model.request import CaptureRequest


@pytest.mark.parametrize(
    "url",
    [
        "http://a",
        "https://a.test/x?y#z",
        "http://127.0.0.1:8080/",
        "http://[::1]/",
        "https://ü.test/",
    ],
)
def test_these_urls_can_be_captured(url: str) -> None:
    assert check_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        *("", "example.org", "file:///etc/passwd", "ftp://a/", "javascript:1", "data:,x"),
        *("http://", "http:///x", "//a/", "about:blank", "http://[::1", "http://a:99999/"),
        *("http://user@a/", "http://user:secret@a/", "ftp://user:secret@a/", "user:secret@a.b"),
        *("http:\\\\user:secret@a/", "http:/user:secret@a/", "http:user:secret@a/"),
        *("http://user:secret/x@a/", "http://user:1secret@[::1", "http://user:secret\\@a/"),
        *("http://a\\@b/", "http:\\\\a/", "http://a/\n", "http://a/\x1b[31m", "http://a/\x9b"),
        *("http://a/\ud800", "http://\udcff/", "http://a\tb/"),
    ],
)
def test_these_are_refused(url: str) -> None:
    with pytest.raises(SnapshotterError) as caught:
        check_url(url)
    with pytest.raises(SnapshotterError):
        CaptureRequest(url=url)  # so nothing behind it has to check the URL again
    told = f"{caught.value.message} {caught.value.hint} {printable_url(url)}"
    assert "secret" not in told
    assert told.isprintable()


def test_a_url_that_can_be_captured_is_shown_as_it_is() -> None:
    url = "https://a.test/@somebody/1?x=a@b"

    assert check_url(url) == printable_url(url) == url
