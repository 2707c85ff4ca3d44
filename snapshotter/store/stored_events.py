"""Read the take-down events that a store holds, whoever signed them."""

from collections.abc import Iterator
from dataclasses import dataclass

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats.bundle import store_keys
from snapshotter.formats.digest import digest_bytes
from snapshotter.formats.statements import takedown
from snapshotter.model.takedown import Takedown
from snapshotter.ports import ReadableStore


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """One object where take-down events are kept."""

    key: str
    sha256: str  # of the object
    data: bytes
    event: Takedown | None = None  # its signature holds; whose it is says trust
    key_id: str = ""  # who signed it
    problem: str = ""  # why there is none
    logged: bool = False
    told: bool = False


def stored_events(store: ReadableStore) -> Iterator[StoredEvent]:
    """Yield what a store keeps where events are, in the order of keys, whosever they are."""
    for found in store.list(f"{store_keys.TAKEDOWNS}/"):
        event = read_stored_event(store, found.key)
        if event is not None:
            yield event


def read_stored_event(store: ReadableStore, key: str) -> StoredEvent | None:
    """Return what stands under a key; None where nothing does any more."""
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
            raise EvidenceInvalid(f"it is of the event {event.event_id}")
    except (ValueError, EvidenceInvalid) as error:
        return StoredEvent(key=key, sha256=sha256, data=data, problem=str(error))
    return StoredEvent(key=key, sha256=sha256, data=data, event=event, key_id=key_id)
