"""
Read and parse the objects under a store's prefix for take-down events.

An object that is no valid event is returned with the reason. Whether the signing key is trusted is
not checked here.
"""

from collections.abc import Iterator

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats.bundle import store_keys
from snapshotter.formats.digest import digest_bytes
from snapshotter.formats.statements import takedown
from snapshotter.model.takedown import Takedown
from snapshotter.ports import ReadableStore
from snapshotter.translation import tr
from snapshotter.value_class import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """One object under the prefix of take-down events."""

    key: str
    sha256: str  # of the object
    data: bytes
    event: Takedown | None = None  # None: no event with a valid signature
    key_id: str = ""  # of the signing key; whether it is trusted is not checked here
    problem: str = ""  # why `event` is None
    logged: bool = False
    told: bool = False


def stored_events(store: ReadableStore) -> Iterator[StoredEvent]:
    """Yield the objects under the prefix of take-down events, in the order of keys."""
    for found in store.list(f"{store_keys.TAKEDOWNS}/"):
        event = read_stored_event(store, found.key)
        if event is not None:
            yield event


def read_stored_event(store: ReadableStore, key: str) -> StoredEvent | None:
    """Return the take-down event under a key; None if there is no such object."""
    try:
        with store.open(key) as stream:
            data = stream.read(takedown.MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    sha256 = digest_bytes(data).sha256
    try:
        event_id = store_keys.parse_takedown_key(key)
        event, key_id = takedown.parse(data)
        if event.event_id != event_id:
            raise EvidenceInvalid(
                tr(
                    "the object contains the event {event_id}, but the key of the object is the "
                    "key of another event",
                    event_id=event.event_id,
                )
            )
    except (ValueError, EvidenceInvalid) as error:
        return StoredEvent(key=key, sha256=sha256, data=data, problem=str(error))
    return StoredEvent(key=key, sha256=sha256, data=data, event=event, key_id=key_id)
