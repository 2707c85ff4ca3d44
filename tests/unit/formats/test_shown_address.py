"""Addresses as they are shown: nothing secret in a log, nothing to click in a message."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapshotter.formats.shown_address import (
    defang_text_for_message,
    defang_url_for_message,
    redact_text_for_log,
    redact_url_for_log,
    remove_addresses,
)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://example.org/a/b.html", "https://example.org/a/b.html"),
        ("https://me:pw@example.org:8443/", "https://example.org:8443/"),
        ("https://h/?id=7&token=abc&flag", "https://h/?id=…&token=…&…"),
        ("https://h/?abcdef123456", "https://h/?…"),
        ("https://h/a;jsessionid=77/b;v=1", "https://h/a;jsessionid=…/b;v=…"),
        ("https://h/#access_token=abc", "https://h/#…"),
        ("http://[2001:db8::1]:81/x?y=1", "http://[2001:db8::1]:81/x?y=…"),
        ("http://[", "(not a valid address)"),
        ("https://h/\u202e\x1b[31m", "https://h/\\u202e\\u001b[31m"),
    ],
)
def test_a_log_has_no_user_no_value_and_no_fragment(url: str, shown: str) -> None:
    assert redact_url_for_log(url) == shown


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://example.org/a.html", "hxxps://example[.]org/a.html"),
        ("http://me:pw@sub.example.org:81/", "hxxp://sub[.]example[.]org:81/"),
        (
            "https://mp.weixin.qq.com/s?__biz=MzA&mid=26&idx=1&key=ab&pass_ticket=cd&uin=ef#rd",
            "hxxps://mp[.]weixin[.]qq[.]com/s?__biz=MzA&mid=26&idx=1&key=…&pass_ticket=…&uin=…#rd",
        ),
        ("https://h.example/?%74oken=abc", "hxxps://h[.]example/?%74oken=…"),
        ("https://h.example/#access_token=abc", "hxxps://h[.]example/#access_token=…"),
        ("http://[2001:db8::1]/", "hxxp://[2001[:]db8[:][:]1]/"),
        ("http://10.0.0.1/", "hxxp://10[.]0[.]0[.]1/"),
    ],
)
def test_a_message_names_the_page_and_nothing_to_click(url: str, shown: str) -> None:
    assert defang_url_for_message(url) == shown


def test_a_long_address_is_cut() -> None:
    assert len(redact_url_for_log("https://example.org/" + "x" * 9000)) == 501


def test_sentences_are_shown_alike() -> None:
    said = "example.org: see https://u:p@example.org/a.html?token=1 and 10.0.0.1"

    assert (
        redact_text_for_log(said)
        == "example.org: see https://example.org/a.html?token=… and 10.0.0.1"
    )
    assert defang_text_for_message(said) == (
        "example[.]org: see hxxps://example[.]org/a.html?token=… and 10[.]0[.]0[.]1"
    )
    assert remove_addresses(said, host="EXAMPLE.org") == "…: see … and 10.0.0.1"
    assert remove_addresses("a host a.b of a", host="a") == "… host ….b of …"


@given(
    st.text(max_size=60), st.sampled_from(["", "http://", "https://u:secret@", "//", "a?b=", "#"])
)
def test_nothing_raises_and_no_password_comes_through(text: str, prefix: str) -> None:
    url = prefix + text
    shown = (
        redact_url_for_log(url),
        defang_url_for_message(url),
        redact_text_for_log(url),
        defang_text_for_message(url),
    )

    if prefix == "https://u:secret@" and not set(text) & set("/?#\\") and "secret" not in text:
        assert not any("u:secret" in text for text in shown)
