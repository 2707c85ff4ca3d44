"""Texts are read in the encodings that browsers know, and by no codec that a stranger picks."""

import codecs

import pytest

from snapshotter.formats.http.charset import _ENCODINGS, _LABELS, _READ_AS, codec, decode


@pytest.mark.parametrize(
    "label", ["gb2312", "GBK", "x-gbk", "big5", "shift_jis", "x-sjis", "euc-kr"]
)
def test_an_encoding_has_more_names_than_one(label: str) -> None:
    assert codec(label) in {"gb18030", "big5hkscs", "cp932", "cp949"}


@pytest.mark.parametrize(
    "label", ["punycode", "idna", "undefined", "unicode_escape", "zlib", "a\0b"]
)
def test_no_codec_that_no_browser_knows_is_run_for_a_text(label: str) -> None:
    assert codec(label) == ""


def test_every_encoding_is_one_that_python_has() -> None:
    for name in _ENCODINGS | set(_READ_AS.values()) | set(_LABELS.values()):
        assert codecs.lookup(name).name == name
    assert set(_READ_AS.values()) | set(_LABELS.values()) <= _ENCODINGS


@pytest.mark.parametrize(
    ("data", "content_type"),
    [
        ("谣言".encode(), ""),
        ("谣言".encode("utf-8-sig"), "text/html; charset=gbk"),
        ("\ufeff谣言".encode("utf-16-le"), "application/xml"),
        ("谣言".encode("gb18030"), 'text/xml; charset="GB2312"'),
        ("谣言".encode("gb18030"), "text/html; charset=x-gbk; x=y"),
    ],
)
def test_mark_header_and_custom_say_how_a_text_is_read(data: bytes, content_type: str) -> None:
    assert decode(data, content_type) == "谣言"


@pytest.mark.parametrize(
    "text",
    ['<?xml version="1.0" encoding="gb2312"?><t>谣言</t>', "<html><meta charset=gbk><p>谣言"],
)
def test_a_document_says_itself_how_it_is_read(text: str) -> None:
    assert decode(text.encode("gb18030")) == text


def test_two_bytes_a_character_are_not_taken_from_a_word_alone() -> None:
    text = '<?xml version="1.0" encoding="utf-16"?><t>x</t>'

    assert decode(text.encode()) == text
    assert decode(b"<t>\xff</t>", "text/xml; charset=punycode") == "<t>\ufffd</t>"
