"""Which URLs can be captured, and how others are printed."""

import pytest

from snapshotter.errors import SnapshotterError
from snapshotter.model.capture_url import check_url, complete_url, printable_url
from snapshotter.model.request import CaptureRequest


@pytest.mark.parametrize(
    "url",
    [
        "http://a",
        "https://a.test/x?y#z",
        "http://127.0.0.1:8080/",
        "http://[::1]/",
        "https://ü.test/",
        "https://例え.テスト./a b",
        "http://a_b.test/",
        "http://[fe80::1]:8/",
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
        *("http://a b/", "http://a\u3000b/", "http://a..b/", "http://./", "http://a%20b/"),
        *("http://a<b/", f"http://{'a' * 64}.test/", f"http://{'a.' * 130}test/"),
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


def test_a_missing_scheme_is_added_and_nothing_else_is() -> None:
    completed = {
        text: complete_url(text)
        for text in (
            "example.org", "example.org/a?b=http://c", "EXAMPLE.org:8443#x", "127.0.0.1:80/x",
            "localhost:8000/a", "例え.jp/記事", "ü.test", "a.b.example.co.uk/",
        )
    }  # fmt: skip
    unchanged = (
        "", "http://a.test/", "ftp://a.test", "a.test:port/", "user@a.test", "word", "a.1", "./a.b",
        "http//a.test", "http:a.test", "javascript:a.b", "exa mple.org", "a..test", "/etc/a.conf",
        "mailto:a@b.test", "a.test:99999", "a.test\\b", "...", "1.2.3", "data:,a.b",
    )  # fmt: skip

    assert completed == {text: f"https://{text}" for text in completed}
    assert [complete_url(text) for text in unchanged] == list(unchanged)


def test_a_mistyped_address_gets_the_one_that_was_probably_meant() -> None:
    meant = {
        "http//host": "http://host",
        "http:/a.test/x": "http://a.test/x",
        "http:a.test": "http://a.test",
        "https;//a.test": "https://a.test",
        "htps://a.test": "https://a.test",
        "hhtp://a.test": "http://a.test",
        "http://exa mple.org": "http://example.org",
    }
    for text, wanted in meant.items():
        with pytest.raises(SnapshotterError) as caught:
            check_url(text)
        assert caught.value.hint == f"if you mean {wanted}, give this address", text
    for text in ("ftp://a.test", "http//user:secret@a.test", "nonsense"):
        with pytest.raises(SnapshotterError) as caught:
            check_url(text)
        assert "if you mean" not in caught.value.hint, text
