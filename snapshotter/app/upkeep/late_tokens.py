"""
Request timestamp tokens that authorities still owe, and store them beside their bundles.

A bundle is sealed even if an authority does not answer. A token that arrives later becomes
a sidecar; the bundle itself never changes. `remember_missing` finds out which tokens a bundle
lacks, and `SpacedAuthority` keeps a minimum time between two requests to an authority.
"""

import fcntl
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from snapshotter import durable
from snapshotter.app import private_files
from snapshotter.app.upkeep import owed_tokens
from snapshotter.errors import EvidenceInvalid, ServiceUnavailable, SnapshotterError
from snapshotter.formats import canonical_json
from snapshotter.formats.bundle import names
from snapshotter.formats.canonical_json import instant
from snapshotter.formats.digest import digest_bytes
from snapshotter.formats.proofs.rfc3161 import Anchor, TokenInvalid, check_response
from snapshotter.lazy_module import LazyModule
from snapshotter.ports import Clock, ObjectStore, ReadableStore, TimestampAuthority, WritableStore
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

if TYPE_CHECKING:
    from snapshotter.app.archive import bundles
else:  # used when a token is owed
    bundles = LazyModule("snapshotter.app.archive.bundles")

_MAX_SEAL_FILE = 1 << 16  # bytes
_MAX_NOTE = 100  # characters
_LONGEST_TURN_S = 24 * 3600.0  # nobody waits for so long: such a note is of another clock

# Bundle id, authority, and the token's time or None when there still is none.
TokenProgress = Callable[[str, str, datetime | None], None]


class SpacedAuthority:
    """
    An authority with a minimum time between two requests.

    All processes that share a data directory, also all slots of its workers, share the time.
    Requests from other machines are not counted.

    Args:
        spacing_s: Seconds between two requests.
        note: A file with the time of the next allowed request; created if it does not exist.
        patient: Wait for the next allowed request; otherwise the authority counts as not
            answering, and the token is fetched later.
    """

    def __init__(
        self,
        authority: TimestampAuthority,
        spacing_s: float,
        clock: Clock,
        note: Path,
        *,
        patient: bool,
    ) -> None:
        self._authority = authority
        self._spacing_s = spacing_s
        self._clock = clock
        self._note = note
        self._patient = patient

    @property
    def name(self) -> str:
        """The name from the configuration."""
        return self._authority.name

    def stamp(self, message: bytes) -> tuple[bytes, datetime]:
        """Request a token when the next request is allowed. Raises what the authority raises."""
        if (wait := self._take_turn()) > 0:
            time.sleep(wait)
        return self._authority.stamp(message)

    def _take_turn(self) -> float:
        """Reserve the next allowed request; return the seconds until then."""
        try:
            durable.make_private_folder(self._note.parent)
            with self._note.open("a+") as note:
                fcntl.flock(note, fcntl.LOCK_EX)
                note.seek(0)
                now = self._clock.now().timestamp()
                wait = _free_at(note.read(_MAX_NOTE)) - now
                if wait > _LONGEST_TURN_S:
                    wait = 0.0  # a clock was set back
                if wait > 0 and not self._patient:
                    raise ServiceUnavailable(
                        tr(
                            "{name} requires {spacing_s:.0f} s between two requests",
                            name=self.name,
                            spacing_s=self._spacing_s,
                        ),
                        hint=tr("request the token later:\n  snapshotter timestamp"),
                    )
                note.truncate(0)
                note.write(f"{now + max(wait, 0.0) + self._spacing_s!r}\n")
        except OSError as error:
            raise ServiceUnavailable(
                tr(
                    "the time of the last request to {name} cannot be written to {note}: "
                    "{strerror}",
                    name=self.name,
                    note=self._note,
                    strerror=error.strerror,
                ),
                hint=tr("request the token later:\n  snapshotter timestamp"),
            ) from error
        return max(wait, 0.0)


def _free_at(text: str) -> float:
    """Return the recorded time (POSIX); 0 if there is none, or it is invalid."""
    try:
        at = float(text)
    except ValueError:
        return 0.0
    return at if math.isfinite(at) else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenService:
    """The authorities, store and reminders that requests for owed tokens need."""

    authorities: tuple[TimestampAuthority, ...]  # who is asked
    anchors: tuple[Anchor, ...]  # of all that are configured, asked here or not
    store: ObjectStore
    pending_dir: Path
    max_skew: timedelta = timedelta(minutes=5)  # between a bundle's own time and a token's


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRequestResult:
    """The result of one round of requests."""

    granted: int = 0  # tokens that came, and were stored
    not_configured: tuple[tuple[str, str], ...] = ()  # bundle, and an authority not configured here
    problems: tuple[SnapshotterError, ...] = ()  # one for each reminder that got no further


class _Round:
    """One round of requests, reminder by reminder."""

    def __init__(self, service: TokenService, progress: TokenProgress | None) -> None:
        self._service = service
        self._progress = progress
        self._asked = {authority.name: authority for authority in service.authorities}
        self._anchors = {anchor.name: anchor for anchor in service.anchors}
        self._silent: set[str] = set()  # who did not answer once is not asked again in this run
        self.granted = 0
        self.not_configured: list[tuple[str, str]] = []
        self.problems: list[SnapshotterError] = []

    def settle(self, entry: owed_tokens.PendingToken) -> None:
        """Request all owed tokens of one bundle; the reminder keeps what is still owed."""
        owing = list(entry.authorities)
        try:
            self._service.store.head(entry.key)
            for name in entry.authorities:
                if self._came(entry, name):
                    owing.remove(name)
        except FileNotFoundError:
            # The reminder is written before the bundle: this one is still to come, or never does.
            return
        except SnapshotterError as error:
            self.problems.append(_of(entry, error))
        except (OSError, ValueError) as error:
            self.problems.append(_of(entry, SnapshotterError(str(error))))
        if not owing:
            owed_tokens.forget(self._service.pending_dir, entry.bundle_id, entry.slot)
        elif tuple(owing) != entry.authorities:
            owed_tokens.save_reminder(self._service.pending_dir, entry.with_authorities(owing))

    def _came(self, entry: owed_tokens.PendingToken, name: str) -> bool:
        if name not in self._anchors:
            # Not configured at the moment, or by this file alone: it still owes.
            self.not_configured.append((entry.bundle_id, name))
            return False
        at = self._stored(entry, self._anchors[name])
        if at is None and name in self._asked and name not in self._silent:
            at = self._ask(entry, self._asked[name])
        if at is None:
            self._silent.add(name)
        if self._progress:
            self._progress(entry.bundle_id, name, at)
        return at is not None

    def _stored(self, entry: owed_tokens.PendingToken, anchor: Anchor) -> datetime | None:
        """Return the time of this authority's token beside the bundle, if there is one."""
        for response in bundles.read_sidecars(self._service.store, entry.key, "late-").late_tokens:
            try:
                return check_response(response, entry.signature, anchor).time
            except TokenInvalid:
                continue  # another authority's, or none at all
        return None

    def _ask(
        self, entry: owed_tokens.PendingToken, authority: TimestampAuthority
    ) -> datetime | None:
        """Fetch and store one token; return its time, or None if the authority does not answer."""
        try:
            response, at = authority.stamp(entry.signature)
        except ServiceUnavailable:
            return None
        sealed_at = _sealed_at(self._service.store, entry.key)
        if at < sealed_at - self._service.max_skew:
            # Beside the bundle it would make every verifier say FAILED; a later one fits.
            raise ServiceUnavailable(
                tr(
                    "the token of {name} has the time {instant}, but the bundle was sealed "
                    "at {instant2}. The token is not kept",
                    name=authority.name,
                    instant=instant(at),
                    instant2=instant(sealed_at),
                ),
                hint=tr(
                    "the clock of the capturing machine was ahead. Request the token after "
                    "the sealing time"
                ),
            )
        _put_sidecar(self._service.store, entry.key, response)
        self.granted += 1
        return at


def request_owed_tokens(
    service: TokenService,
    progress: TokenProgress | None = None,
    *,
    only: Sequence[str] = (),
    wait_s: float = 0,
    longest_s: float = math.inf,
) -> TokenRequestResult:
    """
    Request the tokens that authorities owe for bundles of this store.

    A reminder or bundle that cannot be handled becomes a problem in the result and stops no
    other. Only one process asks at a time: two would each store a token.

    Args:
        only: Bundle ids; empty: all with a reminder.
        wait_s: How long to wait for another process that is asking. With 0, the round does
            nothing while another process asks.
        longest_s: After so many seconds no further bundle is begun in this round.

    Raises:
        ServiceUnavailable: Another process is asking for longer than `wait_s` (above 0).
        SnapshotterError: A reminder cannot be written.
    """
    if not service.pending_dir.is_dir():
        return TokenRequestResult()
    this = _Round(service, progress)
    began = time.monotonic()
    with private_files.lock_directory(service.pending_dir, wait_s=wait_s) as ours:
        if not ours:
            if wait_s:
                raise _busy(service)
            return TokenRequestResult()
        for entry in owed_tokens.list_reminders(service.pending_dir, this.problems.append):
            if entry.store == service.store.url and (not only or entry.bundle_id in only):
                this.settle(entry)
                if time.monotonic() - began >= longest_s:
                    break
    return TokenRequestResult(
        granted=this.granted,
        not_configured=tuple(this.not_configured),
        problems=tuple(this.problems),
    )


def _sealed_at(store: ReadableStore, key: str) -> datetime:
    """Return the sealing time in a bundle's record. Raises EvidenceInvalid."""
    with store.open(key) as stream:
        value = bundles.read_record(stream)
    return canonical_json.parse_instant(value.get("sealed_at"))


def _of(entry: owed_tokens.PendingToken, error: SnapshotterError) -> SnapshotterError:
    return type(error)(f"{entry.bundle_id}: {error.message}", hint=error.hint)


def _busy(service: TokenService) -> ServiceUnavailable:
    return ServiceUnavailable(
        tr(
            "another process is requesting the missing timestamp tokens that are recorded in "
            "{pending_dir}",
            pending_dir=service.pending_dir,
        ),
        hint=tr(
            "when the other process has ended, give this command again:\n  snapshotter timestamp"
        ),
    )


def remember_missing(
    service: TokenService, bundle_ids: Iterable[str], *, wait_s: float = 0
) -> None:
    """
    Write reminders of the configured authorities without a valid token for these bundles.

    Reminders of authorities that are not configured here stay.

    Args:
        wait_s: How long to wait for another process that is asking.

    Raises:
        SnapshotterError: No such bundle in the store.
        EvidenceInvalid: A bundle cannot be read.
        ServiceUnavailable: Another process is asking.
    """
    with private_files.lock_directory(service.pending_dir, wait_s=wait_s) as ours:
        if not ours:
            raise _busy(service)
        configured = {anchor.name for anchor in service.anchors}
        known = {
            (entry.bundle_id, entry.slot): [
                name for name in entry.authorities if name not in configured
            ]
            for entry in owed_tokens.list_reminders(service.pending_dir, lambda _: None)
            if entry.store == service.store.url
        }
        for bundle_id in bundle_ids:
            _remember_missing(service, bundle_id, known)


def _remember_missing(
    service: TokenService, bundle_id: str, known: Mapping[tuple[str, int], Sequence[str]]
) -> None:
    key = bundles.find_bundle_key(service.store, bundle_id)
    with service.store.open(key) as stream:
        late = bundles.read_sidecars(service.store, key, "late-").late_tokens
        for slot, signature in enumerate(bundles.read_signatures(stream), start=1):
            responses = list(late)
            for number in range(1, names.MAX_TOKENS + 1):
                try:
                    responses.append(
                        bundles.read_member(stream, names.token(slot, number), limit=_MAX_SEAL_FILE)
                    )
                except EvidenceInvalid:
                    break  # tokens are numbered without gaps
            entry = owed_tokens.PendingToken(
                bundle_id=bundle_id,
                store=service.store.url,
                key=key,
                signature=signature,
                authorities=(),
                slot=slot,
            )
            _remember_owed(service, entry, responses, known.get((bundle_id, slot), ()))


def _remember_owed(
    service: TokenService,
    entry: owed_tokens.PendingToken,
    responses: Sequence[bytes],
    more: Sequence[str],
) -> None:
    missing = [
        anchor.name
        for anchor in service.anchors
        if not any(_holds(response, entry.signature, anchor) for response in responses)
    ]
    missing += more
    if missing:
        owed_tokens.save_reminder(service.pending_dir, entry.with_authorities(missing))
    else:
        owed_tokens.forget(service.pending_dir, entry.bundle_id, entry.slot)


def _holds(response: bytes, signature: bytes, anchor: Anchor) -> bool:
    try:
        check_response(response, signature, anchor)
    except TokenInvalid:
        return False
    return True


def _put_sidecar(store: WritableStore, key: str, response: bytes) -> None:
    """Store a late token beside its bundle under the next free number."""
    if not bundles.put_late_token(store, key, response, digest_bytes(response).sha256):
        raise SnapshotterError(
            tr(
                "{key} already has {max_late_tokens} late tokens",
                key=key,
                max_late_tokens=names.MAX_LATE_TOKENS,
            )
        )
