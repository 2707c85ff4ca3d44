"""
Find out why a request got no response, from the egress guard that made its connection.

Behind a proxy the browser reports only that a request failed (`ERR_EMPTY_RESPONSE`,
`ERR_TUNNEL_CONNECTION_FAILED`), and of every server only the proxy's address. The guard resolved
the name and made the connection, so it knows more.
"""

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

from snapshotter.egress.guard import EgressGuard
from snapshotter.model.network import Connection
from snapshotter.value_class import dataclass

_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
# How a connection failed, by the beginning of the guard's word, and the code of a reason
# (docs/reference/outcomes.md). What is none of them was lost.
_FAILURES = {
    "dns": "dns",
    "refused": "refused",
    "timeout": "timeout",
    "unreachable": "unreachable",
    "proxy": "proxy",
}
_LOST = "connection-lost"
# Why the guard refused one; every other word is a kind of address.
_REFUSALS = {
    "cut": "aborted",
    "limit": "capture-too-large",
    "malformed-request": "network-error",
    "policy": "blocked",
    "too-many-connections": "too-many-requests",
}
_FORBIDDEN = "forbidden-address"
_MOST_NAMED = 4  # addresses
# What the browser reports about a connection that failed through a proxy. Anything
# else it knows at first hand: it spoke to the server.
_UNKNOWN_TO_THE_BROWSER = (
    "net::ERR_CONNECTION_",
    "net::ERR_EMPTY_RESPONSE",
    "net::ERR_FAILED",
    "net::ERR_PROXY_",
    "net::ERR_SOCKS_",
    "net::ERR_TUNNEL_",
)

# Error of the main document (net_error_list.h), by its beginning, to the code of a reason.
_ERRORS = (
    ("NAME_", "dns"),
    ("DNS_", "dns"),
    ("ICANN_NAME", "dns"),
    ("CONNECTION_REFUSED", "refused"),
    ("CERT_", "tls"),
    ("SSL_", "tls"),
    ("BAD_SSL", "tls"),
    ("CONNECTION_TIMED_OUT", "timeout"),
    ("TIMED_OUT", "timeout"),
    ("CONNECTION_", "connection-lost"),
    ("EMPTY_RESPONSE", "connection-lost"),
    ("SOCKET_", "connection-lost"),
    ("NETWORK_CHANGED", "connection-lost"),
    ("ADDRESS_", "unreachable"),
    ("INTERNET_DISCONNECTED", "unreachable"),
    ("NETWORK_ACCESS_DENIED", "unreachable"),
    ("PROXY_", "unreachable"),
    ("TUNNEL_", "unreachable"),
    ("TOO_MANY_REDIRECTS", "redirect-loop"),
    ("UNSAFE_PORT", "unsafe-port"),
    ("UNSAFE_", "forbidden-address"),
    ("DISALLOWED_URL_SCHEME", "forbidden-address"),
    ("UNKNOWN_URL_SCHEME", "forbidden-address"),
    ("INVALID_URL", "forbidden-address"),
    ("BLOCKED_", "blocked"),
    ("INVALID_", "bad-response"),
    ("INCOMPLETE_", "bad-response"),
    ("RESPONSE_", "bad-response"),
    ("CONTENT_", "bad-response"),
    ("HTTP2_", "bad-response"),
    ("HTTP_RESPONSE_CODE_FAILURE", "empty-error-response"),
)


@dataclass(frozen=True, slots=True)
class FailureCause:
    """Why no response came."""

    code: str  # of a `Reason`
    detail: str


def cause(guard: EgressGuard, url: str, error: str) -> FailureCause | None:
    """
    Return why a request failed, if the guard knows more than the browser.

    Args:
        error: What the browser reported: "net::ERR_EMPTY_RESPONSE".
    """
    if not error.startswith(_UNKNOWN_TO_THE_BROWSER) or (server := host_and_port(url)) is None:
        return None
    found = guard.why(*server)
    if found is None:
        return None
    if found.refusal:
        code = _REFUSALS.get(found.refusal, _FORBIDDEN)
    else:
        code = next(
            (known_code for word, known_code in _FAILURES.items() if found.error.startswith(word)),
            _LOST,
        )
    hint = ""
    if code == _FORBIDDEN and (addresses := _addresses(found)):
        options = " ".join(f"--allow-network {address}" for address in addresses)
        hint = f"; if the network is yours, use {options}"
    return FailureCause(code, f"{found.detail or found.refusal or found.error} ({error}){hint}")


def _addresses(found: Connection) -> tuple[str, ...]:
    """Return the addresses of a host that was refused because they are not public."""
    if found.answers:
        return found.answers[:_MOST_NAMED]
    try:
        return (str(ip_address(found.host.strip("[]"))),)
    except ValueError:
        return ()


def explain_failed_navigation(
    guard: EgressGuard, message: str, *, asked: str, status: int
) -> tuple[str, str]:
    """
    Return code and detail for a navigation that ended without a document.

    Args:
        message: Playwright's message.
        asked: The address that failed, the last one if there were redirects.
        status: HTTP status of the last response, if there was one.
    """
    error = message.partition("net::ERR_")[2].split()[0] if "net::ERR_" in message else ""
    if status in (204, 205):
        return "no-content", f"the server answered {status}: no content"
    if "has been closed" in message:  # without an event: Playwright's driver has ended
        return "browser-lost", "the browser ended"
    if found := cause(guard, asked, f"net::ERR_{error}"):
        return found.code, found.detail
    if error == "FAILED" and _was_closed(guard, asked):  # of a paused request it knows no more
        return _LOST, "the server closed the connection without an answer"
    for beginning, code in _ERRORS:
        if error.startswith(beginning):
            return code, f"net::ERR_{error}"
    if error == "ABORTED":
        return "aborted", "the navigation was aborted"
    return "network-error", f"net::ERR_{error}" if error else message[:200].partition("\n")[0]


def cdp_error_reason(reason: str) -> str:
    """Return the error for a word of the protocol (`Network.ErrorReason`): "TimedOut"."""
    return "net::ERR_" + re.sub(r"(?<=[a-z])(?=[A-Z])", "_", reason).upper()


def _was_closed(guard: EgressGuard, url: str) -> bool:
    """Return whether the newest connection to the host of an address was closed by its server."""
    server = host_and_port(url)
    newest = (
        connection
        for connection in reversed(guard.connections())
        if (connection.host.lower(), connection.port) == server
    )
    return next((connection.ended_by == "server" for connection in newest), False)


def host_and_port(url: str) -> tuple[str, int] | None:
    """Return the host and the port of an address; None where it names none."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS[parts.scheme]
    except (KeyError, ValueError):
        return None
    return (parts.hostname, port) if parts.hostname else None
