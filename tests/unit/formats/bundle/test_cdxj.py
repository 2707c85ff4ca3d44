"""The CDXJ index: sort keys as replay software computes them, and lines that it can read."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapshotter.formats.bundle import cdxj

AT = datetime(2026, 1, 15, 12, 30, 45, 678901, tzinfo=UTC)


@pytest.mark.parametrize(
    ("url", "key"),
    [
        # Worked by hand from the rules in docs/spec/network-record.md.
        ("http://example.com", "com,example)/"),
        ("https://www.Example.com:443/A/B/", "com,example)/a/b"),
        ("http://www2.example.com/x", "com,example)/x"),
        ("http://www.com/x", "com)/x"),
        ("http://example.com:8080/x//y/../z/./w", "com,example:8080)/x/z/w"),
        ("http://user:secret@example.com/a", "com,example)/a"),
        ("http://example.com/a?#top", "com,example)/a"),
        ("http://example.com/?b=2&a=1", "com,example)/?a=1&b=2"),
        ("http://example.com/?b&a=&a&A=1", "com,example)/?a&a=&a=1&b"),
        ("http://example.com/?a-b=0&a=1", "com,example)/?a=1&a-b=0"),
        ("http://127.0.0.1:8000/x", "1,0,0,127:8000)/x"),
        ("http://[::1]:8000/x", "::1:8000)/x"),
        ("http://example.com/%E4%BD%A0?q=%E5%A5%BD", "com,example)/%e4%bd%a0?q=%e5%a5%bd"),
        ("http://example.com/a%20b%2520c", "com,example)/a%20b%20c"),
        ("http://xn--r8jz45g.jp/", "jp,xn--r8jz45g)/"),
        ("http://例え.jp/", "jp,xn--r8jz45g)/"),
        ("http://example.com/a?x=1&sid=0123456789abcdef0123456789ABCDEF", "com,example)/a?&x=1"),
        ("http://example.com/a?CFID=12&CFTOKEN=34", "com,example)/a"),
        ("http://example.com/(S(aaaaaaaaaaaaaaaaaaaaaaaa))/x.aspx", "com,example)/x.aspx"),
        ("urn:text:x", "urn:text:x"),
    ],
)
def test_a_url_has_the_sort_key_that_pywb_computes(url: str, key: str) -> None:
    assert cdxj.surt(url) == key


@given(st.text(max_size=60))
def test_any_url_has_a_sort_key_without_a_space(tail: str) -> None:
    key = cdxj.surt("http://example.com/" + tail)

    assert key.startswith("com,example)/")
    assert not any(c in key for c in " \t\r\n")


@pytest.mark.parametrize(
    ("method", "media_type", "body", "suffix"),
    [
        ("GET", "", b"", ""),
        ("HEAD", "", b"", "?__wb_method=HEAD"),
        ("OPTIONS", "", b"", "?__wb_method=OPTIONS"),
        ("POST", "application/x-www-form-urlencoded", b"a=1&b=%20c", "?__wb_method=POST&a=1&b= c"),
        (
            "POST",
            "application/x-www-form-urlencoded",
            b"\xff",
            "?__wb_method=POST&__wb_post_data=/w==",
        ),
        (
            "POST",
            "application/json",
            b'{"a":{"b":1,"c":[1,2]}}',
            "?__wb_method=POST&b=1&c=1&c.2_=2",
        ),
        ("POST", "application/json", b"no", "?__wb_method=POST"),
        ("POST", "text/plain;charset=UTF-8", b'{"a":1}\n{"a":2}', "?__wb_method=POST&a=1&a.2_=2"),
        ("POST", "text/plain", b"hi", "?__wb_method=POST&__wb_post_data=aGk="),
        ("PUT", "image/png", b"\x00\x01", "?__wb_method=PUT&__wb_post_data=AAE="),
        (
            "POST",
            "multipart/form-data; boundary=X",
            b'--X\r\nContent-Disposition: form-data; name="a"\r\n\r\n1 2\r\n--X--\r\n',
            "?__wb_method=POST&a=1+2",
        ),
    ],
)
def test_method_and_body_take_part_in_the_key(
    method: str, media_type: str, body: bytes, suffix: str
) -> None:
    assert cdxj.with_method("http://e.com/x", method, media_type, body) == "http://e.com/x" + suffix


def test_a_long_body_takes_part_with_4096_characters_alone() -> None:
    assert len(cdxj.body_query("image/png", bytes(10_000))) == 4096


@given(
    st.sampled_from(["application/json", "text/plain", "multipart/form-data; boundary=X", "x"]),
    st.binary(max_size=80),
)
def test_any_body_has_a_query(media_type: str, body: bytes) -> None:
    assert isinstance(cdxj.body_query(media_type, body), str)


def entry(url: str, **more: object) -> cdxj.Entry:
    values: dict[str, object] = {
        "url": url,
        "at": AT,
        "media_type": "text/html",
        "status": 200,
        "digest": "sha256:" + "0" * 64,
        "offset": 10,
        "length": 20,
    } | more
    return cdxj.Entry(**values)  # type: ignore[arg-type]


def test_lines_are_sorted_and_hold_key_time_and_facts() -> None:
    data = cdxj.encode([entry("http://b.com/"), entry("http://a.com/Ü")])

    first, second = data.splitlines()
    assert data == b"".join(sorted(data.splitlines(keepends=True)))
    assert second.startswith(b"com,b)/ 20260115123045 {")
    assert json.loads(first.split(b" ", 2)[2]) == {
        "url": "http://a.com/Ü",
        "mime": "text/html",
        "status": "200",
        "digest": "sha256:" + "0" * 64,
        "length": "20",
        "offset": "10",
        "filename": "data.warc.gz",
    }


def test_a_post_line_names_method_and_body() -> None:
    line = cdxj.encode(
        [entry("http://a.com/", method="POST", request_type="text/plain", request_body=b"hi")]
    )

    assert line.startswith(b"com,a)/?__wb_method=post&__wb_post_data=agk= ")
    facts = json.loads(line.split(b" ", 2)[2])
    assert (facts["method"], facts["requestBody"]) == ("POST", "__wb_post_data=aGk=")
