"""What a page's documents said is compared with what was shown, whatever coding they came in."""

import gzip
import zlib
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from snapshotter.capture.page.received_documents import (
    compare_documents,
    count_endless_reloads,
    decode_body_prefix,
)
from snapshotter.capture.record.recorder import MainBody, ReceivedDocument
from snapshotter.model.capture import Redirect
from tests.fakes.world import START
from tests.servers.torture_site import _brotli

TEXT = " ".join(f"word{number:02}" for number in range(60))
HTML = f"<!doctype html><p>{TEXT}</p>".encode()


def _body(tmp_path: Path, data: bytes, coding: str = "", kind: str = "text/html") -> MainBody:
    file = tmp_path / "body"
    file.write_bytes(data)
    return MainBody(file=file, media_type=kind, coding=coding)


def _raw_deflate(data: bytes) -> bytes:
    deflater = zlib.compressobj(wbits=-15)
    return deflater.compress(data) + deflater.flush()


@pytest.mark.parametrize(
    ("coding", "data"),
    [
        ("", HTML),
        ("identity", HTML),
        ("gzip", gzip.compress(HTML)),
        ("X-GZIP", gzip.compress(HTML)),
        ("deflate", zlib.compress(HTML)),
        ("deflate", _raw_deflate(HTML)),
    ],
)
def test_a_coding_is_undone(tmp_path: Path, coding: str, data: bytes) -> None:
    assert decode_body_prefix(_body(tmp_path, data, coding), 1 << 20) == HTML


def test_brotli_is_undone(tmp_path: Path) -> None:
    assert decode_body_prefix(_body(tmp_path, _brotli(HTML), "br"), 1 << 20) == HTML


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_bomb_costs_no_more_than_what_is_asked_for(tmp_path: Path, coding: str) -> None:
    data = (gzip.compress if coding == "gzip" else zlib.compress)(bytes(50 << 20))

    found = decode_body_prefix(_body(tmp_path, data, coding), 1000)

    assert found == bytes(1000)


def test_a_body_that_was_cut_gives_what_came(tmp_path: Path) -> None:
    found = decode_body_prefix(_body(tmp_path, gzip.compress(HTML)[:-20], "gzip"), 1 << 20)

    assert found
    assert HTML.startswith(found)


@pytest.mark.parametrize(
    ("coding", "data"),
    [
        ("gzip", b"no gzip"),
        ("br", b"\xff" * 9),
        ("zstd", b""),
        ("gzip, br", b""),
        ("br", bytes(1 << 19)),
    ],
)
def test_what_can_not_be_undone_is_not_compared(tmp_path: Path, coding: str, data: bytes) -> None:
    body = _body(tmp_path, data, coding)

    assert decode_body_prefix(body, 1 << 20) is None
    (found,) = compare_documents([_received(body)], TEXT)
    assert (found.difference, found.document.not_shown_percent) == (None, None)


def _received(body: MainBody | None, url: str = "https://a.com/") -> ReceivedDocument:
    return ReceivedDocument(
        url=url,
        status=200,
        at=START,
        connection="1/0",
        content_type="text/html; charset=utf-8",
        is_final=True,
        body=body,
    )


def test_each_document_is_compared_with_what_was_shown(tmp_path: Path) -> None:
    body = _body(tmp_path, gzip.compress(HTML), "gzip")

    (same,) = compare_documents([_received(body)], TEXT)
    (other,) = compare_documents([_received(body)], "something else")

    assert (same.document.not_shown_percent, same.document.not_received_percent) == (0, 0)
    assert (other.document.not_shown_percent, other.document.not_received_percent) == (100, 100)
    assert (same.document.connection, same.document.media_type) == ("1/0", "text/html")


@pytest.mark.parametrize("kind", ["application/pdf", "image/png"])
def test_what_is_no_page_is_named_and_not_compared(tmp_path: Path, kind: str) -> None:
    (found,) = compare_documents([_received(_body(tmp_path, HTML, kind=kind))], TEXT)

    assert (found.document.media_type, found.difference) == (kind, None)


def test_a_document_without_a_body_is_named(tmp_path: Path) -> None:
    (found,) = compare_documents([_received(None)], TEXT)

    assert (found.document.media_type, found.difference) == ("", None)


def test_the_final_document_is_compared_first_and_others_while_there_is_time(
    tmp_path: Path,
) -> None:
    last = _received(_body(tmp_path, HTML))
    early = replace(last, is_final=False)
    answers = iter((False, True, True))

    found = compare_documents([early, early, early, last], TEXT, is_late=lambda: next(answers))

    percents = [document.document.not_shown_percent for document in found]
    assert percents == [0, None, None, 0]


@pytest.mark.parametrize(
    ("hops", "goes_on", "count"),
    [
        ("", False, 0),
        ("s", False, 0),  # once, as a page does that has set its cookie
        ("s", True, 1),
        ("sss", False, 3),
        ("slss", False, 0),  # it takes its time: a live table
        ("l", True, 0),
        ("ssso", False, 0),  # it led somewhere in the end
        ("osss", False, 3),
        ("rsr", True, 0),  # we asked for it again
    ],
)
def test_a_page_that_loads_itself_without_end_is_told_from_one_that_comes_to_rest(
    hops: str, goes_on: bool, count: int
) -> None:
    at, redirects = START, []
    for hop in hops:
        at += timedelta(seconds=30 if hop == "l" else 1)
        to = "http://a.example/b" if hop == "o" else "http://a.example/"
        kind = "reload" if hop == "r" else "client"
        redirects.append(
            Redirect(kind=kind, from_url="http://a.example/", to_url=to, status=None, at=at)
        )

    assert count_endless_reloads(redirects, began=START, goes_on=goes_on) == count


def test_a_document_that_we_asked_for_again_is_none_that_the_page_went_on_from() -> None:
    first = replace(_received(None), is_final=False)
    again = replace(first, requested_again=True)

    assert [
        document.departure for document in compare_documents([first, again, _received(None)], "")
    ][:2] == [
        "the page left the document https://a.com/",
        "the page was requested again after the receipt of the document https://a.com/",
    ]
