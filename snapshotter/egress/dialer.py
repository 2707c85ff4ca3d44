"""
Connect to a host by the rules of the egress guard: resolve its name once, check all its addresses,
and connect to no others.

If there is an upstream proxy, names are not resolved here: the proxy gets them.
"""

import asyncio
import errno
import socket
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from snapshotter.egress import upstream as proxies
from snapshotter.egress.addresses import (
    NotAHost,
    address_of,
    address_refusal,
    canonical_host,
    describe_refusal,
    is_internal_name,
    loopback_addresses_of,
)
from snapshotter.egress.connection_log import ConnectionEntry
from snapshotter.egress.connection_slots import ConnectionSlots
from snapshotter.egress.errors import EgressFailed, EgressRefused
from snapshotter.egress.resolver import ResolutionFailed, Resolver
from snapshotter.egress.rules import EgressRules
from snapshotter.policy.addresses import matches_host_pattern
from snapshotter.value_class import dataclass

_HEAD_START_S: Final = 0.25  # before the next address is tried beside this one, RFC 8305
_MAX_TRIED: Final = 8  # addresses of a name
_MAX_ANSWERS: Final = 256
_UNREACHABLE: Final = {
    errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT,
    errno.ENETDOWN, errno.EHOSTDOWN,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedConnection:
    """A connection that was made."""

    sock: socket.socket  # non-blocking
    first: bytes  # what the server sent already
    absolute: bool  # plain http goes out in absolute form, for a proxy


class Dialer:
    """Makes connections by the rules, and logs their addresses and results."""

    def __init__(self, rules: EgressRules, resolver: Resolver) -> None:
        self._rules = rules
        self._resolver = resolver
        self._networks = rules.networks()
        self._proxy = rules.proxy()
        self._slots = ConnectionSlots(rules.connections, rules.per_host)

    @property
    def via(self) -> str:
        """The way that connections take."""
        return self._proxy.via if self._proxy else "direct"

    @property
    def credentials(self) -> bytes:
        """The header line for requests that an HTTP proxy gets in absolute form."""
        return proxies.credentials(self._proxy) if self._proxy else b""

    async def open(self, entry: ConnectionEntry) -> OpenedConnection:
        """
        Make the connection that `entry` requests, when a slot is free.

        Raises:
            EgressRefused: The rules forbid it.
            EgressFailed: It could not be made.
        """
        host, addresses = await self._vetted(entry)
        rules = self._rules
        try:
            async with asyncio.timeout(rules.connect_s):
                entry.slot = await self._slots.take(host)
        except TimeoutError:
            raise EgressFailed(
                "busy",
                f"the connection did not start within {rules.connect_s:g} s, because too many "
                "connections are open",
            ) from None
        if self._proxy is None:
            sock, entry.address = await self._connect(addresses, entry.port)
            return OpenedConnection(sock=sock, first=b"", absolute=False)
        return await self._through_proxy(entry, addresses[0] if addresses else host)

    def end(self, entry: ConnectionEntry) -> None:
        """Release the slot of a connection, if it has one."""
        slot, entry.slot = entry.slot, None
        if slot is not None:
            self._slots.give_back(slot)

    async def _vetted(self, entry: ConnectionEntry) -> tuple[str, tuple[str, ...]]:
        """Return the host in its canonical form, and its addresses, all of them allowed."""
        try:
            host, literal = canonical_host(entry.host), address_of(entry.host)
        except NotAHost as error:
            raise EgressRefused(error.word, f"the host is invalid: {error}") from None
        if matches_host_pattern(host, self._rules.blocked):
            raise EgressRefused("policy", f"the policy blocks the host {host}")
        if literal:
            entry.answers = (literal,)
            self._vet(entry.host, entry.answers)
            return host, entry.answers
        if local := loopback_addresses_of(host):
            entry.answers = local
            # No resolver was asked, so there is none to distrust: what is opened is used.
            usable = tuple(
                address for address in local if not address_refusal(address, self._networks)
            )
            self._vet(entry.host, usable or local)
            return host, usable
        if host.endswith(".onion") and (self._proxy is None or self._proxy.kind == "http"):
            raise EgressRefused(
                "onion",
                "names that end in .onion belong to the Tor network and must not be "
                "sent to a DNS resolver",
            )
        if self._proxy is not None:
            if is_internal_name(host):
                raise EgressRefused(
                    "inside-name", "the name belongs to a host of an internal network"
                )
            return host, ()
        entry.answers = await self._resolve(host)
        self._vet(entry.host, entry.answers)
        return host, entry.answers

    async def _resolve(self, host: str) -> tuple[str, ...]:
        limit_s = self._rules.resolve_s
        try:
            async with asyncio.timeout(limit_s):
                answers = await self._resolver.resolve(host)
        except TimeoutError:
            raise EgressFailed(
                "dns-timeout", f"the name {host} was not resolved within {limit_s:g} s"
            ) from None
        except ResolutionFailed as error:
            raise EgressFailed(error.word, error.detail) from None
        if not answers:
            raise EgressFailed("dns", f"the name {host} has no IP address")
        if len(answers) > _MAX_ANSWERS:
            raise EgressFailed("dns", f"the name {host} has too many IP addresses: {len(answers)}")
        return answers

    def _vet(self, host: str, addresses: Sequence[str]) -> None:
        """Refuse all addresses if one is refused: a site's name does not lead inside a network."""
        for address in addresses:
            word = address_refusal(address, self._networks)
            if word:
                shown = host if host == address else f"{host} ({address})"
                raise EgressRefused(
                    word,
                    f"connections to {shown} are not allowed: {describe_refusal(word)}",
                )

    async def _through_proxy(self, entry: ConnectionEntry, host: str) -> OpenedConnection:
        proxy = self._proxy
        assert proxy is not None  # noqa: S101  the caller has looked
        try:
            literal = address_of(proxy.host)
            addresses = (literal,) if literal else loopback_addresses_of(canonical_host(proxy.host))
            addresses = addresses or await self._resolve(proxy.host)
            sock, _ = await self._connect(addresses, proxy.port)
        except (EgressFailed, NotAHost) as error:
            # Neither the address nor a text of the system that may contain it: both are sealed.
            why = error.word if isinstance(error, EgressFailed) else "invalid host"
            raise EgressFailed(
                "proxy-unreachable", f"{proxy.name} cannot be reached ({why})"
            ) from None
        absolute = proxy.kind == "http" and entry.kind == "http"
        if absolute:
            return OpenedConnection(sock=sock, first=b"", absolute=True)
        try:
            async with asyncio.timeout(self._rules.connect_s):
                first = await proxies.connect_through(sock, proxy, host, entry.port)
        except TimeoutError:
            sock.close()
            raise EgressFailed(
                "timeout", f"{proxy} made no connection within the time limit"
            ) from None
        except BaseException:  # also a cancelled task: nobody else knows the socket yet
            sock.close()
            raise
        return OpenedConnection(sock=sock, first=first, absolute=False)

    async def _connect(self, addresses: Sequence[str], port: int) -> tuple[socket.socket, str]:
        """Try one address after another, each in parallel with those before, until one connects."""
        waiting = list(addresses[:_MAX_TRIED])
        trying: dict[asyncio.Task[socket.socket], str] = {}
        failures: list[EgressFailed] = []
        try:
            async with asyncio.timeout(self._rules.connect_s):
                while waiting or trying:
                    if waiting:
                        address = waiting.pop(0)
                        trying[asyncio.ensure_future(_connect_one(address, port))] = address
                    done, _ = await asyncio.wait(
                        trying,
                        timeout=_HEAD_START_S if waiting else None,
                        return_when=asyncio.FIRST_COMPLETED,
                    )
                    for task in done:
                        error = task.exception()
                        if error is None:
                            return task.result(), trying.pop(task)
                        address = trying.pop(task)
                        failures.append(_failure(error, address, port))
        except TimeoutError:
            raise EgressFailed(
                "timeout", f"no connection was made within {self._rules.connect_s:g} s"
            ) from None
        finally:
            for task in trying:
                task.add_done_callback(_let_go)
                task.cancel()
        # "Unreachable" is what a machine without IPv6 says of half the answers.
        raise next((error for error in failures if error.word != "unreachable"), failures[0])


async def _connect_one(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, (address, port))
    except BaseException:  # also a cancelled task: nobody else knows the socket yet
        sock.close()
        raise
    return sock


def _let_go(task: "asyncio.Task[socket.socket]") -> None:
    """Close the connection of an abandoned attempt."""
    with suppress(asyncio.CancelledError, OSError):
        task.result().close()


def _failure(error: BaseException, address: str, port: int) -> EgressFailed:
    if not isinstance(error, OSError):
        raise error
    shown = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    if error.errno == errno.ECONNREFUSED:
        word = "refused"
    elif error.errno in _UNREACHABLE:
        word = "unreachable"
    elif error.errno == errno.ETIMEDOUT:
        word = "timeout"
    elif error.errno == errno.ECONNRESET:
        word = "reset"
    elif error.errno in {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}:
        word = "resources"
    else:
        word = "failed"
    return EgressFailed(word, f"{shown}: {error.strerror or error}")
