"""
Late tokens: asking again for what timestamp authorities still owe.

A bundle is sealed whether or not an authority answers. What is owed is asked for
later, here, and stored beside the bundle; the bundle itself never changes.
"""

import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from snapshotter.app import bundles, pending
from snapshotter.errors import EvidenceInvalid, ServiceUnavailable, SnapshotterError
from snapshotter.formats import names
from snapshotter.formats.digest import digest_bytes
from snapshotter.formats.rfc3161 import Anchor, TokenInvalid, check_response
from snapshotter.ports import Clock, ObjectStore, TimestampAuthority
from snapshotter.store import layout

_MAX_SIDECARS = 9
_MAX_SEAL_FILE = 1 << 16  # bytes

# Bundle id, authority, and the token's time or None when there still is none.
Told = Callable[[str, str, datetime | None], None]


class SpacedAuthority:
    """
    An authority that asks its users to leave some time between two requests.

    Args:
        spacing_s: Seconds between two requests.
        patient: Wait until it may be asked again; otherwise it counts as not
            answering, and the token is fetched later.
    """

    def __init__(
        self, authority: TimestampAuthority, spacing_s: float, clock: Clock, *, patient: bool
    ) -> None:
        self._authority = authority
        self._spacing_s = spacing_s
        self._clock = clock
        self._patient = patient
        self._lock = threading.Lock()
        self._free_at = clock.monotonic()

    @property
    def name(self) -> str:
        """The name from the configuration."""
        return self._authority.name

    def stamp(self, message: bytes) -> tuple[bytes, datetime]:
        """Ask it, if it may be asked now or when it may. Raises as the authority does."""
        with self._lock:
            wait = self._free_at - self._clock.monotonic()
            if wait > 0 and not self._patient:
                raise ServiceUnavailable(
                    f"{self.name} asks for {self._spacing_s:.0f} s between two requests",
                    hint="snapshotter timestamp fetches the token later",
                )
            self._free_at = self._clock.monotonic() + max(wait, 0) + self._spacing_s
        if wait > 0:
            time.sleep(wait)
        return self._authority.stamp(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenDesk:
    """What is needed to ask again."""

    authorities: tuple[TimestampAuthority, ...]  # who is asked
    anchors: tuple[Anchor, ...]  # of all that are configured, asked here or not
    store: ObjectStore
    pending_dir: Path


def ask_again(desk: TokenDesk, told: Told | None = None, *, only: Sequence[str] = ()) -> int:
    """
    Ask for the tokens owed to bundles of this store; return how many came.

    Args:
        only: Bundle ids; empty: all that are remembered.

    Raises:
        SnapshotterError: The store does not take a token.
    """
    granted = 0
    silent: set[str] = set()  # who did not answer once is not asked again in this run
    asked = {authority.name: authority for authority in desk.authorities}
    configured = {anchor.name for anchor in desk.anchors}
    for entry in pending.remembered(desk.pending_dir):
        if entry.store != desk.store.url or (only and entry.bundle_id not in only):
            continue
        try:
            desk.store.head(entry.key)
        except FileNotFoundError:
            # The reminder is written before the bundle: this one is still to come, or never does.
            continue
        owing: list[str] = []
        for name in entry.authorities:
            if name not in configured:
                continue  # waited for by nobody any more
            at = None if name in silent or name not in asked else _ask(desk, asked[name], entry)
            if at is None:
                silent.add(name)
                owing.append(name)
            else:
                granted += 1
            if told:
                told(entry.bundle_id, name, at)
        if owing:
            pending.remember(desk.pending_dir, entry.with_authorities(owing))
        else:
            pending.forget(desk.pending_dir, entry.bundle_id)
    return granted


def _ask(
    desk: TokenDesk, authority: TimestampAuthority, entry: pending.PendingToken
) -> datetime | None:
    """Fetch and store one token; return its time, or None when the authority does not answer."""
    try:
        response, at = authority.stamp(entry.signature)
    except ServiceUnavailable:
        return None
    _put_sidecar(desk.store, entry.key, response)
    return at


def remember_missing(desk: TokenDesk, bundle_ids: Iterable[str]) -> None:
    """
    Note which configured authorities have given no good token for these bundles.

    Raises:
        SnapshotterError: No such bundle in the store.
        EvidenceInvalid: It can not be read.
    """
    for bundle_id in bundle_ids:
        key = bundles.key_of(desk.store, bundle_id)
        with desk.store.open(key) as stream:
            signature = bundles.read_member(stream, names.signature(1), limit=_MAX_SEAL_FILE)
            responses = list(bundles.late_tokens(desk.store, key))
            for number in range(1, names.MAX_TOKENS + 1):
                try:
                    responses.append(
                        bundles.read_member(stream, names.token(1, number), limit=_MAX_SEAL_FILE)
                    )
                except EvidenceInvalid:
                    break  # tokens are numbered without gaps
        missing = [
            anchor.name
            for anchor in desk.anchors
            if not any(_holds(response, signature, anchor) for response in responses)
        ]
        if missing:
            pending.remember(
                desk.pending_dir,
                pending.PendingToken(
                    bundle_id=bundle_id,
                    store=desk.store.url,
                    key=key,
                    signature=signature,
                    authorities=tuple(missing),
                ),
            )
        else:
            pending.forget(desk.pending_dir, bundle_id)


def _holds(response: bytes, signature: bytes, anchor: Anchor) -> bool:
    try:
        check_response(response, signature, anchor)
    except TokenInvalid:
        return False
    return True


def _put_sidecar(store: ObjectStore, key: str, response: bytes) -> str:
    """Store a late token beside its bundle under the next free number; return its key."""
    with tempfile.TemporaryDirectory(prefix="snapshotter-token-") as directory:
        file = Path(directory) / "token.tsr"
        file.write_bytes(response)
        sha256 = digest_bytes(response).sha256
        for number in range(1, _MAX_SIDECARS + 1):
            sidecar = layout.sidecar_key(key, f"late-{number:02}.tsr")
            try:
                store.put_new(sidecar, file, sha256)
            except FileExistsError:
                continue
            return sidecar
    raise SnapshotterError(f"{key} has {_MAX_SIDECARS} late tokens already")
