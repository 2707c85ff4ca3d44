"""Which addresses may be connected to, and what odd spellings mean."""

from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapshotter.egress.addresses import (
    NotAHost,
    address_of,
    address_refusal,
    canonical_host,
    is_internal_name,
    loopback_addresses_of,
)
from tests.cases import in_one_test

# What the registries of RFC 6890 hold and what hides in it, each with its word.
REFUSED = [
    ("0.0.0.0", "unspecified"),  # noqa: S104  nothing listens here
    ("0.1.2.3", "reserved"),
    ("10.0.0.1", "private"),
    ("100.64.0.1", "carrier-grade-nat"),
    ("100.127.255.255", "carrier-grade-nat"),
    ("127.0.0.1", "loopback"),
    ("127.255.255.254", "loopback"),
    ("169.254.1.1", "link-local"),
    ("172.16.0.1", "private"),
    ("172.31.255.255", "private"),
    ("192.0.0.8", "reserved"),
    ("192.0.2.1", "documentation"),
    ("192.88.99.1", "reserved"),
    ("192.168.1.1", "private"),
    ("198.18.0.1", "reserved"),
    ("198.19.255.255", "reserved"),
    ("198.51.100.1", "documentation"),
    ("203.0.113.1", "documentation"),
    ("224.0.0.1", "multicast"),
    ("239.255.255.255", "multicast"),
    ("240.0.0.1", "reserved"),
    ("255.255.255.255", "broadcast"),
    ("169.254.169.254", "metadata"),
    ("169.254.170.2", "metadata"),
    ("168.63.129.16", "metadata"),
    ("100.100.100.200", "metadata"),
    ("192.0.0.192", "metadata"),
    ("::", "unspecified"),
    ("::1", "loopback"),
    ("fe80::1", "link-local"),
    ("febf::1", "link-local"),
    ("fec0::1", "private"),
    ("feff::1", "private"),
    ("fc00::1", "private"),
    ("fdff::1", "private"),
    ("fd00:ec2::254", "metadata"),
    ("fd20:ce::254", "metadata"),
    ("ff02::1", "multicast"),
    ("ff0e::1", "multicast"),
    ("2001:db8::1", "documentation"),
    ("3fff::1", "documentation"),
    ("2001:2::1", "reserved"),
    ("2001:10::1", "reserved"),
    ("2001:20::1", "reserved"),
    ("100::1", "reserved"),
    ("5f00::1", "reserved"),
    ("4000::1", "reserved"),
    ("64:ff9a::808:808", "reserved"),
    # IPv4 inside IPv6: judged by what is inside, and refused even when that is public
    ("::ffff:127.0.0.1", "loopback"),
    ("::ffff:169.254.169.254", "metadata"),
    ("::ffff:8.8.8.8", "embedded-ipv4"),
    ("::ffff:0:10.0.0.1", "private"),
    ("::ffff:0:8.8.8.8", "embedded-ipv4"),
    ("::127.0.0.1", "loopback"),
    ("::8.8.8.8", "embedded-ipv4"),
    ("64:ff9b::10.0.0.1", "private"),
    ("64:ff9b::169.254.169.254", "metadata"),
    ("64:ff9b::224.0.0.1", "multicast"),
    ("64:ff9b:1::10.0.0.1", "private"),
    ("64:ff9b:1::8.8.8.8", "embedded-ipv4"),
    ("2002:7f00:1::", "loopback"),
    ("2002:a9fe:a9fe::1", "metadata"),
    ("2002:808:808::1", "embedded-ipv4"),
    ("2001:0:a00:1::1", "private"),  # Teredo: a server that is private
    ("2001:0:808:808:0:0:80ff:fffe", "loopback"),  # Teredo: a client, its bits turned
    ("2001:0:808:808::f7f7:f7f7", "embedded-ipv4"),
    ("2a00:1450::5efe:10.0.0.1", "private"),  # ISATAP
    ("2a00:1450::200:5efe:127.0.0.1", "loopback"),
    ("2002:808:808::5efe:10.0.0.1", "private"),
    ("fe80::1%eth0", "zone"),
    ("fe80::1%25eth0", "zone"),
    ("2a00:1450::1%1", "zone"),
    ("127.0.0.01", "malformed"),
    ("2130706433", "malformed"),
    ("", "malformed"),
    ("example.org", "malformed"),
]
PUBLIC = [
    "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0",
    "126.255.255.255", "128.0.0.0", "169.253.255.255", "172.15.255.255", "172.32.0.0",
    "192.0.1.0", "192.167.255.255", "198.17.255.255", "198.20.0.0", "223.255.255.255",
    "168.63.129.15", "2606:4700::1111", "2a00:1450:4001::1", "2001:200::1", "2001:4860::8888",
    "2620:4f:8000::1", "64:ff9b::8.8.8.8", "2a00:1450::5efe:8.8.8.8",
]  # fmt: skip


@in_one_test(("address", "word"), REFUSED)
def test_an_address_that_no_site_has_is_refused_in_a_word(address: str, word: str) -> None:
    assert address_refusal(address) == word


@in_one_test("address", PUBLIC)
def test_a_public_address_may_be_connected_to(address: str) -> None:
    assert address_refusal(address) == ""


def test_a_network_opened_by_name_opens_its_addresses_and_no_others() -> None:
    allowed = [ip_network("10.1.0.0/16"), ip_network("fd00:1::/32"), ip_network("::1/128")]

    assert address_refusal("10.1.2.3", allowed) == ""
    assert address_refusal("10.2.2.3", allowed) == "private"
    assert address_refusal("fd00:1::7", allowed) == ""
    assert address_refusal("fd00:2::7", allowed) == "private"
    assert address_refusal("::1", allowed) == ""


def test_a_metadata_host_is_opened_by_its_own_address_alone() -> None:
    everything = [ip_network("0.0.0.0/0"), ip_network("::/0")]

    assert address_refusal("169.254.169.254", everything) == "metadata"
    assert address_refusal("fd00:ec2::254", everything) == "metadata"
    assert address_refusal("64:ff9b::a9fe:a9fe", everything) == "metadata"
    assert address_refusal("169.254.169.254", [ip_network("169.254.169.254/32")]) == ""
    assert address_refusal("10.0.0.1", everything) == ""


def test_an_opened_network_does_not_open_what_its_addresses_carry() -> None:
    everything_v6 = [ip_network("::/0")]

    assert address_refusal("::ffff:127.0.0.1", everything_v6) == "loopback"
    assert address_refusal("2002:7f00:1::", everything_v6) == "loopback"
    assert address_refusal("::ffff:127.0.0.1", [ip_network("127.0.0.0/8")]) == "embedded-ipv4"
    assert address_refusal("64:ff9b:1::808:808", everything_v6) == "embedded-ipv4"
    assert address_refusal("64:ff9b:1::808:808", [ip_network("64:ff9b:1::/96")]) == ""
    assert address_refusal("64:ff9b:1::a00:1", [ip_network("64:ff9b:1::/96")]) == "private"


SPELLINGS = [
    "127.0.0.1", "2130706433", "0x7f000001", "017700000001", "127.1", "127.0.1", "0x7f.1",
    "0177.0.0.1", "0x7f.0x0.0x0.0x1", "127.0.0.1.", "%31%32%37.0.0.1", "１２７.０.０.１",
    "127。0。0。1", "127｡0｡0．1", "①②⑦.0.0.1", "0X7F.1", "00000177.0.0.1",
]  # fmt: skip


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_an_odd_spelling_is_the_address_that_would_be_dialled(spelling: str) -> None:
    assert address_of(spelling) == "127.0.0.1"
    assert address_refusal(address_of(spelling)) == "loopback"


def test_an_ipv6_address_has_one_spelling_with_and_without_brackets() -> None:
    assert address_of("[0:0:0:0:0:0:0:1]") == "::1"
    assert address_of("::0001") == "::1"
    assert address_refusal(address_of("[::FFFF:7F00:1]")) == "loopback"


@in_one_test(
    "spelling",
    [
        "", ".", "256.1.1.1", "1.2.3.4.5", "0x100000000", "08.0.0.1", "1..1", "a..b",
        "[127.0.0.1]", "[::1%25lo]", "fe80::1%1", "::g", "exa mple.org", "example.org:80",
        "user@example.org", "a/b", "a\\b", "a\x00b", "bücher.example", "%zz.example", "%2531.1",
        "x" * 64 + ".example", "a." * 130, "1.2.3.4:80", "%ff", "１２７.0.0.1%",
    ],
)  # fmt: skip
def test_what_is_neither_name_nor_address_is_no_host(spelling: str) -> None:
    with pytest.raises(NotAHost):
        canonical_host(spelling)


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("Example.ORG", "example.org"),
        ("example.org.", "example.org"),
        ("ｅｘａｍｐｌｅ。org", "example.org"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("_dmarc.example", "_dmarc.example"),
        ("1.2.3.4.example", "1.2.3.4.example"),
        ("a%2eb", "a.b"),
    ],
)
def test_a_name_is_brought_into_one_spelling(spelling: str, name: str) -> None:
    assert canonical_host(spelling) == name
    assert address_of(spelling) == ""


def test_names_of_this_machine_and_of_the_inside_are_known() -> None:
    assert (
        loopback_addresses_of("localhost")
        == loopback_addresses_of("a.b.localhost")
        == ("127.0.0.1", "::1")
    )
    assert loopback_addresses_of("localhost.example") == ()
    assert is_internal_name("intranet")
    assert is_internal_name("metadata.google.internal")
    assert not is_internal_name("internal.example.org")


@given(st.integers(0, 2**32 - 1))
def test_whatever_its_spelling_an_ipv4_address_is_itself(number: int) -> None:
    address = str(IPv4Address(number))

    for spelling in (address, str(number), hex(number), f"0{number:o}", address + "."):
        assert address_of(spelling) == address


@given(st.integers(0, 2**32 - 1))
def test_no_wrapping_makes_a_refused_ipv4_address_public(number: int) -> None:
    inside = address_refusal(str(IPv4Address(number)))
    wrapped = [
        number, 0xFFFF << 32 | number, 0xFFFF << 48 | number, 0x64FF9B << 96 | number,
        0x64FF9B0001 << 80 | number, 0x2002 << 112 | number << 80,
        0x2002 << 112 | number << 80 | 1, 0x20010000 << 96 | number << 64,
        0x20010000 << 96 | 0x08080808 << 64 | (number ^ 0xFFFFFFFF),
        0x2A001450 << 96 | 0x5EFE << 32 | number, 0x2A001450 << 96 | 0x2005EFE << 32 | number,
    ]  # fmt: skip

    for value in wrapped:
        if value > 1 and inside:
            assert address_refusal(str(IPv6Address(value))) != ""


@given(st.text(max_size=40))
def test_any_text_is_a_host_in_canonical_form_or_none(text: str) -> None:
    try:
        once = canonical_host(text)
    except NotAHost:
        return
    assert canonical_host(once) == once
