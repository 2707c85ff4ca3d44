"""Secrets are replaced by commitments that open with the salt and say nothing without it."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapshotter.capture.redaction.redactor import (
    REQUEST_HEADER,
    RESPONSE_HEADER,
    URL,
    Redactor,
    clean_mhtml,
    clean_text,
    clean_url,
)
from tests.fakes.world import SeededIds

CANARY = "c4n4ry-s3cret"


def redactor(seed: str = "0") -> Redactor:
    return Redactor(names=frozenset({"cookie", "set-cookie"}), ids=SeededIds(seed))


def test_a_commitment_opens_with_the_disclosed_salt_and_the_value() -> None:
    ours = redactor()

    token = ours.replace(REQUEST_HEADER, "Cookie", "a=é")

    (disclosure,) = ours.disclosures()
    opened = hashlib.sha256(bytes.fromhex(disclosure.salt) + b"cookie\0" + "a=é".encode())
    assert token == f"redacted:sha256:{opened.hexdigest()}"
    assert disclosure.commitment == f"sha256:{opened.hexdigest()}"
    assert (disclosure.place, disclosure.name) == (REQUEST_HEADER, "cookie")
    assert len(disclosure.salt) == 64


def test_equal_values_show_as_equal_within_a_capture_and_as_unequal_between_two() -> None:
    ours, others = redactor(), redactor("another")

    first = ours.replace(REQUEST_HEADER, "Cookie", "a=1")

    assert ours.replace(REQUEST_HEADER, "cookie", "a=1") == first
    assert ours.replace(REQUEST_HEADER, "Cookie", "a=2") != first
    assert ours.replace(RESPONSE_HEADER, "Set-Cookie", "a=1") != first
    assert others.replace(REQUEST_HEADER, "Cookie", "a=1") != first


def test_the_bundle_is_told_how_many_values_were_replaced_and_where() -> None:
    ours = redactor()
    tokens = {ours.replace(REQUEST_HEADER, "Cookie", value) for value in ("a", "b", "a")}

    (redaction,) = ours.redactions()

    assert (redaction.place, redaction.name, redaction.count) == (REQUEST_HEADER, "cookie", 3)
    assert redaction.commitments == tuple(sorted(t.removeprefix("redacted:") for t in tokens))


def test_what_was_concealed_and_never_written_is_not_reported() -> None:
    ours = redactor()

    ours.conceal("Cookie", "a")

    assert ours.redactions() == ()
    assert ours.disclosures() == ()


def test_user_information_leaves_a_url_and_is_counted() -> None:
    ours = redactor()

    assert ours.clean_url(f"HTTPS://me:{CANARY}@b.com/x") == "HTTPS://b.com/x"
    assert ours.clean_url("//u@x@c.com/") == "//c.com/"
    (redaction,) = ours.redactions()
    assert (redaction.place, redaction.name, redaction.count) == (URL, "userinfo", 2)


def test_a_url_without_user_information_is_left_as_it_is() -> None:
    ours = redactor()

    for url in ("https://m.com//@me/x", "http://a/?m=a@b.c&u=http://x@y/", "/a//b@c", "a@b"):
        assert ours.clean_url(url) == url
    assert ours.redactions() == ()


@pytest.mark.parametrize(
    ("url", "cleaned"),
    [
        (f"http://me:it's{CANARY}@b.com/", "http://b.com/"),
        (f'http://me:"<{CANARY}>@b.com?@', "http://b.com?@"),
        (rf"http:\\me:{CANARY}@b.com\@", r"http:\\b.com\@"),
        (rf"\/me:{CANARY}@b.com", r"\/b.com"),
        (f"http:/me:{CANARY}@b.com/", "http:/b.com/"),
        (f"https:me:{CANARY}@b.com#@", "https:b.com#@"),
        (f"http:////me:x {CANARY}@b.com/", "http:////b.com/"),
        (f" http:/\t/me:{CANARY}@b.com/", " http://b.com/"),
        (f"ht\ttps://me:\t{CANARY}@b.com/", "https://b.com/"),
        (f"wss:\\me:x@{CANARY}@b.com/", "wss:\\b.com/"),
        (f"gopher://{CANARY}@b.com/", "gopher://b.com/"),
    ],
)
def test_user_information_leaves_a_url_in_any_spelling_that_browsers_read(
    url: str, cleaned: str
) -> None:
    assert redactor().clean_url(url) == clean_url(url) == cleaned


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        (rf"see http:\\me:{CANARY}@b.com, and //it's@c.com/", r"see http:\\b.com, and //c.com/"),
        (f"<https://me:{CANARY}@b.com/>, <//{CANARY}@c.com>", "<https://b.com/>, <//c.com>"),
        (f"blocked https:/{CANARY}@b.com", "blocked https:/b.com"),
        ("http://a.com/x//y@z a@b.c http: a@b.c", "http://a.com/x//y@z a@b.c http: a@b.c"),
    ],
)
def test_user_information_leaves_every_url_in_a_text(text: str, cleaned: str) -> None:
    assert redactor().clean_text(text) == clean_text(text) == cleaned


def test_the_locations_in_the_heads_of_an_mhtml_are_cleaned_and_its_bodies_are_not() -> None:
    text = (
        "From: <Saved by Blink>\r\nSnapshot-Content-Location: http://me:{0}@b.com/\r\n"
        'Subject: //x@y\r\nContent-Type: multipart/related;\r\n\tboundary="--1--"\r\n\r\n\r\n'
        "----1--\r\nContent-Type: text/html\r\nContent-Location: http:\\\\me:{0}@b.com/\r\n\r\n"
        "Content-Location: http://body@b.com/\r\n\r\n"
        "----1--\r\nContent-Type: text/css\r\nContent-Location: http://me:it's {0}@b.com/c\r\n\r\n"
        "<http://body@b.com/>\r\n----1----\r\n"
    )

    cleaned = clean_mhtml(text.format(CANARY))

    assert cleaned == text.replace("me:it's {0}@", "").replace("me:{0}@", "")


def test_what_only_looks_like_the_head_of_a_part_is_body() -> None:
    text = (
        'Content-Type: multipart/related;\n\tboundary="--1"\n\n'
        "----1x\nContent-Location: http://a@b.com/\n\n"  # a longer line
        " ----1\nContent-Location: http://a@b.com/\n\n"  # not where a line begins
        "Content-Location: http://a@b.com/\n----1--\nContent-Location: http://a@b.com/\n"
    )

    assert clean_mhtml(text) == text
    assert clean_mhtml(text + "----1\nContent-Location: http://a@b.com/\n") == (
        text + "----1\nContent-Location: http://b.com/\n"
    )
    assert clean_mhtml("Content-Location: http://a@b.com/\n") == "Content-Location: http://b.com/\n"


def test_user_information_leaves_every_url_in_a_refresh_header() -> None:
    ours = redactor()

    for before in ("0; url=", "0;URL = '", "5, ", ""):
        value = f"{before}http:/\\me:it's a {CANARY}@b.com/'"
        assert ours.clean_header("Refresh", value) == before + "http:/\\b.com/'"


def test_user_information_leaves_every_target_in_a_link_header() -> None:
    value = f'<http://me:a {CANARY}@b.com/>; rel="x", <\\\\{CANARY}@c.com>;title="d@e.com"'

    assert redactor().clean_header("link", value) == (
        '<http://b.com/>; rel="x", <\\\\c.com>;title="d@e.com"'
    )


def test_a_hostile_text_is_cleaned_in_time_that_grows_with_its_length() -> None:
    for piece in ("http:", "//", "http://a", "@", ":@//", "<"):
        clean_text("@ " + piece * 200_000)
        redactor().clean_header("link", "@ " + piece * 20_000)


@given(st.text(alphabet="ab:@/?#[]. ", max_size=30))
def test_a_cleaned_url_has_no_user_information_left(text: str) -> None:
    ours = redactor()

    once = ours.clean_url(f"http://{text}")

    assert ours.clean_url(once) == once


def test_nothing_of_a_redactor_shows_a_value() -> None:
    ours = redactor()
    ours.replace(REQUEST_HEADER, "Cookie", CANARY)

    assert CANARY not in repr(vars(ours)) + repr(ours) + repr(ours.redactions())


def test_salts_that_are_thrown_away_leave_commitments_that_nobody_can_open() -> None:
    ours = Redactor(names=frozenset({"cookie"}), ids=SeededIds("0"), discloses=False)

    token = ours.replace(REQUEST_HEADER, "Cookie", "a=1")

    assert ours.disclosures() == ()
    (redaction,) = ours.redactions()
    assert redaction.commitments == (token.removeprefix("redacted:"),)
    assert token == redactor().replace(REQUEST_HEADER, "Cookie", "a=1")  # the same commitment
