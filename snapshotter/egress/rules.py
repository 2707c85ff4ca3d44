"""
Define the rules of the egress guard (opened networks, blocked hosts, limits), and parse the address
of an upstream proxy.
"""

import math
import re
from dataclasses import field
from typing import Final
from urllib.parse import unquote, urlsplit

from typing_extensions import override

from snapshotter.egress.addresses import Network, parse_networks
from snapshotter.value_class import dataclass

_TOR: Final = "socks5://127.0.0.1:9050"
_KINDS: Final = {"http": "http", "socks5": "socks5", "socks5h": "socks5"}
_MAX_CREDENTIAL: Final = 255  # bytes, RFC 1929 section 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """A proxy through which everything goes. Its user name and password are never shown."""

    kind: str  # "http", "socks5" or "tor"
    host: str
    port: int
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @property
    def via(self) -> str:
        """The proxy as a connection's record states it."""
        return "tor" if self.kind == "tor" else f"{self.kind}-proxy"

    @property
    def name(self) -> str:
        """What errors call the proxy: they are sealed, and its address may name a person."""
        return "Tor" if self.kind == "tor" else "the proxy"

    @override
    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.via} {host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressRules:
    """
    Which connections are made, how many, and how many bytes they may transfer.

    Raises:
        ValueError: An invalid network or upstream, or a limit below one.
    """

    allowed: tuple[str, ...] = ()  # networks opened by name: "192.0.2.0/24"
    blocked: tuple[str, ...] = ()  # hosts that are not asked: "ads.example", "*.ads.example"
    # "", "http://host:port", "socks5://host:port" or "tor"; may hold user:password@
    upstream: str = field(default="", repr=False)
    total_bytes: int  # both directions, all connections
    connections: int = 512  # at once
    per_host: int = 32  # at once, to one host; more wait for their turn
    connections_in_all: int = 4000
    connect_s: float = 10.0  # from the answers to the connection, and for a turn
    resolve_s: float = 5.0
    unanswered_s: float = math.inf  # for all hosts of a page that do not answer, together
    idle_s: float = 90.0  # without a byte in either direction

    def __post_init__(self) -> None:
        self.networks()
        self.proxy()
        limits = (
            self.total_bytes, self.connections, self.per_host, self.connections_in_all,
            self.connect_s, self.resolve_s, self.unanswered_s, self.idle_s,
        )  # fmt: skip
        if min(limits) <= 0:
            raise ValueError("every limit must be larger than 0")

    def networks(self) -> tuple[Network, ...]:
        """Return the networks that were opened."""
        return parse_networks(self.allowed)

    def proxy(self) -> Upstream | None:
        """Return the upstream proxy, or None."""
        return parse_upstream(self.upstream) if self.upstream else None


def parse_upstream(url: str) -> Upstream:
    """
    Return an upstream proxy from its URL; "tor" is Tor's own port on this machine.

    Raises:
        ValueError: Another scheme, no host or port, or anything after them. The message
            does not quote the URL, because a password may be in it.
    """
    tor = url == "tor"
    try:
        parts = urlsplit(_TOR if tor else url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError("the upstream proxy is not a URL") from error
    kind = _KINDS.get(parts.scheme)
    if kind is None:
        raise ValueError("the upstream proxy must be http://host:port, socks5://host:port or tor")
    if not host or not port or parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise ValueError("the upstream proxy must have a host and a port, and no path")
    if re.search(r"[\x00-\x20\x7f]", url):
        raise ValueError("the upstream proxy contains a space or a control character")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if max(len(user.encode()), len(password.encode())) > _MAX_CREDENTIAL:
        raise ValueError(
            f"the user name or the password of the proxy has more than {_MAX_CREDENTIAL} bytes"
        )
    if kind == "http" and ":" in user:
        raise ValueError("the user name of an HTTP proxy must not contain a colon (RFC 7617)")
    return Upstream(kind="tor" if tor else kind, host=host, port=port, user=user, password=password)
