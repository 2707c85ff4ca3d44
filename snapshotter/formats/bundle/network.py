"""
Write `capture/network.json`, the list of a capture's connections, as canonical JSON.

It says which addresses a host name had, which of them was connected to and when, what was refused,
and which part of a connection could not be read. It also lists where the requests that the browser
reported differ from those on the connections. docs/spec/network-record.md lists the fields.
"""

from collections.abc import Iterable

from snapshotter.formats import canonical_json
from snapshotter.formats.canonical_json import plain
from snapshotter.formats.tls.handshake import Finished
from snapshotter.model.network import Connection
from snapshotter.value_class import dataclass

FORMAT = "snapshotter-network/1"
PATH = "capture/network.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """TLS of one connection, as its handshake shows it."""

    version: str  # "TLS 1.3"
    cipher: str  # IANA's name
    alpn: str  # "h2", "http/1.1" or ""
    resumed: bool  # no certificate was sent: the session goes on from an earlier connection
    hello_retry: bool  # the server asked for another hello
    early_data: str  # "accepted", "rejected", "unknown"; "" when the client sent none ahead
    client_certificate_asked: bool  # none is ever given
    client_finished: Finished  # whether that side's MAC over the handshake holds
    server_finished: Finished


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedConnection:
    """One connection with what was found in it."""

    connection: Connection
    tls: Tls | None  # None: plain, or no handshake came about
    exchanges: int  # requests that the network record holds of it
    unreadable: tuple[str, ...]  # why parts of it are not in the record
    notes: tuple[str, ...]  # what was odd: "server: alert handshake_failure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Discrepancy:
    """One request of which the browser and the wire do not say the same."""

    kind: str  # "not-carried", "not-told", "answer-not-told", "status"
    method: str
    url: str
    connection: str  # as Snapshotter-Connection: "3/0"; "" when the wire does not have it
    told_status: int  # by the browser; 0: none
    carried_status: int  # on the wire; 0: none


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossCheck:
    """The browser's account of its requests, counted against what connections carried."""

    told: int  # requests that the browser told of and that can have gone to the network
    carried: int  # requests on the wire
    paired: int  # that are in both
    from_cache: int  # told, and answered out of the browser's cache
    internal: int  # told, and answered by the browser itself
    differences: tuple[Discrepancy, ...]  # the first MAX_DIFFERENCES
    difference_count: int


MAX_DIFFERENCES = 500


def encode(listed: Iterable[ListedConnection], check: CrossCheck, *, salt: bytes) -> bytes:
    """
    Return the file.

    Args:
        salt: Random, so that the digest of a withheld file confirms no guess of a host.
    """
    connections = [
        {
            **plain(entry.connection),
            "exchanges": entry.exchanges,
            "notes": plain(entry.notes),
            "tls": plain(entry.tls),
            "unreadable": plain(entry.unreadable),
        }
        for entry in listed
    ]
    return canonical_json.dumps(
        {
            "connections": connections,
            "cross_check": plain(check),
            "format": FORMAT,
            "salt": salt.hex(),
        }
    )
