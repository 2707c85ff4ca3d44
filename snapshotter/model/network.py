"""Define a connection as the egress guard made or refused it, and the network path of a capture."""

from datetime import datetime

from snapshotter.value_class import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """One connection that the browser or a helper asked for, from the request to its end."""

    number: int  # from 1, in the order asked for
    purpose: str  # "page" (the browser), "timestamp", …
    kind: str  # "tunnel" (CONNECT), "http" (a plain request, forwarded) or "dial" (a helper's)
    host: str  # as asked for: a name or the spelling of an address
    port: int
    answers: tuple[str, ...]  # every address that the name has, as the resolver gave them
    address: str  # that was connected to; "" when none was. Behind a proxy: "" too
    via: str  # "direct", "http-proxy", "socks5-proxy" or "tor"
    server_name: str  # TLS SNI as the client sent it, or ""
    asked_at: datetime
    connected_at: datetime | None
    ended_at: datetime | None  # None: it was open when this was read
    bytes_sent: int  # to the server, TLS included
    bytes_received: int
    refusal: str  # stable word when the guard refused: "loopback", "private", …; else ""
    error: str  # stable word when it failed: "dns", "refused", "unreachable", "timeout", …; else ""
    ended_by: str  # "client", "server", "limit", "cut", "error", or "" while open
    detail: str = ""  # for a person


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkPath:
    """The way that a capture's traffic took, and what enforced it."""

    path: str  # "direct", "proxy" or "tor"
    enforced: bool  # the kernel let the browser have no other way out than our guard
    how: str  # "own network namespace", or why only the browser's settings keep it there
    vantage: str = ""  # what the settings call it, where it is not the usual way
