"""
Normalise hosts, and decide which addresses may be connected to.

The special-purpose registries of RFC 6890 are written out here, for IPv4 and IPv6.
`ipaddress.is_global` is not used, because it also calls these global: translated and tunnelled
addresses, multicast, and a host inside a cloud (168.63.129.16).

An IPv6 address may embed an IPv4 address that a gateway on the way extracts: the embedded
address is checked as well. Only two embeddings are allowed with a public address inside:
NAT64's well-known prefix (RFC 6052), by which a network without IPv4 reaches everything, and an
interface identifier of ISATAP under a public prefix, which is only an identifier.
"""

import re
import unicodedata
from collections.abc import Sequence
from ipaddress import (
    AddressValueError,
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_network,
)
from typing import Final
from urllib.parse import unquote_to_bytes

Network = IPv4Network | IPv6Network

# Hosts inside a cloud that hand out credentials. Nothing opens one of them but its own
# address: a network that merely holds it does not.
_METADATA: Final = frozenset(
    {
        "169.254.169.254",  # AWS, Azure, Google, most others
        "169.254.170.2",  # AWS, tasks
        "169.254.170.23",  # AWS, pods
        "169.254.169.253",  # AWS, resolver
        "169.254.0.23",  # Tencent
        "169.254.10.10",  # Tencent
        "100.100.100.200",  # Alibaba
        "168.63.129.16",  # Azure, host
        "192.0.0.192",  # Oracle
        "fd00:ec2::254",  # AWS
        "fd00:ec2::23",  # AWS, pods
        "fd00:ec2::253",  # AWS, resolver
        "fd20:ce::254",  # Google
    }
)

# The first that holds the address names it, so the narrower ones stand first.
_REFUSED_V4: Final = tuple(
    (IPv4Network(block), word)
    for block, word in (
        ("0.0.0.0/32", "unspecified"),
        ("0.0.0.0/8", "reserved"),  # "this network", RFC 791
        ("10.0.0.0/8", "private"),  # RFC 1918
        ("100.64.0.0/10", "carrier-grade-nat"),  # RFC 6598
        ("127.0.0.0/8", "loopback"),
        ("169.254.0.0/16", "link-local"),  # RFC 3927
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved"),  # protocol assignments, RFC 6890; DS-Lite and NAT64 in it
        ("192.0.2.0/24", "documentation"),  # RFC 5737
        ("192.88.99.0/24", "reserved"),  # 6to4 relays, RFC 7526
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "reserved"),  # benchmarks, RFC 2544
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("255.255.255.255/32", "broadcast"),
        ("240.0.0.0/4", "reserved"),
    )
)
_REFUSED_V6: Final = tuple(
    (IPv6Network(block), word)
    for block, word in (
        ("::/128", "unspecified"),
        ("::1/128", "loopback"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "private"),  # site-local, RFC 3879
        ("fc00::/7", "private"),  # RFC 4193
        ("ff00::/8", "multicast"),
        ("2001:db8::/32", "documentation"),
        ("3fff::/20", "documentation"),  # RFC 9637
        ("2001::/23", "reserved"),  # protocol assignments, RFC 2928
    )
)
_CLAUSES: Final = {
    "broadcast": "the address is a broadcast address of a local network",
    "carrier-grade-nat": "the address belongs to the internal network of an Internet provider",
    "documentation": "the address is reserved for documentation",
    "embedded-ipv4": "the address is an IPv6 address that contains an IPv4 address",
    "link-local": "the address belongs to the local link of this machine",
    "loopback": "the address belongs to the capturing machine itself",
    "malformed": "the address is invalid",
    "metadata": "the address belongs to a service that gives out the credentials of a cloud "
    "machine",
    "multicast": "the address is a multicast address, which belongs to a group of machines",
    "private": "the address belongs to a private network",
    "reserved": "the address is reserved and not in public use",
    "unspecified": "the address is the unspecified address, which belongs to no machine",
}
_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")  # whatever lies outside is not on the Internet

_NAT64: Final = IPv6Network("64:ff9b::/96")  # RFC 6052
_NAT64_LOCAL: Final = IPv6Network("64:ff9b:1::/48")  # RFC 8215
_6TO4: Final = IPv6Network("2002::/16")  # RFC 3056
_TEREDO: Final = IPv6Network("2001::/32")  # RFC 4380
_COMPATIBLE: Final = IPv6Network("::/96")  # RFC 4291 section 2.5.5.1
_MAPPED: Final = IPv6Network("::ffff:0:0/96")  # RFC 4291 section 2.5.5.2
_TRANSLATED: Final = IPv6Network("::ffff:0:0:0/96")  # RFC 2765 section 2.1
_ISATAP: Final = (0x00005EFE, 0x02005EFE)  # RFC 5214 section 6.1, the word before the address

_LOCALHOST: Final = ("127.0.0.1", "::1")
_LOCALHOST_NAMES: Final = frozenset(
    {"localhost", "localhost.localdomain", "localhost6", "ip6-localhost", "ip6-loopback"}
)
# Names that mean something only inside a network (RFC 6761, 6762, 8375, and what
# resolvers of clouds and routers answer to).
_INSIDE: Final = (
    "local", "localdomain", "internal", "intranet", "private", "corp", "home", "lan",
    "home.arpa", "in-addr.arpa", "ip6.arpa",
)  # fmt: skip
_MAX_NAME: Final = 253  # characters, RFC 1035
_LABEL: Final = re.compile(r"[a-z0-9_-]{1,63}")
_DOTS: Final = str.maketrans({"。": ".", "．": ".", "｡": "."})  # UTS 46


class NotAHost(ValueError):
    """A text that is neither a name nor an address."""

    def __init__(self, detail: str, word: str = "malformed") -> None:
        super().__init__(detail)
        self.word = word  # as a refusal


def parse_networks(networks: Sequence[str]) -> tuple[Network, ...]:
    """Return the networks that were opened. Raises ValueError, which names the invalid one."""
    return tuple(ip_network(network, strict=True) for network in networks)


def describe_refusal(word: str) -> str:
    """Return the clause for a word of `address_refusal`."""
    return _CLAUSES.get(word, word)


def address_refusal(address: str, allowed: Sequence[Network] = ()) -> str:
    """
    Return why an address is not connected to, as a stable word; "" if it may be.

    Args:
        address: As `ipaddress` reads it. Anything else is "malformed".
        allowed: Networks that were opened. They open the address itself, not an address that
            another one embeds.
    """
    try:
        parsed = _parse(address)
    except NotAHost as error:
        return error.word
    if isinstance(parsed, IPv4Address):
        return _refusal_v4(parsed, allowed)
    if str(parsed) in _METADATA:
        return "" if _opened(parsed, allowed, at_least=128) else "metadata"
    carried = _carried(parsed)
    if carried:
        inside = next(
            filter(None, (_refusal_v4(ipv4_address, allowed) for ipv4_address in carried)), ""
        )
        # Under the local prefix of NAT64 an address lies elsewhere for each length of the
        # operator's own prefix; judged is the one at the end, so nothing shorter opens it.
        if inside or _opened(parsed, allowed, at_least=96):
            return inside
        if parsed in _NAT64:
            return ""
    elif _opened(parsed, allowed):
        return ""
    for network, word in _REFUSED_V6:
        if parsed in network:
            return "embedded-ipv4" if carried and parsed in _TEREDO else word
    if carried and (parsed in _6TO4 or parsed not in _GLOBAL_UNICAST):
        return "embedded-ipv4"
    return "" if parsed in _GLOBAL_UNICAST else "reserved"


def address_of(host: str) -> str:
    """
    Return the address that a host is, in its canonical form; "" for a name.

    Whatever `inet_aton` and browsers read as an address is one: one to four numbers, decimal, octal
    or hexadecimal. So is whatever becomes one by normalisation.

    Raises:
        NotAHost: It can only be meant as an address, and is invalid; or it is no name either.
    """
    text = canonical_host(host)
    return text if ":" in text or _is_dotted(text) else ""


def canonical_host(host: str) -> str:
    """
    Return a host in the one form that is resolved, checked and connected to.

    Lower case, percent-encodings and full-width characters resolved, no final dot, no
    brackets; an address in its canonical form.

    Raises:
        NotAHost: Neither a name in letters, digits, hyphens and underscores nor an address.
    """
    text = host
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
        if ":" not in text:
            raise NotAHost("the text in brackets is not an IPv6 address")
    if ":" in text:
        if "%" in text:
            raise NotAHost("the address has a zone, such as %eth0, which is not allowed", "zone")
        return str(_parse(text))
    if "%" in text:
        try:
            text = unquote_to_bytes(text).decode("utf-8")
        except UnicodeDecodeError as error:
            raise NotAHost("the percent-encoded text is not UTF-8") from error
    text = unicodedata.normalize("NFKC", text.translate(_DOTS)).translate(_DOTS).lower()
    text = text.removesuffix(".")
    if not text or len(text) > _MAX_NAME:
        raise NotAHost("the host name is empty or too long")
    labels = text.split(".")
    if _is_number(labels[-1]):
        return str(_inet_aton(labels))
    if not all(_LABEL.fullmatch(label) for label in labels):
        raise NotAHost("the name has characters that are not allowed in a host name")
    return text


def loopback_addresses_of(name: str) -> tuple[str, ...]:
    """Return the addresses of a name that means this machine (RFC 6761); () for other names."""
    if name in _LOCALHOST_NAMES or name.endswith(".localhost"):
        return _LOCALHOST
    return ()


def is_internal_name(name: str) -> bool:
    """Return whether a name has a meaning only inside a private network."""
    return "." not in name or any(
        name == suffix or name.endswith(f".{suffix}") for suffix in _INSIDE
    )


def _parse(address: str) -> IPv4Address | IPv6Address:
    if "%" in address:
        raise NotAHost("the address has a zone, such as %eth0, which is not allowed", "zone")
    try:
        return IPv6Address(address) if ":" in address else IPv4Address(address)
    except AddressValueError as error:
        raise NotAHost(str(error)) from error


def _refusal_v4(address: IPv4Address, allowed: Sequence[Network]) -> str:
    if str(address) in _METADATA:
        return "" if _opened(address, allowed, at_least=32) else "metadata"
    if _opened(address, allowed):
        return ""
    return next((word for network, word in _REFUSED_V4 if address in network), "")


def _opened(
    address: IPv4Address | IPv6Address, allowed: Sequence[Network], *, at_least: int = 0
) -> bool:
    """
    Return whether an allowed network with a prefix of at least `at_least` bits has the address.
    """
    return any(
        address.version == network.version and address in network and network.prefixlen >= at_least
        for network in allowed
    )


def _carried(address: IPv6Address) -> tuple[IPv4Address, ...]:
    """Return every IPv4 address that is embedded in this one."""
    bits = int(address)
    low = IPv4Address(bits & 0xFFFFFFFF)
    if address in _6TO4:
        return (IPv4Address(bits >> 80 & 0xFFFFFFFF), *_isatap(bits))
    if address in _TEREDO:  # the server's, and the client's with all bits turned
        return (IPv4Address(bits >> 64 & 0xFFFFFFFF), IPv4Address(~bits & 0xFFFFFFFF))
    if any(address in network for network in (_NAT64, _NAT64_LOCAL, _MAPPED, _TRANSLATED)):
        return (low,)
    if address in _COMPATIBLE and bits > 1:
        return (low,)
    return _isatap(bits)


def _isatap(bits: int) -> tuple[IPv4Address, ...]:
    return (IPv4Address(bits & 0xFFFFFFFF),) if bits >> 32 & 0xFFFFFFFF in _ISATAP else ()


def _is_number(label: str) -> bool:
    """Return whether a last label makes the whole an address (WHATWG URL, "ends in a number")."""
    return bool(re.fullmatch(r"[0-9]+|0x[0-9a-f]*", label))


def _inet_aton(labels: list[str]) -> IPv4Address:
    """Return the address of one to four numbers, of which the last one fills the rest."""
    if len(labels) > 4:
        raise NotAHost("the address has more than four numbers")
    try:
        numbers = [_number(label) for label in labels]
    except ValueError as error:
        raise NotAHost("a part of the address is not a number") from error
    last = numbers.pop()
    if any(number > 255 for number in numbers) or last >= 256 ** (4 - len(numbers)):
        raise NotAHost("a number in the address is too large")
    value = last
    for index, number in enumerate(numbers):
        value += number << 8 * (3 - index)
    return IPv4Address(value)


def _number(label: str) -> int:
    if not re.fullmatch(r"[0-9]{1,20}|0x[0-9a-f]{0,20}", label):
        raise ValueError(label)
    if label.startswith("0x"):
        return int(label[2:] or "0", 16)
    return int(label, 8) if len(label) > 1 and label.startswith("0") else int(label, 10)


def _is_dotted(text: str) -> bool:
    try:
        IPv4Address(text)
    except AddressValueError:
        return False
    return True
