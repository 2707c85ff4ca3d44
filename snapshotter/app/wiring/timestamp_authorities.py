"""
Build the timestamp authorities and their roots, and guarded connections to services.

The services are timestamp authorities and, for the log, witnesses (`log.py`).
"""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from cryptography import x509

from snapshotter.app.machine import RandomIds, SystemClock
from snapshotter.app.settings import Authority, Settings
from snapshotter.errors import SnapshotterError
from snapshotter.formats.proofs.rfc3161 import Anchor
from snapshotter.ports import Clock, TimestampAuthority
from snapshotter.translation import tr

if TYPE_CHECKING:
    from httpx import BaseTransport

_HELPERS_BYTES = 1 << 30  # of all that one guard asks of authorities; a token has 6 KiB
_EXCHANGES = 500  # with authorities or witnesses, until another guard takes the place of one
_CONNECTIONS_EACH = 8  # the most that one exchange makes, redirects included


def anchors(settings: Settings) -> tuple[Anchor, ...]:
    """
    Return the roots of the configured authorities. Raises SnapshotterError: a root is invalid.
    """
    return tuple(_anchor(entry) for entry in settings.authorities)


def _anchor(entry: Authority) -> Anchor:
    try:
        root = x509.load_pem_x509_certificate(entry.root.read_bytes())
        return Anchor(
            name=entry.name,
            root=root,
            policy_oids=entry.policy_oids,
            revoked_serials=entry.revoked_serials,
        )
    except (OSError, ValueError) as error:
        raise SnapshotterError(
            tr(
                "the root certificate of the timestamp authority {name} is invalid: {root}",
                name=entry.name,
                root=entry.root,
            ),
            hint=tr(
                "set root to a PEM file with exactly one certificate: the self-signed root "
                "certificate of the timestamp authority"
            ),
        ) from error


def authorities(settings: Settings, *, patient: bool = False) -> tuple[TimestampAuthority, ...]:
    """
    Return the configured timestamp authorities.

    Args:
        patient: Wait if an authority wants time between two requests.
    """
    from snapshotter.app.upkeep.late_tokens import SpacedAuthority
    from snapshotter.seal.timestamp import HttpTimestampAuthority

    clock, ids = SystemClock(), RandomIds()
    carry = guarded_connections(settings, clock) if settings.authorities else None
    found: list[TimestampAuthority] = []
    for entry in settings.authorities:
        authority: TimestampAuthority = HttpTimestampAuthority(
            entry.name,
            entry.url,
            _anchor(entry),
            timeout_s=settings.timestamp_timeout_s,
            clock=clock,
            ids=ids,
            transport=carry,
        )
        if entry.spacing_s:
            # Names hold nothing that a path could not.
            note = settings.data_dir / "authorities" / f"{entry.name}.next"
            authority = SpacedAuthority(authority, entry.spacing_s, clock, note, patient=patient)
        found.append(authority)
    return tuple(found)


def guarded_connections(
    settings: Settings, clock: Clock, *, purpose: str = "timestamp"
) -> "Callable[[], BaseTransport]":
    """
    Return a factory of guarded connections, with the proxy and rules that pages have.

    An authority that redirects us into our own network gets no answer there. A guard has limits for
    its whole life, and a worker or a large renewal makes more requests. So after some exchanges a
    new guard replaces an old one, which is ended.
    """
    from snapshotter.egress.guard import EgressGuard
    from snapshotter.egress.rules import EgressRules

    rules = EgressRules(
        allowed=settings.allow_networks,
        upstream=settings.proxy,
        total_bytes=_HELPERS_BYTES,
        connections_in_all=_EXCHANGES * _CONNECTIONS_EACH,
    )
    guards: list[EgressGuard] = []  # the newest last; what others are in the middle of goes on
    lock = threading.Lock()  # authorities are asked at once
    exchanges = 0

    def make() -> "BaseTransport":
        from snapshotter.egress.transport import transport

        nonlocal exchanges
        with lock:
            if exchanges % _EXCHANGES == 0:
                guards.append(EgressGuard(rules, clock=clock, purpose=purpose))
                guards[-1].start()
                for old in guards[:-2]:
                    old.stop()
                del guards[:-2]
            exchanges += 1
            return transport(guards[-1])

    return make
