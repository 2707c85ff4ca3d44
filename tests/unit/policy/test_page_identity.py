"""Addresses of one page are one page, and those of two are two."""

import random
from pathlib import Path

import pytest

from snapshotter.errors import SnapshotterError
from snapshotter.policy.page_identity import (
    account_identity,
    account_of_identity,
    page_identity,
    parse_rules,
    wechat_identity,
    wechat_identity_from_page,
    weibo_number,
)

FILE = Path(__file__).resolve().parents[3] / "policies" / "schedules" / "identity.toml"
RULES = parse_rules(FILE.read_text(), "identity.toml")
BIZ = "MzA5MTAxMjEzMA=="
ARTICLE = f"https://mp.weixin.qq.com/s?__biz={BIZ}&mid=2653001234&idx=2&sn=0123456789abcdef"


def key(url: str) -> str:
    return page_identity(url, RULES).key


def test_six_addresses_of_one_article_are_one_identity() -> None:
    aliases = [
        ARTICLE,
        f"{ARTICLE}&chksm=8b9f0123&scene=21#wechat_redirect",
        f"http://mp.weixin.qq.com/s?idx=2&sn=x&mid=2653001234&__biz={BIZ}",
        f"{ARTICLE}&sharer_shareid=abc&sharer_sharetime=1700000000",
        f"https://mp.weixin.qq.com/mp/appmsg/show?__biz={BIZ}&appmsgid=2653001234&itemidx=2",
        "https://mp.weixin.qq.com/s?__biz=MzA5MTAxMjEzMA%3D%3D&mid=2653001234&idx=2&uin=Mz&key=1",
    ]

    assert {key(alias) for alias in aliases} == {f"wechat:{BIZ}/2653001234/2"}
    assert key(ARTICLE.replace("idx=2", "idx=3")) != key(ARTICLE)


def test_what_a_policy_had_replaced_in_an_address_tells_no_pages_apart() -> None:
    addresses = [
        f"https://example.test/page?id=7&key=redacted:sha256:{digit * 64}" for digit in "ab"
    ]

    assert {key(address) for address in addresses} == {"//example.test/page?id=7"}
    assert key("https://example.test/page?id=7&key=red") == "//example.test/page?id=7&key=red"


def test_whose_page_an_address_is() -> None:
    assert account_identity(ARTICLE, RULES) == f"wechat:{BIZ}"
    assert (
        account_identity(f"https://mp.weixin.qq.com/mp/profile_ext?__biz={BIZ}", RULES)
        == f"wechat:{BIZ}"
    )
    assert account_identity("https://mp.weixin.qq.com/s/AbCdEfGhIj_kLmNoPqRsTu", RULES) == ""
    assert (
        account_identity("https://weibo.com/1234567890/I7ubv9Ktj", RULES) == "weibo-user:1234567890"
    )
    assert account_identity("https://m.weibo.cn/u/1234567890?x=1", RULES) == "weibo-user:1234567890"
    assert account_identity("https://m.weibo.cn/status/4417843292323593", RULES) == ""
    assert account_identity("https://example.test/1234567890/", RULES) == ""
    assert account_of_identity(f"wechat:{BIZ}/2653001234/2") == f"wechat:{BIZ}"
    assert account_of_identity("weibo:4417843292323593") == ""


def test_a_short_link_is_known_only_after_it_was_loaded() -> None:
    found = page_identity("https://mp.weixin.qq.com/s/AbCdEfGhIj_kLmNoPqRsTu?scene=1", RULES)

    assert found.key == "wechat-short:AbCdEfGhIj_kLmNoPqRsTu"
    assert not found.final
    assert wechat_identity(BIZ, "2653001234", "2") == page_identity(ARTICLE, RULES)


@pytest.mark.parametrize("biz", ["", "!!", "=", "M"])
def test_an_article_without_an_account_is_an_address_like_others(biz: str) -> None:
    found = key(f"https://mp.weixin.qq.com/s?__biz={biz}&mid=1&idx=1")

    assert found.startswith("//mp.weixin.qq.com/s?")


def test_the_forms_of_a_post_are_one_identity() -> None:
    forms = [
        "https://weibo.com/1234567890/I7ubv9Ktj",
        "https://weibo.com/1234567890/I7ubv9Ktj?from=page_100505&wvr=6#comment",
        "https://m.weibo.cn/status/I7ubv9Ktj",
        "https://m.weibo.cn/detail/4417843292323593",
        "https://m.weibo.cn/status/4417843292323593",
        "https://weibo.com/ajax/statuses/show?id=4417843292323593",
        "https://m.weibo.cn/statuses/show?id=I7ubv9Ktj",
    ]

    assert {key(form) for form in forms} == {"weibo:4417843292323593"}


@pytest.mark.parametrize("path", ["u/1234567890", "1234567890/follow", "status/zzz", "", "a/b/c"])
def test_other_pages_of_the_site_are_not_posts(path: str) -> None:
    assert key(f"https://weibo.com/{path}").startswith("//weibo.com/")


def weibo_short(number: int) -> str:
    """Write a post's number as the site does: sevens of digits become fours of base 62."""
    letters = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    groups = []
    while number:
        number, value = divmod(number, 10**7)
        group = ""
        while value or (number and len(group) < 4):
            value, letter = divmod(value, 62)
            group = letters[letter] + group
        groups.append(group)
    return "".join(reversed(groups))


def test_a_number_and_its_short_form_are_inverse() -> None:
    assert weibo_number("I7ubv9Ktj") == 4417843292323593
    assert weibo_short(4417843292323593) == "I7ubv9Ktj"
    numbers = random.Random(22)  # noqa: S311  no secret
    for number in [
        10**15 + 1,
        4400000000000000,
        *(numbers.randrange(10**13, 10**17) for _ in range(1000)),
    ]:
        assert weibo_number(weibo_short(number)) == number


@pytest.mark.parametrize("short", ["", "I7ubv9Kt-", "ZZZZ", "a" * 21, "é"])
def test_what_is_no_short_form_is_refused(short: str) -> None:
    with pytest.raises(ValueError, match="short form"):
        weibo_number(short)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://Example.org", "https://example.org:443/"),
        ("https://example.org/a?utm_source=x&id=7&FBCLID=1", "https://example.org/a?id=7"),
        ("https://example.org/a/./b/../c#part", "https://example.org/a/c"),
        ("https://example.org/%7euser/%e4%b8%ad", "https://example.org/~user/中"),
        ("https://bücher.example/", "https://xn--bcher-kva.example./"),
        ("https://example.org/a?", "https://example.org/a"),
    ],
)
def test_two_spellings_are_one_page(one: str, other: str) -> None:
    assert key(one) == key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://example.org/a", "https://example.org/A"),
        ("https://example.org/a", "https://example.org/a/"),
        ("https://example.org/a?id=1", "https://example.org/a?id=2"),
        ("https://example.org/a?b=1&c=2", "https://example.org/a?c=2&b=1"),
        ("https://example.org/", "https://example.org:8443/"),
        ("https://example.org/#/one", "https://example.org/#/two"),
        ("https://example.org/a%2Fb", "https://example.org/a/b"),
        ("https://example.org/?q=a%26b", "https://example.org/?q=a&b"),
    ],
)
def test_two_pages_are_two(one: str, other: str) -> None:
    assert key(one) != key(other)


@pytest.mark.parametrize(
    "url", ["", "ftp://example.org/", "https://", "https://example.org:99999/", "javascript:1"]
)
def test_what_is_no_address_of_a_page_has_no_identity(url: str) -> None:
    with pytest.raises(ValueError, match=r"address of a page|[Pp]ort"):
        page_identity(url, RULES)


def test_an_address_with_very_many_parameters_has_an_identity_or_none() -> None:
    with pytest.raises(ValueError, match=r"fields|many"):
        page_identity("https://example.org/?" + "a=1&" * 100_000, RULES)


@pytest.mark.parametrize("text", ["[tracking", "[tracking]\nparameter = []", "[x]\n"])
def test_rules_that_are_none_are_refused_and_say_why(text: str) -> None:
    with pytest.raises(SnapshotterError, match=r"mine\.toml"):
        parse_rules(text, "mine.toml")


def page(script: str, text: str = "") -> str:
    return f"<html><head><script>{script}</script></head><body>{text}</body></html>"


@pytest.mark.parametrize(
    "script",
    [
        f'var biz = ""||"{BIZ}";var sn = "x";\nvar mid = "" || ""|| "2653001234"; var idx = "2";',
        f"window.biz = '' || '{BIZ}'; window.mid = '2653001234' || ''; window.idx = '2' || '';",
    ],
)
def test_an_article_says_itself_which_it_is(script: str) -> None:
    assert wechat_identity_from_page(page(script)) == page_identity(ARTICLE, RULES)


@pytest.mark.parametrize(
    "document",
    [
        page("var biz = ''; var mid = '1'; var idx = '1';"),
        page(f"var biz = '{BIZ}'; var mid = '1';"),
        page("", f"var biz = '{BIZ}'; var mid = '1'; var idx = '1';"),  # what an author wrote
        page(f"var biz = '{BIZ}'; var mid = '1'; var idx = '1'; var mid = '2';"),
        page(f"var biz = '{BIZ}'; var mid = get('1'); var idx = '1';"),
        "<script>" * 100_000,
    ],
)
def test_a_page_that_does_not_say_it_for_certain_is_not_guessed_at(document: str) -> None:
    assert wechat_identity_from_page(document) is None
